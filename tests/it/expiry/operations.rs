//! Every operation on a key whose time is about to come, and whose time has come.

use std::fmt::Debug;
use std::time::Duration;

use larder::{
    BitOp, Combine, CopyOptions, End, Error, ExpireIf, InsertOptions, PositionOptions, Store, Type,
};

use super::millis;
use crate::support::{manual_store, picture};

/// A value of each type. Two lists, sets and sorted sets, for what takes several.
pub(super) fn fill(store: &Store) {
    store.insert("string", "7").unwrap();
    store.list::<i32>("list").extend_back([1, 2, 1]).unwrap();
    store.list::<i32>("list 2").push_back(9).unwrap();
    store.set::<i32>("set").insert(1).unwrap();
    store.set::<i32>("set 2").insert(1).unwrap();
    store.hash::<String, i32>("hash").insert("f", 1).unwrap();
    store.hash::<String, i32>("parts").insert("f", 1).unwrap();
    store.sorted_set::<String>("zset").insert("m", 1.0).unwrap();
    store.sorted_set::<String>("zset 2").insert("m", 2.0).unwrap();
}

const KEYS: [&str; 9] = ["string", "list", "list 2", "set", "set 2", "hash", "parts", "zset", "zset 2"];

/// Gives everything 10 ms; of one hash the only field, of all others the key.
pub(super) fn expire_all(store: &Store) {
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
    |s| show(s.insert_with("string", 8, InsertOptions::new().keep_ttl())) + &show(s.ttl("string")),
    |s| show(s.insert_if_absent("string", 8)),
    |s| show(s.insert_if_absent("parts", 8)),
    |s| show(s.insert_if_present("string", 8)),
    |s| show(s.insert_many_if_absent([("string", 8), ("new", 9)])),
    |s| show(s.insert_with("string", 8, InsertOptions::new().if_equal("7"))),
    |s| show(s.insert_with("string", 8, InsertOptions::new().if_not_equal("7"))),
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
    |s| show(s.bit_op(BitOp::Or, "new", ["string", "nothing"])),
    |s| show(s.get_or_load("string", millis(50), || Ok::<_, String>(3_i64)).map_err(|_| Error::NoSuchKey)),
    // Another type than the one that was there.
    |s| show(s.list::<i32>("string").push_back(1)),
    |s| show(s.hash::<String, i32>("list").insert("f", 1)),
    |s| show(s.set::<i32>("parts").insert(1)),
    |s| show(s.string("zset").append("1")),
    // Lists.
    |s| show(s.list::<i32>("list").len()),
    |s| show(s.list::<i32>("list").to_vec()),
    |s| show(s.list::<i32>("list").range(1, 1)),
    |s| show(s.list::<i32>("list").get(0)),
    |s| show(s.list::<i32>("list").front()) + &show(s.list::<i32>("list").back()),
    |s| show(s.list::<i32>("list").iter().map(Iterator::count)),
    |s| show(s.list::<i32>("list").position(2)),
    |s| show(s.list::<i32>("list").positions(1, PositionOptions::new())),
    |s| show(s.list::<i32>("list").push_back(4)) + &show(s.ttl("list")),
    |s| show(s.list::<i32>("list").push_front_if_present(4)),
    |s| show(s.list::<i32>("list").pop_front()),
    |s| show(s.list::<i32>("list").pop_back_many(2)),
    |s| show(s.list::<i32>("list").set(0, 4)),
    |s| show(s.list::<i32>("list").insert_before(2, 4)),
    |s| show(s.list::<i32>("list").remove_all(1)),
    |s| show(s.list::<i32>("list").trim(0, 0)),
    |s| show(s.list::<i32>("list").move_to("list 2", End::Front, End::Back)),
    |s| show(s.list::<i32>("list").pop_front_wait(Duration::ZERO)),
    |s| show(s.pop_front_of::<i32>(["list", "list 2"], 5)),
    |s| show(s.pop_front_of_wait::<i32>(["list", "list 2"], Duration::ZERO)),
    // Sets.
    |s| show(s.set::<i32>("set").len()),
    |s| show(s.set::<i32>("set").contains(1)),
    |s| show(s.set::<i32>("set").contains_many([1, 2])),
    |s| show(s.set::<i32>("set").members()),
    |s| show(s.set::<i32>("set").iter().map(Iterator::count)),
    |s| show(s.set::<i32>("set").random()),
    |s| show(s.set::<i32>("set").random_many(3)),
    |s| show(s.set::<i32>("set").insert(1)) + &show(s.ttl("set")),
    |s| show(s.set::<i32>("set").remove(1)),
    |s| show(s.set::<i32>("set").pop()),
    |s| show(s.set::<i32>("set").move_to("set 2", 1)),
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
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).random_many(2))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).insert("f", 2))),
    |s| hashes(|hash| show(s.hash::<String, i32>(hash).insert_if_absent("f", 2))),
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
    |s| show(s.sorted_set::<String>("zset").rank("m")) + &show(s.sorted_set::<String>("zset").rank_rev("m")),
    |s| show(s.sorted_set::<String>("zset").to_vec()),
    |s| show(s.sorted_set::<String>("zset").range_by_score(..)),
    |s| show(s.sorted_set::<String>("zset").count_by_score(0.0..5.0)),
    |s| show(s.sorted_set::<String>("zset").first()) + &show(s.sorted_set::<String>("zset").last()),
    |s| show(s.sorted_set::<String>("zset").iter().map(Iterator::count)),
    |s| show(s.sorted_set::<String>("zset").random()),
    |s| show(s.sorted_set::<String>("zset").insert("m", 3.0)) + &show(s.ttl("zset")),
    |s| show(s.sorted_set::<String>("zset").incr_by("m", 3.0)),
    |s| show(s.sorted_set::<String>("zset").remove("m")),
    |s| show(s.sorted_set::<String>("zset").pop_first()),
    |s| show(s.pop_last_of::<String>(["zset", "zset 2"], 5)),
    |s| show(s.sorted_set::<String>("zset").remove_range(0, -1)),
    |s| show(s.sorted_set::<String>("zset").range_into("new", 0, -1)),
    |s| show(s.sorted_set::<String>("zset").union(["zset 2"])),
    |s| show(s.sorted_set::<String>("zset").intersection(["zset 2"])),
    |s| show(s.sorted_set::<String>("zset").union_into_with("new", ["zset 2"], &Combine::new())),
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
