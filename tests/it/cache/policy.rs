//! When the database is slow or down, and when values end.

use std::time::Duration;

use larder::{How, LoadError, OnFailure};

use super::{MINUTE, fails, gives, manual, text, unasked};

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_stale_value_is_served_while_the_database_is_down() {
    let m = manual(|names| names.stale_for(MINUTE * 60).retry_after(SECOND * 5));
    m.names.get_or_load(&7, gives("a")).unwrap();
    m.clock.advance(MINUTE);
    let answer = m.names.ask(&7, |_| fails()).unwrap();
    assert_eq!((answer.how, answer.age), (How::Stale, MINUTE));
    assert_eq!(answer.value.as_deref().map(String::as_str), Some("a"));
    // The next load is tried when the pause is over.
    m.clock.advance(SECOND * 5 - Duration::from_millis(1));
    assert_eq!(m.names.ask(&7, |_| unasked()).unwrap().how, How::Stale);
    m.clock.advance(Duration::from_millis(1));
    let answer = m.names.ask(&7, |_| gives("b")()).unwrap();
    assert_eq!((answer.how, answer.age), (How::Loaded, Duration::ZERO));
    // And the window ends.
    m.clock.advance(MINUTE * 61 - Duration::from_millis(1));
    assert_eq!(m.names.ask(&7, |_| fails()).unwrap().how, How::Stale);
    m.clock.advance(Duration::from_millis(1));
    assert!(matches!(m.names.ask(&7, |_| fails()), Err(LoadError::Loader(_))));
}

#[test]
fn without_a_window_the_error_is_the_callers() {
    let m = manual(|names| names);
    m.names.get_or_load(&7, gives("a")).unwrap();
    m.clock.advance(MINUTE);
    let error = m.names.get_or_load(&7, fails).unwrap_err();
    assert_eq!(error.into_loader().unwrap(), "the database is down");
}

#[test]
fn a_value_is_loaded_anew_near_its_end() {
    let m = manual(|names| names.refresh_after(0.8));
    m.names.get_or_load(&7, gives("a")).unwrap();
    m.clock.advance(MINUTE * 8 / 10 - Duration::from_millis(1));
    assert_eq!(text(m.names.get_or_load(&7, unasked)).as_deref(), Some("a"));
    m.clock.advance(Duration::from_millis(1));
    assert_eq!(text(m.names.get_or_load(&7, gives("b"))).as_deref(), Some("b"));
    m.clock.advance(MINUTE * 8 / 10);
    // It is served if that fails, and not tried again at once.
    let answer = m.names.ask(&7, |_| fails()).unwrap();
    assert_eq!(answer.how, How::Hit);
    assert_eq!(m.names.ask(&7, |_| unasked()).unwrap().how, How::Hit);
    m.clock.advance(SECOND);
    assert_eq!(text(m.names.get_or_load(&7, gives("c"))).as_deref(), Some("c"));
}

#[test]
fn jitter_takes_off_a_share() {
    let m = manual(|names| names.jitter(0.5));
    (0..1000).for_each(|id| m.names.insert(&id, String::new()).unwrap());
    let there = || (0..1000).filter(|id| m.names.peek(id).unwrap().is_some()).count();
    m.clock.advance(MINUTE / 2 - Duration::from_millis(1));
    assert_eq!(there(), 1000);
    m.clock.advance(MINUTE / 4);
    assert!((400..600).contains(&there()), "{}", there());
    m.clock.advance(MINUTE / 4 + Duration::from_millis(1));
    assert_eq!(there(), 0);
}

#[test]
fn a_used_value_lives_on_until_its_time_to_live() {
    let m = manual(|names| names.idle_ttl(SECOND * 10));
    m.names.get_or_load(&1, gives("used")).unwrap();
    m.names.get_or_load(&2, gives("unused")).unwrap();
    for _ in 0..6 {
        m.clock.advance(SECOND * 9);
        m.store.sweep().unwrap();
        assert_eq!(text(m.names.get_or_load(&1, unasked)).as_deref(), Some("used"));
    }
    assert_eq!(m.names.peek(&2).unwrap(), None);
    m.clock.advance(SECOND * 6);
    assert_eq!(m.names.peek(&1).unwrap(), None, "a minute is over");
}

