//! XREAD, XREADGROUP: what comes behind an id, at once or when it comes.

use std::sync::OnceLock;

use super::claim::{Asking, change};
use super::{Item, wall};
use crate::error::NoGroup;
use crate::key::KeyRef;
use crate::keyspace::writer::Writer;
use crate::value::ValueRef;
use crate::value::stream::{Stream, StreamId};
use crate::{Bytes, Result, Type};

/// From where on a stream is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadFrom {
    /// Behind this id; by a group, what is pending for the consumer behind it.
    After(StreamId),
    /// What comes from now on (`$`); by a group, what it has not read (`>`).
    New,
    /// The last entry, and what comes behind it (`+`).
    Last,
}

/// What is read, of as many keys as there are places in `from`.
#[derive(Debug)]
pub(crate) struct Reads {
    from: Vec<ReadFrom>,
    /// How many entries of each stream, at most.
    count: usize,
    group: Option<GroupRead>,
    version: (u8, u8),
    /// The ids behind which is read, once that is settled.
    after: OnceLock<Vec<StreamId>>,
}

/// Who reads for which group.
#[derive(Debug, Clone)]
pub(crate) struct GroupRead {
    pub group: Bytes,
    pub consumer: Bytes,
    /// What is read does not become pending.
    pub no_ack: bool,
    /// What has been pending for so many milliseconds comes first.
    pub claim: Option<u64>,
}

/// The entries by stream.
pub(crate) type Found = Vec<(Bytes, Vec<Item>)>;

/// Why a group can no longer be waited for.
#[derive(Debug)]
pub(crate) enum Gone {
    Key(NoGroup),
    WrongType,
    Group(NoGroup),
}

impl Reads {
    pub(crate) fn new(
        from: Vec<ReadFrom>,
        count: usize,
        group: Option<GroupRead>,
        version: (u8, u8),
    ) -> Self {
        Reads { from, count, group, version, after: OnceLock::new() }
    }

    /// Whether it waits for nothing once the group has gone.
    pub(crate) fn is_of_group(&self) -> bool {
        self.group.is_some()
    }

    /// Reads all of the keys; nothing if none has anything.
    ///
    /// # Errors
    /// [`Error::NoGroup`](crate::Error::NoGroup), before anything is read.
    pub(crate) fn run(&self, writer: &mut Writer<'_>, keys: &[Bytes]) -> Result<Option<Found>> {
        let space = writer.space();
        let mut after = Vec::with_capacity(keys.len());
        for (name, from) in keys.iter().zip(&self.from) {
            after.push(self.check(writer, space.key_ref(name), *from)?);
        }
        self.after.get_or_init(|| after);
        self.read(writer, keys, |_, _| true, true)
    }

    /// The same for one who has waited, when a key has changed: of those keys that are held.
    pub(crate) fn serve(
        &self,
        writer: &mut Writer<'_>,
        keys: &[Bytes],
        changed: KeyRef<'_>,
    ) -> Result<Option<Found>> {
        // Before 7.2 only the key that had changed was looked at.
        let all = self.version >= (7, 2);
        let is_read = |writer: &Writer<'_>, key: KeyRef<'_>| {
            if all { writer.holds(key) } else { key.bytes == changed.bytes }
        };
        self.read(writer, keys, is_read, false)
    }

    /// Why it need not wait for a key any more.
    pub(crate) fn gone(&self, writer: &mut Writer<'_>, key: KeyRef<'_>) -> Option<Gone> {
        let GroupRead { group, .. } = self.group.as_ref()?;
        let why = || NoGroup::new(key.bytes, group);
        match writer.value(key) {
            None => Some(Gone::Key(why())),
            Some(value) if value.kind() != Type::Stream => Some(Gone::WrongType),
            Some(ValueRef::Whole(crate::value::Value::Stream(stream))) if stream.group(group).is_none() => {
                Some(Gone::Group(why()))
            }
            Some(_) => None,
        }
    }

    /// Whether a key can be read; and behind which id.
    fn check(&self, writer: &mut Writer<'_>, key: KeyRef<'_>, from: ReadFrom) -> Result<StreamId> {
        let stream = writer.find::<Stream>(key)?;
        if let Some(GroupRead { group, .. }) = &self.group {
            if stream.and_then(|stream| stream.group(group)).is_none() {
                return Err(NoGroup::new(key.bytes, group).into());
            }
        }
        Ok(match (from, stream) {
            (ReadFrom::After(id), _) => id,
            (ReadFrom::New, Some(stream)) => stream.facts().last,
            (ReadFrom::Last, Some(stream)) => {
                // Before 7.4 that is Valkey, which goes by the last id that there was.
                let is_valkey = self.version < (7, 4);
                let last = if is_valkey { Some(stream.facts().last) } else { stream.last() };
                last.and_then(StreamId::previous).unwrap_or(StreamId::MIN)
            }
            (_, None) => StreamId::MIN,
        })
    }

    fn read(
        &self,
        writer: &mut Writer<'_>,
        keys: &[Bytes],
        is_read: impl Fn(&Writer<'_>, KeyRef<'_>) -> bool,
        is_first: bool,
    ) -> Result<Option<Found>> {
        let (space, after) = (writer.space(), self.after.get().map_or(&[][..], |after| after));
        let mut found = Vec::new();
        for ((name, from), after) in keys.iter().zip(&self.from).zip(after) {
            let key = space.key_ref(name);
            if !is_read(writer, key) {
                continue;
            }
            let items = match (&self.group, from) {
                (None, _) => self.behind(writer, key, *after)?,
                (Some(reader), ReadFrom::After(_)) => Some(self.history(writer, key, reader, *after)?),
                (Some(reader), _) => self.deliver(writer, key, reader, is_first)?,
            };
            if let Some(items) = items {
                found.push((name.clone(), items));
            }
        }
        Ok((!found.is_empty()).then_some(found))
    }

