//! Journals on a disk that fails and crashes.

use super::*;
use crate::Error;
use crate::JournalError;
use crate::disk::simulated::Failure;

const FAILURES: [Failure; 4] = [Failure::Eio, Failure::Enospc, Failure::Short, Failure::Crash];
/// How often a crash is looked at, each time as it may have been otherwise.
const SEEDS: u64 = 12;

/// The steps of a history, each one operation or transaction.
type Step = fn(&Store) -> Result<()>;

const HISTORY: &[Step] = &[
    |store| store.insert("name", "ann"),
    |store| store.list::<String>("jobs").extend_back((0..40).map(|at| format!("job {at:060}"))).map(drop),
    |store| store.list::<String>("jobs").pop_front().map(drop),
    |store| store.hash::<String, u32>("cart").insert("apple", 3).map(drop),
    |store| {
        store.transaction(["from", "to"], |tx| {
            tx.counter("from").decr_by(5)?;
            tx.counter("to").incr_by(5).map(drop)
        })
    },
    |store| store.rewrite_journal(),
    |store| store.sorted_set::<String>("board").insert("ann", 20.0).map(drop),
    |store| store.remove("name").map(drop),
    |store| store.insert_ex("session", "x".repeat(900), Duration::from_secs(30)),
    |store| store.rewrite_journal(),
    |store| store.list::<String>("jobs").pop_back().map(drop),
];

/// What the store is before each step, and after the last.
fn states() -> Vec<Dump> {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    let store = open_on(&disk, &clock).expect("nothing fails");
    let dump = |store: &Store| store.dump().expect("in no transaction");
    let mut states = vec![dump(&store)];
    for step in HISTORY {
        step(&store).expect("nothing fails");
        states.push(dump(&store));
    }
    states
}

/// Runs the history until a step fails; gives how many were acknowledged. What was refused before it was done changes nothing.
fn run(disk: &Simulated, clock: &ManualClock) -> usize {
    let Ok(store) = open_on(disk, clock) else { return 0 };
    let done = HISTORY.iter().take_while(|step| step(&store).is_ok()).count();
    // Not closed as a process does that ends well: what happens then is tried by those that come to the end.
    if done < HISTORY.len() {
        std::mem::forget(store);
    }
    done
}

#[test]
fn any_step_may_fail() {
    any_step();
}

pub(super) fn any_step() {
    let states = states();
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    assert_eq!(run(&disk, &clock), HISTORY.len());
    let steps = disk.steps();
    assert!(steps > 40, "{disk}");
    for (failure, lasts) in FAILURES.into_iter().flat_map(|failure| [(failure, false), (failure, true)]) {
        for step in 0..steps {
            let disk = Simulated::new();
            if lasts {
                disk.fail_from(step, failure)
            } else {
                disk.fail_at(step, failure)
            }
            let done = run(&disk, &clock);
            disk.heal();
            for seed in 0..SEEDS {
                let crashed = disk.after_crash(seed);
                check(&crashed, &clock, &states, done, &format!("{failure:?} at {step}, {seed}\n{disk}"));
            }
        }
    }
}

/// A process is killed at any step, and another one opens the folder as it left it. Wherever the power goes then, what either was
/// told to be there is.
#[test]
fn whoever_goes_on_from_a_killed_process_goes_on_from_what_is_on_the_disk() {
    killed_at_any_step();
}

pub(super) fn killed_at_any_step() {
    let states = states();
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    run(&disk, &clock);
    for step in 0..disk.steps() {
        for crash in 0.. {
            assert!(crash < 100, "killed at {step}: the other one comes to no end");
            let disk = Simulated::new();
            disk.fail_from(step, Failure::Killed);
            let done = run(&disk, &clock);
            disk.fail_from(disk.steps() + crash, Failure::Crash);
            let goes_on = |store: Store| {
                let is_done = store.insert("more", 1).is_ok();
                std::mem::forget(store);
                is_done
            };
            let is_done = open_on(&disk, &clock).is_ok_and(goes_on);
            for seed in 0..SEEDS {
                let told = || format!("killed at {step}, crashed {crash} steps later, {seed}\n{disk}");
                let store = open_on(&disk.after_crash(seed), &clock);
                let store = store.unwrap_or_else(|error| panic!("{error}: {}", told()));
                assert!(store.remove("more").expect("nothing fails") || !is_done, "{}", told());
                let found = store.dump().expect("in no transaction");
                let may_be = &states[done..states.len().min(done + 2)];
                assert!(may_be.contains(&found), "{found}\nafter {done} steps: {}", told());
            }
            if is_done {
                break;
            }
        }
    }
}

