//! What clients do to each other: three of them in turn, each of which is told the same, unasked, by larder and by
//! Redis.

use std::thread;
use std::time::Duration;

use larder::{Compat, Protocol, Reply, Session, Store};

use super::redis::Redis;
use super::{Words, again, answer, compare, each_round, script, words};
use crate::differential::chance::Chance;
use crate::support::{manual_store, until};

const ROUNDS: u64 = 12;
const CLIENTS: usize = 3;

/// Draws runs of what three clients say, and compares all that each of them gets. `{0}` in a word stands for the id
/// of the first.
fn compare_clients(protocols: [Protocol; CLIENTS], draw: impl Fn(&mut Chance) -> (usize, Words)) {
    compare_clients_with(|_| true, protocols, draw);
}

/// The same with some of the servers.
fn compare_clients_with(
    which: fn(Compat) -> bool,
    protocols: [Protocol; CLIENTS],
    draw: impl Fn(&mut Chance) -> (usize, Words),
) {
    each_round(ROUNDS, |server, seed| {
        let mut redis = protocols.map(|protocol| Redis::connect(server.port(), protocol));
        if !which(redis[0].compat) {
            return;
        }
        redis[0].ask(&words!["FLUSHALL"]);
        // It may not have noticed yet that those of the round before have gone, and tell of their channels.
        until("connections to be gone", || {
            let list = redis[0].ask(&words!["CLIENT", "LIST"]);
            list.split(|byte| *byte == b'\n')
                .filter(|line| line.windows(4).any(|part| part == b" fd="))
                .count()
                == CLIENTS
        });
        let store = Store::new();
        let mut sessions = [(); CLIENTS].map(|()| store.session().compat(redis[0].compat));
        for (session, protocol) in sessions.iter_mut().zip(protocols) {
            if protocol == Protocol::Resp3 {
                session.call(["HELLO", "3"]);
            }
        }
        let theirs = redis.each_mut().map(|redis| number(&redis.ask(&words!["CLIENT", "ID"])));
        let mut chance = Chance::new(seed);
        let mut said = Said(Vec::new());
        let mut in_multi = [false; CLIENTS];
        // Who has said what holds for the next command: a mark would be that. What they are told is looked at behind it.
        let mut is_held = [false; CLIENTS];
        for _ in 0..150 {
            let (who, mut words) = draw(&mut chance);
            // Who is told of what an EXEC has changed before it turned tracking on or off is not as in Redis.
            let is_kept_out = words == words!["MULTI"] || words.starts_with(&words!["CLIENT", "TRACKING"]);
            if in_multi[who] && is_kept_out {
                words = words!["EXEC"];
            }
            let is_caching = words.starts_with(&words!["CLIENT", "CACHING"]);
            if is_caching && is_held[who] {
                words = words!["GET", "a"];
            }
            let was_held = is_held[who];
            is_held[who] = is_caching && !was_held && !in_multi[who];
            said.0.push([words!["client", who], words.clone()].concat());
            let mut ours = ours(&mut sessions, who, &named(&words, &[1, 2, 3]), is_held);
            in_multi[who] = match &words[0][..] {
                b"MULTI" => ours[who].iter().any(|reply| reply == "+OK\\r\\n"),
                b"EXEC" | b"RESET" => false,
                _ => in_multi[who],
            };
            // The mark that ends what each is told is a command, too, and queued by Valkey.
            let is_valkey = redis[0].compat == Compat::Valkey9;
            for (at, session) in sessions.iter_mut().enumerate() {
                if !is_held[at] && (is_valkey || !in_multi[at]) {
                    answer(session, &mark());
                }
            }
            let mut before = Vec::new();
            if was_held {
                // Pushed before the words are sent, so that it is known which is their reply.
                redis[who].send(&words!["CLIENT", "ID"]);
                let mut reply = redis[who].next();
                while reply.starts_with(b">") {
                    before.push(shown(&reply, &theirs));
                    reply = redis[who].next();
                }
            }
            redis[who].send(&named(&words, &theirs));
            let mut theirs = asked(&mut redis, who, !ours[who].is_empty(), in_multi, is_held, &theirs);
            theirs[who].extend(before);
            // What comes unasked may come before the reply to who has caused it, or behind it.
            ours[who].sort();
            theirs[who].sort();
            // What others are told of a command that has two reasons for it comes in two orders.
            for told in ours.iter_mut().chain(&mut theirs) {
                if told.iter().all(|message| message.contains("\\ninvalidate\\r")) {
                    told.sort();
                }
            }
            assert_eq!(ours, theirs, "{:?}, {}\n{}", redis[0].compat, again(seed), script(&said.0));
        }
    });
}

