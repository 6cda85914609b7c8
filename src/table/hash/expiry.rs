//! HEXPIRE, HTTL, HGETEX and their kin: fields that expire.
//!
//! Up to 8.2 Redis wants the words in one order, later ones find `FIELDS` anywhere, with errors of their own.

use super::{insert, pairs, valkey};
use crate::Bytes;
use crate::clock::NEVER;
use crate::command::hash::{self, FieldExpiry, FieldsIf, LAST_EXPIRY};
use crate::command::keys::ExpireIf;
use crate::key::KeyRef;
use crate::keyspace::writer::Deadline;
use crate::reply::{ErrorReply, Reply};
use crate::table::args::{Args, is};
use crate::table::call::{Answer, Call, Unit};
use crate::table::pieces::Form;
use crate::table::row::Compat;
use crate::text::number;
use crate::value::hash::Hash;

const MISPLACED: ErrorReply =
    ErrorReply::known("ERR Mandatory argument FIELDS is missing or not at the right position");
const MISSING: ErrorReply = ErrorReply::known("ERR missing FIELDS argument");
const TWICE: ErrorReply = ErrorReply::known("ERR FIELDS keyword specified multiple times");
const TOO_FEW: ErrorReply = ErrorReply::known("ERR wrong number of arguments");
const MISMATCH: ErrorReply =
    ErrorReply::known("ERR The `numfields` parameter must match the number of arguments");

const NOT_POSITIVE: &str = "ERR Number of fields must be a positive integer";
const NOT_ABOVE_ZERO: &str = "ERR Parameter `numFields` should be greater than 0";
const NO_NUMBER: &str = "ERR invalid number of fields";

pub(super) fn expire(call: &mut Call<'_>) -> Answer {
    expire_in(call, Unit::Seconds)
}

pub(super) fn expire_millis(call: &mut Call<'_>) -> Answer {
    expire_in(call, Unit::Millis)
}

pub(super) fn expire_at(call: &mut Call<'_>) -> Answer {
    expire_in(call, Unit::Time)
}

pub(super) fn expire_at_millis(call: &mut Call<'_>) -> Answer {
    expire_in(call, Unit::TimeMillis)
}

fn expire_in(call: &mut Call<'_>, unit: Unit) -> Answer {
    let key = call.key()?;
    let (deadline, conditions, fields) = if is_valkey(call) {
        valkey::expire(call, unit)?
    } else {
        let (deadline, condition, fields) =
            expire_options(call, unit).map_err(|error| type_first(call, key, error))?;
        (deadline, vec![condition], fields)
    };
    let expired = call.write(key, |writer, key| hash::expire(writer, key, fields, deadline, &conditions))?;
    let number = |expired| match expired {
        FieldExpiry::Missing => -2,
        FieldExpiry::ConditionNotMet => 0,
        FieldExpiry::Set => 1,
        FieldExpiry::Removed => 2,
    };
    Ok(Reply::Array(expired.into_iter().map(|expired| Reply::Integer(number(expired))).collect()))
}

/// The deadline, its condition and the fields.
fn expire_options<'c>(call: &mut Call<'c>, unit: Unit) -> Result<(u64, ExpireIf, &'c [Bytes]), ErrorReply> {
    let deadline = field_deadline(call, unit)?;
    if !finds_fields(call) {
        let condition = call.args.peek().and_then(|word| condition(word));
        if condition.is_some() {
            call.args.next()?;
        }
        return Ok((deadline, condition.unwrap_or_default(), fields(&mut call.args, NOT_ABOVE_ZERO)?));
    }
    let (mut conditions, mut fields) = (Vec::new(), None);
    while let Some(word) = call.args.take() {
        if is(word, "FIELDS") {
            if fields.is_some() {
                return Err(TWICE);
            }
            if call.args.len() < 2 {
                const NONE: &str = "ERR FIELDS requires at least numfields and one field argument";
                return Err(ErrorReply::known(NONE));
            }
            let count = count(&mut call.args, i32::MAX.into(), NOT_ABOVE_ZERO)?;
            fields = Some(call.args.take_many(count).map_err(|_| TOO_FEW)?);
        } else {
            conditions.push(condition(word).ok_or_else(|| unknown(word))?);
        }
    }
    let fields = fields.ok_or(MISSING)?;
    let condition = conditions.first().copied().unwrap_or_default();
    if conditions.iter().any(|other| *other != condition) {
        return Err(ErrorReply::known("ERR Multiple condition flags specified"));
    }
    Ok((deadline, condition, fields))
}

