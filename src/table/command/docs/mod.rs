//! COMMAND DOCS: what people, and the tools that help them, are told of commands.
//!
//! A text for each group of commands stands beside this file. What it says of a command is told by its lines, of
//! which those that do not apply are not there:
//!
//! ```text
//! getset
//!   is Sets a string and returns the one that was there
//!   costs O(1)
//!   instead@redis 6.2.0 `SET` with `GET`
//!   since 6.2.0 what has changed with that version
//!   takes key#0 value
//! ```
//!
//! Behind an `@` a line names the servers that it is for: see [`is_of`]. A line for Redis, or for all, is left out
//! by those that are older than the version in it. What a command takes is written as
//! [`syntax`] has it, and of several such lines the first one counts. `system` says that a command
//! is none for users.

mod syntax;

use std::collections::HashMap;
use std::sync::OnceLock;

use super::{commands, facts, known, names, subcommands};
use crate::reply::Reply;
use crate::table::Compat;
use crate::table::call::{Answer, Call};
use crate::table::row::Row;

/// The groups of commands, with the text of each.
const TEXTS: [(&str, &str); 16] = [
    ("bitmap", include_str!("bitmap.txt")),
    ("cluster", include_str!("cluster.txt")),
    ("connection", include_str!("connection.txt")),
    ("generic", include_str!("generic.txt")),
    ("geo", include_str!("geo.txt")),
    ("hash", include_str!("hash.txt")),
    ("hyperloglog", include_str!("hyperloglog.txt")),
    ("list", include_str!("list.txt")),
    ("pubsub", include_str!("pubsub.txt")),
    ("scripting", include_str!("scripting.txt")),
    ("server", include_str!("server.txt")),
    ("set", include_str!("set.txt")),
    ("sorted-set", include_str!("sorted-set.txt")),
    ("stream", include_str!("stream.txt")),
    ("string", include_str!("string.txt")),
    ("transactions", include_str!("transactions.txt")),
];

/// What there is to say of a command.
#[derive(Clone, Copy)]
struct Entry {
    group: &'static str,
    lines: &'static str,
}

/// COMMAND DOCS, of all commands or of some; what is unknown is passed over.
pub(super) fn docs(call: &mut Call<'_>) -> Answer {
    let names = call.args.take_rest();
    let rows: Vec<_> = if names.is_empty() {
        commands(call).collect()
    } else {
        names.iter().filter_map(|name| known(call, name)).collect()
    };
    Ok(Reply::Map(rows.into_iter().map(|row| (Reply::text(row.name), doc(call, row))).collect()))
}

/// The group of a command. O(1)
pub(super) fn group(name: &str) -> Option<&'static str> {
    entry(name).map(|entry| entry.group)
}

/// The texts are taken apart when somebody asks for the first time, which takes a fraction of a millisecond.
fn entry(name: &str) -> Option<Entry> {
    static ENTRIES: OnceLock<HashMap<&str, Entry, ahash::RandomState>> = OnceLock::new();
    let entries = ENTRIES.get_or_init(|| {
        let of_group = |(group, text): (&'static str, &'static str)| {
            text.split("\n\n")
                .filter_map(|block| block.split_once('\n'))
                .map(move |(name, lines)| (name, Entry { group, lines }))
        };
        TEXTS.into_iter().flat_map(of_group).collect()
    });
    entries.get(name).copied()
}

impl Entry {
    /// The lines of that kind for such a server, each with the last version of Redis whose changes it tells.
    fn lines(self, kind: &'static str, compat: Compat) -> impl Iterator<Item = ((u8, u8), &'static str)> {
        self.lines.lines().filter_map(move |line| {
            let (head, rest) = line.trim_start().split_once(' ').unwrap_or((line.trim(), ""));
            let (word, servers) = head.split_once('@').unwrap_or((head, ""));
            // What a line says of Valkey alone is of Valkey's versions.
            let until = if servers == "valkey" { (u8::MAX, u8::MAX) } else { compat.redis() };
            (word == kind && is_of(servers, compat)).then_some((until, rest))
        })
    }

    fn line(self, kind: &'static str, compat: Compat) -> Option<((u8, u8), &'static str)> {
        self.lines(kind, compat).next()
    }

