//! Publish and subscribe through the store, and the events of keys: Redis's names, in Redis's order.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, SystemTime};

use futures_core::Stream;
use larder::{
    AddOptions, Area, Backlog, BitInt, BitOp, Combine, CopyOptions, Distance, End, Error, ExpireIf,
    FixedWindow, GroupStart, HashOptions, InsertIf, InsertOptions, KeyEvents, ManualClock, Position, Store,
    StreamId, StreamTrim, Subscription, Sweeping,
};

use crate::support::manual_store;

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A store that tells of its keys.
fn telling_store() -> (ManualClock, Store) {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).shards(4).seed(7);
    (clock, store.key_events(KeyEvents::On).build())
}

/// The payloads that have come, in order.
fn payloads(subscription: &Subscription) -> Vec<String> {
    let messages = std::iter::from_fn(|| subscription.try_recv());
    messages.map(|message| message.payload_str().unwrap().to_owned()).collect()
}

#[test]
fn messages_go_to_those_who_listen() {
    let (_clock, store) = manual_store();
    assert_eq!(store.publish("news", "nobody hears it").unwrap(), 0);
    let news = store.subscribe(["news", "weather"]);
    let all = store.psubscribe(["*"]);
    let both = store.subscribe(["news"]);
    both.psubscribe("n?ws");
    // Channels are the store's, not a database's.
    assert_eq!(store.db(3).unwrap().publish("news", "one").unwrap(), 4);
    assert_eq!(store.publish("weather", "two").unwrap(), 2);
    assert_eq!(store.publish("sport", b"\xff\x00".as_slice()).unwrap(), 1);
    assert_eq!(payloads(&news), ["one", "two"]);
    assert_eq!(payloads(&both), ["one", "one"]);
    let heard: Vec<_> = std::iter::from_fn(|| all.try_recv()).collect();
    let channels: Vec<_> = heard.iter().map(|message| message.channel_str().unwrap()).collect();
    assert_eq!(channels, ["news", "weather", "sport"]);
    assert!(heard.iter().all(|message| message.pattern.as_ref().is_some_and(|pattern| *pattern == "*")));
    assert_eq!(heard[2].payload, b"\xff\x00");

    let mut names = store.channels("*");
    names.sort();
    assert_eq!(names, ["news", "weather"]);
    assert_eq!(store.channels("w*"), ["weather"]);
    assert_eq!((store.subscribers("news"), store.subscribers("sport")), (2, 0));
    assert!(news.unsubscribe("news") && !news.unsubscribe("news"));
    assert_eq!(store.subscribers("news"), 1);
    drop((news, both));
    assert_eq!((store.channels("*").len(), store.publish("news", 1).unwrap()), (0, 1));
}

#[test]
fn a_payload_over_the_limit_is_refused() {
    let store = Store::builder().value_limit(4).build();
    let all = store.psubscribe(["*"]);
    assert!(matches!(store.publish("c", "12345"), Err(Error::TooLong)));
    assert_eq!((store.publish("c", "1234").unwrap(), payloads(&all).len()), (1, 1));
}

#[test]
fn who_falls_behind_loses_the_oldest_and_knows_it() {
    let (_clock, store) = manual_store();
    let slow = store.subscribe_with(["c"], Backlog::new().messages(3));
    let fast = store.subscribe(["c"]);
    (0..10).for_each(|n| assert_eq!(store.publish("c", n).unwrap(), 2));
    assert_eq!((slow.lagged(), fast.lagged()), (7, 0));
    assert_eq!(payloads(&slow), ["7", "8", "9"]);
    assert_eq!(payloads(&fast).len(), 10);
    store.publish("c", 10).unwrap();
    assert_eq!((payloads(&slow), slow.lagged()), (vec!["10".to_owned()], 7));
}

