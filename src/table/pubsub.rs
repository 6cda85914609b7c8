//! SUBSCRIBE, PUBLISH and their kin, and what comes unasked besides.

#[cfg(feature = "server")]
use std::sync::Arc;
use std::time::Duration;

use super::call::{Answer, Call};
use super::command::help;
#[cfg(feature = "server")]
use super::config::{OutputLimit, output_limit};
use super::row::flag::{FAST, LISTENS, LOADING, MAY_REPLICATE, NOSCRIPT, PUBSUB, STALE};
use super::row::{Keys, Row, Run, row};
use super::session::Session;
use crate::Bytes;
use crate::keyspace::Keyspace;
use crate::pubsub::{Hub, Keeps, Kind, Message, Origin, Subscription};
use crate::reply::Reply;
use crate::resp::Protocol;
use crate::wake::Wakes;

const LISTEN: u32 = LISTENS | PUBSUB | NOSCRIPT | LOADING | STALE;
const LOOK: u32 = PUBSUB | LOADING | STALE;

pub(super) const ROWS: &[Row] = &[
    row("psubscribe", -2, LISTEN, Keys::NONE, |call| subscribe(call, Kind::Pattern)).since(2, 0),
    row("publish", 3, PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE, Keys::NONE, publish).since(2, 0),
    Row { run: Run::Container, ..row("pubsub", -2, 0, Keys::NONE, channels) }.since(2, 8),
    row("pubsub|channels", -2, LOOK, Keys::NONE, channels).since(2, 8),
    row("pubsub|help", 2, LOADING | STALE, Keys::NONE, help).since(6, 2),
    row("pubsub|numpat", 2, LOOK, Keys::NONE, patterns).since(2, 8),
    row("pubsub|numsub", -2, LOOK, Keys::NONE, |call| subscribers(call, Kind::Channel)).since(2, 8),
    row("pubsub|shardchannels", -2, LOOK, Keys::NONE, |call| names(call, Kind::Shard)).since(7, 0),
    row("pubsub|shardnumsub", -2, LOOK, Keys::NONE, |call| subscribers(call, Kind::Shard)).since(7, 0),
    row("punsubscribe", -1, LISTEN, Keys::NONE, |call| unsubscribe(call, Kind::Pattern)).since(2, 0),
    row("spublish", 3, PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE, Keys::ONE, publish_to_shard)
        .since(7, 0),
    row("ssubscribe", -2, LISTEN, Keys::ALL, |call| subscribe(call, Kind::Shard)).since(7, 0),
    row("subscribe", -2, LISTEN, Keys::NONE, |call| subscribe(call, Kind::Channel)).since(2, 0),
    row("sunsubscribe", -1, LISTEN, Keys::ALL, |call| unsubscribe(call, Kind::Shard)).since(7, 0),
    row("unsubscribe", -1, LISTEN, Keys::NONE, |call| unsubscribe(call, Kind::Channel)).since(2, 0),
];

impl Kind {
    fn subscribe(self) -> &'static str {
        match self {
            Kind::Channel => "subscribe",
            Kind::Pattern => "psubscribe",
            Kind::Shard => "ssubscribe",
        }
    }

    fn unsubscribe(self) -> &'static str {
        match self {
            Kind::Channel => "unsubscribe",
            Kind::Pattern => "punsubscribe",
            Kind::Shard => "sunsubscribe",
        }
    }
}

/// What a session reads its messages from. Who lets more wait than `client-output-buffer-limit` says is disconnected: of
/// who listens to channels, what it says of `pubsub`, and of the others, such as monitors, of `normal`.
pub(super) fn mail(space: &Keyspace) -> Subscription {
    Hub::subscriber(space.hub(), space.clock(), Keeps::All(space.shared().settings.bounds()))
}

