//! Who gets what while a load is under way: by whom it is ended, and what happens in between.

use std::future::{Future, pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::task::{Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use larder::{How, Load, LoadError};

use super::flights::{begun, poll, while_loading};
use super::{MINUTE, Manual, fails, gives, manual, text, unasked};
use crate::support::until;

/// What another does meanwhile.
type Overtake = fn(&Manual);

const WAYS: [Overtake; 3] =
    [|m| drop(m.names.remove(&7)), |m| m.names.remove_tag("row"), |m| m.names.clear().unwrap()];

/// A future that ends when something comes, or its sender goes.
async fn received<T>(channel: Receiver<T>) -> Option<T> {
    poll_fn(|_| match channel.try_recv() {
        Ok(value) => Poll::Ready(Some(value)),
        Err(TryRecvError::Empty) => Poll::Pending,
        Err(TryRecvError::Disconnected) => Poll::Ready(None),
    })
    .await
}

fn waiting(m: &Manual, count: u64) {
    until("they wait", || m.names.stats().shared == count);
}

#[test]
fn those_who_wait_for_an_overtaken_load_have_its_value() {
    for overtake in WAYS {
        let m = manual(|names| names);
        thread::scope(|scope| {
            let mut follower = None;
            let old = Load::value("old".to_owned()).tag("row");
            let led = while_loading(&m, old, || {
                follower = Some(scope.spawn(|| m.names.ask(&7, |_| unasked())));
                waiting(&m, 1);
                overtake(&m);
            });
            assert_eq!(led.as_deref(), Some("old"));
            let answer = follower.unwrap().join().unwrap().unwrap();
            assert_eq!((answer.how, answer.value.as_deref().map(String::as_str)), (How::Shared, Some("old")));
        });
        assert_eq!(m.names.peek(&7).unwrap(), None);
        assert_eq!(m.names.stats().fenced, 1);
    }
}

#[test]
fn who_asks_after_a_tag_was_removed_does_not_get_what_was_read_before() {
    for overtake in &WAYS[1..] {
        let m = manual(|names| names);
        thread::scope(|scope| {
            let mut follower = None;
            while_loading(&m, Load::value("old".to_owned()).tag("row"), || {
                overtake(&m);
                // Which tags the value has is known when the load ends.
                follower = Some(scope.spawn(|| m.names.ask(&7, |_| gives("new")())));
                waiting(&m, 1);
            });
            let answer = follower.unwrap().join().unwrap().unwrap();
            assert_eq!((answer.how, answer.value.as_deref().map(String::as_str)), (How::Loaded, Some("new")));
        });
    }
    // Another tag's removal is in nobody's way.
    let m = manual(|names| names);
    thread::scope(|scope| {
        let mut follower = None;
        while_loading(&m, Load::value("same".to_owned()).tag("row"), || {
            m.names.remove_tag("other");
            follower = Some(scope.spawn(|| m.names.ask(&7, |_| unasked())));
            waiting(&m, 1);
        });
        assert_eq!(follower.unwrap().join().unwrap().unwrap().how, How::Shared);
    });
}

#[test]
fn a_window_may_end_while_the_loader_runs() {
    let m = manual(|names| names.stale_for(MINUTE));
    m.names.insert(&7, "old".to_owned()).unwrap();
    m.clock.advance(MINUTE);
    let late = m.names.ask(&7, |_| {
        m.clock.advance(MINUTE);
        fails()
    });
    assert!(matches!(late, Err(LoadError::Loader(_))));
}

#[test]
fn what_was_put_in_meanwhile_stays() {
    let m = manual(|names| names);
    let led =
        while_loading(&m, Load::from("old".to_owned()), || m.names.insert(&7, "new".to_owned()).unwrap());
    assert_eq!(led.as_deref(), Some("old"));
    assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("new"));

    // Nor is it taken away by a load that finds nothing.
    let m = manual(|names| names);
    while_loading(&m, Load::absent(), || m.names.insert(&7, "new".to_owned()).unwrap());
    assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("new"));
}

#[test]
fn one_load_again_behind_an_overtaken_one() {
    let m = manual(|names| names.wait_at_most(MINUTE));
    thread::scope(|scope| {
        let mut follower = None;
        while_loading(&m, Load::from("old".to_owned()), || {
            m.names.remove(&7).unwrap();
            while_loading(&m, Load::from("new".to_owned()), || {
                follower = Some(scope.spawn(|| m.names.get_or_load(&7, unasked)));
                waiting(&m, 1);
            });
        });
        assert_eq!(text(follower.unwrap().join().unwrap()).as_deref(), Some("new"));
    });
    // The old one ended last.
    assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("new"));
}

