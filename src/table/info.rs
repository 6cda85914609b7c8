//! INFO: what clients and those who watch over a server read of it.

use std::borrow::Cow;

use super::args::is;
use super::call::{Answer, Call};
use super::config;
use super::row::flag::{LOADING, STALE};
use super::row::{Compat, Keys, Row, row};
use crate::Bytes;
use crate::api::Stats;
use crate::pubsub::Kind;
use crate::reply::{ErrorReply, Reply};

pub(super) const ROWS: &[Row] = &[row("info", -1, LOADING | STALE, Keys::NONE, info)];

/// A line: the name of a fact, and the fact.
type Line = (Cow<'static, str>, String);

/// A section: its title, and how its lines are gathered.
type Section = (&'static str, fn(&Call<'_>, &Stats) -> Vec<Line>);

const SECTIONS: [Section; 11] = [
    ("Server", server),
    ("Clients", clients),
    ("Memory", memory),
    ("Persistence", persistence),
    ("Stats", stats),
    ("Replication", replication),
    ("CPU", cpu),
    ("Modules", |_, _| Vec::new()),
    ("Errorstats", |_, _| Vec::new()),
    ("Cluster", |_, _| vec![line("cluster_enabled", 0)]),
    ("Keyspace", keyspace),
];

fn line(name: &'static str, fact: impl ToString) -> Line {
    (name.into(), fact.to_string())
}

fn info(call: &mut Call<'_>) -> Answer {
    let asked = call.args.take_rest();
    let is_all = |word: &Bytes| ["DEFAULT", "ALL", "EVERYTHING"].iter().any(|all| is(word, all));
    let has_all = asked.is_empty() || asked.iter().any(is_all);
    let counted = counted(call)?;
    let mut text = String::new();
    for (title, lines) in SECTIONS {
        if !has_all && !asked.iter().any(|word| is(word, title)) {
            continue;
        }
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        text.push_str(&format!("# {title}\r\n"));
        for (name, fact) in lines(call, &counted) {
            text.push_str(&format!("{name}:{fact}\r\n"));
        }
    }
    Ok(Reply::Verbatim("txt", Bytes::from(text)))
}

/// What the store counts now; what has been reset counts from then.
fn counted(call: &Call<'_>) -> Result<Stats, ErrorReply> {
    let mut now = Stats::of(call.space(), call.held())?;
    let before = call.shared().counted.lock();
    now.hits = now.hits.saturating_sub(before.hits);
    now.misses = now.misses.saturating_sub(before.misses);
    now.expirations = now.expirations.saturating_sub(before.expirations);
    now.evictions = now.evictions.saturating_sub(before.evictions);
    Ok(now)
}

/// CONFIG RESETSTAT
pub(super) fn reset(call: &Call<'_>) -> Result<(), ErrorReply> {
    let now = Stats::of(call.space(), call.held())?;
    *call.shared().counted.lock() = now;
    call.shared().clients.reset();
    Ok(())
}

