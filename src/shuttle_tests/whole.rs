//! The whole store: transactions, those who wait, what expires, and pictures of all of it, against each other.

use std::time::Duration;

use shuttle::thread;

use super::{assert_nothing_left, builder, explore, join, keys, store, with};
use crate::value::Value;
use crate::{Decode, Error, Store, Sweeping};

const TTL: Duration = Duration::from_millis(32);

/// A list is about to expire, a transaction saves it and adds to it, another fails at that, two wait for its elements, and the
/// sweeper comes. What was saved is served; what is gone stays gone; nothing that was taken back is seen.
#[test]
fn what_a_transaction_saves_is_served_and_what_has_expired_is_not() {
    explore(1000, || {
        let (clock, store) = store();
        let [a, b] = keys(&store);
        let list = store.list::<i64>(&a);
        list.push_back(1).unwrap();
        store.expire(&a, TTL).unwrap();
        let time = with(&store, move |store| {
            clock.advance(TTL);
            store.sweep().unwrap();
        });
        let (c, d) = (a.clone(), b.clone());
        let saves = with(&store, move |store| {
            let saved = store.transaction([&d, &c], |tx| {
                tx.persist(&c)?;
                tx.list::<i64>(&c).extend_back([2, 3])?;
                tx.list::<i64>(&d).push_back(4).map(drop)
            });
            saved.unwrap();
        });
        let (c, d) = (a.clone(), b.clone());
        let fails = with(&store, move |store| {
            let failed = store.transaction([&c, &d], |tx| {
                tx.persist(&c)?;
                tx.list::<i64>(&c).push_front(9)?;
                tx.list::<i64>(&d).push_front(9)?;
                Err::<(), _>(Error::NoSuchKey)
            });
            assert!(failed.is_err());
        });
        let (c, d) = ((a.clone(), b.clone()), (b.clone(), a.clone()));
        let waits = [c, d].map(|(first, second)| {
            with(&store, move |store| {
                store.pop_front_of_wait::<i64>([&first, &second], None).unwrap().unwrap().1
            })
        });
        join([time, saves, fails]);
        let mut all = join(waits);
        for key in [&a, &b] {
            all.extend(store.list::<i64>(key).to_vec().unwrap());
        }
        all.sort_unstable();
        // The first was popped, or saved, or it has expired.
        assert!(all == [1, 2, 3, 4] || all == [2, 3, 4], "{all:?}");
        assert_nothing_left(&store);
    });
}

/// The balances as they are to each who takes a picture.
fn sum<'a>(contents: impl Iterator<Item = &'a crate::keyspace::table::Contents>) -> i64 {
    contents.flat_map(|contents| contents.iter()).map(|entry| balance(&entry.value.to_value())).sum()
}

fn balance(value: &Value) -> i64 {
    match value {
        Value::String(bytes) => i64::decode(bytes.clone()).unwrap(),
        _ => 0,
    }
}

fn sum_of(store: &Store) -> i64 {
    sum(store.space().state().unwrap().contents().map(|(_, contents)| contents))
}

/// The same of a picture that lets go of what was read.
fn sum_of_picture(picture: crate::snapshot::Picture) -> i64 {
    let mut total = 0;
    let add = |_, entry: &crate::keyspace::table::Entry<'_>| {
        total += balance(&entry.value.to_value());
        Ok::<(), Error>(())
    };
    picture.consume(add).unwrap();
    total
}

/// Money goes from account to account. Each picture has all of it, when it is taken and ever after.
#[test]
fn all_pictures_have_the_same_sum() {
    explore(1000, || {
        let (_clock, store) = store();
        let [a, b, c] = keys(&store);
        let accounts = [a, b, c];
        store.insert_many(accounts.iter().map(|account| (account, 10))).unwrap();
        let moves = |from: usize, to: usize, by: i64| {
            let (from, to) = (accounts[from].clone(), accounts[to].clone());
            with(&store, move |store| {
                for by in [by, by + 1] {
                    let moved = store.transaction([&from, &to], |tx| {
                        tx.counter(&to).incr_by(by)?;
                        tx.counter(&from).decr_by(by)?;
                        // Every other one is taken back.
                        if by % 2 == 1 { Err(Error::NoSuchKey) } else { Ok(()) }
                    });
                    assert_eq!(moved.is_ok(), by % 2 == 0);
                }
            })
        };
        let movers = [moves(0, 1, 3), moves(2, 0, 4)];
        let pictures = with(&store, |store| {
            let state = store.space().state().unwrap();
            let fork = store.fork().unwrap();
            let shared = crate::snapshot::share(store.space(), || ()).unwrap();
            (state, fork, shared)
        });
        let (state, fork, shared) = pictures.join().unwrap();
        // The fork goes a way of its own, and each keeps what it has.
        fork.counter(&accounts[0]).incr_by(5).unwrap();
        join(movers);
        assert_eq!(sum(state.contents().map(|(_, contents)| contents)), 30);
        assert_eq!(sum_of_picture(shared), 30);
        assert_eq!(sum_of(&fork), 35);
        assert_eq!(sum_of(&store), 30);
    });
}

/// Money goes from account to account while a picture is read, let go of, and told of what is written to: it has all of it, and
/// whoever waits for it goes on. So does who writes while another picture takes its place.
#[test]
fn a_picture_has_the_same_sum_however_it_is_read() {
    explore(1000, || {
        let (_clock, store) = store();
        let accounts = keys(&store);
        let [a, b, c] = &accounts;
        store.insert_many(accounts.iter().map(|account| (account, 10))).unwrap();
        let moves = |from: &String, to: &String| {
            let (from, to) = (from.clone(), to.clone());
            with(&store, move |store| {
                for by in 1..3 {
                    let moved = store.transaction([&from, &to], |tx| {
                        tx.counter(&to).incr_by(by)?;
                        tx.counter(&from).decr_by(by).map(drop)
                    });
                    moved.unwrap();
                }
            })
        };
        let movers = [moves(a, b), moves(c, a)];
        let read = |store: &Store| sum_of_picture(crate::snapshot::share(store.space(), || ()).unwrap());
        let readers = [with(&store, read), with(&store, read)];
        join(movers);
        assert_eq!(join(readers), [30, 30]);
        assert_eq!(sum_of(&store), 30);
        assert_eq!(read(&store), 30);
    });
}

/// The last handle goes while a sweeper, subscribers and places in queues are there: all of them end.
#[test]
fn the_last_handle_ends_what_is_left() {
    explore(800, || {
        let (clock, builder) = builder();
        let store = builder.sweeping(Sweeping::Background).build();
        store.insert_ex("k", 1, TTL).unwrap();
        let heard = store.subscribe(["c"]);
        // It has no handle.
        let waits = thread::spawn(move || {
            let first = heard.recv().map(|message| message.payload);
            assert!(heard.recv().is_none());
            first
        });
        // One that waits holds a handle: the store is there until it has what it waits for.
        let pops = with(&store, |store| store.list::<i64>("l").pop_front_wait(None).unwrap());
        let pushes = with(&store, |store| store.list::<i64>("l").push_back(7).map(drop).unwrap());
        let time = with(&store, move |_| clock.advance(TTL));
        store.publish("c", "word").unwrap();
        drop(store);
        join([pushes, time]);
        assert_eq!(pops.join().unwrap(), Some(7));
        assert_eq!(waits.join().unwrap().as_deref(), Some(&b"word"[..]));
    });
}
