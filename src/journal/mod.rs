//! The journal: what is done to a store, in a folder, as it is done.
//!
//! # The folder
//! - `journal-00000000`, `journal-00000001`, ...: [files](log) of records, of which each goes on where the one before ends.
//! - `snapshot-00000003`: all keys as they were when the journal's file of that number began. What it holds needs no older files,
//!   and they are removed.
//! - `lock`: locked by the process that has the folder open.
//!
//! # The way of a change
//! An operation's [`Record`] is [appended](Journal::append) to a buffer while its locks are held, so the records stand in the
//! order in which their keys changed, and what a reader can see is in the buffer or on its way. When the locks are free,
//! the caller waits for as much as the [policy](SyncPolicy) asks for ([`Journal::committed`]): whoever comes first takes all that
//! is in the buffer, writes and syncs it, and those who came meanwhile wait for the next. What nobody waits for is written by a
//! thread.
//!
//! A write or a sync that fails is the end: what the disk holds is unknown from there on, so nothing more is written, and every
//! change is refused. The next [opening](open) reads what there is.
//!
//! # Beginning anew
//! When the files have grown, a picture of all keys is taken, and at the same instant records begin to go to another file
//! ([`rewrite`]). Both are behind all locks, so the picture is what the files before it add up to.

#[cfg_attr(not(any(feature = "redis-aio", feature = "server")), allow(dead_code))]
pub(crate) mod deferred;
mod error;
mod log;
mod open;
mod record;
mod rewrite;
mod state;
mod step;
#[cfg(all(test, feature = "testing", not(shuttle)))]
mod tests;

#[cfg(feature = "commands")]
use std::path::Path;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::time::Duration;

pub use error::JournalError;
#[cfg(all(any(fuzzing, test), feature = "server", not(shuttle)))]
pub(crate) use log::{name, sealed};
pub(crate) use open::open;
pub(crate) use record::Record;
use rewrite::rewrite;
use state::{Rewriting, Shared};
pub(crate) use step::{write as write_step, write_names};

use crate::Result;
use crate::keyspace::Keyspace;
use crate::snapshot::Moment;
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Mutex, is_finished};

/// When what is done to a store is on the disk: see [`StoreBuilder::sync_policy`](crate::StoreBuilder::sync_policy). `appendfsync`
///
/// | | a killed process | a power cut |
/// | --- | --- | --- |
/// | `Always` | loses nothing | loses nothing |
/// | `Every(d)` | loses at most the last tenth of a second, or `d` if that is less | loses at most the last `d` |
/// | `Never` | loses at most the last tenth of a second | loses what the system had not written |
///
/// Whatever is lost is the end: what is there after a crash is what was there at one moment before it, and never half of a
/// transaction.
///
/// A call waits for what it has done itself. What it has only seen, a value that another has just written or that a key has just
/// been evicted, may not be on the disk yet when it returns: [`Store::sync`](crate::Store::sync) waits for that too. Clients of a
/// server are told of nothing that is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[doc(alias = "appendfsync")]
pub enum SyncPolicy {
    /// Before the call returns that did it. Calls that come at the same time share one sync.
    Always,
    /// So long after it was done, at the latest.
    Every(Duration),
    /// When the system writes it.
    Never,
}

impl Default for SyncPolicy {
    /// Every second, as Redis does.
    fn default() -> Self {
        SyncPolicy::Every(Duration::from_secs(1))
    }
}

/// What a store knows of its journal: see [`Store::journal_stats`](crate::Store::journal_stats).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct JournalStats {
    /// Where it is.
    pub folder: PathBuf,
    /// Bytes of the snapshot that it goes on from.
    pub snapshot_bytes: u64,
    /// Bytes of records since then.
    pub journal_bytes: u64,
    /// Bytes that are not on the disk yet, as far as is known.
    pub unsynced_bytes: u64,
    /// How often it has begun anew since it was opened.
    pub rewrites: u64,
    /// Whether it begins anew right now.
    pub is_rewriting: bool,
    /// Why it could not begin anew the last time that it was to, if it could not.
    pub rewrite_error: Option<String>,
    /// What was found as it was opened.
    pub recovered: Recovered,
}

/// What was found in a store's folder as it was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recovered {
    /// Keys that the snapshot held.
    pub keys: u64,
    /// Records behind it.
    pub records: u64,
    /// Bytes at the end that were no whole record: a crash came while they were written. They are cut off.
    pub torn_bytes: u64,
}

/// See the [module](self).
pub(crate) struct Journal {
    shared: Arc<Shared>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Journal {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Journal { shared, threads: Mutex::default() }
    }

    /// Starts the thread that writes what nobody waits for, and begins anew when that is due.
    ///
    /// # Errors
    /// [`Error::Journal`] if there can be no thread.
    pub(crate) fn start(&self, space: &Weak<Keyspace>) -> Result<()> {
        let (shared, space) = (Arc::clone(&self.shared), Weak::clone(space));
        let thread = thread::Builder::new().name("larder-journal".into());
        let started = thread.spawn(move || {
            while shared.wait_and_write() {
                if let Some(rewriting) = shared.begin_due_rewrite() {
                    Self::rewrite_behind(rewriting, &space);
                }
            }
        });
        match started {
            Ok(thread) => {
                self.threads.lock().push(thread);
                Ok(())
            }
            Err(error) => Err(JournalError::io("start a thread for", &self.shared.folder, error)),
        }
    }

