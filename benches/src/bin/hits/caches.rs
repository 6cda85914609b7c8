//! The contenders, all asked in the same way: a get, and an insert on a miss.

use ahash::RandomState;
use larder::{Bytes, Store, Sweeping};

use crate::simulations::{Clock, Lru, S3Fifo};

/// A cache of keys; what they stand for is of no account.
pub trait Cache {
    /// Asks for a key and inserts it if it is not there; whether it was.
    fn request(&mut self, key: u32) -> bool;
}

/// A contender's name, and how to make one with room for so many keys.
pub struct Contender {
    pub name: &'static str,
    pub role: Role,
    pub with_room_for: fn(usize) -> Box<dyn Cache>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Larder,
    /// larder is not to be far behind the best of these.
    Bar,
    /// To show what another policy would have given.
    Simulation,
}

pub const CONTENDERS: [Contender; 6] = [
    Contender { name: "larder", role: Role::Larder, with_room_for: |keys| Box::new(Larder::new(keys)) },
    Contender { name: "LRU", role: Role::Bar, with_room_for: |keys| Box::new(Lru::new(keys)) },
    Contender { name: "moka", role: Role::Bar, with_room_for: |keys| Box::new(Moka::new(keys)) },
    Contender { name: "quick_cache", role: Role::Bar, with_room_for: |keys| Box::new(QuickCache::new(keys)) },
    Contender { name: "S3-FIFO", role: Role::Simulation, with_room_for: |keys| Box::new(S3Fifo::new(keys)) },
    Contender { name: "CLOCK", role: Role::Simulation, with_room_for: |keys| Box::new(Clock::new(keys)) },
];

/// After how many requests moka is made to do what it has put off, so that nothing depends on the time. As
/// often as it does so by itself under load: more rarely gives the same ratios; more often gives lower
/// ones on traces, as a new key is then turned away before it is asked for again.
const MOKA_TASKS_EVERY: usize = 64;

struct Larder(Store);
struct Moka {
    cache: moka::sync::Cache<u32, (), RandomState>,
    requests: usize,
}
struct QuickCache(quick_cache::sync::Cache<u32, (), quick_cache::UnitWeighter, RandomState>);

impl Larder {
    fn new(keys: usize) -> Self {
        Larder(Store::builder().max_keys(keys).sweeping(Sweeping::ByHand).seed(7).build())
    }
}

impl Cache for Larder {
    fn request(&mut self, key: u32) -> bool {
        let key = key.to_be_bytes();
        let is_hit = self.0.get::<Bytes>(&key).expect("holds strings only").is_some();
        if !is_hit {
            self.0.insert(key, "").expect("room is made");
        }
        is_hit
    }
}

impl Moka {
    fn new(keys: usize) -> Self {
        let builder = moka::sync::Cache::builder().max_capacity(keys as u64);
        Moka { cache: builder.build_with_hasher(hasher()), requests: 0 }
    }
}

impl Cache for Moka {
    fn request(&mut self, key: u32) -> bool {
        let is_hit = self.cache.get(&key).is_some();
        if !is_hit {
            self.cache.insert(key, ());
        }
        self.requests += 1;
        if self.requests.is_multiple_of(MOKA_TASKS_EVERY) {
            self.cache.run_pending_tasks();
        }
        is_hit
    }
}

impl QuickCache {
    fn new(keys: usize) -> Self {
        let (weighter, lifecycle) = Default::default();
        QuickCache(quick_cache::sync::Cache::with(keys, keys as u64, weighter, hasher(), lifecycle))
    }
}

impl Cache for QuickCache {
    fn request(&mut self, key: u32) -> bool {
        let is_hit = self.0.get(&key).is_some();
        if !is_hit {
            self.0.insert(key, ());
        }
        is_hit
    }
}

/// The same in each run.
fn hasher() -> RandomState {
    RandomState::with_seeds(1, 2, 3, 4)
}
