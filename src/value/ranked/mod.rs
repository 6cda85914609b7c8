//! The ordered half of a sorted set: members by score, then by bytes, with O(log n) rank.
//!
//! A B+tree whose nodes are shared between clones and copied on the path of a write. Inner nodes
//! know each child's first entry and how many entries lie below it, so that a descent by entry and
//! one by rank read no more than one node a level.

mod node;

use std::iter::FusedIterator;
use std::ops;
use std::slice;
use std::sync::Arc;

use crate::Bytes;
use node::{
    Entry, INNER_MAX, Inner, Inserted, LEAF_MAX, Leaf, Level, Node, Place, even_parts, exact, find, write,
};

/// A set of (score, member), ordered by score and then by the member's bytes.
///
/// `clone` is O(1) (a set of one leaf is copied), and a write after it copies O(log n) nodes
/// (which may be so even if it then finds nothing to do).
/// Scores are never NaN, which the caller sees to; `-0.0` equals `0.0` and is kept as it came.
#[derive(Clone, Default)]
pub(crate) struct Ranked {
    root: Root,
}

impl Ranked {
    /// A set of entries that are in order and without duplicates, its leaves about 90 % full. O(n).
    pub(crate) fn from_sorted(mut entries: Vec<Entry>) -> Self {
        debug_assert!(entries.is_sorted_by(|a, b| (a.0, &a.1) < (b.0, &b.1)));
        let len = entries.len();
        if len <= LEAF_MAX {
            entries.shrink_to_fit();
            return Ranked { root: Root::Small(Leaf { entries }) };
        }
        let mut bytes = 0;
        let mut entries = entries.into_iter();
        let mut level: Vec<Node> = even_parts(len, LEAF_MAX)
            .map(|part| {
                let leaf = Leaf { entries: exact(entries.by_ref().take(part), part) };
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

    /// The heap memory of the nodes, in bytes of capacity; what the members hold themselves is not
    /// in it. O(1).
    pub(crate) fn bytes(&self) -> usize {
        match &self.root {
            Root::Small(leaf) => leaf.entries.capacity() * size_of::<Entry>(),
            Root::Tree { bytes, .. } => *bytes,
        }
    }

    /// Adds an entry; `false` if it is there already. O(log n).
    pub(crate) fn insert(&mut self, score: f64, member: Bytes) -> bool {
        let entry = (score, member);
        match &mut self.root {
            Root::Small(leaf) => match leaf.insert(entry) {
                Inserted::Present => return false,
                Inserted::Added(None) => {}
                Inserted::Added(Some(right)) => {
                    let left = std::mem::take(leaf);
                    let (len, bytes) =
                        (left.entries.len() + right.entries.len(), left.bytes() + right.bytes());
                    self.root =
                        Root::over([Node::Leaf(Arc::new(left)), Node::Leaf(Arc::new(right))], len, bytes);
                }
            },
            Root::Tree { root, len, bytes } => {
                match write(root, bytes, |root, bytes| root.insert(entry, bytes)) {
                    Inserted::Present => return false,
                    Inserted::Added(None) => *len += 1,
                    Inserted::Added(Some(right)) => {
                        let (len, bytes) = (*len + 1, *bytes + right.bytes());
                        let left = Node::Inner(Arc::clone(root));
                        self.root = Root::over([left, Node::Inner(Arc::new(right))], len, bytes);
                    }
                }
            }
        }
        true
    }

    /// Takes out one entry, and returns its member as it was stored. O(log n).
    pub(crate) fn remove(&mut self, score: f64, member: &[u8]) -> Option<Bytes> {
        let mut gone = None;
        self.take(Place::Entry(score, member), 1, &mut |entry| gone = Some(entry.1));
        gone
    }

    /// Takes out the entry with the lowest score. O(log n).
    pub(crate) fn pop_first(&mut self) -> Option<Entry> {
        let mut gone = None;
        self.take(Place::Rank(0), 1, &mut |entry| gone = Some(entry));
        gone
    }

    /// Takes out the entries of these ranks, as far as they exist, in order. O(log n) for each leaf
    /// that holds some of them.
    pub(crate) fn remove_range(&mut self, ranks: ops::Range<usize>) -> Vec<Entry> {
        let mut left = ranks.end.min(self.len()).saturating_sub(ranks.start);
        let mut gone = Vec::with_capacity(left);
        while left > 0 {
            match self.take(Place::Rank(ranks.start), left, &mut |entry| gone.push(entry)) {
                0 => break,
                taken => left -= taken,
            }
        }
        gone
    }

    /// How many entries come before this one, if it is there. O(log n).
    pub(crate) fn rank(&self, score: f64, member: &[u8]) -> Option<usize> {
        let (before, leaf) = self.descend(|inner| inner.child_by_entry(score, member));
        find(leaf, score, member).ok().map(|at| before + at)
    }

    /// The entry that has this many before it. O(log n).
    pub(crate) fn get(&self, rank: usize) -> Option<(f64, &Bytes)> {
        let (leaf, at) = self.leaf_at(rank)?;
        leaf.get(at).map(|(score, member)| (*score, member))
    }

    /// The rank of the first entry for which `before` is false, where it is true for all entries up
    /// to some rank and false from there. O(log n).
    pub(crate) fn partition_point(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let (rank, leaf) = self.descend(|inner| inner.child_before(&before));
        rank + leaf.partition_point(|entry| before(entry.0, &entry.1))
    }

    /// The entries of these ranks, as far as they exist. O(log n) to start at each end, and then
    /// O(1) an entry.
    pub(crate) fn range(&self, ranks: ops::Range<usize>) -> Iter<'_> {
        let end = ranks.end.min(self.len());
        let start = ranks.start.min(end);
        Iter { set: self, start, end, front: [].iter(), back: [].iter() }
    }

    /// Takes out up to `limit` entries from `place` on, all from one leaf; returns how many.
    fn take(&mut self, place: Place<'_>, limit: usize, sink: &mut impl FnMut(Entry)) -> usize {
        match &mut self.root {
            Root::Small(leaf) => leaf.take(place, limit, sink).count,
            Root::Tree { root, len, bytes } => {
                let taken = write(root, bytes, |root, bytes| root.take(place, limit, bytes, sink));
                *len -= taken.count;
                if taken.count > 0 {
                    self.lower();
                }
                taken.count
            }
        }
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

    /// The leaf that `child` leads to, which picks one of a node's children, and the rank of the leaf's first entry.
    fn descend(&self, child: impl Fn(&Inner) -> usize) -> (usize, &[Entry]) {
        let mut inner = match &self.root {
            Root::Small(leaf) => return (0, &leaf.entries),
            Root::Tree { root, .. } => root,
        };
        let mut rank = 0;
        loop {
            let at = child(inner);
            rank += inner.counts[..at].iter().sum::<usize>();
            match &inner.children[at] {
                Node::Leaf(leaf) => return (rank, &leaf.entries),
                Node::Inner(below) => inner = below,
            }
        }
    }

    /// The leaf with the entry of this rank, and the entry's place in it.
    fn leaf_at(&self, rank: usize) -> Option<(&[Entry], usize)> {
        if rank >= self.len() {
            return None;
        }
        let mut inner = match &self.root {
            Root::Small(leaf) => return Some((&leaf.entries, rank)),
            Root::Tree { root, .. } => root,
        };
        let mut rank = rank;
        loop {
            let at;
            (at, rank) = inner.child_by_rank(rank);
            match &inner.children[at] {
                Node::Leaf(leaf) => return Some((&leaf.entries, rank)),
                Node::Inner(below) => inner = below,
            }
        }
    }
}

/// Some entries of a [`Ranked`] in order, from either end.
///
/// It keeps no path: at the end of a leaf it descends again by rank, which costs less than a step
/// an entry and needs no stack.
#[derive(Clone)]
pub(crate) struct Iter<'a> {
    set: &'a Ranked,
    start: usize,
    end: usize,
    front: slice::Iter<'a, Entry>,
    back: slice::Iter<'a, Entry>,
}

impl<'a> Iterator for Iter<'a> {
    type Item = (f64, &'a Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        if self.start >= self.end {
            return None;
        }
        if self.front.as_slice().is_empty() {
            let (leaf, at) = self.set.leaf_at(self.start)?;
            self.front = leaf.get(at..)?.iter();
        }
        self.start += 1;
        self.front.next().map(|(score, member)| (*score, member))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.start, Some(self.end - self.start))
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.start >= self.end {
            return None;
        }
        if self.back.as_slice().is_empty() {
            let (leaf, at) = self.set.leaf_at(self.end - 1)?;
            self.back = leaf.get(..=at)?.iter();
        }
        self.end -= 1;
        self.back.next_back().map(|(score, member)| (*score, member))
    }
}

