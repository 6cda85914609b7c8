//! larder's server beside Redis and Valkey, one line of redis-benchmark after the other.
//!
//! `server [PROGRAM..]` compares with each program given (a `redis-server` or `valkey-server`), or with the
//! `redis-server` in the `PATH`. Each is a process of its own on a free port of the loopback, larder's too. A round
//! asks all of them in turn, so that what else the machine does meets all; told are the medians of the rounds.
//! Beside the rate stands the processor time that the server took for a request: it is what is left to say
//! where the client cannot ask faster. Linux only, for that reason.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write, stdin};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, thread};

use larder::{Server, Store};

/// What redis-benchmark calls its lines, and how many requests a round has of them with `-P 1`.
const LINES: [(&str, usize); 9] = [
    ("get", 40_000),
    ("set", 40_000),
    ("incr", 40_000),
    ("lpush", 40_000),
    ("lrange_100", 20_000),
    ("sadd", 40_000),
    ("hset", 40_000),
    ("zadd", 40_000),
    ("mset", 20_000),
];
/// With `-P 16` there are so many times as many.
const MORE: usize = 8;
const ROUNDS: usize = 5;
/// Requests that the pipelining client sends before it reads.
const PIPELINE: usize = 100;
const PIPELINES: usize = 1_000;
/// A tick of the processor time that the system counts.
const TICK: Duration = Duration::from_millis(10);

struct Peer {
    name: String,
    port: u16,
    process: Child,
}

/// Requests a second, and the server's processor time for one.
#[derive(Clone, Copy)]
struct Rate {
    requests: f64,
    micros: f64,
}

fn main() {
    let programs: Vec<String> = env::args().skip(1).collect();
    if let [word, port] = &programs[..] {
        if word == "--serve" {
            return serve(port.parse().expect("a port"));
        }
    }
    let programs = if programs.is_empty() { vec!["redis-server".to_owned()] } else { programs };
    let mut peers = vec![Peer::larder()];
    peers.extend(programs.iter().map(|program| Peer::start(program)));
    let names: Vec<&str> = peers.iter().map(|peer| peer.name.as_str()).collect();
    println!("| requests a second (us of the server's processor a request) | {} |", names.join(" | "));
    println!("| --- |{}", " --- |".repeat(names.len()));
    for (pipeline, more) in [(1, 1), (16, MORE)] {
        for (line, requests) in LINES {
            let requests = requests * more;
            let title = format!("{} -P {pipeline}", line.to_uppercase());
            compare(&title, &peers, |peer| peer.benchmark(line, requests, pipeline));
        }
    }
    for command in ["GET key", "SET key value", "INCR counter"] {
        let title = format!("{command}, one connection, {PIPELINE} at a time");
        compare(&title, &peers, |peer| peer.pipeline(command));
    }
}

fn compare(title: &str, peers: &[Peer], ask: impl Fn(&Peer) -> Rate) {
    let mut rates = vec![Vec::new(); peers.len()];
    for _ in 0..ROUNDS {
        for (peer, rates) in peers.iter().zip(&mut rates) {
            rates.push(ask(peer));
        }
    }
    let mut row = format!("| {title} |");
    let ours = median(&rates[0], |rate| rate.requests);
    for rates in &rates {
        let (requests, micros) = (median(rates, |rate| rate.requests), median(rates, |rate| rate.micros));
        write!(row, " {:.0}k, {:.2} ({micros:.1}) |", requests / 1e3, requests / ours).expect("is text");
    }
    println!("{row}");
}

