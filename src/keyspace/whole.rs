//! What is done to a whole database: all of its keys, in all shards. Who is in a transaction that holds all
//! of them passes it along.

use std::ops::Range;

use super::Keyspace;
#[cfg(feature = "commands")]
use super::Missed;
use super::shard::Shard;
use super::table::{Entry, Table};
use super::transaction::Transaction;
#[cfg(feature = "commands")]
use super::view::View;
use super::writer::{Effects, Writer};
use crate::text::glob::Pattern;
use crate::value::members;
#[cfg(feature = "commands")]
use crate::wake::Wakes;
use crate::{Bytes, Result};

/// How often a random key is drawn before those that have expired are swept out.
const DRAWS: usize = 16;
/// Entries that a walk visits under a lock at a time.
pub(crate) const PAGE: usize = 128;

impl Keyspace {
    /// How many keys there are that have not expired, at one instant. O(shards), and O(k) for k keys
    /// that have expired and still stand there.
    pub(crate) fn count(&self, held: Option<&Transaction>, db: u16) -> Result<usize> {
        let now = self.time(held).now();
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

    /// Looks at all shards at one instant. O(shards)
    pub(crate) fn look_at_all(&self, held: Option<&Transaction>, mut look: impl FnMut(&Shard)) -> Result<()> {
        match held {
            None => self.read_all(|shards| shards.iter().for_each(|shard| look(shard))),
            Some(held) => held.with_all(|shards| shards.iter().for_each(|(_, shard)| look(shard))),
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

    /// Removes all keys of these databases at one instant. Their memory is freed when the locks are, unless a
    /// transaction holds those.
    pub(crate) fn clear(&self, held: Option<&Transaction>, databases: Range<u16>) -> Result<()> {
        let mut missed = Vec::new();
        let mut clear = |shard: &mut Shard| {
            if shard.waiters.mind_absence() {
                let waited_for = |db| shard.waiters.keys_of(db).into_iter().map(move |name| (db, name));
                missed.extend(databases.clone().flat_map(waited_for));
            }
            let tables: Vec<_> = databases.clone().filter_map(|db| self.clear_table(shard, db)).collect();
            self.weigh(shard);
            tables
        };
        let mut effects = Effects::new();
        let tables: Vec<_> = match held {
            None => self.write_all(|shards| {
                let tables = shards.iter_mut().map(|shard| clear(shard)).collect();
                #[cfg(feature = "journal")]
                self.seal_cleared(&mut effects, databases.clone());
                tables
            })?,
            Some(held) => {
                #[cfg(feature = "journal")]
                if self.is_journaled() {
                    held.write(0, &[], |writer| writer.journal_cleared(databases.clone()))?;
                }
                held.with_all(|shards| shards.iter_mut().map(|(_, shard)| clear(shard)).collect())?
            }
        };
        drop(tables);
        self.settle(&mut effects)?;
        if let Some(space) = self.me.upgrade().filter(|_| !missed.is_empty()) {
            // Those who wait for what was there are told.
            space.when_free(move |space| {
                for (db, name) in missed {
                    let key = space.key_ref(&name);
                    // Fails only inside a transaction, and this waits for its end.
                    let _ = space.write(db, &[key], |writer| writer.look_again(&name));
                }
            });
        }
        self.changed_all(held)
    }

    /// Tells those who have read keys that all may have changed. Said behind the change.
    pub(super) fn changed_all(&self, held: Option<&Transaction>) -> Result<()> {
        if self.caches.has_any() {
            self.caches.changed_all();
            if let Some(space) = self.me.upgrade() {
                space.when_free(|space| space.caches.clear_all());
            }
        }
        #[cfg(feature = "commands")]
        if self.is_tracked() {
            let mut wakes = Wakes::default();
            self.tracking().changed_all(&mut wakes);
            match held {
                None => wakes.wake(),
                Some(held) => held.write(0, &[], |writer| writer.wakes().append(wakes))?,
            }
        }
        #[cfg(not(feature = "commands"))]
        let _ = held;
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
        if a == b {
            return if held.is_some() { Ok(()) } else { self.check_not_in_transaction() };
        }
        self.change(held, a, |writer| writer.swap_tables(a, b))?;
        self.changed_all(held)
    }

    /// Runs an operation that reads keys of a database which it does not know beforehand.
    #[cfg(feature = "commands")]
    pub(crate) fn view<R>(
        &self,
        held: Option<&Transaction>,
        db: u16,
        op: impl FnOnce(&View<'_>) -> R,
    ) -> Result<R> {
        match held {
            Some(held) => held.read(db, &[], op),
            None => {
                let missed = Missed::default();
                self.read_all(|guards| {
                    let shards = (0..).zip(guards).map(|(index, guard)| (index, &**guard)).collect();
                    op(&View::new(self, db, shards).telling(&missed))
                })
            }
        }
    }

    /// Runs an operation that may change keys of a database which it does not know beforehand.
    pub(crate) fn change<R>(
        &self,
        held: Option<&Transaction>,
        db: u16,
        op: impl FnOnce(&mut Writer<'_>) -> R,
    ) -> Result<R> {
        if let Some(held) = held {
            return held.write(db, &[], op);
        }
        let mut effects = Effects::new();
        let result = self.write_all(|guards| {
            let shards = (0..).zip(guards).map(|(index, guard)| (index, &mut **guard)).collect();
            let mut writer = Writer::new(self, db, shards, &mut effects);
            let result = op(&mut writer);
            writer.end();
            result
        })?;
        self.settle(&mut effects)?;
        Ok(result)
    }

    /// Visits the entries of one shard's table that have not expired, at most `count` from a cursor on (0 starts
    /// and ends the walk); the lock is held meanwhile. Every entry that stays is met.
    pub(crate) fn walk(
        &self,
        held: Option<&Transaction>,
        db: u16,
        shard: usize,
        cursor: usize,
        count: usize,
        mut visit: impl FnMut(&Entry<'_>),
    ) -> Result<usize> {
        let time = self.time(held);
        self.look_into(held, shard, |shard| {
            let Some(table) = shard.table(db) else { return 0 };
            let now = time.now();
            let positions = members::walk(table.len(), cursor, count);
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
            let mut cursor = self.walk(held, db, shard, 0, PAGE, &mut visit)?;
            while cursor != 0 {
                cursor = self.walk(held, db, shard, cursor, PAGE, &mut visit)?;
            }
        }
        Ok(())
    }

    /// [`walk`](Self::walk) over all shards, some `count` entries of it: gives the number with which to go on.
    /// 0 starts and ends the walk, and whatever the number, every entry that stays from then on and lies ahead
    /// is met. It has a shard in its low bits and the cursor there in the others: below 2^53 in all.
    #[cfg(feature = "commands")]
    pub(crate) fn walk_on(
        &self,
        held: Option<&Transaction>,
        db: u16,
        from: u64,
        count: usize,
        mut visit: impl FnMut(&Entry<'_>),
    ) -> Result<u64> {
        let shards = self.shard_count(); // a power of two
        let bits = shards.trailing_zeros();
        let mut shard = from as usize & (shards - 1);
        let mut cursor = usize::try_from(from >> bits).unwrap_or(usize::MAX);
        let mut left = count.max(1);
        while left > 0 {
            let (step, mut seen) = (left.min(PAGE), 0);
            cursor = self.walk(held, db, shard, cursor, step, |entry| {
                seen += 1;
                visit(entry);
            })?;
            // In the middle of a shard what has expired counts too, so that a turn comes to an end.
            left -= if cursor == 0 { seen } else { step };
            if cursor == 0 {
                shard += 1;
                if shard == shards {
                    return Ok(0);
                }
            }
        }
        Ok((cursor as u64) << bits | shard as u64)
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
        let time = self.time(held);
        for (index, size) in sizes.iter().enumerate() {
            if at < *size {
                return self.look_into(held, index, |shard| {
                    let entry = shard.table(db)?.get(u32::try_from(at).ok()?)?;
                    (!entry.is_expired(|at| time.now_before(at))).then(|| Bytes::from(entry.key))
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