#[test]
fn the_end_of_the_store_ends_subscriptions() {
    let (_clock, store) = manual_store();
    let read = store.subscribe(["c"]);
    let waiting = store.subscribe(["c"]);
    store.publish("c", "last").unwrap();
    let reader = thread::spawn(move || waiting.into_iter().count());
    let other = store.db(1).unwrap();
    drop(store);
    assert!(!read.is_closed(), "there is a handle left");
    drop(other);
    assert_eq!(reader.join().unwrap(), 1);
    assert!(read.is_closed() && !read.subscribe("d"));
    assert_eq!(payloads(&read), ["last"]);
    assert_eq!(read.recv(), None);
}

#[test]
fn a_timeout_goes_by_the_stores_clock() {
    let (clock, store) = manual_store();
    let news = store.subscribe(["news"]);
    assert_eq!(news.recv_timeout(Duration::ZERO), None);
    thread::scope(|scope| {
        let news = &news;
        let waiter = scope.spawn(move || news.recv_timeout(millis(1_000)));
        // Whether it waits already or not: its time is counted from when it began.
        while !waiter.is_finished() {
            clock.advance(millis(1_000));
            thread::yield_now();
        }
        assert_eq!(waiter.join().unwrap(), None);
    });
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn tasks_are_woken_by_messages_and_by_events() {
    let (_clock, store) = telling_store();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&waker);
    let woken = || wakes.0.load(Ordering::Relaxed);
    let mut stream = pin!(store.subscribe(["c", "__keyevent@0__:set"]));
    assert!(stream.as_mut().poll_next(&mut context).is_pending());
    store.publish("c", 1).unwrap();
    store.publish("c", 2).unwrap();
    assert_eq!(woken(), 1, "once, until it has looked");
    for expected in ["1", "2"] {
        let Poll::Ready(Some(message)) = stream.as_mut().poll_next(&mut context) else {
            panic!("{expected}")
        };
        assert_eq!(message.payload, expected);
    }
    assert!(stream.as_mut().poll_next(&mut context).is_pending());
    store.insert("k", 1).unwrap();
    assert_eq!(woken(), 2);
    let Poll::Ready(Some(event)) = stream.as_mut().poll_next(&mut context) else { panic!("no event") };
    assert_eq!(event.payload, "k");
    {
        let mut receiving = pin!(stream.recv_async());
        assert!(receiving.as_mut().poll(&mut context).is_pending());
    }
    store.publish("c", 3).unwrap();
    assert_eq!(woken(), 2, "the future that waited is gone");
    assert!(stream.as_mut().poll_next(&mut context).is_ready());
    assert!(stream.as_mut().poll_next(&mut context).is_pending());
    drop(store);
    assert_eq!(woken(), 3);
    assert!(matches!(stream.as_mut().poll_next(&mut context), Poll::Ready(None)));
}

#[test]
fn events_are_off_unless_they_are_asked_for() {
    let (_clock, store) = manual_store();
    let all = store.psubscribe(["*"]);
    store.insert_ex("k", 1, millis(1)).unwrap();
    store.remove("k").unwrap();
    assert_eq!(all.try_recv(), None);
}

type Operation = fn(&Store) -> Result<(), Error>;

/// What each operation tells, as `key event`, in a store that is as `prepare` leaves it.
#[track_caller]
fn check(prepare: Operation, table: &[(Operation, &[&str])]) {
    for (at, (operation, expected)) in table.iter().enumerate() {
        let (_clock, store) = telling_store();
        prepare(&store).unwrap();
        let keys = store.psubscribe(["__keyspace@0__:*"]);
        let events = store.psubscribe(["__keyevent@0__:*"]);
        let both = store.psubscribe(["__key*@*__:*"]);
        operation(&store).unwrap();
        let told = |subscription: &Subscription, kind: &str| -> Vec<(String, String)> {
            let messages = std::iter::from_fn(|| subscription.try_recv());
            let strip = |channel: &str| channel.strip_prefix(kind).unwrap().to_owned();
            let parts = messages.map(|message| {
                (strip(message.channel_str().unwrap()), message.payload_str().unwrap().to_owned())
            });
            parts.collect()
        };
        let by_key = told(&keys, "__keyspace@0__:");
        let by_event: Vec<_> =
            told(&events, "__keyevent@0__:").into_iter().map(|(event, key)| (key, event)).collect();
        let text: Vec<_> = by_key.iter().map(|(key, event)| format!("{key} {event}")).collect();
        assert_eq!(text, *expected, "operation {at}");
        assert_eq!(by_event, by_key, "operation {at}: both channels tell the same, in the same order");
        let total = std::iter::from_fn(|| both.try_recv()).count();
        assert!(total >= 2 * by_key.len(), "operation {at}");
    }
}

