//! Replies to Lua's values, and back.

use std::sync::Arc;

use mlua::{Lua, Table, Value};

use super::budget::{Budget, MEMORY, OUT_OF_MEMORY};
use super::raise;
use super::signals::Signals;
use crate::Bytes;
use crate::reply::{ErrorReply, Reply};
use crate::resp::{Dialect, Protocol, coordinate, double};
use crate::text::number;

/// How deep a reply can be nested. Redis's own bound is that of Lua's stack.
const DEPTH: usize = 128;

/// The fields that tell what a table stands for: strings that the state keeps, as each look-up by a new one would
/// make it first.
#[derive(Clone)]
pub(super) struct Names {
    err: mlua::String,
    ok: mlua::String,
    double: mlua::String,
    map: mlua::String,
    set: mlua::String,
    big_number: mlua::String,
    verbatim_string: mlua::String,
}

impl Names {
    pub(super) fn new(lua: &Lua) -> mlua::Result<Names> {
        Ok(Names {
            err: lua.create_string("err")?,
            ok: lua.create_string("ok")?,
            double: lua.create_string("double")?,
            map: lua.create_string("map")?,
            set: lua.create_string("set")?,
            big_number: lua.create_string("big_number")?,
            verbatim_string: lua.create_string("verbatim_string")?,
        })
    }
}

/// Bytes that are made without a look at how many there are, and values.
const LITTLE: usize = 4 << 10;
const FEW: u32 = 256;
/// What one of a table's items takes there, and one of its fields, for which there is room by powers of two.
const ITEM: usize = 16;
const FIELD: usize = 40;

/// Whether so many bytes more are within the limit, which the state does not look at while a reply is made its values.
fn check_room(lua: &Lua, bytes: usize) -> mlua::Result<()> {
    let is_over = || lua.used_memory().saturating_add(bytes) > MEMORY;
    if !is_over() {
        return Ok(());
    }
    // Much of it may be what earlier ones have left.
    lua.gc_collect()?;
    if is_over() { Err(raise::reply(OUT_OF_MEMORY)) } else { Ok(()) }
}

/// What a script gets for a reply. An error is a table here too: whether it is raised is the caller's.
///
/// # Errors
/// If there is no room for it, or the script is killed meanwhile.
pub(super) fn to_lua(lua: &Lua, reply: Reply, dialect: Dialect, names: &Names) -> mlua::Result<Value> {
    Telling { lua, dialect, names, told: 0 }.value(reply)
}

struct Telling<'t> {
    lua: &'t Lua,
    dialect: Dialect,
    names: &'t Names,
    /// How many values it is so far.
    told: u32,
}

