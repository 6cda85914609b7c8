//! A page: a bounded number of byte strings in one allocation, found by their place.
//!
//! The records stand in order and without gaps; what lies behind the last is room to grow. Where each
//! ends is told by the page itself, not by the allocation: pages stand side by side, so that a record
//! costs one trip to memory, not two.

use std::ops::Range;
use std::sync::Arc;
use std::{iter, mem};

/// Records to a page.
pub(super) const RECORDS: usize = if crate::TINY { 4 } else { 64 };
/// The longest record: as long as the bounds of a page full of them can be told.
pub(super) const LONGEST: usize = (u16::MAX as usize) / 64;
/// Room that is given beyond what is asked for, at the most.
const SLACK_MAX: usize = 256;

/// See the [module](self). Clones share the bytes until one of them is written.
#[derive(Clone)]
pub(super) struct Page {
    bytes: Arc<[u8]>,
    /// Where each record begins and the one before it ends; zeros behind the last end, so that what is
    /// not there has no bytes.
    bounds: [u16; RECORDS + 1],
    len: u16,
}

impl Default for Page {
    /// An empty page that holds nothing on the heap.
    fn default() -> Self {
        Page { bytes: Arc::default(), bounds: [0; RECORDS + 1], len: 0 }
    }
}

impl Page {
    /// An empty page with room for records of so many bytes in all.
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Page { bytes: zeroed(bytes), bounds: [0; RECORDS + 1], len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// The record at a place. O(1).
    #[inline]
    pub(super) fn get(&self, place: usize) -> Option<&[u8]> {
        self.bytes.get(self.span(place)?)
    }

    /// The record at a place, to be written without changing its length; a page that is shared is
    /// copied first. O(1).
    #[inline]
    pub(super) fn get_mut(&mut self, place: usize) -> Option<&mut [u8]> {
        let span = self.span(place)?;
        Arc::make_mut(&mut self.bytes).get_mut(span)
    }

    /// Adds a record to a page that is not full. O(record), and O(page) where room has to be made.
    pub(super) fn push(&mut self, record: &[u8]) {
        let start = self.used();
        debug_assert!(self.len() < RECORDS && record.len() <= LONGEST);
        let end = start + record.len();
        self.room_for(record.len())[start..end].copy_from_slice(record);
        self.len += 1;
        self.bounds[usize::from(self.len)] = end as u16;
    }

    /// Puts other bytes in place of a part of a record, as far as it lies within. O(page), O(part)
    /// where the length stays the same.
    pub(super) fn replace(&mut self, place: usize, part: Range<usize>, with: &[u8]) {
        let Some(Range { start, end }) = self.span(place).filter(|_| place < self.len()) else { return };
        let part = start.saturating_add(part.start).min(end)..start.saturating_add(part.end).min(end);
        if with.len() == part.len() {
            Arc::make_mut(&mut self.bytes)[part].copy_from_slice(with);
            return;
        }
        let used = self.used();
        let bytes = self.room_for(with.len().saturating_sub(part.len()));
        bytes.copy_within(part.end..used, part.start + with.len());
        bytes[part.start..part.start + with.len()].copy_from_slice(with);
        for end in &mut self.bounds[place + 1..=usize::from(self.len)] {
            // Bounds stay below 2^16, as no record is over `LONGEST`.
            *end = (usize::from(*end) + with.len() - part.len()) as u16;
        }
        self.trim_if(|spare, used| spare > used / 4 + SLACK_MAX);
    }

    /// Takes the last records off. O(1).
    pub(super) fn pop(&mut self, count: usize) {
        let before = usize::from(self.len);
        self.len = self.len.saturating_sub(count as u16);
        self.bounds[usize::from(self.len) + 1..=before].fill(0);
        self.trim_if(|spare, used| spare > 4 * used + 4 * SLACK_MAX);
    }

    /// Gives back the room behind the records of a page that is full, if it is worth it. O(page).
    pub(super) fn trim(&mut self) {
        self.trim_if(|spare, used| spare > used / 32);
    }

    #[cfg(test)]
    pub(super) fn holders(&self) -> usize {
        Arc::strong_count(&self.bytes)
    }

    /// Heap memory, in bytes. O(1).
    pub(super) fn bytes(&self) -> usize {
        2 * mem::size_of::<usize>() + self.bytes.len()
    }

    /// The same; nothing for a page that was never given any.
    #[cfg(any(test, fuzzing))]
    pub(super) fn recount(&self) -> usize {
        if self.bytes.is_empty() { 0 } else { self.bytes() }
    }

    /// Where a record lies; for one that is not there, nothing or what is no range.
    #[inline]
    fn span(&self, place: usize) -> Option<Range<usize>> {
        let (start, end) = (self.bounds.get(place)?, self.bounds.get(place + 1)?);
        Some(usize::from(*start)..usize::from(*end))
    }

    /// Where the last record ends.
    fn used(&self) -> usize {
        usize::from(self.bounds[usize::from(self.len)])
    }

    /// The bytes, to be written, with so many free behind the last record.
    fn room_for(&mut self, more: usize) -> &mut [u8] {
        let used = self.used();
        if used + more > self.bytes.len() {
            self.resize(used + more + (used / 16).min(SLACK_MAX));
        }
        Arc::make_mut(&mut self.bytes)
    }

    fn trim_if(&mut self, worth: impl FnOnce(usize, usize) -> bool) {
        let used = self.used();
        if worth(self.bytes.len() - used, used) {
            self.resize(used);
        }
    }

    fn resize(&mut self, size: usize) {
        let kept = self.used().min(size);
        let mut fresh = zeroed(size);
        // Just made: nobody shares it.
        if let Some(bytes) = Arc::get_mut(&mut fresh) {
            bytes[..kept].copy_from_slice(&self.bytes[..kept]);
        }
        self.bytes = fresh;
    }
}

fn zeroed(size: usize) -> Arc<[u8]> {
    iter::repeat_n(0, size).collect()
}
