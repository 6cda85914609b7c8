//! Which keys a client is told of that has read them by a script: those that the script has read, as Redis has it from
//! 7.2 on (7.0 takes all keys that the command names).

use larder::{Protocol, Reply, Session, Store};

use crate::differential::server::Server;
use crate::wire::redis::Redis;
use crate::wire::value::Value;
use crate::wire::{Words, answer, words};

const READS: &str = "return redis.call('GET', KEYS[1])";
const FUNCTION: &str = "#!lua name=reads\nredis.register_function{function_name = 'reads', flags = {'no-writes'}, \
                        callback = function(keys) return redis.call('GET', keys[1]) end}";

/// What a client does, and of which of the keys `a` and `b` it is to be told then.
fn rounds() -> Vec<(&'static str, Vec<Words>, &'static [&'static str])> {
    let caching = |switch| words!["CLIENT", "CACHING", switch];
    let eval = || words!["EVAL", READS, 2, "a", "b"];
    let reading = ["EVAL_RO", "EVAL"].map(|name| words![name, READS, 2, "a", "b"]);
    let calling = ["FCALL_RO", "FCALL"].map(|name| words![name, "reads", 2, "a", "b"]);
    let scripts = reading.into_iter().chain(calling);
    let mut rounds = Vec::new();
    for script in scripts {
        rounds.push(("", vec![script.clone()], &["a"][..]));
        rounds.push(("OPTIN", vec![script.clone()], &[]));
        rounds.push(("OPTIN", vec![caching("YES"), script.clone()], &["a"]));
        rounds.push(("OPTOUT", vec![script.clone()], &["a"]));
        rounds.push(("OPTOUT", vec![caching("NO"), script], &[]));
    }
    rounds.push(("", vec![words!["EVAL_RO", "return 1", 2, "a", "b"]], &[]));
    let hidden = "redis.call('GET', 'b') return redis.call('GET', 'a')";
    rounds.push(("OPTIN", vec![caching("YES"), words!["EVAL", hidden, 0]], &["a", "b"]));
    // It holds for one command, and for a whole transaction.
    rounds.push(("OPTIN", vec![caching("YES"), eval(), words!["GET", "b"]], &["a"]));
    let both = vec![caching("YES"), words!["MULTI"], eval(), words!["GET", "b"], words!["EXEC"]];
    rounds.push(("OPTIN", both, &["a", "b"]));
    rounds
}

fn on(mode: &str) -> Words {
    let on = words!["CLIENT", "TRACKING", "ON"];
    if mode.is_empty() { on } else { [on, words![mode]].concat() }
}

#[test]
fn a_client_is_told_of_what_its_script_has_read() {
    for (mode, commands, expected) in rounds() {
        let store = Store::new();
        let (mut reader, mut writer) = (store.session(), store.session());
        writer.call(["FUNCTION", "LOAD", FUNCTION]);
        reader.call(["HELLO", "3"]);
        assert_eq!(answer(&mut reader, &on(mode)), Reply::OK);
        for words in &commands {
            assert!(!matches!(answer(&mut reader, words), Reply::Error(_)), "{mode} {words:?}");
        }
        assert_eq!(told(&mut reader), <[&str; 0]>::default());
        writer.call(["SET", "a", "1"]);
        writer.call(["SET", "b", "1"]);
        assert_eq!(told(&mut reader), expected, "{mode} {commands:?}");
    }
}

/// The keys that it has been told of, each by itself.
fn told(session: &mut Session) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(Reply::Push(parts)) = session.try_message() {
        let [_, Reply::Array(keys)] = &parts[..] else { panic!("{parts:?}") };
        let [Reply::Bulk(key)] = &keys[..] else { panic!("{keys:?}") };
        told.push(key.as_str().unwrap().to_owned());
    }
    told
}

#[test]
fn servers_tell_the_same() {
    for server in Server::each() {
        let mut writer = Redis::connect(server.port(), Protocol::Resp2);
        if writer.compat == larder::Compat::Redis70 {
            continue;
        }
        writer.ask(&words!["FUNCTION", "LOAD", FUNCTION]);
        for (mode, commands, expected) in rounds() {
            let mut reader = Redis::connect(server.port(), Protocol::Resp3);
            reader.ask(&on(mode));
            commands.iter().for_each(|words| drop(reader.ask(words)));
            writer.ask(&words!["SET", "a", "1"]);
            writer.ask(&words!["SET", "b", "1"]);
            reader.send(&words!["ECHO", "no more"]);
            let mut told = Vec::new();
            loop {
                let texts = Value::parse(&reader.next()).unwrap().texts();
                let texts: Vec<_> = texts.iter().map(|text| String::from_utf8_lossy(text)).collect();
                match &texts[..] {
                    [kind, key] if kind == "invalidate" => told.push(key.to_string()),
                    [word] if word == "no more" => break,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(told, expected, "{:?} {mode} {commands:?}", writer.compat);
        }
    }
}
