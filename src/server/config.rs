//! A server's settings as `redis.conf` has them.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::ServerBuilder;
#[cfg(feature = "journal")]
use crate::SyncPolicy;
use crate::resp::{Style, split_words};
use crate::table::{check_user, eviction_of, is_passed_over, names, plain, read_at_start};
use crate::text::glob::Pattern;
use crate::{Bytes, Compat, ManualClock, SaveFile, Server, Store, StoreBuilder};

/// Files may include each other so deep.
const DEPTH: usize = 16;

/// What is no parameter, but stands in files for Redis.
const REFUSED: [(&str, &str); 4] = [
    ("loadmodule", "modules cannot be loaded"),
    ("loadmodule-ex", "modules cannot be loaded"),
    ("rename-command", "commands cannot be renamed"),
    ("sentinel", "this server is no sentinel"),
];

/// A server's settings as they stand in `redis.conf`, for a store and a server that are as Redis would be with
/// that file. What this server cannot do is refused by name.
///
/// Of the parameters that Redis has, these have an effect: `bind`, `port`, `tcp-backlog`, `tcp-keepalive`, `requirepass`, `maxclients`, `timeout`,
/// `databases`, `maxmemory`, `maxmemory-policy`, `proto-max-bulk-len`, `notify-keyspace-events`, `save`, `dir`,
/// `dbfilename`, `appendonly`, `appenddirname` and `appendfsync` (feature `journal`), `unixsocket`, `enable-debug-command`,
/// `enable-protected-configs` (whether clients may set `dir` and `dbfilename`), `aclfile`, and those that have one when
/// `CONFIG SET` sets them too: `requirepass`, `maxclients`, `timeout`, `maxmemory`, `maxmemory-policy`, `lfu-log-factor`,
/// `lfu-decay-time` (what `OBJECT FREQ` counts, not what is evicted), `save`, `stop-writes-on-bgsave-error`,
/// `notify-keyspace-events`, `client-output-buffer-limit`, `client-query-buffer-limit`, `tracking-table-max-keys`,
/// `busy-reply-threshold`, `hll-sparse-max-bytes`, `import-mode`, `slowlog-*`, `commandlog-*`, `latency-*`. The others are read, checked as Redis
/// checks them, told by `CONFIG GET`, and change nothing. `user` lines are users as `ACL SETUSER` makes them.
///
/// | `maxmemory-policy` | [`Eviction`](crate::Eviction) |
/// | --- | --- |
/// | `allkeys-lru`, `allkeys-lfu`, `allkeys-random`, `allkeys-lrm` | `AllKeys` |
/// | `volatile-lru`, `volatile-lfu`, `volatile-random`, `volatile-lrm` | `Expiring` |
/// | `volatile-ttl` | `SoonestDeadline` |
/// | `noeviction` | `Refuse` |
///
/// ```
/// use larder::{Compat, ServerConfig};
///
/// let mut config = ServerConfig::new(Compat::Redis72);
/// config.read("port 0\nmaxmemory 100mb\nmaxmemory-policy allkeys-lfu")?;
/// config.set("databases", "4")?;
/// let server = config.server()?.start(&config.store().build())?;
/// assert!(server.store().db(4).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ServerConfig {
    compat: Compat,
    values: BTreeMap<&'static str, Bytes>,
    /// The names of users, and the words of their rules.
    users: Vec<(Bytes, Vec<Bytes>)>,
    /// The save points so far come from what is read at present: more of them are added.
    adds_points: bool,
}

/// Why a configuration is not taken; its text is Redis's where Redis has one.
///
/// ```
/// use larder::{Compat, ServerConfig};
///
/// let error = ServerConfig::new(Compat::default()).read("port 0\ntimeout soon").unwrap_err();
/// assert_eq!((error.line(), error.directive()), (Some(2), "timeout soon"));
/// assert_eq!(error.to_string(), "argument couldn't be parsed into an integer");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    line: Option<usize>,
    directive: String,
    why: String,
}

