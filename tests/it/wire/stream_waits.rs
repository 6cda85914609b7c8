//! XREAD and XREADGROUP that wait: a thread does, and the clock is moved by hand.

use std::thread;
use std::time::Duration;

use larder::{
    AddOptions, Compat, Eviction, ManualClock, Reply, Store, StoreBuilder, StreamId, Sweeping, Weighed,
};

use crate::support::{manual_store, until};

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn at(ms: u64) -> AddOptions {
    AddOptions::new().id(StreamId::new(ms, 0))
}

fn until_waiting(store: &Store, count: usize) {
    until("waiter", || store.waiting().unwrap() >= count);
}

#[test]
fn one_who_waits_behind_other_readers_is_served_at_once() {
    let (_clock, store) = manual_store();
    let stream = store.stream::<String, u32>("s");
    stream.add_with([("n", 1)], at(1)).unwrap();
    thread::scope(|scope| {
        let later =
            scope.spawn(|| store.session().call(["XREAD", "BLOCK", "0", "STREAMS", "s", "none", "$", "0"]));
        until_waiting(&store, 2);
        assert_eq!(stream.read_wait(StreamId::MIN, 1, millis(5)).unwrap().len(), 1);
        stream.add_with([("n", 2)], at(2)).unwrap();
        let Reply::Array(streams) = later.join().unwrap() else { panic!("no list") };
        assert_eq!(streams.len(), 1);
    });
}

#[test]
fn a_wait_ends_with_the_clock() {
    let (clock, store) = manual_store();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| store.session().call(["XREAD", "BLOCK", "1500", "STREAMS", "s", "$"]));
        until_waiting(&store, 1);
        clock.advance(millis(1_499));
        assert_eq!(store.waiting().unwrap(), 1);
        clock.advance(millis(1));
        assert_eq!(waiter.join().unwrap(), Reply::NilArray);
    });
}

#[test]
fn who_waits_for_a_group_is_told_that_it_went() {
    const GONE: &str = "UNBLOCKED the stream key no longer exists";
    const NO_GROUP: &str = "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option";
    const WRONG: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
    let cases: [(&[&str], &str, &str); 5] = [
        (&["DEL", "s"], GONE, NO_GROUP),
        (&["SET", "s", "x"], GONE, WRONG),
        (&["RENAME", "s", "t"], GONE, NO_GROUP),
        (&["FLUSHALL"], GONE, NO_GROUP),
        (
            &["XGROUP", "DESTROY", "s", "g"],
            "NOGROUP the consumer group this client was blocked on no longer exists",
            NO_GROUP,
        ),
    ];
    for (command, old, new) in cases {
        for (compat, text) in [(Compat::Redis70, old), (Compat::Redis810, new)] {
            let (_clock, store) = manual_store();
            store.session().call(["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"]);
            thread::scope(|scope| {
                let waiter = scope.spawn(|| {
                    let words = ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", ">"];
                    store.session().compat(compat).call(words)
                });
                until_waiting(&store, 1);
                store.session().call(command);
                let Reply::Error(error) = waiter.join().unwrap() else { panic!("{command:?}: no error") };
                assert_eq!(error.to_string(), text, "{command:?}");
            });
            assert_eq!(store.waiting().unwrap(), 0);
        }
    }
}

/// What has a key expire or go to make room, in a store as it is built for it.
type Loses = (fn(StoreBuilder) -> StoreBuilder, fn(&Store, &ManualClock));

const LOSES: [Loses; 6] = [
    (
        |builder| builder,
        |store, clock| {
            clock.advance(millis(10));
            store.sweep().unwrap();
        },
    ),
    // Several at the end of a table go at once.
    (
        |builder| builder,
        |store, clock| {
            (0..100).for_each(|key| store.insert_ex(key, 1, millis(5)).unwrap());
            clock.advance(millis(10));
            store.sweep().unwrap();
        },
    ),
    (|builder| builder.max_keys(1), |store, _| store.insert("other", 1).unwrap()),
    (|builder| builder.max_weight(1, |_: &Weighed<'_>| 1), |store, _| store.insert("other", 1).unwrap()),
    // It becomes heavier than all may be.
    (
        |builder| builder.max_weight(1, |key: &Weighed<'_>| 1 + u64::from(key.bytes > 1_000)),
        |store, _| _ = store.session().call(["XGROUP", "CREATE", "s", &"h".repeat(2_000), "0"]),
    ),
    // By how much a list grows is known when it has.
    (
        |builder| builder.max_bytes(1 << 16),
        |store, _| {
            while store.stats().unwrap().evictions == 0 {
                store.list::<String>("other").push_back("x".repeat(1_000)).unwrap();
            }
        },
    ),
];

#[test]
fn who_waits_for_a_group_is_told_that_its_stream_has_expired_or_was_evicted() {
    for (at, (with, lose)) in LOSES.iter().enumerate() {
        let clock = ManualClock::new();
        let builder = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).shards(1);
        // Nothing else has a deadline.
        let store = with(builder.eviction(Eviction::Expiring)).build();
        store.session().call(["XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"]);
        store.session().call(["PEXPIRE", "s", "10"]);
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                let words = ["XREADGROUP", "GROUP", "g", "c", "BLOCK", "60000", "STREAMS", "s", ">"];
                store.session().call(words)
            });
            until_waiting(&store, 1);
            lose(&store, &clock);
            let left = store.waiting().unwrap();
            // Who was not told does not wait for ever.
            clock.advance(millis(60_000));
            assert_eq!(left, 0, "case {at}: nobody waits any more");
            let Reply::Error(error) = waiter.join().unwrap() else { panic!("case {at}: no error") };
            assert!(error.to_string().starts_with("NOGROUP No such key 's'"), "case {at}: {error}");
        });
    }
}

#[test]
fn an_exec_serves_all_streams_at_its_end() {
    let (_clock, store) = manual_store();
    for (compat, count) in [(Compat::Redis70, 1), (Compat::Redis810, 2)] {
        store.clear().unwrap();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| {
                store.session().compat(compat).call(["XREAD", "BLOCK", "0", "STREAMS", "a", "b", "0", "0"])
            });
            until_waiting(&store, 2);
            let mut session = store.session();
            session.call(["MULTI"]);
            session.call(["XADD", "b", "1", "f", "v"]);
            session.call(["XADD", "a", "1", "f", "v"]);
            session.call(["XREAD", "BLOCK", "0", "STREAMS", "a", "$"]);
            let Reply::Array(replies) = session.call(["EXEC"]) else { panic!("no list") };
            assert_eq!(replies[2], Reply::NilArray);
            let Reply::Array(streams) = waiter.join().unwrap() else { panic!("no list") };
            assert_eq!(streams.len(), count);
        });
    }
}

#[test]
fn what_is_pending_marks_no_watch() {
    let (_clock, store) = manual_store();
    let (mut one, mut other) = (store.session(), store.session());
    one.call(["XADD", "s", "1", "f", "v"]);
    one.call(["XGROUP", "CREATE", "s", "g", "0"]);
    one.call(["XGROUP", "CREATECONSUMER", "s", "g", "c"]);
    one.call(["WATCH", "s"]);
    other.call(["XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"]);
    other.call(["XACK", "s", "g", "1"]);
    one.call(["MULTI"]);
    assert_eq!(one.call(["EXEC"]), Reply::Array(Vec::new()));
    one.call(["WATCH", "s"]);
    other.call(["XADD", "s", "2", "f", "v"]);
    one.call(["MULTI"]);
    assert_eq!(one.call(["EXEC"]), Reply::NilArray);
}
