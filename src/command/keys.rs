//! Keys, whatever they hold: what DEL, EXPIRE, RENAME and their kin mean.

use crate::Type;
use crate::clock::NEVER;
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::Writer;

/// EXISTS
pub(crate) fn exists(view: &View<'_>, key: KeyRef<'_>) -> bool {
    view.entry(key).is_some()
}

/// TYPE
pub(crate) fn kind(view: &View<'_>, key: KeyRef<'_>) -> Option<Type> {
    view.entry(key).map(|entry| entry.value.kind())
}

/// DEL, UNLINK: whether it was there. The value is freed when the locks are.
pub(crate) fn remove(writer: &mut Writer<'_>, key: KeyRef<'_>) -> bool {
    writer.discard(key, KeyEvent::Del)
}

/// PTTL, PEXPIRETIME: the deadline on the monotonic line, `Some(None)` for a key without one.
pub(crate) fn deadline(view: &View<'_>, key: KeyRef<'_>) -> Option<Option<u64>> {
    view.entry(key).map(|entry| Some(entry.deadline()).filter(|deadline| *deadline != NEVER))
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

/// PEXPIRE, PEXPIREAT: whether the deadline was set.
pub(crate) fn expire(writer: &mut Writer<'_>, key: KeyRef<'_>, deadline: u64, condition: ExpireIf) -> bool {
    let Some(old) = writer.deadline(key) else { return false };
    condition.admits(old, deadline) && writer.set_deadline(key, deadline)
}

/// PERSIST: whether there was a deadline to take away.
pub(crate) fn persist(writer: &mut Writer<'_>, key: KeyRef<'_>) -> bool {
    writer.deadline(key).is_some_and(|old| old != NEVER) && writer.set_deadline(key, NEVER)
}
