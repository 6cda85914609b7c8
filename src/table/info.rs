//! INFO: what clients and those who watch over a server read of it.

use std::borrow::Cow;

use super::acl::Reason;
use super::args::is;
use super::call::{Answer, Call};
use super::clients::Facts;
use super::config;
use super::measure;
use super::memory;
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

const SECTIONS: [Section; 13] = [
    ("Server", server),
    ("Clients", clients),
    ("Memory", of_memory),
    ("Persistence", persistence),
    ("Stats", stats),
    ("Replication", replication),
    ("CPU", cpu),
    ("Modules", |_, _| Vec::new()),
    ("Commandstats", |call, _| measure::commandstats(call)),
    ("Errorstats", |call, _| measure::errorstats(call)),
    ("Latencystats", |call, _| measure::latencystats(call)),
    ("Cluster", |_, _| vec![line("cluster_enabled", 0)]),
    ("Keyspace", keyspace),
];

/// Those that come only when they are asked for, by name or with ALL.
const MORE: [&str; 2] = ["Commandstats", "Latencystats"];

fn line(name: &'static str, fact: impl ToString) -> Line {
    (name.into(), fact.to_string())
}

fn info(call: &mut Call<'_>) -> Answer {
    let asked = call.args.take_rest();
    let has_all = asked.iter().any(|word| is(word, "ALL") || is(word, "EVERYTHING"));
    let has_most = asked.is_empty() || asked.iter().any(|word| is(word, "DEFAULT"));
    let counted = counted(call)?;
    let mut text = String::new();
    for (title, lines) in SECTIONS {
        let is_part = has_all || has_most && !MORE.contains(&title);
        if !is_part && !asked.iter().any(|word| is(word, title)) {
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
    call.shared().saving.count_anew();
    call.shared().reset_measures();
    #[cfg(feature = "lua")]
    call.shared().scripts.count_evicted_anew();
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
        ],
        _ => vec![line("redis_version", compat.version())],
    };
    lines.extend([
        line("redis_git_sha1", "00000000"),
        line("redis_git_dirty", 0),
        line("redis_build_id", "0000000000000000"),
        line(if compat == Compat::Valkey9 { "server_mode" } else { "redis_mode" }, "standalone"),
        line("os", format!("{} {}", std::env::consts::OS, std::env::consts::ARCH)),
        line("arch_bits", usize::BITS),
        line("multiplexing_api", if cfg!(target_os = "linux") { "epoll" } else { "kqueue" }),
    ]);
    if compat != Compat::Valkey9 {
        lines.push(line("atomicvar_api", "c11-builtin"));
    }
    lines.extend([
        line("gcc_version", "0.0.0"),
        line("process_id", std::process::id()),
        line("run_id", &shared.run_id),
        line("tcp_port", setting(call, "port")),
        line("server_time_usec", call.space().clock().wall_micros()),
        line("uptime_in_seconds", uptime),
        line("uptime_in_days", uptime / 86_400),
        line("hz", setting(call, "hz")),
        line("configured_hz", setting(call, "hz")),
        line("lru_clock", (call.space().clock().wall() / 1_000) & 0x00ff_ffff),
        line("executable", std::env::current_exe().unwrap_or_default().display()),
        line("config_file", shared.settings.file().unwrap_or_default().display()),
        line("io_threads_active", 0),
    ]);
    if compat.has_since(7, 2) {
        lines.extend(listeners(call));
    }
    lines
}

/// Where a server listens: each way has its number.
fn listeners(call: &Call<'_>) -> Vec<Line> {
    let binds = setting(call, "bind").split_whitespace().map(|at| format!(",bind={at}")).collect::<String>();
    let open = |name: &str| Some(setting(call, name)).filter(|value| !value.is_empty() && value != "0");
    let tcp = |name, port| Some(format!("name={name}{binds},port={}", open(port)?));
    let ways = [
        tcp("tcp", "port"),
        open("unixsocket").map(|path| format!("name=unix,bind={path}")),
        tcp("tls", "tls-port"),
    ];
    let numbered = ways.into_iter().enumerate();
    numbered.filter_map(|(at, way)| Some((format!("listener{at}").into(), way?))).collect()
}

