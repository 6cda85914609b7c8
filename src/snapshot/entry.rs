//! One key in a snapshot: database (varint), type (u8), key, deadline, value.
//!
//! A byte string is its length (varint) and its bytes; a deadline is 0 for none, or the wall time in
//! Unix milliseconds plus 1 (varint). A string is a byte string; a collection is a count (varint) and
//! its elements: of a list the elements in order, of a set the members, of a hash each field's name,
//! value and deadline, of a sorted set each score (f64) and member in order.
//!
//! A stream is its last id, the greatest removed one, how many were ever added (an id is two varints); its
//! entries in order, each an id and counted names and values; its groups. A group is its name, last id, entries
//! read; its consumers, each a name, when it was seen and when active (milliseconds since 1970); what is pending,
//! each an id, the consumer's place, when it was delivered, and how often. What may be missing has a byte before
//! it that says whether it is there.
//!
//! A stream that knows of producers is the same, and behind it how long and how many messages are known, how many
//! were added and how many not; and its producers, each a name and its messages, each an id and what it is called.

use std::collections::HashMap;
use std::io::{self, Write};

use super::error::Fault;
use super::input::Input;
use crate::Bytes;
use crate::clock::{Clock, NEVER};
use crate::keyspace::{Limits, table};
use crate::text::number::IntegerBuffer;
use crate::value::hash::{Before, Hash};
use crate::value::list::{End, List};
use crate::value::set::Set;
use crate::value::sorted_set::SortedSet;
use crate::value::stream::{Facts, Group, Pending, Producers, Retention, Stream, StreamId};
use crate::value::{Type, Value, ValueRef};

const STRING: u8 = 0;
const LIST: u8 = 1;
const SET: u8 = 2;
const HASH: u8 = 3;
const SORTED_SET: u8 = 4;
const STREAM: u8 = 5;
const STREAM_OF_PRODUCERS: u8 = 6;

/// One moment, on the wall's clock and on the monotonic line.
#[derive(Clone, Copy)]
pub(crate) struct Moment {
    pub wall: u64,
    pub now: u64,
}

impl Moment {
    /// This one, by one look at the clock: with two, what is written would be due earlier or later by what lies between them.
    pub(crate) fn of(clock: &Clock) -> Moment {
        let now = clock.now();
        Moment { now, wall: clock.wall_of(now) }
    }

    /// A line that is the wall's clock.
    #[cfg(feature = "journal")]
    pub(crate) const WALL: Moment = Moment { wall: 0, now: 0 };

    /// A wall time, on the line: none if it has passed.
    #[cfg(feature = "journal")]
    pub(crate) fn on_line(self, wall: u64) -> Option<u64> {
        if wall == NEVER { Some(NEVER) } else { self.read(wall.saturating_add(1)) }
    }

    /// A deadline on the line, as it is written.
    pub(crate) fn write(self, deadline: u64) -> u64 {
        if deadline == NEVER {
            0
        } else {
            self.wall.saturating_add(deadline.saturating_sub(self.now)).saturating_add(1)
        }
    }

    /// A deadline as it was written, on the line: none if it has passed.
    pub(crate) fn read(self, written: u64) -> Option<u64> {
        match written.checked_sub(1) {
            None => Some(NEVER),
            Some(wall) => {
                let left = wall.checked_sub(self.wall).filter(|left| *left > 0)?;
                Some(self.now.saturating_add(left).min(NEVER - 1))
            }
        }
    }
}

/// A key with its value, as it was read.
pub(crate) struct Entry {
    pub db: u16,
    pub key: Bytes,
    pub value: Value,
    pub deadline: u64,
}

/// Writes a key with its value.
pub(crate) fn write(
    out: &mut impl Write,
    db: u16,
    entry: &table::Entry<'_>,
    moment: Moment,
) -> io::Result<()> {
    write_varint(out, db.into())?;
    out.write_all(&[match entry.value.kind() {
        Type::String => STRING,
        Type::List => LIST,
        Type::Set => SET,
        Type::Hash => HASH,
        Type::SortedSet => SORTED_SET,
        Type::Stream => match entry.value {
            ValueRef::Whole(Value::Stream(stream)) if stream.producers().is_some() => STREAM_OF_PRODUCERS,
            _ => STREAM,
        },
    }])?;
    write_bytes(out, entry.key)?;
    write_varint(out, moment.write(entry.deadline))?;
    match entry.value {
        ValueRef::Short(string) => write_bytes(out, string),
        ValueRef::Whole(value) => write_value(out, value, moment),
    }
}

