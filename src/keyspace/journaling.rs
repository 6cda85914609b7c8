//! What a journal is told: the changes of an operation, as one record, in the order in which the locks were held.
//!
//! [`Writer::changed`](super::writer::Writer) notes each key that has changed, and the operation may say of what part of its
//! value that was. Before the locks go the record is written: of each key its parts, or its whole value where nothing was said.

use std::cell::Cell;
use std::collections::HashMap;
use std::ops::Range;

use smallvec::{SmallVec, smallvec};

use super::Keyspace;
use super::shard::Shard;
use super::writer::{Effects, Step, Writer};
use crate::journal::{Journal, Record};
use crate::key::KeyRef;
use crate::planted::{Bug, is_planted};
use crate::snapshot::Moment;
use crate::sync::thread_local;
use crate::value::ValueRef;
use crate::{Bytes, Result};

/// What a record will hold, while the locks are held.
#[derive(Default)]
pub(crate) struct Draft {
    /// What is said already, and cannot be said anew.
    record: Record,
    changes: Vec<Change>,
    /// The parts that changes name, one behind the other.
    parts: Vec<u8>,
    /// Whether the operation under way has made the last of the changes.
    is_fresh: bool,
}

/// Bytes of room that a thread keeps.
const ROOM_MOST: usize = 16 << 10;

thread_local! {
    static ROOM: Cell<Option<Box<Draft>>> = const { Cell::new(None) };
}

struct Change {
    db: u16,
    key: Bytes,
    what: What,
}

enum What {
    /// The whole key: its value and deadline, or that it is gone.
    Whole,
    Deadline,
    /// Parts of the value, each in the draft.
    Parts(SmallVec<[Range<usize>; 1]>),
}

impl Draft {
    /// An empty one, if possible with the room that another of this thread had.
    pub(super) fn take() -> Box<Draft> {
        ROOM.try_with(Cell::take).ok().flatten().unwrap_or_default()
    }

    /// Leaves its room to the next of this thread.
    fn give_back(mut self: Box<Self>) {
        self.clear();
        if self.record.room() + self.parts.capacity() + self.changes.capacity() * size_of::<Change>()
            <= ROOM_MOST
        {
            // The thread may be about to end.
            let _ = ROOM.try_with(|room| room.set(Some(self)));
        }
    }

    fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.record.is_empty()
    }

    /// Forgets all changes.
    fn clear(&mut self) {
        self.record.clear();
        self.changes.clear();
        self.parts.clear();
        self.is_fresh = false;
    }
}

impl Keyspace {
    pub(crate) fn journal(&self) -> Option<&Journal> {
        self.journal.get()
    }

    /// Has all that is done from now on told to a journal.
    pub(crate) fn begin_journal(&self, journal: Journal) {
        // Called once, by who makes the store.
        let _ = self.journal.set(journal);
    }

    /// # Errors
    /// [`Error::Journal`](crate::Error::Journal) once nothing more can be written.
    #[inline]
    pub(crate) fn check_journal(&self) -> Result<()> {
        self.journal().map_or(Ok(()), Journal::check)
    }

    /// Has the journal begin anew behind the caller, if there is one; false if it does so already.
    #[cfg(feature = "commands")]
    pub(crate) fn begins_journal_anew(&self) -> bool {
        self.journal().is_none_or(|journal| journal.rewrite_in_background(&self.me))
    }

    /// Writes down that databases were cleared, which no writer was at.
    pub(super) fn seal_cleared(&self, effects: &mut Effects, databases: Range<u16>) {
        if let Some(journal) = self.journal() {
            let mut record = Record::default();
            databases.for_each(|db| record.cleared(db));
            effects.sealed = journal.append(&record);
        }
    }

    /// Waits until what was sealed is as safe as was asked for.
    ///
    /// # Errors
    /// [`Error::Journal`](crate::Error::Journal)
    #[cold]
    pub(super) fn committed(&self, sealed: u64) -> Result<()> {
        self.journal().map_or(Ok(()), |journal| journal.committed(sealed))
    }
}

