//! A Lua state, and running in it.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use mlua::{
    ChunkMode, Debug, Function, HookTriggers, Lua, LuaOptions, MultiValue, StdLib, Table, Value, VmState,
};

use super::budget::{Budget, MEMORY, OUT_OF_MEMORY};
use super::libs;
use super::random::Random;
use super::signals::Signals;
use super::{convert, raise, redis_api, register};
use crate::Bytes;
use crate::clock::Clock;
use crate::reply::{ErrorReply, Reply};
use crate::sync::{Arc, Mutex};
use crate::table::{Compat, Session};

/// Instructions between two looks at whether a script has been killed.
const STEP: u32 = 10_000;
/// Milliseconds that a library may take to load, as in Redis.
const LOAD: u64 = 500;
/// How much of the thread's stack a script may have taken when it has Lua's C code call it back once more: with what
/// one that goes on takes, a small thread has enough of it.
const STACK: usize = 768 << 10;

/// The names of chunks. No script can take the sandbox's.
pub(super) const SANDBOX: &str = "=sandbox";
const SCRIPT: &str = "@user_script";
const FUNCTION: &str = "@user_function";

/// What a run has to do with.
pub(super) struct Running {
    /// The session that its commands run in; none while nothing runs.
    pub part: Option<Session>,
    pub read_only: bool,
    pub signals: Arc<Signals>,
}

/// See the [module](self).
pub(super) struct Engine {
    lua: Lua,
    /// What it took when that was last looked at, in bytes.
    pub used: Cell<usize>,
    pub compat: Compat,
    running: Arc<Mutex<Running>>,
    /// What is compiled, by its SHA1, or what functions are found by: in tables of Lua's, as mlua cannot hold many.
    scripts: Table,
    functions: Table,
    registry: register::Registry,
    /// About where the stack was as the run began.
    stack: Arc<AtomicUsize>,
    library_globals: Table,
    run_script: Function,
    run_function: Function,
    run_library: Function,
    names: convert::Names,
}

/// Functions of libraries, by what they are found by, that nobody calls yet.
pub(super) struct Loaded(pub Table);

/// What is to be run: its name as errors have it, and what it is given.
pub(super) struct Job<'j> {
    pub function: &'j Function,
    pub name: &'j str,
    pub is_function: bool,
    pub read_only: bool,
    pub keys: &'j [Bytes],
    pub args: &'j [Bytes],
}

/// How a run has ended.
pub(super) struct Ended {
    pub reply: Reply,
    /// The state is not to be used any more.
    pub is_spoilt: bool,
}

impl Engine {
    pub(super) fn new(compat: Compat, random: Random, signals: &Arc<Signals>) -> mlua::Result<Engine> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
        let lua = Lua::new_with(libraries, LuaOptions::new())?;
        lua.set_memory_limit(MEMORY)?;
        lua.set_app_data(compat);
        lua.set_app_data(Arc::clone(signals));
        let stack = Arc::<AtomicUsize>::default();
        let running =
            Arc::new(Mutex::new(Running { part: None, read_only: false, signals: Arc::clone(signals) }));
        let registry = register::Registry::default();

        let names = convert::Names::new(&lua)?;
        let native = lua.create_table()?;
        native
            .raw_set("value_of", lua.create_function(|lua, caught: Value| raise::value_of(lua, caught))?)?;
        native.raw_set("failed", lua.create_function(failed)?)?;
        native.raw_set("place", lua.create_function(|lua, ()| Ok(raise::in_script(lua)))?)?;
        native.raw_set("argument", lua.create_function(bad_argument)?)?;
        let begun = Arc::clone(&stack);
        let is_deep = move |_: &Lua, ()| Ok(here().abs_diff(begun.load(Ordering::Relaxed)) > STACK);
        native.raw_set("is_deep", lua.create_function(is_deep)?)?;
        let told = Arc::clone(signals);
        native.raw_set("is_killed", lua.create_function(move |_, ()| Ok(told.is_killed()))?)?;
        native.raw_set("name", "redis")?;
        if compat == Compat::Valkey9 {
            native.raw_set("also", "server")?;
        }
        native.raw_set("api", redis_api::at_run(&lua, compat, &running, &names)?)?;
        let load_api = redis_api::at_load(&lua, compat)?;
        load_api.raw_set("register_function", register::function(&lua, &registry)?)?;
        native.raw_set("load_api", load_api)?;
        let libraries = libs::all(&lua, compat, random)?;

