//! Positions by hash, in segments of bounded size: growing costs a moment, never a rehash of the whole.
//!
//! A segment is an array of buckets of one cache line each. A position stands in the first bucket from
//! its home on that has room, and each bucket counts those that had to pass it, so that a search knows
//! when to stop and nothing is left behind by a removal (the scheme of Facebook's F14). Segments grow
//! by a quarter, without looking at a record, and one that is full is split in two by the hash's next
//! bit: extendible hashing (Fagin, Nievergelt, Pippenger and Strong, 1979). Clones share the segments
//! until one of them is written.

use std::iter;
use std::sync::Arc;

/// A segment with more positions than this is split.
const FULL: usize = if crate::TINY { 40 } else { 2048 };
/// Slots to a bucket, and how many of them are in use on average before a segment grows.
const SLOTS: usize = 10;
const LOAD: usize = 9;

/// See the [module](self).
#[derive(Clone, Default)]
pub(super) struct Index {
    /// The segment of each value of the hash's first `depth` bits.
    directory: Vec<u32>,
    segments: Vec<Segment>,
    depth: u32,
    /// Buckets in all segments.
    buckets: usize,
}

#[derive(Clone)]
struct Segment {
    buckets: Arc<[Bucket]>,
    len: u32,
    /// The number of hash bits that all positions in it have in common.
    depth: u32,
}

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Bucket {
    positions: [u32; SLOTS],
    /// The hash's last 16 bits, which name the home within the segment too.
    tags: [u16; SLOTS],
    /// A bit for each slot in use.
    used: u16,
    /// How many positions passed this bucket, as it was full, for one further on.
    passed: u16,
}

const EMPTY: Bucket = Bucket { positions: [0; SLOTS], tags: [0; SLOTS], used: 0, passed: 0 };

impl Index {
    /// What `look` finds at the first position with that hash where it finds anything. O(1).
    #[inline(always)]
    pub(super) fn find<R>(&self, hash: u32, mut look: impl FnMut(u32) -> Option<R>) -> Option<R> {
        let segment = self.segments.get(*self.directory.get(self.slot(hash))? as usize)?;
        let tag = hash as u16;
        let (home, count) = (segment.home(tag), segment.buckets.len());
        let mut at = home;
        loop {
            let bucket = segment.buckets.get(at)?;
            let mut found = bucket.with_tag(tag);
            while found != 0 {
                // What a slot held that is not in use any more is looked at in vain, and seldom.
                if let Some(position) = bucket.positions.get(found.trailing_zeros() as usize) {
                    let found = look(*position);
                    if found.is_some() {
                        return found;
                    }
                }
                found &= found - 1;
            }
            at = if at + 1 == count { 0 } else { at + 1 };
            if bucket.passed == 0 || at == home {
                return None;
            }
        }
    }

    /// Adds a position that is not there yet; `hash_at` tells the hash of any other. O(1) amortised,
    /// and never more than a segment takes.
    pub(super) fn insert(&mut self, hash: u32, at: u32, hash_at: impl Fn(u32) -> u32) {
        if self.segments.is_empty() {
            self.directory.push(0);
            self.segments.push(Segment::of(&[], 0));
            self.buckets += 1;
        }
        loop {
            let id = self.directory[self.slot(hash)];
            let segment = &mut self.segments[id as usize];
            let len = segment.len as usize;
            // Hashes that are all the same cannot be told apart by more of their bits: the directory does
            // not outgrow the records.
            if len >= FULL && segment.depth < at.checked_ilog2().unwrap_or(0) {
                self.split(id, &hash_at);
                continue;
            }
            if len >= segment.buckets.len() * LOAD {
                let before = segment.buckets.len();
                segment.resize(before + before / 4 + 1);
                self.buckets += segment.buckets.len() - before;
            }
            segment.insert(hash as u16, at);
            return;
        }
    }

