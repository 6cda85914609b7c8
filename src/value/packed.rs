//! A few named byte strings in one allocation, in order: what a small collection stands in.
//!
//! An entry is the length of its name, the name, and the body; where bodies differ in length, that comes
//! before the name as well.

use super::entries::Entries;
use super::members::Pack;
use crate::records::Record;
use crate::text::number::IntegerBuffer;

/// Names and bodies up to this length are packed, in collections of so many entries.
pub(super) const LONGEST: usize = if crate::TINY { 40 } else { 64 };
pub(super) const MOST: usize = if crate::TINY { 6 } else { 64 };

/// As a length of bodies: each has its own.
pub(crate) const ANY: usize = usize::MAX;

/// See the [module](self). All bodies have the length `BODY`. Clones share the bytes until one of them
/// is written.
#[derive(Clone, Default)]
pub(super) struct Packed<const BODY: usize>(pub(super) Entries);

/// An entry: its name and its body.
pub(crate) type Entry<'e> = (&'e [u8], &'e [u8]);

impl<const BODY: usize> Packed<BODY> {
    /// Whether an entry may stand in here.
    pub(super) fn takes(name: &[u8], body: &[u8]) -> bool {
        name.len() <= LONGEST && body.len() <= LONGEST
    }

    /// Gives the entry at a place another body. O(n)
    pub(super) fn set_body(&mut self, place: usize, body: &[u8]) {
        let start = self.offset(place);
        let Some((name, old)) = self.get(place) else { return };
        let (length, rest) = (Self::HEAD + name.len(), old.len());
        if BODY == ANY {
            if let Some(length) = self.0.as_mut_slice().get_mut(start + 1) {
                *length = body.len() as u8;
            }
        }
        self.0.splice(start + length..start + length + rest, &[body], self.len());
    }

    #[inline]
    fn entries(&self) -> Iter<'_, BODY> {
        Iter { rest: self.0.as_slice(), len: self.len() }
    }

    const HEAD: usize = if BODY == ANY { 2 } else { 1 };

    /// Where the entry at a place begins.
    fn offset(&self, place: usize) -> usize {
        let mut iter = self.entries();
        for _ in 0..place {
            if iter.next().is_none() {
                break;
            }
        }
        self.0.as_slice().len() - iter.rest.len()
    }
}

impl<const BODY: usize> Pack for Packed<BODY> {
    type Entry<'p> = Entry<'p>;

    #[inline]
    fn entry(record: Record<'_>) -> Entry<'_> {
        (record.name, record.body)
    }

    fn parts<'p>(entry: &'p Entry<'_>, _: &'p mut IntegerBuffer) -> Entry<'p> {
        *entry
    }

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    fn find(&self, name: &[u8]) -> Option<usize> {
        self.iter().position(|(other, _)| other == name)
    }

    fn get(&self, place: usize) -> Option<Entry<'_>> {
        self.iter().nth(place)
    }

    fn push(&mut self, name: &[u8], body: &[u8]) -> bool {
        let is_taken = self.len() < MOST && Self::takes(name, body);
        if is_taken {
            let end = self.0.as_slice().len();
            let lengths: &[u8] = &[name.len() as u8, body.len() as u8];
            let lengths = if BODY == ANY { lengths } else { &lengths[..1] };
            self.0.splice(end..end, &[lengths, name, body], self.len() + 1);
        }
        is_taken
    }

    fn remove(&mut self, place: usize) {
        let Some((name, body)) = self.get(place) else { return };
        let length = Self::HEAD + name.len() + body.len();
        let start = self.offset(place);
        self.0.splice(start..start + length, &[], self.len() - 1);
    }

    #[inline]
    fn iter(&self) -> impl Iterator<Item = Entry<'_>> + Clone {
        self.entries()
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

/// The entries, in order.
#[derive(Clone)]
struct Iter<'p, const BODY: usize> {
    rest: &'p [u8],
    len: usize,
}

impl<'p, const BODY: usize> Iterator for Iter<'p, BODY> {
    type Item = Entry<'p>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'p>> {
        let (&name, rest) = self.rest.split_first()?;
        let (body, rest) = if BODY == ANY {
            let (&body, rest) = rest.split_first()?;
            (usize::from(body), rest)
        } else {
            (BODY, rest)
        };
        let (name, rest) = rest.split_at_checked(usize::from(name))?;
        let (body, rest) = rest.split_at_checked(body)?;
        self.rest = rest;
        self.len = self.len.saturating_sub(1);
        Some((name, body))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len, Some(self.len))
    }
}
