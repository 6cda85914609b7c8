//! Cache-aside: single flight, fences, failures, cycles. Threads meet at channels; nothing sleeps.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use larder::{Error, ExpireIf, LoadError, Store, Ttl};

use crate::support::{manual_store, until};

const TTL: Duration = Duration::from_secs(60);

type Load = Result<String, LoadError<String>>;

fn value(text: &str) -> Result<String, String> {
    Ok(text.to_owned())
}

#[test]
fn a_value_is_loaded_once_and_expires() {
    let (clock, store) = manual_store();
    let loads = AtomicUsize::new(0);
    let get = || -> Load {
        store.get_or_load("k", TTL, || {
            loads.fetch_add(1, Ordering::Relaxed);
            value("loaded")
        })
    };
    assert_eq!((get().unwrap(), get().unwrap()), ("loaded".into(), "loaded".into()));
    assert_eq!(loads.load(Ordering::Relaxed), 1);
    clock.advance(TTL);
    get().unwrap();
    assert_eq!(loads.load(Ordering::Relaxed), 2);
}

#[test]
fn a_thousand_callers_make_one_load() {
    let (_clock, store) = manual_store();
    let (loads, start) = (AtomicUsize::new(0), Barrier::new(1000));
    thread::scope(|scope| {
        for _ in 0..1000 {
            thread::Builder::new()
                .stack_size(64 << 10)
                .spawn_scoped(scope, || {
                    start.wait();
                    let loaded: Load = store.get_or_load("k", TTL, || {
                        loads.fetch_add(1, Ordering::Relaxed);
                        value("once")
                    });
                    assert_eq!(loaded.unwrap(), "once");
                })
                .unwrap();
        }
    });
    assert_eq!(loads.load(Ordering::Relaxed), 1);
    assert_eq!(store.stats().unwrap().loads, 1);
}

/// Runs `meanwhile` while a load of `k` is under way that gives `old`.
fn during_a_load(store: &Store, meanwhile: impl FnOnce()) -> String {
    let (began, begins) = channel();
    let (go, goes) = channel();
    // `go` is moved in: if `meanwhile` panics, the loader ends too.
    thread::scope(move |scope| {
        let loader = scope.spawn(move || {
            store.get_or_load("k", TTL, || {
                began.send(()).unwrap();
                goes.recv().unwrap();
                value("old")
            })
        });
        begins.recv().unwrap();
        meanwhile();
        go.send(()).unwrap();
        loader.join().unwrap().unwrap()
    })
}

type Write = fn(&Store);

#[test]
fn a_write_during_a_load_fences_it() {
    let writes: [(&str, Write, Option<&str>); 9] = [
        ("insert", |store| store.insert("k", "new").unwrap(), Some("new")),
        (
            "insert and remove",
            |store| {
                store.insert("k", "new").unwrap();
                store.remove("k").unwrap();
            },
            None,
        ),
        (
            "rename to it",
            |store| {
                store.insert("other", "new").unwrap();
                store.rename("other", "k").unwrap();
            },
            Some("new"),
        ),
        (
            "rename from it",
            |store| {
                store.insert("k", "new").unwrap();
                store.rename("k", "other").unwrap();
            },
            None,
        ),
        ("clear", |store| store.clear().unwrap(), None),
        ("swap", |store| drop(store.swap::<String>("k", "new").unwrap()), Some("new")),
        (
            "transaction",
            |store| {
                store.transaction(["k"], |tx| tx.insert("k", "new")).unwrap();
            },
            Some("new"),
        ),
        (
            "copy to it",
            |store| {
                store.insert("other", "new").unwrap();
                store.copy("other", "k").unwrap();
            },
            Some("new"),
        ),
        ("swap of databases", |store| store.swap_databases(0, 1).unwrap(), None),
    ];
    for (name, write, left) in writes {
        let (_clock, store) = manual_store();
        assert_eq!(during_a_load(&store, || write(&store)), "old", "{name}: the caller gets what was loaded");
        assert_eq!(store.get::<String>("k").unwrap().as_deref(), left, "{name}: and it is not stored");
        assert_eq!(store.stats().unwrap().fenced_loads, 1, "{name}");
    }
}

