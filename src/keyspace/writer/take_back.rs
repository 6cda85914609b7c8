//! What a transaction keeps to be taken back, and its two ends.

use super::Writer;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::undo::{Change, Step, Undo};
#[cfg(feature = "journal")]
use crate::planted::{Bug, is_planted};

/// What is about to become of a key's place in its table.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It has one afterwards, new or old.
    Stays,
    Goes,
}

impl Writer<'_> {
    /// Takes back all that a transaction has done so far.
    pub(crate) fn roll_back(&mut self) {
        let Some(undo) = self.effects.undo.take() else { return };
        #[cfg(feature = "journal")]
        if !is_planted(Bug::WrittenThoughTakenBack) {
            self.effects.draft = None;
        }
        let Undo { states, steps, .. } = *undo;
        for Step { db, key, from } in steps.into_iter().rev() {
            let name = self.space.key_ref(&key);
            let Some(table) = self.shard_mut(name).map(|shard| shard.table_mut(db)) else { continue };
            let removed = match (table.find(name.hash, name.bytes), from) {
                (Some(at), None) => table.remove(at),
                (None, Some((at, weight))) => {
                    table.put_back(at, name.hash, &key, weight);
                    None
                }
                _ => None,
            };
            removed.into_iter().for_each(|value| self.discard_value(value));
        }
        for ((db, name), before) in states {
            let Some((value, deadline)) = before else { continue };
            self.effects.wake_at = self.effects.wake_at.min(deadline).min(value.next_deadline());
            let key = self.space.key_ref(&name);
            let Some(table) = self.shard_mut(key).map(|shard| shard.table_mut(db)) else { continue };
            let Some(at) = table.find(key.hash, key.bytes) else { continue };
            let now = table.replace(at, value, deadline);
            now.into_iter().for_each(|value| self.discard_value(value));
        }
    }

    /// Counts and announces all that a transaction has done.
    pub(crate) fn commit(&mut self) {
        let Some(mut undo) = self.effects.undo.take() else { return };
        undo.keep_missed();
        let Undo { states, changes, expired_parts, .. } = *undo;
        for Change { db, key, event, counts } in changes {
            self.in_db(db, |writer| {
                let key = writer.space.key_ref(&key);
                if event == KeyEvent::KeyMiss {
                    let (space, db) = (writer.space, writer.db);
                    return space.publish_event(db, key.bytes, event, writer.wakes());
                }
                if counts {
                    writer.count(key, event);
                }
                writer.announce(key, event);
            });
        }
        for (db, key, count) in expired_parts {
            let key = self.space.key_ref(&key);
            if let Some(shard) = self.shard_mut(key) {
                shard.table_mut(db).counters.expired_parts += count;
            }
        }
        for (value, _) in states.into_values().flatten() {
            self.discard_value(value);
        }
    }

    /// Whether what is done may be taken back.
    pub(in crate::keyspace) fn is_undoable(&self) -> bool {
        self.effects.undo.is_some()
    }

    /// Keeps the state of a key that is about to be removed.
    #[inline]
    pub(super) fn keep_what_goes(&mut self, key: KeyRef<'_>) {
        if self.effects.undo.is_some() {
            self.keep_state(key, Fate::Goes);
        }
    }

    /// Keeps the key's state as it is now, for a transaction that may be taken back. The key is there
    /// afterwards.
    #[inline]
    pub(super) fn remember(&mut self, key: KeyRef<'_>) {
        if self.effects.undo.is_some() {
            self.keep_state(key, Fate::Stays);
        }
    }

    #[inline(never)]
    fn keep_state(&mut self, key: KeyRef<'_>, fate: Fate) {
        let db = self.db;
        let Some(mut undo) = self.effects.undo.take() else { return };
        let table = self.table(key);
        let at = table.and_then(|table| table.find(key.hash, key.bytes));
        let entry = table.zip(at).and_then(|(table, at)| table.get(at));
        undo.remember(db, key.bytes, || entry.map(|entry| (entry.value.to_value(), entry.deadline)));
        if at.is_none() || fate == Fate::Goes {
            undo.moved(db, key.bytes, table.zip(at).map(|(table, at)| (at, table.weight_at(at))));
        }
        self.effects.undo = Some(undo);
    }
}
