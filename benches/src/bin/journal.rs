//! What a journal costs: `cargo run --release --bin journal -- FOLDER`. Operations a second, each by itself, of a store in memory
//! and of one in the folder under each policy; and how many syncs a second the disk takes by itself.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{env, thread};

use larder::{Store, SyncPolicy};
use larder_benches::median;

const TIME: Duration = Duration::from_millis(1_500);
const ROUNDS: usize = 5;

/// Threads, and what each does over and over.
fn rate(store: &Store, threads: usize, work: fn(&Store, u64)) -> f64 {
    let counts: Vec<u64> = thread::scope(|scope| {
        let run = |thread: u64| {
            move || {
                let (start, mut count) = (Instant::now(), 0);
                while start.elapsed() < TIME {
                    for _ in 0..if threads > 2 { 1 } else { 16 } {
                        work(store, (thread << 32) + count);
                        count += 1;
                    }
                }
                count
            }
        };
        let running: Vec<_> = (0..threads as u64).map(|thread| scope.spawn(run(thread))).collect();
        running.into_iter().map(|thread| thread.join().expect("it does not panic")).collect()
    });
    counts.iter().sum::<u64>() as f64 / TIME.as_secs_f64()
}

fn set(store: &Store, number: u64) {
    store.insert(number % 100_000, "a value of some 24 bytes").expect("there is room");
}

fn push(store: &Store, number: u64) {
    let list = store.list::<String>(number % 64);
    list.push_back("an element of 24 bytes..").expect("there is room");
    if number % 2 == 1 {
        list.pop_front().expect("a list");
    }
}

fn syncs(folder: &Path) -> f64 {
    let mut file = File::create(folder.join("syncs")).expect("a folder");
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed() < TIME {
        file.write_all(&[7; 64]).expect("there is room");
        file.sync_data().expect("a disk");
        count += 1;
    }
    f64::from(count) / TIME.as_secs_f64()
}

fn main() {
    let folder = env::args().nth(1).map_or_else(env::temp_dir, Into::into).join("larder-journal-bench");
    fs::create_dir_all(&folder).expect("a folder");
    let second = Duration::from_secs(1);
    let policies = [
        ("in memory", None),
        ("never", Some(SyncPolicy::Never)),
        ("every second", Some(SyncPolicy::Every(second))),
        ("always", Some(SyncPolicy::Always)),
    ];
    let mut rows = Vec::new();
    for (name, policy) in policies {
        for threads in if policy == Some(SyncPolicy::Always) { vec![1, 8, 64] } else { vec![1, 2] } {
            for (what, work) in [("SET", set as fn(&Store, u64)), ("RPUSH, LPOP", push)] {
                rows.push((name, policy, threads, what, work, Vec::new()));
            }
        }
    }
    let mut of_disk = Vec::new();
    for _ in 0..ROUNDS {
        of_disk.push(syncs(&folder));
        for (_, policy, threads, _, work, rates) in &mut rows {
            let within = folder.join("store");
            let _ = fs::remove_dir_all(&within);
            let store = match policy {
                None => Store::new(),
                Some(policy) => Store::builder().sync_policy(*policy).open(&within).expect("a folder"),
            };
            rates.push(rate(&store, *threads, *work));
        }
    }
    println!("| policy | threads | what | a second |\n| --- | --- | --- | --- |");
    for (name, _, threads, what, _, rates) in rows {
        println!("| {name} | {threads} | {what} | {:.0} |", median::of(rates));
    }
    println!("| the disk alone, syncs | 1 | | {:.0} |", median::of(of_disk));
    fs::remove_dir_all(&folder).expect("it is ours");
}