#[test]
fn keys_and_strings_tell() {
    let prepare: Operation = |s| {
        s.insert("s", 5)?;
        s.insert_ex("t", 5, millis(1_000))?;
        s.list::<i32>("l").push_back(1).map(drop)
    };
    check(
        prepare,
        &[
            (|s| s.insert("s", 6), &["s set"]),
            (|s| s.insert("l", 6), &["l set"]),
            (|s| s.insert_ex("s", 6, millis(1)), &["s set", "s expire"]),
            (|s| s.insert_with("t", 6, InsertOptions::new().keep_ttl()).map(drop), &["t set"]),
            (
                |s| s.insert_with("s", 6, InsertOptions::new().expire_in(millis(5))).map(drop),
                &["s set", "s expire"],
            ),
            (|s| s.insert_with("s", 6, InsertOptions::new().if_absent()).map(drop), &[]),
            (|s| s.insert_if_absent_ex("n", 6, millis(5)).map(drop), &["n set", "n expire"]),
            (|s| s.insert_many([("a", 1), ("b", 2)]), &["a set", "b set"]),
            (|s| s.swap::<i32>("s", 6).map(drop), &["s set"]),
            (|s| s.get::<i32>("s").map(drop), &[]),
            (|s| s.get_and_remove::<i32>("s").map(drop), &["s del"]),
            (|s| s.get_and_expire::<i32>("s", millis(5)).map(drop), &["s expire"]),
            (|s| s.get_and_persist::<i32>("t").map(drop), &["t persist"]),
            (|s| s.get_and_persist::<i32>("s").map(drop), &[]),
            (|s| s.remove_if_equal("s", "5").map(drop), &["s del"]),
            (|s| s.counter("s").incr().map(drop), &["s incrby"]),
            (|s| s.counter("s").decr_by(3).map(drop), &["s incrby"]),
            (|s| s.counter("n").incr_by_float(0.5).map(drop), &["n incrbyfloat"]),
            (|s| s.counter("s").set(7), &["s set"]),
            (|s| s.counter("s").reset().map(drop), &["s del"]),
            (|s| s.string("n").append("x").map(drop), &["n append"]),
            (|s| s.string("s").set_range(3, "x").map(drop), &["s setrange"]),
            (|s| s.string("s").set_range(3, "").map(drop), &[]),
            (|s| s.bitmap("n").set(3, true).map(drop), &["n setbit"]),
            (
                |s| s.bitmap("s").fields().set(BitInt::unsigned(4).unwrap(), 0, 1).run().map(drop),
                &["s setbit"],
            ),
            (|s| s.bit_op(BitOp::Not, "n", ["s"]).map(drop), &["n set"]),
            (|s| s.bit_op(BitOp::And, "s", ["nothing"]).map(drop), &["s del"]),
            (|s| s.remove("s").map(drop), &["s del"]),
            (|s| s.remove("nothing").map(drop), &[]),
            (|s| s.remove_many(["s", "nothing", "l"]).map(drop), &["s del", "l del"]),
            (|s| s.expire("s", millis(5)).map(drop), &["s expire"]),
            (|s| s.expire("s", Duration::ZERO).map(drop), &["s del"]),
            (|s| s.expire_at("s", SystemTime::UNIX_EPOCH).map(drop), &["s del"]),
            (|s| s.expire_if("s", millis(5), ExpireIf::Expiring).map(drop), &[]),
            (|s| s.persist("t").map(drop), &["t persist"]),
            (|s| s.persist("s").map(drop), &[]),
            (|s| s.rename("s", "n"), &["s rename_from", "n rename_to"]),
            (|s| s.rename("s", "t"), &["s rename_from", "t rename_to"]),
            (|s| s.rename("s", "s"), &[]),
            (|s| s.rename_if_absent("s", "t").map(drop), &[]),
            (|s| s.copy("s", "n").map(drop), &["n copy_to"]),
            (|s| s.copy_with("t", "s", CopyOptions::new().replace()).map(drop), &["s copy_to"]),
            (|s| s.touch(["s"]).map(drop), &[]),
            (|s| s.clear(), &[]),
            (|s| FixedWindow::new(1, millis(5)).check(s, "n").map(drop), &["n set", "n expire"]),
            (|s| s.try_lock("n", millis(5)).map(drop), &["n set", "n expire", "n del"]),
            (
                |s| {
                    s.get_or_load("n", millis(5), || Ok::<_, String>(1))
                        .map(drop)
                        .map_err(|_| Error::NoSuchKey)
                },
                &["n set", "n expire"],
            ),
            (
                |s| {
                    s.transaction(["s", "n"], |tx| {
                        tx.insert_ex("n", 1, millis(5)).and_then(|()| tx.insert("s", 2))
                    })
                },
                &["n set", "n expire", "s set"],
            ),
        ],
    );
}

