//! The file of a store's folder.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::BESIDE;
use super::files::{SPELLED_OUT, assert_same, empty, held};
use crate::clock::ManualClock;
use crate::disk::Disk;
use crate::disk::simulated::Simulated;
use crate::{Result, Store, SyncPolicy, journal};

const FOLDER: &str = "/data";

/// Any bytes are an error or keys: as a journal's file, or as a record's under right checksums. What was read takes memory in
/// proportion, and is the same when the journal has begun anew and when what is left of it is read.
pub fn journal(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let file = match choice & 1 {
        0 => bytes.to_vec(),
        _ => journal::sealed(bytes),
    };
    let (clock, disk) = (ManualClock::new(), Simulated::new());
    assert!(put(&disk, &file).is_ok());
    let Ok(store) = open(&disk, &clock) else { return };
    let unused = self::held(&empty(&clock));
    let held = held(&store).saturating_sub(unused);
    assert!(held <= SPELLED_OUT * bytes.len() + BESIDE, "{held} bytes for {}", bytes.len());
    for is_rewritten in [false, true] {
        if is_rewritten {
            let rewritten = store.rewrite_journal();
            assert!(rewritten.is_ok(), "{rewritten:?}");
        }
        match open(&disk.after_crash(0), &clock) {
            Ok(again) => assert_same(&store, &again),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(store.clear_all().is_ok());
    assert_eq!(self::held(&store), unused);
}

/// Has a folder hold a journal's first file.
fn put(disk: &Simulated, file: &[u8]) -> io::Result<()> {
    disk.create_folder(Path::new(FOLDER))?;
    let mut output = disk.create(&Path::new(FOLDER).join(journal::name(0)))?;
    output.write_all(file)?;
    output.sync()?;
    disk.sync_folder(Path::new(FOLDER))
}

/// A store that is kept on that disk, without a thread of its own.
fn open(disk: &Simulated, clock: &ManualClock) -> Result<Store> {
    let store = empty(clock);
    let disk = Arc::new(disk.clone());
    journal::open(store.space(), disk, Path::new(FOLDER), SyncPolicy::Always, None).map(|()| store)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::StreamTrim;
    use crate::fuzzing::files::tests::fill;

    /// A file with each kind of change.
    fn file() -> Vec<u8> {
        let (clock, disk) = (ManualClock::new(), Simulated::new());
        let store = open(&disk, &clock).unwrap();
        fill(&store).unwrap();
        change(&store).unwrap();
        let mut bytes = Vec::new();
        let mut file = disk.open(&Path::new(FOLDER).join(journal::name(0))).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Changes parts of the values.
    fn change(store: &Store) -> Result<()> {
        store.insert("long", "x".repeat(200))?;
        store.string("long").append("y")?;
        let list = store.list::<String>("list");
        list.push_front("c")?;
        list.push_back("d")?;
        list.set(1, "e")?;
        list.trim(0, 2)?;
        list.pop_front()?;
        list.pop_back()?;
        store.set::<u32>("set").insert(3)?;
        store.set::<u32>("set").remove(1)?;
        store.hash::<String, u32>("hash").insert("g", 2)?;
        store.hash::<String, u32>("hash").insert_ex("h", 2, Duration::from_secs(9))?;
        store.sorted_set::<String>("sorted").insert("n", 2.5)?;
        store.sorted_set::<String>("sorted").pop_first()?;
        let stream = store.stream::<String, u32>("stream");
        let id = stream.add([("n", 1)])?;
        stream.add([("n", 2)])?;
        stream.trim(StreamTrim::to_len(2))?;
        stream.group("g").consumer("bob").read(2)?;
        stream.group("g").ack([id])?;
        stream.remove(id)?;
        store.insert("other", 1)?;
        store.expire("other", Duration::from_secs(9))?;
        store.remove("string")?;
        store.swap_databases(0, 1)?;
        store.db(2)?.clear()
    }

    /// All that the records of a file hold, one behind the other.
    fn payloads(file: &[u8]) -> Vec<u8> {
        let (mut rest, mut payloads) = (&file[40..], Vec::new());
        while let Some((length, behind)) = rest.split_first_chunk::<4>() {
            let (payload, behind) = behind[4..].split_at(u32::from_le_bytes(*length) as usize);
            // Marks begin with 255.
            if payload[0] != 255 {
                payloads.extend(payload);
            }
            rest = behind;
        }
        payloads
    }

    proptest! {
        #[test]
        fn journal(
            is_sealed: bool, end in any::<prop::sample::Index>(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let file = file();
            let mut data = match is_sealed {
                false => [&[0][..], &file].concat(),
                true => [&[1][..], &payloads(&file)].concat(),
            };
            for (at, to) in &changes {
                let at = at.index(data.len() - 1);
                data[at + 1] = *to;
            }
            crate::fuzzing::journal(&data);
            crate::fuzzing::journal(&data[..end.index(data.len())]);
        }
    }

    #[test]
    fn records_come_from_behind_right_checksums() {
        let file = file();
        let stores = [file.clone(), journal::sealed(&payloads(&file))].map(|file| {
            let (clock, disk) = (ManualClock::new(), Simulated::new());
            put(&disk, &file).unwrap();
            open(&disk, &clock).unwrap()
        });
        assert_eq!(stores[0].db(1).unwrap().len().unwrap(), 7);
        assert_same(&stores[0], &stores[1]);
    }
}
