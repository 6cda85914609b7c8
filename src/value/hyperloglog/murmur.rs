//! MurmurHash64A (Austin Appleby, public domain), with the seed that Redis has for HyperLogLogs.

const SEED: u64 = 0xadc8_3b19;
const MULTIPLIER: u64 = 0xc6a4_a793_5bd1_e995;
const SHIFT: u32 = 47;

/// The hash of an element: the same on every machine. O(n)
pub(super) fn hash(element: &[u8]) -> u64 {
    let chunks = element.chunks_exact(8);
    let tail = chunks.remainder();
    let start = SEED ^ (element.len() as u64).wrapping_mul(MULTIPLIER);
    let mut hash = chunks.fold(start, |hash, chunk| {
        let word = mix(little_endian(chunk).wrapping_mul(MULTIPLIER)).wrapping_mul(MULTIPLIER);
        (hash ^ word).wrapping_mul(MULTIPLIER)
    });
    if !tail.is_empty() {
        hash = (hash ^ little_endian(tail)).wrapping_mul(MULTIPLIER);
    }
    mix(mix(hash).wrapping_mul(MULTIPLIER))
}

fn mix(word: u64) -> u64 {
    word ^ word >> SHIFT
}

/// Up to eight bytes as a number.
fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte))
}
