//! What keys weigh where the caller says so.
//!
//! The caller's code runs when no lock is held: a writer notes which keys it has changed, looks at them once
//! more before it lets their locks go, and then has them weighed. Each weight is put down under the lock
//! again, if the key still is what was weighed; if not, whoever has changed it since weighs it. Until
//! then a new key counts for nothing, and another for what it did before.

use std::any::Any;
use std::fmt;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;

use smallvec::SmallVec;

use super::Keyspace;
use super::bound::Bound;
use super::column::Column;
use super::evicted::Evicted;
use super::table::Table;
use super::writer::{Effects, Writer};
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::value::{Value, ValueRef};
use crate::{Bytes, Type};

/// A key that is to be weighed; see [`StoreBuilder::max_weight`](crate::StoreBuilder::max_weight).
///
/// ```
/// use larder::{Store, Type, Weighed};
///
/// // Sessions cost by their number, all else by its size.
/// let weigher = |key: &Weighed<'_>| match key.kind {
///     Type::Hash if key.key.starts_with(b"session:") => 1_000,
///     _ => key.bytes as u64,
/// };
/// let store = Store::builder().max_weight(1_000_000, weigher).build();
/// store.hash::<String, String>("session:42").insert("name", "ann")?;
/// assert_eq!(store.stats()?.weight, 1_000);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Weighed<'k> {
    /// Its name.
    pub key: &'k [u8],
    /// The type of what it holds.
    pub kind: Type,
    /// How long that is: the bytes of a string, the elements of a collection. Fields of a hash that have
    /// expired count until their memory is given back.
    pub len: usize,
    /// Bytes that the name and the value take, without the tables' share.
    pub bytes: usize,
}

/// Who weighs.
#[derive(Clone)]
pub(crate) struct Weigher(pub Arc<dyn Fn(&Weighed<'_>) -> u64 + Send + Sync>);

impl fmt::Debug for Weigher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Weigher")
    }
}

/// What the keys of a table weigh, by their positions.
#[derive(Clone, Default)]
pub(super) struct Weights {
    each: Column<u64>,
    total: u128,
}

impl Weights {
    /// A key was added at the end, which weighs nothing yet. O(1) amortised
    pub(super) fn push(&mut self) {
        self.each.push(0);
    }

    /// The key at a position was taken out, and the last one took its place. O(1) amortised
    pub(super) fn swap_removed(&mut self, at: u32) {
        self.total -= self.each.swap_removed(at).map_or(0, u128::from);
    }

    /// A [`swap_removed`](Self::swap_removed) is taken back. O(1)
    pub(super) fn swap_inserted(&mut self, at: u32, weight: u64) {
        self.total += u128::from(weight);
        self.each.swap_inserted(at, weight);
    }

    /// Only the first so many keys are left. O(1) amortised for each that went
    pub(super) fn truncated(&mut self, len: usize) {
        self.each.truncated(len, |weight| self.total -= u128::from(weight));
    }

    pub(super) fn set(&mut self, at: u32, weight: u64) {
        if let Some(place) = self.each.get_mut(at) {
            self.total = self.total - u128::from(*place) + u128::from(weight);
            *place = weight;
        }
    }

    pub(super) fn get(&self, at: u32) -> u64 {
        self.each.get(at).copied().unwrap_or(0)
    }

    /// The sum of all: 2^32 weights of 64 bits have room in it. O(1)
    pub(super) fn total(&self) -> u128 {
        self.total
    }

    /// Heap memory, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        self.each.bytes()
    }
}

/// What the caller is told of a key beside its name.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Facts {
    kind: Type,
    len: usize,
    bytes: usize,
}

/// A key that was changed, as it was when its lock was let go.
struct Unweighed {
    name: Bytes,
    facts: Facts,
}

/// What keys have been changed by a writer.
#[derive(Default)]
pub(super) struct ToWeigh {
    names: Vec<(u16, Bytes)>,
    keys: Vec<Unweighed>,
}

impl Facts {
    fn of(table: &Table, at: u32) -> Option<Facts> {
        let entry = table.get(at)?;
        let (len, bytes) = match entry.value {
            ValueRef::Short(string) => (string.len(), string.len()),
            ValueRef::Whole(value) => (len(value), value.heap_bytes()),
        };
        Some(Facts { kind: entry.value.kind(), len, bytes: entry.key.len() + bytes })
    }
}

fn len(value: &Value) -> usize {
    match value {
        Value::String(string) => string.len(),
        Value::Native(native) => native.bytes(),
        Value::List(list) => list.len(),
        Value::Set(set) => set.len(),
        Value::Hash(hash) => hash.positions() as usize,
        Value::SortedSet(set) => set.len(),
        Value::Stream(stream) => stream.len(),
    }
}

impl Unweighed {
    fn weighed(&self) -> Weighed<'_> {
        let Facts { kind, len, bytes } = self.facts;
        Weighed { key: &self.name, kind, len, bytes }
    }
}

