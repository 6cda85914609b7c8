//! What one client is to the store: a database, a transaction it queues, what it watches.

use std::sync::Arc;

use super::args::Args;
use super::call::{Blocked, Call};
use super::find;
use super::row::{Compat, Row, Run, flag};
use super::transaction::Queue;
use crate::api::{Database, Store};
use crate::clock::{NEVER, millis};
use crate::command::blocking::{self, Patience, Start, Ticket};
use crate::keyspace::transaction::{Transaction, Watched};
use crate::reply::{ErrorReply, Reply};
use crate::resp::{Dialect, Protocol, encode};
use crate::{Bytes, IntoValue};

/// How many of a command's arguments an error about an unknown one shows, in bytes.
const SHOWN: usize = 128;

/// What one connection is to a server: commands by name, in their order. It has a database selected, may be in
/// the middle of a `MULTI`, watches keys; several sessions of one store are as several clients of one server.
///
/// Made by [`Store::session`].
///
/// ```
/// use larder::{Reply, Store};
///
/// let mut session = Store::new().session();
/// assert_eq!(session.call(["SET", "answer", "42"]), Reply::OK);
/// assert_eq!(session.call(["MULTI"]), Reply::OK);
/// session.call(["INCR", "answer"]);
/// session.call(["INCR", "answer"]);
/// assert_eq!(session.call(["EXEC"]), Reply::Array(vec![Reply::Integer(43), Reply::Integer(44)]));
/// ```
pub struct Session {
    db: Database,
    pub(super) compat: Compat,
    pub(super) protocol: Protocol,
    /// The commands since `MULTI`.
    pub(super) queue: Option<Queue>,
    pub(super) watched: Vec<Watched>,
}

/// How a command ends.
pub(crate) enum Outcome {
    Reply(Reply),
    /// It waits, until it is served or the deadline has come.
    Waits(Waiting),
}

/// A command that waits.
pub(crate) struct Waiting {
    pub ticket: Ticket,
    pub deadline: u64,
    pub served: fn(blocking::Served) -> Reply,
    pub nothing: Reply,
}

impl Store {
    /// A session of its own, on this handle's database, as a new connection to a server is one. O(1)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.session().call(["RPUSH", "jobs", "resize", "upload"]);
    /// assert_eq!(store.list::<String>("jobs").len()?, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn session(&self) -> Session {
        Session::new(self.share())
    }
}

impl Session {
    fn new(db: Database) -> Self {
        Session {
            db,
            compat: Compat::default(),
            protocol: Protocol::default(),
            queue: None,
            watched: Vec::new(),
        }
    }

    /// The same session as one of another server.
    #[must_use]
    pub fn compat(mut self, compat: Compat) -> Self {
        self.compat = compat;
        self
    }

