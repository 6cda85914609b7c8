//! What a store counts, always.

use super::Store;
use crate::Result;
use crate::keyspace::Keyspace;
use crate::keyspace::table::Table;
use crate::keyspace::transaction::Transaction;
use crate::sync::atomic::Ordering;

/// The counters of a store, over all databases and since it was made; see [`Store::stats`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Changes of keys, and of the libraries of functions.
    pub writes: u64,
    /// Keys whose time had come, as their memory was given back.
    pub expirations: u64,
    /// Fields of hashes whose time had come, likewise.
    pub expired_fields: u64,
    /// Keys that were removed to keep within a limit.
    pub evictions: u64,
    /// Keys that are there, those counted whose memory is still to be given back.
    pub entries: usize,
    /// Keys that have a deadline of their own.
    pub expiring: usize,
    /// Hashes with a field that has a deadline.
    pub expiring_fields: usize,
    /// Bytes that keys and values take, with the tables that they stand in.
    pub bytes: usize,
    /// What keys weigh, where [`StoreBuilder::max_weight`](crate::StoreBuilder::max_weight) was said; else 0.
    pub weight: u64,
    /// Loaders run by [`Store::get_or_load`] and its kin.
    pub loads: u64,
    /// Loaders that failed or panicked.
    pub failed_loads: u64,
    /// Loaded values that were not stored, because their key had been written meanwhile.
    pub fenced_loads: u64,
    /// Calls that waited for another's load.
    pub shared_loads: u64,
    /// The databases that hold or have held keys.
    pub databases: Vec<DatabaseStats>,
    /// Hashes among the expirations that went since all their fields had expired: Redis does not count those.
    #[cfg_attr(not(feature = "commands"), allow(dead_code))]
    pub(crate) emptied: u64,
    /// Keys that were given a deadline which had passed: to Valkey they have expired.
    #[cfg_attr(not(feature = "commands"), allow(dead_code))]
    pub(crate) overdue: u64,
}

/// The counters of one database, as [`Stats`] has them of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatabaseStats {
    /// The database's number.
    pub index: u16,
    /// Reads that found their key.
    pub hits: u64,
    /// Reads that did not.
    pub misses: u64,
    /// Changes of keys.
    pub writes: u64,
    /// Keys whose time had come, as their memory was given back.
    pub expirations: u64,
    /// Fields of hashes whose time had come, likewise.
    pub expired_fields: u64,
    /// Keys that were removed to keep within a limit.
    pub evictions: u64,
    /// Keys that are there, those counted whose memory is still to be given back.
    pub entries: usize,
    /// Keys that have a deadline of their own.
    pub expiring: usize,
    /// Hashes with a field that has a deadline.
    pub expiring_fields: usize,
    /// Bytes that keys and values take, with the tables that they stand in.
    pub bytes: usize,
    /// What keys weigh, where [`StoreBuilder::max_weight`](crate::StoreBuilder::max_weight) was said; else 0.
    pub weight: u64,
}

impl Stats {
    /// The share of reads that found their key, from 0 to 1; 0 before the first. O(1)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert_eq!(store.stats()?.hit_ratio(), 0.0);
    /// store.insert("greeting", "hello")?;
    /// for key in ["greeting", "greeting", "greeting", "nothing"] {
    ///     store.get::<String>(key)?;
    /// }
    /// assert_eq!(store.stats()?.hit_ratio(), 0.75);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn hit_ratio(&self) -> f64 {
        let reads = self.hits + self.misses;
        if reads == 0 { 0.0 } else { self.hits as f64 / reads as f64 }
    }

    /// What a store counts now; whoever is in a transaction that holds all of it passes that along.
    pub(crate) fn of(space: &Keyspace, held: Option<&Transaction>) -> Result<Stats> {
        let mut stats = Stats::default();
        space.look_at_all(held, |shard| {
            for (index, table) in shard.tables() {
                stats.database(index).add(table);
                stats.emptied += table.counters.emptied;
                stats.overdue += table.counters.overdue;
            }
        })?;
        for (index, hits, misses) in space.lookups().of_databases() {
            let of = stats.database(index);
            (of.hits, of.misses) = (hits, misses);
        }
        stats.add_up();
        stats.writes += space.libraries().changes();
        let loads = &space.flights().counters;
        stats.loads = loads.led.load(Ordering::Relaxed);
        stats.failed_loads = loads.failed.load(Ordering::Relaxed);
        stats.fenced_loads = loads.fenced.load(Ordering::Relaxed);
        stats.shared_loads = loads.shared.load(Ordering::Relaxed);
        Ok(stats)
    }

    /// The counters of a database, made where there are none yet.
    fn database(&mut self, index: u16) -> &mut DatabaseStats {
        let at = self.databases.partition_point(|of| of.index < index);
        if self.databases.get(at).is_none_or(|of| of.index != index) {
            self.databases.insert(at, DatabaseStats { index, ..DatabaseStats::default() });
        }
        &mut self.databases[at]
    }

    /// Adds the databases up.
    fn add_up(&mut self) {
        for of in &self.databases {
            self.hits += of.hits;
            self.misses += of.misses;
            self.writes += of.writes;
            self.expirations += of.expirations;
            self.expired_fields += of.expired_fields;
            self.evictions += of.evictions;
            self.entries += of.entries;
            self.expiring += of.expiring;
            self.expiring_fields += of.expiring_fields;
            self.bytes += of.bytes;
            self.weight = self.weight.saturating_add(of.weight);
        }
    }
}

impl DatabaseStats {
    /// Adds what one shard's table of the database counts.
    fn add(&mut self, table: &Table) {
        self.writes += table.counters.writes;
        self.expirations += table.counters.expired;
        self.expired_fields += table.counters.expired_parts;
        self.evictions += table.counters.evicted;
        self.entries += table.len();
        self.expiring += table.expiring();
        self.expiring_fields += table.expiring_parts();
        self.bytes += table.bytes();
        let weight = u64::try_from(table.weight()).unwrap_or(u64::MAX);
        self.weight = self.weight.saturating_add(weight);
    }
}

impl Store {
    /// What the store counts. `INFO`, O(shards * databases).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("greeting", "hello")?;
    /// store.get::<String>("greeting")?;
    /// store.get::<String>("nothing")?;
    /// let stats = store.stats()?;
    /// assert_eq!((stats.hits, stats.misses, stats.entries), (1, 1, 1));
    /// assert_eq!(stats.hit_ratio(), 0.5);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction) from inside a transaction of the same store.
    #[doc(alias = "INFO")]
    pub fn stats(&self) -> Result<Stats> {
        Stats::of(self.space(), None)
    }
}
