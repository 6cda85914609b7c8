//! Payloads and files that go from larder to live servers and back.
//!
//! Each kind of server that the machine has is asked: `LARDER_REDIS_SERVER` (or the `redis-server` in the
//! `PATH`), `LARDER_REDIS_82_SERVER` and `LARDER_VALKEY_SERVER` name them.

mod contents;
mod live;

use std::fs;

use larder::{Compat, Error, RdbError, RdbOptions, RdbUnsupported, Session, Store};

use super::value::Value;
use super::{SEED, Words, answer, word, words};
use crate::differential::chance::Chance;
use crate::support::Folder;
use contents::{content, contents, fill};
use live::{KINDS, Live};

/// A session that answers as the server does, and knows the commands that the questions need.
fn session(store: &Store, compat: Compat) -> Session {
    store.session().compat(if compat == Compat::Valkey9 { Compat::Redis82 } else { compat })
}

fn ask(session: &mut Session, words: &Words) -> Vec<u8> {
    let reply = answer(session, words);
    session.encode(&reply)
}

/// The byte string that a reply in RESP2 is.
fn bulk(reply: &[u8]) -> Vec<u8> {
    let value = Value::parse(reply).unwrap();
    value.texts().pop().unwrap_or_else(|| panic!("{}", reply.escape_ascii()))
}

const OK: &[u8] = b"+OK\r\n";

#[test]
fn a_payload_is_restored_by_the_server_and_back() {
    for kind in &KINDS {
        let folder = Folder::new();
        let Some(mut live) = kind.start(folder.path()) else { continue };
        let compat = live.compat;
        for seed in 0..150 {
            let mut chance = Chance::new(SEED + seed);
            let store = Store::builder().seed(7).build();
            let mut ours = session(&store, compat);
            // It dumps as the server it stands for, Valkey's commands or not.
            let mut dumps = store.session().compat(compat);
            live.ask(&words!["FLUSHALL"]);
            for words in fill(&mut chance, b"a", compat) {
                assert_eq!(ask(&mut ours, &words), live.ask(&words), "{compat:?} {seed}");
            }
            let payload = bulk(&ask(&mut dumps, &words!["DUMP", "a"]));
            let theirs = bulk(&live.ask(&words!["DUMP", "a"]));
            // Strings and sets of integers have but one form, unless they are compressed; and which form a set has
            // may follow from its past.
            let is_plain = |payload: &[u8]| matches!(payload[0], 0 | 11) && payload.get(1) != Some(&0xc3);
            if is_plain(&payload) && is_plain(&theirs) {
                let shown = |payload: &[u8]| payload.escape_ascii().to_string();
                assert_eq!(shown(&payload), shown(&theirs), "{compat:?} {seed}");
            }
            assert_eq!(live.ask(&words!["RESTORE", "b", 0, payload]), OK, "{compat:?} {seed}");
            assert_eq!(ask(&mut dumps, &words!["RESTORE", "b", 0, theirs]), OK, "{compat:?} {seed}");
            let deadline = bulk_or_line(&live.ask(&words!["PEXPIRETIME", "a"]));
            if deadline != b":-1" {
                let words = words!["PEXPIREAT", "b", &deadline[1..]];
                assert_eq!(ask(&mut ours, &words), live.ask(&words));
            }
            let from_us = content(compat, &mut |words| live.ask(words), b"b");
            let from_them = content(compat, &mut |words| ask(&mut ours, words), b"b");
            let original = content(compat, &mut |words| ask(&mut ours, words), b"a");
            for (restored, where_to) in
                [(from_us, "ours, restored there"), (from_them, "theirs, restored here")]
            {
                assert!(
                    restored == original,
                    "{compat:?} {seed}: {where_to}: {}",
                    first_difference(&restored, &original)
                );
            }
        }
    }
}

/// The first part that differs, as text.
fn first_difference(one: &[Value], other: &[Value]) -> String {
    let texts = |value: &Value| format!("{value:?}");
    let parts = |value: &Value| match value {
        Value::Many(_, items) => items.iter().map(texts).collect::<Vec<_>>(),
        one => vec![texts(one)],
    };
    let (one, other): (Vec<_>, Vec<_>) =
        (one.iter().flat_map(parts).collect(), other.iter().flat_map(parts).collect());
    let differs = one.iter().zip(&other).enumerate().find(|(_, (one, other))| one != other);
    format!("{differs:?}, {} and {} in all", one.len(), other.len())
}

