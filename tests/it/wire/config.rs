//! CONFIG, against the parameters of a real Redis.

use std::collections::BTreeMap;

#[cfg(feature = "server")]
use larder::ServerConfig;
use larder::{Eviction, KeyEvents, Protocol, Reply, Store};

#[cfg(feature = "server")]
use super::acl_waits::ask;
use super::redis::Redis;
use super::value::Value;
use super::{answer, compare_lines, words};
use crate::differential::chance::Chance;
use crate::differential::server::Server;
#[cfg(feature = "server")]
use crate::support::Folder;

/// What is not as in the server that is compared with, or would have it do something.
const APART: &[&str] = &[
    "active-defrag-cycle-max",
    "active-defrag-cycle-min",
    "active-defrag-threshold-lower",
    "active-defrag-threshold-upper",
    "activedefrag",
    "appendonly",
    "bind",
    "bind-source-addr",
    "client-output-buffer-limit",
    "dir",
    "enable-debug-command",
    "locale-collate",
    "masteruser",
    "maxclients",
    "maxmemory",
    "maxmemory-policy",
    "min-replicas-to-write",
    "min-slaves-to-write",
    "oom-score-adj",
    "port",
    "primaryauth",
    "primaryuser",
    "proto-max-bulk-len",
    "rdma-port",
    "repl-backlog-size",
    "requirepass",
    "save",
    "slot-migration-max-failover-repl-bytes",
    "timeout",
    "tls-port",
    "jemalloc-bg-thread",
];

fn pairs(bytes: &[u8]) -> BTreeMap<String, String> {
    let Some(Value::Many(_, items)) = Value::parse(bytes) else {
        panic!("no list: {}", bytes.escape_ascii())
    };
    let text = |value: &Value| match value {
        Value::One(_, text) => String::from_utf8_lossy(text).into_owned(),
        Value::Many(..) => panic!("{value:?} is no text"),
    };
    items.chunks(2).map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
}

#[test]
fn the_parameters_are_those_of_redis() {
    for server in Server::each() {
        check(&mut Redis::connect(server.port(), Protocol::Resp3));
    }
}

fn check(redis: &mut Redis) {
    let store = Store::new();
    let mut session = store.session().compat(redis.compat);
    let all = words!["CONFIG", "GET", "*"];
    let (ours, theirs) = (answer(&mut session, &all).to_bytes(Protocol::Resp3), redis.ask(&all));
    let (ours, theirs) = (pairs(&ours), pairs(&theirs));
    assert!(ours.keys().eq(theirs.keys()), "{ours:?}\n{theirs:?}");
    // Where Redis was started otherwise, its own values say nothing.
    let set = ["bind", "dir", "enable-debug-command", "port"];
    for (name, value) in ours.iter().filter(|(name, _)| !set.contains(&name.as_str())) {
        assert_eq!(*value, theirs[name], "{name}");
    }

    // Each takes the same values, and tells them in the same way.
    let names = ours.keys().map(String::as_str).filter(|name| !may_do_harm(name));
    let names: Vec<&str> = names.collect();
    let mut chance = Chance::new(7);
    for _ in 0..6_000 {
        let (name, other) = (chance.pick(&names), chance.pick(&names));
        let set = match chance.below(8) {
            0 => words!["CONFIG", "SET", name.to_ascii_uppercase(), value(&mut chance)],
            1 => words!["CONFIG", "SET", name, value(&mut chance), other, value(&mut chance)],
            2 => words!["CONFIG", "SET", name, value(&mut chance), "what", "x"],
            3 => words!["CONFIG", "SET", name, value(&mut chance), other],
            _ => words!["CONFIG", "SET", name, value(&mut chance)],
        };
        for words in [set, words!["CONFIG", "GET", name], words!["CONFIG", "GET", other]] {
            let (ours, theirs) = (answer(&mut session, &words).to_bytes(Protocol::Resp3), redis.ask(&words));
            let words: Vec<_> = words.iter().map(|word| word.escape_ascii().to_string()).collect();
            assert_eq!(ours.escape_ascii().to_string(), theirs.escape_ascii().to_string(), "{words:?}");
        }
    }
}

