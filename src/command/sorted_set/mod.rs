//! Sorted sets: what ZADD, ZRANGE and their kin mean.

pub(crate) mod combine;
mod options;
pub(crate) mod range;

pub use options::{Aggregate, Combine, InsertCount, InsertIf, Inserted, Window};

use super::Draw;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::{Absent, Step, Writer};
use crate::value::list::End;
use crate::value::sorted_set::{Gone, Scored, SortedSet};
use crate::{Bytes, Error, Result};

/// ZADD: how many members were added, and how many were given another score.
pub(crate) fn add(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    entries: &[(Bytes, f64)],
    condition: InsertIf,
) -> Result<InsertCount> {
    if entries.iter().any(|(_, score)| score.is_nan()) {
        return Err(Error::NotAFloat);
    }
    let counts = writer.update(key, condition.absent(), |set: &mut SortedSet| {
        let mut counts = InsertCount::default();
        for &(ref member, score) in entries {
            let mut changes = false;
            let old = set.update(member, |old| {
                changes = condition.allows(old, score) && old != Some(score);
                changes.then_some(score)
            });
            if changes {
                match old {
                    None => counts.added += 1,
                    Some(_) => counts.updated += 1,
                }
            }
        }
        let event = (counts != InsertCount::default()).then_some(KeyEvent::ZAdd);
        Ok((counts, event))
    })?;
    writer.note_names(key, entries.iter().map(|(member, _)| &member[..]));
    Ok(counts.unwrap_or_default())
}

/// ZINCRBY, ZADD with INCR: the new score, `None` where the condition does not hold.
pub(crate) fn increase(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    member: Bytes,
    by: f64,
    condition: InsertIf,
) -> Result<Option<f64>> {
    if by.is_nan() {
        return Err(Error::NotAFloat);
    }
    let increased = writer.update(key, condition.absent(), |set: &mut SortedSet| {
        let mut new = None;
        let old = set.update(&member, |old| {
            let sum = old.map_or(by, |old| old + by);
            new = Some(sum)
                .filter(|sum| condition.allows(old, *sum) || (sum.is_nan() && condition.admits(old)));
            new.filter(|new| !new.is_nan())
        });
        if new.is_some_and(f64::is_nan) {
            return Err(Error::NanScore);
        }
        let changes = new.is_some() && new != old;
        Ok((new, changes.then_some(KeyEvent::ZIncr)))
    })?;
    writer.note_names(key, std::iter::once(&member[..]));
    Ok(increased.flatten())
}

/// ZREM: how many of the members were there.
pub(crate) fn remove(writer: &mut Writer<'_>, key: KeyRef<'_>, members: &[Bytes]) -> Result<usize> {
    let removed = writer.update(key, Absent::Skip, |set: &mut SortedSet| {
        let removed = members.iter().filter(|member| set.remove(member).is_some()).count();
        Ok((removed, (removed > 0).then_some(KeyEvent::ZRem)))
    })?;
    writer.note_names(key, members.iter().map(|member| &member[..]));
    Ok(removed.unwrap_or(0))
}

/// ZCARD
pub(crate) fn len(view: &View<'_>, key: KeyRef<'_>) -> Result<usize> {
    Ok(view.find::<SortedSet>(key)?.map_or(0, SortedSet::len))
}

/// ZSCORE, ZMSCORE: a score for each of the members that is there.
pub(crate) fn scores(view: &View<'_>, key: KeyRef<'_>, members: &[Bytes]) -> Result<Vec<Option<f64>>> {
    let set = view.find::<SortedSet>(key)?;
    Ok(members.iter().map(|member| set?.score(member)).collect())
}

/// ZRANK, ZREVRANK: how many members come before this one, counted from the end that is given, and
/// its score.
pub(crate) fn rank(
    view: &View<'_>,
    key: KeyRef<'_>,
    member: &[u8],
    from: End,
) -> Result<Option<(usize, f64)>> {
    let Some(set) = view.find::<SortedSet>(key)? else { return Ok(None) };
    Ok(set.rank(member).map(|(rank, score)| match from {
        End::Front => (rank, score),
        // A rank is below the length.
        End::Back => (set.len() - 1 - rank, score),
    }))
}

/// ZPOPMIN, ZPOPMAX: at most `count` members, the outermost first.
pub(crate) fn pop(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    end: End,
    count: usize,
) -> Result<Option<Popped>> {
    let popped = writer.update(key, Absent::Skip, |set: &mut SortedSet| {
        let len = set.len();
        let ranks = match end {
            End::Front => 0..count.min(len),
            End::Back => len.saturating_sub(count)..len,
        };
        let gone = set.remove_range(ranks.clone());
        let event = match end {
            End::Front => KeyEvent::ZPopMin,
            End::Back => KeyEvent::ZPopMax,
        };
        let event = (!gone.is_empty()).then_some(event);
        Ok(((Popped { gone, end }, ranks), event))
    })?;
    let Some((popped, ranks)) = popped else { return Ok(None) };
    writer.note(key, &Step::Ranks(ranks));
    Ok(Some(popped))
}

/// Members that were popped from an end.
pub(crate) struct Popped {
    gone: Gone,
    end: End,
}

impl Popped {
    /// The members in the order in which they were popped. May be O(popped): not for those who hold a lock.
    pub(crate) fn into_vec(self) -> Vec<Scored> {
        let mut members = self.gone.into_vec();
        if self.end == End::Back {
            members.reverse();
        }
        members
    }
}

/// ZMPOP: at most `count` members of the first sorted set that is there, and which of the keys that is.
pub(crate) fn pop_any(
    writer: &mut Writer<'_>,
    keys: &[KeyRef<'_>],
    end: End,
    count: usize,
) -> Result<Option<(usize, Popped)>> {
    if count == 0 {
        return Err(Error::Invalid("count should be greater than 0"));
    }
    for (at, key) in keys.iter().enumerate() {
        if let Some(popped) = pop(writer, *key, end, count)? {
            return Ok(Some((at, popped)));
        }
    }
    Ok(None)
}

/// Takes a [`pop`] back: members that were not added again meanwhile have the score that they had, and
/// a key that went with them has its deadline again.
pub(crate) fn put_back(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    popped: Vec<Scored>,
    deadline: Option<u64>,
) -> Result<()> {
    let entries: Vec<_> = popped.into_iter().map(|(score, member)| (member, score)).collect();
    super::put_back(writer, key, deadline, |writer| add(writer, key, &entries, InsertIf::Absent))
}

/// ZRANDMEMBER
///
/// # Errors
/// [`Error::Invalid`] for more repeated members than memory can hold, or are to be told.
pub(crate) fn random(view: &View<'_>, key: KeyRef<'_>, draw: Draw) -> Result<Vec<Scored>> {
    let Some(set) = view.find::<SortedSet>(key)? else { return Ok(Vec::new()) };
    let at = |position| set.at(position);
    Ok(draw.draw(view.space().rng(), set.len(), at, |(_, member)| member.len())?.into_vec())
}
