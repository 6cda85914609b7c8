//! Waiting for an entry of a stream.

use std::time::Duration;

use crate::api::stream::decode_items;
use crate::api::{Stream, StreamConsumer, StreamEntry};
use crate::command::blocking::{Attempt, Served};
use crate::command::stream::NEWEST;
use crate::command::stream::read::{Gone, Limits, ReadFrom, Reads};
use crate::{Bytes, Decode, Encode, Error, Result, StreamId};

impl<F: Encode + Decode, V: Encode + Decode> Stream<'_, F, V> {
    /// Up to `count` entries behind an id; waits for one if there is none: up to `timeout` (zero: not at all;
    /// `None`: for ever), rounded up to milliseconds. Nothing if none came. `XREAD` with `BLOCK`, O(log n + count).
    ///
    /// All who wait for a stream get what comes. In a transaction it does not wait.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let store = larder::Store::new();
    /// let last = store.stream::<String, String>("events").last_id()?;
    /// let reader = std::thread::spawn({
    ///     let store = store.clone();
    ///     move || store.stream::<String, String>("events").read_wait(last, 10, Duration::from_secs(5))
    /// });
    /// let id = store.stream::<String, String>("events").add([("action", "login")])?;
    /// assert_eq!(reader.join().unwrap()?[0].id, id);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type when the wait begins; [`Error::Decode`] with the bytes of
    /// a field.
    #[doc(alias = "XREAD")]
    pub fn read_wait(
        &self,
        after: StreamId,
        count: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<StreamEntry<F, V>>> {
        let (keys, attempt) = (vec![Bytes::from(self.handle().name())], attempt(after, count));
        entries(self.handle().db().wait_for(keys, attempt, timeout.into())?)
    }

    /// [`read_wait`](Self::read_wait) for a task, without end: for a timeout, use the runtime's. `XREAD` with
    /// `BLOCK`, O(log n + count). In a transaction it is tried once, and gives nothing if there is nothing.
    ///
    /// ```
    /// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
    /// use larder::StreamId;
    ///
    /// let store = larder::Store::new();
    /// let events = store.stream::<String, String>("events");
    /// let task = events.read_async(StreamId::MIN, 10);
    /// # let mut task = pin!(task);
    /// # let mut context = Context::from_waker(Waker::noop());
    /// # assert!(task.as_mut().poll(&mut context).is_pending());
    /// store.stream::<String, String>("events").add([("action", "login")])?;
    /// # let Poll::Ready(entries) = task.poll(&mut context) else { panic!() };
    /// # assert_eq!(entries?.len(), 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`read_wait`](Self::read_wait).
    #[doc(alias = "XREAD")]
    pub async fn read_async(&self, after: StreamId, count: usize) -> Result<Vec<StreamEntry<F, V>>> {
        let (keys, attempt) = (vec![Bytes::from(self.handle().name())], attempt(after, count));
        entries(self.handle().db().wait_for_async(keys, attempt).await?)
    }
}

impl<F: Encode + Decode, V: Encode + Decode> StreamConsumer<'_, F, V> {
    /// Up to `count` entries that the group has not read; waits for one if there is none, as
    /// [`Stream::read_wait`] does. `XREADGROUP` with `BLOCK`, O(log n + count).
    ///
    /// Consumers of a group who wait are served in the order in which they came.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{GroupStart, Store};
    ///
    /// let store = Store::new();
    /// let workers = store.stream::<String, String>("jobs").group("workers");
    /// workers.create(GroupStart::First)?;
    /// let worker = std::thread::spawn({
    ///     let store = store.clone();
    ///     move || {
    ///         let workers = store.stream::<String, String>("jobs").group("workers");
    ///         workers.consumer("w1").read_wait(1, Duration::from_secs(5))
    ///     }
    /// });
    /// store.stream::<String, String>("jobs").add([("image", "1.png")])?;
    /// assert_eq!(worker.join().unwrap()?.len(), 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoGroup`] if there is no such group, also once it goes while this waits; [`Error::WrongType`] if the
    /// key holds another type; [`Error::Decode`], and the entries are pending.
    #[doc(alias = "XREADGROUP")]
    pub fn read_wait(
        &self,
        count: usize,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Vec<StreamEntry<F, V>>> {
        let attempt = self.attempt(ReadFrom::New, count.max(1));
        entries(self.db().wait_for(self.keys(), attempt, timeout.into())?)
    }

    /// [`read_wait`](Self::read_wait) for a task, without end. `XREADGROUP` with `BLOCK`, O(log n + count). If the
    /// future is dropped after it was served, the entries are pending for the consumer.
    ///
    /// ```
    /// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
    /// use larder::{GroupStart, Store};
    ///
    /// let store = Store::new();
    /// let jobs = store.stream::<String, String>("jobs");
    /// let workers = jobs.group("workers");
    /// workers.create(GroupStart::First)?;
    /// let worker = workers.consumer("w1");
    /// let task = worker.read_async(1);
    /// # let mut task = pin!(task);
    /// # let mut context = Context::from_waker(Waker::noop());
    /// # assert!(task.as_mut().poll(&mut context).is_pending());
    /// jobs.add([("image", "1.png")])?;
    /// # let Poll::Ready(entries) = task.poll(&mut context) else { panic!() };
    /// # assert_eq!(entries?.len(), 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`read_wait`](Self::read_wait).
    #[doc(alias = "XREADGROUP")]
    pub async fn read_async(&self, count: usize) -> Result<Vec<StreamEntry<F, V>>> {
        let attempt = self.attempt(ReadFrom::New, count.max(1));
        entries(self.db().wait_for_async(self.keys(), attempt).await?)
    }
}

fn attempt(after: StreamId, count: usize) -> Attempt {
    Attempt::Read(Box::new(Reads::new(
        vec![ReadFrom::After(after)],
        Limits::each(count.max(1)),
        None,
        NEWEST,
    )))
}

fn entries<F: Decode, V: Decode>(served: Option<Served>) -> Result<Vec<StreamEntry<F, V>>> {
    match served {
        Some(Served::Entries(found)) => {
            decode_items(found.into_iter().flat_map(|(_, items)| items).collect())
        }
        Some(Served::Gone(Gone::WrongType)) => Err(Error::WrongType),
        Some(Served::Gone(Gone::Key(group) | Gone::Group(group))) => Err(group.into()),
        _ => Ok(Vec::new()),
    }
}
