//! One database's keys in one shard: entries, their deadlines, and what they weigh.

use std::collections::BTreeSet;

use super::wheel::{Due, POSITIONS, Timer, Timers, Wheel};
use crate::clock::NEVER;
use crate::dense::{Dense, Named};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::value::Value;
use crate::{Bytes, Error, Result};

/// A key with its value and deadline.
#[derive(Clone)]
pub(crate) struct Entry {
    pub key: Bytes,
    pub value: Value,
    pub timer: Timer,
    hash: u32,
}

impl Entry {
    pub(crate) fn deadline(&self) -> u64 {
        self.timer.deadline()
    }

    /// Whether the key counts as missing at the time that `now` gives. The clock is not read for an
    /// entry that has no deadline.
    #[inline]
    pub(crate) fn is_expired(&self, now: impl FnOnce() -> u64) -> bool {
        let (own, parts) = (self.timer.deadline(), self.value.next_deadline());
        if own == NEVER && parts == NEVER {
            return false;
        }
        let now = now();
        own <= now || (parts <= now && self.value.is_over(now))
    }
}

impl Named for Entry {
    fn name(&self) -> &[u8] {
        &self.key
    }

    fn hash(&self) -> u32 {
        self.hash
    }

    fn heap_bytes(&self) -> usize {
        self.key.heap_bytes() + self.value.heap_bytes()
    }
}

impl Timers for Dense<Entry> {
    fn timer(&self, at: u32) -> &Timer {
        // The wheel asks only for positions that it was given and told of when they moved.
        &self.get(at).expect("a position that the wheel was given").timer
    }

    fn timer_mut(&mut self, at: u32) -> &mut Timer {
        // The wheel asks only for positions that it was given and told of when they moved.
        &mut self.get_mut(at).expect("a position that the wheel was given").timer
    }
}

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Table {
    entries: Dense<Entry>,
    wheel: Wheel,
    /// Hashes of which single fields expire: when the next one does, and the key.
    parts: BTreeSet<(u64, Bytes)>,
    pub counters: Counters,
}

/// What the table counts; the first two also by readers that share the lock.
#[derive(Default)]
pub(crate) struct Counters {
    pub hits: AtomicU64,
    pub misses: AtomicU64,
    pub writes: u64,
    pub expired: u64,
    pub evicted: u64,
}

