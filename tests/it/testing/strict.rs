//! Strict modes: what is found, and how it is told.

use std::time::Duration;

use larder::testing::Strict;
use larder::{Compat, Store};
use redis::Commands;

use super::helpers::{ask, panic_of};
use crate::server::Client;

fn found(strict: Strict, task: impl FnOnce(&Store)) -> Vec<String> {
    let store = Store::new();
    let guard = store.strict(strict);
    task(&store);
    let found: Vec<String> = guard.violations().iter().map(ToString::to_string).collect();
    let dropped = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(guard)));
    assert_eq!(dropped.is_err(), !found.is_empty());
    found
}

#[test]
fn unknown_commands_are_found_by_each_door() {
    let strict = || Strict::new().unknown_commands();
    let by_session = found(strict(), |store| {
        let mut session = store.session();
        for command in ["GTE user:1", "CONFIG GTE x", "GET", "GET a", "KEYS *"] {
            ask(&mut session, command);
        }
        ask(&mut store.session().compat(Compat::Redis70), "DELIFEQ a b");
    });
    assert_eq!(
        by_session,
        ["unknown command: GTE user:1", "unknown command: CONFIG GTE x", "unknown command: DELIFEQ a b"]
    );
    let by_redis = found(strict(), |store| {
        redis::cmd("GTE").arg("a b").query::<()>(&mut store.redis_connection()).unwrap_err();
    });
    assert_eq!(by_redis, ["unknown command: GTE \"a b\""]);
    let by_socket = found(strict(), |store| {
        let server = store.serve().unwrap();
        assert!(Client::connect(server.addr()).ask("GTE a").starts_with("-ERR unknown command"));
    });
    assert_eq!(by_socket, ["unknown command: GTE a"]);
}

#[test]
fn forbidden_commands_are_found() {
    let strict = Strict::new().forbid(["KEYS", "CONFIG SET"]).forbid("@stream");
    let commands = found(strict, |store| {
        let mut session = store.session();
        for command in ["keys *", "CONFIG GET port", "CONFIG SET port 1", "GET a", "FLUSHALL"] {
            ask(&mut session, command);
        }
    });
    assert_eq!(commands, ["forbidden command: keys *", "forbidden command: CONFIG SET port 1"]);
    let dangerous = found(Strict::new().forbid("@dangerous"), |store| {
        let _: Vec<String> = store.redis_connection().keys("*").unwrap();
    });
    assert_eq!(dangerous, ["forbidden command: KEYS *"]);
}

#[cfg(feature = "lua")]
#[test]
fn keys_that_a_script_has_not_declared_are_found_by_each_way_to_call_one() {
    let strict = || Strict::new().undeclared_keys();
    let scripts = found(strict(), |store| {
        let mut session = store.session();
        let mut call = |words: &[&str]| session.call(words.iter().copied());
        let move_all = "redis.call('RENAME', KEYS[1], 'moved') return redis.pcall('GET', ARGV[1])";
        call(&["SET", "a", "1"]);
        call(&["EVAL", move_all, "1", "a", "b c"]);
        // Once for each command of each script, and nothing of what is declared or names no key.
        let often =
            "for i = 1, 3 do redis.call('MGET', KEYS[1], KEYS[2], 'x', 'x') end return redis.call('PING')";
        call(&["EVAL", often, "2", "a", "b"]);
        call(&["EVAL_RO", "return redis.call('KEYS', '*')", "0"]);
        let larder::Reply::Bulk(sha) = call(&["SCRIPT", "LOAD", "return redis.call('GET', 'cfg')"]) else {
            panic!("no digest");
        };
        let sha = String::from_utf8(sha.to_vec()).unwrap();
        call(&["EVALSHA", &sha, "0"]);
        call(&["EVALSHA", &sha, "1", "cfg"]);
        let library = "#!lua name=lib\nredis.register_function('put', function(keys, args)\n\
            return redis.call('SET', args[1], 1) end)";
        call(&["FUNCTION", "LOAD", library]);
        call(&["FCALL", "put", "0", "other"]);
        call(&["MULTI"]);
        call(&["FCALL", "put", "1", "other", "another"]);
        call(&["EXEC"]);
        // What no script touches is nobody's business, nor what comes when no command is carried out.
        call(&["GET", "z"]);
        call(&["EVAL", "return redis.pcall('GET')", "0"]);
    });
    let script = |name: &str| scripts.iter().filter(|text| text.contains(name)).count();
    assert_eq!((scripts.len(), script("in: EVAL \""), script("in: EVALSHA")), (6, 3, 1), "{scripts:#?}");
    assert!(
        scripts[0].starts_with("undeclared key: moved, touched by: RENAME a moved, in: EVAL \"redis.call(")
    );
    assert!(scripts[1].starts_with("undeclared key: \"b c\", touched by: GET \"b c\", in: EVAL \""));
    assert!(scripts[2].starts_with("undeclared key: x, touched by: MGET a b x x, in: EVAL \""));
    let sha = "undeclared key: cfg, touched by: GET cfg, in: EVALSHA ";
    assert!(scripts[3].starts_with(sha) && scripts[3].ends_with(" 0"), "{}", scripts[3]);
    assert_eq!(scripts[4], "undeclared key: other, touched by: SET other 1, in: FCALL put 0 other");
    assert_eq!(
        scripts[5],
        "undeclared key: another, touched by: SET another 1, in: FCALL put 1 other another"
    );
    // Others are not told of what they have not asked for.
    let unasked = found(Strict::new().forbid("KEYS"), |store| {
        store.session().call(["EVAL", "return redis.call('GET', 'x')", "0"]);
    });
    assert_eq!(unasked, [""; 0]);
}

