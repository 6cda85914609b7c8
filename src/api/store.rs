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
    /// An empty store with the default settings. Starts no thread. O(shards), four of which there are for
    /// each core.
    ///
    /// ```
    /// use larder::Store;
    ///
    /// let store = Store::new();
    /// let clone = store.clone(); // the same data
    /// store.insert("greeting", "hello")?;
    /// assert!(clone.contains("greeting")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn new() -> Self {
        Store::builder().build()
    }

    /// Settings for a store that differs from the default. O(1)
    ///
    /// ```
    /// use larder::{KeyEvents, Store};
    ///
    /// let store = Store::builder().databases(1).key_events(KeyEvents::On).build();
    /// assert!(store.db(1).is_err());
    /// ```
    pub fn builder() -> StoreBuilder {
        StoreBuilder::new()
    }

    pub(crate) fn of(space: Arc<Keyspace>) -> Self {
        Store(Database::new(space, 0))
    }

    /// A handle on another of the numbered databases. `SELECT`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.db(3)?.insert("greeting", "hello")?;
    /// assert!(!store.contains("greeting")?);
    /// assert_eq!(store.db(3)?.index(), 3);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoSuchDatabase`](crate::Error::NoSuchDatabase) for a number that the store has not.
    #[doc(alias = "SELECT")]
    pub fn db(&self, index: u16) -> Result<Store> {
        self.0.select(index).map(Store)
    }

    /// How many places are taken in the queues of this database's keys, by threads and tasks that wait
    /// for an element; whoever waits for two keys takes two. O(shards + keys waited for).
    ///
    /// ```
    /// use std::pin::pin;
    /// use std::task::{Context, Waker};
    ///
    /// let store = larder::Store::new();
    /// let jobs = store.list::<String>("jobs");
    /// let mut pop = pin!(jobs.pop_front_async());
    /// assert!(pop.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    /// assert_eq!(store.waiting()?, 1);
    /// jobs.push_back("resize")?;
    /// assert_eq!(store.waiting()?, 0);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction) from inside a transaction of the same store.
    pub fn waiting(&self) -> Result<usize> {
        let db = self.index();
        self.space().read_all(|shards| shards.iter().map(|shard| shard.waiters.len(db)).sum())
    }

    /// Removes all keys and fields whose time has come, in every database; gives how many keys. Needed only
    /// where the store was built with [`Sweeping::ByHand`](crate::Sweeping::ByHand), for their memory and
    /// their `expired` events: expired keys are not seen in any case. O(shards + keys due).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store, Sweeping};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).build();
    /// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
    /// clock.advance(Duration::from_secs(30));
    /// assert_eq!(store.stats()?.entries, 1); // it still takes memory
    /// assert_eq!(store.sweep()?, 1);
    /// assert_eq!(store.stats()?.entries, 0);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction) from inside a transaction of the same store.
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
