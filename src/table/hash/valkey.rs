//! The words of HEXPIRE, HTTL, HGETEX and their kin as Valkey reads them: it has taken the commands over, with
//! errors of its own.

use crate::Bytes;
use crate::command::hash::FieldsIf;
use crate::command::keys::ExpireIf;
use crate::keyspace::writer::Deadline;
use crate::reply::ErrorReply;
use crate::table::args::{Args, is};
use crate::table::call::{Call, Unit};
use crate::table::expiry::conditions;
use crate::text::number;

const NUMFIELDS: ErrorReply =
    ErrorReply::known("ERR numfields should be greater than 0 and match the provided number of fields");

/// The deadline of HEXPIRE and its kin, the conditions, and the fields.
pub(super) fn expire<'c>(
    call: &mut Call<'c>,
    unit: Unit,
) -> Result<(u64, Vec<ExpireIf>, &'c [Bytes]), ErrorReply> {
    let amount = call.args.next()?;
    let (mut options, fields) = before_fields(call.args.take_rest())?;
    let conditions = conditions(&mut options)?;
    let fields = counted(fields, 1, NUMFIELDS)?;
    Ok((deadline(call, unit, amount)?, conditions, fields))
}

fn fields<'c>(call: &mut Call<'c>, mismatch: ErrorReply) -> Result<&'c [Bytes], ErrorReply> {
    if !call.args.keyword("FIELDS") {
        return Err(ErrorReply::SYNTAX);
    }
    counted(call.args, 1, mismatch)
}

/// The fields of HTTL and its kin.
pub(super) fn fields_of_deadlines<'c>(call: &mut Call<'c>) -> Result<&'c [Bytes], ErrorReply> {
    fields(call, ErrorReply::SYNTAX)
}

/// The fields of HPERSIST and HGETDEL.
pub(super) fn fields_of_values<'c>(call: &mut Call<'c>) -> Result<&'c [Bytes], ErrorReply> {
    fields(call, NUMFIELDS)
}

/// What HGETEX and HSETEX are told.
#[derive(Default)]
pub(super) struct Options<'c> {
    /// A unit, and so many of it.
    expiry: Option<(Unit, &'c Bytes)>,
    /// KEEPTTL, or PERSIST.
    is_kept_or_cleared: bool,
    pub fields_if: FieldsIf,
    /// Whether there must be such a key, or must not.
    pub key_exists: Option<bool>,
    /// With their values behind them, if they are to be set.
    pub fields: &'c [Bytes],
}

impl<'c> Options<'c> {
    /// Those of HSETEX, which `sets`, or HGETEX.
    pub(super) fn parse(call: &mut Call<'c>, sets: bool) -> Result<Self, ErrorReply> {
        let (mut words, fields) = before_fields(call.args.take_rest())?;
        let mut options = Options::default();
        while let Some(word) = words.take() {
            options.add(word, &mut words, sets)?;
        }
        options.fields = counted(fields, if sets { 2 } else { 1 }, NUMFIELDS)?;
        Ok(options)
    }

    fn add(&mut self, word: &[u8], args: &mut Args<'c>, sets: bool) -> Result<(), ErrorReply> {
        if let Some(unit) = Unit::from_keyword(word) {
            if self.is_kept_or_cleared || self.expiry.is_some_and(|(other, _)| other != unit) {
                return Err(ErrorReply::SYNTAX);
            }
            self.expiry = Some((unit, args.next()?));
        } else if is(word, if sets { "KEEPTTL" } else { "PERSIST" }) && self.expiry.is_none() {
            self.is_kept_or_cleared = true;
        } else if sets && is(word, "FNX") && self.fields_if != FieldsIf::Present {
            self.fields_if = FieldsIf::Absent;
        } else if sets && is(word, "FXX") && self.fields_if != FieldsIf::Absent {
            self.fields_if = FieldsIf::Present;
        } else if sets && is(word, "NX") && self.key_exists != Some(true) {
            self.key_exists = Some(false);
        } else if sets && is(word, "XX") && self.key_exists != Some(false) {
            self.key_exists = Some(true);
        } else {
            return Err(ErrorReply::SYNTAX);
        }
        Ok(())
    }

    /// What becomes of the fields' deadlines; what is given as a time is read only now.
    pub(super) fn deadline(&self, call: &Call<'_>, sets: bool) -> Result<Deadline, ErrorReply> {
        Ok(match self.expiry {
            Some((unit, amount)) => Deadline::At(deadline(call, unit, amount)?),
            None if self.is_kept_or_cleared == sets => Deadline::Keep,
            None => Deadline::Clear,
        })
    }
}

/// What stands in front of the word FIELDS, which there must be, and what behind it.
fn before_fields(words: &[Bytes]) -> Result<(Args<'_>, Args<'_>), ErrorReply> {
    let mut parts = words.splitn(2, |word| is(word, "FIELDS"));
    let (before, behind) = (parts.next().unwrap_or_default(), parts.next().ok_or(NUMFIELDS)?);
    Ok((Args::new(before), Args::new(behind)))
}

/// A number, and so many fields of so many words each to the end.
fn counted<'c>(mut args: Args<'c>, words: usize, mismatch: ErrorReply) -> Result<&'c [Bytes], ErrorReply> {
    let Some(count) = args.take() else { return Err(mismatch) };
    let count = number::parse_i64(count).ok_or(ErrorReply::NOT_AN_INTEGER)?;
    let words = usize::try_from(count).ok().and_then(|count| count.checked_mul(words));
    if count <= 0 || words != Some(args.len()) {
        return Err(mismatch);
    }
    Ok(args.take_rest())
}

/// A time, which may be now or have passed.
fn deadline(call: &Call<'_>, unit: Unit, amount: &[u8]) -> Result<u64, ErrorReply> {
    let amount = number::parse_i64(amount).ok_or(ErrorReply::NOT_AN_INTEGER)?;
    let time = call.time();
    let wall = time.wall();
    let millis = unit.millis(amount).filter(|_| amount >= 0);
    let at =
        if unit.is_time() { millis } else { millis.and_then(|millis| millis.checked_add_unsigned(wall)) };
    let ahead = at.ok_or_else(|| call.invalid_expire())?.unsigned_abs().saturating_sub(wall);
    Ok(if ahead == 0 { 0 } else { time.now().saturating_add(ahead) })
}
