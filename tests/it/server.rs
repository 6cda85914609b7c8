//! A store as a server: what clients see of it, and what it makes of bad ones.

use std::future::Future;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::pin::pin;
use std::sync::Barrier;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use larder::{ManualClock, Reply, Server, Store};

use crate::support::until;

/// A client that sends bytes and reads lines.
pub(crate) struct Client(pub(crate) BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> Client {
        let stream = TcpStream::connect(addr).unwrap();
        // Long enough that only a reply that never comes meets it.
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        Client(BufReader::new(stream))
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.0.get_mut().write_all(bytes.as_ref()).unwrap();
        self
    }

    /// The next line, without its end; empty if the server has closed the connection.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        // A connection that is closed with bytes unread is reset.
        let _ = self.0.read_line(&mut line);
        line.trim_end().to_owned()
    }

    pub(crate) fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n")).line()
    }

    pub(crate) fn is_closed(&mut self) -> bool {
        !matches!(self.0.get_mut().read(&mut [0]), Ok(1..))
    }
}

/// Runs a future to its end on this thread.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return output;
        }
        thread::yield_now();
    }
}

#[test]
fn a_client_and_the_store_see_the_same_keys() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let mut client = Client::connect(server.addr());
    assert_eq!(client.ask("SET greeting hello"), "+OK");
    assert_eq!(store.get::<String>("greeting").unwrap().as_deref(), Some("hello"));
    store.insert("answer", 42).unwrap();
    assert_eq!(client.ask("INCR answer"), ":43");
    assert_eq!(client.ask("GET nothing"), "$-1");
}

#[test]
fn a_pipeline_is_answered_in_its_order() {
    let server = Store::new().serve().unwrap();
    let mut client = Client::connect(server.addr());
    let many = "*2\r\n$4\r\nINCR\r\n$1\r\nn\r\n".repeat(10_000);
    let writing = thread::spawn({
        let mut stream = client.0.get_ref().try_clone().unwrap();
        move || stream.write_all(many.as_bytes()).unwrap()
    });
    for n in 1..=10_000 {
        assert_eq!(client.line(), format!(":{n}"));
    }
    writing.join().unwrap();
}

#[test]
fn requests_may_arrive_byte_by_byte() {
    let server = Store::new().serve().unwrap();
    let mut client = Client::connect(server.addr());
    for byte in b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nb\r\ncd\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n" {
        client.send([*byte]);
    }
    assert_eq!([client.line(), client.line(), client.line(), client.line()], ["+OK", "$5", "b", "cd"]);
}

#[test]
fn messages_reach_who_listens() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let mut client = Client::connect(server.addr());
    assert_eq!(client.ask("SUBSCRIBE news"), "*3");
    let confirmed: Vec<_> = (0..5).map(|_| client.line()).collect();
    assert_eq!(confirmed, ["$9", "subscribe", "$4", "news", ":1"]);
    assert_eq!(store.publish("news", "hello").unwrap(), 1);
    let message: Vec<_> = (0..7).map(|_| client.line()).collect();
    assert_eq!(message, ["*3", "$7", "message", "$4", "news", "$5", "hello"]);
}

/// Who says nothing to a server with TLS may take its time, but not beyond the limit of clients.
#[cfg(feature = "tls")]
#[test]
fn who_is_too_many_is_not_waited_for() {
    let (certificate, key) = (include_bytes!("../tls/server.crt"), include_bytes!("../tls/server.key"));
    let server = Server::builder().tls(certificate, key).max_clients(1).start(&Store::new()).unwrap();
    let _first = Client::connect(server.addr());
    until("connection", || server.clients() == 1);
    let began = std::time::Instant::now();
    assert!(Client::connect(server.addr()).is_closed());
    assert!(began.elapsed() < Duration::from_secs(20), "as long as anybody");
    until("end", || server.clients() == 1);
}

/// They come by one transaction, and are more than is written at a time.
#[test]
fn many_long_messages_at_once_all_reach_who_listens() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let mut client = Client::connect(server.addr());
    let page = "x".repeat(20_000);
    client.send("HELLO 3\r\nSUBSCRIBE news\r\nMULTI\r\n");
    (0..12).for_each(|_| _ = client.send(format!("PUBLISH news {page}\r\n")));
    client.send("EXEC\r\n");
    assert!((0..200).any(|_| client.line() == "*12"));
    store.publish("news", "over").unwrap();
    let told: Vec<_> = (0..200).map(|_| client.line()).take_while(|line| line != "over").collect();
    assert_eq!(told.iter().filter(|line| **line == page).count(), 12);
}

