//! `cmsgpack`: MessagePack, as Salvatore Sanfilippo's library of that name has it.

use mlua::{Lua, MultiValue, Table, Value};

use super::arguments::{bytes, integer, integer_or};
use crate::script::budget::{Budget, HELD};
use crate::script::raise;
use crate::table::Compat;

/// Tables nested deeper than this are packed as nothing.
const DEPTH: usize = 16;
/// How deep what is unpacked can be nested.
const MOST: usize = 200;

pub(super) fn library(lua: &Lua, compat: Compat) -> mlua::Result<Table> {
    let cmsgpack = lua.create_table()?;
    cmsgpack.raw_set("pack", lua.create_function(pack)?)?;
    cmsgpack.raw_set("unpack", lua.create_function(|lua, given: MultiValue| unpack(lua, &given, 0, 0))?)?;
    let one = |lua: &Lua, given: MultiValue| {
        let offset = integer_or(lua, &given, 2, 0)?;
        unpack(lua, &given, 1, offset)
    };
    cmsgpack.raw_set("unpack_one", lua.create_function(one)?)?;
    let limit = |lua: &Lua, given: MultiValue| {
        let (limit, offset) = (integer(lua, &given, 2)?, integer_or(lua, &given, 3, 0)?);
        unpack(lua, &given, limit, offset)
    };
    cmsgpack.raw_set("unpack_limit", lua.create_function(limit)?)?;
    cmsgpack.raw_set("_NAME", "cmsgpack")?;
    cmsgpack.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    let holder = if compat == Compat::Valkey9 { "Redis Ltd." } else { "Salvatore Sanfilippo" };
    cmsgpack.raw_set("_COPYRIGHT", format!("Copyright (C) 2012, {holder}"))?;
    cmsgpack.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    Ok(cmsgpack)
}

fn pack(lua: &Lua, given: MultiValue) -> mlua::Result<mlua::String> {
    if given.is_empty() {
        return Err(raise::argument(lua, 0, "MessagePack pack needs input."));
    }
    let (mut out, mut budget) = (Vec::new(), Budget::new(lua));
    given.iter().try_for_each(|value| put(value, 0, &mut out, &mut budget))?;
    lua.create_string(out)
}

fn put(value: &Value, depth: usize, out: &mut Vec<u8>, budget: &mut Budget) -> mlua::Result<()> {
    match value {
        Value::String(text) => {
            let text = text.as_bytes();
            budget.take(text.len())?;
            match text.len() {
                len @ 0..=31 => out.push(0xa0 | len as u8),
                len @ 32..=0xff => out.extend_from_slice(&[0xd9, len as u8]),
                len => put_len(len, 0xda, 0xdb, out),
            }
            out.extend_from_slice(&text);
        }
        Value::Integer(number) => put_integer(*number, out),
        Value::Number(number) if *number as i64 as f64 == *number && number.abs() < 9.2e18 => {
            put_integer(*number as i64, out);
        }
        Value::Number(number) => {
            let short = *number as f32;
            if f64::from(short) == *number {
                out.push(0xca);
                out.extend_from_slice(&short.to_be_bytes());
            } else {
                out.push(0xcb);
                out.extend_from_slice(&number.to_be_bytes());
            }
        }
        Value::Boolean(flag) => out.push(0xc2 + u8::from(*flag)),
        Value::Table(table) if depth < DEPTH => put_table(table, depth, out, budget)?,
        _ => out.push(0xc0),
    }
    budget.take(0)
}

fn put_integer(number: i64, out: &mut Vec<u8>) {
    match number {
        0..=127 => out.push(number as u8),
        128..=0xff => out.extend_from_slice(&[0xcc, number as u8]),
        0x100..=0xffff => tagged(0xcd, &(number as u16).to_be_bytes(), out),
        0x1_0000..=0xffff_ffff => tagged(0xce, &(number as u32).to_be_bytes(), out),
        0x1_0000_0000.. => tagged(0xcf, &number.to_be_bytes(), out),
        -32..=-1 => out.push(number as u8),
        -128..=-33 => tagged(0xd0, &(number as i8).to_be_bytes(), out),
        -0x8000..=-129 => tagged(0xd1, &(number as i16).to_be_bytes(), out),
        -0x8000_0000..=-0x8001 => tagged(0xd2, &(number as i32).to_be_bytes(), out),
        _ => tagged(0xd3, &number.to_be_bytes(), out),
    }
}

