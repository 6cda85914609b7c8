//! What a server tells of its commands: SLOWLOG, COMMANDLOG, LATENCY, and the sections of INFO about them.

use std::collections::BTreeMap;
use std::time::Duration;

use larder::testing::Fault;
use larder::{Compat, ManualClock, Protocol, Reply, Store};

use super::redis::Redis;
use super::value::Value;
use super::{Words, answer, words};
use crate::differential::server::Server;

/// Commands of all kinds, with and without secrets, that end well or not.
fn commands() -> Vec<Words> {
    let many: Words = (0..40).map(|at| format!("k{at}").into_bytes()).collect();
    let mut commands = vec![
        words!["CLIENT", "SETNAME", "bob"],
        words!["Set", "a", "1"],
        words!["GET", "a", "b"],
        words!["GET"],
        words!["WHAT", "a"],
        words!["CONFIG", "WHAT"],
        words!["LPUSH", "a", "1"],
        words!["MULTI"],
        words!["SET", "b", "1"],
        words!["INCR", "b"],
        words!["LPUSH", "b", "1"],
        words!["EXEC"],
        words!["EXEC"],
        words!["MULTI"],
        words!["GET"],
        words!["EXEC"],
        words!["CONFIG", "SET", "masterauth", "secret", "timeout", "0"],
        words!["CONFIG", "GET", "timeout"],
        words!["HELLO", "2", "AUTH", "default", "pw"],
        words!["ACL", "GETUSER", "default"],
        words!["SET", "long", "x".repeat(200)],
        words!["SET", "s", "y".repeat(128)],
        words!["BLPOP", "l", "l2", "0"],
        words!["PING"],
    ];
    commands.push([words!["MSET"], many].concat());
    #[cfg(feature = "lua")]
    commands.extend([
        words!["EVAL", "redis.call('SET', 'x', '1') return redis.call('GET', 'x')", "0"],
        words!["EVAL", "return redis.pcall('LPUSH', 'x', '1')", "0"],
        words!["EVAL", "return redis.error_reply('MY fault')", "0"],
    ]);
    commands
}

/// What is told the same by larder and by each server, when both have been asked the same.
fn each_server(check: impl Fn(&mut dyn FnMut(&Words) -> Vec<u8>) -> String) {
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        let store = Store::new();
        let mut session = store.session().compat(redis.compat);
        let ours = check(&mut |words| answer(&mut session, words).to_bytes(Protocol::Resp2));
        let theirs = check(&mut |words| redis.ask(words));
        assert_eq!(ours, theirs, "{:?}", redis.compat);
    }
}

/// Runs the commands on a store with one list, and has only them counted.
fn count_all(ask: &mut dyn FnMut(&Words) -> Vec<u8>) {
    for words in [words!["FLUSHALL"], words!["RPUSH", "l", "1"], words!["CONFIG", "RESETSTAT"]] {
        ask(&words);
    }
    for words in commands() {
        ask(&words);
    }
}

fn parse(reply: &[u8]) -> Value {
    Value::parse(reply).unwrap_or_else(|| panic!("{}", reply.escape_ascii()))
}

