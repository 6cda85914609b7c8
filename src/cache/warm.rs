//! Loading ahead of those who will ask.

use std::fmt::Display;
use std::future::Future;
use std::hash::Hash;
use std::ops::ControlFlow;

use super::Cache;
use super::find::Look;
use super::load::{Answer, Load};
use super::name::CacheKey;
use crate::load::LoadError;
use crate::{Error, Result};

/// How far a [`warm`](Cache::warm) has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warmed {
    /// Keys that were looked at.
    pub keys: u64,
    /// Keys for which there was something fresh: nothing was loaded for them.
    pub fresh: u64,
    /// Keys that have a value now and had no fresh one before.
    pub loaded: u64,
    /// Keys of which the loader has given nothing.
    pub absent: u64,
}

const NO_BATCH: Error = Error::Invalid("a batch must hold a key or more");

impl Warmed {
    /// Counts what has come of those that were missing.
    fn count<V>(&mut self, answers: &[Answer<V>]) {
        let loaded = answers.iter().filter(|answer| answer.value.is_some()).count();
        self.loaded += loaded as u64;
        self.absent += (answers.len() - loaded) as u64;
    }
}

impl<K, V> Cache<K, V>
where
    K: CacheKey<K> + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    /// Loads all of these keys that are missing, so many of them by one call of `loader` at the most, as
    /// [`get_many`](Self::get_many) does. What is there and fresh is not loaded. `keys` may be a stream of any length: a
    /// batch of it is in memory at a time.
    ///
    /// `progress` is told how far it has come after each call of the loader, and at the end; it may end it early. No lock
    /// is held while the caller's code runs. O(keys) beside the loader.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use larder::{Cache, LoadError, Store};
    ///
    /// let store = Store::new();
    /// let squares: Cache<u64, u64> = store.cache("squares").build()?;
    /// squares.insert(&3, 9)?;
    ///
    /// let done = squares.warm(
    ///     0..1000,
    ///     100,
    ///     |missing| Ok::<_, std::io::Error>(missing.iter().map(|n| (*n, n * n)).collect::<Vec<_>>()),
    ///     |warmed| {
    ///         println!("{} keys", warmed.keys);
    ///         if warmed.loaded < 500 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    ///     },
    /// )?;
    /// assert_eq!((done.fresh, done.loaded), (1, 500));
    /// # Ok::<(), LoadError<std::io::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`get_many`](Self::get_many), of the first batch that has one: what was loaded before stays. And
    /// [`Error::Invalid`] for a batch of no keys.
    #[doc(alias = "warm_up")]
    pub fn warm<A, L, E>(
        &self,
        keys: impl IntoIterator<Item = K>,
        batch: usize,
        mut loader: impl FnMut(&[K]) -> Result<A, E>,
        mut progress: impl FnMut(Warmed) -> ControlFlow<()>,
    ) -> Result<Warmed, LoadError<E>>
    where
        A: IntoIterator<Item = (K, L)>,
        L: Into<Load<V>>,
        E: Display,
    {
        if batch == 0 {
            return Err(NO_BATCH.into());
        }
        let (mut warmed, mut missing, mut keys) = (Warmed::default(), Vec::new(), keys.into_iter());
        loop {
            let is_end = self.gather(&mut keys, batch, &mut missing, &mut warmed)?;
            warmed.count(&self.ask_many(&missing, &mut loader)?);
            missing.clear();
            if progress(warmed).is_break() || is_end {
                return Ok(warmed);
            }
        }
    }

    /// [`warm`](Self::warm) for async code, with a loader as
    /// [`get_many_async`](Self::get_many_async) takes it.
    ///
    /// ```
    /// use std::ops::ControlFlow;
    /// use larder::{Cache, LoadError, Store};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), LoadError<std::io::Error>> {
    /// let squares: Cache<u64, u64> = Store::new().cache("squares").build()?;
    /// let find = async |missing: Vec<u64>| Ok(missing.into_iter().map(|n| (n, n * n)).collect::<Vec<_>>());
    /// let done = squares.warm_async(0..1000, 100, find, |_| ControlFlow::Continue(())).await?;
    /// assert_eq!(done.loaded, 1000);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of [`warm`](Self::warm).
    pub async fn warm_async<A, L, E, F>(
        &self,
        keys: impl IntoIterator<Item = K>,
        batch: usize,
        mut loader: impl FnMut(Vec<K>) -> F,
        mut progress: impl FnMut(Warmed) -> ControlFlow<()>,
    ) -> Result<Warmed, LoadError<E>>
    where
        F: Future<Output = Result<A, E>>,
        A: IntoIterator<Item = (K, L)>,
        L: Into<Load<V>>,
        E: Display,
    {
        if batch == 0 {
            return Err(NO_BATCH.into());
        }
        let (mut warmed, mut missing, mut keys) = (Warmed::default(), Vec::new(), keys.into_iter());
        loop {
            let is_end = self.gather(&mut keys, batch, &mut missing, &mut warmed)?;
            warmed.count(&self.ask_many_async(&missing, &mut loader).await?);
            missing.clear();
            if progress(warmed).is_break() || is_end {
                return Ok(warmed);
            }
        }
    }

    /// Gathers the next batch of keys that are missing; true if there are no more.
    fn gather(
        &self,
        keys: &mut impl Iterator<Item = K>,
        batch: usize,
        missing: &mut Vec<K>,
        warmed: &mut Warmed,
    ) -> Result<bool> {
        while missing.len() < batch {
            let Some(key) = keys.next() else { return Ok(true) };
            warmed.keys += 1;
            if self.0.is_fresh(&key)? {
                warmed.fresh += 1;
            } else {
                missing.push(key);
            }
        }
        Ok(false)
    }
}

impl<K: CacheKey<K> + Hash + Send + Sync + 'static, V: Send + Sync + 'static> super::Inner<K, V> {
    /// Whether there is something fresh under a key, be it that there is nothing.
    fn is_fresh(&self, key: &K) -> Result<bool> {
        let name = self.name_of(key)?;
        let found = self.find(key, self.space.key_ref(&name), Look::Use)?;
        Ok(found.is_some_and(|found| found.is_fresh(self.space.clock().now())))
    }
}
