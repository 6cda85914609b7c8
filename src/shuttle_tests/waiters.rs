//! Blocking pops: no wake-up is lost, nothing is served twice, nothing gets lost.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use shuttle::future::block_on;
use shuttle::thread::{self, JoinHandle};

use super::{assert_nothing_left, explore, join, keys, store, with};
use crate::{End, Error, Store};

const TIMEOUT: Duration = Duration::from_millis(5);

fn push(store: &Store, key: &str, element: i64) {
    store.list::<i64>(key).push_back(&element).unwrap();
}

fn pop(store: &Store, key: &str) -> i64 {
    store.list::<i64>(key).pop_front_wait(None).unwrap().unwrap()
}

#[test]
fn each_who_waits_is_served_an_element_of_its_own() {
    explore(1000, || {
        let (_clock, store) = store();
        let [a, b] = keys(&store);
        let [(c, d), (e, f), (g, h), (i, j)] = [0; 4].map(|_| (a.clone(), b.clone()));
        let poppers = [
            with(&store, move |store| {
                store.pop_front_of_wait::<i64>(["none", &c, &d], None).unwrap().unwrap().1
            }),
            with(&store, move |store| block_on(store.pop_back_of_async([f, e])).unwrap().1),
            with(&store, move |store| block_on(store.pop_front_of_async([&g, &h])).unwrap().1),
        ];
        let pushers = [
            with(&store, move |store| push(store, &i, 1)),
            with(&store, move |store| store.list::<i64>(&j).extend_front([2, 3]).map(drop).unwrap()),
        ];
        join(pushers);
        let mut served = join(poppers);
        served.sort_unstable();
        assert_eq!(served, [1, 2, 3]);
        assert_eq!(store.len().unwrap(), 0);
        assert_nothing_left(&store);
    });
}

/// A transaction, a rename, an exchange of databases, a copy: whatever fills the key serves.
#[test]
fn whatever_fills_the_key_serves() {
    let fill: [fn(&Store); 4] = [
        |store| {
            let filled = store.transaction(["k", "j"], |tx| {
                tx.list::<i64>("k").extend_back([8, 9])?;
                assert_eq!(tx.list::<i64>("k").pop_front()?, Some(8));
                Ok::<_, Error>(())
            });
            filled.unwrap();
        },
        |store| {
            push(store, "j", 9);
            store.rename("j", "k").unwrap();
        },
        |store| {
            push(&store.db(1).unwrap(), "k", 9);
            store.swap_databases(0, 1).unwrap();
        },
        |store| {
            push(store, "j", 9);
            store.copy("j", "k").unwrap();
            store.remove("j").unwrap();
        },
    ];
    for fill in fill {
        explore(300, move || {
            let (_clock, store) = store();
            let popper = with(&store, |store| pop(store, "k"));
            let filler = with(&store, fill);
            let taken_back = with(&store, |store| {
                let failed = store.transaction(["k"], |tx| {
                    tx.list::<i64>("k").push_back(1)?;
                    Err::<(), _>(Error::NoSuchKey)
                });
                assert!(failed.is_err());
            });
            join([filler, taken_back]);
            assert_eq!(popper.join().unwrap(), 9);
            assert_eq!(store.len().unwrap(), 0);
            assert_nothing_left(&store);
        });
    }
}

/// Time is up as an element comes: it goes to the one or the other, and never nowhere.
#[test]
fn a_timeout_loses_no_element() {
    explore(1000, || {
        let (clock, store) = store();
        let patient = with(&store, |store| pop(store, "k"));
        let is_over = Arc::new(AtomicBool::new(false));
        let hurry = Arc::clone(&is_over);
        let hasty = with(&store, move |store| {
            let popped = store.pop_front_of_wait::<i64>(["j", "k"], TIMEOUT).unwrap();
            hurry.store(true, Ordering::Relaxed);
            popped.map(|(_, element)| element)
        });
        let time = with(&store, move |_| {
            while !is_over.load(Ordering::Relaxed) {
                clock.advance(TIMEOUT);
                thread::yield_now();
            }
        });
        push(&store, "k", 1);
        let hasty = hasty.join().unwrap();
        if hasty.is_some() {
            push(&store, "k", 2);
        }
        assert_eq!(patient.join().unwrap(), if hasty.is_some() { 2 } else { 1 });
        time.join().unwrap();
        assert_eq!(store.len().unwrap(), 0);
        assert_nothing_left(&store);
    });
}

/// Polls a pop of two keys once, and gives it up.
fn poll_once(store: &Store, keys: [String; 2]) -> Option<i64> {
    let future = pin!(store.pop_front_of_async::<i64>(keys));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(popped) => Some(popped.unwrap().1),
        Poll::Pending => {
            thread::yield_now();
            None
        }
    }
}

