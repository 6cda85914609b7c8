//! HIMPORT: hashes of the same fields, whose names the session keeps.

use crate::Bytes;
use crate::command::hash;
use crate::reply::{ErrorReply, Reply};
use crate::table::call::{Answer, Call};
use crate::table::row::flag::{DENYOOM, WRITE};
use crate::table::row::{Keys, Row, container, row};

pub(in crate::table) const ROWS: &[Row] = &[
    container("himport").since(8, 10),
    row("himport|discard", 3, 0, Keys::NONE, discard).since(8, 10),
    row("himport|discardall", 2, 0, Keys::NONE, discard_all).since(8, 10),
    row("himport|prepare", -4, DENYOOM, Keys::NONE, prepare).since(8, 10),
    row("himport|set", -5, WRITE | DENYOOM, Keys::range(2, 2, 1), set).since(8, 10),
];

/// The names of fields, by the name of their set.
pub(in crate::table) type Fieldsets = Vec<(Bytes, Vec<Bytes>)>;

fn prepare(call: &mut Call<'_>) -> Answer {
    let (name, fields) = (call.args.next()?.clone(), call.args.take_rest());
    let mut sorted: Vec<&Bytes> = fields.iter().collect();
    sorted.sort_unstable();
    if sorted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(ErrorReply::known("ERR duplicate field name in fieldset"));
    }
    forget(call, &name);
    call.session.fieldsets.push((name, fields.to_vec()));
    Ok(Reply::OK)
}

/// The key is made anew, whatever fields and deadline it had.
fn set(call: &mut Call<'_>) -> Answer {
    let (key, name, values) = (call.key()?, call.args.next()?, call.args.take_rest());
    let found = call.session.fieldsets.iter().find(|(known, _)| known == name);
    let (_, fields) = found.ok_or(ErrorReply::known("ERR no such fieldset"))?;
    if fields.len() != values.len() {
        return Err(ErrorReply::known("ERR value count does not match fieldset field count"));
    }
    let pairs: Vec<_> = fields.iter().cloned().zip(values.iter().cloned()).collect();
    call.write(key, |writer, key| hash::replace(writer, key, &pairs))?;
    Ok(Reply::OK)
}

fn forget(call: &mut Call<'_>, name: &Bytes) -> bool {
    let before = call.session.fieldsets.len();
    call.session.fieldsets.retain(|(known, _)| known != name);
    call.session.fieldsets.len() < before
}

fn discard(call: &mut Call<'_>) -> Answer {
    let name = call.args.next()?;
    Ok(Reply::flag(forget(call, name)))
}

fn discard_all(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(std::mem::take(&mut call.session.fieldsets).len()))
}
