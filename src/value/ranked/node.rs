//! The nodes of the tree: how they are searched, split and joined.

use std::sync::Arc;

use crate::records::Records;

/// Entries in a leaf at most. Tests use tiny nodes, so that splits and merges are common.
pub(super) const LEAF_MAX: usize = if crate::TINY { 8 } else { 64 };
/// Children of an inner node at most.
pub(super) const INNER_MAX: usize = if crate::TINY { 8 } else { 32 };

/// A score, and the position of the member's record.
pub(crate) type Entry = (f64, u32);

/// An entry as it stands in a leaf, in twelve bytes: a double would ask for sixteen.
#[derive(Clone, Copy)]
pub(super) struct Slot {
    score: [u32; 2],
    pub(super) at: u32,
}

impl Slot {
    pub(super) fn of((score, at): Entry) -> Self {
        let bits = score.to_bits();
        Slot { score: [bits as u32, (bits >> 32) as u32], at }
    }

    #[inline]
    pub(super) fn score(self) -> f64 {
        let [low, high] = self.score;
        f64::from_bits(u64::from(low) | u64::from(high) << 32)
    }

    #[inline]
    pub(super) fn entry(self) -> Entry {
        (self.score(), self.at)
    }
}

/// The entry that is meant, with what tells its place among those of the same score.
#[derive(Clone, Copy)]
pub(crate) struct Sought<'a> {
    pub(crate) score: f64,
    pub(crate) at: u32,
    pub(crate) name: &'a [u8],
    /// Where the names of all entries are found by their positions.
    pub(crate) names: &'a Records,
}

impl Sought<'_> {
    /// Whether the member at another position, which has the same score, comes before this one or is it.
    fn is_after(&self, other: u32) -> bool {
        other == self.at || self.names.get(other).is_some_and(|record| record.name <= self.name)
    }
}

/// A shared node. Siblings are of one kind, since all leaves are at one depth, and no node is empty.
#[derive(Clone)]
pub(super) enum Node {
    Leaf(Arc<Leaf>),
    Inner(Arc<Inner>),
}

impl Node {
    // No index can fail: a node has an entry or a child.
    fn first(&self) -> Entry {
        match self {
            Node::Leaf(leaf) => leaf.entries[0].entry(),
            Node::Inner(inner) => (inner.scores[0], inner.firsts[0]),
        }
    }

    fn count(&self) -> usize {
        match self {
            Node::Leaf(leaf) => leaf.entries.len(),
            Node::Inner(inner) => inner.counts.iter().sum(),
        }
    }
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
    pub(super) entries: Vec<Slot>,
}

impl Level for Leaf {
    const MAX: usize = LEAF_MAX;

    fn width(&self) -> usize {
        self.entries.len()
    }

    fn bytes(&self) -> usize {
        ARC + size_of::<Self>() + self.entries.capacity() * size_of::<Slot>()
    }

    fn split_off(&mut self, at: usize) -> Self {
        Leaf { entries: split_off(&mut self.entries, at) }
    }

    fn append(&mut self, right: Self) {
        append(&mut self.entries, right.entries);
    }
}

impl Leaf {
    /// Adds an entry; if that was one too many, the right half is given back.
    pub(super) fn insert(&mut self, entry: &Sought<'_>) -> Option<Leaf> {
        let (start, ties) = self.with_score(entry.score);
        let at = start + ties.partition_point(|slot| entry.is_after(slot.at));
        insert(&mut self.entries, at, Slot::of((entry.score, entry.at)));
        self.split(at)
    }

    /// Takes an entry out; tells whether it was there, and the first.
    pub(super) fn remove(&mut self, entry: &Sought<'_>) -> Option<bool> {
        let at = self.find(entry)?;
        self.entries.remove(at);
        trim(&mut self.entries);
        Some(at == 0)
    }

    pub(super) fn renumber(&mut self, entry: &Sought<'_>, to: u32) {
        if let Some(slot) = self.find(entry).and_then(|at| self.entries.get_mut(at)) {
            slot.at = to;
        }
    }

    /// The place of an entry, which its position tells: no name is read.
    pub(super) fn find(&self, entry: &Sought<'_>) -> Option<usize> {
        let (start, _) = self.with_score(entry.score);
        let ties = self.entries.get(start..)?.iter().take_while(|slot| slot.score() == entry.score);
        ties.into_iter().position(|slot| slot.at == entry.at).map(|at| start + at)
    }

    /// The entries of a score, and how many come before them.
    #[inline]
    fn with_score(&self, score: f64) -> (usize, &[Slot]) {
        let start = lower_bound(&self.entries, |slot| slot.score() < score);
        let rest = self.entries.get(start..).unwrap_or_default();
        let ties = if rest.first().is_some_and(|slot| slot.score() == score) {
            rest.partition_point(|slot| slot.score() == score)
        } else {
            0
        };
        (start, rest.get(..ties).unwrap_or_default())
    }
}