#[test]
fn a_dropped_future_gives_its_element_to_the_next() {
    explore(1000, || {
        let (_clock, store) = store();
        let [a, b] = keys(&store);
        let (c, d) = (b.clone(), b.clone());
        let quitter = with(&store, move |store| poll_once(store, [a, b]));
        let popper = with(&store, move |store| pop(store, &c));
        push(&store, &d, 1);
        let taken = quitter.join().unwrap();
        if taken.is_some() {
            push(&store, &d, 2);
        }
        assert_eq!(popper.join().unwrap(), if taken.is_some() { 2 } else { 1 });
        assert_eq!(store.len().unwrap(), 0);
        assert_nothing_left(&store);
    });
}

#[test]
fn a_dropped_future_puts_its_element_back_where_it_was() {
    explore(1000, || {
        let (_clock, store) = store();
        let [a, b] = keys(&store);
        let c = b.clone();
        let quitter = with(&store, move |store| poll_once(store, [a, b]));
        store.list::<i64>(&c).extend_back([1, 2]).unwrap();
        let left = match quitter.join().unwrap() {
            Some(1) => vec![2],
            None => vec![1, 2],
            Some(other) => panic!("{other}"),
        };
        assert_eq!(store.list::<i64>(&c).to_vec().unwrap(), left);
        assert_nothing_left(&store);
    });
}

fn move_on(store: &Store, from: &str, to: &str) -> JoinHandle<i64> {
    let (from, to) = (from.to_owned(), to.to_owned());
    with(store, move |store| {
        store.list::<i64>(from).move_to_wait(to, End::Front, End::Back, None).unwrap().unwrap()
    })
}

#[test]
fn an_element_goes_down_a_chain_of_moves() {
    explore(800, || {
        let (_clock, store) = store();
        let [a, b, c, d] = keys(&store);
        // The shards' order is not the chain's.
        let movers = [move_on(&store, &d, &b), move_on(&store, &c, &a), move_on(&store, &b, &c)];
        let last = a.clone();
        let popper = with(&store, move |store| pop(store, &last));
        push(&store, &d, 7);
        assert_eq!(join(movers), [7, 7, 7]);
        assert_eq!(popper.join().unwrap(), 7);
        assert_eq!(store.len().unwrap(), 0);
        assert_nothing_left(&store);
    });
}

#[test]
fn an_element_goes_around_a_ring_of_moves_once() {
    explore(800, || {
        let (_clock, store) = store();
        let [a, b] = keys(&store);
        let movers = [move_on(&store, &a, &b), move_on(&store, &b, &a)];
        let (c, d) = (a.clone(), b.clone());
        let pushers =
            [with(&store, move |store| push(store, &c, 1)), with(&store, move |store| push(store, &d, 2))];
        join(pushers);
        join(movers);
        let mut all = [a, b].map(|key| store.list::<i64>(key).to_vec().unwrap()).concat();
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
        assert_nothing_left(&store);
    });
}

/// The move is served in a second step: nobody who comes in between and waits gets ahead of it.
#[test]
fn a_move_is_not_overtaken() {
    explore(1000, || {
        let (_clock, store) = store();
        let [a, b] = keys(&store);
        let list = store.list::<i64>(&a);
        let mut moved = pin!(list.move_to_async(&b, End::Front, End::Back));
        assert!(moved.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let (c, d) = (a.clone(), a.clone());
        let pusher = with(&store, move |store| push(store, &c, 1));
        let popper = with(&store, move |store| pop(store, &d));
        pusher.join().unwrap();
        push(&store, &a, 2);
        assert_eq!(popper.join().unwrap(), 2);
        assert_eq!(block_on(moved).unwrap(), 1);
        assert_eq!(store.list::<i64>(&b).to_vec().unwrap(), [1]);
        assert_eq!(store.waiting().unwrap(), 0);
    });
}

/// A place in a queue and a watch that are given up inside a transaction are gone after it.
#[test]
fn a_transaction_leaves_nothing_behind() {
    explore(300, || {
        let (_clock, store) = store();
        let list = store.list::<i64>("k");
        let mut waiting = Box::pin(list.pop_front_async());
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let watched = store.watch(["k", "j"]).unwrap();
        let pusher = with(&store, |store| push(store, "k", 1));
        store.transaction(["k"], |_| Ok::<_, Error>(drop((waiting, watched)))).unwrap();
        pusher.join().unwrap();
        assert_eq!(store.list::<i64>("k").to_vec().unwrap(), [1]);
        assert_nothing_left(&store);
    });
}
