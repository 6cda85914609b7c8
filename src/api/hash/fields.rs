//! Fields: set, read, removed, counted up.

use super::{Hash, HashOptions};
use crate::api::handle::{decode_option, sought};
use crate::command::hash::{self as fields, Taken};
use crate::command::keys::{self, ExpireIf};
use crate::text::long_double::LongDouble;
use crate::{Bytes, Decode, Element, Encode, Error, Result};

impl<F: Encode + Decode, V: Encode + Decode> Hash<'_, F, V> {
    /// Sets a field, which then has no deadline; true if it is new. `HSET`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let user = store.hash::<String, String>("user:1");
    /// assert!(user.insert("name", "ann")?);
    /// assert!(!user.insert("name", "anna")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type; [`Error::TooLong`] for a field or a value
    /// over the store's limit, [`Error::Encode`] for one that does not encode.
    #[doc(alias = "HSET")]
    pub fn insert(&self, field: impl Element<F>, value: impl Element<V>) -> Result<bool> {
        let pair = (self.handle.encode(field)?, self.handle.encode(value)?);
        Ok(self.insert_encoded(&[pair], HashOptions::new())? == Some(1))
    }

    /// Sets several fields in one step, which then have no deadline; gives how many are new. Where a
    /// field is named twice, the last value counts. `HSET`, O(fields).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let user = store.hash::<String, String>("user:1");
    /// assert_eq!(user.insert_many([("name", "ann"), ("lang", "en")])?, 2);
    /// assert_eq!(user.insert_many([("lang", "de"), ("mail", "ann@example.com")])?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert); then no field was set.
    #[doc(alias = "HSET")]
    #[doc(alias = "HMSET")]
    pub fn insert_many(
        &self,
        pairs: impl IntoIterator<Item = (impl Element<F>, impl Element<V>)>,
    ) -> Result<usize> {
        Ok(self.insert_counted(pairs, HashOptions::new())?.unwrap_or(0))
    }

    /// Sets a field unless it is there; true if it was set. `HSETNX`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let user = store.hash::<String, String>("user:1");
    /// assert!(user.insert_if_absent("name", "ann")?);
    /// assert!(!user.insert_if_absent("name", "bob")?);
    /// assert_eq!(user.get("name")?.as_deref(), Some("ann"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert).
    #[doc(alias = "HSETNX")]
    pub fn insert_if_absent(&self, field: impl Element<F>, value: impl Element<V>) -> Result<bool> {
        self.insert_with([(field, value)], HashOptions::new().if_absent())
    }

    /// Sets several fields under a condition, with deadlines, with a deadline for the whole key, or all
    /// of that in one step; true if they were set. `HSETEX`, O(fields), and O(log n) a field with
    /// deadlines.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{HashOptions, ManualClock, Store, Ttl};
    ///
    /// let store = Store::builder().clock(&ManualClock::new()).build();
    /// let session = store.hash::<String, String>("session:42");
    /// let options = HashOptions::new().expire_key_in(Duration::from_secs(1800));
    /// assert!(session.insert_with([("user", "ann"), ("lang", "en")], options)?);
    /// assert_eq!(store.ttl("session:42")?, Ttl::Left(Duration::from_secs(1800)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert); [`Error::InvalidExpire`] for a deadline beyond what Redis can
    /// hold (for fields 46 bits of milliseconds, the year 4199).
    #[doc(alias = "HSETEX")]
    pub fn insert_with(
        &self,
        pairs: impl IntoIterator<Item = (impl Element<F>, impl Element<V>)>,
        options: HashOptions,
    ) -> Result<bool> {
        Ok(self.insert_counted(pairs, options)?.is_some())
    }

    /// The value of a field; `None` if it is missing. `HGET`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert("name", "ann")?;
    /// assert_eq!(user.get("name")?.as_deref(), Some("ann"));
    /// assert_eq!(user.get("lang")?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type; [`Error::Encode`] for a field that does not
    /// encode; [`Error::Decode`] for a value that is no `V`.
    #[doc(alias = "HGET")]
    pub fn get(&self, field: impl Element<F>) -> Result<Option<V>> {
        let field = field.into_value()?;
        decode_option(self.handle.read(|view, key| fields::get(view, key, &field))?)
    }

    /// The values of several fields at one instant, in the order of the fields. `HMGET`, O(fields).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert("apple", 3)?;
    /// assert_eq!(cart.get_many(["apple", "pear"])?, [Some(3), None]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`get`](Self::get).
    #[doc(alias = "HMGET")]
    pub fn get_many(&self, fields: impl IntoIterator<Item = impl Element<F>>) -> Result<Vec<Option<V>>> {
        let names = sought(fields)?;
        let values = self.handle.read(|view, key| fields::get_many(view, key, &names))?;
        values.into_iter().map(decode_option).collect()
    }

    /// Whether the field is there. `HEXISTS`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert("name", "")?;
    /// assert!(user.contains("name")?);
    /// assert!(!user.contains("lang")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type; [`Error::Encode`] for a field that does not
    /// encode.
    #[doc(alias = "HEXISTS")]
    pub fn contains(&self, field: impl Element<F>) -> Result<bool> {
        let field = field.into_value()?;
        self.handle.read(|view, key| fields::contains(view, key, &field))
    }

    /// The length of a field's value in bytes, as it is stored; 0 if the field is missing. `HSTRLEN`,
    /// O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert("apple", 250)?; // stored as text
    /// assert_eq!(cart.value_len("apple")?, 3);
    /// assert_eq!(cart.value_len("pear")?, 0);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`contains`](Self::contains).
    #[doc(alias = "HSTRLEN")]
    pub fn value_len(&self, field: impl Element<F>) -> Result<usize> {
        let field = field.into_value()?;
        self.handle.read(|view, key| fields::value_len(view, key, &field))
    }

    /// How many fields there are; 0 if the key is missing. Unlike Redis, fields that have expired are
    /// never counted. `HLEN`, O(1), and O(log n) while fields are due.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{ManualClock, Store};
    ///
    /// let clock = ManualClock::new();
    /// let store = Store::builder().clock(&clock).build();
    /// let user = store.hash::<String, String>("user:1");
    /// user.insert("name", "ann")?;
    /// user.insert_ex("token", "k7Yp", Duration::from_secs(60))?;
    /// assert_eq!(user.len()?, 2);
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(user.len()?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "HLEN")]
    pub fn len(&self) -> Result<usize> {
        self.handle.read(fields::len)
    }

    /// Whether there is no field, and so no key. `HLEN`, O(1) as [`len`](Self::len).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// assert!(cart.is_empty()?);
    /// cart.insert("apple", 3)?;
    /// assert!(!cart.is_empty()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Removes a field; true if it was there. `HDEL`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert("apple", 3)?;
    /// assert!(cart.remove("apple")?);
    /// assert!(!cart.remove("apple")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type; [`Error::Encode`] for a field that does not
    /// encode.
    #[doc(alias = "HDEL")]
    pub fn remove(&self, field: impl Element<F>) -> Result<bool> {
        Ok(self.remove_many([field])? == 1)
    }

    /// Removes several fields in one step; gives how many of them were there. `HDEL`, O(fields).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert_many([("apple", 3), ("pear", 1)])?;
    /// assert_eq!(cart.remove_many(["apple", "pear", "plum"])?, 2);
    /// assert!(!store.contains("cart:42")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`remove`](Self::remove).
    #[doc(alias = "HDEL")]
    pub fn remove_many(&self, fields: impl IntoIterator<Item = impl Element<F>>) -> Result<usize> {
        Ok(self.take(&sought(fields)?)?.into_iter().flatten().count())
    }

    /// Removes a field; gives the value that it had, `None` if it was missing. `HGETDEL`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let codes = store.hash::<String, u32>("codes");
    /// codes.insert("ann", 4711)?;
    /// assert_eq!(codes.get_and_remove("ann")?, Some(4711));
    /// assert_eq!(codes.get_and_remove("ann")?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`remove`](Self::remove); [`Error::Decode`] with the value's bytes, which have been
    /// removed.
    #[doc(alias = "HGETDEL")]
    pub fn get_and_remove(&self, field: impl Element<F>) -> Result<Option<V>> {
        let taken = self.take(&[field.into_value()?])?;
        decode_option(taken.into_iter().flatten().next().map(|taken| taken.value))
    }

    /// Removes several fields in one step; gives the values that they had, in the order of the fields.
    /// `HGETDEL`, O(fields).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert_many([("apple", 3), ("pear", 1)])?;
    /// assert_eq!(cart.get_and_remove_many(["pear", "plum"])?, [Some(1), None]);
    /// assert_eq!(cart.keys()?, ["apple"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`remove`](Self::remove); [`Error::Decode`] if a value is no `V`: all fields that were
    /// not set again meanwhile are then put back, with their deadlines, unless the key was given
    /// another type.
    #[doc(alias = "HGETDEL")]
    pub fn get_and_remove_many(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
    ) -> Result<Vec<Option<V>>> {
        let names = sought(fields)?;
        let (deadline, taken) = self.handle.write(|writer, key| {
            let deadline = writer.deadline(key);
            Ok((deadline, fields::take(writer, key, &names)?))
        })?;
        let values = taken.iter().map(|taken| decode_option(taken.as_ref().map(|taken| taken.value.clone())));
        values.collect::<Result<_>>().inspect_err(|_| {
            let taken =
                names.into_iter().zip(taken).filter_map(|(name, taken)| Some((name, taken?))).collect();
            // It fails where the key was given another type meanwhile: the fields would be gone too.
            self.handle.write(|writer, key| fields::put_back(writer, key, taken, deadline)).ok();
        })
    }

    /// Adds to a field's integer; gives the new value. A missing field counts as 0, and one with a
    /// deadline keeps it. `HINCRBY`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// assert_eq!(cart.incr_by("apple", 3)?, 3);
    /// assert_eq!(cart.incr_by("apple", -1)?, 2);
    /// assert_eq!(cart.get("apple")?, Some(2));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::HashNotAnInteger`] if the field holds anything else; [`Error::Overflow`] if the sum
    /// does not fit into 64 bits; [`Error::WrongType`] if the key holds another type;
    /// [`Error::TooLong`] or [`Error::Encode`] for the field.
    #[doc(alias = "HINCRBY")]
    pub fn incr_by(&self, field: impl Element<F>, by: i64) -> Result<i64> {
        let field = self.handle.encode(field)?;
        self.handle.write(|writer, key| fields::increase(writer, key, field, by))
    }

    /// Adds to a field's number, with 64 bits of precision as Redis does, and writes at most 17
    /// decimals; gives the new value. A missing field counts as 0, and one with a deadline keeps it.
    /// `HINCRBYFLOAT`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let scores = store.hash::<String, f64>("scores");
    /// scores.insert("ann", 0.1)?;
    /// assert_eq!(scores.incr_by_float("ann", 0.2)?, 0.3);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::HashNotAFloat`] if the field holds anything else; [`Error::NanOrInfinity`] if that
    /// would come out, or is what to add; [`Error::WrongType`] if the key holds another type;
    /// [`Error::TooLong`] or [`Error::Encode`] for the field.
    #[doc(alias = "HINCRBYFLOAT")]
    pub fn incr_by_float(&self, field: impl Element<F>, by: f64) -> Result<f64> {
        let field = self.handle.encode(field)?;
        // The shortest decimal that reads back as `by`, which is what a client would have sent.
        let by =
            Some(by).filter(|by| by.is_finite()).and_then(|by| LongDouble::parse(by.to_string().as_bytes()));
        let by = by.ok_or(Error::NanOrInfinity)?;
        let sum = self.handle.write(|writer, key| fields::increase_float(writer, key, field, &by))?;
        // Written as a number; one beyond the range of f64 is infinite there.
        LongDouble::parse(&sum).map(LongDouble::to_f64).ok_or(Error::HashNotAFloat)
    }

    /// How many of the fields are new; `None` if the condition does not hold.
    pub(super) fn insert_counted(
        &self,
        pairs: impl IntoIterator<Item = (impl Element<F>, impl Element<V>)>,
        options: HashOptions,
    ) -> Result<Option<usize>> {
        let encode = |(field, value)| Ok((self.handle.encode(field)?, self.handle.encode(value)?));
        let pairs = pairs.into_iter().map(encode).collect::<Result<Vec<_>>>()?;
        self.insert_encoded(&pairs, options)
    }

    fn insert_encoded(&self, pairs: &[(Bytes, Bytes)], options: HashOptions) -> Result<Option<usize>> {
        let pairs = pairs.iter().map(|(name, value)| (name, value));
        let (condition, deadline, key_deadline) = options.resolve(self.handle.db().time())?;
        self.handle.write(|writer, key| {
            let inserted = fields::insert(writer, key, pairs.clone(), condition, deadline)?;
            if let (Some(_), Some(deadline)) = (inserted, key_deadline) {
                keys::expire(writer, key, deadline, ExpireIf::Always);
            }
            Ok(inserted)
        })
    }

    fn take(&self, names: &[Bytes]) -> Result<Vec<Option<Taken>>> {
        self.handle.write(|writer, key| fields::take(writer, key, names))
    }
}
