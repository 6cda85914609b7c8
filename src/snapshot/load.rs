//! Reading a snapshot into a store: the caller's thread reads, checks and decodes, others put in place.
//!
//! Each of those has shards of its own, so that the keys of a shard come in the file's order however the threads run: a
//! store with a seed comes out the same each time.

use std::io::Read;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{Builder, Scope, ScopedJoinHandle, scope};
use std::{mem, panic, thread};

use super::block::{BlockReader, MORE};
use super::entry::{Entry, Moment, Reader};
use super::error::Fault;
use super::input::Input;
use super::{Progress, REPORT};
use crate::clock::NEVER;
use crate::key::KeyRef;
use crate::keyspace::writer::Deadline;
use crate::keyspace::{Keyspace, Limits};
use crate::{Bytes, KeyEvent, TINY};

/// More threads than this would wait for the one that reads.
const THREADS: usize = 4;
/// Fewer entries than this are in place before a thread has started.
const FEW: u64 = if TINY { 16 } else { 4096 };
/// Entries that are handed over at once, and how many times as many may wait for a thread.
const BATCH: usize = if TINY { 4 } else { 256 };
const WAITING: usize = 4;

/// How many threads may put entries in place beside the one that reads. None in a store with a limit: what is evicted there,
/// and told to the caller's listener, hangs on the order in all shards.
pub(super) fn threads(space: &Keyspace) -> usize {
    if cfg!(shuttle) || space.is_bounded() {
        return 0;
    }
    let cores = thread::available_parallelism().map_or(1, usize::from);
    // One core has nothing to do beside the other.
    if cores == 1 { 0 } else { cores.min(THREADS) }
}

/// Reads all entries into an empty store, with so many threads more, or fewer if there can be no more. Gives too how many of
/// them have expired since.
pub(super) fn read(
    space: &Keyspace,
    file: impl Read,
    threads: usize,
    report: &mut impl FnMut(Progress),
) -> Result<(Progress, u64), Fault> {
    let mut blocks = BlockReader::start(file)?;
    let total = u64::from_le_bytes(blocks.read_array()?);
    let threads = if total < FEW { 0 } else { threads };
    scope(|scope| {
        let lanes = (0..threads).map_while(|_| Lane::start(scope, space).ok()).collect();
        let mut places = Places { space, lanes };
        let decoded = decode(&mut blocks, total, &mut places, report);
        // What could not be put in place lies before what could not be decoded.
        places.finish()?;
        let (progress, expired) = decoded?;
        let libraries = libraries(&mut blocks, space.limits_of_files())?;
        blocks.finish()?;
        space.put_libraries(libraries.into());
        report(progress);
        Ok((progress, expired))
    })
}

/// Puts all keys of a file in place, those too that have expired since; gives their number, the file's length, and the wall time
/// of its instant.
#[cfg(feature = "journal")]
pub(crate) fn restore_picture(
    disk: &dyn crate::disk::Disk,
    path: &std::path::Path,
    id: u64,
    limits: Limits,
    store: &mut crate::keyspace::restore::Restoring<'_>,
) -> crate::Result<(Progress, u64)> {
    super::file::collect_leftovers(disk, path);
    let file = disk.open(path).map_err(|error| super::SnapshotError::io("open", path, error))?;
    let restore = || {
        let mut blocks = BlockReader::start(file)?;
        if blocks.id() != id {
            return Err(Fault::NotASnapshot);
        }
        let total = u64::from_le_bytes(blocks.read_array()?);
        for _ in 0..total {
            let entry = Entry::read(&mut blocks, Moment::WALL, limits)?;
            let Some(Entry { db, key, value, deadline }) = entry else { continue };
            if store.put(db, &key, value, deadline)? {
                return Err(blocks.damaged("a key occurs twice"));
            }
        }
        let libraries = libraries(&mut blocks, limits)?;
        let (bytes, taken_at) = (blocks.bytes(), blocks.taken_at);
        blocks.finish()?;
        store.put_libraries(libraries);
        Ok((Progress { entries: total, total, bytes }, taken_at))
    };
    restore().map_err(|fault: Fault| super::SnapshotError::of(fault, path))
}

