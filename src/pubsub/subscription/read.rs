//! The ways to read what comes: by thread, by task, and as an iterator or a stream.

use std::fmt;
use std::future::Future;
use std::iter::FusedIterator;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;

use super::Subscription;
use crate::pubsub::Message;
use crate::pubsub::inbox::{Inbox, Slot};

impl Subscription {
    /// The next message, if one has come. Never waits. O(1).
    ///
    /// ```
    /// # let store = larder::Store::new();
    /// let sub = store.subscribe(["news"]);
    /// assert_eq!(sub.try_recv(), None);
    /// store.publish("news", "hello")?;
    /// assert_eq!(sub.try_recv().unwrap().payload, "hello");
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn try_recv(&self) -> Option<Message> {
        self.inbox.pop()
    }

    /// The next message, waited for by blocking the thread; `None` once the store is gone and all is
    /// read. O(1).
    ///
    /// ```
    /// # let store = larder::Store::new();
    /// let sub = store.subscribe(["news"]);
    /// store.publish("news", "hello")?;
    /// drop(store);
    /// assert_eq!(sub.recv().unwrap().payload, "hello");
    /// assert_eq!(sub.recv(), None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn recv(&self) -> Option<Message> {
        self.inbox.wait(&self.clock, None)
    }

    /// The next message, waited for at most so long (a zero timeout means now); `None` if none came, or
    /// once the store is gone and all is read. O(1).
    ///
    /// The time is the store's clock's, in milliseconds, rounded up. Who waits here is not counted by
    /// [`Store::wait_for_blocked`](crate::Store::wait_for_blocked): a test that moves a manual clock on has the message published
    /// first, or asks with no time to wait ([`try_recv`](Self::try_recv)).
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let store = larder::Store::new();
    /// let sub = store.subscribe(["news"]);
    /// assert_eq!(sub.recv_timeout(Duration::ZERO), None);
    /// store.publish("news", "hello")?;
    /// assert_eq!(sub.recv_timeout(Duration::from_secs(5)).unwrap().payload, "hello");
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn recv_timeout(&self, timeout: Duration) -> Option<Message> {
        self.inbox.wait(&self.clock, Some(timeout))
    }

    /// The next message, waited for by a task; `None` once the store is gone and all is read. O(1).
    /// Works on any async runtime; for a timeout, use the runtime's.
    ///
    /// The future can be dropped at any point (by a `select!` or a timeout): no message is lost by it.
    ///
    /// ```
    /// # use std::{future::Future, pin::pin, task::{Context, Poll, Waker}};
    /// # let store = larder::Store::new();
    /// let sub = store.subscribe(["news"]);
    /// let task = async {
    ///     let first = sub.recv_async().await;
    ///     first.map(|message| message.payload)
    /// };
    /// # let mut task = pin!(task);
    /// # let mut context = Context::from_waker(Waker::noop());
    /// # assert!(task.as_mut().poll(&mut context).is_pending());
    /// store.publish("news", "hello")?;
    /// # let Poll::Ready(payload) = task.poll(&mut context) else { panic!() };
    /// # assert_eq!(payload.unwrap(), "hello");
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn recv_async(&self) -> Recv<'_> {
        Recv { inbox: &self.inbox, slot: Slot::default() }
    }

    /// A number that is another once who waits for a message has been woken: for one has come, there is something else to be
    /// looked at, or the store has gone. O(1), without a lock
    #[cfg(feature = "server")]
    pub(crate) fn events(&self) -> u64 {
        self.inbox.events()
    }

    /// The messages, each waited for as by [`recv`](Self::recv); ends once the store is gone and all is
    /// read. O(1) a message.
    ///
    /// `for message in &sub` is the same.
    ///
    /// ```
    /// # let store = larder::Store::new();
    /// let sub = store.subscribe(["numbers"]);
    /// for number in [1, 2, 3] {
    ///     store.publish("numbers", number)?;
    /// }
    /// drop(store);
    /// let sum: u32 = sub.iter().filter_map(|message| message.payload_str()?.parse::<u32>().ok()).sum();
    /// assert_eq!(sum, 6);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn iter(&self) -> Iter<'_> {
        Iter { subscription: self }
    }

    /// How many messages were dropped unread, since the start, because the backlog was full. O(1).
    ///
    /// The count only grows: a reader that has to know of a gap compares it with what it was before.
    ///
    /// ```
    /// use larder::{Backlog, Store};
    ///
    /// let store = Store::new();
    /// let sub = store.subscribe_with(["news"], Backlog::new().messages(2));
    /// let before = sub.lagged();
    /// for payload in ["one", "two", "three"] {
    ///     store.publish("news", payload)?;
    /// }
    /// assert_eq!(sub.try_recv().unwrap().payload, "two");
    /// assert_eq!(sub.lagged() - before, 1); // "one"
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn lagged(&self) -> u64 {
        self.inbox.lagged()
    }

    /// Whether the store is gone: what is buffered can be read, and nothing more comes. O(1).
    ///
    /// ```
    /// # let store = larder::Store::new();
    /// let sub = store.subscribe(["news"]);
    /// store.publish("news", "hello")?;
    /// drop(store);
    /// assert!(sub.is_closed());
    /// assert_eq!(sub.try_recv().unwrap().payload, "hello");
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.inbox.is_closed()
    }
}

/// Ends once the store is gone and all is read.
impl Stream for Subscription {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let this = self.get_mut();
        this.inbox.poll(&mut this.slot, context)
    }
}

impl<'a> IntoIterator for &'a Subscription {
    type Item = Message;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

impl IntoIterator for Subscription {
    type Item = Message;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter { subscription: self }
    }
}

/// The future of [`Subscription::recv_async`].
#[must_use = "futures do nothing unless polled"]
pub struct Recv<'a> {
    inbox: &'a Inbox,
    slot: Slot,
}

impl Future for Recv<'_> {
    type Output = Option<Message>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let this = self.get_mut();
        this.inbox.poll(&mut this.slot, context)
    }
}

impl Drop for Recv<'_> {
    fn drop(&mut self) {
        self.inbox.forget(&mut self.slot);
    }
}

impl fmt::Debug for Recv<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv").finish_non_exhaustive()
    }
}

/// The messages of a borrowed [`Subscription`]; made by [`Subscription::iter`].
#[derive(Debug)]
pub struct Iter<'a> {
    subscription: &'a Subscription,
}

impl Iterator for Iter<'_> {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.subscription.recv()
    }
}

impl FusedIterator for Iter<'_> {}

/// The messages of a [`Subscription`], which it owns.
#[derive(Debug)]
pub struct IntoIter {
    subscription: Subscription,
}

impl Iterator for IntoIter {
    type Item = Message;

    fn next(&mut self) -> Option<Message> {
        self.subscription.recv()
    }
}

impl FusedIterator for IntoIter {}
