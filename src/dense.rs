//! A hash table whose entries lie densely in pages: what keys, set members and hash fields stand in.
//!
//! Entries are addressed by position. Removing one moves the last into its place, so pages stay
//! full, a random entry is one draw, and a walk from the end to the start meets every entry that
//! stays, whatever is added or removed on the way (only entries behind the walk move, and only
//! towards its start). Pages are shared by clones and copied when one of them writes.

use std::sync::Arc;

use hashbrown::HashTable;

/// Entries to a page.
const PAGE: usize = if cfg!(test) { 4 } else { 128 };
/// Up to this many entries are searched one by one, without an index.
const LINEAR: usize = if cfg!(test) { 3 } else { 16 };

/// Something with a name and the name's hash.
pub(crate) trait Named {
    fn name(&self) -> &[u8];
    fn hash(&self) -> u32;
    /// Bytes that the entry holds outside itself.
    fn heap_bytes(&self) -> usize;
}

/// See the [module](self).
#[derive(Clone)]
pub(crate) struct Dense<E> {
    pages: Vec<Arc<Vec<E>>>,
    len: usize,
    /// Positions by hash; empty while entries are few enough to be searched one by one.
    index: HashTable<u32>,
    /// What the entries hold outside themselves.
    heap: usize,
}

impl<E> Default for Dense<E> {
    fn default() -> Self {
        Dense { pages: Vec::new(), len: 0, index: HashTable::new(), heap: 0 }
    }
}

impl<E: Named + Clone> Dense<E> {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The position of the entry of that name. O(1).
    #[inline]
    pub(crate) fn find(&self, hash: u32, name: &[u8]) -> Option<u32> {
        if self.index.is_empty() {
            let entries = self.pages.iter().flat_map(|page| page.iter());
            let at = entries.into_iter().position(|entry| entry.hash() == hash && entry.name() == name);
            return at.map(|at| at as u32);
        }
        let is_it =
            |&at: &u32| self.get(at).is_some_and(|entry| entry.hash() == hash && entry.name() == name);
        self.index.find(spread(hash), is_it).copied()
    }

    /// The entry at a position. O(1).
    #[inline]
    pub(crate) fn get(&self, at: u32) -> Option<&E> {
        self.pages.get(at as usize / PAGE)?.get(at as usize % PAGE)
    }

    /// Changes the entry at a position, whose name and hash stay as they are. O(1).
    #[inline]
    pub(crate) fn update<R>(&mut self, at: u32, change: impl FnOnce(&mut E) -> R) -> Option<R> {
        let entry = Arc::make_mut(self.pages.get_mut(at as usize / PAGE)?).get_mut(at as usize % PAGE)?;
        let before = entry.heap_bytes();
        let result = change(entry);
        self.heap = self.heap + entry.heap_bytes() - before;
        Some(result)
    }

    /// The entry at a position, to change what is neither its name nor counted as heap bytes. O(1).
    pub(crate) fn get_mut(&mut self, at: u32) -> Option<&mut E> {
        Arc::make_mut(self.pages.get_mut(at as usize / PAGE)?).get_mut(at as usize % PAGE)
    }

    /// Adds an entry whose name is not there yet, at the end; gives its position. O(1).
    pub(crate) fn push(&mut self, entry: E) -> u32 {
        let (at, hash) = (self.len as u32, entry.hash());
        self.heap += entry.heap_bytes();
        self.len += 1;
        match self.pages.last_mut() {
            Some(page) if page.len() < PAGE => {
                let page = Arc::make_mut(page);
                if page.len() == page.capacity() {
                    // The first page grows by half, so that a small table stays small; a table with
                    // a full page is not small.
                    let room = if at as usize >= PAGE { PAGE } else { (page.len() * 3 / 2).clamp(4, PAGE) };
                    page.reserve_exact(room - page.len());
                }
                page.push(entry);
            }
            _ => {
                let mut page = Vec::with_capacity(if at == 0 { 1 } else { PAGE });
                page.push(entry);
                self.pages.push(Arc::new(page));
            }
        }
        if !self.index.is_empty() {
            let Dense { pages, index, .. } = self;
            index.insert_unique(spread(hash), at, |&at| hash_at(pages, at));
        } else if self.len > LINEAR {
            self.build_index(self.len);
        }
        at
    }

