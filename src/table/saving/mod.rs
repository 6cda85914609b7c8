//! SAVE and its kin, and SHUTDOWN: when a store is written to the file that its server was given.
//!
//! A store has no such file unless a server was started with one
//! ([`ServerBuilder::save_to`](crate::ServerBuilder::save_to)): what plays Redis within a test must not write
//! into the working directory. SAVE and BGSAVE name that setting then.

mod file;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use super::args::is;
use super::call::{Answer, Call};
use super::config::{self, Settings};
use super::row::flag::{ADMIN, ALLOW_BUSY, FAST, LOADING, NO_ASYNC_LOADING, NO_MULTI, NOSCRIPT, STALE};
use super::row::{Compat, Keys, Row, row};
use crate::api::{Stats, Store};
use crate::clock::Clock;
use crate::keyspace::Keyspace;
use crate::reply::{ErrorReply, Reply};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::text::number;
use crate::{Bytes, Progress};

pub use file::SaveFile;

const SAVING: u32 = ADMIN | NOSCRIPT | NO_ASYNC_LOADING;
const ENDING: u32 = ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY;

pub(super) const ROWS: &[Row] = &[
    row("bgrewriteaof", 1, SAVING, Keys::NONE, rewrite),
    row("bgsave", -1, SAVING, Keys::NONE, save_in_background),
    row("lastsave", 1, LOADING | STALE | FAST, Keys::NONE, last_save),
    row("save", 1, SAVING | NO_MULTI, Keys::NONE, save),
    row("shutdown", -1, ENDING, Keys::NONE, shut_down),
];

const NO_FILE: ErrorReply = ErrorReply::known(
    "ERR there is no file to save to: give the server one (ServerBuilder::save_to, or larder-server's dbfilename \
     and dir, or its snapshot)",
);
const BUSY: ErrorReply = ErrorReply::known("ERR Background save already in progress");
const NO_SERVER: ErrorReply =
    ErrorReply::known("ERR there is no server to shut down: the session is in the process of its store");
const CANNOT_END: ErrorReply = ErrorReply::known("ERR Errors trying to SHUTDOWN. Check logs.");

/// After a save that failed, the next by itself comes no sooner, in milliseconds.
#[cfg(feature = "server")]
const RETRY: u64 = 5_000;

/// How a server is ended: whether its store is saved to the file that it has.
///
/// ```no_run
/// # async fn example() -> larder::Result<()> {
/// use larder::{SaveFile, Server, Shutdown, Store};
///
/// let file = SaveFile::Snapshot("larder.snapshot".into());
/// let server = Server::builder().save_to(file).start(&Store::new()).unwrap();
/// server.shut_down(Shutdown::Default).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[doc(alias = "SHUTDOWN")]
pub enum Shutdown {
    /// If there are save points, and to a larder's own snapshot in any case.
    #[default]
    Default,
    /// `SAVE`
    Save,
    /// `NOSAVE`
    NoSave,
}

/// Where a store is saved to by its sessions, and how that went.
pub(crate) struct Saving {
    file: Mutex<Option<(SaveFile, Compat)>>,
    /// Who is told of each save.
    listener: Mutex<Option<Listener>>,
    state: Mutex<State>,
    /// One save at a time.
    turn: Mutex<()>,
    /// The last one in the background has failed: asked with each command.
    has_failed: AtomicBool,
}

/// Is told how a save went.
pub(crate) type Listener = Arc<dyn Fn(std::result::Result<Progress, &crate::Error>) + Send + Sync>;

#[derive(Clone, Copy)]
struct State {
    /// When the store was last saved, or made: on its clock, and in milliseconds since 1970.
    at: u64,
    wall: u64,
    /// How many changes there had been then.
    changes: u64,
    is_ok: bool,
    /// When a save was last begun.
    tried: u64,
    /// One goes on in a thread of its own.
    in_background: bool,
    /// How long the last of those took, in milliseconds.
    took: Option<u64>,
    /// How often it was tried.
    count: u64,
    /// How far the one that is under way has come.
    progress: Progress,
    /// How many keys came from a file as the store was made, and had expired by then.
    loaded: u64,
    expired: u64,
}