#[test]
fn a_removal_fences_though_there_is_nothing_to_remove() {
    let (_clock, store) = manual_store();
    // The row has changed, the caller drops it from the cache, and the load has read the old row.
    assert_eq!(during_a_load(&store, || assert!(!store.remove("k").unwrap())), "old");
    assert_eq!(store.get::<String>("k").unwrap(), None);
    let take = || assert_eq!(store.get_and_remove::<String>("k").unwrap(), None);
    assert_eq!(during_a_load(&store, take), "old");
    assert_eq!(store.get::<String>("k").unwrap(), None);
}

#[test]
fn an_expiry_at_once_fences_though_there_is_nothing_to_expire() {
    let expiries: [(&str, Write); 5] = [
        ("expire", |store| assert!(!store.expire("k", Duration::ZERO).unwrap())),
        ("expire if", |store| {
            assert!(!store.expire_if("k", Duration::ZERO, ExpireIf::Expiring).unwrap());
        }),
        ("expire at", |store| assert!(!store.expire_at("k", UNIX_EPOCH).unwrap())),
        ("expire in a transaction", |store| {
            assert!(!store.transaction(["k"], |tx| tx.expire("k", Duration::ZERO)).unwrap());
        }),
        ("get and expire at", |store| {
            let past = UNIX_EPOCH + TTL;
            assert_eq!(store.get_and_expire_at::<String>("k", past).unwrap(), None);
        }),
    ];
    for (name, expire) in expiries {
        let (_clock, store) = manual_store();
        assert_eq!(during_a_load(&store, || expire(&store)), "old", "{name}");
        assert_eq!(store.get::<String>("k").unwrap(), None, "{name}");
        assert_eq!(store.stats().unwrap().fenced_loads, 1, "{name}");
    }
    let (_clock, store) = manual_store();
    assert_eq!(during_a_load(&store, || assert!(!store.expire("k", TTL).unwrap())), "old");
    assert_eq!(store.get::<String>("k").unwrap().as_deref(), Some("old"), "a later expiry is no removal");
}

#[test]
fn expiry_of_the_old_value_does_not_fence_and_an_expired_insert_does() {
    let (clock, store) = manual_store();
    store.insert_ex("k", "older", Duration::from_millis(1)).unwrap();
    clock.advance(Duration::from_millis(1));
    let swept = || assert_eq!(store.sweep().unwrap(), 0, "who loads has removed what had expired");
    assert_eq!(during_a_load(&store, swept), "old");
    assert_eq!(store.get::<String>("k").unwrap().as_deref(), Some("old"));
    assert_eq!(store.stats().unwrap().expirations, 1);

    store.remove("k").unwrap();
    during_a_load(&store, || {
        store.insert_ex("k", "new", Duration::from_millis(1)).unwrap();
        clock.advance(Duration::from_millis(1));
    });
    assert_eq!(store.get::<String>("k").unwrap(), None);
}

#[test]
fn who_asks_after_a_write_gets_a_load_of_their_own() {
    let (_clock, store) = manual_store();
    during_a_load(&store, || {
        store.insert("k", "new").unwrap();
        store.remove("k").unwrap();
        let fresh: Load = store.get_or_load("k", TTL, || value("fresh"));
        assert_eq!(fresh.unwrap(), "fresh");
    });
    assert_eq!(store.get::<String>("k").unwrap().as_deref(), Some("fresh"));
}

#[test]
fn the_leader_gets_the_error_by_value_and_the_others_its_text() {
    let (_clock, store) = manual_store();
    let store = &store;
    let (began, begins) = channel();
    let (go, goes) = channel::<()>();
    thread::scope(|scope| {
        let leader = scope.spawn(move || {
            store.get_or_load("k", TTL, || -> Result<String, std::num::ParseIntError> {
                began.send(()).unwrap();
                goes.recv().unwrap();
                Err("x".parse::<i32>().unwrap_err())
            })
        });
        begins.recv().unwrap();
        let waiter = scope.spawn(move || -> Load { store.get_or_load("k", TTL, || value("not called")) });
        // The waiter is counted once it waits for the load.
        while store.stats().unwrap().shared_loads == 0 {
            thread::yield_now();
        }
        go.send(()).unwrap();
        let text = "invalid digit found in string";
        assert!(matches!(leader.join().unwrap(), Err(LoadError::Loader(error)) if error.to_string() == text));
        assert!(matches!(waiter.join().unwrap(), Err(LoadError::Shared(why)) if &*why == text));
    });
    assert_eq!(store.get_or_load("k", TTL, || value("next")).unwrap(), "next");
}