/// Values that are read as text of some form.
#[test]
fn text_of_some_form_is_looked_at() {
    let long = ["a".repeat(255), "a".repeat(256)];
    let values: &[(&str, &[&str])] = &[
        (
            "maxmemory-clients",
            &[
                "abc",
                "1mb",
                "5%",
                "101%",
                "100%",
                "05%",
                "-1",
                "-1%",
                "%",
                "",
                "5%%",
                "1.5%",
                "-0%",
                "0%",
                "kb",
                "5 %",
                "+5%",
                "99999999999999999999",
                "18446744073709551615",
                "18446744073709551515",
                "18446744073709551516",
                "9223372036854775808",
                "9223372036854775807",
                "99999999999999999999%",
                "99999999999999gb",
                "0100",
                "1 ",
                " 1",
                "0",
            ],
        ),
        (
            "oom-score-adj-values",
            &[
                "abc",
                "1 2",
                "1 2 3 4",
                "1 2 2001",
                "-2001 2 3",
                "1 2 x",
                "1 2  3",
                "3 2 1",
                "01 +2 3",
                "-2000 2000 -0",
                "1 2 0x10",
                "1 2 ",
                " 1 2",
                "1 2 3 ",
                "- 2 3",
                "+ 2 3",
                "1 2 99999999999999999999",
                "1\t2 3 4",
                "\t1 2 3",
                "1 2 \t",
                "1 2 3\n",
                "1\0x 2 3",
                "",
                "0 200 800",
            ],
        ),
        (
            "proc-title-template",
            &[
                "{foo}",
                "{title} {port",
                "title}",
                "plain",
                "",
                "  ",
                "{title}",
                "{title} {title}x",
                "{TITLE}",
                "{}",
                "{",
                "}",
                "{ title}",
                "{{title}}",
                "{{",
                "{title}{",
                "a{unixsocket}",
                "{config-file}",
                "{port}}",
                "{tls-port}",
                "a{b",
                "'a",
                "\t",
                "x\0{foo}",
                "{title\0}x",
                "{title} {listen-addr} {server-mode}",
            ],
        ),
        (
            "cluster-announce-hostname",
            &["a b", "a_b", "-A9.", "\u{e9}", &long[0], &long[1], "_\0a", "a\0_", ""],
        ),
        (
            "cluster-announce-human-nodename",
            &[
                "a b",
                "a_b",
                "a,b",
                "a=b",
                "a/b-c.d_e`f",
                "a:b",
                "a*b",
                "a'b\"",
                "\u{e9}",
                "a\u{7f}",
                "a~",
                &long[1],
                "",
            ],
        ),
        (
            "cluster-announce-ip",
            &["a b", "a=b", "::1", "1.2.3.4", "\u{e9}", &long[0][..45], &long[0][..46], ""],
        ),
        (
            "cluster-announce-client-ipv4",
            &["1.2.3.4", "1.2.3", "01.2.3.4", "1.2.3.256", "1.2.3.4 ", "::1", ""],
        ),
        ("cluster-announce-client-ipv6", &["::1", "::ffff:1.2.3.4", "1.2.3.4", "fe80::1%lo", "x", ""]),
    ];
    let mut lines = Vec::new();
    for (name, values) in values {
        for value in *values {
            lines.extend([format!("CONFIG|SET|{name}|{value}"), format!("CONFIG|GET|{name}")]);
        }
    }
    compare_lines('|', lines.iter().map(String::as_str));
}

/// What only a start can change takes what it is already.
#[cfg(feature = "server")]
#[test]
fn a_server_listens_where_it_does() {
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        let store = Store::new();
        let larder = larder::Server::builder().compat(redis.compat).start(&store).unwrap();
        let mut client = Redis::connect(larder.port(), Protocol::Resp2);
        for (name, value) in
            [("port", None), ("port", Some("70000")), ("port", Some("x")), ("tls-port", Some("0"))]
        {
            let ask = |redis: &mut Redis, port: u16| {
                redis.ask(&words!["CONFIG", "SET", name, value.map_or(port.to_string(), str::to_owned)])
            };
            let (ours, theirs) = (ask(&mut client, larder.port()), ask(&mut redis, server.port()));
            assert_eq!(
                ours.escape_ascii().to_string(),
                theirs.escape_ascii().to_string(),
                "{name} {value:?}"
            );
        }
        assert_eq!(client.ask(&words!["CONFIG", "SET", "bind", "127.0.0.1"]), b"+OK\r\n");
        let other = client.ask(&words!["CONFIG", "SET", "port", "1"]);
        assert!(other.ends_with(b"can't set immutable config\r\n"), "{}", other.escape_ascii());
    }
}

