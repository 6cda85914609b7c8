//! Redis's own bytes: what DUMP gives and RESTORE takes, and the files that SAVE writes.
//!
//! A **payload** is a type (u8), a value, the format's version (u16) and a checksum of all that. A **file** is a
//! magic word with the version, then entries, each behind opcodes that tell its database and deadline, and a
//! checksum at the end. Integers are little-endian where they are of fixed width; lengths are not, see
//! [`reader`].
//!
//! Redis has more than one encoding for a value, and has changed them over time. All of them are read;
//! written are those that the named version picks itself.
//!
//! # Versions
//! | version | servers |
//! | --- | --- |
//! | up to 9 | Redis 6 and before |
//! | 10, 11, 12 | Redis 7.0; 7.2 and Valkey 8; 7.4 to 8.4 |
//! | 13, 14, 15 | Redis 8.6, 8.8, 8.10 |
//! | 80 | Valkey 9 |
//!
//! Nothing in a payload or file is believed: what a length claims is not allocated before as much was read.

mod crc64;
mod decode;
mod dump;
mod encode;
mod error;
mod intset;
mod kind;
mod listpack;
mod load;
mod lzf;
mod reader;
mod save;
mod skip;
mod stream;
#[cfg(test)]
mod tests;
mod ziplist;
mod zipmap;

use crate::Compat;

#[cfg(all(any(fuzzing, test), feature = "server"))]
pub(crate) use dump::payload;
pub(crate) use dump::{Refused, dump, measure, nodes_of, restore};
#[cfg(feature = "lua")]
pub(crate) use dump::{dump_libraries, restore_libraries};
pub use error::RdbError;
#[cfg(feature = "lua")]
pub(crate) use load::{Found, Library};
pub(crate) use load::{Loading, load};
pub use load::{RdbReport, RdbSkipped};
pub(crate) use save::save;

/// A version of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Version(pub u16);

/// The newest version of Redis's, and Valkey's first and newest.
const REDIS: u16 = 15;
const VALKEY: u16 = 80;
const VALKEY_NEWEST: u16 = 81;

impl Version {
    /// The one that a server writes.
    pub(crate) fn of(compat: Compat) -> Version {
        Version(match compat {
            Compat::Redis70 => 10,
            Compat::Redis72 => 11,
            Compat::Redis82 => 12,
            Compat::Redis810 => REDIS,
            Compat::Valkey9 => VALKEY,
        })
    }

    /// A server that writes it.
    fn server(self, is_valkeys: bool) -> Compat {
        match self.0 {
            _ if is_valkeys || self.is_valkey() => Compat::Valkey9,
            ..=10 => Compat::Redis70,
            11 => Compat::Redis72,
            12..=14 => Compat::Redis82,
            _ => Compat::Redis810,
        }
    }

    /// Whether it is Valkey's own, in which some types mean something else.
    fn is_valkey(self) -> bool {
        self.0 >= VALKEY
    }

    /// Whether a server of this version takes payloads of another: Valkey refuses what Redis has written
    /// since they parted.
    fn takes(self, other: Version) -> bool {
        match self.is_valkey() {
            true => matches!(other.0, 1..=11) || (VALKEY..=self.0).contains(&other.0),
            false => other.0 <= self.0,
        }
    }
}

/// An element of a packed collection.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Element<'e> {
    Text(&'e [u8]),
    Integer(i64),
}

impl From<Element<'_>> for crate::Bytes {
    fn from(element: Element<'_>) -> Self {
        use crate::text::number::{IntegerBuffer, format_i64};
        match element {
            Element::Text(text) => text.into(),
            Element::Integer(number) => format_i64(number, &mut IntegerBuffer::default()).into(),
        }
    }
}

/// Bytes that are not what they should be, and why.
type Bad = &'static str;

/// The first `N` bytes, and those behind them.
fn split<const N: usize>(bytes: &[u8]) -> Result<([u8; N], &[u8]), Bad> {
    let (first, rest) = bytes.split_first_chunk::<N>().ok_or("a packed collection is cut off")?;
    Ok((*first, rest))
}

/// The first bytes, so many, and those behind them.
fn split_at(bytes: &[u8], length: usize) -> Result<(&[u8], &[u8]), Bad> {
    bytes.split_at_checked(length).ok_or("a packed collection is cut off")
}

/// A signed number of fewer than eight bytes.
fn signed(bytes: &[u8]) -> i64 {
    let unsigned = bytes.iter().rev().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let spare = 64 - 8 * (bytes.len().clamp(1, 8) as u32);
    ((unsigned << spare) as i64) >> spare
}
