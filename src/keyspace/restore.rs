//! Putting a store together again from what was written of it: as it stood then, whatever has expired since.

use super::Keyspace;
use super::shard::Shard;
use super::table::Table;
use crate::clock::NEVER;
use crate::snapshot::Moment;
use crate::snapshot::entry::is_gone;
use crate::sync::RwLockWriteGuard;
use crate::value::Value;
use crate::value::hash::Hash;
use crate::{Bytes, Result};

/// All keys of a store that nobody else sees yet. Until the [end](Self::finish) deadlines are wall times, and none of
/// them comes: what is done to a key may have given it another one before it did.
pub(crate) struct Restoring<'r> {
    space: &'r Keyspace,
    shards: Vec<RwLockWriteGuard<'r, Shard>>,
}

impl Keyspace {
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction)
    pub(crate) fn restoring(&self) -> Result<Restoring<'_>> {
        self.check_not_in_transaction()?;
        Ok(Restoring { space: self, shards: self.lock_all() })
    }
}

impl Keyspace {
    /// Evicts what a store with a limit has no room for of what was put in place: as any other change, for the journal is told
    /// of it. O(1), and O(keys) where they are weighed
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction), [`Error::Journal`](crate::Error::Journal)
    pub(crate) fn make_room_for_restored(&self) -> Result<()> {
        if self.weighs() {
            let names: Vec<(u16, Bytes)> = self.read_all(|shards| {
                let tables = shards.iter().flat_map(|shard| shard.tables());
                let named =
                    tables.flat_map(|(db, table)| table.contents().iter().map(move |entry| (db, entry)));
                named.map(|(db, entry)| (db, Bytes::from(entry.key))).collect()
            })?;
            for (db, name) in names {
                self.write_one(db, self.key_ref(&name), |writer, key| {
                    writer.note_unchanged(key);
                    Ok(())
                })?;
            }
        }
        self.make_room(&mut Vec::new());
        Ok(())
    }
}

impl Restoring<'_> {
    /// Gives a key a value and a deadline, whatever it had; gives whether it was there.
    ///
    /// # Errors
    /// [`Error::TooManyKeys`](crate::Error::TooManyKeys)
    pub(crate) fn put(&mut self, db: u16, key: &[u8], value: Value, deadline: u64) -> Result<bool> {
        let (table, hash) = self.table(db, key);
        let found = table.find(hash, key);
        match found {
            Some(at) => drop(table.replace(at, value, deadline)),
            None => table.insert(hash, key, value, deadline)?,
        }
        Ok(found.is_some())
    }

    /// Removes a key; gives whether it was there.
    pub(crate) fn remove(&mut self, db: u16, key: &[u8]) -> bool {
        let (table, hash) = self.table(db, key);
        let found = table.find(hash, key);
        found.map(|at| table.remove(at)).is_some()
    }

    /// Gives a key another deadline; gives whether it is there.
    pub(crate) fn set_deadline(&mut self, db: u16, key: &[u8], deadline: u64) -> bool {
        let (table, hash) = self.table(db, key);
        let found = table.find(hash, key);
        found.map(|at| table.set_deadline(at, deadline)).is_some()
    }

    /// Changes the value of a key; one that is missing is made first.
    ///
    /// # Errors
    /// [`Error::TooManyKeys`](crate::Error::TooManyKeys), and those of `change`.
    pub(crate) fn update<E: From<crate::Error>>(
        &mut self,
        db: u16,
        key: &[u8],
        fresh: impl FnOnce() -> Value,
        change: impl FnOnce(&mut Value) -> Result<(), E>,
    ) -> Result<(), E> {
        let (table, hash) = self.table(db, key);
        match table.find(hash, key) {
            Some(at) => {
                // A position that was found has an entry.
                let (outcome, is_gone) =
                    table.update(at, |value| (change(value), is_gone(value))).unwrap_or((Ok(()), false));
                if is_gone {
                    drop(table.remove(at));
                }
                outcome
            }
            None => {
                let mut value = fresh();
                change(&mut value)?;
                if !is_gone(&value) {
                    table.insert(hash, key, value, NEVER)?;
                }
                Ok(())
            }
        }
    }

    /// Puts libraries in the place of all.
    pub(crate) fn put_libraries(&mut self, codes: Vec<Bytes>) {
        self.space.put_libraries(codes.into());
    }

    /// Removes all keys of a database.
    pub(crate) fn clear(&mut self, db: u16) {
        self.shards.iter_mut().for_each(|shard| drop(shard.take_table(db)));
    }

    /// Exchanges two databases.
    pub(crate) fn swap(&mut self, a: u16, b: u16) {
        for shard in &mut self.shards {
            let (first, second) = (shard.take_table(a), shard.take_table(b));
            shard.put_table(a, second);
            shard.put_table(b, first);
        }
    }

    /// Puts the deadlines on the store's line, as they lie from this moment on; what has expired by then goes. O(keys)
    pub(crate) fn finish(mut self, moment: Moment) {
        let space = self.space;
        for shard in &mut self.shards {
            shard.tables_mut().for_each(|(_, table)| settle_deadlines(table, moment));
            space.weigh(shard);
        }
        drop(self);
        space.arm_sweeper();
    }

    fn table(&mut self, db: u16, key: &[u8]) -> (&mut Table, u64) {
        let hash = self.space.key_ref(key).hash;
        let shard = &mut self.shards[self.space.shard_of(hash) as usize];
        (shard.table_mut(db), hash)
    }
}

/// From wall times to the store's line. From the end on: what goes is replaced by what was looked at before.
fn settle_deadlines(table: &mut Table, moment: Moment) {
    for at in (0..table.len() as u32).rev() {
        let Some(entry) = table.get(at) else { continue };
        let (before, parts) = (entry.deadline, entry.value.next_deadline());
        if before == NEVER && parts == NEVER {
            continue;
        }
        let deadline = moment.on_line(before);
        let mut is_over = deadline.is_none();
        if parts != NEVER {
            let emptied = table.update(at, |value| match value {
                Value::Hash(hash) => settle_fields(hash, moment),
                _ => false,
            });
            is_over |= emptied == Some(true);
        }
        match deadline {
            Some(deadline) if !is_over => table.set_deadline(at, deadline),
            _ => drop(table.remove(at)),
        }
    }
}

/// The same for the fields of a hash; gives whether none is left.
fn settle_fields(hash: &mut Hash, moment: Moment) -> bool {
    let timed = hash.iter(0).map(|(name, _)| (Bytes::from(name), hash.deadline(name, 0).unwrap_or(NEVER)));
    let timed: Vec<_> = timed.filter(|(_, deadline)| *deadline != NEVER).collect();
    for (name, deadline) in timed {
        match moment.on_line(deadline) {
            Some(deadline) => drop(hash.set_deadline(&name, deadline)),
            None => drop(hash.remove(&name)),
        }
    }
    hash.is_empty()
}
