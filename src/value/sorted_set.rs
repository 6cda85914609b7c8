//! Sorted sets: members found by name in a table, and by score or rank in a tree.

use std::ops::{Bound, Range};

use super::hash_of;
use super::ranked::{Iter, Ranked};
use crate::Bytes;
use crate::dense::{Dense, Named};

/// A score and its member, as they stand in order.
pub(crate) type Scored = (f64, Bytes);

/// From where to where: either end with or without the bound itself, or open.
pub(crate) type Bounds<T> = (Bound<T>, Bound<T>);

/// Members with a score each, ordered by score and then by the member's bytes.
///
/// Both halves hold the same members with the same scores, and share the bytes of those that do not
/// fit inline. No score is NaN, which the caller sees to; `-0.0` equals `0.0` and is kept as it came.
#[derive(Clone, Default)]
pub(crate) struct SortedSet {
    by_member: Dense<Member>,
    by_score: Ranked,
}

#[derive(Clone)]
struct Member {
    name: Bytes,
    score: f64,
    hash: u32,
}

impl Named for Member {
    fn name(&self) -> &[u8] {
        &self.name
    }

    fn hash(&self) -> u32 {
        self.hash
    }

    fn heap_bytes(&self) -> usize {
        self.name.heap_bytes()
    }
}

impl SortedSet {
    /// A set of members that are in order, each once. O(n).
    pub(crate) fn from_sorted(entries: Vec<Scored>) -> Self {
        let mut by_member = Dense::default();
        for (score, name) in &entries {
            by_member.push(Member { hash: hash_of(name), name: name.clone(), score: *score });
        }
        SortedSet { by_member, by_score: Ranked::from_sorted(entries) }
    }

    pub(crate) fn len(&self) -> usize {
        self.by_member.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.by_member.is_empty()
    }

    /// Heap memory, in bytes of capacity; a member's own is counted once. O(1).
    pub(crate) fn bytes(&self) -> usize {
        self.by_member.bytes() + self.by_score.bytes()
    }

    /// Gives a member a score; whether it is new. O(log n).
    pub(crate) fn insert(&mut self, member: Bytes, score: f64) -> bool {
        let hash = hash_of(&member);
        let Some(at) = self.by_member.find(hash, &member) else {
            self.by_member.push(Member { name: member.clone(), score, hash });
            self.by_score.insert(score, member);
            return true;
        };
        if let Some(entry) = self.by_member.get_mut(at).filter(|entry| entry.score != score) {
            let old = std::mem::replace(&mut entry.score, score);
            // The bytes that both halves have shared so far, not the caller's equal ones.
            if let Some(member) = self.by_score.remove(old, &member) {
                self.by_score.insert(score, member);
            }
        }
        false
    }