impl Writer<'_> {
    /// Notes a key that is to be weighed after this event.
    pub(super) fn note_to_weigh(&mut self, key: KeyRef<'_>, event: KeyEvent) {
        use KeyEvent::{Del, Emptied, Evicted, Expire, Expired, Overdue, Persist};
        if !matches!(event, Del | Overdue | Evicted | Expire | Expired | Emptied | Persist) {
            self.note_unchanged(key);
        }
    }

    /// Notes a key whose value says the same as before, but may take other bytes: what a clone shared was copied.
    #[cold]
    pub(super) fn note_unchanged(&mut self, key: KeyRef<'_>) {
        let noted = (self.db(), Bytes::from(key.bytes));
        let names = &mut self.effects_mut().others().to_weigh.names;
        if names.last() != Some(&noted) {
            names.push(noted);
        }
    }

    /// Looks at the keys that were noted, before their locks are let go.
    pub(super) fn look_at_noted(&mut self) {
        let Some(others) = &mut self.effects_mut().others else { return };
        let mut names = mem::take(&mut others.to_weigh.names);
        names.sort_unstable();
        names.dedup();
        for (db, name) in names {
            let key = self.space().key_ref(&name);
            let table = self.shard_mut(key).and_then(|shard| shard.table(db));
            let facts = table.and_then(|table| Facts::of(table, table.find(key.hash, key.bytes)?));
            // One that is gone already weighs nothing.
            if let Some(facts) = facts {
                self.effects_mut().others().to_weigh.keys.push(Unweighed { name, facts });
            }
        }
    }
}

impl Keyspace {
    /// Whether keys are weighed by the caller's code.
    #[inline]
    pub(super) fn weighs(&self) -> bool {
        self.bound().is_some_and(|bound| bound.weigher().is_some())
    }

    /// Has the changed keys weighed. No lock is held: this runs the caller's code. After a panic in it the
    /// others are weighed too; gives the first, to be passed on.
    #[cold]
    pub(super) fn weigh_changed(
        &self,
        bound: &Bound,
        effects: &mut Effects,
        told: &mut Vec<Evicted>,
    ) -> Option<Box<dyn Any + Send>> {
        let Weigher(weigher) = bound.weigher()?;
        let keys = effects.others.as_mut().map(|others| mem::take(&mut others.to_weigh.keys));
        let mut first = None;
        for key in keys.into_iter().flatten() {
            match catch_unwind(AssertUnwindSafe(|| weigher(&key.weighed()))) {
                Ok(weight) => self.put_down(bound, &key, weight, told),
                Err(panic) => first = first.or(Some(panic)),
            }
        }
        first
    }

    /// Puts the weight of a key down, if it still is what was weighed: in whatever database it is by now, as
    /// those may have been exchanged. One that is heavier than the limit goes at once, if it may, and nothing
    /// else for it.
    fn put_down(&self, bound: &Bound, weighed: &Unweighed, weight: u64, told: &mut Vec<Evicted>) {
        let key = self.key_ref(&weighed.name);
        let index = self.shard_of(key.hash);
        let mut effects = Effects::new();
        let mut guard = self.shards[index as usize].0.write();
        let place = |(db, table): (u16, &Table)| {
            let at = table.find(key.hash, key.bytes)?;
            (Facts::of(table, at) == Some(weighed.facts)).then_some((db, at))
        };
        let places: SmallVec<[(u16, u32); 2]> = guard.tables().filter_map(place).collect();
        for (db, at) in places {
            if bound.is_too_heavy(weight) && bound.may_evict(&guard, db, at) {
                let mut writer = Writer::of_one(self, db, index, &mut guard, &mut effects);
                writer.evict_at(0, at);
                writer.serve_waiters();
                writer.seal();
            } else {
                guard.table_mut(db).set_weight(at, weight);
            }
        }
        bound.weigh(&mut guard);
        drop(guard);
        effects.wait_for_nothing();
        told.append(&mut self.settle_effects(&mut effects).0);
    }
}

/// Whether each key of a table has the weight that the caller gives it, and their sum is the table's.
#[cfg(all(test, not(shuttle)))]
pub(super) fn recount(table: &Table, weigher: impl Fn(&Weighed<'_>) -> u64) -> bool {
    let weight = |at| {
        let (name, facts) = (table.contents().name(at)?, Facts::of(table, at)?);
        Some((weigher(&Unweighed { name, facts }.weighed()), table.weight_at(at)))
    };
    let weights: Vec<_> = (0..table.len() as u32).filter_map(weight).collect();
    let total = weights.iter().map(|(weight, _)| u128::from(*weight)).sum::<u128>();
    weights.iter().all(|(weight, noted)| weight == noted) && total == table.weight()
}

/// Passes a panic of the caller's code on, unless the thread panics already.
pub(super) fn pass_on(panic: Option<Box<dyn Any + Send>>) {
    if let Some(panic) = panic.filter(|_| !thread::panicking()) {
        resume_unwind(panic);
    }
}
