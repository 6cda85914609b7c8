//! Byte strings one behind the other in one allocation, found by their place.
//!
//! The allocation begins with the number of strings, their length where all have the same, and how
//! many bytes of them there are. Then come the strings, from the front; and from the back, the first
//! one's last, a byte for the length of each, unless all have the same. Room to grow, if there is any,
//! lies between the two. So both ends are found without a walk, and a place by a sum of neighbouring
//! bytes.
//!
//! A string that is too long is only marked; it stands beside the strip, where a [`View`] finds it.

use std::ops::Range;
use std::sync::Arc;
use std::{iter, mem};

use crate::Bytes;
use crate::records::Text;

/// The longest string that stands in a strip; and the most strings of a strip.
pub(super) const LONGEST: usize = if crate::TINY { 40 } else { 126 };
pub(super) const MOST: usize = if crate::TINY { 8 } else { 128 };

/// As a length: the string is one of those beside the strip.
const LONG: u8 = u8::MAX;
/// As the length of all strings: each has its own.
const VARIED: u8 = u8::MAX - 1;

/// Of four bytes: the number of strings, the length of all, and two for the sum of the lengths.
const HEADER: usize = 4;
/// Allocators give no less at a time; eight bytes go to them, and two counters to the `Arc`.
const GRAIN: usize = 16;
const ARC: usize = 2 * mem::size_of::<usize>();
const FRAME: usize = ARC + 8;

/// See the [module](self). Clones share the bytes until one of them is written.
#[derive(Clone, Debug, Default)]
pub(super) struct Strip(Arc<[u8]>);