    /// Takes a member out; its score, if it was there. O(log n).
    pub(crate) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let at = self.by_member.find(hash_of(member), member)?;
        let score = self.by_member.swap_remove(at)?.score;
        self.by_score.remove(score, member);
        Some(score)
    }

    /// O(1).
    pub(crate) fn score(&self, member: &[u8]) -> Option<f64> {
        let at = self.by_member.find(hash_of(member), member)?;
        self.by_member.get(at).map(|entry| entry.score)
    }

    /// How many members come before this one, and its score. O(log n).
    pub(crate) fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let score = self.score(member)?;
        Some((self.by_score.rank(score, member)?, score))
    }

    /// The members in order.
    pub(crate) fn iter(&self) -> Iter<'_> {
        self.range(0..self.len())
    }

    /// The members of these ranks, as far as they exist. O(log n) to start, then O(1) each.
    pub(crate) fn range(&self, ranks: Range<usize>) -> Iter<'_> {
        self.by_score.range(ranks)
    }

    /// The ordered half, to be walked when the set itself has gone on. Its clone is O(1).
    pub(crate) fn ranked(&self) -> &Ranked {
        &self.by_score
    }

    /// The member at one of `len` positions, which stay the same until the set changes; for random
    /// choice. O(1).
    pub(crate) fn at(&self, position: usize) -> Option<(f64, &Bytes)> {
        let entry = self.by_member.get(u32::try_from(position).ok()?)?;
        Some((entry.score, &entry.name))
    }

    /// The ranks of the members whose score lies within bounds that are not NaN. O(log n).
    pub(crate) fn ranks_by_score(&self, (from, to): Bounds<f64>) -> Range<usize> {
        let below = |bound| self.by_score.partition_point(|score, _| score < bound);
        let up_to = |bound| self.by_score.partition_point(|score, _| score <= bound);
        let start = match from {
            Bound::Unbounded => 0,
            Bound::Included(bound) => below(bound),
            Bound::Excluded(bound) => up_to(bound),
        };
        let end = match to {
            Bound::Unbounded => self.len(),
            Bound::Included(bound) => up_to(bound),
            Bound::Excluded(bound) => below(bound),
        };
        start..end.max(start)
    }

    /// The ranks of the members whose bytes lie within bounds, where all have the same score; some
    /// range where they have not. O(log n).
    pub(crate) fn ranks_by_member(&self, (from, to): Bounds<&[u8]>) -> Range<usize> {
        let below = |bound: &[u8]| self.by_score.partition_point(|_, member| member < bound);
        let up_to = |bound: &[u8]| self.by_score.partition_point(|_, member| member <= bound);
        let start = match from {
            Bound::Unbounded => 0,
            Bound::Included(bound) => below(bound),
            Bound::Excluded(bound) => up_to(bound),
        };
        let end = match to {
            Bound::Unbounded => self.len(),
            Bound::Included(bound) => up_to(bound),
            Bound::Excluded(bound) => below(bound),
        };
        start..end.max(start)
    }

    /// Takes the members of these ranks out, in order. O(log n + taken).
    pub(crate) fn remove_range(&mut self, ranks: Range<usize>) -> Vec<Scored> {
        let gone = self.by_score.remove_range(ranks);
        for (_, member) in &gone {
            if let Some(at) = self.by_member.find(hash_of(member), member) {
                self.by_member.swap_remove(at);
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Op {
        Insert(Bytes, f64),
        Remove(Bytes),
        RemoveRange(usize, usize),
        Rebuild,
        Clone,
    }

    fn score() -> impl Strategy<Value = f64> {
        let edges = vec![f64::NEG_INFINITY, -1.5, -0.0, 0.0, 0.5, f64::INFINITY];
        prop_oneof![prop::sample::select(edges), (-9_i32..9).prop_map(f64::from)]
    }

    /// Short and long members, that is inline and shared ones.
    fn member() -> impl Strategy<Value = Bytes> {
        (0..60_u8).prop_map(|n| match n % 3 {
            0 => Bytes::from(format!("a member that is not kept inline {n}")),
            _ => Bytes::from(n.to_string()),
        })
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            60 => (member(), score()).prop_map(|(member, score)| Op::Insert(member, score)),
            25 => member().prop_map(Op::Remove),
            3 => (0..70_usize, 0..20_usize).prop_map(|(start, len)| Op::RemoveRange(start, start + len)),
            1 => Just(Op::Rebuild),
            3 => Just(Op::Clone),
        ]
    }

    fn in_order(model: &BTreeMap<Bytes, f64>) -> Vec<Scored> {
        let mut entries: Vec<Scored> = model.iter().map(|(member, score)| (*score, member.clone())).collect();
        entries.sort_by(|a, b| a.partial_cmp(b).unwrap());
        entries
    }

    fn bound<T>(kind: u8, at: T) -> Bound<T> {
        match kind % 3 {
            0 => Bound::Included(at),
            1 => Bound::Excluded(at),
            _ => Bound::Unbounded,
        }
    }

    fn check(set: &SortedSet, model: &BTreeMap<Bytes, f64>) {
        let expected = in_order(model);
        let got: Vec<Scored> = set.iter().map(|(score, member)| (score, member.clone())).collect();
        assert_eq!((&got, set.len(), set.is_empty()), (&expected, expected.len(), expected.is_empty()));
        for (rank, (score, member)) in expected.iter().enumerate() {
            assert_eq!((set.score(member), set.rank(member)), (Some(*score), Some((rank, *score))));
        }
        let mut drawn: Vec<Scored> = (0..set.len())
            .filter_map(|at| set.at(at))
            .map(|(score, member)| (score, member.clone()))
            .collect();
        drawn.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert_eq!(drawn, expected);
        let own: usize = model.keys().map(Bytes::heap_bytes).sum();
        let entries = set.len() * (size_of::<Member>() + size_of::<Scored>());
        assert!(set.bytes() >= own + entries && (!model.is_empty() || set.bytes() == 0));
        for (_, member) in set.iter().filter(|(_, member)| member.heap_bytes() > 0) {
            let at = set.by_member.find(hash_of(member), member).unwrap();
            let name = &set.by_member.get(at).unwrap().name;
            assert_eq!(name.as_ptr(), member.as_ptr(), "both halves share a member's bytes");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(128))]

        #[test]
        fn agrees_with_a_map_of_scores(ops in prop::collection::vec(op(), 0..300)) {
            let (mut set, mut model) = (SortedSet::default(), BTreeMap::new());
            let mut clones = Vec::new();
            for op in ops {
                match op {
                    Op::Insert(member, score) => {
                        let old = model.get(&member).copied();
                        prop_assert_eq!(set.insert(member.clone(), score), old.is_none());
                        if old != Some(score) {
                            model.insert(member, score);
                        }
                    }
                    Op::Remove(member) => prop_assert_eq!(set.remove(&member), model.remove(&member)),
                    Op::RemoveRange(start, end) => {
                        let all = in_order(&model);
                        let end = end.min(all.len());
                        let gone = all.get(start..end).unwrap_or_default();
                        gone.iter().for_each(|(_, member)| { model.remove(member); });
                        let taken = set.remove_range(start..end);
                        prop_assert_eq!(taken.as_slice(), gone);
                    }
                    Op::Rebuild => set = SortedSet::from_sorted(in_order(&model)),
                    Op::Clone => clones.push((set.clone(), model.clone())),
                }
            }
            clones.push((set, model));
            clones.iter().for_each(|(set, model)| check(set, model));
        }

        #[test]
        fn ranks_are_those_within_the_bounds(
            entries in prop::collection::btree_map(member(), score(), 0..40),
            (from, to) in (score(), score()),
            (first, last) in (member(), member()),
            kinds in (0..3_u8, 0..3_u8),
        ) {
            let set = SortedSet::from_sorted(in_order(&entries));
            let bounds = (bound(kinds.0, from), bound(kinds.1, to));
            let scores: Vec<f64> = set.range(set.ranks_by_score(bounds)).map(|(score, _)| score).collect();
            let all = in_order(&entries);
            let above = |score: f64| match bounds.0 {
                Bound::Included(bound) => score >= bound,
                Bound::Excluded(bound) => score > bound,
                Bound::Unbounded => true,
            };
            let below = |score: f64| match bounds.1 {
                Bound::Included(bound) => score <= bound,
                Bound::Excluded(bound) => score < bound,
                Bound::Unbounded => true,
            };
            let expected: Vec<f64> =
                all.iter().map(|(score, _)| *score).filter(|score| above(*score) && below(*score)).collect();
            prop_assert_eq!(scores, expected);

            // Whatever the scores are, the ranks are a range; where they are equal, it is the right one.
            let bounds = (bound(kinds.0, &first[..]), bound(kinds.1, &last[..]));
            let ranks = set.ranks_by_member(bounds);
            prop_assert!(ranks.start <= ranks.end && ranks.end <= set.len());
            let level = SortedSet::from_sorted(entries.keys().map(|member| (1.0, member.clone())).collect());
            let names: Vec<&Bytes> = level.range(level.ranks_by_member(bounds)).map(|(_, name)| name).collect();
            let within = |name: &&Bytes| {
                let above = match bounds.0 {
                    Bound::Included(bound) => &name[..] >= bound,
                    Bound::Excluded(bound) => &name[..] > bound,
                    Bound::Unbounded => true,
                };
                let below = match bounds.1 {
                    Bound::Included(bound) => &name[..] <= bound,
                    Bound::Excluded(bound) => &name[..] < bound,
                    Bound::Unbounded => true,
                };
                above && below
            };
            prop_assert_eq!(names, entries.keys().filter(within).collect::<Vec<_>>());
        }
    }
}
