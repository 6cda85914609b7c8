//! A list: byte strings in a row, which clones share until one of them is written.
//!
//! What holds between any two calls:
//! - a list is short, one strip of at most [`MOST`] elements and [`SHORT`] bytes, or long, a deque;
//! - a long list has more than [`FEW`] elements, or one too long for a strip, or more bytes than half
//!   of [`SHORT`]: so one that swings around either number does not change its form each time.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::deque::Deque;
use super::strip::{MOST, Strip};
use crate::Bytes;
use crate::records::Text;

/// The most bytes of the elements of a short list.
const SHORT: usize = if crate::TINY { 60 } else { 2048 };
/// A long list of so many elements becomes a short one, if they have half of these bytes at most.
const FEW: usize = MOST / 4;

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

/// A sequence of byte strings with cheap ends. A clone is O(1); the first write to one of a long list
/// is O(n / 128), and shares all that it does not touch.
#[derive(Clone, Debug)]
pub(crate) struct List(Form);

#[derive(Clone, Debug)]
enum Form {
    Short(Strip),
    Long(Arc<Deque>),
}

impl Default for List {
    fn default() -> Self {
        List(Form::Short(Strip::default()))
    }
}

impl List {
    /// The number of elements. O(1).
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Form::Short(strip) => strip.len(),
            Form::Long(deque) => deque.len(),
        }
    }

    /// Whether there are no elements. O(1).
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory held outside this value; what clones share, each of them counts. O(1).
    pub(crate) fn bytes(&self) -> usize {
        /// The two counters that an `Arc` keeps beside the value.
        const ARC: usize = 2 * size_of::<usize>();
        match &self.0 {
            Form::Short(strip) => strip.bytes(),
            Form::Long(deque) => ARC + size_of::<Deque>() + deque.bytes(),
        }
    }

    /// The same, counted anew.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn recount(&self) -> usize {
        match &self.0 {
            Form::Short(strip) => strip.bytes(),
            Form::Long(deque) => 2 * size_of::<usize>() + size_of::<Deque>() + deque.recount(),
        }
    }

    /// Adds an element at an end. O(1) amortised.
    pub(crate) fn push(&mut self, end: End, element: Bytes) {
        match &mut self.0 {
            Form::Short(strip) if has_room(strip, &element) => {
                let at = if end == End::Front { 0 } else { strip.len() };
                strip.insert(at, &element);
            }
            _ => self.lengthen().push(end, element),
        }
    }

    /// Takes the element at an end. O(1) amortised.
    pub(crate) fn pop(&mut self, end: End) -> Option<Bytes> {
        match &mut self.0 {
            Form::Short(strip) => {
                let view = strip.view(&[]);
                let (at, element) = if end == End::Front {
                    (0, view.first())
                } else {
                    (view.len().saturating_sub(1), view.last())
                };
                let element = element.map(Bytes::from);
                strip.remove(at);
                element
            }
            Form::Long(deque) => {
                let deque = Arc::make_mut(deque);
                let element = deque.pop(end);
                if deque.len() <= FEW {
                    self.shorten();
                }
                element
            }
        }
    }

    /// Takes some neighbouring elements at an end, as many as is cheap; none from an empty list only.
    /// O(taken), and what the first write after a clone costs.
    pub(crate) fn take_run(&mut self, end: End) -> VecDeque<Bytes> {
        match &mut self.0 {
            Form::Short(strip) => std::mem::take(strip).view(&[]).map(Bytes::from).collect(),
            Form::Long(deque) => {
                let run = Arc::make_mut(deque).take_run(end);
                self.shorten();
                run
            }
        }
    }

    /// The element at an end. O(1).
    pub(crate) fn peek(&self, end: End) -> Option<Text<'_>> {
        match &self.0 {
            Form::Short(strip) if end == End::Front => strip.view(&[]).first(),
            Form::Short(strip) => strip.view(&[]).last(),
            Form::Long(deque) => deque.peek(end),
        }
    }

    /// The element at `index`. O(1) while only the ends were written to, else O(n / 128).
    pub(crate) fn get(&self, index: usize) -> Option<Text<'_>> {
        match &self.0 {
            Form::Short(strip) => strip.view(&[]).get(index),
            Form::Long(deque) => deque.get(index),
        }
    }

    /// Replaces the element at `index`; false, and no change, past the end. Costs as [`get`](Self::get).
    pub(crate) fn set(&mut self, index: usize, element: Bytes) -> bool {
        match &mut self.0 {
            Form::Short(strip) if index >= strip.len() => false,
            Form::Short(strip) if fits(strip, &element) => {
                strip.set(index, &element);
                true
            }
            _ => {
                let deque = self.lengthen();
                let is_set = deque.set(index, element);
                if deque.len() <= FEW {
                    self.shorten();
                }
                is_set
            }
        }
    }

    /// Adds an element before the one at `index`, or at the back from `len` on. O(n / 128).
    pub(crate) fn insert(&mut self, index: usize, element: Bytes) {
        match &mut self.0 {
            Form::Short(strip) if has_room(strip, &element) => {
                strip.insert(index.min(strip.len()), &element);
            }
            _ => self.lengthen().insert(index, element),
        }
    }

    /// The elements in order. O(1) to start, O(1) an element.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = Text<'_>> {
        let (short, long) = match &self.0 {
            Form::Short(strip) => (Some(strip.view(&[])), None),
            Form::Long(deque) => (None, Some(deque.iter())),
        };
        short.into_iter().flatten().chain(long.into_iter().flatten())
    }

    /// The elements of `range`, cut to the list. O(n / 128) to start, O(1) an element.
    pub(crate) fn range(&self, range: Range<usize>) -> impl DoubleEndedIterator<Item = Text<'_>> {
        let (short, long) = match &self.0 {
            Form::Short(strip) => (Some(strip.view(&[]).slice(cut(range, strip.len()))), None),
            Form::Long(deque) => (None, Some(deque.range(cut(range, deque.len())))),
        };
        short.into_iter().flatten().chain(long.into_iter().flatten())
    }

    /// The position, from the front, of the first element equal to `value` as seen from `from`. O(n).
    pub(crate) fn find(&self, value: &[u8], from: End) -> Option<usize> {
        let is_value = |element: Text<'_>| *element == *value;
        match from {
            End::Front => self.iter().position(is_value),
            End::Back => self.iter().rev().position(is_value).map(|passed| self.len() - 1 - passed),
        }
    }

    /// Removes the first `limit` elements equal to `value` as seen from `from`, all of them if `limit`
    /// is 0, and returns how many there were. O(n); what has no match stays shared.
    pub(crate) fn remove_matching(&mut self, value: &[u8], from: End, limit: usize) -> usize {
        let limit = if limit == 0 { usize::MAX } else { limit };
        match &mut self.0 {
            Form::Short(strip) => {
                let view = strip.view(&[]);
                let matches = view.count(value);
                let removed = matches.min(limit);
                if removed > 0 {
                    let first = if from == End::Front { 0 } else { matches - removed };
                    *strip = Strip::of(&[view.without(value, first..first + removed).view()]);
                }
                removed
            }
            Form::Long(deque) => {
                // Nothing is copied for what is not there.
                if deque.iter().all(|element| *element != *value) {
                    return 0;
                }
                let removed = Arc::make_mut(deque).remove_matching(value, from, limit);
                self.shorten();
                removed
            }
        }
    }

    /// Keeps the elements of `range`, cut to the list, and returns how many were dropped.
    /// O(dropped), or O(dropped / 128) of those that a clone still shares.
    pub(crate) fn truncate_to(&mut self, range: Range<usize>) -> usize {
        let before = self.len();
        let range = cut(range, before);
        let dropped = before - range.len();
        if dropped > 0 {
            match &mut self.0 {
                Form::Short(strip) => *strip = Strip::of(&[strip.view(&[]).slice(range)]),
                Form::Long(deque) => Arc::make_mut(deque).truncate_to(range),
            }
            self.shorten();
        }
        dropped
    }

    /// The long form, to be written.
    fn lengthen(&mut self) -> &mut Deque {
        if let Form::Short(strip) = &self.0 {
            self.0 = Form::Long(Arc::new(Deque::from(strip)));
        }
        match &mut self.0 {
            Form::Long(deque) => Arc::make_mut(deque),
            Form::Short(_) => unreachable!("just made long"),
        }
    }

    /// Turns a long list of a few short elements into a short one.
    fn shorten(&mut self) {
        if let Form::Long(deque) = &self.0 {
            if deque.len() <= FEW {
                if let Some(strip) = deque.to_strip(SHORT / 2) {
                    self.0 = Form::Short(strip);
                }
            }
        }
    }
}

