//! What each operation means: one function for one meaning, whoever asks for it.
//!
//! A typed operation takes a [`View`](crate::keyspace::view::View) if it only reads and a
//! [`Writer`](crate::keyspace::writer::Writer) if it may write, and keys as
//! [`KeyRef`](crate::key::KeyRef). It holds locks, so it runs no user code: elements come in as
//! bytes and go out as bytes.

pub(crate) mod bitmap;
pub(crate) mod blocking;
pub(crate) mod geo;
pub(crate) mod hash;
pub(crate) mod hyperloglog;
#[cfg(feature = "commands")]
pub(crate) mod increase;
pub(crate) mod keys;
pub(crate) mod list;
pub(crate) mod lock;
#[cfg(feature = "commands")]
pub(crate) mod object;
pub(crate) mod rate_limit;
#[cfg(feature = "commands")]
pub(crate) mod scan;
pub(crate) mod set;
#[cfg(feature = "commands")]
pub(crate) mod sort;
pub(crate) mod sorted_set;
pub(crate) mod stream;
pub(crate) mod string;

use smallvec::SmallVec;

use crate::clock::NEVER;
use crate::key::KeyRef;
use crate::keyspace::writer::Writer;
use crate::records::Text;
use crate::rng::Rng;
use crate::{Bytes, Error, Result};

/// What was taken from a collection, in the order in which it was taken; one element needs no
/// allocation.
pub(crate) type Taken = SmallVec<[Bytes; 1]>;

/// Where an operation puts the byte strings that it finds.
pub(crate) trait Gather {
    /// So many will come; said once, before them.
    fn expect(&mut self, count: usize);
    /// The next one.
    fn take(&mut self, text: Text<'_>);
    /// There is none in the next one's place.
    #[cfg(feature = "commands")]
    fn nothing(&mut self) {}
}

impl Gather for Vec<Bytes> {
    fn expect(&mut self, count: usize) {
        self.reserve_exact(count);
    }

    #[inline]
    fn take(&mut self, text: Text<'_>) {
        self.push(text.into());
    }
}

/// How elements are drawn at random.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Draw {
    /// So many different ones, or all if there are fewer.
    Distinct(usize),
    /// So many, each drawn from all, as long as they are told in so many bytes.
    Repeated { count: usize, within: usize },
}

/// What goes with each element that is told.
const TOLD: usize = b"$0\r\n\r\n".len();

impl Draw {
    /// So many, each drawn from all, however many bytes they are.
    pub(crate) fn repeated(count: usize) -> Self {
        Draw::Repeated { count, within: usize::MAX }
    }

    /// What stands at positions drawn from `len`; `bytes` says what there is of one to tell.
    ///
    /// # Errors
    /// [`Error::Invalid`] for more than memory can hold, or is to be told.
    fn draw<T>(
        self,
        rng: &Rng,
        len: usize,
        at: impl Fn(usize) -> Option<T>,
        bytes: impl Fn(&T) -> usize,
    ) -> Result<SmallVec<[T; 1]>> {
        const TOO_MANY: Error = Error::Invalid("value is out of range");
        let mut drawn = SmallVec::new();
        let count = match self {
            Draw::Distinct(count) => count.min(len),
            Draw::Repeated { .. } if len == 0 => 0,
            Draw::Repeated { count, within } if count > within / TOLD => return Err(TOO_MANY),
            Draw::Repeated { count, .. } => count,
        };
        drawn.try_reserve_exact(count).map_err(|_| TOO_MANY)?;
        match self {
            Draw::Distinct(_) if count == len => drawn.extend((0..len).filter_map(at)),
            Draw::Distinct(_) => drawn.extend(rng.sample(count, len).into_iter().filter_map(at)),
            Draw::Repeated { mut within, .. } => {
                for item in (0..count).filter_map(|_| at(rng.below(len))) {
                    within = within.checked_sub(bytes(&item).saturating_add(TOLD)).ok_or(TOO_MANY)?;
                    drawn.push(item);
                }
            }
        }
        Ok(drawn)
    }
}

/// Runs `put`, which puts back what was taken from a key; if the key had gone with it, it has the
/// deadline again that it had before.
fn put_back<R>(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    deadline: Option<u64>,
    put: impl FnOnce(&mut Writer<'_>) -> Result<R>,
) -> Result<()> {
    let went = writer.deadline(key).is_none();
    writer.admit_all();
    put(writer)?;
    if let (true, Some(deadline)) = (went, deadline.filter(|deadline| *deadline != NEVER)) {
        writer.set_deadline(key, deadline);
    }
    Ok(())
}
