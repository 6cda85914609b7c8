//! Saving a store to a file, and loading it.

use std::path::{Path, PathBuf, absolute};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Store, StoreBuilder};
use crate::clock::{Alarm, NEVER, millis};
use crate::disk::Real;
use crate::snapshot::{self, Progress};
use crate::sync::{Condvar, Mutex};
use crate::{Error, Result};

impl Store {
    /// Writes all databases, as they are at one instant, and the libraries of functions to a file; gives how many keys and bytes.
    ///
    /// The file at `path` is replaced in one step: whatever happens, it is the old one or the new
    /// one, whole and on the disk. Remaining times to live are kept by the wall clock, across
    /// restarts. Writers wait while the pages of all keys are shared (some milliseconds for a
    /// million keys), readers do not; what is in them is then written without a lock. Whoever writes meanwhile to keys that
    /// the file does not have yet waits for them to be written to it, half a millisecond at most for a call, and so hardly
    /// anything is in memory twice. `SAVE`, O(all data).
    ///
    /// The new content is written to a file beside the old one, named after it and ending in `.saving`.
    /// If the process is killed meanwhile, that file is removed by the next save or load of `path`. One
    /// that was written in another container or on another machine, of which nothing but the shared
    /// folder is seen from here, is removed when it has been untouched for an hour.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("larder-doc-save-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// # let path = folder.join("larder.snapshot");
    /// use larder::Store;
    ///
    /// let store = Store::new();
    /// store.insert("greeting", "hello")?;
    /// store.save(&path)?;
    ///
    /// let store = Store::load(&path)?;
    /// assert_eq!(store.get::<String>("greeting")?.as_deref(), Some("hello"));
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Snapshot`], and the old file is there, whole. Only if the last step fails ("cannot sync
    /// the folder of snapshot ...") is the new file there, whole, while a power cut may still bring the
    /// old one back: save again. [`Error::InTransaction`] from inside a transaction of the same store.
    #[doc(alias = "SAVE")]
    pub fn save(&self, path: impl AsRef<Path>) -> Result<Progress> {
        self.save_with(path, |_| {})
    }

    /// [`save`](Self::save), with a report after every 1,024 keys and at the end. No lock is held while it
    /// runs. `SAVE`, O(all data).
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-save-with-{}", std::process::id()));
    /// use larder::Store;
    ///
    /// let store = Store::new();
    /// store.insert_many((0..3_000).map(|n| (n, "x")))?;
    /// let mut reports = Vec::new();
    /// store.save_with(&path, |so_far| reports.push(so_far.entries))?;
    /// assert_eq!(reports, [1_024, 2_048, 3_000]);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`save`](Self::save).
    #[doc(alias = "SAVE")]
    pub fn save_with(&self, path: impl AsRef<Path>, report: impl FnMut(Progress)) -> Result<Progress> {
        snapshot::save(&Real, self.space(), path.as_ref(), report)
    }

    /// [`save`](Self::save) in a thread of its own. The picture is taken when that thread starts: what is
    /// written after this call may be in it or not. A relative path is taken from the working directory as it is now.
    /// `BGSAVE`, O(all data) in the thread.
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-bgsave-{}", std::process::id()));
    /// let store = larder::Store::new();
    /// store.insert("greeting", "hello")?;
    /// let saving = store.save_in_background(&path)?;
    /// let done = saving.wait()?;
    /// assert_eq!((done.entries, done.total), (1, 1));
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Snapshot`] if there can be no thread, or no such path. Those of the save itself are given by
    /// [`Saving::wait`].
    #[doc(alias = "BGSAVE")]
    pub fn save_in_background(&self, path: impl AsRef<Path>) -> Result<Saving> {
        let (store, path) = (self.clone(), kept(path.as_ref())?);
        let progress = Arc::new(Mutex::new(Progress::default()));
        let (shared, at) = (Arc::clone(&progress), path.clone());
        let thread =
            spawn("larder-save", &path, move || store.save_with(&at, |so_far| *shared.lock() = so_far))?;
        Ok(Saving { progress, thread })
    }

    /// Saves to a file again and again until the result is dropped: first when `every` has passed, then with
    /// as much between the end of one save and the start of the next. A relative path is taken from the working directory as
    /// it is now. `CONFIG SET save`, O(all data) for each, in a thread of its own.
    ///
    /// What is dropped at the end of the program does not save once more: call [`save`](Self::save).
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-every-{}", std::process::id()));
    /// use std::time::Duration;
    /// use larder::Store;
    ///
    /// let store = Store::new();
    /// let autosave = store.save_every(&path, Duration::from_secs(300))?;
    /// store.insert("greeting", "hello")?;
    /// assert_eq!(autosave.saves(), 0);
    ///
    /// drop(autosave); // at the end: no more of them,
    /// store.save(&path)?; // and what was written since the last
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Snapshot`] if there can be no thread, or no such path. That of a save is given by [`Autosave::take_error`].
    pub fn save_every(&self, path: impl AsRef<Path>, every: Duration) -> Result<Autosave> {
        let shared = Arc::new(Periodic { state: Mutex::default(), woken: Condvar::new() });
        let (store, path) = (self.clone(), kept(path.as_ref())?);
        let (periodic, at) = (Arc::clone(&shared), path.clone());
        let due = next_save(&store, every);
        let thread = spawn("larder-autosave", &path, move || periodic.run(&store, &at, every, due))?;
        Ok(Autosave { store: self.clone(), shared, thread: Some(thread) })
    }

    /// A store with the default settings and the keys of a file. What has expired since it was saved
    /// is left out. O(all data)
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-load-{}", std::process::id()));
    /// use std::time::Duration;
    /// use larder::{Error, ManualClock, SnapshotError, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// store.insert("greeting", "hello")?;
    /// store.insert_ex("session:42", "ann", Duration::from_secs(30))?; // in the year 2000
    /// store.save(&path)?;
    ///
    /// let store = Store::load(&path)?;
    /// assert_eq!(store.keys("*")?, ["greeting"]);
    ///
    /// std::fs::write(&path, "something else")?;
    /// let Err(Error::Snapshot(error)) = Store::load(&path) else { panic!("it is no snapshot") };
    /// assert!(matches!(*error, SnapshotError::NotASnapshot { .. }));
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Snapshot`] if the file cannot be read, is no snapshot, is damaged, is of a newer format,
    /// or has more databases or longer values than the store takes; it says which, and where. There is
    /// then no store with a part of the data.
    pub fn load(path: impl AsRef<Path>) -> Result<Store> {
        Store::builder().load(path)
    }
}

