//! XREAD, XREADGROUP: what comes behind an id, at once or when it comes.

use std::mem;
use std::sync::OnceLock;

use super::claim::{Asking, change};
use super::{Item, wall};
use crate::error::NoGroup;
use crate::key::KeyRef;
use crate::keyspace::writer::{Step, Writer};
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
    limits: Limits,
    group: Option<GroupRead>,
    version: (u8, u8),
    /// The ids behind which is read, once that is settled.
    after: OnceLock<Vec<StreamId>>,
}

/// How much is read, at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Entries of each stream.
    pub count: usize,
    /// Entries of all streams together.
    pub total: usize,
    /// Bytes of the reply, as it is written. The entry that goes beyond is the last; there is one in any case.
    pub size: usize,
}

impl Limits {
    /// So many entries of each stream.
    pub(crate) fn each(count: usize) -> Self {
        Limits { count, total: usize::MAX, size: usize::MAX }
    }
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

impl GroupRead {
    /// Says what a read of the group has changed in it.
    fn note(&self, writer: &mut Writer<'_>, key: KeyRef<'_>, items: &[Item]) {
        if writer.is_journaled() {
            let ids: Vec<_> = items.iter().map(|item| item.id).collect();
            writer.note(key, &Step::Group { name: &self.group, consumers: &[&self.consumer], ids: &ids });
        }
    }
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
        limits: Limits,
        group: Option<GroupRead>,
        version: (u8, u8),
    ) -> Self {
        Reads { from, limits, group, version, after: OnceLock::new() }
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
        writer.tell_missing(key);
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
        let mut given = Given::new(self.limits);
        let mut found = Vec::new();
        for ((name, from), after) in keys.iter().zip(&self.from).zip(after) {
            let key = space.key_ref(name);
            if !is_read(writer, key) {
                continue;
            }
            if !given.begin(name) {
                break;
            }
            let items = match (&self.group, from) {
                (None, _) => behind(writer, key, *after, &mut given)?,
                (Some(reader), ReadFrom::After(_)) => {
                    Some(self.history(writer, key, reader, *after, &mut given)?)
                }
                (Some(reader), _) => self.deliver(writer, key, reader, is_first, &mut given)?,
            };
            if let Some(items) = items {
                found.push((name.clone(), items));
            }
        }
        Ok((!found.is_empty()).then_some(found))
    }

    /// What is pending for the consumer, and is delivered once more.
    fn history(
        &self,
        writer: &mut Writer<'_>,
        key: KeyRef<'_>,
        reader: &GroupRead,
        after: StreamId,
        given: &mut Given,
    ) -> Result<Vec<Item>> {
        let now = wall(writer);
        let items = change(writer, key, &reader.group, |stream| {
            let mut asking = Asking::new(stream, &reader.group, &reader.consumer, now, self.version);
            let number = asking.number(stream);
            let consumer = stream.group(&reader.group).zip(number).and_then(|(group, at)| group.consumer(at));
            let pending = consumer.zip(after.next()).map(|(consumer, start)| consumer.pending.from(start));
            let ids = pending.into_iter().flatten().map(|(id, ())| id);
            let items = given.take(ids.map(|id| stream.get(id).map_or_else(|| Item::bare(id), Item::of)));
            stream.change_group(&reader.group, |group| {
                for item in items.iter().filter(|item| item.fields.is_some()) {
                    group.redeliver(item.id, now);
                }
            });
            (items, asking.is_new)
        })?;
        reader.note(writer, key, &items);
        Ok(items)
    }

