//! Plain values and counters.

use std::time::Duration;

use super::Database;
use super::handle::{Handle, decode_option};
use crate::clock::millis;
use crate::codec::encode;
use crate::command::string;
use crate::keyspace::writer::Deadline;
use crate::{Decode, IntoValue, Key, Result};

impl Database {
    /// The value of a key. `GET`, O(1); a value of at most 22 bytes, or one read as
    /// [`Bytes`](crate::Bytes), is given without allocating.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("greeting", "hello")?;
    /// let greeting: Option<String> = store.get("greeting")?;
    /// assert_eq!(greeting.as_deref(), Some("hello"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType), [`Error::Decode`](crate::Error::Decode).
    #[doc(alias = "GET")]
    pub fn get<'k, T: Decode>(&self, key: impl Into<Key<'k>>) -> Result<Option<T>> {
        let key = key.into();
        let key = self.key_ref(&key);
        decode_option(self.read(&[key], |view| string::get(view, key))?)
    }

    /// Sets a key to a value that stays until it is removed, whatever the key held before. `SET`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("greeting", "hello")?;
    /// store.insert("answer", 42)?;
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooLong`](crate::Error::TooLong), [`Error::Encode`](crate::Error::Encode).
    #[doc(alias = "SET")]
    pub fn insert<'k>(&self, key: impl Into<Key<'k>>, value: impl IntoValue) -> Result<()> {
        let key = key.into();
        let (key, value) = (self.key_ref(&key), encode(value, self.space().limits().value)?);
        self.write(&[key], |writer| string::set(writer, key, value, Deadline::Clear))
    }

    /// Sets a key to a value that expires `ttl` from now (to the millisecond). `SET` with `PX`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let store = larder::Store::new();
    /// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidExpire`](crate::Error::InvalidExpire) if `ttl` is under a millisecond or ends
    /// beyond the clock's range; [`Error::TooLong`](crate::Error::TooLong),
    /// [`Error::Encode`](crate::Error::Encode).
    #[doc(alias = "SETEX")]
    #[doc(alias = "PSETEX")]
    pub fn insert_ex<'k>(&self, key: impl Into<Key<'k>>, value: impl IntoValue, ttl: Duration) -> Result<()> {
        let key = key.into();
        let (key, value) = (self.key_ref(&key), encode(value, self.space().limits().value)?);
        let deadline = self.space().deadline_in(millis(ttl), "set")?;
        self.write(&[key], |writer| string::set(writer, key, value, Deadline::At(deadline)))
    }

    /// A handle on a counter: a decimal integer that several threads can raise and lower.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert_eq!(store.counter("hits").incr()?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn counter<'a>(&'a self, key: impl Into<Key<'a>>) -> Counter<'a> {
        Counter { handle: Handle::new(self, key.into()) }
    }
}

/// A handle on a counter; see [`Database::counter`].
#[derive(Clone)]
pub struct Counter<'a> {
    handle: Handle<'a>,
}

impl Counter<'_> {
    /// Adds one; gives the new value. `INCR`, O(1). A missing key counts as 0.
    ///
    /// # Errors
    /// [`Error::NotAnInteger`](crate::Error::NotAnInteger), [`Error::Overflow`](crate::Error::Overflow).
    #[doc(alias = "INCR")]
    pub fn incr(&self) -> Result<i64> {
        self.handle.write(|writer, key| string::increase(writer, key, 1))
    }
}
