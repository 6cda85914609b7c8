//! The road to a key for those who only read.

use std::cell::Cell;

use super::shard::Shard;
use super::table::{Entry, Table};
use super::{Keyspace, Missed, Parts};
use crate::clock::NEVER;
use crate::key::KeyRef;
use crate::value::Kind;
use crate::{Bytes, Error, Result};

/// Before the time was read. No clock comes so far.
pub(super) const UNREAD: u64 = NEVER;

enum Held<'v> {
    One(&'v Shard),
    Several(Parts<&'v Shard>),
}

/// Read access to the keys of one database in the shards that are held.
pub(crate) struct View<'v> {
    space: &'v Keyspace,
    db: u16,
    shards: Held<'v>,
    /// The time of this view, read once, and only when a deadline is near.
    now: Cell<u64>,
    /// Nothing that is read is a use.
    leaves_no_trace: Cell<bool>,
    /// Where it is to tell of keys that it does not find.
    missed: Cell<Option<&'v Missed>>,
}

impl<'v> View<'v> {
    #[inline]
    pub(crate) fn new(space: &'v Keyspace, db: u16, shards: Parts<&'v Shard>) -> Self {
        View::of(space, db, Held::Several(shards))
    }

    #[inline]
    fn of(space: &'v Keyspace, db: u16, shards: Held<'v>) -> Self {
        let (now, leaves_no_trace) = (Cell::new(UNREAD), Cell::new(false));
        View { space, db, shards, now, leaves_no_trace, missed: Cell::new(None) }
    }

    /// The same, of which nothing that is read is a use, or all.
    #[inline]
    pub(crate) fn leaving_no_trace(&self, leaves_no_trace: bool) -> &Self {
        self.leaves_no_trace.set(leaves_no_trace);
        self
    }

    /// The same, whose reads are those of a command: who wants to know is told of keys that are not found.
    #[inline]
    pub(crate) fn telling(self, missed: &'v Missed) -> Self {
        self.missed.set(Some(missed));
        self
    }

    /// The same for what is none of a command's reads, from now on: nobody is told.
    pub(crate) fn quiet(&self) -> &Self {
        self.missed.set(None);
        self
    }

    /// The same at that moment, if it is known.
    #[inline]
    pub(super) fn at(self, now: u64) -> Self {
        self.now.set(now);
        self
    }

    /// A view of one shard, in which all keys asked for are.
    #[inline]
    pub(crate) fn of_one(space: &'v Keyspace, db: u16, shard: &'v Shard) -> Self {
        View::of(space, db, Held::One(shard))
    }

    pub(crate) fn now(&self) -> u64 {
        if self.now.get() == UNREAD {
            self.now.set(self.space.clock().now());
        }
        self.now.get()
    }

    /// The time, or one that lies before it if the moment is a while ahead anyway.
    #[inline]
    fn now_before(&self, moment: u64) -> u64 {
        if self.now.get() == UNREAD && self.space.clock().is_far(moment) { 0 } else { self.now() }
    }

    pub(crate) fn space(&self) -> &'v Keyspace {
        self.space
    }

    /// The entry of a key, if it has one that has not expired. Counts a hit or a miss, of which it tells, and as a use.
    #[inline(always)]
    pub(crate) fn entry(&self, key: KeyRef<'_>) -> Option<Entry<'v>> {
        let (table, at, entry) = self.look(key)?;
        if !self.leaves_no_trace.get() {
            self.space.touch(table, at, self.now.get());
        }
        Some(entry)
    }

    /// The same for what is no use of the value.
    pub(crate) fn glance(&self, key: KeyRef<'_>) -> Option<Entry<'v>> {
        self.look(key).map(|(_, _, entry)| entry)
    }

    /// The table of a key that is there, and its position. Counts a hit or a miss, and is no use.
    #[cfg(feature = "commands")]
    pub(super) fn position(&self, key: KeyRef<'_>) -> Option<(&'v Table, u32)> {
        self.look(key).map(|(table, at, _)| (table, at))
    }

    #[inline(always)]
    fn look(&self, key: KeyRef<'_>) -> Option<(&'v Table, u32, Entry<'v>)> {
        let found = self.live(key);
        self.space.lookups().count(self.db, found.is_some());
        if found.is_none() && self.space.told().has_misses() {
            if let Some(missed) = self.missed.get() {
                missed.tell(self.space, self.db, key);
            }
        }
        found
    }

    #[inline(always)]
    fn live(&self, key: KeyRef<'_>) -> Option<(&'v Table, u32, Entry<'v>)> {
        let table = self.shard(key)?.table(self.db)?;
        let (at, entry) = table.seek(key.hash, key.bytes)?;
        if entry.is_expired(|moment| self.now_before(moment)) {
            return None;
        }
        Some((table, at, entry))
    }

    /// Whether a key is never evicted.
    pub(crate) fn is_pinned(&self, key: KeyRef<'_>) -> bool {
        let db = self.db;
        self.shard(key).is_some_and(|shard| shard.pinned.contains(&(db, Bytes::from(key.bytes))))
    }

    /// The key's value as the type that the operation is for.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it holds another.
    #[inline(always)]
    pub(crate) fn find<K: Kind>(&self, key: KeyRef<'_>) -> Result<Option<K::Ref<'v>>> {
        match self.entry(key) {
            Some(entry) => match K::of(entry.value) {
                Some(value) => Ok(Some(value)),
                None => Err(Error::WrongType),
            },
            None => Ok(None),
        }
    }

    /// Whether the key, or a part of its value, still stands there although its time is over. Counts
    /// nothing.
    pub(crate) fn is_overdue(&self, key: KeyRef<'_>) -> bool {
        let table = self.shard(key).and_then(|shard| shard.table(self.db));
        let entry = table.and_then(|table| table.seek(key.hash, key.bytes)).map(|(_, entry)| entry);
        entry.is_some_and(|entry| entry.deadline.min(entry.value.next_deadline()) <= self.now())
    }

    #[inline]
    fn shard(&self, key: KeyRef<'_>) -> Option<&'v Shard> {
        match &self.shards {
            Held::One(only) => Some(only),
            Held::Several(shards) => {
                let index = self.space.shard_of(key.hash);
                // Where all are held, each stands at its place.
                let at_its_place = shards.get(index as usize).filter(|(of, _)| *of == index);
                let found = at_its_place.or_else(|| shards.iter().find(|(of, _)| *of == index));
                found.map(|(_, shard)| *shard)
            }
        }
    }
}
