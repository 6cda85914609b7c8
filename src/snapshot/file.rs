//! Replacing a file so that either the old one or the new one is there, whole, whatever happens.

use std::collections::HashSet;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::disk::{Disk, DiskFile, folder_of};
use crate::{TINY, rng};

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
pub(crate) struct Draft<'d> {
    disk: &'d dyn Disk,
    target: PathBuf,
    temporary: PathBuf,
    /// Drawn at random: a process of the same id, in another container, may write here too.
    number: u64,
    file: BufWriter<Box<dyn DiskFile>>,
    is_in_place: bool,
}

impl<'d> Draft<'d> {
    /// Starts a new content for the file at `target`.
    pub(crate) fn create(disk: &'d dyn Disk, target: &Path) -> Result<Self, FileError> {
        collect_leftovers(disk, target);
        let (process, number) = (std::process::id(), rng::unseeded());
        let name = format!("{}{:08x}-{process}-{number:016x}{SUFFIX}", prefix(target), *HERE);
        let temporary = target.with_file_name(name);
        under_way().insert(number);
        match disk.create(&temporary) {
            Ok(file) => {
                let (target, file) = (target.into(), BufWriter::with_capacity(BUFFER, file));
                Ok(Draft { disk, target, temporary, number, file, is_in_place: false })
            }
            Err(error) => {
                under_way().remove(&number);
                Err(failed("create", &temporary, error))
            }
        }
    }

    /// Lets those read it who may read the file that it takes the place of. For files of the machine.
    #[cfg(feature = "commands")]
    pub(crate) fn keep_permissions(&self) -> Result<(), FileError> {
        let Ok(old) = fs::metadata(&self.target) else { return Ok(()) };
        let set = fs::set_permissions(&self.temporary, old.permissions());
        set.map_err(|error| failed("set the permissions of", &self.temporary, error))
    }

    /// Puts the new content in the old one's place, on the disk and not only in its cache.
    pub(crate) fn commit(mut self) -> Result<(), FileError> {
        self.file.flush().map_err(|error| failed("write", &self.temporary, error))?;
        self.file.get_mut().sync().map_err(|error| failed("sync", &self.temporary, error))?;
        let renamed = self.disk.rename(&self.temporary, &self.target);
        renamed.map_err(|error| failed("rename to", &self.target, error))?;
        self.is_in_place = true;
        let synced = self.disk.sync_folder(folder_of(&self.target));
        synced.map_err(|error| failed("sync the folder of", &self.target, error))
    }
}

impl Write for Draft<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        if !self.is_in_place {
            // What was written is of no use.
            let _ = self.disk.remove(&self.temporary);
        }
        under_way().remove(&self.number);
    }
}

fn failed(action: &'static str, path: &Path, source: io::Error) -> FileError {
    FileError { action, path: path.into(), source }
}

/// How the names of drafts end.
pub(crate) const SUFFIX: &str = ".saving";
/// Small in tests, so that a file of a few keys is written in several steps.
const BUFFER: usize = if TINY { 1 << 10 } else { 1 << 20 };

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
pub(super) fn collect_leftovers(disk: &dyn Disk, target: &Path) {
    let prefix = prefix(target);
    let Ok(names) = disk.list(folder_of(target)) else { return };
    for name in names {
        let draft = name.to_str().and_then(|name| draft_named(name.strip_prefix(&prefix)?));
        let path = target.with_file_name(&name);
        if draft.is_some_and(|draft| is_abandoned(disk, draft, &path)) {
            let _ = disk.remove(&path);
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
fn is_abandoned(disk: &dyn Disk, (place, process, number): Writer, temporary: &Path) -> bool {
    if place == *HERE && place != 0 {
        return match process == std::process::id() {
            true => !under_way().contains(&number),
            false => !Path::new("/proc").join(process.to_string()).exists(),
        };
    }
    !under_way().contains(&number) && disk.age(temporary).is_ok_and(|age| age > ABANDONED)
}

/// The drafts that this process is writing right now.
fn under_way() -> MutexGuard<'static, HashSet<u64>> {
    static UNDER_WAY: LazyLock<Mutex<HashSet<u64>>> = LazyLock::new(Mutex::default);
    UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)
}
