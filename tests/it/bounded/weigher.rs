//! Stores whose keys are weighed by the caller.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use larder::{Error, Evicted, Eviction, ManualClock, Store, StoreBuilder, Sweeping, Type, Weighed};
use proptest::prelude::*;

use super::{MINUTE, POLICIES, Step, names, run, step, text};
use crate::support::Folder;

/// By the length, one more for the key itself; a few names are free.
fn weight_of(name: &[u8], len: usize) -> u64 {
    if name.starts_with(b"1") { 0 } else { len as u64 + 1 }
}

fn by_len(most: u64) -> StoreBuilder {
    let weigher = |key: &Weighed<'_>| weight_of(key.key, key.len);
    Store::builder().max_weight(most, weigher).sweeping(Sweeping::ByHand)
}

fn weight(store: &Store) -> u64 {
    store.stats().unwrap().weight
}

/// The same, asked of each key.
fn sum(store: &Store) -> u64 {
    let of = |name: &String| {
        let len = match store.type_of(&**name).unwrap() {
            Some(Type::List) => store.list::<String>(&**name).len(),
            Some(Type::Set) => store.set::<String>(&**name).len(),
            Some(Type::Hash) => store.hash::<String, String>(&**name).len(),
            Some(Type::SortedSet) => store.sorted_set::<String>(&**name).len(),
            _ => store.string(&**name).len(),
        };
        weight_of(name.as_bytes(), len.unwrap())
    };
    names(store).iter().map(of).sum()
}

fn is_refused<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::OutOfMemory))
}

fn panics<T>(call: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(call)).is_err()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_total_is_the_sum_of_all_weights_and_never_over_the_limit(
        steps in prop::collection::vec(step(), 1..150),
        most in prop::sample::select(vec![0_u64, 1, 100, 1_000, 20_000, u64::MAX]),
        policy in prop::sample::select(&POLICIES),
        shards in 1_usize..5,
    ) {
        let clock = ManualClock::new();
        let store = by_len(most).eviction(policy).shards(shards).clock(&clock).build();
        for step in &steps {
            let before = weight(&store);
            let outcome = run(&store, &clock, step);
            prop_assert!(super::is_fine(outcome));
            let weight = weight(&store);
            prop_assert_eq!(weight, sum(&store), "after {:?}", step);
            match policy {
                Eviction::AllKeys => prop_assert!(weight <= most, "{weight} of {most} after {step:?}"),
                // One call may bring it over, and then nothing more comes.
                // A rename brings nothing new, but here it may give a weight to what was free.
                Eviction::Refuse if matches!(step, Step::Rename(..)) => {}
                Eviction::Refuse if before >= most => prop_assert!(weight <= before, "after {step:?}"),
                _ if weight > most => prop_assert!(is_refused(store.insert("new", 1))),
                _ => {}
            }
        }
        store.clear().unwrap();
        prop_assert_eq!(weight(&store), 0);
    }
}

#[test]
fn all_that_changes_a_key_has_it_weighed() {
    let clock = ManualClock::new();
    let store = by_len(1_000).clock(&clock).databases(2).build();
    let check = |expected: u64| assert_eq!((weight(&store), sum(&store)), (expected, expected));
    store.insert("a", "four").unwrap();
    check(5);
    store.string("a").append("more").unwrap();
    check(9);
    store.expire("a", MINUTE).unwrap();
    check(9);
    store.copy("a", "b").unwrap();
    check(18);
    store.rename("a", "1a").unwrap();
    check(9);
    store.rename("1a", "a").unwrap();
    check(18);
    clock.advance(MINUTE);
    store.sweep().unwrap();
    check(0);
    let hash = store.hash::<String, i32>("hash");
    hash.insert_ex("soon", 1, Duration::from_secs(1)).unwrap();
    hash.insert("stays", 2).unwrap();
    check(3);
    clock.advance(Duration::from_secs(1));
    store.sweep().unwrap();
    check(2);
    store.list::<i32>("list").extend_back(0..200).unwrap();
    store.list::<i32>("list").trim(0, 9).unwrap();
    check(13);
    store.list::<i32>("list").remove_all(3).unwrap();
    check(12);
    store.sorted_set::<i32>("board").insert_many([(1, 1.0), (2, 2.0)]).unwrap();
    store.sorted_set::<i32>("board").pop_first().unwrap();
    check(14);
    store.move_to_db("board", 1).unwrap();
    assert_eq!((weight(&store), sum(&store), sum(&store.db(1).unwrap())), (14, 12, 2));
    store.swap_databases(0, 1).unwrap();
    assert_eq!((weight(&store), sum(&store)), (14, 2));
    store.db(1).unwrap().clear().unwrap();
    check(2);
    store.remove("board").unwrap();
    check(0);
}

