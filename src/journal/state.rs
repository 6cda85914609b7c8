//! What has been appended, written and synced, and who does the next of it.

use std::io;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::task::Waker;
#[cfg(feature = "server")]
use std::task::{Context, Poll};
use std::time::Duration;

use super::log::{FileId, Output, PREFIX};
use super::{JournalError, JournalStats, Recovered, SyncPolicy};
use crate::clock::{Alarm, Clock, NEVER, millis};
use crate::disk::Disk;
use crate::planted::{Bug, is_planted};
use crate::snapshot::Moment;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::{Error, Result};

/// What is in the buffer is written so long after it came, if nobody asks for it sooner.
const REST: Duration = Duration::from_millis(100);
/// And when it is so much.
const CHUNK: usize = 1 << 20;
/// Who brings more than this waits until there is less: a disk that is slow or hangs fills no memory.
const MOST: u64 = 64 << 20;
/// It is begun anew when the files have grown by as much as the snapshot has, and by no less than this.
const LEAST: u64 = 64 << 20;

/// A place that is never reached: what is dropped is waited for in vain.
const NOWHERE: u64 = u64::MAX;

pub(crate) struct Shared {
    pub disk: Arc<dyn Disk>,
    pub folder: PathBuf,
    pub policy: SyncPolicy,
    clock: Clock,
    /// Wall time at the line's start, as the folder goes by it: it stays what it was when that was opened, so that times within
    /// it come one behind the other, however the system's clock is set.
    epoch: u64,
    recovered: Recovered,
    failed: AtomicBool,
    state: Mutex<State>,
    output: Mutex<Output>,
    /// For the thread, and for those who wait.
    work: Condvar,
    done: Condvar,
    /// Held while it is begun anew, which is done once at a time.
    pub rewriting: Mutex<()>,
    /// Whatever keeps others out of the folder.
    lock: Mutex<Option<Lock>>,
}

/// Whatever keeps others out of a folder, as long as any of it is there.
pub(crate) type Lock = Arc<dyn Send + Sync>;

/// Places are counted over all files, in bytes of records, from 1 on.
struct State {
    buffer: Vec<u8>,
    spare: Vec<u8>,
    end: u64,
    written: u64,
    synced: u64,
    /// The file that records go to, and how many have gone there.
    file: FileId,
    records: u64,
    /// That file is to be begun, by who writes next.
    turn: Option<Turn>,
    /// Somebody writes.
    is_writing: bool,
    failure: OnceLock<Arc<str>>,
    /// Tasks that wait for places to be synced.
    tasks: Vec<(u64, Waker)>,
    /// When the buffer is to be written, and when what was written is to be synced.
    write_at: u64,
    sync_at: u64,
    is_closed: bool,
    snapshot_bytes: u64,
    journal_bytes: u64,
    /// How much has to be there until it is begun anew.
    rewrite_at: u64,
    /// How many begin it anew or wait for their turn to.
    rewriters: usize,
    rewrites: u64,
    rewrite_error: Option<String>,
    /// How many have failed since one did not.
    rewrite_failures: u64,
    /// When the one that is under way began, and how long the last one took, in milliseconds.
    rewrite_began: Option<u64>,
    rewrite_took: Option<u64>,
}

/// What INFO tells of a journal beside its [`JournalStats`].
#[cfg(feature = "commands")]
pub(crate) struct Told {
    pub buffered: usize,
    /// What was written is still to be synced.
    pub is_sync_due: bool,
    pub failures: u64,
    /// In milliseconds.
    pub took: Option<u64>,
    pub going: Option<u64>,
}

/// A place from which on records go to another file.
#[derive(Clone, Copy)]
struct Turn {
    at: u64,
    file: FileId,
}

impl State {
    /// Whether it has grown by enough to be begun anew, and nobody is at it.
    fn is_rewrite_due(&self) -> bool {
        self.journal_bytes >= self.rewrite_at && self.rewriters == 0
    }

