//! XCLAIM, XAUTOCLAIM: what is pending for one consumer becomes another's.

use super::{Item, wall};
use crate::error::NoGroup;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::writer::{Absent, Step, Writer};
use crate::value::stream::{Pending, Stream, StreamId};
use crate::{Error, Result};

/// From which version on a consumer is made even if it gets nothing.
const EAGER: (u8, u8) = (7, 2);
/// How many of what is pending XAUTOCLAIM takes a copy of at a time.
const PAGE: usize = 1024;

/// What XCLAIM is told.
#[derive(Debug, Clone)]
pub(crate) struct Claim<'c> {
    pub consumer: &'c [u8],
    /// In milliseconds, as all times here.
    pub min_idle: u64,
    pub ids: &'c [StreamId],
    /// When it was delivered, since 1970: what lies ahead counts as now.
    pub time: Option<i64>,
    pub retries: Option<u64>,
    pub force: bool,
    pub just_id: bool,
    pub last: Option<StreamId>,
    pub version: (u8, u8),
}

/// XCLAIM: the entries that it got, without their fields if ids alone are asked for.
///
/// # Errors
/// [`Error::NoGroup`]
pub(crate) fn claim(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    name: &[u8],
    claim: &Claim<'_>,
) -> Result<Vec<Item>> {
    writer.tell_missing(key);
    let now = wall(writer);
    let time =
        claim.time.and_then(|time| u64::try_from(time).ok()).filter(|time| *time <= now).unwrap_or(now);
    let items = change(writer, key, name, |stream| {
        let mut asked = Asking::new(stream, name, claim.consumer, now, claim.version);
        if let Some(last) = claim.last {
            stream.change_group(name, |group| group.last = group.last.max(last));
        }
        let mut items = Vec::new();
        for id in claim.ids {
            let pending = stream.group(name).and_then(|group| group.pending().get(*id)).copied();
            if stream.get(*id).is_none() {
                if pending.is_some() {
                    stream.change_group(name, |group| group.acknowledge(*id));
                }
                continue;
            }
            let forced = claim.force.then_some(Pending { consumer: None, time: now, count: 1 });
            let Some(pending) = pending.or(forced) else { continue };
            let is_owned = pending.consumer.is_some();
            if is_owned && claim.min_idle > 0 && now.saturating_sub(pending.time) < claim.min_idle {
                continue;
            }
            let more = u64::from(!claim.just_id);
            let count = claim.retries.unwrap_or(pending.count.saturating_add(more));
            asked.give(stream, *id, time, count);
            items.push(item(stream, *id, claim.just_id));
        }
        (items, asked.is_new)
    })?;
    writer.note(key, &Step::Group { name, consumers: &[claim.consumer], ids: claim.ids });
    Ok(items)
}

/// What XAUTOCLAIM is told.
#[derive(Debug, Clone)]
pub(crate) struct AutoClaim<'c> {
    pub consumer: &'c [u8],
    pub min_idle: u64,
    pub start: StreamId,
    pub count: usize,
    pub just_id: bool,
    pub version: (u8, u8),
}

/// What XAUTOCLAIM gives.
#[derive(Debug, Default)]
pub(crate) struct Claimed {
    /// Where to go on; the start if all has been looked at.
    pub next: Option<StreamId>,
    pub items: Vec<Item>,
    /// What was pending, had gone, and is pending no more.
    pub deleted: Vec<StreamId>,
}

