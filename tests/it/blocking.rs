//! Waiting for elements, by threads and by tasks. Nothing sleeps: a waiter is known to wait when the
//! store says so, and time is moved by hand.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use larder::{End, Error, Store, Ttl};

use crate::support::manual_store;

const LONG: Duration = Duration::from_secs(3600);

/// Returns once `count` places in queues are taken.
fn until_waiting(store: &Store, count: usize) {
    while store.waiting().unwrap() < count {
        thread::yield_now();
    }
}

#[test]
fn what_is_there_is_taken_at_once() {
    let (_clock, store) = manual_store();
    let list = store.list::<i32>("k");
    list.extend_back([1, 2, 3]).unwrap();
    assert_eq!(list.pop_front_wait(LONG).unwrap(), Some(1));
    assert_eq!(list.pop_back_wait(None).unwrap(), Some(3));
    assert_eq!(list.pop_front_wait(Duration::ZERO).unwrap(), Some(2));
    assert_eq!(list.pop_front_wait(Duration::ZERO).unwrap(), None);
    assert_eq!(store.waiting().unwrap(), 0);
}

#[test]
fn those_who_wait_are_served_in_order_and_nobody_sees_their_elements() {
    let (_clock, store) = manual_store();
    let store = &store;
    thread::scope(|scope| {
        let mut waiters = Vec::new();
        for place in 1..=3 {
            waiters.push(scope.spawn(move || store.list::<i32>("k").pop_front_wait(LONG).unwrap()));
            until_waiting(store, place);
        }
        for element in 1..=3 {
            // As Redis: the length is the one right after the push, and then it is gone.
            assert_eq!(store.list::<i32>("k").push_back(element).unwrap(), 1);
            assert!(!store.contains("k").unwrap());
        }
        let got: Vec<_> = waiters.into_iter().map(|waiter| waiter.join().unwrap()).collect();
        assert_eq!(got, [Some(1), Some(2), Some(3)]);
    });
    assert_eq!(store.waiting().unwrap(), 0);
}

#[test]
fn a_timeout_is_the_clocks() {
    let (clock, store) = manual_store();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| store.list::<i32>("k").pop_front_wait(Duration::from_secs(5)).unwrap());
        until_waiting(&store, 1);
        clock.advance(Duration::from_millis(4_999));
        assert_eq!(store.waiting().unwrap(), 1);
        clock.advance(Duration::from_millis(1));
        assert_eq!(waiter.join().unwrap(), None);
    });
    store.list::<i32>("k").push_back(1).unwrap();
    assert_eq!(store.list::<i32>("k").len().unwrap(), 1);
}

#[test]
fn several_keys_are_tried_in_order_and_the_first_to_be_filled_serves() {
    let (_clock, store) = manual_store();
    store.list::<i32>("b").push_back(2).unwrap();
    store.list::<i32>("c").push_back(3).unwrap();
    let got = store.pop_front_of_wait::<i32>(["a", "b", "c"], LONG).unwrap();
    assert_eq!(got, Some(("b".into(), 2)));
    store.remove("c").unwrap();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| store.pop_front_of_wait::<i32>(["a", "b", "c"], LONG).unwrap());
        until_waiting(&store, 3);
        store.list::<i32>("c").push_back(4).unwrap();
        assert_eq!(waiter.join().unwrap(), Some(("c".into(), 4)));
    });
    assert_eq!(store.waiting().unwrap(), 0);
    store.list::<i32>("a").push_back(5).unwrap();
    assert_eq!(store.list::<i32>("a").len().unwrap(), 1);
}