    /// Those who need not wait any longer.
    fn take_woken(&mut self) -> Vec<Waker> {
        let (synced, has_failed) = (self.synced, self.failure.get().is_some());
        let is_over = |place: u64| has_failed || place <= synced;
        let (over, left): (Vec<_>, Vec<_>) =
            mem::take(&mut self.tasks).into_iter().partition(|(place, _)| is_over(*place));
        self.tasks = left;
        over.into_iter().map(|(_, waker)| waker).collect()
    }
}

/// It is begun anew, or is to be, as long as this is there. How that ends is noted, in a panic too.
pub(super) struct Rewriting {
    shared: Arc<Shared>,
    /// What is noted.
    error: Option<String>,
}

const PANICKED: &str = "a panic ended it";

impl Rewriting {
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn end(mut self, outcome: &Result<()>) {
        self.error = outcome.as_ref().err().map(ToString::to_string);
    }
}

impl Drop for Rewriting {
    fn drop(&mut self) {
        self.shared.note_rewrite(self.error.take());
    }
}

/// What a folder held as it was opened.
pub(super) struct Beginning {
    pub output: Output,
    pub records: u64,
    pub snapshot_bytes: u64,
    pub journal_bytes: u64,
    pub recovered: Recovered,
    pub epoch: u64,
}

impl Shared {
    pub(super) fn new(
        disk: Arc<dyn Disk>,
        folder: &Path,
        policy: SyncPolicy,
        clock: Clock,
        lock: Option<Lock>,
        beginning: Beginning,
    ) -> Arc<Self> {
        let Beginning { output, records, snapshot_bytes, journal_bytes, recovered, epoch } = beginning;
        Arc::new(Shared {
            disk,
            folder: folder.into(),
            policy,
            clock,
            epoch,
            recovered,
            failed: AtomicBool::new(false),
            state: Mutex::new(State {
                buffer: Vec::new(),
                spare: Vec::new(),
                end: 1,
                written: 1,
                synced: 1,
                file: output.id,
                records,
                turn: None,
                is_writing: false,
                failure: OnceLock::new(),
                tasks: Vec::new(),
                write_at: NEVER,
                sync_at: NEVER,
                is_closed: false,
                snapshot_bytes,
                journal_bytes,
                rewrite_at: snapshot_bytes.max(LEAST),
                rewriters: 0,
                rewrites: 0,
                rewrite_error: None,
                rewrite_failures: 0,
                rewrite_began: None,
                rewrite_took: None,
            }),
            output: Mutex::new(output),
            work: Condvar::new(),
            done: Condvar::new(),
            rewriting: Mutex::new(()),
            lock: Mutex::new(lock),
        })
    }

    /// This one, in the folder's time.
    pub(super) fn moment(&self) -> Moment {
        self.at(self.clock.now())
    }

    /// A moment of the line, in the folder's time.
    pub(super) fn at(&self, now: u64) -> Moment {
        Moment { now, wall: now.saturating_add(self.epoch) }
    }

    /// Tells journals apart.
    pub(super) fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// See [`Journal::append`](super::Journal::append). Who is not to wait is told of a failure as it comes next.
    pub(super) fn append(&self, payload: &[u8]) -> u64 {
        let checksum = crc32fast::hash(payload);
        let mut state = self.state.lock();
        if state.failure.get().is_some() {
            return NOWHERE;
        }
        let Ok(length) = u32::try_from(payload.len()) else {
            self.fail(&mut state, "a record of over 4 GiB".into());
            return NOWHERE;
        };
        let checksum = state.file.checksum(state.records, length, checksum);
        if state.buffer.is_empty() {
            self.note_first(&mut state);
        }
        if is_planted(Bug::DroppedRecord) && state.records % 7 == 3 {
            return state.end;
        }
        state.buffer.extend_from_slice(&length.to_le_bytes());
        state.buffer.extend_from_slice(&checksum.to_le_bytes());
        state.buffer.extend_from_slice(payload);
        state.records += 1;
        let bytes = (PREFIX + payload.len()) as u64;
        state.end += bytes;
        state.journal_bytes += bytes;
        let has_passed = |most: u64, of: u64| of >= most && of - bytes < most;
        if has_passed(CHUNK as u64, state.buffer.len() as u64)
            || has_passed(state.rewrite_at, state.journal_bytes)
        {
            self.work.notify_all();
        }
        let is_waited_for = self.policy == SyncPolicy::Always || state.end - state.written > MOST;
        if is_waited_for { state.end } else { 0 }
    }

