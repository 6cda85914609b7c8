//! DEBUG, as far as tests of clients ask for it. As in Redis it has to be allowed when the server starts
//! (`enable-debug-command`); what is not here is an unknown subcommand.

mod clock;
mod digest;
#[cfg(feature = "testing")]
mod fault;
mod object;
mod samples;
mod sha1;
mod state;
mod tuning;

use std::sync::Arc;

use super::args::is;
use super::call::{Answer, Call};
use super::checks::shown_of;
use super::row::flag::{ADMIN, LOADING, NOSCRIPT, PROTECTED, STALE};
use super::row::{Keys, Row, row};
use crate::api::Store;
use crate::command::string::{self, Condition};
use crate::keyspace::writer::Deadline;
use crate::reply::{ErrorReply, Reply};
use crate::text::number;
use crate::{Bytes, Error, snapshot};

#[cfg(feature = "testing")]
pub(super) use fault::Faults;

pub(super) const ROWS: &[Row] =
    &[row("debug", -2, ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED, Keys::NONE, debug)];

/// The longest name of a key that POPULATE makes, in bytes.
const NAME: usize = 127;

const HELP: &[&str] = &[
    "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "CHANGE-REPL-ID",
    "    A new replication id.",
    "CHECKPOINT",
    "    Keeps what the store holds, for ROLLBACK.",
    "CLOCK PAUSE|RESUME|ADVANCE <milliseconds>|NEXT",
    "    Stops the store's clock, lets it go on, or moves it on: so far, or to the next deadline.",
    "DIGEST",
    "    A checksum of all keys and what they hold, the same as Redis gives.",
    "DIGEST-VALUE <key> [<key> ...]",
    "    The same of what each of the keys holds.",
    "ERROR <text>",
    "    That text as an error.",
    #[cfg(feature = "testing")]
    "FAULT ADD <what> [<argument>] [<condition> <argument> ...]",
    #[cfg(feature = "testing")]
    "    Has commands fail, and gives the fault's number. What: ERROR <text>, LOADING, READONLY, BUSY, OOM, NOSCRIPT,",
    #[cfg(feature = "testing")]
    "    CLUSTER-DOWN, MASTER-DOWN, NO-AUTH, DELAY|DELAY-REPLY|TAKES <milliseconds>, CLOSE-BEFORE, CLOSE-AFTER,",
    #[cfg(feature = "testing")]
    "    HALF-REPLY <bytes>, DROP-REPLY, HANG, REFUSE-CONNECTIONS. Conditions: ON <command>[,<command>|@<category> ...],",
    #[cfg(feature = "testing")]
    "    KEY <pattern>, CLIENT-ID <id>, CLIENT-NAME <pattern>, CLIENT-ADDR <pattern>, AFTER <calls>, EVERY <calls>,",
    #[cfg(feature = "testing")]
    "    TIMES <count>, CHANCE <probability>. It spares DEBUG unless ON names that, but no client that connects: keep a",
    #[cfg(feature = "testing")]
    "    connection for DEBUG. Faults stay until DEL or CLEAR, whoever leaves.",
    #[cfg(feature = "testing")]
    "FAULT DEL <id>|HITS <id>|LIST|CLEAR",
    #[cfg(feature = "testing")]
    "    Takes a fault away, tells how often it struck, tells of all, or takes all away.",
    "OBJECT <key>",
    "    How Redis would keep what the key holds, and how many bytes of DUMP it is.",
    "POPULATE <count> [<prefix>] [<size>]",
    "    Makes the keys key:0, key:1, ... that are not there, with strings of that many bytes.",
    "PROTOCOL <type>",
    "    A reply of that type: string, integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
    "    true or false.",
    "RELOAD",
    "    Writes all keys out, in memory, and reads them back.",
    "ROLLBACK",
    "    Puts the store back to what CHECKPOINT kept, as often as wanted.",
    "SET-ACTIVE-EXPIRE <0|1>",
    "    Whether keys that have expired are removed before somebody asks for them.",
    "SLEEP <seconds>",
    "    This client's commands wait so long, on the store's clock.",
    "HELP",
    "    These lines.",
];

