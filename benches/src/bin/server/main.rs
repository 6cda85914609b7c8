//! larder's server beside Redis and Valkey, one command after the other.
//!
//! `server [--client NAME] [PROGRAM..]` compares with each program given (a `redis-server` or `valkey-server`), or with
//! the `redis-server` in the `PATH`. Each is a process of its own on a free port of the loopback, larder's too. Two
//! clients ask for the same: `redis-benchmark`, and `rust`, which is this program and takes less of the processors for
//! itself. A round asks all servers in turn, each time another one first, so that what else the machine does meets all; told
//! are the medians of the rounds. Beside the rate stands the processor time that the server took for a request: it is what is left to say
//! where the client cannot ask faster. Linux only, for that reason.

mod client;

use std::fmt::Write as _;
use std::process::{self, Command};
use std::{array, env};

use larder_benches::median;
use larder_benches::servers::{self, Peer};

/// A command that both clients send.
struct Line {
    /// What redis-benchmark calls it.
    name: &'static str,
    /// How many of them a round has with `-P 1`.
    requests: usize,
    /// As redis-benchmark sends it.
    command: &'static str,
    /// Ends of lines in a reply.
    ends: usize,
}

impl Line {
    const fn new(name: &'static str, requests: usize, command: &'static str, ends: usize) -> Line {
        Line { name, requests, command, ends }
    }
}

const GET: Line = Line::new("get", 40_000, "GET key:__rand_int__", 2);
const SET: Line = Line::new("set", 40_000, "SET key:__rand_int__ xxx", 1);
const INCR: Line = Line::new("incr", 40_000, "INCR counter:__rand_int__", 1);
const LPUSH: Line = Line::new("lpush", 40_000, "LPUSH mylist xxx", 1);
const LINES: [Line; 9] = [
    GET,
    SET,
    INCR,
    LPUSH,
    Line::new("lrange_100", 20_000, "LRANGE mylist 0 99", 1 + 100 * 2),
    Line::new("sadd", 40_000, "SADD myset element:__rand_int__", 1),
    Line::new("hset", 40_000, "HSET myhash element:__rand_int__ xxx", 1),
    Line::new("zadd", 40_000, "ZADD myzset 0 element:__rand_int__", 1),
    Line::new(
        "mset",
        20_000,
        "MSET key:__rand_int__ xxx key:__rand_int__ xxx key:__rand_int__ xxx key:__rand_int__ xxx \
         key:__rand_int__ xxx key:__rand_int__ xxx key:__rand_int__ xxx key:__rand_int__ xxx \
         key:__rand_int__ xxx key:__rand_int__ xxx",
        1,
    ),
];
const CONNECTIONS: usize = 50;
/// With `-P 16` there are so many times as many requests.
const MORE: usize = 8;
/// Requests that one connection alone sends before it reads, and how many in all.
const PIPELINE: usize = 100;
const REQUESTS: usize = 100_000;

#[derive(Clone, Copy, PartialEq)]
enum Client {
    RedisBenchmark,
    Rust,
}

/// What a round has measured: requests a second, and microseconds of the processors for one.
#[derive(Clone, Copy)]
struct Rate {
    requests: f64,
    server: f64,
    client: f64,
}

fn main() {
    servers::serve_if_asked();
    let mut programs: Vec<String> = env::args().skip(1).collect();
    let mut clients = vec![Client::RedisBenchmark, Client::Rust];
    if let Some(at) = programs.iter().position(|word| word == "--client") {
        let words: Vec<String> = programs.drain(at..programs.len().min(at + 2)).collect();
        clients.retain(|client| words.get(1).is_some_and(|name| name == client.name()));
        assert!(!clients.is_empty(), "--client redis-benchmark, or --client rust");
    }
    if programs.is_empty() {
        programs.push("redis-server".to_owned());
    }
    let peers = Peer::all(&programs);
    // So that a GET finds a value, and a LRANGE a hundred items.
    for peer in &peers {
        client::ask(peer, &SET, 1, 1, 1);
        client::ask(peer, &LPUSH, 100, 1, 100);
    }
    for client in clients {
        compare(client, &peers);
    }
}

