//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.

use super::acl::Place;
use super::call::{Answer, Call};
use super::row::flag::{
    ALLOW_BUSY, FAST, LOADING, NOSCRIPT, RUNS_IN_MULTI, SKIP_SLOWLOG, STALE, VALKEY_NO_MULTI,
};
use super::row::{Compat, Keys, Row, row};
use super::session::{Outcome, Session};
use crate::Bytes;
use crate::keyspace::transaction::{Transaction, Watched};
use crate::reply::{ErrorReply, Reply};
#[cfg(feature = "testing")]
use crate::text::number;

const PART: u32 = NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY | RUNS_IN_MULTI;

pub(super) const ROWS: &[Row] = &[
    row("multi", 1, PART | VALKEY_NO_MULTI, Keys::NONE, multi).since(1, 2),
    row("exec", 1, NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG | RUNS_IN_MULTI, Keys::NONE, exec).since(1, 2),
    row("discard", 1, PART, Keys::NONE, discard).since(2, 0),
    row("watch", -2, PART | VALKEY_NO_MULTI, Keys::ALL, watch).since(2, 2),
    row("unwatch", 1, PART & !RUNS_IN_MULTI, Keys::NONE, unwatch).since(2, 2),
];

/// The commands since `MULTI`.
#[derive(Default)]
pub(super) struct Queue {
    commands: Vec<(&'static Row, Vec<Bytes>)>,
    /// What they take.
    bytes: usize,
    /// One of them was no command, or had no place: `EXEC` will do nothing.
    is_broken: bool,
    /// The database that the last `SELECT` of them selects.
    #[cfg(feature = "testing")]
    db: Option<u16>,
}

impl Queue {
    /// Whether one of its commands has one of these flags.
    pub(super) fn has(&self, flags: u32) -> bool {
        self.commands.iter().any(|(row, _)| row.has(flags))
    }

    /// Whether something is so of one of its commands.
    pub(super) fn any(&self, is_so: impl Fn(&'static Row, &[Bytes]) -> bool) -> bool {
        self.commands.iter().any(|(row, words)| is_so(row, words))
    }

    /// How many commands there are.
    pub(super) fn len(&self) -> usize {
        self.commands.len()
    }

    /// What they take in memory, about. O(1)
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// In which database the next of them is going to be carried out, if that is not the session's.
    #[cfg(feature = "testing")]
    pub(super) fn db(&self) -> Option<u16> {
        self.db
    }

    /// Has `EXEC` do nothing, for which nothing more is kept; Valkey keeps nothing at all.
    pub(super) fn break_off(&mut self, compat: Compat) {
        self.is_broken = true;
        if compat == Compat::Valkey9 {
            (self.commands, self.bytes) = (Vec::new(), 0);
        }
    }

    /// Keeps a command for `EXEC`, unless that will do nothing.
    pub(super) fn add(&mut self, row: &'static Row, words: &[Bytes], watched: &[Watched]) -> Reply {
        const COMMAND: usize = size_of::<(&Row, Vec<Bytes>)>();
        if self.is_broken || watched.iter().any(|watched| watched.watch.is_changed()) {
            return Reply::Status("QUEUED".into());
        }
        self.bytes +=
            words.iter().map(|word| size_of::<Bytes>() + word.heap_bytes()).sum::<usize>() + COMMAND;
        #[cfg(feature = "testing")]
        if let ("select", [_, index]) = (row.name, words) {
            self.db = number::parse_u64(index).and_then(|index| index.try_into().ok());
        }
        self.commands.push((row, words.to_vec()));
        Reply::Status("QUEUED".into())
    }
}

impl Session {
    /// Watches nothing any more.
    pub(super) fn forget_watched(&mut self) {
        let watched = std::mem::take(&mut self.watched);
        if watched.is_empty() {
            return;
        }
        self.client.note(|facts| facts.watches.clear());
        self.db().space().when_open(move |space| {
            for Watched { db, names, watch } in watched {
                let keys: Vec<_> = names.iter().map(|name| space.key_ref(name)).collect();
                space.unwatch(db, &keys, &watch);
            }
        });
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        #[cfg(feature = "lua")]
        if self.scripting.is_part {
            return;
        }
        self.hang_up();
    }
}

fn multi(call: &mut Call<'_>) -> Answer {
    if call.session.queue.is_some() {
        return Err(ErrorReply::known("ERR MULTI calls can not be nested"));
    }
    call.session.queue = Some(Queue::default());
    Ok(Reply::OK)
}

fn exec(call: &mut Call<'_>) -> Answer {
    let Some(queue) = call.session.queue.take() else {
        return Err(ErrorReply::known("ERR EXEC without MULTI"));
    };
    if queue.is_broken {
        call.session.forget_watched();
        return Err(ErrorReply::known("EXECABORT Transaction discarded because of previous errors."));
    }
    let space = std::sync::Arc::clone(call.db().space());
    let watched = std::mem::take(&mut call.session.watched);
    let session = &mut *call.session;
    // What the commands answer becomes one reply first.
    let lent = session.lent.take();
    let replies = Transaction::run_exclusive(&space, &watched, |transaction| {
        session.within(transaction, |session| {
            // The locks have been waited for.
            session.stop_watch();
            let replies = queue.commands.iter().map(|(row, words)| {
                // What the user may do can have changed since, by one of these commands too.
                if let Err(error) = session.check_rights(row, words, Place::Exec) {
                    return error.into();
                }
                match session.run(row, words) {
                    Outcome::Reply(reply) => reply,
                    // Nothing waits within a transaction.
                    Outcome::Waits(waiting) => waiting.nothing,
                    #[cfg(feature = "lua")]
                    Outcome::Held(_) => Reply::Nil,
                }
            });
            replies.collect::<Vec<Reply>>()
        })
    });
    call.session.lent = lent;
    call.session.watched = watched;
    call.session.forget_watched();
    Ok(replies?.map_or(Reply::NilArray, Reply::Array))
}

fn discard(call: &mut Call<'_>) -> Answer {
    if !call.session.discard() {
        return Err(ErrorReply::known("ERR DISCARD without MULTI"));
    }
    Ok(Reply::OK)
}

impl Session {
    /// Whether commands are queued, behind a `MULTI`.
    #[cfg(feature = "redis-aio")]
    pub(crate) fn queues(&self) -> bool {
        self.queue.is_some()
    }

    /// Has nothing come of the commands since its `MULTI`; false if there was none.
    pub(crate) fn discard(&mut self) -> bool {
        let was_there = self.queue.take().is_some();
        if was_there {
            self.forget_watched();
        }
        was_there
    }
}

fn watch(call: &mut Call<'_>) -> Answer {
    if call.session.queue.is_some() {
        return Err(ErrorReply::known("ERR WATCH inside MULTI is not allowed"));
    }
    let db = call.db().index();
    let mut names = Vec::new();
    // What is watched already stays watched from when it was.
    let known = |name: &Bytes| call.session.watched.iter().any(|of| of.db == db && of.names.contains(name));
    for name in call.args.rest().iter().filter(|name| !known(name)) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    if !names.is_empty() {
        let space = call.db().space();
        let keys: Vec<_> = names.iter().map(|name| space.key_ref(name)).collect();
        let watch = space.watch(db, &keys)?;
        call.session.client.note(|facts| facts.watches.push(std::sync::Arc::clone(&watch)));
        call.session.watched.push(Watched { db, names, watch });
    }
    Ok(Reply::OK)
}

fn unwatch(call: &mut Call<'_>) -> Answer {
    call.session.forget_watched();
    Ok(Reply::OK)
}
