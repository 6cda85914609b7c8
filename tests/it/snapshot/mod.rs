//! Snapshots: what is saved comes back, with the time it has left, and nothing else does.

mod damage;
mod saving;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use larder::{Error, GroupStart, ManualClock, SnapshotError, Store, Sweeping, Ttl};
use proptest::prelude::*;

use crate::support::{Content, Folder, Picture, manual_store, picture};

/// 2020-01-01 00:00 UTC
fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_577_836_800)
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// Loads a file into a store whose clock shows the given wall time.
fn load_at(path: &Path, wall: SystemTime) -> (ManualClock, Store) {
    let clock = ManualClock::starting_at(wall);
    let store = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).shards(2).load(path).unwrap();
    (clock, store)
}

/// The error of a file that cannot be saved or loaded.
fn snapshot_error<T>(result: Result<T, Error>) -> SnapshotError {
    match result {
        Err(Error::Snapshot(error)) => *error,
        Err(other) => panic!("another error: {other}"),
        Ok(_) => panic!("no error"),
    }
}

/// A value of each type, with deadlines.
fn fill(store: &Store) {
    store.insert("string", "text").unwrap();
    store.insert_ex("fleeting", 42, millis(5_000)).unwrap();
    store.list::<String>("list").extend_back(["a", "b", "a"]).unwrap();
    store.set::<String>("set").insert_many(["x", "y"]).unwrap();
    let hash = store.hash::<String, String>("hash");
    hash.insert("f", "1").unwrap();
    hash.insert_ex("g", "2", millis(3_000)).unwrap();
    store.sorted_set::<String>("zset").insert_many([("m", 1.5), ("n", f64::INFINITY)]).unwrap();
    let stream = store.stream::<String, u32>("stream");
    let ids: Vec<_> = (0..5).map(|n| stream.add([("n", n), ("other", 7)]).unwrap()).collect();
    stream.group("g").create(GroupStart::First).unwrap();
    stream.group("h").create(GroupStart::New).unwrap();
    stream.group("g").consumer("ann").read(3).unwrap();
    stream.group("g").consumer("bob").claim([ids[1]], Duration::ZERO).unwrap();
    stream.remove(ids[4]).unwrap();
    store.db(1).unwrap().insert("string", "of database 1").unwrap();
}

#[test]
fn every_type_comes_back() {
    let folder = Folder::new();
    let (clock, store) = manual_store();
    let binary: Vec<u8> = (0..=255).collect();
    fill(&store);
    store.insert("", "").unwrap();
    store.insert(&binary, &binary).unwrap();
    store.insert("long", vec![7_u8; 700_000]).unwrap();
    store.list::<Vec<u8>>("binary list").extend_back(&[vec![], binary.clone(), vec![0]]).unwrap();
    store.set::<Vec<u8>>("binary set").insert_many(&[vec![], binary.clone()]).unwrap();
    store.hash::<Vec<u8>, Vec<u8>>("binary hash").insert(vec![], vec![]).unwrap();
    let scores = [f64::NEG_INFINITY, f64::MIN, -0.0, f64::MIN_POSITIVE, 0.1, f64::MAX, f64::INFINITY];
    let members: Vec<String> = (0..scores.len()).map(|at| at.to_string()).collect();
    store.sorted_set::<String>("scores").insert_many(members.iter().zip(scores)).unwrap();
    for index in [2, 9, 15] {
        store.db(index).unwrap().insert_ex("k", index, millis(1_000 + u64::from(index))).unwrap();
    }

    let path = folder.join("snapshot");
    let saved = store.save(&path).unwrap();
    let before = picture(&store);
    assert_eq!((saved.entries, saved.total), (before.len() as u64, before.len() as u64));
    let (_clock, loaded) = load_at(&path, clock.now());
    assert_eq!(picture(&loaded), before);
    let (old, new) = (store.stats().unwrap(), loaded.stats().unwrap());
    assert_eq!((new.entries, new.expiring), (old.entries, old.expiring));
    assert_eq!(folder.names(), ["snapshot"]);
}

#[test]
fn big_collections_span_blocks() {
    let folder = Folder::new();
    let (clock, store) = manual_store();
    let names: Vec<String> = (0..10_000).map(|n| format!("a name of some length, number {n}")).collect();
    store.list::<String>("list").extend_back(&names).unwrap();
    store.set::<String>("set").insert_many(&names).unwrap();
    store.hash::<String, String>("hash").insert_many(names.iter().map(|name| (name, name))).unwrap();
    let scored = names.iter().zip(0..).map(|(name, at)| (name, f64::from(at % 100)));
    store.sorted_set::<String>("zset").insert_many(scored).unwrap();
    let path = folder.join("snapshot");
    assert!(store.save(&path).unwrap().bytes > 4 * (256 << 10), "fewer blocks than this test is for");
    let (_clock, loaded) = load_at(&path, clock.now());
    assert_eq!(picture(&loaded), picture(&store));
}

