//! Streams.
//!
//! A stream is its nodes, each an id (16 bytes, big-endian) and a listpack; how many entries it has, its last id,
//! its first and the greatest removed one, how many were ever added; and its groups. A group is its name, last id
//! and how many entries it has read; what is pending, each an id, when it was delivered (8 bytes) and how often;
//! and its consumers, each a name, when it was seen and when active, and the ids of what is pending for it. Since
//! Redis 8.8 the ids of what is pending for nobody follow.
//!
//! Since Redis 8.6 there stand behind the groups for how many seconds and how many messages of producers are known;
//! the producers, each a name and its messages, each an id of the producer's and that of the entry; and how many
//! messages were ever added, and how many were not.
//!
//! A node's listpack is: how many entries it has and how many are marked as removed, the number of the names of
//! its first entry's fields, those, 0; and its entries. An entry is a sum of marks, how far its id is above the
//! node's (two numbers); unless it has the node's names, how many fields it has; those, with or without their
//! names; and the number of elements so far.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, BufRead, Write};

use super::encode::{write_length, write_string};
use super::error::Fault;
use super::kind::*;
use super::listpack::{Builder, Listpack};
use super::reader::Reader;
use super::{Bad, Element};
use crate::Bytes;
use crate::value::stream::{Entry, Facts, Group, Pending, Producers, Retention, Stream, StreamId};

const REMOVED: i64 = 1;
/// The entry has the node's names.
const SAME: i64 = 2;
/// What stands for no number.
const NONE: u64 = u64::MAX;

/// Where Redis begins a new node: so many bytes or entries.
const NODE_BYTES: usize = 4096;
const NODE_ENTRIES: usize = 100;

/// What the names that a node's entries share may take, had each its own: so many times the node's bytes, and
/// [`SHARED_LEAST`] in any case.
const SHARED: usize = 256;
const SHARED_LEAST: usize = 16 << 20;

/// A stream, in one of its five forms.
pub(super) fn read(reader: &mut Reader<impl BufRead>, kind: u8) -> Result<Stream, Fault> {
    let mut stream = Stream::default();
    let mut last = StreamId::MIN;
    for _ in 0..reader.length()? {
        let key = reader.string()?;
        let key = key.as_slice().try_into().map_err(|_| "a node of a stream has no id")?;
        node(&mut stream, &mut last, from_be_bytes(key), &reader.string()?)?;
    }
    let len = reader.length()?;
    if len != stream.len() as u64 {
        return Err(Fault::Damaged("a stream has another number of entries than it says"));
    }
    let mut facts = Facts { last: id(reader)?, max_deleted: StreamId::MIN, added: len };
    if kind != STREAM {
        // The first id, which the entries tell.
        id(reader)?;
        (facts.max_deleted, facts.added) = (id(reader)?, reader.length()?);
    }
    if last > facts.last {
        return Err(OUT_OF_ORDER.into());
    }
    stream.set_facts(facts);
    let mut groups = Vec::new();
    for _ in 0..reader.length()? {
        groups.push(group(reader, kind, &stream)?);
    }
    // Each has its place behind the others then.
    groups.sort_by(|a, b| a.name().cmp(b.name()));
    for group in groups {
        if !stream.add_group(group) {
            return Err(Fault::Damaged("a stream has a group twice"));
        }
    }
    if kind >= STREAM_4 {
        read_producers(reader, &mut stream)?;
    }
    Ok(stream)
}

fn read_producers(reader: &mut Reader<impl BufRead>, stream: &mut Stream) -> Result<(), Fault> {
    let small = |number: u64| u32::try_from(number).unwrap_or(0);
    let retention = Retention::new(small(reader.length()?), small(reader.length()?))
        .ok_or("a stream knows messages for a time that none is known")?;
    let mut producers = Producers::of(retention);
    for _ in 0..reader.length()? {
        let name = reader.string()?;
        for _ in 0..reader.length()? {
            let message = reader.string()?;
            if !producers.restore(&name, &message, id(reader)?) {
                return Err(Fault::Damaged("a producer has a message twice"));
            }
        }
    }
    (producers.added, producers.duplicates) = (reader.length()?, reader.length()?);
    // One that has heard of none says what all streams do.
    if retention != Retention::default() || producers.iter().len() > 0 || producers.has_counted() {
        stream.set_producers(producers);
    }
    Ok(())
}

