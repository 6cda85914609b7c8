//! What a journal is told of a change: which part of the value it was, where that is much less than all of it.

use std::ops::Range;

use super::Writer;
use crate::Bytes;
use crate::key::KeyRef;
use crate::value::list::End;
use crate::value::stream::StreamId;

/// The part of a value that an operation has changed. What it is now is looked up in the value, so a step says where to look,
/// and not what was done. A change of which nothing is said counts as one of the whole value.
#[cfg_attr(not(feature = "journal"), allow(dead_code))]
pub(crate) enum Step<'s> {
    /// So many bytes of a string, from a position on that it had before.
    Bytes { at: usize, len: usize },
    /// So many elements are new at an end of a list.
    Pushed(End, usize),
    /// So many are gone there.
    Popped(End, usize),
    /// The element at an index.
    Element(usize),
    /// There is one more, at this index.
    Inserted(usize),
    /// So many elements of a list that equal this one are gone, the first of them as seen from an end.
    Removed { value: &'s [u8], from: End, count: usize },
    /// Of a list that had more, so many elements are left behind the first so many.
    Kept { from: usize, len: usize },
    /// These members of a sorted set are gone, which had these ranks in it.
    Ranks(Range<usize>),
    /// An entry was added to a stream, at that time since 1970.
    Added(StreamId, u64),
    /// Entries are gone at the front of a stream.
    Trimmed,
    /// These are gone.
    Deleted(&'s [StreamId]),
    /// A group of a stream: whether it is there, where it stands, these of its consumers, and what is pending of these
    /// entries.
    Group { name: &'s [u8], consumers: &'s [&'s [u8]], ids: &'s [StreamId] },
}

/// Names of members or fields, kept if there is a journal to be told of them.
pub(crate) struct Named(Option<Vec<Bytes>>);

impl Named {
    #[inline]
    pub(crate) fn add(&mut self, name: &Bytes) {
        if let Some(names) = &mut self.0 {
            names.push(name.clone());
        }
    }
}

impl Writer<'_> {
    /// Whether a journal is kept.
    #[inline]
    pub(crate) fn is_journaled(&self) -> bool {
        self.space().is_journaled()
    }

    pub(crate) fn named(&self) -> Named {
        Named(self.is_journaled().then(Vec::new))
    }

    /// Says what the operation that has just changed a key has changed of its value. Said several times, it is all of that.
    #[inline]
    pub(crate) fn note(&mut self, key: KeyRef<'_>, step: &Step<'_>) {
        if self.is_journaled() {
            self.note_step(key, step);
        }
    }

    /// Says that a value has changed of which nobody hears.
    pub(crate) fn note_unheard(&mut self, key: KeyRef<'_>) {
        if self.is_journaled() {
            self.journal_whole(key);
        }
    }

    /// The same as [`note`](Self::note) where that was members or fields of these names, new, changed or gone.
    #[inline]
    pub(crate) fn note_names<'n>(&mut self, key: KeyRef<'_>, names: impl Iterator<Item = &'n [u8]>) {
        if self.is_journaled() {
            self.note_parts_of(key, names);
        }
    }

    /// The same for names that were kept on the way.
    #[inline]
    pub(crate) fn note_named(&mut self, key: KeyRef<'_>, named: &Named) {
        if let Some(names) = &named.0 {
            self.note_parts_of(key, names.iter().map(|name| &name[..]));
        }
    }
}

/// Nobody is told of anything.
#[cfg(not(feature = "journal"))]
impl Writer<'_> {
    fn note_step(&mut self, _: KeyRef<'_>, _: &Step<'_>) {}
    fn note_parts_of<'n>(&mut self, _: KeyRef<'_>, _: impl Iterator<Item = &'n [u8]>) {}
    pub(in crate::keyspace) fn journal_whole(&mut self, _: KeyRef<'_>) {}
    pub(in crate::keyspace) fn journal_deadline(&mut self, _: KeyRef<'_>) {}
    pub(in crate::keyspace) fn journal_begin(&mut self) {}
    pub(in crate::keyspace) fn seal(&mut self) {}
}
