//! Ranges of a sorted set: by rank, by score, by the members' bytes.

use std::ops::{Bound, RangeBounds};

use super::{SortedSet, decode_all_scored};
use crate::command::sorted_set::Window;
use crate::command::sorted_set::range::{self, Select};
use crate::{Decode, Encode, Error, IntoValue, Key, Result};

impl<M: Encode + Decode> SortedSet<'_, M> {
    /// The member with the lowest score, which stays; `None` if there is none. `ZRANGE` 0 0, O(log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 2.0), ("bob", 1.0)])?;
    /// assert_eq!(board.first()?, Some(("bob".to_owned(), 1.0)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`range`](Self::range).
    #[doc(alias = "ZRANGE")]
    pub fn first(&self) -> Result<Option<(M, f64)>> {
        Ok(self.range(0, 0)?.pop())
    }

    /// The member with the highest score, which stays; `None` if there is none. `ZRANGE` -1 -1, O(log
    /// n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 2.0), ("bob", 1.0)])?;
    /// assert_eq!(board.last()?, Some(("ann".to_owned(), 2.0)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`range`](Self::range).
    #[doc(alias = "ZRANGE")]
    pub fn last(&self) -> Result<Option<(M, f64)>> {
        Ok(self.range(-1, -1)?.pop())
    }

    /// The members from one rank to another, both included and cut to the set, with their scores.
    /// Negative ranks count from the highest score: -1 is the last. `ZRANGE`, O(log n + given).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 1.0), ("bob", 2.0), ("cid", 3.0)])?;
    /// assert_eq!(board.range(-2, -1)?, [("bob".to_owned(), 2.0), ("cid".to_owned(), 3.0)]);
    /// assert!(board.range(3, 9)?.is_empty());
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) for a member that is no `M`.
    #[doc(alias = "ZRANGE")]
    pub fn range(&self, start: i64, stop: i64) -> Result<Vec<(M, f64)>> {
        self.select(&Select::Rank(start, stop), Window::new())
    }

    /// [`range`](Self::range) from the highest score down, positions counted in that order: 0 is the
    /// highest. `ZRANGE` with `REV`, `ZREVRANGE`; O(log n + given).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 1.0), ("bob", 2.0), ("cid", 3.0)])?;
    /// assert_eq!(board.range_rev(0, 0)?, [("cid".to_owned(), 3.0)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`range`](Self::range).
    #[doc(alias = "ZREVRANGE")]
    pub fn range_rev(&self, start: i64, stop: i64) -> Result<Vec<(M, f64)>> {
        self.select(&Select::Rank(start, stop), Window::new().reversed())
    }

    /// All members and their scores, from the lowest score up. `ZRANGE` 0 -1, O(n). For a large set,
    /// [`iter`](Self::iter) decodes one at a time.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 2.0), ("bob", 1.0), ("cid", 2.0)])?;
    /// let members: Vec<_> = board.to_vec()?.into_iter().map(|(member, _)| member).collect();
    /// assert_eq!(members, ["bob", "ann", "cid"]); // in one score, by their bytes
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`range`](Self::range).
    #[doc(alias = "ZRANGE")]
    pub fn to_vec(&self) -> Result<Vec<(M, f64)>> {
        self.range(0, -1)
    }

    /// The members whose scores lie in a range, from the lowest up. `ZRANGE` with `BYSCORE`,
    /// `ZRANGEBYSCORE`; O(log n + given). A range that ends before it starts is empty.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 1.0), ("bob", 2.0), ("cid", 3.0)])?;
    /// assert_eq!(board.range_by_score(1.0..2.0)?, [("ann".to_owned(), 1.0)]);
    /// assert_eq!(board.range_by_score(2.0..)?.len(), 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NanBound`](crate::Error::NanBound) if a bound is NaN;
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) for a member that is no `M`.
    #[doc(alias = "ZRANGEBYSCORE")]
    pub fn range_by_score(&self, scores: impl RangeBounds<f64>) -> Result<Vec<(M, f64)>> {
        self.range_by_score_with(scores, Window::new())
    }

    /// [`range_by_score`](Self::range_by_score) in either order, and part of it: see [`Window`].
    /// `ZRANGE` with `BYSCORE`, `REV` and `LIMIT`, `ZREVRANGEBYSCORE`; O(log n + given).
    ///
    /// ```
    /// use larder::{Store, Window};
    ///
    /// let store = Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 1.0), ("bob", 2.0), ("cid", 3.0)])?;
    /// let best = board.range_by_score_with(..=2.5, Window::new().reversed().take(1))?;
    /// assert_eq!(best, [("bob".to_owned(), 2.0)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NanBound`](crate::Error::NanBound) if a bound is NaN;
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) for a member that is no `M`.
    #[doc(alias = "ZREVRANGEBYSCORE")]
    pub fn range_by_score_with(
        &self,
        scores: impl RangeBounds<f64>,
        window: Window,
    ) -> Result<Vec<(M, f64)>> {
        self.select(&by_score(scores), window)
    }

    /// The members that lie in a range themselves, in the order of their bytes, where all members have
    /// the same score (where they have not, which ones are given is not specified). `ZRANGE` with
    /// `BYLEX`, `ZRANGEBYLEX`; O(log n + given). A range that ends before it starts is empty.
    ///
    /// The bounds can be whatever has the bytes that are meant. Numbers are stored in decimal, so
    /// that they are not in numeric order. `..` alone must say a type: `range_by_member::<&str>(..)`.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.sorted_set::<String>("names");
    /// names.insert_many([("ann", 0.0), ("bea", 0.0), ("bob", 0.0)])?;
    /// assert_eq!(names.range_by_member("b".."c")?, [("bea".to_owned(), 0.0), ("bob".to_owned(), 0.0)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) for a bound that does not encode;
    /// [`Error::Decode`](crate::Error::Decode) for a member that is no `M`.
    #[doc(alias = "ZRANGEBYLEX")]
    pub fn range_by_member<Q: IntoValue + Clone>(
        &self,
        members: impl RangeBounds<Q>,
    ) -> Result<Vec<(M, f64)>> {
        self.range_by_member_with(members, Window::new())
    }

    /// [`range_by_member`](Self::range_by_member) in either order, and part of it: see [`Window`].
    /// `ZRANGE` with `BYLEX`, `REV` and `LIMIT`, `ZREVRANGEBYLEX`; O(log n + given).
    ///
    /// ```
    /// use larder::{Store, Window};
    ///
    /// let store = Store::new();
    /// let names = store.sorted_set::<String>("names");
    /// names.insert_many([("ann", 0.0), ("bea", 0.0), ("bob", 0.0)])?;
    /// let page = names.range_by_member_with("b".., Window::new().skip(1).take(10))?;
    /// assert_eq!(page, [("bob".to_owned(), 0.0)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) for a bound that does not encode;
    /// [`Error::Decode`](crate::Error::Decode) for a member that is no `M`.
    #[doc(alias = "ZREVRANGEBYLEX")]
    pub fn range_by_member_with<Q: IntoValue + Clone>(
        &self,
        members: impl RangeBounds<Q>,
        window: Window,
    ) -> Result<Vec<(M, f64)>> {
        self.select(&by_member(members)?, window)
    }

    /// How many members have a score in a range. `ZCOUNT`, O(log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 1.0), ("bob", 2.0)])?;
    /// assert_eq!(board.count_by_score(1.5..)?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NanBound`](crate::Error::NanBound) if a bound is NaN;
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "ZCOUNT")]
    pub fn count_by_score(&self, scores: impl RangeBounds<f64>) -> Result<usize> {
        self.handle.read(|view, key| range::count(view, key, &by_score(scores)))
    }

    /// How many members lie in a range themselves; see [`range_by_member`](Self::range_by_member).
    /// `ZLEXCOUNT`, O(log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.sorted_set::<String>("names");
    /// names.insert_many([("ann", 0.0), ("bea", 0.0), ("bob", 0.0)])?;
    /// assert_eq!(names.count_by_member(.."bob")?, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) for a bound that does not encode.
    #[doc(alias = "ZLEXCOUNT")]
    pub fn count_by_member<Q: IntoValue + Clone>(&self, members: impl RangeBounds<Q>) -> Result<usize> {
        let select = by_member(members)?;
        self.handle.read(|view, key| range::count(view, key, &select))
    }

    /// Makes `destination` the [range](Self::range), whatever it held before, without a deadline; gives
    /// how many members it has. An empty range removes it. `ZRANGESTORE`, O(log n + given).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 1.0), ("bob", 2.0), ("cid", 3.0)])?;
    /// assert_eq!(board.range_into("worst", 0, 1)?, 2);
    /// assert!(store.sorted_set::<String>("worst").contains("bob")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type; what the
    /// destination holds is no matter.
    #[doc(alias = "ZRANGESTORE")]
    pub fn range_into<'k>(&self, destination: impl Into<Key<'k>>, start: i64, stop: i64) -> Result<usize> {
        self.select_into(destination.into(), &Select::Rank(start, stop), Window::new())
    }

    /// Makes `destination` the [range from the highest score down](Self::range_rev); otherwise as
    /// [`range_into`](Self::range_into). `ZRANGESTORE` with `REV`, O(log n + given).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 1.0), ("bob", 2.0), ("cid", 3.0)])?;
    /// assert_eq!(board.range_rev_into("best", 0, 1)?, 2);
    /// assert_eq!(store.sorted_set::<String>("best").first()?, Some(("bob".to_owned(), 2.0)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`range_into`](Self::range_into).
    #[doc(alias = "ZRANGESTORE")]
    pub fn range_rev_into<'k>(
        &self,
        destination: impl Into<Key<'k>>,
        start: i64,
        stop: i64,
    ) -> Result<usize> {
        self.select_into(destination.into(), &Select::Rank(start, stop), Window::new().reversed())
    }

    /// Makes `destination` the [range of scores](Self::range_by_score); otherwise as
    /// [`range_into`](Self::range_into). `ZRANGESTORE` with `BYSCORE`, O(log n + given).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 1.0), ("bob", 2.0), ("cid", 3.0)])?;
    /// assert_eq!(board.range_by_score_into("good", 2.0..)?, 2);
    /// assert_eq!(board.range_by_score_into("good", 9.0..)?, 0);
    /// assert!(!store.contains("good")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NanBound`](crate::Error::NanBound) if a bound is NaN; those of
    /// [`range_into`](Self::range_into).
    #[doc(alias = "ZRANGESTORE")]
    pub fn range_by_score_into<'k>(
        &self,
        destination: impl Into<Key<'k>>,
        scores: impl RangeBounds<f64>,
    ) -> Result<usize> {
        self.range_by_score_into_with(destination, scores, Window::new())
    }

    /// [`range_by_score_into`](Self::range_by_score_into) for a part of the range: see [`Window`].
    /// `ZRANGESTORE` with `BYSCORE`, `REV` and `LIMIT`, O(log n + given).
    ///
    /// ```
    /// use larder::{Store, Window};
    ///
    /// let store = Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 1.0), ("bob", 2.0), ("cid", 3.0)])?;
    /// board.range_by_score_into_with("best below 3", ..3.0, Window::new().reversed().take(1))?;
    /// assert!(store.sorted_set::<String>("best below 3").contains("bob")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`range_by_score_into`](Self::range_by_score_into).
    #[doc(alias = "ZRANGESTORE")]
    pub fn range_by_score_into_with<'k>(
        &self,
        destination: impl Into<Key<'k>>,
        scores: impl RangeBounds<f64>,
        window: Window,
    ) -> Result<usize> {
        self.select_into(destination.into(), &by_score(scores), window)
    }

    /// Makes `destination` the [range of members](Self::range_by_member); otherwise as
    /// [`range_into`](Self::range_into). `ZRANGESTORE` with `BYLEX`, O(log n + given).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.sorted_set::<String>("names");
    /// names.insert_many([("ann", 0.0), ("bea", 0.0), ("bob", 0.0)])?;
    /// assert_eq!(names.range_by_member_into("names with b", "b".."c")?, 2);
    /// assert!(!store.sorted_set::<String>("names with b").contains("ann")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Encode`](crate::Error::Encode) for a bound that does not encode; those of
    /// [`range_into`](Self::range_into).
    #[doc(alias = "ZRANGESTORE")]
    pub fn range_by_member_into<'k, Q: IntoValue + Clone>(
        &self,
        destination: impl Into<Key<'k>>,
        members: impl RangeBounds<Q>,
    ) -> Result<usize> {
        self.range_by_member_into_with(destination, members, Window::new())
    }

    /// [`range_by_member_into`](Self::range_by_member_into) for a part of the range: see [`Window`].
    /// `ZRANGESTORE` with `BYLEX`, `REV` and `LIMIT`, O(log n + given).
    ///
    /// ```
    /// use larder::{Store, Window};
    ///
    /// let store = Store::new();
    /// let names = store.sorted_set::<String>("names");
    /// names.insert_many([("ann", 0.0), ("bea", 0.0), ("bob", 0.0)])?;
    /// names.range_by_member_into_with("second", "a".., Window::new().skip(1).take(1))?;
    /// assert_eq!(store.sorted_set::<String>("second").to_vec()?, [("bea".to_owned(), 0.0)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`range_by_member_into`](Self::range_by_member_into).
    #[doc(alias = "ZRANGESTORE")]
    pub fn range_by_member_into_with<'k, Q: IntoValue + Clone>(
        &self,
        destination: impl Into<Key<'k>>,
        members: impl RangeBounds<Q>,
        window: Window,
    ) -> Result<usize> {
        self.select_into(destination.into(), &by_member(members)?, window)
    }

    /// Takes out the members from one rank to another, as [`range`](Self::range) counts them; gives how
    /// many. `ZREMRANGEBYRANK`, O(taken * log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 1.0), ("bob", 2.0), ("cid", 3.0)])?;
    /// assert_eq!(board.remove_range(0, -3)?, 1); // all but the best two
    /// assert!(!board.contains("ann")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "ZREMRANGEBYRANK")]
    pub fn remove_range(&self, start: i64, stop: i64) -> Result<usize> {
        self.remove_select(&Select::Rank(start, stop))
    }

    /// Takes out the members whose scores lie in a range; gives how many. `ZREMRANGEBYSCORE`,
    /// O(taken * log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let seen = store.sorted_set::<String>("seen");
    /// seen.insert_many([("ann", 1_000.0), ("bob", 2_000.0)])?;
    /// assert_eq!(seen.remove_by_score(..1_500.0)?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NanBound`](crate::Error::NanBound) if a bound is NaN;
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "ZREMRANGEBYSCORE")]
    pub fn remove_by_score(&self, scores: impl RangeBounds<f64>) -> Result<usize> {
        self.remove_select(&by_score(scores))
    }

    /// Takes out the members that lie in a range themselves, as
    /// [`range_by_member`](Self::range_by_member) finds them; gives how many. `ZREMRANGEBYLEX`,
    /// O(taken * log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.sorted_set::<String>("names");
    /// names.insert_many([("ann", 0.0), ("bea", 0.0), ("bob", 0.0)])?;
    /// assert_eq!(names.remove_by_member("b"..="bea")?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) for a bound that does not encode.
    #[doc(alias = "ZREMRANGEBYLEX")]
    pub fn remove_by_member<Q: IntoValue + Clone>(&self, members: impl RangeBounds<Q>) -> Result<usize> {
        self.remove_select(&by_member(members)?)
    }

    fn select(&self, select: &Select, window: Window) -> Result<Vec<(M, f64)>> {
        decode_all_scored(self.handle.read(|view, key| range::range(view, key, select, window))?)
    }

    fn select_into(&self, destination: Key<'_>, select: &Select, window: Window) -> Result<usize> {
        let db = self.handle.db();
        let (destination, source) = (db.key_ref(&destination), self.handle.key_ref());
        db.write(&[destination, source], |writer| {
            range::range_into(writer, destination, source, select, window)
        })
    }

    fn remove_select(&self, select: &Select) -> Result<usize> {
        // What is gone is dropped here, where no lock is held.
        let gone = self.handle.write(|writer, key| range::remove_range(writer, key, select))?;
        Ok(gone.map_or(0, |gone| gone.len()))
    }
}

fn by_score(scores: impl RangeBounds<f64>) -> Select {
    Select::Score((scores.start_bound().cloned(), scores.end_bound().cloned()))
}

/// The bounds are only compared with, so they can be of any length.
fn by_member<Q: IntoValue + Clone>(members: impl RangeBounds<Q>) -> Result<Select> {
    let bytes = |bound: Bound<&Q>| {
        Ok::<_, Error>(match bound {
            Bound::Included(member) => Bound::Included(member.clone().into_value()?),
            Bound::Excluded(member) => Bound::Excluded(member.clone().into_value()?),
            Bound::Unbounded => Bound::Unbounded,
        })
    };
    Ok(Select::Member((bytes(members.start_bound())?, bytes(members.end_bound())?)))
}