impl StoreBuilder {
    /// The store, with the keys of a file; see [`Store::load`]. O(all data)
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-builder-load-{}", std::process::id()));
    /// use larder::{Store, Sweeping};
    ///
    /// let settings = || Store::builder().sweeping(Sweeping::ByHand).seed(7);
    /// let store = if path.exists() { settings().load(&path)? } else { settings().build() };
    /// store.insert("greeting", "hello")?;
    /// store.save(&path)?;
    /// assert_eq!(settings().load(&path)?.len()?, 1);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Store::load`].
    pub fn load(self, path: impl AsRef<Path>) -> Result<Store> {
        self.load_with(path, |_| {})
    }

    /// [`load`](Self::load), with a report after every 1,024 keys and at the end. O(all data)
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-load-with-{}", std::process::id()));
    /// use larder::Store;
    ///
    /// let store = Store::new();
    /// store.insert_many((0..3_000).map(|n| (n, "x")))?;
    /// store.save(&path)?;
    /// let mut percent = Vec::new();
    /// Store::builder().load_with(&path, |so_far| percent.push(100 * so_far.entries / so_far.total))?;
    /// assert_eq!(percent, [34, 68, 100]);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Store::load`].
    pub fn load_with(self, path: impl AsRef<Path>, report: impl FnMut(Progress)) -> Result<Store> {
        let store = self.build();
        let (progress, expired) = snapshot::load(&Real, store.space(), path.as_ref(), report)?;
        #[cfg(feature = "commands")]
        store.space().shared().saving.note_loaded(progress.entries - expired, expired);
        #[cfg(not(feature = "commands"))]
        let _ = (progress, expired);
        Ok(store)
    }
}

/// A save that runs in the background; made by [`Store::save_in_background`]. Dropped, it runs on.
#[derive(Debug)]
#[must_use = "whether it went well is told by `wait`"]
pub struct Saving {
    progress: Arc<Mutex<Progress>>,
    thread: JoinHandle<Result<Progress>>,
}

