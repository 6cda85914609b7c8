//! Clients that do not take their replies: for now, or never.

use std::future::Future;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use larder::{ManualClock, Reply, Server, Store};

use crate::server::Client;
use crate::support::until;

/// Nothing takes longer that is not stuck.
const LIMIT: Duration = Duration::from_secs(60);
/// A long name, so that many requests are more than the system's buffers take.
const NAME: &str = "the page that everybody wants, in the words of somebody who has much time and nothing else to say about it at all";
const PAGE: usize = 1 << 10;

fn store_with_page(clock: &ManualClock) -> Store {
    let store = Store::builder().clock(clock).build();
    store.insert(NAME, "x".repeat(PAGE)).unwrap();
    store
}

fn requests(count: usize) -> Vec<u8> {
    format!("*2\r\n$3\r\nGET\r\n${}\r\n{NAME}\r\n", NAME.len()).repeat(count).into_bytes()
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.addr()).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Reads the answers to so many requests, each of which is right.
fn read_answers(stream: &mut impl Read, count: usize) {
    let reply = [b"$1024\r\n", "x".repeat(PAGE).as_bytes(), b"\r\n"].concat();
    let some = reply.repeat(100);
    let mut got = vec![0; some.len()];
    for at in 0..count / 100 {
        stream.read_exact(&mut got).unwrap();
        assert!(got == some, "the {at}th hundred of answers");
    }
}

/// A field of the line that CLIENT LIST has of the only client that has asked for something.
fn field(store: &Store, name: &str) -> Option<u64> {
    let Reply::Verbatim(_, list) = store.session().call(["CLIENT", "LIST"]) else { panic!("no text") };
    let list = String::from_utf8(list.to_vec()).unwrap();
    let line = list.lines().find(|line| line.contains("cmd=get ") || line.contains("cmd=ping "))?;
    let value = line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.parse().unwrap())
}

/// A client that has sent so many requests, and takes no reply to any.
fn deaf(server: &Server, store: &Store) -> TcpStream {
    let mut stream = connect(server);
    stream.write_all(&requests(100_000)).unwrap();
    until("its requests are taken", || field(store, "qbuf").is_some_and(|bytes| bytes > 500_000));
    stream
}

#[test]
fn who_writes_all_before_it_reads_gets_all_answers() {
    let store = store_with_page(&ManualClock::new());
    let server = store.serve().unwrap();
    let mut stream = connect(&server);
    stream.write_all(&requests(100_000)).unwrap();
    read_answers(&mut stream, 100_000);
    until("nothing is left", || field(&store, "qbuf") == Some(0));
    drop(stream);
    // One that says that there is no more to come is answered all the same.
    let mut stream = deaf(&server, &store);
    stream.shutdown(Shutdown::Write).unwrap();
    read_answers(&mut stream, 100_000);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
}

#[test]
#[cfg(unix)]
fn so_it_does_through_a_unix_socket() {
    let store = store_with_page(&ManualClock::new());
    let path = std::env::temp_dir().join(format!("larder-{}-slow.sock", std::process::id()));
    let _server = Server::builder().unix_socket(&path).no_tcp().start(&store).unwrap();
    let mut stream = std::os::unix::net::UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream.write_all(&requests(100_000)).unwrap();
    read_answers(&mut stream, 100_000);
}

#[test]
fn what_is_taken_ahead_is_within_the_limit_of_requests() {
    let store = store_with_page(&ManualClock::new());
    let server = store.serve().unwrap();
    store.session().call(["CONFIG", "SET", "client-query-buffer-limit", "1mb"]);
    let mut stream = connect(&server);
    let mut writing = stream.try_clone().unwrap();
    let writer = thread::spawn(move || writing.write_all(&requests(200_000)).unwrap());
    until("it is full", || field(&store, "qbuf").is_some_and(|bytes| bytes >= 1 << 20));
    let taken = field(&store, "qbuf").unwrap();
    assert!(taken < (1 << 20) + (16 << 10), "{taken}");
    read_answers(&mut stream, 200_000);
    writer.join().unwrap();
}

#[test]
fn of_who_has_not_said_who_it_is_little_is_taken_ahead() {
    let store = Store::new();
    let server = Server::builder().password("secret").start(&store).unwrap();
    let mut stream = connect(&server);
    stream.set_nonblocking(true).unwrap();
    let some = b"PING\r\n".repeat(1_000);
    let mut session = store.session();
    session.call(["AUTH", "secret"]);
    let mut taken = || {
        let Reply::Verbatim(_, list) = session.call(["CLIENT", "LIST"]) else { panic!("no text") };
        let list = String::from_utf8(list.to_vec()).unwrap();
        list.split(' ').filter_map(|field| field.strip_prefix("qbuf=")?.parse::<u64>().ok()).max().unwrap()
    };
    until("there is enough", || {
        let _ = stream.write(&some);
        taken() >= 64 << 10
    });
    // Then the system's buffers take some, and nothing more is.
    let mut refused = 0;
    while refused < 1_000 {
        assert!(taken() < 96 << 10, "{}", taken());
        refused = if stream.write(&some).is_ok() { 0 } else { refused + 1 };
    }
}

