//! Writes to what a cache is in front of: nothing that was read before one has ended is kept.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use super::Cache;
use super::name::CacheKey;
use super::second::{Removal, SecondLevel};
use super::tags::Hold;
use crate::keyspace::Keyspace;
use crate::{Bytes, Database, Key, Result};

/// A write to the database behind a cache that is under way; made by [`Cache::writing`] or [`Database::writing`].
///
/// Begin it before the first statement, [commit](Writing::commit) it after the database has:
///
/// ```
/// use larder::{Cache, LoadError, Store};
///
/// # struct Repository;
/// # impl Repository {
/// #     fn update(&self, id: u64, name: &str) -> std::io::Result<()> { Ok(()) }
/// #     fn find(&self, id: u64) -> std::io::Result<String> { Ok("green tea".to_owned()) }
/// # }
/// # let repo = Repository;
/// let store = Store::new();
/// let products: Cache<u64, String> = store.cache("products").build()?;
///
/// let writing = products.writing(&[7])?;
/// repo.update(7, "green tea")?; // an error or a panic here drops it, which does the same as `commit`
/// writing.commit();
///
/// let name = products.get_or_load(&7, || repo.find(7))?;
/// assert_eq!(name.as_deref().map(String::as_str), Some("green tea"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// - **From its beginning** what the caches have of the named keys and tags is gone. Whoever asks for it makes one load
///   with all others who do, which is served and not stored: it may show the row as it was, or as it will be.
/// - **After its end** nobody is served by a load that began before it, and none of those is stored.
/// - **Dropped** without a commit it does the same: whether the database has committed may be unknown then, and a
///   value that is loaded once more is none that was lost.
/// - Several writes to one key may be under way; values are stored again when the last has ended.
///
/// It ends **when it is dropped**, not when the database is done. A future that can be dropped before its end, as that of a
/// request whose client has gone, must not own it while a query goes on elsewhere (in a `spawn_blocking`, in the
/// database): the query commits later, and the old row is kept. Move it into what runs to the end, or
/// [run](Writing::run) the query there. And what it fences is loads that read the row behind the commit once it has
/// ended: one that reads a replica which has not heard of it yet, or within a transaction that began before it, brings the
/// old row all the same.
///
/// It holds no lock and runs no thread, may be sent to other threads and kept while a future waits. One that is never
/// dropped (`std::mem::forget`) keeps its keys from ever being stored again.
///
/// Inside a [transaction](crate::Store::transaction) of the store it can end, but its keys' end waits for the
/// transaction's.
#[must_use = "the write has ended when it is dropped"]
pub struct Writing {
    /// What new tags are looked up in.
    space: Arc<Keyspace>,
    keys: Vec<HeldKey>,
    tags: Vec<Hold>,
}

/// A key whose loads are not stored until this is dropped.
struct HeldKey {
    space: Arc<Keyspace>,
    /// Where it is removed too.
    second: Option<Arc<dyn SecondLevel>>,
    db: u16,
    name: Bytes,
}

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Cache<K, V> {
    /// Begins a write to the rows behind these keys: see [`Writing`]. O(keys)
    ///
    /// # Errors
    /// [`Error::TooLong`](crate::Error::TooLong) for a name over the limit,
    /// [`Error::InTransaction`](crate::Error::InTransaction).
    pub fn writing<'q, Q>(&self, keys: impl IntoIterator<Item = &'q Q>) -> Result<Writing>
    where
        K: Borrow<Q>,
        Q: CacheKey<K> + ?Sized + 'q,
    {
        Writing::new(&self.0.space).keys(self, keys)
    }
}

