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
        Reply::Array(items) => {
            begin_array(items.len(), out);
            all(items, dialect, out);
        }
        Reply::Set(items) => {
            begin_set(items.len(), dialect, out);
            all(items, dialect, out);
        }
        Reply::Push(items) => {
            header(if resp3 { b'>' } else { b'*' }, items.len(), out);
            all(items, dialect, out);
        }
        Reply::Map(pairs) => {
            begin_map(pairs.len(), dialect, out);
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
        Reply::Several(replies) => all(replies, dialect, out),
    }
}

/// What a reply takes at the least, in whatever dialect: it is short of that only by what numbers take beyond one digit,
/// and exact where there are none but in headers. O(parts), whatever their lengths
#[cfg(feature = "server")]
pub(crate) fn least_bytes(reply: &Reply) -> usize {
    let sum = |all: &mut dyn Iterator<Item = &Reply>| all.map(least_bytes).fold(0, usize::saturating_add);
    let counted = |count: usize| "*\r\n".len() + count.checked_ilog10().unwrap_or(0) as usize + 1;
    let bulk = |len: usize| len.saturating_add(counted(len) + "\r\n".len());
    match reply {
        Reply::Bulk(bytes) => bulk(bytes.len()),
        Reply::Status(text) => text.len().saturating_add("+\r\n".len()),
        Reply::Error(error) => error.as_bytes().len().saturating_add("-\r\n".len()),
        Reply::Nil | Reply::NilArray => "_\r\n".len(),
        Reply::Integer(_) | Reply::Double(_) | Reply::Coordinate(_) | Reply::Boolean(_) => ":0\r\n".len(),
        Reply::BigNumber(digits) => digits.len().saturating_add("(\r\n".len()),
        Reply::Verbatim(_, text) => bulk(text.len()),
        Reply::Array(items) | Reply::Set(items) | Reply::Push(items) => {
            sum(&mut items.iter()).saturating_add(counted(items.len()))
        }
        Reply::Map(pairs) | Reply::Pairs(pairs) => {
            let both = &mut pairs.iter().flat_map(|(first, second)| [first, second]);
            sum(both).saturating_add(counted(pairs.len()))
        }
        // RESP2 has no attributes.
        Reply::Attribute(_, reply) => least_bytes(reply),
        Reply::Several(replies) => sum(&mut replies.iter()),
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

fn all(items: &[Reply], dialect: Dialect, out: &mut Vec<u8>) {
    for item in items {
        match item {
            // As most are: they need no call each.
            Reply::Bulk(bytes) => bulk(bytes, out),
            item => encode(item, dialect, out),
        }
    }
}

/// Begins an array: so many replies are to follow.
pub(crate) fn begin_array(count: usize, out: &mut Vec<u8>) {
    header(b'*', count, out);
}

/// The same for a set.
pub(crate) fn begin_set(count: usize, dialect: Dialect, out: &mut Vec<u8>) {
    header(if dialect.protocol == Protocol::Resp3 { b'~' } else { b'*' }, count, out);
}

/// The same for a map of so many pairs.
pub(crate) fn begin_map(pairs: usize, dialect: Dialect, out: &mut Vec<u8>) {
    match dialect.protocol {
        Protocol::Resp2 => header(b'*', 2 * pairs, out),
        Protocol::Resp3 => header(b'%', pairs, out),
    }
}

/// A byte string.
#[inline]
pub(crate) fn bulk(bytes: &[u8], out: &mut Vec<u8>) {
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

#[cfg(all(test, feature = "server"))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reply::ErrorReply;

    fn bytes() -> impl Strategy<Value = Bytes> {
        prop_oneof![0..30_usize, 90..120_usize, 990..1010_usize].prop_map(|len| Bytes::from(vec![b'7'; len]))
    }

    fn leaf() -> impl Strategy<Value = Reply> {
        prop_oneof![
            6 => bytes().prop_map(Reply::Bulk),
            1 => Just(Reply::OK),
            1 => Just(Reply::Error(ErrorReply::known("ERR no such key"))),
        ]
    }

    fn other_leaf() -> impl Strategy<Value = Reply> {
        prop_oneof![
            leaf(),
            any::<i64>().prop_map(Reply::Integer),
            any::<f64>().prop_map(Reply::Double),
            (-180.0..180.0).prop_map(Reply::Coordinate),
            any::<bool>().prop_map(Reply::Boolean),
            bytes().prop_map(Reply::BigNumber),
            bytes().prop_map(|text| Reply::Verbatim("txt", text)),
            Just(Reply::Nil),
            Just(Reply::NilArray),
        ]
    }

    fn nested(leaf: impl Strategy<Value = Reply> + 'static) -> impl Strategy<Value = Reply> {
        leaf.prop_recursive(3, 60, 12, |inner| {
            let many = prop::collection::vec(inner, 0..12);
            prop_oneof![
                many.clone().prop_map(Reply::Array),
                many.clone().prop_map(Reply::Set),
                many.clone().prop_map(Reply::Push),
                many.prop_map(Reply::Several),
            ]
        })
    }

    fn lengths(reply: &Reply) -> Vec<usize> {
        let dialects = [Protocol::Resp2, Protocol::Resp3].into_iter().flat_map(|protocol| {
            [Compat::Redis70, Compat::Redis810].map(|compat| Dialect { protocol, compat })
        });
        let encoded = |dialect| {
            let mut out = Vec::new();
            encode(reply, dialect, &mut out);
            out.len()
        };
        dialects.map(encoded).collect()
    }

    proptest! {
        #[test]
        fn no_reply_takes_less_than_its_least(
            parts in prop::collection::vec((nested(other_leaf()), nested(other_leaf())), 0..12),
        ) {
            for reply in [Reply::Map(parts.clone()), Reply::Pairs(parts)] {
                let least = least_bytes(&reply);
                prop_assert!(lengths(&reply).iter().all(|length| *length >= least), "{least}: {reply:?}");
            }
        }

        #[test]
        fn one_without_numbers_takes_no_more_either(reply in nested(leaf())) {
            let least = least_bytes(&reply);
            prop_assert!(lengths(&reply).iter().all(|length| *length == least), "{least}: {reply:?}");
        }
    }
}
