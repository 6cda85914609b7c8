//! HSET, HGET, HINCRBY and their kin.

use std::time::{Duration, UNIX_EPOCH};

use larder::{Compat, ManualClock, Reply, Session, Store};

use super::sorted_sets::random_options;
use super::{Words, compare, spoil, word, words};
use crate::differential::chance::Chance;

#[test]
fn hashes_are_byte_for_byte_those_of_redis() {
    compare("hashes", draw);
}

fn draw(chance: &mut Chance) -> Words {
    let words = right(chance);
    spoil(chance, words)
}

fn right(chance: &mut Chance) -> Words {
    let key = chance.key();
    match chance.below(24) {
        0..=4 => [words![chance.pick(&["HSET", "hMset"]), key], pairs(chance)].concat(),
        5 => {
            let pairs = chance.many(100, 200, |chance| words![chance.below(300), chance.value()]);
            [words!["HSET", key], pairs.concat()].concat()
        }
        6 => words!["HSETNX", key, chance.member(), chance.value()],
        7 => words!["HGET", key, chance.member()],
        8 => [words!["hmget", key], chance.members()].concat(),
        9 => words!["HGETALL", key],
        10 | 11 => [words!["HDEL", key], chance.members()].concat(),
        12 => words!["HLEN", key],
        13 => words!["HEXISTS", key, chance.member()],
        14 => words![chance.pick(&["HKEYS", "HVALS"]), key],
        15 => words!["HSTRLEN", key, chance.member()],
        16..=18 => words!["HINCRBY", key, chance.member(), number(chance)],
        19..=21 => words!["HINCRBYFLOAT", key, chance.member(), float(chance)],
        _ => [words!["HRANDFIELD", key], random_options(chance, "WITHVALUES")].concat(),
    }
}

#[test]
fn fields_that_expire_are_byte_for_byte_those_of_redis() {
    compare("fields that expire", |chance| {
        let words = expiring(chance);
        spoil(chance, words)
    });
}

fn expiring(chance: &mut Chance) -> Words {
    let key = chance.key();
    match chance.below(16) {
        0 | 1 => [words!["HSET", key], pairs(chance)].concat(),
        2..=5 => {
            let (name, at) = chance.pick(&[
                ("HEXPIRE", false),
                ("HPEXPIRE", false),
                ("HEXPIREAT", true),
                ("HPEXPIREAT", true),
            ]);
            let condition = match chance.below(4) {
                0 => words![chance.pick(&["NX", "xx", "GT", "LT", "ZZ"])],
                _ => words![],
            };
            [words![name, key, field_time(chance, name, at)], condition, fields(chance)].concat()
        }
        6 | 7 => {
            let name = chance.pick(&["HTTL", "HPTTL", "HEXPIRETIME", "HPEXPIRETIME", "HPERSIST", "HPERSIST"]);
            [words![name, key], fields(chance)].concat()
        }
        8 => [words!["HGETDEL", key], fields(chance)].concat(),
        9 | 10 => [words!["HGETEX", key], expiry(chance, "PERSIST"), fields(chance)].concat(),
        11..=13 => {
            let condition = match chance.below(4) {
                0 => words![chance.pick(&["FNX", "fxx", "NX"])],
                _ => words![],
            };
            let pairs = chance.many(1, 3, |chance| words![chance.member(), chance.value()]);
            let count = if chance.one_in(10) { wrong_count(chance) } else { word(&pairs.len()) };
            let fields = [words!["FIELDS", count], pairs.concat()].concat();
            [words!["HSETEX", key], condition, expiry(chance, "KEEPTTL"), fields].concat()
        }
        14 => words!["HGETALL", key],
        _ => words![chance.pick(&["HLEN", "HGETALL"]), key],
    }
}

fn expiry(chance: &mut Chance, last: &str) -> Words {
    match chance.below(7) {
        0 => words!["EX", field_time(chance, "HEXPIRE", false)],
        1 => words!["px", field_time(chance, "HPEXPIRE", false)],
        2 => words!["EXAT", field_time(chance, "HEXPIRE", true)],
        3 => words!["PXAT", field_time(chance, "HPEXPIRE", true)],
        4 => words![last],
        _ => words![],
    }
}

