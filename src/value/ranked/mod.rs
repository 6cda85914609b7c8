//! The ordered half of a sorted set: members by score, then by bytes, with O(log n) rank.
//!
//! A B+tree whose nodes are shared between clones and copied on the path of a write. It holds scores
//! and the positions of the members' records, which the caller keeps; a name is read only where scores
//! tie. Inner nodes know each child's first entry and how many entries lie below it, so that a descent by
//! entry and one by rank read no more than one node a level.

mod node;

use std::iter::FusedIterator;
use std::ops::Range;
use std::slice;
use std::sync::Arc;

pub(crate) use node::{Entry, Sought};
use node::{INNER_MAX, Inner, LEAF_MAX, Leaf, Level, Node, Slot, even_parts, exact, write};

/// A set of scores with a position each, ordered by score and then by the name at that position.
///
/// `clone` is O(1) (a set of one leaf is copied), and a write after it copies O(log n) nodes.
/// Scores are never NaN, which the caller sees to; `-0.0` equals `0.0` and is kept as it came.
#[derive(Clone, Default)]
pub(crate) struct Ranked {
    root: Root,
}

impl Ranked {
    /// A set of entries that are in order and without duplicates, its leaves about 90 % full. O(n).
    pub(crate) fn from_sorted(entries: impl ExactSizeIterator<Item = Entry>) -> Self {
        let len = entries.len();
        let mut slots = entries.map(Slot::of);
        if len <= LEAF_MAX {
            return Ranked { root: Root::Small(Leaf { entries: exact(slots, len) }) };
        }
        let mut bytes = 0;
        let mut level: Vec<Node> = even_parts(len, LEAF_MAX)
            .map(|part| {
                let leaf = Leaf { entries: exact(slots.by_ref().take(part), part) };
                bytes += leaf.bytes();
                Node::Leaf(Arc::new(leaf))
            })
            .collect();
        while level.len() > INNER_MAX {
            let mut nodes = std::mem::take(&mut level).into_iter();
            level = even_parts(nodes.len(), INNER_MAX)
                .map(|part| {
                    let inner = Inner::new(nodes.by_ref().take(part), part);
                    bytes += inner.bytes();
                    Node::Inner(Arc::new(inner))
                })
                .collect();
        }
        let width = level.len();
        let root = Inner::new(level.into_iter(), width);
        bytes += root.bytes();
        Ranked { root: Root::Tree { root: Arc::new(root), len, bytes } }
    }

    /// How many entries there are. O(1).
    pub(crate) fn len(&self) -> usize {
        match &self.root {
            Root::Small(leaf) => leaf.entries.len(),
            Root::Tree { len, .. } => *len,
        }
    }

    /// The heap memory of the nodes, in bytes of capacity. O(1).
    pub(crate) fn bytes(&self) -> usize {
        match &self.root {
            Root::Small(leaf) => leaf.entries.capacity() * size_of::<Slot>(),
            Root::Tree { bytes, .. } => *bytes,
        }
    }

