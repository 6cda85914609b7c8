//! Values, counters, strings changed in place, and bits.

mod model;

use std::time::{Duration, UNIX_EPOCH};

use larder::{BitInt, BitOp, Bytes, Error, InsertOptions, Overflow, Result, Store, Ttl, Type};

use crate::support::manual_store;

#[test]
fn a_counter_is_what_redis_takes_for_an_integer() {
    let (_, store) = manual_store();
    store.insert("n", "").unwrap();
    assert!(matches!(store.counter("n").incr(), Err(Error::NotAnInteger)));
    assert_eq!(store.get::<String>("n").unwrap().as_deref(), Some(""));
    assert_eq!(store.counter("x").incr_by(i64::MIN).unwrap(), i64::MIN);
    assert!(matches!(store.counter("x").decr(), Err(Error::Overflow)));
    assert!(matches!(store.counter("x").decr_by(i64::MIN), Err(Error::Overflow)));
    assert_eq!(store.counter("x").get().unwrap(), i64::MIN);
}

#[test]
fn fractions_add_up_as_in_redis() {
    let (clock, store) = manual_store();
    let sum = store.counter("sum");
    assert_eq!(sum.incr_by_float(0.1).unwrap(), 0.1);
    assert_eq!(sum.incr_by_float(0.2).unwrap(), 0.3);
    assert_eq!(store.get::<String>("sum").unwrap().as_deref(), Some("0.3"));
    store.insert("sum", "5.0e3").unwrap();
    assert_eq!(sum.incr_by_float(200.0).unwrap(), 5200.0);
    assert_eq!(store.get::<String>("sum").unwrap().as_deref(), Some("5200"));
    for by in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(matches!(sum.incr_by_float(by), Err(Error::NanOrInfinity)));
    }
    assert!(matches!(store.counter("none").incr_by_float(f64::NAN), Err(Error::NanOrInfinity)));
    assert!(!store.contains("none").unwrap());
    for text in ["", " 1", "abc"] {
        store.insert("sum", text).unwrap();
        assert!(matches!(sum.incr_by_float(1.0), Err(Error::NotAFloat)));
    }
    // The deadline stays.
    store.insert_ex("sum", "1", Duration::from_millis(10)).unwrap();
    assert_eq!(sum.incr_by_float(-1.0).unwrap(), 0.0);
    assert_eq!(store.ttl("sum").unwrap(), Ttl::Left(Duration::from_millis(10)));
    clock.advance(Duration::from_millis(10));
    assert_eq!(sum.incr_by_float(1e300).unwrap(), 1e300);
}

#[test]
fn a_range_is_clamped_as_getrange_does() {
    let (_, store) = manual_store();
    store.insert("text", "0123456789").unwrap();
    let range = |start, stop| store.string("text").range(start, stop).unwrap();
    assert_eq!(range(0, -1), "0123456789");
    assert_eq!(range(0, -100), "0");
    assert_eq!(range(-100, -99), "0");
    assert_eq!(range(-100, -101), "");
    assert_eq!(range(1, -100), "");
    assert_eq!(range(5, i64::MAX), "56789");
    assert_eq!(range(i64::MIN, i64::MAX), "0123456789");
    assert_eq!(store.string("none").range(0, -1).unwrap(), "");
}

#[test]
fn a_string_stays_within_the_limit() {
    let store = Store::builder().value_limit(10).build();
    let too_long = |result: Result<usize>| matches!(result, Err(Error::TooLong));
    assert!(matches!(store.insert("k", "12345678901"), Err(Error::TooLong)));
    assert!(matches!(store.insert("a name too long", ""), Err(Error::TooLong)));
    assert!(matches!(store.insert_many([("k", "1"), ("a name too long", "2")]), Err(Error::TooLong)));
    assert!(!store.contains("k").unwrap());
    store.insert("k", "1234567890").unwrap();
    assert!(too_long(store.string("k").append("1")));
    assert!(too_long(store.string("x").append("12345678901")));
    assert!(too_long(store.string("k").set_range(10, "1")));
    assert!(too_long(store.string("k").set_range(usize::MAX, "1")));
    assert_eq!(store.string("k").set_range(usize::MAX, "").unwrap(), 10);
    assert_eq!(store.string("k").set_range(9, "x").unwrap(), 10);
    assert!(!store.bitmap("k").set(79, true).unwrap());
    assert!(matches!(store.bitmap("k").set(80, true), Err(Error::BitOffset)));
    assert!(matches!(store.bitmap("k").get(80), Err(Error::BitOffset)));
    let u8 = BitInt::unsigned(8).unwrap();
    assert!(matches!(store.bitmap("k").fields().set(u8, 73, 1).run(), Err(Error::BitOffset)));
    assert_eq!(store.bitmap("k").fields().set(u8, 72, 1).run().unwrap(), [Some(i64::from(b'x' | 1))]);
}

