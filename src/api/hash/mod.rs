//! Hashes.

mod expiry;
mod iter;
mod options;

use std::collections::HashMap;
use std::hash;
use std::marker::PhantomData;

use super::Database;
use super::handle::{Handle, decode, decode_option, public_handle, sought};
use crate::command::Draw;
use crate::command::hash::{self as fields, Taken};
use crate::command::keys::{self, ExpireIf};
use crate::text::long_double::LongDouble;
use crate::value::hash::Field;
use crate::{Bytes, Decode, Element, Encode, Error, Key, Result};

pub use iter::HashIter;
pub use options::HashOptions;

use iter::{Fields, entry};

/// A handle on a hash: fields of type `F` with a value of type `V` each. Single fields can expire by
/// themselves.
///
/// - **Fields**: [`insert`](Self::insert), [`get`](Self::get), [`remove`](Self::remove),
///   [`contains`](Self::contains), [`incr_by`](Self::incr_by), their kin for several.
/// - **All**: [`to_map`](Self::to_map), [`entries`](Self::entries), [`keys`](Self::keys),
///   [`values`](Self::values), [`iter`](Self::iter), [`len`](Self::len).
/// - **By chance**: [`random`](Self::random), [`random_many`](Self::random_many),
///   [`random_field`](Self::random_field).
/// - **Deadlines of fields**: [`insert_ex`](Self::insert_ex), [`expire_field`](Self::expire_field),
///   [`field_ttl`](Self::field_ttl), [`persist_field`](Self::persist_field).
///
/// An operation on a field is O(1), but O(log n) where it sets or takes away the field's deadline, as
/// does setting or removing a field that has one.
///
/// ```
/// use larder::Store;
///
/// let store = Store::new();
/// let cart = store.hash::<String, u32>("cart:42");
/// cart.insert("apple", 3)?;
/// cart.insert("pear", 1)?;
/// assert_eq!(cart.get("apple")?, Some(3));
/// assert_eq!(cart.incr_by("pear", 4)?, 5);
/// assert_eq!(cart.to_map()?.len(), 2);
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Errors
/// Every method gives [`Error::WrongType`] if the key holds another type. Those that take fields or
/// values can give [`Error::TooLong`] and [`Error::Encode`], those that give them [`Error::Decode`].
pub struct Hash<'a, F, V> {
    handle: Handle<'a>,
    types: PhantomData<fn() -> (F, V)>,
}

impl<'a, F, V> Hash<'a, F, V> {
    fn of(handle: Handle<'a>) -> Self {
        Hash { handle, types: PhantomData }
    }
}

