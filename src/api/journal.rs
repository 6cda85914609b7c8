//! A store that is kept in a folder.

use std::fs::OpenOptions;
use std::path::{Path, absolute};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fs4::{FileExt, TryLockError};

use super::{Store, StoreBuilder};
use crate::clock::{has_come, in_real_time};
use crate::disk::{Real, create_folders};
use crate::journal::{self, JournalError, JournalStats, SyncPolicy};
use crate::{Error, Result};

impl Store {
    /// The store that is kept in a folder; an empty one, and the folder, if there is none. What is done to it is written there as
    /// it is done, and is on the disk a second later, or as [`sync_policy`](StoreBuilder::sync_policy) says. O(all data)
    ///
    /// After a crash the store is what it was at one moment before it: a torn end of the last file is cut off, and
    /// [`journal_stats`](Self::journal_stats) tells how much that was. Anything else that is not what was written is an
    /// error that says where it is; nothing is passed over.
    ///
    /// - The folder belongs to one store at a time, in all processes: it is locked until the last handle goes. A relative path is
    ///   taken from the working directory as it is now.
    /// - The last handle's drop writes and syncs what there is. That handle may be the sweeper's or a rewrite's, which then goes a
    ///   moment later on a thread of its own: call [`sync`](Self::sync) before the process ends. It tells of errors, too.
    /// - Deadlines are kept by the wall clock. A key that had expired by the last sync does not come back, however the clock is set.
    /// - Libraries of functions are kept too. What is not: entries of [caches](crate::Cache) (their database has them), pins,
    ///   subscriptions, scripts and users. A string under the name of a [shared](crate::CacheBuilder::shared) cache's key becomes
    ///   an entry, and is kept no more, as soon as the cache has read it.
    /// - Most changes cost what they bring: an element of a list, a member, a field, an entry of a stream. What changes much of a
    ///   value (`SORT ... STORE`, `RENAME`) writes all of it.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("larder-doc-open-{}", std::process::id()));
    /// use larder::Store;
    ///
    /// let store = Store::open(&folder)?;
    /// store.list::<String>("jobs").push_back("write")?;
    /// drop(store);
    ///
    /// let store = Store::open(&folder)?;
    /// assert_eq!(store.list::<String>("jobs").pop_front()?.as_deref(), Some("write"));
    /// # drop(store);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Journal`], [`Error::Snapshot`].
    #[doc(alias = "appendonly")]
    pub fn open(folder: impl AsRef<Path>) -> Result<Store> {
        Store::builder().open(folder)
    }

    /// Waits until all that was done before is on the disk, whatever the [policy](StoreBuilder::sync_policy). Calls that come at the
    /// same time share one sync. `WAITAOF 1 0 0`
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("larder-doc-sync-{}", std::process::id()));
    /// let store = larder::Store::open(&folder)?;
    /// store.insert("greeting", "hello")?;
    /// store.sync()?;
    /// assert_eq!(store.journal_stats().expect("it has one").unsynced_bytes, 0);
    /// # drop(store);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Journal`]; [`Error::Invalid`] if the store is not kept in a folder.
    #[doc(alias = "WAITAOF")]
    #[doc(alias = "fsync")]
    pub fn sync(&self) -> Result<()> {
        self.space().journal().ok_or(NO_JOURNAL)?.sync()
    }

    /// Begins the journal anew: writes a snapshot, of one instant, in the place of all that led to it. It is done behind the
    /// callers as well, whenever the journal has grown by as much as the last snapshot and by 64 MB at the least.
    /// Writers wait as for a [`save`](Self::save). `BGREWRITEAOF`, O(all data)
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("larder-doc-rewrite-{}", std::process::id()));
    /// let store = larder::Store::open(&folder)?;
    /// let hits = store.counter("hits");
    /// for _ in 0..1_000 {
    ///     hits.incr()?;
    /// }
    /// store.rewrite_journal()?;
    /// let stats = store.journal_stats().expect("it has one");
    /// assert!(stats.journal_bytes == 0 && stats.snapshot_bytes < 100);
    /// # drop(store);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Snapshot`], and the journal goes on from where it did; [`Error::Journal`] if its next file cannot be made, and nothing
    /// is written any more; [`Error::Invalid`] if the store is not kept in a folder; [`Error::InTransaction`] from inside a transaction of the same store.
    #[doc(alias = "BGREWRITEAOF")]
    pub fn rewrite_journal(&self) -> Result<()> {
        self.space().journal().ok_or(NO_JOURNAL)?.rewrite(self.space())
    }

    /// What there is to know of the journal; `None` if the store is not kept in a folder. `INFO persistence`, O(1)
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("larder-doc-journal-stats-{}", std::process::id()));
    /// use larder::Store;
    ///
    /// assert!(Store::new().journal_stats().is_none());
    /// let store = Store::open(&folder)?;
    /// let recovered = store.journal_stats().expect("it has one").recovered;
    /// assert_eq!((recovered.keys, recovered.records, recovered.torn_bytes), (0, 0, 0));
    /// # drop(store);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn journal_stats(&self) -> Option<JournalStats> {
        self.space().journal().map(journal::Journal::stats)
    }
}

