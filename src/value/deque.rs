//! A long list: chunks of packed elements between two edges that are open.
//!
//! What holds between any two calls:
//! - the elements are those of the front edge, the chunks and the back edge, in this order; while there
//!   are no chunks, either edge may be empty, and the other one serves both ends;
//! - no chunk is empty, none holds more than [`MOST`], no edge more than [`EDGE`];
//! - two neighbouring chunks hold together more than half of [`MOST`], so that `n` elements lie in
//!   at most `4 * n / MOST + 1` chunks whatever was inserted and removed before;
//! - without chunks, an edge has room for less than four times what it holds, or for `SMALLEST`, so
//!   that a list of a few long elements is small even if it was longer;
//! - `len` and `held` are what a walk over all chunks and edges would add up to.

use std::collections::VecDeque;
use std::mem;
use std::ops::Range;

use super::chunk::Chunk;
use super::edge::{EDGE, Edge, RUN, SMALLEST};
use super::list::End;
use super::strip::{MOST, Run, Strip, View};
use crate::Bytes;
use crate::records::Text;

/// See the [module](self). A clone is O(n / 128), and shares all but the edges.
#[derive(Clone, Debug, Default)]
pub(super) struct Deque {
    front: Edge,
    chunks: VecDeque<Chunk>,
    back: Edge,
    len: usize,
    /// The sum of the chunks' [`Chunk::bytes`].
    held: usize,
}

/// Where an element stands.
enum Place {
    Front(usize),
    /// In a chunk, at an offset.
    Chunk(usize, usize),
    Back(usize),
}

