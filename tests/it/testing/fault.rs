//! Faults: whom they strike, how often, and what the client sees of it.

use std::io::ErrorKind;
use std::thread;
use std::time::Duration;

use larder::testing::Fault;
use larder::{Compat, ManualClock, Reply, Server, Store};
use proptest::prelude::*;
use redis::{Commands, ConnectionLike, RedisError, RedisResult};

use super::helpers::{ask, panic_of};
use crate::server::Client;

const CLOSED: &str = "LOST the connection was closed";
const SILENT: &str = "LOST there was no reply";
/// redis-rs sends the second for `incr`.
const INCR: [&str; 2] = ["INCR", "INCRBY"];
const SECOND: Duration = Duration::from_secs(1);

fn is(error: &RedisError, kind: ErrorKind) -> bool {
    error.to_string() == kind.to_string()
}

fn loopback(server: &Server) -> redis::Connection {
    let client = redis::Client::open(server.url()).unwrap();
    client.get_connection().unwrap()
}

/// Whether a fault strikes this command.
fn strikes(fault: Fault, command: &str) -> bool {
    let store = Store::new();
    let guard = store.fault(fault);
    let mut session = store.session().compat(Compat::Redis72);
    ask(&mut session, command);
    guard.hits() == 1
}

#[test]
fn a_fault_strikes_whom_it_names() {
    let all = Fault::busy;
    for (fault, command, expected) in [
        (all(), "GET a", true),
        (all(), "NOSUCH a", true),
        (all(), "GET", true),
        (all().on("get"), "GET a", true),
        (all().on("GET"), "GETEX a", false),
        (all().on("NOSUCH"), "nosuch a", true),
        (all().on(["GET", "SET"]), "set a b", true),
        (all().on(vec!["GET", "SET"]), "DEL a", false),
        (all().on("CONFIG"), "CONFIG GET port", true),
        (all().on("config|get"), "CONFIG GET port", true),
        (all().on("CONFIG SET"), "CONFIG GET port", false),
        (all().on("@list"), "LPUSH a b", true),
        (all().on("@list"), "SADD a b", false),
        (all().on("@write"), "LPUSH a b", true),
        (all().on("@write"), "LLEN a", false),
        (all().on(["@list", "GET"]), "GET a", true),
        (all().key("user:*"), "GET user:1", true),
        (all().key("user:*"), "GET page:1", false),
        (all().key("user:*"), "MGET page:1 user:1", true),
        (all().key("user:*"), "SET page:1 user:1", false),
        (all().key("user:*"), "NOSUCH user:1", false),
        (all().key("user:*").key("page:*"), "GET page:1", true),
        (all().key("user:*"), "PING user:1", false),
        (all().on("GET").key("user:*"), "GETEX user:1", false),
        (all().client_id(1), "GET a", true),
        (all().client_id(2), "GET a", false),
        (all().client_name("work*"), "GET a", false),
        (all().client_addr("[?]:0"), "GET a", true),
        (all().client_addr("127.*"), "GET a", false),
        (all().when(|command| command.words().len() > 2), "SET a b", true),
        (all().when(|command| command.name() == "config|get"), "CONFIG SET port 1", false),
        (all().when(|command| command.keys() == ["a"] && command.db() == 0), "GET a", true),
    ] {
        let told = format!("{fault}");
        assert_eq!(strikes(fault, command), expected, "{told}: {command}");
    }
}

#[test]
fn a_client_is_known_by_its_number_name_and_address() {
    let store = Store::new();
    let mut sessions = [(); 3].map(|()| store.session());
    assert_eq!(ask(&mut sessions[1], "CLIENT SETNAME worker-1"), "OK");
    let _number = store.fault(Fault::error("ERR number").client_id(1));
    let _name = store.fault(Fault::error("ERR name").client_name("worker-*"));
    assert_eq!(sessions.each_mut().map(|session| ask(session, "GET a")), ["ERR number", "ERR name", "nil"]);

    let server = store.serve().unwrap();
    let mut client = Client::connect(server.addr());
    let _address = store.fault(Fault::error("ERR address").client_addr("127.0.0.1:*"));
    assert_eq!(client.ask("GET a"), "-ERR address");
    assert_eq!(ask(&mut sessions[2], "GET a"), "nil");
}

