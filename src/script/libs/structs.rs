//! `struct`: numbers and strings as they lie in memory, as Roberto Ierusalimschy's library of that name has them.

use mlua::{Lua, MultiValue, Table, Value};

use super::arguments::{bytes, integer_or, number};
use crate::script::budget::{Budget, HELD};
use crate::script::raise;

/// The largest integer, in bytes.
const MOST: usize = 32;
const ALIGN: usize = 8;

pub(super) fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("pack", lua.create_function(pack)?)?;
    library.raw_set("unpack", lua.create_function(unpack)?)?;
    library.raw_set("size", lua.create_function(size)?)?;
    Ok(library)
}

/// A format, and how far it is read.
struct Format<'f> {
    lua: &'f Lua,
    text: &'f [u8],
    at: usize,
    big: bool,
    align: usize,
}

impl<'f> Format<'f> {
    fn new(lua: &'f Lua, text: &'f [u8]) -> Self {
        // Here as there the processor has the lowest byte first.
        Format { lua, text, at: 0, big: false, align: 1 }
    }

    /// The next letter with the size that it has.
    fn next(&mut self) -> mlua::Result<Option<(u8, usize)>> {
        // A text ends at a zero in C.
        let Some(&letter) = self.text.get(self.at).filter(|letter| **letter != 0) else { return Ok(None) };
        self.at += 1;
        let size = match letter {
            b'b' | b'B' | b'x' => 1,
            b'h' | b'H' => 2,
            b'l' | b'L' | b'T' | b'd' => 8,
            b'f' => 4,
            b'c' => self.digits(1)?,
            b'i' | b'I' => {
                let size = self.digits(4)?;
                if size > MOST {
                    let text = format!("integral size {size} is larger than limit of {MOST}");
                    return Err(raise::at_caller(self.lua, &text));
                }
                size
            }
            _ => 0,
        };
        Ok(Some((letter, size)))
    }

    fn digits(&mut self, or: usize) -> mlua::Result<usize> {
        let mut number: Option<usize> = None;
        while let Some(digit) = self.text.get(self.at).filter(|byte| byte.is_ascii_digit()) {
            let sum = number.unwrap_or(0).saturating_mul(10).saturating_add(usize::from(digit - b'0'));
            if sum > i32::MAX as usize {
                return Err(raise::at_caller(self.lua, "integral size overflow"));
            }
            number = Some(sum);
            self.at += 1;
        }
        Ok(number.unwrap_or(or))
    }

    /// A letter that has no value.
    fn control(&mut self, letter: u8) -> mlua::Result<()> {
        match letter {
            b' ' => {}
            b'>' => self.big = true,
            b'<' => self.big = false,
            b'!' => {
                let align = self.digits(ALIGN)?;
                if !align.is_power_of_two() {
                    let text = format!("alignment {align} is not a power of 2");
                    return Err(raise::at_caller(self.lua, &text));
                }
                self.align = align;
            }
            other => {
                let text = format!("invalid format option '{}'", char::from(other));
                return Err(raise::argument(self.lua, 1, &text));
            }
        }
        Ok(())
    }

    /// How many bytes go before a value of that size at that place.
    fn padding(&self, at: usize, letter: u8, size: usize) -> usize {
        if size == 0 || letter == b'c' {
            return 0;
        }
        let size = size.min(self.align);
        size.wrapping_sub(at & (size - 1)) & (size - 1)
    }
}

fn pack(lua: &Lua, mut given: MultiValue) -> mlua::Result<mlua::String> {
    // What is missing is nil there, not nothing.
    if !given.is_empty() {
        given.push_back(Value::Nil);
    }
    let text = bytes(lua, &given, 1)?;
    let mut format = Format::new(lua, &text);
    let (mut out, mut budget) = (Vec::new(), Budget::new(lua));
    let mut at = 2;
    while let Some((letter, size)) = format.next()? {
        out.resize(out.len() + format.padding(out.len(), letter, size), 0);
        match letter {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let value = number(lua, &given, at)?;
                let value = if value < 0.0 { value as i64 as u64 } else { value as u64 };
                let mut bytes = [0; MOST];
                bytes[..8].copy_from_slice(&value.to_le_bytes());
                let bytes = &mut bytes[..size];
                if format.big {
                    bytes.reverse();
                }
                out.extend_from_slice(bytes);
                at += 1;
            }
            b'x' => out.push(0),
            b'f' => {
                let value = number(lua, &given, at)? as f32;
                out.extend_from_slice(&if format.big { value.to_be_bytes() } else { value.to_le_bytes() });
                at += 1;
            }
            b'd' => {
                let value = number(lua, &given, at)?;
                out.extend_from_slice(&if format.big { value.to_be_bytes() } else { value.to_le_bytes() });
                at += 1;
            }
            b'c' | b's' => {
                let text = bytes(lua, &given, at)?;
                at += 1;
                let size = if size == 0 { text.len() } else { size };
                let Some(text) = text.get(..size) else {
                    return Err(raise::argument(lua, at, "string too short"));
                };
                budget.take(text.len())?;
                out.extend_from_slice(text);
                if letter == b's' {
                    out.push(0);
                }
            }
            other => format.control(other)?,
        }
    }
    lua.create_string(out)
}

