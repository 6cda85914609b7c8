//! Putting values in the places that loads have found, if those are still as they were: compare and set.
//!
//! Where Redis tells of changes it is done in a transaction of the connection's, all that waits in two steps: what a script
//! does counts as somebody else's doing, and would be told to this process too (`NOLOOP` knows the connection alone).
//! Elsewhere a script does it, which is one command on one key, so in a cluster too.

use redis::{Cmd, RedisError, RedisResult, Value as Reply, cmd};

use super::link::Link;
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

/// Does all of them in a transaction; one by one, if somebody has changed one of the keys meanwhile.
///
/// # Errors
/// The network's.
pub(super) fn transact(shared: &Shared, link: &mut Link, stores: &[Store<'_>]) -> RedisResult<()> {
    let mut commands = vec![cmd("WATCH")];
    for store in stores {
        let key = store.key(shared);
        let mut get = command("GETRANGE", &key);
        get.arg(0).arg(store.mark.len().saturating_sub(1));
        commands[0].arg(key);
        commands.push(get);
    }
    let seen = link.send(&commands)?.skip(1);
    let is_there = |(store, seen): (&Store<'_>, RedisResult<Reply>)| matches!(seen, Ok(Reply::BulkString(bytes)) if *bytes == **store.mark);
    let there: Vec<bool> = stores.iter().zip(seen).map(is_there).collect();
    if !there.contains(&true) {
        stores.iter().for_each(|store| store.count(shared, false));
        return link.ask(&cmd("UNWATCH"))?.map(drop);
    }
    let changes =
        stores.iter().zip(&there).filter(|(_, is_there)| **is_there).map(|(store, _)| store.change(shared));
    let commands: Vec<Cmd> = [cmd("MULTI")].into_iter().chain(changes).chain([cmd("EXEC")]).collect();
    let done = link.send(&commands)?.next_back().unwrap_or(Ok(Reply::Nil));
    match counted(shared, done) {
        // Somebody was there in between.
        Some(Reply::Nil) if stores.len() > 1 => {
            stores.iter().try_for_each(|store| transact(shared, link, std::slice::from_ref(store)))
        }
        done => {
            let is_done = matches!(done, Some(Reply::Array(_)));
            stores.iter().zip(there).for_each(|(store, is_there)| store.count(shared, is_there && is_done));
            Ok(())
        }
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
