//! What commands cost by a clock that is moved by hand, so that it is the same on every machine: what counts as a command's
//! time, and what is slow then.

use std::time::Duration;

use larder::testing::Fault;
use larder::{Bytes, Compat, ManualClock, Reply, ServerConfig, Session, Store};

use crate::server::Client;
use crate::support::until;

/// So long that nobody waits for it in vain.
const LIMIT: Duration = Duration::from_secs(60);

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn store() -> (ManualClock, Store) {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    (clock, store)
}

fn line(session: &mut Session, section: &str, name: &str) -> String {
    let Reply::Verbatim(_, text) = session.call(["INFO", section]) else { panic!("no text") };
    let text = String::from_utf8(text.to_vec()).unwrap();
    text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned()
}

#[test]
fn what_passes_between_two_commands_is_no_part_of_either() {
    let (clock, store) = store();
    let server = store.serve().unwrap();
    let mut client = Client::connect(server.addr());
    for _ in 0..3 {
        assert_eq!(client.ask("PING"), "+PONG");
        clock.advance(millis(700));
    }
    let told = line(&mut store.session(), "commandstats", "cmdstat_ping:");
    assert!(told.starts_with("cmdstat_ping:calls=3,usec=0,"), "{told}");
    assert_eq!(store.session().call(["SLOWLOG", "LEN"]), Reply::Integer(0));
}

#[test]
fn to_sleep_takes_time_and_to_wait_does_not() {
    let (clock, store) = store();
    let mut config = ServerConfig::new(Compat::default());
    config.set("enable-debug-command", "yes").unwrap();
    let server = config.server().unwrap().start(&store).unwrap();
    let mut client = Client::connect(server.addr());
    for (command, reply) in [("DEBUG SLEEP 0.05", "+OK"), ("BLPOP none 0.05", "*-1")] {
        client.send(format!("{command}\r\n"));
        assert!(store.wait_for_blocked(1, LIMIT), "{command} does not wait");
        clock.advance(millis(50));
        assert_eq!(client.line(), reply);
    }
    let mut session = store.session();
    until("count", || line(&mut session, "commandstats", "cmdstat_blpop:").contains("calls=1,"));
    let told = ["debug", "blpop"].map(|name| line(&mut session, "commandstats", &format!("cmdstat_{name}:")));
    assert!(told[0].starts_with("cmdstat_debug:calls=1,usec=50000,"), "{told:?}");
    assert!(told[1].starts_with("cmdstat_blpop:calls=1,usec=0,"), "{told:?}");
    assert_eq!(session.call(["SLOWLOG", "LEN"]), Reply::Integer(1));
}

/// How many are in the log of what is slow, and whether there was a spike, after a GET of 20 ms with these settings.
fn told(slower_than: &str, threshold: &str) -> (Reply, bool) {
    let (_, store) = store();
    let _slow = store.fault(Fault::takes(millis(20)).on("GET"));
    let mut session = store.session();
    session.call(["CONFIG", "SET", "slowlog-log-slower-than", slower_than]);
    session.call(["CONFIG", "SET", "latency-monitor-threshold", threshold]);
    session.call(["GET", "a"]);
    let spikes = session.call(["LATENCY", "LATEST"]);
    (session.call(["SLOWLOG", "LEN"]), spikes != Reply::Array(Vec::new()))
}

#[test]
fn what_is_slow_and_what_is_a_spike_are_two_things() {
    let (none, one) = (Reply::Integer(0), Reply::Integer(1));
    assert_eq!(told("20000", "0"), (one.clone(), false));
    assert_eq!(told("20001", "0"), (none.clone(), false));
    assert_eq!(told("20001", "20"), (none.clone(), true));
    assert_eq!(told("1000000", "5"), (none.clone(), true));
    assert_eq!(told("-1", "5"), (none.clone(), true));
    assert_eq!(told("10000", "21"), (one, false));
    assert_eq!(told("-1", "0"), (none, false));
}

#[test]
fn a_graph_shows_which_were_the_longest() {
    let (clock, store) = store();
    let mut session = store.session();
    session.call(["CONFIG", "SET", "latency-monitor-threshold", "1"]);
    for time in [10, 120, 60, 80] {
        let slow = store.fault(Fault::takes(millis(time)).on("GET"));
        session.call(["GET", "a"]);
        drop(slow);
        clock.advance(Duration::from_secs(40));
    }
    let head = "fast-command - high 120 ms, low 10 ms (all time high 120 ms)";
    let bars = [" #  ", " | o", " |#|", "_|||"];
    let Reply::Verbatim("txt", text) = session.call(["LATENCY", "GRAPH", "fast-command"]) else {
        panic!("no graph")
    };
    let text = String::from_utf8(text.to_vec()).unwrap();
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], head);
    assert_eq!(lines[2..6], bars);
}

#[cfg(feature = "lua")]
#[test]
fn codes_of_errors_do_not_pile_up() {
    let mut session = Store::new().session();
    for at in 0..300 {
        let script = format!("return redis.error_reply('CODE{at} of the script')");
        session.call([Bytes::from("EVAL"), script.into(), "0".into()]);
    }
    let Reply::Verbatim(_, text) = session.call(["INFO", "errorstats"]) else { panic!("no text") };
    let count = String::from_utf8_lossy(&text).lines().filter(|line| line.starts_with("errorstat_")).count();
    assert_eq!(count, 128);
    // Those that are known count on.
    session.call(["EVAL", "return redis.error_reply('CODE7 again')", "0"]);
    assert_eq!(line(&mut session, "errorstats", "errorstat_CODE7:"), "errorstat_CODE7:count=2");
}