impl Counters {
    #[inline]
    pub(crate) fn looked_up(&self, found: bool) {
        let counter = if found { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Table {
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Keys that have a deadline of their own.
    pub(crate) fn expiring(&self) -> usize {
        self.wheel.len()
    }

    /// Heap memory of all entries, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.entries.bytes() + self.wheel.bytes()
    }

    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        self.entries.find(hash as u32, key)
    }

    #[inline]
    pub(crate) fn get(&self, at: u32) -> Option<&Entry> {
        self.entries.get(at)
    }

    pub(crate) fn entries(&self) -> &Dense<Entry> {
        &self.entries
    }

    /// Adds a key that is not there yet.
    ///
    /// # Errors
    /// [`Error::TooManyKeys`] if all positions are taken.
    pub(crate) fn insert(&mut self, hash: u64, key: Bytes, value: Value, deadline: u64) -> Result<()> {
        self.insert_below(POSITIONS, hash, key, value, deadline)
    }

    fn insert_below(
        &mut self,
        positions: usize,
        hash: u64,
        key: Bytes,
        value: Value,
        deadline: u64,
    ) -> Result<()> {
        if self.entries.len() >= positions {
            return Err(Error::TooManyKeys);
        }
        let parts = value.next_deadline();
        if parts != NEVER {
            self.parts.insert((parts, key.clone()));
        }
        let at = self.entries.push(Entry { key, value, timer: Timer::new(), hash: hash as u32 });
        if deadline != NEVER {
            self.wheel.schedule(&mut self.entries, at, deadline);
        }
        Ok(())
    }

    /// Changes a value in place, and keeps count of its bytes and of when its parts expire.
    #[inline]
    pub(crate) fn update<R>(&mut self, at: u32, change: impl FnOnce(&mut Value) -> R) -> Option<R> {
        let Table { entries, parts, .. } = self;
        entries.update(at, |entry| {
            let before = entry.value.next_deadline();
            let result = change(&mut entry.value);
            let after = entry.value.next_deadline();
            if before != after {
                if before != NEVER {
                    parts.remove(&(before, entry.key.clone()));
                }
                if after != NEVER {
                    parts.insert((after, entry.key.clone()));
                }
            }
            result
        })
    }

    pub(crate) fn remove(&mut self, at: u32) -> Option<Entry> {
        self.entries.get(at)?;
        self.wheel.leave(&mut self.entries, at);
        let entry = self.entries.swap_remove(at)?;
        let last = self.entries.len() as u32;
        if last != at {
            self.wheel.moved(&mut self.entries, last, at);
        }
        forget_parts(&mut self.parts, &entry);
        Some(entry)
    }

    /// Adds a key at the position from which it was removed, if all that was added and removed since has
    /// been taken back: with an empty string for a value, and no deadline.
    pub(crate) fn put_back(&mut self, at: u32, hash: u64, key: Bytes) {
        let value = Value::String(Bytes::default());
        self.entries.swap_insert(at, Entry { key, value, timer: Timer::new(), hash: hash as u32 });
        let last = self.entries.len() as u32 - 1;
        if at < last {
            self.wheel.moved(&mut self.entries, at, last);
        }
    }

    /// Takes entries out that are due by `now` and stand at the table's end, `limit` of them at most, and
    /// adds them to `out`; gives how many those were. Where all is due, or what was added last, nothing
    /// has to be moved for it. Room is given back by [`shrink`](Self::shrink). O(1) each.
    pub(crate) fn split_off_due(&mut self, now: u64, limit: usize, out: &mut Vec<Vec<Entry>>) -> usize {
        let Table { entries, wheel, parts, .. } = self;
        let is_due = |entry: &&Entry| entry.deadline() <= now;
        let count = entries.iter().rev().take(limit).take_while(is_due).count();
        if count > 0 {
            let end = entries.len() as u32;
            let start = end - count as u32;
            wheel.leave_all(entries, start..end);
            let before = out.len();
            entries.split_off(start, out);
            out.iter().skip(before).flatten().for_each(|entry| forget_parts(parts, entry));
        }
        count
    }

    /// Gives memory back once a quarter of it would do. O(1), or O(n) if there is some to give back.
    pub(crate) fn shrink(&mut self) {
        self.entries.shrink();
    }

    /// Gives a key another deadline, or none.
    pub(crate) fn set_deadline(&mut self, at: u32, deadline: u64) {
        self.wheel.schedule(&mut self.entries, at, deadline);
    }

    /// A key that is due by `now`; each step towards it takes one from the budget.
    pub(crate) fn pop_due(&mut self, now: u64, budget: &mut usize) -> Due {
        self.wheel.pop_due(&mut self.entries, now, budget)
    }

    /// Readies what [`pop_overdue`](Self::pop_overdue) finds, once nothing else is due.
    pub(crate) fn raise_overdue(&mut self, now: u64) {
        self.wheel.raise_overdue(&mut self.entries, now);
    }

    /// A key that is due by `now`, to the millisecond.
    pub(crate) fn pop_overdue(&mut self, now: u64) -> Option<u32> {
        self.wheel.pop_overdue(&mut self.entries, now)
    }

    /// A hash with a field that is due by `now`, and since when.
    pub(crate) fn due_parts(&self, now: u64) -> Option<(u64, Bytes)> {
        self.parts.first().filter(|(deadline, _)| *deadline <= now).cloned()
    }

    /// Forgets what [`due_parts`](Self::due_parts) gave, if it has been dealt with and still is there.
    pub(crate) fn forget_due_parts(&mut self, due: &(u64, Bytes)) {
        self.parts.remove(due);
    }

    /// How many keys have not expired by `now`; `None` if some of those must be swept out first. O(1),
    /// and O(k) for k keys that are due within the same 16 ms.
    pub(crate) fn count_live(&self, now: u64) -> Option<usize> {
        (self.next_wake() > now).then(|| self.len() - self.wheel.overdue(&self.entries, now))
    }

    /// The earliest time at which something may be due.
    pub(crate) fn next_wake(&self) -> u64 {
        self.wheel.next_wake().unwrap_or(NEVER).min(self.next_part())
    }

    /// The same, to the millisecond.
    pub(crate) fn next_exact_wake(&self, now: u64) -> u64 {
        self.wheel.next_exact_wake(&self.entries, now).unwrap_or(NEVER).min(self.next_part())
    }

    /// Has a key listed as one with a field that is due, whatever it holds.
    #[cfg(all(test, not(shuttle)))]
    pub(crate) fn list_parts(&mut self, deadline: u64, key: Bytes) {
        self.parts.insert((deadline, key));
    }

    fn next_part(&self) -> u64 {
        self.parts.first().map_or(NEVER, |(deadline, _)| *deadline)
    }
}

fn forget_parts(parts: &mut BTreeSet<(u64, Bytes)>, entry: &Entry) {
    let deadline = entry.value.next_deadline();
    if deadline != NEVER {
        parts.remove(&(deadline, entry.key.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(table: &mut Table, positions: usize, name: &str) -> Result<()> {
        table.insert_below(positions, 0, Bytes::from(name), Value::String(Bytes::new()), 9)
    }

    #[test]
    fn a_full_table_takes_no_key() {
        let mut table = Table::default();
        insert(&mut table, 2, "a").unwrap();
        insert(&mut table, 2, "b").unwrap();
        assert!(matches!(insert(&mut table, 2, "c"), Err(Error::TooManyKeys)));
        assert_eq!((table.len(), table.expiring(), table.find(0, b"c")), (2, 2, None));
        table.remove(0).unwrap();
        insert(&mut table, 2, "c").unwrap();
        assert_eq!((table.len(), table.expiring()), (2, 2));
    }
}
