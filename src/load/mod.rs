//! Cache-aside: one load for all who ask at once, and none that puts an old value back.
//!
//! A load is fenced by a [`Watch`]: any write to its key while it runs (an insert, a removal, a
//! rename, a clear) means that what it read may be older, so its value goes to those who wait but
//! not into the store, and whoever asks from then on starts a load of their own.

mod cycle;
mod error;
mod flight;

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::Keyspace;
use crate::keyspace::writer::Deadline;
use crate::planted::{Bug, is_planted};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Mutex, thread};
use crate::value::Value;
use crate::waiting::reach;
use crate::{Bytes, Error, Result, trace};

pub use error::LoadError;
pub(crate) use flight::{Batch, Flight, Outcome};

/// The loads under way in a store.
#[derive(Default)]
pub(crate) struct Flights {
    under_way: Mutex<HashMap<(u16, Bytes), Arc<Flight>, ahash::RandomState>>,
    pub counters: Counters,
}

/// What became of the loads so far.
#[derive(Default)]
pub(crate) struct Counters {
    pub led: AtomicU64,
    pub failed: AtomicU64,
    pub fenced: AtomicU64,
    pub shared: AtomicU64,
}

/// What becomes of somebody who asks for a key that is not there.
pub(crate) enum Join {
    /// They load it.
    Lead(Lead),
    /// Another does already.
    Follow(Follow),
}

/// A load of somebody else's, to wait for.
pub(crate) struct Follow {
    space: Arc<Keyspace>,
    flight: Arc<Flight>,
}

/// How waiting for a load ended.
pub(crate) enum Waited {
    Ended(Outcome),
    /// The deadline came before.
    TooLate,
    /// It would never end: each of these keys is being loaded by someone who waits for the next.
    Cycle(Vec<Bytes>),
}

/// What becomes of the key that was loaded.
pub(crate) enum Kept {
    Value(Value, Deadline),
    /// What stood there is known not to hold any more, and there is nothing to put in its place.
    Removed,
    /// It stays as it is.
    Nothing,
}

/// Whether what was loaded was stored.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landing {
    Stored,
    /// Its key was written meanwhile, or was about to be.
    Fenced,
    /// It was not to be, or there is no room for it.
    Passing,
}

/// The duty to load a key. Dropped without an outcome, it lets another try.
pub(crate) struct Lead {
    space: Arc<Keyspace>,
    flight: Arc<Flight>,
    span: trace::LoadSpan,
}

impl Flights {
    /// Leads the load of a key, as one of a batch if there is one, or joins the one under way.
    ///
    /// # Errors
    /// [`Error::InTransaction`]
    pub(crate) fn join(
        &self,
        space: &Arc<Keyspace>,
        db: u16,
        key: KeyRef<'_>,
        batch: Option<&Batch>,
    ) -> Result<Join> {
        let id = (db, Bytes::from(key.bytes));
        // The fence stands before the load is announced, so that none is ever without one.
        let fence = space.watch(db, &[key])?;
        let space = Arc::clone(space);
        let flight = {
            let mut flights = self.under_way.lock();
            let lead = |(db, key): (u16, Bytes)| {
                Flight::new(db, key, Arc::clone(&fence), cycle::innermost(), batch.cloned())
            };
            match flights.entry(id) {
                Entry::Vacant(vacant) => {
                    let flight = lead(vacant.key().clone());
                    vacant.insert(Arc::clone(&flight));
                    return Ok(Join::Lead(Lead { space, flight, span: trace::LoadSpan::default() }));
                }
                // What that load reads may be older than a write which the caller has seen.
                Entry::Occupied(mut under_way)
                    if under_way.get().fence.is_fenced() && !cycle::is_leading(under_way.get()) =>
                {
                    let flight = lead(under_way.key().clone());
                    under_way.insert(Arc::clone(&flight));
                    return Ok(Join::Lead(Lead { space, flight, span: trace::LoadSpan::default() }));
                }
                Entry::Occupied(under_way) => Arc::clone(under_way.get()),
            }
        };
        space.unwatch(db, &[key], &fence);
        self.counters.shared.fetch_add(1, Ordering::Relaxed);
        Ok(Join::Follow(Follow { space, flight }))
    }

    /// Whether a key is being loaded, and what that load gives is still to be stored; none if it is not.
    pub(crate) fn is_loading(&self, db: u16, key: KeyRef<'_>) -> Option<bool> {
        let flights = self.under_way.lock();
        flights.get(&(db, Bytes::from(key.bytes))).map(|flight| !flight.fence.is_fenced())
    }

    fn remove(&self, flight: &Arc<Flight>) {
        if let Entry::Occupied(entry) = self.under_way.lock().entry((flight.db, flight.key.clone())) {
            if Arc::ptr_eq(entry.get(), flight) {
                entry.remove();
            }
        }
    }
}

/// Whether this thread runs a loader, or polls the future of one.
pub(crate) fn is_within_loader() -> bool {
    cycle::innermost().is_some()
}

/// Something that is done for others, who wait for it as for a load. Dropped without an outcome, it was abandoned.
pub(crate) struct Promise {
    space: Arc<Keyspace>,
    flight: Arc<Flight>,
}

impl Promise {
    pub(crate) fn new(space: &Arc<Keyspace>, db: u16, key: KeyRef<'_>) -> Self {
        let flight = Flight::new(db, Bytes::from(key.bytes), Arc::default(), None, None);
        Promise { space: Arc::clone(space), flight }
    }

    pub(crate) fn follow(&self) -> Follow {
        Follow { space: Arc::clone(&self.space), flight: Arc::clone(&self.flight) }
    }

