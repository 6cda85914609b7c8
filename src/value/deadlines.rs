//! The deadlines of those fields of a hash that have one, by name and by time.

use super::members::Members;
use super::ranked::Ranked;
use crate::Bytes;
use crate::clock::NEVER;
use crate::records::Text;

/// The last deadline there is: what lies beyond is moved here, so that a double holds every deadline
/// exactly. Far behind the last one that a field may be given (2^46).
const LAST: u64 = 1 << 53;

/// See the [module](self).
#[derive(Clone, Default)]
pub(super) struct Deadlines {
    by_name: Members<{ size_of::<u64>() }>,
    /// The deadline is the score.
    by_time: Ranked,
    /// The earliest deadline; 0 while there is none.
    next: u64,
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
    pub(super) fn get(&self, name: &[u8]) -> u64 {
        self.by_name.body(name).map_or(NEVER, read)
    }

    /// How many deadlines have come by `now`. O(log n).
    pub(super) fn count_due(&self, now: u64) -> usize {
        if self.next() > now { 0 } else { self.by_time.partition_point(|deadline, _| deadline <= score(now)) }
    }

    /// Gives a name another deadline, or with [`NEVER`] none; gives the old one back. O(log n).
    pub(super) fn set(&mut self, name: &[u8], deadline: u64) -> u64 {
        let old = self.forget(name);
        if deadline != NEVER {
            let deadline = deadline.min(LAST);
            self.by_time.insert(score(deadline), Bytes::from(name));
            self.by_name.push(Text::Slice(name), Text::Slice(&deadline.to_le_bytes()));
        }
        self.find_next();
        old
    }

    /// Takes a name out whose deadline has come by `now`. O(log n).
    pub(super) fn pop_due(&mut self, now: u64) -> Option<Bytes> {
        if self.next() > now {
            return None;
        }
        let (_, name) = self.by_time.pop_first()?;
        if let Some(at) = self.by_name.find(&name) {
            self.by_name.remove(at);
        }
        self.find_next();
        Some(name)
    }

    /// Heap memory in bytes. O(1).
    pub(super) fn bytes(&self) -> usize {
        self.by_name.bytes() + self.by_time.bytes()
    }

    fn forget(&mut self, name: &[u8]) -> u64 {
        let deadline = self.get(name);
        if let Some(at) = self.by_name.find(name) {
            self.by_name.remove(at);
            self.by_time.remove(score(deadline), name);
        }
        deadline
    }

    fn find_next(&mut self) {
        // A score is a whole number from 0 to `LAST`.
        self.next = self.by_time.get(0).map_or(0, |(deadline, _)| deadline as u64);
    }
}

fn score(deadline: u64) -> f64 {
    deadline.min(LAST) as f64
}

fn read(body: &[u8]) -> u64 {
    body.first_chunk().map_or(NEVER, |deadline| u64::from_le_bytes(*deadline))
}
