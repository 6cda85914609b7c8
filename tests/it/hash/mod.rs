//! Tests of the hash operations.

mod model;

use std::time::{Duration, SystemTime};

use larder::{Error, ExpireIf, ExpiresAt, FieldExpiry, Hash, HashOptions, Store, Ttl};

use crate::support::manual_store;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn scores(store: &Store) -> Hash<'_, String, f64> {
    store.hash("scores")
}

#[test]
fn a_refused_increment_changes_nothing() {
    let (_, store) = manual_store();
    let counts = store.hash::<String, i64>("counts");
    assert!(matches!(scores(&store).incr_by_float("a", f64::NAN), Err(Error::NanOrInfinity)));
    assert!(matches!(scores(&store).incr_by_float("a", f64::NEG_INFINITY), Err(Error::NanOrInfinity)));
    assert!(!store.contains("scores").unwrap());
    scores(&store).insert("a", f64::INFINITY).unwrap();
    assert!(matches!(scores(&store).incr_by_float("a", 1.0), Err(Error::NanOrInfinity)));

    counts.insert("a", i64::MAX).unwrap();
    assert!(matches!(counts.incr_by("a", 1), Err(Error::Overflow)));
    assert_eq!(counts.incr_by("a", i64::MIN).unwrap(), -1);
    assert!(matches!(counts.incr_by("a", i64::MIN), Err(Error::Overflow)));
    assert_eq!(counts.get("a").unwrap(), Some(-1));
    store.hash::<String, String>("counts").insert("b", "01").unwrap();
    assert!(matches!(counts.incr_by("b", 1), Err(Error::HashNotAnInteger)));
}

#[test]
fn floats_are_added_and_written_as_redis_does() {
    let (_, store) = manual_store();
    let texts = store.hash::<String, String>("scores");
    for (old, by, new) in [
        ("10.50", 0.1, "10.6"),
        ("5.0e3", 200.0, "5200"),
        ("0", 1e-20, "0"),
        ("3.0", -3.0, "0"),
        ("0.1", 0.2, "0.3"),
        ("1e40", 1.0, "9999999999999999999783686092270256259072"),
    ] {
        texts.insert("a", old).unwrap();
        let sum = scores(&store).incr_by_float("a", by).unwrap();
        let text = texts.get("a").unwrap().unwrap();
        assert_eq!(text.parse::<f64>().unwrap(), sum);
        assert_eq!(text, new, "{old} + {by}");
    }
    texts.insert("a", " 1").unwrap();
    assert!(matches!(scores(&store).incr_by_float("a", 1.0), Err(Error::HashNotAFloat)));
}

#[test]
fn an_increment_keeps_the_deadline_and_a_set_clears_it() {
    let (_, store) = manual_store();
    let hash = store.hash::<String, i64>("hash");
    hash.insert_ex("a", 1, ms(5)).unwrap();
    hash.incr_by("a", 1).unwrap();
    hash.incr_by_float("a", 1.0).unwrap();
    assert_eq!(hash.field_ttl("a").unwrap(), Ttl::Left(ms(5)));
    hash.insert("a", 1).unwrap();
    assert_eq!(hash.field_ttl("a").unwrap(), Ttl::Forever);
}

#[test]
fn a_deadline_beyond_46_bits_is_refused() {
    let (clock, store) = manual_store();
    let hash = store.hash::<String, String>("hash");
    hash.insert("a", "1").unwrap();
    let last = SystemTime::UNIX_EPOCH + ms((1 << 46) - 1);
    let left = last.duration_since(clock.now()).unwrap();
    assert_eq!(hash.expire_field("a", left).unwrap(), FieldExpiry::Set);
    assert_eq!(hash.field_expires_at("a").unwrap(), ExpiresAt::At(last));
    let text = |error: Error| error.to_string();
    assert_eq!(
        hash.expire_field("a", left + ms(1)).map_err(text),
        Err("ERR invalid expire time in 'hpexpire' command".to_owned())
    );
    assert!(matches!(hash.expire_field("a", Duration::MAX), Err(Error::InvalidExpire("hpexpire"))));
    let at = hash.expire_fields_at_if(["a"], last + ms(1), ExpireIf::Always);
    assert!(matches!(at, Err(Error::InvalidExpire("hpexpireat"))));
    assert!(matches!(hash.insert_ex("a", "1", Duration::MAX), Err(Error::InvalidExpire("hsetex"))));
    assert!(matches!(hash.get_and_expire("a", Duration::MAX), Err(Error::InvalidExpire("hgetex"))));
    assert_eq!(hash.field_expires_at("a").unwrap(), ExpiresAt::At(last));
    let past = SystemTime::UNIX_EPOCH - ms(1);
    assert_eq!(hash.expire_fields_at_if(["a"], past, ExpireIf::Always).unwrap(), [FieldExpiry::Removed]);
    assert!(hash.is_empty().unwrap());
}

