//! Hits of a cache that loads: numbers as keys, a struct of 1 KB in an `Arc`, as a repository has them.
//!
//! `cache_hits [ROUNDS]` asks larder's `Cache`, quick_cache and moka in turns, with and without a time to live, and prints
//! the median of the rounds and larder's ratio to it. On several threads all ask for the same hot keys.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};
use std::{env, thread};

use larder::{Cache, Store};
use larder_benches::median;

const KEYS: u64 = 10_000;
const ROUND: usize = 200_000;

/// What a row comes to.
#[allow(dead_code)]
struct Product([u8; 1024]);

type Ask = Box<dyn Fn(u64) + Send + Sync>;

fn never<T>() -> Result<T, Infallible> {
    unreachable!("every key is there")
}

fn product() -> Arc<Product> {
    Arc::new(Product([7; 1024]))
}

fn peers() -> Vec<(&'static str, Ask)> {
    let store = Store::new();
    let plain: Cache<u64, Product> = store.cache("plain").ttl(Duration::MAX).build().expect("a new name");
    let timed: Cache<u64, Product> =
        store.cache("timed").ttl(Duration::from_secs(3600)).build().expect("a new name");
    let bounded = Store::builder().max_keys(2 * KEYS as usize).build();
    let bounded: Cache<u64, Product> =
        bounded.cache("bounded").ttl(Duration::from_secs(3600)).build().expect("a new name");
    let quick = quick_cache::sync::Cache::<u64, Arc<Product>>::new(2 * KEYS as usize);
    let moka = moka::sync::Cache::<u64, Arc<Product>>::new(2 * KEYS);
    let moka_ttl = moka::sync::Cache::<u64, Arc<Product>>::builder()
        .max_capacity(2 * KEYS)
        .time_to_live(Duration::from_secs(3600))
        .build();
    for key in 0..KEYS {
        plain.insert(&key, product()).expect("there is room");
        timed.insert(&key, product()).expect("there is room");
        bounded.insert(&key, product()).expect("there is room");
        quick.insert(key, product());
        moka.insert(key, product());
        moka_ttl.insert(key, product());
    }
    let of_larder = |cache: Cache<u64, Product>| -> Ask {
        Box::new(move |key| _ = black_box(cache.get_or_load(&key, never::<Product>)))
    };
    vec![
        ("larder", of_larder(plain)),
        ("larder, with a ttl", of_larder(timed)),
        ("larder, bounded, with a ttl", of_larder(bounded)),
        ("quick_cache", Box::new(move |key| _ = black_box(quick.get_or_insert_with(&key, never)))),
        ("moka", Box::new(move |key| _ = black_box(moka.try_get_with(key, never)))),
        ("moka, with a ttl", Box::new(move |key| _ = black_box(moka_ttl.try_get_with(key, never)))),
    ]
}

fn round(ask: &Ask, threads: usize) -> f64 {
    let start = Barrier::new(threads);
    let times: Vec<Duration> = thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|thread| {
                let start = &start;
                scope.spawn(move || {
                    let mut state = 0x9e37_79b9_7f4a_7c15_u64 ^ (thread as u64 + 1);
                    start.wait();
                    let begun = Instant::now();
                    for _ in 0..ROUND {
                        state ^= state << 13;
                        state ^= state >> 7;
                        state ^= state << 17;
                        ask(state % KEYS);
                    }
                    begun.elapsed()
                })
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().expect("does not panic")).collect()
    });
    let longest = times.into_iter().max().expect("one thread or more");
    longest.as_nanos() as f64 / ROUND as f64
}

fn main() {
    let rounds = env::args().nth(1).map_or(21, |rounds| rounds.parse().expect("a number of rounds"));
    let peers = peers();
    for threads in [1, 2] {
        let mut times = vec![Vec::new(); peers.len()];
        for _ in 0..rounds {
            for ((_, ask), times) in peers.iter().zip(&mut times) {
                times.push(round(ask, threads));
            }
        }
        let medians: Vec<f64> = times.into_iter().map(median::of).collect();
        println!("{threads} thread(s), ns a hit:");
        for ((name, _), median) in peers.iter().zip(&medians) {
            println!(
                "  {name:<27} {median:6.1}   larder takes {:.2} of that, with a ttl {:.2}",
                medians[0] / median,
                medians[1] / median
            );
        }
    }
}
