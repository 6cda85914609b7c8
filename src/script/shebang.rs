//! The first line of a script, if it says what it is: `#!lua name=mylib flags=no-writes`.

use crate::reply::ErrorReply;
use crate::table::Compat;

/// What a script or a function says of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Flags(u8);

impl Flags {
    const NAMES: [&'static str; 5] =
        ["no-writes", "allow-oom", "allow-stale", "no-cluster", "allow-cross-slot-keys"];

    /// Adds one by its name; false if there is none of that name.
    pub(super) fn add(&mut self, name: &[u8]) -> bool {
        let at = Flags::NAMES.iter().position(|known| known.as_bytes() == name);
        self.0 |= at.map_or(0, |at| 1 << at);
        at.is_some()
    }

    /// It may write nothing.
    pub(crate) fn no_writes(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether a server that is out of memory runs it.
    pub(crate) fn allow_oom(self) -> bool {
        self.no_writes() || self.0 & 2 != 0
    }

    /// Their names, in Redis's order.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        Flags::NAMES
            .into_iter()
            .enumerate()
            .filter_map(move |(at, name)| (self.0 >> at & 1 != 0).then_some(name))
    }
}

/// The flags of a script, none if it has no such line, and where its code begins: at the line's end, so that
/// lines are counted as they stand.
///
/// # Errors
/// Redis's for what it does not know.
pub(super) fn of_script(text: &[u8], compat: Compat) -> Result<(Option<Flags>, &[u8]), ErrorReply> {
    let Some((words, code)) = split(text) else { return Ok((None, text)) };
    let Some(words) = words else { return Err(ErrorReply::known("ERR Invalid script shebang")) };
    let mut words = words.into_iter();
    let engine = words.next().unwrap_or_default();
    let is_valkey = compat == Compat::Valkey9;
    if engine != b"#!lua" && !(is_valkey && engine.eq_ignore_ascii_case(b"#!lua")) {
        if is_valkey {
            let engine = engine.strip_prefix(b"#!").unwrap_or(engine);
            return Err(ErrorReply::of_bytes(
                [b"ERR Could not find scripting engine '", engine, b"'"].concat(),
            ));
        }
        return Err(error("ERR Unexpected engine in script shebang: ", engine));
    }
    let mut flags = Flags::default();
    for word in words {
        let Some(names) = word.strip_prefix(b"flags=") else {
            return Err(error("ERR Unknown lua shebang option: ", word));
        };
        for name in names.split(|byte| *byte == b',').filter(|_| !names.is_empty()) {
            if !flags.add(name) {
                return Err(error("ERR Unexpected flag in script shebang: ", name));
            }
        }
    }
    Ok((Some(flags), code))
}

/// The name of a library, and where its code begins.
///
/// # Errors
/// Redis's for what it does not know, and without a name.
pub(super) fn of_library(text: &[u8]) -> Result<(String, &[u8]), ErrorReply> {
    let Some((words, code)) = split(text) else {
        return Err(ErrorReply::known("ERR Missing library metadata"));
    };
    let mut words = words.ok_or(ErrorReply::known("ERR Invalid library metadata"))?.into_iter();
    let engine = words.next().unwrap_or_default();
    let mut name = None;
    for word in words {
        match word.strip_prefix(b"name=") {
            Some(_) if name.is_some() => {
                return Err(ErrorReply::known(
                    "ERR Invalid metadata value, name argument was given multiple times",
                ));
            }
            Some(given) => name = Some(given),
            None => return Err(error("ERR Invalid metadata value given: ", word)),
        }
    }
    let name = name.ok_or(ErrorReply::known("ERR Library name was not given"))?;
    let name = check_name(name)?;
    let engine = engine.strip_prefix(b"#!").unwrap_or_default();
    if !engine.eq_ignore_ascii_case(b"lua") {
        let engine = String::from_utf8_lossy(engine);
        return Err(ErrorReply::new(format!("ERR Engine '{engine}' not found")));
    }
    Ok((name, code))
}

/// A name as libraries and functions may have.
///
/// # Errors
/// Redis's for others.
pub(super) fn check_name(name: &[u8]) -> Result<String, ErrorReply> {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    match String::from_utf8(name.to_vec()) {
        Ok(text) if !name.is_empty() && name.iter().all(fits) => Ok(text),
        _ => Err(ErrorReply::known(
            "ERR Library names can only contain letters, numbers, or underscores(_) and must be at least one \
             character long",
        )),
    }
}

type Words<'t> = Option<Vec<&'t [u8]>>;

/// The words of the first line, none if it has no end, and what follows them.
fn split(text: &[u8]) -> Option<(Words<'_>, &[u8])> {
    if !text.starts_with(b"#!") {
        return None;
    }
    let Some(end) = text.iter().position(|byte| *byte == b'\n') else { return Some((None, &[])) };
    let (line, code) = text.split_at(end);
    let words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    Some((Some(words.collect()), code))
}

fn error(what: &str, word: &[u8]) -> ErrorReply {
    ErrorReply::of_bytes([what.as_bytes(), word].concat())
}
