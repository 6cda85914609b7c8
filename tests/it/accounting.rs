//! What the store counts: bytes that come back, hits, misses, writes.

use std::time::Duration;

use larder::{End, Error, Store};
use proptest::prelude::*;

use crate::support::{manual_store, picture};

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// An operation of any family on one of a few keys, whether or not the key has that type.
#[derive(Debug, Clone)]
struct Step {
    op: u8,
    key: u32,
    other: u32,
    element: u16,
}

fn step() -> impl Strategy<Value = Step> {
    let parts = (0..OPERATIONS, 0..12_u32, 0..12_u32, prop_oneof![0..8_u16, 0..400_u16]);
    parts.prop_map(|(op, key, other, element)| Step { op, key, other, element })
}

const OPERATIONS: u8 = 36;

/// Short or long: in the entry itself or outside of it.
fn element(number: u16) -> String {
    if number % 3 == 0 {
        format!("{number}")
    } else {
        format!("{number} {}", "x".repeat(usize::from(number)))
    }
}

fn run(store: &Store, step: &Step) -> Result<(), Error> {
    let Step { op, key, other, element: number } = *step;
    let element = element(number);
    let several: Vec<String> = (number..number + 30).map(|number| self::element(number % 400)).collect();
    let list = store.list::<String>(key);
    let set = store.set::<String>(key);
    let hash = store.hash::<String, String>(key);
    let zset = store.sorted_set::<String>(key);
    match op {
        0 => store.insert(key, &element),
        1 => store.insert_ex(key, &element, millis(1 + u64::from(number))),
        2 => store.string(key).append(&element).map(drop),
        3 => store.string(key).set_range(usize::from(number), "abc").map(drop),
        4 => store.counter(key).incr_by(i64::from(number)).map(drop),
        5 => store.swap::<String>(key, &element).map(drop),
        6 => list.push_back(&element).map(drop),
        7 => list.extend_front(&several).map(drop),
        8 => list.pop_front().map(drop),
        9 => list.pop_back_many(usize::from(number)).map(drop),
        10 => list.set(0, &element),
        11 => list.remove_all(&element).map(drop),
        12 => list.trim(i64::from(number % 8), -2),
        13 => list.move_to(other, End::Front, End::Back).map(drop),
        14 => set.insert(&element).map(drop),
        15 => set.insert_many(&several).map(drop),
        16 => set.remove(&element).map(drop),
        17 => set.pop_many(usize::from(number % 50)).map(drop),
        18 => set.union_into(other, [key]).map(drop),
        19 => set.move_to(other, &element).map(drop),
        20 => hash.insert(&element, &several[0]).map(drop),
        21 => hash.insert_many(several.iter().map(|name| (name, &element))).map(drop),
        22 => hash.insert_ex(&element, &element, millis(1 + u64::from(number))).map(drop),
        23 => hash.expire_fields_if(&several, millis(20), larder::ExpireIf::Always).map(drop),
        24 => hash.remove_many(&several).map(drop),
        25 => hash.persist_fields(&several).map(drop),
        26 => zset.insert(&element, f64::from(number % 7)).map(drop),
        27 => zset.insert_many(several.iter().zip((0..30).map(f64::from))).map(drop),
        28 => zset.remove_range(0, i64::from(number % 20)).map(drop),
        29 => zset.incr_by(&element, 1.5).map(drop),
        30 => store.remove(key).map(drop),
        31 => store.rename(key, other),
        32 => store.copy(key, other).map(drop),
        33 => store.expire(key, millis(u64::from(number))).map(drop),
        34 => store.move_to_db(key, 1).map(drop),
        _ => store.transaction([key, other], |tx| {
            tx.list::<String>(key).push_back(&element)?;
            tx.remove(other)?;
            tx.set::<String>(other).insert_many(&several)?;
            if number % 2 == 0 { Err(Error::NoSuchKey) } else { Ok(()) }
        }),
    }
}

/// Some operations give a key a deadline of its own.
fn sets_a_deadline(step: &Step) -> bool {
    matches!(step.op, 1 | 33)
}

/// Keys that stay, some in each table, so that no table starts anew when it is emptied.
const STAY: u32 = 16;

/// Fills the tables once, so that what they keep for good is there; gives the bytes of that.
fn warm_up(store: &Store, deadlines: bool) -> usize {
    for db in [store.clone(), store.db(1).unwrap()] {
        for key in 1_000_u32..2_000 {
            db.insert(key, 1).unwrap();
            if deadlines {
                assert!(db.expire(key, millis(1)).unwrap() && db.persist(key).unwrap());
            }
        }
        for key in 1_000_u32 + STAY..2_000 {
            assert!(db.remove(key).unwrap());
        }
    }
    store.stats().unwrap().bytes
}

