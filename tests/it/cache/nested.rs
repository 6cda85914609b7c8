//! Two caches with the same types whose names and keys come to the same: neither is served what is the other's.

use std::future::ready;
use std::pin::pin;
use std::sync::mpsc::channel;
use std::task::Poll;

use larder::{Cache, CacheState, Store};

use super::flights::poll;
use super::{gives, text};
use crate::support::manual_store;

const NAME: &str = "session:admin:alice";

/// A cache for sessions, and one for those of admins, in which the key `alice` has the name that `admin:alice` has in the
/// first.
fn two(store: &Store, is_shared: bool) -> [Cache<String, String>; 2] {
    ["session", "session:admin"].map(|name| {
        let cache = store.cache(name).ttl(super::MINUTE);
        if is_shared { cache.shared().build() } else { cache.build() }.unwrap()
    })
}

#[test]
fn what_one_has_put_there_the_other_has_not() {
    for is_shared in [false, true] {
        let (_clock, store) = manual_store();
        let [session, admin] = two(&store, is_shared);
        let state = |cache: &Cache<String, String>, key: &str| cache.explain(key).unwrap().state;
        session.insert("admin:alice", "guest".to_owned()).unwrap();
        assert_eq!((admin.peek("alice").unwrap(), state(&admin, "alice")), (None, CacheState::Foreign));
        assert_eq!(admin.iter().unwrap().count(), 0);
        // What is loaded takes the place of what is there, and so is what is put in or computed.
        assert_eq!(text(admin.get_or_load("alice", gives("root"))).as_deref(), Some("root"));
        assert_eq!(session.peek("admin:alice").unwrap(), None);
        assert!(session.insert_if_absent("admin:alice", "guest".to_owned()).unwrap());
        assert!(admin.peek("alice").unwrap().is_none());
        let computed = admin.compute("alice", |old| {
            assert_eq!(old, None);
            "root".to_owned().into()
        });
        assert_eq!(computed.unwrap().as_deref().map(String::as_str), Some("root"));
        // Nor does one clear the other.
        session.clear().unwrap();
        assert!(admin.peek("alice").unwrap().is_some());
    }
}

#[test]
fn bytes_are_of_the_cache_with_the_longer_name() {
    let (_clock, store) = manual_store();
    let [session, admin] = two(&store, true);
    store.insert(NAME, "by a client").unwrap();
    assert_eq!(session.peek("admin:alice").unwrap(), None);
    assert_eq!(session.explain("admin:alice").unwrap().state, CacheState::Foreign);
    assert_eq!(admin.explain("alice").unwrap().state, CacheState::Encoded);
    assert_eq!(admin.peek("alice").unwrap().as_deref().map(String::as_str), Some("by a client"));
    // While there is none of that name, they are of the other.
    drop(admin);
    store.insert(NAME, "again").unwrap();
    assert_eq!(session.peek("admin:alice").unwrap().as_deref().map(String::as_str), Some("again"));
}

#[test]
fn a_load_of_one_is_not_shared_with_the_other() {
    let (_clock, store) = manual_store();
    let [session, admin] = two(&store, false);
    let (end, may_end) = channel::<()>();
    let mut root = pin!(admin.get_or_load_async("alice", || async {
        std::future::poll_fn(|_| if may_end.try_recv().is_ok() { Poll::Ready(()) } else { Poll::Pending })
            .await;
        gives("root")()
    }));
    assert!(poll(&mut root).is_pending());
    let mut guest = pin!(session.get_or_load_async("admin:alice", || ready(gives("guest")())));
    assert!(poll(&mut guest).is_pending(), "one load at a time");
    end.send(()).unwrap();
    let Poll::Ready(loaded) = poll(&mut root) else { panic!("the loader has ended") };
    assert_eq!(text(loaded).as_deref(), Some("root"));
    let Poll::Ready(loaded) = poll(&mut guest) else { panic!("it loads itself") };
    assert_eq!(text(loaded).as_deref(), Some("guest"));
}
