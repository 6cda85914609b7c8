//! Requests from bytes, as they arrive.
//!
//! What is kept is what has arrived and is not yet an argument: nothing is set aside for a length that a
//! client merely claims.

use std::fmt;

use crate::Bytes;
use crate::text::number::parse_i64;

/// The longest line: an inline request, or a count.
const LINE: usize = 64 << 10;
/// Room that is made at once for the arguments of a request.
const EXPECTED: usize = 32;
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
    /// The arguments of the request that is being read.
    arguments: Vec<Bytes>,
    /// How many more it has.
    left: usize,
    /// The length of the argument that is being read, once it is known.
    length: Option<usize>,
    /// The longest argument.
    longest: usize,
    /// Whether the client has still to say who it is.
    pub is_unknown: bool,
}

/// Bytes that are no request. The connection is of no more use, as nobody knows where the next one begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ProtocolError(String);

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ERR Protocol error: {}", self.0)
    }
}

impl Requests {
    /// Nothing has arrived yet; no argument is to be over `longest` bytes.
    pub(crate) fn new(longest: usize) -> Self {
        Requests {
            buffer: Vec::new(),
            start: 0,
            arguments: Vec::new(),
            left: 0,
            length: None,
            longest,
            is_unknown: false,
        }
    }

    /// More bytes have arrived.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 && (self.start == self.buffer.len() || self.start >= LINE) {
            self.buffer.drain(..self.start);
            self.start = 0;
            // One long argument is no reason to keep so much for the next.
            if self.buffer.capacity() > LINE && self.buffer.len() < LINE / 4 {
                self.buffer.shrink_to(LINE / 4);
            }
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole request: its name and arguments, at least one; `None` until more has arrived.
    ///
    /// # Errors
    /// [`ProtocolError`]; what comes after it has no meaning.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        while self.left == 0 {
            match self.buffer.get(self.start) {
                None => return Ok(None),
                Some(b'*') => {
                    let most = if self.is_unknown { UNKNOWN_ARGUMENTS } else { ARGUMENTS };
                    let Some(count) = self.number("too big mbulk count string")? else { return Ok(None) };
                    match count {
                        Some(count) if count > most && count <= ARGUMENTS => {
                            return Err(self.broken("unauthenticated multibulk length"));
                        }
                        Some(count) if count <= most => {
                            self.left = count.max(0) as usize;
                            self.arguments.reserve(self.left.min(EXPECTED));
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
            let Some(argument) = self.argument()? else { return Ok(None) };
            self.arguments.push(argument);
            self.left -= 1;
        }
        Ok(Some(std::mem::take(&mut self.arguments)))
    }

    /// Bytes that have arrived and are no request yet.
    #[cfg(any(test, feature = "server"))]
    pub(crate) fn pending(&self) -> usize {
        self.buffer.len() - self.start
    }

    /// Whether a request has arrived in part.
    #[cfg(all(feature = "server", feature = "testing"))]
    pub(crate) fn has_begun(&self) -> bool {
        self.left > 0 || self.pending() > 0
    }

    fn argument(&mut self) -> Result<Option<Bytes>, ProtocolError> {
        let length = match self.length {
            Some(length) => length,
            None => {
                let start = self.start;
                let Some(length) = self.number("too big bulk count string")? else { return Ok(None) };
                let kind = self.buffer[start];
                if kind != b'$' {
                    return Err(self.broken(format!("expected '$', got '{}'", char::from(kind))));
                }
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
        if bytes.len() < length + 2 {
            return Ok(None);
        }
        let argument = Bytes::from(&bytes[..length]);
        // What stands in the place of the two bytes behind it is not looked at, as in Redis.
        self.start += length + 2;
        self.length = None;
        Ok(Some(argument))
    }

    /// The words of a request without a header, as somebody types it.
    fn inline(&mut self) -> Result<Option<Vec<Bytes>>, ProtocolError> {
        let rest = &self.buffer[self.start..];
        let Some(end) = rest.iter().take(LINE).position(|byte| *byte == b'\n') else {
            return if rest.len() >= LINE { Err(self.broken("too big inline request")) } else { Ok(None) };
        };
        let line = &rest[..end];
        let words = split_words(line.strip_suffix(b"\r").unwrap_or(line));
        self.start += end + 1;
        words.map(Some).ok_or_else(|| self.broken("unbalanced quotes in request"))
    }

    /// The number on the next line, behind its first byte, and goes on to the line after it. The number is `None`
    /// if the line holds none.
    fn number(&mut self, too_long: &'static str) -> Result<Option<Option<i64>>, ProtocolError> {
        // As all clients write it: few digits, and none before them.
        let mut number = 0;
        let rest = self.buffer.get(self.start + 1..).unwrap_or_default();
        for (at, byte) in rest.iter().take(DIGITS).enumerate() {
            match byte {
                b'0'..=b'9' => number = number * 10 + i64::from(byte - b'0'),
                b'\r' if at > 0 && (at == 1 || rest[0] != b'0') && rest.len() > at + 1 => {
                    self.start += 1 + at + 2;
                    return Ok(Some(Some(number)));
                }
                _ => break,
            }
        }
        let Some(line) = self.line(too_long)? else { return Ok(None) };
        let number = self.buffer[line.clone()].get(1..).and_then(parse_i64);
        self.start = line.end + 2;
        Ok(Some(number))
    }

    /// Where the next line lies, without its end.
    fn line(&mut self, too_long: &'static str) -> Result<Option<std::ops::Range<usize>>, ProtocolError> {
        let rest = &self.buffer[self.start..];
        match rest.iter().take(LINE).position(|byte| *byte == b'\r') {
            Some(end) if end + 1 < rest.len() => Ok(Some(self.start..self.start + end)),
            Some(_) => Ok(None),
            None if rest.len() >= LINE => Err(self.broken(too_long)),
            None => Ok(None),
        }
    }

    /// Nothing more is read.
    fn broken(&mut self, why: impl Into<String>) -> ProtocolError {
        ProtocolError(why.into())
    }
}

/// The words of a line, apart by white space; within quotes it belongs to the word, and within double quotes
/// there are escapes (`\n`, `\x0a`). `None` if a quote does not end, or something follows it at once.
pub(crate) fn split_words(line: &[u8]) -> Option<Vec<Bytes>> {
    let mut words = Vec::new();
    let mut rest = line.trim_ascii_start();
    while !rest.is_empty() {
        let mut word = Vec::new();
        loop {
            match rest {
                [] => break,
                [b'"', tail @ ..] => {
                    rest = double_quoted(tail, &mut word)?;
                    if rest.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
                        return None;
                    }
                    break;
                }
                [b'\'', tail @ ..] => {
                    rest = single_quoted(tail, &mut word)?;
                    if rest.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
                        return None;
                    }
                    break;
                }
                [byte, tail @ ..] => {
                    rest = tail;
                    if byte.is_ascii_whitespace() {
                        break;
                    }
                    word.push(*byte);
                }
            }
        }
        words.push(Bytes::from(word));
        rest = rest.trim_ascii_start();
    }
    Some(words)
}

/// What follows the closing quote.
fn double_quoted<'l>(mut rest: &'l [u8], word: &mut Vec<u8>) -> Option<&'l [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'"', tail @ ..] => return Some(tail),
            [b'\\', b'x', a, b, tail @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                word.push(hex(*a) << 4 | hex(*b));
                tail
            }
            [b'\\', escaped, tail @ ..] => {
                word.push(match escaped {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'b' => 8,
                    b'a' => 7,
                    other => *other,
                });
                tail
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

fn single_quoted<'l>(mut rest: &'l [u8], word: &mut Vec<u8>) -> Option<&'l [u8]> {
    loop {
        rest = match rest {
            [] => return None,
            [b'\'', tail @ ..] => return Some(tail),
            [b'\\', b'\'', tail @ ..] => {
                word.push(b'\'');
                tail
            }
            [byte, tail @ ..] => {
                word.push(*byte);
                tail
            }
        };
    }
}

fn hex(digit: u8) -> u8 {
    char::from(digit).to_digit(16).unwrap_or_default() as u8
}

#[cfg(test)]
mod tests {
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
    fn nothing_is_set_aside_for_what_is_only_claimed() {
        let mut requests = Requests::new(512 << 20);
        requests.feed(b"*1000000\r\n$536870912\r\n");
        assert_eq!(requests.next(), Ok(None));
        assert!(requests.buffer.capacity() < 1024 && requests.arguments.capacity() < 1024);
        requests.is_unknown = true;
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
