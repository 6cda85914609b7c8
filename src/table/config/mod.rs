//! CONFIG: the settings of a server, as clients read and write them.
//!
//! What a store is built with (its databases, a limit that is none of bytes) is told as it is, and is not changed here. Which of
//! the others have an effect, [`ServerConfig`](crate::ServerConfig) lists; the rest are kept for whoever asks.

mod output;
mod parameters;
#[cfg(feature = "server")]
mod rewrite;
#[cfg(feature = "server")]
mod start;
mod text;
mod value;

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
#[cfg(feature = "server")]
use std::time::Duration;

use super::args::is;
use super::call::{Answer, Call};
use super::command::help;
use super::row::flag::{ADMIN, LOADING, NOSCRIPT, STALE};
use super::row::{Compat, Keys, Row, container, row};
use super::session::Session;
#[cfg(feature = "journal")]
use crate::journal::{Journal, SyncPolicy};
use crate::keyspace::uses::Counting;
use crate::keyspace::{Keyspace, Told};
use crate::pubsub::Bounds;
use crate::reply::{ErrorReply, Reply};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, RwLock};
use crate::text::glob::Pattern;
use crate::text::number;
use crate::{Bytes, Eviction};
#[cfg(feature = "server")]
use rewrite::rewrite;

#[cfg(feature = "server")]
pub(crate) use output::{OutputLimit, output_limit};
use parameters::{PARAMETERS, Parameter};
#[cfg(feature = "server")]
pub(crate) use start::{is_passed_over, names, read_at_start, start};
#[cfg(feature = "server")]
pub(crate) use value::plain;
pub(super) use value::{Kind, memory};

const SETTING: u32 = ADMIN | NOSCRIPT | LOADING | STALE;

pub(super) const ROWS: &[Row] = &[
    container("config").since(2, 0),
    row("config|get", -3, SETTING, Keys::NONE, get).since(2, 0),
    row("config|help", 2, LOADING | STALE, Keys::NONE, help).since(5, 0),
    row("config|resetstat", 2, SETTING, Keys::NONE, reset_stat).since(2, 0),
    row("config|rewrite", 2, SETTING, Keys::NONE, rewrite).since(2, 8),
    row("config|set", -4, SETTING, Keys::NONE, set).since(2, 0),
];

/// CONFIG REWRITE, where there is no server that could have been started with a file.
#[cfg(not(feature = "server"))]
fn rewrite(_: &mut Call<'_>) -> Answer {
    Err(ErrorReply::known("ERR The server is running without a config file"))
}

/// The values of a store's parameters that are not as by default.
#[derive(Default)]
pub(crate) struct Settings {
    changed: RwLock<HashMap<&'static str, Bytes>>,
    /// What clients have set.
    by_clients: RwLock<BTreeSet<&'static str>>,
    /// The same of `maxclients` and `timeout`, plus one; 0 if they have not.
    max_clients: AtomicU64,
    timeout: AtomicU64,
    /// The hard ones of `client-output-buffer-limit`.
    hard: output::Hard,
    /// The file that the server was started with.
    file: RwLock<Option<PathBuf>>,
}

impl Settings {
    /// The same values for another store.
    pub(crate) fn fork(&self) -> Self {
        let live = |number: &AtomicU64| AtomicU64::new(number.load(Ordering::Relaxed));
        let fork = Settings {
            changed: RwLock::new(self.changed.read().clone()),
            max_clients: live(&self.max_clients),
            timeout: live(&self.timeout),
            ..Settings::default()
        };
        fork.changed(output::NAME).into_iter().for_each(|limits| fork.hard.set(&limits));
        fork
    }

    /// What parameters were given.
    pub(super) fn all_changed(&self) -> Vec<(&'static str, Bytes)> {
        self.changed.read().iter().map(|(name, value)| (*name, value.clone())).collect()
    }

    /// The value that a parameter was given, if any.
    pub(super) fn changed(&self, name: &str) -> Option<Bytes> {
        self.changed.read().get(name).cloned()
    }

