//! What clients send.

use super::{BESIDE, Draw};
use crate::clock::ManualClock;
use crate::resp::{Dialect, Protocol, Requests, encode};
use crate::table::{Outcome, command_names};
use crate::{Bytes, Compat, Store, Sweeping};

/// The longest argument.
const LONGEST: usize = 256 << 10;

/// Words that commands know, and others that lie at an edge.
#[rustfmt::skip]
const WORDS: &[&str] = &[
    "a", "b", "c", "d", "a", "b", "0", "1", "2", "3", "10", "100", "-1", "-2", "1.5", "-0", "inf", "-inf", "nan", "", "x", "*",
    "9223372036854775807", "-9223372036854775808", "18446744073709551616", "1e308", "a*", "[a-c]", "?", "-", "+", "(1", "(a", "[a",
    "NX", "XX", "GT", "LT", "CH", "INCR", "EX", "PX", "EXAT", "PXAT", "KEEPTTL", "PERSIST", "GET", "SET", "COUNT", "MATCH", "TYPE",
    "WITHSCORES", "WITHSCORE", "WITHVALUES", "LIMIT", "BYSCORE", "BYLEX", "REV", "STORE", "STOREDIST", "AGGREGATE", "WEIGHTS", "SUM", "MIN", "MAX",
    "LEFT", "RIGHT", "BEFORE", "AFTER", "FIELDS", "FVS", "RANK", "MAXLEN", "ASC", "DESC", "ALPHA", "BY", "FROMMEMBER", "FROMLONLAT", "BYRADIUS", "BYBOX",
    "m", "km", "AND", "OR", "XOR", "NOT", "BIT", "BYTE", "OVERFLOW", "WRAP", "SAT", "FAIL", "INCRBY", "u8", "i64", "u63", "#1", "REPLACE", "DB",
    "LEN", "IDX", "MINMATCHLEN", "WITHMATCHLEN", "ON", "OFF", "YES", "NO", "ID", "string", "list", "zset", "stream", "$", ">", "~", "=", "1-1", "0-0",
    "GROUP", "STREAMS", "MKSTREAM", "JUSTID", "IDLE", "BLOCK", "0.01", "notify-keyspace-events", "KEA", "maxmemory", "all",
];
/// Commands that are not for trying out.
const SPARED: &[&str] = &["bgrewriteaof", "bgsave", "debug", "migrate", "save", "shutdown"];

/// Any bytes are the same requests in whatever pieces they arrive (of the length that the first byte tells), no panic,
/// and take little more memory than their own.
pub fn requests(data: &[u8]) {
    let Some((first, bytes)) = data.split_first() else { return };
    let is_unknown = first & 0x80 != 0;
    let whole = read(bytes, bytes.len(), is_unknown);
    let step = 1 + usize::from(first & 0x7f);
    assert_eq!(read(bytes, step, is_unknown), whole, "in pieces of {step}");
}

fn read(bytes: &[u8], step: usize, is_unknown: bool) -> (Vec<Vec<Bytes>>, Option<String>) {
    let mut requests = Requests::new(LONGEST);
    requests.is_unknown = is_unknown;
    let mut all = Vec::new();
    let mut under_way = 0;
    for piece in bytes.chunks(step.max(1)) {
        requests.feed(piece);
        under_way += piece.len();
        loop {
            match requests.next() {
                Ok(Some(request)) => {
                    assert!(!request.is_empty());
                    all.push(request);
                    under_way = requests.pending().max(piece.len());
                }
                Ok(None) => break,
                Err(error) => return (all, Some(error.to_string())),
            }
        }
        requests.rest();
        assert!(requests.allocated() <= 2 * under_way + BESIDE, "{} for {under_way}", requests.allocated());
    }
    (all, None)
}

