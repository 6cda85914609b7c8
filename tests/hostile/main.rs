//! Clients that mean a server no good: what it keeps for them stays within what they have sent and 64 KB for each,
//! the others are served as before, and what they are told is what Redis tells. And files ([`files`]).
//!
//! A binary of its own, since its allocator counts all that the process has in use; so its cases run one after the
//! other.

mod counting;
#[path = "../it/damage/mod.rs"]
mod damage;
mod files;
#[path = "../it/support.rs"]
#[allow(dead_code, reason = "what the files' tests need of it")]
mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use counting::{live, most_during};
use larder::{Server, Store};

/// What may be in use for a connection beside what it has sent.
const EACH: usize = 64 << 10;
/// Nothing takes longer that is not stuck.
const LIMIT: Duration = Duration::from_secs(120);

fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until it is so.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LIMIT, "{what}");
        thread::yield_now();
    }
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream.set_write_timeout(Some(LIMIT)).unwrap();
    stream
}

/// How many descriptors this process may still open, with some to spare.
fn descriptors() -> usize {
    const MANY: usize = 30_000;
    let one = TcpListener::bind("127.0.0.1:0").unwrap();
    let all: Vec<_> = (0..MANY).map_while(|_| one.try_clone().ok()).collect();
    all.len().saturating_sub(200)
}

/// What comes until the server closes the connection.
fn rest(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    // A connection that is closed with bytes unread is reset.
    let _ = stream.read_to_end(&mut all);
    String::from_utf8_lossy(&all).into_owned()
}

/// A client of good manners, which goes on all the while.
struct Bystander(BufReader<TcpStream>);

impl Bystander {
    fn new(server: &Server) -> Self {
        let stream = connect(server.addr());
        stream.set_nodelay(true).unwrap();
        Bystander(BufReader::with_capacity(64, stream))
    }

    fn ask(&mut self, command: &str) -> String {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    /// How long it waits for a PONG, in the middle of so many.
    fn latency(&mut self, times: usize) -> Duration {
        let mut all: Vec<Duration> = (0..times)
            .map(|_| {
                let start = Instant::now();
                assert_eq!(self.ask("PING"), "+PONG");
                start.elapsed()
            })
            .collect();
        all.sort();
        all[times / 2]
    }
}

/// Runs an attack while somebody asks for PONGs; the median must stay what it was, give or take a machine that is
/// busy with the attacker too.
fn stays_flat(server: &Server, attack: impl FnOnce()) {
    let mut bystander = Bystander::new(server);
    let before = bystander.latency(200);
    let is_over = AtomicBool::new(false);
    let meanwhile = thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut all = vec![bystander.latency(50)];
            while !is_over.load(Ordering::Relaxed) {
                all.push(bystander.latency(50));
            }
            all.sort();
            all[all.len() / 2]
        });
        attack();
        is_over.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    });
    println!("PING: {before:?} before, {meanwhile:?} meanwhile");
    assert!(
        meanwhile < before * 20 + Duration::from_millis(20),
        "{before:?} before, {meanwhile:?} meanwhile"
    );
}

#[test]
fn what_is_announced_takes_no_memory() {
    let _alone = alone();
    let server = Store::new().serve().unwrap();
    let mut bystander = Bystander::new(&server);
    let requests: [&[u8]; 5] = [
        b"*2\r\n$4\r\nECHO\r\n$536870912\r\n",
        b"*1000000\r\n$4\r\nMSET\r\n",
        b"*1000000\r\n$536870912\r\nab",
        b"*2147483647\r\n",
        b"SET a \"never ends",
    ];
    let before = live();
    let clients: Vec<TcpStream> = requests
        .iter()
        .map(|request| {
            let mut client = connect(server.addr());
            client.write_all(request).unwrap();
            client
        })
        .collect();
    until("they come in", || server.clients() == requests.len() + 1);
    bystander.latency(1_000);
    let more = live().saturating_sub(before);
    assert!(more < requests.len() * EACH, "{more} bytes for {} clients", requests.len());
    drop(clients);
    until("they leave", || server.clients() == 1);
}

