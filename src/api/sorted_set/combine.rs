//! Several sorted sets as one.

use super::{SortedSet, decode_all_scored, names_with};
use crate::command::sorted_set::Combine;
use crate::command::sorted_set::combine::{self, Operation};
use crate::{Bytes, Decode, Encode, Key, Result};

/// Several sorted sets as one. All of them are read at one instant; plain sets can stand among the
/// others, as if each of their members had the score 1.
impl<M: Encode + Decode> SortedSet<'_, M> {
    /// The members that this set or one of the others has, each with the sum of its scores, in order; a
    /// missing key has none. `ZUNION`, O(n log n) with n the members of all.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let today = store.sorted_set::<String>("today");
    /// today.insert("ann", 1.0)?;
    /// store.sorted_set::<String>("yesterday").insert_many([("ann", 2.0), ("bob", 1.0)])?;
    /// let both = today.union(["yesterday"])?;
    /// assert_eq!(both, [("bob".to_owned(), 1.0), ("ann".to_owned(), 3.0)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if one of the keys holds neither a sorted set nor
    /// a set; [`Error::Decode`](crate::Error::Decode) for a member that is no `M`.
    #[doc(alias = "ZUNION")]
    pub fn union<'k>(&self, others: impl IntoIterator<Item = impl Into<Key<'k>>>) -> Result<Vec<(M, f64)>> {
        self.union_with(others, &Combine::new())
    }

    /// [`union`](Self::union) with weights and another way to make one score of several. `ZUNION` with
    /// `WEIGHTS` and `AGGREGATE`, O(n log n) with n the members of all.
    ///
    /// ```
    /// use larder::{Combine, Store};
    ///
    /// let store = Store::new();
    /// let today = store.sorted_set::<String>("today");
    /// today.insert("ann", 10.0)?;
    /// store.sorted_set::<String>("yesterday").insert_many([("ann", 4.0), ("bob", 8.0)])?;
    /// // Yesterday counts half.
    /// let both = today.union_with(["yesterday"], &Combine::new().weights([1.0, 0.5]))?;
    /// assert_eq!(both, [("bob".to_owned(), 4.0), ("ann".to_owned(), 12.0)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`union`](Self::union); [`Error::NanWeight`](crate::Error::NanWeight) for a weight that
    /// is NaN; [`Error::Invalid`](crate::Error::Invalid) if there are weights, but not one for each
    /// set.
    #[doc(alias = "ZUNION")]
    pub fn union_with<'k>(
        &self,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
        combine: &Combine,
    ) -> Result<Vec<(M, f64)>> {
        self.combine(names_with(&self.handle, others), Operation::Union(combine))
    }

    /// The members that this set and all of the others have, each with the sum of its scores, in order;
    /// none if a key is missing. `ZINTER`, O(n * sets) with n the members of the smallest, and O(m log
    /// m) for the result.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let today = store.sorted_set::<String>("today");
    /// today.insert("ann", 1.0)?;
    /// store.sorted_set::<String>("yesterday").insert_many([("ann", 2.0), ("bob", 1.0)])?;
    /// assert_eq!(today.intersection(["yesterday"])?, [("ann".to_owned(), 3.0)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`union`](Self::union).
    #[doc(alias = "ZINTER")]
    pub fn intersection<'k>(
        &self,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<Vec<(M, f64)>> {
        self.intersection_with(others, &Combine::new())
    }

    /// [`intersection`](Self::intersection) with weights and another way to make one score of several.
    /// `ZINTER` with `WEIGHTS` and `AGGREGATE`, O(n * sets + m log m).
    ///
    /// ```
    /// use larder::{Aggregate, Combine, Store};
    ///
    /// let store = Store::new();
    /// let today = store.sorted_set::<String>("today");
    /// today.insert_many([("ann", 10.0), ("bob", 3.0)])?;
    /// store.sorted_set::<String>("yesterday").insert_many([("ann", 30.0), ("cid", 8.0)])?;
    /// let combine = Combine::new().aggregate(Aggregate::Max);
    /// assert_eq!(today.intersection_with(["yesterday"], &combine)?, [("ann".to_owned(), 30.0)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`union_with`](Self::union_with).
    #[doc(alias = "ZINTER")]
    pub fn intersection_with<'k>(
        &self,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
        combine: &Combine,
    ) -> Result<Vec<(M, f64)>> {
        self.combine(names_with(&self.handle, others), Operation::Intersection(combine))
    }

    /// The members that this set has and none of the others, with the scores that they have here, in
    /// order. `ZDIFF`, O(n * sets) with n the members of this set, and O(m log m) for the result.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let today = store.sorted_set::<String>("today");
    /// today.insert_many([("ann", 2.0), ("bob", 1.0)])?;
    /// store.sorted_set::<String>("yesterday").insert("ann", 1.0)?;
    /// assert_eq!(today.difference(["yesterday"])?, [("bob".to_owned(), 1.0)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`union`](Self::union).
    #[doc(alias = "ZDIFF")]
    pub fn difference<'k>(
        &self,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<Vec<(M, f64)>> {
        self.combine(names_with(&self.handle, others), Operation::Difference)
    }

    /// How many members this set and all of the others have, counted no further than `limit`.
    /// `ZINTERCARD`, O(n * sets) with n the members of the smallest.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let today = store.sorted_set::<String>("today");
    /// today.insert_many([("ann", 1.0), ("bob", 2.0)])?;
    /// store.sorted_set::<String>("yesterday").insert_many([("ann", 2.0), ("bob", 1.0)])?;
    /// assert_eq!(today.intersection_len(["yesterday"], None)?, 2);
    /// assert_eq!(today.intersection_len(["yesterday"], Some(1))?, 1);
    /// assert_eq!(today.intersection_len(["yesterday"], Some(0))?, 0); // to Redis, 0 is no limit
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if one of the keys holds neither a sorted set nor
    /// a set.
    #[doc(alias = "ZINTERCARD")]
    pub fn intersection_len<'k>(
        &self,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
        limit: Option<usize>,
    ) -> Result<usize> {
        let names = names_with(&self.handle, others);
        let keys = self.handle.db().key_refs(&names);
        self.handle.db().read(&keys, |view| combine::intersection_len(view, &keys, limit))
    }

    /// Makes `destination` the [union](Self::union), whatever it held before, without a deadline; gives
    /// how many members it has. An empty result removes it. `ZUNIONSTORE`, O(n log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let today = store.sorted_set::<String>("today");
    /// today.insert("ann", 1.0)?;
    /// store.sorted_set::<String>("yesterday").insert_many([("ann", 2.0), ("bob", 1.0)])?;
    /// assert_eq!(today.union_into("both", ["yesterday"])?, 2);
    /// assert_eq!(store.sorted_set::<String>("both").score("ann")?, Some(3.0));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if one of the keys, but for the destination, holds
    /// neither a sorted set nor a set.
    #[doc(alias = "ZUNIONSTORE")]
    pub fn union_into<'d, 'k>(
        &self,
        destination: impl Into<Key<'d>>,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<usize> {
        self.union_into_with(destination, others, &Combine::new())
    }

    /// [`union_into`](Self::union_into) with weights and another way to make one score of several.
    /// `ZUNIONSTORE` with `WEIGHTS` and `AGGREGATE`, O(n log n).
    ///
    /// ```
    /// use larder::{Combine, Store};
    ///
    /// let store = Store::new();
    /// let week = store.sorted_set::<String>("week");
    /// week.insert("ann", 10.0)?;
    /// // The board of the week fades by half each day.
    /// week.union_into_with("week", [] as [&str; 0], &Combine::new().weights([0.5]))?;
    /// assert_eq!(week.score("ann")?, Some(5.0));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`union_into`](Self::union_into); [`Error::NanWeight`](crate::Error::NanWeight) for a
    /// weight that is NaN; [`Error::Invalid`](crate::Error::Invalid) if there are weights, but not one
    /// for each set.
    #[doc(alias = "ZUNIONSTORE")]
    pub fn union_into_with<'d, 'k>(
        &self,
        destination: impl Into<Key<'d>>,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
        combine: &Combine,
    ) -> Result<usize> {
        let names = names_with(&self.handle, others);
        self.combine_into(destination.into(), names, Operation::Union(combine))
    }

    /// Makes `destination` the [intersection](Self::intersection), whatever it held before, without a
    /// deadline; gives how many members it has. An empty result removes it. `ZINTERSTORE`, O(n * sets +
    /// m log m).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let today = store.sorted_set::<String>("today");
    /// today.insert("ann", 1.0)?;
    /// store.sorted_set::<String>("yesterday").insert_many([("ann", 2.0), ("bob", 1.0)])?;
    /// assert_eq!(today.intersection_into("both", ["yesterday"])?, 1);
    /// assert_eq!(today.intersection_into("both", ["nothing"])?, 0);
    /// assert!(!store.contains("both")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`union_into`](Self::union_into).
    #[doc(alias = "ZINTERSTORE")]
    pub fn intersection_into<'d, 'k>(
        &self,
        destination: impl Into<Key<'d>>,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<usize> {
        self.intersection_into_with(destination, others, &Combine::new())
    }

    /// [`intersection_into`](Self::intersection_into) with weights and another way to make one score of
    /// several. `ZINTERSTORE` with `WEIGHTS` and `AGGREGATE`, O(n * sets + m log m).
    ///
    /// ```
    /// use larder::{Aggregate, Combine, Store};
    ///
    /// let store = Store::new();
    /// let today = store.sorted_set::<String>("today");
    /// today.insert("ann", 10.0)?;
    /// store.sorted_set::<String>("yesterday").insert("ann", 30.0)?;
    /// let combine = Combine::new().aggregate(Aggregate::Min);
    /// assert_eq!(today.intersection_into_with("worst", ["yesterday"], &combine)?, 1);
    /// assert_eq!(store.sorted_set::<String>("worst").score("ann")?, Some(10.0));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`union_into_with`](Self::union_into_with).
    #[doc(alias = "ZINTERSTORE")]
    pub fn intersection_into_with<'d, 'k>(
        &self,
        destination: impl Into<Key<'d>>,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
        combine: &Combine,
    ) -> Result<usize> {
        let names = names_with(&self.handle, others);
        self.combine_into(destination.into(), names, Operation::Intersection(combine))
    }

    /// Makes `destination` the [difference](Self::difference), whatever it held before, without a
    /// deadline; gives how many members it has. An empty result removes it. `ZDIFFSTORE`, O(n * sets +
    /// m log m).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let today = store.sorted_set::<String>("today");
    /// today.insert_many([("ann", 2.0), ("bob", 1.0)])?;
    /// store.sorted_set::<String>("yesterday").insert("ann", 1.0)?;
    /// assert_eq!(today.difference_into("new", ["yesterday"])?, 1);
    /// assert_eq!(store.sorted_set::<String>("new").score("bob")?, Some(1.0));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`union_into`](Self::union_into).
    #[doc(alias = "ZDIFFSTORE")]
    pub fn difference_into<'d, 'k>(
        &self,
        destination: impl Into<Key<'d>>,
        others: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<usize> {
        self.combine_into(destination.into(), names_with(&self.handle, others), Operation::Difference)
    }

    fn combine(&self, names: Vec<Bytes>, operation: Operation<'_>) -> Result<Vec<(M, f64)>> {
        let keys = self.handle.db().key_refs(&names);
        decode_all_scored(self.handle.db().read(&keys, |view| combine::combine(view, &keys, operation))?)
    }

    fn combine_into(
        &self,
        destination: Key<'_>,
        mut names: Vec<Bytes>,
        operation: Operation<'_>,
    ) -> Result<usize> {
        names.push(destination.into_bytes());
        let keys = self.handle.db().key_refs(&names);
        self.handle.db().write(&keys, |writer| match keys.split_last() {
            Some((destination, sources)) => combine::combine_into(writer, *destination, sources, operation),
            // There is a destination: it was just added.
            None => Ok(0),
        })
    }
}
