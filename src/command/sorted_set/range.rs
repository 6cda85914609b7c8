//! Ranges of a sorted set: by rank, by score, by the members' bytes.

use std::ops::{Bound, Range};

use super::Window;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::{Absent, Deadline, Step, Writer};
use crate::value::index::resolve_range;
use crate::value::sorted_set::{Bounds, Gone, Scored, SortedSet};
use crate::value::{Kind, Value};
use crate::{Bytes, Error, Result};

/// Which members of a sorted set are meant.
pub(crate) enum Select {
    /// From one position to another, both included; negative ones are counted from the end.
    Rank(i64, i64),
    /// Those whose scores lie within bounds.
    Score(Bounds<f64>),
    /// Those whose bytes lie within bounds, in a set whose members all have one score.
    Member(Bounds<Bytes>),
}

impl Select {
    /// The ranks of the selected members that the window shows.
    fn ranks(&self, set: &SortedSet, window: Window) -> Range<usize> {
        let ranks = match self {
            Select::Rank(start, stop) => {
                let len = set.len();
                let positions = resolve_range(*start, *stop, len).unwrap_or(0..0);
                // Positions are counted in the order that is asked for, and lie below the length.
                if window.reversed { len - positions.end..len - positions.start } else { positions }
            }
            Select::Score(bounds) => set.ranks_by_score(*bounds),
            Select::Member((from, to)) => set.ranks_by_member((as_slice(from), as_slice(to))),
        };
        window.cut(ranks)
    }

    /// Refuses a bound that is no number.
    fn check(&self) -> Result<()> {
        let is_nan = |bound: &Bound<f64>| match bound {
            Bound::Included(bound) | Bound::Excluded(bound) => bound.is_nan(),
            Bound::Unbounded => false,
        };
        match self {
            Select::Score((from, to)) if is_nan(from) || is_nan(to) => Err(Error::NanBound),
            _ => Ok(()),
        }
    }
}

/// ZCOUNT, ZLEXCOUNT
pub(crate) fn count(view: &View<'_>, key: KeyRef<'_>, select: &Select) -> Result<usize> {
    select.check()?;
    let Some(set) = view.find::<SortedSet>(key)? else { return Ok(0) };
    Ok(select.ranks(set, Window::new()).len())
}

/// ZRANGE
pub(crate) fn range(
    view: &View<'_>,
    key: KeyRef<'_>,
    select: &Select,
    window: Window,
) -> Result<Vec<Scored>> {
    select.check()?;
    let Some(set) = view.find::<SortedSet>(key)? else { return Ok(Vec::new()) };
    let mut members = set.scored(select.ranks(set, window));
    if window.reversed {
        members.reverse();
    }
    Ok(members)
}

/// ZRANGESTORE: how many members the destination has now.
pub(crate) fn range_into(
    writer: &mut Writer<'_>,
    destination: KeyRef<'_>,
    source: KeyRef<'_>,
    select: &Select,
    window: Window,
) -> Result<usize> {
    select.check()?;
    writer.tell_missing(source);
    let members = match writer.find::<SortedSet>(source)? {
        Some(set) => set.scored(select.ranks(set, window)),
        None => Vec::new(),
    };
    store(writer, destination, members, KeyEvent::ZRangeStore)
}

/// ZREMRANGEBYRANK, ZREMRANGEBYSCORE, ZREMRANGEBYLEX: the members that are gone, for the caller to
/// drop when the locks are free.
pub(crate) fn remove_range(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    select: &Select,
) -> Result<Option<Gone>> {
    select.check()?;
    let removed = writer.update(key, Absent::Skip, |set: &mut SortedSet| {
        let ranks = select.ranks(set, Window::new());
        let gone = set.remove_range(ranks.clone());
        let event = match select {
            Select::Rank(..) => KeyEvent::ZRemRangeByRank,
            Select::Score(_) => KeyEvent::ZRemRangeByScore,
            Select::Member(_) => KeyEvent::ZRemRangeByLex,
        };
        let event = (!gone.is_empty()).then_some(event);
        Ok(((gone, ranks), event))
    })?;
    let Some((gone, ranks)) = removed else { return Ok(None) };
    writer.note(key, &Step::Ranks(ranks));
    Ok(Some(gone))
}

/// All members in order, as they are now and stay whatever becomes of the set. O(1).
pub(crate) fn snapshot(view: &View<'_>, key: KeyRef<'_>) -> Result<SortedSet> {
    Ok(view.find::<SortedSet>(key)?.cloned().unwrap_or_default())
}

/// Makes the destination a sorted set of these members, which are in order; removes it if there are
/// none. Gives their number.
pub(in crate::command) fn store(
    writer: &mut Writer<'_>,
    destination: KeyRef<'_>,
    members: Vec<Scored>,
    event: KeyEvent,
) -> Result<usize> {
    let len = members.len();
    if len == 0 {
        writer.discard(destination, KeyEvent::Del);
        return Ok(0);
    }
    let value: Value = SortedSet::from_sorted(&members).into_value();
    writer.set(destination, value, Deadline::Clear, event)?;
    Ok(len)
}

fn as_slice(bound: &Bound<Bytes>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(bytes) => Bound::Included(bytes),
        Bound::Excluded(bytes) => Bound::Excluded(bytes),
        Bound::Unbounded => Bound::Unbounded,
    }
}
