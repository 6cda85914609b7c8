//! GEOADD, GEOPOS, GEOSEARCH and their kin.

mod search;

use super::args::{Args, is};
use super::call::{Answer, Call};
use super::row::flag::{DENYOOM, MOVABLEKEYS, READONLY, WRITE};
use super::row::{Compat, Keys, Row, row};
use crate::command::geo;
use crate::command::sorted_set::InsertIf;
use crate::reply::{ErrorReply, Reply};
use crate::value::geo::Position;
use crate::{Bytes, Error};

/// A key, and that behind the last STORE or STOREDIST.
const STORED: Keys = Keys::Find { told: (1, 1, 1), find: stored };

pub(super) const ROWS: &[Row] = &[
    row("geoadd", -5, WRITE | DENYOOM, Keys::ONE, add).since(3, 2),
    row("geodist", -4, READONLY, Keys::ONE, distance).since(3, 2),
    row("geohash", -2, READONLY, Keys::ONE, geohashes).since(3, 2),
    row("geopos", -2, READONLY, Keys::ONE, positions).since(3, 2),
    row("georadius", -6, WRITE | DENYOOM | MOVABLEKEYS, STORED, search::around).since(3, 2),
    row("georadius_ro", -6, READONLY, Keys::ONE, search::around_read).since(3, 2),
    row("georadiusbymember", -5, WRITE | DENYOOM | MOVABLEKEYS, STORED, search::around_member).since(3, 2),
    row("georadiusbymember_ro", -5, READONLY, Keys::ONE, search::around_member_read).since(3, 2),
    row("geosearch", -7, READONLY, Keys::ONE, search::search).since(6, 2),
    row("geosearchstore", -8, WRITE | DENYOOM, Keys::range(1, 2, 1), search::search_store).since(6, 2),
];

fn stored(words: &[Bytes]) -> Vec<usize> {
    let (mut destination, mut at) = (None, 5);
    while at + 1 < words.len() {
        if is(&words[at], "STORE") || is(&words[at], "STOREDIST") {
            at += 1;
            destination = Some(at);
        }
        at += 1;
    }
    (1..2.min(words.len())).chain(destination).collect()
}

fn add(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let (mut absent, mut present, mut changed) = (false, false, false);
    loop {
        let option = if call.args.keyword("NX") {
            &mut absent
        } else if call.args.keyword("XX") {
            &mut present
        } else if call.args.keyword("CH") {
            &mut changed
        } else {
            break;
        };
        *option = true;
    }
    let condition = match (absent, present) {
        (true, true) => return Err(ErrorReply::SYNTAX),
        (true, false) => InsertIf::Absent,
        (false, true) => InsertIf::Present,
        (false, false) => InsertIf::Always,
    };
    if call.args.is_empty() || call.args.len() % 3 != 0 {
        return Err(ErrorReply::SYNTAX);
    }
    let mut entries = Vec::with_capacity(call.args.len() / 3);
    while !call.args.is_empty() {
        let position = position(&mut call.args)?;
        entries.push((call.args.next()?.clone(), position));
    }
    let counts = call.write(key, |writer, key| geo::add(writer, key, &entries, condition))?;
    Ok(Reply::count(if changed { counts.added + counts.updated } else { counts.added }))
}

fn positions(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let members = call.args.take_rest();
    let positions = call.read(key, |view, key| geo::positions(view, key, members))?;
    Ok(Reply::Array(positions.into_iter().map(|found| found.map_or(Reply::NilArray, coordinates)).collect()))
}

fn geohashes(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let members = call.args.take_rest();
    let geohashes = call.read(key, |view, key| geo::geohashes(view, key, members))?;
    Ok(Reply::Array(geohashes.into_iter().map(|found| found.map_or(Reply::Nil, Reply::text)).collect()))
}

fn distance(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let members = [call.args.next()?.clone(), call.args.next()?.clone()];
    let unit = match call.args.len() {
        0 => 1.0,
        1 => unit(&mut call.args)?,
        _ => return Err(ErrorReply::SYNTAX),
    };
    let meters = call.read(key, |view, key| geo::meters(view, key, &members))?;
    Ok(meters.map_or(Reply::Nil, |meters| four_decimals(meters / unit, call.compat())))
}

/// A longitude and a latitude that can be stored.
fn position(args: &mut Args<'_>) -> Result<Position, ErrorReply> {
    let (longitude, latitude) = (args.float()?, args.float()?);
    let position = Position { longitude, latitude };
    if position.is_valid() {
        Ok(position)
    } else {
        Err(Error::InvalidPosition { longitude, latitude }.into())
    }
}

/// How many meters a unit has.
fn unit(args: &mut Args<'_>) -> Result<f64, ErrorReply> {
    let word = args.next()?;
    let named = [("M", 1.0), ("KM", 1000.0), ("FT", 0.3048), ("MI", 1609.34)];
    let found = named.into_iter().find_map(|(name, meters)| is(word, name).then_some(meters));
    found.ok_or(ErrorReply::known("ERR unsupported unit provided. please use M, KM, FT, MI"))
}

fn coordinates(position: Position) -> Reply {
    Reply::Array(vec![Reply::Coordinate(position.longitude), Reply::Coordinate(position.latitude)])
}

/// A distance as text: from 7.2 on a product that is rounded to a whole number, before that the decimal digits of
/// the number itself, rounded.
fn four_decimals(distance: f64, compat: Compat) -> Reply {
    if compat == Compat::Redis70 {
        return Reply::text(format!("{distance:.4}"));
    }
    let units = (distance * 10_000.0).round_ties_even() as i64;
    Reply::text(format!("{}.{:04}", units / 10_000, units % 10_000))
}