    /// The buffer is no longer empty: the thread is told when to write it. Where all that matters is waited for, who waits
    /// writes, and the rest goes along.
    fn note_first(&self, state: &mut State) {
        if self.policy == SyncPolicy::Always {
            return;
        }
        let now = self.clock.now();
        let after = |time: Duration| now.saturating_add(millis(time)).min(NEVER - 1);
        state.write_at = after(REST);
        if let SyncPolicy::Every(time) = self.policy {
            state.sync_at = state.sync_at.min(after(time));
            state.write_at = state.write_at.min(state.sync_at);
        }
        self.work.notify_all();
    }

    pub(super) fn end(&self) -> u64 {
        self.state.lock().end
    }

    #[inline]
    pub(super) fn check(&self) -> Result<()> {
        if self.failed.load(Ordering::Acquire) { self.failure(&self.state.lock()) } else { Ok(()) }
    }

    fn failure(&self, state: &State) -> Result<()> {
        match state.failure.get() {
            Some(why) => Err(JournalError::Failed { why: Arc::clone(why) }.into()),
            None => Ok(()),
        }
    }

    fn fail(&self, state: &mut State, why: String) {
        // The first failure is the one that tells.
        let _ = state.failure.set(why.into());
        self.failed.store(true, Ordering::Release);
        self.done.notify_all();
        self.work.notify_all();
    }

    /// Waits until all up to a place is on the disk; writes and syncs it, unless somebody is at it.
    pub(super) fn wait_synced(&self, place: u64) -> Result<()> {
        self.wait(place, true, |state| state.synced)
    }

    /// Waits until what is not written yet is little enough.
    pub(super) fn wait_for_room(&self, place: u64) -> Result<()> {
        self.wait(place.saturating_sub(MOST), false, |state| state.written)
    }

    fn wait(&self, place: u64, syncs: bool, reached: impl Fn(&State) -> u64) -> Result<()> {
        let mut state = self.state.lock();
        while reached(&state) < place {
            self.failure(&state)?;
            if state.is_writing {
                self.done.wait(&mut state);
            } else {
                state = self.write(state, syncs);
            }
        }
        Ok(())
    }

    /// Writes all that is in the buffer, and syncs it if that is wanted. The lock is free meanwhile.
    fn write<'s>(&'s self, mut state: MutexGuard<'s, State>, syncs: bool) -> MutexGuard<'s, State> {
        state.is_writing = true;
        let spare = mem::take(&mut state.spare);
        let mut bytes = mem::replace(&mut state.buffer, spare);
        let (from, turn) = (state.written, state.turn.take());
        state.write_at = NEVER;
        if syncs {
            state.sync_at = NEVER;
        }
        drop(state);
        let outcome = self.write_out(&bytes, from, turn, syncs);
        let mut state = self.state.lock();
        match outcome {
            Ok(()) => {
                state.written = from + bytes.len() as u64;
                if syncs {
                    state.synced = state.written;
                }
            }
            Err(error) => {
                let path = self.output.lock().path.clone();
                self.fail(&mut state, format!("cannot write {path:?}: {error}"));
            }
        }
        bytes.clear();
        if bytes.capacity() <= 4 * CHUNK {
            state.spare = bytes;
        }
        state.is_writing = false;
        self.done.notify_all();
        let woken = state.take_woken();
        if woken.is_empty() {
            return state;
        }
        // A waker is the executor's code: not under a lock.
        drop(state);
        woken.into_iter().for_each(Waker::wake);
        self.state.lock()
    }

