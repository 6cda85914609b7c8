//! DEBUG CLOCK: a store's clock in the hands of a test, in whatever language it is written.

use std::sync::Arc;
use std::time::Duration;

use crate::Bytes;
use crate::api::Store;
use crate::clock::Clock;
use crate::reply::{ErrorReply, Reply};
use crate::table::args::is;
use crate::table::call::{Answer, Call};
use crate::text::number;

const OF_THE_SYSTEM: ErrorReply = ErrorReply::known(
    "ERR this store's clock is the system's. A server whose configuration allows DEBUG makes one that can be moved.",
);
const UNKNOWN: ErrorReply =
    ErrorReply::known("ERR DEBUG CLOCK takes PAUSE, RESUME, ADVANCE milliseconds or NEXT");

/// Stops the clock, lets it go on, or moves it on: by so much, or to the next deadline of a key, a field or somebody who
/// waits, and gives how far that was.
pub(super) fn clock(call: &Call<'_>, words: &[Bytes]) -> Answer {
    let Clock::Manual(clock) = call.space().clock() else { return Err(OF_THE_SYSTEM) };
    match words {
        [what] if is(what, "PAUSE") => clock.pause(),
        [what] if is(what, "RESUME") => clock.resume(),
        [what, by] if is(what, "ADVANCE") => {
            let by = number::parse_i64(by).and_then(|by| u64::try_from(by).ok());
            clock.advance(Duration::from_millis(by.ok_or(ErrorReply::NOT_AN_INTEGER)?));
        }
        [what] if is(what, "NEXT") => {
            let passed = clock.advance_to_next_deadline(&Store::of(Arc::clone(call.db().space())))?;
            let millis = passed.and_then(|passed| i64::try_from(passed.as_millis()).ok());
            return Ok(millis.map_or(Reply::Nil, Reply::Integer));
        }
        _ => return Err(UNKNOWN),
    }
    Ok(Reply::OK)
}
