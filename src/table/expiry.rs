//! EXPIRE, TTL, PERSIST and their kin.

use super::args::{Args, is};
use super::call::{Answer, Call, Unit};
use super::row::flag::{FAST, READONLY, WRITE};
use super::row::{Keys, Row, row};
use crate::clock::NEVER;
use crate::command::keys::{self, ExpireIf};
use crate::reply::{ErrorReply, Reply};

pub(super) const ROWS: &[Row] = &[
    row("expire", -3, WRITE | FAST, Keys::ONE, |call| expire(call, Unit::Seconds)),
    row("expireat", -3, WRITE | FAST, Keys::ONE, |call| expire(call, Unit::Time)).since(1, 2),
    row("expiretime", 2, READONLY | FAST, Keys::ONE, |call| ttl(call, Unit::Time)).since(7, 0),
    row("persist", 2, WRITE | FAST, Keys::ONE, persist).since(2, 2),
    row("pexpire", -3, WRITE | FAST, Keys::ONE, |call| expire(call, Unit::Millis)).since(2, 6),
    row("pexpireat", -3, WRITE | FAST, Keys::ONE, |call| expire(call, Unit::TimeMillis)).since(2, 6),
    row("pexpiretime", 2, READONLY | FAST, Keys::ONE, |call| ttl(call, Unit::TimeMillis)).since(7, 0),
    row("pttl", 2, READONLY | FAST, Keys::ONE, |call| ttl(call, Unit::Millis)).since(2, 6),
    row("ttl", 2, READONLY | FAST, Keys::ONE, |call| ttl(call, Unit::Seconds)),
];

/// Sets a deadline. One that has passed removes the key, if the conditions hold.
fn expire(call: &mut Call<'_>, unit: Unit) -> Answer {
    let (key, mut amount) = (call.key()?, call.args);
    call.args.next()?;
    let conditions = conditions(&mut call.args)?;
    let amount = amount.integer()?;
    let time = call.time();
    // Redis holds the wall time of each deadline; one that has passed may be as long ago as it likes.
    let wall = unit.millis(amount).and_then(|millis| {
        if unit.is_time() { Some(millis) } else { millis.checked_add_unsigned(time.wall()) }
    });
    let wall = wall.ok_or_else(|| call.invalid_expire())?;
    let deadline = time.moment_of(u64::try_from(wall).unwrap_or(0));
    let done = call.write(key, |writer, key| Ok(keys::expire_if_all(writer, key, deadline, &conditions)))?;
    Ok(Reply::flag(done))
}

/// NX, XX, GT, LT, of which some go together.
pub(super) fn conditions(args: &mut Args<'_>) -> Result<Vec<ExpireIf>, ErrorReply> {
    let mut conditions = Vec::new();
    while let Some(word) = args.take() {
        let known = [
            ("NX", ExpireIf::Forever),
            ("XX", ExpireIf::Expiring),
            ("GT", ExpireIf::Later),
            ("LT", ExpireIf::Earlier),
        ];
        let found = known.into_iter().find(|(name, _)| is(word, name));
        let (_, condition) = found.ok_or_else(|| {
            ErrorReply::new(format!("ERR Unsupported option {}", String::from_utf8_lossy(word)))
        })?;
        conditions.push(condition);
    }
    let has = |condition| conditions.contains(&condition);
    let (later, earlier) = (has(ExpireIf::Later), has(ExpireIf::Earlier));
    if has(ExpireIf::Forever) && (has(ExpireIf::Expiring) || later || earlier) {
        return Err(ErrorReply::known("ERR NX and XX, GT or LT options at the same time are not compatible"));
    }
    if later && earlier {
        return Err(ErrorReply::known("ERR GT and LT options at the same time are not compatible"));
    }
    // No deadline at all counts as never: so nothing is later, and GT alone asks for a deadline too.
    Ok(conditions)
}

/// The time left, or the time of the deadline: -1 without one, -2 without a key.
fn ttl(call: &mut Call<'_>, unit: Unit) -> Answer {
    let key = call.key()?;
    let time = call.time();
    let millis = match call.read(key, |view, key| Ok(keys::deadline(view, key)))? {
        None => return Ok(Reply::Integer(-2)),
        Some(NEVER) => return Ok(Reply::Integer(-1)),
        Some(deadline) if unit.is_time() => time.wall_of(deadline),
        Some(deadline) => deadline.saturating_sub(time.now()),
    };
    let shown = match unit {
        Unit::Millis | Unit::TimeMillis => millis,
        Unit::Seconds | Unit::Time => millis.saturating_add(500) / 1000,
    };
    Ok(Reply::Integer(i64::try_from(shown).unwrap_or(i64::MAX)))
}

fn persist(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    Ok(Reply::flag(call.write(key, |writer, key| Ok(keys::persist(writer, key)))?))
}
