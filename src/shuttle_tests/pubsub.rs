//! Publish and subscribe: no lost wake-up, one order for all, and an end when the store goes.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::thread;

use super::{builder, explore, join, store, with};
use crate::{KeyEvents, Message, Store, Subscription, Sweeping};

fn number(message: Option<Message>) -> Option<u64> {
    message.map(|message| message.payload_str().unwrap().parse().unwrap())
}

fn publish(store: &Store, numbers: impl IntoIterator<Item = u64>) {
    for number in numbers {
        store.publish("c", number).unwrap();
    }
}

fn drain(sub: &Subscription) -> Vec<u64> {
    std::iter::from_fn(|| number(sub.try_recv())).collect()
}

#[test]
fn each_reader_of_a_subscription_is_woken() {
    explore(1000, || {
        let (_clock, store) = store();
        let sub = Arc::new(store.subscribe(["c"]));
        let (first, second, third) = (Arc::clone(&sub), Arc::clone(&sub), Arc::clone(&sub));
        let readers = [
            thread::spawn(move || number(first.recv())),
            thread::spawn(move || number(second.recv())),
            thread::spawn(move || number(block_on(third.recv_async()))),
        ];
        join([with(&store, |store| publish(store, [1])), with(&store, |store| publish(store, [2, 3]))]);
        let mut read = join(readers);
        read.sort_unstable();
        assert_eq!(read, [Some(1), Some(2), Some(3)]);
    });
}

#[test]
fn all_see_one_order_also_by_pattern() {
    explore(800, || {
        let (_clock, store) = store();
        let subs = [store.subscribe(["c"]), store.psubscribe(["?"])];
        let publishers =
            [with(&store, |store| publish(store, [1, 2])), with(&store, |store| publish(store, [11, 12]))];
        join(publishers);
        let [by_name, by_pattern] = subs.map(|sub| drain(&sub));
        assert_eq!(by_name, by_pattern);
        assert_eq!(by_name.len(), 4);
        for range in [1..10_u64, 11..20] {
            assert!(by_name.iter().filter(|number| range.contains(*number)).is_sorted());
        }
    });
}

/// Who subscribes gets all from some moment on; who unsubscribes, all up to one.
#[test]
fn a_subscription_has_no_gaps() {
    explore(1000, || {
        let (_clock, store) = store();
        let late = with(&store, |store| {
            let sub = store.subscribe(["none"]);
            assert!(sub.subscribe("c"));
            sub
        });
        let early = store.subscribe(["c"]);
        let leaver = thread::spawn(move || {
            assert!(early.unsubscribe("c"));
            early
        });
        let dropped = store.psubscribe(["*"]);
        let dropper = thread::spawn(move || drop(dropped));
        publish(&store, 1..=3);
        let (late, early) = (late.join().unwrap(), leaver.join().unwrap());
        dropper.join().unwrap();
        let seen = drain(&late);
        assert_eq!(seen, (4 - seen.len() as u64..4).collect::<Vec<_>>());
        let seen = drain(&early);
        assert_eq!(seen, (1..=seen.len() as u64).collect::<Vec<_>>());
        assert_eq!((store.subscribers("c"), store.publish("c", 4).unwrap()), (1, 1));
        drop(late);
        assert!(!store.space().hub().has_listeners());
    });
}

#[test]
fn readers_get_all_and_then_the_end() {
    explore(800, || {
        let (_clock, store) = store();
        let (threads_sub, tasks_sub) = (store.subscribe(["c"]), store.subscribe(["c"]));
        let reader = thread::spawn(move || threads_sub.iter().map(|message| number(Some(message))).collect());
        let task = thread::spawn(move || {
            let mut seen = Vec::new();
            while let Some(message) = block_on(tasks_sub.recv_async()) {
                seen.push(number(Some(message)));
            }
            seen
        });
        let other = with(&store, |_| ());
        let late = with(&store, |store| store.subscribe(["c"]));
        publish(&store, [1, 2]);
        drop(store);
        other.join().unwrap();
        let seen: Vec<Vec<_>> = join([reader, task]);
        assert_eq!(seen, [[Some(1), Some(2)], [Some(1), Some(2)]]);
        let late = late.join().unwrap();
        drain(&late);
        assert!(late.recv().is_none());
    });
}

#[test]
fn a_reader_that_gives_up_takes_no_message_along() {
    explore(1000, || {
        let (clock, store) = store();
        let sub = Arc::new(store.subscribe(["c"]));
        let (patient, hasty, quitter) = (Arc::clone(&sub), Arc::clone(&sub), sub);
        let is_over = Arc::new(AtomicBool::new(false));
        let hurry = Arc::clone(&is_over);
        let patient = thread::spawn(move || number(block_on(patient.recv_async())));
        let hasty = thread::spawn(move || {
            let read = number(hasty.recv_timeout(Duration::from_millis(5)));
            hurry.store(true, Ordering::Relaxed);
            read
        });
        let quitter = thread::spawn(move || {
            let future = pin!(quitter.recv_async());
            match future.poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(message) => number(message),
                Poll::Pending => None,
            }
        });
        let time = thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) {
                clock.advance(Duration::from_millis(5));
                thread::yield_now();
            }
        });
        publish(&store, [1]);
        let given = join([hasty, quitter]);
        if given != [None, None] {
            publish(&store, [2]);
        }
        assert_eq!(patient.join().unwrap(), Some(if given == [None, None] { 1 } else { 2 }));
        time.join().unwrap();
    });
}

#[test]
fn key_events_come_in_the_order_of_the_changes() {
    explore(800, || {
        let (_clock, builder) = builder();
        let store = builder.sweeping(Sweeping::ByHand).key_events(KeyEvents::On).build();
        let sub = store.subscribe(["__keyspace@0__:k"]);
        let changes = [
            with(&store, |store| store.insert("k", 1).unwrap()),
            with(&store, |store| {
                store.remove("k").unwrap();
            }),
            with(&store, |store| {
                store
                    .transaction(["k"], |tx| tx.insert("k", 2).and_then(|()| tx.remove("k")))
                    .map(drop)
                    .unwrap();
            }),
        ];
        join(changes);
        let events: Vec<_> = std::iter::from_fn(|| sub.try_recv()).map(|event| event.payload).collect();
        let last = if store.contains("k").unwrap() { "set" } else { "del" };
        assert_eq!(events.last().unwrap().as_str(), Some(last), "{events:?}");
        let mut exists = false;
        for event in &events {
            let is_set = event.as_str() == Some("set");
            assert!(is_set || exists, "nothing is removed twice: {events:?}");
            exists = is_set;
        }
    });
}