fn unpack(lua: &Lua, given: MultiValue) -> mlua::Result<MultiValue> {
    let (text, data) = (bytes(lua, &given, 1)?, bytes(lua, &given, 2)?);
    let from = integer_or(lua, &given, 3, 1)?;
    let Some(mut at) = usize::try_from(from).ok().and_then(|from| from.checked_sub(1)) else {
        return Err(raise::argument(lua, 3, "offset must be 1 or greater"));
    };
    let mut format = Format::new(lua, &text);
    let mut values = MultiValue::new();
    let part = |at: usize, size: usize| {
        let part = at.checked_add(size).and_then(|end| data.get(at..end));
        part.ok_or_else(|| raise::argument(lua, 2, "data string too short"))
    };
    while let Some((letter, mut size)) = format.next()? {
        if values.len() == HELD {
            return Err(raise::at_caller(lua, "stack overflow (too many results)"));
        }
        at = at.saturating_add(format.padding(at, letter, size));
        let bytes = part(at, size)?;
        match letter {
            b'b' | b'B' | b'h' | b'H' | b'l' | b'L' | b'T' | b'i' | b'I' => {
                let is_signed = letter.is_ascii_lowercase();
                values.push_back(Value::Number(read_integer(bytes, format.big, is_signed)));
            }
            b'x' => {}
            b'f' => {
                let bytes: [u8; 4] = bytes.try_into().unwrap_or_default();
                let value = if format.big { f32::from_be_bytes(bytes) } else { f32::from_le_bytes(bytes) };
                values.push_back(Value::Number(f64::from(value)));
            }
            b'd' => {
                let bytes: [u8; 8] = bytes.try_into().unwrap_or_default();
                let value = if format.big { f64::from_be_bytes(bytes) } else { f64::from_le_bytes(bytes) };
                values.push_back(Value::Number(value));
            }
            b'c' => {
                let mut bytes = bytes;
                if size == 0 {
                    let told = match values.pop_back() {
                        Some(Value::Number(told)) => told,
                        _ => return Err(raise::at_caller(lua, "format 'c0' needs a previous size")),
                    };
                    size = told as usize;
                    bytes = part(at, size)?;
                }
                values.push_back(Value::String(lua.create_string(bytes)?));
            }
            b's' => {
                let rest = data.get(at..).unwrap_or_default();
                let Some(len) = rest.iter().position(|byte| *byte == 0) else {
                    return Err(raise::at_caller(lua, "unfinished string in data"));
                };
                values.push_back(Value::String(lua.create_string(&rest[..len])?));
                size = len + 1;
            }
            other => format.control(other)?,
        }
        at += size;
    }
    values.push_back(Value::Number((at + 1) as f64));
    Ok(values)
}

/// What is beyond 64 bits is lost.
fn read_integer(bytes: &[u8], big: bool, is_signed: bool) -> f64 {
    let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    let value = if big { bytes.iter().fold(0, join) } else { bytes.iter().rev().fold(0, join) };
    if !is_signed {
        return value as f64;
    }
    let unused = 64_usize.saturating_sub(8 * bytes.len()).min(63);
    ((value << unused) as i64 >> unused) as f64
}

fn size(lua: &Lua, given: MultiValue) -> mlua::Result<f64> {
    let text = bytes(lua, &given, 1)?;
    let mut format = Format::new(lua, &text);
    let mut at: usize = 0;
    while let Some((letter, size)) = format.next()? {
        at = at.saturating_add(format.padding(at, letter, size));
        if letter == b's' {
            return Err(raise::argument(lua, 1, "option 's' has no fixed size"));
        }
        if letter == b'c' && size == 0 {
            return Err(raise::argument(lua, 1, "option 'c0' has no fixed size"));
        }
        if !letter.is_ascii_alphanumeric() {
            format.control(letter)?;
        }
        at = at.saturating_add(size);
    }
    Ok(at as f64)
}
