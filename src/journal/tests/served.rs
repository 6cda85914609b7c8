//! Clients of a server whose disk fails.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use super::*;
use crate::Server;
use crate::disk::simulated::Failure;

struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(server: &Server) -> Client {
        let stream = TcpStream::connect(server.addr()).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a time");
        Client(BufReader::new(stream))
    }

    /// The first line of the reply to a command; nothing if the connection was closed.
    fn ask(&mut self, command: &str) -> String {
        write!(self.0.get_mut(), "{command}\r\n").expect("it takes it");
        self.line()
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("text, or the end");
        line.trim_end().to_owned()
    }
}

/// A server over a store that is kept on this disk.
fn served() -> (Simulated, Store, Server) {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    let store = open_on(&disk, &clock).expect("nothing fails");
    let journal = store.space().journal().expect("it has one");
    journal.start(&Arc::downgrade(store.space())).expect("there is a thread");
    let server = store.serve().expect("it listens");
    (disk, store, server)
}

const REFUSED: &str = "-MISCONF Errors writing to the AOF file: cannot write";

#[test]
fn who_has_written_is_told_that_it_failed_and_who_reads_goes_on() {
    let (disk, _store, server) = served();
    let (mut writer, mut reader) = (Client::connect(&server), Client::connect(&server));
    assert_eq!(writer.ask("SET name ann"), "+OK");
    disk.fail_from(disk.steps(), Failure::Eio);
    let told = writer.ask("SET name bobby");
    assert!(told.starts_with(REFUSED), "{told:?}");
    assert_eq!(writer.line(), "", "what it was told before is not taken for a reply to what comes");
    for client in [&mut reader, &mut Client::connect(&server)] {
        assert_eq!(client.ask("GET name"), "$5");
        assert_eq!(client.line(), "bobby");
        let refused = client.ask("SET name cid");
        assert!(refused.starts_with(REFUSED), "{refused:?}");
        assert_eq!(client.ask("STRLEN name"), ":5");
    }
}

#[test]
fn who_waits_is_not_served_what_may_come_back() {
    let (disk, store, server) = served();
    let (mut writer, mut waits) = (Client::connect(&server), Client::connect(&server));
    write!(waits.0.get_mut(), "BLPOP jobs 0\r\n").expect("it takes it");
    assert!(store.wait_for_blocked(1, Duration::from_secs(60)));
    disk.fail_from(disk.steps(), Failure::Eio);
    for told in [writer.ask("RPUSH jobs write"), waits.line()] {
        assert!(told.starts_with(REFUSED), "{told:?}");
    }
}