#[test]
fn an_empty_store_comes_back_empty() {
    let folder = Folder::new();
    let (_clock, store) = manual_store();
    let path = folder.join("snapshot");
    assert_eq!(store.save(&path).unwrap().entries, 0);
    let loaded = Store::load(&path).unwrap();
    assert!(loaded.is_empty().unwrap());
    assert_eq!(loaded.stats().unwrap().bytes, 0);
}

#[test]
fn a_loaded_store_can_be_changed_and_saved_again() {
    let folder = Folder::new();
    let (clock, store) = manual_store();
    fill(&store);
    let path = folder.join("snapshot");
    store.save(&path).unwrap();
    let (_clock, second) = load_at(&path, clock.now());
    second.list::<String>("list").push_front("z").unwrap();
    second.remove("set").unwrap();
    second.counter("fleeting").incr().unwrap();
    second.save(&path).unwrap();
    let (_clock, third) = load_at(&path, clock.now());
    assert_eq!(picture(&third), picture(&second));
}

#[test]
fn what_is_left_of_a_time_goes_by_the_wall_clock() {
    let folder = Folder::new();
    let clock = ManualClock::starting_at(start());
    let store = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).build();
    clock.advance(millis(70_000));
    store.insert_ex("short", 1, millis(1)).unwrap();
    store.insert_ex("due", 1, millis(10_000)).unwrap();
    store.insert_ex("just not", 1, millis(10_001)).unwrap();
    store.insert_ex("long", 1, millis(60_000)).unwrap();
    store.insert("forever", 1).unwrap();
    let hash = store.hash::<String, i32>("hash");
    hash.insert("forever", 1).unwrap();
    hash.insert_ex("due", 1, millis(10_000)).unwrap();
    hash.insert_ex("long", 1, millis(60_000)).unwrap();
    store.hash::<String, i32>("fleeting hash").insert_ex("due", 1, millis(10_000)).unwrap();
    let path = folder.join("snapshot");
    store.save(&path).unwrap();

    // The same file, at other times: nothing of the first process's monotonic line is left.
    let (_clock, at_once) = load_at(&path, clock.now());
    assert_eq!(picture(&at_once), picture(&store));
    let (clock, later) = load_at(&path, clock.now() + millis(10_000));
    assert_eq!(later.sweep().unwrap(), 0, "what had expired was not even loaded");
    assert_eq!(later.stats().unwrap().entries, 4);
    assert_eq!(later.ttl("due").unwrap(), Ttl::Missing);
    assert_eq!(later.ttl("just not").unwrap(), Ttl::Left(millis(1)));
    assert_eq!(later.ttl("long").unwrap(), Ttl::Left(millis(50_000)));
    assert_eq!(later.ttl("forever").unwrap(), Ttl::Forever);
    let hash = later.hash::<String, i32>("hash");
    assert_eq!(hash.len().unwrap(), 2);
    assert_eq!(hash.field_ttl("due").unwrap(), Ttl::Missing);
    assert_eq!(hash.field_ttl("long").unwrap(), Ttl::Left(millis(50_000)));
    assert!(!later.contains("fleeting hash").unwrap());
    clock.advance(millis(50_000));
    assert_eq!(later.sweep().unwrap(), 2);
    assert_eq!((later.ttl("long").unwrap(), hash.len().unwrap()), (Ttl::Missing, 1));

    // A wall clock that was set back gives time, and takes none.
    let (_clock, earlier) = load_at(&path, start());
    assert_eq!(earlier.ttl("short").unwrap(), Ttl::Left(millis(70_001)));
}

#[test]
fn what_has_expired_is_not_saved() {
    let folder = Folder::new();
    let (clock, store) = manual_store();
    fill(&store);
    clock.advance(millis(3_000));
    let path = folder.join("snapshot");
    assert_eq!(store.save(&path).unwrap().entries, 8);
    let (_clock, loaded) = load_at(&path, clock.now() - millis(3_000));
    assert_eq!(loaded.hash::<String, String>("hash").keys().unwrap(), ["f"]);
    clock.advance(millis(2_000));
    assert_eq!(store.save(&path).unwrap().entries, 7, "not swept, and not saved");
}

#[test]
fn the_ends_of_time_are_kept() {
    let folder = Folder::new();
    let path = folder.join("snapshot");
    let clock = ManualClock::starting_at(UNIX_EPOCH);
    let store = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).build();
    let longest = millis(i64::MAX as u64 - 1);
    store.insert_ex("long", 1, longest).unwrap();
    store.save(&path).unwrap();
    let (_clock, loaded) = load_at(&path, UNIX_EPOCH);
    assert_eq!(loaded.ttl("long").unwrap(), Ttl::Left(longest));

    clock.advance(Duration::MAX);
    store.insert("at the end", 1).unwrap();
    store.save(&path).unwrap();
    let (clock, loaded) = load_at(&path, clock.now());
    assert_eq!(loaded.keys("*").unwrap(), ["at the end"]);
    clock.advance(Duration::MAX);
    assert_eq!(loaded.ttl("at the end").unwrap(), Ttl::Forever);
}

