//! How a store is set up.

use super::Store;
use crate::clock::Clock;
use crate::keyspace::{Config, Keyspace, Limits, Sweeping};

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
    seed: Option<u64>,
}

impl StoreBuilder {
    pub(super) fn new() -> Self {
        StoreBuilder {
            clock: Clock::System,
            databases: 16,
            shards: None,
            sweeping: Sweeping::default(),
            events: KeyEvents::default(),
            value_limit: 512 << 20,
            seed: None,
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
    /// of two of at most 4,096. Default: four for each core.
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

    /// The longest key, value or element, in bytes. `CONFIG SET proto-max-bulk-len`; default: 512 MB (2^29),
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

    /// Fixes all that is random: which members are drawn, and how keys are spread over shards. Not
    /// for keys that strangers choose: they could then make them collide. Default: another for each store.
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
        let cores = || std::thread::available_parallelism().map_or(4, usize::from);
        Store::of(Keyspace::new(Config {
            clock: self.clock,
            limits: Limits { value: self.value_limit, databases: self.databases },
            shards: self.shards.unwrap_or_else(|| 4 * cores()),
            sweeping: self.sweeping,
            events: self.events,
            seed: self.seed,
        }))
    }
}
