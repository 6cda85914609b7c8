//! A few short members with their scores in one allocation, in their order: what a small sorted set
//! stands in. An entry is its length, the score, and the member.

use std::iter::FusedIterator;

use super::entries::Entries;
use super::packed::MOST;
use super::score::{decode, encode, is_of};

/// See the [module](self). Clones share the bytes until one of them is written.
#[derive(Clone, Default)]
pub(super) struct PackedScores(Entries);

/// Where an entry is.
#[derive(Clone, Copy)]
pub(super) struct Spot {
    pub(super) rank: usize,
    pub(super) score: f64,
    start: usize,
    end: usize,
}

impl PackedScores {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Where a member is. O(n)
    #[inline]
    pub(super) fn find(&self, member: &[u8]) -> Option<Spot> {
        let (all, last) = (self.0.as_slice(), member.last());
        let (mut start, mut rank) = (0, 0);
        while let Some(length) = all.get(start) {
            let end = start + 1 + usize::from(*length);
            // Most others differ in the last byte.
            if last.is_none() || all.get(end - 1) == last {
                let entry = all.get(start + 1..end)?;
                if is_of(entry, member) {
                    return Some(Spot { rank, score: decode(entry).0, start, end });
                }
            }
            start = end;
            rank += 1;
        }
        None
    }

    /// Gives a member, which is where it was found, or nowhere, another score; false if there is no room
    /// for it. O(n)
    pub(super) fn set(&mut self, old: Option<Spot>, member: &[u8], score: f64) -> bool {
        let Some(entry) = encode(score, member).filter(|_| old.is_some() || self.len() < MOST) else {
            return false;
        };
        // Those before its old place come before its new one too, if the score has grown.
        let from = old.filter(|old| old.score < score).map_or(0, |old| old.start);
        if let Some(old) = old {
            self.remove(old);
        }
        let all = self.0.as_slice();
        let mut iter = PackedIter { rest: all.get(from..).unwrap_or_default(), len: self.len() };
        let mut at = from;
        while let Some((other, name)) = iter.next() {
            if other > score || (other == score && name > member) {
                break;
            }
            at = all.len() - iter.rest.len();
        }
        // No longer than packed entries are.
        self.0.splice(at..at, &[&[entry.len() as u8], &entry], self.len() + 1);
        true
    }

    /// Adds a member behind the last; false if there is no room for it. O(1) amortised
    pub(super) fn push(&mut self, member: &[u8], score: f64) -> bool {
        let Some(entry) = encode(score, member).filter(|_| self.len() < MOST) else { return false };
        let at = self.0.as_slice().len();
        self.0.splice(at..at, &[&[entry.len() as u8], &entry], self.len() + 1);
        true
    }

    /// Takes the member at a place out. O(n)
    pub(super) fn remove(&mut self, spot: Spot) {
        self.0.splice(spot.start..spot.end, &[], self.len() - 1);
    }

    /// Takes as many members out, from a rank on. O(n)
    pub(super) fn remove_range(&mut self, rank: usize, count: usize) {
        let mut iter = self.iter();
        let all = iter.rest.len();
        iter.by_ref().take(rank).for_each(drop);
        let start = all - iter.rest.len();
        iter.by_ref().take(count).for_each(drop);
        let end = all - iter.rest.len();
        let len = iter.len + rank.min(self.len());
        self.0.splice(start..end, &[], len);
    }

    #[inline]
    pub(super) fn iter(&self) -> PackedIter<'_> {
        PackedIter { rest: self.0.as_slice(), len: self.len() }
    }

    /// Heap memory, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

/// The scores and members, in order.
#[derive(Clone)]
pub(super) struct PackedIter<'p> {
    rest: &'p [u8],
    len: usize,
}

impl<'p> PackedIter<'p> {
    #[inline]
    fn next_entry(&mut self) -> Option<&'p [u8]> {
        let (&length, rest) = self.rest.split_first()?;
        let (entry, rest) = rest.split_at_checked(usize::from(length))?;
        self.rest = rest;
        self.len = self.len.saturating_sub(1);
        Some(entry)
    }
}

impl<'p> Iterator for PackedIter<'p> {
    type Item = (f64, &'p [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.next_entry().map(decode)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}

impl FusedIterator for PackedIter<'_> {}