/// What has been said so far: shown also where a reply that never comes ends a test.
struct Said(Vec<Words>);

impl Drop for Said {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", script(&self.0));
        }
    }
}

fn number(reply: &[u8]) -> usize {
    std::str::from_utf8(&reply[1..reply.len() - 2]).unwrap().parse().unwrap()
}

fn named(words: &Words, ids: &[usize]) -> Words {
    let name = |word: &Vec<u8>| match &word[..] {
        [b'{', digit, b'}'] => ids[usize::from(digit - b'0')].to_string().into_bytes(),
        _ => word.clone(),
    };
    words.iter().map(name).collect()
}

/// What each of ours gets.
fn ours(
    sessions: &mut [Session; CLIENTS],
    who: usize,
    words: &Words,
    is_held: [bool; CLIENTS],
) -> [Vec<String>; CLIENTS] {
    let reply = answer(&mut sessions[who], words);
    let mut got: [Vec<String>; CLIENTS] = Default::default();
    let replies = match reply {
        Reply::Several(replies) => replies,
        reply => vec![reply],
    };
    got[who] = replies.iter().map(|reply| shown(&sessions[who].encode(reply), &[1, 2, 3])).collect();
    for ((session, got), _) in sessions.iter().zip(&mut got).zip(is_held).filter(|(_, is_held)| !is_held) {
        while let Some(message) = session.try_message() {
            let message = session.encode(&message);
            if !is_mark(&message) {
                got.push(shown(&message, &[1, 2, 3]));
            }
        }
    }
    got
}

/// What each of Redis's gets: all that comes before the reply to a command that changes nothing.
fn asked(
    redis: &mut [Redis; CLIENTS],
    who: usize,
    has_reply: bool,
    in_multi: [bool; CLIENTS],
    is_held: [bool; CLIENTS],
    ids: &[usize],
) -> [Vec<String>; CLIENTS] {
    let mut got: [Vec<String>; CLIENTS] = Default::default();
    // What is told at the end of a turn of Redis's loop is told before the reply is written.
    let first = has_reply.then(|| {
        let mut reply = redis[who].next();
        while is_mark(&reply) {
            reply = redis[who].next();
        }
        reply
    });
    let others = (0..CLIENTS).filter(|at| *at != who);
    for at in [who].into_iter().chain(others).filter(|at| !is_held[*at]) {
        got[at] = until_marked(&mut redis[at], in_multi[at], ids);
    }
    got[who].extend(first.map(|first| shown(&first, ids)));
    got
}

fn until_marked(redis: &mut Redis, in_multi: bool, ids: &[usize]) -> Vec<String> {
    let is_valkey = redis.compat == Compat::Valkey9;
    // A PING would be queued; but where a MULTI breaks the transaction it has to be.
    let (words, end): (_, &[u8]) = match in_multi {
        true if is_valkey => (mark(), b"+QUEUED\r\n"),
        true => (words!["multi"], b"-ERR MULTI calls can not be nested\r\n"),
        false => (mark(), b"$6\r\nmarked\r\n"),
    };
    let mut reply = redis.ask(&words);
    let mut got = Vec::new();
    while !reply.ends_with(end) {
        if !is_mark(&reply) {
            got.push(shown(&reply, ids));
        }
        reply = redis.next();
    }
    got
}

/// A command whose reply ends what a client has been told so far.
fn mark() -> Words {
    words!["PING", "marked"]
}

/// Such a command, as a monitor is shown it.
fn is_mark(reply: &[u8]) -> bool {
    reply.ends_with(b"\"PING\" \"marked\"\r\n") || reply.ends_with(b"\"multi\"\r\n")
}

