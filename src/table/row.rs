//! What the table knows of a command.

use std::str::FromStr;

use super::call::{Answer, Blocked, Call};
use crate::Bytes;
use crate::reply::ErrorReply;
use crate::text::number::{self, parse_i64};

/// See the [module](super).
pub(crate) struct Row {
    /// In small letters; a subcommand's with that of its container: `config|get`.
    pub name: &'static str,
    /// How many of its words are its name.
    pub named: usize,
    /// How many words it has, its name included (and its container's); if negative, at least so many.
    pub arity: i32,
    /// The version of Redis before which that was another number.
    pub older: Option<((u8, u8), i32)>,
    /// That number in Valkey, if it is another one there.
    pub arity_in_valkey: Option<i32>,
    /// A sum of the constants of [`flag`].
    pub flags: u32,
    pub keys: Keys,
    /// The version of Redis that it came with; none has it if that is [`NEVER`].
    pub since: (u8, u8),
    /// The version of Valkey that has it first; none has it if that is [`NEVER`].
    pub valkey: (u8, u8),
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
    pub(crate) const NO_MANDATORY_KEYS: u32 = 1 << 18;
    /// [`NO_MULTI`] in Valkey, and in no Redis.
    pub(crate) const VALKEY_NO_MULTI: u32 = 1 << 28;
    /// Is for a slot that is on its way here.
    pub(crate) const ASKING: u32 = 1 << 19;
    /// Is also the first word of others; see [`Run::Container`](super::Run::Container).
    pub(crate) const CONTAINER: u32 = 1 << 30;
    /// Is carried out behind a `MULTI` too, not queued. That is ours to know: Redis tells nobody.
    pub(crate) const RUNS_IN_MULTI: u32 = 1 << 31;
    /// Runs scripts. That is ours to know as well.
    pub(crate) const SCRIPTS: u32 = 1 << 27;
    /// Has to be allowed when the server starts, whoever calls it. Redis tells nobody.
    pub(crate) const PROTECTED: u32 = 1 << 26;
    /// Is open to a client that listens to channels in RESP2. That is ours to know too.
    pub(crate) const LISTENS: u32 = 1 << 29;

    /// The names of those, in the order in which Redis lists them.
    pub(crate) const NAMES: [(u32, &str); 19] = [
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
        (ASKING, "asking"),
        (FAST, "fast"),
        (NO_AUTH, "no_auth"),
        (NO_MULTI, "no_multi"),
        (NO_MANDATORY_KEYS, "no_mandatory_keys"),
        (MOVABLEKEYS, "movablekeys"),
        (ALLOW_BUSY, "allow_busy"),
        (NO_ASYNC_LOADING, "no_async_loading"),
    ];
}

/// A version that does not come.
const NEVER: (u8, u8) = (u8::MAX, u8::MAX);

/// The version of Redis that Valkey left at: it has all that Redis had then.
const PARTED: (u8, u8) = (7, 2);

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
    /// The version of Redis whose texts and formats it has.
    pub(crate) fn redis(self) -> (u8, u8) {
        match self {
            Compat::Redis70 => (7, 0),
            Compat::Redis72 => (7, 2),
            Compat::Redis82 => (8, 2),
            Compat::Redis810 => (8, 10),
            Compat::Valkey9 => PARTED,
        }
    }

    /// Whether it has what Redis has since that version and Valkey, by now, too.
    pub(super) fn has_since(self, major: u8, minor: u8) -> bool {
        self == Compat::Valkey9 || self.redis() >= (major, minor)
    }

    /// The version of Valkey, if it is one.
    pub(crate) fn valkey(self) -> Option<(u8, u8)> {
        (self == Compat::Valkey9).then_some((9, 1))
    }

    /// Reads a score or a weight; `nan` may be one, which no command takes.
    pub(super) fn parse_score(self, text: &[u8]) -> Option<f64> {
        if self == Compat::Valkey9 { number::parse_decimal(text) } else { number::parse_f64(text) }
    }

    /// The name that it introduces itself by.
    pub(crate) fn server(self) -> &'static str {
        if self == Compat::Valkey9 { "valkey" } else { "redis" }
    }

    /// The version that it introduces itself as. O(1)
    ///
    /// ```
    /// assert!(larder::Compat::Redis70.version().starts_with("7.0."));
    /// ```
    pub fn version(self) -> &'static str {
        match self {
            Compat::Redis70 => "7.0.15",
            Compat::Redis72 => "7.2.11",
            Compat::Redis82 => "8.2.3",
            Compat::Redis810 => "8.10.0",
            Compat::Valkey9 => "9.1.2",
        }
    }
}

