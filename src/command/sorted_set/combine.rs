//! Several sorted sets as one: union, intersection, difference.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::Combine;
use super::options::not_nan;
use super::range::store;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::Writer;
use crate::text::number::IntegerBuffer;
use crate::value::set::{Member, Set};
use crate::value::sorted_set::{Scored, SortedSet};
use crate::value::{Value, ValueRef};
use crate::{Bytes, Error, Result};

/// What several sorted sets are made into.
#[derive(Clone, Copy)]
pub(crate) enum Operation<'c> {
    Union(&'c Combine),
    Intersection(&'c Combine),
    /// The first one's members that no other has, with their scores.
    Difference,
}

/// ZUNION, ZINTER, ZDIFF: the members in order.
pub(crate) fn combine(view: &View<'_>, keys: &[KeyRef<'_>], operation: Operation<'_>) -> Result<Vec<Scored>> {
    let sources = keys.iter().map(|key| members_of(view, *key)).collect::<Result<Vec<_>>>()?;
    let mut members = match operation {
        Operation::Union(how) => unite(weighted(sources, how)?, how),
        Operation::Intersection(how) => intersect(weighted(sources, how)?, how),
        Operation::Difference => subtract(&sources),
    };
    members.sort_unstable_by(|a, b| {
        a.0.partial_cmp(&b.0).unwrap_or(Ordering::Equal).then_with(|| a.1.cmp(&b.1))
    });
    Ok(members)
}

/// ZUNIONSTORE, ZINTERSTORE, ZDIFFSTORE: how many members the destination has now.
pub(crate) fn combine_into(
    writer: &mut Writer<'_>,
    destination: KeyRef<'_>,
    keys: &[KeyRef<'_>],
    operation: Operation<'_>,
) -> Result<usize> {
    let members = combine(&writer.view(), keys, operation)?;
    let event = match operation {
        Operation::Union(_) => KeyEvent::ZUnionStore,
        Operation::Intersection(_) => KeyEvent::ZInterStore,
        Operation::Difference => KeyEvent::ZDiffStore,
    };
    store(writer, destination, members, event)
}

/// Whether the keys hold what can be combined, if anything.
#[cfg(feature = "commands")]
pub(crate) fn check(view: &View<'_>, keys: &[KeyRef<'_>]) -> Result<()> {
    keys.iter().try_for_each(|key| members_of(view, *key).map(drop))
}

/// ZINTERCARD: how many members all of them have, counted no further than `limit`.
pub(crate) fn intersection_len(view: &View<'_>, keys: &[KeyRef<'_>], limit: Option<usize>) -> Result<usize> {
    let mut sources = keys.iter().map(|key| members_of(view, *key)).collect::<Result<Vec<_>>>()?;
    sources.sort_by_key(Source::len);
    let Some((smallest, others)) = sources.split_first() else { return Ok(0) };
    let in_all = |(_, member): &(f64, Member<'_>)| others.iter().all(|other| other.score(*member).is_some());
    Ok(smallest.iter().filter(in_all).take(limit.unwrap_or(usize::MAX)).count())
}

/// Members with a score each.
enum Source<'v> {
    Missing,
    Scored(&'v SortedSet),
    /// The members of a plain set count as having the score 1.
    Plain(&'v Set),
}

/// What a key has to give: a sorted set's members or a plain set's.
fn members_of<'v>(view: &View<'v>, key: KeyRef<'_>) -> Result<Source<'v>> {
    match view.entry(key).map(|entry| entry.value) {
        None => Ok(Source::Missing),
        Some(ValueRef::Whole(Value::SortedSet(set))) => Ok(Source::Scored(set)),
        Some(ValueRef::Whole(Value::Set(set))) => Ok(Source::Plain(set)),
        Some(_) => Err(Error::WrongType),
    }
}

impl<'v> Source<'v> {
    fn len(&self) -> usize {
        match self {
            Source::Missing => 0,
            Source::Scored(set) => set.len(),
            Source::Plain(set) => set.len(),
        }
    }

    fn score(&self, member: Member<'_>) -> Option<f64> {
        match self {
            Source::Missing => None,
            Source::Scored(set) => set.score(member.read(&mut IntegerBuffer::default())),
            Source::Plain(set) => set.has(member).then_some(1.0),
        }
    }

    fn iter(&self) -> Box<dyn Iterator<Item = (f64, Member<'v>)> + 'v> {
        match self {
            Source::Missing => Box::new(std::iter::empty()),
            Source::Scored(set) => Box::new(set.iter().map(|(score, member)| (score, Member::Text(member)))),
            Source::Plain(set) => Box::new(set.iter().map(|member| (1.0, member))),
        }
    }
}

/// The sources with their weights, the smallest first: the order in which Redis adds scores up, which
/// tells where they are infinite.
fn weighted<'v>(sources: Vec<Source<'v>>, how: &Combine) -> Result<Vec<(Source<'v>, f64)>> {
    if !how.weights.is_empty() && how.weights.len() != sources.len() {
        return Err(Error::Invalid("syntax error"));
    }
    if how.weights.iter().any(|weight| weight.is_nan()) {
        return Err(Error::NanWeight);
    }
    let weights = how.weights.iter().copied().chain(std::iter::repeat(1.0));
    let mut sources: Vec<_> = sources.into_iter().zip(weights).collect();
    sources.sort_by_key(|(source, _)| source.len());
    Ok(sources)
}

fn unite(sources: Vec<(Source<'_>, f64)>, how: &Combine) -> Vec<Scored> {
    let mut united: HashMap<Member<'_>, f64, ahash::RandomState> = HashMap::default();
    for (source, weight) in &sources {
        for (score, member) in source.iter() {
            let score = not_nan(how.aggregate.of(score, *weight));
            united
                .entry(member)
                .and_modify(|so_far| *so_far = how.aggregate.apply(*so_far, score))
                .or_insert(score);
        }
    }
    united.into_iter().map(|(member, score)| (score, Bytes::from(member))).collect()
}

/// As in Redis, `inf * 0` counts as 0 only in the first (the smallest) of the sets: in the others, it
/// makes a sum 0 and leaves a minimum or maximum as it was.
fn intersect(sources: Vec<(Source<'_>, f64)>, how: &Combine) -> Vec<Scored> {
    let Some(((smallest, weight), others)) = sources.split_first() else { return Vec::new() };
    let in_all = smallest.iter().filter_map(|(score, member)| {
        let first = not_nan(how.aggregate.of(score, *weight));
        let score = others.iter().try_fold(first, |so_far, (other, weight)| {
            Some(how.aggregate.apply(so_far, how.aggregate.of(other.score(member)?, *weight)))
        })?;
        Some((score, Bytes::from(member)))
    });
    in_all.collect()
}

fn subtract(sources: &[Source<'_>]) -> Vec<Scored> {
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    let in_none = |(_, member): &(f64, Member<'_>)| others.iter().all(|other| other.score(*member).is_none());
    first.iter().filter(in_none).map(|(score, member)| (score, Bytes::from(member))).collect()
}