#[test]
fn the_end_of_an_overtaken_load_leaves_the_next_one_alone() {
    let m = manual(|names| names.wait_at_most(MINUTE));
    thread::scope(|scope| {
        let (end, may_end) = channel::<()>();
        let (begins, has_begun) = channel();
        let mut next = None;
        while_loading(&m, Load::from("old".to_owned()), || {
            m.names.remove(&7).unwrap();
            next = Some(scope.spawn(|| {
                m.names.get_or_load(&7, move || {
                    begins.send(()).unwrap();
                    let _ = may_end.recv();
                    gives("new")()
                })
            }));
            begun(&m, &has_begun);
        });
        let follower = scope.spawn(|| m.names.get_or_load(&7, unasked));
        waiting(&m, 1);
        end.send(()).unwrap();
        assert_eq!(text(follower.join().unwrap()).as_deref(), Some("new"));
        assert_eq!(text(next.unwrap().join().unwrap()).as_deref(), Some("new"));
    });
}

#[test]
fn what_was_removed_before_a_load_began_fences_nothing() {
    let m = manual(|names| names);
    m.names.remove(&7).unwrap();
    m.names.remove_tag("row");
    m.names.clear().unwrap();
    m.names.get_or_load(&7, || Ok::<_, String>(Load::value("a".to_owned()).tag("row"))).unwrap();
    assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("a"));
}

#[test]
fn a_value_that_only_ends_meanwhile_fences_nothing() {
    let m = manual(|names| names.revalidate_for(MINUTE));
    m.names.insert(&7, "old".to_owned()).unwrap();
    m.clock.advance(MINUTE);
    while_loading(&m, Load::from("new".to_owned()), || {
        m.clock.advance(MINUTE);
        m.store.sweep().unwrap();
    });
    assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("new"));
}

#[test]
fn a_stale_value_that_is_removed_while_it_is_loaded_anew_is_served_no_more() {
    for overtake in WAYS {
        let m = manual(|names| names.stale_for(MINUTE * 10));
        m.names.insert(&7, Load::value("old".to_owned()).tag("row")).unwrap();
        m.clock.advance(MINUTE);
        let served = m.names.ask(&7, |_| {
            overtake(&m);
            fails()
        });
        assert_eq!(served.unwrap().how, How::Stale, "it was asked for before");
        let gone = m.names.ask(&7, |old| {
            assert!(old.value().is_none());
            fails()
        });
        assert!(matches!(gone, Err(LoadError::Loader(_))));
    }
}

#[test]
fn an_unchanged_value_whose_tag_was_removed_is_not_stored() {
    let m = manual(|names| names.stale_for(MINUTE * 10));
    m.names.insert(&7, Load::value("old".to_owned()).tag("row").version("1")).unwrap();
    m.clock.advance(MINUTE);
    let answer = m.names.ask(&7, |old| {
        assert_eq!(old.version(), Some("1"));
        m.names.remove_tag("row");
        Ok::<_, String>(Load::unchanged().tag("row"))
    });
    assert_eq!(answer.unwrap().how, How::Loaded);
    assert_eq!(m.names.peek(&7).unwrap(), None);
}

#[test]
fn an_unchanged_value_keeps_its_tags() {
    for tag in ["row", "more"] {
        let m = manual(|names| names.stale_for(MINUTE * 10));
        m.names.insert(&7, Load::value("old".to_owned()).tag("row").version("1")).unwrap();
        m.clock.advance(MINUTE);
        let unchanged = || Ok::<_, String>(Load::unchanged().tag("more"));
        assert_eq!(m.names.ask(&7, |_| unchanged()).unwrap().how, How::Loaded);
        assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("old"));
        m.names.remove_tag(tag);
        assert_eq!(m.names.peek(&7).unwrap(), None, "{tag}");
    }
    // One that is removed while it is asked whether it has changed fences that load.
    let m = manual(|names| names.stale_for(MINUTE * 10));
    m.names.insert(&7, Load::value("old".to_owned()).tag("row")).unwrap();
    m.clock.advance(MINUTE);
    let answer = m.names.ask(&7, |_| {
        m.names.remove_tag("row");
        Ok::<_, String>(Load::unchanged())
    });
    assert_eq!(answer.unwrap().how, How::Loaded);
    assert_eq!((m.names.peek(&7).unwrap(), m.names.stats().fenced), (None, 1));
}

