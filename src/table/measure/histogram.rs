//! How long something took, how often: a histogram whose buckets are within a hundredth of what is in them.

/// Buckets to each power of two.
const STEPS: usize = 128;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Powers of two up to the longest time that is told apart, and one for what is shorter.
const POWERS: usize = 24;
/// What takes longer counts as this: in nanoseconds, a little more than a second.
const LONGEST: u64 = (1 << 30) - 1;

/// See the [module](self). As in Redis a time is known to two digits, up to a second; the rooms for a power of two come
/// when they are needed, 1 KB each.
#[derive(Default)]
pub(super) struct Histogram {
    powers: [Option<Box<[u64; STEPS]>>; POWERS],
    count: u64,
}

impl Histogram {
    /// Counts a time in nanoseconds. O(1)
    pub(super) fn add(&mut self, nanos: u64) {
        let (power, step) = place(nanos.min(LONGEST));
        // Both lie within: `place` gives no others for what is not above `LONGEST`.
        if let Some(steps) = self.powers.get_mut(power) {
            steps.get_or_insert_with(|| Box::new([0; STEPS]))[step % STEPS] += 1;
            self.count += 1;
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The buckets with anything in them, from the shortest time: the longest time that falls into each, and how many
    /// have.
    fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        self.powers.iter().enumerate().flat_map(|(power, steps)| {
            let steps = steps.iter().flat_map(|steps| steps.iter().enumerate());
            steps.filter(|(_, count)| **count > 0).map(move |(step, count)| (last(power, step), *count))
        })
    }

    /// The time, in nanoseconds, that so many in a hundred have not exceeded; 0 if there are none. O(buckets)
    pub(super) fn percentile(&self, percent: f64) -> u64 {
        let wanted = ((percent.clamp(0.0, 100.0) / 100.0 * self.count as f64) + 0.5) as u64;
        let mut seen = 0;
        let reached = self.buckets().find(|(_, count)| {
            seen += count;
            seen >= wanted.max(1)
        });
        reached.map_or(0, |(time, _)| time)
    }

    /// How many took no longer than each power of two of about a microsecond, where that grows: microseconds, and how
    /// many. O(buckets)
    pub(super) fn cumulative(&self) -> Vec<(u64, u64)> {
        let mut all: Vec<(u64, u64)> = Vec::new();
        let mut seen = 0;
        for (time, count) in self.buckets() {
            seen += count;
            // The bucket that begins with the power belongs to it still.
            let level = (10..=30).map(|power| last_of(1 << power)).find(|level| time <= *level);
            let micros = level.unwrap_or(LONGEST) / 1_000;
            match all.last_mut() {
                Some((same, total)) if *same == micros => *total = seen,
                _ => all.push((micros, seen)),
            }
        }
        all
    }
}

/// The power of two and the step of a time.
fn place(nanos: u64) -> (usize, usize) {
    if nanos < STEPS as u64 {
        return (0, nanos as usize);
    }
    // Above 0: the number has more than `STEP_BITS` bits.
    let power = nanos.ilog2() - STEP_BITS;
    (power as usize + 1, (nanos >> power) as usize - STEPS)
}

/// The longest time that falls into a bucket.
fn last(power: usize, step: usize) -> u64 {
    match power {
        0 => step as u64,
        power => ((STEPS + step + 1) as u64) << (power - 1) as u64,
    }
    .saturating_sub(u64::from(power > 0))
}

/// The longest time that falls into the bucket of this one.
fn last_of(nanos: u64) -> u64 {
    let (power, step) = place(nanos);
    last(power, step)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_time_has_its_place() {
        let (power, step) = place(LONGEST);
        assert!(power < POWERS && step < STEPS);
        assert_eq!(last(power, step), LONGEST);
        assert_eq!([8_000, 22_000, 20_185_000, 255].map(last_of), [8_031, 22_015, 20_185_087, 255]);
    }

    #[test]
    fn levels_are_those_of_redis() {
        let mut times = Histogram::default();
        [22_000, 20_000_000, 30_000_000, 900].iter().for_each(|time| times.add(*time));
        assert_eq!(times.cumulative(), [(1, 1), (33, 2), (33_816, 4)]);
    }

    proptest! {
        #[test]
        fn percentiles_are_those_of_the_sorted_times(
            mut times in prop::collection::vec(1_u64..LONGEST, 1..60), percent in 1_u32..=100,
        ) {
            let mut all = Histogram::default();
            times.iter().for_each(|time| all.add(*time));
            times.sort_unstable();
            let rank = ((f64::from(percent) / 100.0 * times.len() as f64) + 0.5) as usize;
            let exact = times[rank.max(1) - 1];
            let told = all.percentile(percent.into());
            prop_assert!(told >= exact && told - exact <= exact / 128 + 1, "{told} for {exact}");
            prop_assert_eq!(all.cumulative().last().map(|(_, count)| *count), Some(times.len() as u64));
        }
    }
}
