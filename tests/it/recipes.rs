//! Rate limits against plain models, on a clock that is moved by hand.

use std::thread;
use std::time::Duration;

use larder::{Error, FixedWindow, Gcra, ManualClock, Permit, Store, Ttl};
use proptest::prelude::*;

use crate::support::manual_store;

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// What a limit says: whether it is allowed, how many remain, when to ask again, when all is as new.
type Said = (bool, u64, Option<Duration>, Duration);

fn said(permit: Permit) -> Said {
    (permit.is_allowed(), permit.remaining(), permit.retry_after(), permit.reset_after())
}

#[derive(Debug, Clone)]
enum Step {
    Check(u64),
    Advance(u64),
    Sweep,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => prop_oneof![3 => Just(1_u64), 1 => 0..8_u64].prop_map(Step::Check),
        3 => prop_oneof![0..5_u64, 0..150_u64, 0..5_000_u64].prop_map(Step::Advance),
        1 => Just(Step::Sweep),
    ];
    prop::collection::vec(step, 1..60)
}

/// A window: how many were allowed since it began, and when it ends.
struct Window {
    used: u64,
    ends: u64,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_fixed_window_is_a_counter_with_an_end(steps in steps(), limit in 0..6_u64, length in 1..400_u64) {
        let (clock, store) = manual_store();
        let rule = FixedWindow::new(limit, millis(length));
        let (mut window, mut now) = (None::<Window>, 0);
        for step in steps {
            match step {
                Step::Advance(by) => {
                    clock.advance(millis(by));
                    now += by;
                }
                Step::Sweep => _ = store.sweep().unwrap(),
                Step::Check(count) => {
                    let got = said(rule.check_many(&store, "k", count).unwrap());
                    window = window.filter(|window| window.ends > now);
                    let (used, ends) = window.as_ref().map_or((0, now + length), |it| (it.used, it.ends));
                    let reset = millis(ends - now);
                    let expected = if count <= limit - used {
                        window = Some(Window { used: used + count, ends });
                        (true, limit - used - count, Some(Duration::ZERO), reset)
                    } else {
                        (false, limit - used, (count <= limit).then_some(reset), reset)
                    };
                    prop_assert_eq!(got, expected);
                }
            }
        }
    }

    /// The model is the bucket itself: permits taken, of which one drains away each interval.
    #[test]
    fn gcra_is_a_leaky_bucket(
        steps in steps(),
        limit in 1..2_000_u32,
        burst in 1..12_u32,
        period in 1..3_000_u64,
    ) {
        let (clock, store) = manual_store();
        let rule = Gcra::new(limit, millis(period)).burst(burst);
        let interval = u128::from(period) * 1_000_000 / u128::from(limit);
        let capacity = interval * u128::from(burst);
        // In nanoseconds of draining.
        let mut level = 0_u128;
        for step in steps {
            match step {
                Step::Advance(by) => {
                    clock.advance(millis(by));
                    level = level.saturating_sub(u128::from(by) * 1_000_000);
                }
                Step::Sweep => _ = store.sweep().unwrap(),
                Step::Check(count) => {
                    let got = said(rule.check_many(&store, "k", count).unwrap());
                    let asked = level + interval * u128::from(count);
                    let nanos = |nanos: u128| Duration::from_nanos(nanos as u64);
                    let left = |level: u128| ((capacity - level) / interval) as u64;
                    let expected = if asked <= capacity {
                        level = asked;
                        (true, left(level), Some(Duration::ZERO), nanos(level))
                    } else {
                        let retry = (count <= u64::from(burst)).then(|| nanos(asked - capacity));
                        (false, left(level), retry, nanos(level))
                    };
                    prop_assert_eq!(got, expected);
                }
            }
        }
    }
}

#[test]
fn a_limit_leaves_nothing_behind() {
    let (clock, store) = manual_store();
    assert!(FixedWindow::new(3, millis(100)).check(&store, "window").unwrap().is_allowed());
    assert!(Gcra::new(10, millis(1_000)).check(&store, "bucket").unwrap().is_allowed());
    assert_eq!(store.ttl("window").unwrap(), Ttl::Left(millis(100)));
    assert_eq!(store.ttl("bucket").unwrap(), Ttl::Left(millis(100)));
    clock.advance(millis(100));
    assert_eq!((store.len().unwrap(), store.sweep().unwrap()), (0, 2));
}

