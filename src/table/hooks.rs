//! Where a session meets what a test has set up: faults, the log of commands, strict modes.
//!
//! Whoever runs a session's commands (a socket, redis-rs's trait, [`Session::call`]) asks [`Session::receive`] when a
//! command has come, and [`Session::reply`] when its reply is to go. What is to be waited for, lost or cut there is
//! its own to carry out; what takes the place of the command is met in [`Session::meet_fault`].

use super::args::is;
use super::command::{CATEGORIES, categories};
use super::row::{Row, Run, flag};
use super::session::{Outcome, Session};
use super::transaction::Queue;
use super::{Compat, find};
use crate::Bytes;
use crate::reply::{ErrorReply, Reply};
use crate::testing::pause::Awaited;
use crate::testing::{Hooks, Plan, Received};

/// What faults have made of a session's connection.
#[derive(Default)]
pub(crate) struct Link {
    /// Why it is of no more use.
    lost: Option<Loss>,
    /// What the command that is under way meets.
    plan: Option<Box<Plan>>,
    /// Its moments, until the next command: its reply may still be waiting for them.
    awaited: Vec<Awaited>,
    /// Why the last command got no reply.
    #[cfg(feature = "redis")]
    loss: Option<Loss>,
    trip: u64,
    /// The next command is the first of a round trip.
    begins_trip: bool,
    /// How long the command that is under way was held up by a fault, in milliseconds.
    delay: u64,
}

/// Why a client gets no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// It was not let in.
    Refused,
    /// Its connection was closed.
    Closed,
    /// The same, some time ago.
    Gone,
    /// Nothing comes.
    Silence,
}

/// What is to be done before a command.
pub(crate) struct Ahead {
    /// To wait for, if above 0.
    pub until: u64,
    /// And then the command is not to be carried out.
    pub loss: Option<Loss>,
}

/// What is to be done with a reply.
pub(crate) struct Behind {
    /// To wait for, if above 0.
    pub until: u64,
    pub end: Option<End>,
}

/// How a reply ends that is not sent as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// The connection is closed.
    Close,
    /// The same behind so many bytes of it.
    Cut(usize),
    /// It is left out.
    Drop,
}

impl Link {
    /// A new client's.
    pub(crate) fn connect(hooks: &Hooks) -> Self {
        Link { lost: hooks.refuses().then_some(Loss::Refused), ..Link::default() }
    }
}

impl Loss {
    /// What a client sees of it on a socket.
    #[cfg(feature = "redis")]
    pub(crate) fn kind(self) -> std::io::ErrorKind {
        use std::io;
        match self {
            Loss::Refused => io::ErrorKind::ConnectionRefused,
            Loss::Closed => io::ErrorKind::UnexpectedEof,
            Loss::Gone => io::ErrorKind::BrokenPipe,
            // It has a timeout, and that is over.
            Loss::Silence => io::ErrorKind::WouldBlock,
        }
    }

    /// What stands for it where there is no connection.
    fn reply(self) -> Reply {
        Reply::Error(ErrorReply::known(match self {
            Loss::Refused => "LOST the connection was refused",
            Loss::Closed | Loss::Gone => "LOST the connection was closed",
            Loss::Silence => "LOST there was no reply",
        }))
    }
}

impl Session {
    /// The client has nothing to send until it has read the replies so far.
    pub(crate) fn begin_trip(&mut self) {
        self.link.begins_trip = true;
    }

    /// Whether there is a connection still.
    #[cfg(any(feature = "redis", feature = "server"))]
    pub(crate) fn is_linked(&self) -> bool {
        matches!(self.link.lost, None | Some(Loss::Silence))
    }

    /// Why the last command got no reply, if it got none.
    #[cfg(feature = "redis")]
    pub(crate) fn take_loss(&mut self) -> Option<Loss> {
        self.link.loss.take()
    }

