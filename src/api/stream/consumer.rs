//! Consumers of a group.

use std::fmt;
use std::time::Duration;

use super::{StreamEntry, StreamGroup, decode_items};
use crate::clock::millis;
use crate::command::blocking::{Attempt, Patience, Served, try_each};
use crate::command::stream::read::{GroupRead, Limits, ReadFrom, Reads};
use crate::command::stream::{self, AutoClaim, Claim, NEWEST};
use crate::{Bytes, Decode, Encode, Result, StreamId};

/// A handle on a consumer of a [`StreamGroup`], made by [`StreamGroup::consumer`].
///
/// What it reads is pending for it until it is acknowledged, so nothing is lost if it stops half way: it finds it
/// again with [`read_pending`](Self::read_pending), and others [`claim`](Self::claim) it.
///
/// ```
/// use larder::{GroupStart, Store};
///
/// let store = Store::new();
/// let jobs = store.stream::<String, String>("jobs");
/// jobs.add([("image", "1.png")])?;
/// let workers = jobs.group("workers");
/// workers.create(GroupStart::First)?;
/// let worker = workers.consumer("w1");
/// for job in worker.read(10)? {
///     // ... resize it, and then:
///     worker.ack(job.id)?;
/// }
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Errors
/// Every method gives [`Error::NoGroup`](crate::Error::NoGroup) if there is no such group, and
/// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type; those that give entries
/// [`Error::Decode`](crate::Error::Decode), and the entries are pending for it all the same.
pub struct StreamConsumer<'a, F, V> {
    pub(super) group: StreamGroup<'a, F, V>,
    pub(super) name: Bytes,
}

/// What [`StreamConsumer::auto_claim`] gives.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AutoClaimed<F, V> {
    /// The entries that the consumer has now.
    pub entries: Vec<StreamEntry<F, V>>,
    /// Where to go on; `None` once all have been looked at.
    pub next: Option<StreamId>,
    /// What was pending and had been removed: it is pending no more.
    pub deleted: Vec<StreamId>,
}

