//! Strings: what SET, INCR, APPEND and their kin mean.

use std::ops::Range;

use smallvec::SmallVec;
#[cfg(feature = "commands")]
use xxhash_rust::xxh3::xxh3_64;

#[cfg(feature = "commands")]
use super::Gather;
use super::keys;
use crate::bytes::INLINE;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::{Absent, Deadline, Step, Writer};
use crate::text::long_double::LongDouble;
use crate::text::number::{self, IntegerBuffer};
use crate::value::{Kind, StringRef, Value};
use crate::{Bytes, Error, Result};

/// What a key must hold for an operation to go ahead.
#[derive(Debug, Clone)]
pub(crate) enum Condition {
    /// Anything, or nothing.
    Always,
    /// Nothing (NX).
    Absent,
    /// Anything (XX).
    Present,
    /// This string (IFEQ).
    Equal(Bytes),
    /// Nothing, or another string (IFNE).
    NotEqual(Bytes),
    /// A string of this digest (IFDEQ); none is no string's.
    #[cfg(feature = "commands")]
    DigestEqual(Option<u64>),
    /// Nothing, or a string of another digest (IFDNE).
    #[cfg(feature = "commands")]
    DigestNotEqual(Option<u64>),
}

impl Condition {
    /// # Errors
    /// [`Error::WrongType`] if a string is to be compared with what is none.
    fn holds(&self, writer: &mut Writer<'_>, key: KeyRef<'_>) -> Result<bool> {
        Ok(match self {
            Condition::Always => true,
            Condition::Absent => writer.value(key).is_none(),
            Condition::Present => writer.value(key).is_some(),
            Condition::Equal(bytes) => writer.find::<Bytes>(key)?.is_some_and(|held| *bytes == *held),
            Condition::NotEqual(bytes) => writer.find::<Bytes>(key)?.is_none_or(|held| *bytes != *held),
            #[cfg(feature = "commands")]
            Condition::DigestEqual(digest) => {
                writer.find::<Bytes>(key)?.is_some_and(|held| Some(xxh3_64(&held)) == *digest)
            }
            #[cfg(feature = "commands")]
            Condition::DigestNotEqual(digest) => {
                writer.find::<Bytes>(key)?.is_none_or(|held| Some(xxh3_64(&held)) != *digest)
            }
        })
    }
}

/// GET
#[inline(always)]
pub(crate) fn get(view: &View<'_>, key: KeyRef<'_>) -> Result<Option<Bytes>> {
    Ok(view.find::<Bytes>(key)?.map(StringRef::to_bytes))
}

/// The same, put elsewhere.
#[cfg(feature = "commands")]
#[inline]
pub(crate) fn get_to(view: &View<'_>, key: KeyRef<'_>, into: &mut impl Gather) -> Result<()> {
    match view.find::<Bytes>(key)? {
        Some(string) => into.take(string.into()),
        None => into.nothing(),
    }
    Ok(())
}

/// DIGEST
#[cfg(feature = "commands")]
pub(crate) fn digest(view: &View<'_>, key: KeyRef<'_>) -> Result<Option<u64>> {
    Ok(view.find::<Bytes>(key)?.map(|string| xxh3_64(&string)))
}

/// GET and PTTL at one instant: the value, and its deadline on the monotonic line.
pub(crate) fn get_with_deadline(view: &View<'_>, key: KeyRef<'_>) -> Result<Option<(Bytes, u64)>> {
    let Some(entry) = view.entry(key) else { return Ok(None) };
    let string = Bytes::of(entry.value).ok_or(Error::WrongType)?;
    Ok(Some((string.to_bytes(), entry.deadline)))
}

/// MGET: a key of another type counts as missing.
pub(crate) fn get_many(view: &View<'_>, keys: &[KeyRef<'_>]) -> Vec<Option<Bytes>> {
    keys.iter().map(|key| get(view, *key).unwrap_or(None)).collect()
}

/// SET, whatever the key held before.
#[inline]
pub(crate) fn set(writer: &mut Writer<'_>, key: KeyRef<'_>, value: Bytes, deadline: Deadline) -> Result<()> {
    writer.set(key, Value::String(value), deadline, KeyEvent::Set)?;
    Ok(())
}

/// SET with a condition: whether it was met.
pub(crate) fn set_if(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    value: Bytes,
    condition: &Condition,
    deadline: Deadline,
) -> Result<bool> {
    let holds = condition.holds(writer, key)?;
    if holds {
        set(writer, key, value, deadline)?;
    }
    Ok(holds)
}

