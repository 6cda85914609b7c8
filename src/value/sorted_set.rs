//! Sorted sets: members found by name, and by score or rank.
//!
//! A few short members stand packed in one allocation in their order, each behind its score, and are
//! walked. More of them, or long ones, are records found by hash, whose positions a tree holds by score;
//! there they stay until all are gone. So a member's bytes are kept once, and a score is read without
//! them.

use std::mem;
use std::ops::{Bound, Range};
use std::sync::Arc;

use super::hash_of;
use super::packed_scores::PackedScores;
use super::ranked::{Ranked, Sought};
use crate::Bytes;
use crate::records::{Records, Text};

/// A score and its member, as they stand in order.
pub(crate) type Scored = (f64, Bytes);

/// From where to where: either end with or without the bound itself, or open.
pub(crate) type Bounds<T> = (Bound<T>, Bound<T>);

/// Members with a score each, ordered by score and then by the member's bytes.
///
/// No score is NaN, which the caller sees to; `-0.0` equals `0.0` and is kept as it came. A clone is
/// O(1): both share what they hold until one of them is written, and most of it from then on.
#[derive(Clone)]
pub(crate) struct SortedSet(Form);

#[derive(Clone)]
enum Form {
    Packed(PackedScores),
    Tree(Arc<Tree>),
}

/// The body of a member's record is its score.
#[derive(Clone, Default)]
struct Tree {
    members: Records,
    ranked: Ranked,
}

/// What an `Arc` of a tree takes by itself.
const ARC: usize = 2 * size_of::<usize>() + size_of::<Tree>();

impl Default for SortedSet {
    fn default() -> Self {
        SortedSet(Form::Packed(PackedScores::default()))
    }
}

impl SortedSet {
    /// A set of members that are in order, each once. O(n).
    pub(crate) fn from_sorted(entries: &[Scored]) -> Self {
        let mut packed = PackedScores::default();
        if entries.iter().all(|(score, member)| packed.push(member, *score)) {
            SortedSet(Form::Packed(packed))
        } else {
            SortedSet(Form::Tree(Arc::new(Tree::from_sorted(entries))))
        }
    }

