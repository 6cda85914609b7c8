//! How connections end: by the client, by its being idle, by there being too many, by a stop.

use std::future::Future;
use std::io::Read;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use larder::{Compat, ManualClock, Reply, Server, Shutdown, Store};

use crate::server::Client;
use crate::support::until;

const MINUTE: Duration = Duration::from_secs(60);
/// More than the system takes at once.
const MUCH: usize = 32 << 20;

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A store whose clients may be idle for a minute of its clock.
fn served() -> (ManualClock, Store, Server) {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let server = Server::builder().idle_timeout(MINUTE).start(&store).unwrap();
    (clock, store, server)
}

/// What waits to be taken by the clients of a store, in bytes.
fn untaken(store: &Store) -> u64 {
    let Reply::Verbatim(_, list) = store.session().call(["CLIENT", "LIST"]) else { panic!("no text") };
    let list = String::from_utf8(list.to_vec()).unwrap();
    list.split(' ').filter_map(|field| field.strip_prefix("obl=")?.parse::<u64>().ok()).sum()
}

/// A page may have a browser send a body to any port: it is not read on, whoever it is like.
#[test]
fn what_a_browser_sends_is_no_command() {
    for compat in [Compat::Redis70, Compat::Redis82, Compat::Valkey9] {
        let store = Store::new();
        let server = Server::builder().compat(compat).start(&store).unwrap();
        for request in [
            "POST / HTTP/1.1\r\nHost: 127.0.0.1:6379\r\n\r\nSET a 1\r\n",
            "GET / HTTP/1.1\r\nhost: 127.0.0.1\r\nAccept: */*\r\n\r\nSET a 1\r\n",
            "*1\r\n$4\r\npOsT\r\nSET a 1\r\n",
        ] {
            let mut client = Client::connect(server.addr());
            let mut told = String::new();
            let _ = client.send(request).0.read_to_string(&mut told);
            assert!(!told.contains("OK") && !told.to_lowercase().contains("'post'"), "{told}");
            assert!(!store.contains("a").unwrap());
        }
        assert_eq!(Client::connect(server.addr()).ask("SET host: post"), "+OK");
    }
}

#[test]
fn who_has_waited_is_not_idle() {
    let (clock, store, server) = served();
    let mut client = Client::connect(server.addr());
    for _ in 0..20 {
        client.send("BLPOP jobs 0\r\n");
        until("waiter", || store.waiting().unwrap() == 1);
        clock.advance(2 * MINUTE);
        store.list::<String>("jobs").push_back("x").unwrap();
        assert_eq!([(); 5].map(|()| client.line()), ["*2", "$4", "jobs", "$1", "x"]);
    }
    assert_eq!(client.ask("PING"), "+PONG");
    clock.advance(MINUTE);
    assert!(client.is_closed());
}

#[test]
fn who_does_not_read_is_idle() {
    let (clock, store, server) = served();
    store.insert("page", "x".repeat(MUCH)).unwrap();
    let mut client = Client::connect(server.addr());
    client.send("GET page\r\n");
    until("long reply", || untaken(&store) > 0);
    clock.advance(MINUTE / 2);
    assert_eq!(server.clients(), 1);
    until("its end", || {
        // The system may have taken a little more.
        clock.advance(MINUTE / 2);
        server.clients() == 0
    });
    // One that reads takes the time that it takes.
    let mut client = Client::connect(server.addr());
    client.send("GET page\r\n");
    until("long reply", || untaken(&store) > 0);
    let mut some = vec![0; MUCH / 2];
    clock.advance(MINUTE / 2);
    client.0.read_exact(&mut some).unwrap();
    until("more is taken", || client.0.get_ref().peek(&mut [0]).unwrap() > 0);
    clock.advance(MINUTE / 2);
    client.0.read_exact(&mut some).unwrap();
    // Its header has been read too.
    assert_eq!(client.line(), "x".repeat(11));
    assert_eq!(client.ask("PING"), "+PONG");
}

