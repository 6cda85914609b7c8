//! Waiting for a member of a sorted set.

use std::time::Duration;

use super::NOTHING;
use crate::api::handle::decode;
use crate::api::{Database, SortedSet, names};
use crate::command::blocking::{Attempt, Served};
use crate::value::list::End;
use crate::{Bytes, Decode, Encode, Key, Result};

impl<M: Encode + Decode> SortedSet<'_, M> {
    /// Takes the member with the lowest score, and waits for one if there is none: up to `timeout`
    /// (zero: not at all; `None`: for ever), rounded up to milliseconds. `None` if none came.
    /// `BZPOPMIN`, O(log n).
    ///
    /// Those who wait are served in the order in which they came. In a transaction it does not wait.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let store = larder::Store::new();
    /// let tasks = store.sorted_set::<String>("tasks by urgency");
    /// tasks.insert_many([("tidy up", 5.0), ("fix", 1.0)])?;
    /// let task = tasks.pop_first_wait(Duration::from_secs(5))?;
    /// assert_eq!(task, Some(("fix".to_owned(), 1.0)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type when the wait
    /// begins; [`Error::Decode`](crate::Error::Decode) with the member's bytes, which have been taken.
    #[doc(alias = "BZPOPMIN")]
    pub fn pop_first_wait(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<(M, f64)>> {
        self.pop_wait(End::Front, timeout.into())
    }

    /// [`pop_first_wait`](Self::pop_first_wait) for the highest score. `BZPOPMAX`, O(log n).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let store = larder::Store::new();
    /// let bids = store.sorted_set::<String>("bids");
    /// bids.insert_many([("ann", 20.0), ("bob", 35.0)])?;
    /// assert_eq!(bids.pop_last_wait(Duration::from_secs(5))?, Some(("bob".to_owned(), 35.0)));
    /// assert_eq!(bids.pop_last_wait(None)?, Some(("ann".to_owned(), 20.0)));
    /// assert_eq!(bids.pop_last_wait(Duration::ZERO)?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`pop_first_wait`](Self::pop_first_wait).
    #[doc(alias = "BZPOPMAX")]
    pub fn pop_last_wait(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<(M, f64)>> {
        self.pop_wait(End::Back, timeout.into())
    }

    /// Takes the member with the lowest score, and lets the task wait for one if there is none. Works
    /// on any async runtime; for a timeout, use the runtime's. `BZPOPMIN`, O(log n).
    ///
    /// Dropping the future gives its place in the queue up. A member that had already been handed to it
    /// is put back, unless it was added again meanwhile.
    ///
    /// ```
    /// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
    /// let store = larder::Store::new();
    /// let tasks = store.sorted_set::<String>("tasks by urgency");
    /// let task = tasks.pop_first_async();
    /// # let mut task = pin!(task);
    /// # let mut context = Context::from_waker(Waker::noop());
    /// # assert!(task.as_mut().poll(&mut context).is_pending());
    /// store.sorted_set::<String>("tasks by urgency").insert("fix", 1.0)?;
    /// assert!(tasks.is_empty()?); // it is the waiting task's already
    /// # let Poll::Ready(taken) = task.poll(&mut context) else { panic!() };
    /// # assert_eq!(taken?, ("fix".to_owned(), 1.0));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type when the wait
    /// begins; [`Error::Decode`](crate::Error::Decode) with the member's bytes, which have been taken;
    /// [`Error::Invalid`](crate::Error::Invalid) in a transaction, if there is no member.
    #[doc(alias = "BZPOPMIN")]
    pub async fn pop_first_async(&self) -> Result<(M, f64)> {
        self.pop_async(End::Front).await
    }

    /// [`pop_first_async`](Self::pop_first_async) for the highest score; see there for an example.
    /// `BZPOPMAX`, O(log n).
    ///
    /// # Errors
    /// Those of [`pop_first_async`](Self::pop_first_async).
    #[doc(alias = "BZPOPMAX")]
    pub async fn pop_last_async(&self) -> Result<(M, f64)> {
        self.pop_async(End::Back).await
    }

    fn pop_wait(&self, end: End, timeout: Option<Duration>) -> Result<Option<(M, f64)>> {
        let name = vec![Bytes::from(self.handle.name())];
        let popped = decode_scored(self.handle.db().wait_for(name, Attempt::PopScored(end, 1), timeout)?)?;
        Ok(popped.map(|(_, member, score)| (member, score)))
    }

    async fn pop_async(&self, end: End) -> Result<(M, f64)> {
        let name = vec![Bytes::from(self.handle.name())];
        let popped = self.handle.db().wait_for_async(name, Attempt::PopScored(end, 1)).await?;
        decode_scored(popped)?.map(|(_, member, score)| (member, score)).ok_or(NOTHING)
    }
}

impl Database {
    /// Takes the member with the lowest score of the first of several sorted sets that has one, and
    /// waits if none has; gives the key along. `BZPOPMIN` with several keys, O(keys + log n). The
    /// timeout is that of [`SortedSet::pop_first_wait`].
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let store = larder::Store::new();
    /// store.sorted_set::<String>("low").insert_many([("tidy up", 5.0), ("paint", 2.0)])?;
    /// let task = store.pop_first_of_wait::<String>(["high", "low"], Duration::from_secs(5))?;
    /// assert_eq!(task, Some(("low".into(), "paint".to_owned(), 2.0)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) if no key is named;
    /// [`Error::WrongType`](crate::Error::WrongType) for a key that is looked at;
    /// [`Error::Decode`](crate::Error::Decode) with the member's bytes, which have been taken.
    #[doc(alias = "BZPOPMIN")]
    #[doc(alias = "BZMPOP")]
    pub fn pop_first_of_wait<'k, M: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<(Bytes, M, f64)>> {
        decode_scored(self.wait_for(names(keys), Attempt::PopScored(End::Front, 1), timeout.into())?)
    }

    /// [`pop_first_of_wait`](Self::pop_first_of_wait) for the highest score. `BZPOPMAX` with several
    /// keys, O(keys + log n).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let store = larder::Store::new();
    /// store.sorted_set::<String>("low").insert_many([("tidy up", 5.0), ("paint", 2.0)])?;
    /// let task = store.pop_last_of_wait::<String>(["high", "low"], Duration::from_secs(5))?;
    /// assert_eq!(task, Some(("low".into(), "tidy up".to_owned(), 5.0)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`pop_first_of_wait`](Self::pop_first_of_wait).
    #[doc(alias = "BZPOPMAX")]
    pub fn pop_last_of_wait<'k, M: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<(Bytes, M, f64)>> {
        decode_scored(self.wait_for(names(keys), Attempt::PopScored(End::Back, 1), timeout.into())?)
    }

    /// [`pop_first_of_wait`](Self::pop_first_of_wait) for a task, without end; see
    /// [`SortedSet::pop_first_async`] for an example, and for what becomes of a dropped future.
    /// `BZPOPMIN` with several keys, O(keys + log n).
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) if no key is named, and in a transaction if no set has
    /// a member; [`Error::WrongType`](crate::Error::WrongType) for a key that is looked at;
    /// [`Error::Decode`](crate::Error::Decode) with the member's bytes, which have been taken.
    #[doc(alias = "BZPOPMIN")]
    pub async fn pop_first_of_async<'k, M: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<(Bytes, M, f64)> {
        let taken = self.wait_for_async(names(keys), Attempt::PopScored(End::Front, 1)).await?;
        decode_scored(taken)?.ok_or(NOTHING)
    }

    /// [`pop_first_of_async`](Self::pop_first_of_async) for the highest score. `BZPOPMAX` with several
    /// keys, O(keys + log n).
    ///
    /// # Errors
    /// Those of [`pop_first_of_async`](Self::pop_first_of_async).
    #[doc(alias = "BZPOPMAX")]
    pub async fn pop_last_of_async<'k, M: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<(Bytes, M, f64)> {
        let taken = self.wait_for_async(names(keys), Attempt::PopScored(End::Back, 1)).await?;
        decode_scored(taken)?.ok_or(NOTHING)
    }
}

fn decode_scored<M: Decode>(served: Option<Served>) -> Result<Option<(Bytes, M, f64)>> {
    match served {
        Some(Served::Scored(key, popped, _)) => {
            popped.into_vec().pop().map(|(score, member)| Ok((key, decode(member)?, score))).transpose()
        }
        _ => Ok(None),
    }
}
