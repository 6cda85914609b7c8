//! Sets: what SADD and its kin mean.

use std::borrow::Borrow;
use std::mem;

use super::{Draw, Taken};
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::{Absent, Deadline, Writer};
use crate::value::set::{Member, Set};
use crate::value::{Kind, Value, ValueRef};
use crate::{Bytes, Error, Result};

/// SADD: how many members are new.
pub(crate) fn insert(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    members: impl IntoIterator<Item: Borrow<Bytes>>,
) -> Result<usize> {
    let mut named = writer.named();
    let inserted = writer.update(key, Absent::Create, |set: &mut Set| {
        let mut insert = |member: &Bytes| {
            named.add(member);
            usize::from(set.insert(member))
        };
        let inserted = members.into_iter().map(|member| insert(member.borrow())).sum();
        Ok((inserted, (inserted > 0).then_some(KeyEvent::SAdd)))
    })?;
    writer.note_named(key, &named);
    Ok(inserted.unwrap_or(0))
}

/// SREM: how many members were there.
pub(crate) fn remove(writer: &mut Writer<'_>, key: KeyRef<'_>, members: &[Bytes]) -> Result<usize> {
    let removed = writer.update(key, Absent::Skip, |set: &mut Set| {
        let removed = members.iter().filter(|member| set.remove(member)).count();
        Ok((removed, (removed > 0).then_some(KeyEvent::SRem)))
    })?;
    writer.note_names(key, members.iter().map(|member| &member[..]));
    Ok(removed.unwrap_or(0))
}

/// SISMEMBER
pub(crate) fn contains(view: &View<'_>, key: KeyRef<'_>, member: &[u8]) -> Result<bool> {
    Ok(view.find::<Set>(key)?.is_some_and(|set| set.contains(member)))
}

/// SMISMEMBER
pub(crate) fn contains_many(view: &View<'_>, key: KeyRef<'_>, members: &[Bytes]) -> Result<Vec<bool>> {
    let set = view.find::<Set>(key)?;
    Ok(members.iter().map(|member| set.is_some_and(|set| set.contains(member))).collect())
}

/// SCARD
pub(crate) fn len(view: &View<'_>, key: KeyRef<'_>) -> Result<usize> {
    Ok(view.find::<Set>(key)?.map_or(0, Set::len))
}

/// SMEMBERS: the whole set at this instant, shared with the store. O(1).
pub(crate) fn snapshot(view: &View<'_>, key: KeyRef<'_>) -> Result<Set> {
    match view.entry(key).map(|entry| entry.value) {
        Some(ValueRef::Whole(Value::Set(set))) => Ok(set.clone()),
        Some(_) => Err(Error::WrongType),
        None => Ok(Set::default()),
    }
}

/// SPOP: at most `count` members, drawn and removed.
pub(crate) fn pop(writer: &mut Writer<'_>, key: KeyRef<'_>, count: usize) -> Result<Option<Popped>> {
    let rng = writer.space().rng();
    let popped = writer.update(key, Absent::Skip, |set: &mut Set| {
        let event = (count > 0).then_some(KeyEvent::SPop);
        let stays = set.len().saturating_sub(count);
        if count > 1 && stays < count {
            // Those that stay are the fewer.
            let kept = rng.sample(stays, set.len());
            let mut rest = Set::default();
            for member in kept.iter().filter_map(|at| set.get_at(*at)) {
                rest.insert(&member);
            }
            return Ok((Popped::AllBut(kept, mem::replace(set, rest)), event));
        }
        Ok((Popped::Some((0..count).map_while(|_| set.remove_at(rng.below(set.len()))).collect()), event))
    })?;
    if let Some(Popped::Some(popped)) = &popped {
        writer.note_names(key, popped.iter().map(|member| &member[..]));
    }
    Ok(popped)
}

/// What was popped: members, or those at all positions but some of the set as it was.
pub(crate) enum Popped {
    Some(Taken),
    AllBut(Vec<usize>, Set),
}

