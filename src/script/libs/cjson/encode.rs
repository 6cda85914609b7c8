//! Values to JSON.

use mlua::{Lua, Table, Value};

use super::ARRAY;
use super::options::{Invalid, Options};
use crate::script::libs::arguments::type_name;
use crate::script::raise;
use crate::text::number::format_digits;

/// What is being written: an array, or an object with what is left of it.
enum Open {
    Array { table: Table, at: i64, len: i64 },
    Object { rest: std::vec::IntoIter<(Value, Value)>, is_first: bool },
}

/// A value as JSON. The depth of a table is bounded by the options, and takes no stack.
pub(super) fn encode(lua: &Lua, value: Value, options: &Options) -> mlua::Result<Vec<u8>> {
    let mut encoder = Encoder { lua, options, out: Vec::new(), open: Vec::new() };
    encoder.value(value)?;
    while let Some(open) = encoder.open.last_mut() {
        match open {
            Open::Array { at, len, .. } if at == len => {
                encoder.out.push(b']');
                encoder.open.pop();
            }
            Open::Array { table, at, .. } => {
                if *at > 0 {
                    encoder.out.push(b',');
                }
                *at += 1;
                let item = table.raw_get(*at)?;
                encoder.value(item)?;
            }
            Open::Object { rest, is_first } => match rest.next() {
                None => {
                    encoder.out.push(b'}');
                    encoder.open.pop();
                }
                Some((key, value)) => {
                    if !std::mem::take(is_first) {
                        encoder.out.push(b',');
                    }
                    encoder.key(&key)?;
                    encoder.value(value)?;
                }
            },
        }
    }
    Ok(encoder.out)
}

struct Encoder<'e> {
    lua: &'e Lua,
    options: &'e Options,
    out: Vec<u8>,
    open: Vec<Open>,
}

impl Encoder<'_> {
    fn value(&mut self, value: Value) -> mlua::Result<()> {
        match &value {
            Value::String(text) => string(&text.as_bytes(), &mut self.out),
            Value::Integer(number) => self.number(*number as f64, &value)?,
            Value::Number(number) => self.number(*number, &value)?,
            Value::Boolean(true) => self.out.extend_from_slice(b"true"),
            Value::Boolean(false) => self.out.extend_from_slice(b"false"),
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::LightUserData(pointer) if pointer.0.is_null() => self.out.extend_from_slice(b"null"),
            Value::Table(table) => self.table(table, &value)?,
            other => return Err(self.refuse(other, "type not supported")),
        }
        Ok(())
    }

    fn number(&mut self, number: f64, value: &Value) -> mlua::Result<()> {
        match self.options.encode_invalid {
            _ if number.is_finite() => {}
            Invalid::Refused => return Err(self.refuse(value, "must not be NaN or Inf")),
            Invalid::Null => {
                self.out.extend_from_slice(b"null");
                return Ok(());
            }
            Invalid::Written => {
                let text: &[u8] = match number {
                    _ if number.is_nan() => b"nan",
                    _ if number > 0.0 => b"inf",
                    _ => b"-inf",
                };
                self.out.extend_from_slice(text);
                return Ok(());
            }
        }
        self.plain(number);
        Ok(())
    }

    fn plain(&mut self, number: f64) {
        let digits = usize::try_from(self.options.precision).unwrap_or(14);
        self.out.extend_from_slice(&format_digits(number, digits));
    }

    fn table(&mut self, table: &Table, value: &Value) -> mlua::Result<()> {
        let depth = self.open.len() as i64 + 1;
        if depth > self.options.encode_depth {
            return Err(raise::at_caller(
                self.lua,
                &format!("Cannot serialise, excessive nesting ({depth})"),
            ));
        }
        let pairs = table.pairs::<Value, Value>().collect::<mlua::Result<Vec<_>>>()?;
        let len = self.array_length(&pairs, value)?;
        let is_marked = len == Some(0) && self.is_marked(table)?;
        match len {
            Some(len @ 1..) => {
                self.out.push(b'[');
                self.open.push(Open::Array { table: table.clone(), at: 0, len });
            }
            Some(_) if is_marked => self.out.extend_from_slice(b"[]"),
            _ => {
                self.out.push(b'{');
                self.open.push(Open::Object { rest: pairs.into_iter(), is_first: true });
            }
        }
        Ok(())
    }

    fn is_marked(&self, table: &Table) -> mlua::Result<bool> {
        let Some(metatable) = table.metatable() else { return Ok(false) };
        Ok(metatable == self.lua.named_registry_value::<Table>(ARRAY)?)
    }

    /// How many places an array has; none for what is no array.
    fn array_length(&self, pairs: &[(Value, Value)], value: &Value) -> mlua::Result<Option<i64>> {
        let mut most = 0.0;
        for (key, _) in pairs {
            let place = match key {
                Value::Integer(place) => *place as f64,
                Value::Number(place) => *place,
                _ => return Ok(None),
            };
            if place.floor() != place || place < 1.0 {
                return Ok(None);
            }
            most = f64::max(most, place);
        }
        let Options { sparse_ratio: ratio, sparse_safe: safe, .. } = *self.options;
        let items = pairs.len() as f64;
        if ratio > 0 && most > items * ratio as f64 && most > safe as f64 {
            if !self.options.sparse_convert {
                return Err(self.refuse(value, "excessively sparse array"));
            }
            return Ok(None);
        }
        Ok(Some(most as i64))
    }

    fn key(&mut self, key: &Value) -> mlua::Result<()> {
        match key {
            Value::String(text) => string(&text.as_bytes(), &mut self.out),
            Value::Integer(_) | Value::Number(_) => {
                self.out.push(b'"');
                let number = key.as_f64().or_else(|| key.as_i64().map(|key| key as f64));
                self.number(number.unwrap_or_default(), key)?;
                self.out.push(b'"');
            }
            other => return Err(self.refuse(other, "table key must be a number or string")),
        }
        self.out.push(b':');
        Ok(())
    }

    fn refuse(&self, value: &Value, why: &str) -> mlua::Error {
        raise::at_caller(self.lua, &format!("Cannot serialise {}: {why}", type_name(value)))
    }
}

fn string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'/' => out.extend_from_slice(b"\\/"),
            8 => out.extend_from_slice(b"\\b"),
            9 => out.extend_from_slice(b"\\t"),
            10 => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            13 => out.extend_from_slice(b"\\r"),
            0..=31 | 127 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
