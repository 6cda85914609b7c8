//! What others see of a cache: the store's own calls, snapshots, Redis clients.

use std::sync::Mutex;

use larder::{Bytes, Cache, Decode, DecodeError, Encode, InsertOptions, Load, ManualClock, Store, Ttl};

use super::{MINUTE, cache, gives, manual, text, unasked};
use crate::support::{manual_store, until};

#[test]
fn a_cache_that_is_not_shared_is_seen_by_nobody() {
    let m = manual(|names| names);
    m.names.insert(&7, "text".to_owned()).unwrap();
    assert!(!m.store.contains("names:7").unwrap());
    assert_eq!(m.store.get::<String>("names:7").unwrap(), None);
    assert_eq!(m.store.ttl("names:7").unwrap(), Ttl::Missing);
}

#[test]
fn a_shared_value_is_a_string() {
    let m = manual(|names| names.shared().stale_for(MINUTE * 60).absent_ttl(MINUTE));
    m.names.insert(&7, "text".to_owned()).unwrap();
    assert_eq!(m.store.get::<String>("names:7").unwrap().as_deref(), Some("text"));
    assert_eq!(m.store.ttl("names:7").unwrap(), Ttl::Left(MINUTE));
    m.names.get_or_load(&8, || Ok::<_, String>(None::<String>)).unwrap();
    assert!(!m.store.contains("names:8").unwrap(), "a mark of absence does not exist");
    m.clock.advance(MINUTE);
    assert!(!m.store.contains("names:7").unwrap(), "a stale value does not exist");
    assert!(m.names.ask(&7, |_| super::fails()).is_ok());
}

#[test]
fn what_others_write_is_taken_up() {
    let m = manual(|names| names.shared());
    m.store.insert("names:7", "by hand").unwrap();
    assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("by hand"));
    m.names.get_or_load(&7, unasked).unwrap();
    assert_eq!(m.store.get::<String>("names:7").unwrap().as_deref(), Some("by hand"));
    m.store.string("names:7").append("!").unwrap();
    assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("by hand!"));
    m.store.rename("names:7", "names:8").unwrap();
    assert_eq!(m.names.peek(&7).unwrap(), None);
    assert_eq!(text(m.names.get_or_load(&8, unasked)).as_deref(), Some("by hand!"));
    m.store.copy("names:8", "names:9").unwrap();
    assert!(m.store.remove("names:8").unwrap());
    assert_eq!(m.names.peek(&8).unwrap(), None);
    assert_eq!(text(m.names.get_or_load(&9, unasked)).as_deref(), Some("by hand!"));
}

#[test]
fn a_shared_value_that_is_written_on_lives_as_long_as_it_was_shown() {
    let ways: [fn(&Store); 3] = [
        |store| _ = store.counter("numbers:7").incr().unwrap(),
        |store| _ = store.string("numbers:7").append("2").unwrap(),
        |store| _ = store.insert_with("numbers:7", 43, InsertOptions::new().keep_ttl()).unwrap(),
    ];
    for (write, value) in ways.into_iter().zip([42, 412, 43]) {
        let clock = ManualClock::new();
        let store = Store::builder().clock(&clock).build();
        let numbers = store.cache::<u64, u64>("numbers").shared().ttl(MINUTE).stale_for(MINUTE * 60);
        numbers.build().unwrap().insert(&7, 41).unwrap();
        assert_eq!(store.get::<u64>("numbers:7").unwrap(), Some(41));
        write(&store);
        assert_eq!(store.get_with_ttl::<u64>("numbers:7").unwrap(), Some((value, Ttl::Left(MINUTE))));
        clock.advance(MINUTE);
        assert!(!store.contains("numbers:7").unwrap());
        until("sweep", || store.stats().unwrap().expirations == 1);
    }
}

#[test]
fn a_value_that_is_there_as_bytes_is_not_absent() {
    let m = manual(|names| names.shared());
    m.store.insert("names:7", "by hand").unwrap();
    assert!(!m.names.insert_if_absent(&7, "other".to_owned()).unwrap());
    assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("by hand"));
}

