//! A table's deadlines: when its keys and their parts are due, and what is due now.

use super::{Entry, MOVE, Table, body, parse};
use crate::Bytes;
use crate::clock::NEVER;
use crate::keyspace::due::{DuePages, Found, Open};
use crate::keyspace::wheel::Due;
use crate::records::{PLACES, Text, page_of, page_range};
use crate::value::{Value, ValueRef};

impl Table {
    /// Gives back what is held for deadlines to come. The table is empty.
    pub(in crate::keyspace) fn forget_deadlines(&mut self) {
        self.due = DuePages::default();
    }

    /// The position of the key whose deadline comes first, of those whose name `may_go` and which weigh something
    /// where keys are weighed; `None` if there is none. O(p) for p pages, unless the first few pages hold hardly any.
    pub(in crate::keyspace) fn first_to_expire(&mut self, may_go: impl Fn(&[u8]) -> bool) -> Option<u32> {
        let mut first: Option<(u64, u32)> = None;
        // The wheel knows of a page no more than that nothing on it is due before some time.
        for (not_before, page) in self.due.by_deadline() {
            if first.is_some_and(|(deadline, _)| deadline <= not_before) {
                break;
            }
            let mut earliest = NEVER;
            for at in page_range(page) {
                let Some(Entry { key, deadline, .. }) = self.get(at) else { break };
                earliest = earliest.min(deadline);
                let is_first = deadline != NEVER && first.is_none_or(|(other, _)| deadline < other);
                let weighs = self.weights.as_ref().is_none_or(|weights| weights.get(at) > 0);
                if is_first && weighs && may_go(key) {
                    first = Some((deadline, at));
                }
            }
            self.due.put_off(page, earliest);
        }
        first.map(|(_, at)| at)
    }

    /// Gives a key another deadline, or none. O(1).
    pub(crate) fn set_deadline(&mut self, at: u32, deadline: u64) {
        let Some(record) = self.contents.records.get(at) else { return };
        let Some((kind, before, rest)) = parse(record.body) else { return };
        let body = body(kind, deadline, rest);
        self.contents.records.set_body(at, Text::Slice(&body));
        self.note_deadline(at, before, deadline);
        self.touches.touched(at);
    }

    /// Puts all deadlines off, those of fields too; gives the keys of which values were written for that. O(n) for n
    /// keys, of which those with a deadline are written, and nothing where there is no deadline.
    pub(in crate::keyspace) fn postpone(&mut self, by: u64, hash_of: impl Fn(&[u8]) -> u64) -> Vec<Bytes> {
        if by == 0 {
            return Vec::new();
        }
        for at in 0..if self.timed > 0 { self.len() as u32 } else { 0 } {
            let deadline = self.deadline_at(at);
            if deadline != NEVER {
                self.set_deadline(at, deadline.saturating_add(by).min(NEVER - 1));
            }
        }
        let names: Vec<Bytes> = self.parts.iter().map(|(_, name)| name.clone()).collect();
        for name in &names {
            let Some(at) = self.find(hash_of(name), name) else { continue };
            self.update(at, |value| {
                if let Value::Hash(hash) = value {
                    hash.postpone(by);
                }
            });
        }
        names
    }

    /// A key that is due by `now`, if `exact` to the millisecond; each page on the way takes one from the
    /// budget.
    pub(crate) fn next_due(&mut self, now: u64, exact: bool, budget: &mut usize) -> Due {
        loop {
            let Open { page, left, mut earliest } = match self.due.open(now, exact, budget) {
                Found::Page(open) => open,
                Found::Nothing => return Due::Nothing,
                Found::BudgetSpent => return Due::BudgetSpent,
            };
            // From the end: what is removed is replaced by what stands at the end of all, and that is looked
            // at next.
            for at in page_range(page).take(left as usize).rev() {
                let deadline = self.deadline_at(at);
                if deadline <= now {
                    self.due.left(at % PLACES + 1, earliest);
                    if *budget == 0 {
                        return Due::BudgetSpent;
                    }
                    *budget = budget.saturating_sub(MOVE);
                    return Due::Entry(at);
                }
                earliest = earliest.min(deadline);
            }
            self.due.close(earliest);
        }
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
    /// and O(k) for k keys on pages that are due within the same 16 ms.
    pub(crate) fn count_live(&self, now: u64) -> Option<usize> {
        if self.next_part() <= now {
            return None;
        }
        let pages = self.due.overdue(now)?;
        let overdue = pages.into_iter().flat_map(page_range).filter(|at| self.deadline_at(*at) <= now);
        Some(self.len() - overdue.count())
    }

    /// The earliest time at which something may be due.
    pub(crate) fn next_wake(&self) -> u64 {
        self.due.next_wake().min(self.next_part())
    }

    /// The same, to the millisecond.
    pub(crate) fn next_exact_wake(&self, now: u64) -> u64 {
        self.due.next_exact_wake(now).min(self.next_part())
    }

    /// The next deadline of a key or a field that lies ahead; [`NEVER`] if there is none. O(p log p) for p pages,
    /// and what is due and not swept yet is looked at.
    pub(in crate::keyspace) fn next_deadline(&self, now: u64, hash_of: impl Fn(&[u8]) -> u64) -> u64 {
        let mut next = NEVER;
        for (not_before, page) in self.due.pages() {
            if not_before >= next {
                break;
            }
            let deadlines = page_range(page).map(|at| self.deadline_at(at));
            next = deadlines.filter(|deadline| *deadline > now).fold(next, u64::min);
        }
        for (first, name) in self.parts.iter() {
            if *first >= next {
                break;
            }
            let hash = match self.seek(hash_of(name), name) {
                Some((_, Entry { value: ValueRef::Whole(Value::Hash(hash)), deadline, .. }))
                    if deadline > now =>
                {
                    hash
                }
                _ => continue,
            };
            next = next.min(if *first > now { *first } else { hash.deadline_after(now) });
        }
        next
    }

    /// Has a key listed as one with a field that is due, whatever it holds.
    #[cfg(all(test, not(shuttle)))]
    pub(crate) fn list_parts(&mut self, deadline: u64, key: Bytes) {
        self.parts.insert(deadline, key);
    }

    fn next_part(&self) -> u64 {
        self.parts.first().map_or(NEVER, |(deadline, _)| *deadline)
    }

    /// The deadline of the entry at a position, [`NEVER`] where there is none.
    pub(in crate::keyspace) fn deadline_at(&self, at: u32) -> u64 {
        let record = self.contents.records.get(at);
        record.and_then(|record| parse(record.body)).map_or(NEVER, |(_, deadline, _)| deadline)
    }

    /// The deadline of the entry at a position was another before.
    pub(super) fn note_deadline(&mut self, at: u32, before: u64, deadline: u64) {
        self.timed = self.timed + usize::from(deadline != NEVER) - usize::from(before != NEVER);
        self.due.note(page_of(at), deadline);
        if let Some(recency) = self.recency.as_mut().filter(|_| before != deadline) {
            recency.set_timed(at, deadline != NEVER);
        }
    }
}
