//! Requests from bytes, as they arrive.
//!
//! Nothing is set aside for a length that a client merely claims, and what has arrived is kept once: a long
//! argument goes into an allocation of its own as it comes, many short ones stay packed until their request is
//! whole. So a request that is under way takes the bytes that have arrived, and some 64 KB at most beside them.

use std::fmt;

use super::ahead::Ahead;
use super::arguments::Arguments;
use super::inline::split_words;
use super::style::Style;
#[cfg(feature = "server")]
use crate::reply::ErrorReply;
use crate::text::number::parse_i64;
use crate::{Bytes, TINY};

/// The longest line: an inline request, or a count.
const LINE: usize = 64 << 10;
/// An argument that is longer does not wait in the buffer until it is whole.
const LONG: usize = 16 << 10;
/// What has been read goes from the buffer's front once it is so much.
const READ: usize = 16 << 10;
/// With so much in the buffer what follows is kept apart.
const ENOUGH: usize = if TINY { 32 } else { 16 << 10 };
/// Room that is kept where nothing has arrived.
#[cfg(feature = "server")]
const SPARE: usize = 4 << 10;
/// By how much room for a long argument grows at a time, or by a quarter, but never beyond its length.
const STEP: usize = 16 << 10;
/// Digits of a count or length that is read in one go.
const DIGITS: usize = 10;
/// Arguments of a request.
const ARGUMENTS: i64 = i32::MAX as i64;
/// The same, and the bytes of one, before the client has said who it is.
const UNKNOWN_ARGUMENTS: i64 = 10;
const UNKNOWN_BYTES: i64 = 16 << 10;

/// The requests in a stream of bytes.
#[derive(Debug)]
pub(crate) struct Requests {
    /// What has arrived, from `start` on not yet read.
    buffer: Vec<u8>,
    start: usize,
    /// What has arrived behind it, for as long as there is enough to read: a client may send all its requests
    /// before it takes a reply.
    ahead: Ahead,
    /// How much of a line that has not ended is known not to hold its end.
    searched: usize,
    /// The arguments of the request that is being read.
    arguments: Arguments,
    /// How many more it has.
    left: usize,
    /// The length of the argument that is being read, once it is known.
    length: Option<usize>,
    /// That argument as far as it has arrived, if it is long; what arrives goes here until it is whole.
    long: Option<Vec<u8>>,
    /// The longest argument.
    pub longest: usize,
    /// Whether the client has still to say who it is.
    pub is_unknown: bool,
    /// How they may be written.
    pub style: Style,
    /// Bytes that have arrived so far, and how often some have.
    pub received: u64,
    pub reads: u64,
}

/// Bytes that are no request. The connection is of no more use, as nobody knows where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProtocolError(Vec<u8>);

impl ProtocolError {
    /// What the client is told.
    #[cfg(feature = "server")]
    pub(crate) fn reply(&self) -> ErrorReply {
        ErrorReply::of_bytes([b"ERR Protocol error: ", &*self.0].concat())
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ERR Protocol error: {}", String::from_utf8_lossy(&self.0))
    }
}

impl Requests {
    /// Nothing has arrived yet; no argument is to be over `longest` bytes.
    pub(crate) fn new(longest: usize) -> Self {
        Requests {
            buffer: Vec::new(),
            start: 0,
            ahead: Ahead::default(),
            searched: 0,
            arguments: Arguments::default(),
            left: 0,
            length: None,
            long: None,
            longest,
            is_unknown: false,
            style: Style::default(),
            received: 0,
            reads: 0,
        }
    }