#[test]
fn bytes_that_do_not_decode_are_missing() {
    let (_clock, store) = manual_store();
    let numbers: Cache<u64, u32> = store.cache("numbers").shared().build().unwrap();
    store.insert("numbers:7", "no number").unwrap();
    assert_eq!(numbers.peek(&7).unwrap(), None);
    assert_eq!(numbers.get_or_load(&7, || Ok::<_, String>(3)).unwrap().as_deref(), Some(&3));
    assert_eq!(numbers.stats().undecodable, 1);
}

#[test]
fn a_snapshot_keeps_what_is_shared() {
    let folder = crate::support::Folder::new();
    let path = folder.join("larder.snapshot");
    let m = manual(|names| names.shared());
    let hidden: Cache<u64, u64> = m.store.cache("hidden").build().unwrap();
    m.names.get_or_load(&7, gives("text")).unwrap();
    hidden.insert(&7, 7).unwrap();
    m.store.save(&path).unwrap();

    let store = Store::builder().clock(&m.clock).load(&path).unwrap();
    assert_eq!(store.len().unwrap(), 1);
    let names = cache(&store).shared().build().unwrap();
    assert_eq!(text(names.get_or_load(&7, unasked)).as_deref(), Some("text"));
}

/// A value that looks into its cache when it goes.
struct Looks(String);

static LOOKED_INTO: Mutex<Option<Cache<u64, Looks>>> = Mutex::new(None);

impl Drop for Looks {
    fn drop(&mut self) {
        // Once: what it finds looks at nothing.
        let cache = LOOKED_INTO.lock().unwrap().take();
        if let Some(cache) = cache {
            (0..200).for_each(|id| drop(cache.peek(&id).unwrap()));
            *LOOKED_INTO.lock().unwrap() = Some(cache);
        }
    }
}

impl Encode for Looks {
    fn encode(&self) -> larder::Result<Bytes> {
        self.0.encode()
    }
}

impl Decode for Looks {
    fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
        String::decode(bytes).map(Looks)
    }
}

#[test]
fn who_asks_while_a_cache_is_cleared_does_not_bring_bytes_back() {
    let (_clock, store) = manual_store();
    let cache: Cache<u64, Looks> = store.cache("looks").shared().build().unwrap();
    for id in 0..100 {
        cache.insert(&id, Looks("as it is".to_owned())).unwrap();
        store.insert(format!("looks:{}", id + 100), "bytes").unwrap();
    }
    *LOOKED_INTO.lock().unwrap() = Some(cache.clone());
    cache.clear().unwrap();
    *LOOKED_INTO.lock().unwrap() = None;
    assert!((0..200).all(|id| cache.peek(&id).unwrap().is_none()));
    assert_eq!(store.len().unwrap(), 0);
    store.insert("looks:7", "later").unwrap();
    assert!(cache.peek(&7).unwrap().is_some(), "it is over");
}

#[test]
fn a_transaction_that_is_taken_back_changes_nothing() {
    let m = manual(|names| names.shared());
    m.names.insert(&7, "text".to_owned()).unwrap();
    m.names.get_or_load(&7, unasked).unwrap();
    let undone = m.store.transaction(["names:7"], |tx| {
        tx.remove("names:7")?;
        Err::<(), _>(larder::Error::NotAnInteger)
    });
    assert!(undone.is_err());
    assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("text"));
    m.store.transaction(["names:7"], |tx| tx.remove("names:7")).unwrap();
    assert_eq!(m.names.peek(&7).unwrap(), None);
}

