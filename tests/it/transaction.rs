//! Transactions: atomic, isolated, taken back as a whole; optimistic ones; misuse is an error.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use larder::{Error, Store, Ttl};
use proptest::prelude::*;

use crate::support::manual_store;

#[test]
fn all_of_it_happens() {
    let (_clock, store) = manual_store();
    let sum = store.transaction(["a", "b"], |tx| {
        tx.insert("a", 1)?;
        tx.list::<String>("b").push_back("x")?;
        Ok::<_, Error>(tx.get::<i64>("a")?.unwrap_or(0) + tx.list::<String>("b").len()? as i64)
    });
    assert_eq!(sum.unwrap(), 2);
    assert_eq!(store.get::<i64>("a").unwrap(), Some(1));
    assert_eq!(store.list::<String>("b").to_vec().unwrap(), ["x"]);
}

/// A value of each type, and one with a deadline.
fn fill(store: &Store) {
    store.insert("string", "old").unwrap();
    store.insert_ex("fleeting", "old", Duration::from_secs(10)).unwrap();
    store.list::<i32>("list").extend_back([1, 2, 3]).unwrap();
    store.set::<i32>("set").insert_many([1, 2, 3]).unwrap();
    store.hash::<String, i32>("hash").insert("f", 1).unwrap();
    store.sorted_set::<String>("zset").insert("m", 1.0).unwrap();
}

const KEYS: [&str; 7] = ["string", "fleeting", "list", "set", "hash", "zset", "new"];

fn change_all(tx: &larder::Database) -> Result<(), Error> {
    tx.insert("string", "new")?;
    tx.counter("new").incr()?;
    tx.persist("fleeting")?;
    tx.list::<i32>("list").pop_front()?;
    tx.set::<i32>("set").insert(4)?;
    tx.hash::<String, i32>("hash").remove("f")?;
    tx.sorted_set::<String>("zset").insert("m", 2.0)?;
    Ok(())
}

/// All that can be seen of the keys.
fn picture(store: &Store) -> String {
    let mut set = store.set::<i32>("set").members().unwrap();
    set.sort_unstable();
    format!(
        "{:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        store.get::<String>("string").unwrap(),
        store.get::<String>("fleeting").unwrap(),
        store.ttl("fleeting").unwrap(),
        store.list::<i32>("list").to_vec().unwrap(),
        set,
        store.hash::<String, i32>("hash").get("f").unwrap(),
        store.sorted_set::<String>("zset").score("m").unwrap(),
        store.get::<i64>("new").unwrap(),
        store.len().unwrap(),
    )
}

#[test]
fn an_error_takes_everything_back() {
    let (_clock, store) = manual_store();
    fill(&store);
    let before = (picture(&store), store.stats().unwrap().bytes);
    let result = store.transaction(KEYS, |tx| {
        change_all(tx)?;
        tx.remove("set")?;
        tx.insert("zset", "now a string")?;
        Err::<(), _>(Error::Invalid("no"))
    });
    assert_eq!(result.unwrap_err().to_string(), "ERR no");
    assert_eq!(picture(&store), before.0);
    assert_eq!(store.ttl("fleeting").unwrap(), Ttl::Left(Duration::from_secs(10)));
}

