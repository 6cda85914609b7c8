//! The operations that are counted. Each is the same in every run: the store's seed and its number of shards
//! are fixed, the clock is moved by hand, and there is no other thread.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

use larder::{Bytes, ManualClock, Result, Store, Sweeping};
use larder_benches::workload;

/// A name, how many runs the mean is taken of, and what a run does; gives how many operations were counted.
pub struct Case {
    pub name: &'static str,
    pub runs: usize,
    pub run: fn() -> usize,
}

const fn case(name: &'static str, run: fn() -> usize) -> Case {
    Case { name, runs: 1, run }
}

/// Large collections hash with a key of the process, which no seed fixes: single runs differ by 1 %.
const fn random(name: &'static str, run: fn() -> usize) -> Case {
    Case { name, runs: 6, run }
}

/// `small` is a collection of 10, which stands in one piece; `large` is one of 100 thousand.
pub const CASES: &[Case] = &[
    case("get_hit", || get(SHORT, None)),
    case("get_miss", get_miss),
    case("get_hit_ttl", || get(SHORT, Some(HOUR))),
    case("get_hit_1KB", || get(LONG, None)),
    case("get_or_load_hit", get_or_load),
    case("insert_overwrite", insert_overwrite),
    case("insert_overwrite_ttl", insert_overwrite_ttl),
    case("insert_new", insert_new),
    case("insert_new_ttl", insert_new_ttl),
    case("remove", remove),
    case("counter_incr", counter_incr),
    case("list_push_pop_small", || list_push_pop(SMALL)),
    case("list_push_pop_large", || list_push_pop(LARGE)),
    case("hash_get_small", || hash_get(SMALL)),
    random("hash_get_large", || hash_get(LARGE)),
    case("hash_insert_small", || hash_insert(SMALL)),
    random("hash_insert_large", || hash_insert(LARGE)),
    case("set_contains_small", || set_contains(SMALL)),
    random("set_contains_large", || set_contains(LARGE)),
    case("sorted_set_update_small", || sorted_set_update(SMALL)),
    random("sorted_set_update_large", || sorted_set_update(LARGE)),
    case("sorted_set_rank_small", || sorted_set_rank(SMALL)),
    random("sorted_set_rank_large", || sorted_set_rank(LARGE)),
    case("transaction_of_two", transaction),
    case("sweep_a_key", sweep),
    case("save_a_key", save),
];

const HOUR: Duration = Duration::from_secs(3600);
const SHORT: &[u8] = b"a value of 16 by";
const LONG: &[u8] = &[b'v'; 1024];
/// Keys of a store.
const KEYS: usize = 10_000;
const SMALL: usize = 10;
const LARGE: usize = 100_000;
/// Operations that are counted.
const ROUNDS: usize = 10_000;
/// Operations before them, so that what is made once is not counted.
const WARM: usize = 100;

/// What is counted, by its name. A closure is called with the numbers from `WARM` on.
#[inline(never)]
fn counted_rounds(mut step: impl FnMut(usize)) {
    for round in WARM..WARM + ROUNDS {
        step(round);
    }
    // Keeps what is counted from ending in a jump to the last callee.
    black_box(());
}

/// The same for what does all its operations in one call.
#[inline(never)]
fn counted_rounds_in_one<R>(step: impl FnOnce() -> R) -> R {
    black_box(step())
}

fn rounds<R>(step: impl Fn(usize) -> Result<R>) -> usize {
    let step = |round| {
        black_box(step(round).expect("within all limits"));
    };
    (0..WARM).for_each(step);
    counted_rounds(step);
    ROUNDS
}

fn store(clock: &ManualClock) -> Store {
    Store::builder().seed(7).shards(8).clock(clock).sweeping(Sweeping::ByHand).build()
}

/// A store with `keys` and one value for all of them.
fn filled(keys: &[String], value: &[u8], ttl: Option<Duration>) -> Store {
    let store = store(&ManualClock::new());
    for key in keys {
        match ttl {
            Some(ttl) => store.insert_ex(key, value, ttl),
            None => store.insert(key, value),
        }
        .expect("within all limits");
    }
    store
}

/// An empty store, for collections.
fn empty() -> Store {
    store(&ManualClock::new())
}

fn get(value: &[u8], ttl: Option<Duration>) -> usize {
    let keys = workload::keys(KEYS);
    let store = filled(&keys, value, ttl);
    rounds(|round| store.get::<Bytes>(&keys[round % KEYS]))
}

fn get_miss() -> usize {
    let keys = workload::keys(2 * KEYS);
    let store = filled(&keys[..KEYS], SHORT, None);
    rounds(|round| store.get::<Bytes>(&keys[KEYS + round % KEYS]))
}

fn get_or_load() -> usize {
    let keys = workload::keys(KEYS);
    let store = filled(&keys, SHORT, None);
    rounds(|round| {
        let miss = || -> std::result::Result<Bytes, Infallible> { unreachable!("every key is there") };
        Ok(store.get_or_load(&keys[round % KEYS], HOUR, miss).expect("nothing is loaded"))
    })
}

