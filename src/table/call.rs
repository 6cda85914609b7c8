//! One call of a command, as its handler sees it.

use std::time::Duration;

use super::args::Args;
use super::row::Compat;
use super::session::Session;
use super::shared::Shared;
use crate::api::Database;
use crate::clock::Time;
use crate::command::Draw;
use crate::command::blocking::{Attempt, Served};
use crate::key::KeyRef;
use crate::keyspace::Keyspace;
use crate::keyspace::transaction::Transaction;
use crate::keyspace::view::View;
use crate::keyspace::writer::{Deadline, Writer};
use crate::reply::{ErrorReply, Reply};
use crate::text::number::parse_i64;
use crate::{Bytes, Result};

/// What a handler gives.
pub(crate) type Answer = std::result::Result<Reply, ErrorReply>;

/// See the [module](self).
pub(crate) struct Call<'c> {
    /// What follows the name, and the container's.
    pub args: Args<'c>,
    /// Whose call it is.
    pub session: &'c mut Session,
    /// The name in small letters, as errors have it: `config|get`.
    pub name: &'static str,
    /// The name as the client wrote it, without the container's.
    pub said: &'c [u8],
}

/// What a command that may wait wants.
pub(crate) struct Blocked {
    pub keys: Vec<Bytes>,
    pub attempt: Attempt,
    /// `None` for ever; zero is not to wait at all.
    pub timeout: Option<Duration>,
    /// What it answers if it is served.
    pub served: fn(Served) -> Reply,
    /// What it answers where it may not wait, and there is nothing.
    pub nothing: Reply,
}

impl<'c> Call<'c> {
    /// The database that is selected, within the transaction if there is one.
    pub(crate) fn db(&self) -> &Database {
        self.session.db()
    }

    pub(crate) fn space(&self) -> &Keyspace {
        self.db().space()
    }

    /// The next argument as a time from now on, in milliseconds.
    ///
    /// # Errors
    /// Redis's for what is no number, or below zero; and since 7.2 for one whose end it cannot count.
    pub(crate) fn timeout(&mut self) -> std::result::Result<u64, ErrorReply> {
        let millis = parse_i64(self.args.next()?)
            .ok_or(ErrorReply::known("ERR timeout is not an integer or out of range"))?;
        let millis = u64::try_from(millis).map_err(|_| ErrorReply::known("ERR timeout is negative"))?;
        match self.counts_until(millis) || self.compat() == Compat::Redis70 {
            true => Ok(millis),
            false => Err(ErrorReply::known("ERR timeout is out of range")),
        }
    }

    /// Whether Redis's numbers reach so many milliseconds from now.
    pub(crate) fn counts_until(&self, millis: u64) -> bool {
        self.time().wall().saturating_add(millis) <= i64::MAX.unsigned_abs()
    }

    /// The transaction that holds all, if the call is part of one: for what is done to a whole database.
    pub(crate) fn held(&self) -> Option<&Transaction> {
        self.session.db().transaction().map(|transaction| &**transaction)
    }

    /// What all sessions of the store have in common.
    pub(super) fn shared(&self) -> &Shared {
        self.space().shared()
    }

