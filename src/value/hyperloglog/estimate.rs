//! From the values of registers to a count: the improved raw estimator of Otmar Ertl, "New cardinality
//! estimation algorithms for HyperLogLog sketches" (arXiv:1702.01284, algorithm 6), in the order of operations
//! that gives the doubles which Redis gets.

use super::{INDEX_BITS, REGISTERS};

/// The greatest value that a register has is one more.
const HASH_BITS: usize = (u64::BITS - INDEX_BITS) as usize;
/// 1 / (2 ln 2), the limit for many registers.
const ALPHA: f64 = 0.721_347_520_444_481_7;

/// The count for so many registers of each value. What is beyond counting, as no hashes can bring about, is
/// 2^63.
pub(super) fn cardinality(of_value: &[u32; 64]) -> u64 {
    let registers = REGISTERS as f64;
    let share = |value: usize| f64::from(of_value.get(value).copied().unwrap_or(0));
    let mut sum = registers * tau((registers - share(HASH_BITS + 1)) / registers);
    for value in (1..=HASH_BITS).rev() {
        sum = (sum + share(value)) * 0.5;
    }
    sum += registers * sigma(share(0) / registers);
    let count = (ALPHA * registers * registers / sum).round();
    if count < 2_f64.powi(63) { count as u64 } else { 1 << 63 }
}

/// What registers at zero add: x + x^2 + 2 x^4 + 4 x^8 and so on, infinite for 1.
fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut factor, mut sum) = (1.0, x);
    loop {
        x *= x;
        let before = sum;
        sum += x * factor;
        factor += factor;
        if sum == before {
            return sum;
        }
    }
}

/// What registers at their greatest value take away.
fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut factor, mut sum) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = sum;
        factor *= 0.5;
        sum -= (1.0 - x) * (1.0 - x) * factor;
        if sum == before {
            return sum / 3.0;
        }
    }
}
