//! DUMP and RESTORE: a value by itself, or libraries of functions, with the version and a checksum behind.

use super::decode::{Decoded, Decoder};
use super::encode::{Encoding, nodes};
use super::error::Fault;
use super::reader::Reader;
use super::{Version, crc64, kind};
use crate::Compat;
use crate::clock::{Clock, Time};
use crate::value::list::List;
use crate::value::{Value, ValueRef};

/// The version and the checksum.
const FOOTER: usize = 10;

/// The payload of a value, as that server writes it. O(value)
///
/// # Errors
/// What the value has that this server has not.
pub(crate) fn dump(
    value: ValueRef<'_>,
    compat: Compat,
    clock: &Clock,
    now: u64,
) -> Result<Vec<u8>, &'static str> {
    let version = Version::of(compat);
    let encoding = Encoding::of(value, version, clock, now)?;
    let mut out = vec![encoding.kind()];
    // Writing to memory does not fail.
    let _ = encoding.write(&mut out);
    close(&mut out, version);
    Ok(out)
}

/// How many bytes the value takes in that payload. O(value)
///
/// # Errors
/// Those of [`dump`].
pub(crate) fn measure(
    value: ValueRef<'_>,
    compat: Compat,
    clock: &Clock,
    now: u64,
) -> Result<usize, &'static str> {
    // Behind the byte that says what it is.
    Ok(dump(value, compat, clock, now)?.len() - 1 - FOOTER)
}

/// How many nodes a list falls into in that payload, and their bytes. O(list)
pub(crate) fn nodes_of(list: &List, compat: Compat) -> (usize, usize) {
    let (mut count, mut size) = (0, 0);
    // Counting does not fail.
    let _ = nodes(list, Version::of(compat), |_, bytes| {
        (count, size) = (count + 1, size + bytes.len());
        Ok(())
    });
    (count, size)
}

/// The payload of the code of libraries. O(code)
#[cfg(feature = "lua")]
pub(crate) fn dump_libraries<'c>(codes: impl Iterator<Item = &'c [u8]>, compat: Compat) -> Vec<u8> {
    let mut out = Vec::new();
    for code in codes {
        out.push(kind::OP_FUNCTION);
        // Writing to memory does not fail.
        let _ = super::encode::write_string(&mut out, code);
    }
    close(&mut out, Version::of(compat));
    out
}

/// The payload of these bytes, whatever they are, with a footer that is right.
#[cfg(all(any(fuzzing, test), feature = "server"))]
pub(crate) fn payload(body: &[u8], compat: Compat) -> Vec<u8> {
    let mut out = body.to_vec();
    close(&mut out, Version::of(compat));
    out
}

fn close(out: &mut Vec<u8>, version: Version) {
    out.extend(version.0.to_le_bytes());
    out.extend(crc64::update(0, out).to_le_bytes());
}

/// Why a payload is refused.
#[derive(Debug)]
pub(crate) enum Refused {
    /// It is of a newer version, or damaged.
    Footer,
    /// It holds what no value is, or none that can be held.
    Content,
}

/// The value of a payload that this server takes; `None` if nothing is left of it, as its fields have
/// expired. O(payload)
pub(crate) fn restore(
    payload: &[u8],
    compat: Compat,
    time: Time<'_>,
    limit: usize,
) -> Result<Option<Value>, Refused> {
    let body = body(payload, compat)?;
    let own = Version::of(compat);
    let mut reader = Reader::new(body, limit);
    let mut read = || {
        let kind = reader.byte()?;
        if kind::since(kind, own.is_valkey()) > own.0 {
            return Ok(None);
        }
        Decoder { reader: &mut reader, version: own, clock: time.clock(), wall: time.wall() }.value(kind)
    };
    match read().map_err(|_: Fault| Refused::Content)? {
        Some(Decoded::Value(value)) => Ok(Some(value)),
        Some(Decoded::Over) => Ok(None),
        Some(Decoded::Empty) | None => Err(Refused::Content),
    }
}

/// The code of each library of a payload, in their order, and at the first that is none, why. O(payload) for all
///
/// # Errors
/// Redis's text for what is no payload that this server takes.
#[cfg(feature = "lua")]
pub(crate) fn restore_libraries(
    payload: &[u8],
    compat: Compat,
    limit: usize,
) -> Result<impl Iterator<Item = Result<crate::Bytes, &'static str>>, Refused> {
    let end = body(payload, compat)?.len() as u64;
    // As in Redis, what is cut off goes on with the footer.
    let mut reader = Reader::new(payload, limit);
    let mut next = move || {
        let code = match reader.byte() {
            Ok(kind::OP_FUNCTION) => reader.string().map_err(|_| "ERR Failed loading library payload"),
            Ok(kind::OP_FUNCTION_OLD) => Err("ERR Pre-GA function format not supported"),
            _ => Err("ERR given type is not a function"),
        };
        (code, reader.at())
    };
    let mut at = 0;
    Ok(std::iter::from_fn(move || {
        let (code, after) = (at < end).then(&mut next)?;
        at = if code.is_ok() { after } else { end };
        Some(code)
    }))
}

/// What is before the footer, if that is right and of a version that this server takes.
fn body(payload: &[u8], compat: Compat) -> Result<&[u8], Refused> {
    let (covered, footer) =
        payload.len().checked_sub(8).map(|at| payload.split_at(at)).ok_or(Refused::Footer)?;
    let (body, version) = covered.split_last_chunk::<2>().ok_or(Refused::Footer)?;
    debug_assert_eq!(footer.len() + 2, FOOTER);
    let (own, version) = (Version::of(compat), Version(u16::from_le_bytes(*version)));
    if !own.takes(version) || footer != crc64::update(0, covered).to_le_bytes() {
        return Err(Refused::Footer);
    }
    Ok(body)
}
