//! Cache-aside: single flight, its fence, and loads that wait for each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64 as Plain, Ordering};

use super::{LONG, assert_nothing_left, explore, join, store, with};
use crate::load::{Join, LoadError};
use crate::sync::atomic::AtomicU64;
use crate::sync::thread;
use crate::{Cache, Error, Load as Loaded, Result, Store, Writing};

type Load = Result<u64, LoadError<String>>;

#[test]
fn one_load_serves_all() {
    explore(1000, || {
        let (_clock, store) = store();
        let loads = Arc::new(Plain::new(0));
        let ask = |loads: Arc<Plain>| {
            with(&store, move |store| -> Load {
                store.get_or_load("k", LONG, || {
                    loads.fetch_add(1, Ordering::Relaxed);
                    thread::yield_now();
                    Ok(7)
                })
            })
        };
        for loaded in join([0; 3].map(|_| ask(Arc::clone(&loads)))) {
            assert_eq!(loaded.unwrap(), 7);
        }
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        assert_eq!(store.get::<u64>("k").unwrap(), Some(7));
        assert_nothing_left(&store);
    });
}

#[test]
fn what_does_not_decode_is_loaded_once() {
    explore(1000, || {
        let (_clock, store) = store();
        store.insert("k", "no number").unwrap();
        let loads = Arc::new(Plain::new(0));
        let ask = |loads: Arc<Plain>| {
            with(&store, move |store| -> Load {
                store.get_or_load("k", LONG, || Ok(loads.fetch_add(1, Ordering::Relaxed) + 7))
            })
        };
        for loaded in join([0; 3].map(|_| ask(Arc::clone(&loads)))) {
            assert_eq!(loaded.unwrap(), 7);
        }
        assert_eq!(store.get::<u64>("k").unwrap(), Some(7));
        assert_nothing_left(&store);
    });
}

