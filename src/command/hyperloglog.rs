//! HyperLogLogs: what PFADD, PFCOUNT and PFMERGE mean.

use super::string::edit;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::{Absent, Step, Writer};
use crate::value::hyperloglog::{self, Corrupted, Form, HyperLogLog, Registers};
use crate::{Bytes, Error, Result};

/// PFADD: whether a register changed, or the key is new. Of several elements those are added that come before one that
/// meets what is corrupted, as in Redis, and nobody hears of them.
pub(crate) fn insert(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    elements: &[Bytes],
    sparse_max: usize,
) -> Result<bool> {
    let is_new = is_new(writer, key)?;
    let inserted = change(writer, key, Absent::Create, |bytes| {
        let mut changed = is_new;
        for element in elements {
            match hyperloglog::insert(bytes, element, sparse_max) {
                Ok(raised) => changed |= raised,
                Err(corrupted) => return Ok((Err(corrupted), None)),
            }
        }
        if changed {
            hyperloglog::forget_count(bytes);
        }
        Ok((Ok(changed), changed.then_some(KeyEvent::PfAdd)))
    })?;
    if inserted.is_err() {
        writer.note_unheard(key);
    }
    Ok(inserted?)
}

/// PFCOUNT of one key, if the count is known from the last time: 0 for a missing key.
pub(crate) fn kept_count(view: &View<'_>, key: KeyRef<'_>) -> Result<Option<u64>> {
    let Some(string) = view.find::<Bytes>(key)? else { return Ok(Some(0)) };
    Ok(read(&string)?.kept_count())
}

/// PFCOUNT of one key: counts, and keeps the count with it. To Redis that is a change, though no subscriber is told
/// ([`KeyEvent::PfCount`]); to who counts in Rust it is none.
pub(crate) fn count(writer: &mut Writer<'_>, key: KeyRef<'_>, change_is: Option<KeyEvent>) -> Result<u64> {
    let count = match writer.find::<Bytes>(key)? {
        Some(string) => read(&string)?.count()?,
        None => return Ok(0),
    };
    let count = change(writer, key, Absent::Skip, |bytes| {
        hyperloglog::keep_count(bytes, count);
        Ok((count, change_is))
    })?;
    writer.note(key, &Step::Bytes { at: 0, len: hyperloglog::HEADER });
    Ok(count)
}

/// PFCOUNT of several keys: what they have seen together.
pub(crate) fn union_count(view: &View<'_>, keys: &[KeyRef<'_>]) -> Result<u64> {
    Ok(union(view, keys)?.0.count())
}

/// PFMERGE: the destination has seen what the sources have, too.
pub(crate) fn merge(
    writer: &mut Writer<'_>,
    destination: KeyRef<'_>,
    sources: &[KeyRef<'_>],
    sparse_max: usize,
) -> Result<()> {
    let keys = [&[destination], sources].concat();
    let (registers, form) = union(&writer.view(), &keys)?;
    change(writer, destination, Absent::Create, |bytes| {
        if form == Form::Dense {
            hyperloglog::make_dense(bytes)?;
        }
        hyperloglog::raise_all(bytes, &registers, sparse_max)?;
        hyperloglog::forget_count(bytes);
        Ok(((), Some(KeyEvent::PfAdd)))
    })
}

/// PFDEBUG TODENSE: whether it was sparse; nothing if the key is missing. What it has seen stays the same: that
/// is no change that anybody hears of.
#[cfg(feature = "commands")]
pub(crate) fn make_dense(writer: &mut Writer<'_>, key: KeyRef<'_>) -> Result<Option<bool>> {
    if is_new(writer, key)? {
        return Ok(None);
    }
    let was_sparse =
        change(writer, key, Absent::Skip, |bytes| Ok((Some(hyperloglog::make_dense(bytes)?), None)))?;
    writer.note_unheard(key);
    Ok(was_sparse)
}

/// What PFDEBUG tells of a key.
#[cfg(feature = "commands")]
pub(crate) fn inspect<R>(
    view: &View<'_>,
    key: KeyRef<'_>,
    tell: impl FnOnce(HyperLogLog<'_>) -> Result<R>,
) -> Result<Option<R>> {
    let Some(string) = view.find::<Bytes>(key)? else { return Ok(None) };
    read(&string).and_then(tell).map(Some)
}

/// What several keys have seen together, and whether one of them is dense.
fn union(view: &View<'_>, keys: &[KeyRef<'_>]) -> Result<(Registers, Form)> {
    let (mut registers, mut form) = (Registers::new(), Form::Sparse);
    for key in keys {
        let Some(string) = view.find::<Bytes>(*key)? else { continue };
        let log = read(&string)?;
        log.raise_into(&mut registers)?;
        if log.form() == Form::Dense {
            form = Form::Dense;
        }
    }
    Ok((registers, form))
}

/// Whether the key is missing.
///
/// # Errors
/// Those of what it holds, if that is no HyperLogLog.
fn is_new(writer: &mut Writer<'_>, key: KeyRef<'_>) -> Result<bool> {
    match writer.find::<Bytes>(key)? {
        Some(string) => read(&string).map(|_| false),
        None => Ok(true),
    }
}

fn read(string: &[u8]) -> Result<HyperLogLog<'_>> {
    HyperLogLog::of(string).ok_or(Error::NotAHyperLogLog)
}

/// Changes the bytes of what is known to be a HyperLogLog, or of an empty one if the key is missing. They are as
/// they were where `change` gives an error, and mean the same where it gives no event.
fn change<R>(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    absent: Absent,
    change: impl FnOnce(&mut Vec<u8>) -> Result<(R, Option<KeyEvent>), Corrupted>,
) -> Result<R> {
    let changed = writer.update(key, absent, |string: &mut Bytes| {
        // The dense form is never found to be corrupted when half of a change is done.
        let is_dense = HyperLogLog::of(string).is_some_and(|log| log.form() == Form::Dense);
        let before = (!is_dense).then(|| string.clone());
        let result = edit(string, |bytes| {
            if bytes.is_empty() {
                *bytes = hyperloglog::empty();
            }
            change(bytes)
        });
        if let (Err(_), Some(before)) = (&result, before) {
            *string = before;
        }
        Ok(result?)
    })?;
    // There is a value to change: it was seen, or made.
    changed.ok_or(Error::NotAHyperLogLog)
}

impl From<Corrupted> for Error {
    fn from(_: Corrupted) -> Self {
        Error::CorruptedHyperLogLog
    }
}
