//! Threads against each other, under a scheduler that tries out their interleavings.
//!
//! `RUSTFLAGS="--cfg shuttle" cargo test --lib --features journal,commands shuttle` runs them. A failure prints the schedule that
//! led to it; with that in `SHUTTLE_REPLAY` and the test's name, it runs again. A thread that waits for ever is a failure too, so a
//! lost wake-up needs no assertion. Panics cannot be part of a run: shuttle's locks do not outlive one.
//!
//! Counters in `std`'s atomics are the test's own and no part of the schedule.

mod bounded;
mod caches;
mod clock;
#[cfg(feature = "journal")]
mod journal;
mod loads;
mod locks;
mod planted;
mod pubsub;
mod sweeper;
#[cfg(feature = "commands")]
mod tracking;
mod waiters;
mod whole;

use std::time::Duration;

use shuttle::scheduler::{PctScheduler, RandomScheduler, ReplayScheduler};
use shuttle::thread::{self, JoinHandle};
use shuttle::{Config, Runner};

use crate::{ManualClock, Store, StoreBuilder, Sweeping};

const LONG: Duration = Duration::from_secs(3600);

/// Runs `body` so many times with threads switched at random, and as often with few switches at
/// places chosen at random.
fn explore(times: usize, body: impl Fn() + Send + Sync + Copy + 'static) {
    let mut config = Config::new();
    config.stack_size = 256 << 10;
    config.silence_warnings = true;
    if let Ok(schedule) = std::env::var("SHUTTLE_REPLAY") {
        Runner::new(ReplayScheduler::new_from_encoded(&schedule), config).run(body);
        return;
    }
    Runner::new(RandomScheduler::new(times), config.clone()).run(body);
    Runner::new(PctScheduler::new(3, times), config).run(body);
}

/// A store of few shards whose clock and sweeps are moved by hand.
fn store() -> (ManualClock, Store) {
    let (clock, builder) = builder();
    (clock, builder.sweeping(Sweeping::ByHand).build())
}

fn builder() -> (ManualClock, StoreBuilder) {
    let clock = ManualClock::new();
    let builder = Store::builder().clock(&clock).databases(2).shards(4).seed(7);
    (clock, builder)
}

/// Keys that lie in shards of their own, in the order of these.
fn keys<const N: usize>(store: &Store) -> [String; N] {
    std::array::from_fn(|shard| {
        let is_in =
            |name: &String| store.space().shard_of(store.key_ref(name.as_bytes()).hash) == shard as u32;
        (0..).map(|n: u32| n.to_string()).find(is_in).unwrap()
    })
}

/// A thread with a handle of its own.
fn with<T: Send + 'static>(store: &Store, body: impl FnOnce(&Store) -> T + Send + 'static) -> JoinHandle<T> {
    let store = store.clone();
    thread::spawn(move || body(&store))
}

/// What the threads gave, in the order in which they were started.
fn join<T>(threads: impl IntoIterator<Item = JoinHandle<T>>) -> Vec<T> {
    threads.into_iter().map(|thread| thread.join().unwrap()).collect()
}

/// Nobody has left a place in a queue or a watch behind.
fn assert_nothing_left(store: &Store) {
    assert_eq!(store.waiting().unwrap(), 0);
    let left =
        store.space().read_all(|shards| shards.iter().filter(|shard| !shard.watches.is_empty()).count());
    assert_eq!(left.unwrap(), 0);
}
