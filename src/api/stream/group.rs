//! Groups of consumers.

use std::fmt;
use std::time::Duration;

use super::{Stream, StreamConsumer};
use crate::command::stream::{self, NEWEST, Sought};
use crate::keyspace::writer::Absent;
use crate::{Bytes, Error, Result, StreamId};

/// A handle on a group of consumers of a [`Stream`], made by [`Stream::group`]: each entry goes to one of them, and
/// stays pending until it is acknowledged.
///
/// ```
/// use larder::{GroupStart, Store};
///
/// let store = Store::new();
/// let jobs = store.stream::<String, String>("jobs");
/// let workers = jobs.group("workers");
/// workers.create(GroupStart::First)?;
/// jobs.add([("image", "1.png")])?;
/// let job = &workers.consumer("w1").read(1)?[0];
/// assert_eq!(workers.pending()?[0].consumer, "w1");
/// assert_eq!(workers.ack([job.id])?, 1);
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Errors
/// Every method gives [`Error::WrongType`] if the key holds another type, and but for [`create`](Self::create),
/// [`destroy`](Self::destroy), [`ack`](Self::ack) and [`info`](Self::info) [`Error::NoGroup`] if there is no such group.
pub struct StreamGroup<'a, F, V> {
    pub(super) stream: Stream<'a, F, V>,
    pub(super) name: Bytes,
}

/// From where on a group reads a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GroupStart {
    /// All entries that there are (`0`).
    First,
    /// What comes from now on (`$`).
    New,
    /// What comes behind this id.
    After(StreamId),
}

/// What there is to tell of a group: [`StreamGroup::info`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupInfo {
    /// How many consumers it has.
    pub consumers: usize,
    /// How many entries are pending.
    pub pending: usize,
    /// The last entry that was given to a consumer.
    pub last_delivered: StreamId,
    /// How many entries were, if that can be told.
    pub entries_read: Option<u64>,
    /// How many are yet to be, if that can be told.
    pub lag: Option<u64>,
}

/// What there is to tell of a consumer: [`StreamGroup::consumers`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerInfo {
    /// Its name.
    pub name: Bytes,
    /// How many entries are pending for it.
    pub pending: usize,
    /// How long ago it last asked for entries.
    pub idle: Duration,
    /// How long ago it last got some; `None` if it never did.
    pub inactive: Option<Duration>,
}

/// An entry that was delivered and not acknowledged: [`StreamGroup::pending`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingEntry {
    /// The entry.
    pub id: StreamId,
    /// Whom it was delivered to; empty if it was given back.
    pub consumer: Bytes,
    /// How long ago that was.
    pub idle: Duration,
    /// How often.
    pub deliveries: u64,
}

impl<'a, F, V> StreamGroup<'a, F, V> {
    pub(super) fn new(stream: Stream<'a, F, V>, name: Bytes) -> Self {
        StreamGroup { stream, name }
    }

    /// The name of the group. O(1)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert_eq!(store.stream::<String, String>("jobs").group("workers").name(), "workers");
    /// ```
    pub fn name(&self) -> &Bytes {
        &self.name
    }

