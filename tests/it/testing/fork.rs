//! Forks and checkpoints.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use larder::testing::assert_same;
use larder::{Error, Eviction, KeyEvents, ManualClock, Reply, Store, Sweeping, Ttl};
use proptest::prelude::*;

use crate::support::{manual_store, picture, until};

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Something of each type, in two databases.
fn fill(store: &Store) {
    store.insert("string", "x".repeat(500)).unwrap();
    store.insert_ex("timed", 1, seconds(30)).unwrap();
    store.list::<u32>("list").extend_back(0..1_000).unwrap();
    store.set::<u32>("set").insert_many(0..1_000).unwrap();
    let hash = store.hash::<u32, u32>("hash");
    hash.insert_many((0..200).map(|n| (n, n))).unwrap();
    hash.expire_fields(0..50, seconds(10)).unwrap();
    store.sorted_set::<u32>("board").insert_many((0..1_000).map(|n| (n, f64::from(n % 7)))).unwrap();
    store.db(3).unwrap().insert_many((0..500).map(|n| (n, "many"))).unwrap();
}

/// Changes something of each.
fn change(store: &Store) {
    store.string("string").append("more").unwrap();
    store.persist("timed").unwrap();
    store.list::<u32>("list").pop_front_many(10).unwrap();
    store.set::<u32>("set").pop_many(900).unwrap();
    store.hash::<u32, u32>("hash").persist_fields(0..20).unwrap();
    store.sorted_set::<u32>("board").incr_by(7, 0.5).unwrap();
    store.db(3).unwrap().clear().unwrap();
    store.insert("new", 1).unwrap();
}

#[test]
fn a_fork_and_its_origin_go_their_own_ways() {
    let (clock, store) = manual_store();
    fill(&store);
    let fork = store.db(3).unwrap().fork().unwrap();
    assert_eq!(fork.index(), 3);
    let fork = fork.db(0).unwrap();
    let before = picture(&store);
    assert_eq!(picture(&fork), before);
    change(&fork);
    assert_eq!(picture(&store), before);
    let changed = picture(&fork);
    store.clear_all().unwrap();
    assert_eq!(picture(&fork), changed);
    fork.roll_back(&fork.checkpoint().unwrap()).unwrap();
    assert_eq!(picture(&fork), changed);
    // They share the clock.
    fork.insert_ex("timed", 1, seconds(30)).unwrap();
    clock.advance(seconds(30));
    assert!(!fork.contains("timed").unwrap());
    assert!(fork.sweep().unwrap() > 0);
}

