//! How many clients are blocked, and who waits for that.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::clock::{has_come, in_real_time};
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
    /// Tasks that wait for there to be more.
    tasks: Vec<Waker>,
}

/// One client that is blocked, until this is dropped.
pub(crate) struct Place(Arc<Blocked>);

impl Blocked {
    /// Counts a client in. [`tell`](Self::tell) is to be called when no lock is held.
    pub(crate) fn take_place(self: &Arc<Self>) -> Place {
        self.state.lock().count += 1;
        Place(Arc::clone(self))
    }

    /// Wakes those who wait for there to be more.
    pub(crate) fn tell(&self) {
        let tasks = std::mem::take(&mut self.state.lock().tasks);
        self.changed.notify_all();
        tasks.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn count(&self) -> usize {
        self.state.lock().count
    }

    /// Parks the thread until so many are blocked, or so much real time has passed; false then.
    pub(crate) fn wait(&self, least: usize, limit: Duration) -> bool {
        let until = in_real_time(limit);
        let mut state = self.state.lock();
        while state.count < least {
            match until {
                Some(until) if has_come(until) => return false,
                Some(until) => _ = self.changed.wait_until(&mut state, until),
                None => self.changed.wait(&mut state),
            }
        }
        true
    }

    /// Whether so many are blocked; else the task is woken when there are more.
    pub(crate) fn poll(&self, least: usize, context: &mut Context<'_>) -> Poll<()> {
        // A waker's clone and drop are the executor's code: not under the lock.
        let waker = context.waker().clone();
        let mut state = self.state.lock();
        if state.count >= least {
            drop(state);
            return Poll::Ready(());
        }
        if !state.tasks.iter().any(|task| task.will_wake(&waker)) {
            state.tasks.push(waker);
        }
        Poll::Pending
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.state.lock().count -= 1;
    }
}
