//! The order of locks, and what a transaction promises: nobody sees its middle, nothing is lost.

use shuttle::sync::mpsc;

use super::{assert_nothing_left, explore, join, keys, store, with};
use crate::value::Value;
use crate::{Decode, End, Error, Store};

/// Moves an amount in a transaction that declares its keys in this order; one that is odd fails half-way.
fn transfer(store: &Store, declared: &[&String], by: i64) {
    let done = store.transaction(declared.iter().map(|key| key.as_str()), |tx| {
        tx.counter(declared[0].as_str()).decr_by(by)?;
        if by % 2 == 1 {
            return Err(Error::NoSuchKey);
        }
        tx.counter(declared[1].as_str()).incr_by(by)
    });
    assert_eq!(done.is_ok(), by % 2 == 0);
}

/// The sum of all counters in one instant, as a snapshot lists the entries.
fn sum_of_all(store: &Store) -> i64 {
    let sum = store.space().read_all(|shards| {
        let entries =
            shards.iter().filter_map(|shard| shard.table(0)).flat_map(|table| table.contents().iter());
        entries
            .map(|entry| match entry.value.to_value() {
                Value::String(bytes) => i64::decode(bytes).unwrap(),
                _ => 0,
            })
            .sum()
    });
    sum.unwrap()
}

/// A transaction holds one shard until another thread has written to a second one, and a third wants all.
#[test]
fn who_waits_for_all_locks_holds_up_nobody() {
    explore(1000, || {
        let (_clock, store) = store();
        let [near, _, _, far] = keys(&store);
        let (written, is_written) = mpsc::channel();
        let threads = [
            with(&store, move |store| {
                let waited = store.transaction([far], |_| is_written.recv().map_err(|_| Error::NoSuchKey));
                waited.unwrap();
            }),
            with(&store, |store| assert!(store.len().unwrap() <= 1)),
            with(&store, move |store| {
                store.insert(near, 1).unwrap();
                written.send(()).unwrap();
            }),
        ];
        join(threads);
    });
}

#[test]
fn transactions_never_block_each_other_for_good_and_nobody_sees_their_middle() {
    explore(1000, || {
        let (_clock, store) = store();
        let [a, b, c, d] = keys(&store);
        store.insert_many([(&a, 10), (&b, 10), (&c, 10)]).unwrap();
        let (x, y, z) = (a.clone(), b.clone(), c.clone());
        let (p, q, r) = (a.clone(), b.clone(), c.clone());
        let names = [a, b, c.clone(), d.clone()];
        let threads = [
            with(&store, move |store| transfer(store, &[&x, &y, &z], 4)),
            with(&store, move |store| {
                transfer(store, &[&r, &q, &p], 2);
                transfer(store, &[&q, &p], 3);
            }),
            with(&store, move |store| {
                let _ = store.rename_if_absent(&c, &d);
            }),
            with(&store, move |store| {
                let [one, three, two, four] = names.each_ref();
                let many = store.get_many::<i64>([four, one, two, three]).unwrap();
                assert_eq!(many.into_iter().flatten().sum::<i64>(), 30);
                assert_eq!(sum_of_all(store), 30);
                assert!(matches!(store.len().unwrap(), 3 | 4));
                assert!(store.stats().unwrap().entries >= 3);
            }),
        ];
        join(threads);
        assert_eq!(sum_of_all(&store), 30);
    });
}

#[test]
fn operations_on_two_keys_and_on_all_never_block_each_other_for_good() {
    explore(800, || {
        let (_clock, store) = store();
        let [a, b] = keys(&store);
        store.list::<i64>(&a).extend_back([1, 2]).unwrap();
        let (c, d, e, f) = (a.clone(), b.clone(), a.clone(), b.clone());
        let threads = [
            with(&store, move |store| {
                store.list::<i64>(&a).move_to(&b, End::Front, End::Back).unwrap();
                let _ = store.rename(&a, &b);
            }),
            with(&store, move |store| {
                store.list::<i64>(&d).move_to(&c, End::Front, End::Back).unwrap();
                let _ = store.copy(&d, &c);
            }),
            with(&store, |store| {
                store.swap_databases(1, 0).unwrap();
                store.len().unwrap();
            }),
            with(&store, move |store| {
                let watched = store.watch([&f, &e]).unwrap();
                watched.transaction(|tx| tx.remove(&e)).unwrap();
                store.clear().unwrap();
            }),
        ];
        join(threads);
        store.clear_all().unwrap();
        assert_eq!(store.len().unwrap(), 0);
        assert_nothing_left(&store);
    });
}

#[test]
fn moves_lose_no_element() {
    explore(1000, || {
        let (_clock, store) = store();
        let [a, b] = keys(&store);
        store.list::<i64>(&a).extend_back([1, 2]).unwrap();
        store.list::<i64>(&b).extend_back([4]).unwrap();
        let threads = [(&a, &b), (&b, &a), (&b, &a)].map(|(from, to)| {
            let (from, to) = (from.clone(), to.clone());
            with(&store, move |store| {
                store.list::<i64>(from).move_to(to, End::Back, End::Front).unwrap();
            })
        });
        let (first, second) = (b.clone(), a.clone());
        let turned = with(&store, move |store| {
            let all = store.transaction([&first, &second], |tx| {
                Ok::<_, Error>([tx.list::<i64>(&first).to_vec()?, tx.list::<i64>(&second).to_vec()?].concat())
            });
            assert_eq!(all.unwrap().iter().sum::<i64>(), 7);
        });
        join(threads);
        turned.join().unwrap();
        let all = [a, b].map(|key| store.list::<i64>(key).to_vec().unwrap()).concat();
        assert_eq!((all.len(), all.iter().sum::<i64>()), (3, 7));
    });
}

/// Optimistic transactions: what was read outside is what is changed, or nothing is.
#[test]
fn a_watched_key_loses_no_update() {
    explore(1000, || {
        let (_clock, store) = store();
        let raise = |store: &Store| loop {
            let watched = store.watch(["k"]).unwrap();
            let seen = store.get::<i64>("k").unwrap().unwrap_or(0);
            if watched.transaction(|tx| tx.insert("k", seen + 1)).unwrap().is_some() {
                return;
            }
        };
        let plain = with(&store, |store| {
            store.counter("k").incr().unwrap();
        });
        join([with(&store, raise), with(&store, raise), plain]);
        assert_eq!(store.get::<i64>("k").unwrap(), Some(3));
        assert_nothing_left(&store);
    });
}
