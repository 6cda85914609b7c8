//! Several keys at once, ahead of time, and one after the other.

use std::collections::HashMap;
use std::future::{Future, ready};
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Barrier;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};
use std::thread;

use larder::{Cache, Error, How, Load, LoadError};

use super::{MINUTE, Manual, gives, manual, unasked};
use crate::support::until;

type Rows = Vec<(u64, String)>;

/// All that is asked for, as text.
fn all(missing: &[u64]) -> Result<Rows, String> {
    Ok(missing.iter().map(|id| (*id, id.to_string())).collect())
}

fn none(missing: &[u64]) -> Result<Rows, String> {
    panic!("{missing:?} are not to be loaded")
}

fn down(_: &[u64]) -> Result<Rows, String> {
    Err("the database is down".to_owned())
}

fn get(m: &Manual, keys: &[u64], loader: impl FnMut(&[u64]) -> Result<Rows, String>) -> Vec<Option<String>> {
    let values = m.names.get_many(keys, loader).unwrap();
    values.into_iter().map(|value| value.map(|value| (*value).clone())).collect()
}

fn texts<const N: usize>(texts: [&str; N]) -> Vec<Option<String>> {
    texts.map(|text| Some(text.to_owned()).filter(|text| !text.is_empty())).into()
}

#[test]
fn one_call_gives_all_that_are_missing() {
    let m = manual(|names| names);
    m.names.insert(&2, "two".to_owned()).unwrap();
    let mut calls = Vec::new();
    let got = get(&m, &[3, 2, 1, 3, 9, 2], |missing| {
        calls.push(missing.to_vec());
        // One that nobody has asked for, one twice, one not at all.
        Ok([(1, "1"), (7, "7"), (3, "x"), (3, "3")].map(|(id, text)| (id, text.to_owned())).into())
    });
    assert_eq!(got, texts(["3", "two", "1", "3", "", "two"]));
    assert_eq!(calls, [[3, 1, 9]]);
    assert_eq!(m.names.peek(&7).unwrap(), None);
    assert_eq!(get(&m, &[1, 2, 3], none), texts(["1", "two", "3"]));
    assert_eq!(get(&m, &[], none), texts([]));
    assert_eq!(m.names.stats().loads, 1);
}

#[test]
fn a_loader_gives_what_it_likes() {
    let m = manual(|names| names.absent_ttl(MINUTE));
    let map = |missing: &[u64]| {
        Ok::<_, String>(missing.iter().map(|id| (*id, id.to_string())).collect::<HashMap<_, _>>())
    };
    assert_eq!(m.names.get_many([&1, &2], map).unwrap().len(), 2);
    let loads = |_: &[u64]| {
        let short = Load::value("short".to_owned()).ttl(MINUTE / 60).tag("row");
        Ok::<_, String>([(3, short), (4, Load::from("long".to_owned())), (5, Load::absent())])
    };
    assert!(m.names.get_many(&[3, 4, 5, 6], loads).unwrap()[2].is_none());
    assert_eq!(get(&m, &[5, 6], none), texts(["", ""]), "absence is remembered for both");
    m.clock.advance(MINUTE / 60);
    assert_eq!(get(&m, &[3, 4], all), texts(["3", "long"]));

    let by_name: Cache<String, u64> = m.store.cache("by name").build().unwrap();
    let lengths = |missing: &[String]| {
        Ok::<_, String>(missing.iter().map(|name| (name.clone(), name.len() as u64)).collect::<Vec<_>>())
    };
    let got = by_name.get_many(["a", "bcd"], lengths).unwrap();
    assert_eq!(got.iter().map(|length| **length.as_ref().unwrap()).collect::<Vec<_>>(), [1, 3]);
}

#[test]
fn each_key_is_served_stale_on_its_own() {
    let m = manual(|names| names.stale_for(MINUTE).retry_after(MINUTE / 60));
    get(&m, &[1, 2], all);
    m.clock.advance(MINUTE);
    assert_eq!(get(&m, &[1, 2], down), texts(["1", "2"]));
    assert_eq!(m.names.stats().failed_loads, 1);
    // The two wait for their next try; the third has nothing to serve.
    let failed = m.names.get_many(&[1, 2, 3], down);
    assert!(matches!(failed, Err(LoadError::Loader(why)) if why == "the database is down"));
    let answers = m.names.ask_many(&[1, 3], all).unwrap();
    assert_eq!([answers[0].how, answers[1].how], [How::Stale, How::Loaded]);
}

#[test]
fn each_key_is_fenced_on_its_own() {
    let m = manual(|names| names);
    let got = m.names.get_many(&[1, 2, 3], |_| {
        m.names.remove(&1).unwrap();
        m.names.remove_tag("two");
        let two = Load::value("2".to_owned()).tag("two");
        Ok::<_, String>([(1, Load::from("1".to_owned())), (2, two), (3, Load::from("3".to_owned()))])
    });
    assert_eq!(got.unwrap().iter().flatten().count(), 3);
    assert_eq!([1, 2, 3].map(|id| m.names.peek(&id).unwrap().is_some()), [false, false, true]);
    assert_eq!(m.names.stats().fenced, 2);
}

