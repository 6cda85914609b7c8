//! Random numbers from one source that can be seeded: SplitMix64 (Steele, Lea, Flood 2014).

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::sync::atomic::{AtomicU64, Ordering};

const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;

/// A generator that threads share without a lock.
pub(crate) struct Rng(AtomicU64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Rng(AtomicU64::new(seed))
    }

    pub(crate) fn next(&self) -> u64 {
        let state = self.0.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, by Lemire's multiplication; 0 if the bound is 0.
    pub(crate) fn below(&self, bound: usize) -> usize {
        ((u128::from(self.next()) * bound as u128) >> 64) as usize
    }

    /// `count` different numbers below `len`, or all of them, in no order: Floyd's algorithm (Bentley and
    /// Floyd, "A sample of brilliance", 1987). Each choice is as likely as any other. O(count).
    pub(crate) fn sample(&self, count: usize, len: usize) -> Vec<usize> {
        let count = count.min(len);
        let mut chosen = HashSet::with_capacity_and_hasher(count, ahash::RandomState::default());
        let draw = |last| {
            let drawn = self.below(last + 1);
            let fresh = if chosen.insert(drawn) { drawn } else { last };
            chosen.insert(fresh);
            fresh
        };
        (len - count..len).map(draw).collect()
    }
}

/// A number that no other call gives, in this process or another, whatever the store's seed. The system's
/// chance is behind it; the process id tells those apart that a fork has left with the same chance.
pub(crate) fn unseeded() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