    /// The time as it is for the command: within EXEC or a script it stands still.
    pub(crate) fn time(&self) -> Time<'_> {
        self.db().time()
    }

    pub(crate) fn compat(&self) -> Compat {
        self.session.compat
    }

    /// How so many are drawn at random: different ones, or below zero any, as long as the client may be told so much.
    pub(crate) fn draw(&self, count: i64) -> Draw {
        let many = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        match count {
            0.. => Draw::Distinct(many),
            _ if self.session.is_served => Draw::Repeated { count: many, within: self.session.most_output() },
            _ => Draw::repeated(many),
        }
    }

    /// The next argument, as a key.
    ///
    /// # Errors
    /// A syntax error if there is none.
    pub(crate) fn key(&mut self) -> std::result::Result<KeyRef<'c>, ErrorReply> {
        self.args.next().map(|name| self.key_ref(name))
    }

    pub(crate) fn key_ref(&self, name: &'c [u8]) -> KeyRef<'c> {
        self.db().key_ref(name)
    }

    pub(crate) fn key_refs(&self, names: &'c [Bytes]) -> Vec<KeyRef<'c>> {
        names.iter().map(|name| self.key_ref(name)).collect()
    }

    /// Runs an operation that reads a key.
    pub(crate) fn read<R>(
        &self,
        key: KeyRef<'_>,
        op: impl FnOnce(&View<'_>, KeyRef<'_>) -> Result<R>,
    ) -> Result<R> {
        self.db().read_one(key, op)
    }

    /// The same for a look that Redis takes without counting it as a read: nobody is told if the key is missing.
    pub(super) fn look<R>(
        &self,
        key: KeyRef<'_>,
        op: impl FnOnce(&View<'_>, KeyRef<'_>) -> Result<R>,
    ) -> Result<R> {
        self.read(key, |view, key| op(view.quiet(), key))
    }

    /// Runs an operation that may change a key.
    pub(crate) fn write<R>(
        &self,
        key: KeyRef<'_>,
        op: impl FnOnce(&mut Writer<'_>, KeyRef<'_>) -> Result<R>,
    ) -> Result<R> {
        self.db().write_one(key, op)
    }

    /// Runs an operation that reads several keys.
    pub(crate) fn read_all<R>(
        &self,
        keys: &[KeyRef<'_>],
        op: impl FnOnce(&View<'_>) -> Result<R>,
    ) -> Result<R> {
        self.db().read(keys, op)
    }

    /// Runs an operation that may change several keys.
    pub(crate) fn write_all<R>(
        &self,
        keys: &[KeyRef<'_>],
        op: impl FnOnce(&mut Writer<'_>) -> Result<R>,
    ) -> Result<R> {
        self.db().write(keys, op)
    }

    /// A score as the server reads it; `nan` is none.
    pub(crate) fn score(&self, text: &Bytes) -> std::result::Result<f64, ErrorReply> {
        self.compat().parse_score(text).ok_or(ErrorReply::NOT_A_FLOAT)
    }

    /// What Redis says of a command that has not as many words as it takes.
    pub(crate) fn wrong_arity(&self) -> ErrorReply {
        ErrorReply::new(format!("ERR wrong number of arguments for '{}' command", self.name))
    }

    /// What Redis says of a subcommand that takes not so many words.
    pub(crate) fn wrong_subcommand(&self) -> ErrorReply {
        let container = self.name.split('|').next().unwrap_or_default().to_ascii_uppercase();
        let said = &self.said[..self.said.len().min(128)];
        let text = [
            b"ERR unknown subcommand or wrong number of arguments for '",
            said,
            b"'. Try ",
            container.as_bytes(),
            b" HELP.",
        ];
        ErrorReply::of_bytes(text.concat())
    }

    /// The command's name as errors about deadlines have it.
    pub(crate) fn invalid_expire(&self) -> ErrorReply {
        ErrorReply::new(format!("ERR invalid expire time in '{}' command", self.name))
    }

    /// The deadline `amount` of a unit ahead (EX, PX) or at that time since 1970 (EXAT, PXAT), as SET and its
    /// kin take it: above zero, and within what Redis can hold.
    pub(crate) fn deadline(&self, amount: i64, unit: Unit) -> std::result::Result<Deadline, ErrorReply> {
        let millis = unit.millis(amount).filter(|_| amount > 0).ok_or_else(|| self.invalid_expire())?;
        let time = self.time();
        // Redis holds the wall time of each deadline.
        let wall = if unit.is_time() { Some(millis) } else { millis.checked_add_unsigned(time.wall()) };
        let wall = wall.and_then(|wall| u64::try_from(wall).ok()).ok_or_else(|| self.invalid_expire())?;
        Ok(Deadline::At(time.moment_of(wall)))
    }
}

/// How a time is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Millis,
    /// Seconds since 1970.
    Time,
    /// Milliseconds since 1970.
    TimeMillis,
}

impl Unit {
    /// EX, PX, EXAT, PXAT.
    pub(crate) fn from_keyword(word: &[u8]) -> Option<Unit> {
        use super::args::is;
        [("EX", Unit::Seconds), ("PX", Unit::Millis), ("EXAT", Unit::Time), ("PXAT", Unit::TimeMillis)]
            .into_iter()
            .find_map(|(name, unit)| is(word, name).then_some(unit))
    }

    /// So many of it in milliseconds, if they can be counted.
    pub(crate) fn millis(self, amount: i64) -> Option<i64> {
        match self {
            Unit::Seconds | Unit::Time => amount.checked_mul(1000),
            Unit::Millis | Unit::TimeMillis => Some(amount),
        }
    }

    /// Whether it is a time, not how long from now.
    pub(crate) fn is_time(self) -> bool {
        matches!(self, Unit::Time | Unit::TimeMillis)
    }
}
