//! MIGRATE: to each real server, and to one of our own.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::mpsc;
use std::thread;

use larder::{Compat, Protocol, Reply, Store};

use super::redis::Redis;
use super::{Server, words};

/// A store of a server's kind with a key of each type, and one that expires.
fn filled(compat: Compat) -> Store {
    let store = Store::new();
    let mut session = store.session().compat(compat);
    for command in [
        "SET string hello",
        "SET lasting x PX 3600000",
        "RPUSH list a b c",
        "SADD set 1 2 3",
        "HSET hash f v",
        "ZADD sorted 1.5 m",
        "XADD stream 1-1 f v",
    ] {
        assert!(!matches!(session.call(command.split(' ')), Reply::Error(_)), "{command}");
    }
    store
}

fn call(store: &Store, compat: Compat, words: &[&str]) -> String {
    match store.session().compat(compat).call(words.iter().copied()) {
        Reply::Status(text) => text.into_owned(),
        Reply::Error(error) => error.to_string(),
        other => format!("{other:?}"),
    }
}

#[test]
fn keys_move_to_a_real_server() {
    for server in Server::each() {
        let port = server.port().to_string();
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        let compat = redis.compat;
        let store = filled(compat);
        let migrate =
            |more: &[&str]| call(&store, compat, &[&["MIGRATE", "127.0.0.1", &port], more].concat());
        let mut ask = |command: &str| {
            let words = command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
            String::from_utf8_lossy(&redis.ask(&words)).into_owned()
        };
        assert_eq!(migrate(&["nothing", "0", "1000"]), "NOKEY");
        assert_eq!(migrate(&["string", "0", "1000", "COPY"]), "OK");
        assert_eq!((ask("GET string"), store.contains("string").unwrap()), ("$5\r\nhello\r\n".into(), true));
        let busy = "ERR Target instance replied with error: BUSYKEY Target key name already exists.";
        assert_eq!(migrate(&["string", "0", "1000"]), busy);
        assert!(store.contains("string").unwrap());
        store.insert("string", "other").unwrap();
        assert_eq!(migrate(&["string", "0", "1000", "REPLACE"]), "OK");
        assert_eq!((ask("GET string"), store.contains("string").unwrap()), ("$5\r\nother\r\n".into(), false));

        ask("SET set already");
        let several =
            ["", "0", "1000", "KEYS", "nothing", "lasting", "list", "set", "hash", "sorted", "stream"];
        assert_eq!(migrate(&several), busy);
        // What could go has gone.
        assert_eq!(store.scan().map(Result::unwrap).collect::<Vec<_>>(), ["set"]);
        assert_eq!(ask("LRANGE list 1 1"), "*1\r\n$1\r\nb\r\n");
        assert_eq!(ask("ZSCORE sorted m"), "$3\r\n1.5\r\n");
        assert_eq!(ask("XLEN stream"), ":1\r\n");
        let left: i64 = ask("PTTL lasting")[1..].trim().parse().unwrap();
        assert!((3_590_000..=3_600_000).contains(&left), "{left}");

        let away = "ERR Target instance replied with error: ERR ";
        assert!(migrate(&["set", "99", "1000"]).starts_with(away));
        assert!(migrate(&["set", "0", "1000", "AUTH", "wrong"]).starts_with(away));
        ask("CONFIG SET requirepass secret");
        let needs = "ERR Target instance replied with error: NOAUTH Authentication required.";
        assert_eq!(migrate(&["set", "1", "1000"]), needs);
        assert_eq!(migrate(&["set", "1", "1000", "AUTH", "secret"]), "OK");
        store.insert("again", "x").unwrap();
        assert_eq!(migrate(&["again", "1", "1000", "AUTH2", "default", "secret"]), "OK");
        assert!(store.is_empty().unwrap());
    }
}

#[test]
fn what_makes_no_sense_is_refused_as_by_each_real_server() {
    let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let nobody = unused.local_addr().unwrap().port().to_string();
    drop(unused);
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        redis.ask(&words!["SET", "a", 1]);
        let mut session = Store::new().session().compat(redis.compat);
        session.call(["SET", "a", "1"]);
        let mut same = |more: &str| {
            let command = format!("MIGRATE 127.0.0.1 {nobody} {more}");
            let words: Vec<Vec<u8>> = command
                .split(' ')
                .map(|word| if word == "''" { Vec::new() } else { word.as_bytes().to_vec() })
                .collect();
            let expected = redis.ask(&words);
            let reply = session.call(words.iter().map(|word| &word[..]));
            let got = session.encode(&reply);
            assert_eq!(got.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{command}");
        };
        for more in [
            "a 0",
            "a 0 x",
            "a x 10",
            "a x x",
            "a 0 10 KEYS a",
            "'' 0 10 KEYS",
            "'' 0 10 KEYS b c",
            "b 0 10",
            "b x 10",
            "a 0 10 FOO",
            "a 0 10 AUTH",
            "a 0 10 AUTH2 x",
            "a 0 10 COPY COPY KEYS",
            "a 0 10",
            "a 0 -1",
            "a 0 0 REPLACE",
            "'' 0 10 KEYS a b",
            "a 99 10 AUTH x",
        ] {
            same(more);
        }
    }
}

