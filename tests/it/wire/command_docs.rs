//! COMMAND DOCS: that what tools make their hints of is what Redis tells them.

use std::collections::BTreeMap;

use larder::{Compat, Protocol, Session, Store};

use super::redis::Redis;
use super::value::Value;
use super::{Words, answer, words};
use crate::differential::server::Server;

/// What is there on one side in another way, in one place: what larder says in words of its own, and what it does
/// not say: what an argument is for, which Valkey tells of one of SET's.
const OWN_WORDS: [&str; 3] = ["summary", "complexity", "replaced_by"];
const UNSAID_OF_ARGUMENTS: &str = "summary";

#[test]
fn what_commands_take_is_told_as_redis_tells_it() {
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), Protocol::Resp3);
        let mut session = Store::new().session().compat(redis.compat);
        let theirs = docs(&redis.ask(&words!["COMMAND", "DOCS"]));
        let ours = docs(&ask(&mut session, Protocol::Resp3, &words!["COMMAND", "DOCS"]));
        let both = ours.iter().filter_map(|(name, ours)| Some((name, ours, theirs.get(name)?)));
        let wrong: Vec<_> = both.filter(|(_, ours, theirs)| ours != theirs).collect();
        assert!(wrong.is_empty(), "{:?}: {wrong:#?}", redis.compat);
        assert!(ours.len() > 300, "{}", ours.len());
    }
}

#[test]
fn one_command_is_documented_as_it_is_among_all() {
    let mut session = Store::new().session();
    let all = ask(&mut session, Protocol::Resp2, &words!["COMMAND", "DOCS"]);
    for (at, name) in ["get", "config", "zunionstore"].into_iter().enumerate() {
        let name = if at == 0 { name.to_ascii_uppercase() } else { name.to_owned() };
        let one = ask(&mut session, Protocol::Resp2, &words!["COMMAND", "DOCS", name, "nothing"]);
        let fact = one.strip_prefix(b"*2\r\n").expect("a name and what is told of it");
        assert!(all.windows(fact.len()).any(|part| part == fact), "{name}");
    }
    assert_eq!(ask(&mut session, Protocol::Resp2, &words!["COMMAND", "DOCS", "nothing"]), b"*0\r\n");
}

#[test]
fn all_of_it_is_well_formed_and_of_a_size_that_a_client_takes() {
    for compat in [Compat::Redis70, Compat::Redis72, Compat::Redis82, Compat::Redis810, Compat::Valkey9] {
        let mut session = Store::new().session().compat(compat);
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            let bytes = ask(&mut session, protocol, &words!["COMMAND", "DOCS"]);
            assert!(Value::parse(&bytes).is_some(), "{compat:?}");
            assert!((100_000..300_000).contains(&bytes.len()), "{compat:?}: {}", bytes.len());
        }
    }
}

#[test]
fn what_came_later_is_not_shown_by_older_servers() {
    let set = |compat| {
        let mut session = Store::new().session().compat(compat);
        String::from_utf8(ask(&mut session, Protocol::Resp2, &words!["COMMAND", "DOCS", "SET"])).unwrap()
    };
    let has = |compat, word: &str| set(compat).contains(&format!("\r\n{word}\r\n"));
    for compat in [Compat::Redis70, Compat::Redis72, Compat::Redis82] {
        assert!(!has(compat, "IFEQ") && has(compat, "KEEPTTL"), "{compat:?}");
    }
    assert!(has(Compat::Valkey9, "IFEQ") && !has(Compat::Valkey9, "IFDEQ"));
    assert!(has(Compat::Redis810, "IFDEQ") && has(Compat::Redis810, "8.4.0"));
    assert!(!has(Compat::Redis70, "display_text") && has(Compat::Redis72, "display_text"));
}

fn ask(session: &mut Session, protocol: Protocol, words: &Words) -> Vec<u8> {
    answer(session, words).to_bytes(protocol)
}

/// What is said of each command and subcommand.
fn docs(reply: &[u8]) -> BTreeMap<String, Facts> {
    let mut docs = BTreeMap::new();
    add(&Value::parse(reply).expect("a reply"), &mut docs);
    docs
}

type Facts = Vec<(String, String)>;

fn add(commands: &Value, docs: &mut BTreeMap<String, Facts>) {
    for (name, facts) in pairs(commands) {
        let mut told = Vec::new();
        for (fact, value) in pairs(facts) {
            match &*fact {
                "subcommands" => add(value, docs),
                _ if OWN_WORDS.contains(&&*fact) => told.push((fact, "...".into())),
                "history" => told.push((fact, versions(value))),
                _ => told.push((fact, text(value))),
            }
        }
        docs.insert(name, told);
    }
}

/// The versions of a history, which is a set.
fn versions(history: &Value) -> String {
    let Value::Many(kind, changes) = history else { panic!("{history:?} is no history") };
    let version = |change: &Value| match change {
        Value::Many(b'*', change) if change.len() == 2 => text(&change[0]),
        other => panic!("{other:?} is no change"),
    };
    let mut versions: Vec<_> = changes.iter().map(version).collect();
    versions.sort();
    format!("{}{versions:?}", char::from(*kind))
}

fn pairs(map: &Value) -> impl Iterator<Item = (String, &Value)> {
    let Value::Many(b'%', items) = map else { panic!("{map:?} is no map") };
    items.chunks(2).map(|pair| match &pair[0] {
        Value::One(b'$', name) => (String::from_utf8_lossy(name).into_owned(), &pair[1]),
        other => panic!("{other:?} is no name"),
    })
}

/// A value in one line, with the kind of each part.
fn text(value: &Value) -> String {
    match value {
        Value::One(kind, text) => format!("{}{}", char::from(*kind), text.escape_ascii()),
        Value::Many(b'%', _) => {
            let said = pairs(value).filter(|(name, _)| name != UNSAID_OF_ARGUMENTS);
            let said: Vec<_> = said.map(|(name, value)| format!("{name}={}", text(value))).collect();
            format!("%[{}]", said.join(" "))
        }
        Value::Many(kind, items) => {
            let items: Vec<_> = items.iter().map(text).collect();
            format!("{}[{}]", char::from(*kind), items.join(" "))
        }
    }
}