#[test]
fn a_breaker_counts_a_call_and_lets_one_try_for_all() {
    let m = manual(|names| names.breaker(2, MINUTE));
    assert!(m.names.get_many(&[1, 2, 3], down).is_err());
    assert!(!m.names.stats().is_paused);
    assert!(m.names.get_many(&[1, 2, 3], down).is_err());
    assert!(matches!(m.names.get_many(&[1, 2, 3], none), Err(LoadError::Paused)));
    m.clock.advance(MINUTE);
    assert_eq!(get(&m, &[1, 2, 3], all), texts(["1", "2", "3"]));
}

#[test]
fn what_others_load_is_waited_for_after_ones_own_load() {
    let m = manual(|names| names);
    let (names, both) = (&m.names, Barrier::new(2));
    // Each holds what the other wants: 1 and 2 both ways.
    thread::scope(|scope| {
        let cross = |mine: u64, other: u64| {
            let both = &both;
            scope.spawn(move || {
                let mut calls = Vec::new();
                names
                    .get_many(&[mine], |missing| {
                        calls.push(missing.to_vec());
                        both.wait();
                        all(missing)
                    })
                    .unwrap();
                both.wait();
                names.remove(&mine).unwrap();
                both.wait();
                let got = names.get_many(&[mine, other], all).unwrap();
                assert_eq!(got.iter().flatten().count(), 2);
                calls
            })
        };
        let (a, b) = (cross(1, 2), cross(2, 1));
        assert_eq!(a.join().unwrap(), [[1]]);
        assert_eq!(b.join().unwrap(), [[2]]);
    });
    let m = manual(|names| names);
    let names = &m.names;
    thread::scope(|scope| {
        let ((begun, has_begun), (end, may_end)) = (channel(), channel::<()>());
        let first = scope.spawn(move || {
            names.get_or_load(&1, || {
                begun.send(()).unwrap();
                may_end.recv().unwrap();
                gives("first")()
            })
        });
        has_begun.recv().unwrap();
        let many = scope.spawn(move || names.ask_many(&[1, 2], all).unwrap());
        until("its own is loaded", || names.peek(&2).unwrap().is_some());
        end.send(()).unwrap();
        assert!(first.join().unwrap().is_ok());
        let many = many.join().unwrap();
        assert_eq!([many[0].how, many[1].how], [How::Shared, How::Loaded]);
    });
}

#[test]
fn what_another_abandons_is_loaded_in_a_second_call() {
    let m = manual(|names| names);
    let names = &m.names;
    thread::scope(|scope| {
        let ((begun, has_begun), (end, may_end)) = (channel(), channel::<()>());
        let first = scope.spawn(move || {
            names.get_or_load(&1, || -> Result<String, String> {
                begun.send(()).unwrap();
                may_end.recv().unwrap();
                panic!("the loader's own")
            })
        });
        has_begun.recv().unwrap();
        let many = scope.spawn(move || {
            let mut calls = Vec::new();
            let got = names.get_many(&[1, 2], |missing| {
                calls.push(missing.to_vec());
                all(missing)
            });
            (got.unwrap().iter().flatten().count(), calls)
        });
        until("its own is loaded", || names.peek(&2).unwrap().is_some());
        end.send(()).unwrap();
        assert!(first.join().is_err());
        assert_eq!(many.join().unwrap(), (2, vec![vec![2], vec![1]]));
    });
}

#[test]
fn a_loader_that_asks_for_one_of_its_own_keys_is_an_error() {
    let m = manual(|names| names);
    for inner in [1, 2, 3] {
        let got = m.names.get_many(&[1, 2, 3], |missing| {
            let asked = m.names.get_or_load(&inner, unasked);
            assert!(matches!(asked, Err(LoadError::Cycle(_))), "{inner}");
            down(missing)
        });
        assert!(got.is_err());
    }
}

#[test]
fn who_asks_after_a_tag_was_removed_loads_anew() {
    let m = manual(|names| names);
    let names = &m.names;
    thread::scope(|scope| {
        let ((begun, has_begun), (end, may_end)) = (channel(), channel::<()>());
        let first = scope.spawn(move || {
            names.get_or_load(&7, || {
                begun.send(()).unwrap();
                may_end.recv().unwrap();
                Ok::<_, String>(Load::value("old".to_owned()).tag("row"))
            })
        });
        has_begun.recv().unwrap();
        m.names.remove_tag("row");
        let second = scope.spawn(move || names.get_or_load(&7, gives("new")));
        until("it waits", || names.stats().shared == 1);
        end.send(()).unwrap();
        assert_eq!(super::text(first.join().unwrap()).as_deref(), Some("old"));
        assert_eq!(super::text(second.join().unwrap()).as_deref(), Some("new"));
    });
}