impl Deque {
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Heap memory, in bytes; what clones share, each of them counts. O(1).
    pub(super) fn bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>() + self.held + self.front.bytes() + self.back.bytes()
    }

    /// O(1) amortised.
    #[inline]
    pub(super) fn push(&mut self, end: End, element: Bytes) {
        if self.edge(end).len() >= EDGE {
            self.pack(end);
        }
        self.edge_mut(end).push(end, element);
        self.len += 1;
    }

    /// O(1) amortised.
    #[inline]
    pub(super) fn pop(&mut self, end: End) -> Option<Bytes> {
        if self.edge(end).len() == 0 {
            self.unpack(end);
        }
        // Chosen and counted by a look at the edge: one at what comes from it costs more than all the rest.
        let nearest = if self.edge(end).len() == 0 { other(end) } else { end };
        self.len = self.len.saturating_sub(1);
        let popped = self.edge_mut(nearest).pop(end);
        self.fit();
        popped
    }

    /// Takes the elements nearest to an end, as many as lie together there; none if there are none at
    /// all. O(taken).
    pub(super) fn take_run(&mut self, end: End) -> VecDeque<Bytes> {
        let nearest = if self.edge(end).len() == 0 && self.chunks.is_empty() { other(end) } else { end };
        let run = if self.edge(nearest).len() > 0 {
            mem::take(self.edge_mut(nearest)).items
        } else {
            let chunk = self.unlink(self.outermost(end));
            chunk.iter().flat_map(Chunk::view).map(Bytes::from).collect()
        };
        self.len -= run.len();
        self.fit();
        run
    }

    /// O(1).
    pub(super) fn peek(&self, end: End) -> Option<Text<'_>> {
        if let Some(element) = self.edge(end).peek(end) {
            return Some(Text::Shared(element));
        }
        match self.chunks.get(self.outermost(end)) {
            Some(chunk) if end == End::Front => chunk.view().first(),
            Some(chunk) => chunk.view().last(),
            None => self.edge(other(end)).peek(end).map(Text::Shared),
        }
    }

    /// O(1) while all chunks but the outermost are full, else O(n / 128).
    pub(super) fn get(&self, index: usize) -> Option<Text<'_>> {
        match self.place(index) {
            Place::Front(offset) => self.front.items.get(offset).map(Text::Shared),
            Place::Chunk(at, offset) => self.chunks.get(at)?.view().get(offset),
            Place::Back(offset) => self.back.items.get(offset).map(Text::Shared),
        }
    }

    /// Replaces an element; false past the end. Costs as [`get`](Self::get).
    pub(super) fn set(&mut self, index: usize, element: Bytes) -> bool {
        match self.place(index) {
            Place::Front(offset) => self.front.set(offset, element),
            Place::Chunk(at, offset) => {
                self.edit(at, |chunk| chunk.set(offset, &element));
                true
            }
            Place::Back(offset) => self.back.set(offset, element),
        }
    }

    /// Adds an element before the one at `index`, or at the back from `len` on. O(n / 128).
    pub(super) fn insert(&mut self, index: usize, element: Bytes) {
        if index == 0 || index >= self.len {
            return self.push(if index == 0 { End::Front } else { End::Back }, element);
        }
        // What is full is halved first, which may move the place.
        match self.place(index) {
            Place::Front(_) if self.front.len() >= EDGE => self.pack(End::Front),
            Place::Back(_) if self.back.len() >= EDGE => self.pack(End::Back),
            Place::Chunk(at, _) if self.chunk_len(at) >= MOST => self.split(at),
            Place::Front(offset) => {
                self.len += 1;
                return self.front.insert(offset, element);
            }
            Place::Back(offset) => {
                self.len += 1;
                return self.back.insert(offset, element);
            }
            Place::Chunk(at, offset) => {
                self.len += 1;
                let element = Text::Shared(&element);
                return self.edit(at, |chunk| chunk.splice(offset..offset, View::one(&element)));
            }
        }
        self.insert(index, element);
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = Text<'_>> {
        let chunks = self.chunks.iter().flat_map(Chunk::view);
        let (front, back) = (self.front.items.iter(), self.back.items.iter());
        front.map(Text::Shared).chain(chunks).chain(back.map(Text::Shared))
    }

    /// The elements of `range`, cut to the list. O(n / 128) to start, O(1) an element.
    pub(super) fn range(&self, range: Range<usize>) -> impl DoubleEndedIterator<Item = Text<'_>> {
        let end = range.end.min(self.len);
        let start = range.start.min(end);
        let (before, behind) = (self.front.len(), self.len - self.back.len());
        let within = |index: usize| index.clamp(before, behind) - before;
        let (first, from) = self.locate(within(start));
        let (last, to) = self.locate(within(end));
        // No range can panic: `locate` gives positions inside, in the order of its arguments, and the chunk
        // `last` is there where `to` is not 0.
        let chunks = self.chunks.range(first..last + usize::from(to > 0));
        let chunks = chunks.enumerate().flat_map(move |(step, chunk)| {
            let start = if step == 0 { from } else { 0 };
            let end = if first + step == last { to } else { chunk.len() };
            chunk.view().slice(start..end)
        });
        let front = self.front.items.range(start.min(before)..end.min(before));
        let back = self.back.items.range(start.max(behind) - behind..end.max(behind) - behind);
        front.map(Text::Shared).chain(chunks).chain(back.map(Text::Shared))
    }

    /// Removes the first `limit` elements equal to `value` as seen from `from`; gives how many there
    /// were. O(n); a chunk without a match stays shared.
    pub(super) fn remove_matching(&mut self, value: &[u8], from: End, limit: usize) -> usize {
        let mut left = limit;
        self.remove_from_edge(value, from, from, &mut left);
        let chunks = self.chunks.len();
        for step in 0..chunks {
            if left == 0 {
                break;
            }
            let at = if from == End::Front { step } else { chunks - 1 - step };
            let matches = self.chunks.get(at).map_or(0, |chunk| chunk.view().count(value));
            let which = nearest(from, matches, &mut left);
            if !which.is_empty() {
                self.edit(at, |chunk| chunk.remove_matches(value, which));
            }
        }
        self.remove_from_edge(value, other(from), from, &mut left);
        let removed = limit - left;
        self.len -= removed;
        if removed > 0 {
            self.compact();
        }
        removed
    }

    /// Keeps the elements of `range`, which lies within. O(dropped), or O(dropped / 128) of those that a
    /// clone still shares.
    pub(super) fn truncate_to(&mut self, range: Range<usize>) {
        self.cut(End::Back, self.len - range.end);
        self.cut(End::Front, range.start);
    }

    /// All elements in one strip, if they fit into one and have no more bytes than `limit`. O(n), no
    /// further than to the first that does not fit.
    pub(super) fn to_strip(&self, limit: usize) -> Option<Strip> {
        let mut left = limit;
        let fits = self.len <= MOST
            && self.iter().all(|element| {
                let is_within = Strip::takes(&element) && element.len() <= left;
                left = left.saturating_sub(element.len());
                is_within
            });
        fits.then(|| Strip::of(&[Run::of(self.iter()).view()]))
    }

    #[inline]
    fn edge(&self, end: End) -> &Edge {
        if end == End::Front { &self.front } else { &self.back }
    }

    #[inline]
    fn edge_mut(&mut self, end: End) -> &mut Edge {
        if end == End::Front { &mut self.front } else { &mut self.back }
    }

    /// The place of an index; from `len` on, one behind the back.
    fn place(&self, index: usize) -> Place {
        let (before, behind) = (self.front.len(), self.len - self.back.len());
        if index < before {
            Place::Front(index)
        } else if index >= behind {
            Place::Back(index - behind)
        } else {
            let (at, offset) = self.locate(index - before);
            Place::Chunk(at, offset)
        }
    }

    /// The chunk and the offset in it of a position counted from the first chunk's start; from their end
    /// on, the chunk after the last.
    fn locate(&self, index: usize) -> (usize, usize) {
        let len = self.len - self.front.len() - self.back.len();
        if index >= len {
            return (self.chunks.len(), 0);
        }
        let first = self.chunk_len(0);
        if index < first {
            return (0, index);
        }
        // There is a second chunk, as `index` is past the first. As none holds more than `MOST`, the sum
        // tells whether all chunks between the outermost are full.
        let inner = len - first - self.chunk_len(self.chunks.len() - 1);
        if inner == (self.chunks.len() - 2) * MOST {
            return (1 + (index - first) / MOST, (index - first) % MOST);
        }
        if index < len / 2 {
            let mut left = index;
            for (at, chunk) in self.chunks.iter().enumerate() {
                if left < chunk.len() {
                    return (at, left);
                }
                left -= chunk.len();
            }
        } else {
            let mut left = len - index;
            for (at, chunk) in self.chunks.iter().enumerate().rev() {
                if left <= chunk.len() {
                    return (at, chunk.len() - left);
                }
                left -= chunk.len();
            }
        }
        (self.chunks.len(), 0)
    }

    /// The index of the chunk at an end; 0 without chunks.
    fn outermost(&self, end: End) -> usize {
        if end == End::Front { 0 } else { self.chunks.len().saturating_sub(1) }
    }

    /// How many elements a chunk holds; 0 where there is no such chunk.
    fn chunk_len(&self, at: usize) -> usize {
        self.chunks.get(at).map_or(0, Chunk::len)
    }

    /// Packs that half of a full edge that is farther from its end. It goes to the chunk next to it, as far
    /// as that has room: all but the outermost are full as long as a list is only changed at its ends.
    fn pack(&mut self, end: End) {
        let (inner, at) = (other(end), self.outermost(end));
        let len = self.chunk_len(at);
        let is_new = len == 0 || len >= MOST;
        let count = if is_new { RUN } else { RUN.min(MOST - len) };
        let edge = self.edge(end);
        let run = Run::of(edge.items.range(edge.nearest(inner, count)).map(Text::Shared));
        if is_new {
            let at = if end == End::Front { 0 } else { self.chunks.len() };
            self.link(at, Chunk::of(run.view()));
        } else {
            let to = if end == End::Front { 0 } else { len };
            self.edit(at, |chunk| chunk.splice(to..to, run.view()));
        }
        self.edge_mut(end).cut(inner, count);
    }

    /// Fills an empty edge from the chunk next to it, if there is one.
    fn unpack(&mut self, end: End) {
        let at = self.outermost(end);
        let Some(chunk) = self.chunks.get(at) else { return };
        let count = chunk.len().min(EDGE);
        let range = if end == End::Front { 0..count } else { chunk.len() - count..chunk.len() };
        let edge = if end == End::Front { &mut self.front } else { &mut self.back };
        edge.extend(chunk.view().slice(range.clone()));
        self.edit(at, |chunk| chunk.splice(range, View::EMPTY));
        self.settle(at);
    }

    /// Changes a chunk: the only way to write to one. Where there is no such chunk, nothing happens.
    fn edit(&mut self, at: usize, change: impl FnOnce(&mut Chunk)) {
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        let before = chunk.bytes();
        change(chunk);
        self.held = self.held + chunk.bytes() - before;
    }

    /// Puts a chunk into the row of chunks; `at` is at most their number.
    fn link(&mut self, at: usize, chunk: Chunk) {
        if self.chunks.is_empty() {
            self.chunks.reserve_exact(1);
        }
        self.held += chunk.bytes();
        self.chunks.insert(at, chunk);
    }

    /// Takes a chunk out of the row of chunks.
    fn unlink(&mut self, at: usize) -> Option<Chunk> {
        let chunk = self.chunks.remove(at)?;
        self.held -= chunk.bytes();
        Some(chunk)
    }

    /// Moves the second half of a full chunk into a new one behind it.
    fn split(&mut self, at: usize) {
        let Some(chunk) = self.chunks.get(at) else { return };
        let range = MOST / 2..chunk.len();
        let half = Chunk::of(chunk.view().slice(range.clone()));
        self.edit(at, |chunk| chunk.splice(range, View::EMPTY));
        self.link(at + 1, half);
    }

    fn remove_from_edge(&mut self, value: &[u8], edge: End, from: End, left: &mut usize) {
        let edge = self.edge_mut(edge);
        let which = nearest(from, edge.count(value), left);
        if !which.is_empty() {
            edge.remove_matches(value, which);
        }
    }

    /// Drops `count` elements from an end.
    fn cut(&mut self, end: End, mut count: usize) {
        self.len -= count;
        while count > 0 {
            let at = self.outermost(end);
            let len = self.chunk_len(at);
            if self.edge(end).len() > 0 || len == 0 {
                let from = if self.edge(end).len() > 0 { end } else { other(end) };
                let edge = self.edge_mut(from);
                let dropped = count.min(edge.len());
                if dropped == 0 {
                    break;
                }
                edge.cut(end, dropped);
                count -= dropped;
            } else if count >= len {
                self.unlink(at);
                count -= len;
            } else {
                // Opened, so that a list that is cut after each push pays for the chunk once.
                self.unpack(end);
            }
        }
        self.fit();
    }

    /// Restores the invariants after elements left the chunk `at`.
    ///
    /// A chunk that lost its last element leaves neighbours behind that need no joining: each of them
    /// and that one element were more than half of `MOST`.
    fn settle(&mut self, at: usize) {
        if self.chunk_len(at) == 0 {
            self.unlink(at);
        } else {
            self.join(at);
            if at > 0 {
                self.join(at - 1);
            }
        }
        self.fit();
    }

    /// Moves the chunk after `at` into `at` if both hold together half of `MOST` at most.
    fn join(&mut self, at: usize) {
        let (len, next) = (self.chunk_len(at), self.chunk_len(at + 1));
        if next == 0 || len + next > MOST / 2 {
            return;
        }
        if let Some(chunk) = self.unlink(at + 1) {
            self.edit(at, |left| left.splice(len..len, chunk.view()));
        }
    }

    /// Restores the invariants after elements left any number of chunks.
    ///
    /// Turns the row of chunks round once: taken from its front, and put or joined to its back.
    fn compact(&mut self) {
        let mut kept = 0;
        for _ in 0..self.chunks.len() {
            let Some(chunk) = self.unlink(0) else { break };
            let last = self.chunks.len().saturating_sub(1);
            let len = self.chunk_len(last);
            if kept > 0 && len + chunk.len() <= MOST / 2 {
                self.edit(last, |left| left.splice(len..len, chunk.view()));
            } else if chunk.len() > 0 {
                self.held += chunk.bytes();
                self.chunks.push_back(chunk);
                kept += 1;
            }
        }
        self.fit();
    }

    /// Gives back room that a list which was longer has left.
    #[inline]
    fn fit(&mut self) {
        let (chunks, room) = (self.chunks.len(), self.chunks.capacity());
        if room > SMALLEST && room / 4 >= chunks {
            self.chunks.shrink_to(2 * chunks);
        }
        if chunks == 0 {
            self.front.fit();
            self.back.fit();
        }
    }
}

