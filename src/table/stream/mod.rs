//! XADD, XRANGE, XREADGROUP and their kin.

mod group;
mod info;
mod once;
mod parse;
mod read;

use super::args::{Args, is};
use super::blocking::waits;
use super::call::{Answer, Call};
use super::row::flag::{BLOCKING, DENYOOM, FAST, LOADING, MOVABLEKEYS, READONLY, STALE, WRITE};
use super::row::{Compat, Keys, Row, container, row};
use crate::Bytes;
use crate::command::stream::{self, Item, NewId, Removal};
use crate::keyspace::writer::Absent;
use crate::reply::{ErrorReply, Reply};
use crate::value::stream::{References, StreamId, Trim};
use parse::{Changes, strict_id};

const SECOND: Keys = Keys::range(2, 2, 1);
const STREAMS: Keys = Keys::Find { told: (0, 0, 0), find: read::keys };

pub(super) const ROWS: &[Row] = &[
    row("xack", -4, WRITE | FAST, Keys::ONE, group::acknowledge).since(5, 0),
    row("xackdel", -6, WRITE | FAST, Keys::ONE, group::acknowledge_and_delete).since(8, 2),
    row("xadd", -5, WRITE | DENYOOM | FAST, Keys::ONE, add).since(5, 0),
    row("xautoclaim", -6, WRITE | FAST, Keys::ONE, group::auto_claim).since(6, 2),
    row("xcfgset", -2, WRITE | DENYOOM | FAST, Keys::ONE, once::configure).since(8, 6),
    row("xclaim", -6, WRITE | FAST, Keys::ONE, group::claim).since(5, 0),
    row("xdel", -3, WRITE | FAST, Keys::ONE, delete).since(5, 0),
    row("xdelex", -5, WRITE | FAST, Keys::ONE, delete_with).since(8, 2),
    container("xgroup").since(5, 0),
    row("xgroup|create", -5, WRITE | DENYOOM, SECOND, group::create).since(5, 0),
    row("xgroup|createconsumer", 5, WRITE | DENYOOM, SECOND, group::add_consumer).since(6, 2),
    row("xgroup|delconsumer", 5, WRITE, SECOND, group::delete_consumer).since(5, 0),
    row("xgroup|destroy", 4, WRITE, SECOND, group::destroy).since(5, 0),
    row("xgroup|help", 2, LOADING | STALE, Keys::NONE, group::help).since(5, 0),
    row("xgroup|setid", -5, WRITE, SECOND, group::set).since(5, 0),
    row("xidmprecord", 5, WRITE | DENYOOM | FAST, Keys::ONE, once::record).since(8, 6),
    container("xinfo").since(5, 0),
    row("xinfo|consumers", 4, READONLY, SECOND, info::consumers).since(5, 0),
    row("xinfo|groups", 3, READONLY, SECOND, info::groups).since(5, 0),
    row("xinfo|help", 2, LOADING | STALE, Keys::NONE, info::help).since(5, 0),
    row("xinfo|stream", -3, READONLY, SECOND, info::stream).since(5, 0),
    row("xlen", 2, READONLY | FAST, Keys::ONE, len).since(5, 0),
    row("xnack", -7, WRITE | FAST, Keys::ONE, group::negate).since(8, 8),
    row("xpending", -3, READONLY, Keys::ONE, group::pending).since(5, 0),
    row("xrange", -4, READONLY, Keys::ONE, |call| range(call, false)).since(5, 0),
    waits("xread", -4, READONLY | BLOCKING | MOVABLEKEYS, STREAMS, |call| read::read(call, false))
        .since(5, 0),
    waits("xreadgroup", -7, WRITE | BLOCKING | MOVABLEKEYS, STREAMS, |call| read::read(call, true))
        .since(5, 0),
    row("xrevrange", -4, READONLY, Keys::ONE, |call| range(call, true)).since(5, 0),
    row("xsetid", -3, WRITE | DENYOOM | FAST, Keys::ONE, set_id).since(5, 0),
    row("xtrim", -4, WRITE, Keys::ONE, trim).since(5, 0),
];

impl Compat {
    /// The version by whose rules streams go there.
    fn streams(self) -> (u8, u8) {
        // Valkey has gone some of the way from 7.2 to 8.0.
        if self == Compat::Valkey9 { (7, 3) } else { self.redis() }
    }
}

