//! Iteration over a hash as it was at one instant.

use std::fmt;
use std::iter::FusedIterator;
use std::marker::PhantomData;

use crate::api::handle::decode;
use crate::command::hash::Snapshot;
use crate::value::hash::Field;
use crate::{Decode, Result};

/// An iterator over the fields that a hash had at one instant; made by
/// [`Hash::iter`](crate::Hash::iter).
#[must_use = "an iterator does nothing unless it is iterated over"]
pub struct HashIter<F, V> {
    fields: Fields,
    types: PhantomData<fn() -> (F, V)>,
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
                return Some(field.clone());
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