fn tagged(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(bytes);
}

/// A length in 16 bits or 32.
fn put_len(len: usize, short: u8, long: u8, out: &mut Vec<u8>) {
    match u16::try_from(len) {
        Ok(len) => tagged(short, &len.to_be_bytes(), out),
        Err(_) => tagged(long, &(len as u32).to_be_bytes(), out),
    }
}

/// Goes over the table twice, as all that is in it cannot be held: first for what it is.
fn put_table(table: &Table, depth: usize, out: &mut Vec<u8>, budget: &mut Budget) -> mlua::Result<()> {
    let (mut len, mut most, mut is_array) = (0_usize, 0, true);
    table.for_each(|key: Value, _: bool| {
        budget.look()?;
        len += 1;
        let place =
            key.as_i64().filter(|place| *place > 0 && matches!(key, Value::Integer(_) | Value::Number(_)));
        most = most.max(place.unwrap_or(0));
        is_array &= place.is_some();
        Ok(())
    })?;
    if is_array && most == len as i64 {
        match len {
            0..=15 => out.push(0x90 | len as u8),
            _ => put_len(len, 0xdc, 0xdd, out),
        }
        return (1..=most).try_for_each(|at| put(&table.raw_get(at)?, depth + 1, out, budget));
    }
    match len {
        0..=15 => out.push(0x80 | len as u8),
        _ => put_len(len, 0xde, 0xdf, out),
    }
    table.pairs::<Value, Value>().try_for_each(|pair| {
        let (key, value) = pair?;
        put(&key, depth + 1, out, budget)?;
        put(&value, depth + 1, out, budget)
    })
}

/// All values, or so many from an offset on; then the offset behind them comes first, or -1 at the end.
fn unpack(lua: &Lua, given: &MultiValue, limit: i64, offset: i64) -> mlua::Result<MultiValue> {
    let text = bytes(lua, given, 1)?;
    if limit < 0 || offset < 0 {
        let text = format!("Invalid request to unpack with offset of {offset} and limit of {}.", text.len());
        return Err(raise::at_caller(lua, &text));
    }
    if offset > text.len() as i64 {
        let text = format!("Start offset {offset} greater than input length {}.", text.len());
        return Err(raise::at_caller(lua, &text));
    }
    let takes_all = limit == 0 && offset == 0;
    let mut left = &text[offset as usize..];
    let mut values = MultiValue::new();
    while !left.is_empty() && (takes_all || (values.len() as i64) < limit) {
        match take(lua, &mut left, 0) {
            Ok(_) if values.len() == HELD => {
                return Err(raise::at_caller(
                    lua,
                    "stack overflow (too many return values at once; use unpack_one or unpack_limit instead.)",
                ));
            }
            Ok(value) => values.push_back(value),
            Err(Bad::Short) => return Err(raise::at_caller(lua, "Missing bytes in input.")),
            Err(Bad::Format) => return Err(raise::at_caller(lua, "Bad data format in input.")),
            Err(Bad::Deep(what)) => {
                let text = format!("stack overflow (in function mp_decode_to_lua_{what})");
                return Err(raise::at_caller(lua, &text));
            }
            Err(Bad::Lua(error)) => return Err(error),
        }
    }
    if !takes_all {
        let at = if left.is_empty() { -1.0 } else { (text.len() - left.len()) as f64 };
        values.push_front(Value::Number(at));
    }
    Ok(values)
}