#[test]
fn of_several_keys_that_are_filled_together_the_first_that_was_named_serves() {
    for shards in [1, 64] {
        let store = Store::builder().shards(shards).build();
        thread::scope(|scope| {
            let waiter = scope.spawn(|| store.pop_front_of_wait::<i32>(["a", "b"], LONG).unwrap());
            until_waiting(&store, 2);
            store
                .transaction(["a", "b"], |tx| {
                    tx.list::<i32>("b").push_back(2)?;
                    tx.list::<i32>("a").push_back(1)
                })
                .unwrap();
            assert_eq!(waiter.join().unwrap(), Some(("a".into(), 1)));
        });
        assert_eq!(store.list::<i32>("b").to_vec().unwrap(), [2]);
        assert_eq!((store.len().unwrap(), store.waiting().unwrap()), (1, 0));
    }
}

#[test]
fn a_move_serves_those_who_wait_at_its_destination() {
    // With one shard and with many: where the keys lie must not matter.
    for shards in [1, 64] {
        let store = Store::builder().shards(shards).build();
        let store = &store;
        thread::scope(|scope| {
            let mover = scope.spawn(move || {
                store.list::<i32>("a").move_to_wait("b", End::Front, End::Back, LONG).unwrap()
            });
            until_waiting(store, 1);
            let waiter = scope.spawn(move || store.list::<i32>("b").pop_front_wait(LONG).unwrap());
            until_waiting(store, 2);
            store.list::<i32>("a").push_back(7).unwrap();
            assert_eq!((mover.join().unwrap(), waiter.join().unwrap()), (Some(7), Some(7)));
        });
        assert_eq!((store.len().unwrap(), store.waiting().unwrap()), (0, 0));
    }
}

#[test]
fn chains_of_moves_come_to_an_end() {
    let store = Store::builder().shards(64).build();
    let store = &store;
    thread::scope(|scope| {
        for at in 0..20 {
            let (from, to) = (at.to_string(), (at + 1).to_string());
            scope.spawn(move || {
                store.list::<i32>(from).move_to_wait(to, End::Front, End::Back, LONG).unwrap()
            });
        }
        until_waiting(store, 20);
        store.list::<i32>("0").push_back(7).unwrap();
    });
    assert_eq!(store.list::<i32>("20").to_vec().unwrap(), [7]);
    assert_eq!(store.len().unwrap(), 1);
}

#[test]
fn a_key_of_another_type_serves_nobody() {
    let (_clock, store) = manual_store();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| store.list::<i32>("k").pop_front_wait(LONG).unwrap());
        until_waiting(&store, 1);
        store.insert("k", "a string").unwrap();
        assert_eq!(store.waiting().unwrap(), 1);
        store.remove("k").unwrap();
        store.list::<i32>("k").push_back(1).unwrap();
        assert_eq!(waiter.join().unwrap(), Some(1));
    });
    store.insert("k", "a string").unwrap();
    let refused = store.list::<i32>("k").pop_front_wait(LONG).unwrap_err();
    assert!(matches!(refused, Error::WrongType));
}

#[test]
fn a_rename_and_a_transaction_serve_too() {
    let (_clock, store) = manual_store();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| store.list::<i32>("k").pop_front_wait(LONG).unwrap());
        until_waiting(&store, 1);
        store.list::<i32>("other").push_back(1).unwrap();
        store.rename("other", "k").unwrap();
        assert_eq!(waiter.join().unwrap(), Some(1));

        let waiter = scope.spawn(|| store.list::<i32>("k").pop_front_wait(LONG).unwrap());
        until_waiting(&store, 1);
        store
            .transaction(["k"], |tx| {
                tx.list::<i32>("k").extend_back([2, 3])?;
                assert_eq!(tx.list::<i32>("k").pop_front_wait(None)?, Some(2));
                assert_eq!(tx.list::<i32>("k").len()?, 1, "served at the transaction's end, not before");
                Ok::<_, Error>(())
            })
            .unwrap();
        assert_eq!(waiter.join().unwrap(), Some(3));
    });
}