impl Telling<'_> {
    fn value(&mut self, reply: Reply) -> mlua::Result<Value> {
        let (names, compat) = (self.names, self.dialect.compat);
        let resp3 = self.dialect.protocol == Protocol::Resp3;
        // Those that are small by themselves may be many.
        self.told = self.told.wrapping_add(1);
        if self.told % FEW == 0 {
            self.look()?;
        }
        let flat = |pairs: Vec<(Reply, Reply)>| {
            pairs.into_iter().flat_map(|(first, second)| [first, second]).collect::<Vec<_>>()
        };
        match reply {
            Reply::Status(status) => self.with(&names.ok, self.text(status.as_bytes())?),
            Reply::Error(error) => raise::table(self.lua, error.as_bytes()).map(Value::Table),
            Reply::Integer(value) => Ok(Value::Number(value as f64)),
            Reply::Bulk(bytes) => self.text(&bytes),
            Reply::Nil | Reply::NilArray if resp3 => Ok(Value::Nil),
            Reply::Nil | Reply::NilArray => Ok(Value::Boolean(false)),
            Reply::Map(pairs) if resp3 => {
                let map = self.table(0, pairs.len())?;
                for (name, value) in pairs {
                    let name = self.value(name)?;
                    // A name that is none cannot be told in a table.
                    if !matches!(name, Value::Nil) {
                        map.raw_set(name, self.value(value)?)?;
                    }
                }
                self.with(&names.map, Value::Table(map))
            }
            Reply::Set(items) if resp3 => {
                let set = self.table(0, items.len())?;
                for item in items {
                    let item = self.value(item)?;
                    if !matches!(item, Value::Nil) {
                        set.raw_set(item, true)?;
                    }
                }
                self.with(&names.set, Value::Table(set))
            }
            Reply::Pairs(pairs) if resp3 => self
                .list(pairs.into_iter().map(|(first, second)| Reply::Array(vec![first, second])).collect()),
            Reply::Map(pairs) | Reply::Pairs(pairs) => self.list(flat(pairs)),
            Reply::Array(items) | Reply::Set(items) | Reply::Push(items) | Reply::Several(items) => {
                self.list(items)
            }
            Reply::Double(value) | Reply::Coordinate(value) if resp3 => {
                self.with(&names.double, Value::Number(value))
            }
            Reply::Double(value) => self.text(&double(value, compat)),
            Reply::Coordinate(value) => self.text(&coordinate(value, compat)),
            Reply::Boolean(value) if resp3 => Ok(Value::Boolean(value)),
            Reply::Boolean(value) => Ok(Value::Number(f64::from(u8::from(value)))),
            Reply::BigNumber(digits) if resp3 => self.with(&names.big_number, self.text(&digits)?),
            Reply::Verbatim(format, bytes) if resp3 => {
                let table = self.table(0, 2)?;
                table.raw_set("format", format)?;
                table.raw_set("string", self.text(&bytes)?)?;
                self.with(&names.verbatim_string, Value::Table(table))
            }
            Reply::BigNumber(bytes) | Reply::Verbatim(_, bytes) => self.text(&bytes),
            // A script is told no attributes.
            Reply::Attribute(_, reply) => self.value(*reply),
        }
    }

    fn list(&mut self, items: Vec<Reply>) -> mlua::Result<Value> {
        let table = self.table(items.len(), 0)?;
        for (at, item) in items.into_iter().enumerate() {
            table.raw_set(at + 1, self.value(item)?)?;
        }
        Ok(Value::Table(table))
    }

    fn text(&self, bytes: &[u8]) -> mlua::Result<Value> {
        if bytes.len() > LITTLE {
            check_room(self.lua, bytes.len())?;
        }
        self.lua.create_string(bytes).map(Value::String)
    }

    /// A table that says what it stands for.
    fn with(&self, name: &mlua::String, value: Value) -> mlua::Result<Value> {
        let table = self.lua.create_table_with_capacity(0, 1)?;
        table.raw_set(name, value)?;
        Ok(Value::Table(table))
    }

    /// One with room for so many items and fields.
    fn table(&self, items: usize, fields: usize) -> mlua::Result<Table> {
        let slots = if fields > 0 { fields.checked_next_power_of_two().unwrap_or(usize::MAX) } else { 0 };
        let bytes = items.saturating_mul(ITEM).saturating_add(slots.saturating_mul(FIELD));
        if bytes > LITTLE {
            check_room(self.lua, bytes)?;
        }
        self.lua.create_table_with_capacity(items, fields)
    }

    /// Whether there is room yet, and anybody who wants to have it.
    fn look(&self) -> mlua::Result<()> {
        check_room(self.lua, 0)?;
        match self.lua.app_data_ref::<Arc<Signals>>().filter(|signals| signals.is_killed()) {
            Some(signals) => Err(raise::reply(signals.killed(self.dialect.compat))),
            None => Ok(()),
        }
    }
}

/// What a script's value is as a reply, if the script speaks that protocol.
///
/// # Errors
/// Those of the budget.
pub(super) fn to_reply(
    value: Value,
    protocol: Protocol,
    names: &Names,
    budget: &mut Budget,
) -> mlua::Result<Reply> {
    Replying { protocol, names, budget }.reply(value, 0)
}

struct Replying<'r> {
    protocol: Protocol,
    names: &'r Names,
    budget: &'r mut Budget,
}

