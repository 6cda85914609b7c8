//! What has expired leaves: keys and parts of values, found on the road or by the sweeper.

use std::iter;

use super::{Effects, Writer};
use crate::Bytes;
use crate::clock::NEVER;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::Evicted;
use crate::value::hash::Hash;
use crate::value::{Kind, Value};

impl Writer<'_> {
    /// Removes keys from the end of [`only_table`](Self::only_table) that are due by `now`, `limit` of them at
    /// most; gives how many those were.
    pub(in crate::keyspace) fn expire_last(&mut self, now: u64, limit: usize) -> usize {
        let is_heard = self.is_heard();
        let mut names = Vec::new();
        let Effects { garbage, .. } = &mut *self.effects;
        let db = self.db;
        let Some((_, shard)) = self.shards.parts_mut().first_mut() else { return 0 };
        let table = shard.table_mut(db);
        let count = table.pop_due(now, limit, |name, value| {
            if let Some(value) = value {
                garbage.push(value);
            }
            if is_heard {
                names.push(Bytes::from(name));
            }
        });
        table.counters.expired += count as u64;
        for name in names {
            // The hash only tells shards apart, and a sweep holds one.
            self.announce(KeyRef { bytes: &name, hash: 0 }, KeyEvent::Expired);
            if self.is_journaled() {
                self.journal_whole(self.space.key_ref(&name));
            }
        }
        count
    }

    /// Removes an entry of [`only_table`](Self::only_table) whose time has come.
    pub(in crate::keyspace) fn expire_at(&mut self, at: u32) {
        self.let_go(0, at, KeyEvent::Expired);
    }

    /// Evicts an entry of one of the shards that are held.
    pub(in crate::keyspace) fn evict_at(&mut self, part: usize, at: u32) {
        self.let_go(part, at, KeyEvent::Evicted);
    }

    /// Removes an entry of one of the shards that are held; its name is looked at only if somebody wants to
    /// know.
    fn let_go(&mut self, part: usize, at: u32, event: KeyEvent) {
        let (is_heard, db) = (self.is_heard(), self.db);
        let Some((_, shard)) = self.shards.parts_mut().get_mut(part) else { return };
        let table = shard.table_mut(db);
        let is_told = event == KeyEvent::Evicted && self.space.tells_evicted();
        let name = if is_heard || is_told { table.contents().name(at) } else { None };
        let value = if is_told { table.take(at).map(|(value, _)| value) } else { table.remove(at) };
        if let (true, Some(key), Some(value)) = (is_told, &name, &value) {
            let string = if let Value::String(bytes) = value { Some(bytes.clone()) } else { None };
            let evicted = Evicted { db, key: key.clone(), kind: value.kind(), value: string };
            self.effects.others().evicted.push(evicted);
        }
        match name {
            Some(name) => {
                let key = self.space.key_ref(&name);
                self.changed(key, event);
            }
            None if event == KeyEvent::Evicted => table.counters.evicted += 1,
            None => table.counters.expired += 1,
        }
        if let Some(value) = value {
            self.effects.garbage.push(value);
        }
    }

    /// Removes the key if it has expired, or parts of its value that have, `limit` of them at most; gives
    /// how many parts those were.
    pub(in crate::keyspace) fn expire(&mut self, key: KeyRef<'_>, limit: usize) -> usize {
        // A cache keeps its values for longer than it shows them to others.
        if self.native(key).is_some() {
            return 0;
        }
        self.glance(key).map_or(0, |at| self.expire_parts::<Hash>(key, at, iter::empty(), limit))
    }

    /// Removes the parts of a value that have expired: those of these names, and `limit` others at most;
    /// gives how many those were. A value of which all parts have expired is not there in the first place.
    pub(in crate::keyspace) fn expire_parts<'n, K: Kind>(
        &mut self,
        key: KeyRef<'_>,
        at: u32,
        named: impl Iterator<Item = &'n [u8]>,
        limit: usize,
    ) -> usize {
        let entry = self.table(key).and_then(|table| table.get(at));
        let parts =
            entry.filter(|entry| K::of(entry.value).is_some()).map(|entry| entry.value.next_deadline());
        if parts.is_none_or(|parts| parts == NEVER || parts > self.now()) {
            return 0;
        }
        self.remember(key);
        let now = self.now();
        let table = self.table_mut(key);
        let removed = table
            .and_then(|table| table.update(at, |value| Some(K::of_mut(value)?.expire(now, named, limit)))?);
        self.note_parts(key, at);
        self.changed(key, KeyEvent::HExpired);
        let removed = removed.unwrap_or(0);
        self.count_expired_parts(key, removed);
        removed
    }

    /// Parts of a value have expired. They are counted here, or at the transaction's end.
    pub(crate) fn count_expired_parts(&mut self, key: KeyRef<'_>, count: usize) {
        if count == 0 {
            return;
        }
        let (db, count) = (self.db, count as u64);
        match &mut self.effects.undo {
            Some(undo) => undo.expired_parts.push((db, Bytes::from(key.bytes), count)),
            None => {
                if let Some(table) = self.table_mut(key) {
                    table.counters.expired_parts += count;
                }
            }
        }
    }

    /// Has the sweeper come for the parts of a value that expire by themselves.
    pub(super) fn note_parts(&mut self, key: KeyRef<'_>, at: u32) {
        if let Some(entry) = self.table(key).and_then(|table| table.get(at)) {
            let parts = entry.value.next_deadline();
            self.effects.wake_at = self.effects.wake_at.min(parts);
        }
    }

    /// Whether anybody wants to know of what happens to the keys of the shards that are held. Asked once
    /// for many keys: most often nobody does.
    pub(super) fn is_heard(&self) -> bool {
        self.is_journaled()
            || self.space.tells_events()
            || self.space.is_tracked()
            || self.shards.parts().iter().any(|(_, shard)| shard.is_heard())
    }
}
