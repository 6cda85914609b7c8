//! CLIENT: what a session says of itself, and what it learns of the others.

use super::args::is;
use super::call::{Answer, Call};
use super::clients::{Client, Facts};
use super::command::help;
use super::filter::Filter;
use super::row::flag::{ADMIN, ALLOW_BUSY, LOADING, NOSCRIPT, STALE, VALKEY_NO_MULTI};
use super::row::{Compat, Keys, Row, container, row};
use super::session::Silence;
use crate::Bytes;
use crate::reply::{ErrorReply, Reply};
use crate::text::number;

const OWN: u32 = NOSCRIPT | LOADING | STALE;

pub(super) const ROWS: &[Row] = &[
    container("client").since(2, 4),
    row("client|capa", -3, OWN | ALLOW_BUSY, Keys::NONE, capa).only_valkey(8, 0),
    row("client|getname", 2, OWN, Keys::NONE, get_name).since(2, 6),
    row("client|help", 2, LOADING | STALE, Keys::NONE, help).since(5, 0),
    row("client|id", 2, OWN, Keys::NONE, id).since(5, 0),
    row("client|import-source", 3, OWN, Keys::NONE, import_source).only_valkey(8, 1),
    row("client|info", 2, OWN, Keys::NONE, info).since(6, 2),
    row("client|list", -2, ADMIN | OWN, Keys::NONE, list).since(2, 4),
    row("client|no-evict", 3, ADMIN | OWN, Keys::NONE, no_evict).since(7, 0),
    row("client|no-touch", 3, OWN, Keys::NONE, no_touch).since(7, 2),
    row("client|reply", 3, OWN | VALKEY_NO_MULTI, Keys::NONE, reply).since(3, 2),
    row("client|setinfo", 4, OWN, Keys::NONE, set_info).since(7, 2),
    row("client|setname", 3, OWN, Keys::NONE, set_name).since(2, 6),
];

/// Whether it can stand in a line of `CLIENT LIST`.
fn is_plain(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_graphic)
}

/// # Errors
/// Redis's for what cannot be a client's name.
pub(super) fn check_name(name: &[u8]) -> Result<(), ErrorReply> {
    let error = "ERR Client names cannot contain spaces, newlines or special characters.";
    if is_plain(name) { Ok(()) } else { Err(ErrorReply::known(error)) }
}

fn get_name(call: &mut Call<'_>) -> Answer {
    let name = call.session.client.facts().name;
    Ok(Reply::bulk_or_nil(Some(name).filter(|name| !name.is_empty())))
}

fn set_name(call: &mut Call<'_>) -> Answer {
    let name = call.args.next()?;
    check_name(name)?;
    call.session.client.note(|facts| facts.name = name.clone());
    Ok(Reply::OK)
}

fn set_info(call: &mut Call<'_>) -> Answer {
    let (attribute, value) = (call.args.next()?, call.args.next()?.clone());
    let shown = String::from_utf8_lossy(attribute);
    let is_name = is(attribute, "LIB-NAME");
    if !is_name && !is(attribute, "LIB-VER") {
        return Err(ErrorReply::new(format!("ERR Unrecognized option '{shown}'")));
    }
    if !is_plain(&value) {
        let error = format!("ERR {shown} cannot contain spaces, newlines or special characters.");
        return Err(ErrorReply::new(error));
    }
    call.session.client.note(|facts| if is_name { facts.lib_name = value } else { facts.lib_ver = value });
    Ok(Reply::OK)
}

fn id(call: &mut Call<'_>) -> Answer {
    Ok(Reply::Integer(i64::try_from(call.session.client.id).unwrap_or(i64::MAX)))
}

/// Bytes of the command's words.
fn bytes_of(call: &Call<'_>) -> usize {
    let name = call.name.len() - usize::from(call.name.contains('|'));
    name + call.args.rest().iter().map(|word| word.len()).sum::<usize>()
}

/// The line of a client; `words` are the bytes of this one's command.
fn line(call: &Call<'_>, client: &Client, words: usize) -> String {
    // What others read of this session is as old as its last command.
    let facts = match client.id == call.session.client.id {
        true => Facts { words, ..call.session.facts(call.name) },
        false => client.facts(),
    };
    client.line(&facts, call.space().clock().now(), call.compat())
}