fn bulk_or_line(reply: &[u8]) -> Vec<u8> {
    reply.strip_suffix(b"\r\n").unwrap().to_vec()
}

/// Keys of all types and sizes in all databases.
fn fill_all(chance: &mut Chance, compat: Compat, mut ask: impl FnMut(&Words) -> Vec<u8>) {
    for key in 0..200 {
        ask(&words!["SELECT", key % 16]);
        for words in fill(chance, &word(&format!("key {key}")), compat) {
            let reply = ask(&words);
            assert!(!reply.starts_with(b"-"), "{}", reply.escape_ascii());
        }
    }
    ask(&words!["SELECT", 0]);
}

fn live_contents(live: &mut Live) -> contents::Contents {
    let compat = live.compat;
    contents(compat, &mut |words| live.ask(words))
}

fn our_contents(store: &Store, compat: Compat) -> contents::Contents {
    let mut session = session(store, compat);
    contents(compat, &mut |words| ask(&mut session, words))
}

#[test]
fn the_server_loads_our_file() {
    for kind in &KINDS {
        let folder = Folder::new();
        let Some(live) = kind.start(folder.path()) else { continue };
        let compat = live.compat;
        drop(live);
        let store = Store::builder().seed(7).build();
        let mut ours = session(&store, compat);
        fill_all(&mut Chance::new(SEED), compat, |words| ask(&mut ours, words));
        let saved = store.save_rdb(folder.join("dump.rdb"), compat).unwrap();
        assert_eq!((saved.entries, saved.total), (200, 200));
        assert_eq!(saved.bytes, fs::metadata(folder.join("dump.rdb")).unwrap().len());
        let mut live = kind.start(folder.path()).unwrap();
        assert!(live_contents(&mut live) == our_contents(&store, compat), "{compat:?}");
        // And we load it ourselves.
        let back = Store::load_rdb(folder.join("dump.rdb")).unwrap();
        assert!(our_contents(&back, compat) == our_contents(&store, compat), "{compat:?}");
    }
}

#[test]
fn we_load_the_servers_file() {
    const PACKS: [&str; 7] = [
        "hash-max-listpack-entries",
        "hash-max-listpack-value",
        "zset-max-listpack-entries",
        "zset-max-listpack-value",
        "set-max-intset-entries",
        "set-max-listpack-entries",
        "set-max-listpack-value",
    ];
    for kind in &KINDS {
        let folder = Folder::new();
        let Some(mut live) = kind.start(folder.path()) else { continue };
        let compat = live.compat;
        for (round, (pack, node, compression)) in
            [("128", "-2", "yes"), ("0", "1", "no"), ("100000", "-5", "yes"), ("5", "3", "no")]
                .into_iter()
                .enumerate()
        {
            live.ask(&words!["FLUSHALL"]);
            for setting in PACKS {
                // 7.0 has not all of them.
                live.ask(&words!["CONFIG", "SET", setting, pack]);
            }
            assert_eq!(live.ask(&words!["CONFIG", "SET", "list-max-listpack-size", node]), OK);
            assert_eq!(live.ask(&words!["CONFIG", "SET", "list-compress-depth", round]), OK);
            assert_eq!(live.ask(&words!["CONFIG", "SET", "rdbcompression", compression]), OK);
            fill_all(&mut Chance::new(SEED + round as u64), compat, |words| live.ask(words));
            assert_eq!(live.ask(&words!["SAVE"]), OK);
            let store = Store::load_rdb(folder.join("dump.rdb")).unwrap();
            assert!(our_contents(&store, compat) == live_contents(&mut live), "{compat:?} {round}");
        }
        files_with_more_than_keys(&mut live, &folder);
    }
}

