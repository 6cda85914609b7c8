//! What the store, its clients and its process take.

use super::{Counted, Lines, journal_buffer, scripts, setting};
use crate::table::call::Call;
use crate::table::config;
use crate::table::memory::{Process, Seen, installed, ratio, see};
use crate::table::row::Compat;

pub(super) fn memory(call: &Call<'_>, counted: &Counted, lines: &mut Lines) {
    let compat = call.compat();
    let used = counted.stats.bytes;
    let (seen, process) = (see(call, used), Process::of(used));
    of_data(compat, used, seen, process, lines);
    lines.add_bytes("total_system_memory", installed().unwrap_or(0));
    of_scripts(call, lines);
    lines.add_bytes("maxmemory", config::max_memory(call.space()));
    lines.add("maxmemory_policy", setting(call, "maxmemory-policy"));
    let fragmentation = format!("{:.2}", process.fragmentation());
    lines.add("allocator_frag_ratio", &fragmentation);
    lines.add("allocator_frag_bytes", process.over());
    for whose in ["allocator_rss", "rss_overhead"] {
        lines.add(&format!("{whose}_ratio"), "1.00");
        lines.add(&format!("{whose}_bytes"), 0);
    }
    lines.add("mem_fragmentation_ratio", fragmentation);
    lines.add("mem_fragmentation_bytes", process.over());
    lines.none(&["mem_not_counted_for_evict", "mem_replication_backlog", "mem_total_replication_buffers"]);
    if compat == Compat::Valkey9 {
        lines.none(&["mem_replicas_repl_buffer"]);
    } else {
        lines.add_since((8, 0), "mem_replica_full_sync_buffer", 0);
    }
    lines.none(&["mem_clients_slaves"]);
    lines.add("mem_clients_normal", call.shared().clients.bytes());
    lines.none(&["mem_cluster_links"]);
    if compat == Compat::Valkey9 {
        lines.none(&["mem_cluster_slot_import", "mem_cluster_slot_export"]);
    }
    lines.add("mem_aof_buffer", journal_buffer(call));
    // It is the program's own.
    lines.add("mem_allocator", "unknown");
    lines.add_since((7, 4), "mem_overhead_db_hashtable_rehashing", 0);
    lines.none(&["active_defrag_running", "lazyfree_pending_objects", "lazyfreed_objects"]);
}

fn of_data(compat: Compat, used: usize, seen: Seen, process: Process, lines: &mut Lines) {
    lines.add_bytes("used_memory", used);
    lines.add_bytes("used_memory_rss", process.resident);
    lines.add_bytes("used_memory_peak", seen.peak);
    if compat.redis() >= (8, 2) {
        lines.add("used_memory_peak_time", seen.peak_at / 1_000);
    }
    lines.add("used_memory_peak_perc", format_args!("{:.2}%", ratio(used, seen.peak) * 100.0));
    lines.none(&["used_memory_overhead", "used_memory_startup"]);
    lines.add("used_memory_dataset", used);
    lines.add("used_memory_dataset_perc", "100.00%");
    lines.add("allocator_allocated", used);
    lines.add("allocator_active", process.resident);
    lines.add("allocator_resident", process.resident);
    lines.add_since((7, 4), "allocator_muzzy", 0);
}

/// Scripts and functions have one Lua state, which counts as that of scripts.
fn of_scripts(call: &Call<'_>, lines: &mut Lines) {
    let counts = scripts(call);
    lines.add("used_memory_lua", counts.memory);
    lines.add("used_memory_vm_eval", counts.memory);
    lines.add_human("used_memory_lua", counts.memory);
    lines.add("used_memory_scripts_eval", counts.script_bytes);
    lines.add("number_of_cached_scripts", counts.scripts);
    lines.add("number_of_functions", counts.functions);
    lines.add("number_of_libraries", counts.libraries);
    lines.none(&["used_memory_vm_functions"]);
    lines.add_bytes("used_memory_vm_total", counts.memory);
    lines.add("used_memory_functions", counts.library_bytes);
    lines.add_bytes("used_memory_scripts", counts.script_bytes + counts.library_bytes);
}
