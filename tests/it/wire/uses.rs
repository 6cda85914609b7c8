//! When a key was last used and how often: OBJECT IDLETIME and FREQ, what counts as a use and what does not.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;

use larder::{Cache, Compat, ManualClock, Protocol, Reply, Session, Store};

use super::redis::Redis;
use super::{Words, answer, word, words};
use crate::differential::server::Server;

/// What makes a key, and commands that come to it.
const CASES: [(&str, &str); 6] = [
    (
        "SET key 12",
        "GET key/GETEX key/GETEX key PERSIST/STRLEN key/GETRANGE key 0 1/SUBSTR key 0 1/EXISTS key/TYPE key/TTL key/PTTL key/\
         EXPIRETIME key/OBJECT ENCODING key/OBJECT REFCOUNT key/DUMP key/MEMORY USAGE key/TOUCH key/MGET a key/APPEND key 1/\
         SETRANGE key 0 1/INCR key/GETBIT key 1/SETBIT key 1 1/BITCOUNT key/BITPOS key 1/BITFIELD_RO key GET u4 0/\
         BITFIELD key GET u4 0/EXPIRE key 100/EXPIRE key 100 XX/PERSIST key/SET key 1/SET key 1 XX/SET key 1 NX/SETNX key 1/\
         SET key 1 KEEPTTL/SET key 1 GET/GETSET key 1/MSETNX key 1 b 2/MSET key 1/COPY key other/COPY other key/RENAME key key/\
         RENAMENX key key/SCAN 0/KEYS */RANDOMKEY/WATCH key/LCS key other/BITOP AND other key/PFCOUNT key/LLEN key/HGET key a/\
         SADD key a/LPUSHX key a/INCRBYFLOAT key 1/DECR key/SORT other GET key/EVAL_RO none 1 key/EXISTS key key/\
         XADD key * a b/SINTERSTORE other key/OBJECT FREQ key/SMISMEMBER key a/GETDEL other/UNLINK other",
    ),
    (
        "RPUSH key a b c",
        "LLEN key/LRANGE key 0 -1/LINDEX key 0/LPOS key b/LPUSHX key d/RPUSH key d/LREM key 0 nothing/LREM key 0 a/LSET key 0 x/\
         LTRIM key 0 -1/LINSERT key BEFORE nothing x/LMOVE key key LEFT RIGHT/RPOPLPUSH key key/SORT key ALPHA/SORT_RO key ALPHA/\
         LPOP key/LPOP key 0/LMPOP 2 other key LEFT/BLPOP other key 0/TYPE key/GET key/SORT key ALPHA STORE other/EXISTS key/\
         LMOVE key other LEFT LEFT/BLMPOP 0 1 key LEFT/SCARD key",
    ),
    (
        "HSET key a 1 b 2",
        "HGET key a/HGET key nothing/HLEN key/HKEYS key/HVALS key/HGETALL key/HEXISTS key a/HSCAN key 0/HSTRLEN key a/HMGET key a/\
         HDEL key nothing/HDEL key a/HRANDFIELD key/HSETNX key a 1/HSETNX key c 1/HINCRBY key a 1/HINCRBYFLOAT key a 1/HSET key a 2/\
         OBJECT ENCODING key/SORT other BY nosort GET key->a",
    ),
    (
        "SADD key a b c",
        "SCARD key/SISMEMBER key a/SMISMEMBER key a/SMEMBERS key/SSCAN key 0/SINTER key/SINTER key other/SUNION other key/SDIFF key/\
         SRANDMEMBER key/SRANDMEMBER key 2/SINTERCARD 1 key/SMOVE key other nothing/SMOVE key other a/SMOVE other key z/SREM key nothing/\
         SREM key a/SADD key a/SADD key z/SPOP key/SORT key ALPHA/SUNIONSTORE other key/SDIFFSTORE key key",
    ),
    (
        "ZADD key 1 a 2 b",
        "ZCARD key/ZSCORE key a/ZMSCORE key a/ZRANGE key 0 -1/ZRANGEBYSCORE key 0 9/ZSCAN key 0/ZRANK key a/ZCOUNT key 0 9/\
         ZLEXCOUNT key - +/ZADD key NX 1 a/ZADD key XX 1 nothing/ZADD key 5 a/ZINCRBY key 1 a/ZREM key nothing/ZREM key a/\
         ZREMRANGEBYRANK key 5 6/ZPOPMIN key/ZUNION 1 key/ZINTERCARD 1 key/ZRANDMEMBER key/ZRANGESTORE other key 0 -1/GEOPOS key a/\
         ZMPOP 1 key MIN/BZPOPMIN key 0/ZUNIONSTORE other 1 key",
    ),
    (
        "XADD key 5-1 a b",
        "XLEN key/XRANGE key - +/XREVRANGE key + -/XREAD STREAMS key 0/XREAD STREAMS key $/XINFO STREAM key/XINFO GROUPS key/\
         XTRIM key MAXLEN 100/XTRIM key MAXLEN 0/XDEL key 9-9/XADD key 6-1 a b/XADD key NOMKSTREAM 6-1 a b/XGROUP CREATE key g 0/\
         XSETID key 7-7/XPENDING key g/XACK key g 5-1/OBJECT ENCODING key",
    ),
];

