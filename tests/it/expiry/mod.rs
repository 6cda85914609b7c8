//! Expiry: a key whose time has come is never seen, its memory comes back, and the sweeper does no more
//! and no less than that.

mod operations;
mod sweeper;

use std::collections::BTreeMap;
use std::time::Duration;

use larder::{Error, InsertOptions, KeyEvents, ManualClock, Store, Sweeping, Ttl};
use proptest::prelude::*;

use crate::support::{manual_store, until};
use operations::{expire_all, fill};

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn a_sweep_gives_back_what_is_due_and_nothing_else() {
    let (clock, store) = manual_store();
    for ttl in 1..=1_000 {
        store.insert_ex(ttl, "value", millis(ttl)).unwrap();
    }
    assert_eq!(store.sweep().unwrap(), 0);
    clock.advance(millis(500));
    assert_eq!((store.stats().unwrap().entries, store.sweep().unwrap()), (1_000, 500));
    assert_eq!(store.sweep().unwrap(), 0);
    let stats = store.stats().unwrap();
    assert_eq!((stats.entries, stats.expiring, stats.expirations), (500, 500, 500));
    for left in (0..500).rev() {
        clock.advance(millis(1));
        assert_eq!((store.sweep().unwrap(), store.stats().unwrap().entries), (1, left));
    }
}

#[test]
fn the_memory_of_expired_keys_comes_back() {
    let (clock, store) = manual_store();
    let rounds = |round: i32| {
        for n in 0..2_000 {
            store
                .insert_ex(format!("a key that is not short, number {n} of {round}"), n, millis(100))
                .unwrap();
        }
        fill(&store);
        expire_all(&store);
        let used = store.stats().unwrap();
        assert_eq!((used.entries, used.expiring), (2_009, 2_008));
        clock.advance(millis(100));
        assert_eq!(store.sweep().unwrap(), 2_009);
        let swept = store.stats().unwrap();
        assert_eq!((swept.entries, swept.expiring), (0, 0));
        assert!(swept.bytes * 10 < used.bytes, "{} of {} bytes", swept.bytes, used.bytes);
        swept.bytes
    };
    // The first round leaves the wheels behind, which are made once.
    let at_rest = rounds(0);
    assert_eq!((rounds(1), rounds(2)), (at_rest, at_rest));
}

#[test]
fn an_expired_key_is_told_once() {
    let clock = ManualClock::new();
    let builder = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).shards(4);
    let store = builder.key_events(KeyEvents::On).build();
    for key in ["swept", "read", "written", "removed", "renamed over"] {
        store.insert_ex(key, 1, millis(10)).unwrap();
    }
    store.hash::<String, i32>("parts").insert_ex("f", 1, millis(10)).unwrap();
    store.insert("source", 1).unwrap();
    let events = store.psubscribe(["__keyspace@0__:*"]);
    let told = || -> Vec<String> {
        let messages = std::iter::from_fn(|| events.try_recv());
        messages
            .map(|message| {
                let key = message.channel_str().unwrap().strip_prefix("__keyspace@0__:").unwrap();
                format!("{key} {}", message.payload_str().unwrap())
            })
            .collect()
    };
    clock.advance(millis(10));
    assert_eq!(store.get::<i32>("read").unwrap(), None);
    assert!(told().is_empty(), "a reader changes nothing");
    store.counter("written").incr().unwrap();
    assert_eq!(told(), ["written expired", "written incrby"]);
    assert!(!store.remove("removed").unwrap());
    assert_eq!(told(), ["removed expired"]);
    store.rename("source", "renamed over").unwrap();
    let mut renamed = told();
    renamed.sort();
    assert_eq!(renamed, ["renamed over expired", "renamed over rename_to", "source rename_from"]);
    assert_eq!(store.sweep().unwrap(), 3);
    let mut swept = told();
    swept.sort();
    assert_eq!(swept, ["parts del", "parts hexpired", "read expired", "swept expired"]);
    assert_eq!(store.stats().unwrap().expirations, 6);
    store.sweep().unwrap();
    assert!(told().is_empty());
}

