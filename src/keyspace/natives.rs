//! Values of the caller's own types, for the caches whose they are: what they may see and others may not.

use super::Keyspace;
use super::shard::Shard;
use super::table::Entry;
use super::view::UNREAD;
use crate::clock::NEVER;
use crate::key::KeyRef;
use crate::value::members;
use crate::value::native::Held;
use crate::value::{Value, ValueRef};
use crate::{Bytes, Result, Type};

/// Entries that are looked at while a lock is held.
const PAGE: usize = 1024;

impl Keyspace {
    /// What stands under a key for its cache, which others may not see, and until when. Not counted, and a use if that is
    /// said.
    pub(crate) fn kept<'s>(
        &self,
        shard: &'s Shard,
        db: u16,
        key: KeyRef<'_>,
        is_use: bool,
    ) -> Option<(ValueRef<'s>, u64)> {
        let table = shard.table(db)?;
        let at = table.find(key.hash, key.bytes)?;
        let (entry, deadline) = (table.get(at)?, table.deadline_at(at));
        if deadline != NEVER && deadline <= self.clock().now() {
            return None;
        }
        if is_use {
            self.touch(table, at, UNREAD);
        }
        Some((entry.value, deadline))
    }

    /// The names of a database that begin so and hold a native value, whatever its age, or a string; not at one instant.
    /// O(keys of the database), a bounded number of them under a lock at a time
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction)
    pub(crate) fn names_of_cache(&self, db: u16, prefix: &[u8]) -> Result<Vec<Bytes>> {
        self.check_not_in_transaction()?;
        let (mut names, mut next) = (Vec::new(), Some((0, 0)));
        while let Some((shard, cursor)) = next {
            next = self.page(db, prefix, shard, cursor, |entry| {
                if entry.value.kind() == Type::String {
                    names.push(Bytes::from(entry.key));
                }
            });
        }
        Ok(names)
    }

    /// The native values of which the key begins so, of the page at this shard and cursor, of which the first is at 0 and
    /// 0; where the next is, if there is one.
    pub(crate) fn natives_page(
        &self,
        db: u16,
        prefix: &[u8],
        shard: usize,
        cursor: usize,
        found: &mut Vec<(Bytes, Held)>,
    ) -> Option<(usize, usize)> {
        self.page(db, prefix, shard, cursor, |entry| {
            if let ValueRef::Whole(Value::Native(native)) = entry.value {
                found.push((Bytes::from(entry.key), native.clone()));
            }
        })
    }

    /// Visits what stands on a page under a key that begins so, and under its lock; where the next page is.
    fn page(
        &self,
        db: u16,
        prefix: &[u8],
        shard: usize,
        cursor: usize,
        mut visit: impl FnMut(&Entry<'_>),
    ) -> Option<(usize, usize)> {
        let cursor = {
            let shard = self.shards[shard].0.read();
            shard.table(db).map_or(0, |table| {
                let positions = members::walk(table.len(), cursor, PAGE);
                let entries = positions.clone().filter_map(|at| table.get(at as u32));
                entries.filter(|entry| entry.key.starts_with(prefix)).for_each(|entry| visit(&entry));
                positions.start
            })
        };
        match cursor {
            0 => Some((shard + 1, 0)).filter(|(shard, _)| *shard < self.shard_count()),
            cursor => Some((shard, cursor)),
        }
    }

    /// Has the native values of these keys encoded, so that others than their caches can be shown them. Runs the
    /// caller's code: no lock is held.
    #[cfg(feature = "commands")]
    pub(crate) fn encode_natives<'k>(&self, db: u16, keys: impl Iterator<Item = &'k [u8]>) {
        if self.check_not_in_transaction().is_err() {
            return;
        }
        for key in keys {
            self.encode_native(db, self.key_ref(key));
        }
    }

    /// The same for one; true if it is one that was not encoded before, and is now.
    pub(crate) fn encode_native(&self, db: u16, key: KeyRef<'_>) -> bool {
        let native = match self.kept(&self.shards[self.shard_of(key.hash) as usize].0.read(), db, key, false)
        {
            Some((ValueRef::Whole(Value::Native(native)), _)) if native.encoded().is_none() => native.clone(),
            _ => return false,
        };
        native.encode();
        native.encoded().is_some()
    }
}