    /// What it has been set to.
    pub(super) fn set_to(&self, name: &str) -> Option<String> {
        self.changed.read().get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Keeps the value of a parameter.
    pub(crate) fn keep(&self, name: &'static str, value: Bytes) {
        if name == output::NAME {
            self.hard.set(&value);
        }
        self.changed.write().insert(name, value);
    }

    /// How many bytes of messages may wait for a session.
    pub(super) fn bounds(&self) -> Arc<Bounds> {
        Arc::clone(&self.hard.0)
    }

    /// The same as one of whom clients have said so.
    fn keep_of_client(&self, name: &'static str) {
        self.by_clients.write().insert(name);
        let live = match name {
            "maxclients" => &self.max_clients,
            "timeout" => &self.timeout,
            _ => return,
        };
        let number = self.changed(name).and_then(|value| number::parse_u64(&value));
        live.store(number.map_or(0, |number| number.saturating_add(1)), Ordering::Relaxed);
    }

    /// The names of the parameters that clients have set.
    #[cfg(feature = "server")]
    fn set_by_clients(&self) -> BTreeSet<&'static str> {
        self.by_clients.read().clone()
    }

    /// How many clients there may be, if a client has said so.
    #[cfg(feature = "server")]
    pub(crate) fn max_clients(&self) -> Option<u64> {
        self.max_clients.load(Ordering::Relaxed).checked_sub(1)
    }

    /// After how many seconds an idle client is disconnected, if a client has said so; never at 0.
    #[cfg(feature = "server")]
    pub(crate) fn timeout(&self) -> Option<u64> {
        self.timeout.load(Ordering::Relaxed).checked_sub(1)
    }

    /// The file that the server was started with, if it was.
    pub(super) fn file(&self) -> Option<PathBuf> {
        self.file.read().clone()
    }

    #[cfg(feature = "server")]
    pub(crate) fn set_file(&self, path: PathBuf) {
        *self.file.write() = Some(path);
    }
}

impl Parameter {
    fn names(&self, compat: Compat) -> impl Iterator<Item = &'static str> {
        [self.name].into_iter().chain(self.other).chain(self.newer.filter(|_| compat != Compat::Redis70))
    }

    fn default_in(&self, compat: Compat) -> &'static str {
        if compat == Compat::Valkey9 { self.default_in_valkey } else { self.default }
    }
}

/// What a parameter is at present, or by default in Redis.
pub(crate) fn value(space: &Keyspace, name: &str) -> Bytes {
    own_value(space, name).unwrap_or_else(|| Bytes::from(default_of(name)))
}

/// The number that a parameter has been set to, if it has.
pub(super) fn number_set(space: &Keyspace, name: &str) -> Option<i64> {
    number::parse_i64(&space.shared().settings.changed(name)?)
}

/// What it is by default in Redis.
fn default_of(name: &str) -> &'static str {
    let known = PARAMETERS.iter().find(|parameter| parameter.name == name);
    known.map_or("", |parameter| parameter.default)
}

/// The same in that server.
fn value_in(space: &Keyspace, parameter: &Parameter, compat: Compat) -> Bytes {
    own_value(space, parameter.name).unwrap_or_else(|| Bytes::from(parameter.default_in(compat)))
}

/// What it is as the store was made, or since it has been set.
fn own_value(space: &Keyspace, name: &str) -> Option<Bytes> {
    #[cfg(feature = "journal")]
    if let Some(value) = space.journal().and_then(|journal| of_journal(journal, name)) {
        return Some(value);
    }
    let limits = space.limits();
    let own = match name {
        "databases" => Some(limits.databases.to_string()),
        "dir" => space.shared().settings.set_to("dir").or_else(current_dir),
        "maxmemory" => Some(max_memory(space).to_string()),
        "maxmemory-policy" => space.eviction().map(|eviction| told_policy(space, eviction)),
        "notify-keyspace-events" => Some(space.told().text()),
        "proto-max-bulk-len" => Some(limits.value.to_string()),
        _ => None,
    };
    own.map(Bytes::from).or_else(|| space.shared().settings.changed(name))
}

/// What the store's journal is like.
#[cfg(feature = "journal")]
fn of_journal(journal: &Journal, name: &str) -> Option<Bytes> {
    match name {
        "appendonly" => Some(Bytes::from("yes")),
        "appenddirname" => Some(Bytes::from(&*journal.folder().file_name()?.to_string_lossy())),
        "appendfsync" => Some(Bytes::from(match journal.policy() {
            SyncPolicy::Always => "always",
            SyncPolicy::Every(_) => "everysec",
            SyncPolicy::Never => "no",
        })),
        _ => None,
    }
}

/// What a client may have the server keep of its requests, in bytes.
#[cfg(feature = "server")]
pub(crate) fn query_limit(space: &Keyspace) -> usize {
    let text = value(space, "client-query-buffer-limit");
    crate::text::number::parse_i64(&text).and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(usize::MAX)
}

/// What `tcp-keepalive` says.
#[cfg(feature = "server")]
pub(crate) fn keep_alive(space: &Keyspace) -> Duration {
    let seconds = number::parse_u64(&value(space, "tcp-keepalive"));
    Duration::from_secs(seconds.unwrap_or(0))
}