fn write_value(out: &mut impl Write, value: &Value, moment: Moment) -> io::Result<()> {
    match value {
        Value::String(string) => write_bytes(out, string),
        Value::Native(native) => write_bytes(out, native.encoded().map_or(&[], |bytes| bytes)),
        Value::List(list) => {
            write_varint(out, list.len() as u64)?;
            list.iter().try_for_each(|element| write_bytes(out, &element))
        }
        Value::Set(set) => {
            write_varint(out, set.len() as u64)?;
            set.iter().try_for_each(|member| write_bytes(out, member.read(&mut IntegerBuffer::default())))
        }
        Value::Hash(hash) => {
            // Fields that are over by the snapshot's moment are not in it.
            write_varint(out, hash.len(moment.now) as u64)?;
            hash.iter(moment.now).try_for_each(|(name, value)| {
                write_bytes(out, name)?;
                write_bytes(out, value)?;
                let deadline = hash.deadline(name, moment.now);
                write_varint(out, moment.write(deadline.unwrap_or(NEVER)))
            })
        }
        Value::SortedSet(set) => {
            write_varint(out, set.len() as u64)?;
            set.iter().try_for_each(|(score, member)| {
                out.write_all(&score.to_le_bytes())?;
                write_bytes(out, member)
            })
        }
        Value::Stream(stream) => write_stream(out, stream),
    }
}

impl Entry {
    /// Reads an entry; none if its time has passed.
    pub(crate) fn read(
        input: &mut impl Input,
        moment: Moment,
        limits: Limits,
    ) -> Result<Option<Entry>, Fault> {
        let mut reader = Reader { input, limits };
        let db = reader.database()?;
        let [kind] = reader.input.read_array()?;
        let key = reader.bytes()?;
        let written = reader.number()?;
        let value = match kind {
            STRING => Value::String(reader.bytes()?),
            LIST => reader.list()?,
            SET => reader.set()?,
            HASH => reader.hash(moment)?,
            SORTED_SET => reader.sorted_set()?,
            STREAM => Value::Stream(reader.stream()?),
            STREAM_OF_PRODUCERS => Value::Stream(reader.stream_of_producers()?),
            _ => return Err(input.damaged("it has a value of an unknown type")),
        };
        let is_over = is_gone(&value);
        Ok(moment.read(written).filter(|_| !is_over).map(|deadline| Entry { db, key, value, deadline }))
    }
}

/// Whether a collection that goes when it is empty has nothing left: all fields of a hash may have expired since.
pub(crate) fn is_gone(value: &Value) -> bool {
    match value {
        Value::String(_) | Value::Stream(_) | Value::Native(_) => false,
        Value::List(list) => list.is_empty(),
        Value::Set(set) => set.is_empty(),
        Value::Hash(hash) => hash.is_empty(),
        Value::SortedSet(set) => set.is_empty(),
    }
}

/// Reads values, and refuses what no store can have written.
pub(crate) struct Reader<'i, I> {
    pub input: &'i mut I,
    pub limits: Limits,
}