/// At which of ten calls a fault strikes.
fn struck(fault: Fault) -> String {
    let store = Store::new();
    let guard = store.fault(fault.on("GET"));
    let mut session = store.session();
    let pattern = (0..10).map(|_| {
        ask(&mut session, "SET a 1");
        if ask(&mut session, "GET a") == "1" { '.' } else { 'x' }
    });
    let pattern: String = pattern.collect();
    assert_eq!((guard.calls(), guard.hits()), (10, pattern.matches('x').count() as u64));
    pattern
}

#[test]
fn a_fault_strikes_as_often_as_it_says() {
    assert_eq!(struck(Fault::busy()), "xxxxxxxxxx");
    assert_eq!(struck(Fault::busy().once()), "x.........");
    assert_eq!(struck(Fault::busy().times(3)), "xxx.......");
    assert_eq!(struck(Fault::busy().nth(3)), "..x.......");
    assert_eq!(struck(Fault::busy().after(7)), ".......xxx");
    assert_eq!(struck(Fault::busy().every(3)), "..x..x..x.");
    assert_eq!(struck(Fault::busy().after(2).every(3).times(2)), "....x..x..");
    assert_eq!(struck(Fault::busy().chance(0.0)), "..........");
    assert_eq!(struck(Fault::busy().chance(1.0).times(2)), "xx........");
}

proptest! {
    #[test]
    fn counts_are_those_of_a_walk_over_the_calls(after in 0..12_u64, every in 1..5_u64, times in 0..6_u64) {
        let due = (1..=10_u64).filter(|call| *call > after && (call - after) % every == 0).take(times as usize);
        let mut expected = vec!['.'; 10];
        due.for_each(|call| expected[call as usize - 1] = 'x');
        let fault = Fault::busy().after(after).every(every).times(times);
        prop_assert_eq!(struck(fault), expected.into_iter().collect::<String>());
    }
}

#[test]
fn chance_repeats_with_the_seed() {
    let run = |seed| {
        let store = Store::builder().seed(seed).build();
        let fault = store.fault(Fault::busy().chance(0.25));
        let mut session = store.session();
        let pattern: String =
            (0..1_000).map(|_| ask(&mut session, "GET a").chars().next().unwrap()).collect();
        (pattern, fault.hits())
    };
    let (pattern, hits) = run(7);
    assert_eq!(run(7), (pattern.clone(), hits));
    assert_ne!(run(8).0, pattern);
    assert!((150..350).contains(&hits), "{hits}");
}

#[test]
fn several_faults_make_a_script() {
    let store = Store::new();
    let loading = store.fault(Fault::loading().on(INCR).times(2));
    let lost = store.fault(Fault::close_after().on(INCR).once());
    let full = store.fault(Fault::oom().on(INCR).nth(2));
    let mut asked = Vec::new();
    let mut session = store.session();
    for _ in 0..6 {
        let answer = ask(&mut session, "INCR a");
        if answer.starts_with("LOST") {
            session = store.session();
        }
        asked.push(answer.split(' ').next().unwrap().to_owned());
    }
    assert_eq!(asked, ["LOADING", "LOADING", "LOST", "2", "OOM", "3"]);
    // Who is behind another does not see what that one struck.
    assert_eq!([&loading, &lost, &full].map(|fault| (fault.calls(), fault.hits())), [(6, 2), (4, 1), (3, 1)]);
    drop(loading);
    let _again = store.fault(Fault::busy());
    assert!(ask(&mut session, "INCR a").starts_with("BUSY"));
}

#[test]
fn a_fault_is_over_with_its_guard_and_stays_with_its_store() {
    let (store, other) = (Store::new(), Store::new());
    let fault = store.fault(Fault::busy());
    assert!(ask(&mut store.clone().session(), "PING").starts_with("BUSY"));
    assert_eq!(ask(&mut other.session(), "PING"), "PONG");
    store.insert("a", 1).unwrap();
    assert_eq!(store.get("a").unwrap(), Some(1));
    drop(fault);
    assert_eq!(ask(&mut store.session(), "PING"), "PONG");
}