/// Reads the libraries behind the entries, if there are any.
fn libraries(blocks: &mut BlockReader<impl Read>, limits: Limits) -> Result<Vec<Bytes>, Fault> {
    if !blocks.has_more()? {
        return Ok(Vec::new());
    }
    let codes = Reader { input: &mut *blocks, limits }.libraries()?;
    if codes.is_empty() { Err(blocks.damaged(MORE)) } else { Ok(codes) }
}

/// Reads entries until the last, or until one could not be put in place; gives how many of them have expired too.
fn decode(
    blocks: &mut BlockReader<impl Read>,
    total: u64,
    places: &mut Places<'_, '_>,
    report: &mut impl FnMut(Progress),
) -> Result<(Progress, u64), Fault> {
    let space = places.space;
    let (mut progress, mut expired) = (Progress { total, ..Progress::default() }, 0);
    let moment = Moment::of(space.clock());
    while progress.entries < progress.total {
        let entry = Entry::read(blocks, moment, space.limits_of_files())?;
        if let Some(entry) = entry {
            let hash = space.key_ref(&entry.key).hash;
            if !places.put(Found { entry, hash, at: blocks.at() })? {
                break;
            }
        } else {
            expired += 1;
        }
        progress.entries += 1;
        progress.bytes = blocks.bytes();
        if progress.entries % REPORT == 0 {
            report(progress);
        }
    }
    Ok((progress, expired))
}

/// An entry of a file.
struct Found {
    entry: Entry,
    /// Of its key.
    hash: u64,
    /// Where the block that it ends in begins.
    at: u64,
}

/// Where entries go.
struct Places<'s, 'e> {
    space: &'e Keyspace,
    /// None if they are put in place here.
    lanes: Vec<Lane<'s>>,
}

/// A thread that puts the entries of some shards in place, until one cannot be.
struct Lane<'s> {
    batch: Vec<Found>,
    batches: SyncSender<Vec<Found>>,
    thread: ScopedJoinHandle<'s, Result<(), (u64, Fault)>>,
}

impl Places<'_, '_> {
    /// Puts an entry in place, or has it done; false if another one could not be.
    fn put(&mut self, found: Found) -> Result<bool, Fault> {
        let lanes = self.lanes.len().max(1);
        match self.lanes.get_mut(self.space.shard_of(found.hash) as usize % lanes) {
            Some(lane) => Ok(lane.put(found)),
            None => place(self.space, found).map(|()| true),
        }
    }

    /// Waits until all are in place; gives what is wrong with the first that cannot be.
    fn finish(self) -> Result<(), Fault> {
        let faults: Vec<_> = self.lanes.into_iter().filter_map(|lane| lane.finish().err()).collect();
        let first = faults.into_iter().min_by_key(|(at, _)| *at);
        first.map_or(Ok(()), |(_, fault)| Err(fault))
    }
}

impl<'s> Lane<'s> {
    fn start<'e: 's>(scope: &'s Scope<'s, 'e>, space: &'e Keyspace) -> std::io::Result<Self> {
        let (batches, waiting) = sync_channel::<Vec<Found>>(WAITING);
        let work = move || {
            for found in waiting.into_iter().flatten() {
                let at = found.at;
                place(space, found).map_err(|fault| (at, fault))?;
            }
            Ok(())
        };
        let thread = Builder::new().name("larder-load".into()).spawn_scoped(scope, work)?;
        Ok(Lane { batch: Vec::with_capacity(BATCH), batches, thread })
    }

    fn put(&mut self, found: Found) -> bool {
        self.batch.push(found);
        self.batch.len() < BATCH
            || self.batches.send(mem::replace(&mut self.batch, Vec::with_capacity(BATCH))).is_ok()
    }

    fn finish(self) -> Result<(), (u64, Fault)> {
        let Lane { batch, batches, thread } = self;
        // Nobody takes it from a lane that has met a fault, which is told then.
        let _ = batches.send(batch);
        drop(batches);
        thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
    }
}