#[test]
fn a_panic_takes_everything_back_and_lets_the_keys_go() {
    let (_clock, store) = manual_store();
    fill(&store);
    let before = picture(&store);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        store.transaction(KEYS, |tx| -> Result<(), Error> {
            change_all(tx)?;
            panic!("as this test wants it to");
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(picture(&store), before);
    store.transaction(KEYS, |tx| change_all(tx)).unwrap();
    assert_ne!(picture(&store), before);
}

#[test]
fn events_and_watches_of_a_transaction_that_failed_are_never_told() {
    let store = Store::builder().key_events(larder::KeyEvents::On).build();
    let events = store.psubscribe(["__key*"]);
    let watched = store.watch(["k"]).unwrap();
    let failed = store.transaction(["k"], |tx| {
        tx.insert("k", 1)?;
        Err::<(), _>(Error::Invalid("no"))
    });
    assert!(failed.is_err() && events.try_recv().is_none() && !watched.has_changed());
    store.transaction(["k"], |tx| tx.insert("k", 1)).unwrap();
    assert_eq!(events.try_recv().unwrap().payload, "set");
    assert!(watched.has_changed());
}

#[test]
fn an_undeclared_key_is_refused_by_name() {
    let (_clock, store) = manual_store();
    let refused = store.transaction(["a"], |tx| tx.insert("b", 1)).unwrap_err();
    assert_eq!(refused.to_string(), "ERR key b\"b\" was not declared by this transaction");
    let refused = store.transaction(["a"], |tx| tx.list::<i32>("b").len()).unwrap_err();
    assert!(matches!(refused, Error::Undeclared(key) if key == "b"));
}

#[test]
fn the_store_itself_is_refused_inside() {
    let (_clock, store) = manual_store();
    let other = Store::new();
    store
        .transaction(["a"], |tx| {
            let is_refused = |result: Result<(), Error>| assert!(matches!(result, Err(Error::InTransaction)));
            is_refused(store.insert("a", 1));
            is_refused(store.db(1)?.insert("a", 1));
            is_refused(store.get::<i32>("z").map(drop));
            is_refused(store.len().map(drop));
            is_refused(store.clear());
            is_refused(store.stats().map(drop));
            is_refused(store.sweep().map(drop));
            is_refused(store.keys("*").map(drop));
            is_refused(store.watch(["z"]).map(drop));
            is_refused(store.transaction(["z"], |_| Ok(())));
            is_refused(store.save(std::env::temp_dir().join("never-written")).map(drop));
            is_refused(store.list::<i32>("z").pop_front_wait(None).map(drop));
            other.transaction(["a"], |_| {
                is_refused(store.insert("a", 1));
                is_refused(other.insert("a", 1));
                Ok::<_, Error>(())
            })?;
            other.insert("a", 1)?;
            tx.insert("a", 2)
        })
        .unwrap();
    assert_eq!(store.get::<i32>("a").unwrap(), Some(2));
    store.insert("a", 3).unwrap();
}

#[test]
fn a_watched_key_that_changes_stops_the_transaction() {
    let (clock, store) = manual_store();
    store.insert_ex("k", 1, Duration::from_secs(1)).unwrap();
    let run = |watched: larder::Watched<'_>| watched.transaction(|tx| tx.insert("k", 9)).unwrap();

    let watched = store.watch(["k", "other"]).unwrap();
    assert_eq!(run(watched), Some(()));
    let watched = store.watch(["k", "other"]).unwrap();
    store.insert("other", 1).unwrap();
    assert_eq!(run(watched), None);
    store.insert_ex("k", 1, Duration::from_secs(1)).unwrap();
    let watched = store.watch(["k"]).unwrap();
    clock.advance(Duration::from_secs(1));
    assert!(!store.contains("k").unwrap());
    store.sweep().unwrap();
    assert_eq!(run(watched), None, "expiry is a change");
    let watched = store.watch(["k"]).unwrap();
    store.clear().unwrap();
    assert_eq!(run(watched), Some(()), "a key that was not there is not changed by a clear");
    let watched = store.watch(["k"]).unwrap();
    store.clear().unwrap();
    assert_eq!(run(watched), None);
}

#[test]
fn a_watched_key_that_has_expired_has_changed_though_nobody_has_swept() {
    let (clock, store) = manual_store();
    let [milli, second] = [1, 1_000].map(Duration::from_millis);
    let hash = store.hash::<String, i32>("hash");
    store.insert_ex("key", 1, second).unwrap();
    hash.insert_many([("f", 1), ("g", 2), ("h", 3)]).unwrap();
    hash.expire_fields(["f"], second).unwrap();
    hash.expire_fields(["g"], second + milli).unwrap();
    for key in ["key", "hash"] {
        let watched = [store.watch([key]).unwrap(), store.watch([key]).unwrap()];
        clock.advance(if key == "key" { second - milli } else { Duration::ZERO });
        assert!(!watched[1].has_changed(), "{key}: what expired before the watch began is no change");
        clock.advance(milli);
        assert!(watched[1].has_changed(), "{key}");
        for watched in watched {
            assert_eq!(watched.transaction(|_| Ok::<_, Error>(())).unwrap(), None, "{key}");
        }
    }
}

#[test]
fn time_stands_still_within_a_transaction() {
    let (clock, store) = manual_store();
    let [second, hour] = [1, 3_600].map(Duration::from_secs);
    let left = |seconds| Ttl::Left(Duration::from_secs(seconds));
    store.insert_ex("old", 1, second).unwrap();
    let watched = store.watch(["old", "new", "hash", "stream"]).unwrap();
    let body = |tx: &larder::Tx| {
        let (hash, stream) = (tx.hash::<String, i32>("hash"), tx.stream::<String, i32>("stream"));
        hash.insert("f", 1)?;
        hash.expire_field("f", second)?;
        let first = stream.add([("f", 1)])?;
        clock.advance(hour);
        assert_eq!((tx.get::<i32>("old")?, tx.ttl("old")?), (Some(1), left(1)));
        assert_eq!(hash.get("f")?, Some(1));
        tx.insert_ex("new", 2, second)?;
        assert_eq!(tx.ttl("new")?, left(1), "it counts from when the transaction began");
        tx.expire("old", 2 * hour)?;
        assert_eq!(tx.ttl("old")?, left(7_200));
        let second = stream.add([("f", 1)])?;
        assert_eq!((second.ms, second.seq), (first.ms, first.seq + 1));
        Ok::<_, Error>(())
    };
    assert_eq!(watched.transaction(body).unwrap(), Some(()));
    assert_eq!(store.ttl("old").unwrap(), left(3_600));
    assert!(!store.contains("new").unwrap());
    assert!(!store.contains("hash").unwrap());
}

#[test]
fn a_lock_or_a_watch_dropped_inside_is_given_up_afterwards() {
    let (_clock, store) = manual_store();
    let second = Duration::from_secs(1);
    let (lock, watched) = (store.try_lock("lock", second).unwrap(), store.watch(["k"]).unwrap());
    let inside = |_: &larder::Tx| {
        drop((lock, watched));
        Ok::<_, Error>(())
    };
    store.transaction(["lock"], inside).unwrap();
    assert!(store.try_lock("lock", second).unwrap().is_some());
}

/// A scan under way meets each key once, whatever a transaction did that was taken back.
#[test]
fn a_failed_transaction_moves_no_key() {
    let store = Store::builder().shards(1).build();
    (0..400).for_each(|key| store.insert_ex(key.to_string(), key, Duration::from_secs(60)).unwrap());
    let writes = store.stats().unwrap().writes;
    let mut scan = store.scan();
    let mut met: Vec<_> = scan.by_ref().take(150).map(Result::unwrap).collect();
    let names: Vec<String> = (0..450).map(|key| key.to_string()).collect();
    let failed = store.transaction(&names, |tx| {
        for name in names.iter().rev().step_by(3).chain(names.iter().step_by(7)) {
            if !tx.remove(name)? {
                tx.insert(name, "new")?;
            }
        }
        Err::<(), _>(Error::Invalid("no"))
    });
    assert!(failed.is_err());
    met.extend(scan.map(Result::unwrap));
    met.sort_unstable();
    met.dedup();
    assert_eq!(met.len(), 400);
    assert_eq!(store.stats().unwrap().writes, writes, "what was taken back does not count");
    for key in 0..400 {
        assert_eq!(store.get::<i32>(key.to_string()).unwrap(), Some(key));
    }
    store.transaction(["new"], |tx| tx.insert_ex("new", 1, Duration::from_secs(60))).unwrap();
    assert_eq!(store.stats().unwrap().writes, writes + 1);
}

#[test]
fn money_is_neither_made_nor_lost() {
    let store = Store::new();
    let accounts: Vec<String> = (0..8).map(|n| format!("account:{n}")).collect();
    for account in &accounts {
        store.insert(account, 100).unwrap();
    }
    thread::scope(|scope| {
        for seed in 0..4_usize {
            let (store, accounts) = (&store, &accounts);
            scope.spawn(move || {
                for round in 0..500 {
                    let (from, to) = (&accounts[(seed + round) % 8], &accounts[(seed * 3 + round * 5) % 8]);
                    let moved = store.transaction([from, to], |tx| {
                        if tx.counter(from).decr_by(7)? < 0 {
                            return Err(Error::Invalid("not enough money"));
                        }
                        tx.counter(to).incr_by(7)
                    });
                    assert!(moved.is_ok() || moved.unwrap_err().to_string().contains("money"));
                    let sum = store.transaction(accounts, |tx| {
                        accounts
                            .iter()
                            .map(|key| Ok(tx.get::<i64>(key)?.unwrap_or(0)))
                            .sum::<Result<i64, Error>>()
                    });
                    assert_eq!(sum.unwrap(), 800);
                }
            });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a transaction does before it fails, nothing can be seen of it.
    #[test]
    fn a_failed_transaction_leaves_no_trace(ops in prop::collection::vec((0..7_usize, 0..8_u8), 0..40)) {
        let (_clock, store) = manual_store();
        fill(&store);
        let before = picture(&store);
        let failed = store.transaction(KEYS, |tx| {
            for (key, op) in ops {
                let key = KEYS[key];
                // Whether an operation fits the key's type or not: both are part of the test.
                let _ = match op {
                    0 => tx.remove(key).map(drop),
                    1 => tx.insert(key, 5),
                    2 => tx.list::<i32>(key).push_front(7).map(drop),
                    3 => tx.set::<i32>(key).remove(2).map(drop),
                    4 => tx.hash::<String, i32>(key).insert("g", 2).map(drop),
                    5 => tx.sorted_set::<String>(key).incr_by("m", 2.0).map(drop),
                    6 => tx.expire(key, Duration::from_secs(3)).map(drop),
                    _ => tx.list::<i32>(key).pop_back().map(drop),
                };
            }
            Err::<(), _>(Error::Invalid("no"))
        });
        prop_assert!(failed.is_err());
        prop_assert_eq!(picture(&store), before);
    }
}
