//! Opening a folder: what its files add up to.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::log::{self, FileId, Output, START};
use super::rewrite::remove_older;
use super::state::{Beginning, Lock, Shared};
use super::{Journal, JournalError, Recovered, SyncPolicy};
use crate::disk::{self, Disk};
use crate::keyspace::Keyspace;
use crate::planted::{Bug, is_planted};
use crate::snapshot::{self, Moment};
use crate::{Result, rng};

/// Files of this number and above are none of a store's: it counts up from 0.
const LAST: u64 = 1 << 60;
const SNAPSHOT: &str = "snapshot-";
const JOURNAL: &str = "journal-";

pub(super) fn snapshot_name(number: u64) -> String {
    format!("{SNAPSHOT}{number:08}")
}

/// The numbered files of a folder, in their order.
pub(crate) struct Folder {
    pub snapshots: Vec<u64>,
    pub journals: Vec<u64>,
    /// Snapshots that were not finished.
    pub drafts: Vec<String>,
}

impl Folder {
    pub(crate) fn read(disk: &dyn Disk, folder: &Path) -> io::Result<Folder> {
        let names = disk.list(folder)?;
        let numbered = |prefix: &str| {
            let number = |name: &std::ffi::OsString| {
                name.to_str()?.strip_prefix(prefix)?.parse().ok().filter(|number| *number < LAST)
            };
            let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
            numbers.sort_unstable();
            numbers
        };
        let is_draft = |name: &&str| name.starts_with(SNAPSHOT) && name.ends_with(snapshot::UNFINISHED);
        let drafts = names.iter().filter_map(|name| name.to_str()).filter(is_draft).map(String::from);
        let drafts = drafts.collect();
        Ok(Folder { snapshots: numbered(SNAPSHOT), journals: numbered(JOURNAL), drafts })
    }
}

/// Puts all that a folder holds into an empty store, and has what is done from now on written there. Starts no thread.
///
/// # Errors
/// [`Error::Journal`](crate::Error::Journal), [`Error::Snapshot`](crate::Error::Snapshot)
pub(crate) fn open(
    space: &Arc<Keyspace>,
    disk: Arc<dyn Disk>,
    folder: &Path,
    policy: SyncPolicy,
    lock: Option<Lock>,
) -> Result<()> {
    let failed = |action| move |error| JournalError::io(action, folder, error);
    disk::create_folders(&*disk, folder).map_err(failed("make the folder"))?;
    let files = Folder::read(&*disk, folder).map_err(failed("list"))?;
    // Who was killed as it made a file may have left its name in the system's memory alone: nothing goes on from it, and nothing
    // is removed for it, before it is on the disk.
    if !is_planted(Bug::TrustedNames) {
        disk.sync_folder(folder).map_err(failed("sync"))?;
    }
    let beginning = recover(space, &*disk, folder, &files)?;
    let first = files.snapshots.last().copied().unwrap_or(0);
    remove_older(&*disk, folder, first).map_err(failed("remove older files of"))?;
    let shared = Shared::new(disk, folder, policy, space.clock().clone(), lock, beginning);
    space.begin_journal(Journal::new(shared));
    space.make_room_for_restored()?;
    // What was evicted is gone for whoever asks from now on, and does not come back.
    space.catch_up()
}

/// Puts a store together; gives where it goes on.
fn recover(space: &Arc<Keyspace>, disk: &dyn Disk, folder: &Path, files: &Folder) -> Result<Beginning> {
    let mut store = space.restoring()?;
    let mut recovered = Recovered::default();
    let (mut latest, mut snapshot_bytes, mut journal_bytes) = (0, 0, 0);
    let first = files.snapshots.last().copied().unwrap_or(0);
    let journals = Journals::of(disk, folder, files, first)?;
    if let Some(id) = journals.files.first().filter(|_| !files.snapshots.is_empty()) {
        let path = folder.join(snapshot_name(first));
        let (progress, taken_at) =
            snapshot::restore_picture(disk, &path, id.snapshot, space.limits_of_files(), &mut store)?;
        (recovered.keys, snapshot_bytes, latest) = (progress.entries, progress.bytes, taken_at);
    }
    let mut last = None;
    for (at, id) in journals.files.iter().enumerate() {
        let path = folder.join(log::name(id.number));
        let limits = space.limits_of_files();
        let apply = |payload: &[u8], at| super::record::apply(&mut store, payload, at, limits);
        let found = log::read(disk, &path, *id, apply).map_err(|fault| JournalError::of(fault, &path))?;
        if found.torn > 0 && at + 1 < journals.files.len() {
            // Files behind it were begun when all of it was on the disk.
            let what = "a record is not what was written";
            return Err(JournalError::Damaged { path, at: found.length, what }.into());
        }
        recovered.records += found.records;
        recovered.torn_bytes = found.torn;
        journal_bytes += found.length - START as u64;
        latest = latest.max(found.wall);
        last = Some((*id, path, found));
    }
    recovered.torn_bytes += journals.torn;
    let now = space.clock().now();
    // A clock that was set back revives nothing, and loses nothing early: from here on, the folder's time is what it had come
    // to.
    let wall = space.clock().wall_of(now).max(latest);
    store.finish(Moment { now, wall });
    let epoch = wall.saturating_sub(now);
    let output = match &last {
        Some((id, path, found)) => Output::go_on(disk, path, *id, found.length),
        None => Output::create(disk, folder, journals.next, wall),
    };
    let output = output.map_err(|error| JournalError::io("write to", folder, error))?;
    let records = last.map_or(0, |(_, _, found)| found.records);
    Ok(Beginning { output, records, snapshot_bytes, journal_bytes, recovered, epoch })
}

/// The journal's files that a store goes on from, each behind the other.
struct Journals {
    files: Vec<FileId>,
    /// Bytes of a file behind them that was not made to its end.
    torn: u64,
    /// The one to be made if there is none.
    next: FileId,
}

impl Journals {
    fn of(disk: &dyn Disk, folder: &Path, files: &Folder, first: u64) -> Result<Journals> {
        let numbers: Vec<u64> = files.journals.iter().copied().filter(|number| *number >= first).collect();
        let (mut ids, mut torn): (Vec<FileId>, u64) = (Vec::new(), 0);
        let last = numbers.last().copied();
        for (expected, number) in (first..).zip(numbers) {
            let path = folder.join(log::name(number));
            if number != expected {
                return Err(JournalError::Missing { path: folder.join(log::name(expected)) }.into());
            }
            let fits =
                |id: FileId| id.number == number && ids.first().is_none_or(|first| first.store == id.store);
            let id = log::read_header(disk, &path, fits).map_err(|fault| JournalError::of(fault, &path))?;
            let Some(id) = id else {
                if Some(number) != last || number == first && !files.snapshots.is_empty() {
                    let what = "the header's checksum is wrong";
                    return Err(JournalError::Damaged { path, at: 0, what }.into());
                }
                // A crash came as it was made, and nothing had been written to it.
                torn = log::length(disk, &path).map_err(|fault| JournalError::of(fault, &path))?;
                disk.remove(&path).map_err(|error| JournalError::io("remove", &path, error))?;
                break;
            };
            ids.push(id);
        }
        if ids.is_empty() && !files.snapshots.is_empty() {
            return Err(JournalError::Missing { path: folder.join(log::name(first)) }.into());
        }
        let next = FileId { store: rng::unseeded(), number: 0, snapshot: 0 };
        Ok(Journals { files: ids, torn, next })
    }
}