impl Replying<'_> {
    fn reply(&mut self, value: Value, depth: usize) -> mlua::Result<Reply> {
        self.budget.take(size_of::<Reply>())?;
        Ok(match value {
            Value::String(text) => {
                let text = text.as_bytes();
                self.budget.take(text.len())?;
                Reply::text(text)
            }
            Value::Integer(value) => Reply::Integer(whole(value as f64)),
            Value::Number(value) => Reply::Integer(whole(value)),
            Value::Boolean(value) if self.protocol == Protocol::Resp3 => Reply::Boolean(value),
            Value::Boolean(true) => Reply::Integer(1),
            Value::Table(table) => {
                if depth >= DEPTH {
                    return Ok(ErrorReply::known("ERR reached lua stack limit").into());
                }
                self.table(&table, depth)?
            }
            _ => Reply::Nil,
        })
    }

    fn table(&mut self, table: &Table, depth: usize) -> mlua::Result<Reply> {
        let names = self.names;
        if let Value::String(text) = table.raw_get(&names.err)? {
            self.budget.take(text.as_bytes().len())?;
            return Ok(Reply::Error(ErrorReply::of_bytes(until_zero(&text.as_bytes()).to_vec())));
        }
        if let Value::String(text) = table.raw_get(&names.ok)? {
            self.budget.take(text.as_bytes().len())?;
            let text = String::from_utf8_lossy(&in_a_line(until_zero(&text.as_bytes()))).into_owned();
            return Ok(Reply::Status(text.into()));
        }
        match table.raw_get(&names.double)? {
            Value::Number(value) => return Ok(Reply::Double(value)),
            Value::Integer(value) => return Ok(Reply::Double(value as f64)),
            _ => {}
        }
        if let Value::Table(map) = table.raw_get(&names.map)? {
            let pairs = map.pairs::<Value, Value>().map(|pair| {
                let (name, value) = pair?;
                Ok((self.reply(name, depth + 1)?, self.reply(value, depth + 1)?))
            });
            return pairs.collect::<mlua::Result<Vec<_>>>().map(Reply::Map);
        }
        if let Value::Table(set) = table.raw_get(&names.set)? {
            let items = set.pairs::<Value, Value>().map(|pair| self.reply(pair?.0, depth + 1));
            return items.collect::<mlua::Result<Vec<_>>>().map(Reply::Set);
        }
        if let Value::String(digits) = table.raw_get(&names.big_number)? {
            self.budget.take(digits.as_bytes().len())?;
            return Ok(Reply::BigNumber(Bytes::from(in_a_line(&digits.as_bytes()))));
        }
        if let Value::Table(verbatim) = table.raw_get(&names.verbatim_string)? {
            if let (Value::String(format), Value::String(text)) =
                (verbatim.raw_get("format")?, verbatim.raw_get("string")?)
            {
                self.budget.take(text.as_bytes().len())?;
                let format = if &*format.as_bytes() == b"mkd" { "mkd" } else { "txt" };
                return Ok(Reply::Verbatim(format, Bytes::from(&*text.as_bytes())));
            }
        }
        let mut items = Vec::new();
        loop {
            match table.raw_get(items.len() + 1)? {
                Value::Nil => return Ok(Reply::Array(items)),
                item => items.push(self.reply(item, depth + 1)?),
            }
        }
    }
}

/// A number cut to a whole one, as the processor does that Redis runs on.
fn whole(value: f64) -> i64 {
    // Both ends are exact.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}

/// As much of a text as C sees of it.
pub(super) fn until_zero(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn in_a_line(text: &[u8]) -> Vec<u8> {
    text.iter().map(|byte| if matches!(byte, b'\r' | b'\n') { b' ' } else { *byte }).collect()
}

/// A command's word, if it can be one: a string, or a number as that server writes it.
pub(super) fn to_word(value: &Value, dialect: Dialect) -> Option<Bytes> {
    let number = match value {
        Value::String(text) => return Some(Bytes::from(&*text.as_bytes())),
        Value::Integer(value) => *value as f64,
        Value::Number(value) => *value,
        _ => return None,
    };
    if number.is_nan() && number.is_sign_negative() {
        return Some(Bytes::from("-nan"));
    }
    let is_old = dialect.compat.redis() < (7, 2);
    let cut = whole(number);
    if !is_old && cut as f64 == number && cut != i64::MIN {
        return Some(Bytes::from(cut.to_string()));
    }
    match is_old || !number.is_finite() {
        true => Some(number::format_general(number)),
        false => Some(number::format_score(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_not_made_further_than_there_is_room() {
        let lua = Lua::new();
        let names = Names::new(&lua).unwrap();
        let of = |items: u32, words: usize| {
            let item = |number: u32| Reply::Bulk(Bytes::from(number.to_be_bytes().repeat(words)));
            Reply::Array((0..items).map(item).collect())
        };
        let pair =
            |number: u32| (Reply::Bulk(Bytes::from(number.to_be_bytes().repeat(1_000))), Reply::Integer(1));
        let pairs = Reply::Map((0..80_000).map(pair).collect());
        // Either large ones, or more than are made between two looks.
        for reply in [of(6, 13 << 20), of(80_000, 1_000), pairs] {
            let dialect = Dialect { protocol: Protocol::Resp3, ..Dialect::default() };
            assert!(to_lua(&lua, reply, dialect, &names).is_err());
            assert!(lua.used_memory() <= MEMORY + 256 * LITTLE);
            lua.gc_collect().unwrap();
            assert!(lua.used_memory() < MEMORY / 100);
        }
    }
}