        let sandbox = lua.load(include_str!("sandbox.lua")).set_name(SANDBOX).set_mode(ChunkMode::Text);
        let (globals, library_globals, run_script, run_function, run_library) =
            sandbox.call::<(Table, Table, Function, Function, Function)>((native, libraries))?;
        lua.set_globals(globals)?;
        watch_for_kill(&lua, compat, signals)?;
        Ok(Engine {
            used: Cell::new(0),
            compat,
            running,
            scripts: lua.create_table()?,
            functions: lua.create_table()?,
            registry,
            stack,
            library_globals,
            run_script,
            run_function,
            run_library,
            names,
            lua,
        })
    }

    /// A script that is compiled.
    pub(super) fn script(&self, sha: &str) -> Option<Function> {
        self.scripts.raw_get::<Option<Function>>(sha).ok().flatten()
    }

    /// Compiles a script, and keeps it.
    ///
    /// # Errors
    /// Redis's for what is no Lua.
    pub(super) fn add_script(&self, sha: &str, code: &[u8]) -> Result<Function, ErrorReply> {
        let function = self.compile(code)?;
        self.scripts.raw_set(sha, &function).map_err(|_| ErrorReply::known(OUT_OF_MEMORY))?;
        Ok(function)
    }

    pub(super) fn remove_script(&self, sha: &str) {
        // What is there is written over, for which there is memory.
        let _ = self.scripts.raw_set(sha, Value::Nil);
    }

    pub(super) fn clear_scripts(&self) {
        empty(&self.scripts);
    }

    /// A function of a library, by what it is found by.
    pub(super) fn function(&self, found_by: &str) -> Option<Function> {
        self.functions.raw_get::<Option<Function>>(found_by).ok().flatten()
    }

    /// Has functions be called that were loaded.
    ///
    /// # Errors
    /// If there is no memory.
    pub(super) fn add_functions(&self, loaded: &Loaded) -> Result<(), ErrorReply> {
        let mut added = loaded.0.pairs::<Value, Value>().flatten();
        let added = added.try_for_each(|(name, function)| self.functions.raw_set(name, function));
        added.map_err(|_| ErrorReply::known(OUT_OF_MEMORY))
    }

    pub(super) fn remove_function(&self, found_by: &str) {
        let _ = self.functions.raw_set(found_by, Value::Nil);
    }

    pub(super) fn clear_functions(&self) {
        empty(&self.functions);
    }

    /// For functions of libraries that are to be loaded.
    ///
    /// # Errors
    /// If there is no memory.
    pub(super) fn loaded(&self) -> Result<Loaded, ErrorReply> {
        self.lua.create_table().map(Loaded).map_err(|_| ErrorReply::known(OUT_OF_MEMORY))
    }

    fn compile(&self, code: &[u8]) -> Result<Function, ErrorReply> {
        let chunk = self.lua.load(code).set_name(SCRIPT).set_mode(ChunkMode::Text);
        let compiled = chunk.into_function();
        compiled.map_err(|error| not_lua("ERR Error compiling script (new function): ", &error))
    }

    /// Runs a library's code, and gives what it registers; its functions go into `loaded`.
    ///
    /// # Errors
    /// Redis's for what is no Lua, or fails.
    pub(super) fn load(&self, code: &[u8], loaded: &Loaded) -> Result<Vec<register::Registered>, ErrorReply> {
        let chunk = self.lua.load(code).set_name(FUNCTION).set_mode(ChunkMode::Text);
        let compiled = chunk.set_environment(self.library_globals.clone()).into_function();
        let body = compiled.map_err(|error| not_lua("ERR Error compiling function: ", &error))?;
        *self.registry.lock() = Some(register::Loading::new(loaded));
        // Of the system's clock: the store's may stand still.
        let signals = Arc::clone(&self.running.lock().signals);
        signals.begin(true);
        self.stack.store(here(), Ordering::Relaxed);
        signals.overdue.store(Clock::System.now() + LOAD, Ordering::Relaxed);
        let ran = self.run_library.call::<(bool, Value)>(body);
        signals.overdue.store(0, Ordering::Relaxed);
        let registered = self.registry.lock().take().map(|loading| loading.registered).unwrap_or_default();
        let text = match ran {
            Ok((true, _)) => return register::check_names(&registered).map(|()| registered),
            Ok((false, Value::Table(failure))) => text_of(&failure),
            Ok((false, _)) | Err(_) => OUT_OF_MEMORY.into(),
        };
        let text = [b"ERR Error registering functions: ".as_slice(), &text].concat();
        Err(ErrorReply::of_bytes(text))
    }

    /// What it takes now, in bytes.
    pub(super) fn look_at_memory(&self) -> usize {
        let used = self.lua.used_memory();
        self.used.set(used);
        used
    }

    /// Runs a script or a function, whose commands run in that session.
    pub(super) fn run(&self, job: &Job<'_>, part: Session) -> Ended {
        {
            let mut running = self.running.lock();
            running.part = Some(part);
            running.read_only = job.read_only;
        }
        self.stack.store(here(), Ordering::Relaxed);
        let ran = self.call(job);
        let (part, killed) = {
            let mut running = self.running.lock();
            (running.part.take(), running.signals.is_killed())
        };
        // A script may have stopped it, which matters once there is something to collect.
        if self.look_at_memory() > MEMORY / 8 {
            self.lua.gc_restart();
        }
        let out_of_memory = || Ended { reply: ErrorReply::known(OUT_OF_MEMORY).into(), is_spoilt: true };
        match ran {
            Ok((true, value)) => {
                let protocol = part.map(|part| part.protocol()).unwrap_or_default();
                match convert::to_reply(value, protocol, &self.names, &mut Budget::new(&self.lua)) {
                    Ok(reply) => Ended { reply, is_spoilt: killed },
                    Err(error) => {
                        let text = raise::text_of(&error).unwrap_or(OUT_OF_MEMORY.as_bytes());
                        Ended { reply: ErrorReply::of_bytes(text.to_vec()).into(), is_spoilt: true }
                    }
                }
            }
            Ok((false, Value::Table(failure))) => {
                let name = (self.compat != Compat::Valkey9).then_some(job.name);
                Ended { reply: failure_reply(&failure, name).into(), is_spoilt: killed }
            }
            // The one error that the handler is not asked about.
            Ok((false, _)) | Err(mlua::Error::MemoryError(_)) => out_of_memory(),
            Err(error) => {
                let text = raise::text_of(&error).map(<[u8]>::to_vec);
                let text = text.unwrap_or_else(|| format!("ERR {error}").into_bytes());
                Ended { reply: ErrorReply::of_bytes(text).into(), is_spoilt: true }
            }
        }
    }

    fn call(&self, job: &Job<'_>) -> mlua::Result<(bool, Value)> {
        let unlimited = Unlimited::new(&self.lua)?;
        let list = |words: &[Bytes]| {
            let table = self.lua.create_table_with_capacity(words.len(), 0)?;
            for (at, word) in words.iter().enumerate() {
                table.raw_set(at + 1, self.lua.create_string(word)?)?;
            }
            Ok::<_, mlua::Error>(table)
        };
        let runner = if job.is_function { &self.run_function } else { &self.run_script };
        let (keys, args) = (list(job.keys)?, list(job.args)?);
        unlimited.end()?;
        runner.call((job.function, keys, args))
    }
}

