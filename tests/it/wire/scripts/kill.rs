//! Scripts that do not end: others wait for them, are told that they are busy, and can end them.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use larder::{Compat, IntoValue, ManualClock, Reply, Session, Store};

const SCRIPT: &str = "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.";
const FUNCTION: &str =
    "BUSY Redis is busy running a script. You can only call FUNCTION KILL or SHUTDOWN NOSAVE.";

pub(super) fn text(reply: Reply) -> String {
    match reply {
        Reply::Error(error) => error.to_string(),
        Reply::Status(text) => text.into_owned(),
        other => panic!("neither error nor status: {other:?}"),
    }
}

fn running(session: &mut Session) -> bool {
    let Reply::Map(facts) = session.call(["FUNCTION", "STATS"]) else { panic!("no map") };
    facts[0].1 != Reply::Nil
}

/// Has another thread run a command, and waits until its script runs.
pub(super) fn start<W: IntoValue + Send + 'static>(
    store: &Store,
    words: Vec<W>,
) -> thread::JoinHandle<Reply> {
    let mut session = store.session();
    let thread = thread::spawn(move || session.call(words));
    let mut other = store.session();
    while !running(&mut other) {
        thread::yield_now();
    }
    thread
}

#[test]
fn a_script_without_an_end_is_killed_even_if_it_catches_errors() {
    for script in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() while true do pcall(f) end end f()",
        "while true do coroutine.wrap(function() while true do end end)() end",
        "while true do pcall(coroutine.wrap(function() for i = 1, 1e5 do end end)) end",
        "while true do pcall(function() pcall(coroutine.wrap(function() for i = 1, 1e6 do end end)) \
         for i = 1, 1e5 do end end) end",
        "xpcall(function() while true do end end, function() while true do end end)",
        "xpcall(function() error('x') end, function() while true do end end)",
        "while true do redis.call('get', 'a') end",
        "while true do redis.pcall('what') end",
        "local t = {} while true do table.insert(t, 1) table.remove(t) end",
        "while true do table.insert({}, -2^31, 1) end",
    ] {
        let store = Store::new();
        let runs = start(&store, vec!["EVAL", script, "0"]);
        let mut other = store.session();
        assert_eq!(text(other.call(["FUNCTION", "KILL"])), SCRIPT);
        assert_eq!(other.call(["SCRIPT", "KILL"]), Reply::OK, "{script}");
        let error = text(runs.join().unwrap());
        assert!(
            error.starts_with("ERR Script killed by user with SCRIPT KILL... script: "),
            "{script}: {error}"
        );
        assert_eq!(text(other.call(["SCRIPT", "KILL"])), "NOTBUSY No scripts in execution right now.");
        assert_eq!(other.call(["EVAL", "return 5", "0"]), Reply::Integer(5));
    }
}

/// The texts are those of the live servers.
#[test]
fn who_was_killed_is_told_as_that_server_does() {
    for compat in [Compat::Redis70, Compat::Redis82, Compat::Valkey9] {
        for (words, kill) in
            [(vec!["EVAL", "while true do end", "0"], "SCRIPT"), (vec!["FCALL", "loops", "0"], "FUNCTION")]
        {
            let store = Store::new();
            let mut session = store.session().compat(compat);
            session.call([
                "FUNCTION",
                "LOAD",
                "#!lua name=lib\nredis.register_function('loops', function() while true do end end)",
            ]);
            let runs = thread::spawn(move || session.call(words));
            let mut other = store.session().compat(compat);
            while !running(&mut other) {
                thread::yield_now();
            }
            assert_eq!(other.call([kill, "KILL"]), Reply::OK);
            let expected = match compat {
                Compat::Valkey9 => format!("ERR Script killed by user with {kill} KILL. script: on @user_"),
                _ => "ERR Script killed by user with SCRIPT KILL... script: ".into(),
            };
            let error = text(runs.join().unwrap());
            assert!(error.starts_with(&expected), "{compat:?}: {error}");
        }
    }
}

