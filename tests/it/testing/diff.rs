//! The difference of two states, as a failed assertion prints it.

use std::panic::catch_unwind;
use std::time::Duration;

use larder::Store;
use larder::testing::{ToDump, assert_same};
use proptest::prelude::*;

use crate::support::{manual_store, picture};

#[test]
fn each_kind_of_change_is_told() {
    let (_clock, store) = manual_store();
    store.insert_many([("a greeting", "hello"), ("goes", "1"), ("type", "1")]).unwrap();
    store.insert("long", "x".repeat(400)).unwrap();
    store.insert_ex("ttl", 1, Duration::from_secs(30)).unwrap();
    store.list::<String>("list").extend_back(["a", "b", "c", "d"]).unwrap();
    store.set::<String>("set").insert_many(["a", "b"]).unwrap();
    store.hash::<String, String>("hash").insert_many([("a", "1"), ("b", "2"), ("c", "3")]).unwrap();
    store.sorted_set::<String>("zset").insert_many([("a", 1.0), ("b", 2.0)]).unwrap();
    store.db(2).unwrap().insert("same", 1).unwrap();
    let before = store.checkpoint().unwrap();
    assert_eq!(store.difference(&before).unwrap().to_string(), "no difference");

    store.insert("a greeting", "good\nbye").unwrap();
    store.remove("goes").unwrap();
    store.remove("type").unwrap();
    store.list::<String>("type").push_back("1").unwrap();
    store.string("long").set_range(300, "y").unwrap();
    store.persist("ttl").unwrap();
    let list = store.list::<String>("list");
    list.pop_front().unwrap();
    list.set(1, "C").unwrap();
    store.set::<String>("set").remove("a").unwrap();
    store.set::<String>("set").insert("c").unwrap();
    let hash = store.hash::<String, String>("hash");
    hash.insert("a", "one").unwrap();
    hash.remove("b").unwrap();
    hash.expire_field("c", Duration::from_secs(5)).unwrap();
    store.sorted_set::<String>("zset").insert_many([("a", 1.5), ("c", 3.0)]).unwrap();
    store.db(2).unwrap().hash::<String, String>("new").insert("f", "v").unwrap();

    let difference = before.to_dump().unwrap().difference(&store.dump().unwrap());
    let shown = "x".repeat(20);
    let text = format!(
        r#"
10 keys differ:
~ "a greeting" string
  - "hello"
  + "good\nbye"
- "goes" string = "1"
~ "hash" hash
  - "a" = "1"
  + "a" = "one"
  - "b" = "2"
  - "c" = "3"
  + "c" = "3" (5s left)
~ "list" list
  - 0 "a"
  + 0 "b"
  - 1 "b"
  + 1 "C"
  - 2 "c"
~ "long" string
  - "{shown}{}".. (from byte 280 of 400)
  + "{shown}y{}".. (from byte 280 of 400)
~ "set" set
  - "a"
  + "c"
~ "ttl" string
  - 30s left
  + no deadline
~ "type" has another type
  - string = "1"
  + list, 1 element
  +   0 "1"
~ "zset" sorted set
  - 1 "a"
  + 1.5 "a"
  + 3 "c"
+ db 2 "new" hash, 1 field
+   "f" = "v"
"#,
        "x".repeat(60),
        "x".repeat(59)
    );
    assert_eq!(difference.to_string(), text.trim());
    assert_eq!(format!("{difference:?}"), text.trim());
    assert_eq!(difference.added().collect::<Vec<_>>(), [(2, "new".into())]);
    assert_eq!(difference.removed().collect::<Vec<_>>(), [(0, "goes".into())]);
    assert_eq!(difference.changed().count(), 8);
}

