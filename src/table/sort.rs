//! SORT and SORT_RO.

use super::args::is;
use super::call::{Answer, Call};
use super::find as find_row;
use super::row::flag::{DENYOOM, MOVABLEKEYS, READONLY, WRITE};
use super::row::{Compat, Keys, Row, row};
use crate::Bytes;
use crate::command::sort::{self, Order};
use crate::reply::{ErrorReply, Reply};
use crate::text::number;

const FIRST: (i32, i32, i32) = (1, 1, 1);

pub(super) const ROWS: &[Row] = &[
    row("sort", -2, WRITE | DENYOOM | MOVABLEKEYS, Keys::Find { told: FIRST, find }, |call| sort(call, true)),
    row("sort_ro", -2, READONLY | MOVABLEKEYS, Keys::Find { told: FIRST, find: |_| vec![1] }, |call| {
        sort(call, false)
    })
    .since(7, 0),
];

/// The key, and the last that is named as a destination.
fn find(words: &[Bytes]) -> Vec<usize> {
    let (mut keys, mut at) = (vec![1], 2);
    while let Some(word) = words.get(at) {
        if is(word, "LIMIT") {
            at += 2;
        } else if is(word, "GET") || is(word, "BY") {
            at += 1;
        } else if is(word, "STORE") && at + 1 < words.len() {
            keys.truncate(1);
            keys.push(at + 1);
        }
        at += 1;
    }
    keys
}

/// The keys that patterns name are read within the same step: then all shards are held.
fn sort(call: &mut Call<'_>, may_store: bool) -> Answer {
    let key = call.key()?;
    let (order, destination) = order(call, may_store)?;
    let (db, no_trace) = (call.db().index(), call.db().leaves_no_trace());
    let Some(destination) = destination else {
        let given = if order.reads_others() {
            call.space()
                .view(call.held(), db, |view| sort::sort(view.leaving_no_trace(no_trace), key, &order))??
        } else {
            call.read(key, |view, key| sort::sort(view, key, &order))?
        };
        return Ok(Reply::Array(given.into_iter().map(Reply::bulk_or_nil).collect()));
    };
    let to = call.key_ref(destination);
    let count = if order.reads_others() {
        call.space().change(call.held(), db, |writer| {
            sort::store(writer.leaving_no_trace(no_trace), key, to, &order)
        })??
    } else {
        call.write_all(&[key, to], |writer| sort::store(writer, key, to, &order))?
    };
    Ok(Reply::count(count))
}

fn order<'c>(call: &mut Call<'c>, may_store: bool) -> Result<(Order<'c>, Option<&'c Bytes>), ErrorReply> {
    let (mut order, mut destination) = (Order::by_numbers(weight(call.compat())), None);
    while let Some(word) = call.args.take() {
        let left = call.args.len();
        if is(word, "ASC") {
            order.descending = false;
        } else if is(word, "DESC") {
            order.descending = true;
        } else if is(word, "ALPHA") {
            order.alpha = true;
        } else if is(word, "LIMIT") && left >= 2 {
            order.limit = Some((call.args.integer()?, call.args.integer()?));
        } else if is(word, "STORE") && left >= 1 && may_store {
            destination = Some(call.args.next()?);
        } else if is(word, "BY") && left >= 1 {
            let by = call.args.next()?;
            // One without a star names no other key.
            if by.contains(&b'*') {
                check_reads(call, "BY")?;
            }
            order.by = Some(by);
        } else if is(word, "GET") && left >= 1 {
            check_reads(call, "GET")?;
            order.get.push(call.args.next()?);
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    Ok((order, destination))
}

/// Patterns name keys that are nowhere among the words: only who may read any may use them.
fn check_reads(call: &Call<'_>, option: &str) -> Result<(), ErrorReply> {
    let row = find_row(call.name.as_bytes());
    if row.is_none_or(|row| call.session.may_read_all(row)) {
        return Ok(());
    }
    Err(ErrorReply::new(format!("ERR {option} option of SORT denied due to insufficient ACL permissions.")))
}

/// How the server reads what elements are sorted by: until a zero byte in any case.
fn weight(compat: Compat) -> fn(&[u8]) -> Option<f64> {
    match compat {
        Compat::Valkey9 => |text| number::parse_decimal(sort::until_zero(text)),
        _ if compat.redis() >= (8, 0) => |text| number::parse_bound(text, true),
        _ => sort::weight,
    }
}
