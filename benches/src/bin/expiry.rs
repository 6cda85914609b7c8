//! How soon memory is back once keys are due, and what other operations wait meanwhile.
//!
//! `expiry [KEYS]` runs two cases: all keys due at one moment, and one in twenty of them. A thread
//! goes on reading keys without a deadline, and writes each sixteenth; its waits are told for the second
//! before the deadline, and for the time from the deadline until the last key is gone.
//!
//! Then the same by hand: a manual clock is moved to the deadline, and one thread sweeps. There what is
//! due also stands in an order that has nothing to do with that of the deadlines, and among keys that stay.

use std::env;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use larder::{Bytes, ManualClock, Store, Sweeping};
use larder_benches::counting::{self, Counting};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Keys without a deadline that are read all the while.
const OTHERS: usize = 1_000;
/// How long reads are watched before the deadline.
const CALM: Duration = Duration::from_secs(1);
/// How long memory is watched after it.
const WATCHED: Duration = Duration::from_secs(3);

/// Room for so many reads to be told of.
const READS: usize = 4 << 20;

/// When a read began, and how long it took.
type Wait = (Instant, Duration);

fn main() {
    let keys = env::args().nth(1).map_or(1_000_000, |keys| keys.parse().expect("a number of keys"));
    run("all due at once", keys, keys);
    run("one in twenty due", keys / 20, keys);
    println!("by hand, with a manual clock");
    let mut order: Vec<usize> = (0..keys).collect();
    by_hand("all due", &order, |_| true);
    by_hand("all due, in random order", shuffled(&mut order), |_| true);
    by_hand("one in two due, in random order", &order, |key| key % 2 == 0);
    by_hand("one in twenty due, in random order", &order, |key| key % 20 == 0);
}

/// Any order will do, if it is the same in each run.
fn shuffled(keys: &mut [usize]) -> &[usize] {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for at in (1..keys.len()).rev() {
        state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        keys.swap(at, (state >> 33) as usize % (at + 1));
    }
    keys
}

/// Keys are given a deadline in this order, those of which `is_due` says so.
fn by_hand(title: &str, order: &[usize], is_due: impl Fn(usize) -> bool) {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).build();
    for key in 0..order.len() {
        store.insert(format!("key:{key:012}"), [b'v'; 16]).expect("within all limits");
    }
    let minute = Duration::from_secs(60);
    for key in order.iter().filter(|key| is_due(**key)) {
        store.expire(format!("key:{key:012}"), minute).expect("within all limits");
    }
    // As the sweeper's thread does, coarse slots of the wheel are spread in advance.
    for _ in 0..59 {
        clock.advance(Duration::from_secs(1));
        assert_eq!(store.sweep().expect("in no transaction"), 0);
    }
    clock.advance(Duration::from_secs(1));
    let start = Instant::now();
    let gone = store.sweep().expect("in no transaction");
    let took = start.elapsed();
    println!(
        "  {title:<35} {gone:>7} in {took:.1?}, {:.0} ns each",
        took.as_nanos() as f64 / gone.max(1) as f64
    );
}

