//! The road to a key for those who change it, and the one exit after a change.

mod announce;
mod effects;
mod exchange;
mod expire;
mod native;
mod note;
mod take_back;

use std::{iter, mem};

use super::shard::Shard;
use super::table::Table;
use super::view::{UNREAD, View};
use super::{Keyspace, Parts};
use crate::clock::NEVER;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::value::{Kind, Value, ValueRef};
use crate::wake::Wakes;
use crate::{Error, Result};

pub(crate) use effects::Effects;
pub(crate) use note::Step;

/// Write access to the keys of one database in the shards that are held: all that differs between
/// a plain call and a transaction is who holds them.
pub(crate) struct Writer<'w> {
    space: &'w Keyspace,
    db: u16,
    shards: Held<'w>,
    effects: &'w mut Effects,
    /// The time of this writer, once it was read.
    now: u64,
    /// Nothing that is added from now on is refused for want of room.
    pub(super) is_admitted: bool,
    /// The hash of the key that was used last: one operation is one use.
    used: u64,
    /// No key that is looked at counts as used.
    leaves_no_trace: bool,
}

/// One shard, as for most operations, or several; both as one slice.
enum Held<'w> {
    One([(u32, &'w mut Shard); 1]),
    Several(Parts<&'w mut Shard>),
}

impl<'w> Held<'w> {
    fn parts(&self) -> &[(u32, &'w mut Shard)] {
        match self {
            Held::One(one) => one,
            Held::Several(several) => several,
        }
    }

    #[inline]
    fn parts_mut(&mut self) -> &mut [(u32, &'w mut Shard)] {
        match self {
            Held::One(one) => one,
            Held::Several(several) => several,
        }
    }
}

/// How many parts that have expired a write to a value removes on its way, beside those that it names: more
/// than it adds, and few enough for the lock. The sweeper takes the rest.
pub(super) const PARTS: usize = if crate::TINY { 2 } else { 256 };

/// What an operation does with a key that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absent {
    /// Starts with an empty value.
    Create,
    /// Does nothing.
    Skip,
}

/// What becomes of a key's deadline when its value is replaced.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Deadline {
    Clear,
    Keep,
    At(u64),
}

/// An operation's result, and the event to announce if it has changed anything.
pub(crate) type Done<R> = Result<(R, Option<KeyEvent>)>;

impl<'w> Writer<'w> {
    pub(crate) fn new(
        space: &'w Keyspace,
        db: u16,
        shards: Parts<&'w mut Shard>,
        effects: &'w mut Effects,
    ) -> Self {
        Writer::of(space, db, Held::Several(shards), effects)
    }

    /// The same at that moment, if it is known.
    #[inline]
    pub(super) fn at(mut self, now: u64) -> Self {
        self.now = now;
        self
    }

    /// A writer to the one shard of this index.
    #[inline]
    pub(crate) fn of_one(
        space: &'w Keyspace,
        db: u16,
        index: u32,
        shard: &'w mut Shard,
        effects: &'w mut Effects,
    ) -> Self {
        Writer::of(space, db, Held::One([(index, shard)]), effects)
    }

    #[inline]
    fn of(space: &'w Keyspace, db: u16, shards: Held<'w>, effects: &'w mut Effects) -> Self {
        let (now, is_admitted, used, leaves_no_trace) = (UNREAD, false, 0, false);
        Writer { space, db, shards, effects, now, is_admitted, used, leaves_no_trace }
    }

    /// The same, of which no key that is looked at counts as used, or each.
    #[inline]
    pub(crate) fn leaving_no_trace(&mut self, leaves_no_trace: bool) -> &mut Self {
        self.leaves_no_trace = leaves_no_trace;
        self
    }

    pub(super) fn effects_mut(&mut self) -> &mut Effects {
        self.effects
    }

    pub(crate) fn space(&self) -> &'w Keyspace {
        self.space
    }

    pub(crate) fn now(&mut self) -> u64 {
        if self.now == UNREAD {
            self.now = self.space.clock().now();
        }
        self.now
    }

    /// The time, or one that lies before it if the moment is a while ahead anyway.
    #[inline]
    fn now_before(&mut self, moment: u64) -> u64 {
        if self.now == UNREAD && self.space.clock().is_far(moment) { 0 } else { self.now() }
    }

    /// The number of the database.
    pub(crate) fn db(&self) -> u16 {
        self.db
    }

    /// Runs an operation on the same keys in another database: a key's shard is the same in all.
    pub(crate) fn in_db<R>(&mut self, db: u16, op: impl FnOnce(&mut Self) -> R) -> R {
        let home = mem::replace(&mut self.db, db);
        let result = op(self);
        self.db = home;
        result
    }

    /// The same keys, for an operation that only reads.
    pub(crate) fn view(&mut self) -> View<'_> {
        let shards = self.shards.parts().iter().map(|(index, shard)| (*index, &**shard)).collect();
        let view = View::new(self.space, self.db, shards).at(self.now);
        view.leaving_no_trace(self.leaves_no_trace);
        self.effects.have_told(view)
    }

    /// The key's value, if it is there.
    pub(crate) fn value(&mut self, key: KeyRef<'_>) -> Option<ValueRef<'_>> {
        let at = self.live(key)?;
        self.table(key)?.get(at).map(|entry| entry.value)
    }

    /// The key's value as the type that the operation is for.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it holds another.
    pub(crate) fn find<K: Kind>(&mut self, key: KeyRef<'_>) -> Result<Option<K::Ref<'_>>> {
        Ok(self.find_at::<K>(key)?.map(|(_, value)| value))
    }

    /// The same, and its position, for an operation that goes on to [`rewrite`](Self::rewrite) it.
    ///
    /// # Errors
    /// [`Error::WrongType`] if it holds another.
    pub(crate) fn find_at<K: Kind>(&mut self, key: KeyRef<'_>) -> Result<Option<(u32, K::Ref<'_>)>> {
        let Some(at) = self.live(key) else { return Ok(None) };
        let Some(entry) = self.table(key).and_then(|table| table.get(at)) else { return Ok(None) };
        match K::of(entry.value) {
            Some(value) => Ok(Some((at, value))),
            None => Err(Error::WrongType),
        }
    }

    /// The deadline of a key that is there: [`NEVER`] if it has none.
    pub(crate) fn deadline(&mut self, key: KeyRef<'_>) -> Option<u64> {
        let at = self.live(key)?;
        self.table(key)?.get(at).map(|entry| entry.deadline)
    }

    /// Changes a key's value in place: makes it if it is missing and `absent` says so, removes it if
    /// it has become empty, and announces the change. `None` if the key is missing and stays so.
    ///
    /// `change` must leave the value as it was when it gives an error, and so that it means the same when it
    /// gives no event.
    ///
    /// # Errors
    /// [`Error::WrongType`], and whatever `change` gives.
    pub(crate) fn update<K: Kind, R>(
        &mut self,
        key: KeyRef<'_>,
        absent: Absent,
        change: impl FnOnce(&mut K) -> Done<R>,
    ) -> Result<Option<R>> {
        debug_assert!(!K::HAS_PARTS, "parts are changed by name");
        self.update_parts(key, absent, iter::empty(), change)
    }

    /// [`update`](Self::update) for a value of which parts may expire by themselves: to those of the names
    /// given, all that `change` looks at, none that has expired is left. Of the others some may be.
    pub(crate) fn update_parts<'n, K: Kind, R>(
        &mut self,
        key: KeyRef<'_>,
        absent: Absent,
        named: impl Iterator<Item = &'n [u8]>,
        change: impl FnOnce(&mut K) -> Done<R>,
    ) -> Result<Option<R>> {
        self.journal_begin();
        if absent == Absent::Create {
            self.admit(key, 0)?;
        }
        let Some(at) = self.live(key) else {
            if absent == Absent::Skip {
                return Ok(None);
            }
            let mut fresh = K::default();
            let (result, event) = change(&mut fresh)?;
            if let Some(event) = event {
                if !(K::GOES_WHEN_EMPTY && fresh.is_empty()) {
                    self.set(key, fresh.into_value(), Deadline::Clear, event)?;
                    // It is written whole: what a journal has of an older value is none of it.
                    self.journal_begin();
                }
            }
            return Ok(Some(result));
        };
        if K::HAS_PARTS {
            self.expire_parts::<K>(key, at, named, PARTS);
        }
        self.remember(key);
        // Not read yet: no part has a deadline.
        let now = if self.now == UNREAD { 0 } else { self.now };
        let mut change = Some(change);
        let mut attempt = |value: &mut Value| {
            let Some(inner) = K::of_mut(value) else { return Err(Error::WrongType) };
            // It runs once: a value of the wrong type does not come this far.
            let Some(change) = change.take() else { return Err(Error::WrongType) };
            let (result, event) = change(inner)?;
            Ok::<_, Error>((result, event, K::GOES_WHEN_EMPTY && inner.is_over(now)))
        };
        let Some(table) = self.table_mut(key) else { return Ok(None) };
        let mut outcome = table.update(at, &mut attempt);
        if matches!(outcome, Some(Err(Error::WrongType))) && self.make_plain(key, at) {
            outcome = self.table_mut(key).and_then(|table| table.update(at, attempt));
        }
        let Some(outcome) = outcome else { return Ok(None) };
        if !matches!(outcome, Ok((_, Some(_), _))) && self.space.weighs() {
            self.note_unchanged(key);
        }
        let (result, event, is_empty) = outcome?;
        if let Some(event) = event {
            if K::HAS_PARTS {
                self.note_parts(key, at);
            }
            self.changed(key, event);
            if is_empty {
                self.discard_at(key, at, KeyEvent::Del);
            }
        }
        Ok(Some(result))
    }

    /// Puts the bytes that a native value is encoded to in its place; false if it is another value, or was not encoded.
    #[cold]
    fn make_plain(&mut self, key: KeyRef<'_>, at: u32) -> bool {
        let Some(entry) = self.table(key).and_then(|table| table.get(at)) else { return false };
        let ValueRef::Whole(Value::Native(native)) = entry.value else { return false };
        let Some(bytes) = native.encoded().cloned() else { return false };
        let deadline = entry.deadline;
        let old = self.table_mut(key).and_then(|table| table.replace(at, Value::String(bytes), deadline));
        self.effects.garbage.extend(old);
        self.wake_for(key, at);
        if self.is_journaled() {
            self.journal_whole(key);
        }
        true
    }

    /// Gives a key a value, whatever it held before.
    ///
    /// # Errors
    /// [`Error::TooLong`] if the key's name is over the limit, [`Error::TooManyKeys`] if its shard is full.
    #[inline]
    pub(crate) fn set(
        &mut self,
        key: KeyRef<'_>,
        value: Value,
        deadline: Deadline,
        event: KeyEvent,
    ) -> Result<()> {
        let is_over = match deadline {
            Deadline::At(at) => self.now_before(at) >= at,
            _ => false,
        };
        // It is over before it has begun: what was there is gone all the same. Redis tells of it as of any other.
        if is_over && !(event == KeyEvent::Set && self.space.told().tells_of_what_is_over()) {
            self.discard(key, KeyEvent::Overdue);
            value.retire();
            self.discard_value(value);
            return Ok(());
        }
        key.check(self.space.limits().value)?;
        self.admit(key, value.heap_bytes())?;
        let found = self.live(key);
        self.remember(key);
        let kind = value.kind();
        // The sweeper comes for the parts of the value that expire by themselves.
        self.effects.wake_at = self.effects.wake_at.min(value.next_deadline());
        let remarks = found.filter(|_| self.space.told().has_overwriting());
        let (space, now) = (self.space, self.now);
        let Some(table) = self.table_mut(key) else { return Ok(()) };
        let was = remarks.and_then(|at| table.get(at)).map(|entry| entry.value.kind());
        let at_time = match deadline {
            Deadline::At(at) => at,
            Deadline::Clear => NEVER,
            Deadline::Keep => found.and_then(|at| table.get(at)).map_or(NEVER, |entry| entry.deadline),
        };
        match found {
            Some(at) => {
                let old = table.replace(at, value, at_time);
                if let Some(old) = old {
                    self.effects.garbage.push(old);
                }
            }
            None => {
                table.insert(key.hash, key.bytes, value, at_time)?;
                space.came(table, now);
                self.used = key.hash;
            }
        }
        self.effects.wake_at = self.effects.wake_at.min(at_time);
        if !event.is_arrival() && (found.is_none() || event.replaces() == Some(true)) {
            self.tell_new(key);
        }
        match (was, event.replaces()) {
            (Some(was), Some(comes_first)) => self.replaced(key, event, comes_first, was != kind),
            _ => self.changed(key, event),
        }
        if event == KeyEvent::Set && matches!(deadline, Deadline::At(_)) {
            self.told_too(key, KeyEvent::Expire);
        }
        if is_over {
            self.glance(key);
        }
        Ok(())
    }

    /// Gives a key that [was found](Self::find_at) another string, and leaves it its deadline.
    pub(crate) fn rewrite(&mut self, key: KeyRef<'_>, at: u32, string: &[u8], event: KeyEvent) {
        self.remember(key);
        if let Some(old) = self.table_mut(key).and_then(|table| table.rewrite(at, string)) {
            self.effects.garbage.push(old);
            self.wake_for(key, at);
        }
        self.changed(key, event);
    }

    /// Has the sweeper come for a key that may be gone earlier than its value was: one of a cache, which that keeps for longer
    /// than it shows it.
    fn wake_for(&mut self, key: KeyRef<'_>, at: u32) {
        let deadline = self.table(key).map_or(NEVER, |table| table.deadline_at(at));
        self.effects.wake_at = self.effects.wake_at.min(deadline);
    }

    /// Removes a key; gives back its value and deadline. One that is missing is still fenced: who
    /// removes it may mean what a load under way has read.
    pub(crate) fn remove(&mut self, key: KeyRef<'_>, event: KeyEvent) -> Option<(Value, u64)> {
        let at = self.live_or_fence(key)?;
        self.keep_what_goes(key);
        let taken = self.table_mut(key)?.take(at)?;
        self.changed(key, event);
        Some(taken)
    }

    /// Removes a key whose value nobody wants; true if it was there.
    pub(crate) fn discard(&mut self, key: KeyRef<'_>, event: KeyEvent) -> bool {
        let Some(at) = self.live_or_fence(key) else { return false };
        self.discard_at(key, at, event);
        true
    }

    /// Hands over a value to be freed when the locks are.
    #[inline]
    pub(crate) fn discard_value(&mut self, value: Value) {
        // A string that lies inline has nothing to free.
        if value.heap_bytes() > 0 {
            self.effects.garbage.push(value);
        }
    }

    /// Gives a key that is there another deadline; one that has passed removes it. False if the key
    /// is missing.
    pub(crate) fn set_deadline(&mut self, key: KeyRef<'_>, deadline: u64) -> bool {
        if deadline <= self.now() {
            return self.discard(key, KeyEvent::Overdue);
        }
        let Some(at) = self.live(key) else { return false };
        self.remember(key);
        if let Some(table) = self.table_mut(key) {
            table.set_deadline(at, deadline);
            // Its cache asks the table from now on.
            if let Some(ValueRef::Whole(value)) = table.get(at).map(|entry| entry.value) {
                value.retire();
            }
        }
        self.effects.wake_at = self.effects.wake_at.min(deadline);
        self.changed(key, if deadline == NEVER { KeyEvent::Persist } else { KeyEvent::Expire });
        true
    }

    /// Whether the shard of a key is held by this writer.
    pub(crate) fn holds(&self, key: KeyRef<'_>) -> bool {
        let index = self.space.shard_of(key.hash);
        self.shards.parts().iter().any(|(of, _)| *of == index)
    }

    /// All shards that are held, with their indexes.
    #[inline]
    pub(super) fn parts_mut(&mut self) -> &mut [(u32, &'w mut Shard)] {
        self.shards.parts_mut()
    }

    /// The shard of a key, for those who wait for it or watch it.
    #[inline]
    pub(crate) fn shard_mut(&mut self, key: KeyRef<'_>) -> Option<&mut Shard> {
        match self.shards.parts_mut() {
            [(_, only)] => Some(only),
            shards => {
                let index = self.space.shard_of(key.hash);
                shards.iter_mut().find(|(of, _)| *of == index).map(|(_, shard)| &mut **shard)
            }
        }
    }

    /// The table of the one shard that a sweep holds.
    pub(super) fn only_table(&mut self) -> Option<&mut Table> {
        let db = self.db;
        self.shards.parts_mut().first_mut().map(|(_, shard)| shard.table_mut(db))
    }

    /// Tasks to wake when the locks are free.
    pub(crate) fn wakes(&mut self) -> &mut Wakes {
        &mut self.effects.others().wakes
    }

    /// The position of a key that is there, which is a use of it.
    #[inline]
    pub(in crate::keyspace) fn live(&mut self, key: KeyRef<'_>) -> Option<u32> {
        let at = self.glance(key)?;
        if self.used != key.hash && !self.leaves_no_trace {
            self.used = key.hash;
            let (space, now) = (self.space, self.now);
            if let Some(table) = self.table(key) {
                space.touch(table, at, now);
            }
        }
        Some(at)
    }

    /// The same for what is none. One that has expired is removed on the way.
    #[inline]
    pub(super) fn glance(&mut self, key: KeyRef<'_>) -> Option<u32> {
        let (clock, mut now) = (self.space.clock(), self.now);
        let (at, entry) = self.table(key)?.seek(key.hash, key.bytes)?;
        let expired = entry.is_expired(|moment| {
            if now == UNREAD {
                if clock.is_far(moment) {
                    return 0;
                }
                now = clock.now();
            }
            now
        });
        let deadline = entry.deadline;
        self.now = now;
        if expired {
            let event = if deadline <= now { KeyEvent::Expired } else { KeyEvent::Emptied };
            self.discard_at(key, at, event);
            return None;
        }
        Some(at)
    }

    /// The position of a key that is there; the loads of one that is missing are fenced.
    fn live_or_fence(&mut self, key: KeyRef<'_>) -> Option<u32> {
        let live = self.live(key);
        let db = self.db;
        if let Some(shard) = self.shard_mut(key).filter(|_| live.is_none()) {
            shard.watches.fence(db, key.bytes);
        }
        live
    }

    fn discard_at(&mut self, key: KeyRef<'_>, at: u32, event: KeyEvent) {
        self.keep_what_goes(key);
        let value = self.table_mut(key).and_then(|table| table.remove(at));
        if let Some(value) = value {
            if let (KeyEvent::Emptied, Value::Hash(hash)) = (event, &value) {
                // None has expired at the line's start.
                self.count_expired_parts(key, hash.len(0));
            }
            self.effects.garbage.push(value);
        }
        self.changed(key, event);
    }

    #[inline]
    fn table(&mut self, key: KeyRef<'_>) -> Option<&Table> {
        let db = self.db;
        self.shard_mut(key)?.table(db)
    }

    #[inline]
    pub(in crate::keyspace) fn table_mut(&mut self, key: KeyRef<'_>) -> Option<&mut Table> {
        let db = self.db;
        self.shard_mut(key).map(|shard| shard.table_mut(db))
    }
}
