//! Waiting for the disk where a thread must not: its caller waits, as a task, and with more to wait for at once.

use std::cell::Cell;

use super::Journal;
use crate::keyspace::Keyspace;
use crate::sync::thread_local;

thread_local! {
    /// The journal of which waits are put off, and the place that is to be waited for; none while the thread waits by itself.
    static PLACE: Cell<Option<(usize, u64)>> = const { Cell::new(None) };
}

/// Puts a wait for a journal off, if that is wanted on this thread.
pub(super) fn put(journal: usize, place: u64) -> bool {
    PLACE.with(|waits| match waits.get() {
        Some((of, other)) if of == journal => {
            waits.set(Some((of, other.max(place))));
            true
        }
        _ => false,
    })
}

/// Runs what may change a store; gives the place up to which that is to be [waited for](Journal::synced), 0 for none.
pub(crate) fn deferring<R>(space: &Keyspace, run: impl FnOnce() -> R) -> (R, u64) {
    struct Restore(Option<(usize, u64)>);
    impl Drop for Restore {
        fn drop(&mut self) {
            PLACE.with(|waits| waits.set(self.0));
        }
    }
    let Some(journal) = space.journal().map(Journal::id) else { return (run(), 0) };
    let _restore = Restore(PLACE.with(|waits| waits.replace(Some((journal, 0)))));
    let result = run();
    (result, PLACE.with(Cell::get).map_or(0, |(_, place)| place))
}