fn setting(call: &Call<'_>, name: &str) -> String {
    String::from_utf8_lossy(&config::value(call.space(), name)).into_owned()
}

fn clients(call: &Call<'_>, _: &Stats) -> Vec<Line> {
    let compat = call.compat();
    let all = call.shared().clients.all();
    let facts: Vec<_> = all.iter().map(|client| client.facts()).collect();
    let count = |is: fn(&Facts) -> bool| facts.iter().filter(|facts| is(facts)).count();
    let mut lines = vec![
        line("connected_clients", all.len()),
        line("cluster_connections", 0),
        line("maxclients", setting(call, "maxclients")),
        line("blocked_clients", count(|facts| facts.waits)),
        line("tracking_clients", call.space().tracking().counts().clients),
    ];
    let keys = Attended::of(call);
    if compat.has_since(7, 4) {
        lines.extend([
            line("pubsub_clients", count(|facts| facts.channels + facts.patterns + facts.shards > 0)),
            line("watching_clients", count(|facts| facts.watched > 0)),
            line("total_watched_keys", keys.watched),
        ]);
    }
    if compat.has_since(7, 2) {
        lines.extend([
            line("total_blocking_keys", keys.waited_for),
            line("total_blocking_keys_on_nokey", keys.minded),
        ]);
    }
    lines
}

/// How many keys somebody watches, waits for, and waits for so that he minds when they go.
#[derive(Default)]
struct Attended {
    watched: usize,
    waited_for: usize,
    minded: usize,
}

impl Attended {
    /// None are told by who holds but some of them.
    fn of(call: &Call<'_>) -> Attended {
        let mut keys = Attended::default();
        let _ = call.space().look_at_all(call.held(), |shard| {
            keys.watched += shard.watches.len();
            keys.waited_for += shard.waiters.keys_waited_for();
            keys.minded += shard.waiters.keys_minded();
        });
        keys
    }
}

fn of_memory(call: &Call<'_>, counted: &Stats) -> Vec<Line> {
    let most = config::max_memory(call.space());
    let used = counted.bytes;
    let peak = memory::peak(call, used);
    let rss = memory::resident().unwrap_or(used);
    let system = memory::installed().unwrap_or(0);
    let [scripts, functions, libraries, _] = scripts(call);
    vec![
        line("used_memory", used),
        line("used_memory_human", human(used)),
        line("used_memory_rss", rss),
        line("used_memory_rss_human", human(rss)),
        line("used_memory_peak", peak),
        line("used_memory_peak_human", human(peak)),
        line("used_memory_peak_perc", format!("{:.2}%", memory::ratio(used, peak) * 100.0)),
        line("used_memory_overhead", 0),
        line("used_memory_startup", 0),
        line("used_memory_dataset", used),
        line("used_memory_dataset_perc", "100.00%"),
        line("total_system_memory", system),
        line("total_system_memory_human", human(system)),
        line("used_memory_lua", 0),
        line("used_memory_lua_human", human(0)),
        line("used_memory_scripts", 0),
        line("used_memory_scripts_human", human(0)),
        line("number_of_cached_scripts", scripts),
        line("number_of_functions", functions),
        line("number_of_libraries", libraries),
        line("maxmemory", most),
        line("maxmemory_human", human(most)),
        line("maxmemory_policy", setting(call, "maxmemory-policy")),
        line("mem_fragmentation_ratio", format!("{:.2}", memory::ratio(rss, used))),
        line("mem_fragmentation_bytes", rss.saturating_sub(used)),
        line("mem_allocator", "unknown"),
        line("active_defrag_running", 0),
        line("lazyfree_pending_objects", 0),
        line("lazyfreed_objects", 0),
    ]
}