fn median(rates: &[Rate], of: impl Fn(&Rate) -> f64) -> f64 {
    let mut all: Vec<f64> = rates.iter().map(of).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// What the process is that runs larder's server: it ends with its standard input.
fn serve(port: u16) {
    let server =
        Server::builder().bind((Ipv4Addr::LOCALHOST, port)).start(&Store::new()).expect("a free port");
    let _ = stdin().read(&mut [0]);
    drop(server);
}

impl Peer {
    fn larder() -> Peer {
        let port = free_port();
        let program = env::current_exe().expect("has a path");
        let mut command = Command::new(program);
        command.args(["--serve", &port.to_string()]);
        Peer { name: "larder".into(), port, process: spawn(&mut command) }.ready()
    }

    fn start(program: &str) -> Peer {
        let port = free_port();
        let mut command = Command::new(program);
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        let mut peer = Peer { name: program.into(), port, process: spawn(&mut command) }.ready();
        let mut info = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("listens");
        info.write_all(b"INFO server\r\nQUIT\r\n").expect("reads");
        let fact = |name: &str| {
            let lines = BufReader::new(info.try_clone().expect("is open")).lines();
            lines.map_while(Result::ok).find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()))
        };
        if let Some(version) = fact("redis_version:") {
            let kind = if program.contains("valkey") { "Valkey" } else { "Redis" };
            peer.name = format!("{kind} (says {version})");
        }
        peer
    }

    /// Once it answers.
    fn ready(self) -> Peer {
        for _ in 0..200 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return self;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{} does not listen", self.name);
    }

    /// What it has taken of the processors.
    fn processor(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("runs");
        // The name, in brackets, may hold anything; the times are the 12th and 13th behind it.
        let fields: Vec<&str> = stat.rsplit(')').next().expect("is there").split_whitespace().collect();
        let ticks: u32 = fields[11..13].iter().map(|ticks| ticks.parse::<u32>().expect("a number")).sum();
        TICK * ticks
    }

    fn rate(&self, requests: usize, ask: impl FnOnce() -> f64) -> Rate {
        let before = self.processor();
        let rate = ask();
        let micros = (self.processor() - before).as_secs_f64() * 1e6 / requests as f64;
        Rate { requests: rate, micros }
    }

    fn benchmark(&self, line: &str, requests: usize, pipeline: usize) -> Rate {
        self.rate(requests, || {
            let output = Command::new("redis-benchmark")
                .args(["-p", &self.port.to_string(), "-t", line, "-n", &requests.to_string()])
                .args(["-P", &pipeline.to_string(), "-c", "50", "--csv"])
                .output()
                .expect("redis-benchmark is in the PATH");
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            let row = text.lines().last().unwrap_or_default();
            let rate = row.split("\",\"").nth(1).and_then(|rate| rate.parse().ok());
            rate.unwrap_or_else(|| panic!("{line} of {}: {text}", self.name))
        })
    }

    /// A client of our own, which sends many requests before it reads their replies.
    fn pipeline(&self, command: &str) -> Rate {
        let mut request = String::new();
        let words: Vec<&str> = command.split(' ').collect();
        write!(request, "*{}\r\n", words.len()).expect("is text");
        for word in words {
            write!(request, "${}\r\n{word}\r\n", word.len()).expect("is text");
        }
        let requests = request.repeat(PIPELINE).into_bytes();
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("listens");
        stream.set_nodelay(true).expect("is open");
        let mut replies = BufReader::with_capacity(1 << 16, stream.try_clone().expect("is open"));
        self.rate(PIPELINE * PIPELINES, || {
            let start = Instant::now();
            let mut line = Vec::new();
            for _ in 0..PIPELINES {
                stream.write_all(&requests).expect("reads");
                for _ in 0..PIPELINE {
                    line.clear();
                    replies.read_until(b'\n', &mut line).expect("answers");
                    if line[0] == b'$' && line[1] != b'-' {
                        replies.read_until(b'\n', &mut line).expect("answers");
                    }
                }
            }
            (PIPELINE * PIPELINES) as f64 / start.elapsed().as_secs_f64()
        })
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn spawn(command: &mut Command) -> Child {
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    piped.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
}

fn free_port() -> u16 {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    free.local_addr().expect("is bound").port()
}
