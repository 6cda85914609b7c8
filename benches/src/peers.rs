//! One face for larder and for each peer it is measured beside.
//!
//! All peers hold `larder::Bytes` (22 bytes inline, more behind an `Arc`), so that reading a value
//! out costs the same everywhere, and all hash with ahash. Keys are what each takes: larder copies
//! a borrowed one, the others own a `String`, which a write must bring.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Mutex;
use std::time::Duration;

use ahash::RandomState;
use larder::Bytes;

/// Long enough that nothing expires while it is measured.
const TTL: Duration = Duration::from_secs(3600);

/// A map from text to bytes that threads share.
pub trait Peer: Sync {
    const NAME: &'static str;

    /// An empty one with room for twice `keys`, so that a cache evicts nothing.
    fn with_room_for(keys: usize) -> Self;
    fn read(&self, key: &str) -> Option<Bytes>;
    fn write(&self, key: &str, value: &[u8]);
}

/// A peer that loads what it misses, once for all who ask.
pub trait Loads: Peer {
    fn read_or_load(&self, key: &str, load: impl FnOnce() -> Bytes) -> Bytes;
}

pub struct Larder(larder::Store);
/// larder with a deadline on each key.
pub struct LarderTtl(larder::Store);
pub struct Moka(moka::sync::Cache<String, Bytes, RandomState>);
/// moka with one time to live for all keys.
pub struct MokaTtl(moka::sync::Cache<String, Bytes, RandomState>);
pub struct QuickCache(quick_cache::sync::Cache<String, Bytes, quick_cache::UnitWeighter, RandomState>);
pub struct DashMap(dashmap::DashMap<String, Bytes, RandomState>);
pub struct Papaya(papaya::HashMap<String, Bytes, RandomState>);
pub struct Scc(scc::HashMap<String, Bytes, RandomState>);
/// foyer's cache in memory, which evicts by least recent use. Its loads are asynchronous.
pub struct Foyer(foyer_memory::Cache<String, Bytes, RandomState>);
pub struct MutexMap(Mutex<HashMap<String, Bytes, RandomState>>);

impl Peer for Larder {
    const NAME: &'static str = "larder";

    fn with_room_for(_: usize) -> Self {
        Larder(larder::Store::new())
    }

    fn read(&self, key: &str) -> Option<Bytes> {
        self.0.get(key).expect("holds strings only")
    }

    fn write(&self, key: &str, value: &[u8]) {
        self.0.insert(key, value).expect("within all limits");
    }
}

impl Loads for Larder {
    fn read_or_load(&self, key: &str, load: impl FnOnce() -> Bytes) -> Bytes {
        self.0.get_or_load(key, TTL, || Ok::<_, Infallible>(load())).expect("holds strings only")
    }
}

impl Peer for LarderTtl {
    const NAME: &'static str = "larder_ttl";

    fn with_room_for(_: usize) -> Self {
        LarderTtl(larder::Store::new())
    }

    fn read(&self, key: &str) -> Option<Bytes> {
        self.0.get(key).expect("holds strings only")
    }

    fn write(&self, key: &str, value: &[u8]) {
        self.0.insert_ex(key, value, TTL).expect("within all limits");
    }
}

impl Loads for LarderTtl {
    fn read_or_load(&self, key: &str, load: impl FnOnce() -> Bytes) -> Bytes {
        self.0.get_or_load(key, TTL, || Ok::<_, Infallible>(load())).expect("holds strings only")
    }
}

impl Peer for Moka {
    const NAME: &'static str = "moka";

    fn with_room_for(keys: usize) -> Self {
        let capacity = 2 * keys;
        let builder = moka::sync::Cache::builder().max_capacity(capacity as u64).initial_capacity(capacity);
        Moka(builder.build_with_hasher(RandomState::new()))
    }

    fn read(&self, key: &str) -> Option<Bytes> {
        self.0.get(key)
    }

    fn write(&self, key: &str, value: &[u8]) {
        self.0.insert(key.to_owned(), value.into());
    }
}

impl Loads for Moka {
    fn read_or_load(&self, key: &str, load: impl FnOnce() -> Bytes) -> Bytes {
        self.0.get_with_by_ref(key, load)
    }
}

impl Peer for MokaTtl {
    const NAME: &'static str = "moka_ttl";