    /// Takes the entry at a position out and moves the last one into its place. O(1).
    pub(crate) fn swap_remove(&mut self, at: u32) -> Option<E> {
        let hash = self.get(at)?.hash();
        let last = (self.len - 1) as u32;
        if !self.index.is_empty() {
            if let Ok(slot) = self.index.find_entry(spread(hash), |&other| other == at) {
                slot.remove();
            }
            if last != at {
                let moved = hash_at(&self.pages, last);
                if let Some(position) = self.index.find_mut(moved, |&other| other == last) {
                    *position = at;
                }
            }
        }
        let page = Arc::make_mut(self.pages.last_mut()?);
        let mut entry = page.pop()?;
        if page.is_empty() {
            self.pages.pop();
        }
        if last != at {
            let hole = Arc::make_mut(self.pages.get_mut(at as usize / PAGE)?).get_mut(at as usize % PAGE)?;
            std::mem::swap(hole, &mut entry);
        }
        self.len -= 1;
        self.heap -= entry.heap_bytes();
        self.shrink();
        Some(entry)
    }

    /// Takes a [`swap_remove`](Self::swap_remove) back: the entry stands at `at`, and the one that was moved
    /// there is the last again. O(1).
    pub(crate) fn swap_insert(&mut self, at: u32, mut entry: E) {
        let Dense { pages, index, heap, .. } = self;
        if let Some(place) =
            pages.get_mut(at as usize / PAGE).and_then(|page| Arc::make_mut(page).get_mut(at as usize % PAGE))
        {
            std::mem::swap(place, &mut entry);
            *heap = *heap + place.heap_bytes() - entry.heap_bytes();
            let hash = spread(place.hash());
            if !index.is_empty() {
                if let Ok(slot) = index.find_entry(spread(entry.hash()), |&other| other == at) {
                    slot.remove();
                }
                index.insert_unique(hash, at, |&at| hash_at(pages, at));
            }
        }
        self.push(entry);
    }

    /// Takes all entries from a position on out, and adds them to `out`, a page at a time. O(n) for n
    /// of them. The room that they leave in the index is given back by [`shrink`](Self::shrink).
    pub(crate) fn split_off(&mut self, at: u32, out: &mut Vec<Vec<E>>) {
        let at = at as usize;
        if at == 0 {
            out.extend(std::mem::take(self).pages.into_iter().map(Arc::unwrap_or_clone));
            return;
        }
        if !self.index.is_empty() {
            let pages = self.pages.iter().skip(at / PAGE).flat_map(|page| page.iter());
            for (position, entry) in (at as u32..).zip(pages.skip(at % PAGE)) {
                if let Ok(slot) = self.index.find_entry(spread(entry.hash()), |&other| other == position) {
                    slot.remove();
                }
            }
        }
        while self.len > at {
            let start = (self.pages.len() - 1) * PAGE;
            let taken = if start >= at {
                self.pages.pop().map(Arc::unwrap_or_clone)
            } else {
                self.pages.last_mut().map(|page| Arc::make_mut(page).split_off(at - start))
            };
            // There is a page for each entry that `len` counts, so this never is the end.
            let Some(taken) = taken else { return };
            self.len -= taken.len();
            self.heap -= taken.iter().map(E::heap_bytes).sum::<usize>();
            out.push(taken);
        }
    }

