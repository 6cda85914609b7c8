//! Faults beside a clock that is moved, with closures that do more than look, and with counts that make no sense.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use larder::testing::Fault;
use larder::{ErrorReply, ManualClock, Reply, Store};

use super::helpers::{ask, panic_of};
use crate::server::Client;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn a_clock_knows_of_a_delay_when_the_hit_is_told() {
    for _ in 0..100 {
        let clock = ManualClock::new();
        let store = Store::builder().clock(&clock).build();
        store.insert_ex("later", 1, SECOND * 60).unwrap();
        let before = store.fault(Fault::delay(SECOND * 3).on("SET"));
        let behind = store.fault(Fault::delay_reply(SECOND * 2).on("GET"));
        let mut session = store.session();
        let asked = thread::spawn(move || [session.call(["SET", "a", "1"]), session.call(["GET", "a"])]);
        let step = || clock.advance_to_next_deadline(&store).unwrap();
        before.wait_for_hits(1);
        assert_eq!(step(), Some(SECOND * 3));
        behind.wait_for_hits(1);
        assert_eq!(step(), Some(SECOND * 2));
        assert_eq!(asked.join().unwrap(), [Reply::OK, Reply::Bulk("1".into())]);
    }
}

#[test]
fn a_delay_ends_by_itself_where_the_clock_goes() {
    let store = Store::builder().clock(ManualClock::running()).build();
    let _fault = store.fault(Fault::delay(SECOND / 100).on("GET"));
    let _behind = store.fault(Fault::delay_reply(SECOND / 100).on("GET"));
    assert_eq!(ask(&mut store.session(), "GET a"), "nil");
}

#[test]
fn a_closure_may_ask_the_store_and_drop_the_server() {
    let store = Store::new();
    let _fault = store.fault(Fault::busy().on(["GET", "SET"]).when({
        let store = store.clone();
        move |_| store.session().call(["GET", "is slow"]) != Reply::Nil
    }));
    assert_eq!(ask(&mut store.session(), "SET a 1"), "OK");
    ask(&mut store.session(), "LPUSH other 1");
    store.insert("is slow", "yes").unwrap();
    assert!(ask(&mut store.session(), "GET a").starts_with("BUSY"));

    let server = Arc::new(Mutex::new(Some(Store::new().serve().unwrap())));
    let (addr, served) = server.lock().unwrap().as_ref().map(|on| (on.addr(), on.store().clone())).unwrap();
    let _fault = served.fault(Fault::busy().on("GET").when(move |_| {
        drop(server.lock().unwrap().take());
        false
    }));
    let mut client = Client::connect(addr);
    assert_eq!(client.ask("GET a"), "$-1");
    assert!(client.is_closed());
    // Others go on.
    let server = Store::new().serve().unwrap();
    assert_eq!(Client::connect(server.addr()).ask("PING"), "+PONG");
}

#[test]
fn what_can_never_strike_is_refused() {
    let told = |fault: fn() -> Fault| panic_of(|| drop(fault()));
    assert_eq!(told(|| Fault::busy().chance(50.0)), "50 is not from 0 to 1");
    assert_eq!(told(|| Fault::busy().chance(-0.1)), "-0.1 is not from 0 to 1");
    assert_eq!(told(|| Fault::busy().chance(f64::NAN)), "NaN is not from 0 to 1");
    assert_eq!(told(|| Fault::busy().nth(0)), "the first is 1");
    assert_eq!(told(|| Fault::busy().every(0)), "each is 1");
}

#[test]
fn a_client_that_hangs_can_be_killed() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let mut client = Client::connect(server.addr());
    let id = client.ask("CLIENT ID")[1..].to_owned();
    let fault = store.fault(Fault::hang().on("GET"));
    client.send("GET a\r\n");
    fault.wait_for_hits(1);
    assert_eq!(store.session().call(["CLIENT", "KILL", "ID", &id]), Reply::Integer(1));
    assert!(client.is_closed());
}

