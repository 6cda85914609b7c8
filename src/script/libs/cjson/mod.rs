//! `cjson`: JSON, as Mark Pulford's library of that name has it.

mod decode;
mod encode;
mod options;

use mlua::{Function, Lua, MultiValue, Table, Value};

use super::arguments;
use crate::script::raise;
use crate::sync::{Arc, Mutex};
use crate::table::Compat;

use options::Options;

/// The metatable that marks arrays, by its name in the registry.
const ARRAY: &str = "larder.cjson.array";
/// Lua's `next`, which steps through tables without holding all that is in them.
const NEXT: &str = "larder.next";

pub(super) fn library(lua: &Lua, compat: Compat) -> mlua::Result<Table> {
    lua.set_named_registry_value(ARRAY, lua.create_table()?)?;
    lua.set_named_registry_value(NEXT, lua.globals().raw_get::<Function>("next")?)?;
    new(lua, compat)
}

/// The library with options of its own.
fn new(lua: &Lua, compat: Compat) -> mlua::Result<Table> {
    let cjson = lua.create_table()?;
    let options = Arc::new(Mutex::new(Options::default()));
    let decoding = Arc::clone(&options);
    let decode = lua.create_function(move |lua, given: MultiValue| {
        only_one(lua, &given)?;
        let text = arguments::bytes(lua, &given, 1)?;
        decode::decode(lua, &text, &decoding.lock())
    })?;
    let (encoding, next) = (Arc::clone(&options), lua.named_registry_value::<Function>(NEXT)?);
    let encode = lua.create_function(move |lua, given: MultiValue| {
        only_one(lua, &given)?;
        let value = given.into_iter().next().unwrap_or(Value::Nil);
        let text = encode::encode(lua, &next, value, &encoding.lock())?;
        lua.create_string(text)
    })?;
    cjson.raw_set("decode", decode)?;
    cjson.raw_set("encode", encode)?;
    cjson.raw_set("null", Value::NULL)?;
    cjson.raw_set("_NAME", "cjson")?;
    cjson.raw_set("_VERSION", "2.1.0")?;
    cjson.raw_set("new", lua.create_function(move |lua, _: MultiValue| new(lua, compat))?)?;
    options::functions(lua, &cjson, &options, compat)?;
    Ok(cjson)
}

fn only_one(lua: &Lua, given: &MultiValue) -> mlua::Result<()> {
    if given.len() == 1 { Ok(()) } else { Err(raise::argument(lua, 1, "expected 1 argument")) }
}