#[test]
fn fields_and_the_key_expire_in_one_step() {
    let (clock, store) = manual_store();
    let hash = store.hash::<String, String>("hash");
    let options = HashOptions::new().expire_in(ms(3)).expire_key_in(ms(9));
    assert!(hash.insert_with([("a", "1"), ("b", "2")], options).unwrap());
    hash.insert("c", "3").unwrap();
    clock.advance(ms(3));
    assert_eq!(hash.keys().unwrap(), ["c"]);
    assert_eq!(store.ttl("hash").unwrap(), Ttl::Left(ms(6)));
    clock.advance(ms(6));
    assert_eq!(store.type_of("hash").unwrap(), None);
    let gone = HashOptions::new().expire_key_in(Duration::ZERO);
    assert!(hash.insert_with([("a", "1")], gone).unwrap());
    assert!(!store.contains("hash").unwrap());
}

#[test]
fn an_iterator_shows_one_instant() {
    let (clock, store) = manual_store();
    let hash = store.hash::<u32, u32>("hash");
    let pairs: Vec<(u32, u32)> = (0..1000).map(|n| (n, n)).collect();
    hash.insert_many(pairs.iter().map(|(field, value)| (field, value))).unwrap();
    hash.expire_fields_if([1, 2, 3], ms(1), ExpireIf::Always).unwrap();
    let before = hash.iter().unwrap();
    clock.advance(ms(1));
    let without = hash.iter().unwrap();
    hash.remove_many(pairs.iter().map(|(field, _)| field).filter(|field| *field % 2 == 0)).unwrap();
    for (field, _) in &pairs {
        hash.insert(field, 7).unwrap();
    }
    store.remove("hash").unwrap();
    let mut seen: Vec<(u32, u32)> = before.map(Result::unwrap).collect();
    seen.sort_unstable();
    assert_eq!(seen, pairs);
    assert_eq!(without.count(), 997);
}

#[test]
fn fields_that_do_not_decode_are_not_lost() {
    let (_, store) = manual_store();
    let texts = store.hash::<String, String>("hash");
    texts.insert_many([("a", "1"), ("b", "x")]).unwrap();
    texts.expire_field("b", ms(5)).unwrap();
    store.expire("hash", ms(9)).unwrap();
    let numbers = store.hash::<String, u32>("hash");
    assert!(matches!(numbers.get_and_remove_many(["a", "b", "c"]), Err(Error::Decode(_))));
    assert_eq!(texts.get_many(["a", "b"]).unwrap(), [Some("1".to_owned()), Some("x".to_owned())]);
    assert_eq!(texts.field_ttl("b").unwrap(), Ttl::Left(ms(5)));
    assert_eq!(store.ttl("hash").unwrap(), Ttl::Left(ms(9)));
    let Err(Error::Decode(error)) = numbers.get_and_remove("b") else { panic!("x is no number") };
    assert_eq!(error.bytes, "x");
    assert_eq!(texts.keys().unwrap(), ["a"]);
}

