//! Writers beside a save: half of their operations overwrite strings of 100 bytes, the others change fields and push to
//! lists, by Zipf's law; one in 64 is a transaction that moves money.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use larder::{Error, Store};
use larder_benches::histogram::{Histogram, Micros};
use larder_benches::resident;
use larder_benches::turns::Turns;
use larder_benches::workload::{Random, Zipf};

/// What this program is called with to look at a snapshot.
pub const CHECK: &str = "--check";

const WRITERS: u64 = 2;
const ROUNDS: usize = 3;
/// How long writers are watched without a save.
const CALM: Duration = Duration::from_secs(4);
const ACCOUNTS: u64 = 1000;
const BALANCE: i64 = 1_000_000;
/// Keys that each writer has drawn in advance, to go through in a circle.
const DRAWN: usize = 1 << 20;
const EXPONENT: f64 = 0.99;
/// For so many bytes there is a string, a hash and a list to each four strings.
const SHARE: u64 = 1250;
const STRINGS: u64 = 4;

/// What writers are watched beside.
const CASES: [&str; 3] = ["nothing", "a thread that computes", "a save"];
/// Waits of at least this are looked into.
const LONG: Duration = Duration::from_micros(200);

/// What writers waited for each operation.
#[derive(Clone, Default)]
struct Waits {
    all: Histogram,
    /// Less what they waited for a processor, of which others may have had each.
    for_store: Histogram,
}

impl Waits {
    fn add(&mut self, other: &Waits) {
        self.all.add(&other.all);
        self.for_store.add(&other.for_store);
    }
}

/// What writers do at a key.
#[derive(Clone, Copy)]
struct Data {
    /// Hashes, and lists; of strings there are so many times as many.
    collections: u64,
}

pub fn run(megabytes: u64) {
    let data = Data { collections: megabytes * 1_000_000 / SHARE };
    let draws: Vec<Vec<u32>> = (0..WRITERS).map(|seed| data.draw(seed)).collect();
    let empty = resident::now();
    let store = Store::new();
    data.fill(&store).expect("within all limits");
    let held = resident::now() - empty;
    let accounted = store.stats().expect("in no transaction").bytes;
    println!("{} MB in memory, {} MB as accounted", held / 1_000_000, accounted / 1_000_000);
    let path = env::temp_dir().join(format!("larder-saving-{}.snapshot", process::id()));
    let mut totals = <[Waits; CASES.len()]>::default();
    for round in 1..=ROUNDS {
        let shared = (0..5).map(|_| share(&store)).min().unwrap_or_default();
        let (alone, _) = beside(&store, data, &draws, |_| thread::sleep(CALM));
        let (computing, _) = beside(&store, data, &draws, |_| compute(CALM));
        let before = resident::now();
        resident::forget_peak();
        let (saving, took) = beside(&store, data, &draws, |store| save(store, &path));
        let ratio = (resident::peak() - empty) as f64 / (before - empty) as f64;
        println!(
            "round {round}: pages shared in {shared:.0?}, saved in {took:.2?}; {} MB, {ratio:.2} times that at the peak",
            megas(before - empty)
        );
        for ((name, one), total) in CASES.iter().zip([&alone, &computing, &saving]).zip(&mut totals) {
            println!("  beside {name}: {} ({} calls)", one.all, one.all.count());
            total.add(one);
        }
        check(&path);
    }
    println!("| writers beside | p50 | p99 | p99.9 | longest | without the scheduler: p99.9 | longest |");
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for (name, Waits { all, for_store }) in CASES.iter().zip(&totals) {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| Micros(all.quantile(share)));
        let (longest, rest) = (Micros(all.longest()), Micros(for_store.quantile(0.999)));
        println!(
            "| {name} | {p50} | {p99} | {p999} | {longest} | {rest} | {} |",
            Micros(for_store.longest())
        );
    }
    fs::remove_file(&path).expect("was written");
}

/// Has the writers write until something else is done; gives their waits, and how long that took.
fn beside(store: &Store, data: Data, draws: &[Vec<u32>], work: impl FnOnce(&Store)) -> (Waits, Duration) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let write = |draws| data.write(store, draws, &done);
        let writers: Vec<_> = draws.iter().map(|draws| scope.spawn(move || write(draws))).collect();
        // They are at full speed by then.
        thread::sleep(Duration::from_millis(100));
        let start = Instant::now();
        work(store);
        let took = start.elapsed();
        done.store(true, Ordering::Relaxed);
        let mut all = Waits::default();
        for writer in writers {
            all.add(&writer.join().expect("writing does not panic").expect("within all limits"));
        }
        (all, took)
    })
}