enum Bad {
    Short,
    Format,
    Deep(&'static str),
    Lua(mlua::Error),
}

impl From<mlua::Error> for Bad {
    fn from(error: mlua::Error) -> Self {
        Bad::Lua(error)
    }
}

fn take(lua: &Lua, left: &mut &[u8], depth: usize) -> Result<Value, Bad> {
    let [tag] = *fixed::<1>(left)?;
    match tag {
        0x90..=0x9f => array(lua, usize::from(tag & 15), left, depth),
        0xdc | 0xdd => {
            let len = len(tag == 0xdc, left)?;
            array(lua, len, left, depth)
        }
        0x80..=0x8f => map(lua, usize::from(tag & 15), left, depth),
        0xde | 0xdf => {
            let len = len(tag == 0xde, left)?;
            map(lua, len, left, depth)
        }
        _ => single(lua, tag, left),
    }
}

/// A length in 16 bits or 32.
fn len(is_short: bool, left: &mut &[u8]) -> Result<usize, Bad> {
    Ok(match is_short {
        true => usize::from(u16::from_be_bytes(*fixed(left)?)),
        false => u32::from_be_bytes(*fixed(left)?) as usize,
    })
}

/// A value that holds no others; its code stands by itself, so that the others take little of the stack.
fn single(lua: &Lua, tag: u8, left: &mut &[u8]) -> Result<Value, Bad> {
    let number = |value: f64| Ok(Value::Number(value));
    match tag {
        0..=0x7f => number(f64::from(tag)),
        0xe0..=0xff => number(f64::from(tag as i8)),
        0xc0 => Ok(Value::Nil),
        0xc2 | 0xc3 => Ok(Value::Boolean(tag == 0xc3)),
        0xca => number(f64::from(f32::from_be_bytes(*fixed(left)?))),
        0xcb => number(f64::from_be_bytes(*fixed(left)?)),
        0xcc => number(f64::from(u8::from_be_bytes(*fixed(left)?))),
        0xcd => number(f64::from(u16::from_be_bytes(*fixed(left)?))),
        0xce => number(f64::from(u32::from_be_bytes(*fixed(left)?))),
        0xd0 => number(f64::from(i8::from_be_bytes(*fixed(left)?))),
        0xd1 => number(f64::from(i16::from_be_bytes(*fixed(left)?))),
        0xd2 => number(f64::from(i32::from_be_bytes(*fixed(left)?))),
        // With a sign or without: Redis reads either as if it had one.
        0xcf | 0xd3 => number(i64::from_be_bytes(*fixed(left)?) as f64),
        0xa0..=0xbf => text(lua, usize::from(tag & 31), left),
        0xd9 => text(lua, usize::from(u8::from_be_bytes(*fixed(left)?)), left),
        0xda => text(lua, usize::from(u16::from_be_bytes(*fixed(left)?)), left),
        0xdb => text(lua, u32::from_be_bytes(*fixed(left)?) as usize, left),
        _ => Err(Bad::Format),
    }
}

fn fixed<'b, const N: usize>(left: &mut &'b [u8]) -> Result<&'b [u8; N], Bad> {
    let (taken, rest) = left.split_first_chunk().ok_or(Bad::Short)?;
    *left = rest;
    Ok(taken)
}

fn text(lua: &Lua, len: usize, left: &mut &[u8]) -> Result<Value, Bad> {
    let (taken, rest) = left.split_at_checked(len).ok_or(Bad::Short)?;
    *left = rest;
    Ok(Value::String(lua.create_string(taken)?))
}

fn array(lua: &Lua, len: usize, left: &mut &[u8], depth: usize) -> Result<Value, Bad> {
    if depth >= MOST {
        return Err(Bad::Deep("array"));
    }
    let table = lua.create_table()?;
    for at in 1..=len {
        table.raw_set(at, take(lua, left, depth + 1)?)?;
    }
    Ok(Value::Table(table))
}

fn map(lua: &Lua, len: usize, left: &mut &[u8], depth: usize) -> Result<Value, Bad> {
    if depth >= MOST {
        return Err(Bad::Deep("hash"));
    }
    let table = lua.create_table()?;
    for _ in 0..len {
        let key = take(lua, left, depth + 1)?;
        let value = take(lua, left, depth + 1)?;
        let fault = match &key {
            Value::Nil => Some("table index is nil"),
            Value::Number(key) if key.is_nan() => Some("table index is NaN"),
            _ => None,
        };
        match fault {
            Some(fault) => return Err(Bad::Lua(raise::at_caller(lua, fault))),
            None => table.raw_set(key, value)?,
        }
    }
    Ok(Value::Table(table))
}