impl Session {
    /// What has come unasked, if anything has: a message of a channel that the session is subscribed to, a command
    /// that a monitor is shown, keys to take out of a cache; in the order in which they were sent. It does not
    /// wait.
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
        self.client.ear.mail.try_recv().map(|message| self.told(message))
    }

    /// The same, waited for by blocking the thread, at most so long on the store's clock. `None` also if the
    /// session was disconnected: by `CLIENT KILL`, or because it read too slowly.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Reply, Store};
    ///
    /// let store = Store::new();
    /// let mut monitor = store.session();
    /// monitor.call(["MONITOR"]);
    /// store.session().call(["SET", "answer", "42"]);
    /// let Some(Reply::Status(line)) = monitor.next_message(Duration::from_secs(5)) else { panic!("no line") };
    /// assert!(line.ends_with(r#" [0 ?:0] "SET" "answer" "42""#));
    /// ```
    pub fn next_message(&self, timeout: Duration) -> Option<Reply> {
        self.client.ear.mail.recv_timeout(timeout).map(|message| self.told(message))
    }

    /// To how many channels and patterns it is subscribed.
    pub(crate) fn subscriptions(&self) -> usize {
        self.listening.iter().sum()
    }

    /// Listens to nothing any more.
    pub(super) fn leave_channels(&mut self) {
        let mail = &self.client.ear.mail;
        [Kind::Channel, Kind::Pattern, Kind::Shard].into_iter().for_each(|kind| mail.part_all(kind));
        self.listening = [0; 3];
    }

    /// Whether it has nothing to say for long, as it listens to channels or monitors.
    #[cfg(feature = "server")]
    pub(crate) fn is_listener(&self) -> bool {
        self.monitors || self.subscriptions() > 0
    }

    /// Whether anything may come to it that it does not ask for.
    #[cfg(feature = "server")]
    #[inline]
    pub(crate) fn hears(&self) -> bool {
        self.is_listener() || self.client.known_tracker().is_some_and(|tracker| tracker.is_on())
    }

    /// Where what is not asked for comes in.
    #[cfg(feature = "server")]
    pub(crate) fn mailbox(&self) -> Arc<Subscription> {
        Arc::clone(&self.client.ear.mail)
    }

    /// The same, as the session has it.
    #[cfg(any(feature = "server", all(feature = "redis-aio", feature = "testing")))]
    pub(crate) fn mail(&self) -> &Subscription {
        &self.client.ear.mail
    }

    /// What may wait for its client.
    #[cfg(feature = "server")]
    pub(crate) fn output_limit(&self) -> OutputLimit {
        output_limit(self.db.space(), if self.subscriptions() > 0 { "pubsub" } else { "normal" })
    }

    /// How many bytes that are at the most.
    pub(crate) fn most_output(&self) -> usize {
        usize::try_from(self.client.ear.mail.most()).unwrap_or(usize::MAX)
    }

    /// What has come unasked, as a reply.
    pub(crate) fn told(&self, message: Message) -> Reply {
        let Message { channel, payload, pattern, origin } = message;
        let kind = match origin {
            Origin::Channel if pattern.is_some() => "pmessage",
            Origin::Channel => "message",
            Origin::Shard => "smessage",
            Origin::Monitor => return Reply::Status(String::from_utf8_lossy(&payload).into_owned().into()),
            Origin::Invalidation(keys) => return self.invalidation(keys.as_deref()),
            Origin::BrokenRedirect(id) => {
                let id = Reply::Integer(i64::try_from(id).unwrap_or(i64::MAX));
                return Reply::Push(vec![Reply::text("tracking-redir-broken"), id]);
            }
        };
        let parts = [Some(Bytes::from(kind)), pattern, Some(channel), Some(payload)];
        Reply::Push(parts.into_iter().flatten().map(Reply::Bulk).collect())
    }

    fn invalidation(&self, keys: Option<&[Bytes]>) -> Reply {
        let keys = keys.map_or(Reply::Nil, |keys| Reply::bulks(keys.iter().cloned()));
        Reply::Push(match self.protocol {
            Protocol::Resp3 => vec![Reply::text("invalidate"), keys],
            Protocol::Resp2 => vec![Reply::text("message"), Reply::text("__redis__:invalidate"), keys],
        })
    }

    /// How many it is told of a kind of name: channels and patterns are counted together.
    fn count_of(&self, kind: Kind) -> usize {
        let [channels, patterns, shards] = self.listening;
        if kind == Kind::Shard { shards } else { channels + patterns }
    }
}

fn subscribe(call: &mut Call<'_>, kind: Kind) -> Answer {
    let mut replies = Vec::new();
    for name in call.args.take_rest() {
        call.session.client.ear.mail.join(kind, name);
        replies.push(told(call.session, kind, kind.subscribe(), Some(name)));
    }
    Ok(Reply::Several(replies))
}

fn unsubscribe(call: &mut Call<'_>, kind: Kind) -> Answer {
    let mut names = call.args.take_rest().to_vec();
    if names.is_empty() {
        names = call.session.client.ear.mail.names(kind);
    }
    if names.is_empty() {
        return Ok(told(call.session, kind, kind.unsubscribe(), None));
    }
    let mut replies = Vec::new();
    for name in &names {
        call.session.client.ear.mail.part(kind, name);
        replies.push(told(call.session, kind, kind.unsubscribe(), Some(name)));
    }
    Ok(Reply::Several(replies))
}

/// What a session is told of a change to what it is subscribed to.
fn told(session: &mut Session, kind: Kind, what: &'static str, name: Option<&Bytes>) -> Reply {
    session.listening = session.client.ear.mail.counts();
    let name = Reply::bulk_or_nil(name.cloned());
    Reply::Push(vec![Reply::text(what), name, Reply::count(session.count_of(kind))])
}

fn publish(call: &mut Call<'_>) -> Answer {
    let (channel, payload) = (call.args.next()?, call.args.next()?);
    let mut wakes = Wakes::default();
    let receivers = call.space().hub().enqueue(channel, payload, &mut wakes);
    call.session.wake_all(wakes);
    Ok(Reply::count(receivers))
}

fn publish_to_shard(call: &mut Call<'_>) -> Answer {
    let (channel, payload) = (call.args.next()?, call.args.next()?);
    let mut wakes = Wakes::default();
    let receivers = call.space().hub().enqueue_to_shard(channel, payload, &mut wakes);
    call.session.wake_all(wakes);
    Ok(Reply::count(receivers))
}

fn channels(call: &mut Call<'_>) -> Answer {
    names(call, Kind::Channel)
}

fn names(call: &mut Call<'_>, kind: Kind) -> Answer {
    let pattern = call.args.take();
    if !call.args.is_empty() {
        return Err(call.wrong_subcommand());
    }
    let pattern = pattern.map_or(&b"*"[..], |pattern| pattern);
    Ok(Reply::bulks(call.space().hub().names(kind, pattern)))
}

fn subscribers(call: &mut Call<'_>, kind: Kind) -> Answer {
    let names = call.args.take_rest();
    let hub = call.space().hub();
    let count = |name: &Bytes| Reply::count(hub.listeners_of(kind, name));
    let counts = names.iter().flat_map(|name| [Reply::Bulk(name.clone()), count(name)]);
    Ok(Reply::Array(counts.collect()))
}

fn patterns(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(call.space().hub().patterns()))
}
