//! What the simulated disk does while nothing fails, and what it leaves when something does.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

use proptest::prelude::*;

use super::*;
use crate::disk::{Real, create_folders};

#[derive(Debug, Clone)]
enum Step {
    Create(&'static str),
    Write(usize),
    Sync,
    OpenAt(&'static str, u64),
    Rename(&'static str, &'static str),
    Remove(&'static str),
    CreateFolder(&'static str),
    SyncFolder(&'static str),
}

const FILES: [&str; 4] = ["a", "b", "folder/a", "folder/b"];
const FOLDERS: [&str; 3] = ["", "folder", "none"];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let file = || proptest::sample::select(&FILES[..]);
    let folder = || proptest::sample::select(&FOLDERS[..]);
    let pair = |folder: bool| match folder {
        true => ("folder/a", "folder/b"),
        false => ("b", "a"),
    };
    let step = prop_oneof![
        3 => file().prop_map(Step::Create),
        3 => (0..2_000_usize).prop_map(Step::Write),
        2 => Just(Step::Sync),
        2 => (file(), 0..2_000_u64).prop_map(|(file, length)| Step::OpenAt(file, length)),
        2 => any::<bool>().prop_map(move |folder| Step::Rename(pair(folder).0, pair(folder).1)),
        1 => file().prop_map(Step::Remove),
        1 => folder().prop_map(Step::CreateFolder),
        2 => folder().prop_map(Step::SyncFolder),
    ];
    proptest::collection::vec(step, 1..40)
}

/// Takes a step, with the file that was opened last; gives how it ended.
fn take(
    disk: &dyn Disk,
    root: &Path,
    open: &mut Option<Box<dyn DiskFile>>,
    step: &Step,
) -> Result<usize, io::ErrorKind> {
    let at = |name: &str| root.join(name);
    let done = match *step {
        Step::Create(name) => disk.create(&at(name)).map(|file| *open = Some(file)),
        Step::OpenAt(name, length) => disk.open_at(&at(name), length).map(|file| *open = Some(file)),
        Step::Write(length) => {
            let written = open.as_mut().map_or(Ok(0), |file| file.write(&vec![7; length]));
            return written.map_err(|error| error.kind());
        }
        Step::Sync => open.as_mut().map_or(Ok(()), |file| file.sync()),
        Step::Rename(from, to) => disk.rename(&at(from), &at(to)),
        Step::Remove(name) => disk.remove(&at(name)),
        Step::CreateFolder("") => Ok(()),
        Step::CreateFolder(name) => disk.create_folder(&at(name)),
        Step::SyncFolder(name) => disk.sync_folder(&at(name)),
    };
    done.map(|()| 0).map_err(|error| error.kind())
}

fn read(disk: &dyn Disk, path: &Path) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    disk.open(path).ok()?.read_to_end(&mut bytes).expect("it is read");
    Some(bytes)
}

/// All names and what the files hold.
fn picture(disk: &dyn Disk, root: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        for name in disk.list(&root.join(folder)).unwrap_or_default() {
            let path = Path::new(folder).join(name);
            let bytes = if FOLDERS.iter().any(|folder| path == Path::new(folder)) {
                None
            } else {
                read(disk, &root.join(&path))
            };
            found.push((path, bytes));
        }
    }
    found.sort();
    found
}

fn temporary_folder() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let path = env::temp_dir().join(format!("larder-disk-{}-{count}", process::id()));
    fs::create_dir_all(&path).expect("a folder");
    path
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// While nothing fails, it is the machine's disk.
    #[cfg(target_os = "linux")]
    #[test]
    fn it_does_what_a_real_disk_does(steps in steps()) {
        let (real, root) = (Real, temporary_folder());
        let simulated = Simulated::new();
        let (mut open_real, mut open_simulated) = (None, None);
        for step in &steps {
            let expected = take(&real, &root, &mut open_real, step);
            let done = take(&simulated, Path::new("/"), &mut open_simulated, step);
            prop_assert_eq!(done, expected, "{:?}", step);
            let expected = picture(&real, &root);
            prop_assert_eq!(picture(&simulated, Path::new("/")), expected, "{:?}", step);
        }
        fs::remove_dir_all(&root).expect("it is removed");
    }

    /// What is synced, a crash leaves; the rest of a folder may be each state that its steps went through.
    #[test]
    fn a_crash_leaves_what_is_synced(steps in steps(), seed: u64) {
        let disk = Simulated::new();
        let mut open = None;
        // The pictures that a crash can leave of the folder's names, by file.
        let mut allowed: BTreeMap<&str, Vec<bool>> = FILES.map(|name| (name, vec![false])).into();
        let mut has_folder = vec![false];
        for step in &steps {
            let done = take(&disk, Path::new("/"), &mut open, step);
            let names = picture(&disk, Path::new("/"));
            let is_there = |name: &str| names.iter().any(|(path, _)| path == Path::new(name));
            let covers = |name: &str| match *step {
                Step::SyncFolder(folder) => done.is_ok() && Path::new(name).parent() == Some(Path::new(folder)),
                _ => false,
            };
            for (name, allowed) in &mut allowed {
                if covers(name) {
                    allowed.clear();
                }
                allowed.push(is_there(name));
            }
            if covers("folder") {
                has_folder.clear();
            }
            has_folder.push(is_there("folder"));
        }
        let after = disk.after_crash(seed);
        let names = picture(&after, Path::new("/"));
        let is_there = |name: &str| names.iter().any(|(path, _)| path == Path::new(name));
        prop_assert!(has_folder.contains(&is_there("folder")));
        for (name, allowed) in &allowed {
            let has_lost_folder = name.starts_with("folder/") && !is_there("folder");
            prop_assert!(has_lost_folder || allowed.contains(&is_there(name)), "{} after\n{}", name, disk);
        }
    }
}

fn write(disk: &dyn Disk, path: &str, bytes: &[u8]) -> io::Result<Box<dyn DiskFile>> {
    let mut file = disk.create(Path::new(path))?;
    file.write_all(bytes)?;
    Ok(file)
}

fn rename(disk: &dyn Disk, from: &str, to: &str) {
    disk.rename(Path::new(from), Path::new(to)).expect("it is renamed");
}

fn names(disk: &dyn Disk) -> String {
    let names = disk.list(Path::new("/")).expect("the root is there");
    names.iter().map(|name| name.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// All that 200 crashes leave of the root's names.
fn names_after_crashes(disk: &Simulated) -> Vec<String> {
    let found: BTreeSet<_> = (0..200).map(|seed| names(&disk.after_crash(seed))).collect();
    found.into_iter().collect()
}

#[test]
fn a_rename_is_there_or_not() {
    let disk = Simulated::new();
    write(&disk, "/old", b"old").expect("written").sync().expect("synced");
    write(&disk, "/new", b"new").expect("written").sync().expect("synced");
    disk.sync_folder(Path::new("/")).expect("synced");
    rename(&disk, "/new", "/old");
    assert_eq!(names_after_crashes(&disk), ["new old", "old"]);
    for seed in 0..100 {
        let after = disk.after_crash(seed);
        let is_done = names(&after) == "old";
        let expected: &[u8] = if is_done { b"new" } else { b"old" };
        assert_eq!(read(&after, Path::new("/old")).expect("one of both"), expected);
    }
    disk.sync_folder(Path::new("/")).expect("synced");
    assert_eq!(names_after_crashes(&disk), ["old"]);
}

#[test]
fn no_step_is_kept_without_those_before_it() {
    let disk = Simulated::new();
    write(&disk, "/a", b"").expect("written");
    rename(&disk, "/a", "/b");
    rename(&disk, "/b", "/c");
    write(&disk, "/other", b"").expect("written");
    assert_eq!(names_after_crashes(&disk), ["", "a", "a other", "b", "b other", "c", "c other", "other"]);
}

#[test]
fn a_failed_sync_of_a_folder_leaves_it_in_doubt() {
    let disk = Simulated::new();
    write(&disk, "/a", b"").expect("written");
    disk.fail_at(disk.steps(), Failure::Eio);
    assert!(disk.sync_folder(Path::new("/")).is_err());
    disk.sync_folder(Path::new("/")).expect("synced");
    assert_eq!(names_after_crashes(&disk), ["", "a"]);
}

#[test]
fn a_folder_is_as_durable_as_those_above_it() {
    let disk = Simulated::new();
    let (folder, inner) = (Path::new("/folder"), Path::new("/folder/inner"));
    disk.create_folder(folder).expect("created");
    disk.create_folder(inner).expect("created");
    disk.sync_folder(folder).expect("synced");
    let found: BTreeSet<bool> = (0..100).map(|seed| disk.after_crash(seed).list(inner).is_ok()).collect();
    assert_eq!(found.len(), 2, "it is there or not");

    let disk = Simulated::new();
    (0..2).for_each(|_| create_folders(&disk, inner).expect("created"));
    assert!((0..100).all(|seed| disk.after_crash(seed).list(inner).is_ok()));
    assert!(create_folders(&disk, Path::new("/")).is_ok());
}

#[test]
fn steps_fail_as_told() {
    // A creation, two writes, a sync.
    let run = |fail: &dyn Fn(&Simulated)| {
        let disk = Simulated::new();
        fail(&disk);
        let mut file = disk.create(Path::new("/a")).map_err(|error| error.kind())?;
        let written = [file.write(&[1; 10]), file.write(&[2; 10])];
        let written = written.map(|written| written.map_err(|error| error.kind()));
        let synced = file.sync().map_err(|error| error.kind());
        Ok::<_, io::ErrorKind>((written, synced, read(&disk, Path::new("/a")).map(|bytes| bytes.len())))
    };
    use io::ErrorKind::{Other, StorageFull};
    assert_eq!(run(&|_| ()), Ok(([Ok(10), Ok(10)], Ok(()), Some(20))));
    assert_eq!(run(&|disk| disk.fail_at(0, Failure::Eio)), Err(Other));
    let short = |disk: &Simulated| disk.fail_at(1, Failure::Short);
    assert_eq!(run(&short), Ok(([Ok(5), Ok(10)], Ok(()), Some(15))));
    let once = |disk: &Simulated| disk.fail_at(1, Failure::Enospc);
    assert_eq!(run(&once), Ok(([Err(StorageFull), Ok(10)], Ok(()), Some(15))));
    let lasting = |disk: &Simulated| disk.fail_from(2, Failure::Eio);
    assert_eq!(run(&lasting), Ok(([Ok(10), Err(Other)], Err(Other), Some(15))));
    let crash = |disk: &Simulated| disk.fail_at(2, Failure::Crash);
    assert_eq!(run(&crash), Ok(([Ok(10), Err(Other)], Err(Other), None)));
}

#[test]
fn a_step_in_which_the_power_goes_may_be_there() {
    let disk = Simulated::new();
    disk.fail_at(0, Failure::Crash);
    assert!(disk.create(Path::new("/a")).is_err());
    assert!(disk.list(Path::new("/")).is_err() && disk.open(Path::new("/a")).is_err());
    disk.heal();
    assert!(disk.sync_folder(Path::new("/")).is_err(), "the power is gone for good");
    assert_eq!(names_after_crashes(&disk), ["", "a"]);
    assert_eq!(disk.to_string(), "0 create /a: Crash\n");
}
