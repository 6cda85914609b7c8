//! redis-rs on a store in the same process, beside redis-rs over the loopback and over Unix sockets.
//!
//! `connection [PROGRAM..]`: one thread asks through `redis::Commands` and `redis::pipe()`, as users write it, on
//! `Store::redis_connection` and on redis-rs's own connections to larder's server and to each program given (a
//! `redis-server` or `valkey-server`; the `redis-server` in the `PATH` if none is). Each server is a process of its own.
//! A round asks all in turn, so that what else the machine does meets all; told are the medians of the rounds, and how
//! many times the store's each is. Linux only.

use std::env;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use larder::Store;
use larder_benches::servers::{self, Peer};
use larder_benches::{median, workload};
use redis::{Commands, ConnectionLike};

const ROUNDS: usize = 51;
/// How often a round asks in the same process, and how often over a socket: some milliseconds each.
const TIMES: usize = 2_000;
const TIMES_BY_SOCKET: usize = 200;
const VALUE: &str = "a value of 16 by";
/// Keys that there are; a pipeline asks for all.
const KEYS: usize = 16;
const OPERATIONS: [&str; 6] =
    ["GET", "SET", "INCR", "HSET", "a pipeline of 16 GETs", "MULTI, INCR, HSET, EXEC"];

/// One of [`OPERATIONS`], on a connection of any kind.
fn operate(con: &mut impl ConnectionLike, keys: &[String], operation: usize) {
    match operation {
        0 => {
            let value: String = con.get(&keys[0]).expect("a string");
            black_box(value);
        }
        1 => con.set(&keys[0], VALUE).expect("there is room"),
        2 => {
            let count: u64 = con.incr("counter", 1).expect("a number");
            black_box(count);
        }
        3 => {
            let added: u64 = con.hset("hash", "field", VALUE).expect("a hash");
            black_box(added);
        }
        4 => {
            let mut pipeline = redis::pipe();
            keys.iter().for_each(|key| _ = pipeline.get(key));
            let values: Vec<String> = pipeline.query(con).expect("strings");
            black_box(values);
        }
        _ => {
            let mut transaction = redis::pipe();
            transaction.atomic().incr("counter", 1).hset("hash", "field", VALUE);
            let replies: (u64, u64) = transaction.query(con).expect("a number and a hash");
            black_box(replies);
        }
    }
}

/// A connection, and what was measured on it: for each operation the nanoseconds of each round.
struct Way {
    name: String,
    /// Asks so often as a round does, and gives the nanoseconds for once.
    round: Box<dyn FnMut(usize) -> f64>,
    nanos: [Vec<f64>; OPERATIONS.len()],
}

impl Way {
    fn new(name: String, times: usize, mut con: impl ConnectionLike + 'static) -> Way {
        let keys = workload::keys(KEYS);
        for key in &keys {
            let () = con.set(key, VALUE).expect("there is room");
        }
        let round = move |operation| {
            let start = Instant::now();
            for _ in 0..times {
                operate(&mut con, &keys, operation);
            }
            start.elapsed().as_nanos() as f64 / times as f64
        };
        Way { name, round: Box::new(round), nanos: Default::default() }
    }

    fn by_socket(name: String, url: String) -> Way {
        let client = redis::Client::open(url).expect("a URL");
        Way::new(name, TIMES_BY_SOCKET, client.get_connection().expect("it listens"))
    }
}

fn main() {
    servers::serve_if_asked();
    let mut programs: Vec<String> = env::args().skip(1).collect();
    if programs.is_empty() {
        programs.push("redis-server".to_owned());
    }
    let peers = Peer::all(&programs);
    let mut ways = vec![Way::new("in the same process".to_owned(), TIMES, Store::new().redis_connection())];
    for peer in &peers {
        let Peer { name, port, .. } = peer;
        ways.push(Way::by_socket(format!("{name}, TCP"), format!("redis://127.0.0.1:{port}")));
        ways.push(Way::by_socket(format!("{name}, Unix"), format!("unix://{}", peer.socket().display())));
    }
    for _ in 0..ROUNDS {
        for operation in 0..OPERATIONS.len() {
            for way in &mut ways {
                way.nanos[operation].push((way.round)(operation));
            }
        }
    }
    let names: Vec<&str> = ways.iter().map(|way| way.name.as_str()).collect();
    println!("| us, and how many times the store's | {} |", names.join(" | "));
    println!("| --- |{}", " --- |".repeat(names.len()));
    for (operation, title) in OPERATIONS.iter().enumerate() {
        let medians = ways.iter().map(|way| median::of(way.nanos[operation].iter().copied()));
        println!("{}", row(title, &medians.collect::<Vec<_>>()));
    }
}

fn row(title: &str, nanos: &[f64]) -> String {
    let mut row = format!("| {title} | {:.2} |", nanos[0] / 1e3);
    for nanos_by_socket in &nanos[1..] {
        let (micros, times) = (nanos_by_socket / 1e3, nanos_by_socket / nanos[0]);
        write!(row, " {micros:.1}, {times:.0} |").expect("is text");
    }
    row
}
