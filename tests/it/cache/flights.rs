//! One load for all who ask, threads and tasks alike, and none that puts an old value back.

use std::future::{Future, pending, ready};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use larder::{How, Load, LoadError};

use super::{MINUTE, fails, gives, manual, text, unasked};
use crate::support::until;

#[test]
fn a_hundred_threads_make_one_load() {
    let m = manual(|names| names);
    let (loads, start) = (AtomicUsize::new(0), Barrier::new(100));
    thread::scope(|scope| {
        for _ in 0..100 {
            scope.spawn(|| {
                start.wait();
                let got = m.names.get_or_load(&7, || {
                    loads.fetch_add(1, Ordering::Relaxed);
                    gives("once")()
                });
                assert_eq!(text(got).as_deref(), Some("once"));
            });
        }
    });
    assert_eq!(loads.load(Ordering::Relaxed), 1);
}

/// Returns once a loader runs. If it never does, those who wait for another's load go: where their cache lets nobody wait
/// for ever, a test fails then and does not hang.
#[track_caller]
pub(super) fn begun(m: &super::Manual, has_begun: &Receiver<()>) {
    if has_begun.recv_timeout(Duration::from_secs(20)).is_err() {
        m.clock.advance(MINUTE * 60);
        panic!("no loader runs");
    }
}

/// Runs `meanwhile` while the key 7 is being loaded; gives what the load gave.
pub(super) fn while_loading(
    m: &super::Manual,
    load: Load<String>,
    meanwhile: impl FnOnce(),
) -> Option<String> {
    thread::scope(|scope| {
        // In here, so that a failed assertion lets the loader go.
        let ((begins, has_begun), (end, may_end)) = (channel(), channel::<()>());
        let leader = scope.spawn(|| {
            m.names.get_or_load(&7, move || {
                begins.send(()).unwrap();
                may_end.recv().unwrap();
                Ok::<_, String>(load)
            })
        });
        begun(m, &has_begun);
        meanwhile();
        end.send(()).unwrap();
        text(leader.join().unwrap())
    })
}

#[test]
fn a_load_that_was_overtaken_is_not_stored() {
    type Overtake = (&'static str, fn(&super::Manual));
    let ways: [Overtake; 7] = [
        ("remove", |m| assert!(!m.names.remove(&7).unwrap())),
        ("insert", |m| m.names.insert(&7, "new".to_owned()).unwrap()),
        ("tag", |m| m.names.remove_tag("row")),
        ("clear", |m| m.names.clear().unwrap()),
        ("a tag that was never seen", |m| {
            m.names.remove_tag("row");
            (0..5000).for_each(|n| m.names.remove_tag(n));
        }),
        ("a client's DEL", |m| assert!(!m.store.remove("names:7").unwrap())),
        ("all", |m| m.store.clear().unwrap()),
    ];
    for (way, overtake) in ways {
        let m = manual(|names| names);
        let loaded = while_loading(&m, Load::value("old".to_owned()).tag("row"), || overtake(&m));
        assert_eq!(loaded.as_deref(), Some("old"), "{way}");
        let there = m.names.peek(&7).unwrap().map(|value| (*value).clone());
        assert_ne!(there.as_deref(), Some("old"), "{way}");
    }
    let m = manual(|names| names);
    while_loading(&m, Load::value("same".to_owned()).tag("row"), || m.names.remove_tag("other"));
    assert!(m.names.peek(&7).unwrap().is_some(), "nothing was in its way");
}

#[test]
fn who_asks_after_a_write_does_not_get_what_was_read_before() {
    let m = manual(|names| names.wait_at_most(MINUTE));
    while_loading(&m, Load::from("old".to_owned()), || {
        m.names.remove(&7).unwrap();
        assert_eq!(while_loading(&m, Load::from("new".to_owned()), || ()).as_deref(), Some("new"));
    });
    assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("new"));
}

#[test]
fn others_are_served_while_one_loads_anew() {
    let m = manual(|names| names.revalidate_for(MINUTE));
    m.names.insert(&7, "old".to_owned()).unwrap();
    m.clock.advance(MINUTE);
    while_loading(&m, Load::from("new".to_owned()), || {
        let answer = m.names.ask(&7, |_| unasked()).unwrap();
        assert_eq!((answer.how, answer.value.as_deref().map(String::as_str)), (How::Stale, Some("old")));
    });
    assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("new"));
}

#[test]
fn who_waits_has_a_deadline() {
    let m = manual(|names| names.wait_at_most(Duration::from_secs(1)));
    while_loading(&m, Load::from("late".to_owned()), || {
        thread::scope(|scope| {
            let waits = scope.spawn(|| m.names.get_or_load(&7, unasked));
            until("its time is over", || {
                m.clock.advance(Duration::from_millis(100));
                waits.is_finished()
            });
            assert!(matches!(waits.join().unwrap(), Err(LoadError::TimedOut)));
        });
    });
}

