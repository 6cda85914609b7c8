//! SETBIT, BITCOUNT, BITOP, BITFIELD and their kin.

use super::args::{Args, is};
use super::call::{Answer, Call};
use super::row::flag::{DENYOOM, FAST, READONLY, WRITE};
use super::row::{Compat, Keys, Row, row};
use crate::command::bitmap::{self, FieldOp};
use crate::command::string;
use crate::key::KeyRef;
use crate::reply::{ErrorReply, Reply};
use crate::text::number;
use crate::value::bitfield::{BitInt, Overflow};
use crate::value::bits::{BitOp, BitUnit, Within};
use crate::{Bytes, Error};

pub(super) const ROWS: &[Row] = &[
    row("bitcount", -2, READONLY, Keys::ONE, count).since(2, 6),
    row("bitfield", -2, WRITE | DENYOOM, Keys::ONE, fields).since(3, 2),
    row("bitfield_ro", -2, READONLY | FAST, Keys::ONE, read_fields).since(6, 0),
    row("bitop", -4, WRITE | DENYOOM, Keys::range(2, -1, 1), combine).since(2, 6),
    row("bitpos", -3, READONLY, Keys::ONE, position).since(2, 8),
    row("getbit", 3, READONLY | FAST, Keys::ONE, get).since(2, 2),
    row("setbit", 4, WRITE | DENYOOM, Keys::ONE, set).since(2, 2),
];

fn get(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let offset = offset(call, None)?;
    Ok(Reply::flag(call.read(key, |view, key| bitmap::get(view, key, offset))?))
}

fn set(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let offset = offset(call, None)?;
    let bit = call.args.integer().ok().and_then(bit);
    let bit = bit.ok_or(ErrorReply::known("ERR bit is not an integer or out of range"))?;
    Ok(Reply::flag(call.write(key, |writer, key| bitmap::set(writer, key, offset, bit))?))
}

