//! BLPOP, BLMOVE, BZPOPMIN and their kin: commands that wait until a key holds something.

use std::time::Duration;

use super::call::{Blocked, Call};
use super::list;
use super::row::flag::{BLOCKING, DENYOOM, FAST, MOVABLEKEYS, NOSCRIPT, WRITE};
use super::row::{Keys, Row, Run, container, counted};
use crate::Bytes;
use crate::command::blocking::{Attempt, Served};
use crate::reply::{ErrorReply, Reply};
use crate::text::long_double::LongDouble;
use crate::value::list::End;

const POP: u32 = WRITE | NOSCRIPT | BLOCKING;
const MULTI_POP: u32 = WRITE | BLOCKING | MOVABLEKEYS;

/// All but the last word, which is the timeout.
const BUT_LAST: Keys = Keys::range(1, -2, 1);
const TWO: Keys = Keys::range(1, 2, 1);
const NUMKEYS: Keys = Keys::Find { told: (0, 0, 0), find: |words| counted(words, 2) };

pub(super) const ROWS: &[Row] = &[
    waits("blmove", 6, POP | DENYOOM, TWO, lmove).since(6, 2),
    waits("blmovem", -6, WRITE | DENYOOM | BLOCKING, TWO, move_several).since(8, 10),
    waits("blmpop", -5, MULTI_POP, NUMKEYS, multi_pop).since(7, 0),
    waits("blpop", -3, POP, BUT_LAST, |call| pop(call, Attempt::Pop(End::Front, 1))).since(2, 0),
    waits("brpop", -3, POP, BUT_LAST, |call| pop(call, Attempt::Pop(End::Back, 1))).since(2, 0),
    waits("brpoplpush", 4, POP | DENYOOM, TWO, rpoplpush).since(2, 2),
    waits("bzmpop", -5, MULTI_POP, NUMKEYS, multi_pop_scored).since(7, 0),
    waits("bzpopmax", -3, POP | FAST, BUT_LAST, |call| pop(call, Attempt::PopScored(End::Back, 1)))
        .since(5, 0),
    waits("bzpopmin", -3, POP | FAST, BUT_LAST, |call| pop(call, Attempt::PopScored(End::Front, 1)))
        .since(5, 0),
];

