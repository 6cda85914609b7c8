//! Cache-aside: one load for all who ask at once, and none that puts an old value back.
//!
//! A load is fenced by a [`Watch`]: any write to its key while it runs (an insert, a removal, a
//! rename, a clear) means that what it read may be older, so its value goes to those who wait but
//! not into the store, and whoever asks from then on starts a load of their own.

mod cycle;
mod error;

use std::sync::Arc;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;

use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::Keyspace;
use crate::keyspace::watch::Watch;
use crate::keyspace::writer::Deadline;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::thread::{self, ThreadId};
use crate::sync::{Condvar, Mutex};
use crate::value::Value;
use crate::{Bytes, Error, Result, trace};

pub use error::LoadError;

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

/// A load under way, and those who wait for it.
pub(crate) struct Flight {
    db: u16,
    key: Bytes,
    leader: ThreadId,
    /// Marked by any write to the key since the load began.
    fence: Arc<Watch>,
    outcome: Mutex<Option<Outcome>>,
    ended: Condvar,
}

/// How a load ended, for those who waited for it.
#[derive(Clone)]
pub(crate) enum Outcome {
    /// The bytes of the value; none if the loader found nothing.
    Loaded(Option<Bytes>),
    Failed(Arc<str>),
    /// The loader panicked, or was not needed: whoever waited tries again.
    Abandoned,
}

/// What becomes of somebody who asks for a key that is not there.
pub(crate) enum Join<'s> {
    /// They load it.
    Lead(Lead<'s>),
    /// They waited for another's load, which ended so.
    Waited(Outcome),
    /// Waiting would never end: each of these keys is being loaded by someone who waits for the next.
    Cycle(Vec<Bytes>),
}

/// What became of a value that was loaded.
enum Landing {
    /// If there was room for it.
    Stored,
    /// Its key was written meanwhile.
    Fenced,
}

/// The duty to load a key. Dropped without an outcome, it lets another try.
pub(crate) struct Lead<'s> {
    space: &'s Keyspace,
    flight: Arc<Flight>,
}

impl Flights {
    /// Leads the load of a key, or waits for the one under way.
    pub(crate) fn join<'s>(&self, space: &'s Keyspace, db: u16, key: KeyRef<'_>) -> Result<Join<'s>> {
        let id = (db, Bytes::from(key.bytes));
        let me = thread::current().id();
        // The fence stands before the load is announced, so that none is ever without one.
        let fence = space.watch(db, &[key])?;
        let flight = {
            let mut flights = self.under_way.lock();
            let lead = |id: (u16, Bytes)| {
                let (outcome, ended) = (Mutex::new(None), Condvar::new());
                let (db, key) = id;
                Arc::new(Flight { db, key, leader: me, fence: Arc::clone(&fence), outcome, ended })
            };
            match flights.entry(id) {
                Entry::Vacant(vacant) => {
                    let flight = lead(vacant.key().clone());
                    vacant.insert(Arc::clone(&flight));
                    return Ok(Join::Lead(Lead { space, flight }));
                }
                // What that load reads may be older than a write which the caller has seen.
                Entry::Occupied(mut under_way)
                    if under_way.get().fence.is_fenced() && under_way.get().leader != me =>
                {
                    let flight = lead(under_way.key().clone());
                    under_way.insert(Arc::clone(&flight));
                    return Ok(Join::Lead(Lead { space, flight }));
                }
                Entry::Occupied(under_way) => Arc::clone(under_way.get()),
            }
        };
        space.unwatch(db, &[key], &fence);
        self.counters.shared.fetch_add(1, Ordering::Relaxed);
        Ok(match cycle::wait_for(me, &flight) {
            Ok(outcome) => Join::Waited(outcome),
            Err(keys) => Join::Cycle(keys),
        })
    }

    fn remove(&self, flight: &Arc<Flight>) {
        if let Entry::Occupied(entry) = self.under_way.lock().entry((flight.db, flight.key.clone())) {
            if Arc::ptr_eq(entry.get(), flight) {
                entry.remove();
            }
        }
    }
}

impl Flight {
    fn has_ended(&self) -> bool {
        self.outcome.lock().is_some()
    }

    fn wait(&self) -> Outcome {
        let mut outcome = self.outcome.lock();
        loop {
            if let Some(outcome) = &*outcome {
                return outcome.clone();
            }
            self.ended.wait(&mut outcome);
        }
    }
}

impl Lead<'_> {
    /// Stores what was loaded, unless the key was written meanwhile, and hands it to those who wait.
    pub(crate) fn land(&self, loaded: Option<Bytes>, deadline: Deadline) -> Result<()> {
        let Flight { db, key, fence, .. } = &*self.flight;
        let key = self.space.key_ref(key);
        let landing = match loaded.clone() {
            None => Ok(Landing::Stored),
            Some(bytes) => self.space.write(*db, &[key], |writer| {
                if fence.is_fenced() {
                    return Ok(Landing::Fenced);
                }
                match writer.set(key, Value::String(bytes), deadline, KeyEvent::Set) {
                    // It was asked for to be used, and only then to be kept.
                    Ok(()) | Err(Error::OutOfMemory) => Ok(Landing::Stored),
                    Err(error) => Err(error),
                }
            })?,
        };
        let is_fenced = matches!(landing, Ok(Landing::Fenced));
        self.counters().led.fetch_add(1, Ordering::Relaxed);
        self.counters().fenced.fetch_add(is_fenced.into(), Ordering::Relaxed);
        self.end(Outcome::Loaded(loaded));
        if is_fenced {
            trace::load_fenced(key.bytes);
        }
        landing.map(drop)
    }

    /// Tells those who wait that the load has failed, and why.
    pub(crate) fn fail(&self, why: &str) {
        self.count_failure();
        self.end(Outcome::Failed(why.into()));
        trace::load_failed(&self.flight.key, why);
    }

    fn counters(&self) -> &Counters {
        &self.space.flights().counters
    }

    fn count_failure(&self) {
        self.counters().led.fetch_add(1, Ordering::Relaxed);
        self.counters().failed.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self, outcome: Outcome) {
        let Flight { db, key, fence, .. } = &*self.flight;
        self.space.flights().remove(&self.flight);
        self.space.unwatch(*db, &[self.space.key_ref(key)], fence);
        *self.flight.outcome.lock() = Some(outcome);
        self.flight.ended.notify_all();
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if !self.flight.has_ended() {
            if thread::panicking() {
                self.count_failure();
            }
            self.end(Outcome::Abandoned);
        }
    }
}