#[test]
fn a_move_is_told_in_both_databases() {
    let (_clock, store) = telling_store();
    store.insert("k", 1).unwrap();
    let all = store.psubscribe(["__keyspace*"]);
    store.move_to_db("k", 2).unwrap();
    store.db(2).unwrap().copy_with("k", "c", CopyOptions::new().to_db(0)).unwrap();
    let told: Vec<_> = std::iter::from_fn(|| all.try_recv())
        .map(|message| format!("{} {}", message.channel_str().unwrap(), message.payload_str().unwrap()))
        .collect();
    assert_eq!(told, ["__keyspace@0__:k move_from", "__keyspace@2__:k move_to", "__keyspace@0__:c copy_to"]);
}

#[test]
fn lists_tell() {
    let prepare: Operation = |s| {
        s.list::<i32>("l").extend_back([1, 2, 3])?;
        s.list::<i32>("one").push_back(1).map(drop)
    };
    check(
        prepare,
        &[
            (|s| s.list::<i32>("n").push_back(1).map(drop), &["n rpush"]),
            (|s| s.list::<i32>("l").extend_front([1, 2]).map(drop), &["l lpush"]),
            (|s| s.list::<i32>("n").push_back_if_present(1).map(drop), &[]),
            (|s| s.list::<i32>("l").pop_front().map(drop), &["l lpop"]),
            (|s| s.list::<i32>("l").pop_back_many(2).map(drop), &["l rpop"]),
            (|s| s.list::<i32>("l").pop_back_many(3).map(drop), &["l rpop", "l del"]),
            (|s| s.list::<i32>("one").pop_front().map(drop), &["one lpop", "one del"]),
            (|s| s.pop_back_of::<i32>(["n", "one"], 2).map(drop), &["one rpop", "one del"]),
            (|s| s.list::<i32>("one").pop_front_wait(None).map(drop), &["one lpop", "one del"]),
            (|s| s.list::<i32>("l").set(0, 5), &["l lset"]),
            (|s| s.list::<i32>("l").insert_after(2, 5).map(drop), &["l linsert"]),
            (|s| s.list::<i32>("l").insert_after(7, 5).map(drop), &[]),
            (|s| s.list::<i32>("l").remove_all(2).map(drop), &["l lrem"]),
            (|s| s.list::<i32>("one").remove_all(1).map(drop), &["one lrem", "one del"]),
            (|s| s.list::<i32>("l").trim(0, 1), &["l ltrim"]),
            (|s| s.list::<i32>("l").trim(5, 9), &["l ltrim", "l del"]),
            (|s| s.list::<i32>("l").move_to("n", End::Back, End::Front).map(drop), &["n lpush", "l rpop"]),
            (
                |s| s.list::<i32>("one").move_to("l", End::Front, End::Back).map(drop),
                &["l rpush", "one lpop", "one del"],
            ),
            (
                |s| s.list::<i32>("one").move_to("one", End::Front, End::Back).map(drop),
                &["one rpush", "one lpop"],
            ),
        ],
    );
}

