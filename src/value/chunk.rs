//! The chunk of a list: some neighbouring elements, shared or copied as one.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::list::End;
use crate::Bytes;

/// The most elements of a chunk; few in tests, so that they cross every split and join.
pub(super) const CHUNK: usize = if cfg!(test) { 8 } else { 128 };

/// The room a chunk starts with where it is the only one, and keeps.
pub(super) const SMALLEST: usize = 4;

/// Some neighbouring elements of a list, and what they hold elsewhere.
#[derive(Debug, Default)]
pub(super) struct Chunk {
    pub(super) items: VecDeque<Bytes>,
    /// The sum of the elements' [`Bytes::heap_bytes`].
    heap: usize,
}

/// With the room of the original: a chunk is copied because it is about to change.
impl Clone for Chunk {
    fn clone(&self) -> Self {
        let mut items = VecDeque::with_capacity(self.items.capacity());
        items.extend(self.items.iter().cloned());
        Chunk { items, heap: self.heap }
    }
}

impl Chunk {
    pub(super) fn with_capacity(room: usize) -> Self {
        Chunk { items: VecDeque::with_capacity(room), heap: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Bytes of memory of the chunk, of its room and of what its elements hold elsewhere.
    pub(super) fn bytes(&self) -> usize {
        /// The two counters that an `Arc` keeps beside the value.
        const ARC: usize = 2 * size_of::<usize>();
        ARC + size_of::<Chunk>() + self.items.capacity() * size_of::<Bytes>() + self.heap
    }

    /// Grows by half, so that a short list has little room to spare; never past `CHUNK`.
    fn make_room(&mut self) {
        let len = self.items.len();
        if len == self.items.capacity() {
            let room = (len + len / 2).clamp(SMALLEST, CHUNK);
            self.items.reserve_exact(room.saturating_sub(len));
        }
    }

    /// Whether three quarters of the room or more are unused.
    pub(super) fn is_sparse(&self) -> bool {
        let room = self.items.capacity();
        room > SMALLEST && room / 4 >= self.items.len()
    }

    /// Gives back room, and keeps as much as it takes to double.
    pub(super) fn shrink(&mut self) {
        self.items.shrink_to(SMALLEST.max(2 * self.items.len()));
    }

    pub(super) fn push(&mut self, end: End, element: Bytes) {
        self.make_room();
        self.heap += element.heap_bytes();
        match end {
            End::Front => self.items.push_front(element),
            End::Back => self.items.push_back(element),
        }
    }

    pub(super) fn pop(&mut self, end: End) -> Option<Bytes> {
        // Counted in place, and passed on as it comes: a look into the moved element costs more than
        // all the rest.
        self.heap -= self.peek(end)?.heap_bytes();
        match end {
            End::Front => self.items.pop_front(),
            End::Back => self.items.pop_back(),
        }
    }

    pub(super) fn peek(&self, end: End) -> Option<&Bytes> {
        match end {
            End::Front => self.items.front(),
            End::Back => self.items.back(),
        }
    }

    pub(super) fn set(&mut self, offset: usize, element: Bytes) -> Option<Bytes> {
        let place = self.items.get_mut(offset)?;
        self.heap = self.heap + element.heap_bytes() - place.heap_bytes();
        Some(std::mem::replace(place, element))
    }

    /// `offset` is at most `len`.
    pub(super) fn insert(&mut self, offset: usize, element: Bytes) {
        self.make_room();
        self.heap += element.heap_bytes();
        self.items.insert(offset, element);
    }

    pub(super) fn count(&self, value: &[u8]) -> usize {
        self.items.iter().filter(|element| element.as_slice() == value).count()
    }

    /// Removes those elements equal to `value` whose number among them is in `which`.
    pub(super) fn remove_matches(&mut self, value: &[u8], which: Range<usize>) {
        let mut seen = 0;
        let mut freed = 0;
        self.items.retain(|element| {
            if element.as_slice() != value {
                return true;
            }
            let leaves = which.contains(&seen);
            seen += 1;
            if leaves {
                freed += element.heap_bytes();
            }
            !leaves
        });
        self.heap -= freed;
    }

    /// `offset` is at most `len`.
    pub(super) fn split_off(&mut self, offset: usize) -> Chunk {
        let items = self.items.split_off(offset);
        let heap = items.iter().map(Bytes::heap_bytes).sum();
        self.heap -= heap;
        Chunk { items, heap }
    }

    /// Drops `count` elements, at most `len`, from an end.
    pub(super) fn cut(&mut self, end: End, count: usize) {
        let range = if end == End::Front { 0..count } else { self.len() - count..self.len() };
        self.heap -= self.items.range(range.clone()).map(Bytes::heap_bytes).sum::<usize>();
        self.items.drain(range);
    }

    pub(super) fn append(&mut self, chunk: Arc<Chunk>) {
        let mut chunk = Arc::unwrap_or_clone(chunk);
        self.items.reserve_exact(chunk.len());
        self.items.append(&mut chunk.items);
        self.heap += chunk.heap;
    }
}
