//! INFO, SLOWLOG, LATENCY, ACL and what else a server says of itself.

use std::thread;
use std::time::Duration;

use larder::{Bytes, Compat, ManualClock, Protocol, Reply, Store};

use super::redis::Redis;
use super::value::Value;
use super::{Words, answer, compare, words};
use crate::differential::chance::Chance;
use crate::differential::server::Server;

#[test]
fn servers_are_byte_for_byte_those_of_redis() {
    compare("servers", draw);
}

fn draw(chance: &mut Chance) -> Words {
    match chance.below(21) {
        0 => words![chance.pick(&["READONLY", "readwrite", "ASKING", "ROLE", "MODULE"])],
        1 => [words!["CLUSTER", cluster(chance)], some(chance)].concat(),
        2 => words!["CLUSTER"],
        3 => words![
            "REPLICAOF",
            chance.pick(&["NO", "no", "host"]),
            chance.pick(&["ONE", "one", "x", "70000"])
        ],
        4 => [words!["SLOWLOG", "GET"], chance.many(0, 1, number).concat_words()].concat(),
        5 => words!["SLOWLOG", chance.pick(&["LEN", "RESET", "len", "WHAT"])],
        6 => words!["SLOWLOG", chance.pick(&["GET", "get"]), number(chance), "7"],
        7 => words!["LATENCY", chance.pick(&["LATEST", "RESET", "HISTORY", "WHAT"])],
        8 => {
            words!["LATENCY", chance.pick(&["HISTORY", "GRAPH", "RESET"]), chance.pick(&["command", "what"])]
        }
        9 => words!["WAIT", chance.pick(&["0", "-1", "x"]), number(chance)],
        10 => words!["ACL", chance.pick(&["WHOAMI", "USERS", "LIST", "whoami", "CAT", "WHAT"])],
        11 => words!["ACL", "GETUSER", chance.pick(&["default", "Default", "ann"])],
        12 => [words!["ACL", "GENPASS"], chance.many(0, 2, number).concat_words()].concat(),
        13 => words!["ACL", chance.pick(&["CAT", "cat"]), chance.pick(&["what", ""])],
        14 => words!["MODULE", chance.pick(&["LIST", "WHAT"])],
        15 => words![chance.pick(&["LASTSAVE", "TIME"]), "x"],
        16 => words!["INFO", chance.pick(&["server", "what", "KEYSPACE", "all"])],
        17 => [words!["COMMAND", "GETKEYS"], getkeys(chance)].concat(),
        18 => words!["MEMORY", chance.pick(&["PURGE", "purge", "WHAT"])],
        19 => words!["memory", chance.pick(&["stats", "doctor", "purge", "malloc-stats"]), "x"],
        _ => words!["COMMAND", chance.pick(&["LIST", "WHAT"]), "FILTERBY", "MODULE", "x"],
    }
}

trait ConcatWords {
    fn concat_words(self) -> Words;
}

impl ConcatWords for Vec<String> {
    fn concat_words(self) -> Words {
        self.into_iter().map(String::into_bytes).collect()
    }
}

fn some(chance: &mut Chance) -> Words {
    chance.many(0, 2, |chance| chance.key().to_vec())
}

fn number(chance: &mut Chance) -> String {
    chance.pick(&["0", "1", "-1", "-2", "x", "5", "4096", "4097", "99999999999999999999"]).into()
}

fn cluster(chance: &mut Chance) -> &'static str {
    chance.pick(&["INFO", "KEYSLOT", "nodes", "SLOTS", "SHARDS", "MYID", "COUNTKEYSINSLOT", "WHAT"])
}

fn getkeys(chance: &mut Chance) -> Words {
    match chance.below(8) {
        0 => words!["GET", "a", "b"],
        1 => words!["mget", "a", "b", "a"],
        2 => words!["MSET", "a", "1", "b", "2"],
        3 => words!["WHAT", "a"],
        4 => words!["PING", "a"],
        5 => words!["CONFIG", "GET", "a"],
        6 => words!["CONFIG", "WHAT"],
        _ => words!["LCS", "a", "b", "LEN"],
    }
}

