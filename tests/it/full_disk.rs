//! Writing where there is no room: an error that says so, the old file whole, and nothing left behind.
//!
//! The disk is a small one in memory, mounted in a namespace of its own for a child, which is this binary once more. Where
//! the system lets nobody do that, the test says so and ends.

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::{env, fs};

use larder::{Error, SnapshotError, Store};

use crate::support::Folder;

const FOLDER: &str = "LARDER_FULL_DISK";
/// Of the disk, in bytes.
const SIZE: usize = 256 << 10;
/// By which files grow there, in bytes.
const PAGE: usize = 4 << 10;
/// How a test's process ends when the test fails.
const FAILED: i32 = 101;

#[test]
fn what_has_no_room_is_an_error_and_the_old_file_stays() {
    let folder = Folder::new();
    let script = format!("mount -t tmpfs -o size={SIZE} tmpfs \"$0\" && exec \"$@\"");
    let ended = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", &script])
        .arg(folder.path())
        .arg(env::current_exe().unwrap())
        .args(["--exact", "full_disk::inside", "--ignored", "--nocapture"])
        .env(FOLDER, folder.path())
        .output();
    let ended =
        ended.map(|output| (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()));
    match ended {
        Ok((Some(0), _)) => {}
        Ok((Some(FAILED) | None, said)) => panic!("{said}"),
        cannot => eprintln!("not tried, no small disk can be mounted here: {cannot:?}"),
    }
}

/// Not a test: what is done on the small disk.
#[test]
#[ignore = "it is run on a small disk"]
fn inside() {
    let Some(folder) = env::var_os(FOLDER) else { return };
    save_with_any_room(Path::new(&folder));
    #[cfg(feature = "journal")]
    write_until_it_is_full(Path::new(&folder));
}

/// The journal says that nothing more is written, and what was acknowledged is there when there is room again.
#[cfg(feature = "journal")]
fn write_until_it_is_full(folder: &Path) {
    let within = folder.join("store");
    let open = || Store::builder().sync_policy(larder::SyncPolicy::Always).open(&within);
    let store = open().unwrap();
    let rounds = |store: &Store| store.list::<String>("rounds").to_vec().unwrap();
    let push = |text: String| store.list::<String>("rounds").push_back(&text);
    let refused = (0_u64..).map(text).find_map(|text| push(text).err()).unwrap();
    assert!(matches!(refused, Error::Journal(_)), "{refused}");
    assert!(refused.to_string().contains("No space left on device"), "{refused}");
    assert!(store.insert("more", 1).is_err());
    // The last of them was refused, and is there in memory.
    let acknowledged = rounds(&store).len() - 1;
    drop(store);
    fs::remove_file(folder.join("snapshot")).unwrap();
    let store = open().unwrap();
    let rounds = store.list::<String>("rounds").to_vec().unwrap();
    assert!(
        rounds.len() >= acknowledged && rounds.len() <= acknowledged + 1,
        "{} of {acknowledged}",
        rounds.len()
    );
    assert!((0_u64..).zip(rounds).all(|(round, found)| found == text(round)));
    store.insert("more", 1).unwrap();
}

fn save_with_any_room(folder: &Path) {
    let path = folder.join("snapshot");
    let store = Store::new();
    let mut round = 0_u64;
    let mut save = || {
        round += 1;
        store.insert_many((0..10).map(|key| (key, text(round)))).unwrap();
        (round, store.save(&path))
    };
    let mut last = save().0;
    let (mut saved, mut refused) = (0, 0);
    for room in (0..SIZE / PAGE).rev() {
        let ballast = folder.join("ballast");
        fs::write(&ballast, vec![0; fill(folder, room)]).unwrap();
        match save() {
            (round, Ok(_)) => {
                last = round;
                saved += 1;
            }
            (_, Err(error)) => {
                assert_is_full(error);
                refused += 1;
            }
        }
        assert_eq!(names(folder), ["ballast", "snapshot"], "with {room} pages of room");
        let loaded = Store::load(&path).unwrap();
        for key in 0..10 {
            assert_eq!(loaded.get::<String>(key).unwrap(), Some(text(last)), "with {room} pages of room");
        }
        fs::remove_file(ballast).unwrap();
    }
    assert!(saved > 0 && refused > 10, "{saved} were saved, {refused} were refused");
    save().1.unwrap();
}

/// As long in each round.
fn text(round: u64) -> String {
    format!("{round:06000}")
}

/// How many bytes leave so many pages of room, or none if there are not as many.
fn fill(folder: &Path, room: usize) -> usize {
    let used = names(folder).into_iter().map(|name| fs::metadata(folder.join(name)).unwrap().len());
    let used: usize = used.map(|bytes| (bytes as usize).next_multiple_of(PAGE)).sum();
    (SIZE - used).saturating_sub(room * PAGE)
}

fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
    names.sort();
    names
}

#[track_caller]
fn assert_is_full(error: Error) {
    let Error::Snapshot(error) = error else { panic!("{error}") };
    let SnapshotError::Io { source, .. } = *error else { panic!("{error}") };
    assert_eq!(source.kind(), ErrorKind::StorageFull);
}
