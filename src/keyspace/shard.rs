//! What one lock guards: a part of each database's keys, and who waits for or watches them.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::handover::Asked;
use super::hasher::Common;
use super::table::Table;
use super::watch::Watches;
use super::writer::Writer;
use crate::key::KeyRef;
use crate::{Bytes, Type};

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Shard {
    /// Tables are made on demand: most stores use one database.
    tables: Vec<Option<Box<Table>>>,
    notes: Notes,
    /// What all tables weigh, as it was last counted.
    pub weight: u64,
    /// How many keys have a deadline, as it was last counted where that matters.
    pub timed: usize,
    /// Keys that are never evicted, there or not.
    pub pinned: Pinned,
    pub waiters: Waiters,
    pub watches: Watches,
}

/// What tables note of each key beside what it holds.
#[derive(Clone, Copy, Default)]
pub(super) struct Notes {
    /// Whether it is in use, to evict one that is not.
    pub recency: bool,
    pub weight: bool,
    /// When it was last used.
    pub times: bool,
}

/// Names of keys, with their database.
type Pinned = HashSet<(u16, Bytes), Common>;

impl Shard {
    pub(super) fn new(notes: Notes) -> Self {
        Shard { notes, ..Shard::default() }
    }

    /// Has all tables note from now on which of their keys are in use. O(n), but nothing for tables that do
    pub(super) fn note_use(&mut self) {
        self.notes.recency = true;
        self.tables.iter_mut().flatten().for_each(|table| table.note_use());
    }

    /// Has all tables note from now on when their keys are used. O(n), but nothing for tables that do
    pub(super) fn note_times(&mut self, now: u64) {
        self.notes.times = true;
        self.tables.iter_mut().flatten().for_each(|table| table.note_times(now));
    }

    #[inline]
    pub(crate) fn table(&self, db: u16) -> Option<&Table> {
        self.tables.get(usize::from(db))?.as_deref()
    }

    #[inline]
    pub(crate) fn table_mut(&mut self, db: u16) -> &mut Table {
        let db = usize::from(db);
        if self.tables.len() <= db {
            self.make_room_for(db);
        }
        let notes = self.notes;
        self.tables[db].get_or_insert_with(|| empty_table(notes))
    }

    #[cold]
    fn make_room_for(&mut self, db: usize) {
        self.tables.resize_with(db + 1, || None);
    }

    /// Asks for the page of a key that is going to be written to: see [`Table::ask`].
    pub(super) fn ask(&mut self, db: u16, key: KeyRef<'_>) -> Option<Asked> {
        self.tables.get_mut(usize::from(db))?.as_deref_mut()?.ask(key.hash, key.bytes)
    }

    /// Whether that is worth it.
    #[inline]
    pub(super) fn hands_over(&mut self, db: u16) -> bool {
        self.tables.get_mut(usize::from(db)).and_then(Option::as_mut).is_some_and(|table| table.hands_over())
    }

    /// A table that is there, and the keys that are never evicted.
    pub(super) fn table_and_pinned(&mut self, db: u16) -> Option<(&mut Table, &Pinned)> {
        let Shard { tables, pinned, .. } = self;
        Some((tables.get_mut(usize::from(db))?.as_deref_mut()?, pinned))
    }

    /// Gives back what empty tables hold for deadlines to come.
    pub(super) fn forget_deadlines(&mut self) {
        for table in self.tables.iter_mut().flatten().filter(|table| table.len() == 0) {
            table.forget_deadlines();
        }
    }

    /// Whether anybody waits for one of the keys or watches it.
    #[inline]
    pub(super) fn is_heard(&self) -> bool {
        !self.waiters.queues.is_empty() || !self.watches.is_empty()
    }

    /// The keys alone, shared with this shard: nobody waits for them or watches them. O(pages)
    pub(super) fn share(&self) -> Shard {
        let Shard { tables, notes, pinned, .. } = self;
        Shard { tables: tables.clone(), notes: *notes, pinned: pinned.clone(), ..Shard::default() }
    }

    /// Exchanges the keys for those of another shard; what has been counted stays.
    pub(super) fn exchange_keys(&mut self, other: &mut Shard, now: u64) {
        mem::swap(&mut self.tables, &mut other.tables);
        mem::swap(&mut self.pinned, &mut other.pinned);
        // These may come from a time when there was no limit, or nobody to ask.
        if self.notes.recency {
            self.note_use();
        }
        if self.notes.times {
            self.note_times(now);
        }
        for (db, table) in other.tables() {
            self.table_mut(db).counters = table.counters.clone();
        }
    }