fn may_do_harm(name: &str) -> bool {
    APART.contains(&name) || (name.starts_with("tls-") && !name.starts_with("tls-session"))
}

fn value(chance: &mut Chance) -> String {
    const VALUES: [&str; 39] = [
        "50 99.90 100",
        "50 200",
        "50 nan",
        "yes",
        "no",
        "YES",
        "maybe",
        "",
        "0",
        "1",
        "-1",
        "-2",
        "7",
        "100",
        "70000",
        "1000000",
        "5000000000",
        "99999999999999999999",
        "1k",
        "10kb",
        "2MB",
        "1gb",
        "mb",
        "5x",
        " 5",
        "05",
        "AKE",
        "Kx",
        "Elshzxetd",
        "g$E",
        "K7",
        "KAmnoc",
        "Enmoc",
        "everysec",
        "ALWAYS",
        "notice",
        "force",
        "clients",
        "swapdb",
    ];
    chance.pick(&VALUES).into()
}

/// Where it is allowed, clients say where the RDB file stands.
#[cfg(feature = "server")]
#[test]
fn protected_parameters_are_set_where_that_is_allowed() {
    for allowed in ["yes", "local", "no"] {
        for server in Server::each_with(&["--enable-protected-configs", allowed]) {
            let mut theirs = Redis::connect(server.port(), Protocol::Resp2);
            let folders = [Folder::new(), Folder::new()];
            let [our_folder, their_folder] =
                folders.each_ref().map(|folder| folder.path().canonicalize().unwrap());
            let mut config = ServerConfig::new(theirs.compat);
            config.set("enable-protected-configs", allowed).unwrap();
            config.set("dir", our_folder.to_str().unwrap()).unwrap();
            let store = config.store().build();
            let larder = config.server().unwrap().save_to(config.file()).start(&store).unwrap();
            let mut ours = Redis::connect(larder.port(), Protocol::Resp2);
            let (ours, theirs_said) =
                (set_protected(&mut ours, &our_folder), set_protected(&mut theirs, &their_folder));
            assert_eq!(ours, theirs_said, "{allowed}, {:?}", theirs.compat);
            for folder in [our_folder, their_folder] {
                assert_eq!(folder.join("c.rdb").exists(), allowed != "no", "{:?}", theirs.compat);
            }
        }
    }
}

/// What is answered to who sets them, with the folder's name taken out.
#[cfg(feature = "server")]
fn set_protected(redis: &mut Redis, folder: &std::path::Path) -> Vec<String> {
    const LINES: [&str; 18] = [
        "CONFIG SET dir <own>",
        "CONFIG GET dir",
        "CONFIG SET dir sub",
        "CONFIG GET dir",
        "CONFIG SET dir ..",
        "CONFIG SET dir sub dbfilename a.rdb",
        "CONFIG GET d*r",
        "CONFIG SET dir ..",
        "CONFIG SET dir <own>/nothing",
        "CONFIG SET dir <own>/file",
        "CONFIG SET dir ",
        "CONFIG SET dbfilename a/b",
        "CONFIG SET dbfilename b.rdb dir /nonexistent",
        "CONFIG SET dir sub dir ..",
        "CONFIG SET dbfilename ",
        "CONFIG SET dbfilename c.rdb",
        "CONFIG GET dbfilename",
        "CONFIG SET enable-protected-configs yes",
    ];
    let own = folder.to_str().unwrap();
    std::fs::create_dir(folder.join("sub")).unwrap();
    std::fs::write(folder.join("file"), "").unwrap();
    let mut told: Vec<String> = Vec::new();
    for line in LINES {
        let is_allowed = told.first().is_none_or(|first| first.contains("+OK"));
        let reply = ask(redis, &line.replace("<own>", own));
        // Else that is as each was started.
        if is_allowed || !line.starts_with("CONFIG GET") {
            told.push(format!("{line}: {}", without_length(&reply).replace(own, "<own>")));
        }
    }
    if told[0].contains("+OK") {
        told.push(ask(redis, "SAVE"));
    }
    told
}