#[test]
fn who_takes_nothing_can_be_killed() {
    let store = store_with_page(&ManualClock::new());
    let server = store.serve().unwrap();
    let _deaf = deaf(&server, &store);
    let id = field(&store, "id").unwrap().to_string();
    assert_eq!(store.session().call(["CLIENT", "KILL", "ID", &id]), Reply::Integer(1));
    until("it is gone", || server.clients() == 0);
}

#[test]
fn who_takes_nothing_is_no_hindrance_to_a_stop() {
    let store = store_with_page(&ManualClock::new());
    let server = store.serve().unwrap();
    let _deaf = deaf(&server, &store);
    let mut stop = pin!(server.stop());
    until("it stops", || {
        matches!(stop.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
    });
}

#[test]
fn nor_is_who_never_pauses() {
    let store = store_with_page(&ManualClock::new());
    let server = store.serve().unwrap();
    let mut reading = connect(&server);
    let mut writing = reading.try_clone().unwrap();
    let some = b"PING\r\n".repeat(1_000);
    let writer = thread::spawn(move || while writing.write_all(&some).is_ok() {});
    let reader = thread::spawn(move || while matches!(reading.read(&mut [0; 1 << 16]), Ok(1..)) {});
    until("it is busy", || field(&store, "tot-net-in").is_some_and(|bytes| bytes > 1 << 20));
    let mut stop = pin!(server.stop());
    until("it stops", || {
        matches!(stop.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(_))
    });
    writer.join().unwrap();
    reader.join().unwrap();
}

#[test]
fn a_limit_that_is_set_reaches_who_takes_nothing_already() {
    let clock = ManualClock::new();
    let store = store_with_page(&clock);
    let server = store.serve().unwrap();
    let _deaf = deaf(&server, &store);
    let mut listener = Client::connect(server.addr());
    assert_eq!(listener.ask("SUBSCRIBE pages"), "*3");
    clock.advance(Duration::from_secs(3600));
    assert_eq!(server.clients(), 2);

    store.session().call(["CONFIG", "SET", "client-output-buffer-limit", "normal 0 16kb 10"]);
    until("the first is gone", || {
        clock.advance(Duration::from_secs(1));
        server.clients() == 1
    });

    // What the system holds for it is no concern of the limit, and it hears nothing more.
    let page = "x".repeat(1 << 20);
    for _ in 0..30 {
        store.publish("pages", page.as_str()).unwrap();
    }
    store.session().call(["CONFIG", "SET", "client-output-buffer-limit", "pubsub 4mb 0 0"]);
    until("the second is gone", || server.clients() == 0);
}

#[test]
fn a_reply_that_is_too_long_is_not_made() {
    let store = store_with_page(&ManualClock::new());
    let server = store.serve().unwrap();
    store.session().call(["CONFIG", "SET", "client-output-buffer-limit", "normal 256kb 0 0"]);
    store.insert("page", "x".repeat(PAGE)).unwrap();
    store.session().call(["SADD", "few", "a", "b", "c"]);
    store.session().call(["HSET", "fields", "a", "1"]);
    store.session().call(["ZADD", "board", "1", "a"]);
    let mut client = Client::connect(server.addr());
    let names = |count| format!("MGET {}", "page ".repeat(count));
    assert_eq!(client.ask(&names(200)), "*200");
    (0..400).for_each(|_| _ = client.line());

    // More than could be told is refused before it is drawn; what can be is told.
    const TOO_MANY: &str = "-ERR value is out of range";
    for command in
        ["SRANDMEMBER few -100000000", "HRANDFIELD fields -50000", "ZRANDMEMBER board -40000 WITHSCORES"]
    {
        assert_eq!(client.ask(command), TOO_MANY, "{command}");
    }
    assert_eq!(client.ask("SRANDMEMBER nothing -100000000"), "*0");
    assert_eq!(client.ask("SRANDMEMBER few -30000"), "*30000");
    (0..60_000).for_each(|_| _ = client.line());
    // A script's calls are told to nobody.
    #[cfg(feature = "lua")]
    assert_eq!(client.ask("EVAL \"return #redis.call('SRANDMEMBER', 'few', -50000)\" 0"), ":50000");

    assert_eq!(client.send(names(300) + "\r\n").line(), "");
    assert!(client.is_closed());
}
