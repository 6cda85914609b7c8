//! Saving and loading a million small keys, beside a server that does the same.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

use larder::Store;

const KEYS: usize = 1_000_000;
const ROUNDS: usize = 5;
/// Requests that are sent before their replies are read.
const PIPELINE: usize = 1000;

/// How long one round's save took, and how long the load.
type Times = (Duration, Duration);

pub fn run(server: Option<&str>) {
    let folder = env::temp_dir().join(format!("larder-saving-{}", process::id()));
    fs::create_dir_all(&folder).expect("can be made");
    let store = Store::new();
    store.insert_many((0..KEYS).map(|n| (key(n), value(n)))).expect("within all limits");
    let other = server.map(|program| Other::start(program, &folder));
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        ours.push(round(&store, &folder.join("larder.snapshot")));
        theirs.extend(other.as_ref().map(Other::round));
    }
    println!("| a million small keys | save | load |\n| --- | --- | --- |");
    tell("larder", &ours);
    if let Some(other) = &other {
        tell(other.program.rsplit('/').next().unwrap_or(&other.program), &theirs);
    }
    drop(other);
    fs::remove_dir_all(&folder).expect("was made");
}

fn round(store: &Store, path: &Path) -> Times {
    let start = Instant::now();
    store.save(path).expect("there is room");
    let saved = start.elapsed();
    let start = Instant::now();
    let loaded = Store::load(path).expect("is a snapshot");
    let took = start.elapsed();
    assert_eq!(loaded.len().expect("in no transaction"), KEYS);
    (saved, took)
}

fn tell(name: &str, times: &[Times]) {
    let median = |of: fn(&Times) -> Duration| {
        let mut all: Vec<Duration> = times.iter().map(of).collect();
        all.sort_unstable();
        format!(
            "{:.2} s ({:.2} to {:.2})",
            all[all.len() / 2].as_secs_f64(),
            all[0].as_secs_f64(),
            all[all.len() - 1].as_secs_f64()
        )
    };
    println!("| {name} | {} | {} |", median(|times| times.0), median(|times| times.1));
}

fn key(n: usize) -> String {
    format!("key:{n:012}")
}

fn value(n: usize) -> String {
    format!("item{n:08}")
}

/// A server with the same keys.
struct Other {
    program: String,
    folder: String,
    port: u16,
    process: Child,
}

impl Other {
    fn start(program: &str, folder: &Path) -> Other {
        let folder = folder.to_str().expect("is text").to_owned();
        let (port, process) = spawn(program, &folder).0;
        let other = Other { program: program.into(), folder, port, process };
        let mut client = other.client();
        for from in (0..KEYS).step_by(PIPELINE) {
            let requests: String =
                (from..from + PIPELINE).map(|n| format!("SET {} {}\r\n", key(n), value(n))).collect();
            client.get_mut().write_all(requests.as_bytes()).expect("reads");
            (0..PIPELINE).for_each(|_| assert_eq!(reply(&mut client), "+OK"));
        }
        other
    }

    /// Saves as `SAVE` does; loads into a process of its own, which says itself how long that took.
    fn round(&self) -> Times {
        let mut client = self.client();
        let start = Instant::now();
        client.get_mut().write_all(b"SAVE\r\n").expect("reads");
        assert_eq!(reply(&mut client), "+OK");
        let saved = start.elapsed();
        let ((_, mut process), loaded) = spawn(&self.program, &self.folder);
        process.kill().ok();
        process.wait().ok();
        (saved, loaded.expect("it has loaded the file"))
    }

    fn client(&self) -> BufReader<TcpStream> {
        BufReader::new(TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("listens"))
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

/// Starts a server and waits until it listens; gives its port, and how long it says that it has loaded.
fn spawn(program: &str, folder: &str) -> ((u16, Child), Option<Duration>) {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let port = free.local_addr().expect("is bound").port();
    drop(free);
    let mut command = Command::new(program);
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--dir", folder, "--save", ""]);
    let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("is a program");
    let mut log = BufReader::new(process.stdout.take().expect("is piped"));
    let (mut line, mut loaded) = (String::new(), None);
    while !line.contains("Ready to accept connections") {
        line.clear();
        assert!(log.read_line(&mut line).expect("is text") > 0, "{program} has ended");
        if let Some((_, rest)) = line.split_once("DB loaded from disk: ") {
            let seconds = rest.split(' ').next().and_then(|seconds| seconds.parse().ok());
            loaded = seconds.map(Duration::from_secs_f64);
        }
    }
    // What it says later is nobody's concern, but must go somewhere.
    thread::spawn(move || log.read_to_end(&mut Vec::new()));
    ((port, process), loaded)
}

fn reply(client: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    client.read_line(&mut line).expect("answers");
    line.trim_end().to_owned()
}
