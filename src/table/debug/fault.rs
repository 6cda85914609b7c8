//! DEBUG FAULT: what goes wrong, for tests in whatever language they are written.
//!
//! One word for each constructor and each condition of [`Fault`], as they are called there.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::Bytes;
use crate::api::Store;
use crate::reply::{ErrorReply, Reply};
use crate::sync::Mutex;
use crate::table::args::is;
use crate::table::call::{Answer, Call};
use crate::testing::{Commands, Fault, FaultGuard};
use crate::text::number;

const UNKNOWN: ErrorReply =
    ErrorReply::known("ERR DEBUG FAULT takes ADD, DEL id, HITS id, LIST or CLEAR. Try DEBUG HELP.");
const NO_SUCH: ErrorReply = ErrorReply::known("ERR there is no fault of that number");
const NO_ONE: ErrorReply = ErrorReply::known(
    "ERR who connects has sent no command yet: REFUSE-CONNECTIONS takes AFTER, EVERY, TIMES and CHANCE only",
);

/// The faults that clients have set up on a store.
#[derive(Default)]
pub(crate) struct Faults(Mutex<Added>);

#[derive(Default)]
struct Added {
    last: i64,
    by_number: BTreeMap<i64, (String, FaultGuard)>,
}

pub(super) fn fault(call: &Call<'_>, words: &[Bytes]) -> Answer {
    let faults = &call.shared().faults.0;
    let known = |number: &[u8]| number::parse_i64(number).ok_or(NO_SUCH);
    match words {
        [what, fault @ ..] if is(what, "ADD") => add(call, fault),
        [what, id] if is(what, "DEL") => {
            let gone = faults.lock().by_number.remove(&known(id)?);
            gone.map(|_| Reply::OK).ok_or(NO_SUCH)
        }
        [what, id] if is(what, "HITS") => {
            let faults = faults.lock();
            let (_, guard) = faults.by_number.get(&known(id)?).ok_or(NO_SUCH)?;
            Ok(Reply::Integer(i64::try_from(guard.hits()).unwrap_or(i64::MAX)))
        }
        [what] if is(what, "LIST") => {
            let faults = faults.lock();
            let line = |(id, (text, guard)): (&i64, &(String, FaultGuard))| {
                Reply::text(format!("id={id} hits={} {text}", guard.hits()))
            };
            Ok(Reply::Array(faults.by_number.iter().map(line).collect()))
        }
        [what] if is(what, "CLEAR") => {
            let gone = std::mem::take(&mut faults.lock().by_number);
            drop(gone);
            Ok(Reply::OK)
        }
        _ => Err(UNKNOWN),
    }
}

/// What goes wrong, and then when; gives its number. Unless `DEBUG` is named it does not strike that, by which it is taken
/// away.
fn add(call: &Call<'_>, words: &[Bytes]) -> Answer {
    let (mut fault, mut rest) = effect(words)?;
    let (mut on, mut is_counted_only) = (None, true);
    while let [word, value, more @ ..] = rest {
        rest = more;
        let count = || positive(value);
        fault = match &*word.to_ascii_uppercase() {
            b"AFTER" => fault.after(count()?),
            b"EVERY" => match count()? {
                0 => return Err(ErrorReply::known("ERR value is out of range, must be positive")),
                n => fault.every(n),
            },
            b"TIMES" => fault.times(count()?),
            b"CHANCE" => fault.chance(chance(value)?),
            whom => {
                is_counted_only = false;
                match whom {
                    b"ON" if on.is_none() => {
                        on = Some(commands(value)?);
                        fault
                    }
                    b"KEY" => fault.key(value.clone()),
                    b"CLIENT-ID" => fault.client_id(count()?),
                    b"CLIENT-NAME" => fault.client_name(value.clone()),
                    b"CLIENT-ADDR" => fault.client_addr(value.clone()),
                    _ => return Err(ErrorReply::SYNTAX),
                }
            }
        };
    }
    if !rest.is_empty() {
        return Err(ErrorReply::SYNTAX);
    }
    if fault.is_refusal() && !is_counted_only {
        return Err(NO_ONE);
    }
    let names_debug = on.as_ref().is_some_and(|on| on.has("debug", None));
    if let Some(on) = on {
        fault = fault.on(on);
    }
    let text = fault.to_string();
    if !fault.is_refusal() && !names_debug {
        fault = fault.when(|received| !received.name().starts_with("debug"));
    }
    let guard = Store::of(std::sync::Arc::clone(call.db().space())).fault(fault);
    let mut faults = call.shared().faults.0.lock();
    faults.last += 1;
    let id = faults.last;
    faults.by_number.insert(id, (text, guard));
    Ok(Reply::Integer(id))
}

/// The fault that the first words say, and those behind them.
fn effect(words: &[Bytes]) -> Result<(Fault, &[Bytes]), ErrorReply> {
    let (word, rest) = words.split_first().ok_or(UNKNOWN)?;
    let plain = match &*word.to_ascii_uppercase() {
        b"LOADING" => Fault::loading(),
        b"READONLY" => Fault::readonly(),
        b"BUSY" => Fault::busy(),
        b"OOM" => Fault::oom(),
        b"NOSCRIPT" => Fault::noscript(),
        b"CLUSTER-DOWN" => Fault::cluster_down(),
        b"MASTER-DOWN" => Fault::master_down(),
        b"NO-AUTH" => Fault::no_auth(),
        b"CLOSE-BEFORE" => Fault::close_before(),
        b"CLOSE-AFTER" => Fault::close_after(),
        b"DROP-REPLY" => Fault::drop_reply(),
        b"HANG" => Fault::hang(),
        b"REFUSE-CONNECTIONS" => Fault::refuse_connections(),
        name => {
            let (value, rest) = rest.split_first().ok_or(ErrorReply::SYNTAX)?;
            let time = || positive(value).map(Duration::from_millis);
            let fault = match name {
                b"ERROR" => Fault::error(String::from_utf8_lossy(value)),
                b"DELAY" => Fault::delay(time()?),
                b"DELAY-REPLY" => Fault::delay_reply(time()?),
                b"TAKES" => Fault::takes(time()?),
                b"HALF-REPLY" => Fault::half_reply(usize::try_from(positive(value)?).unwrap_or(usize::MAX)),
                _ => return Err(ErrorReply::SYNTAX),
            };
            return Ok((fault, rest));
        }
    };
    Ok((plain, rest))
}

/// Names and categories, with commas between them.
fn commands(value: &[u8]) -> Result<Commands, ErrorReply> {
    let names = String::from_utf8_lossy(value);
    Commands::parse(names.split(',')).map_err(|why| ErrorReply::new(format!("ERR {why}")))
}

fn positive(value: &[u8]) -> Result<u64, ErrorReply> {
    let number = number::parse_i64(value).and_then(|number| u64::try_from(number).ok());
    number.ok_or(ErrorReply::NOT_AN_INTEGER)
}

fn chance(value: &[u8]) -> Result<f64, ErrorReply> {
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse::<f64>().ok());
    number.filter(|number| (0.0..=1.0).contains(number)).ok_or(ErrorReply::NOT_A_FLOAT)
}
