//! Collections beside those of std behind one mutex that nobody else wants: what a queue, an object, a set
//! or a ranking costs that is shared, but not fought for.
//!
//! A benchmark's name is `collections/operation/elements/peer`, such as `collections/hash_get/10/larder`;
//! elements are 16 bytes of text. The time is that of one operation in one thread, all elements being asked for in turn.

use std::cmp::Ordering;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::hint::black_box;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use ahash::RandomState;
use criterion::{Criterion, criterion_group, criterion_main};
use larder::{Bytes, Store};
use larder_benches::workload;

/// A collection that stands in one piece, and one that does not.
const SIZES: [(usize, &str); 2] = [(10, "10"), (100_000, "100k")];
const VALUE: &str = "a value of 16 by";

type Map<V> = HashMap<Bytes, V, RandomState>;

/// Measures `step` with each number from 0 up to `len`, again and again.
fn measure<R>(
    criterion: &mut Criterion,
    operation: &str,
    (len, size): (usize, &str),
    peer: &str,
    step: impl Fn(usize) -> R,
) {
    let mut group = criterion.benchmark_group(format!("collections/{operation}/{size}"));
    let mut turn = 0;
    group.bench_function(peer, |bencher| {
        bencher.iter(|| {
            turn = if turn + 1 < len { turn + 1 } else { 0 };
            black_box(step(turn))
        });
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics under it")
}

fn list(criterion: &mut Criterion) {
    for size in SIZES {
        let items = workload::keys(size.0);
        let name = "list_push_pop";

        let store = Store::new();
        let list = store.list::<Bytes>("queue");
        list.extend_back(&items).expect("within all limits");
        measure(criterion, name, size, "larder", |at| {
            list.push_back(&items[at]).expect("within all limits");
            list.pop_front().expect("a list of bytes")
        });

        let queue: Mutex<VecDeque<Bytes>> = Mutex::new(items.iter().map(bytes).collect());
        measure(criterion, name, size, "std", |at| {
            let item = bytes(&items[at]);
            lock(&queue).push_back(item);
            lock(&queue).pop_front()
        });
    }
}

fn hash(criterion: &mut Criterion) {
    for size in SIZES {
        let fields = workload::keys(size.0);

        let store = Store::new();
        let hash = store.hash::<Bytes, Bytes>("cart");
        hash.insert_many(fields.iter().map(|field| (field, VALUE))).expect("within all limits");
        let map: Mutex<Map<Bytes>> =
            Mutex::new(fields.iter().map(|field| (bytes(field), bytes(VALUE))).collect());

        measure(criterion, "hash_get", size, "larder", |at| hash.get(&fields[at]).expect("a hash of bytes"));
        measure(criterion, "hash_get", size, "std", |at| lock(&map).get(fields[at].as_bytes()).cloned());

        measure(criterion, "hash_insert", size, "larder", |at| {
            hash.insert(&fields[at], VALUE).expect("within all limits")
        });
        measure(criterion, "hash_insert", size, "std", |at| {
            let (field, value) = (bytes(&fields[at]), bytes(VALUE));
            lock(&map).insert(field, value)
        });
    }
}

/// Half of those that are asked for are members.
fn set(criterion: &mut Criterion) {
    for size in SIZES {
        let members = workload::keys(2 * size.0);
        let asked = (members.len(), size.1);

        let store = Store::new();
        let set = store.set::<Bytes>("tags");
        set.insert_many(members.iter().step_by(2)).expect("within all limits");
        measure(criterion, "set_contains", asked, "larder", |at| {
            set.contains(&members[at]).expect("a set of bytes")
        });

        let set: Mutex<HashSet<Bytes, RandomState>> =
            Mutex::new(members.iter().step_by(2).map(bytes).collect());
        measure(criterion, "set_contains", asked, "std", |at| lock(&set).contains(members[at].as_bytes()));
    }
}

/// A score that is ordered as numbers are.
#[derive(Clone, Copy, PartialEq)]
struct Score(f64);

impl Eq for Score {}

impl PartialOrd for Score {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Score {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// What a program would write itself: scores by member, and members by score.
#[derive(Default)]
struct Board {
    scores: Map<Score>,
    ranked: BTreeSet<(Score, Bytes)>,
}

impl Board {
    fn insert(&mut self, member: Bytes, score: Score) {
        if let Some(old) = self.scores.insert(member.clone(), score) {
            self.ranked.remove(&(old, member.clone()));
        }
        self.ranked.insert((score, member));
    }

    /// By walking: std's tree does not count. O(n)
    fn rank(&self, member: &[u8]) -> Option<usize> {
        let (member, score) = self.scores.get_key_value(member)?;
        Some(self.ranked.range(..(*score, member.clone())).count())
    }
}

fn sorted_set(criterion: &mut Criterion) {
    for size in SIZES {
        let members = workload::keys(size.0);
        // Any order will do that is not that of the members.
        let score = |at: usize| (at.wrapping_mul(0x9e37_79b9) % size.0) as f64;

        let store = Store::new();
        let board = store.sorted_set::<Bytes>("board");
        let std_board = Mutex::new(Board::default());
        for (at, member) in members.iter().enumerate() {
            board.insert(member, score(at)).expect("within all limits");
            lock(&std_board).insert(bytes(member), Score(score(at)));
        }

        measure(criterion, "sorted_set_rank", size, "larder", |at| {
            board.rank(&members[at]).expect("a sorted set of bytes")
        });
        // At 100 thousand one walk takes half a millisecond.
        if size.0 <= 1_000 {
            measure(criterion, "sorted_set_rank", size, "std", |at| {
                lock(&std_board).rank(members[at].as_bytes())
            });
        }

        // Each round of updates gives every member the score of another.
        let turn = std::cell::Cell::new(0);
        let next = |at: usize| {
            turn.set(turn.get() + usize::from(at == 0));
            score(at + turn.get()) + 0.5
        };
        measure(criterion, "sorted_set_update", size, "larder", |at| {
            board.insert(&members[at], next(at)).expect("within all limits")
        });
        measure(criterion, "sorted_set_update", size, "std", |at| {
            let (member, score) = (bytes(&members[at]), Score(next(at)));
            lock(&std_board).insert(member, score);
        });
    }
}

fn bytes(text: impl AsRef<str>) -> Bytes {
    text.as_ref().into()
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(12)
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(500));
    targets = list, hash, set, sorted_set
}
criterion_main!(benches);
