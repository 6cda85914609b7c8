//! The deadlines of those fields of a hash that have one, by name and by time.

use super::ranked::Ranked;
use crate::Bytes;
use crate::clock::NEVER;
use crate::dense::{Dense, Named};

/// The last deadline there is: what lies beyond is moved here, so that a double holds every deadline
/// exactly. Far behind the last one that a field may be given (2^46).
const LAST: u64 = 1 << 53;

/// See the [module](self). Names are the fields' own bytes, shared, and not counted again.
#[derive(Clone, Default)]
pub(super) struct Deadlines {
    by_name: Dense<Timed>,
    /// The deadline is the score.
    by_time: Ranked,
    /// The earliest deadline; 0 while there is none.
    next: u64,
}

#[derive(Clone)]
struct Timed {
    name: Bytes,
    deadline: u64,
    hash: u32,
}

impl Named for Timed {
    fn name(&self) -> &[u8] {
        &self.name
    }

    fn hash(&self) -> u32 {
        self.hash
    }

    fn heap_bytes(&self) -> usize {
        0
    }
}

impl Deadlines {
    pub(super) fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// The earliest deadline, [`NEVER`] without one. O(1).
    pub(super) fn next(&self) -> u64 {
        if self.is_empty() { NEVER } else { self.next }
    }

    /// The deadline of a name, [`NEVER`] if it has none. O(1).
    pub(super) fn get(&self, hash: u32, name: &[u8]) -> u64 {
        let timed = self.by_name.find(hash, name).and_then(|at| self.by_name.get(at));
        timed.map_or(NEVER, |timed| timed.deadline)
    }

    /// How many deadlines have come by `now`. O(log n).
    pub(super) fn count_due(&self, now: u64) -> usize {
        if self.next() > now { 0 } else { self.by_time.partition_point(|deadline, _| deadline <= score(now)) }
    }

    /// Gives a name another deadline, or with [`NEVER`] none; gives the old one back. O(log n).
    pub(super) fn set(&mut self, hash: u32, name: &Bytes, deadline: u64) -> u64 {
        let old = self.forget(hash, name);
        if deadline != NEVER {
            let deadline = deadline.min(LAST);
            self.by_time.insert(score(deadline), name.clone());
            self.by_name.push(Timed { name: name.clone(), deadline, hash });
        }
        self.find_next();
        old
    }

    /// Takes a name out whose deadline has come by `now`. O(log n).
    pub(super) fn pop_due(&mut self, now: u64) -> Option<(u32, Bytes)> {
        if self.next() > now {
            return None;
        }
        let (_, name) = self.by_time.pop_first()?;
        let hash = super::hash_of(&name);
        if let Some(at) = self.by_name.find(hash, &name) {
            self.by_name.swap_remove(at);
        }
        self.find_next();
        Some((hash, name))
    }

    /// Heap memory in bytes. O(1), but for the list of pages.
    pub(super) fn bytes(&self) -> usize {
        self.by_name.bytes() + self.by_time.bytes()
    }

    fn forget(&mut self, hash: u32, name: &[u8]) -> u64 {
        let timed = self.by_name.find(hash, name).and_then(|at| self.by_name.swap_remove(at));
        match timed {
            Some(Timed { deadline, .. }) => {
                self.by_time.remove(score(deadline), name);
                deadline
            }
            None => NEVER,
        }
    }

    fn find_next(&mut self) {
        // A score is a whole number from 0 to `LAST`.
        self.next = self.by_time.get(0).map_or(0, |(deadline, _)| deadline as u64);
    }
}

fn score(deadline: u64) -> f64 {
    deadline.min(LAST) as f64
}
