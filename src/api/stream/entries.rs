//! Adding, reading and removing entries.

use std::ops::{Bound, RangeBounds};

use super::{AddOptions, Stream, StreamEntry, StreamGroup, StreamTrim, decode_items};
use crate::command::stream::{self, NEWEST, Removal};
use crate::{Bytes, Decode, Element, Encode, Error, References, Result, StreamId};

/// An entry without fields.
pub(super) const NO_FIELDS: Error =
    Error::Invalid("wrong number of arguments: an entry has at least one field");

impl<F: Encode + Decode, V: Encode + Decode> Stream<'_, F, V> {
    /// Adds an entry; gives its id, which the store's clock tells. `XADD`, O(bytes).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let events = store.stream::<String, String>("events");
    /// let first = events.add([("user", "ann"), ("action", "login")])?;
    /// assert!(events.add([("user", "bob")])? > first);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type; [`Error::Invalid`] without fields, and if the stream has
    /// had the last id that there is; [`Error::TooLong`] or [`Error::Encode`] for a field.
    #[doc(alias = "XADD")]
    pub fn add(
        &self,
        fields: impl IntoIterator<Item = (impl Element<F>, impl Element<V>)>,
    ) -> Result<StreamId> {
        // `None` is for who asks not to make a stream.
        Ok(self.add_with(fields, AddOptions::new())?.unwrap_or_default())
    }

    /// Adds an entry as the options say; `None` if there is no stream and none was to be made. `XADD`, O(bytes), and
    /// what [`trim`](Self::trim) costs.
    ///
    /// ```
    /// use larder::{AddOptions, Store, StreamId};
    ///
    /// let store = Store::new();
    /// let events = store.stream::<String, u32>("events");
    /// let options = AddOptions::new().id(StreamId::new(7, 1));
    /// assert_eq!(events.add_with([("n", 1)], options)?, Some(StreamId::new(7, 1)));
    /// assert!(events.add_with([("n", 2)], options).is_err()); // not behind the last
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`add`](Self::add); [`Error::Invalid`] for an id that is not greater than all before.
    #[doc(alias = "XADD")]
    pub fn add_with(
        &self,
        fields: impl IntoIterator<Item = (impl Element<F>, impl Element<V>)>,
        options: AddOptions,
    ) -> Result<Option<StreamId>> {
        let fields = self.encode_fields(fields)?;
        if fields.is_empty() {
            return Err(NO_FIELDS);
        }
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        self.handle.write(|writer, key| {
            let added = stream::add(writer, key, options.id, &fields, options.absent)?;
            if let (Some(_), Some(trim)) = (added, options.trim) {
                stream::trim(writer, key, trim)?;
            }
            Ok(added)
        })
    }

    /// How many entries there are; 0 if the key is missing. `XLEN`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let events = store.stream::<String, u32>("events");
    /// events.add([("n", 1)])?;
    /// assert_eq!(events.len()?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "XLEN")]
    pub fn len(&self) -> Result<usize> {
        self.handle.read(stream::len)
    }

    /// Whether there is no entry. `XLEN`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert!(store.stream::<String, u32>("events").is_empty()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// The greatest id that the stream has had, removed or not; [`StreamId::MIN`] if there was none. To read after
    /// it is to read what comes from now on. `XINFO STREAM`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let events = store.stream::<String, u32>("events");
    /// let id = events.add([("n", 1)])?;
    /// events.remove(id)?;
    /// assert_eq!(events.last_id()?, id);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "XINFO STREAM")]
    pub fn last_id(&self) -> Result<StreamId> {
        let last = self.handle.read(|view, key| stream::look(view, key, |stream| stream.facts().last))?;
        Ok(last.unwrap_or(StreamId::MIN))
    }

    /// Has the entries to come go on behind another id. `XSETID`, O(1).
    ///
    /// ```
    /// use larder::{Store, StreamId};
    ///
    /// let store = Store::new();
    /// let events = store.stream::<String, u32>("events");
    /// events.add([("n", 1)])?;
    /// events.set_last_id(StreamId::new(u64::MAX, 0))?;
    /// assert_eq!(events.add([("n", 2)])?, StreamId::new(u64::MAX, 1));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoSuchKey`]; [`Error::Invalid`] for an id below that of an entry, or of one that was removed;
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "XSETID")]
    pub fn set_last_id(&self, id: StreamId) -> Result<()> {
        self.handle.write(|writer, key| stream::set_id(writer, key, id, None, None, NEWEST))
    }

    /// The entry of that id. `XRANGE`, O(log n).
    ///
    /// ```
    /// use larder::{Store, StreamId};
    ///
    /// let store = Store::new();
    /// let events = store.stream::<String, u32>("events");
    /// let id = events.add([("n", 1)])?;
    /// assert_eq!(events.get(id)?.map(|entry| entry.fields), Some(vec![("n".into(), 1)]));
    /// assert_eq!(events.get(StreamId::new(1, 1))?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type; [`Error::Decode`] with the bytes of a field.
    #[doc(alias = "XRANGE")]
    pub fn get(&self, id: StreamId) -> Result<Option<StreamEntry<F, V>>> {
        Ok(self.range(id..=id, 1)?.pop())
    }

    /// Up to `count` entries of a range of ids, in their order. `XRANGE`, O(log n + count).
    ///
    /// ```
    /// use larder::{AddOptions, Store, StreamId};
    ///
    /// let store = Store::new();
    /// let events = store.stream::<String, u32>("events");
    /// for n in 1..=4 {
    ///     events.add_with([("n", n)], AddOptions::new().within(n.into()))?;
    /// }
    /// let all = events.range(.., usize::MAX)?;
    /// assert_eq!(all.len(), 4);
    /// let some = events.range(StreamId::new(2, 0)..StreamId::new(4, 0), 10)?;
    /// assert_eq!(some, all[1..3]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type; [`Error::Decode`] with the bytes of a field.
    #[doc(alias = "XRANGE")]
    pub fn range(&self, ids: impl RangeBounds<StreamId>, count: usize) -> Result<Vec<StreamEntry<F, V>>> {
        let Some((start, end)) = ends(&ids) else { return Ok(Vec::new()) };
        decode_items(self.handle.read(|view, key| stream::range(view, key, start, end, count))?)
    }

    /// The same from the end of the range on. `XREVRANGE`, O(log n + count).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let events = store.stream::<String, u32>("events");
    /// events.add([("n", 1)])?;
    /// events.add([("n", 2)])?;
    /// let last = events.range_rev(.., 1)?;
    /// assert_eq!(last[0].get("n"), Some(&2));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`range`](Self::range).
    #[doc(alias = "XREVRANGE")]
    pub fn range_rev(&self, ids: impl RangeBounds<StreamId>, count: usize) -> Result<Vec<StreamEntry<F, V>>> {
        let Some((start, end)) = ends(&ids) else { return Ok(Vec::new()) };
        decode_items(self.handle.read(|view, key| stream::range_back(view, key, start, end, count))?)
    }

    /// Up to `count` entries behind an id, in their order. `XREAD`, O(log n + count). To wait for some, use
    /// [`read_wait`](Self::read_wait).
    ///
    /// ```
    /// use larder::{Store, StreamId};
    ///
    /// let store = Store::new();
    /// let events = store.stream::<String, u32>("events");
    /// let first = events.add([("n", 1)])?;
    /// let second = events.add([("n", 2)])?;
    /// assert_eq!(events.read_after(StreamId::MIN, 10)?.len(), 2);
    /// assert_eq!(events.read_after(first, 10)?[0].id, second);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`range`](Self::range).
    #[doc(alias = "XREAD")]
    pub fn read_after(&self, id: StreamId, count: usize) -> Result<Vec<StreamEntry<F, V>>> {
        self.range((Bound::Excluded(id), Bound::Unbounded), count)
    }

    /// Removes an entry; true if it was there. What is pending of it stays so. `XDEL`, O(log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let events = store.stream::<String, u32>("events");
    /// let id = events.add([("n", 1)])?;
    /// assert!(events.remove(id)?);
    /// assert!(!events.remove(id)?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "XDEL")]
    pub fn remove(&self, id: StreamId) -> Result<bool> {
        Ok(self.remove_many([id])? == 1)
    }

    /// Removes several entries in one step; gives how many of them were there. `XDEL`, O(ids * log n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let events = store.stream::<String, u32>("events");
    /// let ids = [events.add([("n", 1)])?, events.add([("n", 2)])?];
    /// assert_eq!(events.remove_many(ids)?, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "XDEL")]
    pub fn remove_many(&self, ids: impl IntoIterator<Item = StreamId>) -> Result<usize> {
        let ids: Vec<_> = ids.into_iter().collect();
        self.handle.write(|writer, key| stream::delete(writer, key, &ids))
    }

    /// Removes entries with what is pending of them, or only such as all groups have acknowledged. `XDELEX`,
    /// O(ids * (log n + groups)).
    ///
    /// ```
    /// use larder::{GroupStart, References, Removal, Store};
    ///
    /// let store = Store::new();
    /// let events = store.stream::<String, u32>("events");
    /// let id = events.add([("n", 1)])?;
    /// let workers = events.group("workers");
    /// workers.create(GroupStart::First)?;
    /// assert_eq!(events.remove_with([id], References::Acknowledged)?, [Removal::Kept]);
    /// assert_eq!(events.remove_with([id], References::Remove)?, [Removal::Removed]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "XDELEX")]
    pub fn remove_with(
        &self,
        ids: impl IntoIterator<Item = StreamId>,
        references: References,
    ) -> Result<Vec<Removal>> {
        let ids: Vec<_> = ids.into_iter().collect();
        self.handle.write(|writer, key| stream::delete_with(writer, key, &ids, references))
    }

    /// Removes entries from the start on; gives how many. `XTRIM`, O(removed), and O(removed / 100) where whole
    /// blocks of them go.
    ///
    /// ```
    /// use larder::{Store, StreamTrim};
    ///
    /// let store = Store::new();
    /// let events = store.stream::<String, u32>("events");
    /// for n in 0..10 {
    ///     events.add([("n", n)])?;
    /// }
    /// assert_eq!(events.trim(StreamTrim::to_len(3))?, 7);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "XTRIM")]
    pub fn trim(&self, trim: StreamTrim) -> Result<usize> {
        self.handle.write(|writer, key| stream::trim(writer, key, trim.0))
    }

    pub(super) fn encode_fields(
        &self,
        fields: impl IntoIterator<Item = (impl Element<F>, impl Element<V>)>,
    ) -> Result<Vec<(Bytes, Bytes)>> {
        let encode = |(field, value)| Ok((self.handle.encode(field)?, self.handle.encode(value)?));
        fields.into_iter().map(encode).collect()
    }
}

impl<'a, F, V> Stream<'a, F, V> {
    /// A handle on a group of consumers of the stream. O(1), and nothing is looked at or made:
    /// [`create`](StreamGroup::create) does that.
    ///
    /// ```
    /// use larder::{GroupStart, Store};
    ///
    /// let store = Store::new();
    /// let workers = store.stream::<String, String>("jobs").group("workers");
    /// assert!(workers.create(GroupStart::First)?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn group(&self, name: impl Into<Bytes>) -> StreamGroup<'a, F, V> {
        StreamGroup::new(self.clone(), name.into())
    }
}

/// The first and the last id of a range; none if there is none in it.
fn ends(ids: &impl RangeBounds<StreamId>) -> Option<(StreamId, StreamId)> {
    let start = match ids.start_bound() {
        Bound::Included(id) => *id,
        Bound::Excluded(id) => id.next()?,
        Bound::Unbounded => StreamId::MIN,
    };
    let end = match ids.end_bound() {
        Bound::Included(id) => *id,
        Bound::Excluded(id) => id.previous()?,
        Bound::Unbounded => StreamId::MAX,
    };
    Some((start, end))
}
