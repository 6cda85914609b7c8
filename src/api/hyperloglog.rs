//! HyperLogLogs.

use std::marker::PhantomData;

use super::handle::{Handle, public_handle, sought};
use super::{Database, names};
use crate::command::hyperloglog;
use crate::value::hyperloglog::SPARSE_MAX;
use crate::{Element, Encode, Key, Result};

/// A handle on a HyperLogLog: about how many different elements of type `T` there were, with a standard error
/// of 0.81 %, in at most 12 KB however many those are.
///
/// The elements themselves are not kept. What is kept is a string with Redis's own bytes: what
/// [`Database::get`] gives can be stored with `SET` in a Redis, and the other way round.
///
/// - **Elements**: [`insert`](Self::insert), [`insert_many`](Self::insert_many).
/// - **How many**: [`count`](Self::count), and with other keys [`union_count`](Self::union_count).
/// - **Several as one**: [`merge`](Self::merge).
///
/// Changes keep the deadline that the key has. A missing key has seen nothing.
///
/// ```
/// let store = larder::Store::new();
/// let monday = store.hyper_log_log::<String>("visitors:monday");
/// monday.insert_many(["ann", "bob", "ann"])?;
/// let tuesday = store.hyper_log_log::<String>("visitors:tuesday");
/// tuesday.insert_many(["bob", "cid"])?;
/// assert_eq!(monday.count()?, 2);
/// assert_eq!(monday.union_count([&tuesday])?, 3);
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Errors
/// [`Error::NotAHyperLogLog`](crate::Error::NotAHyperLogLog) if the key holds another string,
/// [`Error::CorruptedHyperLogLog`](crate::Error::CorruptedHyperLogLog) if that only begins as one does, and
/// [`Error::WrongType`](crate::Error::WrongType) if it holds no string.
pub struct HyperLogLog<'a, T> {
    handle: Handle<'a>,
    element: PhantomData<fn() -> T>,
}

impl<'a, T> HyperLogLog<'a, T> {
    fn of(handle: Handle<'a>) -> Self {
        HyperLogLog { handle, element: PhantomData }
    }
}

impl Database {
    /// A handle on the HyperLogLog at `key`. Nothing is made until an element is inserted. O(1)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let visitors = store.hyper_log_log::<u64>("visitors");
    /// for visitor in 0..10_000 {
    ///     visitors.insert(visitor)?;
    /// }
    /// assert!(visitors.count()?.abs_diff(10_000) < 300);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "PFADD")]
    pub fn hyper_log_log<'a, T: Encode>(&'a self, key: impl Into<Key<'a>>) -> HyperLogLog<'a, T> {
        HyperLogLog::of(Handle::new(self, key.into()))
    }
}

impl<T: Encode> HyperLogLog<'_, T> {
    /// Sees an element; true if that may have changed the count. `PFADD`, O(1), and O(n) for the first few
    /// hundred elements, of which n bytes are kept.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let visitors = store.hyper_log_log::<String>("visitors");
    /// assert!(visitors.insert("ann")?);
    /// assert!(!visitors.insert("ann")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`HyperLogLog`]; [`Error::Encode`](crate::Error::Encode) for an element that does not encode,
    /// [`Error::TooLong`](crate::Error::TooLong) for a key over the store's limit.
    #[doc(alias = "PFADD")]
    pub fn insert(&self, element: impl Element<T>) -> Result<bool> {
        self.insert_many([element])
    }

    /// Sees several elements in one step; true if that may have changed the count, or the key is new. `PFADD`,
    /// O(1) each, as [`insert`](Self::insert).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let visitors = store.hyper_log_log::<String>("visitors");
    /// assert!(visitors.insert_many(["ann", "bob"])?);
    /// assert!(!visitors.insert_many(["bob", "ann", "bob"])?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert); then none of them was seen.
    #[doc(alias = "PFADD")]
    pub fn insert_many(&self, elements: impl IntoIterator<Item = impl Element<T>>) -> Result<bool> {
        let elements = sought(elements)?;
        self.handle.write(|writer, key| hyperloglog::insert(writer, key, &elements, SPARSE_MAX))
    }

    /// About how many different elements it has seen. `PFCOUNT`, O(1) if nothing has changed since the last
    /// time, else O(16,384).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let visitors = store.hyper_log_log::<String>("visitors");
    /// assert_eq!(visitors.count()?, 0);
    /// visitors.insert_many(["ann", "bob", "ann"])?;
    /// assert_eq!(visitors.count()?, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`HyperLogLog`].
    #[doc(alias = "PFCOUNT")]
    pub fn count(&self) -> Result<u64> {
        match self.handle.read(hyperloglog::kept_count)? {
            Some(count) => Ok(count),
            None => self.handle.write(|writer, key| hyperloglog::count(writer, key, None)),
        }
    }

    /// About how many different elements it and others have seen together; an element that several have seen
    /// counts once. `PFCOUNT`, O(16,384) each.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let monday = store.hyper_log_log::<u32>("monday");
    /// monday.insert_many([1, 2, 3])?;
    /// store.hyper_log_log::<u32>("tuesday").insert_many([3, 4])?;
    /// assert_eq!(monday.union_count(["tuesday", "wednesday"])?, 4);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`HyperLogLog`], for each of the keys.
    #[doc(alias = "PFCOUNT")]
    pub fn union_count<'k>(&self, others: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Result<u64> {
        let others = names(others);
        let db = self.handle.db();
        let keys = [&[self.handle.key_ref()][..], &db.key_refs(&others)].concat();
        db.read(&keys, |view| hyperloglog::union_count(view, &keys))
    }

    /// Makes it one that has seen what the others have too. `PFMERGE`, O(16,384) each.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.hyper_log_log::<u32>("monday").insert_many([1, 2, 3])?;
    /// store.hyper_log_log::<u32>("tuesday").insert_many([3, 4])?;
    /// let week = store.hyper_log_log::<u32>("week");
    /// week.merge(["monday", "tuesday"])?;
    /// assert_eq!(week.count()?, 4);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`HyperLogLog`], for each of the keys; then nothing has changed.
    #[doc(alias = "PFMERGE")]
    pub fn merge<'k>(&self, others: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Result<()> {
        let others = names(others);
        let db = self.handle.db();
        let (key, others) = (self.handle.key_ref(), db.key_refs(&others));
        let keys = [&[key][..], &others].concat();
        db.write(&keys, |writer| hyperloglog::merge(writer, key, &others, SPARSE_MAX))
    }
}

public_handle!(HyperLogLog<'a, T>);
