//! What the program is asked for: the environment, then the file, then the flags.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use larder::{Compat, ConfigError, SaveFile, ServerConfig};

pub const HELP: &str = "
larder-server: a server that clients cannot tell from Redis, in one program.

usage: larder-server [FILE] [--NAME VALUE ...] [-]
       larder-server run [--NAME VALUE ...] -- COMMAND [ARGUMENT ...]
       larder-server -v | --version
       larder-server -h | --help

FILE is a redis.conf, and - reads more of it from the standard input. --NAME is any of its parameters:
  --port 6379             the port; 0 takes a free one, which the first line of output names
  --bind 127.0.0.1        the addresses to listen on; where there is no password, keep it to this machine
  --requirepass SECRET    what clients have to say in AUTH
  --maxmemory 100mb       a limit on the keys and values; --maxmemory-policy says what goes then
  --databases 16          how many databases there are
  --dir . --dbfilename dump.rdb
                          Redis's own file, loaded at the start and written by SAVE and at save points
  --save '3600 1 300 100 60 10000'
                          save points: after so many seconds, if so many keys were changed; '' for none
  --appendonly no         yes: each change is written to the folder appenddirname in dir, and loaded from there alone;
                          --appendfsync everysec, always or no says when it is synced (feature journal)
  --logfile PATH, --loglevel notice, --pidfile PATH, --timeout 0, --maxclients 10000,
  --enable-debug-command no
Parameters that have no use here are checked and told by CONFIG GET. What cannot be done is refused by name.

Beside those:
  --compat 8.10           who to be like: 7.0, 7.2, 8.2, 8.10 or valkey-9
  --snapshot PATH         a file in larder's own format in place of dump.rdb; it is written at the end in any case
  --metrics ADDRESS:PORT  serves /metrics for Prometheus, and /health

Each can be said in the environment too: LARDER_PORT=0, LARDER_MAXMEMORY_POLICY=allkeys-lru. The file goes before the
environment, and the flags before both.

run starts a server of its own on a free port, in memory unless it is told of a file, and then the command, which
finds it by REDIS_URL, REDIS_HOST and REDIS_PORT. The exit code is that of the command.

SIGTERM and SIGINT end the server as SHUTDOWN does: clients get the reply to what is under way, the data is saved if
there are save points, and the exit code is 0.
";

/// Redis's own, if nothing is said.
const SAVE_POINTS: &str = "3600 1 300 100 60 10000";

/// What stands beside Redis's parameters.
const OWN: [&str; 3] = ["compat", "metrics", "snapshot"];

pub enum Asked {
    Help,
    Version(Compat),
    Serve(Settings),
    /// For as long as a command runs.
    Run(Settings, Vec<OsString>),
}

/// How to serve.
pub struct Settings {
    pub compat: Compat,
    pub config: ServerConfig,
    /// Where the store is loaded from and saved to.
    pub file: Option<SaveFile>,
    /// The file that it was started with, from the root on.
    pub config_file: Option<PathBuf>,
    pub metrics: Option<String>,
}

impl Settings {
    /// What is said of a parameter, unless that is nothing.
    pub fn get(&self, name: &str) -> Option<String> {
        self.config.get(name).filter(|value| !value.is_empty())
    }

    /// A path, from the folder `dir` on.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        let path = self.get(name)?;
        Some(PathBuf::from(self.get("dir").unwrap_or_default()).join(path))
    }
}

/// Why it does not start.
pub enum Fault {
    /// Something in the configuration.
    Config {
        compat: Compat,
        source: &'static str,
        error: ConfigError,
    },
    Other(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Other(why) => f.write_str(why),
            Fault::Config { compat, source, error } => {
                let name = if *compat == Compat::Valkey9 { "Version" } else { "Redis" };
                write!(f, "\n*** FATAL CONFIG FILE ERROR ({name} {}) ***\n", compat.version())?;
                if let Some(line) = error.line() {
                    writeln!(f, "Reading the {source}, at line {line}")?;
                }
                write!(f, ">>> '{}'\n{error}", error.directive())
            }
        }
    }
}