    pub(crate) fn keep(&self, outcome: Outcome) {
        self.flight.end(outcome);
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        if !self.flight.has_ended() {
            self.flight.end(Outcome::Abandoned);
        }
    }
}

impl Follow {
    /// Blocks the thread until the load has ended or the deadline has come.
    pub(crate) fn wait(self, deadline: u64) -> Waited {
        let _wait = match cycle::Wait::begin(&self.flight) {
            Ok(wait) => wait,
            Err(keys) => return Waited::Cycle(keys),
        };
        self.flight.wait(self.space.clock(), deadline).map_or(Waited::TooLate, Waited::Ended)
    }

    /// The same for a task, on any runtime.
    pub(crate) async fn wait_async(self, deadline: u64) -> Waited {
        /// A task's place among those who wait.
        struct Place<'f>(&'f Flight, Option<u64>);

        impl Drop for Place<'_> {
            fn drop(&mut self) {
                if let Some(place) = self.1 {
                    self.0.leave(place);
                }
            }
        }

        let _wait = match cycle::Wait::begin(&self.flight) {
            Ok(wait) => wait,
            Err(keys) => return Waited::Cycle(keys),
        };
        let mut place = Place(&self.flight, None);
        let mut over = pin!(reach(self.space.clock(), deadline));
        poll_fn(|context| {
            let ended = place.0.poll(&mut place.1, context).map(Waited::Ended);
            if ended.is_ready() { ended } else { over.as_mut().poll(context).map(|()| Waited::TooLate) }
        })
        .await
    }
}

impl Lead {
    /// Says which cache it is for.
    pub(crate) fn of_cache(&mut self, name: &Arc<str>) {
        self.span.of_cache(name);
    }

    /// Runs the loader as this load's. The caller's code: no lock is held.
    pub(crate) fn run<R>(&self, loader: impl FnOnce() -> R) -> R {
        cycle::lead(&self.flight, || self.span.within(&self.flight.key, self.space.clock(), loader))
    }

    /// The same for a loader that is a future.
    pub(crate) async fn run_async<R>(&self, loader: impl Future<Output = R>) -> R {
        let mut loader = pin!(loader);
        poll_fn(|context| self.run(|| loader.as_mut().poll(context))).await
    }

    /// The name of the key.
    pub(crate) fn key(&self) -> &[u8] {
        &self.flight.key
    }

    /// Stores what was loaded, unless the key was written meanwhile, and hands `outcome` to those who wait.
    ///
    /// # Errors
    /// Those of [`Writer::set`](crate::keyspace::writer::Writer::set), but that there is no room: it was asked for to
    /// be used, and only then to be kept.
    pub(crate) fn land(&self, kept: Kept, outcome: Outcome) -> Result<Landing> {
        self.counters().led.fetch_add(1, Ordering::Relaxed);
        self.hand_over(kept, outcome)
    }

    /// The same with what was found elsewhere: it is no load that counts.
    ///
    /// # Errors
    /// Those of [`land`](Self::land).
    pub(crate) fn hand_over(&self, kept: Kept, outcome: Outcome) -> Result<Landing> {
        let Flight { db, key, fence, .. } = &*self.flight;
        let key = self.space.key_ref(key);
        let is_to_be_kept = matches!(kept, Kept::Value(..));
        let stored = match kept {
            Kept::Nothing => Ok(false),
            Kept::Removed => self.space.write(*db, &[key], |writer| {
                if !fence.is_fenced() {
                    writer.discard(key, KeyEvent::Del);
                }
                Ok(false)
            })?,
            Kept::Value(value, deadline) => self.space.write(*db, &[key], |writer| {
                if !fence.may_keep() && !is_planted(Bug::IgnoredFence) {
                    writer.discard_value(value);
                    return Ok(false);
                }
                match writer.set(key, value, deadline, KeyEvent::Set) {
                    Ok(()) => Ok(true),
                    Err(Error::OutOfMemory) => Ok(false),
                    Err(error) => Err(error),
                }
            })?,
        };
        let landing = match stored {
            Ok(true) => Landing::Stored,
            _ if is_to_be_kept && !fence.may_keep() => Landing::Fenced,
            _ => Landing::Passing,
        };
        let is_fenced = landing == Landing::Fenced;
        self.counters().fenced.fetch_add(is_fenced.into(), Ordering::Relaxed);
        self.end(
            outcome,
            match landing {
                Landing::Stored => "stored",
                Landing::Fenced => "fenced",
                Landing::Passing => "not stored",
            },
        );
        if is_fenced {
            trace::load_fenced(key.bytes);
        }
        stored.map(|_| landing)
    }

    /// Tells those who wait that the load has failed, and why.
    pub(crate) fn fail(&self, why: &str) {
        self.count_failure();
        self.end(Outcome::Failed(why.into()), "failed");
        trace::load_failed(&self.flight.key, why);
    }

    /// Tells those who wait what they have of a load that has failed.
    pub(crate) fn end_failed(&self, outcome: Outcome) {
        self.count_failure();
        self.end(outcome, "failed");
    }

    fn counters(&self) -> &Counters {
        &self.space.flights().counters
    }

    fn count_failure(&self) {
        self.counters().led.fetch_add(1, Ordering::Relaxed);
        self.counters().failed.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self, outcome: Outcome, how: &'static str) {
        let Flight { db, key, fence, .. } = &*self.flight;
        self.span.end(how, self.space.clock());
        self.space.flights().remove(&self.flight);
        self.space.unwatch(*db, &[self.space.key_ref(key)], fence);
        self.flight.end(outcome);
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if !self.flight.has_ended() {
            let is_panic = thread::panicking();
            if is_panic {
                self.count_failure();
            }
            self.end(Outcome::Abandoned, if is_panic { "panicked" } else { "abandoned" });
        }
    }
}
