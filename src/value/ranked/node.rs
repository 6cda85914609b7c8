//! The nodes of the tree: how they are searched, split and joined.

use std::sync::Arc;

use crate::Bytes;

/// Entries in a leaf at most. Tests use tiny nodes, so that splits and merges are common.
pub(super) const LEAF_MAX: usize = if cfg!(test) { 8 } else { 64 };
/// Children of an inner node at most.
pub(super) const INNER_MAX: usize = if cfg!(test) { 8 } else { 32 };

/// A score and its member.
pub(super) type Entry = (f64, Bytes);

/// A shared node. Siblings are of one kind, since all leaves are at one depth, and no node is empty.
#[derive(Clone)]
pub(super) enum Node {
    Leaf(Arc<Leaf>),
    Inner(Arc<Inner>),
}

impl Node {
    /// The first entry below, and how many there are.
    fn summary(&self) -> (Entry, usize) {
        // No index can fail: a node has an entry or a child.
        match self {
            Node::Leaf(leaf) => (leaf.entries[0].clone(), leaf.entries.len()),
            Node::Inner(inner) => ((inner.scores[0], inner.members[0].clone()), inner.counts.iter().sum()),
        }
    }
}

/// Where to take entries out.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    Entry(f64, &'a [u8]),
    Rank(usize),
}

/// How many entries were taken out of a subtree, and whether its first one is among them.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) count: usize,
    first: bool,
}

/// What came of an insert: with `Some`, the node was split, and this is its right half.
pub(super) enum Inserted<N> {
    Present,
    Added(Option<N>),
}

/// What leaves and inner nodes have in common: they split when too wide, and join when too narrow.
pub(super) trait Level: Clone {
    const MAX: usize;
    /// Every node but the root is at least this wide; two, so that taking one leaves some.
    const MIN: usize = Self::MAX / 4;

    fn width(&self) -> usize;
    /// Heap memory of this node behind its `Arc`, without its children.
    fn bytes(&self) -> usize;
    fn split_off(&mut self, at: usize) -> Self;
    fn append(&mut self, right: Self);

    /// Splits a node that has grown too wide by what came in at `at`. One that grows at an end is
    /// split near that end, so that a set filled in order does not stay half empty.
    fn split(&mut self, at: usize) -> Option<Self> {
        let width = self.width();
        if width <= Self::MAX {
            return None;
        }
        let keep = match at {
            0 => Self::MIN,
            _ if at + 1 == width => width - Self::MIN,
            _ => width / 2,
        };
        Some(self.split_off(keep))
    }
}

#[derive(Clone, Default)]
pub(super) struct Leaf {
    pub(super) entries: Vec<Entry>,
}

impl Level for Leaf {
    const MAX: usize = LEAF_MAX;

    fn width(&self) -> usize {
        self.entries.len()
    }

    fn bytes(&self) -> usize {
        ARC + size_of::<Self>() + self.entries.capacity() * size_of::<Entry>()
    }

    fn split_off(&mut self, at: usize) -> Self {
        Leaf { entries: split_off(&mut self.entries, at) }
    }

    fn append(&mut self, right: Self) {
        append(&mut self.entries, right.entries);
    }
}

impl Leaf {
    pub(super) fn insert(&mut self, entry: Entry) -> Inserted<Leaf> {
        match find(&self.entries, entry.0, &entry.1) {
            Ok(_) => Inserted::Present,
            Err(at) => {
                insert(&mut self.entries, at, entry);
                Inserted::Added(self.split(at))
            }
        }
    }

    pub(super) fn take(&mut self, place: Place<'_>, limit: usize, sink: &mut impl FnMut(Entry)) -> Taken {
        let width = self.entries.len();
        let at = match place {
            Place::Entry(score, member) => find(&self.entries, score, member).unwrap_or(width),
            Place::Rank(rank) => rank.min(width),
        };
        let count = limit.min(width - at);
        self.entries.drain(at..at + count).for_each(sink);
        trim(&mut self.entries);
        Taken { count, first: at == 0 && count > 0 }
    }
}

/// An inner node: for each child its first entry, how many entries lie below it, and itself. They
/// are apart, so that a search reads no more than it compares.
#[derive(Clone)]
pub(super) struct Inner {
    pub(super) scores: Vec<f64>,
    pub(super) members: Vec<Bytes>,
    pub(super) counts: Vec<usize>,
    pub(super) children: Vec<Node>,
}

impl Level for Inner {
    const MAX: usize = INNER_MAX;

    fn width(&self) -> usize {
        self.children.len()
    }

    fn bytes(&self) -> usize {
        ARC + size_of::<Self>()
            + self.scores.capacity() * size_of::<f64>()
            + self.members.capacity() * size_of::<Bytes>()
            + self.counts.capacity() * size_of::<usize>()
            + self.children.capacity() * size_of::<Node>()
    }