    /// More bytes have arrived. O(n)
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.received = self.received.wrapping_add(bytes.len() as u64);
        self.reads = self.reads.wrapping_add(1);
        if self.ahead.is_empty() && self.buffer.len() - self.start < ENOUGH {
            self.add(bytes);
        } else {
            self.ahead.push(bytes);
        }
    }

    /// More bytes are to be read. O(n)
    fn add(&mut self, mut bytes: &[u8]) {
        if let (Some(long), Some(length)) = (&mut self.long, self.length) {
            let (own, rest) = bytes.split_at(bytes.len().min(length.saturating_sub(long.len())));
            append(long, own, length);
            bytes = rest;
            if bytes.is_empty() {
                return;
            }
        }
        if self.start > 0 && (self.start == self.buffer.len() || self.start >= READ) {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// Nothing more has arrived for now: gives back the room that a burst has left behind.
    #[cfg(feature = "server")]
    pub(crate) fn rest(&mut self) {
        if self.buffer.capacity() > SPARE && self.pending() < self.buffer.capacity() / 4 {
            self.buffer.drain(..self.start);
            self.start = 0;
            self.buffer.shrink_to_fit();
        }
    }

    /// The next whole request: its name and arguments, at least one; `None` until more has arrived.
    ///
    /// # Errors
    /// [`ProtocolError`]; what comes after it has no meaning.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        match self.usual() {
            Some(words) => Ok(Some(words)),
            None => self.any_ahead(),
        }
    }

    /// The next request, with what has been kept apart.
    fn any_ahead(&mut self) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        loop {
            let found = self.any()?;
            if found.is_some() {
                return Ok(found);
            }
            let Some(piece) = self.ahead.pop() else { return Ok(None) };
            self.add(&piece);
        }
    }

    /// A request as nearly all are: short arguments, less than 100, that have all arrived. What this gives is what
    /// [`any`](Self::any) would.
    #[inline]
    fn usual(&mut self) -> Option<Vec<Bytes>> {
        if self.left > 0 || self.is_unknown {
            return None;
        }
        let (count, mut rest) = two_digits(b'*', self.buffer.get(self.start..)?)?;
        self.arguments.expect(count);
        for _ in 0..count {
            let Some((argument, behind)) = short_argument(rest).filter(|(it, _)| it.len() <= self.longest)
            else {
                self.arguments.clear();
                return None;
            };
            self.arguments.push(argument);
            rest = behind;
        }
        if count == 0 {
            return None;
        }
        self.start = self.buffer.len() - rest.len();
        self.searched = 0;
        Some(self.arguments.take())
    }

    /// The next request, whatever it looks like and however much of it is there.
    fn any(&mut self) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        while self.left == 0 {
            match self.buffer.get(self.start) {
                None => return Ok(None),
                Some(b'*') => {
                    let most = if self.is_unknown { UNKNOWN_ARGUMENTS } else { ARGUMENTS };
                    let Some(count) = self.number(b'*', "too big mbulk count string")? else {
                        return Ok(None);
                    };
                    match count {
                        Some(count) if count > most && count <= ARGUMENTS => {
                            return Err(self.broken("unauthenticated multibulk length"));
                        }
                        Some(count) if count <= most => {
                            self.left = count.max(0) as usize;
                            self.arguments.expect(self.left);
                        }
                        _ => return Err(self.broken("invalid multibulk length")),
                    }
                }
                Some(_) => {
                    let Some(words) = self.inline()? else { return Ok(None) };
                    if !words.is_empty() {
                        return Ok(Some(words));
                    }
                }
            }
        }
        while self.left > 0 {
            if !self.argument()? {
                return Ok(None);
            }
            self.left -= 1;
        }
        Ok(Some(self.arguments.take()))
    }

    /// The words of a request that has been answered: the next one's take their place.
    #[cfg(any(feature = "redis", feature = "server"))]
    pub(crate) fn reuse(&mut self, words: Vec<Bytes>) {
        self.arguments.reuse(words);
    }

    /// Bytes that have arrived and are neither a request nor a whole argument yet.
    #[cfg(any(test, fuzzing, feature = "server"))]
    pub(crate) fn pending(&self) -> usize {
        self.buffer.len() - self.start + self.long.as_ref().map_or(0, Vec::len) + self.ahead.len()
    }

    /// Room for more bytes that is there already.
    #[cfg(feature = "server")]
    pub(crate) fn room(&self) -> usize {
        self.buffer.capacity() - self.buffer.len()
    }

    /// Bytes that are allocated.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn allocated(&self) -> usize {
        let long = self.long.as_ref().map_or(0, Vec::capacity);
        self.buffer.capacity() + long + self.ahead.allocated() + self.arguments.allocated()
    }

    /// Whether a request has arrived in part.
    #[cfg(all(feature = "server", feature = "testing"))]
    pub(crate) fn has_begun(&self) -> bool {
        self.left > 0 || self.pending() > 0
    }

    /// Reads the next argument; false until all of it has arrived.
    fn argument(&mut self) -> Result<bool, ProtocolError> {
        let length = match self.length {
            Some(length) => length,
            None => {
                let Some(length) = self.number(b'$', "too big bulk count string")? else { return Ok(false) };
                let longest = i64::try_from(self.longest).unwrap_or(i64::MAX);
                let length = match length {
                    Some(length) if !(0..=longest).contains(&length) => None,
                    other => other,
                };
                let Some(length) = length else { return Err(self.broken("invalid bulk length")) };
                if self.is_unknown && length > UNKNOWN_BYTES {
                    return Err(self.broken("unauthenticated bulk length"));
                }
                *self.length.insert(length as usize)
            }
        };
        let bytes = &self.buffer[self.start..];
        match &mut self.long {
            Some(long) if long.len() < length || bytes.len() < 2 => return Ok(false),
            Some(long) => {
                check_end(self.style, bytes)?;
                self.arguments.push_long(Bytes::from_buffer(std::mem::take(long)));
                self.long = None;
                self.start += 2;
            }
            None if bytes.len() >= length + 2 => {
                check_end(self.style, &bytes[length..])?;
                self.arguments.push(&bytes[..length]);
                self.start += length + 2;
            }
            None if length > LONG => {
                let arrived = bytes.len().min(length);
                let mut long = Vec::new();
                append(&mut long, &bytes[..arrived], length);
                self.start += arrived;
                self.long = Some(long);
                return Ok(false);
            }
            None => return Ok(false),
        }
        self.length = None;
        Ok(true)
    }

    /// The words of a request without a header, as somebody types it.
    fn inline(&mut self) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        let Some(end) = self.find(b'\n') else {
            return if self.searched >= LINE { Err(self.broken("too big inline request")) } else { Ok(None) };
        };
        let line = &self.buffer[self.start..self.start + end];
        let words = split_words(line.strip_suffix(b"\r").unwrap_or(line), self.style);
        self.start += end + 1;
        words.map(Some).ok_or_else(|| self.broken("unbalanced quotes in request"))
    }

    /// The number on the next line, behind the byte that says what it is of, and goes on to the line after it. The
    /// number is `None` if the line holds none.
    #[inline]
    fn number(&mut self, kind: u8, too_long: &'static str) -> Result<Option<Option<i64>>, ProtocolError> {
        let usual = self.buffer.get(self.start..).and_then(|line| line.strip_prefix(&[kind]));
        match usual.and_then(few_digits) {
            Some((number, digits)) => {
                self.start += 1 + digits + 2;
                self.searched = 0;
                Ok(Some(Some(number)))
            }
            None => self.any_number(kind, too_long),
        }
    }

    /// The same, whatever the line looks like.
    #[cold]
    fn any_number(&mut self, kind: u8, too_long: &'static str) -> Result<Option<Option<i64>>, ProtocolError> {
        let Some(line) = self.line(too_long)? else { return Ok(None) };
        let found = self.buffer[line.start];
        if found != kind {
            return Err(self.broken([b"expected '", &[kind][..], b"', got '", &[found], b"'"].concat()));
        }
        check_end(self.style, &self.buffer[line.end..])?;
        let number = self.buffer[line.clone()].get(1..).and_then(parse_i64);
        self.start = line.end + 2;
        Ok(Some(number))
    }

    /// Where the next line lies, without its end.
    fn line(&mut self, too_long: &'static str) -> Result<Option<std::ops::Range<usize>>, ProtocolError> {
        match self.find(b'\r') {
            Some(end) if self.start + end + 1 < self.buffer.len() => Ok(Some(self.start..self.start + end)),
            Some(_) => Ok(None),
            None if self.searched >= LINE => Err(self.broken(too_long)),
            None => Ok(None),
        }
    }

    /// Where a byte first stands in the line that is being read; what was searched in vain is not again, so that
    /// a line which comes byte by byte costs no more than one that comes at once.
    fn find(&mut self, wanted: u8) -> Option<usize> {
        let rest = &self.buffer[self.start..];
        let rest = &rest[..rest.len().min(LINE)];
        let found = rest.iter().skip(self.searched).position(|byte| *byte == wanted);
        let found = found.map(|at| self.searched + at);
        self.searched = if found.is_some() { 0 } else { rest.len() };
        found
    }

    /// Nothing more is read.
    fn broken(&mut self, why: impl Into<Vec<u8>>) -> ProtocolError {
        ProtocolError(why.into())
    }
}