/// Far ahead, or long past, or no time. What Redis has no room for, Valkey takes; but no more than larder has.
fn field_time(chance: &mut Chance, name: &str, is_time: bool) -> Vec<u8> {
    let is_millis = name.starts_with("HP");
    match chance.below(12) {
        0 => word(&chance.pick(&["-1", "abc", "", "1.5"])),
        1 if is_millis => word("70368744177664"),
        1 => word("9223372036854775807"),
        2 if is_time => word("1"),
        2 => word("0"),
        _ => {
            let seconds = 100_000 * (1 + chance.below(4) as u64) + if is_time { 4_000_000_000 } else { 0 };
            word(&if is_millis { seconds * 1_000 } else { seconds })
        }
    }
}

fn fields(chance: &mut Chance) -> Words {
    let fields = chance.members();
    let count = if chance.one_in(10) { wrong_count(chance) } else { word(&fields.len()) };
    let name = if chance.one_in(20) { "FIELD" } else { "FIELDS" };
    [words![name, count], fields].concat()
}

fn wrong_count(chance: &mut Chance) -> Vec<u8> {
    word(&chance.pick(&["0", "-1", "x", "7", "99999999999"]))
}

fn pairs(chance: &mut Chance) -> Words {
    chance.many(1, 4, |chance| words![chance.member(), chance.value()]).concat()
}

fn number(chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(4) { chance.value() } else { word(&chance.number()) }
}

fn float(chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(3) { chance.value() } else { word(&chance.float()) }
}

/// Of a command's words, apart by spaces.
fn call(session: &mut Session, words: &str) -> Reply {
    session.call(words.split(' '))
}

fn numbers<const N: usize>(numbers: [i64; N]) -> Reply {
    Reply::Array(numbers.map(Reply::Integer).to_vec())
}

fn error(reply: Reply) -> String {
    match reply {
        Reply::Error(error) => error.to_string(),
        other => panic!("no error: {other:?}"),
    }
}

/// A session whose clock stands at a second since 1970.
fn session() -> (ManualClock, Session) {
    let clock = ManualClock::starting_at(UNIX_EPOCH + Duration::from_secs(1_000_000));
    let store = Store::builder().clock(&clock).build();
    (clock, store.session())
}

#[test]
fn fields_expire() {
    let (clock, mut session) = session();
    let mut call = |words: &str| call(&mut session, words);
    assert_eq!(call("HEXPIRE h 10 FIELDS 2 a b"), numbers([-2, -2]));
    assert_eq!(call("HTTL h FIELDS 1 a"), numbers([-2]));
    assert_eq!(call("HPERSIST h FIELDS 1 a"), numbers([-2]));
    assert_eq!(call("HSET h a 1 b 2 c 3 d 4"), Reply::Integer(4));
    assert_eq!(call("HTTL h FIELDS 2 a x"), numbers([-1, -2]));
    assert_eq!(call("hexpire h 10 fields 2 a x"), numbers([1, -2]));
    assert_eq!(call("HEXPIRE h 20 NX FIELDS 2 a b"), numbers([0, 1]));
    assert_eq!(call("HPEXPIRE h 15000 FIELDS 2 a b LT"), numbers([0, 1]));
    assert_eq!(call("HPEXPIRE h 15000 gt FIELDS 2 a c"), numbers([1, 0]));
    assert_eq!(call("HEXPIRE h 5 XX XX FIELDS 1 d"), numbers([0]));
    clock.advance(Duration::from_millis(1));
    assert_eq!(call("HTTL h FIELDS 3 a c x"), numbers([15, -1, -2]));
    assert_eq!(call("HPTTL h FIELDS 1 a"), numbers([14_999]));
    assert_eq!(call("HEXPIRETIME h FIELDS 1 a"), numbers([1_000_015]));
    assert_eq!(call("HPEXPIRETIME h FIELDS 2 a c"), numbers([1_000_015_000, -1]));
    assert_eq!(call("HPERSIST h FIELDS 3 a c x"), numbers([1, -1, -2]));
    assert_eq!(call("HEXPIREAT h 1000001 FIELDS 1 a"), numbers([1]));
    assert_eq!(call("HPEXPIREAT h 1000000001 FIELDS 2 d x"), numbers([2, -2]));
    assert_eq!(call("HEXPIRE h 0 FIELDS 1 c"), numbers([2]));
    clock.advance(Duration::from_millis(999));
    assert_eq!(call("HMGET h a b c d"), Reply::Array(vec![Reply::Nil, bulk("2"), Reply::Nil, Reply::Nil]));
}

