//! Waiting for an element of a list.

use std::time::Duration;

use super::NOTHING;
use crate::api::handle::decode;
use crate::api::{Database, List, names};
use crate::command::blocking::{Attempt, Served};
use crate::value::list::End;
use crate::{Bytes, Decode, Encode, Key, Result};

impl<T: Encode + Decode> List<'_, T> {
    /// Takes the first element, and waits for one if there is none: up to `timeout` (zero: not at all;
    /// `None`: for ever), rounded up to milliseconds. `None` if none came. `BLPOP`, O(1).
    ///
    /// Those who wait for a list are served in the order in which they came, by whoever adds an
    /// element, so that nobody else sees it. In a transaction it does not wait.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let store = larder::Store::new();
    /// let consumer = std::thread::spawn({
    ///     let store = store.clone();
    ///     move || store.list::<String>("jobs").pop_front_wait(Duration::from_secs(5))
    /// });
    /// store.list::<String>("jobs").push_back("resize")?;
    /// assert_eq!(consumer.join().unwrap()?.as_deref(), Some("resize"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type when the wait
    /// begins; [`Error::Decode`](crate::Error::Decode) with the element's bytes, which have been taken.
    #[doc(alias = "BLPOP")]
    pub fn pop_front_wait(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<T>> {
        self.pop_wait(End::Front, timeout.into())
    }

    /// [`pop_front_wait`](Self::pop_front_wait) for the last element. `BRPOP`, O(1).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let store = larder::Store::new();
    /// let jobs = store.list::<String>("jobs");
    /// jobs.extend_back(["resize", "upload"])?;
    /// assert_eq!(jobs.pop_back_wait(Duration::from_secs(5))?.as_deref(), Some("upload"));
    /// assert_eq!(jobs.pop_back_wait(None)?.as_deref(), Some("resize"));
    /// assert_eq!(jobs.pop_back_wait(Duration::ZERO)?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`pop_front_wait`](Self::pop_front_wait).
    #[doc(alias = "BRPOP")]
    pub fn pop_back_wait(&self, timeout: impl Into<Option<Duration>>) -> Result<Option<T>> {
        self.pop_wait(End::Back, timeout.into())
    }

    /// Takes the first element, and lets the task wait for one if there is none. `BLPOP`, O(1). Works
    /// on any async runtime; for a timeout, use the runtime's.
    ///
    /// Dropping the future gives its place in the queue up. If an element had already been handed to
    /// it, that goes back to where it was taken.
    ///
    /// ```
    /// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
    /// let store = larder::Store::new();
    /// let task = async {
    ///     let jobs = store.list::<String>("jobs");
    ///     jobs.pop_front_async().await
    /// };
    /// # let mut task = pin!(task);
    /// # let mut context = Context::from_waker(Waker::noop());
    /// # assert!(task.as_mut().poll(&mut context).is_pending());
    /// store.list::<String>("jobs").push_back("resize")?;
    /// # let Poll::Ready(job) = task.poll(&mut context) else { panic!() };
    /// # assert_eq!(job?, "resize");
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type when the wait
    /// begins; [`Error::Decode`](crate::Error::Decode) with the element's bytes, which have been taken;
    /// [`Error::Invalid`](crate::Error::Invalid) in a transaction, if there is no element.
    #[doc(alias = "BLPOP")]
    pub async fn pop_front_async(&self) -> Result<T> {
        self.pop_async(End::Front).await
    }

    /// [`pop_front_async`](Self::pop_front_async) for the last element; see there for an example.
    /// `BRPOP`, O(1).
    ///
    /// # Errors
    /// Those of [`pop_front_async`](Self::pop_front_async).
    #[doc(alias = "BRPOP")]
    pub async fn pop_back_async(&self) -> Result<T> {
        self.pop_async(End::Back).await
    }

    /// Takes an element from one end and adds it to an end of another list, waiting for one if there
    /// is none; gives the element. `BLMOVE`, O(1). The timeout is that of
    /// [`pop_front_wait`](Self::pop_front_wait).
    ///
    /// It has its place among those who wait for the list. Unlike a pop, it is not always served in one
    /// step with the change that serves it, but right after it and before the call that made the change
    /// returns. Another thread's `pop_front` and the like can take the element in between, and then the
    /// move waits on; those who came later and wait too cannot.
    ///
    /// ```
    /// use larder::{End, Store};
    /// use std::time::Duration;
    ///
    /// let store = Store::new();
    /// let jobs = store.list::<String>("jobs");
    /// jobs.push_back("resize")?;
    /// let job = jobs.move_to_wait("in progress", End::Front, End::Back, Duration::from_secs(5))?;
    /// assert_eq!(job.as_deref(), Some("resize"));
    /// assert_eq!(store.list::<String>("in progress").len()?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if one of the keys holds another type, with
    /// nothing moved; [`Error::Decode`](crate::Error::Decode) with the element's bytes, which are in
    /// the destination.
    #[doc(alias = "BLMOVE")]
    #[doc(alias = "BRPOPLPUSH")]
    pub fn move_to_wait<'k>(
        &self,
        destination: impl Into<Key<'k>>,
        from: End,
        to: End,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<T>> {
        let attempt = Attempt::Move { from, to, destination: destination.into().into_bytes() };
        decode_moved(self.handle.db().wait_for(self.name(), attempt, timeout.into())?)
    }

    /// [`move_to_wait`](Self::move_to_wait) for a task, without end. `BLMOVE`, O(1). A dropped future
    /// leaves an element that was already moved where it is.
    ///
    /// ```
    /// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
    /// use larder::{End, Store};
    ///
    /// let store = Store::new();
    /// let (jobs, running) = (store.list::<String>("jobs"), store.list::<String>("running"));
    /// let task = jobs.move_to_async("running", End::Front, End::Back);
    /// # let mut task = pin!(task);
    /// # let mut context = Context::from_waker(Waker::noop());
    /// # assert!(task.as_mut().poll(&mut context).is_pending());
    /// // While the task waits, another one pushes: the element goes on at once.
    /// store.list::<String>("jobs").push_back("resize")?;
    /// assert_eq!(running.to_vec()?, ["resize"]);
    /// # let Poll::Ready(job) = task.poll(&mut context) else { panic!() };
    /// # assert_eq!(job?, "resize");
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if one of the keys holds another type, with
    /// nothing moved; [`Error::Decode`](crate::Error::Decode) with the element's bytes, which are in
    /// the destination; [`Error::Invalid`](crate::Error::Invalid) in a transaction, if there is no
    /// element.
    #[doc(alias = "BLMOVE")]
    pub async fn move_to_async<'k>(&self, destination: impl Into<Key<'k>>, from: End, to: End) -> Result<T> {
        let attempt = Attempt::Move { from, to, destination: destination.into().into_bytes() };
        decode_moved(self.handle.db().wait_for_async(self.name(), attempt).await?)?.ok_or(NOTHING)
    }

    fn pop_wait(&self, end: End, timeout: Option<Duration>) -> Result<Option<T>> {
        let popped =
            decode_element(self.handle.db().wait_for(self.name(), Attempt::Pop(end, 1), timeout)?)?;
        Ok(popped.map(|(_, element)| element))
    }

    async fn pop_async(&self, end: End) -> Result<T> {
        let popped = self.handle.db().wait_for_async(self.name(), Attempt::Pop(end, 1)).await?;
        decode_element(popped)?.map(|(_, element)| element).ok_or(NOTHING)
    }

    fn name(&self) -> Vec<Bytes> {
        vec![Bytes::from(self.handle.name())]
    }
}