impl Database {
    /// Begins a write that is told what it writes by [`keys`](Writing::keys) and [`tag`](Writing::tag): for several
    /// caches, and for values that are known by their tags. See [`Writing`]. O(1)
    ///
    /// ```
    /// use larder::{Cache, Store};
    ///
    /// let store = Store::new();
    /// let products: Cache<u64, String> = store.cache("products").build()?;
    /// let stock: Cache<u64, u32> = store.cache("stock").build()?;
    ///
    /// let writing = store.writing().keys(&products, &[7, 8])?.keys(&stock, &[7])?.tag("price list");
    /// // BEGIN, UPDATE, ..., COMMIT
    /// writing.commit();
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn writing(&self) -> Writing {
        Writing::new(self.space())
    }
}

impl Writing {
    fn new(space: &Arc<Keyspace>) -> Self {
        Writing { space: Arc::clone(space), keys: Vec::new(), tags: Vec::new() }
    }

    /// It writes to the rows behind these keys of a cache, too; of another store's as well. O(keys)
    ///
    /// # Errors
    /// Those of [`Cache::writing`]; the write has ended then.
    pub fn keys<'q, K, V, Q>(
        mut self,
        cache: &Cache<K, V>,
        keys: impl IntoIterator<Item = &'q Q>,
    ) -> Result<Self>
    where
        K: Borrow<Q> + Send + Sync + 'static,
        V: Send + Sync + 'static,
        Q: CacheKey<K> + ?Sized + 'q,
    {
        for key in keys {
            let name = cache.0.name_of(key)?;
            self.keys.push(HeldKey::new(&cache.0.space, cache.0.settings.second.clone(), cache.0.db, &name)?);
        }
        Ok(self)
    }

    /// It writes to what has this tag, in every cache of the store. O(1)
    pub fn tag<'k>(mut self, tag: impl Into<Key<'k>>) -> Self {
        self.tags.push(Hold::of(&self.space, &tag.into()));
        self
    }

    /// The database has committed: what is loaded from now on is stored. O(keys and tags)
    pub fn commit(self) {}

    /// Runs `work`, and ends when it has: for a transaction that begins and commits inside, of whatever database.
    ///
    /// ```
    /// use larder::{Cache, Store};
    /// use rusqlite::Connection;
    ///
    /// let mut connection = Connection::open_in_memory()?;
    /// connection.execute_batch("CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT)")?;
    ///
    /// let store = Store::new();
    /// let products: Cache<u64, String> = store.cache("products").build()?;
    /// products.writing(&[7])?.run(|| {
    ///     let tx = connection.transaction()?;
    ///     tx.execute("INSERT INTO products VALUES (7, 'tea')", [])?;
    ///     tx.commit()
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// With the `mysql` crate it is `let mut tx = connection.start_transaction(TxOpts::default())?`,
    /// `tx.exec_drop(..)?` and `tx.commit()` in there.
    ///
    /// # Errors
    /// What `work` gives.
    pub fn run<R, E>(self, work: impl FnOnce() -> Result<R, E>) -> Result<R, E> {
        let result = work();
        self.commit();
        result
    }
}

impl HeldKey {
    fn new(
        space: &Arc<Keyspace>,
        second: Option<Arc<dyn SecondLevel>>,
        db: u16,
        name: &[u8],
    ) -> Result<Self> {
        space.begin_write(db, space.key_ref(name))?;
        let held = HeldKey { space: Arc::clone(space), second, db, name: Bytes::from(name) };
        held.remove_below();
        Ok(held)
    }

    /// What is read there before that is fenced by what is done here.
    fn remove_below(&self) {
        if let Some(second) = &self.second {
            second.remove(Removal::Key(self.name.clone()));
        }
    }
}

impl Drop for HeldKey {
    fn drop(&mut self) {
        self.remove_below();
        let (db, name) = (self.db, std::mem::take(&mut self.name));
        self.space.when_free(move |space| space.end_write(db, space.key_ref(&name)));
    }
}

impl fmt::Debug for Writing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<_> = self.keys.iter().map(|key| &key.name).collect();
        f.debug_struct("Writing").field("keys", &keys).field("tags", &self.tags.len()).finish()
    }
}