impl Database {
    /// A handle on the hash at `key`, whose fields are `F` and whose values are `V`. Nothing is made
    /// until a field is set, and the key goes with the last field.
    pub fn hash<'a, F, V>(&'a self, key: impl Into<Key<'a>>) -> Hash<'a, F, V>
    where
        F: Encode + Decode,
        V: Encode + Decode,
    {
        Hash::of(Handle::new(self, key.into()))
    }
}

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
    #[doc(alias = "HSET")]
    pub fn insert(&self, field: impl Element<F>, value: impl Element<V>) -> Result<bool> {
        Ok(self.insert_many([(field, value)])? == 1)
    }

    /// Sets several fields at once, which then have no deadline; gives how many are new. `HSET`,
    /// O(fields).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let user = store.hash::<String, String>("user:1");
    /// assert_eq!(user.insert_many([("name", "ann"), ("lang", "en")])?, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
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
    #[doc(alias = "HSETNX")]
    pub fn insert_if_absent(&self, field: impl Element<F>, value: impl Element<V>) -> Result<bool> {
        self.insert_with([(field, value)], HashOptions::new().if_absent())
    }

    /// Sets several fields under a condition, with deadlines, with a deadline for the whole key, or
    /// all of that in one step; true if they were set. `HSETEX`, O(fields).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{HashOptions, Store};
    ///
    /// let store = Store::new();
    /// let session = store.hash::<String, String>("session:42");
    /// let options = HashOptions::new().expire_key_in(Duration::from_secs(1800));
    /// session.insert_with([("user", "ann"), ("lang", "en")], options)?;
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InvalidExpire`] for a deadline beyond what Redis can hold (for fields 46 bits of
    /// milliseconds, the year 4199).
    #[doc(alias = "HSETEX")]
    pub fn insert_with(
        &self,
        pairs: impl IntoIterator<Item = (impl Element<F>, impl Element<V>)>,
        options: HashOptions,
    ) -> Result<bool> {
        Ok(self.insert_counted(pairs, options)?.is_some())
    }

    /// The value of a field. `HGET`, O(1).
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
    #[doc(alias = "HMGET")]
    pub fn get_many(&self, fields: impl IntoIterator<Item = impl Element<F>>) -> Result<Vec<Option<V>>> {
        let names = sought(fields)?;
        let values = self.handle.read(|view, key| fields::get_many(view, key, &names))?;
        values.into_iter().map(decode_option).collect()
    }

    /// Whether the field is there. `HEXISTS`, O(1).
    #[doc(alias = "HEXISTS")]
    pub fn contains(&self, field: impl Element<F>) -> Result<bool> {
        let field = field.into_value()?;
        self.handle.read(|view, key| fields::contains(view, key, &field))
    }

    /// The length of a field's value in bytes, as it is stored; 0 if the field is missing. `HSTRLEN`,
    /// O(1).
    #[doc(alias = "HSTRLEN")]
    pub fn value_len(&self, field: impl Element<F>) -> Result<usize> {
        let field = field.into_value()?;
        self.handle.read(|view, key| fields::value_len(view, key, &field))
    }

    /// How many fields there are; 0 if the key is missing. `HLEN`, O(1). Unlike Redis, fields that
    /// have expired are never counted.
    #[doc(alias = "HLEN")]
    pub fn len(&self) -> Result<usize> {
        self.handle.read(fields::len)
    }

    /// Whether there is no field, and so no key. O(1).
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Removes a field; true if it was there. `HDEL`, O(1).
    #[doc(alias = "HDEL")]
    pub fn remove(&self, field: impl Element<F>) -> Result<bool> {
        Ok(self.remove_many([field])? == 1)
    }

    /// Removes several fields; gives how many of them were there. `HDEL`, O(fields).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert_many([("apple", 3), ("pear", 1)])?;
    /// assert_eq!(cart.remove_many(["apple", "pear", "plum"])?, 2);
    /// assert!(!store.contains("cart:42")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "HDEL")]
    pub fn remove_many(&self, fields: impl IntoIterator<Item = impl Element<F>>) -> Result<usize> {
        Ok(self.take(&sought(fields)?)?.into_iter().flatten().count())
    }

    /// Removes a field; gives the value that it had. `HGETDEL`, O(1).
    ///
    /// # Errors
    /// [`Error::Decode`] with the value's bytes, which have been removed.
    #[doc(alias = "HGETDEL")]
    pub fn get_and_remove(&self, field: impl Element<F>) -> Result<Option<V>> {
        let taken = self.take(&[field.into_value()?])?;
        decode_option(taken.into_iter().flatten().next().map(|taken| taken.value))
    }

    /// Removes several fields; gives the values that they had, in the order of the fields. `HGETDEL`,
    /// O(fields).
    ///
    /// # Errors
    /// [`Error::Decode`] if a value is no `V`: all fields that were not set again meanwhile are then
    /// put back.
    #[doc(alias = "HGETDEL")]
    pub fn get_and_remove_many(
        &self,
        fields: impl IntoIterator<Item = impl Element<F>>,
    ) -> Result<Vec<Option<V>>> {
        let names = sought(fields)?;
        let taken = self.take(&names)?;
        let values = taken.iter().map(|taken| decode_option(taken.as_ref().map(|taken| taken.value.clone())));
        values.collect::<Result<_>>().inspect_err(|_| {
            let taken = names.into_iter().zip(taken).filter_map(|(name, taken)| Some((name, taken?)));
            // It fails where the key was given another type meanwhile: the fields would be gone too.
            self.handle.write(|writer, key| fields::put_back(writer, key, taken.collect())).ok();
        })
    }

    /// Adds to a field's integer; gives the new value. A missing field counts as 0, and one with a
    /// deadline keeps it. `HINCRBY`, O(1).
    ///
    /// # Errors
    /// [`Error::HashNotAnInteger`], [`Error::Overflow`]
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
    /// [`Error::HashNotAFloat`]; [`Error::NanOrInfinity`] if that would come out, or is what to add.
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

    /// A field drawn at random; `None` if the key is missing. `HRANDFIELD`, O(1).
    #[doc(alias = "HRANDFIELD")]
    pub fn random_field(&self) -> Result<Option<F>> {
        Ok(self.random_fields(1)?.pop())
    }

    /// `count` different fields drawn at random, all of them if there are fewer. `HRANDFIELD` with a
    /// positive count, O(count).
    #[doc(alias = "HRANDFIELD")]
    pub fn random_fields(&self, count: usize) -> Result<Vec<F>> {
        self.draw(Draw::Distinct(count))?.into_iter().map(|field| decode(field.name)).collect()
    }

    /// `count` fields, each drawn from all of them. `HRANDFIELD` with a negative count, O(count).
    ///
    /// # Errors
    /// [`Error::Invalid`] for more than memory can hold.
    #[doc(alias = "HRANDFIELD")]
    pub fn random_fields_repeated(&self, count: usize) -> Result<Vec<F>> {
        self.draw(Draw::Repeated(count))?.into_iter().map(|field| decode(field.name)).collect()
    }

    /// A field drawn at random, and its value; `None` if the key is missing. `HRANDFIELD` with
    /// `WITHVALUES`, O(1).
    #[doc(alias = "HRANDFIELD")]
    pub fn random(&self) -> Result<Option<(F, V)>> {
        Ok(self.random_many(1)?.pop())
    }

    /// [`random_fields`](Self::random_fields) with their values. `HRANDFIELD` with `WITHVALUES`.
    #[doc(alias = "HRANDFIELD")]
    pub fn random_many(&self, count: usize) -> Result<Vec<(F, V)>> {
        self.draw(Draw::Distinct(count))?.into_iter().map(entry).collect()
    }

    /// [`random_fields_repeated`](Self::random_fields_repeated) with their values. `HRANDFIELD` with
    /// `WITHVALUES`.
    #[doc(alias = "HRANDFIELD")]
    pub fn random_repeated(&self, count: usize) -> Result<Vec<(F, V)>> {
        self.draw(Draw::Repeated(count))?.into_iter().map(entry).collect()
    }

    /// All fields. `HKEYS`, O(n), without holding a lock.
    #[doc(alias = "HKEYS")]
    pub fn keys(&self) -> Result<Vec<F>> {
        self.fields()?.map(|field| decode(field.name)).collect()
    }

    /// All values, in the order of [`keys`](Self::keys) if nothing has changed. `HVALS`, O(n), without
    /// holding a lock.
    #[doc(alias = "HVALS")]
    pub fn values(&self) -> Result<Vec<V>> {
        self.fields()?.map(|field| decode(field.value)).collect()
    }

    /// All fields with their values. `HGETALL`, O(n), without holding a lock.
    #[doc(alias = "HGETALL")]
    pub fn entries(&self) -> Result<Vec<(F, V)>> {
        self.iter()?.collect()
    }

    /// All fields with their values, as a map. `HGETALL`, O(n), without holding a lock.
    ///
    /// ```
    /// use std::collections::HashMap;
    ///
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert_many(&HashMap::from([("apple".to_owned(), 3), ("pear".to_owned(), 1)]))?;
    /// assert_eq!(cart.to_map()?["apple"], 3);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "HGETALL")]
    pub fn to_map(&self) -> Result<HashMap<F, V>>
    where
        F: Eq + hash::Hash,
    {
        self.iter()?.collect()
    }

    /// An iterator over the fields and values that the hash has at this instant: later changes do not
    /// disturb it, and it holds no lock. O(1); the first write to a part of the hash that is still
    /// iterated over copies that part.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert_many([("apple", 3), ("pear", 1)])?;
    /// for entry in cart.iter()? {
    ///     let (fruit, count) = entry?;
    ///     cart.insert(fruit, count + 1)?;
    /// }
    /// assert_eq!(cart.get("apple")?, Some(4));
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "HGETALL")]
    #[doc(alias = "HSCAN")]
    pub fn iter(&self) -> Result<HashIter<F, V>> {
        Ok(HashIter::new(self.handle.read(fields::snapshot)?))
    }

    /// How many of the fields are new; `None` if the condition does not hold.
    fn insert_counted(
        &self,
        pairs: impl IntoIterator<Item = (impl Element<F>, impl Element<V>)>,
        options: HashOptions,
    ) -> Result<Option<usize>> {
        let encode = |(field, value)| Ok((self.handle.encode(field)?, self.handle.encode(value)?));
        let pairs = pairs.into_iter().map(encode).collect::<Result<Vec<_>>>()?;
        let (condition, deadline, key_deadline) = options.resolve(self.handle.db().space())?;
        self.handle.write(|writer, key| {
            let inserted = fields::insert(writer, key, pairs, condition, deadline)?;
            if let (Some(_), Some(deadline)) = (inserted, key_deadline) {
                keys::expire(writer, key, deadline, ExpireIf::Always);
            }
            Ok(inserted)
        })
    }

    fn fields(&self) -> Result<Fields> {
        Ok(Fields::of(self.handle.read(fields::snapshot)?))
    }

    fn take(&self, names: &[Bytes]) -> Result<Vec<Option<Taken>>> {
        self.handle.write(|writer, key| fields::take(writer, key, names))
    }

    fn draw(&self, draw: Draw) -> Result<Vec<Field>> {
        self.handle.read(|view, key| fields::random(view, key, draw))
    }
}

public_handle!(Hash<'a, F, V>);