#[test]
fn a_deadline_that_is_none_is_refused() {
    let (_, store) = manual_store();
    for ttl in [Duration::ZERO, Duration::from_micros(999), Duration::MAX] {
        let error = store.insert_ex("k", "v", ttl).unwrap_err();
        assert_eq!(error.to_string(), "ERR invalid expire time in 'set' command");
        let error = store.get_and_expire::<String>("k", ttl).unwrap_err();
        assert_eq!(error.to_string(), "ERR invalid expire time in 'getex' command");
    }
    assert!(!store.contains("k").unwrap());
}

#[test]
fn a_time_that_has_passed_removes() {
    let (clock, store) = manual_store();
    store.insert("k", "v").unwrap();
    assert!(store.insert_with("k", "w", InsertOptions::new().expire_at(clock.now())).unwrap());
    assert!(!store.contains("k").unwrap());
    store.insert("k", "v").unwrap();
    let error = store.get_and_expire_at::<String>("k", UNIX_EPOCH).unwrap_err();
    assert_eq!(error.to_string(), "ERR invalid expire time in 'getex' command");
    let past = UNIX_EPOCH + Duration::from_millis(1);
    assert_eq!(store.get_and_expire_at::<String>("k", past).unwrap().as_deref(), Some("v"));
    assert!(!store.contains("k").unwrap());
}

#[test]
fn a_set_takes_any_type_and_a_swap_does_not() {
    let (_, store) = manual_store();
    store.list::<String>("k").push_back("x").unwrap();
    assert!(matches!(store.swap::<String>("k", "v"), Err(Error::WrongType)));
    assert!(matches!(store.bitmap("k").first(true), Err(Error::WrongType)));
    assert!(matches!(store.lcs("k", "none"), Err(Error::WrongType)));
    assert_eq!(store.type_of("k").unwrap(), Some(Type::List));
    store.insert("k", "v").unwrap();
    assert_eq!(store.type_of("k").unwrap(), Some(Type::String));
}

#[test]
fn a_bit_op_may_write_over_its_source() {
    let (_, store) = manual_store();
    store.insert_ex("k", [0b1010_0000, 1], Duration::from_secs(1)).unwrap();
    assert_eq!(store.bit_op(BitOp::Not, "k", ["k"]).unwrap(), 2);
    assert_eq!(store.get::<Vec<u8>>("k").unwrap(), Some(vec![0b0101_1111, 0xfe]));
    assert_eq!(store.ttl("k").unwrap(), Ttl::Forever);
    assert_eq!(store.bit_op(BitOp::And, "k", ["none"]).unwrap(), 0);
    assert!(!store.contains("k").unwrap());
}

#[test]
fn fields_that_fail_still_lengthen_the_string() {
    let (_, store) = manual_store();
    let u2 = BitInt::unsigned(2).unwrap();
    let steps = store.bitmap("k").fields().overflow(Overflow::Fail).incr(u2, 100, 4);
    assert_eq!(steps.run().unwrap(), [None]);
    assert_eq!(store.string("k").len().unwrap(), 13);
    assert_eq!(store.bitmap("x").fields().get(u2, 100).run().unwrap(), [Some(0)]);
    assert!(!store.contains("x").unwrap());
    assert_eq!(store.bitmap("k").fields().run().unwrap(), []);
}

#[test]
fn a_transaction_takes_changes_in_place_back() {
    let (_, store) = manual_store();
    let long = "x".repeat(100);
    store.insert_many([("a", long.as_str()), ("b", "1")]).unwrap();
    let failed = store.transaction(["a", "b", "c"], |tx| {
        tx.string("a").append("y")?;
        tx.bitmap("a").set(0, true)?;
        tx.counter("b").incr()?;
        tx.insert_many([("a", "z"), ("c", "z")])?;
        Err::<(), _>(Error::Invalid("no"))
    });
    assert!(failed.is_err());
    assert_eq!(store.get_many::<String>(["a", "b", "c"]).unwrap(), [Some(long), Some("1".into()), None]);
}

#[test]
fn a_reader_keeps_what_it_read() {
    let (_, store) = manual_store();
    store.insert("k", "x".repeat(100)).unwrap();
    let before: Bytes = store.get("k").unwrap().unwrap();
    store.string("k").append("y").unwrap();
    let between: Bytes = store.get("k").unwrap().unwrap();
    store.string("k").set_range(0, "zzz").unwrap();
    assert_eq!((before.len(), between.len()), (100, 101));
    assert!(before.iter().all(|byte| *byte == b'x') && between.starts_with(b"xxx"));
    // No lock is held: the closure may use the store.
    let twice = store.get_with("k", |bytes| store.insert("k", bytes).map(|()| bytes.len())).unwrap();
    assert_eq!(twice.unwrap().unwrap(), 101);
}