    /// Reads what a removal will read first. The removals of many stand in each other's way, each waiting
    /// for memory; a round of this before them has the processor fetch it for all at once.
    #[inline]
    pub(super) fn touch(&self, hash: u32) -> u16 {
        let id = self.directory.get(self.slot(hash)).copied().unwrap_or_default();
        let segment = self.segments.get(id as usize);
        segment
            .and_then(|segment| segment.buckets.get(segment.home(hash as u16)))
            .map_or(0, |bucket| bucket.used)
    }

    /// Takes a position out. O(1).
    pub(super) fn remove(&mut self, hash: u32, at: u32) {
        let slot = self.slot(hash);
        let Some(segment) = self.directory.get(slot).and_then(|&id| self.segments.get_mut(id as usize))
        else {
            return;
        };
        segment.remove(hash as u16, at);
        let (len, before) = (segment.len as usize, segment.buckets.len());
        if before > 2 && len < before * LOAD / 6 {
            segment.resize(len * 5 / (4 * LOAD) + 1);
            self.buckets -= before - segment.buckets.len();
        }
    }

    /// Follows what has moved from one position to another. O(1).
    pub(super) fn moved(&mut self, hash: u32, from: u32, to: u32) {
        let slot = self.slot(hash);
        let Some(segment) = self.directory.get(slot).and_then(|&id| self.segments.get_mut(id as usize))
        else {
            return;
        };
        if let Some((bucket, slot)) = segment.locate(hash as u16, from) {
            Arc::make_mut(&mut segment.buckets)[bucket].positions[slot] = to;
        }
    }

    /// Heap memory, in bytes. O(1).
    pub(super) fn bytes(&self) -> usize {
        // The counts before the buckets take a bucket's place.
        (self.buckets + self.segments.len()) * size_of::<Bucket>()
            + self.directory.capacity() * size_of::<u32>()
            + self.segments.capacity() * size_of::<Segment>()
    }

    /// The same, counted anew.
    #[cfg(any(test, fuzzing))]
    pub(super) fn recount(&self) -> usize {
        let buckets: usize = self.segments.iter().map(|segment| segment.buckets.len() + 1).sum();
        buckets * size_of::<Bucket>()
            + self.directory.capacity() * size_of::<u32>()
            + self.segments.capacity() * size_of::<Segment>()
    }

    #[inline]
    fn slot(&self, hash: u32) -> usize {
        // By 64 bits, as a shift by all 32 is none.
        (u64::from(hash) << self.depth >> u32::BITS) as usize
    }

    /// Splits a segment in two by the next bit of the hashes in it.
    fn split(&mut self, id: u32, hash_at: impl Fn(u32) -> u32) {
        let old = &self.segments[id as usize];
        let (before, depth) = (old.buckets.len(), old.depth + 1);
        let (low, high): (Vec<_>, Vec<_>) =
            old.iter().partition(|(_, at)| hash_at(*at) >> (u32::BITS - depth) & 1 == 0);
        let (low, high) = (Segment::of(&low, depth), Segment::of(&high, depth));
        self.buckets = self.buckets + low.buckets.len() + high.buckets.len() - before;
        if depth > self.depth {
            self.directory = self.directory.iter().flat_map(|&id| [id, id]).collect();
            self.depth += 1;
        }
        let new = self.segments.len() as u32;
        self.segments[id as usize] = low;
        self.segments.push(high);
        for (slot, named) in self.directory.iter_mut().enumerate() {
            if *named == id && slot >> (self.depth - depth) & 1 == 1 {
                *named = new;
            }
        }
    }
}

impl Segment {
    /// A segment of these positions, with little room for more.
    fn of(positions: &[(u16, u32)], depth: u32) -> Self {
        let len = positions.len();
        Segment { buckets: filled(len / LOAD + 1, positions.iter().copied()), len: len as u32, depth }
    }

    #[inline]
    fn home(&self, tag: u16) -> usize {
        home(tag, self.buckets.len())
    }