#[test]
fn errors_are_the_same_by_all_doors() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let (mut session, mut local) = (store.session(), store.redis_connection());
    let (mut remote, mut raw) = (loopback(&server), Client::connect(server.addr()));
    for (fault, text) in [
        (Fault::loading(), "LOADING Redis is loading the dataset in memory"),
        (Fault::readonly(), "READONLY You can't write against a read only replica."),
        (Fault::oom(), "OOM command not allowed when used memory > 'maxmemory'."),
        (Fault::noscript(), "NOSCRIPT No matching script. Please use EVAL."),
        (Fault::moved(3999, "127.0.0.1:6381"), "MOVED 3999 127.0.0.1:6381"),
        (Fault::ask(3999, server.addr()), &format!("ASK 3999 {}", server.addr())),
        (Fault::cluster_down(), "CLUSTERDOWN The cluster is down"),
        (
            Fault::master_down(),
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
        ),
        (Fault::no_auth(), "NOAUTH Authentication required."),
        (
            Fault::busy(),
            "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
        ),
        (Fault::error("MINE of my own"), "MINE of my own"),
    ] {
        let fault = store.fault(fault.on("SET"));
        assert_eq!(ask(&mut session, "SET a 1"), text);
        assert_eq!(raw.ask("SET a 1"), format!("-{text}"));
        let of_redis = |result: RedisResult<()>| {
            let error = result.unwrap_err();
            format!("{} {}", error.code().unwrap(), error.detail().unwrap())
        };
        assert_eq!(of_redis(local.set("a", 1)), text);
        assert_eq!(of_redis(remote.set("a", 1)), text);
        fault.assert_hits(4);
        assert!(!store.contains("a").unwrap());
    }
}

#[test]
fn a_transaction_that_meets_an_error_fails_as_a_server_has_it_fail() {
    let store = Store::new();
    let mut session = store.session();
    let queued = store.fault(Fault::oom().on("SET"));
    assert_eq!(ask(&mut session, "MULTI"), "OK");
    assert!(ask(&mut session, "SET a 1").starts_with("OOM"));
    assert_eq!(ask(&mut session, "INCR b"), "QUEUED");
    assert_eq!(ask(&mut session, "EXEC"), "EXECABORT Transaction discarded because of previous errors.");
    drop(queued);

    for (fault, answer) in [
        (
            Fault::loading(),
            "EXECABORT Transaction discarded because of: LOADING Redis is loading the dataset in memory",
        ),
        (Fault::moved(1, "b:1"), "MOVED 1 b:1"),
    ] {
        ask(&mut session, "MULTI");
        assert_eq!(ask(&mut session, "INCR a"), "QUEUED");
        let fault = store.fault(fault.on("EXEC"));
        assert_eq!(ask(&mut session, "EXEC"), answer);
        drop(fault);
        assert_eq!(ask(&mut session, "EXEC"), "ERR EXEC without MULTI");
    }

    // What EXEC carries out has been met when it was queued.
    ask(&mut session, "MULTI");
    ask(&mut session, "INCR a");
    let fault = store.fault(Fault::busy().on(INCR));
    assert_eq!(session.call(["EXEC"]), Reply::Array(vec![Reply::Integer(1)]));
    fault.assert_hits(0);
    assert!(!store.contains("b").unwrap());
}

#[test]
fn a_connection_is_closed_before_the_effect_or_after_it() {
    for (fault, effects) in [(Fault::close_before(), 0), (Fault::close_after(), 1), (Fault::half_reply(1), 1)]
    {
        let store = Store::new();
        let server = store.serve().unwrap();
        let hits = || store.get::<u64>("hits").unwrap().unwrap_or(0);
        let (mut session, mut local) = (store.session(), store.redis_connection());
        let (mut remote, mut raw) = (loopback(&server), Client::connect(server.addr()));
        let fault = store.fault(fault.on(INCR));

        assert_eq!(ask(&mut session, "INCR hits"), CLOSED);
        assert_eq!(hits(), effects);
        assert!(session.is_over());
        assert_eq!(ask(&mut session, "GET hits"), CLOSED);

        assert!(is(&local.incr::<_, _, u64>("hits", 1).unwrap_err(), ErrorKind::UnexpectedEof));
        assert_eq!(hits(), effects * 2);
        assert!(!local.is_open() && !local.check_connection());
        let gone = local.get::<_, u64>("hits").unwrap_err();
        assert!(gone.is_connection_dropped());
        assert!(is(&gone, ErrorKind::BrokenPipe), "{gone}");

        let dropped = remote.incr::<_, _, u64>("hits", 1).unwrap_err();
        assert!(dropped.is_connection_dropped(), "{dropped}");
        assert_eq!(hits(), effects * 3);
        // What came before it in a pipeline is answered, what comes behind it is not carried out.
        raw.send("SET a 1\r\nINCR hits\r\nSET b 1\r\n");
        assert_eq!(raw.line(), "+OK");
        assert!(!raw.line().contains("OK") && raw.is_closed());
        assert_eq!(hits(), effects * 4);
        assert!(!store.contains("b").unwrap());
        fault.assert_hits(4);
        drop(fault);
        assert_eq!(store.redis_connection().incr("hits", 1), Ok(effects * 4 + 1));
        assert_eq!(loopback(&server).incr("hits", 1), Ok(effects * 4 + 2));
    }
}

