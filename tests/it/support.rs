//! What the tests share.

use larder::{ManualClock, Store, Sweeping};

/// A store with a clock that stands still, no thread of its own, and fixed chance.
pub fn manual_store() -> (ManualClock, Store) {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).shards(4).seed(7).build();
    (clock, store)
}
