//! Messages that are added once, however often they are sent.

use super::entries::NO_FIELDS;
use super::{AddOptions, Stream};
use crate::command::stream::{self, Message, NewId};
use crate::{Bytes, Decode, Element, Encode, Error, Result, Retention, StreamId};

/// What became of a message of [`Stream::add_once`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddedOnce {
    /// It was added, with this id.
    Added(StreamId),
    /// It had been added before, with this id; nothing was changed.
    Before(StreamId),
}

impl AddedOnce {
    /// The id of its entry.
    pub const fn id(self) -> StreamId {
        match self {
            AddedOnce::Added(id) | AddedOnce::Before(id) => id,
        }
    }
}

/// What a stream knows of its producers; made by [`Stream::producers`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProducersInfo {
    /// How long messages are known, and how many of each producer.
    pub retention: Retention,
    /// How many producers have a message that is known.
    pub producers: usize,
    /// How many messages are known.
    pub messages: usize,
    /// How many messages were ever added under ids of their producers.
    pub added: u64,
    /// How many were not, as they had been before.
    pub duplicates: u64,
}

impl<F: Encode + Decode, V: Encode + Decode> Stream<'_, F, V> {
    /// Adds a message that its producer may send more than once, as it was not told that the first one came: the first
    /// one is added, and of the others its id is given. `XADD` with `IDMP`, O(bytes + log producers).
    ///
    /// A message is known by the names that the producer has for itself and for it, not by its fields: for 100 seconds,
    /// while it is among the producer's last 100, unless [`set_retention`](Self::set_retention) says otherwise.
    ///
    /// ```
    /// use larder::{AddedOnce, Store};
    ///
    /// let store = Store::new();
    /// let payments = store.stream::<String, u32>("payments");
    /// let first = payments.add_once("shop-1", "order-7", [("cents", 995)])?;
    /// let again = payments.add_once("shop-1", "order-7", [("cents", 995)])?;
    /// assert_eq!(again, AddedOnce::Before(first.id()));
    /// assert_eq!(payments.len()?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`add`](Self::add); [`Error::Invalid`] for an empty name.
    #[doc(alias = "XADD")]
    #[doc(alias = "IDMP")]
    pub fn add_once(
        &self,
        producer: impl Into<Bytes>,
        message: impl Into<Bytes>,
        fields: impl IntoIterator<Item = (impl Element<F>, impl Element<V>)>,
    ) -> Result<AddedOnce> {
        let added = self.add_once_with(producer, message, fields, AddOptions::new())?;
        // `None` is for who asks not to make a stream.
        Ok(added.unwrap_or(AddedOnce::Before(StreamId::MIN)))
    }

    /// The same as the options say; `None` if there is no stream and none was to be made. A message that had been added
    /// before trims nothing. `XADD` with `IDMP`, O(bytes + log producers), and what [`trim`](Self::trim) costs.
    ///
    /// ```
    /// use larder::{AddOptions, Store, StreamTrim};
    ///
    /// let store = Store::new();
    /// let payments = store.stream::<String, u32>("payments");
    /// let options = AddOptions::new().trim(StreamTrim::to_len(1));
    /// for order in ["order-7", "order-8"] {
    ///     payments.add_once_with("shop-1", order, [("cents", 995)], options)?;
    /// }
    /// assert_eq!(payments.len()?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`add_once`](Self::add_once); [`Error::Invalid`] for options with an id, which is the store's to give.
    #[doc(alias = "XADD")]
    #[doc(alias = "IDMP")]
    pub fn add_once_with(
        &self,
        producer: impl Into<Bytes>,
        message: impl Into<Bytes>,
        fields: impl IntoIterator<Item = (impl Element<F>, impl Element<V>)>,
        options: AddOptions,
    ) -> Result<Option<AddedOnce>> {
        let (producer, message) = (producer.into(), message.into());
        self.once(&producer, fields, options, |_| Ok(message))
    }

    /// [`add_once`](Self::add_once) for a producer that has no names for its messages: those with the same fields and
    /// values, in whatever order, are one. `XADD` with `IDMPAUTO`, O(bytes + log producers).
    ///
    /// A message is known by a hash of 128 bits, which is Redis's: no accident makes two messages one, but who chooses
    /// fields in bad faith can, and so does the same field with the same value, twice.
    ///
    /// ```
    /// use larder::{AddedOnce, Store};
    ///
    /// let store = Store::new();
    /// let readings = store.stream::<String, u32>("readings");
    /// let first = readings.add_distinct("sensor-1", [("hour", 7), ("degrees", 21)])?;
    /// let again = readings.add_distinct("sensor-1", [("degrees", 21), ("hour", 7)])?;
    /// assert_eq!(again, AddedOnce::Before(first.id()));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`add_once`](Self::add_once).
    #[cfg(feature = "commands")]
    #[doc(alias = "XADD")]
    #[doc(alias = "IDMPAUTO")]
    pub fn add_distinct(
        &self,
        producer: impl Into<Bytes>,
        fields: impl IntoIterator<Item = (impl Element<F>, impl Element<V>)>,
    ) -> Result<AddedOnce> {
        let named = |fields: &[(&[u8], &[u8])]| Ok(crate::value::stream::message_of(fields)[..].into());
        let added = self.once(&producer.into(), fields, AddOptions::new(), named)?;
        Ok(added.unwrap_or(AddedOnce::Before(StreamId::MIN)))
    }

    /// What is known of the stream's producers. `XINFO STREAM`, O(1), and O(producers) where some of it is over.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let payments = store.stream::<String, u32>("payments");
    /// payments.add_once("shop-1", "order-7", [("cents", 995)])?;
    /// payments.add_once("shop-1", "order-7", [("cents", 995)])?;
    /// let known = payments.producers()?;
    /// assert_eq!((known.producers, known.messages, known.duplicates), (1, 1, 1));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "XINFO STREAM")]
    pub fn producers(&self) -> Result<ProducersInfo> {
        let now = self.handle.db().time().wall();
        let told = self.handle.read(|view, key| {
            stream::look(view, key, |stream| {
                let known = stream.producers()?;
                let (producers, messages) = known.count(now);
                let (retention, added, duplicates) = (known.retention(), known.added, known.duplicates);
                Some(ProducersInfo { retention, producers, messages, added, duplicates })
            })
        })?;
        Ok(told.flatten().unwrap_or_default())
    }

    /// Says how long messages are known. If it was another time or number before, all that are known are forgotten.
    /// `XCFGSET`, O(messages).
    ///
    /// ```
    /// use larder::{Retention, Store};
    ///
    /// let store = Store::new();
    /// let payments = store.stream::<String, u32>("payments");
    /// payments.add([("cents", 1)])?;
    /// let day = Retention::new(86_400, 1_000).expect("within the bounds");
    /// payments.set_retention(day)?;
    /// assert_eq!(payments.producers()?.retention, day);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoSuchKey`]; [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "XCFGSET")]
    pub fn set_retention(&self, retention: Retention) -> Result<()> {
        self.handle.write(|writer, key| stream::configure(writer, key, retention, |_| retention))
    }

    fn once(
        &self,
        producer: &[u8],
        fields: impl IntoIterator<Item = (impl Element<F>, impl Element<V>)>,
        options: AddOptions,
        message: impl FnOnce(&[(&[u8], &[u8])]) -> Result<Bytes>,
    ) -> Result<Option<AddedOnce>> {
        let fields = self.encode_fields(fields)?;
        let fields: Vec<_> = fields.iter().map(|(name, value)| (&name[..], &value[..])).collect();
        if fields.is_empty() {
            return Err(NO_FIELDS);
        }
        if options.id != NewId::Auto {
            return Err(Error::Invalid("IDMP/IDMPAUTO can be used only with auto-generated IDs"));
        }
        let id = message(&fields)?;
        let message = Message { producer, id: &id };
        if producer.is_empty() {
            return Err(Error::Invalid("IDMP requires a non-empty producer ID"));
        }
        if id.is_empty() {
            return Err(Error::Invalid("IDMP requires a non-empty idempotent ID"));
        }
        self.handle.write(|writer, key| {
            let retention = Retention::default();
            let added = stream::add_once(writer, key, message, &fields, options.absent, retention)?;
            if let (Some((_, true)), Some(trim)) = (added, options.trim) {
                stream::trim(writer, key, trim)?;
            }
            Ok(added.map(|(id, is_new)| if is_new { AddedOnce::Added(id) } else { AddedOnce::Before(id) }))
        })
    }
}
