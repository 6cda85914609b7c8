//! What is in a cache: values as they are, absence, tags, and what the caller does to them.

use std::sync::Arc;

use larder::{Cache, Error, How, Load, Store};

use super::{MINUTE, cache, fails, gives, manual, text, unasked};
use crate::support::manual_store;

/// No trait of larder, serde or std is asked of a value.
struct Plain(#[allow(dead_code)] std::cell::Cell<u8>);

#[test]
fn a_hit_is_the_same_allocation() {
    struct NoTraits(String);

    let store = Store::new();
    let rows: Cache<String, NoTraits> = store.cache("rows").build().unwrap();
    let first = rows.get_or_load("a", || Ok::<_, String>(NoTraits("text".into()))).unwrap().unwrap();
    let again = rows.get_or_load("a", || Err::<NoTraits, _>("unasked")).unwrap().unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    assert_eq!(again.0, "text");
    let _ = Plain(std::cell::Cell::new(1));
}

#[test]
fn a_value_lives_as_long_as_was_said() {
    let m = manual(|names| names);
    assert_eq!(text(m.names.get_or_load(&7, gives("a"))).as_deref(), Some("a"));
    m.clock.advance(MINUTE - std::time::Duration::from_millis(1));
    assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("a"));
    m.clock.advance(std::time::Duration::from_millis(1));
    assert_eq!(text(m.names.get_or_load(&7, gives("b"))).as_deref(), Some("b"));
    let stats = m.names.stats();
    assert_eq!((stats.hits, stats.misses, stats.loads), (1, 2, 2));
}

#[test]
fn absence_is_remembered_if_that_was_said() {
    let m = manual(|names| names);
    let none = || Ok::<_, String>(None::<String>);
    assert_eq!(text(m.names.get_or_load(&7, none)), None);
    assert_eq!(text(m.names.get_or_load(&7, gives("now there"))).as_deref(), Some("now there"));

    let m = manual(|names| names.absent_ttl(MINUTE / 2));
    assert_eq!(text(m.names.get_or_load(&7, none)), None);
    assert_eq!(text(m.names.get_or_load(&7, unasked)), None);
    m.clock.advance(MINUTE / 2);
    assert_eq!(text(m.names.get_or_load(&7, gives("now there"))).as_deref(), Some("now there"));
}

#[test]
fn a_row_that_has_gone_takes_the_old_value_along() {
    let m = manual(|names| names.stale_for(MINUTE * 60));
    m.names.get_or_load(&7, gives("a")).unwrap();
    m.clock.advance(MINUTE);
    assert_eq!(text(m.names.get_or_load(&7, || Ok(None::<String>))), None);
    assert!(m.names.get_or_load(&7, fails).is_err(), "the old value is not served any more");
}

#[test]
fn a_loader_may_say_more() {
    let m = manual(|names| names);
    let short = |_| Ok::<_, String>(Load::value("a".to_owned()).ttl(MINUTE / 60));
    assert_eq!(m.names.ask(&1, short).unwrap().how, How::Loaded);
    m.clock.advance(MINUTE / 60);
    assert_eq!(m.names.peek(&1).unwrap(), None);

    let passing = |_| Ok::<_, String>(Load::value("b".to_owned()).not_stored());
    assert_eq!(m.names.ask(&1, passing).unwrap().value.as_deref().map(String::as_str), Some("b"));
    assert_eq!(m.names.peek(&1).unwrap(), None);

    let unchanged = |_| Ok::<_, String>(Load::unchanged());
    assert!(m.names.ask(&1, unchanged).is_err());
}

#[test]
fn a_removed_tag_takes_all_that_have_it() {
    let m = manual(|names| names);
    for id in 0..100_u64 {
        let tag = if id % 2 == 0 { "even" } else { "odd" };
        let load = || Ok::<_, String>(Load::value(id.to_string()).tags([tag, "all"]));
        m.names.get_or_load(&id, load).unwrap();
    }
    m.names.remove_tag("even");
    let there = (0..100).filter(|id| m.names.peek(id).unwrap().is_some()).count();
    assert_eq!(there, 50);
    assert_eq!(text(m.names.get_or_load(&2, gives("new"))).as_deref(), Some("new"));
    m.names.remove_tag("all");
    assert!((0..100).filter(|id| *id != 2).all(|id| m.names.peek(&id).unwrap().is_none()));
    assert!(m.names.peek(&2).unwrap().is_some(), "its new value has no tag");
}