#[test]
fn a_collection_that_is_emptied_at_once_is_weighed() {
    let clock = ManualClock::new();
    let store = by_len(5_000).clock(&clock).build();
    let list = store.list::<u32>("list");
    let set = store.set::<u32>("set");
    let board = store.sorted_set::<u32>("board");
    let hash = store.hash::<u32, u32>("hash");
    list.extend_back(0..1_000).unwrap();
    set.insert_many(0..1_000).unwrap();
    board.insert_many((0..1_000).map(|member| (member, f64::from(member)))).unwrap();
    hash.insert_many((0..1_000).map(|field| (field, 0))).unwrap();
    assert_eq!(weight(&store), 4_004);
    set.pop_many(990).unwrap();
    assert_eq!(weight(&store), 3_014);
    board.pop_first_many(600).unwrap();
    assert_eq!(weight(&store), 2_414);
    board.remove_range(5, -6).unwrap();
    assert_eq!(weight(&store), 2_024);
    list.pop_back_many(1_000).unwrap();
    assert_eq!(weight(&store), 1_023);
    // Fields that are due go with a write, some at a time, the rest as the last ones that stay do.
    hash.expire_fields(0..999, MINUTE).unwrap();
    clock.advance(MINUTE);
    assert!(!hash.remove(0).unwrap());
    let left = weight(&store);
    assert!((13..1_023).contains(&left), "{left}");
    assert!(hash.remove(999).unwrap());
    assert_eq!((weight(&store), sum(&store)), (22, 22));
}

#[test]
fn what_the_weigher_is_told() {
    let told: Arc<Mutex<Vec<(String, Type, usize)>>> = Arc::default();
    let inner = Arc::clone(&told);
    let store = Store::builder()
        .max_weight(100, move |key: &Weighed<'_>| {
            assert!(key.bytes >= key.key.len() + key.len, "{key:?}");
            let name = String::from_utf8(key.key.to_vec()).unwrap();
            inner.lock().unwrap().push((name, key.kind, key.len));
            1
        })
        .build();
    store.insert("short", "ten bytes!").unwrap();
    store.insert("long", "x".repeat(5_000)).unwrap();
    store.set::<i32>("set").insert_many(0..3).unwrap();
    store.hash::<i32, i32>("hash").insert(1, 1).unwrap();
    store.get::<String>("short").unwrap();
    store.remove("long").unwrap();
    let expected = [
        ("short", Type::String, 10),
        ("long", Type::String, 5_000),
        ("set", Type::Set, 3),
        ("hash", Type::Hash, 1),
    ];
    assert_eq!(*told.lock().unwrap(), expected.map(|(name, kind, len)| (name.to_owned(), kind, len)));
}

#[test]
fn a_transaction_is_weighed_at_its_end() {
    let calls = Arc::new(AtomicUsize::new(0));
    let inner = Arc::clone(&calls);
    let weigher = move |key: &Weighed<'_>| {
        inner.fetch_add(1, Ordering::Relaxed);
        key.len as u64
    };
    let store = Store::builder().max_weight(20, weigher).build();
    store.insert_many([("a", "123"), ("b", "12345")]).unwrap();
    let change = |fails: bool| {
        store.transaction(["a", "b", "c"], |tx| {
            let before = calls.load(Ordering::Relaxed);
            tx.remove("a")?;
            tx.insert("a", "12345678")?;
            tx.string("b").append("6")?;
            tx.insert("c", "1")?;
            assert_eq!(calls.load(Ordering::Relaxed), before);
            if fails { Err(Error::NoSuchKey) } else { Ok(()) }
        })
    };
    assert!(change(true).is_err());
    assert_eq!((weight(&store), calls.load(Ordering::Relaxed)), (8, 2));
    change(false).unwrap();
    // Each key once, however often it was changed.
    assert_eq!((weight(&store), calls.load(Ordering::Relaxed)), (15, 5));
}

#[test]
fn what_weighs_nothing_stays_and_is_looked_past() {
    for policy in [Eviction::AllKeys, Eviction::SoonestDeadline] {
        let store = by_len(50).eviction(policy).shards(1).build();
        for id in 0..500 {
            store.insert_ex(format!("1:{id}"), "free", MINUTE).unwrap();
            store.insert_ex(format!("2:{id}"), "123456789", 2 * MINUTE).unwrap();
        }
        let stats = store.stats().unwrap();
        assert_eq!((stats.weight, stats.entries, stats.evictions), (50, 505, 495));
    }
}