#[test]
fn half_a_reply_is_what_it_says() {
    let store = Store::new();
    store.insert("a", "hello").unwrap();
    let server = store.serve().unwrap();
    for (bytes, lines) in
        [(0, ["", ""]), (3, ["$5", ""]), (7, ["$5", "hel"]), (11, ["$5", "hello"]), (99, ["$5", "hello"])]
    {
        let _fault = store.fault(Fault::half_reply(bytes).on("GET"));
        let mut client = Client::connect(server.addr());
        assert_eq!(client.send("GET a\r\nGET a\r\n").line(), lines[0]);
        assert_eq!(client.line(), lines[1]);
        assert!(client.is_closed());
        // Without bytes: all of it, or nothing.
        let mut local = store.redis_connection();
        let got = local.get::<_, String>("a");
        match got {
            Ok(text) => assert!(text == "hello" && bytes >= 11),
            Err(error) => assert!(is(&error, ErrorKind::UnexpectedEof) && bytes < 11),
        }
        assert!(!local.is_open());
    }
}

#[test]
fn a_transaction_is_gone_with_its_connection() {
    let store = Store::new();
    let mut session = store.session();
    ask(&mut session, "WATCH a");
    ask(&mut session, "MULTI");
    let _fault = store.fault(Fault::close_after().on(INCR));
    assert_eq!(ask(&mut session, "INCR a"), CLOSED);
    assert_eq!(ask(&mut session, "EXEC"), CLOSED);
    assert!(!store.contains("a").unwrap());
    let clients = ask(&mut store.session(), "CLIENT LIST");
    assert!(!clients.contains("id=1 "), "{clients}");
}

#[test]
fn a_reply_is_dropped_and_the_next_one_comes() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let fault = store.fault(Fault::drop_reply().on(INCR).nth(1));
    let mut raw = Client::connect(server.addr());
    assert_eq!(raw.send("INCR a\r\nINCR a\r\n").line(), ":2");
    drop(fault);

    let fault = store.fault(Fault::drop_reply().on(INCR));
    let mut session = store.session();
    assert_eq!(ask(&mut session, "INCR a"), SILENT);
    assert_eq!(ask(&mut session, "GET a"), "3");
    let mut local = store.redis_connection();
    let late = local.incr::<_, _, u64>("a", 1).unwrap_err();
    assert!(late.is_timeout() && local.is_open());
    // The rest of a pipeline has been sent, and is carried out.
    let late = redis::pipe().incr("a", 1).set("b", 1).query::<()>(&mut local).unwrap_err();
    assert!(is(&late, ErrorKind::WouldBlock), "{late}");
    assert_eq!(local.get("b"), Ok(1));
    let mut remote = loopback(&server);
    remote.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    assert!(remote.incr::<_, _, u64>("a", 1).unwrap_err().is_timeout());
    // The client may have lost its patience before the server came to it.
    while store.get("a").unwrap() != Some(6) {
        thread::yield_now();
    }
    fault.assert_hits(4);
}

