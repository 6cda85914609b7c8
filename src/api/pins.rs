//! Keys that are never evicted.

use super::Database;
use crate::{Key, Result};

impl Database {
    /// Keeps a key from being evicted, whether it is there already or comes later, and whatever it holds; true
    /// if it was not pinned before. It still expires, and can be removed; the pin stays until
    /// [`unpin`](Self::unpin). Not in Redis. O(1)
    ///
    /// Pins are not in snapshots, do not follow a key that is renamed, and are not taken back with a
    /// transaction. Among nothing but pinned keys, whatever is new is the next to go.
    ///
    /// ```
    /// use larder::Store;
    ///
    /// let store = Store::builder().max_keys(2).build();
    /// store.pin("settings")?;
    /// store.insert("settings", "dark")?;
    /// for id in 0..100 {
    ///     store.insert(format!("page:{id}"), id)?;
    /// }
    /// assert_eq!(store.get::<String>("settings")?.as_deref(), Some("dark"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of every method: [`Error::InTransaction`](crate::Error::InTransaction),
    /// [`Error::Undeclared`](crate::Error::Undeclared).
    pub fn pin<'k>(&self, key: impl Into<Key<'k>>) -> Result<bool> {
        let key = key.into();
        let key = self.key_ref(&key);
        self.write_one(key, |writer, key| Ok(writer.pin(key)))
    }

    /// Lets a key be evicted again; true if it was pinned. Not in Redis. O(1)
    ///
    /// ```
    /// let store = larder::Store::builder().max_keys(1).build();
    /// store.pin("a")?;
    /// store.insert("a", 1)?;
    /// assert!(store.unpin("a")? && !store.unpin("a")?);
    /// store.insert("b", 2)?;
    /// assert_eq!(store.len()?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`pin`](Self::pin).
    pub fn unpin<'k>(&self, key: impl Into<Key<'k>>) -> Result<bool> {
        let key = key.into();
        let key = self.key_ref(&key);
        self.write_one(key, |writer, key| Ok(writer.unpin(key)))
    }

    /// Whether a key is pinned, be it there or not. Not in Redis. O(1)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.pin("settings")?;
    /// assert!(store.is_pinned("settings")? && !store.is_pinned("page:1")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`pin`](Self::pin).
    pub fn is_pinned<'k>(&self, key: impl Into<Key<'k>>) -> Result<bool> {
        let key = key.into();
        let key = self.key_ref(&key);
        self.read_one(key, |view, key| Ok(view.is_pinned(key)))
    }
}
