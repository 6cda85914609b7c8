//! COMMAND GETKEYS and GETKEYSANDFLAGS, of any words.

use larder::{Bytes, Reply, Store};

use super::{Words, compare, words};
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
    const WORDS: [&str; 24] = [
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