impl Popped {
    /// The members. May be O(popped): not for those who hold a lock.
    pub(crate) fn into_taken(self) -> Taken {
        match self {
            Popped::Some(taken) => taken,
            Popped::AllBut(mut kept, set) => {
                kept.sort_unstable();
                let mut kept = kept.into_iter().peekable();
                let popped = (0..set.len()).filter(|at| kept.next_if_eq(at).is_none());
                popped.filter_map(|at| set.get_at(at)).collect()
            }
        }
    }
}

/// Takes a [`pop`] back: a key that went with its members has its deadline again.
pub(crate) fn put_back(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    popped: Taken,
    deadline: Option<u64>,
) -> Result<()> {
    super::put_back(writer, key, deadline, |writer| insert(writer, key, popped))
}

/// SRANDMEMBER: members that were drawn, and stay.
///
/// # Errors
/// [`Error::Invalid`] for more repeated members than memory can hold, or are to be told.
pub(crate) fn random(view: &View<'_>, key: KeyRef<'_>, draw: Draw) -> Result<Taken> {
    let Some(set) = view.find::<Set>(key)? else { return Ok(Taken::new()) };
    draw.draw(view.space().rng(), set.len(), |at| set.get_at(at), |member| member.len())
}

/// SMOVE: whether the source had the member.
pub(crate) fn move_(
    writer: &mut Writer<'_>,
    source: KeyRef<'_>,
    destination: KeyRef<'_>,
    member: Bytes,
) -> Result<bool> {
    // That is a use of the destination, whatever becomes of it.
    writer.value(destination);
    let Some(set) = writer.find::<Set>(source)? else { return Ok(false) };
    let is_there = set.contains(&member);
    writer.find::<Set>(destination)?;
    if !is_there || source.bytes == destination.bytes {
        return Ok(is_there);
    }
    destination.check(writer.space().limits().value)?;
    writer.admit(destination, 0)?;
    // Nothing can fail from here on, so that a member that was removed is also inserted.
    writer.admit_all();
    if remove(writer, source, std::slice::from_ref(&member))? == 0 {
        // Room was made, and the source went for it.
        return Ok(false);
    }
    insert(writer, destination, [member])?;
    Ok(true)
}

/// What is made of several sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Combine {
    /// The members that all have.
    Intersection,
    /// The members that any has.
    Union,
    /// The members of the first that no other has.
    Difference,
}

/// SINTER, SUNION, SDIFF
pub(crate) fn combine(view: &View<'_>, how: Combine, keys: &[KeyRef<'_>]) -> Result<Vec<Bytes>> {
    Ok(match combined(view, how, keys)? {
        Combined::Of(members) => members.into_iter().map(Bytes::from).collect(),
        Combined::Made(set) => set.iter().map(Bytes::from).collect(),
    })
}

/// SINTERSTORE, SUNIONSTORE, SDIFFSTORE: how many members the destination has now, whatever it held
/// before. None removes it.
pub(crate) fn combine_into(
    writer: &mut Writer<'_>,
    how: Combine,
    destination: KeyRef<'_>,
    keys: &[KeyRef<'_>],
) -> Result<usize> {
    let set = match combined(&writer.view(), how, keys)? {
        Combined::Of(members) => Set::of(members),
        Combined::Made(set) => set,
    };
    let len = set.len();
    if len == 0 {
        writer.discard(destination, KeyEvent::Del);
        return Ok(0);
    }
    let event = match how {
        Combine::Intersection => KeyEvent::SInterStore,
        Combine::Union => KeyEvent::SUnionStore,
        Combine::Difference => KeyEvent::SDiffStore,
    };
    writer.set(destination, set.into_value(), Deadline::Clear, event)?;
    Ok(len)
}

/// SINTERCARD: how many members all of the sets have, counted up to `limit`.
pub(crate) fn intersection_len(view: &View<'_>, keys: &[KeyRef<'_>], limit: Option<usize>) -> Result<usize> {
    let Some(sets) = find_all(view, keys)?.into_iter().collect() else { return Ok(0) };
    Ok(Set::intersection(sets).take(limit.unwrap_or(usize::MAX)).count())
}