#[test]
fn a_server_that_does_not_answer_is_given_up_and_holds_up_nobody() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let store = filled(Compat::default());
    let (come, has_come) = mpsc::channel();
    let silent = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        come.send(()).unwrap();
        let mut received = Vec::new();
        // Until the other side has had enough.
        stream.read_to_end(&mut received).unwrap();
        received
    });
    let waiting = {
        let store = store.clone();
        thread::spawn(move || {
            call(&store, Compat::default(), &["MIGRATE", "127.0.0.1", &port, "string", "3", "1500"])
        })
    };
    has_come.recv().unwrap();
    // The store serves others, and scripts too.
    store.insert("other", 1).unwrap();
    if cfg!(feature = "lua") {
        let script = ["EVAL", "return redis.call('DEL', KEYS[1])", "1", "list"];
        assert_eq!(store.session().call(script), Reply::Integer(1));
    }
    assert_eq!(waiting.join().unwrap(), "IOERR error or timeout reading to target instance");
    let received = silent.join().unwrap();
    assert!(
        received.starts_with(
            b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n*4\r\n$7\r\nRESTORE\r\n$6\r\nstring\r\n$1\r\n0\r\n"
        )
    );
    assert!(store.contains("string").unwrap());
}

#[test]
fn a_key_that_is_written_on_its_way_is_not_lost() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let store = filled(Compat::default());
    let other = store.clone();
    let slow = thread::spawn(move || {
        use std::io::Write;
        let mut stream = listener.accept().unwrap().0;
        let mut some = [0; 16];
        stream.read_exact(&mut some).unwrap();
        other.insert("string", "newer").unwrap();
        stream.write_all(b"+OK\r\n+OK\r\n+OK\r\n").unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    });
    let told = call(
        &store,
        Compat::default(),
        &["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS", "string", "list"],
    );
    assert_eq!(told, "ERR 'string' was changed while it was copied, and is on both servers now");
    slow.join().unwrap();
    assert_eq!(store.get::<String>("string").unwrap().as_deref(), Some("newer"));
    assert!(!store.contains("list").unwrap());
}

#[test]
fn a_store_moves_keys_to_another_and_to_itself() {
    let (store, target) = (filled(Compat::default()), Store::new());
    let server = target.serve().unwrap();
    let own = store.serve().unwrap();
    let mut client = crate::server::Client::connect(own.addr());
    let port = server.port();
    assert_eq!(client.ask(&format!("MIGRATE 127.0.0.1 {port} hash 0 1000")), "+OK");
    assert!(target.contains("hash").unwrap() && !store.contains("hash").unwrap());
    let to_itself = format!("MIGRATE 127.0.0.1 {} list 5 1000", own.port());
    assert_eq!(client.ask(&to_itself), "+OK");
    assert!(store.db(5).unwrap().contains("list").unwrap() && !store.contains("list").unwrap());
    // A key that is named twice arrives twice, for which the second has to replace the first.
    let twice = |more| format!("MIGRATE 127.0.0.1 {port} \"\" 0 1000 {more} KEYS string string");
    assert_eq!(client.ask(&twice("REPLACE")), "+OK");
    assert!(target.contains("string").unwrap() && !store.contains("string").unwrap());
    store.insert("again", 1).unwrap();
    let refused = client.ask(&twice("").replace("string", "again"));
    assert_eq!(refused, "-ERR Target instance replied with error: BUSYKEY Target key name already exists.");
    assert!(target.contains("again").unwrap() && !store.contains("again").unwrap());
    // It waits, which nothing does that holds all.
    client.ask("MULTI");
    client.ask(&format!("MIGRATE 127.0.0.1 {port} set 0 1000"));
    assert_eq!(client.ask("EXEC"), "*1");
    assert!(client.line().starts_with("-ERR MIGRATE waits for another server"));
    assert!(store.contains("set").unwrap());
}
