//! The edge of a long list: the elements nearest to one of its ends, open to pushes and pops.

use std::collections::VecDeque;
use std::ops::Range;

use super::list::End;
use super::strip::View;
use crate::Bytes;

/// The most elements of an edge, as many as are unpacked at once when it is empty; and how many are
/// packed at once when it is full. A list that swings around there does neither again at once. Few in
/// tests, so that they cross every border.
pub(super) const EDGE: usize = 2 * RUN;
pub(super) const RUN: usize = if crate::TINY { 3 } else { 32 };

/// The room an edge starts with, and keeps.
pub(super) const SMALLEST: usize = 4;

/// Some elements of a list, and what they hold elsewhere.
#[derive(Debug, Default)]
pub(super) struct Edge {
    pub(super) items: VecDeque<Bytes>,
    /// The sum of the elements' [`Bytes::heap_bytes`].
    heap: usize,
}

/// With the room of the original: an edge is copied because it is about to change.
impl Clone for Edge {
    fn clone(&self) -> Self {
        let mut items = VecDeque::with_capacity(self.items.capacity());
        items.extend(self.items.iter().cloned());
        Edge { items, heap: self.heap }
    }
}

impl Edge {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    /// Heap memory, in bytes, with what the elements hold. O(1).
    pub(super) fn bytes(&self) -> usize {
        self.items.capacity() * size_of::<Bytes>() + self.heap
    }

    #[inline]
    pub(super) fn push(&mut self, end: End, element: Bytes) {
        self.make_room();
        self.heap += element.heap_bytes();
        match end {
            End::Front => self.items.push_front(element),
            End::Back => self.items.push_back(element),
        }
    }

    #[inline]
    pub(super) fn pop(&mut self, end: End) -> Option<Bytes> {
        // Counted in place, and passed on as it comes: a look into the moved element costs more than
        // all the rest.
        self.heap -= self.peek(end)?.heap_bytes();
        match end {
            End::Front => self.items.pop_front(),
            End::Back => self.items.pop_back(),
        }
    }

    /// Adds elements behind the last.
    pub(super) fn extend(&mut self, elements: View<'_>) {
        let (old, count) = (self.len(), elements.len());
        self.items.reserve_exact(count);
        self.items.extend(elements.map(Bytes::from));
        self.heap += self.items.range(old..).map(Bytes::heap_bytes).sum::<usize>();
    }

    #[inline]
    pub(super) fn peek(&self, end: End) -> Option<&Bytes> {
        match end {
            End::Front => self.items.front(),
            End::Back => self.items.back(),
        }
    }

    /// Replaces an element; false if there is none at that offset.
    pub(super) fn set(&mut self, offset: usize, element: Bytes) -> bool {
        let Some(place) = self.items.get_mut(offset) else { return false };
        self.heap = self.heap + element.heap_bytes() - place.heap_bytes();
        *place = element;
        true
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

    /// Drops `count` elements, at most `len`, from an end.
    pub(super) fn cut(&mut self, end: End, count: usize) {
        let range = self.nearest(end, count);
        self.heap -= self.items.range(range.clone()).map(Bytes::heap_bytes).sum::<usize>();
        self.items.drain(range);
    }

    /// The offsets of the `count` elements, at most `len`, that are nearest to an end.
    pub(super) fn nearest(&self, end: End, count: usize) -> Range<usize> {
        if end == End::Front { 0..count } else { self.len() - count..self.len() }
    }

    /// Gives back three quarters of the room or more, if they are unused.
    #[inline]
    pub(super) fn fit(&mut self) {
        let room = self.items.capacity();
        if room > SMALLEST && room / 4 >= self.len() {
            self.items.shrink_to(2 * self.len());
        }
    }

    /// Grows by half, so that a short list has little room to spare; never past `EDGE`.
    fn make_room(&mut self) {
        let len = self.items.len();
        if len == self.items.capacity() {
            let room = (len + len / 2).clamp(SMALLEST, EDGE.max(SMALLEST));
            self.items.reserve_exact(room.saturating_sub(len));
        }
    }
}
