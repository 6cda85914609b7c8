//! Clocks that are set, stand still, and come to the ends of their range: nothing comes back, and nothing goes before its time.
//!
//! While a process runs, all its times lie on the monotonic line, which nobody sets (`clock.rs`). The wall's clock counts where
//! what was written is read again: it is set here by opening with another clock.

use std::thread;
use std::time::{Duration, SystemTime};

use larder::{Cache, FixedWindow, ManualClock, Store, Sweeping, Ttl};

use crate::support::Folder;

const MILLI: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const LIMIT: Duration = Duration::from_secs(60);

fn store_of(clock: &ManualClock) -> Store {
    Store::builder().clock(clock).sweeping(Sweeping::ByHand).build()
}

/// Times to live that lie just before a step, at it, and just behind it.
fn around(step: Duration) -> [Duration; 3] {
    [step - MILLI, step, step + MILLI]
}

/// As a machine that wakes up, if its clock counts the time that it has slept.
#[test]
fn what_is_due_after_a_leap_is_all_that_is_due() {
    for leap in [HOUR, YEAR, 200 * YEAR] {
        let clock = ManualClock::new();
        let store = store_of(&clock);
        let rows: Vec<Cache<u64, u64>> =
            around(leap).map(|ttl| store.cache(format!("rows-{ttl:?}")).ttl(ttl).build().unwrap()).into();
        let hash = store.hash::<u64, u64>("hash");
        let mut locks = Vec::new();
        for (at, ttl) in (0..).zip(around(leap)) {
            store.insert_ex(at, at, ttl).unwrap();
            hash.insert_ex(at, at, ttl).unwrap();
            rows[at as usize].insert(&at, at).unwrap();
            locks.push(store.try_lock(format!("lock-{at}"), ttl).unwrap().unwrap());
            assert!(FixedWindow::new(1, ttl).check(&store, format!("limit-{at}")).unwrap().is_allowed());
        }
        let waits = around(leap).map(|timeout| {
            let store = store.clone();
            thread::spawn(move || store.list::<u64>("jobs").pop_front_wait(timeout).unwrap())
        });
        assert!(store.wait_for_blocked(3, LIMIT), "they do not wait");
        clock.advance(leap);
        for (at, ttl) in (0..).zip(around(leap)) {
            let is_there = ttl > leap;
            assert_eq!(store.contains(at).unwrap(), is_there, "a key after {leap:?}");
            assert_eq!(hash.contains(at).unwrap(), is_there, "a field");
            assert_eq!(rows[at as usize].peek(&at).unwrap().is_some(), is_there, "an entry of a cache");
            let again = store.try_lock(format!("lock-{at}"), HOUR).unwrap();
            assert_eq!(again.is_none(), is_there, "a lock");
            let permit = FixedWindow::new(1, ttl).check(&store, format!("limit-{at}")).unwrap();
            assert_eq!(!permit.is_allowed(), is_there, "a limit");
        }
        // Who waits longer still does.
        let [first, second, third] = waits;
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (None, None));
        assert_eq!(store.blocked(), 1);
        store.list::<u64>("jobs").push_back(7).unwrap();
        assert_eq!(third.join().unwrap(), Some(7));
        store.sweep().unwrap();
        assert_eq!(store.ttl(2).unwrap(), Ttl::Left(MILLI));
        assert!(!store.contains(0).unwrap() && hash.len().unwrap() == 1, "what has gone stays gone");
    }
}

/// As a machine that sleeps, if its clock does not count that.
#[test]
fn a_clock_that_stands_still_takes_nothing_away() {
    let clock = ManualClock::running();
    let store = store_of(&clock);
    store.insert_ex("k", 1, HOUR).unwrap();
    clock.pause();
    let left = store.ttl("k").unwrap();
    store.sweep().unwrap();
    assert_eq!(store.ttl("k").unwrap(), left);
    clock.resume();
    assert!(matches!(store.ttl("k").unwrap(), Ttl::Left(left) if left <= HOUR && left > HOUR / 2));
    clock.advance(HOUR);
    clock.pause();
    assert_eq!(store.ttl("k").unwrap(), Ttl::Missing);
}

/// Steps of the wall's clock, by how much it is ahead of what it should show, or behind.
fn steps() -> Vec<(bool, Duration)> {
    [Duration::ZERO, MILLI, HOUR, YEAR].into_iter().flat_map(|step| [(true, step), (false, step)]).collect()
}

fn set(wall: SystemTime, (is_ahead, step): (bool, Duration)) -> SystemTime {
    if is_ahead { wall + step } else { wall - step }
}

/// Times to live that each step meets.
fn lives() -> Vec<Duration> {
    [HOUR, YEAR].into_iter().flat_map(around).chain([MILLI, 2 * MILLI, 10 * YEAR]).collect()
}

