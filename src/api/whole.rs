//! A whole database: how many keys there are, which, and away with them.

use super::Store;
use crate::text::glob::Pattern;
use crate::{Bytes, Error, Result};

impl Store {
    /// How many keys the database has at one instant; those that have expired are not counted.
    /// `DBSIZE`, O(shards), and O(k) for k keys that have expired and not been swept out.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert_many([("a", 1), ("b", 2)])?;
    /// assert_eq!(store.len()?, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`] from inside a transaction of the same store.
    #[doc(alias = "DBSIZE")]
    pub fn len(&self) -> Result<usize> {
        self.space().count(None, self.index())
    }

    /// Whether the database has no keys that have not expired. `DBSIZE`, O(shards) as [`len`](Self::len).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert!(store.is_empty()?);
    /// store.insert("a", 1)?;
    /// assert!(!store.is_empty()?);
    /// assert!(store.db(1)?.is_empty()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`] from inside a transaction of the same store.
    #[doc(alias = "DBSIZE")]
    pub fn is_empty(&self) -> Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// The names that match a glob, sorted: `*`, `?`, `[a-z]`, `[^x]`, and `\` before a byte that is to
    /// be taken as it is. `KEYS`, O(n log n) for n keys; O(1) for a pattern without any of these.
    ///
    /// The names are gathered as by [`scan`](Self::scan), which needs less memory: not at one instant.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert_many([("user:2", "bob"), ("user:1", "ann"), ("page:1", "hello")])?;
    /// assert_eq!(store.keys("user:*")?, ["user:1", "user:2"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`] from inside a transaction of the same store.
    #[doc(alias = "KEYS")]
    pub fn keys(&self, pattern: impl AsRef<[u8]>) -> Result<Vec<Bytes>> {
        let pattern = Pattern::new(pattern.as_ref());
        if let Some(name) = pattern.literal() {
            return Ok(self.contains(name)?.then(|| Bytes::from(name)).into_iter().collect());
        }
        self.space().names(None, self.index(), pattern)
    }

    /// The name of a random key, each as likely as the others; `None` if there is none. `RANDOMKEY`,
    /// O(shards).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert_eq!(store.random_key()?, None);
    /// store.insert("a", 1)?;
    /// assert_eq!(store.random_key()?, Some("a".into()));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`] from inside a transaction of the same store.
    #[doc(alias = "RANDOMKEY")]
    pub fn random_key(&self) -> Result<Option<Bytes>> {
        self.space().random_key(None, self.index())
    }

    /// Removes all keys of the database, at one instant. `FLUSHDB`, O(shards) under the locks; the
    /// memory is freed after them, O(keys).
    ///
    /// Who watches a key that was there is told; there is no key event for each. A load under way is not
    /// stored.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("a", 1)?;
    /// store.db(1)?.insert("b", 2)?;
    /// store.clear()?;
    /// assert!(store.is_empty()?);
    /// assert!(!store.db(1)?.is_empty()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`] from inside a transaction of the same store.
    #[doc(alias = "FLUSHDB")]
    pub fn clear(&self) -> Result<()> {
        self.space().clear(None, self.index()..self.index().saturating_add(1))
    }

    /// Removes all keys of all databases, at one instant, as [`clear`](Self::clear) does those of one.
    /// `FLUSHALL`, O(shards * databases) under the locks; the memory is freed after them, O(keys).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("a", 1)?;
    /// store.db(1)?.insert("b", 2)?;
    /// store.clear_all()?;
    /// assert!(store.is_empty()? && store.db(1)?.is_empty()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`] from inside a transaction of the same store.
    #[doc(alias = "FLUSHALL")]
    pub fn clear_all(&self) -> Result<()> {
        self.space().clear(None, 0..self.space().limits().databases)
    }

    /// Exchanges two databases, at one instant: whoever uses the one sees the keys of the other.
    /// `SWAPDB`, O(shards), and O(k) for k keys that somebody waits for or watches.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.db(1)?.insert("rates", "new")?;
    /// store.swap_databases(0, 1)?;
    /// assert_eq!(store.get::<String>("rates")?.as_deref(), Some("new"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoSuchDatabase`] for a number that the store has not; [`Error::InTransaction`] from inside a
    /// transaction of the same store.
    #[doc(alias = "SWAPDB")]
    pub fn swap_databases(&self, a: u16, b: u16) -> Result<()> {
        if a.max(b) >= self.space().limits().databases {
            return Err(Error::NoSuchDatabase);
        }
        self.space().swap(None, a, b)
    }
}
