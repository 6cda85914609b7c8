//! The same random commands through a [`Session`](larder::Session), or a server of ours, and through real servers, each with its own
//! personality, with the same replies byte for byte, in both protocols, errors included.
//!
//! The servers are the `redis-server` in the `PATH` or that which `LARDER_REDIS_SERVER` names, and those of
//! `LARDER_REDIS_82_SERVER` and `LARDER_VALKEY_SERVER`. Which of them is missing is said, and passed over.
//!
//! A family says what commands it has; see [`compare`]. What Redis leaves open is listed in [`rule`]. As with
//! the differential tests of the typed API, `LARDER_ROUNDS` has them run longer, and a failure names the
//! `LARDER_SEED` that brings it back and the shortest run of commands that was found to show it.

mod acl;
#[cfg(feature = "server")]
mod acl_files;
#[cfg(feature = "server")]
mod acl_waits;
mod bitmaps;
mod blocking;
mod caching;
mod channels;
mod clients;
#[cfg(feature = "server")]
mod clients_served;
mod command_docs;
mod command_keys;
mod commands;
mod config;
mod connection;
#[cfg(feature = "server")]
mod debug;
mod dumps;
mod fill;
mod geo;
mod hashes;
mod hyperloglogs;
mod info;
mod info_counts;
#[cfg(feature = "server")]
mod info_served;
#[cfg(all(feature = "server", feature = "journal"))]
mod journal;
mod key_events;
mod keys;
mod lists;
#[cfg(feature = "server")]
mod malformed;
#[cfg(feature = "testing")]
mod measures;
#[cfg(all(feature = "server", feature = "testing"))]
mod measures_clock;
#[cfg(feature = "server")]
mod migrate;
#[cfg(feature = "server")]
mod misconf;
mod newer;
mod object;
#[cfg(feature = "server")]
mod peers;
mod producers;
mod rdb;
mod redis;
mod room;
mod scan;
#[cfg(feature = "lua")]
mod scripts;
mod server;
mod sets;
mod sort;
mod sorted_sets;
mod stream_waits;
mod streams;
mod strings;
mod transaction;
mod uses;
mod value;

use std::fmt::Write;

use larder::{Bytes, Compat, Protocol, Session, Store};

use crate::differential::chance::Chance;
use crate::differential::server::Server;
use crate::differential::variable;
use redis::Redis;
use value::Value;

/// With each server.
const ROUNDS: u64 = 13;
const COMMANDS: usize = 150;
const SEED: u64 = 0x1a2d_e200;

/// A command: its words.
pub type Words = Vec<Vec<u8>>;

/// `words!["SET", key, value]`
macro_rules! words {
    ($($word:expr),* $(,)?) => {{
        let words: $crate::wire::Words = vec![$($crate::wire::word(&$word)),*];
        words
    }};
}
pub(crate) use words;

/// What can be a word of a command.
pub trait Word {
    fn to_word(&self) -> Vec<u8>;
}

pub fn word<W: Word + ?Sized>(word: &W) -> Vec<u8> {
    word.to_word()
}

macro_rules! printed {
    ($($type:ty)*) => {$(
        impl Word for $type {
            fn to_word(&self) -> Vec<u8> {
                self.to_string().into_bytes()
            }
        }
    )*};
}

printed!(str &str String i32 i64 u32 u64 usize f64);

impl Word for Vec<u8> {
    fn to_word(&self) -> Vec<u8> {
        self.clone()
    }
}

impl Word for &[u8] {
    fn to_word(&self) -> Vec<u8> {
        self.to_vec()
    }
}

/// When two replies to a command agree.
enum Rule {
    /// Byte for byte.
    Same,
    /// The same elements, in any order: Redis's own tables have theirs.
    Unordered,
    /// The same names with the same values, in any order, in one list.
    UnorderedPairs,
    /// -0 as 0: Redis keeps the sign in large sorted sets and not in small ones.
    Zero,
    /// Numbers that time has moved on.
    Near,
    /// The same but for times, and how long something was idle.
    Times,
    /// As many of them: they are drawn at random.
    Many,
    /// As many members of the set, which are no longer in it. Afterwards Redis is made to have taken those that
    /// larder took.
    Taken,
    /// The same cursor, and the same elements in any order.
    Turn,
    /// The same with names and what they hold.
    TurnOfPairs,
    /// Of the same kind.
    Kind,
}

