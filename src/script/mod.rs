//! Lua: scripts and functions, as a server runs them.
//!
//! A script is user code that runs while all is held: that is what it is for. Its commands go through the same
//! table as any other's, in a session that is part of its caller's. One Lua state a store, made when the first
//! script comes; it is used by who holds the [`Gate`]'s turn and, inside of that, all locks of the store.

mod budget;
mod cache;
mod convert;
mod engine;
mod gate;
mod library;
mod libs;
mod raise;
mod random;
mod redis_api;
mod register;
mod shebang;
mod signals;

use std::collections::HashMap;

use ahash::RandomState;
use cache::Cache;
use engine::{Engine, Job};
use library::{Libraries, found_by};
use random::Random;

use crate::Bytes;
use crate::keyspace::Keyspace;
use crate::keyspace::libraries::Codes;
use crate::rdb;
use crate::reply::{ErrorReply, Reply};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, MutexGuard};
use crate::table::{Compat, ScriptCounts, Session, no_script};

#[cfg(feature = "server")]
pub(crate) use gate::Ending;
pub(crate) use gate::{Gate, Held, Inside, Kill, Running, Shut, Stripe, Turn};
pub(crate) use library::{Function, Library, Restoring};
pub(crate) use shebang::Flags;
pub(crate) use signals::Signals;

/// The scripts of a store. The keyspace's sessions share it.
pub(crate) struct Scripts {
    pub(crate) gate: Arc<Gate>,
    state: Mutex<State>,
    /// The libraries that the state has, as the store keeps them.
    known: Mutex<Codes>,
    /// For who asks while a script runs.
    counts: Mutex<ScriptCounts>,
    /// What the Lua state takes.
    memory: AtomicUsize,
    /// That of each new Lua state.
    seed: u64,
}

/// Which store's Lua state is meant, and whom it is like.
#[derive(Clone, Copy)]
struct Of<'o> {
    space: &'o Keyspace,
    compat: Compat,
}

impl<'o> Of<'o> {
    fn session(session: &'o Session) -> Self {
        Of { space: session.db().space(), compat: session.dialect().compat }
    }
}

#[derive(Default)]
struct State {
    engine: Option<Engine>,
    /// Which numbers are drawn next, whatever becomes of the engine.
    random: Random,
    cache: Cache,
    /// How many scripts have gone from it to make room for others.
    evicted: usize,
    libraries: Libraries,
    /// The SHA1 of texts that came by `EVAL`: to look one up is a small part of the work of computing it.
    digests: HashMap<Bytes, String, RandomState>,
}

/// How many digests are kept, and of texts of how many bytes.
const DIGESTS: usize = 128;
const DIGESTED: usize = 16 << 10;

/// Which script is meant.
pub(crate) enum Which<'s> {
    Text(&'s Bytes),
    Sha(&'s [u8]),
}

/// What a script or function is called with.
pub(crate) struct Given<'g> {
    pub keys: &'g [Bytes],
    pub args: &'g [Bytes],
    /// By a command that does not write.
    pub read_only: bool,
    /// All words of that command.
    pub words: Vec<Bytes>,
}

/// Functions of a library, by their names.
pub(crate) type Functions = Vec<(String, Function)>;

/// The digits of a text's SHA1, in small letters.
pub(crate) fn sha1(text: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |half: u8| char::from(DIGITS[usize::from(half & 15)]);
    let mut digits = String::with_capacity(40);
    for byte in sha1_smol::Sha1::from(text).digest().bytes() {
        digits.extend([digit(byte >> 4), digit(byte)]);
    }
    digits
}

impl Scripts {
    pub(crate) fn new(seed: u64) -> Self {
        Scripts {
            gate: Gate::new(),
            state: Mutex::new(State { random: Random::new(seed), ..State::default() }),
            known: Mutex::default(),
            counts: Mutex::default(),
            memory: AtomicUsize::new(0),
            seed,
        }
    }

    /// Those of a fork, which draw the same numbers.
    pub(crate) fn fork(&self) -> Self {
        Scripts::new(self.seed)
    }

