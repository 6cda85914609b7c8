//! Replacing a file so that either the old one or the new one is there, whole, whatever happens.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use super::error::SnapshotError;
use crate::Result;

/// The new content of a file, written beside it and put in its place at the end. Dropped before
/// that, it leaves no trace.
pub(super) struct Draft {
    target: PathBuf,
    temporary: PathBuf,
    /// Its number among all drafts of this process.
    number: u64,
    file: File,
}

impl Draft {
    /// Starts a new content for the file at `target`.
    pub(super) fn create(target: &Path) -> Result<Self> {
        collect_leftovers(target);
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let mut name = target.file_name().unwrap_or_default().to_owned();
        let (process, number) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        name.push(format!(".{process}-{number}{SUFFIX}"));
        let temporary = target.with_file_name(name);
        under_way().insert(number);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => Ok(Draft { target: target.into(), temporary, number, file }),
            Err(error) => {
                under_way().remove(&number);
                Err(SnapshotError::io("create", &temporary, error))
            }
        }
    }

    pub(super) fn file(&self) -> io::BufWriter<&File> {
        io::BufWriter::with_capacity(1 << 20, &self.file)
    }

    /// Puts the new content in the old one's place, on the disk and not only in its cache.
    pub(super) fn commit(self) -> Result<()> {
        self.file.sync_all().map_err(|error| SnapshotError::io("sync", &self.temporary, error))?;
        fs::rename(&self.temporary, &self.target)
            .map_err(|error| SnapshotError::io("rename to", &self.target, error))?;
        sync_folder(&self.target)
            .map_err(|error| SnapshotError::io("sync the folder of", &self.target, error))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a commit there is no such file any more; before it, what was written is of no use.
        let _ = fs::remove_file(&self.temporary);
        under_way().remove(&self.number);
    }
}

const SUFFIX: &str = ".saving";

/// Removes what killed processes have left of new contents for `target`. What cannot be removed
/// does no harm.
pub(super) fn collect_leftovers(target: &Path) {
    let Some(prefix) = target.file_name().and_then(|name| name.to_str()).map(|name| format!("{name}."))
    else {
        return;
    };
    let Ok(files) = fs::read_dir(folder(target)) else { return };
    for file in files.flatten() {
        let name = file.file_name();
        let draft = name.to_str().and_then(|name| draft_named(name.strip_prefix(&prefix)?));
        if draft.is_some_and(|(process, number)| is_abandoned(process, number, &file.path())) {
            let _ = fs::remove_file(file.path());
        }
    }
}

/// The process that is writing a draft, and the draft's number, by what follows the target's name.
fn draft_named(rest: &str) -> Option<(u32, u64)> {
    let (process, number) = rest.strip_suffix(SUFFIX)?.split_once('-')?;
    Some((process.parse().ok()?, number.parse().ok()?))
}

/// Whether the process that was writing a file has ended, as far as can be told.
fn is_abandoned(process: u32, number: u64, temporary: &Path) -> bool {
    if process == std::process::id() {
        return !under_way().contains(&number);
    }
    if cfg!(target_os = "linux") {
        return !Path::new("/proc").join(process.to_string()).exists();
    }
    let age = fs::metadata(temporary).and_then(|file| file.modified()).map(|written| written.elapsed());
    matches!(age, Ok(Ok(age)) if age.as_secs() > 3600)
}

/// The drafts that this process is writing right now.
fn under_way() -> MutexGuard<'static, HashSet<u64>> {
    static UNDER_WAY: LazyLock<Mutex<HashSet<u64>>> = LazyLock::new(Mutex::default);
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn folder(target: &Path) -> &Path {
    match target.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes a rename durable. Only Unix lets a folder be synced; elsewhere the file system sees to it.
fn sync_folder(target: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder(target))?.sync_all() } else { Ok(()) }
}
