//! Replies to bytes.

use super::Protocol;
use crate::Bytes;
use crate::reply::Reply;
use crate::table::Compat;
use crate::text::number::{self, format_i64};

/// What a client understands, and whom it takes the store for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Dialect {
    pub protocol: Protocol,
    pub compat: Compat,
}

/// Writes a reply behind what is in the buffer. O(reply)
pub(crate) fn encode(reply: &Reply, dialect: Dialect, out: &mut Vec<u8>) {
    let resp3 = dialect.protocol == Protocol::Resp3;
    match reply {
        Reply::Status(text) => line(b'+', text.as_bytes(), out),
        Reply::Error(error) => one_line(error.as_bytes(), out),
        Reply::Integer(value) => integer(b':', *value, out),
        Reply::Bulk(bytes) => bulk(bytes, out),
        Reply::Nil | Reply::NilArray if resp3 => out.extend_from_slice(b"_\r\n"),
        Reply::Nil => out.extend_from_slice(b"$-1\r\n"),
        Reply::NilArray => out.extend_from_slice(b"*-1\r\n"),
        Reply::Array(items) => array(b'*', items, dialect, out),
        Reply::Set(items) => array(if resp3 { b'~' } else { b'*' }, items, dialect, out),
        Reply::Push(items) => array(if resp3 { b'>' } else { b'*' }, items, dialect, out),
        Reply::Map(pairs) => {
            if resp3 {
                header(b'%', pairs.len(), out);
            } else {
                header(b'*', 2 * pairs.len(), out);
            }
            flat(pairs, dialect, out);
        }
        Reply::Pairs(pairs) => {
            header(b'*', if resp3 { pairs.len() } else { 2 * pairs.len() }, out);
            for (first, second) in pairs {
                if resp3 {
                    header(b'*', 2, out);
                }
                encode(first, dialect, out);
                encode(second, dialect, out);
            }
        }
        Reply::Double(value) if resp3 => line(b',', &double(*value, dialect.compat), out),
        Reply::Double(value) => bulk(&double(*value, dialect.compat), out),
        Reply::Coordinate(value) if resp3 => line(b',', &coordinate(*value, dialect.compat), out),
        Reply::Coordinate(value) => bulk(&coordinate(*value, dialect.compat), out),
        Reply::Boolean(value) if resp3 => line(b'#', if *value { b"t" } else { b"f" }, out),
        Reply::Boolean(value) => integer(b':', i64::from(*value), out),
        Reply::BigNumber(digits) if resp3 => line(b'(', digits, out),
        Reply::BigNumber(digits) => bulk(digits, out),
        Reply::Verbatim(format, text) if resp3 => {
            header(b'=', format.len() + 1 + text.len(), out);
            out.extend_from_slice(format.as_bytes());
            out.push(b':');
            out.extend_from_slice(text);
            out.extend_from_slice(b"\r\n");
        }
        Reply::Verbatim(_, text) => bulk(text, out),
        Reply::Attribute(pairs, reply) => {
            if resp3 {
                header(b'|', pairs.len(), out);
                flat(pairs, dialect, out);
            }
            encode(reply, dialect, out);
        }
        Reply::Several(replies) => replies.iter().for_each(|reply| encode(reply, dialect, out)),
    }
}

/// A number that need not be whole, as that server writes it.
pub(crate) fn double(value: f64, compat: Compat) -> Bytes {
    match compat {
        Compat::Redis70 => number::format_general(value),
        _ => number::format_score(value),
    }
}

/// A longitude or a latitude, as that server writes it.
pub(crate) fn coordinate(value: f64, compat: Compat) -> Bytes {
    match compat {
        Compat::Redis70 | Compat::Redis72 | Compat::Valkey9 => number::format_decimals(value),
        _ => number::format_score(value),
    }
}

fn flat(pairs: &[(Reply, Reply)], dialect: Dialect, out: &mut Vec<u8>) {
    for (name, value) in pairs {
        encode(name, dialect, out);
        encode(value, dialect, out);
    }
}

fn array(kind: u8, items: &[Reply], dialect: Dialect, out: &mut Vec<u8>) {
    header(kind, items.len(), out);
    for item in items {
        match item {
            // As most are: they need no call each.
            Reply::Bulk(bytes) => bulk(bytes, out),
            item => encode(item, dialect, out),
        }
    }
}

fn bulk(bytes: &[u8], out: &mut Vec<u8>) {
    header(b'$', bytes.len(), out);
    // With its end, lest room for a long one be doubled for two bytes.
    out.reserve(bytes.len() + 2);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn header(kind: u8, len: usize, out: &mut Vec<u8>) {
    integer(kind, i64::try_from(len).unwrap_or(i64::MAX), out);
}

fn integer(kind: u8, value: i64, out: &mut Vec<u8>) {
    // Most lengths, and most counts.
    if let 0..=9 = value {
        return out.extend_from_slice(&[kind, b'0' + value as u8, b'\r', b'\n']);
    }
    line(kind, format_i64(value, &mut Default::default()), out);
}

/// An error's text may name what a client has sent, and must stay one line.
fn one_line(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'-');
    out.extend(text.iter().map(|&byte| if byte == b'\r' || byte == b'\n' { b' ' } else { byte }));
    out.extend_from_slice(b"\r\n");
}

fn line(kind: u8, text: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}