#[test]
fn a_panicking_loader_hurts_nobody_else() {
    let (_clock, store) = manual_store();
    let store = &store;
    let (began, begins) = channel();
    let (go, goes) = channel::<()>();
    thread::scope(|scope| {
        let leader = scope.spawn(move || {
            store.get_or_load("k", TTL, || -> Result<String, String> {
                began.send(()).unwrap();
                goes.recv().unwrap();
                panic!("the loader panics, as this test wants it to");
            })
        });
        begins.recv().unwrap();
        let waiter = scope.spawn(move || -> Load { store.get_or_load("k", TTL, || value("second")) });
        while store.stats().unwrap().shared_loads == 0 {
            thread::yield_now();
        }
        go.send(()).unwrap();
        assert!(leader.join().is_err());
        assert_eq!(waiter.join().unwrap().unwrap(), "second");
    });
}

#[test]
fn a_loader_that_asks_for_its_own_key_is_told_so() {
    let (_clock, store) = manual_store();
    let outer: Load = store.get_or_load("k", TTL, || {
        let inner: Load = store.get_or_load("k", TTL, || value("never"));
        assert!(matches!(inner, Err(LoadError::Cycle(keys)) if keys == ["k"]));
        value("outer")
    });
    assert_eq!(outer.unwrap(), "outer");
}

#[test]
fn loads_that_wait_for_each_other_are_told_so() {
    let (_clock, store) = manual_store();
    let store = &store;
    let both = Arc::new(Barrier::new(2));
    let ask = |mine: &'static str, other: &'static str| {
        let both = Arc::clone(&both);
        move || -> Load {
            store.get_or_load(mine, TTL, || {
                both.wait();
                store.get_or_load(other, TTL, || value(other)).map_err(|error| error.to_string())
            })
        }
    };
    let results = thread::scope(|scope| {
        let handles = [scope.spawn(ask("a", "b")), scope.spawn(ask("b", "a"))];
        handles.map(|handle| handle.join().unwrap())
    });
    // One of the two finds the cycle; its loader fails, and so does the one that waited for it.
    let texts = results.map(|result| result.unwrap_err().to_string());
    assert!(texts.iter().any(|text| text.contains("loads wait for each other")), "{texts:?}");
    assert!(texts.iter().all(|text| text.contains("b\"a\"") && text.contains("b\"b\"")), "{texts:?}");
}

#[test]
fn what_is_not_found_is_shared_but_not_stored() {
    let (_clock, store) = manual_store();
    let find = || -> Result<Option<String>, LoadError<String>> { store.get_or_find("k", TTL, || Ok(None)) };
    assert_eq!(find().unwrap(), None);
    assert!(!store.contains("k").unwrap());
    assert_eq!(find().unwrap(), None);
    assert_eq!(store.stats().unwrap().loads, 2);
}

#[test]
fn a_value_that_does_not_decode_is_loaded_anew() {
    let (clock, store) = manual_store();
    store.insert("k", "no number").unwrap();
    let load = |value: u32| store.get_or_load("k", TTL, || Ok::<_, String>(value));
    assert_eq!(load(7).unwrap(), 7);
    assert_eq!(load(8).unwrap(), 7, "it has the place of the old one");
    assert_eq!(store.ttl("k").unwrap(), Ttl::Left(TTL));
    clock.advance(TTL);

    store.insert("k", "no number").unwrap();
    let find = |value| store.get_or_find::<u32, String>("k", TTL, || Ok(value));
    assert_eq!(find(None).unwrap(), None);
    assert_eq!(store.get::<String>("k").unwrap().as_deref(), Some("no number"), "nothing takes its place");
    assert_eq!(find(Some(9)).unwrap(), Some(9));
    assert_eq!(find(None).unwrap(), Some(9));

    store.insert("k", "no number").unwrap();
    let failed: Result<u32, _> = store.get_or_load("k", TTL, || Err("down"));
    assert!(matches!(failed, Err(LoadError::Loader("down"))));

    store.remove("k").unwrap();
    store.list::<u32>("k").push_back(1).unwrap();
    assert!(matches!(load(7), Err(LoadError::Store(Error::WrongType))));
    assert!(matches!(find(None), Err(LoadError::Store(Error::WrongType))));
}

#[test]
fn a_write_fences_the_load_of_what_does_not_decode() {
    let (_clock, store) = manual_store();
    store.insert("k", "no number").unwrap();
    let load = || Ok::<_, String>(7);
    let loaded = store.get_or_load("k", TTL, || {
        store.insert("k", 8).unwrap();
        load()
    });
    assert_eq!(loaded.unwrap(), 7);
    assert_eq!(store.get_or_load("k", TTL, load).unwrap(), 8);
}

