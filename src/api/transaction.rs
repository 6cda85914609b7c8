//! Several operations as one, and none if the keys have changed meanwhile.

use std::ops::Deref;
use std::sync::Arc;

use super::{Database, Store, names};
use crate::keyspace::transaction::Transaction;
use crate::keyspace::watch::Watch;
use crate::{Bytes, Error, Key, Result};

/// A transaction under way: the declared keys, with all the methods of [`Database`].
///
/// Given to the closure of [`Store::transaction`]. A handle of it that is kept
/// ([`List::into_owned`](crate::List::into_owned)) gives [`Error::InTransaction`] once the closure has
/// returned.
///
/// It dereferences to [`Database`], so all that is done in a store is done in it in the same way.
///
/// ```
/// use larder::{Error, Store, Tx};
///
/// fn pay(tx: &Tx, from: &str, to: &str, sum: i64) -> Result<(), Error> {
///     if tx.counter(from).decr_by(sum)? < 0 {
///         return Err(Error::Invalid("not enough money"));
///     }
///     tx.counter(to).incr_by(sum)?;
///     Ok(())
/// }
///
/// let store = Store::new();
/// store.insert("ann", 20)?;
/// assert!(store.transaction(["ann", "bob"], |tx| pay(tx, "ann", "bob", 30)).is_err());
/// assert_eq!(store.get::<i64>("ann")?, Some(20)); // as if nothing had been done
/// assert!(!store.contains("bob")?);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug)]
pub struct Tx(Database);

impl Deref for Tx {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.0
    }
}

impl Store {
    /// Runs several operations as one: nobody sees the keys in between, and if the closure gives an
    /// error or panics, nothing has happened. `MULTI` and `EXEC`; an error is a `DISCARD`, with an undo.
    ///
    /// Only the declared keys can be used inside, through the closure's argument; everyone else who
    /// needs one of them (or one in the same shard) waits until the closure returns, so keep it
    /// short. The store itself must not be called inside: that gives [`Error::InTransaction`] on the
    /// same thread, and from another thread that the closure waits for it would be a deadlock.
    /// Another store may be used inside; threads that hold two stores take them in the same order, as with any locks.
    ///
    /// Time stands still inside, from when the keys are held: no key expires between two calls, a time to live is counted from
    /// then, and a [`ManualClock`](crate::ManualClock) that is moved meanwhile is looked at behind the closure.
    ///
    /// Costs O(declared keys) beside what the operations cost. To be able to take back a change to
    /// a collection of n elements, O(n / 128) references are kept.
    ///
    /// ```
    /// use larder::{Error, Store};
    ///
    /// let store = Store::new();
    /// store.insert("ann", 100)?;
    /// store.insert("bob", 0)?;
    /// store.transaction(["ann", "bob"], |tx| {
    ///     if tx.counter("ann").decr_by(30)? < 0 {
    ///         return Err(Error::Invalid("not enough money")); // and nothing has changed
    ///     }
    ///     tx.counter("bob").incr_by(30)
    /// })?;
    /// assert_eq!(store.get::<i64>("bob")?, Some(30));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// The closure's own; inside it, [`Error::Undeclared`] for a key that was not declared.
    /// [`Error::InTransaction`] if this is called from inside another transaction of the same store.
    #[doc(alias = "MULTI")]
    #[doc(alias = "EXEC")]
    #[doc(alias = "DISCARD")]
    pub fn transaction<'k, R, E: From<Error>>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
        body: impl FnOnce(&Tx) -> Result<R, E>,
    ) -> Result<R, E> {
        let ran = run(self, names(keys), None, body)?;
        ran.ok_or_else(|| Error::InTransaction.into())
    }

    /// Watches keys, for a transaction that runs only if none of them has changed: read what you
    /// need, then call [`Watched::transaction`]. `WATCH`, O(keys).
    ///
    /// ```
    /// use larder::{Error, Store};
    ///
    /// let store = Store::new();
    /// store.insert("price", 100)?;
    /// loop {
    ///     let watched = store.watch(["price"])?;
    ///     let price: i64 = store.get("price")?.unwrap_or(0);
    ///     let raised = price * 11 / 10; // slow thinking, with no lock held
    ///     if watched.transaction(|tx| tx.insert("price", raised))?.is_some() {
    ///         break;
    ///     }
    /// }
    /// assert_eq!(store.get::<i64>("price")?, Some(110));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`] from inside a transaction of the same store.
    #[doc(alias = "WATCH")]
    pub fn watch<'k>(&self, keys: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Result<Watched<'_>> {
        let names = names(keys);
        let watch = self.space().watch(self.index(), &self.key_refs(&names))?;
        Ok(Watched { store: self, names, watch })
    }
}

/// Keys that are watched for changes, until this is dropped (`UNWATCH`); see [`Store::watch`].
#[derive(Debug)]
#[doc(alias = "UNWATCH")]
#[must_use = "the keys are watched only while this is kept"]
pub struct Watched<'s> {
    store: &'s Store,
    names: Vec<Bytes>,
    watch: Arc<Watch>,
}

impl Watched<'_> {
    /// Whether any of the keys has changed (or expired, swept or not) since the watch began. O(keys).
    /// Within a transaction of the same store, an expiry counts only once somebody has come across it.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let watched = store.watch(["price"])?;
    /// assert!(!watched.has_changed());
    /// store.insert("price", 100)?;
    /// assert!(watched.has_changed());
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn has_changed(&self) -> bool {
        let keys = self.store.key_refs(&self.names);
        self.store.space().has_changed(self.store.index(), &keys, &self.watch)
    }

    /// Runs a transaction on the watched keys; `None`, without running it, if one has changed. `EXEC` after
    /// `WATCH`, at the cost of [`Store::transaction`].
    ///
    /// ```
    /// use larder::{Error, Store};
    ///
    /// let store = Store::new();
    /// store.insert("price", 100)?;
    /// let watched = store.watch(["price"])?;
    /// store.insert("price", 120)?; // somebody else is quicker
    /// assert_eq!(watched.transaction(|tx| tx.insert("price", 110))?, None);
    /// assert_eq!(store.get::<i64>("price")?, Some(120));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Store::transaction`].
    #[doc(alias = "EXEC")]
    pub fn transaction<R, E: From<Error>>(
        self,
        body: impl FnOnce(&Tx) -> Result<R, E>,
    ) -> Result<Option<R>, E> {
        run(self.store, self.names.clone(), Some(&self.watch), body)
    }
}

impl Drop for Watched<'_> {
    fn drop(&mut self) {
        let (db, names) = (self.store.index(), std::mem::take(&mut self.names));
        let watch = Arc::clone(&self.watch);
        self.store.space().when_free(move |space| {
            let keys: Vec<_> = names.iter().map(|name| space.key_ref(name)).collect();
            space.unwatch(db, &keys, &watch);
        });
    }
}

fn run<R, E: From<Error>>(
    store: &Store,
    names: Vec<Bytes>,
    watch: Option<&Watch>,
    body: impl FnOnce(&Tx) -> Result<R, E>,
) -> Result<Option<R>, E> {
    Transaction::run(store.space(), store.index(), names, watch, |transaction| {
        body(&Tx(store.within(transaction)))
    })
}
