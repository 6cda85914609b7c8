//! The log of commands: what stands in it, and what a failed assertion says.

use std::time::Duration;

use larder::testing::{Answered, Fault};
use larder::{ManualClock, Store};
use redis::Commands;

use super::helpers::{ask, panic_of};
use crate::server::Client;

#[test]
fn commands_stand_there_in_their_order_with_their_replies() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let mut session = store.session();
    ask(&mut session, "SET before 1");
    let log = store.command_log();
    ask(&mut session, "SET user:1 ann");
    clock.advance(Duration::from_millis(1_500));
    ask(&mut session, "SELECT 3");
    ask(&mut session, "get a");
    ask(&mut session, "NOSUCH x");
    ask(&mut session, "INCR hits");
    ask(&mut session, "KEYS *");
    assert_eq!(
        log.to_string(),
        "946684800.000000 [0 1] \"SET\" \"user:1\" \"ann\" -> OK\n\
         946684801.500000 [0 1] \"SELECT\" \"3\" -> OK\n\
         946684801.500000 [3 1] \"get\" \"a\" -> (nil)\n\
         946684801.500000 [3 1] \"NOSUCH\" \"x\" -> (error) ERR unknown command 'NOSUCH', with args beginning with: 'x' \n\
         946684801.500000 [3 1] \"INCR\" \"hits\" -> (integer) 1\n\
         946684801.500000 [3 1] \"KEYS\" \"*\" -> (1 item)\n"
    );
    assert_eq!(log.lines(), ["SET user:1 ann", "SELECT 3", "get a", "NOSUCH x", "INCR hits", "KEYS *"]);
    let commands = log.commands();
    assert_eq!((commands[2].db(), commands[2].client_id(), commands[2].at()), (3, 1, clock.now()));
    assert_eq!(commands[0].answered(), &Answered::Status("OK".into()));
    drop(log);
    let log = store.command_log();
    assert_eq!(log.to_string(), "");
    ask(&mut session, "PING");
    log.clear();
    assert_eq!((log.round_trips(), log.count("PING")), (0, 0));
}

#[test]
fn commands_are_counted_by_name_and_category() {
    let store = Store::new();
    let log = store.command_log();
    let mut session = store.session();
    for command in ["GET a", "get b", "CONFIG GET port", "CONFIG SET port 1", "LPUSH l a", "NOSUCH", "GET"] {
        ask(&mut session, command);
    }
    assert_eq!([log.count("GET"), log.count("config|get"), log.count("CONFIG")], [3, 1, 2]);
    assert_eq!([log.count("@write"), log.count("nosuch"), log.count(["GET", "LPUSH"])], [1, 1, 4]);
    log.assert_count("GET", 3);
    log.assert_never(["KEYS", "@stream"]);
    // Exact, however many are kept.
    for _ in 0..12_000 {
        session.call(["PING"]);
    }
    assert_eq!((log.count("GET"), log.count("PING"), log.commands().len()), (3, 12_000, 10_000));
}

#[test]
fn what_a_failed_assertion_says() {
    let store = Store::builder().clock(ManualClock::new()).build();
    let log = store.command_log();
    assert_eq!(
        panic_of(|| log.assert_count("GET", 1)),
        "GET has come 0 times, not 1; the last commands:\n    (none)"
    );
    let mut session = store.session();
    ask(&mut session, "GET user:1");
    ask(&mut session, "KEYS *");
    let end = "\n    946684800.000000 [0 1] \"GET\" \"user:1\" -> (nil)\
               \n    946684800.000000 [0 1] \"KEYS\" \"*\" -> (0 items)";
    assert_eq!(
        panic_of(|| log.assert_count("GET", 2)),
        format!("GET has come 1 time, not 2; the last commands:{end}")
    );
    assert_eq!(
        panic_of(|| log.assert_never("KEYS")),
        format!("KEYS has come 1 time:\n    KEYS *\n ; the last commands:{end}")
    );
    assert_eq!(
        panic_of(|| log.assert_round_trips(1)),
        format!(
            "2 round trips were made, not 1:\n    trip 1: GET user:1\n    trip 2: KEYS *\n ; the last commands:{end}"
        )
    );
    // The log goes on.
    ask(&mut session, "PING");
    log.assert_round_trips(3);
}