/// What Redis leaves open, in one place.
fn rule(words: &Words) -> Rule {
    let name = String::from_utf8_lossy(&words[0]).to_ascii_uppercase();
    match &*name {
        "KEYS" | "SMEMBERS" | "SINTER" | "SUNION" | "SDIFF" | "HKEYS" | "HVALS" => Rule::Unordered,
        "HGETALL" => Rule::UnorderedPairs,
        "TTL" | "PTTL" | "EXPIRETIME" | "PEXPIRETIME" => Rule::Near,
        "HTTL" | "HPTTL" | "HEXPIRETIME" | "HPEXPIRETIME" => Rule::Near,
        "XPENDING" | "XINFO" => Rule::Times,
        "HELLO" | "INFO" | "TIME" | "LASTSAVE" | "LOLWUT" => Rule::Many,
        "CLIENT" if is_one_of(words.get(1), &["LIST", "INFO"]) => Rule::Many,
        "ACL" if is_one_of(words.get(1), &["GENPASS", "CAT"]) => Rule::Many,
        "SRANDMEMBER" | "HRANDFIELD" | "ZRANDMEMBER" | "RANDOMKEY" => Rule::Many,
        "SCAN" | "SSCAN" => Rule::Turn,
        "HSCAN" | "ZSCAN" => Rule::TurnOfPairs,
        // On a machine that has much to do any command may have been slow there.
        "SLOWLOG" | "COMMANDLOG" if is_one_of(words.get(1), &["GET", "LEN"]) => Rule::Kind,
        // They tell of Redis's own insides.
        "OBJECT" | "MEMORY" => Rule::Kind,
        // What modules they are built with.
        "MODULE" if is_one_of(words.get(1), &["LIST"]) => Rule::Kind,
        // Which bytes compress a string, and in which order a set has its members, is each server's own.
        "DUMP" => Rule::Kind,
        name if name.starts_with('Z') => Rule::Zero,
        "SPOP" => Rule::Taken,
        _ => Rule::Same,
    }
}

fn is_one_of(word: Option<&Vec<u8>>, names: &[&str]) -> bool {
    word.is_some_and(|word| names.iter().any(|name| word.eq_ignore_ascii_case(name.as_bytes())))
}

/// Milliseconds that the two sides may be apart.
const SLACK: i64 = 2_000;

/// Compares random runs of a family's commands, of which `draw` makes one; now and then one of those that any
/// family may meet with.
fn compare(family: &str, draw: impl Fn(&mut Chance) -> Words) {
    compare_with(|_| true, family, draw);
}

/// The same with some of the servers.
fn compare_with(which: fn(Compat) -> bool, family: &str, draw: impl Fn(&mut Chance) -> Words) {
    compare_runs_with(which, family, |chance| {
        let mut next = || if chance.one_in(6) { common(chance) } else { draw(chance) };
        (0..COMMANDS).map(|_| next()).collect()
    });
}

/// The same where `make` draws a whole run.
fn compare_runs(family: &str, make: impl Fn(&mut Chance) -> Vec<Words>) {
    compare_runs_with(|_| true, family, make);
}

/// The same with some of the servers.
fn compare_runs_with(which: fn(Compat) -> bool, family: &str, make: impl Fn(&mut Chance) -> Vec<Words>) {
    each_round(ROUNDS, |server, seed| {
        let protocol = if seed % 2 == 0 { Protocol::Resp2 } else { Protocol::Resp3 };
        let way = if seed / 2 % 2 == 0 { Way::Session } else { Way::Server };
        let mut redis = Redis::connect(server.port(), protocol);
        if !which(redis.compat) {
            return;
        }
        let commands = make(&mut Chance::new(seed));
        if let Err(at) = run(&mut redis, protocol, way, &commands) {
            let (commands, difference) = shrink(&mut redis, protocol, way, commands, at);
            panic!(
                "the {family} differ from {:?} in {protocol:?} by way of a {way:?}; {}\n{}{difference}",
                redis.compat,
                again(seed),
                script(&commands)
            );
        }
    });
}

