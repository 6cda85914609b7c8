//! OBJECT: what a server tells of how it keeps a key.

use super::call::{Answer, Call};
use super::row::flag::{LOADING, READONLY, STALE};
use super::row::{Compat, Keys, Row, container, row};
use crate::command::object::{self, Manner};
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
pub(super) fn manner(compat: Compat) -> Manner {
    let with_key = match compat {
        Compat::Valkey9 => Some(113),
        _ => (compat.redis() >= (8, 2)).then_some(41),
    };
    Manner { version: compat.redis(), with_key }
}

fn encoding(call: &mut Call<'_>) -> Answer {
    let manner = manner(call.compat());
    tell(call, |view, key| object::encoding(view, key, manner), |name| Ok(Reply::text(name)))
}

fn references(call: &mut Call<'_>) -> Answer {
    let manner = manner(call.compat());
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