#[test]
fn a_pipeline_is_one_round_trip_by_each_door() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let mut remote = redis::Client::open(server.url()).unwrap().get_connection().unwrap();
    let (mut local, mut session) = (store.redis_connection(), store.session());
    let mut raw = Client::connect(server.addr());
    assert_eq!(raw.ask("PING"), "+PONG");
    let log = store.command_log();

    let pipe = redis::pipe().set("a", 1).ignore().incr("a", 1).incr("a", 1).to_owned();
    for trips in 1..=3 {
        let _: (u64, u64) = pipe.query(&mut local).unwrap();
        log.assert_round_trips(trips);
    }
    let _: u64 = local.get("a").unwrap();
    log.assert_round_trips(4);
    let _: (u64, u64) = pipe.clone().atomic().query(&mut local).unwrap();
    log.assert_round_trips(5);

    log.clear();
    let _: (u64, u64) = pipe.query(&mut remote).unwrap();
    let _: (u64, u64) = pipe.clone().atomic().query(&mut remote).unwrap();
    let _: u64 = remote.get("a").unwrap();
    log.assert_round_trips(3);
    log.assert_count("INCRBY", 4);

    log.clear();
    ask(&mut session, "GET a");
    ask(&mut session, "GET a");
    log.assert_round_trips(2);

    log.clear();
    assert_eq!(raw.send("PING\r\nPING\r\n").line(), "+PONG");
    assert_eq!(raw.line(), "+PONG");
    // One that arrives in two parts is one too.
    assert_eq!(raw.send("PING\r\n*1\r\n$4\r\nPI").line(), "+PONG");
    assert_eq!(raw.send("NG\r\n").line(), "+PONG");
    log.assert_round_trips(2);
    let trips: Vec<u64> = log.commands().iter().map(|command| command.round_trip()).collect();
    assert!(trips[0] == trips[1] && trips[1] < trips[2] && trips[2] == trips[3], "{trips:?}");
    // Two clients that take turns make a trip each.
    log.clear();
    let _: (u64, u64) = pipe.query(&mut local).unwrap();
    ask(&mut session, "GET a");
    log.assert_round_trips(2);
}

#[test]
fn what_faults_do_stands_there() {
    let store = Store::new();
    let log = store.command_log();
    let server = store.serve().unwrap();
    let _faults = [
        store.fault(Fault::loading().on("GET")),
        store.fault(Fault::close_before().on("SET")),
        store.fault(Fault::drop_reply().on("DEL")),
    ];
    let mut session = store.session();
    for command in ["GET a", "DEL a", "SET a 1", "PING"] {
        ask(&mut session, command);
    }
    assert!(Client::connect(server.addr()).send("SET a 1\r\n").is_closed());
    let shown: Vec<String> = log.commands().iter().map(|command| command.answered().to_string()).collect();
    // A connection that is closed sends nothing more.
    let loading = "(error) LOADING Redis is loading the dataset in memory";
    assert_eq!(shown, [loading, "(reply lost)", "(reply lost)", "(reply lost)"]);
}

#[test]
fn a_command_that_waits_is_there_before_its_reply() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let log = store.command_log();
    let mut client = Client::connect(server.addr());
    client.send("BLPOP jobs 0\r\n");
    while store.waiting().unwrap() == 0 {
        std::thread::yield_now();
    }
    assert_eq!(log.commands()[0].answered(), &Answered::Pending);
    store.list::<String>("jobs").push_back("resize").unwrap();
    assert_eq!(client.line(), "*2");
    assert_eq!(log.commands()[0].answered(), &Answered::Items(2));
}

#[test]
fn transactions_are_noted_as_they_were_sent() {
    let store = Store::new();
    let (log, other) = (store.command_log(), store.command_log());
    let mut session = store.session();
    for command in ["MULTI", "INCR a", "EXEC"] {
        ask(&mut session, command);
    }
    assert_eq!(log.lines(), ["MULTI", "INCR a", "EXEC"]);
    assert_eq!(log.commands()[1].answered(), &Answered::Status("QUEUED".into()));
    drop(log);
    ask(&mut session, "PING");
    other.assert_count("PING", 1);
}
