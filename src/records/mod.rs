//! A hash table of named records, packed one behind the other in pages: what keys, set members and
//! hash fields stand in once there are more than a few.
//!
//! A record is a name and a body, both plain bytes. Records are addressed by position. Removing one
//! moves the last into its place, so pages stay full, a random record is one draw, and a walk from the
//! end to the start meets every record that stays, whatever is added, removed or written on the way
//! (only records behind the walk move, and only towards its start). Clones share chunks of pages, the
//! pages, segments of the index and what is long, and copy the one that they write.

mod index;
mod page;
mod pages;
pub(crate) mod slab;

use std::ops::Deref;

use smallvec::SmallVec;

use crate::Bytes;
use index::Index;
use page::{LONGEST, Page, RECORDS};
use pages::Pages;
use slab::Slab;

/// Names and bodies up to these lengths stand in the record, longer ones beside it.
pub(crate) const NAME: usize = 126;
pub(crate) const BODY: usize = 160;
const _: () = assert!(HEAD + NAME + BODY <= LONGEST);

/// A record begins with its hash, and the length of its name.
const HEAD: usize = size_of::<u32>() + 1;
/// A record as it is written.
type Raw = SmallVec<[u8; 512]>;

/// In place of a length: the name, or with the highest bit the body, is the number of a long one.
const LONG_NAME: u8 = 0x7f;
const LONG_BODY: u8 = 0x80;

/// The bytes of such a number.
const NUMBER: usize = size_of::<u32>();

/// All positions there can be.
pub(crate) const POSITIONS: usize = u32::MAX as usize;

/// Positions to a page.
pub(crate) const PLACES: u32 = RECORDS as u32;

/// Pages to a chunk.
pub(crate) const CHUNK: usize = pages::CHUNK;

/// The page of a position.
pub(crate) fn page_of(at: u32) -> u32 {
    at / PLACES
}

/// The positions of a page.
pub(crate) fn page_range(page: u32) -> std::ops::Range<u32> {
    let start = page.saturating_mul(PLACES);
    start..start.saturating_add(PLACES)
}

/// See the [module](self).
#[derive(Clone, Default)]
pub(crate) struct Records {
    pages: Pages,
    len: usize,
    index: Index,
    /// Long names and bodies, if there are any.
    long: Option<Box<Slab<Bytes>>>,
    /// What pages and long names and bodies hold on the heap, in bytes.
    held: usize,
}

/// A record, as it stands in its page.
#[derive(Clone, Copy)]
pub(crate) struct Record<'r> {
    pub hash: u32,
    pub name: &'r [u8],
    pub body: &'r [u8],
}

/// Bytes on their way into a record: those that are shared already need not be copied if they are long.
pub(crate) enum Text<'t> {
    Slice(&'t [u8]),
    Shared(&'t Bytes),
}

impl Deref for Text<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Text::Slice(slice) => slice,
            Text::Shared(bytes) => bytes,
        }
    }
}

impl From<Text<'_>> for Bytes {
    fn from(text: Text<'_>) -> Self {
        match text {
            Text::Slice(slice) => Bytes::from(slice),
            Text::Shared(bytes) => bytes.clone(),
        }
    }
}

impl Records {
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The position of the record of that name. O(1).
    #[inline]
    pub(crate) fn find(&self, hash: u32, name: &[u8]) -> Option<u32> {
        self.seek(hash, name).map(|(at, _)| at)
    }

    /// The record of that name, and its position. O(1).
    #[inline(never)]
    pub(crate) fn seek(&self, hash: u32, name: &[u8]) -> Option<(u32, Record<'_>)> {
        self.index.find(hash, |at| {
            let (head, rest) = self.raw(at)?.split_first_chunk::<HEAD>()?;
            let [a, b, c, d, length] = *head;
            if [a, b, c, d] != hash.to_le_bytes() {
                None
            } else if length >= LONG_NAME {
                self.get(at).filter(|record| record.name == name)
            } else if usize::from(length) == name.len() {
                let (own, body) = rest.split_at_checked(name.len())?;
                is_same(own, name).then_some(Record { hash, name: own, body })
            } else {
                None
            }
            .map(|record| (at, record))
        })
    }

    /// The position of a record with that hash which is `wanted`. O(1).
    pub(crate) fn find_where(&self, hash: u32, wanted: impl Fn(u32) -> bool) -> Option<u32> {
        self.index.find(hash, |at| (self.get(at)?.hash == hash && wanted(at)).then_some(at))
    }