#[test]
fn chance_loads_anew_ahead_of_time() {
    let m = manual(|names| names.refresh_early(1.0));
    let mut early = 0;
    for id in 0..200 {
        m.names
            .ask(&id, |_| {
                m.clock.advance(SECOND); // so long it takes
                gives("a")()
            })
            .unwrap();
        m.clock.advance(MINUTE - SECOND);
        let answer = m.names.ask(&id, |_| gives("b")()).unwrap();
        early += usize::from(answer.how == How::Loaded);
        assert_ne!(answer.how, How::Stale);
    }
    // One load's time before the end: the chance is 1/e.
    assert!((45..105).contains(&early), "{early}");
}

#[test]
fn a_breaker_keeps_loads_from_a_database_that_is_down() {
    let m = manual(|names| names.breaker(3, SECOND * 10).stale_for(MINUTE * 60).retry_after(Duration::ZERO));
    m.names.get_or_load(&0, gives("old")).unwrap();
    m.clock.advance(MINUTE);
    for id in 1..=3 {
        assert!(matches!(m.names.get_or_load(&id, fails), Err(LoadError::Loader(_))));
    }
    assert!(m.names.stats().is_paused);
    assert!(matches!(m.names.get_or_load(&4, unasked), Err(LoadError::Paused)));
    assert_eq!(m.names.ask(&0, |_| unasked()).unwrap().how, How::Stale);
    m.clock.advance(SECOND * 10);
    assert_eq!(text(m.names.get_or_load(&4, gives("back"))).as_deref(), Some("back"));
    assert_eq!(text(m.names.get_or_load(&5, gives("all"))).as_deref(), Some("all"));
    assert_eq!(m.names.stats().paused, 2);
}

/// However often they wait in vain, each has asked once.
#[test]
fn those_who_try_themselves_are_counted_once() {
    use std::future::{Future, poll_fn};
    use std::task::{Context, Poll, Waker};

    const ALL: u64 = 20;
    let m = manual(|names| names.on_failure(OnFailure::Retry));
    let mut context = Context::from_waker(Waker::noop());
    // Each fails when it is looked at for the second time.
    let fails_later =
        || {
            let mut was_polled = false;
            poll_fn(move |_| {
                if std::mem::replace(&mut was_polled, true) { Poll::Ready(fails()) } else { Poll::Pending }
            })
        };
    let mut all: Vec<_> = (0..ALL).map(|_| Box::pin(m.names.get_or_load_async(&7, fails_later))).collect();
    for _ in 0..=ALL {
        // The first fails, the second tries, and the others wait again.
        all.retain_mut(|one| one.as_mut().poll(&mut context).is_pending());
    }
    assert!(all.is_empty());
    let stats = m.names.stats();
    assert_eq!((stats.misses, stats.shared), (ALL, ALL - 1), "{stats:?}");
}

#[test]
fn what_there_is_no_room_for_is_not_told_as_fenced() {
    let store = larder::Store::builder().max_keys(1).eviction(larder::Eviction::Refuse).build();
    let names = super::cache(&store).build().unwrap();
    names.insert(&1, "a".to_owned()).unwrap();
    assert_eq!(text(names.get_or_load(&2, gives("b"))).as_deref(), Some("b"));
    assert_eq!((names.peek(&2).unwrap(), names.stats().fenced), (None, 0));
    assert!(!names.explain(&2).unwrap().was_fenced);
}

#[test]
fn those_who_wait_may_try_themselves() {
    use std::sync::mpsc::channel;
    use std::thread;

    for (policy, expected) in [(OnFailure::Share, None), (OnFailure::Retry, Some("second".to_owned()))] {
        let m = manual(|names| names.on_failure(policy));
        thread::scope(|scope| {
            let ((begun, has_begun), (end, may_end)) = (channel(), channel::<()>());
            let names = &m.names;
            let first = scope.spawn(move || {
                names.get_or_load(&7, || {
                    begun.send(()).unwrap();
                    may_end.recv().unwrap();
                    fails()
                })
            });
            has_begun.recv().unwrap();
            let second = scope.spawn(move || names.get_or_load(&7, gives("second")));
            crate::support::until("it waits", || names.stats().shared == 1);
            end.send(()).unwrap();
            assert!(matches!(first.join().unwrap(), Err(LoadError::Loader(_))));
            let second = second.join().unwrap();
            assert_eq!(second.ok().flatten().map(|text| (*text).clone()), expected);
        });
    }
}