impl Saving {
    /// How far it has come. O(1)
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-progress-{}", std::process::id()));
    /// let store = larder::Store::new();
    /// store.insert("greeting", "hello")?;
    /// let saving = store.save_in_background(&path)?;
    /// assert!(saving.progress().entries <= 1);
    /// let done = saving.wait()?;
    /// assert_eq!(done.entries, 1);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn progress(&self) -> Progress {
        *self.progress.lock()
    }

    /// Whether it has ended, well or not. O(1)
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-finished-{}", std::process::id()));
    /// let saving = larder::Store::new().save_in_background(&path)?;
    /// while !saving.is_finished() {
    ///     std::thread::yield_now(); // or something of use
    /// }
    /// assert!(saving.wait().is_ok());
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for its end; gives how many keys and bytes were written. O(1)
    ///
    /// ```
    /// let nowhere = std::env::temp_dir().join("larder").join("no such folder").join("snapshot");
    /// let saving = larder::Store::new().save_in_background(nowhere)?;
    /// assert!(matches!(saving.wait(), Err(larder::Error::Snapshot(_))));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Store::save`].
    pub fn wait(self) -> Result<Progress> {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// Saves a store again and again until it is dropped; made by [`Store::save_every`].
#[derive(Debug)]
#[must_use = "nothing is saved any more once this is dropped"]
pub struct Autosave {
    store: Store,
    shared: Arc<Periodic>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Periodic {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopped: bool,
    saves: u64,
    error: Option<Error>,
}

impl Autosave {
    /// How many saves have succeeded. O(1)
    ///
    /// ```
    /// # let path = std::env::temp_dir().join(format!("larder-doc-saves-{}", std::process::id()));
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let autosave = store.save_every(&path, Duration::from_secs(300))?;
    /// assert_eq!(autosave.saves(), 0);
    /// clock.advance(Duration::from_secs(300));
    /// while autosave.saves() == 0 {
    ///     std::thread::yield_now(); // its thread is at work
    /// }
    /// # drop(autosave);
    /// # std::fs::remove_file(&path).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn saves(&self) -> u64 {
        self.shared.state.lock().saves
    }

    /// The error of the last save, taken; none if it succeeded. The next save is tried all the same. O(1)
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Error, ManualClock, Store};
    ///
    /// let nowhere = std::env::temp_dir().join("larder").join("no such folder").join("snapshot");
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let autosave = store.save_every(nowhere, Duration::from_secs(300))?;
    /// clock.advance(Duration::from_secs(300));
    /// let error = loop {
    ///     if let Some(error) = autosave.take_error() {
    ///         break error;
    ///     }
    /// };
    /// assert!(matches!(error, Error::Snapshot(_)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn take_error(&self) -> Option<Error> {
        self.shared.state.lock().error.take()
    }
}

impl Drop for Autosave {
    /// Lets a save that is under way come to its end, which within a transaction of the store is waited
    /// for when that has ended.
    fn drop(&mut self) {
        self.shared.state.lock().stopped = true;
        self.shared.woken.notify_all();
        if let Some(thread) = self.thread.take() {
            // A panic in there was reported by its thread already.
            self.store.space().when_free(move |_| drop(thread.join()));
        }
    }
}

impl Periodic {
    fn run(self: &Arc<Self>, store: &Store, path: &Path, every: Duration, mut due: u64) {
        let clock = store.space().clock();
        loop {
            let alarm = clock.alarm(due, self);
            let mut state = self.state.lock();
            while !state.stopped && clock.now() < due {
                clock.wait(&self.woken, &mut state, due);
            }
            if state.stopped {
                return;
            }
            drop((state, alarm));
            let saved = store.save(path);
            due = next_save(store, every);
            let mut state = self.state.lock();
            state.saves += u64::from(saved.is_ok());
            state.error = saved.err();
        }
    }
}

/// When the next save is due. Reckoned before the last one is reported: who has seen that one can move
/// the clock on to this one.
fn next_save(store: &Store, every: Duration) -> u64 {
    store.space().clock().now().saturating_add(millis(every).max(1)).min(NEVER - 1)
}

impl Alarm for Periodic {
    fn ring(&self) {
        let _state = self.state.lock();
        self.woken.notify_all();
    }
}

/// A path that stays what it is when the process goes to another folder.
fn kept(path: &Path) -> Result<PathBuf> {
    absolute(path).map_err(|error| snapshot::SnapshotError::io("find", path, error))
}

fn spawn<T: Send + 'static>(
    name: &str,
    path: &Path,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    let spawned = thread::Builder::new().name(name.into()).spawn(body);
    spawned.map_err(|error| snapshot::SnapshotError::io("start a thread for", path, error))
}
