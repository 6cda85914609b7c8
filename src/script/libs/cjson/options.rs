//! How JSON is read and written.

use mlua::{IntoLua, Lua, MultiValue, Table, Value};

use super::ARRAY;
use crate::script::libs::arguments;
use crate::script::raise;
use crate::sync::{Arc, Mutex};
use crate::table::Compat;

/// See the [module](self).
#[derive(Clone, Copy)]
pub(super) struct Options {
    /// A sparse array is written as an object.
    pub sparse_convert: bool,
    /// One is sparse that has more places than so many times its items (0: none is),
    pub sparse_ratio: i64,
    /// and more than this.
    pub sparse_safe: i64,
    pub encode_depth: i64,
    pub decode_depth: i64,
    pub precision: i64,
    keep_buffer: bool,
    pub encode_invalid: Invalid,
    pub decode_invalid: bool,
    /// Arrays are marked, so that an empty one is written as such.
    pub marks_arrays: bool,
}

/// What is done with numbers that JSON does not have.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Invalid {
    Refused,
    Written,
    Null,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth: 1000,
            decode_depth: 1000,
            precision: 14,
            keep_buffer: true,
            encode_invalid: Invalid::Refused,
            decode_invalid: true,
            marks_arrays: false,
        }
    }
}

type Shared = Arc<Mutex<Options>>;

/// The functions that set and tell them.
pub(super) fn functions(lua: &Lua, cjson: &Table, options: &Shared, compat: Compat) -> mlua::Result<()> {
    const INT: i64 = i32::MAX as i64;
    integer(lua, cjson, options, "encode_max_depth", 1, INT, |options| &mut options.encode_depth)?;
    integer(lua, cjson, options, "decode_max_depth", 1, INT, |options| &mut options.decode_depth)?;
    integer(lua, cjson, options, "encode_number_precision", 1, 14, |options| &mut options.precision)?;
    flag(lua, cjson, options, "encode_keep_buffer", |options| &mut options.keep_buffer)?;
    flag(lua, cjson, options, "decode_invalid_numbers", |options| &mut options.decode_invalid)?;
    if compat.redis() > (8, 2) {
        flag(lua, cjson, options, "decode_array_with_array_mt", |options| &mut options.marks_arrays)?;
        cjson.raw_set("array_mt", lua.named_registry_value::<Table>(ARRAY)?)?;
    }
    let shared = Arc::clone(options);
    let sparse = move |lua: &Lua, given: MultiValue| {
        at_most(lua, &given, 3)?;
        let mut options = shared.lock();
        set_flag(lua, &given, 1, &mut options.sparse_convert)?;
        set_integer(lua, &given, 2, 0, INT, &mut options.sparse_ratio)?;
        set_integer(lua, &given, 3, 0, INT, &mut options.sparse_safe)?;
        Ok((options.sparse_convert, options.sparse_ratio, options.sparse_safe))
    };
    cjson.raw_set("encode_sparse_array", lua.create_function(sparse)?)?;
    let shared = Arc::clone(options);
    let invalid = move |lua: &Lua, given: MultiValue| {
        at_most(lua, &given, 1)?;
        let mut options = shared.lock();
        options.encode_invalid = match given.front() {
            None | Some(Value::Nil) => options.encode_invalid,
            Some(Value::Boolean(true)) => Invalid::Written,
            Some(Value::Boolean(false)) => Invalid::Refused,
            Some(_) => match &*arguments::bytes(lua, &given, 1)? {
                b"off" => Invalid::Refused,
                b"on" => Invalid::Written,
                b"null" => Invalid::Null,
                other => {
                    let other = String::from_utf8_lossy(other);
                    return Err(raise::argument(lua, 1, &format!("invalid option '{other}'")));
                }
            },
        };
        match options.encode_invalid {
            Invalid::Refused => Ok(Value::Boolean(false)),
            Invalid::Written => Ok(Value::Boolean(true)),
            Invalid::Null => "null".into_lua(lua),
        }
    };
    cjson.raw_set("encode_invalid_numbers", lua.create_function(invalid)?)
}

fn integer(
    lua: &Lua,
    cjson: &Table,
    options: &Shared,
    name: &str,
    least: i64,
    most: i64,
    of: fn(&mut Options) -> &mut i64,
) -> mlua::Result<()> {
    let shared = Arc::clone(options);
    let function = lua.create_function(move |lua, given: MultiValue| {
        at_most(lua, &given, 1)?;
        let mut options = shared.lock();
        let setting = of(&mut options);
        set_integer(lua, &given, 1, least, most, setting)?;
        Ok(*setting)
    })?;
    cjson.raw_set(name, function)
}

fn flag(
    lua: &Lua,
    cjson: &Table,
    options: &Shared,
    name: &str,
    of: fn(&mut Options) -> &mut bool,
) -> mlua::Result<()> {
    let shared = Arc::clone(options);
    let function = lua.create_function(move |lua, given: MultiValue| {
        at_most(lua, &given, 1)?;
        let mut options = shared.lock();
        let setting = of(&mut options);
        set_flag(lua, &given, 1, setting)?;
        Ok(*setting)
    })?;
    cjson.raw_set(name, function)
}

fn at_most(lua: &Lua, given: &MultiValue, most: usize) -> mlua::Result<()> {
    if given.len() <= most {
        return Ok(());
    }
    Err(raise::argument(lua, most + 1, "found too many arguments"))
}

fn set_integer(
    lua: &Lua,
    given: &MultiValue,
    at: usize,
    least: i64,
    most: i64,
    setting: &mut i64,
) -> mlua::Result<()> {
    if matches!(given.get(at - 1), None | Some(Value::Nil)) {
        return Ok(());
    }
    let value = arguments::integer(lua, given, at)?;
    if !(least..=most).contains(&value) {
        return Err(raise::argument(lua, 1, &format!("expected integer between {least} and {most}")));
    }
    *setting = value;
    Ok(())
}

fn set_flag(lua: &Lua, given: &MultiValue, at: usize, setting: &mut bool) -> mlua::Result<()> {
    match given.get(at - 1) {
        None | Some(Value::Nil) => {}
        Some(Value::Boolean(value)) => *setting = *value,
        Some(_) => {
            let text = arguments::bytes(lua, given, at)?;
            match &*text {
                b"off" => *setting = false,
                b"on" => *setting = true,
                other => {
                    let other = String::from_utf8_lossy(other);
                    return Err(raise::argument(lua, at, &format!("invalid option '{other}'")));
                }
            }
        }
    }
    Ok(())
}
