//! Clients of the server that come, ask, and go; some in the middle of a request.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;

use larder_benches::workload::Random;

use super::Soak;

/// Commands that are sent at once, and how often a client does so before it goes.
const PIPELINE: usize = 50;
const TURNS: u64 = 20;

impl Soak {
    pub(super) fn come_and_go(&self, port: u16, seed: u64) {
        let mut random = Random::new(100 + seed);
        while !self.is_done() {
            let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("it listens");
            stream.set_read_timeout(Some(Duration::from_secs(30))).expect("is no zero");
            let mut client = BufReader::new(stream);
            for _ in 0..random.number() % TURNS {
                ask(&mut client, &mut random);
            }
            if random.number().is_multiple_of(4) {
                client.get_mut().write_all(b"*3\r\n$3\r\nSET\r\n$6\r\nhal").expect("it listens");
            }
            self.clients.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn ask(client: &mut BufReader<TcpStream>, random: &mut Random) {
    let mut commands = String::new();
    for _ in 0..PIPELINE {
        let at = random.number() % 10_000;
        commands += &match random.number() % 6 {
            0 => format!("SET client:{at} {at} PX {}\r\n", 10 + at % 1000),
            1 => format!("INCR number:{}\r\n", at % 100),
            2 => format!("HSET hash:{} field{} {at}\r\n", at % 2000, at % 50),
            3 => format!("LRANGE list:{} 0 10\r\n", at % 2000),
            4 => format!("ZCARD scores:{}\r\n", at % 2000),
            _ => format!("GET string:{at:08}\r\n"),
        };
    }
    client.get_mut().write_all(commands.as_bytes()).expect("it listens");
    (0..PIPELINE).for_each(|_| read_reply(client));
}

/// Reads a whole reply, which is no error.
fn read_reply(client: &mut BufReader<TcpStream>) {
    let mut line = String::new();
    assert!(client.read_line(&mut line).expect("it answers") > 0, "the server has closed a connection");
    let number = || line[1..].trim_end().parse::<i64>().expect("a number");
    match &line[..1] {
        "+" | ":" => {}
        "$" => {
            let length = number();
            if length >= 0 {
                let mut bytes = vec![0; length as usize + 2];
                client.read_exact(&mut bytes).expect("it answers");
            }
        }
        "*" => (0..number()).for_each(|_| read_reply(client)),
        _ => panic!("an error: {line}"),
    }
}
