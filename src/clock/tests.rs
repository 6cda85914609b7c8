use super::*;

#[test]
fn a_manual_clock_stops_short_of_never() {
    let clock = ManualClock::new();
    clock.advance(Duration::MAX);
    clock.advance(Duration::MAX);
    assert_eq!(Clock::from(&clock).now(), NEVER - 1);
}

#[test]
fn a_clock_that_goes_never_goes_back() {
    let clock = ManualClock::running();
    std::thread::scope(|scope| {
        let changes = scope.spawn(|| {
            for _ in 0..20_000 {
                clock.pause();
                clock.advance(Duration::from_millis(1));
                clock.resume();
            }
        });
        let mut last = clock.0.now();
        while !changes.is_finished() {
            let now = clock.0.now();
            assert!(now >= last && now - last < 60_000, "{now} after {last}");
            last = now;
        }
    });
    assert!(clock.0.now() >= 20_000);
}

#[test]
fn a_wall_time_is_the_same_moment_whenever_it_is_asked() {
    let wall = Clock::System.wall() + 1_000_000;
    let moment = Clock::System.moment_of(wall);
    for _ in 0..100_000 {
        assert_eq!(Clock::System.moment_of(wall), moment);
        assert_eq!(Clock::System.wall_of(moment), wall);
    }
}

/// The system's clock cannot be set in a test; what it shows can.
#[test]
fn a_wall_clock_that_is_set_is_followed_and_one_that_is_read_late_is_not() {
    let (hour, year) = (3_600_000, 31_536_000_000_u64);
    let begin = 1_800_000_000_000;
    let (mut line, mut epoch) = (1_000, 0);
    let mut see = |epoch: u64, shown: u64, waits: u64| {
        line += 10_000;
        let look = || {
            // The thread has to wait on either side of its look at the wall.
            let at = [line, line + waits + shown, line + 2 * waits];
            at.map(Duration::from_millis)
        };
        epoch_after(epoch, look)
    };
    for shown in [begin, begin + hour, begin, begin - hour, begin + year, begin - year, 0, begin] {
        epoch = see(epoch, shown, 0);
        assert_eq!(epoch, shown);
        for (jitter, waits) in [(0, 0), (2, 0), (0, 500), (300, 500), (0, 7_000)] {
            assert_eq!(see(epoch, shown + jitter, waits), epoch, "it has not been set");
        }
    }
}

#[test]
fn a_time_beyond_the_last_is_the_last() {
    let soon = Duration::from_millis(1_234);
    assert_eq!(since_epoch(soon), UNIX_EPOCH + soon);
    let last = since_epoch(Duration::MAX);
    assert!(last.checked_add(Duration::from_millis(1)).is_none(), "{last:?} is not the last");
}

struct Nobody;

impl Alarm for Nobody {
    fn ring(&self) {}
}

/// Whom they ring stays; the clock may never be advanced, as it goes by itself.
#[test]
fn alarms_go_with_the_waits_that_they_are_for() {
    let manual = ManualClock::running();
    let (clock, whom) = (Clock::from(&manual), Arc::new(Nobody));
    for at in 0..1_000 {
        let alarm = clock.alarm(1_000_000 + at, &whom);
        assert!(alarm.is_some());
        assert!(manual.0.alarms.lock().len() <= 1);
    }
    assert!(clock.alarm(NEVER, &whom).is_none() && Clock::System.alarm(1, &whom).is_none());
}
