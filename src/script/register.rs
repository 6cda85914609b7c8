//! `redis.register_function`, with which a library says what it has.

use std::collections::HashSet;

use mlua::{Function, Lua, MultiValue, Table, Value};

use super::engine::Loaded;
use super::library::found_by;
use super::raise;
use super::shebang::{Flags, check_name};
use crate::Bytes;
use crate::reply::ErrorReply;
use crate::sync::{Arc, Mutex};
use crate::table::Compat;

/// The library that is being loaded, if one is.
pub(super) type Registry = Arc<Mutex<Option<Loading>>>;

/// What it has registered so far.
pub(super) struct Loading {
    pub registered: Vec<Registered>,
    names: HashSet<String>,
    functions: Table,
}

impl Loading {
    pub(super) fn new(loaded: &Loaded) -> Self {
        Loading { registered: Vec::new(), names: HashSet::new(), functions: loaded.0.clone() }
    }
}

/// A function of a library.
pub(super) struct Registered {
    pub name: String,
    pub description: Option<Bytes>,
    pub flags: Flags,
}

pub(super) fn function(lua: &Lua, registry: &Registry) -> mlua::Result<Function> {
    let registry = Arc::clone(registry);
    lua.create_function(move |lua, arguments: MultiValue| {
        if registry.lock().is_none() {
            let text = "ERR redis.register_function can only be called on FUNCTION LOAD command";
            return Err(raise::of_table(lua, text));
        }
        let arguments = arguments.into_vec();
        let (registered, callback) = match arguments.as_slice() {
            [Value::Table(named)] => by_name(lua, named)?,
            [_] => {
                return Err(raise::of_table(
                    lua,
                    "ERR calling redis.register_function with a single argument is only applicable to Lua \
                     table (representing named arguments).",
                ));
            }
            [name, callback] => by_place(lua, name, callback)?,
            _ => {
                return Err(raise::of_table(lua, "ERR wrong number of arguments to redis.register_function"));
            }
        };
        let mut registry = registry.lock();
        let Some(Loading { registered: before, names, functions }) = &mut *registry else { return Ok(()) };
        if !names.insert(registered.name.clone()) && !is_late(lua) {
            return Err(raise::of_table(lua, "ERR Function already exists in the library"));
        }
        functions.raw_set(found_by(&registered.name), callback)?;
        before.push(registered);
        Ok(())
    })
}

fn by_place(lua: &Lua, name: &Value, callback: &Value) -> mlua::Result<(Registered, Function)> {
    let Value::Function(callback) = callback else {
        return Err(raise::of_table(
            lua,
            "ERR second argument to redis.register_function must be a function",
        ));
    };
    let text = "ERR first argument to redis.register_function must be a string";
    let name = text_of(lua, name)?.ok_or_else(|| raise::of_table(lua, text))?;
    let name = checked(lua, &name)?;
    Ok((Registered { name, description: None, flags: Flags::default() }, callback.clone()))
}

fn by_name(lua: &Lua, named: &Table) -> mlua::Result<(Registered, Function)> {
    let (mut name, mut description, mut flags, mut callback) = (None, None, Flags::default(), None);
    for pair in named.pairs::<Value, Value>() {
        let (key, value) = pair?;
        let Value::String(key) = key else { return Err(raise::of_table(lua, UNKNOWN)) };
        let key = key.as_bytes().to_ascii_lowercase();
        match (&*key, value) {
            (b"function_name", value) => {
                let text = "ERR function_name argument given to redis.register_function must be a string";
                name = Some(text_of(lua, &value)?.ok_or_else(|| raise::of_table(lua, text))?);
            }
            (b"description", value) => {
                let text = "ERR description argument given to redis.register_function must be a string";
                description = Some(text_of(lua, &value)?.ok_or_else(|| raise::of_table(lua, text))?);
            }
            (b"callback", Value::Function(function)) => callback = Some(function),
            (b"callback", _) => {
                return Err(raise::of_table(
                    lua,
                    "ERR callback argument given to redis.register_function must be a function",
                ));
            }
            (b"flags", Value::Table(names)) => {
                for at in 1.. {
                    match names.raw_get(at)? {
                        Value::Nil => break,
                        Value::String(name) if flags.add(&name.as_bytes()) => {}
                        _ => return Err(raise::of_table(lua, "ERR unknown flag given")),
                    }
                }
            }
            (b"flags", _) => {
                return Err(raise::of_table(
                    lua,
                    "ERR flags argument to redis.register_function must be a table representing function flags",
                ));
            }
            _ => return Err(raise::of_table(lua, UNKNOWN)),
        }
    }
    let text = "ERR redis.register_function must get a function name argument";
    let name = name.ok_or_else(|| raise::of_table(lua, text))?;
    let text = "ERR redis.register_function must get a callback argument";
    let callback = callback.ok_or_else(|| raise::of_table(lua, text))?;
    let name = checked(lua, &name)?;
    Ok((Registered { name, description: description.map(Bytes::from), flags }, callback))
}

const UNKNOWN: &str = "ERR unknown argument given to redis.register_function";

/// A string, or a number as one.
fn text_of(lua: &Lua, value: &Value) -> mlua::Result<Option<Vec<u8>>> {
    match value {
        Value::String(_) | Value::Integer(_) | Value::Number(_) => {
            Ok(lua.coerce_string(value.clone())?.map(|text| text.as_bytes().to_vec()))
        }
        _ => Ok(None),
    }
}

/// Whether names are looked at once all are registered, as Valkey does.
fn is_late(lua: &Lua) -> bool {
    lua.app_data_ref::<Compat>().is_some_and(|compat| *compat == Compat::Valkey9)
}

/// What such a server says of the names, if anything.
pub(super) fn check_names(registered: &[Registered]) -> Result<(), ErrorReply> {
    let mut before = HashSet::new();
    for Registered { name, .. } in registered {
        if check_name(name.as_bytes()).is_err() {
            return Err(ErrorReply::known(
                "ERR Function names can only contain letters, numbers, or underscores(_) and must be at least one \
                 character long",
            ));
        }
        if !before.insert(name) {
            return Err(ErrorReply::known("ERR Function already exists in the library"));
        }
    }
    Ok(())
}

/// A name as functions may have it.
fn checked(lua: &Lua, name: &[u8]) -> mlua::Result<String> {
    if is_late(lua) {
        return Ok(String::from_utf8_lossy(name).into_owned());
    }
    check_name(name).map_err(|error| raise::reply(error.as_bytes()))
}