#[test]
fn a_fork_has_entries_of_its_own() {
    let m = manual(|names| names);
    m.names.insert(&7, "text".to_owned()).unwrap();
    let fork = m.store.fork().unwrap();
    let forked = cache(&fork).build().unwrap();
    assert_eq!(text(forked.get_or_load(&7, unasked)).as_deref(), Some("text"));
    m.names.remove(&7).unwrap();
    assert_eq!(text(forked.get_or_load(&7, unasked)).as_deref(), Some("text"));
    assert_eq!(m.names.peek(&7).unwrap(), None);

    let checkpoint = fork.checkpoint().unwrap();
    forked.remove(&7).unwrap();
    assert_eq!(forked.peek(&7).unwrap(), None);
    fork.roll_back(&checkpoint).unwrap();
    assert_eq!(text(forked.get_or_load(&7, unasked)).as_deref(), Some("text"));
    forked.insert(&8, "later".to_owned()).unwrap();
    forked.get_or_load(&8, unasked).unwrap();
    fork.roll_back(&checkpoint).unwrap();
    assert_eq!(forked.peek(&8).unwrap(), None);
}

#[test]
fn a_used_value_is_not_evicted_first() {
    let store = Store::builder().max_keys(1000).shards(1).build();
    let names = cache(&store).build().unwrap();
    let hot = || (0..100).all(|id| names.get_or_load(&id, gives("hot")).is_ok());
    hot();
    hot();
    for id in 1000..10_000_u64 {
        names.insert(&id, "cold".to_owned()).unwrap();
        if id % 50 == 0 {
            hot();
        }
    }
    let there = (0..100).filter(|id| names.peek(id).unwrap().is_some()).count();
    assert!(there > 90, "{there}");
    assert_eq!(store.len().unwrap(), 1000);
    assert!(names.stats().loads < 200, "{}", names.stats().loads);
}

/// What removes values that are being written to a file.
type Removes = fn(&super::Manual);

const REMOVED_AT_ONCE: [Removes; 4] = [
    |m| m.names.remove_tag("all"),
    |m| m.names.clear().unwrap(),
    |m| m.store.clear().unwrap(),
    |m| m.clock.advance(MINUTE),
];

#[test]
fn a_snapshot_is_whole_whatever_is_removed_while_it_is_written() {
    const NAMES: u64 = 3_000;
    let folder = crate::support::Folder::new();
    let path = folder.join("larder.snapshot");
    for remove in REMOVED_AT_ONCE {
        let m = manual(|names| names.shared());
        for id in 0..NAMES {
            m.names.insert(&id, Load::value("text".to_owned()).tag("all")).unwrap();
        }
        let (mut is_removed, began) = (false, m.clock.now());
        let done = m.store.save_with(&path, |so_far| {
            assert_eq!(so_far.total, NAMES);
            if !std::mem::replace(&mut is_removed, true) {
                remove(&m);
            }
        });
        assert_eq!(done.unwrap().entries, NAMES);
        let clock = ManualClock::starting_at(began);
        let store = Store::builder().clock(&clock).load(&path).unwrap();
        assert_eq!(store.len().unwrap(), NAMES as usize);
        assert_eq!(store.get::<String>("names:2999").unwrap().as_deref(), Some("text"));
    }
}

#[test]
fn a_store_that_has_taken_over_what_caches_hold_is_saved_as_theirs_is() {
    let folder = crate::support::Folder::new();
    let path = folder.join("larder.snapshot");
    let (clock, plain) = manual_store();
    let with_caches = plain.fork().unwrap();
    let names = cache(&with_caches).shared().build().unwrap();
    let hidden: Cache<u64, u64> = with_caches.cache("hidden").build().unwrap();
    // Nobody has looked at them yet: they are not encoded.
    names.insert(&7, "text".to_owned()).unwrap();
    hidden.insert(&7, 7).unwrap();
    let fork = with_caches.fork().unwrap();
    plain.roll_back(&with_caches.checkpoint().unwrap()).unwrap();
    for store in [fork, plain] {
        assert_eq!(store.save(&path).unwrap().entries, 1);
        let loaded = Store::builder().clock(&clock).load(&path).unwrap();
        assert_eq!(loaded.get::<String>("names:7").unwrap().as_deref(), Some("text"));
        assert_eq!(loaded.len().unwrap(), 1);
    }
}