#[test]
fn every_field_is_drawn() {
    let (_, store) = manual_store();
    let hash = store.hash::<u32, u32>("hash");
    for n in 0..50 {
        hash.insert(n, n).unwrap();
    }
    for count in [1, 10, 49] {
        let mut drawn = [0; 50];
        for _ in 0..2000 {
            hash.random_fields(count).unwrap().into_iter().for_each(|n| drawn[n as usize] += 1);
        }
        let expected = 2000 * count as i32 / 50;
        let deviation = 6.0 * f64::from(expected).sqrt();
        assert!(drawn.iter().all(|times| f64::from(times - expected).abs() < deviation), "{drawn:?}");
    }
    assert_eq!(hash.random_fields(usize::MAX).unwrap().len(), 50);
}

#[test]
fn more_draws_than_memory_can_hold_are_refused() {
    let (_, store) = manual_store();
    let hash = store.hash::<u32, u32>("hash");
    assert!(hash.random_fields_repeated(usize::MAX).unwrap().is_empty());
    hash.insert(1, 1).unwrap();
    assert!(matches!(hash.random_fields_repeated(usize::MAX), Err(Error::Invalid(_))));
    assert!(matches!(hash.random_repeated(usize::MAX), Err(Error::Invalid(_))));
}

#[test]
fn many_fields_go_in_one_sweep() {
    let (clock, store) = manual_store();
    let hash = store.hash::<u32, u32>("hash");
    let fields: Vec<u32> = (0..5000).collect();
    hash.insert_many(fields.iter().map(|n| (n, n))).unwrap();
    hash.expire_fields_if(&fields[1..], ms(5), ExpireIf::Always).unwrap();
    clock.advance(ms(5));
    assert_eq!(hash.len().unwrap(), 1);
    assert_eq!(store.sweep().unwrap(), 0);
    assert_eq!(hash.entries().unwrap(), [(0, 0)]);
    hash.expire_field(0, ms(5)).unwrap();
    clock.advance(ms(5));
    assert_eq!(store.type_of("hash").unwrap(), None);
    assert_eq!(store.sweep().unwrap(), 1);
}

#[test]
fn fields_that_are_due_are_missing_however_many_there_are() {
    let (clock, store) = manual_store();
    let counts = store.hash::<u32, i64>("counts");
    counts.insert_many((0..5000).map(|field| (field, 7))).unwrap();
    counts.expire_fields(0..4999, ms(10)).unwrap();
    clock.advance(ms(10));
    let full = store.stats().unwrap().bytes;
    assert_eq!(counts.incr_by(4998, 1).unwrap(), 1);
    assert!(store.stats().unwrap().bytes > full / 2, "one write removes some of them");
    assert_eq!(counts.incr_by_float(4997, 0.5).unwrap(), 0.5);
    assert!(counts.insert_if_absent(4996, 5).unwrap());
    assert!(counts.insert(4995, 5).unwrap());
    assert!(!counts.insert_with([(4994, 5)], HashOptions::new().if_present()).unwrap());
    assert!(!counts.remove(4993).unwrap());
    assert_eq!(counts.get_and_remove(4992).unwrap(), None);
    assert_eq!(counts.get_and_expire(4991, ms(5)).unwrap(), None);
    assert_eq!(counts.expire_field(4990, ms(5)).unwrap(), FieldExpiry::Missing);
    assert!(!counts.persist_field(4989).unwrap());
    assert_eq!((counts.len().unwrap(), counts.field_ttl(4998).unwrap()), (5, Ttl::Forever));
    assert_eq!(counts.remove_many([4995, 4996, 4997, 4998, 4999]).unwrap(), 5);
    let stats = store.stats().unwrap();
    assert_eq!((stats.entries, stats.expirations), (0, 0));
}

#[test]
fn a_watch_does_not_see_what_was_due_before_it() {
    let (clock, store) = manual_store();
    let counts = store.hash::<u32, i64>("counts");
    counts.insert_many((0..2000).map(|field| (field, 7))).unwrap();
    counts.expire_fields(0..1999, ms(10)).unwrap();
    clock.advance(ms(10));
    let watched = store.watch(["counts"]).unwrap();
    store.sweep().unwrap();
    assert!(!watched.has_changed());
    counts.insert(0, 1).unwrap();
    assert!(watched.has_changed());
}
