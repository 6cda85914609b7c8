//! What each operation means: one function for one meaning, whoever asks for it.
//!
//! A typed operation takes a [`View`](crate::keyspace::view::View) if it only reads and a
//! [`Writer`](crate::keyspace::writer::Writer) if it may write, and keys as
//! [`KeyRef`](crate::key::KeyRef). It holds locks, so it runs no user code: elements come in as
//! bytes and go out as bytes.

pub(crate) mod bitmap;
pub(crate) mod blocking;
pub(crate) mod hash;
pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod lock;
pub(crate) mod rate_limit;
pub(crate) mod set;
pub(crate) mod sorted_set;
pub(crate) mod string;

use smallvec::SmallVec;

use crate::clock::NEVER;
use crate::key::KeyRef;
use crate::keyspace::writer::Writer;
use crate::{Bytes, Result};

/// What was taken from a collection, in the order in which it was taken; one element needs no
/// allocation.
pub(crate) type Taken = SmallVec<[Bytes; 1]>;

/// Runs `put`, which puts back what was taken from a key; if the key had gone with it, it has the
/// deadline again that it had before.
fn put_back(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    deadline: Option<u64>,
    put: impl FnOnce(&mut Writer<'_>) -> Result<usize>,
) -> Result<()> {
    let went = writer.deadline(key).is_none();
    put(writer)?;
    if let (true, Some(deadline)) = (went, deadline.filter(|deadline| *deadline != NEVER)) {
        writer.set_deadline(key, deadline);
    }
    Ok(())
}