#[test]
fn a_transaction_does_not_wait() {
    let (_clock, store) = manual_store();
    let popped = store.transaction(["k"], |tx| tx.list::<i32>("k").pop_front_wait(None));
    assert_eq!(popped.unwrap(), None);
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn tasks_wait_as_threads_do() {
    let (_clock, store) = manual_store();
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    let mut context = Context::from_waker(&waker);
    let list = store.list::<i32>("k");
    let (mut first, mut second) = (pin!(list.pop_front_async()), pin!(list.pop_back_async()));
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert!(second.as_mut().poll(&mut context).is_pending());
    list.extend_back([1, 2, 3]).unwrap();
    assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
    assert!(matches!(first.poll(&mut context), Poll::Ready(Ok(1))));
    assert!(matches!(second.poll(&mut context), Poll::Ready(Ok(3))));
    assert_eq!(list.to_vec().unwrap(), [2]);
}

#[test]
fn a_dropped_future_leaves_the_queue_and_hands_back_what_it_was_served() {
    let (_clock, store) = manual_store();
    let mut context = Context::from_waker(Waker::noop());
    let list = store.list::<i32>("k");
    {
        let mut waiting = Box::pin(list.pop_front_async());
        assert!(waiting.as_mut().poll(&mut context).is_pending());
        assert_eq!(store.waiting().unwrap(), 1);
    }
    assert_eq!(store.waiting().unwrap(), 0);
    let mut first = Box::pin(list.pop_front_async());
    let mut second = Box::pin(list.pop_front_async());
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert!(second.as_mut().poll(&mut context).is_pending());
    list.push_back(1).unwrap();
    assert_eq!(list.len().unwrap(), 0);
    drop(first);
    assert!(matches!(second.as_mut().poll(&mut context), Poll::Ready(Ok(1))), "it goes to the next");
    let mut third = Box::pin(list.pop_front_async());
    assert!(third.as_mut().poll(&mut context).is_pending());
    list.extend_back([2, 3]).unwrap();
    drop(third);
    assert_eq!(list.to_vec().unwrap(), [2, 3], "it goes back where it was taken");
}

fn is_pending<F: Future>(future: std::pin::Pin<&mut F>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[test]
fn one_who_waits_for_another_type_holds_nobody_up() {
    let (_clock, store) = manual_store();
    let (list, set) = (store.list::<i32>("k"), store.sorted_set::<i32>("k"));
    let (mut scored, mut popped) = (pin!(set.pop_first_async()), pin!(list.pop_front_async()));
    assert!(is_pending(scored.as_mut()) && is_pending(popped.as_mut()));
    list.extend_back([1, 2]).unwrap();
    assert!(!is_pending(popped) && is_pending(scored.as_mut()));
    assert_eq!((list.to_vec().unwrap(), store.waiting().unwrap()), (vec![2], 1));
    store.remove("k").unwrap();
    set.insert(3, 1.0).unwrap();
    assert!(!is_pending(scored));
}

#[test]
fn a_key_that_is_named_twice_is_one() {
    let (_clock, store) = manual_store();
    let mut twice = pin!(store.pop_front_of_async::<i32>(["k", "j", "k"]));
    assert!(is_pending(twice.as_mut()));
    assert_eq!(store.waiting().unwrap(), 2);
}

#[test]
fn there_is_no_waiting_for_no_key() {
    let (_clock, store) = manual_store();
    let none: [&str; 0] = [];
    let mut context = Context::from_waker(Waker::noop());
    assert!(matches!(store.pop_front_of_wait::<i32>(none, None), Err(Error::Invalid(_))));
    assert!(matches!(store.pop_last_of_wait::<i32>(none, Duration::ZERO), Err(Error::Invalid(_))));
    let popped = pin!(store.pop_back_of_async::<i32>(none)).poll(&mut context);
    assert!(matches!(popped, Poll::Ready(Err(Error::Invalid(_)))));
    let refused = store.transaction(["k"], |tx| tx.pop_front_of_wait::<i32>(none, None));
    assert!(matches!(refused, Err(Error::Invalid(_))));
}

#[test]
fn what_is_handed_back_has_its_deadline_again() {
    let (_clock, store) = manual_store();
    let (list, set) = (store.list::<i32>("list"), store.sorted_set::<i32>("set"));
    let mut popped = Box::pin(list.pop_front_async());
    let mut scored = Box::pin(set.pop_first_async());
    assert!(is_pending(popped.as_mut()) && is_pending(scored.as_mut()));
    let filled = store.transaction(["list", "set"], |tx| {
        tx.list::<i32>("list").push_back(1)?;
        tx.sorted_set::<i32>("set").insert(1, 1.0)?;
        tx.expire("list", LONG)?;
        tx.expire("set", LONG)
    });
    assert!(filled.unwrap() && store.is_empty().unwrap());
    drop((popped, scored));
    assert_eq!([store.ttl("list"), store.ttl("set")].map(Result::unwrap), [Ttl::Left(LONG); 2]);
}

#[test]
fn a_future_dropped_in_a_transaction_hands_back_after_it() {
    let (_clock, store) = manual_store();
    for panics in [false, true] {
        let list = store.list::<i32>("k");
        let mut served = Box::pin(list.pop_front_async());
        let mut waiting = Box::pin(list.pop_front_async());
        assert!(is_pending(served.as_mut()));
        list.push_back(1).unwrap();
        assert!(is_pending(waiting.as_mut()));
        let other = Store::new();
        let ended = catch_unwind(AssertUnwindSafe(|| {
            other.transaction(["k"], |_| {
                store.transaction(["k"], |tx| {
                    drop((waiting, served));
                    assert!(!tx.contains("k")? && !panics, "as this test wants it to");
                    Ok::<_, Error>(())
                })
            })
        }));
        assert_eq!(ended.is_err(), panics);
        assert_eq!((list.to_vec().unwrap(), store.waiting().unwrap()), (vec![1], 0));
        store.remove("k").unwrap();
    }
}

struct Panics;

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        panic!("as this test wants it to");
    }
}