impl ConfigError {
    /// The line of what was read, from 1; none if it was given by [`ServerConfig::set`]. In a file that is included it
    /// is that of the file. O(1)
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// What stands in that line. O(1)
    pub fn directive(&self) -> &str {
        &self.directive
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for ConfigError {}

impl ServerConfig {
    /// One that says nothing yet, of a server of that kind. O(1)
    ///
    /// ```
    /// use larder::{Compat, ServerConfig};
    ///
    /// let config = ServerConfig::new(Compat::Valkey9);
    /// assert_eq!(config.get("maxclients"), None);
    /// ```
    pub fn new(compat: Compat) -> Self {
        ServerConfig { compat, values: BTreeMap::new(), users: Vec::new(), adds_points: false }
    }

    /// The names of all parameters that the server knows. O(parameters)
    ///
    /// ```
    /// use larder::{Compat, ServerConfig};
    ///
    /// let config = ServerConfig::new(Compat::Redis70);
    /// assert!(config.names().any(|name| name == "maxmemory-policy"));
    /// ```
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        names(self.compat)
    }

    /// Sets a parameter, as on the right side of a line of the file, in place of what it was before. O(value)
    ///
    /// ```
    /// use larder::{Compat, ServerConfig};
    ///
    /// let mut config = ServerConfig::new(Compat::default());
    /// config.set("maxmemory", "1gb")?;
    /// assert_eq!(config.get("maxmemory").as_deref(), Some("1073741824"));
    /// let error = config.set("cluster-enabled", "yes").unwrap_err();
    /// assert_eq!(error.to_string(), "this server is no part of a cluster");
    /// # Ok::<(), larder::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`], with Redis's text where Redis has one.
    pub fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        self.adds_points = false;
        self.take(name.as_bytes(), &[Bytes::from(value)]).map_err(|why| ConfigError {
            line: None,
            directive: format!("{name} {value}"),
            why,
        })
    }

    /// What a parameter has been set to, as `CONFIG GET` will tell it. O(value)
    ///
    /// ```
    /// # use larder::{Compat, ServerConfig};
    /// let mut config = ServerConfig::new(Compat::default());
    /// config.read("save 900 1\nsave 300 10")?;
    /// assert_eq!(config.get("save").as_deref(), Some("900 1 300 10"));
    /// # Ok::<(), larder::ConfigError>(())
    /// ```
    pub fn get(&self, name: &str) -> Option<String> {
        self.values.get(name).map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// Reads lines as those of `redis.conf`: a name and words behind it, quoted or not; a line that begins
    /// with `#` says nothing;
    /// `include` names further files, by wildcards too: those that there are, in the order of their names. What is read later
    /// holds, but that save points are gathered. O(text)
    ///
    /// ```
    /// use larder::{Compat, ServerConfig};
    ///
    /// let mut config = ServerConfig::new(Compat::default());
    /// config.read("requirepass \"two words\"\nclient-output-buffer-limit pubsub 8mb 1mb 60")?;
    /// assert_eq!(config.get("requirepass").as_deref(), Some("two words"));
    /// let limits = "normal 0 0 0 slave 268435456 67108864 60 pubsub 8388608 1048576 60";
    /// assert_eq!(config.get("client-output-buffer-limit").as_deref(), Some(limits));
    /// # Ok::<(), larder::ConfigError>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] for the first line that is not taken; those before it have been.
    pub fn read(&mut self, text: impl AsRef<[u8]>) -> Result<(), ConfigError> {
        self.adds_points = false;
        self.read_lines(text.as_ref(), 0)
    }

    fn read_lines(&mut self, text: &[u8], depth: usize) -> Result<(), ConfigError> {
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() || line.starts_with(b"#") {
                continue;
            }
            let failed = |why: String| ConfigError {
                line: Some(at + 1),
                directive: String::from_utf8_lossy(line).into_owned(),
                why,
            };
            let words = split_words(line, Style::Redis);
            let words = words.ok_or_else(|| failed("Unbalanced quotes in configuration line".into()))?;
            match words.split_first() {
                None => {}
                Some((name, [path])) if name.eq_ignore_ascii_case(b"include") => {
                    self.include(&String::from_utf8_lossy(path), depth).map_err(|error| match error {
                        Included::Broken(error) => error,
                        Included::Not(why) => failed(why),
                    })?;
                }
                Some((name, words)) => self.take(name, words).map_err(failed)?,
            }
        }
        Ok(())
    }

    fn include(&mut self, path: &str, depth: usize) -> Result<(), Included> {
        if depth == DEPTH {
            return Err(Included::Not("too many files that include each other".into()));
        }
        // Redis has gone there by then.
        let folder = PathBuf::from(self.get("dir").unwrap_or_default());
        for path in files_named(folder, path) {
            let text = std::fs::read(&path).map_err(|error| {
                Included::Not(format!("can't open config file '{}': {}", path.display(), plain(&error)))
            })?;
            self.read_lines(&text, depth + 1).map_err(Included::Broken)?;
        }
        Ok(())
    }

