//! Tags: names that entries have in common, so that one call removes all of them.
//!
//! Removing a tag looks at no entry: it notes the time, on a line that only such removals move on, and what was
//! loaded before that counts as missing from then on. So it takes the same time for one entry and for a million; their
//! memory comes back as they are looked for, evicted, or expire.
//!
//! An entry that has a tag has two more: the tag's group, which is its name up to the last colon and with it, and the one
//! that all have. So all rows of a table go in one step, and all that anybody has tagged.
//!
//! A tag can be held: no entry that has it is valid then. Who holds it removes it at the end, before it is let go, so
//! none that began before comes to be valid by that.

use std::sync::Arc;

use hashbrown::HashMap;
use smallvec::SmallVec;

use super::second::Removal;
use crate::Bytes;
use crate::keyspace::Keyspace;
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicU64, Ordering};

/// The tags of a store.
#[derive(Default)]
pub(crate) struct Tags {
    /// How often a tag was removed, or all entries of a cache or a database at once.
    now: AtomicU64,
    known: Mutex<Known>,
    /// What all entries have that have any.
    every: Arc<Tag>,
}

#[derive(Default)]
struct Known {
    tags: HashMap<Bytes, Arc<Tag>, ahash::RandomState>,
    /// When one was removed, at the latest, that is not known any more: what was loaded before that may have had it.
    floor: u64,
    /// How many there may be before those that no entry has are forgotten.
    limit: usize,
}

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Tag {
    /// Or that of the cache that it is of; empty for the one that all have.
    name: Bytes,
    removed_at: AtomicU64,
    /// How many hold it.
    holders: AtomicU64,
}

impl Tag {
    /// That of a cache.
    pub(super) fn of_cache(name: &str) -> Self {
        Tag { name: Bytes::from(name), ..Tag::default() }
    }

    fn is_held(&self) -> bool {
        self.holders.load(Ordering::Acquire) > 0
    }

    /// Whether it was removed after a load had begun.
    fn was_removed_since(&self, began: u64) -> bool {
        self.removed_at.load(Ordering::Acquire) > began
    }
}

/// A tag that is held, until this is dropped.
pub(crate) struct Hold {
    space: Arc<Keyspace>,
    name: Bytes,
    tag: Arc<Tag>,
}

impl Hold {
    /// Holds the tag of this name, and removes it. O(1) amortised
    pub(crate) fn of(space: &Arc<Keyspace>, name: &[u8]) -> Self {
        space.caches().tell(|| Removal::Tag(Bytes::from(name)));
        let tags = &space.caches().tags;
        let tag = tags.known.lock().tag(name);
        // First, so that a load that still finds it unremoved finds it held.
        tag.holders.fetch_add(1, Ordering::AcqRel);
        tags.remove_all(&tag);
        Hold { space: Arc::clone(space), name: Bytes::from(name), tag }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let caches = self.space.caches();
        caches.tell(|| Removal::Tag(self.name.clone()));
        caches.tags.remove_all(&self.tag);
        self.tag.holders.fetch_sub(1, Ordering::AcqRel);
    }
}

/// See [`Tags::removed_of`].
pub(super) enum Removed {
    All,
    Tag(Bytes),
}

/// The tags of an entry, and when its load began.
pub(super) struct Stamp {
    pub began: u64,
    /// What all entries of its cache have in common.
    cache: Arc<Tag>,
    tags: Box<[Arc<Tag>]>,
}

impl Stamp {
    /// Whether none of the tags was removed since, or is held.
    pub(super) fn is_valid(&self) -> bool {
        let mut tags = self.tags.iter().chain([&self.cache]);
        // In this order: who lets a tag go has removed it before.
        !tags.any(|tag| tag.is_held() || tag.was_removed_since(self.began))
    }

    /// Whether its load may be shared with somebody who asked when the removals' time was this: nothing was removed
    /// that they may know of.
    pub(super) fn is_for(&self, asked: u64) -> bool {
        let mut tags = self.tags.iter().chain([&self.cache]);
        asked <= self.began || !tags.any(|tag| tag.was_removed_since(self.began))
    }

