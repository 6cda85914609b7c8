//! INFO: that it has what each server's has, and that it is true.

use std::thread;
use std::time::Duration;

use larder::{Bytes, Compat, ManualClock, Protocol, Reply, Store};

use super::redis::Redis;
#[cfg(feature = "server")]
use super::value::Value;
use super::{Words, answer, words};
use crate::differential::server::Server;

/// The fields of INFO, of all sections or one.
fn info(store: &Store, compat: Compat, section: &str) -> Vec<(String, String)> {
    let Reply::Verbatim("txt", text) = store.session().compat(compat).call(["INFO", section]) else {
        panic!("no text")
    };
    let text = String::from_utf8(text.to_vec()).unwrap();
    let lines = text.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.map(|(name, fact)| (name.to_owned(), fact.to_owned())).collect()
}

pub(super) fn fact(store: &Store, name: &str) -> String {
    fact_of(store, Compat::default(), name).unwrap_or_else(|| panic!("no {name}"))
}

/// What INFO of that server says of it, if it has it.
pub(super) fn fact_of(store: &Store, compat: Compat, name: &str) -> Option<String> {
    Some(info(store, compat, "everything").into_iter().find(|(field, _)| field == name)?.1)
}

/// What INFO of a server has and larder's has not, by its names (or how they begin), and why.
#[cfg(feature = "server")]
const LEFT_OUT: [(&str, &str); 5] = [
    ("# Keysizes", "lengths would have to be counted with each write"),
    ("db0_distrib_*", "likewise"),
    ("module", "there are no modules; Redis 8.2 has its vector sets from one, and Valkey its Lua"),
    ("cmdstat_config|get", "Valkey calls it itself as it starts"),
    ("latency_percentiles_usec_config|get", "likewise"),
];

/// The titles and the names in their order; those of commands in that of the alphabet, as servers have them in none.
#[cfg(feature = "server")]
fn outline(redis: &mut Redis, words: &Words) -> Vec<String> {
    let text = String::from_utf8(Value::parse(&redis.ask(words)).unwrap().texts().concat()).unwrap();
    let mut names: Vec<String> = Vec::new();
    for section in text.split("\r\n\r\n") {
        let mut lines: Vec<_> = section.lines().map(|line| line.split(':').next().unwrap()).collect();
        if let ["# Commandstats" | "# Latencystats", names @ ..] = &mut *lines {
            names.sort_unstable();
        }
        names.extend(lines.into_iter().map(str::to_owned));
    }
    names
}

#[cfg(feature = "server")]
#[test]
fn info_has_the_sections_and_fields_of_that_server() {
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        let store = Store::new();
        let larder = larder::Server::builder().compat(redis.compat).start(&store).unwrap();
        let mut client = Redis::connect(larder.port(), Protocol::Resp2);
        for words in [
            words!["SET", "a", 1],
            words!["HSET", "h", "f", "v"],
            words!["RPUSH", "l", 1, 2],
            words!["LPUSH", "a", 1],
            words!["INFO"],
        ] {
            client.ask(&words);
            redis.ask(&words);
        }
        for words in [
            words!["INFO"],
            words!["INFO", "default"],
            words!["INFO", "all"],
            words!["INFO", "everything"],
            words!["INFO", "keyspace", "SERVER", "commandstats"],
            words!["INFO", "tls", "threads", "cluster_info", "scriptingengines", "scripting engines"],
        ] {
            let is_left_out = |name: &str| {
                LEFT_OUT.iter().any(|(out, _)| match out.strip_suffix('*') {
                    Some(start) => name.starts_with(start),
                    None => name == *out,
                })
            };
            let theirs: Vec<_> =
                outline(&mut redis, &words).into_iter().filter(|name| !is_left_out(name)).collect();
            let ours = outline(&mut client, &words);
            let differ = ours.iter().zip(&theirs).find(|(ours, theirs)| ours != theirs);
            assert_eq!((differ, ours.len()), (None, theirs.len()), "{:?} {words:?}", redis.compat);
        }
        assert_eq!(
            info(&store, redis.compat, "server").into_iter().find(|(name, _)| name == "listener0"),
            (redis.compat != Compat::Redis70)
                .then(|| ("listener0".into(), format!("name=tcp,bind=127.0.0.1,port={}", larder.port())))
        );
    }
}

#[cfg(all(feature = "server", feature = "journal"))]
#[test]
fn info_of_a_journal_has_the_fields_of_that_server() {
    for server in Server::each_with(&["--appendonly", "yes"]) {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        let folder = crate::support::Folder::new();
        let store = Store::open(folder.path().join("store")).unwrap();
        let larder = larder::Server::builder().compat(redis.compat).start(&store).unwrap();
        let mut client = Redis::connect(larder.port(), Protocol::Resp2);
        let words = words!["INFO", "persistence"];
        assert_eq!(outline(&mut client, &words), outline(&mut redis, &words), "{:?}", redis.compat);
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
        words!["HPEXPIRE", "k", 0, "FIELDS", 1, "none"],
        words!["HSET", "m", "f", "1", "g", "2"],
        words!["HPEXPIRE", "m", 0, "FIELDS", 1, "f"],
        words!["HPEXPIRE", "m", 0, "FIELDS", 1, "g"],
        words!["HSET", "m", "f", "1", "g", "2"],
        words!["HGETEX", "m", "PXAT", 1, "FIELDS", 2, "f", "none"],
        words!["HSETEX", "m", "PXAT", 1, "FIELDS", 2, "g", "1", "h", "2"],
        words!["PEXPIRE", "s", 0],
        words!["SET", "s", "1"],
        words!["GETEX", "s", "PXAT", 1],
        words!["CONFIG", "RESETSTAT"],
    ];
    if cfg!(feature = "lua") { [with_lua, of_fields].concat() } else { of_fields }
}

#[test]
fn info_counts_scripts_and_hashes_with_fields_that_expire() {
    const TOLD: [&str; 7] =
        ["number_of_", "db0:", "db3:", "maxmemory:", "expired_keys:", "expired_subkeys:", "expired_fields:"];
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