#[test]
fn a_failure_is_shared_and_not_retried() {
    explore(1000, || {
        let (_clock, store) = store();
        let loads = Arc::new(Plain::new(0));
        let ask = |loads: Arc<Plain>| {
            with(&store, move |store| -> Load {
                store.get_or_load("k", LONG, || match loads.fetch_add(1, Ordering::Relaxed) {
                    0 => Err("down".to_owned()),
                    _ => Ok(7),
                })
            })
        };
        let asked = join([0; 3].map(|_| ask(Arc::clone(&loads))));
        let failed = asked.iter().filter(|loaded| matches!(loaded, Err(LoadError::Loader(_)))).count();
        assert_eq!(failed, 1, "the one whose loader it was: {asked:?}");
        let mut again = 0;
        for loaded in asked {
            match loaded {
                Ok(value) => {
                    assert_eq!(value, 7);
                    again = 1;
                }
                Err(LoadError::Shared(why)) => assert_eq!(&*why, "down"),
                Err(LoadError::Loader(why)) => assert_eq!(why, "down"),
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(loads.load(Ordering::Relaxed), 1 + again, "whoever came later loads, once for all");
        assert_nothing_left(&store);
    });
}

/// What becomes of those who wait when a loader panics.
#[test]
fn an_abandoned_load_is_taken_over_by_one() {
    explore(1000, || {
        let (_clock, store) = store();
        let quitter = with(&store, |store| {
            let key = store.key_ref(b"k");
            if let Join::Lead(lead) = store.space().flights().join(store.space(), 0, key, None).unwrap() {
                thread::yield_now();
                drop(lead);
            }
        });
        let loads = Arc::new(Plain::new(0));
        let ask = |loads: Arc<Plain>| {
            with(&store, move |store| -> Load {
                store.get_or_load("k", LONG, || Ok(loads.fetch_add(1, Ordering::Relaxed)))
            })
        };
        for loaded in join([0; 2].map(|_| ask(Arc::clone(&loads)))) {
            assert_eq!(loaded.unwrap(), 0);
        }
        quitter.join().unwrap();
        assert_eq!(loads.load(Ordering::Relaxed), 1);
        assert_nothing_left(&store);
    });
}

/// The database behind the cache: one row, of which only the newest version may be cached.
struct Row(AtomicU64);

impl Row {
    fn new() -> Arc<Self> {
        Arc::new(Row(AtomicU64::new(0)))
    }

    fn write(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn cached(&self, store: &Store) -> u64 {
        let loaded: Load = store.get_or_load("k", LONG, || Ok(self.read()));
        loaded.unwrap()
    }
}

/// Readers load the row while writers change it and have the cache follow by `follow`, which is given
/// the new version. Writers then read what they wrote.
fn race(times: usize, writers: usize, follow: fn(&Store, u64)) {
    explore(times, move || {
        let (_clock, store) = store();
        let row = Row::new();
        let mut threads = Vec::new();
        for _ in 0..2 {
            let row = Arc::clone(&row);
            threads.push(with(&store, move |store| {
                row.cached(store);
            }));
        }
        for _ in 0..writers {
            let row = Arc::clone(&row);
            threads.push(with(&store, move |store| {
                let version = row.write();
                follow(store, version);
                let seen = row.cached(store);
                assert!(seen >= version, "wrote version {version} and read {seen}");
            }));
        }
        join(threads);
        let stored = store.get::<u64>("k").unwrap();
        assert!(stored.is_none_or(|stored| stored == writers as u64), "an old version is stored: {stored:?}");
        assert_nothing_left(&store);
    });
}

#[test]
fn a_removal_fences_loads() {
    race(1200, 2, |store, _| {
        let _ = store.remove("k").unwrap();
    });
}

#[test]
fn all_that_drops_a_key_fences_loads() {
    let ways: [fn(&Store, u64); 6] = [
        |store, _| {
            let _ = store.remove_many(["j", "k"]).unwrap();
        },
        |store, _| {
            let _ = store.get_and_remove::<u64>("k").unwrap();
        },
        |store, _| store.clear().unwrap(),
        |store, _| store.swap_databases(0, 1).unwrap(),
        |store, _| {
            let _ = store.transaction(["k"], |tx| tx.remove("k")).unwrap();
        },
        |store, _| {
            // Whatever another thread finds there meanwhile, the key is gone after it.
            store.insert("k", 0).unwrap();
            let _ = store.rename("k", "j");
        },
    ];
    for follow in ways {
        race(240, 1, follow);
    }
}

#[test]
fn all_that_writes_a_key_fences_loads() {
    let ways: [fn(&Store, u64); 5] = [
        |store, version| store.insert("k", version).unwrap(),
        |store, version| {
            let _ = store.swap::<u64>("k", version).unwrap();
        },
        |store, version| {
            store.insert("j", version).unwrap();
            store.rename("j", "k").unwrap();
        },
        |store, version| {
            store.insert("j", version).unwrap();
            assert!(store.copy("j", "k").unwrap() || store.remove("k").unwrap());
        },
        |store, version| store.transaction(["j", "k"], |tx| tx.insert("k", version)).unwrap(),
    ];
    for follow in ways {
        race(240, 1, follow);
    }
}

/// What is taken back was no write, and what is written beside it still is one.
#[test]
fn a_transaction_that_fails_keeps_no_old_version() {
    race(400, 1, |store, _| {
        let failed = store.transaction(["j", "k"], |tx| {
            tx.insert("k", 1000)?;
            Err::<(), _>(Error::NoSuchKey)
        });
        assert!(failed.is_err());
        store.remove("k").unwrap();
    });
}

/// The way to tell a cache of a write to the row behind its key 7, whose values have the tag `row:7`.
type Way = fn(&Store, &Cache<u64, u64>) -> Writing;

const WAYS: [Way; 3] = [
    |_, rows| rows.writing(&[7]).unwrap(),
    |store, _| store.writing().tag("row:7"),
    |store, _| store.writing().tag("row:"),
];

fn ask(rows: &Cache<u64, u64>, row: &Row) -> u64 {
    let loader = || {
        let version = row.read();
        thread::yield_now();
        Ok::<_, String>(Loaded::value(version).tag("row:7"))
    };
    *rows.get_or_load(&7, loader).unwrap().unwrap()
}

/// Writers change the row, and their last look before the commit may be at the old one: nobody who asks after the commit
/// is given an older version, and none is there.
#[test]
fn writing_keeps_no_old_version() {
    for way in WAYS {
        explore(150, move || {
            let (_clock, store) = store();
            let rows: Cache<u64, u64> = store.cache("rows").build().unwrap();
            let row = Row::new();
            let mut threads = Vec::new();
            for _ in 0..2 {
                let (row, rows) = (Arc::clone(&row), rows.clone());
                threads.push(with(&store, move |_| {
                    ask(&rows, &row);
                    ask(&rows, &row);
                }));
            }
            for _ in 0..2 {
                let (row, rows) = (Arc::clone(&row), rows.clone());
                threads.push(with(&store, move |store| {
                    let writing = way(store, &rows);
                    ask(&rows, &row);
                    let version = row.write();
                    writing.commit();
                    let seen = ask(&rows, &row);
                    assert!(seen >= version, "wrote version {version} and read {seen}");
                }));
            }
            join(threads);
            let kept = rows.peek(&7).unwrap();
            assert!(kept.is_none_or(|kept| *kept == 2), "an old version is kept");
            assert_nothing_left(&store);
        });
    }
}

/// Loads a key whose loader needs the next: the last needs the first, or nothing.
fn load_chain(store: &Store, keys: &'static [&'static str], at: usize, closed: bool) -> Load {
    store.get_or_load(keys[at], LONG, || {
        thread::yield_now();
        match (at + 1 == keys.len(), closed) {
            (true, false) => Ok(7),
            (true, true) => load_chain(store, keys, 0, closed).map_err(|error| error.to_string()),
            (false, _) => load_chain(store, keys, at + 1, closed).map_err(|error| error.to_string()),
        }
    })
}

#[test]
fn loads_in_a_circle_are_errors() {
    fn check(times: usize, keys: &'static [&'static str]) {
        explore(times, move || {
            let (_clock, store) = store();
            let threads =
                (0..keys.len()).map(|at| with(&store, move |store| load_chain(store, keys, at, true)));
            for loaded in join(threads.collect::<Vec<_>>()) {
                let error = loaded.unwrap_err().to_string();
                assert!(error.contains("loads wait for each other"), "{error}");
            }
            assert_nothing_left(&store);
        });
    }
    check(1000, &["a", "b"]);
    check(600, &["a", "b", "c"]);
}

#[test]
fn loads_in_a_row_are_none() {
    explore(1600, || {
        let (_clock, store) = store();
        let keys = &["a", "b"];
        let whole = with(&store, move |store| load_chain(store, keys, 0, false));
        let parts = [0; 2].map(|_| {
            with(&store, move |store| {
                load_chain(store, keys, 1, false)?;
                load_chain(store, keys, 0, false)
            })
        });
        for loaded in join(parts.into_iter().chain([whole])) {
            assert_eq!(loaded.unwrap(), 7);
        }
        assert_nothing_left(&store);
    });
}