fn condition(word: &[u8]) -> Option<ExpireIf> {
    let named = [
        ("NX", ExpireIf::Forever),
        ("XX", ExpireIf::Expiring),
        ("GT", ExpireIf::Later),
        ("LT", ExpireIf::Earlier),
    ];
    named.into_iter().find_map(|(name, condition)| is(word, name).then_some(condition))
}

pub(super) fn ttl(call: &mut Call<'_>) -> Answer {
    deadlines(call, Unit::Seconds)
}

pub(super) fn ttl_millis(call: &mut Call<'_>) -> Answer {
    deadlines(call, Unit::Millis)
}

pub(super) fn time(call: &mut Call<'_>) -> Answer {
    deadlines(call, Unit::Time)
}

pub(super) fn time_millis(call: &mut Call<'_>) -> Answer {
    deadlines(call, Unit::TimeMillis)
}

/// The fields' deadlines in this unit, -1 for a field without and -2 for none; seconds are rounded up.
fn deadlines(call: &mut Call<'_>, unit: Unit) -> Answer {
    let key = call.key()?;
    let fields = match is_valkey(call) {
        true => valkey::fields_of_deadlines(call)?,
        false => fields(&mut call.args, NOT_POSITIVE).map_err(|error| type_first(call, key, error))?,
    };
    let found = call.read(key, |view, key| hash::deadlines(view, key, fields))?;
    let time = call.time();
    let now = time.now();
    let number = |deadline: Option<u64>| match deadline {
        None => -2,
        Some(NEVER) => -1,
        Some(deadline) => {
            let millis = if unit.is_time() { time.wall_of(deadline) } else { deadline.saturating_sub(now) };
            let number = match unit {
                Unit::Seconds | Unit::Time => millis.div_ceil(1000),
                Unit::Millis | Unit::TimeMillis => millis,
            };
            i64::try_from(number).unwrap_or(i64::MAX)
        }
    };
    Ok(Reply::Array(found.into_iter().map(|deadline| Reply::Integer(number(deadline))).collect()))
}

/// HPERSIST: 1 for each field that had a deadline, -1 for one that had none, -2 for no field.
pub(super) fn persist(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let fields = fields_of_values(call, key)?;
    let old = call.write(key, |writer, key| hash::persist(writer, key, fields))?;
    let number = |old: Option<u64>| match old {
        None => -2,
        Some(NEVER) => -1,
        Some(_) => 1,
    };
    Ok(Reply::Array(old.into_iter().map(|old| Reply::Integer(number(old))).collect()))
}

pub(super) fn get_and_delete(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let fields = fields_of_values(call, key)?;
    let taken = call.write(key, |writer, key| hash::take(writer, key, fields))?;
    call.strings(Form::Array, taken.len(), taken.into_iter().map(|taken| Some(taken?.value)))
}

pub(super) fn get_and_expire(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let Options { deadline, fields, .. } = if is_valkey(call) {
        valkey_options(call, key)?
    } else {
        let options = if finds_fields(call) { options(call, false) } else { get_options(call) };
        options.map_err(|error| type_first(call, key, error))?
    };
    let deadline = match deadline {
        Deadline::Keep => {
            let values = call.look(key, |view, key| hash::get_many(view, key, fields))?;
            return call.strings(Form::Array, values.len(), values);
        }
        Deadline::Clear => NEVER,
        Deadline::At(deadline) => deadline,
    };
    let values = call.write(key, |writer, key| hash::get_and_expire(writer, key, fields, deadline))?;
    call.strings(Form::Array, values.len(), values)
}

