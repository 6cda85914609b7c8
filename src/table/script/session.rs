//! What sessions have to do with scripts: they wait at the gate, and run the commands of scripts.

use std::sync::Arc;

use super::busy;
use crate::keyspace::transaction::Transaction;
use crate::reply::{ErrorReply, Reply};
use crate::resp::Protocol;
#[cfg(feature = "server")]
use crate::script::Ending;
use crate::script::{Flags, Held, Inside, Shut, Signals, Stripe, Turn};
use crate::table::acl::Place;
use crate::table::command::flags;
use crate::table::config::value;
use crate::table::row::flag::{ALLOW_BUSY, DENYOOM, MAY_REPLICATE, NOSCRIPT, RUNS_IN_MULTI, SCRIPTS, WRITE};
use crate::table::row::{Compat, Row};
use crate::table::saving::may_save;
use crate::table::session::{Outcome, Session};
use crate::text::number;
use crate::{Bytes, Error};

/// How the text begins that tells of a subcommand which there is not.
const SUBCOMMAND: &[u8] = b"ERR unknown subcommand";

/// A session's part in it.
#[derive(Default)]
pub(in crate::table) struct Scripting {
    /// It runs the commands of a script, for another one.
    pub is_part: bool,
    /// That one is a client of a server, with which its scripts may have to end.
    #[cfg(feature = "server")]
    server: Option<Arc<Ending>>,
    stripe: Option<Arc<Stripe>>,
    /// See [`Session::keep_shut`].
    last: Option<Passed>,
    /// The store had no room when its command came.
    is_full: bool,
    /// What its script may touch, if a test wants to know.
    #[cfg(feature = "testing")]
    declared: Option<Declared>,
}

/// The keys of a script, and who is told of others.
#[cfg(feature = "testing")]
struct Declared {
    keys: Vec<Bytes>,
    /// All words of the command that has called it.
    script: Vec<Bytes>,
    watchers: Vec<Arc<crate::testing::Watcher>>,
}

/// A command that has passed the gate, as long as this is there.
pub(in crate::table) enum Passed {
    Freely,
    Inside { _inside: Inside },
    Turn { _turn: Option<Turn> },
}

type Checked = Result<&'static Row, ErrorReply>;

impl Session {
    /// That of the server whose client it is, or runs a script for.
    #[cfg(feature = "server")]
    pub(crate) fn ends_with(&self) -> Option<Arc<Ending>> {
        self.scripting.server.clone()
    }

    /// The same session as that of a client of a server, with which its scripts may have to end.
    #[cfg(feature = "server")]
    pub(crate) fn ending_with(mut self, server: &Arc<Ending>) -> Self {
        self.scripting.server = Some(Arc::clone(server));
        self
    }

    /// Whether a command can be carried out while a script runs: those take no lock. To watch does, and to save at the end,
    /// which is refused behind a `MULTI`.
    fn is_free(&self, row: &Row, words: &[Bytes]) -> bool {
        match row.name {
            _ if !row.has(ALLOW_BUSY) => false,
            "watch" => false,
            "shutdown" => self.queue.is_some() || !may_save(words.get(1..).unwrap_or_default()),
            _ => true,
        }
    }

