//! What tests of servers tune or write with DEBUG and is nothing here: there are no quicklists, no cron, no tables that
//! resize at once and no log. It is checked as Redis checks it, and changes nothing.

use crate::Bytes;
use crate::reply::{ErrorReply, Reply};
use crate::table::args::is;
use crate::table::call::Answer;
use crate::table::config::memory;
use crate::table::row::Compat;
use crate::text::number;

/// Whether that server has the subcommand, with so many words.
pub(super) fn is_known(sub: &[u8], words: &[Bytes], compat: Compat) -> bool {
    let is = |name| is(sub, name);
    match words {
        [_] if is("DICT-RESIZING") => compat.has_since(7, 2),
        [_] => ["LOG", "PAUSE-CRON", "QUICKLIST-PACKED-THRESHOLD", "SET-DISABLE-DENY-SCRIPTS"]
            .into_iter()
            .any(is),
        [what, _] if is("REPLYBUFFER") => is_peak_time(what) || self::is(what, "RESIZING"),
        _ => false,
    }
}

fn is_peak_time(what: &[u8]) -> bool {
    is(what, "PEAK-RESET-TIME")
}

pub(super) fn tune(sub: &[u8], words: &[Bytes]) -> Answer {
    const THRESHOLD: ErrorReply =
        ErrorReply::known("ERR argument must be a memory value bigger than 1 and smaller than 4gb");
    match words {
        [bytes] if is(sub, "QUICKLIST-PACKED-THRESHOLD") => {
            let bytes = memory(&String::from_utf8_lossy(bytes).to_ascii_lowercase());
            bytes.filter(|(bytes, _)| *bytes < 4 << 30).ok_or(THRESHOLD)?;
        }
        [what, time] if is_peak_time(what) && !is(time, "NEVER") && !is(time, "RESET") => {
            number::parse_i64(time).ok_or(ErrorReply::NOT_AN_INTEGER)?;
        }
        _ => {}
    }
    Ok(Reply::OK)
}
