//! How long a value is used for what: decisions from times and chance alone.

use super::entry::Life;
use crate::clock::{LAST, NEVER};
use crate::sync::atomic::{AtomicU64, Ordering};

/// What was asked for when the cache was built; times in milliseconds.
#[derive(Debug, Clone)]
pub(super) struct Policy {
    pub ttl: u64,
    /// The share of the time to live that is taken off at random, at the most.
    pub jitter: f64,
    /// A value that is used lives on for so long.
    pub idle: Option<u64>,
    /// How long after its time a value is kept, to be served if it cannot be loaded anew.
    pub stale_for: u64,
    /// How long after its time it is served while it is loaded anew.
    pub revalidate_for: u64,
    /// After which share of its time it is loaded anew while it is served.
    pub refresh_after: Option<f64>,
    /// How much earlier than needed it may be loaded anew by chance; see [`Policy::is_early`].
    pub early: Option<f64>,
    pub absent_ttl: Option<u64>,
    /// How long after a load that has failed none is tried, while there is a stale value to serve.
    pub retry_after: u64,
}

/// What is known of a value that comes from elsewhere; in milliseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lived {
    pub age: u64,
    /// How long it is fresh, all together.
    pub fresh_for: u64,
    /// How long it took to load.
    pub took: u64,
}

/// What becomes of a value that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is served.
    Fresh,
    /// It is served, and one of those who ask loads it anew.
    Refresh,
    /// Its time is over. It is served while one of those who ask loads it anew.
    Revalidate,
    /// Its time is over. It is served if it cannot be loaded anew.
    Reload,
    /// Its time is over, and it could not be loaded a moment ago: it is served.
    Wait,
    /// It counts as missing.
    Gone,
}

/// Beyond so many times what a load takes, nobody is early: the chance is one in 10^8.
const EARLIEST: f64 = 20.0;

impl Policy {
    /// The life of a value that is stored now and took so long to load; `ttl` in place of the cache's, and a number
    /// from 0 to 1 as chance.
    pub(super) fn life(&self, now: u64, ttl: Option<u64>, took: u64, is_absent: bool, chance: f64) -> Life {
        let own_ttl = ttl.unwrap_or(0);
        let ttl = ttl.unwrap_or_else(|| self.ttl_of(is_absent));
        let fresh_for = self.jittered(ttl, chance);
        // A value that is used lives on, but never longer than its time to live.
        let ends = now.saturating_add(fresh_for).min(LAST);
        let fresh_until = self.idle.map_or(ends, |idle| ends.min(now.saturating_add(idle)));
        let refresh_at = match self.refresh_after {
            Some(share) if !is_absent => now.saturating_add(portion(fresh_for, share)),
            _ => NEVER,
        };
        let early_from = match self.early {
            Some(beta) if !is_absent => ends.saturating_sub(portion(took.max(1), beta * EARLIEST)),
            _ => NEVER,
        };
        let quiet_until = if self.idle.is_some() { 0 } else { fresh_until.min(refresh_at).min(early_from) };
        let kept_for = if is_absent { 0 } else { self.stale_for.max(self.revalidate_for) };
        Life {
            stored_at: now,
            quiet_until,
            refresh_at,
            early_from,
            ends,
            fresh_until: AtomicU64::new(fresh_until),
            kept_for,
            deadline: AtomicU64::new(self.deadline(fresh_until, kept_for)),
            took,
            own_ttl,
            retry_at: AtomicU64::new(0),
        }
    }

    /// The time to live of what no loader has said one of.
    fn ttl_of(&self, is_absent: bool) -> u64 {
        if is_absent { self.absent_ttl.unwrap_or(0) } else { self.ttl }
    }

    fn jittered(&self, ttl: u64, chance: f64) -> u64 {
        ttl - portion(ttl, self.jitter * chance.clamp(0.0, 1.0)).min(ttl.saturating_sub(1))
    }