#[test]
fn keys_without_a_time_to_live_are_found_at_the_end() {
    let keys = found(Strict::new().keys_without_ttl("session:*").keys_without_ttl("lock:?"), |store| {
        let mut session = store.session();
        for command in [
            "SET session:1 ann",
            "SET session:2 bob EX 60",
            "SET session:3 eve",
            "EXPIRE session:3 60",
            "SET session:4 gone",
            "DEL session:4",
            "SET session:5 ann EX 60",
            "PERSIST session:5",
            "SET page:1 home",
            "SELECT 2",
            "HSET lock:a owner ann",
            "GET session:1",
        ] {
            ask(&mut session, command);
        }
        store.insert("session:6", "directly").unwrap();
    });
    assert_eq!(
        keys,
        [
            "no time to live: session:1, last written by: SET session:1 ann",
            "no time to live: session:5, last written by: PERSIST session:5",
            "no time to live: session:6, written by no command that was seen",
            "no time to live: lock:a in database 2, last written by: HSET lock:a owner ann",
        ]
    );
}

#[test]
fn the_test_fails_with_all_that_was_found() {
    let store = Store::new();
    let told = panic_of(|| {
        let strict = store.strict(Strict::new().forbid("KEYS").keys_without_ttl("*"));
        strict.check();
        ask(&mut store.session(), "KEYS *");
        ask(&mut store.session(), "SET a 1");
    });
    assert_eq!(
        told,
        "what should not be:\n    forbidden command: KEYS *\n    no time to live: a, last written by: SET a 1"
    );
    // The guard is gone, and so is its watch.
    ask(&mut store.session(), "KEYS *");
    store.expire("a", Duration::from_secs(60)).unwrap();
    store.strict(Strict::new().forbid("KEYS").keys_without_ttl("*")).check();

    let first = panic_of(|| {
        let _strict = store.strict(Strict::new().forbid("KEYS"));
        ask(&mut store.session(), "KEYS *");
        panic!("the first");
    });
    assert_eq!(first, "the first");
}

#[cfg(feature = "lua")]
#[test]
fn what_scripts_do_is_seen() {
    let strict = Strict::new().unknown_commands().forbid("KEYS").keys_without_ttl("s:*");
    let found = found(strict, |store| {
        let mut session = store.session();
        let call = |session: &mut larder::Session, script: &str| session.call(["EVAL", script, "1", "s:2"]);
        call(&mut session, "for _ = 1, 3 do redis.call('KEYS', 'x') end");
        call(&mut session, "return redis.pcall('GTE', 'a')");
        call(&mut session, "redis.call('SET', KEYS[1], 'x')");
        for command in ["MULTI", "SELECT 3", "SET s:1 x", "EXEC"] {
            ask(&mut session, command);
        }
    });
    assert_eq!(
        found,
        [
            "forbidden command: KEYS x, in: EVAL \"for _ = 1, 3 do redis.call('KEYS', 'x') end\" 1 s:2",
            "unknown command: GTE a, in: EVAL \"return redis.pcall('GTE', 'a')\" 1 s:2",
            "no time to live: s:2, last written by: SET s:2 x, in: EVAL \"redis.call('SET', KEYS[1], 'x')\" 1 s:2",
            "no time to live: s:1 in database 3, last written by: SET s:1 x",
        ]
    );
}

#[test]
fn of_many_keys_the_last_writer_is_told() {
    let store = Store::new();
    let strict = store.strict(Strict::new().keys_without_ttl("s:*"));
    let mut session = store.session();
    for n in 0..=10_000 {
        session.call(["SET", &format!("s:{n}"), "x", "EX", "10"]);
    }
    ask(&mut session, "PERSIST s:0");
    assert_eq!(strict.violations()[0].to_string(), "no time to live: s:0, last written by: PERSIST s:0");
    store.clear().unwrap();
}
