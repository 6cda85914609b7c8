//! ZRANGE, ZRANGESTORE, ZCOUNT, ZREMRANGEBYRANK and their kin.

use std::ops::Bound;

use super::members;
use crate::Bytes;
use crate::command::sorted_set::Window;
use crate::command::sorted_set::range::{self as ranges, Select};
use crate::reply::{ErrorReply, Reply};
use crate::table::args::is;
use crate::table::call::{Answer, Call};
use crate::table::row::Compat;
use crate::text::number;

/// What the ends of a range are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Member,
}

/// A range as its command's words say it.
struct Wanted {
    select: Select,
    window: Window,
    with_scores: bool,
}

pub(super) fn range(call: &mut Call<'_>) -> Answer {
    read(call, None, None)
}

pub(super) fn reversed(call: &mut Call<'_>) -> Answer {
    read(call, Some(By::Rank), Some(true))
}

pub(super) fn by_score(call: &mut Call<'_>) -> Answer {
    read(call, Some(By::Score), Some(false))
}

pub(super) fn by_score_reversed(call: &mut Call<'_>) -> Answer {
    read(call, Some(By::Score), Some(true))
}

pub(super) fn by_member(call: &mut Call<'_>) -> Answer {
    read(call, Some(By::Member), Some(false))
}

pub(super) fn by_member_reversed(call: &mut Call<'_>) -> Answer {
    read(call, Some(By::Member), Some(true))
}

pub(super) fn store(call: &mut Call<'_>) -> Answer {
    let (destination, source) = (call.key()?, call.key()?);
    let Wanted { select, window, .. } = wanted(call, None, None, true)?;
    let len = call.write_all(&[destination, source], |writer| {
        ranges::range_into(writer, destination, source, &select, window)
    })?;
    Ok(Reply::count(len))
}

pub(super) fn count_by_score(call: &mut Call<'_>) -> Answer {
    count(call, By::Score)
}

pub(super) fn count_by_member(call: &mut Call<'_>) -> Answer {
    count(call, By::Member)
}

pub(super) fn remove_by_rank(call: &mut Call<'_>) -> Answer {
    remove(call, By::Rank)
}

pub(super) fn remove_by_score(call: &mut Call<'_>) -> Answer {
    remove(call, By::Score)
}

pub(super) fn remove_by_member(call: &mut Call<'_>) -> Answer {
    remove(call, By::Member)
}

fn read(call: &mut Call<'_>, by: Option<By>, reversed: Option<bool>) -> Answer {
    let key = call.key()?;
    let Wanted { select, window, with_scores } = wanted(call, by, reversed, false)?;
    let found = call.read(key, |view, key| ranges::range(view, key, &select, window))?;
    members(call, found, with_scores)
}

fn count(call: &mut Call<'_>, by: By) -> Answer {
    let key = call.key()?;
    let select = select(by, call.args.next()?, call.args.next()?, call.compat())?;
    Ok(Reply::count(call.read(key, |view, key| ranges::count(view, key, &select))?))
}

fn remove(call: &mut Call<'_>, by: By) -> Answer {
    let key = call.key()?;
    let select = select(by, call.args.next()?, call.args.next()?, call.compat())?;
    let gone = call.write(key, |writer, key| ranges::remove_range(writer, key, &select))?;
    Ok(Reply::count(gone.map_or(0, |gone| gone.len())))
}

