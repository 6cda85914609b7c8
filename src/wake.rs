//! Who is to be woken once all locks are free.

use std::task::Waker;

use crate::sync::{Arc, Condvar};

/// Threads and tasks for whom something lies ready already.
///
/// Let go of every lock, then call [`wake`](Self::wake): a waker is the executor's code and may come back
/// into the store. Dropping it wakes too, so that nobody sleeps on after a panic.
#[derive(Default)]
#[must_use = "readers are woken by `wake`, after all locks have been released"]
pub(crate) struct Wakes {
    threads: Vec<Arc<Condvar>>,
    tasks: Vec<Waker>,
}

impl Wakes {
    pub(crate) fn add_thread(&mut self, condvar: &Arc<Condvar>) {
        self.threads.push(Arc::clone(condvar));
    }

    pub(crate) fn add_task(&mut self, waker: Waker) {
        self.tasks.push(waker);
    }

    /// Has others woken too.
    #[cfg(feature = "commands")]
    pub(crate) fn append(&mut self, mut other: Wakes) {
        self.threads.append(&mut other.threads);
        self.tasks.append(&mut other.tasks);
    }

    /// Wakes them all. Call it without any lock held.
    pub(crate) fn wake(mut self) {
        self.run();
    }

    /// How many threads and tasks are to be woken.
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> (usize, usize) {
        (self.threads.len(), self.tasks.len())
    }

    #[inline]
    pub(crate) fn run(&mut self) {
        if !self.threads.is_empty() || !self.tasks.is_empty() {
            self.run_some();
        }
    }

    #[cold]
    fn run_some(&mut self) {
        for thread in self.threads.drain(..) {
            thread.notify_all();
        }
        // One at a time, so that after a panic in one the drop still finds the others.
        while let Some(task) = self.tasks.pop() {
            task.wake();
        }
    }
}

impl Drop for Wakes {
    fn drop(&mut self) {
        self.run();
    }
}
