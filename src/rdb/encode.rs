//! Values to bytes, in the encodings that a server of that version picks itself by its defaults.

use std::io::{self, Write};

use super::kind::*;
use super::listpack::Builder;
use super::{Version, intset, lzf, stream};
use crate::clock::{Clock, NEVER};
use crate::command::object::{Limits, is_of_integers, is_small_hash, is_small_set, is_small_sorted_set};
use crate::text::number::{IntegerBuffer, format_general, format_score, parse_i64};
use crate::value::hash::Hash;
use crate::value::list::List;
use crate::value::set::{Member, Set};
use crate::value::sorted_set::SortedSet;
use crate::value::{Value, ValueRef};

/// The bytes of a node of a list, and what an element is thought to add beside itself.
const NODE: usize = 8 * 1024;
const AROUND: usize = 8;
/// Strings of fewer bytes are not compressed.
const COMPRESSED: usize = 21;
/// Members of a sorted set that are taken out at a time.
const BATCH: usize = 1024;

/// What is written, in which encoding.
pub(super) struct Encoding<'e> {
    value: ValueRef<'e>,
    kind: u8,
    version: Version,
    clock: &'e Clock,
    now: u64,
}

impl<'e> Encoding<'e> {
    /// The encoding of a value.
    ///
    /// # Errors
    /// What the value has that this version has not.
    pub(super) fn of(
        value: ValueRef<'e>,
        version: Version,
        clock: &'e Clock,
        now: u64,
    ) -> Result<Self, &'static str> {
        let kind = match value {
            ValueRef::Short(_) => STRING,
            ValueRef::Whole(value) => kind(value, version, now)?,
        };
        Ok(Encoding { value, kind, version, clock, now })
    }

    /// The byte that says which it is.
    pub(super) fn kind(&self) -> u8 {
        self.kind
    }

    /// Writes the value.
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        match self.value {
            ValueRef::Short(string) => write_string(out, string),
            ValueRef::Whole(Value::String(string)) => write_string(out, string),
            ValueRef::Whole(Value::Native(native)) => {
                write_string(out, native.encoded().map_or(&[], |bytes| bytes))
            }
            ValueRef::Whole(Value::List(list)) => self.list(out, list),
            ValueRef::Whole(Value::Set(set)) => self.set(out, set),
            ValueRef::Whole(Value::Hash(hash)) => self.hash(out, hash),
            ValueRef::Whole(Value::SortedSet(set)) => self.sorted_set(out, set),
            ValueRef::Whole(Value::Stream(stream)) => stream::write(out, stream, self.kind),
        }
    }

    /// Nodes of up to 8 KB each, and longer elements by themselves.
    fn list(&self, out: &mut impl Write, list: &List) -> io::Result<()> {
        let mut nodes = 0_u64;
        self::nodes(list, self.version, |_, _| {
            nodes += 1;
            Ok(())
        })?;
        write_length(out, nodes)?;
        self::nodes(list, self.version, |container, bytes| {
            write_length(out, container)?;
            write_string(out, bytes)
        })
    }

    fn set(&self, out: &mut impl Write, set: &Set) -> io::Result<()> {
        match self.kind {
            SET_INTSET => {
                let mut integers: Vec<i64> = set
                    .iter()
                    .filter_map(|member| match member {
                        Member::Integer(integer) => Some(integer),
                        Member::Text(text) => parse_i64(text),
                    })
                    .collect();
                integers.sort_unstable();
                write_string(out, &intset::write(&integers))
            }
            SET_LISTPACK => {
                let mut packed = Builder::new();
                set.iter().for_each(|member| packed.push(member.read(&mut IntegerBuffer::default())));
                write_string(out, &packed.finish())
            }
            _ => {
                write_length(out, set.len() as u64)?;
                set.iter()
                    .try_for_each(|member| write_string(out, member.read(&mut IntegerBuffer::default())))
            }
        }
    }

    fn hash(&self, out: &mut impl Write, hash: &Hash) -> io::Result<()> {
        let deadline = |name: &[u8]| match hash.deadline(name, self.now) {
            None | Some(NEVER) => None,
            Some(deadline) => Some(self.clock.wall_of(deadline)),
        };
        let fields = || hash.iter(self.now);
        match self.kind {
            HASH_LISTPACK => {
                let mut packed = Builder::new();
                for (name, value) in fields() {
                    packed.push(name);
                    packed.push(value);
                }
                return write_string(out, &packed.finish());
            }
            HASH_LISTPACK_EX => {
                // In the order of the deadlines, those without at the end.
                let mut all: Vec<_> = fields().map(|(name, value)| (deadline(name), name, value)).collect();
                all.sort_by_key(|(deadline, ..)| deadline.unwrap_or(NEVER));
                let first = all.first().and_then(|(deadline, ..)| *deadline);
                out.write_all(&first.unwrap_or(0).to_le_bytes())?;
                let mut packed = Builder::new();
                for (deadline, name, value) in all {
                    packed.push(name);
                    packed.push(value);
                    packed.push_integer(i64::try_from(deadline.unwrap_or(0)).unwrap_or(i64::MAX));
                }
                return write_string(out, &packed.finish());
            }
            _ => {}
        }
        let first = fields().filter_map(|(name, _)| deadline(name)).min().unwrap_or(0);
        if self.kind == HASH_METADATA {
            out.write_all(&first.to_le_bytes())?;
        }
        write_length(out, hash.len(self.now) as u64)?;
        for (name, value) in fields() {
            if self.kind == HASH_METADATA {
                write_length(
                    out,
                    deadline(name).map_or(0, |deadline| deadline.saturating_sub(first).saturating_add(1)),
                )?;
            }
            write_string(out, name)?;
            write_string(out, value)?;
            if self.kind == HASH_22 {
                let deadline = deadline(name).map(|deadline| i64::try_from(deadline).unwrap_or(i64::MAX));
                out.write_all(&deadline.unwrap_or(-1).to_le_bytes())?;
            }
        }
        Ok(())
    }

    fn sorted_set(&self, out: &mut impl Write, set: &SortedSet) -> io::Result<()> {
        if self.kind == ZSET_LISTPACK {
            let mut packed = Builder::new();
            for (score, member) in set.iter() {
                packed.push(member);
                packed.push(&match self.version.0 {
                    10 => format_general(score),
                    _ => format_score(score),
                });
            }
            return write_string(out, &packed.finish());
        }
        // From the highest score down, so that the reader puts each before all others.
        write_length(out, set.len() as u64)?;
        let mut end = set.len();
        while end > 0 {
            let start = end.saturating_sub(BATCH);
            for (score, member) in set.scored(start..end).iter().rev() {
                write_string(out, member)?;
                out.write_all(&score.to_le_bytes())?;
            }
            end = start;
        }
        Ok(())
    }
}