/// An inner node: for each child its first entry, how many entries lie below it, and itself. They
/// are apart, so that a search reads no more than it compares.
#[derive(Clone)]
pub(super) struct Inner {
    pub(super) scores: Vec<f64>,
    pub(super) firsts: Vec<u32>,
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
            + self.firsts.capacity() * size_of::<u32>()
            + self.counts.capacity() * size_of::<usize>()
            + self.children.capacity() * size_of::<Node>()
    }

    fn split_off(&mut self, at: usize) -> Self {
        Inner {
            scores: split_off(&mut self.scores, at),
            firsts: split_off(&mut self.firsts, at),
            counts: split_off(&mut self.counts, at),
            children: split_off(&mut self.children, at),
        }
    }

    fn append(&mut self, right: Self) {
        append(&mut self.scores, right.scores);
        append(&mut self.firsts, right.firsts);
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
        let mut inner = Inner { scores: list.0, firsts: list.1, counts: list.2, children };
        for child in &inner.children {
            let (score, first) = child.first();
            inner.scores.push(score);
            inner.firsts.push(first);
            inner.counts.push(child.count());
        }
        inner
    }

    /// Adds an entry; if a node below was split and that made this one too wide, so is this one, and
    /// its right half is given back.
    pub(super) fn insert(&mut self, entry: &Sought<'_>, bytes: &mut usize) -> Option<Inner> {
        let at = self.child_of(entry);
        let right = match &mut self.children[at] {
            Node::Leaf(leaf) => write(leaf, bytes, |leaf, _| leaf.insert(entry)).map(|leaf| {
                *bytes += leaf.bytes();
                Node::Leaf(Arc::new(leaf))
            }),
            Node::Inner(inner) => {
                write(inner, bytes, |inner, bytes| inner.insert(entry, bytes)).map(|inner| {
                    *bytes += inner.bytes();
                    Node::Inner(Arc::new(inner))
                })
            }
        };
        self.counts[at] += 1;
        if at == 0 {
            (self.scores[0], self.firsts[0]) = self.children[0].first();
        }
        let right = right?;
        self.insert_child(at + 1, right);
        self.counts[at] -= self.counts[at + 1];
        self.split(at + 1)
    }

    /// Takes an entry out; tells whether it was there, and the first.
    pub(super) fn remove(&mut self, entry: &Sought<'_>, bytes: &mut usize) -> Option<bool> {
        let at = self.child_of(entry);
        let (first, narrow) = match &mut self.children[at] {
            Node::Leaf(leaf) => {
                let first = write(leaf, bytes, |leaf, _| leaf.remove(entry));
                (first, leaf.width() < Leaf::MIN)
            }
            Node::Inner(inner) => {
                let first = write(inner, bytes, |inner, bytes| inner.remove(entry, bytes));
                (first, inner.width() < Inner::MIN)
            }
        };
        let first = first?;
        self.counts[at] -= 1;
        if narrow {
            self.widen(at, bytes);
        } else if first {
            (self.scores[at], self.firsts[at]) = self.children[at].first();
        }
        Some(first && at == 0)
    }

    /// Follows the record of an entry to another position.
    pub(super) fn renumber(&mut self, entry: &Sought<'_>, to: u32, bytes: &mut usize) {
        let at = self.child_of(entry);
        if (self.scores[at], self.firsts[at]) == (entry.score, entry.at) {
            self.firsts[at] = to;
        }
        match &mut self.children[at] {
            Node::Leaf(leaf) => write(leaf, bytes, |leaf, _| leaf.renumber(entry, to)),
            Node::Inner(inner) => write(inner, bytes, |inner, bytes| inner.renumber(entry, to, bytes)),
        }
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
        (self.scores[left], self.firsts[left]) = self.children[left].first();
        self.counts[left] = self.children[left].count();
        if let Some(right) = right {
            self.insert_child(left + 1, right);
        }
    }

    fn insert_child(&mut self, at: usize, node: Node) {
        let (score, first) = node.first();
        insert(&mut self.scores, at, score);
        insert(&mut self.firsts, at, first);
        insert(&mut self.counts, at, node.count());
        insert(&mut self.children, at, node);
    }

    fn remove_child(&mut self, at: usize) -> Node {
        self.scores.remove(at);
        self.firsts.remove(at);
        self.counts.remove(at);
        let node = self.children.remove(at);
        trim(&mut self.scores);
        trim(&mut self.firsts);
        trim(&mut self.counts);
        trim(&mut self.children);
        node
    }

    /// The child that has this entry, or would.
    pub(super) fn child_of(&self, entry: &Sought<'_>) -> usize {
        // So few numbers side by side are compared faster than searched.
        let mut after = self.scores.iter().filter(|first| **first < entry.score).count();
        if self.scores.get(after) == Some(&entry.score) {
            let ties = self.scores[after..].partition_point(|first| *first == entry.score);
            after += self.firsts[after..after + ties].partition_point(|first| entry.is_after(*first));
        }
        after.saturating_sub(1)
    }

    /// The last child whose first entry is one that `before` holds for, or else the first child.
    pub(super) fn child_before(&self, before: impl Fn(Entry) -> bool) -> usize {
        let (mut low, mut high) = (0, self.scores.len());
        while low < high {
            let middle = (low + high) / 2;
            match before((self.scores[middle], self.firsts[middle])) {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low.saturating_sub(1)
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

/// How many items come before the first one for which `before` is false.
///
/// One item in `STRIDE` is looked at, and then the stride where the answer lies: these reads do not
/// wait for one another, as those of a binary search do, and most of them miss the processor's cache.
#[inline]
fn lower_bound<T>(list: &[T], before: impl Fn(&T) -> bool) -> usize {
    const STRIDE: usize = if crate::TINY { 3 } else { 8 };
    let strides = list.chunks(STRIDE).filter(|stride| stride.first().is_some_and(&before)).count();
    let start = strides.saturating_sub(1) * STRIDE;
    start + list.iter().skip(start).take(STRIDE).filter(|item| before(item)).count()
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
