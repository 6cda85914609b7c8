//! What is done to a whole database: all of its keys, in all shards.

use std::ops::Range;

use super::Keyspace;
use super::table::{Entry, Table};
use super::writer::{Effects, Writer};
use crate::value::members;
use crate::{Bytes, Result};

/// How often a random key is drawn before those that have expired are swept out.
const DRAWS: usize = 16;
/// Entries that a walk visits under a lock at a time.
const PAGE: usize = 128;

impl Keyspace {
    /// How many keys there are that have not expired, at one instant. O(shards), and O(k) for k keys
    /// that have expired and still stand there.
    pub(crate) fn count(&self, db: u16) -> Result<usize> {
        let now = self.clock.now();
        loop {
            let counts = |table: &Table| table.count_live(now);
            let total = self.read_all(|shards| {
                shards.iter().filter_map(|shard| shard.table(db)).map(counts).sum::<Option<usize>>()
            })?;
            match total {
                Some(total) => return Ok(total),
                // After it nothing is left that was due at `now`, so this comes to an end.
                None => self.sweep_database(db),
            }
        }
    }

    /// The name of a key, each as likely as the others. O(shards), unless hardly any key is alive.
    pub(crate) fn random_key(&self, db: u16) -> Result<Option<Bytes>> {
        self.check_not_in_transaction()?;
        for _ in 0..2 {
            let sizes = self.shards.iter().map(|shard| shard.0.read().table(db).map_or(0, Table::len));
            let sizes: Vec<usize> = sizes.collect();
            let total = sizes.iter().sum();
            if total == 0 {
                return Ok(None);
            }
            for _ in 0..DRAWS {
                let drawn = self.live_name(db, &sizes, self.rng.below(total));
                if drawn.is_some() {
                    return Ok(drawn);
                }
            }
            self.sweep_database(db);
        }
        self.random_of_all(db)
    }

    /// Removes all keys of these databases at one instant. Their memory is freed when the locks are.
    pub(crate) fn clear(&self, databases: Range<u16>) -> Result<()> {
        let tables = self.write_all(|shards| {
            let mut tables = Vec::new();
            for shard in shards {
                for db in databases.clone() {
                    let Some(mut table) = shard.take_table(db) else {
                        shard.watches.mark_all(db, |_| false);
                        continue;
                    };
                    shard.watches.mark_all(db, |key| table.find(self.key_ref(key).hash, key).is_some());
                    shard.table_mut(db).counters = std::mem::take(&mut table.counters);
                    tables.push(table);
                }
                self.weigh(shard);
            }
            tables
        })?;
        drop(tables);
        Ok(())
    }

    /// Exchanges two databases at one instant, and serves those who wait for keys that are there now.
    pub(crate) fn swap(&self, a: u16, b: u16) -> Result<()> {
        if a == b {
            return self.check_not_in_transaction();
        }
        let mut effects = Effects::new();
        self.write_all(|guards| {
            let shards = (0..).zip(guards).map(|(index, guard)| (index, &mut **guard)).collect();
            let mut writer = Writer::new(self, a, shards, &mut effects);
            writer.swap_tables(a, b);
            writer.serve_waiters();
            writer.keep_within(0, &[]);
        })?;
        self.settle(&mut effects);
        Ok(())
    }

    /// Visits the entries of one shard's table that have not expired, in pages from a cursor (0 starts
    /// and ends the walk); the lock is held for one page. Every entry that stays is met.
    pub(crate) fn walk(
        &self,
        db: u16,
        shard: usize,
        cursor: usize,
        mut visit: impl FnMut(&Entry<'_>),
    ) -> Result<usize> {
        self.check_not_in_transaction()?;
        let Some(shard) = self.shards.get(shard) else { return Ok(0) };
        let guard = shard.0.read();
        let Some(table) = guard.table(db) else { return Ok(0) };
        let now = self.clock.now();
        let positions = members::walk(table.len(), cursor, PAGE);
        let entries = positions.clone().rev().filter_map(|at| table.get(at as u32));
        entries.filter(|entry| !entry.is_expired(|_| now)).for_each(|entry| visit(&entry));
        Ok(positions.start)
    }

    /// [`walk`](Self::walk) over all shards, page by page.
    pub(crate) fn walk_all(&self, db: u16, mut visit: impl FnMut(&Entry<'_>)) -> Result<()> {
        for shard in 0..self.shard_count() {
            let mut cursor = self.walk(db, shard, 0, &mut visit)?;
            while cursor != 0 {
                cursor = self.walk(db, shard, cursor, &mut visit)?;
            }
        }
        Ok(())
    }

    /// The name of the key at a position, counted over all shards of these sizes, if it is alive.
    fn live_name(&self, db: u16, sizes: &[usize], mut at: usize) -> Option<Bytes> {
        for (shard, size) in self.shards.iter().zip(sizes) {
            if at < *size {
                let guard = shard.0.read();
                let entry = guard.table(db)?.get(u32::try_from(at).ok()?)?;
                return (!entry.is_expired(|at| self.clock.now_before(at))).then(|| Bytes::from(entry.key));
            }
            at -= size;
        }
        None
    }

    /// A random key by a walk over all of them: each takes the place of the one before with the chance
    /// that makes all equal.
    fn random_of_all(&self, db: u16) -> Result<Option<Bytes>> {
        let (mut chosen, mut seen) = (None, 0);
        self.walk_all(db, |entry| {
            seen += 1;
            if self.rng.below(seen) == 0 {
                chosen = Some(Bytes::from(entry.key));
            }
        })?;
        Ok(chosen)
    }
}