/// XAUTOCLAIM: looks at ten times as many entries as it is to give, at most.
///
/// # Errors
/// [`Error::NoGroup`]
pub(crate) fn auto_claim(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    name: &[u8],
    claim: &AutoClaim<'_>,
) -> Result<Claimed> {
    writer.tell_missing(key);
    let now = wall(writer);
    let claimed = change(writer, key, name, |stream| {
        let mut asked = Asking::new(stream, name, claim.consumer, now, claim.version);
        let mut claimed = Claimed::default();
        let (mut left, mut looks) = (claim.count, claim.count.saturating_mul(10));
        let mut from = Some(claim.start);
        'pages: while let Some(start) = from {
            let page = pending_from(stream, name, start, PAGE.min(looks.saturating_add(1)));
            from = page.last().and_then(|(id, _)| id.next());
            for (id, pending) in page {
                if left == 0 || looks == 0 {
                    claimed.next = Some(id);
                    break 'pages;
                }
                looks -= 1;
                if stream.get(id).is_none() {
                    stream.change_group(name, |group| group.acknowledge(id));
                    claimed.deleted.push(id);
                    left -= 1;
                    continue;
                }
                if claim.min_idle > 0 && now.saturating_sub(pending.time) < claim.min_idle {
                    continue;
                }
                let more = u64::from(!claim.just_id);
                asked.give(stream, id, now, pending.count.saturating_add(more));
                claimed.items.push(item(stream, id, claim.just_id));
                left -= 1;
            }
        }
        (claimed, asked.is_new)
    })?;
    let ids: Vec<_> =
        claimed.items.iter().map(|item| item.id).chain(claimed.deleted.iter().copied()).collect();
    writer.note(key, &Step::Group { name, consumers: &[claim.consumer], ids: &ids });
    Ok(claimed)
}

/// A consumer who asks for entries, made when it must be.
pub(super) struct Asking<'a> {
    group: &'a [u8],
    name: &'a [u8],
    number: Option<u32>,
    now: u64,
    pub(super) is_new: bool,
}

impl<'a> Asking<'a> {
    pub(super) fn new(
        stream: &mut Stream,
        group: &'a [u8],
        name: &'a [u8],
        now: u64,
        version: (u8, u8),
    ) -> Self {
        let mut asking = Asking { group, name, number: None, now, is_new: false };
        if version >= EAGER {
            asking.number(stream);
        }
        asking
    }

    /// The consumer's number; it is seen now.
    pub(super) fn number(&mut self, stream: &mut Stream) -> Option<u32> {
        if self.number.is_none() {
            let (name, now) = (self.name, self.now);
            let found = stream.change_group(self.group, |group| {
                let (number, is_new) = group.find_or_add(name, now);
                group.note(number, now, false);
                (number, is_new)
            });
            self.is_new = found.is_some_and(|(_, is_new)| is_new);
            self.number = found.map(|(number, _)| number);
        }
        self.number
    }

    /// Makes an entry pending for it.
    pub(super) fn give(&mut self, stream: &mut Stream, id: StreamId, time: u64, count: u64) {
        let (consumer, now) = (self.number(stream), self.now);
        stream.change_group(self.group, |group| {
            group.assign(id, Pending { consumer, time, count });
            if let Some(number) = consumer {
                group.note(number, now, true);
            }
        });
    }
}

/// So many of what is pending in a group, from an id on.
fn pending_from(stream: &Stream, name: &[u8], from: StreamId, most: usize) -> Vec<(StreamId, Pending)> {
    let all = stream.group(name).into_iter().flat_map(|group| group.pending().from(from));
    all.take(most).map(|(id, pending)| (id, *pending)).collect()
}

fn item(stream: &Stream, id: StreamId, just_id: bool) -> Item {
    stream.get(id).filter(|_| !just_id).map_or_else(|| Item::bare(id), Item::of)
}

/// Changes what is pending in a group of a stream; whether a consumer came with that is told.
pub(super) fn change<R>(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    name: &[u8],
    change: impl FnOnce(&mut Stream) -> (R, bool),
) -> Result<R> {
    let no_group = || Error::from(NoGroup::new(key.bytes, name));
    let changed = writer.update(key, Absent::Skip, |stream: &mut Stream| {
        if stream.group(name).is_none() {
            return Err(no_group());
        }
        let (result, is_new) = change(stream);
        Ok((result, Some(if is_new { KeyEvent::XGroupCreateConsumer } else { KeyEvent::XPending })))
    })?;
    changed.ok_or_else(no_group)
}
