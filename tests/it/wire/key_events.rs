//! Key events, as subscribers of a real server are told of them: those of new keys too, and of values that take the place of
//! others, which Redis has since 8.2.

use larder::{Compat, Error, Protocol, Session, Store, Subscription};

use super::redis::Redis;
use super::value::Value;
use super::{Server, Words, again, answer, each_round, script, words};
use crate::differential::chance::Chance;
use crate::support::{manual_store, until};

/// Events of all classes that the server has, by their events alone: the other channels tell the same.
fn classes(compat: Compat) -> &'static str {
    if compat == Compat::Redis82 { "EAnoc" } else { "EAn" }
}

#[test]
fn those_of_values_that_take_the_place_of_others_are_redis_s() {
    check(6, |compat| classes(compat).to_owned(), |chance, _| draw(chance));
}

/// Each command that reads, by itself, within a transaction and by a script; and those that seem to.
#[test]
fn those_of_keys_that_are_not_found_are_redis_s() {
    let classes = |compat| format!("{}m", classes(compat));
    check(12, classes, |chance, compat| match chance.below(8) {
        0 | 1 => draw(chance),
        2 => words![chance.pick(&["MULTI", "EXEC", "DISCARD"])],
        3 if cfg!(feature = "lua") => {
            let script = "return {redis.pcall('get', KEYS[1]), redis.pcall('set', KEYS[1], 'v', 'GET')}";
            words!["EVAL", script, "1", chance.pick(&["a", "b", "c", "d"])]
        }
        _ => draw_read(chance, compat),
    });
}

/// Events of these classes, while random commands are run.
fn check(rounds: u64, classes: impl Fn(Compat) -> String, draw: impl Fn(&mut Chance, Compat) -> Words) {
    each_round(rounds, |server, seed| {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        let mut hears = Redis::connect(server.port(), Protocol::Resp2);
        // The other one may be within a transaction.
        let mut says = Redis::connect(server.port(), Protocol::Resp2);
        let store = Store::new();
        let mut session = store.session().compat(redis.compat);
        let classes = classes(redis.compat);
        for words in [words!["FLUSHALL"], words!["CONFIG", "SET", "notify-keyspace-events", classes]] {
            redis.ask(&words);
            answer(&mut session, &words);
        }
        hears.ask(&words!["PSUBSCRIBE", "__keyevent@*"]);
        let heard = store.psubscribe(["__keyevent@*"]);

        let (mut chance, mut said) = (Chance::new(seed), Vec::new());
        for _ in 0..150 {
            let words = draw(&mut chance, redis.compat);
            said.push(words.clone());
            run(&mut redis, &mut session, &words);
            says.ask(&words!["PUBLISH", "__keyevent@end", "x"]);
            let theirs: Vec<_> = std::iter::from_fn(|| message(&hears.next())).collect();
            assert_eq!(messages(&heard), theirs, "{:?}; {}\n{}", redis.compat, again(seed), script(&said));
        }
        says.ask(&words!["CONFIG", "SET", "notify-keyspace-events", ""]);
    });
}