#[test]
fn fields_are_read_and_set_with_deadlines() {
    let (_clock, mut session) = session();
    let mut call = |words: &str| call(&mut session, words);
    assert_eq!(call("HSETEX h FXX FIELDS 1 a 1"), Reply::Integer(0));
    assert_eq!(call("HSETEX h FNX EX 10 FIELDS 2 a 1 b 2"), Reply::Integer(1));
    assert_eq!(call("HSETEX h FIELDS 1 b 3 FNX"), Reply::Integer(0));
    assert_eq!(call("HSETEX h KEEPTTL FIELDS 1 a 4"), Reply::Integer(1));
    assert_eq!(call("HSETEX h FIELDS 2 b 5 c 6"), Reply::Integer(1));
    assert_eq!(call("HTTL h FIELDS 3 a b c"), numbers([10, -1, -1]));
    assert_eq!(call("HGETEX h FIELDS 2 a x"), Reply::Array(vec![bulk("4"), Reply::Nil]));
    assert_eq!(call("HGETEX h PX 500 FIELDS 1 b"), Reply::Array(vec![bulk("5")]));
    assert_eq!(call("HGETEX h FIELDS 1 a PERSIST"), Reply::Array(vec![bulk("4")]));
    assert_eq!(call("HPTTL h FIELDS 3 a b c"), numbers([-1, 500, -1]));
    assert_eq!(call("HGETEX h EXAT 1 FIELDS 1 c"), Reply::Array(vec![bulk("6")]));
    assert_eq!(call("HGETDEL h FIELDS 3 a c a"), Reply::Array(vec![bulk("4"), Reply::Nil, Reply::Nil]));
    assert_eq!(call("HSETEX h PXAT 1 FIELDS 1 b 7"), Reply::Integer(1));
    assert_eq!(call("HLEN h"), Reply::Integer(0));
    assert_eq!(call("HGETDEL h FIELDS 1 a"), Reply::Array(vec![Reply::Nil]));
}

fn bulk(text: &str) -> Reply {
    Reply::Bulk(text.into())
}

