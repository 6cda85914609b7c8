//! DUMP and RESTORE: a value as Redis's own bytes.

use super::args::is;
use super::call::{Answer, Call};
use super::row::flag::{ASKING, DENYOOM, READONLY, WRITE};
use super::row::{Keys, Row, row};
use crate::clock::NEVER;
use crate::event::KeyEvent;
use crate::keyspace::writer::Deadline;
use crate::rdb::{self, Refused};
use crate::reply::{ErrorReply, Reply};
use crate::{Bytes, command};

pub(super) const ROWS: &[Row] = &[
    row("dump", 2, READONLY, Keys::ONE, dump).since(2, 6),
    row("restore", -4, WRITE | DENYOOM, Keys::ONE, restore).since(2, 6),
    row("restore-asking", -4, WRITE | DENYOOM | ASKING, Keys::ONE, restore).since(3, 0),
];

const BUSY: ErrorReply = ErrorReply::known("BUSYKEY Target key name already exists.");

fn dump(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    // Shared, so that it is written without a lock.
    let found = call.read(key, |view, key| Ok(view.entry(key).map(|entry| entry.value.to_value())))?;
    let Some(value) = found else { return Ok(Reply::Nil) };
    let (clock, now) = (call.space().clock(), call.time().now());
    let payload = rdb::dump(crate::value::ValueRef::Whole(&value), call.compat(), clock, now);
    let payload = payload.map_err(|what| {
        ErrorReply::new(format!("ERR the key has {what}, which this version of the server cannot hold"))
    })?;
    Ok(Reply::Bulk(Bytes::from(payload)))
}

fn restore(call: &mut Call<'_>) -> Answer {
    let (key, mut ttl, payload) =
        (call.key()?, call.args, call.args.rest().get(1).ok_or(ErrorReply::SYNTAX)?);
    call.args.take_many(2)?;
    let (mut replaces, mut is_time, mut idle, mut uses) = (false, false, None, None);
    while let Some(word) = call.args.take() {
        if is(word, "REPLACE") {
            replaces = true;
        } else if is(word, "ABSTTL") {
            is_time = true;
        } else if is(word, "IDLETIME") && !call.args.is_empty() && uses.is_none() {
            let seconds = u64::try_from(call.args.integer()?);
            let seconds = seconds.map_err(|_| ErrorReply::known("ERR Invalid IDLETIME value, must be >= 0"));
            idle = Some(seconds?);
        } else if is(word, "FREQ") && !call.args.is_empty() && idle.is_none() {
            let count = u8::try_from(call.args.integer()?);
            let count =
                count.map_err(|_| ErrorReply::known("ERR Invalid FREQ value, must be >= 0 and <= 255"));
            uses = Some(count?);
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    if !replaces && call.look(key, |view, key| Ok(command::keys::exists(view, key)))? {
        return Err(BUSY);
    }
    let ttl = ttl.integer()?;
    if ttl < 0 {
        return Err(ErrorReply::known("ERR Invalid TTL value, must be >= 0"));
    }
    let (time, limit) = (call.time(), call.space().limits().value);
    let value = rdb::restore(payload, call.compat(), time, limit).map_err(|refused| match refused {
        Refused::Footer => ErrorReply::known("ERR DUMP payload version or checksum are wrong"),
        Refused::Content => ErrorReply::known("ERR Bad data format"),
    })?;
    // What Redis cannot count has passed.
    let wall = if is_time { Some(ttl) } else { ttl.checked_add_unsigned(time.wall()) };
    let deadline = match wall {
        _ if ttl == 0 => Deadline::Clear,
        Some(wall) => Deadline::At(time.moment_of(wall.unsigned_abs()).min(NEVER - 1)),
        None => Deadline::At(0),
    };
    let is_busy = call.write(key, |writer, key| {
        if !replaces && writer.value(key).is_some() {
            return Ok(true);
        }
        match value {
            Some(value) => {
                writer.set(key, value, deadline, KeyEvent::Restore)?;
                writer.put_use(key, idle, uses);
            }
            None => drop(writer.discard(key, KeyEvent::Del)),
        }
        Ok(false)
    })?;
    if is_busy { Err(BUSY) } else { Ok(Reply::OK) }
}
