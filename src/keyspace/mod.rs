//! The keys: shards and their locks, expiry, versions, waiters, events.
//!
//! There is one road to a key ([`View`](view::View) for readers, [`Writer`](writer::Writer) for
//! writers) and one exit after a change (`Writer::changed`). Shard locks are taken in this folder and
//! nowhere else: one at a time, or in the order of the shards' indexes.

pub(crate) mod blocked;
mod bound;
mod column;
mod due;
mod due_parts;
mod evicted;
mod fork;
pub(crate) mod handover;
mod hasher;
mod held;
#[cfg(feature = "journal")]
mod journaling;
pub(crate) mod libraries;
mod lock;
mod lookups;
mod missed;
mod natives;
mod recency;
#[cfg(feature = "journal")]
pub(crate) mod restore;
pub(crate) mod shard;
mod sweep;
pub(crate) mod table;
#[cfg(all(test, not(shuttle)))]
mod tests;
mod told;
pub(crate) mod transaction;
mod undo;
pub(crate) mod uses;
pub(crate) mod view;
pub(crate) mod watch;
mod weigh;
mod wheel;
pub(crate) mod whole;
pub(crate) mod writer;

use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use smallvec::SmallVec;

use crate::cache::registry::Registry;
use crate::clock::{Clock, NEVER, Time, since_epoch};
use crate::event::KeyEvent;
#[cfg(feature = "journal")]
use crate::journal::Journal;
use crate::key::KeyRef;
use crate::load::Flights;
use crate::pubsub::Hub;
use crate::rng::{self, Rng};
use crate::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use crate::sync::{Padded, RwLock};
use crate::wake::Wakes;
use crate::{Bytes, Eviction, KeyEvents, Result};
use libraries::{Codes, Libraries};

pub use evicted::Evicted;
pub(crate) use evicted::Listener;
pub(crate) use fork::State;
pub use sweep::Sweeping;
pub(crate) use told::Told;
pub use weigh::Weighed;
pub(crate) use weigh::Weigher;

use blocked::Blocked;
use bound::Bound;
pub(crate) use bound::Limit;
pub(crate) use hasher::Hasher;
pub(crate) use lookups::{Lookups, Tally};
pub(crate) use missed::Missed;
use shard::{Notes, Shard};
use sweep::Sweeper;
use uses::Noting;
use view::View;
use watch::Watch;

/// The shards that are held, by index.
pub(crate) type Parts<T> = SmallVec<[(u32, T); 2]>;

/// What a store may hold at the most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of a key, a value or an element.
    pub value: usize,
    pub databases: u16,
}

/// How a store is built.
pub(crate) struct Config {
    pub clock: Clock,
    pub limits: Limits,
    pub longest_of_files: usize,
    pub shards: usize,
    pub sweeping: Sweeping,
    pub events: KeyEvents,
    pub seed: Option<u64>,
    pub bound: Option<(Limit, Eviction)>,
    pub listener: Option<Listener>,
}

/// What a new store begins with.
struct Beginning {
    /// As many as a power of two.
    shards: Vec<Shard>,
    family: Arc<()>,
    hasher: Hasher,
    is_seeded: bool,
    clock: Clock,
    limits: Limits,
    longest_of_files: usize,
    takes_files: bool,
    bound: Option<Bound>,
    listener: Option<Listener>,
    told: Told,
    rng: Rng,
    lookups: Lookups,
    uses: Noting,
    sweeping: Sweeping,
    libraries: Codes,
    #[cfg(feature = "commands")]
    shared: crate::table::Shared,
}