#[test]
fn the_same_commands_are_slow_as_in_redis() {
    each_server(|ask| {
        ask(&words!["FLUSHALL"]);
        ask(&words!["RPUSH", "l", "1"]);
        ask(&words!["CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "128"]);
        ask(&words!["SLOWLOG", "RESET"]);
        for words in commands() {
            ask(&words);
        }
        let count = ask(&words!["SLOWLOG", "LEN"]);
        let some = match parse(&ask(&words!["SLOWLOG", "GET"])) {
            Value::Many(_, entries) => entries.len(),
            one => panic!("{one:?}"),
        };
        let Value::Many(_, entries) = parse(&ask(&words!["SLOWLOG", "GET", "-1"])) else { panic!("no list") };
        ask(&words!["CONFIG", "SET", "slowlog-log-slower-than", "10000"]);
        let mut address = None;
        let told = entries.iter().rev().map(|entry| {
            let Value::Many(_, parts) = entry else { panic!("{entry:?}") };
            let Value::One(_, from) = &parts[4] else { panic!("{entry:?}") };
            // Our session has no address.
            let from = match address.get_or_insert_with(|| from.clone()) == from && !from.is_empty() {
                true => "me".to_owned(),
                false => String::from_utf8_lossy(from).into_owned(),
            };
            let words: Vec<String> =
                parts[3].clone().texts().iter().map(|word| word.escape_ascii().to_string()).collect();
            format!("{} {from} {:?}\n", words.join(" "), parts[5])
        });
        let told: String = told.collect();
        // What scripts call is `?:0` in Redis 7.0, as is our session.
        format!("{} {some}\n{}", count.escape_ascii(), told.replace(" ?:0 One", " me One"))
    });
}

#[test]
fn commands_and_errors_are_counted_as_redis_counts_them() {
    each_server(|ask| {
        count_all(ask);
        let mut lines = BTreeMap::new();
        for section in ["commandstats", "errorstats", "latencystats"] {
            let Value::One(_, text) = parse(&ask(&words!["INFO", section])) else { panic!("no text") };
            let text = String::from_utf8(text).unwrap();
            for (name, facts) in text.lines().filter_map(|line| line.split_once(':')) {
                // How long it takes is each machine's own.
                let facts = facts.split(',').filter(|fact| !fact.starts_with("usec"));
                let facts = facts
                    .map(|fact| if fact.starts_with('p') { fact.split('=').next().unwrap() } else { fact });
                lines.insert(name.to_owned(), facts.collect::<Vec<_>>().join(","));
            }
        }
        format!("{lines:#?}")
    });
}

/// The numbers of what SLOWLOG has, from the newest.
fn numbers(reply: &[u8]) -> Vec<i64> {
    let Value::Many(_, entries) = parse(reply) else { panic!("no list") };
    let number = |entry| match entry {
        Value::Many(_, parts) => match &parts[0] {
            Value::One(b':', number) => std::str::from_utf8(number).unwrap().parse().unwrap(),
            one => panic!("{one:?}"),
        },
        one => panic!("{one:?}"),
    };
    entries.into_iter().map(number).collect()
}

#[test]
fn so_many_slow_commands_are_kept_as_redis_keeps() {
    each_server(|ask| {
        ask(&words!["CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "3"]);
        ask(&words!["SLOWLOG", "RESET"]);
        let mut told = String::new();
        let mut first = None;
        for line in [
            "PING",
            "PING",
            "PING",
            "PING",
            "PING",
            "SLOWLOG RESET",
            "PING",
            "PING",
            "PING",
            // What is too much goes with the next one.
            "CONFIG SET slowlog-max-len 1",
            "SLOWLOG LEN",
            "PING",
            "CONFIG SET slowlog-max-len 0",
            "PING",
            "CONFIG SET slowlog-max-len 2",
            "PING",
        ] {
            ask(&line.split(' ').map(|word| word.as_bytes().to_vec()).collect());
            let count = ask(&words!["SLOWLOG", "LEN"]);
            // They count on, also over a RESET; what came before differs.
            let numbers = numbers(&ask(&words!["SLOWLOG", "GET", "-1"]));
            first = first.or(numbers.last().copied());
            let numbers = numbers.iter().map(|number| number - first.unwrap_or(0)).collect::<Vec<_>>();
            told.push_str(&format!("{line}: {} {numbers:?}\n", count.escape_ascii()));
        }
        ask(&words!["CONFIG", "SET", "slowlog-log-slower-than", "10000", "slowlog-max-len", "128"]);
        told
    });
}

#[test]
fn histograms_are_of_the_commands_that_are_named_and_of_all_behind_them() {
    each_server(|ask| {
        count_all(ask);
        ask(&words!["GETEX", "x"]);
        let mut told = String::new();
        for names in [&["config"][..], &["get"], &["CONFIG|get", "nope", "Set"], &["blpop"], &["nope"]] {
            let words = [words!["LATENCY", "HISTOGRAM"], names.iter().map(super::word).collect()].concat();
            let Value::Many(_, parts) = parse(&ask(&words)) else { panic!("no list") };
            let each = parts.chunks(2).map(|pair| {
                let Value::Many(_, facts) = &pair[1] else { panic!("{pair:?}") };
                format!("{:?} {:?}", pair[0], &facts[..2])
            });
            let mut each: Vec<_> = each.collect();
            each.sort();
            told.push_str(&format!("{names:?}: {each:#?}\n"));
        }
        told
    });
}

#[test]
fn percentiles_are_those_that_are_asked_for() {
    each_server(|ask| {
        let mut told = String::new();
        for percentiles in ["50 99 99.9", "0 33.3333 100", "7.50 99.0", ""] {
            ask(&words!["CONFIG", "SET", "latency-tracking-info-percentiles", percentiles]);
            ask(&words!["CONFIG", "RESETSTAT"]);
            ask(&words!["PING"]);
            let Value::One(_, text) = parse(&ask(&words!["INFO", "latencystats"])) else { panic!("no text") };
            let text = String::from_utf8(text).unwrap();
            let line = text.lines().find(|line| line.starts_with("latency_percentiles_usec_ping"));
            let facts =
                line.unwrap_or_default().split([':', ',']).map(|fact| fact.split('=').next().unwrap());
            told.push_str(&format!("{percentiles}: {:?}\n", facts.collect::<Vec<_>>()));
        }
        ask(&words!["CONFIG", "SET", "latency-tracking-info-percentiles", "50 99 99.9"]);
        told
    });
}

/// A session on a clock of its own, where a command that is called slow takes that long.
fn slow(millis: u64) -> (ManualClock, Store) {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let fault = store.fault(Fault::takes(Duration::from_millis(millis)).on("GET"));
    // It holds as long as the store does.
    std::mem::forget(fault);
    (clock, store)
}

#[test]
fn a_fault_s_delay_is_what_a_command_takes() {
    let (clock, store) = slow(25);
    let mut session = store.session();
    session.call(["CLIENT", "SETNAME", "ann"]);
    session.call(["CONFIG", "SET", "latency-monitor-threshold", "25"]);
    session.call(["SET", "a", "1"]);
    session.call(["GET", "a"]);
    clock.advance(Duration::from_secs(5));
    session.call(["GET", "a"]);

    let entry = |id: i64, at: i64| {
        let words = Reply::Array(["GET", "a"].map(|word| Reply::Bulk(word.into())).to_vec());
        let (from, name) = (Reply::Bulk("?:0".into()), Reply::Bulk("ann".into()));
        let [id, at, took] = [id, at, 25_000].map(Reply::Integer);
        Reply::Array(vec![id, at, took, words, from, name])
    };
    let start = 946_684_800;
    assert_eq!(session.call(["SLOWLOG", "GET"]), Reply::Array(vec![entry(1, start + 5), entry(0, start)]));
    assert_eq!(session.call(["SLOWLOG", "GET", "1"]), Reply::Array(vec![entry(1, start + 5)]));
    assert_eq!(session.call(["SLOWLOG", "LEN"]), Reply::Integer(2));
    assert_eq!(session.call(["SLOWLOG", "RESET"]), Reply::OK);
    assert_eq!(session.call(["SLOWLOG", "LEN"]), Reply::Integer(0));

    let numbers = |numbers: &[i64]| numbers.iter().copied().map(Reply::Integer).collect::<Vec<_>>();
    let event = Reply::Bulk("fast-command".into());
    let latest = [vec![event.clone()], numbers(&[start + 5, 25, 25])].concat();
    assert_eq!(session.call(["LATENCY", "LATEST"]), Reply::Array(vec![Reply::Array(latest)]));
    let mut valkey = store.session().compat(Compat::Valkey9);
    let latest = [vec![event], numbers(&[start + 5, 25, 25, 50, 2])].concat();
    assert_eq!(valkey.call(["LATENCY", "LATEST"]), Reply::Array(vec![Reply::Array(latest)]));
    let samples = [numbers(&[start, 25]), numbers(&[start + 5, 25])].map(Reply::Array);
    assert_eq!(session.call(["LATENCY", "HISTORY", "Fast-Command"]), Reply::Array(samples.to_vec()));
    let line = "-".repeat(80);
    let graph = format!(
        "fast-command - high 25 ms, low 25 ms (all time high 25 ms)\n{line}\n  \n  \n  \n__\n  \n50\nss\n"
    );
    assert_eq!(session.call(["LATENCY", "GRAPH", "fast-command"]), Reply::Verbatim("txt", graph.into()));
    assert_eq!(session.call(["LATENCY", "RESET", "command", "what"]), Reply::Integer(0));
    assert_eq!(session.call(["LATENCY", "RESET"]), Reply::Integer(1));

    let levels = Reply::Map(vec![(Reply::Integer(33_816), Reply::Integer(2))]);
    let facts =
        [(Reply::Bulk("calls".into()), Reply::Integer(2)), (Reply::Bulk("histogram_usec".into()), levels)];
    let told = Reply::Map(vec![(Reply::Bulk("get".into()), Reply::Map(facts.to_vec()))]);
    assert_eq!(session.call(["LATENCY", "HISTOGRAM", "GET", "what"]), told);
    let Reply::Verbatim(_, text) = session.call(["INFO", "all"]) else { panic!("no text") };
    let text = String::from_utf8_lossy(&text).into_owned();
    for line in [
        "cmdstat_get:calls=2,usec=50000,usec_per_call=25000.00,rejected_calls=0,failed_calls=0",
        "cmdstat_set:calls=1,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=0",
        "latency_percentiles_usec_get:p50=25034.751,p99=25034.751,p99.9=25034.751",
    ] {
        assert!(text.contains(line), "{line} is not in {text}");
    }
    session.call(["CONFIG", "RESETSTAT"]);
    assert_eq!(session.call(["LATENCY", "HISTOGRAM", "get"]), Reply::Map(Vec::new()));
}

#[test]
fn nothing_is_timed_if_nobody_wants_to_know() {
    let (_, store) = slow(25);
    let mut session = store.session();
    session.call(["CONFIG", "SET", "slowlog-log-slower-than", "-1", "latency-tracking", "no"]);
    session.call(["GET", "a"]);
    assert_eq!(session.call(["SLOWLOG", "LEN"]), Reply::Integer(0));
    let Reply::Verbatim(_, text) = session.call(["INFO", "commandstats"]) else { panic!("no text") };
    assert!(String::from_utf8_lossy(&text).contains("cmdstat_get:calls=1,usec=0,"), "it is counted");
    assert_eq!(session.call(["LATENCY", "HISTOGRAM"]), Reply::Map(Vec::new()));
}

#[test]
fn what_sessions_did_that_are_gone_counts() {
    let store = Store::new();
    for _ in 0..3 {
        let mut session = store.session();
        (0..20).for_each(|_| _ = session.call(["PING"]));
    }
    let Reply::Verbatim(_, text) = store.session().call(["INFO", "commandstats"]) else { panic!("no text") };
    assert!(String::from_utf8_lossy(&text).contains("cmdstat_ping:calls=60,"));
}

#[cfg(feature = "server")]
#[test]
fn large_requests_and_replies_are_written_down_as_in_valkey() {
    let ask = |client: &mut Redis| {
        let ask = |client: &mut Redis, words: Words| client.ask(&words);
        ask(client, words!["CONFIG", "SET", "commandlog-request-larger-than", "100"]);
        ask(client, words!["CONFIG", "SET", "commandlog-reply-larger-than", "50"]);
        ask(client, words!["COMMANDLOG", "RESET", "large-request"]);
        ask(client, words!["COMMANDLOG", "RESET", "large-reply"]);
        ask(client, words!["SET", "a", "x".repeat(74)]);
        ask(client, words!["SET", "a", "x".repeat(73)]);
        ask(client, words!["SET", "b", "x".repeat(72)]);
        ask(client, words!["GET", "a"]);
        ask(client, words!["SET", "b", "x".repeat(44)]);
        ask(client, words!["GET", "b"]);
        ask(client, words!["SET", "b", "x".repeat(43)]);
        ask(client, words!["GET", "b"]);
        ask(client, words!["COMMANDLOG", "RESET", "slow"]);
        let told = ["large-request", "large-reply"].map(|kind| {
            let Value::Many(_, entries) = parse(&client.ask(&words!["COMMANDLOG", "GET", "-1", kind])) else {
                panic!("no list")
            };
            let of_each = entries.iter().map(|entry| match entry {
                Value::Many(_, parts) => format!("{:?} {:?}", parts[2], parts[3]),
                one => panic!("{one:?}"),
            });
            of_each.collect::<Vec<_>>()
        });
        // Each kind by itself.
        let mut counts = Vec::new();
        for kind in ["slow", "large-request", "large-reply"] {
            counts.push(client.ask(&words!["COMMANDLOG", "LEN", "large-request"]));
            counts.push(client.ask(&words!["COMMANDLOG", "LEN", "large-reply"]));
            ask(client, words!["COMMANDLOG", "RESET", kind]);
        }
        for name in ["request", "reply"] {
            ask(client, words!["CONFIG", "SET", format!("commandlog-{name}-larger-than"), "1048576"]);
        }
        (told, counts)
    };
    let store = Store::new();
    let larder = larder::Server::builder().compat(Compat::Valkey9).start(&store).unwrap();
    let ours = ask(&mut Redis::connect(larder.port(), Protocol::Resp2));
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        if redis.compat == Compat::Valkey9 {
            assert_eq!(ours, ask(&mut redis));
        }
    }
    // Those that ask for the logs have large replies, too.
    assert_eq!(ours.0.map(|entries| entries.len()), [2, 4]);
}
