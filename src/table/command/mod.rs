//! COMMAND: what the table knows of itself, and the HELP of each container.

mod docs;
mod facts;
mod get_keys;
mod key_specs;

use super::args::is;
use super::call::{Answer, Call};
use super::row::flag::{
    self, ADMIN, BLOCKING, CONTAINER, FAST, LOADING, NO_MULTI, PUBSUB, READONLY, SKIP_SLOWLOG, STALE, WRITE,
};
use super::row::{Compat, Keys, Row, Run, row};
use super::{all, find};
use crate::Bytes;
use crate::reply::{ErrorReply, Reply};
use crate::text::glob::Pattern;

pub(super) use facts::CATEGORIES;
pub(super) use get_keys::used as keys;

const TELLS: u32 = LOADING | STALE;

pub(super) const ROWS: &[Row] = &[
    row("command", -1, TELLS | CONTAINER, Keys::NONE, infos).since(2, 8),
    row("command|count", 2, TELLS, Keys::NONE, count).since(2, 8),
    row("command|docs", -2, TELLS, Keys::NONE, docs::docs).since(7, 0),
    row("command|getkeys", -3, TELLS, Keys::NONE, get_keys::get_keys).since(2, 8).arity_before(7, 2, -4),
    row("command|getkeysandflags", -3, TELLS, Keys::NONE, get_keys::get_keys_and_flags)
        .since(7, 0)
        .arity_before(7, 2, -4),
    row("command|help", 2, TELLS, Keys::NONE, help).since(5, 0),
    row("command|info", -2, TELLS, Keys::NONE, infos).since(2, 8),
    row("command|list", -2, TELLS, Keys::NONE, list).since(7, 0),
];

/// What a container answers to HELP: the names of what stands behind it, those the session has.
pub(super) fn help(call: &mut Call<'_>) -> Answer {
    let container = call.name.split('|').next().unwrap_or_default();
    let lines = subcommands(call, container).filter_map(|row| {
        let sub = row.name.split('|').nth(1)?.to_ascii_uppercase();
        let words = row.arity.unsigned_abs().saturating_sub(2);
        let arguments = " <argument>".repeat(words as usize);
        let more = if row.arity < 0 { " [<argument> ...]" } else { "" };
        Some(Reply::Status(format!("{} {sub}{arguments}{more}", container.to_ascii_uppercase()).into()))
    });
    Ok(Reply::Array(lines.collect()))
}

