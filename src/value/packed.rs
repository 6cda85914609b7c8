//! A few named byte strings in one allocation, in order: what a small collection stands in.
//!
//! An entry is the length of its name, the name, and the body; where bodies differ in length, that comes
//! before the name as well.

use super::entries::Entries;

/// Names and bodies up to this length are packed, in collections of so many entries.
pub(super) const LONGEST: usize = if cfg!(test) { 40 } else { 64 };
pub(super) const MOST: usize = if cfg!(test) { 6 } else { 64 };

/// As a length of bodies: each has its own.
pub(crate) const ANY: usize = usize::MAX;

/// See the [module](self). All bodies have the length `BODY`. Clones share the bytes until one of them
/// is written.
#[derive(Clone, Default)]
pub(super) struct Packed<const BODY: usize>(Entries);

/// An entry: its name and its body.
pub(crate) type Entry<'e> = (&'e [u8], &'e [u8]);

impl<const BODY: usize> Packed<BODY> {
    /// Whether an entry may stand in here.
    pub(super) fn takes(name: &[u8], body: &[u8]) -> bool {
        name.len() <= LONGEST && body.len() <= LONGEST
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The place of the entry of that name. O(n)
    pub(super) fn find(&self, name: &[u8]) -> Option<usize> {
        self.iter().position(|(other, _)| other == name)
    }

    /// The entry at a place. O(n)
    pub(super) fn get(&self, place: usize) -> Option<Entry<'_>> {
        self.iter().nth(place)
    }

    /// Puts an entry before the one at a place, or behind the last. There is room for one more, and it
    /// is one that this [`takes`](Self::takes). O(n)
    pub(super) fn insert(&mut self, place: usize, name: &[u8], body: &[u8]) {
        debug_assert!(Self::takes(name, body) && self.len() < MOST);
        let at = self.offset(place);
        let lengths: &[u8] = &[name.len() as u8, body.len() as u8];
        let lengths = if BODY == ANY { lengths } else { &lengths[..1] };
        self.0.splice(at..at, &[lengths, name, body], self.len() + 1);
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

    /// Takes the entry at a place out; those behind it move up. O(n)
    pub(super) fn remove(&mut self, place: usize) {
        let Some((name, body)) = self.get(place) else { return };
        let length = Self::HEAD + name.len() + body.len();
        let start = self.offset(place);
        self.0.splice(start..start + length, &[], self.len() - 1);
    }

    pub(super) fn iter(&self) -> Iter<'_, BODY> {
        Iter { rest: self.0.as_slice(), len: self.len() }
    }

    /// Heap memory, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    const HEAD: usize = if BODY == ANY { 2 } else { 1 };

    /// Where the entry at a place begins.
    fn offset(&self, place: usize) -> usize {
        let mut iter = self.iter();
        for _ in 0..place {
            if iter.next().is_none() {
                break;
            }
        }
        self.0.as_slice().len() - iter.rest.len()
    }
}

/// The entries, in order.
#[derive(Clone)]
pub(crate) struct Iter<'p, const BODY: usize> {
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