    /// Has a command pass the gate, if it is one that will be carried out.
    ///
    /// # Errors
    /// [`Held`], if it has to wait for somebody's script.
    pub(in crate::table) fn pass(
        &mut self,
        checked: Checked,
        words: &[Bytes],
    ) -> Result<(Checked, Passed), Held> {
        let row = match checked {
            Ok(row) if !self.is_free(row, words) => row,
            other => return Ok((other, Passed::Freely)),
        };
        let space = self.db().space();
        if self.db().in_transaction() || space.check_not_in_transaction().is_err() {
            return Ok((Ok(row), Passed::Freely));
        }
        let (gate, clock) = (&self.shared().scripts.gate, space.clock());
        let threshold = || self.threshold();
        let queue = self.queue.as_ref();
        let is_queued = queue.is_some() && !row.has(RUNS_IN_MULTI);
        let runs_queue = row.name == "exec" && queue.is_some_and(|queue| queue.has(SCRIPTS));
        let passed = if runs_queue || (row.has(SCRIPTS) && !is_queued) {
            gate.begin(clock, threshold).map(|turn| Passed::Turn { _turn: turn })
        } else if row.name == "shutdown" {
            let turn = gate.begin(clock, threshold);
            turn.map(|turn| Passed::Turn { _turn: turn.map(Turn::ending) })
        } else {
            let stripe = match &self.scripting.stripe {
                Some(stripe) => Arc::clone(stripe),
                None => gate.stripe(self.client.id),
            };
            gate.enter(stripe, clock, threshold).map(|inside| Passed::Inside { _inside: inside })
        };
        match passed {
            Ok(passed) => {
                if self.scripting.stripe.is_none() {
                    self.scripting.stripe = Some(self.shared().scripts.gate.stripe(self.client.id));
                }
                Ok((Ok(row), passed))
            }
            Err(Shut::Wait(held)) => Err(held),
            Err(Shut::Busy { is_function }) => Ok((Err(busy(self.compat, is_function)), Passed::Freely)),
        }
    }

    /// Keeps the gate shut behind a SHUTDOWN that is carried out: no script is to begin until its server has been told.
    pub(in crate::table) fn keep_shut(&mut self, passed: Passed) {
        if self.shuts_down.is_some() {
            self.scripting.last = Some(passed);
        }
    }

    /// Its server has been told.
    #[cfg(feature = "server")]
    pub(crate) fn let_pass(&mut self) {
        self.scripting.last = None;
    }

    /// Whether a command may write or be replicated; EXEC does what is queued. What a script says of itself goes before
    /// what its command is.
    pub(in crate::table) fn may_write(&self, row: &Row, words: &[Bytes]) -> bool {
        if row.name == "exec" {
            let queue = self.queue.as_ref();
            return queue.is_some_and(|queue| queue.any(|row, words| self.may_write(row, words)));
        }
        let flags = self.script_flags(row, words);
        flags.map_or_else(|| row.has(WRITE | MAY_REPLICATE), |flags| !flags.no_writes())
    }

    /// What the script or function says of itself that a command calls, if it calls one that does.
    pub(in crate::table) fn script_flags(&self, row: &Row, words: &[Bytes]) -> Option<Flags> {
        let script = words.get(1).filter(|_| row.has(SCRIPTS))?;
        let scripts = &self.shared().scripts;
        match row.name {
            "eval" | "eval_ro" => scripts.flags_of_text(script, self.compat),
            "evalsha" | "evalsha_ro" => scripts.flags_of_sha(script),
            _ => scripts.flags_of_function(script),
        }
    }

    /// How long a script may run before others are told of it, in milliseconds; 0 for ever.
    pub(super) fn threshold(&self) -> u64 {
        number::parse_u64(&value(self.db().space(), "busy-reply-threshold")).unwrap_or(5_000)
    }

    /// A session for the commands of this one's script, within a transaction that holds all.
    pub(in crate::table) fn part(&self, transaction: &Arc<Transaction>) -> Session {
        let (client, account) = (Arc::clone(&self.client), Arc::clone(&self.account));
        let mut part = Session::of(self.db().within(transaction), client, account, self.compat);
        #[cfg(feature = "server")]
        {
            part.scripting.server.clone_from(&self.scripting.server);
        }
        part.scripting.is_part = true;
        part.scripting.is_full = self.scripting.is_full;
        part.caching = self.caching;
        part
    }

    /// Notes whether the store is full, for the scripts of the command that comes: what they write and remove does not count.
    pub(in crate::table) fn note_room(&mut self, row: &Row) {
        if row.has(SCRIPTS) || row.name == "exec" {
            self.scripting.is_full = self.db().space().is_full();
        }
    }

