//! Expiry: a key whose time has come is never seen, its memory comes back, and the sweeper does no more
//! and no less than that.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use larder::{
    BitOp, Combine, CopyOptions, End, Error, ExpireIf, KeyEvents, ManualClock, PositionOptions, SetOptions,
    Store, Sweeping, Ttl, Type,
};
use proptest::prelude::*;

use crate::support::{manual_store, picture, until};

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A value of each type. Two lists, sets and sorted sets, for what takes several.
fn fill(store: &Store) {
    store.insert("string", "7").unwrap();
    store.list::<i32>("list").extend_back(&[1, 2, 1]).unwrap();
    store.list::<i32>("list 2").push_back(&9).unwrap();
    store.set::<i32>("set").insert(&1).unwrap();
    store.set::<i32>("set 2").insert(&1).unwrap();
    store.hash::<String, i32>("hash").insert("f", &1).unwrap();
    store.hash::<String, i32>("parts").insert("f", &1).unwrap();
    store.sorted_set::<String>("zset").insert("m", 1.0).unwrap();
    store.sorted_set::<String>("zset 2").insert("m", 2.0).unwrap();
}

const KEYS: [&str; 9] = ["string", "list", "list 2", "set", "set 2", "hash", "parts", "zset", "zset 2"];

/// Gives everything 10 ms; of one hash the only field, of all others the key.
fn expire_all(store: &Store) {
    for key in KEYS {
        if key == "parts" {
            store.hash::<String, i32>(key).expire_field("f", millis(10)).unwrap();
        } else {
            assert!(store.expire(key, millis(10)).unwrap());
        }
    }
}

/// What an operation gave, as text.
fn show<T: Debug>(result: Result<T, Error>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => error.to_string(),
    }
}

type Operation = fn(&Store) -> String;

