//! OBJECT and MEMORY USAGE.

use larder::{Compat, Reply, Store};

use super::redis::Redis;
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
