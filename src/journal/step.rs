//! A part of a value that was changed, as it is written and as it is put in place again.
//!
//! A step is a byte that says which, and what follows for it; numbers and byte strings as in a snapshot's
//! [entries](crate::snapshot::entry). It says what a part is, not what was done to it, but for a list, where places move.

use std::io;
use std::ops::Range;

use crate::Bytes;
use crate::clock::NEVER;
use crate::keyspace::writer::Step;
use crate::snapshot::Moment;
use crate::snapshot::entry::{Reader, write_bytes, write_id, write_optional, write_varint};
use crate::snapshot::error::Fault;
use crate::snapshot::input::Input;
use crate::value::hash::Hash;
use crate::value::list::{End, List};
use crate::value::set::Set;
use crate::value::sorted_set::SortedSet;
use crate::value::stream::{Group, Keep, Pending, References, Stream, StreamId, Trim};
use crate::value::{Value, ValueRef};

const BYTES: u8 = 0;
const PUSHED_FRONT: u8 = 1;
const PUSHED_BACK: u8 = 2;
const POPPED_FRONT: u8 = 3;
const POPPED_BACK: u8 = 4;
const ELEMENT: u8 = 5;
const KEPT: u8 = 6;
const MEMBERS: u8 = 7;
const FIELDS: u8 = 8;
const SCORES: u8 = 9;
const RANKS: u8 = 10;
const ADDED: u8 = 11;
const TRIMMED: u8 = 12;
const DELETED: u8 = 13;
const GROUP: u8 = 14;
const NO_GROUP: u8 = 15;
const INSERTED: u8 = 16;
const REMOVED_FRONT: u8 = 17;
const REMOVED_BACK: u8 = 18;
const EMPTIED: u8 = 19;

/// Writes what a step names; nothing, and false, if the value has no such part.
pub(crate) fn write(out: &mut Vec<u8>, value: ValueRef<'_>, step: &Step<'_>) -> bool {
    let start = out.len();
    // A vector takes all that is written to it.
    let is_written = write_part(out, value, step).unwrap_or(false);
    if !is_written {
        out.truncate(start);
    }
    is_written
}

fn write_part(out: &mut Vec<u8>, value: ValueRef<'_>, step: &Step<'_>) -> io::Result<bool> {
    match (value, step) {
        (ValueRef::Whole(Value::String(string)), Step::Bytes { at, len }) => {
            let Some(bytes) = string.get(*at..at.saturating_add(*len)) else { return Ok(false) };
            out.push(BYTES);
            write_varint(out, *at as u64)?;
            write_bytes(out, bytes)?;
        }
        (ValueRef::Whole(Value::SortedSet(_)), Step::Ranks(ranks)) => {
            out.push(RANKS);
            write_varint(out, ranks.start as u64)?;
            write_varint(out, ranks.len() as u64)?;
        }
        (ValueRef::Whole(Value::List(list)), step) => return write_list(out, list, step),
        (ValueRef::Whole(Value::Stream(stream)), step) => return write_stream(out, stream, step),
        _ => return Ok(false),
    }
    Ok(true)
}

