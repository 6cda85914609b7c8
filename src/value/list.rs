//! A list: a deque of byte strings in chunks, which clones share until one of them writes.
//!
//! What holds between any two calls:
//! - no chunk is empty, none holds or has room for more than [`CHUNK`] elements;
//! - two neighbouring chunks hold together more than half of [`CHUNK`], so that `n` elements lie in
//!   at most `4 * n / CHUNK + 1` chunks whatever was inserted and removed before;
//! - a chunk that is the only one has room for less than four times what it holds, or for
//!   [`SMALLEST`], so that a short list is small even if it was long;
//! - `len` and `held` are what a walk over all chunks would add up to.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::chunk::{CHUNK, Chunk, SMALLEST};
use crate::Bytes;

/// One of the two ends of a list: Redis's LEFT and RIGHT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum End {
    /// Where the first element is: `LEFT`, the head.
    #[doc(alias = "LEFT")]
    Front,
    /// Where the last element is: `RIGHT`, the tail.
    #[doc(alias = "RIGHT")]
    Back,
}

/// A sequence of byte strings with cheap ends; a clone is O(n / 128) and shares every element.
///
/// The first write to a chunk after a clone copies that chunk.
#[derive(Clone, Debug, Default)]
pub(crate) struct List {
    chunks: VecDeque<Arc<Chunk>>,
    len: usize,
    /// The sum of the chunks' [`Chunk::bytes`].
    held: usize,
}

