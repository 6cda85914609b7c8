//! Keys, whatever they hold: DEL, RENAME, COPY, KEYS, FLUSHALL and their kin.

use std::ops::Range;

use super::args::{Args, is};
use super::call::{Answer, Call};
use super::row::flag::{DENYOOM, FAST, READONLY, WRITE};
use super::row::{Keys, Row, row};
use crate::Error;
use crate::command::keys::{self, Existing};
use crate::reply::{ErrorReply, Reply};
use crate::text::glob::Pattern;

const TWO: Keys = Keys::range(1, 2, 1);

pub(super) const ROWS: &[Row] = &[
    row("copy", -3, WRITE | DENYOOM, TWO, copy).since(6, 2),
    row("dbsize", 1, READONLY | FAST, Keys::NONE, db_size),
    row("del", -2, WRITE, Keys::ALL, remove),
    row("exists", -2, READONLY | FAST, Keys::ALL, exists),
    row("flushall", -1, WRITE, Keys::NONE, flush_all),
    row("flushdb", -1, WRITE, Keys::NONE, flush_db),
    row("keys", 2, READONLY, Keys::NONE, names),
    row("move", 3, WRITE | FAST, Keys::ONE, move_to),
    row("randomkey", 1, READONLY, Keys::NONE, random_key),
    row("rename", 3, WRITE, TWO, |call| rename(call, Existing::Replaced)),
    row("renamenx", 3, WRITE | FAST, TWO, |call| rename(call, Existing::Kept)),
    row("swapdb", 3, WRITE | FAST, Keys::NONE, swap_db).since(4, 0),
    row("touch", -2, READONLY | FAST, Keys::ALL, touch).since(3, 2),
    row("type", 2, READONLY | FAST, Keys::ONE, kind),
    row("unlink", -2, WRITE | FAST, Keys::ALL, remove).since(4, 0),
];

/// DEL and UNLINK are one: values are freed when the locks are let go in any case.
fn remove(call: &mut Call<'_>) -> Answer {
    let names = call.args.take_rest();
    let keys = call.key_refs(names);
    Ok(Reply::count(call.write_all(&keys, |writer| Ok(keys::remove_many(writer, &keys)))?))
}

/// How many there are: it is no use of them.
fn exists(call: &mut Call<'_>) -> Answer {
    let names = call.args.take_rest();
    let keys = call.key_refs(names);
    let count =
        call.read_all(&keys, |view| Ok(keys.iter().filter(|key| keys::exists(view, **key)).count()))?;
    Ok(Reply::count(count))
}

fn touch(call: &mut Call<'_>) -> Answer {
    let names = call.args.take_rest();
    let keys = call.key_refs(names);
    // Nobody says it for another reason.
    Ok(Reply::count(call.read_all(&keys, |view| Ok(keys::count(view.leaving_no_trace(false), &keys)))?))
}

fn kind(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let kind = call.read(key, |view, key| Ok(keys::kind(view, key)))?;
    Ok(Reply::Status(kind.map_or("none", crate::Type::as_str).into()))
}

/// RENAME says OK, RENAMENX whether it was done.
fn rename(call: &mut Call<'_>, existing: Existing) -> Answer {
    let (from, to) = (call.key()?, call.key()?);
    let done = call.write_all(&[from, to], |writer| keys::rename(writer, from, to, existing))?;
    Ok(if existing == Existing::Replaced { Reply::OK } else { Reply::flag(done) })
}

fn copy(call: &mut Call<'_>) -> Answer {
    let (from, to) = (call.key()?, call.key()?);
    let (mut db, mut existing) = (call.db().index(), Existing::Kept);
    while let Some(word) = call.args.take() {
        if is(word, "REPLACE") {
            existing = Existing::Replaced;
        } else if is(word, "DB") && !call.args.is_empty() {
            db = database(call)?;
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    let done = call.write_all(&[from, to], |writer| keys::copy(writer, from, db, to, existing))?;
    Ok(Reply::flag(done))
}

fn move_to(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let db = database(call)?;
    Ok(Reply::flag(call.write(key, |writer, key| keys::move_to(writer, key, db))?))
}

/// The next argument as the number of a database.
fn database(call: &mut Call<'_>) -> Result<u16, ErrorReply> {
    in_range(index(&mut call.args, None)?, call)
}

/// The next argument as a number that Redis keeps in 32 bits; the error can be another than the usual one.
fn index(args: &mut Args<'_>, none: Option<&'static str>) -> Result<i32, ErrorReply> {
    let number = args.integer().map_err(|error| none.map_or(error, ErrorReply::known))?;
    i32::try_from(number).map_err(|_| {
        none.map(ErrorReply::known).unwrap_or_else(|| {
            let (least, most) = (i32::MIN, i32::MAX);
            ErrorReply::new(format!("ERR value is out of range, value must between {least} and {most}"))
        })
    })
}

fn in_range(index: i32, call: &Call<'_>) -> Result<u16, ErrorReply> {
    let index = u16::try_from(index).ok().filter(|index| *index < call.space().limits().databases);
    index.ok_or_else(|| Error::NoSuchDatabase.into())
}

fn swap_db(call: &mut Call<'_>) -> Answer {
    let a = index(&mut call.args, Some("ERR invalid first DB index"))?;
    let b = index(&mut call.args, Some("ERR invalid second DB index"))?;
    let (a, b) = (in_range(a, call)?, in_range(b, call)?);
    call.space().swap(call.held(), a, b)?;
    Ok(Reply::OK)
}

fn db_size(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(call.space().count(call.held(), call.db().index())?))
}

fn random_key(call: &mut Call<'_>) -> Answer {
    Ok(Reply::bulk_or_nil(call.space().random_key(call.held(), call.db().index())?))
}

fn names(call: &mut Call<'_>) -> Answer {
    let pattern = Pattern::new(call.args.next()?);
    Ok(Reply::bulks(call.space().names(call.held(), call.db().index(), pattern)?))
}

fn flush_db(call: &mut Call<'_>) -> Answer {
    let db = call.db().index();
    flush(call, db..db.saturating_add(1))
}

fn flush_all(call: &mut Call<'_>) -> Answer {
    let databases = call.space().limits().databases;
    flush(call, 0..databases)
}

/// ASYNC and SYNC are one here: the keys are gone at once, and their memory is freed without a lock.
fn flush(call: &mut Call<'_>, databases: Range<u16>) -> Answer {
    let is_known = match call.args.rest() {
        [] => true,
        [word] => is(word, "SYNC") || is(word, "ASYNC"),
        _ => false,
    };
    if !is_known {
        return Err(ErrorReply::SYNTAX);
    }
    call.space().clear(call.held(), databases)?;
    Ok(Reply::OK)
}