/// Without what differs: times, addresses, and ids of clients.
fn shown(reply: &[u8], ids: &[usize]) -> String {
    if let Some(bracket) = reply.iter().position(|byte| *byte == b'[').filter(|_| reply[0] == b'+') {
        let db = reply[bracket + 1..].split(|byte| *byte == b' ').next().unwrap();
        let words = reply.iter().position(|byte| *byte == b']').map(|at| &reply[at..]).unwrap();
        return format!("{} {}", db.escape_ascii(), words.escape_ascii());
    }
    let mut text = reply.escape_ascii().to_string();
    for (at, id) in ids.iter().enumerate() {
        let from = format!("redirect\\r\\n:{id}\\r\\n");
        text = text.replace(&from, &format!("redirect\\r\\n:<{at}>\\r\\n"));
    }
    text
}

#[test]
fn shard_channels_are_byte_for_byte_those_of_redis() {
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        compare_clients([protocol, Protocol::Resp3, Protocol::Resp2], |chance| {
            let channel = chance.pick(&["a", "b"]);
            let words = match chance.below(12) {
                0 | 1 => words!["SSUBSCRIBE", channel],
                2 => words!["SUNSUBSCRIBE", channel],
                3 => words!["SUBSCRIBE", channel],
                4 => words!["UNSUBSCRIBE", channel],
                5 => words!["PSUBSCRIBE", "a*"],
                6 | 7 => words!["SPUBLISH", channel, chance.number()],
                8 => words!["PUBLISH", channel, chance.number()],
                9 => words!["PUBSUB", "SHARDNUMSUB", "a", "b"],
                10 => words!["PUBSUB", chance.pick(&["SHARDCHANNELS", "NUMPAT"])],
                _ => match chance.below(8) {
                    0 => words!["SSUBSCRIBE"],
                    1 => words!["SUNSUBSCRIBE", "a", "c"],
                    2 => words!["SPUBLISH", "a"],
                    3 => words!["PUBSUB", "SHARDCHANNELS", "[a]"],
                    4 => words!["PUBSUB", "SHARDCHANNELS", "a", "b"],
                    5 => words!["PUBSUB", "SHARDNUMSUB"],
                    6 => words!["COMMAND", "GETKEYS", "SSUBSCRIBE", "a"],
                    _ => words!["GET", "a"],
                },
            };
            // The order of several is Redis's own.
            let words = if words == words!["PUBSUB", "SHARDCHANNELS"] {
                words!["PUBSUB", "SHARDCHANNELS", channel]
            } else {
                words
            };
            (chance.below(CLIENTS), words)
        });
    }
}

#[test]
fn a_monitor_is_shown_what_that_of_redis_is() {
    // Of newer servers the marks do not tell where what a monitor is shown ends.
    let which = |compat| compat == Compat::Redis70;
    compare_clients_with(which, [Protocol::Resp2, Protocol::Resp3, Protocol::Resp2], |chance| {
        let key = chance.pick(&["a", "b \"\\\n\u{7f}"]);
        let who = chance.below(CLIENTS);
        let words = match chance.below(16) {
            0 if who == 0 => words!["MONITOR"],
            1 if who == 0 => words![chance.pick(&["RESET", "RESET", "MONITOR"])],
            0..=2 => words!["GET", key],
            3 => words!["SET", key, chance.number(), "EX", "x"],
            4 => words!["SET", key],
            5 => words!["MULTI"],
            6 | 7 => words!["EXEC"],
            8 => words!["AUTH", "secret"],
            9 => words!["AUTH", "ann", "secret"],
            10 => words!["HELLO", "3", "AUTH", "ann", "secret"],
            11 => words!["SELECT", chance.below(3)],
            12 => words!["CONFIG", "GET", "maxmemory"],
            13 => words!["PUBLISH", "c", "x"],
            14 => words!["blpop", "none", "x"],
            _ => words!["NOSUCH", key],
        };
        (who, words)
    });
}

