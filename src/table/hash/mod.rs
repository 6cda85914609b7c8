//! HSET, HGET, HINCRBY and their kin.

mod expiry;
mod import;
mod valkey;

use super::call::{Answer, Call};
use super::pieces::Form;
use super::row::flag::{DENYOOM, FAST, READONLY, WRITE};
use super::row::{Keys, Row, row};
use crate::Bytes;
use crate::command::hash::{self, FieldsIf, Pair};
use crate::command::{Draw, Gather};
use crate::key::KeyRef;
use crate::keyspace::writer::Deadline;
use crate::reply::{ErrorReply, Reply};
use crate::text::long_double::LongDouble;
use crate::value::hash::Field;

pub(super) use import::{Fieldsets, ROWS as IMPORT_ROWS};

pub(super) const ROWS: &[Row] = &[
    row("hdel", -3, WRITE | FAST, Keys::ONE, delete).since(2, 0),
    row("hexists", 3, READONLY | FAST, Keys::ONE, exists).since(2, 0),
    row("hexpire", -6, WRITE | FAST, Keys::ONE, expiry::expire).since(7, 4).valkey(9, 0),
    row("hexpireat", -6, WRITE | FAST, Keys::ONE, expiry::expire_at).since(7, 4).valkey(9, 0),
    row("hexpiretime", -5, READONLY | FAST, Keys::ONE, expiry::time).since(7, 4).valkey(9, 0),
    row("hget", 3, READONLY | FAST, Keys::ONE, get).since(2, 0),
    row("hgetall", 2, READONLY, Keys::ONE, get_all).since(2, 0),
    row("hgetdel", -5, WRITE | FAST, Keys::ONE, expiry::get_and_delete).since(8, 0).valkey(9, 1),
    row("hgetex", -5, WRITE | FAST, Keys::ONE, expiry::get_and_expire).since(8, 0).valkey(9, 0),
    row("hincrby", 4, WRITE | DENYOOM | FAST, Keys::ONE, increase).since(2, 0),
    row("hincrbyfloat", 4, WRITE | DENYOOM | FAST, Keys::ONE, increase_float).since(2, 6),
    row("hkeys", 2, READONLY, Keys::ONE, keys).since(2, 0),
    row("hlen", 2, READONLY | FAST, Keys::ONE, len).since(2, 0),
    row("hmget", -3, READONLY | FAST, Keys::ONE, get_many).since(2, 0),
    row("hmset", -4, WRITE | DENYOOM | FAST, Keys::ONE, |call| set(call).map(|_| Reply::OK)).since(2, 0),
    row("hpersist", -5, WRITE | FAST, Keys::ONE, expiry::persist).since(7, 4).valkey(9, 0),
    row("hpexpire", -6, WRITE | FAST, Keys::ONE, expiry::expire_millis).since(7, 4).valkey(9, 0),
    row("hpexpireat", -6, WRITE | FAST, Keys::ONE, expiry::expire_at_millis).since(7, 4).valkey(9, 0),
    row("hpexpiretime", -5, READONLY | FAST, Keys::ONE, expiry::time_millis).since(7, 4).valkey(9, 0),
    row("hpttl", -5, READONLY | FAST, Keys::ONE, expiry::ttl_millis).since(7, 4).valkey(9, 0),
    row("hrandfield", -2, READONLY, Keys::ONE, random).since(6, 2),
    row("hset", -4, WRITE | DENYOOM | FAST, Keys::ONE, |call| set(call).map(Reply::count)).since(2, 0),
    row("hsetex", -6, WRITE | DENYOOM | FAST, Keys::ONE, expiry::set_and_expire).since(8, 0).valkey(9, 0),
    row("hsetnx", 4, WRITE | DENYOOM | FAST, Keys::ONE, set_nx).since(2, 0),
    row("hstrlen", 3, READONLY | FAST, Keys::ONE, value_len).since(3, 2),
    row("httl", -5, READONLY | FAST, Keys::ONE, expiry::ttl).since(7, 4).valkey(9, 0),
    row("hvals", 2, READONLY, Keys::ONE, values).since(2, 0),
];

/// HSET, HMSET: how many of the fields are new.
fn set(call: &mut Call<'_>) -> Result<usize, ErrorReply> {
    let key = call.key()?;
    let pairs = call.args.take_rest();
    if pairs.len() % 2 == 1 {
        return Err(call.wrong_arity());
    }
    let new = insert(call, key, pairs, FieldsIf::Always, Deadline::Clear)?;
    Ok(new.unwrap_or(0))
}

fn set_nx(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let pair = call.args.take_many(2)?;
    let new = insert(call, key, pair, FieldsIf::Absent, Deadline::Clear)?;
    Ok(Reply::flag(new.is_some()))
}

