//! The table `redis` of scripts and functions.

use mlua::{Function, Lua, MultiValue, Table, Value};
use smallvec::SmallVec;

use super::budget::{MEMORY, OUT_OF_MEMORY};
use super::convert::{Names, to_lua, to_word, until_zero};
use super::engine::{Running, Unlimited};
use super::raise;
use crate::Bytes;
use crate::reply::Reply;
use crate::resp::Protocol;
use crate::sync::{Arc, Mutex};
use crate::table::Compat;

/// What is at hand while a script or a function runs.
pub(super) fn at_run(
    lua: &Lua,
    compat: Compat,
    running: &Arc<Mutex<Running>>,
    names: &Names,
) -> mlua::Result<Table> {
    let api = constants(lua, compat)?;
    api.raw_set("call", call(lua, running, names, true)?)?;
    api.raw_set("pcall", call(lua, running, names, false)?)?;
    api.raw_set("error_reply", lua.create_function(error_reply)?)?;
    api.raw_set("status_reply", lua.create_function(status_reply)?)?;
    api.raw_set("sha1hex", lua.create_function(sha1hex)?)?;
    api.raw_set("setresp", set_resp(lua, running)?)?;
    api.raw_set("set_repl", lua.create_function(set_repl)?)?;
    api.raw_set("replicate_commands", lua.create_function(|_, _: MultiValue| Ok(true))?)?;
    api.raw_set("breakpoint", lua.create_function(|_, _: MultiValue| Ok(false))?)?;
    api.raw_set("debug", lua.create_function(|_, _: MultiValue| Ok(()))?)?;
    api.raw_set("acl_check_cmd", acl_check_cmd(lua, running)?)?;
    for (name, value) in
        [("REPL_NONE", 0), ("REPL_AOF", 1), ("REPL_SLAVE", 2), ("REPL_REPLICA", 2), ("REPL_ALL", 3)]
    {
        api.raw_set(name, value)?;
    }
    Ok(api)
}

/// What is at hand while a library is loaded, but for `register_function`.
pub(super) fn at_load(lua: &Lua, compat: Compat) -> mlua::Result<Table> {
    constants(lua, compat)
}

fn constants(lua: &Lua, compat: Compat) -> mlua::Result<Table> {
    let api = lua.create_table()?;
    let levels = ["LOG_DEBUG", "LOG_VERBOSE", "LOG_NOTICE", "LOG_WARNING"];
    for (level, name) in levels.into_iter().enumerate() {
        api.raw_set(name, level)?;
    }
    api.raw_set("log", lua.create_function(log)?)?;
    let is_valkey = compat == Compat::Valkey9;
    let redis = if is_valkey { "7.2.4" } else { compat.version() };
    api.raw_set("REDIS_VERSION", redis)?;
    api.raw_set("REDIS_VERSION_NUM", version_number(redis))?;
    if is_valkey {
        api.raw_set("SERVER_NAME", compat.server())?;
        api.raw_set("VALKEY_VERSION", compat.version())?;
        api.raw_set("VALKEY_VERSION_NUM", version_number(compat.version()))?;
    }
    Ok(api)
}

/// A byte for each of the three numbers.
fn version_number(version: &str) -> u32 {
    version.split('.').fold(0, |sum, part| (sum << 8) | part.parse().unwrap_or(0))
}

/// `redis.call`, which raises errors, and `redis.pcall`, which gives them.
fn call(lua: &Lua, running: &Arc<Mutex<Running>>, names: &Names, raises: bool) -> mlua::Result<Function> {
    let (running, names) = (Arc::clone(running), names.clone());
    lua.create_function(move |lua, words: MultiValue| {
        let reply = run(&words, &mut running.lock());
        let (reply, dialect) = match reply {
            Ok(answer) => answer,
            Err(text) if raises => return Err(raise::of_table(lua, text)),
            Err(text) => return raise::table(lua, &raise::worded(lua, text)).map(Value::Table),
        };
        match reply {
            Reply::Error(error) if raises => Err(raise::reply(error.as_bytes())),
            reply => {
                let unlimited = Unlimited::new(lua)?;
                let value = to_lua(lua, reply, dialect, &names)?;
                unlimited.end().map(|()| value)
            }
        }
    })
}

fn run(words: &MultiValue, running: &mut Running) -> Result<(Reply, crate::resp::Dialect), &'static str> {
    let Some(part) = running.part.as_mut() else {
        return Err("ERR redis.call/pcall can only be called inside a script invocation");
    };
    if words.is_empty() {
        return Err("ERR Please specify at least one argument for this redis lib call");
    }
    let dialect = part.dialect();
    // Nothing runs once it was said that it is killed.
    if running.signals.is_killed() {
        return Err(running.signals.killed(dialect.compat));
    }
    // One string may be all of them.
    let bytes =
        words.iter().map(|word| if let Value::String(text) = word { text.as_bytes().len() } else { 0 });
    if bytes.fold(0, usize::saturating_add) > MEMORY {
        return Err(OUT_OF_MEMORY);
    }
    let words: Option<SmallVec<[Bytes; 8]>> = words.iter().map(|word| to_word(word, dialect)).collect();
    let words = words.ok_or("ERR Lua redis lib command arguments must be strings or integers")?;
    let reply = part.call_from_script(&words, running.read_only, &running.signals);
    // A SELECT, or redis.setresp, is for what follows.
    Ok((reply, dialect))
}

