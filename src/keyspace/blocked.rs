//! How many clients are blocked, and who waits for that.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::clock::{Clock, NEVER, has_come, in_real_time};
use crate::sync::{Arc, Condvar, Mutex};

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Blocked {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    count: usize,
    /// How many of them wait until when, but for those who wait without end.
    until: BTreeMap<u64, usize>,
    /// Tasks that wait for there to be more.
    tasks: Vec<Waker>,
}

/// One client that is blocked, until this is dropped or its time is over: who moves the clock on finds the next ones,
/// though that client has not noticed yet.
pub(crate) struct Place {
    blocked: Arc<Blocked>,
    until: u64,
}

impl State {
    /// How many are blocked by a clock. O(those whose time is over and who have not noticed)
    fn count(&self, clock: &Clock) -> usize {
        // Most often nobody has a timeout, and no clock is asked.
        if self.until.is_empty() {
            return self.count;
        }
        self.count - self.until.range(..=clock.now()).map(|(_, count)| count).sum::<usize>()
    }
}

impl Blocked {
    /// Counts a client in that waits until then. [`tell`](Self::tell) is to be called when no lock is held.
    pub(crate) fn take_place(self: &Arc<Self>, until: u64) -> Place {
        let mut state = self.state.lock();
        state.count += 1;
        if until != NEVER {
            *state.until.entry(until).or_default() += 1;
        }
        drop(state);
        Place { blocked: Arc::clone(self), until }
    }

    /// Wakes those who wait for there to be more.
    pub(crate) fn tell(&self) {
        let tasks = std::mem::take(&mut self.state.lock().tasks);
        self.changed.notify_all();
        tasks.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn count(&self, clock: &Clock) -> usize {
        self.state.lock().count(clock)
    }

    /// Parks the thread until so many are blocked, or so much real time has passed; false then.
    pub(crate) fn wait(&self, clock: &Clock, least: usize, limit: Duration) -> bool {
        let until = in_real_time(limit);
        let mut state = self.state.lock();
        while state.count(clock) < least {
            match until {
                Some(until) if has_come(until) => return false,
                Some(until) => _ = self.changed.wait_until(&mut state, until),
                None => self.changed.wait(&mut state),
            }
        }
        true
    }

    /// Whether so many are blocked; else the task is woken when there are more.
    pub(crate) fn poll(&self, clock: &Clock, least: usize, context: &mut Context<'_>) -> Poll<()> {
        // A waker's clone and drop are the executor's code: not under the lock.
        let waker = context.waker().clone();
        let mut state = self.state.lock();
        if state.count(clock) >= least {
            drop(state);
            return Poll::Ready(());
        }
        if !state.tasks.iter().any(|task| task.will_wake(&waker)) {
            state.tasks.push(waker);
        }
        Poll::Pending
    }
}

impl Place {
    /// Whether its time is over.
    pub(crate) fn is_over(&self, clock: &Clock) -> bool {
        self.until != NEVER && clock.now() >= self.until
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.blocked.state.lock();
        state.count -= 1;
        if let Entry::Occupied(mut of_then) = state.until.entry(self.until) {
            *of_then.get_mut() -= 1;
            if *of_then.get() == 0 {
                of_then.remove();
            }
        }
    }
}