    fn with_room_for(keys: usize) -> Self {
        let capacity = 2 * keys;
        let builder = moka::sync::Cache::builder().max_capacity(capacity as u64).initial_capacity(capacity);
        MokaTtl(builder.time_to_live(TTL).build_with_hasher(RandomState::new()))
    }

    fn read(&self, key: &str) -> Option<Bytes> {
        self.0.get(key)
    }

    fn write(&self, key: &str, value: &[u8]) {
        self.0.insert(key.to_owned(), value.into());
    }
}

impl Loads for MokaTtl {
    fn read_or_load(&self, key: &str, load: impl FnOnce() -> Bytes) -> Bytes {
        self.0.get_with_by_ref(key, load)
    }
}

impl Peer for QuickCache {
    const NAME: &'static str = "quick_cache";

    fn with_room_for(keys: usize) -> Self {
        let (items, weight) = (2 * keys, 2 * keys as u64);
        let (weighter, lifecycle) = Default::default();
        QuickCache(quick_cache::sync::Cache::with(items, weight, weighter, RandomState::new(), lifecycle))
    }

    fn read(&self, key: &str) -> Option<Bytes> {
        self.0.get(key)
    }

    fn write(&self, key: &str, value: &[u8]) {
        self.0.insert(key.to_owned(), value.into());
    }
}

impl Loads for QuickCache {
    fn read_or_load(&self, key: &str, load: impl FnOnce() -> Bytes) -> Bytes {
        match self.0.get_or_insert_with(key, || Ok::<_, Infallible>(load())) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }
}

impl Peer for DashMap {
    const NAME: &'static str = "dashmap";

    fn with_room_for(keys: usize) -> Self {
        DashMap(dashmap::DashMap::with_capacity_and_hasher(2 * keys, RandomState::new()))
    }

    fn read(&self, key: &str) -> Option<Bytes> {
        self.0.get(key).map(|value| value.clone())
    }

    fn write(&self, key: &str, value: &[u8]) {
        self.0.insert(key.to_owned(), value.into());
    }
}

impl Peer for Papaya {
    const NAME: &'static str = "papaya";

    fn with_room_for(keys: usize) -> Self {
        Papaya(papaya::HashMap::with_capacity_and_hasher(2 * keys, RandomState::new()))
    }

    fn read(&self, key: &str) -> Option<Bytes> {
        self.0.pin().get(key).cloned()
    }

    fn write(&self, key: &str, value: &[u8]) {
        self.0.pin().insert(key.to_owned(), value.into());
    }
}

impl Peer for Scc {
    const NAME: &'static str = "scc";

    fn with_room_for(keys: usize) -> Self {
        Scc(scc::HashMap::with_capacity_and_hasher(2 * keys, RandomState::new()))
    }

    fn read(&self, key: &str) -> Option<Bytes> {
        self.0.read_sync(key, |_, value| value.clone())
    }

    fn write(&self, key: &str, value: &[u8]) {
        self.0.upsert_sync(key.to_owned(), value.into());
    }
}

impl Peer for Foyer {
    const NAME: &'static str = "foyer";

    fn with_room_for(keys: usize) -> Self {
        let builder = foyer_memory::CacheBuilder::new(2 * keys);
        Foyer(builder.with_hash_builder(RandomState::new()).build())
    }

    fn read(&self, key: &str) -> Option<Bytes> {
        self.0.get(key).map(|entry| entry.value().clone())
    }

    fn write(&self, key: &str, value: &[u8]) {
        self.0.insert(key.to_owned(), value.into());
    }
}

impl Peer for MutexMap {
    const NAME: &'static str = "mutex_hashmap";

    fn with_room_for(keys: usize) -> Self {
        MutexMap(Mutex::new(HashMap::with_capacity_and_hasher(2 * keys, RandomState::new())))
    }

    fn read(&self, key: &str) -> Option<Bytes> {
        self.0.lock().expect("nothing panics under it").get(key).cloned()
    }

    fn write(&self, key: &str, value: &[u8]) {
        let (key, value) = (key.to_owned(), value.into());
        // What was replaced is dropped after the lock is let go.
        let _old = self.0.lock().expect("nothing panics under it").insert(key, value);
    }
}
