//! The entries of a small collection, one behind the other in one allocation with their number.
//!
//! The allocation begins with how many bytes are in use and how many entries there are; what an entry
//! is made of, its owner says. What lies behind the last one is room to grow.

use std::ops::Range;
use std::sync::Arc;
use std::{iter, mem};

/// See the [module](self). Clones share the bytes until one of them is written.
#[derive(Clone)]
pub(super) struct Entries(Arc<[u8]>);

/// Two bytes that tell how many are in use, and one for the number of entries.
const HEADER: usize = 3;
/// Allocators give no less at a time; eight bytes of that go to them.
const GRAIN: usize = 16;
const TAKEN: usize = 8;

impl Default for Entries {
    fn default() -> Self {
        Entries(zeroed(GRAIN - TAKEN))
    }
}

impl Entries {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.get(2).map_or(0, |len| usize::from(*len))
    }

    /// All entries.
    #[inline]
    pub(super) fn as_slice(&self) -> &[u8] {
        self.0.get(HEADER..self.used()).unwrap_or_default()
    }

    /// The entries, to be written without changing their length.
    pub(super) fn as_mut_slice(&mut self) -> &mut [u8] {
        let used = self.used();
        Arc::make_mut(&mut self.0).get_mut(HEADER..used).unwrap_or_default()
    }

    /// Puts parts in the place of a range of the bytes, which are then so many entries. There are 255 of
    /// them at the most, of fewer than 2^16 bytes in all. O(n)
    pub(super) fn splice(&mut self, range: Range<usize>, parts: &[&[u8]], len: usize) {
        let (start, end, used) = (HEADER + range.start, HEADER + range.end, self.used());
        let with: usize = parts.iter().map(|part| part.len()).sum();
        let total = used - range.len() + with;
        let room = (total + TAKEN).next_multiple_of(GRAIN) - TAKEN;
        if room > self.0.len() || room + 4 * GRAIN < self.0.len() {
            let old = mem::replace(&mut self.0, zeroed(room));
            let bytes = Arc::make_mut(&mut self.0);
            bytes[..start].copy_from_slice(&old[..start]);
            bytes[start + with..total].copy_from_slice(&old[end..used]);
        } else {
            Arc::make_mut(&mut self.0).copy_within(end..used, start + with);
        }
        let bytes = Arc::make_mut(&mut self.0);
        let mut at = start;
        for part in parts {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        bytes[..2].copy_from_slice(&(total as u16).to_le_bytes());
        bytes[2] = len as u8;
    }

    /// Heap memory, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        2 * mem::size_of::<usize>() + self.0.len()
    }

    #[inline]
    fn used(&self) -> usize {
        self.0.first_chunk().map_or(HEADER, |used| usize::from(u16::from_le_bytes(*used)).max(HEADER))
    }
}

fn zeroed(size: usize) -> Arc<[u8]> {
    iter::repeat_n(0, size).collect()
}
