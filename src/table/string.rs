//! GET, SET, INCR and their kin.

use super::args::is;
use super::call::{Answer, Call, Unit};
use super::pieces::Form;
use super::row::flag::{DENYOOM, FAST, MOVABLEKEYS, READONLY, WRITE};
use super::row::{Compat, Keys, Row, counted_by, row};
use crate::command::string::{self, Condition};
use crate::key::KeyRef;
use crate::keyspace::writer::Deadline;
use crate::reply::{ErrorReply, Reply};
use crate::text::long_double::LongDouble;
use crate::text::number;
use crate::value::lcs;
use crate::{Bytes, Error};

/// The names of counted pairs.
const PAIRS: Keys = Keys::Find { told: (0, 0, 0), find: |words| counted_by(words, 1, 2) };

pub(super) const ROWS: &[Row] = &[
    row("append", 3, WRITE | DENYOOM | FAST, Keys::ONE, append).since(2, 0),
    row("decr", 2, WRITE | DENYOOM | FAST, Keys::ONE, |call| increase(call, -1)),
    row("decrby", 3, WRITE | DENYOOM | FAST, Keys::ONE, decr_by),
    row("delex", -2, WRITE | FAST, Keys::ONE, remove_if).since(8, 4),
    row("delifeq", 3, WRITE | FAST, Keys::ONE, remove_if_equal).only_valkey(9, 0),
    row("digest", 2, READONLY | FAST, Keys::ONE, digest).since(8, 4),
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
    row("msetex", -4, WRITE | DENYOOM | MOVABLEKEYS, PAIRS, mset_ex).since(8, 4).valkey(9, 1),
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
    if !call.is_lent_a_buffer() {
        return Ok(Reply::bulk_or_nil(call.read(key, string::get)?));
    }
    call.gather(Form::Single, |call, into| Ok(call.read(key, |view, key| string::get_to(view, key, into))?))
}

fn mget(call: &mut Call<'_>) -> Answer {
    let names = call.args.take_rest();
    let keys = call.key_refs(names);
    let values = call.read_all(&keys, |view| Ok(string::get_many(view, &keys)))?;
    call.strings(Form::Array, values.len(), values)
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
        } else if let Some(named) = comparison(call, word).filter(|_| is_free) {
            condition = named(call.args.next()?)?;
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
    let deadline = deadline(call, expiry, keeps)?;
    if gets {
        let old = call.write(key, |writer, key| string::swap(writer, key, value, &condition, deadline))?;
        return Ok(Reply::bulk_or_nil(old));
    }
    let done = call.write(key, |writer, key| string::set_if(writer, key, value, &condition, deadline))?;
    Ok(if done { Reply::OK } else { Reply::Nil })
}

/// A condition, of the word behind its name.
type Comparison = fn(&Bytes) -> Result<Condition, ErrorReply>;

/// The condition of that name, if the server has it: Valkey but IFEQ, Redis all four since 8.4.
fn comparison(call: &Call<'_>, name: &[u8]) -> Option<Comparison> {
    let known: [(&str, Comparison); 4] = [
        ("IFEQ", |value| Ok(Condition::Equal(value.clone()))),
        ("IFNE", |value| Ok(Condition::NotEqual(value.clone()))),
        ("IFDEQ", |value| parse_digest(value).map(Condition::DigestEqual)),
        ("IFDNE", |value| parse_digest(value).map(Condition::DigestNotEqual)),
    ];
    let len = match call.compat() {
        Compat::Valkey9 => 1,
        compat if compat.redis() >= (8, 4) => known.len(),
        _ => 0,
    };
    known.into_iter().take(len).find_map(|(known, condition)| is(name, known).then_some(condition))
}

/// 16 hexadecimal digits. Redis looks at their number only: others are the digest of nothing.
fn parse_digest(text: &Bytes) -> Result<Option<u64>, ErrorReply> {
    if text.len() != 16 {
        return Err(ErrorReply::known("ERR must be exactly 16 hexadecimal characters"));
    }
    let digits =
        std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()));
    Ok(digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()))
}

/// DELEX: a key of any type, or a string under a condition.
fn remove_if(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let condition = match call.args.take_rest() {
        [] => Condition::Always,
        [name, value] => {
            const NO_STRING: &str = "ERR Key should be of string type if conditions are specified";
            const UNKNOWN: &str = "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE";
            match call.read(key, string::len_if_any) {
                Ok(Some(_)) => comparison(call, name).ok_or(ErrorReply::known(UNKNOWN))?(value)?,
                Ok(None) => return Ok(Reply::Integer(0)),
                Err(Error::WrongType) => return Err(ErrorReply::known(NO_STRING)),
                Err(error) => return Err(error.into()),
            }
        }
        _ => return Err(call.wrong_arity()),
    };
    remove_under(call, key, &condition)
}

fn remove_if_equal(call: &mut Call<'_>) -> Answer {
    let (key, value) = (call.key()?, call.args.next()?.clone());
    remove_under(call, key, &Condition::Equal(value))
}

fn remove_under(call: &Call<'_>, key: KeyRef<'_>, condition: &Condition) -> Answer {
    Ok(Reply::flag(call.write(key, |writer, key| string::remove_if(writer, key, condition))?))
}

fn digest(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let digest = call.read(key, string::digest)?;
    Ok(digest.map_or(Reply::Nil, |digest| Reply::text(format!("{digest:016x}"))))
}

/// MSETEX: 1 if all were set, 0 if none was.
fn mset_ex(call: &mut Call<'_>) -> Answer {
    let numkeys = ErrorReply::known("ERR invalid numkeys value or out of range");
    let count = call.args.count(1, numkeys.clone())?;
    if count > i32::MAX as usize {
        return Err(numkeys);
    }
    let pairs = call.args.take_many(count.saturating_mul(2))?.chunks_exact(2);
    let (mut condition, mut expiry, mut keeps) = (Condition::Always, None, false);
    while let Some(word) = call.args.take() {
        if is(word, "NX") && !matches!(condition, Condition::Present) {
            condition = Condition::Absent;
        } else if is(word, "XX") && !matches!(condition, Condition::Absent) {
            condition = Condition::Present;
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
    let deadline = deadline(call, expiry, keeps)?;
    let pairs: Vec<_> = pairs.map(|pair| (call.key_ref(&pair[0]), pair[1].clone())).collect();
    let keys: Vec<_> = pairs.iter().map(|(key, _)| *key).collect();
    Ok(Reply::flag(call.write_all(&keys, |writer| string::set_many(writer, pairs, &condition, deadline))?))
}

/// What SET and MSETEX are told of the deadline.
fn deadline(call: &Call<'_>, expiry: Option<(Unit, &Bytes)>, keeps: bool) -> Result<Deadline, ErrorReply> {
    match expiry {
        None if keeps => Ok(Deadline::Keep),
        None => Ok(Deadline::Clear),
        Some((unit, amount)) => {
            call.deadline(number::parse_i64(amount).ok_or(ErrorReply::NOT_AN_INTEGER)?, unit)
        }
    }
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
            // As often as one likes.
            while call.args.keyword("PERSIST") {}
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