#[test]
fn who_could_be_served_a_stale_value_waits_less_long() {
    let m = manual(|names| names.stale_for(MINUTE * 10).stale_after(Duration::ZERO));
    m.names.insert(&7, "old".to_owned()).unwrap();
    m.clock.advance(MINUTE);
    while_loading(&m, Load::from("new".to_owned()), || {
        assert_eq!(m.names.ask(&7, |_| unasked()).unwrap().how, How::Stale);
    });
}

#[test]
fn a_panic_is_its_callers_alone() {
    let m = manual(|names| names);
    thread::scope(|scope| {
        let ((begun, has_begun), (end, may_end)) = (channel(), channel::<()>());
        let names = &m.names;
        let first = scope.spawn(move || {
            names.get_or_load(&7, || -> Result<String, String> {
                begun.send(()).unwrap();
                may_end.recv().unwrap();
                panic!("the loader's own")
            })
        });
        has_begun.recv().unwrap();
        let second = scope.spawn(move || names.get_or_load(&7, gives("second")));
        until("it waits", || names.stats().shared == 1);
        end.send(()).unwrap();
        assert!(first.join().is_err());
        assert_eq!(text(second.join().unwrap()).as_deref(), Some("second"));
    });
}

#[test]
fn loads_that_wait_for_each_other_are_an_error() {
    let m = manual(|names| names);
    let own = m.names.get_or_load(&7, || match m.names.get_or_load(&7, unasked) {
        Err(LoadError::Cycle(keys)) => {
            assert_eq!(keys, ["names:7"]);
            fails()
        }
        other => panic!("{other:?}"),
    });
    assert!(matches!(own, Err(LoadError::Loader(_))));

    // By way of another key, and of another thread.
    let (at_one, both) = (Barrier::new(2), &m.names);
    thread::scope(|scope| {
        let cross = |mine: u64, other: u64| {
            let at_one = &at_one;
            scope.spawn(move || {
                let mut inner = None;
                let outer = both.get_or_load(&mine, || {
                    at_one.wait();
                    let asked = both.get_or_load(&other, unasked);
                    inner = Some(matches!(asked, Err(LoadError::Cycle(_))));
                    gives("value")()
                });
                assert!(outer.is_ok());
                inner.unwrap()
            })
        };
        let (a, b) = (cross(1, 2), cross(2, 1));
        let cycles = [a.join().unwrap(), b.join().unwrap()];
        assert_eq!(cycles.iter().filter(|is_cycle| **is_cycle).count(), 1);
    });
}

pub(super) fn poll<F: Future>(future: &mut std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn tasks_wait_for_each_other_and_for_threads() {
    let m = manual(|names| names);
    let (open, is_open) = channel::<()>();
    let mut leader = pin!(m.names.get_or_load_async(&7, || async {
        std::future::poll_fn(|_| if is_open.try_recv().is_ok() { Poll::Ready(()) } else { Poll::Pending })
            .await;
        gives("once")()
    }));
    assert!(poll(&mut leader).is_pending());
    let mut follower = pin!(m.names.get_or_load_async(&7, || ready(unasked())));
    assert!(poll(&mut follower).is_pending());
    thread::scope(|scope| {
        let waits = scope.spawn(|| m.names.get_or_load(&7, unasked));
        until("both wait", || m.names.stats().shared == 2);
        open.send(()).unwrap();
        let Poll::Ready(loaded) = poll(&mut leader) else { panic!("the loader has ended") };
        assert_eq!(text(loaded).as_deref(), Some("once"));
        assert_eq!(text(waits.join().unwrap()).as_deref(), Some("once"));
    });
    let Poll::Ready(shared) = poll(&mut follower) else { panic!("the load has ended") };
    assert_eq!(text(shared).as_deref(), Some("once"));
}

#[test]
fn a_dropped_future_hands_over() {
    let m = manual(|names| names);
    let mut follower = {
        let mut leader = Box::pin(m.names.get_or_load_async(&7, pending::<Result<String, String>>));
        assert!(poll(&mut leader.as_mut()).is_pending());
        let mut follower = Box::pin(m.names.get_or_load_async(&7, || ready(gives("second")())));
        assert!(poll(&mut follower.as_mut()).is_pending());
        follower
    };
    let Poll::Ready(loaded) = poll(&mut follower.as_mut()) else { panic!("the leader has gone") };
    assert_eq!(text(loaded).as_deref(), Some("second"));
}

#[test]
fn a_future_that_waits_for_itself_is_an_error() {
    let m = manual(|names| names);
    let names = m.names.clone();
    let mut own = pin!(m.names.get_or_load_async(&7, || async {
        let inner = names.get_or_load_async(&7, || ready(unasked())).await;
        assert!(matches!(inner, Err(LoadError::Cycle(_))));
        fails()
    }));
    let Poll::Ready(Err(LoadError::Loader(_))) = poll(&mut own) else { panic!("it ends at once") };
}

#[test]
fn the_leader_of_a_fenced_load_is_not_asked_again() {
    let m = manual(|names| names);
    let got = m.names.get_or_load(&7, || {
        m.names.remove(&7).unwrap();
        gives("read before")()
    });
    assert_eq!(text(got).as_deref(), Some("read before"));
    assert_eq!(m.names.stats().fenced, 1);
    let _ = Arc::new(());
}
