//! How a store is set up.

use std::sync::Arc;

use super::Store;
use crate::clock::Clock;
use crate::keyspace::{Config, Evicted, Keyspace, Limit, Limits, Listener, Sweeping, Weighed, Weigher};

/// Whether changes of keys are published as key events; see
/// [`StoreBuilder::key_events`].
///
/// ```
/// use larder::{KeyEvents, Store};
///
/// let store = Store::builder().key_events(KeyEvents::On).build();
/// let removed = store.subscribe(["__keyevent@0__:del"]);
/// store.insert("greeting", "hello")?;
/// store.remove("greeting")?;
/// assert_eq!(removed.try_recv().map(|event| event.payload), Some("greeting".into()));
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum KeyEvents {
    /// They are not: nothing is paid for them.
    #[default]
    Off,
    /// Each is published under `__keyspace@<db>__:<key>` and `__keyevent@<db>__:<event>`.
    On,
}

/// What goes when a store has reached its limit ([`StoreBuilder::max_bytes`],
/// [`StoreBuilder::max_keys`], [`StoreBuilder::max_weight`]). `CONFIG SET maxmemory-policy`
///
/// ```
/// use larder::{Error, Eviction, Store};
///
/// let store = Store::builder().max_keys(2).eviction(Eviction::Refuse).build();
/// store.insert_many([("a", 1), ("b", 2)])?;
/// assert!(matches!(store.insert("c", 3), Err(Error::OutOfMemory)));
/// store.insert("a", 3)?; // nothing new
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[doc(alias = "maxmemory-policy")]
pub enum Eviction {
    /// Of all keys, one that is not likely to be asked for again: not used since it came, or not for
    /// long. By S3-FIFO with a probation of learned length; in Redis, `allkeys-lru` and `allkeys-lfu` come
    /// closest.
    #[default]
    AllKeys,
    /// The same among keys that have a deadline: `volatile-lru`, `volatile-lfu`. If none has one,
    /// what needs room is refused.
    Expiring,
    /// The key whose deadline comes first: `volatile-ttl`. If none has one, what needs room is
    /// refused.
    SoonestDeadline,
    /// Nothing: what needs room is refused with [`Error::OutOfMemory`](crate::Error::OutOfMemory).
    /// `noeviction`
    Refuse,
}

/// Sets up a [`Store`]; made by [`Store::builder`].
///
/// What is not said is as by default; each method says what that is. O(1), all of them but
/// [`build`](Self::build).
///
/// ```
/// use larder::{ManualClock, Store, Sweeping};
///
/// let clock = ManualClock::new();
/// let store = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).seed(7).build();
/// assert!(store.is_empty()?);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, Clone)]
#[must_use]
pub struct StoreBuilder {
    clock: Clock,
    databases: u16,
    shards: Option<usize>,
    sweeping: Sweeping,
    events: KeyEvents,
    value_limit: usize,
    longest_of_files: usize,
    limit: Option<Limit>,
    eviction: Eviction,
    listener: Option<Listener>,
    seed: Option<u64>,
    #[cfg(feature = "journal")]
    pub(super) sync_policy: crate::SyncPolicy,
}

/// The longest value by default, in bytes.
const DEFAULT_LIMIT: usize = 512 << 20;

/// How many shards a store has whose seed is said: the same on every machine.
const SHARDS_SEEDED: usize = 16;

impl StoreBuilder {
    pub(super) fn new() -> Self {
        StoreBuilder {
            clock: Clock::System,
            databases: 16,
            shards: None,
            sweeping: Sweeping::default(),
            events: KeyEvents::default(),
            value_limit: DEFAULT_LIMIT,
            longest_of_files: 0,
            limit: None,
            eviction: Eviction::default(),
            listener: None,
            seed: None,
            #[cfg(feature = "journal")]
            sync_policy: crate::SyncPolicy::default(),
        }
    }

