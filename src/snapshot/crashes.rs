//! Saving on a disk that fails and crashes: whatever happens, the old file or the new one is there, whole.

use std::io::{ErrorKind, Read, Write};
use std::path::Path;

use proptest::prelude::*;

use super::{Draft, load, save};
use crate::disk::Disk;
use crate::disk::simulated::{Failure, Simulated};
use crate::{Error, Result, SnapshotError, Store, Sweeping};

const KEYS: usize = 20;

fn empty() -> Store {
    Store::builder().shards(2).sweeping(Sweeping::ByHand).build()
}

/// What stands under a key: two hundred bytes that tell the round.
fn value(round: u32, key: usize) -> String {
    format!("{round} {key:0196}")
}

fn save_round(disk: &Simulated, file: &str, round: u32) -> Result<()> {
    let store = empty();
    store.insert_many((0..KEYS).map(|key| (key, value(round, key)))).expect("no limit");
    store.insert("round", round).expect("no limit");
    save(disk, store.space(), Path::new(file), |_| {}).map(drop)
}

/// The round that a file holds, if there is one.
#[track_caller]
fn load_round(disk: &Simulated, file: &str) -> Option<u32> {
    let store = empty();
    match load(disk, store.space(), Path::new(file), |_| {}) {
        Err(error) if is_missing(&error) => return None,
        loaded => loaded.unwrap_or_else(|error| panic!("{error} after\n{disk}")),
    };
    let round = store.get("round").expect("a number").expect("in each round");
    let values = store.get_many::<String>(0..KEYS).expect("text");
    assert!((0..KEYS).all(|key| values[key] == Some(value(round, key))), "{values:?}");
    assert_eq!(store.len().ok(), Some(KEYS + 1));
    Some(round)
}

fn is_missing(error: &Error) -> bool {
    let Error::Snapshot(error) = error else { return false };
    matches!(&**error, SnapshotError::Io { source, .. } if source.kind() == ErrorKind::NotFound)
}

/// Whether a save that gave this may have put the new file in its place.
fn may_be_in_place(error: &Error) -> bool {
    let Error::Snapshot(error) = error else { panic!("{error}") };
    let SnapshotError::Io { action, .. } = &**error else { panic!("{error}") };
    match *action {
        "create" | "write" | "sync" => false,
        "rename to" | "sync the folder of" => true,
        other => panic!("an action that the test does not know: {other}"),
    }
}

/// The rounds that may be found after a save of `new` over `old`.
fn expected(saved: &Result<()>, old: Option<u32>, new: u32) -> Vec<Option<u32>> {
    match saved {
        Ok(()) => vec![Some(new)],
        Err(error) if may_be_in_place(error) => vec![old, Some(new)],
        Err(_) => vec![old],
    }
}

fn names(disk: &Simulated) -> Vec<String> {
    let names = disk.list(Path::new("/")).expect("the root is there");
    names.into_iter().map(|name| name.into_string().expect("text")).collect()
}

/// `PROPTEST_CASES`, or 64.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(64, |cases| cases.parse().expect("PROPTEST_CASES is a number"))
}

const FAILURES: [Failure; 4] = [Failure::Eio, Failure::Enospc, Failure::Short, Failure::Crash];

#[test]
fn any_step_of_a_save_may_fail() {
    for old in [None, Some(1)] {
        let start = || {
            let disk = Simulated::new();
            old.iter().for_each(|round| save_round(&disk, "/file", *round).expect("nothing fails"));
            (disk.steps(), disk)
        };
        let (first, disk) = start();
        save_round(&disk, "/file", 2).expect("nothing fails");
        let steps = disk.steps() - first;
        assert!(steps > 6, "the file is written in several steps:\n{disk}");
        for step in first..first + steps {
            for failure in FAILURES {
                let (_, disk) = start();
                disk.fail_at(step, failure);
                check_save(&disk, old, failure == Failure::Short);
            }
            for failure in [Failure::Eio, Failure::Enospc, Failure::Short] {
                let (_, disk) = start();
                disk.fail_from(step, failure);
                check_save(&disk, old, failure == Failure::Short);
            }
        }
    }
}