/// The lengths of strings are those of the folder's name.
#[cfg(feature = "server")]
fn without_length(reply: &str) -> String {
    reply.split("\\r\\n").filter(|line| !line.starts_with('$')).collect::<Vec<_>>().join("\\r\\n")
}

#[test]
fn patterns_find_names_in_capitals_too_and_old_ones() {
    let mut session = Store::new().session();
    let mut names = |patterns: &[&str]| {
        let words = ["CONFIG", "GET"].iter().chain(patterns);
        let Reply::Map(found) = session.call(words) else { panic!("no map") };
        found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    let texts = |names: &[&str]| names.iter().map(|name| Reply::Bulk((*name).into())).collect::<Vec<_>>();
    assert_eq!(names(&["MAXMEMORY"]), texts(&["maxmemory"]));
    assert_eq!(names(&["databases", "data*"]), texts(&["databases"]));
    assert_eq!(names(&["slave-pri*"]), texts(&["slave-priority"]));
    assert_eq!(names(&["what"]), []);
}

#[test]
fn what_a_store_is_built_with_is_told_and_stays() {
    let store = Store::builder().max_bytes(1 << 20).eviction(Eviction::SoonestDeadline).databases(3).build();
    let mut session = store.session();
    let mut get = |name| match session.call(["CONFIG", "GET", name]) {
        Reply::Map(pairs) => pairs[0].1.clone(),
        other => panic!("{other:?} is no map"),
    };
    assert_eq!(get("maxmemory"), Reply::Bulk("1048576".into()));
    assert_eq!(get("maxmemory-policy"), Reply::Bulk("volatile-ttl".into()));
    assert_eq!(get("databases"), Reply::Bulk("3".into()));
    is_immutable(&store, "databases", "4");
    // A limit in bytes can be another.
    assert_eq!(session.call(["CONFIG", "SET", "maxmemory", "2mb"]), Reply::OK);
    is_immutable(&Store::builder().max_keys(7).build(), "maxmemory", "2mb");
}

fn is_immutable(store: &Store, name: &str, value: &str) {
    let Reply::Error(error) = store.session().call(["CONFIG", "SET", name, value]) else {
        panic!("no error")
    };
    let why = "can't set immutable config";
    let expected = format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {why}");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn sessions_of_one_store_share_settings() {
    let store = Store::new();
    assert_eq!(store.session().call(["CONFIG", "SET", "hash-max-ziplist-entries", "7"]), Reply::OK);
    let get = |store: &Store| store.session().call(["CONFIG", "GET", "hash-max-listpack-entries"]);
    let told =
        |value: &str| Reply::Map(vec![("hash-max-listpack-entries", value)].into_iter().map(pair).collect());
    assert_eq!(get(&store), told("7"));
    assert_eq!(get(&Store::new()), told("512"));
}

fn pair((name, value): (&str, &str)) -> (Reply, Reply) {
    (Reply::Bulk(name.into()), Reply::Bulk(value.into()))
}

#[test]
fn key_events_can_be_turned_on_and_off() {
    for builder in [Store::builder(), Store::builder().key_events(KeyEvents::On)] {
        let store = builder.build();
        let mut session = store.session();
        let heard = store.psubscribe(["__key*@0__:*"]);
        let mut events = |classes: &str| {
            assert_eq!(session.call(["CONFIG", "SET", "notify-keyspace-events", classes]), Reply::OK);
            store.insert("a", 1).unwrap();
            store.remove("a").unwrap();
            let channels = std::iter::from_fn(|| heard.try_recv()).map(|message| message.channel);
            channels.map(|channel| String::from_utf8(channel.to_vec()).unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(events("KEA").len(), 4);
        assert_eq!(events("Eg"), ["__keyevent@0__:del"]);
        assert_eq!(events("K$"), ["__keyspace@0__:a"]);
        assert!(events("A").is_empty() && events("KE").is_empty() && events("").is_empty());
    }
}