/// Looks at what stands where a line or an argument ends.
fn check_end(style: Style, bytes: &[u8]) -> Result<(), ProtocolError> {
    if style.takes_end(bytes) { Ok(()) } else { Err(ProtocolError(b"invalid CRLF in request".into())) }
}

/// An argument of less than 100 bytes that has arrived whole, and what comes behind it.
#[inline]
fn short_argument(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = two_digits(b'$', bytes)?;
    let (argument, rest) = rest.split_at_checked(length)?;
    Some((argument, rest.strip_prefix(b"\r\n")?))
}

/// A line of that kind whose number has one digit or two, and what comes behind it.
#[inline]
fn two_digits(kind: u8, bytes: &[u8]) -> Option<(usize, &[u8])> {
    let number = |digit: u8| usize::from(digit - b'0');
    match *bytes {
        [first, one @ b'0'..=b'9', b'\r', b'\n', ref rest @ ..] if first == kind => Some((number(one), rest)),
        [first, ten @ b'1'..=b'9', one @ b'0'..=b'9', b'\r', b'\n', ref rest @ ..] if first == kind => {
            Some((10 * number(ten) + number(one), rest))
        }
        _ => None,
    }
}

/// A line's number and how many digits it has, if it is as all clients write it: few digits, none too many before them,
/// and the line's end.
#[inline]
fn few_digits(line: &[u8]) -> Option<(i64, usize)> {
    let (mut number, mut digits) = (0, 0);
    while let Some(byte @ b'0'..=b'9') = line.get(digits) {
        number = number * 10 + i64::from(byte - b'0');
        digits += 1;
        if digits > DIGITS {
            return None;
        }
    }
    let is_plain = digits == 1 || digits > 1 && line[0] != b'0';
    (is_plain && line[digits..].starts_with(b"\r\n")).then_some((number, digits))
}