#[test]
fn who_hangs_says_nothing_any_more() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let fault = store.fault(Fault::hang().on(INCR));
    let mut session = store.session();
    assert_eq!([ask(&mut session, "INCR a"), ask(&mut session, "PING")], [SILENT, SILENT]);
    let mut local = store.redis_connection();
    assert!(local.incr::<_, _, u64>("a", 1).unwrap_err().is_timeout());
    assert!(local.set::<_, _, ()>("b", 1).unwrap_err().is_timeout() && local.is_open());
    let mut remote = loopback(&server);
    remote.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
    assert!(remote.incr::<_, _, u64>("a", 1).unwrap_err().is_timeout());

    let mut raw = Client::connect(server.addr());
    assert_eq!(raw.send("GET a\r\nINCR a\r\nSET b 1\r\n").line(), "$-1");
    fault.wait_for_hits(4);
    assert_eq!(Client::connect(server.addr()).ask("GET a"), "$-1");
    drop(fault);
    raw.send("SET b 1\r\n");
    assert_eq!(Client::connect(server.addr()).ask("GET b"), "$-1");
    // The connection is open until one of the two leaves.
    drop(remote);
    drop(server);
    assert!(raw.is_closed());
}

#[test]
fn new_clients_are_refused_and_old_ones_stay() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let (mut old, mut old_local) = (Client::connect(server.addr()), store.redis_connection());
    assert_eq!(old.ask("PING"), "+PONG");
    let down = store.fault(Fault::refuse_connections());
    let mut local = store.redis_connection();
    assert!(!local.is_open());
    for _ in 0..2 {
        let refused = local.set::<_, _, ()>("a", 1).unwrap_err();
        assert!(refused.is_connection_refusal());
    }
    assert_eq!(ask(&mut store.session(), "SET a 1"), "LOST the connection was refused");
    assert!(Client::connect(server.addr()).is_closed());
    let remote = redis::Client::open(server.url()).unwrap().get_connection();
    assert!(remote.and_then(|mut con| con.set::<_, _, ()>("a", 1)).unwrap_err().is_connection_dropped());
    assert_eq!(old.ask("GET a"), "$-1");
    assert_eq!(old_local.get("a"), Ok(None::<u64>));
    drop(down);
    assert_eq!(Client::connect(server.addr()).ask("GET a"), "$-1");

    let _first = store.fault(Fault::refuse_connections().once());
    assert!(store.redis_connection().get::<_, Option<u64>>("a").is_err());
    assert!(store.redis_connection().get::<_, Option<u64>>("a").is_ok());
}

#[test]
fn a_command_waits_for_the_store_s_clock() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let server = store.serve().unwrap();
    let fault = store.fault(Fault::delay(SECOND * 3).on(INCR));
    let mut raw = Client::connect(server.addr());
    raw.send("GET a\r\nINCR a\r\nGET a\r\n");
    // What came before it is answered.
    assert_eq!(raw.line(), "$-1");
    let (mut session, mut local) = (store.session(), store.redis_connection());
    let threads = [
        thread::spawn(move || ask(&mut session, "INCR a")),
        thread::spawn(move || local.incr::<_, _, u64>("a", 1).unwrap().to_string()),
    ];
    fault.wait_for_hits(3);
    clock.advance(Duration::from_millis(2_999));
    assert_eq!(store.get::<u64>("a").unwrap(), None);
    clock.advance(Duration::from_millis(1));
    let mut values: Vec<String> = threads.map(|thread| thread.join().unwrap()).into();
    values.push(raw.line()[1..].to_owned());
    values.sort();
    assert_eq!(values, ["1", "2", "3"]);
    assert!(raw.line().starts_with('$'));
}

#[test]
fn a_reply_waits_while_its_effect_is_there() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let server = store.serve().unwrap();
    let fault = store.fault(Fault::delay_reply(SECOND).on(INCR));
    let mut raw = Client::connect(server.addr());
    raw.send("INCR a\r\n");
    while !store.contains("a").unwrap() {
        thread::yield_now();
    }
    fault.assert_hits(1);
    clock.advance(SECOND);
    assert_eq!(raw.line(), ":1");
    let mut session = store.session();
    let asking = thread::spawn(move || ask(&mut session, "INCR a"));
    fault.wait_for_hits(2);
    while store.get::<u64>("a").unwrap() == Some(1) {
        thread::yield_now();
    }
    assert!(!asking.is_finished());
    clock.advance(SECOND);
    assert_eq!(asking.join().unwrap(), "2");
}

