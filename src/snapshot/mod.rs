//! Snapshots: all keys of one instant in one file.
//!
//! # The file
//! Integers are little-endian; "varint" is LEB128.
//!
//! - **Header**, 32 bytes: `LARDER\r\n`, format version (u32), the snapshot's id (u64, drawn at random,
//!   whatever the store's seed),
//!   the wall time of its instant (u64, Unix milliseconds), CRC-32 of all that.
//! - **Blocks**, one after the other: payload length (u32, at most 256 KiB), number of the block
//!   (u32), payload, CRC-32 of the id and all that. So a block that was changed, swapped, repeated
//!   or taken from another snapshot is found. A block of length 0 is the last; its number tells how
//!   many there are, and nothing follows it.
//! - **Entries**: the payloads as one stream, see [`entry`]. The first 8 bytes are the number of
//!   entries.
//!
//! Memory while reading is bounded by what was read, never by what a length claims.

mod block;
mod entry;
mod error;
mod file;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::clock::NEVER;
use crate::keyspace::Keyspace;
use crate::keyspace::table::Contents;
use crate::keyspace::writer::Deadline;
use crate::{KeyEvent, Result, rng, trace};

use block::{BlockReader, BlockWriter};
use entry::Entry;
pub(crate) use entry::Moment;
use error::Fault;
pub use error::SnapshotError;
pub(crate) use file::Draft;
#[cfg(feature = "commands")]
pub(crate) use file::FileError;

/// How far a save or load has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Progress {
    /// Keys done.
    pub entries: u64,
    /// Keys to do in all.
    pub total: u64,
    /// Bytes written or read, as the keys were encoded.
    pub bytes: u64,
}

/// Entries between two reports of progress.
const REPORT: u64 = 1024;

/// Writes all keys of one instant to a file: the old file stays whole until the new one is.
pub(crate) fn save(space: &Keyspace, path: &Path, mut report: impl FnMut(Progress)) -> Result<Progress> {
    let (databases, moment) = collect(space)?;
    let draft = Draft::create(path)?;
    let written = write(draft.file(), &databases, moment, &mut report);
    let progress = written.map_err(|error| SnapshotError::io("write", path, error))?;
    draft.commit()?;
    report(progress);
    trace::snapshot("saved", path, progress);
    Ok(progress)
}

/// Writes the contents of tables, without what has expired.
fn write(
    out: impl Write,
    databases: &[(u16, Contents)],
    moment: Moment,
    report: &mut impl FnMut(Progress),
) -> io::Result<Progress> {
    let entries = || {
        let all = databases.iter().flat_map(|(db, contents)| contents.iter().map(|entry| (*db, entry)));
        all.filter(|(_, entry)| !entry.is_expired(|_| moment.now))
    };
    let mut progress = Progress { total: entries().count() as u64, ..Progress::default() };
    let mut blocks = BlockWriter::start(out, rng::unseeded(), moment.wall)?;
    blocks.write_all(&progress.total.to_le_bytes())?;
    for (db, entry) in entries() {
        entry::write(&mut blocks, db, &entry, moment)?;
        progress.entries += 1;
        progress.bytes = blocks.bytes();
        if progress.entries % REPORT == 0 {
            report(progress);
        }
    }
    blocks.finish()?;
    Ok(progress)
}

/// Writes all keys into memory, removes them, and reads them back. O(all data)
#[cfg(feature = "commands")]
pub(crate) fn reload(space: &Keyspace) -> Result<()> {
    let memory = Path::new("memory");
    let (databases, moment) = collect(space)?;
    let mut bytes = Vec::new();
    let written = write(&mut bytes, &databases, moment, &mut |_| {});
    written.map_err(|error| SnapshotError::io("write", memory, error))?;
    drop(databases);
    space.clear(None, 0..space.limits().databases)?;
    read(space, &*bytes, &mut |_| {}).map(drop).map_err(|fault| SnapshotError::of(fault, memory))
}

/// Reads the keys of a file into an empty store.
pub(crate) fn load(space: &Keyspace, path: &Path, mut report: impl FnMut(Progress)) -> Result<Progress> {
    file::collect_leftovers(path);
    let file = File::open(path).map_err(|error| SnapshotError::io("open", path, error))?;
    let progress = read(space, file, &mut report).map_err(|fault| SnapshotError::of(fault, path))?;
    trace::snapshot("loaded", path, progress);
    Ok(progress)
}

fn read(space: &Keyspace, file: impl Read, report: &mut impl FnMut(Progress)) -> Result<Progress, Fault> {
    let mut blocks = BlockReader::start(file)?;
    let mut progress = Progress { total: u64::from_le_bytes(blocks.read_array()?), ..Progress::default() };
    let moment = Moment { wall: space.clock().wall(), now: space.clock().now() };
    while progress.entries < progress.total {
        let entry = Entry::read(&mut blocks, moment, space.limits())?;
        if let Some(entry) = entry {
            if !restore(space, entry).map_err(Fault::Store)? {
                return Err(blocks.damaged("a key occurs twice"));
            }
        }
        progress.entries += 1;
        progress.bytes = blocks.bytes();
        if progress.entries % REPORT == 0 {
            report(progress);
        }
    }
    blocks.finish()?;
    report(progress);
    Ok(progress)
}

/// Puts a key into the store; false if it is there already.
fn restore(space: &Keyspace, entry: Entry) -> Result<bool> {
    let Entry { db, key, value, deadline } = entry;
    let key = space.key_ref(&key);
    let deadline = if deadline == NEVER { Deadline::Clear } else { Deadline::At(deadline) };
    space.write(db, &[key], |writer| {
        if writer.value(key).is_some() {
            return Ok(false);
        }
        writer.set(key, value, deadline, KeyEvent::Restore).map(|_| true)
    })?
}

/// The contents of all tables, with their database, at this instant, and the instant. Writers wait while
/// the tables are shared, which takes a step for each page of keys, and then copy the pages they write to.
pub(crate) fn collect(space: &Keyspace) -> Result<(Vec<(u16, Contents)>, Moment)> {
    let (tables, moment) = space.read_all(|shards| {
        let moment = Moment { wall: space.clock().wall(), now: space.clock().now() };
        let tables = shards.iter().flat_map(|shard| shard.tables());
        (tables.map(|(db, table)| (db, table.contents().clone())).collect::<Vec<_>>(), moment)
    })?;
    if space.caches().has_any() {
        tables.iter().for_each(|(_, contents)| contents.encode_natives());
    }
    Ok((tables, moment))
}
