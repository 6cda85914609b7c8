//! Streams: entries by id in the order in which they came, and who has read them.
//!
//! Entries stand packed in chunks, each behind an `Arc`. What holds between any two calls:
//! - no chunk is empty, and the ids rise within chunks and from one to the next;
//! - `last` is at least the id of the last entry;
//! - `len`, `held` and `groups_held` are what a walk would add up to.

// Some of it is reached by commands alone.
#![cfg_attr(not(feature = "commands"), allow(dead_code, unused_imports))]

mod chunk;
mod group;
mod id;
mod lag;
mod producers;
mod sorted;
#[cfg(test)]
mod tests;
mod trim;

use std::collections::VecDeque;
use std::sync::Arc;

use chunk::Chunk;
use group::ARC;

pub(crate) use chunk::Entry;
pub(crate) use group::{Consumer, Group, Pending};
pub use id::{InvalidStreamId, StreamId};
pub(crate) use producers::Producers;
pub use producers::Retention;
#[cfg(feature = "commands")]
pub(crate) use producers::message_of;
pub use trim::References;
pub(crate) use trim::{Keep, Trim};

/// See the [module](self). A clone is O(1): both share what they hold until one of them is written, and
/// most of it from then on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stream(Arc<Inner>);

#[derive(Clone, Debug, Default)]
struct Inner {
    chunks: VecDeque<Arc<Chunk>>,
    len: usize,
    /// Heap memory of the chunks, in bytes.
    held: usize,
    facts: Facts,
    /// In the order of their names.
    groups: Vec<Arc<Group>>,
    groups_held: usize,
    /// Most streams have none.
    producers: Option<Arc<Producers>>,
}

/// What a stream knows beside its entries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Facts {
    /// The greatest id that it has had, or was told.
    pub last: StreamId,
    /// The greatest id that was removed by name.
    pub max_deleted: StreamId,
    /// How many entries were ever added.
    pub added: u64,
}

impl Stream {
    /// How many entries there are. O(1)
    pub(crate) fn len(&self) -> usize {
        self.0.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    pub(crate) fn facts(&self) -> Facts {
        self.0.facts
    }

    pub(crate) fn set_facts(&mut self, facts: Facts) {
        Arc::make_mut(&mut self.0).facts = facts;
    }

    /// The id of the first entry. O(1)
    pub(crate) fn first(&self) -> Option<StreamId> {
        self.range(StreamId::MIN, StreamId::MAX).next().map(|entry| entry.id)
    }

    /// The id of the last entry. O(1)
    pub(crate) fn last(&self) -> Option<StreamId> {
        self.0.chunks.back()?.entries().last().map(|(_, entry)| entry.id)
    }

    /// Adds an entry, whose id is greater than any before. O(bytes), amortised.
    pub(crate) fn push(&mut self, id: StreamId, fields: &[(&[u8], &[u8])]) {
        let inner = Arc::make_mut(&mut self.0);
        inner.facts.added = inner.facts.added.saturating_add(1);
        inner.push(id, fields);
    }

    /// The same for one that was counted before.
    pub(crate) fn restore(&mut self, id: StreamId, fields: &[(&[u8], &[u8])]) {
        Arc::make_mut(&mut self.0).push(id, fields);
    }

    /// The same for one that stood beside the last one and shared its names: if those are long, it does so here too.
    pub(crate) fn restore_beside(&mut self, id: StreamId, fields: &[(&[u8], &[u8])]) {
        let inner = Arc::make_mut(&mut self.0);
        if inner.chunks.back().is_some_and(|chunk| chunk.shares_long_names(fields)) {
            inner.push_to(true, id, fields);
        } else {
            inner.push(id, fields);
        }
    }

    /// O(log n)
    pub(crate) fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// The entries from one id to another, both included. O(log n) to start.
    pub(crate) fn range(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = Entry<'_>> {
        let chunks = self.0.chunks.range(self.0.chunk_of(start).min(self.0.chunks.len())..);
        let entries = chunks.flat_map(|chunk| chunk.entries()).map(|(_, entry)| entry);
        entries.skip_while(move |entry| entry.id < start).take_while(move |entry| entry.id <= end)
    }

    /// The same from the end to the start. O(log n) to start.
    pub(crate) fn range_back(&self, start: StreamId, end: StreamId) -> impl Iterator<Item = Entry<'_>> {
        let behind = (self.0.chunk_of(end) + 1).min(self.0.chunks.len());
        let entries = self.0.chunks.range(..behind).rev().flat_map(|chunk| {
            let places: Vec<_> = chunk.places().collect();
            places.into_iter().rev().filter_map(|at| chunk.entries_at(at).next()).map(|(_, entry)| entry)
        });
        entries.skip_while(move |entry| entry.id > end).take_while(move |entry| entry.id >= start)
    }