fn split(command: &str) -> Words {
    command.split(' ').map(word).collect()
}

/// The number of a reply, or what it is.
fn number(reply: &[u8]) -> Result<i64, &[u8]> {
    let digits = reply.strip_prefix(b":").and_then(|rest| rest.strip_suffix(b"\r\n")).ok_or(reply)?;
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(reply)
}

/// Asks a server or a store.
trait Ask {
    fn told(&mut self, words: &Words) -> Vec<u8>;
}

impl Ask for Redis {
    fn told(&mut self, words: &Words) -> Vec<u8> {
        self.ask(words)
    }
}

impl Ask for Session {
    fn told(&mut self, words: &Words) -> Vec<u8> {
        let reply = answer(self, words);
        self.encode(&reply)
    }
}

/// Whether a key that was idle for long counts as used after a command; `None` if it is gone.
fn is_use(who: &mut dyn Ask, made: &str, command: &str) -> Option<bool> {
    who.told(&words!["FLUSHALL"]);
    who.told(&split(made));
    let payload = who.told(&words!["DUMP", "key"]);
    let start = payload.windows(2).position(|end| end == b"\r\n").unwrap() + 2;
    let payload = &payload[start..payload.len() - 2];
    let restored = who.told(&words!["RESTORE", "key", "0", payload, "REPLACE", "IDLETIME", "1000"]);
    assert_eq!(restored, b"+OK\r\n");
    who.told(&split(command));
    who.told(&words!["UNWATCH"]);
    let idle = number(&who.told(&words!["OBJECT", "IDLETIME", "key"])).map_err(<[u8]>::to_vec);
    idle.ok().map(|idle| {
        assert!((0..100).contains(&idle) || (1_000..1_100).contains(&idle), "{command}: {idle}");
        idle < 100
    })
}

#[test]
fn what_is_a_use_is_one_in_redis() {
    for server in Server::each() {
        for says_no_touch in [false, true] {
            let mut redis = Redis::connect(server.port(), Protocol::Resp2);
            if says_no_touch && redis.compat == Compat::Redis70 {
                continue;
            }
            let store = Store::new();
            let mut session = store.session().compat(redis.compat);
            if says_no_touch {
                let words = words!["CLIENT", "NO-TOUCH", "ON"];
                assert_eq!(
                    (redis.ask(&words), session.told(&words)),
                    (b"+OK\r\n".to_vec(), b"+OK\r\n".to_vec())
                );
            }
            let mut differences = Vec::new();
            for (made, commands) in CASES {
                for command in commands.split('/') {
                    let (ours, theirs) =
                        (is_use(&mut session, made, command), is_use(&mut redis, made, command));
                    if ours != theirs {
                        differences.push(format!("{command} after {made}: {ours:?}, there {theirs:?}"));
                    }
                }
            }
            assert!(differences.is_empty(), "{:?}, {says_no_touch}: {differences:#?}", redis.compat);
        }
    }
}

#[test]
fn uses_are_counted_as_redis_counts_them() {
    let steps = [
        "CONFIG SET maxmemory 100mb maxmemory-policy allkeys-lfu lfu-log-factor 10 lfu-decay-time 1",
        "SET key 1",
        "OBJECT FREQ key",
        "OBJECT IDLETIME key",
        // The first one always counts, the next ones by chance.
        "GET key",
        "OBJECT FREQ key",
        "TTL key",
        "OBJECT FREQ key",
        "CONFIG SET lfu-log-factor 0 lfu-decay-time 0",
        "GET key",
        "APPEND key 2",
        "OBJECT FREQ key",
        "SET key 3",
        "OBJECT FREQ key",
        "MGET key key",
        "OBJECT FREQ key",
        "OBJECT FREQ nothing",
        "COPY key other",
        "OBJECT FREQ other",
        "CONFIG SET maxmemory-policy volatile-lru",
        "OBJECT FREQ key",
        "CONFIG SET maxmemory-policy volatile-lfu",
        "OBJECT FREQ nothing",
        "CONFIG SET maxmemory-policy noeviction maxmemory 0",
        "OBJECT FREQ key",
        "OBJECT IDLETIME nothing",
    ];
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        let store = Store::new();
        let mut session = store.session().compat(redis.compat);
        redis.ask(&words!["FLUSHALL"]);
        let both: Vec<_> =
            steps.iter().map(|step| (session.told(&split(step)), redis.ask(&split(step)))).collect();
        for (step, (ours, theirs)) in steps.iter().zip(both) {
            assert_eq!(ours.escape_ascii().to_string(), theirs.escape_ascii().to_string(), "{step}");
        }
    }
}

