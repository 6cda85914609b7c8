//! A disk in memory that fails where a test says, and that after a power cut holds what a real one might.
//!
//! # The model
//! What the program reads is always what it wrote. What the machine finds after the power went
//! ([`Simulated::after_crash`]) is drawn by a seed from all that the following allows.
//!
//! - **Files** are sectors of 512 bytes. What a sync that gave `Ok` covers is there. Of what was written or cut off
//!   since, each sector is as it was at some moment since that sync, each at its own; so is the length, which may
//!   also lie anywhere between the shortest and the longest that the file had. Where the file is longer than a
//!   sector's moment knew, there are zeros or rubbish: chance bytes, or what another file has there. One
//!   sector may be torn: its first bytes are new and the rest is as it was synced. Bytes that a write did not change
//!   are never harmed.
//! - **Folders**: each creation, rename and removal whose folder was not synced since is there or not, by
//!   itself, but never one without the earlier ones of the same names. A rename is one step: nobody finds both names or
//!   neither. A file's sync says nothing about its name, nor a folder's about what its files hold, or about
//!   its own name in the folder above.
//! - **A sync that fails** leaves in doubt what it should have covered, and a later one that gives `Ok` does not cover
//!   that: the system has forgotten that it was to be written. Only what is written anew is safe then.
//! - **A write that fails** has put half of its bytes into the file; another step that fails is not done.
//! - **A crash** comes in the middle of a step, which is begun: after the crash it may be there, as if it had not been
//!   synced. From then on every step gives an error.
//!
//! What a real disk may do besides, and this one does not: harm bytes that are synced, report a sync that has not been
//! one, fail to read.

mod content;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Cursor, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Disk, DiskFile, folder_of};
use crate::rng::Rng;
use crate::sync::{Arc, Mutex};
use content::{Content, Edit, Fate};

/// What becomes of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The device has an error.
    Eio,
    /// There is no space left.
    Enospc,
    /// A write takes half of its bytes, at least one, and says so. Other steps are done as ever.
    Short,
    /// The power goes.
    Crash,
    /// The process is killed, with half of its bytes written. What is on the disk or on its way there stays so for the next.
    #[cfg_attr(not(feature = "journal"), allow(dead_code))]
    Killed,
}

/// A disk that is shared by its clones. It begins with an empty folder `/`; paths are absolute.
///
/// Printed, it tells the steps that were taken and what became of them.
#[derive(Clone)]
pub(crate) struct Simulated(Arc<Mutex<State>>);

impl Simulated {
    pub(crate) fn new() -> Self {
        let names = BTreeMap::from([(PathBuf::from("/"), Node::Folder)]);
        Simulated::holding(names, Vec::new())
    }

    fn holding(names: Names, files: Vec<Content>) -> Self {
        let state = State {
            synced: names.clone(),
            names,
            changes: Vec::new(),
            files,
            steps: 0,
            plan: None,
            is_down: false,
            log: Vec::new(),
        };
        Simulated(Arc::new(Mutex::new(state)))
    }

    /// Steps so far. Each creation, write, sync, cut, rename, removal and sync of a folder is one; reading is none.
    pub(crate) fn steps(&self) -> u64 {
        self.0.lock().steps
    }

    /// Lets the `n`-th step from the disk's beginning fail, counted from 0, and those after it succeed (but after a
    /// crash nothing does).
    pub(crate) fn fail_at(&self, n: u64, failure: Failure) {
        self.0.lock().plan = Some(Plan { from: n, failure, is_lasting: false });
    }

    /// Lets the `n`-th step and all after it fail.
    pub(crate) fn fail_from(&self, n: u64, failure: Failure) {
        self.0.lock().plan = Some(Plan { from: n, failure, is_lasting: true });
    }

    /// From now on nothing fails, if the power is there.
    pub(crate) fn heal(&self) {
        self.0.lock().plan = None;
    }

    /// The disk as it may be found if the power went now, or did so before.
    pub(crate) fn after_crash(&self, seed: u64) -> Simulated {
        let (state, rng) = (self.0.lock(), Rng::new(seed));
        let others: Vec<&[u8]> = state.files.iter().map(|file| &*file.bytes).collect();
        let files = state.files.iter().map(|file| Content::synced(file.after_crash(&others, &rng))).collect();
        Simulated::holding(state.names_after_crash(&rng), files)
    }
}

