//! Iteration over a list as it was at one instant.

use std::collections::VecDeque;
use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;

use crate::api::handle::decode_option;
use crate::value::list::{End, List};
use crate::{Bytes, Decode, Result};

/// An iterator over the elements that a list had at one instant; made by
/// [`List::iter`](crate::List::iter).
#[must_use = "an iterator does nothing unless it is iterated over"]
pub struct ListIter<T> {
    /// What was taken off the front of the rest, and is still to come.
    front: VecDeque<Bytes>,
    /// Shared with the store, and taken off run by run.
    rest: List,
    back: VecDeque<Bytes>,
    element: PhantomData<fn() -> T>,
}

impl<T> ListIter<T> {
    pub(super) fn new(list: List) -> Self {
        ListIter { front: VecDeque::new(), rest: list, back: VecDeque::new(), element: PhantomData }
    }

    fn left(&self) -> usize {
        self.front.len() + self.rest.len() + self.back.len()
    }
}

impl<T: Decode> Iterator for ListIter<T> {
    type Item = Result<T>;

    fn next(&mut self) -> Option<Result<T>> {
        if self.front.is_empty() {
            self.front = self.rest.take_run(End::Front);
        }
        decode_option(self.front.pop_front().or_else(|| self.back.pop_front())).transpose()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left(), Some(self.left()))
    }
}

impl<T: Decode> DoubleEndedIterator for ListIter<T> {
    fn next_back(&mut self) -> Option<Result<T>> {
        if self.back.is_empty() {
            self.back = self.rest.take_run(End::Back);
        }
        decode_option(self.back.pop_back().or_else(|| self.front.pop_back())).transpose()
    }
}

impl<T: Decode> ExactSizeIterator for ListIter<T> {}

impl<T: Decode> FusedIterator for ListIter<T> {}

impl<T> Clone for ListIter<T> {
    fn clone(&self) -> Self {
        ListIter {
            front: self.front.clone(),
            rest: self.rest.clone(),
            back: self.back.clone(),
            element: PhantomData,
        }
    }
}

impl<T> fmt::Debug for ListIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListIter").field("left", &self.left()).finish_non_exhaustive()
    }
}