#[test]
fn an_argument_takes_what_has_arrived_of_it() {
    let _alone = alone();
    const SENT: usize = 24 << 20;
    let store = Store::new();
    let server = store.serve().unwrap();
    let before = live();
    let mut client = connect(server.addr());
    client.write_all(b"*3\r\n$3\r\nSET\r\n$4\r\nlong\r\n$536870912\r\n").unwrap();
    let part = vec![b'x'; 1 << 20];
    let mut most = 0;
    for sent in 1..=SENT >> 20 {
        client.write_all(&part).unwrap();
        let more = live().saturating_sub(before + part.len());
        // What is set aside ahead is a quarter at most, and not touched.
        let allowed = (sent << 20) / 4 * 5 + EACH;
        assert!(more <= allowed, "{more} bytes in use after {sent} MB");
        most = most.max(more);
    }
    println!("{most} bytes in use for {SENT}");
    drop(client);
    until("it leaves", || server.clients() == 0);
    until("it takes nothing along", || live() < before + 2 * part.len());

    // A whole one is kept once.
    let mut client = connect(server.addr());
    let mut most = 0;
    write!(client, "*3\r\n$3\r\nSET\r\n$4\r\nlong\r\n${SENT}\r\n").unwrap();
    for _ in 0..SENT >> 20 {
        client.write_all(&part).unwrap();
        most = most.max(live().saturating_sub(before + part.len()));
    }
    client.write_all(b"\r\n").unwrap();
    client.read_exact(&mut [0; 5]).unwrap();
    let kept = live().saturating_sub(before + part.len());
    println!("{most} bytes in use at most, {kept} then, for {SENT}");
    assert!(most <= SENT + 2 * EACH && kept <= SENT + 2 * EACH);
    assert_eq!(store.get::<larder::Bytes>("long").unwrap().unwrap().len(), SENT);
}

#[test]
fn a_million_empty_arguments_take_less_than_they_have_sent() {
    let _alone = alone();
    let server = Store::new().serve().unwrap();
    let empty = b"$0\r\n\r\n".repeat(100_000);
    let before = live();
    let mut client = connect(server.addr());
    client.write_all(b"*1000001\r\n$4\r\nMSET\r\n").unwrap();
    let mut most = 0;
    for _ in 0..9 {
        client.write_all(&empty).unwrap();
        most = most.max(live().saturating_sub(before));
    }
    println!("{most} bytes in use for {}", 9 * empty.len());
    assert!(most < 9 * empty.len() + EACH);
    // And it is a request like any other.
    client.write_all(&empty).unwrap();
    let mut reply = [0; 5];
    client.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"+OK\r\n");
}

#[test]
fn thousands_of_half_commands_hold_nobody_up() {
    let _alone = alone();
    let server = Store::new().serve().unwrap();
    let before = live();
    let mut clients = Vec::new();
    stays_flat(&server, || {
        // Each takes two descriptors of this process: as many as it may have.
        while clients.len() < 9_000 {
            let Ok(mut client) = TcpStream::connect(server.addr()) else { break };
            if client.write_all(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$100\r\nhalf").is_err() {
                break;
            }
            clients.push(client);
        }
        until("they come in", || server.clients() >= clients.len());
    });
    let each = live().saturating_sub(before) / clients.len();
    println!("{} clients, {each} bytes each", clients.len());
    assert!(clients.len() >= 400);
    assert!(each < 8 << 10, "{each} bytes each");
    drop(clients);
    until("they leave", || server.clients() == 0);
}

#[test]
fn who_never_reads_has_one_reply_waiting() {
    let _alone = alone();
    const PAGE: usize = 256 << 10;
    let store = Store::new();
    store.insert("page", "x".repeat(PAGE)).unwrap();
    let server = store.serve().unwrap();
    let before = live();
    let mut clients: Vec<_> = (0..50).map(|_| connect(server.addr())).collect();
    stays_flat(&server, || {
        for client in &mut clients {
            client.write_all("GET page\r\n".repeat(1_000).as_bytes()).unwrap();
        }
    });
    let each = live().saturating_sub(before) / clients.len();
    println!("{each} bytes each");
    assert!(each <= PAGE + EACH, "{each} bytes each");

    // A limit that is set applies to one reply too.
    store.session().call(["CONFIG", "SET", "client-output-buffer-limit", "normal 100kb 0 0"]);
    let mut client = connect(server.addr());
    client.write_all(b"GET page\r\n").unwrap();
    assert_eq!(rest(&mut client), "");
}