/// The fields of INFO, of all sections or one.
fn info(store: &Store, compat: Compat, section: &str) -> Vec<(String, String)> {
    let Reply::Verbatim("txt", text) = store.session().compat(compat).call(["INFO", section]) else {
        panic!("no text")
    };
    let text = String::from_utf8(text.to_vec()).unwrap();
    let lines = text.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.map(|(name, fact)| (name.to_owned(), fact.to_owned())).collect()
}

fn fact(store: &Store, name: &str) -> String {
    let all = info(store, Compat::default(), "everything");
    all.into_iter().find(|(field, _)| field == name).unwrap_or_else(|| panic!("no {name}")).1
}

/// In their order. Of what larder has not, it says nothing.
#[cfg(feature = "server")]
#[test]
fn info_has_the_fields_of_that_server() {
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        let store = Store::new();
        let larder = larder::Server::builder().compat(redis.compat).start(&store).unwrap();
        let mut client = Redis::connect(larder.port(), Protocol::Resp2);
        for section in ["server", "clients", "stats"] {
            let names = |redis: &mut Redis| {
                let text = Value::parse(&redis.ask(&words!["INFO", section])).unwrap().texts().concat();
                let text = String::from_utf8(text).unwrap();
                let names = text.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned()));
                names.collect::<Vec<_>>()
            };
            let (ours, theirs) = (names(&mut client), names(&mut redis));
            let shared: Vec<_> = theirs.into_iter().filter(|name| ours.contains(name)).collect();
            assert_eq!(ours, shared, "{:?}, {section}", redis.compat);
        }
        assert_eq!(
            info(&store, redis.compat, "server").into_iter().find(|(name, _)| name == "listener0"),
            (redis.compat != Compat::Redis70)
                .then(|| ("listener0".into(), format!("name=tcp,bind=127.0.0.1,port={}", larder.port())))
        );
    }
}

#[test]
fn others_are_told_as_that_server_tells_them() {
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), Protocol::Resp3);
        let store = Store::new();
        let mut session = store.session().compat(redis.compat);
        session.call(["HELLO", "3"]);
        let mut both = |words: &Words| {
            let reply = answer(&mut session, words);
            (session.encode(&reply).to_vec(), redis.ask(words))
        };
        both(&words!["SET", "a", "1"]);
        for words in [
            words!["GETEX", "a", "PERSIST", "PERSIST"],
            words!["GETEX", "a", "PERSIST", "persist", "EX", "10"],
            words!["BITFIELD", "a", "GET", "u8", "4294967295"],
            words!["BITFIELD", "a", "GET", "u8", "4294967296"],
            words!["BITFIELD_RO", "a", "GET", "i64", "4294967290"],
            words!["SETRANGE", "a", "3", "x"],
            words!["COMMAND", "INFO", "GET"],
        ] {
            let (ours, theirs) = both(&words);
            assert_eq!(ours.escape_ascii().to_string(), theirs.escape_ascii().to_string(), "{words:?}");
        }
        let last = |reply: Vec<u8>| {
            String::from_utf8(reply).unwrap().lines().rfind(|line| !line.is_empty()).map(str::to_owned)
        };
        let (ours, theirs) = both(&words!["LOLWUT", "VERSION", "1", "2", "3"]);
        let (ours, theirs) = (last(ours).unwrap(), last(theirs).unwrap());
        let theirs = theirs.trim_start_matches("txt:");
        let name = |line: &str| line.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').to_owned();
        assert_eq!(name(&ours), name(theirs));
    }
}

#[test]
fn info_tells_who_watches_listens_and_waits() {
    let store = Store::new();
    let mut others: Vec<_> = (0..4).map(|_| store.session()).collect();
    others[0].call(["WATCH", "a", "b"]);
    others[1].call(["WATCH", "b", "c"]);
    others[2].call(["SUBSCRIBE", "channel"]);
    others[3].call(["XGROUP", "CREATE", "stream", "group", "$", "MKSTREAM"]);
    let waiting: Vec<_> = [
        vec!["BLPOP", "list", "other", "0"],
        vec!["XREADGROUP", "GROUP", "group", "me", "BLOCK", "0", "STREAMS", "stream", ">"],
    ]
    .into_iter()
    .map(|words| {
        let mut session = store.session();
        thread::spawn(move || session.call(words))
    })
    .collect();
    assert!(store.wait_for_blocked(2, Duration::from_secs(60)));
    let expected = [
        ("pubsub_clients", "1"),
        ("watching_clients", "2"),
        ("total_watched_keys", "3"),
        ("total_blocking_keys", "3"),
        ("total_blocking_keys_on_nokey", "1"),
    ];
    for (name, value) in expected {
        assert_eq!(fact(&store, name), value, "{name}");
    }
    for (name, _) in expected {
        assert!(info(&store, Compat::Redis70, "clients").iter().all(|(field, _)| field != name));
    }
    others[3].call(["XADD", "stream", "*", "a", "b"]);
    others[3].call(["RPUSH", "other", "a"]);
    waiting.into_iter().for_each(|thread| drop(thread.join()));
    others.drain(..3);
    for (name, _) in expected {
        assert_eq!(fact(&store, name), "0", "{name}");
    }
}

