//! Operations that grow, move or replace in a store that is full, and listeners in bad company.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use larder::{Error, Evicted, Eviction, InsertOptions, Store, Ttl};

use super::{MINUTE, keys, names};

/// Refuses to grow beyond a million bytes.
fn refusing() -> Store {
    Store::builder().max_bytes(1_000_000).eviction(Eviction::Refuse).shards(1).build()
}

fn is_refused<T>(result: Result<T, Error>) -> bool {
    matches!(result, Err(Error::OutOfMemory))
}

#[test]
fn whatever_grows_is_refused_in_the_end() {
    type Grow = fn(&Store, usize) -> Result<(), Error>;
    let grows: [(&str, Grow); 8] = [
        ("LPUSHX", |store, _| store.list::<String>("list").push_front_if_present("x".repeat(500)).map(drop)),
        ("LINSERT", |store, _| store.list::<String>("list").insert_after("a", "x".repeat(500)).map(drop)),
        ("LSET", |store, n| store.list::<String>("list").set(n as i64 % 100, "x".repeat(n * 10))),
        ("SADD", |store, n| store.set::<usize>("set").insert(n).map(drop)),
        ("HSET", |store, n| store.hash::<usize, usize>("hash").insert(n, n).map(drop)),
        ("ZADD", |store, n| store.sorted_set::<usize>("board").insert(n, 1.0).map(drop)),
        ("APPEND", |store, _| store.string("text").append("x".repeat(500)).map(drop)),
        ("SMOVE", |store, n| {
            store.set::<usize>("from").insert_many([n, n + 1])?;
            store.set::<usize>("from").move_to(format!("to {n}"), n).map(drop)
        }),
    ];
    for (name, grow) in grows {
        let store = refusing();
        store.list::<String>("list").extend_back(["a"; 100]).unwrap();
        let outcome = (0..200_000).try_for_each(|n| grow(&store, n));
        assert!(is_refused(outcome), "{name}");
        // Over by what the last call brought, with the room that a growing value takes.
        let bytes = store.stats().unwrap().bytes;
        assert!(bytes <= 1_150_000, "{bytes} bytes after {name}");
    }
}

#[test]
fn a_member_that_finds_no_room_stays_where_it_is() {
    let store = keys(1).eviction(Eviction::Refuse).build();
    let from = store.set::<i32>("from");
    from.insert_many([1, 2]).unwrap();
    assert!(is_refused(from.move_to("to", 1)));
    assert_eq!((from.len().unwrap(), names(&store)), (2, vec!["from".into()]));
}

#[test]
fn a_value_takes_the_place_of_one_as_large() {
    let store = refusing();
    let large = |fill: u8| vec![fill; 600_000];
    store.insert("a", large(1)).unwrap();
    store.insert("a", large(2)).unwrap();
    store.insert("a", &large(3)[..500_000]).unwrap();
    assert!(is_refused(store.insert("b", large(4))));
    let one = keys(1).eviction(Eviction::Refuse).build();
    one.insert_many([("a", 1), ("a", 2)]).unwrap();
    assert_eq!(one.get::<i32>("a").unwrap(), Some(2));
    one.insert_many((0..30).map(|value| ("a", value))).unwrap();
    assert_eq!(one.get::<i32>("a").unwrap(), Some(29));
}

#[test]
fn a_key_that_is_being_written_is_not_evicted_for_it() {
    for seed in 0..20 {
        let store = Store::builder()
            .max_bytes(100_000)
            .eviction(Eviction::SoonestDeadline)
            .shards(4)
            .seed(seed)
            .build();
        store.insert_ex("a", "short", MINUTE).unwrap();
        for id in 0..300 {
            store.insert_ex(id, "x".repeat(200), 10 * MINUTE).unwrap();
        }
        if !store.contains("a").unwrap() {
            store.insert_ex("a", "short", MINUTE).unwrap();
        }
        let options = InsertOptions::new().if_present().keep_ttl();
        if store.insert_with("a", "x".repeat(20_000), options).unwrap() {
            let ttl = store.ttl("a").unwrap();
            assert!(matches!(ttl, Ttl::Left(_) | Ttl::Missing), "seed {seed}: {ttl:?}");
        }
    }
}