impl<F, V> StreamConsumer<'_, F, V> {
    /// The name of the consumer. O(1)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert_eq!(store.stream::<String, String>("jobs").group("workers").consumer("w1").name(), "w1");
    /// ```
    pub fn name(&self) -> &Bytes {
        &self.name
    }

    /// Acknowledges an entry, whoever it is pending for; true if it was. `XACK`, O(log pending).
    ///
    /// ```
    /// use larder::{GroupStart, Store};
    ///
    /// let store = Store::new();
    /// let jobs = store.stream::<String, String>("jobs");
    /// jobs.add([("image", "1.png")])?;
    /// let workers = jobs.group("workers");
    /// workers.create(GroupStart::First)?;
    /// let worker = workers.consumer("w1");
    /// let job = &worker.read(1)?[0];
    /// assert!(worker.ack(job.id)?);
    /// assert!(!worker.ack(job.id)?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "XACK")]
    pub fn ack(&self, id: StreamId) -> Result<bool> {
        Ok(self.group.ack([id])? == 1)
    }

    /// Removes the consumer; gives how much was pending for it, which nobody will get then. Claim it before.
    /// `XGROUP DELCONSUMER`, O(consumers + pending).
    ///
    /// ```
    /// use larder::{GroupStart, Store};
    ///
    /// let store = Store::new();
    /// let workers = store.stream::<String, String>("jobs").group("workers");
    /// workers.create(GroupStart::First)?;
    /// workers.consumer("w1").read(1)?;
    /// assert_eq!(workers.consumer("w1").remove()?, 0);
    /// assert!(workers.consumers()?.is_empty());
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoGroup`](crate::Error::NoGroup)
    #[doc(alias = "XGROUP DELCONSUMER")]
    pub fn remove(&self) -> Result<usize> {
        let removed = self
            .group
            .stream
            .handle
            .write(|writer, key| stream::delete_consumer(writer, key, &self.group.name, &self.name))?;
        Ok(removed.unwrap_or(0))
    }

    pub(in crate::api) fn db(&self) -> &crate::Database {
        self.group.stream.handle.db()
    }

    pub(in crate::api) fn keys(&self) -> Vec<Bytes> {
        vec![Bytes::from(self.group.stream.handle.name())]
    }

    /// What it wants when it reads.
    pub(in crate::api) fn attempt(&self, from: ReadFrom, count: usize) -> Attempt {
        let (group, consumer) = (self.group.name.clone(), self.name.clone());
        let reader = GroupRead { group, consumer, no_ack: false, claim: None };
        Attempt::Read(Box::new(Reads::new(vec![from], Limits::each(count), Some(reader), NEWEST)))
    }
}

impl<F: Encode + Decode, V: Encode + Decode> StreamConsumer<'_, F, V> {
    /// Up to `count` entries that the group has not read, which are pending for this consumer then. `XREADGROUP`
    /// with `>`, O(log n + count). To wait for some, use [`read_wait`](Self::read_wait).
    ///
    /// ```
    /// use larder::{GroupStart, Store};
    ///
    /// let store = Store::new();
    /// let jobs = store.stream::<String, u32>("jobs");
    /// for n in 1..=3 {
    ///     jobs.add([("n", n)])?;
    /// }
    /// let workers = jobs.group("workers");
    /// workers.create(GroupStart::First)?;
    /// assert_eq!(workers.consumer("w1").read(2)?.len(), 2);
    /// assert_eq!(workers.consumer("w2").read(2)?[0].get("n"), Some(&3));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoGroup`](crate::Error::NoGroup); [`Error::Decode`](crate::Error::Decode), with the entries pending.
    #[doc(alias = "XREADGROUP")]
    pub fn read(&self, count: usize) -> Result<Vec<StreamEntry<F, V>>> {
        self.read_from(ReadFrom::New, count)
    }

    /// Up to `count` entries behind an id that are pending for this consumer: delivered, and not acknowledged. They
    /// count as delivered once more. `XREADGROUP` with an id, O(log n + count).
    ///
    /// ```
    /// use larder::{GroupStart, Store, StreamId};
    ///
    /// let store = Store::new();
    /// let jobs = store.stream::<String, u32>("jobs");
    /// jobs.add([("n", 1)])?;
    /// let workers = jobs.group("workers");
    /// workers.create(GroupStart::First)?;
    /// let worker = workers.consumer("w1");
    /// let job = worker.read(1)?;
    /// // It starts anew after a crash, and finds what it was at.
    /// assert_eq!(worker.read_pending(StreamId::MIN, 10)?, job);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    #[doc(alias = "XREADGROUP")]
    pub fn read_pending(&self, after: StreamId, count: usize) -> Result<Vec<StreamEntry<F, V>>> {
        self.read_from(ReadFrom::After(after), count)
    }

    /// Takes entries over that have been pending for at least so long, whoever for; gives those that it got.
    /// `XCLAIM`, O(ids * log pending).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{GroupStart, Store};
    ///
    /// let store = Store::new();
    /// let jobs = store.stream::<String, u32>("jobs");
    /// let id = jobs.add([("n", 1)])?;
    /// let workers = jobs.group("workers");
    /// workers.create(GroupStart::First)?;
    /// workers.consumer("w1").read(1)?;
    /// assert!(workers.consumer("w2").claim([id], Duration::from_secs(60))?.is_empty());
    /// assert_eq!(workers.consumer("w2").claim([id], Duration::ZERO)?[0].id, id);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    #[doc(alias = "XCLAIM")]
    pub fn claim(
        &self,
        ids: impl IntoIterator<Item = StreamId>,
        min_idle: Duration,
    ) -> Result<Vec<StreamEntry<F, V>>> {
        let ids: Vec<_> = ids.into_iter().collect();
        let claim = Claim {
            consumer: &self.name,
            min_idle: millis(min_idle),
            ids: &ids,
            time: None,
            retries: None,
            force: false,
            just_id: false,
            last: None,
            version: NEWEST,
        };
        let items = self
            .group
            .stream
            .handle
            .write(|writer, key| stream::claim(writer, key, &self.group.name, &claim))?;
        decode_items(items)
    }

    /// Takes up to `count` entries over that have been pending for at least so long, from an id on. `XAUTOCLAIM`,
    /// O(count * log pending).
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{GroupStart, Store, StreamId};
    ///
    /// let store = Store::new();
    /// let jobs = store.stream::<String, u32>("jobs");
    /// jobs.add([("n", 1)])?;
    /// let workers = jobs.group("workers");
    /// workers.create(GroupStart::First)?;
    /// workers.consumer("w1").read(1)?;
    /// let claimed = workers.consumer("w2").auto_claim(Duration::ZERO, StreamId::MIN, 10)?;
    /// assert_eq!((claimed.entries.len(), claimed.next), (1, None));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`read`](Self::read).
    #[doc(alias = "XAUTOCLAIM")]
    pub fn auto_claim(&self, min_idle: Duration, start: StreamId, count: usize) -> Result<AutoClaimed<F, V>> {
        let claim = AutoClaim {
            consumer: &self.name,
            min_idle: millis(min_idle),
            start,
            count,
            just_id: false,
            version: NEWEST,
        };
        let claimed = self
            .group
            .stream
            .handle
            .write(|writer, key| stream::auto_claim(writer, key, &self.group.name, &claim))?;
        let entries = decode_items(claimed.items)?;
        Ok(AutoClaimed { entries, next: claimed.next, deleted: claimed.deleted })
    }

    fn read_from(&self, from: ReadFrom, count: usize) -> Result<Vec<StreamEntry<F, V>>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        let (keys, attempt) = (self.keys(), self.attempt(from, count));
        let served = self
            .group
            .stream
            .handle
            .write(|writer, _| try_each(writer, &keys, &attempt, Patience::Leaves))?;
        match served {
            Some(Served::Entries(found)) => {
                decode_items(found.into_iter().flat_map(|(_, items)| items).collect())
            }
            _ => Ok(Vec::new()),
        }
    }
}

impl<F, V> Clone for StreamConsumer<'_, F, V> {
    fn clone(&self) -> Self {
        StreamConsumer { group: self.group.clone(), name: self.name.clone() }
    }
}

impl<F, V> fmt::Debug for StreamConsumer<'_, F, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamConsumer").field("group", &self.group).field("name", &self.name).finish()
    }
}