#[test]
fn asking_for_none_is_a_look() {
    let (_clock, store) = manual_store();
    let (wide, narrow) = (FixedWindow::new(5, millis(100)), FixedWindow::new(2, millis(100)));
    assert!(wide.check_many(&store, "k", 4).unwrap().is_allowed());
    // A limit that was lowered meanwhile gives nothing back.
    assert_eq!(narrow.check_many(&store, "k", 0).unwrap().remaining(), 0);
    assert_eq!(wide.check_many(&store, "k", 0).unwrap().remaining(), 1);
}

#[test]
fn extremes_are_limits_too() {
    let (clock, store) = manual_store();
    let forever = FixedWindow::new(1, Duration::MAX);
    assert!(forever.check(&store, "forever").unwrap().is_allowed());
    let instant = FixedWindow::new(1, Duration::ZERO);
    assert!(instant.check(&store, "instant").unwrap().is_allowed());
    assert_eq!(instant.check(&store, "instant").unwrap().retry_after(), Some(millis(1)));
    let most = FixedWindow::new(u64::MAX, millis(1));
    assert_eq!(most.check_many(&store, "most", u64::MAX).unwrap().remaining(), 0);
    assert!(!most.check(&store, "most").unwrap().is_allowed());

    let slow = Gcra::new(0, Duration::MAX).burst(u32::MAX);
    assert!(slow.check_many(&store, "slow", 1_000_000).unwrap().is_allowed());
    assert_eq!(slow.check_many(&store, "slow", u64::MAX).unwrap().retry_after(), None);
    for fast in [Gcra::new(u32::MAX, millis(1)), Gcra::new(1, Duration::ZERO)] {
        let permit = fast.burst(3).check(&store, "fast").unwrap();
        assert!(permit.is_allowed());
        assert_eq!(permit.remaining(), 2);
        store.remove("fast").unwrap();
    }
    clock.advance(millis(i64::MAX as u64));
    assert!(!forever.check(&store, "forever").unwrap().is_allowed());
    clock.advance(Duration::MAX);
    for rule in [FixedWindow::new(1, millis(1)), FixedWindow::new(1, Duration::MAX)] {
        let _ = rule.check(&store, "at the end").unwrap();
    }
    let _ = slow.check(&store, "at the end, too").unwrap();
}

#[test]
fn a_key_of_another_kind_is_refused() {
    let (_clock, store) = manual_store();
    store.insert("text", "x").unwrap();
    store.list::<i32>("list").push_back(1).unwrap();
    let (window, bucket) = (FixedWindow::new(1, millis(1)), Gcra::new(1, millis(1)));
    for refused in [window.check(&store, "text"), bucket.check(&store, "text")] {
        assert!(matches!(refused, Err(Error::NotAnInteger)));
    }
    for refused in [window.check(&store, "list"), bucket.check(&store, "list")] {
        assert!(matches!(refused, Err(Error::WrongType)));
    }
}

#[test]
fn no_more_than_the_limit_passes_whoever_asks() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let (window, bucket) = (FixedWindow::new(500, millis(1_000)), Gcra::new(1, millis(1_000)).burst(300));
    let counts = thread::scope(|scope| {
        let ask = || {
            let allowed = |permit: Result<Permit, Error>| u64::from(permit.unwrap().is_allowed());
            (0..400).fold((0, 0), |(a, b), _| {
                (a + allowed(window.check(&store, "window")), b + allowed(bucket.check(&store, "bucket")))
            })
        };
        let askers: Vec<_> = (0..4).map(|_| scope.spawn(ask)).collect();
        askers.into_iter().map(|asker| asker.join().unwrap()).fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    });
    assert_eq!(counts, (500, 300));
    let in_transaction = store.transaction(["window"], |tx| window.check(tx, "window")).unwrap();
    assert!(!in_transaction.is_allowed());
}