/// A command that may wait.
pub(super) const fn waits(
    name: &'static str,
    arity: i32,
    flags: u32,
    keys: Keys,
    run: fn(&mut Call<'_>) -> Result<Blocked, ErrorReply>,
) -> Row {
    Row { arity, flags, keys, run: Run::Waits(run), ..container(name) }
}

/// BLPOP, BRPOP, BZPOPMIN, BZPOPMAX: the key, and the element or the member with its score, in one array.
fn pop(call: &mut Call<'_>, attempt: Attempt) -> Result<Blocked, ErrorReply> {
    let (seconds, keys) = call.args.take_rest().split_last().ok_or(ErrorReply::SYNTAX)?;
    let timeout = timeout(call, seconds)?;
    let served = |served| match served {
        Served::Elements(key, popped, _) => Reply::bulks(std::iter::once(key).chain(popped.into_taken())),
        Served::Scored(key, popped, _) => {
            let members = popped
                .into_vec()
                .into_iter()
                .flat_map(|(score, member)| [Reply::Bulk(member), Reply::Double(score)]);
            Reply::Array(std::iter::once(Reply::Bulk(key)).chain(members).collect())
        }
        other => each_by_itself(other),
    };
    Ok(Blocked { keys: keys.to_vec(), attempt, timeout, served, nothing: Reply::NilArray })
}

fn lmove(call: &mut Call<'_>) -> Result<Blocked, ErrorReply> {
    let (source, destination) = (call.args.next()?.clone(), call.args.next()?.clone());
    let (from, to) = (call.args.end(list::ENDS)?, call.args.end(list::ENDS)?);
    move_between(call, source, destination, from, to)
}

fn rpoplpush(call: &mut Call<'_>) -> Result<Blocked, ErrorReply> {
    let (source, destination) = (call.args.next()?.clone(), call.args.next()?.clone());
    move_between(call, source, destination, End::Back, End::Front)
}

fn move_between(
    call: &mut Call<'_>,
    source: Bytes,
    destination: Bytes,
    from: End,
    to: End,
) -> Result<Blocked, ErrorReply> {
    let seconds = call.args.next()?;
    let timeout = timeout(call, seconds)?;
    let attempt = Attempt::Move { from, to, destination };
    Ok(Blocked { keys: vec![source], attempt, timeout, served: each_by_itself, nothing: Reply::Nil })
}

fn move_several(call: &mut Call<'_>) -> Result<Blocked, ErrorReply> {
    let (source, destination) = (call.args.next()?.clone(), call.args.next()?.clone());
    let ends = [call.args.end(list::ENDS)?, call.args.end(list::ENDS)?];
    let seconds = call.args.next()?;
    let several = list::several(&mut call.args)?;
    let timeout = timeout(call, seconds)?;
    let attempt = Attempt::MoveSeveral { ends, several, destination };
    Ok(Blocked { keys: vec![source], attempt, timeout, served: each_by_itself, nothing: Reply::NilArray })
}

fn multi_pop(call: &mut Call<'_>) -> Result<Blocked, ErrorReply> {
    multi(call, list::ENDS, Attempt::Pop)
}

fn multi_pop_scored(call: &mut Call<'_>) -> Result<Blocked, ErrorReply> {
    multi(call, ["MIN", "MAX"], Attempt::PopScored)
}

/// BLMPOP, BZMPOP: the timeout comes first, and is read last.
fn multi(
    call: &mut Call<'_>,
    ends: [&str; 2],
    attempt: fn(End, usize) -> Attempt,
) -> Result<Blocked, ErrorReply> {
    let seconds = call.args.next()?;
    let (keys, end, count) = call.args.multi_pop(ends)?;
    let (timeout, attempt) = (timeout(call, seconds)?, attempt(end, count));
    Ok(Blocked { keys: keys.to_vec(), attempt, timeout, served: each_by_itself, nothing: Reply::NilArray })
}

/// The key and an array of what came of it, members with their scores in arrays of their own; what was moved
/// by itself.
fn each_by_itself(served: Served) -> Reply {
    match served {
        Served::Elements(key, popped, _) => {
            Reply::Array(vec![Reply::Bulk(key), Reply::bulks(popped.into_taken())])
        }
        Served::Scored(key, popped, _) => {
            let members = popped
                .into_vec()
                .into_iter()
                .map(|(score, member)| Reply::Array(vec![Reply::Bulk(member), Reply::Double(score)]));
            Reply::Array(vec![Reply::Bulk(key), Reply::Array(members.collect())])
        }
        Served::Moved(element) => Reply::Bulk(element),
        Served::MovedSeveral(elements) => Reply::bulks(elements),
        // That is not what these commands wait for.
        Served::Entries(_) | Served::Gone(_) | Served::Refused | Served::Unblocked => Reply::Nil,
        #[cfg(feature = "server")]
        Served::Told(_) => Reply::Nil,
    }
}

/// How long a command is to wait, given in seconds; `None` for ever.
fn timeout(call: &Call<'_>, seconds: &[u8]) -> Result<Option<Duration>, ErrorReply> {
    const BEYOND: ErrorReply = ErrorReply::known("ERR timeout is out of range");
    const NEGATIVE: ErrorReply = ErrorReply::known("ERR timeout is negative");
    let seconds =
        LongDouble::parse(seconds).ok_or(ErrorReply::known("ERR timeout is not a float or out of range"))?;
    let millis = seconds.thousandfold();
    if millis < 0 {
        return Err(NEGATIVE);
    }
    // Up to 7.0 what was too large for a number overflowed.
    let overflows = call.compat().redis() < (7, 2);
    let millis = i64::try_from(millis).map_err(|_| if overflows { NEGATIVE } else { BEYOND })?;
    let end = millis.checked_add_unsigned(call.time().wall());
    if millis > 0 && end.is_none() && !overflows {
        return Err(BEYOND);
    }
    Ok((millis > 0).then(|| Duration::from_millis(millis.unsigned_abs())))
}
