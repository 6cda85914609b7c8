//! OBJECT and MEMORY USAGE.

use larder::{Compat, Reply, Store};

use super::redis::Redis;
use super::value::Value;
use super::{Words, compare, fill, words};
use crate::differential::chance::Chance;
use crate::differential::server::Server;

#[test]
fn what_is_told_of_keys_is_like_that_of_redis() {
    compare("objects", draw);
}

fn draw(chance: &mut Chance) -> Words {
    let key = chance.key();
    match chance.below(10) {
        0 => words!["OBJECT", chance.pick(&["ENCODING", "refcount", "IDLETIME", "FREQ"]), key],
        1 => words!["OBJECT", chance.pick(&["ENCODING", "REFCOUNT", "IDLETIME", "FREQ", "HELP"])],
        2 => words!["object", "nothing", key],
        3 => words!["OBJECT"],
        4 => words!["MEMORY", "USAGE", key, chance.pick(&["SAMPLES", "samples", "x"]), chance.value()],
        5 => words!["memory", "usage", key],
        6 => words!["MEMORY", "USAGE", key, chance.pick(&["SAMPLES", "x"])],
        7 => words!["DEL", key],
        _ => fill::draw(chance),
    }
}

/// Contents at both sides of each limit.
fn contents() -> Vec<Words> {
    let numbers = |count: usize| (0..count).map(|number| number.to_string().into_bytes()).collect::<Words>();
    let pairs = |count: usize| numbers(count).into_iter().flat_map(|n| [n.clone(), n]).collect::<Words>();
    let text = |length: usize| "x".repeat(length);
    let mut all = vec![];
    for value in ["1", "-9223372036854775808", "9223372036854775808", "007", ""] {
        all.push(words!["SET", "key", value]);
    }
    all.extend([30, 31, 38, 39, 44, 45, 110, 111].map(|length| words!["SET", "key", text(length)]));
    for count in [1, 512, 513] {
        all.push([words!["SADD", "key"], numbers(count)].concat());
        all.push([words!["HSET", "key"], pairs(count)].concat());
    }
    for count in [127, 128, 129] {
        all.push([words!["SADD", "key", "x"], numbers(count - 1)].concat());
        all.push([words!["ZADD", "key"], pairs(count)].concat());
    }
    for length in [64, 65] {
        all.push(words!["SADD", "key", text(length)]);
        all.push(words!["HSET", "key", "field", text(length)]);
        all.push(words!["HSET", "key", text(length), "value"]);
        all.push(words!["ZADD", "key", "1", text(length)]);
    }
    for length in [100, 8_000, 8_179, 8_180, 8_181, 8_190, 9_000] {
        all.push(words!["RPUSH", "key", text(length)]);
    }
    all.push([words!["RPUSH", "key"], numbers(2_000)].concat());
    all.push([words!["RPUSH", "key"], numbers(3_000)].concat());
    all
}

#[test]
fn contents_are_kept_as_redis_keeps_them() {
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), larder::Protocol::Resp2);
        for words in contents() {
            let store = Store::new();
            let mut session = store.session().compat(redis.compat);
            redis.ask(&words!["DEL", "key"]);
            redis.ask(&words);
            super::answer(&mut session, &words);
            let question = words!["OBJECT", "ENCODING", "key"];
            let reply = super::answer(&mut session, &question);
            let (ours, theirs) = (session.encode(&reply), redis.ask(&question));
            let shown: Vec<_> = words.iter().take(3).map(|word| word.escape_ascii().to_string()).collect();
            assert_eq!(ours, theirs, "{:?}, {} words: {shown:?}", redis.compat, words.len());
        }
    }
}

