//! One database's keys in one shard: entries, their deadlines, and what they weigh.
//!
//! An entry is a record: the key is its name, and its body is what it holds. A short string stands in
//! the record itself; a longer one and a collection stand aside, and the record knows where.

#[cfg(test)]
mod tests;

use smallvec::SmallVec;

use super::due::{DuePages, Found, Open};
use super::due_parts::DueParts;
use super::recency::Recency;
use super::weigh::Weights;
use super::wheel::Due;
use crate::clock::NEVER;
use crate::records::slab::Slab;
use crate::records::{BODY, PLACES, POSITIONS, Record, Records, Text, page_of, page_range};
use crate::value::{Value, ValueRef};
use crate::{Bytes, Error, Result};

/// A key with its value and deadline, as they stand in the table.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'t> {
    pub key: &'t [u8],
    pub value: ValueRef<'t>,
    /// Milliseconds on the store's monotonic line, [`NEVER`] where there is none.
    pub deadline: u64,
}

/// A body begins with a byte that says what follows: a deadline (u64) if it has one, and then the number
/// of a value that stands aside (u32), or a string.
type Body = SmallVec<[u8; 256]>;
const TIMED: u8 = 1;
const ASIDE: u8 = 2;
/// The longest string that stands in a record.
const SHORT: usize = BODY - 1 - size_of::<u64>();

/// How many steps it counts for in a sweep to remove an entry where another has to take its place.
const MOVE: usize = 4;

/// See the [module](self). A clone shares the entries, and each of both copies what it then writes to.
#[derive(Clone, Default)]
pub(crate) struct Table {
    contents: Contents,
    /// What the values that stand aside hold on the heap, in bytes.
    held: usize,
    /// Keys that have a deadline.
    timed: usize,
    due: DuePages,
    /// Hashes of which single fields expire: when the next one does, and the key.
    parts: DueParts,
    /// Where the store is bounded, which keys are in use.
    recency: Option<Box<Recency>>,
    /// Where the caller weighs keys, what each weighs.
    weights: Option<Box<Weights>>,
    pub counters: Counters,
}

/// The entries of a table, shared by clones.
#[derive(Clone, Default)]
pub(crate) struct Contents {
    records: Records,
    aside: Slab<Value>,
}

/// What the table counts.
#[derive(Clone, Default)]
pub(crate) struct Counters {
    pub writes: u64,
    pub expired: u64,
    pub evicted: u64,
}

impl Entry<'_> {
    /// Whether the key counts as missing at the time that `now` gives: it is asked with the moment that
    /// matters, and not for an entry that has no deadline.
    #[inline]
    pub(crate) fn is_expired(&self, now: impl FnOnce(u64) -> u64) -> bool {
        let parts = self.value.next_deadline();
        let first = self.deadline.min(parts);
        if first == NEVER {
            return false;
        }
        let now = now(first);
        self.deadline <= now || (parts <= now && self.value.is_over(now))
    }
}

impl Contents {
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// All entries, from the first position to the last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.records.iter().filter_map(|record| self.entry(record))
    }

    /// The name of the key at a position, shared if it is long. O(1).
    pub(crate) fn name(&self, at: u32) -> Option<Bytes> {
        self.records.name(at)
    }

    /// Has all native values encoded. Runs the caller's code: no lock may be held. O(n)
    pub(crate) fn encode_natives(&self) {
        let values = self.iter().map(|entry| entry.value);
        values.for_each(|value| {
            if let ValueRef::Whole(Value::Native(native)) = value {
                native.encode();
            }
        });
    }

    #[inline]
    fn entry<'t>(&'t self, record: Record<'t>) -> Option<Entry<'t>> {
        let (kind, deadline, rest) = parse(record.body)?;
        let Some(number) = number_of(kind, rest) else {
            return Some(Entry { key: record.name, value: ValueRef::Short(rest), deadline });
        };
        let value = self.aside.get(number)?;
        // What its cache keeps longer than it shows it to others.
        let deadline =
            if let Value::Native(native) = value { deadline.min(native.shown_until()) } else { deadline };
        Some(Entry { key: record.name, value: ValueRef::Whole(value), deadline })
    }
}

impl Table {
    /// An empty table that may note which of its keys are in use, and what each weighs.
    pub(super) fn of_bounded(notes_use: bool, notes_weight: bool) -> Self {
        let (recency, weights) = (notes_use.then(Box::default), notes_weight.then(Box::default));
        Table { recency, weights, ..Table::default() }
    }

    pub(crate) fn len(&self) -> usize {
        self.contents.len()
    }

    /// Keys that have a deadline of their own.
    pub(crate) fn expiring(&self) -> usize {
        self.timed
    }

