//! What functions of libraries are given, checked as Lua's own libraries do.

use mlua::{Lua, MultiValue, Value};

use crate::script::raise;

/// The argument at a place, from 1, which is a string or a number.
pub(in crate::script) fn bytes(lua: &Lua, given: &MultiValue, at: usize) -> mlua::Result<Vec<u8>> {
    match given.get(at - 1) {
        Some(Value::String(text)) => Ok(text.as_bytes().to_vec()),
        Some(value @ (Value::Integer(_) | Value::Number(_))) => {
            let text = lua.coerce_string(value.clone())?;
            Ok(text.map(|text| text.as_bytes().to_vec()).unwrap_or_default())
        }
        other => Err(wrong_type(lua, at, "string", other)),
    }
}

/// One that is a number, or a string that can be read as one.
pub(in crate::script) fn number(lua: &Lua, given: &MultiValue, at: usize) -> mlua::Result<f64> {
    match given.get(at - 1) {
        Some(Value::Number(value)) => Ok(*value),
        Some(Value::Integer(value)) => Ok(*value as f64),
        Some(text @ Value::String(_)) => {
            lua.coerce_number(text.clone())?.ok_or_else(|| wrong_type(lua, at, "number", Some(text)))
        }
        other => Err(wrong_type(lua, at, "number", other)),
    }
}

/// The same, cut to a whole number.
pub(in crate::script) fn integer(lua: &Lua, given: &MultiValue, at: usize) -> mlua::Result<i64> {
    number(lua, given, at).map(|value| value as i64)
}

/// The same, where nothing stands for another.
pub(in crate::script) fn integer_or(lua: &Lua, given: &MultiValue, at: usize, or: i64) -> mlua::Result<i64> {
    match given.get(at - 1) {
        None | Some(Value::Nil) => Ok(or),
        Some(_) => integer(lua, given, at),
    }
}

fn wrong_type(lua: &Lua, at: usize, wanted: &str, got: Option<&Value>) -> mlua::Error {
    let got = got.map_or("no value", type_name);
    raise::argument(lua, at, &format!("{wanted} expected, got {got}"))
}

/// The name of a value's type, as Lua has it.
pub(in crate::script) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        Value::LightUserData(_) | Value::Error(_) => "userdata",
        other => other.type_name(),
    }
}