#[test]
fn what_the_caller_puts_in_and_takes_out() {
    let m = manual(|names| names);
    m.names.insert(&1, "a".to_owned()).unwrap();
    assert!(!m.names.insert_if_absent(&1, "b".to_owned()).unwrap());
    assert!(m.names.insert_if_absent(&2, "b".to_owned()).unwrap());
    let longer =
        m.names.compute(&1, |old| Load::from(old.map_or_else(String::new, |old| format!("{old}!")))).unwrap();
    assert_eq!(longer.as_deref().map(String::as_str), Some("a!"));
    assert_eq!(m.names.compute(&1, |_| Load::absent()).unwrap(), None);
    assert!(!m.names.remove(&1).unwrap());
    assert!(m.names.remove(&2).unwrap());
    assert_eq!(m.store.len().unwrap(), 0);
}

#[test]
fn what_is_computed_does_not_bring_back_what_was_removed() {
    let ways: [fn(&super::Manual); 2] = [|m| m.names.remove_tag("row"), |m| m.names.clear().unwrap()];
    for remove in ways {
        let m = manual(|names| names);
        m.names.insert(&7, Load::value("a".to_owned()).tag("row")).unwrap();
        let mut seen = Vec::new();
        let computed = m.names.compute(&7, |old| {
            if seen.is_empty() {
                remove(&m);
            }
            seen.push(old.clone());
            Load::from(old.map_or("new".to_owned(), |old| format!("{old}!")))
        });
        assert_eq!(computed.unwrap().as_deref().map(String::as_str), Some("new"));
        assert_eq!(seen, [Some(Arc::new("a".to_owned())), None]);
    }
}

#[test]
fn an_unchanged_value_is_left_as_it_is() {
    let m = manual(|names| names);
    assert!(matches!(m.names.compute(&7, |_| Load::unchanged()), Err(Error::Invalid(_))));
    m.names.insert(&7, Load::value("a".to_owned()).tag("row")).unwrap();
    m.clock.advance(MINUTE / 2);
    let computed = m.names.compute(&7, |_| Load::unchanged()).unwrap();
    assert_eq!(computed.as_deref().map(String::as_str), Some("a"));
    m.names.remove_tag("row");
    assert_eq!(m.names.peek(&7).unwrap(), None, "it has its tag");
}

/// A value that has lived for as long as it may before it could be stored is not left behind anywhere.
#[test]
fn a_value_whose_time_is_over_at_once_is_not_kept() {
    let (clock, store) = manual_store();
    let weigher = {
        let clock = clock.clone();
        move |_: &String| {
            clock.advance(MINUTE);
            0
        }
    };
    let names = cache(&store).weigher(weigher).build().unwrap();
    let value = Arc::new("a".to_owned());
    let loaded = names.get_or_load(&7, || Ok::<_, String>(Arc::clone(&value))).unwrap();
    drop(loaded);
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn to_peek_at_a_value_is_no_use_of_it() {
    let left = |looks: bool| {
        let clock = larder::ManualClock::new();
        let store = Store::builder().clock(&clock).max_keys(1000).shards(1).seed(7).build();
        let names = cache(&store).build().unwrap();
        (0..100).for_each(|id| names.insert(&id, "seen".to_owned()).unwrap());
        for id in 1000..4000_u64 {
            names.insert(&id, "cold".to_owned()).unwrap();
            if looks && id % 50 == 0 {
                (0..100).for_each(|id| drop((names.peek(&id).unwrap(), names.explain(&id).unwrap())));
            }
        }
        (0..100).filter(|id| names.peek(id).unwrap().is_some()).count()
    };
    assert_eq!(left(true), left(false));
}

#[test]
fn clear_takes_all_of_one_cache() {
    let m = manual(|names| names);
    let others: Cache<u64, u64> = m.store.cache("others").build().unwrap();
    for id in 0..1000 {
        m.names.insert(&id, id.to_string()).unwrap();
        others.insert(&id, id).unwrap();
    }
    m.names.clear().unwrap();
    assert!((0..1000).all(|id| m.names.peek(&id).unwrap().is_none()));
    assert!((0..1000).all(|id| others.peek(&id).unwrap().is_some()));
    assert_eq!(m.store.len().unwrap(), 1000);
}

#[test]
fn clear_leaves_a_cache_of_a_longer_name_alone() {
    let (_clock, store) = manual_store();
    let names = cache(&store).shared().build().unwrap();
    let longer: Cache<u64, String> = store.cache("names:old").shared().build().unwrap();
    names.insert(&7, "a".to_owned()).unwrap();
    longer.insert(&7, "b".to_owned()).unwrap();
    // Not asked for yet: bytes that a client or a snapshot has put there.
    store.insert("names:8", "a").unwrap();
    store.insert("names:old:8", "b").unwrap();
    store.list::<String>("names:9").push_back("no value of it").unwrap();
    names.clear().unwrap();
    assert_eq!(store.keys("*").unwrap(), ["names:9", "names:old:7", "names:old:8"]);
    assert_eq!(longer.peek(&7).unwrap().as_deref().map(String::as_str), Some("b"));
}

#[test]
fn clear_takes_what_a_cache_of_that_name_has_left() {
    let (_clock, store) = manual_store();
    cache(&store).build().unwrap().insert(&7, "a".to_owned()).unwrap();
    let names = cache(&store).build().unwrap();
    assert!(names.peek(&7).unwrap().is_some());
    names.clear().unwrap();
    assert_eq!((names.peek(&7).unwrap(), store.len().unwrap()), (None, 0));
}

#[test]
fn a_time_to_live_without_end_is_one() {
    let m = manual(|names| names.ttl(std::time::Duration::MAX).stale_for(std::time::Duration::MAX).shared());
    m.names.insert(&7, "a".to_owned()).unwrap();
    m.clock.advance(MINUTE * 60 * 24 * 365 * 1000);
    assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("a"));
    assert!(matches!(m.store.ttl("names:7").unwrap(), larder::Ttl::Left(left) if left > MINUTE));
}

