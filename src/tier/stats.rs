//! What a tier counts.

use super::RedisTier;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The counters of a tier since it was opened, over all its caches; see [`RedisTier::stats`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TierStats {
    /// Keys that were asked for, and had a value that holds.
    pub hits: u64,
    /// Keys that were asked for, and had none.
    pub misses: u64,
    /// Questions that were answered with nothing, as Redis was away or the queue was full.
    pub unasked: u64,
    /// Values that were handed over to be stored.
    pub stores: u64,
    /// Values that were not stored in Redis: it was away, the queue was full, or they were too long.
    pub dropped: u64,
    /// Values that were not stored as what they were to replace was removed, or replaced, while they were loaded.
    pub fenced: u64,
    /// What others have changed, as this process was told.
    pub invalidations: u64,
    /// Errors that Redis has answered with, and connections that broke or could not be made.
    pub errors: u64,
    /// Connections that were made.
    pub connects: u64,
    /// Whether Redis is there.
    pub is_up: bool,
}

/// What is counted.
#[derive(Default)]
pub(super) struct Counters {
    pub hits: AtomicU64,
    pub misses: AtomicU64,
    pub unasked: AtomicU64,
    pub stores: AtomicU64,
    pub dropped: AtomicU64,
    pub fenced: AtomicU64,
    pub invalidations: AtomicU64,
    pub errors: AtomicU64,
    pub connects: AtomicU64,
}

impl Counters {
    pub(super) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl RedisTier {
    /// What the tier has counted. O(1)
    pub fn stats(&self) -> TierStats {
        let counters = &self.shared().counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        TierStats {
            hits: read(&counters.hits),
            misses: read(&counters.misses),
            unasked: read(&counters.unasked),
            stores: read(&counters.stores),
            dropped: read(&counters.dropped),
            fenced: read(&counters.fenced),
            invalidations: read(&counters.invalidations),
            errors: read(&counters.errors),
            connects: read(&counters.connects),
            is_up: self.shared().is_up(),
        }
    }

    /// Hands the tier's counters to the recorder that the `metrics` crate has installed, under names that start with
    /// `larder_tier_`, with the label `tier`. A gauge: `larder_tier_up`. O(1). Features `redis-tier` and `metrics`.
    #[cfg(feature = "metrics")]
    pub fn report_metrics(&self, tier: &str) {
        use metrics::{counter, describe_counter, describe_gauge, gauge};

        let stats = self.stats();
        let counters = [
            ("larder_tier_hits_total", stats.hits, "Asked for, and there"),
            ("larder_tier_misses_total", stats.misses, "Asked for, and not there"),
            ("larder_tier_unasked_total", stats.unasked, "Not asked for, as Redis was away"),
            ("larder_tier_stores_total", stats.stores, "Values handed over to be stored"),
            ("larder_tier_dropped_total", stats.dropped, "Values not stored, as Redis was away"),
            (
                "larder_tier_fenced_total",
                stats.fenced,
                "Values not stored, as their key was removed meanwhile",
            ),
            ("larder_tier_invalidations_total", stats.invalidations, "Changes told by others"),
            ("larder_tier_errors_total", stats.errors, "Errors of Redis and of connections"),
            ("larder_tier_connects_total", stats.connects, "Connections made"),
        ];
        for (metric, value, about) in counters {
            describe_counter!(metric, about);
            counter!(metric, "tier" => tier.to_owned()).absolute(value);
        }
        describe_gauge!("larder_tier_up", "Whether Redis is there");
        gauge!("larder_tier_up", "tier" => tier.to_owned()).set(f64::from(u8::from(stats.is_up)));
    }
}