/// Functions, which are passed over where that is asked for and there is no Lua; and notes on how keys are used.
fn files_with_more_than_keys(live: &mut Live, folder: &Folder) {
    let path = folder.join("dump.rdb");
    live.ask(&words!["FLUSHALL"]);
    live.ask(&words!["CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"]);
    live.ask(&words!["SET", "a", "1"]);
    let code = "#!lua name=mine\nredis.register_function('f', function() return 1 end)";
    live.ask(&words!["FUNCTION", "LOAD", code]);
    assert_eq!(live.ask(&words!["SAVE"]), OK);
    #[cfg(not(feature = "lua"))]
    {
        let Err(Error::Rdb(error)) = Store::load_rdb(&path) else { panic!("it has a library") };
        assert!(matches!(&*error, RdbError::Unsupported { what, .. } if what == "the function library mine"));
    }
    let skip = RdbOptions::new().unsupported(RdbUnsupported::Skip);
    let (store, report) = Store::builder().load_rdb_with(&path, skip).unwrap();
    assert_eq!((store.len().unwrap(), report.entries), (1, 1));
    assert_eq!(report.functions, [code]);
    live.ask(&words!["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    live.ask(&words!["FUNCTION", "FLUSH"]);
    live.ask(&words!["SELECT", "3"]);
    live.ask(&words!["SET", "b", "1"]);
    live.ask(&words!["SELECT", "0"]);
    assert_eq!(live.ask(&words!["SAVE"]), OK);
    assert_eq!(Store::load_rdb(&path).unwrap().db(3).unwrap().len().unwrap(), 1);
}

/// What the servers' own libraries are, by what they look like from outside.
#[cfg(feature = "lua")]
const LIBRARIES: [&str; 3] = [
    "#!lua name=mine\nredis.register_function('f', function(keys, args) return {keys[1], args[1], 'f'} end)",
    "#!lua name=other\nlocal n = 0 redis.register_function{function_name = 'g', description = 'counts', \
     callback = function() n = n + 1 return n end, flags = {'no-writes'}}",
    "#!lua name=Third\nredis.register_function('h', function() return redis.call('GET', 'a') end)",
];

#[test]
#[cfg(feature = "lua")]
fn libraries_go_there_and_back() {
    let questions = [
        words!["FCALL", "f", 1, "key", "argument"],
        words!["FCALL_RO", "g", 0],
        words!["FCALL", "h", 0],
        words!["FUNCTION", "LIST", "LIBRARYNAME", "mine", "WITHCODE"],
        words!["FUNCTION", "LIST", "LIBRARYNAME", "other", "WITHCODE"],
        words!["FUNCTION", "STATS"],
    ];
    for kind in &KINDS {
        let folder = Folder::new();
        let path = folder.join("dump.rdb");
        let Some(mut live) = kind.start(folder.path()) else { continue };
        let compat = live.compat;
        live.ask(&words!["SET", "a", "1"]);
        for code in LIBRARIES {
            assert!(live.ask(&words!["FUNCTION", "LOAD", code]).starts_with(b"$"));
        }
        if compat == Compat::Valkey9 {
            let code = "#!lua name=named\nserver.register_function('i', function() return 1 end)";
            live.ask(&words!["FUNCTION", "LOAD", code]);
        }
        assert_eq!(live.ask(&words!["SAVE"]), OK);
        let theirs = questions.clone().map(|words| live.ask(&words));
        drop(live);

        let store = Store::load_rdb(&path).unwrap();
        let mut session = store.session().compat(compat);
        assert_eq!(questions.clone().map(|words| ask(&mut session, &words)), theirs, "{compat:?}");
        fs::remove_file(&path).unwrap();
        store.save_rdb(&path, compat).unwrap();
        let mut live = kind.start(folder.path()).unwrap();
        assert_eq!(questions.clone().map(|words| live.ask(&words)), theirs, "{compat:?}");
    }
}

#[test]
#[cfg(feature = "lua")]
fn a_library_that_does_not_load_is_an_error_or_skipped() {
    let sound = "#!lua name=sound\nredis.register_function('f', function() return 1 end)";
    let broken = "#!lua name=broken\nreturn nothing";
    let entry = |code: &str| [&[0xf5, 0x40, code.len() as u8], code.as_bytes()].concat();
    let twice = [entry(sound), entry(sound)].concat();
    let unsound = [entry(sound), entry(broken)].concat();
    for (entries, name, why) in [(&twice, "sound", "already exists"), (&unsound, "broken", "nonexistent")] {
        let file = [b"REDIS0012", &entries[..], &[0xff], &[0; 8]].concat();
        let Err(Error::Rdb(error)) = Store::builder().read_rdb(&file[..]) else { panic!("{name}") };
        let RdbError::Unsupported { what, at, .. } = &*error else { panic!("{error}") };
        assert!(
            what.starts_with(&format!("the function library {name} (ERR ")) && what.contains(why),
            "{what}"
        );
        assert_eq!(*at as usize, 9 + entry(sound).len());
        let skip = RdbOptions::new().unsupported(RdbUnsupported::Skip);
        let (store, report) = Store::builder().read_rdb_with(&file[..], skip).unwrap();
        assert_eq!((report.functions.len(), report.skipped.len()), (2, 1));
        assert_eq!((&report.skipped[0].what, report.skipped[0].at), (what, *at));
        assert_eq!(ask(&mut store.session(), &words!["FCALL", "f", 0]), b":1\r\n");
    }
}

/// Entries, some with other names and some removed since, and groups of which consumers have read some.
fn fill_stream(chance: &mut Chance, live: &mut Live) {
    live.ask(&words!["FLUSHALL"]);
    live.ask(&words!["XGROUP", "CREATE", "a", "empty", "$", "MKSTREAM"]);
    let most = if chance.one_in(3) { 400 } else { 8 };
    let (mut ms, mut seq) = (0, 7);
    for _ in 0..chance.below(most) {
        match chance.below(3) {
            0 => seq += 1 + chance.below(9),
            _ => (ms, seq) = (ms + 1 + chance.below(5_000), chance.below(9)),
        }
        let names: &[&str] = if chance.one_in(6) { &["other", "7"] } else { &["name", "hits"] };
        let fields = names.iter().flat_map(|name| [word(name), chance.value()]).collect();
        live.ask(&[words!["XADD", "a", format!("{ms}-{seq}")], fields].concat());
        if chance.one_in(5) {
            live.ask(&words!["XDEL", "a", format!("{ms}-{seq}")]);
        }
    }
    for group in 0..chance.below(3) {
        live.ask(&words!["XGROUP", "CREATE", "a", format!("group {group}"), "0"]);
        for consumer in ["ann", "bob", "7"] {
            let count = 1 + chance.below(20);
            let group = format!("group {group}");
            live.ask(&words!["XREADGROUP", "GROUP", group, consumer, "COUNT", count, "STREAMS", "a", ">"]);
        }
        live.ask(&words!["XGROUP", "CREATECONSUMER", "a", format!("group {group}"), "idle"]);
    }
}

#[test]
fn streams_go_there_and_back() {
    for kind in &KINDS {
        let folder = Folder::new();
        let Some(mut live) = kind.start(folder.path()) else { continue };
        for seed in 0..60 {
            fill_stream(&mut Chance::new(SEED + seed), &mut live);
            let store = Store::new();
            let mut ours = store.session().compat(live.compat);
            let theirs = bulk(&live.ask(&words!["DUMP", "a"]));
            assert_eq!(ask(&mut ours, &words!["RESTORE", "a", 0, theirs]), OK, "{seed}");
            let payload = bulk(&ask(&mut ours, &words!["DUMP", "a"]));
            assert_eq!(live.ask(&words!["RESTORE", "b", 0, payload]), OK, "{seed}");
            assert_eq!(
                live.ask(&words!["XRANGE", "a", "-", "+"]),
                live.ask(&words!["XRANGE", "b", "-", "+"]),
                "{seed}"
            );
            let mut full = |key: &str| live.ask(&words!["XINFO", "STREAM", key, "FULL", "COUNT", 0]);
            let (one, other) = (Value::parse(&full("a")).unwrap(), Value::parse(&full("b")).unwrap());
            assert!(is_same_stream(&one, &other), "{:?} {seed}: {one:?} {other:?}", live.compat);
        }
        // And a whole file.
        fill_stream(&mut Chance::new(SEED), &mut live);
        let before = live.ask(&words!["XRANGE", "a", "-", "+"]);
        assert_eq!(live.ask(&words!["SAVE"]), OK);
        let store = Store::load_rdb(folder.join("dump.rdb")).unwrap();
        store.save_rdb(folder.join("dump.rdb"), live.compat).unwrap();
        drop(live);
        assert_eq!(kind.start(folder.path()).unwrap().ask(&words!["XRANGE", "a", "-", "+"]), before);
    }
}

/// The same but for how its nodes are laid out, which a server tells too.
fn is_same_stream(one: &Value, other: &Value) -> bool {
    let told = |value: &Value| match value {
        Value::Many(_, items) => {
            let insides = |name: &Value| {
                let insides = ["radix-tree-keys", "radix-tree-nodes"];
                matches!(name, Value::One(_, name) if insides.iter().any(|inside| inside.as_bytes() == name))
            };
            items.chunks(2).filter(|pair| !insides(&pair[0])).map(<[Value]>::to_vec).collect::<Vec<_>>()
        }
        one => vec![vec![one.clone()]],
    };
    told(one) == told(other)
}
