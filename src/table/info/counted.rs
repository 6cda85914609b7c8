//! What is counted since the store was made, or since `CONFIG RESETSTAT`.

use super::super::call::Call;
use super::super::clients::Sums;
use crate::api::Stats;
use crate::reply::ErrorReply;
use crate::sync::atomic::Ordering;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Counted {
    pub stats: Stats,
    /// What connections have moved.
    pub sums: Sums,
    /// For how many milliseconds it has been swept.
    pub swept: u64,
    /// How often the journal has begun anew.
    pub rewrites: u64,
}

impl Counted {
    /// As it is since the store was made.
    pub(super) fn now(call: &Call<'_>) -> Result<Counted, ErrorReply> {
        let space = call.space();
        let mut sums = call.shared().clients.sums();
        sums.over_output += call.shared().settings.bounds().closed.load(Ordering::Relaxed);
        Ok(Counted {
            stats: Stats::of(space, call.held())?,
            sums,
            swept: space.swept_for(),
            rewrites: rewrites(call),
        })
    }

    /// The same since it was that.
    pub(super) fn since(mut self, before: &Counted) -> Counted {
        let (now, then) = (&mut self.stats, &before.stats);
        now.hits = now.hits.saturating_sub(then.hits);
        now.misses = now.misses.saturating_sub(then.misses);
        now.expirations = now.expirations.saturating_sub(then.expirations);
        now.emptied = now.emptied.saturating_sub(then.emptied);
        now.overdue = now.overdue.saturating_sub(then.overdue);
        now.expired_fields = now.expired_fields.saturating_sub(then.expired_fields);
        now.evictions = now.evictions.saturating_sub(then.evictions);
        self.sums = self.sums.since(&before.sums);
        self.swept = self.swept.saturating_sub(before.swept);
        self.rewrites = self.rewrites.saturating_sub(before.rewrites);
        self
    }
}

fn rewrites(call: &Call<'_>) -> u64 {
    #[cfg(feature = "journal")]
    if let Some(journal) = call.space().journal() {
        return journal.stats().rewrites;
    }
    #[cfg(not(feature = "journal"))]
    let _ = call;
    0
}

/// How much there is in a second of commands, and of bytes in and out, as it was between the last two looks.
pub(crate) struct Pace {
    counts: [u64; 3],
    at: u64,
    was: [u64; 3],
}

impl Pace {
    pub(in crate::table) fn from(now: u64) -> Self {
        Pace { counts: [0; 3], at: now, was: [0; 3] }
    }

    pub(super) fn of(&mut self, counts: [u64; 3], now: u64) -> [u64; 3] {
        // Looks that follow each other closely, or that come after a reset, say what the last one said.
        let passed = now.saturating_sub(self.at);
        let pairs = || counts.into_iter().zip(self.counts);
        if passed >= 100 || pairs().any(|(now, before)| now < before) {
            let mut since = pairs().map(|(now, before)| now.saturating_sub(before));
            self.was = [(); 3].map(|()| since.next().unwrap_or(0).saturating_mul(1_000) / passed.max(1));
            (self.counts, self.at) = (counts, now);
        }
        self.was
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pace_is_that_between_two_looks_and_starts_again_after_a_reset() {
        let mut pace = Pace::from(1_000);
        let mut of = |count: u64, now| {
            let [pace, twice, none] = pace.of([count, 2 * count, 0], now);
            assert_eq!((twice, none), (2 * pace, 0));
            pace
        };
        assert_eq!(of(50, 1_500), 100);
        assert_eq!(of(70, 1_599), 100); // too soon
        assert_eq!(of(70, 1_600), 200);
        assert_eq!(of(70, 2_600), 0);
        assert_eq!(of(3, 2_600), 0);
        assert_eq!(of(13, 3_600), 10);
    }
}
