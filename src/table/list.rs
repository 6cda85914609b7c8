//! LPUSH, LRANGE, LMOVE and their kin; those that wait stand in [`blocking`](super::blocking).

use super::args::{Args, is};
use super::call::{Answer, Call};
use super::pieces::Form;
use super::row::flag::{DENYOOM, FAST, MOVABLEKEYS, READONLY, WRITE};
use super::row::{Compat, Keys, Row, counted, row};
use crate::Error;
use crate::command::list::{self, PositionOptions, Several, Side};
use crate::keyspace::writer::Absent;
use crate::reply::{ErrorReply, Reply};
use crate::value::list::End;

const PUSH: u32 = WRITE | DENYOOM | FAST;
const NUMKEYS: Keys = Keys::Find { told: (0, 0, 0), find: |words| counted(words, 1) };

pub(super) const ROWS: &[Row] = &[
    row("lindex", 3, READONLY, Keys::ONE, index),
    row("linsert", 5, WRITE | DENYOOM, Keys::ONE, insert).since(2, 2),
    row("llen", 2, READONLY | FAST, Keys::ONE, len),
    row("lmove", 5, WRITE | DENYOOM, Keys::range(1, 2, 1), lmove).since(6, 2),
    row("lmovem", -5, WRITE | DENYOOM, Keys::range(1, 2, 1), move_several).since(8, 10),
    row("lmpop", -4, WRITE | MOVABLEKEYS, NUMKEYS, multi_pop).since(7, 0),
    row("lpop", -2, WRITE | FAST, Keys::ONE, |call| pop(call, End::Front)),
    row("lpos", -3, READONLY, Keys::ONE, position).since(6, 0),
    row("lpush", -3, PUSH, Keys::ONE, |call| push(call, End::Front, Absent::Create)),
    row("lpushx", -3, PUSH, Keys::ONE, |call| push(call, End::Front, Absent::Skip)).since(2, 2),
    row("lrange", 4, READONLY, Keys::ONE, range),
    row("lrem", 4, WRITE, Keys::ONE, remove),
    row("lset", 4, WRITE | DENYOOM, Keys::ONE, set),
    row("ltrim", 4, WRITE, Keys::ONE, trim),
    row("rpop", -2, WRITE | FAST, Keys::ONE, |call| pop(call, End::Back)),
    row("rpoplpush", 3, WRITE | DENYOOM, Keys::range(1, 2, 1), rpoplpush).since(1, 2),
    row("rpush", -3, PUSH, Keys::ONE, |call| push(call, End::Back, Absent::Create)),
    row("rpushx", -3, PUSH, Keys::ONE, |call| push(call, End::Back, Absent::Skip)).since(2, 2),
];

/// How the commands on lists name the ends.
pub(super) const ENDS: [&str; 2] = ["LEFT", "RIGHT"];

fn push(call: &mut Call<'_>, end: End, absent: Absent) -> Answer {
    let (key, elements) = (call.key()?, call.args.take_rest());
    let len =
        call.write(key, |writer, key| list::push(writer, key, end, elements.iter().cloned(), absent))?;
    Ok(Reply::count(len))
}

/// LPOP, RPOP: one element, or an array of up to so many.
fn pop(call: &mut Call<'_>, end: End) -> Answer {
    let key = call.key()?;
    if call.args.len() > 1 {
        return Err(call.wrong_arity());
    }
    if call.args.is_empty() {
        let popped = call.write(key, |writer, key| list::pop(writer, key, end, 1))?;
        return Ok(Reply::bulk_or_nil(popped.and_then(|popped| popped.into_taken().pop())));
    }
    let count = call.args.count(0, ErrorReply::OUT_OF_RANGE)?;
    let popped = call.write(key, |writer, key| list::pop(writer, key, end, count))?;
    Ok(popped.map_or(Reply::NilArray, |popped| Reply::bulks(popped.into_taken())))
}

fn multi_pop(call: &mut Call<'_>) -> Answer {
    let (names, end, count) = call.args.multi_pop(ENDS)?;
    let keys = call.key_refs(names);
    let popped = call.write_all(&keys, |writer| list::pop_any(writer, &keys, end, count))?;
    let popped = popped.and_then(|(at, popped)| Some((names.get(at)?.clone(), popped.into_taken())));
    Ok(popped.map_or(Reply::NilArray, |(name, elements)| {
        Reply::Array(vec![Reply::Bulk(name), Reply::bulks(elements)])
    }))
}

fn len(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    Ok(Reply::count(call.read(key, list::len)?))
}

/// LINDEX: that the index is no number is an error only where there is a list.
fn index(call: &mut Call<'_>) -> Answer {
    let (key, index) = (call.key()?, call.args.integer());
    let element = call.read(key, |view, key| match index {
        Ok(index) => list::get(view, key, index),
        Err(_) if list::len(view, key)? == 0 => Ok(None),
        Err(_) => Err(Error::NotAnInteger),
    })?;
    Ok(Reply::bulk_or_nil(element))
}

fn range(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let (start, stop) = (call.args.integer()?, call.args.integer()?);
    call.gather(Form::Array, |call, into| {
        Ok(call.read(key, |view, key| list::range(view, key, (start, stop), into))?)
    })
}

/// LSET: that the index is no number is an error only where there is a list. Since 7.2 servers keep its lower
/// 32 bits only.
fn set(call: &mut Call<'_>) -> Answer {
    let (key, mut index) = (call.key()?, call.args.integer());
    if call.compat() != Compat::Redis70 {
        index = index.map(|index| i64::from(index as i32));
    }
    let element = call.args.next()?.clone();
    call.write(key, |writer, key| match index {
        Ok(index) => list::set(writer, key, index, element),
        Err(_) if list::len(&writer.view(), key)? == 0 => Err(Error::NoSuchKey),
        Err(_) => Err(Error::NotAnInteger),
    })?;
    Ok(Reply::OK)
}

