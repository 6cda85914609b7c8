//! Loads that wait for each other: found before anybody waits, over any number of keys and stores.
//!
//! A load waits for another when its loader asks for that one's key. Which load a loader belongs to is known by the
//! thread that runs it: while a loader runs, or its future is polled, its load is on the thread's list.

use std::cell::RefCell;
use std::sync::Arc;

use super::flight::Flight;
use crate::Bytes;
use crate::sync::{Mutex, process_wide, thread_local};

process_wide! {
    /// Which load waits for which, over all stores of the process. Few entries at a time: one for each
    /// loader that waits right now.
    static WAITING: Mutex<Vec<(Arc<Flight>, Arc<Flight>)>> = Mutex::new(Vec::new());
}

thread_local! {
    /// The loads whose loaders run on this thread, the innermost last.
    static LEADING: RefCell<Vec<Arc<Flight>>> = const { RefCell::new(Vec::new()) };
}

/// The load whose loader runs on this thread.
pub(super) fn innermost() -> Option<Arc<Flight>> {
    LEADING.with(|leading| leading.borrow().last().cloned())
}

/// Whether the loader of a load runs on this thread.
pub(super) fn is_leading(flight: &Arc<Flight>) -> bool {
    innermost().is_some_and(|inner| inner.is_within(flight))
}

/// Runs a loader, or polls its future, as that of a load.
pub(super) fn lead<R>(flight: &Arc<Flight>, run: impl FnOnce() -> R) -> R {
    struct Ends;

    impl Drop for Ends {
        fn drop(&mut self) {
            let ended = LEADING.with(|leading| leading.borrow_mut().pop());
            drop(ended);
        }
    }

    LEADING.with(|leading| leading.borrow_mut().push(Arc::clone(flight)));
    let _ends = Ends;
    run()
}

/// The wait of this thread's loader, if it runs one, for another load; ends when it is dropped.
pub(super) struct Wait(Option<(Arc<Flight>, Arc<Flight>)>);

impl Wait {
    /// # Errors
    /// The keys of the cycle, if that load (or one that its loader waits for, and so on) is the caller's.
    pub(super) fn begin(flight: &Arc<Flight>) -> Result<Wait, Vec<Bytes>> {
        let Some(me) = innermost() else { return Ok(Wait(None)) };
        let mut waiting = WAITING.lock();
        let mut path = Vec::new();
        if leads_to(flight, &me, &waiting, &mut path) {
            return Err(path.iter().map(|flight| flight.key.clone()).collect());
        }
        waiting.push((Arc::clone(&me), Arc::clone(flight)));
        Ok(Wait(Some((me, Arc::clone(flight)))))
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        let Some((me, flight)) = self.0.take() else { return };
        let mut waiting = WAITING.lock();
        let is_this = |(waits, awaited): &(Arc<Flight>, Arc<Flight>)| {
            Arc::ptr_eq(waits, &me) && Arc::ptr_eq(awaited, &flight)
        };
        let ended = waiting.iter().position(is_this).map(|at| waiting.swap_remove(at));
        drop(waiting);
        drop(ended);
    }
}

/// Whether the end of a load waits for a loader that is run by `me`; the loads on the way there.
fn leads_to(
    flight: &Arc<Flight>,
    me: &Arc<Flight>,
    waiting: &[(Arc<Flight>, Arc<Flight>)],
    path: &mut Vec<Arc<Flight>>,
) -> bool {
    // A load that has ended keeps nobody waiting, though its loader may wait for another by now.
    if flight.has_ended() || path.iter().any(|seen| Arc::ptr_eq(seen, flight)) {
        return false;
    }
    path.push(Arc::clone(flight));
    if me.is_within(flight) {
        return true;
    }
    let mut awaited = waiting.iter().filter(|(waits, _)| waits.is_within(flight));
    if awaited.any(|(_, next)| leads_to(next, me, waiting, path)) {
        return true;
    }
    path.pop();
    false
}