#[test]
fn invalidations_are_byte_for_byte_those_of_redis() {
    for listener in [Protocol::Resp2, Protocol::Resp3] {
        compare_clients([Protocol::Resp3, Protocol::Resp3, listener], |chance| {
            let key = chance.pick(&["a", "b", "ab", "c"]);
            let words = match chance.below(24) {
                0..=4 => words!["GET", key],
                5 => words!["MGET", "a", "c"],
                6..=9 => words!["SET", key, chance.number()],
                10 => words!["MSET", "a", "1", "c", "2", "ab", "3"],
                11 => words!["DEL", key, "c"],
                12 => words!["EXPIRE", key, chance.pick(&["100", "-1"])],
                13 => words!["MULTI"],
                14 | 15 => words!["EXEC"],
                16 if chance.one_in(4) => words![chance.pick(&["FLUSHALL", "FLUSHDB"])],
                16 => words!["RENAME", key, "b"],
                17 | 18 => return (chance.below(2), tracking(chance)),
                19 => words!["CLIENT", chance.pick(&["TRACKINGINFO", "TRACKINGINFO", "CACHING"])],
                20 => words!["CLIENT", "CACHING", chance.pick(&["YES", "NO", "YES", "NO", "x"])],
                21 => words!["LPUSH", "list", "x"],
                22 => words!["LRANGE", "list", "0", chance.pick(&["-1", "x"])],
                _ => words!["SELECT", chance.below(2)],
            };
            let who = chance.below(2);
            // What a message to another in RESP2 has for all keys is of the sender's protocol in some versions.
            if words[0].starts_with(b"FLUSH") { (who, words!["PING"]) } else { (who, words) }
        });
    }
}

/// CLIENT TRACKING of the first two, which may have the third told.
fn tracking(chance: &mut Chance) -> Words {
    let mut words = words!["CLIENT", "TRACKING", chance.pick(&["ON", "ON", "ON", "on", "OFF", "maybe"])];
    for _ in 0..chance.below(3) {
        words.extend(match chance.below(9) {
            0 => words!["BCAST"],
            1 => words!["BCAST", "PREFIX", chance.pick(&["a", "ab", "b"])],
            2 => words!["PREFIX", chance.pick(&["c", "a"])],
            3 => words!["OPTIN"],
            4 => words!["OPTOUT"],
            5 => words!["NOLOOP"],
            6 => words!["REDIRECT", chance.pick(&["{2}", "{2}", "{0}", "99999", "x"])],
            7 => words!["REDIRECT", "{2}"],
            _ => words!["WHAT"],
        });
    }
    words
}

#[test]
fn invalidations_of_all_keys_are_those_of_redis() {
    compare_clients([Protocol::Resp3; CLIENTS], |chance| {
        let words = match chance.below(7) {
            0 => words!["CLIENT", "TRACKING", "ON"],
            1 => words!["CLIENT", "TRACKING", "OFF"],
            2 => words!["FLUSHDB"],
            3 => words!["FLUSHALL"],
            4 => words!["SET", "a", "1"],
            _ => words!["GET", "a"],
        };
        (chance.below(CLIENTS), words)
    });
}

#[test]
fn what_is_wrong_with_orders_to_other_clients_is_told_as_redis_tells_it() {
    compare("orders to other clients", |chance| {
        let some = |chance: &mut Chance| chance.pick(&["0", "-1", "x", "999999", "", "1.5"]);
        match chance.below(6) {
            0 => words!["CLIENT", "KILL", chance.pick(&["1.2.3.4:5", "", "x"])],
            1..=3 => {
                let mut words = words!["CLIENT", "KILL"];
                for _ in 0..1 + chance.below(3) {
                    words.extend(match chance.below(8) {
                        0 | 1 => words!["ID", some(chance)],
                        2 => words!["TYPE", chance.pick(&["master", "replica", "nobody"])],
                        3 => words!["ADDR", "1.2.3.4:5"],
                        4 => words!["laddr", "1.2.3.4:5"],
                        5 => words!["USER", "nobody"],
                        6 => words!["SKIPME", chance.pick(&["yes", "YES", "maybe"])],
                        _ => words!["WHAT"],
                    });
                }
                // Never all clients of the server.
                [words, words!["ID", "888888888"]].concat()
            }
            4 => words!["CLIENT", "UNBLOCK", some(chance), chance.pick(&["TIMEOUT", "error", "x"])],
            _ => match chance.below(6) {
                0 => words!["CLIENT", "UNBLOCK", some(chance)],
                1 => words!["CLIENT", "UNBLOCK", "1", "ERROR", "x"],
                2 => words!["CLIENT", "PAUSE", chance.pick(&["0", "-1", "x", ""])],
                3 => words!["CLIENT", "PAUSE", "0", chance.pick(&["WRITE", "all", "x"])],
                4 => words!["CLIENT", "PAUSE", "0", "ALL", "x"],
                _ => words!["CLIENT", "UNPAUSE"],
            },
        }
    });
}

