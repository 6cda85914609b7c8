//! Writes that are under way: nothing that is read before their end is kept.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::channel;
use std::thread;

use larder::{Cache, Error, Load, Store, Writing};

use super::{MINUTE, Manual, fails, gives, manual, text, unasked};
use crate::support::until;

/// Every way to say that the row behind key 7 is being written.
const WAYS: [fn(&Manual) -> Writing; 3] = [
    |m| m.names.writing(&[7]).unwrap(),
    |m| m.store.writing().tag("row:7"),
    |m| m.store.writing().tag("row:"),
];

fn row(value: &str) -> impl FnOnce() -> Result<Load<String>, String> + use<> {
    let value = value.to_owned();
    move || Ok(Load::value(value).tag("row:7"))
}

fn kept(m: &Manual) -> Option<String> {
    m.names.peek(&7).unwrap().map(|name| (*name).clone())
}

#[test]
fn what_is_loaded_meanwhile_is_served_and_not_stored() {
    for way in WAYS {
        let m = manual(|names| names.stale_for(MINUTE * 60));
        m.names.get_or_load(&7, row("old")).unwrap();
        let writing = way(&m);
        assert_eq!(kept(&m), None, "it may be the last moment of the old row");
        for value in ["old", "new"] {
            assert_eq!(text(m.names.get_or_load(&7, row(value))).as_deref(), Some(value));
            assert_eq!(kept(&m), None);
        }
        assert!(m.names.get_or_load(&7, fails).is_err(), "no old value is served");
        writing.commit();
        assert_eq!(m.names.stats().fenced, 2);
        assert_eq!(text(m.names.get_or_load(&7, row("new"))).as_deref(), Some("new"));
        assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("new"));
    }
}

#[test]
fn those_who_ask_meanwhile_share_one_load() {
    for way in WAYS {
        let m = manual(|names| names);
        let _writing = way(&m);
        thread::scope(|scope| {
            let ((begun, has_begun), (end, may_end)) = (channel(), channel::<()>());
            let names = &m.names;
            let leads = scope.spawn(move || {
                names.get_or_load(&7, || {
                    begun.send(()).unwrap();
                    may_end.recv().unwrap();
                    row("old")()
                })
            });
            has_begun.recv().unwrap();
            let follows = scope.spawn(|| names.get_or_load(&7, unasked));
            until("it waits", || names.stats().shared == 1);
            end.send(()).unwrap();
            assert_eq!(text(leads.join().unwrap()).as_deref(), Some("old"));
            assert_eq!(text(follows.join().unwrap()).as_deref(), Some("old"));
        });
    }
}

/// A load that began before the end of a write, with one who asks after it.
#[test]
fn who_asks_after_the_end_is_not_served_by_a_load_of_before() {
    for way in WAYS {
        for began_before in [false, true] {
            let m = manual(|names| names);
            thread::scope(|scope| {
                let ((begun, has_begun), (end, may_end)) = (channel(), channel::<()>());
                let names = &m.names;
                let writing = (!began_before).then(|| way(&m));
                let leads = scope.spawn(move || {
                    names.get_or_load(&7, || {
                        begun.send(()).unwrap();
                        may_end.recv().unwrap();
                        row("old")()
                    })
                });
                has_begun.recv().unwrap();
                writing.unwrap_or_else(|| way(&m)).commit();
                // It may have to wait for that load, of which nobody knows what tags its value has.
                let asks = scope.spawn(|| names.get_or_load(&7, row("new")));
                until("it has asked", || asks.is_finished() || names.stats().shared == 1);
                end.send(()).unwrap();
                assert_eq!(text(leads.join().unwrap()).as_deref(), Some("old"));
                assert_eq!(text(asks.join().unwrap()).as_deref(), Some("new"));
                assert_eq!(kept(&m).as_deref(), Some("new"));
            });
        }
    }
}

#[test]
fn an_error_and_a_panic_end_it() {
    for way in WAYS {
        let m = manual(|names| names);
        m.names.get_or_load(&7, row("old")).unwrap();
        assert_eq!(way(&m).run(|| Err::<(), _>("no such column")), Err("no such column"));
        let panics = || way(&m).run(|| -> Result<(), String> { panic!("the repository's own") });
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert_eq!(kept(&m), None, "nobody knows what has become of the row");
        m.names.get_or_load(&7, row("loaded")).unwrap();
        assert_eq!(kept(&m).as_deref(), Some("loaded"), "nothing is left of the writes");
    }
}

#[test]
fn the_last_of_several_writes_ends_it() {
    for way in WAYS {
        let m = manual(|names| names);
        let (first, second) = (way(&m), way(&m));
        first.commit();
        m.names.get_or_load(&7, row("between")).unwrap();
        assert_eq!(kept(&m), None);
        drop(second);
        m.names.get_or_load(&7, row("after")).unwrap();
        assert_eq!(kept(&m).as_deref(), Some("after"));
    }
}

#[test]
fn other_keys_and_tags_are_not_touched() {
    let m = manual(|names| names);
    let others: Cache<u64, u64> = m.store.cache("others").build().unwrap();
    m.names.get_or_load(&8, || Ok::<_, String>(Load::value("b".to_owned()).tag("rows:7"))).unwrap();
    let writing = m.store.writing().keys(&m.names, &[7]).unwrap().keys(&others, &[7]).unwrap().tag("row:7");
    assert_eq!(text(m.names.get_or_load(&8, unasked)).as_deref(), Some("b"));
    others.get_or_load(&8, || Ok::<_, String>(8)).unwrap();
    others.get_or_load(&7, || Ok::<_, String>(7)).unwrap();
    assert_eq!((others.peek(&8).unwrap().as_deref(), others.peek(&7).unwrap()), (Some(&8), None));
    drop(writing);
    others.get_or_load(&7, || Ok::<_, String>(7)).unwrap();
    assert!(others.peek(&7).unwrap().is_some());
}

#[test]
fn what_a_loader_of_plain_values_gives_is_not_stored_either() {
    let m = manual(|names| names);
    let writing = m.names.writing(&[7]).unwrap();
    let loaded = m.store.get_or_load("names:7", MINUTE, || Ok::<_, String>("old".to_owned()));
    assert_eq!(loaded.unwrap(), "old");
    assert!(!m.store.contains("names:7").unwrap());
    writing.commit();
}

#[test]
fn in_a_transaction_of_the_store_it_ends_with_that() {
    let m = manual(|names| names);
    let writing = m.names.writing(&[7]).unwrap();
    m.store
        .transaction(["names:7"], |_| {
            assert!(matches!(m.names.writing(&[8]), Err(Error::InTransaction)));
            writing.commit();
            Ok::<_, Error>(())
        })
        .unwrap();
    m.names.get_or_load(&7, gives("after")).unwrap();
    assert_eq!(kept(&m).as_deref(), Some("after"));
}

#[test]
fn it_may_be_kept_elsewhere() {
    fn may_wander<T: Send + Sync + 'static>() {}
    may_wander::<Writing>();
    let store = Store::new();
    let writing = store.writing().tag("rows");
    drop(store);
    thread::spawn(move || writing.commit()).join().unwrap();
}
