//! Why a value is or is not there, in words.

use std::time::Duration;

use larder::{Cache, CacheState, Load};

use super::{MINUTE, fails, manual};

#[test]
fn each_state_has_its_words() {
    let m = manual(|names| {
        let names = names.absent_ttl(MINUTE).stale_for(MINUTE * 120).refresh_after(0.5).shared();
        names.breaker(2, MINUTE).retry_after(Duration::from_millis(1500))
    });
    let told = |is: &str| assert_eq!(m.names.explain(&7).unwrap().to_string(), format!("names:7: {is}"));
    told("nothing is there");
    m.names.get_or_load(&7, || Ok::<_, String>(None::<String>)).unwrap();
    told("known to have no value: loaded 0ms ago, good for 1m 0s more");
    m.names.insert(&7, Load::value("a".to_owned()).tag("b")).unwrap();
    told("fresh: loaded 0ms ago, good for 1m 0s more");
    m.clock.advance(Duration::from_millis(30_250));
    told("fresh: loaded 30s ago, good for 29s more, due to be loaded anew");
    m.clock.advance(MINUTE);
    told("stale since 30s, served for 1h 59m more if it cannot be loaded");
    m.names.get_or_load(&7, fails).unwrap();
    told(
        "stale since 30s, served for 1h 59m more if it cannot be loaded; its last load failed, the next is tried in 1.5s",
    );
    m.clock.advance(Duration::from_millis(1500));
    m.names.get_or_load(&7, fails).unwrap();
    told(
        "stale since 31s, served for 1h 59m more if it cannot be loaded; its last load failed, the next is tried in \
         1.5s; too many loads have failed, none is tried for 1m 0s",
    );
    m.clock.advance(MINUTE);
    m.names.get_or_load(&8, super::gives("the database is back")).unwrap();
    m.names.remove_tag("b");
    told("missing, as its tag b was removed");
    m.names.remove(&7).unwrap();
    m.names
        .get_or_load(&7, || {
            told("nothing is there; it is being loaded");
            m.names.remove(&7).unwrap();
            told("nothing is there; it is being loaded, and was written meanwhile: not to be stored");
            Ok::<_, String>("fenced".to_owned())
        })
        .unwrap();
    told(
        "nothing is there; a value was loaded and not stored, as the key was written or a tag removed meanwhile",
    );
    m.names.insert(&7, "a".to_owned()).unwrap();
    told("fresh: loaded 0ms ago, good for 1m 0s more");
    m.store.insert("names:7", "by hand").unwrap();
    assert_eq!(m.names.explain(&7).unwrap().state, CacheState::Encoded);
    m.store.remove("names:7").unwrap();
    m.store.list::<String>("names:7").push_back("a").unwrap();
    told(
        "not a cache's: the key holds another kind of value; a value was loaded and not stored, as the key was \
         written or a tag removed meanwhile",
    );
    let stats = m.names.stats();
    m.names.explain(&7).unwrap();
    assert_eq!(m.names.stats(), stats);
}

#[test]
fn bytes_and_values_of_others_are_told_apart() {
    let m = manual(|names| names);
    let numbers: Cache<u64, u32> = m.store.cache("numbers").shared().build().unwrap();
    m.store.insert("numbers:1", "no number").unwrap();
    assert!(matches!(numbers.explain(&1).unwrap().state, CacheState::Undecodable(_)));
    m.store.insert("names:1", "not shared").unwrap();
    assert_eq!(m.names.explain(&1).unwrap().state, CacheState::Foreign);
    numbers.insert(&2, 2).unwrap();
    drop(numbers);
    let texts: Cache<u64, String> = m.store.cache("numbers").build().unwrap();
    assert_eq!(texts.explain(&2).unwrap().state, CacheState::Foreign);
}