    /// Whether it is that of an entry of the cache with this tag, be it in the store that this one was forked from.
    pub(super) fn is_of(&self, cache: &Arc<Tag>) -> bool {
        Arc::ptr_eq(&self.cache, cache) || self.cache.name == cache.name
    }

    /// The same with the tags of another besides.
    pub(super) fn with(mut self, other: &Stamp) -> Self {
        let mut tags = std::mem::take(&mut self.tags).into_vec();
        for tag in &other.tags {
            if !tags.iter().any(|known| Arc::ptr_eq(known, tag)) {
                tags.push(Arc::clone(tag));
            }
        }
        self.tags = tags.into_boxed_slice();
        self
    }

    /// What the tags take, in bytes.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.tags)
    }
}

impl Tags {
    const FEW: usize = if crate::TINY { 4 } else { 1024 };

    /// The time on the removals' line.
    #[inline]
    pub(crate) fn now(&self) -> u64 {
        self.now.load(Ordering::Acquire)
    }

    /// Something was removed that is told by no mark on an entry: whoever keeps one looks at the store again.
    pub(crate) fn move_on(&self) {
        let _known = self.known.lock();
        self.now.fetch_add(1, Ordering::AcqRel);
    }

    /// Removes a tag from all entries that were loaded before. O(1) amortised
    pub(crate) fn remove(&self, name: &[u8]) {
        let mut known = self.known.lock();
        let at = self.now() + 1;
        known.tag(name).removed_at.store(at, Ordering::Release);
        self.now.store(at, Ordering::Release);
    }

    /// Removes all tags that there are. O(1)
    pub(crate) fn remove_every(&self) {
        self.remove_all(&self.every);
    }

    /// Whether that was ever done: what is of an unknown age may be of before it.
    pub(super) fn was_every_removed(&self) -> bool {
        self.every.was_removed_since(0)
    }

    /// Removes all that has a tag that is known by no name.
    pub(super) fn remove_all(&self, tag: &Tag) {
        let _known = self.known.lock();
        let at = self.now() + 1;
        tag.removed_at.store(at, Ordering::Release);
        self.now.store(at, Ordering::Release);
    }

    /// What was removed of an entry's tags since its load began: a tag, by its name, or all of its cache. O(tags)
    pub(super) fn removed_of(&self, stamp: &Stamp) -> Option<Removed> {
        if stamp.cache.was_removed_since(stamp.began) {
            return Some(Removed::All);
        }
        let removed = stamp.tags.iter().find(|tag| tag.was_removed_since(stamp.began))?;
        // The one that all have has no name: any of the others stands for it.
        let is_named = |tag: &&Arc<Tag>| !Arc::ptr_eq(tag, &self.every);
        let named = Some(removed).filter(is_named).or_else(|| stamp.tags.iter().find(is_named));
        Some(named.map_or(Removed::All, |tag| Removed::Tag(tag.name.clone())))
    }

    /// The names of an entry's tags, without the groups that come with them. O(tags²)
    pub(super) fn names(&self, stamp: &Stamp) -> SmallVec<[Bytes; 2]> {
        let is_group_of = |name: &[u8], tag: &Tag| *tag.name != *name && group_of(&tag.name) == Some(name);
        let is_group = |name: &[u8]| stamp.tags.iter().any(|tag| is_group_of(name, tag));
        let own = stamp.tags.iter().filter(|tag| !Arc::ptr_eq(tag, &self.every) && !is_group(&tag.name));
        own.map(|tag| tag.name.clone()).collect()
    }

    /// The stamp of an entry with these tags, and its cache's, whose load began then. O(tags)
    pub(super) fn stamp<'n>(
        &self,
        began: u64,
        cache: &Arc<Tag>,
        names: impl ExactSizeIterator<Item = &'n [u8]>,
    ) -> Stamp {
        let cache = Arc::clone(cache);
        if names.len() == 0 {
            return Stamp { began, cache, tags: Box::default() };
        }
        let mut known = self.known.lock();
        let mut tags: SmallVec<[Arc<Tag>; 6]> = SmallVec::new();
        for name in names {
            tags.push(known.tag(name));
            if let Some(group) = group_of(name) {
                let group = known.tag(group);
                if !tags.iter().any(|tag| Arc::ptr_eq(tag, &group)) {
                    tags.push(group);
                }
            }
        }
        tags.push(Arc::clone(&self.every));
        Stamp { began, cache, tags: tags.into_vec().into_boxed_slice() }
    }

    /// The stamp of an entry whose tags nobody knows: it has the one that all have that have any.
    pub(super) fn stamp_of_unknown(&self, began: u64, cache: &Arc<Tag>) -> Stamp {
        Stamp { began, cache: Arc::clone(cache), tags: Box::new([Arc::clone(&self.every)]) }
    }
}