#[test]
fn others_wait_until_it_is_late_and_then_are_told() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let watching = {
        let mut session = store.session();
        session.call(["WATCH", "a"]);
        session
    };
    let code = "#!lua name=lib\nredis.register_function('loops', function() while true do end end)";
    store.session().call(["FUNCTION", "LOAD", code]);
    for (words, kill, busy) in [
        (vec!["EVAL", "while true do end", "0"], "SCRIPT", SCRIPT),
        (vec!["FCALL", "loops", "0"], "FUNCTION", FUNCTION),
    ] {
        let runs = start(&store, words);
        let waiting: Vec<_> = [vec!["GET", "a"], vec!["EVAL", "return 1", "0"], vec!["SET", "a", "b"]]
            .into_iter()
            .map(|words| {
                let mut session = store.session();
                thread::spawn(move || session.call(words))
            })
            .collect();
        clock.advance(Duration::from_secs(5));
        for thread in waiting {
            assert_eq!(text(thread.join().unwrap()), busy);
        }
        let mut session = store.session();
        assert_eq!(session.call(["MULTI"]), Reply::OK);
        assert_eq!(text(session.call(["GET", "a"])), busy);
        assert_eq!(session.call(["DISCARD"]), Reply::OK);
        assert_eq!(session.call([kill, "KILL"]), Reply::OK);
        assert!(text(runs.join().unwrap()).contains("with SCRIPT KILL... script: "));
        assert_eq!(session.call(["GET", "a"]), Reply::Nil);
    }
    // It takes a lock to forget what it watches, which must not keep who drops it.
    let runs = start(&store, vec!["EVAL", "while true do end", "0"]);
    drop(watching);
    assert_eq!(store.session().call(["SCRIPT", "KILL"]), Reply::OK);
    runs.join().unwrap();
}

#[test]
fn one_that_has_written_is_not_killed() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let messages = store.subscribe(["written"]);
    // INFO shows the clock as it is.
    let script = "local function uptime() return redis.call('info', 'server'):match('uptime_in_seconds:(%d+)') end \
                  local start = uptime() redis.call('set', 'a', 'b') redis.call('publish', 'written', 'x') \
                  while uptime() == start do end return 'done'";
    let runs = start(&store, vec!["EVAL", script, "0"]);
    while messages.try_recv().is_none() {
        thread::yield_now();
    }
    let mut other = store.session();
    assert!(text(other.call(["SCRIPT", "KILL"])).starts_with("UNKILLABLE Sorry the script already executed"));
    clock.advance(Duration::from_secs(1));
    assert_eq!(runs.join().unwrap(), Reply::Bulk("done".into()));
    assert_eq!(other.call(["GET", "a"]), Reply::Bulk("b".into()));
}

/// Whichever of them is first: who was told OK finds nothing written.
#[test]
fn one_that_is_killed_writes_nothing_more() {
    let store = Store::new();
    let mut other = store.session();
    for round in 0..300 {
        let script =
            format!("for i = 1, {} do end redis.pcall('set', 'a', 1) redis.pcall('incr', 'a')", 50 * round);
        let mut session = store.session();
        let runs = thread::spawn(move || session.call(["EVAL", &script, "0"]));
        let is_killed = loop {
            match other.call(["SCRIPT", "KILL"]) {
                Reply::Error(error) if error.code() == "NOTBUSY" && !runs.is_finished() => {}
                reply => break reply == Reply::OK,
            }
        };
        runs.join().unwrap();
        let expected = if is_killed { Reply::Integer(0) } else { Reply::Integer(1) };
        assert_eq!(other.call(["DEL", "a"]), expected, "{round}");
    }
}