    /// O(1).
    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.len(),
            Form::Tree(tree) => tree.members.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Heap memory, in bytes of capacity. O(1).
    pub(crate) fn bytes(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.bytes(),
            Form::Tree(tree) => ARC + tree.members.bytes() + tree.ranked.bytes(),
        }
    }

    /// The same, counted anew.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn recount(&self) -> usize {
        match &self.0 {
            Form::Packed(packed) => packed.bytes(),
            Form::Tree(tree) => ARC + tree.members.recount() + tree.ranked.recount(),
        }
    }

    /// Gives a member a score; whether it is new. O(log n).
    pub(crate) fn insert(&mut self, member: &Bytes, score: f64) -> bool {
        self.update(member, |_| Some(score)).is_none()
    }

    /// Gives a member the score that `choose` makes of the one that it has, if any; gives that back.
    /// O(log n), O(1) where nothing is chosen, or the score that it has.
    pub(crate) fn update(
        &mut self,
        member: &Bytes,
        choose: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> Option<f64> {
        match &mut self.0 {
            Form::Packed(packed) => {
                let spot = packed.find(member);
                let old = spot.map(|spot| spot.score);
                let Some(score) = choose(old).filter(|score| old != Some(*score)) else { return old };
                if !packed.set(spot, member, score) {
                    let mut tree = Tree::from_sorted(&self.scored(0..self.len()));
                    let at = tree.members.find(hash_of(member), member);
                    tree.set(at.zip(old), member, score);
                    self.0 = Form::Tree(Arc::new(tree));
                }
                old
            }
            Form::Tree(tree) => {
                let found = tree.members.seek(hash_of(member), member);
                let found = found.map(|(at, record)| (at, read(record.body)));
                let old = found.map(|(_, score)| score);
                if let Some(score) = choose(old).filter(|score| old != Some(*score)) {
                    Arc::make_mut(tree).set(found, member, score);
                }
                old
            }
        }
    }

    /// Takes a member out; its score, if it was there. O(log n).
    pub(crate) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match &mut self.0 {
            Form::Packed(packed) => {
                let spot = packed.find(member)?;
                packed.remove(spot);
                Some(spot.score)
            }
            Form::Tree(tree) => {
                let (at, record) = tree.members.seek(hash_of(member), member)?;
                let score = read(record.body);
                if tree.members.len() == 1 {
                    *self = SortedSet::default();
                } else {
                    Arc::make_mut(tree).remove(at);
                }
                Some(score)
            }
        }
    }

    /// O(1).
    pub(crate) fn score(&self, member: &[u8]) -> Option<f64> {
        match &self.0 {
            Form::Packed(packed) => packed.find(member).map(|spot| spot.score),
            Form::Tree(tree) => {
                tree.members.seek(hash_of(member), member).map(|(_, record)| read(record.body))
            }
        }
    }

    /// How many members come before this one, and its score. O(log n).
    pub(crate) fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        match &self.0 {
            Form::Packed(packed) => packed.find(member).map(|spot| (spot.rank, spot.score)),
            Form::Tree(tree) => {
                let (at, record) = tree.members.seek(hash_of(member), member)?;
                let score = read(record.body);
                let sought = Sought { score, at, name: record.name, names: &tree.members };
                Some((tree.ranked.rank(sought)?, score))
            }
        }
    }

    /// The members in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (f64, &[u8])> {
        self.range(0..self.len())
    }

    /// The members of these ranks, as far as they exist. O(log n) to start, then O(1) each.
    pub(crate) fn range(&self, ranks: Range<usize>) -> impl Iterator<Item = (f64, &[u8])> {
        let (packed, tree) = match &self.0 {
            Form::Packed(packed) => (Some(packed.iter().skip(ranks.start).take(ranks.len())), None),
            Form::Tree(tree) => (None, Some((tree.ranked.range(ranks), &tree.members))),
        };
        let in_tree = tree.into_iter().flat_map(|(entries, members)| {
            entries.filter_map(|(score, at)| Some((score, members.get(at)?.name)))
        });
        packed.into_iter().flatten().chain(in_tree)
    }

    /// The members of these ranks, as far as they exist, those that are long shared with the set.
    /// O(log n + given).
    pub(crate) fn scored(&self, ranks: Range<usize>) -> Vec<Scored> {
        let mut scored = Vec::with_capacity(ranks.end.min(self.len()).saturating_sub(ranks.start));
        match &self.0 {
            Form::Packed(packed) => {
                let entries = packed.iter().skip(ranks.start).take(ranks.len());
                scored.extend(entries.map(|(score, member)| (score, Bytes::from(member))));
            }
            Form::Tree(tree) => {
                let entries = tree.ranked.range(ranks);
                scored.extend(entries.filter_map(|(score, at)| Some((score, tree.members.name(at)?))));
            }
        }
        scored
    }

    /// The member at one of `len` positions, which stay the same until the set changes; for random
    /// choice. O(1).
    pub(crate) fn at(&self, position: usize) -> Option<Scored> {
        match &self.0 {
            Form::Packed(packed) => {
                let (score, member) = packed.iter().nth(position)?;
                Some((score, Bytes::from(member)))
            }
            Form::Tree(tree) => {
                let at = u32::try_from(position).ok()?;
                Some((read(tree.members.get(at)?.body), tree.members.name(at)?))
            }
        }
    }

    /// The ranks of the members whose score lies within bounds that are not NaN. O(log n).
    pub(crate) fn ranks_by_score(&self, bounds: Bounds<f64>) -> Range<usize> {
        self.ranks(bounds, |before: &dyn Fn(f64) -> bool| match &self.0 {
            Form::Packed(packed) => packed.iter().take_while(|(score, _)| before(*score)).count(),
            Form::Tree(tree) => tree.ranked.partition_point(|(score, _)| before(score)),
        })
    }

    /// The ranks of the members whose bytes lie within bounds, where all have the same score; some
    /// range where they have not. O(log n).
    pub(crate) fn ranks_by_member<'s>(&'s self, bounds: Bounds<&'s [u8]>) -> Range<usize> {
        self.ranks(bounds, |before: &dyn Fn(&'s [u8]) -> bool| match &self.0 {
            Form::Packed(packed) => packed.iter().take_while(|(_, member)| before(member)).count(),
            Form::Tree(tree) => {
                let name = |at| tree.members.get(at).map(|record| record.name).unwrap_or_default();
                tree.ranked.partition_point(|(_, at)| before(name(at)))
            }
        })
    }

    /// Takes the members of these ranks out, in order. O(log n) for each, or for each that stays where those
    /// are the fewer.
    pub(crate) fn remove_range(&mut self, ranks: Range<usize>) -> Gone {
        let (start, end) = (ranks.start, ranks.end.min(self.len()));
        if start >= end {
            return Gone::Members(Vec::new());
        }
        let stays = self.len() - (end - start);
        if matches!(self.0, Form::Tree(_)) && stays < end - start {
            let mut rest = self.scored(0..start);
            rest.append(&mut self.scored(end..self.len()));
            return Gone::Ranks(mem::replace(self, SortedSet::from_sorted(&rest)), start..end);
        }
        let gone = self.scored(start..end);
        match &mut self.0 {
            Form::Packed(packed) => packed.remove_range(start, gone.len()),
            Form::Tree(tree) => {
                let tree = Arc::make_mut(tree);
                for _ in &gone {
                    if let Some((_, at)) = tree.ranked.get(start) {
                        tree.remove(at);
                    }
                }
            }
        }
        Gone::Members(gone)
    }

    /// Takes the member with the lowest score. O(log n).
    pub(super) fn pop_first(&mut self) -> Option<Scored> {
        self.remove_range(0..1).into_vec().pop()
    }

    /// The ranks within bounds, where `count` tells how many members come before some point.
    fn ranks<T: PartialOrd + Copy>(
        &self,
        (from, to): Bounds<T>,
        count: impl Fn(&dyn Fn(T) -> bool) -> usize,
    ) -> Range<usize> {
        let below = |bound: T| count(&|at| at < bound);
        let up_to = |bound: T| count(&|at| at <= bound);
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
}