#[cfg(feature = "lua")]
#[test]
fn info_counts_scripts_that_make_room() {
    let store = Store::new();
    let mut session = store.session();
    (0..503).for_each(|number| drop(session.call(["EVAL", &format!("return {number}"), "0"])));
    assert_eq!(fact(&store, "evicted_scripts"), "3");
    session.call(["CONFIG", "RESETSTAT"]);
    assert_eq!(fact(&store, "evicted_scripts"), "0");
}

#[test]
fn info_tells_the_facts() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).max_bytes(3 << 20).build();
    let mut session = store.session();
    for words in
        [vec!["SET", "a", "1"], vec!["SET", "b", "1", "EX", "100"], vec!["GET", "a"], vec!["GET", "c"]]
    {
        session.call(words);
    }
    store.db(7).unwrap().insert("c", 1).unwrap();
    clock.advance(Duration::from_secs(90_000));
    store.sweep().unwrap();
    let expected = [
        ("redis_version", "8.10.0"),
        ("uptime_in_seconds", "90000"),
        ("uptime_in_days", "1"),
        ("tcp_port", "0"),
        ("connected_clients", "2"),
        ("maxmemory", "3145728"),
        ("maxmemory_human", "3.00M"),
        ("maxmemory_policy", "allkeys-lru"),
        ("total_connections_received", "11"),
        ("total_commands_processed", "15"),
        ("keyspace_hits", "1"),
        ("keyspace_misses", "1"),
        ("expired_keys", "1"),
        ("role", "master"),
        ("connected_slaves", "0"),
        ("cluster_enabled", "0"),
        ("db0", "keys=1,expires=0,avg_ttl=0,subexpiry=0"),
        ("db7", "keys=1,expires=0,avg_ttl=0,subexpiry=0"),
    ];
    for (name, told) in expected {
        let fact = fact(&store, name);
        // These count the questions too.
        match name {
            "total_connections_received" | "total_commands_processed" => {
                assert!(fact.parse::<u32>().unwrap() >= 5, "{name}: {fact}");
            }
            _ => assert_eq!(fact, told, "{name}"),
        }
    }
    assert_eq!(fact(&store, "run_id").len(), 40);
    assert_ne!(fact(&store, "run_id"), fact(&Store::new(), "run_id"));

    let used = |name| fact(&store, name).parse::<usize>().unwrap();
    let before = used("used_memory");
    store.insert("large", "x".repeat(1 << 20)).unwrap();
    let peak = used("used_memory_peak");
    store.remove("large").unwrap();
    assert!(peak >= before + (1 << 20) && used("used_memory_peak") == peak && used("used_memory") < peak);

    session.call(["CONFIG", "RESETSTAT"]);
    assert_eq!((fact(&store, "keyspace_hits"), fact(&store, "expired_keys")), ("0".into(), "0".into()));
    session.call(["GET", "a"]);
    assert_eq!(fact(&store, "keyspace_hits"), "1");
}

#[test]
fn info_of_a_section_or_within_a_transaction() {
    let store = Store::new();
    let names = |compat, section| -> Vec<String> {
        info(&store, compat, section).into_iter().map(|(name, _)| name).collect()
    };
    assert_eq!(names(Compat::Redis70, "cluster"), ["cluster_enabled"]);
    assert!(names(Compat::Redis70, "what").is_empty());
    assert_eq!(names(Compat::Valkey9, "SERVER")[..2], ["redis_version", "server_name"]);

    let mut session = store.session();
    for words in [vec!["SET", "a", "1"], vec!["MULTI"], vec!["SET", "b", "1"], vec!["INFO", "keyspace"]] {
        session.call(words);
    }
    let text = "# Keyspace\r\ndb0:keys=2,expires=0,avg_ttl=0,subexpiry=0\r\n";
    let told = Reply::Verbatim("txt", Bytes::from(text));
    assert_eq!(session.call(["EXEC"]), Reply::Array(vec![Reply::OK, told]));
}