/// A parameter and its words, as lines of a configuration.
#[derive(Default)]
struct Text {
    lines: Vec<u8>,
    /// Those of the program's own that are in it.
    own: Vec<(&'static str, String)>,
}

/// What a command line that was written for an image of Redis may begin with, behind the program that the image runs.
const PROGRAMS: [&str; 3] = ["redis-server", "valkey-server", "larder-server"];

pub fn read() -> Result<Asked, Fault> {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words = match words.split_first() {
        Some((first, rest)) if names_program(first) => rest,
        _ => &words[..],
    };
    let first = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    match &*first {
        "-h" | "--help" => Ok(Asked::Help),
        "-v" | "--version" => {
            let flags = flags(&words[1..])?;
            Ok(Asked::Version(compat(&[&environment(Compat::default()), &flags])?))
        }
        "run" => {
            let rest = &words[1..];
            let end = rest.iter().position(|word| word == "--");
            let command = end.map(|end| rest[end + 1..].to_vec()).filter(|command| !command.is_empty());
            let (Some(end), Some(command)) = (end, command) else {
                return Err(Fault::Other(
                    "usage: larder-server run [--NAME VALUE ...] -- COMMAND [ARGUMENT ...]".into(),
                ));
            };
            Ok(Asked::Run(settings(&rest[..end], true)?, command))
        }
        _ => Ok(Asked::Serve(settings(words, false)?)),
    }
}

/// Whether a word is the program's name, and not a file for it to read.
fn names_program(word: &OsString) -> bool {
    let path = Path::new(word);
    let is_name = path.file_name().and_then(OsStr::to_str).is_some_and(|name| PROGRAMS.contains(&name));
    let is_itself = || matches!((path.canonicalize(), this_program()), (Ok(path), Some(own)) if path == own);
    is_name && (!path.exists() || is_itself())
}

fn this_program() -> Option<PathBuf> {
    std::env::current_exe().ok()?.canonicalize().ok()
}

fn settings(words: &[OsString], in_memory: bool) -> Result<Settings, Fault> {
    let (path, words) = match words.split_first() {
        Some((first, rest)) if !first.to_string_lossy().starts_with('-') => (Some(first), rest),
        _ => (None, words),
    };
    // Elsewhere it is a value, as in Redis.
    let (reads_input, words) = match words {
        [first, rest @ ..] if first == "-" => (true, rest),
        [rest @ .., last] if last == "-" => (true, rest),
        words => (false, words),
    };
    let mut text = Text::default();
    if let Some(path) = path {
        let read = std::fs::read(path);
        text.add(&read.map_err(|error| {
            let why = error.to_string();
            let why = why.split(" (os error").next().unwrap_or_default();
            Fault::Other(format!("Fatal error, can't open config file '{}': {why}", path.to_string_lossy()))
        })?);
    }
    if reads_input {
        let mut more = Vec::new();
        let read = std::io::stdin().read_to_end(&mut more);
        read.map_err(|error| Fault::Other(format!("Fatal error, can't read the standard input: {error}")))?;
        text.lines.push(b'\n');
        text.add(&more);
    }
    let flags = flags(words)?;
    text.lines.push(b'\n');
    text.lines.extend_from_slice(&flags.lines);
    text.own.extend(flags.own);

    let surroundings = environment(Compat::default());
    let compat = compat(&[&surroundings, &text])?;
    let mut config = ServerConfig::new(compat);
    let failed = |source| move |error| Fault::Config { compat, source, error };
    if !in_memory {
        for (name, value) in [("port", "6379"), ("save", SAVE_POINTS)] {
            config.set(name, value).map_err(failed("defaults"))?;
        }
    }
    config.read(&environment(compat).lines).map_err(failed("environment"))?;
    config.read(&text.lines).map_err(failed("configuration file"))?;

    let own = |asked: &str| {
        let mut said = surroundings
            .own
            .iter()
            .chain(&text.own)
            .filter(|(name, value)| *name == asked && !value.is_empty());
        said.next_back().map(|(_, value)| value.clone())
    };
    let has_file = ["dir", "dbfilename", "save"].iter().any(|name| config.get(name).is_some());
    let is_named = config.get("dbfilename").is_none_or(|name| !name.is_empty());
    let file = match own("snapshot") {
        Some(path) => Some(SaveFile::Snapshot(path.into())),
        None => (has_file && is_named).then(|| config.file()),
    };
    let config_file = path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.into()));
    Ok(Settings { compat, config, file, config_file, metrics: own("metrics") })
}

