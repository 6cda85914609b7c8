//! Iteration over a list as it was at one instant.

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;
use std::sync::Arc;

use crate::api::handle::decode_option;
use crate::value::list::{End, List};
use crate::{Decode, Result};

/// An iterator over the elements that a list had at one instant; made by
/// [`List::iter`](crate::List::iter).
#[must_use = "an iterator does nothing unless it is iterated over"]
pub struct ListIter<T> {
    /// What is still to come. Its chunks are shared with the store, and go one by one.
    rest: List,
    element: PhantomData<fn() -> T>,
}

impl<T> ListIter<T> {
    pub(super) fn new(list: Arc<List>) -> Self {
        ListIter { rest: Arc::unwrap_or_clone(list), element: PhantomData }
    }
}

impl<T: Decode> Iterator for ListIter<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        decode_option(self.rest.pop(End::Front)).transpose()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.rest.len(), Some(self.rest.len()))
    }
}

impl<T: Decode> DoubleEndedIterator for ListIter<T> {
    fn next_back(&mut self) -> Option<Result<T>> {
        decode_option(self.rest.pop(End::Back)).transpose()
    }
}

impl<T: Decode> ExactSizeIterator for ListIter<T> {}

impl<T: Decode> FusedIterator for ListIter<T> {}

impl<T> Clone for ListIter<T> {
    fn clone(&self) -> Self {
        ListIter { rest: self.rest.clone(), element: PhantomData }
    }
}

impl<T> fmt::Debug for ListIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListIter").field("left", &self.rest.len()).finish_non_exhaustive()
    }
}