/// All keys of a store.
pub(crate) struct Keyspace {
    shards: Box<[Padded<RwLock<Shard>>]>,
    /// The hash's high bits above this one name the shard.
    shift: u32,
    /// Which stores hash and spread keys as this one does: its forks, and what it was forked from.
    family: Arc<()>,
    hasher: Hasher,
    is_seeded: bool,
    clock: Clock,
    /// See [`Limits`].
    longest: AtomicUsize,
    /// How long that may be in a file at least: it may have been written under another limit.
    longest_of_files: usize,
    /// No file is too large for it.
    takes_files: bool,
    databases: u16,
    bound: OnceLock<Bound>,
    listener: Option<Listener>,
    /// What of them is told; see [`Told`].
    told: AtomicU32,
    hub: Arc<Hub>,
    rng: Rng,
    lookups: Lookups,
    uses: Noting,
    flights: Flights,
    caches: Registry,
    blocked: Arc<Blocked>,
    sweeper: Arc<Sweeper>,
    libraries: Libraries,
    /// Kept for the sessions of the store.
    #[cfg(feature = "commands")]
    shared: crate::table::Shared,
    #[cfg(feature = "commands")]
    tracking: crate::tracking::Tracking,
    /// Where what is done is written down.
    #[cfg(feature = "journal")]
    journal: OnceLock<Journal>,
    me: Weak<Keyspace>,
}

impl Keyspace {
    pub(crate) fn new(config: Config) -> Arc<Self> {
        let of_use = config.bound.as_ref().map_or(usize::MAX, |(limit, _)| limit.shards());
        let shards = config.shards.min(of_use).clamp(1, 1 << 12).next_power_of_two();
        let bound = config.bound.map(|(limit, eviction)| Bound::new(limit, eviction));
        let notes = Notes {
            recency: bound.as_ref().is_some_and(Bound::looks_at_use),
            weight: bound.as_ref().is_some_and(|bound| bound.weigher().is_some()),
            times: false,
        };
        let seed = config.seed.unwrap_or_else(rng::unseeded);
        Self::assemble(Beginning {
            shards: (0..shards).map(|_| Shard::new(notes)).collect(),
            family: Arc::default(),
            hasher: Hasher::new(config.seed),
            is_seeded: config.seed.is_some(),
            #[cfg(feature = "commands")]
            shared: crate::table::Shared::new(&config.clock, config.seed),
            clock: config.clock,
            limits: config.limits,
            longest_of_files: config.longest_of_files.max(config.limits.value),
            takes_files: config.longest_of_files > 0,
            bound,
            listener: config.listener,
            told: Told::from(config.events),
            rng: Rng::new(seed),
            lookups: Lookups::new(config.limits.databases),
            uses: Noting::default(),
            sweeping: config.sweeping,
            libraries: Codes::default(),
        })
    }

    fn assemble(parts: Beginning) -> Arc<Self> {
        Arc::new_cyclic(|me| Keyspace {
            shift: 64 - parts.shards.len().trailing_zeros(),
            shards: parts.shards.into_iter().map(|shard| Padded(RwLock::new(shard))).collect(),
            family: parts.family,
            #[cfg(feature = "commands")]
            tracking: crate::tracking::Tracking::new(parts.hasher.clone()),
            hasher: parts.hasher,
            is_seeded: parts.is_seeded,
            clock: parts.clock,
            longest: AtomicUsize::new(parts.limits.value),
            longest_of_files: parts.longest_of_files,
            takes_files: parts.takes_files,
            databases: parts.limits.databases,
            bound: parts.bound.map_or_else(OnceLock::new, OnceLock::from),
            listener: parts.listener,
            told: AtomicU32::new(parts.told.bits()),
            hub: Hub::new(),
            rng: parts.rng,
            lookups: parts.lookups,
            uses: parts.uses,
            flights: Flights::default(),
            caches: Registry::default(),
            blocked: Arc::default(),
            sweeper: Arc::new(Sweeper::new(parts.sweeping)),
            libraries: Libraries::of(parts.libraries),
            #[cfg(feature = "commands")]
            shared: parts.shared,
            #[cfg(feature = "journal")]
            journal: OnceLock::new(),
            me: me.clone(),
        })
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits { value: self.longest.load(Ordering::Relaxed), databases: self.databases }
    }

    /// The same of what is read from a file.
    pub(crate) fn limits_of_files(&self) -> Limits {
        let limits = self.limits();
        Limits { value: limits.value.max(self.longest_of_files), ..limits }
    }

    /// Whether a file is read as it is, however much of it there is for the store's limit: what comes then is refused, or evicts.
    pub(crate) fn takes_files(&self) -> bool {
        self.takes_files
    }

