//! SUBSCRIBE, PUBLISH and their kin.

use super::call::{Answer, Call};
use super::config::output_limit;
use super::row::flag::{FAST, LISTENS, LOADING, NOSCRIPT, PUBSUB, STALE};
use super::row::{Keys, Row, Run, row};
use super::session::Session;
use crate::Bytes;
use crate::pubsub::{Backlog, Hub, Message, Subscription};
use crate::reply::{ErrorReply, Reply};

const LISTEN: u32 = LISTENS | PUBSUB | NOSCRIPT | LOADING | STALE;
const LOOK: u32 = PUBSUB | LOADING | STALE;

pub(super) const ROWS: &[Row] = &[
    row("psubscribe", -2, LISTEN, Keys::NONE, |call| subscribe(call, &PATTERNS)).since(2, 0),
    row("publish", 3, PUBSUB | LOADING | STALE | FAST, Keys::NONE, publish).since(2, 0),
    Row { run: Run::Container, ..row("pubsub", -2, 0, Keys::NONE, channels) }.since(2, 8),
    row("pubsub|channels", -2, LOOK, Keys::NONE, channels).since(2, 8),
    row("pubsub|numpat", 2, LOOK, Keys::NONE, patterns).since(2, 8),
    row("pubsub|numsub", -2, LOOK, Keys::NONE, subscribers).since(2, 8),
    row("punsubscribe", -1, LISTEN, Keys::NONE, |call| unsubscribe(call, &PATTERNS)).since(2, 0),
    row("subscribe", -2, LISTEN, Keys::NONE, |call| subscribe(call, &CHANNELS)).since(2, 0),
    row("unsubscribe", -1, LISTEN, Keys::NONE, |call| unsubscribe(call, &CHANNELS)).since(2, 0),
];

/// What is kept for a client that is slow to read: no more messages than so many, and as many bytes as
/// `client-output-buffer-limit` has said when it began to listen.
const MESSAGES: usize = 1 << 16;

/// What channels and patterns differ in.
struct Kind {
    subscribe: &'static str,
    unsubscribe: &'static str,
    join: fn(&Subscription, &Bytes) -> bool,
    part: fn(&Subscription, &Bytes) -> bool,
    all: fn(&Subscription) -> Vec<Bytes>,
}

const CHANNELS: Kind = Kind {
    subscribe: "subscribe",
    unsubscribe: "unsubscribe",
    join: |subscription, name| subscription.subscribe(name),
    part: |subscription, name| subscription.unsubscribe(name),
    all: Subscription::channels,
};

const PATTERNS: Kind = Kind {
    subscribe: "psubscribe",
    unsubscribe: "punsubscribe",
    join: |subscription, name| subscription.psubscribe(name),
    part: |subscription, name| subscription.punsubscribe(name),
    all: Subscription::patterns,
};

impl Session {
    /// A message of a channel that the session is subscribed to, if one has come; in the order in which
    /// they were sent. It does not wait.
    ///
    /// ```
    /// use larder::{Reply, Store};
    ///
    /// let store = Store::new();
    /// let mut listener = store.session();
    /// listener.call(["SUBSCRIBE", "news"]);
    /// store.session().call(["PUBLISH", "news", "hello"]);
    /// let message = ["message", "news", "hello"].map(|part| Reply::Bulk(part.into()));
    /// assert_eq!(listener.try_message(), Some(Reply::Push(message.into())));
    /// assert_eq!(listener.try_message(), None);
    /// ```
    pub fn try_message(&self) -> Option<Reply> {
        self.subscription.as_ref()?.try_recv().map(message)
    }

    /// To how many channels and patterns it is subscribed.
    pub(crate) fn subscriptions(&self) -> usize {
        let all = |subscription: &Subscription| subscription.channels().len() + subscription.patterns().len();
        self.subscription.as_ref().map_or(0, all)
    }

    /// Where its messages come in, once it has subscribed to any.
    #[cfg(feature = "server")]
    pub(crate) fn subscription(&self) -> Option<&Subscription> {
        self.subscription.as_ref()
    }
}

/// A message as a reply.
pub(crate) fn message(message: Message) -> Reply {
    let Message { channel, payload, pattern } = message;
    let kind = if pattern.is_some() { "pmessage" } else { "message" };
    let parts = [Some(Bytes::from(kind)), pattern, Some(channel), Some(payload)];
    Reply::Push(parts.into_iter().flatten().map(Reply::Bulk).collect())
}

fn subscribe(call: &mut Call<'_>, kind: &Kind) -> Answer {
    let names = call.args.take_rest();
    let mut replies = Vec::new();
    let space = std::sync::Arc::clone(call.db().space());
    for name in names {
        let bytes = output_limit(&space, "pubsub").hard.unwrap_or(usize::MAX);
        let new =
            || Hub::subscriber(space.hub(), space.clock(), Backlog::new().messages(MESSAGES).bytes(bytes));
        (kind.join)(call.session.subscription.get_or_insert_with(new), name);
        replies.push(told(call.session, kind.subscribe, Some(name)));
    }
    Ok(Reply::Several(replies))
}

fn unsubscribe(call: &mut Call<'_>, kind: &Kind) -> Answer {
    let mut names = call.args.take_rest().to_vec();
    if names.is_empty() {
        names = call.session.subscription.as_ref().map(kind.all).unwrap_or_default();
    }
    if names.is_empty() {
        return Ok(told(call.session, kind.unsubscribe, None));
    }
    let mut replies = Vec::new();
    for name in &names {
        if let Some(subscription) = &call.session.subscription {
            (kind.part)(subscription, name);
        }
        replies.push(told(call.session, kind.unsubscribe, Some(name)));
    }
    Ok(Reply::Several(replies))
}

/// What a session is told of a change to what it is subscribed to.
fn told(session: &Session, what: &'static str, name: Option<&Bytes>) -> Reply {
    let name = Reply::bulk_or_nil(name.cloned());
    Reply::Push(vec![Reply::text(what), name, Reply::count(session.subscriptions())])
}

fn publish(call: &mut Call<'_>) -> Answer {
    let (channel, payload) = (call.args.next()?, call.args.next()?);
    let space = call.db().space();
    // Within a transaction nobody is woken before its end.
    let receivers = match call.held() {
        None => space.hub().publish(channel, payload),
        Some(_) => call.write_all(&[], |writer| Ok(space.hub().enqueue(channel, payload, writer.wakes())))?,
    };
    Ok(Reply::count(receivers))
}

fn channels(call: &mut Call<'_>) -> Answer {
    let pattern = call.args.take();
    if !call.args.is_empty() {
        return Err(wrong_number(call));
    }
    let pattern = pattern.map_or(&b"*"[..], |pattern| pattern);
    Ok(Reply::bulks(call.space().hub().channels(pattern)))
}

fn subscribers(call: &mut Call<'_>) -> Answer {
    let names = call.args.take_rest();
    let hub = call.space().hub();
    let counts =
        names.iter().flat_map(|name| [Reply::Bulk(name.clone()), Reply::count(hub.subscribers(name))]);
    Ok(Reply::Array(counts.collect()))
}

fn patterns(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(call.space().hub().patterns()))
}

fn wrong_number(call: &Call<'_>) -> ErrorReply {
    ErrorReply::new(format!("ERR wrong number of arguments for '{}' command", call.name))
}