/// Everything that reads a key, and everything that does something else with one that is missing.
const OPERATIONS: &[Operation] = &[
    // Keys.
    |s| show(s.contains("string")),
    |s| show(s.contains_many(KEYS)),
    |s| show(s.touch(KEYS)),
    |s| KEYS.map(|key| show(s.type_of(key))).concat(),
    |s| KEYS.map(|key| show(s.remove(key))).concat(),
    |s| show(s.remove_many(KEYS)),
    |s| show(s.rename("string", "new")),
    |s| show(s.rename("parts", "new")),
    |s| show(s.rename_if_absent("list", "set")),
    |s| show(s.insert("other", 1)) + &show(s.rename_if_absent("other", "string")),
    |s| show(s.copy("zset", "new")),
    |s| show(s.copy("parts", "new")),
    |s| show(s.insert("other", 1)) + &show(s.copy("other", "hash")),
    |s| show(s.copy_with("list", "set", CopyOptions::new().replace())),
    |s| show(s.move_to_db("list", 1)),
    |s| show(s.db(1).unwrap().insert("list", 1)) + &show(s.db(1).unwrap().move_to_db("list", 0)),
    |s| show(s.expire("string", Duration::ZERO)),
    |s| show(s.len()) + &show(s.is_empty()),
    |s| show(s.keys("*").map(|keys| keys.len())),
    |s| show(s.keys("string")),
    |s| show(s.random_key().map(|key| key.is_some())),
    |s| show(s.scan().collect::<Result<Vec<_>, _>>().map(|keys| keys.len())),
    |s| show(s.scan().of_type(Type::Hash).collect::<Result<Vec<_>, _>>().map(|keys| keys.len())),
    // Strings.
    |s| show(s.get::<String>("string")),
    |s| show(s.get_with("string", <[u8]>::len)),
    |s| show(s.get_many::<String>(["string", "list", "nothing"])),
    |s| show(s.insert_with("string", 8, SetOptions::new().keep_ttl())) + &show(s.ttl("string")),
    |s| show(s.insert_if_absent("string", 8)),
    |s| show(s.insert_if_absent("parts", 8)),
    |s| show(s.insert_if_present("string", 8)),
    |s| show(s.insert_many_if_absent([("string", 8), ("new", 9)])),
    |s| show(s.insert_with("string", 8, SetOptions::new().if_equal("7"))),
    |s| show(s.insert_with("string", 8, SetOptions::new().if_not_equal("7"))),
    |s| show(s.swap::<i64>("string", 8)),
    |s| show(s.get_and_remove::<i64>("string")),
    |s| show(s.get_and_expire::<i64>("string", millis(50_000))),
    |s| show(s.get_and_persist::<i64>("string")),
    |s| show(s.remove_if_equal("string", "7")),
    |s| show(s.counter("string").get()),
    |s| show(s.counter("string").incr()) + &show(s.ttl("string")),
    |s| show(s.counter("string").incr_by_float(0.5)),
    |s| show(s.counter("string").swap(3)),
    |s| show(s.counter("string").reset()),
    |s| show(s.string("string").append("1")) + &show(s.ttl("string")),
    |s| show(s.string("string").len()),
    |s| show(s.string("string").range(0, -1)),
    |s| show(s.string("string").set_range(2, "x")),
    |s| show(s.lcs_len("string", "string")),
    |s| show(s.bitmap("string").get(3)),
    |s| show(s.bitmap("string").set(3, true)),
    |s| show(s.bitmap("string").count()),
    |s| show(s.bitmap("string").first(true)),
    |s| show(s.bit_op(BitOp::Or, ["string", "nothing"], "new")),
    |s| show(s.get_or_load("string", millis(50), || Ok::<_, String>(3_i64)).map_err(|_| Error::NoSuchKey)),
    // Another type than the one that was there.
    |s| show(s.list::<i32>("string").push_back(&1)),
    |s| show(s.hash::<String, i32>("list").insert("f", &1)),
    |s| show(s.set::<i32>("parts").insert(&1)),
    |s| show(s.string("zset").append("1")),
    // Lists.
    |s| show(s.list::<i32>("list").len()),
    |s| show(s.list::<i32>("list").to_vec()),
    |s| show(s.list::<i32>("list").range(1, 1)),
    |s| show(s.list::<i32>("list").get(0)),
    |s| show(s.list::<i32>("list").front()) + &show(s.list::<i32>("list").back()),
    |s| show(s.list::<i32>("list").iter().map(Iterator::count)),
    |s| show(s.list::<i32>("list").position(&2)),
    |s| show(s.list::<i32>("list").positions(&1, PositionOptions::new())),
    |s| show(s.list::<i32>("list").push_back(&4)) + &show(s.ttl("list")),
    |s| show(s.list::<i32>("list").push_front_if_exists(&4)),
    |s| show(s.list::<i32>("list").pop_front()),
    |s| show(s.list::<i32>("list").pop_back_many(2)),
    |s| show(s.list::<i32>("list").set(0, &4)),
    |s| show(s.list::<i32>("list").insert_before(&2, &4)),
    |s| show(s.list::<i32>("list").remove_all(&1)),
    |s| show(s.list::<i32>("list").trim(0, 0)),
    |s| show(s.list::<i32>("list").move_to("list 2", End::Front, End::Back)),
    |s| show(s.list::<i32>("list").pop_front_wait(Duration::ZERO)),
    |s| show(s.pop_front_of::<i32>(["list", "list 2"], 5)),
    |s| show(s.pop_front_of_wait::<i32>(["list", "list 2"], Duration::ZERO)),
    // Sets.
    |s| show(s.set::<i32>("set").len()),
    |s| show(s.set::<i32>("set").contains(&1)),
    |s| show(s.set::<i32>("set").contains_many(&[1, 2])),
    |s| show(s.set::<i32>("set").members()),
    |s| show(s.set::<i32>("set").iter().map(Iterator::count)),
    |s| show(s.set::<i32>("set").random()),
    |s| show(s.set::<i32>("set").random_many(3)),
    |s| show(s.set::<i32>("set").insert(&1)) + &show(s.ttl("set")),
    |s| show(s.set::<i32>("set").remove(&1)),
    |s| show(s.set::<i32>("set").pop()),
    |s| show(s.set::<i32>("set").move_to("set 2", &1)),
    |s| show(s.set::<i32>("set").intersection(["set 2"])),
    |s| show(s.set::<i32>("set").union(["set 2"])),
    |s| show(s.set::<i32>("set").difference(["nothing"])),
    |s| show(s.set::<i32>("set").intersection_len(["set 2"], None)),
    |s| show(s.set::<i32>("set").union_into("new", ["set 2"])),
    // Hashes, of which the key has a deadline, or the only field.
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).len())),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).get("f"))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).get_many(["f", "g"]))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).contains("f"))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).value_len("f"))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).entries())),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).keys())),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).values())),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).iter().map(Iterator::count))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).random_field())),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).random_entries(2))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).insert("f", &2))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).insert_if_absent("f", &2))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).remove("f"))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).get_and_remove("f"))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).get_and_persist("f"))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).get_and_expire("f", millis(50_000)))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).incr_by("f", 1))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).incr_by_float("f", 0.5))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).expire_field("f", millis(50_000)))),
    // Sorted sets.
    |s| show(s.sorted_set::<String>("zset").len()),
    |s| show(s.sorted_set::<String>("zset").score("m")),
    |s| show(s.sorted_set::<String>("zset").scores(["m", "n"])),
    |s| show(s.sorted_set::<String>("zset").contains("m")),
    |s| show(s.sorted_set::<String>("zset").rank("m")) + &show(s.sorted_set::<String>("zset").rev_rank("m")),
    |s| show(s.sorted_set::<String>("zset").to_vec()),
    |s| show(s.sorted_set::<String>("zset").range_by_score(..)),
    |s| show(s.sorted_set::<String>("zset").count_by_score(0.0..5.0)),
    |s| show(s.sorted_set::<String>("zset").first()) + &show(s.sorted_set::<String>("zset").last()),
    |s| show(s.sorted_set::<String>("zset").iter().map(Iterator::count)),
    |s| show(s.sorted_set::<String>("zset").random()),
    |s| show(s.sorted_set::<String>("zset").insert("m", 3.0)) + &show(s.ttl("zset")),
    |s| show(s.sorted_set::<String>("zset").incr("m", 3.0)),
    |s| show(s.sorted_set::<String>("zset").remove("m")),
    |s| show(s.sorted_set::<String>("zset").pop_first()),
    |s| show(s.pop_last_of::<String>(["zset", "zset 2"], 5)),
    |s| show(s.sorted_set::<String>("zset").remove_range(0, -1)),
    |s| show(s.sorted_set::<String>("zset").range_into("new", 0, -1)),
    |s| show(s.sorted_set::<String>("zset").union(["zset 2"])),
    |s| show(s.sorted_set::<String>("zset").intersection(["zset 2"])),
    |s| show(s.sorted_set::<String>("zset").union_into("new", ["zset 2"], &Combine::new())),
    // Transactions, and the key's end seen from within.
    |s| show(s.transaction(KEYS, |tx| Ok::<_, Error>((tx.contains("string")?, tx.get::<i64>("string")?)))),
    |s| show(s.transaction(KEYS, |tx| tx.counter("string").incr())),
];

