//! A circuit breaker: after so many loads in a row that have failed, none is tried for a while.

use crate::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// After how many failures it opens, and for how many milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub failures: u32,
    pub pause: u64,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: AtomicU32,
    /// No load is tried before that, but one that tries for all.
    open_until: AtomicU64,
}

impl Breaker {
    /// Whether a load may be tried now. When a pause is over, one is, and the next pause begins with it: it ends as
    /// soon as that load has brought a value.
    pub(super) fn admits(&self, limit: Option<Limit>, now: u64) -> bool {
        let Some(limit) = limit else { return true };
        let open_until = self.open_until.load(Ordering::Acquire);
        if open_until == 0 {
            return true;
        }
        let next = now.saturating_add(limit.pause).max(1);
        now >= open_until
            && self.open_until.compare_exchange(open_until, next, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether it is open: for statistics.
    pub(super) fn is_open(&self, now: u64) -> bool {
        now < self.open_until.load(Ordering::Acquire)
    }

    /// For how much longer it is open.
    pub(super) fn left(&self, now: u64) -> u64 {
        self.open_until.load(Ordering::Acquire).saturating_sub(now)
    }

    pub(super) fn succeeded(&self) {
        // Read first: most loads find nothing to change.
        if self.failures.load(Ordering::Acquire) != 0 || self.open_until.load(Ordering::Acquire) != 0 {
            self.failures.store(0, Ordering::Release);
            self.open_until.store(0, Ordering::Release);
        }
    }

    pub(super) fn failed(&self, limit: Option<Limit>, now: u64) {
        let Some(limit) = limit else { return };
        let failures = self.failures.fetch_add(1, Ordering::AcqRel).saturating_add(1);
        if failures >= limit.failures {
            self.open_until.store(now.saturating_add(limit.pause).max(1), Ordering::Release);
        }
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    const LIMIT: Option<Limit> = Some(Limit { failures: 3, pause: 100 });

    #[test]
    fn opens_after_so_many_failures_in_a_row() {
        let breaker = Breaker::default();
        breaker.failed(LIMIT, 10);
        breaker.failed(LIMIT, 10);
        breaker.succeeded();
        breaker.failed(LIMIT, 10);
        breaker.failed(LIMIT, 10);
        assert!(breaker.admits(LIMIT, 10));
        breaker.failed(LIMIT, 10);
        assert!(!breaker.admits(LIMIT, 109) && breaker.is_open(109));
    }

    #[test]
    fn lets_one_try_when_a_pause_is_over() {
        let breaker = Breaker::default();
        (0..3).for_each(|_| breaker.failed(LIMIT, 0));
        assert!(breaker.admits(LIMIT, 100));
        assert!(!breaker.admits(LIMIT, 100), "another tries already");
        breaker.failed(LIMIT, 150);
        assert!(!breaker.admits(LIMIT, 249));
        assert!(breaker.admits(LIMIT, 250));
        breaker.succeeded();
        assert!(breaker.admits(LIMIT, 251) && breaker.admits(LIMIT, 251));
    }

    #[test]
    fn without_a_limit_it_never_opens() {
        let breaker = Breaker::default();
        (0..100).for_each(|_| breaker.failed(None, 0));
        assert!(breaker.admits(None, 0));
    }
}
