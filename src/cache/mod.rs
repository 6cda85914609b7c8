//! A cache in front of a database: a named, typed view of a store for one kind of object.
//!
//! ```text
//! hit     near.rs: the entry by its key, without the store's table
//! else    ask.rs: the table by the key's text -> policy.rs: what becomes of it -> crate::load: one load, fenced
//! many    many.rs: the same for each of several keys, with one call of the loader
//! second  second: before a load, what other processes have loaded; after it, what they are to find
//! behind  loading.rs: the same by a thread, or a task, of a cache with a loader of its own
//! ```
//!
//! The store's table is where entries stand: there they expire, are evicted, written over and removed, by whoever does
//! it, and it says so to the entry. `near.rs` only remembers where an entry was found.

mod ask;
mod behind;
mod breaker;
mod builder;
mod edit;
mod entry;
mod explain;
mod find;
mod iter;
mod landing;
mod load;
mod loading;
mod many;
#[cfg(feature = "metrics")]
mod metrics;
mod name;
mod near;
mod policy;
pub(crate) mod registry;
pub(crate) mod second;
mod stats;
pub(crate) mod tags;
mod warm;
mod worker;
mod writing;

use std::fmt;
use std::sync::{Arc, Weak};

use crate::keyspace::Keyspace;
use crate::sync::atomic::AtomicU64;
use crate::{Database, Result};

pub use builder::{CacheBuilder, OnFailure};
pub use explain::{CacheState, Explanation};
pub use iter::CacheIter;
pub use load::{Answer, How, Load, Previous};
pub use loading::{AsyncLoadingCache, LoadingCache};
pub use name::CacheKey;
pub use stats::CacheStats;
pub use warm::Warmed;
pub use writing::Writing;

use breaker::{Breaker, Limit};
use entry::Form;
use explain::Fenced;
use near::{Home, Near};
use policy::Policy;
use registry::Cleared;
use second::{FirstLevel, SecondLevel};
use stats::Counters;
use tags::Tag;

/// A cache for one kind of object: values by key, loaded by a closure when they are missing.
///
/// It is a view of a store, made by [`Database::cache`]; clones are one and the same. Its values are kept as they are,
/// in an `Arc`: a hit neither encodes nor decodes. They need nothing but `Send + Sync`.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use larder::{Cache, LoadError, Store};
///
/// #[derive(Debug)]
/// struct Product { name: String }
///
/// fn find(id: u64) -> Result<Option<Product>, std::io::Error> {
///     Ok((id == 7).then(|| Product { name: "tea".to_owned() })) // the slow way
/// }
///
/// let store = Store::new();
/// let products: Cache<u64, Product> = store
///     .cache("products")
///     .ttl(Duration::from_secs(300))
///     .absent_ttl(Duration::from_secs(30)) // remember that there is no such row
///     .build()?;
///
/// let tea: Option<Arc<Product>> = products.get_or_load(&7, || find(7))?;
/// assert_eq!(tea.map(|tea| tea.name.clone()).as_deref(), Some("tea"));
/// assert!(products.get_or_load(&8, || find(8))?.is_none());
/// products.get_or_load(&7, || find(7))?;
/// assert_eq!((products.stats().hits, products.stats().loads), (1, 2));
/// # Ok::<(), LoadError<std::io::Error>>(())
/// ```
pub struct Cache<K, V>(Arc<Inner<K, V>>);

/// What a value takes beside its own size, in bytes.
type Weigher<V> = Arc<dyn Fn(&V) -> usize + Send + Sync>;

/// How the values of a cache are handled, beside its [`Policy`].
pub(crate) struct Settings<V> {
    form: Option<Arc<Form<V>>>,
    weigher: Option<Weigher<V>>,
    wait_at_most: Option<u64>,
    stale_after: Option<u64>,
    on_failure: OnFailure,
    breaker: Option<Limit>,
    second: Option<Arc<dyn SecondLevel>>,
}

impl<V> Default for Settings<V> {
    fn default() -> Self {
        Settings {
            form: None,
            weigher: None,
            wait_at_most: None,
            stale_after: None,
            on_failure: OnFailure::default(),
            breaker: None,
            second: None,
        }
    }
}

struct Inner<K, V> {
    space: Arc<Keyspace>,
    db: u16,
    name: Arc<str>,
    /// What the names of its keys begin with.
    prefix: Box<[u8]>,
    policy: Policy,
    settings: Settings<V>,
    near: Near<K, V>,
    /// What all its entries have in common, so that they can be removed at once.
    tag: Arc<Tag>,
    /// While it is more than 0, what stands there as bytes counts as removed: the cache is being cleared, or it was, by
    /// another process.
    without_texts: AtomicU64,
    breaker: Breaker,
    counters: Counters,
    fenced: Fenced,
    me: Weak<Inner<K, V>>,
}

impl Database {
    /// A cache of this name, to be told how it is to behave. Its keys stand in this database as `name:key`. See
    /// [`Cache`]. O(name)
    ///
    /// Names may nest: the key `admin:ann` of a cache `session` and the key `ann` of a cache `session:admin` stand under
    /// one name, as two caches that were given other types would. None of them is served what the other has put there,
    /// and each takes the place of the other's value, which is loaded again when it is asked for. Where keys are given by
    /// users that costs loads and nothing else; name caches so that none is another's beginning to be spared those.
    pub fn cache<K, V>(&self, name: impl Into<String>) -> CacheBuilder<K, V> {
        CacheBuilder::new(self.share(), name.into())
    }
}

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Cache<K, V> {
    fn open(db: &Database, name: String, policy: Policy, settings: Settings<V>) -> Result<Self> {
        let space = Arc::clone(db.space());
        space.check_not_in_transaction()?;
        let (prefix, name) = (format!("{name}:").into_bytes().into_boxed_slice(), Arc::from(name));
        let inner = Arc::new_cyclic(|me| Inner {
            near: Near::new(space.shard_count()),
            db: db.index(),
            name: Arc::clone(&name),
            prefix,
            policy,
            settings,
            tag: space.caches().own_tag(db.index(), &name),
            without_texts: AtomicU64::new(0),
            breaker: Breaker::default(),
            counters: Counters::default(),
            fenced: Fenced::default(),
            me: me.clone(),
            space,
        });
        let cache: Weak<dyn Cleared> = Arc::<Inner<K, V>>::downgrade(&inner);
        let second = inner.settings.second.as_ref();
        inner.space.caches().open(inner.db, &name, cache, second)?;
        if let Some(second) = second {
            let first: Weak<dyn FirstLevel> = Arc::<Inner<K, V>>::downgrade(&inner);
            second.connect(first)?;
        }
        Ok(Cache(inner))
    }
}

impl<K, V> Cache<K, V> {
    /// Its name. O(1)
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

impl<K: Send + Sync, V: Send + Sync> Home for Inner<K, V> {
    fn forget(&self, hash: u64, entry: *const ()) {
        self.near.forget(hash, entry);
    }
}

impl<K: Send + Sync, V: Send + Sync> Cleared for Inner<K, V> {
    fn clear(&self) {
        self.near.clear();
    }
}

impl<K, V> Clone for Cache<K, V> {
    fn clone(&self) -> Self {
        Cache(Arc::clone(&self.0))
    }
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("name", &self.0.name)
            .field("policy", &self.0.policy)
            .finish_non_exhaustive()
    }
}