#[test]
fn a_list_that_moved_on_shows_what_went_and_what_came() {
    let (_clock, store) = manual_store();
    let list = store.list::<u32>("list");
    list.extend_back(0..100).unwrap();
    let before = store.dump().unwrap();
    list.pop_front().unwrap();
    assert_eq!(
        before.difference(&store.dump().unwrap()).to_string(),
        "1 key differs:\n~ \"list\" list\n  - 0 \"0\""
    );
    list.push_front(0).unwrap();
    list.push_back(100).unwrap();
    let text = "1 key differs:\n~ \"list\" list\n  + 100 \"100\"";
    assert_eq!(before.difference(&store.dump().unwrap()).to_string(), text);
    // The same over and over: nothing is counted twice.
    let (a, b) = (Store::new(), Store::new());
    a.list::<u32>("list").extend_back([1, 1, 1]).unwrap();
    b.list::<u32>("list").extend_back([1, 1]).unwrap();
    assert_eq!(a.difference(&b).unwrap().to_string(), "1 key differs:\n~ \"list\" list\n  - 2 \"1\"");
}

#[test]
fn a_long_difference_is_cut() {
    let (a, b) = (Store::new(), Store::new());
    a.list::<u32>("list").extend_back(0..1_000).unwrap();
    b.list::<u32>("list").extend_back(1_000..2_000).unwrap();
    let text = a.difference(&b).unwrap().to_string();
    assert_eq!(text.lines().count(), 2 + 60 + 1);
    assert!(text.ends_with("\n  .. and 1940 more lines"), "{text}");
}

/// The time that passes between two looks at a clock is no difference.
#[test]
fn times_by_the_systems_clock_may_be_a_little_off() {
    let store = Store::new();
    store.insert_ex("session", 1, Duration::from_secs(3600)).unwrap();
    let mark = store.checkpoint().unwrap();
    store.roll_back(&mark).unwrap();
    assert_same(&mark, &store);
    store.expire("session", Duration::from_secs(3597)).unwrap();
    assert_eq!(store.difference(&mark).unwrap().len(), 1);
    let (_clock, exact) = manual_store();
    exact.insert_ex("session", 1, Duration::from_millis(3_600_000)).unwrap();
    let before = exact.dump().unwrap();
    exact.expire("session", Duration::from_millis(3_600_001)).unwrap();
    assert_eq!(before.difference(&exact.dump().unwrap()).len(), 1);
}

#[test]
fn an_assertion_that_fails_says_what_differs() {
    let (a, b) = (Store::new(), Store::new());
    a.insert("k", 1).unwrap();
    assert_same(&a, &a.fork().unwrap());
    let panic = catch_unwind(std::panic::AssertUnwindSafe(|| assert_same(&a, &b))).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert_eq!(
        text,
        "the data is not the same (- expected, + actual): 1 key differs:\n- \"k\" string = \"1\""
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// There is a difference where a picture through the public interface differs, key by key.
    #[test]
    fn it_is_empty_for_the_same_and_for_nothing_else(
        steps in prop::collection::vec((0..6_u8, 0..4_u32, 0..4_u32), 0..12),
        others in prop::collection::vec((0..6_u8, 0..4_u32, 0..4_u32), 0..3),
    ) {
        let (_clock, store) = manual_store();
        let run = |store: &Store, steps: &[(u8, u32, u32)]| {
            for &(what, key, n) in steps {
                let _ = match what {
                    0 => store.insert(key, n),
                    1 => store.list::<u32>(key).push_back(n).map(drop),
                    2 => store.set::<u32>(key).insert(n).map(drop),
                    3 => store.hash::<u32, u32>(key).insert(n % 2, n).map(drop),
                    4 => store.sorted_set::<u32>(key).insert(n % 2, f64::from(n)).map(drop),
                    _ => store.expire(key, Duration::from_secs(1 + u64::from(n))).map(drop),
                };
            }
        };
        run(&store, &steps);
        let other = store.fork().unwrap();
        run(&other, &others);
        let (a, b) = (picture(&store), picture(&other));
        let differing = a.keys().chain(b.keys()).filter(|key| a.get(key) != b.get(key));
        let differing: std::collections::BTreeSet<_> = differing.collect();
        prop_assert_eq!(store.difference(&other).unwrap().len(), differing.len());
        prop_assert_eq!(store.dump().unwrap() == other.dump().unwrap(), differing.is_empty());
        let texts = [&store, &other].map(|store| store.dump().unwrap().to_string());
        prop_assert_eq!(texts[0] == texts[1], differing.is_empty());
    }
}
