//! SCAN, HSCAN, SSCAN, ZSCAN.

use super::args::{Args, is};
use super::call::{Answer, Call};
use super::row::flag::READONLY;
use super::row::{Compat, Keys, Row, row};
use crate::command::scan::{self, Turn};
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::reply::{ErrorReply, Reply};
use crate::text::glob::Pattern;
use crate::text::number::{format_general, format_score, parse_i64};
use crate::{Bytes, Result, Type};

pub(super) const ROWS: &[Row] = &[
    row("hscan", -3, READONLY, Keys::ONE, hscan).since(2, 8),
    row("scan", -2, READONLY, Keys::NONE, scan_keys).since(2, 8),
    row("sscan", -3, READONLY, Keys::ONE, sscan).since(2, 8),
    row("zscan", -3, READONLY, Keys::ONE, zscan).since(2, 8),
];

/// How many a turn looks at if nothing else is said.
const COUNT: usize = 10;

struct Options<'c> {
    count: usize,
    pattern: Option<Pattern<'c>>,
    /// The name of a type.
    kind: Option<&'c [u8]>,
    /// Fields without their values, members without their scores.
    is_bare: bool,
}

impl Options<'_> {
    fn matches(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| pattern.matches(name))
    }
}

/// Those behind the cursor; `of` is the type that is walked over, none for keys.
fn options<'c>(
    args: &mut Args<'c>,
    of: Option<Type>,
    compat: Compat,
) -> std::result::Result<Options<'c>, ErrorReply> {
    let mut options = Options { count: COUNT, pattern: None, kind: None, is_bare: false };
    let knows_values = compat.has_since(7, 4);
    while let Some(word) = args.take() {
        let has_more = !args.is_empty();
        if is(word, "COUNT") && has_more {
            let count = args.integer()?;
            if count < 1 {
                return Err(ErrorReply::SYNTAX);
            }
            options.count = usize::try_from(count).unwrap_or(usize::MAX);
        } else if is(word, "MATCH") && has_more {
            options.pattern = Some(Pattern::new(args.next()?));
        } else if is(word, "TYPE") && of.is_none() && has_more {
            let kind = args.next()?;
            let known = ["string", "list", "set", "zset", "hash", "stream"];
            if compat == Compat::Valkey9 && !known.iter().any(|name| is(kind, name)) {
                let kind = String::from_utf8_lossy(kind);
                return Err(ErrorReply::new(format!("ERR unknown type name '{kind}'")));
            }
            options.kind = Some(kind);
        } else if is(word, "NOVALUES") && knows_values {
            if of != Some(Type::Hash) {
                return Err(ErrorReply::known("ERR NOVALUES option can only be used in HSCAN"));
            }
            options.is_bare = true;
        } else if is(word, "NOSCORES") && compat == Compat::Valkey9 {
            if of != Some(Type::SortedSet) {
                return Err(ErrorReply::known("ERR NOSCORES option can only be used in ZSCAN"));
            }
            options.is_bare = true;
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    Ok(options)
}

/// A cursor as C's `strtoul` reads it: negative numbers wrap. Up to 7.2 nothing is 0, and there are no spaces in
/// front; later servers refuse numbers below zero that are written as Redis writes numbers.
fn cursor(args: &mut Args<'_>, compat: Compat) -> std::result::Result<u64, ErrorReply> {
    let mut text = args.next()?.split(|byte| *byte == 0).next().unwrap_or_default();
    if compat.has_since(7, 4) {
        if parse_i64(text).is_some_and(|number| number < 0) {
            return Err(ErrorReply::known("ERR invalid cursor"));
        }
        let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
        let start = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
        text = &text[start..];
    } else if text.is_empty() {
        return Ok(0);
    }
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let number = digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    let number = number.filter(|_| !digits.is_empty()).ok_or(ErrorReply::known("ERR invalid cursor"))?;
    Ok(if is_negative { number.wrapping_neg() } else { number })
}

fn reply(cursor: impl ToString, found: Vec<Bytes>) -> Reply {
    Reply::Array(vec![Reply::text(cursor.to_string()), Reply::bulks(found)])
}

fn scan_keys(call: &mut Call<'_>) -> Answer {
    let compat = call.compat();
    let cursor = cursor(&mut call.args, compat)?;
    let options = options(&mut call.args, None, compat)?;
    let mut found = Vec::new();
    let next = call.space().walk_on(call.held(), call.db().index(), cursor, options.count, |entry| {
        let is_meant = options.kind.is_none_or(|kind| is(kind, entry.value.kind().as_str()));
        if is_meant && options.matches(entry.key) {
            found.push(Bytes::from(entry.key));
        }
    })?;
    Ok(reply(next, found))
}

/// A walk over a collection. A key that is missing, or of another type, comes before wrong options.
fn walk<T>(
    call: &mut Call<'_>,
    of: Type,
    turn: impl FnOnce(&View<'_>, KeyRef<'_>, usize, usize) -> Result<Option<Turn<T>>>,
    words: impl Fn(T, &Options<'_>, bool) -> Option<(Bytes, Option<Bytes>)>,
) -> Answer {
    let (key, compat) = (call.key()?, call.compat());
    let cursor = usize::try_from(cursor(&mut call.args, compat)?).unwrap_or(usize::MAX);
    let options = options(&mut call.args, Some(of), compat);
    let count = options.as_ref().map_or(1, |options| options.count);
    let turn = call.read(key, |view, key| turn(view, key, cursor, count))?;
    let Some(Turn { cursor, found, is_whole }) = turn else { return Ok(reply(0, Vec::new())) };
    let options = options?;
    let found = found.into_iter().filter_map(|item| words(item, &options, is_whole));
    Ok(reply(cursor, found.flat_map(|(name, rest)| [Some(name), rest]).flatten().collect()))
}

fn hscan(call: &mut Call<'_>) -> Answer {
    walk(call, Type::Hash, scan::hash, |field, options, _| {
        let value = (!options.is_bare).then_some(field.value);
        options.matches(&field.name).then_some((field.name, value))
    })
}

fn sscan(call: &mut Call<'_>) -> Answer {
    walk(call, Type::Set, scan::set, |member, options, _| options.matches(&member).then_some((member, None)))
}

fn zscan(call: &mut Call<'_>) -> Answer {
    let compat = call.compat();
    walk(call, Type::SortedSet, scan::sorted_set, move |(score, member), options, is_whole| {
        let score = (!options.is_bare).then(|| text_of(score, is_whole, compat));
        options.matches(&member).then_some((member, score))
    })
}

/// Redis has the scores of a small sorted set written already, whole numbers as integers without a sign of
/// zero; those of a large one it writes in another way here than anywhere else.
fn text_of(score: f64, is_small: bool, compat: Compat) -> Bytes {
    const WHOLE: f64 = (1_u64 << 62) as f64;
    let is_integer = is_small && score.trunc() == score && score.abs() <= WHOLE;
    match score {
        0.0 if is_small => Bytes::from("0"),
        _ if is_integer || (is_small && compat != Compat::Redis70) => format_score(score),
        _ => format_general(score),
    }
}
