//! Caches: one load for all, none that puts back what was removed, and nothing that stays behind when it has left.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64 as Plain, Ordering};

use super::{LONG, assert_nothing_left, explore, join, store, with};
use crate::cache::{Cache, Load, LoadingCache};
use crate::load::{Join, LoadError};
use crate::sync::atomic::AtomicU64;
use crate::sync::thread;
use crate::{ManualClock, Store};

type Rows = Vec<(u64, u64)>;

fn cache() -> (ManualClock, Store, Cache<u64, u64>) {
    let (clock, store) = store();
    let rows = store.cache("rows").ttl(LONG).build().unwrap();
    (clock, store, rows)
}

fn get(rows: &Cache<u64, u64>, key: u64, loader: impl FnOnce() -> u64) -> u64 {
    let loaded = rows.get_or_load(&key, || Ok::<_, String>(loader()));
    *loaded.unwrap().unwrap()
}

#[test]
fn one_load_serves_all() {
    explore(1000, || {
        let (_clock, store, rows) = cache();
        let loads = Arc::new(Plain::new(0));
        let ask = || {
            let (rows, loads) = (rows.clone(), Arc::clone(&loads));
            with(&store, move |_| {
                get(&rows, 1, || {
                    loads.fetch_add(1, Ordering::Relaxed);
                    thread::yield_now();
                    7
                })
            })
        };
        assert_eq!(join([ask(), ask(), ask()]), [7; 3]);
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        assert_nothing_left(&store);
    });
}

/// What becomes of those who wait when a loader panics, or the future of one is dropped.
#[test]
fn an_abandoned_load_is_taken_over_by_one() {
    explore(1000, || {
        let (_clock, store, rows) = cache();
        let quitter = with(&store, |store| {
            let key = store.key_ref(b"rows:1");
            if let Join::Lead(lead) = store.space().flights().join(store.space(), 0, key, None).unwrap() {
                thread::yield_now();
                drop(lead);
            }
        });
        let loads = Arc::new(Plain::new(0));
        let ask = || {
            let (rows, loads) = (rows.clone(), Arc::clone(&loads));
            with(&store, move |_| get(&rows, 1, || loads.fetch_add(1, Ordering::Relaxed)))
        };
        assert_eq!(join([ask(), ask()]), [0; 2]);
        quitter.join().unwrap();
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        assert_nothing_left(&store);
    });
}

/// Readers load a row while a writer changes it and has the cache follow; the writer then reads what it wrote, and
/// nobody finds anything older after that.
#[test]
fn all_that_removes_fences_loads() {
    let ways: [fn(&Store, &Cache<u64, u64>); 5] = [
        |_, rows| _ = rows.remove(&1).unwrap(),
        |_, rows| rows.remove_tag("row"),
        |_, rows| rows.clear().unwrap(),
        |store, _| _ = store.remove("rows:1").unwrap(),
        |store, _| store.clear().unwrap(),
    ];
    for follow in ways {
        explore(300, move || {
            let (_clock, store, rows) = cache();
            let row = Arc::new(AtomicU64::new(0));
            let read = {
                let row = Arc::clone(&row);
                move |rows: &Cache<u64, u64>| {
                    let load = || Ok::<_, String>(Load::value(row.load(Ordering::SeqCst)).tag("row"));
                    *rows.get_or_load(&1, load).unwrap().unwrap()
                }
            };
            let reader = || {
                let (rows, read) = (rows.clone(), read.clone());
                with(&store, move |_| _ = read(&rows))
            };
            let writer = {
                let (rows, read) = (rows.clone(), read.clone());
                with(&store, move |store| {
                    row.store(1, Ordering::SeqCst);
                    follow(store, &rows);
                    assert_eq!(read(&rows), 1, "it reads what it wrote");
                })
            };
            join([reader(), writer, reader()]);
            assert_eq!(read(&rows), 1, "what is there is new");
            assert_nothing_left(&store);
        });
    }
}

/// A stale value that was removed is served to nobody who asks behind that, though the load of somebody who has seen it fails.
#[test]
fn what_was_removed_is_not_served_as_stale() {
    explore(1000, || {
        let (clock, store) = store();
        let rows: Cache<u64, u64> = store.cache("rows").ttl(LONG).stale_for(LONG).build().unwrap();
        rows.insert(&1, 7).unwrap();
        clock.advance(LONG);
        let ask = |rows: &Cache<u64, u64>| {
            rows.get_or_load(&1, || {
                thread::yield_now();
                Err::<u64, _>("the database is down")
            })
        };
        let reader = || {
            let rows = rows.clone();
            with(&store, move |_| _ = ask(&rows))
        };
        let remover = {
            let rows = rows.clone();
            with(&store, move |_| {
                rows.remove(&1).unwrap();
                assert!(ask(&rows).is_err(), "it was removed before");
            })
        };
        join([reader(), remover, reader()]);
        assert_nothing_left(&store);
    });
}

