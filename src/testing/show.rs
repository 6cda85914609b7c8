//! Bytes, times and values as text that people read.

use std::fmt::Write;
use std::time::Duration;

/// The longest string that is shown whole, and how much of a longer one is.
const WHOLE: usize = 240;
const PART: usize = 80;

/// A string between quotes: what is no printable text as `\x..`, and a long one by its start, its length and a checksum
/// of it all. A record is told as one.
pub(super) fn bytes(bytes: &[u8]) -> String {
    match record(bytes) {
        Some((codec, version, payload)) => format!("record({codec} v{version}) {}", string(payload)),
        None => string(bytes),
    }
}

#[cfg(feature = "serde")]
fn record(bytes: &[u8]) -> Option<(&'static str, u8, &[u8])> {
    crate::codec::record_parts(bytes)
}

#[cfg(not(feature = "serde"))]
fn record(_: &[u8]) -> Option<(&'static str, u8, &[u8])> {
    None
}

fn string(bytes: &[u8]) -> String {
    if bytes.len() <= WHOLE {
        return quoted(bytes);
    }
    format!("{}.. ({} bytes, crc {:08x})", quoted(prefix(bytes)), bytes.len(), crc32fast::hash(bytes))
}

/// Where two long strings begin to differ, from shortly before that place on: each with its own part.
pub(super) fn from_first_difference(a: &[u8], b: &[u8]) -> (String, String) {
    if a.len().max(b.len()) <= WHOLE {
        return (self::bytes(a), self::bytes(b));
    }
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let start = same.saturating_sub(PART / 4);
    let part = |bytes: &[u8]| {
        let rest = bytes.get(start..).unwrap_or_default();
        let more = if prefix(rest).len() < rest.len() { ".." } else { "" };
        format!("{}{more} (from byte {start} of {})", quoted(prefix(rest)), bytes.len())
    };
    (part(a), part(b))
}

fn prefix(bytes: &[u8]) -> &[u8] {
    bytes.get(..PART).unwrap_or(bytes)
}

fn quoted(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() + 2);
    text.push('"');
    for chunk in bytes.utf8_chunks() {
        for char in chunk.valid().chars() {
            match char {
                '"' | '\\' => text.extend(['\\', char]),
                '\n' => text.push_str("\\n"),
                '\r' => text.push_str("\\r"),
                '\t' => text.push_str("\\t"),
                '\0'..' ' | '\x7f' => _ = write!(text, "\\x{:02x}", u32::from(char)),
                _ => text.push(char),
            }
        }
        chunk.invalid().iter().for_each(|byte| _ = write!(text, "\\x{byte:02x}"));
    }
    text.push('"');
    text
}

/// A time to live in milliseconds, where there is one.
pub(super) fn ttl(ttl: Option<u64>) -> String {
    ttl.map_or("no deadline".into(), |left| format!("{:?} left", Duration::from_millis(left)))
}

/// How many there are of something.
pub(super) fn count(count: usize, one: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_printable_and_bounded() {
        assert_eq!(bytes("na\"me\\ über\n\u{1}".as_bytes()), r#""na\"me\\ über\n\x01""#);
        assert_eq!(bytes(b"\xff\xd1b"), r#""\xff\xd1b""#);
        let long = bytes(&[b'x'; 1_000]);
        assert_eq!(
            long,
            format!("\"{}\".. (1000 bytes, crc {:08x})", "x".repeat(80), crc32fast::hash(&[b'x'; 1_000]))
        );
        // Cut in the middle of a character.
        assert!(bytes("é".repeat(300).as_bytes()).starts_with("\"éé"));
        assert!(bytes(format!("a{}", "é".repeat(300)).as_bytes()).contains("é\\xc3\".. (601 bytes"));
    }

    #[test]
    fn long_strings_are_compared_where_they_differ() {
        let (mut a, mut b) = (vec![b'x'; 1_000], vec![b'x'; 1_000]);
        (a[500], b[500]) = (b'a', b'b');
        let (a, b) = from_first_difference(&a, &b);
        assert!(
            a.starts_with("\"xxxxxxxxxxxxxxxxxxxxax") && a.ends_with(".. (from byte 480 of 1000)"),
            "{a}"
        );
        assert!(b.starts_with("\"xxxxxxxxxxxxxxxxxxxxbx"), "{b}");
    }
}
