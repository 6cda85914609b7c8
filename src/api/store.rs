//! The store's handle.

use std::ops::Deref;
use std::sync::Arc;

use super::{Database, StoreBuilder};
use crate::Result;
use crate::keyspace::Keyspace;

/// An in-process Redis: a concurrent map from keys to typed values with deadlines.
///
/// A `Store` is a handle: clones are cheap and reach the same data, from any thread. It dereferences
/// to [`Database`], where the operations on keys and values are.
///
/// ```
/// use std::time::Duration;
/// use larder::Store;
///
/// let store = Store::new();
/// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
/// let who: Option<String> = store.get("session:42")?;
/// assert_eq!(who.as_deref(), Some("ann"));
/// # Ok::<(), larder::Error>(())
/// ```
pub struct Store(Database);

impl Store {
    /// An empty store with the default settings. Starts no thread.
    pub fn new() -> Self {
        Store::builder().build()
    }

    /// Settings for a store that differs from the default.
    pub fn builder() -> StoreBuilder {
        StoreBuilder::new()
    }

    pub(super) fn of(space: Arc<Keyspace>) -> Self {
        Store(Database::new(space, 0))
    }

    /// A handle on another of the numbered databases. O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.db(3)?.insert("greeting", "hello")?;
    /// assert!(!store.contains("greeting")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoSuchDatabase`](crate::Error::NoSuchDatabase)
    #[doc(alias = "SELECT")]
    pub fn db(&self, index: u16) -> Result<Store> {
        self.0.select(index).map(Store)
    }

    /// How many places are taken in the queues of this database's keys, by threads and tasks that wait
    /// for an element; whoever waits for two keys takes two. O(keys waited for).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert_eq!(store.waiting()?, 0);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn waiting(&self) -> Result<usize> {
        let db = self.index();
        self.space().read_all(|shards| shards.iter().map(|shard| shard.waiters.len(db)).sum())
    }

    /// Removes all keys whose time has come, in every database; gives how many. Needed only where
    /// the store was built with [`Sweeping::ByHand`](crate::Sweeping::ByHand). O(keys due).
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction)
    pub fn sweep(&self) -> Result<usize> {
        self.space().check_not_in_transaction()?;
        Ok(self.space().sweep())
    }
}

impl Clone for Store {
    fn clone(&self) -> Self {
        Store(self.0.share())
    }
}

impl Default for Store {
    fn default() -> Self {
        Store::new()
    }
}

impl Deref for Store {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.0
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("database", &self.index()).finish_non_exhaustive()
    }
}
