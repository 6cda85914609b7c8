//! BLPOP, BLMOVE, BZPOPMIN and their kin. Where nothing is to be waited for, they are compared with Redis; where
//! something is, a thread waits, and the clock is moved by hand.

use std::thread;
use std::time::Duration;

use larder::{Compat, Protocol, Reply, Store};

use super::lists::{counted, end_word, multi};
use super::redis::Redis;
use super::{COMMANDS, Server, Way, Words, answer, common, compare_runs, run, spoil, word, words};
use crate::differential::chance::Chance;
use crate::support::{manual_store, until};

#[test]
fn what_does_not_wait_is_byte_for_byte_that_of_redis() {
    compare_runs("blocking commands", |chance| {
        let mut in_multi = false;
        (0..COMMANDS)
            .map(|_| {
                let words = next(chance, in_multi);
                if let [name] = &words[..] {
                    in_multi = name == b"MULTI";
                }
                words
            })
            .collect()
    });
}

/// Within a transaction nothing waits; elsewhere it seldom does, and shortly.
fn next(chance: &mut Chance, in_multi: bool) -> Words {
    match (in_multi, chance.below(8)) {
        (_, 0) => common(chance),
        (false, 1 | 2) => words!["MULTI"],
        (true, 1) => words![chance.pick(&["EXEC", "EXEC", "EXEC", "DISCARD"])],
        (true, 2..=5) => {
            let seconds = seconds(chance);
            let words = draw(chance, &seconds);
            spoil(chance, words)
        }
        (false, 3 | 4) => {
            let seconds = if chance.one_in(60) { word("0.001") } else { no_seconds(chance) };
            draw(chance, &seconds)
        }
        _ if chance.one_in(3) => {
            let key = chance.key();
            let scored = chance.many(1, 5, |chance| words![chance.number(), chance.member()]);
            [words!["ZADD", key], scored.concat()].concat()
        }
        _ => [words![chance.pick(&["LPUSH", "RPUSH"]), chance.key()], chance.members()].concat(),
    }
}

fn draw(chance: &mut Chance, seconds: &[u8]) -> Words {
    let (key, other) = (chance.key(), chance.key());
    match chance.below(8) {
        0..=2 => {
            let name = chance.pick(&["BLPOP", "BRPOP", "BLPOP", "BRPOP", "BZPOPMIN", "BZPOPMAX"]);
            [words![name], chance.keys().iter().map(word).collect(), words![seconds]].concat()
        }
        3 | 4 => words!["BLMOVE", key, other, end_word(chance), end_word(chance), seconds],
        5 => words!["BRPOPLPUSH", key, other, seconds],
        6 => [words!["BLMPOP", seconds], counted(chance), words![end_word(chance)], multi(chance)].concat(),
        _ => {
            let end = chance.pick(&["MIN", "max", "MAX", "LEFT"]);
            [words!["BZMPOP", seconds], counted(chance), words![end], multi(chance)].concat()
        }
    }
}

fn seconds(chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(6) { no_seconds(chance) } else { word(chance.pick(&["0.01", "1e-3", "0x.01"])) }
}

/// What is no timeout.
fn no_seconds(chance: &mut Chance) -> Vec<u8> {
    word(chance.pick(&["-1", "abc", "", "nan", "-0.002", "-inf", "1e9999", "0.01 ", "-1e400"]))
}

#[test]
fn timeouts_are_read_as_redis_reads_them() {
    const SECONDS: &[&str] = &[
        "0",
        "-0",
        "-0.0001",
        "-0.001",
        "-1e-30",
        "0x10",
        "1e15",
        "9.223372036854775e15",
        "9223372036854775",
        "9223372036854775.5",
        "9223372036854775.807",
        "9223372036854775.808",
        "9223372036854776",
        "1e400",
        "inf",
        "-inf",
        "1e5000",
        "1e-5000",
        "0x1p80",
        "+5",
        " 5",
    ];
    let servers = Server::each();
    let both = |server| [(server, Protocol::Resp2), (server, Protocol::Resp3)];
    for (server, protocol) in servers.iter().flat_map(both) {
        let commands = SECONDS.iter().map(|seconds| words!["BLPOP", "k", *seconds]);
        let commands: Vec<_> =
            [words!["MULTI"]].into_iter().chain(commands).chain([words!["EXEC"]]).collect();
        if let Err(difference) =
            run(&mut Redis::connect(server.port(), protocol), protocol, Way::Session, &commands)
        {
            panic!("{}", difference.text);
        }
    }
    // Newer ones know what is too far.
    for (seconds, text) in [
        ("9223372036854775", "ERR timeout is out of range"),
        ("9223372036854776", "ERR timeout is out of range"),
        ("inf", "ERR timeout is out of range"),
        ("-inf", "ERR timeout is negative"),
    ] {
        let mut session = Store::new().session().compat(Compat::Redis72);
        let Reply::Error(error) = session.call(["BLPOP", "k", seconds]) else { panic!("{seconds} is none") };
        assert_eq!(error.to_string(), text);
    }
}