/// How many scripts are kept, functions and libraries are there, and scripts have made room for others.
fn scripts(call: &Call<'_>) -> [usize; 4] {
    #[cfg(feature = "lua")]
    {
        let counts = call.shared().scripts.counts(call.session);
        [counts.scripts, counts.functions, counts.libraries, counts.evicted]
    }
    #[cfg(not(feature = "lua"))]
    {
        let _ = call;
        [0; 4]
    }
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
    let saving = call.shared().saving.told(call.space().clock(), counted.writes);
    let journal = journal(call);
    let status = |is_ok: bool| if is_ok { "ok" } else { "err" };
    let seconds = |millis: Option<u64>| millis.map_or("-1".into(), |millis| (millis / 1_000).to_string());
    let mut lines = vec![
        line("loading", 0),
        line("async_loading", 0),
        line("rdb_changes_since_last_save", saving.changes),
        line("rdb_bgsave_in_progress", u8::from(saving.in_background)),
        line("rdb_last_save_time", saving.wall / 1_000),
        line("rdb_last_bgsave_status", if saving.is_ok { "ok" } else { "err" }),
        line("rdb_last_bgsave_time_sec", seconds(saving.took)),
        line("rdb_current_bgsave_time_sec", seconds(saving.going)),
        line("rdb_saves", saving.count),
        line("aof_enabled", u8::from(journal.is_kept)),
        line("aof_rewrite_in_progress", u8::from(journal.is_rewriting)),
        line("aof_rewrite_scheduled", 0),
        line("aof_last_rewrite_time_sec", -1),
        line("aof_current_rewrite_time_sec", -1),
        line("aof_last_bgrewrite_status", status(journal.was_rewritten)),
        line("aof_last_write_status", status(journal.is_written)),
    ];
    if journal.is_kept {
        lines.push(line("aof_current_size", journal.bytes));
        lines.push(line("aof_base_size", journal.snapshot_bytes));
    }
    lines
}

/// What there is to tell of the store's journal.
#[derive(Default)]
struct ToldJournal {
    is_kept: bool,
    bytes: u64,
    snapshot_bytes: u64,
    is_rewriting: bool,
    was_rewritten: bool,
    is_written: bool,
}

fn journal(call: &Call<'_>) -> ToldJournal {
    #[cfg(feature = "journal")]
    if let Some(journal) = call.space().journal() {
        let stats = journal.stats();
        return ToldJournal {
            is_kept: true,
            bytes: stats.snapshot_bytes + stats.journal_bytes,
            snapshot_bytes: stats.snapshot_bytes,
            is_rewriting: stats.is_rewriting,
            was_rewritten: stats.rewrite_error.is_none(),
            is_written: journal.check().is_ok(),
        };
    }
    #[cfg(not(feature = "journal"))]
    let _ = call;
    ToldJournal { was_rewritten: true, is_written: true, ..ToldJournal::default() }
}

fn stats(call: &Call<'_>, counted: &Stats) -> Vec<Line> {
    let clients = &call.shared().clients;
    call.shared().collect();
    let (commands, errors) = call.shared().measures.work();
    let (received, sent) = clients.traffic();
    let hub = call.space().hub();
    let tracked = call.space().tracking().counts();
    let mut lines = vec![
        line("total_connections_received", clients.count()),
        line("total_commands_processed", commands),
        line("instantaneous_ops_per_sec", call.shared().pace.lock().of(commands, call.space().clock().now())),
        line("total_net_input_bytes", received),
        line("total_net_output_bytes", sent),
        line("instantaneous_input_kbps", "0.00"),
        line("instantaneous_output_kbps", "0.00"),
        line("rejected_connections", clients.rejected()),
        line("sync_full", 0),
        line("sync_partial_ok", 0),
        line("sync_partial_err", 0),
        line("expired_keys", counted.expirations),
        line("evicted_keys", counted.evictions),
        line("evicted_clients", 0),
    ];
    if call.compat().has_since(7, 4) {
        let [.., evicted] = scripts(call);
        lines.push(line("evicted_scripts", evicted));
    }
    lines.extend([
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
        line("unexpected_error_replies", 0),
        line("total_error_replies", errors),
    ]);
    lines.extend(denials(call));
    lines
}