    /// Adds a position; there is a free slot somewhere.
    fn insert(&mut self, tag: u16, position: u32) {
        place(Arc::make_mut(&mut self.buckets), tag, position);
        self.len += 1;
    }

    fn remove(&mut self, tag: u16, position: u32) {
        let Some((found, slot)) = self.locate(tag, position) else { return };
        let mut at = self.home(tag);
        let buckets = Arc::make_mut(&mut self.buckets);
        while at != found {
            // One that has stopped counting stays as it is: a search then goes on for longer than it needs to.
            if buckets[at].passed < u16::MAX {
                buckets[at].passed -= 1;
            }
            at = if at + 1 == buckets.len() { 0 } else { at + 1 };
        }
        buckets[found].used &= !(1 << slot);
        self.len -= 1;
    }

    /// The bucket and the slot of a position.
    #[inline]
    fn locate(&self, tag: u16, position: u32) -> Option<(usize, usize)> {
        let mut at = self.home(tag);
        for _ in 0..self.buckets.len() {
            let bucket = self.buckets.get(at)?;
            if let Some(slot) = bucket.slot_of(position) {
                return Some((at, slot));
            }
            if bucket.passed == 0 {
                return None;
            }
            at = if at + 1 == self.buckets.len() { 0 } else { at + 1 };
        }
        None
    }

    fn resize(&mut self, buckets: usize) {
        self.buckets = filled(buckets, self.iter());
    }

    fn iter(&self) -> impl Iterator<Item = (u16, u32)> {
        self.buckets.iter().flat_map(|bucket| {
            let rests = iter::successors(Some(bucket.used), |rest| Some(rest & rest.wrapping_sub(1)));
            let used = rests.take_while(|rest| *rest != 0).map(|rest| rest.trailing_zeros() as usize);
            used.map(|slot| (bucket.tags[slot], bucket.positions[slot]))
        })
    }
}

/// The bucket where a tag belongs. Its last byte counts first, as the first bits are the same in all
/// of a segment once the index has split by so many.
#[inline]
fn home(tag: u16, buckets: usize) -> usize {
    (usize::from(tag.swap_bytes()) * buckets) >> u16::BITS
}

/// So many buckets with these positions in them; there is room.
fn filled(buckets: usize, positions: impl Iterator<Item = (u16, u32)>) -> Arc<[Bucket]> {
    let mut filled: Arc<[Bucket]> = iter::repeat_n(EMPTY, buckets).collect();
    // Just made: nobody shares it.
    if let Some(buckets) = Arc::get_mut(&mut filled) {
        positions.for_each(|(tag, position)| place(buckets, tag, position));
    }
    filled
}

/// Puts a position into the first bucket from its home on that has room; there is one.
fn place(buckets: &mut [Bucket], tag: u16, position: u32) {
    let mut at = home(tag, buckets.len());
    while buckets[at].used == ALL {
        buckets[at].passed = buckets[at].passed.saturating_add(1);
        at = if at + 1 == buckets.len() { 0 } else { at + 1 };
    }
    let bucket = &mut buckets[at];
    let slot = bucket.used.trailing_ones() as usize;
    bucket.positions[slot] = position;
    bucket.tags[slot] = tag;
    bucket.used |= 1 << slot;
}

/// All slots in use.
const ALL: u16 = (1 << SLOTS) - 1;

impl Bucket {
    /// A bit for each slot with that tag, in use or not.
    #[inline]
    fn with_tag(&self, tag: u16) -> u32 {
        let mut found = 0;
        for (slot, other) in self.tags.into_iter().enumerate() {
            found |= u32::from(other == tag) << slot;
        }
        found
    }

    /// The slot of a position. No position stands in an index twice, so no tag need be looked at.
    #[inline]
    fn slot_of(&self, position: u32) -> Option<usize> {
        let mut found = 0;
        for (slot, other) in self.positions.into_iter().enumerate() {
            found |= u16::from(other == position) << slot;
        }
        found &= self.used;
        (found != 0).then_some(found.trailing_zeros() as usize)
    }
}