impl<I: Input> Reader<'_, I> {
    pub(crate) fn database(&mut self) -> Result<u16, Fault> {
        let Ok(db) = u16::try_from(self.number()?) else {
            return Err(self.input.damaged("it has a database that no store has"));
        };
        let databases = self.limits.databases;
        if db < databases { Ok(db) } else { Err(Fault::NoSuchDatabase { index: db, databases }) }
    }

    pub(crate) fn bytes(&mut self) -> Result<Bytes, Fault> {
        let (length, limit) = (self.number()?, self.limits.value);
        let fits = usize::try_from(length).ok().filter(|length| *length <= limit);
        let length = fits.ok_or(Fault::TooLong { length, limit })?;
        self.input.read_string(length)
    }

    /// The code of each library, a count before them.
    pub(crate) fn libraries(&mut self) -> Result<Vec<Bytes>, Fault> {
        (0..self.number()?).map(|_| self.bytes()).collect()
    }

    fn list(&mut self) -> Result<Value, Fault> {
        let mut list = List::default();
        for _ in 0..self.number()? {
            list.push(End::Back, self.bytes()?);
        }
        Ok(Value::List(list))
    }

    fn set(&mut self) -> Result<Value, Fault> {
        let mut set = Set::default();
        for _ in 0..self.number()? {
            if !set.insert(&self.bytes()?) {
                return Err(self.input.damaged("a set has a member twice"));
            }
        }
        Ok(Value::Set(set))
    }

    fn hash(&mut self, moment: Moment) -> Result<Value, Fault> {
        let mut hash = Hash::default();
        for _ in 0..self.number()? {
            let (name, value) = (self.bytes()?, self.bytes()?);
            let Some(deadline) = moment.read(self.number()?) else { continue };
            if hash.insert(&name, &value) != Before::Nothing {
                return Err(self.input.damaged("a hash has a field twice"));
            }
            if deadline != NEVER {
                hash.set_deadline(&name, deadline);
            }
        }
        Ok(Value::Hash(hash))
    }

    fn stream(&mut self) -> Result<Stream, Fault> {
        let facts = Facts { last: self.id()?, max_deleted: self.id()?, added: self.number()? };
        let mut stream = Stream::default();
        let mut last = None;
        let mut fields = Vec::new();
        for _ in 0..self.number()? {
            let id = self.id()?;
            if last.is_some_and(|last| id <= last) || id > facts.last || id == StreamId::MIN {
                return Err(self.input.damaged("a stream has an entry that is not in its order"));
            }
            last = Some(id);
            fields.clear();
            for _ in 0..self.number()? {
                fields.push((self.bytes()?, self.bytes()?));
            }
            let parts: Vec<_> = fields.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            stream.restore(id, &parts);
        }
        stream.set_facts(facts);
        for _ in 0..self.number()? {
            let group = self.group()?;
            if !stream.add_group(group) {
                return Err(self.input.damaged("a stream has a group twice"));
            }
        }
        Ok(stream)
    }

    fn stream_of_producers(&mut self) -> Result<Stream, Fault> {
        let mut stream = self.stream()?;
        let small = |number: u64| u32::try_from(number).unwrap_or(0);
        let retention = Retention::new(small(self.number()?), small(self.number()?));
        let retention = retention
            .ok_or_else(|| self.input.damaged("a stream knows messages for a time that none is known"))?;
        let mut producers = Producers::of(retention);
        (producers.added, producers.duplicates) = (self.number()?, self.number()?);
        for _ in 0..self.number()? {
            let name = self.bytes()?;
            for _ in 0..self.number()? {
                let id = self.id()?;
                if !producers.restore(&name, &self.bytes()?, id) {
                    return Err(self.input.damaged("a producer has a message twice"));
                }
            }
        }
        stream.set_producers(producers);
        Ok(stream)
    }

    fn group(&mut self) -> Result<Group, Fault> {
        let (name, last, read) = (self.bytes()?, self.id()?, self.optional()?);
        let mut group = Group::new(name, last, read);
        let mut numbers = Vec::new();
        for _ in 0..self.number()? {
            let name = self.bytes()?;
            let (number, is_new) = group.find_or_add(&name, 0);
            if !is_new {
                return Err(self.input.damaged("a group has a consumer twice"));
            }
            let (seen, active) = (self.number()?, self.optional()?);
            group.set_times(number, seen, active);
            numbers.push(number);
        }
        for _ in 0..self.number()? {
            let id = self.id()?;
            let consumer = match self.optional()? {
                None => None,
                Some(at) => match usize::try_from(at).ok().and_then(|at| numbers.get(at)) {
                    Some(number) => Some(*number),
                    None => return Err(self.input.damaged("an entry is pending for nobody that there is")),
                },
            };
            let pending = Pending { consumer, time: self.number()?, count: self.number()? };
            if group.pending().get(id).is_some() {
                return Err(self.input.damaged("an entry is pending twice"));
            }
            group.assign(id, pending);
        }
        Ok(group)
    }

    pub(crate) fn number(&mut self) -> Result<u64, Fault> {
        self.input.read_varint()
    }

    pub(crate) fn id(&mut self) -> Result<StreamId, Fault> {
        Ok(StreamId::new(self.number()?, self.number()?))
    }

    pub(crate) fn optional(&mut self) -> Result<Option<u64>, Fault> {
        let [is_some] = self.input.read_array()?;
        match is_some {
            0 => Ok(None),
            1 => self.number().map(Some),
            _ => Err(self.input.damaged("it has what is neither there nor not")),
        }
    }

    fn sorted_set(&mut self) -> Result<Value, Fault> {
        let mut set = SortedSet::default();
        for _ in 0..self.number()? {
            let score = f64::from_le_bytes(self.input.read_array()?);
            if score.is_nan() {
                return Err(self.input.damaged("a score is not a number"));
            }
            if !set.insert(&self.bytes()?, score) {
                return Err(self.input.damaged("a sorted set has a member twice"));
            }
        }
        Ok(Value::SortedSet(set))
    }
}

