//! Groups of consumers: XGROUP, XACK, XPENDING.

use super::{Removal, wall};
use crate::error::NoGroup;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::{Absent, Step, Writer};
use crate::value::stream::{Group, Pending, References, Stream, StreamId};
use crate::{Bytes, Error, Result};

/// From where on a group reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GroupStart {
    /// What comes from now on (`$`).
    New,
    After(StreamId),
}

impl GroupStart {
    fn resolve(self, stream: &Stream) -> StreamId {
        match self {
            GroupStart::New => stream.facts().last,
            GroupStart::After(id) => id,
        }
    }
}

/// There is no stream.
pub(crate) const NO_STREAM: Error = Error::Invalid(
    "The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM \
     option to create an empty stream automatically.",
);

/// XGROUP CREATE
///
/// # Errors
/// [`Error::GroupExists`]; [`Error::Invalid`] if there is no stream, and none is to be made.
pub(crate) fn create_group(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    name: &[u8],
    start: GroupStart,
    read: Option<u64>,
    absent: Absent,
    version: (u8, u8),
) -> Result<()> {
    let created = writer.update(key, absent, |stream: &mut Stream| {
        let read = told_read(stream, read, version);
        let group = Group::new(Bytes::from(name), start.resolve(stream), read);
        if stream.group(name).is_some() {
            return Err(Error::GroupExists);
        }
        stream.add_group(group);
        Ok(((), Some(KeyEvent::XGroupCreate)))
    })?;
    writer.note(key, &Step::Group { name, consumers: &[], ids: &[] });
    created.ok_or(NO_STREAM)
}

/// XGROUP SETID
///
/// # Errors
/// [`Error::NoGroup`]; [`Error::Invalid`] if there is no stream.
pub(crate) fn set_group(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    name: &[u8],
    start: GroupStart,
    read: Option<u64>,
    version: (u8, u8),
) -> Result<()> {
    change(writer, key, name, |stream| {
        let read = told_read(stream, read, version);
        let last = start.resolve(stream);
        stream.change_group(name, |group| (group.last, group.read) = (last, read));
        ((), Some(KeyEvent::XGroupSetId))
    })?;
    writer.note(key, &Step::Group { name, consumers: &[], ids: &[] });
    Ok(())
}

/// How many entries a group counts as read: no more than there ever were, since 8.0.
fn told_read(stream: &Stream, read: Option<u64>, version: (u8, u8)) -> Option<u64> {
    let most = if version >= (8, 0) { stream.facts().added } else { u64::MAX };
    read.map(|read| read.min(most))
}

/// XGROUP DESTROY: whether it was there.
///
/// # Errors
/// [`Error::Invalid`] if there is no stream.
pub(crate) fn destroy_group(writer: &mut Writer<'_>, key: KeyRef<'_>, name: &[u8]) -> Result<bool> {
    let removed = writer.update(key, Absent::Skip, |stream: &mut Stream| {
        let removed = stream.remove_group(name);
        Ok((removed, removed.then_some(KeyEvent::XGroupDestroy)))
    })?;
    writer.note(key, &Step::Group { name, consumers: &[], ids: &[] });
    removed.ok_or(NO_STREAM)
}

/// XGROUP CREATECONSUMER: whether it is new.
///
/// # Errors
/// [`Error::NoGroup`]; [`Error::Invalid`] if there is no stream.
pub(crate) fn add_consumer(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    name: &[u8],
    consumer: &[u8],
) -> Result<bool> {
    let now = wall(writer);
    let is_new = change(writer, key, name, |stream| {
        let is_there = stream.group(name).is_some_and(|group| group.find(consumer).is_some());
        if is_there {
            return (false, None);
        }
        stream.change_group(name, |group| group.find_or_add(consumer, now));
        (true, Some(KeyEvent::XGroupCreateConsumer))
    })?;
    writer.note(key, &Step::Group { name, consumers: &[consumer], ids: &[] });
    Ok(is_new)
}