#[test]
fn who_waits_is_served_after_the_push_is_told() {
    let (_clock, store) = telling_store();
    let events = store.psubscribe(["__keyevent@0__:*"]);
    let list = store.list::<i32>("l");
    let mut waiting = pin!(list.pop_front_async());
    let mut context = Context::from_waker(Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    list.push_back(1).unwrap();
    let told: Vec<_> = std::iter::from_fn(|| events.try_recv())
        .map(|message| message.channel_str().unwrap().replace("__keyevent@0__:", ""))
        .collect();
    assert_eq!(told, ["rpush", "lpop", "del"]);
    assert!(matches!(waiting.poll(&mut context), Poll::Ready(Ok(1))));
}

#[test]
fn sets_tell() {
    let prepare: Operation = |s| {
        s.set::<i32>("m").insert_many([1, 2])?;
        s.set::<i32>("one").insert(1).map(drop)
    };
    check(
        prepare,
        &[
            (|s| s.set::<i32>("n").insert(1).map(drop), &["n sadd"]),
            (|s| s.set::<i32>("m").insert(1).map(drop), &[]),
            (|s| s.set::<i32>("m").remove(1).map(drop), &["m srem"]),
            (|s| s.set::<i32>("one").remove(1).map(drop), &["one srem", "one del"]),
            (|s| s.set::<i32>("m").pop().map(drop), &["m spop"]),
            (|s| s.set::<i32>("m").pop_many(2).map(drop), &["m spop", "m del"]),
            (|s| s.set::<i32>("m").move_to("n", 1).map(drop), &["m srem", "n sadd"]),
            (|s| s.set::<i32>("one").move_to("n", 1).map(drop), &["one srem", "one del", "n sadd"]),
            (|s| s.set::<i32>("one").move_to("m", 1).map(drop), &["one srem", "one del"]),
            (|s| s.set::<i32>("m").intersection_into("n", ["one"]).map(drop), &["n sinterstore"]),
            (|s| s.set::<i32>("m").union_into("n", ["one"]).map(drop), &["n sunionstore"]),
            (|s| s.set::<i32>("m").difference_into("n", ["one"]).map(drop), &["n sdiffstore"]),
            (|s| s.set::<i32>("one").difference_into("one", ["m"]).map(drop), &["one del"]),
            (|s| s.set::<i32>("one").difference_into("n", ["m"]).map(drop), &[]),
        ],
    );
}

#[test]
fn hashes_tell() {
    let prepare: Operation = |s| {
        s.hash::<String, i32>("h").insert_many([("f", 1), ("g", 2)])?;
        s.hash::<String, i32>("timed").insert_ex("f", 1, millis(1_000))?;
        s.hash::<String, i32>("one").insert("f", 1).map(drop)
    };
    check(
        prepare,
        &[
            (|s| s.hash::<String, i32>("n").insert("f", 1).map(drop), &["n hset"]),
            (|s| s.hash::<String, i32>("h").insert_many([("f", 1), ("x", 1)]).map(drop), &["h hset"]),
            (|s| s.hash::<String, i32>("h").insert_if_absent("f", 1).map(drop), &[]),
            (|s| s.hash::<String, i32>("h").insert_ex("f", 1, millis(5)).map(drop), &["h hset", "h hexpire"]),
            (
                |s| {
                    let options = HashOptions::new().expire_key_in(millis(5));
                    s.hash::<String, i32>("h").insert_with([("f", 1)], options).map(drop)
                },
                &["h hset", "h expire"],
            ),
            (|s| s.hash::<String, i32>("h").remove("f").map(drop), &["h hdel"]),
            (|s| s.hash::<String, i32>("h").remove_many(["f", "g"]).map(drop), &["h hdel", "h del"]),
            (|s| s.hash::<String, i32>("one").get_and_remove("f").map(drop), &["one hdel", "one del"]),
            (|s| s.hash::<String, i32>("h").incr_by("f", 1).map(drop), &["h hincrby"]),
            (|s| s.hash::<String, i32>("h").incr_by_float("f", 0.5).map(drop), &["h hincrbyfloat"]),
            (|s| s.hash::<String, i32>("h").expire_field("f", millis(5)).map(drop), &["h hexpire"]),
            (|s| s.hash::<String, i32>("h").expire_field("f", Duration::ZERO).map(drop), &["h hdel"]),
            (
                |s| s.hash::<String, i32>("one").expire_field("f", Duration::ZERO).map(drop),
                &["one hdel", "one del"],
            ),
            (|s| s.hash::<String, i32>("timed").persist_field("f").map(drop), &["timed hpersist"]),
            (|s| s.hash::<String, i32>("h").persist_field("f").map(drop), &[]),
            (|s| s.hash::<String, i32>("h").get_and_expire("f", millis(5)).map(drop), &["h hexpire"]),
            (|s| s.hash::<String, i32>("timed").get_and_persist("f").map(drop), &["timed hpersist"]),
        ],
    );
}

#[test]
fn streams_tell() {
    fn stream(db: &larder::Database) -> larder::Stream<'_, String, String> {
        db.stream("s")
    }
    let prepare: Operation = |s| {
        stream(s).add_with([("f", "v")], AddOptions::new().id(StreamId::new(1, 0)))?;
        stream(s).group("g").create(GroupStart::First).map(drop)
    };
    check(
        prepare,
        &[
            (|s| s.stream::<String, String>("n").add([("f", "v")]).map(drop), &["n xadd"]),
            (
                |s| stream(s).add_with([("f", "v")], AddOptions::new().trim(StreamTrim::to_len(1))).map(drop),
                &["s xadd", "s xtrim"],
            ),
            (
                |s| {
                    stream(s)
                        .add_with([("f", "v")], AddOptions::new().id(StreamId::MIN))
                        .err()
                        .map_or(Ok(()), |_| Ok(()))
                },
                &[],
            ),
            (|s| stream(s).remove(StreamId::new(1, 0)).map(drop), &["s xdel"]),
            (|s| stream(s).remove(StreamId::new(2, 0)).map(drop), &[]),
            (|s| stream(s).trim(StreamTrim::to_len(0)).map(drop), &["s xtrim"]),
            (|s| stream(s).trim(StreamTrim::to_len(1)).map(drop), &[]),
            (|s| stream(s).set_last_id(StreamId::new(9, 0)), &["s xsetid"]),
            (|s| stream(s).group("h").create(GroupStart::New).map(drop), &["s xgroup-create"]),
            (|s| stream(s).group("g").create(GroupStart::New).map(drop), &[]),
            (|s| stream(s).group("g").set_start(GroupStart::New), &["s xgroup-setid"]),
            (|s| stream(s).group("g").consumer("c").read(1).map(drop), &["s xgroup-createconsumer"]),
            (
                |s| {
                    stream(s).group("g").consumer("c").read(1)?;
                    stream(s).group("g").ack([StreamId::new(1, 0)])?;
                    stream(s).group("g").consumer("c").remove().map(drop)
                },
                &["s xgroup-createconsumer", "s xgroup-delconsumer"],
            ),
            (|s| stream(s).group("g").destroy().map(drop), &["s xgroup-destroy"]),
        ],
    );
}