fn add(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let compat = call.compat();
    let changes = Changes::of_add(&mut call.args, compat)?;
    let words = call.args.take_rest();
    if words.is_empty() || words.len() % 2 == 1 {
        return Err(call.wrong_arity());
    }
    let id = changes.id.unwrap_or(NewId::Auto);
    if id == NewId::Exact(StreamId::MIN) {
        return Err(ErrorReply::known("ERR The ID specified in XADD must be greater than 0-0"));
    }
    let fields: Vec<(&[u8], &[u8])> =
        words.chunks_exact(2).filter_map(|pair| Some((&pair.first()?[..], &pair.get(1)?[..]))).collect();
    let once = changes.producer.map(|producer| once::Once::new(producer, &fields, once::retention(call)));
    let added = call.write(key, |writer, key| {
        let added = match &once {
            None => stream::add(writer, key, id, &fields, changes.absent)?.map(|id| (id, true)),
            Some(once) => once.add(writer, key, &fields, changes.absent)?,
        };
        if let (Some((_, true)), Some(trim)) = (added, changes.trim) {
            stream::trim(writer, key, trim)?;
        }
        Ok(added)
    })?;
    Ok(added.map_or(Reply::Nil, |(id, _)| of_id(id)))
}

fn trim(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let compat = call.compat();
    let trim = Changes::of_trim(&mut call.args, compat)?;
    Ok(Reply::count(call.write(key, |writer, key| stream::trim(writer, key, trim))?))
}

fn len(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    Ok(Reply::count(call.read(key, stream::len)?))
}

/// XRANGE, XREVRANGE: nothing for a count of 0, where there is a stream.
fn range(call: &mut Call<'_>, back: bool) -> Answer {
    let key = call.key()?;
    let (first, second) = (call.args.next()?, call.args.next()?);
    let (start, end) = parse::interval(if back { [second, first] } else { [first, second] })?;
    let mut count = usize::MAX;
    let mut none = false;
    while let Some(word) = call.args.take() {
        if !is(word, "COUNT") || call.args.is_empty() {
            return Err(ErrorReply::SYNTAX);
        }
        let given = call.args.integer()?;
        // -1 is what it is without the word.
        none = given <= 0;
        count = usize::try_from(given).unwrap_or(0);
    }
    let found = call.read(key, |view, key| {
        if none {
            let found = stream::look(view, key, |_| ())?;
            return Ok(if found.is_some() { None } else { Some(Vec::new()) });
        }
        let items = if back { stream::range_back } else { stream::range };
        items(view, key, start, end, count).map(Some)
    })?;
    Ok(found.map_or(Reply::NilArray, |items| Reply::Array(items.into_iter().map(of_item).collect())))
}

/// XDEL: ids are read once there is a stream.
fn delete(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let ids = call.args.take_rest();
    if call.look(key, |view, key| stream::look(view, key, |_| ()))?.is_none() {
        return Ok(Reply::Integer(0));
    }
    let ids = parse::ids(ids)?;
    Ok(Reply::count(call.write(key, |writer, key| stream::delete(writer, key, &ids))?))
}

/// XDELEX: another type comes before what is wrong with the words, and a missing key before the ids.
fn delete_with(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let found = call.look(key, |view, key| stream::look(view, key, |_| ()))?;
    let (references, words) = parse::references_and_ids(&mut call.args)?;
    let Some(()) = found else {
        return Ok(removals(vec![Removal::Missing; words.len()]));
    };
    let ids = parse::ids(words)?;
    Ok(removals(call.write(key, |writer, key| stream::delete_with(writer, key, &ids, references))?))
}

fn removals(removals: Vec<Removal>) -> Reply {
    let code = |removal| match removal {
        Removal::Missing => -1,
        Removal::Removed => 1,
        Removal::Kept => 2,
    };
    Reply::Array(removals.into_iter().map(code).map(Reply::Integer).collect())
}

fn set_id(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let last = strict_id(call.args.next()?)?;
    let (mut added, mut max_deleted) = (None, None);
    while let Some(word) = call.args.take() {
        let has_more = !call.args.is_empty();
        if is(word, "ENTRIESADDED") && has_more {
            let given = u64::try_from(call.args.integer()?);
            added = Some(given.map_err(|_| ErrorReply::known("ERR entries_added must be positive"))?);
        } else if is(word, "MAXDELETEDID") && has_more {
            let id = strict_id(call.args.next()?)?;
            if last < id {
                const TEXT: &str =
                    "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id";
                return Err(ErrorReply::known(TEXT));
            }
            max_deleted = Some(id).filter(|id| *id != StreamId::MIN);
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    let version = call.compat().streams();
    call.write(key, |writer, key| stream::set_id(writer, key, last, added, max_deleted, version))?;
    Ok(Reply::OK)
}

fn of_id(id: StreamId) -> Reply {
    Reply::text(id.to_string())
}

/// An id with the fields, and what was known of one that was claimed; or nothing for one that was removed.
fn of_item(item: Item) -> Reply {
    let fields = match item.fields {
        Some(fields) => Reply::bulks(fields.into_iter().flat_map(|(name, value)| [name, value])),
        None => Reply::NilArray,
    };
    let mut parts = vec![of_id(item.id), fields];
    if let Some((idle, count)) = item.delivered {
        parts.extend([number(idle), number(count)]);
    }
    Reply::Array(parts)
}

/// Redis counts without a sign and shows with one.
fn number(number: u64) -> Reply {
    Reply::Integer(number as i64)
}