    /// The same as [`wait_synced`](Self::wait_synced) for a task: the thread writes and syncs.
    #[cfg(feature = "server")]
    pub(super) fn poll_synced(&self, place: u64, context: &Context<'_>) -> Poll<Result<()>> {
        let waker = context.waker().clone();
        let mut state = self.state.lock();
        if state.synced >= place {
            return Poll::Ready(Ok(()));
        }
        if let Err(error) = self.failure(&state) {
            return Poll::Ready(Err(error));
        }
        state.tasks.push((place, waker));
        (state.write_at, state.sync_at) = (0, 0);
        self.work.notify_all();
        Poll::Pending
    }

    fn write_out(&self, bytes: &[u8], from: u64, turn: Option<Turn>, syncs: bool) -> io::Result<()> {
        let wall = self.moment().wall;
        let mut output = self.output.lock();
        let mut rest = bytes;
        if let Some(Turn { at, file }) = turn {
            // All that the picture holds is there before anything that goes on from it.
            let (before, after) = bytes.split_at((at - from) as usize);
            output.write(before, wall)?;
            output.end(wall)?;
            *output = Output::create(&*self.disk, &self.folder, file, wall)?;
            rest = after;
        }
        output.write(rest, wall)?;
        if syncs { output.sync() } else { Ok(()) }
    }

    /// The thread's next turn: waits until there is something to write, and writes it; false once it is over.
    pub(super) fn wait_and_write(self: &Arc<Self>) -> bool {
        let mut state = self.state.lock();
        loop {
            if state.is_closed || state.failure.get().is_some() {
                let woken = state.take_woken();
                drop(state);
                woken.into_iter().for_each(Waker::wake);
                return false;
            }
            if state.is_rewrite_due() {
                return true;
            }
            let due = state.write_at.min(state.sync_at);
            let _alarm = self.clock.alarm(due, self);
            let now = self.clock.now();
            let is_due = due <= now || state.buffer.len() >= CHUNK;
            if is_due && !state.is_writing {
                let syncs = state.sync_at <= now;
                drop(self.write(state, syncs));
                return true;
            }
            if is_due {
                self.done.wait(&mut state);
            } else {
                self.clock.wait(&self.work, &mut state, due);
            }
        }
    }

    /// Notes that it is begun anew, by who waits for those who are at it.
    pub(super) fn begin_rewrite(self: &Arc<Self>) -> Rewriting {
        self.begin_counted(&mut self.state.lock())
    }

    /// The same, unless somebody is at it.
    #[cfg(any(feature = "commands", test))]
    pub(super) fn begin_only_rewrite(self: &Arc<Self>) -> Option<Rewriting> {
        self.begin_rewrite_if(|state| state.rewriters == 0)
    }

    /// The same, if it has grown by enough.
    pub(super) fn begin_due_rewrite(self: &Arc<Self>) -> Option<Rewriting> {
        self.begin_rewrite_if(|state| state.is_rewrite_due() && !state.is_closed)
    }

    fn begin_rewrite_if(self: &Arc<Self>, is_to_begin: impl FnOnce(&State) -> bool) -> Option<Rewriting> {
        let mut state = self.state.lock();
        is_to_begin(&state).then(|| self.begin_counted(&mut state))
    }

    fn begin_counted(self: &Arc<Self>, state: &mut State) -> Rewriting {
        state.rewriters += 1;
        state.rewrite_began.get_or_insert_with(|| self.clock.now());
        Rewriting { shared: Arc::clone(self), error: Some(PANICKED.into()) }
    }

