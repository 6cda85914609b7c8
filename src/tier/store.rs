//! Putting a value in the place that a load has found, if that is still as it was: compare and set.
//!
//! Redis does it in a script, which is one command on one key, so in a cluster too. Where there are no scripts, a
//! transaction of the connection's does it, in two steps for each.

use redis::{Cmd, RedisError, RedisResult, Value as Reply, cmd};

use super::link::Link;
use super::queue::{Shared, Value};
use super::stats::Counters;
use super::worker::{LONGEST, command, counted};

const SCRIPT: &str = "if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end \
    if ARGV[2] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) else redis.call('DEL', KEYS[1]) end \
    return 1";

/// Puts a value there, or takes away what is, if that begins with the mark.
pub(super) fn script(key: &[u8], mark: &[u8], value: Option<&Value>) -> Cmd {
    let mut eval = cmd("EVAL");
    eval.arg(SCRIPT).arg(1).arg(key).arg(mark);
    if let Some(value) = value {
        eval.arg(&value.bytes).arg(life(value));
    }
    eval
}

/// Whether that is the answer of a server, or to a user, that has no scripts.
pub(super) fn is_without_scripts(error: &RedisError) -> bool {
    error.code() == Some("NOPERM") || error.to_string().to_ascii_lowercase().contains("unknown command")
}

/// The same without scripts.
///
/// # Errors
/// The network's.
pub(super) fn in_steps(
    shared: &Shared,
    link: &mut Link,
    key: &[u8],
    mark: &[u8],
    value: Option<&Value>,
) -> RedisResult<()> {
    let mut get = command("GETRANGE", key);
    get.arg(0).arg(mark.len().saturating_sub(1));
    let is_there = match link.send(&[command("WATCH", key), get])?.next_back() {
        Some(Ok(Reply::BulkString(bytes))) => bytes == mark,
        _ => false,
    };
    if !is_there {
        let _ = link.ask(&cmd("UNWATCH"))?;
        count(shared, value, false);
        return Ok(());
    }
    let change = value.map_or_else(|| command("DEL", key), |value| set(key, value));
    let done = link.send(&[cmd("MULTI"), change, cmd("EXEC")])?.next_back();
    match counted(shared, done.unwrap_or(Ok(Reply::Nil))) {
        Some(Reply::Nil) | None => count(shared, value, false),
        Some(_) => count(shared, value, true),
    }
    Ok(())
}

/// Puts a value there, whatever there was.
pub(super) fn set(key: &[u8], value: &Value) -> Cmd {
    let mut set = command("SET", key);
    set.arg(&value.bytes).arg("PX").arg(life(value));
    set
}

/// Counts a value that was overtaken. That a mark had gone before it was given back is nothing.
pub(super) fn count(shared: &Shared, value: Option<&Value>, is_done: bool) {
    if value.is_some() && !is_done {
        Counters::add(&shared.counters.fenced);
    }
}

fn life(value: &Value) -> u64 {
    value.life.clamp(1, LONGEST)
}
