//! A limit that is set while the store is in use: `CONFIG SET maxmemory` and `maxmemory-policy`.

use larder::{Reply, Session};

use super::*;

const OOM: &str = "OOM command not allowed when used memory > 'maxmemory'.";

#[track_caller]
fn set(session: &mut Session, pairs: &[&str]) {
    let words = ["CONFIG", "SET"].iter().chain(pairs);
    assert_eq!(session.call(words), Reply::OK);
}

fn is_refused(reply: Reply) -> bool {
    matches!(reply, Reply::Error(error) if error.to_string() == OOM)
}

/// A store without a limit that holds so many keys.
fn filled(count: usize) -> Store {
    let store = Store::builder().seed(7).build();
    for n in 0..count {
        store.insert(format!("key:{n}"), "x".repeat(100)).unwrap();
    }
    store
}

#[test]
fn what_is_new_is_refused_from_then_on_and_until_it_is_taken_back() {
    let store = filled(100);
    let mut session = store.session();
    set(&mut session, &["maxmemory", "1"]);
    assert!(is_refused(session.call(["SET", "new", "1"])));
    assert_eq!(store.len().unwrap(), 100);
    set(&mut session, &["maxmemory", "0"]);
    assert_eq!(session.call(["SET", "new", "1"]), Reply::OK);
    set(&mut session, &["maxmemory", "100mb"]);
    assert_eq!(session.call(["SET", "newer", "1"]), Reply::OK);
    assert_eq!(session.call(["CONFIG", "GET", "maxmemory"]), told("maxmemory", "104857600"));
}

fn told(name: &str, value: &str) -> Reply {
    Reply::Map(vec![(Reply::Bulk(name.into()), Reply::Bulk(value.into()))])
}

#[test]
fn what_is_over_it_goes_at_once_by_the_policy_of_the_same_call() {
    for policy in ["allkeys-lru", "volatile-lru", "volatile-ttl"] {
        let store = filled(5_000);
        (0..5_000).for_each(|n| assert!(store.expire(format!("key:{n}"), 60 * MINUTE).unwrap()));
        let most = store.stats().unwrap().bytes / 2;
        let mut session = store.session();
        set(&mut session, &["maxmemory", &most.to_string(), "maxmemory-policy", policy]);
        let (bytes, left) = (store.stats().unwrap().bytes, store.len().unwrap());
        assert!(bytes <= most && left > 1_000, "{policy}: {left} keys in {bytes} bytes, {most} at most");
        (0..5_000).for_each(|n| store.insert_ex(format!("more:{n}"), 1, Duration::from_secs(60)).unwrap());
        assert!(store.stats().unwrap().bytes <= most, "{policy}");
        assert_eq!(session.call(["CONFIG", "GET", "maxmemory-policy"]), told("maxmemory-policy", policy));
    }
}

#[test]
fn the_policy_changes_while_there_is_a_limit() {
    let store = filled(1_000);
    let mut session = store.session();
    set(&mut session, &["maxmemory", "1"]);
    assert!(is_refused(session.call(["SET", "new", "1"])));
    // Nothing has a deadline.
    set(&mut session, &["maxmemory-policy", "volatile-lru"]);
    assert!(is_refused(session.call(["SET", "new", "1"])));
    assert_eq!(store.len().unwrap(), 1_000);
    set(&mut session, &["maxmemory", "20kb"]);
    set(&mut session, &["maxmemory-policy", "allkeys-lfu"]);
    assert_eq!(session.call(["SET", "new", "1"]), Reply::OK);
    assert!(store.stats().unwrap().bytes <= 20 << 10);
}

#[test]
fn it_is_set_in_a_transaction() {
    let store = filled(1_000);
    let mut session = store.session();
    session.call(["MULTI"]);
    session.call(["CONFIG", "SET", "maxmemory", "20kb", "maxmemory-policy", "allkeys-lru"]);
    session.call(["SET", "new", "1"]);
    assert_eq!(session.call(["EXEC"]), Reply::Array(vec![Reply::OK, Reply::OK]));
    assert!(store.stats().unwrap().bytes <= 20 << 10);
}

#[test]
fn it_holds_for_what_was_kept_from_before_it() {
    let store = filled(1_000);
    let before = store.checkpoint().unwrap();
    let mut session = store.session();
    set(&mut session, &["maxmemory", "50kb", "maxmemory-policy", "allkeys-lru"]);
    assert!(store.len().unwrap() < 1_000);
    store.roll_back(&before).unwrap();
    assert!(store.stats().unwrap().bytes <= 50 << 10);
    let fork = store.fork().unwrap();
    (0..1_000).for_each(|n| fork.insert(n, n).unwrap());
    assert!(fork.stats().unwrap().bytes <= 50 << 10);
}