#[test]
fn a_waker_that_panics_takes_no_move_along() {
    let store = Store::builder().shards(64).build();
    let waker = Waker::from(Arc::new(Panics));
    let (list, source) = (store.list::<i32>("k"), store.list::<i32>("source"));
    let mut woken = pin!(list.pop_front_async());
    assert!(woken.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    // Most of these lie in other shards than their source.
    let mut moves: Vec<_> =
        (0..8).map(|to| Box::pin(source.move_to_async(to.to_string(), End::Front, End::Back))).collect();
    assert!(moves.iter_mut().all(|moved| is_pending(moved.as_mut())));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        store.transaction(["k", "source"], |tx| {
            tx.list::<i32>("source").extend_back([7; 8])?;
            tx.list::<i32>("k").push_back(7)
        })
    }));
    assert!(panicked.is_err() && !is_pending(woken));
    assert!(!moves.iter_mut().any(|moved| is_pending(moved.as_mut())));
}

#[test]
fn no_job_is_lost_between_producers_and_consumers() {
    let store = Store::new();
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let jobs = store.list::<usize>("jobs");
                while let Some(job) = jobs.pop_front_wait(None).unwrap() {
                    if job == 0 {
                        break;
                    }
                    done.fetch_add(job, Ordering::Relaxed);
                }
            });
        }
        for producer in 0..4 {
            let store = &store;
            scope.spawn(move || {
                for job in 1..=500 {
                    store.list::<usize>("jobs").push_back(producer * 1000 + job).unwrap();
                }
                store.list::<usize>("jobs").push_back(0).unwrap();
            });
        }
    });
    let expected: usize = (0..4).flat_map(|producer| (1..=500).map(move |job| producer * 1000 + job)).sum();
    // A stop may overtake another producer's jobs, but then they are still in the list.
    let left: usize = store.list::<usize>("jobs").to_vec().unwrap().iter().sum();
    assert_eq!(done.load(Ordering::Relaxed) + left, expected);
}
