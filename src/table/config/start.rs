//! Parameters as a server is started with them.

use super::parameters::PARAMETERS;
use super::{Compat, Kind, Parameter, Told, find, value};
use crate::Bytes;
use crate::keyspace::Keyspace;
use crate::table::args::is;
use crate::text::number;

/// Those that take more than one word.
const LISTS: [&str; 8] = [
    "bind",
    "client-output-buffer-limit",
    "latency-tracking-info-percentiles",
    "oom-score-adj-values",
    "replicaof",
    "save",
    "shutdown-on-sigint",
    "shutdown-on-sigterm",
];

/// What values those take that cannot be changed later.
const FIXED: [(&str, Kind); 18] = [
    ("always-show-logo", Kind::Flag),
    ("appenddirname", Kind::Text),
    ("cluster-enabled", Kind::Flag),
    ("cluster-port", PORT),
    ("daemonize", Kind::Flag),
    ("databases", Kind::Number(1, i32::MAX as i64)),
    ("disable-thp", Kind::Flag),
    ("enable-debug-command", PERMISSION),
    ("enable-module-command", PERMISSION),
    ("enable-protected-configs", PERMISSION),
    ("io-threads", Kind::Number(1, 128)),
    ("io-threads-do-reads", Kind::Flag),
    ("rdbchecksum", Kind::Flag),
    ("set-proc-title", Kind::Flag),
    ("supervised", Kind::Choice(&["upstart", "systemd", "auto", "no"])),
    ("syslog-enabled", Kind::Flag),
    ("tcp-backlog", Kind::Number(0, i32::MAX as i64)),
    ("unixsocketperm", Kind::Text),
];

const PORT: Kind = Kind::Number(0, 65_535);
const PERMISSION: Kind = Kind::Choice(&["no", "yes", "local"]);

/// What once was a parameter: a line with one word behind such a name says nothing. Redis from 8 on adds the last but
/// one, and Valkey the last too.
const PASSED_OVER: [&str; 5] = [
    "list-max-ziplist-entries",
    "list-max-ziplist-value",
    "lua-replicate-commands",
    "io-threads-do-reads",
    "dynamic-hz",
];

/// What is not built, by the value that asks for it.
const REFUSED: &[(&str, &str, &str)] = &[
    #[cfg(not(feature = "journal"))]
    (
        "appendonly",
        "yes",
        "this server was built without the feature `journal`: use save points (save, dir, dbfilename)",
    ),
    ("cluster-enabled", "yes", "this server is no part of a cluster"),
    ("daemonize", "yes", "this server stays in the foreground: have a service manager or `&` put it aside"),
    ("syslog-enabled", "yes", "there is no logging to syslog: use logfile, or the standard output"),
    ("supervised", "systemd", "readiness is not reported to systemd: use Type=exec"),
    ("supervised", "upstart", "readiness is not reported to upstart"),
];

/// Whether a parameter takes several words.
pub(super) fn is_list(name: &str) -> bool {
    LISTS.contains(&name)
}

impl Parameter {
    /// What it takes when the server starts.
    fn kind_at_start(&self) -> Kind {
        let fixed = FIXED.iter().find(|(name, _)| *name == self.name);
        fixed.map_or(self.kind, |(_, kind)| *kind)
    }
}

/// The names of all that a server of that kind knows.
pub(crate) fn names(compat: Compat) -> impl Iterator<Item = &'static str> {
    PARAMETERS.iter().filter(move |parameter| (parameter.is_in)(compat)).map(|parameter| parameter.name)
}

/// Whether that server passes over such a line.
pub(crate) fn is_passed_over(name: &[u8], words: &[Bytes], compat: Compat) -> bool {
    let count = match compat {
        Compat::Valkey9 => PASSED_OVER.len(),
        _ if compat.redis() >= (8, 0) => PASSED_OVER.len() - 1,
        _ => PASSED_OVER.len() - 2,
    };
    words.len() == 1 && PASSED_OVER.iter().take(count).any(|known| is(name, known))
}