fn insert_overwrite() -> usize {
    let keys = workload::keys(KEYS);
    let store = filled(&keys, SHORT, None);
    rounds(|round| store.insert(&keys[round % KEYS], b"another of 16 by"))
}

fn insert_overwrite_ttl() -> usize {
    let keys = workload::keys(KEYS);
    let store = filled(&keys, SHORT, Some(HOUR));
    rounds(|round| store.insert_ex(&keys[round % KEYS], b"another of 16 by", HOUR))
}

fn insert_new() -> usize {
    let keys = workload::keys(KEYS + WARM + ROUNDS);
    let store = filled(&keys[..KEYS], SHORT, None);
    rounds(|round| store.insert(&keys[KEYS + round], SHORT))
}

fn insert_new_ttl() -> usize {
    let keys = workload::keys(KEYS + WARM + ROUNDS);
    let store = filled(&keys[..KEYS], SHORT, Some(HOUR));
    rounds(|round| store.insert_ex(&keys[KEYS + round], SHORT, HOUR))
}

/// Every second key, so that the store stays half full.
fn remove() -> usize {
    let keys = workload::keys(2 * (WARM + ROUNDS));
    let store = filled(&keys, SHORT, None);
    rounds(|round| store.remove(&keys[2 * round]))
}

fn counter_incr() -> usize {
    let store = empty();
    let counter = store.counter("visits");
    rounds(|_| counter.incr())
}

fn list_push_pop(len: usize) -> usize {
    let store = empty();
    let list = store.list::<Bytes>("queue");
    list.extend_back(workload::keys(len)).expect("within all limits");
    rounds(|_| {
        list.push_back("a job of 16 byte")?;
        list.pop_front()
    })
}

fn hash_get(len: usize) -> usize {
    let (store, fields) = (empty(), workload::keys(len));
    let hash = store.hash::<Bytes, Bytes>("cart");
    hash.insert_many(fields.iter().map(|field| (field, SHORT))).expect("within all limits");
    rounds(|round| hash.get(&fields[round % len]))
}

fn hash_insert(len: usize) -> usize {
    let (store, fields) = (empty(), workload::keys(len));
    let hash = store.hash::<Bytes, Bytes>("cart");
    hash.insert_many(fields.iter().map(|field| (field, SHORT))).expect("within all limits");
    rounds(|round| hash.insert(&fields[round % len], b"another of 16 by"))
}

/// Every second member is there.
fn set_contains(len: usize) -> usize {
    let (store, members) = (empty(), workload::keys(2 * len));
    let set = store.set::<Bytes>("tags");
    set.insert_many(members.iter().step_by(2)).expect("within all limits");
    rounds(|round| set.contains(&members[round % (2 * len)]))
}

/// Scores from 0 up to `len` in no order.
fn score(of: usize, len: usize) -> f64 {
    (of.wrapping_mul(0x9e37_79b9) % len) as f64
}

fn sorted_set_update(len: usize) -> usize {
    let (store, members) = (empty(), workload::keys(len));
    let board = store.sorted_set::<Bytes>("board");
    let scored = members.iter().enumerate().map(|(at, member)| (member, score(at, len)));
    board.insert_many(scored).expect("within all limits");
    rounds(|round| board.insert(&members[round % len], score(round.wrapping_mul(31), len) + 0.5))
}

fn sorted_set_rank(len: usize) -> usize {
    let (store, members) = (empty(), workload::keys(len));
    let board = store.sorted_set::<Bytes>("board");
    let scored = members.iter().enumerate().map(|(at, member)| (member, score(at, len)));
    board.insert_many(scored).expect("within all limits");
    rounds(|round| board.rank(&members[round % len]))
}

fn transaction() -> usize {
    let store = empty();
    let (ann, bob) = (store.counter("ann"), store.counter("bob"));
    rounds(|_| {
        store.transaction([&ann, &bob], |tx| {
            tx.counter(&ann).decr_by(1)?;
            tx.counter(&bob).incr_by(1)
        })
    })
}

/// All keys are due at one moment.
fn sweep() -> usize {
    let clock = ManualClock::new();
    let store = store(&clock);
    for key in workload::keys(KEYS) {
        store.insert_ex(key, SHORT, HOUR).expect("within all limits");
    }
    // As the sweeper's thread does, coarse slots of the wheel are spread in advance.
    for _ in 1..HOUR.as_secs() {
        clock.advance(Duration::from_secs(1));
        assert_eq!(store.sweep().expect("in no transaction"), 0);
    }
    clock.advance(Duration::from_secs(1));
    counted_rounds_in_one(|| store.sweep()).expect("in no transaction")
}

fn save() -> usize {
    let store = filled(&workload::keys(KEYS), SHORT, None);
    let path = std::env::temp_dir().join(format!("larder-count-{}.snapshot", std::process::id()));
    let saved = counted_rounds_in_one(|| store.save(&path));
    _ = std::fs::remove_file(&path);
    saved.expect("the folder for temporary files takes one");
    KEYS
}