    /// A handle on one of its consumers, who need not be made: it comes with the first read. O(1)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let worker = store.stream::<String, String>("jobs").group("workers").consumer("w1");
    /// assert_eq!(worker.name(), "w1");
    /// ```
    pub fn consumer(&self, name: impl Into<Bytes>) -> StreamConsumer<'a, F, V> {
        StreamConsumer { group: self.clone(), name: name.into() }
    }

    /// Makes the group, and an empty stream if there is none; false if there is such a group, which stays as it is.
    /// `XGROUP CREATE` with `MKSTREAM`, O(groups).
    ///
    /// ```
    /// use larder::{GroupStart, Store};
    ///
    /// let store = Store::new();
    /// let workers = store.stream::<String, String>("jobs").group("workers");
    /// assert!(workers.create(GroupStart::New)?);
    /// assert!(!workers.create(GroupStart::New)?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "XGROUP CREATE")]
    pub fn create(&self, start: GroupStart) -> Result<bool> {
        let (start, read) = start.resolve();
        let created = self.stream.handle.write(|writer, key| {
            stream::create_group(writer, key, &self.name, start, read, Absent::Create, NEWEST)
        });
        match created {
            Ok(()) => Ok(true),
            Err(Error::GroupExists) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Has the group read on from elsewhere. What is pending stays so. `XGROUP SETID`, O(1).
    ///
    /// ```
    /// use larder::{GroupStart, Store};
    ///
    /// let store = Store::new();
    /// let jobs = store.stream::<String, String>("jobs");
    /// jobs.add([("image", "1.png")])?;
    /// let workers = jobs.group("workers");
    /// workers.create(GroupStart::New)?;
    /// workers.set_start(GroupStart::First)?;
    /// assert_eq!(workers.consumer("w1").read(10)?.len(), 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoGroup`]; [`Error::Invalid`] if there is no stream.
    #[doc(alias = "XGROUP SETID")]
    pub fn set_start(&self, start: GroupStart) -> Result<()> {
        let (start, read) = start.resolve();
        self.stream
            .handle
            .write(|writer, key| stream::set_group(writer, key, &self.name, start, read, NEWEST))
    }

    /// Removes the group with what is pending; true if it was there. Who waits for it is told. `XGROUP DESTROY`,
    /// O(groups + pending).
    ///
    /// ```
    /// use larder::{GroupStart, Store};
    ///
    /// let store = Store::new();
    /// let workers = store.stream::<String, String>("jobs").group("workers");
    /// assert!(!workers.destroy()?);
    /// workers.create(GroupStart::New)?;
    /// assert!(workers.destroy()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "XGROUP DESTROY")]
    pub fn destroy(&self) -> Result<bool> {
        self.stream.handle.write(|writer, key| {
            if writer.value(key).is_none() {
                return Ok(false);
            }
            stream::destroy_group(writer, key, &self.name)
        })
    }

    /// Acknowledges entries, whoever they are pending for; gives how many were. `XACK`, O(ids * log pending).
    ///
    /// ```
    /// use larder::{GroupStart, Store};
    ///
    /// let store = Store::new();
    /// let jobs = store.stream::<String, String>("jobs");
    /// let workers = jobs.group("workers");
    /// workers.create(GroupStart::First)?;
    /// let id = jobs.add([("image", "1.png")])?;
    /// assert_eq!(workers.ack([id])?, 0); // nobody has got it
    /// workers.consumer("w1").read(1)?;
    /// assert_eq!(workers.ack([id])?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "XACK")]
    pub fn ack(&self, ids: impl IntoIterator<Item = StreamId>) -> Result<usize> {
        let ids: Vec<_> = ids.into_iter().collect();
        self.stream.handle.write(|writer, key| stream::acknowledge(writer, key, &self.name, &ids))
    }

    /// What is pending, in the order of the ids. `XPENDING`, O(pending).
    ///
    /// ```
    /// use larder::{GroupStart, Store};
    ///
    /// let store = Store::new();
    /// let jobs = store.stream::<String, String>("jobs");
    /// jobs.add([("image", "1.png")])?;
    /// let workers = jobs.group("workers");
    /// workers.create(GroupStart::First)?;
    /// workers.consumer("w1").read(1)?;
    /// let pending = workers.pending()?;
    /// assert_eq!((&*pending[0].consumer, pending[0].deliveries), (&b"w1"[..], 1));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoGroup`]
    #[doc(alias = "XPENDING")]
    pub fn pending(&self) -> Result<Vec<PendingEntry>> {
        self.pending_for(Duration::ZERO)
    }

    /// What has been pending for at least so long. `XPENDING` with `IDLE`, O(pending).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{GroupStart, Store};
    ///
    /// let store = Store::new();
    /// let jobs = store.stream::<String, String>("jobs");
    /// jobs.add([("image", "1.png")])?;
    /// let workers = jobs.group("workers");
    /// workers.create(GroupStart::First)?;
    /// workers.consumer("w1").read(1)?;
    /// assert!(workers.pending_for(Duration::from_secs(60))?.is_empty());
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoGroup`]
    #[doc(alias = "XPENDING")]
    pub fn pending_for(&self, idle: Duration) -> Result<Vec<PendingEntry>> {
        let sought = Sought {
            start: StreamId::MIN,
            end: StreamId::MAX,
            count: usize::MAX,
            consumer: None,
            min_idle: crate::clock::millis(idle),
        };
        let found = self.stream.handle.read(|view, key| stream::pendings(view, key, &self.name, sought))?;
        let entry = |pending: stream::Pendings| PendingEntry {
            id: pending.id,
            consumer: pending.consumer.unwrap_or_default(),
            idle: Duration::from_millis(pending.idle),
            deliveries: pending.count,
        };
        Ok(found.into_iter().map(entry).collect())
    }

    /// What there is to tell of the group; `None` if it is missing. `XINFO GROUPS`, O(1).
    ///
    /// ```
    /// use larder::{GroupStart, Store};
    ///
    /// let store = Store::new();
    /// let jobs = store.stream::<String, String>("jobs");
    /// jobs.add([("image", "1.png")])?;
    /// let workers = jobs.group("workers");
    /// assert_eq!(workers.info()?, None);
    /// workers.create(GroupStart::First)?;
    /// assert_eq!(workers.info()?.and_then(|info| info.lag), Some(1));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "XINFO GROUPS")]
    pub fn info(&self) -> Result<Option<GroupInfo>> {
        let info = self.stream.handle.read(|view, key| {
            stream::look(view, key, |stream| {
                let group = stream.group(&self.name)?;
                Some(GroupInfo {
                    consumers: group.len(),
                    pending: group.pending().len(),
                    last_delivered: group.last,
                    entries_read: group.read,
                    lag: stream.lag(group, NEWEST),
                })
            })
        })?;
        Ok(info.flatten())
    }

    /// The consumers in the order of their names. `XINFO CONSUMERS`, O(consumers).
    ///
    /// ```
    /// use larder::{GroupStart, Store};
    ///
    /// let store = Store::new();
    /// let workers = store.stream::<String, String>("jobs").group("workers");
    /// workers.create(GroupStart::First)?;
    /// workers.consumer("w1").read(1)?;
    /// assert_eq!(workers.consumers()?[0].name, "w1");
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoGroup`]
    #[doc(alias = "XINFO CONSUMERS")]
    pub fn consumers(&self) -> Result<Vec<ConsumerInfo>> {
        let now = self.stream.handle.db().time().wall();
        let since = |moment: u64| Duration::from_millis(now.saturating_sub(moment));
        let found = self.stream.handle.read(|view, key| {
            stream::look(view, key, |stream| {
                let consumers = stream.group(&self.name)?.consumers().map(|(_, consumer)| ConsumerInfo {
                    name: consumer.name.clone(),
                    pending: consumer.pending.len(),
                    idle: since(consumer.seen),
                    inactive: consumer.active.map(since),
                });
                Some(consumers.collect())
            })
        })?;
        found.flatten().ok_or_else(|| self.missing())
    }

    fn missing(&self) -> Error {
        crate::error::NoGroup::new(self.stream.handle.name(), &self.name).into()
    }
}

impl GroupStart {
    /// From where on that is, and how many entries count as read.
    fn resolve(self) -> (stream::GroupStart, Option<u64>) {
        match self {
            GroupStart::First => (stream::GroupStart::After(StreamId::MIN), None),
            GroupStart::New => (stream::GroupStart::New, None),
            GroupStart::After(id) => (stream::GroupStart::After(id), None),
        }
    }
}

impl<F, V> Clone for StreamGroup<'_, F, V> {
    fn clone(&self) -> Self {
        StreamGroup { stream: self.stream.clone(), name: self.name.clone() }
    }
}

impl<F, V> fmt::Debug for StreamGroup<'_, F, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamGroup").field("stream", &self.stream).field("name", &self.name).finish()
    }
}