#[test]
fn times_at_the_ends_of_the_clocks_range() {
    let (clock, store) = manual_store();
    let longest = millis(i64::MAX as u64 - 1);
    store.insert_ex("longest", 1, longest).unwrap();
    assert_eq!(store.ttl("longest").unwrap(), Ttl::Left(longest));
    for too_long in [longest + millis(1), Duration::MAX] {
        assert!(matches!(store.insert_ex("k", 1, too_long), Err(Error::InvalidExpire("set"))));
        assert!(matches!(store.expire("longest", too_long), Err(Error::InvalidExpire("pexpire"))));
    }
    for none in [Duration::ZERO, Duration::from_nanos(999_999)] {
        assert!(matches!(store.insert_ex("k", 1, none), Err(Error::InvalidExpire("set"))));
    }
    assert!(!store.contains("k").unwrap());
    store.insert("k", 1).unwrap();
    assert!(store.expire("k", Duration::ZERO).unwrap(), "an EXPIRE of no time removes the key");
    assert!(!store.contains("k").unwrap());

    clock.advance(longest - millis(1));
    assert_eq!((store.ttl("longest").unwrap(), store.sweep().unwrap()), (Ttl::Left(millis(1)), 0));
    clock.advance(millis(1));
    assert_eq!((store.ttl("longest").unwrap(), store.sweep().unwrap()), (Ttl::Missing, 1));

    store.insert("forever", 1).unwrap();
    store.hash::<String, i32>("hash").insert("f", 1).unwrap();
    clock.advance(Duration::MAX);
    assert!(store.contains("forever").unwrap());
    assert_eq!(store.hash::<String, i32>("hash").len().unwrap(), 1);
    assert!(matches!(store.insert_ex("k", 1, millis(1)), Err(Error::InvalidExpire("set"))));
    assert!(matches!(store.expire("forever", millis(1)), Err(Error::InvalidExpire("pexpire"))));
    assert_eq!(store.sweep().unwrap(), 0);
    assert!(store.expire("forever", Duration::ZERO).unwrap());
    assert_eq!((store.len().unwrap(), store.stats().unwrap().entries), (1, 1));
}

/// Until the sweeper's thread has given back so many keys.
fn until_expired(store: &Store, count: u64) {
    until("expirations", || store.stats().unwrap().expirations >= count);
    assert_eq!(store.stats().unwrap().expirations, count);
}

#[test]
fn the_sweeper_comes_by_itself() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).shards(4).build();
    let stay = |count: usize| assert_eq!(store.stats().unwrap().entries, count);
    for key in 0..1_000 {
        store.insert_ex(key, "value", millis(1_000)).unwrap();
    }
    store.insert_ex("later", 1, millis(1_001)).unwrap();
    store.hash::<String, i32>("hash").insert_ex("f", 1, millis(1_002)).unwrap();
    store.insert("forever", 1).unwrap();
    clock.advance(millis(999));
    stay(1_003);
    clock.advance(millis(1));
    until_expired(&store, 1_000);
    stay(3);
    // Each millisecond counts, and the next deadline is known without being told.
    clock.advance(millis(1));
    until_expired(&store, 1_001);
    clock.advance(millis(1));
    until_expired(&store, 1_002);
    stay(1);
    // An earlier deadline than the one that the sweeper sleeps until.
    store.insert_ex("far", 1, millis(1_000_000)).unwrap();
    store.insert_ex("near", 1, millis(50)).unwrap();
    clock.advance(millis(50));
    until_expired(&store, 1_003);
    // A deadline that was put off, and one that was taken away.
    store.expire("far", millis(2_000_000)).unwrap();
    store.insert_ex("kept", 1, millis(1_000)).unwrap();
    store.persist("kept").unwrap();
    clock.advance(millis(1_000_000));
    store.insert_ex("mark", 1, millis(1)).unwrap();
    clock.advance(millis(1));
    until_expired(&store, 1_004);
    assert!(store.contains("far").unwrap() && store.contains("kept").unwrap());
    clock.advance(Duration::MAX);
    until_expired(&store, 1_005);
    stay(2);
}

/// Makes one key that has 10 ms left.
type Way = fn(&Store) -> Result<(), Error>;