impl Strip {
    /// A strip of what stands in the parts, without room to spare; there are [`MOST`] at most. O(bytes).
    pub(super) fn of(parts: &[View<'_>]) -> Strip {
        Strip::with_room(parts, |needed| needed)
    }

    /// Whether a string may stand in a strip, and not beside it.
    pub(super) fn takes(element: &[u8]) -> bool {
        element.len() <= LONGEST
    }

    pub(super) fn len(&self) -> usize {
        self.0.first().map_or(0, |len| usize::from(*len))
    }

    /// The bytes of all strings together. O(1).
    pub(super) fn size(&self) -> usize {
        self.0.get(2..HEADER).and_then(|size| size.try_into().ok()).map_or(0, u16::from_le_bytes).into()
    }

    /// What stands in the strip, and with it what stands beside it.
    #[inline]
    pub(super) fn view<'s>(&'s self, long: &'s [Bytes]) -> View<'s> {
        let Some((head, rest)) = self.0.split_first_chunk::<HEADER>() else { return View::EMPTY };
        let [len, same, a, b] = *head;
        let len = usize::from(len);
        let lens = if same == VARIED {
            Lens::Each(rest.get(rest.len() - len.min(rest.len())..).unwrap_or_default())
        } else {
            Lens::Same(same, len)
        };
        View { lens, data: rest.get(..u16::from_le_bytes([a, b]).into()).unwrap_or_default(), long }
    }

    /// Puts a string before the one at `at`, or behind the last. There is room for one more, and it is
    /// one that the strip [takes](Self::takes). O(bytes); at the back O(1) amortised.
    pub(super) fn insert(&mut self, at: usize, element: &[u8]) {
        debug_assert!(Self::takes(element) && self.len() < MOST && at <= self.len());
        let view = self.view(&[]);
        let (len, size, table) = (view.len(), self.size(), view.lens.table());
        let offset = if at == len { size } else { view.lens.slice(0..at).size() };
        let same = view.lens.same();
        let is_alike = len > 0 && same.is_none_or(|same| usize::from(same) == element.len());
        let end = HEADER + size;
        // A table has a byte more then.
        if !is_alike || end + element.len() + table + usize::from(table > 0) > self.0.len() {
            let one = Text::Slice(element);
            let parts = [view.slice(0..at), View::one(&one), view.slice(at..len)];
            *self = Strip::with_room(&parts, spacious);
            return;
        }
        let bytes = Arc::make_mut(&mut self.0);
        let start = HEADER + offset;
        bytes.copy_within(start..end, start + element.len());
        bytes[start..start + element.len()].copy_from_slice(element);
        if same.is_none() {
            let room = bytes.len();
            bytes.copy_within(room - len..room - at, room - len - 1);
            bytes[room - at - 1] = element.len() as u8;
        }
        write_head(bytes, len + 1, same, size + element.len());
    }

    /// Takes the string at `at` out, if there is one. O(bytes); at the back O(1) amortised.
    pub(super) fn remove(&mut self, at: usize) {
        let view = self.view(&[]);
        let (len, size, same) = (view.len(), self.size(), view.lens.same());
        let Some(removed) = view.lens.get(at) else { return };
        let removed = usize::from(removed);
        let offset = if at == len - 1 { size - removed } else { view.lens.slice(0..at).size() };
        let left = HEADER + size - removed + view.lens.table();
        if self.0.len() - left > left / 4 + 4 * GRAIN {
            *self = Strip::with_room(&[view.slice(0..at), view.slice(at + 1..len)], spacious);
            return;
        }
        let bytes = Arc::make_mut(&mut self.0);
        let start = HEADER + offset;
        bytes.copy_within(start + removed..HEADER + size, start);
        if same.is_none() {
            let room = bytes.len();
            bytes.copy_within(room - len..room - at - 1, room - len + 1);
        }
        write_head(bytes, len - 1, same, size - removed);
    }

    /// Puts another string in the place of the one at `at`, if there is one; it is one that the strip
    /// [takes](Self::takes). O(bytes).
    pub(super) fn set(&mut self, at: usize, element: &[u8]) {
        if !self.overwrite(at, element) && at < self.len() {
            let view = self.view(&[]);
            let one = Text::Slice(element);
            let parts = [view.slice(0..at), View::one(&one), view.slice(at + 1..view.len())];
            *self = Strip::with_room(&parts, spacious);
        }
    }

    /// The same where it needs no other room than the one at `at`; false, and no change, where it does. O(1).
    pub(super) fn overwrite(&mut self, at: usize, element: &[u8]) -> bool {
        let view = self.view(&[]);
        let is_alike = view.lens.get(at).is_some_and(|old| usize::from(old) == element.len());
        if is_alike && Strip::takes(element) {
            let start = HEADER + view.lens.slice(0..at).size();
            Arc::make_mut(&mut self.0)[start..start + element.len()].copy_from_slice(element);
            return true;
        }
        false
    }

    /// Heap memory, in bytes. O(1).
    pub(super) fn bytes(&self) -> usize {
        // An empty strip that never held anything is not allocated.
        if self.0.is_empty() { 0 } else { ARC + self.0.len() }
    }

    /// A strip of what stands in the parts, with as much room as `room` gives for what is needed.
    fn with_room(parts: &[View<'_>], room: impl FnOnce(usize) -> usize) -> Strip {
        let size = parts.iter().map(|part| part.data.len()).sum();
        let len = parts.iter().map(View::len).sum();
        let mut filled = parts.iter().filter(|part| part.len() > 0);
        let first = filled.clone().next().and_then(|part| part.lens.get(0)).unwrap_or(0);
        let same = filled.all(|part| part.lens.are_all(first)).then_some(first);
        if len == 0 {
            return Strip::default();
        }
        let needed = HEADER + size + if same.is_none() { len } else { 0 };
        let mut fresh: Arc<[u8]> = iter::repeat_n(0, room(needed)).collect();
        // Just made: nobody shares it.
        if let Some(bytes) = Arc::get_mut(&mut fresh) {
            write_head(bytes, len, same, size);
            let (mut at, mut table) = (HEADER, bytes.len());
            for part in parts {
                bytes[at..at + part.data.len()].copy_from_slice(part.data);
                at += part.data.len();
                if same.is_none() {
                    let lens = &mut bytes[table - part.len()..table];
                    match part.lens {
                        Lens::Same(same, _) => lens.fill(same),
                        Lens::Each(each) => lens.copy_from_slice(each),
                    }
                    table -= part.len();
                }
            }
        }
        Strip(fresh)
    }
}

/// What to take for so many bytes, where more are likely to come: all of what the allocator gives, and
/// an eighth for a strip that is not small.
fn spacious(needed: usize) -> usize {
    let needed = needed + needed.saturating_sub(32 * GRAIN) / 8;
    (FRAME + needed).next_multiple_of(GRAIN) - FRAME
}

fn write_head(bytes: &mut [u8], len: usize, same: Option<u8>, size: usize) {
    if let Some(head) = bytes.first_chunk_mut::<HEADER>() {
        // Neither is over its width: `MOST` strings of `LONGEST` bytes.
        let [a, b] = (size as u16).to_le_bytes();
        *head = [len as u8, same.unwrap_or(VARIED), a, b];
    }
}

/// The lengths of some strings.
#[derive(Clone, Copy)]
enum Lens<'s> {
    /// All the same, and how many there are.
    Same(u8, usize),
    /// One by one, the last first.
    Each(&'s [u8]),
}

impl<'s> Lens<'s> {
    #[inline]
    fn len(&self) -> usize {
        match self {
            Lens::Same(_, len) => *len,
            Lens::Each(each) => each.len(),
        }
    }

    /// How many bytes they take in a strip.
    fn table(&self) -> usize {
        if let Lens::Each(each) = self { each.len() } else { 0 }
    }

    fn same(&self) -> Option<u8> {
        if let Lens::Same(same, _) = self { Some(*same) } else { None }
    }

    #[inline]
    fn get(&self, at: usize) -> Option<u8> {
        match self {
            Lens::Same(same, len) => (at < *len).then_some(*same),
            Lens::Each(each) => each.get(each.len().checked_sub(at + 1)?).copied(),
        }
    }

    /// Those of a range, which lies within.
    #[inline]
    fn slice(&self, range: Range<usize>) -> Lens<'s> {
        match self {
            Lens::Same(same, _) => Lens::Same(*same, range.len()),
            Lens::Each(each) => {
                let len = each.len();
                let reversed = len.saturating_sub(range.end)..len.saturating_sub(range.start);
                Lens::Each(each.get(reversed).unwrap_or_default())
            }
        }
    }

    fn are_all(&self, length: u8) -> bool {
        match self {
            Lens::Same(same, _) => *same == length,
            Lens::Each(each) => each.iter().all(|len| *len == length),
        }
    }

    /// How many bytes the strings have in the strip.
    #[inline]
    fn size(&self) -> usize {
        match self {
            Lens::Same(LONG, _) => 0,
            Lens::Same(same, len) => usize::from(*same) * len,
            // No sum is over 16 bits: `MOST` strings of `LONGEST` bytes.
            Lens::Each(each) => {
                each.iter().map(|&len| if len == LONG { 0 } else { u16::from(len) }).sum::<u16>().into()
            }
        }
    }

    /// How many of the strings stand beside the strip.
    fn long(&self) -> usize {
        match self {
            Lens::Same(LONG, len) => *len,
            Lens::Same(..) => 0,
            Lens::Each(each) => each.iter().filter(|len| **len == LONG).count(),
        }
    }
}

/// Some neighbouring strings, in a strip and beside it; an iterator over them.
#[derive(Clone, Copy)]
pub(super) struct View<'s> {
    lens: Lens<'s>,
    data: &'s [u8],
    /// Those beside the strip.
    pub(super) long: &'s [Bytes],
}