/// What INFO tells of it.
pub(super) struct Told {
    pub changes: u64,
    pub in_background: bool,
    pub wall: u64,
    pub is_ok: bool,
    pub took: Option<u64>,
    /// For how long it has gone on.
    pub going: Option<u64>,
    pub count: u64,
    pub progress: Progress,
    pub loaded: u64,
    pub expired: u64,
}

impl Saving {
    pub(super) fn new(clock: &Clock) -> Self {
        let state = State {
            at: clock.now(),
            wall: clock.wall(),
            changes: 0,
            is_ok: true,
            tried: 0,
            in_background: false,
            took: None,
            count: 0,
            progress: Progress::default(),
            loaded: 0,
            expired: 0,
        };
        Saving {
            file: Mutex::default(),
            listener: Mutex::default(),
            state: Mutex::new(state),
            turn: Mutex::default(),
            has_failed: AtomicBool::new(false),
        }
    }

    /// Has the store saved to a file from now on, as that server writes it; what it holds now came from there.
    #[cfg(feature = "server")]
    pub(crate) fn save_to(
        &self,
        space: &Keyspace,
        file: SaveFile,
        compat: Compat,
        listener: Option<Listener>,
    ) -> crate::Result<()> {
        let changes = Stats::of(space, None)?.writes;
        *self.listener.lock() = listener;
        *self.file.lock() = Some((file, compat));
        let mut state = self.state.lock();
        (state.changes, state.at, state.wall) = (changes, space.clock().now(), space.clock().wall());
        Ok(())
    }

    /// Has an RDB file stand where `dir` and `dbfilename` say, once somebody has set one of them.
    pub(super) fn follow(&self, settings: &Settings) {
        let mut file = self.file.lock();
        let Some((SaveFile::Rdb(path), _)) = &mut *file else { return };
        let folder = settings.set_to("dir").map(PathBuf::from);
        let folder = folder.or_else(|| path.parent().map(PathBuf::from)).unwrap_or_default();
        let name = settings.set_to("dbfilename").map(PathBuf::from);
        let name = name.or_else(|| path.file_name().map(PathBuf::from)).unwrap_or_default();
        *path = folder.join(name);
    }

    /// The store was made with so many keys of a file, where others had expired.
    pub(crate) fn note_loaded(&self, loaded: u64, expired: u64) {
        let mut state = self.state.lock();
        (state.loaded, state.expired) = (loaded, expired);
    }

    /// How often it was tried counts from now on.
    pub(super) fn count_anew(&self) {
        self.state.lock().count = 0;
    }

    pub(super) fn told(&self, clock: &Clock, changes: u64) -> Told {
        let state = *self.state.lock();
        let State { wall, is_ok, took, in_background, count, progress, loaded, expired, .. } = state;
        let changes = changes.saturating_sub(state.changes);
        let going = in_background.then(|| clock.now().saturating_sub(state.tried));
        Told { changes, in_background, wall, is_ok, took, going, count, progress, loaded, expired }
    }

    /// Whether SHUTDOWN saves, if nothing is said.
    fn saves_at_end(&self, space: &Keyspace) -> bool {
        match &*self.file.lock() {
            None => false,
            Some((SaveFile::Snapshot(_), _)) => true,
            Some(_) => !points(space).is_empty(),
        }
    }

    /// Whether nothing is to be written, since what is there could not be saved.
    #[inline]
    pub(super) fn stops_writes(&self, space: &Keyspace) -> bool {
        self.has_failed.load(Ordering::Relaxed) && says_to_stop(space)
    }

    pub(crate) fn has_file(&self) -> bool {
        self.file.lock().is_some()
    }

    /// Saves; gives whether there is a file. Nothing is written if nothing has changed since the last save and it
    /// is not `anew`.
    ///
    /// # Errors
    /// Those of [`Store::save`] and [`Store::save_rdb`].
    pub(crate) fn save(&self, store: &Store, anew: bool) -> crate::Result<bool> {
        let turn = self.turn.lock();
        let Some((file, compat)) = self.file.lock().clone() else { return Ok(false) };
        let space = store.space();
        // What changes while it saves counts for the next time.
        let changes = Stats::of(space, None)?.writes;
        if !anew && self.state.lock().changes == changes && file.path().exists() {
            return Ok(true);
        }
        let clock = space.clock();
        let (at, wall) = (clock.now(), clock.wall());
        {
            let mut state = self.state.lock();
            state.tried = at;
            state.count += 1;
        }
        let saved = file.save(store, compat, |so_far| self.state.lock().progress = so_far);
        {
            let mut state = self.state.lock();
            state.progress = Progress::default();
            // As in Redis, one that a client waits for tells that client alone when it fails.
            state.is_ok = saved.is_ok() || state.is_ok && !state.in_background;
            self.has_failed.store(!state.is_ok, Ordering::Relaxed);
            if saved.is_ok() {
                (state.at, state.wall, state.changes) = (at, wall, changes);
            }
        }
        drop(turn);
        let listener = self.listener.lock().clone();
        if let Some(listener) = listener {
            listener(saved.as_ref().copied());
        }
        saved.map(|_| true)
    }

