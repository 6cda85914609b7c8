//! Strings as arrays of bits: what SETBIT, BITOP, BITFIELD and their kin mean.

use super::string::edit;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::Limits;
use crate::keyspace::view::View;
use crate::keyspace::writer::{Absent, Deadline, Step, Writer};
use crate::value::bitfield::{self, BitInt, Overflow};
use crate::value::bits::{self, BitOp, BitUnit, Within};
use crate::value::{StringRef, Value};
use crate::{Bytes, Error, Result};

/// One step of a BITFIELD; offsets are in bits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FieldOp {
    Get { int: BitInt, offset: u64 },
    Set { int: BitInt, offset: u64, value: i64, overflow: Overflow },
    Incr { int: BitInt, offset: u64, by: i64, overflow: Overflow },
}

/// GETBIT
pub(crate) fn get(view: &View<'_>, key: KeyRef<'_>, offset: u64) -> Result<bool> {
    check(offset, 1, view.space().limits())?;
    Ok(view.find::<Bytes>(key)?.is_some_and(|string| bits::get(string.as_slice(), offset)))
}

/// SETBIT: the bit before. The string grows to hold the bit, also where that is cleared.
pub(crate) fn set(writer: &mut Writer<'_>, key: KeyRef<'_>, offset: u64, bit: bool) -> Result<bool> {
    check(offset, 1, writer.space().limits())?;
    let mut has_byte = false;
    let old = writer.update(key, Absent::Create, |string: &mut Bytes| {
        let old = bits::get(string, offset);
        let grows = offset / 8 >= string.len() as u64;
        if !grows && old == bit {
            return Ok((old, None));
        }
        has_byte = !grows;
        edit(string, |bytes| bits::set(bytes, offset, bit));
        Ok((old, Some(KeyEvent::SetBit)))
    })?;
    if has_byte {
        writer.note(key, &Step::Bytes { at: (offset / 8) as usize, len: 1 });
    }
    Ok(old.unwrap_or(false))
}

/// BITCOUNT
pub(crate) fn count(view: &View<'_>, key: KeyRef<'_>, range: Option<(i64, i64, BitUnit)>) -> Result<u64> {
    Ok(view.find::<Bytes>(key)?.map_or(0, |string| bits::count(string.as_slice(), range)))
}

/// BITPOS. A missing key is zeros without end.
pub(crate) fn position(view: &View<'_>, key: KeyRef<'_>, bit: bool, within: Within) -> Result<Option<u64>> {
    Ok(match view.find::<Bytes>(key)? {
        Some(string) => bits::position(string.as_slice(), bit, within),
        None => (!bit).then_some(0),
    })
}

/// BITOP: the length of the result, which takes the destination's place; an empty one removes it.
///
/// # Errors
/// [`Error::Invalid`] for too few sources, or too many.
pub(crate) fn combine(
    writer: &mut Writer<'_>,
    op: BitOp,
    destination: KeyRef<'_>,
    sources: &[KeyRef<'_>],
) -> Result<usize> {
    check_count(op, sources.len())?;
    let strings = {
        let view = writer.view();
        let strings = sources.iter().map(|source| Ok(view.find::<Bytes>(*source)?.map(StringRef::to_bytes)));
        strings.collect::<Result<Vec<_>>>()?
    };
    let inputs: Vec<&[u8]> = strings.iter().map(|string| string.as_deref().unwrap_or_default()).collect();
    let result = Bytes::from(bits::combine(op, &inputs));
    let len = result.len();
    if len == 0 {
        writer.discard(destination, KeyEvent::Del);
    } else {
        writer.set(destination, Value::String(result), Deadline::Clear, KeyEvent::Set)?;
    }
    Ok(len)
}

/// BITFIELD: runs the steps in order, as one. `None` for a step that overflowed and was to fail. The
/// string grows for all that writes, even if it fails.
pub(crate) fn fields(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    steps: &[FieldOp],
) -> Result<Vec<Option<i64>>> {
    check_steps(steps, writer.space().limits())?;
    if steps.iter().all(FieldOp::reads) {
        return read_fields(&writer.view(), key, steps);
    }
    let results = writer.update(key, Absent::Create, |string: &mut Bytes| {
        let len = string.len();
        let mut changes = false;
        let results: Vec<_> = edit(string, |bytes| {
            for step in steps.iter().filter(|step| !step.reads()) {
                let (int, offset) = step.place();
                bitfield::grow(bytes, int, offset);
            }
            let run = |step: &FieldOp| match *step {
                FieldOp::Get { int, offset } => Some(bitfield::get(bytes, int, offset)),
                FieldOp::Set { int, offset, value, overflow } => {
                    let old = bitfield::set(bytes, int, offset, value, overflow);
                    changes |= old.is_some();
                    old
                }
                FieldOp::Incr { int, offset, by, overflow } => {
                    let new = bitfield::incr(bytes, int, offset, by, overflow);
                    changes |= new.is_some();
                    new
                }
            };
            steps.iter().map(run).collect()
        });
        Ok((results, (changes || string.len() != len).then_some(KeyEvent::SetBit)))
    })?;
    Ok(results.unwrap_or_default())
}

/// BITFIELD_RO: the integers where the steps are, none of which may write.
pub(crate) fn read_fields(view: &View<'_>, key: KeyRef<'_>, steps: &[FieldOp]) -> Result<Vec<Option<i64>>> {
    check_steps(steps, view.space().limits())?;
    let string = view.find::<Bytes>(key)?.map_or(&[][..], StringRef::as_slice);
    let read = |step: &FieldOp| {
        let (int, offset) = step.place();
        Some(bitfield::get(string, int, offset))
    };
    Ok(steps.iter().map(read).collect())
}

impl FieldOp {
    pub(crate) fn reads(&self) -> bool {
        matches!(self, FieldOp::Get { .. })
    }

    fn place(&self) -> (BitInt, u64) {
        match *self {
            FieldOp::Get { int, offset }
            | FieldOp::Set { int, offset, .. }
            | FieldOp::Incr { int, offset, .. } => (int, offset),
        }
    }
}

/// Refuses a number of sources that the operation has no meaning for.
fn check_count(op: BitOp, sources: usize) -> Result<()> {
    match (op, sources) {
        (_, 0) => Err(Error::Invalid("wrong number of arguments for 'bitop' command")),
        (BitOp::Not, 2..) => Err(Error::Invalid("BITOP NOT must be called with a single source key.")),
        (BitOp::Diff, 1) => Err(Error::Invalid("BITOP DIFF must be called with at least two source keys.")),
        (BitOp::Diff1, 1) => Err(Error::Invalid("BITOP DIFF1 must be called with at least two source keys.")),
        (BitOp::AndOr, 1) => Err(Error::Invalid("BITOP ANDOR must be called with at least two source keys.")),
        _ => Ok(()),
    }
}

fn check_steps(steps: &[FieldOp], limits: Limits) -> Result<()> {
    steps.iter().try_for_each(|step| {
        let (int, offset) = step.place();
        // What is only read may end where no string can.
        check(offset, if step.reads() { 1 } else { int.bits() }, limits)
    })
}

/// Refuses bits that lie beyond what a string may hold.
fn check(offset: u64, width: u8, limits: Limits) -> Result<()> {
    let last = offset.saturating_add(u64::from(width) - 1);
    if last / 8 < limits.value as u64 { Ok(()) } else { Err(Error::BitOffset) }
}