fn info(call: &mut Call<'_>) -> Answer {
    Ok(Reply::Verbatim("txt", Bytes::from(line(call, &call.session.client, bytes_of(call)))))
}

/// CLIENT LIST, of all, of a kind, or of some ids; in Valkey of all that a filter lets through.
fn list(call: &mut Call<'_>) -> Answer {
    let words = bytes_of(call);
    let is_valkey = call.compat() == Compat::Valkey9;
    let filter = match call.args.rest() {
        [] => Filter::default(),
        [option, names @ ..] if !is_valkey && is(option, "ID") && !names.is_empty() => {
            return list_named(call, names, words);
        }
        rest if is_valkey || rest.len() == 2 && is(&rest[0], "TYPE") => Filter::read(call, false)?,
        _ => return Err(ErrorReply::SYNTAX),
    };
    let (clients, meant) = (call.shared().clients.all(), filter.meant(call));
    let lines: String =
        clients.iter().filter(|client| meant(client)).map(|client| line(call, client, words)).collect();
    Ok(Reply::Verbatim("txt", Bytes::from(lines)))
}

/// Those of these ids, in the order in which they are named.
fn list_named(call: &Call<'_>, ids: &[Bytes], words: usize) -> Answer {
    let parse = |id: &Bytes| number::parse_i64(id).ok_or(ErrorReply::known("ERR Invalid client ID"));
    let ids = ids.iter().map(parse).collect::<Result<Vec<i64>, _>>()?;
    let found = ids.into_iter().filter_map(|id| call.shared().clients.find(id));
    let lines: String = found.map(|client| line(call, &client, words)).collect();
    Ok(Reply::Verbatim("txt", Bytes::from(lines)))
}

/// CLIENT CAPA: nobody is redirected here, and what else a client may be capable of is passed over.
fn capa(call: &mut Call<'_>) -> Answer {
    if call.args.take_rest().iter().any(|word| is(word, "REDIRECT")) {
        call.session.client.note(|facts| facts.takes_redirects = true);
    }
    Ok(Reply::OK)
}

/// Nothing is evicted here to make room for clients: all that is left of it is the flag that others see.
fn no_evict(call: &mut Call<'_>) -> Answer {
    let stays = on_or_off(call.args.next()?)?;
    call.session.client.note(|facts| facts.stays = stays);
    Ok(Reply::OK)
}

/// What it reads and writes counts as no use of the keys, but for TOUCH.
fn no_touch(call: &mut Call<'_>) -> Answer {
    let leaves_no_trace = on_or_off(call.args.next()?)?;
    call.session.db = call.session.db.leaving_no_trace(leaves_no_trace);
    call.session.client.note(|facts| facts.leaves_no_trace = leaves_no_trace);
    Ok(Reply::OK)
}

fn on_or_off(word: &[u8]) -> Result<bool, ErrorReply> {
    match word {
        word if is(word, "ON") => Ok(true),
        word if is(word, "OFF") => Ok(false),
        _ => Err(ErrorReply::SYNTAX),
    }
}

/// Nothing expires otherwise for one who moves keys in from elsewhere; a server can be told that there are such.
fn import_source(call: &mut Call<'_>) -> Answer {
    let word = call.args.next()?;
    let imports = *super::config::value(call.space(), "import-mode") == *b"yes";
    if !imports && !is(word, "OFF") {
        return Err(ErrorReply::known("ERR Server is not in import mode"));
    }
    on_or_off(word).map(|_| Reply::OK)
}

fn reply(call: &mut Call<'_>) -> Answer {
    let word = call.args.next()?;
    call.session.silence = match call.session.silence {
        _ if is(word, "ON") => Silence::No,
        _ if is(word, "OFF") => Silence::Lasting,
        Silence::Lasting if is(word, "SKIP") => Silence::Lasting,
        _ if is(word, "SKIP") => Silence::Next,
        _ => return Err(ErrorReply::SYNTAX),
    };
    Ok(Reply::OK)
}
