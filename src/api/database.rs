//! A numbered database: what a store and a transaction have in common.

use std::sync::Arc;

use crate::clock::Time;
use crate::key::KeyRef;
use crate::keyspace::transaction::Transaction;
use crate::keyspace::view::View;
use crate::keyspace::writer::Writer;
use crate::keyspace::{Keyspace, Missed};
use crate::{Bytes, Error, Result};

/// The keys of a numbered database, as a [`Store`](crate::Store) or a transaction's
/// [`Tx`](crate::Tx) reaches them. Both dereference to it, so its methods are theirs.
///
/// - **Values**: [`get`](Self::get), [`insert`](Self::insert), [`swap`](Self::swap),
///   [`counter`](Self::counter), [`string`](Self::string).
/// - **Collections**: [`list`](Self::list) and its kin give a typed handle on one key.
/// - **Keys**: [`contains`](Self::contains), [`remove`](Self::remove), [`expire`](Self::expire),
///   [`ttl`](Self::ttl), [`rename`](Self::rename).
///
/// ```
/// use larder::{Database, Store};
///
/// // For a store and within a transaction.
/// fn visit(db: &Database, page: &str) -> larder::Result<i64> {
///     db.set::<String>("pages").insert(page)?;
///     db.counter(page).incr()
/// }
///
/// let store = Store::new();
/// assert_eq!(visit(&store, "home")?, 1);
/// assert_eq!(store.transaction(["pages", "home"], |tx| visit(tx, "home"))?, 2);
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Errors
/// Every method can give [`Error::InTransaction`] (a store was called from inside its own
/// transaction) and, on a transaction's handle, [`Error::Undeclared`]; methods for one type give
/// [`Error::WrongType`] where the key holds another; one that makes a key can give
/// [`Error::TooLong`] for its name and [`Error::TooManyKeys`]. Further errors are named by each method.
pub struct Database {
    space: Arc<Keyspace>,
    index: u16,
    transaction: Option<Arc<Transaction>>,
    /// What is read and written through it counts as no use of the keys.
    leaves_no_trace: bool,
}

impl Database {
    pub(crate) fn new(space: Arc<Keyspace>, index: u16) -> Self {
        Database { space, index, transaction: None, leaves_no_trace: false }
    }

    /// The same database, kept by another.
    pub(crate) fn share(&self) -> Self {
        Database {
            space: Arc::clone(&self.space),
            index: self.index,
            transaction: self.transaction.as_ref().map(Arc::clone),
            leaves_no_trace: self.leaves_no_trace,
        }
    }

    /// The same database as a transaction sees it.
    pub(crate) fn within(&self, transaction: &Arc<Transaction>) -> Self {
        Database { transaction: Some(Arc::clone(transaction)), ..self.share() }
    }

    /// The same database, in no transaction.
    #[cfg(feature = "commands")]
    pub(crate) fn outside(&self) -> Self {
        Database { transaction: None, ..self.share() }
    }

    /// The same database, to be read and written without that this counts as a use of its keys, or with it.
    #[cfg(feature = "commands")]
    pub(crate) fn leaving_no_trace(&self, leaves_no_trace: bool) -> Self {
        Database { leaves_no_trace, ..self.share() }
    }

    #[cfg(feature = "commands")]
    pub(crate) fn leaves_no_trace(&self) -> bool {
        self.leaves_no_trace
    }

    /// The transaction that it is used in, if it is.
    #[cfg(feature = "commands")]
    pub(crate) fn transaction(&self) -> Option<&Arc<Transaction>> {
        self.transaction.as_ref()
    }

    /// Another database of the same store.
    pub(crate) fn select(&self, index: u16) -> Result<Self> {
        if index >= self.space.limits().databases {
            return Err(Error::NoSuchDatabase);
        }
        Ok(Database { index, transaction: None, ..self.share() })
    }

    pub(crate) fn space(&self) -> &Arc<Keyspace> {
        &self.space
    }

    /// The database's number. O(1)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert_eq!(store.index(), 0);
    /// assert_eq!(store.db(3)?.index(), 3);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn index(&self) -> u16 {
        self.index
    }

    /// The time as it is here: within a transaction it stands still.
    pub(crate) fn time(&self) -> Time<'_> {
        self.space.time(self.transaction.as_deref())
    }

    pub(crate) fn in_transaction(&self) -> bool {
        self.transaction.is_some()
    }

    #[inline]
    pub(crate) fn key_ref<'k>(&self, bytes: &'k [u8]) -> KeyRef<'k> {
        self.space.key_ref(bytes)
    }

    pub(crate) fn key_refs<'k>(&self, names: &'k [Bytes]) -> Vec<KeyRef<'k>> {
        names.iter().map(|name| self.space.key_ref(name)).collect()
    }

    /// Runs an operation that only reads one key: under its lock, or within the transaction that holds it.
    #[inline]
    pub(crate) fn read_one<R>(
        &self,
        key: KeyRef<'_>,
        op: impl FnOnce(&View<'_>, KeyRef<'_>) -> Result<R>,
    ) -> Result<R> {
        let op = |view: &View<'_>, key: KeyRef<'_>| op(view.leaving_no_trace(self.leaves_no_trace), key);
        match &self.transaction {
            None => {
                let missed = Missed::default();
                let guard = self.space.reading(key)?;
                op(&View::of_one(&self.space, self.index, &guard).telling(&missed), key)
            }
            Some(transaction) => transaction.read(self.index, &[key], |view| op(view, key))?,
        }
    }

    /// The same for several keys.
    #[inline]
    pub(crate) fn read<R>(&self, keys: &[KeyRef<'_>], op: impl FnOnce(&View<'_>) -> Result<R>) -> Result<R> {
        let op = |view: &View<'_>| op(view.leaving_no_trace(self.leaves_no_trace));
        match &self.transaction {
            None => self.space.read(self.index, keys, op)?,
            Some(transaction) => transaction.read(self.index, keys, op)?,
        }
    }

    /// Runs an operation that may change one key: under its lock, or within the transaction that holds it.
    #[inline]
    pub(crate) fn write_one<R>(
        &self,
        key: KeyRef<'_>,
        op: impl FnOnce(&mut Writer<'_>, KeyRef<'_>) -> Result<R>,
    ) -> Result<R> {
        let op =
            |writer: &mut Writer<'_>, key: KeyRef<'_>| op(writer.leaving_no_trace(self.leaves_no_trace), key);
        match &self.transaction {
            None => self.space.write_one(self.index, key, op),
            Some(transaction) => transaction.write(self.index, &[key], |writer| op(writer, key))?,
        }
    }

    /// The same for several keys.
    #[inline]
    pub(crate) fn write<R>(
        &self,
        keys: &[KeyRef<'_>],
        op: impl FnOnce(&mut Writer<'_>) -> Result<R>,
    ) -> Result<R> {
        let op = |writer: &mut Writer<'_>| op(writer.leaving_no_trace(self.leaves_no_trace));
        match &self.transaction {
            None => self.space.write(self.index, keys, op)?,
            Some(transaction) => transaction.write(self.index, keys, op)?,
        }
    }
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("index", &self.index).finish_non_exhaustive()
    }
}