#[test]
fn who_sends_all_before_it_reads_has_what_it_has_sent_waiting() {
    let _alone = alone();
    let store = Store::new();
    store.insert("page", "x".repeat(1 << 10)).unwrap();
    let server = store.serve().unwrap();
    let all = b"*2\r\n$3\r\nGET\r\n$4\r\npage\r\n".repeat(100_000);
    let before = live();
    let mut clients: Vec<_> = (0..10).map(|_| connect(server.addr())).collect();
    stays_flat(&server, || clients.iter_mut().for_each(|client| client.write_all(&all).unwrap()));
    let each = live().saturating_sub(before) / clients.len();
    println!("{each} bytes each, {} sent", all.len());
    assert!(each < all.len() + EACH, "{each} bytes each");
    let mut replies = vec![0; 100_000 * ("$1024\r\n\r\n".len() + 1024)];
    clients[0].read_exact(&mut replies).unwrap();
    drop((clients, replies));
    until("they leave", || server.clients() == 0);
    until("they take nothing along", || live() < before + EACH);
}

#[test]
fn what_would_be_too_long_is_not_made() {
    let _alone = alone();
    let store = Store::new();
    store.insert("page", "x".repeat(8 << 20)).unwrap();
    let server = store.serve().unwrap();
    store.session().call(["CONFIG", "SET", "client-output-buffer-limit", "normal 32mb 0 0"]);
    let mut client = Bystander::new(&server);
    client.ask("SADD few a b c");
    let (reply, most) = most_during(|| client.ask("SRANDMEMBER few -100000000"));
    assert_eq!(reply, "-ERR value is out of range");
    assert!(most < EACH, "{most} bytes");
    // A value that is in the store once, a hundred times.
    let request = format!("MGET {}", "page ".repeat(100));
    let (reply, most) = most_during(|| client.ask(&request));
    println!("{most} bytes for {} that were asked for", 100 * (8 << 20));
    assert_eq!(reply, "");
    assert!(most < 2 * EACH, "{most} bytes");

    // One that may be takes what it is long, and not twice that.
    let mut client = connect(server.addr());
    let length = "*3\r\n".len() + 3 * ("$8388608\r\n\r\n".len() + (8 << 20));
    let ((), most) = most_during(|| {
        client.write_all(b"MGET page page page\r\n").unwrap();
        let (mut part, mut got) = ([0; 4 << 10], 0);
        while got < length {
            got += client.read(&mut part).unwrap();
        }
    });
    println!("{most} bytes for a reply of {length}");
    assert!(most < length + 2 * EACH, "{most} bytes");
}

#[test]
fn who_takes_nothing_for_too_long_is_disconnected() {
    let _alone = alone();
    let clock = larder::ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let server = store.serve().unwrap();
    store.session().call(["CONFIG", "SET", "client-output-buffer-limit", "normal 0 1mb 10"]);
    store.insert("page", "x".repeat(64 << 20)).unwrap();
    let mut client = connect(server.addr());
    client.write_all(b"GET page\r\n").unwrap();
    let mut other = Bystander::new(&server);
    until("it is disconnected", || {
        clock.advance(Duration::from_secs(1));
        server.clients() == 1
    });
    assert_eq!(other.ask("PING"), "+PONG");
}

