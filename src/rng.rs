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

    /// What a generator is to be made with that goes on as this one does.
    pub(crate) fn state(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Goes on from there.
    pub(crate) fn go_on_from(&self, state: u64) {
        self.0.store(state, Ordering::Relaxed);
    }

    pub(crate) fn next(&self) -> u64 {
        mix(self.0.fetch_add(GAMMA, Ordering::Relaxed).wrapping_add(GAMMA))
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

/// A number of which each bit depends on each bit of another.
pub(crate) fn mix(state: u64) -> u64 {
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// So many hexadecimal digits of random numbers.
#[cfg(feature = "commands")]
pub(crate) fn hex(digits: usize, mut next: impl FnMut() -> u64) -> String {
    let mut hex = String::with_capacity(digits + 16);
    while hex.len() < digits {
        hex.push_str(&format!("{:016x}", next()));
    }
    hex.truncate(digits);
    hex
}

/// A number that no other call gives, in this process or another, whatever the store's seed. The system's
/// chance is behind it; the process id tells those apart that a fork has left with the same chance.
pub(crate) fn unseeded() -> u64 {
    RandomState::new().hash_one(std::process::id())
}