fn compare(client: Client, peers: &[Peer]) {
    let names: Vec<&str> = peers.iter().map(|peer| peer.name.as_str()).collect();
    let what = format!("{}: requests a second (us of the server's processor a request)", client.name());
    println!("| {what} | {} | us of the client's |", names.join(" | "));
    println!("| --- |{} --- |", " --- |".repeat(names.len()));
    for (pipeline, more) in [(1, 1), (16, MORE)] {
        for line in &LINES {
            let title = format!("{} -P {pipeline}", line.name.to_uppercase());
            let requests = line.requests * more;
            row(&title, peers, client.rounds(), requests, |peer| client.ask(peer, line, requests, pipeline));
        }
    }
    if client == Client::Rust {
        for line in [GET, SET, INCR] {
            let title = format!("{}, one connection, {PIPELINE} at a time", line.name.to_uppercase());
            row(&title, peers, client.rounds(), REQUESTS, |peer| {
                client::ask(peer, &line, REQUESTS, 1, PIPELINE)
            });
        }
    }
    println!();
}

/// Measures a line. What a peer's rate is beside larder's is asked within each round: the machine is faster in some.
fn row(title: &str, peers: &[Peer], rounds: usize, requests: usize, ask: impl Fn(&Peer) -> f64) {
    let mut rates = vec![Vec::new(); peers.len()];
    for round in 0..rounds {
        for turn in 0..peers.len() {
            let at = (round + turn) % peers.len();
            rates[at].push(Rate::measure(&peers[at], requests, || ask(&peers[at])));
        }
    }
    let middle = |rates: &[Rate], of: fn(&Rate) -> f64| median::of(rates.iter().map(of));
    let mut row = format!("| {title} |");
    for of_peer in &rates {
        let (requests, server) = (middle(of_peer, |rate| rate.requests), middle(of_peer, |rate| rate.server));
        let ratio =
            median::of(of_peer.iter().zip(&rates[0]).map(|(peer, ours)| peer.requests / ours.requests));
        write!(row, " {:.0}k, {ratio:.2} ({server:.1}) |", requests / 1e3).expect("is text");
    }
    println!("{row} {:.1} |", middle(&rates.concat(), |rate| rate.client));
}

impl Rate {
    fn measure(peer: &Peer, requests: usize, ask: impl FnOnce() -> f64) -> Rate {
        let processors = || [peer.processor(), servers::processor(process::id())];
        let before = processors();
        let rate = ask();
        let after = processors();
        let [server, client] =
            array::from_fn(|at| (after[at] - before[at]).as_secs_f64() * 1e6 / requests as f64);
        Rate { requests: rate, server, client }
    }
}

impl Client {
    fn name(self) -> &'static str {
        match self {
            Client::RedisBenchmark => "redis-benchmark",
            Client::Rust => "rust",
        }
    }

    /// A round of redis-benchmark takes five times as long.
    fn rounds(self) -> usize {
        match self {
            Client::RedisBenchmark => 5,
            Client::Rust => 21,
        }
    }

    /// Gives the requests a second.
    fn ask(self, peer: &Peer, line: &Line, requests: usize, pipeline: usize) -> f64 {
        match self {
            Client::RedisBenchmark => redis_benchmark(peer, line, requests, pipeline),
            Client::Rust => client::ask(peer, line, requests, CONNECTIONS, pipeline),
        }
    }
}

/// Before a LRANGE it makes as many LPUSHes by itself: they are in the processor time, and not in the rate.
fn redis_benchmark(peer: &Peer, line: &Line, requests: usize, pipeline: usize) -> f64 {
    let output = Command::new("redis-benchmark")
        .args(["-p", &peer.port.to_string(), "-t", line.name, "-n", &requests.to_string()])
        .args(["-P", &pipeline.to_string(), "-c", &CONNECTIONS.to_string(), "--csv"])
        .output()
        .expect("redis-benchmark is in the PATH");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let row = text.lines().last().unwrap_or_default();
    let rate = row.split("\",\"").nth(1).and_then(|rate| rate.parse().ok());
    rate.unwrap_or_else(|| panic!("{} of {}: {text}", line.name, peer.name))
}
