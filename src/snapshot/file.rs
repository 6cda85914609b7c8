//! Replacing a file so that either the old one or the new one is there, whole, whatever happens.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::rng;

/// A step of replacing a file that failed.
#[derive(Debug)]
pub(crate) struct FileError {
    /// What was being done.
    pub action: &'static str,
    pub path: PathBuf,
    pub source: io::Error,
}

/// The new content of a file, written beside it and put in its place at the end. Dropped before
/// that, it leaves no trace.
pub(crate) struct Draft {
    target: PathBuf,
    temporary: PathBuf,
    /// Drawn at random: a process of the same id, in another container, may write here too.
    number: u64,
    file: File,
}

impl Draft {
    /// Starts a new content for the file at `target`.
    pub(crate) fn create(target: &Path) -> Result<Self, FileError> {
        collect_leftovers(target);
        let (process, number) = (std::process::id(), rng::unseeded());
        let name = format!("{}{:08x}-{process}-{number:016x}{SUFFIX}", prefix(target), *HERE);
        let temporary = target.with_file_name(name);
        under_way().insert(number);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Ok(file) => Ok(Draft { target: target.into(), temporary, number, file }),
            Err(error) => {
                under_way().remove(&number);
                Err(failed("create", &temporary, error))
            }
        }
    }

    pub(crate) fn file(&self) -> io::BufWriter<&File> {
        io::BufWriter::with_capacity(1 << 20, &self.file)
    }

    /// Puts the new content in the old one's place, on the disk and not only in its cache.
    pub(crate) fn commit(self) -> Result<(), FileError> {
        self.file.sync_all().map_err(|error| failed("sync", &self.temporary, error))?;
        fs::rename(&self.temporary, &self.target)
            .map_err(|error| failed("rename to", &self.target, error))?;
        sync_folder(&self.target).map_err(|error| failed("sync the folder of", &self.target, error))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After a commit there is no such file any more; before it, what was written is of no use.
        let _ = fs::remove_file(&self.temporary);
        under_way().remove(&self.number);
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> FileError {
    FileError { action, path: path.into(), source }
}

const SUFFIX: &str = ".saving";

/// How much of the target's name a draft's name begins with, in bytes: file systems take 255, and 44 come
/// behind it.
const LONGEST: usize = 200;

/// After this time without a write nobody writes a draft any more, wherever they are.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Where process ids mean what they mean here: this boot of this machine, and this container of it. 0 where
/// the system does not tell.
static HERE: LazyLock<u32> = LazyLock::new(|| {
    let boot = fs::read("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let container = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    if boot.is_empty() || container.as_os_str().is_empty() {
        return 0;
    }
    let name = [boot.as_slice(), container.as_os_str().as_encoded_bytes()].concat();
    crc32fast::hash(&name).max(1)
});

/// What the names of the target's drafts begin with. Targets whose long names begin in the same way share
/// it, and collect each other's leftovers.
fn prefix(target: &Path) -> String {
    let mut name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let end = (0..=LONGEST.min(name.len())).rev().find(|at| name.is_char_boundary(*at));
    name.truncate(end.unwrap_or_default());
    name + "."
}

/// Removes what killed processes have left of new contents for `target`. What cannot be removed
/// does no harm.
pub(super) fn collect_leftovers(target: &Path) {
    let prefix = prefix(target);
    let Ok(files) = fs::read_dir(folder(target)) else { return };
    for file in files.flatten() {
        let name = file.file_name();
        let draft = name.to_str().and_then(|name| draft_named(name.strip_prefix(&prefix)?));
        if draft.is_some_and(|draft| is_abandoned(draft, &file.path())) {
            let _ = fs::remove_file(file.path());
        }
    }
}

/// Who writes a draft: where, in which process, under which number there.
type Writer = (u32, u32, u64);

/// The writer of a draft, by what follows the target's name.
fn draft_named(rest: &str) -> Option<Writer> {
    let (place, rest) = rest.strip_suffix(SUFFIX)?.split_once('-')?;
    let (process, number) = rest.split_once('-')?;
    let number = u64::from_str_radix(number, 16).ok()?;
    Some((u32::from_str_radix(place, 16).ok()?, process.parse().ok()?, number))
}

/// Whether it is sure that nobody writes a file any more. The processes of another container that shares
/// the folder are not seen from here: then only the file's age tells.
fn is_abandoned((place, process, number): Writer, temporary: &Path) -> bool {
    if place == *HERE && place != 0 {
        return match process == std::process::id() {
            true => !under_way().contains(&number),
            false => !Path::new("/proc").join(process.to_string()).exists(),
        };
    }
    let age = fs::metadata(temporary).and_then(|file| file.modified()).map(|written| written.elapsed());
    !under_way().contains(&number) && matches!(age, Ok(Ok(age)) if age > ABANDONED)
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
