//! What is done to a whole database: all of its keys, in all shards. Who is in a transaction that holds all
//! of them passes it along.

use std::ops::Range;

use super::Keyspace;
use super::shard::Shard;
use super::table::{Entry, Table};
use super::transaction::Transaction;
use super::writer::{Effects, Writer};
use crate::text::glob::Pattern;
use crate::value::members;
use crate::{Bytes, Result};

/// How often a random key is drawn before those that have expired are swept out.
const DRAWS: usize = 16;
/// Entries that a walk visits under a lock at a time.
const PAGE: usize = 128;

impl Keyspace {
    /// How many keys there are that have not expired, at one instant. O(shards), and O(k) for k keys
    /// that have expired and still stand there.
    pub(crate) fn count(&self, held: Option<&Transaction>, db: u16) -> Result<usize> {
        let now = self.clock.now();
        if held.is_some() {
            // Nothing can be swept out meanwhile.
            let mut count = 0;
            self.walk_all(held, db, |_| count += 1)?;
            return Ok(count);
        }
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
    pub(crate) fn random_key(&self, held: Option<&Transaction>, db: u16) -> Result<Option<Bytes>> {
        for _ in 0..2 {
            let size = |at| self.look_into(held, at, |shard| shard.table(db).map_or(0, Table::len));
            let sizes = (0..self.shards.len()).map(size).collect::<Result<Vec<usize>>>()?;
            let total = sizes.iter().sum();
            if total == 0 {
                return Ok(None);
            }
            for _ in 0..DRAWS {
                let drawn = self.live_name(held, db, &sizes, self.rng.below(total))?;
                if drawn.is_some() {
                    return Ok(drawn);
                }
            }
            if held.is_some() {
                break;
            }
            self.sweep_database(db);
        }
        self.random_of_all(held, db)
    }

    /// The names that match, each once, in their order; not at one instant. O(n log n) for n keys
    pub(crate) fn names(
        &self,
        held: Option<&Transaction>,
        db: u16,
        pattern: Pattern<'_>,
    ) -> Result<Vec<Bytes>> {
        let mut names = Vec::new();
        self.walk_all(held, db, |entry| {
            if pattern.matches(entry.key) {
                names.push(Bytes::from(entry.key));
            }
        })?;
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }

    /// Removes all keys of these databases at one instant. Their memory is freed when the locks are.
    pub(crate) fn clear(&self, held: Option<&Transaction>, databases: Range<u16>) -> Result<()> {
        let clear = |shard: &mut Shard| {
            let tables: Vec<_> = databases.clone().filter_map(|db| self.clear_table(shard, db)).collect();
            self.weigh(shard);
            tables
        };
        let tables: Vec<_> = match held {
            None => self.write_all(|shards| shards.iter_mut().map(|shard| clear(shard)).collect())?,
            Some(held) => {
                held.with_all(|shards| shards.iter_mut().map(|(_, shard)| clear(shard)).collect())?
            }
        };
        drop(tables);
        Ok(())
    }

    /// Takes all keys of a database out of a shard; what has been counted stays.
    fn clear_table(&self, shard: &mut Shard, db: u16) -> Option<Box<Table>> {
        let Some(mut table) = shard.take_table(db) else {
            shard.watches.mark_all(db, |_| false);
            return None;
        };
        shard.watches.mark_all(db, |key| table.find(self.key_ref(key).hash, key).is_some());
        shard.table_mut(db).counters = std::mem::take(&mut table.counters);
        Some(table)
    }

    /// Exchanges two databases at one instant, and serves those who wait for keys that are there now.
    pub(crate) fn swap(&self, held: Option<&Transaction>, a: u16, b: u16) -> Result<()> {
        if let Some(held) = held {
            return held.write(a, &[], |writer| writer.swap_tables(a, b));
        }
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
        held: Option<&Transaction>,
        db: u16,
        shard: usize,
        cursor: usize,
        mut visit: impl FnMut(&Entry<'_>),
    ) -> Result<usize> {
        self.look_into(held, shard, |shard| {
            let Some(table) = shard.table(db) else { return 0 };
            let now = self.clock.now();
            let positions = members::walk(table.len(), cursor, PAGE);
            let entries = positions.clone().rev().filter_map(|at| table.get(at as u32));
            entries.filter(|entry| !entry.is_expired(|_| now)).for_each(|entry| visit(&entry));
            positions.start
        })
    }

    /// [`walk`](Self::walk) over all shards, page by page.
    pub(crate) fn walk_all(
        &self,
        held: Option<&Transaction>,
        db: u16,
        mut visit: impl FnMut(&Entry<'_>),
    ) -> Result<()> {
        for shard in 0..self.shard_count() {
            let mut cursor = self.walk(held, db, shard, 0, &mut visit)?;
            while cursor != 0 {
                cursor = self.walk(held, db, shard, cursor, &mut visit)?;
            }
        }
        Ok(())
    }

    /// Looks at one shard, of which there is one; an empty one beyond the last.
    fn look_into<R>(
        &self,
        held: Option<&Transaction>,
        index: usize,
        look: impl FnOnce(&Shard) -> R,
    ) -> Result<R> {
        if let Some(held) = held {
            return held.with_all(|shards| match shards.get(index) {
                Some((_, shard)) => look(shard),
                None => look(&Shard::default()),
            });
        }
        self.check_not_in_transaction()?;
        Ok(match self.shards.get(index) {
            Some(shard) => look(&shard.0.read()),
            None => look(&Shard::default()),
        })
    }

    /// The name of the key at a position, counted over all shards of these sizes, if it is alive.
    fn live_name(
        &self,
        held: Option<&Transaction>,
        db: u16,
        sizes: &[usize],
        mut at: usize,
    ) -> Result<Option<Bytes>> {
        for (index, size) in sizes.iter().enumerate() {
            if at < *size {
                return self.look_into(held, index, |shard| {
                    let entry = shard.table(db)?.get(u32::try_from(at).ok()?)?;
                    (!entry.is_expired(|at| self.clock.now_before(at))).then(|| Bytes::from(entry.key))
                });
            }
            at -= size;
        }
        Ok(None)
    }

    /// A random key by a walk over all of them: each takes the place of the one before with the chance
    /// that makes all equal.
    fn random_of_all(&self, held: Option<&Transaction>, db: u16) -> Result<Option<Bytes>> {
        let (mut chosen, mut seen) = (None, 0);
        self.walk_all(held, db, |entry| {
            seen += 1;
            if self.rng.below(seen) == 0 {
                chosen = Some(Bytes::from(entry.key));
            }
        })?;
        Ok(chosen)
    }
}
