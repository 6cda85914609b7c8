//! SCRIPT: the scripts that are kept.

use super::lines;
use crate::reply::{ErrorReply, Reply};
use crate::table::args::is;
use crate::table::call::{Answer, Call};
use crate::table::row::Compat;

/// A debugger is no part of the store: scripts run to their end.
pub(super) fn debug(call: &mut Call<'_>) -> Answer {
    match call.args.next()? {
        word if is(word, "NO") => Ok(Reply::OK),
        word if is(word, "YES") || is(word, "SYNC") => {
            Err(ErrorReply::known("ERR SCRIPT DEBUG is not supported: there is no debugger"))
        }
        _ => Err(ErrorReply::known("ERR Use SCRIPT DEBUG YES/SYNC/NO")),
    }
}

pub(super) fn exists(call: &mut Call<'_>) -> Answer {
    let scripts = &call.shared().scripts;
    Ok(Reply::Array(call.args.rest().iter().map(|sha| Reply::flag(scripts.has(sha))).collect()))
}

pub(super) fn flush(call: &mut Call<'_>) -> Answer {
    match call.args.rest() {
        [] => {}
        [how] if is(how, "SYNC") || is(how, "ASYNC") => {}
        _ => return Err(ErrorReply::known("ERR SCRIPT FLUSH only support SYNC|ASYNC option")),
    }
    call.shared().scripts.flush();
    Ok(Reply::OK)
}

pub(super) fn load(call: &mut Call<'_>) -> Answer {
    let text = call.args.next()?;
    call.shared().scripts.load(call.session, text).map(Reply::text)
}

/// SCRIPT SHOW, which is Valkey's.
pub(super) fn show(call: &mut Call<'_>) -> Answer {
    let sha = call.args.next()?;
    let text = call.shared().scripts.text(sha);
    text.map(Reply::Bulk).ok_or_else(|| super::no_script(call.compat()))
}

pub(super) fn help(call: &mut Call<'_>) -> Answer {
    lines(
        call.compat(),
        if call.compat() == Compat::Valkey9 { HELP_IN_VALKEY.to_vec() } else { HELP.to_vec() },
    )
}

#[rustfmt::skip]
const HELP: [&str; 17] = [
    "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DEBUG (YES|SYNC|NO)",
    "    Set the debug mode for subsequent scripts executed.",
    "EXISTS <sha1> [<sha1> ...]",
    "    Return information about the existence of the scripts in the script cache.",
    "FLUSH [ASYNC|SYNC]",
    "    Flush the Lua scripts cache. Very dangerous on replicas.",
    "    When called without the optional mode argument, the behavior is determined by the",
    "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
    "    * ASYNC: Asynchronously flush the scripts cache.",
    "    * SYNC: Synchronously flush the scripts cache.",
    "KILL",
    "    Kill the currently executing Lua script.",
    "LOAD <script>",
    "    Load a script into the scripts cache without executing it.",
    "HELP",
    "    Print this help.",
];

#[rustfmt::skip]
const HELP_IN_VALKEY: [&str; 20] = [
    "SCRIPT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "DEBUG (YES|SYNC|NO) [<engine_name>]",
    "    Set the debug mode for subsequent scripts executed of the specified engine.",
    "    Default engine name: 'lua'",
    "EXISTS <sha1> [<sha1> ...]",
    "    Return information about the existence of the scripts in the script cache.",
    "FLUSH [ASYNC|SYNC]",
    "    Flush the Lua scripts cache. Very dangerous on replicas.",
    "    When called without the optional mode argument, the behavior is determined",
    "     by the lazyfree-lazy-user-flush configuration directive. Valid modes are:",
    "    * ASYNC: Asynchronously flush the scripts cache.",
    "    * SYNC: Synchronously flush the scripts cache.",
    "KILL",
    "    Kill the currently executing Lua script.",
    "LOAD <script>",
    "    Load a script into the scripts cache without executing it.",
    "SHOW <sha1>",
    "    Show a script from the scripts cache.",
    "HELP",
    "    Print this help.",
];
