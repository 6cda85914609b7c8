//! What of the store is on the disk.

use super::{Counted, Lines};
use crate::table::call::Call;
use crate::table::row::Compat;

pub(super) fn persistence(call: &Call<'_>, counted: &Counted, lines: &mut Lines) {
    let saving = call.shared().saving.told(call.space().clock(), counted.stats.writes);
    let journal = journal(call);
    let status = |is_ok: bool| if is_ok { "ok" } else { "err" };
    let seconds = |millis: Option<u64>| millis.map_or("-1".into(), |millis| (millis / 1_000).to_string());
    lines.none(&["loading", "async_loading"]);
    // No process is forked, so no page is copied for one.
    lines.none(&["current_cow_peak", "current_cow_size", "current_cow_size_age"]);
    lines.add("current_fork_perc", "0.00");
    lines.add("current_save_keys_processed", saving.progress.entries);
    lines.add("current_save_keys_total", saving.progress.total);
    lines.add("rdb_changes_since_last_save", saving.changes);
    lines.add("rdb_bgsave_in_progress", u8::from(saving.in_background));
    lines.add("rdb_last_save_time", saving.wall / 1_000);
    lines.add("rdb_last_bgsave_status", status(saving.is_ok));
    lines.add("rdb_last_bgsave_time_sec", seconds(saving.took));
    lines.add("rdb_current_bgsave_time_sec", seconds(saving.going));
    lines.add("rdb_saves", saving.count);
    lines.none(&["rdb_last_cow_size"]);
    lines.add("rdb_last_load_keys_expired", saving.expired);
    lines.add("rdb_last_load_keys_loaded", saving.loaded.max(journal.loaded));
    lines.add("aof_enabled", u8::from(journal.is_kept));
    lines.add("aof_rewrite_in_progress", u8::from(journal.is_rewriting));
    lines.none(&["aof_rewrite_scheduled"]);
    lines.add("aof_last_rewrite_time_sec", seconds(journal.took));
    lines.add("aof_current_rewrite_time_sec", seconds(journal.going));
    lines.add("aof_last_bgrewrite_status", status(journal.was_rewritten));
    lines.add("aof_rewrites", counted.rewrites);
    lines.add("aof_rewrites_consecutive_failures", journal.failures);
    lines.add("aof_last_write_status", status(journal.is_written));
    lines.none(&["aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size"]);
    if call.compat() == Compat::Valkey9 {
        lines.none(&["slot_migration_fork_in_progress"]);
    }
    if journal.is_kept {
        lines.add("aof_current_size", journal.bytes);
        lines.add("aof_base_size", journal.snapshot_bytes);
        lines.none(&["aof_pending_rewrite"]);
        lines.add("aof_buffer_length", journal.buffered);
        lines.add("aof_pending_bio_fsync", u8::from(journal.is_sync_due));
        // Who writes does not wait for who syncs.
        lines.none(&["aof_delayed_fsync"]);
    }
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
    /// Keys of the snapshot that it was opened with.
    loaded: u64,
    failures: u64,
    /// How long it took to begin anew, and has taken so far, in milliseconds.
    took: Option<u64>,
    going: Option<u64>,
    /// Bytes that are still to be written.
    buffered: usize,
    is_sync_due: bool,
}

fn journal(call: &Call<'_>) -> ToldJournal {
    #[cfg(feature = "journal")]
    if let Some(journal) = call.space().journal() {
        let (stats, told) = (journal.stats(), journal.told());
        return ToldJournal {
            is_kept: true,
            bytes: stats.snapshot_bytes + stats.journal_bytes,
            snapshot_bytes: stats.snapshot_bytes,
            is_rewriting: stats.is_rewriting,
            was_rewritten: stats.rewrite_error.is_none(),
            is_written: journal.check().is_ok(),
            loaded: stats.recovered.keys,
            failures: told.failures,
            took: told.took,
            going: told.going,
            buffered: told.buffered,
            is_sync_due: told.is_sync_due,
        };
    }
    #[cfg(not(feature = "journal"))]
    let _ = call;
    ToldJournal { was_rewritten: true, is_written: true, ..ToldJournal::default() }
}

/// Bytes of the journal that are still to be written.
pub(in crate::table) fn journal_buffer(call: &Call<'_>) -> usize {
    journal(call).buffered
}