/// The two ends and the options behind them, which are read first: they say what the ends are, as far as the
/// command's name does not.
fn wanted(
    call: &mut Call<'_>,
    by: Option<By>,
    reversed: Option<bool>,
    stores: bool,
) -> Result<Wanted, ErrorReply> {
    let compat = call.compat();
    let args = &mut call.args;
    let (first, second) = (args.next()?, args.next()?);
    let (mut chosen, mut turned) = (by, reversed);
    let (mut with_scores, mut offset, mut count) = (false, 0, -1);
    while let Some(word) = args.take() {
        if is(word, "WITHSCORES") && !stores {
            with_scores = true;
        } else if is(word, "LIMIT") && args.len() >= 2 {
            (offset, count) = (args.integer()?, args.integer()?);
        } else if is(word, "REV") && turned.is_none() {
            turned = Some(true);
        } else if is(word, "BYLEX") && chosen.is_none() {
            chosen = Some(By::Member);
        } else if is(word, "BYSCORE") && chosen.is_none() {
            chosen = Some(By::Score);
        } else {
            return Err(ErrorReply::SYNTAX);
        }
    }
    let (by, reversed) = (chosen.unwrap_or(By::Rank), turned.unwrap_or(false));
    if by == By::Rank && count != -1 {
        return Err(ErrorReply::known(
            "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
        ));
    }
    if by == By::Member && with_scores {
        return Err(ErrorReply::known(
            "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
        ));
    }
    let turned_ends = reversed && by != By::Rank;
    let select =
        if turned_ends { select(by, second, first, compat) } else { select(by, first, second, compat) }?;
    let mut window = if reversed { Window::new().reversed() } else { Window::new() };
    if by != By::Rank {
        // From an offset below zero, Redis skips all there is; a count below zero is none.
        window = window.skip(usize::try_from(offset).unwrap_or(usize::MAX));
        window = usize::try_from(count).map_or(window, |count| window.take(count));
    }
    Ok(Wanted { select, window, with_scores })
}

fn select(by: By, low: &Bytes, high: &Bytes, compat: Compat) -> Result<Select, ErrorReply> {
    match by {
        By::Rank => {
            let end = |text| number::parse_i64(text).ok_or(ErrorReply::NOT_AN_INTEGER);
            Ok(Select::Rank(end(low)?, end(high)?))
        }
        By::Score => {
            let bounds = score_bound(low, compat).zip(score_bound(high, compat));
            Ok(Select::Score(bounds.ok_or(ErrorReply::known("ERR min or max is not a float"))?))
        }
        By::Member => {
            let bounds = member_bound(low).zip(member_bound(high));
            let (low, high) =
                bounds.ok_or(ErrorReply::known("ERR min or max not valid string range item"))?;
            Ok(Select::Member(match (low, high) {
                // Nothing lies above the greatest or below the least.
                (MemberBound::Greatest, _) | (_, MemberBound::Least) => NOTHING,
                (low, high) => (low.into_bound(), high.into_bound()),
            }))
        }
    }
}

fn score_bound(text: &[u8], compat: Compat) -> Option<Bound<f64>> {
    let strict = compat.has_since(8, 0);
    match text {
        [b'(', text @ ..] => number::parse_bound(text, strict).map(Bound::Excluded),
        text => number::parse_bound(text, strict).map(Bound::Included),
    }
}

/// An end of a range of members.
enum MemberBound {
    Least,
    Greatest,
    At(Bound<Bytes>),
}

/// A range of members that holds none.
const NOTHING: (Bound<Bytes>, Bound<Bytes>) = (Bound::Excluded(Bytes::new()), Bound::Excluded(Bytes::new()));

impl MemberBound {
    fn into_bound(self) -> Bound<Bytes> {
        match self {
            MemberBound::Least | MemberBound::Greatest => Bound::Unbounded,
            MemberBound::At(bound) => bound,
        }
    }
}

fn member_bound(text: &[u8]) -> Option<MemberBound> {
    Some(match text {
        // Redis's string ends with the first zero byte there.
        [b'-'] | [b'-', 0, ..] => MemberBound::Least,
        [b'+'] | [b'+', 0, ..] => MemberBound::Greatest,
        [b'[', member @ ..] => MemberBound::At(Bound::Included(member.into())),
        [b'(', member @ ..] => MemberBound::At(Bound::Excluded(member.into())),
        _ => return None,
    })
}
