//! One small thread for what is done behind the callers of one cache.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use crate::sync::{Condvar, Mutex, thread};

/// What it is to do.
pub(super) type Job = Box<dyn FnOnce() + Send>;

/// See the [module](self). The thread starts with the first job, sleeps while there is none, and ends when it is told to.
#[derive(Default)]
pub(super) struct Worker {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    is_running: bool,
    is_stopped: bool,
}

impl Worker {
    /// Leaves a job to the thread; false if it cannot be had. A job that is not done is dropped, with no lock held.
    pub(super) fn offer(self: &Arc<Self>, job: Job) -> bool {
        let mut state = self.state.lock();
        if !state.is_running && !state.is_stopped {
            let worker = Arc::clone(self);
            let thread = thread::Builder::new().name("larder-loader".into());
            state.is_running = thread.spawn(move || worker.run()).is_ok();
        }
        let is_taken = state.is_running && !state.is_stopped;
        if is_taken {
            state.queue.push_back(job);
            self.woken.notify_all();
        }
        is_taken
    }

    /// Ends the thread, after the job that it is at; the others are dropped.
    pub(super) fn stop(&self) {
        let left = {
            let mut state = self.state.lock();
            state.is_stopped = true;
            self.woken.notify_all();
            std::mem::take(&mut state.queue)
        };
        drop(left);
    }

    fn run(&self) {
        while let Some(job) = self.next() {
            // Jobs contain the panics of loaders themselves: this is for what they drop.
            let _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = self.state.lock();
        loop {
            if state.is_stopped {
                return None;
            }
            if let Some(job) = state.queue.pop_front() {
                return Some(job);
            }
            self.woken.wait(&mut state);
        }
    }
}