    /// Saves in a thread of its own.
    ///
    /// # Errors
    /// Redis's if one goes on already, and if there is no file or no thread.
    pub(crate) fn save_in_background(&self, store: Store) -> Result<(), ErrorReply> {
        if !self.has_file() {
            return Err(NO_FILE);
        }
        {
            let mut state = self.state.lock();
            if state.in_background {
                return Err(BUSY);
            }
            (state.in_background, state.tried) = (true, store.space().clock().now());
        }
        let began = store.space().clock().now();
        let background = Background { store, began };
        let spawned = thread::Builder::new().name("larder-save".into()).spawn(move || {
            let store = &background.store;
            // INFO tells how it went.
            let _ = store.space().shared().saving.save(store, true);
        });
        spawned.map(drop).map_err(|error| ErrorReply::new(format!("ERR no thread to save in: {error}")))
    }

    /// Whether a save point has been reached: so many changes in at least so many seconds. Waits for whoever holds the store,
    /// if that many seconds have passed.
    #[cfg(feature = "server")]
    pub(crate) fn is_due(&self, space: &Keyspace) -> bool {
        let (state, now) = (*self.state.lock(), space.clock().now());
        if state.in_background || !(state.is_ok || now.saturating_sub(state.tried) > RETRY) {
            return false;
        }
        let since = now.saturating_sub(state.at);
        let mut points = points(space);
        points.retain(|(seconds, _)| since > seconds.saturating_mul(1_000));
        let Some(least) = points.into_iter().map(|(_, least)| least).min() else { return false };
        let Ok(stats) = Stats::of(space, None) else { return false };
        stats.writes.saturating_sub(state.changes) >= least.max(1)
    }

    /// Saves as a server that ends does.
    ///
    /// # Errors
    /// Those of [`save`](Self::save).
    #[cfg(feature = "server")]
    pub(crate) fn end(&self, store: &Store, how: Shutdown) -> crate::Result<bool> {
        match how {
            Shutdown::Default if !self.saves_at_end(store.space()) => Ok(false),
            Shutdown::NoSave => Ok(false),
            _ => self.save(store, false),
        }
    }
}

/// A save in a thread of its own, which is over when this goes: a panic of the caller's code ends it too.
struct Background {
    store: Store,
    began: u64,
}

impl Drop for Background {
    fn drop(&mut self) {
        let space = self.store.space();
        let mut state = space.shared().saving.state.lock();
        state.in_background = false;
        state.took = Some(space.clock().now().saturating_sub(self.began));
    }
}

#[cold]
fn says_to_stop(space: &Keyspace) -> bool {
    !points(space).is_empty() && *config::value(space, "stop-writes-on-bgsave-error") == *b"yes"
}

/// The save points: after so many seconds, if there were so many changes.
fn points(space: &Keyspace) -> Vec<(u64, u64)> {
    let text = config::value(space, "save");
    let numbers: Vec<u64> = text
        .split(|byte| *byte == b' ')
        .filter_map(|word| number::parse_i64(word)?.try_into().ok())
        .collect();
    numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect()
}

/// The store of a session that is in no transaction.
fn store(call: &Call<'_>) -> Store {
    Store::of(Arc::clone(call.db().space()))
}

fn save(call: &mut Call<'_>) -> Answer {
    let saving = &call.shared().saving;
    if saving.state.lock().in_background {
        return Err(BUSY);
    }
    match saving.save(&store(call), true) {
        Ok(true) => Ok(Reply::OK),
        Ok(false) => Err(NO_FILE),
        Err(error) => Err(ErrorReply::new(format!("ERR {error}"))),
    }
}