/// Stops a server whose client takes a page late: it gets that, and nothing more.
fn stop_over_a_page(store: &Store, greetings: usize, request: &str) {
    store.insert("page", "x".repeat(MUCH)).unwrap();
    let server = store.serve().unwrap();
    let mut client = Client::connect(server.addr());
    for _ in 0..greetings {
        assert_eq!(client.ask("PING"), "+PONG");
    }
    client.send(request);
    until("long reply", || untaken(store) > 0);
    let mut stopped = pin!(server.stop());
    assert!(poll_once(stopped.as_mut()).is_pending());
    // One who is served on is told nothing, and is not closed.
    client.0.get_ref().set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut told = Vec::new();
    client.0.read_to_end(&mut told).unwrap();
    assert_eq!(told.len(), MUCH + "$33554432\r\n\r\n".len());
    until("end", || poll_once(stopped.as_mut()).is_ready());
}

/// The reply to the command that is under way is the client's, if it takes it.
#[test]
fn a_stop_cuts_no_reply() {
    stop_over_a_page(&Store::new(), 0, "GET page\r\n");
}

/// What comes behind that reply is nobody's any more, however long the client has been there.
#[test]
fn a_stop_is_not_forgotten_over_a_reply_that_is_taken_late() {
    let store = Store::new();
    stop_over_a_page(&store, 20, "GET page\r\nINCR seen\r\n");
    assert_eq!(store.get::<i64>("seen").unwrap(), None);
}

#[test]
fn a_shutdown_has_its_turn_behind_a_reply_that_is_taken_late() {
    let store = Store::new();
    store.insert("page", "x".repeat(MUCH)).unwrap();
    let server = store.serve().unwrap();
    let mut client = Client::connect(server.addr());
    client.send("GET page\r\nSHUTDOWN NOSAVE\r\n");
    until("long reply", || untaken(&store) > 0);
    let mut told = vec![0; MUCH];
    client.0.read_exact(&mut told).unwrap();
    let mut asked = Box::pin(server.asked_to_shut_down());
    until("shutdown", || poll_once(asked.as_mut()) == Poll::Ready(Shutdown::NoSave));
}

/// However many come at once, as many as there may be are served, and none more.
#[test]
fn of_too_many_at_once_those_who_fit_are_served() {
    for _ in 0..10 {
        let store = Store::new();
        let server = Server::builder().max_clients(10).start(&store).unwrap();
        let (addr, mut clients) = (server.addr(), Vec::new());
        let asked: Vec<_> = (0..30)
            .map(|_| {
                thread::spawn(move || {
                    let mut client = Client::connect(addr);
                    (client.ask("PING"), client)
                })
            })
            .collect();
        for asked in asked {
            clients.push(asked.join().unwrap());
        }
        let count = |said: &str| clients.iter().filter(|(told, _)| told == said).count();
        assert_eq!((count("+PONG"), server.clients()), (10, 10));
        // Some may have been cut off while they said something.
        assert_eq!(count("-ERR max number of clients reached") + count(""), 20);
        let Reply::Verbatim(_, info) = store.session().call(["INFO", "stats"]) else { panic!("no text") };
        let info = String::from_utf8(info.to_vec()).unwrap();
        assert!(info.contains("\r\nrejected_connections:20\r\n"), "{info}");
    }
}

/// It would hold what the server has to save once more, and nobody could end it any more.
#[cfg(all(feature = "lua", feature = "testing"))]
#[tokio::test]
async fn no_script_begins_while_a_shutdown_saves() {
    use std::sync::{Arc, Mutex};

    use larder::SaveFile;

    use crate::support::Folder;

    let folder = Folder::new();
    let store = Store::new();
    let log = store.command_log();
    let late = Arc::new(Mutex::new(None::<Client>));
    let listener = {
        let late = Arc::clone(&late);
        move |_: Result<_, &_>| {
            late.lock()
                .unwrap()
                .as_mut()
                .unwrap()
                .send("EVAL \"redis.call('set', 'late', 1) while true do end\" 0\r\n");
            until("script to be asked for", || log.count("EVAL") == 1);
        }
    };
    let file = SaveFile::Rdb(folder.path().join("dump.rdb"));
    let server = Server::builder().save_to(file).save_listener(listener).start(&store).unwrap();
    *late.lock().unwrap() = Some(Client::connect(server.addr()));
    let mut client = Client::connect(server.addr());
    client.send("SHUTDOWN SAVE\r\n");
    assert_eq!(server.asked_to_shut_down().await, Shutdown::Save);
    server.stop().await;
    assert!(client.is_closed());
    assert!(!store.contains("late").unwrap());
}