/// Reads the value of a parameter from the words behind its name; `before` is what it has been set to so far.
///
/// # Errors
/// What Redis says of a line of `redis.conf` that it does not take, or what this server cannot do.
pub(crate) fn read_at_start(
    name: &[u8],
    words: &[Bytes],
    before: impl Fn(&str) -> Option<Bytes>,
    compat: Compat,
) -> Result<(&'static str, Bytes), String> {
    let unknown = |_| "Bad directive or wrong number of arguments".to_owned();
    let (_, parameter) = find(name, compat).map_err(unknown)?;
    let name = parameter.name;
    // As Redis reads it: there are to be no save points.
    if words.is_empty() && name == "save" {
        return Ok((name, Bytes::new()));
    }
    let is_one_too_few = name == "replicaof" && words.len() < 2;
    if words.is_empty() || is_one_too_few || (words.len() > 1 && !is_list(name)) {
        return Err("wrong number of arguments".into());
    }
    let text = Bytes::from(words.join(&b' '));
    let value = match name {
        "client-output-buffer-limit" => {
            let known = || Bytes::from(parameter.default);
            buffer_limits(&before(name).unwrap_or_else(known), &text, compat)?
        }
        "unixsocketperm" => permissions(&text)?,
        _ => parameter.kind_at_start().read(&text, compat)?,
    };
    match REFUSED.iter().find(|(refused, asked, _)| *refused == name && value == *asked.as_bytes()) {
        Some((.., why)) => Err((*why).into()),
        None if name == "replicaof" && text.eq_ignore_ascii_case(b"no one") => Ok((name, Bytes::new())),
        None if name == "replicaof" => Err("this server replicates no other".into()),
        None if name == "tls-port" && value != *b"0" => Err("this server has no TLS port".into()),
        None => Ok((name, value)),
    }
}

fn permissions(text: &[u8]) -> Result<Bytes, String> {
    let text = String::from_utf8_lossy(text);
    match i64::from_str_radix(&text, 8) {
        Ok(mode @ 0..=0o777) => Ok(Bytes::from(format!("{mode:o}"))),
        Ok(_) => Err("argument must be between 0 and 777 inclusive".into()),
        Err(_) => Err("argument couldn't be parsed as an octal number".into()),
    }
}

/// The limits so far, with those of the classes that are named in place of their own.
fn buffer_limits(before: &[u8], text: &[u8], compat: Compat) -> Result<Bytes, String> {
    let lower = text.to_ascii_lowercase();
    let words: Vec<&[u8]> = lower.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).collect();
    if words.is_empty() || words.len() % 4 != 0 {
        return Err("Wrong number of arguments in buffer limit configuration.".into());
    }
    let before = String::from_utf8_lossy(before).into_owned();
    let mut limits: Vec<String> = before.split(' ').map(str::to_owned).collect();
    for class in words.chunks_exact(4) {
        let class_name = if class[0] == b"replica" { b"slave" } else { class[0] };
        let at = limits.chunks_exact(4).position(|known| known[0].as_bytes() == class_name);
        let at = at.ok_or("Invalid client class specified in buffer limit configuration.")? * 4;
        let bytes = |word: &[u8]| Kind::Memory(0, u64::MAX).read(&Bytes::from(word), compat).ok();
        let seconds = number::parse_i64(class[3]).filter(|seconds| *seconds >= 0);
        let (Some(hard), Some(soft), Some(seconds)) = (bytes(class[1]), bytes(class[2]), seconds) else {
            return Err("Error in hard, soft or soft_seconds setting in buffer limit configuration.".into());
        };
        let text = |bytes: Bytes| String::from_utf8_lossy(&bytes).into_owned();
        limits[at + 1] = text(hard);
        limits[at + 2] = text(soft);
        limits[at + 3] = seconds.to_string();
    }
    Ok(Bytes::from(limits.join(" ")))
}

/// Gives a store's sessions the parameters that its server was started with.
///
/// # Errors
/// The name of one that the store was built without.
pub(crate) fn start(
    space: &Keyspace,
    values: impl Iterator<Item = (&'static str, Bytes)>,
    compat: Compat,
) -> Result<(), &'static str> {
    let words_of = |told: Told| told.in_words_of(compat == Compat::Valkey9);
    space.tell_of(words_of(space.told()));
    for (name, value_asked) in values {
        match name {
            "notify-keyspace-events" => {
                space.tell_of(Told::parse(&value_asked).map_or_else(|| space.told(), words_of));
            }
            "appendonly" | "databases" | "maxmemory" if value(space, name) != value_asked => {
                return Err(name);
            }
            "proto-max-bulk-len" => super::limit_values(space, &value_asked),
            "requirepass" => space.shared().require_password(value_asked),
            _ => space.shared().keep(name, value_asked),
        }
    }
    super::count_uses(space);
    // By whoever starts it, and not by the first who connects: they would wait for a transaction under way.
    let _ = space.note_uses();
    Ok(())
}
