//! MEMORY: what a key takes, and what a server would tell of its allocator.

use super::args::is;
use super::call::{Answer, Call};
use super::command::help;
use super::row::flag::{LOADING, READONLY, STALE};
use super::row::{Keys, Row, container, row};
use crate::Bytes;
use crate::api::Stats;
use crate::command::object;
use crate::reply::{ErrorReply, Reply};
use crate::sync::atomic::Ordering;

pub(super) const ROWS: &[Row] = &[
    container("memory").since(4, 0),
    row("memory|doctor", 2, 0, Keys::NONE, doctor).since(4, 0),
    row("memory|help", 2, LOADING | STALE, Keys::NONE, help).since(4, 0),
    row("memory|malloc-stats", 2, 0, Keys::NONE, allocator).since(4, 0),
    row("memory|purge", 2, 0, Keys::NONE, |_| Ok(Reply::OK)).since(4, 0),
    row("memory|stats", 2, 0, Keys::NONE, stats).since(4, 0),
    row("memory|usage", -3, READONLY, Keys::range(2, 2, 1), usage).since(4, 0),
];

/// The highest number of bytes that anybody has asked for: nothing is noted in between.
pub(super) fn peak(call: &Call<'_>, used: usize) -> usize {
    call.shared().peak.fetch_max(used, Ordering::Relaxed).max(used)
}

/// What of the process lies in memory, in bytes, where the system tells it in a file.
pub(super) fn resident() -> Option<usize> {
    kilobytes("/proc/self/status", "VmRSS:")
}

/// How much memory the machine has, likewise.
pub(super) fn installed() -> Option<usize> {
    kilobytes("/proc/meminfo", "MemTotal:")
}

fn kilobytes(file: &str, name: &str) -> Option<usize> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace().nth(1)?.parse::<usize>().ok()?.checked_mul(1_024)
}

/// A part of a whole that may be nothing.
pub(super) fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

fn doctor(_: &mut Call<'_>) -> Answer {
    Ok(Reply::Verbatim("txt", Bytes::from("Nothing to complain of: memory is what keys and values take.\n")))
}

/// The allocator is the program's own, and not asked.
fn allocator(_: &mut Call<'_>) -> Answer {
    Ok(Reply::Verbatim("txt", Bytes::from("Stats not supported for the current allocator")))
}

/// Of what Redis tells, that which is more than nothing here is the size of the data and of the process.
fn stats(call: &mut Call<'_>) -> Answer {
    let counted = Stats::of(call.space(), call.held())?;
    let (used, keys) = (counted.bytes, counted.entries);
    let (peak, rss) = (peak(call, used), resident().unwrap_or(used));
    let over = rss.saturating_sub(used);
    let mut facts = Vec::new();
    let mut tell = |name: &str, fact: Reply| facts.push((Reply::text(name), fact));
    let none = Reply::Integer(0);
    tell("peak.allocated", Reply::count(peak));
    tell("total.allocated", Reply::count(used));
    let parts =
        ["startup.allocated", "replication.backlog", "clients.slaves", "clients.normal", "cluster.links"];
    for part in parts.into_iter().chain(["aof.buffer", "lua.caches", "functions.caches"]) {
        tell(part, none.clone());
    }
    for database in counted.databases.iter().filter(|of| of.entries > 0) {
        let tables =
            ["overhead.hashtable.main", "overhead.hashtable.expires", "overhead.hashtable.slot-to-keys"];
        let tables = tables.map(|table| (Reply::text(table), none.clone()));
        tell(&format!("db.{}", database.index), Reply::Map(tables.into()));
    }
    tell("overhead.total", none.clone());
    tell("keys.count", Reply::count(keys));
    tell("keys.bytes-per-key", Reply::count(used / keys.max(1)));
    tell("dataset.bytes", Reply::count(used));
    tell("dataset.percentage", Reply::Double(100.0));
    tell("peak.percentage", Reply::Double(ratio(used, peak) * 100.0));
    for name in ["allocator.allocated", "allocator.active"] {
        tell(name, Reply::count(used));
    }
    tell("allocator.resident", Reply::count(rss));
    tell("allocator-fragmentation.ratio", Reply::Double(1.0));
    tell("allocator-fragmentation.bytes", none.clone());
    tell("allocator-rss.ratio", Reply::Double(ratio(rss, used)));
    tell("allocator-rss.bytes", Reply::count(over));
    tell("rss-overhead.ratio", Reply::Double(1.0));
    tell("rss-overhead.bytes", none);
    tell("fragmentation", Reply::Double(ratio(rss, used)));
    tell("fragmentation.bytes", Reply::count(over));
    Ok(Reply::Map(facts))
}

/// The number of samples makes no difference: all is counted anyway.
fn usage(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    while let Some(word) = call.args.take() {
        if !is(word, "SAMPLES") || call.args.is_empty() || call.args.integer()? < 0 {
            return Err(ErrorReply::SYNTAX);
        }
    }
    let bytes = call.read(key, |view, key| Ok(object::bytes(view, key)))?;
    Ok(bytes.map_or(Reply::Nil, Reply::count))
}