    /// Runs a script in a session that is within a transaction which holds all.
    ///
    /// # Errors
    /// Redis's, of the script and of what is no script.
    pub(crate) fn eval(
        &self,
        mut part: Session,
        which: &Which<'_>,
        given: Given<'_>,
    ) -> Result<Reply, ErrorReply> {
        let compat = part.dialect().compat;
        let mut state = self.up_to_date(Of::session(&part));
        let sha = match which {
            Which::Text(text) => state.digest(text),
            Which::Sha(sha) => String::from_utf8_lossy(sha).to_ascii_lowercase(),
        };
        let engine = state.engine(Of::session(&part), &self.gate)?;
        let known = engine.script(&sha);
        let (function, flags) = match (state.cache.get(&sha).cloned(), known, which) {
            (Some(script), Some(function), _) => (function, script.flags),
            (Some(script), None, _) => {
                let engine = state.engine(Of::session(&part), &self.gate)?;
                let (_, code) = shebang::of_script(&script.text, compat)?;
                (engine.add_script(&sha, code)?, script.flags)
            }
            (None, _, Which::Text(text)) => {
                let kept = state.keep(Of::session(&part), &self.gate, &sha, text, false)?;
                self.count(&state);
                kept
            }
            (None, _, Which::Sha(_)) => {
                return Err(no_script(compat));
            }
        };
        if flags.is_some_and(|flags| !flags.no_writes()) {
            check_may_write(&part, &given)?;
        }
        if flags.is_some_and(Flags::allow_oom) {
            part.needs_no_room();
        }
        let read_only = given.read_only || flags.is_some_and(|flags| flags.no_writes());
        let (keys, args) = (given.keys, given.args);
        let job = Job { function: &function, name: &sha, is_function: false, read_only, keys, args };
        self.run(&mut state, part, &job, given.words)
    }

    /// Calls a function in such a session.
    ///
    /// # Errors
    /// Redis's, of the function, and if there is none of that name.
    pub(crate) fn call(&self, mut part: Session, name: &[u8], given: Given<'_>) -> Result<Reply, ErrorReply> {
        let mut state = self.up_to_date(Of::session(&part));
        let library::Function { name, flags, .. } =
            state.libraries.function(name).cloned().ok_or(NO_FUNCTION)?;
        if !flags.no_writes() {
            check_may_write(&part, &given)?;
        }
        if flags.allow_oom() {
            part.needs_no_room();
        }
        let engine = state.engine(Of::session(&part), &self.gate)?;
        let function = engine.function(&found_by(&name)).ok_or(NO_FUNCTION)?;
        let (keys, args) = (given.keys, given.args);
        let read_only = flags.no_writes();
        let job = Job { function: &function, name: &name, is_function: true, read_only, keys, args };
        self.run(&mut state, part, &job, given.words)
    }

    /// Whether there is a function of that name, which is looked at before the other arguments.
    pub(crate) fn has_function(&self, session: &Session, name: &[u8]) -> bool {
        self.up_to_date(Of::session(session)).libraries.function(name).is_some()
    }

    fn run(
        &self,
        state: &mut State,
        part: Session,
        job: &Job<'_>,
        command: Vec<Bytes>,
    ) -> Result<Reply, ErrorReply> {
        let since = part.db().space().clock().now();
        let name = job.name.to_owned();
        // Before others are told of it, who may say something to it from then on.
        self.gate.signals.begin(job.is_function);
        self.gate.note(Some(Running {
            is_function: job.is_function,
            name,
            command,
            since,
            #[cfg(feature = "server")]
            server: part.ends_with(),
        }));
        let Some(engine) = &state.engine else { return Err(NO_STATE) };
        let ended = engine.run(job, part);
        self.gate.note(None);
        if ended.is_spoilt {
            state.engine = None;
        }
        self.note_memory(state.engine.as_ref().map(|engine| engine.used.get()));
        Ok(ended.reply)
    }

    /// Keeps a script for `EVALSHA`; gives its SHA1.
    ///
    /// # Errors
    /// Redis's, for what is no Lua.
    pub(crate) fn load(&self, session: &Session, text: &Bytes) -> Result<String, ErrorReply> {
        let mut state = self.state.lock();
        let sha = sha1(text);
        if state.cache.has(&sha) {
            state.cache.insert(&sha, b"", None, true);
        } else {
            state.keep(Of::session(session), &self.gate, &sha, text, true)?;
            self.count(&state);
        }
        Ok(sha)
    }

    /// The text of a script that is kept.
    pub(crate) fn text(&self, sha: &[u8]) -> Option<Bytes> {
        let sha = String::from_utf8_lossy(sha).to_ascii_lowercase();
        self.state.lock().cache.get(&sha).map(|script| script.text.clone())
    }