#[test]
fn an_unchanged_value_keeps_its_own_time() {
    let m = manual(|names| names.stale_for(MINUTE * 10));
    let millisecond = Duration::from_millis(1);
    m.names.insert(&7, Load::value("old".to_owned()).ttl(MINUTE / 6)).unwrap();
    for (load, lives) in [(Load::unchanged(), MINUTE / 6), (Load::unchanged().ttl(MINUTE / 3), MINUTE / 3)] {
        m.clock.advance(MINUTE / 6);
        m.names.ask(&7, |_| Ok::<_, String>(load)).unwrap();
        m.clock.advance(lives - millisecond);
        assert!(m.names.peek(&7).unwrap().is_some());
        m.clock.advance(millisecond);
        assert_eq!(m.names.peek(&7).unwrap(), None);
    }
    // What came from bytes has the cache's.
    let m = manual(|names| names.shared().stale_for(MINUTE * 10));
    m.store.insert_ex("names:7", "bytes", MINUTE / 6).unwrap();
    assert!(m.names.peek(&7).unwrap().is_some());
    m.clock.advance(MINUTE / 6);
    m.names.ask(&7, |_| Ok::<_, String>(Load::unchanged())).unwrap();
    m.clock.advance(MINUTE - millisecond);
    assert!(m.names.peek(&7).unwrap().is_some());
}

#[test]
fn those_who_wait_for_a_load_that_fails_are_served_a_stale_value() {
    let m = manual(|names| names.stale_for(MINUTE * 10));
    m.names.insert(&7, "old".to_owned()).unwrap();
    m.clock.advance(MINUTE);
    thread::scope(|scope| {
        let ((begun, has_begun), (end, may_end)) = (channel(), channel::<()>());
        let names = &m.names;
        let leader = scope.spawn(move || {
            names.ask(&7, |_| {
                begun.send(()).unwrap();
                let _ = may_end.recv();
                fails()
            })
        });
        has_begun.recv().unwrap();
        let follower = scope.spawn(|| m.names.ask(&7, |_| unasked()));
        waiting(&m, 1);
        end.send(()).unwrap();
        for asked in [leader, follower] {
            let answer = asked.join().unwrap().unwrap();
            assert_eq!((answer.how, answer.value.as_deref().map(String::as_str)), (How::Stale, Some("old")));
        }
    });
    assert_eq!(m.names.stats().stale, 2, "both were served a stale value");
}

#[test]
fn a_future_may_be_dropped_in_a_transaction() {
    let (done, is_done) = channel();
    // Not joined: a test that fails would hang with it.
    thread::spawn(move || {
        let m = manual(|names| names);
        let mut leader = Box::pin(m.names.get_or_load_async(&7, pending::<Result<String, String>>));
        assert!(poll(&mut leader.as_mut()).is_pending());
        let ended = m.store.transaction(["names:7"], |tx| {
            drop(leader);
            tx.insert("names:7", "of the transaction")
        });
        ended.unwrap();
        assert_eq!(text(m.names.get_or_load(&7, gives("new"))).as_deref(), Some("new"));
        done.send(()).unwrap();
    });
    is_done.recv_timeout(Duration::from_secs(60)).expect("it waits for the transaction it is in");
}

#[test]
fn a_dropped_future_hands_over_to_a_thread() {
    let m = manual(|names| names);
    thread::scope(|scope| {
        let mut leader = Box::pin(m.names.get_or_load_async(&7, pending::<Result<String, String>>));
        assert!(poll(&mut leader.as_mut()).is_pending());
        let follower = scope.spawn(|| m.names.get_or_load(&7, gives("second")));
        waiting(&m, 1);
        drop(leader);
        assert_eq!(text(follower.join().unwrap()).as_deref(), Some("second"));
    });
    let stats = m.names.stats();
    assert_eq!((stats.loads, stats.failed_loads), (1, 0), "a dropped future is no failure");
}

