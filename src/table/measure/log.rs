//! SLOWLOG and COMMANDLOG: the commands that were slow, or large.

use std::collections::VecDeque;

use super::super::args::is;
use super::super::call::{Answer, Call};
use super::super::command::help;
use super::super::row::flag::{ADMIN, LOADING, STALE};
use super::super::row::{Compat, Keys, Row, container, row};
use super::super::secrets::{REDACTED, secrets};
use crate::Bytes;
use crate::reply::{ErrorReply, Reply};
use crate::sync::Mutex;
use crate::text::number;

const READ: u32 = ADMIN | LOADING | STALE;

pub(super) const ROWS: &[Row] = &[
    container("commandlog").only_valkey(8, 1),
    row("commandlog|get", 4, READ, Keys::NONE, command_log_get).only_valkey(8, 1),
    row("commandlog|help", 2, LOADING | STALE, Keys::NONE, help).only_valkey(8, 1),
    row("commandlog|len", 3, READ, Keys::NONE, |call| Kind::read(call).map(|kind| len(call, kind)))
        .only_valkey(8, 1),
    row("commandlog|reset", 3, READ, Keys::NONE, |call| Kind::read(call).map(|kind| reset(call, kind)))
        .only_valkey(8, 1),
    container("slowlog").since(2, 2),
    row("slowlog|get", -2, READ, Keys::NONE, slowlog_get).since(2, 2),
    row("slowlog|help", 2, LOADING | STALE, Keys::NONE, help).since(6, 2),
    row("slowlog|len", 2, READ, Keys::NONE, |call| Ok(len(call, Kind::Slow))).since(2, 2),
    row("slowlog|reset", 2, READ, Keys::NONE, |call| Ok(reset(call, Kind::Slow))).since(2, 2),
];

/// Words of a command that are written down, and bytes of each.
const WORDS: usize = 32;
const BYTES: usize = 128;
/// What is told where nobody says how much.
const TOLD: i64 = 10;

const BAD_COUNT: ErrorReply = ErrorReply::known("ERR count should be greater than or equal to -1");

/// Why a command is written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Slow,
    LargeRequest,
    LargeReply,
}

/// A command that was written down.
pub(super) struct Entry {
    pub id: u64,
    /// When it ended, in seconds since 1970.
    pub at: u64,
    /// Microseconds or bytes.
    pub value: u64,
    pub words: Vec<Bytes>,
    pub addr: String,
    pub name: Bytes,
}

/// The logs of the three kinds.
#[derive(Default)]
pub(super) struct Logs([Mutex<Log>; 3]);

struct Log {
    /// The newest comes first.
    entries: VecDeque<Entry>,
    next: u64,
    most: usize,
}

impl Default for Log {
    fn default() -> Self {
        Log { entries: VecDeque::new(), next: 0, most: 128 }
    }
}

impl Logs {
    /// Sets how many entries there may be, if that is what the parameter is.
    pub(super) fn configure(&self, name: &str, number: i64) {
        let kind = match name {
            "slowlog-max-len" | "commandlog-slow-execution-max-len" => Kind::Slow,
            "commandlog-large-request-max-len" => Kind::LargeRequest,
            "commandlog-large-reply-max-len" => Kind::LargeReply,
            _ => return,
        };
        // Entries that are too many by now stay until the next one comes, as in Redis.
        self.of(kind).lock().most = usize::try_from(number).unwrap_or(0);
    }

    fn of(&self, kind: Kind) -> &Mutex<Log> {
        let [slow, request, reply] = &self.0;
        match kind {
            Kind::Slow => slow,
            Kind::LargeRequest => request,
            Kind::LargeReply => reply,
        }
    }

    /// Writes a command down under the next number. Where none is to be kept, later servers leave all as it is.
    pub(super) fn add(&self, kind: Kind, entry: Entry, compat: Compat) {
        let mut log = self.of(kind).lock();
        if log.most == 0 && compat.has_since(7, 2) {
            return;
        }
        let id = log.next;
        log.next += 1;
        log.entries.push_front(Entry { id, ..entry });
        let most = log.most;
        log.entries.truncate(most);
    }
}

impl Kind {
    fn read(call: &mut Call<'_>) -> Result<Kind, ErrorReply> {
        const UNKNOWN: &str = "ERR type should be one of the following: slow, large-request, large-reply";
        let kinds =
            [("slow", Kind::Slow), ("large-request", Kind::LargeRequest), ("large-reply", Kind::LargeReply)];
        let word = call.args.next()?;
        let known = kinds.into_iter().find(|(name, _)| is(word, name));
        known.map(|(_, kind)| kind).ok_or(ErrorReply::known(UNKNOWN))
    }
}

