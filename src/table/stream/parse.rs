//! Ids as Redis reads them, and the options that XADD and XTRIM share.

use super::{Absent, Args, Bytes, Compat, ErrorReply, NewId, References, StreamId, Trim, is};
use crate::command::stream::ROUGH_LIMIT;
use crate::text::number::parse_i64;
use crate::value::stream::Keep;

const INVALID: ErrorReply = ErrorReply::known("ERR Invalid stream ID specified as stream command argument");

/// The longest text of an id that Redis reads.
const LONGEST: usize = 127;

/// An id, with the number 0 if it has none.
pub(super) fn strict_id(text: &[u8]) -> Result<StreamId, ErrorReply> {
    id(text, 0).ok_or(INVALID)
}

pub(super) fn ids(words: &[Bytes]) -> Result<Vec<StreamId>, ErrorReply> {
    words.iter().map(|word| strict_id(word)).collect()
}

/// The bounds of a range, both included.
pub(super) fn interval([start, end]: [&[u8]; 2]) -> Result<(StreamId, StreamId), ErrorReply> {
    Ok((start_of(start)?, end_of(end)?))
}

pub(super) fn start_of(text: &[u8]) -> Result<StreamId, ErrorReply> {
    let (id, excluded) = bound(text, 0)?;
    let next = if excluded { id.next() } else { Some(id) };
    next.ok_or(ErrorReply::known("ERR invalid start ID for the interval"))
}

pub(super) fn end_of(text: &[u8]) -> Result<StreamId, ErrorReply> {
    let (id, excluded) = bound(text, u64::MAX)?;
    let previous = if excluded { id.previous() } else { Some(id) };
    previous.ok_or(ErrorReply::known("ERR invalid end ID for the interval"))
}

/// The words of the ids of `[KEEPREF | DELREF | ACKED] IDS count id ...`, in any order; of more than one such list
/// the last counts.
pub(super) fn references_and_ids<'c>(args: &mut Args<'c>) -> Result<(References, &'c [Bytes]), ErrorReply> {
    let (mut given, mut found) = (None, None);
    while let Some(word) = args.take() {
        if let Some(references) = references(word) {
            if given.replace(references).is_some() {
                return Err(ErrorReply::SYNTAX);
            }
        } else if is(word, "IDS") && !args.is_empty() {
            found = Some(counted_words(args)?);
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    Ok((given.unwrap_or_default(), found.ok_or(ErrorReply::SYNTAX)?))
}

/// A count, and so many ids.
pub(super) fn counted_ids(args: &mut Args<'_>) -> Result<Vec<StreamId>, ErrorReply> {
    ids(counted_words(args)?)
}

fn counted_words<'c>(args: &mut Args<'c>) -> Result<&'c [Bytes], ErrorReply> {
    let count = args.count(1, ErrorReply::known("ERR Number of IDs must be a positive integer"))?;
    args.take_many(count)
        .map_err(|_| ErrorReply::known("ERR The `numids` parameter must match the number of arguments"))
}

fn references(word: &[u8]) -> Option<References> {
    let all =
        [("KEEPREF", References::Keep), ("DELREF", References::Remove), ("ACKED", References::Acknowledged)];
    all.into_iter().find_map(|(name, references)| is(word, name).then_some(references))
}

/// What XADD says before its fields.
pub(super) struct Changes<'c> {
    pub absent: Absent,
    pub trim: Option<Trim>,
    pub id: Option<NewId>,
    pub producer: Option<Producer<'c>>,
}

/// Who sends a message, and what it calls it, if anything.
#[derive(Clone, Copy)]
pub(super) struct Producer<'c> {
    pub name: &'c [u8],
    pub message: Option<&'c [u8]>,
}

impl<'c> Changes<'c> {
    /// Reads up to the id, and that.
    pub(super) fn of_add(args: &mut Args<'c>, compat: Compat) -> Result<Self, ErrorReply> {
        Self::read(args, compat, true)
    }

    pub(super) fn of_trim(args: &mut Args<'c>, compat: Compat) -> Result<Trim, ErrorReply> {
        const NONE: ErrorReply =
            ErrorReply::known("ERR syntax error, XTRIM must be called with a trimming strategy");
        Self::read(args, compat, false)?.trim.ok_or(NONE)
    }