/// Removes all that came after the warm-up.
fn remove_all(store: &Store) {
    for (db, key) in picture(store).into_keys().filter(|(_, key)| key.len() < 4) {
        assert!(store.db(db).unwrap().remove(&key).unwrap());
    }
    store.sweep().unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// An underflow would be a count of some 2^64; what was forgotten, or counted twice, would be left
    /// at the end, where the room between the entries is all that may differ: an index shrinks once a sixth
    /// of it is in use.
    #[test]
    fn bytes_come_back(
        steps in prop::collection::vec((step(), 0..4_u64), 1..120),
        deadlines in any::<bool>(),
        sweeps in any::<bool>(),
    ) {
        let (clock, store) = manual_store();
        let at_rest = warm_up(&store, deadlines);
        for (step, passed) in &steps {
            if sets_a_deadline(step) && !deadlines {
                continue;
            }
            // Whether an operation fits the key's type or not: both are part of the test.
            let _ = run(&store, step);
            clock.advance(millis(*passed));
            if sweeps {
                store.sweep().unwrap();
            }
            let bytes = store.stats().unwrap().bytes;
            prop_assert!(bytes < 100 << 20, "{} bytes after {:?}", bytes, step);
        }
        remove_all(&store);
        let stats = store.stats().unwrap();
        prop_assert_eq!((stats.entries, stats.expiring), (2 * STAY as usize, 0));
        prop_assert!(stats.bytes.abs_diff(at_rest) < 8_000, "{} bytes, {} before", stats.bytes, at_rest);
        store.clear_all().unwrap();
        prop_assert_eq!(store.stats().unwrap().bytes, 0);
    }
}

/// Puts elements into a collection; gives how many are new.
type Fill = fn(&Store, &[String]) -> Result<usize, Error>;

#[test]
fn bytes_follow_what_is_held() {
    let (_clock, store) = manual_store();
    let bytes = || store.stats().unwrap().bytes;
    assert_eq!(bytes(), 0);
    store.insert("k", vec![0_u8; 1_000_000]).unwrap();
    assert!((1_000_000..1_020_000).contains(&bytes()), "{}", bytes());
    store.insert("k", 1).unwrap();
    assert!(bytes() < 20_000, "{}", bytes());
    store.remove("k").unwrap();
    assert_eq!(bytes(), 0);
    let names: Vec<String> = (0..10_000).map(|n| format!("a member of {n} that is not inline")).collect();
    let least = names.iter().map(String::len).sum::<usize>();
    let fills: [Fill; 4] = [
        |store, names| store.list::<String>("c").extend_back(names),
        |store, names| store.set::<String>("c").insert_many(names),
        |store, names| store.hash::<String, String>("c").insert_many(names.iter().map(|name| (name, name))),
        |store, names| store.sorted_set::<String>("c").insert_many(names.iter().map(|name| (name, 1.0))),
    ];
    for (at, fill) in fills.into_iter().enumerate() {
        let before = bytes();
        assert_eq!(fill(&store, &names).unwrap(), 10_000);
        let held = bytes() - before;
        assert!(held > least && held < 12 * least, "collection {at}: {held} bytes for {least}");
        // A copy shares its elements, and counts them all the same: what it would weigh alone.
        store.copy("c", "a copy").unwrap();
        assert!(bytes() - before >= 2 * least, "collection {at}");
        store.remove("c").unwrap();
        store.remove("a copy").unwrap();
        assert_eq!(bytes(), before, "collection {at}");
    }
    store.clear().unwrap();
    assert_eq!(bytes(), 0);
}

#[test]
fn hits_misses_and_writes_are_counted() {
    let (clock, store) = manual_store();
    let mut last = (0, 0, 0);
    let mut check = |about: &str, hits: u64, misses: u64, writes: u64| {
        let stats = store.stats().unwrap();
        let now = (stats.hits, stats.misses, stats.writes);
        assert_eq!((now.0 - last.0, now.1 - last.1, now.2 - last.2), (hits, misses, writes), "{about}");
        last = now;
    };
    store.get::<i32>("k").unwrap();
    check("a get of nothing", 0, 1, 0);
    store.insert("k", 1).unwrap();
    check("an insert", 0, 0, 1);
    store.get::<i32>("k").unwrap();
    check("a get", 1, 0, 0);
    store.get_many::<i32>(["k", "k", "x"]).unwrap();
    check("a get of three", 2, 1, 0);
    store.contains("k").unwrap();
    store.ttl("x").unwrap();
    check("a look at a key", 1, 1, 0);
    store.list::<i32>("k").len().unwrap_err();
    check("a read as another type", 1, 0, 0);
    store.insert_ex("k", 1, millis(5)).unwrap();
    store.counter("k").incr().unwrap();
    check("two changes", 0, 0, 2);
    store.insert_if_absent("k", 1).unwrap();
    store.remove("x").unwrap();
    store.set::<i32>("x").remove(1).unwrap();
    store.persist("x").unwrap();
    check("what changes nothing", 0, 0, 0);
    clock.advance(millis(5));
    store.get::<i32>("k").unwrap();
    check("an expired key", 0, 1, 0);
    store.sweep().unwrap();
    check("its end", 0, 0, 0);
    let reads =
        |tx: &larder::Tx| Ok::<_, Error>((tx.insert("k", 1)?, tx.get::<i32>("k")?, tx.contains("x")?));
    store.transaction(["k", "x"], reads).unwrap();
    check("a transaction", 1, 1, 1);
    store.clear().unwrap();
    check("a clear, which forgets no count", 0, 0, 0);

    store.db(2).unwrap().insert("k", 1).unwrap();
    let stats = store.stats().unwrap();
    let of: Vec<_> = stats.databases.iter().map(|of| (of.index, of.writes, of.entries)).collect();
    assert_eq!(of, [(0, 4, 0), (2, 1, 1)]);
    assert_eq!((stats.writes, stats.entries, stats.expirations), (5, 1, 1));
    assert!((stats.hit_ratio() - stats.hits as f64 / (stats.hits + stats.misses) as f64).abs() < 1e-9);
}