#[test]
fn scripts_of_many_sessions_take_turns() {
    let store = Arc::new(Store::new());
    let script = "local n = redis.call('incr', 'n') redis.call('set', 'n', n) return n";
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let mut session = store.session();
            thread::spawn(move || {
                for _ in 0..100 {
                    session.call(["EVAL", script, "0"]);
                    session.call(["INCR", "n"]);
                    for words in [vec!["MULTI"], vec!["EVAL", script, "0"], vec!["EXEC"]] {
                        session.call(words);
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(store.get("n").unwrap(), Some(1200));
}

#[test]
fn a_script_leaves_nothing_behind_in_what_cannot_be_changed() {
    let mut session = Store::new().session();
    for script in ["error(redis)", "error(_G)", "__redis__err__handler(redis)", "table.insert(redis, 1)"] {
        session.call(["EVAL", script, "0"]);
        let seen =
            session.call(["EVAL", "return type(redis.source) .. type(redis[1]) .. type(_G.redis)", "0"]);
        assert_eq!(seen, Reply::Bulk(b"nilniltable".as_slice().into()), "{script}");
    }
}

#[test]
fn memory_has_an_end() {
    let store = Store::new();
    let mut session = store.session();
    let hungry = "local t = {} while true do t[#t + 1] = string.rep('x', 1000000) .. #t end";
    for script in [hungry, "local s = 'x' while true do s = s .. s end"] {
        let error = text(session.call(["EVAL", script, "0"]));
        assert_eq!(error, "ERR not enough memory: the scripts of a store have 256 MB");
    }
    assert_eq!(session.call(["EVAL", "return 5", "0"]), Reply::Integer(5));
}

#[cfg(feature = "server")]
#[test]
fn a_server_answers_while_a_script_runs() {
    use crate::wire::redis::Redis;
    use crate::wire::words;
    use larder::Protocol;

    let server = Store::new().serve().unwrap();
    let port = server.port();
    // More than the server has threads.
    let mut clients: Vec<_> = (0..8).map(|_| Redis::connect(port, Protocol::Resp2)).collect();
    let (mut runs, mut kills) = (clients.pop().unwrap(), clients.pop().unwrap());
    let runs = thread::spawn(move || runs.ask(&words!["EVAL", "while true do end", "0"]));
    while !kills.ask(&words!["FUNCTION", "STATS"]).windows(4).any(|part| part == b"EVAL" || part == b"eval") {
        thread::yield_now();
    }
    let waiting: Vec<_> = clients
        .into_iter()
        .map(|mut client| thread::spawn(move || client.ask(&words!["GET", "a"])))
        .collect();
    // Several of them are waiting at some time in this.
    for _ in 0..200 {
        assert_eq!(kills.ask(&words!["HELLO", "9"])[0], b'-');
    }
    assert_eq!(kills.ask(&words!["SCRIPT", "KILL"]), b"+OK\r\n");
    assert!(runs.join().unwrap().starts_with(b"-ERR Script killed"));
    for client in waiting {
        assert_eq!(client.join().unwrap(), b"$-1\r\n");
    }
}

/// What clients leave behind, and what a server does by itself, takes locks that the script holds.
#[cfg(feature = "server")]
#[test]
fn a_server_answers_whatever_ends_while_a_script_runs() {
    use crate::support::{Folder, until};
    use crate::wire::redis::Redis;
    use crate::wire::words;
    use larder::{Protocol, SaveFile, Server};

    let (clock, folder) = (ManualClock::new(), Folder::new());
    let store = Store::builder().clock(&clock).build();
    let server = Server::builder().save_to(SaveFile::Snapshot(folder.join("file"))).start(&store).unwrap();
    let [mut leaves, mut waits, mut watches, mut runs, mut kills] =
        [(); 5].map(|()| Redis::connect(server.port(), Protocol::Resp2));
    assert_eq!(kills.ask(&words!["CONFIG", "SET", "save", "5 1"]), b"+OK\r\n");
    kills.ask(&words!["SET", "a", "1"]);
    leaves.send(&words!["BLPOP", "queue", "0"]);
    waits.send(&words!["BLPOP", "queue", "5"]);
    assert!(store.wait_for_blocked(2, Duration::from_secs(60)));
    watches.ask(&words!["WATCH", "a"]);
    runs.send(&words!["EVAL", "while true do end", "0"]);
    while !kills.ask(&words!["FUNCTION", "STATS"]).windows(4).any(|part| part == b"EVAL" || part == b"eval") {
        thread::yield_now();
    }
    let clients = server.clients();
    drop((leaves, watches));
    until("end of those who have left", || server.clients() == clients - 2);
    // A save point is reached too.
    clock.advance(Duration::from_secs(6));
    assert_eq!(waits.next(), b"*-1\r\n");
    assert!(kills.ask(&words!["GET", "a"]).starts_with(b"-BUSY"));
    assert_eq!(kills.ask(&words!["SCRIPT", "KILL"]), b"+OK\r\n");
    assert!(runs.next().starts_with(b"-ERR Script killed"));
    assert_eq!(kills.ask(&words!["LPUSH", "queue", "x"]), b":1\r\n");
}

/// All that has been read of it is carried out, also if it sends no more by then.
#[cfg(feature = "server")]
#[test]
fn what_one_has_sent_who_closes_its_end_while_a_script_runs_counts() {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpStream};

    use crate::support::until;

    let store = Store::new();
    let server = store.serve().unwrap();
    for _ in 0..20 {
        let runs = start(&store, vec!["EVAL", "while true do end", "0"]);
        let mut client = TcpStream::connect(server.addr()).unwrap();
        client.write_all(b"SET a 1\r\nINCR a\r\n").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        until("client", || server.clients() == 1);
        // It is held up by the script, and does not go before it is told.
        (0..1_000).for_each(|_| thread::yield_now());
        assert_eq!(store.session().call(["SCRIPT", "KILL"]), Reply::OK);
        runs.join().unwrap();
        let mut told = String::new();
        client.read_to_string(&mut told).unwrap();
        assert_eq!(told, "+OK\r\n:2\r\n");
        until("its end", || server.clients() == 0);
    }
}
