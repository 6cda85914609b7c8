//! PFADD, PFCOUNT, PFMERGE, and what Redis's own tests look into them with.

use super::args::is;
use super::call::{Answer, Call};
use super::row::flag::{ADMIN, DENYOOM, FAST, MAY_REPLICATE, READONLY, WRITE};
use super::row::{Keys, Row, row};
use crate::KeyEvent;
use crate::command::hyperloglog;
use crate::reply::{ErrorReply, Reply};
use crate::text::number;
use crate::value::hyperloglog::{Form, Registers, SPARSE_MAX};

pub(super) const ROWS: &[Row] = &[
    row("pfadd", -2, WRITE | DENYOOM | FAST, Keys::ONE, add).since(2, 8),
    row("pfcount", -2, READONLY | MAY_REPLICATE, Keys::ALL, count).since(2, 8),
    row("pfdebug", 3, WRITE | DENYOOM | ADMIN, Keys::range(2, 2, 1), debug).since(2, 8),
    row("pfmerge", -2, WRITE | DENYOOM, Keys::ALL, merge).since(2, 8),
    row("pfselftest", 1, ADMIN, Keys::NONE, |_| Ok(Reply::OK)).since(2, 8),
];

fn add(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let (elements, sparse_max) = (call.args.take_rest(), sparse_max(call));
    let changed = call.write(key, |writer, key| hyperloglog::insert(writer, key, elements, sparse_max))?;
    Ok(Reply::flag(changed))
}

fn count(call: &mut Call<'_>) -> Answer {
    let names = call.args.take_rest();
    let count = match call.key_refs(names)[..] {
        [key] => match call.read(key, hyperloglog::kept_count)? {
            Some(count) => count,
            None => {
                call.write(key, |writer, key| hyperloglog::count(writer, key, Some(KeyEvent::PfCount)))?
            }
        },
        ref keys => call.read_all(keys, |view| hyperloglog::union_count(view, keys))?,
    };
    // What is beyond counting is below zero, as Redis has it.
    Ok(Reply::Integer(count as i64))
}

fn merge(call: &mut Call<'_>) -> Answer {
    let (names, sparse_max) = (call.args.take_rest(), sparse_max(call));
    let keys = call.key_refs(names);
    let (destination, sources) = keys.split_first().ok_or(ErrorReply::SYNTAX)?;
    call.write_all(&keys, |writer| hyperloglog::merge(writer, *destination, sources, sparse_max))?;
    Ok(Reply::OK)
}

fn debug(call: &mut Call<'_>) -> Answer {
    const MISSING: ErrorReply = ErrorReply::known("ERR The specified key does not exist");
    let (command, key) = (call.args.next()?, call.key()?);
    if is(command, "SIMD") && (call.compat().redis() >= (8, 0) || call.compat() == super::Compat::Valkey9) {
        // There is nothing to switch: no instruction is asked for by name.
        return match key.bytes {
            word if is(word, "ON") || is(word, "OFF") => Ok(Reply::Status("enabled".into())),
            _ => Err(ErrorReply::known("ERR Argument must be ON or OFF")),
        };
    }
    let form = call.look(key, |view, key| hyperloglog::inspect(view, key, |log| Ok(log.form())))?;
    let form = form.ok_or(MISSING)?;
    if is(command, "ENCODING") {
        let name = if form == Form::Dense { "dense" } else { "sparse" };
        Ok(Reply::Status(name.into()))
    } else if is(command, "DECODE") {
        let text = call.look(key, |view, key| hyperloglog::inspect(view, key, |log| Ok(log.describe())))?;
        let text = text.ok_or(MISSING)?.ok_or(ErrorReply::known("ERR HLL encoding is not sparse"))?;
        Ok(Reply::text(text))
    } else if is(command, "TODENSE") {
        Ok(Reply::flag(call.write(key, hyperloglog::make_dense)?.ok_or(MISSING)?))
    } else if is(command, "GETREG") {
        call.write(key, hyperloglog::make_dense)?;
        let registers = call.look(key, |view, key| {
            hyperloglog::inspect(view, key, |log| {
                let mut registers = Registers::new();
                log.raise_into(&mut registers)?;
                Ok(registers)
            })
        })?;
        let registers = registers.ok_or(MISSING)?;
        Ok(Reply::Array(registers.iter().map(|value| Reply::Integer(value.into())).collect()))
    } else {
        Err(ErrorReply::of_bytes([b"ERR Unknown PFDEBUG subcommand '", &command[..], b"'"].concat()))
    }
}

/// What `hll-sparse-max-bytes` says.
fn sparse_max(call: &Call<'_>) -> usize {
    let bytes = call.shared().settings.changed("hll-sparse-max-bytes");
    bytes.and_then(|bytes| number::parse_u64(&bytes)).map_or(SPARSE_MAX, |bytes| bytes as usize)
}