impl Text {
    /// Adds the lines of a file. The program's own become empty ones, so that the others keep their numbers.
    fn add(&mut self, file: &[u8]) {
        for bytes in file.split_inclusive(|byte| *byte == b'\n') {
            let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
            let line = String::from_utf8_lossy(bytes);
            let (name, value) = line.trim().split_once([' ', '\t']).unwrap_or((line.trim(), ""));
            match OWN.iter().find(|own| name.eq_ignore_ascii_case(own)) {
                Some(own) => self.own.push((own, value.trim().trim_matches(['"', '\'']).to_owned())),
                None => self.lines.extend_from_slice(bytes),
            }
            self.lines.push(b'\n');
        }
    }

    fn option(&mut self, name: &str, words: &[String]) {
        match OWN.iter().find(|own| name.eq_ignore_ascii_case(own)) {
            Some(own) => self.own.push((own, words.join(" "))),
            None => {
                let words: String = words.iter().map(|word| format!(" {}", quoted(word))).collect();
                self.lines.extend_from_slice(format!("{name}{words}\n").as_bytes());
            }
        }
    }
}

/// The flags as lines of a configuration: a name, and all words up to the next one. What stands behind a name is its value
/// even where it begins as a name does, but that `--save` may have none.
fn flags(words: &[OsString]) -> Result<Text, Fault> {
    let mut options: Vec<(String, Vec<String>)> = Vec::new();
    for word in words {
        let word = word.to_string_lossy().into_owned();
        let wants = |(name, values): &(String, Vec<String>)| {
            values.is_empty() && !name.trim().contains(' ') && !name.eq_ignore_ascii_case("save")
        };
        let name = word.strip_prefix("--").filter(|_| !options.last().is_some_and(wants));
        match (name, options.last_mut()) {
            (Some(name), _) => options.push((name.into(), Vec::new())),
            (None, Some((_, values))) => values.push(word),
            (None, None) => {
                return Err(Fault::Other(format!(
                    "larder-server: '{word}' belongs to no option: see --help"
                )));
            }
        }
    }
    let mut text = Text::default();
    for (name, values) in options {
        text.option(&name, &values);
    }
    Ok(text)
}

/// What the environment says of the parameters: `LARDER_` and the name in capitals.
fn environment(compat: Compat) -> Text {
    let mut text = Text::default();
    for name in ServerConfig::new(compat).names().chain(OWN) {
        let variable = format!("LARDER_{}", name.to_ascii_uppercase().replace('-', "_"));
        let value = std::env::var_os(variable).map(|value| value.to_string_lossy().into_owned());
        // Where a service is called `larder`, Kubernetes says so in LARDER_PORT: as tcp://10.0.0.1:6379.
        if let Some(value) = value.filter(|value| name != "port" || !value.contains("://")) {
            text.option(name, &[value]);
        }
    }
    text
}

/// Whom to be like: the last one said.
fn compat(texts: &[&Text]) -> Result<Compat, Fault> {
    let said = texts.iter().flat_map(|text| &text.own).rfind(|(name, _)| *name == "compat");
    let parse =
        |value: &String| value.parse().map_err(|why| Fault::Other(format!("larder-server: compat {why}")));
    said.map_or(Ok(Compat::default()), |(_, value)| parse(value))
}

/// A word as the file has it within quotes.
fn quoted(word: &str) -> String {
    let mut quoted = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_ascii_control() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