    fn read(args: &mut Args<'c>, compat: Compat, adds: bool) -> Result<Self, ErrorReply> {
        const BOTH: ErrorReply = ErrorReply::known(
            "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
        );
        const NO_STRATEGY: ErrorReply = ErrorReply::known(
            "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
        );
        const NOT_ROUGH: ErrorReply =
            ErrorReply::known("ERR syntax error, LIMIT cannot be used without the special ~ option");
        let (mut absent, mut keep, mut id) = (Absent::Create, None, None);
        let (mut is_rough, mut limit) = (false, None);
        let (knows_policies, mut policy) = (compat.redis() >= (8, 2), None);
        let (knows_producers, mut producer) = (adds && compat.redis() >= (8, 6), None);
        while let Some(word) = args.take() {
            let has_more = !args.is_empty();
            if adds && *word == *b"*" {
                id = Some(NewId::Auto);
                break;
            } else if is(word, "MAXLEN") && has_more {
                if keep.is_some() {
                    return Err(BOTH);
                }
                is_rough = tilde(args);
                let most = args.integer()?;
                let most = u64::try_from(most)
                    .map_err(|_| ErrorReply::known("ERR The MAXLEN argument must be >= 0."))?;
                keep = Some(Keep::Len(most));
            } else if is(word, "MINID") && has_more {
                if keep.is_some() {
                    return Err(BOTH);
                }
                is_rough = tilde(args);
                keep = Some(Keep::From(strict_id(args.next()?)?));
            } else if is(word, "LIMIT") && has_more {
                let most = usize::try_from(args.integer()?)
                    .map_err(|_| ErrorReply::known("ERR The LIMIT argument must be >= 0."))?;
                limit = Some(most);
            } else if adds && is(word, "NOMKSTREAM") {
                absent = Absent::Skip;
            } else if let Some(references) = references(word).filter(|_| knows_policies && policy.is_none()) {
                policy = Some(references);
            } else if knows_producers && is(word, "IDMP") && args.len() >= 2 {
                Producer::read(args, &mut producer, true)?;
            } else if knows_producers && is(word, "IDMPAUTO") && has_more {
                Producer::read(args, &mut producer, false)?;
            } else if adds {
                id = Some(new_id(word)?);
                break;
            } else {
                return Err(ErrorReply::SYNTAX);
            }
        }
        if keep.is_none() && limit.is_some_and(|limit| limit > 0) {
            return Err(NO_STRATEGY);
        }
        if !adds && keep.is_none() {
            return Err(ErrorReply::known("ERR syntax error, XTRIM must be called with a trimming strategy"));
        }
        if limit.is_some() && !is_rough {
            return Err(NOT_ROUGH);
        }
        // A limit of 0 is none.
        let limit = limit.map_or(ROUGH_LIMIT, |limit| if limit == 0 { usize::MAX } else { limit });
        let references = policy.unwrap_or_default();
        // Redis 8.2 has whole blocks go only without a word on references, and nothing else roughly.
        let is_idle = compat == Compat::Redis82 && references != References::Keep;
        let roughly = is_rough.then_some(if is_idle { 0 } else { limit });
        let trim = keep.map(|keep| Trim { keep, roughly, references });
        if producer.is_some() && id != Some(NewId::Auto) {
            return Err(ErrorReply::known("ERR IDMP/IDMPAUTO can be used only with auto-generated IDs"));
        }
        Ok(Changes { absent, trim, id, producer })
    }
}

impl<'c> Producer<'c> {
    fn read(args: &mut Args<'c>, into: &mut Option<Self>, names: bool) -> Result<(), ErrorReply> {
        if into.is_some() {
            return Err(ErrorReply::known("ERR IDMP/IDMPAUTO specified multiple times"));
        }
        let name = &args.next()?[..];
        if name.is_empty() {
            return Err(ErrorReply::known(match names {
                true => "ERR IDMP requires a non-empty producer ID",
                false => "ERR IDMPAUTO requires a non-empty producer ID",
            }));
        }
        let message = if names { Some(&args.next()?[..]) } else { None };
        if message.is_some_and(<[u8]>::is_empty) {
            return Err(ErrorReply::known("ERR IDMP requires a non-empty idempotent ID"));
        }
        *into = Some(Producer { name, message });
        Ok(())
    }
}

/// Takes `~` or `=`, if a word comes behind it; whether it was the first.
fn tilde(args: &mut Args<'_>) -> bool {
    if args.len() < 2 {
        return false;
    }
    let is_rough = args.keyword("~");
    if !is_rough {
        args.keyword("=");
    }
    is_rough
}

fn new_id(text: &[u8]) -> Result<NewId, ErrorReply> {
    if let Some(ms) = c_text(text).strip_suffix(b"-*").filter(|ms| !ms.contains(&b'-')) {
        return number(ms).map(NewId::Within).filter(|_| text.len() <= LONGEST).ok_or(INVALID);
    }
    strict_id(text).map(NewId::Exact)
}

/// A bound, and whether it is excluded; `-` and `+` are the ends.
fn bound(text: &[u8], missing: u64) -> Result<(StreamId, bool), ErrorReply> {
    match text {
        [b'-'] => Ok((StreamId::MIN, false)),
        [b'+'] => Ok((StreamId::MAX, false)),
        [b'(', rest @ ..] if !rest.is_empty() => Ok((id(rest, missing).ok_or(INVALID)?, true)),
        text => Ok((id(text, missing).ok_or(INVALID)?, false)),
    }
}

fn id(text: &[u8], missing: u64) -> Option<StreamId> {
    if text.len() > LONGEST {
        return None;
    }
    let text = c_text(text);
    let (ms, seq) = match text.iter().position(|byte| *byte == b'-') {
        Some(at) => (&text[..at], number(&text[at + 1..])?),
        None => (text, missing),
    };
    Some(StreamId::new(number(ms)?, seq))
}

/// What C sees of a text: nothing behind a zero.
fn c_text(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number as `strtoull` reads it, spaces and signs in front included, but for those below zero that are written
/// as Redis would write them.
fn number(text: &[u8]) -> Option<u64> {
    if let Some(number) = parse_i64(text) {
        return u64::try_from(number).ok();
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | 9..=13);
    let text = &text[text.iter().take_while(|byte| is_space(byte)).count()..];
    let (is_negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] | digits => (false, digits),
    };
    let number = digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    });
    let number = number.filter(|_| !digits.is_empty())?;
    Some(if is_negative { number.wrapping_neg() } else { number })
}