fn slowlog_get(call: &mut Call<'_>) -> Answer {
    let count = call.args.take();
    if !call.args.is_empty() {
        return Err(call.wrong_subcommand());
    }
    let count = count.map_or(Some(TOLD), |count| number::parse_i64(count)).filter(|count| *count >= -1);
    Ok(get(call, Kind::Slow, count.ok_or(BAD_COUNT)?))
}

/// COMMANDLOG GET: as SLOWLOG GET, of one of the kinds.
fn command_log_get(call: &mut Call<'_>) -> Answer {
    let count = number::parse_i64(call.args.next()?).filter(|count| *count >= -1).ok_or(BAD_COUNT)?;
    let kind = Kind::read(call)?;
    Ok(get(call, kind, count))
}

fn get(call: &Call<'_>, kind: Kind, count: i64) -> Reply {
    let number = |number: u64| Reply::Integer(i64::try_from(number).unwrap_or(i64::MAX));
    let log = call.shared().measures.logs.of(kind).lock();
    // -1 is for all.
    let told = log.entries.iter().take(usize::try_from(count).unwrap_or(usize::MAX));
    let told = told.map(|entry| {
        Reply::Array(vec![
            number(entry.id),
            number(entry.at),
            number(entry.value),
            Reply::bulks(entry.words.iter().cloned()),
            Reply::text(&entry.addr),
            Reply::Bulk(entry.name.clone()),
        ])
    });
    Reply::Array(told.collect())
}

fn len(call: &Call<'_>, kind: Kind) -> Reply {
    Reply::count(call.shared().measures.logs.of(kind).lock().entries.len())
}

fn reset(call: &Call<'_>, kind: Kind) -> Reply {
    call.shared().measures.logs.of(kind).lock().entries.clear();
    Reply::OK
}

/// A command's words as they are written down: not too many, none too long, and no secrets.
pub(super) fn shown(words: &[Bytes], compat: Compat) -> Vec<Bytes> {
    let whole = if words.len() > WORDS { WORDS - 1 } else { words.len() };
    let secret = secrets(words, compat);
    let mut shown: Vec<Bytes> = words.iter().take(whole).map(cut).collect();
    for at in secret {
        if let Some(word) = shown.get_mut(at) {
            *word = Bytes::from(REDACTED);
        }
    }
    if whole < words.len() {
        shown.push(Bytes::from(format!("... ({} more arguments)", words.len() - whole)));
    }
    shown
}

fn cut(word: &Bytes) -> Bytes {
    match word.split_at_checked(BYTES) {
        Some((start, rest)) if !rest.is_empty() => {
            Bytes::from([start, format!("... ({} more bytes)", rest.len()).as_bytes()].concat())
        }
        _ => word.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<Bytes> {
        words.iter().map(|word| Bytes::from(*word)).collect()
    }

    #[test]
    fn words_are_cut_where_redis_cuts_them() {
        let exactly = "y".repeat(128);
        assert_eq!(shown(&words(&["set", &exactly]), Compat::Redis70), words(&["set", &exactly]));
        let (more, told) = ("y".repeat(130), format!("{exactly}... (2 more bytes)"));
        assert_eq!(shown(&words(&["set", &more]), Compat::Redis70), words(&["set", &told]));

        let all = words(&["a"; 32]);
        assert_eq!(shown(&all, Compat::Redis70), all);
        let told = [words(&["a"; 31]), words(&["... (2 more arguments)"])].concat();
        assert_eq!(shown(&words(&["a"; 33]), Compat::Redis70), told);
    }

    #[test]
    fn the_newest_stay_under_their_numbers() {
        let logs = Logs::default();
        logs.configure("slowlog-max-len", 2);
        for value in 7..10 {
            let (addr, name) = (String::new(), Bytes::new());
            logs.add(
                Kind::Slow,
                Entry { id: 0, at: 0, value, words: Vec::new(), addr, name },
                Compat::Redis82,
            );
        }
        let log = logs.of(Kind::Slow).lock();
        let kept: Vec<_> = log.entries.iter().map(|entry| (entry.id, entry.value)).collect();
        assert_eq!(kept, [(2, 9), (1, 8)]);
    }
}