/// The commands that the session has, without what stands behind containers.
fn commands(call: &Call<'_>) -> impl Iterator<Item = &'static Row> {
    let compat = call.compat();
    all().filter(move |row| row.is_in(compat) && row.named == 1)
}

fn subcommands(call: &Call<'_>, container: &str) -> impl Iterator<Item = &'static Row> {
    let compat = call.compat();
    all().filter(move |row| row.is_in(compat) && is_behind(row, container))
}

fn is_behind(row: &Row, container: &str) -> bool {
    row.name.strip_prefix(container).is_some_and(|rest| rest.starts_with('|'))
}

/// The row of a name as COMMAND takes it: a subcommand's is `container|name`.
fn known(call: &Call<'_>, name: &[u8]) -> Option<&'static Row> {
    find(&name.to_ascii_lowercase()).filter(|row| row.is_in(call.compat()))
}

fn count(call: &mut Call<'_>) -> Answer {
    Ok(Reply::count(commands(call).count()))
}

fn infos(call: &mut Call<'_>) -> Answer {
    let names = call.args.take_rest();
    if names.is_empty() {
        return Ok(Reply::Array(commands(call).map(|row| info(call, row)).collect()));
    }
    let of = |name: &Bytes| known(call, name).map_or(Reply::Nil, |row| info(call, row));
    Ok(Reply::Array(names.iter().map(of).collect()))
}

/// What COMMAND INFO tells of a command.
fn info(call: &Call<'_>, row: &'static Row) -> Reply {
    let statuses =
        |names: Vec<String>| Reply::Set(names.into_iter().map(|name| Reply::Status(name.into())).collect());
    let compat = call.compat();
    let told = flags(row, compat);
    let flags = flag::NAMES.iter().filter(|(flag, _)| told & flag != 0).map(|(flag, name)| match *flag {
        SKIP_SLOWLOG if compat == Compat::Valkey9 => "skip_commandlog".into(),
        _ => (*name).into(),
    });
    let (first, last, step) = match row.keys {
        Keys::Range { first, last, step } => (first, last, step),
        Keys::Find { told, .. } => told,
    };
    let categories = categories(row, compat).into_iter().map(|category| format!("@{category}")).collect();
    let keys = [first, last, step].map(|number| Reply::Integer(number.into()));
    let mut facts =
        vec![Reply::text(row.name), Reply::Integer(row.arity_in(compat).into()), statuses(flags.collect())];
    facts.extend(keys);
    let subcommands: Vec<_> = subcommands(call, row.name).map(|row| info(call, row)).collect();
    facts.extend([
        statuses(categories),
        Reply::Set(tips(row, compat).iter().map(Reply::text).collect()),
        key_specs::reply(row.name, compat),
        match compat {
            Compat::Valkey9 => Reply::Array(subcommands),
            _ if subcommands.is_empty() => Reply::Set(subcommands),
            _ => Reply::Array(subcommands),
        },
    ]);
    Reply::Array(facts)
}

/// Whether a name is one of those, which are divided by spaces.
fn names(list: &str, name: &str) -> bool {
    list.split(' ').any(|one| one == name)
}

/// A command's flags as that server tells them.
pub(super) fn flags(row: &Row, compat: Compat) -> u32 {
    let barred = if row.is_barred_from_multi(compat) { NO_MULTI } else { 0 };
    let told = facts::FLAGS.iter().filter(|told| (told.by)(compat) && names(told.commands, row.name));
    told.fold(row.flags | barred, |flags, told| flags & !told.not | told.also)
}

/// The categories of a command, in the order in which Redis lists them.
pub(super) fn categories(row: &Row, compat: Compat) -> Vec<&'static str> {
    let by_flags = [
        (WRITE, "write"),
        (READONLY, "read"),
        (ADMIN, "admin"),
        (ADMIN, "dangerous"),
        (PUBSUB, "pubsub"),
        (BLOCKING, "blocking"),
        (FAST, "fast"),
    ];
    let told = flags(row, compat);
    let mut found: Vec<_> =
        by_flags.iter().filter(|(flag, _)| told & flag != 0).map(|(_, name)| *name).collect();
    if !row.has(FAST) {
        found.push("slow");
    }
    let container = row.name.split('|').next().unwrap_or_default();
    if !matches!(row.run, Run::Container) {
        found.extend(docs::group(container).and_then(facts::category));
    }
    let exception = [row.name, container]
        .into_iter()
        .find_map(|name| facts::EXCEPTIONS.iter().find(|exception| exception.command == name));
    if let Some(exception) = exception {
        found.retain(|category| !exception.not.contains(category));
        found.extend(exception.also);
    }
    CATEGORIES.into_iter().filter(|category| found.contains(category)).collect()
}

fn tips(row: &Row, compat: Compat) -> &'static [&'static str] {
    let other = facts::OTHER_TIPS.iter().find(|(by, _, commands)| by(compat) && names(commands, row.name));
    if let Some((_, tips, _)) = other {
        return tips;
    }
    let told = facts::TIPS.iter().find(|(_, commands)| names(commands, row.name));
    told.map_or(&[], |(tips, _)| *tips)
}

/// COMMAND LIST, of all names or of those that a filter lets through.
fn list(call: &mut Call<'_>) -> Answer {
    let compat = call.compat();
    let rows = all().filter(|row| row.is_in(compat));
    let chosen: Vec<_> = match call.args.take_rest() {
        [] => rows.collect(),
        // There are no modules.
        [word, by, _] if is(word, "FILTERBY") && is(by, "MODULE") => Vec::new(),
        [word, by, name] if is(word, "FILTERBY") && is(by, "ACLCAT") => {
            rows.filter(|row| categories(row, compat).iter().any(|category| is(name, category))).collect()
        }
        [word, by, glob] if is(word, "FILTERBY") && is(by, "PATTERN") => {
            let glob = glob.to_ascii_lowercase();
            rows.filter(|row| Pattern::new(&glob).matches(row.name.as_bytes())).collect()
        }
        _ => return Err(ErrorReply::SYNTAX),
    };
    Ok(Reply::Array(chosen.into_iter().map(|row| Reply::text(row.name)).collect()))
}