fn until_waiting(store: &Store, count: usize) {
    until("waiter", || store.waiting().unwrap() >= count);
}

fn bulks(words: &[&str]) -> Reply {
    Reply::Array(words.iter().map(|word| Reply::Bulk((*word).into())).collect())
}

fn scored(member: &str, score: f64) -> Reply {
    Reply::Array(vec![Reply::Bulk(member.into()), Reply::Double(score)])
}

#[test]
fn who_waits_is_served_by_anothers_push_first_come_first_served() {
    let (_clock, store) = manual_store();
    thread::scope(|scope| {
        let first = scope.spawn(|| store.session().call(["BLPOP", "other", "jobs", "0"]));
        until_waiting(&store, 2);
        let second =
            scope.spawn(|| store.session().call(["BLMPOP", "5", "1", "jobs", "RIGHT", "COUNT", "2"]));
        until_waiting(&store, 3);
        let mut session = store.session();
        assert_eq!(session.call(["RPUSH", "jobs", "a", "b", "c", "d"]), Reply::Integer(4));
        assert_eq!(first.join().unwrap(), bulks(&["jobs", "a"]));
        let served = Reply::Array(vec![Reply::Bulk("jobs".into()), bulks(&["d", "c"])]);
        assert_eq!(second.join().unwrap(), served);
        assert_eq!(session.call(["LRANGE", "jobs", "0", "-1"]), bulks(&["b"]));
    });
    assert_eq!(store.waiting().unwrap(), 0);
}

#[test]
fn a_timeout_comes_with_the_clock() {
    let (clock, store) = manual_store();
    let commands: [&[&str]; 5] = [
        &["BLPOP", "k", "1.5"],
        &["BLMOVE", "k", "other", "LEFT", "RIGHT", "1.5"],
        &["BRPOPLPUSH", "k", "other", "1.5"],
        &["BLMPOP", "1.4999", "1", "k", "LEFT"],
        &["BZMPOP", "1.5", "1", "k", "MAX"],
    ];
    for command in commands {
        thread::scope(|scope| {
            let waiter = scope.spawn(|| store.session().call(command));
            until_waiting(&store, 1);
            clock.advance(Duration::from_millis(1_499));
            assert_eq!(store.waiting().unwrap(), 1);
            clock.advance(Duration::from_millis(1));
            assert_eq!(waiter.join().unwrap(), Reply::NilArray, "{command:?}");
        });
        assert_eq!(store.waiting().unwrap(), 0);
    }
}

#[test]
fn a_move_that_waits_goes_on_with_what_comes() {
    let (_clock, store) = manual_store();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| store.session().call(["BLMOVE", "jobs", "done", "LEFT", "RIGHT", "0"]));
        until_waiting(&store, 1);
        store.session().call(["RPUSH", "jobs", "a", "b"]);
        assert_eq!(waiter.join().unwrap(), Reply::Bulk("a".into()));
        assert_eq!(store.session().call(["LRANGE", "done", "0", "-1"]), bulks(&["a"]));
        let waiter = scope.spawn(|| store.session().call(["BRPOPLPUSH", "none", "word", "0"]));
        until_waiting(&store, 1);
        store.session().call(["SET", "word", "x"]);
        store.session().call(["RPUSH", "none", "a"]);
        assert!(matches!(waiter.join().unwrap(), Reply::Error(error) if error.code() == "WRONGTYPE"));
        assert_eq!(store.session().call(["LLEN", "none"]), Reply::Integer(1));
    });
}

#[test]
fn a_transaction_serves_at_its_end_and_waits_for_nothing() {
    let (_clock, store) = manual_store();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| store.session().call(["BRPOP", "k", "0"]));
        until_waiting(&store, 1);
        let mut session = store.session();
        session.call(["MULTI"]);
        session.call(["RPUSH", "k", "a", "b"]);
        session.call(["BLPOP", "k", "0"]);
        session.call(["BLPOP", "none", "0"]);
        session.call(["BLMOVE", "none", "k", "LEFT", "LEFT", "0"]);
        let replies = vec![Reply::Integer(2), bulks(&["k", "a"]), Reply::NilArray, Reply::Nil];
        assert_eq!(session.call(["EXEC"]), Reply::Array(replies));
        assert_eq!(waiter.join().unwrap(), bulks(&["k", "b"]));
    });
}

