//! A record: all that one operation or transaction has changed, as one stretch of bytes.
//!
//! Items stand one behind the other, each a byte that says which and what follows for it: a key as in a snapshot (0); a key
//! that is gone, as database and name (1); a key's deadline, as in a snapshot's entry (2); a part of its value, as a
//! [step](super::step) (3); a database that was cleared (4); two that were exchanged (5); all
//! libraries of functions, as a snapshot has them (6). Each says what is, and not what was
//! done, so an item that is put in place twice does no harm, but for the ends of lists.

use std::io;

use super::step;
use crate::Bytes;
use crate::clock::NEVER;
use crate::keyspace::Limits;
use crate::keyspace::restore::Restoring;
use crate::keyspace::table::Entry;
use crate::snapshot::Moment;
use crate::snapshot::entry::{self, Reader, write_bytes, write_varint};
use crate::snapshot::error::Fault;
use crate::snapshot::input::{Input, Slice};

const PUT: u8 = 0;
const REMOVED: u8 = 1;
const DEADLINE: u8 = 2;
const PART: u8 = 3;
const CLEARED: u8 = 4;
const SWAPPED: u8 = 5;
const LIBRARIES: u8 = 6;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Record(Vec<u8>);

impl Record {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes that it holds or may hold without more memory.
    pub(crate) fn room(&self) -> usize {
        self.0.capacity()
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The whole key as it is.
    pub(crate) fn put(&mut self, db: u16, entry: &Entry<'_>, moment: impl FnOnce() -> Moment) {
        let is_timed = entry.deadline != NEVER || entry.value.next_deadline() != NEVER;
        let moment = if is_timed { moment() } else { Moment::WALL };
        // Time has gone on since it was made.
        if is_timed && entry.is_expired(|_| moment.now) {
            return self.removed(db, entry.key);
        }
        self.write(PUT, |out| entry::write(out, db, entry, moment));
    }

    pub(crate) fn removed(&mut self, db: u16, key: &[u8]) {
        self.write(REMOVED, |out| write_key(out, db, key));
    }

    pub(crate) fn deadline(&mut self, db: u16, key: &[u8], deadline: u64, moment: impl FnOnce() -> Moment) {
        let moment = if deadline == NEVER { Moment::WALL } else { moment() };
        self.write(DEADLINE, |out| {
            write_key(out, db, key)?;
            write_varint(out, moment.write(deadline))
        });
    }

    /// A part of a key's value, as a step was written.
    pub(crate) fn part(&mut self, db: u16, key: &[u8], part: &[u8]) {
        self.write(PART, |out| {
            write_key(out, db, key)?;
            out.extend_from_slice(part);
            Ok(())
        });
    }

    pub(crate) fn cleared(&mut self, db: u16) {
        self.write(CLEARED, |out| write_varint(out, db.into()));
    }

    pub(crate) fn swapped(&mut self, a: u16, b: u16) {
        self.write(SWAPPED, |out| {
            write_varint(out, a.into())?;
            write_varint(out, b.into())
        });
    }

    pub(crate) fn libraries(&mut self, codes: &[Bytes]) {
        self.write(LIBRARIES, |out| entry::write_libraries(out, codes));
    }

    fn write(&mut self, tag: u8, write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) {
        self.0.push(tag);
        // A vector takes all that is written to it.
        let _ = write(&mut self.0);
    }
}

fn write_key(out: &mut Vec<u8>, db: u16, key: &[u8]) -> io::Result<()> {
    write_varint(out, db.into())?;
    write_bytes(out, key)
}

/// Puts what a record says in place. `at` is where it stands in its file.
pub(super) fn apply(store: &mut Restoring<'_>, bytes: &[u8], at: u64, limits: Limits) -> Result<(), Fault> {
    let mut input = Slice { bytes, at };
    while !input.bytes.is_empty() {
        let [tag] = input.read_array()?;
        if tag == PUT {
            let Some(entry) = entry::Entry::read(&mut input, Moment::WALL, limits)? else {
                return Err(input.damaged("it has a key that holds nothing"));
            };
            store.put(entry.db, &entry.key, entry.value, entry.deadline)?;
            continue;
        }
        let mut reader = Reader { input: &mut input, limits };
        if tag == LIBRARIES {
            store.put_libraries(reader.libraries()?);
            continue;
        }
        let db = reader.database()?;
        match tag {
            REMOVED => drop(store.remove(db, &reader.bytes()?)),
            DEADLINE => {
                let (key, written) = (reader.bytes()?, reader.number()?);
                let deadline = Moment::WALL.read(written).unwrap_or(0);
                if !store.set_deadline(db, &key, deadline) {
                    return Err(input.damaged("it has a deadline for a key that is not there"));
                }
            }
            PART => {
                let key = reader.bytes()?;
                let [tag] = reader.input.read_array()?;
                store.update(db, &key, || step::fresh(tag), |value| step::apply(value, tag, &mut reader))?;
            }
            CLEARED => store.clear(db),
            SWAPPED => {
                let other = reader.database()?;
                store.swap(db, other);
            }
            _ => return Err(input.damaged("it has an item of an unknown kind")),
        }
    }
    Ok(())
}