#[test]
fn a_restored_key_was_used_as_often_as_that_says() {
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        let store = Store::new();
        let mut session = store.session().compat(redis.compat);
        for who in [&mut session as &mut dyn Ask, &mut redis] {
            let set = "CONFIG SET maxmemory 100mb maxmemory-policy allkeys-lfu lfu-decay-time 0 lfu-log-factor 1000000";
            assert_eq!(who.told(&split(set)), b"+OK\r\n");
            who.told(&words!["FLUSHALL"]);
            who.told(&words!["SET", "key", "1"]);
            let payload = who.told(&words!["DUMP", "key"]);
            let start = payload.windows(2).position(|end| end == b"\r\n").unwrap() + 2;
            let payload = &payload[start..payload.len() - 2];
            for count in ["0", "1", "100", "255"] {
                let restore = words!["RESTORE", "key", "0", payload, "REPLACE", "FREQ", count];
                assert_eq!(who.told(&restore), b"+OK\r\n");
                assert_eq!(number(&who.told(&words!["OBJECT", "FREQ", "key"])), Ok(count.parse().unwrap()));
            }
            who.told(&split(
                "CONFIG SET maxmemory 0 maxmemory-policy noeviction lfu-decay-time 1 lfu-log-factor 10",
            ));
        }
    }
}

fn idle(session: &mut Session, key: &str) -> i64 {
    match session.call(["OBJECT", "IDLETIME", key]) {
        Reply::Integer(seconds) => seconds,
        other => panic!("{other:?}"),
    }
}

fn count(session: &mut Session, key: &str) -> i64 {
    match session.call(["OBJECT", "FREQ", key]) {
        Reply::Integer(count) => count,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_clock_of_the_store_says_for_how_long() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    store.insert("before", "x").unwrap();
    clock.advance(Duration::from_secs(50));
    let mut session = store.session();
    // From the first session on.
    assert_eq!(idle(&mut session, "before"), 0);
    clock.advance(Duration::from_secs(7));
    store.insert("a", "x").unwrap();
    assert_eq!((idle(&mut session, "before"), idle(&mut session, "a")), (7, 0));
    clock.advance(Duration::from_millis(2_999));
    assert_eq!((idle(&mut session, "before"), idle(&mut session, "a")), (9, 2));
    // The library's calls are uses too, and so is a cache's hit.
    store.get::<String>("before").unwrap();
    assert_eq!(idle(&mut session, "before"), 0);
    // Others move when a key goes.
    store.remove("before").unwrap();
    assert_eq!(idle(&mut session, "a"), 2);
    clock.advance(Duration::from_secs(366 * 24 * 3600));
    assert_eq!(idle(&mut session, "a"), 366 * 24 * 3600 + 2);
    assert_eq!(session.call(["RENAME", "a", "b"]), Reply::OK);
    assert_eq!(idle(&mut session, "b"), 0);
}

/// Where there are caches, each command has their values encoded for it first.
#[test]
fn to_ask_is_no_use_where_there_are_caches() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let names: Cache<u64, String> = store.cache("names").shared().build().unwrap();
    names.insert(&7, "seven".to_owned()).unwrap();
    let mut session = store.session();
    session.call(["SET", "key", "1"]);
    clock.advance(Duration::from_secs(5));
    assert_eq!((idle(&mut session, "key"), idle(&mut session, "names:7")), (5, 5));
    assert_eq!(session.call(["GET", "names:7"]), Reply::Bulk("seven".into()));
    assert_eq!((idle(&mut session, "key"), idle(&mut session, "names:7")), (5, 0));
}

#[test]
fn a_count_fades_with_the_clock() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let mut session = store.session();
    session.call([
        "CONFIG",
        "SET",
        "maxmemory",
        "100mb",
        "maxmemory-policy",
        "allkeys-lfu",
        "lfu-log-factor",
        "0",
    ]);
    session.call(["SET", "key", "1"]);
    (0..20).for_each(|_| _ = session.call(["GET", "key"]));
    assert_eq!(count(&mut session, "key"), 25);
    clock.advance(Duration::from_secs(3 * 60));
    assert_eq!(count(&mut session, "key"), 22);
    session.call(["CONFIG", "SET", "lfu-decay-time", "2"]);
    clock.advance(Duration::from_secs(3 * 60));
    assert_eq!(count(&mut session, "key"), 22);
    session.call(["GET", "key"]);
    assert_eq!(count(&mut session, "key"), 23);
    clock.advance(Duration::from_secs(1_000_000));
    assert_eq!(count(&mut session, "key"), 0);
    // By chance: rather more than ten uses for one more.
    session.call(["CONFIG", "SET", "lfu-decay-time", "0", "lfu-log-factor", "10"]);
    (0..5_000).for_each(|_| _ = session.call(["GET", "key"]));
    let counted = count(&mut session, "key");
    assert!((20..60).contains(&counted), "{counted}");
}