    /// The same session as one that speaks this protocol.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// A reply as bytes of the session's protocol, with numbers written as its server writes them. O(reply)
    ///
    /// ```
    /// use larder::{Compat, Store};
    ///
    /// let mut session = Store::new().session().compat(Compat::Redis70);
    /// let reply = session.call(["ZADD", "board", "INCR", "0.1", "ann"]);
    /// assert_eq!(session.encode(&reply), b"$19\r\n0.10000000000000001\r\n");
    /// ```
    pub fn encode(&self, reply: &Reply) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(reply, Dialect { protocol: self.protocol, compat: self.compat }, &mut bytes);
        bytes
    }

    /// Runs a command, and gives its reply; one that blocks has the thread wait. What is no command, or not
    /// with these arguments, is answered with an error.
    ///
    /// ```
    /// use larder::{Reply, Store};
    ///
    /// let mut session = Store::new().session();
    /// assert_eq!(session.call(["incrby", "hits", "5"]), Reply::Integer(5));
    /// ```
    pub fn call<A: IntoValue>(&mut self, words: impl IntoIterator<Item = A>) -> Reply {
        let words = words.into_iter().map(IntoValue::into_value).collect::<crate::Result<Vec<Bytes>>>();
        match words.map(|words| self.execute(&words)) {
            Err(error) => error.into(),
            Ok(Outcome::Reply(reply)) => reply,
            Ok(Outcome::Waits(Waiting { ticket, deadline, served, nothing })) => {
                match ticket.wait(self.db.space().clock(), deadline) {
                    Ok(Some(got)) => served(got),
                    Ok(None) => nothing,
                    Err(error) => error.into(),
                }
            }
        }
    }

    /// Runs a command, or queues it behind a `MULTI`.
    pub(crate) fn execute(&mut self, words: &[Bytes]) -> Outcome {
        let row = match self.look_up(words) {
            Ok(row) => row,
            Err(error) => {
                if let Some(queue) = &mut self.queue {
                    queue.is_broken = true;
                }
                return Outcome::Reply(error.into());
            }
        };
        if let Some(queue) = self.queue.as_mut().filter(|_| !row.has(flag::RUNS_IN_MULTI)) {
            return Outcome::Reply(queue.add(row, words));
        }
        self.run(row, words)
    }

    /// Runs a command of which all is known but what its arguments mean.
    pub(super) fn run(&mut self, row: &'static Row, words: &[Bytes]) -> Outcome {
        let named = 1 + usize::from(row.name.contains('|'));
        let args = Args::new(words.get(named..).unwrap_or_default());
        let mut call = Call { args, session: self, name: row.name };
        let outcome = match row.run {
            Run::Plain(run) => run(&mut call).map(Outcome::Reply),
            Run::Waits(run) => run(&mut call).and_then(|blocked| self.wait(blocked)),
            Run::Container => Err(unknown_subcommand(words)),
        };
        outcome.unwrap_or_else(|error| Outcome::Reply(error.into()))
    }

    /// The row of a command with this number of arguments.
    pub(super) fn look_up(&self, words: &[Bytes]) -> Result<&'static Row, ErrorReply> {
        let known = |name: &str| find(name).filter(|row| row.is_in(self.compat));
        let name = words.first().map(|name| lower(name)).unwrap_or_default();
        let Some(mut row) = known(&name) else { return Err(unknown_command(words)) };
        if let (Run::Container, Some(sub)) = (row.run, words.get(1)) {
            row = known(&format!("{name}|{}", lower(sub))).ok_or_else(|| unknown_subcommand(words))?;
        }
        if !row.takes(words.len()) {
            return Err(ErrorReply::new(format!("ERR wrong number of arguments for '{}' command", row.name)));
        }
        Ok(row)
    }

    /// The database that is selected.
    pub(crate) fn db(&self) -> &Database {
        &self.db
    }

    /// Selects another database.
    pub(super) fn select(&mut self, index: u16) -> crate::Result<()> {
        let db = self.db.select(index)?;
        self.db = match self.db.transaction() {
            Some(transaction) => db.within(transaction),
            None => db,
        };
        Ok(())
    }

    /// Runs a task within a transaction that holds all.
    pub(super) fn within<R>(
        &mut self,
        transaction: &Arc<Transaction>,
        task: impl FnOnce(&mut Self) -> R,
    ) -> R {
        self.db = self.db.within(transaction);
        let result = task(self);
        self.db = self.db.outside();
        result
    }

    fn wait(&self, blocked: Blocked) -> Result<Outcome, ErrorReply> {
        let Blocked { keys, attempt, timeout, served, nothing } = blocked;
        let space = self.db.space();
        if self.db.in_transaction() {
            let names: Vec<_> =
                keys.iter().chain(attempt.destination()).map(|name| space.key_ref(name)).collect();
            let got = self
                .db
                .write(&names, |writer| blocking::try_each(writer, &keys, &attempt, Patience::Leaves))?;
            return Ok(Outcome::Reply(got.map_or(nothing, served)));
        }
        let deadline = timeout.map_or(NEVER, |timeout| space.clock().now().saturating_add(millis(timeout)));
        Ok(match blocking::start(space, self.db.index(), keys, attempt, Patience::Waits)? {
            Start::Served(got) => Outcome::Reply(served(got)),
            Start::Nothing => Outcome::Reply(nothing),
            Start::Waits(ticket) => Outcome::Waits(Waiting { ticket, deadline, served, nothing }),
        })
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("db", &self.db.index()).finish_non_exhaustive()
    }
}

/// A name in small letters; what is no text is no name.
fn lower(name: &[u8]) -> String {
    String::from_utf8_lossy(name).to_ascii_lowercase()
}

fn unknown_command(words: &[Bytes]) -> ErrorReply {
    let mut shown = String::new();
    for word in words.iter().skip(1) {
        if shown.len() >= SHOWN {
            break;
        }
        let word = &word[..word.len().min(SHOWN - shown.len())];
        shown.push_str(&format!("'{}' ", String::from_utf8_lossy(word)));
    }
    let name = words.first().map(|name| &name[..name.len().min(SHOWN)]).unwrap_or_default();
    ErrorReply::new(format!(
        "ERR unknown command '{}', with args beginning with: {shown}",
        String::from_utf8_lossy(name)
    ))
}

fn unknown_subcommand(words: &[Bytes]) -> ErrorReply {
    let text = |at: usize| {
        let word = words.get(at).map(|word| &word[..word.len().min(SHOWN)]).unwrap_or_default();
        String::from_utf8_lossy(word).into_owned()
    };
    let container = text(0).to_ascii_uppercase();
    ErrorReply::new(format!("ERR unknown subcommand '{}'. Try {container} HELP.", text(1)))
}
