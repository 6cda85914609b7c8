//! A store as text.

use std::time::Duration;

use larder::{Encoded, Store};

use crate::support::manual_store;

#[test]
fn all_types_are_told_in_order() {
    let (clock, store) = manual_store();
    assert_eq!(store.dump().unwrap(), "no keys");
    store.insert([0xff, b'\n'], "bytes").unwrap();
    store.insert("record", Encoded((7_u8, true))).unwrap();
    store.insert_ex("gone", 1, Duration::from_secs(1)).unwrap();
    store.insert_ex("timed", 1, Duration::from_millis(61_500)).unwrap();
    store.set::<String>("set").insert_many(["b", "10", "9"]).unwrap();
    store.list::<String>("list").extend_back(["b", "a"]).unwrap();
    let hash = store.hash::<String, String>("hash");
    hash.insert_many([("b", "2"), ("a", "1")]).unwrap();
    hash.insert_ex("gone", "1", Duration::from_secs(1)).unwrap();
    hash.insert_ex("timed", "1", Duration::from_secs(5)).unwrap();
    let board = store.db(9).unwrap();
    board
        .sorted_set::<String>("board")
        .insert_many([("b", 1.5), ("a", 1.5), ("c", f64::NEG_INFINITY)])
        .unwrap();
    clock.advance(Duration::from_secs(1));
    let text = r#"
db 0: 6 keys
"hash" hash, 3 fields
  "a" = "1"
  "b" = "2"
  "timed" = "1" (4s left)
"list" list, 2 elements
  0 "b"
  1 "a"
"record" string = record(bincode v0) "\x07\x01"
"set" set, 3 members
  "10"
  "9"
  "b"
"timed" string, 60.5s left = "1"
"\xff\n" string = "bytes"
db 9: 1 key
"board" sorted set, 3 members
  -inf "c"
  1.5 "a"
  1.5 "b"
"#;
    let dump = store.dump().unwrap();
    assert_eq!(dump, text.trim());
    assert_eq!(format!("{dump:?}"), text.trim());
    assert_eq!(
        dump,
        store.checkpoint().map(|mark| larder::testing::ToDump::to_dump(&mark).unwrap()).unwrap()
    );
}

#[test]
fn what_is_long_is_shortened_and_still_told_apart() {
    let (_clock, store) = manual_store();
    store.insert("text", "x".repeat(10_000)).unwrap();
    store.list::<u32>("list").extend_back(0..5_000).unwrap();
    let before = store.dump().unwrap().to_string();
    assert!(before.len() < 3_000, "{before}");
    assert!(before.contains("\n  99 \"99\"\n  .. and 4900 more (crc "), "{before}");
    store.string("text").set_range(5_000, "y").unwrap();
    let changed = store.dump().unwrap().to_string();
    assert_ne!(changed, before);
    store.string("text").set_range(5_000, "x").unwrap();
    store.list::<u32>("list").set(3_000, 7).unwrap();
    assert_ne!(store.dump().unwrap().to_string(), before);
    store.list::<u32>("list").set(3_000, 3_000).unwrap();
    assert_eq!(store.dump().unwrap().to_string(), before);
}

/// How it came about, and in how many shards it is, is not told.
#[test]
fn the_same_data_is_the_same_text() {
    let members = (0..300).map(|n| format!("member {n}"));
    let forth = Store::builder().shards(1).build();
    forth.set::<String>("set").insert_many(members.clone()).unwrap();
    forth.insert_many([("a", 1), ("b", 2)]).unwrap();
    let back = Store::builder().shards(64).build();
    back.insert_many([("c", 3), ("b", 2), ("a", 1)]).unwrap();
    back.set::<String>("set").insert_many(members.rev()).unwrap();
    back.remove("c").unwrap();
    assert_eq!(forth.dump().unwrap().to_string(), back.dump().unwrap().to_string());
}

#[test]
fn a_stream_shows_its_entries_and_what_its_groups_know() {
    let store = Store::builder().seed(7).build();
    let mut session = store.session();
    for (id, value) in [("1-1", "a"), ("2-0", "b"), ("3-0", "c")] {
        session.call(["XADD", "events", id, "kind", value]);
    }
    session.call(["XDEL", "events", "3-0"]);
    session.call(["XGROUP", "CREATE", "events", "g", "0"]);
    session.call(["XREADGROUP", "GROUP", "g", "ann", "COUNT", "1", "STREAMS", "events", ">"]);
    let text = store.dump().unwrap().to_string();
    assert_eq!(
        text,
        "db 0: 1 key\n\
         \"events\" stream, 2 entries\n  \
           1-1 \"kind\" = \"a\"\n  \
           2-0 \"kind\" = \"b\"\n  \
           last id 3-0\n  \
           group \"g\" delivered up to 1-1\n  \
           group \"g\" consumer \"ann\": 1 pending\n  \
           group \"g\" pending 1-1: with \"ann\", delivered 1 time"
    );
    let before = store.checkpoint().unwrap();
    session.call(["XACK", "events", "g", "1-1"]);
    let change = larder::testing::ToDump::to_dump(&before).unwrap().difference(&store.dump().unwrap());
    assert!(change.to_string().contains("- group \"g\" pending 1-1"), "{change}");
}

#[test]
fn a_stream_shows_what_producers_have_called_its_entries() {
    let store = Store::new();
    let before = store.dump().unwrap();
    let added = store.stream::<String, u32>("orders").add_once("shop", "order-7", [("cents", 995)]).unwrap();
    let line = format!("producer \"shop\" message \"order-7\": {}", added.id());
    assert!(store.dump().unwrap().to_string().contains(&line));
    assert!(before.difference(&store.dump().unwrap()).to_string().contains("orders"));
}