#[test]
fn what_is_no_request_ends_the_connection_after_an_error() {
    let server = Store::new().serve().unwrap();
    for (bytes, error) in [
        ("*1\r\n:5\r\n", "-ERR Protocol error: expected '$', got ':'"),
        ("*99999999999\r\n", "-ERR Protocol error: invalid multibulk length"),
        ("*1\r\n$999999999999\r\n", "-ERR Protocol error: invalid bulk length"),
        ("get \"a\r\n", "-ERR Protocol error: unbalanced quotes in request"),
    ] {
        let mut client = Client::connect(server.addr());
        assert_eq!(client.send(bytes).line(), error);
        assert!(client.is_closed(), "{bytes:?}");
    }
}

#[test]
fn the_longest_argument_can_be_another_while_clients_are_connected() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let connect = || Client::connect(server.addr());
    let (mut client, mut old) = (connect(), connect());
    assert_eq!(old.ask("SET page x"), "+OK");
    assert_eq!(client.ask("CONFIG SET proto-max-bulk-len 1mb"), "+OK");
    assert_eq!(
        client.ask("SETRANGE page 1048576 x"),
        "-ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    );
    let announced = "*2\r\n$3\r\nGET\r\n$1048577\r\n";
    assert_eq!(old.send(announced).line(), "-ERR Protocol error: invalid bulk length");
    assert_eq!(client.ask("CONFIG SET proto-max-bulk-len 2mb"), "+OK");
    assert_eq!(client.ask("SETRANGE page 1048576 x"), ":1048577");
    let mut new = connect();
    assert_eq!(new.send(announced).send("x".repeat(1_048_577)).send("\r\n").line(), "$-1");
}

#[test]
fn a_session_of_the_server_s_own_is_nobody_s_to_disconnect() {
    let server = Store::new().serve().unwrap();
    let mut own = server.session();
    let mut client = Client::connect(server.addr());
    assert_eq!(client.ask("CLIENT KILL TYPE normal"), ":0");
    assert_eq!(own.call(["DBSIZE"]), larder::Reply::Integer(0));
    assert_eq!(server.parameter("tcp-keepalive"), "300");
}

/// What the system says of its sockets: the timer of one that is asked after is of the second kind, and the others have none.
#[cfg(target_os = "linux")]
#[test]
fn the_system_asks_after_clients_of_whom_nothing_is_heard() {
    let server = Store::new().serve().unwrap();
    let timer = |client: &Client| {
        let ends = [client.0.get_ref().peer_addr().unwrap(), client.0.get_ref().local_addr().unwrap()];
        let ends = ends.map(|end| format!("0100007F:{:04X}", end.port()));
        let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let mut sockets = sockets.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let socket = sockets.find(|socket| socket[1..3] == ends)?;
        socket[5].split_once(':').map(|(kind, _)| kind.to_owned())
    };
    let mut first = Client::connect(server.addr());
    assert_eq!(first.ask("CONFIG SET tcp-keepalive 0"), "+OK");
    let mut second = Client::connect(server.addr());
    assert_eq!(second.ask("PING"), "+PONG");
    // What is on its way has a timer of its own, until the other end has confirmed it.
    until("both timers", || [&first, &second].map(timer) == [Some("02".to_owned()), Some("00".to_owned())]);
}

/// What would have been said of the store is not.
#[test]
fn a_server_that_does_not_start_leaves_the_store_as_it_was() {
    let store = Store::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    assert!(Server::builder().password("secret").bind(&addr).start(&store).is_err());
    #[cfg(unix)]
    {
        let nowhere = std::path::Path::new("/no/such/folder/larder.sock");
        assert!(Server::builder().password("secret").unix_socket(nowhere).start(&store).is_err());
    }
    assert!(Server::builder().password("secret").no_tcp().start(&store).is_err());
    for rules in ["+nosuch", "(+get", "on what"] {
        let users = Server::builder().password("secret").user("ann", "on nopass").user("bob", rules);
        assert!(users.start(&store).is_err(), "{rules}");
    }
    assert_eq!(store.session().call(["ACL", "USERS"]), Reply::Array(vec![Reply::Bulk("default".into())]));
    let changed = Server::builder().user("ann", "on >old").user("ann", "<old >new").start(&Store::new());
    let mut client = Client::connect(changed.as_ref().unwrap().addr());
    assert_eq!(client.ask("AUTH ann new"), "+OK");
    let server = store.serve().unwrap();
    assert_eq!(Client::connect(server.addr()).ask("PING"), "+PONG");
}

#[test]
fn one_client_too_many_is_told_so() {
    let server = Server::builder().max_clients(2).start(&Store::new()).unwrap();
    let mut clients: Vec<_> = (0..2).map(|_| Client::connect(server.addr())).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.ask("GET a"), "$-1"));
    let mut third = Client::connect(server.addr());
    assert_eq!(third.line(), "-ERR max number of clients reached");
    assert!(third.is_closed());
    drop(clients);
    while server.clients() > 0 {
        thread::yield_now();
    }
    assert_eq!(Client::connect(server.addr()).ask("GET a"), "$-1");
}