impl Writer<'_> {
    /// A key has changed, and it is not said how.
    pub(crate) fn journal_whole(&mut self, key: KeyRef<'_>) {
        self.journal_change(key, What::Whole);
    }

    /// An operation on a key begins: what it says is not of changes before.
    #[inline]
    pub(super) fn journal_begin(&mut self) {
        if let Some(draft) = &mut self.effects_mut().draft {
            draft.is_fresh = false;
        }
    }

    /// A key has another deadline, or none.
    pub(super) fn journal_deadline(&mut self, key: KeyRef<'_>) {
        self.journal_change(key, What::Deadline);
    }

    fn journal_change(&mut self, key: KeyRef<'_>, what: What) {
        let change = Change { db: self.db(), key: Bytes::from(key.bytes), what };
        let draft = self.effects_mut().draft();
        draft.changes.push(change);
        draft.is_fresh = true;
    }

    #[cold]
    pub(super) fn note_step(&mut self, key: KeyRef<'_>, step: &Step<'_>) {
        self.note_what(key, |_, out, value| crate::journal::write_step(out, value, step));
    }

    #[cold]
    pub(super) fn note_parts_of<'n>(&mut self, key: KeyRef<'_>, names: impl Iterator<Item = &'n [u8]>) {
        self.note_what(key, |moment, out, value| crate::journal::write_names(out, value, moment, names));
    }

    /// Notes parts of the value that the operation under way has changed. Where it has changed nothing, the key is gone,
    /// or the value has no such parts, nothing is noted.
    fn note_what(
        &mut self,
        key: KeyRef<'_>,
        write: impl FnOnce(&dyn Fn() -> Moment, &mut Vec<u8>, ValueRef<'_>) -> bool,
    ) {
        let db = self.db();
        let Some(mut draft) = self.effects_mut().draft.take() else { return };
        let space = self.space();
        let Draft { changes, parts, is_fresh, .. } = &mut *draft;
        let last = changes.last_mut().filter(|change| {
            let is_of_parts = matches!(change.what, What::Whole | What::Parts(_));
            *is_fresh && change.db == db && change.key == *key.bytes && is_of_parts
        });
        let table = self.shard_mut(key).and_then(|shard| shard.table(db));
        if let Some((change, (_, entry))) = last.zip(table.and_then(|table| table.seek(key.hash, key.bytes)))
        {
            let start = parts.len();
            let is_written = write(&|| moment(space), parts, entry.value);
            if is_planted(Bug::ForgottenPart) && parts.len() % 5 == 0 {
                parts.truncate(start);
            }
            match &mut change.what {
                What::Parts(ranges) if is_written => ranges.push(start..parts.len()),
                what if is_written => *what = What::Parts(smallvec![start..parts.len()]),
                what => *what = What::Whole,
            }
        }
        self.effects_mut().draft = Some(draft);
    }

    /// Says what has changed so far, since what comes makes keys others'.
    pub(super) fn journal_resolve(&mut self) {
        let Some(mut draft) = self.effects_mut().draft.take() else { return };
        self.resolve(&mut draft);
        self.effects_mut().draft = Some(draft);
    }

    /// Notes that two databases are exchanged.
    pub(super) fn journal_swapped(&mut self, a: u16, b: u16) {
        self.journal_resolve();
        self.effects_mut().draft().record.swapped(a, b);
    }

    /// Notes that databases are cleared.
    pub(crate) fn journal_cleared(&mut self, databases: Range<u16>) {
        self.journal_resolve();
        let record = &mut self.effects_mut().draft().record;
        databases.for_each(|db| record.cleared(db));
    }

    /// Notes that all keys are others.
    pub(super) fn journal_exchanged(&mut self) {
        self.effects_mut().draft().clear();
        let databases = self.space().limits().databases;
        self.journal_cleared(0..databases);
        let keys = |(_, shard): &(u32, &mut Shard)| -> Vec<(u16, Bytes)> {
            let tables = shard.tables().map(|(db, table)| (db, table.contents()));
            tables.flat_map(|(db, keys)| keys.iter().map(move |entry| (db, Bytes::from(entry.key)))).collect()
        };
        let names: Vec<_> = self.parts_mut().iter().flat_map(keys).collect();
        let changes = names.into_iter().map(|(db, key)| Change { db, key, what: What::Whole });
        self.effects_mut().draft().changes.extend(changes);
    }

    /// What was written down beside it is waited for too.
    #[cfg(feature = "lua")]
    pub(super) fn wait_for(&mut self, place: u64) {
        let effects = self.effects_mut();
        effects.sealed = effects.sealed.max(place);
    }

    /// Writes the record, if there is anything to say. Called as long as the locks are held.
    #[inline]
    pub(super) fn seal(&mut self) {
        if self.effects_mut().draft.is_some() {
            self.seal_draft();
        }
    }

    #[cold]
    fn seal_draft(&mut self) {
        let Some(mut draft) = self.effects_mut().draft.take() else { return };
        self.resolve(&mut draft);
        if let Some(journal) = self.space().journal().filter(|_| !draft.is_empty()) {
            self.effects_mut().sealed = journal.append(&draft.record);
        }
        draft.give_back();
    }

    /// Writes each change to the record. A key of which any is whole is written once, at the last.
    fn resolve(&mut self, draft: &mut Draft) {
        let Draft { record, changes, parts, .. } = draft;
        let space = self.space();
        let wholes = Wholes::among(changes);
        for (at, Change { db, key, what }) in changes.iter().enumerate() {
            let is_whole = match wholes.last_of(*db, key) {
                Some(last) if at < last => continue,
                last => last.is_some() || matches!(what, What::Whole),
            };
            let key = space.key_ref(key);
            let table = self.shard_mut(key).and_then(|shard| shard.table(*db));
            let entry = table.and_then(|table| table.seek(key.hash, key.bytes)).map(|(_, entry)| entry);
            match (entry, what) {
                (Some(_), What::Parts(ranges)) if !is_whole => {
                    ranges.iter().for_each(|range| record.part(*db, key.bytes, &parts[range.clone()]));
                }
                (Some(entry), What::Deadline) if !is_whole && !entry.value.is_native() => {
                    record.deadline(*db, key.bytes, entry.deadline, || moment(space));
                }
                (Some(entry), _) if !entry.value.is_native() => record.put(*db, &entry, || moment(space)),
                // An entry of a cache is nothing that outlives its process.
                _ => record.removed(*db, key.bytes),
            }
        }
        changes.clear();
        parts.clear();
    }
}

/// Keys that are written whole, and the last change of each. Nothing where there is one change alone.
struct Wholes(Option<Lasts>);

type Lasts = HashMap<(u16, Bytes), (usize, bool), ahash::RandomState>;

impl Wholes {
    fn among(changes: &[Change]) -> Wholes {
        if changes.len() < 2 {
            return Wholes(None);
        }
        let mut wholes = Lasts::default();
        for (at, Change { db, key, what }) in changes.iter().enumerate() {
            let (last, is_whole) = wholes.entry((*db, key.clone())).or_insert((at, false));
            *last = at;
            *is_whole |= matches!(what, What::Whole);
        }
        Wholes(Some(wholes))
    }

    fn last_of(&self, db: u16, key: &Bytes) -> Option<usize> {
        let found = self.0.as_ref()?.get(&(db, key.clone()));
        found.filter(|(_, is_whole)| *is_whole).map(|(last, _)| *last)
    }
}

fn moment(space: &Keyspace) -> Moment {
    space.journal().map_or_else(|| Moment::of(space.clock()), Journal::moment)
}
