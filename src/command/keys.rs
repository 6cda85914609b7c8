//! Keys, whatever they hold: what DEL, EXPIRE, RENAME and their kin mean.

use crate::Type;
use crate::clock::NEVER;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::{Deadline, Writer};
use crate::value::{Value, ValueRef};
use crate::{Error, Result};

/// EXISTS
pub(crate) fn exists(view: &View<'_>, key: KeyRef<'_>) -> bool {
    view.glance(key).is_some()
}

/// EXISTS, TOUCH: how many are there; one that is named twice counts twice.
pub(crate) fn count(view: &View<'_>, keys: &[KeyRef<'_>]) -> usize {
    keys.iter().filter(|key| view.entry(**key).is_some()).count()
}

/// TYPE
pub(crate) fn kind(view: &View<'_>, key: KeyRef<'_>) -> Option<Type> {
    view.glance(key).map(|entry| entry.value.kind())
}

/// DEL, UNLINK: whether it was there. The value is freed when the locks are.
pub(crate) fn remove(writer: &mut Writer<'_>, key: KeyRef<'_>) -> bool {
    writer.discard(key, KeyEvent::Del)
}

/// DEL, UNLINK of several keys: how many were there.
pub(crate) fn remove_many(writer: &mut Writer<'_>, keys: &[KeyRef<'_>]) -> usize {
    keys.iter().filter(|key| remove(writer, **key)).count()
}

/// PTTL, PEXPIRETIME: the deadline on the monotonic line, [`NEVER`] for a key without one.
pub(crate) fn deadline(view: &View<'_>, key: KeyRef<'_>) -> Option<u64> {
    view.glance(key).map(|entry| entry.deadline)
}

/// When a new deadline takes the place of the old one (EXPIRE's NX, XX, GT, LT).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ExpireIf {
    /// In any case.
    #[default]
    Always,
    /// If the key has none (`NX`).
    Forever,
    /// If the key has one (`XX`).
    Expiring,
    /// If the new one is later (`GT`); no deadline counts as never.
    Later,
    /// If the new one is earlier (`LT`); no deadline counts as never.
    Earlier,
}

impl ExpireIf {
    /// Whether the new deadline takes the old one's place.
    pub(crate) fn admits(self, old: u64, new: u64) -> bool {
        match self {
            ExpireIf::Always => true,
            ExpireIf::Forever => old == NEVER,
            ExpireIf::Expiring => old != NEVER,
            ExpireIf::Later => new > old,
            ExpireIf::Earlier => new < old,
        }
    }
}

/// PEXPIRE, PEXPIREAT: whether the deadline was set. One that has passed removes the key.
pub(crate) fn expire(writer: &mut Writer<'_>, key: KeyRef<'_>, deadline: u64, condition: ExpireIf) -> bool {
    expire_if_all(writer, key, deadline, &[condition])
}

/// The same under several conditions at once.
pub(crate) fn expire_if_all(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    deadline: u64,
    conditions: &[ExpireIf],
) -> bool {
    let Some(old) = writer.deadline(key) else {
        if deadline <= writer.now() {
            // Nothing is there to remove, but as with DEL the loads under way are fenced.
            remove(writer, key);
        }
        return false;
    };
    conditions.iter().all(|condition| condition.admits(old, deadline)) && writer.set_deadline(key, deadline)
}

/// PERSIST: whether there was a deadline to take away.
pub(crate) fn persist(writer: &mut Writer<'_>, key: KeyRef<'_>) -> bool {
    writer.deadline(key).is_some_and(|old| old != NEVER) && writer.set_deadline(key, NEVER)
}

/// What becomes of a key that stands where another is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays, and nothing is done.
    Kept,
    Replaced,
}

/// RENAME, RENAMENX: whether the key has the new name. Its deadline goes with it.
///
/// # Errors
/// [`Error::NoSuchKey`]
pub(crate) fn rename(
    writer: &mut Writer<'_>,
    from: KeyRef<'_>,
    to: KeyRef<'_>,
    existing: Existing,
) -> Result<bool> {
    if writer.value(from).is_none() {
        return Err(Error::NoSuchKey);
    }
    if from.bytes == to.bytes || is_kept(writer, to, existing) {
        return Ok(existing == Existing::Replaced);
    }
    to.check(writer.space().limits().value)?;
    writer.admit_all();
    writer.tell_new(to);
    let Some((value, deadline)) = writer.remove(from, KeyEvent::RenameFrom) else {
        return Err(Error::NoSuchKey);
    };
    put(writer, to, value, deadline, KeyEvent::RenameTo)?;
    Ok(true)
}

/// COPY, within the database or to another: whether there is a copy. It has the key's deadline. A
/// collection is shared until one of the two is changed.
///
/// # Errors
/// [`Error::SameKey`]
pub(crate) fn copy(
    writer: &mut Writer<'_>,
    from: KeyRef<'_>,
    db: u16,
    to: KeyRef<'_>,
    existing: Existing,
) -> Result<bool> {
    if db == writer.db() && from.bytes == to.bytes {
        return Err(Error::SameKey);
    }
    writer.tell_missing(from);
    let Some(deadline) = writer.deadline(from) else { return Ok(false) };
    let Some(value) = writer.value(from).map(ValueRef::to_value) else { return Ok(false) };
    writer.in_db(db, |writer| {
        if is_kept(writer, to, existing) {
            return Ok(false);
        }
        put(writer, to, value, deadline, KeyEvent::CopyTo)?;
        Ok(true)
    })
}

/// MOVE: whether the key is in the other database now. A key of that name there stays.
///
/// # Errors
/// [`Error::SameKey`] if the other database is this one.
pub(crate) fn move_to(writer: &mut Writer<'_>, key: KeyRef<'_>, db: u16) -> Result<bool> {
    if db == writer.db() {
        return Err(Error::SameKey);
    }
    if writer.value(key).is_none() || writer.in_db(db, |writer| writer.value(key).is_some()) {
        return Ok(false);
    }
    writer.admit_all();
    writer.in_db(db, |writer| writer.tell_new(key));
    let Some((value, deadline)) = writer.remove(key, KeyEvent::MoveFrom) else { return Ok(false) };
    writer.in_db(db, |writer| put(writer, key, value, deadline, KeyEvent::MoveTo))?;
    Ok(true)
}

fn is_kept(writer: &mut Writer<'_>, key: KeyRef<'_>, existing: Existing) -> bool {
    existing == Existing::Kept && writer.value(key).is_some()
}

/// Gives a key a value and the deadline that this had elsewhere.
fn put(writer: &mut Writer<'_>, key: KeyRef<'_>, value: Value, deadline: u64, event: KeyEvent) -> Result<()> {
    let deadline = if deadline == NEVER { Deadline::Clear } else { Deadline::At(deadline) };
    writer.set(key, value, deadline, event)?;
    Ok(())
}