    /// What the group has not read, and before that what has been pending for long.
    fn deliver(
        &self,
        writer: &mut Writer<'_>,
        key: KeyRef<'_>,
        reader: &GroupRead,
        is_first: bool,
        given: &mut Given,
    ) -> Result<Option<Vec<Item>>> {
        let now = wall(writer);
        let eager = is_first && self.version >= (7, 2);
        if !eager && !self.has_any(writer, key, reader, now)? {
            return Ok(None);
        }
        let items = change(writer, key, &reader.group, |stream| {
            let mut asking = Asking::new(stream, &reader.group, &reader.consumer, now, self.version);
            let mut items = claim(stream, reader, &mut asking, now, given);
            let Some(group) = stream.group(&reader.group) else { return (items, asking.is_new) };
            let (mut last, mut read) = (group.last, group.read);
            let new = last.next().into_iter().flat_map(|start| stream.range(start, StreamId::MAX));
            let new = given.take(new.map(Item::of));
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
            (items, asking.is_new)
        })?;
        reader.note(writer, key, &items);
        Ok((!items.is_empty()).then_some(items))
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
}

/// The entries behind an id, if there are any.
fn behind(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    after: StreamId,
    given: &mut Given,
) -> Result<Option<Vec<Item>>> {
    let (Some(stream), Some(start)) = (writer.find::<Stream>(key)?, after.next()) else {
        return Ok(None);
    };
    let items = given.take(stream.range(start, StreamId::MAX).map(Item::of));
    Ok((!items.is_empty()).then_some(items))
}

/// Takes over what has been pending for long, the longest first. O(pending)
fn claim(
    stream: &mut Stream,
    reader: &GroupRead,
    asking: &mut Asking<'_>,
    now: u64,
    given: &mut Given,
) -> Vec<Item> {
    let Some(idle) = reader.claim else { return Vec::new() };
    let Some(group) = stream.group(&reader.group) else { return Vec::new() };
    let pending = group.pending().from(StreamId::MIN).map(|(id, pending)| (id, *pending));
    let is_due = |(id, pending): &(StreamId, crate::value::stream::Pending)| {
        now.saturating_sub(pending.time) >= idle && stream.get(*id).is_some()
    };
    let mut due: Vec<_> = pending.filter(is_due).collect();
    due.sort_by_key(|(id, pending)| (pending.time, *id));
    let items = given.take(due.into_iter().filter_map(|(id, pending)| {
        let mut item = stream.get(id).map(Item::of)?;
        item.delivered = Some((now.saturating_sub(pending.time), pending.count));
        Some(item)
    }));
    for item in &items {
        let count = item.delivered.map_or(0, |(_, count)| count);
        asking.give(stream, item.id, now, count.saturating_add(1));
    }
    items
}

/// What a read has given so far, and how much more it may.
struct Given {
    limits: Limits,
    /// Entries of the stream that is being read, and bytes that come before its first.
    of_this: usize,
    header: usize,
    entries: usize,
    /// Bytes that the reply takes.
    bytes: usize,
}

impl Given {
    fn new(limits: Limits) -> Self {
        Given { limits, of_this: 0, header: 0, entries: 0, bytes: 0 }
    }

    /// Goes on to another stream; false if nothing more is to be given.
    fn begin(&mut self, name: &[u8]) -> bool {
        (self.of_this, self.header) = (0, array(2) + bulk(name.len()) + array(1));
        self.has_room()
    }

    /// Of these as many as may be given, none built in vain.
    fn take(&mut self, mut items: impl Iterator<Item = Item>) -> Vec<Item> {
        let mut taken = Vec::new();
        while self.of_this < self.limits.count && self.has_room() {
            let Some(item) = items.next() else { break };
            self.of_this += 1;
            self.entries += 1;
            let header = mem::take(&mut self.header);
            self.bytes = self.bytes.saturating_add(header).saturating_add(written(&item));
            taken.push(item);
        }
        taken
    }

    fn has_room(&self) -> bool {
        self.entries < self.limits.total && (self.entries == 0 || self.bytes < self.limits.size)
    }
}

/// Bytes of an entry's reply.
fn written(item: &Item) -> usize {
    let fields = item.fields.as_deref().unwrap_or_default();
    let texts = fields.iter().map(|(name, value)| bulk(name.len()).saturating_add(bulk(value.len())));
    let id = bulk(item.id.to_string().len());
    texts.fold(array(2) + id + array(2 * fields.len()), usize::saturating_add)
}

/// Bytes of a bulk string's reply.
fn bulk(len: usize) -> usize {
    array(len).saturating_add(len).saturating_add(2)
}

/// Bytes of an array's header.
fn array(len: usize) -> usize {
    1 + len.checked_ilog10().map_or(1, |digits| digits as usize + 1) + 2
}
