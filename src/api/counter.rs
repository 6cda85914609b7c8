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
    /// A handle on the counter at `key`.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert_eq!(store.counter("hits").incr()?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn counter<'a>(&'a self, key: impl Into<Key<'a>>) -> Counter<'a> {
        Counter::of(Handle::new(self, key.into()))
    }
}

impl Counter<'_> {
    /// Adds one; gives the new value. `INCR`, O(1).
    #[doc(alias = "INCR")]
    pub fn incr(&self) -> Result<i64> {
        self.incr_by(1)
    }

    /// Adds a number, which may be negative; gives the new value. `INCRBY`, O(1).
    #[doc(alias = "INCRBY")]
    pub fn incr_by(&self, by: i64) -> Result<i64> {
        self.handle.write(|writer, key| string::increase(writer, key, by))
    }

    /// Takes one away; gives the new value. `DECR`, O(1).
    #[doc(alias = "DECR")]
    pub fn decr(&self) -> Result<i64> {
        self.incr_by(-1)
    }

    /// Takes a number away; gives the new value. `DECRBY`, O(1).
    ///
    /// # Errors
    /// [`Error::Overflow`] for [`i64::MIN`], whatever the counter holds: it has no opposite.
    #[doc(alias = "DECRBY")]
    pub fn decr_by(&self, by: i64) -> Result<i64> {
        self.incr_by(by.checked_neg().ok_or(Error::Overflow)?)
    }

    /// Adds a fraction; gives the new value. `INCRBYFLOAT`, O(1).
    ///
    /// As in Redis, the sum is made with 64 bits of precision and stored with up to 17 decimals, so
    /// that short ones add up as people expect.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let sum = store.counter("sum");
    /// sum.incr_by_float(0.1)?;
    /// assert_eq!(sum.incr_by_float(0.2)?, 0.3);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAFloat`] if the key holds no number; [`Error::NanOrInfinity`] if the sum is not
    /// finite.
    #[doc(alias = "INCRBYFLOAT")]
    pub fn incr_by_float(&self, by: f64) -> Result<f64> {
        // The increment that the f64 is written as, not the binary fraction that it is. All but NaN are
        // read back.
        let by = LongDouble::parse(by.to_string().as_bytes()).ok_or(Error::NanOrInfinity)?;
        let sum = self.handle.write(|writer, key| string::increase_float(writer, key, by))?;
        LongDouble::parse(&sum).map(LongDouble::to_f64).ok_or(Error::NotAFloat)
    }

    /// The value; 0 if the key is missing. `GET`, O(1).
    #[doc(alias = "GET")]
    pub fn get(&self) -> Result<i64> {
        integer(self.handle.read(string::get)?)
    }

    /// Sets the value, whatever the key held before. `SET`, O(1).
    #[doc(alias = "SET")]
    pub fn set(&self, value: i64) -> Result<()> {
        let value = number::decimal(value.into());
        self.handle.write(|writer, key| string::set(writer, key, value, Deadline::Clear))
    }

    /// Sets the value; gives the one before. `GETSET`, O(1).
    ///
    /// # Errors
    /// [`Error::NotAnInteger`] if the value before was none; it stays.
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
    /// # Errors
    /// [`Error::NotAnInteger`] if the value before was none; it stays.
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
