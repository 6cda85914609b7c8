//! Saving: the old file or the new one, whole; while others write; in the background; again and again.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use larder::{Error, ManualClock, Progress, SnapshotError, Store, Sweeping};

use super::{fill, load_at, millis, snapshot_error};
use crate::support::{Folder, manual_store, picture, until};

/// The error says what could not be done, with which file.
#[track_caller]
fn assert_cannot(error: SnapshotError, expected: &str, file: &Path) {
    let SnapshotError::Io { action, path, source, .. } = &error else { panic!("another error: {error}") };
    assert_eq!(*action, expected);
    assert!(path.to_string_lossy().starts_with(&*file.to_string_lossy()), "{path:?} is not {file:?}");
    assert_eq!(error.to_string(), format!("cannot {action} snapshot {path:?}: {source}"));
}

#[test]
fn a_save_replaces_the_file() {
    let folder = Folder::new();
    let (_clock, store) = manual_store();
    let path = folder.join("snapshot");
    for round in 0..3 {
        store.insert("round", round).unwrap();
        store.save(&path).unwrap();
        assert_eq!(Store::load(&path).unwrap().get::<i32>("round").unwrap(), Some(round));
        assert_eq!(folder.names(), ["snapshot"]);
    }
}

#[test]
fn a_save_that_fails_says_so_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let (_clock, store) = manual_store();
    fill(&store);

    let nowhere = folder.join("missing").join("snapshot");
    assert_cannot(snapshot_error(store.save(&nowhere)), "create", &nowhere);
    let file = folder.join("file");
    fs::write(&file, "not a folder").unwrap();
    assert_cannot(snapshot_error(store.save(file.join("snapshot"))), "create", &file.join("snapshot"));
    let directory = folder.join("directory");
    fs::create_dir(&directory).unwrap();
    assert_cannot(snapshot_error(store.save(&directory)), "rename to", &directory);
    for path in ["", "/", ".."] {
        assert!(store.save(path).is_err(), "{path}");
    }
    assert_eq!(folder.names(), ["directory", "file"]);
    assert_eq!(fs::read(&file).unwrap(), b"not a folder");
}

#[test]
fn the_old_file_survives_a_save_that_fails() {
    let folder = Folder::new();
    let (_clock, store) = manual_store();
    fill(&store);
    let path = folder.join("snapshot");
    store.save(&path).unwrap();
    let old = fs::read(&path).unwrap();
    (0..2_000).for_each(|key| store.insert(key, "value").unwrap());
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        store.save_with(&path, |_| panic!("the report panics, as this test wants it to"))
    }));
    assert!(panicked.is_err());
    assert_eq!(fs::read(&path).unwrap(), old);
    assert_eq!(folder.names(), ["snapshot"], "what was written so far is gone");
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_written_is_an_error() {
    use std::os::unix::fs::PermissionsExt;

    let folder = Folder::new();
    let (_clock, store) = manual_store();
    let path = folder.join("snapshot");
    store.save(&path).unwrap();
    let old = fs::read(&path).unwrap();
    store.insert("k", 1).unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
    // Root may write everywhere.
    if fs::write(folder.join("probe"), "").is_err() {
        assert_cannot(snapshot_error(store.save(&path)), "create", &path);
        assert_eq!(fs::read(&path).unwrap(), old);
        assert_eq!(folder.names(), ["snapshot"]);
    }
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
}

/// No process has this number.
#[cfg(target_os = "linux")]
const DEAD: u32 = 4_000_000_000;

