//! Values to JSON.

use mlua::{Function, Lua, Table, Value};

use super::ARRAY;
use super::options::{Invalid, Options};
use crate::script::budget::{Budget, HELD};
use crate::script::libs::arguments::type_name;
use crate::script::raise;
use crate::text::number::format_digits;

/// What is being written: an array, or an object up to a key.
enum Open {
    Array { table: Table, at: i64, len: i64 },
    Object { table: Table, key: Value },
}

impl Open {
    /// How many of Lua's values it holds.
    fn held(&self) -> usize {
        match self {
            Open::Array { .. } => 1,
            Open::Object { .. } => 2,
        }
    }
}

/// A value as JSON; `next` is Lua's. The depth of a table takes no stack: it is bounded by the options, and by how many of
/// Lua's values can be held.
pub(super) fn encode(lua: &Lua, next: &Function, value: Value, options: &Options) -> mlua::Result<Vec<u8>> {
    let budget = Budget::new(lua);
    let mut encoder = Encoder { lua, options, budget, out: Vec::new(), open: Vec::new(), held: 0 };
    encoder.value(value)?;
    while let Some(mut open) = encoder.open.pop() {
        encoder.held -= open.held();
        let value = match &mut open {
            Open::Array { at, len, .. } if at == len => {
                encoder.out.push(b']');
                continue;
            }
            Open::Array { table, at, .. } => {
                if *at > 0 {
                    encoder.out.push(b',');
                }
                *at += 1;
                table.raw_get(*at)?
            }
            Open::Object { table, key } => {
                let is_first = key.is_nil();
                let (name, value) = next.call((&*table, std::mem::replace(key, Value::Nil)))?;
                *key = name;
                if key.is_nil() {
                    encoder.out.push(b'}');
                    continue;
                }
                if !is_first {
                    encoder.out.push(b',');
                }
                encoder.key(key)?;
                value
            }
        };
        encoder.open(open);
        encoder.value(value)?;
    }
    Ok(encoder.out)
}

struct Encoder<'e> {
    lua: &'e Lua,
    options: &'e Options,
    budget: Budget,
    out: Vec<u8>,
    open: Vec<Open>,
    /// How many of Lua's values those hold.
    held: usize,
}

impl Encoder<'_> {
    fn open(&mut self, open: Open) {
        self.held += open.held();
        self.open.push(open);
    }

    fn value(&mut self, value: Value) -> mlua::Result<()> {
        self.budget.take(0)?;
        match &value {
            Value::String(text) => self.string(&text.as_bytes())?,
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
        if depth > self.options.encode_depth || self.held > HELD {
            return Err(raise::at_caller(
                self.lua,
                &format!("Cannot serialise, excessive nesting ({depth})"),
            ));
        }
        let len = self.array_length(table, value)?;
        let is_marked = len == Some(0) && self.is_marked(table)?;
        match len {
            Some(len @ 1..) => {
                self.budget.expect(usize::try_from(len).unwrap_or(usize::MAX))?;
                self.out.push(b'[');
                self.open(Open::Array { table: table.clone(), at: 0, len });
            }
            Some(_) if is_marked => self.out.extend_from_slice(b"[]"),
            _ => {
                self.out.push(b'{');
                self.open(Open::Object { table: table.clone(), key: Value::Nil });
            }
        }
        Ok(())
    }

    fn is_marked(&self, table: &Table) -> mlua::Result<bool> {
        let Some(metatable) = table.metatable() else { return Ok(false) };
        Ok(metatable == self.lua.named_registry_value::<Table>(ARRAY)?)
    }

    /// How many places an array has; none for what is no array. A place that C's `int` does not hold counts as none.
    fn array_length(&mut self, table: &Table, value: &Value) -> mlua::Result<Option<i64>> {
        let (mut most, mut items) = (0, 0.0);
        for pair in table.pairs::<Value, Value>() {
            self.budget.look()?;
            let place = match pair?.0 {
                Value::Integer(place) => place as f64,
                Value::Number(place) => place,
                _ => return Ok(None),
            };
            if place.floor() != place || place < 1.0 {
                return Ok(None);
            }
            if place > f64::from(most) {
                most = if place > f64::from(i32::MAX) { i32::MIN } else { place as i32 };
            }
            items += 1.0;
        }
        let Options { sparse_ratio: ratio, sparse_safe: safe, .. } = *self.options;
        let most = i64::from(most);
        if ratio > 0 && most as f64 > items * ratio as f64 && most > safe {
            if !self.options.sparse_convert {
                return Err(self.refuse(value, "excessively sparse array"));
            }
            return Ok(None);
        }
        Ok(Some(most))
    }

    fn key(&mut self, key: &Value) -> mlua::Result<()> {
        match key {
            Value::String(text) => self.string(&text.as_bytes())?,
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

    /// A piece at a time: it may become six times as long.
    fn string(&mut self, text: &[u8]) -> mlua::Result<()> {
        self.out.push(b'"');
        for piece in text.chunks(1 << 16) {
            let from = self.out.len();
            escape(piece, &mut self.out);
            self.budget.take(self.out.len() - from)?;
        }
        self.out.push(b'"');
        Ok(())
    }

    fn refuse(&self, value: &Value, why: &str) -> mlua::Error {
        raise::at_caller(self.lua, &format!("Cannot serialise {}: {why}", type_name(value)))
    }
}

fn escape(mut text: &[u8], out: &mut Vec<u8>) {
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'/' | 0..=31 | 127);
    while let Some(at) = text.iter().position(is_special) {
        out.extend_from_slice(&text[..at]);
        match text[at] {
            8 => out.extend_from_slice(b"\\b"),
            9 => out.extend_from_slice(b"\\t"),
            10 => out.extend_from_slice(b"\\n"),
            12 => out.extend_from_slice(b"\\f"),
            13 => out.extend_from_slice(b"\\r"),
            byte @ (0..=31 | 127) => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            byte => out.extend_from_slice(&[b'\\', byte]),
        }
        text = &text[at + 1..];
    }
    out.extend_from_slice(text);
}
