//! What should never be sent, or be left behind.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::commands::{Commands, Received, line};
use crate::text::glob::Pattern;
use crate::{Bytes, Store, Ttl};

/// Violations that are kept, and keys of which the last command is.
const KEPT: usize = 1_000;
const KEYS: usize = 10_000;

/// What a test is to fail for; see [`Store::strict`](crate::Store::strict). Nothing, until something is said.
///
/// ```
/// use larder::{Store, testing::Strict};
///
/// let store = Store::new();
/// let strict = store.strict(Strict::new().unknown_commands().forbid(["KEYS", "FLUSHALL"]).keys_without_ttl("session:*"));
/// store.session().call(["SET", "session:1", "ann", "EX", "60"]);
/// strict.check();
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "it holds once it is given to `Store::strict`"]
pub struct Strict {
    unknown: bool,
    forbidden: Vec<Commands>,
    with_ttl: Vec<Bytes>,
    #[cfg(feature = "lua")]
    undeclared: bool,
}

impl Strict {
    /// Nothing yet.
    pub fn new() -> Self {
        Strict::default()
    }

    /// A command that the server has not got, or a subcommand: a slip of the pen, or a newer version than the one that
    /// [`Compat`](crate::Compat) names. Scripts' commands are looked at too.
    ///
    /// ```should_panic
    /// # use larder::{Store, testing::Strict};
    /// let store = Store::new();
    /// let _strict = store.strict(Strict::new().unknown_commands());
    /// store.session().call(["GTE", "user:1"]);
    /// ```
    pub fn unknown_commands(mut self) -> Self {
        self.unknown = true;
        self
    }

    /// These commands, by name or category: `KEYS`, `@dangerous` (which `KEYS`, `FLUSHALL` and `CONFIG` are). Scripts' commands
    /// are looked at too.
    ///
    /// ```should_panic
    /// # use larder::{Store, testing::Strict};
    /// let store = Store::new();
    /// let _strict = store.strict(Strict::new().forbid("@dangerous"));
    /// store.session().call(["KEYS", "*"]);
    /// ```
    ///
    /// # Panics
    /// On a category that there is not.
    #[track_caller]
    pub fn forbid(mut self, commands: impl Into<Commands>) -> Self {
        self.forbidden.push(commands.into());
        self
    }

    /// A key that a script or a function touches by `redis.call` or `redis.pcall`, and that is not among its `KEYS`.
    /// Redis lets it pass on a single node; a cluster refuses it, or, worse, runs the script on the wrong node.
    ///
    /// It is what the command names that counts: what `SORT` finds by a pattern is not looked at, nor what `KEYS` or
    /// `SCAN` tell. The same key is told once for each command of each script. Takes the feature `lua`.
    ///
    /// ```should_panic
    /// # use larder::{Store, testing::Strict};
    /// let store = Store::new();
    /// let _strict = store.strict(Strict::new().undeclared_keys());
    /// store.session().call(["EVAL", "return redis.call('GET', 'user:' .. ARGV[1])", "0", "1"]);
    /// ```
    #[cfg(feature = "lua")]
    pub fn undeclared_keys(mut self) -> Self {
        self.undeclared = true;
        self
    }

    /// A key that matches this glob, in any database, and has no time to live when the guard is dropped or
    /// [checked](StrictGuard::check).
    ///
    /// ```should_panic
    /// # use larder::{Store, testing::Strict};
    /// let store = Store::new();
    /// let _strict = store.strict(Strict::new().keys_without_ttl("session:*"));
    /// store.session().call(["SET", "session:1", "ann"]);
    /// ```
    pub fn keys_without_ttl(mut self, glob: impl Into<Bytes>) -> Self {
        self.with_ttl.push(glob.into());
        self
    }
}

/// Something that should not be.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// A command that the server has not got, as one would type it.
    UnknownCommand(String),
    /// A forbidden one, likewise.
    Forbidden(String),
    /// A key that a script has touched without having it declared.
    UndeclaredKey {
        /// The call of the script or function, as one would type it.
        script: String,
        /// The command by which it did, likewise.
        command: String,
        /// The key.
        key: Bytes,
    },
    /// A key that has no time to live.
    NoTtl {
        /// Its name.
        key: Bytes,
        /// Its database.
        db: u16,
        /// The last command that may have written it, if one was seen.
        last: Option<String>,
    },
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Violation::UnknownCommand(line) => write!(f, "unknown command: {line}"),
            Violation::Forbidden(line) => write!(f, "forbidden command: {line}"),
            Violation::UndeclaredKey { script, command, key } => {
                let key = line(std::slice::from_ref(key));
                write!(f, "undeclared key: {key}, touched by: {command}, in: {script}")
            }
            Violation::NoTtl { key, db, last } => {
                write!(f, "no time to live: {}", line(std::slice::from_ref(key)))?;
                if *db > 0 {
                    write!(f, " in database {db}")?;
                }
                match last {
                    Some(last) => write!(f, ", last written by: {last}"),
                    None => f.write_str(", written by no command that was seen"),
                }
            }
        }
    }
}

/// Watches for what [`Strict`] says, until it is dropped; made by [`Store::strict`](crate::Store::strict). In a test that gives
/// back an error by `?` its panic is what is seen, and not that error. It keeps the store, to look at the keys that are left
/// when all else has gone: who waits for the store's own end is to drop it before.
///
/// # Panics
/// When it is dropped, if there was any; unless its thread panics already.
#[must_use = "it watches until it is dropped"]
pub struct StrictGuard {
    store: Store,
    watcher: Arc<Watcher>,
}

