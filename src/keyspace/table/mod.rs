//! One database's keys in one shard: entries, their deadlines, and what they weigh.
//!
//! An entry is a record: the key is its name, and its body is what it holds. A short string stands in
//! the record itself; a longer one and a collection stand aside, and the record knows where.

mod contents;
mod deadlines;
mod leaving;
#[cfg(test)]
mod tests;

use super::due::DuePages;
use super::due_parts::DueParts;
use super::handover::{Asked, Handover, Marks, Touches};
use super::recency::Recency;
use super::shard::Notes;
use super::uses::Uses;
use super::weigh::Weights;
use crate::clock::NEVER;
use crate::records::{POSITIONS, Record, Text, page_of, page_range};
use crate::sync::Arc;
use crate::value::{Value, ValueRef};
use crate::{Bytes, Error, Result};

use contents::{ASIDE, Body, SHORT, TIMED, body, number_of, parse};

pub(crate) use contents::{Contents, Entry};
pub(crate) use leaving::Leaving;

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
    /// Where somebody may ask, when each key was used.
    uses: Option<Box<Uses>>,
    /// While a picture of the entries is written to a file, which pages have been written to since.
    touches: Touches,
    pub counters: Counters,
}

/// What the table counts.
#[derive(Clone, Default)]
pub(crate) struct Counters {
    pub writes: u64,
    pub expired: u64,
    /// Those of them of which all parts had expired.
    pub emptied: u64,
    /// Keys that were given a deadline which had passed: they are among the writes.
    pub overdue: u64,
    /// Parts of values that have expired by themselves: fields of hashes.
    pub expired_parts: u64,
    pub evicted: u64,
}

impl Table {
    /// An empty table that notes so much of its keys.
    pub(super) fn with(notes: Notes) -> Self {
        Table {
            recency: notes.recency.then(Box::default),
            weights: notes.weight.then(Box::default),
            uses: notes.times.then(Box::default),
            ..Table::default()
        }
    }

    /// Notes from now on when its keys are used. O(n), but nothing if it does
    pub(super) fn note_times(&mut self, now: u64) {
        let len = self.len();
        self.uses.get_or_insert_with(|| Box::new(Uses::of(len, now)));
    }

    #[inline]
    pub(super) fn uses(&self) -> Option<&Uses> {
        self.uses.as_deref()
    }

    pub(super) fn uses_mut(&mut self) -> Option<&mut Uses> {
        self.uses.as_deref_mut()
    }

    /// Notes from now on which of its keys are in use. O(n), but nothing if it does
    pub(super) fn note_use(&mut self) {
        if self.recency.is_some() {
            return;
        }
        let mut recency = Box::<Recency>::default();
        for at in 0..self.len() as u32 {
            recency.pushed(self.contents.records.get(at).map_or(0, |record| record.hash));
            recency.set_timed(at, self.deadline_at(at) != NEVER);
        }
        self.recency = Some(recency);
    }

    pub(crate) fn len(&self) -> usize {
        self.contents.len()
    }

    /// Keys that have a deadline of their own.
    pub(crate) fn expiring(&self) -> usize {
        self.timed
    }

