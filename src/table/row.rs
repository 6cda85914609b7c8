//! What the table knows of a command.

use super::call::{Answer, Blocked, Call};
use crate::Bytes;
use crate::reply::ErrorReply;
use crate::text::number::parse_i64;

/// See the [module](super).
pub(crate) struct Row {
    /// In small letters; a subcommand's with that of its container: `config|get`.
    pub name: &'static str,
    /// How many words it has, its name included (and its container's); if negative, at least so many.
    pub arity: i32,
    /// The version of Redis before which that was another number.
    pub older: Option<((u8, u8), i32)>,
    /// A sum of the constants of [`flag`].
    pub flags: u32,
    pub keys: Keys,
    /// The version of Redis that it came with.
    pub since: (u8, u8),
    pub run: Run,
}

/// What a command is, in Redis's words.
pub(crate) mod flag {
    pub(crate) const WRITE: u32 = 1;
    pub(crate) const READONLY: u32 = 1 << 1;
    /// May need more memory.
    pub(crate) const DENYOOM: u32 = 1 << 2;
    pub(crate) const ADMIN: u32 = 1 << 3;
    pub(crate) const PUBSUB: u32 = 1 << 4;
    pub(crate) const NOSCRIPT: u32 = 1 << 5;
    pub(crate) const BLOCKING: u32 = 1 << 6;
    pub(crate) const LOADING: u32 = 1 << 7;
    pub(crate) const STALE: u32 = 1 << 8;
    pub(crate) const FAST: u32 = 1 << 9;
    /// Needs no password.
    pub(crate) const NO_AUTH: u32 = 1 << 10;
    /// Waits while writes are held back (`CLIENT PAUSE`), though it is none. Redis tells nobody.
    pub(crate) const MAY_REPLICATE: u32 = 1 << 11;
    pub(crate) const NO_MULTI: u32 = 1 << 12;
    pub(crate) const MOVABLEKEYS: u32 = 1 << 13;
    pub(crate) const ALLOW_BUSY: u32 = 1 << 14;
    pub(crate) const NO_ASYNC_LOADING: u32 = 1 << 15;
    pub(crate) const SKIP_MONITOR: u32 = 1 << 16;
    pub(crate) const SKIP_SLOWLOG: u32 = 1 << 17;
    /// Is also the first word of others; see [`Run::Container`](super::Run::Container).
    pub(crate) const CONTAINER: u32 = 1 << 30;
    /// Is carried out behind a `MULTI` too, not queued. That is ours to know: Redis tells nobody.
    pub(crate) const RUNS_IN_MULTI: u32 = 1 << 31;
    /// Is open to a client that listens to channels in RESP2. That is ours to know too.
    pub(crate) const LISTENS: u32 = 1 << 29;

    /// The names of those, in the order in which Redis lists them.
    pub(crate) const NAMES: [(u32, &str); 17] = [
        (WRITE, "write"),
        (READONLY, "readonly"),
        (DENYOOM, "denyoom"),
        (ADMIN, "admin"),
        (PUBSUB, "pubsub"),
        (NOSCRIPT, "noscript"),
        (BLOCKING, "blocking"),
        (LOADING, "loading"),
        (STALE, "stale"),
        (SKIP_MONITOR, "skip_monitor"),
        (SKIP_SLOWLOG, "skip_slowlog"),
        (FAST, "fast"),
        (NO_AUTH, "no_auth"),
        (NO_MULTI, "no_multi"),
        (MOVABLEKEYS, "movablekeys"),
        (ALLOW_BUSY, "allow_busy"),
        (NO_ASYNC_LOADING, "no_async_loading"),
    ];
}

/// Where a command's keys are among its words.
#[derive(Clone, Copy)]
pub(crate) enum Keys {
    /// From the first to the last by steps; 0 is the name, and a negative last counts from the end.
    Range { first: i32, last: i32, step: i32 },
    /// Their places depend on the other words. What `COMMAND` tells of them is the range.
    Find { told: (i32, i32, i32), find: fn(&[Bytes]) -> Vec<usize> },
}