/// Saves round 2 over `old` while a step fails, and looks at what there is: at once, and after crashes.
fn check_save(disk: &Simulated, old: Option<u32>, must_succeed: bool) {
    let saved = save_round(disk, "/file", 2);
    assert!(saved.is_ok() || !must_succeed, "{saved:?} after\n{disk}");
    let expected = expected(&saved, old, 2);
    disk.heal();
    let check = |found: &Simulated, seed: Option<u64>| {
        let round = load_round(found, "/file");
        assert!(
            expected.contains(&round),
            "{round:?}, not one of {expected:?}; {seed:?} after {saved:?}\n{disk}"
        );
    };
    let save_again = |found: &Simulated, seed: u64| {
        save_round(found, "/file", 3).expect("nothing fails");
        assert_eq!(names(found), ["file"], "seed {seed} after\n{disk}then\n{found}");
        assert_eq!(
            load_round(&found.after_crash(seed), "/file"),
            Some(3),
            "seed {seed} after\n{disk}then\n{found}"
        );
    };
    for seed in 0..20 {
        let found = disk.after_crash(seed);
        check(&found, Some(seed));
        if seed % 4 == 0 {
            save_again(&found, seed);
        }
    }
    let has_power = disk.list(Path::new("/")).is_ok();
    if has_power {
        check(disk, None);
        save_again(disk, 0);
    }
}

#[test]
fn what_a_draft_holds_back_comes_to_the_disk_or_is_an_error() {
    for failing in [false, true] {
        let disk = Simulated::new();
        save_round(&disk, "/file", 1).expect("nothing fails");
        let mut draft = Draft::create(&disk, Path::new("/file")).expect("nothing fails");
        draft.write_all(b"short").expect("it is not written yet");
        if failing {
            disk.fail_from(disk.steps(), Failure::Enospc);
            let error = draft.commit().expect_err("it cannot be written");
            assert_eq!((error.action, error.source.kind()), ("write", ErrorKind::StorageFull));
            assert_eq!(load_round(&disk, "/file"), Some(1));
        } else {
            draft.commit().expect("nothing fails");
            let mut found = Vec::new();
            disk.after_crash(0)
                .open(Path::new("/file"))
                .and_then(|mut file| file.read_to_end(&mut found))
                .expect("read");
            assert_eq!(found, b"short");
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// Saves to one of the files, while a step fails, that one alone or all from there on.
    Save {
        file: usize,
        failing: Option<(u64, Failure, bool)>,
    },
    Load {
        file: usize,
    },
    PowerCut {
        seed: u64,
    },
}

const FILES: [&str; 2] = ["/file", "/file.old"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let file = 0..FILES.len();
    let failing = (0..16_u64, proptest::sample::select(&FAILURES[..]), any::<bool>());
    let step = prop_oneof![
        6 => (file.clone(), proptest::option::weighted(0.7, failing))
            .prop_map(|(file, failing)| Step::Save { file, failing }),
        1 => file.prop_map(|file| Step::Load { file }),
        2 => any::<u64>().prop_map(|seed| Step::PowerCut { seed }),
    ];
    proptest::collection::vec(step, 1..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn any_history_leaves_a_file_that_was_saved(steps in steps(), last: u64) {
        let mut disk = Simulated::new();
        // What may be found of each file.
        let mut expected = FILES.map(|_| vec![None]);
        for (round, step) in (1..).zip(steps.iter().chain([&Step::PowerCut { seed: last }])) {
            let mut power_cut = None;
            match *step {
                Step::Save { file, failing } => {
                    if let Some((after, failure, is_lasting)) = failing {
                        let step = disk.steps() + after;
                        if is_lasting { disk.fail_from(step, failure) } else { disk.fail_at(step, failure) }
                    }
                    let saved = save_round(&disk, FILES[file], round);
                    disk.heal();
                    match &saved {
                        Ok(()) => expected[file] = vec![Some(round)],
                        Err(error) if may_be_in_place(error) => expected[file].push(Some(round)),
                        Err(_) => {}
                    }
                    power_cut = disk.list(Path::new("/")).is_err().then_some(last ^ u64::from(round));
                }
                Step::Load { file } => {
                    let found = load_round(&disk, FILES[file]);
                    prop_assert!(expected[file].contains(&found), "{:?} of {:?}\n{}", found, expected[file], disk);
                }
                Step::PowerCut { seed } => power_cut = Some(seed),
            }
            if let Some(seed) = power_cut {
                let after = disk.after_crash(seed);
                for (file, expected) in FILES.iter().zip(&mut expected) {
                    let found = load_round(&after, file);
                    prop_assert!(expected.contains(&found), "{:?} of {:?}\n{}", found, expected, disk);
                    *expected = vec![found];
                }
                disk = after;
            }
        }
        FILES.iter().for_each(|file| save_round(&disk, file, 0).expect("nothing fails"));
        prop_assert_eq!(names(&disk), ["file", "file.old"], "{}", disk);
    }
}