#[test]
fn who_says_nothing_is_disconnected_after_the_idle_time() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let server = Server::builder().idle_timeout(Duration::from_secs(60)).start(&store).unwrap();
    let (mut client, mut listener) = (Client::connect(server.addr()), Client::connect(server.addr()));
    assert_eq!(client.ask("GET a"), "$-1");
    assert_eq!(listener.ask("SUBSCRIBE news"), "*3");
    // It may not have begun to wait when the clock is moved first.
    while server.clients() > 1 {
        clock.advance(Duration::from_secs(60));
        thread::yield_now();
    }
    assert!(client.is_closed());
    assert_eq!(store.publish("news", "still there").unwrap(), 1);
}

#[test]
fn who_is_sending_a_request_is_not_idle() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let server = Server::builder().idle_timeout(Duration::from_secs(60)).start(&store).unwrap();
    let mut client = Client::connect(server.addr());
    let begun = "*2\r\n$3\r\nGET\r\n$5\r\n";
    client.send(begun);
    for at in 1..=5 {
        client.send("a");
        until("byte", || {
            let Reply::Verbatim(_, list) = store.session().call(["CLIENT", "LIST"]) else {
                panic!("no text")
            };
            String::from_utf8_lossy(&list).contains(&format!(" tot-net-in={} ", begun.len() + at))
        });
        clock.advance(Duration::from_secs(40));
    }
    assert_eq!(client.send("\r\n").line(), "$-1");
}

#[test]
fn a_server_that_is_dropped_leaves_its_port_free_and_its_clients_go() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let addr = server.addr();
    let mut client = Client::connect(addr);
    assert_eq!(client.ask("SET a 1"), "+OK");
    drop(server);
    let again = TcpListener::bind(addr).expect("the port is free");
    assert!(client.is_closed());
    drop(again);
    assert_eq!(store.get("a").unwrap(), Some(1));
}

#[test]
fn a_stop_can_be_awaited_and_waits_for_the_last_client() {
    let server = Store::new().serve().unwrap();
    let addr = server.addr();
    let mut clients: Vec<_> = (0..10).map(|_| Client::connect(addr)).collect();
    clients.iter_mut().for_each(|client| assert_eq!(client.ask("SET a 1"), "+OK"));
    block_on(server.stop());
    assert!(clients.iter_mut().all(Client::is_closed));
    assert!(TcpStream::connect(addr).is_err());
}

#[test]
fn a_client_that_reads_nothing_holds_nobody_up() {
    let store = Store::new();
    store.insert("page", "x".repeat(1 << 20)).unwrap();
    let server = store.serve().unwrap();
    let mut deaf = Client::connect(server.addr());
    deaf.send("GET page\r\n".repeat(1_000));
    let mut other = Client::connect(server.addr());
    assert_eq!(other.ask("SET a 1"), "+OK");
    block_on(server.stop());
}

#[test]
fn who_does_not_keep_up_with_messages_is_disconnected() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let mut slow = Client::connect(server.addr());
    assert_eq!(slow.ask("SUBSCRIBE news"), "*3");
    let payload = "x".repeat(1 << 20);
    // Whatever the system's buffers and the store's backlog hold: in the end it is too much.
    let mut sent = 0;
    while server.clients() > 0 && sent < 10_000 {
        store.publish("news", payload.as_str()).unwrap();
        sent += 1;
        if sent > 64 {
            // It notices when it can write again.
            let _ = slow.0.get_mut().read(&mut [0; 1 << 16]);
        }
    }
    assert_eq!(server.clients(), 0, "after {sent} messages");
}

/// How long a thousand take is measured by the benches (`starts`): beside other tests a time says nothing.
#[test]
fn a_thousand_servers_start_and_stop() {
    for _ in 0..1_000 {
        let server = Store::new().serve().unwrap();
        assert_eq!(Client::connect(server.addr()).ask("SET a 1"), "+OK");
    }
    let servers: Vec<_> = (0..200).map(|_| Store::new().serve().unwrap()).collect();
    for server in &servers {
        assert_eq!(Client::connect(server.addr()).ask("GET a"), "$-1");
    }
}

