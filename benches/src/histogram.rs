//! How long calls took: counts by length, in steps of a sixteenth.

use std::fmt;
use std::time::Duration;

/// Steps to each doubling, as a power of two.
const FINE: u32 = 4;
/// Buckets for all that a `u64` of nanoseconds can tell.
const BUCKETS: usize = (64 - FINE as usize + 1) << FINE;

/// Counts of durations. A quantile is given as the longest that its bucket holds, so never too short, and at most a
/// sixteenth too long; the longest of all is exact.
#[derive(Clone)]
pub struct Histogram {
    counts: Vec<u64>,
    longest: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Histogram { counts: vec![0; BUCKETS], longest: 0 }
    }
}

impl Histogram {
    pub fn record(&mut self, took: Duration) {
        let nanos = took.as_nanos() as u64;
        self.counts[bucket(nanos)] += 1;
        self.longest = self.longest.max(nanos);
    }

    pub fn add(&mut self, other: &Histogram) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
        self.longest = self.longest.max(other.longest);
    }

    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    pub fn longest(&self) -> Duration {
        Duration::from_nanos(self.longest)
    }

    /// What this share of all did not take longer than.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        let reached = |count: &u64| {
            seen += count;
            seen >= wanted
        };
        let at = self.counts.iter().position(reached).unwrap_or(0);
        Duration::from_nanos(end(at).min(self.longest))
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| Micros(self.quantile(share)));
        write!(f, "p50 {p50}, p99 {p99}, p99.9 {p999}, longest {}", Micros(self.longest()))
    }
}

/// In microseconds, with as many digits as tell something.
pub struct Micros(pub Duration);

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.0.as_nanos() as f64 / 1e3;
        write!(f, "{micros:.*} us", usize::from(micros < 10.0))
    }
}

/// Short durations have a bucket each, then each doubling has as many.
fn bucket(nanos: u64) -> usize {
    let doubling = (u64::BITS - nanos.leading_zeros()).saturating_sub(FINE + 1);
    ((doubling as usize) << FINE) + (nanos >> doubling) as usize
}

/// The longest that a bucket holds.
fn end(bucket: usize) -> u64 {
    let doubling = (bucket >> FINE).saturating_sub(1);
    let first = (bucket - (doubling << FINE)) as u64;
    ((u128::from(first + 1) << doubling) - 1) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duration_lies_in_its_bucket() {
        for nanos in (0..100_000).chain((0..64).map(|bit| 1 << bit)).chain([u64::MAX]) {
            let at = bucket(nanos);
            assert!(nanos <= end(at) && (at == 0 || nanos > end(at - 1)), "{nanos} in {at}");
            assert!(end(at) - nanos <= nanos / 16, "{nanos}");
        }
    }

    #[test]
    fn quantiles_are_of_all() {
        let mut histogram = Histogram::default();
        for micros in 1..=1000 {
            histogram.record(Duration::from_micros(micros));
        }
        let p99 = histogram.quantile(0.99).as_nanos();
        assert!((990_000..=1_052_000).contains(&p99), "{p99}");
        assert_eq!((histogram.count(), histogram.longest()), (1000, Duration::from_millis(1)));
    }
}