    /// Heap memory of all entries, in bytes. O(1).
    pub(crate) fn bytes(&self) -> usize {
        self.contents.records.bytes()
            + self.contents.aside.bytes()
            + self.held
            + self.due.bytes()
            + self.parts.bytes()
            + self.recency.as_ref().map_or(0, |recency| recency.bytes())
            + self.weights.as_ref().map_or(0, |weights| weights.bytes())
    }

    /// What all keys weigh, where the caller weighs them. O(1).
    pub(crate) fn weight(&self) -> u128 {
        self.weights.as_ref().map_or(0, |weights| weights.total())
    }

    /// What the key at a position weighs; 0 before it was weighed. O(1).
    pub(super) fn weight_at(&self, at: u32) -> u64 {
        self.weights.as_ref().map_or(0, |weights| weights.get(at))
    }

    /// Puts down what the key at a position weighs. O(1).
    pub(super) fn set_weight(&mut self, at: u32, weight: u64) {
        if let Some(weights) = &mut self.weights {
            weights.set(at, weight);
        }
    }

    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        self.contents.records.find(hash as u32, key)
    }

    /// The entry of a key, and its position. O(1).
    #[inline(always)]
    pub(crate) fn seek(&self, hash: u64, key: &[u8]) -> Option<(u32, Entry<'_>)> {
        let (at, record) = self.contents.records.seek(hash as u32, key)?;
        Some((at, self.contents.entry(record)?))
    }

    #[inline]
    pub(crate) fn get(&self, at: u32) -> Option<Entry<'_>> {
        self.contents.entry(self.contents.records.get(at)?)
    }

    pub(crate) fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Adds a key that is not there yet.
    ///
    /// # Errors
    /// [`Error::TooManyKeys`] if all positions are taken.
    pub(crate) fn insert(&mut self, hash: u64, key: &[u8], value: Value, deadline: u64) -> Result<()> {
        self.insert_below(POSITIONS, hash, key, value, deadline)
    }

    fn insert_below(
        &mut self,
        positions: usize,
        hash: u64,
        key: &[u8],
        value: Value,
        deadline: u64,
    ) -> Result<()> {
        if self.len() >= positions {
            return Err(Error::TooManyKeys);
        }
        let parts = value.next_deadline();
        let body = self.body_of(value, deadline);
        let at = self.contents.records.push(hash as u32, Text::Slice(key), Text::Slice(&body));
        if let Some(name) = self.contents.records.name(at).filter(|_| parts != NEVER) {
            self.parts.insert(parts, name);
        }
        if let Some(recency) = &mut self.recency {
            recency.pushed(hash as u32);
            recency.set_timed(at, deadline != NEVER);
        }
        if let Some(weights) = &mut self.weights {
            weights.push();
        }
        self.timed += usize::from(deadline != NEVER);
        self.due.note(page_of(at), deadline);
        Ok(())
    }

    /// Changes a value in place, and keeps count of its bytes and of when its parts expire.
    #[inline]
    pub(crate) fn update<R>(&mut self, at: u32, change: impl FnOnce(&mut Value) -> R) -> Option<R> {
        let record = self.contents.records.get(at)?;
        let (kind, deadline, rest) = parse(record.body)?;
        let Some(number) = number_of(kind, rest) else {
            let mut value = Value::String(Bytes::from(rest));
            let result = change(&mut value);
            self.put(at, value, deadline);
            return Some(result);
        };
        let value = self.contents.aside.get_mut(number)?;
        let (bytes, before) = (value.heap_bytes(), value.next_deadline());
        let result = change(value);
        self.held = self.held + value.heap_bytes() - bytes;
        let after = value.next_deadline();
        if before != after {
            let key = self.contents.records.name(at)?;
            self.parts.remove(&(before, key.clone()));
            if after != NEVER {
                self.parts.insert(after, key);
            }
        }
        Some(result)
    }

    /// Adds a key at the position from which it was removed, if all that was added and removed since has
    /// been taken back: with an empty string for a value, no deadline, and the weight that it had.
    pub(crate) fn put_back(&mut self, at: u32, hash: u64, key: &[u8], weight: u64) {
        let body = body(0, NEVER, &[]);
        self.contents.records.swap_insert(at, hash as u32, Text::Slice(key), Text::Slice(&body));
        if let Some(recency) = &mut self.recency {
            recency.swap_inserted(at);
        }
        if let Some(weights) = &mut self.weights {
            weights.swap_inserted(at, weight);
        }
        // What stood there is the last again.
        if let Some(last) = self.len().checked_sub(1).map(|last| last as u32) {
            self.due.note(page_of(last), self.deadline_at(last));
        }
    }

    /// Gives the key at a position another value, and another deadline or none; gives the old value back
    /// if it stood aside. O(1).
    pub(crate) fn replace(&mut self, at: u32, value: Value, deadline: u64) -> Option<Value> {
        let (kind, before, rest) = parse(self.contents.records.get(at)?.body)?;
        let old = number_of(kind, rest).and_then(|number| self.forget(number, at));
        let parts = value.next_deadline();
        if parts != NEVER {
            self.parts.insert(parts, self.contents.records.name(at)?);
        }
        self.put(at, value, deadline);
        self.note_deadline(at, before, deadline);
        old
    }

    /// Takes a key out; gives its value and deadline. O(1).
    pub(crate) fn take(&mut self, at: u32) -> Option<(Value, u64)> {
        let Entry { value, deadline, .. } = self.get(at)?;
        let short = match value {
            ValueRef::Short(bytes) => Some(Value::String(Bytes::from(bytes))),
            ValueRef::Whole(_) => None,
        };
        let aside = self.remove(at);
        Some((short.or(aside)?, deadline))
    }

    /// Removes a key; gives its value back if it stood aside. O(1).
    pub(crate) fn remove(&mut self, at: u32) -> Option<Value> {
        let (kind, deadline, rest) = parse(self.contents.records.get(at)?.body)?;
        let value = number_of(kind, rest).and_then(|number| self.forget(number, at));
        self.timed -= usize::from(deadline != NEVER);
        self.contents.records.swap_remove(at);
        if let Some(recency) = &mut self.recency {
            recency.swap_removed(at, &self.contents.records);
        }
        if let Some(weights) = &mut self.weights {
            weights.swap_removed(at);
        }
        // Another entry may have come here, from a page of its own.
        if let Some(moved) = self.get(at).map(|entry| entry.deadline) {
            self.due.note(page_of(at), moved);
        }
        self.due.truncate(self.len().checked_sub(1).map_or(0, |last| page_of(last as u32) + 1));
        value
    }

    /// Takes keys out that are due by `now` and stand at the table's end, `limit` of them at most, and hands
    /// over the name of each, and its value if it stood aside; gives how many those were. Where all is
    /// due, or what was added last, nothing has to be moved for it. O(1) each.
    pub(crate) fn pop_due(
        &mut self,
        now: u64,
        limit: usize,
        mut gone: impl FnMut(&[u8], Option<Value>),
    ) -> usize {
        let last = self.len().checked_sub(1).map(|last| last as u32);
        if last.is_none_or(|last| self.deadline_at(last) > now) {
            return 0;
        }
        let Table { contents, held, timed, parts, due, recency, weights, .. } = self;
        let Contents { records, aside } = contents;
        let count = records.pop_while(limit, |record| {
            let Some((kind, deadline, rest)) = parse(record.body) else { return false };
            if deadline > now {
                return false;
            }
            let value = number_of(kind, rest).and_then(|number| aside.remove(number));
            if let Some(value) = &value {
                *held -= value.heap_bytes();
                value.retire();
                if value.next_deadline() != NEVER {
                    parts.remove(&(value.next_deadline(), Bytes::from(record.name)));
                }
            }
            *timed -= 1;
            gone(record.name, value);
            true
        });
        if let Some(recency) = recency {
            recency.truncated(records);
        }
        if let Some(weights) = weights {
            weights.truncated(records.len());
        }
        due.truncate(records.len().checked_sub(1).map_or(0, |last| page_of(last as u32) + 1));
        count
    }

    /// Gives back what is held for deadlines to come. The table is empty.
    pub(super) fn forget_deadlines(&mut self) {
        self.due = DuePages::default();
    }

    /// The key at a position was used. O(1).
    #[inline]
    pub(crate) fn touch(&self, at: u32) {
        if let Some(recency) = &self.recency {
            recency.touch(at);
        }
    }

    /// The position of the key to evict: one whose name `may_go`, which has a deadline if that is asked for, and
    /// weighs something where keys are weighed; `None` if there is none. There are `count` of those, or fewer.
    /// O(1) amortised where most keys may go, O(n) where hardly any.
    pub(super) fn victim(
        &mut self,
        only_timed: bool,
        count: usize,
        may_go: impl Fn(&[u8]) -> bool,
    ) -> Option<u32> {
        let Table { contents: Contents { records, aside }, recency, weights, .. } = self;
        let weighs = |at| weights.as_ref().is_none_or(|weights| weights.get(at) > 0);
        let is_unused = |record: Record<'_>| {
            let number = parse(record.body).and_then(|(kind, _, rest)| number_of(kind, rest));
            let value = number.and_then(|number| aside.get(number));
            !matches!(value, Some(Value::Native(native)) if native.take_use())
        };
        let may_go =
            |at| weighs(at) && records.get(at).is_some_and(|record| may_go(record.name) && is_unused(record));
        recency.as_mut()?.victim(records, only_timed, count, may_go)
    }

    /// The position of the key whose deadline comes first, of those whose name `may_go` and which weigh something
    /// where keys are weighed; `None` if there is none. O(p log p) for p pages, unless the first few pages hold
    /// hardly any.
    pub(super) fn first_to_expire(&mut self, may_go: impl Fn(&[u8]) -> bool) -> Option<u32> {
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
    }

    /// Puts all deadlines off, those of fields too; gives the keys of which values were written for that. O(n) for n
    /// keys, of which those with a deadline are written, and nothing where there is no deadline.
    pub(super) fn postpone(&mut self, by: u64, hash_of: impl Fn(&[u8]) -> u64) -> Vec<Bytes> {
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
    pub(super) fn next_deadline(&self, now: u64, hash_of: impl Fn(&[u8]) -> u64) -> u64 {
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
    pub(super) fn deadline_at(&self, at: u32) -> u64 {
        let record = self.contents.records.get(at);
        record.and_then(|record| parse(record.body)).map_or(NEVER, |(_, deadline, _)| deadline)
    }

    /// The deadline of the entry at a position was another before.
    fn note_deadline(&mut self, at: u32, before: u64, deadline: u64) {
        self.timed = self.timed + usize::from(deadline != NEVER) - usize::from(before != NEVER);
        self.due.note(page_of(at), deadline);
        if let Some(recency) = self.recency.as_mut().filter(|_| before != deadline) {
            recency.set_timed(at, deadline != NEVER);
        }
    }

    /// What is written for a value, which may be put aside for it.
    fn body_of(&mut self, value: Value, deadline: u64) -> Body {
        match value {
            Value::String(bytes) if bytes.len() <= SHORT => body(0, deadline, &bytes),
            value => {
                self.held += value.heap_bytes();
                let number = self.contents.aside.insert(value);
                body(ASIDE, deadline, &number.to_le_bytes())
            }
        }
    }

    #[inline]
    fn put(&mut self, at: u32, value: Value, deadline: u64) {
        if !self.put_same_length(at, &value, deadline) {
            let body = self.body_of(value, deadline);
            self.contents.records.set_body(at, Text::Slice(&body));
        }
    }

    /// Writes a short string over another one of the same length, deadline or not; false if it is anything else.
    #[inline]
    fn put_same_length(&mut self, at: u32, value: &Value, deadline: u64) -> bool {
        let Value::String(string) = value else { return false };
        let body = self.contents.records.body_mut(at);
        let Some((kind, rest)) = body.and_then(|body| body.split_first_mut()) else { return false };
        let time = if deadline == NEVER { 0 } else { size_of::<u64>() };
        let is_like = *kind == if time == 0 { 0 } else { TIMED } && rest.len() == time + string.len();
        if is_like {
            let (own, rest) = rest.split_at_mut(time);
            own.copy_from_slice(&deadline.to_le_bytes()[..time]);
            rest.copy_from_slice(string);
        }
        is_like
    }

    /// Takes out the value of the key at a position that stands aside.
    fn forget(&mut self, number: u32, at: u32) -> Option<Value> {
        let value = self.contents.aside.remove(number)?;
        self.held -= value.heap_bytes();
        value.retire();
        let parts = value.next_deadline();
        if parts != NEVER {
            self.parts.remove(&(parts, self.contents.records.name(at)?));
        }
        Some(value)
    }
}

/// The kind, the deadline and the rest of a body.
#[inline]
fn parse(body: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (&kind, rest) = body.split_first()?;
    if kind & TIMED == 0 {
        return Some((kind, NEVER, rest));
    }
    let (deadline, rest) = rest.split_first_chunk()?;
    Some((kind, u64::from_le_bytes(*deadline), rest))
}

/// The number of the value that stands aside.
fn number_of(kind: u8, rest: &[u8]) -> Option<u32> {
    if kind & ASIDE == 0 { None } else { rest.first_chunk().map(|number| u32::from_le_bytes(*number)) }
}

fn body(kind: u8, deadline: u64, rest: &[u8]) -> Body {
    let mut body = Body::new();
    if deadline == NEVER {
        body.push(kind & !TIMED);
    } else {
        body.push(kind | TIMED);
        body.extend_from_slice(&deadline.to_le_bytes());
    }
    body.extend_from_slice(rest);
    body
}
