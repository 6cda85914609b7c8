//! Errors that Rust raises in Lua. mlua carries them as its own; the sandbox has scripts see what they stand for.

use std::borrow::Cow;
use std::fmt;

use mlua::{Error, Lua, Value};

use super::engine::SANDBOX;
use crate::table::Compat;

/// What a script sees of an error.
#[derive(Debug)]
pub(super) enum Raised {
    /// A string, as Lua's own libraries raise.
    Text(Vec<u8>),
    /// A table with the field `err`, as `redis.call` raises.
    Table(Vec<u8>),
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Raised::Text(text) | Raised::Table(text)) = self;
        f.write_str(&String::from_utf8_lossy(text))
    }
}

impl std::error::Error for Raised {}

/// An error of Redis's, with its code.
pub(super) fn reply(text: impl Into<Vec<u8>>) -> Error {
    Error::external(Raised::Table(text.into()))
}

/// One of the table `redis`, in the words of that server.
pub(super) fn of_table(lua: &Lua, text: &'static str) -> Error {
    reply(worded(lua, text))
}

/// What Redis 7.0 says, and what it says since 8.
const NEWER: [(&str, &str); 2] = [
    ("ERR Invalid debug level.", "ERR Invalid log level."),
    ("ERR redis.set_repl() requires two arguments.", "ERR redis.set_repl() requires one argument."),
];

/// What Redis says, and Valkey; besides, to that the table is `server`.
const IN_VALKEY: [(&str, &str); 2] = [
    (
        "ERR Please specify at least one argument for this redis lib call",
        "ERR Please specify at least one argument for this call",
    ),
    (
        "ERR Lua redis lib command arguments must be strings or integers",
        "ERR Command arguments must be strings or integers",
    ),
];

/// A text of Redis 7.0's as that server has it.
pub(super) fn worded(lua: &Lua, text: &'static str) -> Cow<'static, [u8]> {
    let compat = lua.app_data_ref::<Compat>().map_or_else(Compat::default, |compat| *compat);
    let is_valkey = compat == Compat::Valkey9;
    let mut text = text;
    for (texts, counts) in [(NEWER, is_valkey || compat.redis() >= (8, 0)), (IN_VALKEY, is_valkey)] {
        let other = texts.iter().find(|(old, _)| counts && *old == text);
        text = other.map_or(text, |(_, new)| *new);
    }
    if is_valkey && text.contains("redis.") {
        return text.replace("redis.", "server.").into_bytes().into();
    }
    text.as_bytes().into()
}

/// One of a library's, behind the place of whoever called it.
pub(super) fn at_caller(lua: &Lua, text: &str) -> Error {
    behind_place(lua, 1, text)
}

fn behind_place(lua: &Lua, level: usize, text: &str) -> Error {
    let place =
        place(lua, level).map(|place| format!("{}:{}: ", place.short, place.line)).unwrap_or_default();
    Error::external(Raised::Text(format!("{place}{text}").into_bytes()))
}

/// How an error begins that C has raised for the sandbox, which was called by a script: with the place in the script. Asked by
/// what handles it; nothing, if it was raised for the script itself.
pub(super) fn in_script(lua: &Lua) -> Option<String> {
    let is_ours = |level| {
        lua.inspect_stack(level, |debug| {
            let source = debug.source();
            (source.what == "C", source.source.as_deref() == Some(SANDBOX))
        })
    };
    // Above are this, and the handler.
    let caller = if is_ours(2)?.0 { 3 } else { 2 };
    let place = if is_ours(caller)?.1 { (caller..9).find_map(|level| place(lua, level)) } else { None };
    place.map(|place| format!("{}:{}: ", place.short, place.line))
}

/// What Lua says of an argument of the function that runs; from 1.
pub(super) fn argument(lua: &Lua, at: usize, what: &str) -> Error {
    argument_at(lua, 0, at, "?", what)
}

/// The same, of the function at that level of the stack, which has this name if the place it was called from has none for it.
pub(super) fn argument_at(lua: &Lua, level: usize, at: usize, or: &str, what: &str) -> Error {
    let names = lua.inspect_stack(level, |debug| {
        let names = debug.names();
        (names.name.map(|name| name.into_owned()), names.name_what == Some("method"))
    });
    let (name, is_method) = names.unwrap_or_default();
    let name = name.unwrap_or_else(|| or.into());
    let text = match (is_method, at) {
        (true, 1) => format!("calling '{name}' on bad self ({what})"),
        (true, at) => format!("bad argument #{} to '{name}' ({what})", at.saturating_sub(1)),
        (false, at) => format!("bad argument #{at} to '{name}' ({what})"),
    };
    behind_place(lua, level + 1, &text)
}

/// A place in a script.
pub(super) struct Place {
    pub short: String,
    pub line: usize,
}

/// Where the function at that level of the stack is; none for one that is not of a script.
pub(super) fn place(lua: &Lua, level: usize) -> Option<Place> {
    let place = lua.inspect_stack(level, |debug| {
        let line = debug.current_line()?;
        let source = debug.source();
        if source.source.as_deref() == Some(SANDBOX) {
            return None;
        }
        Some(Place { short: source.short_src.unwrap_or_default().into_owned(), line })
    });
    place.flatten()
}

/// What a script sees of a caught error.
pub(super) fn value_of(lua: &Lua, caught: Value) -> mlua::Result<Value> {
    let Value::Error(error) = caught else { return Ok(caught) };
    match find(&error) {
        Found::Raised(Raised::Text(text)) => lua.create_string(text).map(Value::String),
        Found::Raised(Raised::Table(text)) => table(lua, text).map(Value::Table),
        Found::Other(error) => lua.create_string(error.to_string()).map(Value::String),
    }
}

/// The text of an error of Redis's that Rust has raised.
pub(super) fn text_of(error: &Error) -> Option<&[u8]> {
    match find(error) {
        Found::Raised(Raised::Table(text)) => Some(text),
        _ => None,
    }
}

/// The table that stands for an error of Redis's.
pub(super) fn table(lua: &Lua, text: &[u8]) -> mlua::Result<mlua::Table> {
    let table = lua.create_table_with_capacity(0, 2)?;
    table.raw_set("err", lua.create_string(text)?)?;
    table.raw_set("ignore_error_stats_update", true)?;
    Ok(table)
}

enum Found<'e> {
    Raised(&'e Raised),
    Other(&'e Error),
}

fn find(error: &Error) -> Found<'_> {
    match error {
        Error::CallbackError { cause, .. } | Error::BadArgument { cause, .. } => find(cause),
        Error::WithContext { cause, .. } => find(cause),
        Error::ExternalError(raised) => match raised.downcast_ref() {
            Some(raised) => Found::Raised(raised),
            None => Found::Other(error),
        },
        other => Found::Other(other),
    }
}