impl<'s> View<'s> {
    pub(super) const EMPTY: View<'static> = View { lens: Lens::Same(0, 0), data: &[], long: &[] };

    /// A single string.
    pub(super) fn one(element: &'s Text<'_>) -> View<'s> {
        match element {
            Text::Shared(shared) if !Strip::takes(shared) => {
                View { lens: Lens::Same(LONG, 1), data: &[], long: std::slice::from_ref(*shared) }
            }
            _ => {
                let lens = Lens::Same(element.len() as u8, 1);
                View { lens, data: element, long: &[] }
            }
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.lens.len()
    }

    /// The string at a place. O(1), or where lengths differ the sum of up to [`MOST`] bytes.
    #[inline]
    pub(super) fn get(&self, at: usize) -> Option<Text<'s>> {
        let (length, before) = (self.lens.get(at)?, self.lens.slice(0..at));
        if length == LONG {
            return self.long.get(before.long()).map(Text::Shared);
        }
        let start = before.size();
        self.data.get(start..start + usize::from(length)).map(Text::Slice)
    }

    /// O(1).
    #[inline]
    pub(super) fn first(mut self) -> Option<Text<'s>> {
        self.next()
    }

    /// O(1).
    #[inline]
    pub(super) fn last(mut self) -> Option<Text<'s>> {
        self.next_back()
    }

    /// Those of a range, which lies within. O(range).
    pub(super) fn slice(&self, range: Range<usize>) -> View<'s> {
        let (before, lens) = (self.lens.slice(0..range.start), self.lens.slice(range));
        let (start, skipped) = (before.size(), self.skipped(&before));
        View {
            lens,
            data: self.data.get(start..start + lens.size()).unwrap_or_default(),
            long: self.long.get(skipped..skipped + self.skipped(&lens)).unwrap_or_default(),
        }
    }

    /// How many of the strings are equal to `value`.
    pub(super) fn count(self, value: &[u8]) -> usize {
        self.filter(|element| **element == *value).count()
    }

    /// All but those equal to `value` whose number among them is in `which`.
    pub(super) fn without(self, value: &[u8], which: Range<usize>) -> Run {
        let mut seen = 0;
        Run::of(self.filter(|element| {
            let is_match = **element == *value;
            seen += usize::from(is_match);
            !(is_match && which.contains(&(seen - 1)))
        }))
    }

    /// How many strings beside the strip these lengths pass over.
    fn skipped(&self, lens: &Lens<'_>) -> usize {
        if self.long.is_empty() { 0 } else { lens.long() }
    }
}