/// Values are made without asking for the limit until this ends: with one, each is made under a guard of its own, at
/// ten times the cost.
pub(super) struct Unlimited<'l>(&'l Lua);

impl<'l> Unlimited<'l> {
    pub(super) fn new(lua: &'l Lua) -> mlua::Result<Self> {
        lua.set_memory_limit(0)?;
        Ok(Unlimited(lua))
    }

    /// # Errors
    /// If what was made is beyond the limit.
    pub(super) fn end(self) -> mlua::Result<()> {
        if self.0.used_memory() <= MEMORY {
            return Ok(());
        }
        // Much of it may be what earlier ones have left.
        self.0.gc_collect()?;
        if self.0.used_memory() > MEMORY { Err(raise::reply(OUT_OF_MEMORY)) } else { Ok(()) }
    }
}

impl Drop for Unlimited<'_> {
    fn drop(&mut self) {
        // It has been set before, so that it can be set.
        let _ = self.0.set_memory_limit(MEMORY);
    }
}

/// About where the thread's stack is.
fn here() -> usize {
    let here = 0_u8;
    std::ptr::from_ref(&here) as usize
}

/// Has a script that is killed end, at the next look and, lest it catches that, at every line after it; and a library that
/// takes too long to load, which cannot catch anything.
fn watch_for_kill(lua: &Lua, compat: Compat, signals: &Arc<Signals>) -> mlua::Result<()> {
    let signals = Arc::clone(signals);
    let triggers = HookTriggers::new().every_nth_instruction(STEP);
    lua.set_global_hook(triggers, move |lua, debug| {
        let overdue = signals.overdue.load(Ordering::Relaxed);
        if overdue > 0 && Clock::System.now() > overdue && !is_ours(debug) {
            return Err(raise::reply("ERR FUNCTION LOAD timeout"));
        }
        if !signals.is_killed() {
            return Ok(VmState::Continue);
        }
        end(lua, debug, signals.killed(compat))
    })
}

