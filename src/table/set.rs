//! SADD, SPOP, SINTER and their kin.

use super::args::is;
use super::call::{Answer, Call};
use super::pieces::Form;
use super::row::flag::{DENYOOM, FAST, MOVABLEKEYS, READONLY, WRITE};
use super::row::{Keys, Row, counted, row};
use crate::Bytes;
use crate::command::Draw;
use crate::command::set::{self, Combine};
use crate::key::KeyRef;
use crate::reply::{ErrorReply, Reply};

const NUMKEYS: Keys = Keys::Find { told: (0, 0, 0), find: |words| counted(words, 1) };

pub(super) const ROWS: &[Row] = &[
    row("sadd", -3, WRITE | DENYOOM | FAST, Keys::ONE, add),
    row("scard", 2, READONLY | FAST, Keys::ONE, len),
    row("sdiff", -2, READONLY, Keys::ALL, |call| combine(call, Combine::Difference)),
    row("sdiffcard", -3, READONLY | MOVABLEKEYS, NUMKEYS, |call| combined_len(call, Combine::Difference))
        .since(8, 10),
    row("sdiffstore", -3, WRITE | DENYOOM, Keys::ALL, |call| combine_into(call, Combine::Difference)),
    row("sinter", -2, READONLY, Keys::ALL, |call| combine(call, Combine::Intersection)),
    row("sintercard", -3, READONLY | MOVABLEKEYS, NUMKEYS, intersection_len).since(7, 0),
    row("sinterstore", -3, WRITE | DENYOOM, Keys::ALL, |call| combine_into(call, Combine::Intersection)),
    row("sismember", 3, READONLY | FAST, Keys::ONE, contains),
    row("smembers", 2, READONLY, Keys::ONE, members),
    row("smismember", -3, READONLY | FAST, Keys::ONE, contains_many).since(6, 2),
    row("smove", 4, WRITE | FAST, Keys::range(1, 2, 1), smove),
    row("spop", -2, WRITE | FAST, Keys::ONE, pop),
    row("srandmember", -2, READONLY, Keys::ONE, random),
    row("srem", -3, WRITE | FAST, Keys::ONE, remove),
    row("sunion", -2, READONLY, Keys::ALL, |call| combine(call, Combine::Union)),
    row("sunioncard", -3, READONLY | MOVABLEKEYS, NUMKEYS, |call| combined_len(call, Combine::Union))
        .since(8, 10),
    row("sunionstore", -3, WRITE | DENYOOM, Keys::ALL, |call| combine_into(call, Combine::Union)),
];

fn add(call: &mut Call<'_>) -> Answer {
    let (key, members) = (call.key()?, call.args.take_rest());
    Ok(Reply::count(call.write(key, |writer, key| set::insert(writer, key, members))?))
}

fn remove(call: &mut Call<'_>) -> Answer {
    let (key, members) = (call.key()?, call.args.take_rest());
    Ok(Reply::count(call.write(key, |writer, key| set::remove(writer, key, members))?))
}

fn len(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    Ok(Reply::count(call.read(key, set::len)?))
}

fn contains(call: &mut Call<'_>) -> Answer {
    let (key, member) = (call.key()?, call.args.next()?);
    Ok(Reply::flag(call.read(key, |view, key| set::contains(view, key, member))?))
}

fn contains_many(call: &mut Call<'_>) -> Answer {
    let (key, members) = (call.key()?, call.args.take_rest());
    let found = call.read(key, |view, key| set::contains_many(view, key, members))?;
    Ok(Reply::Array(found.into_iter().map(Reply::flag).collect()))
}

fn members(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let set = call.read(key, set::snapshot)?;
    call.strings(Form::Set, set.len(), set.iter().map(|member| Some(member.into())))
}