/// XGROUP DELCONSUMER: how much was pending for it, which nobody will get; `None` if there was no such consumer.
///
/// # Errors
/// [`Error::NoGroup`]; [`Error::Invalid`] if there is no stream.
pub(crate) fn delete_consumer(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    name: &[u8],
    consumer: &[u8],
) -> Result<Option<usize>> {
    let removed = change(writer, key, name, |stream| {
        let removed = stream.change_group(name, |group| group.remove(consumer)).flatten();
        (removed, removed.is_some().then_some(KeyEvent::XGroupDelConsumer))
    })?;
    writer.note(key, &Step::Group { name, consumers: &[consumer], ids: &[] });
    Ok(removed)
}

/// XACK: how many entries were pending.
pub(crate) fn acknowledge(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    name: &[u8],
    ids: &[StreamId],
) -> Result<usize> {
    writer.tell_missing(key);
    let acknowledged = writer.update(key, Absent::Skip, |stream: &mut Stream| {
        let all = |group: &mut Group| ids.iter().filter(|id| group.acknowledge(**id)).count();
        let count = stream.change_group(name, all).unwrap_or(0);
        Ok((count, (count > 0).then_some(KeyEvent::XPending)))
    })?;
    writer.note(key, &Step::Group { name, consumers: &[], ids });
    Ok(acknowledged.unwrap_or(0))
}

/// XACKDEL: what became of each entry; one that is not pending in the group is missing.
pub(crate) fn acknowledge_and_delete(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    name: &[u8],
    ids: &[StreamId],
    references: References,
) -> Result<Vec<Removal>> {
    writer.tell_missing(key);
    let removed = writer.update(key, Absent::Skip, |stream: &mut Stream| {
        let one = |id: &StreamId| {
            if stream.change_group(name, |group| group.acknowledge(*id)) != Some(true) {
                return Removal::Missing;
            }
            match super::delete_one(stream, *id, references) {
                // It was acknowledged, and has gone before.
                Removal::Missing => Removal::Removed,
                removal => removal,
            }
        };
        let removals: Vec<_> = ids.iter().map(one).collect();
        let is_any = removals.contains(&Removal::Removed);
        Ok((removals, Some(if is_any { KeyEvent::XDel } else { KeyEvent::XPending })))
    })?;
    if let Some(removals) = removed.as_ref().filter(|_| references == References::Keep) {
        let gone = ids.iter().zip(removals).filter(|(_, removal)| **removal == Removal::Removed);
        let gone: Vec<_> = gone.map(|(id, _)| *id).collect();
        writer.note(key, &Step::Group { name, consumers: &[], ids });
        writer.note(key, &Step::Deleted(&gone));
    }
    Ok(removed.unwrap_or_else(|| vec![Removal::Missing; ids.len()]))
}

/// How entries are given back: see [`negate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Negate {
    /// What becomes of the count of deliveries.
    pub count: Recount,
    /// Entries that are not pending become so.
    pub force: bool,
}

/// See [`Negate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recount {
    /// One less: it did not count.
    Less,
    Same,
    To(u64),
}

/// XNACK: entries are pending for nobody, and may be claimed at once; gives how many.
///
/// # Errors
/// [`Error::NoGroup`]
pub(crate) fn negate(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    name: &[u8],
    ids: &[StreamId],
    Negate { count, force }: Negate,
) -> Result<usize> {
    let negated = writer.update(key, Absent::Skip, |stream: &mut Stream| {
        let Some(group) = stream.group(name) else { return Err(NoGroup::new(key.bytes, name).into()) };
        let before = |id: &StreamId| {
            let pending = group.pending().get(*id).copied();
            let forced = Pending { consumer: None, time: 0, count: 0 };
            let pending = pending.or_else(|| (force && stream.get(*id).is_some()).then_some(forced));
            pending.map(|pending| (*id, pending))
        };
        let found: Vec<_> = ids.iter().filter_map(before).collect();
        stream.change_group(name, |group| {
            for (id, pending) in &found {
                let count = match count {
                    Recount::Less => pending.count.saturating_sub(1),
                    Recount::Same => pending.count,
                    Recount::To(count) => count,
                };
                group.assign(*id, Pending { consumer: None, time: 0, count });
            }
        });
        Ok((found.len(), (!found.is_empty()).then_some(KeyEvent::XPending)))
    })?;
    writer.note(key, &Step::Group { name, consumers: &[], ids });
    negated.ok_or_else(|| NoGroup::new(key.bytes, name).into())
}