#[test]
fn delays_hold_no_thread_of_a_server_and_add_up() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let server = store.serve().unwrap();
    let slow = store.fault(Fault::delay(SECOND).on(INCR));
    let slower = store.fault(Fault::delay(SECOND).on(INCR));
    let pass_some_time = || {
        let mut client = Client::connect(server.addr());
        (0..200).for_each(|_| assert_eq!(client.ask("PING"), "+PONG"));
    };
    let error = store.fault(Fault::busy().on(INCR).nth(100));
    let mut clients: Vec<_> = (0..100).map(|_| Client::connect(server.addr())).collect();
    clients.iter_mut().for_each(|client| _ = client.send("INCR a\r\n"));
    slow.wait_for_hits(100);
    slower.wait_for_hits(100);
    error.wait_for_hits(1);
    // Who has left is served all the same.
    clients.truncate(50);
    pass_some_time();
    clock.advance(SECOND);
    pass_some_time();
    assert_eq!(store.get::<u64>("a").unwrap(), None);
    clock.advance(SECOND);
    while store.get::<u64>("a").unwrap() != Some(99) {
        thread::yield_now();
    }
    assert!(
        clients.iter_mut().map(Client::line).all(|line| line.starts_with(':') || line.starts_with("-BUSY"))
    );
}

#[test]
fn what_takes_time_moves_the_clock() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let server = store.serve().unwrap();
    let fault = store.fault(Fault::takes(SECOND * 10).on(INCR));
    let mut raw = Client::connect(server.addr());
    let start = clock.now();
    assert_eq!(raw.ask("SET lock mine EX 15"), "+OK");
    assert_eq!(raw.ask("INCR a"), ":1");
    assert_eq!(raw.ask("GET lock"), "$4");
    assert_eq!(raw.line(), "mine");
    assert_eq!(ask(&mut store.session(), "INCR a"), "2");
    assert_eq!(raw.ask("GET lock"), "$-1");
    assert_eq!(clock.now(), start + SECOND * 20);
    drop(fault);
    // By the system's clock it is a wait.
    let store = Store::new();
    let _fault = store.fault(Fault::takes(Duration::from_millis(5)));
    let start = std::time::Instant::now();
    assert_eq!(ask(&mut store.session(), "PING"), "PONG");
    // Its moments are whole milliseconds: the first of the five may have begun before.
    assert!(start.elapsed() >= Duration::from_millis(4));
}

#[test]
fn a_command_that_waits_for_a_key_loses_its_reply_when_it_has_one() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let _fault = store.fault(Fault::close_after().on("BLPOP"));
    let mut raw = Client::connect(server.addr());
    raw.send("BLPOP jobs 0\r\n");
    while store.waiting().unwrap() == 0 {
        thread::yield_now();
    }
    store.list::<String>("jobs").push_back("resize").unwrap();
    assert!(raw.is_closed());
    assert!(store.list::<String>("jobs").is_empty().unwrap());
    let mut local = store.redis_connection();
    store.list::<String>("jobs").push_back("resize").unwrap();
    assert!(local.blpop::<_, (String, String)>("jobs", 0.0).unwrap_err().is_connection_dropped());
}

#[test]
fn what_never_strikes_can_fail_the_test() {
    let store = Store::new();
    let vain = panic_of(|| {
        let _fault = store.fault(Fault::loading().on("GTE").key("user:*").must_strike());
        ask(&mut store.session(), "GET user:1");
    });
    assert_eq!(
        vain,
        "\"LOADING Redis is loading the dataset in memory on GTE key user:*\" never struck (0 calls matched)"
    );
    let fault = store.fault(Fault::close_after().on(["GET", "CONFIG GET", "@write"]).nth(2).must_strike());
    ask(&mut store.session(), "GET a");
    let miscounted = panic_of(|| fault.assert_hits(1));
    let told = "\"closing after on GET, CONFIG GET, @write, after 1 call, once\"";
    assert_eq!(miscounted, format!("{told} struck 0 times, not 1 (1 calls matched)"));
    ask(&mut store.session(), "GET a");

    // A test that fails already is not failed twice.
    let first = panic_of(|| {
        let _fault = store.fault(Fault::busy().on("NOSUCH").must_strike());
        panic!("the first");
    });
    assert_eq!(first, "the first");
    assert_eq!(panic_of(|| _ = Fault::busy().on("@lists")), "there is no category of commands @lists");
    let both = panic_of(|| drop(store.fault(Fault::refuse_connections().key("a"))));
    assert!(both.contains("who connects has sent no command yet"), "{both}");
}