#[test]
fn a_scan_of_new_hashes_is_not_taken_for_use() {
    let store = keys(400).shards(1).build();
    let hot = || (0..200).filter(|id| store.get::<i32>(*id).unwrap().is_some()).count();
    for id in 0..200 {
        store.insert(id, id).unwrap();
    }
    for round in 0..50 {
        hot();
        for id in 0..100 {
            let hash = store.hash::<String, i32>(format!("{round}:{id}"));
            hash.insert_ex("field", 1, MINUTE).unwrap();
        }
    }
    assert!(hot() > 190, "{} of 200", hot());
}

#[test]
fn a_look_at_a_key_is_no_use() {
    let store = keys(100).shards(1).build();
    for id in 0..100 {
        store.insert(id, id).unwrap();
    }
    for id in 0..1_000 {
        assert!(!store.contains("missing").unwrap());
        for old in 0..10 {
            store.ttl(old).unwrap();
            store.contains(old).unwrap();
            store.type_of(old).unwrap();
        }
        store.get::<i32>(50).unwrap();
        store.insert(format!("new {id}"), id).unwrap();
        if id % 3 == 0 {
            // One that comes back drives out one of the rest.
            store.insert(format!("new {}", id.max(5) - 5), id).unwrap();
        }
    }
    assert!(store.get::<i32>(50).unwrap().is_some());
    assert!((0..10).all(|old| !store.contains(old).unwrap()));
}

#[test]
fn stores_with_limits_may_stand_one_behind_the_other() {
    let (sender, gone) = mpsc::channel();
    let second = keys(10)
        .eviction_listener(move |evicted: &Evicted| sender.send(evicted.key.clone()).unwrap())
        .build();
    let behind = second.clone();
    let first = keys(10)
        .eviction_listener(move |evicted: &Evicted| {
            behind.insert(evicted.key.as_slice(), evicted.value.clone().unwrap()).unwrap();
        })
        .build();
    for id in 0..100 {
        first.insert(id, id).unwrap();
    }
    assert_eq!((first.len().unwrap(), second.len().unwrap(), gone.try_iter().count()), (10, 10, 80));
}

#[test]
fn a_listener_that_panics_while_the_thread_panics_is_not_the_end() {
    let store = Store::builder()
        .max_bytes(60_000)
        .shards(1)
        .eviction_listener(|_: &Evicted| panic!("told at a bad time"))
        .build();
    for id in 0..2_000 {
        let _ = catch_unwind(AssertUnwindSafe(|| store.insert(id, id)));
    }
    let names: Vec<String> = (0..2_000).map(|id| format!("new {id}")).collect();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        store.transaction(names.clone(), |tx| {
            for name in &names {
                tx.insert(name, 1)?;
            }
            if names.len() > 1 {
                panic!("as it was about to end");
            }
            Ok::<_, Error>(())
        })
    }));
    assert!(outcome.is_err());
    assert!(names.iter().all(|name| !store.contains(name).unwrap()));
}

#[test]
fn few_that_may_go_are_found_among_many_that_stay() {
    // A limit on the steps, as far as a test without a clock can tell: this would take minutes.
    let store = keys(20_000).eviction(Eviction::Expiring).shards(1).build();
    for id in 0..19_900 {
        store.insert(id, id).unwrap();
    }
    for id in 0..20_000 {
        store.insert_ex(format!("goes {id}"), id, Duration::from_secs(60)).unwrap();
    }
    let stays = (0..19_900).filter(|id| store.contains(*id).unwrap()).count();
    assert_eq!((stays, store.len().unwrap()), (19_900, 20_000));
}
