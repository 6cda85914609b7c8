//! A hash: fields with a value each, of which single ones may have a deadline.
//!
//! What holds between any two calls: every name with a deadline is that of a field. A hash without
//! deadlines pays nothing for them.
//!
//! Fields that have expired stay until [`Hash::remove_expired`]; whoever looks says what time it is.

use super::deadlines::Deadlines;
use super::members::Members;
use super::packed::{ANY, Entry, Packed};
use crate::Bytes;
use crate::clock::NEVER;
use crate::records::Text;

/// See the [module](self). A clone shares the fields, a page at a time, until one of both writes.
#[derive(Clone, Default)]
pub(crate) struct Hash(Members<Packed<ANY>, Deadlines>);

/// A field and its value.
#[derive(Clone)]
pub(crate) struct Field {
    pub name: Bytes,
    pub value: Bytes,
}

/// What a field held before it was set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// There was no such field.
    Nothing,
    /// Something short, which is gone.
    Short,
    /// This.
    Long(Bytes),
}

impl Hash {
    /// How many fields live at `now`. O(1), O(log n) when some are due.
    pub(crate) fn len(&self, now: u64) -> usize {
        self.0.len() - self.expiry().map_or(0, |expiry| expiry.count_due(now))
    }

    /// Whether there is no field at all, expired ones included. O(1).
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// When the next field expires, [`NEVER`] if none does. O(1).
    pub(crate) fn next_deadline(&self) -> u64 {
        self.expiry().map_or(NEVER, Deadlines::next)
    }

    /// When the next field expires after `now`, [`NEVER`] if none does. O(k) for k fields that are due.
    pub(crate) fn deadline_after(&self, now: u64) -> u64 {
        self.expiry().map_or(NEVER, |expiry| expiry.after(now))
    }

    /// The value of the field of that name, if it lives at `now`. O(1).
    pub(crate) fn get(&self, name: &[u8], now: u64) -> Option<&[u8]> {
        let value = self.0.body(name)?;
        (!self.is_over(name, now)).then_some(value)
    }

    /// The same, shared if it is long. O(1).
    pub(crate) fn value(&self, name: &[u8], now: u64) -> Option<Bytes> {
        let at = self.0.find(name)?;
        if self.is_over(name, now) { None } else { self.0.body_at(at) }
    }

    /// The field at one of the [`positions`](Self::positions), if it lives at `now`. O(1).
    pub(crate) fn at(&self, position: u32, now: u64) -> Option<Field> {
        let name = self.0.name(position)?;
        if self.is_over(&name, now) {
            return None;
        }
        Some(Field { value: self.0.body_at(position)?, name })
    }

