//! Streams: what XADD, XRANGE, XGROUP, XREADGROUP and their kin mean.

// Some of it is reached by commands alone.
#![cfg_attr(not(feature = "commands"), allow(dead_code, unused_imports))]

mod claim;
mod group;
mod once;
pub(crate) mod read;

use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::{Absent, Step, Writer};
use crate::value::stream::{Entry, Facts, Keep, References, Stream, StreamId, Trim};
use crate::{Bytes, Error, Result};

pub(crate) use claim::{AutoClaim, Claim, auto_claim, claim};
pub(crate) use group::{
    GroupStart, NO_STREAM, Negate, Pendings, Recount, Sought, acknowledge, acknowledge_and_delete,
    add_consumer, create_group, delete_consumer, destroy_group, negate, pendings, set_group, summary,
};
pub(crate) use once::{Message, add_once, configure, record};

/// The newest Redis whose ways streams know.
pub(crate) const NEWEST: (u8, u8) = (8, 10);

/// Without a limit of its own, a rough trim removes no more than so many entries.
pub(crate) const ROUGH_LIMIT: usize = 10_000;

/// An entry as it is given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Item {
    pub id: StreamId,
    /// Nothing for one that is pending and was removed, or where ids alone are asked for.
    pub fields: Option<Vec<(Bytes, Bytes)>>,
    /// Of one that was claimed on the way: for how many milliseconds it had been pending, and how often it was
    /// delivered before.
    pub delivered: Option<(u64, u64)>,
}

impl Item {
    pub(crate) fn of(entry: Entry<'_>) -> Item {
        let fields = entry.fields().map(|(name, value)| (Bytes::from(name), Bytes::from(value)));
        Item { id: entry.id, fields: Some(fields.collect()), delivered: None }
    }

    fn bare(id: StreamId) -> Item {
        Item { id, fields: None, delivered: None }
    }
}

/// The id that an entry is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NewId {
    /// The time, and behind what is there (`*`).
    Auto,
    /// Of this millisecond, behind what is there (`ms-*`).
    Within(u64),
    Exact(StreamId),
}

impl NewId {
    fn resolve(self, last: StreamId, now: u64) -> Result<StreamId> {
        const EXHAUSTED: Error =
            Error::Invalid("The stream has exhausted the last possible ID, unable to add more items");
        const SMALLER: Error =
            Error::Invalid("The ID specified in XADD is equal or smaller than the target stream top item");
        let next = last.next().ok_or(EXHAUSTED)?;
        let id = match self {
            NewId::Auto => next.max(StreamId::new(now, 0)),
            NewId::Within(ms) if ms == last.ms => next,
            NewId::Within(ms) => StreamId::new(ms, 0),
            NewId::Exact(id) => id,
        };
        let is_within = !matches!(self, NewId::Within(ms) if ms != id.ms);
        if id > last && is_within { Ok(id) } else { Err(SMALLER) }
    }
}

/// XADD: the id of the new entry; `None` if there is no stream and none is to be made.
///
/// # Errors
/// [`Error::Invalid`] for an id that is not behind all others.
pub(crate) fn add(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    id: NewId,
    fields: &[(&[u8], &[u8])],
    absent: Absent,
) -> Result<Option<StreamId>> {
    let now = wall(writer);
    // Whether or not there is a stream: it grows.
    writer.admit(key, 0)?;
    let id = writer.update(key, absent, |stream: &mut Stream| {
        let id = id.resolve(stream.facts().last, now)?;
        stream.push(id, fields);
        stream.forget_messages(now);
        Ok((id, Some(KeyEvent::XAdd)))
    })?;
    if let Some(id) = id {
        writer.note(key, &Step::Added(id, now));
    }
    Ok(id)
}

/// XTRIM: how many entries were removed.
pub(crate) fn trim(writer: &mut Writer<'_>, key: KeyRef<'_>, trim: Trim) -> Result<usize> {
    let removed = writer.update(key, Absent::Skip, |stream: &mut Stream| {
        if trim.keep == Keep::Len(0) && trim.roughly.is_none() && trim.references == References::Keep {
            // All go: they are freed when the lock is.
            let gone = stream.take_entries();
            let count = gone.len();
            return Ok(((count, Some(gone)), (count > 0).then_some(KeyEvent::XTrim)));
        }
        let count = stream.trim(trim);
        Ok(((count, None), (count > 0).then_some(KeyEvent::XTrim)))
    })?;
    if trim.references == References::Keep {
        writer.note(key, &Step::Trimmed);
    }
    let (count, gone) = removed.unwrap_or_default();
    if let Some(gone) = gone {
        writer.discard_value(crate::value::Value::Stream(gone));
    }
    Ok(count)
}

/// XLEN
pub(crate) fn len(view: &View<'_>, key: KeyRef<'_>) -> Result<usize> {
    Ok(view.find::<Stream>(key)?.map_or(0, Stream::len))
}