const OUT_OF_ORDER: Bad = "a stream has an entry that is not in its order";
const NO_ENTRY: Bad = "a node of a stream is not made of entries";

/// Adds the entries of a node.
fn node(stream: &mut Stream, last: &mut StreamId, first: StreamId, bytes: &[u8]) -> Result<(), Fault> {
    let mut elements = Listpack::new(bytes)?;
    let (mut live, mut removed) = (count(&mut elements)?, count(&mut elements)?);
    let mut names: Vec<Bytes> = Vec::new();
    for _ in 0..count(&mut elements)? {
        names.push(next(&mut elements)?.into());
    }
    if next(&mut elements)? != Element::Integer(0) {
        return Err(NO_ENTRY.into());
    }
    let shared: usize = names.iter().map(|name| name.len()).sum();
    let mut room = bytes.len().saturating_mul(SHARED).max(SHARED_LEAST);
    let mut is_beside = false;
    let mut fields: Vec<(Bytes, Bytes)> = Vec::new();
    while let Some(marks) = elements.next().transpose()? {
        let Element::Integer(marks) = marks else { return Err(NO_ENTRY.into()) };
        let (ms, seq) = (integer(&mut elements)?, integer(&mut elements)?);
        let id = StreamId::new(first.ms.wrapping_add_signed(ms), first.seq.wrapping_add_signed(seq));
        let is_same = marks & SAME != 0;
        fields.clear();
        if is_same {
            room = room.checked_sub(shared).ok_or("entries of a stream share names that are too long")?;
            for name in &names {
                fields.push((name.clone(), next(&mut elements)?.into()));
            }
        } else {
            for _ in 0..count(&mut elements)? {
                fields.push((next(&mut elements)?.into(), next(&mut elements)?.into()));
            }
        }
        integer(&mut elements)?;
        let counted = if marks & REMOVED != 0 { &mut removed } else { &mut live };
        *counted = counted.checked_sub(1).ok_or(NO_ENTRY)?;
        if marks & REMOVED != 0 {
            continue;
        }
        if id <= *last {
            return Err(OUT_OF_ORDER.into());
        }
        *last = id;
        let parts: Vec<_> = fields.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        if is_same && is_beside {
            stream.restore_beside(id, &parts);
        } else {
            stream.restore(id, &parts);
        }
        is_beside = is_same;
    }
    if (live, removed) == (0, 0) { Ok(()) } else { Err(NO_ENTRY.into()) }
}

fn group(reader: &mut Reader<impl BufRead>, kind: u8, stream: &Stream) -> Result<Group, Fault> {
    const STRANGE: Bad = "an entry is pending for a consumer, and not for its group";
    let (name, last) = (reader.string()?, id(reader)?);
    let read = match kind {
        // What was not counted yet is told by the entries, as Redis 7.0 does.
        STREAM => stream.read_until(last, (7, 0)),
        _ => Some(reader.length()?).filter(|read| *read != NONE),
    };
    let mut group = Group::new(name, last, read);
    let mut pending = BTreeMap::new();
    for _ in 0..reader.length()? {
        let id = from_be_bytes(reader.array()?);
        let (time, count) = (u64::from_le_bytes(reader.array()?), reader.length()?);
        if pending.insert(id, (time, count)).is_some() {
            return Err(Fault::Damaged("an entry is pending twice"));
        }
    }
    for _ in 0..reader.length()? {
        let (consumer, is_new) = group.find_or_add(&reader.string()?, 0);
        if !is_new {
            return Err(Fault::Damaged("a group has a consumer twice"));
        }
        let seen = u64::from_le_bytes(reader.array()?);
        let active = match kind {
            STREAM | STREAM_2 => Some(seen),
            _ => Some(u64::from_le_bytes(reader.array()?)).filter(|active| *active != NONE),
        };
        group.set_times(consumer, seen, active);
        for _ in 0..reader.length()? {
            let id = from_be_bytes(reader.array()?);
            let (time, count) = pending.remove(&id).ok_or(STRANGE)?;
            group.assign(id, Pending { consumer: Some(consumer), time, count });
        }
    }
    if kind == STREAM_5 {
        for _ in 0..reader.length()? {
            let id = from_be_bytes(reader.array()?);
            let (time, count) =
                pending.remove(&id).ok_or("an entry is pending for nobody, and not for its group")?;
            group.assign(id, Pending { consumer: None, time, count });
        }
    }
    if pending.is_empty() { Ok(group) } else { Err(Fault::Damaged("an entry is pending for nobody")) }
}