impl<'s> Iterator for View<'s> {
    type Item = Text<'s>;

    #[inline]
    fn next(&mut self) -> Option<Text<'s>> {
        let length = match &mut self.lens {
            Lens::Same(same, len) => {
                *len = len.checked_sub(1)?;
                *same
            }
            Lens::Each(each) => {
                let (length, rest) = each.split_last()?;
                *each = rest;
                *length
            }
        };
        if length == LONG {
            let (first, rest) = self.long.split_first()?;
            self.long = rest;
            return Some(Text::Shared(first));
        }
        let (first, rest) = self.data.split_at_checked(length.into())?;
        self.data = rest;
        Some(Text::Slice(first))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl DoubleEndedIterator for View<'_> {
    #[inline]
    fn next_back(&mut self) -> Option<Self::Item> {
        let length = match &mut self.lens {
            Lens::Same(same, len) => {
                *len = len.checked_sub(1)?;
                *same
            }
            Lens::Each(each) => {
                let (length, rest) = each.split_first()?;
                *each = rest;
                *length
            }
        };
        if length == LONG {
            let (last, rest) = self.long.split_last()?;
            self.long = rest;
            return Some(Text::Shared(last));
        }
        let (rest, last) = self.data.split_at_checked(self.data.len().checked_sub(length.into())?)?;
        self.data = rest;
        Some(Text::Slice(last))
    }
}

/// Strings that are gathered one by one, to be made a strip of.
#[derive(Default)]
pub(super) struct Run {
    /// The last first, as in a strip: gathered from the back.
    lens: Vec<u8>,
    data: Vec<u8>,
    long: Vec<Bytes>,
}

