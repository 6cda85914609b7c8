//! Clients that are answered together: many that are ready at a time, and such as ask for several things at once.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;
#[cfg(unix)]
use std::time::Duration;

use larder::{Reply, Server, Store};

use crate::server::Client;
use crate::support::until;

/// So many are found by one look of each of the server's threads.
const CLIENTS: usize = 128;
const PAGE: &str = "a page that everybody wants";

fn connect(server: &Server) -> Vec<Client> {
    (0..CLIENTS).map(|_| Client::connect(server.addr())).collect()
}

/// Has all of them send something while the server is kept from answering, so that it finds them at a time.
fn send_together(store: &Store, clients: &mut [Client], request: impl Fn(usize) -> String) {
    store
        .transaction(["page"], |tx| {
            for (at, client) in clients.iter_mut().enumerate() {
                client.send(request(at));
            }
            tx.insert("page", PAGE)
        })
        .unwrap();
}

fn killed(store: &Store, id: &str) -> Reply {
    store.session().call(["CLIENT", "KILL", "ID", id])
}

#[test]
fn each_of_many_gets_its_own_reply() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let mut clients = connect(&server);
    for round in 0..20 {
        send_together(&store, &mut clients, |at| format!("GET page\r\nECHO {round}:{at}\r\n"));
        for (at, client) in clients.iter_mut().enumerate() {
            assert_eq!(
                [(); 3].map(|()| client.line()),
                ["$27", PAGE, &format!("${}", format!("{round}:{at}").len())]
            );
            assert_eq!(client.line(), format!("{round}:{at}"));
        }
        send_together(&store, &mut clients, |_| "STRLEN page\r\n".into());
        for client in &mut clients {
            assert_eq!(client.line(), ":27");
        }
    }
}

/// Who has sent more than is read at a time is answered again before it has been told.
#[test]
fn who_asks_for_much_is_answered_in_order() {
    const MUCH: usize = 20_000;
    let store = Store::new();
    let server = store.serve().unwrap();
    let mut client = Client::connect(server.addr());
    let mut sends = client.0.get_ref().try_clone().unwrap();
    let sent = thread::spawn(move || sends.write_all("INCR seen\r\n".repeat(MUCH).as_bytes()).unwrap());
    for at in 1..=MUCH {
        assert_eq!(client.line(), format!(":{at}"));
    }
    sent.join().unwrap();
}

/// Who says that there is no more to come is told what it has asked, and who says good-bye too.
#[test]
fn who_leaves_is_told_before() {
    for request in ["STRLEN page\r\n", "STRLEN page\r\nQUIT\r\n"] {
        let store = Store::new();
        let server = store.serve().unwrap();
        let mut clients = connect(&server);
        store
            .transaction(["page"], |tx| {
                for client in &mut clients {
                    client.send(request).0.get_ref().shutdown(Shutdown::Write).unwrap();
                }
                tx.insert("page", PAGE)
            })
            .unwrap();
        for client in &mut clients {
            let mut told = String::new();
            client.0.read_to_string(&mut told).unwrap();
            assert_eq!(told, if request.contains("QUIT") { ":27\r\n+OK\r\n" } else { ":27\r\n" });
        }
        until("their end", || server.clients() == 0);
    }
}

/// The messages come in their order too, before, between and behind the replies.
#[test]
fn messages_reach_those_who_are_being_answered() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let mut clients = connect(&server);
    for client in &mut clients {
        client.send("HELLO 3\r\nSUBSCRIBE news\r\nECHO ready\r\n");
        let mut line = String::from("greeting");
        while line != "ready" {
            assert_ne!(line, "", "the connection is closed");
            line = client.line();
        }
    }
    for round in 0..10 {
        send_together(&store, &mut clients, |at| {
            if at % 16 == 0 { format!("PUBLISH news {round}\r\n") } else { "STRLEN page\r\n".into() }
        });
        for (at, client) in clients.iter_mut().enumerate() {
            let (mut replies, mut messages) = (0, 0);
            while (replies, messages) != (1, CLIENTS / 16) {
                let line = client.line();
                if line == ">3" {
                    assert_eq!([(); 5].map(|()| client.line()), ["$7", "message", "$4", "news", "$1"]);
                    assert_eq!(client.line(), round.to_string());
                    messages += 1;
                } else {
                    assert_eq!(line, if at % 16 == 0 { ":128" } else { ":27" });
                    replies += 1;
                }
            }
        }
    }
}

