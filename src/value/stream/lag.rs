//! How many entries a group has read, and how many it has yet to read, as far as that can be told. What came
//! and went in between can make it impossible. Redis's rules changed with 8.0.

use super::{Group, Stream, StreamId};

/// From which version on a trimmed stream is told apart from one with holes.
const NEWER: (u8, u8) = (8, 0);
/// From which version on a group that is behind the first entry, or behind what was removed by name, does not know how
/// many it has read; Valkey, which counts as 7.3, does so too.
const COUNTED: (u8, u8) = (7, 3);

impl Stream {
    /// What a group has yet to read, by that version's rules; `None` if it cannot be told. O(1)
    pub(crate) fn lag(&self, group: &Group, version: (u8, u8)) -> Option<u64> {
        let facts = self.facts();
        if facts.added == 0 {
            return Some(0);
        }
        if version >= NEWER {
            let Some(first) = self.first() else { return Some(0) };
            if group.last < first && facts.max_deleted < first {
                return Some(self.len() as u64);
            }
        }
        let read = match group.read {
            Some(read) if !self.has_hole(group.last) => read,
            _ => self.read_until(group.last, version)?,
        };
        // Told by hand it may be any number: a negative one wraps here and is turned back by who shows it.
        Some(facts.added.wrapping_sub(read))
    }

    /// How many entries a group has read once it has got this one, which is behind its last, as it knows how many
    /// it had read before. O(1)
    pub(crate) fn read_with(
        &self,
        (last, read): (StreamId, Option<u64>),
        id: StreamId,
        version: (u8, u8),
    ) -> Option<u64> {
        let newer = version >= COUNTED;
        let known = read.filter(|_| match self.first() {
            _ if !newer => !self.has_hole(id),
            Some(first) => last >= first && !self.has_hole(last),
            None => !self.has_hole(last),
        });
        match known {
            Some(read) => Some(read.saturating_add(1)),
            None if self.facts().added > 0 => self.read_until(id, version),
            None => read,
        }
    }

    /// How many entries were added up to an id, if that can be told. O(1)
    pub(crate) fn read_until(&self, id: StreamId, version: (u8, u8)) -> Option<u64> {
        let facts = self.facts();
        if facts.added == 0 {
            return Some(0);
        }
        let Some(first) = self.first() else {
            return (id <= facts.last).then_some(facts.added);
        };
        if version >= COUNTED && id > StreamId::MIN && id < facts.max_deleted {
            return None;
        }
        if id == facts.last {
            return Some(facts.added);
        }
        if id > facts.last || (facts.max_deleted > StreamId::MIN && facts.max_deleted >= first) {
            return None;
        }
        let before = facts.added.wrapping_sub(self.len() as u64);
        match id.cmp(&first) {
            std::cmp::Ordering::Less => Some(before),
            std::cmp::Ordering::Equal => Some(before.wrapping_add(1)),
            std::cmp::Ordering::Greater => None,
        }
    }

    /// Whether something was removed by name from an id on.
    fn has_hole(&self, from: StreamId) -> bool {
        let deleted = self.facts().max_deleted;
        let Some(first) = self.first().filter(|_| deleted > StreamId::MIN) else { return false };
        deleted >= first && from <= deleted
    }
}