    /// Its script goes on where a store is full, as it has said.
    pub(crate) fn needs_no_room(&mut self) {
        self.scripting.is_full = false;
    }

    /// The script that it will run has declared these keys.
    #[cfg(feature = "testing")]
    pub(super) fn declare(&mut self, keys: &[Bytes], script: &[Bytes]) {
        let watchers = self.shared().hooks.watchers();
        if !watchers.is_empty() {
            let (name, rest) =
                script.split_first().map_or((&[][..], &[][..]), |(name, rest)| (&name[..], rest));
            let name = Bytes::from(name.to_ascii_uppercase());
            let script = std::iter::once(name).chain(rest.iter().cloned()).collect();
            self.scripting.declared = Some(Declared { keys: keys.into(), script, watchers });
        }
    }

    /// Tells of a command that its script calls.
    #[cfg(feature = "testing")]
    fn tell_watchers(&self, words: &[Bytes]) {
        if let Some(Declared { keys, script, watchers }) = &self.scripting.declared {
            let received = self.received(words);
            watchers.iter().for_each(|watcher| watcher.see_in_script(&received, script, keys));
        }
    }

    /// Has it speak that protocol.
    pub(crate) fn speak(&mut self, protocol: Protocol) {
        self.protocol = protocol;
    }

    /// Whether it has that command.
    pub(crate) fn knows(&self, words: &[Bytes]) -> bool {
        !matches!(self.look_up(words), Err(error) if error.as_bytes().starts_with(b"ERR unknown"))
    }

    /// Runs a command of a script, which is told before one that may write.
    pub(crate) fn call_from_script(&mut self, words: &[Bytes], read_only: bool, signals: &Signals) -> Reply {
        let or = |redis, valkey| {
            Reply::from(ErrorReply::known(if self.compat == Compat::Valkey9 { valkey } else { redis }))
        };
        #[cfg(feature = "testing")]
        self.tell_watchers(words);
        let row = match self.look_up(words) {
            Ok(row) => row,
            Err(error) if self.compat == Compat::Valkey9 && error.as_bytes().starts_with(SUBCOMMAND) => {
                return error.into();
            }
            Err(error) if error.as_bytes().starts_with(b"ERR unknown") => {
                return or(
                    "ERR Unknown Redis command called from script",
                    "ERR Unknown command called from script",
                );
            }
            Err(_) => {
                return or(
                    "ERR Wrong number of args calling Redis command from script",
                    "ERR Wrong number of args calling command from script",
                );
            }
        };
        if row.has(NOSCRIPT) && flags(row, self.compat) & NOSCRIPT != 0 {
            return or(
                "ERR This Redis command is not allowed from script",
                "ERR This Valkey command is not allowed from script",
            );
        }
        if let Err(error) = self.check_rights(row, words, Place::Script) {
            return error.into();
        }
        // One that has written is stopped no more. Valkey looks at this first.
        let is_out_of_memory = self.scripting.is_full && row.has(DENYOOM) && !signals.has_written();
        let is_read_only = read_only && row.has(WRITE | MAY_REPLICATE);
        if is_read_only && !(is_out_of_memory && self.compat == Compat::Valkey9) {
            return ErrorReply::known("ERR Write commands are not allowed from read-only scripts.").into();
        }
        if is_out_of_memory {
            return ErrorReply::from(Error::OutOfMemory).into();
        }
        if row.has(WRITE) {
            // One that has done so already may go on: half of what it does would be worse.
            if let Err(error) = if signals.has_written() { Ok(()) } else { self.check_writes() } {
                return error.into();
            }
            if !signals.write() {
                return ErrorReply::known(signals.killed(self.compat)).into();
            }
        }
        // The script has done its own meanwhile.
        self.stop_watch();
        match self.run(row, words) {
            Outcome::Reply(reply) => reply,
            // Nothing waits within a transaction.
            Outcome::Waits(waiting) => waiting.nothing,
            Outcome::Held(_) => Reply::Nil,
        }
    }
}