/// Compares these commands, in their order; words stand apart by `separator`.
fn compare_lines<'l>(separator: char, lines: impl IntoIterator<Item = &'l str>) {
    let words = |line: &str| line.split(separator).map(|word| word.as_bytes().to_vec()).collect();
    let commands: Vec<Words> = lines.into_iter().map(words).collect();
    for server in Server::each() {
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            for way in [Way::Session, Way::Server] {
                let mut redis = Redis::connect(server.port(), protocol);
                if let Err(Difference { commands: count, text }) = run(&mut redis, protocol, way, &commands) {
                    let last = script(&commands[count - 1..count]);
                    panic!("as {:?} in {protocol:?} by way of a {way:?}:\n{last}{text}", redis.compat);
                }
            }
        }
    }
}

/// Checks with each server that there is, so many times, or as often as is asked for.
fn each_round(rounds: u64, check: impl Fn(&Server, u64)) {
    let first = variable("LARDER_SEED").unwrap_or(SEED);
    let rounds = variable("LARDER_ROUNDS").unwrap_or(rounds);
    for server in Server::each() {
        (0..rounds).for_each(|round| check(&server, first.wrapping_add(round)));
    }
}

fn again(seed: u64) -> String {
    format!("to see it again: LARDER_SEED={seed} LARDER_ROUNDS=1")
}

/// Commands on keys of any type.
fn common(chance: &mut Chance) -> Words {
    let key = chance.key();
    match chance.below(4) {
        0 => words!["SET", key, chance.value()],
        1 => words!["APPEND", key, "x"],
        2 => words!["GETDEL", key],
        _ => words!["STRLEN", key],
    }
}

/// The same command, seldom with a word too few or too many, or in small letters.
fn spoil(chance: &mut Chance, mut words: Words) -> Words {
    match chance.below(40) {
        0 => words.truncate(words.len() - 1),
        1 => words.push(word("x")),
        2..=5 => words[0].make_ascii_lowercase(),
        _ => {}
    }
    words
}

/// Where two replies differ: after how many commands, and how.
struct Difference {
    commands: usize,
    text: String,
}

/// By which door larder is asked.
#[derive(Clone, Copy, Debug)]
enum Way {
    Session,
    /// Where there is that.
    Server,
}

/// larder, of which the same is asked as of Redis.
enum Ours {
    Session(Box<Session>),
    #[cfg(feature = "server")]
    Server {
        client: Redis,
        _server: larder::Server,
    },
}

impl Ours {
    fn new(way: Way, compat: Compat, protocol: Protocol) -> Ours {
        let store = Store::builder().seed(7).build();
        #[cfg(not(feature = "server"))]
        let _ = way;
        #[cfg(feature = "server")]
        if let Way::Server = way {
            let server = larder::Server::builder().compat(compat).start(&store).unwrap();
            return Ours::Server { client: Redis::connect(server.port(), protocol), _server: server };
        }
        let mut session = store.session().compat(compat);
        if protocol == Protocol::Resp3 {
            session.call(["HELLO", "3"]);
        }
        Ours::Session(Box::new(session))
    }

    fn ask(&mut self, words: &Words) -> Vec<u8> {
        match self {
            Ours::Session(session) => {
                let reply = answer(session, words);
                session.encode(&reply)
            }
            #[cfg(feature = "server")]
            Ours::Server { client, .. } => client.ask(words),
        }
    }
}