#[test]
fn a_fork_goes_by_the_settings_that_it_tells() {
    let store = Store::new();
    store.session().call(["CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "3"]);
    let mut session = store.fork().unwrap().session();
    (0..9).for_each(|n| _ = session.call(["SET", "a", &n.to_string()]));
    assert_eq!(session.call(["SLOWLOG", "LEN"]), Reply::Integer(3));
}

#[cfg(feature = "lua")]
#[test]
fn random_numbers_are_the_same_again_where_scripts_ran() {
    let store = Store::builder().seed(7).build();
    store.set::<u32>("set").insert_many(0..1_000).unwrap();
    let start = store.checkpoint().unwrap();
    let mut session = store.session();
    let mut run = || {
        let drawn = session.call(["EVAL", "return {math.random(1000000), math.random(1000000)}", "0"]);
        (drawn, session.call(["SRANDMEMBER", "set", "5"]))
    };
    let first = run();
    for _ in 0..3 {
        store.roll_back(&start).unwrap();
        assert_eq!(run(), first);
    }
    assert_ne!(run(), first);
    let drawn =
        |store: &Store| store.fork().unwrap().session().call(["EVAL", "return math.random(1000000)", "0"]);
    assert_eq!(drawn(&store), drawn(&store));
}

#[test]
fn going_back_is_a_change() {
    let store = Store::new();
    let empty = store.checkpoint().unwrap();
    let before = store.stats().unwrap().writes;
    store.roll_back(&empty).unwrap();
    assert!(store.stats().unwrap().writes > before, "a save point would not see it");
}

#[test]
fn a_fork_keeps_settings_counts_and_chance() {
    let store = Store::builder().databases(2).max_keys(1_000).eviction(Eviction::Refuse).seed(7).build();
    store.insert_many((0..1_000).map(|n| (n, n))).unwrap();
    store.get::<u32>(1).unwrap();
    store.get::<u32>("missing").unwrap();
    store.session().call(["CONFIG", "SET", "requirepass", "secret"]);
    let fork = store.fork().unwrap();
    assert!(fork.db(2).is_err());
    assert!(matches!(fork.insert("one more", 1), Err(Error::OutOfMemory)));
    fork.remove(1).unwrap();
    fork.insert("one more", 1).unwrap();
    assert!(matches!(store.insert("one more", 1), Err(Error::OutOfMemory)));
    let counts = |store: &Store| {
        let stats = store.stats().unwrap();
        (stats.hits, stats.misses, stats.writes)
    };
    assert_eq!(counts(&store), (1, 1, 1_000));
    assert_eq!(counts(&fork), (1, 1, 1_002));
    assert!(matches!(fork.session().call(["GET", "one more"]), Reply::Error(_)));
    assert_eq!(store.fork().unwrap().random_key().unwrap(), store.random_key().unwrap());
}

#[test]
fn what_stays_within_a_limit_does_so_in_a_fork() {
    for is_bytes in [true, false] {
        let builder = Store::builder().shards(2).seed(7);
        let store = if is_bytes { builder.max_bytes(200_000) } else { builder.max_keys(1_000) }.build();
        store.pin("pinned").unwrap();
        store.insert("pinned", 1).unwrap();
        let write = |store: &Store, round: u32| {
            for n in 0..2_000 {
                store.insert(format!("{round}:{n}"), "x".repeat(100)).unwrap();
                store.get::<String>(format!("{round}:{}", n / 3)).unwrap();
            }
            let (keys, bytes) = (store.len().unwrap(), store.stats().unwrap().bytes);
            assert!(
                if is_bytes { (100_000..=200_000).contains(&bytes) } else { keys == 1_000 },
                "{keys} {bytes}"
            );
            assert!(store.contains("pinned").unwrap());
        };
        write(&store, 0);
        let mark = store.checkpoint().unwrap();
        let fork = store.fork().unwrap();
        write(&fork, 1);
        write(&store, 1);
        if !is_bytes {
            // The same keys in use: the same went.
            assert_same(&store, &fork);
        }
        store.roll_back(&mark).unwrap();
        write(&store, 1);
        if !is_bytes {
            assert_same(&fork, &store);
        }
    }
}

#[test]
fn a_fork_has_a_sweeper_of_its_own() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    store.insert_ex("session", 1, seconds(30)).unwrap();
    let fork = store.fork().unwrap();
    drop(store);
    clock.advance(seconds(30));
    until("sweep", || fork.stats().unwrap().entries == 0);
}

#[test]
fn nobody_comes_along_into_a_fork() {
    let store = Store::builder().key_events(KeyEvents::On).build();
    let events = store.psubscribe(["*"]);
    let jobs = store.list::<u32>("jobs");
    let mut pop = pin!(jobs.pop_front_async());
    let context = &mut Context::from_waker(Waker::noop());
    assert!(pop.as_mut().poll(context).is_pending());
    let fork = store.fork().unwrap();
    fork.list::<u32>("jobs").push_back(1).unwrap();
    assert_eq!((fork.waiting().unwrap(), store.waiting().unwrap()), (0, 1));
    assert_eq!(events.try_recv(), None);
    assert_eq!(fork.list::<u32>("jobs").len().unwrap(), 1);
    jobs.push_back(2).unwrap();
    assert!(matches!(pop.as_mut().poll(context), Poll::Ready(Ok(2))));
}

/// Has the others end too, if an assertion fails here.
struct End<'d>(&'d AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Each transfer takes from one account and gives to another.
#[test]
fn a_fork_is_of_one_instant() {
    const ACCOUNTS: u32 = 64;
    let store = Store::builder().shards(8).seed(7).build();
    store.insert_many((0..ACCOUNTS).map(|account| (account, 100))).unwrap();
    let done = AtomicBool::new(false);
    let sum =
        |store: &Store| (0..ACCOUNTS).map(|account| store.get::<i64>(account).unwrap().unwrap()).sum::<i64>();
    thread::scope(|scope| {
        for from in 0..2 {
            let (store, done) = (store.clone(), &done);
            scope.spawn(move || {
                for at in 0.. {
                    let (from, to) = ((at * 7 + from) % ACCOUNTS, (at * 13 + 5) % ACCOUNTS);
                    let transfer = |tx: &larder::Tx| {
                        tx.counter(from).decr_by(1)?;
                        tx.counter(to).incr_by(1)
                    };
                    store.transaction([from, to], transfer).unwrap();
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        let _end = End(&done);
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let fork = store.fork().unwrap();
            assert_eq!(sum(&fork), 100 * i64::from(ACCOUNTS));
            seen.insert(fork.dump().unwrap().to_string());
            // So is what is gone back to.
            store.roll_back(&store.checkpoint().unwrap()).unwrap();
        }
        assert!(seen.len() > 1, "nothing was written meanwhile");
    });
    assert_eq!(sum(&store), 100 * i64::from(ACCOUNTS));
}

#[test]
fn a_store_goes_back_as_often_as_wanted() {
    let (_clock, store) = manual_store();
    let empty = store.checkpoint().unwrap();
    fill(&store);
    store.pin("list").unwrap();
    let full = store.checkpoint().unwrap();
    let before = picture(&store);
    for _ in 0..3 {
        change(&store);
        store.unpin("list").unwrap();
        store.roll_back(&full).unwrap();
        assert_eq!(picture(&store), before);
        assert!(store.is_pinned("list").unwrap());
        store.roll_back(&empty).unwrap();
        assert_eq!(picture(&store), picture(&Store::new()));
        assert!(!store.is_pinned("list").unwrap());
    }
    store.roll_back(&full).unwrap();
    assert_eq!(picture(&store), before);
}

#[test]
fn times_to_live_are_as_they_were() {
    let (clock, store) = manual_store();
    fill(&store);
    // It stands there still, and is over already.
    store.insert_ex("over", 1, seconds(1)).unwrap();
    store.hash::<u32, u32>("hash").expire_fields(60..70, seconds(1)).unwrap();
    clock.advance(seconds(2));
    let mark = store.checkpoint().unwrap();
    let before = picture(&store);
    for _ in 0..2 {
        clock.advance(seconds(20));
        store.roll_back(&mark).unwrap();
        assert_eq!(picture(&store), before);
        assert_same(&mark, &store);
    }
    assert_eq!(store.ttl("timed").unwrap(), Ttl::Left(seconds(28)));
    clock.advance(seconds(8));
    assert_eq!(store.hash::<u32, u32>("hash").len().unwrap(), 140);
    clock.advance(seconds(20));
    assert!(!store.contains("timed").unwrap());
    // Swept to the last of them, and what was over already: the wheel knows the new deadlines.
    assert_eq!(store.sweep().unwrap(), 2);
    assert_eq!(store.stats().unwrap().expiring, 0);
}

#[test]
fn who_watches_is_told_and_who_waits_is_served() {
    let (_clock, store) = manual_store();
    store.insert("stays", 1).unwrap();
    store.list::<u32>("jobs").extend_back([1, 2]).unwrap();
    let mark = store.checkpoint().unwrap();
    let mut session = store.session();
    let exec = |session: &mut larder::Session| {
        session.call(["MULTI"]);
        session.call(["EXEC"])
    };
    session.call(["WATCH", "stays"]);
    store.roll_back(&mark).unwrap();
    assert_eq!(exec(&mut session), Reply::NilArray);
    session.call(["WATCH", "never there"]);
    store.roll_back(&mark).unwrap();
    assert_eq!(exec(&mut session), Reply::Array(Vec::new()));

    store.clear().unwrap();
    let jobs = store.list::<u32>("jobs");
    let context = &mut Context::from_waker(Waker::noop());
    let mut pops: Vec<_> = (0..3).map(|_| Box::pin(jobs.pop_front_async())).collect();
    assert!(pops.iter_mut().all(|pop| pop.as_mut().poll(context).is_pending()));
    store.roll_back(&mark).unwrap();
    let served: Vec<_> = pops.iter_mut().map(|pop| pop.as_mut().poll(context)).collect();
    assert!(matches!(served[..], [Poll::Ready(Ok(1)), Poll::Ready(Ok(2)), Poll::Pending]), "{served:?}");
    assert_eq!(store.waiting().unwrap(), 1);
}

#[test]
fn a_load_under_way_is_not_stored() {
    let (_clock, store) = manual_store();
    let empty = store.checkpoint().unwrap();
    let loaded = store.get_or_load("product", seconds(60), || {
        store.roll_back(&empty).unwrap();
        Ok::<_, std::io::Error>(7)
    });
    assert_eq!(loaded.unwrap(), 7);
    assert!(store.is_empty().unwrap());
}

#[test]
fn chance_goes_back_too() {
    let (_clock, store) = manual_store();
    store.set::<u32>("set").insert_many(0..1_000).unwrap();
    let mark = store.checkpoint().unwrap();
    let draw = || {
        store.roll_back(&mark).unwrap();
        store.set::<u32>("set").pop_many(20).unwrap()
    };
    assert_eq!(draw(), draw());
}

#[test]
fn strangers_and_transactions_are_refused() {
    let (_clock, store) = manual_store();
    store.insert("k", 1).unwrap();
    let mark = store.checkpoint().unwrap();
    let (_clock, other) = manual_store();
    other.insert("mine", 1).unwrap();
    assert!(matches!(other.roll_back(&mark), Err(Error::Invalid(_))));
    assert!(other.contains("mine").unwrap());
    let fork = store.fork().unwrap();
    fork.clear().unwrap();
    fork.roll_back(&mark).unwrap();
    assert_same(&store, &fork);
    store
        .transaction(["k"], |_| {
            assert!(matches!(store.fork(), Err(Error::InTransaction)));
            assert!(matches!(store.checkpoint(), Err(Error::InTransaction)));
            assert!(matches!(store.roll_back(&mark), Err(Error::InTransaction)));
            Ok::<_, Error>(())
        })
        .unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Whatever was there and whatever is done: the way back leads to the same.
    #[test]
    fn back_is_where_it_was(
        before in prop::collection::vec((0..6_u8, 0..8_u32, 0..400_u32), 0..60),
        after in prop::collection::vec((0..6_u8, 0..8_u32, 0..400_u32), 0..60),
        passed in 0..5_000_u64,
    ) {
        let clock = ManualClock::new();
        let store = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).shards(2).seed(7).build();
        let run = |steps: &[(u8, u32, u32)]| {
            for &(what, key, n) in steps {
                let ttl = Duration::from_millis(1 + 10 * u64::from(n));
                // What finds another type is part of the test.
                let _ = match what {
                    0 => store.insert(key, "x".repeat(n as usize)),
                    1 => store.insert_ex(key, n, ttl),
                    2 => store.list::<u32>(key).extend_back(0..n).map(drop),
                    3 => store.hash::<u32, u32>(key).insert_ex(n, key, ttl).map(drop),
                    4 => store.set::<u32>(key).insert_many(0..n).map(drop),
                    _ => store.remove(key).map(drop),
                };
                clock.advance(Duration::from_millis(u64::from(n % 40)));
            }
        };
        run(&before);
        let (mark, seen) = (store.checkpoint().unwrap(), picture(&store));
        run(&after);
        clock.advance(Duration::from_millis(passed));
        store.sweep().unwrap();
        store.roll_back(&mark).unwrap();
        prop_assert_eq!(picture(&store), seen);
        prop_assert!(store.difference(&mark).unwrap().is_empty());
    }
}
