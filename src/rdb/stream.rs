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

/// How many times larger than a node what its entries have with the names that they share may be, if it is more than this.
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
mod tests {
    use super::super::{Version, crc64, dump, restore};
    use super::*;
    use crate::Compat;
    use crate::clock::{Clock, ManualClock, Time};
    use crate::value::{Value, ValueRef};
    use proptest::prelude::*;

    fn clock() -> Clock {
        ManualClock::new().into()
    }

    fn load(body: &[u8], compat: Compat) -> Option<Stream> {
        let covered = [body, &Version::of(compat).0.to_le_bytes()].concat();
        let payload = [&covered[..], &crc64::update(0, &covered).to_le_bytes()].concat();
        match restore(&payload, compat, Time::new(&clock(), None), 1 << 24) {
            Ok(Some(Value::Stream(stream))) => Some(stream),
            _ => None,
        }
    }

    fn body(stream: &Stream, compat: Compat) -> Vec<u8> {
        let value = Value::Stream(stream.clone());
        let mut dumped = dump(ValueRef::Whole(&value), compat, &clock(), 0).unwrap();
        dumped.truncate(dumped.len() - 10);
        dumped
    }

    /// All that a stream holds.
    fn shown(stream: &Stream) -> String {
        let entries = stream.range(StreamId::MIN, StreamId::MAX);
        let entries: Vec<_> = entries.map(|entry| (entry.id, entry.fields().collect::<Vec<_>>())).collect();
        let of = |group: &Group| {
            let consumers: Vec<_> = group
                .consumers()
                .map(|(_, it)| (it.name.clone(), it.seen, it.active, it.pending.len()))
                .collect();
            let name = |number: u32| group.consumer(number).map(|consumer| consumer.name.clone());
            let pending: Vec<_> = group
                .pending()
                .from(StreamId::MIN)
                .map(|(id, it)| (id, it.consumer.and_then(name), it.time, it.count))
                .collect();
            format!("{:?} {:?} {:?} {consumers:?} {pending:?}", group.name(), group.last, group.read)
        };
        let groups: Vec<_> = stream.groups().map(of).collect();
        let producers = stream.producers().map(|known| {
            let all: Vec<_> = known.iter().map(|(name, all)| (name, all.collect::<Vec<_>>())).collect();
            format!("{:?} {all:?} {} {}", known.retention(), known.added, known.duplicates)
        });
        format!("{entries:?} {:?} {groups:?} {producers:?}", stream.facts())
    }

    fn stream() -> impl Strategy<Value = Stream> {
        let entry = (0u64..3, 0u64..3, 0usize..3, 0i64..3000);
        let parts =
            (prop::collection::vec(entry, 0..130), prop::collection::vec((0u8..3, 0usize..140), 0..20));
        (parts, 0u64..5).prop_map(|((entries, pending), gone)| {
            let mut stream = Stream::default();
            let mut id = StreamId::new(1_700_000_000_000, 3);
            let mut ids = Vec::new();
            for (ms, seq, names, value) in entries {
                id = if ms == 0 {
                    StreamId::new(id.ms, id.seq + seq + 1)
                } else {
                    StreamId::new(id.ms + ms, seq)
                };
                let value = value.to_string();
                let fields = [(&b"name"[..], value.as_bytes()), (b"12", b"x"), (b"", b"")];
                stream.push(id, &fields[..names + 1]);
                ids.push(id);
            }
            for removed in ids.iter().take(gone as usize) {
                stream.remove(*removed);
            }
            let mut group = Group::new(Bytes::from("group"), id, (gone > 2).then_some(gone));
            for (consumer, at) in pending {
                let (number, _) = group.find_or_add(&[b'a' + consumer], 7);
                group.set_times(number, 5, (at % 3 > 0).then_some(at as u64));
                if let Some(id) = ids.get(at).filter(|id| group.pending().get(**id).is_none()) {
                    group.assign(*id, Pending { consumer: Some(number), time: 99, count: 2 });
                }
            }
            stream.add_group(group);
            stream
        })
    }