#[test]
fn members_come_with_their_scores() {
    let (_clock, store) = manual_store();
    let set = store.sorted_set::<String>("z");
    let mut session = store.session();
    set.insert_many([("a", 1.0), ("b", 2.5), ("c", 3.0), ("d", 4.0)]).unwrap();
    let outermost = |member: &str, score| {
        Reply::Array(vec![Reply::Bulk("z".into()), Reply::Bulk(member.into()), Reply::Double(score)])
    };
    assert_eq!(session.call(["BZPOPMIN", "none", "z", "0"]), outermost("a", 1.0));
    assert_eq!(session.call(["BZPOPMAX", "z", "0"]), outermost("d", 4.0));
    let both = Reply::Array(vec![scored("c", 3.0), scored("b", 2.5)]);
    let reply = session.call(["bzmpop", "0", "2", "none", "z", "max", "COUNT", "5"]);
    assert_eq!(reply, Reply::Array(vec![Reply::Bulk("z".into()), both]));
    thread::scope(|scope| {
        let waiter = scope.spawn(|| store.session().call(["BZMPOP", "0", "1", "z", "MIN", "COUNT", "2"]));
        until_waiting(&store, 1);
        set.insert_many([("a", 1.0), ("b", 2.0), ("c", 3.0)]).unwrap();
        let both = Reply::Array(vec![scored("a", 1.0), scored("b", 2.0)]);
        assert_eq!(waiter.join().unwrap(), Reply::Array(vec![Reply::Bulk("z".into()), both]));
    });
    assert_eq!(set.len().unwrap(), 1);
}

/// What waits for several keys, and what others do then: fill them the other way round, or put another type into one.
const SEVERAL: &[(&str, &str)] = &[
    ("BLPOP k l 0", "MULTI; RPUSH l 1 2; RPUSH k 3 4; EXEC"),
    ("BRPOP k none l 0", "MULTI; RPUSH l 1 2; RPUSH k 3 4; EXEC"),
    ("BLMPOP 0 2 k l LEFT COUNT 2", "MULTI; RPUSH l 1 2; RPUSH k 3 4; EXEC"),
    ("BZPOPMAX k l 0", "MULTI; ZADD l 1 a 2 b; ZADD k 3 c; EXEC"),
    ("BZMPOP 0 2 k l MIN", "MULTI; ZADD l 1 a; ZADD k 3 c 4 d; EXEC"),
    ("BLPOP k l 0", "SET k x; RPUSH l 1"),
    ("BLPOP k l 0", "SET l x; RPUSH k 1"),
    ("BRPOP k l m 0", "SET k x; SET l x; DEL k l; RPUSH m 1"),
    ("BRPOP k l m 0", "SET k x; SET l x; DEL k; RPUSH m 1"),
    ("BLPOP k l m 0", "MULTI; RPUSH m 1; SET l x; RPUSH k 2; EXEC"),
    ("BLPOP k l m 0", "MULTI; RPUSH m 1; SET k x; RPUSH l 2; EXEC"),
    ("BLMPOP 0 2 k l RIGHT", "SADD k x; RPUSH l 1"),
    ("BZPOPMIN k l 0", "RPUSH k x; ZADD l 1 a"),
    ("XREAD BLOCK 0 STREAMS k l 0 0", "SET k x; XADD l 1-1 f v"),
    ("XREAD BLOCK 0 STREAMS k l 0 0", "SET l x; XADD k 1-1 f v"),
    ("XREAD BLOCK 0 STREAMS k l 0 0", "SET l x; DEL l; XADD k 1-1 f v"),
];

#[test]
fn which_of_several_keys_serves_one_who_waits_is_as_in_redis() {
    for server in Server::each() {
        let connect = || Redis::connect(server.port(), Protocol::Resp2);
        let (mut asks, mut waits) = (connect(), connect());
        let compat = asks.compat;
        for (waiting, filling) in SEVERAL {
            let words = |text: &str| -> Words { text.split(' ').map(word).collect() };
            let (waiting, fill) = (words(waiting), filling.split("; ").map(words).collect::<Vec<_>>());
            asks.ask(&words!["FLUSHALL"]);
            waits.send(&waiting);
            until("waiter", || {
                String::from_utf8_lossy(&asks.ask(&words!["INFO", "clients"])).contains("blocked_clients:1")
            });
            fill.iter().for_each(|words| _ = asks.ask(words));
            let theirs = waits.next();
            // Where the keys lie must not matter.
            for shards in [1, 64] {
                let store = Store::builder().shards(shards).build();
                let mut session = store.session().compat(compat);
                let ours = thread::scope(|scope| {
                    let waiter = scope.spawn(|| answer(&mut store.session().compat(compat), &waiting));
                    until_waiting(&store, 2);
                    fill.iter().for_each(|words| _ = answer(&mut session, words));
                    waiter.join().unwrap()
                });
                let ours = ours.to_bytes(Protocol::Resp2);
                let [ours, theirs] = [&ours[..], &theirs].map(|reply| reply.escape_ascii().to_string());
                assert_eq!(ours, theirs, "{compat:?} {waiting:?} {filling}");
            }
        }
    }
}
