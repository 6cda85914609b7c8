//! MEMORY: what a key takes, and what a server would tell of its allocator.

use super::args::is;
use super::call::{Answer, Call};
use super::command::help;
use super::config::max_memory;
use super::info::{journal_buffer, scripts};
use super::row::flag::{LOADING, READONLY, STALE};
use super::row::{Keys, Row, container, row};
use crate::Bytes;
use crate::api::Stats;
use crate::command::object;
use crate::reply::{ErrorReply, Reply};

pub(super) const ROWS: &[Row] = &[
    container("memory").since(4, 0),
    row("memory|doctor", 2, 0, Keys::NONE, doctor).since(4, 0),
    row("memory|help", 2, LOADING | STALE, Keys::NONE, help).since(4, 0),
    row("memory|malloc-stats", 2, 0, Keys::NONE, allocator).since(4, 0),
    row("memory|purge", 2, 0, Keys::NONE, |_| Ok(Reply::OK)).since(4, 0),
    row("memory|stats", 2, 0, Keys::NONE, stats).since(4, 0),
    row("memory|usage", -3, READONLY, Keys::range(2, 2, 1), usage).since(4, 0),
];

/// What the store was seen to take whenever somebody asked: nothing is noted in between.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Seen {
    /// The most, in bytes, and when that was, in milliseconds since 1970.
    pub peak: usize,
    pub peak_at: u64,
    /// Since when that is over the store's limit, and for how many milliseconds it was before.
    over_since: Option<u64>,
    over: u64,
}

/// For how many milliseconds a store has taken more than its limit: this time, and in all.
pub(super) struct TimeOver {
    pub current: u64,
    pub total: u64,
}

impl Seen {
    pub(super) fn time_over(&self, now: u64) -> TimeOver {
        let current = self.over_since.map_or(0, |since| now.saturating_sub(since));
        TimeOver { current, total: self.over.saturating_add(current) }
    }

    /// The time counts from now on.
    pub(super) fn forget_time_over(&mut self) {
        (self.over_since, self.over) = (None, 0);
    }
}

/// Notes what it takes now.
pub(super) fn see(call: &Call<'_>, used: usize) -> Seen {
    let (clock, most) = (call.space().clock(), max_memory(call.space()));
    let mut seen = call.shared().seen.lock();
    if used > seen.peak {
        (seen.peak, seen.peak_at) = (used, clock.wall());
    }
    if most > 0 && used > most {
        seen.over_since.get_or_insert_with(|| clock.now());
    } else {
        seen.over = seen.time_over(clock.now()).total;
        seen.over_since = None;
    }
    *seen
}

/// The memory of the process. The allocator is the program's, and not asked: as in Redis where it tells nothing, what it is
/// given is what the data takes, and what it has is what the process has.
#[derive(Clone, Copy)]
pub(super) struct Process {
    used: usize,
    /// What of it lies in memory, in bytes.
    pub resident: usize,
}

impl Process {
    pub(super) fn of(used: usize) -> Process {
        Process { used, resident: kilobytes("/proc/self/status", "VmRSS:").unwrap_or(used) }
    }

    pub(super) fn fragmentation(self) -> f64 {
        ratio(self.resident, self.used)
    }

    pub(super) fn over(self) -> usize {
        self.resident.saturating_sub(self.used)
    }
}

/// How much memory the machine has, in bytes, where the system tells it in a file.
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
    let (Seen { peak, .. }, process) = (see(call, used), Process::of(used));
    let (fragmentation, over) = (process.fragmentation(), process.over());
    let mut facts = Vec::new();
    let mut tell = |name: &str, fact: Reply| facts.push((Reply::text(name), fact));
    let none = Reply::Integer(0);
    tell("peak.allocated", Reply::count(peak));
    tell("total.allocated", Reply::count(used));
    for part in ["startup.allocated", "replication.backlog", "clients.slaves"] {
        tell(part, none.clone());
    }
    let clients = usize::try_from(call.shared().clients.bytes()).unwrap_or(usize::MAX);
    tell("clients.normal", Reply::count(clients));
    tell("cluster.links", none.clone());
    tell("aof.buffer", Reply::count(journal_buffer(call)));
    tell("lua.caches", Reply::count(scripts(call).script_bytes));
    tell("functions.caches", Reply::count(scripts(call).library_bytes));
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
    tell("allocator.allocated", Reply::count(used));
    for name in ["allocator.active", "allocator.resident"] {
        tell(name, Reply::count(process.resident));
    }
    tell("allocator-fragmentation.ratio", Reply::Double(fragmentation));
    tell("allocator-fragmentation.bytes", Reply::count(over));
    tell("allocator-rss.ratio", Reply::Double(1.0));
    tell("allocator-rss.bytes", none.clone());
    tell("rss-overhead.ratio", Reply::Double(1.0));
    tell("rss-overhead.bytes", none);
    tell("fragmentation", Reply::Double(fragmentation));
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