impl Tree {
    fn from_sorted(entries: &[Scored]) -> Self {
        let mut members = Records::default();
        for (score, member) in entries {
            members.push(hash_of(member), Text::Shared(member), Text::Slice(&score.to_le_bytes()));
        }
        let ranked =
            Ranked::from_sorted(entries.iter().enumerate().map(|(at, (score, _))| (*score, at as u32)));
        Tree { members, ranked }
    }

    /// Gives a member, which has a position and a score already or is new, another score.
    fn set(&mut self, old: Option<(u32, f64)>, member: &Bytes, score: f64) {
        let Tree { members, ranked } = self;
        let at = match old {
            Some((at, old)) => {
                ranked.remove(Sought { score: old, at, name: member, names: members });
                if let Some(body) = members.body_mut(at) {
                    body.copy_from_slice(&score.to_le_bytes());
                }
                at
            }
            None => members.push(hash_of(member), Text::Shared(member), Text::Slice(&score.to_le_bytes())),
        };
        ranked.insert(Sought { score, at, name: member, names: members });
    }

    /// Takes the member at a position out.
    fn remove(&mut self, at: u32) {
        let Tree { members, ranked } = self;
        let sought = |at: u32| {
            let record = members.get(at)?;
            Some(Sought { score: read(record.body), at, name: record.name, names: members })
        };
        if let Some(gone) = sought(at) {
            ranked.remove(gone);
        }
        // The last record moves into the place of the one that goes.
        let last = (members.len() as u32).saturating_sub(1);
        if let Some(moved) = sought(last).filter(|_| last != at) {
            ranked.renumber(moved, at);
        }
        members.swap_remove(at);
    }
}

/// The score in the body of a record.
fn read(body: &[u8]) -> f64 {
    body.first_chunk().map_or(0.0, |score| f64::from_le_bytes(*score))
}

