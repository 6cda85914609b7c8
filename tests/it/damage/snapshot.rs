//! Snapshots, as their format is described: a header of 32 bytes, and numbered blocks.

use std::fs;
use std::ops::Range;

use larder::{Error, ManualClock, SnapshotError, Store, Sweeping};

use super::{Format, parts_behind, seal_header};
use crate::support::Folder;

pub const HEADER: usize = 32;
pub const BLOCK: usize = 256 << 10;
/// The magic word.
const MAGIC: usize = 8;
/// A block's length and number, and its checksum.
const BEFORE: usize = 8;
const BEHIND: usize = 4;

/// Snapshots in a folder of their own.
pub struct Snapshots(pub Folder);

impl Snapshots {
    pub fn new() -> Self {
        Snapshots(Folder::new())
    }
}

impl Format for Snapshots {
    fn write(&self, store: &Store) -> Vec<u8> {
        let path = self.0.join("original");
        store.save(&path).unwrap();
        fs::read(path).unwrap()
    }

    fn load(&self, file: &[u8]) -> Result<Store, Error> {
        let path = self.0.join("snapshot");
        fs::write(&path, file).unwrap();
        Store::builder().clock(ManualClock::new()).sweeping(Sweeping::ByHand).shards(1).load(&path)
    }

    /// The header and the blocks.
    fn parts(&self, file: &[u8]) -> Vec<Range<usize>> {
        parts_behind(HEADER, file, |rest| BEFORE + claimed(rest) + BEHIND)
    }

    /// A block that is cut off ends where the file does, and the last one is put behind it.
    fn seal(&self, mut file: Vec<u8>) -> Vec<u8> {
        if !seal_header(HEADER, &mut file) {
            return file;
        }
        let id = file[12..20].to_vec();
        let (mut at, mut number, mut is_over) = (HEADER, 0_u32, false);
        while at < file.len() {
            if file.len() < at + BEFORE + BEHIND {
                file.truncate(at);
                break;
            }
            number = u32::from_le_bytes(file[at + 4..at + BEFORE].try_into().unwrap());
            let room = file.len() - at - BEFORE - BEHIND;
            if claimed(&file[at..]) > room {
                file[at..at + 4].copy_from_slice(&(room as u32).to_le_bytes());
            }
            let end = at + BEFORE + claimed(&file[at..]);
            let sum = crc32fast::hash(&[&id, &file[at..end]].concat());
            file[end..end + BEHIND].copy_from_slice(&sum.to_le_bytes());
            is_over = end == at + BEFORE;
            at = end + BEHIND;
        }
        if !is_over {
            let next = if at == HEADER { 0 } else { number.wrapping_add(1) };
            file.extend(block(&id, next, &[]));
        }
        file
    }

    /// The place that is told is where the part starts in which the damage begins; behind the header, if that is a whole
    /// one of another file.
    fn judge(&self, whole: &[u8], first: usize, error: &Error) -> Result<(), &'static str> {
        let Error::Snapshot(error) = error else { return Err("an error of another kind") };
        let (SnapshotError::NotASnapshot { path, .. } | SnapshotError::Damaged { path, .. }) = &**error
        else {
            return Err("another error");
        };
        if *path != self.0.join("snapshot") {
            return Err("another file");
        }
        let told = match &**error {
            SnapshotError::Damaged { at, .. } => Some(*at),
            _ => None,
        };
        let parts = self.parts(whole);
        let part = parts.iter().find(|part| part.contains(&first)).or(parts.last());
        let expected = part.filter(|_| first >= MAGIC).map(|part| part.start as u64);
        let is_header = expected == Some(0) && told == Some(HEADER as u64);
        if told == expected || is_header { Ok(()) } else { Err("another place") }
    }
}

/// A file with these entries, whatever they are, and with all its checksums right.
pub fn sealed(header: &[u8], payload: &[u8]) -> Vec<u8> {
    let covered = &header[..HEADER - BEHIND];
    let mut file = [covered, &crc32fast::hash(covered).to_le_bytes()].concat();
    for (number, payload) in (0_u32..).zip(payload.chunks(BLOCK).chain([&[][..]])) {
        file.extend(block(&header[12..20], number, payload));
    }
    file
}

/// All that a file's blocks hold.
pub fn payload(file: &[u8]) -> Vec<u8> {
    let blocks = Snapshots::new().parts(file).into_iter().skip(1);
    blocks.flat_map(|part| &file[part.start + BEFORE..part.end - BEHIND]).copied().collect()
}

fn block(id: &[u8], number: u32, payload: &[u8]) -> Vec<u8> {
    let body = [&(payload.len() as u32).to_le_bytes()[..], &number.to_le_bytes(), payload].concat();
    let sum = crc32fast::hash(&[id, &body].concat());
    [&body[..], &sum.to_le_bytes()].concat()
}

/// How long a block says that its payload is.
fn claimed(block: &[u8]) -> usize {
    u32::from_le_bytes(block[..4].try_into().unwrap()) as usize
}