/// Puts a key into the store.
fn place(space: &Keyspace, found: Found) -> Result<(), Fault> {
    let Found { entry: Entry { db, key, value, deadline }, hash, at } = found;
    let key = KeyRef { bytes: &key, hash };
    let deadline = if deadline == NEVER { Deadline::Clear } else { Deadline::At(deadline) };
    space.write_one(db, key, |writer, key| {
        if writer.value(key).is_some() {
            return Ok(Err(Fault::Damaged { at, what: "a key occurs twice" }));
        }
        if space.takes_files() {
            writer.admit_all();
        }
        writer.set(key, value, deadline, KeyEvent::Restore).map(Ok)
    })?
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use proptest::prelude::*;

    use super::super::{Picture, collect, write};
    use super::*;
    use crate::Store;

    fn seeded() -> Store {
        Store::builder().seed(7).shards(8).build()
    }

    fn file(picture: Picture) -> Vec<u8> {
        let mut bytes = Vec::new();
        write(&mut bytes, 1, picture, &mut |_| {}).unwrap();
        bytes
    }

    /// What stands in each table, in its order.
    fn tables(store: &Store) -> Vec<(u16, Vec<(Bytes, u64)>)> {
        let names = |contents: &crate::keyspace::table::Contents| {
            contents.iter().map(|entry| (Bytes::from(entry.key), entry.deadline)).collect()
        };
        let picture = collect(store.space()).unwrap();
        picture.tables.iter().map(|table| (table.db, names(&table.contents))).collect()
    }

    fn loaded(bytes: &[u8], threads: usize) -> Result<Store, Fault> {
        let store = seeded();
        read(store.space(), bytes, threads, &mut |_| {})?;
        Ok(store)
    }

    proptest! {
        #[test]
        fn a_store_is_the_same_however_many_threads_load_it(
            keys in prop::collection::vec((0u16..3, any::<u16>()), 0..400),
            threads in 1usize..5,
        ) {
            let store = seeded();
            for (db, key) in keys {
                store.db(db).unwrap().insert(key, "value").unwrap();
            }
            let bytes = file(collect(store.space()).unwrap());
            let (one, several) = (loaded(&bytes, 0).unwrap(), loaded(&bytes, threads).unwrap());
            prop_assert_eq!(tables(&one), tables(&several));
        }
    }

    #[test]
    fn the_first_fault_of_a_file_is_told_however_many_threads_load_it() {
        let store = seeded();
        for key in 0..100 {
            store.insert(key, vec![b'v'; 10_000]).unwrap();
        }
        let picture = || collect(store.space()).unwrap();
        // All keys, and then all once more.
        let mut twice = picture();
        twice.tables.extend(picture().tables);
        twice.count = None;
        let mut bytes = file(twice);
        bytes.truncate(bytes.len() - 100);
        let fault = |threads| format!("{:?}", loaded(&bytes, threads).err());
        assert!(fault(0).contains("a key occurs twice"), "{}", fault(0));
        for threads in 1..5 {
            assert_eq!(fault(threads), fault(0), "{threads} threads");
        }
    }

    #[test]
    fn what_announces_others_than_it_holds_is_no_file() {
        let store = seeded();
        (0..10).for_each(|key| store.insert(key, "value").unwrap());
        for announced in [9, 11] {
            let mut picture = collect(store.space()).unwrap();
            picture.count = Some(announced);
            let refused = write(&mut Vec::new(), 1, picture, &mut |_| {}).map_err(|error| error.to_string());
            let expected = format!("{announced} keys were announced, and 10 written");
            assert_eq!(refused.err(), Some(expected));
        }
    }

    #[test]
    fn what_was_written_since_is_not_in_a_picture_that_lets_go_of_its_pages() {
        let store = seeded();
        (0..2_000).for_each(|key| store.insert(key, "before").unwrap());
        let before = tables(&store);
        let picture = collect(store.space()).unwrap();
        let mut bytes = Vec::new();
        // Each time that something is reported, more than was written is changed.
        write(&mut bytes, 1, picture, &mut |_| {
            (0..2_000).for_each(|key| store.insert(key, "after").unwrap());
            (0..500).for_each(|key| assert!(store.remove(key).is_ok()));
        })
        .unwrap();
        let loaded = loaded(&bytes, 0).unwrap();
        // What was written to meanwhile comes first in its table.
        let sorted = |mut tables: Vec<(u16, Vec<(Bytes, u64)>)>| {
            tables.iter_mut().for_each(|(_, names)| names.sort_unstable());
            tables
        };
        assert_eq!(sorted(tables(&loaded)), sorted(before));
        let values = loaded.get_many::<String>(0..2_000).unwrap();
        assert!(values.iter().all(|value| value.as_deref() == Some("before")));
    }
}