/// Members that were taken out: they themselves, or their ranks in the set as it was, which whoever holds a
/// lock neither reads nor frees.
pub(crate) enum Gone {
    Members(Vec<Scored>),
    Ranks(SortedSet, Range<usize>),
}

impl Gone {
    pub(crate) fn len(&self) -> usize {
        match self {
            Gone::Members(members) => members.len(),
            Gone::Ranks(_, ranks) => ranks.len(),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The members, in order. O(1), or O(gone) for ranks.
    pub(crate) fn into_vec(self) -> Vec<Scored> {
        match self {
            Gone::Members(members) => members,
            Gone::Ranks(set, ranks) => set.scored(ranks),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::records::NAME;
    use crate::value::packed::{LONGEST, MOST};

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

    /// Short members, and some that are not kept inline, not packed, and kept beside the records.
    fn member() -> impl Strategy<Value = Bytes> {
        (0..60_u8).prop_map(|n| {
            let width = match n {
                0..8 => 28,
                8..12 => LONGEST + 1,
                12 => NAME + 1,
                _ => 1,
            };
            Bytes::from(format!("{n:0>width$}"))
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
        let got: Vec<Scored> = set.iter().map(|(score, member)| (score, Bytes::from(member))).collect();
        assert_eq!((&got, set.len(), set.is_empty()), (&expected, expected.len(), expected.is_empty()));
        for (rank, (score, member)) in expected.iter().enumerate() {
            assert_eq!((set.score(member), set.rank(member)), (Some(*score), Some((rank, *score))));
        }
        let mut drawn: Vec<Scored> = (0..set.len()).filter_map(|at| set.at(at)).collect();
        drawn.sort_by(|a, b| a.partial_cmp(b).unwrap());
        assert_eq!((&drawn, set.at(set.len())), (&expected, None));
        for ranks in [0..set.len(), 0..2, 3..7, set.len()..usize::MAX] {
            let range: Vec<(f64, &[u8])> = set.range(ranks.clone()).collect();
            let part = expected.get(ranks.start..ranks.end.min(set.len())).unwrap_or_default();
            assert!(
                range.iter().eq(part
                    .iter()
                    .map(|(score, member)| (*score, &member[..]))
                    .collect::<Vec<_>>()
                    .iter())
            );
            assert_eq!(set.scored(ranks), part);
        }
        let own: usize = model.keys().map(|member| member.len()).sum();
        match &set.0 {
            Form::Packed(packed) => {
                assert!(model.len() <= MOST && model.keys().all(|member| member.len() < LONGEST));
                assert!(packed.bytes() == set.bytes() && set.bytes() >= own + model.len());
            }
            Form::Tree(tree) => {
                assert!(!model.is_empty() && tree.ranked.len() == model.len());
                assert!(set.bytes() >= own + model.len() * (2 * size_of::<f64>() + size_of::<u32>()));
            }
        }
        for ((_, once), (_, again)) in set.scored(0..set.len()).iter().zip(&set.scored(0..set.len())) {
            assert_eq!(once.as_ptr() == again.as_ptr(), once.len() > NAME, "what is long is shared");
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
                        prop_assert_eq!(set.insert(&member, score), old.is_none());
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
                        prop_assert_eq!((taken.len(), taken.is_empty()), (gone.len(), gone.is_empty()));
                        prop_assert_eq!(taken.into_vec(), gone);
                    }
                    Op::Rebuild => set = SortedSet::from_sorted(&in_order(&model)),
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
            let set = SortedSet::from_sorted(&in_order(&entries));
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
            let level: Vec<Scored> = entries.keys().map(|member| (1.0, member.clone())).collect();
            let level = SortedSet::from_sorted(&level);
            let names: Vec<&[u8]> = level.range(level.ranks_by_member(bounds)).map(|(_, name)| name).collect();
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
            prop_assert_eq!(names, entries.keys().filter(within).map(|name| &name[..]).collect::<Vec<_>>());
        }
    }
}
