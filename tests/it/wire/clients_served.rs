//! The same over sockets: what comes unasked is written at once, and who is killed or held back is so wherever it
//! waits.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use larder::{ManualClock, Protocol, Reply, Store};

use super::redis::Redis;
use super::value::Value;
use super::words;
use crate::differential::server::Server;
use crate::server::Client;
use crate::support::until;

/// Lines of a reply.
fn lines(client: &mut Client, count: usize) -> Vec<String> {
    (0..count).map(|_| client.line()).collect()
}

fn id(client: &mut Client) -> String {
    client.ask("CLIENT ID")[1..].to_owned()
}

fn served() -> (ManualClock, Store, larder::Server) {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let server = store.serve().unwrap();
    (clock, store, server)
}

#[test]
fn an_invalidation_comes_also_while_a_command_waits() {
    let (_clock, store, server) = served();
    let mut reader = Client::connect(server.addr());
    reader.ask("HELLO 3");
    let skipped = std::iter::repeat_with(|| reader.line()).position(|line| line == "*0").unwrap();
    assert!(skipped > 5);
    assert_eq!(reader.ask("CLIENT TRACKING ON"), "+OK");
    assert_eq!(reader.ask("GET k"), "_");
    reader.send("BLPOP none 0\r\n");
    until("waiter", || store.waiting().unwrap() > 0);
    store.insert("k", 1).unwrap();
    assert_eq!(lines(&mut reader, 6), [">2", "$10", "invalidate", "*1", "$1", "k"]);
    store.list::<String>("none").push_back("x").unwrap();
    assert_eq!(lines(&mut reader, 5), ["*2", "$4", "none", "$1", "x"]);
    // Its own writes are told behind their replies, and before the next ones.
    assert_eq!(reader.ask("GET k"), "$1");
    assert_eq!(reader.line(), "1");
    reader.send("SET k 2\r\nPING\r\n");
    assert_eq!(lines(&mut reader, 8), ["+OK", ">2", "$10", "invalidate", "*1", "$1", "k", "+PONG"]);
}

#[test]
fn what_came_before_a_command_is_told_before_its_reply() {
    let (_clock, store, server) = served();
    let mut client = Client::connect(server.addr());
    client.ask("SUBSCRIBE a");
    lines(&mut client, 5);
    let told = ["*3", "$7", "message", "$1", "a", "$1", "x"];
    for (leaves, left) in
        [("UNSUBSCRIBE a", &["*3", "$11", "unsubscribe", "$1", "a", ":0"][..]), ("RESET", &["+RESET"])]
    {
        for _ in 0..50 {
            // Both have come when the server looks.
            store.publish("a", "x").unwrap();
            client.send(format!("{leaves}\r\nGET k\r\n"));
            assert_eq!(lines(&mut client, 7), told);
            assert_eq!(lines(&mut client, left.len()), left);
            assert_eq!(client.line(), "$-1");
            client.ask("SUBSCRIBE a");
            lines(&mut client, 5);
        }
    }
}