/// Each in a store of its own, since what was once large stays so in Redis.
#[test]
fn the_limits_that_are_configured_hold() {
    let text = |length: usize| "x".repeat(length);
    let cases = [
        ("hash-max-listpack-entries", "2", vec![words!["HSET", "key", "a", "1", "b", "2"]]),
        ("hash-max-ziplist-entries", "1", vec![words!["HSET", "key", "a", "1", "b", "2"]]),
        ("hash-max-listpack-value", "3", vec![words!["HSET", "key", "a", "123"]]),
        ("hash-max-ziplist-value", "2", vec![words!["HSET", "key", "a", "123"]]),
        ("hash-max-listpack-entries", "1000", vec![hash_of(513)]),
        ("set-max-intset-entries", "2", vec![words!["SADD", "key", "1", "2", "3"]]),
        ("set-max-intset-entries", "0", vec![words!["SADD", "key", "1"]]),
        ("set-max-listpack-entries", "1", vec![words!["SADD", "key", "a", "b"]]),
        ("set-max-listpack-value", "2", vec![words!["SADD", "key", "abc"]]),
        ("set-max-listpack-value", "100", vec![words!["SADD", "key", text(100)]]),
        ("zset-max-listpack-entries", "0", vec![words!["ZADD", "key", "1", "a"]]),
        (
            "zset-max-ziplist-entries",
            "1",
            vec![words!["ZADD", "key", "1", "a"], words!["ZADD", "key", "1", "b"]],
        ),
        ("zset-max-listpack-value", "2", vec![words!["ZADD", "key", "1", "abc"]]),
        ("list-max-listpack-size", "2", vec![words!["RPUSH", "key", "a"], words!["RPUSH", "key", "b"]]),
        ("list-max-listpack-size", "2", vec![words!["RPUSH", "key", "a", "b"], words!["RPUSH", "key", "c"]]),
        ("list-max-listpack-size", "0", vec![words!["RPUSH", "key", "a"], words!["RPUSH", "key", "b"]]),
        ("list-max-listpack-size", "9", vec![words!["RPUSH", "key", text(8_185)]]),
        ("list-max-listpack-size", "9", vec![words!["RPUSH", "key", text(8_186)]]),
        ("list-max-ziplist-size", "-1", vec![words!["RPUSH", "key", text(4_089)]]),
        ("list-max-ziplist-size", "-1", vec![words!["RPUSH", "key", text(4_090)]]),
        ("list-max-listpack-size", "-5", vec![words!["RPUSH", "key", text(65_000)]]),
        ("list-max-listpack-size", "-7", vec![words!["RPUSH", "key", text(65_530)]]),
    ];
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), larder::Protocol::Resp2);
        for (name, value, commands) in &cases {
            let store = Store::new();
            let mut session = store.session().compat(redis.compat);
            let before = Value::parse(&redis.ask(&words!["CONFIG", "GET", *name])).unwrap().texts();
            let set = words!["CONFIG", "SET", *name, *value];
            let all = [vec![words!["DEL", "key"], set], commands.clone()].concat();
            for words in &all {
                redis.ask(words);
                super::answer(&mut session, words);
            }
            let question = words!["OBJECT", "ENCODING", "key"];
            let reply = super::answer(&mut session, &question);
            let (ours, theirs) = (session.encode(&reply), redis.ask(&question));
            before
                .get(1)
                .into_iter()
                .for_each(|was| drop(redis.ask(&words!["CONFIG", "SET", *name, was.clone()])));
            assert_eq!(ours, theirs, "{:?}, {name} {value}, {} commands", redis.compat, commands.len());
        }
    }
}

fn hash_of(fields: usize) -> Words {
    let pairs = (0..fields).flat_map(|number| [number.to_string().into_bytes(), b"x".to_vec()]);
    [words!["HSET", "key"], pairs.collect()].concat()
}

#[test]
fn newer_servers_keep_more_in_small_forms() {
    use std::time::Duration;

    let store = Store::new();
    store.list::<u32>("list").push_back(1).unwrap();
    store.set::<String>("set").insert("a").unwrap();
    store.hash::<String, u32>("hash").insert("a", 1).unwrap();
    store.hash::<String, u32>("timed").insert("a", 1).unwrap();
    store.hash::<String, u32>("timed").expire_field("a", Duration::from_secs(60)).unwrap();
    let expected = [
        (Compat::Redis70, ["quicklist", "hashtable", "listpack", "listpack"]),
        (Compat::Redis72, ["listpack", "listpack", "listpack", "listpack"]),
        (Compat::Redis810, ["listpack", "listpack", "listpack", "listpackex"]),
        (Compat::Valkey9, ["listpack", "listpack", "listpack", "hashtable"]),
    ];
    for (compat, names) in expected {
        let mut session = store.session().compat(compat);
        for (key, name) in ["list", "set", "hash", "timed"].into_iter().zip(names) {
            assert_eq!(
                session.call(["OBJECT", "ENCODING", key]),
                Reply::Bulk(name.into()),
                "{key}, {compat:?}"
            );
        }
    }
}