#[test]
fn values_go_when_nobody_has_them_any_more() {
    let m = manual(|names| names);
    let drop_of = |how: &dyn Fn()| {
        m.names.insert(&7, "a".to_owned()).unwrap();
        let value = m.names.peek(&7).unwrap().unwrap();
        m.names.get_or_load(&7, unasked).unwrap();
        assert!(Arc::strong_count(&value) > 1);
        how();
        assert_eq!(Arc::strong_count(&value), 1);
    };
    drop_of(&|| drop(m.names.remove(&7)));
    drop_of(&|| m.names.insert(&7, "b".to_owned()).unwrap());
    drop_of(&|| m.store.clear().unwrap());
    drop_of(&|| m.names.clear().unwrap());
    drop_of(&|| drop(m.store.remove("names:7")));
    drop_of(&|| drop(m.store.expire("names:7", std::time::Duration::ZERO)));
    drop_of(&|| {
        m.clock.advance(MINUTE);
        m.store.sweep().unwrap();
    });
}

#[test]
fn bad_input_is_refused() {
    let (_clock, store) = manual_store();
    let zero = std::time::Duration::ZERO;
    let invalid = |error: Result<Cache<u64, String>, Error>| matches!(error, Err(Error::Invalid(_)));
    assert!(invalid(cache(&store).ttl(zero).build()));
    assert!(invalid(cache(&store).absent_ttl(zero).build()));
    assert!(invalid(cache(&store).idle_ttl(zero).build()));
    for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
        assert!(invalid(cache(&store).jitter(share).build()));
        assert!(invalid(cache(&store).refresh_after(share).build()));
    }
    for beta in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(invalid(cache(&store).refresh_early(beta).build()));
    }
    assert!(invalid(cache(&store).stale_after(MINUTE).build()), "there is nothing stale to serve");
    assert!(cache(&store).stale_after(MINUTE).revalidate_for(MINUTE).build().is_ok());
    // A stale window that is shorter than the time to live is one.
    let names = cache(&store).stale_for(MINUTE / 60).build().unwrap();
    let same = store.cache::<u64, String>("names").build();
    assert!(matches!(same, Err(Error::CacheInUse(name)) if name == "names"));
    assert!(store.cache::<String, u8>("names").build().is_err());
    assert!(store.db(1).unwrap().cache::<String, u8>("names").build().is_ok());
    drop(names);
    assert!(store.cache::<String, u8>("names").build().is_ok());
}

#[test]
fn values_of_another_type_are_missing() {
    let (_clock, store) = manual_store();
    let names: Cache<u64, String> = store.cache("names").build().unwrap();
    names.insert(&7, "text".to_owned()).unwrap();
    drop(names);
    let numbers: Cache<u64, u32> = store.cache("names").build().unwrap();
    assert_eq!(numbers.peek(&7).unwrap(), None);
    assert_eq!(numbers.get_or_load(&7, || Ok::<_, String>(3)).unwrap().as_deref(), Some(&3));
    assert_eq!(numbers.peek(&7).unwrap().as_deref(), Some(&3));
}

#[test]
fn a_value_outlives_the_handle_that_put_it_there() {
    let (_clock, store) = manual_store();
    let names = cache(&store).build().unwrap();
    names.insert(&7, "text".to_owned()).unwrap();
    drop(names);
    let names = cache(&store).build().unwrap();
    assert_eq!(text(names.get_or_load(&7, unasked)).as_deref(), Some("text"));
}

#[test]
fn a_key_that_holds_something_else_is_an_error() {
    let m = manual(|names| names);
    m.store.list::<String>("names:7").push_back("a").unwrap();
    assert!(matches!(m.names.peek(&7), Err(Error::WrongType)));
    assert!(m.names.get_or_load(&7, unasked).is_err());
}