/// What is found is what was there at one moment, no earlier than what was acknowledged; and goes on from there.
#[track_caller]
fn check(disk: &Simulated, clock: &ManualClock, states: &[Dump], done: usize, told: &str) {
    let store = open_on(disk, clock).unwrap_or_else(|error| panic!("{error}: {told}"));
    let found = store.dump().expect("in no transaction");
    // The step that failed may be there or not.
    let may_be = &states[done..states.len().min(done + 2)];
    assert!(may_be.contains(&found), "{found}\nafter {done} steps: {told}");
    store.insert("more", 1).expect("nothing fails");
    let held = store.dump().expect("in no transaction");
    drop(store);
    assert_eq!(self::found(disk, clock), held, "{told}");
    let names = disk.list(Path::new(FOLDER)).expect("it is there");
    let is_left_over = |name: &&std::ffi::OsString| name.to_string_lossy().contains("saving");
    let snapshots = names.iter().filter(|name| name.to_string_lossy().starts_with("snapshot")).count();
    assert!(!names.iter().any(|name| is_left_over(&name)) && snapshots <= 1, "{names:?}: {told}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(32), ..ProptestConfig::default() })]

    /// Random commands, a crash at a random step, and again.
    #[test]
    fn any_history_survives(seed in any::<u64>(), crashes in prop::collection::vec((1..120u64, any::<u64>()), 1..5)) {
        any_history(seed, &crashes);
    }
}

pub(super) fn any_history(seed: u64, crashes: &[(u64, u64)]) {
    let (mut disk, clock) = (Simulated::new(), ManualClock::new());
    let mut commands = Commands::new(seed);
    for &(steps, crash) in crashes {
        disk.fail_from(disk.steps() + 12 + steps, Failure::Crash);
        let Ok(store) = open_on(&disk, &clock) else {
            disk = disk.after_crash(crash);
            continue;
        };
        let mut session = store.session();
        let mut states = vec![store.dump().expect("in no transaction")];
        for _ in 0..150 {
            commands.run_one(&mut session);
            states.push(store.dump().expect("in no transaction"));
            let is_over = store.space().check_journal().is_err();
            if is_over || (commands.one_in(50) && store.rewrite_journal().is_err()) {
                break;
            }
        }
        let acknowledged = states.len().saturating_sub(2);
        drop(session);
        std::mem::forget(store);
        let crashed = disk.after_crash(crash);
        let found = found(&crashed, &clock);
        let may_be = &states[acknowledged..];
        assert!(may_be.contains(&found), "{}\n{}\n{}", found, commands.said(), disk);
        disk = crashed;
    }
}

#[test]
fn a_sync_that_fails_is_the_end() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    let store = open_on(&disk, &clock).expect("nothing fails");
    store.insert("name", "ann").expect("nothing fails");
    // The write is done, and its sync is not.
    disk.fail_at(disk.steps() + 1, Failure::Eio);
    let failed = store.insert("name", "bob").expect_err("it is not on the disk");
    let why = |error: Error| match error {
        Error::Journal(error) => match *error {
            JournalError::Failed { why } => why,
            other => panic!("{other}"),
        },
        other => panic!("{other}"),
    };
    assert!(why(failed).contains("journal-00000000"), "it names the file");
    // Nothing fails any more, and yet nothing is taken.
    why(store.insert("name", "cid").expect_err("nothing is written"));
    why(store.sync().expect_err("what was written is unknown"));
    why(store.remove("name").map(drop).expect_err("nothing is written"));
    why(store.clear().expect_err("nothing is written"));
    why(store.rewrite_journal().expect_err("nothing is written"));
    why(store.transaction(["name"], |tx| tx.insert("name", "dan")).expect_err("nothing is written"));
    assert!(store.get::<String>("name").is_ok_and(|name| name.is_some()), "what is there can be read");
    assert!(stats(&store).unsynced_bytes > 0);
    drop(store);
    for seed in 0..SEEDS {
        let store = open_on(&disk.after_crash(seed), &clock).expect("it is whole");
        let name = store.get::<String>("name").expect("text").expect("it was there");
        assert!(["ann", "bob"].contains(&&*name), "{name}");
    }
}

#[test]
fn what_is_due_is_synced_when_its_time_comes() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    let policy = SyncPolicy::Every(Duration::from_secs(1));
    let store = open_as(builder(&clock), &disk, policy).expect("nothing fails");
    let journal = store.space().journal().expect("it has one");
    journal.start(&Arc::downgrade(store.space())).expect("a thread");
    let before = disk.steps();
    store.insert("name", "ann").expect("nothing fails");
    assert_eq!(disk.steps(), before, "nobody waits for it");
    // The thread waits for the clock; what it then does is waited for.
    clock.advance(Duration::from_secs(1));
    while stats(&store).unsynced_bytes > 0 {
        std::thread::yield_now();
    }
    assert_eq!(found(&disk.after_crash(1), &clock), store.dump().expect("in no transaction"));
}

#[test]
fn a_clock_that_is_set_back_revives_nothing() {
    let day = Duration::from_secs(86_400);
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    let start = clock.now();
    let store = open_on(&disk, &clock).expect("nothing fails");
    store.insert_ex("session", "ann", day / 2).expect("nothing fails");
    store.insert_ex("later", "bob", 2 * day).expect("nothing fails");
    clock.advance(day);
    assert!(!store.contains("session").expect("in no transaction"));
    drop(store);
    let back = ManualClock::starting_at(start);
    let store = open_on(&disk, &back).expect("it is whole");
    assert!(!store.contains("session").expect("in no transaction"));
    assert!(store.contains("later").expect("in no transaction"));
}

#[test]
fn what_is_taken_back_is_not_written() {
    taken_back();
}

pub(super) fn taken_back() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    let store = open_on(&disk, &clock).expect("nothing fails");
    store.insert("name", "ann").expect("nothing fails");
    store.list::<String>("jobs").push_back("write").expect("nothing fails");
    let refused: Result<()> = store.transaction(["name", "jobs"], |tx| {
        tx.insert("name", "bob")?;
        tx.list::<String>("jobs").push_back("forget")?;
        Err(Error::OutOfMemory)
    });
    assert!(refused.is_err());
    store.insert("other", 1).expect("nothing fails");
    assert_eq!(found(&disk, &clock), store.dump().expect("in no transaction"));
    assert_eq!(stats(&store).unsynced_bytes, 0);
}
