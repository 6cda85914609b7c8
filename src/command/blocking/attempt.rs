//! What is tried on a key, at once and when it has changed.

use crate::command::stream::read::{Found, Gone, Reads};
use crate::command::{list, sorted_set};
use crate::key::KeyRef;
use crate::keyspace::writer::Writer;
use crate::value::list::End;
use crate::{Bytes, Error, Result, Type};

/// What a waiter wants from one of its keys.
pub(crate) enum Attempt {
    /// BLPOP, BRPOP, BLMPOP: so many elements of a list, at most.
    Pop(End, usize),
    /// BLMOVE: an element of a list, which goes on to another.
    Move { from: End, to: End, destination: Bytes },
    /// BLMOVEM: several elements of a list, which go on to another.
    #[cfg(feature = "commands")]
    MoveSeveral { ends: [End; 2], several: list::Several, destination: Bytes },
    /// BZPOPMIN, BZPOPMAX, BZMPOP: so many of the outermost members of a sorted set, at most.
    PopScored(End, usize),
    /// XREAD, XREADGROUP: what comes behind an id of each key, which is in the place of that id.
    Read(Box<Reads>),
}

/// What a waiter got.
pub(crate) enum Served {
    /// These elements of the list at this key, which had this deadline.
    Elements(Bytes, list::Popped, Option<u64>),
    /// This element, which is in the destination now.
    Moved(Bytes),
    /// These elements, which are in the destination now.
    #[cfg(feature = "commands")]
    MovedSeveral(Vec<Bytes>),
    /// These members, with their scores, of the sorted set at this key, which had this deadline.
    Scored(Bytes, sorted_set::Popped, Option<u64>),
    /// These entries.
    Entries(Found),
    /// Nothing, and nothing will come: the group has gone that was read for.
    Gone(Gone),
    /// Nothing: its [`Permit`] does not hold any more.
    Refused,
    /// Nothing: somebody else had it wait no longer, and fail.
    #[cfg(feature = "commands")]
    Unblocked,
    /// What another thread has to say.
    #[cfg(feature = "server")]
    Told(crate::reply::Reply),
}

impl Attempt {
    /// Tries it on a key; nothing if the key has nothing to give.
    pub(crate) fn run(&self, writer: &mut Writer<'_>, key: KeyRef<'_>) -> Result<Option<Served>> {
        match self {
            Attempt::Pop(end, count) => {
                let deadline = writer.deadline(key);
                let popped = list::pop(writer, key, *end, *count)?;
                Ok(popped.map(|popped| Served::Elements(Bytes::from(key.bytes), popped, deadline)))
            }
            Attempt::Move { from, to, destination } => {
                let destination = writer.space().key_ref(destination);
                Ok(list::move_(writer, key, destination, *from, *to)?.map(Served::Moved))
            }
            #[cfg(feature = "commands")]
            Attempt::MoveSeveral { ends, several, destination } => {
                let destination = writer.space().key_ref(destination);
                Ok(list::move_several(writer, key, destination, *ends, *several)?.map(Served::MovedSeveral))
            }
            Attempt::PopScored(end, count) => {
                let deadline = writer.deadline(key);
                let popped = sorted_set::pop(writer, key, *end, *count)?;
                Ok(popped.map(|popped| Served::Scored(Bytes::from(key.bytes), popped, deadline)))
            }
            Attempt::Read(reads) => Ok(reads.run(writer, &[Bytes::from(key.bytes)])?.map(Served::Entries)),
        }
    }

    /// The other key that it needs.
    pub(crate) fn destination(&self) -> Option<&Bytes> {
        match self {
            Attempt::Move { destination, .. } => Some(destination),
            #[cfg(feature = "commands")]
            Attempt::MoveSeveral { destination, .. } => Some(destination),
            Attempt::Pop(..) | Attempt::PopScored(..) | Attempt::Read(_) => None,
        }
    }

    pub(super) fn kind(&self) -> Type {
        match self {
            Attempt::Pop(..) | Attempt::Move { .. } => Type::List,
            #[cfg(feature = "commands")]
            Attempt::MoveSeveral { .. } => Type::List,
            Attempt::PopScored(..) => Type::SortedSet,
            Attempt::Read(_) => Type::Stream,
        }
    }

    /// Whether it may leave what there is to others, since it is too little.
    pub(super) fn is_choosy(&self) -> bool {
        #[cfg(feature = "commands")]
        if let Attempt::MoveSeveral { several, .. } = self {
            return several.least > 1;
        }
        false
    }

    /// Puts back what was taken for a waiter who is no longer there, where it was taken.
    pub(super) fn put_back(&self, writer: &mut Writer<'_>, served: Served) -> Result<()> {
        match (self, served) {
            (Attempt::Pop(end, _), Served::Elements(key, popped, deadline)) => {
                let key = writer.space().key_ref(&key);
                list::put_back(writer, key, *end, popped.into_taken(), deadline)
            }
            (Attempt::PopScored(..), Served::Scored(key, popped, deadline)) => {
                let key = writer.space().key_ref(&key);
                sorted_set::put_back(writer, key, popped.into_vec(), deadline)
            }
            // What was moved is where it was meant to go, and what was read is still there: for a group it is
            // pending.
            _ => Ok(()),
        }
    }
}

/// Whether an attempt that finds nothing waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    Waits,
    Leaves,
}

/// Tries an attempt on each key in turn. One who can wait leaves what others already wait for to them:
/// whoever is about to serve those serves the rest of the queue too.
///
/// # Errors
/// [`Error::Invalid`] if there is no key.
pub(crate) fn try_each(
    writer: &mut Writer<'_>,
    keys: &[Bytes],
    attempt: &Attempt,
    patience: Patience,
) -> Result<Option<Served>> {
    if keys.is_empty() {
        return Err(Error::Invalid("wrong number of arguments: there is no key to take from"));
    }
    // Who reads takes nothing away: those who wait already are left nothing.
    if let Attempt::Read(reads) = attempt {
        return Ok(reads.run(writer, keys)?.map(Served::Entries));
    }
    let (db, kind) = (writer.db(), attempt.kind());
    for name in keys {
        let key = writer.space().key_ref(name);
        if patience == Patience::Waits
            && writer.shard_mut(key).is_some_and(|shard| shard.waiters.want(db, name, kind))
            && writer.value(key).is_some_and(|value| value.kind() == kind)
        {
            continue;
        }
        if let Some(served) = attempt.run(writer, key)? {
            return Ok(Some(served));
        }
    }
    Ok(None)
}
