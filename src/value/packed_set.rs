//! What a small set stands in: integers while all members are integers, else text.
//!
//! An integer is a member that reads as the number does when it is written in decimal; so nothing is
//! lost. A set that has turned to text stays so until it is empty.

use std::hash::{Hash, Hasher};

use super::either::Either;
use super::integers::{self, Integers};
use super::members::Pack;
use super::packed::{MOST, Packed};
use crate::Bytes;
use crate::records::Record;
use crate::text::number::{IntegerBuffer, format_i64, parse_i64};

/// See the [module](self). Clones share the bytes until one of them is written.
#[derive(Clone, Default)]
pub(super) struct PackedSet(Packed<0>);

/// A member of a set, as it stands there: [`read`](Self::read) gives its bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Member<'m> {
    Text(&'m [u8]),
    Integer(i64),
}

impl PackedSet {
    #[inline]
    fn integers(&self) -> Option<Integers<'_>> {
        Integers::of(&self.0.0)
    }

    /// The members as text, to which integers are turned.
    fn text_mut(&mut self) -> &mut Packed<0> {
        if let Some(integers) = self.integers() {
            let mut text = Packed::default();
            for integer in integers.iter() {
                text.push(format_i64(integer, &mut IntegerBuffer::default()), &[]);
            }
            self.0 = text;
        }
        &mut self.0
    }
}

impl Pack for PackedSet {
    type Entry<'p> = Member<'p>;

    #[inline]
    fn entry(record: Record<'_>) -> Member<'_> {
        Member::Text(record.name)
    }

    fn parts<'p>(entry: &'p Member<'_>, buffer: &'p mut IntegerBuffer) -> (&'p [u8], &'p [u8]) {
        (entry.read(buffer), &[])
    }

    #[inline]
    fn len(&self) -> usize {
        self.0.len()
    }

    #[inline]
    fn find(&self, name: &[u8]) -> Option<usize> {
        match self.integers() {
            Some(integers) => integers.find(parse_i64(name)?),
            None => self.0.find(name),
        }
    }

    fn get(&self, place: usize) -> Option<Member<'_>> {
        match self.integers() {
            Some(integers) => integers.get(place).map(Member::Integer),
            None => self.0.get(place).map(|(name, _)| Member::Text(name)),
        }
    }

    fn push(&mut self, name: &[u8], body: &[u8]) -> bool {
        let is_taken = self.len() < MOST && Packed::<0>::takes(name, body);
        if is_taken {
            let is_text = self.len() > 0 && self.integers().is_none();
            match parse_i64(name) {
                Some(integer) if !is_text => integers::push(&mut self.0.0, integer),
                _ => {
                    self.text_mut().push(name, body);
                }
            }
        }
        is_taken
    }

    fn remove(&mut self, place: usize) {
        match self.integers() {
            Some(_) => integers::remove(&mut self.0.0, place),
            None => self.0.remove(place),
        }
    }

    #[inline]
    fn iter(&self) -> impl Iterator<Item = Member<'_>> + Clone {
        match self.integers() {
            Some(integers) => Either::A(integers.iter().map(Member::Integer)),
            None => Either::B(self.0.iter().map(|(name, _)| Member::Text(name))),
        }
    }

    fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

impl Member<'_> {
    /// The member's bytes; those of an integer are written into the buffer. O(1)
    #[inline]
    pub(crate) fn read<'b>(&'b self, buffer: &'b mut IntegerBuffer) -> &'b [u8] {
        match self {
            Member::Text(name) => name,
            Member::Integer(integer) => format_i64(*integer, buffer),
        }
    }
}

impl From<Member<'_>> for Bytes {
    #[inline]
    fn from(member: Member<'_>) -> Self {
        Bytes::from(member.read(&mut IntegerBuffer::default()))
    }
}

/// As the bytes are equal, in whatever form they stand.
impl PartialEq for Member<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.read(&mut IntegerBuffer::default()) == other.read(&mut IntegerBuffer::default())
    }
}

impl Eq for Member<'_> {}