const NO_JOURNAL: Error = Error::Invalid("the store is not kept in a folder");

impl StoreBuilder {
    /// When what is done to a store that is kept in a folder is on the disk. Default: a second later.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("larder-doc-policy-{}", std::process::id()));
    /// use larder::{Store, SyncPolicy};
    ///
    /// let store = Store::builder().sync_policy(SyncPolicy::Always).open(&folder)?;
    /// store.insert("order:7", "paid")?; // on the disk, as the call has returned
    /// # drop(store);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "appendfsync")]
    pub fn sync_policy(mut self, policy: SyncPolicy) -> Self {
        self.sync_policy = policy;
        self
    }

    /// The store that is kept in a folder: see [`Store::open`]. Starts one thread.
    ///
    /// ```
    /// # let folder = std::env::temp_dir().join(format!("larder-doc-builder-open-{}", std::process::id()));
    /// use larder::Store;
    ///
    /// let store = Store::builder().max_bytes(64 << 20).open(&folder)?;
    /// store.insert("greeting", "hello")?;
    /// # drop(store);
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Store::open`].
    pub fn open(self, folder: impl AsRef<Path>) -> Result<Store> {
        let (folder, policy) = (folder.as_ref(), self.sync_policy);
        // It is the same one wherever the process goes later.
        let folder = absolute(folder).map_err(|error| JournalError::io("find", folder, error))?;
        let lock = lock(&folder)?;
        let store = self.build();
        journal::open(store.space(), Arc::new(Real), &folder, policy, Some(lock))?;
        if let Some(journal) = store.space().journal() {
            journal.start(&Arc::downgrade(store.space()))?;
        }
        Ok(store)
    }
}

/// How long a folder may stay locked by a store that is about to go: the last handle is the sweeper's or a rewrite's if one was
/// at work when the caller's went.
const GOING: Duration = Duration::from_secs(1);

/// Keeps other stores out of a folder, which is made if it is missing.
fn lock(folder: &Path) -> Result<Arc<dyn Send + Sync>> {
    create_folders(&Real, folder).map_err(|error| JournalError::io("make the folder", folder, error))?;
    let path = folder.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(|error| JournalError::io("open", &path, error))?;
    let last = in_real_time(GOING);
    loop {
        match FileExt::try_lock(&file) {
            Ok(()) => return Ok(Arc::new(file)),
            Err(TryLockError::WouldBlock) if last.is_some_and(|last| !has_come(last)) => {
                // A file's lock cannot be waited for with a limit.
                thread::sleep(Duration::from_millis(1));
            }
            Err(TryLockError::WouldBlock) => {
                return Err(JournalError::Locked { folder: folder.into() }.into());
            }
            Err(TryLockError::Error(error)) => return Err(JournalError::io("lock", &path, error)),
        }
    }
}
