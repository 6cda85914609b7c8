//! What the fuzz targets do with their bytes (`fuzz/`), and the crate's own tests with a few random ones.

use crate::clock::ManualClock;
use crate::rdb;
use crate::reply::Reply;
use crate::resp::{Dialect, Protocol, Requests, encode};
use crate::table::{Outcome, Session, command_names};
use crate::{Bytes, Compat, Store, Sweeping};

/// What a parser may have allocated beside twice the bytes of a request that is under way.
const BESIDE: usize = 64 << 10;
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

/// What the values of a file or a payload may take for each byte of it, if none of its strings is compressed: entries
/// of a stream share the names of their fields, up to 256 times.
const GROWTH: usize = 320;

/// Any bytes are an error or keys: as a file's (that begins with `REDIS` or `VALKEY` if they do not), or as a payload's
/// for `RESTORE`, of any version. What was read takes memory in proportion, is written, and is the same when it is
/// read again.
pub fn rdb(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    let compat = [Compat::Redis70, Compat::Redis72, Compat::Redis82, Compat::Redis810, Compat::Valkey9];
    let compat = compat[usize::from(choice & 7) % compat.len()];
    let clock = ManualClock::new();
    let open = || Store::builder().clock(&clock).seed(1).sweeping(Sweeping::ByHand).value_limit(1 << 20);
    let empty = open().build();
    let unused = empty.stats().map_or(0, |stats| stats.bytes);
    let store = match choice & 8 {
        0 => {
            let payload = rdb::payload(bytes, compat);
            let words = ["RESTORE".into(), "key".into(), "0".into(), Bytes::from(payload)];
            assert!(empty.session().compat(compat).call(words) != Reply::Nil);
            empty
        }
        _ => {
            let header: &[u8] = if compat == Compat::Valkey9 { b"VALKEY080" } else { b"REDIS0015" };
            let is_whole = bytes.starts_with(b"REDIS") || bytes.starts_with(b"VALKEY");
            let file = [if is_whole { &[] } else { header }, bytes, &[0xff; 1], &[0; 8]].concat();
            let Ok(store) = open().read_rdb(&file[..]) else { return };
            store
        }
    };
    let held = store.stats().map_or(0, |stats| stats.bytes).saturating_sub(unused);
    let is_packed = bytes.contains(&0xc3);
    assert!(is_packed || held <= GROWTH * bytes.len() + BESIDE, "{held} bytes for {}", bytes.len());
    let again = open().build();
    for db in 0..16 {
        let (Ok(of), Ok(to)) = (store.db(db), again.db(db)) else { continue };
        let (mut first, mut second) = (of.session().compat(compat), to.session().compat(compat));
        for key in of.scan().map_while(Result::ok) {
            let dump = |session: &mut Session| session.call(["DUMP".into(), key.clone()]);
            // What that server cannot hold is refused by name.
            let Reply::Bulk(payload) = dump(&mut first) else { continue };
            let words = ["RESTORE".into(), key.clone(), "0".into(), payload.clone()];
            let restored = second.call(words);
            assert_eq!(restored, Reply::OK, "{}", payload.escape_ascii());
            assert_eq!(dump(&mut second), Reply::Bulk(payload));
        }
    }
}

/// Choices, out of the fuzzer's bytes.
struct Draw<'d>(&'d [u8]);

impl Draw<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

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
            None => {
                let (bytes, rest) = self.0.split_at((choice % 8).min(self.0.len()));
                self.0 = rest;
                Bytes::from(bytes)
            }
        }
    }
}

/// Values as they stand in a payload, one of each type that is not made of a listpack alone.
#[cfg(test)]
#[rustfmt::skip]
const SEEDS: [&[u8]; 9] = [
    b"\x00\x05hello",
    b"\x01\x02\x01a\xc0\x05",
    b"\x02\x02\x01a\x01b",
    b"\x04\x01\x01f\x01v",
    b"\x05\x01\x01m\0\0\0\0\0\0\xf8\x3f",
    b"\x0b\x0a\x02\0\0\0\x01\0\0\0\x05\0",
    b"\x1b\0\0\0\0\0\0\0\0\0\0\x40\x64\x40\x64\x01\x01p\x01\x01m\x07\x01\x05\x02",
    b"\x13\0\0\x07\x01\0\0\x07\x01\x05\x01\x01g\x07\x01\x03\0\x01\x01c\0\0\0\0\0\0\0\0\0",
    // A key of a file, with its deadline.
    b"\xfe\x02\xfc\0\0\0\0\0\x02\0\0\x00\x01k\x01v",
];

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
            super::requests(&data);
        }

        #[test]
        fn rdb(
            file in prop::sample::select(&super::SEEDS[..]), choice in any::<u8>(), end in any::<prop::sample::Index>(),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        ) {
            let mut data = [&[choice], file].concat();
            for (at, to) in &changes {
                let at = at.index(data.len());
                data[at] = *to;
            }
            super::rdb(&data);
            super::rdb(&data[..end.index(data.len())]);
        }

        #[test]
        fn session(data in prop::collection::vec(any::<u8>(), 0..2_000)) {
            super::session(&data);
        }
    }
}
