//! The way of a hit: entries by their key as it is, beside the store's table, in which they stand by its text.
//!
//! Nothing is decided here. An entry is found if it still stands in the table, as it says itself; if not, or if it is not
//! found, the table is asked. It is put here by whoever has found it there, and taken out when it has left.
//!
//! What a hit looks at stands in the map itself, side by side, and the entry is not touched for it: that would be one trip
//! to memory more. So an entry that leaves its table counts in its part, and whoever meets a count that they have not
//! seen looks at the entry itself. The same goes for the time of removals: one mark is made of both, in half of the room.

use std::borrow::Borrow;
use std::hash::Hash;
use std::sync::Arc;

use hashbrown::HashTable;

use super::entry::Entry;
use crate::clock::{Clock, NEVER};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Padded, RwLock};

/// See the [module](self).
pub(super) struct Near<K, V> {
    hasher: ahash::RandomState,
    parts: Box<[Padded<Part<K, V>>]>,
    /// As many of the hash's high bits name the part.
    bits: u32,
}

struct Part<K, V> {
    /// How often one of its entries has left its table, or was no more known to be used.
    turns: Arc<AtomicU64>,
    slots: RwLock<HashTable<Slot<K, V>>>,
}

/// An entry, and of it what a hit looks at.
struct Slot<K, V> {
    key: K,
    value: Option<Arc<V>>,
    /// Asked for the value, a cache gives it until then and thinks no more of it.
    quiet_until: u64,
    /// The [`mark`] of when the entry was looked at; [`NEVER`] before that.
    seen: AtomicU64,
    entry: Arc<Entry<K, V>>,
}

/// One number of two that only grow. A plain sum would be the same for one removal more and one turn less, as threads can meet
/// them that have read the one early and the other late; of these, the removals and the turns between two that are the same
/// come to 2^62 when multiplied (the multiples of the golden ratio keep apart so).
#[inline]
fn mark(turns: u64, removals: u64) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    removals.wrapping_mul(GOLDEN).wrapping_add(turns)
}

impl<K, V> Slot<K, V> {
    /// Whether the entry stands in its table, was found there at that time of the removals, and is known to be in use, after
    /// so many turns.
    #[inline]
    fn is_current(&self, turns: u64, removals: u64) -> bool {
        self.seen.load(Ordering::Acquire) == mark(turns, removals) || self.look(turns, removals)
    }

    #[cold]
    fn look(&self, turns: u64, removals: u64) -> bool {
        let is_current = self.entry.checked() == removals && self.entry.is_current();
        if is_current {
            self.entry.note_use();
            self.seen.store(mark(turns, removals), Ordering::Release);
        }
        is_current
    }
}

/// A cache's own way to its entries, as they know it.
pub(super) trait Home: Send + Sync {
    /// Forgets an entry that has left the table.
    fn forget(&self, hash: u64, entry: *const ());
}

/// Bytes of an entry's slot.
pub(super) const fn slot<K, V>() -> usize {
    size_of::<Slot<K, V>>()
}

impl<K, V> Near<K, V> {
    pub(super) fn new(parts: usize) -> Self {
        let parts = parts.next_power_of_two();
        Near {
            hasher: ahash::RandomState::new(),
            parts: (0..parts)
                .map(|_| Padded(Part { turns: Arc::default(), slots: RwLock::default() }))
                .collect(),
            bits: parts.trailing_zeros(),
        }
    }

    #[inline]
    pub(super) fn hash<Q: Hash + ?Sized>(&self, key: &Q) -> u64 {
        self.hasher.hash_one(key)
    }

    /// What an entry with this hash counts its turns in.
    pub(super) fn turns(&self, hash: u64) -> &Arc<AtomicU64> {
        &self.part(hash).turns
    }

    /// The value of a key's entry, if it is fresh and stands in the table without a doubt; `removals` is their time. O(1)
    ///
    /// The key's `Eq` runs under a lock here and in [`has`](Self::has): the one place where the caller's code does.
    /// It is a lock for reading that it may take again, and under which no other is taken, so it can wait for nothing.
    #[inline]
    pub(super) fn hit<Q>(&self, hash: u64, key: &Q, clock: &Clock, removals: u64) -> Option<Option<Arc<V>>>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let Part { turns, slots } = self.part(hash);
        let slots = slots.read_recursive();
        let slot = slots.find(hash, |slot| slot.key.borrow() == key)?;
        // Before the entry is looked at: what leaves behind that look is behind this count.
        let turns = turns.load(Ordering::Acquire);
        let is_hit = slot.is_current(turns, removals) && clock.is_before(slot.quiet_until);
        is_hit.then(|| slot.value.clone())
    }

    /// Whether an entry is here. O(1)
    pub(super) fn has<Q>(&self, entry: &Arc<Entry<K, V>>, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let slots = self.part(entry.hash()).slots.read_recursive();
        let slot = slots.find(entry.hash(), |slot| slot.key.borrow() == key);
        slot.is_some_and(|slot| Arc::ptr_eq(&slot.entry, entry))
    }

    /// Puts an entry here that was found in the table. O(1)
    pub(super) fn put(&self, key: K, entry: &Arc<Entry<K, V>>) {
        let hash = entry.hash();
        let slot = Slot {
            key,
            value: entry.value.clone(),
            quiet_until: entry.life.quiet_until,
            seen: AtomicU64::new(NEVER),
            entry: Arc::clone(entry),
        };
        // One for a hash: so nobody's `Eq` runs while others are kept out.
        let replaced = {
            let mut slots = self.part(hash).slots.write();
            match slots.find_mut(hash, |other| other.entry.hash() == hash) {
                Some(other) => Some(std::mem::replace(other, slot)),
                None => {
                    slots.insert_unique(hash, slot, |slot| slot.entry.hash());
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
            let slots = std::mem::take(&mut *part.slots.write());
            drop(slots);
        }
    }

    pub(super) fn forget(&self, hash: u64, entry: *const ()) {
        let gone = {
            let mut slots = self.part(hash).slots.write();
            let found = slots.find_entry(hash, |slot| std::ptr::eq(Arc::as_ptr(&slot.entry).cast(), entry));
            found.ok().map(|found| found.remove().0)
        };
        drop(gone);
    }

    #[inline]
    fn part(&self, hash: u64) -> &Part<K, V> {
        &self.parts[hash.rotate_left(self.bits) as usize & (self.parts.len() - 1)].0
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn no_removals_are_taken_for_turns() {
        let (turns, removals) = (1 << 40, 1 << 40);
        let own = mark(turns, removals);
        for more in (0..=20_000).chain([1 << 20, 1 << 24, 1 << 30]) {
            // So many turns, either way, would make up for the removals.
            let apart = mark(turns, removals + more).wrapping_sub(own) as i64;
            assert!(more == 0 || apart.unsigned_abs() > (1 << 61) / more, "{more}: {apart}");
        }
    }
}