impl ExactSizeIterator for Iter<'_> {}
impl FusedIterator for Iter<'_> {}

/// One leaf held in place, so that a small set is one allocation, or a tree of at least two.
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
    use proptest::prelude::*;

    const SCORES: [f64; 7] = [f64::NEG_INFINITY, -1.5, -0.0, 0.0, f64::MIN_POSITIVE, 2.0, f64::INFINITY];

    #[derive(Clone, Debug)]
    enum Op {
        Insert(f64, Bytes),
        Remove(f64, Bytes),
        RemoveRank(prop::sample::Index),
        PopFirst,
        RemoveRange(prop::sample::Index, usize),
        Rebuild,
        Clone,
    }

    fn score() -> impl Strategy<Value = f64> {
        prop_oneof![prop::sample::select(&SCORES[..]), (-30i32..30).prop_map(f64::from)]
    }

    /// Short and long members, that is inline and shared ones.
    fn member() -> impl Strategy<Value = Bytes> {
        (0u16..150).prop_map(|n| match n % 3 {
            0 => Bytes::from(format!("a member that is not kept inline {n}")),
            _ => Bytes::from(n.to_string()),
        })
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            400 => (score(), member()).prop_map(|(score, member)| Op::Insert(score, member)),
            40 => (score(), member()).prop_map(|(score, member)| Op::Remove(score, member)),
            200 => any::<prop::sample::Index>().prop_map(Op::RemoveRank),
            20 => Just(Op::PopFirst),
            3 => (any::<prop::sample::Index>(), 0usize..300).prop_map(|(at, len)| Op::RemoveRange(at, len)),
            1 => Just(Op::Rebuild),
            6 => Just(Op::Clone),
        ]
    }

    fn pairs(set: &Ranked) -> Vec<Entry> {
        set.range(0..set.len()).map(|(score, member)| (score, member.clone())).collect()
    }

    fn position(model: &[Entry], score: f64, member: &[u8]) -> Result<usize, usize> {
        model.binary_search_by(|(s, m)| s.partial_cmp(&score).unwrap().then_with(|| m[..].cmp(member)))
    }

    /// Entries below, levels and bytes of a subtree, with every invariant checked on the way.
    fn check(node: &Node, is_root: bool) -> (Vec<Entry>, usize, usize) {
        match node {
            Node::Leaf(leaf) => {
                assert!((Leaf::MIN..=LEAF_MAX).contains(&leaf.width()));
                assert!(leaf.entries.capacity() <= leaf.width() + 2 * room(leaf.width()));
                (leaf.entries.clone(), 1, leaf.bytes())
            }
            Node::Inner(inner) => {
                let min = if is_root { 2 } else { Inner::MIN };
                assert!((min..=INNER_MAX).contains(&inner.width()));
                let lists = [inner.scores.len(), inner.members.len(), inner.counts.len()];
                assert_eq!(lists, [inner.width(); 3]);
                let below: Vec<_> = inner.children.iter().map(|child| check(child, false)).collect();
                for (at, (entries, levels, _)) in below.iter().enumerate() {
                    let summary = ((inner.scores[at], inner.members[at].clone()), inner.counts[at]);
                    assert_eq!(summary, (entries[0].clone(), entries.len()));
                    assert_eq!(*levels, below[0].1);
                }
                let bytes = inner.bytes() + below.iter().map(|child| child.2).sum::<usize>();
                (below.iter().flat_map(|child| child.0.clone()).collect(), below[0].1 + 1, bytes)
            }
        }
    }

    fn check_all(set: &Ranked, model: &[Entry]) {
        if let Root::Tree { root, .. } = &set.root {
            let (entries, _, bytes) = check(&Node::Inner(Arc::clone(root)), true);
            assert_eq!((entries.len(), bytes), (set.len(), set.bytes()));
        }

        assert_eq!(pairs(set), model);
        for (rank, (score, member)) in model.iter().enumerate() {
            assert_eq!(set.rank(*score, member), Some(rank));
            assert_eq!(set.get(rank), Some((*score, member)));
        }
        assert_eq!(set.get(model.len()), None);
        for score in SCORES {
            assert_eq!(set.partition_point(|s, _| s < score), model.partition_point(|e| e.0 < score));
            assert_eq!(set.partition_point(|s, _| s <= score), model.partition_point(|e| e.0 <= score));
            assert_eq!(set.rank(score, b"none"), None);
        }
        let bound = (0.0, b"a member".as_slice());
        let point = set.partition_point(|s, m| (s, m) < bound);
        assert_eq!(point, model.partition_point(|e| (e.0, &e.1[..]) < bound));
    }

    fn apply(set: &mut Ranked, model: &mut Vec<Entry>, op: Op) {
        match op {
            Op::Insert(score, member) => {
                let at = position(model, score, &member);
                assert_eq!(set.insert(score, member.clone()), at.is_err());
                if let Err(at) = at {
                    model.insert(at, (score, member));
                }
            }
            Op::Remove(score, member) => {
                let gone = position(model, score, &member).ok().map(|at| model.remove(at).1);
                assert_eq!(set.remove(score, &member), gone);
            }
            Op::RemoveRank(_) if model.is_empty() => assert_eq!(set.remove(0.0, b""), None),
            Op::RemoveRank(index) => {
                let (score, member) = model.remove(index.index(model.len()));
                assert_eq!(set.remove(score, &member), Some(member));
            }
            Op::PopFirst => {
                let gone = (!model.is_empty()).then(|| model.remove(0));
                assert_eq!(set.pop_first(), gone);
            }
            Op::RemoveRange(index, len) => {
                let start = index.index(model.len() + 1);
                let end = model.len().min(start + len);
                let gone: Vec<_> = model.drain(start..end).collect();
                assert_eq!(set.remove_range(start..start + len), gone);
            }
            Op::Rebuild => *set = Ranked::from_sorted(model.clone()),
            Op::Clone => {}
        }
        assert_eq!(set.len(), model.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn agrees_with_a_sorted_vec(ops in prop::collection::vec(op(), 0..3000)) {
            let (mut set, mut model) = (Ranked::default(), Vec::new());
            let mut clones = Vec::new();
            for (step, op) in ops.into_iter().enumerate() {
                if matches!(op, Op::Clone) {
                    clones.push((set.clone(), model.clone()));
                }
                apply(&mut set, &mut model, op);
                if step % 50 == 0 {
                    check_all(&set, &model);
                }
            }
            clones.push((set, model));
            for (set, model) in &clones {
                check_all(set, model);
            }
        }

        #[test]
        fn a_range_is_read_from_both_ends(
            len in 0usize..300, start in 0usize..310, end in 0usize..310, back in prop::collection::vec(any::<bool>(), 320),
        ) {
            let entries: Vec<Entry> = (0..len).map(|n| (n as f64, Bytes::from("m"))).collect();
            let set = Ranked::from_sorted(entries.clone());
            check_all(&set, &entries);
            let mut expected = entries.get(start..end.min(len)).unwrap_or_default().iter();
            let mut range = set.range(start..end);
            for back in back {
                prop_assert_eq!(range.len(), expected.len());
                let (got, want) = if back {
                    (range.next_back(), expected.next_back())
                } else {
                    (range.next(), expected.next())
                };
                prop_assert_eq!(got, want.map(|(score, member)| (*score, member)));
            }
        }
    }

    #[test]
    fn fills_in_order_and_empties_again() {
        for down in [false, true] {
            let (mut set, mut model) = (Ranked::default(), Vec::new());
            for n in 0..2000 {
                let score = f64::from(if down { -n } else { n });
                assert!(set.insert(score, Bytes::from("m")));
                model.insert(if down { 0 } else { model.len() }, (score, Bytes::from("m")));
            }
            check_all(&set, &model);
            assert_eq!(set.remove_range(0..usize::MAX), model);
            check_all(&set, &[]);
            assert!(matches!(set.root, Root::Small(_)));
        }
    }

    #[test]
    fn both_zeros_are_one_score() {
        let mut set = Ranked::default();
        assert!(set.insert(-0.0, Bytes::from("m")));
        assert!(!set.insert(0.0, Bytes::from("m")));
        assert!(set.get(0).is_some_and(|(score, _)| score.is_sign_negative()));
        assert!(set.insert(0.0, Bytes::from("a")));
        assert_eq!(set.rank(0.0, b"m"), Some(1));
        assert_eq!(set.remove(0.0, b"m"), Some(Bytes::from("m")));
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
        let mut set = Ranked::from_sorted((0..4000).map(|n| (f64::from(n), Bytes::new())).collect());
        let old = nodes(&set);
        let copied = |set: &Ranked| nodes(set).into_iter().filter(|node| !old.contains(node)).count();
        assert!(set.insert(1000.5, Bytes::new()));
        assert_eq!(copied(&set), 0);
        let clone = set.clone();
        assert_eq!(set.remove(1000.5, b""), Some(Bytes::new()));
        // A leaf, and one node of each of the four levels above the 572 leaves.
        assert_eq!((copied(&set), copied(&clone)), (5, 0));
    }
}
