//! All fields of a hash as they were at one instant.

use std::collections::HashMap;
use std::fmt;
use std::hash;
use std::iter::FusedIterator;
use std::marker::PhantomData;

use super::Hash;
use crate::api::handle::decode;
use crate::command::hash::{self as fields, Snapshot};
use crate::value::hash::Field;
use crate::{Decode, Encode, Result};

/// An iterator over the fields that a hash had at one instant; made by
/// [`Hash::iter`](crate::Hash::iter).
#[must_use = "an iterator does nothing unless it is iterated over"]
pub struct HashIter<F, V> {
    fields: Fields,
    types: PhantomData<fn() -> (F, V)>,
}

impl<F: Encode + Decode, V: Encode + Decode> Hash<'_, F, V> {
    /// All fields, in no order. `HKEYS`, O(n), without holding a lock.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert_many([("apple", 3), ("pear", 1)])?;
    /// let mut fruits = cart.keys()?;
    /// fruits.sort();
    /// assert_eq!(fruits, ["apple", "pear"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) for a field that is no `F`.
    #[doc(alias = "HKEYS")]
    pub fn keys(&self) -> Result<Vec<F>> {
        self.fields()?.map(|field| decode(field.name)).collect()
    }

    /// All values, in the order of [`keys`](Self::keys) if nothing has changed. `HVALS`, O(n), without
    /// holding a lock.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert_many([("apple", 3), ("pear", 1)])?;
    /// assert_eq!(cart.values()?.into_iter().sum::<u32>(), 4);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) for a value that is no `V`.
    #[doc(alias = "HVALS")]
    pub fn values(&self) -> Result<Vec<V>> {
        self.fields()?.map(|field| decode(field.value)).collect()
    }

    /// All fields with their values, in no order. `HGETALL`, O(n), without holding a lock.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let cart = store.hash::<String, u32>("cart:42");
    /// cart.insert("apple", 3)?;
    /// assert_eq!(cart.entries()?, [("apple".to_owned(), 3)]);
    /// assert!(store.hash::<String, u32>("nothing").entries()?.is_empty());
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) for a field that is no `F`, or a value that is no `V`.
    #[doc(alias = "HGETALL")]
    pub fn entries(&self) -> Result<Vec<(F, V)>> {
        self.iter()?.collect()
    }

    /// All fields with their values, as a map; an empty one if the key is missing. `HGETALL`, O(n),
    /// without holding a lock.
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
    ///
    /// # Errors
    /// Those of [`entries`](Self::entries).
    #[doc(alias = "HGETALL")]
    pub fn to_map(&self) -> Result<HashMap<F, V>>
    where
        F: Eq + hash::Hash,
    {
        self.iter()?.collect()
    }

    /// An iterator over the fields and values that the hash has at this instant: later changes do not
    /// disturb it, and it holds no lock. `HGETALL`, `HSCAN`; O(1) to start, O(1) a field; the first
    /// write to a part of the hash that is still iterated over copies that part.
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
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type. An item is
    /// [`Error::Decode`](crate::Error::Decode) where the field is no `F` or the value no `V`.
    #[doc(alias = "HGETALL")]
    #[doc(alias = "HSCAN")]
    pub fn iter(&self) -> Result<HashIter<F, V>> {
        Ok(HashIter::new(self.handle.read(fields::snapshot)?))
    }

    fn fields(&self) -> Result<Fields> {
        Ok(Fields::of(self.handle.read(fields::snapshot)?))
    }
}

impl<F, V> HashIter<F, V> {
    pub(super) fn new(snapshot: Option<Snapshot>) -> Self {
        HashIter { fields: Fields::of(snapshot), types: PhantomData }
    }
}

impl<F: Decode, V: Decode> Iterator for HashIter<F, V> {
    type Item = Result<(F, V)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.fields.next().map(entry)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.fields.size_hint()
    }
}

impl<F: Decode, V: Decode> FusedIterator for HashIter<F, V> {}

impl<F, V> Clone for HashIter<F, V> {
    fn clone(&self) -> Self {
        HashIter { fields: self.fields.clone(), types: PhantomData }
    }
}

impl<F, V> fmt::Debug for HashIter<F, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HashIter").field("next", &self.fields.next).finish_non_exhaustive()
    }
}

/// A field and its value, decoded.
pub(super) fn entry<F: Decode, V: Decode>(field: Field) -> Result<(F, V)> {
    Ok((decode(field.name)?, decode(field.value)?))
}

/// The fields of a snapshot, as they are stored.
#[derive(Clone)]
pub(super) struct Fields {
    snapshot: Option<Snapshot>,
    /// The next position.
    next: u32,
}

impl Fields {
    pub(super) fn of(snapshot: Option<Snapshot>) -> Self {
        Fields { snapshot, next: 0 }
    }
}

impl Iterator for Fields {
    type Item = Field;

    fn next(&mut self) -> Option<Field> {
        let Snapshot { hash, now } = self.snapshot.as_ref()?;
        while self.next < hash.positions() {
            self.next += 1;
            if let Some(field) = hash.at(self.next - 1, *now) {
                return Some(field);
            }
        }
        // What was the last to hold the fields frees them.
        self.snapshot = None;
        None
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let Some(Snapshot { hash, now }) = &self.snapshot else { return (0, Some(0)) };
        let left = (hash.positions() - self.next.min(hash.positions())) as usize;
        let exact = hash.next_deadline() > *now;
        (if exact { left } else { 0 }, Some(left))
    }
}