/// Whoever publishes meanwhile, and though the client listens to something else still.
#[test]
fn no_message_comes_behind_the_end_of_its_subscription() {
    let (_clock, store, server) = served();
    let mut client = Client::connect(server.addr());
    client.send("SUBSCRIBE b\r\n");
    lines(&mut client, 6);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                store.publish("a", "x").unwrap();
            }
        });
        for _ in 0..300 {
            client.send("SUBSCRIBE a\r\nUNSUBSCRIBE a\r\n");
            let mut told = Vec::new();
            while told.last().is_none_or(|last| last != "unsubscribe a") {
                told.push(kind_and_channel(&mut client));
            }
            assert!(told[1..told.len() - 1].iter().all(|told| told == "message a"), "{told:?}");
            assert_eq!(told[0], "subscribe a");
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

/// Of a message or an answer to a client that listens: what it is, and of which channel.
fn kind_and_channel(client: &mut Client) -> String {
    let head = lines(client, 5);
    let rest = if head[2] == "message" { 2 } else { 1 };
    lines(client, rest);
    format!("{} {}", head[2], head[4])
}

/// What it listens to it is told in any case, and nothing else: not even what is wrong with its requests.
#[test]
fn one_who_wants_no_replies_is_told_of_its_channels() {
    let (_clock, store, server) = served();
    let mut client = Client::connect(server.addr());
    client.send("CLIENT REPLY OFF\r\nPING\r\nSUBSCRIBE a\r\nPING\r\n");
    assert_eq!(lines(&mut client, 6), ["*3", "$9", "subscribe", "$1", "a", ":1"]);
    store.publish("a", "x").unwrap();
    assert_eq!(lines(&mut client, 7), ["*3", "$7", "message", "$1", "a", "$1", "x"]);
    client.send("UNSUBSCRIBE a\r\nMONITOR\r\n");
    assert_eq!(lines(&mut client, 6), ["*3", "$11", "unsubscribe", "$1", "a", ":0"]);
    until("monitor", || {
        let Reply::Verbatim(_, list) = store.session().call(["CLIENT", "LIST"]) else { panic!("no text") };
        list.windows(8).any(|part| part == b"flags=O ")
    });
    store.session().call(["PING"]);
    client.send("*1\r\nx\r\n");
    assert!(client.is_closed());
}

#[test]
fn one_who_waits_and_has_sent_much_is_seen_to_go() {
    let (_clock, store, server) = served();
    let mut client = Client::connect(server.addr());
    client.send("BLPOP none 0\r\n").send("PING\r\n".repeat(20_000));
    until("waiter", || store.waiting().unwrap() == 1);
    drop(client);
    until("its end", || store.waiting().unwrap() == 0 && server.clients() == 0);
}

#[test]
fn who_waits_is_killed_and_roused() {
    let (_clock, store, server) = served();
    let [mut waiter, mut other] = [(); 2].map(|()| Client::connect(server.addr()));
    let waiting = id(&mut waiter);
    waiter.send("BLPOP none 0\r\n");
    until("waiter", || store.waiting().unwrap() > 0);
    assert_eq!(other.ask(&format!("CLIENT UNBLOCK {waiting} ERROR")), ":1");
    assert_eq!(waiter.line(), "-UNBLOCKED client unblocked via CLIENT UNBLOCK");
    waiter.send("BLPOP none 0\r\n");
    until("waiter", || store.waiting().unwrap() > 0);
    assert_eq!(other.ask(&format!("CLIENT UNBLOCK {waiting}")), ":1");
    assert_eq!(waiter.line(), "*-1");
    waiter.send("BLPOP none 0\r\n");
    until("waiter", || store.waiting().unwrap() > 0);
    assert_eq!(other.ask(&format!("CLIENT KILL ID {waiting}")), ":1");
    assert!(waiter.is_closed());
    until("its end", || store.waiting().unwrap() == 0);
    // One that waits for nothing, and the one that gives the order.
    let mut idle = Client::connect(server.addr());
    let waiting = id(&mut idle);
    assert_eq!(other.ask(&format!("CLIENT KILL ID {waiting}")), ":1");
    assert!(idle.is_closed());
    assert_eq!(other.ask("CLIENT KILL TYPE normal SKIPME no"), ":1");
    assert!(other.is_closed());
}

/// What was served to one who is killed before it is told goes back: it is in one place, with a socket and without.
#[test]
fn what_is_served_to_one_who_is_killed_is_not_lost() {
    let (_clock, store, server) = served();
    let queue = store.list::<String>("queue");
    let mut other = Client::connect(server.addr());
    for _ in 0..100 {
        let mut waiter = Client::connect(server.addr());
        let waiting = id(&mut waiter);
        waiter.send("BLPOP queue 0\r\n");
        until("waiter", || store.waiting().unwrap() == 1);
        other.send(format!("LPUSH queue x\r\nCLIENT KILL ID {waiting}\r\n"));
        assert_eq!(lines(&mut other, 2), [":1", ":1"]);
        let told = waiter.line();
        until("its end", || server.clients() == 1);
        assert_eq!(queue.pop_front().unwrap().is_none(), told == "*2", "{told:?}");
    }
    for _ in 0..100 {
        let mut session = store.session();
        let Reply::Integer(waiting) = session.call(["CLIENT", "ID"]) else { panic!("no id") };
        let waiter = std::thread::spawn(move || session.call(["BLPOP", "queue", "0"]));
        until("waiter", || store.waiting().unwrap() == 1);
        // It may have got it and be gone.
        other.send(format!("LPUSH queue x\r\nCLIENT KILL ID {waiting}\r\n"));
        assert_eq!(lines(&mut other, 2).len(), 2);
        let told = waiter.join().unwrap();
        assert_eq!(queue.pop_front().unwrap().is_none(), !matches!(told, Reply::Error(_)), "{told:?}");
    }
}

#[test]
fn a_pause_holds_sockets_back_and_no_thread() {
    let (clock, store, server) = served();
    let mut others: Vec<_> = (0..20).map(|_| Client::connect(server.addr())).collect();
    let mut first = Client::connect(server.addr());
    assert_eq!(first.ask("CLIENT PAUSE 1000 WRITE"), "+OK");
    for other in &mut others {
        other.send("INCR n\r\nECHO x\r\n");
    }
    let held = |first: &mut Client| {
        first.send("CLIENT LIST\r\n");
        let length: usize = first.line()[1..].parse().unwrap();
        let (mut read, mut held) = (0, 0);
        while read < length {
            let line = first.line();
            read += line.len() + 1;
            held += usize::from(line.contains("flags=b "));
        }
        first.line();
        held
    };
    until("twenty held back", || held(&mut first) == 20);
    assert_eq!(first.ask("GET n"), "$-1");
    clock.advance(Duration::from_millis(1_000));
    for other in &mut others {
        assert!(other.line().starts_with(':'));
        assert_eq!(lines(other, 2), ["$1", "x"]);
    }
    assert_eq!(store.get::<u32>("n").unwrap(), Some(20));
    // Nobody is held back for longer than somebody says.
    first.ask("CLIENT PAUSE 1000000 WRITE");
    others[0].send("INCR n\r\n");
    others[1].send("INCR n\r\n");
    until("two held back", || held(&mut first) == 2);
    assert_eq!(first.ask("CLIENT UNPAUSE"), "+OK");
    others[..2].iter_mut().for_each(|other| assert!(other.line().starts_with(':')));
}

#[test]
fn a_monitor_reads_lines() {
    let (_clock, _store, server) = served();
    let [mut monitor, mut other] = [(); 2].map(|()| Client::connect(server.addr()));
    assert_eq!(monitor.ask("MONITOR"), "+OK");
    other.ask("GET a");
    let line = monitor.line();
    let (_, shown) = line.split_once(" [0 127.0.0.1:").unwrap();
    assert!(line.starts_with('+') && shown.ends_with("] \"GET\" \"a\""), "{line}");
    #[cfg(feature = "lua")]
    {
        assert_eq!(other.ask("EVAL \"return{redis.call('ECHO','b')}\" 0"), "*1");
        let mut lines = std::iter::repeat_with(|| monitor.line()).take(2);
        assert!(lines.any(|line| line.ends_with(" [0 lua] \"ECHO\" \"b\"")));
    }
}

/// Who came by a Unix socket, and whose keys somebody has touched.
#[cfg(unix)]
#[test]
fn unix_sockets_and_touched_keys_are_told() {
    for server in Server::each_with(&["--unixsocket", "socket"]) {
        let mut theirs = Redis::connect(server.port(), Protocol::Resp2);
        let folder = crate::support::Folder::new();
        let builder = larder::Server::builder().compat(theirs.compat);
        let larder = builder.unix_socket(folder.path().join("socket")).start(&Store::new()).unwrap();
        let mut ours = Redis::connect(larder.port(), Protocol::Resp2);
        let said = [(folder.path(), &mut ours), (server.folder(), &mut theirs)]
            .map(|(folder, client)| seen(&folder.join("socket"), client));
        assert_eq!(said[0], said[1], "{:?}", theirs.compat);
    }
}

/// What is seen of two clients that come by a Unix socket.
#[cfg(unix)]
fn seen(path: &std::path::Path, other: &mut Redis) -> Vec<String> {
    use std::io::{BufRead, BufReader, Write};
    use std::os::unix::net::UnixStream;

    fn line(client: &mut BufReader<UnixStream>) -> String {
        let mut line = String::new();
        client.read_line(&mut line).unwrap();
        line
    }
    let [mut monitor, mut client] = [(); 2].map(|()| {
        let mut client = BufReader::new(UnixStream::connect(path).unwrap());
        client.get_ref().set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        client.get_mut().write_all(b"PING\r\n").unwrap();
        assert_eq!(line(&mut client), "+PONG\r\n");
        client
    });
    let flags = |other: &mut Redis, ask: &str| {
        let told = super::acl_waits::ask(other, ask);
        let fields = told
            .split([' ', '\\'])
            .filter(|field| field.starts_with("flags=") || field.starts_with("watch="));
        if told.starts_with('-') { told } else { format!("{ask}: {}", fields.collect::<Vec<_>>().join(" ")) }
    };
    let mut said = Vec::new();
    let (flag, not) = ("CLIENT LIST FLAGS", "CLIENT LIST NOT-FLAGS");
    for (ask, of_other) in [
        ("WATCH k", ["CLIENT LIST", "SET k 1", "CLIENT LIST"]),
        ("MULTI", ["CLIENT LIST", "PING", "INFO clients"]),
        ("EXEC", ["CLIENT LIST", "PING", "PING"]),
        ("WATCH k l", ["CLIENT LIST", "DEL l", "CLIENT LIST"]),
        ("SET k 2", ["CLIENT LIST", "PING", "PING"]),
        ("WATCH m", ["CLIENT LIST", "PING", "PING"]),
        ("UNWATCH", ["CLIENT LIST", "PING", "PING"]),
    ] {
        client.get_mut().write_all(format!("{ask}\r\n").as_bytes()).unwrap();
        said.push(line(&mut client));
        said.extend(of_other.map(|ask| flags(other, ask)));
    }
    said.extend(["U", "O", "OU", "d", "N"].map(|flags_of| flags(other, &format!("{flag} {flags_of}"))));
    said.push(flags(other, &format!("{not} U")));
    monitor.get_mut().write_all(b"MONITOR\r\n").unwrap();
    said.push(line(&mut monitor));
    client.get_mut().write_all(b"ECHO a\r\n").unwrap();
    let shown = line(&mut monitor);
    // Each has it as it was started.
    let shown = shown.split_once(" [").unwrap().1.replace(path.to_str().unwrap(), "socket");
    said.extend([line(&mut client), shown, flags(other, "CLIENT LIST"), flags(other, &format!("{flag} OU"))]);
    said
}

/// The fields of the client's own line in CLIENT LIST, with those values that are the same everywhere.
fn fields(client: &mut Redis, words: &super::Words) -> Vec<String> {
    let Some(Value::One(_, line)) = Value::parse(&client.ask(words)) else { panic!("no text") };
    let line = String::from_utf8(line).unwrap();
    let own = [
        "id",
        "addr",
        "laddr",
        "fd",
        "qbuf",
        "qbuf-free",
        "rbs",
        "rbp",
        "tot-mem",
        "multi-mem",
        "age",
        "tot-net-out",
    ];
    let line = line.trim_end_matches('\n');
    line.split(' ')
        .map(|field| match field.split_once('=') {
            Some((name, _)) if own.contains(&name) => name.to_owned(),
            _ => field.to_owned(),
        })
        .collect()
}

#[test]
fn a_line_has_the_fields_of_each_server_s() {
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        let store = Store::new();
        let larder = larder::Server::builder().compat(redis.compat).start(&store).unwrap();
        let mut ours = Redis::connect(larder.port(), Protocol::Resp2);
        for words in [
            words!["CLIENT", "INFO"],
            words!["CLIENT", "SETNAME", "bob"],
            words!["SELECT", "3"],
            words!["WATCH", "a", "b"],
            words!["SUBSCRIBE", "c"],
            words!["CLIENT", "INFO"],
            words!["UNSUBSCRIBE", "c"],
            words!["MULTI"],
            words!["GET", "a"],
        ] {
            if words.len() == 2 && words[1] == b"INFO" {
                assert_eq!(fields(&mut ours, &words), fields(&mut redis, &words), "{:?}", redis.compat);
            } else {
                ours.ask(&words);
                redis.ask(&words);
            }
        }
    }
}