#[test]
fn who_waits_for_a_value_of_another_type_loads_their_own() {
    let (_clock, store) = manual_store();
    let store = &store;
    let waiter = thread::scope(|scope| {
        let mut waiter = None;
        let loaded: Load = store.get_or_load("k", TTL, || {
            waiter = Some(scope.spawn(move || store.get_or_load("k", TTL, || Ok::<u32, String>(7))));
            until("waiter", || store.stats().unwrap().shared_loads == 1);
            value("text")
        });
        assert_eq!(loaded.unwrap(), "text");
        waiter.unwrap().join().unwrap()
    });
    assert_eq!(waiter.unwrap(), 7);
    assert_eq!(store.get::<u32>("k").unwrap(), Some(7));
}

#[test]
fn an_error_of_the_store_s_own_kind_is_one() {
    let flat = |error: LoadError<Error>| Error::from(error);
    assert!(matches!(flat(LoadError::Loader(Error::NoSuchKey)), Error::NoSuchKey));
    assert!(matches!(flat(LoadError::Store(Error::WrongType)), Error::WrongType));
    let shared = flat(LoadError::Shared("down".into()));
    assert_eq!(shared.to_string(), "ERR the load that was waited for failed: down");
    let cycle = flat(LoadError::Cycle(vec!["a".into(), "b".into()]));
    assert_eq!(cycle.to_string(), "ERR loads wait for each other: [b\"a\", b\"b\"]");

    assert_eq!(LoadError::Loader(7).into_loader().unwrap(), 7);
    let other = LoadError::<u32>::Store(Error::WrongType).into_loader().unwrap_err();
    assert!(matches!(other, LoadError::Store(Error::WrongType)));
}

#[cfg(feature = "tracing")]
#[test]
fn subscribers_of_traces_run_under_no_lock() {
    use crate::support::until_heard;

    let (_clock, store) = manual_store();
    let (told, texts) = channel();
    let subscriber = traces::Subscriber { store: store.clone(), told };
    let _guard = tracing::subscriber::set_default(subscriber);
    let load = |meanwhile: Write| -> Load {
        store.get_or_load("k", TTL, || {
            meanwhile(&store);
            value("old")
        })
    };
    until_heard(|| {
        store.remove("k").unwrap();
        load(|store| store.insert("k", "new").unwrap()).unwrap();
        store.remove("k").unwrap();
        assert!(store.get_or_load("k", TTL, || Err::<String, _>("down")).is_err());
        store.insert("k", "no number").unwrap();
        assert_eq!(store.get_or_load("k", TTL, || Ok::<_, String>(7)).unwrap(), 7);
        texts.try_iter().eq(["load fenced", "load failed", "stored value loaded anew"])
    });
}

#[cfg(feature = "tracing")]
mod traces {
    use std::fmt::Debug;
    use std::sync::mpsc::{Sender, channel};
    use std::thread;
    use std::time::Duration;

    use larder::Store;
    use tracing::field::{Field, Visit};
    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata};

    /// Writes to the store at each event, and passes the event's text on if that went well.
    pub struct Subscriber {
        pub store: Store,
        pub told: Sender<String>,
    }

    impl tracing::Subscriber for Subscriber {
        fn enabled(&self, of: &Metadata<'_>) -> bool {
            of.target() == "larder"
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, event: &Event<'_>) {
            let (done, is_done) = channel();
            let store = self.store.clone();
            // In a thread of its own, so that a lock that is held is a failure and no deadlock.
            thread::spawn(move || done.send(store.persist("k").is_ok()));
            if is_done.recv_timeout(Duration::from_secs(20)) == Ok(true) {
                event.record(&mut Text(&self.told));
            }
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    struct Text<'a>(&'a Sender<String>);

    impl Visit for Text<'_> {
        fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
            if field.name() == "message" {
                self.0.send(format!("{value:?}")).unwrap();
            }
        }
    }
}

#[test]
fn a_ttl_that_is_no_time_is_refused_before_the_loader_runs() {
    let (_clock, store) = manual_store();
    for ttl in [Duration::ZERO, Duration::from_micros(999), Duration::MAX] {
        let refused: Load = store.get_or_load("k", ttl, || panic!("not to be called"));
        let text = refused.unwrap_err().to_string();
        assert_eq!(text, "ERR invalid expire time in 'set' command");
    }
}