    /// The record at a position. O(1).
    #[inline]
    pub(crate) fn get(&self, at: u32) -> Option<Record<'_>> {
        let (head, rest) = self.raw(at)?.split_first_chunk::<HEAD>()?;
        let [a, b, c, d, length] = *head;
        let hash = u32::from_le_bytes([a, b, c, d]);
        let (name, rest) = match length & !LONG_BODY {
            LONG_NAME => (self.numbered(rest), rest.get(NUMBER..)?),
            length => rest.split_at_checked(usize::from(length))?,
        };
        let body = if length & LONG_BODY == 0 { rest } else { self.numbered(rest) };
        Some(Record { hash, name, body })
    }

    /// The name of the record at a position, shared if it is long. O(1).
    pub(crate) fn name(&self, at: u32) -> Option<Bytes> {
        match self.numbers(at).0 {
            Some(number) => self.long(number).cloned(),
            None => self.get(at).map(|record| Bytes::from(record.name)),
        }
    }

    /// The body of the record at a position, shared if it is long. O(1).
    pub(crate) fn body(&self, at: u32) -> Option<Bytes> {
        match self.numbers(at).1 {
            Some(number) => self.long(number).cloned(),
            None => self.get(at).map(|record| Bytes::from(record.body)),
        }
    }

    /// Adds a record whose name is not there yet, at the end; gives its position. O(record).
    pub(crate) fn push(&mut self, hash: u32, name: Text<'_>, body: Text<'_>) -> u32 {
        let record = self.record(hash, name, body);
        let at = self.append(&record);
        let Records { pages, index, .. } = self;
        index.insert(hash, at, |at| hash_at(pages, at));
        at
    }

    /// Takes a [`swap_remove`](Self::swap_remove) back: the record stands at `at`, and the one that was
    /// moved there is the last again. O(page).
    pub(crate) fn swap_insert(&mut self, at: u32, hash: u32, name: Text<'_>, body: Text<'_>) {
        if let Some(moved) = self.raw(at).filter(|moved| !moved.is_empty()).map(Raw::from_slice) {
            let record = self.record(hash, name, body);
            let last = self.append(&moved);
            self.index.moved(hash_of(&moved), at, last);
            self.edit(at, |page, place| page.replace(place, 0..usize::MAX, &record));
            let Records { pages, index, .. } = self;
            index.insert(hash, at, |at| hash_at(pages, at));
        } else {
            self.push(hash, name, body);
        }
    }

    /// The body of the record at a position, to be written without changing its length, if it is not a
    /// long one. O(1).
    pub(crate) fn body_mut(&mut self, at: u32) -> Option<&mut [u8]> {
        let record = self.pages.get_mut(at as usize / RECORDS)?.get_mut(at as usize % RECORDS)?;
        let length = *record.get(HEAD - 1)?;
        if length & LONG_BODY == 0 { record.get_mut(body_start(length)..) } else { None }
    }

    /// Gives the record at a position another body; gives the old one back if it was long. O(page),
    /// O(body) where the length stays the same.
    pub(crate) fn set_body(&mut self, at: u32, body: Text<'_>) -> Option<Bytes> {
        let length = *self.raw(at)?.get(HEAD - 1)?;
        let old = self.numbers(at).1.and_then(|number| self.forget(number));
        let start = body_start(length);
        let name = length & !LONG_BODY;
        if body.len() > BODY {
            let number = self.keep(body.into()).to_le_bytes();
            self.edit(at, |page, place| {
                page.replace(place, start..usize::MAX, &number);
                page.replace(place, HEAD - 1..HEAD, &[name | LONG_BODY]);
            });
        } else {
            self.edit(at, |page, place| {
                page.replace(place, start..usize::MAX, &body);
                if name != length {
                    page.replace(place, HEAD - 1..HEAD, &[name]);
                }
            });
        }
        old
    }

    /// Takes the record at a position out and moves the last one into its place; false if there was
    /// none. O(page).
    pub(crate) fn swap_remove(&mut self, at: u32) -> bool {
        let Some(last) = self.len.checked_sub(1).map(|last| last as u32) else { return false };
        let Some(hash) = self.get(at).map(|record| record.hash) else { return false };
        self.index.remove(hash, at);
        self.forget_long(at);
        if last != at {
            let moved = self.raw(last).map(Raw::from_slice).unwrap_or_default();
            self.index.moved(hash_of(&moved), last, at);
            self.edit(at, |page, place| page.replace(place, 0..usize::MAX, &moved));
        }
        self.drop_last(1);
        true
    }

    /// Takes records out from the end as long as they are to go, `limit` of them at most; gives how many
    /// those were. `goes` is asked once for each, from the last on. O(1) each.
    pub(crate) fn pop_while(&mut self, limit: usize, mut goes: impl FnMut(Record<'_>) -> bool) -> usize {
        let mut removed = 0;
        while let Some(last) = self.len.checked_sub(1).filter(|_| removed < limit) {
            let Some(page) = self.pages.get(last / RECORDS) else { break };
            let (start, end) = (self.len - page.len(), self.len);
            let first = end.saturating_sub(limit - removed).max(start);
            let hashes = (first..end).filter_map(|at| page.get(at - start)).map(hash_of);
            std::hint::black_box(hashes.fold(0, |read, hash| read ^ self.index.touch(hash)));
            let mut stays = end;
            for at in (first..end).rev() {
                let Some(record) = self.get(at as u32) else { break };
                let hash = record.hash;
                if !goes(record) {
                    break;
                }
                self.index.remove(hash, at as u32);
                self.forget_long(at as u32);
                stays = at;
            }
            removed += end - stays;
            self.drop_last(end - stays);
            if stays > start {
                break;
            }
        }
        removed
    }

    /// All records, from the first position to the last.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = Record<'_>> + Clone {
        (0..self.len as u32).filter_map(|at| self.get(at))
    }

    /// A clone without what finds records by name, to be read by position until it is dropped. O(chunks)
    pub(crate) fn without_index(&self) -> Records {
        let Records { pages, len, index: _, long, held } = self;
        Records { pages: pages.clone(), len: *len, index: Index::default(), long: long.clone(), held: *held }
    }

    /// Gives back a page whose records have been read for the last time: if `is_now`, also one that clones share, so that who
    /// writes to those has nothing to copy. O(1)
    pub(crate) fn let_go_of_page(&mut self, page: u32, is_now: bool) {
        self.pages.let_go(page as usize, is_now);
    }

    /// Gives back the chunk of a page, as far as no clone shares it: all of its records have been read for the last time. O(1)
    pub(crate) fn let_go_of_chunk(&mut self, page: u32) {
        self.pages.let_go_of_chunk(page as usize);
    }

    /// How many share the page of a position.
    #[cfg(test)]
    pub(crate) fn holders(&self, at: u32) -> usize {
        self.pages.holders(at as usize / RECORDS)
    }

    #[cfg(test)]
    pub(crate) fn holds_no_page(&self) -> bool {
        (0..self.len).all(|at| self.pages.get(at / RECORDS).is_none())
    }

    /// Heap memory, in bytes. O(1).
    pub(crate) fn bytes(&self) -> usize {
        let long = self.long.as_ref().map_or(0, |long| size_of_val(&**long) + long.bytes());
        self.held + self.pages.bytes() + self.index.bytes() + long
    }

    /// The same, counted anew.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn recount(&self) -> usize {
        let long = self.long.as_ref().map_or(0, |long| {
            let strings = long.iter().map(Bytes::heap_bytes).sum::<usize>();
            size_of::<Slab<Bytes>>() + long.recount() + strings
        });
        self.pages.recount() + self.index.recount() + long
    }

    #[inline]
    fn raw(&self, at: u32) -> Option<&[u8]> {
        self.pages.get(at as usize / RECORDS)?.get(at as usize % RECORDS)
    }

    /// What is written for a record; what is long is kept beside it.
    fn record(&mut self, hash: u32, name: Text<'_>, body: Text<'_>) -> Raw {
        let mut record = Raw::from_slice(&hash.to_le_bytes());
        let long_body = if body.len() > BODY { LONG_BODY } else { 0 };
        if name.len() > NAME {
            record.push(LONG_NAME | long_body);
            record.extend_from_slice(&self.keep(name.into()).to_le_bytes());
        } else {
            // No longer than `NAME`.
            record.push(name.len() as u8 | long_body);
            record.extend_from_slice(&name);
        }
        if long_body == 0 {
            record.extend_from_slice(&body);
        } else {
            record.extend_from_slice(&self.keep(body.into()).to_le_bytes());
        }
        record
    }

    /// The long name or body whose number these bytes begin with.
    #[cold]
    fn numbered(&self, bytes: &[u8]) -> &[u8] {
        let number = bytes.first_chunk().map(|number| u32::from_le_bytes(*number));
        number.and_then(|number| self.long(number)).map_or(&[], |long| long)
    }

    /// The numbers of the name and of the body of the record at a position, where those are long.
    fn numbers(&self, at: u32) -> (Option<u32>, Option<u32>) {
        let Some(record) = self.raw(at) else { return (None, None) };
        let length = record.get(HEAD - 1).copied().unwrap_or_default();
        let number = |start: usize| {
            record.get(start..).and_then(|rest| rest.first_chunk()).map(|number| u32::from_le_bytes(*number))
        };
        let name = if length & !LONG_BODY == LONG_NAME { number(HEAD) } else { None };
        (name, if length & LONG_BODY != 0 { number(body_start(length)) } else { None })
    }

    fn long(&self, number: u32) -> Option<&Bytes> {
        self.long.as_ref()?.get(number)
    }

    fn keep(&mut self, long: Bytes) -> u32 {
        self.held += long.heap_bytes();
        self.long.get_or_insert_default().insert(long)
    }

    fn forget(&mut self, number: u32) -> Option<Bytes> {
        let slab = self.long.as_mut()?;
        let long = slab.remove(number)?;
        if slab.is_empty() {
            self.long = None;
        }
        self.held -= long.heap_bytes();
        Some(long)
    }

    /// Drops some of the last page's records, from the end, which the index does not name any more.
    fn drop_last(&mut self, count: usize) {
        let at = self.len.saturating_sub(1) as u32;
        self.len = self.len.saturating_sub(count);
        if self.len == 0 {
            *self = Records::default();
        } else if page_of(at) == page_of(self.len as u32) && self.len % RECORDS != 0 {
            self.edit(at, |page, _| page.pop(count));
        } else if count > 0 {
            let last = at as usize / RECORDS;
            self.held -= self.pages.get(last).map_or(0, Page::bytes);
            self.pages.pop(last);
        }
    }

    /// Forgets what the record at a position has beside it.
    fn forget_long(&mut self, at: u32) {
        if self.raw(at).and_then(|record| record.get(HEAD - 1)).is_some_and(|length| *length >= LONG_NAME) {
            let (name, body) = self.numbers(at);
            name.into_iter().chain(body).for_each(|number| drop(self.forget(number)));
        }
    }

    /// Adds a record at the end.
    fn append(&mut self, record: &[u8]) -> u32 {
        let (at, length) = (self.len, record.len());
        if at % RECORDS == 0 {
            // The first page grows with what it holds; the others are likely to become as full as those
            // before them.
            let number = at / RECORDS;
            let before = number.checked_sub(1).and_then(|before| self.pages.get(before));
            let room = match self.pages.get(0).zip(before) {
                Some((first, before)) => (first.bytes() + before.bytes()) / 2,
                None => length,
            };
            let page = Page::with_capacity(room.max(length));
            self.held += page.bytes();
            self.pages.push(number, page);
        }
        self.len += 1;
        let is_last = at % RECORDS == RECORDS - 1;
        self.edit(at as u32, |page, _| {
            page.push(record);
            if is_last {
                page.trim();
            }
        });
        at as u32
    }

    fn edit(&mut self, at: u32, change: impl FnOnce(&mut Page, usize)) {
        if let Some(page) = self.pages.get_mut(at as usize / RECORDS) {
            let before = page.bytes();
            change(page, at as usize % RECORDS);
            self.held = self.held + page.bytes() - before;
        }
    }
}