fn id(reader: &mut Reader<impl BufRead>) -> Result<StreamId, Fault> {
    Ok(StreamId::new(reader.length()?, reader.length()?))
}

fn from_be_bytes(bytes: [u8; 16]) -> StreamId {
    let number = u128::from_be_bytes(bytes);
    StreamId::new((number >> 64) as u64, number as u64)
}

fn next<'l>(elements: &mut Listpack<'l>) -> Result<Element<'l>, Bad> {
    elements.next().unwrap_or(Err(NO_ENTRY))
}

fn integer(elements: &mut Listpack<'_>) -> Result<i64, Bad> {
    match next(elements)? {
        Element::Integer(number) => Ok(number),
        Element::Text(_) => Err(NO_ENTRY),
    }
}

fn count(elements: &mut Listpack<'_>) -> Result<u64, Bad> {
    u64::try_from(integer(elements)?).map_err(|_| NO_ENTRY)
}

/// Whether there is an entry that is pending for nobody, which but the newest servers have.
pub(super) fn has_unowned(stream: &Stream) -> bool {
    let mut pending = stream.groups().flat_map(|group| group.pending().from(StreamId::MIN));
    pending.any(|(_, pending)| pending.consumer.is_none())
}

/// Writes a stream in the form of that type.
pub(super) fn write(out: &mut impl Write, stream: &Stream, kind: u8) -> io::Result<()> {
    let mut count = 0;
    nodes(stream, |_, _| {
        count += 1;
        Ok(())
    })?;
    write_length(out, count)?;
    nodes(stream, |first, bytes| {
        write_string(out, &first.to_be_bytes())?;
        write_string(out, &bytes)
    })?;
    let Facts { last, max_deleted, added } = stream.facts();
    write_length(out, stream.len() as u64)?;
    write_id(out, last)?;
    write_id(out, stream.first().unwrap_or(StreamId::MIN))?;
    write_id(out, max_deleted)?;
    write_length(out, added)?;
    write_length(out, stream.groups().len() as u64)?;
    stream.groups().try_for_each(|group| write_group(out, group, kind))?;
    if kind >= STREAM_4 {
        write_producers(out, stream.producers().unwrap_or(&Producers::default()))
    } else {
        Ok(())
    }
}

fn write_producers(out: &mut impl Write, producers: &Producers) -> io::Result<()> {
    let retention = producers.retention();
    write_length(out, retention.seconds().into())?;
    write_length(out, retention.messages().into())?;
    write_length(out, producers.iter().len() as u64)?;
    for (name, messages) in producers.iter() {
        write_string(out, name)?;
        write_length(out, messages.len() as u64)?;
        for (id, message) in messages {
            write_string(out, message)?;
            write_id(out, *id)?;
        }
    }
    write_length(out, producers.added)?;
    write_length(out, producers.duplicates)
}