#[test]
fn who_does_not_read_is_seen_to_be_behind() {
    let store = Store::new();
    store.insert("large", "x".repeat(8 << 20)).unwrap();
    let server = store.serve().unwrap();
    let mut slow = Client::connect(server.addr());
    slow.ask("CLIENT SETNAME slow");
    slow.send("GET large\r\n");
    let mut session = store.session();
    let field = |line: &str, name: &str| -> u64 {
        let found = line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        found.unwrap_or_else(|| panic!("no {name} in {line}")).parse().unwrap()
    };
    let mut line = || {
        let larder::Reply::Verbatim(_, lines) = session.call(["CLIENT", "LIST"]) else { panic!("no text") };
        let lines = String::from_utf8(lines.to_vec()).unwrap();
        lines.lines().find(|line| line.contains(" name=slow ")).unwrap().to_owned()
    };
    until("behind", || field(&line(), "obl") > 8 << 20);
    assert!(line().contains(" events=rw ") && field(&line(), "tot-net-in") > 20);
    let read = slow.line();
    assert_eq!((read.as_str(), slow.line().len()), ("$8388608", 8 << 20));
    until("caught up", || field(&line(), "obl") == 0);
    assert!(field(&line(), "tot-net-out") > 8 << 20);
}

#[test]
fn limits_that_are_set_hold_at_once() {
    let (clock, store, server) = served();
    let mut session = store.session();
    let mut first = Client::connect(server.addr());
    assert_eq!(first.ask("PING"), "+PONG");
    assert_eq!(session.call(["CONFIG", "SET", "maxclients", "1"]), larder::Reply::OK);
    let mut second = Client::connect(server.addr());
    assert_eq!(second.line(), "-ERR max number of clients reached");
    session.call(["CONFIG", "SET", "maxclients", "2"]);
    until("room", || server.clients() == 1);
    let mut second = Client::connect(server.addr());
    assert_eq!(second.ask("PING"), "+PONG");

    // Who is idle already is reached too.
    session.call(["CONFIG", "SET", "timeout", "60"]);
    clock.advance(Duration::from_secs(59));
    assert_eq!(second.ask("PING"), "+PONG");
    clock.advance(Duration::from_secs(1));
    until("the idle one gone", || server.clients() == 1);
    assert!(first.is_closed());
    session.call(["CONFIG", "SET", "timeout", "0"]);
    clock.advance(Duration::from_secs(600));
    assert_eq!(second.ask("PING"), "+PONG");
}
