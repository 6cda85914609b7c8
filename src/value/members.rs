//! Byte strings found by name, each with a body: what sets, hashes and sorted sets stand in.
//!
//! A few short ones are packed in one allocation and searched one by one; when they are many, or one is
//! long, they move into pages with an index, and stay there until all of them are gone.

use std::ops::Range;
use std::sync::Arc;

use super::either::Either;
use super::hash_of;
use super::packed::{self, Packed};
use crate::Bytes;
use crate::records::{Record, Records, Text};
use crate::text::number::IntegerBuffer;

/// See the [module](self). A few stand in a `P`; what else there is to know of them all is an `X`, which
/// only entries in pages have. A clone is O(1): both share what they hold until one of them is written,
/// and a bounded part of it from then on.
#[derive(Clone)]
pub(super) struct Members<P, X = ()>(Form<P, X>);

#[derive(Clone)]
enum Form<P, X> {
    Packed(P),
    Paged(Arc<Paged<X>>),
}

/// A few short entries in one allocation, in the order in which they came. Clones share it until one of
/// them is written.
pub(super) trait Pack: Clone + Default {
    /// An entry as it is handed out.
    type Entry<'p>;

    /// One that stands in a page, as it is handed out.
    fn entry(record: Record<'_>) -> Self::Entry<'_>;

    /// The name and the body; a name that is an integer is written into the buffer.
    fn parts<'p>(entry: &'p Self::Entry<'_>, buffer: &'p mut IntegerBuffer) -> (&'p [u8], &'p [u8]);

    /// O(1)
    fn len(&self) -> usize;

    /// The place of the entry of that name. O(n)
    fn find(&self, name: &[u8]) -> Option<usize>;

    /// The entry at a place. O(n)
    fn get(&self, place: usize) -> Option<Self::Entry<'_>>;

    /// Adds an entry whose name is not there yet behind the last; false, and no change, if it is too long
    /// or one too many. O(n)
    fn push(&mut self, name: &[u8], body: &[u8]) -> bool;

    /// Takes the entry at a place out, if there is one; those behind it move up. O(n)
    fn remove(&mut self, place: usize);

    /// The entries, in order.
    fn iter(&self) -> impl Iterator<Item = Self::Entry<'_>> + Clone;

    /// Heap memory, in bytes. O(1)
    fn bytes(&self) -> usize;
}

#[derive(Clone, Default)]
struct Paged<X> {
    records: Records,
    extra: X,
}

impl<P: Default, X> Default for Members<P, X> {
    fn default() -> Self {
        Members(Form::Packed(P::default()))
    }
}

impl<P: Pack, X: Clone + Default> Members<P, X> {
    /// O(1)
    #[inline]
    pub(super) fn len(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.len(),
            Form::Paged(paged) => paged.records.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The position of the entry of that name: a number below [`len`](Self::len), which stays the same
    /// until an entry is removed. O(1)
    #[inline]
    pub(super) fn find(&self, name: &[u8]) -> Option<u32> {
        match &self.0 {
            Form::Packed(packed) => packed.find(name).map(|place| place as u32),
            Form::Paged(paged) => paged.records.find(hash_of(name), name),
        }
    }

    /// The name of the entry at a position, shared if it is long. O(1)
    pub(super) fn name(&self, at: u32) -> Option<Bytes> {
        match &self.0 {
            Form::Packed(packed) => {
                let entry = packed.get(at as usize)?;
                Some(Bytes::from(P::parts(&entry, &mut IntegerBuffer::default()).0))
            }
            Form::Paged(paged) => paged.records.name(at),
        }
    }

    /// Adds an entry whose name is not there yet; gives its position. O(1)
    pub(super) fn push(&mut self, name: Text<'_>, body: Text<'_>) -> u32 {
        if let Form::Packed(packed) = &mut self.0 {
            if packed.push(&name, &body) {
                return packed.len() as u32 - 1;
            }
        }
        self.paged().records.push(hash_of(&name), name, body)
    }

    /// Takes the entry at a position out; false if there was none. Positions from there on change. O(1)
    pub(super) fn remove(&mut self, at: u32) -> bool {
        match &mut self.0 {
            Form::Packed(packed) => {
                let is_there = (at as usize) < packed.len();
                packed.remove(at as usize);
                is_there
            }
            Form::Paged(paged) => {
                let is_there = Arc::make_mut(paged).records.swap_remove(at);
                if paged.records.is_empty() {
                    *self = Members::default();
                }
                is_there
            }
        }
    }

    /// All entries, from the first position to the last.
    pub(super) fn iter(&self) -> impl Iterator<Item = P::Entry<'_>> + Clone {
        match &self.0 {
            Form::Packed(packed) => Either::A(packed.iter()),
            Form::Paged(paged) => Either::B(paged.records.iter().map(P::entry)),
        }
    }

    /// What else there is to know; nothing while the entries are packed.
    #[inline]
    pub(super) fn extra(&self) -> Option<&X> {
        match &self.0 {
            Form::Packed(_) => None,
            Form::Paged(paged) => Some(&paged.extra),
        }
    }

    /// The same, to be changed: entries that are packed move into pages.
    pub(super) fn extra_mut(&mut self) -> &mut X {
        &mut self.paged().extra
    }