/// How long it takes to share all pages, which a save begins with; nobody writes meanwhile.
fn share(store: &Store) -> Duration {
    let start = Instant::now();
    let checkpoint = store.checkpoint().expect("in no transaction");
    let took = start.elapsed();
    drop(checkpoint);
    took
}

fn save(store: &Store, path: &Path) {
    store.save(path).expect("there is room");
}

/// What a thread more on the same cores does to the writers' waits, whatever it does.
fn compute(lasts: Duration) {
    let (start, mut random) = (Instant::now(), Random::new(1));
    while start.elapsed() < lasts {
        std::hint::black_box((0..1000).fold(0, |sum: u64, _| sum.wrapping_add(random.number())));
    }
}

/// Has a process of its own look at a snapshot: what it takes of memory is none of this one's.
fn check(path: &Path) {
    let program = env::current_exe().expect("has a path");
    let status = Command::new(program).arg(CHECK).arg(path).status().expect("is a program");
    assert!(status.success(), "the snapshot is of no one instant");
}

/// A snapshot has all the money that there is.
pub fn check_sum(path: &str) {
    let start = Instant::now();
    let store = Store::load(path).expect("is a snapshot");
    let took = start.elapsed();
    let sum: i64 = (0..ACCOUNTS).map(|at| store.counter(account(at)).get().expect("is a number")).sum();
    assert_eq!(sum, ACCOUNTS as i64 * BALANCE);
    let size = fs::metadata(path).expect("was written").len();
    println!("  the sum of all balances in it is right; {} MB, loaded in {took:.2?}", megas(size));
}

impl Data {
    /// The keys that a writer writes to, by Zipf's law; which rank a key has, has nothing to do with when it was made.
    fn draw(self, seed: u64) -> Vec<u32> {
        let keys = self.collections * STRINGS;
        let zipf = Zipf::new(keys as usize, EXPONENT);
        let mut random = Random::new(seed);
        // An odd number that shares no divisor with that of the keys scatters them.
        (0..DRAWN).map(|_| (zipf.draw(&mut random) as u64 * 2_654_435_761 % keys) as u32).collect()
    }

    fn fill(self, store: &Store) -> Result<(), Error> {
        for at in 0..self.collections * STRINGS {
            store.insert(key('s', at), [b'v'; 100])?;
        }
        for at in 0..self.collections {
            let hash = store.hash::<String, String>(key('h', at));
            hash.insert_many((0..10).map(|field| (field_name(field), "0123456789")))?;
            store.list::<String>(key('l', at)).extend_back((0..20).map(|item| format!("item{item:08}")))?;
        }
        (0..ACCOUNTS).try_for_each(|at| store.counter(account(at)).set(BALANCE))
    }

    fn write(self, store: &Store, draws: &[u32], done: &AtomicBool) -> Result<Waits, Error> {
        let (mut waits, mut value) = (Waits::default(), [b'v'; 100]);
        let (mut turns, mut last) = (Turns::of_this_thread(), Instant::now());
        for (turn, at) in (0_u64..).zip(draws.iter().cycle()) {
            let at = u64::from(*at);
            value[..8].copy_from_slice(&turn.to_le_bytes());
            match turn % 64 {
                63 => pay(store, at % ACCOUNTS, turn / 64 % ACCOUNTS)?,
                turn if turn % 2 == 0 => store.insert(key('s', at), value)?,
                turn if turn % 4 == 1 => {
                    let hash = store.hash::<String, String>(key('h', at % self.collections));
                    hash.insert(field_name(turn % 10), "9876543210")?;
                }
                _ => {
                    let list = store.list::<String>(key('l', at % self.collections));
                    list.push_back("one item more")?;
                }
            }
            // The end of one is the beginning of the next, but for what it takes to look into a long one.
            let now = Instant::now();
            let waited = now - last;
            last = now;
            waits.all.record(waited);
            let is_long = waited >= LONG;
            let turns = if is_long { turns.waited() } else { Duration::ZERO };
            waits.for_store.record(waited.saturating_sub(turns));
            if is_long {
                last = Instant::now();
            }
            if done.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(waits)
    }
}

fn pay(store: &Store, from: u64, to: u64) -> Result<(), Error> {
    let (from, to) = (account(from), account(to));
    store.transaction([&from, &to], |tx| {
        tx.counter(&from).decr_by(7)?;
        tx.counter(&to).incr_by(7).map(drop)
    })
}

fn key(kind: char, at: u64) -> String {
    format!("{kind}:{at:014}")
}

fn account(at: u64) -> String {
    format!("account:{at:08}")
}

fn field_name(field: u64) -> String {
    format!("name{field:02}")
}

fn megas(bytes: u64) -> u64 {
    bytes / 1_000_000
}