impl Run {
    /// Those strings, in their order. O(bytes).
    pub(super) fn of<'e>(elements: impl Iterator<Item = Text<'e>>) -> Run {
        let count = elements.size_hint().0;
        let mut run =
            Run { lens: Vec::with_capacity(count), data: Vec::with_capacity(16 * count), long: Vec::new() };
        for element in elements {
            if Strip::takes(&element) {
                run.data.extend_from_slice(&element);
                run.lens.push(element.len() as u8);
            } else {
                run.long.push(element.into());
                run.lens.push(LONG);
            }
        }
        run.lens.reverse();
        run
    }

    pub(super) fn view(&self) -> View<'_> {
        View { lens: Lens::Each(&self.lens), data: &self.data, long: &self.long }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(usize, Vec<u8>),
        Remove(usize),
        Set(usize, Vec<u8>),
        Join(Range<usize>, Range<usize>),
        Clone,
    }

    /// Often of the same length.
    fn element() -> impl Strategy<Value = Vec<u8>> {
        let length = prop_oneof![4 => Just(3usize), 1 => 0usize..=LONGEST, 1 => Just(LONGEST)];
        (any::<u8>(), length).prop_map(|(letter, length)| vec![letter; length])
    }

    fn range() -> impl Strategy<Value = Range<usize>> {
        (0..=MOST, 0..=MOST).prop_map(|(a, b)| a.min(b)..a.max(b))
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0..=MOST, element()).prop_map(|(at, element)| Step::Insert(at, element)),
            3 => (0..=MOST).prop_map(Step::Remove),
            2 => (0..=MOST, element()).prop_map(|(at, element)| Step::Set(at, element)),
            1 => (range(), range()).prop_map(|(first, second)| Step::Join(first, second)),
            1 => Just(Step::Clone),
        ]
    }

    fn check(strip: &Strip, model: &[Vec<u8>]) {
        let view = strip.view(&[]);
        assert_eq!((strip.len(), view.len()), (model.len(), model.len()));
        assert_eq!(strip.size(), model.iter().map(Vec::len).sum::<usize>());
        assert!(view.map(|element| element.to_vec()).eq(model.iter().cloned()));
        assert!(view.rev().map(|element| element.to_vec()).eq(model.iter().rev().cloned()));
        for at in 0..=model.len() {
            assert_eq!(view.get(at).as_deref(), model.get(at).map(Vec::as_slice));
        }
        let least = strip.size() + 2 * model.len() + HEADER;
        assert!(strip.0.len() <= least + least / 4 + 6 * GRAIN);
    }

    proptest! {
        #[test]
        fn behaves_as_a_vector(steps in prop::collection::vec(step(), 1..60)) {
            let (mut strip, mut model, mut clones) = (Strip::default(), Vec::new(), Vec::new());
            for step in steps {
                match step {
                    Step::Insert(at, element) if model.len() < MOST => {
                        let at = at.min(model.len());
                        strip.insert(at, &element);
                        model.insert(at, element);
                    }
                    Step::Insert(..) => {}
                    Step::Remove(at) => {
                        strip.remove(at);
                        if at < model.len() {
                            model.remove(at);
                        }
                    }
                    Step::Set(at, element) => {
                        strip.set(at, &element);
                        if let Some(old) = model.get_mut(at) {
                            *old = element;
                        }
                    }
                    Step::Join(first, second) => {
                        let cut = |range: Range<usize>| range.start.min(model.len())..range.end.min(model.len());
                        let (first, mut second) = (cut(first), cut(second));
                        second.end = second.end.min(second.start + MOST - first.len());
                        let view = strip.view(&[]);
                        strip = Strip::of(&[view.slice(first.clone()), view.slice(second.clone())]);
                        model = [&model[first], &model[second]].concat();
                        prop_assert!(strip.0.len() <= HEADER + strip.size() + strip.len());
                    }
                    Step::Clone => clones.push((strip.clone(), model.clone())),
                }
                check(&strip, &model);
            }
            clones.iter().for_each(|(strip, model)| check(strip, model));
        }

        #[test]
        fn long_ones_stand_beside(
            lengths in prop::collection::vec(prop_oneof![Just(3), 0..2 * LONGEST], 0..=MOST),
            range in range(),
        ) {
            let all: Vec<Bytes> = (0..).zip(lengths).map(|(letter, length)| vec![letter; length].into()).collect();
            let run = Run::of(all.iter().map(Text::Shared));
            let strip = Strip::of(&[run.view()]);
            let view = strip.view(run.view().long);
            let range = range.start.min(all.len())..range.end.min(all.len());
            let (slice, expected) = (view.slice(range.clone()), &all[range]);
            prop_assert_eq!(slice.len(), expected.len());
            prop_assert!(slice.map(Bytes::from).eq(expected.iter().cloned()));
            prop_assert!(slice.rev().map(Bytes::from).eq(expected.iter().rev().cloned()));
            for at in 0..=expected.len() {
                prop_assert_eq!(slice.get(at).map(Bytes::from), expected.get(at).cloned());
            }
            for element in &all {
                prop_assert!(View::one(&Text::Shared(element)).map(Bytes::from).eq([element.clone()]));
            }
        }
    }
}