/// Whether two names are the same. Most are short: a call would take longer than the comparison.
#[inline]
fn is_same(name: &[u8], other: &[u8]) -> bool {
    if name.len() != other.len() {
        return false;
    }
    let (mut rest, mut other_rest) = (name, other);
    while let (Some((word, next)), Some((other, other_next))) =
        (rest.split_first_chunk::<8>(), other_rest.split_first_chunk::<8>())
    {
        if word != other {
            return false;
        }
        (rest, other_rest) = (next, other_next);
    }
    match (name.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(last), Some(other)) => last == other,
        _ => rest.iter().zip(other_rest).all(|(byte, other)| byte == other),
    }
}

/// Where the body begins in a record, by what stands there for the length of its name.
fn body_start(length: u8) -> usize {
    match length & !LONG_BODY {
        LONG_NAME => HEAD + size_of::<u32>(),
        length => HEAD + usize::from(length),
    }
}

fn hash_at(pages: &Pages, at: u32) -> u32 {
    pages.get(at as usize / RECORDS).and_then(|page| page.get(at as usize % RECORDS)).map_or(0, hash_of)
}

fn hash_of(record: &[u8]) -> u32 {
    record.first_chunk().map_or(0, |hash| u32::from_le_bytes(*hash))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    #[derive(Debug, Clone)]
    enum Step {
        Put(u8, usize),
        Overwrite(u8, u8),
        Remove(u8),
        Clone,
    }

    fn step() -> impl Strategy<Value = Step> {
        let body = prop_oneof![4 => 0usize..20, 1 => BODY..BODY + 2, 1 => 100usize..300];
        prop_oneof![
            6 => (any::<u8>(), body).prop_map(|(id, length)| Step::Put(id, length)),
            2 => (any::<u8>(), any::<u8>()).prop_map(|(id, fill)| Step::Overwrite(id, fill)),
            4 => any::<u8>().prop_map(Step::Remove),
            1 => Just(Step::Clone),
        ]
    }

    fn name_of(id: u8) -> Vec<u8> {
        let length = match id % 16 {
            0 => 0,
            1 => NAME,
            2 => NAME + 1,
            3 => 5000,
            _ => 10,
        };
        // All names of length 0 are the same one.
        vec![id; length]
    }

    /// Few hashes, so that many names share one.
    fn hash_of_name(name: &[u8]) -> u32 {
        u32::from(name.first().copied().unwrap_or(0) % 13).wrapping_mul(0x2545_f491)
    }

    type Model = BTreeMap<Vec<u8>, Vec<u8>>;

    fn check(records: &Records, model: &Model) -> Result<(), TestCaseError> {
        prop_assert_eq!(records.len(), model.len());
        let seen: BTreeSet<_> = records.iter().map(|r| (r.name.to_vec(), r.body.to_vec())).collect();
        prop_assert_eq!(seen, model.iter().map(|(n, b)| (n.clone(), b.clone())).collect::<BTreeSet<_>>());
        for at in 0..records.len() as u32 {
            let record = records.get(at).unwrap();
            prop_assert_eq!(record.hash, hash_of_name(record.name));
            prop_assert_eq!(records.find(record.hash, record.name), Some(at));
            prop_assert_eq!(records.name(at).unwrap(), record.name);
            prop_assert_eq!(records.body(at).unwrap(), record.body);
        }
        for id in 0..=255 {
            let name = name_of(id);
            prop_assert_eq!(records.find(hash_of_name(&name), &name).is_some(), model.contains_key(&name));
        }
        prop_assert_eq!(records.bytes(), records.recount());
        prop_assert!(!model.is_empty() || records.bytes() == 0);
        Ok(())
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(steps in prop::collection::vec(step(), 1..200)) {
            let (mut records, mut model) = (Records::default(), Model::new());
            let mut clones = Vec::new();
            for step in steps {
                match step {
                    Step::Put(id, length) => {
                        let (name, body) = (name_of(id), vec![id; length]);
                        let hash = hash_of_name(&name);
                        match records.find(hash, &name) {
                            Some(at) => drop(records.set_body(at, Text::Slice(&body))),
                            None => {
                                let at = records.push(hash, Text::Slice(&name), Text::Shared(&Bytes::from(&body[..])));
                                prop_assert_eq!(at as usize, records.len() - 1);
                            }
                        }
                        model.insert(name, body);
                    }
                    Step::Overwrite(id, fill) => {
                        let name = name_of(id);
                        let body = records.find(hash_of_name(&name), &name).and_then(|at| records.body_mut(at));
                        let is_short = model.get(&name).is_some_and(|body| body.len() <= BODY);
                        prop_assert_eq!(body.is_some(), is_short);
                        if let Some(body) = body {
                            body.fill(fill);
                        }
                        if is_short {
                            model.entry(name).and_modify(|body| body.fill(fill));
                        }
                    }
                    Step::Remove(id) => {
                        let name = name_of(id);
                        let at = records.find(hash_of_name(&name), &name);
                        prop_assert_eq!(at.is_some_and(|at| records.swap_remove(at)), model.remove(&name).is_some());
                    }
                    Step::Clone => clones.push((records.clone(), model.clone())),
                }
            }
            check(&records, &model)?;
            for (records, model) in clones {
                check(&records, &model)?;
            }
        }
    }
}