/// The name of a tag's group.
fn group_of(name: &[u8]) -> Option<&[u8]> {
    let colon = name.iter().rposition(|byte| *byte == b':')?;
    Some(&name[..=colon])
}

impl Known {
    fn tag(&mut self, name: &[u8]) -> Arc<Tag> {
        if let Some(tag) = self.tags.get(name) {
            return Arc::clone(tag);
        }
        if self.tags.len() >= self.limit.max(Tags::FEW) {
            self.forget_unused();
        }
        let name = Bytes::from(name);
        let removed_at = AtomicU64::new(self.floor);
        let tag = Arc::new(Tag { name: name.clone(), removed_at, holders: AtomicU64::new(0) });
        self.tags.insert(name, Arc::clone(&tag));
        tag
    }

    /// Forgets the tags that no entry has. Those are removed, from then on, for all loads that began before the last of
    /// them was.
    fn forget_unused(&mut self) {
        let floor = &mut self.floor;
        self.tags.retain(|_, tag| {
            let is_used = Arc::strong_count(tag) > 1;
            if !is_used {
                *floor = (*floor).max(tag.removed_at.load(Ordering::Acquire));
            }
            is_used
        });
        self.limit = self.tags.len() * 2;
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::collections::HashMap as Map;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Begin,
        /// Ends a load with these tags.
        End(usize, Vec<u8>),
        Remove(u8),
        Drop(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            Just(Step::Begin),
            (0..8_usize, vec(0..30_u8, 0..3)).prop_map(|(load, tags)| Step::End(load, tags)),
            (0..30_u8).prop_map(Step::Remove),
            (0..8_usize).prop_map(Step::Drop),
        ]
    }

    proptest! {
        /// An entry is valid just if none of its tags was removed since its load began; one whose tags were all
        /// forgotten meanwhile may count as removed, never the other way round.
        #[test]
        fn a_removed_tag_never_comes_back(steps in vec(step(), 1..200)) {
            let (tags, cache) = (Tags::default(), Arc::default());
            let mut moment = 0;
            let mut removed: Map<u8, usize> = Map::new();
            let mut loads = Vec::new();
            let mut entries: Vec<(usize, Vec<u8>, Stamp)> = Vec::new();
            for step in steps {
                moment += 1;
                match step {
                    Step::Begin => loads.push((moment, tags.now())),
                    Step::End(load, names) => if !loads.is_empty() {
                        let (at, began) = loads.swap_remove(load % loads.len());
                        let stamp = tags.stamp(began, &cache, names.iter().map(std::slice::from_ref));
                        entries.push((at, names, stamp));
                    }
                    Step::Remove(name) => {
                        tags.remove(&[name]);
                        removed.insert(name, moment);
                    }
                    Step::Drop(entry) => if !entries.is_empty() {
                        entries.swap_remove(entry % entries.len());
                    }
                }
                for (at, names, stamp) in &entries {
                    if names.iter().any(|name| removed.get(name).is_some_and(|gone| gone > at)) {
                        prop_assert!(!stamp.is_valid());
                    }
                }
                // What begins and ends now is valid, whatever was forgotten.
                let stamp = tags.stamp(tags.now(), &cache, [[1_u8].as_slice()].into_iter());
                prop_assert!(stamp.is_valid());
            }
        }
    }

    #[test]
    fn tags_that_no_entry_has_are_forgotten() {
        let tags = Tags::default();
        (0..10_000_u32).for_each(|name| tags.remove(&name.to_le_bytes()));
        assert!(tags.known.lock().tags.len() <= 2 * Tags::FEW);
    }
}
