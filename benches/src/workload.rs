//! Keys, values, and the order in which they are asked for.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

/// The exponent of Zipf's law: how much more often a key is asked for than the next.
const EXPONENT: f64 = 0.99;
/// The length of a key in bytes.
const KEY: usize = 16;
/// How many accesses are drawn before a measurement, for each thread; they are then gone through
/// in a circle.
const DRAWN: usize = 1 << 20;

/// Repeatable random numbers (splitmix64).
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Random(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to 1, without 1.
    fn fraction(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// Draws ranks by Zipf's law, from 0, the most likely.
pub struct Zipf {
    /// The weights of all ranks up to each.
    sums: Vec<f64>,
}

impl Zipf {
    pub fn new(ranks: usize, exponent: f64) -> Self {
        let mut sum = 0.0;
        let weights = (1..=ranks).map(|rank| (rank as f64).powf(-exponent));
        let sums = weights.map(|weight| {
            sum += weight;
            sum
        });
        Zipf { sums: sums.collect() }
    }

    pub fn draw(&self, random: &mut Random) -> usize {
        let point = random.fraction() * self.sums.last().copied().unwrap_or_default();
        self.sums.partition_point(|up_to| *up_to <= point).min(self.sums.len().saturating_sub(1))
    }
}

/// `count` keys that differ, in no order.
pub fn keys(count: usize) -> Vec<String> {
    // splitmix64 gives each number once in its period.
    let mut random = Random::new(1);
    (0..count).map(|_| format!("{:0KEY$x}", random.number())).collect()
}

/// One thread's accesses: each key, and whether the mixed load writes it.
pub struct Accesses {
    /// The keys, one behind the other: looking one up costs close to nothing, and the same in every
    /// peer.
    keys: String,
    writes: Vec<bool>,
}

impl Accesses {
    /// Goes through the accesses in a circle, `count` of them.
    pub fn each(&self, count: usize, step: impl Fn(&str, bool)) {
        let mut left = count;
        while left > 0 {
            let round = left.min(self.writes.len());
            for (at, writes) in self.writes[..round].iter().enumerate() {
                step(&self.keys[at * KEY..(at + 1) * KEY], *writes);
            }
            left -= round;
        }
    }
}

/// For each thread its accesses, drawn by Zipf's law; one in twenty writes. How often a key is
/// drawn has nothing to do with when it was inserted.
pub fn accesses(keys: &[String], threads: usize) -> Vec<Accesses> {
    let mut random = Random::new(2);
    let mut by_rank: Vec<&str> = keys.iter().map(String::as_str).collect();
    for at in (1..by_rank.len()).rev() {
        by_rank.swap(at, (random.number() % (at as u64 + 1)) as usize);
    }
    let zipf = Zipf::new(keys.len(), EXPONENT);
    let mut draw = || (by_rank[zipf.draw(&mut random)], random.number().is_multiple_of(20));
    (0..threads)
        .map(|_| {
            let (keys, writes) = (0..DRAWN).map(|_| draw()).unzip();
            Accesses { keys, writes }
        })
        .collect()
}

/// Has every thread go through `iterations` of its accesses at the same time; gives the time of the
/// slowest, so that with two threads an ideal peer shows the same time as with one.
pub fn run(accesses: &[Accesses], iterations: u64, step: impl Fn(&str, bool) + Sync) -> Duration {
    let barrier = Barrier::new(accesses.len());
    let one = |accesses: &Accesses| {
        barrier.wait();
        let start = Instant::now();
        accesses.each(iterations as usize, &step);
        start.elapsed()
    };
    let Some((first, others)) = accesses.split_first() else { return Duration::ZERO };
    thread::scope(|scope| {
        let others: Vec<_> = others.iter().map(|accesses| scope.spawn(|| one(accesses))).collect();
        let first = one(first);
        others
            .into_iter()
            .map(|other| other.join().expect("a step does not panic"))
            .fold(first, Duration::max)
    })
}