    /// The tables in use, with their database's number.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (u16, &Table)> {
        (0..).zip(&self.tables).filter_map(|(db, table)| Some((db, table.as_deref()?)))
    }

    pub(super) fn tables_mut(&mut self) -> impl Iterator<Item = (u16, &mut Table)> {
        (0..).zip(&mut self.tables).filter_map(|(db, table)| Some((db, table.as_deref_mut()?)))
    }

    /// Takes a whole table out.
    pub(crate) fn take_table(&mut self, db: u16) -> Option<Box<Table>> {
        self.tables.get_mut(usize::from(db))?.take()
    }

    /// Puts a table in the place of another database's.
    pub(crate) fn put_table(&mut self, db: u16, table: Option<Box<Table>>) {
        self.table_mut(db);
        self.tables[usize::from(db)] = table;
    }
}

#[cold]
fn empty_table(notes: Notes) -> Box<Table> {
    Box::new(Table::with(notes))
}

/// Somebody who waits for a key to hold what they want.
pub(crate) trait Waiting: Send + Sync {
    /// Tries to serve the waiter from `key`, by the writer who has just changed it.
    fn serve(&self, writer: &mut Writer<'_>, key: KeyRef<'_>) -> Serve;

    /// Whether it waits no more once the key is missing, or holds another type.
    fn minds_absence(&self) -> bool;

    /// Whether it still waits, and a value of this type is what it waits for.
    fn wants(&self, kind: Type) -> bool;
}

/// How an attempt to serve a waiter ended.
pub(crate) enum Serve {
    /// It was served, or waits no more: the next in the queue has its turn.
    Done,
    /// The key has nothing for it: it keeps its place in the queue.
    Nothing,
    /// It also needs this key, whose shard the writer does not hold. Nothing was changed.
    Needs(Bytes),
}

/// The queues of one shard's keys, first come first served.
#[derive(Default)]
pub(crate) struct Waiters {
    queues: HashMap<(u16, Bytes), VecDeque<Arc<dyn Waiting>>, Common>,
    /// How many of them mind that a key has gone.
    minding: usize,
}

impl Waiters {
    pub(crate) fn has(&self, db: u16, key: &[u8]) -> bool {
        !self.queues.is_empty() && self.queues.contains_key(&(db, Bytes::from(key)))
    }

    /// The one at a place in the key's queue.
    pub(crate) fn nth(&self, db: u16, key: &Bytes, place: usize) -> Option<Arc<dyn Waiting>> {
        self.queues.get(&(db, key.clone()))?.get(place).cloned()
    }

    /// Whether somebody already waits for the key to hold a value of this type.
    pub(crate) fn want(&self, db: u16, key: &Bytes, kind: Type) -> bool {
        !self.queues.is_empty()
            && self.queues.get(&(db, key.clone())).into_iter().flatten().any(|waiter| waiter.wants(kind))
    }

    pub(crate) fn mind_absence(&self) -> bool {
        self.minding > 0
    }

    pub(crate) fn add(&mut self, db: u16, key: &Bytes, waiter: Arc<dyn Waiting>) {
        self.minding += usize::from(waiter.minds_absence());
        self.queues.entry((db, key.clone())).or_default().push_back(waiter);
    }

    pub(crate) fn remove(&mut self, db: u16, key: &Bytes, waiter: &Arc<dyn Waiting>) {
        let id = (db, key.clone());
        if let Some(queue) = self.queues.get_mut(&id) {
            let before = queue.len();
            queue.retain(|other| !Arc::ptr_eq(other, waiter));
            if waiter.minds_absence() {
                self.minding = self.minding.saturating_sub(before - queue.len());
            }
            if queue.is_empty() {
                self.queues.remove(&id);
            }
        }
    }

    /// How many wait for keys of the database; one who waits for two keys counts twice.
    pub(crate) fn len(&self, db: u16) -> usize {
        self.queues.iter().filter(|((of, _), _)| *of == db).map(|(_, queue)| queue.len()).sum()
    }

    /// How many keys somebody waits for.
    #[cfg(feature = "commands")]
    pub(crate) fn keys_waited_for(&self) -> usize {
        self.queues.len()
    }

    /// How many of them somebody waits for who minds that they go.
    #[cfg(feature = "commands")]
    pub(crate) fn keys_minded(&self) -> usize {
        let minds = |queue: &&VecDeque<Arc<dyn Waiting>>| queue.iter().any(|waiter| waiter.minds_absence());
        if self.mind_absence() { self.queues.values().filter(minds).count() } else { 0 }
    }

    /// The keys that somebody waits for, in order, with their database.
    pub(crate) fn keys(&self) -> Vec<(u16, Bytes)> {
        let mut keys: Vec<_> = self.queues.keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// Those of one database.
    pub(crate) fn keys_of(&self, db: u16) -> Vec<Bytes> {
        self.keys().into_iter().filter(|(of, _)| *of == db).map(|(_, key)| key).collect()
    }
}