fn debug(call: &mut Call<'_>) -> Answer {
    let sub = call.args.next()?;
    match call.args.take_rest() {
        [] if is(sub, "HELP") => {
            Ok(Reply::Array(HELP.iter().map(|line| Reply::Status((*line).into())).collect()))
        }
        [] if is(sub, "CHANGE-REPL-ID") => {
            *call.shared().replication_id.lock() = Some(call.space().random_hex(40));
            Ok(Reply::OK)
        }
        [] if is(sub, "CHECKPOINT") => state::keep(call),
        words if is(sub, "CLOCK") => clock::clock(call, words),
        [] if is(sub, "DIGEST") => {
            let digest = digest::of_all(call.space(), call.held(), call.compat())?;
            Ok(Reply::Status(digest.into()))
        }
        names if is(sub, "DIGEST-VALUE") => {
            let digest = |name| {
                let key = call.key_ref(name);
                call.read(key, |view, key| {
                    Ok(digest::of_value(view.quiet().glance(key), view.now(), call.compat()))
                })
            };
            let digests = names.iter().map(|name| digest(name)).collect::<crate::Result<Vec<String>>>()?;
            Ok(Reply::Array(digests.into_iter().map(|digest| Reply::Status(digest.into())).collect()))
        }
        [text] if is(sub, "ERROR") => Err(ErrorReply::of_bytes(text.to_vec())),
        [text] if is(sub, "SLEEP") => {
            sleep(call, text);
            Ok(Reply::OK)
        }
        [text] if is(sub, "SET-ACTIVE-EXPIRE") => {
            // As C reads numbers: what is none is 0.
            call.space().set_active_expiry(text.iter().any(|digit| matches!(digit, b'1'..=b'9')));
            Ok(Reply::OK)
        }
        [name, more @ ..] if is(sub, "OBJECT") && object::takes(more, call.compat()) => {
            object::describe(call, name, more)
        }
        [count, more @ ..] if is(sub, "POPULATE") && more.len() <= 2 => populate(call, count, more),
        [kind] if is(sub, "PROTOCOL") => samples::sample(kind, call.session.protocol, call.compat()),
        #[cfg(feature = "testing")]
        words if is(sub, "FAULT") => fault::fault(call, words),
        options if is(sub, "RELOAD") => reload(call, options),
        [] if is(sub, "ROLLBACK") => state::roll_back(call),
        words if tuning::is_known(sub, words, call.compat()) => tuning::tune(sub, words),
        _ => Err(ErrorReply::new(format!(
            "ERR unknown subcommand or wrong number of arguments for '{}'. Try DEBUG HELP.",
            String::from_utf8_lossy(sub)
        ))),
    }
}

/// What the client asks for next waits. In Redis all clients would; to hold a server up, a test has its clock.
fn sleep(call: &mut Call<'_>, seconds: &[u8]) {
    let seconds = std::str::from_utf8(seconds).ok().and_then(|text| text.parse::<f64>().ok());
    let millis = seconds.filter(|seconds| *seconds > 0.0).map(|seconds| (seconds * 1_000.0).ceil() as u64);
    if let (Some(millis), false) = (millis, call.db().in_transaction()) {
        call.session.sleeps = Some(call.space().clock().now().saturating_add(millis));
    }
}

/// Makes keys that are not there yet, whose strings tell their numbers. Others may go on meanwhile. O(count)
fn populate(call: &Call<'_>, count: &Bytes, more: &[Bytes]) -> Answer {
    /// More there cannot be.
    const MOST: u64 = u32::MAX as u64;
    let positive = |word: &Bytes| {
        let number = number::parse_i64(word).and_then(|number| u64::try_from(number).ok());
        number.ok_or(ErrorReply::OUT_OF_RANGE)
    };
    let count = positive(count)?;
    let size = more.get(1).map(positive).transpose()?.unwrap_or(0);
    if count > MOST {
        return Err(ErrorReply::known("ERR OOM in dictTryExpand"));
    }
    let size = usize::try_from(size).ok().filter(|size| *size <= call.space().limits().value);
    let size = size.ok_or(Error::TooLong)?;
    let prefix = more.first().map_or(&b"key"[..], |prefix| shown_of(prefix, usize::MAX));
    for number in 0..count {
        if call.session.is_killed() {
            break;
        }
        let mut name = [prefix, b":", number.to_string().as_bytes()].concat();
        name.truncate(NAME);
        let mut value = format!("value:{number}").into_bytes();
        if size > 0 {
            value.resize(size, 0);
        }
        let (value, key) = (Bytes::from(value), call.db().key_ref(&name));
        call.write(key, |writer, key| {
            string::set_if(writer, key, value, &Condition::Absent, Deadline::Clear)
        })?;
    }
    Ok(Reply::OK)
}

fn reload(call: &Call<'_>, options: &[Bytes]) -> Answer {
    if !options.iter().all(|option| ["MERGE", "NOFLUSH", "NOSAVE"].iter().any(|known| is(option, known))) {
        return Err(ErrorReply::known(
            "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.",
        ));
    }
    if !options.is_empty() {
        return Err(ErrorReply::known(
            "ERR DEBUG RELOAD takes no options here: it reads what it has just written",
        ));
    }
    snapshot::reload(Store::of(Arc::clone(call.db().space())).space())?;
    Ok(Reply::OK)
}
