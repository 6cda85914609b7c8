//! Putting values in the places that loads have found, if those are still as they were: compare and set.
//!
//! Where Redis tells of changes it is done in a transaction of the connection's, with all that waits, in the two steps that a
//! batch has anyway: what a script does counts as somebody else's doing, and would be told to this process too (`NOLOOP`
//! knows the connection alone). If somebody changes one of the keys in between, each is done by itself.
//! Elsewhere a script does it, which is one command on one key, so in a cluster too.

use redis::{Cmd, RedisError, RedisResult, Value as Reply, cmd};

use super::link::{Link, Replies};
use super::queue::{Shared, Value};
use super::stats::Counters;
use super::worker::{command, counted};
use crate::Bytes;

const SCRIPT: &str = "if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end \
    if ARGV[2] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) else redis.call('DEL', KEYS[1]) end \
    return 1";

/// What is to be put in a place, or that what is there is to go.
#[derive(Clone, Copy)]
pub(super) struct Store<'b> {
    pub name: &'b Bytes,
    /// With which that begins.
    pub mark: &'b Bytes,
    pub value: Option<&'b Value>,
}

/// Does it in a script.
pub(super) fn script(shared: &Shared, store: Store<'_>) -> Cmd {
    let mut eval = cmd("EVAL");
    eval.arg(SCRIPT).arg(1).arg(store.key(shared)).arg(&**store.mark);
    if let Some(value) = store.value {
        eval.arg(&value.bytes).arg(value.left());
    }
    eval
}

/// Whether that is the answer of a server, or to a user, that has no scripts.
pub(super) fn is_without_scripts(error: &RedisError) -> bool {
    error.code() == Some("NOPERM") || error.to_string().to_ascii_lowercase().contains("unknown command")
}

/// Does it in a transaction by itself.
///
/// # Errors
/// The network's.
pub(super) fn transact(shared: &Shared, link: &mut Link, store: Store<'_>) -> RedisResult<()> {
    let stores = [store];
    let mut replies = link.send(&watch(shared, &stores))?;
    let there = there(&stores, &mut replies);
    let done = link.send(&exec(shared, &stores, &there))?.next_back();
    store.count(shared, there == [true] && is_done(shared, done) == Some(true));
    Ok(())
}

/// The commands that look what is at the places of all of these, and whether that changes.
pub(super) fn watch(shared: &Shared, stores: &[Store<'_>]) -> Vec<Cmd> {
    if stores.is_empty() {
        return Vec::new();
    }
    let mut commands = vec![cmd("WATCH")];
    for store in stores {
        let key = store.key(shared);
        let mut get = command("GETRANGE", &key);
        get.arg(0).arg(store.mark.len().saturating_sub(1));
        commands[0].arg(key);
        commands.push(get);
    }
    commands
}

/// Which of the places are as they were; the replies to [`watch`] are next.
pub(super) fn there(stores: &[Store<'_>], replies: &mut Replies) -> Vec<bool> {
    if !stores.is_empty() {
        replies.next();
    }
    let is_there = |store: &Store<'_>| matches!(replies.next(), Some(Ok(Reply::BulkString(bytes))) if *bytes == **store.mark);
    stores.iter().map(is_there).collect()
}

/// The commands that put values into those that are, unless one has changed since.
pub(super) fn exec(shared: &Shared, stores: &[Store<'_>], there: &[bool]) -> Vec<Cmd> {
    if !there.contains(&true) {
        return if stores.is_empty() { Vec::new() } else { vec![cmd("UNWATCH")] };
    }
    let places = stores.iter().zip(there).filter(|(_, is_there)| **is_there);
    let changes = places.map(|(store, _)| store.change(shared));
    [cmd("MULTI")].into_iter().chain(changes).chain([cmd("EXEC")]).collect()
}

/// Whether they were put there, by the last reply to [`exec`]; none if somebody has changed one of the keys meanwhile.
pub(super) fn is_done(shared: &Shared, reply: Option<RedisResult<Reply>>) -> Option<bool> {
    match counted(shared, reply?) {
        Some(Reply::Nil) => None,
        done => Some(matches!(done, Some(Reply::Array(_)))),
    }
}

impl Store<'_> {
    fn key(&self, shared: &Shared) -> Vec<u8> {
        shared.options.keys.value(self.name)
    }

    fn change(&self, shared: &Shared) -> Cmd {
        let key = self.key(shared);
        self.value.map_or_else(|| command("DEL", &key), |value| set(&key, value))
    }

    /// Counts a value that was overtaken. That a mark had gone before it was given back is nothing.
    pub(super) fn count(&self, shared: &Shared, is_done: bool) {
        if self.value.is_some() && !is_done {
            Counters::add(&shared.counters.fenced);
        }
    }
}

/// Puts a value there, whatever there was.
pub(super) fn set(key: &[u8], value: &Value) -> Cmd {
    let mut set = command("SET", key);
    set.arg(&value.bytes).arg("PX").arg(value.left());
    set
}