/// SPOP: one member, or a set of up to so many.
fn pop(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    if call.args.len() > 1 {
        return Err(ErrorReply::SYNTAX);
    }
    if call.args.is_empty() {
        let popped = call.write(key, |writer, key| set::pop(writer, key, 1))?;
        return Ok(Reply::bulk_or_nil(popped.and_then(|popped| popped.into_taken().pop())));
    }
    let count = call.args.count(0, ErrorReply::OUT_OF_RANGE)?;
    let popped = call.write(key, |writer, key| set::pop(writer, key, count))?;
    Ok(as_set(popped.into_iter().flat_map(set::Popped::into_taken)))
}

/// SRANDMEMBER: one member, or an array of so many; below zero the same one may come again.
fn random(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    if call.args.len() > 1 {
        return Err(ErrorReply::SYNTAX);
    }
    if call.args.is_empty() {
        let drawn = call.read(key, |view, key| set::random(view, key, Draw::Distinct(1)))?.pop();
        return Ok(Reply::bulk_or_nil(drawn));
    }
    let count = call.args.symmetric()?;
    let draw = call.draw(count);
    Ok(Reply::bulks(call.read(key, |view, key| set::random(view, key, draw))?))
}

fn smove(call: &mut Call<'_>) -> Answer {
    let (source, destination, member) = (call.key()?, call.key()?, call.args.next()?.clone());
    let keys = [source, destination];
    let moved = call.write_all(&keys, |writer| set::move_(writer, source, destination, member))?;
    Ok(Reply::flag(moved))
}

fn combine(call: &mut Call<'_>, how: Combine) -> Answer {
    let keys = call.key_refs(call.args.rest());
    let members = call.read_all(&keys, |view| set::combine(view, how, &keys))?;
    call.strings(Form::Set, members.len(), members.into_iter().map(Some))
}

fn combine_into(call: &mut Call<'_>, how: Combine) -> Answer {
    let keys = call.key_refs(call.args.rest());
    let (destination, sources) = keys.split_first().ok_or(ErrorReply::SYNTAX)?;
    let len = call.write_all(&keys, |writer| set::combine_into(writer, how, *destination, sources))?;
    Ok(Reply::count(len))
}

/// SINTERCARD: counted up to the limit; one of 0 is none.
fn intersection_len(call: &mut Call<'_>) -> Answer {
    let (keys, limit) = counted_keys(call, false)?;
    Ok(Reply::count(call.read_all(&keys, |view| set::intersection_len(view, &keys, limit))?))
}

/// SUNIONCARD, SDIFFCARD: the same. What may be told roughly is told exactly.
fn combined_len(call: &mut Call<'_>, how: Combine) -> Answer {
    let (keys, limit) = counted_keys(call, how == Combine::Union)?;
    Ok(Reply::count(call.read_all(&keys, |view| set::combined_len(view, how, &keys, limit))?))
}

/// Keys behind their number, and up to how many members are counted.
fn counted_keys<'c>(
    call: &mut Call<'c>,
    may_be_rough: bool,
) -> Result<(Vec<KeyRef<'c>>, Option<usize>), ErrorReply> {
    let count = call.args.count(1, ErrorReply::known("ERR numkeys should be greater than 0"))?;
    let names = call
        .args
        .take_many(count)
        .map_err(|_| ErrorReply::known("ERR Number of keys can't be greater than number of args"))?;
    let mut limit = None;
    while let Some(word) = call.args.take() {
        if may_be_rough && is(word, "APPROX") {
            continue;
        }
        if !is(word, "LIMIT") || call.args.is_empty() {
            return Err(ErrorReply::SYNTAX);
        }
        let most = call.args.count(0, ErrorReply::known("ERR LIMIT can't be negative"))?;
        limit = Some(most).filter(|most| *most > 0);
    }
    Ok((call.key_refs(names), limit))
}

fn as_set(members: impl IntoIterator<Item = Bytes>) -> Reply {
    Reply::Set(members.into_iter().map(Reply::Bulk).collect())
}
