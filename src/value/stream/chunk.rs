//! The chunk of a stream: some neighbouring entries, packed.
//!
//! The bytes are the names of the first entry's fields, and then the entries. Numbers are varints, and a byte
//! string is its length and its bytes.
//!
//! ```text
//! names:  count name*
//! entry:  length*2+own ms seq values           own = 0: its fields are those of the names
//!                             count (name value)*   own = 1
//! ```
//! `ms` is how far an entry lies above the chunk's first id, and where that is 0, so is `seq`. The length is
//! that of all behind it.

use super::StreamId;

/// A chunk is closed at so many entries, those that were removed since included, or so many bytes. It is where
/// Redis begins a new node, since trimming `~` tells whole ones apart.
pub(super) const MOST: u16 = if crate::TINY { 4 } else { 100 };
pub(super) const BYTES: usize = if crate::TINY { 400 } else { 4096 };

/// See the [module](self).
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    /// The id of the first entry that was ever in it.
    first: StreamId,
    /// That of the last one.
    last: StreamId,
    len: u16,
    /// How many entries it has had.
    slots: u16,
    data: Vec<u8>,
}

/// An entry as it stands in its chunk.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'c> {
    pub id: StreamId,
    /// The chunk's names, for an entry that has no others.
    names: Option<&'c [u8]>,
    count: usize,
    body: &'c [u8],
}

/// Entries of a chunk from a place on, with their places.
#[derive(Clone)]
pub(super) struct Entries<'c> {
    chunk: &'c Chunk,
    names: &'c [u8],
    count: usize,
    at: usize,
}

/// The fields of an entry: their names and values.
#[derive(Clone)]
pub(crate) struct Fields<'c> {
    names: Option<&'c [u8]>,
    left: usize,
    body: &'c [u8],
}

impl Chunk {
    /// A chunk of one entry. O(bytes)
    pub(super) fn of(id: StreamId, fields: &[(&[u8], &[u8])]) -> Chunk {
        let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let mut data = Vec::with_capacity(bytes + 8);
        put_number(&mut data, fields.len() as u64);
        fields.iter().for_each(|(name, _)| put_bytes(&mut data, name));
        let mut chunk = Chunk { first: id, last: id, len: 0, slots: 0, data };
        chunk.push(id, fields);
        chunk
    }

    /// Whether it takes another entry of so many bytes.
    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.slots < MOST && self.data.len() + bytes < BYTES
    }

    /// Whether its names alone leave no room, these are the same, and there is room for all that stands beside them.
    pub(super) fn shares_long_names(&self, fields: &[(&[u8], &[u8])]) -> bool {
        let names: usize = fields.iter().map(|(name, _)| name.len()).sum();
        let values: usize = fields.iter().map(|(_, value)| value.len()).sum();
        let others = self.data.len().saturating_sub(names);
        self.slots < MOST && names >= BYTES && others + values < BYTES && self.has_names(fields)
    }

    /// Adds an entry behind the others. O(bytes)
    pub(super) fn push(&mut self, id: StreamId, fields: &[(&[u8], &[u8])]) {
        let own = !self.has_names(fields);
        let ms = id.ms - self.first.ms;
        let seq = if ms == 0 { id.seq - self.first.seq } else { id.seq };
        let values: usize = fields.iter().map(|(_, value)| length_of(value)).sum();
        let names: usize = fields.iter().map(|(name, _)| length_of(name)).sum();
        let own_bytes = if own { size_of_number(fields.len() as u64) + names } else { 0 };
        let length = size_of_number(ms) + size_of_number(seq) + values + own_bytes;
        put_number(&mut self.data, (length as u64) << 1 | u64::from(own));
        put_number(&mut self.data, ms);
        put_number(&mut self.data, seq);
        if own {
            put_number(&mut self.data, fields.len() as u64);
        }
        for (name, value) in fields {
            if own {
                put_bytes(&mut self.data, name);
            }
            put_bytes(&mut self.data, value);
        }
        self.last = id;
        self.len += 1;
        self.slots += 1;
    }

    /// Gives back room that nothing will come for.
    pub(super) fn close(&mut self) {
        self.data.shrink_to_fit();
    }

    pub(super) fn len(&self) -> usize {
        self.len.into()
    }

    pub(super) fn first(&self) -> StreamId {
        self.first
    }

    /// The id of the last entry that was ever in it.
    pub(super) fn last(&self) -> StreamId {
        self.last
    }

    /// The entries in their order.
    pub(super) fn entries(&self) -> Entries<'_> {
        let mut rest = &self.data[..];
        let count = take_number(&mut rest) as usize;
        let names = rest;
        for _ in 0..count {
            take_bytes(&mut rest);
        }
        Entries { chunk: self, names, count, at: self.data.len() - rest.len() }
    }

    /// The entries in their order from a place on.
    pub(super) fn entries_at(&self, at: usize) -> Entries<'_> {
        Entries { at, ..self.entries() }
    }

    /// The places of the entries in their order. O(entries)
    pub(super) fn places(&self) -> impl Iterator<Item = usize> {
        self.entries().map(|(at, _)| at)
    }

    /// Removes the entry of that id; whether it was there. O(bytes)
    pub(super) fn remove(&mut self, id: StreamId) -> bool {
        let mut entries = self.entries();
        let Some((at, _)) =
            entries.by_ref().find(|(_, entry)| entry.id >= id).filter(|(_, entry)| entry.id == id)
        else {
            return false;
        };
        let end = entries.at;
        self.data.drain(at..end);
        self.len -= 1;
        true
    }

    /// Removes the entries for which the test says so, from the first one on; gives how many. O(bytes)
    pub(super) fn remove_first(&mut self, mut removes: impl FnMut(StreamId) -> bool) -> usize {
        let mut entries = self.entries();
        let start = entries.at;
        let (mut count, mut end) = (0, start);
        while let Some((_, entry)) = entries.next() {
            if !removes(entry.id) {
                break;
            }
            (count, end) = (count + 1, entries.at);
        }
        self.data.drain(start..end);
        self.len -= count;
        count.into()
    }

    /// Heap memory, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        self.data.capacity()
    }

    /// Whether these fields have the chunk's names.
    fn has_names(&self, fields: &[(&[u8], &[u8])]) -> bool {
        let mut rest = &self.data[..];
        let count = take_number(&mut rest) as usize;
        count == fields.len() && fields.iter().all(|(name, _)| take_bytes(&mut rest) == *name)
    }
}