    fn split_off(&mut self, at: usize) -> Self {
        Inner {
            scores: split_off(&mut self.scores, at),
            members: split_off(&mut self.members, at),
            counts: split_off(&mut self.counts, at),
            children: split_off(&mut self.children, at),
        }
    }

    fn append(&mut self, right: Self) {
        append(&mut self.scores, right.scores);
        append(&mut self.members, right.members);
        append(&mut self.counts, right.counts);
        append(&mut self.children, right.children);
    }
}

// Indexes below come from a search in the same node, whose lists are equally long and never
// empty, so that none can fail.
impl Inner {
    pub(super) fn new(nodes: impl Iterator<Item = Node>, width: usize) -> Inner {
        let children = exact(nodes, width);
        let list = (Vec::with_capacity(width), Vec::with_capacity(width), Vec::with_capacity(width));
        let mut inner = Inner { scores: list.0, members: list.1, counts: list.2, children };
        for ((score, member), count) in inner.children.iter().map(Node::summary) {
            inner.scores.push(score);
            inner.members.push(member);
            inner.counts.push(count);
        }
        inner
    }

    pub(super) fn insert(&mut self, entry: Entry, bytes: &mut usize) -> Inserted<Inner> {
        let at = self.child_by_entry(entry.0, &entry.1);
        if (entry.0, &entry.1) < (self.scores[at], &self.members[at]) {
            (self.scores[at], self.members[at]) = entry.clone();
        }
        let right = match &mut self.children[at] {
            Node::Leaf(leaf) => match write(leaf, bytes, |leaf, _| leaf.insert(entry)) {
                Inserted::Present => return Inserted::Present,
                Inserted::Added(right) => right.map(|leaf| {
                    *bytes += leaf.bytes();
                    Node::Leaf(Arc::new(leaf))
                }),
            },
            Node::Inner(inner) => match write(inner, bytes, |inner, bytes| inner.insert(entry, bytes)) {
                Inserted::Present => return Inserted::Present,
                Inserted::Added(right) => right.map(|inner| {
                    *bytes += inner.bytes();
                    Node::Inner(Arc::new(inner))
                }),
            },
        };
        self.counts[at] += 1;
        let Some(right) = right else { return Inserted::Added(None) };
        self.insert_child(at + 1, right);
        self.counts[at] -= self.counts[at + 1];
        Inserted::Added(self.split(at + 1))
    }

    pub(super) fn take(
        &mut self,
        place: Place<'_>,
        limit: usize,
        bytes: &mut usize,
        sink: &mut impl FnMut(Entry),
    ) -> Taken {
        let (at, place) = match place {
            Place::Entry(score, member) => (self.child_by_entry(score, member), place),
            Place::Rank(rank) => {
                let (at, rank) = self.child_by_rank(rank);
                (at, Place::Rank(rank))
            }
        };
        let (taken, narrow) = match &mut self.children[at] {
            Node::Leaf(leaf) => {
                let taken = write(leaf, bytes, |leaf, _| leaf.take(place, limit, sink));
                (taken, leaf.width() < Leaf::MIN)
            }
            Node::Inner(inner) => {
                let taken = write(inner, bytes, |inner, bytes| inner.take(place, limit, bytes, sink));
                (taken, inner.width() < Inner::MIN)
            }
        };
        self.counts[at] -= taken.count;
        if narrow {
            self.widen(at, bytes);
        } else if taken.first {
            (self.scores[at], self.members[at]) = self.children[at].summary().0;
        }
        Taken { first: taken.first && at == 0, ..taken }
    }

    /// Joins a child that has become too narrow with a sibling, and splits the two evenly if they
    /// are too wide for one node.
    fn widen(&mut self, at: usize, bytes: &mut usize) {
        let left = at.saturating_sub(1);
        if left + 1 >= self.width() {
            return;
        }
        let right = self.remove_child(left + 1);
        let right = match (&mut self.children[left], right) {
            (Node::Leaf(left), Node::Leaf(right)) => join(left, right, bytes).map(Node::Leaf),
            (Node::Inner(left), Node::Inner(right)) => join(left, right, bytes).map(Node::Inner),
            _ => unreachable!("siblings are of one kind"),
        };
        ((self.scores[left], self.members[left]), self.counts[left]) = self.children[left].summary();
        if let Some(right) = right {
            self.insert_child(left + 1, right);
        }
    }

    fn insert_child(&mut self, at: usize, node: Node) {
        let ((score, member), count) = node.summary();
        insert(&mut self.scores, at, score);
        insert(&mut self.members, at, member);
        insert(&mut self.counts, at, count);
        insert(&mut self.children, at, node);
    }

    fn remove_child(&mut self, at: usize) -> Node {
        self.scores.remove(at);
        self.members.remove(at);
        self.counts.remove(at);
        let node = self.children.remove(at);
        trim(&mut self.scores);
        trim(&mut self.members);
        trim(&mut self.counts);
        trim(&mut self.children);
        node
    }

