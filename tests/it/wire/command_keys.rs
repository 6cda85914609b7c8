//! COMMAND GETKEYS and GETKEYSANDFLAGS, of any words.

use larder::{Bytes, Reply, Store};

use super::{Words, compare, compare_lines, words};
use crate::differential::chance::Chance;

#[test]
fn the_keys_of_commands_are_those_that_redis_finds() {
    let names = names();
    compare("keys of commands", |chance| draw(chance, &names));
}

/// What `COMMAND LIST` names, subcommands as two words.
fn names() -> Vec<Words> {
    let Reply::Array(names) = Store::new().session().call(["COMMAND", "LIST"]) else { panic!("no list") };
    let words = |name: &Bytes| name.split(|byte| *byte == b'|').map(<[u8]>::to_vec).collect();
    names
        .iter()
        .map(|name| if let Reply::Bulk(name) = name { words(name) } else { panic!("no name") })
        .collect()
}

fn draw(chance: &mut Chance, names: &[Words]) -> Words {
    /// Those whose other words say how keys are used, or where they are.
    const TELLING: [&str; 8] =
        ["sort", "sort_ro", "bitfield", "set", "georadius", "georadiusbymember", "xreadgroup", "eval"];
    const WORDS: [&str; 25] = [
        "a",
        "b",
        "c",
        "d",
        "0",
        "1",
        "2",
        "3",
        "-1",
        "",
        "x",
        "9223372036854775805",
        "9223372036854775807",
        "KEYS",
        "STORE",
        "storedist",
        "STREAMS",
        "streams",
        "GET",
        "SET",
        "INCRBY",
        "BY",
        "LIMIT",
        "COUNT",
        "GROUP",
    ];
    let how = chance.pick(&["GETKEYS", "getkeysandflags", "GETKEYSANDFLAGS"]);
    let name = if chance.one_in(3) { words![chance.pick(&TELLING)] } else { chance.pick(names) };
    let rest = chance.many(0, 9, |chance| chance.pick(&WORDS).as_bytes().to_vec());
    [words!["COMMAND", how], name, rest].concat()
}

/// Where they say that there are as many as numbers reach.
#[test]
fn keys_are_not_counted_beyond_all_numbers() {
    let asked = [
        "ZUNION 9223372036854775806 a",
        "EVAL return 9223372036854775805 a",
        "FCALL f 9223372036854775806 a",
        "ZUNIONSTORE d 9223372036854775805 a",
        "LMPOP 9223372036854775806 a LEFT",
    ];
    let is_there = |asked: &&str| cfg!(feature = "lua") || !asked.starts_with(['E', 'F']);
    let asked: Vec<&str> = asked.into_iter().filter(is_there).collect();
    let asks: Vec<String> = asked.iter().map(|asked| format!("COMMAND GETKEYS {asked}")).collect();
    let user = ["ACL SETUSER ann on nopass ~a* +@all", "AUTH ann x"];
    let lines = asks.iter().map(String::as_str).chain(user).chain(asked);
    compare_lines(' ', lines.chain(["AUTH default x", "ACL DELUSER ann"]));
}

/// The word `KEYS` of MIGRATE in all places.
#[test]
fn keys_of_migrate_stand_where_there_is_no_key() {
    let lines = "h 1 k c x KEYS a b;h 1  c x KEYS a b;h 1  c x COPY KEYS a;h 1 k c x COPY;h 1  c x COPY;h 1  c x;h 1  c x AUTH KEYS;\
        h 1  c x AUTH KEYS KEYS a;h 1  c x AUTH2 KEYS KEYS KEYS a;h 1  c x KEYS;h 1 k c x KEYS;h 1  c x KEYS KEYS;h 1 k KEYS x a";
    let lines: Vec<String> = lines.split(';').map(|line| format!("COMMAND GETKEYS MIGRATE {line}")).collect();
    compare_lines(' ', lines.iter().map(String::as_str));
}

#[test]
fn keys_of_newer_commands_are_told_too() {
    let mut session = Store::new().session();
    let key = |name: &'static str, flags: &[&'static str]| {
        let flags = flags.iter().map(|flag| Reply::Status((*flag).into())).collect();
        Reply::Array(vec![Reply::Bulk(Bytes::from(name)), Reply::Set(flags)])
    };
    assert_eq!(
        session.call(["COMMAND", "GETKEYSANDFLAGS", "MSETEX", "2", "a", "1", "b", "2", "NX"]),
        Reply::Array(vec![key("a", &["OW", "update"]), key("b", &["OW", "update"])])
    );
    assert_eq!(
        session.call(["COMMAND", "GETKEYSANDFLAGS", "LMOVEM", "from", "to", "LEFT", "RIGHT"]),
        Reply::Array(vec![key("from", &["RW", "access", "delete"]), key("to", &["RW", "insert"])])
    );
    assert_eq!(
        session.call(["COMMAND", "GETKEYSANDFLAGS", "HIMPORT", "SET", "key", "fields", "1"]),
        Reply::Array(vec![key("key", &["OW", "update"])])
    );
}
