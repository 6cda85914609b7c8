//! OBJECT: what a server tells of how it keeps a key.

use super::call::{Answer, Call};
use super::config;
use super::row::flag::{LOADING, READONLY, STALE};
use super::row::{Compat, Keys, Row, container, row};
use crate::command::object::{self, Limits, Manner, Small};
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::reply::{ErrorReply, Reply};

const SECOND: Keys = Keys::range(2, 2, 1);

pub(super) const ROWS: &[Row] = &[
    container("object").since(2, 2),
    row("object|encoding", 3, READONLY, SECOND, encoding).since(2, 2),
    row("object|freq", 3, READONLY, SECOND, frequency).since(4, 0),
    row("object|help", 2, LOADING | STALE, Keys::NONE, help).since(6, 2),
    row("object|idletime", 3, READONLY, SECOND, idle_time).since(2, 2),
    row("object|refcount", 3, READONLY, SECOND, references).since(2, 2),
];

const HELP: [&str; 11] = [
    "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "ENCODING <key>",
    "    How Redis would keep the value of the key.",
    "FREQ <key>",
    "    How often the key has been used of late, by a count that grows ever more seldom.",
    "IDLETIME <key>",
    "    For how many seconds the key has not been used.",
    "REFCOUNT <key>",
    "    How often Redis would refer to the value of the key.",
    "HELP",
    "    These lines.",
];

fn help(_: &mut Call<'_>) -> Answer {
    Ok(Reply::Array(HELP.into_iter().map(|line| Reply::Status(line.into())).collect()))
}

/// What is told of a key, if it is there.
fn tell<T>(
    call: &mut Call<'_>,
    ask: impl FnOnce(&View<'_>, KeyRef<'_>) -> Option<T>,
    reply: impl FnOnce(T) -> Answer,
) -> Answer {
    let key = call.key()?;
    let found = call.read(key, |view, key| Ok(ask(view, key)))?;
    found.map_or(Ok(Reply::Nil), reply)
}

/// How that server keeps values.
pub(super) fn manner(call: &Call<'_>) -> Manner {
    let compat = call.compat();
    let with_key = match compat {
        Compat::Valkey9 => Some(113),
        _ => (compat.redis() >= (8, 2)).then_some(41),
    };
    let small_that_expires = match compat {
        Compat::Valkey9 => "hashtable",
        _ if compat.redis() >= (7, 4) => "listpackex",
        _ => "listpack",
    };
    Manner { version: compat.redis(), with_key, small_that_expires, limits: limits(call) }
}

/// Those that are configured.
fn limits(call: &Call<'_>) -> Limits {
    let set = |name| config::number_set(call.space(), name);
    let size =
        |name, default| set(name).map_or(default, |number| usize::try_from(number).unwrap_or(usize::MAX));
    let Limits { hash, set: members, sorted_set, integers, list } = Limits::DEFAULT;
    let small = |elements, longest, default: Small| Small {
        elements: size(elements, default.elements),
        longest: size(longest, default.longest),
    };
    Limits {
        hash: small("hash-max-listpack-entries", "hash-max-listpack-value", hash),
        set: small("set-max-listpack-entries", "set-max-listpack-value", members),
        sorted_set: small("zset-max-listpack-entries", "zset-max-listpack-value", sorted_set),
        integers: size("set-max-intset-entries", integers),
        list: set("list-max-listpack-size").unwrap_or(list),
    }
}

fn encoding(call: &mut Call<'_>) -> Answer {
    let manner = manner(call);
    tell(call, |view, key| object::encoding(view, key, manner), |name| Ok(Reply::text(name)))
}

fn references(call: &mut Call<'_>) -> Answer {
    let manner = manner(call);
    tell(call, |view, key| object::references(view, key, manner), |count| Ok(Reply::Integer(count)))
}

/// What is counted depends on the policy, as in Redis.
fn idle_time(call: &mut Call<'_>) -> Answer {
    let is_counted = call.space().counts_uses();
    tell(
        call,
        |view, key| view.last_use(key),
        |seen| match is_counted {
            false => Ok(Reply::Integer(i64::try_from(seen.idle).unwrap_or(i64::MAX))),
            true => Err(ErrorReply::known(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching \
             between policies at runtime LRU and LFU data will take some time to adjust.",
            )),
        },
    )
}

fn frequency(call: &mut Call<'_>) -> Answer {
    let is_counted = call.space().counts_uses();
    tell(
        call,
        |view, key| view.last_use(key),
        |seen| match is_counted {
            true => Ok(Reply::Integer(seen.count.into())),
            false => Err(ErrorReply::known(
                "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that \
             when switching between policies at runtime LRU and LFU data will take some time to adjust.",
            )),
        },
    )
}