    /// Heap memory but for what the extra holds, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.bytes(),
            Form::Paged(paged) => 2 * size_of::<usize>() + size_of::<Paged<X>>() + paged.records.bytes(),
        }
    }

    /// The same, counted anew.
    #[cfg(any(test, fuzzing))]
    pub(super) fn recount(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.bytes(),
            Form::Paged(paged) => 2 * size_of::<usize>() + size_of::<Paged<X>>() + paged.records.recount(),
        }
    }

    /// The entries in pages, moved there if need be.
    fn paged(&mut self) -> &mut Paged<X> {
        if let Form::Packed(packed) = &self.0 {
            let mut records = Records::default();
            for entry in packed.iter() {
                let mut buffer = IntegerBuffer::default();
                let (name, body) = P::parts(&entry, &mut buffer);
                records.push(hash_of(name), Text::Slice(name), Text::Slice(body));
            }
            self.0 = Form::Paged(Arc::new(Paged { records, extra: X::default() }));
        }
        match &mut self.0 {
            Form::Paged(paged) => Arc::make_mut(paged),
            Form::Packed(_) => unreachable!("just moved into pages"),
        }
    }
}

impl<const BODY: usize, X: Clone + Default> Members<Packed<BODY>, X> {
    /// The body of the entry of that name. O(1)
    #[inline]
    pub(super) fn body(&self, name: &[u8]) -> Option<&[u8]> {
        match &self.0 {
            Form::Packed(packed) => packed.iter().find(|(other, _)| *other == name).map(|(_, body)| body),
            Form::Paged(paged) => paged.records.seek(hash_of(name), name).map(|(_, record)| record.body),
        }
    }

    /// The body of the entry at a position, shared if it is long. O(1)
    pub(super) fn body_at(&self, at: u32) -> Option<Bytes> {
        match &self.0 {
            Form::Packed(packed) => packed.get(at as usize).map(|(_, body)| Bytes::from(body)),
            Form::Paged(paged) => paged.records.body(at),
        }
    }

    /// Gives the entry at a position another body; gives the old one back if it was long. O(1)
    pub(super) fn set_body(&mut self, at: u32, body: Text<'_>) -> Option<Bytes> {
        match &mut self.0 {
            Form::Packed(packed) if body.len() <= packed::LONGEST => {
                packed.set_body(at as usize, &body);
                None
            }
            _ => self.paged().records.set_body(at, body),
        }
    }
}

/// The next positions of a walk from the end: those just below `cursor` (0 starts the walk), at most
/// `count`, to be visited in falling order; their start is the cursor to go on with (0: it is over). What
/// stays is met, whatever is added and removed between two steps, as entries only move towards the start.
pub(crate) fn walk(len: usize, cursor: usize, count: usize) -> Range<usize> {
    let end = if cursor == 0 { len } else { cursor.min(len) };
    end.saturating_sub(count.max(1))..end
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::packed::ANY;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Clone)]
    enum Step {
        Put(u8, usize),
        Remove(u8),
        RemoveAt(u32),
        Clone,
    }

    fn step() -> impl Strategy<Value = Step> {
        let length = prop_oneof![8 => 0usize..10, 1 => 35usize..45, 1 => 155usize..165];
        prop_oneof![
            6 => (0u8..40, length).prop_map(|(id, length)| Step::Put(id, length)),
            3 => (0u8..40).prop_map(Step::Remove),
            2 => (0u32..12).prop_map(Step::RemoveAt),
            1 => Just(Step::Clone),
        ]
    }

    fn name_of(id: u8) -> Vec<u8> {
        vec![
            id;
            match id {
                0 => 0,
                1 => packed::LONGEST,
                2 => packed::LONGEST + 1,
                3 => 300,
                _ => 5,
            }
        ]
    }

    type Model = BTreeMap<Vec<u8>, Vec<u8>>;

    fn check<const BODY: usize>(members: &Members<Packed<BODY>>, model: &Model) {
        assert_eq!((members.len(), members.is_empty()), (model.len(), model.is_empty()));
        let all: Model = members.iter().map(|(name, body)| (name.to_vec(), body.to_vec())).collect();
        assert_eq!(all, *model);
        for (at, (name, body)) in members.iter().enumerate() {
            let at = at as u32;
            assert_eq!(members.find(name), Some(at));
            assert_eq!((members.name(at).as_deref(), members.body(name)), (Some(name), Some(body)));
            assert_eq!(members.body_at(at).as_deref(), Some(body));
        }
        assert_eq!(members.name(model.len() as u32), None);
        assert!((0..40).all(|id| members.find(&name_of(id)).is_some() == model.contains_key(&name_of(id))));
    }

    fn run<const BODY: usize>(steps: Vec<Step>) {
        let (mut members, mut model) = (Members::<Packed<BODY>>::default(), Model::new());
        let mut clones = Vec::new();
        for step in steps {
            match step {
                Step::Put(id, length) => {
                    let (name, body) = (name_of(id), vec![id; length.min(BODY)]);
                    let body = if BODY == ANY { body } else { vec![id ^ length as u8; BODY] };
                    match members.find(&name) {
                        Some(at) => drop(members.set_body(at, Text::Slice(&body))),
                        None => assert_eq!(
                            members.push(Text::Slice(&name), Text::Slice(&body)) as usize,
                            model.len()
                        ),
                    }
                    model.insert(name, body);
                }
                Step::Remove(id) => {
                    let at = members.find(&name_of(id));
                    let is_there = at.is_some_and(|at| members.remove(at));
                    assert_eq!(is_there, model.remove(&name_of(id)).is_some());
                }
                Step::RemoveAt(at) => {
                    let name = members.name(at);
                    assert_eq!(members.remove(at), name.is_some());
                    name.map(|name| model.remove(&name[..]));
                }
                Step::Clone => clones.push((members.clone(), model.clone())),
            }
            check(&members, &model);
        }
        clones.iter().for_each(|(members, model)| check(members, model));
    }

    proptest! {
        #[test]
        fn agree_with_a_map(steps in prop::collection::vec(step(), 1..80)) {
            run::<ANY>(steps.clone());
            run::<0>(steps.clone());
            run::<8>(steps);
        }
    }
}
