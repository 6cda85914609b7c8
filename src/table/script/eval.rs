//! EVAL, EVALSHA, FCALL, and those that only read.

use std::sync::Arc;

use crate::Bytes;
use crate::keyspace::transaction::Transaction;
use crate::reply::ErrorReply;
use crate::script::{Given, Which};
use crate::table::call::{Answer, Call};
use crate::table::session::Session;
use crate::text::number::parse_i64;

pub(super) fn eval(call: &mut Call<'_>) -> Answer {
    text(call, false)
}

pub(super) fn eval_ro(call: &mut Call<'_>) -> Answer {
    text(call, true)
}

pub(super) fn evalsha(call: &mut Call<'_>) -> Answer {
    sha(call, false)
}

pub(super) fn evalsha_ro(call: &mut Call<'_>) -> Answer {
    sha(call, true)
}

pub(super) fn fcall(call: &mut Call<'_>) -> Answer {
    function(call, false)
}

pub(super) fn fcall_ro(call: &mut Call<'_>) -> Answer {
    function(call, true)
}

fn text(call: &mut Call<'_>, read_only: bool) -> Answer {
    let words = words(call);
    let text = call.args.next()?;
    let (keys, args) = given(call, ErrorReply::NOT_AN_INTEGER)?;
    let given = Given { keys, args, read_only, words };
    run(call, |part| eval_in(part, &Which::Text(text), given))
}

fn sha(call: &mut Call<'_>, read_only: bool) -> Answer {
    let words = words(call);
    let sha = call.args.next()?;
    // What is no SHA1 is looked for before all else.
    if sha.len() != 40 {
        return Err(super::no_script(call.compat()));
    }
    let (keys, args) = given(call, ErrorReply::NOT_AN_INTEGER)?;
    let given = Given { keys, args, read_only, words };
    run(call, |part| eval_in(part, &Which::Sha(sha), given))
}

fn function(call: &mut Call<'_>, read_only: bool) -> Answer {
    let words = words(call);
    let name = call.args.next()?;
    if !call.shared().scripts.has_function(call.session, name) {
        return Err(ErrorReply::known("ERR Function not found"));
    }
    let (keys, args) = given(call, ErrorReply::known("ERR Bad number of keys provided"))?;
    let given = Given { keys, args, read_only, words };
    run(call, |part| call_in(part, name, given))
}

/// All words of the command, which others may be told while it runs.
fn words(call: &Call<'_>) -> Vec<Bytes> {
    std::iter::once(Bytes::from(call.name)).chain(call.args.rest().iter().cloned()).collect()
}

/// A number of keys, those, and what follows them.
fn given<'c>(call: &mut Call<'c>, no_number: ErrorReply) -> Result<(&'c [Bytes], &'c [Bytes]), ErrorReply> {
    let count = parse_i64(call.args.next()?).ok_or(no_number)?;
    let words = call.args.take_rest();
    if count < 0 {
        return Err(ErrorReply::known("ERR Number of keys can't be negative"));
    }
    let split = usize::try_from(count).ok().and_then(|count| words.split_at_checked(count));
    split.ok_or(ErrorReply::known("ERR Number of keys can't be greater than number of args"))
}

/// Runs a task with all held, in a session that is part of the caller's.
fn run(call: &mut Call<'_>, task: impl FnOnce(Session) -> Answer) -> Answer {
    let session = &*call.session;
    if let Some(transaction) = session.db().transaction() {
        return task(session.part(transaction));
    }
    let space = Arc::clone(session.db().space());
    let ran = Transaction::run_exclusive(&space, &[], |transaction| task(session.part(transaction)));
    // It watches nothing that could have changed.
    ran?.unwrap_or_else(|| Err(ErrorReply::known("ERR the script was not run")))
}

fn eval_in(part: Session, which: &Which<'_>, given: Given<'_>) -> Answer {
    let part = with_keys(part, &given);
    let space = Arc::clone(part.db().space());
    space.shared().scripts.eval(part, which, given)
}

fn call_in(part: Session, name: &[u8], given: Given<'_>) -> Answer {
    let part = with_keys(part, &given);
    let space = Arc::clone(part.db().space());
    space.shared().scripts.call(part, name, given)
}

/// The part, which knows what its script has declared.
#[cfg(feature = "testing")]
fn with_keys(mut part: Session, given: &Given<'_>) -> Session {
    part.declare(given.keys, &given.words);
    part
}

#[cfg(not(feature = "testing"))]
fn with_keys(part: Session, _: &Given<'_>) -> Session {
    part
}