/// The nodes that a stream falls into.
fn nodes(stream: &Stream, mut each: impl FnMut(StreamId, Vec<u8>) -> io::Result<()>) -> io::Result<()> {
    let mut node: Option<Node<'_>> = None;
    for entry in stream.range(StreamId::MIN, StreamId::MAX) {
        let bytes: usize = entry.fields().map(|(name, value)| name.len() + value.len()).sum();
        node = match node {
            Some(mut node) if node.has_room(bytes) => {
                node.push(entry);
                Some(node)
            }
            full => {
                full.map_or(Ok(()), |full| each(full.first.id, full.finish()))?;
                let mut node = Node { first: entry, count: 0, entries: Vec::new(), bytes: 0 };
                node.push(entry);
                Some(node)
            }
        };
    }
    node.map_or(Ok(()), |node| each(node.first.id, node.finish()))
}

/// A node that is being written: it begins with how many entries it has, so these are kept until that is known.
struct Node<'n> {
    first: Entry<'n>,
    count: usize,
    entries: Vec<Entry<'n>>,
    bytes: usize,
}

impl<'n> Node<'n> {
    fn has_room(&self, bytes: usize) -> bool {
        self.count < NODE_ENTRIES && self.bytes + bytes < NODE_BYTES
    }

    fn push(&mut self, entry: Entry<'n>) {
        self.bytes += entry.fields().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        self.entries.push(entry);
        self.count += 1;
    }

    fn finish(&self) -> Vec<u8> {
        let mut packed = Builder::new();
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        packed.push_integer(number(self.count));
        packed.push_integer(0);
        packed.push_integer(number(self.first.fields().count()));
        self.first.fields().for_each(|(name, _)| packed.push(name));
        packed.push_integer(0);
        for entry in &self.entries {
            let names = |entry: &Entry<'n>| entry.fields().map(|(name, _)| name);
            let is_same = names(entry).eq(names(&self.first));
            packed.push_integer(if is_same { SAME } else { 0 });
            packed.push_integer(entry.id.ms.wrapping_sub(self.first.id.ms) as i64);
            packed.push_integer(entry.id.seq.wrapping_sub(self.first.id.seq) as i64);
            let count = entry.fields().count();
            if !is_same {
                packed.push_integer(number(count));
            }
            for (name, value) in entry.fields() {
                if !is_same {
                    packed.push(name);
                }
                packed.push(value);
            }
            packed.push_integer(number(if is_same { count + 3 } else { 2 * count + 4 }));
        }
        packed.finish()
    }
}

fn write_group(out: &mut impl Write, group: &Group, kind: u8) -> io::Result<()> {
    write_string(out, group.name())?;
    write_id(out, group.last)?;
    write_length(out, group.read.unwrap_or(NONE))?;
    write_length(out, group.pending().len() as u64)?;
    let mut of: HashMap<Option<u32>, Vec<StreamId>> = HashMap::new();
    for (id, pending) in group.pending().from(StreamId::MIN) {
        out.write_all(&id.to_be_bytes())?;
        out.write_all(&pending.time.to_le_bytes())?;
        write_length(out, pending.count)?;
        of.entry(pending.consumer).or_default().push(id);
    }
    write_length(out, group.len() as u64)?;
    for (number, consumer) in group.consumers() {
        write_string(out, &consumer.name)?;
        out.write_all(&consumer.seen.to_le_bytes())?;
        if kind >= STREAM_3 {
            out.write_all(&consumer.active.unwrap_or(NONE).to_le_bytes())?;
        }
        write_raw_ids(out, &of.remove(&Some(number)).unwrap_or_default())?;
    }
    if kind == STREAM_5 { write_raw_ids(out, &of.remove(&None).unwrap_or_default()) } else { Ok(()) }
}

fn write_raw_ids(out: &mut impl Write, ids: &[StreamId]) -> io::Result<()> {
    write_length(out, ids.len() as u64)?;
    ids.iter().try_for_each(|id| out.write_all(&id.to_be_bytes()))
}

fn write_id(out: &mut impl Write, id: StreamId) -> io::Result<()> {
    write_length(out, id.ms)?;
    write_length(out, id.seq)
}

#[cfg(test)]
mod tests;