    /// What no older server has.
    fn add_newest(stream: &mut Stream, messages: &[(u8, u16, u16)], nobodys: &[prop::sample::Index]) {
        if !messages.is_empty() {
            let producers = stream.producers_mut(Retention::new(7, 20).unwrap());
            (producers.added, producers.duplicates) = (1_000, u64::MAX);
            for (name, message, ms) in messages {
                let (name, message) = (vec![*name; usize::from(*name) * 9], message.to_string());
                if producers.get(&name, message.as_bytes(), 0).is_none() {
                    producers.insert(&name, message.as_bytes(), StreamId::new((*ms).into(), 1));
                }
            }
        }
        stream.change_group(b"group", |group| {
            let ids: Vec<_> = group.pending().from(StreamId::MIN).map(|(id, _)| id).collect();
            for at in nobodys.iter().filter(|_| !ids.is_empty()) {
                group.assign(*at.get(&ids), Pending { consumer: None, time: 0, count: 3 });
            }
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn comes_back_as_it_was(
            stream in stream(), at in any::<prop::sample::Index>(), to in any::<u8>(),
            compat in prop::sample::select(vec![Compat::Redis72, Compat::Redis82, Compat::Redis810, Compat::Valkey9]),
            messages in prop::collection::vec((0_u8..4, 0_u16..300, any::<u16>()), 0..60),
            nobodys in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        ) {
            let mut stream = stream;
            if compat == Compat::Redis810 {
                add_newest(&mut stream, &messages, &nobodys);
            }
            let mut body = body(&stream, compat);
            prop_assert_eq!(shown(&load(&body, compat).unwrap()), shown(&stream));
            for end in (0..body.len()).step_by(7) {
                prop_assert!(load(&body[..end], compat).is_none());
            }
            let at = at.index(body.len());
            body[at] = to;
            let _ = load(&body, compat);
        }
    }

    #[test]
    fn names_that_are_shared_are_not_multiplied_without_end() {
        let mut packed = Builder::new();
        const ENTRIES: i64 = 20_000;
        [ENTRIES, 0, 1].into_iter().for_each(|number| packed.push_integer(number));
        packed.push(&[b'n'; 1 << 20]);
        packed.push_integer(0);
        for seq in 0..ENTRIES {
            [SAME, 0, seq, 7, 4].into_iter().for_each(|number| packed.push_integer(number));
        }
        assert!(load(&of_node(packed, ENTRIES as u64), Compat::Redis70).is_none());
    }

    /// A stream of one node.
    fn of_node(packed: Builder, entries: u64) -> Vec<u8> {
        let mut body = vec![STREAM, 1];
        write_string(&mut body, &StreamId::new(1, 1).to_be_bytes()).unwrap();
        write_string(&mut body, &packed.finish()).unwrap();
        [entries, 1, entries, 0].into_iter().for_each(|number| write_length(&mut body, number).unwrap());
        body
    }

    /// As servers write with other settings than the usual ones: what stands once in the file does so here too, or nearly.
    #[test]
    fn long_names_that_are_shared_are_kept_few_times() {
        let mut packed = Builder::new();
        const ENTRIES: i64 = 1_000;
        [ENTRIES, 0, 1].into_iter().for_each(|number| packed.push_integer(number));
        packed.push(&[b'n'; 5_000]);
        packed.push_integer(0);
        for seq in 0..ENTRIES {
            [SAME, 0, seq, 7, 4].into_iter().for_each(|number| packed.push_integer(number));
        }
        let stream = load(&of_node(packed, ENTRIES as u64), Compat::Redis70).unwrap();
        assert_eq!(stream.len(), 1_000);
        let mut entries = stream.range(StreamId::MIN, StreamId::MAX);
        assert!(entries.all(|entry| entry.fields().all(|field| field == (&[b'n'; 5_000][..], &b"7"[..]))));
        assert!(stream.bytes() < 100_000 || crate::TINY, "{}", stream.bytes());
    }

    /// What is trimmed about goes by chunks, which are those of a stream that was filled here.
    #[test]
    fn a_stream_that_is_read_is_divided_as_one_that_was_filled() {
        let mut filled = Stream::default();
        for seq in 1..=1_000 {
            let more: &[(&[u8], &[u8])] =
                if seq % 70 < 10 { &[(b"a", b"i"), (b"c", b"x")] } else { &[(b"a", b"i")] };
            filled.push(StreamId::new(1, seq), more);
        }
        let read = load(&body(&filled, Compat::Redis70), Compat::Redis70).unwrap();
        assert_eq!((read.len(), read.chunks().len()), (filled.len(), filled.chunks().len()));
        assert!(read.bytes() <= filled.bytes());
    }

    #[test]
    fn a_producer_has_no_message_twice() {
        let mut stream = Stream::default();
        let producers = stream.producers_mut(Retention::default());
        producers.insert(b"p", b"first", StreamId::new(1, 1));
        producers.insert(b"p", b"other", StreamId::new(2, 1));
        let mut body = body(&stream, Compat::Redis810);
        assert!(load(&body, Compat::Redis810).is_some());
        let at = body.windows(5).position(|part| part == b"other").unwrap();
        body[at..at + 5].copy_from_slice(b"first");
        assert!(load(&body, Compat::Redis810).is_none());
    }

    #[test]
    fn what_is_pending_for_nobody_is_refused_by_name() {
        let mut stream = Stream::default();
        stream.push(StreamId::new(1, 1), &[(b"a", b"b")]);
        let mut group = Group::new(Bytes::from("group"), StreamId::new(1, 1), None);
        group.assign(StreamId::new(1, 1), Pending { consumer: None, time: 1, count: 1 });
        stream.add_group(group);
        let refused = dump(ValueRef::Whole(&Value::Stream(stream)), Compat::Redis82, &clock(), 0);
        assert_eq!(refused, Err("a stream with entries that are pending for nobody"));
    }

    #[test]
    fn a_node_ends_where_those_of_redis_do() {
        let mut stream = Stream::default();
        (1..=201).for_each(|ms| stream.push(StreamId::new(ms, 1), &[(b"name", b"value")]));
        assert_eq!(body(&stream, Compat::Redis82)[..2], [STREAM_3, 3]);
    }

    #[test]
    fn what_producers_have_added_is_refused_by_name() {
        let mut stream = Stream::default();
        stream.producers_mut(Retention::default()).insert(b"p", b"1", StreamId::new(1, 1));
        let value = Value::Stream(stream);
        let dumped = |compat| dump(ValueRef::Whole(&value), compat, &clock(), 0);
        for compat in [Compat::Redis70, Compat::Redis82, Compat::Valkey9] {
            assert_eq!(dumped(compat), Err("a stream with messages under ids of their producers"));
        }
        // By hand: no nodes; length, ids and counts of 0, and no groups; 100 seconds and messages, a producer with
        // a message of 1-1, and that none was counted.
        let body = [&[STREAM_5, 0][..], &[0; 9], &[0x40, 100, 0x40, 100, 1, 1, b'p', 1, 0xc0, 1, 1, 1, 0, 0]]
            .concat();
        let written = dumped(Compat::Redis810).unwrap();
        assert_eq!(written[..written.len() - 10], body);
    }
}
