//! Saving: the last acknowledged snapshot is there, or the one that was under way, whole.

use std::path::Path;
use std::thread;

use larder::{Error, SnapshotError, Store};

use super::{acknowledge, chance, kill, kills};
use crate::support::Folder;

const FILE: &str = "snapshot";
const ACCOUNTS: usize = 16;
const BALANCE: i64 = 100;
/// Few and long: most of the time goes into writing the file.
const VALUES: usize = 32;
const LENGTH: usize = 30_000;

/// Saves round by round, while another thread moves money; goes on where the one before was killed.
pub fn body(folder: &Path) {
    let path = folder.join(FILE);
    let store = load(&path).unwrap_or_else(|| {
        let store = Store::new();
        (0..ACCOUNTS).for_each(|account| store.insert(account, BALANCE).unwrap());
        store
    });
    let writing = store.clone();
    thread::spawn(move || {
        for round in 0.. {
            let (from, to) = (round % ACCOUNTS, round * 7 % ACCOUNTS);
            let moved = writing.transaction([from, to], |tx| {
                tx.counter(from).decr_by(3)?;
                tx.counter(to).incr_by(3)
            });
            moved.unwrap();
        }
    });
    for round in store.get::<u64>("round").unwrap().unwrap_or_default() + 1.. {
        store.insert("round", round).unwrap();
        store.insert_many((0..VALUES).map(|value| (format!("value:{value}"), text(round, value)))).unwrap();
        store.save(&path).unwrap();
        acknowledge(round);
    }
}

fn text(round: u64, value: usize) -> String {
    format!("{round} {value} {}", "x".repeat(LENGTH))
}

/// The store of a file, if that is there.
fn load(path: &Path) -> Option<Store> {
    match Store::load(path) {
        Ok(store) => Some(store),
        Err(Error::Snapshot(error)) => match *error {
            SnapshotError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound => None,
            error => panic!("{error}"),
        },
        Err(error) => panic!("{error}"),
    }
}

/// The round of a file, which is whole and of one instant; 0 if there is none.
fn round_of(path: &Path) -> u64 {
    let Some(store) = load(path) else { return 0 };
    let round = store.get("round").unwrap().unwrap();
    for value in 0..VALUES {
        assert_eq!(store.get::<String>(format!("value:{value}")).unwrap(), Some(text(round, value)));
    }
    let balances = (0..ACCOUNTS).map(|account| store.get::<i64>(account).unwrap().unwrap());
    assert_eq!(balances.sum::<i64>(), BALANCE * ACCOUNTS as i64);
    assert_eq!(store.len().unwrap(), VALUES + ACCOUNTS + 1);
    round
}

#[test]
fn a_process_killed_while_it_saves_leaves_a_whole_file() {
    let folder = Folder::new();
    let path = folder.join(FILE);
    let (mut last, mut drafts, kills) = (0, 0, kills());
    for number in 0..kills {
        let acknowledged = kill("saving", folder.path(), chance(3) as usize);
        let told = acknowledged.last().map_or(last, |round| round.parse().unwrap());
        drafts += folder.names().iter().filter(|name| *name != FILE).count();
        let round = round_of(&path);
        let what = format!("kill {number}: round {told} was acknowledged, and {round} is there");
        assert!(round == told || round == told + 1, "{what}");
        // A load of a file that is missing collects leftovers too.
        assert_eq!(folder.names().is_empty(), round == 0, "{what}");
        assert!(folder.names().iter().all(|name| name == FILE), "{what}, with {:?}", folder.names());
        last = round;
    }
    eprintln!("{drafts} of {kills} kills came while a file was being written");
    assert!(drafts > 0 || kills < 50, "none of them");
}
