//! Streams.

mod consumer;
mod entries;
mod group;
mod once;
mod options;

use std::marker::PhantomData;

use super::Database;
use super::handle::{Handle, decode, public_handle};
use crate::command::stream::Item;
use crate::{Bytes, Decode, Encode, Key, Result, StreamId};

pub use consumer::{AutoClaimed, StreamConsumer};
pub use group::{ConsumerInfo, GroupInfo, GroupStart, PendingEntry, StreamGroup};
pub use once::{AddedOnce, ProducersInfo};
pub use options::{AddOptions, StreamTrim};

/// A handle on a stream: entries in the order in which they came, each with an id and fields of type `F` with a
/// value of type `V` each. Groups of consumers share its entries among them.
///
/// - **Entries**: [`add`](Self::add), [`add_with`](Self::add_with), [`get`](Self::get),
///   [`range`](Self::range), [`range_rev`](Self::range_rev), [`remove`](Self::remove), [`trim`](Self::trim).
/// - **What is new**: [`read_after`](Self::read_after), [`read_wait`](Self::read_wait),
///   [`read_async`](Self::read_async).
/// - **Once**: [`add_once`](Self::add_once), [`set_retention`](Self::set_retention), [`producers`](Self::producers).
/// - **Groups**: [`group`](Self::group), whose [`consumer`](StreamGroup::consumer)s read, acknowledge and claim.
///
/// An empty stream stays, with its groups, until its key is removed.
///
/// ```
/// use larder::{GroupStart, Store, StreamId};
///
/// let store = Store::new();
/// let events = store.stream::<String, String>("events");
/// let id = events.add([("user", "ann"), ("action", "login")])?;
/// assert_eq!(events.read_after(StreamId::MIN, 10)?[0].id, id);
///
/// let workers = events.group("workers");
/// workers.create(GroupStart::First)?;
/// let worker = workers.consumer("w1");
/// for entry in worker.read(10)? {
///     assert_eq!(entry.get("action"), Some(&"login".to_owned()));
///     worker.ack(entry.id)?;
/// }
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Errors
/// Every method gives [`Error::WrongType`](crate::Error::WrongType) if the key holds another type. Those that take
/// fields can give [`Error::TooLong`](crate::Error::TooLong) and [`Error::Encode`](crate::Error::Encode), those
/// that give entries [`Error::Decode`](crate::Error::Decode).
pub struct Stream<'a, F, V> {
    handle: Handle<'a>,
    types: PhantomData<fn() -> (F, V)>,
}

/// An entry of a [`Stream`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamEntry<F, V> {
    /// Where it stands.
    pub id: StreamId,
    /// The fields in the order in which they were given; a name may stand there twice.
    pub fields: Vec<(F, V)>,
}

impl<F, V> StreamEntry<F, V> {
    /// The value of the first field of that name. O(fields)
    ///
    /// ```
    /// use larder::{Store, StreamId};
    ///
    /// let store = Store::new();
    /// let events = store.stream::<String, u32>("events");
    /// let id = events.add([("temperature", 21), ("humidity", 40)])?;
    /// let entry = events.get(id)?.expect("it was just added");
    /// assert_eq!(entry.get("humidity"), Some(&40));
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn get<Q: ?Sized>(&self, name: &Q) -> Option<&V>
    where
        F: PartialEq<Q>,
    {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }
}

impl<'a, F, V> Stream<'a, F, V> {
    fn of(handle: Handle<'a>) -> Self {
        Stream { handle, types: PhantomData }
    }

    pub(in crate::api) fn handle(&self) -> &Handle<'a> {
        &self.handle
    }
}

impl Database {
    /// A handle on the stream at `key`, whose entries have fields `F` with values `V`. O(1), and nothing is looked
    /// at or made: the key comes with the first entry or group.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let events = store.stream::<String, String>("events");
    /// assert!(!store.contains("events")?);
    /// events.add([("action", "login")])?;
    /// assert!(store.contains("events")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn stream<'a, F, V>(&'a self, key: impl Into<Key<'a>>) -> Stream<'a, F, V>
    where
        F: Encode + Decode,
        V: Encode + Decode,
    {
        Stream::of(Handle::new(self, key.into()))
    }
}

public_handle!(Stream<'a, F, V>);

/// An entry's fields, if it has not gone.
pub(super) fn decode_item<F: Decode, V: Decode>(item: Item) -> Result<Option<StreamEntry<F, V>>> {
    let Some(fields) = item.fields else { return Ok(None) };
    let field = |(name, value): (Bytes, Bytes)| Ok((decode(name)?, decode(value)?));
    let fields = fields.into_iter().map(field).collect::<Result<_>>()?;
    Ok(Some(StreamEntry { id: item.id, fields }))
}

/// Entries; those that have gone are left out.
pub(in crate::api) fn decode_items<F: Decode, V: Decode>(items: Vec<Item>) -> Result<Vec<StreamEntry<F, V>>> {
    items.into_iter().filter_map(|item| decode_item(item).transpose()).collect()
}