#[test]
fn a_thread_that_is_delayed_can_be_killed() {
    for fault in [|| Fault::delay(SECOND).on("GET"), || Fault::delay_reply(SECOND).on("GET")] {
        let clock = ManualClock::new();
        let store = Store::builder().clock(&clock).build();
        let fault = store.fault(fault());
        let mut session = store.session();
        let Reply::Integer(id) = session.call(["CLIENT", "ID"]) else { panic!("no id") };
        let asked = thread::spawn(move || session.call(["GET", "a"]));
        fault.wait_for_hits(1);
        let mut other = store.session();
        assert_eq!(other.call(["CLIENT", "KILL", "ID", &id.to_string()]), Reply::Integer(1));
        assert_eq!(asked.join().unwrap(), lost());
        assert_eq!(clock.advance_to_next_deadline(&store).unwrap(), None);
    }
}

fn lost() -> Reply {
    Reply::Error(ErrorReply::new("LOST the connection was closed"))
}

/// A delay, what closes the connection, and what comes of a reply.
type Case = (fn(Duration) -> Fault, fn() -> Fault, &'static [u8]);

/// What closes it and the time before that are two faults, and the time passes first.
#[test]
fn a_connection_is_lost_behind_a_delay() {
    let moves = |clock: &ManualClock, store: &Store| {
        assert_eq!(clock.advance_to_next_deadline(store).unwrap(), Some(SECOND));
    };
    let half = || Fault::half_reply(4);
    let cases: [Case; 5] = [
        (Fault::delay, Fault::close_before, b""),
        (Fault::delay, Fault::close_after, b""),
        (Fault::delay, half, b"$11\r"),
        (Fault::delay_reply, Fault::close_after, b""),
        (Fault::delay_reply, half, b"$11\r"),
    ];
    for (delay, loss, comes) in cases {
        let clock = ManualClock::new();
        let store = Store::builder().clock(&clock).build();
        let delay = store.fault(delay(SECOND).on("GET"));
        let _loss = store.fault(loss().on("GET"));
        store.insert("a", "long enough").unwrap();

        let mut session = store.session();
        let asked = thread::spawn(move || session.call(["GET", "a"]));
        delay.wait_for_hits(1);
        moves(&clock, &store);
        assert_eq!(asked.join().unwrap(), lost());

        let server = store.serve().unwrap();
        let mut stream = TcpStream::connect(server.addr()).unwrap();
        stream.write_all(b"GET a\r\n").unwrap();
        delay.wait_for_hits(2);
        moves(&clock, &store);
        let mut got = Vec::new();
        stream.read_to_end(&mut got).unwrap();
        assert_eq!(got, comes);
    }
}

/// Nor is a reply waited for that never comes.
#[test]
fn who_hangs_waits_for_no_delay() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let _delay = store.fault(Fault::delay_reply(SECOND).on("GET"));
    let _hang = store.fault(Fault::hang().on("GET"));
    let mut session = store.session();
    assert_eq!(session.call(["GET", "a"]), Reply::Error(ErrorReply::new("LOST there was no reply")));
    assert_eq!(clock.advance_to_next_deadline(&store).unwrap(), None);
}

/// However long it takes the client to read that much.
#[test]
fn half_a_reply_comes_whole() {
    const HALF: usize = 16 << 20;
    let store = Store::new();
    let server = store.serve().unwrap();
    store.insert("page", "x".repeat(2 * HALF)).unwrap();
    let fault = store.fault(Fault::half_reply(HALF).on("GET"));
    let mut stream = TcpStream::connect(server.addr()).unwrap();
    stream.write_all(b"GET page\r\n").unwrap();
    fault.wait_for_hits(1);
    (0..1_000).for_each(|_| thread::yield_now());
    let mut got = Vec::new();
    stream.read_to_end(&mut got).unwrap();
    assert_eq!(got.len(), HALF);
}
