//! A clock that goes, and is stopped while others look at it.

use std::time::{Duration, Instant};

use super::{explore, join};
use crate::ManualClock;
use crate::sync::thread;

#[test]
fn who_looks_while_it_is_stopped_sees_no_time_twice() {
    explore(200, || {
        let began = Instant::now();
        let clock = ManualClock::new();
        let first = clock.now();
        clock.resume();
        // Some time to be seen twice: the scheduler's own is too short.
        while began.elapsed() < Duration::from_millis(3) {}
        let (stopped, seen) = (clock.clone(), clock.clone());
        let threads = [
            thread::spawn(move || {
                stopped.pause();
                first
            }),
            thread::spawn(move || seen.now()),
        ];
        let passed = join(threads)[1].duration_since(first).unwrap();
        assert!(passed <= began.elapsed() + Duration::from_millis(1), "{passed:?}");
        assert!(clock.now() >= first + passed);
    });
}