    /// The same for lines that begin with a version: those that it reaches, with what stands behind it.
    fn versions(
        self,
        kind: &'static str,
        compat: Compat,
    ) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.lines(kind, compat).filter_map(|(until, line)| {
            let (since, text) = line.split_once(' ')?;
            (version(since) <= until).then_some((since, text))
        })
    }
}

/// Whether it is one of these servers.
fn is_of(servers: &str, compat: Compat) -> bool {
    match servers {
        "valkey" => compat == Compat::Valkey9,
        "redis" => compat != Compat::Valkey9,
        "7.0" => compat == Compat::Redis70,
        "7.2-on" => !matches!(compat, Compat::Redis70 | Compat::Valkey9),
        _ => true,
    }
}

/// The first two numbers of a version.
fn version(text: &str) -> (u8, u8) {
    let mut numbers = text.split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// A version with its third number.
fn in_full(version: &str) -> String {
    if version.matches('.').count() < 2 { format!("{version}.0") } else { version.to_owned() }
}

fn doc(call: &Call<'_>, row: &'static Row) -> Reply {
    let compat = call.compat();
    let entry = entry(row.name).unwrap_or(Entry { group: "generic", lines: "" });
    let mut facts = Vec::new();
    let mut tell = |name: &str, value: Reply| facts.push((Reply::text(name), value));
    if let Some((_, summary)) = entry.line("is", compat) {
        tell("summary", Reply::text(summary));
    }
    tell("since", Reply::text(since(row, compat)));
    tell("group", Reply::text(entry.group));
    if let Some((_, cost)) = entry.line("costs", compat) {
        tell("complexity", Reply::text(cost));
    }
    let instead = entry.versions("instead", compat).next();
    let flags = [(instead.is_some(), "deprecated"), (entry.line("system", compat).is_some(), "syscmd")];
    let flags: Vec<_> =
        flags.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| Reply::Status(name.into())).collect();
    if !flags.is_empty() {
        tell("doc_flags", Reply::Set(flags));
    }
    if let Some((since, other)) = instead {
        tell("deprecated_since", Reply::text(since));
        tell("replaced_by", Reply::text(other));
    }
    let history = entry.versions("since", compat);
    let history: Vec<_> =
        history.map(|(since, change)| Reply::Array(vec![Reply::text(since), Reply::text(change)])).collect();
    if !history.is_empty() {
        tell("history", Reply::Set(history));
    }
    if let Some((until, line)) = entry.line("takes", compat).filter(|(_, line)| !line.is_empty()) {
        tell("arguments", syntax::arguments(line, until, compat));
    }
    let subs: Vec<_> =
        subcommands(call, row.name).map(|row| (Reply::text(row.name), doc(call, row))).collect();
    if !subs.is_empty() {
        tell("subcommands", Reply::Map(subs));
    }
    Reply::Map(facts)
}

fn since(row: &Row, compat: Compat) -> String {
    // What Valkey has from Redis, it has since Redis had it.
    if let (Compat::Valkey9, (major @ 8.., minor)) = (compat, row.valkey) {
        return format!("{major}.{minor}.0");
    }
    // Redis 7.0 still told the version of before its third.
    if (row.name, compat) == ("client|pause", Compat::Redis70) {
        return "2.9.50".into();
    }
    let exact = facts::SINCE.iter().find(|(_, commands)| names(commands, row.name));
    exact.map_or_else(|| format!("{}.{}.0", row.since.0, row.since.1), |(since, _)| (*since).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::all;

    #[test]
    fn each_command_has_its_lines() {
        let without: Vec<_> = all().filter(|row| entry(row.name).is_none()).map(|row| row.name).collect();
        assert!(without.is_empty(), "{without:?}");
    }

    #[test]
    fn each_line_says_what_kind_it_is_of() {
        for line in TEXTS.iter().flat_map(|(_, text)| text.lines()).filter(|line| line.starts_with(' ')) {
            let head = line.trim_start().split(' ').next().unwrap();
            let (kind, servers) = head.split_once('@').unwrap_or((head, "redis"));
            assert!(["is", "costs", "system", "instead", "since", "takes"].contains(&kind), "{line}");
            assert!(["valkey", "redis", "7.0", "7.2-on"].contains(&servers), "{line}");
        }
    }
}
