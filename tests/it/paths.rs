//! Relative paths: what is given stays what it is, wherever the process goes later.

use std::path::Path;
use std::process::Command;
use std::time::Duration;
use std::{env, fs};

use larder::{ManualClock, Reply, SaveFile, Server, Store};

use crate::support::{Folder, until};

/// Names the folder that the process goes to.
const ELSEWHERE: &str = "LARDER_TEST_ELSEWHERE";

/// In a process of its own, of which no other test needs the working directory.
#[test]
fn a_relative_path_stays_where_it_was_given() {
    if let Some(elsewhere) = env::var_os(ELSEWHERE) {
        return go(elsewhere.as_ref());
    }
    let folder = Folder::new();
    let (here, there) = (folder.join("here"), folder.join("there"));
    for folder in [&here, &there] {
        fs::create_dir(folder).unwrap();
    }
    let mut tests = Command::new(env::current_exe().unwrap());
    tests.args(["--exact", "paths::a_relative_path_stays_where_it_was_given"]);
    let done = tests.current_dir(&here).env(ELSEWHERE, &there).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    let names = |folder: &Path| {
        let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(names(&here), ["again", "behind", "data", "saved"]);
    assert_eq!(names(&there), [""; 0]);
    let store = Store::open(here.join("data")).unwrap();
    assert_eq!(store.get::<String>("name").unwrap().as_deref(), Some("ann"));
}

fn go(elsewhere: &Path) {
    let (minute, clock) = (Duration::from_secs(60), ManualClock::new());
    let store = Store::builder().clock(&clock).open("data").unwrap();
    let again = store.save_every("again", minute).unwrap();
    let behind = store.save_in_background("behind").unwrap();
    let saved = Server::builder().save_to(SaveFile::Snapshot("saved".into()));
    let server = saved.unix_socket("socket").start(&store).unwrap();
    env::set_current_dir(elsewhere).unwrap();
    store.insert("name", "ann").unwrap();
    store.rewrite_journal().unwrap();
    behind.wait().unwrap();
    clock.advance(minute);
    until("save", || again.saves() > 0);
    assert_eq!(store.session().call(["SAVE"]), Reply::OK);
    drop((again, server, store));
}