    /// The child that has this entry, or would.
    pub(super) fn child_by_entry(&self, score: f64, member: &[u8]) -> usize {
        let mut after = lower_bound(self.scores.iter(), |first| **first < score);
        if self.scores.get(after) == Some(&score) {
            let ties = self.scores.iter().zip(&self.members).skip(after);
            after += lower_bound(ties, |(first, name)| **first == score && name.as_slice() <= member);
        }
        after.saturating_sub(1)
    }

    /// The last child whose first entry is one that `before` holds for, or else the first child.
    pub(super) fn child_before(&self, before: impl Fn(f64, &[u8]) -> bool) -> usize {
        let firsts = self.scores.iter().zip(&self.members);
        lower_bound(firsts, |(score, member)| before(**score, member)).saturating_sub(1)
    }

    /// The child with the entry of this rank, and the rank within it; past the end, the last child
    /// and a rank past its end.
    pub(super) fn child_by_rank(&self, mut rank: usize) -> (usize, usize) {
        let last = self.counts.len() - 1;
        for (at, count) in self.counts[..last].iter().enumerate() {
            if rank < *count {
                return (at, rank);
            }
            rank -= count;
        }
        (last, rank)
    }
}

/// What an `Arc` keeps beside its value.
const ARC: usize = 2 * size_of::<usize>();

/// Where an entry is in a sorted list, or would be.
///
/// Scores are searched first and alone; members are read only where scores tie.
pub(super) fn find(list: &[Entry], score: f64, member: &[u8]) -> Result<usize, usize> {
    let mut at = lower_bound(list.iter(), |entry| entry.0 < score);
    if list.get(at).is_some_and(|entry| entry.0 == score && entry.1.as_slice() < member) {
        let (_, ties) = list.split_at(at);
        at += lower_bound(ties.iter(), |entry| entry.0 == score && entry.1.as_slice() < member);
    }
    let found = list.get(at).is_some_and(|entry| entry.0 == score && entry.1.as_slice() == member);
    if found { Ok(at) } else { Err(at) }
}

/// How many entries come before the first one for which `before` is false.
///
/// One entry in `STRIDE` is looked at, and then the stride where the answer lies: these reads do not
/// wait for one another, as those of a binary search do, and most of them miss the processor's cache.
fn lower_bound<T>(list: impl Iterator<Item = T> + Clone, before: impl Fn(&T) -> bool) -> usize {
    const STRIDE: usize = if cfg!(test) { 3 } else { 8 };
    let strides = list.clone().step_by(STRIDE).filter(&before).count();
    let start = strides.saturating_sub(1) * STRIDE;
    start + list.skip(start).take(STRIDE).filter(&before).count()
}

/// Runs `change` on a node, copied first where a clone shares it, and keeps `bytes` right.
pub(super) fn write<N: Level, R>(
    node: &mut Arc<N>,
    bytes: &mut usize,
    change: impl FnOnce(&mut N, &mut usize) -> R,
) -> R {
    *bytes -= node.bytes();
    let node = Arc::make_mut(node);
    let result = change(node, bytes);
    *bytes += node.bytes();
    result
}

/// Moves all of `right` into `left`; if that is too wide, returns the upper half.
fn join<N: Level>(left: &mut Arc<N>, right: Arc<N>, bytes: &mut usize) -> Option<Arc<N>> {
    *bytes -= right.bytes();
    write(left, bytes, |left, bytes| {
        left.append(Arc::unwrap_or_clone(right));
        let width = left.width();
        (width > N::MAX).then(|| {
            let right = left.split_off(width / 2);
            *bytes += right.bytes();
            Arc::new(right)
        })
    })
}

/// The sizes of parts of about nine tenths of `max`, equal up to one, that make up `total`.
pub(super) fn even_parts(total: usize, max: usize) -> impl Iterator<Item = usize> {
    let parts = total.div_ceil(max - max.div_ceil(10)).max(1);
    (0..parts).map(move |part| total / parts + usize::from(part < total % parts))
}

/// Room for this many more when a node's list is full: little, since most nodes are not written to.
pub(super) fn room(len: usize) -> usize {
    (len / 8).max(4)
}

fn insert<T>(list: &mut Vec<T>, at: usize, item: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(room(list.len()));
    }
    list.insert(at, item);
}

fn trim<T>(list: &mut Vec<T>) {
    let room = room(list.len());
    if list.capacity() - list.len() > 2 * room {
        list.shrink_to(list.len() + room);
    }
}

fn split_off<T>(list: &mut Vec<T>, at: usize) -> Vec<T> {
    let mut right = list.split_off(at);
    right.shrink_to_fit();
    list.shrink_to_fit();
    right
}

fn append<T>(list: &mut Vec<T>, mut right: Vec<T>) {
    if list.is_empty() {
        *list = right;
    } else {
        list.reserve_exact(right.len());
        list.append(&mut right);
    }
}

pub(super) fn exact<T>(items: impl Iterator<Item = T>, len: usize) -> Vec<T> {
    let mut list = Vec::with_capacity(len);
    list.extend(items);
    list
}