/// The nodes that a list falls into.
pub(super) fn nodes(
    list: &List,
    version: Version,
    mut each: impl FnMut(u64, &[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut node = Builder::new();
    for element in list.iter() {
        // Redis 7.0 keeps but elements of a gigabyte by themselves.
        let is_plain = element.len() > NODE && version.0 > 10;
        if (is_plain || node.len() + element.len() + AROUND > NODE) && !node.is_empty() {
            each(NODE_PACKED, &std::mem::replace(&mut node, Builder::new()).finish())?;
        }
        match is_plain {
            true => each(NODE_PLAIN, &element)?,
            false => node.push(&element),
        }
    }
    if node.is_empty() { Ok(()) } else { each(NODE_PACKED, &node.finish()) }
}

/// Which collections are written in small forms, whatever is configured: a server reads either.
const LIMITS: Limits = Limits::DEFAULT;

fn kind(value: &Value, version: Version, now: u64) -> Result<u8, &'static str> {
    Ok(match value {
        Value::String(_) | Value::Native(_) => STRING,
        Value::List(_) => LIST_QUICKLIST_2,
        Value::Set(set) if is_of_integers(set, LIMITS.integers) => SET_INTSET,
        Value::Set(set) if version.0 > 10 && is_small_set(set, LIMITS.set) => SET_LISTPACK,
        Value::Set(_) => SET,
        Value::Hash(hash) => {
            let expires = hash.next_deadline() != NEVER
                && hash.iter(now).any(|(name, _)| hash.deadline(name, now).is_some_and(|at| at != NEVER));
            match (expires, is_small_hash(hash, now, LIMITS.hash)) {
                (true, _) if version.0 < 12 => return Err("a hash with fields that expire"),
                (true, _) if version.is_valkey() => HASH_22,
                (true, true) => HASH_LISTPACK_EX,
                (true, false) => HASH_METADATA,
                (false, true) => HASH_LISTPACK,
                (false, false) => HASH,
            }
        }
        Value::SortedSet(set) if is_small_sorted_set(set, LIMITS.sorted_set) => ZSET_LISTPACK,
        Value::SortedSet(_) => ZSET_2,
        Value::Stream(_) if version.0 >= 14 && !version.is_valkey() => STREAM_5,
        Value::Stream(stream) if stream::has_unowned(stream) => {
            return Err("a stream with entries that are pending for nobody");
        }
        Value::Stream(_) if version.0 == 13 => STREAM_4,
        Value::Stream(stream) if stream.producers().is_some() => {
            return Err("a stream with messages under ids of their producers");
        }
        Value::Stream(_) if version.0 == 10 => STREAM_2,
        Value::Stream(_) => STREAM_3,
    })
}

/// A string: as an integer if it is one of 32 bits, else compressed if that pays.
pub(super) fn write_string(out: &mut impl Write, string: &[u8]) -> io::Result<()> {
    if let Some(integer) = parse_i64(string).and_then(|integer| i32::try_from(integer).ok()) {
        let bytes = integer.to_le_bytes();
        return match integer {
            -0x80..=0x7f => out.write_all(&[0xc0, bytes[0]]),
            -0x8000..=0x7fff => out.write_all(&[0xc1, bytes[0], bytes[1]]),
            _ => out.write_all(&[0xc2, bytes[0], bytes[1], bytes[2], bytes[3]]),
        };
    }
    let small = if string.len() >= COMPRESSED { lzf::compress(string) } else { None };
    match small {
        Some(small) => {
            out.write_all(&[0xc3])?;
            write_length(out, small.len() as u64)?;
            write_length(out, string.len() as u64)?;
            out.write_all(&small)
        }
        None => {
            write_length(out, string.len() as u64)?;
            out.write_all(string)
        }
    }
}

/// A length, see [`super::reader`].
pub(super) fn write_length(out: &mut impl Write, length: u64) -> io::Result<()> {
    let bytes = length.to_be_bytes();
    match u32::try_from(length) {
        Ok(0..=0x3f) => out.write_all(&bytes[7..]),
        Ok(0..=0x3fff) => out.write_all(&[0x40 | bytes[6], bytes[7]]),
        Ok(_) => {
            out.write_all(&[0x80])?;
            out.write_all(&bytes[4..])
        }
        Err(_) => {
            out.write_all(&[0x81])?;
            out.write_all(&bytes)
        }
    }
}