    /// The life of a value that is put into the first level now and was stored elsewhere a while ago.
    pub(super) fn life_of(&self, now: u64, lived: Lived, is_absent: bool, chance: f64) -> Life {
        let Lived { age, fresh_for, took } = lived;
        let mut life = self.life(now, Some(fresh_for), took, is_absent, chance);
        let back = |moment: u64| if moment == NEVER { NEVER } else { moment.saturating_sub(age) };
        life.stored_at = back(life.stored_at);
        life.refresh_at = back(life.refresh_at);
        life.early_from = back(life.early_from);
        life.ends = back(life.ends);
        // To be found there is a use.
        let fresh_until = self.idle.map_or(life.ends, |idle| life.ends.min(now.saturating_add(idle)));
        let quiet_until = fresh_until.min(life.refresh_at).min(life.early_from);
        life.quiet_until = if self.idle.is_some() { 0 } else { quiet_until };
        life.deadline = AtomicU64::new(self.deadline(fresh_until, life.kept_for));
        life.fresh_until = AtomicU64::new(fresh_until);
        // Who has said so is not told; what cannot be this cache's time is the loader's.
        let ttl = self.ttl_of(is_absent);
        let is_of_cache = (self.jittered(ttl, 1.0)..=ttl).contains(&fresh_for);
        life.own_ttl = if is_of_cache { 0 } else { fresh_for };
        life
    }

    /// The life of a value that stands there as bytes and is kept for so long: no loader has said so.
    pub(super) fn life_of_bytes(&self, now: u64, left: u64, chance: f64) -> Life {
        let life = self.life(now, Some(left.min(self.ttl).max(1)), 0, false, chance);
        Life { own_ttl: 0, ..life }
    }

    /// What becomes of a value, by a number from 0 to 1 as chance.
    pub(super) fn judge(&self, life: &Life, now: u64, chance: impl FnOnce() -> f64) -> Verdict {
        let fresh_until = life.fresh_until.load(Ordering::Acquire);
        let is_paused = now < life.retry_at.load(Ordering::Acquire);
        if now < fresh_until {
            let refreshes = now >= life.refresh_at || self.is_early(life, now, chance);
            return if refreshes && !is_paused { Verdict::Refresh } else { Verdict::Fresh };
        }
        let over = now - fresh_until;
        if over >= life.kept_for {
            Verdict::Gone
        } else if is_paused {
            Verdict::Wait
        } else if over < self.revalidate_for {
            Verdict::Revalidate
        } else {
            Verdict::Reload
        }
    }

    /// Whether a value is loaded anew before its time is over, by chance: the sooner it ends and the longer its load
    /// takes, the likelier. So of many who ask one is early, and the others never wait. "XFetch", from Vattani,
    /// Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention", 2015.
    fn is_early(&self, life: &Life, now: u64, chance: impl FnOnce() -> f64) -> bool {
        let Some(beta) = self.early else { return false };
        if now < life.early_from {
            return false;
        }
        let took = life.took.max(1) as f64;
        now as f64 - took * beta * chance().max(f64::MIN_POSITIVE).ln() >= life.ends as f64
    }

    /// Has a value that was used live on; gives its key's new deadline, if that is to be put off.
    pub(super) fn used(&self, life: &Life, now: u64) -> Option<u64> {
        let fresh_until = now.saturating_add(self.idle?).min(life.ends);
        life.fresh_until.fetch_max(fresh_until, Ordering::AcqRel);
        if fresh_until.saturating_add(life.kept_for).min(LAST) <= life.deadline.load(Ordering::Acquire) {
            return None;
        }
        let deadline = self.deadline(fresh_until, life.kept_for);
        life.deadline.fetch_max(deadline, Ordering::AcqRel);
        Some(deadline)
    }

    /// Until when an entry stays in its table: where it lives on with each use, a while longer than it is kept, so that
    /// few uses have to put that off.
    fn deadline(&self, fresh_until: u64, kept_for: u64) -> u64 {
        let ahead = self.idle.map_or(0, |idle| idle / 8 + 1);
        fresh_until.saturating_add(kept_for).saturating_add(ahead).min(LAST)
    }

    /// It could not be loaded: the next load waits a while.
    pub(super) fn failed(&self, life: &Life, now: u64) {
        life.retry_at.fetch_max(now.saturating_add(self.retry_after), Ordering::AcqRel);
    }
}

