//! FUNCTION: libraries of functions.

use super::{busy, lines};
use crate::Bytes;
use crate::reply::{ErrorReply, Reply};
use crate::script::{Function, Restoring, Shut};
use crate::table::args::is;
use crate::table::call::{Answer, Call};
use crate::table::row::Compat;
use crate::text::glob::Pattern;

pub(super) fn load(call: &mut Call<'_>) -> Answer {
    let mut replaces = false;
    while call.args.len() > 1 {
        let option = call.args.next()?;
        if !is(option, "REPLACE") {
            return Err(unknown("Unknown option given: ", option));
        }
        replaces = true;
    }
    let text = call.args.next()?;
    call.shared().scripts.load_library(call.session, text, replaces).map(Reply::text)
}

pub(super) fn delete(call: &mut Call<'_>) -> Answer {
    let name = call.args.next()?;
    if !call.shared().scripts.delete_library(call.session, name)? {
        return Err(ErrorReply::known("ERR Library not found"));
    }
    Ok(Reply::OK)
}

pub(super) fn flush(call: &mut Call<'_>) -> Answer {
    match call.args.rest() {
        [] => {}
        [how] if is(how, "SYNC") || is(how, "ASYNC") => {}
        [_] => return Err(ErrorReply::known("ERR FUNCTION FLUSH only supports SYNC|ASYNC option")),
        _ => return Err(call.wrong_subcommand()),
    }
    call.shared().scripts.flush_libraries(call.session)?;
    Ok(Reply::OK)
}

pub(super) fn dump(call: &mut Call<'_>) -> Answer {
    Ok(Reply::Bulk(call.shared().scripts.dump_libraries(call.session).into()))
}

pub(super) fn restore(call: &mut Call<'_>) -> Answer {
    const POLICY: ErrorReply =
        ErrorReply::known("ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.");
    let payload = call.args.next()?;
    let restoring = match call.args.rest() {
        [] => Restoring::Append,
        [how] if is(how, "FLUSH") => Restoring::Flush,
        [how] if is(how, "APPEND") => Restoring::Append,
        [how] if is(how, "REPLACE") => Restoring::Replace,
        [_] => return Err(POLICY),
        _ => return Err(call.wrong_subcommand()),
    };
    call.shared().scripts.restore_libraries(call.session, payload, restoring)?;
    Ok(Reply::OK)
}

pub(super) fn list(call: &mut Call<'_>) -> Answer {
    let (mut pattern, mut with_code) = (None, false);
    while let Some(option) = call.args.take() {
        if !with_code && is(option, "WITHCODE") {
            with_code = true;
        } else if pattern.is_none() && is(option, "LIBRARYNAME") {
            let missing = ErrorReply::known("ERR library name argument was not given");
            pattern = Some(call.args.take().ok_or(missing)?.to_ascii_lowercase());
        } else {
            return Err(unknown("Unknown argument ", option));
        }
    }
    let mut libraries = call.shared().scripts.all_libraries(call.session);
    // In any case, though the names of libraries are not the same in any.
    let fits = |name: &str, glob: &[u8]| Pattern::new(glob).matches(name.to_ascii_lowercase().as_bytes());
    libraries.retain(|(name, ..)| pattern.as_ref().is_none_or(|pattern| fits(name, pattern)));
    let told = libraries.into_iter().map(|(name, library, functions)| {
        let functions = functions.into_iter().map(|(name, function)| told(name, function)).collect();
        let mut facts = vec![
            ("library_name", Reply::text(name)),
            ("engine", Reply::text("LUA")),
            ("functions", Reply::Array(functions)),
        ];
        if with_code {
            facts.push(("library_code", Reply::Bulk(library.text)));
        }
        map(facts)
    });
    Ok(Reply::Array(told.collect()))
}

fn told(name: String, function: Function) -> Reply {
    let flags = function.flags.names().map(|name| Reply::Status(name.into())).collect();
    map(vec![
        ("name", Reply::text(name)),
        ("description", Reply::bulk_or_nil(function.description)),
        ("flags", Reply::Set(flags)),
    ])
}

/// What runs, and what there is: answered while a script runs.
pub(super) fn stats(call: &mut Call<'_>) -> Answer {
    let (scripts, clock) = (&call.shared().scripts, call.space().clock());
    // As Redis: it is about functions.
    if let Some(Shut::Busy { is_function: false }) = scripts.gate.shut(clock, || call.session.threshold()) {
        return Err(busy(call.compat(), false));
    }
    let count = scripts.counts(call.session);
    let now = clock.now();
    let running = scripts.gate.running().map_or(Reply::Nil, |running| {
        map(vec![
            ("name", Reply::text(running.name)),
            ("command", Reply::bulks(running.command)),
            (
                "duration_ms",
                Reply::Integer(i64::try_from(now.saturating_sub(running.since)).unwrap_or(i64::MAX)),
            ),
        ])
    });
    let counts = map(vec![
        ("libraries_count", Reply::count(count.libraries)),
        ("functions_count", Reply::count(count.functions)),
    ]);
    Ok(map(vec![("running_script", running), ("engines", map(vec![("LUA", counts)]))]))
}

fn map(facts: Vec<(&str, Reply)>) -> Reply {
    Reply::Map(facts.into_iter().map(|(name, fact)| (Reply::text(name), fact)).collect())
}

fn unknown(what: &str, word: &Bytes) -> ErrorReply {
    ErrorReply::of_bytes([b"ERR ", what.as_bytes(), word].concat())
}

pub(super) fn help(call: &mut Call<'_>) -> Answer {
    let is_old = call.compat() == Compat::Redis70;
    lines(call.compat(), HELP.into_iter().filter(|line| is_old || *line != "    * Library description"))
}

#[rustfmt::skip]
const HELP: [&str; 40] = [
    "FUNCTION <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "LOAD [REPLACE] <FUNCTION CODE>",
    "    Create a new library with the given library name and code.",
    "DELETE <LIBRARY NAME>",
    "    Delete the given library.",
    "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
    "    Return general information on all the libraries:",
    "    * Library name",
    "    * The engine used to run the Library",
    "    * Library description",
    "    * Functions list",
    "    * Library code (if WITHCODE is given)",
    "    It also possible to get only function that matches a pattern using LIBRARYNAME argument.",
    "STATS",
    "    Return information about the current function running:",
    "    * Function name",
    "    * Command used to run the function",
    "    * Duration in MS that the function is running",
    "    If no function is running, return nil",
    "    In addition, returns a list of available engines.",
    "KILL",
    "    Kill the current running function.",
    "FLUSH [ASYNC|SYNC]",
    "    Delete all the libraries.",
    "    When called without the optional mode argument, the behavior is determined by the",
    "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
    "    * ASYNC: Asynchronously flush the libraries.",
    "    * SYNC: Synchronously flush the libraries.",
    "DUMP",
    "    Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command",
    "RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]",
    "    Restore the libraries represented by the given payload, it is possible to give a restore policy to",
    "    control how to handle existing libraries (default APPEND):",
    "    * FLUSH: delete all existing libraries.",
    "    * APPEND: appends the restored libraries to the existing libraries. On collision, abort.",
    "    * REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old",
    "      libraries with the new libraries (notice that even on this option there is a chance of failure",
    "      in case of functions name collision with another library).",
    "HELP",
    "    Print this help.",
];
