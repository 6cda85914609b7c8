//! COMMAND GETKEYS and GETKEYSANDFLAGS: the keys of a command that is not carried out.

use super::{key_specs, known};
use crate::Bytes;
use crate::reply::{ErrorReply, Reply};
use crate::table::Compat;
use crate::table::args::is;
use crate::table::call::{Answer, Call};
use crate::table::row::flag::{CONTAINER, NO_MANDATORY_KEYS, PUBSUB};
use crate::table::row::{Keys, Row, Run};

pub(super) fn get_keys(call: &mut Call<'_>) -> Answer {
    Ok(Reply::bulks(keys(call)?.into_iter().map(|(key, _)| key)))
}

pub(super) fn get_keys_and_flags(call: &mut Call<'_>) -> Answer {
    let pair = |(key, flags)| Reply::Array(vec![Reply::Bulk(key), key_specs::flags(flags)]);
    Ok(Reply::Array(keys(call)?.into_iter().map(pair).collect()))
}

/// The keys of the command that the rest of the words is, each with how it is used.
fn keys(call: &mut Call<'_>) -> Result<Vec<(Bytes, &'static str)>, ErrorReply> {
    let words = call.args.take_rest();
    let compat = call.compat();
    let row = row_of(call, words).ok_or(ErrorReply::known("ERR Invalid command specified"))?;
    if !has_keys(row) {
        return Err(ErrorReply::known("ERR The command has no key arguments"));
    }
    if !row.takes(words.len(), compat) {
        return Err(ErrorReply::known("ERR Invalid number of arguments specified for command"));
    }
    let places = match key_specs::places(row.name, compat, words) {
        Some(places) => places,
        None if finds_them_otherwise(row, compat) => {
            let places = row.keys.of(words).into_iter().enumerate();
            places.map(|(nth, place)| (place, usage(row.name, nth, words))).collect()
        }
        None => Vec::new(),
    };
    if places.is_empty() && !row.has(NO_MANDATORY_KEYS) {
        return Err(ErrorReply::known("ERR Invalid arguments specified for command"));
    }
    Ok(places.into_iter().filter_map(|(place, flags)| Some((words.get(place)?.clone(), flags))).collect())
}

fn row_of(call: &Call<'_>, words: &[Bytes]) -> Option<&'static Row> {
    let row = known(call, words.first()?)?;
    match words.get(1) {
        Some(sub) if matches!(row.run, Run::Container) || row.has(CONTAINER) => {
            known(call, &[row.name.as_bytes(), b"|", sub].concat())
        }
        _ => Some(row),
    }
}

/// Channels are none.
fn has_keys(row: &Row) -> bool {
    match row.keys {
        Keys::Range { first, .. } => first > 0 && !row.has(PUBSUB),
        Keys::Find { .. } => true,
    }
}

/// Whether its keys can be found though the specs do not say where they are.
fn finds_them_otherwise(row: &Row, compat: Compat) -> bool {
    matches!(row.keys, Keys::Find { .. }) || !key_specs::tell_all(row.name, compat)
}

/// How a command that its other words decide on uses the nth of its keys.
fn usage(name: &str, nth: usize, words: &[Bytes]) -> &'static str {
    let behind = |place: usize| words.get(place..).unwrap_or_default();
    match name {
        "set" if !behind(3).iter().any(|word| is(word, "GET")) => "OW update",
        "bitfield" if only_reads(behind(2)) => "RO access",
        "set" | "bitfield" => "RW access update",
        "migrate" => "RW access delete",
        "sort" | "georadius" | "georadiusbymember" if nth > 0 => "OW update",
        "sort" | "sort_ro" | "georadius" | "georadiusbymember" => "RO access",
        // Redis does not know.
        _ => "",
    }
}

/// Whether a BITFIELD of these operations does no more.
fn only_reads(mut operations: &[Bytes]) -> bool {
    loop {
        operations = match operations {
            [] => return true,
            [get, _, _, rest @ ..] if is(get, "GET") => rest,
            [overflow, _, rest @ ..] if is(overflow, "OVERFLOW") => rest,
            _ => return false,
        };
    }
}
