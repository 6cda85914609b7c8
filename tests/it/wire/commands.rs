//! COMMAND INFO, COUNT and LIST: that the table says of its commands what Redis says of its own.

use std::collections::BTreeSet;

use larder::{Bytes, Compat, Protocol, Reply, Session, Store};

use super::redis::Redis;
use super::value::Value;
use super::{Words, answer, words};
use crate::differential::server::Server;

/// What COMMAND INFO has in this order.
const FACTS: [&str; 9] =
    ["name", "arity", "flags", "first key", "last key", "step", "categories", "tips", "key specs"];

fn items(bytes: &[u8]) -> Vec<Value> {
    match Value::parse(bytes) {
        Some(Value::Many(_, items)) => items,
        other => panic!("no list: {other:?}"),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::One(_, text) => text.escape_ascii().to_string(),
        Value::Many(kind, items) => {
            format!("{}[{}]", char::from(*kind), items.iter().map(self::text).collect::<Vec<_>>().join(" "))
        }
    }
}

/// Key specs without what explains them to people.
fn without_notes(value: &Value) -> Value {
    match value {
        Value::Many(b'%', items) if items[0] == Value::One(b'$', b"notes".to_vec()) => {
            Value::Many(b'%', items[2..].to_vec())
        }
        Value::Many(kind, items) => Value::Many(*kind, items.iter().map(without_notes).collect()),
        one => one.clone(),
    }
}

fn list(value: &Value) -> &[Value] {
    match value {
        Value::Many(_, items) => items,
        Value::One(..) => &[],
    }
}

#[test]
fn each_command_is_as_redis_tells() {
    for server in Server::each() {
        let wrong = differences(&mut Redis::connect(server.port(), Protocol::Resp3));
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

fn differences(redis: &mut Redis) -> Vec<String> {
    let mut session = Store::new().session().compat(redis.compat);
    let redis_70 = redis.compat == Compat::Redis70;
    let mut wrong = Vec::new();
    for name in items(&answer(&mut session, &words!["COMMAND", "LIST"]).to_bytes(Protocol::Resp3)) {
        let Value::One(_, name) = name else { panic!("{name:?} is no name") };
        let shown = name.escape_ascii().to_string();
        let words = words!["COMMAND", "INFO", name];
        let ours = items(&answer(&mut session, &words).to_bytes(Protocol::Resp3));
        let theirs = items(&redis.ask(&words));
        for ((what, ours), theirs) in FACTS.iter().zip(list(&ours[0])).zip(list(&theirs[0])) {
            let theirs = without_notes(theirs);
            // Redis has called WATCH so since 7.2 only.
            let is_known = redis_70 && (*what, &*shown) == ("flags", "watch");
            if !is_known && ours.clone().sorted() != theirs.clone().sorted() {
                wrong.push(format!("{what} of {shown}: {}, not {}", text(ours), text(&theirs)));
            }
        }
        if list(&theirs[0]).is_empty() {
            wrong.push(format!("Redis has no {shown}"));
        }
    }
    wrong
}

/// Those that are not here, in one place: modules, and what primaries and replicas say to each other.
#[cfg(feature = "lua")]
const MISSING: &str = "failover module|load module|loadex module|unload psync replconf sync";

#[cfg(feature = "lua")]
#[test]
fn the_names_of_the_commands_are_redis_s() {
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), Protocol::Resp3);
        let mut session = Store::new().session().compat(redis.compat);
        // Modules give their commands names in capitals, or with a dot.
        let is_ours = |name: &String| {
            let is_modules = name.contains(|letter: char| letter.is_ascii_uppercase() || letter == '.');
            !is_modules && !MISSING.split(' ').any(|missing| missing == *name)
        };
        let [ours, theirs] = names(&mut session, &mut redis, &words!["COMMAND", "LIST"]);
        let missing: Vec<_> = theirs.difference(&ours).filter(|name| is_ours(name)).collect();
        assert!(missing.is_empty(), "{:?} has {missing:?} too", redis.compat);

        let Value::Many(_, categories) = Value::parse(&redis.ask(&words!["ACL", "CAT"])).unwrap() else {
            panic!("no categories")
        };
        let by_category = categories.iter().map(|category| words!["ACLCAT", text(category)]);
        let by_pattern = ["*", "z*", "CLIENT|*", "?ET", "[gs]et", "xinfo", "nothing", "*|help"];
        let filters = by_category.chain(by_pattern.map(|pattern| words!["PATTERN", pattern]));
        for filter in filters {
            let words = [words!["COMMAND", "LIST", "FILTERBY"], filter].concat();
            let [filtered, theirs] = names(&mut session, &mut redis, &words);
            let theirs: BTreeSet<_> = theirs.into_iter().filter(|name| ours.contains(name)).collect();
            assert_eq!(filtered, theirs, "{words:?}");
        }
    }
}