#[test]
fn a_fork_and_a_state_keep_the_idle_times() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let mut session = store.session();
    session.call(["SET", "key", "1"]);
    clock.advance(Duration::from_secs(30));
    let fork = store.fork().unwrap();
    assert_eq!(idle(&mut fork.session(), "key"), 30);
    let state = store.checkpoint().unwrap();
    session.call(["GET", "key"]);
    session.call(["SET", "other", "1"]);
    clock.advance(Duration::from_secs(5));
    store.roll_back(&state).unwrap();
    // As when it was taken.
    assert_eq!(idle(&mut session, "key"), 30);
}

#[derive(Debug, Clone)]
enum Step {
    Set(u8, Option<u8>),
    Get(u8),
    Remove(u8),
    Rename(u8, u8),
    Restored(u8, u16),
    TakenBack(Vec<u8>),
    Wait(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0u8..30;
    prop_oneof![
        4 => (key(), prop::option::weighted(0.4, 1u8..100)).prop_map(|(key, time)| Step::Set(key, time)),
        2 => key().prop_map(Step::Get),
        3 => key().prop_map(Step::Remove),
        1 => (key(), key()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => (key(), any::<u16>()).prop_map(|(key, idle)| Step::Restored(key, idle)),
        1 => prop::collection::vec(key(), 1..8).prop_map(Step::TakenBack),
        3 => (1u8..60).prop_map(Step::Wait),
    ]
}

proptest! {
    /// However keys come, go and move in their tables, each has its own time.
    #[test]
    fn each_key_keeps_its_own_time(steps in prop::collection::vec(step(), 1..80)) {
        let clock = ManualClock::new();
        let store = Store::builder().clock(&clock).shards(1).build();
        let mut session = store.session();
        let payload = {
            session.call(["SET", "x", "1"]);
            let Reply::Bulk(payload) = session.call(["DUMP", "x"]) else { unreachable!("it is there") };
            session.call(["DEL", "x"]);
            payload
        };
        // When each was used, and when it expires.
        let (mut known, mut now) = (BTreeMap::<u8, (i64, i64)>::new(), 0i64);
        for step in steps {
            match step {
                Step::Set(key, time) => {
                    match time {
                        Some(time) => store.insert_ex([key], "v", Duration::from_secs(time.into())).unwrap(),
                        None => store.insert([key], "v").unwrap(),
                    }
                    known.insert(key, (now, time.map_or(i64::MAX, |time| now + i64::from(time))));
                }
                Step::Get(key) => {
                    store.get::<String>(&[key]).unwrap();
                    known.entry(key).and_modify(|(used, _)| *used = now);
                }
                Step::Remove(key) => {
                    store.remove([key]).unwrap();
                    known.remove(&key);
                }
                Step::Rename(from, to) => {
                    if known.contains_key(&from) && from != to {
                        store.rename([from], [to]).unwrap();
                        let (_, until) = known.remove(&from).unwrap();
                        known.insert(to, (now, until));
                    }
                }
                Step::Restored(key, idle) => {
                    let words: [&[u8]; 7] =
                        [b"RESTORE", &[key], b"0", &payload, b"REPLACE", b"IDLETIME", &idle.to_string().into_bytes()];
                    assert_eq!(session.call(words), Reply::OK);
                    known.insert(key, (now - i64::from(idle), i64::MAX));
                }
                Step::TakenBack(keys) => {
                    let names: Vec<[u8; 1]> = keys.iter().map(|key| [*key]).collect();
                    let failed: Result<(), larder::Error> = store.transaction(&names, |transaction| {
                        for name in &names {
                            transaction.get::<String>(name)?;
                        }
                        Err(larder::Error::WrongType)
                    });
                    assert!(failed.is_err());
                    keys.iter().for_each(|key| _ = known.entry(*key).and_modify(|(used, _)| *used = now));
                }
                Step::Wait(seconds) => {
                    clock.advance(Duration::from_secs(seconds.into()));
                    now += i64::from(seconds);
                    known.retain(|_, (_, until)| *until > now);
                }
            }
            for (key, (used, _)) in &known {
                let words: [&[u8]; 3] = [b"OBJECT", b"IDLETIME", &[*key]];
                assert_eq!(session.call(words), Reply::Integer(now - used), "{key}");
            }
        }
    }
}