    /// Where the store takes its time from: the system, or a clock that a test moves. Default: the
    /// system.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
    /// clock.advance(Duration::from_secs(30)); // half a minute passes at once
    /// assert!(!store.contains("session:42")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = clock.into();
        self
    }

    /// How many numbered databases there are, at least 1. Default: 16. One that is not used costs next to
    /// nothing.
    ///
    /// ```
    /// use larder::{Error, Store};
    ///
    /// let store = Store::builder().databases(2).build();
    /// store.db(1)?.insert("greeting", "hello")?;
    /// assert!(matches!(store.db(2), Err(Error::NoSuchDatabase)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn databases(mut self, count: u16) -> Self {
        self.databases = count.max(1);
        self
    }

    /// Into how many parts, each with a lock of its own, the keys are spread; rounded up to a power
    /// of two of at most 4,096. Default: four for each core, 16 with a [`seed`](Self::seed).
    ///
    /// More of them let more threads write at once; what is done to a whole database, such as
    /// [`len`](Store::len), takes longer.
    ///
    /// ```
    /// use larder::Store;
    ///
    /// let store = Store::builder().shards(1).build(); // for one thread
    /// store.insert("greeting", "hello")?;
    /// assert_eq!(store.len()?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn shards(mut self, count: usize) -> Self {
        self.shards = Some(count);
        self
    }

    /// Who gives back the memory of expired keys. Default: a thread of the store's own. An expired key is
    /// never seen in either case.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store, Sweeping};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).build();
    /// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
    /// clock.advance(Duration::from_secs(30));
    /// assert!(!store.contains("session:42")?);
    /// assert_eq!(store.sweep()?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn sweeping(mut self, sweeping: Sweeping) -> Self {
        self.sweeping = sweeping;
        self
    }

    /// Whether changes of keys are published, to be read by
    /// [`Store::subscribe`]. `CONFIG SET notify-keyspace-events`; default: off.
    ///
    /// ```
    /// use larder::{KeyEvents, Store};
    ///
    /// let store = Store::builder().key_events(KeyEvents::On).build();
    /// let changes = store.psubscribe(["__keyspace@0__:user:*"]);
    /// store.insert("user:7", "ann")?;
    /// let change = changes.try_recv().expect("it has been told");
    /// assert_eq!((change.channel, change.payload), ("__keyspace@0__:user:7".into(), "set".into()));
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "notify-keyspace-events")]
    pub fn key_events(mut self, events: KeyEvents) -> Self {
        self.events = events;
        self
    }

    /// Files may have been written under other limits than these: values are read up to the default one, and memory is not
    /// looked at before all of a file is there.
    #[cfg(feature = "server")]
    pub(crate) fn with_files_of_others(mut self) -> Self {
        self.longest_of_files = DEFAULT_LIMIT;
        self
    }

    /// The longest key, value or element, in bytes. `proto-max-bulk-len`, which CONFIG SET changes; default: 512 MB (2^29),
    /// as in Redis.
    ///
    /// ```
    /// use larder::{Error, Store};
    ///
    /// let store = Store::builder().value_limit(1_000).build();
    /// assert!(matches!(store.insert("page", "x".repeat(1_001)), Err(Error::TooLong)));
    /// ```
    #[doc(alias = "proto-max-bulk-len")]
    pub fn value_limit(mut self, bytes: usize) -> Self {
        self.value_limit = bytes;
        self
    }

    /// The most bytes that the store's keys and values may take, as [`Stats::bytes`](crate::Stats::bytes) counts
    /// them. `CONFIG SET maxmemory`, by which a session can set another while the store is in use; default: no limit.
    ///
    /// Once there are more, keys go as [`eviction`](Self::eviction) says before the call returns that brought
    /// them: the store is over its limit by what the calls under way bring, and no more. What is larger
    /// than seven eighths of the limit is refused with [`Error::OutOfMemory`](crate::Error::OutOfMemory). What `EXEC` and scripts
    /// have begun they end, as in Redis: they are refused as a whole, where there is no room left when they come. A
    /// limit below some ten thousand bytes leaves little for data: a table takes a few hundred for itself.
    ///
    /// ```
    /// use larder::Store;
    ///
    /// let store = Store::builder().max_bytes(1 << 20).build();
    /// for id in 0..2_000 {
    ///     store.insert(format!("page:{id}"), "x".repeat(1_000))?;
    /// }
    /// let stats = store.stats()?;
    /// assert!(stats.bytes <= 1 << 20 && stats.entries > 900);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "maxmemory")]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.limit = Some(Limit::Bytes(bytes));
        self
    }

    /// The most keys that the store may hold, over all databases, in place of a limit in bytes. Default:
    /// no limit.
    ///
    /// ```
    /// use larder::Store;
    ///
    /// let store = Store::builder().max_keys(100).build();
    /// for id in 0..1_000 {
    ///     store.insert(format!("page:{id}"), id)?;
    /// }
    /// assert_eq!(store.len()?, 100);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.limit = Some(Limit::Keys(keys));
        self
    }

    /// The most that the keys of all databases may weigh together, by a weigher of your own, in place of a
    /// limit in bytes or keys: the last of the three that is said holds. Default: no limit.
    ///
    /// The unit is yours; it is asked for the weight of a key after each call or transaction that has changed
    /// what the key holds, and as a snapshot is loaded, on the thread of that call (for fields that have
    /// expired, on that of the sweep) and with no lock held. So it may call the store; if it writes the very
    /// key that it weighs, that key is weighed anew, and so on without end. The answer should follow from
    /// what it is given ([`Weighed`]). A new key counts for nothing until it is weighed, and any other for
    /// what it did before; before the call returns all have been weighed, and keys have gone as
    /// [`eviction`](Self::eviction) says until the store is within its limit.
    ///
    /// - A key that weighs nothing is never evicted, and nothing bounds how many there are of those.
    /// - A key that is heavier than the limit goes at once, and nothing else for it.
    /// - What needs room is refused with [`Error::OutOfMemory`](crate::Error::OutOfMemory) while the limit is
    ///   reached and no key may go: under [`Eviction::Refuse`], and where no key has a deadline. The call that
    ///   reaches it is carried out whatever it brings, as its weight is not known before. So even a value that
    ///   would be lighter than the old one is refused then.
    /// - A limit of zero holds nothing: all that is new is refused. Limits over 2^51 count as that.
    /// - If the weigher panics, the other keys are weighed too, and then the panic goes on in the call, which has
    ///   been carried out.
    ///
    /// Costs 8 bytes a key, and for each change one call of the weigher and one more lock of the key's shard.
    /// [`Stats::weight`](crate::Stats::weight) tells the sum.
    ///
    /// ```
    /// use larder::{Store, Weighed};
    ///
    /// // A thousand elements over all collections; strings are free.
    /// let elements = |key: &Weighed<'_>| if key.kind == larder::Type::String { 0 } else { key.len as u64 };
    /// let store = Store::builder().max_weight(1_000, elements).build();
    /// store.insert("settings", "dark")?;
    /// for id in 0..100 {
    ///     store.set::<u32>(format!("visitors:{id}")).insert_many(0..90)?;
    /// }
    /// assert_eq!(store.stats()?.weight, 990);
    /// assert!(store.contains("settings")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn max_weight(
        mut self,
        limit: u64,
        weigher: impl Fn(&Weighed<'_>) -> u64 + Send + Sync + 'static,
    ) -> Self {
        self.limit = Some(Limit::Weight(limit, Weigher(Arc::new(weigher))));
        self
    }

    /// What goes when the limit is reached. `CONFIG SET maxmemory-policy`; default: any key that is not
    /// likely to be asked for again.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Eviction, Store};
    ///
    /// let store = Store::builder().max_keys(2).eviction(Eviction::SoonestDeadline).build();
    /// store.insert("settings", "dark")?;
    /// store.insert_ex("session:1", "ann", Duration::from_secs(60))?;
    /// store.insert_ex("session:2", "bob", Duration::from_secs(90))?;
    /// assert!(store.contains("settings")? && !store.contains("session:1")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "maxmemory-policy")]
    pub fn eviction(mut self, eviction: Eviction) -> Self {
        self.eviction = eviction;
        self
    }

    /// Whom to tell of each key that is evicted. Called on the thread that brought the store over its limit,
    /// before its call returns and with no lock held, so it may call the store; what its own calls evict
    /// is told to nobody. If it panics, the other evicted keys are told too, and then the panic goes on
    /// in that call, which has been carried out. Default: nobody. Expired and removed keys are not evicted.
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use larder::Store;
    ///
    /// let (sender, gone) = mpsc::channel();
    /// let store = Store::builder()
    ///     .max_keys(1)
    ///     .eviction_listener(move |evicted| _ = sender.send(evicted.clone()))
    ///     .build();
    /// store.insert("a", "first")?;
    /// store.insert("b", "second")?;
    /// let evicted = gone.try_recv().expect("one had to go");
    /// assert_eq!((evicted.key, evicted.value), ("a".into(), Some("first".into())));
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn eviction_listener(mut self, listener: impl Fn(&Evicted) + Send + Sync + 'static) -> Self {
        self.listener = Some(Listener(Arc::new(listener)));
        self
    }

    /// Fixes all that is random, the same on every machine. Not for keys that strangers choose: they could then make
    /// them collide. Default: another for each store.
    ///
    /// - **What is drawn**: `SPOP`, `SRANDMEMBER`, `RANDOMKEY`, `HRANDFIELD`, `ZRANDMEMBER` and their kin, the owner's
    ///   mark of a [`Lock`](crate::Lock), `ACL GENPASS`, the run's id. Ids of clients count up from 1 in any case.
    /// - **How keys are spread**: their hashes, and the number of [`shards`](Self::shards), which is 16 unless it is
    ///   said; and so the order of a scan, and which keys a store with a limit evicts.
    ///
    /// What is done one after the other has the same results in every run, then. It does not fix in which order
    /// threads come, the time ([`clock`](Self::clock)), when a background sweep removes what has expired (with
    /// [`Sweeping::ByHand`] that is said too), and how many bytes large collections take, to within some percent: a
    /// limit by [`max_keys`](Self::max_keys) or [`max_weight`](Self::max_weight) is reached at the same place in
    /// every run, one by [`max_bytes`](Self::max_bytes) only where collections are small and machines alike. Ids of
    /// snapshots are never repeated.
    ///
    /// ```
    /// use larder::Store;
    ///
    /// let draw = || {
    ///     let store = Store::builder().seed(7).build();
    ///     let numbers = store.set::<u32>("numbers");
    ///     numbers.insert_many(0..100)?;
    ///     numbers.pop_many(3)
    /// };
    /// assert_eq!(draw()?, draw()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The store, empty. Starts no thread. O(shards)
    ///
    /// ```
    /// let store = larder::Store::builder().build();
    /// assert!(store.is_empty()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn build(self) -> Store {
        let of_cores = || 4 * std::thread::available_parallelism().map_or(4, usize::from);
        let default = || if self.seed.is_some() { SHARDS_SEEDED } else { of_cores() };
        Store::of(Keyspace::new(Config {
            clock: self.clock,
            limits: Limits { value: self.value_limit, databases: self.databases },
            longest_of_files: self.longest_of_files,
            shards: self.shards.unwrap_or_else(default),
            sweeping: self.sweeping,
            events: self.events,
            seed: self.seed,
            bound: self.limit.map(|limit| (limit, self.eviction)),
            listener: self.listener,
        }))
    }
}
