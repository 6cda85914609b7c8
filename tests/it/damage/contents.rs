//! Stores of which the files are made.

use std::time::Duration;

use larder::{GroupStart, ManualClock, Store};

use crate::support::manual_store;

/// A store with one value of each type in each of its forms, and as little as that takes.
pub fn one_of_each() -> (ManualClock, Store) {
    let (clock, store) = manual_store();
    fill(&store);
    (clock, store)
}

fn fill(store: &Store) {
    let other = store.db(3).unwrap();
    // Too long to be packed, here and in the files of a server: what has it lies in a table, tree or chunk.
    let long = "abcdefgh".repeat(9);
    let names = ["m", "7", &long];

    store.insert("inline", "text").unwrap();
    store.insert("number", -70_000).unwrap();
    store.insert("", "").unwrap();
    store.insert("long", long.repeat(3)).unwrap();
    other.insert_ex("fleeting", 1, Duration::from_millis(5_000)).unwrap();

    store.list::<String>("packed list").extend_back(["a", "", "7"]).unwrap();
    other.list::<String>("chunked list").extend_back(["a", &long.repeat(2), "7"]).unwrap();

    store.set::<i64>("integers").insert_many([-1, 300, 70_000, i64::MAX]).unwrap();
    store.set::<String>("packed set").insert_many(["x", "y", "7"]).unwrap();
    other.set::<String>("table set").insert_many(names).unwrap();

    store.hash::<String, u32>("packed hash").insert("f", 1).unwrap();
    other.hash::<String, String>("table hash").insert_many(names.map(|name| (name, "v"))).unwrap();
    let fleeting = store.hash::<String, u32>("fleeting hash");
    fleeting.insert("f", 1).unwrap();
    fleeting.insert_ex("g", 2, Duration::from_millis(3_000)).unwrap();

    let scores = [("m", 1.5), ("n", f64::INFINITY), ("o", -0.0)];
    store.sorted_set::<String>("packed sorted set").insert_many(scores).unwrap();
    let tree = other.sorted_set::<String>("tree");
    tree.insert_many(names.into_iter().zip([0.25, -1e300, 70_000.0])).unwrap();
    other.expire("tree", Duration::from_millis(9_000)).unwrap();

    let stream = store.stream::<String, u32>("stream");
    let ids: Vec<_> = (0..4).map(|n| stream.add([("n", n), ("other", 7)]).unwrap()).collect();
    stream.group("g").create(GroupStart::First).unwrap();
    stream.group("h").create(GroupStart::New).unwrap();
    stream.group("g").consumer("ann").read(3).unwrap();
    stream.group("g").consumer("bob").claim([ids[1]], Duration::ZERO).unwrap();
    stream.remove(ids[3]).unwrap();
}

/// The same, and a stream that knows of producers, which not every format has.
pub fn one_of_each_and_producers() -> (ManualClock, Store) {
    let (clock, store) = manual_store();
    fill_with_producers(&store);
    (clock, store)
}

/// Puts the same into a store of the caller's.
pub fn fill_with_producers(store: &Store) {
    fill(store);
    store.stream::<String, u32>("payments").add_once("shop", "order", [("cents", 995)]).unwrap();
}