/// Puts what has arrived of an argument behind what has before. Its room grows with it.
fn append(long: &mut Vec<u8>, bytes: &[u8], length: usize) {
    if long.capacity() - long.len() < bytes.len() {
        let more = bytes.len().max(STEP).max(long.len() / 4);
        long.reserve_exact(more.min(length.saturating_sub(long.len())).max(bytes.len()));
    }
    long.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], step: usize) -> Result<Vec<Vec<Bytes>>, String> {
        let mut requests = Requests::new(1 << 20);
        let mut all = Vec::new();
        for part in bytes.chunks(step) {
            requests.feed(part);
            while let Some(request) = requests.next().map_err(|error| error.to_string())? {
                all.push(request);
            }
        }
        Ok(all)
    }

    fn words(words: &[&[u8]]) -> Vec<Bytes> {
        words.iter().map(|word| Bytes::from(*word)).collect()
    }

    #[test]
    fn requests_are_the_same_in_whatever_pieces_they_arrive() {
        let bytes = b"*2\r\n$3\r\nGET\r\n$5\r\na\r\nbc\r\n*0\r\n*-1\r\nping  \"a b\\x41\\n\" 'it\\'s'\r\n\r\n*1\r\n$0\r\n\r\n";
        let expected: Vec<Vec<Bytes>> =
            vec![words(&[b"GET", b"a\r\nbc"]), words(&[b"ping", b"a bA\n", b"it's"]), words(&[b""])];
        for step in 1..=bytes.len() {
            assert_eq!(read(bytes, step), Ok(expected.clone()), "in pieces of {step}");
        }
    }

    /// Parts of requests, and what is none.
    fn fragment() -> impl Strategy<Value = Vec<u8>> {
        let request =
            prop::collection::vec(prop::collection::vec(any::<u8>(), 0..130), 1..12).prop_map(|words| {
                let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
                for word in words {
                    bytes.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
                    bytes.extend_from_slice(&word);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes
            });
        let parts = vec![
            "PING\r\n",
            "\r\n",
            "*0\r\n",
            "*-1\r\n",
            "*1\r\n",
            "*2",
            "*02\r\n",
            "*1\r\n$3\r\nabc\r\n",
            "*1\r\n$03\r\nabc\r\n",
            "$",
            "x",
        ];
        prop_oneof![4 => request, 1 => prop::sample::select(parts).prop_map(|part| part.as_bytes().to_vec())]
    }

    proptest! {
        /// What arrives byte by byte is never read as the usual request.
        #[test]
        fn a_usual_request_is_read_as_any_other(
            fragments in prop::collection::vec(fragment(), 1..8), longest in 20..200_usize, is_unknown: bool,
            is_valkey: bool,
        ) {
            let bytes = fragments.concat();
            let style = if is_valkey { Style::Valkey9 } else { Style::Redis };
            let read = |step: usize| {
                let mut requests = Requests { is_unknown, style, ..Requests::new(longest) };
                let mut all = Vec::new();
                for part in bytes.chunks(step) {
                    requests.feed(part);
                    loop {
                        match requests.next() {
                            Ok(Some(request)) => all.push(request),
                            Ok(None) => break,
                            Err(error) => return (all, Some(error), 0),
                        }
                    }
                }
                (all, None, requests.pending())
            };
            let one_by_one = read(1);
            for step in [7, 60, bytes.len()] {
                prop_assert_eq!(&read(step), &one_by_one);
            }
        }
    }

    #[test]
    fn what_is_no_request_is_an_error_as_in_redis() {
        let check = |bytes: &[u8], expected: &str| {
            assert_eq!(read(bytes, 1 << 20), Err(format!("ERR Protocol error: {expected}")), "{bytes:?}");
        };
        check(b"*x\r\n", "invalid multibulk length");
        check(b"*2147483648\r\n", "invalid multibulk length");
        check(b"*1\r\n:5\r\n", "expected '$', got ':'");
        check(b"*1\r\n$-1\r\n", "invalid bulk length");
        check(b"*1\r\n$1048577\r\n", "invalid bulk length");
        check(b"*1\r\n$99999999999999999999\r\n", "invalid bulk length");
        check(b"get \"a\r\n", "unbalanced quotes in request");
        check(b"get \"a\"b\r\n", "unbalanced quotes in request");
        check(&[b'x'; LINE], "too big inline request");
        check(&[b'*'; LINE], "too big mbulk count string");
    }

    #[test]
    fn what_comes_ahead_is_kept_once_and_given_back_as_it_is_read() {
        let mut requests = Requests::new(1 << 20);
        let name = |count: usize| format!("key:{count:03}");
        let one = |count: usize| format!("*2\r\n$3\r\nGET\r\n$7\r\n{}\r\n", name(count % 1000));
        // More comes while some of it is read.
        for count in 0..1_000 {
            requests.feed(one(2 * count).as_bytes());
            requests.feed(one(2 * count + 1).as_bytes());
            assert_eq!(requests.next(), Ok(Some(words(&[b"GET", name(count).as_bytes()]))));
        }
        while requests.next() != Ok(None) {}
        let sent = 10_000 * one(0).len();
        (0..10_000_usize).for_each(|count| requests.feed(one(count).as_bytes()));
        // Of each piece its place too, in a list that may be half empty; the pieces are short in tests.
        assert_eq!(requests.pending(), sent);
        assert!(requests.allocated() < 2 * sent, "{}", requests.allocated());
        for count in 0..10_000_usize {
            assert_eq!(requests.next(), Ok(Some(words(&[b"GET", name(count % 1000).as_bytes()]))));
            if count == 9_000 {
                assert!(requests.ahead.allocated() < sent, "{}", requests.ahead.allocated());
            }
        }
        assert_eq!((requests.next(), requests.pending(), requests.ahead.allocated()), (Ok(None), 0, 0));
    }

    #[test]
    fn nothing_is_set_aside_for_what_is_only_claimed() {
        let mut requests = Requests::new(512 << 20);
        requests.feed(b"*1000000\r\n$536870912\r\n");
        assert_eq!(requests.next(), Ok(None));
        assert!(requests.allocated() < 128 << 10, "{}", requests.allocated());
        assert_eq!(requests.pending(), 0);
    }

    #[test]
    fn who_has_not_said_who_it_is_may_say_little() {
        for bytes in [b"*11\r\n".as_slice(), b"*1\r\n$16385\r\n"] {
            let mut requests = Requests::new(1 << 20);
            requests.is_unknown = true;
            requests.feed(bytes);
            assert!(requests.next().is_err_and(|error| error.to_string().contains("unauthenticated")));
        }
    }
}