    pub(crate) fn has(&self, sha: &[u8]) -> bool {
        self.state.lock().cache.has(&String::from_utf8_lossy(sha).to_ascii_lowercase())
    }

    /// What a script says of itself in its first line, if it does.
    pub(crate) fn flags_of_text(&self, text: &[u8], compat: Compat) -> Option<Flags> {
        shebang::of_script(text, compat).ok()?.0
    }

    /// The same, of one that is kept; nothing is known while a script runs.
    pub(crate) fn flags_of_sha(&self, sha: &[u8]) -> Option<Flags> {
        let sha = String::from_utf8_lossy(sha).to_ascii_lowercase();
        self.state.try_lock()?.cache.flags(&sha)
    }

    /// The same, of a function, which always does.
    pub(crate) fn flags_of_function(&self, name: &[u8]) -> Option<Flags> {
        Some(self.state.try_lock()?.libraries.function(name)?.flags)
    }

    /// Forgets all scripts.
    pub(crate) fn flush(&self) {
        let mut state = self.state.lock();
        state.cache.clear();
        state.digests.clear();
        if let Some(engine) = &state.engine {
            engine.clear_scripts();
        }
        self.count(&state);
    }

    /// Loads a library; gives its name.
    ///
    /// # Errors
    /// Redis's, of a library that cannot be, and of one that is there if none is to be replaced.
    pub(crate) fn load_library(
        &self,
        session: &Session,
        text: &Bytes,
        replaces: bool,
    ) -> Result<String, ErrorReply> {
        let mut state = self.to_change(session)?;
        let name = state.add(Of::session(session), &self.gate, text, replaces)?;
        self.keep(state, session)?;
        Ok(name)
    }

    /// Removes a library; false if there is none of that name.
    ///
    /// # Errors
    /// Those of the store's journal.
    pub(crate) fn delete_library(&self, session: &Session, name: &[u8]) -> Result<bool, ErrorReply> {
        let mut state = self.to_change(session)?;
        let Some(gone) = std::str::from_utf8(name).ok().and_then(|name| state.libraries.remove(name)) else {
            return Ok(false);
        };
        state.forget(&gone);
        self.keep(state, session)?;
        Ok(true)
    }

    /// Removes all libraries.
    ///
    /// # Errors
    /// Those of the store's journal.
    pub(crate) fn flush_libraries(&self, session: &Session) -> Result<(), ErrorReply> {
        let mut state = self.to_change(session)?;
        state.libraries = Libraries::default();
        if let Some(engine) = &state.engine {
            engine.clear_functions();
        }
        self.keep(state, session)
    }

    /// Loads the libraries of a file into a store that nobody uses yet, as a server of that kind does. `refused` is told of
    /// each that cannot be loaded, by its number, and why.
    ///
    /// # Errors
    /// Those of `refused`.
    pub(crate) fn adopt<E>(
        &self,
        space: &Keyspace,
        compat: Compat,
        codes: &[Bytes],
        mut refused: impl FnMut(usize, ErrorReply) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut state = self.state.lock();
        for (number, code) in codes.iter().enumerate() {
            if let Err(error) = state.add(Of { space, compat }, &self.gate, code, false) {
                refused(number, error)?;
            }
        }
        self.count(&state);
        space.put_libraries(state.libraries.codes());
        *self.known.lock() = space.libraries().codes();
        Ok(())
    }

    /// The payload of all libraries.
    pub(crate) fn dump_libraries(&self, session: &Session) -> Vec<u8> {
        let state = self.up_to_date(Of::session(session));
        let codes = state.libraries.by_name.values().map(|library| &library.text[..]);
        rdb::dump_libraries(codes, session.dialect().compat)
    }

