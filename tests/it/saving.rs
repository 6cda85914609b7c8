//! SAVE and its kin on stores in this process, and SHUTDOWN of their servers.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use larder::{Compat, ManualClock, Reply, SaveFile, Server, Session, Store};

use crate::support::{Folder, until};

fn text(reply: Reply) -> String {
    match reply {
        Reply::Error(error) => error.to_string(),
        Reply::Status(text) => text.into_owned(),
        Reply::Integer(number) => number.to_string(),
        other => panic!("{other:?}"),
    }
}

fn info(session: &mut Session, name: &str) -> String {
    let Reply::Verbatim(_, info) = session.call(["INFO", "persistence"]) else { panic!("no text") };
    let info = String::from_utf8(info.to_vec()).unwrap();
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap().to_owned()
}

#[test]
fn a_store_without_a_file_names_the_setting() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let mut session = server.store().session();
    for command in ["SAVE", "BGSAVE"] {
        let said = text(session.call([command]));
        assert!(said.starts_with("ERR there is no file to save to: ") && said.contains("save_to"), "{said}");
    }
    assert_eq!(text(session.call(["BGSAVE", "now"])), "ERR syntax error");
    assert_eq!(text(session.call(["BGREWRITEAOF"])), "Background append only file rewriting started");
    let said = text(session.call(["SHUTDOWN"]));
    assert!(said.starts_with("ERR there is no server to shut down"), "{said}");
    assert_eq!(text(session.call(["SHUTDOWN", "NOSAVE", "SAVE"])), "ERR syntax error");
    assert_eq!(text(session.call(["SHUTDOWN", "ABORT"])), "ERR No shutdown in progress.");
}

#[test]
fn saves_are_told_of() {
    let (folder, clock) = (Folder::new(), ManualClock::new());
    let file = SaveFile::Snapshot(folder.path().join("file"));
    let store = Store::builder().clock(&clock).build();
    store.insert("before", 1).unwrap();
    let _server = Server::builder().save_to(file.clone()).start(&store).unwrap();
    let mut session = store.session();
    assert_eq!(info(&mut session, "rdb_changes_since_last_save"), "0");
    assert_eq!(text(session.call(["LASTSAVE"])), "946684800");
    store.insert("a", 1).unwrap();
    assert_eq!(info(&mut session, "rdb_changes_since_last_save"), "1");
    clock.advance(Duration::from_secs(10));
    assert_eq!(text(session.call(["SAVE"])), "OK");
    assert_eq!(info(&mut session, "rdb_changes_since_last_save"), "0");
    assert_eq!(text(session.call(["LASTSAVE"])), "946684810");
    assert_eq!(info(&mut session, "rdb_last_save_time"), "946684810");
    clock.advance(Duration::from_secs(10));
    assert_eq!(text(session.call(["BGSAVE"])), "Background saving started");
    until("end", || info(&mut session, "rdb_bgsave_in_progress") == "0");
    assert_eq!(text(session.call(["LASTSAVE"])), "946684820");
    assert_eq!(file.load(Store::builder()).unwrap().len().unwrap(), 2);
    // Into a folder that is no more.
    drop(folder);
    assert!(text(session.call(["SAVE"])).starts_with("ERR"), "it fails");
    assert_eq!(info(&mut session, "rdb_last_bgsave_status"), "ok");
    session.call(["BGSAVE"]);
    until("end", || info(&mut session, "rdb_bgsave_in_progress") == "0");
    assert_eq!(info(&mut session, "rdb_last_bgsave_status"), "err");
    assert_eq!(text(session.call(["LASTSAVE"])), "946684820");
}

