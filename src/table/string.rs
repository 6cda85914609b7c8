//! GET, SET, INCR and their kin.

use super::args::is;
use super::call::{Answer, Call, Unit};
use super::row::flag::{DENYOOM, FAST, READONLY, WRITE};
use super::row::{Compat, Keys, Row, row};
use crate::command::string::{self, Condition};
use crate::keyspace::writer::Deadline;
use crate::reply::{ErrorReply, Reply};
use crate::text::long_double::LongDouble;
use crate::text::number;
use crate::value::lcs;
use crate::{Bytes, Error};

pub(super) const ROWS: &[Row] = &[
    row("append", 3, WRITE | DENYOOM | FAST, Keys::ONE, append).since(2, 0),
    row("decr", 2, WRITE | DENYOOM | FAST, Keys::ONE, |call| increase(call, -1)),
    row("decrby", 3, WRITE | DENYOOM | FAST, Keys::ONE, decr_by),
    row("get", 2, READONLY | FAST, Keys::ONE, get),
    row("getdel", 2, WRITE | FAST, Keys::ONE, get_del).since(6, 2),
    row("getex", -2, WRITE | FAST, Keys::ONE, get_ex).since(6, 2),
    row("getrange", 4, READONLY, Keys::ONE, get_range).since(2, 4),
    row("getset", 3, WRITE | DENYOOM | FAST, Keys::ONE, get_set),
    row("incr", 2, WRITE | DENYOOM | FAST, Keys::ONE, |call| increase(call, 1)),
    row("incrby", 3, WRITE | DENYOOM | FAST, Keys::ONE, incr_by),
    row("incrbyfloat", 3, WRITE | DENYOOM | FAST, Keys::ONE, incr_by_float).since(2, 6),
    row("lcs", -3, READONLY, Keys::range(1, 2, 1), lcs).since(7, 0),
    row("mget", -2, READONLY | FAST, Keys::ALL, mget),
    row("mset", -3, WRITE | DENYOOM, Keys::range(1, -1, 2), mset).since(1, 1),
    row("msetnx", -3, WRITE | DENYOOM, Keys::range(1, -1, 2), mset_nx).since(1, 1),
    row("psetex", 4, WRITE | DENYOOM, Keys::ONE, |call| set_for(call, Unit::Millis)).since(2, 6),
    row("set", -3, WRITE | DENYOOM, Keys::ONE, set),
    row("setex", 4, WRITE | DENYOOM, Keys::ONE, |call| set_for(call, Unit::Seconds)).since(2, 0),
    row("setnx", 3, WRITE | DENYOOM | FAST, Keys::ONE, set_nx),
    row("setrange", 4, WRITE | DENYOOM, Keys::ONE, set_range).since(2, 2),
    row("strlen", 2, READONLY | FAST, Keys::ONE, strlen).since(2, 2),
    row("substr", 4, READONLY, Keys::ONE, get_range),
];

fn get(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    Ok(Reply::bulk_or_nil(call.read(key, string::get)?))
}

fn mget(call: &mut Call<'_>) -> Answer {
    let names = call.args.take_rest();
    let keys = call.key_refs(names);
    let values = call.read_all(&keys, |view| Ok(string::get_many(view, &keys)))?;
    Ok(Reply::Array(values.into_iter().map(Reply::bulk_or_nil).collect()))
}

