//! What a cache counts.

use super::load::{Answer, How};
use super::{Cache, Inner};
use crate::keyspace::Tally;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The counters of a cache, since it was built; see [`Cache::stats`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheStats {
    /// Asked for, and there: stale ones that were served count too.
    pub hits: u64,
    /// Asked for, and to be loaded, or waited for.
    pub misses: u64,
    /// Loaders run.
    pub loads: u64,
    /// Loaders that failed or panicked.
    pub failed_loads: u64,
    /// Loaders that panicked behind their callers; they have failed too.
    pub panics: u64,
    /// How long loaders took that did not panic, all together, in milliseconds.
    pub load_millis: u64,
    /// Values that were found in the second level, and not loaded.
    pub second_level: u64,
    /// Values that were served after their time.
    pub stale: u64,
    /// Calls that waited for another's load.
    pub shared: u64,
    /// Values that were loaded and not stored, because their key was written, or one of their tags removed, meanwhile.
    pub fenced: u64,
    /// Stored bytes that did not decode as the cache's type, and were loaded anew.
    pub undecodable: u64,
    /// Loads that were not tried, as too many had failed.
    pub paused: u64,
    /// Whether the breaker keeps loads from being tried now.
    pub is_paused: bool,
}

impl CacheStats {
    /// The share of what was asked for that was there, from 0 to 1; 0 before the first. O(1)
    pub fn hit_ratio(&self) -> f64 {
        match self.hits + self.misses {
            0 => 0.0,
            all => self.hits as f64 / all as f64,
        }
    }
}

/// What is counted.
pub(super) struct Counters {
    pub lookups: Tally,
    pub loads: AtomicU64,
    pub failed: AtomicU64,
    pub panics: AtomicU64,
    pub millis: AtomicU64,
    pub second: AtomicU64,
    pub stale: AtomicU64,
    pub shared: AtomicU64,
    pub fenced: AtomicU64,
    pub undecodable: AtomicU64,
    pub paused: AtomicU64,
}

impl Default for Counters {
    fn default() -> Self {
        let [loads, failed, panics, millis, second, stale, shared, fenced, undecodable, paused] =
            std::array::from_fn(|_| AtomicU64::new(0));
        Counters {
            lookups: Tally::default(),
            loads,
            failed,
            panics,
            millis,
            second,
            stale,
            shared,
            fenced,
            undecodable,
            paused,
        }
    }
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64, by: u64) {
        counter.fetch_add(by, Ordering::Relaxed);
    }

    /// Somebody was given this.
    pub(super) fn served<V>(&self, answer: &Answer<V>) {
        Counters::add(&self.stale, (answer.how == How::Stale).into());
    }
}

impl<K, V> Cache<K, V> {
    /// What the cache has counted. O(1)
    pub fn stats(&self) -> CacheStats {
        let Inner { counters, breaker, space, .. } = &*self.0;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (hits, misses) = counters.lookups.sums();
        CacheStats {
            hits,
            misses,
            loads: read(&counters.loads),
            failed_loads: read(&counters.failed),
            panics: read(&counters.panics),
            load_millis: read(&counters.millis),
            second_level: read(&counters.second),
            stale: read(&counters.stale),
            shared: read(&counters.shared),
            fenced: read(&counters.fenced),
            undecodable: read(&counters.undecodable),
            paused: read(&counters.paused),
            is_paused: breaker.is_open(space.clock().now()),
        }
    }
}