    /// Removes an entry by name; whether it was there. O(log n)
    pub(crate) fn remove(&mut self, id: StreamId) -> bool {
        if self.get(id).is_none() {
            return false;
        }
        let inner = Arc::make_mut(&mut self.0);
        inner.facts.max_deleted = inner.facts.max_deleted.max(id);
        inner.remove(id);
        true
    }

    /// Takes all entries out; all else stays. O(1)
    pub(crate) fn take_entries(&mut self) -> Stream {
        let inner = Arc::make_mut(&mut self.0);
        let chunks = std::mem::take(&mut inner.chunks);
        let (len, held) = (std::mem::take(&mut inner.len), std::mem::take(&mut inner.held));
        Stream(Arc::new(Inner { chunks, len, held, ..Inner::default() }))
    }

    /// The ids with which the chunks begin.
    #[cfg(feature = "commands")]
    pub(crate) fn chunks(&self) -> impl ExactSizeIterator<Item = StreamId> {
        self.0.chunks.iter().map(|chunk| chunk.first())
    }

    /// The groups in the order of their names.
    pub(crate) fn groups(&self) -> impl ExactSizeIterator<Item = &Group> {
        self.0.groups.iter().map(|group| &**group)
    }

    /// O(log groups)
    pub(crate) fn group(&self, name: &[u8]) -> Option<&Group> {
        let place = self.0.group(name).ok()?;
        self.0.groups.get(place).map(|group| &**group)
    }

    /// Adds a group; false if there is one of that name. O(groups)
    pub(crate) fn add_group(&mut self, group: Group) -> bool {
        let Err(place) = self.0.group(group.name()) else { return false };
        let inner = Arc::make_mut(&mut self.0);
        inner.groups_held += bytes_of(&group);
        inner.groups.insert(place, Arc::new(group));
        true
    }

    /// Removes a group; whether it was there. O(groups)
    pub(crate) fn remove_group(&mut self, name: &[u8]) -> bool {
        let Ok(place) = self.0.group(name) else { return false };
        let inner = Arc::make_mut(&mut self.0);
        let group = inner.groups.remove(place);
        inner.groups_held -= bytes_of(&group);
        true
    }

    /// Changes a group, if it is there. O(log groups)
    pub(crate) fn change_group<R>(&mut self, name: &[u8], change: impl FnOnce(&mut Group) -> R) -> Option<R> {
        let place = self.0.group(name).ok()?;
        Arc::make_mut(&mut self.0).change_group(place, change)
    }

    /// What is known of messages that came under ids of their producers, if any ever did or was to.
    pub(crate) fn producers(&self) -> Option<&Producers> {
        self.0.producers.as_deref()
    }

    /// The same to be changed, as that retention says if there was nothing.
    pub(crate) fn producers_mut(&mut self, retention: Retention) -> &mut Producers {
        let producers = &mut Arc::make_mut(&mut self.0).producers;
        Arc::make_mut(producers.get_or_insert_with(|| Arc::new(Producers::of(retention))))
    }

    /// Forgets messages whose time is over, if there are any.
    pub(crate) fn forget_messages(&mut self, now: u64) {
        let expired = self.producers().filter(|known| known.has_expired(now)).map(Producers::retention);
        if let Some(retention) = expired {
            self.producers_mut(retention).expire(now);
        }
    }

    pub(crate) fn set_producers(&mut self, producers: Producers) {
        Arc::make_mut(&mut self.0).producers = Some(Arc::new(producers));
    }

