//! A connection to the Redis that is compared with, which hands replies over as they came.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};

use larder::{Compat, Protocol};

use super::{Words, words};

pub struct Redis {
    input: BufReader<TcpStream>,
    /// Whom larder is to be like.
    pub compat: Compat,
}

impl Redis {
    pub fn connect(port: u16, protocol: Protocol) -> Redis {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream.set_nodelay(true).unwrap();
        // A reply that never comes is a failure, on a machine that has much to do too.
        stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).unwrap();
        let mut redis = Redis { input: BufReader::new(stream), compat: Compat::default() };
        redis.compat = compat(&String::from_utf8_lossy(&redis.ask(&words!["INFO", "server"])));
        if protocol == Protocol::Resp3 {
            redis.ask(&words!["HELLO", "3"]);
        }
        redis
    }

    /// Makes the connection as good as new.
    pub fn start_anew(&mut self, protocol: Protocol) {
        self.ask(&words!["RESET"]);
        if protocol == Protocol::Resp3 {
            self.ask(&words!["HELLO", "3"]);
        }
    }

    /// The bytes of the reply.
    pub fn ask(&mut self, words: &Words) -> Vec<u8> {
        self.send(words);
        self.next()
    }

    pub fn send(&mut self, words: &Words) {
        let mut request = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            write!(request, "${}\r\n", word.len()).unwrap();
            request.extend_from_slice(word);
            request.extend_from_slice(b"\r\n");
        }
        self.input.get_mut().write_all(&request).unwrap();
    }

    /// The bytes of one more reply to the same command.
    pub fn next(&mut self) -> Vec<u8> {
        let mut reply = Vec::new();
        self.read(&mut reply);
        reply
    }

    /// The same, or none if the connection has been closed instead.
    #[cfg(feature = "server")]
    pub fn next_or_end(&mut self) -> Option<Vec<u8>> {
        match self.input.fill_buf() {
            Ok([]) => None,
            Ok(_) => Some(self.next()),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no reply: {error}"),
        }
    }

    fn read(&mut self, reply: &mut Vec<u8>) {
        let start = reply.len();
        self.input.read_until(b'\n', reply).unwrap();
        let line = &reply[start..];
        assert!(line.ends_with(b"\r\n"), "no reply: {}", reply.escape_ascii());
        let number =
            std::str::from_utf8(&line[1..line.len() - 2]).ok().and_then(|text| text.parse::<i64>().ok());
        let parts = match (line[0], number) {
            (b'$' | b'=', Some(len @ 0..)) => {
                let start = reply.len();
                reply.resize(start + len as usize + 2, 0);
                self.input.read_exact(&mut reply[start..]).unwrap();
                0
            }
            (b'*' | b'~' | b'>', Some(len @ 0..)) => len,
            (b'%', Some(len @ 0..)) => 2 * len,
            // What they tell more of stands behind them.
            (b'|', Some(len @ 0..)) => 2 * len + 1,
            _ => 0,
        };
        (0..parts).for_each(|_| self.read(reply));
    }
}

/// Of a server that tells this of itself.
fn compat(info: &str) -> Compat {
    let fact = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
    if fact("server_name:") == Some("valkey") {
        return Compat::Valkey9;
    }
    let version = fact("redis_version:").expect("a server has a version");
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().expect("versions are numbers"));
    match (numbers.next(), numbers.next()) {
        (Some(7), Some(0)) => Compat::Redis70,
        (Some(7), _) => Compat::Redis72,
        (Some(8), Some(0..=3)) => Compat::Redis82,
        _ => Compat::Redis810,
    }
}