#[test]
fn one_of_many_takes_over() {
    let m = manual(|names| names);
    let mut leader = Box::pin(m.names.get_or_load_async(&7, pending::<Result<String, String>>));
    assert!(poll(&mut leader.as_mut()).is_pending());
    let (loads, loaded) = channel();
    let mut waiting: Vec<_> = (0..10)
        .map(|_| {
            let loads = loads.clone();
            Box::pin(m.names.get_or_load_async(&7, move || {
                loads.send(()).unwrap();
                ready(gives("second")())
            }))
        })
        .collect();
    assert!(waiting.iter_mut().all(|follower| poll(&mut follower.as_mut()).is_pending()));
    // One that gives up keeps nobody from being told.
    drop(waiting.swap_remove(3));
    drop(leader);
    for follower in &mut waiting {
        let Poll::Ready(got) = poll(&mut follower.as_mut()) else { panic!("the first has loaded it") };
        assert_eq!(text(got).as_deref(), Some("second"));
    }
    assert_eq!(loaded.try_iter().count(), 1);
}

#[test]
fn a_task_that_panics_hands_over_to_a_thread_and_to_a_task() {
    let m = manual(|names| names);
    let (go, may_go) = channel::<()>();
    let mut leader = Box::pin(m.names.get_or_load_async(&7, || async {
        received(may_go).await;
        panic!("the loader's own") as Result<String, String>
    }));
    assert!(poll(&mut leader.as_mut()).is_pending());
    let mut task = Box::pin(m.names.get_or_load_async(&7, || ready(gives("second")())));
    assert!(poll(&mut task.as_mut()).is_pending());
    thread::scope(|scope| {
        let follower = scope.spawn(|| m.names.get_or_load(&7, gives("second")));
        until("both wait", || m.names.stats().shared == 2);
        go.send(()).unwrap();
        assert!(catch_unwind(AssertUnwindSafe(|| poll(&mut leader.as_mut()))).is_err());
        // A runtime drops such a future.
        drop(leader);
        let Poll::Ready(got) = poll(&mut task.as_mut()) else {
            assert_eq!(text(follower.join().unwrap()).as_deref(), Some("second"));
            let Poll::Ready(got) = poll(&mut task.as_mut()) else { panic!("the thread has loaded it") };
            return assert_eq!(text(got).as_deref(), Some("second"));
        };
        assert_eq!(text(got).as_deref(), Some("second"));
        assert_eq!(text(follower.join().unwrap()).as_deref(), Some("second"));
    });
}

#[test]
fn a_thread_that_panics_hands_over_to_a_task() {
    let m = manual(|names| names.breaker(1, MINUTE));
    let mut task = pin!(m.names.ask_async(&7, |_| ready(gives("second")())));
    thread::scope(|scope| {
        let ((begun, has_begun), (end, may_end)) = (channel(), channel::<()>());
        let names = &m.names;
        let leader = scope.spawn(move || {
            names.get_or_load(&7, || -> Result<String, String> {
                begun.send(()).unwrap();
                let _ = may_end.recv();
                panic!("the loader's own")
            })
        });
        has_begun.recv().unwrap();
        assert!(poll(&mut task).is_pending());
        end.send(()).unwrap();
        assert!(leader.join().is_err());
    });
    // A panic is a failure, and one is enough for this breaker.
    assert!(matches!(poll(&mut task), Poll::Ready(Err(LoadError::Paused))));
    let stats = m.names.stats();
    assert_eq!((stats.loads, stats.failed_loads, stats.is_paused), (1, 1, true));
    m.clock.advance(MINUTE);
    assert_eq!(text(m.names.get_or_load(&7, gives("third"))).as_deref(), Some("third"));
}

#[test]
fn a_task_that_waits_has_a_deadline() {
    struct Unparks(thread::Thread);

    impl Wake for Unparks {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let m = manual(|names| names.wait_at_most(Duration::from_secs(1)));
    while_loading(&m, Load::from("late".to_owned()), || {
        let mut task = pin!(m.names.get_or_load_async(&7, || ready(unasked())));
        assert!(poll(&mut task).is_pending());
        m.clock.advance(Duration::from_millis(999));
        let waker = Waker::from(Arc::new(Unparks(thread::current())));
        let mut context = std::task::Context::from_waker(&waker);
        assert!(task.as_mut().poll(&mut context).is_pending());
        m.clock.advance(Duration::from_millis(1));
        // It is woken for that.
        let ended = loop {
            match task.as_mut().poll(&mut context) {
                Poll::Ready(ended) => break ended,
                Poll::Pending => thread::park_timeout(Duration::from_secs(20)),
            }
        };
        assert!(matches!(ended, Err(LoadError::TimedOut)));
    });
    assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("late"), "it was stored all the same");
}