/// Sets fields, each with its value behind it: how many are new, if the condition holds.
fn insert(
    call: &Call<'_>,
    key: KeyRef<'_>,
    pairs: &[Bytes],
    condition: FieldsIf,
    deadline: Deadline,
) -> Result<Option<usize>, ErrorReply> {
    Ok(call.write(key, |writer, key| hash::insert(writer, key, self::pairs(pairs), condition, deadline))?)
}

fn pairs(words: &[Bytes]) -> impl Iterator<Item = Pair<'_>> + Clone {
    words.chunks_exact(2).map(|pair| (&pair[0], &pair[1]))
}

fn get(call: &mut Call<'_>) -> Answer {
    let (key, field) = (call.key()?, call.args.next()?);
    let value = call.read(key, |view, key| hash::get(view, key, field))?;
    call.strings(Form::Single, 1, [value])
}

fn get_many(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let fields = call.args.take_rest();
    let values = call.read(key, |view, key| hash::get_many(view, key, fields))?;
    call.strings(Form::Array, values.len(), values)
}

fn get_all(call: &mut Call<'_>) -> Answer {
    let Some(fields) = snapshot(call)? else { return call.strings(Form::Map, 0, []) };
    if !call.is_lent_a_buffer() {
        let mut pairs = Vec::with_capacity(fields.hash.len(fields.now));
        pairs.extend(live(&fields).map(|Field { name, value }| (Reply::Bulk(name), Reply::Bulk(value))));
        return Ok(Reply::Map(pairs));
    }
    call.gather(Form::Map, |_, pieces| {
        pieces.expect(2 * fields.hash.len(fields.now));
        for Field { name, value } in live(&fields) {
            pieces.give(name);
            pieces.give(value);
        }
        Ok(())
    })
}

fn keys(call: &mut Call<'_>) -> Answer {
    part(call, |field| field.name)
}

fn values(call: &mut Call<'_>) -> Answer {
    part(call, |field| field.value)
}

/// A part of each field.
fn part(call: &mut Call<'_>, part: impl Fn(Field) -> Bytes) -> Answer {
    let Some(fields) = snapshot(call)? else { return call.strings(Form::Array, 0, []) };
    call.strings(Form::Array, fields.hash.len(fields.now), live(&fields).map(part).map(Some))
}

/// All fields of a hash, as they were at one instant: no lock is held while the reply is made of them.
fn snapshot(call: &mut Call<'_>) -> Result<Option<hash::Snapshot>, ErrorReply> {
    let key = call.key()?;
    Ok(call.read(key, hash::snapshot)?)
}

fn live(hash::Snapshot { hash, now }: &hash::Snapshot) -> impl Iterator<Item = Field> {
    (0..hash.positions()).filter_map(|at| hash.at(at, *now))
}

fn delete(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let fields = call.args.take_rest();
    let taken = call.write(key, |writer, key| hash::take(writer, key, fields))?;
    Ok(Reply::count(taken.iter().flatten().count()))
}

fn len(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    Ok(Reply::count(call.read(key, hash::len)?))
}

fn exists(call: &mut Call<'_>) -> Answer {
    let (key, field) = (call.key()?, call.args.next()?);
    Ok(Reply::flag(call.read(key, |view, key| hash::contains(view, key, field))?))
}

fn value_len(call: &mut Call<'_>) -> Answer {
    let (key, field) = (call.key()?, call.args.next()?);
    Ok(Reply::count(call.read(key, |view, key| hash::value_len(view, key, field))?))
}

fn increase(call: &mut Call<'_>) -> Answer {
    let (key, field) = (call.key()?, call.args.next()?.clone());
    let by = call.args.integer()?;
    Ok(Reply::Integer(call.write(key, |writer, key| hash::increase(writer, key, field, by))?))
}

fn increase_float(call: &mut Call<'_>) -> Answer {
    let (key, field) = (call.key()?, call.args.next()?.clone());
    let by = LongDouble::parse(call.args.next()?).ok_or(ErrorReply::NOT_A_FLOAT)?;
    if !by.is_finite() {
        return Err(ErrorReply::known("ERR value is NaN or Infinity"));
    }
    Ok(Reply::Bulk(call.write(key, |writer, key| hash::increase_float(writer, key, field, &by))?))
}

fn random(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let Some((count, with_values)) = call.args.draw("WITHVALUES")? else {
        let drawn = call.read(key, |view, key| hash::random(view, key, Draw::Distinct(1)))?;
        return Ok(Reply::bulk_or_nil(drawn.into_iter().next().map(|field| field.name)));
    };
    let draw = call.draw(count);
    let drawn = call.read(key, |view, key| hash::random(view, key, draw))?.into_iter();
    Ok(if with_values {
        Reply::Pairs(drawn.map(|field| (Reply::Bulk(field.name), Reply::Bulk(field.value))).collect())
    } else {
        Reply::bulks(drawn.map(|field| field.name))
    })
}