/// A list of what stands in a strip.
impl From<&Strip> for Deque {
    fn from(strip: &Strip) -> Self {
        let mut deque = Deque { len: strip.len(), ..Deque::default() };
        if deque.len > 0 {
            deque.link(0, Chunk::of(strip.view(&[])));
        }
        deque
    }
}

fn other(end: End) -> End {
    match end {
        End::Front => End::Back,
        End::Back => End::Front,
    }
}

/// The numbers of the first `left` of so many matches as seen from an end; what they are is taken off
/// `left`.
fn nearest(from: End, matches: usize, left: &mut usize) -> Range<usize> {
    let taken = matches.min(*left);
    *left -= taken;
    let first = if from == End::Front { 0 } else { matches - taken };
    first..first + taken
}

#[cfg(any(test, fuzzing))]
impl Deque {
    /// Fails where what the [module](self) promises does not hold.
    #[cfg(test)]
    pub(super) fn check(&self) {
        let lens: Vec<usize> = self.chunks.iter().map(|chunk| chunk.view().len()).collect();
        assert!(lens.iter().all(|len| (1..=MOST).contains(len)), "{lens:?}");
        assert!(lens.windows(2).all(|pair| pair[0] + pair[1] > MOST / 2), "{lens:?}");
        assert!(self.chunks.iter().map(Chunk::len).eq(lens.iter().copied()));
        assert_eq!(self.len, self.iter().count());
        let row = self.chunks.capacity();
        assert!(row <= SMALLEST || row < 4 * lens.len().max(1), "{row} for {lens:?}");
        for edge in [&self.front, &self.back] {
            let (len, room) = (edge.len(), edge.items.capacity());
            assert!(len <= EDGE && room <= EDGE.max(SMALLEST));
            assert!(!lens.is_empty() || room <= SMALLEST || room < 4 * len, "room {room} for {len}");
        }
    }

    pub(super) fn recount(&self) -> usize {
        let edges = [&self.front, &self.back].map(|edge| {
            edge.items.capacity() * size_of::<Bytes>()
                + edge.items.iter().map(Bytes::heap_bytes).sum::<usize>()
        });
        let chunks = self.chunks.iter().map(Chunk::bytes).sum::<usize>();
        edges[0] + edges[1] + self.chunks.capacity() * size_of::<Chunk>() + chunks
    }

    /// For each chunk, whether the other list has its bytes too.
    #[cfg(test)]
    pub(super) fn shared_with(&self, other: &Deque) -> Vec<bool> {
        let data = |chunk: &Chunk| chunk.view().first().map(|element| element.as_ptr());
        self.chunks.iter().zip(&other.chunks).map(|(left, right)| data(left) == data(right)).collect()
    }
}
