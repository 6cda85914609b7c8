//! How entries are added, and how streams are trimmed.

use crate::command::stream::{NewId, ROUGH_LIMIT};
use crate::keyspace::writer::Absent;
use crate::value::stream::{Keep, Trim};
use crate::{References, StreamId};

/// How an entry is added with [`Stream::add_with`](crate::Stream::add_with): as [`add`](crate::Stream::add) does,
/// unless it is told otherwise.
///
/// ```
/// use larder::{AddOptions, Store, StreamId, StreamTrim};
///
/// let store = Store::new();
/// let events = store.stream::<String, u32>("events");
/// assert_eq!(events.add_with([("n", 1)], AddOptions::new().if_present())?, None);
/// for n in 1..=5 {
///     let options = AddOptions::new().id(StreamId::new(n.into(), 0)).trim(StreamTrim::to_len(2));
///     events.add_with([("n", n)], options)?;
/// }
/// assert_eq!(events.len()?, 2);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct AddOptions {
    pub(super) id: NewId,
    pub(super) absent: Absent,
    pub(super) trim: Option<Trim>,
}

impl AddOptions {
    /// An id of the store's clock, a stream made if there is none, and nothing trimmed.
    pub const fn new() -> Self {
        AddOptions { id: NewId::Auto, absent: Absent::Create, trim: None }
    }

    /// The entry's id, which must be greater than all before.
    pub const fn id(mut self, id: StreamId) -> Self {
        self.id = NewId::Exact(id);
        self
    }

    /// An id of this millisecond since 1970, behind what is there (`ms-*`).
    pub const fn within(mut self, ms: u64) -> Self {
        self.id = NewId::Within(ms);
        self
    }

    /// Only if there is a stream (`NOMKSTREAM`).
    pub const fn if_present(mut self) -> Self {
        self.absent = Absent::Skip;
        self
    }

    /// The stream is trimmed in the same step (`MAXLEN`, `MINID`).
    pub const fn trim(mut self, trim: StreamTrim) -> Self {
        self.trim = Some(trim.0);
        self
    }
}

impl Default for AddOptions {
    fn default() -> Self {
        AddOptions::new()
    }
}

/// Which entries [`Stream::trim`](crate::Stream::trim) keeps: exactly, unless it is told otherwise.
///
/// ```
/// use larder::{Store, StreamId, StreamTrim};
///
/// let store = Store::new();
/// let events = store.stream::<String, u32>("events");
/// for n in 0..1000 {
///     events.add([("n", n)])?;
/// }
/// // Whole blocks of up to 100 entries go: far cheaper, and some more entries stay.
/// let removed = events.trim(StreamTrim::to_len(250).roughly())?;
/// assert!(removed <= 750 && events.len()? < 350);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct StreamTrim(pub(super) Trim);

impl StreamTrim {
    /// Keeps the last so many entries (`MAXLEN`).
    pub const fn to_len(len: u64) -> Self {
        StreamTrim(Trim { keep: Keep::Len(len), roughly: None, references: References::Keep })
    }

    /// Keeps the entries from this id on (`MINID`).
    pub const fn from_id(id: StreamId) -> Self {
        StreamTrim(Trim { keep: Keep::From(id), roughly: None, references: References::Keep })
    }

    /// Keeps some more where that is cheaper (`~`), and removes up to 10,000 entries at a time.
    pub const fn roughly(self) -> Self {
        self.roughly_limit(ROUGH_LIMIT)
    }

    /// The same with up to that many at a time (`~` with `LIMIT`).
    pub const fn roughly_limit(mut self, entries: usize) -> Self {
        self.0.roughly = Some(entries);
        self
    }

    /// What becomes of what is pending of the removed entries.
    pub const fn references(mut self, references: References) -> Self {
        self.0.references = references;
        self
    }
}
