//! Counters.

use super::Database;
use super::handle::{Handle, public_handle};
use crate::command::{keys, string};
use crate::keyspace::writer::Deadline;
use crate::text::long_double::LongDouble;
use crate::text::number;
use crate::{Bytes, Error, Key, Result};

/// A handle on a counter: a decimal number that threads can raise and lower at the same time. A
/// missing key counts as 0.
///
/// Adding keeps the deadline that the key has. [`set`](Self::set), [`swap`](Self::swap) and
/// [`reset`](Self::reset) take it away.
///
/// ```
/// let store = larder::Store::new();
/// let hits = store.counter("hits");
/// hits.incr()?;
/// assert_eq!(hits.incr_by(10)?, 11);
/// assert_eq!(hits.reset()?, 11);
/// assert_eq!(hits.get()?, 0);
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Errors
/// [`Error::NotAnInteger`] if the key holds something else than an `i64` as Redis writes it,
/// [`Error::Overflow`] if a result would be none, and [`Error::WrongType`].
pub struct Counter<'a> {
    handle: Handle<'a>,
}

impl<'a> Counter<'a> {
    fn of(handle: Handle<'a>) -> Self {
        Counter { handle }
    }
}

impl Database {
    /// A handle on the counter at `key`. Nothing is made until it is changed. O(1)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert_eq!(store.counter("hits").incr()?, 1);
    /// assert_eq!(store.get::<i64>("hits")?, Some(1)); // a string, as in Redis
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn counter<'a>(&'a self, key: impl Into<Key<'a>>) -> Counter<'a> {
        Counter::of(Handle::new(self, key.into()))
    }
}

impl Counter<'_> {
    /// Adds one; gives the new value. `INCR`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Store, Ttl};
    ///
    /// let store = Store::new();
    /// let hits = store.counter("hits");
    /// assert_eq!(hits.incr()?, 1);
    /// store.expire(&hits, Duration::from_secs(60))?;
    /// assert_eq!(hits.incr()?, 2);
    /// assert_ne!(store.ttl(&hits)?, Ttl::Forever); // the deadline stays
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAnInteger`], [`Error::Overflow`] or [`Error::WrongType`]; the value stays. See
    /// [`Counter`].
    #[doc(alias = "INCR")]
    pub fn incr(&self) -> Result<i64> {
        self.incr_by(1)
    }

    /// Adds a number, which may be negative; gives the new value. `INCRBY`, O(1).
    ///
    /// ```
    /// use larder::{Error, Store};
    ///
    /// let store = Store::new();
    /// let stock = store.counter("stock");
    /// assert_eq!(stock.incr_by(10)?, 10);
    /// assert_eq!(stock.incr_by(-3)?, 7);
    /// assert!(matches!(stock.incr_by(i64::MAX), Err(Error::Overflow)));
    /// assert_eq!(stock.get()?, 7);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`incr`](Self::incr).
    #[doc(alias = "INCRBY")]
    pub fn incr_by(&self, by: i64) -> Result<i64> {
        self.handle.write(|writer, key| string::increase(writer, key, by))
    }

    /// Takes one away; gives the new value. `DECR`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert_eq!(store.counter("seats").decr()?, -1); // a missing key counts as 0
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`incr`](Self::incr).
    #[doc(alias = "DECR")]
    pub fn decr(&self) -> Result<i64> {
        self.incr_by(-1)
    }

    /// Takes a number away; gives the new value. `DECRBY`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let seats = store.counter("seats");
    /// seats.set(40)?;
    /// assert_eq!(seats.decr_by(3)?, 37);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`incr`](Self::incr); [`Error::Overflow`] for [`i64::MIN`], whatever the counter holds: it
    /// has no opposite.
    #[doc(alias = "DECRBY")]
    pub fn decr_by(&self, by: i64) -> Result<i64> {
        self.incr_by(by.checked_neg().ok_or(Error::Overflow)?)
    }

    /// Adds a fraction; gives the new value. `INCRBYFLOAT`, O(1).
    ///
    /// As in Redis, the sum is made with 64 bits of precision and stored with up to 17 decimals, so
    /// that short ones add up as people expect. A sum that is no whole number is nothing that
    /// [`get`](Self::get) or [`incr`](Self::incr) take: read it with [`Database::get`].
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let sum = store.counter("sum");
    /// sum.incr_by_float(0.1)?;
    /// assert_eq!(sum.incr_by_float(0.2)?, 0.3);
    /// assert_eq!(store.get::<f64>("sum")?, Some(0.3));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAFloat`] if the key holds no number; [`Error::NanOrInfinity`] if the sum is not
    /// finite; [`Error::WrongType`]. The value stays.
    #[doc(alias = "INCRBYFLOAT")]
    pub fn incr_by_float(&self, by: f64) -> Result<f64> {
        // The increment that the f64 is written as, not the binary fraction that it is. All but NaN are
        // read back.
        let by = LongDouble::parse(by.to_string().as_bytes()).ok_or(Error::NanOrInfinity)?;
        let sum = self.handle.write(|writer, key| string::increase_float(writer, key, by))?;
        LongDouble::parse(&sum).map(LongDouble::to_f64).ok_or(Error::NotAFloat)
    }

    /// The value; 0 if the key is missing. `GET`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert_eq!(store.counter("hits").get()?, 0);
    /// store.insert("hits", "42")?;
    /// assert_eq!(store.counter("hits").get()?, 42);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAnInteger`] if the key holds another string, [`Error::WrongType`].
    #[doc(alias = "GET")]
    pub fn get(&self) -> Result<i64> {
        integer(self.handle.read(string::get)?)
    }

    /// Sets the value, whatever the key held before, and takes its deadline away. `SET`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let stock = store.counter("stock");
    /// stock.set(40)?;
    /// assert_eq!(stock.get()?, 40);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooLong`] for a key over the store's limit.
    #[doc(alias = "SET")]
    pub fn set(&self, value: i64) -> Result<()> {
        let value = number::decimal(value.into());
        self.handle.write(|writer, key| string::set(writer, key, value, Deadline::Clear))
    }

    /// Sets the value, and takes the key's deadline away; gives the value before. `GETSET`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let stock = store.counter("stock");
    /// assert_eq!(stock.swap(40)?, 0);
    /// assert_eq!(stock.swap(50)?, 40);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAnInteger`] if the value before was none, [`Error::WrongType`]; it stays.
    #[doc(alias = "GETSET")]
    pub fn swap(&self, value: i64) -> Result<i64> {
        let value = number::decimal(value.into());
        self.handle.write(|writer, key| {
            let old = integer(string::get(&writer.view(), key)?)?;
            string::set(writer, key, value, Deadline::Clear)?;
            Ok(old)
        })
    }

    /// Removes the counter, so that it counts as 0; gives the value before. `GETDEL`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let hits = store.counter("hits");
    /// hits.incr_by(3)?;
    /// assert_eq!(hits.reset()?, 3); // no hit is lost between reading and clearing
    /// assert!(!store.contains(&hits)?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAnInteger`] if the value before was none, [`Error::WrongType`]; it stays.
    #[doc(alias = "GETDEL")]
    pub fn reset(&self) -> Result<i64> {
        self.handle.write(|writer, key| {
            let old = integer(string::get(&writer.view(), key)?)?;
            keys::remove(writer, key);
            Ok(old)
        })
    }
}

fn integer(value: Option<Bytes>) -> Result<i64> {
    value.map_or(Ok(0), |value| number::parse_i64(&value).ok_or(Error::NotAnInteger))
}

public_handle!(Counter<'a>);
