//! Iteration over a set as it was at one instant.

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::ops::Range;

use crate::api::handle::decode_option;
use crate::value::set::Set;
use crate::{Decode, Result};

/// An iterator over the members that a set had at one instant; made by
/// [`Set::iter`](crate::Set::iter).
///
/// It holds the members themselves and no lock, so it can outlive the store.
///
/// ```
/// let store = larder::Store::new();
/// let numbers = store.set::<u32>("numbers");
/// numbers.insert_many([1, 2, 3])?;
/// let members = numbers.iter()?;
/// assert_eq!(members.len(), 3);
/// drop(store);
/// assert_eq!(members.sum::<larder::Result<u32>>()?, 6);
/// # Ok::<(), larder::Error>(())
/// ```
#[must_use = "an iterator does nothing unless it is iterated over"]
pub struct SetIter<T> {
    set: Set,
    /// The positions that are still to come.
    rest: Range<usize>,
    member: PhantomData<fn() -> T>,
}

impl<T> SetIter<T> {
    pub(super) fn new(set: Set) -> Self {
        let rest = 0..set.len();
        SetIter { set, rest, member: PhantomData }
    }
}

impl<T: Decode> Iterator for SetIter<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        let at = self.rest.next()?;
        decode_option(self.set.get_at(at)).transpose()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.rest.size_hint()
    }
}

impl<T: Decode> ExactSizeIterator for SetIter<T> {}

impl<T: Decode> FusedIterator for SetIter<T> {}

impl<T> Clone for SetIter<T> {
    fn clone(&self) -> Self {
        SetIter { set: self.set.clone(), rest: self.rest.clone(), member: PhantomData }
    }
}

impl<T> fmt::Debug for SetIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetIter").field("left", &self.rest.len()).finish_non_exhaustive()
    }
}
