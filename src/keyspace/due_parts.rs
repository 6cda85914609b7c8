//! The keys of a table that have parts which expire by themselves (fields of a hash), by when the next does.

use std::collections::BTreeSet;

use crate::Bytes;
use crate::records::NAME;

/// See the [module](self).
#[derive(Clone, Default)]
pub(super) struct DueParts {
    keys: BTreeSet<(u64, Bytes)>,
    /// What the names hold on the heap, in bytes.
    held: usize,
}

impl DueParts {
    /// O(log n)
    pub(super) fn insert(&mut self, deadline: u64, key: Bytes) {
        let held = held_by(&key);
        if self.keys.insert((deadline, key)) {
            self.held += held;
        }
    }

    /// O(log n)
    pub(super) fn remove(&mut self, due: &(u64, Bytes)) {
        if let Some((_, key)) = self.keys.take(due) {
            self.held -= held_by(&key);
        }
    }

    /// How many keys there are. O(1)
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// The key whose next part expires first, and when that is.
    pub(super) fn first(&self) -> Option<&(u64, Bytes)> {
        self.keys.first()
    }

    /// All keys, by when their next part expires.
    pub(super) fn iter(&self) -> impl Iterator<Item = &(u64, Bytes)> {
        self.keys.iter()
    }

    /// Heap memory, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        // A tree of pairs is some three quarters full.
        self.keys.len() * size_of::<(u64, Bytes)>() * 4 / 3 + self.held
    }

    /// The same, counted anew.
    #[cfg(test)]
    pub(super) fn recount(&self) -> usize {
        let names = self.keys.iter().map(|(_, key)| held_by(key)).sum::<usize>();
        self.keys.len() * size_of::<(u64, Bytes)>() * 4 / 3 + names
    }
}

/// What a name holds on the heap beside the table's own records, which share the long ones.
fn held_by(key: &Bytes) -> usize {
    if key.len() > NAME { 0 } else { key.heap_bytes() }
}