/// LINSERT: the new length, -1 without the pivot, 0 without a list.
fn insert(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let side = match call.args.next()? {
        word if is(word, "BEFORE") => Side::Before,
        word if is(word, "AFTER") => Side::After,
        _ => return Err(ErrorReply::SYNTAX),
    };
    let (pivot, element) = (call.args.next()?, call.args.next()?.clone());
    let inserted = call.write(key, |writer, key| list::insert(writer, key, side, pivot, element))?;
    Ok(inserted.map_or(Reply::Integer(0), |len| len.map_or(Reply::Integer(-1), Reply::count)))
}

/// LREM: from the front, or below zero from the back; 0 is all.
fn remove(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let count = if call.compat().has_since(8, 0) { call.args.symmetric()? } else { call.args.integer()? };
    let value = call.args.next()?;
    let end = if count < 0 { End::Back } else { End::Front };
    let limit = (count != 0).then(|| usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX));
    Ok(Reply::count(call.write(key, |writer, key| list::remove(writer, key, value, end, limit))?))
}

fn trim(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let (start, stop) = (call.args.integer()?, call.args.integer()?);
    call.write(key, |writer, key| list::trim(writer, key, start, stop))?;
    Ok(Reply::OK)
}

/// LPOS: one position, or with COUNT an array of them. A limit of 0 is none.
fn position(call: &mut Call<'_>) -> Answer {
    let (key, value) = (call.key()?, call.args.next()?);
    let unless_zero = |limit: usize| if limit == 0 { usize::MAX } else { limit };
    let (mut options, mut count) = (PositionOptions::new(), None);
    while let Some(word) = call.args.take() {
        if is(word, "RANK") && !call.args.is_empty() {
            options = options.rank(rank(call)?);
        } else if is(word, "COUNT") && !call.args.is_empty() {
            count = Some(call.args.count(0, ErrorReply::known("ERR COUNT can't be negative"))?);
        } else if is(word, "MAXLEN") && !call.args.is_empty() {
            let passed = call.args.count(0, ErrorReply::known("ERR MAXLEN can't be negative"))?;
            options = options.max_len(unless_zero(passed));
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    let options = options.count(count.map_or(1, unless_zero));
    let positions = call.read(key, |view, key| list::positions(view, key, value, options))?;
    let mut positions = positions.into_iter().map(Reply::count);
    Ok(match count {
        Some(_) => Reply::Array(positions.collect()),
        None => positions.next().unwrap_or(Reply::Nil),
    })
}

fn rank(call: &mut Call<'_>) -> Result<i64, ErrorReply> {
    let rank = if call.compat().redis() < (7, 2) {
        // Its opposite overflowed there, and it came out as the last match.
        Some(call.args.integer()?).filter(|rank| *rank != i64::MIN).unwrap_or(-1)
    } else {
        call.args.symmetric()?
    };
    if rank == 0 { Err(list::RANK_ZERO.into()) } else { Ok(rank) }
}

fn lmove(call: &mut Call<'_>) -> Answer {
    let names = call.args.take_many(2)?;
    let (from, to) = (call.args.end(ENDS)?, call.args.end(ENDS)?);
    move_between(call, names, from, to)
}

/// LMOVEM: an array in any case, but nothing if there are not exactly so many.
fn move_several(call: &mut Call<'_>) -> Answer {
    let keys = [call.key()?, call.key()?];
    let ends = [call.args.end(ENDS)?, call.args.end(ENDS)?];
    let several = several(&mut call.args)?;
    let [source, destination] = keys;
    let moved =
        call.write_all(&keys, |writer| list::move_several(writer, source, destination, ends, several))?;
    Ok(match moved {
        Some(elements) => Reply::bulks(elements),
        None if several.least > 0 => Reply::NilArray,
        None => Reply::Array(Vec::new()),
    })
}

/// How many elements are moved, and in which order; one if nothing is said. It is the end of the arguments.
pub(super) fn several(args: &mut Args<'_>) -> Result<Several, ErrorReply> {
    let (is_exact, count, order) = match args.take_rest() {
        [] => return Ok(Several { most: 1, least: 0, in_order: true }),
        [which, count, order] if is(which, "COUNT") => (false, count, order),
        [which, count, order] if is(which, "EXACTLY") => (true, count, order),
        _ => return Err(ErrorReply::SYNTAX),
    };
    let count = Args::new(std::slice::from_ref(count));
    let most = { count }.count(1, ErrorReply::known("ERR count should be greater than 0"))?;
    let in_order = match order {
        order if is(order, "BULK") => true,
        order if is(order, "OBO") => false,
        _ => return Err(ErrorReply::SYNTAX),
    };
    Ok(Several { most, least: if is_exact { most } else { 0 }, in_order })
}

fn rpoplpush(call: &mut Call<'_>) -> Answer {
    let names = call.args.take_many(2)?;
    move_between(call, names, End::Back, End::Front)
}

fn move_between(call: &Call<'_>, names: &[crate::Bytes], from: End, to: End) -> Answer {
    let [source, destination] = names else { return Err(ErrorReply::SYNTAX) };
    let keys = [call.key_ref(source), call.key_ref(destination)];
    let moved = call.write_all(&keys, |writer| list::move_(writer, keys[0], keys[1], from, to))?;
    Ok(Reply::bulk_or_nil(moved))
}