fn hashes(show: impl Fn(&'static str) -> String) -> String {
    ["hash", "parts"].map(show).join(" ")
}

/// Operations that mind a deadline before it has come.
const ABOUT_DEADLINES: &[Operation] = &[
    |s| show(s.persist("set")),
    |s| show(s.expire_if("string", millis(5_000), ExpireIf::Earlier)),
    |s| show(s.ttl("list")),
    |s| show(s.expires_at("list")),
    |s| show(s.get_with_ttl::<i64>("string")),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).field_ttl("f"))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).persist_field("f"))),
];

/// What an operation gives in a store made ready so, after some time, and what there is then.
fn outcome(operation: Operation, prepare: fn(&Store), passed: u64) -> (String, String) {
    let (clock, store) = manual_store();
    prepare(&store);
    clock.advance(millis(passed));
    let gave = operation(&store);
    (gave, format!("{:?}", picture(&store)))
}

fn timed(store: &Store) {
    fill(store);
    expire_all(store);
}

#[test]
fn no_operation_sees_an_expired_key() {
    for (at, operation) in OPERATIONS.iter().chain(ABOUT_DEADLINES).enumerate() {
        let missing = outcome(*operation, |_| {}, 10);
        assert_eq!(outcome(*operation, timed, 10), missing, "operation {at}, at the deadline");
        assert_eq!(outcome(*operation, timed, 1_000_000), missing, "operation {at}, long after it");
    }
}

#[test]
fn every_operation_sees_a_key_until_its_last_millisecond() {
    for (at, operation) in OPERATIONS.iter().enumerate() {
        let (gave, _) = outcome(*operation, timed, 9);
        let (forever, _) = outcome(*operation, fill, 9);
        assert_eq!(gave.replace("Left(1ms)", "Forever"), forever, "operation {at}");
    }
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
        assert!(swept.bytes * 20 < used.bytes, "{} of {} bytes", swept.bytes, used.bytes);
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
    store.hash::<String, i32>("parts").insert_ex("f", &1, millis(10)).unwrap();
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
    assert_eq!(swept, ["parts expired", "read expired", "swept expired"]);
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
        assert!(matches!(store.expire("longest", too_long), Err(Error::InvalidExpire("expire"))));
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
    store.hash::<String, i32>("hash").insert("f", &1).unwrap();
    clock.advance(Duration::MAX);
    assert!(store.contains("forever").unwrap());
    assert_eq!(store.hash::<String, i32>("hash").len().unwrap(), 1);
    assert!(matches!(store.insert_ex("k", 1, millis(1)), Err(Error::InvalidExpire("set"))));
    assert!(matches!(store.expire("forever", millis(1)), Err(Error::InvalidExpire("expire"))));
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
    store.hash::<String, i32>("hash").insert_ex("f", &1, millis(1_002)).unwrap();
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
        |s| s.insert_with("k", 1, SetOptions::new().expire_in(millis(10))).map(drop),
        |s| s.hash::<String, i32>("k").insert_ex("f", &1, millis(10)).map(drop),
        |s| {
            s.hash::<String, i32>("k").insert("f", &1)?;
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
            s.hash::<String, i32>("k").insert_ex("f", &1, millis(10))?;
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
    store.list::<i32>("list").push_back(&1).unwrap();
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
                    let inserted = store.hash::<u8, u8>(key).insert_ex(&field, &1, millis(ttl));
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