#[test]
fn nothing_is_written_while_what_is_there_cannot_be_saved() {
    let folder = Folder::new();
    let store = Store::new();
    let file = SaveFile::Snapshot(folder.path().join("file"));
    let _server = Server::builder().save_to(file).start(&store).unwrap();
    let mut session = store.session().compat(Compat::Valkey9);
    drop(folder);
    session.call(["CONFIG", "SET", "save", "3600 1"]);
    session.call(["BGSAVE"]);
    until("end", || info(&mut session, "rdb_bgsave_in_progress") == "0");
    let why = "MISCONF Valkey is configured to save RDB snapshots, but it's currently unable to persist to disk. \
               Commands that may modify the data set are disabled, because this instance is configured to report \
               errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check \
               the Valkey logs for details about the RDB error.";
    for words in [&["SET", "a", "1"][..], &["PING"], &["DEL", "none"]] {
        assert_eq!(text(session.call(words)), why);
    }
    assert_eq!(text(session.call(["PUBLISH", "a", "b"])), "0");
    assert_eq!(session.call(["GET", "a"]), Reply::Nil);
    for (command, said) in [("MULTI", "OK"), ("INCR a", why), ("EXEC", "EXECABORT ")] {
        assert!(text(session.call(command.split(' '))).starts_with(said), "{command}");
    }
    #[cfg(feature = "lua")]
    assert!(text(session.call(["EVAL", "return redis.call('SET', 'a', '1')", "0"])).starts_with("MISCONF "));
    // The typed API goes on: who calls it looks at what its own saves give.
    store.insert("a", 1).unwrap();
    session.call(["CONFIG", "SET", "stop-writes-on-bgsave-error", "no"]);
    assert_eq!(text(session.call(["SET", "a", "2"])), "OK");
    session.call(["CONFIG", "SET", "stop-writes-on-bgsave-error", "yes"]);
    assert_eq!(text(session.call(["SET", "a", "2"])), why);
    session.call(["CONFIG", "SET", "save", ""]);
    assert_eq!(text(session.call(["SET", "a", "2"])), "OK");
}

#[test]
fn save_points_follow_the_clock() {
    let (folder, clock) = (Folder::new(), ManualClock::new());
    let file = SaveFile::Snapshot(folder.path().join("file"));
    let store = Store::builder().clock(&clock).build();
    let _server = Server::builder().save_to(file.clone()).start(&store).unwrap();
    let mut session = store.session();
    session.call(["CONFIG", "SET", "save", "60 3 600 1"]);
    // The task that looks may not have begun to wait when the clock is moved first.
    let mut pass = |seconds: u64, saves: &str| {
        for _ in 0..seconds {
            clock.advance(Duration::from_secs(1));
        }
        until("save", || {
            clock.advance(Duration::from_secs(1));
            info(&mut session, "rdb_saves") == saves && info(&mut session, "rdb_bgsave_in_progress") == "0"
        });
    };
    store.insert_many([("a", 1), ("b", 1), ("c", 1)]).unwrap();
    pass(60, "1");
    store.insert("d", 1).unwrap();
    pass(30, "1");
    pass(570, "2");
    assert_eq!(file.load(Store::builder()).unwrap().len().unwrap(), 4);
}

#[test]
fn a_file_of_redis_is_written_as_the_server_that_is_played_writes_it() {
    let folder = Folder::new();
    for (compat, magic) in [(Compat::Redis70, "REDIS0010"), (Compat::Valkey9, "VALKEY080")] {
        let file = SaveFile::Rdb(folder.path().join(magic));
        let store = Store::new();
        let _server = Server::builder().compat(compat).save_to(file.clone()).start(&store).unwrap();
        store.list::<u32>("list").extend_back([1, 2, 3]).unwrap();
        assert_eq!(store.session().call(["SAVE"]), Reply::OK);
        assert!(std::fs::read(file.path()).unwrap().starts_with(magic.as_bytes()));
        assert_eq!(file.load(Store::builder()).unwrap().list::<u32>("list").len().unwrap(), 3);
    }
}

#[test]
fn a_client_shuts_a_server_down_and_the_store_lives_on() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let addr = server.addr();
    let connect = || {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        BufReader::new(stream)
    };
    let (mut client, mut other) = (connect(), connect());
    let line = |client: &mut BufReader<TcpStream>| {
        let mut line = String::new();
        let _ = client.read_line(&mut line);
        line
    };
    other.get_mut().write_all(b"PING\r\n").unwrap();
    assert_eq!(line(&mut other), "+PONG\r\n");
    client.get_mut().write_all(b"SET a 1\r\nSHUTDOWN\r\nSET a 2\r\n").unwrap();
    assert_eq!(
        (line(&mut client), line(&mut client), line(&mut other)),
        ("+OK\r\n".into(), "".into(), "".into())
    );
    until("free port", || TcpListener::bind(addr).is_ok());
    assert_eq!(store.get("a").unwrap(), Some(1));
}