#[test]
fn sorted_sets_tell() {
    let prepare: Operation = |s| {
        s.sorted_set::<String>("z").insert_many([("a", 1.0), ("b", 2.0)])?;
        s.sorted_set::<String>("one").insert("a", 1.0).map(drop)
    };
    check(
        prepare,
        &[
            (|s| s.sorted_set::<String>("n").insert("a", 1.0).map(drop), &["n zadd"]),
            (|s| s.sorted_set::<String>("z").insert("a", 1.0).map(drop), &[]),
            (|s| s.sorted_set::<String>("z").insert("a", 5.0).map(drop), &["z zadd"]),
            (|s| s.sorted_set::<String>("z").insert_if("a", 9.0, InsertIf::Absent).map(drop), &[]),
            (|s| s.sorted_set::<String>("z").incr_by("a", 1.0).map(drop), &["z zincr"]),
            (|s| s.sorted_set::<String>("z").remove("a").map(drop), &["z zrem"]),
            (|s| s.sorted_set::<String>("one").remove("a").map(drop), &["one zrem", "one del"]),
            (|s| s.sorted_set::<String>("z").pop_first().map(drop), &["z zpopmin"]),
            (|s| s.sorted_set::<String>("z").pop_last_many(2).map(drop), &["z zpopmax", "z del"]),
            (|s| s.pop_first_of::<String>(["n", "one"], 2).map(drop), &["one zpopmin", "one del"]),
            (|s| s.sorted_set::<String>("z").remove_range(0, 0).map(drop), &["z zremrangebyrank"]),
            (|s| s.sorted_set::<String>("z").remove_by_score(..).map(drop), &["z zremrangebyscore", "z del"]),
            (|s| s.sorted_set::<String>("z").remove_by_member("a".."b").map(drop), &["z zremrangebylex"]),
            (|s| s.sorted_set::<String>("z").range_into("n", 0, -1).map(drop), &["n zrangestore"]),
            (|s| s.sorted_set::<String>("z").range_into("one", 5, 9).map(drop), &["one del"]),
            (
                |s| s.sorted_set::<String>("z").union_into_with("n", ["one"], &Combine::new()).map(drop),
                &["n zunionstore"],
            ),
            (
                |s| {
                    s.sorted_set::<String>("z")
                        .intersection_into_with("n", ["one"], &Combine::new())
                        .map(drop)
                },
                &["n zinterstore"],
            ),
            (|s| s.sorted_set::<String>("z").difference_into("n", ["one"]).map(drop), &["n zdiffstore"]),
            (|s| s.sorted_set::<String>("one").difference_into("one", ["z"]).map(drop), &["one del"]),
        ],
    );
}

#[test]
fn hyperloglogs_and_positions_tell_of_changes_alone() {
    let (_clock, store) = telling_store();
    let events = store.psubscribe(["__keyspace@0__:*"]);
    let log = store.hyper_log_log::<u32>("log");
    log.insert_many([1, 2]).unwrap();
    log.insert(1).unwrap();
    let watched = store.watch(["log"]).unwrap();
    assert_eq!(log.count().unwrap(), 2); // kept from now on, which is no change
    assert!(watched.transaction(|_| Ok::<_, Error>(())).unwrap().is_some());
    store.hyper_log_log::<u32>("both").merge([&log]).unwrap();
    let places = store.geo::<u32>("places");
    places.insert(1, Position::new(1.0, 1.0)).unwrap();
    places.insert(1, Position::new(1.0, 1.0)).unwrap();
    let area = Area::radius(Distance::from_meters(1.0));
    assert_eq!(places.search_into("near", Position::new(1.0, 1.0), area).unwrap(), 1);
    assert_eq!(places.search_into("near", Position::new(2.0, 1.0), area).unwrap(), 0);
    assert_eq!(payloads(&events), ["pfadd", "pfadd", "zadd", "geosearchstore", "del"]);
}
