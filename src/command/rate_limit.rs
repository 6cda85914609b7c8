//! Rate limits: how often something may be done. Redis has no command for them; these are the atomic
//! steps that its users write as scripts.

use super::string;
use crate::key::KeyRef;
use crate::keyspace::writer::{Deadline, Writer};
use crate::text::number;
use crate::{Bytes, Error, Result};

const NANOS: u128 = 1_000_000;

/// What a limit said, in nanoseconds and in whole permits.
pub(crate) struct Verdict {
    pub allowed: bool,
    pub remaining: u64,
    /// How long to wait before it may be allowed; none if it never will.
    pub retry_after: Option<u128>,
    /// How long until the limit is as if nothing had been done.
    pub reset_after: u128,
}

/// A counter that starts anew with each window; the key lives for the window.
pub(crate) fn fixed_window(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    limit: u64,
    window: u64,
    cost: u64,
) -> Result<Verdict> {
    let now = writer.now();
    let used = match writer.find::<Bytes>(key)? {
        Some(used) => Some(number::parse_u64(&used).ok_or(Error::NotAnInteger)?),
        None => None,
    };
    let ends = match (used, writer.deadline(key)) {
        (Some(_), Some(deadline)) => deadline,
        _ => now.saturating_add(window),
    };
    let left = limit.saturating_sub(used.unwrap_or(0));
    let reset_after = u128::from(ends.saturating_sub(now)) * NANOS;
    if cost > left {
        let retry_after = (cost <= limit).then_some(reset_after);
        return Ok(Verdict { allowed: false, remaining: left, retry_after, reset_after });
    }
    let used = used.unwrap_or(0).saturating_add(cost);
    string::set(writer, key, number::decimal(used.into()), Deadline::At(ends))?;
    Ok(Verdict { allowed: true, remaining: limit.saturating_sub(used), retry_after: Some(0), reset_after })
}

/// The generic cell rate algorithm (ATM Forum, 1996): a bucket of `burst` permits that drains one each
/// `interval` nanoseconds. All it keeps is when the bucket will be empty again, and that is the
/// key's deadline; the value holds the nanoseconds that the deadline was rounded up by.
pub(crate) fn gcra(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    interval: u128,
    burst: u64,
    cost: u64,
) -> Result<Verdict> {
    let now = u128::from(writer.now()) * NANOS;
    let rounded = match writer.find::<Bytes>(key)? {
        Some(rounded) => u128::from(number::parse_u64(&rounded).ok_or(Error::NotAnInteger)?),
        None => 0,
    };
    let empty_at = match writer.deadline(key) {
        Some(deadline) => (u128::from(deadline) * NANOS).saturating_sub(rounded).max(now),
        None => now,
    };
    let capacity = interval.saturating_mul(burst.into());
    let asked = empty_at.saturating_add(interval.saturating_mul(cost.into()));
    let earliest = asked.saturating_sub(capacity);
    let remaining = |empty_at: u128| {
        let free = capacity.saturating_sub(empty_at - now).checked_div(interval).unwrap_or(0);
        u64::try_from(free).unwrap_or(u64::MAX)
    };
    if earliest > now {
        let retry_after = (cost <= burst).then_some(earliest - now);
        let (remaining, reset_after) = (remaining(empty_at), empty_at - now);
        return Ok(Verdict { allowed: false, remaining, retry_after, reset_after });
    }
    let ends = asked.div_ceil(NANOS);
    if asked > now {
        // The capacity is bounded by its constructor, so the deadline fits.
        let deadline = u64::try_from(ends).unwrap_or(i64::MAX as u64);
        let rounded = number::decimal((ends * NANOS - asked) as i128);
        string::set(writer, key, rounded, Deadline::At(deadline))?;
    }
    Ok(Verdict { allowed: true, remaining: remaining(asked), retry_after: Some(0), reset_after: asked - now })
}