/// XRANGE: up to `count` entries from one id to another, both included.
pub(crate) fn range(
    view: &View<'_>,
    key: KeyRef<'_>,
    start: StreamId,
    end: StreamId,
    count: usize,
) -> Result<Vec<Item>> {
    let Some(stream) = view.find::<Stream>(key)? else { return Ok(Vec::new()) };
    Ok(stream.range(start, end).take(count).map(Item::of).collect())
}

/// XREVRANGE: the same from the end on.
pub(crate) fn range_back(
    view: &View<'_>,
    key: KeyRef<'_>,
    start: StreamId,
    end: StreamId,
    count: usize,
) -> Result<Vec<Item>> {
    let Some(stream) = view.find::<Stream>(key)? else { return Ok(Vec::new()) };
    Ok(stream.range_back(start, end).take(count).map(Item::of).collect())
}

/// What there is to tell of a stream; `None` if the key is missing.
pub(crate) fn look<R>(
    view: &View<'_>,
    key: KeyRef<'_>,
    look: impl FnOnce(&Stream) -> R,
) -> Result<Option<R>> {
    Ok(view.find::<Stream>(key)?.map(look))
}

/// XDEL: how many entries were removed.
pub(crate) fn delete(writer: &mut Writer<'_>, key: KeyRef<'_>, ids: &[StreamId]) -> Result<usize> {
    let deleted = writer.update(key, Absent::Skip, |stream: &mut Stream| {
        let count = ids.iter().filter(|id| stream.remove(**id)).count();
        Ok((count, (count > 0).then_some(KeyEvent::XDel)))
    })?;
    writer.note(key, &Step::Deleted(ids));
    Ok(deleted.unwrap_or(0))
}

/// What became of an entry that was to be removed: see [`Stream::remove_with`](crate::Stream::remove_with).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removal {
    /// There is no such entry (-1).
    Missing,
    /// It was removed (1).
    Removed,
    /// It stays, as a group has not read and acknowledged it (2).
    Kept,
}

/// XDELEX: what became of each entry.
pub(crate) fn delete_with(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    ids: &[StreamId],
    references: References,
) -> Result<Vec<Removal>> {
    let removed = writer.update(key, Absent::Skip, |stream: &mut Stream| {
        let removals: Vec<_> = ids.iter().map(|id| delete_one(stream, *id, references)).collect();
        let is_any = removals.contains(&Removal::Removed);
        // What was pending of entries that had gone before may be forgotten all the same.
        let event = if is_any { KeyEvent::XDel } else { KeyEvent::XPending };
        Ok((removals, Some(event)))
    })?;
    if references == References::Keep {
        writer.note(key, &Step::Deleted(ids));
    }
    Ok(removed.unwrap_or_else(|| vec![Removal::Missing; ids.len()]))
}

fn delete_one(stream: &mut Stream, id: StreamId, references: References) -> Removal {
    if references == References::Remove {
        stream.forget(id);
    }
    // Whether there is such an entry or not.
    if references == References::Acknowledged && !stream.is_acknowledged(id) {
        return Removal::Kept;
    }
    if stream.get(id).is_none() {
        return Removal::Missing;
    }
    stream.remove(id);
    Removal::Removed
}

/// XSETID: the last id, and what else is given.
///
/// # Errors
/// [`Error::NoSuchKey`]; [`Error::Invalid`] for what cannot be.
pub(crate) fn set_id(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    last: StreamId,
    added: Option<u64>,
    max_deleted: Option<StreamId>,
    version: (u8, u8),
) -> Result<()> {
    let set = writer.update(key, Absent::Skip, |stream: &mut Stream| {
        let facts = stream.facts();
        if last < facts.max_deleted && version >= (7, 2) {
            const TEXT: &str = "The ID specified in XSETID is smaller than current max_deleted_entry_id";
            return Err(Error::Invalid(TEXT));
        }
        if stream.last().is_some_and(|top| last < top) {
            return Err(Error::Invalid(
                "The ID specified in XSETID is smaller than the target stream top item",
            ));
        }
        if !stream.is_empty() && added.is_some_and(|added| stream.len() as u64 > added) {
            const TEXT: &str =
                "The entries_added specified in XSETID is smaller than the target stream length";
            return Err(Error::Invalid(TEXT));
        }
        stream.set_facts(Facts {
            last,
            added: added.unwrap_or(facts.added),
            max_deleted: max_deleted.unwrap_or(facts.max_deleted),
        });
        Ok(((), Some(KeyEvent::XSetId)))
    })?;
    set.ok_or(Error::NoSuchKey)
}

/// Milliseconds since 1970.
fn wall(writer: &mut Writer<'_>) -> u64 {
    let now = writer.now();
    writer.space().clock().wall_of(now)
}