impl StrictGuard {
    pub(super) fn new(store: Store, watcher: Arc<Watcher>) -> Self {
        StrictGuard { store, watcher }
    }

    /// What there was so far: the first 1,000. O(those + keys)
    ///
    /// ```
    /// use larder::{Store, testing::{Strict, Violation}};
    ///
    /// let store = Store::new();
    /// let strict = store.strict(Strict::new().keys_without_ttl("session:*"));
    /// store.session().call(["SET", "session:1", "ann"]);
    /// assert_eq!(
    ///     strict.violations()[0].to_string(),
    ///     "no time to live: session:1, last written by: SET session:1 ann"
    /// );
    /// store.clear()?; // or the guard's drop would fail this test
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = self.watcher.lock().found.clone();
        found.extend(self.keys_without_ttl());
        found.truncate(KEPT);
        found
    }

    /// Fails the test now, if there was any so far; a guard that is dropped does the same.
    ///
    /// ```
    /// # use larder::{Store, testing::Strict};
    /// let store = Store::new();
    /// let strict = store.strict(Strict::new().forbid("KEYS"));
    /// store.session().call(["SCAN", "0"]);
    /// strict.check();
    /// ```
    ///
    /// # Panics
    /// If there was; with all of them.
    #[track_caller]
    pub fn check(&self) {
        let found = self.violations();
        if !found.is_empty() {
            let lines: String = found.iter().map(|violation| format!("\n    {violation}")).collect();
            panic!("what should not be:{lines}");
        }
    }

    fn keys_without_ttl(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        let globs = &self.watcher.strict.with_ttl;
        if globs.is_empty() {
            return found;
        }
        // A store that cannot be read, from inside its own transaction, is not looked at.
        for db in (0..self.store.space().limits().databases).map_while(|db| self.store.db(db).ok()) {
            let is_meant = |key: &Bytes| globs.iter().any(|glob| Pattern::new(glob).matches(key));
            let keys = db.scan().map_while(Result::ok).filter(is_meant);
            let mut keys: Vec<_> = keys.filter(|key| matches!(db.ttl(key), Ok(Ttl::Forever))).collect();
            keys.sort();
            keys.dedup();
            let watched = self.watcher.lock();
            found.extend(keys.into_iter().map(|key| {
                let place = (db.index(), key);
                let last = watched.writers.get(&place).cloned();
                Violation::NoTtl { db: place.0, key: place.1, last }
            }));
        }
        found
    }
}

impl Drop for StrictGuard {
    fn drop(&mut self) {
        let hooks = &self.store.space().shared().hooks;
        hooks.change(|set| set.watchers.retain(|watcher| !Arc::ptr_eq(watcher, &self.watcher)));
        if !std::thread::panicking() {
            self.check();
        }
    }
}

impl fmt::Debug for StrictGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StrictGuard").field("strict", &self.watcher.strict).finish_non_exhaustive()
    }
}

/// What sees the commands.
pub(crate) struct Watcher {
    strict: Strict,
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    found: Vec<Violation>,
    /// The last command that may have written a key that is to have a time to live.
    writers: HashMap<(u16, Bytes), String>,
}

impl Watcher {
    pub(crate) fn new(strict: Strict) -> Self {
        Watcher { strict, watched: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A command has come.
    pub(crate) fn see(&self, received: &Received<'_>) {
        self.look(received, || line(received.words), |violation| self.find(violation));
    }

    /// A script calls a command, and has declared these keys. The same is told once, however often it does.
    #[cfg(feature = "lua")]
    pub(crate) fn see_in_script(&self, received: &Received<'_>, script: &[Bytes], declared: &[Bytes]) {
        let find_once = |violation: Violation| {
            if !self.lock().found.contains(&violation) {
                self.find(violation);
            }
        };
        self.look(received, || format!("{}, in: {}", line(received.words), line(script)), find_once);
        if self.strict.undeclared {
            for key in received.keys().into_iter().filter(|key| !declared.contains(key)) {
                let (script, command, key) = (line(script), line(received.words), key.clone());
                find_once(Violation::UndeclaredKey { script, command, key });
            }
        }
    }

    /// Finds what a command is by itself, and notes which keys it may write.
    fn look(&self, received: &Received<'_>, shown: impl Fn() -> String, find: impl Fn(Violation)) {
        if self.strict.unknown && received.row.is_none() {
            find(Violation::UnknownCommand(shown()));
        }
        if self.strict.forbidden.iter().any(|commands| received.is(commands)) {
            find(Violation::Forbidden(shown()));
        }
        if !self.strict.with_ttl.is_empty() && received.writes() {
            for key in received.keys() {
                if self.strict.with_ttl.iter().any(|glob| Pattern::new(glob).matches(key)) {
                    let (place, mut watched) = ((received.db, key.clone()), self.lock());
                    if watched.writers.len() < KEYS || watched.writers.contains_key(&place) {
                        watched.writers.insert(place, shown());
                    }
                }
            }
        }
    }

    fn find(&self, violation: Violation) {
        let mut watched = self.lock();
        if watched.found.len() < KEPT {
            watched.found.push(violation);
        }
    }
}