    /// Loads the libraries of a payload, all of them or none.
    ///
    /// # Errors
    /// Redis's, for what is no payload, and of libraries that cannot be, or not beside those that are there.
    pub(crate) fn restore_libraries(
        &self,
        session: &Session,
        payload: &[u8],
        restoring: Restoring,
    ) -> Result<(), ErrorReply> {
        let (compat, limit) = (session.dialect().compat, session.db().space().limits().value);
        let codes = rdb::restore_libraries(payload, compat, limit)
            .map_err(|_| ErrorReply::known("ERR DUMP payload version or checksum are wrong"))?;
        let mut state = self.to_change(session)?;
        let mut restored = Libraries::default();
        let loaded = state.engine(Of::session(session), &self.gate)?.loaded()?;
        for text in codes {
            let text = text.map_err(ErrorReply::known)?;
            let (name, code) = shebang::of_library(&text)?;
            if restored.by_name.contains_key(&name) {
                return Err(ErrorReply::new(format!("ERR Library '{name}' already exists")));
            }
            let registered = state.engine(Of::session(session), &self.gate)?.load(code, &loaded)?;
            restored.check(&name, &registered)?;
            restored.insert(&name, &text, &registered);
        }
        let gone = state.libraries.join(restored, restoring)?;
        state.forget(&gone);
        if let Some(engine) = &state.engine {
            engine.add_functions(&loaded)?;
        }
        self.keep(state, session)
    }

    /// All libraries with their functions, in the order of their names.
    pub(crate) fn all_libraries(&self, session: &Session) -> Vec<(String, Library, Functions)> {
        let state = self.up_to_date(Of::session(session));
        let functions = |library: &Library| {
            let of = |name: &String| Some((name.clone(), state.libraries.function(name.as_bytes())?.clone()));
            library.functions.iter().filter_map(of).collect()
        };
        let libraries = state.libraries.by_name.iter();
        libraries.map(|(name, library)| (name.clone(), library.clone(), functions(library))).collect()
    }

    /// How many there are of what; while a script runs, as it was when that began.
    pub(crate) fn counts(&self, session: &Session) -> ScriptCounts {
        // Who runs a script has the state's lock, and may be the one who asks.
        if let Some(mut state) = self.state.try_lock() {
            self.bring_up_to_date(&mut state, Of::session(session));
        }
        let (counts, memory) = (*self.counts.lock(), self.memory.load(Ordering::Relaxed));
        ScriptCounts { memory, overhead: if memory > 0 { size_of::<Engine>() } else { 0 }, ..counts }
    }

    /// Counts the scripts that make room for others from 0 on.
    pub(crate) fn count_evicted_anew(&self) {
        let mut state = self.state.lock();
        state.evicted = 0;
        self.count(&state);
    }

    fn count(&self, state: &State) {
        let State { cache, libraries, evicted, .. } = state;
        *self.counts.lock() = ScriptCounts {
            scripts: cache.len(),
            libraries: libraries.by_name.len(),
            functions: libraries.by_name.values().map(|library| library.functions.len()).sum(),
            evicted: *evicted,
            script_bytes: cache.bytes(),
            library_bytes: libraries.bytes(),
            ..ScriptCounts::default()
        };
        self.note_memory(state.engine.as_ref().map(Engine::look_at_memory));
    }

    fn note_memory(&self, used: Option<usize>) {
        self.memory.store(used.unwrap_or(0), Ordering::Relaxed);
    }

    fn is_up_to_date(&self, space: &Keyspace) -> bool {
        Arc::ptr_eq(&self.known.lock(), &space.libraries().codes())
    }

    /// The state, with the libraries that the store has: a file that was loaded and a state that was gone back to have put
    /// others there. One that cannot be loaded in this server stays, and has no functions.
    fn up_to_date(&self, of: Of<'_>) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        self.bring_up_to_date(&mut state, of);
        state
    }

    fn bring_up_to_date(&self, state: &mut State, of: Of<'_>) {
        if !self.is_up_to_date(of.space) {
            let codes = of.space.libraries().codes();
            state.libraries = Libraries::default();
            // Numbers that are drawn begin anew too, and what libraries keep for themselves.
            state.engine = None;
            state.random = Random::new(self.seed);
            for code in codes.iter() {
                if state.add(of, &self.gate, code, true).is_err() {
                    state.libraries.keep(code);
                }
            }
            *self.known.lock() = codes;
            self.count(state);
        }
    }

    /// The same, for who changes libraries.
    ///
    /// # Errors
    /// Those of the store's journal.
    fn to_change(&self, session: &Session) -> Result<MutexGuard<'_, State>, ErrorReply> {
        session.db().space().check_libraries()?;
        Ok(self.up_to_date(Of::session(session)))
    }

    /// Has the store keep the libraries that there are now, and waits until that is as safe as was asked for.
    ///
    /// # Errors
    /// Those of the store's journal; and if it was put back to another state meanwhile.
    fn keep(&self, state: MutexGuard<'_, State>, session: &Session) -> Result<(), ErrorReply> {
        self.count(&state);
        let (db, codes) = (session.db(), state.libraries.codes());
        let mut known = self.known.lock();
        let place = db.space().change_libraries(&known, &codes).ok_or(PUT_BACK)?;
        *known = codes;
        drop((known, state));
        Ok(db.space().settle_libraries(db.transaction().map(|held| &**held), place)?)
    }
}