    fn behind(&self, writer: &mut Writer<'_>, key: KeyRef<'_>, after: StreamId) -> Result<Option<Vec<Item>>> {
        let (Some(stream), Some(start)) = (writer.find::<Stream>(key)?, after.next()) else {
            return Ok(None);
        };
        let items: Vec<_> = stream.range(start, StreamId::MAX).take(self.count).map(Item::of).collect();
        Ok((!items.is_empty()).then_some(items))
    }

    /// What is pending for the consumer, and is delivered once more.
    fn history(
        &self,
        writer: &mut Writer<'_>,
        key: KeyRef<'_>,
        reader: &GroupRead,
        after: StreamId,
    ) -> Result<Vec<Item>> {
        let now = wall(writer);
        change(writer, key, &reader.group, |stream| {
            let mut asking = Asking::new(stream, &reader.group, &reader.consumer, now, self.version);
            let number = asking.number(stream);
            let consumer = stream.group(&reader.group).zip(number).and_then(|(group, at)| group.consumer(at));
            let pending = consumer.zip(after.next()).map(|(consumer, start)| consumer.pending.from(start));
            let ids: Vec<_> = pending.into_iter().flatten().take(self.count).map(|(id, ())| id).collect();
            let give = |id: &StreamId| stream.get(*id).map_or_else(|| Item::bare(*id), Item::of);
            let items: Vec<_> = ids.iter().map(give).collect();
            stream.change_group(&reader.group, |group| {
                for item in items.iter().filter(|item| item.fields.is_some()) {
                    group.redeliver(item.id, now);
                }
            });
            (items, asking.is_new)
        })
    }

    /// What the group has not read, and before that what has been pending for long.
    fn deliver(
        &self,
        writer: &mut Writer<'_>,
        key: KeyRef<'_>,
        reader: &GroupRead,
        is_first: bool,
    ) -> Result<Option<Vec<Item>>> {
        let now = wall(writer);
        let eager = is_first && self.version >= (7, 2);
        if !eager && !self.has_any(writer, key, reader, now)? {
            return Ok(None);
        }
        change(writer, key, &reader.group, |stream| {
            let mut asking = Asking::new(stream, &reader.group, &reader.consumer, now, self.version);
            let mut items = self.claim(stream, reader, &mut asking, now);
            let Some(group) = stream.group(&reader.group) else { return (None, asking.is_new) };
            let (mut last, mut read) = (group.last, group.read);
            let new = last.next().into_iter().flat_map(|start| stream.range(start, StreamId::MAX));
            let new: Vec<_> = new.take(self.count.saturating_sub(items.len())).map(Item::of).collect();
            for item in &new {
                read = stream.read_with((last, read), item.id, self.version);
                last = item.id;
            }
            if !new.is_empty() {
                let consumer = asking.number(stream);
                stream.change_group(&reader.group, |group| {
                    (group.last, group.read) = (last, read);
                    let pending = crate::value::stream::Pending { consumer, time: now, count: 1 };
                    for item in new.iter().filter(|_| !reader.no_ack) {
                        group.assign(item.id, pending);
                    }
                    if let Some(number) = consumer {
                        group.note(number, now, !reader.no_ack);
                    }
                });
            }
            items.extend(new);
            ((!items.is_empty()).then_some(items), asking.is_new)
        })
    }

    /// Whether there is anything to deliver.
    fn has_any(
        &self,
        writer: &mut Writer<'_>,
        key: KeyRef<'_>,
        reader: &GroupRead,
        now: u64,
    ) -> Result<bool> {
        let Some(stream) = writer.find::<Stream>(key)? else { return Ok(false) };
        let Some(group) = stream.group(&reader.group) else { return Ok(false) };
        let is_new =
            group.last.next().is_some_and(|start| stream.range(start, StreamId::MAX).next().is_some());
        let is_idle = |idle: u64| {
            let mut pending = group.pending().from(StreamId::MIN);
            pending.any(|(id, pending)| now.saturating_sub(pending.time) >= idle && stream.get(id).is_some())
        };
        Ok(is_new || reader.claim.is_some_and(is_idle))
    }

    /// Takes over what has been pending for long, the longest first. O(pending)
    fn claim(&self, stream: &mut Stream, reader: &GroupRead, asking: &mut Asking<'_>, now: u64) -> Vec<Item> {
        let Some(idle) = reader.claim else { return Vec::new() };
        let Some(group) = stream.group(&reader.group) else { return Vec::new() };
        let pending = group.pending().from(StreamId::MIN).map(|(id, pending)| (id, *pending));
        let is_due = |(id, pending): &(StreamId, crate::value::stream::Pending)| {
            now.saturating_sub(pending.time) >= idle && stream.get(*id).is_some()
        };
        let mut due: Vec<_> = pending.filter(is_due).collect();
        due.sort_by_key(|(id, pending)| (pending.time, *id));
        due.truncate(self.count);
        let mut items = Vec::with_capacity(due.len());
        for (id, pending) in due {
            let Some(mut item) = stream.get(id).map(Item::of) else { continue };
            item.delivered = Some((now.saturating_sub(pending.time), pending.count));
            asking.give(stream, id, now, pending.count.saturating_add(1));
            items.push(item);
        }
        items
    }
}
