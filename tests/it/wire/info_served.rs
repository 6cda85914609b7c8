//! What INFO counts of the clients of a server, as servers of Redis count it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use larder::{Compat, Protocol, SaveFile, Server, Store};

use super::info::{fact, fact_of};
use super::redis::Redis;
use super::{Words, words};
use crate::differential::server::Server as Oracle;
use crate::support::until;

/// A line of INFO that a client has asked for.
fn told(client: &mut Redis, name: &str) -> String {
    let text = String::from_utf8(client.ask(&words!["INFO", "everything"])).unwrap();
    let fact = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    fact.unwrap_or_else(|| panic!("no {name}")).trim_end().to_owned()
}

/// Does the same to each server there is and to larder in its place, which are at these ports.
fn with_both(check: impl Fn(Compat, u16)) {
    for server in Oracle::each() {
        let compat = Redis::connect(server.port(), Protocol::Resp2).compat;
        check(compat, server.port());
        let larder = Server::builder().compat(compat).start(&Store::new()).unwrap();
        check(compat, larder.port());
    }
}

#[test]
fn each_read_and_write_is_counted() {
    with_both(|compat, port| {
        let mut client = Redis::connect(port, Protocol::Resp2);
        client.ask(&words!["CONFIG", "RESETSTAT"]);
        // The reply to that counts, as it is written behind it, and that to INFO does not.
        assert_eq!(told(&mut client, "total_reads_processed"), "1", "{compat:?}");
        assert_eq!(told(&mut client, "total_writes_processed"), "2", "{compat:?}");
        (0..10).for_each(|_| drop(client.ask(&words!["PING"])));
        assert_eq!(told(&mut client, "total_reads_processed"), "13", "{compat:?}");
        assert_eq!(told(&mut client, "total_writes_processed"), "14", "{compat:?}");
        if compat == Compat::Redis82 {
            assert_eq!(told(&mut client, "io_thread_0"), "clients=1,reads=15,writes=15");
        }
        assert_eq!(told(&mut client, "total_connections_received"), "0", "{compat:?}");
        // What a client has moved that is gone counts on.
        let before: u64 = told(&mut client, "total_reads_processed").parse().unwrap();
        let mut other = Redis::connect(port, Protocol::Resp2);
        (0..10).for_each(|_| drop(other.ask(&words!["PING"])));
        drop(other);
        until("it is gone", || told(&mut client, "connected_clients") == "1");
        assert!(told(&mut client, "total_reads_processed").parse::<u64>().unwrap() >= before + 12);
        assert_eq!(told(&mut client, "total_connections_received"), "1", "{compat:?}");
    });
}

#[test]
fn who_is_cut_off_for_too_much_is_counted() {
    with_both(|compat, port| {
        if compat == Compat::Redis70 {
            return;
        }
        let mut client = Redis::connect(port, Protocol::Resp2);
        let counts = |client: &mut Redis| {
            ["query", "output"].map(|of| told(client, &format!("client_{of}_buffer_limit_disconnections")))
        };
        assert_eq!(counts(&mut client), ["0", "0"], "{compat:?}");
        // Of a value alone Valkey sends what is stored, and keeps no reply.
        let element = "x".repeat(200);
        let push = ["RPUSH", "list"].into_iter().chain([&*element; 2_000]);
        let push: Words = push.map(Into::into).collect();
        client.ask(&push);
        client.ask(&words!["CONFIG", "SET", "client-output-buffer-limit", "normal 100000 0 0"]);
        let mut other = Redis::connect(port, Protocol::Resp2);
        other.send(&words!["LRANGE", "list", 0, -1]);
        until("it is cut off", || counts(&mut client) == ["0", "1"]);

        client.ask(&words!["CONFIG", "SET", "client-query-buffer-limit", "1mb"]);
        let mut other = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        let mut request = b"*2\r\n$3\r\nGET\r\n$4000000\r\n".to_vec();
        request.resize(3 << 20, b'x');
        // It may be cut off while it writes.
        let _ = other.write_all(&request);
        let _ = other.read(&mut [0]);
        until("it is cut off", || counts(&mut client) == ["1", "1"]);

        // One that is killed is none of these.
        client.ask(&words!["CLIENT", "KILL", "TYPE", "normal"]);
        client.ask(&words!["CLIENT", "KILL", "TYPE", "pubsub"]);
        assert_eq!(counts(&mut client), ["1", "1"], "{compat:?}");
        client.ask(&words!["CONFIG", "RESETSTAT"]);
        assert_eq!(counts(&mut client), ["0", "0"], "{compat:?}");
    });
}

#[test]
fn who_listens_and_does_not_read_is_counted_once() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let mut client = Redis::connect(server.port(), Protocol::Resp2);
    let name = "client_output_buffer_limit_disconnections";
    client.ask(&words!["CONFIG", "SET", "client-output-buffer-limit", "pubsub 1mb 0 0"]);
    let mut listener = Redis::connect(server.port(), Protocol::Resp2);
    listener.ask(&words!["SUBSCRIBE", "channel"]);
    let page = "x".repeat(100_000);
    until("it is cut off", || {
        client.ask(&words!["PUBLISH", "channel", page]);
        fact(&store, name) != "0"
    });
    until("it is gone", || fact(&store, "connected_clients") == "2");
    assert_eq!(fact(&store, name), "1");
}

#[test]
fn room_for_replies_grows_and_is_given_back() {
    let store = Store::new();
    store.insert("page", "x".repeat(100_000)).unwrap();
    let server = store.serve().unwrap();
    let mut client = Redis::connect(server.port(), Protocol::Resp2);
    let counts = |client: &mut Redis| {
        ["shrinks", "expands"].map(|of| told(client, &format!("reply_buffer_{of}")).parse::<u64>().unwrap())
    };
    client.ask(&words!["CONFIG", "RESETSTAT"]);
    let before = counts(&mut client);
    (0..10).for_each(|_| drop(client.ask(&words!["GET", "page"])));
    let after = counts(&mut client);
    assert!(after[0] >= before[0] + 10 && after[1] >= before[1] + 10, "{before:?} {after:?}");
}

#[test]
fn a_save_that_is_under_way_says_how_far_it_has_come() {
    let folder = crate::support::Folder::new();
    for file in [SaveFile::Snapshot(folder.join("snapshot")), SaveFile::Rdb(folder.join("rdb"))] {
        let store = Store::new();
        store.insert_many((0..20_000).map(|key| (key, "x"))).unwrap();
        let _server = Server::builder().save_to(file).start(&store).unwrap();
        let mut session = store.session();
        let told = || ["processed", "total"].map(|of| fact(&store, &format!("current_save_keys_{of}")));
        assert_eq!(told(), ["0", "0"]);
        until("some are saved", || {
            session.call(["BGSAVE"]);
            let [processed, total] = told();
            total == "20000" && processed != "0"
        });
        until("it has ended", || fact(&store, "rdb_bgsave_in_progress") == "0");
        assert_eq!(told(), ["0", "0"]);
    }
}

#[test]
fn certificates_are_none_without_tls() {
    let store = Store::new();
    assert_eq!(fact_of(&store, Compat::Valkey9, "tls_server_cert_serial").as_deref(), Some("none"));
    assert_eq!(fact_of(&store, Compat::Redis82, "tls_server_cert_serial"), None);
}