#[test]
fn a_stalled_subscriber_costs_ten_thousand_others_nothing_and_goes() {
    let _alone = alone();
    const LISTENERS: usize = 10_000;
    let store = Store::new();
    let server = Server::builder().max_clients(2 * LISTENERS).start(&store).unwrap();
    store.session().call(["CONFIG", "SET", "client-output-buffer-limit", "pubsub 4mb 0 0"]);
    // Each takes two descriptors of this process: as many as it may have, and the others listen without a socket.
    // One after the other, lest the system's queue of those who come run over.
    let listen = |_| {
        let mut listener = connect(server.addr());
        listener.write_all(b"SUBSCRIBE news\r\n").unwrap();
        listener.read_exact(&mut [0; 36][..b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n".len()]).unwrap();
        listener
    };
    let mut listeners: Vec<_> = (0..LISTENERS.min(descriptors() / 2)).map(listen).collect();
    let mut sessions: Vec<_> = (listeners.len()..LISTENERS).map(|_| store.session()).collect();
    sessions.iter_mut().for_each(|session| _ = session.call(["SUBSCRIBE", "news"]));
    println!("{} listeners with a socket, {} without", listeners.len(), sessions.len());
    let others = listeners.len() + 1;
    let mut stalled = connect(server.addr());
    stalled.write_all(b"SUBSCRIBE news pages\r\n").unwrap();
    until("it listens", || {
        store
            .session()
            .call(["PUBSUB", "NUMSUB", "pages"])
            .to_bytes(larder::Protocol::Resp2)
            .ends_with(b":1\r\n")
    });
    let page = "x".repeat(1 << 20);
    let before = live();
    stays_flat(&server, || {
        // The system's buffers, the reply that is being written, and the limit: then it is enough.
        let mut sent = 0;
        until("it is disconnected", || {
            if server.clients() > others {
                store.publish("pages", page.as_str()).unwrap();
                sent += 1;
            }
            let more = live().saturating_sub(before);
            assert!(more < (16 << 20), "{more} bytes in use for a limit of 4 MB");
            server.clients() == others
        });
        println!("disconnected after {sent} MB");
    });
    // The others have lost nothing.
    assert_eq!(store.publish("news", "hello").unwrap(), LISTENERS);
    let message = b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n";
    for listener in &mut listeners {
        let mut got = vec![0; message.len()];
        listener.read_exact(&mut got).unwrap();
        assert_eq!(got, message);
    }
    for session in sessions {
        let told = session.try_message().map(|told| session.encode(&told));
        assert_eq!(told.as_deref(), Some(&message[..]));
    }
}

#[test]
fn a_multi_that_never_ends_is_ended() {
    let _alone = alone();
    let store = Store::new();
    let server = store.serve().unwrap();
    store.session().call(["CONFIG", "SET", "client-query-buffer-limit", "2mb"]);
    let before = live();
    let mut client = connect(server.addr());
    client.write_all(b"MULTI\r\n").unwrap();
    let mut reader = client.try_clone().unwrap();
    let reading = thread::spawn(move || rest(&mut reader).len());
    let some = b"PING\r\n".repeat(1_000);
    let mut sent = 0;
    while client.write_all(&some).is_ok() {
        sent += some.len();
        assert!(sent < 64 << 20, "it goes on for ever");
        let more = live().saturating_sub(before);
        assert!(more < 8 << 20, "{more} bytes in use");
    }
    until("it is disconnected", || server.clients() == 0);
    reading.join().unwrap();

    // So is an argument that is longer than the limit.
    let mut client = connect(server.addr());
    client.write_all(b"*2\r\n$4\r\nECHO\r\n$67108864\r\n").unwrap();
    let some = vec![b'x'; 1 << 20];
    until("it is disconnected", || client.write_all(&some).is_err());
}

#[test]
fn what_is_no_request_is_told_as_redis_does_and_the_connection_closed() {
    let _alone = alone();
    let server = Store::new().serve().unwrap();
    let nested = b"*1\r\n".repeat(1_000_000);
    let inline = vec![b'x'; 1 << 20];
    let cases: [(&[u8], &str); 12] = [
        (&nested, "expected '$', got '*'"),
        (&inline, "too big inline request"),
        (b"*-2147483649\r\n", ""),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*99999999999999999999999999\r\n", "invalid multibulk length"),
        (b"*1e3\r\n", "invalid multibulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"*1\r\n$9223372036854775808\r\n", "invalid bulk length"),
        (b"*1\r\n$abc\r\n", "invalid bulk length"),
        (b"*1\r\n\x00\x01\x02\r\n", "expected '$', got '\0'"),
        (b"\"\r\n", "unbalanced quotes in request"),
    ];
    let mut bystander = Bystander::new(&server);
    let before = live();
    for (bytes, error) in cases {
        let mut client = connect(server.addr());
        if error.is_empty() {
            // A negative number of arguments is no request, and no mistake.
            client.write_all(&[bytes, b"PING\r\nQUIT\r\n"].concat()).unwrap();
            assert_eq!(rest(&mut client), "+PONG\r\n+OK\r\n");
            continue;
        }
        // It may be closed before all is sent, and then the reply may be lost with it.
        let first = bytes.len().min(64 << 10);
        client.write_all(&bytes[..first]).unwrap();
        let told = rest(&mut client);
        assert_eq!(
            told,
            format!("-ERR Protocol error: {error}\r\n"),
            "{}",
            bytes[..first.min(40)].escape_ascii()
        );
        let _ = client.write_all(&bytes[first..]);
    }
    assert_eq!(bystander.ask("PING"), "+PONG");
    until("they leave", || server.clients() == 1);
    until("they take nothing along", || live() < before + EACH);
}

#[test]
fn garbage_is_survived() {
    let _alone = alone();
    let server = Store::new().serve().unwrap();
    let mut bystander = Bystander::new(&server);
    // A generator of our own: the same on every run.
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..300 {
        let mut garbage = vec![0; 4 << 10];
        for byte in &mut garbage {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            // Now and then something that looks like a request.
            *byte =
                if state & 3 == 0 { b"*$\r\n0123"[(state >> 32) as usize % 8] } else { (state >> 24) as u8 };
        }
        let mut client = connect(server.addr());
        let _ = client.write_all(&garbage);
        // It leaves in the middle.
    }
    assert_eq!(bystander.ask("PING"), "+PONG");
    until("they leave", || server.clients() == 1);
}

#[test]
fn bytes_that_come_one_by_one_are_read_once() {
    let _alone = alone();
    let server = Store::new().serve().unwrap();
    stays_flat(&server, || {
        let mut client = connect(server.addr());
        client.set_nodelay(true).unwrap();
        for byte in b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$20\r\nabcdefghijklmnopqrst\r\n" {
            client.write_all(&[*byte]).unwrap();
        }
        let mut reply = [0; 5];
        client.read_exact(&mut reply).unwrap();
        assert_eq!(&reply, b"+OK\r\n");
        // A line of 60,000 bytes, in as many pieces as the system makes of it.
        for _ in 0..60_000 {
            client.write_all(b"x").unwrap();
        }
        client.write_all(b"\r\n").unwrap();
        let mut line = String::new();
        BufReader::new(&client).read_line(&mut line).unwrap();
        assert!(line.starts_with("-ERR unknown command 'xxx"), "{line}");
    });
}

#[test]
fn a_hundred_thousand_commands_at_once() {
    let _alone = alone();
    let store = Store::new();
    let server = store.serve().unwrap();
    let before = live();
    let many = b"*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n".repeat(100_000);
    stays_flat(&server, || {
        let mut client = connect(server.addr());
        let mut reader = BufReader::new(client.try_clone().unwrap());
        thread::scope(|scope| {
            scope.spawn(|| client.write_all(&many).unwrap());
            let mut line = String::new();
            for n in 1..=100_000 {
                line.clear();
                reader.read_line(&mut line).unwrap();
                assert_eq!(line.trim_end(), format!(":{n}"));
            }
        });
    });
    assert_eq!(store.get("n").unwrap(), Some(100_000));
    drop(many);
    until("nothing is kept", || live() < before + 2 * EACH);
}

#[test]
fn who_disappears_in_the_middle_leaves_nothing() {
    let _alone = alone();
    let store = Store::new();
    let server = store.serve().unwrap();
    store.insert("page", "x".repeat(1 << 20)).unwrap();
    let halves: [&[u8]; 6] = [
        b"*2\r\n$3\r\nGE",
        b"*2\r\n$4\r\nECHO\r\n$1000\r\nabc",
        b"BLPOP nothing 0\r\n",
        b"MULTI\r\nSET a 1\r\n",
        b"SUBSCRIBE news\r\n",
        b"GET page\r\nGET page\r\nGET page\r\nGET page\r\nGET page\r\nGET page\r\nGET page\r\nGET page\r\n",
    ];
    let mut bystander = Bystander::new(&server);
    let round = || {
        for half in halves {
            connect(server.addr()).write_all(half).unwrap();
        }
        until("they leave", || server.clients() == 1);
    };
    round();
    let before = live();
    (0..50).for_each(|_| round());
    until("they leave nothing", || live() < before + EACH);
    assert_eq!(store.waiting().unwrap(), 0);
    assert_eq!(bystander.ask("EXISTS a"), ":0");
}

#[test]
fn one_too_many_is_told_so_and_takes_nobodys_place() {
    let _alone = alone();
    let server = Server::builder().max_clients(10).start(&Store::new()).unwrap();
    let mut clients: Vec<_> = (0..10).map(|_| Bystander::new(&server)).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.ask("PING"), "+PONG"));
    for _ in 0..200 {
        assert_eq!(rest(&mut connect(server.addr())), "-ERR max number of clients reached\r\n");
    }
    clients.iter_mut().for_each(|client| assert_eq!(client.ask("PING"), "+PONG"));
}