    /// All entries, from the first position to the last.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &E> + Clone {
        self.pages.iter().flat_map(|page| page.iter())
    }

    /// The next entries of a walk from the end: those just below `cursor` (0 starts the walk), at
    /// most `count`, and the cursor to go on with (0: the walk is over).
    pub(crate) fn walk(&self, cursor: usize, count: usize) -> (usize, impl Iterator<Item = &E>) {
        let end = if cursor == 0 { self.len } else { cursor.min(self.len) };
        let start = end.saturating_sub(count.max(1));
        (start, (start..end).rev().filter_map(|at| self.get(at as u32)))
    }

    /// Heap memory of the table and all it holds, in bytes. O(1), but for the list of pages.
    pub(crate) fn bytes(&self) -> usize {
        const ARC: usize = 2 * size_of::<usize>() + size_of::<Vec<u8>>();
        // All pages but the first are as large as a page can be.
        let first = self.pages.first().map_or(0, |page| page.capacity());
        let entries = first + self.pages.len().saturating_sub(1) * PAGE;
        let pages = self.pages.len() * ARC + self.pages.capacity() * size_of::<usize>();
        pages + entries * size_of::<E>() + self.index.allocation_size() + self.heap
    }

    /// Files all entries anew, in an index with room for so many.
    fn build_index(&mut self, room: usize) {
        let Dense { pages, index, .. } = self;
        *index = HashTable::with_capacity(room);
        // In the order of the positions, which is quick: each page is read once, from start to end.
        for (at, entry) in (0..).zip(pages.iter().flat_map(|page| page.iter())) {
            index.insert_unique(spread(entry.hash()), at, |&at| hash_at(pages, at));
        }
    }

    /// Gives memory back once a quarter of it would do. O(1), or O(n) if there is some to give back.
    pub(crate) fn shrink(&mut self) {
        if self.len == 0 {
            *self = Dense::default();
            return;
        }
        if self.len <= LINEAR / 2 {
            self.index = HashTable::new();
        } else if self.index.capacity() > 64 && self.len * 4 < self.index.capacity() {
            self.build_index(self.len * 2);
        }
        if self.pages.capacity() > 16 && self.pages.len() * 4 < self.pages.capacity() {
            self.pages.shrink_to(self.pages.len() * 2);
        }
    }
}

fn hash_at<E: Named>(pages: &[Arc<Vec<E>>], at: u32) -> u64 {
    // Positions in the index are those of entries; a wrong one would only be filed wrongly.
    pages
        .get(at as usize / PAGE)
        .and_then(|page| page.get(at as usize % PAGE))
        .map_or(0, |e| spread(e.hash()))
}