#[test]
fn a_key_heavier_than_the_limit_goes_alone() {
    let (sender, gone) = mpsc::channel();
    let listener = move |evicted: &Evicted| sender.send(text(&evicted.key)).unwrap();
    let store = by_len(100).shards(1).eviction_listener(listener).build();
    for id in 2..7 {
        store.insert(id, "123456789").unwrap();
    }
    store.insert("huge", "x".repeat(1_000)).unwrap();
    assert_eq!(gone.try_iter().collect::<Vec<_>>(), ["huge"]);
    assert_eq!((names(&store), weight(&store)), (["2", "3", "4", "5", "6"].map(String::from).to_vec(), 50));
    // So does one that has grown, and it comes back smaller.
    store.string("3").append("x".repeat(100)).unwrap();
    assert_eq!((gone.try_iter().collect::<Vec<_>>(), weight(&store)), (vec!["3".to_owned()], 40));
    store.insert("3", "123456789").unwrap();
    assert_eq!((store.len().unwrap(), weight(&store)), (5, 50));
    // Not one that never goes.
    store.pin("pinned").unwrap();
    store.insert("pinned", "x".repeat(200)).unwrap();
    assert!(store.contains("pinned").unwrap() && is_refused(store.insert("7", "more")));
    store.remove("pinned").unwrap();
    store.insert("7", "more").unwrap();
}

#[test]
fn a_full_store_refuses_until_there_is_room() {
    let store = by_len(10).eviction(Eviction::Refuse).shards(1).build();
    store.insert("a", "1234").unwrap();
    let list = store.list::<i32>("list");
    list.extend_back(0..7).unwrap();
    assert_eq!(weight(&store), 13);
    assert!(
        is_refused(store.insert("b", 1)) && is_refused(list.push_back(1)) && is_refused(store.insert("a", 1))
    );
    list.pop_front_many(3).unwrap();
    assert_eq!(weight(&store), 10);
    assert!(is_refused(list.push_back(1)), "at its limit");
    list.pop_front().unwrap();
    list.push_back(1).unwrap();
    assert_eq!((weight(&store), store.stats().unwrap().evictions), (10, 0));
    // Among keys with a deadline there has to be one.
    let store = by_len(10).eviction(Eviction::Expiring).shards(1).build();
    store.insert("a", "123456789").unwrap();
    assert!(is_refused(store.insert("b", 1)));
    store.expire("a", MINUTE).unwrap();
    store.insert("b", 1).unwrap();
    assert_eq!((names(&store), weight(&store)), (vec!["b".to_owned()], 2));
}

#[test]
fn a_limit_of_nothing_holds_nothing() {
    for policy in POLICIES {
        let store = Store::builder().max_weight(0, |_: &Weighed<'_>| 0).eviction(policy).build();
        assert!(is_refused(store.insert("a", 1)) && is_refused(store.set::<i32>("b").insert(1)));
        assert_eq!(store.get_or_load("a", MINUTE, || Ok::<_, Error>(7)).unwrap(), 7);
        assert_eq!(store.len().unwrap(), 0);
    }
}

#[test]
fn the_heaviest_weights_there_are_add_up() {
    let heavy = |_: &Weighed<'_>| u64::MAX;
    let store = Store::builder().max_weight(u64::MAX, heavy).shards(1 << 12).build();
    store.insert_many([("a", 1), ("b", 2), ("c", 3)]).unwrap();
    assert_eq!((store.len().unwrap(), weight(&store)), (0, 0));
    let store =
        Store::builder().max_weight(u64::MAX, heavy).eviction(Eviction::Refuse).shards(1 << 12).build();
    store.insert_many((0..1_000).map(|id| (id, id))).unwrap();
    assert_eq!((store.len().unwrap(), weight(&store)), (1_000, u64::MAX));
    assert!(is_refused(store.insert("more", 1)));
    store.remove_many(0..1_000).unwrap();
    assert_eq!(weight(&store), 0);
    store.insert("more", 1).unwrap();
}

#[test]
fn a_weigher_that_panics_hurts_only_its_caller() {
    let is_bad = Arc::new(AtomicBool::new(false));
    let inner = Arc::clone(&is_bad);
    let store = Store::builder()
        .shards(1)
        .max_weight(100, move |key: &Weighed<'_>| {
            assert!(!inner.load(Ordering::Relaxed) || !key.key.starts_with(b"bad"), "cannot be weighed");
            key.len as u64
        })
        .build();
    store.insert("bad", "12345").unwrap();
    is_bad.store(true, Ordering::Relaxed);
    // What the call did is done, the others are weighed, and the key counts for what it did before.
    assert!(panics(|| store.insert_many([("bad", "1234567"), ("bad too", "12"), ("good", "123")])));
    assert_eq!((store.len().unwrap(), weight(&store)), (3, 8));
    assert_eq!(store.get::<String>("bad").unwrap().as_deref(), Some("1234567"));
    assert!(panics(|| store.transaction(["bad", "good"], |tx| {
        tx.insert("bad", "1")?;
        tx.insert("good", "1234")
    })));
    assert_eq!(weight(&store), 9);
    assert!(panics(|| store.get_or_load("bad load", MINUTE, || Ok::<_, Error>(7)).unwrap()));
    assert_eq!(store.get_or_load("bad load", MINUTE, || Ok::<_, Error>(8)).unwrap(), 7);
    is_bad.store(false, Ordering::Relaxed);
    store.string("bad").append("23").unwrap();
    store.insert("bad too", "1").unwrap();
    assert_eq!(weight(&store), 3 + 1 + 4);
    store.insert("good", "x".repeat(100)).unwrap();
    assert!(weight(&store) <= 100);
}