/// The sandbox's own code is to go on: it ends the run.
fn is_ours(debug: &Debug<'_>) -> bool {
    debug.source().source.as_deref() == Some(SANDBOX)
}

/// Looks at every line from now on. Each coroutine looks for itself, so each that comes here is told anew.
fn end(lua: &Lua, debug: &Debug<'_>, text: &'static str) -> mlua::Result<VmState> {
    let often = HookTriggers::new().every_line().every_nth_instruction(1);
    lua.set_global_hook(often, move |lua, debug| end(lua, debug, text))?;
    if is_ours(debug) { Ok(VmState::Continue) } else { Err(raise::reply(text)) }
}

/// Takes all out of a table. mlua's own way of that leaves something on the stack of 8,000 each time.
fn empty(table: &Table) {
    for (name, _) in table.pairs::<Value, Value>().flatten() {
        // What is there is written over, for which there is memory.
        let _ = table.raw_set(name, Value::Nil);
    }
}

/// An argument of a function of the sandbox is none that it takes. That is the caller's caller, or whatever level is said.
fn bad_argument(
    lua: &Lua,
    (at, name, what, level): (usize, String, String, Option<usize>),
) -> mlua::Result<()> {
    Err(raise::argument_at(lua, level.unwrap_or(2), at, &name, &what))
}

/// What an error is to who has called the script: a table that says where it happened.
fn failed(lua: &Lua, caught: MultiValue) -> mlua::Result<Table> {
    let caught = raise::value_of(lua, caught.into_iter().next().unwrap_or(Value::Nil))?;
    let place = place(lua);
    let failure = match caught {
        Value::Table(failure) => failure,
        other => {
            let text = match &other {
                Value::String(text) => text.as_bytes().to_vec(),
                Value::Integer(_) | Value::Number(_) => {
                    lua.coerce_string(other)?.map(|text| text.as_bytes().to_vec()).unwrap_or_default()
                }
                other => other.to_string()?.into_bytes(),
            };
            let table = lua.create_table_with_capacity(0, 3)?;
            table.raw_set("err", lua.create_string([b"ERR ", text.as_slice()].concat())?)?;
            table
        }
    };
    if let Some((source, line)) = place {
        failure.raw_set("source", source)?;
        failure.raw_set("line", line.and_then(|line| i64::try_from(line).ok()).unwrap_or(-1))?;
    }
    Ok(failure)
}

/// Where the function is that failed, or the one of the script that has called it: its chunk, and the line.
fn place(lua: &Lua) -> Option<(String, Option<usize>)> {
    let level = |at: usize| {
        lua.inspect_stack(at, |debug| {
            let source = debug.source();
            let text = source.source.unwrap_or_default().into_owned();
            (matches!(source.what, "C" | "tail") || text == SANDBOX, text, debug.current_line())
        })
    };
    let place = (1..9).map_while(level).find(|(is_ours, ..)| !is_ours);
    place.map(|(_, source, line)| (source, line))
}

/// The text of an error's table.
fn text_of(failure: &Table) -> Vec<u8> {
    match failure.raw_get("err") {
        Ok(Value::String(text)) => convert::until_zero(&text.as_bytes()).to_vec(),
        _ => b"ERR unknown error".to_vec(),
    }
}

/// What the caller is told: behind the text is where it happened, and in whose script or function.
fn failure_reply(failure: &Table, name: Option<&str>) -> ErrorReply {
    let mut text = text_of(failure);
    let (source, line) = (failure.raw_get::<Value>("source"), failure.raw_get::<Option<i64>>("line"));
    if let (Ok(Value::String(source)), Ok(Some(line))) = (source, line) {
        let name = name.map(|name| format!("{name}, ")).unwrap_or_default();
        text.extend_from_slice(format!(" script: {name}on ").as_bytes());
        text.extend_from_slice(&source.as_bytes());
        text.extend_from_slice(format!(":{line}.").as_bytes());
    }
    ErrorReply::of_bytes(text)
}

fn not_lua(what: &str, error: &mlua::Error) -> ErrorReply {
    let text = match error {
        mlua::Error::SyntaxError { message, .. } => message.clone(),
        mlua::Error::MemoryError(_) => "not enough memory".into(),
        other => other.to_string(),
    };
    ErrorReply::new(format!("{what}{text}"))
}