/// SET with its options. GET makes it answer with the old value, whether or not the new one was set.
fn set(call: &mut Call<'_>) -> Answer {
    let (key, value) = (call.key()?, call.args.next()?.clone());
    let (mut condition, mut expiry, mut keeps, mut gets) = (Condition::Always, None, false, false);
    while let Some(word) = call.args.take() {
        // The same word twice is fine, and the last counts.
        let (is_nx, is_xx) =
            (matches!(condition, Condition::Absent), matches!(condition, Condition::Present));
        let is_free = matches!(condition, Condition::Always);
        if is(word, "NX") && (is_free || is_nx) {
            condition = Condition::Absent;
        } else if is(word, "XX") && (is_free || is_xx) {
            condition = Condition::Present;
        } else if is(word, "IFEQ") && is_free && compares(call) {
            condition = Condition::Equal(call.args.next()?.clone());
        } else if is(word, "IFNE") && is_free && call.compat().redis() >= (8, 4) {
            condition = Condition::NotEqual(call.args.next()?.clone());
        } else if is(word, "GET") {
            gets = true;
        } else if is(word, "KEEPTTL") && expiry.is_none() {
            keeps = true;
        } else {
            let unit = Unit::from_keyword(word).filter(|_| !keeps).ok_or(ErrorReply::SYNTAX)?;
            if expiry.is_some_and(|(other, _)| other != unit) {
                return Err(ErrorReply::SYNTAX);
            }
            expiry = Some((unit, call.args.next()?));
        }
    }
    let deadline = match expiry {
        None if keeps => Deadline::Keep,
        None => Deadline::Clear,
        Some((unit, amount)) => {
            call.deadline(number::parse_i64(amount).ok_or(ErrorReply::NOT_AN_INTEGER)?, unit)?
        }
    };
    if gets {
        let old = call.write(key, |writer, key| string::swap(writer, key, value, &condition, deadline))?;
        return Ok(Reply::bulk_or_nil(old));
    }
    let done = call.write(key, |writer, key| string::set_if(writer, key, value, &condition, deadline))?;
    Ok(if done { Reply::OK } else { Reply::Nil })
}

/// Whether SET knows IFEQ: Valkey since 8.1, Redis since 8.4.
fn compares(call: &Call<'_>) -> bool {
    matches!(call.compat(), Compat::Redis810 | Compat::Valkey9)
}

fn set_for(call: &mut Call<'_>, unit: Unit) -> Answer {
    let key = call.key()?;
    let amount = call.args.integer()?;
    let value = call.args.next()?.clone();
    let deadline = call.deadline(amount, unit)?;
    call.write(key, |writer, key| string::set(writer, key, value, deadline))?;
    Ok(Reply::OK)
}

fn set_nx(call: &mut Call<'_>) -> Answer {
    let (key, value) = (call.key()?, call.args.next()?.clone());
    let done = call
        .write(key, |writer, key| string::set_if(writer, key, value, &Condition::Absent, Deadline::Clear))?;
    Ok(Reply::flag(done))
}

fn get_set(call: &mut Call<'_>) -> Answer {
    let (key, value) = (call.key()?, call.args.next()?.clone());
    let old =
        call.write(key, |writer, key| string::swap(writer, key, value, &Condition::Always, Deadline::Clear))?;
    Ok(Reply::bulk_or_nil(old))
}

fn get_del(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    Ok(Reply::bulk_or_nil(call.write(key, string::take)?))
}

fn get_ex(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let mut deadline = Deadline::Keep;
    if let Some(word) = call.args.take() {
        if is(word, "PERSIST") {
            deadline = Deadline::Clear;
        } else {
            let unit = Unit::from_keyword(word).ok_or(ErrorReply::SYNTAX)?;
            let amount = call.args.next()?;
            if !call.args.is_empty() {
                return Err(ErrorReply::SYNTAX);
            }
            let amount = number::parse_i64(amount).ok_or(ErrorReply::NOT_AN_INTEGER);
            deadline = match amount.and_then(|amount| call.deadline(amount, unit)) {
                Ok(deadline) => deadline,
                Err(error) if call.compat() == Compat::Valkey9 => return Err(error),
                // Redis looks at the key first.
                Err(error) => return call.read(key, string::get)?.map_or(Ok(Reply::Nil), |_| Err(error)),
            };
        }
    }
    if !call.args.is_empty() {
        return Err(ErrorReply::SYNTAX);
    }
    Ok(Reply::bulk_or_nil(call.write(key, |writer, key| string::get_and_expire(writer, key, deadline))?))
}

/// The names and values of a command that sets several.
fn pairs<'c>(call: &mut Call<'c>) -> Result<&'c [Bytes], ErrorReply> {
    let words = call.args.take_rest();
    if words.len() % 2 == 1 {
        return Err(call.wrong_arity());
    }
    Ok(words)
}