    /// The same, counted anew.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn recount(&self) -> usize {
        fn below(inner: &Inner) -> usize {
            let children = inner.children.iter().map(|child| match child {
                Node::Leaf(leaf) => leaf.bytes(),
                Node::Inner(inner) => below(inner),
            });
            inner.bytes() + children.sum::<usize>()
        }
        match &self.root {
            Root::Small(_) => self.bytes(),
            Root::Tree { root, .. } => below(root),
        }
    }

    /// Adds an entry that is not there yet. O(log n).
    pub(crate) fn insert(&mut self, entry: Sought<'_>) {
        match &mut self.root {
            Root::Small(leaf) => {
                if let Some(right) = leaf.insert(&entry) {
                    let left = std::mem::take(leaf);
                    let len = left.entries.len() + right.entries.len();
                    let bytes = left.bytes() + right.bytes();
                    self.root =
                        Root::over([Node::Leaf(Arc::new(left)), Node::Leaf(Arc::new(right))], len, bytes);
                }
            }
            Root::Tree { root, len, bytes } => {
                *len += 1;
                if let Some(right) = write(root, bytes, |root, bytes| root.insert(&entry, bytes)) {
                    let (len, bytes) = (*len, *bytes + right.bytes());
                    let left = Node::Inner(Arc::clone(root));
                    self.root = Root::over([left, Node::Inner(Arc::new(right))], len, bytes);
                }
            }
        }
    }

    /// Takes an entry out; false if it was not there. O(log n).
    pub(crate) fn remove(&mut self, entry: Sought<'_>) -> bool {
        match &mut self.root {
            Root::Small(leaf) => leaf.remove(&entry).is_some(),
            Root::Tree { root, len, bytes } => {
                let was_there = write(root, bytes, |root, bytes| root.remove(&entry, bytes)).is_some();
                *len -= usize::from(was_there);
                self.lower();
                was_there
            }
        }
    }

    /// Follows the record of an entry to another position: to be told before it goes there. O(log n).
    pub(crate) fn renumber(&mut self, entry: Sought<'_>, to: u32) {
        match &mut self.root {
            Root::Small(leaf) => leaf.renumber(&entry, to),
            Root::Tree { root, bytes, .. } => {
                write(root, bytes, |root, bytes| root.renumber(&entry, to, bytes));
            }
        }
    }

    /// How many entries come before this one, if it is there. O(log n).
    pub(crate) fn rank(&self, entry: Sought<'_>) -> Option<usize> {
        let (before, leaf) = self.descend(|inner| inner.child_of(&entry));
        leaf.find(&entry).map(|at| before + at)
    }

    /// The entry that has this many before it. O(log n).
    pub(crate) fn get(&self, rank: usize) -> Option<Entry> {
        self.range(rank..rank.saturating_add(1)).next()
    }

    /// The rank of the first entry for which `before` is false, where it is true for all entries up
    /// to some rank and false from there. O(log n).
    pub(crate) fn partition_point(&self, before: impl Fn(Entry) -> bool) -> usize {
        let (rank, leaf) = self.descend(|inner| inner.child_before(&before));
        rank + leaf.entries.partition_point(|slot| before(slot.entry()))
    }

    /// The entries of these ranks, as far as they exist. O(log n) to start, and then O(1) an entry.
    pub(crate) fn range(&self, ranks: Range<usize>) -> Iter<'_> {
        let end = ranks.end.min(self.len());
        Iter { set: self, start: ranks.start.min(end), end, leaf: [].iter() }
    }

    /// Drops a root with one child, which takes its place.
    fn lower(&mut self) {
        let Root::Tree { root, bytes, .. } = &mut self.root else { return };
        let [only] = root.children.as_slice() else { return };
        let only = only.clone();
        *bytes -= root.bytes();
        match only {
            Node::Inner(inner) => *root = inner,
            Node::Leaf(leaf) => {
                // The old root goes first: with it a leaf that no clone shares has one owner.
                self.root = Root::default();
                self.root = Root::Small(Arc::unwrap_or_clone(leaf));
            }
        }
    }

    /// The leaf that `child` leads to, which picks one of a node's children, and the rank of the leaf's
    /// first entry.
    fn descend(&self, child: impl Fn(&Inner) -> usize) -> (usize, &Leaf) {
        let mut inner = match &self.root {
            Root::Small(leaf) => return (0, leaf),
            Root::Tree { root, .. } => root,
        };
        let mut rank = 0;
        loop {
            let at = child(inner);
            rank += inner.counts[..at].iter().sum::<usize>();
            match &inner.children[at] {
                Node::Leaf(leaf) => return (rank, leaf),
                Node::Inner(below) => inner = below,
            }
        }
    }

    /// The leaf with the entry of this rank, and the entry's place in it.
    fn leaf_at(&self, rank: usize) -> (&Leaf, usize) {
        let mut inner = match &self.root {
            Root::Small(leaf) => return (leaf, rank),
            Root::Tree { root, .. } => root,
        };
        let mut rank = rank;
        loop {
            let at;
            (at, rank) = inner.child_by_rank(rank);
            match &inner.children[at] {
                Node::Leaf(leaf) => return (leaf, rank),
                Node::Inner(below) => inner = below,
            }
        }
    }
}