impl FromStr for Compat {
    type Err = String;

    /// `7.0`, `7.2`, `8.2`, `8.10` or `valkey-9`. O(1)
    ///
    /// ```
    /// use larder::Compat;
    ///
    /// assert_eq!("7.2".parse(), Ok(Compat::Redis72));
    /// assert!("6.0".parse::<Compat>().is_err());
    /// ```
    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "7.0" => Ok(Compat::Redis70),
            "7.2" => Ok(Compat::Redis72),
            "8.2" => Ok(Compat::Redis82),
            "8.10" => Ok(Compat::Redis810),
            "valkey-9" => Ok(Compat::Valkey9),
            _ => Err(format!("'{name}' is none of 7.0, 7.2, 8.2, 8.10, valkey-9")),
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
    counted_by(words, at, 1)
}

/// The same where the next key is `step` words further on.
pub(crate) fn counted_by(words: &[Bytes], at: usize, step: usize) -> Vec<usize> {
    let count =
        words.get(at).and_then(|count| parse_i64(count)).and_then(|count| usize::try_from(count).ok());
    let end = count.and_then(|count| count.checked_mul(step)?.checked_add(at + 1));
    (at + 1..end.filter(|end| *end <= words.len()).unwrap_or(0)).step_by(step).collect()
}

/// A command that answers at once.
pub(super) const fn row(
    name: &'static str,
    arity: i32,
    flags: u32,
    keys: Keys,
    run: fn(&mut Call<'_>) -> Answer,
) -> Row {
    Row {
        name,
        named: named(name),
        arity,
        older: None,
        arity_in_valkey: None,
        flags,
        keys,
        since: (1, 0),
        valkey: (1, 0),
        run: Run::Plain(run),
    }
}

/// Two for a subcommand.
const fn named(name: &str) -> usize {
    let (name, mut at) = (name.as_bytes(), 0);
    while at < name.len() {
        if name[at] == b'|' {
            return 2;
        }
        at += 1;
    }
    1
}

/// The first word of others, which stand beside it as `name|other`.
pub(super) const fn container(name: &'static str) -> Row {
    Row {
        name,
        named: 1,
        arity: -2,
        older: None,
        arity_in_valkey: None,
        flags: 0,
        keys: Keys::NONE,
        since: (1, 0),
        valkey: (1, 0),
        run: Run::Container,
    }
}

impl Row {
    /// The version of Redis that it came with. Valkey has it too if that was before they parted; what it has
    /// taken over later, [`valkey`](Row::valkey) says behind this.
    pub(super) const fn since(mut self, major: u8, minor: u8) -> Row {
        self.since = (major, minor);
        self.valkey = if major < PARTED.0 || major == PARTED.0 && minor <= PARTED.1 { (1, 0) } else { NEVER };
        self
    }

    /// The version of Valkey that has it first.
    pub(super) const fn valkey(mut self, major: u8, minor: u8) -> Row {
        self.valkey = (major, minor);
        self
    }

    /// It came with that version of Valkey, and no Redis has it.
    pub(super) const fn only_valkey(mut self, major: u8, minor: u8) -> Row {
        self.since = NEVER;
        self.valkey(major, minor)
    }

    /// Its arity was another one before that version.
    pub(super) const fn arity_before(mut self, major: u8, minor: u8, arity: i32) -> Row {
        self.older = Some(((major, minor), arity));
        self
    }

    /// Its arity is another one in Valkey.
    pub(super) const fn arity_in_valkey(mut self, arity: i32) -> Row {
        self.arity_in_valkey = Some(arity);
        self
    }

    /// How many words it has in that server.
    pub(crate) fn arity_in(&self, compat: Compat) -> i32 {
        if let Some(arity) = self.arity_in_valkey.filter(|_| compat == Compat::Valkey9) {
            return arity;
        }
        match self.older {
            Some((version, arity)) if compat.redis() < version => arity,
            _ => self.arity,
        }
    }

    /// Whether it has no place in a transaction there.
    pub(super) fn is_barred_from_multi(&self, compat: Compat) -> bool {
        self.has(flag::NO_MULTI) || compat == Compat::Valkey9 && self.has(flag::VALKEY_NO_MULTI)
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
        match compat.valkey() {
            Some(version) => self.valkey <= version,
            None => self.since <= compat.redis(),
        }
    }
}