impl<'c> Iterator for Entries<'c> {
    type Item = (usize, Entry<'c>);

    fn next(&mut self) -> Option<(usize, Entry<'c>)> {
        let mut rest = self.chunk.data.get(self.at..).filter(|rest| !rest.is_empty())?;
        let head = take_number(&mut rest);
        let (mut body, behind) = rest.split_at_checked((head >> 1) as usize)?;
        let at = std::mem::replace(&mut self.at, self.chunk.data.len() - behind.len());
        let (ms, seq) = (take_number(&mut body), take_number(&mut body));
        let first = self.chunk.first;
        let id = StreamId::new(first.ms + ms, if ms == 0 { first.seq + seq } else { seq });
        let is_own = head & 1 == 1;
        let count = if is_own { take_number(&mut body) as usize } else { self.count };
        Some((at, Entry { id, names: (!is_own).then_some(self.names), count, body }))
    }
}

impl<'c> Entry<'c> {
    /// Its fields, in the order in which they were given.
    pub(crate) fn fields(&self) -> Fields<'c> {
        Fields { names: self.names, left: self.count, body: self.body }
    }
}

impl<'c> Iterator for Fields<'c> {
    type Item = (&'c [u8], &'c [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let name = match &mut self.names {
            Some(names) => take_bytes(names),
            None => take_bytes(&mut self.body),
        };
        Some((name, take_bytes(&mut self.body)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

fn size_of_number(number: u64) -> usize {
    (u64::BITS - (number | 1).leading_zeros()).div_ceil(7) as usize
}

fn length_of(bytes: &[u8]) -> usize {
    size_of_number(bytes.len() as u64) + bytes.len()
}

fn put_number(data: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        data.push(number as u8 | 0x80);
        number >>= 7;
    }
    data.push(number as u8);
}

fn put_bytes(data: &mut Vec<u8>, bytes: &[u8]) {
    put_number(data, bytes.len() as u64);
    data.extend_from_slice(bytes);
}

fn take_number(data: &mut &[u8]) -> u64 {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let Some((byte, rest)) = data.split_first() else { break };
        *data = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte <= 0x7f {
            break;
        }
    }
    number
}

fn take_bytes<'c>(data: &mut &'c [u8]) -> &'c [u8] {
    let length = take_number(data) as usize;
    let (bytes, rest) = data.split_at(length.min(data.len()));
    *data = rest;
    bytes
}