fn error_reply(lua: &Lua, arguments: MultiValue) -> mlua::Result<Value> {
    let Some(text) = only_string(&arguments) else { return wrong_arguments(lua) };
    let text = text.as_bytes();
    let text = text.strip_prefix(b"-").unwrap_or(&text);
    // To Redis it ends there.
    let text = until_zero(text);
    let end = text.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
    let text = &text[..end];
    let has_code = text.contains(&b' ');
    let text = if has_code { text.to_vec() } else { [b"ERR ", text].concat() };
    raise::table(lua, &text).map(Value::Table)
}

fn status_reply(lua: &Lua, arguments: MultiValue) -> mlua::Result<Value> {
    let Some(text) = only_string(&arguments) else { return wrong_arguments(lua) };
    let table = lua.create_table_with_capacity(0, 1)?;
    table.raw_set("ok", text)?;
    Ok(Value::Table(table))
}

/// This one error is given, not raised.
fn wrong_arguments(lua: &Lua) -> mlua::Result<Value> {
    raise::table(lua, b"ERR wrong number or type of arguments").map(Value::Table)
}

fn only_string(arguments: &MultiValue) -> Option<mlua::String> {
    match (arguments.len(), arguments.front()) {
        (1, Some(Value::String(text))) => Some(text.clone()),
        _ => None,
    }
}

fn sha1hex(lua: &Lua, arguments: MultiValue) -> mlua::Result<String> {
    if arguments.len() != 1 {
        return Err(raise::of_table(lua, "ERR wrong number of arguments"));
    }
    let text = match arguments.front() {
        Some(value @ (Value::String(_) | Value::Integer(_) | Value::Number(_))) => {
            lua.coerce_string(value.clone())?
        }
        _ => None,
    };
    Ok(super::sha1(&text.map(|text| text.as_bytes().to_vec()).unwrap_or_default()))
}

/// There is no log: what would go there is checked, and that is all.
fn log(lua: &Lua, arguments: MultiValue) -> mlua::Result<()> {
    if arguments.len() < 2 {
        return Err(raise::of_table(lua, "ERR redis.log() requires two arguments or more."));
    }
    let level = arguments.front().cloned().unwrap_or(Value::Nil);
    match lua.coerce_number(level)? {
        None => Err(raise::of_table(lua, "ERR First argument must be a number (log level).")),
        Some(level) if (0.0..4.0).contains(&level.trunc()) => Ok(()),
        Some(_) => Err(raise::of_table(lua, "ERR Invalid debug level.")),
    }
}

fn set_resp(lua: &Lua, running: &Arc<Mutex<Running>>) -> mlua::Result<Function> {
    let running = Arc::clone(running);
    lua.create_function(move |lua, arguments: MultiValue| {
        if arguments.len() != 1 {
            return Err(raise::of_table(lua, "ERR redis.setresp() requires one argument."));
        }
        let version = lua.coerce_number(arguments.front().cloned().unwrap_or(Value::Nil))?;
        let protocol = match version.map(f64::trunc) {
            Some(2.0) => Protocol::Resp2,
            Some(3.0) => Protocol::Resp3,
            _ => return Err(raise::of_table(lua, "ERR RESP version must be 2 or 3.")),
        };
        if let Some(part) = &mut running.lock().part {
            part.speak(protocol);
        }
        Ok(())
    })
}

/// Nothing is replicated; what makes no sense is refused as ever.
fn set_repl(lua: &Lua, arguments: MultiValue) -> mlua::Result<()> {
    if arguments.len() != 1 {
        return Err(raise::of_table(lua, "ERR redis.set_repl() requires two arguments."));
    }
    let flags = lua.coerce_number(arguments.front().cloned().unwrap_or(Value::Nil))?.unwrap_or_default();
    if (0.0..4.0).contains(&flags.trunc()) {
        return Ok(());
    }
    const UNKNOWN: &str = "ERR Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.";
    Err(raise::of_table(lua, UNKNOWN))
}

/// Whether the user may call a command.
fn acl_check_cmd(lua: &Lua, running: &Arc<Mutex<Running>>) -> mlua::Result<Function> {
    let running = Arc::clone(running);
    lua.create_function(move |lua, words: MultiValue| {
        if words.is_empty() {
            let text = "ERR Please specify at least one argument for this redis lib call";
            return Err(raise::of_table(lua, text));
        }
        let running = running.lock();
        let Some(part) = &running.part else { return Ok(true) };
        let words: Option<Vec<Bytes>> = words.iter().map(|word| to_word(word, part.dialect())).collect();
        let text = "ERR Lua redis lib command arguments must be strings or integers";
        let words = words.ok_or_else(|| raise::of_table(lua, text))?;
        let is_known = part.knows(&words);
        is_known.then(|| part.may(&words)).ok_or_else(|| raise::of_table(lua, UNKNOWN_COMMAND))
    })
}

const UNKNOWN_COMMAND: &str = "ERR Invalid command passed to redis.acl_check_cmd()";
