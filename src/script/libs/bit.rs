//! `bit`: operations on numbers of 32 bits, as Mike Pall's BitOp has them.

use mlua::{Lua, MultiValue, Table};

use super::arguments::number;

pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let bit = lua.create_table()?;
    let one = |name: &str, op: fn(i32) -> i32| -> mlua::Result<()> {
        let function = lua.create_function(move |lua, given: MultiValue| Ok(op(bits(lua, &given, 1)?)))?;
        bit.raw_set(name, function)
    };
    one("tobit", |value| value)?;
    one("bnot", |value| !value)?;
    one("bswap", i32::swap_bytes)?;
    let all = |name: &str, op: fn(i32, i32) -> i32| -> mlua::Result<()> {
        let function = lua.create_function(move |lua, given: MultiValue| {
            let first = bits(lua, &given, 1)?;
            (2..=given.len()).try_fold(first, |sum, at| Ok::<_, mlua::Error>(op(sum, bits(lua, &given, at)?)))
        })?;
        bit.raw_set(name, function)
    };
    all("band", |a, b| a & b)?;
    all("bor", |a, b| a | b)?;
    all("bxor", |a, b| a ^ b)?;
    let shift = |name: &str, op: fn(i32, u32) -> i32| -> mlua::Result<()> {
        let function = lua.create_function(move |lua, given: MultiValue| {
            Ok(op(bits(lua, &given, 1)?, bits(lua, &given, 2)? as u32 & 31))
        })?;
        bit.raw_set(name, function)
    };
    shift("lshift", |value, by| value << by)?;
    shift("rshift", |value, by| (value as u32 >> by) as i32)?;
    shift("arshift", |value, by| value >> by)?;
    shift("rol", i32::rotate_left)?;
    shift("ror", i32::rotate_right)?;
    bit.raw_set("tohex", lua.create_function(to_hex)?)?;
    Ok(bit)
}

/// The lowest 32 bits of a number, rounded to a whole one.
fn bits(lua: &Lua, given: &MultiValue, at: usize) -> mlua::Result<i32> {
    // 2^52 + 2^51: adding it leaves the number in the lowest bits of the sum.
    let sum = number(lua, given, at)? + 6_755_399_441_055_744.0;
    Ok(sum.to_bits() as u32 as i32)
}

/// So many of the lowest hexadecimal digits; large ones if that is negative.
fn to_hex(lua: &Lua, given: MultiValue) -> mlua::Result<String> {
    let value = bits(lua, &given, 1)?;
    let digits = if given.len() < 2 { 8 } else { bits(lua, &given, 2)? };
    let text = if digits < 0 { format!("{value:08X}") } else { format!("{value:08x}") };
    let kept = (digits.unsigned_abs() as usize).min(8);
    Ok(text.get(8 - kept..).unwrap_or_default().to_owned())
}
