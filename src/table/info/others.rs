//! Replication, scripting engines, and how many keys there are.

use super::{Counted, Lines, scripts, setting};
use crate::table::call::Call;
use crate::table::row::Compat;

pub(super) fn replication(call: &Call<'_>, _: &Counted, lines: &mut Lines) {
    let shared = call.shared();
    lines.add("role", "master");
    lines.none(&["connected_slaves"]);
    if call.compat() == Compat::Valkey9 {
        lines.none(&["replicas_waiting_psync"]);
    }
    lines.add("master_failover_state", "no-failover");
    lines.add("master_replid", shared.replication_id.lock().as_ref().unwrap_or(&shared.run_id));
    lines.add("master_replid2", "0".repeat(40));
    lines.none(&["master_repl_offset"]);
    lines.add("second_repl_offset", -1);
    lines.none(&["repl_backlog_active"]);
    lines.add("repl_backlog_size", setting(call, "repl-backlog-size"));
    lines.none(&["repl_backlog_first_byte_offset", "repl_backlog_histlen"]);
}

/// The one that there is with the feature `lua` is no module.
pub(super) fn engines(call: &Call<'_>, _: &Counted, lines: &mut Lines) {
    let counts = scripts(call);
    let (memory, overhead) = (counts.memory, counts.overhead);
    lines.add("engines_count", u8::from(cfg!(feature = "lua")));
    lines.add("engines_total_used_memory", memory);
    lines.add("engines_total_memory_overhead", overhead);
    if cfg!(feature = "lua") {
        let whose = "name=LUA,module=built-in,abi_version=0";
        lines.add("engine_0", format_args!("{whose},used_memory={memory},memory_overhead={overhead}"));
    }
}

pub(super) fn keyspace(call: &Call<'_>, counted: &Counted, lines: &mut Lines) {
    let of_fields = match call.compat() {
        Compat::Valkey9 => Some("keys_with_volatile_items"),
        compat => (compat.redis() >= (7, 4)).then_some("subexpiry"),
    };
    for of in counted.stats.databases.iter().filter(|of| of.entries > 0) {
        let mut facts = format!("keys={},expires={},avg_ttl=0", of.entries, of.expiring);
        if let Some(name) = of_fields {
            facts.push_str(&format!(",{name}={}", of.expiring_fields));
        }
        lines.add(&format!("db{}", of.index), facts);
    }
}