fn save_in_background(call: &mut Call<'_>) -> Answer {
    match call.args.take_rest() {
        [] => {}
        [word] if is(word, "SCHEDULE") => {}
        _ => return Err(ErrorReply::SYNTAX),
    }
    call.shared().saving.save_in_background(store(call))?;
    let said = match call.db().in_transaction() {
        true => "Background saving scheduled",
        false => "Background saving started",
    };
    Ok(Reply::Status(said.into()))
}

fn last_save(call: &mut Call<'_>) -> Answer {
    let wall = call.shared().saving.state.lock().wall;
    Ok(Reply::Integer(i64::try_from(wall / 1_000).unwrap_or(i64::MAX)))
}

/// Where there is no such file, it is as short as it can be already.
fn rewrite(call: &mut Call<'_>) -> Answer {
    #[cfg(feature = "journal")]
    if !call.space().begins_journal_anew() {
        return Err(ErrorReply::known("ERR Background append only file rewriting already in progress"));
    }
    let said = match call.db().in_transaction() {
        true => "Background append only file rewriting scheduled",
        false => "Background append only file rewriting started",
    };
    Ok(Reply::Status(said.into()))
}

/// What the words of a SHUTDOWN ask for.
#[derive(Default)]
struct Asked {
    how: Option<Shutdown>,
    forced: bool,
    aborts: bool,
}

/// # Errors
/// Redis's, for what makes no sense.
fn asked(words: &[Bytes]) -> Result<Asked, ErrorReply> {
    let (mut asked, mut now) = (Asked::default(), false);
    for word in words {
        match word {
            word if is(word, "NOSAVE") && asked.how != Some(Shutdown::Save) => {
                asked.how = Some(Shutdown::NoSave)
            }
            word if is(word, "SAVE") && asked.how != Some(Shutdown::NoSave) => {
                asked.how = Some(Shutdown::Save)
            }
            // There is no replica to wait for.
            word if is(word, "NOW") => now = true,
            word if is(word, "FORCE") => asked.forced = true,
            word if is(word, "ABORT") => asked.aborts = true,
            _ => return Err(ErrorReply::SYNTAX),
        }
    }
    if asked.aborts && (asked.how.is_some() || asked.forced || now) {
        return Err(ErrorReply::SYNTAX);
    }
    Ok(asked)
}

/// Whether a SHUTDOWN with these words may save, for which it has to wait until no script runs.
#[cfg(feature = "lua")]
pub(super) fn may_save(words: &[Bytes]) -> bool {
    asked(words).is_ok_and(|asked| !asked.aborts && asked.how != Some(Shutdown::NoSave))
}

fn shut_down(call: &mut Call<'_>) -> Answer {
    let Asked { how, forced, aborts } = asked(call.args.take_rest())?;
    if aborts {
        return Err(ErrorReply::known("ERR No shutdown in progress."));
    }
    if !call.session.is_served {
        return Err(NO_SERVER);
    }
    let mut how = how.unwrap_or_default();
    let saving = &call.shared().saving;
    if how == Shutdown::Save && !saving.has_file() && !forced {
        return Err(NO_FILE);
    }
    let saves = how == Shutdown::Save || (how == Shutdown::Default && saving.saves_at_end(call.space()));
    if saves && saving.save(&store(call), true).is_err() {
        if !forced {
            return Err(CANNOT_END);
        }
        // It is not tried again.
        how = Shutdown::NoSave;
    }
    call.session.is_over = true;
    call.session.shuts_down = Some(how);
    Ok(Reply::OK)
}

#[cfg(all(test, feature = "server", not(shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn a_panic_ends_a_save_in_the_background() {
        let folder = std::env::temp_dir().join(format!("larder-panic-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let store = Store::new();
        let saving = &store.space().shared().saving;
        let file = SaveFile::Rdb(folder.join("dump.rdb"));
        let panics: Listener = Arc::new(|_| panic!("on purpose"));
        saving.save_to(store.space(), file, Compat::default(), Some(panics)).unwrap();
        for _ in 0..2 {
            saving.save_in_background(store.clone()).unwrap();
            while saving.told(store.space().clock(), 0).in_background {
                thread::yield_now();
            }
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}
