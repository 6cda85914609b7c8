//! What was asked of the second level and is not answered yet; threads and tasks wait for it alike.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Waker};

use super::Found;
use crate::clock::Clock;
use crate::sync::{Condvar, Mutex};
use crate::waiting::reach;

/// See the [module](self). It is answered in real time, whatever clock the store has: a network is waited for.
pub(crate) struct Pending {
    /// How many keys were asked for.
    keys: usize,
    state: Mutex<State>,
    answered: Condvar,
}

#[derive(Default)]
struct State {
    found: Option<Vec<Found>>,
    /// Nobody waits any more.
    is_over: bool,
    waker: Option<Waker>,
}

impl Pending {
    pub(crate) fn new(keys: usize) -> Self {
        Pending { keys, state: Mutex::default(), answered: Condvar::new() }
    }

    /// What is given for the keys: nothing for those of which nothing is told.
    fn all(&self, mut found: Vec<Found>) -> Vec<Found> {
        found.resize_with(self.keys, Found::default);
        found
    }

    /// Answers, and wakes who waits. What nobody waits for any more is dropped. No lock may be held.
    pub(crate) fn answer(&self, found: Vec<Found>) {
        let (waker, left) = {
            let mut state = self.state.lock();
            if state.is_over || state.found.is_some() {
                (None, Some(found))
            } else {
                state.found = Some(found);
                self.answered.notify_all();
                (state.waker.take(), None)
            }
        };
        drop(left);
        if let Some(waker) = waker {
            // The executor's code: a panic there takes nothing along that others need.
            let _ = catch_unwind(AssertUnwindSafe(|| waker.wake()));
        }
    }

    /// Blocks the thread until it is answered, or the deadline has come: nothing then.
    pub(crate) fn wait(&self, deadline: u64) -> Vec<Found> {
        let mut state = self.state.lock();
        loop {
            if let Some(found) = state.found.take() {
                return self.all(found);
            }
            if Clock::System.now() >= deadline {
                state.is_over = true;
                return self.all(Vec::new());
            }
            Clock::System.wait(&self.answered, &mut state, deadline);
        }
    }

    /// The same for a task, on any runtime.
    pub(super) async fn wait_async(self: Arc<Self>, deadline: u64) -> Vec<Found> {
        /// A future that is dropped has nobody left who waits.
        struct Waits(Arc<Pending>);

        impl Drop for Waits {
            fn drop(&mut self) {
                let mut state = self.0.state.lock();
                state.is_over = true;
                let left = (state.found.take(), state.waker.take());
                drop(state);
                drop(left);
            }
        }

        let waits = Waits(self);
        let mut over = pin!(reach(&Clock::System, deadline));
        poll_fn(|context| {
            let waker = context.waker().clone();
            let (found, replaced) = {
                let mut state = waits.0.state.lock();
                (state.found.take(), state.waker.replace(waker))
            };
            drop(replaced);
            match found {
                Some(found) => Poll::Ready(waits.0.all(found)),
                None => over.as_mut().poll(context).map(|()| waits.0.all(Vec::new())),
            }
        })
        .await
    }
}
