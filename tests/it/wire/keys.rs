//! DEL, EXPIRE, RENAME and their kin, on keys of any type.

use larder::{Reply, Store};

use super::{Words, compare, fill, word, words};
use crate::differential::chance::Chance;

#[test]
fn keys_are_byte_for_byte_those_of_redis() {
    compare("keys", draw);
}

fn draw(chance: &mut Chance) -> Words {
    let (key, other) = (chance.key(), chance.key());
    let keys = || Words::from([word(&key), word(&other)]);
    match chance.below(40) {
        0 => [words![chance.pick(&["DEL", "unlink"])], several(chance)].concat(),
        1 => [words!["EXISTS"], several(chance)].concat(),
        2 => [words!["TOUCH"], several(chance)].concat(),
        3 => words!["TYPE", key],
        4..=8 => [expire(chance, key), conditions(chance)].concat(),
        9..=12 => words![chance.pick(&["TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"]), key],
        13 => words!["PERSIST", key],
        14..=16 => [words!["RENAME"], keys()].concat(),
        17 | 18 => [words!["RENAMENX"], keys()].concat(),
        19..=22 => [words!["COPY"], keys(), copy(chance)].concat(),
        23 | 24 => words!["MOVE", key, database(chance)],
        25 => words!["SWAPDB", database(chance), database(chance)],
        26 => words!["SWAPDB", "0", "1"],
        27 => words!["RANDOMKEY"],
        28 | 29 => words!["KEYS", chance.many(0, 4, |chance| chance.pick(b"ab*?[]-^\\\xff"))],
        30 => words!["DBSIZE"],
        31 if chance.flag() => {
            words![chance.pick(&["FLUSHDB", "FLUSHALL"]), chance.pick(&["async", "SYNC", "NOW"])]
        }
        32 => words![chance.pick(&["TTL", "EXPIRE", "MOVE", "RENAME", "COPY", "DBSIZE", "KEYS", "DEL"]), key],
        _ => fill::draw(chance),
    }
}

fn several(chance: &mut Chance) -> Words {
    chance.keys().iter().map(word).collect()
}

fn expire(chance: &mut Chance, key: &[u8]) -> Words {
    // None that comes while the test runs.
    const ODD: [&str; 8] =
        ["", "x", "1.5", " 7", "-1", "-9223372036854775808", "9223372036854775807", "1e400"];
    let odd = chance.one_in(8).then(|| word(chance.pick(&ODD)));
    match chance.below(4) {
        0 => words!["EXPIRE", key, odd.unwrap_or_else(|| word(&(chance.ttl() / 1_000)))],
        1 => words!["PEXPIRE", key, odd.unwrap_or_else(|| word(&chance.ttl()))],
        2 => words!["ExpireAt", key, odd.unwrap_or_else(|| word(&(chance.time() / 1_000)))],
        _ => words!["PEXPIREAT", key, odd.unwrap_or_else(|| word(&chance.time()))],
    }
}

fn conditions(chance: &mut Chance) -> Words {
    let most = if chance.flag() { 0 } else { 2 };
    chance.many(0, most, |chance| word(chance.pick(&["NX", "XX", "GT", "LT", "lt", "gt", "xx", "ZZ"])))
}

fn database(chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(8) { chance.value() } else { word(&chance.pick(&[0, 1, 1, 1, 2, 15, 16, -1])) }
}

fn copy(chance: &mut Chance) -> Words {
    let options = chance.many(0, 2, |chance| match chance.below(5) {
        0 => words!["DB"],
        1 | 2 => words!["db", database(chance)],
        _ => words!["REPLACE"],
    });
    options.concat()
}

#[test]
fn whole_databases_can_be_meant_within_a_transaction() {
    let store = Store::new();
    let mut session = store.session();
    session.call(["SET", "a", "1"]);
    session.call(["MULTI"]);
    for words in [&["DBSIZE"][..], &["RANDOMKEY"], &["KEYS", "*"], &["SWAPDB", "0", "1"], &["DBSIZE"]] {
        assert_eq!(session.call(words), Reply::Status("QUEUED".into()));
    }
    session.call(["SET", "b", "1"]);
    session.call(["FLUSHDB"]);
    session.call(["DBSIZE"]);
    let a = || Reply::Bulk("a".into());
    let replies = vec![
        Reply::Integer(1),
        a(),
        Reply::Array(vec![a()]),
        Reply::OK,
        Reply::Integer(0),
        Reply::OK,
        Reply::OK,
        Reply::Integer(0),
    ];
    assert_eq!(session.call(["EXEC"]), Reply::Array(replies));
    assert_eq!(session.call(["SWAPDB", "1", "0"]), Reply::OK);
    assert_eq!(session.call(["KEYS", "*"]), Reply::Array(vec![a()]));
}

#[test]
fn a_deadline_is_the_one_that_was_given() {
    let mut session = Store::new().session();
    session.call(["SET", "a", "1"]);
    for time in ["4200000000123", "9223372036854775807"] {
        session.call(["PEXPIREAT", "a", time]);
        for _ in 0..2_000 {
            assert_eq!(session.call(["PEXPIRETIME", "a"]), Reply::Integer(time.parse().unwrap()));
            assert_eq!(session.call(["PEXPIREAT", "a", time, "GT"]), Reply::Integer(0));
        }
    }
}
