//! All members of a sorted set at one instant.

use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ops::Range;
use std::vec;

use super::{SortedSet, decode_scored};
use crate::command::sorted_set::range;
use crate::value::sorted_set::{self, Scored};
use crate::{Decode, Encode, Result};

/// How many members are fetched at a time, so that a step costs less than a search.
const BATCH: usize = 64;

/// The members of a sorted set and their scores, in order; see [`SortedSet::iter`].
#[must_use = "an iterator does nothing unless it is iterated over"]
pub struct SortedSetIter<M> {
    /// The set as it was; it shares what it holds with the store.
    set: sorted_set::SortedSet,
    /// The ranks that have not been fetched.
    rest: Range<usize>,
    front: vec::IntoIter<Scored>,
    back: vec::IntoIter<Scored>,
    member: PhantomData<fn() -> M>,
}

impl<M: Encode + Decode> SortedSet<'_, M> {
    /// All members and their scores, from the lowest score up, as they are at this instant: later
    /// changes are not seen, and no lock is held while the iterator lives. It can be walked from both
    /// ends. `ZRANGE` 0 -1, `ZSCAN`; O(1) to start, O(1) a step.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let board = store.sorted_set::<String>("board");
    /// board.insert_many([("ann", 2.0), ("bob", 1.0)])?;
    /// let all = board.iter()?;
    /// board.remove("ann")?;
    /// let all = all.collect::<larder::Result<Vec<_>>>()?;
    /// assert_eq!(all, [("bob".to_owned(), 1.0), ("ann".to_owned(), 2.0)]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type. An item is
    /// [`Error::Decode`](crate::Error::Decode) where the member is no `M`.
    #[doc(alias = "ZSCAN")]
    pub fn iter(&self) -> Result<SortedSetIter<M>> {
        let set = self.handle.read(range::snapshot)?;
        Ok(SortedSetIter {
            rest: 0..set.len(),
            set,
            front: Vec::new().into_iter(),
            back: Vec::new().into_iter(),
            member: PhantomData,
        })
    }
}

impl<M> SortedSetIter<M> {
    fn fetch(&self, ranks: Range<usize>) -> vec::IntoIter<Scored> {
        self.set.scored(ranks).into_iter()
    }
}

impl<M: Decode> Iterator for SortedSetIter<M> {
    type Item = Result<(M, f64)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.front.as_slice().is_empty() && !self.rest.is_empty() {
            let end = self.rest.end.min(self.rest.start + BATCH);
            self.front = self.fetch(self.rest.start..end);
            self.rest.start = end;
        }
        self.front.next().or_else(|| self.back.next()).map(decode_scored)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.front.len() + self.rest.len() + self.back.len();
        (len, Some(len))
    }
}

impl<M: Decode> DoubleEndedIterator for SortedSetIter<M> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.back.as_slice().is_empty() && !self.rest.is_empty() {
            let start = self.rest.start.max(self.rest.end.saturating_sub(BATCH));
            self.back = self.fetch(start..self.rest.end);
            self.rest.end = start;
        }
        self.back.next_back().or_else(|| self.front.next_back()).map(decode_scored)
    }
}

impl<M: Decode> ExactSizeIterator for SortedSetIter<M> {}
impl<M: Decode> FusedIterator for SortedSetIter<M> {}

impl<M> Clone for SortedSetIter<M> {
    fn clone(&self) -> Self {
        SortedSetIter {
            set: self.set.clone(),
            rest: self.rest.clone(),
            front: self.front.clone(),
            back: self.back.clone(),
            member: PhantomData,
        }
    }
}

impl<M> std::fmt::Debug for SortedSetIter<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let left = self.front.len() + self.rest.len() + self.back.len();
        f.debug_struct("SortedSetIter").field("left", &left).finish_non_exhaustive()
    }
}