#[test]
fn errors_about_fields_that_expire() {
    const TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
    const POSITION: &str = "ERR Mandatory argument FIELDS is missing or not at the right position";
    const MATCH: &str = "ERR The `numfields` parameter must match the number of arguments";
    const ZERO: &str = "ERR Parameter `numFields` should be greater than 0";
    const POSITIVE: &str = "ERR Number of fields must be a positive integer";
    const NEGATIVE: &str = "ERR invalid expire time, must be >= 0";
    const INTEGER: &str = "ERR value is not an integer or out of range";
    const ANY: [Option<Compat>; 2] = [Some(Compat::Redis82), Some(Compat::Redis810)];
    const OLD: [Option<Compat>; 2] = [Some(Compat::Redis82), None];
    const NEW: [Option<Compat>; 2] = [None, Some(Compat::Redis810)];
    let table = [
        (ANY, "HEXPIRE s x FIELDS 0", "ERR wrong number of arguments for 'hexpire' command"),
        (ANY, "HEXPIRE s x FIELDS 0 a", TYPE),
        (ANY, "HEXPIRE h x FIELDS 1 a", INTEGER),
        (ANY, "HEXPIRE h -1 FIELDS 1 a", NEGATIVE),
        (ANY, "HEXPIRE h 70368744178 FIELDS 1 a", "ERR invalid expire time in 'hexpire' command"),
        (ANY, "HPEXPIREAT h 70368744177664 FIELDS 1 a", "ERR invalid expire time in 'hpexpireat' command"),
        (ANY, "HEXPIRE h 1 FIELDS 0 a", ZERO),
        (OLD, "HEXPIRE h 1 FIELDS 2 a", MATCH),
        (NEW, "HEXPIRE h 1 FIELDS 2 a", "ERR wrong number of arguments"),
        (OLD, "HEXPIRE h 1 FIELDS 1 a NX", MATCH),
        (NEW, "HEXPIRE h 1 NX XX FIELDS 1 a", "ERR Multiple condition flags specified"),
        (OLD, "HEXPIRE h 1 NX XX FIELDS 1 a", POSITION),
        (NEW, "HEXPIRE h 1 NX FIELDS 1", "ERR FIELDS requires at least numfields and one field argument"),
        (OLD, "HEXPIRE h 1 NX FIELDS 1", MATCH),
        (NEW, "HEXPIRE h 1 FIELDS 1 a b", "ERR unknown argument: b"),
        (NEW, "HEXPIRE h 1 NX NX NX", "ERR missing FIELDS argument"),
        (NEW, "HEXPIRE h 1 FIELDS 1 a fields 1 a", "ERR FIELDS keyword specified multiple times"),
        (ANY, "HTTL s FIELD 1 a", TYPE),
        (ANY, "HTTL h FIELD 1 a", POSITION),
        (ANY, "HPTTL h FIELDS x a", POSITIVE),
        (ANY, "HPERSIST h FIELDS 2 a", MATCH),
        (ANY, "HGETDEL s FIELD 1 a", TYPE),
        (ANY, "HGETDEL h FIELDS -1 a", POSITIVE),
        (ANY, "HGETDEL h FIELDS 1 a b", MATCH),
        (ANY, "HGETEX s EX x FIELDS 1 a", TYPE),
        (ANY, "HGETEX h EX x FIELDS 1 a", INTEGER),
        (OLD, "HGETEX h FIELDS 0 a", POSITIVE),
        (NEW, "HGETEX h FIELDS 0 a", "ERR invalid number of fields"),
        (OLD, "HGETEX h FIELDS 2 a", MATCH),
        (NEW, "HGETEX h FIELDS 2 a", "ERR wrong number of arguments"),
        (OLD, "HGETEX h FNX FIELDS 1 a", POSITION),
        (NEW, "HGETEX h FNX FIELDS 1 a", "ERR unknown argument: FNX"),
        (NEW, "HGETEX h PERSIST EX 1 FIELDS 1 a", ONE_OF_GET),
        (NEW, "HGETEX h FIELDS 1 a EX", "ERR missing expire time"),
        (ANY, "HSETEX s EX -1 FIELDS 1 a 1", NEGATIVE),
        (ANY, "HSETEX s EX 1 FIELDS 1 a 1", TYPE),
        (ANY, "HSETEX h KEEPTTL PX 1 FIELDS 1 a 1", ONE_OF_SET),
        (ANY, "HSETEX h FNX FXX FIELDS 1 a 1", "ERR Only one of FXX or FNX arguments can be specified"),
        (ANY, "HSETEX h PERSIST FIELDS 1 a 1", "ERR unknown argument: PERSIST"),
        (ANY, "HSETEX h FIELDS 0 a 1", "ERR invalid number of fields"),
        (OLD, "HSETEX h FIELDS 2 a 1", ARITY),
        (NEW, "HSETEX h FIELDS 2 a 1", "ERR wrong number of arguments"),
        (NEW, "HSETEX h FNX FNX a 1", "ERR Only one of FXX or FNX arguments can be specified"),
    ];
    for (kinds, words, expected) in table {
        for kind in kinds.into_iter().flatten() {
            let mut session = session().1.compat(kind);
            call(&mut session, "SET s 1");
            call(&mut session, "HSET h a 1");
            assert_eq!(error(call(&mut session, words)), expected, "{words} in {kind:?}");
        }
    }
    let mut session = session().1.compat(Compat::Redis72);
    assert!(error(call(&mut session, "HTTL h FIELDS 1 a")).starts_with("ERR unknown command 'HTTL'"));
}

const ARITY: &str = "ERR wrong number of arguments for 'hsetex' command";
const ONE_OF_GET: &str = "ERR Only one of EX, PX, EXAT, PXAT or PERSIST arguments can be specified";
const ONE_OF_SET: &str = "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified";