/// The limit in bytes; 0 if there is none, or one of another kind.
pub(super) fn max_memory(space: &Keyspace) -> usize {
    space.max_bytes().unwrap_or(0)
}

fn current_dir() -> Option<String> {
    std::env::current_dir().ok().map(|dir| dir.to_string_lossy().into_owned())
}

/// The policy that the store was started with, if that is what it does, or what comes closest.
fn told_policy(space: &Keyspace, eviction: Eviction) -> String {
    let set = space.shared().settings.set_to("maxmemory-policy");
    set.filter(|set| eviction_of(set) == eviction).unwrap_or_else(|| policy(eviction).into())
}

/// What comes closest to a policy of Redis's: which of the keys that may go goes is not theirs to say here, but
/// for the one with the soonest deadline.
pub(crate) fn eviction_of(policy: &str) -> Eviction {
    match policy {
        "volatile-ttl" => Eviction::SoonestDeadline,
        policy if policy.starts_with("volatile-") => Eviction::Expiring,
        policy if policy.starts_with("allkeys-") => Eviction::AllKeys,
        _ => Eviction::Refuse,
    }
}

/// What comes closest to it of Redis's policies.
fn policy(eviction: Eviction) -> &'static str {
    match eviction {
        Eviction::AllKeys => "allkeys-lru",
        Eviction::Expiring => "volatile-lru",
        Eviction::SoonestDeadline => "volatile-ttl",
        Eviction::Refuse => "noeviction",
    }
}

fn get(call: &mut Call<'_>) -> Answer {
    let patterns: Vec<Vec<u8>> = call.args.take_rest().iter().map(|glob| glob.to_ascii_lowercase()).collect();
    let is_asked = |name: &str| patterns.iter().any(|glob| Pattern::new(glob).matches(name.as_bytes()));
    let compat = call.compat();
    let known = PARAMETERS.iter().filter(|parameter| (parameter.is_in)(compat));
    let found = known.flat_map(|parameter| {
        let value = || Reply::Bulk(value_in(call.space(), parameter, compat));
        let asked = parameter.names(compat).filter(|name| is_asked(name));
        asked.map(|name| (Reply::text(name), value())).collect::<Vec<_>>()
    });
    Ok(Reply::Map(found.collect()))
}

fn failed(name: &str, why: &str) -> ErrorReply {
    ErrorReply::new(format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}"))
}