pub(super) fn set_and_expire(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    if is_valkey(call) {
        let options = valkey::Options::parse(call, true)?;
        let pairs = pairs(options.fields);
        let deadline = options.deadline(call, true);
        // The key comes first, and a time is read last.
        let new = call.write(key, |writer, key| {
            let exists = writer.find::<Hash>(key)?.is_some();
            if options.key_exists.is_some_and(|wanted| wanted != exists) {
                return Ok(Ok(None));
            }
            match deadline {
                Ok(deadline) => hash::insert(writer, key, pairs, options.fields_if, deadline).map(Ok),
                Err(error) => Ok(Err(error)),
            }
        })?;
        return Ok(Reply::flag(new?.is_some()));
    }
    let Options { deadline, condition, fields } = options(call, true)?;
    Ok(Reply::flag(insert(call, key, fields, condition, deadline)?.is_some()))
}

/// What HGETEX and HSETEX are told besides the key.
struct Options<'c> {
    deadline: Deadline,
    condition: FieldsIf,
    /// With their values behind them, if they are to be set.
    fields: &'c [Bytes],
}

/// Those of HGETEX in Valkey, which looks at the key before it reads a time.
fn valkey_options<'c>(call: &mut Call<'c>, key: KeyRef<'_>) -> Result<Options<'c>, ErrorReply> {
    let options = valkey::Options::parse(call, false)?;
    call.read(key, hash::len)?;
    let deadline = options.deadline(call, false)?;
    Ok(Options { deadline, condition: FieldsIf::Always, fields: options.fields })
}

/// HGETEX's as Redis 8.2 reads them.
fn get_options<'c>(call: &mut Call<'c>) -> Result<Options<'c>, ErrorReply> {
    let mut deadline = Deadline::Keep;
    if call.args.keyword("PERSIST") {
        deadline = Deadline::Clear;
    } else if let Some(unit) = call.args.peek().and_then(|word| Unit::from_keyword(word)) {
        call.args.next()?;
        deadline = Deadline::At(field_deadline(call, unit)?);
    }
    let fields = fields(&mut call.args, NOT_POSITIVE)?;
    Ok(Options { deadline, condition: FieldsIf::Always, fields })
}

/// Those of HSETEX, which `sets`, or HGETEX, in any order; up to 8.2, with the fields at the end.
fn options<'c>(call: &mut Call<'c>, sets: bool) -> Result<Options<'c>, ErrorReply> {
    let (mut deadline, mut condition, mut fields) = (None, None, None);
    while let Some(word) = call.args.take() {
        if is(word, "FIELDS") {
            if fields.is_some() {
                return Err(TWICE);
            }
            fields = Some(set_fields(call, if sets { 2 } else { 1 })?);
        } else if let Some(unit) = Unit::from_keyword(word) {
            if deadline.is_some() {
                return Err(several_times(sets));
            }
            if call.args.is_empty() {
                return Err(ErrorReply::known("ERR missing expire time"));
            }
            deadline = Some(Deadline::At(field_deadline(call, unit)?));
        } else if is(word, if sets { "KEEPTTL" } else { "PERSIST" }) {
            if deadline.is_some() {
                return Err(several_times(sets));
            }
            deadline = Some(if sets { Deadline::Keep } else { Deadline::Clear });
        } else if sets && (is(word, "FXX") || is(word, "FNX")) {
            if condition.is_some() {
                return Err(ErrorReply::known("ERR Only one of FXX or FNX arguments can be specified"));
            }
            condition = Some(if is(word, "FXX") { FieldsIf::Present } else { FieldsIf::Absent });
        } else {
            return Err(unknown(word));
        }
    }
    Ok(Options {
        deadline: deadline.unwrap_or(if sets { Deadline::Clear } else { Deadline::Keep }),
        condition: condition.unwrap_or_default(),
        fields: fields.ok_or(MISSING)?,
    })
}