/// See the [module](self).
fn write_stream(out: &mut impl Write, stream: &Stream) -> io::Result<()> {
    let Facts { last, max_deleted, added } = stream.facts();
    write_id(out, last)?;
    write_id(out, max_deleted)?;
    write_varint(out, added)?;
    write_varint(out, stream.len() as u64)?;
    for entry in stream.range(StreamId::MIN, StreamId::MAX) {
        write_id(out, entry.id)?;
        write_varint(out, entry.fields().count() as u64)?;
        for (name, value) in entry.fields() {
            write_bytes(out, name)?;
            write_bytes(out, value)?;
        }
    }
    write_varint(out, stream.groups().len() as u64)?;
    stream.groups().try_for_each(|group| write_group(out, group))?;
    stream.producers().map_or(Ok(()), |producers| write_producers(out, producers))
}

fn write_producers(out: &mut impl Write, producers: &Producers) -> io::Result<()> {
    let retention = producers.retention();
    write_varint(out, retention.seconds().into())?;
    write_varint(out, retention.messages().into())?;
    write_varint(out, producers.added)?;
    write_varint(out, producers.duplicates)?;
    write_varint(out, producers.iter().len() as u64)?;
    for (name, messages) in producers.iter() {
        write_bytes(out, name)?;
        write_varint(out, messages.len() as u64)?;
        for (id, message) in messages {
            write_id(out, *id)?;
            write_bytes(out, message)?;
        }
    }
    Ok(())
}

fn write_group(out: &mut impl Write, group: &Group) -> io::Result<()> {
    write_bytes(out, group.name())?;
    write_id(out, group.last)?;
    write_optional(out, group.read)?;
    write_varint(out, group.len() as u64)?;
    let mut places = HashMap::new();
    for (place, (number, consumer)) in group.consumers().enumerate() {
        places.insert(number, place as u64);
        write_bytes(out, &consumer.name)?;
        write_varint(out, consumer.seen)?;
        write_optional(out, consumer.active)?;
    }
    write_varint(out, group.pending().len() as u64)?;
    for (id, Pending { consumer, time, count }) in group.pending().from(StreamId::MIN) {
        write_id(out, id)?;
        write_optional(out, consumer.and_then(|number| places.get(&number).copied()))?;
        write_varint(out, *time)?;
        write_varint(out, *count)?;
    }
    Ok(())
}

pub(crate) fn write_id(out: &mut impl Write, id: StreamId) -> io::Result<()> {
    write_varint(out, id.ms)?;
    write_varint(out, id.seq)
}

pub(crate) fn write_optional(out: &mut impl Write, number: Option<u64>) -> io::Result<()> {
    out.write_all(&[number.is_some().into()])?;
    number.map_or(Ok(()), |number| write_varint(out, number))
}

pub(crate) fn write_bytes(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    write_varint(out, bytes.len() as u64)?;
    out.write_all(bytes)
}

pub(crate) fn write_libraries(out: &mut impl Write, codes: &[Bytes]) -> io::Result<()> {
    write_varint(out, codes.len() as u64)?;
    codes.iter().try_for_each(|code| write_bytes(out, code))
}

pub(crate) fn write_varint(out: &mut impl Write, mut value: u64) -> io::Result<()> {
    let mut buffer = [0; 10];
    let mut length = 0;
    loop {
        // Ten groups of seven bits hold any u64.
        buffer[length] = (value & 0x7f) as u8 | if value > 0x7f { 0x80 } else { 0 };
        length += 1;
        value >>= 7;
        if value == 0 {
            return out.write_all(&buffer[..length]);
        }
    }
}