/// SUNIONCARD, SDIFFCARD: how many members there are, counted up to `limit`.
#[cfg(feature = "commands")]
pub(crate) fn combined_len(
    view: &View<'_>,
    how: Combine,
    keys: &[KeyRef<'_>],
    limit: Option<usize>,
) -> Result<usize> {
    let len = match combined(view, how, keys)? {
        Combined::Of(members) => members.len(),
        Combined::Made(set) => set.len(),
    };
    Ok(len.min(limit.unwrap_or(usize::MAX)))
}

/// Members as they stand in the sources, or a set that was made of them.
enum Combined<'v> {
    Of(Vec<Member<'v>>),
    Made(Set),
}

fn combined<'v>(view: &View<'v>, how: Combine, keys: &[KeyRef<'_>]) -> Result<Combined<'v>> {
    let mut sets = find_all(view, keys)?.into_iter();
    Ok(match how {
        Combine::Intersection => match sets.collect() {
            Some(sets) => Combined::Of(Set::intersection(sets).collect()),
            None => Combined::Of(Vec::new()),
        },
        Combine::Union => Combined::Made(Set::union(sets.flatten().collect())),
        Combine::Difference => match sets.next().flatten() {
            Some(first) => Combined::Of(first.difference(sets.flatten().collect())),
            None => Combined::Of(Vec::new()),
        },
    })
}

/// The sets of all keys. One of another type is an error even where a missing one decides the result.
fn find_all<'v>(view: &View<'v>, keys: &[KeyRef<'_>]) -> Result<Vec<Option<&'v Set>>> {
    keys.iter().map(|key| view.find::<Set>(*key)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::pubsub::{Backlog, Hub, Subscription};
    use crate::{KeyEvents, Store};

    /// The events that have come, each as `key event`.
    fn seen(events: &Subscription) -> Vec<String> {
        let messages = std::iter::from_fn(|| events.try_recv());
        let text = |bytes: &Bytes| bytes.as_str().unwrap_or_default().to_owned();
        messages.map(|m| format!("{} {}", &text(&m.channel)[15..], text(&m.payload))).collect()
    }

    #[test]
    fn each_change_is_announced_once_and_in_order() {
        let store = Store::builder().key_events(KeyEvents::On).build();
        let events = Hub::subscriber(store.space().hub(), &Clock::System, Backlog::new());
        events.psubscribe("__keyspace@0__:*");
        let (a, b) = (store.set::<String>("a"), store.set::<String>("b"));
        let check = |expected: &[&str]| assert_eq!(seen(&events), expected);
        a.insert_many(["1", "2", "3"]).unwrap();
        a.insert("1").unwrap();
        a.remove("4").unwrap();
        a.pop_many(0).unwrap();
        check(&["a sadd"]);
        a.move_to("b", "1").unwrap();
        a.move_to("a", "2").unwrap();
        check(&["a srem", "b sadd"]);
        b.move_to("a", "1").unwrap();
        check(&["b srem", "b del", "a sadd"]);
        b.insert("1").unwrap();
        a.move_to("b", "1").unwrap();
        check(&["b sadd", "a srem"]);
        a.union_into("c", ["b"]).unwrap();
        a.difference_into("c", ["b"]).unwrap();
        a.intersection_into("c", ["c"]).unwrap();
        check(&["c sunionstore", "c sdiffstore", "c sinterstore"]);
        a.intersection_into("c", ["b"]).unwrap();
        a.intersection_into("c", ["b"]).unwrap();
        check(&["c del"]);
        a.pop_many(5).unwrap();
        check(&["a spop", "a del"]);
    }
}