fn fill(store: &Store) {
    store.insert("for ever", 1).unwrap();
    for ttl in lives() {
        let name = format!("{ttl:?}");
        store.insert_ex(&name, 1, ttl).unwrap();
        store.hash::<String, u64>("hash").insert_ex(&name, 1, ttl).unwrap();
    }
}

#[track_caller]
fn check(store: &Store, told: &str, left: impl Fn(Duration) -> Option<Duration>) {
    assert!(store.contains("for ever").unwrap());
    for ttl in lives() {
        let name = format!("{ttl:?}");
        let expected = left(ttl).filter(|left| !left.is_zero()).map_or(Ttl::Missing, Ttl::Left);
        assert_eq!(store.ttl(&name).unwrap(), expected, "a key with {name}, {told}");
        let field = store.hash::<String, u64>("hash").field_ttl(&name).unwrap();
        assert_eq!(field, expected, "a field with {name}, {told}");
    }
}

/// A snapshot goes by the wall: set back, it gives time.
#[test]
fn a_snapshot_is_loaded_while_the_wall_clock_is_set() {
    let folder = Folder::new();
    let path = folder.join("snapshot");
    let clock = ManualClock::new();
    let store = store_of(&clock);
    fill(&store);
    store.save(&path).unwrap();
    for (is_ahead, step) in steps() {
        let clock = ManualClock::starting_at(set(clock.now(), (is_ahead, step)));
        let store = Store::builder().clock(&clock).load(&path).unwrap();
        let left = |ttl: Duration| if is_ahead { ttl.checked_sub(step) } else { Some(ttl + step) };
        check(&store, &format!("{step:?} ahead: {is_ahead}"), left);
    }
}

#[cfg(feature = "journal")]
mod journals {
    use std::time::UNIX_EPOCH;

    use super::*;

    fn open(folder: &Folder, clock: &ManualClock) -> Store {
        Store::builder().clock(clock).sweeping(Sweeping::ByHand).open(folder.join("store")).unwrap()
    }

    /// A journal knows what time it had come to: set back, a clock gives none and takes none.
    #[test]
    fn a_journal_is_opened_while_the_wall_clock_is_set() {
        for (is_ahead, step) in steps() {
            for rewrites in [false, true] {
                let folder = Folder::new();
                let clock = ManualClock::new();
                let store = open(&folder, &clock);
                fill(&store);
                clock.advance(MILLI);
                if rewrites {
                    store.rewrite_journal().unwrap();
                }
                drop(store);
                let store = open(&folder, &ManualClock::starting_at(set(clock.now(), (is_ahead, step))));
                let passed = if is_ahead { MILLI + step } else { MILLI };
                check(&store, &format!("{step:?} ahead: {is_ahead}"), |ttl| ttl.checked_sub(passed));
            }
        }
    }

    /// What is written after a clock was set right again is there as long as it should be, and what had expired is not.
    #[test]
    fn a_clock_that_was_a_year_ahead_is_set_right() {
        for rewrites in [false, true] {
            let folder = Folder::new();
            let right = ManualClock::new();
            let wrong = ManualClock::starting_at(right.now() + YEAR);
            let store = open(&folder, &wrong);
            store.insert_ex("early", 1, HOUR).unwrap();
            wrong.advance(HOUR);
            drop(store);
            for opening in 0..3 {
                let store = open(&folder, &right);
                assert!(!store.contains("early").unwrap(), "it has expired");
                store.insert_ex(opening, 1, HOUR).unwrap();
                store.hash::<u32, u32>("hash").insert_ex(opening, 1, HOUR).unwrap();
                for before in 0..=opening {
                    let left = Ttl::Left(HOUR - (opening - before) * MILLI);
                    assert_eq!(store.ttl(before).unwrap(), left, "{before} after {opening}");
                    assert_eq!(store.hash::<u32, u32>("hash").field_ttl(before).unwrap(), left);
                }
                if rewrites {
                    store.rewrite_journal().unwrap();
                }
                right.advance(MILLI);
            }
        }
    }

    #[test]
    fn a_folder_is_opened_at_the_ends_of_the_range() {
        let folder = Folder::new();
        let last = UNIX_EPOCH + Duration::from_millis(i64::MAX as u64);
        let store = open(&folder, &ManualClock::starting_at(UNIX_EPOCH));
        store.insert("for ever", 1).unwrap();
        store.insert_ex("hour", 1, HOUR).unwrap();
        drop(store);
        let store = open(&folder, &ManualClock::starting_at(UNIX_EPOCH));
        assert_eq!(store.ttl("hour").unwrap(), Ttl::Left(HOUR));
        drop(store);
        for wall in [last, UNIX_EPOCH, last] {
            let store = open(&folder, &ManualClock::starting_at(wall));
            assert!(store.contains("for ever").unwrap() && !store.contains("hour").unwrap());
            store.insert("written", 1).unwrap();
            assert_eq!(store.ttl("written").unwrap(), Ttl::Forever);
        }
    }
}