fn id(session: &mut Session) -> String {
    let Reply::Integer(id) = session.call(["CLIENT", "ID"]) else { panic!("no id") };
    id.to_string()
}

fn error_of(reply: Reply) -> String {
    let Reply::Error(error) = reply else { panic!("{reply:?} is no error") };
    error.to_string()
}

fn list(session: &mut Session) -> String {
    let Reply::Verbatim(_, text) = session.call(["CLIENT", "LIST"]) else { panic!("no text") };
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn who_is_killed_is_connected_no_more() {
    let store = Store::new();
    let mut killer = store.session();
    let mut victim = store.session().addresses("10.0.0.1:5", "10.0.0.2:6379");
    victim.call(["SUBSCRIBE", "news"]);
    assert_eq!(
        killer.call(["PUBSUB", "NUMSUB", "news"]),
        Reply::Array(vec![Reply::Bulk("news".into()), Reply::Integer(1)])
    );
    assert_eq!(
        killer.call(["CLIENT", "KILL", "TYPE", "pubsub", "LADDR", "10.0.0.2:6379"]),
        Reply::Integer(1)
    );
    assert_eq!(killer.call(["PUBLISH", "news", "x"]), Reply::Integer(0));
    assert_eq!(list(&mut killer).lines().count(), 1);
    assert!(victim.is_over());
    assert_eq!(error_of(victim.call(["PING"])), "LOST the connection was closed");
    assert_eq!(error_of(killer.call(["CLIENT", "KILL", "10.0.0.1:5"])), "ERR No such client");
    // It gets the reply to its own end.
    let me = id(&mut killer);
    assert_eq!(killer.call(["CLIENT", "KILL", "ID", &me]), Reply::Integer(0));
    assert_eq!(killer.call(["CLIENT", "KILL", "ID", &me, "SKIPME", "no"]), Reply::Integer(1));
    assert_eq!(error_of(killer.call(["PING"])), "LOST the connection was closed");
}

#[test]
fn newer_ones_kill_by_age() {
    let (clock, store) = manual_store();
    let _old = store.session();
    clock.advance(Duration::from_secs(10));
    let mut young = store.session();
    let kill = |session: &mut Session, age: &str| session.call(["CLIENT", "KILL", "MAXAGE", age]);
    assert_eq!(error_of(kill(&mut young, "0")), "ERR maxage should be greater than 0");
    assert_eq!(error_of(kill(&mut young, "x")), "ERR maxage is not an integer or out of range");
    assert_eq!(kill(&mut young, "11"), Reply::Integer(0));
    assert_eq!(kill(&mut young, "10"), Reply::Integer(1));
    let mut young = store.session().compat(Compat::Redis72);
    assert_eq!(error_of(kill(&mut young, "10")), "ERR syntax error");
}

#[test]
fn who_waits_can_be_had_to_wait_no_longer() {
    let (_clock, store) = manual_store();
    let mut other = store.session();
    for (order, text) in [
        (&["CLIENT", "UNBLOCK"][..], ""),
        (&["CLIENT", "UNBLOCK", "ERROR"], "UNBLOCKED client unblocked via CLIENT UNBLOCK"),
        (&["CLIENT", "KILL", "ID"], "LOST the connection was closed"),
    ] {
        let mut waiter = store.session();
        let waiting = id(&mut waiter);
        let mut order: Vec<&str> = order.to_vec();
        order.insert(if order[1] == "KILL" { 3 } else { 2 }, &waiting);
        thread::scope(|scope| {
            let waits = scope.spawn(|| waiter.call(["BLPOP", "none", "0"]));
            until("waiter", || store.waiting().unwrap() > 0);
            assert!(list(&mut other).contains("flags=b "));
            assert_eq!(other.call(&order), Reply::Integer(1));
            match waits.join().unwrap() {
                Reply::NilArray => assert_eq!(text, ""),
                reply => assert_eq!(error_of(reply), text),
            }
        });
        assert_eq!(store.waiting().unwrap(), 0);
        assert_eq!(other.call(["CLIENT", "UNBLOCK", &waiting]), Reply::Integer(0));
    }
}

#[test]
fn a_pause_holds_commands_back_until_it_is_over() {
    let (clock, store) = manual_store();
    let mut one = store.session();
    let held = |session: &mut Session| list(session).matches("flags=b ").count();
    // Writes alone, until somebody says so.
    assert_eq!(one.call(["CLIENT", "PAUSE", "1000", "WRITE"]), Reply::OK);
    assert_eq!(one.call(["GET", "a"]), Reply::Nil);
    assert_eq!(error_of(one.call(["SET", "a"])), "ERR wrong number of arguments for 'set' command");
    thread::scope(|scope| {
        let writer = scope.spawn(|| store.session().call(["SET", "a", "1"]));
        let sender = scope.spawn(|| store.session().call(["PUBLISH", "a", "1"]));
        until("two held back", || held(&mut one) == 2);
        assert_eq!(store.get::<String>("a").unwrap(), None);
        assert_eq!(one.call(["CLIENT", "UNPAUSE"]), Reply::OK);
        assert_eq!(writer.join().unwrap(), Reply::OK);
        assert_eq!(sender.join().unwrap(), Reply::Integer(0));
    });
    // A whole one, until its time is over; the longer of two counts.
    one.call(["CLIENT", "PAUSE", "1000"]);
    thread::scope(|scope| {
        let reader = scope.spawn(|| store.session().call(["GET", "a"]));
        clock.advance(Duration::from_millis(999));
        assert!(!reader.is_finished());
        clock.advance(Duration::from_millis(1));
        assert_eq!(reader.join().unwrap(), Reply::Bulk("1".into()));
    });
    // A transaction that writes is held back as a whole.
    one.call(["MULTI"]);
    one.call(["GET", "a"]);
    store.session().call(["CLIENT", "PAUSE", "1000", "WRITE"]);
    assert_eq!(one.call(["EXEC"]), Reply::Array(vec![Reply::Bulk("1".into())]));
    one.call(["MULTI"]);
    let mut other = store.session();
    thread::scope(|scope| {
        let queues = scope.spawn(|| {
            let mut session = store.session();
            session.call(["MULTI"]);
            session.call(["CLIENT", "GETNAME"]);
            session.call(["EXEC"])
        });
        assert_eq!(queues.join().unwrap(), Reply::Array(vec![Reply::Nil]));
        let killed = scope.spawn(|| store.session().call(["DEL", "a"]));
        until("one held back", || held(&mut other) == 1);
        let list = list(&mut other);
        let line = list.lines().find(|line| line.contains("flags=b ")).unwrap();
        let id = line.strip_prefix("id=").and_then(|line| line.split(' ').next()).unwrap();
        assert_eq!(other.call(["CLIENT", "KILL", "ID", id]), Reply::Integer(1));
        assert_eq!(error_of(killed.join().unwrap()), "LOST the connection was closed");
    });
    assert_eq!(store.get::<String>("a").unwrap().as_deref(), Some("1"));
}

#[test]
fn who_monitors_and_does_not_read_is_disconnected() {
    let store = Store::new();
    let mut monitor = store.session();
    monitor.call(["MONITOR"]);
    assert!(list(&mut store.session()).contains("flags=O "));
    let mut other = store.session();
    // It is a client like any other, and those have no limit by default.
    assert_eq!(other.call(["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1kb 0 0"]), Reply::OK);
    (0..100_000).for_each(|_| _ = other.call(["PING"]));
    assert!(!monitor.is_over());
    assert_eq!(other.call(["CONFIG", "SET", "client-output-buffer-limit", "normal 64mb 0 0"]), Reply::OK);
    while !monitor.is_over() {
        other.call(["ECHO", "x".repeat(1 << 20).as_str()]);
    }
    assert_eq!(monitor.try_message(), None);
    assert_eq!(error_of(monitor.call(["PING"])), "LOST the connection was closed");
}

#[test]
fn a_pipe_of_redis_rs_breaks_when_it_is_killed() {
    #[cfg(feature = "redis")]
    {
        use redis::ConnectionLike;

        let store = Store::new();
        let mut con = store.redis_connection();
        redis::cmd("PING").query::<String>(&mut con).unwrap();
        store.session().call(["CLIENT", "KILL", "TYPE", "normal"]);
        assert!(!con.is_open());
        let error = redis::cmd("PING").query::<String>(&mut con).unwrap_err();
        assert!(error.is_io_error(), "{error:?}");
    }
}
