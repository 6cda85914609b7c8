//! Passing over what no store can hold, to what stands behind it.

use std::io::BufRead;

use super::Version;
use super::error::Fault;
use super::kind::{self, MODULE};
use super::reader::Reader;
use crate::Bytes;

/// What stands in the bytes of a module, each behind a number that tells which it is.
const MODULE_END: u64 = 0;
const MODULE_SIGNED: u64 = 1;
const MODULE_UNSIGNED: u64 = 2;
const MODULE_FLOAT: u64 = 3;
const MODULE_DOUBLE: u64 = 4;
const MODULE_STRING: u64 = 5;

/// Reads a value that cannot be held; gives what it is called.
///
/// # Errors
/// [`Fault::Unsupported`] if nobody can tell where it ends.
pub(super) fn value(
    reader: &mut Reader<impl BufRead>,
    of: u8,
    version: Version,
    limit: Skipping,
) -> Result<String, Fault> {
    let name = match of {
        MODULE => {
            let module = module_name(reader.length()?);
            format!("a value of the module type {module}")
        }
        _ => kind::name(of, version.is_valkey()),
    };
    match of {
        _ if limit == Skipping::Not => Err(Fault::Unsupported(name)),
        MODULE => module(reader).map(|()| name),
        _ => Err(Fault::Unsupported(name)),
    }
}

/// Whether what cannot be held is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Skipping {
    Not,
    Where,
}

/// What a module keeps beside the keys; gives what that is called, if there is anything.
pub(super) fn module_aux(reader: &mut Reader<impl BufRead>) -> Result<Option<String>, Fault> {
    let module_type = module_name(reader.length()?);
    // When it was written: two numbers.
    reader.length()?;
    reader.length()?;
    let begin = reader.at();
    module(reader)?;
    let has_any = reader.at() > begin + 1;
    Ok(has_any.then(|| format!("what the module type {module_type} keeps beside its keys")))
}

/// What modules keep with a key.
pub(super) fn key_metadata(reader: &mut Reader<impl BufRead>) -> Result<(), Fault> {
    for _ in 0..reader.length()? {
        reader.array::<4>()?;
        module(reader)?;
    }
    Ok(())
}

/// A slot that is being moved to or from this server, in Valkey.
pub(super) fn slot_import(reader: &mut Reader<impl BufRead>) -> Result<(), Fault> {
    reader.string()?;
    for _ in 0..reader.length()? {
        reader.length()?;
        reader.length()?;
    }
    Ok(())
}

/// The name of a function library, by the first line of its code: `#!lua name=mylib`.
pub(super) fn library_name(code: &Bytes) -> String {
    let line = code.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let name = line.split_ascii_whitespace().find_map(|word| word.strip_prefix("name="));
    name.unwrap_or("without a name").to_owned()
}

fn module(reader: &mut Reader<impl BufRead>) -> Result<(), Fault> {
    loop {
        match reader.length()? {
            MODULE_END => return Ok(()),
            MODULE_SIGNED | MODULE_UNSIGNED => drop(reader.length()?),
            MODULE_FLOAT => drop(reader.array::<4>()?),
            MODULE_DOUBLE => drop(reader.array::<8>()?),
            MODULE_STRING => drop(reader.string()?),
            _ => return Err(Fault::Damaged("a module's value has an unknown part")),
        }
    }
}

/// The name of a module's type: nine characters of six bits, above the ten of its version.
fn module_name(id: u64) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9).rev().map(|at| char::from(LETTERS[(id >> (10 + 6 * at) & 63) as usize])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RdbOptions;

    /// A file that has nothing else but what a module keeps, as Redis writes it.
    #[test]
    fn what_a_module_keeps_beside_its_keys_is_told() {
        let skipped = |kept: &[u8]| {
            let header = b"REDIS0009\xf7\x81\0\0\0\0\0\0\0\x03\x02\x02";
            let file = [&header[..], kept, b"\0\xff\0\0\0\0\0\0\0\0"].concat();
            let (_, report) = crate::Store::builder().read_rdb_with(&file[..], RdbOptions::new()).unwrap();
            report.skipped.into_iter().map(|skipped| (skipped.key, skipped.what)).collect::<Vec<_>>()
        };
        assert_eq!(skipped(b""), []);
        let what = "what the module type AAAAAAAAA keeps beside its keys";
        assert_eq!(skipped(b"\x05\x01x"), [(Bytes::new(), what.to_owned())]);
    }

    #[test]
    fn the_names_of_a_modules_type_and_of_a_library() {
        let letters = "ReJSON-RL".bytes().map(|letter| match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            _ => 62,
        });
        let id = letters.fold(0_u64, |id, letter| id << 6 | u64::from(letter)) << 10 | 3;
        assert_eq!(module_name(id), "ReJSON-RL");
        assert_eq!(library_name(&Bytes::from("#!lua name=mylib\nreturn 1")), "mylib");
        assert_eq!(library_name(&Bytes::from("")), "without a name");
    }
}
