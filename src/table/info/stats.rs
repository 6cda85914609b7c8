//! What has been done so far.

use super::{Counted, Lines, scripts};
use crate::pubsub::Kind;
use crate::table::acl::Reason;
use crate::table::call::Call;
use crate::table::memory::see;
use crate::table::row::Compat;

/// Any thread of the server's serves any client: they count as one.
pub(super) fn threads(call: &Call<'_>, counted: &Counted, lines: &mut Lines) {
    let (clients, sums) = (call.shared().clients.all().len(), counted.sums);
    lines.add("io_thread_0", format_args!("clients={clients},reads={},writes={}", sums.reads, sums.writes));
}

pub(super) fn stats(call: &Call<'_>, counted: &Counted, lines: &mut Lines) {
    let (shared, clock) = (call.shared(), call.space().clock());
    let is_valkey = call.compat() == Compat::Valkey9;
    shared.collect();
    let work = shared.measures.work();
    let sums = counted.sums;
    let [commands, input, output] =
        shared.pace.lock().of([work.commands, sums.received, sums.sent], clock.now());
    let kilobytes = |bytes: u64| format!("{:.2}", bytes as f64 / 1_024.0);
    lines.add("total_connections_received", sums.connections);
    lines.add("total_commands_processed", work.commands);
    lines.add("instantaneous_ops_per_sec", commands);
    lines.add("total_net_input_bytes", sums.received);
    lines.add("total_net_output_bytes", sums.sent);
    lines.none(&["total_net_repl_input_bytes", "total_net_repl_output_bytes"]);
    if is_valkey {
        lines.none(&["total_net_cluster_slot_import_bytes", "total_net_cluster_slot_export_bytes"]);
    }
    lines.add("instantaneous_input_kbps", kilobytes(input));
    lines.add("instantaneous_output_kbps", kilobytes(output));
    lines.add("instantaneous_input_repl_kbps", "0.00");
    lines.add("instantaneous_output_repl_kbps", "0.00");
    lines.add("rejected_connections", sums.rejected);
    lines.none(&["sync_full", "sync_partial_ok", "sync_partial_err"]);
    of_keys(call, counted, lines);
    of_channels(call, lines);
    lines.none(&["unexpected_error_replies"]);
    lines.add("total_error_replies", work.errors);
    // What a payload says is looked through in any case, and once.
    lines.none(&["dump_payload_sanitizations"]);
    of_connections(call, counted, lines);
    // The runtime has its threads wait; that is no loop of the server's. Commands take what they take.
    if call.compat().has_since(7, 2) {
        lines.none(&["eventloop_cycles", "eventloop_duration_sum"]);
        lines.add("eventloop_duration_cmd_sum", work.nanos / 1_000);
        lines.none(&["instantaneous_eventloop_cycles_per_sec", "instantaneous_eventloop_duration_usec"]);
    }
    denials(call, lines);
}

/// What has gone by itself, and what was looked for.
fn of_keys(call: &Call<'_>, counted: &Counted, lines: &mut Lines) {
    let (compat, stats) = (call.compat(), &counted.stats);
    let is_valkey = compat == Compat::Valkey9;
    if !is_valkey {
        lines.add_since((7, 4), "expired_subkeys", stats.expired_fields);
    }
    let expired = stats.expirations.saturating_sub(stats.emptied);
    lines.add("expired_keys", if is_valkey { expired.saturating_add(stats.overdue) } else { expired });
    if is_valkey {
        lines.add("expired_fields", stats.expired_fields);
    }
    // The sweeper knows what is due, and goes on until nothing is.
    lines.add("expired_stale_perc", "0.00");
    if is_valkey {
        lines.add("expired_keys_with_volatile_items_stale_perc", "0.00");
    }
    lines.none(&["expired_time_cap_reached_count"]);
    lines.add("expire_cycle_cpu_milliseconds", counted.swept);
    lines.add("evicted_keys", stats.evictions);
    lines.none(&["evicted_clients"]);
    lines.add_since((7, 4), "evicted_scripts", scripts(call).evicted);
    let over = see(call, stats.bytes).time_over(call.space().clock().now());
    lines.add("total_eviction_exceeded_time", over.total);
    lines.add("current_eviction_exceeded_time", over.current);
    lines.add("keyspace_hits", stats.hits);
    lines.add("keyspace_misses", stats.misses);
}

/// Who is told of what.
fn of_channels(call: &Call<'_>, lines: &mut Lines) {
    let (hub, tracked) = (call.space().hub(), call.space().tracking().counts());
    lines.add("pubsub_channels", hub.channels(b"*").len());
    lines.add("pubsub_patterns", hub.patterns());
    lines.add("pubsubshard_channels", hub.names(Kind::Shard, b"*").len());
    lines.none(&["latest_fork_usec", "total_forks", "migrate_cached_sockets", "slave_expires_tracked_keys"]);
    lines.none(&["active_defrag_hits", "active_defrag_misses"]);
    lines.none(&["active_defrag_key_hits", "active_defrag_key_misses"]);
    lines.none(&["total_active_defrag_time", "current_active_defrag_time"]);
    lines.add("tracking_total_keys", tracked.keys);
    lines.add("tracking_total_items", tracked.items);
    lines.add("tracking_total_prefixes", tracked.prefixes);
}

/// What has come and gone through sockets.
fn of_connections(call: &Call<'_>, counted: &Counted, lines: &mut Lines) {
    let (compat, sums) = (call.compat(), counted.sums);
    lines.add("total_reads_processed", sums.reads);
    lines.add("total_writes_processed", sums.writes);
    lines.none(&["io_threaded_reads_processed", "io_threaded_writes_processed"]);
    if compat == Compat::Valkey9 {
        lines.none(&["io_threaded_freed_objects", "io_threaded_accept_processed"]);
        lines.none(&["io_threaded_poll_processed"]);
    }
    if compat.has_since(8, 0) {
        lines.none(&["io_threaded_total_prefetch_batches", "io_threaded_total_prefetch_entries"]);
    }
    lines.add_since((7, 4), "client_query_buffer_limit_disconnections", sums.over_query);
    lines.add_since((7, 4), "client_output_buffer_limit_disconnections", sums.over_output);
    lines.add("reply_buffer_shrinks", sums.shrinks);
    lines.add("reply_buffer_expands", sums.expands);
}

/// How often users were refused something. Nobody is known by a certificate here.
fn denials(call: &Call<'_>, lines: &mut Lines) {
    let (compat, users) = (call.compat(), &call.shared().users);
    let of = |reason| users.denied(reason);
    let all = [
        ("auth", of(Reason::Auth), compat.has_since(7, 2)),
        ("cmd", of(Reason::Command), compat.has_since(7, 2)),
        ("key", of(Reason::Key), compat.has_since(7, 2)),
        ("channel", of(Reason::Channel), compat.has_since(7, 2)),
        ("tls_cert", 0, compat.has_since(8, 6)),
        ("db", of(Reason::Database), compat == Compat::Valkey9),
    ];
    for (what, count, _) in all.into_iter().filter(|(_, _, is_told)| *is_told) {
        lines.add(&format!("acl_access_denied_{what}"), count);
    }
}
