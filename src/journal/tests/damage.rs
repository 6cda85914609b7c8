//! Folders that are not what was written: a journal behind a snapshot. One file by itself, with each kind of change, is damaged in
//! each way through the public interface (`tests/it/journal/damage.rs`).

use std::io::Read;

use super::*;
use crate::journal::log;
use crate::{Error, JournalError};

/// The files of a folder that was closed, with a journal of several records behind a snapshot.
fn files(clock: &ManualClock) -> Vec<(String, Vec<u8>)> {
    let disk = Simulated::new();
    let store = open_on(&disk, clock).expect("nothing fails");
    store.insert("name", "ann").expect("nothing fails");
    store.rewrite_journal().expect("nothing fails");
    store.list::<String>("jobs").extend_back(["a", "b"]).expect("nothing fails");
    store.hash::<String, u32>("cart").insert("apple", 3).expect("nothing fails");
    store.list::<String>("jobs").pop_front().expect("nothing fails");
    drop(store);
    let names = disk.list(Path::new(FOLDER)).expect("it is there");
    let mut names: Vec<String> = names.into_iter().map(|name| name.into_string().expect("text")).collect();
    names.sort();
    names.into_iter().map(|name| (name.clone(), read(&disk, &name))).collect()
}

fn read(disk: &Simulated, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    disk.open(&Path::new(FOLDER).join(name)).expect("it is there").read_to_end(&mut bytes).expect("memory");
    bytes
}

/// A disk with these files.
fn disk_of(files: &[(String, Vec<u8>)]) -> Simulated {
    let disk = Simulated::new();
    disk.create_folder(Path::new(FOLDER)).expect("it is new");
    for (name, bytes) in files {
        let mut file = disk.create(&Path::new(FOLDER).join(name)).expect("it is new");
        std::io::Write::write_all(&mut file, bytes).expect("there is room");
    }
    disk
}

/// The same files, of which one is changed.
fn with_changed(files: &[(String, Vec<u8>)], name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Simulated {
    let mut files = files.to_vec();
    let file = files.iter_mut().find(|(other, _)| other == name).expect("there is such a file");
    change(&mut file.1);
    disk_of(&files)
}

const JOURNAL: &str = "journal-00000001";

#[test]
fn each_bit_of_a_closed_folder_counts() {
    each_bit();
}

pub(super) fn each_bit() {
    let clock = ManualClock::new();
    let files = files(&clock);
    let names: Vec<_> = files.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(names, [JOURNAL, "snapshot-00000001"]);
    let end = files[0].1.len() - (log::PREFIX + 25);
    for (name, bytes) in &files {
        for (at, bit) in (0..bytes.len()).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let disk = with_changed(&files, name, |bytes| bytes[at] ^= 1 << bit);
            let opened = open_on(&disk, &clock);
            // The last mark is no data, and what it says of what comes before it was said for nothing else.
            if name == JOURNAL && at >= end {
                let recovered = stats(&opened.expect("all records are whole")).recovered;
                assert_eq!((recovered.records, recovered.torn_bytes), (3, 33));
                continue;
            }
            let error =
                opened.err().unwrap_or_else(|| panic!("bit {bit} of byte {at} of {name} is passed over"));
            assert!(matches!(error, Error::Journal(_) | Error::Snapshot(_)), "{error}");
        }
    }
}

#[test]
fn a_snapshot_goes_with_its_journal() {
    let clock = ManualClock::new();
    let files = files(&clock);
    for length in 0..log::START {
        let disk = with_changed(&files, JOURNAL, |bytes| bytes.truncate(length));
        let error = open_on(&disk, &clock).map(drop).expect_err("its header is cut off");
        assert!(matches!(error, Error::Journal(_)), "{error}");
    }
    for length in 0..files[1].1.len() {
        let disk = with_changed(&files, "snapshot-00000001", |bytes| bytes.truncate(length));
        assert!(open_on(&disk, &clock).is_err(), "{length} bytes of a snapshot");
    }
}

#[test]
fn records_have_their_place() {
    each_place();
}

pub(super) fn each_place() {
    let clock = ManualClock::new();
    let files = files(&clock);
    let bytes = &files[0].1;
    let mut starts = vec![log::HEADER];
    while let Some(prefix) = starts.last().and_then(|at| bytes.get(*at..*at + 4)) {
        let length = u32::from_le_bytes(prefix.try_into().expect("four bytes")) as usize;
        starts.push(starts.last().expect("the first") + log::PREFIX + length);
    }
    let piece = |at: usize| bytes[starts[at]..starts[at + 1]].to_vec();
    let pieces: Vec<_> = (0..starts.len() - 1).map(piece).collect();
    let of = |order: &[usize]| {
        [bytes[..log::HEADER].to_vec(), order.iter().flat_map(|at| pieces[*at].clone()).collect()].concat()
    };
    let all: Vec<usize> = (0..pieces.len()).collect();
    assert_eq!(of(&all), *bytes);
    let is_refused = |order: &[usize]| {
        let changed = with_changed(&files, JOURNAL, |bytes| *bytes = of(order));
        matches!(open_on(&changed, &clock), Err(Error::Journal(error)) if matches!(*error, JournalError::Damaged { .. }))
    };
    // What stands behind the last record was said when all was there already.
    for at in 0..all.len() - 2 {
        let (mut swapped, mut repeated) = (all.clone(), all.clone());
        swapped.swap(at, at + 1);
        repeated.insert(at, at);
        assert!(is_refused(&repeated), "piece {at} twice");
        assert!(is_refused(&swapped), "pieces {at} and the next exchanged");
    }
}

#[test]
fn another_stores_files_are_refused() {
    let clock = ManualClock::new();
    let [ours, theirs] = [files(&clock), files(&clock)];
    for at in 0..2 {
        let mut mixed = ours.clone();
        mixed[at].1.clone_from(&theirs[at].1);
        assert!(open_on(&disk_of(&mixed), &clock).is_err(), "{}", mixed[at].0);
        let mut missing = ours.clone();
        missing.remove(at);
        assert!(at == 1 || open_on(&disk_of(&missing), &clock).is_err(), "{} is missing", ours[at].0);
    }
}