/// SET with GET, GETSET: the value before, whether or not the condition was met.
pub(crate) fn swap(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    value: Bytes,
    condition: &Condition,
    deadline: Deadline,
) -> Result<Option<Bytes>> {
    writer.tell_missing(key);
    let old = writer.find::<Bytes>(key)?.map(StringRef::to_bytes);
    set_if(writer, key, value, condition, deadline)?;
    Ok(old)
}

/// MSET, MSETNX, MSETEX: sets all if the condition is met by each of the keys. Of a key that is named
/// twice the last value stays.
pub(crate) fn set_many(
    writer: &mut Writer<'_>,
    pairs: Vec<(KeyRef<'_>, Bytes)>,
    condition: &Condition,
    deadline: Deadline,
) -> Result<bool> {
    let limit = writer.space().limits().value;
    for (key, _) in &pairs {
        key.check(limit)?;
        if !condition.holds(writer, *key)? {
            return Ok(false);
        }
    }
    let sizes: Vec<_> = pairs.iter().map(|(key, value)| (*key, value.heap_bytes())).collect();
    writer.admit_many(&sizes)?;
    for (key, value) in pairs {
        set(writer, key, value, deadline)?;
    }
    Ok(true)
}

/// DELEX: whether the key was there, met the condition, and is gone.
pub(crate) fn remove_if(writer: &mut Writer<'_>, key: KeyRef<'_>, condition: &Condition) -> Result<bool> {
    Ok(condition.holds(writer, key)? && keys::remove(writer, key))
}

/// GETDEL
pub(crate) fn take(writer: &mut Writer<'_>, key: KeyRef<'_>) -> Result<Option<Bytes>> {
    writer.tell_missing(key);
    let old = writer.find::<Bytes>(key)?.map(StringRef::to_bytes);
    keys::remove(writer, key);
    Ok(old)
}

/// GETEX: the value, with its deadline kept, cleared (PERSIST) or changed.
pub(crate) fn get_and_expire(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    deadline: Deadline,
) -> Result<Option<Bytes>> {
    writer.tell_missing(key);
    let value = writer.find::<Bytes>(key)?.map(StringRef::to_bytes);
    match deadline {
        Deadline::Keep => false,
        Deadline::Clear => keys::persist(writer, key),
        Deadline::At(at) => keys::expire(writer, key, at, keys::ExpireIf::Always),
    };
    Ok(value)
}

/// INCR, INCRBY, DECR, DECRBY: the new value. A missing key counts as 0, an empty string as no number.
pub(crate) fn increase(writer: &mut Writer<'_>, key: KeyRef<'_>, by: i64) -> Result<i64> {
    let mut buffer = IntegerBuffer::default();
    let Some((at, old)) = writer.find_at::<Bytes>(key)? else {
        let value = Value::String(Bytes::from(number::format_i64(by, &mut buffer)));
        writer.set(key, value, Deadline::Clear, KeyEvent::IncrBy)?;
        return Ok(by);
    };
    let Some(old) = number::parse_i64(&old) else { return Err(Error::NotAnInteger) };
    let Some(new) = old.checked_add(by) else { return Err(Error::Overflow) };
    writer.rewrite(key, at, number::format_i64(new, &mut buffer), KeyEvent::IncrBy);
    Ok(new)
}

/// INCRBYFLOAT: the new value, as it is stored.
pub(crate) fn increase_float(writer: &mut Writer<'_>, key: KeyRef<'_>, by: LongDouble) -> Result<Bytes> {
    let add = |old: &[u8]| {
        let old = LongDouble::parse(old).ok_or(Error::NotAFloat)?;
        old.checked_add(&by).map(|sum| Bytes::from(sum.to_human())).ok_or(Error::NanOrInfinity)
    };
    let Some((at, old)) = writer.find_at::<Bytes>(key)? else {
        let new = add(b"0")?;
        writer.set(key, Value::String(new.clone()), Deadline::Clear, KeyEvent::IncrByFloat)?;
        return Ok(new);
    };
    let new = add(&old)?;
    writer.rewrite(key, at, &new, KeyEvent::IncrByFloat);
    Ok(new)
}

/// The same, `None` if there is no such key.
#[cfg(feature = "commands")]
pub(crate) fn len_if_any(view: &View<'_>, key: KeyRef<'_>) -> Result<Option<usize>> {
    Ok(view.find::<Bytes>(key)?.map(|string| string.len()))
}

/// STRLEN
pub(crate) fn len(view: &View<'_>, key: KeyRef<'_>) -> Result<usize> {
    Ok(view.find::<Bytes>(key)?.map_or(0, |string| string.len()))
}

/// APPEND: the new length.
pub(crate) fn append(writer: &mut Writer<'_>, key: KeyRef<'_>, tail: Bytes) -> Result<usize> {
    let (limit, added) = (writer.space().limits().value, tail.len());
    let len = writer.update(key, Absent::Create, |string: &mut Bytes| {
        let len = string.len().saturating_add(tail.len());
        if len > limit {
            return Err(Error::TooLong);
        }
        if string.is_empty() {
            *string = tail;
        } else if len <= INLINE {
            let mut joined = SmallVec::<[u8; INLINE]>::from_slice(string);
            joined.extend_from_slice(&tail);
            *string = Bytes::from(&joined[..]);
        } else {
            string.make_mut().extend_from_slice(&tail);
        }
        Ok((len, Some(KeyEvent::Append)))
    })?;
    let len = len.unwrap_or(0);
    writer.note(key, &Step::Bytes { at: len.saturating_sub(added), len: added });
    Ok(len)
}

/// GETRANGE: what lies between two inclusive ends, which count from the end where negative.
pub(crate) fn range(view: &View<'_>, key: KeyRef<'_>, start: i64, stop: i64) -> Result<Bytes> {
    let Some(string) = view.find::<Bytes>(key)? else { return Ok(Bytes::new()) };
    let range = substring(start, stop, string.len());
    if range.len() == string.len() {
        return Ok(string.to_bytes());
    }
    Ok(Bytes::from(string.get(range).unwrap_or_default()))
}

/// SETRANGE: the new length. Nothing is made or changed by an empty patch.
pub(crate) fn set_range(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    offset: usize,
    patch: &[u8],
) -> Result<usize> {
    if patch.is_empty() {
        return Ok(writer.find::<Bytes>(key)?.map_or(0, |string| string.len()));
    }
    let end = offset.saturating_add(patch.len());
    let limit = writer.space().limits().value;
    let mut is_within = false;
    let len = writer.update(key, Absent::Create, |string: &mut Bytes| {
        if end > limit {
            return Err(Error::TooLong);
        }
        is_within = offset <= string.len();
        edit(string, |bytes| {
            if bytes.len() < end {
                bytes.resize(end, 0);
            }
            // Just made long enough.
            if let Some(part) = bytes.get_mut(offset..end) {
                part.copy_from_slice(patch);
            }
        });
        Ok((string.len(), Some(KeyEvent::SetRange)))
    })?;
    if is_within {
        writer.note(key, &Step::Bytes { at: offset, len: patch.len() });
    }
    Ok(len.unwrap_or(0))
}

/// Two strings at one instant, missing ones as empty: what LCS compares when the locks are free.
pub(crate) fn get_two(view: &View<'_>, keys: [KeyRef<'_>; 2]) -> Result<[Bytes; 2]> {
    // Both are looked at before either is of the wrong type.
    let [a, b] = keys.map(|key| get(view, key));
    Ok([a?.unwrap_or_default(), b?.unwrap_or_default()])
}

/// Writes into a string's bytes; a short string is kept inline again.
pub(super) fn edit<R>(string: &mut Bytes, change: impl FnOnce(&mut Vec<u8>) -> R) -> R {
    let result = change(string.make_mut());
    if string.len() <= INLINE {
        *string = Bytes::from(string.as_slice());
    }
    result
}

/// GETRANGE's rule, which is not that of lists: ends before the start mean the first byte, unless
/// both are negative and in the wrong order.
fn substring(start: i64, stop: i64, len: usize) -> Range<usize> {
    if len == 0 || (start < 0 && stop < 0 && start > stop) {
        return 0..0;
    }
    // A string in memory is never longer than `i64::MAX`.
    let total = i64::try_from(len).unwrap_or(i64::MAX);
    let place = |end: i64| if end < 0 { end.saturating_add(total).max(0) } else { end };
    let (start, stop) = (place(start), place(stop).min(total - 1));
    if start > stop {
        return 0..0;
    }
    // 0 <= start <= stop < len, so both have a `usize`.
    start as usize..stop as usize + 1
}