    /// Begins anew in a thread of its own. If there can be none, it is tried again when more has been written.
    fn rewrite_behind(rewriting: Rewriting, space: &Weak<Keyspace>) {
        // Without a store there is nothing to be begun.
        let Some(space) = space.upgrade() else { return };
        let Some(journal) = space.journal() else { return };
        let thread = thread::Builder::new().name("larder-rewrite".into());
        let weak = Arc::downgrade(&space);
        // How it went is noted by itself.
        match thread.spawn(move || drop(rewrite(rewriting, &weak))) {
            Ok(thread) => {
                let mut threads = journal.threads.lock();
                threads.retain(|thread| !is_finished(thread));
                threads.push(thread);
            }
            Err(error) => {
                let Shared { folder, .. } = &*journal.shared;
                journal.shared.note_rewrite_error(&JournalError::io("start a thread for", folder, error));
            }
        }
    }

    /// Adds a record, which is written when somebody waits for it or a while later; gives the place behind it, or 0 if it is
    /// not to be waited for. Called with the locks held of all that it tells of. O(bytes)
    pub(crate) fn append(&self, record: &Record) -> u64 {
        self.shared.append(record.as_bytes())
    }

    /// Waits until all up to a place is as safe as was asked for. No lock is held.
    ///
    /// # Errors
    /// [`Error::Journal`]
    pub(crate) fn committed(&self, place: u64) -> Result<()> {
        match self.shared.policy {
            SyncPolicy::Always if deferred::put(self.id(), place) => Ok(()),
            SyncPolicy::Always => self.shared.wait_synced(place),
            SyncPolicy::Every(_) | SyncPolicy::Never => self.shared.wait_for_room(place),
        }
    }

    /// This moment, in the folder's time.
    pub(crate) fn moment(&self) -> Moment {
        self.shared.moment()
    }

    /// Tells journals apart.
    fn id(&self) -> usize {
        self.shared.id()
    }

    /// The place behind all that was appended.
    pub(crate) fn end(&self) -> u64 {
        self.shared.end()
    }

    #[cfg(feature = "commands")]
    pub(crate) fn folder(&self) -> &Path {
        &self.shared.folder
    }

    #[cfg(feature = "commands")]
    pub(crate) fn policy(&self) -> SyncPolicy {
        self.shared.policy
    }

    /// Waits, as a task, until all up to a place is on the disk.
    ///
    /// # Errors
    /// [`Error::Journal`]
    #[cfg(feature = "server")]
    pub(crate) async fn synced(&self, place: u64) -> Result<()> {
        std::future::poll_fn(|context| self.shared.poll_synced(place, context)).await
    }

    /// Waits until all that was done is on the disk.
    ///
    /// # Errors
    /// [`Error::Journal`]
    pub(crate) fn sync(&self) -> Result<()> {
        self.shared.wait_synced(self.end())
    }

    /// The same, but for who [waits as a task](deferred).
    ///
    /// # Errors
    /// [`Error::Journal`]
    #[cfg(feature = "commands")]
    pub(crate) fn sync_or_defer(&self) -> Result<()> {
        if deferred::put(self.id(), self.end()) { self.check() } else { self.sync() }
    }

    /// # Errors
    /// [`Error::Journal`] once nothing more can be written.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        self.shared.check()
    }

    /// Begins anew, on this thread.
    ///
    /// # Errors
    /// [`Error::Journal`], [`Error::Snapshot`], [`Error::InTransaction`](crate::Error::InTransaction)
    pub(crate) fn rewrite(&self, space: &Arc<Keyspace>) -> Result<()> {
        // Whoever holds what the picture needs must not wait here for who waits for that.
        space.check_not_in_transaction()?;
        rewrite(self.shared.begin_rewrite(), &Arc::downgrade(space))
    }

    /// Begins anew in a thread of its own; false if that is under way.
    #[cfg(feature = "commands")]
    pub(crate) fn rewrite_in_background(&self, space: &Weak<Keyspace>) -> bool {
        let begun = self.shared.begin_only_rewrite();
        begun.map(|rewriting| Self::rewrite_behind(rewriting, space)).is_some()
    }

    /// What INFO tells of it beside that.
    #[cfg(feature = "commands")]
    pub(crate) fn told(&self) -> state::Told {
        self.shared.told()
    }

    pub(crate) fn stats(&self) -> JournalStats {
        self.shared.stats()
    }

    /// Writes what there is, and ends the threads. What goes wrong is known to the next that opens the folder.
    pub(crate) fn close(&self) {
        self.shared.begin_close();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // The last handle may go on one of them.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
        self.shared.close();
    }
}