/// What each answers is for others to compare; a payload of DUMP is a server's own.
fn run(redis: &mut Redis, session: &mut Session, words: &Words) {
    if words[0] != b"RESTORE" {
        redis.ask(words);
        answer(session, words);
        return;
    }
    let dumped = words!["DUMP", words[1]];
    let payload = |reply: &[u8]| match Value::parse(reply) {
        Some(Value::One(_, payload)) => payload,
        _ => Vec::new(),
    };
    let theirs = payload(&redis.ask(&dumped));
    let ours = payload(&answer(session, &dumped).to_bytes(Protocol::Resp2));
    redis.ask(&words!["RESTORE", words[2], "0", theirs, "REPLACE"]);
    answer(session, &words!["RESTORE", words[2], "0", ours, "REPLACE"]);
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The event and its key; `None` at the end.
fn message(bytes: &[u8]) -> Option<(String, String)> {
    let Some(Value::Many(_, parts)) = Value::parse(bytes) else { panic!("{}", bytes.escape_ascii()) };
    let part = |at: usize| match &parts[at] {
        Value::One(_, bytes) => text(bytes),
        other => panic!("{other:?} is no text"),
    };
    (part(2) != "__keyevent@end").then(|| (part(2), part(3)))
}

fn draw(chance: &mut Chance) -> Words {
    let (key, other) = (chance.pick(&["a", "b", "c", "d"]), chance.pick(&["a", "b", "c", "d"]));
    match chance.below(30) {
        0 | 1 => words!["SET", key, "1"],
        2 => words!["SET", key, "1", chance.pick(&["GET", "XX", "NX", "KEEPTTL"])],
        3 => words!["SETEX", key, "100", "1"],
        4 => words!["GETSET", key, "2"],
        5 => words!["MSET", key, "1", other, "2"],
        6 => words!["APPEND", key, "x"],
        7 => words!["SETRANGE", key, "1", "x"],
        8 => words!["LPUSH", key, "2", "1"],
        9 => words!["SADD", key, "1", "2"],
        10 => words!["ZADD", key, "1", "1"],
        11 => words!["HSET", key, "f", "v"],
        12 => words!["SORT", key, "STORE", other],
        13 => words![chance.pick(&["SUNIONSTORE", "SINTERSTORE", "SDIFFSTORE"]), other, key, "e"],
        14 => words![chance.pick(&["ZUNIONSTORE", "ZINTERSTORE"]), other, "1", key],
        15 => words!["ZRANGESTORE", other, key, "0", "-1"],
        16 => words!["RENAME", key, other],
        17 => words!["COPY", key, other, "REPLACE"],
        18 => words!["BITOP", "OR", other, key],
        19 => words!["RESTORE", key, other],
        20 => words!["GEOSEARCHSTORE", other, key, "FROMLONLAT", "0", "0", "BYRADIUS", "9000", "km"],
        21 => words!["MOVE", key, "1"],
        22 => words!["RENAMENX", key, other],
        23 => words!["LMOVE", key, other, "LEFT", "RIGHT"],
        24 => words!["SMOVE", key, other, "1"],
        25 => words!["XGROUP", "CREATE", key, chance.pick(&["g", "h"]), "$", "MKSTREAM"],
        26 => words![chance.pick(&["PFADD", "INCRBY", "INCRBYFLOAT"]), key, "1"],
        27 => words!["SETBIT", key, "1", "1"],
        _ => words!["DEL", key],
    }
}

/// One of what reads keys, and of what looks at them without counting as a read.
fn draw_read(chance: &mut Chance, compat: Compat) -> Words {
    /// `K` and `L` stand for two keys, `D` for one more, which none of the others is.
    const READS: &[&str] = &[
        "GET K",
        "STRLEN K",
        "GETRANGE K 0 1",
        "GETRANGE K x 1",
        "MGET K L K",
        "GETDEL K",
        "GETEX K",
        "GETEX K PERSIST",
        "GETSET K 1",
        "SET K 1 GET",
        "SET K 1 XX GET",
        "SET K 1 NX",
        "LCS K L",
        "GETBIT K 0",
        "BITCOUNT K",
        "BITPOS K 1",
        "BITOP AND D K L",
        "BITFIELD K GET u8 0",
        "BITFIELD_RO K GET u8 0",
        "LLEN K",
        "LRANGE K 0 1",
        "LINDEX K 0",
        "LPOS K 1",
        "LPOP K",
        "LREM K 0 x",
        "LMPOP 2 K L LEFT",
        "BLPOP K L 0.001",
        "SCARD K",
        "SISMEMBER K 1",
        "SMEMBERS K",
        "SRANDMEMBER K 2",
        "SPOP K",
        "SINTER K L",
        "SINTERCARD 2 K L",
        "SUNION K L",
        "SDIFF K L",
        "SINTERSTORE D K L",
        "SUNIONSTORE D K L",
        "SDIFFSTORE D K L",
        "SSCAN K 0",
        "HGET K f",
        "HMGET K f",
        "HGETALL K",
        "HLEN K",
        "HEXISTS K f",
        "HRANDFIELD K",
        "HSCAN K 0",
        "HDEL K g",
        "ZCARD K",
        "ZCOUNT K 0 1",
        "ZRANGE K 0 1",
        "ZRANGESTORE D K 0 1",
        "ZSCORE K 1",
        "ZRANK K 1",
        "ZRANDMEMBER K",
        "ZREM K x",
        "ZUNION 2 K L",
        "ZINTER 2 K L",
        "ZDIFF 2 K L",
        "ZINTERCARD 2 K L",
        "ZUNIONSTORE D 2 K L",
        "ZINTERSTORE D 2 K L",
        "ZDIFFSTORE D 2 K L",
        "GEODIST K 1 2",
        "GEOPOS K 1",
        "GEORADIUS K 0 0 1 km",
        "GEORADIUS K 0 0 1 km STORE D",
        "GEOSEARCH K FROMLONLAT 0 0 BYRADIUS 1 km",
        "GEOSEARCHSTORE D K FROMLONLAT 0 0 BYRADIUS 1 km",
        "PFCOUNT K",
        "PFCOUNT K L",
        "PFMERGE D K L",
        "XLEN K",
        "XRANGE K - +",
        "XREAD STREAMS K L 0 0",
        "XREAD BLOCK 1 STREAMS K $",
        "XREADGROUP GROUP g c STREAMS K >",
        "XINFO STREAM K",
        "XPENDING K g",
        "XACK K g 1-1",
        "XDEL K 1-1",
        "XCLAIM K g c 0 1-1",
        "XAUTOCLAIM K g c 0 0",
        "XGROUP DESTROY K h",
        "EXISTS K L",
        "TYPE K",
        "TTL K",
        "PEXPIRETIME K",
        "TOUCH K L",
        "DUMP K",
        "PERSIST K",
        "COPY K D",
        "COPY K D REPLACE",
        "OBJECT ENCODING K",
        "OBJECT REFCOUNT K",
        "MEMORY USAGE K",
        "SORT K ALPHA",
        "SORT_RO K ALPHA",
        "SORT K BY w_* GET g_* ALPHA",
        "SORT K ALPHA STORE D",
        "WATCH K",
        "KEYS K",
    ];
    /// What not all of the servers have.
    const NEWER: &[&str] = &[
        "HTTL K FIELDS 1 f",
        "HPERSIST K FIELDS 1 f",
        "HGETEX K FIELDS 1 f",
        "HGETEX K PERSIST FIELDS 1 f",
        "HSETEX K FXX FIELDS 1 f 1",
    ];
    let all = READS.len() + if compat == Compat::Redis70 { 0 } else { NEWER.len() };
    let read = READS.iter().chain(NEWER).nth(chance.below(all)).expect("is one of them");
    let [key, other] = [chance.pick(&["a", "b", "c", "d"]), chance.pick(&["a", "b", "c", "d"])];
    let word = |word| match word {
        "K" => key,
        "L" => other,
        "D" => "e",
        word => word,
    };
    read.split(' ').map(|part| super::word(word(part))).collect()
}

/// Deadlines that come, and those that have passed already. Fields have them in all but the oldest servers.
#[test]
fn what_is_gone_by_its_deadline_is_told_of_as_by_redis() {
    const PASSED: &[&[&str]] = &[
        &["SET", "a", "1"],
        &["EXPIRE", "a", "-1"],
        &["SET", "a", "1"],
        &["GETEX", "a", "PXAT", "1"],
        &["SET", "a", "1", "PXAT", "1"],
        &["EXISTS", "a"],
        &["SET", "a", "1"],
        &["SET", "a", "2", "XX", "GET", "EXAT", "1"],
        &["EXISTS", "a"],
        &["HSET", "h", "a", "1", "b", "2", "c", "3"],
        &["HEXPIRE", "h", "0", "FIELDS", "1", "a"],
        &["HGETEX", "h", "PXAT", "1", "FIELDS", "1", "b"],
        &["HSETEX", "h", "PXAT", "1", "FIELDS", "1", "d", "4"],
        &["HPEXPIREAT", "h", "1", "FIELDS", "2", "c", "none"],
        &["HSETEX", "h", "PXAT", "1", "FIELDS", "1", "e", "5"],
        &["HSET", "h", "a", "1"],
        &["HPEXPIRE", "h", "1", "FIELDS", "1", "a"],
    ];
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        let mut hears = Redis::connect(server.port(), Protocol::Resp2);
        let (clock, store) = manual_store();
        let mut session = store.session().compat(redis.compat);
        let is_old = matches!(redis.compat, Compat::Redis70 | Compat::Redis72);
        redis.ask(&words!["CONFIG", "SET", "notify-keyspace-events", "EA"]);
        answer(&mut session, &words!["CONFIG", "SET", "notify-keyspace-events", "EA"]);
        hears.ask(&words!["PSUBSCRIBE", "__keyevent@*"]);
        let heard = store.psubscribe(["__keyevent@*"]);
        for words in PASSED.iter().filter(|words| !(is_old && words[1] == "h")) {
            let words: Words = words.iter().map(|word| super::word(*word)).collect();
            redis.ask(&words);
            answer(&mut session, &words);
        }
        if !is_old {
            clock.advance(std::time::Duration::from_millis(2));
            store.sweep().unwrap();
            until("field to expire", || redis.ask(&words!["EXISTS", "h"]) == b":0\r\n");
        }
        redis.ask(&words!["PUBLISH", "__keyevent@end", "x"]);
        let theirs: Vec<_> = std::iter::from_fn(|| message(&hears.next())).collect();
        assert_eq!(messages(&heard), theirs, "{:?}", redis.compat);
    }
}