/// An entry that has left its table while another puts it where hits find it is not found there, and is freed.
#[test]
fn what_has_left_the_table_is_neither_found_nor_kept() {
    let ways: [fn(&Store, &Cache<u64, u64>); 3] = [
        |_, rows| _ = rows.remove(&1).unwrap(),
        |_, rows| rows.clear().unwrap(),
        |_, rows| rows.insert(&1, 2).unwrap(),
    ];
    for leave in ways {
        explore(400, move || {
            let (_clock, store, rows) = cache();
            let value = Arc::new(1);
            rows.insert(&1, Arc::clone(&value)).unwrap();
            // It is put there by whoever finds it in the table, once it was forgotten.
            store.space().caches().clear_all();
            let reader = || {
                let rows = rows.clone();
                with(&store, move |_| drop(rows.get_or_load(&1, || Ok::<_, String>(2))))
            };
            let leaves = {
                let rows = rows.clone();
                with(&store, move |store| {
                    leave(store, &rows);
                    let seen = get(&rows, 1, || 2);
                    assert_eq!(seen, 2, "it has left");
                })
            };
            join([reader(), leaves, reader()]);
            assert_eq!(Arc::strong_count(&value), 1, "nothing keeps it");
        });
    }
}

#[test]
fn calls_whose_keys_cross_do_not_wait_in_a_circle() {
    explore(800, || {
        let (_clock, store, rows) = cache();
        let loads = Arc::new([const { Plain::new(0) }; 4]);
        let ask = |keys: &'static [u64]| {
            let (rows, loads) = (rows.clone(), Arc::clone(&loads));
            with(&store, move |_| {
                let many = rows.get_many(keys, |missing| {
                    thread::yield_now();
                    let load = |key: &u64| {
                        loads[*key as usize].fetch_add(1, Ordering::Relaxed);
                        (*key, *key)
                    };
                    Ok::<Rows, String>(missing.iter().map(load).collect())
                });
                let values: Vec<u64> = many.unwrap().into_iter().map(|value| *value.unwrap()).collect();
                assert_eq!(values, keys);
            })
        };
        join([ask(&[1, 2]), ask(&[2, 3, 1]), ask(&[3, 1])]);
        assert!(loads[1..].iter().all(|loads| loads.load(Ordering::Relaxed) == 1));
        assert_nothing_left(&store);
    });
}

/// One whose own keys wait for another's, by way of a loader, is told of the circle.
#[test]
fn calls_that_wait_for_each_other_within_loaders_are_errors() {
    explore(800, || {
        let (_clock, store, rows) = cache();
        let ask = |mine: [u64; 2], other: u64| {
            let rows = rows.clone();
            with(&store, move |_| {
                let many = rows.get_many(&mine, |missing| {
                    let inner = rows.get_or_load(&other, || Ok::<_, String>(other));
                    match inner {
                        Ok(_) => Ok::<Rows, String>(missing.iter().map(|key| (*key, *key)).collect()),
                        Err(LoadError::Cycle(_) | LoadError::Shared(_)) => Err("a circle".to_owned()),
                        Err(other) => panic!("{other}"),
                    }
                });
                many.is_ok()
            })
        };
        // At most one of them is in the other's way.
        assert!(join([ask([1, 2], 3), ask([3, 4], 2)]).contains(&true) || rows.peek(&1).unwrap().is_none());
        assert_nothing_left(&store);
    });
}

#[test]
fn loads_behind_the_callers_are_single_and_go_with_the_cache() {
    explore(500, || {
        let (clock, store) = store();
        let loads = Arc::new(Plain::new(1));
        let rows: LoadingCache<u64, u64, String> = {
            let loads = Arc::clone(&loads);
            let builder = store.cache("rows").ttl(LONG).refresh_after(0.5).wait_at_most(LONG);
            builder.build_loading(move |_: &u64| Ok(loads.fetch_add(1, Ordering::Relaxed))).unwrap()
        };
        let ask = || {
            let rows = rows.clone();
            with(&store, move |_| *rows.get(&1).unwrap().unwrap())
        };
        assert_eq!(join([ask(), ask()]), [1, 1]);
        clock.advance(LONG / 2);
        // Due: both are served what is there, or what has been loaded by then.
        let due = join([ask(), ask()]);
        assert!(due.iter().all(|value| [1, 2].contains(value)), "{due:?}");
        drop(rows);
        assert!(loads.load(Ordering::Relaxed) <= 3);
    });
}