    /// Keys with a part that has a deadline. O(1)
    pub(crate) fn expiring_parts(&self) -> usize {
        self.parts.len()
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
            + self.uses.as_ref().map_or(0, |uses| uses.bytes())
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

    /// The entries, to be read in order: not by name. O(chunks), and for values that stand aside O(pages of them)
    pub(crate) fn picture(&self) -> Contents {
        self.contents.picture()
    }

    /// Has the pages that are written to from now on handed over, as those of a table of this number.
    pub(crate) fn hand_over(&self, handover: &Arc<Handover>, number: u32) -> Marks {
        self.touches.begin(handover, number, self.contents.pages())
    }

    /// Whether a picture of the table is written to a file.
    #[inline]
    pub(super) fn hands_over(&mut self) -> bool {
        self.touches.is_on()
    }

    /// Asks for the page of a key that is going to be written to, while a picture is written to a file that has not come to it.
    pub(super) fn ask(&mut self, hash: u64, key: &[u8]) -> Option<Asked> {
        self.find(hash, key).and_then(|at| self.touches.ask(at))
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
        if let Some(uses) = &mut self.uses {
            uses.push();
        }
        self.timed += usize::from(deadline != NEVER);
        self.due.note(page_of(at), deadline);
        self.touches.touched(at);
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
            self.touches.touched(at);
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
        self.touches.touched(at);
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
        if let Some(uses) = &mut self.uses {
            uses.swap_inserted(at);
        }
        // What stood there is the last again.
        if let Some(last) = self.len().checked_sub(1).map(|last| last as u32) {
            self.due.note(page_of(last), self.deadline_at(last));
            self.touches.touched(last);
        }
        self.touches.touched(at);
    }

    /// Gives the key at a position another value, and another deadline or none; gives the old value back
    /// if it stood aside. O(1).
    pub(crate) fn replace(&mut self, at: u32, value: Value, deadline: u64) -> Option<Value> {
        // Most often both are short and as long, and both have a deadline or neither has.
        if self.put_same_length(at, &value, deadline) {
            self.note_deadline(at, deadline, deadline);
            self.touches.touched(at);
            return None;
        }
        let (kind, before, rest) = parse(self.contents.records.get(at)?.body)?;
        let old = number_of(kind, rest).and_then(|number| self.forget(number, at));
        let parts = value.next_deadline();
        if parts != NEVER {
            self.parts.insert(parts, self.contents.records.name(at)?);
        }
        self.put_anew(at, value, deadline);
        self.note_deadline(at, before, deadline);
        self.touches.touched(at);
        old
    }

    /// Gives the key at a position another string, and leaves it its deadline; gives the old value back if it stood aside.
    /// O(1).
    pub(crate) fn rewrite(&mut self, at: u32, string: &[u8]) -> Option<Value> {
        match self.short_mut(at) {
            Some((_, own)) if own.len() == string.len() => own.copy_from_slice(string),
            _ => {
                let deadline = self.get(at)?.deadline;
                return self.replace(at, Value::String(Bytes::from(string)), deadline);
            }
        }
        self.touches.touched(at);
        None
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
        if let Some(uses) = &mut self.uses {
            uses.swap_removed(at);
        }
        // Another entry may have come here, from a page of its own.
        if let Some(moved) = self.get(at).map(|entry| entry.deadline) {
            self.due.note(page_of(at), moved);
        }
        self.due.truncate(self.len().checked_sub(1).map_or(0, |last| page_of(last as u32) + 1));
        self.touches.touched(at);
        self.touches.touched(self.len() as u32);
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
        let Table { contents, held, timed, parts, due, recency, weights, uses, touches, .. } = self;
        let Contents { records, aside, .. } = contents;
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
        if let Some(uses) = uses {
            uses.truncated(records.len());
        }
        due.truncate(records.len().checked_sub(1).map_or(0, |last| page_of(last as u32) + 1));
        let (first, end) = (records.len() as u32, records.len().saturating_add(count) as u32);
        (page_of(first)..=page_of(end)).for_each(|page| touches.touched(page_range(page).start));
        count
    }

    /// The key at a position was used, which counts for whether it is evicted. O(1).
    #[inline]
    pub(super) fn touch(&self, at: u32) {
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
        let Table { contents: Contents { records, aside, .. }, recency, weights, .. } = self;
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
            self.put_anew(at, value, deadline);
        }
    }

    fn put_anew(&mut self, at: u32, value: Value, deadline: u64) {
        let body = self.body_of(value, deadline);
        self.contents.records.set_body(at, Text::Slice(&body));
    }

    /// Writes a short string over another one of the same length, deadline or not; false if it is anything else.
    #[inline]
    fn put_same_length(&mut self, at: u32, value: &Value, deadline: u64) -> bool {
        let Value::String(string) = value else { return false };
        let Some((time, own)) = self.short_mut(at) else { return false };
        let is_like = time.is_empty() == (deadline == NEVER) && own.len() == string.len();
        if is_like {
            time.copy_from_slice(&deadline.to_le_bytes()[..time.len()]);
            own.copy_from_slice(string);
        }
        is_like
    }

    /// The deadline, of no bytes if there is none, and the string of the key at a position, if that is a short one.
    #[inline]
    fn short_mut(&mut self, at: u32) -> Option<(&mut [u8], &mut [u8])> {
        match self.contents.records.body_mut(at)?.split_first_mut()? {
            (&mut 0, own) => Some((&mut [], own)),
            (&mut TIMED, rest) => rest.split_at_mut_checked(size_of::<u64>()),
            _ => None,
        }
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
