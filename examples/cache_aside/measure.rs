//! How fast something is, and how its reads are distributed.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

pub struct Figures {
    pub per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
}

/// Reads each list of ids from a thread of its own, all at the same time.
pub fn measure<T, E: Send>(
    wanted: &[Vec<u64>],
    read: impl Fn(u64) -> Result<Option<T>, E> + Sync,
) -> Result<Figures, E> {
    let (start, read) = (&Barrier::new(wanted.len()), &read);
    let threads = thread::scope(|scope| {
        let threads: Vec<_> = wanted
            .iter()
            .map(|ids| {
                scope.spawn(move || {
                    let mut times = Vec::with_capacity(ids.len());
                    start.wait();
                    let began = Instant::now();
                    for id in ids {
                        let began = Instant::now();
                        let found = read(*id)?;
                        times.push(began.elapsed());
                        assert!(found.is_some());
                    }
                    Ok((began.elapsed(), times))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect::<Result<Vec<_>, E>>()
    })?;
    let longest = threads.iter().map(|(took, _)| *took).max().unwrap_or_default();
    let mut times: Vec<Duration> = threads.into_iter().flat_map(|(_, times)| times).collect();
    times.sort_unstable();
    Ok(Figures {
        per_second: times.len() as f64 / longest.as_secs_f64(),
        p50: times[times.len() / 2],
        p99: times[times.len() * 99 / 100],
    })
}

/// `count` ids from 1 to `ids`, drawn so that the n-th most popular is wanted 1/n as often as the first.
pub fn zipf(ids: u64, count: usize, seed: u64) -> Vec<u64> {
    let mut sums: Vec<f64> = Vec::with_capacity(ids as usize);
    let mut sum = 0.0;
    for rank in 1..=ids {
        sum += 1.0 / rank as f64;
        sums.push(sum);
    }
    let mut state = seed;
    let mut random = || {
        // SplitMix64.
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..count)
        .map(|_| {
            let drawn = random() * sum;
            let rank = sums.partition_point(|bound| *bound < drawn) as u64;
            // Popular products are spread over the table.
            rank.min(ids - 1) * 7919 % ids + 1
        })
        .collect()
}