fn portion(whole: u64, share: f64) -> u64 {
    (whole as f64 * share) as u64
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use proptest::option::of;
    use proptest::prelude::*;

    use super::*;

    fn policy() -> impl Strategy<Value = Policy> {
        let millis = || prop_oneof![0..1_000_u64, Just(u64::MAX)];
        let numbers =
            (1..1_000_u64, 0.0..=1.0, of(1..1_000_u64), millis(), millis(), of(1..1_000_u64), millis());
        (numbers, of(0.0..=1.0), of(0.1..4.0)).prop_map(|(numbers, refresh_after, early)| {
            let (ttl, jitter, idle, stale_for, revalidate_for, absent_ttl, retry_after) = numbers;
            Policy {
                ttl,
                jitter,
                idle,
                stale_for,
                revalidate_for,
                refresh_after,
                early,
                absent_ttl,
                retry_after,
            }
        })
    }

    #[test]
    fn a_time_to_live_that_cannot_be_the_caches_is_the_loaders() {
        let policy = Policy {
            ttl: 1_000,
            jitter: 0.1,
            idle: None,
            stale_for: 0,
            revalidate_for: 0,
            refresh_after: None,
            early: None,
            absent_ttl: None,
            retry_after: 0,
        };
        let of_elsewhere =
            |fresh_for| policy.life_of(0, Lived { age: 5, fresh_for, took: 0 }, false, 0.5).own_ttl;
        assert_eq!([899, 900, 1_000, 1_001].map(of_elsewhere), [899, 0, 0, 1_001]);
        assert_eq!([None, Some(1_000)].map(|ttl| policy.life(0, ttl, 0, false, 0.5).own_ttl), [0, 1_000]);
        assert_eq!(policy.life_of_bytes(0, 7, 0.5).own_ttl, 0);
    }

    proptest! {
        /// What was said holds at each moment of a value's life, whatever chance has it be.
        #[test]
        fn a_value_is_served_as_long_as_was_said(
            policy in policy(), (now, took) in (0..1_000_u64, 0..500_u64), ttl in of(1..1_000_u64), is_absent: bool,
            chances in prop::array::uniform2(0.0..1.0), uses in prop::collection::vec(0..400_u64, 0..5),
        ) {
            let life = policy.life(now, ttl, took, is_absent, chances[0]);
            let said = ttl.unwrap_or(if is_absent { policy.absent_ttl.unwrap_or(0) } else { policy.ttl });
            prop_assert!(life.ends <= now + said);
            prop_assert!(life.ends >= now + portion(said, 1.0 - policy.jitter).min(said.saturating_sub(1)));
            let mut moment = now;
            for step in uses {
                moment += step;
                let fresh_until = life.fresh_until.load(Ordering::Relaxed);
                let verdict = policy.judge(&life, moment, || chances[1]);
                let is_fresh = matches!(verdict, Verdict::Fresh | Verdict::Refresh);
                prop_assert_eq!(is_fresh, moment < fresh_until);
                let over = moment.saturating_sub(fresh_until);
                prop_assert_eq!(verdict == Verdict::Gone, !is_fresh && over >= life.kept_for);
                prop_assert!(verdict != Verdict::Refresh || policy.early.is_some() || moment >= life.refresh_at);
                // Nothing is decided before that, and it stays in its table for as long as it may be served.
                prop_assert!(verdict == Verdict::Fresh || moment >= life.quiet_until);
                let deadline = life.deadline.load(Ordering::Relaxed);
                prop_assert!(deadline >= fresh_until.saturating_add(life.kept_for).min(LAST));
                if is_fresh {
                    let put_off = policy.used(&life, moment);
                    let lives_until = life.fresh_until.load(Ordering::Relaxed);
                    prop_assert!((fresh_until..=life.ends.max(fresh_until)).contains(&lives_until));
                    prop_assert!(put_off.is_none_or(|to| to > deadline));
                }
            }
            policy.failed(&life, moment);
            let paused = policy.judge(&life, moment, || chances[1]);
            prop_assert!(policy.retry_after == 0 || matches!(paused, Verdict::Fresh | Verdict::Wait | Verdict::Gone));
        }
    }
}
