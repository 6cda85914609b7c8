//! What is refused where there is no memory, and what is not begun then: commands, transactions, scripts and functions, by
//! turns with and without a limit.

use larder::{Protocol, Store};

use super::redis::Redis;
use super::{Words, again, answer, each_round, script, words};
use crate::differential::chance::Chance;

const ROUNDS: u64 = 40;

#[cfg(feature = "lua")]
const LIBRARY: &str = "#!lua name=lib
    local function set() redis.call('SET', 'a', '1') return redis.call('APPEND', 'a', 'x') end
    redis.register_function('set', set)
    redis.register_function{function_name='oom', callback=set, flags={'allow-oom'}}
    redis.register_function{function_name='get', callback=function() return redis.call('GET', 'a') end,
                            flags={'no-writes'}}";

#[cfg(feature = "lua")]
const SCRIPTS: [&str; 12] = [
    "return 1",
    "return redis.call('SET', 'a', '1')",
    "return {redis.pcall('SET', 'a', '1'), redis.pcall('SET', 'b', '1')}",
    "redis.call('DEL', 'a') return redis.call('SET', 'a', '1')",
    "return {redis.call('GET', 'a'), redis.pcall('APPEND', 'a', 'x'), redis.call('DEL', 'a'), redis.call('INCR', 'b')}",
    "return redis.pcall('SORT', 'l')",
    "#!lua\nreturn 1",
    "#!lua flags=allow-stale\nreturn redis.call('GET', 'a')",
    "#!lua flags=allow-oom\nreturn redis.call('SET', 'a', '1')",
    "#!lua flags=no-writes\nreturn redis.call('GET', 'a')",
    "#!lua flags=no-writes,allow-oom\nreturn redis.pcall('SET', 'a', '1')",
    "#!lua flags=what\nreturn 1",
];

fn draw(chance: &mut Chance) -> Words {
    let key = chance.pick(&["a", "b"]);
    match chance.below(if cfg!(feature = "lua") { 34 } else { 26 }) {
        0..=2 => words!["CONFIG", "SET", "maxmemory", "1"],
        3..=4 => words!["CONFIG", "SET", "maxmemory", "0"],
        5..=8 => words!["MULTI"],
        9..=12 => words!["EXEC"],
        13 => words![chance.pick(&["DISCARD", "RESET", "UNWATCH", "PING"])],
        14 => words!["GET", key],
        15..=17 => words!["SET", key, chance.number()],
        18 => words!["DEL", key],
        19 => words!["EXPIRE", key, "100"],
        20 => words![chance.pick(&["SORT", "LPUSHX", "WATCH", "GETDEL", "SET", "SADD"]), "none"],
        21 => words!["LPUSHX", "none", "1"],
        22 => words!["PUBLISH", "c", "1"],
        23 => words!["COPY", key, "none"],
        24 => words!["RENAME", key, "c"],
        25 => words!["INCR", key],
        #[cfg(feature = "lua")]
        26..=30 => words![chance.pick(&["EVAL", "EVAL", "EVAL_RO"]), chance.pick(&SCRIPTS), "0"],
        #[cfg(feature = "lua")]
        31 => words!["FUNCTION", "LOAD", "REPLACE", LIBRARY],
        #[cfg(feature = "lua")]
        32 => words!["EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"],
        #[cfg(feature = "lua")]
        _ => words![chance.pick(&["FCALL", "FCALL_RO"]), chance.pick(&["set", "oom", "get", "none"]), "0"],
        #[cfg(not(feature = "lua"))]
        _ => words!["PING"],
    }
}

#[test]
fn what_there_is_no_room_for_is_refused_as_in_redis() {
    each_round(ROUNDS, |server, seed| {
        // Limits are set by another one: what a queued CONFIG SET does to scripts behind it is left open by Redis.
        let mut redis = [0, 1].map(|_| Redis::connect(server.port(), Protocol::Resp2));
        redis[1].ask(&words!["CONFIG", "SET", "maxmemory", "0"]);
        redis[1].ask(&words!["FLUSHALL"]);
        redis[1].ask(&words!["FUNCTION", "FLUSH"]);
        redis[1].ask(&words!["SCRIPT", "FLUSH"]);
        let store = Store::new();
        let mut sessions = [0, 1].map(|_| store.session().compat(redis[0].compat));
        let mut chance = Chance::new(seed);
        let mut said = Vec::new();
        for _ in 0..200 {
            let words = draw(&mut chance);
            let who = usize::from(words[0] == b"CONFIG");
            let ours = answer(&mut sessions[who], &words).to_bytes(Protocol::Resp2);
            let theirs = redis[who].ask(&words);
            said.push(words);
            assert_eq!(
                ours.escape_ascii().to_string(),
                theirs.escape_ascii().to_string(),
                "{:?}, {}\n{}",
                redis[0].compat,
                again(seed),
                script(&said)
            );
        }
        redis[1].ask(&words!["CONFIG", "SET", "maxmemory", "0"]);
    });
}
