//! What speaks against a command before its arguments are looked at: that there is none of that name, that its client
//! is not known, or that it has no place where the session is.

use smallvec::SmallVec;

use super::acl::Place;
use super::args::is;
use super::config;
use super::find;
use super::row::{Compat, Row, Run, flag};
use super::session::Session;
use crate::reply::ErrorReply;
use crate::resp::Protocol;
use crate::{Bytes, Error};

/// What a command's name is the name of.
pub(crate) type Named = Result<&'static Row, ErrorReply>;

/// How many of a command's arguments an error about an unknown one shows, in bytes.
const SHOWN: usize = 128;

impl Session {
    /// All that speaks against a command before its arguments are looked at.
    pub(super) fn check(&self, words: &[Bytes]) -> Result<&'static Row, ErrorReply> {
        self.look_up(words).and_then(|row| self.check_known(row)).and_then(|row| self.check_place(row, words))
    }

    /// Whether a command has its place where the session is: in a transaction, among messages, before a monitor; and
    /// whether its user may call it.
    #[inline]
    pub(super) fn check_place(&self, row: &'static Row, words: &[Bytes]) -> Result<&'static Row, ErrorReply> {
        self.check_queues(row)?;
        self.check_rights(row, words, Place::Call)?;
        self.check_room(row, words)?;
        self.check_saved(row)?;
        self.check_listens(row)?;
        self.check_monitors(row)?;
        Ok(row)
    }

    /// Whether the client may call any such command at all. Valkey asks for the password first.
    #[inline]
    pub(super) fn check_known(&self, row: &'static Row) -> Result<&'static Row, ErrorReply> {
        if self.may_call() && !row.has(flag::PROTECTED) { Ok(row) } else { self.look_whether_known(row) }
    }

    #[cold]
    fn look_whether_known(&self, row: &'static Row) -> Result<&'static Row, ErrorReply> {
        let is_known = self.may_call() || row.has(flag::NO_AUTH);
        if is_known || self.compat != Compat::Valkey9 {
            self.check_permitted(row)?;
        }
        match is_known {
            true => Ok(row),
            false => Err(ErrorReply::known("NOAUTH Authentication required.")),
        }
    }

    /// What could do harm is allowed when the server starts, or never.
    fn check_permitted(&self, row: &Row) -> Result<(), ErrorReply> {
        if !row.has(flag::PROTECTED) {
            return Ok(());
        }
        let name = if row.name == "debug" { "debug" } else { "module" };
        let option = format!("enable-{name}-command");
        if config::permits(self, &option) {
            return Ok(());
        }
        let name = name.to_ascii_uppercase();
        Err(ErrorReply::new(format!(
            "ERR {name} command not allowed. If the {option} option is set to \"local\", you can run it from a local \
             connection, otherwise you need to set this option in the configuration file, and then restart the \
             server."
        )))
    }

    /// Whether its user may call a command with these words. Who may do all pays a load and a branch.
    pub(super) fn check_rights(&self, row: &Row, words: &[Bytes], place: Place) -> Result<(), ErrorReply> {
        if self.account.is_unrestricted() {
            return Ok(());
        }
        self.check_rules(row, words, place)
    }

    /// What takes memory is refused where there is none, as a whole: it is not begun and then left in its midst.
    #[inline]
    fn check_room(&self, row: &Row, words: &[Bytes]) -> Result<(), ErrorReply> {
        let space = self.db().space();
        if space.is_bounded() && space.is_full() && self.needs_room(row, words) {
            return Err(Error::OutOfMemory.into());
        }
        Ok(())
    }

    /// Whether a command may take memory: EXEC does if anything that is queued does, and a script by what it says of itself.
    #[cold]
    fn needs_room(&self, row: &Row, words: &[Bytes]) -> bool {
        if let (Some(queue), false) = (&self.queue, matches!(row.name, "discard" | "quit" | "reset")) {
            if row.name == "exec" {
                return queue.any(|row, words| self.takes_room(row, words));
            }
            // The queue itself did, until 7.4.
            if matches!(self.compat, Compat::Redis70 | Compat::Redis72) {
                return true;
            }
        }
        self.takes_room(row, words)
    }

    fn takes_room(&self, row: &Row, words: &[Bytes]) -> bool {
        #[cfg(feature = "lua")]
        if let Some(flags) = self.script_flags(row, words) {
            return !flags.allow_oom();
        }
        let _ = words;
        row.has(flag::DENYOOM)
    }

    /// Nothing is written while what is there cannot be saved; a PING tells those who look after the server.
    #[inline]
    fn check_saved(&self, row: &'static Row) -> Result<(), ErrorReply> {
        match self.check_writes() {
            Err(error) if self.has_flag(row, flag::WRITE) || row.name == "ping" => Err(error),
            _ => Ok(()),
        }
    }

    /// Whether anything may be written now.
    #[inline]
    pub(crate) fn check_writes(&self) -> Result<(), ErrorReply> {
        if !self.shared().saving.stops_writes(self.db().space()) {
            return Ok(());
        }
        let name = if self.compat == Compat::Valkey9 { "Valkey" } else { "Redis" };
        Err(ErrorReply::new(format!(
            "MISCONF {name} is configured to save RDB snapshots, but it's currently unable to persist to disk. \
             Commands that may modify the data set are disabled, because this instance is configured to report \
             errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the \
             {name} logs for details about the RDB error."
        )))
    }

    pub(super) fn check_queues(&self, row: &'static Row) -> Result<&'static Row, ErrorReply> {
        if self.queue.is_none() || !row.is_barred_from_multi(self.compat) {
            return Ok(row);
        }
        Err(match self.compat {
            Compat::Valkey9 => {
                ErrorReply::new(format!("ERR Command '{}' not allowed inside a transaction", row.name))
            }
            _ => ErrorReply::known("ERR Command not allowed inside a transaction"),
        })
    }

    /// A client that speaks RESP2 takes what comes for messages once it listens to channels: nothing else may
    /// come then.
    pub(super) fn check_listens(&self, row: &'static Row) -> Result<&'static Row, ErrorReply> {
        let listens = self.protocol == Protocol::Resp2 && self.subscriptions() > 0;
        if !listens || row.has(flag::LISTENS) {
            return Ok(row);
        }
        Err(ErrorReply::new(format!(
            "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in \
             this context",
            row.name
        )))
    }

    /// Who monitors is to Redis a kind of replica.
    pub(super) fn check_monitors(&self, row: &'static Row) -> Result<&'static Row, ErrorReply> {
        if self.monitors && self.has_flag(row, flag::WRITE | flag::READONLY | flag::MAY_REPLICATE) {
            return Err(ErrorReply::known("ERR Replica can't interact with the keyspace"));
        }
        Ok(row)
    }

    /// Whether a command has one of these flags; EXEC has those of what is queued.
    pub(super) fn has_flag(&self, row: &Row, flags: u32) -> bool {
        row.has(flags) || row.name == "exec" && self.queue.as_ref().is_some_and(|queue| queue.has(flags))
    }

    /// A command that is not carried out breaks the transaction that it was to be part of, and ends the one that
    /// it was to carry out.
    pub(super) fn refuse(&mut self, words: &[Bytes], error: ErrorReply) -> ErrorReply {
        if !words.first().is_some_and(|name| is(name, "EXEC")) {
            if let Some(queue) = &mut self.queue {
                queue.break_off(self.compat);
            }
            return error;
        }
        self.queue = None;
        self.forget_watched();
        if let Some(row) = find(b"exec") {
            self.show(row, words);
        }
        let why = error.as_bytes().strip_prefix(b"ERR ").unwrap_or(error.as_bytes());
        ErrorReply::of_bytes([b"EXECABORT Transaction discarded because of: ", why].concat())
    }

    /// [`look_up`](Self::look_up) for the command that is to be carried out, which may well be called again.
    #[inline]
    pub(crate) fn look_up_next(&mut self, words: &[Bytes]) -> Named {
        if let Some(row) = self.said_last(words) {
            return self.check_arity(row, words);
        }
        let row = self.look_up(words)?;
        // A container's name, or a subcommand's, is not all there is to be looked at.
        if row.named == 1 && !is_container(row) {
            self.last = words.first().map(|name| (name.clone(), row));
        }
        Ok(row)
    }

    /// The row of a command with this number of arguments.
    pub(super) fn look_up(&self, words: &[Bytes]) -> Named {
        let row = self.find_named(words)?;
        self.check_arity(row, words)
    }

    #[inline]
    fn check_arity(&self, row: &'static Row, words: &[Bytes]) -> Result<&'static Row, ErrorReply> {
        if row.takes(words.len(), self.compat) {
            return Ok(row);
        }
        Err(ErrorReply::new(format!("ERR wrong number of arguments for '{}' command", row.name)))
    }

    /// The row of a command, whatever its number of arguments is.
    pub(super) fn named(&self, words: &[Bytes]) -> Option<&'static Row> {
        self.find_named(words).ok()
    }

    /// The row of a command whose name was said the same way before.
    #[inline]
    fn said_last(&self, words: &[Bytes]) -> Option<&'static Row> {
        let (name, row) = self.last.as_ref()?;
        (words.first()? == name).then_some(*row)
    }

    fn find_named(&self, words: &[Bytes]) -> Result<&'static Row, ErrorReply> {
        if let Some(row) = self.said_last(words) {
            return Ok(row);
        }
        let known = |name: &[u8]| find(name).filter(|row| row.is_in(self.compat));
        let mut name = SmallVec::<[u8; 64]>::from_slice(words.first().map_or(&[][..], |name| name));
        name.make_ascii_lowercase();
        let Some(mut row) = known(&name) else { return Err(unknown_command(words)) };
        if let (true, Some(sub)) = (is_container(row), words.get(1)) {
            name.push(b'|');
            name.extend_from_slice(sub);
            name.make_ascii_lowercase();
            row = known(&name).ok_or_else(|| unknown_subcommand(words))?;
        }
        Ok(row)
    }
}

/// Whether the word behind its name may be part of that.
fn is_container(row: &Row) -> bool {
    matches!(row.run, Run::Container) || row.has(flag::CONTAINER)
}

/// What is there with scripts alone: who calls it is told which feature is missing.
#[cfg(not(feature = "lua"))]
const OF_SCRIPTS: [&str; 8] =
    ["EVAL", "EVALSHA", "EVAL_RO", "EVALSHA_RO", "FCALL", "FCALL_RO", "FUNCTION", "SCRIPT"];

fn unknown_command(words: &[Bytes]) -> ErrorReply {
    #[cfg(not(feature = "lua"))]
    if let Some(name) = OF_SCRIPTS.iter().find(|name| words.first().is_some_and(|word| is(word, name))) {
        return ErrorReply::new(format!(
            "ERR unknown command '{name}': this server was built without the feature `lua`"
        ));
    }
    let mut shown = Vec::new();
    for word in words.iter().skip(1) {
        if shown.len() >= SHOWN {
            break;
        }
        let word = shown_of(word, SHOWN - shown.len());
        shown.extend_from_slice(&[b"'", word, b"' "].concat());
    }
    let name = words.first().map(|name| shown_of(name, SHOWN)).unwrap_or_default();
    let text = [b"ERR unknown command '", name, b"', with args beginning with: ", &shown];
    ErrorReply::of_bytes(text.concat())
}

pub(super) fn unknown_subcommand(words: &[Bytes]) -> ErrorReply {
    let word = |at: usize| words.get(at).map(|word| shown_of(word, SHOWN)).unwrap_or_default();
    let container = word(0).to_ascii_uppercase();
    ErrorReply::of_bytes([b"ERR unknown subcommand '", word(1), b"'. Try ", &container, b" HELP."].concat())
}

/// What an error shows of a word: not too much, and nothing behind a zero.
pub(super) fn shown_of(word: &[u8], most: usize) -> &[u8] {
    let text = word.split(|byte| *byte == 0).next().unwrap_or_default();
    &text[..text.len().min(most)]
}
