//! INCREX: a number increased within bounds, with its deadline.

use std::cmp::Ordering;

use crate::clock::NEVER;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::writer::{Deadline, Writer};
use crate::text::long_double::LongDouble;
use crate::text::number;
use crate::value::Value;
use crate::{Bytes, Error, Result};

/// By how much, and between which bounds.
pub(crate) enum Step {
    Integer { by: i64, lower: i64, upper: i64 },
    Float { by: LongDouble, lower: Option<LongDouble>, upper: Option<LongDouble> },
}

/// A number as INCREX counts.
#[derive(Clone, Copy)]
pub(crate) enum Number {
    Integer(i64),
    Float(LongDouble),
}

/// What becomes of a result that lies outside the bounds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Beyond {
    /// Nothing is changed.
    Declined,
    /// The bound is taken in its place.
    Saturated,
}

/// When the key is given its deadline.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExpireWhen {
    Always,
    /// If it has none (ENX).
    Forever,
}

/// INCREX: the number that the key holds now, and what was added to it. A missing key counts as 0, and stays
/// missing if the result is declined. O(1)
///
/// # Errors
/// [`Error::WrongType`], [`Error::NotAnInteger`], [`Error::NotAFloat`]; [`Error::Invalid`] if what is added cannot
/// be told.
pub(crate) fn increase_within(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    step: &Step,
    beyond: Beyond,
    deadline: Deadline,
    when: ExpireWhen,
) -> Result<[Number; 2]> {
    let old = writer.find::<Bytes>(key)?.map(|string| string.to_bytes());
    let old = old.as_deref().unwrap_or(b"0");
    let (new, applied, text, event) = match step {
        Step::Integer { by, lower, upper } => {
            let old = number::parse_i64(old).ok_or(Error::NotAnInteger)?;
            let Some((new, applied)) = add(old, *by, (*lower, *upper), beyond)? else {
                return Ok([Number::Integer(old), Number::Integer(0)]);
            };
            let text = number::decimal(new.into());
            (Number::Integer(new), Number::Integer(applied), text, KeyEvent::IncrBy)
        }
        Step::Float { by, lower, upper } => {
            const INFINITE: Error = Error::Invalid("value or increment would produce Infinity");
            let old = LongDouble::parse(old).ok_or(Error::NotAFloat)?;
            if !old.is_finite() || !by.is_finite() {
                return Err(INFINITE);
            }
            let Some((new, applied)) = add_float(&old, by, lower.as_ref(), upper.as_ref(), beyond)? else {
                return Ok([Number::Float(old), Number::Float(LongDouble::ZERO)]);
            };
            (Number::Float(new), Number::Float(applied), Bytes::from(new.to_human()), KeyEvent::IncrByFloat)
        }
    };
    let has_deadline = writer.deadline(key).is_some_and(|deadline| deadline != NEVER);
    let deadline = if when == ExpireWhen::Forever && has_deadline { Deadline::Keep } else { deadline };
    writer.set(key, Value::String(text), deadline, event)?;
    Ok([new, applied])
}

fn add(old: i64, by: i64, (lower, upper): (i64, i64), beyond: Beyond) -> Result<Option<(i64, i64)>> {
    let sum = i128::from(old) + i128::from(by);
    let within = sum.clamp(lower.into(), upper.max(lower).into());
    if sum != within && beyond == Beyond::Declined {
        return Ok(None);
    }
    let applied = i64::try_from(within - i128::from(old));
    let applied = applied.map_err(|_| Error::Invalid("applied increment would overflow"))?;
    // It lies between two of them.
    Ok(i64::try_from(within).ok().map(|new| (new, applied)))
}

fn add_float(
    old: &LongDouble,
    by: &LongDouble,
    lower: Option<&LongDouble>,
    upper: Option<&LongDouble>,
    beyond: Beyond,
) -> Result<Option<(LongDouble, LongDouble)>> {
    let sum = old.checked_add(by);
    let is_beyond = |bound: &LongDouble, side| match &sum {
        Some(sum) => sum.compare(bound) == side,
        None => by.is_negative() == (side == Ordering::Less),
    };
    let lower = lower.filter(|bound| is_beyond(bound, Ordering::Less));
    let bound = lower.or(upper.filter(|bound| is_beyond(bound, Ordering::Greater)));
    let new = match (sum, bound) {
        (Some(sum), None) => sum,
        _ if beyond == Beyond::Declined => return Ok(None),
        (_, Some(bound)) => *bound,
        (None, None) => LongDouble::largest(by.is_negative()),
    };
    let applied = new.checked_add(&old.negated());
    Ok(Some((new, applied.ok_or(Error::Invalid("applied increment would be Infinity"))?)))
}
