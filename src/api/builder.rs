//! How a store is set up.

use super::Store;
use crate::clock::Clock;
use crate::keyspace::{Config, Keyspace, Limits, Sweeping};

/// Whether changes of keys are published as key events; see
/// [`StoreBuilder::key_events`].
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
    pub fn clock(mut self, clock: impl Into<Clock>) -> Self {
        self.clock = clock.into();
        self
    }

    /// How many numbered databases there are, at least 1. Default: 16.
    pub fn databases(mut self, count: u16) -> Self {
        self.databases = count.max(1);
        self
    }

    /// Into how many parts, each with a lock of its own, the keys are spread; rounded up to a power
    /// of two of at most 4,096. Default: four for each core.
    pub fn shards(mut self, count: usize) -> Self {
        self.shards = Some(count);
        self
    }

    /// Who gives back the memory of expired keys. Default: a thread of the store's own.
    pub fn sweeping(mut self, sweeping: Sweeping) -> Self {
        self.sweeping = sweeping;
        self
    }

    /// Whether changes of keys are published, to be read by
    /// [`Store::subscribe`]. Default: off.
    #[doc(alias = "notify-keyspace-events")]
    pub fn key_events(mut self, events: KeyEvents) -> Self {
        self.events = events;
        self
    }

    /// The longest key, value or element, in bytes. Default: 512 MB (2^29), as Redis.
    #[doc(alias = "proto-max-bulk-len")]
    pub fn value_limit(mut self, bytes: usize) -> Self {
        self.value_limit = bytes;
        self
    }

    /// Fixes all that is random: which members are drawn, and how keys are spread over shards. Not
    /// for keys that strangers choose: they could then make them collide.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The store, empty.
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