impl Hash for Member<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.read(&mut IntegerBuffer::default()).hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::packed::LONGEST;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Step {
        Push(usize),
        Remove(usize),
        Clone,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0usize..20).prop_map(Step::Push),
            3 => (0..MOST + 1).prop_map(Step::Remove),
            1 => Just(Step::Clone),
        ]
    }

    /// Of all magnitudes.
    fn integer() -> impl Strategy<Value = i64> {
        prop_oneof![
            8 => (any::<i64>(), 0u32..64).prop_map(|(integer, shift)| integer >> shift),
            1 => (0u32..64, -1i64..2).prop_map(|(shift, more)| (1_i64 << shift).wrapping_add(more)),
            1 => Just(i64::MAX),
        ]
    }

    fn not_an_integer() -> impl Strategy<Value = Vec<u8>> {
        let close = ["", "-", "-0", "+1", "007", "1 ", "1.0", "9223372036854775808", "-9223372036854775809"];
        prop_oneof![
            prop::sample::select(close.to_vec()).prop_map(|text: &str| text.as_bytes().to_vec()),
            (LONGEST - 1..LONGEST + 2).prop_map(|length| vec![b'1'; length]),
        ]
    }

    /// Names without double: in one case in two integers only, in most cases close to each other.
    fn names() -> impl Strategy<Value = Vec<Vec<u8>>> {
        let integers = (integer(), prop::collection::vec((integer(), 0..10), 20), 0..20).prop_map(
            |(centre, others, far)| {
                let of = |(other, which): &(i64, i32)| {
                    if *which < far { *other } else { centre.wrapping_add(other % 70_000) }
                };
                others.iter().map(|other| of(other).to_string().into_bytes()).collect::<Vec<_>>()
            },
        );
        let text = prop_oneof![Just(Vec::new()), prop::collection::vec((0usize..20, not_an_integer()), 1..5)];
        (integers, text).prop_map(|(mut names, text)| {
            text.into_iter().for_each(|(at, text)| names[at] = text);
            let mut seen = std::collections::BTreeSet::new();
            names.retain(|name| seen.insert(name.clone()));
            names
        })
    }

    fn is_integer(name: &[u8]) -> bool {
        let text = std::str::from_utf8(name).unwrap();
        text.parse::<i64>().is_ok_and(|integer| integer.to_string() == text)
    }

    /// The members in their order, and whether one was text since the set was last empty.
    type Model = (Vec<Vec<u8>>, bool);

    fn check(set: &PackedSet, (members, is_text): &Model, names: &[Vec<u8>]) {
        assert_eq!(set.len(), members.len());
        assert_eq!(set.integers().is_some(), !members.is_empty() && !is_text);
        let all: Vec<Vec<u8>> = set.iter().map(|member| Bytes::from(member).to_vec()).collect();
        assert_eq!(all, *members);
        for place in 0..=members.len() {
            assert_eq!(set.get(place), members.get(place).map(|member| Member::Text(member)));
        }
        for name in names {
            assert_eq!(set.find(name), members.iter().position(|member| member == name));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1024))]

        #[test]
        fn members_stand_in_their_order(
            names in names(),
            steps in prop::collection::vec(step(), 1..60),
        ) {
            let (mut set, mut model) = (PackedSet::default(), Model::default());
            let mut clones = Vec::new();
            for step in steps {
                match step {
                    Step::Push(at) => {
                        let Some(name) = names.get(at).filter(|name| set.find(name).is_none()) else { continue };
                        let is_taken = name.len() <= LONGEST && model.0.len() < MOST;
                        prop_assert_eq!(set.push(name, &[]), is_taken);
                        if is_taken {
                            model.0.push(name.clone());
                            model.1 |= !is_integer(name);
                        }
                    }
                    Step::Remove(place) => {
                        set.remove(place);
                        if place < model.0.len() {
                            model.0.remove(place);
                        }
                        model.1 &= !model.0.is_empty();
                    }
                    Step::Clone => clones.push((set.clone(), model.clone())),
                }
                check(&set, &model, &names);
            }
            clones.iter().for_each(|(set, model)| check(set, model, &names));
        }
    }
}
