//! The one exit after a change: what is counted, who is told, and those who are served as they have waited for it.

use std::mem;

use super::Writer;
use crate::Bytes;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::shard::Serve;

impl Writer<'_> {
    /// It is counted and announced here, or at the transaction's end.
    #[inline]
    pub(super) fn changed(&mut self, key: KeyRef<'_>, event: KeyEvent) {
        if self.is_journaled() {
            match event {
                KeyEvent::Expire | KeyEvent::Persist => self.journal_deadline(key),
                // Their deadlines are written, and say the same.
                KeyEvent::HExpired => {}
                _ => self.journal_whole(key),
            }
        }
        match &mut self.effects.undo {
            Some(undo) => undo.changed(self.db, key.bytes, event),
            None => {
                self.count(key, event);
                self.announce(key, event);
            }
        }
    }

    #[inline]
    pub(super) fn count(&mut self, key: KeyRef<'_>, event: KeyEvent) {
        if let Some(table) = self.table_mut(key) {
            match event {
                KeyEvent::Expired => table.counters.expired += 1,
                KeyEvent::Emptied => {
                    table.counters.expired += 1;
                    table.counters.emptied += 1;
                }
                KeyEvent::Overdue => {
                    table.counters.writes += 1;
                    table.counters.overdue += 1;
                }
                KeyEvent::Evicted => table.counters.evicted += 1,
                KeyEvent::HExpired => {}
                _ => table.counters.writes += 1,
            }
        }
    }

    /// Tells those who watch the key, wait for it, or subscribe to its events.
    #[inline]
    pub(super) fn announce(&mut self, key: KeyRef<'_>, event: KeyEvent) {
        let space = self.space;
        if space.tells_events()
            || space.weighs()
            || space.is_tracked()
            || self.shard_mut(key).is_some_and(|shard| shard.is_heard())
        {
            self.announce_to_others(key, event);
        }
    }

    #[cold]
    fn announce_to_others(&mut self, key: KeyRef<'_>, event: KeyEvent) {
        let (db, space) = (self.db, self.space);
        if event.is_remark() {
            return space.publish_event(db, key.bytes, event, &mut self.effects.others().wakes);
        }
        if space.weighs() {
            self.note_to_weigh(key, event);
        }
        if event.is_silent() {
            return;
        }
        let Some(shard) = self.shard_mut(key) else { return };
        shard.watches.mark(db, key.bytes, event);
        let is_waited_for = shard.waiters.has(db, key.bytes);
        let others = self.effects.others();
        if is_waited_for {
            others.ready.push((db, Bytes::from(key.bytes)));
        }
        #[cfg(feature = "commands")]
        if space.is_tracked() {
            let name = Bytes::from(key.bytes);
            space.tracking().changed(&name, &mut others.wakes);
            others.touched.push(name);
        }
        if event == KeyEvent::Emptied {
            space.publish_event(db, key.bytes, KeyEvent::HExpired, &mut others.wakes);
        }
        space.publish_event(db, key.bytes, event, &mut others.wakes);
    }

    /// A value has taken the place of another one, and somebody is told so.
    #[cold]
    pub(super) fn replaced(
        &mut self,
        key: KeyRef<'_>,
        event: KeyEvent,
        comes_first: bool,
        changes_type: bool,
    ) {
        if comes_first {
            self.changed(key, event);
        }
        self.told_too(key, KeyEvent::Overwritten);
        if changes_type {
            self.told_too(key, KeyEvent::TypeChanged);
        }
        if !comes_first {
            self.changed(key, event);
        }
    }

    /// Tells those who want to know that a key is a new one, before anything else is told of it.
    #[inline]
    pub(crate) fn tell_new(&mut self, key: KeyRef<'_>) {
        if self.space.told().has_new() {
            self.told_too(key, KeyEvent::New);
        }
    }

    /// Tells those who want to know that a command has read a key, if it is missing.
    #[inline]
    pub(crate) fn tell_missing(&mut self, key: KeyRef<'_>) {
        if self.space.told().has_misses() {
            self.look_and_tell(key);
        }
    }

    #[cold]
    fn look_and_tell(&mut self, key: KeyRef<'_>) {
        if self.glance(key).is_none() {
            let (space, db) = (self.space, self.db);
            match &self.effects.undo {
                Some(undo) => undo.missed.tell(space, db, key),
                None => space.publish_event(db, key.bytes, KeyEvent::KeyMiss, self.wakes()),
            }
        }
    }

    /// One change, and another event.
    pub(crate) fn told_too(&mut self, key: KeyRef<'_>, event: KeyEvent) {
        match &mut self.effects.undo {
            Some(undo) => undo.told_too(self.db, key.bytes, event),
            None => self.announce(key, event),
        }
    }

    /// Ends what is done under the locks that are held: who waits for it is served, the store is kept within its limit, and the
    /// journal is told.
    #[inline]
    pub(in crate::keyspace) fn end(&mut self) {
        self.serve_waiters();
        self.keep_within(0, &[]);
        // Who waits for what was evicted for that is told.
        self.serve_waiters();
        self.seal();
    }

    /// Serves those who wait for keys that have something new, or are gone, before the locks are let go.
    #[inline]
    pub(crate) fn serve_waiters(&mut self) {
        if self.effects.others.is_some() {
            self.serve_ready();
        }
    }

    #[cold]
    fn serve_ready(&mut self) {
        // What is served to one who waits was let in already.
        self.is_admitted = true;
        // First come first served: what becomes ready meanwhile has its turn after these.
        while !self.effects.others().ready.is_empty() {
            for (db, name) in mem::take(&mut self.effects.others().ready) {
                self.in_db(db, |writer| writer.serve_waiters_of(&name));
            }
        }
    }

    fn serve_waiters_of(&mut self, name: &Bytes) {
        let key = self.space.key_ref(name);
        let db = self.db;
        let mut place = 0;
        while let Some(waiter) = self.shard_mut(key).and_then(|shard| shard.waiters.nth(db, name, place)) {
            match waiter.serve(self, key) {
                Serve::Done => {
                    if let Some(shard) = self.shard_mut(key) {
                        shard.waiters.remove(db, name, &waiter);
                    }
                }
                // One behind it may wait for the type that the key does hold, or mind that there is none.
                Serve::Nothing if self.value(key).is_some() || self.is_missed(key) => place += 1,
                Serve::Nothing => break,
                Serve::Needs(other) => {
                    self.effects.others().across.push((db, name.clone(), other));
                    break;
                }
            }
        }
    }

    /// Whether anybody who waits in the key's shard minds that a key has gone.
    fn is_missed(&mut self, key: KeyRef<'_>) -> bool {
        self.shard_mut(key).is_some_and(|shard| shard.waiters.mind_absence())
    }

    /// Has those who wait for a key served again, now that more shards are held.
    pub(in crate::keyspace) fn look_again(&mut self, name: &Bytes) {
        self.effects.others().ready.push((self.db, name.clone()));
    }
}