    /// Whether a test has to do with the commands that come: it has them told or changed, or the connection is lost.
    #[cfg(feature = "server")]
    pub(crate) fn is_tested(&self) -> bool {
        let link = &self.link;
        link.lost.is_some() || link.plan.is_some() || link.delay != 0 || self.shared().hooks.is_active()
    }

    /// Whether the test's own code is asked of a command that comes.
    #[cfg(feature = "server")]
    pub(crate) fn asks_closures(&self) -> bool {
        self.shared().hooks.asks_closures()
    }

    /// A command has come: it is logged, and what it will meet is settled. `None` if that is nothing.
    pub(crate) fn receive(&mut self, words: &[Bytes]) -> Option<Ahead> {
        if let Some(loss) = self.link.lost {
            return Some(Ahead { until: 0, loss: Some(loss) });
        }
        // What is left of one whose future was dropped is none of this one's.
        (self.link.plan, self.link.delay) = (None, 0);
        let hooks = &self.shared().hooks;
        if !hooks.is_active() {
            return None;
        }
        let hooks = std::sync::Arc::clone(hooks);
        if std::mem::take(&mut self.link.begins_trip) || self.link.trip == 0 {
            self.link.trip = hooks.next_trip();
        }
        let received = self.received(words);
        let plan = hooks.receive(&received, self.db().space().clock(), self.link.trip);
        let ahead = Ahead { until: plan.until, loss: plan.loss };
        self.link.delay = plan.delay;
        if plan.loss.is_some() {
            plan.tell_lost();
        }
        self.link.plan = Some(Box::new(plan));
        Some(ahead)
    }

