//! A set: byte strings without order, each once, and what several sets give together.

use std::cmp::Reverse;

use super::members::Members;
pub(crate) use super::packed_set::Member;
use super::packed_set::PackedSet;
use crate::Bytes;
use crate::records::Text;
use crate::text::number::IntegerBuffer;

/// Different byte strings in no order that means anything; a clone shares them.
#[derive(Clone, Default)]
pub(crate) struct Set(Members<PackedSet>);

impl Set {
    /// How many members there are. O(1).
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of memory held outside this value. O(1).
    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes()
    }

    /// The same, counted anew.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn recount(&self) -> usize {
        self.0.recount()
    }

    /// O(1).
    pub(crate) fn contains(&self, member: &[u8]) -> bool {
        self.0.find(member).is_some()
    }

    /// The same, for a member of another set. O(1).
    pub(crate) fn has(&self, member: Member<'_>) -> bool {
        self.seek(member).is_some()
    }

    fn seek(&self, member: Member<'_>) -> Option<u32> {
        self.0.find(member.read(&mut IntegerBuffer::default()))
    }

    /// Adds a member; false if it was there. O(1).
    pub(crate) fn insert(&mut self, member: &Bytes) -> bool {
        self.add(Text::Shared(member))
    }

    fn add(&mut self, member: Text<'_>) -> bool {
        let is_new = !self.contains(&member);
        if is_new {
            self.0.push(member, Text::Slice(&[]));
        }
        is_new
    }

    /// Removes a member; false if it was not there. O(1).
    pub(crate) fn remove(&mut self, member: &[u8]) -> bool {
        let at = self.0.find(member);
        at.is_some_and(|at| self.0.remove(at))
    }

    /// The member at a position below [`len`](Self::len): positions are dense, and change when a member
    /// is removed. O(1).
    pub(crate) fn get_at(&self, at: usize) -> Option<Bytes> {
        self.0.name(u32::try_from(at).ok()?)
    }

    /// Takes the member at a position. O(1).
    pub(crate) fn remove_at(&mut self, at: usize) -> Option<Bytes> {
        let member = self.get_at(at);
        // A position that has a member fits.
        self.0.remove(at as u32);
        member
    }

    /// All members, from the first position to the last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Member<'_>> + Clone {
        self.0.iter()
    }

    /// A set of members of another, each named once. O(members).
    pub(crate) fn of<'m>(members: impl IntoIterator<Item = Member<'m>>) -> Set {
        let mut set = Set::default();
        for member in members {
            set.0.push(Text::Slice(member.read(&mut IntegerBuffer::default())), Text::Slice(&[]));
        }
        set
    }

    /// The members that all of the sets have: those of the smallest that are in the others too.
    /// O(smallest * sets).
    pub(crate) fn intersection(mut sets: Vec<&Set>) -> impl Iterator<Item = Member<'_>> {
        sets.sort_by_key(|set| set.len());
        let mut sets = sets.into_iter();
        let smallest = sets.next();
        smallest
            .into_iter()
            .flat_map(|smallest| smallest.iter())
            .filter(move |member| sets.as_slice().iter().all(|set| set.has(*member)))
    }

    /// The members that any of the sets has: a clone of the largest, and what the others add.
    /// O(members of all others), and what a clone of the largest costs.
    pub(crate) fn union(mut sets: Vec<&Set>) -> Set {
        sets.sort_by_key(|set| Reverse(set.len()));
        let Some((largest, others)) = sets.split_first() else { return Set::default() };
        let mut union = Set::clone(largest);
        for member in others.iter().flat_map(|set| set.iter()) {
            union.add(Text::Slice(member.read(&mut IntegerBuffer::default())));
        }
        union
    }

    /// The members that none of the `others` has, by whichever is less work: to look for each in the
    /// others, O(members * others), or for all of theirs here, O(members of the others).
    pub(crate) fn difference<'s>(&'s self, mut others: Vec<&Set>) -> Vec<Member<'s>> {
        let strangers: usize = others.iter().map(|set| set.len()).sum();
        // Looking into the others stops at the first that has the member: in half of their number, say.
        if self.len().saturating_mul(others.len()) / 2 <= strangers {
            // The largest is the likeliest to have it.
            others.sort_by_key(|set| Reverse(set.len()));
            return self.iter().filter(|member| !others.iter().any(|set| set.has(*member))).collect();
        }
        let mut kept = vec![true; self.len()];
        for member in others.iter().flat_map(|set| set.iter()) {
            let at = self.seek(member);
            if let Some(kept) = at.and_then(|at| kept.get_mut(at as usize)) {
                *kept = false;
            }
        }
        let members = self.iter().zip(kept);
        members.filter(|(_, kept)| *kept).map(|(member, _)| member).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Op {
        Insert(u8),
        Remove(u8),
        RemoveAt(usize),
        Clone,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            8 => (0u8..40).prop_map(Op::Insert),
            4 => (0u8..40).prop_map(Op::Remove),
            3 => (0usize..45).prop_map(Op::RemoveAt),
            1 => Just(Op::Clone),
        ]
    }

    /// Integers of all sizes, then text: inline for even numbers, shared for odd ones.
    fn name(number: u8) -> Bytes {
        match number {
            0..8 => Bytes::from(number.to_string()),
            8..24 => Bytes::from((-6_i64).pow(number.into()).to_string()),
            _ => Bytes::from(vec![number; if number % 2 == 0 { 3 } else { 30 }]),
        }
    }

    fn number(member: Member<'_>) -> u8 {
        (0..40).find(|number| name(*number) == Bytes::from(member)).expect("it is one of those")
    }

    fn numbers(set: &Set) -> BTreeSet<u8> {
        let numbers: BTreeSet<u8> = set.iter().map(number).collect();
        assert_eq!(numbers.len(), set.len());
        numbers
    }

    fn check(set: &Set, model: &BTreeSet<u8>) {
        assert_eq!(numbers(set), *model);
        assert_eq!(set.is_empty(), model.is_empty());
        for number in 0..40 {
            assert_eq!(set.contains(&name(number)), model.contains(&number));
        }
        let held: usize = set.iter().map(|member| Bytes::from(member).len()).sum();
        assert!((held / 8..=3 * held + 1_000).contains(&set.bytes()));
    }

    fn made(numbers: &BTreeSet<u8>) -> Set {
        let mut set = Set::default();
        numbers.iter().for_each(|number| assert!(set.insert(&name(*number))));
        set
    }

    proptest! {
        #[test]
        fn a_set_does_what_a_set_does(ops in prop::collection::vec(op(), 1..120)) {
            let (mut set, mut model) = (Set::default(), BTreeSet::new());
            let mut clones = Vec::new();
            for op in ops {
                match op {
                    Op::Insert(number) => prop_assert_eq!(set.insert(&name(number)), model.insert(number)),
                    Op::Remove(number) => prop_assert_eq!(set.remove(&name(number)), model.remove(&number)),
                    Op::RemoveAt(at) => {
                        let expected = set.get_at(at).as_deref().map(Member::Text).map(number);
                        prop_assert_eq!(expected.is_some(), at < model.len());
                        prop_assert_eq!(set.remove_at(at).as_deref().map(Member::Text).map(number), expected);
                        expected.map(|number| model.remove(&number));
                    }
                    Op::Clone => clones.push((set.clone(), model.clone())),
                }
                check(&set, &model);
            }
            clones.iter().for_each(|(set, model)| check(set, model));
        }

        #[test]
        fn sets_give_together_what_sets_do(
            models in prop::collection::vec(prop::collection::btree_set(0u8..40, 0..40), 1..5),
        ) {
            let sets: Vec<Set> = models.iter().map(made).collect();
            let all: Vec<&Set> = sets.iter().collect();
            let set_of = |members: Vec<Member<'_>>| numbers(&Set::of(members));
            let has = |number: &u8, models: &[BTreeSet<u8>]| models.iter().filter(|m| m.contains(number)).count();
            let chosen = |keep: &dyn Fn(&u8) -> bool| (0..40).filter(keep).collect::<BTreeSet<u8>>();
            let both = chosen(&|number| has(number, &models) == models.len());
            prop_assert_eq!(set_of(Set::intersection(all.clone()).collect()), both);
            prop_assert_eq!(numbers(&Set::union(all.clone())), chosen(&|number| has(number, &models) > 0));
            let only = chosen(&|number| models[0].contains(number) && has(number, &models[1..]) == 0);
            prop_assert_eq!(set_of(sets[0].difference(all[1..].to_vec())), only);
            sets.iter().zip(&models).for_each(|(set, model)| check(set, model));
        }
    }
}
