//! Stores with a limit: never over it, and what goes when it is reached.

mod edges;
#[cfg(feature = "commands")]
mod later;
mod weigher;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use larder::{
    Bytes, End, Error, Evicted, Eviction, KeyEvents, ManualClock, Store, StoreBuilder, Sweeping, Type,
};
use proptest::prelude::*;

use crate::support::Folder;

const POLICIES: [Eviction; 4] =
    [Eviction::AllKeys, Eviction::Expiring, Eviction::SoonestDeadline, Eviction::Refuse];
const MINUTE: Duration = Duration::from_secs(60);

fn keys(most: usize) -> StoreBuilder {
    Store::builder().max_keys(most).sweeping(Sweeping::ByHand)
}

fn names(store: &Store) -> Vec<String> {
    let mut names: Vec<String> = store.keys("*").unwrap().iter().map(text).collect();
    names.sort_unstable();
    names
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u8, usize),
    InsertEx(u8, usize),
    Push(u8, usize),
    Members(u8, usize),
    Get(u8),
    Remove(u8),
    Rename(u8, u8),
    Move(u8, u8),
    Transaction(u8, u8, bool),
    Many(u8, usize),
    Pass,
}

fn step() -> impl Strategy<Value = Step> {
    let key = || any::<u8>();
    prop_oneof![
        4 => (key(), 0_usize..2_000).prop_map(|(key, len)| Step::Insert(key, len)),
        2 => (key(), 0_usize..2_000).prop_map(|(key, len)| Step::InsertEx(key, len)),
        2 => (key(), 0_usize..200).prop_map(|(key, len)| Step::Push(key, len)),
        2 => (key(), 0_usize..200).prop_map(|(key, len)| Step::Members(key, len)),
        3 => key().prop_map(Step::Get),
        1 => key().prop_map(Step::Remove),
        1 => (key(), key()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => (key(), key()).prop_map(|(from, to)| Step::Move(from, to)),
        1 => (key(), key(), any::<bool>()).prop_map(|(a, b, fails)| Step::Transaction(a, b, fails)),
        1 => (key(), 1_usize..60).prop_map(|(key, count)| Step::Many(key, count)),
        1 => Just(Step::Pass),
    ]
}

/// Carries a step out; what finds no room or another type changes nothing.
fn run(store: &Store, clock: &ManualClock, step: &Step) -> Result<(), Error> {
    match *step {
        Step::Insert(key, len) => store.insert(key, "x".repeat(len)),
        Step::InsertEx(key, len) => {
            store.insert_ex(key, "x".repeat(len), Duration::from_secs(u64::from(key) % 50 + 1))
        }
        Step::Push(key, len) => store.list::<String>(key).push_back("x".repeat(len)).map(drop),
        Step::Members(key, count) => store.set::<usize>(key).insert_many(0..count).map(drop),
        Step::Get(key) => store.get::<Bytes>(key).map(drop),
        Step::Remove(key) => store.remove(key).map(drop),
        Step::Rename(from, to) => match store.rename(from, to) {
            Err(Error::NoSuchKey) => Ok(()),
            other => other.map(drop),
        },
        Step::Move(from, to) => store.list::<String>(from).move_to(to, End::Back, End::Front).map(drop),
        Step::Transaction(a, b, fails) => store.transaction([a, b], |tx| {
            tx.insert(a, "x".repeat(500))?;
            tx.insert(b, "y".repeat(500))?;
            if fails { Err(Error::NoSuchKey) } else { Ok(()) }
        }),
        Step::Many(key, count) => {
            let entries = (0..count).map(|at| (format!("{key}:{at}"), "x".repeat(at)));
            store.insert_many(entries)
        }
        Step::Pass => {
            clock.advance(Duration::from_secs(5));
            store.sweep().map(drop)
        }
    }
}

fn is_fine(result: Result<(), Error>) -> bool {
    matches!(result, Ok(()) | Err(Error::OutOfMemory | Error::WrongType | Error::NoSuchKey))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn never_over_its_limit_in_keys(
        steps in prop::collection::vec(step(), 1..200),
        most in 0_usize..100,
        policy in prop::sample::select(&POLICIES),
        shards in 1_usize..5,
    ) {
        let clock = ManualClock::new();
        let store = keys(most).eviction(policy).shards(shards).clock(&clock).build();
        for step in &steps {
            prop_assert!(is_fine(run(&store, &clock, step)));
            let entries = store.stats().unwrap().entries;
            if matches!(policy, Eviction::AllKeys | Eviction::Refuse) {
                prop_assert!(entries <= most, "{entries} of {most} after {step:?}");
            } else if entries > most {
                // Nothing was left to go for what one call brought: then nothing more comes.
                prop_assert!(matches!(store.insert("new", 1), Err(Error::OutOfMemory)));
            }
        }
    }

    #[test]
    fn never_over_its_limit_in_bytes(
        steps in prop::collection::vec(step(), 1..200),
        most in prop::sample::select(vec![0_usize, 1, 500, 5_000, 20_000, 100_000]),
        shards in 1_usize..5,
    ) {
        let clock = ManualClock::new();
        let store = Store::builder().max_bytes(most).shards(shards).clock(&clock).sweeping(Sweeping::ByHand).build();
        for step in &steps {
            prop_assert!(is_fine(run(&store, &clock, step)));
            let bytes = store.stats().unwrap().bytes;
            prop_assert!(bytes <= most, "{bytes} of {most} after {step:?}");
        }
    }
}

#[test]
fn a_key_that_is_asked_for_stays() {
    let store = keys(100).shards(1).build();
    for id in 0..10_000 {
        store.get::<i32>("hot").unwrap();
        if !store.contains("hot").unwrap() {
            assert_eq!(id, 0);
            store.insert("hot", 1).unwrap();
        }
        store.insert(format!("page:{id}"), id).unwrap();
    }
    let stats = store.stats().unwrap();
    assert_eq!((stats.entries, stats.evictions), (100, 9_901));
}

#[test]
fn only_keys_with_a_deadline_go() {
    let store = keys(10).eviction(Eviction::Expiring).build();
    for id in 0..5 {
        store.insert(format!("stays:{id}"), id).unwrap();
    }
    for id in 0..50 {
        store.insert_ex(format!("goes:{id}"), id, MINUTE).unwrap();
    }
    let names = names(&store);
    assert_eq!(names.len(), 10);
    assert_eq!(names.iter().filter(|name| name.starts_with("stays")).count(), 5);
    // Once none has a deadline, there is nothing to evict.
    for name in names {
        store.persist(name).unwrap();
    }
    assert!(matches!(store.insert("more", 1), Err(Error::OutOfMemory)));
    store.insert("stays:1", 7).unwrap();
    // One that may go is found in whatever shard it is.
    store.expire("stays:2", MINUTE).unwrap();
    store.insert("more", 1).unwrap();
    assert!(!store.contains("stays:2").unwrap() && store.contains("more").unwrap());
    assert!(matches!(store.insert("even more", 1), Err(Error::OutOfMemory)));
    assert!(matches!(store.insert_many([("x", 1), ("y", 1)]), Err(Error::OutOfMemory)));
}

#[test]
fn the_soonest_deadline_goes_first() {
    let store = keys(3).eviction(Eviction::SoonestDeadline).shards(1).build();
    for (name, seconds) in [("c", 30), ("a", 10), ("b", 20)] {
        store.insert_ex(name, 1, Duration::from_secs(seconds)).unwrap();
    }
    store.expire("a", Duration::from_secs(40)).unwrap();
    store.insert("d", 1).unwrap();
    assert_eq!(names(&store), ["a", "c", "d"]);
    store.pin("c").unwrap();
    store.insert("e", 1).unwrap();
    assert_eq!(names(&store), ["c", "d", "e"]);
    store.unpin("c").unwrap();
    store.insert("f", 1).unwrap();
    assert_eq!(names(&store), ["d", "e", "f"]);
}

#[test]
fn a_full_store_refuses_what_is_new_and_takes_the_rest() {
    let store = keys(2).eviction(Eviction::Refuse).build();
    let jobs = store.list::<i32>("jobs");
    jobs.extend_back([1, 2, 3]).unwrap();
    store.insert("name", "ann").unwrap();
    let refused = [
        store.insert("more", 1),
        store.list::<i32>("more").push_back(1).map(drop),
        store.set::<i32>("more").insert(1).map(drop),
        store.hash::<String, i32>("more").insert("a", 1).map(drop),
        store.sorted_set::<i32>("more").insert(1, 1.0).map(drop),
        store.counter("more").incr().map(drop),
        jobs.move_to("more", End::Back, End::Front).map(drop),
        store.copy("name", "more").map(drop),
    ];
    for refusal in refused {
        let error = refusal.unwrap_err();
        assert!(matches!(error, Error::OutOfMemory));
        assert_eq!(error.to_string(), "OOM command not allowed when used memory > 'maxmemory'.");
    }
    assert_eq!(names(&store), ["jobs", "name"]);
    assert_eq!(jobs.to_vec().unwrap(), [1, 2, 3]);
    jobs.push_back(4).unwrap();
    store.rename("name", "other").unwrap();
    jobs.move_to("jobs", End::Back, End::Front).unwrap();
    assert_eq!(names(&store), ["jobs", "other"]);
    store.remove("other").unwrap();
    store.insert("more", 1).unwrap();
    assert_eq!(store.stats().unwrap().evictions, 0);
}

#[test]
fn what_is_larger_than_the_limit_is_refused_and_drives_nothing_out() {
    let store = Store::builder().max_bytes(100_000).build();
    for id in 0..20 {
        store.insert(format!("page:{id}"), "x".repeat(1_000)).unwrap();
    }
    assert!(matches!(store.insert("huge", "x".repeat(100_000)), Err(Error::OutOfMemory)));
    assert_eq!(store.len().unwrap(), 20);
    // One that takes most of it drives out what has to go.
    store.insert("large", "x".repeat(70_000)).unwrap();
    assert!(store.contains("large").unwrap() && store.stats().unwrap().bytes <= 100_000);
}

#[test]
fn a_limit_of_nothing_holds_nothing() {
    for policy in POLICIES {
        for builder in [Store::builder().max_keys(0), Store::builder().max_bytes(0)] {
            let store = builder.eviction(policy).build();
            assert!(matches!(store.insert("a", 1), Err(Error::OutOfMemory)));
            assert!(matches!(store.set::<i32>("b").insert(1), Err(Error::OutOfMemory)));
            assert_eq!(store.get_or_load("a", MINUTE, || Ok::<_, Error>(7)).unwrap(), 7);
            assert_eq!(store.len().unwrap(), 0);
        }
    }
}

#[test]
fn what_is_loaded_is_given_even_if_there_is_no_room() {
    let store = keys(1).eviction(Eviction::Refuse).build();
    store.insert("a", 1).unwrap();
    for _ in 0..2 {
        assert_eq!(store.get_or_load("b", MINUTE, || Ok::<_, Error>(2)).unwrap(), 2);
    }
    assert_eq!(names(&store), ["a"]);
}

#[test]
fn nothing_goes_inside_a_transaction_and_it_is_made_up_for_at_its_end() {
    let store = keys(2).shards(1).build();
    store.insert("a", 1).unwrap();
    store
        .transaction(["b", "c", "d"], |tx| {
            for name in ["b", "c", "d"] {
                tx.insert(name, 1)?;
            }
            assert!(tx.contains("b")? && tx.contains("c")? && tx.contains("d")?);
            Ok::<_, Error>(())
        })
        .unwrap();
    assert_eq!(store.len().unwrap(), 2);
    // One that is taken back evicts nothing.
    let before = names(&store);
    let failed = store.transaction(["e", "f"], |tx| {
        tx.insert("e", 1)?;
        tx.insert("f", 1)?;
        Err::<(), _>(Error::NoSuchKey)
    });
    assert!(failed.is_err());
    assert_eq!(names(&store), before);
}

#[test]
fn all_databases_count_together() {
    let store = keys(10).shards(1).build();
    for id in 0..10 {
        store.insert(id, id).unwrap();
        store.db(1).unwrap().insert(id, id).unwrap();
    }
    let count = |db: u16| store.db(db).unwrap().len().unwrap();
    assert_eq!(count(0) + count(1), 10);
    store.swap_databases(0, 1).unwrap();
    assert_eq!(store.stats().unwrap().entries, 10);
    store.clear_all().unwrap();
    for id in 0..20 {
        store.insert(id, id).unwrap();
    }
    assert_eq!(store.len().unwrap(), 10);
}

#[test]
fn an_eviction_is_told_to_the_listener_and_as_an_event() {
    let (sender, gone) = mpsc::channel();
    let store = keys(1)
        .key_events(KeyEvents::On)
        .eviction_listener(move |evicted: &Evicted| sender.send(evicted.clone()).unwrap())
        .build();
    let events = store.subscribe(["__keyevent@0__:evicted"]);
    store.insert("a", "first").unwrap();
    store.list::<i32>("b").push_back(1).unwrap();
    store.insert("c", 3).unwrap();
    let told: Vec<Evicted> = gone.try_iter().collect();
    let told: Vec<_> = told.iter().map(|one| (one.db, text(&one.key), one.kind, one.value.clone())).collect();
    assert_eq!(
        told,
        [(0, "a".into(), Type::String, Some("first".into())), (0, "b".into(), Type::List, None)]
    );
    let names: Vec<Bytes> = std::iter::from_fn(|| events.try_recv()).map(|event| event.payload).collect();
    assert_eq!(names, ["a", "b"]);
    // What is removed or replaced is not evicted.
    store.insert("c", 4).unwrap();
    store.remove("c").unwrap();
    assert_eq!(gone.try_iter().count(), 0);
}

#[test]
fn a_listener_may_call_the_store() {
    let handle: Arc<Mutex<Option<Store>>> = Arc::default();
    let inner = Arc::clone(&handle);
    let store = keys(10)
        .eviction_listener(move |evicted: &Evicted| {
            let store = inner.lock().unwrap().clone().unwrap();
            // It comes back under another name, and drives out another, of which nobody is told.
            store.insert(format!("back:{}", text(&evicted.key)), 1).unwrap();
        })
        .build();
    *handle.lock().unwrap() = Some(store.clone());
    for id in 0..100 {
        store.insert(id, id).unwrap();
    }
    assert_eq!(store.len().unwrap(), 10);
    handle.lock().unwrap().take();
}

#[test]
fn a_listener_that_panics_hurts_only_its_caller() {
    let (sender, gone) = mpsc::channel();
    let store = keys(2)
        .shards(1)
        .eviction_listener(move |evicted: &Evicted| {
            sender.send(evicted.key.clone()).unwrap();
            assert!(text(&evicted.key) != "b", "not this one");
        })
        .build();
    store.insert_many([("a", 1), ("b", 2)]).unwrap();
    let outcome = thread::scope(|scope| scope.spawn(|| store.insert_many([("c", 3), ("d", 4)])).join());
    assert!(outcome.is_err());
    // All were told, and what the call did is done.
    assert_eq!(gone.try_iter().count(), 2);
    assert_eq!(names(&store), ["c", "d"]);
    store.insert("f", 6).unwrap();
    assert_eq!((store.len().unwrap(), gone.try_iter().count()), (2, 1));
}

#[test]
fn two_writers_keep_it_within_two_percent() {
    const MOST: usize = 2_000_000;
    let store = Store::builder().max_bytes(MOST).build();
    let done = AtomicBool::new(false);
    let worst = thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut worst = 0;
            while !done.load(Ordering::Relaxed) {
                worst = worst.max(store.stats().unwrap().bytes);
            }
            worst
        });
        let writers: Vec<_> = (0..2_u32)
            .map(|writer| {
                let store = &store;
                scope.spawn(move || {
                    for id in 0..20_000_u32 {
                        let key = format!("{writer}:{id}");
                        match id % 4 {
                            0 => store.insert(&*key, "x".repeat(id as usize % 1_000)).unwrap(),
                            1 => store.insert_ex(&*key, id, MINUTE).unwrap(),
                            2 => drop(store.set::<u32>(&*key).insert_many(0..id % 50).unwrap()),
                            _ => drop(store.list::<u32>(id % 64).push_back(id)),
                        }
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, Ordering::Relaxed);
        watcher.join().unwrap()
    });
    assert!(store.stats().unwrap().evictions > 1_000);
    assert!(worst <= MOST + MOST / 50, "{worst}");
    assert!(store.stats().unwrap().bytes <= MOST);
}

#[test]
fn pins_hold_whatever_happens_to_the_key() {
    let store = keys(3).shards(1).build();
    assert!(store.pin("a").unwrap() && !store.pin("a").unwrap());
    store.pin("b").unwrap();
    store.insert("a", 1).unwrap();
    store.list::<i32>("b").push_back(1).unwrap();
    store.remove("a").unwrap();
    store.insert("a", 2).unwrap();
    for id in 0..100 {
        store.insert(id, id).unwrap();
    }
    let names = names(&store);
    assert!(names.contains(&"a".into()) && names.contains(&"b".into()));
    // A pin is of one database.
    assert!(!store.db(1).unwrap().is_pinned("a").unwrap());
    // Among nothing but pinned keys, what is new goes at once; or nothing can, and it is refused.
    for name in store.keys("*").unwrap() {
        store.pin(name.as_slice()).unwrap();
    }
    store.insert("c", 1).unwrap();
    assert!(!store.contains("c").unwrap() && store.len().unwrap() == 3);
    store.pin("d").unwrap();
    store.insert("d", 1).unwrap();
    assert!(matches!(store.insert("e", 1), Err(Error::OutOfMemory)));
}

#[test]
fn a_snapshot_is_loaded_within_the_limit() {
    let folder = Folder::new();
    let path = folder.join("larder.snapshot");
    let store = Store::new();
    for id in 0..1_000 {
        store.insert(format!("page:{id}"), "x".repeat(100)).unwrap();
    }
    store.save(&path).unwrap();
    let small = Store::builder().max_bytes(50_000).load(&path).unwrap();
    let stats = small.stats().unwrap();
    assert!(stats.bytes <= 50_000 && stats.entries > 200, "{stats:?}");
    let refused = Store::builder().max_keys(10).eviction(Eviction::Refuse).load(&path);
    assert!(refused.is_err());
}