    fn take(&mut self, name: &[u8], words: &[Bytes]) -> Result<(), String> {
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| is(refused)) {
            return Err((*why).into());
        }
        if is("user") {
            return self.take_user(words);
        }
        if is_passed_over(name, words, self.compat) {
            return Ok(());
        }
        let before = |name: &str| self.values.get(name).cloned();
        let (name, mut value) = read_at_start(name, words, before, self.compat)?;
        if name == "save" && !value.is_empty() {
            if let Some(points) =
                self.values.get(name).filter(|points| self.adds_points && !points.is_empty())
            {
                value = Bytes::from([points, &value[..]].join(&b' '));
            }
        }
        match name {
            "appenddirname" if value.contains(&b'/') => {
                return Err("appenddirname can't be a path, just a dirname".into());
            }
            "appenddirname" if value.is_empty() => return Err("appenddirname can't be empty".into()),
            _ => {}
        }
        self.adds_points |= name == "save";
        self.values.insert(name, value);
        Ok(())
    }

    fn take_user(&mut self, words: &[Bytes]) -> Result<(), String> {
        let (name, rules) = words.split_first().ok_or("wrong number of arguments")?;
        check_user(name, rules, self.compat)?;
        if self.users.iter().any(|(known, _)| known == name) {
            let why = "Duplicate user found. A user can only be defined once in config files";
            return Err(format!("Error in user declaration '{}': {why}", String::from_utf8_lossy(name)));
        }
        self.users.push((name.clone(), rules.to_vec()));
        Ok(())
    }

    /// A store as the configuration has it: its databases, its limit and what goes when that is reached, its
    /// longest value, and when it is synced if it is kept in a folder. Where `enable-debug-command` allows `DEBUG`, it has a
    /// clock that goes as the system's does until `DEBUG CLOCK` moves it. O(1)
    ///
    /// ```
    /// use larder::{Compat, Error, ServerConfig};
    ///
    /// let mut config = ServerConfig::new(Compat::default());
    /// config.read("proto-max-bulk-len 2mb\nmaxmemory 1mb")?;
    /// let store = config.store().build();
    /// let large = "x".repeat(1_500_000);
    /// assert!(matches!(store.insert("page", large), Err(Error::OutOfMemory)));
    /// # Ok::<(), larder::ConfigError>(())
    /// ```
    pub fn store(&self) -> StoreBuilder {
        let number = |name| self.get(name)?.parse::<u64>().ok();
        let size = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let mut builder = Store::builder().with_files_of_others();
        if self.get("enable-debug-command").is_some_and(|allowed| allowed != "no") {
            builder = builder.clock(ManualClock::running());
        }
        if let Some(databases) = number("databases") {
            builder = builder.databases(u16::try_from(databases).unwrap_or(u16::MAX));
        }
        if let Some(bytes) = number("proto-max-bulk-len") {
            builder = builder.value_limit(size(bytes));
        }
        if let Some(bytes) = number("maxmemory").filter(|bytes| *bytes > 0) {
            let policy = self.get("maxmemory-policy").unwrap_or_default();
            builder = builder.max_bytes(size(bytes)).eviction(eviction_of(&policy));
        }
        #[cfg(feature = "journal")]
        if let Some(when) = self.get("appendfsync") {
            builder = builder.sync_policy(match &*when {
                "always" => SyncPolicy::Always,
                "no" => SyncPolicy::Never,
                _ => SyncPolicy::default(),
            });
        }
        builder
    }

    /// The folder that the store is to be kept in, for [`open`](StoreBuilder::open): `appenddirname` in `dir`, by default
    /// `appendonlydir` in the working directory; `None` unless `appendonly` is `yes`. O(1)
    ///
    /// ```
    /// use larder::{Compat, ServerConfig};
    ///
    /// # let folder = std::env::temp_dir().join(format!("larder-doc-config-{}", std::process::id()));
    /// # std::fs::create_dir_all(&folder).unwrap();
    /// let mut config = ServerConfig::new(Compat::default());
    /// config.set("dir", &folder.to_string_lossy())?;
    /// config.read("appendonly yes\nappendfsync always")?;
    /// let kept_in = config.folder().expect("it is to be kept");
    /// assert!(kept_in.ends_with("appendonlydir"));
    /// let store = config.store().open(&kept_in)?;
    /// let server = config.server()?.start(&store)?;
    /// # drop((server, store));
    /// # std::fs::remove_dir_all(&folder).unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[cfg(feature = "journal")]
    pub fn folder(&self) -> Option<PathBuf> {
        if self.get("appendonly").as_deref() != Some("yes") {
            return None;
        }
        let name = self.get("appenddirname").unwrap_or_else(|| "appendonlydir".into());
        Some(self.get("dir").map(PathBuf::from).unwrap_or_default().join(name))
    }

    /// The file that `dir` and `dbfilename` name, which by default are the working directory and `dump.rdb`. O(1)
    ///
    /// ```
    /// use larder::{Compat, SaveFile, ServerConfig};
    ///
    /// let mut config = ServerConfig::new(Compat::default());
    /// config.set("dbfilename", "test.rdb")?;
    /// assert_eq!(config.file(), SaveFile::Rdb("test.rdb".into()));
    /// # Ok::<(), larder::ConfigError>(())
    /// ```
    pub fn file(&self) -> SaveFile {
        let name = self.get("dbfilename").unwrap_or_else(|| "dump.rdb".into());
        SaveFile::Rdb(self.get("dir").map(PathBuf::from).unwrap_or_default().join(Path::new(&name)))
    }

    /// A server as the configuration has it, for a store that was built by [`store`](Self::store). Where it says
    /// nothing of an address, that is 127.0.0.1, and a free port stands for none and for 0. O(values)
    ///
    /// It saves to no file unless [`ServerBuilder::save_to`] says so.
    ///
    /// ```
    /// use larder::{Compat, ServerConfig, Store};
    ///
    /// let mut config = ServerConfig::new(Compat::default());
    /// config.read("requirepass secret\nhash-max-listpack-entries 64")?;
    /// let server = config.server()?.start(&config.store().build())?;
    /// assert!(server.url().starts_with("redis://:secret@127.0.0.1:"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] if `bind` names what is no address, and if there are users beside an `aclfile`.
    pub fn server(&self) -> Result<ServerBuilder, ConfigError> {
        let mut builder = Server::builder().compat(self.compat).users(self.users.iter().cloned());
        if let (Some(path), false) =
            (self.get("aclfile").filter(|path| !path.is_empty()), self.users.is_empty())
        {
            let why = "users stand either in the configuration or in the ACL file, not in both".into();
            return Err(ConfigError { line: None, directive: format!("aclfile {path}"), why });
        }
        let number = |name| self.get(name)?.parse::<u64>().ok();
        let port = number("port").and_then(|port| u16::try_from(port).ok()).unwrap_or(0);
        builder =
            builder.listen(&self.get("bind").unwrap_or_else(|| "127.0.0.1".into()), port).map_err(|why| {
                ConfigError {
                    line: None,
                    directive: format!("bind {}", self.get("bind").unwrap_or_default()),
                    why,
                }
            })?;
        if let Some(password) = self.values.get("requirepass").filter(|password| !password.is_empty()) {
            builder = builder.password_of(password.clone());
        }
        if let Some(clients) = number("maxclients") {
            builder = builder.max_clients(usize::try_from(clients).unwrap_or(usize::MAX));
        }
        if let Some(backlog) = number("tcp-backlog") {
            builder = builder.backlog(u32::try_from(backlog).unwrap_or(u32::MAX));
        }
        if let Some(seconds) = number("timeout").filter(|seconds| *seconds > 0) {
            builder = builder.idle_timeout(Duration::from_secs(seconds));
        }
        #[cfg(unix)]
        if let Some(path) = self.get("unixsocket").filter(|path| !path.is_empty()) {
            let mode = self.get("unixsocketperm").and_then(|mode| u32::from_str_radix(&mode, 8).ok());
            let path = PathBuf::from(self.get("dir").unwrap_or_default()).join(path);
            builder = match mode.filter(|mode| *mode > 0) {
                Some(mode) => builder.unix_socket_with(path, mode),
                None => builder.unix_socket(path),
            };
        }
        Ok(builder.parameters(self.values.clone()))
    }
}