/// The names that a command gives, ours and those of the server.
#[cfg(feature = "lua")]
fn names(session: &mut Session, redis: &mut Redis, words: &Words) -> [BTreeSet<String>; 2] {
    [answer(session, words).to_bytes(Protocol::Resp3), redis.ask(words)]
        .map(|bytes| items(&bytes).iter().map(text).collect())
}

#[test]
fn commands_are_found_counted_and_filtered() {
    let mut session = Store::new().session();
    let Reply::Integer(count) = session.call(["COMMAND", "COUNT"]) else { panic!("no number") };
    let Reply::Array(all) = session.call(["COMMAND"]) else { panic!("no list") };
    assert_eq!(all.len() as i64, count);
    let Reply::Map(docs) = session.call(["COMMAND", "DOCS"]) else { panic!("no map") };
    assert_eq!(docs.len() as i64, count);

    let text = |text: &str| Reply::Bulk(Bytes::from(text));
    let list = session.call(["command", "list", "filterby", "pattern", "CONFIG|*E*T"]);
    assert_eq!(
        list,
        Reply::Array(["config|get", "config|resetstat", "config|set"].map(text).to_vec()).clone()
    );
    let list = session.call(["COMMAND", "LIST", "FILTERBY", "ACLCAT", "transaction"]);
    let Reply::Array(names) = list else { panic!("no list") };
    assert!(names.contains(&text("multi")) && !names.contains(&text("get")));
    let Reply::Array(infos) = session.call(["COMMAND", "INFO", "what", "GET"]) else { panic!("no list") };
    assert_eq!(infos[0], Reply::Nil);
    assert!(matches!(&infos[1], Reply::Array(facts) if facts[0] == text("get") && facts.len() == 10));
}

#[test]
fn an_older_server_does_not_know_what_came_later() {
    let known = |compat| {
        let mut session = Store::new().session().compat(compat);
        session.call(["COMMAND", "INFO", "waitaof"]) != Reply::Array(vec![Reply::Nil])
    };
    assert!(!known(Compat::Redis70) && known(Compat::Redis72) && known(Compat::Redis810));
}

#[test]
fn help_names_what_there_is() {
    let mut session = Store::new().session();
    for container in ["ACL", "CLIENT", "COMMAND", "CONFIG", "LATENCY", "MODULE", "SLOWLOG"] {
        let Reply::Array(lines) = session.call([container, "HELP"]) else { panic!("no lines") };
        let help = Reply::Status(format!("{container} HELP").into());
        assert!(lines.len() > 1 && lines.contains(&help), "{lines:?}");
    }
}

/// Not in `COMMAND` either: clients look there for what they may use.
#[cfg(not(feature = "lua"))]
#[test]
fn who_runs_scripts_without_them_is_told_of_the_feature() {
    let mut session = Store::new().session();
    for words in [&["EVAL", "return 1", "0"][..], &["evalsha", "0", "0"], &["FUNCTION", "LIST"], &["script"]]
    {
        let name = words[0].to_ascii_uppercase();
        let Reply::Error(error) = session.call(words) else { panic!("{name} is known") };
        let text = format!("ERR unknown command '{name}': this server was built without the feature `lua`");
        assert_eq!(error.to_string(), text);
        assert_eq!(session.call(["COMMAND", "INFO", words[0]]), Reply::Array(vec![Reply::Nil]));
    }
}
