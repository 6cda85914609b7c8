//! Values from bytes, in every encoding that a server has written since Redis 2.

use std::io::BufRead;

use super::error::Fault;
use super::kind::*;
use super::listpack::Listpack;
use super::reader::Reader;
use super::ziplist::Ziplist;
use super::{Bad, Element, Version, intset, zipmap};
use crate::Bytes;
use crate::clock::{Clock, NEVER};
use crate::text::number::{IntegerBuffer, format_i64, parse_f64};
use crate::value::Value;
use crate::value::hash::{Before, Hash};
use crate::value::list::{End, List};
use crate::value::set::Set;
use crate::value::sorted_set::SortedSet;

/// What was read.
pub(super) enum Decoded {
    Value(Value),
    /// A collection of nothing, which no server keeps.
    Empty,
    /// A hash of which all fields have expired.
    Over,
}

/// Reads values; see the [module](self).
pub(super) struct Decoder<'d, R> {
    pub reader: &'d mut Reader<R>,
    pub version: Version,
    pub clock: &'d Clock,
    /// The time now, since 1970.
    pub wall: u64,
}

impl<R: BufRead> Decoder<'_, R> {
    /// The value of a type that can be held; `None`, and nothing read, for another.
    pub(super) fn value(&mut self, kind: u8) -> Result<Option<Decoded>, Fault> {
        let value = match kind {
            STRING => Value::String(self.reader.string()?),
            LIST | LIST_ZIPLIST | LIST_QUICKLIST | LIST_QUICKLIST_2 => Value::List(self.list(kind)?),
            SET | SET_INTSET | SET_LISTPACK => Value::Set(self.set(kind)?),
            ZSET | ZSET_2 | ZSET_ZIPLIST | ZSET_LISTPACK => Value::SortedSet(self.sorted_set(kind)?),
            HASH_LISTPACK_EX_OLD | STREAM_4 | STREAM_5 if self.version.is_valkey() => return Ok(None),
            STREAM | STREAM_2 | STREAM_3 | STREAM_4 | STREAM_5 => {
                Value::Stream(super::stream::read(self.reader, kind)?)
            }
            HASH | HASH_ZIPMAP | HASH_ZIPLIST | HASH_LISTPACK | HASH_22..=HASH_LISTPACK_EX => {
                let mut fields =
                    Fields { clock: self.clock, wall: self.wall, hash: Hash::default(), over: false };
                self.hash(kind, &mut fields)?;
                if fields.hash.is_empty() && fields.over {
                    return Ok(Some(Decoded::Over));
                }
                Value::Hash(fields.hash)
            }
            _ => return Ok(None),
        };
        let is_empty = match &value {
            Value::List(list) => list.is_empty(),
            Value::Set(set) => set.is_empty(),
            Value::Hash(hash) => hash.is_empty(),
            Value::SortedSet(set) => set.is_empty(),
            // A stream may have nothing in it.
            Value::String(_) | Value::Stream(_) | Value::Native(_) => false,
        };
        Ok(Some(if is_empty { Decoded::Empty } else { Decoded::Value(value) }))
    }

    fn list(&mut self, kind: u8) -> Result<List, Fault> {
        let mut list = List::default();
        if kind == LIST_ZIPLIST {
            push(&mut list, Ziplist::new(&self.reader.string()?)?)?;
            return Ok(list);
        }
        for _ in 0..self.reader.length()? {
            match kind {
                LIST => list.push(End::Back, self.reader.string()?),
                LIST_QUICKLIST => push(&mut list, Ziplist::new(&self.reader.string()?)?)?,
                _ => match self.reader.length()? {
                    NODE_PLAIN => list.push(End::Back, self.reader.string()?),
                    NODE_PACKED => push(&mut list, Listpack::new(&self.reader.string()?)?)?,
                    _ => return Err(Fault::Damaged("a list has a node of an unknown kind")),
                },
            }
        }
        Ok(list)
    }

    fn set(&mut self, kind: u8) -> Result<Set, Fault> {
        let mut set = Set::default();
        let mut add = |member: &Bytes| match set.insert(member) {
            true => Ok(()),
            false => Err(Fault::Damaged("a set has a member twice")),
        };
        match kind {
            SET => {
                for _ in 0..self.reader.length()? {
                    add(&self.reader.string()?)?;
                }
            }
            SET_INTSET => {
                for integer in intset::read(&self.reader.string()?)? {
                    add(&format_i64(integer, &mut IntegerBuffer::default()).into())?;
                }
            }
            _ => {
                for member in Listpack::new(&self.reader.string()?)? {
                    add(&member?.into())?;
                }
            }
        }
        Ok(set)
    }

    fn sorted_set(&mut self, kind: u8) -> Result<SortedSet, Fault> {
        let mut set = SortedSet::default();
        match kind {
            ZSET | ZSET_2 => {
                for _ in 0..self.reader.length()? {
                    let member = self.reader.string()?;
                    let score = match kind {
                        ZSET => self.score_as_text()?,
                        _ => f64::from_le_bytes(self.reader.array()?),
                    };
                    add_scored(&mut set, &member, score)?;
                }
            }
            ZSET_ZIPLIST => add_all_scored(&mut set, Ziplist::new(&self.reader.string()?)?)?,
            _ => add_all_scored(&mut set, Listpack::new(&self.reader.string()?)?)?,
        }
        Ok(set)
    }

    /// A score as it was written before Redis 4: its length and its text, or a mark.
    fn score_as_text(&mut self) -> Result<f64, Fault> {
        match self.reader.byte()? {
            253 => Ok(f64::NAN),
            254 => Ok(f64::INFINITY),
            255 => Ok(f64::NEG_INFINITY),
            length => score(&self.reader.raw(length.into())?),
        }
    }

    fn hash(&mut self, kind: u8, fields: &mut Fields<'_>) -> Result<(), Fault> {
        match kind {
            HASH_ZIPMAP => {
                let bytes = self.reader.string()?;
                return zipmap::read(&bytes)?
                    .into_iter()
                    .try_for_each(|(name, value)| fields.add(&name.into(), &value.into(), None));
            }
            HASH_ZIPLIST => return fields.add_pairs(Ziplist::new(&self.reader.string()?)?),
            HASH_LISTPACK => return fields.add_pairs(Listpack::new(&self.reader.string()?)?),
            HASH_LISTPACK_EX_OLD => return fields.add_triples(Listpack::new(&self.reader.string()?)?),
            HASH_LISTPACK_EX => {
                // When the first field expires, which the fields tell themselves.
                let _ = self.reader.array::<8>()?;
                return fields.add_triples(Listpack::new(&self.reader.string()?)?);
            }
            _ => {}
        }
        let first = if kind == HASH_METADATA { u64::from_le_bytes(self.reader.array()?) } else { 0 };
        let is_valkey = kind == HASH_22 && self.version.is_valkey();
        for _ in 0..self.reader.length()? {
            let mut deadline = None;
            if kind != HASH && !is_valkey {
                let written = self.reader.length()?;
                let after_first = if kind == HASH_METADATA { first.checked_sub(1) } else { Some(0) };
                deadline = match (written, after_first) {
                    (0, _) => None,
                    (_, Some(first)) => Some(written.checked_add(first).ok_or(TOO_LATE)?),
                    (_, None) => return Err(TOO_LATE.into()),
                };
            }
            let (name, value) = (self.reader.string()?, self.reader.string()?);
            if is_valkey {
                // -1 is none.
                let written = i64::from_le_bytes(self.reader.array()?);
                deadline = (written != -1).then(|| u64::try_from(written).unwrap_or(0));
            }
            fields.add(&name, &value, deadline)?;
        }
        Ok(())
    }
}