fn write_list(out: &mut Vec<u8>, list: &List, step: &Step<'_>) -> io::Result<bool> {
    match step {
        Step::Pushed(end, count) if *count <= list.len() => {
            let (tag, range) = match end {
                End::Front => (PUSHED_FRONT, 0..*count),
                End::Back => (PUSHED_BACK, list.len() - count..list.len()),
            };
            out.push(tag);
            write_varint(out, *count as u64)?;
            let mut elements = list.range(range);
            // As they were pushed, one after the other.
            match end {
                End::Front => elements.rev().try_for_each(|element| write_bytes(out, &element))?,
                End::Back => elements.try_for_each(|element| write_bytes(out, &element))?,
            }
        }
        Step::Popped(end, count) => {
            out.push(if *end == End::Front { POPPED_FRONT } else { POPPED_BACK });
            write_varint(out, *count as u64)?;
        }
        Step::Element(at) => {
            let Some(element) = list.get(*at) else { return Ok(false) };
            out.push(ELEMENT);
            write_varint(out, *at as u64)?;
            write_bytes(out, &element)?;
        }
        Step::Inserted(at) => {
            let Some(element) = list.get(*at) else { return Ok(false) };
            out.push(INSERTED);
            write_varint(out, *at as u64)?;
            write_bytes(out, &element)?;
        }
        Step::Removed { value, from, count } => {
            out.push(if *from == End::Front { REMOVED_FRONT } else { REMOVED_BACK });
            write_varint(out, *count as u64)?;
            write_bytes(out, value)?;
        }
        Step::Kept { from, len } => {
            out.push(KEPT);
            write_varint(out, *from as u64)?;
            write_varint(out, *len as u64)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn write_stream(out: &mut Vec<u8>, stream: &Stream, step: &Step<'_>) -> io::Result<bool> {
    match step {
        Step::Added(id, now) => {
            let Some(entry) = stream.get(*id) else { return Ok(false) };
            out.push(ADDED);
            write_id(out, *id)?;
            write_varint(out, *now)?;
            write_varint(out, entry.fields().count() as u64)?;
            for (name, value) in entry.fields() {
                write_bytes(out, name)?;
                write_bytes(out, value)?;
            }
        }
        Step::Trimmed => match stream.first() {
            Some(first) => {
                out.push(TRIMMED);
                write_id(out, first)?;
            }
            None => out.push(EMPTIED),
        },
        Step::Deleted(ids) => {
            out.push(DELETED);
            write_varint(out, ids.len() as u64)?;
            ids.iter().try_for_each(|id| write_id(out, *id))?;
        }
        Step::Group { name, consumers, ids } => {
            let Some(group) = stream.group(name) else {
                out.push(NO_GROUP);
                write_bytes(out, name)?;
                return Ok(true);
            };
            out.push(GROUP);
            write_group(out, group, consumers, ids)?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn write_group(out: &mut Vec<u8>, group: &Group, consumers: &[&[u8]], ids: &[StreamId]) -> io::Result<()> {
    write_bytes(out, group.name())?;
    write_id(out, group.last)?;
    write_optional(out, group.read)?;
    write_varint(out, consumers.len() as u64)?;
    for name in consumers {
        write_bytes(out, name)?;
        let consumer = group.find(name).and_then(|number| group.consumer(number));
        out.push(consumer.is_some().into());
        if let Some(consumer) = consumer {
            write_varint(out, consumer.seen)?;
            write_optional(out, consumer.active)?;
        }
    }
    write_varint(out, ids.len() as u64)?;
    for id in ids {
        write_id(out, *id)?;
        let Some(pending) = group.pending().get(*id) else {
            out.push(0);
            continue;
        };
        let owner = pending.consumer.and_then(|number| group.consumer(number));
        out.push(if owner.is_some() { 2 } else { 1 });
        owner.map_or(Ok(()), |owner| write_bytes(out, &owner.name))?;
        write_varint(out, pending.time)?;
        write_varint(out, pending.count)?;
    }
    Ok(())
}

/// Writes the members or fields of these names, or that they are gone; nothing, and false, if the value has none.
pub(crate) fn write_names<'n>(
    out: &mut Vec<u8>,
    value: ValueRef<'_>,
    moment: impl FnOnce() -> Moment,
    names: impl Iterator<Item = &'n [u8]>,
) -> bool {
    let ValueRef::Whole(value) = value else { return false };
    // A vector takes all that is written to it.
    match value {
        Value::Set(set) => write_all(out, MEMBERS, names, |out, name| {
            out.push(set.contains(name).into());
            Ok(())
        }),
        Value::SortedSet(set) => write_all(out, SCORES, names, |out, name| {
            let score = set.score(name);
            out.push(score.is_some().into());
            score.into_iter().for_each(|score| out.extend(score.to_le_bytes()));
            Ok(())
        }),
        Value::Hash(hash) => {
            let is_timed = hash.next_deadline() != NEVER;
            let moment = if is_timed { moment() } else { Moment::WALL };
            write_all(out, FIELDS, names, |out, name| {
                let value = hash.get(name, moment.now);
                out.push(value.is_some().into());
                let Some(value) = value else { return Ok(()) };
                write_bytes(out, value)?;
                write_varint(out, moment.write(hash.deadline(name, moment.now).unwrap_or(NEVER)))
            })
        }
        _ => return false,
    }
    .is_ok()
}

/// Writes a step of names, each with what there is to say of it, to the end of the record's item.
fn write_all<'n>(
    out: &mut Vec<u8>,
    tag: u8,
    names: impl Iterator<Item = &'n [u8]>,
    mut each: impl FnMut(&mut Vec<u8>, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    out.push(tag);
    for name in names {
        out.push(1);
        write_bytes(out, name)?;
        each(out, name)?;
    }
    out.push(0);
    Ok(())
}

/// What a key that is missing begins as, for a step of this kind.
pub(super) fn fresh(tag: u8) -> Value {
    match tag {
        BYTES => Value::String(Bytes::default()),
        MEMBERS => Value::Set(Set::default()),
        FIELDS => Value::Hash(Hash::default()),
        SCORES | RANKS => Value::SortedSet(SortedSet::default()),
        ADDED..=NO_GROUP | EMPTIED => Value::Stream(Stream::default()),
        _ => Value::List(List::default()),
    }
}

/// Puts a part in place.
pub(super) fn apply<I: Input>(value: &mut Value, tag: u8, reader: &mut Reader<'_, I>) -> Result<(), Fault> {
    match (value, tag) {
        (Value::String(string), BYTES) => apply_bytes(string, reader),
        (Value::List(list), PUSHED_FRONT..=KEPT | INSERTED..=REMOVED_BACK) => apply_list(list, tag, reader),
        (Value::Set(set), MEMBERS) => each_name(reader, |reader, name| {
            if flag(reader)? {
                set.insert(&name);
            } else {
                set.remove(&name);
            }
            Ok(())
        }),
        (Value::Hash(hash), FIELDS) => each_name(reader, |reader, name| {
            if !flag(reader)? {
                hash.remove(&name);
                return Ok(());
            }
            hash.insert(&name, &reader.bytes()?);
            if let Some(deadline) = Moment::WALL.read(reader.number()?).filter(|deadline| *deadline != NEVER)
            {
                hash.set_deadline(&name, deadline);
            }
            Ok(())
        }),
        (Value::SortedSet(set), SCORES) => each_name(reader, |reader, name| {
            if !flag(reader)? {
                set.remove(&name);
                return Ok(());
            }
            let score = f64::from_le_bytes(reader.input.read_array()?);
            if score.is_nan() {
                return Err(reader.input.damaged("a score is not a number"));
            }
            set.insert(&name, score);
            Ok(())
        }),
        (Value::SortedSet(set), RANKS) => {
            let ranks = range(reader)?;
            if ranks.end > set.len() {
                return Err(reader.input.damaged("a sorted set has no such ranks"));
            }
            drop(set.remove_range(ranks));
            Ok(())
        }
        (Value::Stream(stream), ADDED..=NO_GROUP | EMPTIED) => apply_stream(stream, tag, reader),
        _ => Err(reader.input.damaged("a part is of another type than its key")),
    }
}

fn apply_bytes<I: Input>(string: &mut Bytes, reader: &mut Reader<'_, I>) -> Result<(), Fault> {
    let at = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
    let bytes = reader.bytes()?;
    let end = at.saturating_add(bytes.len());
    if end > reader.limits.value {
        return Err(Fault::TooLong { length: end as u64, limit: reader.limits.value });
    }
    if at > string.len() {
        return Err(reader.input.damaged("a part of a string lies outside of it"));
    }
    let whole = string.make_mut();
    whole.resize(end.max(whole.len()), 0);
    whole[at..end].copy_from_slice(&bytes);
    if whole.len() <= crate::bytes::INLINE {
        *string = Bytes::from(string.as_slice());
    }
    Ok(())
}

fn apply_list<I: Input>(list: &mut List, tag: u8, reader: &mut Reader<'_, I>) -> Result<(), Fault> {
    if tag == KEPT {
        let kept = range(reader)?;
        if kept.end > list.len() {
            return Err(reader.input.damaged("a list has no such part"));
        }
        list.truncate_to(kept);
        return Ok(());
    }
    // How many, or which.
    let number = reader.number()?;
    let at = usize::try_from(number).unwrap_or(usize::MAX);
    let end = if matches!(tag, PUSHED_FRONT | POPPED_FRONT | REMOVED_FRONT) { End::Front } else { End::Back };
    let is_there = match tag {
        PUSHED_FRONT | PUSHED_BACK => {
            for _ in 0..number {
                list.push(end, reader.bytes()?);
            }
            true
        }
        POPPED_FRONT | POPPED_BACK if at <= list.len() => {
            (0..at).for_each(|_| drop(list.pop(end)));
            true
        }
        REMOVED_FRONT | REMOVED_BACK => at > 0 && list.remove_matching(&reader.bytes()?, end, at) == at,
        INSERTED if at <= list.len() => {
            list.insert(at, reader.bytes()?);
            true
        }
        ELEMENT if at < list.len() => list.set(at, reader.bytes()?),
        _ => false,
    };
    if is_there { Ok(()) } else { Err(reader.input.damaged("a list has no such part")) }
}

fn apply_stream<I: Input>(stream: &mut Stream, tag: u8, reader: &mut Reader<'_, I>) -> Result<(), Fault> {
    match tag {
        ADDED => {
            let (id, now) = (reader.id()?, reader.number()?);
            let mut fields = Vec::new();
            for _ in 0..reader.number()? {
                fields.push((reader.bytes()?, reader.bytes()?));
            }
            if id <= stream.facts().last {
                return Err(reader.input.damaged("a stream has an entry that is not in its order"));
            }
            let parts: Vec<_> = fields.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            stream.push(id, &parts);
            stream.forget_messages(now);
        }
        TRIMMED => {
            let keep = Keep::From(reader.id()?);
            stream.trim(Trim { keep, roughly: None, references: References::Keep });
        }
        EMPTIED => drop(stream.take_entries()),
        DELETED => {
            for _ in 0..reader.number()? {
                stream.remove(reader.id()?);
            }
        }
        GROUP => return apply_group(stream, reader),
        _ => _ = stream.remove_group(&reader.bytes()?),
    }
    Ok(())
}

fn apply_group<I: Input>(stream: &mut Stream, reader: &mut Reader<'_, I>) -> Result<(), Fault> {
    let name = reader.bytes()?;
    let (last, read) = (reader.id()?, reader.optional()?);
    // It may be new.
    stream.add_group(Group::new(name.clone(), last, read));
    let changed = stream.change_group(&name, |group| {
        (group.last, group.read) = (last, read);
        for _ in 0..reader.number()? {
            let name = reader.bytes()?;
            if !flag(reader)? {
                group.remove(&name);
                continue;
            }
            let (number, _) = group.find_or_add(&name, 0);
            let (seen, active) = (reader.number()?, reader.optional()?);
            group.set_times(number, seen, active);
        }
        for _ in 0..reader.number()? {
            let id = reader.id()?;
            let [kind] = reader.input.read_array()?;
            if kind == 0 {
                group.acknowledge(id);
                continue;
            }
            let consumer = if kind == 1 { None } else { Some(group.find(&reader.bytes()?)) };
            if consumer == Some(None) || kind > 2 {
                return Err(reader.input.damaged("an entry is pending for nobody that there is"));
            }
            let (time, count) = (reader.number()?, reader.number()?);
            group.assign(id, Pending { consumer: consumer.flatten(), time, count });
        }
        Ok(())
    });
    changed.unwrap_or_else(|| Err(reader.input.damaged("a stream has no such group")))
}

fn each_name<I: Input>(
    reader: &mut Reader<'_, I>,
    mut each: impl FnMut(&mut Reader<'_, I>, Bytes) -> Result<(), Fault>,
) -> Result<(), Fault> {
    while flag(reader)? {
        let name = reader.bytes()?;
        each(reader, name)?;
    }
    Ok(())
}

/// The first and the number of what is meant.
fn range<I: Input>(reader: &mut Reader<'_, I>) -> Result<Range<usize>, Fault> {
    let (from, len) = (reader.number()?, reader.number()?);
    let from = usize::try_from(from).ok();
    let range =
        from.zip(usize::try_from(len).ok()).and_then(|(from, len)| Some(from..from.checked_add(len)?));
    range.ok_or_else(|| reader.input.damaged("it has more than memory can hold"))
}

fn flag<I: Input>(reader: &mut Reader<'_, I>) -> Result<bool, Fault> {
    match reader.input.read_array()? {
        [0] => Ok(false),
        [1] => Ok(true),
        _ => Err(reader.input.damaged("it has what is neither there nor not")),
    }
}