impl List {
    /// The number of elements. O(1).
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no elements. O(1).
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of memory held outside this value; what clones share, each of them counts. O(1).
    pub(crate) fn bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<Arc<Chunk>>() + self.held
    }

    /// Adds an element at an end. O(1) amortised.
    pub(crate) fn push(&mut self, end: End, element: Bytes) {
        let mut at = self.outermost(end);
        if !(1..CHUNK).contains(&self.chunk_len(at)) {
            // Beside a full chunk this one is likely to fill up too.
            let room = if self.chunks.is_empty() { SMALLEST } else { CHUNK };
            at = if end == End::Front { 0 } else { self.chunks.len() };
            self.link(at, Chunk::with_capacity(room));
        }
        self.edit(at, |chunk| chunk.push(end, element));
        self.len += 1;
    }

    /// Takes the element at an end. O(1) amortised.
    pub(crate) fn pop(&mut self, end: End) -> Option<Bytes> {
        let at = self.outermost(end);
        let element = self.edit(at, |chunk| chunk.pop(end));
        if element.is_some() {
            self.len -= 1;
            self.settle(at);
        }
        element
    }

    /// The element at an end. O(1).
    pub(crate) fn peek(&self, end: End) -> Option<&Bytes> {
        self.chunks.get(self.outermost(end))?.peek(end)
    }

    /// The element at `index`. O(1) while only the ends were written to, else O(n / 128).
    pub(crate) fn get(&self, index: usize) -> Option<&Bytes> {
        let (at, offset) = self.locate(index);
        self.chunks.get(at)?.items.get(offset)
    }

    /// Replaces the element at `index` and returns the old one; `None`, and no change, past the end.
    /// Costs as [`get`](Self::get).
    pub(crate) fn set(&mut self, index: usize, element: Bytes) -> Option<Bytes> {
        let (at, offset) = self.locate(index);
        self.edit(at, |chunk| chunk.set(offset, element))
    }

    /// Adds an element before the one at `index`, or at the back from `len` on. O(n / 128).
    pub(crate) fn insert(&mut self, index: usize, element: Bytes) {
        if index == 0 || index >= self.len {
            return self.push(if index == 0 { End::Front } else { End::Back }, element);
        }
        let (mut at, mut offset) = self.locate(index);
        if self.chunk_len(at) == CHUNK {
            // Offset 0 of a later position than the first has a chunk before it.
            if offset == 0 && self.chunk_len(at - 1) < CHUNK {
                at -= 1;
                offset = self.chunk_len(at);
            } else {
                self.split(at);
                if offset > CHUNK / 2 {
                    at += 1;
                    offset -= CHUNK / 2;
                }
            }
        }
        self.edit(at, |chunk| chunk.insert(offset, element));
        self.len += 1;
    }

    /// The elements in order. O(1) to start, O(1) an element.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Bytes> {
        self.chunks.iter().flat_map(|chunk| chunk.items.iter())
    }

    /// The elements of `range`, cut to the list. O(n / 128) to start, O(1) an element.
    pub(crate) fn range(&self, range: Range<usize>) -> impl DoubleEndedIterator<Item = &Bytes> {
        let (first, from) = self.locate(range.start.min(range.end));
        let (last, to) = self.locate(range.end);
        // Neither slice can panic: `locate` gives positions inside, in the order of its arguments,
        // and the chunk `last` is there where `to` is not 0.
        let chunks = self.chunks.range(first..last + usize::from(to > 0));
        chunks.enumerate().flat_map(move |(step, chunk)| {
            let start = if step == 0 { from } else { 0 };
            let end = if first + step == last { to } else { chunk.len() };
            chunk.items.range(start..end)
        })
    }

    /// The position, from the front, of the first element equal to `value` as seen from `from`. O(n).
    pub(crate) fn find(&self, value: &[u8], from: End) -> Option<usize> {
        let is_value = |element: &Bytes| element.as_slice() == value;
        match from {
            End::Front => self.iter().position(is_value),
            End::Back => self.iter().rev().position(is_value).map(|passed| self.len - 1 - passed),
        }
    }

    /// Removes the first `limit` elements equal to `value` as seen from `from`, all of them if `limit`
    /// is 0, and returns how many there were. O(n); a chunk without a match stays shared.
    pub(crate) fn remove_matching(&mut self, value: &[u8], from: End, limit: usize) -> usize {
        let limit = if limit == 0 { usize::MAX } else { limit };
        let chunks = self.chunks.len();
        let mut removed = 0;
        for step in 0..chunks {
            let at = if from == End::Front { step } else { chunks - 1 - step };
            let matches = self.chunks.get(at).map_or(0, |chunk| chunk.count(value));
            let taken = matches.min(limit - removed);
            if taken > 0 {
                let first = if from == End::Front { 0 } else { matches - taken };
                self.edit(at, |chunk| chunk.remove_matches(value, first..first + taken));
                removed += taken;
            }
            if removed == limit {
                break;
            }
        }
        self.len -= removed;
        if removed > 0 {
            self.compact();
        }
        removed
    }

    /// Keeps the elements of `range`, cut to the list, and returns how many were dropped.
    /// O(dropped), or O(dropped / 128) of those that a clone still shares.
    pub(crate) fn truncate_to(&mut self, range: Range<usize>) -> usize {
        let end = range.end.min(self.len);
        let start = range.start.min(end);
        let dropped = self.len - (end - start);
        self.cut(End::Back, self.len - end);
        self.cut(End::Front, start);
        dropped
    }

    /// The chunk and the offset in it of position `index`; from `len` on, the chunk after the last.
    fn locate(&self, index: usize) -> (usize, usize) {
        if index >= self.len {
            return (self.chunks.len(), 0);
        }
        let first = self.chunk_len(0);
        if index < first {
            return (0, index);
        }
        // The list has a second chunk, as `index` is past the first. As none holds more than `CHUNK`,
        // the sum tells whether all chunks between the outermost are full.
        let inner = self.len - first - self.chunk_len(self.chunks.len() - 1);
        if inner == (self.chunks.len() - 2) * CHUNK {
            return (1 + (index - first) / CHUNK, (index - first) % CHUNK);
        }
        if index < self.len / 2 {
            let mut left = index;
            for (at, chunk) in self.chunks.iter().enumerate() {
                if left < chunk.len() {
                    return (at, left);
                }
                left -= chunk.len();
            }
        } else {
            let mut left = self.len - index;
            for (at, chunk) in self.chunks.iter().enumerate().rev() {
                if left <= chunk.len() {
                    return (at, chunk.len() - left);
                }
                left -= chunk.len();
            }
        }
        (self.chunks.len(), 0)
    }

    /// The index of the chunk at an end; 0 in an empty list.
    fn outermost(&self, end: End) -> usize {
        if end == End::Front { 0 } else { self.chunks.len().saturating_sub(1) }
    }

    /// How many elements a chunk holds; 0 where there is no such chunk.
    fn chunk_len(&self, at: usize) -> usize {
        self.chunks.get(at).map_or(0, |chunk| chunk.len())
    }

    /// Changes a chunk, copied first where a clone shares it: the only way to write to one. Where there
    /// is no such chunk, nothing happens.
    fn edit<T: Default>(&mut self, at: usize, change: impl FnOnce(&mut Chunk) -> T) -> T {
        let Some(shared) = self.chunks.get_mut(at) else { return T::default() };
        let before = shared.bytes();
        let chunk = Arc::make_mut(shared);
        let result = change(chunk);
        self.held = self.held + chunk.bytes() - before;
        result
    }

    /// Puts a chunk into the row of chunks; `at` is at most their number.
    fn link(&mut self, at: usize, chunk: Chunk) {
        if self.chunks.is_empty() {
            self.chunks.reserve_exact(1);
        }
        self.held += chunk.bytes();
        self.chunks.insert(at, Arc::new(chunk));
    }

    /// Takes a chunk out of the row of chunks.
    fn unlink(&mut self, at: usize) -> Option<Arc<Chunk>> {
        let chunk = self.chunks.remove(at)?;
        self.held -= chunk.bytes();
        Some(chunk)
    }

    /// Moves the second half of a full chunk into a new one behind it.
    fn split(&mut self, at: usize) {
        let half = self.edit(at, |chunk| chunk.split_off(CHUNK / 2));
        self.link(at + 1, half);
    }

    /// Drops `count` elements from an end.
    fn cut(&mut self, end: End, mut count: usize) {
        while count > 0 {
            let at = self.outermost(end);
            let len = self.chunk_len(at);
            if len == 0 {
                break;
            }
            let dropped = count.min(len);
            if dropped == len {
                self.unlink(at);
            } else {
                self.edit(at, |chunk| chunk.cut(end, dropped));
            }
            self.len -= dropped;
            count -= dropped;
        }
        self.settle(self.outermost(end));
    }

    /// Restores the invariants after elements left the chunk `at`.
    ///
    /// A chunk that lost its last element leaves neighbours behind that need no joining: each of them
    /// and that one element were more than half of `CHUNK`.
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

    /// Moves the chunk after `at` into `at` if both hold together half of `CHUNK` at most.
    fn join(&mut self, at: usize) {
        let next = self.chunk_len(at + 1);
        if next == 0 || self.chunk_len(at) + next > CHUNK / 2 {
            return;
        }
        if let Some(chunk) = self.unlink(at + 1) {
            self.edit(at, |left| left.append(chunk));
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
            if kept > 0 && self.chunk_len(last) + chunk.len() <= CHUNK / 2 {
                self.edit(last, |left| left.append(chunk));
            } else if chunk.len() > 0 {
                self.held += chunk.bytes();
                self.chunks.push_back(chunk);
                kept += 1;
            }
        }
        self.fit();
    }

    /// Gives back room that a list which was longer has left.
    fn fit(&mut self) {
        let chunks = self.chunks.len();
        let room = self.chunks.capacity();
        if room > SMALLEST && room / 4 >= chunks {
            self.chunks.shrink_to(2 * chunks);
        }
        if chunks == 1 && self.chunks.front().is_some_and(|chunk| chunk.is_sparse()) {
            self.edit(0, Chunk::shrink);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Model = VecDeque<Vec<u8>>;

    #[derive(Clone, Debug)]
    enum Op {
        Push(End, Bytes),
        Pop(End),
        Drain(End, usize),
        Set(usize, Bytes),
        Insert(usize, Vec<Bytes>),
        RemoveMatching(Bytes, End, usize),
        TruncateTo(usize, usize),
        Clone,
        Restore(usize),
    }

    fn end() -> impl Strategy<Value = End> {
        prop_oneof![Just(End::Front), Just(End::Back)]
    }

    /// Few different values, so that they repeat: inline, shared and growable ones.
    fn element() -> impl Strategy<Value = Bytes> {
        (0u8..3, 0usize..3).prop_map(|(letter, kind)| {
            let mut element = Bytes::from(vec![letter; [1, 30, 2][kind]]);
            if kind == 2 {
                element.make_mut().reserve(7);
            }
            element
        })
    }

    fn op() -> impl Strategy<Value = Op> {
        let at = 0usize..120;
        prop_oneof![
            8 => (end(), element()).prop_map(|(end, element)| Op::Push(end, element)),
            4 => end().prop_map(Op::Pop),
            1 => (end(), 0usize..40).prop_map(|(end, count)| Op::Drain(end, count)),
            2 => (at.clone(), element()).prop_map(|(at, element)| Op::Set(at, element)),
            6 => (at.clone(), prop::collection::vec(element(), 1..8)).prop_map(|(at, all)| Op::Insert(at, all)),
            2 => (element(), end(), 0usize..9).prop_map(|(element, end, limit)| Op::RemoveMatching(element, end, limit)),
            1 => (0usize..20, 0usize..150).prop_map(|(start, end)| Op::TruncateTo(start, end)),
            1 => Just(Op::Clone),
            1 => (0usize..4).prop_map(Op::Restore),
        ]
    }

    /// Applies the operation to both and compares what it returns.
    fn apply(op: Op, list: &mut List, model: &mut Model, clones: &mut Vec<(List, Model)>) {
        let pop = |model: &mut Model, end| match end {
            End::Front => model.pop_front(),
            End::Back => model.pop_back(),
        };
        match op {
            Op::Push(end, element) => {
                match end {
                    End::Front => model.push_front(element.to_vec()),
                    End::Back => model.push_back(element.to_vec()),
                }
                list.push(end, element);
            }
            Op::Pop(end) => assert_eq!(list.pop(end).map(Vec::from), pop(model, end)),
            Op::Drain(end, count) => {
                for _ in 0..count {
                    assert_eq!(list.pop(end).map(Vec::from), pop(model, end));
                    check(list, model);
                }
            }
            Op::Set(at, element) => {
                let old = model.get_mut(at).map(|old| std::mem::replace(old, element.to_vec()));
                assert_eq!(list.set(at, element).map(Vec::from), old);
            }
            Op::Insert(at, elements) => {
                for element in elements {
                    model.insert(at.min(model.len()), element.to_vec());
                    list.insert(at, element);
                    check(list, model);
                }
            }
            Op::RemoveMatching(value, from, limit) => {
                let mut places: Vec<_> = (0..model.len()).filter(|&at| value == model[at]).collect();
                if from == End::Back {
                    places.reverse();
                }
                places.truncate(if limit == 0 { usize::MAX } else { limit });
                assert_eq!(
                    list.find(&value, from).map(|at| &model[at]),
                    places.first().map(|&at| &model[at])
                );
                assert_eq!(list.remove_matching(&value, from, limit), places.len());
                places.sort_unstable();
                for at in places.into_iter().rev() {
                    model.remove(at);
                }
            }
            Op::TruncateTo(start, end) => {
                let before = model.len();
                model.truncate(end);
                model.drain(..start.min(end).min(model.len()));
                assert_eq!(list.truncate_to(start..end), before - model.len());
            }
            Op::Clone => clones.push((list.clone(), model.clone())),
            Op::Restore(which) => {
                if let Some(saved) = clones.get(which) {
                    (*list, *model) = saved.clone();
                }
            }
        }
    }

    impl List {
        fn recount_bytes(&self) -> usize {
            let spine = self.chunks.capacity() * size_of::<usize>();
            let chunks = self.chunks.iter().map(|chunk| {
                let elements = chunk.items.iter().map(Bytes::heap_bytes).sum::<usize>();
                2 * size_of::<usize>() + size_of::<Chunk>() + chunk.items.capacity() * 24 + elements
            });
            spine + chunks.sum::<usize>()
        }
    }

    fn check(list: &List, model: &Model) {
        assert!(list.iter().eq(model.iter()));
        assert!(list.iter().rev().eq(model.iter().rev()));
        assert_eq!((list.len(), list.is_empty()), (model.len(), model.is_empty()));
        assert_eq!(list.peek(End::Front).map(|element| element.to_vec()).as_ref(), model.front());
        assert_eq!(list.peek(End::Back).map(|element| element.to_vec()).as_ref(), model.back());
        assert_eq!(list.bytes(), list.recount_bytes());

        let lens: Vec<usize> = list.chunks.iter().map(|chunk| chunk.len()).collect();
        let room: Vec<usize> = list.chunks.iter().map(|chunk| chunk.items.capacity()).collect();
        assert!(lens.iter().all(|len| (1..=CHUNK).contains(len)), "{lens:?}");
        assert!(lens.windows(2).all(|pair| pair[0] + pair[1] > CHUNK / 2), "{lens:?}");
        assert!(room.iter().all(|&room| room <= CHUNK), "{room:?}");
        assert!(lens.len() != 1 || room[0] <= SMALLEST || room[0] < 4 * lens[0], "{room:?} for {lens:?}");
        let spine = list.chunks.capacity();
        assert!(spine <= SMALLEST || spine < 4 * lens.len(), "{spine} for {lens:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn behaves_as_a_deque_and_clones_stay_as_they_were(
            start in prop::collection::vec(element(), 0..150),
            ops in prop::collection::vec(op(), 1..80),
        ) {
            let (mut list, mut model, mut clones) = (List::default(), Model::new(), Vec::new());
            for element in start {
                apply(Op::Push(End::Back, element), &mut list, &mut model, &mut clones);
                check(&list, &model);
            }
            for op in ops {
                apply(op, &mut list, &mut model, &mut clones);
                check(&list, &model);
            }
            for (list, model) in &clones {
                check(list, model);
            }
        }

        #[test]
        fn reads_any_position_and_range(
            start in 0usize..100,
            ops in prop::collection::vec(op(), 0..30),
            ranges in prop::collection::vec((0usize..130, 0usize..130), 8),
        ) {
            let (mut list, mut model, mut clones) = (List::default(), Model::new(), Vec::new());
            for at in 0..start {
                apply(Op::Push(End::Back, Bytes::from(vec![at as u8])), &mut list, &mut model, &mut clones);
            }
            for op in ops {
                apply(op, &mut list, &mut model, &mut clones);
            }
            for at in 0..model.len() + 2 {
                prop_assert_eq!(list.get(at).map(|element| element.to_vec()), model.get(at).cloned());
            }
            for (start, end) in ranges {
                let expected = || model.iter().take(end).skip(start);
                prop_assert!(list.range(start..end).eq(expected()));
                let backwards: Vec<_> = expected().collect();
                prop_assert!(list.range(start..end).rev().eq(backwards.into_iter().rev()));
            }
            for (value, from) in [(b"\x01", End::Front), (b"\x02", End::Back)] {
                let mut places = (0..model.len()).filter(|&at| model[at] == value);
                let expected = if from == End::Front { places.next() } else { places.next_back() };
                prop_assert_eq!(list.find(value, from), expected);
            }
        }
    }

    fn numbers(count: u8) -> List {
        let mut list = List::default();
        (0..count).for_each(|number| list.push(End::Back, Bytes::from(&[number])));
        list
    }

    #[test]
    fn a_write_copies_one_chunk_and_shares_the_others() {
        let list = numbers(5 * CHUNK as u8);
        let mut copy = list.clone();
        copy.set(2 * CHUNK, Bytes::from("new"));
        copy.remove_matching(b"absent", End::Front, 0);
        let shared = list.chunks.iter().zip(&copy.chunks).map(|(left, right)| Arc::ptr_eq(left, right));
        assert_eq!(shared.collect::<Vec<_>>(), [true, true, false, true, true]);
    }

    #[test]
    fn a_list_that_was_long_is_small_again() {
        let mut list = numbers(200);
        list.truncate_to(100..101);
        assert!(list.bytes() <= numbers(1).bytes() + SMALLEST * size_of::<usize>());
        assert_eq!(list.pop(End::Back), Some(Bytes::from(&[100])));
        assert_eq!((list.len(), list.held), (0, 0));
    }
}