impl fmt::Display for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.lock().log.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

impl Disk for Simulated {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock();
        let file = state.take(format_args!("create {}", path.display()), |state| {
            state.check_new(path)?;
            state.files.push(Content::synced(Vec::new()));
            let file = state.files.len() - 1;
            state.change([(path, Some(Node::File(file)))]);
            Ok(file)
        })?;
        Ok(self.handle(file, path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Read + Send>> {
        let state = self.0.lock();
        state.check_power()?;
        let file = state.file(path)?;
        Ok(Box::new(Cursor::new(state.files[file].bytes.clone())))
    }

    fn open_at(&self, path: &Path, length: u64) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.0.lock();
        state.check_power()?;
        let file = state.file(path)?;
        let (is, length) = (state.files[file].bytes.len(), length as usize);
        if length > is {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if length < is {
            state.take(format_args!("cut {} from {is} to {length}", path.display()), |state| {
                state.files[file].edit(Edit::Cut(length));
                Ok(())
            })?;
        }
        Ok(self.handle(file, path))
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<OsString>> {
        let state = self.0.lock();
        state.check_power()?;
        state.check_folder(folder)?;
        let within = state.names.keys().filter(|path| path.parent() == Some(folder));
        Ok(within.filter_map(|path| Some(path.file_name()?.to_owned())).collect())
    }

    /// No time passes.
    fn age(&self, path: &Path) -> io::Result<Duration> {
        self.0.lock().file(path).map(|_| Duration::ZERO)
    }

    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.0.lock().take(format_args!("create folder {}", folder.display()), |state| {
            state.check_new(folder)?;
            state.change([(folder, Some(Node::Folder))]);
            Ok(())
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        assert_eq!(folder_of(from), folder_of(to), "one folder's sync would not make that durable");
        self.0.lock().take(format_args!("rename {} to {}", from.display(), to.display()), |state| {
            let file = state.file(from)?;
            if let Some(Node::Folder) = state.names.get(to) {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            state.change([(from, None), (to, Some(Node::File(file)))]);
            Ok(())
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.lock().take(format_args!("remove {}", path.display()), |state| {
            state.file(path)?;
            state.change([(path, None)]);
            Ok(())
        })
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        let mut state = self.0.lock();
        state.check_folder(folder)?;
        let failure = state.step(format_args!("sync folder {}", folder.display()))?;
        let covered = state.changes.iter_mut().filter(|change| change.is_in(folder));
        for change in covered.filter(|change| change.fate == Fate::Unsynced) {
            change.fate = Failure::fate_at_sync(failure);
        }
        Failure::result(failure)
    }
}

impl Simulated {
    fn handle(&self, file: usize, path: &Path) -> Box<dyn DiskFile> {
        Box::new(Handle { disk: self.clone(), file, path: path.into() })
    }
}

/// A file that is being written, by whatever name it has now.
struct Handle {
    disk: Simulated,
    file: usize,
    /// What it was called when it was opened.
    path: PathBuf,
}

impl Write for Handle {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.disk.0.lock();
        let at = state.files[self.file].bytes.len();
        let operation = format_args!("write {} bytes at {at} of {}", bytes.len(), self.path.display());
        let failure = state.step(operation)?;
        let written = match failure {
            None | Some(Failure::Crash) => bytes.len(),
            Some(Failure::Short) => bytes.len().div_ceil(2),
            Some(Failure::Eio | Failure::Enospc | Failure::Killed) => bytes.len() / 2,
        };
        state.files[self.file].edit(Edit::Write(at, bytes[..written].to_vec()));
        Failure::result(failure).map(|()| written)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl DiskFile for Handle {
    fn sync(&mut self) -> io::Result<()> {
        let mut state = self.disk.0.lock();
        let failure = state.step(format_args!("sync {}", self.path.display()))?;
        state.files[self.file].sync(Failure::fate_at_sync(failure));
        Failure::result(failure)
    }
}

impl Failure {
    /// What a step gives that meets this, or nothing.
    fn result(failure: Option<Failure>) -> io::Result<()> {
        match failure {
            None | Some(Failure::Short) => Ok(()),
            Some(Failure::Eio) => Err(io::Error::other("simulated: input/output error")),
            Some(Failure::Enospc) => Err(io::ErrorKind::StorageFull.into()),
            Some(Failure::Crash) => Err(io::Error::other("simulated: the power is gone")),
            Some(Failure::Killed) => Err(io::Error::other("simulated: the process is killed")),
        }
    }

    /// What is known of what a sync was to cover.
    fn fate_at_sync(failure: Option<Failure>) -> Fate {
        match failure {
            None | Some(Failure::Short) => Fate::Synced,
            Some(Failure::Eio | Failure::Enospc) => Fate::InDoubt,
            Some(Failure::Crash | Failure::Killed) => Fate::Unsynced,
        }
    }
}

struct Plan {
    from: u64,
    failure: Failure,
    is_lasting: bool,
}

type Names = BTreeMap<PathBuf, Node>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Folder,
    /// Its place among the files.
    File(usize),
}

struct State {
    /// What the program finds.
    names: Names,
    /// What the disk had at its beginning.
    synced: Names,
    /// All changes to names since.
    changes: Vec<Change>,
    /// Files stay when their names go: a crash can bring them back.
    files: Vec<Content>,
    steps: u64,
    plan: Option<Plan>,
    is_down: bool,
    log: Vec<String>,
}

impl State {
    /// A step that is wholly done or not at all.
    fn take<T>(
        &mut self,
        operation: fmt::Arguments<'_>,
        act: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let failure = self.step(operation)?;
        if let Some(Failure::Eio | Failure::Enospc | Failure::Killed) = failure {
            Failure::result(failure)?;
        }
        let done = act(self)?;
        Failure::result(failure).map(|()| done)
    }

    /// Counts a step; gives what becomes of it.
    fn step(&mut self, operation: fmt::Arguments<'_>) -> io::Result<Option<Failure>> {
        self.check_power()?;
        let (step, plan) = (self.steps, self.plan.as_ref());
        self.steps += 1;
        let plan = plan.filter(|plan| step == plan.from || plan.is_lasting && step > plan.from);
        let failure = plan.map(|plan| plan.failure);
        let what = failure.map_or(String::new(), |failure| format!(": {failure:?}"));
        self.log.push(format!("{step} {operation}{what}"));
        self.is_down = failure == Some(Failure::Crash);
        Ok(failure)
    }

    fn check_power(&self) -> io::Result<()> {
        Failure::result(self.is_down.then_some(Failure::Crash))
    }

    fn check_folder(&self, folder: &Path) -> io::Result<()> {
        match self.names.get(folder) {
            Some(Node::Folder) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn check_new(&self, path: &Path) -> io::Result<()> {
        match self.names.contains_key(path) {
            true => Err(io::ErrorKind::AlreadyExists.into()),
            false => self.check_folder(folder_of(path)),
        }
    }

    fn file(&self, path: &Path) -> io::Result<usize> {
        match self.names.get(path) {
            Some(Node::File(file)) => Ok(*file),
            Some(Node::Folder) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Gives names something else to stand for, all in one step.
    fn change<const N: usize>(&mut self, names: [(&Path, Option<Node>); N]) {
        let change =
            Change { names: names.map(|(path, node)| (path.to_owned(), node)).into(), fate: Fate::Unsynced };
        change.apply(&mut self.names);
        self.changes.push(change);
    }

    fn names_after_crash(&self, rng: &Rng) -> Names {
        let mut names = self.synced.clone();
        // Those of which a change is lost: the next can be there only if it was synced.
        let mut behind = BTreeSet::new();
        for change in &self.changes {
            let touched = || change.names.iter().map(|(path, _)| path);
            let can_be_lost = change.fate != Fate::Synced;
            if can_be_lost && (touched().any(|path| behind.contains(path)) || rng.below(2) == 0) {
                behind.extend(touched());
            } else {
                touched().for_each(|path| _ = behind.remove(path));
                change.apply(&mut names);
            }
        }
        let all = names.clone();
        let has_folders = |path: &Path| path.ancestors().all(|above| all.contains_key(above));
        names.retain(|path, _| has_folders(path));
        names
    }
}

/// One step's change to a folder.
struct Change {
    names: Vec<(PathBuf, Option<Node>)>,
    fate: Fate,
}

impl Change {
    fn is_in(&self, folder: &Path) -> bool {
        self.names.iter().any(|(path, _)| path.parent() == Some(folder))
    }

    fn apply(&self, names: &mut Names) {
        for (path, node) in &self.names {
            match node {
                Some(node) => names.insert(path.clone(), *node),
                None => names.remove(path),
            };
        }
    }
}
