//! Members and their scores.

use super::SortedSet;
use crate::api::handle::sought;
use crate::command::sorted_set::{self, InsertCount, InsertIf, Inserted};
use crate::value::list::End;
use crate::{Decode, Element, Encode, Result};

impl<M: Encode + Decode> SortedSet<'_, M> {
    /// Gives a member a score, whatever it had before; whether it is new. `ZADD`, O(log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// assert!(board.insert("ann", 1.0)?);
    /// assert!(!board.insert("ann", 2.0)?);
    /// assert_eq!(board.score("ann")?, Some(2.0));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAFloat`](crate::Error::NotAFloat) for a score that is NaN;
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::TooLong`](crate::Error::TooLong) for a member over the store's limit,
    /// [`Error::Encode`](crate::Error::Encode) for one that does not encode.
    #[doc(alias = "ZADD")]
    pub fn insert(&self, member: impl Element<M>, score: f64) -> Result<bool> {
        Ok(self.insert_if(member, score, InsertIf::Always)? == Inserted::Added)
    }

    /// Gives several members their scores in one step; how many of them are new. Where a member is
    /// named twice, the last score counts. `ZADD`, O(log n) each.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// assert_eq!(board.insert_many([("ann", 1.0), ("bob", 2.0)])?, 2);
    /// assert_eq!(board.insert_many([("bob", 3.0), ("cid", 4.0)])?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert); then no score was set.
    #[doc(alias = "ZADD")]
    pub fn insert_many(&self, members: impl IntoIterator<Item = (impl Element<M>, f64)>) -> Result<usize> {
        Ok(self.insert_many_if(members, InsertIf::Always)?.added)
    }

    /// Gives a member a score under a condition; what came of it. `ZADD` with `NX`, `XX`, `GT`, `LT`,
    /// O(log n).
    ///
    /// ```
    /// use larder::{InsertIf, Inserted, Store};
    ///
    /// let store = Store::new();
    /// let best = store.sorted_set::<String>("best");
    /// assert_eq!(best.insert_if("ann", 9.0, InsertIf::Greater)?, Inserted::Added);
    /// assert_eq!(best.insert_if("ann", 5.0, InsertIf::Greater)?, Inserted::Unchanged);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert).
    #[doc(alias = "ZADD")]
    pub fn insert_if(&self, member: impl Element<M>, score: f64, condition: InsertIf) -> Result<Inserted> {
        let member = (self.handle.encode(member)?, score);
        let counts = self.handle.write(|writer, key| sorted_set::add(writer, key, &[member], condition))?;
        Ok(counts.into())
    }

    /// Gives several members their scores in one step, each under a condition; how many are new, and
    /// how many have another score now. `ZADD` with `NX`, `XX`, `GT`, `LT` and `CH`, O(log n) each.
    ///
    /// ```
    /// use larder::{InsertIf, Store};
    ///
    /// let store = Store::new();
    /// let best = store.sorted_set::<String>("best");
    /// best.insert_many([("ann", 9.0), ("bob", 9.0)])?;
    /// let counts = best.insert_many_if([("ann", 5.0), ("bob", 12.0), ("cid", 1.0)], InsertIf::Greater)?;
    /// assert_eq!((counts.added, counts.updated), (1, 1));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert); then no score was set.
    #[doc(alias = "ZADD")]
    pub fn insert_many_if(
        &self,
        members: impl IntoIterator<Item = (impl Element<M>, f64)>,
        condition: InsertIf,
    ) -> Result<InsertCount> {
        let members = members.into_iter().map(|(member, score)| Ok((self.handle.encode(member)?, score)));
        let members = members.collect::<Result<Vec<_>>>()?;
        self.handle.write(|writer, key| sorted_set::add(writer, key, &members, condition))
    }

    /// Adds to a member's score, that of a missing one counting as 0; gives the new score. `ZINCRBY`,
    /// O(log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// assert_eq!(board.incr_by("ann", 1.5)?, 1.5);
    /// assert_eq!(board.incr_by("ann", -2.0)?, -0.5);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NotAFloat`](crate::Error::NotAFloat) if `by` is NaN,
    /// [`Error::NanScore`](crate::Error::NanScore) if the sum would be (`inf` and `-inf`);
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::TooLong`](crate::Error::TooLong) or [`Error::Encode`](crate::Error::Encode) for the
    /// member.
    #[doc(alias = "ZINCRBY")]
    pub fn incr_by(&self, member: impl Element<M>, by: f64) -> Result<f64> {
        // Without a condition there is always a score.
        Ok(self.incr_by_if(member, by, InsertIf::Always)?.unwrap_or(by))
    }

    /// Adds to a member's score under a condition on the sum; gives the new score, `None` if the
    /// condition does not hold. `ZADD` with `INCR`, O(log n).
    ///
    /// ```
    /// use larder::{InsertIf, Store};
    ///
    /// let store = Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// assert_eq!(board.incr_by_if("ann", 1.0, InsertIf::Present)?, None);
    /// board.insert("ann", 5.0)?;
    /// assert_eq!(board.incr_by_if("ann", 1.0, InsertIf::Present)?, Some(6.0));
    /// assert_eq!(board.incr_by_if("ann", -2.0, InsertIf::Greater)?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`incr_by`](Self::incr_by).
    #[doc(alias = "ZADD")]
    pub fn incr_by_if(&self, member: impl Element<M>, by: f64, condition: InsertIf) -> Result<Option<f64>> {
        let member = self.handle.encode(member)?;
        self.handle.write(|writer, key| sorted_set::increase(writer, key, member, by, condition))
    }

    /// Takes a member out; whether it was there. `ZREM`, O(log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert("ann", 1.0)?;
    /// assert!(board.remove("ann")?);
    /// assert!(!board.remove("ann")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) for a member that does not encode.
    #[doc(alias = "ZREM")]
    pub fn remove(&self, member: impl Element<M>) -> Result<bool> {
        Ok(self.remove_many([member])? > 0)
    }

    /// Takes several members out in one step; how many of them were there. `ZREM`, O(log n) each.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert("ann", 1.0)?;
    /// assert_eq!(board.remove_many(["ann", "bob"])?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`remove`](Self::remove).
    #[doc(alias = "ZREM")]
    pub fn remove_many(&self, members: impl IntoIterator<Item = impl Element<M>>) -> Result<usize> {
        let members = sought(members)?;
        self.handle.write(|writer, key| sorted_set::remove(writer, key, &members))
    }

    /// A member's score; `None` if it is not there. `ZSCORE`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert("ann", 1.0)?;
    /// assert_eq!((board.score("ann")?, board.score("bob")?), (Some(1.0), None));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) for a member that does not encode.
    #[doc(alias = "ZSCORE")]
    pub fn score(&self, member: impl Element<M>) -> Result<Option<f64>> {
        Ok(self.scores([member])?.pop().flatten())
    }

    /// The scores of several members at one instant, `None` for those that are not there. `ZMSCORE`,
    /// O(1) each.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert("ann", 1.0)?;
    /// assert_eq!(board.scores(["bob", "ann"])?, [None, Some(1.0)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`score`](Self::score).
    #[doc(alias = "ZMSCORE")]
    pub fn scores(&self, members: impl IntoIterator<Item = impl Element<M>>) -> Result<Vec<Option<f64>>> {
        let members = sought(members)?;
        self.handle.read(|view, key| sorted_set::scores(view, key, &members))
    }

    /// Whether a member is there. `ZSCORE`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// assert!(!board.contains("ann")?);
    /// board.insert("ann", 0.0)?;
    /// assert!(board.contains("ann")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`score`](Self::score).
    #[doc(alias = "ZSCORE")]
    pub fn contains(&self, member: impl Element<M>) -> Result<bool> {
        Ok(self.score(member)?.is_some())
    }

    /// How many members come before this one, from the lowest score up: 0 for the first; `None` if it
    /// is not there. `ZRANK`, O(log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 1.0), ("bob", 2.0)])?;
    /// assert_eq!(board.rank("bob")?, Some(1));
    /// assert_eq!(board.rank("cid")?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`score`](Self::score).
    #[doc(alias = "ZRANK")]
    pub fn rank(&self, member: impl Element<M>) -> Result<Option<usize>> {
        Ok(self.rank_with_score(member)?.map(|(rank, _)| rank))
    }

    /// [`rank`](Self::rank) and the member's score. `ZRANK` with `WITHSCORE`, O(log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 10.0), ("bob", 20.0)])?;
    /// assert_eq!(board.rank_with_score("bob")?, Some((1, 20.0)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`score`](Self::score).
    #[doc(alias = "ZRANK")]
    pub fn rank_with_score(&self, member: impl Element<M>) -> Result<Option<(usize, f64)>> {
        let member = member.into_value()?;
        self.handle.read(|view, key| sorted_set::rank(view, key, &member, End::Front))
    }

    /// How many members come before this one, from the highest score down: 0 for the last; `None` if it
    /// is not there. `ZREVRANK`, O(log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 1.0), ("bob", 2.0)])?;
    /// assert_eq!(board.rank_rev("bob")?, Some(0));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`score`](Self::score).
    #[doc(alias = "ZREVRANK")]
    pub fn rank_rev(&self, member: impl Element<M>) -> Result<Option<usize>> {
        Ok(self.rank_rev_with_score(member)?.map(|(rank, _)| rank))
    }

    /// [`rank_rev`](Self::rank_rev) and the member's score. `ZREVRANK` with `WITHSCORE`, O(log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 10.0), ("bob", 20.0)])?;
    /// assert_eq!(board.rank_rev_with_score("bob")?, Some((0, 20.0)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`score`](Self::score).
    #[doc(alias = "ZREVRANK")]
    pub fn rank_rev_with_score(&self, member: impl Element<M>) -> Result<Option<(usize, f64)>> {
        let member = member.into_value()?;
        self.handle.read(|view, key| sorted_set::rank(view, key, &member, End::Back))
    }

    /// How many members there are; 0 if the key is missing. `ZCARD`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// assert_eq!(board.len()?, 0);
    /// board.insert_many([("ann", 1.0), ("bob", 2.0)])?;
    /// assert_eq!(board.len()?, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "ZCARD")]
    pub fn len(&self) -> Result<usize> {
        self.handle.read(sorted_set::len)
    }

    /// Whether there is no member, and so no key. `ZCARD`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// assert!(board.is_empty()?);
    /// board.insert("ann", 1.0)?;
    /// assert!(!board.is_empty()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }
}
