//! A thousand servers in this process: each starts on a free port of the loopback, with a store of its own, answers a
//! PING and stops. One after the other, and by eight threads, as tests run.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use larder::Store;
use larder_benches::histogram::{Histogram, Micros};
use larder_benches::median;

const SERVERS: usize = 1_000;
const THREADS: [usize; 2] = [1, 8];
const ROUNDS: usize = 5;
const STEPS: [&str; 3] = ["start", "connect and PING", "stop"];

fn main() {
    let mut seconds = THREADS.map(|_| Vec::new());
    let mut steps = THREADS.map(|_| <[Histogram; STEPS.len()]>::default());
    for _ in 0..ROUNDS {
        for (at, threads) in THREADS.into_iter().enumerate() {
            let start = Instant::now();
            add(&mut steps[at], &thousand(threads));
            seconds[at].push(start.elapsed().as_secs_f64());
        }
    }
    println!(
        "| threads | a thousand, s | least and most | {}, p50 and p99 |",
        STEPS.join(", p50 and p99 | ")
    );
    println!("| --- | --- | --- |{}", " --- |".repeat(STEPS.len()));
    for ((threads, seconds), steps) in THREADS.iter().zip(&seconds).zip(&steps) {
        let least = seconds.iter().copied().fold(f64::MAX, f64::min);
        let most = seconds.iter().copied().fold(0.0, f64::max);
        print!("| {threads} | {:.2} | {least:.2} to {most:.2} |", median::of(seconds.iter().copied()));
        for step in steps {
            print!(" {}, {} |", Micros(step.quantile(0.5)), Micros(step.quantile(0.99)));
        }
        println!();
    }
}

/// A thousand servers, shared among the threads.
fn thousand(threads: usize) -> [Histogram; STEPS.len()] {
    let some = || {
        let mut steps = <[Histogram; STEPS.len()]>::default();
        for _ in 0..SERVERS / threads {
            steps.iter_mut().zip(one()).for_each(|(step, took)| step.record(took));
        }
        steps
    };
    let mut all = <[Histogram; STEPS.len()]>::default();
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(some)).collect();
        running.into_iter().for_each(|thread| add(&mut all, &thread.join().expect("does not panic")));
    });
    all
}

fn add(all: &mut [Histogram], more: &[Histogram]) {
    all.iter_mut().zip(more).for_each(|(all, more)| all.add(more));
}

/// What each of the steps took.
fn one() -> [Duration; STEPS.len()] {
    let begun = Instant::now();
    let server = Store::new().serve().expect("a free port");
    let started = Instant::now();
    let mut client = TcpStream::connect(server.addr()).expect("listens");
    client.write_all(b"PING\r\n").expect("reads");
    let mut reply = [0; 7];
    client.read_exact(&mut reply).expect("answers");
    assert_eq!(&reply, b"+PONG\r\n");
    let answered = Instant::now();
    // As the variables of a test go. Were it the server that closes, its port would wait for a minute, and thousands
    // of them leave few to choose from.
    drop(client);
    drop(server);
    [started - begun, answered - started, answered.elapsed()]
}