/// Whether an element may be in a short list beside those in the strip.
fn fits(strip: &Strip, element: &[u8]) -> bool {
    Strip::takes(element) && strip.size() + element.len() <= SHORT
}

fn has_room(strip: &Strip, element: &[u8]) -> bool {
    strip.len() < MOST && fits(strip, element)
}

/// What a range names in a list of `len`.
fn cut(range: Range<usize>, len: usize) -> Range<usize> {
    let end = range.end.min(len);
    range.start.min(end)..end
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
        TakeRun(End),
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

    /// Few different values, so that they repeat: inline, shared and growable ones, and such as stand beside
    /// a strip.
    fn element() -> impl Strategy<Value = Bytes> {
        let kind = prop_oneof![6 => 0usize..3, 1 => Just(3)];
        (0u8..3, kind).prop_map(|(letter, kind)| {
            let mut element = Bytes::from(vec![letter; [1, 30, 2, 255][kind]]);
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
            1 => end().prop_map(Op::TakeRun),
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
            Op::TakeRun(end) => {
                let mut run = list.take_run(end);
                assert_eq!(run.is_empty(), model.is_empty());
                while let Some(element) = if end == End::Front { run.pop_front() } else { run.pop_back() } {
                    assert_eq!(pop(model, end), Some(element.into()));
                }
            }
            Op::Set(at, element) => {
                let old = model.get_mut(at).map(|old| std::mem::replace(old, element.to_vec()));
                assert_eq!(list.set(at, element), old.is_some());
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

    fn texts<'t>(elements: impl Iterator<Item = Text<'t>>) -> Vec<Vec<u8>> {
        elements.map(|element| element.to_vec()).collect()
    }

    fn check(list: &List, model: &Model) {
        assert!(texts(list.iter()).iter().eq(model.iter()));
        assert!(texts(list.iter().rev()).iter().eq(model.iter().rev()));
        assert_eq!((list.len(), list.is_empty()), (model.len(), model.is_empty()));
        assert_eq!(list.peek(End::Front).map(|element| element.to_vec()).as_ref(), model.front());
        assert_eq!(list.peek(End::Back).map(|element| element.to_vec()).as_ref(), model.back());
        assert_eq!(list.bytes(), list.recount());
        let bytes = model.iter().map(Vec::len).sum::<usize>();
        match &list.0 {
            Form::Short(_) => {
                assert!(model.len() <= MOST && bytes <= SHORT);
            }
            Form::Long(deque) => {
                deque.check();
                let is_long = model.iter().any(|element| !Strip::takes(element));
                assert!(model.len() > FEW || bytes > SHORT / 2 || is_long);
            }
        }
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
                prop_assert!(texts(list.range(start..end)).iter().eq(expected()));
                let backwards: Vec<_> = expected().collect();
                prop_assert!(texts(list.range(start..end).rev()).iter().eq(backwards.into_iter().rev()));
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
        let list = numbers(8 * MOST as u8);
        let mut copy = list.clone();
        copy.set(2 * MOST, Bytes::from("new"));
        copy.remove_matching(b"absent", End::Front, 0);
        let (Form::Long(list), Form::Long(copy)) = (&list.0, &copy.0) else { panic!("long lists") };
        let is_shared = list.shared_with(copy);
        assert_eq!((is_shared[2], is_shared.iter().filter(|is_shared| !**is_shared).count()), (false, 1));
    }

    #[test]
    fn a_list_that_was_long_is_small_again() {
        let mut list = numbers(200);
        list.truncate_to(100..101);
        assert!(list.bytes() <= numbers(1).bytes());
        assert_eq!(list.pop(End::Back), Some(Bytes::from(&[100])));
        assert!(list.is_empty() && list.bytes() <= 24);
    }

    #[test]
    fn takes_two_words() {
        assert_eq!(size_of::<List>(), 2 * size_of::<usize>());
        assert_eq!(size_of::<crate::value::Value>(), size_of::<Bytes>());
    }
}
