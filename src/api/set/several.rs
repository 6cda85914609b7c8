//! Operations on several sets.

use super::Set;
use crate::api::handle::decode_all;
use crate::command::set::{self, Combine};
use crate::key::KeyRef;
use crate::{Decode, Element, Encode, Key, Result};

impl<T: Encode + Decode> Set<'_, T> {
    /// Moves a member to another set, in one step; true if this one had it. `SMOVE`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let waiting = store.set::<String>("waiting");
    /// waiting.insert("ann")?;
    /// assert!(waiting.move_to("served", "ann")?);
    /// assert!(store.set::<String>("served").contains("ann")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
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
    /// assert_eq!(ann.intersection(["bob"])?, ["tea"]);
    /// assert_eq!(ann.difference(["bob"])?, ["milk"]);
    /// assert_eq!(ann.union(["bob"])?.len(), 3);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "SINTER")]
    pub fn intersection<'k>(&self, others: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Result<Vec<T>> {
        self.combine(Combine::Intersection, keys(others))
    }

    /// The members that this set or any of the others has, each once, in no particular order. `SUNION`,
    /// O(all members).
    #[doc(alias = "SUNION")]
    pub fn union<'k>(&self, others: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Result<Vec<T>> {
        self.combine(Combine::Union, keys(others))
    }

    /// The members of this set that none of the others has, in no particular order. `SDIFF`, at most
    /// O(all members).
    #[doc(alias = "SDIFF")]
    pub fn difference<'k>(&self, others: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Result<Vec<T>> {
        self.combine(Combine::Difference, keys(others))
    }

    /// Stores the members that this set and all of the others have under `destination`, whatever that
    /// held before (it may be one of the sets); gives how many there are. None removes it.
    /// `SINTERSTORE`, costs as [`intersection`](Self::intersection).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let (ann, bob) = (store.set::<String>("ann"), store.set::<String>("bob"));
    /// ann.insert_many(["tea", "milk"])?;
    /// bob.insert_many(["tea", "beer"])?;
    /// assert_eq!(ann.intersection_into("both", ["bob"])?, 1);
    /// assert_eq!(store.set::<String>("both").members()?, ["tea"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "SINTERSTORE")]
    pub fn intersection_into<'k>(
        &self,
        destination: impl Into<Key<'k>>,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<usize> {
        self.combine_into(Combine::Intersection, destination.into(), keys(others))
    }

    /// Stores the members that this set or any of the others has under `destination`, as
    /// [`intersection_into`](Self::intersection_into) does. `SUNIONSTORE`, costs as
    /// [`union`](Self::union).
    #[doc(alias = "SUNIONSTORE")]
    pub fn union_into<'k>(
        &self,
        destination: impl Into<Key<'k>>,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<usize> {
        self.combine_into(Combine::Union, destination.into(), keys(others))
    }

    /// Stores the members of this set that none of the others has under `destination`, as
    /// [`intersection_into`](Self::intersection_into) does. `SDIFFSTORE`, costs as
    /// [`difference`](Self::difference).
    #[doc(alias = "SDIFFSTORE")]
    pub fn difference_into<'k>(
        &self,
        destination: impl Into<Key<'k>>,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<usize> {
        self.combine_into(Combine::Difference, destination.into(), keys(others))
    }

    /// How many members this set and all of the others have, counted no further than `limit`.
    /// `SINTERCARD`, costs as [`intersection`](Self::intersection) and ends at the limit.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let (ann, bob) = (store.set::<u32>("ann"), store.set::<u32>("bob"));
    /// ann.insert_many([1, 2, 3])?;
    /// bob.insert_many([2, 3, 4])?;
    /// assert_eq!(ann.intersection_len(["bob"], None)?, 2);
    /// assert_eq!(ann.intersection_len(["bob"], Some(1))?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
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
