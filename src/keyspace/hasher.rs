//! The hash of a key: by keys that nobody knows, or by a seed.

use std::hash::BuildHasher;
use std::sync::LazyLock;

use crate::rng::{Rng, mix};

/// See the [module](self).
#[derive(Clone)]
pub(crate) enum Hasher {
    Secret(ahash::RandomState),
    /// The same on every machine, which ahash's are not. Whoever chooses names can make them collide.
    Seeded(u64),
}

impl Hasher {
    pub(crate) fn new(seed: Option<u64>) -> Self {
        match seed {
            None => Hasher::Secret(ahash::RandomState::new()),
            Some(seed) => Hasher::Seeded(Rng::new(seed).next()),
        }
    }

    #[inline]
    pub(crate) fn hash(&self, bytes: &[u8]) -> u64 {
        match self {
            Hasher::Secret(keys) => keys.hash_one(bytes),
            Hasher::Seeded(seed) => seeded(*seed, bytes),
        }
    }
}

/// Eight bytes at a time, each folded in by a multiplication to 128 bits, as wyhash (Wang Yi) does.
#[inline(never)]
fn seeded(seed: u64, bytes: &[u8]) -> u64 {
    const FACTOR: u64 = 0x9fb2_1c65_1e98_df25;
    let fold = |hash: u64, word: u64| {
        let wide = u128::from(hash ^ word) * u128::from(FACTOR);
        (wide as u64) ^ (wide >> 64) as u64 ^ hash.rotate_left(29)
    };
    let words = bytes.chunks(8).map(|chunk| {
        let mut word = [0; 8];
        // A chunk has eight bytes at the most.
        word[..chunk.len()].copy_from_slice(chunk);
        u64::from_le_bytes(word)
    });
    mix(words.fold(seed ^ bytes.len() as u64, fold))
}

/// What maps of names hash by that are made often and are most often empty: the keys are the process's, so that
/// such a map is made, and moved, at the cost of its few words.
#[derive(Clone, Copy, Default)]
pub(crate) struct Common;

static COMMON: LazyLock<ahash::RandomState> = LazyLock::new(ahash::RandomState::new);

impl BuildHasher for Common {
    type Hasher = ahash::AHasher;

    fn build_hasher(&self) -> ahash::AHasher {
        COMMON.build_hasher()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_seeded_hash_is_the_same_everywhere() {
        let hash = |seed, name: &str| Hasher::new(Some(seed)).hash(name.as_bytes());
        assert_eq!(hash(7, "user:1"), 0xbe9d_6e46_2144_24a3);
        assert_ne!(hash(7, "user:1"), hash(8, "user:1"));
    }

    /// The high bits spread keys over shards, the low ones find them there.
    #[test]
    fn a_seeded_hash_spreads_names() {
        let hasher = Hasher::new(Some(7));
        let names = (0..50_000).flat_map(|n| [format!("user:{n}"), format!("{n}"), "x".repeat(n % 700)]);
        let names: HashSet<String> = names.collect();
        let hashes: Vec<u64> = names.iter().map(|name| hasher.hash(name.as_bytes())).collect();
        let low: HashSet<u32> = hashes.iter().map(|hash| *hash as u32).collect();
        assert!(names.len() - low.len() < 10, "{} of {}", low.len(), names.len());
        let mut shards = [0_usize; 64];
        hashes.iter().for_each(|hash| shards[(hash >> 58) as usize] += 1);
        let mean = names.len() / 64;
        assert!(shards.iter().all(|count| count.abs_diff(mean) < mean / 5), "{shards:?}");
    }
}