/// The fields behind the word `FIELDS` and their number, of so many words each.
fn set_fields<'c>(call: &mut Call<'c>, words: usize) -> Result<&'c [Bytes], ErrorReply> {
    let to_the_end = !finds_fields(call);
    if call.args.is_empty() || to_the_end && call.args.len() < 3 {
        return Err(call.wrong_arity());
    }
    let count = count(&mut call.args, i32::MAX.into(), NO_NUMBER)?.saturating_mul(words);
    if to_the_end && count != call.args.len() {
        return Err(call.wrong_arity());
    }
    call.args.take_many(count).map_err(|_| TOO_FEW)
}

/// Fields behind `FIELDS` and their number, and nothing else.
fn fields<'c>(args: &mut Args<'c>, no_number: &'static str) -> Result<&'c [Bytes], ErrorReply> {
    if !args.keyword("FIELDS") {
        return Err(MISPLACED);
    }
    let count = count(args, i64::MAX, no_number)?;
    if count != args.len() {
        return Err(MISMATCH);
    }
    Ok(args.take_rest())
}

/// A number of fields: one at least.
fn count(args: &mut Args<'_>, most: i64, no_number: &'static str) -> Result<usize, ErrorReply> {
    let count = args.integer().ok().filter(|count| (1..=most).contains(count));
    count.and_then(|count| usize::try_from(count).ok()).ok_or(ErrorReply::known(no_number))
}

/// The next word as a field's deadline, which may have passed; Redis keeps it in fewer bits than a key's.
fn field_deadline(call: &mut Call<'_>, unit: Unit) -> Result<u64, ErrorReply> {
    let amount = number::parse_i64(call.args.next()?).ok_or(ErrorReply::NOT_AN_INTEGER)?;
    if amount < 0 {
        return Err(ErrorReply::known("ERR invalid expire time, must be >= 0"));
    }
    let time = call.time();
    let wall = time.wall();
    let millis = unit.millis(amount).and_then(|millis| u64::try_from(millis).ok());
    let start = if unit.is_time() { 0 } else { wall };
    let at = millis.and_then(|millis| millis.checked_add(start)).filter(|at| *at <= LAST_EXPIRY);
    let at = at.ok_or_else(|| call.invalid_expire())?;
    Ok(if at <= wall { 0 } else { time.moment_of(at) })
}

/// Those of HPERSIST and HGETDEL.
fn fields_of_values<'c>(call: &mut Call<'c>, key: KeyRef<'_>) -> Result<&'c [Bytes], ErrorReply> {
    if is_valkey(call) {
        return valkey::fields_of_values(call);
    }
    fields(&mut call.args, NOT_POSITIVE).map_err(|error| type_first(call, key, error))
}

fn is_valkey(call: &Call<'_>) -> bool {
    call.compat() == Compat::Valkey9
}

/// Whether the words may stand in any order.
fn finds_fields(call: &Call<'_>) -> bool {
    call.compat().redis() > (8, 2)
}

/// The error in a command's words, if the key holds what it should: Redis looks at it before.
fn type_first(call: &Call<'_>, key: KeyRef<'_>, error: ErrorReply) -> ErrorReply {
    call.look(key, hash::len).err().map_or(error, ErrorReply::from)
}

fn several_times(sets: bool) -> ErrorReply {
    ErrorReply::known(if sets {
        "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified"
    } else {
        "ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified"
    })
}

fn unknown(word: &[u8]) -> ErrorReply {
    ErrorReply::new(format!("ERR unknown argument: {}", String::from_utf8_lossy(word)))
}