/// What is pending in a group, in short.
#[derive(Debug, Default)]
pub(crate) struct Summary {
    pub count: usize,
    /// The first and the last of it.
    pub ends: Option<(StreamId, StreamId)>,
    /// The consumers for whom anything is pending, and how much.
    pub consumers: Vec<(Bytes, usize)>,
}

/// XPENDING without a range.
///
/// # Errors
/// [`Error::NoGroup`]
pub(crate) fn summary(view: &View<'_>, key: KeyRef<'_>, name: &[u8]) -> Result<Summary> {
    let group = find(view, key, name)?;
    let consumers = group.consumers().filter(|(_, consumer)| !consumer.pending.is_empty());
    Ok(Summary {
        count: group.pending().len(),
        ends: group.pending().first().zip(group.pending().last()),
        consumers: consumers.map(|(_, consumer)| (consumer.name.clone(), consumer.pending.len())).collect(),
    })
}

/// Which of what is pending is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sought<'s> {
    pub start: StreamId,
    pub end: StreamId,
    pub count: usize,
    pub consumer: Option<&'s [u8]>,
    /// In milliseconds.
    pub min_idle: u64,
}

/// An entry that is pending.
#[derive(Debug)]
pub(crate) struct Pendings {
    pub id: StreamId,
    /// Nothing for one that was given back.
    pub consumer: Option<Bytes>,
    /// For how many milliseconds.
    pub idle: u64,
    pub count: u64,
}

/// XPENDING with a range.
///
/// # Errors
/// [`Error::NoGroup`]
pub(crate) fn pendings(
    view: &View<'_>,
    key: KeyRef<'_>,
    name: &[u8],
    sought: Sought<'_>,
) -> Result<Vec<Pendings>> {
    let now = view.space().clock().wall_of(view.now());
    let group = find(view, key, name)?;
    let give = |(id, pending): (StreamId, &Pending)| {
        let idle = now.saturating_sub(pending.time);
        let consumer = pending.consumer.and_then(|number| group.consumer(number));
        let consumer = consumer.map(|consumer| consumer.name.clone());
        (idle >= sought.min_idle).then_some(Pendings { id, consumer, idle, count: pending.count })
    };
    let is_within = |id: StreamId| id <= sought.end;
    let Some(consumer) = sought.consumer else {
        let all = group.pending().from(sought.start).take_while(|(id, _)| is_within(*id));
        return Ok(all.filter_map(give).take(sought.count).collect());
    };
    let Some(consumer) = group.find(consumer).and_then(|number| group.consumer(number)) else {
        return Ok(Vec::new());
    };
    let ids = consumer.pending.from(sought.start).map(|(id, ())| id).take_while(|id| is_within(*id));
    let all = ids.filter_map(|id| Some((id, group.pending().get(id)?)));
    Ok(all.filter_map(give).take(sought.count).collect())
}

fn find<'v>(view: &View<'v>, key: KeyRef<'_>, name: &[u8]) -> Result<&'v Group> {
    let group = view.find::<Stream>(key)?.and_then(|stream| stream.group(name));
    group.ok_or_else(|| NoGroup::new(key.bytes, name).into())
}

/// Changes a stream that has the group.
fn change<R>(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    name: &[u8],
    change: impl FnOnce(&mut Stream) -> (R, Option<KeyEvent>),
) -> Result<R> {
    let changed = writer.update(key, Absent::Skip, |stream: &mut Stream| {
        if stream.group(name).is_none() {
            return Err(NoGroup::new(key.bytes, name).into());
        }
        Ok(change(stream))
    })?;
    changed.ok_or(NO_STREAM)
}
