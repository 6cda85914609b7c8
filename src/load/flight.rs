//! A load under way: how it ends, and those who wait for that, threads and tasks alike.

use std::any::Any;
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use crate::Bytes;
use crate::clock::{Alarm, Clock, NEVER};
use crate::keyspace::watch::Watch;
use crate::sync::{Condvar, Mutex};

/// How a load ended, for those who waited for it.
#[derive(Clone)]
pub(crate) enum Outcome {
    /// The bytes of the value; none if the loader found nothing.
    Loaded(Option<Bytes>),
    /// What a [`Cache`](crate::Cache) made of it: an entry of its own.
    Native(Arc<dyn Any + Send + Sync>),
    Failed(Arc<str>),
    /// The loader panicked, was dropped, or was not needed: whoever waited tries again.
    Abandoned,
}

/// See the [module](self).
pub(crate) struct Flight {
    pub(super) db: u16,
    pub(super) key: Bytes,
    /// Marked by any write to the key since the load began.
    pub(super) fence: Arc<Watch>,
    /// The load whose loader asked for this one.
    pub(super) within: Option<Arc<Flight>>,
    /// Those that one call of a loader makes together with this one.
    batch: Option<Batch>,
    state: Mutex<State>,
    ended: Condvar,
}

/// Several loads that are made by one call of a loader. Clones are one and the same.
#[derive(Clone, Default)]
pub(crate) struct Batch(Arc<()>);

#[derive(Default)]
struct State {
    outcome: Option<Outcome>,
    /// Of the tasks that wait, under a number of their own each.
    wakers: Vec<(u64, Waker)>,
    next: u64,
}

impl Flight {
    pub(super) fn new(
        db: u16,
        key: Bytes,
        fence: Arc<Watch>,
        within: Option<Arc<Flight>>,
        batch: Option<Batch>,
    ) -> Arc<Self> {
        Arc::new(Flight { db, key, fence, within, batch, state: Mutex::default(), ended: Condvar::new() })
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.state.lock().outcome.is_some()
    }

    /// Whether it was begun by the loader of another, or by that one's, and so on; or has the same loader.
    pub(super) fn is_within(&self, other: &Arc<Flight>) -> bool {
        let mut flight = Some(self);
        while let Some(inner) = flight {
            if std::ptr::eq(inner, &**other) || inner.is_made_with(other) {
                return true;
            }
            flight = inner.within.as_deref();
        }
        false
    }

    fn is_made_with(&self, other: &Flight) -> bool {
        matches!((&self.batch, &other.batch), (Some(mine), Some(its)) if Arc::ptr_eq(&mine.0, &its.0))
    }

    /// Blocks the thread until the load has ended; none if the deadline comes before that.
    pub(super) fn wait(self: &Arc<Self>, clock: &Clock, deadline: u64) -> Option<Outcome> {
        let alarm: Arc<dyn Alarm> = Arc::<Flight>::clone(self);
        clock.set_alarm(deadline, Arc::downgrade(&alarm));
        let mut state = self.state.lock();
        loop {
            if let Some(outcome) = &state.outcome {
                return Some(outcome.clone());
            }
            if deadline != NEVER && clock.now() >= deadline {
                return None;
            }
            clock.wait(&self.ended, &mut state, deadline);
        }
    }

    /// The same for a task, which is woken when it has ended.
    pub(super) fn poll(&self, place: &mut Option<u64>, context: &Context<'_>) -> Poll<Outcome> {
        let waker = context.waker().clone();
        let mut state = self.state.lock();
        if let Some(outcome) = &state.outcome {
            return Poll::Ready(outcome.clone());
        }
        let number = *place.get_or_insert(state.next);
        state.next = state.next.max(number + 1);
        let replaced = match state.wakers.iter_mut().find(|(of, _)| *of == number) {
            Some((_, old)) => Some(mem::replace(old, waker)),
            None => {
                state.wakers.push((number, waker));
                None
            }
        };
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    /// A task waits no more.
    pub(super) fn leave(&self, place: u64) {
        let mut state = self.state.lock();
        let found = state.wakers.iter().position(|(of, _)| *of == place);
        let waker = found.map(|at| state.wakers.swap_remove(at));
        drop(state);
        drop(waker);
    }

    /// Wakes all who wait. No lock is held while it does: wakers are the caller's code.
    pub(super) fn end(&self, outcome: Outcome) {
        let wakers = {
            let mut state = self.state.lock();
            state.outcome = Some(outcome);
            self.ended.notify_all();
            mem::take(&mut state.wakers)
        };
        wakers.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

impl Alarm for Flight {
    fn ring(&self) {
        let _looks_at_the_clock = self.state.lock();
        self.ended.notify_all();
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight").field("db", &self.db).field("key", &self.key).finish_non_exhaustive()
    }
}