/// How often users were refused something. Nobody is known by a certificate here.
fn denials(call: &Call<'_>) -> impl Iterator<Item = Line> {
    let (compat, users) = (call.compat(), &call.shared().users);
    let of = |reason| users.denied(reason);
    [
        ("auth", of(Reason::Auth), compat.has_since(7, 2)),
        ("cmd", of(Reason::Command), compat.has_since(7, 2)),
        ("key", of(Reason::Key), compat.has_since(7, 2)),
        ("channel", of(Reason::Channel), compat.has_since(7, 2)),
        ("tls_cert", 0, compat.has_since(8, 6)),
        ("db", of(Reason::Database), compat == Compat::Valkey9),
    ]
    .into_iter()
    .filter(|(_, _, is_told)| *is_told)
    .map(|(what, count, _)| (format!("acl_access_denied_{what}").into(), count.to_string()))
}

/// How many commands there are in a second, as it was between the last two looks.
pub(crate) struct Pace {
    commands: u64,
    at: u64,
    was: u64,
}

impl Pace {
    pub(super) fn from(now: u64) -> Self {
        Pace { commands: 0, at: now, was: 0 }
    }

    fn of(&mut self, commands: u64, now: u64) -> u64 {
        // Looks that follow each other closely, or that come after a reset, say what the last one said.
        let passed = now.saturating_sub(self.at);
        if passed >= 100 || commands < self.commands {
            self.was = commands.saturating_sub(self.commands).saturating_mul(1_000) / passed.max(1);
            (self.commands, self.at) = (commands, now);
        }
        self.was
    }
}

fn replication_id(call: &Call<'_>) -> String {
    call.shared().replication_id.lock().clone().unwrap_or_else(|| call.shared().run_id.clone())
}

fn replication(call: &Call<'_>, _: &Stats) -> Vec<Line> {
    vec![
        line("role", "master"),
        line("connected_slaves", 0),
        line("master_failover_state", "no-failover"),
        line("master_replid", replication_id(call)),
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
    let lines = [
        ("used_cpu_sys", seconds(12)),
        ("used_cpu_user", seconds(11)),
        ("used_cpu_sys_children", seconds(14)),
        ("used_cpu_user_children", seconds(13)),
    ];
    lines.into_iter().filter_map(|(name, used)| Some((name.into(), format!("{:.6}", used?)))).collect()
}

fn keyspace(call: &Call<'_>, counted: &Stats) -> Vec<Line> {
    let of_fields = match call.compat() {
        Compat::Valkey9 => Some("keys_with_volatile_items"),
        compat => (compat.redis() >= (7, 4)).then_some("subexpiry"),
    };
    let used = counted.databases.iter().filter(|of| of.entries > 0);
    used.map(|of| {
        let mut facts = format!("keys={},expires={},avg_ttl=0", of.entries, of.expiring);
        if let Some(name) = of_fields {
            facts.push_str(&format!(",{name}={}", of.expiring_fields));
        }
        (format!("db{}", of.index).into(), facts)
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_between_two_looks_and_starts_again_after_a_reset() {
        let mut pace = Pace::from(1_000);
        assert_eq!(pace.of(50, 1_500), 100);
        assert_eq!(pace.of(70, 1_599), 100); // too soon
        assert_eq!(pace.of(70, 1_600), 200);
        assert_eq!(pace.of(70, 2_600), 0);
        assert_eq!(pace.of(3, 2_600), 0);
        assert_eq!(pace.of(13, 3_600), 10);
    }
}