/// In a process of its own: the runtime of all servers is built with the first of them.
#[test]
fn the_first_servers_may_start_at_once_and_within_tasks() {
    const MARK: &str = "LARDER_TEST_OF_THE_FIRST_SERVERS";
    if std::env::var_os(MARK).is_none() {
        let name = "server::the_first_servers_may_start_at_once_and_within_tasks";
        for _ in 0..5 {
            let mut alone = std::process::Command::new(std::env::current_exe().unwrap());
            let done = alone.args(["--exact", name, "--test-threads=1"]).env(MARK, "1").output().unwrap();
            let said = String::from_utf8_lossy(&done.stdout);
            assert!(done.status.success() && said.contains("1 passed"), "{said}{done:?}");
        }
        return;
    }
    let all_are_there = Barrier::new(8);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let task = tokio::runtime::Builder::new_current_thread().build().unwrap();
                task.block_on(async {
                    all_are_there.wait();
                    let server = Store::new().serve().unwrap();
                    assert_eq!(Client::connect(server.addr()).ask("PING"), "+PONG");
                });
            });
        }
    });
}

#[test]
fn a_client_introduces_itself_and_is_seen() {
    let store = Store::new();
    let server = Server::builder().password("secret").start(&store).unwrap();
    let mut client = Client::connect(server.addr());
    assert_eq!(client.ask("GET a"), "-NOAUTH Authentication required.");
    assert!(client.ask("AUTH wrong").starts_with("-WRONGPASS"));
    assert_eq!(client.ask("AUTH secret"), "+OK");
    assert_eq!(client.ask("CLIENT SETNAME ann"), "+OK");
    client.ask("CLIENT LIST");
    let line = client.line();
    assert!(line.contains(&format!(" laddr={} ", server.addr())), "{line}");
    assert!(line.contains(" addr=127.0.0.1:") && line.contains(" name=ann "), "{line}");
    assert_eq!(client.line(), "");
    client.ask("CONFIG GET port");
    assert_eq!([0; 4].map(|_| client.line())[3], server.port().to_string());

    // What it does not want to hear is not sent.
    client.send("CLIENT REPLY OFF\r\nPING\r\nCLIENT REPLY ON\r\n");
    assert_eq!(client.line(), "+OK");
    assert_eq!(client.ask("QUIT"), "+OK");
    assert!(client.is_closed());
}

#[test]
fn who_has_not_said_the_password_may_say_little() {
    let server = Server::builder().password("secret").start(&Store::new()).unwrap();
    let mut client = Client::connect(server.addr());
    assert_eq!(client.ask("GET a"), "-NOAUTH Authentication required.");
    assert_eq!(client.send("*11\r\n").line(), "-ERR Protocol error: unauthenticated multibulk length");
    let mut client = Client::connect(server.addr());
    assert_eq!(client.ask("AUTH wrong"), "-WRONGPASS invalid username-password pair or user is disabled.");
    assert_eq!(client.ask("AUTH secret"), "+OK");
    assert_eq!(client.ask("GET a"), "$-1");
}

#[test]
fn a_command_that_waits_needs_no_thread_and_follows_the_clock() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let server = store.serve().unwrap();
    let mut clients: Vec<_> = (0..100).map(|_| Client::connect(server.addr())).collect();
    clients.iter_mut().for_each(|client| _ = client.send("BLPOP jobs 5\r\n"));
    while store.waiting().unwrap() < 100 {
        thread::yield_now();
    }
    // Who leaves gives up its place.
    drop(clients.pop());
    while store.waiting().unwrap() > 99 {
        thread::yield_now();
    }
    let jobs: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    store.list::<String>("jobs").extend_back(&jobs).unwrap();
    // The others' time is over.
    clock.advance(Duration::from_secs(5));
    let replies: Vec<String> = clients.iter_mut().map(Client::line).collect();
    assert_eq!(replies.iter().filter(|reply| *reply == "*-1").count(), 39, "{replies:?}");
    assert!(store.list::<String>("jobs").is_empty().unwrap());
}

#[test]
fn nothing_that_is_sent_behind_its_drop_is_carried_out() {
    let store = Store::new();
    for _ in 0..100 {
        let server = store.serve().unwrap();
        let mut client = Client::connect(server.addr());
        assert_eq!(client.ask("SET a 0"), "+OK");
        drop(server);
        let _ = client.0.get_mut().write_all(b"INCR a\r\nINCR a\r\n");
        assert_eq!(client.line(), "");
        assert_eq!(store.get::<u32>("a").unwrap(), Some(0));
    }
}

#[test]
fn its_url_can_be_connected_to_wherever_it_listens() {
    let server = Server::builder().bind("0.0.0.0:0").start(&Store::new()).unwrap();
    assert!(server.addr().ip().is_unspecified());
    assert_eq!(server.url(), format!("redis://127.0.0.1:{}", server.port()));
}

#[test]
fn its_url_names_any_password() {
    for password in ["a/b", "a#b?c", "100%41", "ü:@ +&="] {
        let server = Server::builder().password(password).start(&Store::new()).unwrap();
        let client = redis::Client::open(server.url()).unwrap();
        let mut con = client.get_connection().unwrap();
        assert_eq!(redis::cmd("PING").query::<String>(&mut con).unwrap(), "PONG", "{password}");
    }
}
