//! A database with random faults, random writers and invalidations, and readers that check every answer, for a minute:
//! `cache_soak [SECONDS [SEED]]`. The test of the same name does the same for two seconds.

#[path = "../../../tests/it/cache/soak.rs"]
mod soak;

use std::time::{Duration, UNIX_EPOCH};

fn main() {
    let mut arguments = std::env::args()
        .skip(1)
        .map(|argument| argument.parse::<u64>().expect("a number of seconds, a seed"));
    let lasts = Duration::from_secs(arguments.next().unwrap_or(60));
    let of_the_clock = || UNIX_EPOCH.elapsed().map_or(7, |elapsed| elapsed.as_nanos() as u64);
    let seed = arguments.next().unwrap_or_else(of_the_clock);
    println!("seed {seed}, {lasts:?}");
    let seen = soak::soak(seed, lasts);
    println!("{seen:#?}\nno wrong answer; hit ratio {:.3}", seen.stats.hit_ratio());
}