const PUT_BACK: ErrorReply = ErrorReply::known("ERR the store was put back to another state meanwhile");
const NO_STATE: ErrorReply = ErrorReply::known("ERR no memory for a Lua state");
const NO_FUNCTION: ErrorReply = ErrorReply::known("ERR Function not found");
const MAY_WRITE: ErrorReply =
    ErrorReply::known("ERR Can not execute a script with write flag using *_ro command.");

/// Whether a script may run that says nothing against writing.
fn check_may_write(part: &Session, given: &Given<'_>) -> Result<(), ErrorReply> {
    part.check_writes()?;
    if given.read_only { Err(MAY_WRITE) } else { Ok(()) }
}

impl State {
    /// A text's SHA1. O(text)
    fn digest(&mut self, text: &Bytes) -> String {
        if let Some(digest) = self.digests.get(text) {
            return digest.clone();
        }
        let digest = sha1(text);
        if text.len() <= DIGESTED {
            if self.digests.len() == DIGESTS {
                self.digests.clear();
            }
            self.digests.insert(text.clone(), digest.clone());
        }
        digest
    }

    /// Loads a library; gives its name.
    ///
    /// # Errors
    /// Redis's, of a library that cannot be, and of one that is there if none is to be replaced.
    fn add(&mut self, of: Of<'_>, gate: &Gate, text: &Bytes, replaces: bool) -> Result<String, ErrorReply> {
        let (name, code) = shebang::of_library(text)?;
        if !replaces && self.libraries.by_name.contains_key(&name) {
            return Err(ErrorReply::new(format!("ERR Library '{name}' already exists")));
        }
        let engine = self.engine(of, gate)?;
        let loaded = engine.loaded()?;
        let registered = engine.load(code, &loaded)?;
        self.libraries.check(&name, &registered)?;
        let gone = self.libraries.remove(&name).unwrap_or_default();
        self.libraries.insert(&name, text, &registered);
        self.forget(&gone);
        if let Some(engine) = &self.engine {
            engine.add_functions(&loaded)?;
        }
        Ok(name)
    }

    /// Functions that are no more.
    fn forget(&mut self, gone: &[String]) {
        if let Some(engine) = &self.engine {
            gone.iter().for_each(|function| engine.remove_function(function));
        }
    }

    /// The Lua state for sessions of that kind, with the libraries that are loaded; those of another kind find
    /// other versions and libraries in it, so it is made anew for them.
    fn engine(&mut self, of: Of<'_>, gate: &Gate) -> Result<&mut Engine, ErrorReply> {
        let Of { compat, .. } = of;
        if self.engine.as_ref().is_none_or(|engine| engine.compat != compat) {
            self.engine = None;
            let engine = Engine::new(compat, self.random.clone(), &gate.signals).map_err(|_| NO_STATE)?;
            for library in self.libraries.by_name.values() {
                // What one kind of server can load another may not: it has no such functions.
                let loaded = engine.loaded()?;
                let code = shebang::of_library(&library.text);
                if code.is_ok_and(|(_, code)| engine.load(code, &loaded).is_ok()) {
                    engine.add_functions(&loaded)?;
                }
            }
            self.engine = Some(engine);
        }
        self.engine.as_mut().ok_or(NO_STATE)
    }

    fn keep(
        &mut self,
        of: Of<'_>,
        gate: &Gate,
        sha: &str,
        text: &Bytes,
        stays: bool,
    ) -> Result<(mlua::Function, Option<shebang::Flags>), ErrorReply> {
        let (flags, code) = shebang::of_script(text, of.compat)?;
        let engine = self.engine(of, gate)?;
        let function = engine.add_script(sha, code)?;
        if let Some(gone) = self.cache.insert(sha, text, flags, stays) {
            self.evicted += 1;
            if let Some(engine) = &self.engine {
                engine.remove_script(&gone);
            }
        }
        Ok((function, flags))
    }
}