#[test]
fn deadlines_set_in_any_way_wake_the_sweeper() {
    let ways: &[Way] = &[
        |s| s.insert_ex("k", 1, millis(10)),
        |s| s.insert("k", 1).and_then(|()| s.expire("k", millis(10)).map(drop)),
        |s| s.insert("k", 1).and_then(|()| s.get_and_expire::<i32>("k", millis(10)).map(drop)),
        |s| s.insert_with("k", 1, InsertOptions::new().expire_in(millis(10))).map(drop),
        |s| s.hash::<String, i32>("k").insert_ex("f", 1, millis(10)).map(drop),
        |s| {
            s.hash::<String, i32>("k").insert("f", 1)?;
            s.hash::<String, i32>("k").expire_field("f", millis(10)).map(drop)
        },
        |s| s.transaction(["k"], |tx| tx.insert_ex("k", 1, millis(10))),
        |s| {
            s.insert_ex("other", 1, millis(10))?;
            s.rename("other", "k")
        },
        |s| {
            s.insert_ex("k", 1, millis(10))?;
            s.swap_databases(0, 3)
        },
        |s| {
            s.hash::<String, i32>("k").insert_ex("f", 1, millis(10))?;
            s.move_to_db("k", 3).map(drop)
        },
        |s| {
            let loaded = s.get_or_load("k", millis(10), || Ok::<_, String>(1));
            loaded.map(drop).map_err(|_| Error::NoSuchKey)
        },
    ];
    for (at, set) in ways.iter().enumerate() {
        let clock = ManualClock::new();
        let store = Store::builder().clock(&clock).shards(4).build();
        set(&store).unwrap();
        assert_eq!(store.stats().unwrap().entries, 1, "way {at}");
        clock.advance(millis(10));
        until_expired(&store, 1);
        assert_eq!(store.stats().unwrap().entries, 0, "way {at}");
    }
}

#[test]
fn a_racing_clock_loses_no_deadline() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).shards(4).build();
    for round in 1..=500_u64 {
        store.insert_ex("k", 1, millis(1 + round % 20)).unwrap();
        clock.advance(millis(1 + round % 20));
        until_expired(&store, round);
    }
}

/// How many threads of this process have a name.
#[cfg(target_os = "linux")]
fn threads_named(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    // A thread may have ended since it was listed.
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|of| of.trim_end() == name).count()
}

/// In a process of its own: other tests have sweepers too.
#[cfg(target_os = "linux")]
#[test]
fn the_sweepers_thread_lives_as_long_as_it_is_needed() {
    const MARK: &str = "LARDER_TEST_OF_THREADS";
    if std::env::var_os(MARK).is_none() {
        let name = "expiry::the_sweepers_thread_lives_as_long_as_it_is_needed";
        let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
        let done = alone.args(["--exact", name, "--test-threads=1"]).env(MARK, "1").output().unwrap();
        let said = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && said.contains("1 passed"), "{said}");
        return;
    }
    const SWEEPER: &str = "larder-sweeper";
    let by_hand = Store::builder().sweeping(Sweeping::ByHand).build();
    by_hand.insert_ex("k", 1, millis(1)).unwrap();
    assert_eq!(threads_named(SWEEPER), 0, "swept by hand");

    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    store.insert("k", 1).unwrap();
    store.list::<i32>("list").push_back(1).unwrap();
    store.get::<i32>("k").unwrap();
    assert_eq!(threads_named(SWEEPER), 0, "there is no deadline");
    store.insert_ex("k", 1, millis(10)).unwrap();
    until_named(SWEEPER, 1);
    clock.advance(millis(10));
    until_expired(&store, 1);
    for key in 0..100 {
        store.insert_ex(key, 1, millis(10)).unwrap();
    }
    assert_eq!(threads_named(SWEEPER), 1, "one is enough");
    let (clone, other) = (store.clone(), store.db(1).unwrap());
    drop((store, clone));
    other.insert_ex("k", 1, millis(1)).unwrap();
    clock.advance(millis(1));
    until_expired(&other, 2);
    assert_eq!(threads_named(SWEEPER), 1, "there is a handle left");
    drop(other);
    until_named(SWEEPER, 0);
}

#[cfg(target_os = "linux")]
fn until_named(name: &str, count: usize) {
    until("threads", || threads_named(name) == count);
}

#[derive(Debug, Clone)]
enum Step {
    Insert(u32, u64),
    Forever(u32),
    Field(u32, u8, u64),
    Expire(u32, u64),
    Persist(u32),
    Remove(u32),
    Advance(u64),
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let ttl = || prop_oneof![1..40_u64, 1..5_000_u64, Just(100_000_000_u64)];
    prop_oneof![
        3 => (0..40_u32, ttl()).prop_map(|(key, ttl)| Step::Insert(key, ttl)),
        1 => (0..40_u32).prop_map(Step::Forever),
        2 => (0..40_u32, 0..3_u8, ttl()).prop_map(|(key, field, ttl)| Step::Field(key, field, ttl)),
        2 => (0..40_u32, ttl()).prop_map(|(key, ttl)| Step::Expire(key, ttl)),
        1 => (0..40_u32).prop_map(Step::Persist),
        1 => (0..40_u32).prop_map(Step::Remove),
        3 => prop_oneof![1..30_u64, 1..3_000_u64, Just(50_000_000_u64)].prop_map(Step::Advance),
        2 => Just(Step::Sweep),
    ]
}