    /// Heap memory, in bytes. O(1)
    pub(crate) fn bytes(&self) -> usize {
        let tables = self.0.chunks.capacity() * size_of::<Arc<Chunk>>()
            + self.0.groups.capacity() * size_of::<Arc<Group>>();
        let producers = self.producers().map_or(0, Producers::bytes);
        ARC + size_of::<Inner>() + tables + self.0.held + self.0.groups_held + producers
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn recount(&self) -> usize {
        let chunks: usize = self.0.chunks.iter().map(|chunk| bytes_of_chunk(chunk)).sum();
        let groups: usize = self.0.groups.iter().map(|group| bytes_of(group)).sum();
        self.0.groups.iter().for_each(|group| group.check());
        let producers = |count: fn(&Producers) -> usize| self.producers().map_or(0, count);
        let counted = self.0.held + self.0.groups_held + producers(Producers::bytes);
        self.bytes() - counted + chunks + groups + producers(Producers::recount)
    }
}

impl Inner {
    fn push(&mut self, id: StreamId, fields: &[(&[u8], &[u8])]) {
        let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        let has_room = self.chunks.back().is_some_and(|chunk| chunk.has_room(bytes));
        self.push_to(has_room, id, fields);
    }

    /// Adds an entry to the last chunk, or to a new one.
    fn push_to(&mut self, last_one: bool, id: StreamId, fields: &[(&[u8], &[u8])]) {
        let last = self.chunks.len().wrapping_sub(1);
        if last_one {
            self.change(last, |chunk| chunk.push(id, fields));
        } else {
            // One that a clone shares is not copied for that.
            if self.chunks.get_mut(last).is_some_and(|chunk| Arc::get_mut(chunk).is_some()) {
                self.change(last, Chunk::close);
            }
            let chunk = Arc::new(Chunk::of(id, fields));
            self.held += bytes_of_chunk(&chunk);
            self.chunks.push_back(chunk);
        }
        self.facts.last = self.facts.last.max(id);
        self.len += 1;
    }

    /// Removes an entry that is there.
    fn remove(&mut self, id: StreamId) {
        let at = self.chunk_of(id);
        if self.change(at, |chunk| chunk.remove(id)) != Some(true) {
            return;
        }
        self.len -= 1;
        if self.chunks.get(at).is_some_and(|chunk| chunk.len() == 0) {
            self.unlink(at);
        }
    }

    fn unlink(&mut self, at: usize) {
        if let Some(chunk) = self.chunks.remove(at) {
            self.held -= bytes_of_chunk(&chunk);
            self.len -= chunk.len();
        }
        if self.chunks.is_empty() {
            self.chunks = VecDeque::new();
        }
    }

    /// The chunk in which an id is, or would be.
    fn chunk_of(&self, id: StreamId) -> usize {
        self.chunks.partition_point(|chunk| chunk.first() <= id).saturating_sub(1)
    }

    fn change<R>(&mut self, at: usize, change: impl FnOnce(&mut Chunk) -> R) -> Option<R> {
        let chunk = self.chunks.get_mut(at)?;
        self.held -= bytes_of_chunk(chunk);
        let chunk = Arc::make_mut(chunk);
        let result = change(chunk);
        self.held += bytes_of_chunk(chunk);
        Some(result)
    }

    fn group(&self, name: &[u8]) -> Result<usize, usize> {
        self.groups.binary_search_by(|group| group.name().as_slice().cmp(name))
    }

    fn change_group<R>(&mut self, place: usize, change: impl FnOnce(&mut Group) -> R) -> Option<R> {
        let group = self.groups.get_mut(place)?;
        self.groups_held -= bytes_of(group);
        let group = Arc::make_mut(group);
        let result = change(group);
        self.groups_held += bytes_of(group);
        Some(result)
    }
}

fn bytes_of_chunk(chunk: &Chunk) -> usize {
    ARC + size_of::<Chunk>() + chunk.bytes()
}

fn bytes_of(group: &Group) -> usize {
    ARC + size_of::<Group>() + group.bytes()
}