/// The table takes its bucket from a hash's low bits and its tag from the high ones: both must
/// depend on all of the 32 bits that an entry keeps.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26)
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    struct Item {
        name: Vec<u8>,
        hash: u32,
        payload: Vec<u8>,
    }

    impl Named for Item {
        fn name(&self) -> &[u8] {
            &self.name
        }

        fn hash(&self) -> u32 {
            self.hash
        }

        fn heap_bytes(&self) -> usize {
            self.payload.len()
        }
    }

    #[derive(Clone, Debug)]
    enum Op {
        Put(u8, u8),
        Remove(u8),
        Grow(u8, u8),
        SplitOff(u8),
        Clone,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            4 => (0..40_u8, any::<u8>()).prop_map(|(name, len)| Op::Put(name, len)),
            3 => (0..40_u8).prop_map(Op::Remove),
            1 => (0..40_u8, any::<u8>()).prop_map(|(name, len)| Op::Grow(name, len)),
            1 => any::<u8>().prop_map(Op::SplitOff),
            1 => Just(Op::Clone),
        ]
    }

    /// Hashes that collide: there are five of them.
    fn item(name: u8, len: u8) -> Item {
        Item { name: vec![name], hash: u32::from(name % 5), payload: vec![0; len.into()] }
    }

    fn find(dense: &Dense<Item>, name: u8) -> Option<u32> {
        dense.find(u32::from(name % 5), &[name])
    }

    fn check(dense: &Dense<Item>, model: &HashMap<u8, usize>) {
        assert_eq!(dense.len(), model.len());
        assert_eq!(dense.iter().count(), model.len());
        for name in 0..40 {
            let found = find(dense, name).and_then(|at| dense.get(at)).map(|item| item.payload.len());
            assert_eq!(found, model.get(&name).copied());
        }
        assert_eq!(dense.heap, model.values().sum::<usize>());
        let full = dense.pages.len().saturating_sub(1);
        assert!(dense.pages.iter().take(full).all(|page| page.len() == PAGE));
        assert!(dense.pages.iter().all(|page| !page.is_empty()));
    }

    proptest! {
        #[test]
        fn behaves_as_a_map(ops in prop::collection::vec(op(), 0..200)) {
            let (mut dense, mut model) = (Dense::default(), HashMap::new());
            let mut clones = Vec::new();
            for op in ops {
                match op {
                    Op::Put(name, len) => {
                        if find(&dense, name).is_none() {
                            let at = dense.push(item(name, len));
                            prop_assert_eq!(find(&dense, name), Some(at));
                            model.insert(name, len.into());
                        }
                    }
                    Op::Remove(name) => {
                        let removed = find(&dense, name).and_then(|at| dense.swap_remove(at));
                        prop_assert_eq!(removed.map(|item| item.payload.len()), model.remove(&name));
                    }
                    Op::Grow(name, len) => {
                        if let Some(at) = find(&dense, name) {
                            dense.update(at, |item| item.payload.resize(len.into(), 0));
                            model.insert(name, len.into());
                        }
                    }
                    Op::SplitOff(at) => {
                        let at = usize::from(at) % (dense.len() + 1);
                        let off: Vec<Item> = dense.iter().skip(at).cloned().collect();
                        let mut pages = Vec::new();
                        dense.split_off(at as u32, &mut pages);
                        dense.shrink();
                        prop_assert_eq!(pages.iter().flatten().count(), off.len());
                        prop_assert!(pages.iter().flatten().all(|item| off.contains(item)));
                        off.iter().for_each(|item| _ = model.remove(&item.name[0]));
                    }
                    Op::Clone => clones.push((dense.clone(), model.clone())),
                }
                check(&dense, &model);
            }
            for (dense, model) in &clones {
                check(dense, model);
            }
        }

        /// Removals and additions that are taken back in reverse order leave no trace.
        #[test]
        fn all_stand_where_they_stood(
            start in prop::collection::btree_set(0..40_u8, 0..40),
            changes in prop::collection::vec(0..40_u8, 0..60),
        ) {
            let mut dense = Dense::default();
            for name in &start {
                dense.push(item(*name, *name));
            }
            let before: Vec<Item> = dense.iter().cloned().collect();
            let mut steps = Vec::new();
            for name in changes {
                match find(&dense, name) {
                    Some(at) => steps.push(dense.swap_remove(at).map(|item| (at, item))),
                    None => {
                        dense.push(item(name, 9));
                        steps.push(None);
                    }
                }
            }
            for step in steps.into_iter().rev() {
                match step {
                    Some((at, item)) => dense.swap_insert(at, item),
                    None => drop(dense.swap_remove(dense.len() as u32 - 1)),
                }
            }
            prop_assert_eq!(dense.iter().cloned().collect::<Vec<_>>(), before);
            check(&dense, &start.into_iter().map(|name| (name, name.into())).collect());
        }

        /// Whatever is added and removed during a walk, what stays is met.
        #[test]
        fn a_walk_meets_all_that_stays(
            start in prop::collection::hash_set(0..40_u8, 0..40),
            steps in prop::collection::vec((prop::collection::vec((0..40_u8, any::<bool>()), 0..4), 1..5_usize), 1..40),
        ) {
            let mut dense = Dense::default();
            for name in &start {
                dense.push(item(*name, 0));
            }
            let (mut stays, mut met): (HashSet<u8>, HashSet<u8>) = (start, HashSet::new());
            let mut cursor = 0;
            for (changes, count) in steps.into_iter().cycle() {
                let (next, items) = dense.walk(cursor, count);
                met.extend(items.map(|item| item.name[0]));
                cursor = next;
                if cursor == 0 {
                    break;
                }
                for (name, add) in changes {
                    match (find(&dense, name), add) {
                        (None, true) => {
                            dense.push(item(name, 0));
                        }
                        (Some(at), false) => {
                            dense.swap_remove(at);
                            stays.remove(&name);
                        }
                        _ => {}
                    }
                }
            }
            prop_assert!(stays.is_subset(&met), "{stays:?} {met:?}");
        }
    }
}