    /// All fields that live at `now`.
    pub(crate) fn iter(&self, now: u64) -> impl Iterator<Item = Entry<'_>> {
        self.0.iter().filter(move |(name, _)| !self.is_over(name, now))
    }

    /// How many positions there are, those of expired fields included. O(1).
    pub(crate) fn positions(&self) -> u32 {
        // Positions are u32 throughout.
        self.0.len() as u32
    }

    /// The deadline of a field that lives at `now`: [`NEVER`] if it has none. O(1).
    pub(crate) fn deadline(&self, name: &[u8], now: u64) -> Option<u64> {
        self.get(name, now)?;
        Some(self.expiry().map_or(NEVER, |expiry| expiry.get(name)))
    }

    /// Sets a field that then has no deadline. O(1), O(log n) if it had a deadline.
    pub(crate) fn insert(&mut self, name: &Bytes, value: &Bytes) -> Before {
        if self.expiry().is_some() {
            self.set_deadline(name, NEVER);
        }
        self.put(name, value)
    }

    /// Sets a field, which keeps its deadline if it has one. O(1).
    pub(crate) fn put(&mut self, name: &Bytes, value: &Bytes) -> Before {
        match self.0.find(name) {
            Some(at) => self.0.set_body(at, Text::Shared(value)).map_or(Before::Short, Before::Long),
            None => {
                self.0.push(Text::Shared(name), Text::Shared(value));
                Before::Nothing
            }
        }
    }

    /// Takes a field out; gives its value. O(1), O(log n) if it had a deadline.
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<Bytes> {
        let at = self.0.find(name)?;
        if self.expiry().is_some() {
            self.set_deadline(name, NEVER);
        }
        let value = self.0.body_at(at);
        self.0.remove(at);
        value
    }

    /// Gives a field another deadline, or with [`NEVER`] none; gives the old one back. `None` if
    /// there is no such field. O(log n).
    pub(crate) fn set_deadline(&mut self, name: &[u8], deadline: u64) -> Option<u64> {
        self.0.find(name)?;
        if deadline == NEVER && self.expiry().is_none() {
            return Some(NEVER);
        }
        Some(self.0.extra_mut().set(name, deadline))
    }

    /// Puts all deadlines off. O(k log k) for k fields that have one.
    pub(crate) fn postpone(&mut self, by: u64) {
        if self.expiry().is_some() {
            self.0.extra_mut().postpone(by);
        }
    }

    /// Removes fields that have expired by `now`, `limit` of them at most; gives how many those were.
    /// O(log n) each.
    pub(crate) fn remove_expired(&mut self, now: u64, limit: usize) -> usize {
        let mut removed = 0;
        while removed < limit && self.next_deadline() <= now {
            let Some(name) = self.0.extra_mut().pop_due(now) else { break };
            if let Some(at) = self.0.find(&name) {
                self.0.remove(at);
            }
            removed += 1;
        }
        removed
    }

    /// Removes the field of that name if it has expired by `now`; true if it had. O(1), O(log n) if so.
    pub(crate) fn remove_if_expired(&mut self, name: &[u8], now: u64) -> bool {
        self.is_over(name, now) && self.remove(name).is_some()
    }

    /// Heap memory of the fields and their deadlines, in bytes. O(1).
    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes() + self.0.extra().map_or(0, Deadlines::bytes)
    }

    /// The same, counted anew.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn recount(&self) -> usize {
        self.0.recount() + self.0.extra().map_or(0, Deadlines::recount)
    }

    /// The deadlines, if there are any.
    fn expiry(&self) -> Option<&Deadlines> {
        self.0.extra().filter(|expiry| !expiry.is_empty())
    }

    /// Whether a field has expired by `now`. Its own deadline is looked up only when some field is due.
    fn is_over(&self, name: &[u8], now: u64) -> bool {
        let due = self.expiry().filter(|expiry| expiry.next() <= now);
        due.is_some_and(|expiry| expiry.get(name) <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::BODY;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Clone)]
    enum Step {
        Insert(u8, u8),
        Put(u8, u8),
        Remove(u8),
        SetDeadline(u8, u64),
        RemoveExpired(u64, usize),
        RemoveIfExpired(u8, u64),
        Clone,
    }

    fn step() -> impl Strategy<Value = Step> {
        let name = || 0u8..24;
        let deadline = prop_oneof![4 => 0u64..20, 1 => Just(NEVER), 1 => LARGE];
        prop_oneof![
            4 => (name(), any::<u8>()).prop_map(|(name, value)| Step::Insert(name, value)),
            2 => (name(), any::<u8>()).prop_map(|(name, value)| Step::Put(name, value)),
            2 => name().prop_map(Step::Remove),
            4 => (name(), deadline).prop_map(|(name, deadline)| Step::SetDeadline(name, deadline)),
            1 => (0u64..20, prop_oneof![0usize..4, Just(usize::MAX)])
                .prop_map(|(now, limit)| Step::RemoveExpired(now, limit)),
            1 => (name(), 0u64..20).prop_map(|(name, now)| Step::RemoveIfExpired(name, now)),
            1 => Just(Step::Clone),
        ]
    }

    /// The last deadline that a field can be given through the commands.
    const LARGE: Just<u64> = Just((1 << 46) - 1);

    /// Short ones are packed, longer ones are not, and a few stand beside the records.
    fn bytes(id: u8) -> Bytes {
        let width = match id % 16 {
            0..10 => 1,
            15 => BODY + 1,
            _ => 42,
        };
        Bytes::from(format!("{id:0>width$}"))
    }

    /// What is told of a value that was overwritten.
    fn before(old: Option<(Bytes, u64)>) -> Before {
        match old {
            None => Before::Nothing,
            Some((old, _)) if old.len() > BODY => Before::Long(old),
            Some(_) => Before::Short,
        }
    }

    type Model = BTreeMap<Bytes, (Bytes, u64)>;

    fn check(hash: &Hash, model: &Model) -> Result<(), TestCaseError> {
        prop_assert_eq!(hash.is_empty(), model.is_empty());
        let next = model.values().map(|(_, deadline)| *deadline).min().unwrap_or(NEVER);
        prop_assert_eq!(hash.next_deadline(), next);
        prop_assert_eq!(hash.expiry().is_some(), next != NEVER);
        for now in [0, 5, 10, 19, 1 << 46, NEVER - 1] {
            let live = || model.iter().filter(move |(_, (_, deadline))| *deadline > now);
            prop_assert_eq!(hash.len(now), live().count());
            let fields = (0..hash.positions()).filter_map(|at| hash.at(at, now));
            let mut seen: Vec<_> = fields.map(|field| (field.name, field.value)).collect();
            prop_assert!(hash.iter(now).eq(seen.iter().map(|(name, value)| (&name[..], &value[..]))));
            seen.sort();
            prop_assert_eq!(
                seen,
                live().map(|(name, (value, _))| (name.clone(), value.clone())).collect::<Vec<_>>()
            );
            for id in 0..24 {
                let name = bytes(id);
                let expected = model.get(&name).filter(|(_, deadline)| *deadline > now);
                prop_assert_eq!(hash.get(&name, now), expected.map(|(value, _)| &value[..]));
                prop_assert_eq!(hash.value(&name, now), expected.map(|(value, _)| value.clone()));
                prop_assert_eq!(hash.deadline(&name, now), expected.map(|(_, deadline)| *deadline));
            }
        }
        let held: usize = model.iter().map(|(name, (value, _))| name.len() + value.len()).sum();
        prop_assert!(hash.bytes() >= held);
        Ok(())
    }

    proptest! {
        #[test]
        fn does_what_a_map_does(steps in prop::collection::vec(step(), 1..120)) {
            let (mut hash, mut model) = (Hash::default(), Model::new());
            let mut clones = Vec::new();
            for step in steps {
                match step {
                    Step::Insert(name, value) => {
                        let old = model.insert(bytes(name), (bytes(value), NEVER));
                        prop_assert_eq!(hash.insert(&bytes(name), &bytes(value)), before(old));
                    }
                    Step::Put(name, value) => {
                        let deadline = model.get(&bytes(name)).map_or(NEVER, |(_, deadline)| *deadline);
                        let old = model.insert(bytes(name), (bytes(value), deadline));
                        prop_assert_eq!(hash.put(&bytes(name), &bytes(value)), before(old));
                    }
                    Step::Remove(name) => {
                        let old = model.remove(&bytes(name));
                        prop_assert_eq!(hash.remove(&bytes(name)), old.map(|(value, _)| value));
                    }
                    Step::SetDeadline(name, deadline) => {
                        let entry = model.get_mut(&bytes(name));
                        let old = entry.map(|entry| std::mem::replace(&mut entry.1, deadline));
                        prop_assert_eq!(hash.set_deadline(&bytes(name), deadline), old);
                    }
                    Step::RemoveExpired(now, limit) => {
                        let due = model.values().filter(|(_, deadline)| *deadline <= now).count();
                        let removed = hash.remove_expired(now, limit);
                        prop_assert_eq!(removed, due.min(limit));
                        // Which of the due ones went first is told by their deadlines alone.
                        let gone: Vec<Bytes> =
                            model.keys().filter(|name| hash.get(name, 0).is_none()).cloned().collect();
                        let gone: Vec<Bytes> = gone
                            .into_iter()
                            .filter(|name| !hash.0.iter().any(|(field, _)| field == &name[..]))
                            .collect();
                        prop_assert_eq!(gone.len(), removed);
                        let last = gone.iter().map(|name| model[name].1).max().unwrap_or(0);
                        gone.iter().for_each(|name| drop(model.remove(name)));
                        prop_assert!(last <= now);
                        prop_assert!(model.values().all(|(_, deadline)| *deadline >= last));
                    }
                    Step::RemoveIfExpired(name, now) => {
                        let name = bytes(name);
                        let is_over = model.get(&name).is_some_and(|(_, deadline)| *deadline <= now);
                        prop_assert_eq!(hash.remove_if_expired(&name, now), is_over);
                        if is_over {
                            model.remove(&name);
                        }
                    }
                    Step::Clone => clones.push((hash.clone(), model.clone())),
                }
            }
            check(&hash, &model)?;
            for (hash, model) in &clones {
                check(hash, model)?;
            }
        }
    }

    #[test]
    fn a_hash_without_deadlines_pays_nothing_for_them() {
        assert_eq!(size_of::<Hash>(), 16);
        assert_eq!(size_of::<crate::value::Value>(), 24);
    }
}