/// A file that was last written so long ago.
#[cfg(target_os = "linux")]
fn write_before(path: &Path, age: Duration) {
    let file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
fn leftovers_of_dead_processes_are_collected_and_nothing_else() {
    let folder = Folder::new();
    let (_clock, store) = manual_store();
    let path = folder.join("snapshot");
    (0..1_500).for_each(|key| store.insert(key, "value").unwrap());
    let mut here = String::new();
    let saved = store.save_with(&path, |progress| {
        if progress.entries < progress.total {
            here = folder.names().pop().unwrap_or_default();
        }
    });
    saved.unwrap();
    let own = std::process::id();
    let here = here.strip_prefix("snapshot.").and_then(|rest| rest.split_once('-')).unwrap().0;
    let dead = [
        format!("snapshot.{here}-{DEAD}-0.saving"),
        format!("snapshot.{here}-{own}-ffffffffffffffff.saving"),
    ];
    // Of containers that share the folder: their processes are not seen from here, only how old a file is.
    let elsewhere = |age: &str| [DEAD, own].map(|process| format!("snapshot.7-{process}-{age}.saving"));
    let (old, fresh) = (elsewhere("0"), elsewhere("1"));
    let others = [
        format!("snapshot.{here}-1-0.saving"),
        format!("snapshot.{here}-{DEAD}-0.saved"),
        format!("snapshot.{here}-{DEAD}-draft.saving"),
        format!("snapshot.{here}-{DEAD}.saving"),
        format!("snapshot.{DEAD}-0.saving"),
        format!("snapshot.old.{here}-{DEAD}-0.saving"),
        format!("snapshot-{here}-{DEAD}-0.saving"),
        format!("other.{here}-{DEAD}-0.saving"),
        format!("snapshot.{here}-notes-0.saving"),
        "snapshot.saving".to_owned(),
    ];
    let mut left: Vec<_> = others.iter().chain(&fresh).cloned().chain(["snapshot".to_owned()]).collect();
    left.sort();
    let save = || store.save(&path).map(drop);
    let load = || Store::load(&path).map(drop);
    for collect in [&save as &dyn Fn() -> Result<(), Error>, &load] {
        old.iter().chain(&others).for_each(|name| write_before(&folder.join(name), millis(3_700_000)));
        dead.iter().chain(&fresh).for_each(|name| write_before(&folder.join(name), millis(3_500_000)));
        collect().unwrap();
        assert_eq!(folder.names(), left);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_draft_under_way_is_not_collected_however_old_it_is() {
    let folder = Folder::new();
    let (_clock, store) = manual_store();
    (0..1_500).for_each(|key| store.insert(key, "value").unwrap());
    let path = folder.join("snapshot");
    let mut names = Vec::new();
    let saved = store.save_with(&path, |progress| {
        if progress.entries < progress.total {
            names = folder.names();
            write_before(&folder.join(&names[0]), millis(100_000_000));
            store.save(&path).unwrap();
        }
    });
    saved.unwrap();
    let [name] = &names[..] else { panic!("one draft, and not {names:?}") };
    let draft = name.split_once(&format!("-{}-", std::process::id()));
    let number = draft.and_then(|(_, draft)| draft.strip_suffix(".saving")).unwrap();
    assert!(u64::from_str_radix(number, 16).unwrap() > 1 << 20, "{number} is not drawn at random");
    assert_eq!(folder.names(), ["snapshot"]);
}

#[test]
fn a_name_may_be_as_long_as_the_file_system_takes() {
    let folder = Folder::new();
    let (_clock, store) = manual_store();
    store.insert("k", 1).unwrap();
    // Of one byte and of three to a letter.
    for name in ["x".repeat(199), "x".repeat(200), "x".repeat(230), "x".repeat(255), "\u{20ac}".repeat(85)] {
        let path = folder.join(&name);
        store.save(&path).unwrap();
        assert_eq!(Store::load(&path).unwrap().get::<i32>("k").unwrap(), Some(1));
        assert_eq!(folder.names(), [name]);
        fs::remove_file(&path).unwrap();
    }
    #[cfg(target_os = "linux")]
    {
        let name = "x".repeat(250);
        write_before(&folder.join(&format!("{}.7-{DEAD}-0.saving", &name[..200])), millis(3_700_000));
        store.save(folder.join(&name)).unwrap();
        assert_eq!(folder.names(), [name]);
    }
}

#[test]
fn each_snapshot_has_an_id_of_its_own_whatever_the_seed() {
    let folder = Folder::new();
    let path = folder.join("snapshot");
    let ids = [0; 8].map(|_| {
        let store = Store::builder().clock(ManualClock::new()).sweeping(Sweeping::ByHand).seed(7).build();
        store.save(&path).unwrap();
        fs::read(&path).unwrap()[12..20].to_vec()
    });
    let different: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(different.len(), ids.len(), "{ids:?}");
}

#[test]
fn saves_to_one_file_do_not_disturb_each_other() {
    let folder = Folder::new();
    let (clock, store) = manual_store();
    (0..1_500).for_each(|key| store.insert(key, "value").unwrap());
    let path = folder.join("snapshot");
    fs::create_dir(folder.join("sub")).unwrap();
    let same = folder.join("sub").join("..").join("snapshot");
    // One save within another, under another name of the file.
    store.save_with(&path, |_| store.save(&same).map(drop).unwrap()).unwrap();
    thread::scope(|scope| {
        for path in [&path, &same, &path, &same] {
            let store = &store;
            scope.spawn(move || (0..3).for_each(|_| store.save(path).map(drop).unwrap()));
        }
    });
    let (_clock, loaded) = load_at(&path, clock.now());
    assert_eq!(picture(&loaded), picture(&store));
    assert_eq!(folder.names(), ["snapshot", "sub"]);
}

#[test]
fn progress_is_reported_and_the_store_is_free_meanwhile() {
    let folder = Folder::new();
    let path = folder.join("snapshot");
    let (_clock, store) = manual_store();
    (0..5_000).for_each(|key| store.insert(key, "value").unwrap());
    let mut reports: Vec<Progress> = Vec::new();
    let done = store.save_with(&path, |progress| {
        store.insert("during", 1).unwrap();
        reports.push(progress);
    });
    check_reports(&reports, done.unwrap());
    let mut reports = Vec::new();
    let loaded = Store::builder().load_with(&path, |progress| reports.push(progress)).unwrap();
    check_reports(&reports, *reports.last().unwrap());
    assert_eq!(loaded.len().unwrap(), 5_000, "what came during the save is not of its instant");
}

#[track_caller]
fn check_reports(reports: &[Progress], done: Progress) {
    let entries: Vec<_> = reports.iter().map(|progress| progress.entries).collect();
    assert_eq!(entries, [1024, 2048, 3072, 4096, 5000]);
    assert!(reports.iter().all(|progress| progress.total == 5000));
    assert!(reports.windows(2).all(|pair| pair[0].bytes < pair[1].bytes));
    assert_eq!(reports.last(), Some(&done));
}

#[test]
fn a_save_in_the_background_shows_how_far_it_is() {
    let folder = Folder::new();
    let path = folder.join("snapshot");
    let (clock, store) = manual_store();
    (0..20_000).for_each(|key| store.insert(key, "value").unwrap());
    let saving = store.save_in_background(&path).unwrap();
    let mut last = saving.progress();
    while !saving.is_finished() {
        let progress = saving.progress();
        assert!(progress.entries >= last.entries && progress.entries <= 20_000, "{last:?} {progress:?}");
        assert!(progress.total == 0 || progress.total == 20_000);
        last = progress;
        thread::yield_now();
    }
    let last = saving.progress();
    let done = saving.wait().unwrap();
    assert_eq!((done.entries, done), (20_000, last));
    let (_clock, loaded) = load_at(&path, clock.now());
    assert_eq!(loaded.len().unwrap(), 20_000);

    let failed = store.save_in_background(folder.join("missing").join("snapshot")).unwrap();
    assert!(matches!(failed.wait(), Err(Error::Snapshot(_))));
}

#[test]
fn each_snapshot_is_of_one_instant() {
    const ACCOUNTS: usize = 16;
    let folder = Folder::new();
    let path = folder.join("snapshot");
    let store = Store::builder().shards(8).build();
    let accounts: Vec<String> = (0..ACCOUNTS).map(|n| format!("account:{n}")).collect();
    accounts.iter().for_each(|account| store.insert(account, 100).unwrap());
    // Moved from end to end of a list, in one step each; a turn is seen half done nowhere.
    let ring = store.list::<usize>("ring");
    ring.extend_back((0..1_000).collect::<Vec<_>>()).unwrap();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for seed in 0..2_usize {
            let (store, accounts, over) = (&store, &accounts, &over);
            scope.spawn(move || {
                let mut round = seed;
                while !over.load(Ordering::Relaxed) {
                    round += 1;
                    let (from, to) = (&accounts[round * 7 % ACCOUNTS], &accounts[round * 3 % ACCOUNTS]);
                    let moved = store.transaction([from.as_str(), to, "ring"], |tx| {
                        tx.counter(from).decr_by(3)?;
                        tx.list::<usize>("ring").move_to("ring", larder::End::Front, larder::End::Back)?;
                        tx.counter(to).incr_by(3)
                    });
                    moved.unwrap();
                }
            });
        }
        let _stop = SetOnDrop(&over);
        for _ in 0..10 {
            store.save(&path).unwrap();
            let loaded = Store::load(&path).unwrap();
            let balances = loaded.get_many::<i64>(&accounts).unwrap();
            let sum: i64 = balances.iter().flatten().sum();
            let ring = loaded.list::<usize>("ring").to_vec().unwrap();
            assert_eq!((sum, ring.len()), (100 * ACCOUNTS as i64, 1_000), "{balances:?}");
            let is_turned = |at: usize| ring[at] == (ring[0] + at) % 1_000;
            assert!((0..1_000).all(is_turned), "the ring is broken");
        }
    });
}

/// Ends the threads of a test, also when it fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn saving_again_and_again_goes_by_the_clock() {
    let folder = Folder::new();
    let (clock, store) = manual_store();
    let path = folder.join("snapshot");
    let autosave = store.save_every(&path, millis(10_000)).unwrap();
    for round in 1..=3 {
        store.insert("round", round).unwrap();
        clock.advance(millis(9_999));
        assert_eq!(autosave.saves(), round - 1);
        clock.advance(millis(1));
        until("a save", || autosave.saves() == round);
        let (_clock, loaded) = load_at(&path, clock.now());
        assert_eq!(loaded.get::<u64>("round").unwrap(), Some(round));
        assert!(autosave.take_error().is_none());
    }
    drop(autosave);
    clock.advance(millis(100_000));
    let (_clock, loaded) = load_at(&path, clock.now());
    assert_eq!(loaded.get::<u64>("round").unwrap(), Some(3));
}