fn run(title: &str, due: usize, keys: usize) {
    // Allocated and touched in advance, so that no read waits for it and the count stands still.
    let mut waits = vec![(Instant::now(), Duration::ZERO); READS];
    let empty = counting::live();
    let store = Store::new();
    for other in 0..OTHERS {
        store.insert(format!("other:{other:010}"), [b'v'; 16]).expect("within all limits");
    }
    for stay in due..keys {
        store.insert(format!("stay:{stay:011}"), [b'v'; 16]).expect("within all limits");
    }
    // Time enough to insert them all, on a slow machine too.
    let deadline = Instant::now() + Duration::from_secs(2) + Duration::from_micros(4) * due as u32;
    for key in 0..due {
        let ttl = deadline.saturating_duration_since(Instant::now());
        store.insert_ex(format!("due:{key:012}"), [b'v'; 16], ttl).expect("within all limits");
    }
    let inserted = Instant::now();
    assert!(inserted + CALM < deadline, "inserting took too long: {:?} late", inserted + CALM - deadline);

    let before = store.stats().expect("in no transaction");
    let done = AtomicBool::new(false);
    let samples = thread::scope(|scope| {
        let reader = scope.spawn(|| read_others(&store, deadline, &done, &mut waits));
        thread::sleep(deadline.saturating_duration_since(Instant::now()));
        let samples = watch(deadline);
        done.store(true, Ordering::Relaxed);
        reader.join().expect("reading does not panic");
        samples
    });
    let after = store.stats().expect("in no transaction");

    let (first, last) = (samples[0].1, samples[samples.len() - 1].1);
    let back = |percent: usize| {
        let fall = (first - last) * percent / 100;
        let sample = samples.iter().find(|(_, live)| first.saturating_sub(*live) >= fall);
        sample.map_or(WATCHED, |(at, _)| *at)
    };
    println!("{title}: {due} of {keys}");
    println!("  keys           {} -> {} (of {})", before.entries, after.entries, keys - due + OTHERS);
    println!("  allocated      {:.1} MB -> {:.1} MB", megabytes(first - empty), megabytes(last - empty));
    println!("  as accounted   {:.1} MB -> {:.1} MB", megabytes(before.bytes), megabytes(after.bytes));
    println!(
        "  memory back    50 % {:.0?}, 99 % {:.0?}, all {:.0?} after the deadline",
        back(50),
        back(99),
        back(100)
    );
    let (calm, busy): (Vec<_>, Vec<_>) = waits.into_iter().partition(|(at, _)| *at < deadline);
    let busy = busy.into_iter().filter(|(at, _)| *at < deadline + back(100)).collect();
    tell("before", calm);
    tell("meanwhile", busy);
}

/// What is allocated, looked at every half a millisecond. The store is not asked: that takes locks.
fn watch(deadline: Instant) -> Vec<(Duration, usize)> {
    let mut samples = Vec::with_capacity(1 << 14);
    while deadline.elapsed() < WATCHED {
        samples.push((deadline.elapsed(), counting::live()));
        thread::sleep(Duration::from_micros(500));
    }
    samples
}

/// Reads keys that have no deadline, and notes what each read waits.
fn read_others(store: &Store, deadline: Instant, done: &AtomicBool, waits: &mut Vec<Wait>) {
    let names: Vec<String> = (0..OTHERS).map(|other| format!("other:{other:010}")).collect();
    thread::sleep((deadline - CALM).saturating_duration_since(Instant::now()));
    let mut len = 0;
    for (wait, name) in waits.iter_mut().zip(names.iter().cycle()) {
        let start = Instant::now();
        if len % 16 == 15 {
            store.insert(name, [b'w'; 16]).expect("within all limits");
        } else {
            black_box(store.get::<Bytes>(name).expect("holds strings"));
        }
        *wait = (start, start.elapsed());
        len += 1;
        if done.load(Ordering::Relaxed) {
            break;
        }
        // A reader that never rests would take the machine from everybody else.
        if len % 16 == 0 {
            thread::sleep(Duration::from_micros(20));
        }
    }
    waits.truncate(len);
}

fn tell(when: &str, waits: Vec<Wait>) {
    let mut waits: Vec<Duration> = waits.into_iter().map(|(_, wait)| wait).collect();
    waits.sort_unstable();
    let at = |share: f64| waits.get((waits.len() as f64 * share) as usize).copied().unwrap_or_default();
    let longest = waits.last().copied().unwrap_or_default();
    println!(
        "  calls {when:<9} p50 {:?}, p99 {:?}, p99.9 {:?}, longest {longest:?} ({} calls)",
        at(0.5),
        at(0.99),
        at(0.999),
        waits.len()
    );
}

fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1e6
}
