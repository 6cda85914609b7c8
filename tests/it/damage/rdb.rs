//! RDB files: a magic word with a version, entries, and a checksum of all that.

use std::fs;
use std::ops::Range;

use larder::{Compat, Error, ManualClock, RdbError, Store, Sweeping};

use super::Format;
use crate::support::Folder;

/// The magic word with the version.
const HEADER: usize = 9;
const EOF: u8 = 0xff;
const CHECKSUM: usize = 8;
/// How long the pieces are that are moved: nothing in a file tells where it may be cut.
const PIECE: usize = 64;

/// Files as a server writes them.
pub struct Rdb(pub Compat);

impl Format for Rdb {
    fn write(&self, store: &Store) -> Vec<u8> {
        let folder = Folder::new();
        let path = folder.join("dump.rdb");
        store.save_rdb(&path, self.0).unwrap();
        fs::read(path).unwrap()
    }

    fn load(&self, file: &[u8]) -> Result<Store, Error> {
        Store::builder().clock(ManualClock::new()).sweeping(Sweeping::ByHand).shards(1).read_rdb(file)
    }

    fn parts(&self, file: &[u8]) -> Vec<Range<usize>> {
        (0..file.len()).step_by(PIECE).map(|at| at..file.len().min(at + PIECE)).collect()
    }

    /// What is cut off ends there.
    fn seal(&self, mut file: Vec<u8>) -> Vec<u8> {
        match file.len().checked_sub(CHECKSUM) {
            Some(end) if file[..end].last() == Some(&EOF) => file.truncate(end),
            _ => file.push(EOF),
        }
        let sum = checksum(&file);
        file.extend(sum.to_le_bytes());
        file
    }

    /// What cannot be is often found before the checksum, which stands behind all: then it is called what it looks
    /// like.
    fn judge(&self, _: &[u8], first: usize, error: &Error) -> Result<(), &'static str> {
        let Error::Rdb(error) = error else { return Err("an error of another kind") };
        match &**error {
            RdbError::NotRdb | RdbError::Newer { .. } if first >= HEADER => {
                Err("the magic word is as it was")
            }
            RdbError::NotRdb | RdbError::Newer { .. } | RdbError::Damaged { .. } => Ok(()),
            RdbError::Unsupported { .. } | RdbError::NoSuchDatabase { .. } | RdbError::TooLong { .. } => {
                Ok(())
            }
            _ => Err("another error"),
        }
    }
}

/// CRC-64 of Jones' polynomial, reflected, from zero.
pub fn checksum(bytes: &[u8]) -> u64 {
    let table: [u64; 256] = std::array::from_fn(|byte| {
        (0..8).fold(byte as u64, |crc, _| crc >> 1 ^ if crc & 1 == 1 { 0x95ac_9329_ac4b_c9b5 } else { 0 })
    });
    bytes.iter().fold(0, |crc, byte| crc >> 8 ^ table[usize::from(crc as u8 ^ byte)])
}
