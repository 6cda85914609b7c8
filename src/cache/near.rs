//! The way of a hit: entries by their key as it is, beside the store's table, in which they stand by its text.
//!
//! Nothing is decided here. An entry is found if it still stands in the table, as it says itself; if not, or if it is not
//! found, the table is asked. It is put here by whoever has found it there, and taken out when it has left.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashTable;

use super::entry::Entry;
use crate::sync::{Padded, RwLock};

/// See the [module](self).
pub(super) struct Near<K, V> {
    hasher: ahash::RandomState,
    parts: Box<[Part<K, V>]>,
    /// The hash's high bits above this one name the part.
    shift: u32,
}

type Part<K, V> = Padded<RwLock<HashTable<Arc<Entry<K, V>>>>>;

/// A cache's own way to its entries, as they know it.
pub(super) trait Home: Send + Sync {
    /// Forgets an entry that has left the table.
    fn forget(&self, hash: u64, entry: *const ());
}

impl<K, V> Near<K, V> {
    pub(super) fn new(parts: usize) -> Self {
        let parts = parts.next_power_of_two();
        Near {
            hasher: ahash::RandomState::new(),
            parts: (0..parts).map(|_| Padded::default()).collect(),
            shift: 64 - parts.trailing_zeros(),
        }
    }

    #[inline]
    pub(super) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }

    /// Looks at the entry of a key. `look` runs under a lock, and is ours. O(1)
    ///
    /// The key's `Eq` runs there too: the one place where the caller's code does. It is a lock for reading that it may
    /// take again, and under which no other is taken, so it can wait for nothing.
    #[inline]
    pub(super) fn look<Q, R>(
        &self,
        hash: u64,
        key: &Q,
        look: impl FnOnce(&Arc<Entry<K, V>>) -> R,
    ) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let part = self.part(hash).read_recursive();
        part.find(hash, |entry| entry.key.borrow() == key).map(look)
    }

    /// Puts an entry here that was found in the table. O(1)
    pub(super) fn put(&self, entry: &Arc<Entry<K, V>>) {
        let hash = entry.hash();
        let own = Arc::clone(entry);
        // One for a hash: so nobody's `Eq` runs while others are kept out.
        let replaced = {
            let mut part = self.part(hash).write();
            match part.find_mut(hash, |other| other.hash() == hash) {
                Some(other) => Some(std::mem::replace(other, own)),
                None => {
                    part.insert_unique(hash, own, |entry| entry.hash());
                    None
                }
            }
        };
        drop(replaced);
        // It may have left the table before it was put here: then nobody else takes it out.
        if !entry.is_current() {
            self.forget(hash, Arc::as_ptr(entry).cast());
        }
    }

    /// Forgets all. O(n)
    pub(super) fn clear(&self) {
        for Padded(part) in &self.parts {
            let slots = std::mem::take(&mut *part.write());
            drop(slots);
        }
    }

    pub(super) fn forget(&self, hash: u64, entry: *const ()) {
        let gone = {
            let mut part = self.part(hash).write();
            let found = part.find_entry(hash, |own| std::ptr::eq(Arc::as_ptr(own).cast(), entry));
            found.ok().map(|found| found.remove().0)
        };
        drop(gone);
    }

    #[inline]
    fn part(&self, hash: u64) -> &RwLock<HashTable<Arc<Entry<K, V>>>> {
        // A shift by 64 means one part only.
        &self.parts[hash.checked_shr(self.shift).unwrap_or(0) as usize].0
    }
}