/// Commands, behind each of which INFO tells the same as servers of those that it has by then.
fn counted() -> Vec<Words> {
    let library = "#!lua name=lib\nredis.register_function('f', function() return 1 end) \
                   redis.register_function('g', function() return 1 end)";
    let with_lua = vec![
        words!["EVAL", "return 1", 0],
        words!["SCRIPT", "LOAD", "return 2"],
        words!["EVAL", "return 1", 0],
        words!["EVAL", "return redis.call('INFO', 'everything') and 1", 0],
        words!["FUNCTION", "LOAD", library],
        words!["FCALL", "f", 0],
        words!["FLUSHALL"],
        words!["SCRIPT", "FLUSH"],
        words!["FUNCTION", "DELETE", "lib"],
    ];
    let of_fields = vec![
        words!["HSET", "h", "f", "1", "g", "2"],
        words!["HSET", "i", "f", "1"],
        words!["SET", "s", "1"],
        words!["HPEXPIRE", "h", 1_000_000, "FIELDS", 1, "f"],
        words!["HPEXPIRE", "h", 1_000_000, "FIELDS", 1, "g"],
        words!["HPEXPIRE", "i", 1_000_000, "FIELDS", 1, "f"],
        words!["SELECT", 3],
        words!["COPY", "none", "j"],
        words!["HSET", "j", "f", "1"],
        words!["HPEXPIRE", "j", 1_000_000, "FIELDS", 1, "f"],
        words!["SELECT", 0],
        words!["HDEL", "h", "f"],
        words!["RENAME", "h", "k"],
        words!["HDEL", "k", "g"],
        words!["DEL", "i"],
    ];
    if cfg!(feature = "lua") { [with_lua, of_fields].concat() } else { of_fields }
}

#[test]
fn info_counts_scripts_and_hashes_with_fields_that_expire() {
    const TOLD: [&str; 4] = ["number_of_", "db0:", "db3:", "maxmemory:"];
    let told = |info: &[u8]| -> Vec<String> {
        let info = String::from_utf8_lossy(info).into_owned();
        info.lines().filter(|line| TOLD.iter().any(|name| line.starts_with(name))).map(Into::into).collect()
    };
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        let store = Store::new();
        let mut session = store.session().compat(redis.compat);
        for words in counted() {
            redis.ask(&words);
            answer(&mut session, &words);
            let info = words!["INFO", "everything"];
            let ours = answer(&mut session, &info).to_bytes(Protocol::Resp2);
            assert_eq!(told(&ours), told(&redis.ask(&info)), "{:?} {words:?}", redis.compat);
        }
    }
}

#[test]
fn the_time_is_that_of_the_clock() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let Reply::Array(parts) = store.session().call(["TIME"]) else { panic!("no array") };
    assert_eq!(parts, [Reply::Bulk("946684800".into()), Reply::Bulk("0".into())]);
    assert_eq!(store.session().call(["LASTSAVE"]), Reply::Integer(946_684_800));
}

#[test]
fn nothing_is_replicated() {
    let mut session = Store::new().session();
    let nobody = Reply::Array(vec![Reply::Integer(0), Reply::Integer(0)]);
    assert_eq!(session.call(["WAITAOF", "0", "1", "100"]), nobody);
    let Reply::Error(error) = session.call(["WAITAOF", "1", "0", "0"]) else { panic!("no error") };
    assert!(error.to_string().starts_with("ERR WAITAOF cannot be used when numlocal is set"));
    assert!(matches!(session.call(["REPLICAOF", "127.0.0.1", "6379"]), Reply::Error(_)));
}

#[test]
fn an_acl_tells_the_hash_of_the_password() {
    let store = Store::new();
    let mut session = store.session().compat(Compat::Redis70);
    session.call(["CONFIG", "SET", "requirepass", "abc"]);
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let line = format!("user default on #{hash} ~* &* +@all");
    assert_eq!(session.call(["ACL", "LIST"]), Reply::Array(vec![Reply::Bulk(line.into())]));
}
