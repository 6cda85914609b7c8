//! INCREX: INCRBY and INCRBYFLOAT within bounds, and with a deadline.

use super::args::is;
use super::call::{Answer, Call, Unit};
use super::row::flag::{DENYOOM, FAST, WRITE};
use super::row::{Keys, Row, row};
use crate::Bytes;
use crate::command::increase::{self, Beyond, ExpireWhen, Number, Step};
use crate::keyspace::writer::Deadline;
use crate::reply::{ErrorReply, Reply};
use crate::text::long_double::LongDouble;
use crate::text::number;

pub(super) const ROWS: &[Row] =
    &[row("increx", -2, WRITE | DENYOOM | FAST, Keys::ONE, increase_within).since(8, 8)];

/// Its words, each of which may stand there once.
#[derive(Default)]
struct Options<'c> {
    /// Whether it is a whole number, and the number.
    by: Option<(bool, &'c Bytes)>,
    lower: Option<&'c Bytes>,
    upper: Option<&'c Bytes>,
    saturates: bool,
    expiry: Option<(Unit, &'c Bytes)>,
    persists: bool,
    only_without: bool,
}

impl<'c> Options<'c> {
    fn parse(call: &mut Call<'c>) -> Result<Self, ErrorReply> {
        let mut options = Options::default();
        while let Some(word) = call.args.take() {
            if (is(word, "BYINT") || is(word, "BYFLOAT")) && options.by.is_none() {
                options.by = Some((is(word, "BYINT"), call.args.next()?));
            } else if is(word, "LBOUND") && options.lower.is_none() {
                options.lower = Some(call.args.next()?);
            } else if is(word, "UBOUND") && options.upper.is_none() {
                options.upper = Some(call.args.next()?);
            } else if is(word, "SATURATE") && !options.saturates {
                options.saturates = true;
            } else if is(word, "ENX") && !options.only_without && !options.persists {
                options.only_without = true;
            } else if is(word, "PERSIST") && !options.expires() && !options.only_without {
                options.persists = true;
            } else {
                let unit = Unit::from_keyword(word).filter(|_| !options.expires());
                options.expiry = Some((unit.ok_or(ErrorReply::SYNTAX)?, call.args.next()?));
            }
        }
        if options.only_without && options.expiry.is_none() {
            return Err(ErrorReply::known("ERR ENX flag requires an expiration"));
        }
        Ok(options)
    }

    fn expires(&self) -> bool {
        self.expiry.is_some() || self.persists
    }

    fn step(&self) -> Result<Step, ErrorReply> {
        const CROSSED: ErrorReply = ErrorReply::known("ERR LBOUND can't be greater than UBOUND");
        if let Some((false, by)) = self.by {
            let by = float("Increment", by)?;
            let lower = self.lower.map(|bound| float("LBOUND", bound)).transpose()?;
            let upper = self.upper.map(|bound| float("UBOUND", bound)).transpose()?;
            // Where none is given, the largest finite number is one.
            let least = lower.unwrap_or(LongDouble::largest(true));
            let is_crossed = least.compare(&upper.unwrap_or(LongDouble::largest(false))).is_gt();
            return if is_crossed { Err(CROSSED) } else { Ok(Step::Float { by, lower, upper }) };
        }
        let by = self.by.map_or(Ok(1), |(_, by)| integer("Increment", by))?;
        let lower = self.lower.map_or(Ok(i64::MIN), |bound| integer("LBOUND", bound))?;
        let upper = self.upper.map_or(Ok(i64::MAX), |bound| integer("UBOUND", bound))?;
        if lower > upper { Err(CROSSED) } else { Ok(Step::Integer { by, lower, upper }) }
    }
}

fn integer(what: &str, text: &[u8]) -> Result<i64, ErrorReply> {
    let error = || ErrorReply::new(format!("ERR {what} is not an integer or out of range"));
    number::parse_i64(text).ok_or_else(error)
}

fn float(what: &str, text: &[u8]) -> Result<LongDouble, ErrorReply> {
    LongDouble::parse(text).ok_or_else(|| ErrorReply::new(format!("ERR {what} is not a valid float")))
}

fn increase_within(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let options = Options::parse(call)?;
    let step = options.step()?;
    let deadline = match options.expiry {
        Some((unit, amount)) => {
            call.deadline(number::parse_i64(amount).ok_or(ErrorReply::NOT_AN_INTEGER)?, unit)?
        }
        None if options.persists => Deadline::Clear,
        None => Deadline::Keep,
    };
    let beyond = if options.saturates { Beyond::Saturated } else { Beyond::Declined };
    let when = if options.only_without { ExpireWhen::Forever } else { ExpireWhen::Always };
    let told =
        call.write(key, |writer, key| increase::increase_within(writer, key, &step, beyond, deadline, when))?;
    Ok(Reply::Array(told.into_iter().map(reply).collect()))
}

fn reply(number: Number) -> Reply {
    match number {
        Number::Integer(number) => Reply::Integer(number),
        Number::Float(number) => Reply::Double(number.to_f64()),
    }
}