/// Some entries of a [`Ranked`] in order.
///
/// It keeps no path: at the end of a leaf it descends again by rank, which costs less than a step
/// an entry and needs no stack.
#[derive(Clone)]
pub(crate) struct Iter<'a> {
    set: &'a Ranked,
    start: usize,
    end: usize,
    leaf: slice::Iter<'a, Slot>,
}

impl Iterator for Iter<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        if self.start >= self.end {
            return None;
        }
        if self.leaf.as_slice().is_empty() {
            let (leaf, at) = self.set.leaf_at(self.start);
            self.leaf = leaf.entries.get(at..)?.iter();
        }
        self.start += 1;
        self.leaf.next().map(|slot| slot.entry())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.start, Some(self.end - self.start))
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl FusedIterator for Iter<'_> {}

/// One leaf held in place, or a tree of at least two.
#[derive(Clone)]
enum Root {
    Small(Leaf),
    Tree { root: Arc<Inner>, len: usize, bytes: usize },
}

impl Root {
    /// A root over the two halves of the last one; `bytes` are those of all nodes below.
    fn over(halves: [Node; 2], len: usize, bytes: usize) -> Root {
        let root = Inner::new(halves.into_iter(), 2);
        let bytes = bytes + root.bytes();
        Root::Tree { root: Arc::new(root), len, bytes }
    }
}

impl Default for Root {
    fn default() -> Self {
        Root::Small(Leaf::default())
    }
}

#[cfg(test)]
mod tests {
    use super::node::room;
    use super::*;
    use crate::Bytes;
    use crate::records::{Records, Text};
    use proptest::prelude::*;

    const SCORES: [f64; 7] = [f64::NEG_INFINITY, -1.5, -0.0, 0.0, f64::MIN_POSITIVE, 2.0, f64::INFINITY];
    /// Positions below this are those of members that may be in a set, each with any of the scores; as
    /// many more are their second ones.
    const MEMBERS: u32 = 150;

    /// Short and long members, that is inline and shared ones, at positions out of order.
    fn member(at: u32) -> Bytes {
        match at % MEMBERS * 7 % MEMBERS {
            n if n % 3 == 0 => Bytes::from(format!("a member that is not kept inline {n}")),
            n => Bytes::from(n.to_string()),
        }
    }

    fn names() -> Records {
        let mut names = Records::default();
        for at in 0..2 * MEMBERS {
            names.push(at, Text::Shared(&member(at)), Text::Slice(b""));
        }
        names
    }

