//! A server's Unix socket, beside its TCP port or instead of it.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use larder::{Server, Store};

use crate::server::Client;

/// A path that nothing else uses.
fn path() -> PathBuf {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir().join(format!("larder-{}-{count}.sock", std::process::id()))
}

fn ask(stream: &mut UnixStream, command: &str) -> String {
    stream.write_all(format!("{command}\r\n").as_bytes()).unwrap();
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).unwrap();
    line.trim_end().to_owned()
}

#[test]
fn both_doors_lead_to_the_same_store() {
    let (store, path) = (Store::new(), path());
    let server = Server::builder().unix_socket(&path).start(&store).unwrap();
    let mut near = UnixStream::connect(&path).unwrap();
    assert_eq!(ask(&mut near, "SET greeting hello"), "+OK");
    let mut far = Client::connect(server.addr());
    assert_eq!(far.ask("STRLEN greeting"), ":5");
    assert_eq!(server.clients(), 2);
    assert!(server.url().starts_with("redis://127.0.0.1:"));
    assert_eq!(server.unix_url().unwrap(), format!("redis+unix://{}", path.display()));
    near.write_all(b"CLIENT INFO\r\n").unwrap();
    let mut lines = BufReader::new(&near).lines();
    let line = lines.by_ref().nth(1).unwrap().unwrap();
    assert!(line.contains(&format!(" addr={0}:0 laddr={0}:0 ", path.display())), "{line}");
    drop(server);
    assert!(!path.exists());
    assert_eq!(UnixStream::connect(&path).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn a_socket_may_be_the_only_door() {
    let path = path();
    let server = Server::builder()
        .no_tcp()
        .unix_socket_with(&path, 0o600)
        .password("a b")
        .start(&Store::new())
        .unwrap();
    assert_eq!((server.port(), server.unix_socket()), (0, Some(&*path)));
    assert_eq!(server.url(), format!("redis+unix://{}?pass=a%20b", path.display()));
    let found = fs::metadata(&path).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o600);
    let mut client = UnixStream::connect(&path).unwrap();
    assert_eq!(ask(&mut client, "AUTH \"a b\""), "+OK");
    let nowhere = Server::builder().no_tcp().start(&Store::new()).unwrap_err();
    assert_eq!(nowhere.kind(), ErrorKind::InvalidInput);
}

#[test]
fn what_nobody_listens_on_is_replaced_and_nothing_else() {
    let path = path();
    // As a process leaves it that was killed.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let first = Server::builder().unix_socket(&path).start(&Store::new()).unwrap();
    let second = Server::builder().unix_socket(&path).start(&Store::new()).unwrap_err();
    assert_eq!(second.kind(), ErrorKind::AddrInUse);
    assert_eq!(ask(&mut UnixStream::connect(&path).unwrap(), "PING"), "+PONG");

    // One that has come in its place stays when it goes.
    fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    drop(first);
    assert!(path.exists());
    drop(other);
    fs::remove_file(&path).unwrap();

    fs::write(&path, "a file of somebody's").unwrap();
    let error = Server::builder().unix_socket(&path).start(&Store::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert_eq!(fs::read(&path).unwrap(), b"a file of somebody's");
    fs::remove_file(&path).unwrap();
}