/// Any commands with any arguments, of two sessions of one store: no panic, and replies that can be written.
pub fn session(data: &[u8]) {
    let clock = ManualClock::new();
    let builder = Store::builder().clock(&clock).seed(1).sweeping(Sweeping::ByHand).value_limit(1 << 20);
    let store = builder.build();
    for words in [
        &["SET", "a", "12"][..],
        &["RPUSH", "b", "1", "2"],
        &["ZADD", "c", "1", "a"],
        &["HSET", "d", "a", "1"],
    ] {
        store.session().call(words);
    }
    let mut draw = Draw(data);
    let compat = [Compat::Redis70, Compat::Redis72, Compat::Redis82, Compat::Redis810, Compat::Valkey9];
    let compat = compat[usize::from(draw.byte().unwrap_or(0)) % compat.len()];
    let mut sessions = [store.session().compat(compat), store.session().compat(compat)];
    let mut out = Vec::new();
    while let Some(choice) = draw.byte() {
        let session = &mut sessions[usize::from(choice & 1)];
        if choice & 0xf0 == 0xf0 {
            clock.advance(std::time::Duration::from_millis(u64::from(choice) * 100));
            assert!(store.sweep().is_ok());
        }
        let words = draw.command();
        let reply = match session.execute(&words) {
            Outcome::Reply(reply) => reply,
            #[cfg(feature = "lua")]
            Outcome::Held(_) => continue,
            Outcome::Waits(waiting) => {
                session.rest();
                waiting.nothing
            }
        };
        for protocol in [Protocol::Resp2, Protocol::Resp3] {
            out.clear();
            encode(&reply, Dialect { protocol, compat }, &mut out);
        }
        while session.try_message().is_some() {}
    }
}

impl Draw<'_> {
    fn command(&mut self) -> Vec<Bytes> {
        let names = command_names();
        let low = usize::from(self.byte().unwrap_or(0));
        let choice = low | usize::from(self.byte().unwrap_or(0)) << 8;
        let name = names[choice % names.len()];
        let name = if SPARED.contains(&name) { "ping" } else { name };
        let mut words: Vec<Bytes> = name.split('|').map(Bytes::from).collect();
        let count = self.byte().unwrap_or(0) % 12;
        words.extend((0..count).map(|_| self.word()));
        words
    }

    fn word(&mut self) -> Bytes {
        let choice = usize::from(self.byte().unwrap_or(0));
        match WORDS.get(choice) {
            Some(word) => Bytes::from(*word),
            // A few bytes as they come.
            None => Bytes::from(self.raw(choice % 8)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Bytes that look like requests more often than not.
    fn stream() -> impl Strategy<Value = Vec<u8>> {
        let argument = prop_oneof![
            9 => prop::collection::vec(any::<u8>(), 0..40),
            1 => (0..40_000usize).prop_map(|len| vec![b'x'; len]),
        ];
        let request = prop::collection::vec(argument, 0..6).prop_map(|arguments| {
            let mut bytes = format!("*{}\r\n", arguments.len()).into_bytes();
            for argument in arguments {
                bytes.extend_from_slice(format!("${}\r\n", argument.len()).as_bytes());
                bytes.extend_from_slice(&argument);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes
        });
        let part = prop_oneof![
            8 => request,
            1 => (0..1_000usize).prop_map(|n| [format!("*{n}\r\n").into_bytes(), b"$0\r\n\r\n".repeat(n)].concat()),
            1 => "[ -~]{0,20}\r\n".prop_map(String::into_bytes),
            1 => "[*$][0-9-]{0,12}\r\n".prop_map(String::into_bytes),
            1 => prop::collection::vec(any::<u8>(), 0..20),
        ];
        let parts = prop::collection::vec(part, 0..12).prop_map(|parts| parts.concat());
        (any::<u8>(), parts).prop_map(|(first, bytes)| [vec![first], bytes].concat())
    }

    proptest! {
        #[test]
        fn requests(data in stream()) {
            crate::fuzzing::requests(&data);
        }
    }
}