/// CONFIG SET of one parameter or several: all of them, or none.
fn set(call: &mut Call<'_>) -> Answer {
    let words = call.args.take_rest();
    if words.len() % 2 == 1 {
        return Err(ErrorReply::SYNTAX);
    }
    let mut chosen: Vec<(&'static str, &Parameter, &Bytes)> = Vec::new();
    // The first thing that is wrong with the parameters; but one that is unknown is told before values are read.
    for pair in words.chunks_exact(2) {
        let (name, parameter) = find(&pair[0], call.compat())?;
        let typed = String::from_utf8_lossy(&pair[0]);
        match parameter.kind {
            Kind::Fixed => return Err(failed(&typed, "can't set immutable config")),
            Kind::Folder | Kind::FileName if !permits(call.session, "enable-protected-configs") => {
                return Err(failed(&typed, "can't set protected config"));
            }
            _ => {}
        }
        if chosen.iter().any(|(other, ..)| *other == name) {
            return Err(failed(&typed, "duplicate parameter"));
        }
        chosen.push((name, parameter, &pair[1]));
    }
    let mut values = Vec::with_capacity(chosen.len());
    for (name, parameter, text) in chosen {
        let text = match parameter.kind {
            Kind::Folder if !text.is_empty() => from_folder(call.space(), text),
            _ => text.clone(),
        };
        let read = parameter.kind.read(&text, call.compat()).map_err(|why| failed(name, &why))?;
        if is_built_in(call.space(), parameter.name) && read != value(call.space(), parameter.name) {
            return Err(failed(name, "can't set immutable config"));
        }
        values.push((parameter.name, read));
    }
    if values.iter().any(|(name, _)| *name == "rdma-bind") {
        return Err(failed("rdma-bind", "No RDMA building support."));
    }
    // A limit is set by the policy that comes with it.
    values.sort_by_key(|(name, _)| *name == "maxmemory");
    let looks_again = values.iter().any(|(name, _)| ["timeout", output::NAME].contains(name));
    for (name, value) in values {
        apply(call, name, value)?;
        call.shared().settings.keep_of_client(name);
    }
    if looks_again {
        call.session.have_all_look();
    }
    Ok(Reply::OK)
}

fn find(name: &[u8], compat: Compat) -> Result<(&'static str, &'static Parameter), ErrorReply> {
    let known = PARAMETERS.iter().filter(|parameter| (parameter.is_in)(compat));
    let mut names = known.flat_map(|parameter| parameter.names(compat).map(move |name| (name, parameter)));
    names.find(|(known, _)| is(name, known)).ok_or_else(|| {
        let name = String::from_utf8_lossy(name);
        ErrorReply::new(format!("ERR Unknown option or number of arguments for CONFIG SET - '{name}'"))
    })
}

/// Whether the store was built with it, or its server started, and cannot change it any more.
fn is_built_in(space: &Keyspace, name: &str) -> bool {
    match name {
        "maxmemory" => !space.may_limit_bytes(),
        "bind" | "port" | "tls-port" => true,
        #[cfg(feature = "journal")]
        "appendonly" | "appendfsync" => space.journal().is_some(),
        _ => false,
    }
}

fn apply(call: &Call<'_>, name: &'static str, value: Bytes) -> Result<(), ErrorReply> {
    let space = call.space();
    match name {
        "notify-keyspace-events" => {
            let told = Told::parse(&value).unwrap_or_else(|| space.told());
            space.tell_of(told.in_words_of(call.compat() == Compat::Valkey9));
        }
        "proto-max-bulk-len" => limit_values(space, &value),
        "requirepass" => space.shared().require_password(value),
        "maxmemory" => {
            let most = number::parse_i64(&value).and_then(|most| usize::try_from(most).ok());
            let policy = self::value(space, "maxmemory-policy");
            let eviction = space.eviction().unwrap_or_else(|| eviction_of(&String::from_utf8_lossy(&policy)));
            space.limit_bytes(call.held(), most.filter(|most| *most > 0).unwrap_or(usize::MAX), eviction)?;
        }
        "maxmemory-policy" => {
            if space.is_bounded() {
                let eviction = eviction_of(&String::from_utf8_lossy(&value));
                space.limit_bytes(call.held(), space.max_bytes().unwrap_or(usize::MAX), eviction)?;
            }
            space.shared().keep(name, value);
        }
        output::NAME => {
            let merged = output::merge(&self::value(space, name), &value);
            space.shared().settings.keep(name, merged);
        }
        "dir" | "dbfilename" => {
            space.shared().keep(name, value);
            space.shared().saving.follow(&space.shared().settings);
        }
        _ => {
            if name == "tracking-table-max-keys" {
                let most = number::parse_i64(&value).and_then(|most| usize::try_from(most).ok());
                space.tracking().set_most(most.unwrap_or(usize::MAX));
            }
            space.shared().keep(name, value);
        }
    }
    count_uses(space);
    Ok(())
}

fn limit_values(space: &Keyspace, longest: &[u8]) {
    if let Some(longest) = number::parse_i64(longest) {
        space.limit_values(usize::try_from(longest).unwrap_or(usize::MAX));
    }
}

/// Has uses counted as the parameters say: by their number, where the policy goes by that.
pub(super) fn count_uses(space: &Keyspace) {
    let number = |name| number::parse_i64(&value(space, name)).and_then(|number| u32::try_from(number).ok());
    let counting = || Some(Counting { factor: number("lfu-log-factor")?, decay: number("lfu-decay-time")? });
    let goes_by_number = value(space, "maxmemory-policy").ends_with(b"lfu");
    space.count_uses(goes_by_number.then(counting).flatten());
}

/// Whether the server was started with this permission for the client: `yes`, or `local` for those of this machine.
pub(super) fn permits(session: &Session, name: &str) -> bool {
    let allowed = value(session.db().space(), name);
    let peer = || session.client.facts().peer;
    let is_local = || ["?", "127.", "[::1]", "/"].iter().any(|start| peer().starts_with(start));
    allowed == *b"yes" || (allowed == *b"local" && is_local())
}

/// A path from the server's folder on: the process stays in its own.
fn from_folder(space: &Keyspace, path: &[u8]) -> Bytes {
    let folder = value(space, "dir");
    let folder = PathBuf::from(String::from_utf8_lossy(&folder).into_owned());
    Bytes::from(folder.join(String::from_utf8_lossy(path).into_owned()).to_string_lossy().into_owned())
}

fn reset_stat(call: &mut Call<'_>) -> Answer {
    super::info::reset(call)?;
    Ok(Reply::OK)
}
