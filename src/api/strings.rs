//! Plain values: one string, number or record to a key.

use std::time::{Duration, SystemTime};

use super::handle::{decode, decode_option};
use super::keys::Ttl;
use super::{Database, InsertOptions, names};
use crate::clock::millis;
use crate::codec::encode;
use crate::command::string::{self, Condition};
use crate::key::KeyRef;
use crate::keyspace::Missed;
use crate::keyspace::view::View;
use crate::keyspace::writer::Deadline;
use crate::{Bytes, Decode, Error, IntoValue, Key, Result};

impl Database {
    /// The value of a key; `None` if the key is missing. `GET`, O(1), and O(n) where a `T` such as a `String`
    /// has n bytes copied for it. As [`Bytes`](crate::Bytes) a value of up to 23 bytes is given without
    /// allocating, and one of over 151 bytes without copying.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("greeting", "hello")?;
    /// let greeting: Option<String> = store.get("greeting")?;
    /// assert_eq!(greeting.as_deref(), Some("hello"));
    /// assert_eq!(store.get::<String>("nothing")?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) if the value is no `T`.
    #[doc(alias = "GET")]
    pub fn get<'k, T: Decode>(&self, key: impl Into<Key<'k>>) -> Result<Option<T>> {
        T::decode_found(self.bytes(&key.into()))
    }

    #[inline(always)]
    pub(crate) fn bytes(&self, key: &[u8]) -> Result<Option<Bytes>> {
        self.found(self.key_ref(key))
    }

    /// The most frequent call of all, so its way through the layers is laid out here: with
    /// [`read_one`](Self::read_one), compilers take what it finds through memory twice.
    #[inline(always)]
    pub(super) fn found(&self, key: KeyRef<'_>) -> Result<Option<Bytes>> {
        if self.in_transaction() {
            return self.read_one(key, string::get);
        }
        let space = self.space();
        let found = {
            let missed = Missed::default();
            let guard = space.reading(key)?;
            string::get(&View::of_one(space, self.index(), &guard).telling(&missed), key)
        };
        match found {
            Err(Error::WrongType) => self.found_encoded(key),
            found => found,
        }
    }

    /// The same once the value of a cache, which is not kept as bytes, has been encoded.
    #[cold]
    fn found_encoded(&self, key: KeyRef<'_>) -> Result<Option<Bytes>> {
        if !self.space().encode_native(self.index(), key) {
            return Err(Error::WrongType);
        }
        self.read_one(key, string::get)
    }

    /// What `look` makes of a key's bytes, of which no more than 151 are copied; `None`, and it is not called,
    /// if the key is missing. `GET`, O(1). No lock is held meanwhile: `look` may use the store.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("page", "x".repeat(100_000))?;
    /// assert_eq!(store.get_with("page", |bytes| bytes.len())?, Some(100_000));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "GET")]
    pub fn get_with<'k, R>(
        &self,
        key: impl Into<Key<'k>>,
        look: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>> {
        let bytes = self.bytes(&key.into())?;
        Ok(bytes.map(|bytes| look(&bytes)))
    }

    /// The value of a key and how long it still lives, both of one instant. `GET` and `PTTL`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store, Ttl};
    ///
    /// let store = Store::builder().clock(&ManualClock::new()).build();
    /// store.insert_ex("answer", 42, Duration::from_secs(30))?;
    /// assert_eq!(store.get_with_ttl("answer")?, Some((42, Ttl::Left(Duration::from_secs(30)))));
    /// assert_eq!(store.get_with_ttl::<i64>("nothing")?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    #[doc(alias = "PTTL")]
    pub fn get_with_ttl<'k, T: Decode>(&self, key: impl Into<Key<'k>>) -> Result<Option<(T, Ttl)>> {
        let key = key.into();
        let key = self.key_ref(&key);
        let found = self.read_one(key, |view, key| {
            let found = string::get_with_deadline(view, key)?;
            Ok(found.map(|(bytes, deadline)| (bytes, Ttl::until(deadline, || view.now()))))
        })?;
        found.map(|(bytes, ttl)| Ok((decode(bytes)?, ttl))).transpose()
    }

    /// The values of several keys at one instant, in their order; `None` for a key that is missing or
    /// of another type. `MGET`, O(keys).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert_many([("a", 1), ("b", 2)])?;
    /// assert_eq!(store.get_many::<i64>(["a", "x", "b"])?, [Some(1), None, Some(2)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Decode`](crate::Error::Decode) for the first value that does not decode.
    #[doc(alias = "MGET")]
    pub fn get_many<'k, T: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<Vec<Option<T>>> {
        let names = names(keys);
        let keys = self.key_refs(&names);
        let values = self.read(&keys, |view| Ok(string::get_many(view, &keys)))?;
        values.into_iter().map(decode_option).collect()
    }

    /// Sets a key to a value that stays until it is removed, whatever the key held before: the old value
    /// and its deadline are gone. `SET`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("greeting", "hello")?;
    /// store.insert("answer", 42)?;
    /// store.insert("answer", "forty-two")?;
    /// assert_eq!(store.get::<String>("answer")?.as_deref(), Some("forty-two"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooLong`](crate::Error::TooLong) for a key or value over the store's limit;
    /// [`Error::Encode`](crate::Error::Encode) for one that its codec refuses.
    #[doc(alias = "SET")]
    pub fn insert<'k>(&self, key: impl Into<Key<'k>>, value: impl IntoValue) -> Result<()> {
        self.store_value(key.into(), value, Deadline::Clear)
    }

    /// Sets a key to a value that expires `ttl` from now (to the millisecond). `SET` with `PX`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
    /// clock.advance(Duration::from_secs(30));
    /// assert_eq!(store.get::<String>("session:42")?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidExpire`](crate::Error::InvalidExpire) if `ttl` is under a millisecond or ends
    /// beyond the clock's range; those of [`insert`](Self::insert).
    #[doc(alias = "SETEX")]
    #[doc(alias = "PSETEX")]
    pub fn insert_ex<'k>(&self, key: impl Into<Key<'k>>, value: impl IntoValue, ttl: Duration) -> Result<()> {
        let deadline = self.time().deadline_in(millis(ttl), "set")?;
        self.store_value(key.into(), value, Deadline::At(deadline))
    }

    /// Sets a key to a value, with a condition and a deadline; true if the condition was met. `SET`,
    /// O(1), or O(n) where values are compared.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{InsertOptions, Store};
    ///
    /// let store = Store::new();
    /// let lease = InsertOptions::new().if_absent().expire_in(Duration::from_secs(10));
    /// assert!(store.insert_with("lock", "me", lease)?);
    ///
    /// let renewed = InsertOptions::new().if_equal("me").expire_in(Duration::from_secs(10));
    /// assert!(store.insert_with("lock", "me", renewed)?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if values are compared and the key holds another type;
    /// those of [`insert_ex`](Self::insert_ex).
    #[doc(alias = "SET")]
    pub fn insert_with<'k>(
        &self,
        key: impl Into<Key<'k>>,
        value: impl IntoValue,
        options: InsertOptions,
    ) -> Result<bool> {
        let key = key.into();
        let (key, value) = (self.key_ref(&key), encode(value, self.space().limits().value)?);
        let (condition, deadline) = options.resolve(self.time(), "set")?;
        self.write_one(key, |writer, key| string::set_if(writer, key, value, &condition, deadline))
    }

    /// Sets a key to a value if the key is missing; true if it was. `SETNX`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert!(store.insert_if_absent("leader", "ann")?);
    /// assert!(!store.insert_if_absent("leader", "bob")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert).
    #[doc(alias = "SETNX")]
    pub fn insert_if_absent<'k>(&self, key: impl Into<Key<'k>>, value: impl IntoValue) -> Result<bool> {
        self.insert_with(key, value, InsertOptions::new().if_absent())
    }

    /// Sets a key to a value that expires `ttl` from now if the key is missing; true if it was. `SET`
    /// with `NX` and `PX`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let term = Duration::from_secs(10);
    /// assert!(store.insert_if_absent_ex("leader", "ann", term)?);
    /// assert!(!store.insert_if_absent_ex("leader", "bob", term)?);
    /// clock.advance(term);
    /// assert!(store.insert_if_absent_ex("leader", "bob", term)?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert_ex`](Self::insert_ex).
    #[doc(alias = "SETNX")]
    pub fn insert_if_absent_ex<'k>(
        &self,
        key: impl Into<Key<'k>>,
        value: impl IntoValue,
        ttl: Duration,
    ) -> Result<bool> {
        self.insert_with(key, value, InsertOptions::new().if_absent().expire_in(ttl))
    }

    /// Sets a key to a value if the key is there, and takes its deadline away; true if it was. `SET`
    /// with `XX`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert!(!store.insert_if_present("leader", "ann")?);
    /// store.insert("leader", "ann")?;
    /// assert!(store.insert_if_present("leader", "bob")?);
    /// assert_eq!(store.get::<String>("leader")?.as_deref(), Some("bob"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert).
    #[doc(alias = "SET XX")]
    pub fn insert_if_present<'k>(&self, key: impl Into<Key<'k>>, value: impl IntoValue) -> Result<bool> {
        self.insert_with(key, value, InsertOptions::new().if_present())
    }

    /// Sets a key to a value and takes its deadline away; gives the value before. `GETSET`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert_eq!(store.swap::<String>("leader", "ann")?, None);
    /// assert_eq!(store.swap::<String>("leader", "bob")?.as_deref(), Some("ann"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type, which stays; those of
    /// [`insert`](Self::insert); [`Error::Decode`](crate::Error::Decode) with the bytes of the value before,
    /// which has been replaced.
    #[doc(alias = "GETSET")]
    pub fn swap<'k, T: Decode>(&self, key: impl Into<Key<'k>>, value: impl IntoValue) -> Result<Option<T>> {
        self.swap_with(key, value, InsertOptions::new())
    }

    /// [`insert_with`](Self::insert_with) that gives the value before, whether or not the condition
    /// was met. `SET` with `GET`, O(1), or O(n) where values are compared.
    ///
    /// ```
    /// use larder::{InsertOptions, Store};
    ///
    /// let store = Store::new();
    /// let first = || InsertOptions::new().if_absent();
    /// assert_eq!(store.swap_with::<String>("leader", "ann", first())?, None);
    /// assert_eq!(store.swap_with::<String>("leader", "bob", first())?.as_deref(), Some("ann"));
    /// assert_eq!(store.get::<String>("leader")?.as_deref(), Some("ann"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`swap`](Self::swap) and [`insert_ex`](Self::insert_ex).
    #[doc(alias = "SET")]
    pub fn swap_with<'k, T: Decode>(
        &self,
        key: impl Into<Key<'k>>,
        value: impl IntoValue,
        options: InsertOptions,
    ) -> Result<Option<T>> {
        let key = key.into();
        let (key, value) = (self.key_ref(&key), encode(value, self.space().limits().value)?);
        let (condition, deadline) = options.resolve(self.time(), "set")?;
        let old =
            self.write_one(key, |writer, key| string::swap(writer, key, value, &condition, deadline))?;
        decode_option(old)
    }

    /// Sets several keys, as one: nobody sees some of them changed and others not. Their deadlines are
    /// taken away. Of a key that is named twice the last value stays. `MSET`, O(keys).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert_many([("a", 1), ("b", 2), ("a", 3)])?;
    /// assert_eq!(store.get_many(["a", "b"])?, [Some(3), Some(2)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert); then none of the keys is set.
    #[doc(alias = "MSET")]
    pub fn insert_many<'k, K, V>(&self, pairs: impl IntoIterator<Item = (K, V)>) -> Result<()>
    where
        K: Into<Key<'k>>,
        V: IntoValue,
    {
        self.insert_many_with(pairs, InsertOptions::new()).map(|_| ())
    }

    /// Sets several keys, as one, if all of them are missing; true if they were. `MSETNX`, O(keys).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert!(store.insert_many_if_absent([("a", 1), ("b", 2)])?);
    /// assert!(!store.insert_many_if_absent([("b", 3), ("c", 4)])?); // `b` is there
    /// assert!(!store.contains("c")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert_many`](Self::insert_many).
    #[doc(alias = "MSETNX")]
    pub fn insert_many_if_absent<'k, K, V>(&self, pairs: impl IntoIterator<Item = (K, V)>) -> Result<bool>
    where
        K: Into<Key<'k>>,
        V: IntoValue,
    {
        self.insert_many_with(pairs, InsertOptions::new().if_absent())
    }

    /// Sets several keys, as one, to values with one deadline, if each of them meets the condition;
    /// true if they did. `MSETEX`, O(keys).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{InsertOptions, Store};
    ///
    /// let store = Store::new();
    /// let minute = || InsertOptions::new().expire_in(Duration::from_secs(60));
    /// assert!(store.insert_many_with([("eur", 1.0), ("usd", 1.1)], minute())?);
    /// assert!(!store.insert_many_with([("usd", 1.2), ("gbp", 0.9)], minute().if_present())?);
    /// assert_eq!(store.get::<f64>("usd")?, Some(1.1));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert_with`](Self::insert_with); then none of the keys is set.
    #[doc(alias = "MSETEX")]
    pub fn insert_many_with<'k, K, V>(
        &self,
        pairs: impl IntoIterator<Item = (K, V)>,
        options: InsertOptions,
    ) -> Result<bool>
    where
        K: Into<Key<'k>>,
        V: IntoValue,
    {
        let limit = self.space().limits().value;
        let pairs =
            pairs.into_iter().map(|(key, value)| Ok((key.into().into_bytes(), encode(value, limit)?)));
        let (names, values): (Vec<Bytes>, Vec<Bytes>) =
            pairs.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let keys = self.key_refs(&names);
        let (condition, deadline) = options.resolve(self.time(), "msetex")?;
        let pairs = keys.iter().copied().zip(values).collect();
        self.write(&keys, |writer| string::set_many(writer, pairs, &condition, deadline))
    }

    /// The value of a key, which is removed. `GETDEL`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("token", "abc")?;
    /// assert_eq!(store.get_and_remove::<String>("token")?.as_deref(), Some("abc"));
    /// assert!(!store.contains("token")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type, which stays;
    /// [`Error::Decode`](crate::Error::Decode) with the value's bytes, which have been removed.
    #[doc(alias = "GETDEL")]
    pub fn get_and_remove<'k, T: Decode>(&self, key: impl Into<Key<'k>>) -> Result<Option<T>> {
        let key = key.into();
        let key = self.key_ref(&key);
        decode_option(self.write_one(key, string::take)?)
    }

    /// The value of a key, which from now on lives for `ttl`. `GETEX` with `PX`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store, Ttl};
    ///
    /// let store = Store::builder().clock(&ManualClock::new()).build();
    /// store.insert("session:42", "ann")?;
    /// let who: Option<String> = store.get_and_expire("session:42", Duration::from_secs(30))?;
    /// assert_eq!(who.as_deref(), Some("ann"));
    /// assert_eq!(store.ttl("session:42")?, Ttl::Left(Duration::from_secs(30)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidExpire`](crate::Error::InvalidExpire) if `ttl` is under a millisecond or ends
    /// beyond the clock's range; those of [`get`](Self::get), [`Decode`](crate::Error::Decode) after the
    /// deadline was set.
    #[doc(alias = "GETEX")]
    pub fn get_and_expire<'k, T: Decode>(&self, key: impl Into<Key<'k>>, ttl: Duration) -> Result<Option<T>> {
        let deadline = self.time().deadline_in(millis(ttl), "getex")?;
        self.get_ex(key.into(), Deadline::At(deadline))
    }

    /// The value of a key, which from now on expires at `time`; at once if that has passed. `GETEX`
    /// with `PXAT`, O(1).
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// let store = larder::Store::new();
    /// store.insert("offer", "half price")?;
    /// let midnight = SystemTime::now() + Duration::from_secs(3600);
    /// assert_eq!(store.get_and_expire_at::<String>("offer", midnight)?.as_deref(), Some("half price"));
    /// let passed = SystemTime::now() - Duration::from_secs(1);
    /// assert_eq!(store.get_and_expire_at::<String>("offer", passed)?.as_deref(), Some("half price"));
    /// assert!(!store.contains("offer")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidExpire`](crate::Error::InvalidExpire) before 1970-01-01 00:00:00.001 UTC, as in
    /// Redis, or beyond the clock's range; those of [`get`](Self::get), [`Decode`](crate::Error::Decode)
    /// after the deadline was set.
    #[doc(alias = "GETEX")]
    pub fn get_and_expire_at<'k, T: Decode>(
        &self,
        key: impl Into<Key<'k>>,
        time: SystemTime,
    ) -> Result<Option<T>> {
        let deadline = self.time().value_deadline_at(time, "getex")?;
        self.get_ex(key.into(), Deadline::At(deadline))
    }

    /// The value of a key, whose deadline is taken away. `GETEX` with `PERSIST`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{Store, Ttl};
    ///
    /// let store = Store::new();
    /// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
    /// assert_eq!(store.get_and_persist::<String>("session:42")?.as_deref(), Some("ann"));
    /// assert_eq!(store.ttl("session:42")?, Ttl::Forever);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`get`](Self::get), [`Decode`](crate::Error::Decode) after the deadline was taken away.
    #[doc(alias = "GETEX")]
    pub fn get_and_persist<'k, T: Decode>(&self, key: impl Into<Key<'k>>) -> Result<Option<T>> {
        self.get_ex(key.into(), Deadline::Clear)
    }

    /// Removes a key if its value is this one; true if it was. `DELEX` with `IFEQ`, O(n) for n bytes.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("lock", "me")?;
    /// assert!(!store.remove_if_equal("lock", "you")?);
    /// assert!(store.remove_if_equal("lock", "me")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) if the value that is compared with does not encode.
    #[doc(alias = "DELEX")]
    pub fn remove_if_equal<'k>(&self, key: impl Into<Key<'k>>, value: impl IntoValue) -> Result<bool> {
        let key = key.into();
        let (key, value) = (self.key_ref(&key), value.into_value()?);
        self.write_one(key, |writer, key| string::remove_if(writer, key, &Condition::Equal(value)))
    }

    #[inline]
    fn store_value(&self, key: Key<'_>, value: impl IntoValue, deadline: Deadline) -> Result<()> {
        self.put(&key, encode(value, self.space().limits().value)?, deadline)
    }

    /// What `insert` does, compiled once for all types.
    fn put(&self, key: &[u8], value: Bytes, deadline: Deadline) -> Result<()> {
        let key = self.key_ref(key);
        self.write_one(key, |writer, key| string::set(writer, key, value, deadline))
    }

    fn get_ex<T: Decode>(&self, key: Key<'_>, deadline: Deadline) -> Result<Option<T>> {
        let key = self.key_ref(&key);
        decode_option(self.write_one(key, |writer, key| string::get_and_expire(writer, key, deadline))?)
    }
}
