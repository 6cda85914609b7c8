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
    /// (zero: not at all; `None`: for ever), rounded up to milliseconds. `BZPOPMIN`, O(log n).
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
    /// [`Error::Decode`](crate::Error::Decode) with the member's bytes, which have been taken.
    #[doc(alias = "BZPOPMIN")]
    pub fn pop_first_wait(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<(M, f64)>> {
        self.pop_wait(End::Front, timeout.into())
    }

    /// [`pop_first_wait`](Self::pop_first_wait) for the highest score. `BZPOPMAX`, O(log n).
    #[doc(alias = "BZPOPMAX")]
    pub fn pop_last_wait(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<(M, f64)>> {
        self.pop_wait(End::Back, timeout.into())
    }

    /// Takes the member with the lowest score, and lets the task wait for one if there is none.
    /// `BZPOPMIN`, O(log n). A dropped future puts back a member that it had been given, unless it was
    /// added again meanwhile.
    ///
    /// # Errors
    /// Those of [`List::pop_front_async`](crate::List::pop_front_async).
    #[doc(alias = "BZPOPMIN")]
    pub async fn pop_first_async(&self) -> Result<(M, f64)> {
        self.pop_async(End::Front).await
    }

    /// [`pop_first_async`](Self::pop_first_async) for the highest score. `BZPOPMAX`, O(log n).
    #[doc(alias = "BZPOPMAX")]
    pub async fn pop_last_async(&self) -> Result<(M, f64)> {
        self.pop_async(End::Back).await
    }

    fn pop_wait(&self, end: End, timeout: Option<Duration>) -> Result<Option<(M, f64)>> {
        let name = vec![Bytes::from(self.handle.name())];
        let popped = decode_scored(self.handle.db().wait_for(name, Attempt::PopScored(end), timeout)?)?;
        Ok(popped.map(|(_, member, score)| (member, score)))
    }

    async fn pop_async(&self, end: End) -> Result<(M, f64)> {
        let name = vec![Bytes::from(self.handle.name())];
        let popped = self.handle.db().wait_for_async(name, Attempt::PopScored(end)).await?;
        decode_scored(popped)?.map(|(_, member, score)| (member, score)).ok_or(NOTHING)
    }
}

impl Database {
    /// Takes the member with the lowest score of the first of several sorted sets that has one, and
    /// waits if none has; gives the key along. `BZPOPMIN` with several keys, O(keys + log n). The
    /// timeout is that of [`SortedSet::pop_first_wait`].
    ///
    /// # Errors
    /// [`Error::Decode`](crate::Error::Decode) with the member's bytes, which have been taken.
    #[doc(alias = "BZPOPMIN")]
    #[doc(alias = "BZMPOP")]
    pub fn pop_first_of_wait<'k, M: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<(Bytes, M, f64)>> {
        decode_scored(self.wait_for(names(keys), Attempt::PopScored(End::Front), timeout.into())?)
    }

    /// [`pop_first_of_wait`](Self::pop_first_of_wait) for the highest score. `BZPOPMAX`.
    #[doc(alias = "BZPOPMAX")]
    pub fn pop_last_of_wait<'k, M: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<(Bytes, M, f64)>> {
        decode_scored(self.wait_for(names(keys), Attempt::PopScored(End::Back), timeout.into())?)
    }

    /// [`pop_first_of_wait`](Self::pop_first_of_wait) for a task, without end. `BZPOPMIN`.
    ///
    /// # Errors
    /// Those of [`List::pop_front_async`](crate::List::pop_front_async).
    #[doc(alias = "BZPOPMIN")]
    pub async fn pop_first_of_async<'k, M: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<(Bytes, M, f64)> {
        let taken = self.wait_for_async(names(keys), Attempt::PopScored(End::Front)).await?;
        decode_scored(taken)?.ok_or(NOTHING)
    }

    /// [`pop_last_of_wait`](Self::pop_last_of_wait) for a task, without end. `BZPOPMAX`.
    ///
    /// # Errors
    /// Those of [`List::pop_front_async`](crate::List::pop_front_async).
    #[doc(alias = "BZPOPMAX")]
    pub async fn pop_last_of_async<'k, M: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<(Bytes, M, f64)> {
        let taken = self.wait_for_async(names(keys), Attempt::PopScored(End::Back)).await?;
        decode_scored(taken)?.ok_or(NOTHING)
    }
}

fn decode_scored<M: Decode>(served: Option<Served>) -> Result<Option<(Bytes, M, f64)>> {
    match served {
        Some(Served::Scored(key, member, score, _)) => Ok(Some((key, decode(member)?, score))),
        _ => Ok(None),
    }
}
