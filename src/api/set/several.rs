//! Operations on several sets.

use super::Set;
use crate::api::handle::decode_all;
use crate::command::set::{self, Combine};
use crate::key::KeyRef;
use crate::{Decode, Element, Encode, Key, Result};

impl<T: Encode + Decode> Set<'_, T> {
    /// Moves a member to another set, in one step; true if this one had it. It has then gone from here, even
    /// if the other had it already. `SMOVE`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let waiting = store.set::<String>("waiting");
    /// waiting.insert("ann")?;
    /// assert!(waiting.move_to("served", "ann")?);
    /// assert!(!waiting.move_to("served", "ann")?);
    /// assert_eq!(store.set::<String>("served").members()?, ["ann"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if one of the keys holds another type;
    /// [`Error::TooLong`](crate::Error::TooLong) for a member or a destination's name over the store's limit;
    /// [`Error::Encode`](crate::Error::Encode) for a member that its codec refuses.
    #[doc(alias = "SMOVE")]
    pub fn move_to<'k>(&self, destination: impl Into<Key<'k>>, member: impl Element<T>) -> Result<bool> {
        let (destination, member) = (destination.into(), self.handle.encode(member)?);
        let (source, destination) = (self.handle.key_ref(), self.handle.db().key_ref(&destination));
        self.handle
            .db()
            .write(&[source, destination], |writer| set::move_(writer, source, destination, member))
    }

    /// The members that this set and all of the others have, in no particular order. `SINTER`,
    /// O(members of the smallest * sets).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let (ann, bob) = (store.set::<String>("ann"), store.set::<String>("bob"));
    /// ann.insert_many(["tea", "milk"])?;
    /// bob.insert_many(["tea", "beer"])?;
    /// assert_eq!(ann.intersection([&bob])?, ["tea"]); // a handle is a key
    /// assert!(ann.intersection(["bob", "missing"])?.is_empty());
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if one of the keys holds another type;
    /// [`Error::Decode`](crate::Error::Decode) if a member is no `T`.
    #[doc(alias = "SINTER")]
    pub fn intersection<'k>(&self, others: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Result<Vec<T>> {
        self.combine(Combine::Intersection, keys(others))
    }

    /// The members that this set or any of the others has, each once, in no particular order. `SUNION`,
    /// O(all members).
    ///
    /// ```
    /// use std::collections::BTreeSet;
    ///
    /// let store = larder::Store::new();
    /// let (ann, bob) = (store.set::<u32>("ann"), store.set::<u32>("bob"));
    /// ann.insert_many([1, 2])?;
    /// bob.insert_many([2, 3])?;
    /// assert_eq!(BTreeSet::from_iter(ann.union([&bob])?), BTreeSet::from([1, 2, 3]));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`intersection`](Self::intersection).
    #[doc(alias = "SUNION")]
    pub fn union<'k>(&self, others: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Result<Vec<T>> {
        self.combine(Combine::Union, keys(others))
    }

    /// The members of this set that none of the others has, in no particular order. `SDIFF`, at most
    /// O(all members).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let (ann, bob) = (store.set::<String>("ann"), store.set::<String>("bob"));
    /// ann.insert_many(["tea", "milk"])?;
    /// bob.insert_many(["tea", "beer"])?;
    /// assert_eq!(ann.difference([&bob])?, ["milk"]);
    /// assert_eq!(bob.difference([&ann])?, ["beer"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`intersection`](Self::intersection).
    #[doc(alias = "SDIFF")]
    pub fn difference<'k>(&self, others: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Result<Vec<T>> {
        self.combine(Combine::Difference, keys(others))
    }

    /// Stores the members that this set and all of the others have under `destination`, in place of
    /// whatever that held before, its deadline included; gives how many there are. None removes it. The
    /// destination may be one of the sets. `SINTERSTORE`, O(members of the smallest * sets).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let (ann, bob) = (store.set::<String>("ann"), store.set::<String>("bob"));
    /// ann.insert_many(["tea", "milk"])?;
    /// bob.insert_many(["tea", "beer"])?;
    /// assert_eq!(ann.intersection_into("both", [&bob])?, 1);
    /// assert_eq!(store.set::<String>("both").members()?, ["tea"]);
    /// assert_eq!(ann.intersection_into("both", ["nobody"])?, 0);
    /// assert!(!store.contains("both")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if one of the sets holds another type (the destination
    /// may); [`Error::TooLong`](crate::Error::TooLong) for the destination's name.
    #[doc(alias = "SINTERSTORE")]
    pub fn intersection_into<'k>(
        &self,
        destination: impl Into<Key<'k>>,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<usize> {
        self.combine_into(Combine::Intersection, destination.into(), keys(others))
    }

    /// Stores the members that this set or any of the others has under `destination`, as
    /// [`intersection_into`](Self::intersection_into) does. `SUNIONSTORE`, O(all members).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let (ann, bob) = (store.set::<u32>("ann"), store.set::<u32>("bob"));
    /// ann.insert_many([1, 2])?;
    /// bob.insert_many([2, 3])?;
    /// assert_eq!(ann.union_into(&ann, [&bob])?, 3); // adds bob's to ann's
    /// assert!(ann.contains(3)?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`intersection_into`](Self::intersection_into).
    #[doc(alias = "SUNIONSTORE")]
    pub fn union_into<'k>(
        &self,
        destination: impl Into<Key<'k>>,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<usize> {
        self.combine_into(Combine::Union, destination.into(), keys(others))
    }

    /// Stores the members of this set that none of the others has under `destination`, as
    /// [`intersection_into`](Self::intersection_into) does. `SDIFFSTORE`, at most O(all members).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let (all, done) = (store.set::<u32>("all"), store.set::<u32>("done"));
    /// all.insert_many([1, 2, 3])?;
    /// done.insert_many([1, 3])?;
    /// assert_eq!(all.difference_into("open", [&done])?, 1);
    /// assert_eq!(store.set::<u32>("open").members()?, [2]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`intersection_into`](Self::intersection_into).
    #[doc(alias = "SDIFFSTORE")]
    pub fn difference_into<'k>(
        &self,
        destination: impl Into<Key<'k>>,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<usize> {
        self.combine_into(Combine::Difference, destination.into(), keys(others))
    }

    /// How many members this set and all of the others have, counted no further than `limit`.
    /// `SINTERCARD`, O(members of the smallest * sets), less where it ends at the limit.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let (ann, bob) = (store.set::<u32>("ann"), store.set::<u32>("bob"));
    /// ann.insert_many([1, 2, 3])?;
    /// bob.insert_many([2, 3, 4])?;
    /// assert_eq!(ann.intersection_len([&bob], None)?, 2);
    /// assert_eq!(ann.intersection_len([&bob], Some(1))?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if one of the keys holds another type.
    #[doc(alias = "SINTERCARD")]
    pub fn intersection_len<'k>(
        &self,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
        limit: Option<usize>,
    ) -> Result<usize> {
        let others = keys(others);
        let keys = self.with(&others);
        self.handle.db().read(&keys, |view| set::intersection_len(view, &keys, limit))
    }

    fn combine(&self, how: Combine, others: Vec<Key<'_>>) -> Result<Vec<T>> {
        let keys = self.with(&others);
        decode_all(self.handle.db().read(&keys, |view| set::combine(view, how, &keys))?)
    }

    fn combine_into(&self, how: Combine, destination: Key<'_>, others: Vec<Key<'_>>) -> Result<usize> {
        let destination = self.handle.db().key_ref(&destination);
        let mut keys = self.with(&others);
        let sources = keys.len();
        keys.push(destination);
        self.handle.db().write(&keys, |writer| {
            // The sources are the keys before the last.
            set::combine_into(writer, how, destination, keys.get(..sources).unwrap_or_default())
        })
    }

    /// This key and the others.
    fn with<'k>(&'k self, others: &'k [Key<'_>]) -> Vec<KeyRef<'k>> {
        let others = others.iter().map(|key| self.handle.db().key_ref(key));
        std::iter::once(self.handle.key_ref()).chain(others).collect()
    }
}

fn keys<'k>(keys: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Vec<Key<'k>> {
    keys.into_iter().map(Into::into).collect()
}