    /// From now on a key, a value or an element has that many bytes at the most; what is longer stays.
    #[cfg(feature = "commands")]
    pub(crate) fn limit_values(&self, longest: usize) {
        self.longest.store(longest, Ordering::Relaxed);
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    #[cfg(feature = "commands")]
    pub(crate) fn shared(&self) -> &crate::table::Shared {
        &self.shared
    }

    /// Who is told of changes to what it has read.
    #[cfg(feature = "commands")]
    pub(crate) fn tracking(&self) -> &crate::tracking::Tracking {
        &self.tracking
    }

    /// Whether there is anybody.
    #[inline]
    pub(crate) fn is_tracked(&self) -> bool {
        #[cfg(feature = "commands")]
        return self.tracking.is_on();
        #[cfg(not(feature = "commands"))]
        false
    }

    pub(crate) fn rng(&self) -> &Rng {
        &self.rng
    }

    /// So many random hexadecimal digits: a secret, unless the store is seeded.
    #[cfg(feature = "commands")]
    pub(crate) fn random_hex(&self, digits: usize) -> String {
        rng::hex(digits, || if self.is_seeded { self.rng.next() } else { rng::unseeded() })
    }

    pub(crate) fn lookups(&self) -> &Lookups {
        &self.lookups
    }

    pub(crate) fn flights(&self) -> &Flights {
        &self.flights
    }

    /// The caches that are views of this store.
    pub(crate) fn caches(&self) -> &Registry {
        &self.caches
    }

    /// The clients that wait for a key to hold something.
    pub(crate) fn blocked(&self) -> &Arc<Blocked> {
        &self.blocked
    }

    /// The next deadline that lies ahead: of a key, of a field, or of whoever waits for the store's manual clock.
    /// O(pages log pages)
    ///
    /// # Errors
    /// [`Error::InTransaction`]
    pub(crate) fn next_deadline(&self) -> Result<u64> {
        let now = self.clock.now();
        let of_keys = self.read_all(|shards| {
            let tables = shards.iter().flat_map(|shard| shard.tables());
            tables.map(|(_, table)| table.next_deadline(now, |name| self.key_ref(name).hash)).min()
        })?;
        Ok(of_keys.unwrap_or(NEVER).min(self.clock.next_alarm(now)))
    }

    /// A key with its hash.
    #[inline]
    pub(crate) fn key_ref<'k>(&self, bytes: &'k [u8]) -> KeyRef<'k> {
        KeyRef { bytes, hash: self.hasher.hash(bytes) }
    }

    #[inline]
    pub(crate) fn shard_of(&self, hash: u64) -> u32 {
        // A shift by 64 means one shard only.
        hash.checked_shr(self.shift).unwrap_or(0) as u32
    }

    pub(crate) fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// The time as it is for whoever is in that transaction, or in none: it goes, but within a transaction it stands
    /// still. Whatever asks for the time of a key asks here.
    pub(crate) fn time<'t>(&'t self, held: Option<&'t transaction::Transaction>) -> Time<'t> {
        Time::new(&self.clock, held.map(transaction::Transaction::still))
    }

    /// The wall time of a deadline, as the clock sees it now; the last there is for one beyond that.
    pub(crate) fn wall_at(&self, deadline: u64) -> SystemTime {
        since_epoch(Duration::from_millis(self.clock.wall_of(deadline)))
    }

    /// Starts to watch keys. The mark is set by the first change to any of them; hand the same keys
    /// to [`unwatch`](Self::unwatch) when it is no longer of interest.
    pub(crate) fn watch(&self, db: u16, keys: &[KeyRef<'_>]) -> Result<Arc<Watch>> {
        let watch = Arc::new(Watch::default());
        // What has expired but still stands there must not mark the watch later: most of it goes before,
        // a bounded part under a lock at a time.
        for key in keys {
            while self.write(db, &[*key], |writer| writer.expire(*key, writer::PARTS) >= writer::PARTS)? {}
        }
        self.write(db, keys, |writer| {
            for key in keys {
                writer.expire(*key, usize::MAX);
                if let Some(shard) = writer.shard_mut(*key) {
                    shard.watches.add(db, key.bytes, &watch);
                }
            }
        })?;
        Ok(watch)
    }

    /// Whether anything has happened to watched keys. Those that have expired have changed, swept or not;
    /// inside a transaction of this store, on the same thread, that is not looked at.
    pub(crate) fn has_changed(&self, db: u16, keys: &[KeyRef<'_>], watch: &Watch) -> bool {
        let is_overdue = |view: &View<'_>| keys.iter().any(|key| view.is_overdue(*key));
        watch.is_changed() || self.read(db, keys, is_overdue).unwrap_or(false)
    }

    /// On a thread that is in a transaction of the store it is put off to the end of that.
    pub(crate) fn unwatch(&self, db: u16, keys: &[KeyRef<'_>], watch: &Arc<Watch>) {
        let remove = move |space: &Keyspace, key: KeyRef<'_>, watch: &Arc<Watch>| {
            let shard = &space.shards[space.shard_of(key.hash) as usize].0;
            shard.write().watches.remove(db, key.bytes, watch);
        };
        if self.check_not_in_transaction().is_ok() {
            return keys.iter().for_each(|key| remove(self, *key, watch));
        }
        let Some(space) = self.me.upgrade() else { return };
        let names: Vec<_> = keys.iter().map(|key| Bytes::from(key.bytes)).collect();
        let watch = Arc::clone(watch);
        space.when_free(move |space| {
            names.iter().for_each(|name| remove(space, space.key_ref(name), &watch));
        });
    }

    /// Removes a key whose source is going to be written: what is loaded for it is not kept until that has
    /// [ended](Self::end_write).
    ///
    /// # Errors
    /// [`Error::InTransaction`]
    pub(crate) fn begin_write(&self, db: u16, key: KeyRef<'_>) -> Result<()> {
        self.write_one(db, key, |writer, key| {
            writer.discard(key, KeyEvent::Del);
            if let Some(shard) = writer.shard_mut(key) {
                shard.watches.hold(db, key.bytes);
            }
            Ok(())
        })
    }

    /// The same key again: its source was written. What began to be loaded before is fenced. Not for a thread that is in
    /// a transaction of the store.
    pub(crate) fn end_write(&self, db: u16, key: KeyRef<'_>) {
        let _is_free = self.write_one(db, key, |writer, key| {
            writer.discard(key, KeyEvent::Del);
            if let Some(shard) = writer.shard_mut(key) {
                shard.watches.let_go(db, key.bytes);
            }
            Ok(())
        });
    }

    /// Which key events are told.
    pub(crate) fn told(&self) -> Told {
        Told::from_bits(self.told.load(Ordering::Relaxed))
    }

    /// Has others told from now on.
    #[cfg(feature = "commands")]
    pub(crate) fn tell_of(&self, told: Told) {
        self.told.store(told.bits(), Ordering::Relaxed);
    }

    /// Whether anybody may be told of key events.
    pub(crate) fn tells_events(&self) -> bool {
        self.told().is_any() && self.hub.has_listeners()
    }

    /// Tells subscribers of key events, in the order of the changes: this runs under the shard's
    /// lock, and only puts messages into their buffers.
    pub(crate) fn publish_event(&self, db: u16, key: &[u8], event: KeyEvent, wakes: &mut Wakes) {
        let told = self.told();
        let event = told.word(event);
        if !told.has(event) || !self.hub.has_listeners() {
            return;
        }
        let name = event.as_str();
        if told.by_key() {
            let channel = [format!("__keyspace@{db}__:").as_bytes(), key].concat();
            self.hub.enqueue(&channel, &Bytes::from(name), wakes);
        }
        if told.by_event() {
            self.hub.enqueue(format!("__keyevent@{db}__:{name}").as_bytes(), &Bytes::from(key), wakes);
        }
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        self.sweeper.stop();
        self.hub.close();
        #[cfg(feature = "journal")]
        if let Some(journal) = self.journal() {
            journal.close();
        }
    }
}