fn messages(heard: &Subscription) -> Vec<(String, String)> {
    let all = std::iter::from_fn(|| heard.try_recv());
    all.map(|message| (text(&message.channel), text(&message.payload))).collect()
}

/// Nor is anybody told of what was read in a transaction that was taken back.
#[test]
fn a_transaction_tells_at_its_end_what_it_has_not_found() {
    let (_clock, store) = manual_store();
    store.session().call(["CONFIG", "SET", "notify-keyspace-events", "KEAm"]);
    let events = store.psubscribe(["__keyevent@0__:*"]);
    let reads = |fails: bool| {
        store.transaction(["a", "b"], |within| {
            within.get::<String>("a")?;
            within.insert("a", 1)?;
            within.get::<String>("b")?;
            if fails { Err(Error::WrongType) } else { Ok(()) }
        })
    };
    assert!(reads(true).is_err());
    assert_eq!(events.try_recv(), None);
    reads(false).unwrap();
    let told: Vec<String> = std::iter::from_fn(|| events.try_recv())
        .map(|message| {
            let channel = String::from_utf8_lossy(&message.channel).into_owned();
            format!("{} {}", &channel["__keyevent@0__:".len()..], message.payload_str().unwrap())
        })
        .collect();
    assert_eq!(told, ["keymiss a", "set a", "keymiss b"]);
}