/// What a command does.
#[derive(Clone, Copy)]
pub(crate) enum Run {
    /// Answers at once.
    Plain(fn(&mut Call<'_>) -> Answer),
    /// May wait for a key to hold something.
    Waits(fn(&mut Call<'_>) -> Result<Blocked, ErrorReply>),
    /// Is but the first word of others.
    Container,
}

/// Whose commands, error texts and formats a session has.
///
/// ```
/// use larder::{Compat, Reply, Store};
///
/// let mut session = Store::new().session().compat(Compat::Redis70);
/// assert!(matches!(session.call(["DELIFEQ", "key", "value"]), Reply::Error(_))); // that is Valkey's
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Compat {
    /// Redis 7.0
    Redis70,
    /// Redis 7.2
    Redis72,
    /// Redis 8.2
    Redis82,
    /// Redis 8.10
    #[default]
    Redis810,
    /// Valkey 9
    Valkey9,
}

impl Compat {
    /// The version of Redis whose commands it has.
    pub(crate) fn redis(self) -> (u8, u8) {
        match self {
            Compat::Redis70 => (7, 0),
            Compat::Redis72 => (7, 2),
            Compat::Redis82 => (8, 2),
            Compat::Redis810 => (8, 10),
            // It left at 7.2, and has since gained what the rows say.
            Compat::Valkey9 => (7, 2),
        }
    }

    /// The name that it introduces itself by.
    pub(super) fn server(self) -> &'static str {
        if self == Compat::Valkey9 { "valkey" } else { "redis" }
    }

    /// The version that it introduces itself as.
    pub(super) fn version(self) -> &'static str {
        match self {
            Compat::Redis70 => "7.0.15",
            Compat::Redis72 => "7.2.11",
            Compat::Redis82 => "8.2.2",
            Compat::Redis810 => "8.10.0",
            Compat::Valkey9 => "9.0.0",
        }
    }
}

impl Keys {
    pub(crate) const NONE: Keys = Keys::range(0, 0, 0);
    /// The first word behind the name.
    pub(crate) const ONE: Keys = Keys::range(1, 1, 1);
    /// All words behind the name.
    pub(crate) const ALL: Keys = Keys::range(1, -1, 1);

    pub(crate) const fn range(first: i32, last: i32, step: i32) -> Keys {
        Keys::Range { first, last, step }
    }

    /// The places of the keys in a command's words.
    pub(crate) fn of(&self, words: &[Bytes]) -> Vec<usize> {
        match *self {
            Keys::Find { find, .. } => find(words),
            Keys::Range { first, last, step } => {
                let last = if last < 0 { words.len() as i32 + last } else { last };
                if first <= 0 || step <= 0 {
                    return Vec::new();
                }
                (first..=last)
                    .step_by(step as usize)
                    .map(|at| at as usize)
                    .filter(|at| *at < words.len())
                    .collect()
            }
        }
    }
}

/// The places of keys whose number is the word at `at`, and which stand behind it; none if they are not so many.
pub(crate) fn counted(words: &[Bytes], at: usize) -> Vec<usize> {
    let count =
        words.get(at).and_then(|count| parse_i64(count)).and_then(|count| usize::try_from(count).ok());
    let end = count.and_then(|count| count.checked_add(at + 1)).filter(|end| *end <= words.len());
    (at + 1..end.unwrap_or(0)).collect()
}

/// A command that answers at once.
pub(super) const fn row(
    name: &'static str,
    arity: i32,
    flags: u32,
    keys: Keys,
    run: fn(&mut Call<'_>) -> Answer,
) -> Row {
    Row { name, arity, older: None, flags, keys, since: (1, 0), run: Run::Plain(run) }
}

/// The first word of others, which stand beside it as `name|other`.
pub(super) const fn container(name: &'static str) -> Row {
    Row { name, arity: -2, older: None, flags: 0, keys: Keys::NONE, since: (1, 0), run: Run::Container }
}

impl Row {
    /// The version of Redis that it came with.
    pub(super) const fn since(mut self, major: u8, minor: u8) -> Row {
        self.since = (major, minor);
        self
    }

    /// Its arity was another one before that version.
    pub(super) const fn arity_before(mut self, major: u8, minor: u8, arity: i32) -> Row {
        self.older = Some(((major, minor), arity));
        self
    }

    /// How many words it has in that server.
    pub(crate) fn arity_in(&self, compat: Compat) -> i32 {
        match self.older {
            Some((version, arity)) if compat.redis() < version => arity,
            _ => self.arity,
        }
    }

    pub(crate) const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    /// Whether a command of so many words, its name included, has the right number of them.
    pub(crate) fn takes(&self, words: usize, compat: Compat) -> bool {
        let arity = self.arity_in(compat);
        let least = arity.unsigned_abs() as usize;
        if arity < 0 { words >= least } else { words == least }
    }

    /// Whether a server of that kind has it.
    pub(crate) fn is_in(&self, compat: Compat) -> bool {
        self.since <= compat.redis()
    }
}