fn bit(number: i64) -> Option<bool> {
    match number {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

fn count(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let older = is_older(call);
    // Valkey reads them as BITPOS does.
    let range = if call.compat() == Compat::Valkey9 {
        within(&mut call.args).map(|within| match within {
            Within::All => None,
            Within::From(start) => Some((start, -1, BitUnit::Byte)),
            Within::Range(start, stop, unit) => Some((start, stop, unit)),
        })
    } else {
        count_range(&mut call.args, older)
    };
    let range = match range {
        Ok(range) => range,
        Err(error) => return key_first(call, key, Reply::Integer(0), error),
    };
    let count = call.read(key, |view, key| bitmap::count(view, key, range))?;
    Ok(Reply::Integer(i64::try_from(count).unwrap_or(i64::MAX)))
}

/// A start, an end and perhaps a unit.
fn count_range(args: &mut Args<'_>, older: bool) -> Result<Option<(i64, i64, BitUnit)>, ErrorReply> {
    match args.len() {
        0 => Ok(None),
        2 | 3 => {
            let (start, stop) = (args.integer()?, args.integer()?);
            // Redis 7.0 sees that nothing is there to count before it looks at the unit.
            let is_empty = start < 0 && stop < 0 && start > stop;
            let unit = if older && is_empty { BitUnit::Byte } else { unit(args)? };
            Ok(Some((start, stop, unit)))
        }
        _ => Err(ErrorReply::SYNTAX),
    }
}

/// The unit of a range, bytes if it is not said.
fn unit(args: &mut Args<'_>) -> Result<BitUnit, ErrorReply> {
    match args.take() {
        None => Ok(BitUnit::Byte),
        Some(word) if is(word, "BYTE") => Ok(BitUnit::Byte),
        Some(word) if is(word, "BIT") => Ok(BitUnit::Bit),
        Some(_) => Err(ErrorReply::SYNTAX),
    }
}

fn position(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let bit = bit(call.args.integer()?).ok_or(ErrorReply::known("ERR The bit argument must be 1 or 0."))?;
    let within = match within(&mut call.args) {
        Ok(within) => within,
        Err(error) => return key_first(call, key, Reply::Integer(if bit { -1 } else { 0 }), error),
    };
    let position = call.read(key, |view, key| bitmap::position(view, key, bit, within))?;
    Ok(Reply::Integer(position.and_then(|position| i64::try_from(position).ok()).unwrap_or(-1)))
}

/// A start, perhaps an end and a unit, of which the unit is looked at before the end.
fn within(args: &mut Args<'_>) -> Result<Within, ErrorReply> {
    let count = args.len();
    if count == 0 {
        return Ok(Within::All);
    }
    if count > 3 {
        return Err(ErrorReply::SYNTAX);
    }
    let start = args.integer()?;
    let Some(stop) = args.take() else { return Ok(Within::From(start)) };
    let unit = unit(args)?;
    Ok(Within::Range(start, number::parse_i64(stop).ok_or(ErrorReply::NOT_AN_INTEGER)?, unit))
}

/// The error in a command's words; Redis 7.0 answers what a missing key does before it looks at them, and if
/// the key is no string.
fn key_first(call: &Call<'_>, key: KeyRef<'_>, missing: Reply, error: ErrorReply) -> Answer {
    if is_older(call) && call.read(key, string::get)?.is_none() {
        return Ok(missing);
    }
    Err(error)
}

fn is_older(call: &Call<'_>) -> bool {
    call.compat().redis() < (7, 2)
}

fn combine(call: &mut Call<'_>) -> Answer {
    let op = operation(call.args.next()?).filter(|op| {
        let is_newer = matches!(op, BitOp::Diff | BitOp::Diff1 | BitOp::AndOr | BitOp::One);
        !is_newer || call.compat().redis() >= (8, 2)
    });
    let op = op.ok_or(ErrorReply::SYNTAX)?;
    let destination = call.key()?;
    let sources = call.args.take_rest();
    let sources = call.key_refs(sources);
    let locked: Vec<_> = sources.iter().copied().chain([destination]).collect();
    let len = call.write_all(&locked, |writer| bitmap::combine(writer, op, destination, &sources))?;
    Ok(Reply::count(len))
}

fn operation(word: &[u8]) -> Option<BitOp> {
    let named = [
        ("AND", BitOp::And),
        ("OR", BitOp::Or),
        ("XOR", BitOp::Xor),
        ("NOT", BitOp::Not),
        ("DIFF", BitOp::Diff),
        ("DIFF1", BitOp::Diff1),
        ("ANDOR", BitOp::AndOr),
        ("ONE", BitOp::One),
    ];
    named.into_iter().find_map(|(name, op)| is(word, name).then_some(op))
}

fn fields(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let steps = steps(call)?;
    let results = call.write(key, |writer, key| bitmap::fields(writer, key, &steps))?;
    Ok(integers_or_nil(results))
}

fn read_fields(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let steps = steps(call)?;
    if !steps.iter().all(FieldOp::reads) {
        return Err(ErrorReply::known("ERR BITFIELD_RO only supports the GET subcommand"));
    }
    let results = call.read(key, |view, key| bitmap::read_fields(view, key, &steps))?;
    Ok(integers_or_nil(results))
}

fn integers_or_nil(results: Vec<Option<i64>>) -> Reply {
    Reply::Array(results.into_iter().map(|result| result.map_or(Reply::Nil, Reply::Integer)).collect())
}

/// What is to be done one after the other; OVERFLOW is for what follows it.
fn steps(call: &mut Call<'_>) -> Result<Vec<FieldOp>, ErrorReply> {
    let (mut steps, mut overflow) = (Vec::new(), Overflow::Wrap);
    while let Some(word) = call.args.take() {
        let left = call.args.len();
        if is(word, "GET") && left >= 2 {
            let (int, offset) = place(call)?;
            steps.push(FieldOp::Get { int, offset });
        } else if is(word, "SET") && left >= 3 {
            let (int, offset) = place(call)?;
            steps.push(FieldOp::Set { int, offset, value: call.args.integer()?, overflow });
        } else if is(word, "INCRBY") && left >= 3 {
            let (int, offset) = place(call)?;
            steps.push(FieldOp::Incr { int, offset, by: call.args.integer()?, overflow });
        } else if is(word, "OVERFLOW") && left >= 1 {
            overflow = overflow_named(call.args.next()?)?;
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    Ok(steps)
}

fn overflow_named(word: &Bytes) -> Result<Overflow, ErrorReply> {
    let named = [("WRAP", Overflow::Wrap), ("SAT", Overflow::Sat), ("FAIL", Overflow::Fail)];
    let found = named.into_iter().find_map(|(name, overflow)| is(word, name).then_some(overflow));
    found.ok_or(ErrorReply::known("ERR Invalid OVERFLOW type specified"))
}

/// The type of an integer, and where it lies.
fn place(call: &mut Call<'_>) -> Result<(BitInt, u64), ErrorReply> {
    const NO_TYPE: &str = "ERR Invalid bitfield type. Use something like i16 u8. \
                           Note that u64 is not supported but i64 is.";
    let mut text: &[u8] = call.args.next()?;
    if call.compat() != Compat::Valkey9 {
        // Redis's string ends with the first zero byte there.
        text = text.split(|byte| *byte == 0).next().unwrap_or_default();
    }
    let int = BitInt::parse(text).ok_or(ErrorReply::known(NO_TYPE))?;
    Ok((int, offset(call, Some(int))?))
}

/// An offset in bits, or behind a `#` in integers of a width.
fn offset(call: &mut Call<'_>, int: Option<BitInt>) -> Result<u64, ErrorReply> {
    let text = call.args.next()?;
    let (text, width) = match (text.strip_prefix(b"#"), int) {
        (Some(text), Some(int)) => (text, i64::from(int.bits())),
        _ => (text.as_ref(), 1),
    };
    let offset = number::parse_i64(text).and_then(|offset| offset.checked_mul(width));
    let offset = offset.and_then(|offset| u64::try_from(offset).ok());
    let most = call.space().limits().value as u64;
    Ok(offset.filter(|offset| offset / 8 < most).ok_or(Error::BitOffset)?)
}