    /// Has the records that come go to another file, which goes on from the snapshot of this id; gives that file's number, and
    /// from which place on they do. Called while nothing can be appended.
    pub(super) fn turn(&self, snapshot: u64) -> (u64, u64) {
        let mut state = self.state.lock();
        let file = FileId { number: state.file.number + 1, snapshot, ..state.file };
        (state.file, state.records) = (file, 0);
        state.turn = Some(Turn { at: state.end, file });
        (file.number, state.end)
    }

    /// Waits until the file is there to which a [turn](Self::turn) has led.
    pub(super) fn wait_turned(&self) -> Result<()> {
        let mut state = self.state.lock();
        while state.turn.is_some() || state.is_writing {
            self.failure(&state)?;
            if state.is_writing {
                self.done.wait(&mut state);
            } else {
                state = self.write(state, true);
            }
        }
        self.failure(&state)
    }

    /// It goes on from a new snapshot, of so many bytes, which holds all up to a place.
    pub(super) fn goes_on_from(&self, snapshot_bytes: u64, place: u64) {
        let mut state = self.state.lock();
        (state.snapshot_bytes, state.journal_bytes) = (snapshot_bytes, state.end - place);
        state.rewrites += 1;
    }

    fn note_rewrite(&self, error: Option<String>) {
        let mut state = self.state.lock();
        state.rewriters -= 1;
        // After a failure it has to grow by as much again.
        let grown = if error.is_none() { 0 } else { state.journal_bytes };
        state.rewrite_at = grown + state.snapshot_bytes.max(LEAST);
        state.rewrite_failures = if error.is_none() { 0 } else { state.rewrite_failures + 1 };
        state.rewrite_error = error;
        let now = self.clock.now();
        state.rewrite_took = state.rewrite_began.map(|began| now.saturating_sub(began));
        // The next one has waited for its turn.
        state.rewrite_began = (state.rewriters > 0).then_some(now);
        // It may have grown by that meanwhile.
        self.work.notify_all();
    }

    /// Why it could not be begun anew.
    pub(super) fn note_rewrite_error(&self, error: &Error) {
        self.state.lock().rewrite_error = Some(error.to_string());
    }

    #[cfg(feature = "commands")]
    pub(super) fn told(&self) -> Told {
        let state = self.state.lock();
        Told {
            buffered: state.buffer.len(),
            is_sync_due: state.synced < state.written,
            failures: state.rewrite_failures,
            took: state.rewrite_took,
            going: state.rewrite_began.map(|began| self.clock.now().saturating_sub(began)),
        }
    }

    pub(super) fn stats(&self) -> JournalStats {
        let state = self.state.lock();
        JournalStats {
            folder: self.folder.clone(),
            snapshot_bytes: state.snapshot_bytes,
            journal_bytes: state.journal_bytes,
            unsynced_bytes: state.end - state.synced,
            rewrites: state.rewrites,
            is_rewriting: state.rewriters > 0,
            rewrite_error: state.rewrite_error.clone(),
            recovered: self.recovered.clone(),
        }
    }

    /// Keeps others out of the folder, also when it is closed meanwhile.
    pub(super) fn keep_lock(&self) -> Option<Lock> {
        self.lock.lock().clone()
    }

    /// Has the threads end.
    pub(super) fn begin_close(&self) {
        self.state.lock().is_closed = true;
        self.work.notify_all();
    }

    /// Writes what there is, says that it is the end, and lets others at the folder.
    pub(super) fn close(&self) {
        let end = self.end();
        if self.wait_synced(end).is_ok() {
            let wall = self.moment().wall;
            // Without it what is there counts as torn off by a crash, if it should ever be damaged.
            let _ = self.output.lock().end(wall);
        }
        self.lock.lock().take();
    }
}

impl Alarm for Shared {
    fn ring(&self) {
        let _state = self.state.lock();
        self.work.notify_all();
    }

    fn is_deadline(&self) -> bool {
        false
    }
}