fn server(call: &Call<'_>, _: &Stats) -> Vec<Line> {
    let (compat, shared) = (call.compat(), call.shared());
    let uptime = call.space().clock().now().saturating_sub(shared.since) / 1_000;
    let mut lines = match compat {
        Compat::Valkey9 => vec![
            line("redis_version", "7.2.4"),
            line("server_name", compat.server()),
            line("valkey_version", compat.version()),
            line("valkey_release_stage", "ga"),
            line("server_mode", "standalone"),
        ],
        _ => vec![line("redis_version", compat.version()), line("redis_mode", "standalone")],
    };
    lines.extend([
        line("os", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        line("arch_bits", usize::BITS),
        line("process_id", std::process::id()),
        line("run_id", &shared.run_id),
        line("tcp_port", setting(call, "port")),
        line("server_time_usec", call.space().clock().wall_micros()),
        line("uptime_in_seconds", uptime),
        line("uptime_in_days", uptime / 86_400),
        line("hz", setting(call, "hz")),
        line("configured_hz", setting(call, "hz")),
        line("config_file", ""),
        line("io_threads_active", 0),
    ]);
    lines
}

fn setting(call: &Call<'_>, name: &str) -> String {
    String::from_utf8_lossy(&config::value(call.space(), name)).into_owned()
}

fn clients(call: &Call<'_>, _: &Stats) -> Vec<Line> {
    let all = call.shared().clients.all();
    let facts: Vec<_> = all.iter().map(|client| client.facts()).collect();
    vec![
        line("connected_clients", all.len()),
        line("cluster_connections", 0),
        line("maxclients", setting(call, "maxclients")),
        line("blocked_clients", facts.iter().filter(|facts| facts.waits).count()),
        line("tracking_clients", call.space().tracking().counts().clients),
    ]
}

fn memory(call: &Call<'_>, counted: &Stats) -> Vec<Line> {
    let most = config::max_memory(call.space());
    vec![
        line("used_memory", counted.bytes),
        line("used_memory_human", human(counted.bytes)),
        line("used_memory_dataset", counted.bytes),
        line("maxmemory", most),
        line("maxmemory_human", human(most)),
        line("maxmemory_policy", setting(call, "maxmemory-policy")),
        line("mem_allocator", "unknown"),
        line("active_defrag_running", 0),
        line("lazyfree_pending_objects", 0),
    ]
}

/// A number of bytes as people read it.
fn human(bytes: usize) -> String {
    let units = [(1_u64 << 30, "G"), (1 << 20, "M"), (1 << 10, "K")];
    match units.into_iter().find(|(unit, _)| bytes as u64 >= *unit) {
        Some((unit, name)) => format!("{:.2}{name}", bytes as f64 / unit as f64),
        None => format!("{bytes}B"),
    }
}

fn persistence(call: &Call<'_>, counted: &Stats) -> Vec<Line> {
    vec![
        line("loading", 0),
        line("async_loading", 0),
        line("rdb_changes_since_last_save", counted.writes),
        line("rdb_bgsave_in_progress", 0),
        line("rdb_last_save_time", call.shared().since_wall / 1_000),
        line("rdb_last_bgsave_status", "ok"),
        line("rdb_last_bgsave_time_sec", -1),
        line("rdb_current_bgsave_time_sec", -1),
        line("aof_enabled", 0),
        line("aof_rewrite_in_progress", 0),
        line("aof_rewrite_scheduled", 0),
        line("aof_last_rewrite_time_sec", -1),
        line("aof_current_rewrite_time_sec", -1),
        line("aof_last_bgrewrite_status", "ok"),
        line("aof_last_write_status", "ok"),
    ]
}

fn stats(call: &Call<'_>, counted: &Stats) -> Vec<Line> {
    let clients = &call.shared().clients;
    let (commands, errors) = clients.work();
    let hub = call.space().hub();
    let tracked = call.space().tracking().counts();
    vec![
        line("total_connections_received", clients.count()),
        line("total_commands_processed", commands),
        line("rejected_connections", 0),
        line("sync_full", 0),
        line("sync_partial_ok", 0),
        line("sync_partial_err", 0),
        line("expired_keys", counted.expirations),
        line("evicted_keys", counted.evictions),
        line("keyspace_hits", counted.hits),
        line("keyspace_misses", counted.misses),
        line("pubsub_channels", hub.channels(b"*").len()),
        line("pubsub_patterns", hub.patterns()),
        line("pubsubshard_channels", hub.names(Kind::Shard, b"*").len()),
        line("latest_fork_usec", 0),
        line("total_forks", 0),
        line("migrate_cached_sockets", 0),
        line("tracking_total_keys", tracked.keys),
        line("tracking_total_items", tracked.items),
        line("tracking_total_prefixes", tracked.prefixes),
        line("total_error_replies", errors),
    ]
}

fn replication(call: &Call<'_>, _: &Stats) -> Vec<Line> {
    vec![
        line("role", "master"),
        line("connected_slaves", 0),
        line("master_failover_state", "no-failover"),
        line("master_replid", &call.shared().run_id),
        line("master_replid2", "0".repeat(40)),
        line("master_repl_offset", 0),
        line("second_repl_offset", -1),
        line("repl_backlog_active", 0),
        line("repl_backlog_size", setting(call, "repl-backlog-size")),
        line("repl_backlog_first_byte_offset", 0),
        line("repl_backlog_histlen", 0),
    ]
}

/// Of the whole process, where the system tells it in a file.
fn cpu(_: &Call<'_>, _: &Stats) -> Vec<Line> {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program's name comes second, in brackets, and may have spaces in it.
    let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    // In hundredths of a second, to programs.
    let seconds = |at| Some(fields.split(' ').nth(at)?.parse::<u64>().ok()? as f64 / 100.0);
    let lines = [("used_cpu_sys", seconds(12)), ("used_cpu_user", seconds(11))];
    lines.into_iter().filter_map(|(name, used)| Some((name.into(), format!("{:.6}", used?)))).collect()
}

fn keyspace(call: &Call<'_>, counted: &Stats) -> Vec<Line> {
    let more = if call.compat().redis() >= (7, 4) { ",subexpiry=0" } else { "" };
    let used = counted.databases.iter().filter(|of| of.entries > 0);
    used.map(|of| {
        let facts = format!("keys={},expires={},avg_ttl=0{more}", of.entries, of.expiring);
        (format!("db{}", of.index).into(), facts)
    })
    .collect()
}
