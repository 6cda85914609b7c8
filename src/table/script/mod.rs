//! Scripts and functions: EVAL and FCALL with their kin, SCRIPT, FUNCTION.

mod eval;
mod function;
mod scripts;
mod session;

use super::call::{Answer, Call};
use super::row::flag::{
    ALLOW_BUSY, DENYOOM, LOADING, MAY_REPLICATE, MOVABLEKEYS, NO_MANDATORY_KEYS, NOSCRIPT, READONLY, SCRIPTS,
    SKIP_MONITOR, STALE, WRITE,
};
use super::row::{Compat, Keys, Row, container, counted, row};
use crate::reply::{ErrorReply, Reply};
use crate::script::Kill;

pub(super) use session::Scripting;

const RUNS: u32 = NOSCRIPT | MAY_REPLICATE | STALE | SKIP_MONITOR | NO_MANDATORY_KEYS | MOVABLEKEYS | SCRIPTS;
const READS: u32 = (RUNS & !MAY_REPLICATE) | READONLY;
const NUMKEYS: Keys = Keys::Find { told: (0, 0, 0), find: |words| counted(words, 2) };
const CHANGES: u32 = NOSCRIPT | WRITE;
const KILLS: u32 = NOSCRIPT | ALLOW_BUSY;

pub(super) const ROWS: &[Row] = &[
    row("eval", -3, RUNS, NUMKEYS, eval::eval).since(2, 6),
    row("eval_ro", -3, READS, NUMKEYS, eval::eval_ro).since(7, 0),
    row("evalsha", -3, RUNS, NUMKEYS, eval::evalsha).since(2, 6),
    row("evalsha_ro", -3, READS, NUMKEYS, eval::evalsha_ro).since(7, 0),
    row("fcall", -3, RUNS, NUMKEYS, eval::fcall).since(7, 0),
    row("fcall_ro", -3, READS, NUMKEYS, eval::fcall_ro).since(7, 0),
    container("function").since(7, 0),
    row("function|delete", 3, CHANGES, Keys::NONE, function::delete).since(7, 0),
    row("function|dump", 2, NOSCRIPT, Keys::NONE, function::dump).since(7, 0),
    row("function|flush", -2, CHANGES, Keys::NONE, function::flush).since(7, 0),
    row("function|help", 2, LOADING | STALE, Keys::NONE, function::help).since(7, 0),
    row("function|kill", 2, KILLS, Keys::NONE, |call| kill(call, true)).since(7, 0),
    row("function|list", -2, NOSCRIPT, Keys::NONE, function::list).since(7, 0),
    row("function|load", -3, CHANGES | DENYOOM, Keys::NONE, function::load).since(7, 0),
    row("function|restore", -3, CHANGES | DENYOOM, Keys::NONE, function::restore).since(7, 0),
    row("function|stats", 2, KILLS, Keys::NONE, function::stats).since(7, 0),
    container("script").since(2, 6),
    row("script|debug", 3, NOSCRIPT, Keys::NONE, scripts::debug).since(3, 2).arity_in_valkey(-3),
    row("script|exists", -3, NOSCRIPT, Keys::NONE, scripts::exists).since(2, 6),
    row("script|flush", -2, NOSCRIPT, Keys::NONE, scripts::flush).since(2, 6),
    row("script|help", 2, LOADING | STALE, Keys::NONE, scripts::help).since(5, 0),
    row("script|kill", 2, KILLS, Keys::NONE, |call| kill(call, false)).since(2, 6),
    row("script|load", 3, NOSCRIPT | STALE, Keys::NONE, scripts::load).since(2, 6),
    row("script|show", 3, NOSCRIPT | STALE, Keys::NONE, scripts::show).only_valkey(8, 0),
];

/// SCRIPT KILL, FUNCTION KILL
fn kill(call: &mut Call<'_>, is_function: bool) -> Answer {
    match call.shared().scripts.gate.kill(is_function) {
        Kill::Done => Ok(Reply::OK),
        Kill::NothingRuns => Err(ErrorReply::known("NOTBUSY No scripts in execution right now.")),
        Kill::HasWritten => Err(ErrorReply::known(
            "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either \
             wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.",
        )),
        Kill::Other => Err(busy(call.compat(), !is_function)),
    }
}

/// What other sessions are told while a script runs, or a function.
fn busy(compat: Compat, is_function: bool) -> ErrorReply {
    let server = if compat == Compat::Valkey9 { "Valkey" } else { "Redis" };
    let kind = if is_function { "FUNCTION" } else { "SCRIPT" };
    ErrorReply::new(format!(
        "BUSY {server} is busy running a script. You can only call {kind} KILL or SHUTDOWN NOSAVE."
    ))
}

/// What EVALSHA says of a script that is not there.
pub(crate) fn no_script(compat: Compat) -> ErrorReply {
    ErrorReply::known(match compat {
        Compat::Valkey9 => "NOSCRIPT No matching script.",
        _ => "NOSCRIPT No matching script. Please use EVAL.",
    })
}

/// The lines of a HELP; the last one changed.
fn lines(compat: Compat, of: impl IntoIterator<Item = &'static str>) -> Answer {
    let last = |line: &'static str| if compat == Compat::Redis70 && line == HELPS { HELPED } else { line };
    Ok(Reply::Array(of.into_iter().map(|line| Reply::Status(last(line).into())).collect()))
}

const HELPS: &str = "    Print this help.";
const HELPED: &str = "    Prints this help.";