#[test]
fn a_store_takes_only_what_it_could_hold() {
    let folder = Folder::new();
    let (_clock, store) = manual_store();
    let path = folder.join("snapshot");
    store.db(15).unwrap().insert("k", "a longer value").unwrap();
    store.save(&path).unwrap();
    Store::builder().databases(16).load(&path).unwrap();
    let refused = snapshot_error(Store::builder().databases(4).load(&path));
    assert!(matches!(refused, SnapshotError::NoSuchDatabase { index: 15, databases: 4, .. }), "{refused}");
    let text = format!("snapshot {path:?} has keys in database 15, beyond the 4 of this store");
    assert_eq!(refused.to_string(), text);
    Store::builder().value_limit(14).load(&path).unwrap();
    let refused = snapshot_error(Store::builder().value_limit(13).load(&path));
    assert!(matches!(refused, SnapshotError::TooLong { length: 14, limit: 13, .. }), "{refused}");
    let text = format!("snapshot {path:?} has a string of 14 bytes, over the 13 that this store takes");
    assert_eq!(refused.to_string(), text);
}

/// A key as it is inserted; a deadline is in milliseconds from now.
type Key = (u16, Vec<u8>);
type Entry = (Content, Option<u64>);

fn entries() -> impl Strategy<Value = BTreeMap<Key, Entry>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..40);
    let score = prop_oneof![any::<i8>().prop_map(f64::from), Just(f64::INFINITY), Just(f64::NEG_INFINITY)];
    let content = prop_oneof![
        bytes().prop_map(Content::String),
        prop::collection::vec(bytes(), 1..200).prop_map(Content::List),
        prop::collection::btree_set(bytes(), 1..40).prop_map(Content::Set),
        prop::collection::btree_map(bytes(), (bytes(), ttl()), 1..40).prop_map(Content::Hash),
        prop::collection::btree_map(bytes(), score, 1..40)
            .prop_map(|members| Content::SortedSet(members.into_iter().collect())),
    ];
    let until = prop::option::of(1..100_000_u64);
    prop::collection::btree_map((0..3_u16, bytes()), (content, until), 0..20)
}

fn ttl() -> impl Strategy<Value = Ttl> {
    prop_oneof![Just(Ttl::Forever), (1..100_000_u64).prop_map(|left| Ttl::Left(millis(left)))]
}

fn insert(store: &Store, key: &[u8], content: &Content) {
    match content {
        Content::String(string) => store.insert(key, string).unwrap(),
        Content::List(list) => assert!(store.list::<Vec<u8>>(key).extend_back(list).unwrap() > 0),
        Content::Set(set) => assert!(store.set::<Vec<u8>>(key).insert_many(set).unwrap() > 0),
        Content::Hash(fields) => {
            let hash = store.hash::<Vec<u8>, Vec<u8>>(key);
            for (name, (value, ttl)) in fields {
                match ttl {
                    Ttl::Left(left) => hash.insert_ex(name, value, *left).unwrap(),
                    _ => hash.insert(name, value).unwrap(),
                };
            }
        }
        Content::SortedSet(members) => {
            let members = members.iter().map(|(member, score)| (member, *score));
            assert!(store.sorted_set::<Vec<u8>>(key).insert_many(members).unwrap() > 0);
        }
        Content::Stream(..) => panic!("none is drawn"),
    }
}

/// What is left of a picture after some time.
fn after(picture: &Picture, passed: Duration) -> Picture {
    let left = |ttl: &Ttl| match ttl {
        Ttl::Left(left) => left.checked_sub(passed).filter(|left| !left.is_zero()).map(Ttl::Left),
        other => Some(*other),
    };
    let mut later = Picture::new();
    for (key, (content, ttl)) in picture {
        let Some(ttl) = left(ttl) else { continue };
        let content = match content {
            Content::Hash(fields) => {
                let live = fields.iter().filter_map(|(name, (value, ttl))| {
                    left(ttl).map(|ttl| (name.clone(), (value.clone(), ttl)))
                });
                let live: BTreeMap<_, _> = live.collect();
                if live.is_empty() {
                    continue;
                }
                Content::Hash(live)
            }
            other => other.clone(),
        };
        later.insert(key.clone(), (content, ttl));
    }
    later
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn anything_comes_back(entries in entries(), passed in 0..200_000_u64) {
        let folder = Folder::new();
        let (clock, store) = manual_store();
        for ((index, key), (content, until)) in &entries {
            let db = store.db(*index).unwrap();
            insert(&db, key, content);
            if let Some(until) = until {
                prop_assert!(db.expire(key, millis(*until)).unwrap());
            }
        }
        let before = picture(&store);
        prop_assert_eq!(before.keys().collect::<BTreeSet<_>>(), entries.keys().collect::<BTreeSet<_>>());
        let path = folder.join("snapshot");
        store.save(&path).unwrap();
        let (_clock, loaded) = load_at(&path, clock.now() + millis(passed));
        prop_assert_eq!(picture(&loaded), after(&before, millis(passed)));
    }
}