/// Of a reply that is on its way when the server stops, or the client is killed, there is all or nothing.
#[test]
fn who_is_cut_off_meanwhile_gets_no_half_reply() {
    for kills in [false, true] {
        let store = Store::new();
        let server = store.serve().unwrap();
        let mut clients = connect(&server);
        let ids: Vec<String> =
            clients.iter_mut().map(|client| client.ask("CLIENT ID")[1..].to_owned()).collect();
        send_together(&store, &mut clients, |_| "GET page\r\n".into());
        if kills {
            assert!(ids.iter().all(|id| killed(&store, id) == Reply::Integer(1)));
        } else {
            drop(server);
        }
        for client in &mut clients {
            let mut told = Vec::new();
            // What it has sent and nobody read any more has the connection reset.
            let _ = client.0.read_to_end(&mut told);
            assert!(told.is_empty() || told == format!("$27\r\n{PAGE}\r\n").as_bytes(), "{told:?}");
        }
    }
}

/// What the system does not take at once of the replies to several requests comes as soon as it does.
#[test]
fn what_is_not_taken_at_once_comes_whole() {
    const SEVERAL: usize = 5;
    let (store, value) = (Store::new(), "x".repeat(3001));
    store.insert("page", &value).unwrap();
    let server = store.serve().unwrap();
    let replies = format!("$3001\r\n{value}\r\n").repeat(SEVERAL);
    let mut asked = 0;
    // The system takes some part of the last replies.
    for _ in 0..5 {
        let mut client = Client::connect(server.addr());
        let mut times = 0;
        while !is_waited_for(&store) {
            client.send("GET page\r\n".repeat(SEVERAL));
            (times, asked) = (times + 1, asked + SEVERAL);
            until("the answers", || answered(&store) == asked || is_waited_for(&store));
        }
        let mut told = vec![0; replies.len() * times];
        client.0.read_exact(&mut told).unwrap();
        assert!(told == replies.repeat(times).as_bytes());
        assert_eq!(client.ask("PING"), "+PONG");
    }
}

/// The same where the client says nothing more, and nothing else happens.
#[test]
#[cfg(unix)]
fn what_is_not_taken_at_once_comes_to_who_is_silent() {
    use std::os::unix::net::UnixStream;
    const SEVERAL: usize = 8;
    let (store, value) = (Store::new(), "x".repeat(1000));
    store.insert("page", &value).unwrap();
    let path = std::env::temp_dir().join(format!("larder-{}-together.sock", std::process::id()));
    let _server = Server::builder().unix_socket(&path).no_tcp().start(&store).unwrap();
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let (requests, replies) =
        ("GET page\r\n".repeat(SEVERAL), format!("$1000\r\n{value}\r\n").repeat(SEVERAL));
    let mut asked = 0;
    // Of some number of times the last is the first that is too much.
    for times in 1..60 {
        for _ in 0..times {
            stream.write_all(requests.as_bytes()).unwrap();
            asked += SEVERAL;
            until("the answers", || answered(&store) == asked || is_waited_for(&store));
        }
        let mut told = vec![0; replies.len() * times];
        stream.read_exact(&mut told).unwrap();
        assert!(told == replies.repeat(times).as_bytes(), "{times}");
    }
}

/// How many GETs have been answered.
fn answered(store: &Store) -> usize {
    let Reply::Verbatim(_, info) = store.session().call(["INFO", "commandstats"]) else { panic!("no text") };
    let info = String::from_utf8(info.to_vec()).unwrap();
    let calls = info.split("cmdstat_get:calls=").nth(1).and_then(|rest| rest.split(',').next());
    calls.map_or(0, |calls| calls.parse().unwrap())
}

/// Whether something waits to be taken by a client.
fn is_waited_for(store: &Store) -> bool {
    let Reply::Verbatim(_, list) = store.session().call(["CLIENT", "LIST"]) else { panic!("no text") };
    let list = String::from_utf8(list.to_vec()).unwrap();
    list.split(' ').any(|field| field.strip_prefix("obl=").is_some_and(|bytes| bytes != "0"))
}
