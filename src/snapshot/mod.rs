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
//!   entries. Behind the last, if there are any, the libraries of functions: a count (varint) and the code of each, as a
//!   byte string.
//!
//! Memory while reading is bounded by what was read, never by what a length claims.

pub(crate) mod block;
#[cfg(all(test, not(shuttle)))]
mod crashes;
pub(crate) mod entry;
pub(crate) mod error;
mod file;
pub(crate) mod input;
mod load;
mod picture;

use std::io::{self, Write};
use std::path::Path;

use crate::disk::Disk;
use crate::keyspace::Keyspace;
use crate::sync::Arc;
use crate::{Result, rng, trace};

use block::BlockWriter;
pub(crate) use entry::Moment;
pub use error::SnapshotError;
pub(crate) use file::Draft;
#[cfg(feature = "commands")]
pub(crate) use file::FileError;
#[cfg(feature = "journal")]
pub(crate) use file::SUFFIX as UNFINISHED;
#[cfg(feature = "journal")]
pub(crate) use load::restore_picture;
#[cfg(any(feature = "journal", shuttle))]
pub(crate) use picture::share;
pub(crate) use picture::{Picture, collect};

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
pub(crate) const REPORT: u64 = 1024;

/// Writes all keys of one instant to a file: the old file stays whole until the new one is.
pub(crate) fn save(
    disk: &dyn Disk,
    space: &Keyspace,
    path: &Path,
    mut report: impl FnMut(Progress),
) -> Result<Progress> {
    let picture = collect(space)?;
    let mut draft = Draft::create(disk, path)?;
    let written = write(&mut draft, rng::unseeded(), picture, &mut report);
    let progress = written.map_err(|error| SnapshotError::io("write", path, error))?;
    draft.commit()?;
    report(progress);
    trace::snapshot("saved", path, progress);
    Ok(progress)
}

/// Writes what a picture shows.
fn write(
    out: impl Write,
    id: u64,
    picture: Picture,
    report: &mut impl FnMut(Progress),
) -> io::Result<Progress> {
    let moment = picture.moment;
    let mut progress = Progress { total: picture.count(), ..Progress::default() };
    let mut blocks = BlockWriter::start(out, id, moment.wall)?;
    blocks.write_all(&progress.total.to_le_bytes())?;
    let libraries = Arc::clone(&picture.libraries);
    picture.consume(|db, entry| {
        entry::write(&mut blocks, db, entry, moment)?;
        progress.entries += 1;
        progress.bytes = blocks.bytes();
        if progress.entries % REPORT == 0 {
            report(progress);
        }
        io::Result::Ok(())
    })?;
    let Progress { entries, total, .. } = progress;
    if entries != total {
        // No file that announces others than it holds can be read.
        return Err(io::Error::other(format!("{total} keys were announced, and {entries} written")));
    }
    if !libraries.is_empty() {
        entry::write_libraries(&mut blocks, &libraries)?;
    }
    progress.bytes = blocks.finish()?;
    Ok(progress)
}

/// Writes all keys into memory, removes them, and reads them back. O(all data)
#[cfg(feature = "commands")]
pub(crate) fn reload(space: &Keyspace) -> Result<()> {
    let bytes = to_bytes(space)?;
    space.clear(None, 0..space.limits().databases)?;
    from_bytes(space, &bytes).map(drop)
}

/// All keys of one instant as the content of a file. O(all data)
#[cfg(feature = "commands")]
pub(crate) fn to_bytes(space: &Keyspace) -> Result<Vec<u8>> {
    let picture = collect(space)?;
    let mut bytes = Vec::new();
    let written = write(&mut bytes, rng::unseeded(), picture, &mut |_| {});
    written.map_err(|error| SnapshotError::io("write", Path::new(MEMORY), error))?;
    Ok(bytes)
}

/// Reads the keys of a file's content into an empty store. O(bytes)
#[cfg(feature = "commands")]
pub(crate) fn from_bytes(space: &Keyspace, bytes: &[u8]) -> Result<Progress> {
    let read = load::read(space, bytes, 0, &mut |_| {});
    read.map(|(progress, _)| progress).map_err(|fault| SnapshotError::of(fault, Path::new(MEMORY)))
}

/// A file of these entries, whatever they are, whose checksums are right.
#[cfg(all(any(fuzzing, test), feature = "server"))]
pub(crate) fn sealed(entries: &[u8]) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut blocks = BlockWriter::start(&mut bytes, 0, 0)?;
    blocks.write_all(entries)?;
    blocks.finish()?;
    Ok(bytes)
}

/// What stands in the place of a path where there is none.
#[cfg(feature = "commands")]
const MEMORY: &str = "memory";

/// Reads the keys of a file into an empty store; gives too how many of them have expired since.
pub(crate) fn load(
    disk: &dyn Disk,
    space: &Keyspace,
    path: &Path,
    mut report: impl FnMut(Progress),
) -> Result<(Progress, u64)> {
    file::collect_leftovers(disk, path);
    let file = disk.open(path).map_err(|error| SnapshotError::io("open", path, error))?;
    let (progress, expired) = load::read(space, file, load::threads(space), &mut report)
        .map_err(|fault| SnapshotError::of(fault, path))?;
    trace::snapshot("loaded", path, progress);
    Ok((progress, expired))
}

/// Writes a picture under an id of the caller's, for a journal to go on from.
#[cfg(feature = "journal")]
pub(crate) fn save_picture(
    disk: &dyn Disk,
    path: &Path,
    id: u64,
    picture: Picture,
    report: impl FnMut(Progress),
) -> Result<Progress> {
    let mut draft = Draft::create(disk, path)?;
    let written = write(&mut draft, id, picture, &mut { report });
    let progress = written.map_err(|error| SnapshotError::io("write", path, error))?;
    draft.commit()?;
    Ok(progress)
}