impl Database {
    /// Takes the first element of the first of several lists that has one, and waits if none has; gives
    /// the key along. `BLPOP` with several keys, O(keys). The timeout is that of
    /// [`List::pop_front_wait`].
    ///
    /// ```
    /// use larder::Store;
    /// use std::time::Duration;
    ///
    /// let store = Store::new();
    /// store.list::<String>("low").push_back("tidy up")?;
    /// let job = store.pop_front_of_wait::<String>(["high", "low"], Duration::from_secs(5))?;
    /// assert_eq!(job, Some(("low".into(), "tidy up".into())));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) if no key is named;
    /// [`Error::WrongType`](crate::Error::WrongType) for a key that is looked at;
    /// [`Error::Decode`](crate::Error::Decode) with the element's bytes, which have been taken.
    #[doc(alias = "BLPOP")]
    #[doc(alias = "BLMPOP")]
    pub fn pop_front_of_wait<'k, T: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<(Bytes, T)>> {
        decode_element(self.wait_for(names(keys), Attempt::Pop(End::Front, 1), timeout.into())?)
    }

    /// [`pop_front_of_wait`](Self::pop_front_of_wait) for the last element. `BRPOP` with several keys,
    /// O(keys).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let store = larder::Store::new();
    /// store.list::<String>("low").extend_back(["tidy up", "paint"])?;
    /// let job = store.pop_back_of_wait::<String>(["high", "low"], Duration::from_secs(5))?;
    /// assert_eq!(job, Some(("low".into(), "paint".into())));
    /// assert_eq!(store.pop_back_of_wait::<String>(["high"], Duration::ZERO)?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`pop_front_of_wait`](Self::pop_front_of_wait).
    #[doc(alias = "BRPOP")]
    pub fn pop_back_of_wait<'k, T: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
        timeout: impl Into<Option<Duration>>,
    ) -> Result<Option<(Bytes, T)>> {
        decode_element(self.wait_for(names(keys), Attempt::Pop(End::Back, 1), timeout.into())?)
    }

    /// [`pop_front_of_wait`](Self::pop_front_of_wait) for a task, without end. `BLPOP` with several
    /// keys, O(keys). A dropped future gives its place up, as that of [`List::pop_front_async`].
    ///
    /// ```
    /// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
    /// let store = larder::Store::new();
    /// let task = store.pop_front_of_async::<String>(["high", "low"]);
    /// # let mut task = pin!(task);
    /// # let mut context = Context::from_waker(Waker::noop());
    /// # assert!(task.as_mut().poll(&mut context).is_pending());
    /// store.list::<String>("low").push_back("tidy up")?;
    /// // The task gets:
    /// let expected = ("low".into(), "tidy up".to_owned());
    /// # let Poll::Ready(job) = task.poll(&mut context) else { panic!() };
    /// # assert_eq!(job?, expected);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) if no key is named, and in a transaction if no list
    /// has an element; [`Error::WrongType`](crate::Error::WrongType) for a key that is looked at;
    /// [`Error::Decode`](crate::Error::Decode) with the element's bytes, which have been taken.
    #[doc(alias = "BLPOP")]
    pub async fn pop_front_of_async<'k, T: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<(Bytes, T)> {
        let taken = self.wait_for_async(names(keys), Attempt::Pop(End::Front, 1)).await?;
        decode_element(taken)?.ok_or(NOTHING)
    }

    /// [`pop_front_of_async`](Self::pop_front_of_async) for the last element; see there for an example.
    /// `BRPOP` with several keys, O(keys).
    ///
    /// # Errors
    /// Those of [`pop_front_of_async`](Self::pop_front_of_async).
    #[doc(alias = "BRPOP")]
    pub async fn pop_back_of_async<'k, T: Decode>(
        &self,
        keys: impl IntoIterator<Item = impl Into<Key<'k>>>,
    ) -> Result<(Bytes, T)> {
        let taken = self.wait_for_async(names(keys), Attempt::Pop(End::Back, 1)).await?;
        decode_element(taken)?.ok_or(NOTHING)
    }
}

fn decode_element<T: Decode>(served: Option<Served>) -> Result<Option<(Bytes, T)>> {
    match served {
        Some(Served::Elements(key, popped, _)) => {
            popped.into_taken().pop().map(|element| Ok((key, decode(element)?))).transpose()
        }
        _ => Ok(None),
    }
}

fn decode_moved<T: Decode>(served: Option<Served>) -> Result<Option<T>> {
    match served {
        Some(Served::Moved(element)) => Ok(Some(decode(element)?)),
        _ => Ok(None),
    }
}