/// Why a file is not included.
enum Included {
    Not(String),
    Broken(ConfigError),
}

/// The file of that path, or those that its wildcards fit, in the order of their names; from a folder on. O(files in its folders)
fn files_named(folder: PathBuf, path: &str) -> Vec<PathBuf> {
    let has_wildcards = |text: &str| text.contains(['*', '?', '[']);
    if !has_wildcards(path) {
        return vec![folder.join(path)];
    }
    let mut found = vec![folder];
    for part in Path::new(path) {
        match part.to_str().filter(|part| has_wildcards(part)) {
            Some(pattern) => found = found.iter().flat_map(|folder| entries(folder, pattern)).collect(),
            None => found.iter_mut().for_each(|path| path.push(part)),
        }
    }
    found.retain(|path| path.exists());
    found.sort();
    found
}

/// What is in the folder, by names that fit; those that begin with a dot only if the pattern does.
fn entries(folder: &Path, pattern: &str) -> Vec<PathBuf> {
    let place = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let glob = Pattern::new(pattern.as_bytes());
    let fits = |name: &[u8]| glob.matches(name) && (!name.starts_with(b".") || pattern.starts_with('.'));
    let Ok(entries) = std::fs::read_dir(place) else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    names.filter(|name| fits(name.as_encoded_bytes())).map(|name| folder.join(name)).collect()
}