    /// A command as tests are shown it.
    pub(in crate::table) fn received<'w>(&self, words: &'w [Bytes]) -> Received<'w> {
        let (name, row) = resolve(words, self.compat);
        let facts = self.client.facts();
        Received {
            name,
            row,
            words,
            db: self.queue.as_ref().and_then(Queue::db).unwrap_or(self.db().index()),
            client: self.client.id,
            client_name: facts.name,
            client_addr: facts.peer,
        }
    }

    /// What takes the place of the command that has been received: an error, as if the server had refused it.
    #[cold]
    fn refused(&mut self, words: &[Bytes], error: ErrorReply) -> Outcome {
        // A node of a cluster that refuses EXEC says so in its own words.
        let redirects = ["MOVED", "ASK", "CLUSTERDOWN", "TRYAGAIN", "CROSSSLOT"].contains(&error.code());
        let refusal = self.refuse(words, error.clone());
        self.shared().measures.reject(self.named(words), &refusal);
        Outcome::Reply(Reply::Error(if redirects { error } else { refusal }))
    }

    /// The delay that counts as part of the command that begins now, in nanoseconds.
    #[inline]
    pub(super) fn take_delay(&mut self) -> u64 {
        std::mem::take(&mut self.link.delay).saturating_mul(1_000_000)
    }

    /// Whether the reply to the command that was received is wanted here first.
    #[cfg(feature = "server")]
    pub(super) fn is_watched(&self) -> bool {
        self.link.plan.is_some()
    }

    /// See [`refused`](Self::refused).
    pub(super) fn meet_fault(&mut self, words: &[Bytes]) -> Option<Outcome> {
        let error = self.link.plan.as_mut()?.error.take()?;
        self.link.delay = 0;
        Some(self.refused(words, error))
    }

    /// The reply to the command that was received is about to go. `None` if it goes as it is, now.
    pub(crate) fn reply(&mut self, reply: &Reply) -> Option<Behind> {
        let mut plan = self.link.plan.take()?;
        self.link.awaited = std::mem::take(&mut plan.awaited);
        match plan.end {
            Some(_) => plan.tell_lost(),
            None => plan.tell(reply),
        }
        (plan.until_reply > 0 || plan.end.is_some())
            .then_some(Behind { until: plan.until_reply, end: plan.end })
    }

    /// The connection is lost, and with it all that a server keeps for one. That is when what was to be waited for before is
    /// over: until then others find it, and can kill it.
    pub(crate) fn lose(&mut self, loss: Loss) {
        if self.link.lost.is_some() {
            return;
        }
        // Nor is its reply waited for.
        self.drop_plan();
        self.link.lost = Some(if loss == Loss::Closed { Loss::Gone } else { loss });
        if loss == Loss::Silence {
            return;
        }
        self.hang_up();
    }

    /// What stands for the reply to a command that is not to be carried out, where there is no connection; the
    /// thread waits as long as the command has to.
    pub(super) fn endure(&mut self, words: &[Bytes]) -> Option<Reply> {
        let Ahead { until, loss } = self.receive(words)?;
        self.wait_until(until);
        let loss = loss?;
        self.lose(loss);
        Some(self.without_reply(loss))
    }

    /// What becomes of a reply where there is no connection.
    pub(super) fn endure_reply(&mut self, reply: Reply) -> Reply {
        let Some(Behind { until, end }) = self.reply(&reply) else { return reply };
        if self.wait_until(until) {
            return self.cut_off();
        }
        match self.end_with(end, &reply) {
            Some(loss) => self.without_reply(loss),
            None => reply,
        }
    }

    /// Has the thread wait for a moment, if there is one to wait for; whether the session was killed meanwhile.
    fn wait_until(&self, until: u64) -> bool {
        if until == 0 {
            return false;
        }
        let bell = &self.shared().hooks.bell;
        bell.wait(self.db().space().clock(), until, || self.is_killed());
        self.is_killed()
    }

    /// Ends when the session is killed, or does not keep up.
    #[cfg(any(feature = "server", feature = "redis-aio"))]
    pub(crate) async fn is_cut_off(&self) {
        std::future::poll_fn(|context| self.mail().poll_over(u64::MAX, context)).await;
    }

    /// Nobody waits any more for the command that was received: it is not to be carried out, or its reply is no more wanted.
    pub(crate) fn drop_plan(&mut self) {
        self.link.plan = None;
        self.link.awaited.clear();
    }

    /// Has a reply end so, for which nothing is waited any more; gives why it does not come, if it does not.
    pub(crate) fn end_with(&mut self, end: Option<End>, reply: &Reply) -> Option<Loss> {
        let end = end?;
        if end != End::Drop {
            self.lose(Loss::Closed);
        }
        match end {
            // It is all there, though nothing comes behind it.
            End::Cut(bytes) if self.encode(reply).len() <= bytes => None,
            End::Close | End::Cut(_) => Some(Loss::Closed),
            End::Drop => Some(Loss::Silence),
        }
    }

    fn without_reply(&mut self, loss: Loss) -> Reply {
        #[cfg(feature = "redis")]
        {
            self.link.loss = Some(loss);
        }
        loss.reply()
    }
}

/// The name of a command in small letters, a subcommand's with its container's (`config|get`), and its row if there
/// is one in that server.
fn resolve(words: &[Bytes], compat: Compat) -> (String, Option<&'static Row>) {
    let lower = |word: &Bytes| String::from_utf8_lossy(word).to_ascii_lowercase();
    let known = |name: &str| find(name.as_bytes()).filter(|row| row.is_in(compat));
    let mut name = words.first().map(lower).unwrap_or_default();
    let row = known(&name);
    match (row, words.get(1)) {
        (Some(row), Some(sub)) if matches!(row.run, Run::Container) || row.has(flag::CONTAINER) => {
            name = format!("{name}|{}", lower(sub));
            let row = known(&name);
            (name, row)
        }
        _ => (name, row),
    }
}

/// The category of that name, without its `@`.
pub(crate) fn category(name: &str) -> Option<&'static str> {
    CATEGORIES.into_iter().find(|category| is(name.as_bytes(), category))
}

/// Whether a command is of a category.
pub(crate) fn is_of(row: &Row, category: &str) -> bool {
    categories(row, Compat::default()).contains(&category)
}