/// A key of the model: when it is over, or when each of its fields is.
#[derive(Debug, Clone)]
enum Timed {
    Whole(u64),
    Fields(u64, BTreeMap<u8, u64>),
}

impl Timed {
    fn deadline(&self) -> u64 {
        match self {
            Timed::Whole(until) => *until,
            Timed::Fields(until, fields) => fields.values().copied().max().unwrap_or(0).min(*until),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// What is there is what has not expired, to the millisecond; and a sweep takes exactly the rest.
    #[test]
    fn deadlines_are_kept(steps in prop::collection::vec(step(), 1..150)) {
        const NEVER: u64 = u64::MAX;
        let (clock, store) = manual_store();
        let (mut model, mut now) = (BTreeMap::<u32, Timed>::new(), 0);
        // What the store still holds, expired or not: writers meet and remove what has expired.
        let mut swept = 0;
        for step in steps {
            let until = |ttl: u64| now + ttl;
            match step {
                Step::Insert(key, ttl) => {
                    store.insert_ex(key, 1, millis(ttl)).unwrap();
                    model.insert(key, Timed::Whole(until(ttl)));
                }
                Step::Forever(key) => {
                    store.insert(key, 1).unwrap();
                    model.insert(key, Timed::Whole(NEVER));
                }
                Step::Field(key, field, ttl) => {
                    let inserted = store.hash::<u8, u8>(key).insert_ex(field, 1, millis(ttl));
                    let live = model.get_mut(&key).filter(|timed| timed.deadline() > now);
                    match live {
                        None => {
                            model.insert(key, Timed::Fields(NEVER, [(field, until(ttl))].into()));
                            prop_assert!(inserted.unwrap());
                        }
                        Some(Timed::Whole(_)) => prop_assert!(matches!(inserted, Err(Error::WrongType))),
                        Some(Timed::Fields(_, fields)) => {
                            fields.retain(|_, until| *until > now);
                            prop_assert_eq!(inserted.unwrap(), fields.insert(field, until(ttl)).is_none());
                        }
                    }
                }
                Step::Expire(key, ttl) => {
                    let live = model.get_mut(&key).filter(|timed| timed.deadline() > now);
                    prop_assert_eq!(store.expire(key, millis(ttl)).unwrap(), live.is_some());
                    if let Some(Timed::Whole(at) | Timed::Fields(at, _)) = live {
                        *at = until(ttl);
                    }
                }
                Step::Persist(key) => {
                    let live = model.get_mut(&key).filter(|timed| timed.deadline() > now);
                    let persisted = store.persist(key).unwrap();
                    if let Some(Timed::Whole(at) | Timed::Fields(at, _)) = live {
                        prop_assert_eq!(persisted, *at != NEVER);
                        *at = NEVER;
                    } else {
                        prop_assert!(!persisted);
                    }
                }
                Step::Remove(key) => {
                    let was_there = model.remove(&key).is_some_and(|timed| timed.deadline() > now);
                    prop_assert_eq!(store.remove(key).unwrap(), was_there);
                }
                Step::Advance(by) => {
                    clock.advance(millis(by));
                    now += by;
                }
                Step::Sweep => {
                    let entries = store.stats().unwrap().entries;
                    model.retain(|_, timed| timed.deadline() > now);
                    swept += store.sweep().unwrap();
                    let stats = store.stats().unwrap();
                    prop_assert_eq!(stats.entries, model.len());
                    prop_assert!(stats.expirations >= swept as u64 && entries >= stats.entries);
                }
            }
            let live = model.iter().filter(|(_, timed)| timed.deadline() > now);
            let mut expected: Vec<String> = live.map(|(key, _)| key.to_string()).collect();
            let mut found: Vec<String> =
                store.keys("*").unwrap().iter().map(|key| key.as_str().unwrap().to_owned()).collect();
            expected.sort();
            found.sort();
            prop_assert_eq!(found, expected);
        }
    }
}