#[test]
fn a_periodic_save_that_fails_is_told_and_tried_again() {
    let folder = Folder::new();
    let (clock, store) = manual_store();
    let path = folder.join("missing").join("snapshot");
    let autosave = store.save_every(&path, millis(1_000)).unwrap();
    clock.advance(millis(1_000));
    let mut error = None;
    until("an error", || {
        error = autosave.take_error();
        error.is_some()
    });
    assert_cannot(snapshot_error(error.map_or(Ok(()), Err)), "create", &path);
    assert!(autosave.take_error().is_none(), "it was taken");
    assert_eq!(autosave.saves(), 0);
    fs::create_dir(folder.join("missing")).unwrap();
    clock.advance(millis(1_000));
    until("a save", || autosave.saves() == 1);
    assert!(autosave.take_error().is_none());
    assert!(path.exists());
}

#[test]
fn an_autosave_ends_with_its_handle_and_not_before_a_save_is_whole() {
    let folder = Folder::new();
    let path = folder.join("snapshot");
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).build();
    (0..5_000).for_each(|key| store.insert(key, "value").unwrap());
    for every in [Duration::ZERO, millis(1), Duration::MAX] {
        let autosave = store.save_every(&path, every).unwrap();
        clock.advance(millis(5));
        drop(autosave);
    }
    if path.exists() {
        assert_eq!(Store::load(&path).unwrap().len().unwrap(), 5_000);
        assert_eq!(folder.names(), ["snapshot"]);
    }
}

#[test]
fn an_autosave_dropped_in_a_transaction_does_not_wait_for_itself() {
    let folder = Folder::new();
    let (clock, store) = manual_store();
    let autosave = store.save_every(folder.join("snapshot"), millis(1)).unwrap();
    let inside = |_: &larder::Tx| {
        clock.advance(millis(1));
        // Time for its thread to come to the locks.
        (0..10_000).for_each(|_| thread::yield_now());
        drop(autosave);
        Ok::<_, Error>(())
    };
    store.transaction(["k"], inside).unwrap();
}