const TOO_LATE: Bad = "a field expires at a time that there is not";
const ODD: Bad = "a packed collection ends within an element";

fn push<'e>(list: &mut List, elements: impl Iterator<Item = Result<Element<'e>, Bad>>) -> Result<(), Fault> {
    for element in elements {
        list.push(End::Back, element?.into());
    }
    Ok(())
}

fn add_scored(set: &mut SortedSet, member: &Bytes, score: f64) -> Result<(), Fault> {
    if score.is_nan() {
        return Err(Fault::Damaged("a score is not a number"));
    }
    if !set.insert(member, score) {
        return Err(Fault::Damaged("a sorted set has a member twice"));
    }
    Ok(())
}

fn add_all_scored<'e>(
    set: &mut SortedSet,
    mut elements: impl Iterator<Item = Result<Element<'e>, Bad>>,
) -> Result<(), Fault> {
    while let Some(member) = elements.next().transpose()? {
        let score = match elements.next().ok_or(ODD)?? {
            Element::Integer(whole) => whole as f64,
            Element::Text(text) => self::score(text)?,
        };
        add_scored(set, &member.into(), score)?;
    }
    Ok(())
}

fn score(text: &[u8]) -> Result<f64, Fault> {
    parse_f64(text).ok_or(Fault::Damaged("a score is not a number"))
}

/// A hash that is being read.
struct Fields<'f> {
    clock: &'f Clock,
    wall: u64,
    hash: Hash,
    /// Whether a field was left out as it had expired.
    over: bool,
}

impl Fields<'_> {
    /// A field with the wall time at which it expires, if it does.
    fn add(&mut self, name: &Bytes, value: &Bytes, deadline: Option<u64>) -> Result<(), Fault> {
        if deadline.is_some_and(|deadline| deadline <= self.wall) {
            self.over = true;
            return Ok(());
        }
        if self.hash.insert(name, value) != Before::Nothing {
            return Err(Fault::Damaged("a hash has a field twice"));
        }
        if let Some(deadline) = deadline {
            self.hash.set_deadline(name, self.clock.moment_of(deadline).min(NEVER - 1));
        }
        Ok(())
    }

    fn add_pairs<'e>(
        &mut self,
        mut elements: impl Iterator<Item = Result<Element<'e>, Bad>>,
    ) -> Result<(), Fault> {
        while let Some(name) = elements.next().transpose()? {
            let value = elements.next().ok_or(ODD)??;
            self.add(&name.into(), &value.into(), None)?;
        }
        Ok(())
    }

    /// Names, values and deadlines, 0 for none.
    fn add_triples<'e>(
        &mut self,
        mut elements: impl Iterator<Item = Result<Element<'e>, Bad>>,
    ) -> Result<(), Fault> {
        while let Some(name) = elements.next().transpose()? {
            let value = elements.next().ok_or(ODD)??;
            let Element::Integer(deadline) = elements.next().ok_or(ODD)?? else {
                return Err(TOO_LATE.into());
            };
            let deadline = u64::try_from(deadline).map_err(|_| TOO_LATE)?;
            self.add(&name.into(), &value.into(), (deadline > 0).then_some(deadline))?;
        }
        Ok(())
    }
}