fn run(redis: &mut Redis, protocol: Protocol, way: Way, commands: &[Words]) -> Result<(), Difference> {
    redis.start_anew(protocol);
    // It may be in the middle of a transaction.
    redis.ask(&words!["DISCARD"]);
    redis.ask(&words!["FLUSHALL"]);
    let mut larder = Ours::new(way, redis.compat, protocol);
    for (at, words) in commands.iter().enumerate() {
        let ours = larder.ask(words);
        let theirs = redis.ask(words);
        let agree = match rule(words) {
            Rule::Taken => ours == theirs || take(redis, words, &ours, &theirs),
            rule => agree(&rule, &ours, &theirs),
        };
        if !agree {
            let text = format!(
                "larder gives \"{}\"\nthe server   \"{}\"",
                ours.escape_ascii(),
                theirs.escape_ascii()
            );
            return Err(Difference { commands: at + 1, text });
        }
    }
    Ok(())
}

fn answer(session: &mut Session, words: &Words) -> larder::Reply {
    session.call(words.iter().map(|word| Bytes::from(word.as_slice())).collect::<Vec<_>>().iter())
}

fn agree(rule: &Rule, ours: &[u8], theirs: &[u8]) -> bool {
    if ours == theirs {
        return true;
    }
    let (Some(ours), Some(theirs)) = (Value::parse(ours), Value::parse(theirs)) else { return false };
    match rule {
        Rule::Same | Rule::Taken => false,
        Rule::Unordered => ours.sorted() == theirs.sorted(),
        Rule::UnorderedPairs => ours.sorted_pairs() == theirs.sorted_pairs(),
        Rule::Zero => ours.without_sign_of_zero() == theirs.without_sign_of_zero(),
        Rule::Near => ours.is_near(&theirs, SLACK),
        Rule::Times => ours.is_same_but_times(&theirs, SLACK),
        Rule::Many => ours.is_like(&theirs),
        Rule::Turn => ours.turn(Value::sorted) == theirs.turn(Value::sorted),
        Rule::TurnOfPairs => ours.turn(Value::sorted_pairs) == theirs.turn(Value::sorted_pairs),
        Rule::Kind => ours.is_same_kind(&theirs),
    }
}

/// Has Redis take what larder took from a set, in place of what it took itself; false if it cannot.
fn take(redis: &mut Redis, words: &Words, ours: &[u8], theirs: &[u8]) -> bool {
    let (Some(ours), Some(theirs)) = (Value::parse(ours), Value::parse(theirs)) else { return false };
    let same_kind = ours.is_like(&theirs);
    let (ours, theirs) = (ours.texts(), theirs.texts());
    if !same_kind || ours.is_empty() || ours.len() != theirs.len() {
        return false;
    }
    let removed = format!(":{}\r\n", ours.len());
    // If all are gone on both sides, that is all there is to it; else the key lives on, with its deadline.
    redis.ask(&[words!["SADD", words[1]], theirs].concat());
    redis.ask(&[words!["SREM", words[1]], ours].concat()) == removed.into_bytes()
}

/// The shortest run that was found to show a difference, and the difference.
fn shrink(
    redis: &mut Redis,
    protocol: Protocol,
    way: Way,
    mut commands: Vec<Words>,
    mut found: Difference,
) -> (Vec<Words>, String) {
    commands.truncate(found.commands);
    let mut chunk = commands.len().div_ceil(2);
    while chunk > 0 {
        let mut at = 0;
        while at < commands.len() {
            let mut fewer = commands.clone();
            fewer.drain(at..commands.len().min(at + chunk));
            match run(redis, protocol, way, &fewer) {
                Err(difference) => {
                    fewer.truncate(difference.commands);
                    (commands, found) = (fewer, difference);
                }
                Ok(()) => at += chunk,
            }
        }
        chunk /= 2;
    }
    (commands, found.text)
}

fn script(commands: &[Words]) -> String {
    let mut script = String::new();
    for words in commands {
        for word in words {
            write!(script, "\"{}\" ", word.escape_ascii()).unwrap();
        }
        script.push('\n');
    }
    script
}
