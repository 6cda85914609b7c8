//! All that is in a cache, one after the other.

use std::iter::FusedIterator;
use std::sync::Arc;
use std::{fmt, vec};

use super::entry::Entry;
use super::name::CacheKey;
use super::{Cache, Inner};
use crate::Bytes;
use crate::Result;
use crate::value::native::Held;

/// The fresh values of a cache with their keys: see [`Cache::iter`].
pub struct CacheIter<K, V> {
    cache: Cache<K, V>,
    /// Where the next page begins; none after the last.
    next: Option<(usize, usize)>,
    page: vec::IntoIter<(Bytes, Held)>,
}

impl<K: CacheKey<K> + Send + Sync + 'static, V: Send + Sync + 'static> Cache<K, V> {
    /// All values that are fresh, with their keys, in no order. It is no use of them, and nothing is counted.
    ///
    /// It does not show one instant: what is put in or removed meanwhile may be met or not, and what stays is met, now
    /// and then twice if others are removed. No lock is held while the caller looks. Not among them are marks that there is nothing, and values
    /// that stand there as bytes only: what a snapshot or a Redis client has put there and nobody has asked for since.
    ///
    /// How many there are is told by [`count`](Iterator::count): the store does not know, as what is stale or has a tag
    /// that was removed stays there for a while. O(keys of the database), a bounded number of them under a lock at a time
    ///
    /// ```
    /// use larder::{Cache, Store};
    ///
    /// let store = Store::new();
    /// let squares: Cache<u64, u64> = store.cache("squares").build()?;
    /// for n in 1..=10 {
    ///     squares.insert(&n, n * n)?;
    /// }
    /// assert_eq!(squares.iter()?.map(|(_, square)| *square).sum::<u64>(), 385);
    /// assert!(squares.iter()?.all(|(n, square)| n * n == *square));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction)
    pub fn iter(&self) -> Result<CacheIter<K, V>> {
        self.0.space.check_not_in_transaction()?;
        Ok(CacheIter { cache: self.clone(), next: Some((0, 0)), page: Vec::new().into_iter() })
    }
}

impl<K: CacheKey<K> + Send + Sync + 'static, V: Send + Sync + 'static> Inner<K, V> {
    /// What is shown of what stands under a name.
    fn shown(&self, name: &[u8], held: &Held) -> Option<(K, Arc<V>)> {
        let entry = held.downcast::<Entry<K, V>>()?;
        let is_ours = entry.stamp.is_of(&self.tag) && entry.stamp.is_valid();
        if !is_ours || !entry.is_fresh(self.space.clock().now()) {
            return None;
        }
        // Another cache's, or one that was renamed: what its key is now, its name does not tell.
        let is_its_name = self.name_of(&entry.key).is_ok_and(|its| *its == *name);
        let value = entry.value.clone().filter(|_| is_its_name)?;
        Some((entry.key.to_owned(), value))
    }
}

impl<K: CacheKey<K> + Send + Sync + 'static, V: Send + Sync + 'static> Iterator for CacheIter<K, V> {
    type Item = (K, Arc<V>);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let inner = &*self.cache.0;
            let shown = self.page.find_map(|(name, held)| inner.shown(&name, &held));
            if shown.is_some() {
                return shown;
            }
            let (shard, cursor) = self.next?;
            let mut page = Vec::new();
            self.next = inner.space.natives_page(inner.db, &inner.prefix, shard, cursor, &mut page);
            self.page = page.into_iter();
        }
    }
}

impl<K: CacheKey<K> + Send + Sync + 'static, V: Send + Sync + 'static> FusedIterator for CacheIter<K, V> {}

impl<K, V> fmt::Debug for CacheIter<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CacheIter").field("cache", &self.cache).finish_non_exhaustive()
    }
}
