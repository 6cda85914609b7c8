//! As harnesses start `redis-server`; and `larder-server run`.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::Stdio;

use super::{Client, Program, ended, program};
use crate::support::{Folder, until};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A line of options, each with one word behind it, and a port on which it waits for an answer.
#[test]
fn as_pytest_redis_starts_it() {
    let folder = Folder::new();
    let path = |name: &str| folder.path().join(name).to_string_lossy().into_owned();
    let (port, log, pid, socket) = (free_port().to_string(), path("log"), path("pid"), path("redis.sock"));
    let directory = folder.path().to_string_lossy().into_owned();
    let mut child = program(
        folder.path(),
        &[
            "--daemonize",
            "no",
            "--rdbcompression",
            "yes",
            "--rdbchecksum",
            "no",
            "--appendonly",
            "no",
            "--databases",
            "8",
            "--timeout",
            "60",
            "--pidfile",
            &pid,
            "--unixsocket",
            &socket,
            "--dbfilename",
            "dump.rdb",
            "--logfile",
            &log,
            "--loglevel",
            "notice",
            "--syslog-enabled",
            "no",
            "--port",
            &port,
            "--dir",
            &directory,
            "--save",
            "900 1 300 10",
        ],
    )
    .stdout(Stdio::null())
    .spawn()
    .unwrap();
    let port = port.parse().unwrap();
    until("answer", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    let mut client = Client::connect(port);
    assert_eq!(client.ask("SET a 1"), "OK");
    assert_eq!(client.config("save"), "900 1 300 10");
    until("log", || fs::read_to_string(&log).is_ok_and(|log| log.contains("Ready to accept connections")));
    assert_eq!(fs::read_to_string(&pid).unwrap(), format!("{}\n", child.id()));
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(ended(&mut child).code(), Some(0));
    assert!(folder.path().join("dump.rdb").exists() && !fs::exists(&pid).unwrap());
}

/// A chosen port, an empty `--save`, and a wait for the line that says it is ready.
#[test]
fn as_redis_memory_server_starts_it() {
    let folder = Folder::new();
    let port = free_port().to_string();
    let mut server = Program::spawn(program(
        folder.path(),
        &["--save", "", "--appendonly", "no", "--port", &port, "--bind", "127.0.0.1"],
    ));
    server.says("Ready to accept connections");
    assert_eq!(server.port.to_string(), port);
    server.client().ask("SET a 1");
    server.signal("INT");
    assert_eq!(server.ended().code(), Some(0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn run_passes_on_the_exit_code() {
    let folder = Folder::new();
    let run = |command: &[&str]| {
        let output = program(folder.path(), &[&["run", "--"], command].concat()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    assert_eq!(run(&["true"]), (Some(0), String::new()));
    assert_eq!(run(&["sh", "-c", "exit 3"]), (Some(3), String::new()));
    assert_eq!(run(&["sh", "-c", "kill -9 $$"]), (Some(128 + 9), String::new()));
    assert_eq!(run(&["sh", "-c", "kill -TERM $$"]), (Some(128 + 15), String::new()));
    assert_eq!(run(&["no-such-program"]).0, Some(127));
    assert_eq!(run(&["/"]).0, Some(126));
    let same = "test \"$REDIS_URL\" = redis://$REDIS_HOST:$REDIS_PORT && test $REDIS_PORT -gt 0 && echo same";
    assert_eq!(run(&["sh", "-c", same]), (Some(0), "same\n".into()));
    let usage = program(folder.path(), &["run", "true"]).output().unwrap();
    assert_eq!(usage.status.code(), Some(1));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "it keeps nothing");
}

#[test]
fn run_serves_the_command_and_ends_with_it() {
    let folder = Folder::new();
    let script = "echo $REDIS_PORT; read line; exit 7";
    let mut child = program(folder.path(), &["run", "--databases", "2", "--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().parse().unwrap();
    let mut client = Client::connect(port);
    assert_eq!(client.ask("SET a 1"), "OK");
    assert_eq!(client.config("databases"), "2");
    assert!(client.ask("SAVE").starts_with("ERR there is no file to save to"));
    child.stdin.take().unwrap().write_all(b"go\n").unwrap();
    assert_eq!(ended(&mut child).code(), Some(7));
    assert!(std::net::TcpStream::connect(("127.0.0.1", port)).is_err());
}

/// The output is the command's; what there is to tell goes to a file if there is one.
#[test]
fn run_keeps_a_log_and_a_file_with_its_id() {
    let folder = Folder::new();
    let arguments = ["run", "--logfile", "log", "--pidfile", "pid", "--", "sh", "-c", "cat pid; cat log"];
    let child = program(folder.path(), &arguments).stdout(Stdio::piped()).spawn().unwrap();
    let id = child.id();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let (pid, log) = said.split_once('\n').unwrap();
    assert_eq!(pid, id.to_string());
    assert!(log.contains("Ready to accept connections tcp"), "{said}");
    assert_eq!(output.status.code(), Some(0));
    assert!(!folder.path().join("pid").exists());
    // The program itself may be told to say nothing.
    let arguments = ["--port", "0", "--loglevel", "nothing", "--logfile", "quiet"];
    let server = Program::spawn(program(folder.path(), &arguments));
    assert_eq!(server.client().ask("PING"), "PONG");
    assert_eq!(fs::read(folder.path().join("quiet")).unwrap(), b"");
}

#[test]
fn run_hands_a_signal_to_the_command() {
    for (name, code) in [("-TERM", 5), ("-INT", 6)] {
        hands(name, code);
    }
}

fn hands(signal: &str, code: i32) {
    let folder = Folder::new();
    let script = "trap 'exit 5' TERM; trap 'exit 6' INT; echo ready; while :; do read line || sleep 1; done";
    let mut child = program(folder.path(), &["run", "--", "sh", "-c", script])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args([signal, &id]).status().unwrap().success());
    // The shell looks at signals between its commands.
    drop(child.stdin.take());
    assert_eq!(ended(&mut child).code(), Some(code));
}