#[test]
fn a_weigher_may_call_the_store() {
    let handle: Arc<Mutex<Option<Store>>> = Arc::default();
    let inner = Arc::clone(&handle);
    let store = Store::builder()
        .shards(1)
        .max_weight(30, move |key: &Weighed<'_>| {
            let store = inner.lock().unwrap().clone().unwrap();
            assert!(store.contains(key.key).unwrap());
            if !key.key.starts_with(b"calls") {
                store.counter(format!("calls:{}", key.key[0] % 4)).incr().unwrap();
            }
            1
        })
        .build();
    *handle.lock().unwrap() = Some(store.clone());
    for id in 0..100 {
        store.insert(id, id).unwrap();
    }
    assert_eq!((store.len().unwrap(), weight(&store)), (30, 30));
    handle.lock().unwrap().take();
}

#[test]
fn a_key_that_has_changed_meanwhile_is_weighed_by_who_changed_it() {
    let handle: Arc<Mutex<Option<Store>>> = Arc::default();
    let inner = Arc::clone(&handle);
    let store = Store::builder()
        .shards(1)
        .max_weight(1_000, move |key: &Weighed<'_>| {
            // Between the call and its weight comes another.
            let store = inner.lock().unwrap().clone().unwrap();
            match (key.key, key.len) {
                (b"changed", 1) => store.insert("changed", "1234567").unwrap(),
                (b"removed", 1) => drop(store.remove("removed").unwrap()),
                (b"swapped", 1) => store.swap_databases(0, 1).unwrap(),
                _ => {}
            }
            key.len as u64
        })
        .build();
    *handle.lock().unwrap() = Some(store.clone());
    store.insert("changed", 1).unwrap();
    assert_eq!(weight(&store), 7);
    store.insert("removed", 1).unwrap();
    assert_eq!(weight(&store), 7);
    store.insert("swapped", 1).unwrap();
    assert_eq!((store.len().unwrap(), weight(&store)), (0, 8));
    handle.lock().unwrap().take();
}

#[test]
fn two_writers_end_within_the_limit() {
    let store = by_len(2_000).build();
    thread::scope(|scope| {
        for writer in 0..2_usize {
            let store = &store;
            scope.spawn(move || {
                for id in 0..5_000_usize {
                    match id % 5 {
                        0 => store.insert(id % 97, "x".repeat(id % 60)).unwrap(),
                        1 => drop(store.set::<usize>("set").insert(id % 50 + writer).unwrap()),
                        2 => drop(store.list::<usize>(format!("list {}", id % 7)).push_back(id).unwrap()),
                        3 => drop(store.remove(id % 97).unwrap()),
                        _ => store
                            .transaction([format!("{writer}"), "9".to_owned()], |tx| {
                                tx.insert("9", "x".repeat(id % 100))?;
                                if id % 2 == 0 { Err(Error::NoSuchKey) } else { Ok(()) }
                            })
                            .unwrap_or_default(),
                    }
                }
            });
        }
    });
    assert!(weight(&store) <= 2_000 && store.stats().unwrap().evictions > 0);
    assert_eq!(weight(&store), sum(&store));
}

#[test]
fn a_snapshot_is_weighed_as_it_is_loaded() {
    let folder = Folder::new();
    let path = folder.join("larder.snapshot");
    let store = Store::new();
    for id in 0..200 {
        store.insert(format!("page:{id}"), "x".repeat(99)).unwrap();
    }
    store.save(&path).unwrap();
    let loaded = by_len(5_000).load(&path).unwrap();
    assert_eq!((loaded.len().unwrap(), weight(&loaded)), (50, 5_000));
    assert!(by_len(5_000).eviction(Eviction::Refuse).load(&path).is_err());
}

#[test]
fn the_last_limit_that_is_said_holds() {
    let by_keys = by_len(1).max_keys(2).build();
    let by_weight = Store::builder().max_keys(2).max_bytes(1).max_weight(20, |_: &Weighed<'_>| 2).build();
    for id in 0..100 {
        by_keys.insert(id, "longer than one").unwrap();
        by_weight.insert(id, id).unwrap();
    }
    assert_eq!((by_keys.len().unwrap(), weight(&by_keys)), (2, 0));
    assert_eq!((by_weight.len().unwrap(), weight(&by_weight)), (10, 20));
}