#[test]
fn a_dropped_call_hands_its_keys_over() {
    let m = manual(|names| names);
    let poll = |future: std::pin::Pin<&mut dyn Future<Output = _>>| {
        future.poll(&mut Context::from_waker(Waker::noop()))
    };
    let mut leader =
        Box::pin(m.names.get_many_async(&[1, 2], |_| std::future::pending::<Result<Rows, String>>()));
    assert!(poll(leader.as_mut()).is_pending());
    let asked = std::cell::RefCell::new(Vec::new());
    let mut follower = pin!(m.names.get_many_async(&[2, 3], |missing| {
        let loaded = all(&missing);
        asked.borrow_mut().push(missing);
        ready(loaded)
    }));
    assert!(poll(follower.as_mut()).is_pending());
    assert!(m.names.peek(&3).unwrap().is_some());
    drop(leader);
    let Poll::Ready(got) = poll(follower.as_mut()) else { panic!("the leader has gone") };
    assert_eq!(got.unwrap().iter().flatten().count(), 2);
    assert_eq!(*asked.borrow(), [[3], [2]]);
}

#[test]
fn warming_loads_in_batches_what_is_missing() {
    let m = manual(|names| names.absent_ttl(MINUTE));
    get(&m, &[3, 4, 30], all);
    let (mut calls, mut told) = (Vec::new(), Vec::new());
    let done = m.names.warm(
        1..=10,
        3,
        |missing| {
            calls.push(missing.to_vec());
            all(&missing[..missing.len() - 1])
        },
        |warmed| {
            told.push((warmed.keys, warmed.fresh, warmed.loaded, warmed.absent));
            ControlFlow::Continue(())
        },
    );
    assert_eq!(calls, [vec![1, 2, 5], vec![6, 7, 8], vec![9, 10]]);
    assert_eq!(told, [(5, 2, 2, 1), (8, 2, 4, 2), (10, 2, 5, 3)]);
    assert_eq!(done.unwrap().loaded, 5);

    let stopped = m.names.warm(100.., 10, all, |warmed| {
        if warmed.loaded < 25 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    assert_eq!(stopped.unwrap().keys, 30);
    assert!(m.names.warm([1000], 1, down, |_| ControlFlow::Continue(())).is_err());
    let no_batch = m.names.warm([1], 0, all, |_| ControlFlow::Continue(()));
    assert!(matches!(no_batch, Err(LoadError::Store(Error::Invalid(_)))));
}

#[test]
fn tasks_warm_in_batches_too() {
    let m = manual(|names| names.absent_ttl(MINUTE));
    get(&m, &[3, 4, 30], all);
    let (mut calls, mut told) = (Vec::new(), Vec::new());
    let done = m.names.warm_async(
        1..=10,
        3,
        |missing| {
            calls.push(missing.clone());
            std::future::ready(all(&missing[..missing.len() - 1]))
        },
        |warmed| {
            told.push((warmed.keys, warmed.fresh, warmed.loaded, warmed.absent));
            ControlFlow::Continue(())
        },
    );
    let done = {
        let done = pin!(done);
        let Poll::Ready(done) = done.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("nothing waits")
        };
        done
    };
    assert_eq!(done.unwrap().loaded, 5);
    assert_eq!(calls, [vec![1, 2, 5], vec![6, 7, 8], vec![9, 10]]);
    assert_eq!(told, [(5, 2, 2, 1), (8, 2, 4, 2), (10, 2, 5, 3)]);
}

#[test]
fn all_fresh_values_are_met() {
    let m = manual(|names| names.absent_ttl(MINUTE).stale_for(MINUTE).shared());
    // A name that begins alike.
    let others: Cache<u64, String> = m.store.cache("names:1").build().unwrap();
    others.insert(&1, "other".to_owned()).unwrap();
    m.names.insert(&0, "stale".to_owned()).unwrap();
    m.clock.advance(MINUTE);
    for id in 1..5000 {
        let tag = if id % 2 == 0 { "even" } else { "odd" };
        m.names.insert(&id, Load::value(id.to_string()).tag(tag)).unwrap();
    }
    m.names.remove_tag("even");
    m.names.get_or_load(&5001, || Ok::<_, String>(None::<String>)).unwrap();
    m.store.insert("names:5002", "bytes that nobody has asked for").unwrap();
    m.store.rename("names:1", "names:5003").unwrap();
    let mut met: Vec<u64> = m
        .names
        .iter()
        .unwrap()
        .map(|(id, value)| {
            assert_eq!(id.to_string(), *value);
            m.names.insert(&id, (*value).clone()).unwrap(); // no lock is held
            id
        })
        .collect();
    met.sort_unstable();
    assert!(met.into_iter().eq((3..5000).step_by(2)));
}