    fn sought(names: &Records, (score, at): Entry) -> Sought<'_> {
        Sought { score, at, name: names.get(at).map_or(b"", |record| record.name), names }
    }

    #[derive(Clone, Debug)]
    enum Op {
        Insert(f64, u32),
        Remove(f64, u32),
        RemoveRank(prop::sample::Index),
        Renumber(prop::sample::Index),
        Rebuild,
        Clone,
    }

    fn score() -> impl Strategy<Value = f64> {
        prop_oneof![prop::sample::select(&SCORES[..]), (-30i32..30).prop_map(f64::from)]
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            400 => (score(), 0..MEMBERS).prop_map(|(score, at)| Op::Insert(score, at)),
            40 => (score(), 0..MEMBERS).prop_map(|(score, at)| Op::Remove(score, at)),
            200 => any::<prop::sample::Index>().prop_map(Op::RemoveRank),
            100 => any::<prop::sample::Index>().prop_map(Op::Renumber),
            1 => Just(Op::Rebuild),
            6 => Just(Op::Clone),
        ]
    }

    /// Where an entry is in the model, whichever of its two positions it has there, or would be.
    fn position(model: &[Entry], (score, at): Entry) -> Result<usize, usize> {
        model.binary_search_by(|(s, m)| {
            s.partial_cmp(&score).unwrap().then_with(|| member(*m).cmp(&member(at)))
        })
    }

    /// Entries below and levels of a subtree, with every invariant checked on the way.
    fn check(node: &Node, is_root: bool) -> (Vec<Entry>, usize) {
        match node {
            Node::Leaf(leaf) => {
                assert!((Leaf::MIN..=LEAF_MAX).contains(&leaf.width()));
                assert!(leaf.entries.capacity() <= leaf.width() + 2 * room(leaf.width()));
                (leaf.entries.iter().map(|slot| slot.entry()).collect(), 1)
            }
            Node::Inner(inner) => {
                let min = if is_root { 2 } else { Inner::MIN };
                assert!((min..=INNER_MAX).contains(&inner.width()));
                let lists = [inner.scores.len(), inner.firsts.len(), inner.counts.len()];
                assert_eq!(lists, [inner.width(); 3]);
                let below: Vec<_> = inner.children.iter().map(|child| check(child, false)).collect();
                for (at, (entries, levels)) in below.iter().enumerate() {
                    let summary = ((inner.scores[at], inner.firsts[at]), inner.counts[at]);
                    assert_eq!(summary, (entries[0], entries.len()));
                    assert_eq!(*levels, below[0].1);
                }
                (below.iter().flat_map(|child| child.0.clone()).collect(), below[0].1 + 1)
            }
        }
    }

    fn check_all(set: &Ranked, model: &[Entry], names: &Records) {
        if let Root::Tree { root, .. } = &set.root {
            let (entries, _) = check(&Node::Inner(Arc::clone(root)), true);
            assert_eq!((entries.len(), set.recount()), (set.len(), set.bytes()));
        }
        assert_eq!(set.range(0..set.len()).collect::<Vec<_>>(), model);
        for (rank, entry) in model.iter().enumerate() {
            assert_eq!((set.rank(sought(names, *entry)), set.get(rank)), (Some(rank), Some(*entry)));
        }
        assert_eq!(set.get(model.len()), None);
        for score in SCORES {
            assert_eq!(set.partition_point(|(s, _)| s < score), model.partition_point(|e| e.0 < score));
            assert_eq!(set.partition_point(|(s, _)| s <= score), model.partition_point(|e| e.0 <= score));
            assert_eq!(set.rank(Sought { score, at: u32::MAX, name: b"none", names }), None);
        }
        let before = |(score, at): Entry| (score, &member(at)[..]) < (0.0, b"a member".as_slice());
        assert_eq!(set.partition_point(before), model.partition_point(|entry| before(*entry)));
    }

    fn apply(set: &mut Ranked, model: &mut Vec<Entry>, names: &Records, op: Op) {
        match op {
            Op::Insert(score, at) => {
                if let Err(place) = position(model, (score, at)) {
                    set.insert(sought(names, (score, at)));
                    model.insert(place, (score, at));
                }
            }
            Op::Remove(score, at) => {
                let place = position(model, (score, at)).ok().filter(|place| model[*place].1 == at);
                assert_eq!(set.remove(sought(names, (score, at))), place.is_some());
                place.map(|place| model.remove(place));
            }
            Op::RemoveRank(_) | Op::Renumber(_) if model.is_empty() => {
                assert!(!set.remove(sought(names, (0.0, 0))));
            }
            Op::RemoveRank(index) => {
                let entry = model.remove(index.index(model.len()));
                assert!(set.remove(sought(names, entry)));
            }
            Op::Renumber(index) => {
                let entry = &mut model[index.index(set.len())];
                let to = (entry.1 + MEMBERS) % (2 * MEMBERS);
                set.renumber(sought(names, *entry), to);
                entry.1 = to;
            }
            Op::Rebuild => *set = Ranked::from_sorted(model.iter().copied()),
            Op::Clone => {}
        }
        assert_eq!(set.len(), model.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn agrees_with_a_sorted_vec(ops in prop::collection::vec(op(), 0..3000)) {
            let (mut set, mut model, names) = (Ranked::default(), Vec::new(), names());
            let mut clones = Vec::new();
            for (step, op) in ops.into_iter().enumerate() {
                if matches!(op, Op::Clone) {
                    clones.push((set.clone(), model.clone()));
                }
                apply(&mut set, &mut model, &names, op);
                if step % 50 == 0 {
                    check_all(&set, &model, &names);
                }
            }
            clones.push((set, model));
            for (set, model) in &clones {
                check_all(set, model, &names);
            }
        }

        #[test]
        fn a_range_is_what_lies_between(len in 0u32..300, start in 0usize..310, end in 0usize..310) {
            let entries: Vec<Entry> = (0..len).map(|n| (f64::from(n), n)).collect();
            let set = Ranked::from_sorted(entries.iter().copied());
            check_all(&set, &entries, &names());
            let range = set.range(start..end);
            let expected = entries.get(start..end.min(entries.len())).unwrap_or_default();
            prop_assert_eq!(range.len(), expected.len());
            prop_assert_eq!(range.collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn fills_in_order_and_empties_again() {
        let names = names();
        for down in [false, true] {
            let (mut set, mut model) = (Ranked::default(), Vec::new());
            for n in 0..2000 {
                let entry = (f64::from(if down { -n } else { n }), 0);
                set.insert(sought(&names, entry));
                model.insert(if down { 0 } else { model.len() }, entry);
            }
            check_all(&set, &model, &names);
            assert!(model.iter().all(|entry| set.remove(sought(&names, *entry))));
            check_all(&set, &[], &names);
            assert!(matches!(set.root, Root::Small(_)));
        }
    }

    #[test]
    fn both_zeros_are_one_score() {
        let names = names();
        let (first, second) = if member(1) < member(2) { (1, 2) } else { (2, 1) };
        let mut set = Ranked::default();
        set.insert(sought(&names, (-0.0, second)));
        set.insert(sought(&names, (0.0, first)));
        assert_eq!(set.rank(sought(&names, (0.0, second))), Some(1));
        assert!(set.get(1).is_some_and(|(score, _)| score.is_sign_negative()));
        assert!(set.remove(sought(&names, (0.0, second))));
    }

    /// The address of each node below an inner node, and its own.
    fn addresses(inner: &Arc<Inner>) -> Vec<usize> {
        let below = inner.children.iter().flat_map(|child| match child {
            Node::Leaf(leaf) => vec![Arc::as_ptr(leaf).addr()],
            Node::Inner(inner) => addresses(inner),
        });
        below.chain([Arc::as_ptr(inner).addr()]).collect()
    }

    #[test]
    fn a_write_copies_one_path_and_only_if_it_is_shared() {
        let nodes = |set: &Ranked| match &set.root {
            Root::Tree { root, .. } => addresses(root),
            Root::Small(_) => Vec::new(),
        };
        let names = names();
        let mut set = Ranked::from_sorted((0..4000).map(|n| (f64::from(n), 0)));
        let old = nodes(&set);
        let copied = |set: &Ranked| nodes(set).into_iter().filter(|node| !old.contains(node)).count();
        set.insert(sought(&names, (1000.5, 0)));
        assert_eq!(copied(&set), 0);
        let clone = set.clone();
        assert!(set.remove(sought(&names, (1000.5, 0))));
        // A leaf, and one node of each of the four levels above the 572 leaves.
        assert_eq!((copied(&set), copied(&clone)), (5, 0));
    }
}