fn set_many(call: &mut Call<'_>, condition: &Condition) -> Result<bool, ErrorReply> {
    let pairs = pairs(call)?.chunks_exact(2);
    let pairs: Vec<_> = pairs.map(|pair| (call.key_ref(&pair[0]), pair[1].clone())).collect();
    let keys: Vec<_> = pairs.iter().map(|(key, _)| *key).collect();
    Ok(call.write_all(&keys, |writer| string::set_many(writer, pairs, condition, Deadline::Clear))?)
}

fn mset(call: &mut Call<'_>) -> Answer {
    set_many(call, &Condition::Always).map(|_| Reply::OK)
}

fn mset_nx(call: &mut Call<'_>) -> Answer {
    set_many(call, &Condition::Absent).map(Reply::flag)
}

fn increase(call: &mut Call<'_>, by: i64) -> Answer {
    let key = call.key()?;
    Ok(Reply::Integer(call.write(key, |writer, key| string::increase(writer, key, by))?))
}

fn incr_by(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let by = call.args.integer()?;
    Ok(Reply::Integer(call.write(key, |writer, key| string::increase(writer, key, by))?))
}

fn decr_by(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let by = call.args.integer()?;
    let by = by.checked_neg().ok_or(ErrorReply::known("ERR decrement would overflow"))?;
    Ok(Reply::Integer(call.write(key, |writer, key| string::increase(writer, key, by))?))
}

fn incr_by_float(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let by = LongDouble::parse(call.args.next()?).ok_or(ErrorReply::NOT_A_FLOAT)?;
    Ok(Reply::Bulk(call.write(key, |writer, key| string::increase_float(writer, key, by))?))
}

fn append(call: &mut Call<'_>) -> Answer {
    let (key, tail) = (call.key()?, call.args.next()?.clone());
    Ok(Reply::count(call.write(key, |writer, key| string::append(writer, key, tail))?))
}

fn strlen(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    Ok(Reply::count(call.read(key, string::len)?))
}

fn get_range(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let (start, stop) = (call.args.integer()?, call.args.integer()?);
    Ok(Reply::Bulk(call.read(key, |view, key| string::range(view, key, start, stop))?))
}

fn set_range(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let offset = usize::try_from(call.args.integer()?).map_err(|_| crate::Error::OffsetOutOfRange)?;
    let patch = call.args.next()?;
    Ok(Reply::count(call.write(key, |writer, key| string::set_range(writer, key, offset, patch))?))
}

/// LCS: the longest common subsequence, its length, or where its parts lie.
fn lcs(call: &mut Call<'_>) -> Answer {
    let keys = [call.key()?, call.key()?];
    let [a, b] = call.read_all(&keys, |view| string::get_two(view, keys)).map_err(|error| match error {
        Error::WrongType => ErrorReply::known("ERR The specified keys must contain string values"),
        other => other.into(),
    })?;
    let (mut is_len, mut is_idx, mut with_len, mut min_len) = (false, false, false, 0);
    while let Some(word) = call.args.take() {
        if is(word, "LEN") {
            is_len = true;
        } else if is(word, "IDX") {
            is_idx = true;
        } else if is(word, "WITHMATCHLEN") {
            with_len = true;
        } else if is(word, "MINMATCHLEN") && !call.args.is_empty() {
            min_len = usize::try_from(call.args.integer()?).unwrap_or(0);
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    if is_len && is_idx {
        return Err(ErrorReply::known("ERR If you want both the length and indexes, please just use IDX."));
    }
    if is_len {
        return Ok(Reply::count(lcs::lcs_len(&a, &b).map_err(Error::from)?));
    }
    if !is_idx {
        return Ok(Reply::text(lcs::lcs(&a, &b).map_err(Error::from)?));
    }
    let found = lcs::lcs_matches(&a, &b, min_len).map_err(Error::from)?;
    let ends = |range: &std::ops::Range<usize>| {
        Reply::Array(vec![Reply::count(range.start), Reply::count(range.end.saturating_sub(1))])
    };
    let matches = found.list.iter().map(|part| {
        let len = with_len.then(|| Reply::count(part.a.len()));
        Reply::Array([ends(&part.a), ends(&part.b)].into_iter().chain(len).collect())
    });
    Ok(Reply::Map(vec![
        (Reply::text("matches"), Reply::Array(matches.collect())),
        (Reply::text("len"), Reply::count(found.len)),
    ]))
}
