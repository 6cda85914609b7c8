//! The deadlines of those fields of a hash that have one, by name and by time.

use std::ops::Bound;

use super::sorted_set::SortedSet;
use crate::Bytes;
use crate::clock::NEVER;

/// The last deadline there is: what lies beyond is moved here, so that a double holds every deadline
/// exactly. Far behind the last one that a field may be given (2^46).
const LAST: u64 = 1 << 53;

/// See the [module](self).
#[derive(Clone)]
pub(super) struct Deadlines {
    /// The names, with the deadline as the score.
    names: SortedSet,
    /// The earliest deadline, [`NEVER`] while there is none.
    next: u64,
}

impl Default for Deadlines {
    fn default() -> Self {
        Deadlines { names: SortedSet::default(), next: NEVER }
    }
}

impl Deadlines {
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The earliest deadline, [`NEVER`] without one. O(1).
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The earliest deadline after `now`, [`NEVER`] without one. O(k) for k that have come.
    pub(super) fn after(&self, now: u64) -> u64 {
        let deadlines = self.names.iter().map(|(score, _)| deadline(score));
        deadlines.into_iter().find(|deadline| *deadline > now).unwrap_or(NEVER)
    }

    /// The deadline of a name, [`NEVER`] if it has none. O(1).
    pub(super) fn get(&self, name: &[u8]) -> u64 {
        self.names.score(name).map_or(NEVER, deadline)
    }

    /// How many deadlines have come by `now`. O(log n).
    pub(super) fn count_due(&self, now: u64) -> usize {
        if self.next > now {
            return 0;
        }
        self.names.ranks_by_score((Bound::Unbounded, Bound::Included(score(now)))).len()
    }

    /// Gives a name another deadline, or with [`NEVER`] none; gives the old one back. O(log n).
    pub(super) fn set(&mut self, name: &[u8], deadline: u64) -> u64 {
        let old = self.get(name);
        if deadline == NEVER {
            self.names.remove(name);
        } else {
            self.names.insert(&Bytes::from(name), score(deadline));
        }
        self.find_next();
        old
    }

    /// Puts all deadlines off. O(n log n).
    pub(super) fn postpone(&mut self, by: u64) {
        let mut names = SortedSet::default();
        for (first, name) in self.names.iter() {
            names.insert(&Bytes::from(name), score(deadline(first).saturating_add(by)));
        }
        self.names = names;
        self.find_next();
    }

    /// Takes a name out whose deadline has come by `now`. O(log n).
    pub(super) fn pop_due(&mut self, now: u64) -> Option<Bytes> {
        if self.next > now {
            return None;
        }
        let (_, name) = self.names.pop_first()?;
        self.find_next();
        Some(name)
    }

    /// Heap memory in bytes. O(1).
    pub(super) fn bytes(&self) -> usize {
        self.names.bytes()
    }

    /// The same, counted anew.
    #[cfg(any(test, fuzzing))]
    pub(super) fn recount(&self) -> usize {
        self.names.recount()
    }

    fn find_next(&mut self) {
        self.next = self.names.iter().next().map_or(NEVER, |(first, _)| deadline(first));
    }
}

fn score(deadline: u64) -> f64 {
    deadline.min(LAST) as f64
}

/// A score is a whole number from 0 to [`LAST`].
fn deadline(score: f64) -> u64 {
    score as u64
}
