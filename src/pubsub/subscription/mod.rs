//! The reader's end: what is listened to.

mod read;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Weak;

use super::inbox::{Inbox, Slot};
use super::{Hub, KINDS, Kind};
use crate::Bytes;
use crate::clock::Clock;
use crate::sync::{Arc, Mutex};
#[cfg(feature = "commands")]
use crate::{pubsub::Message, wake::Wakes};

pub use read::{IntoIter, Iter, Recv};

/// Channels and patterns that are listened to, and the messages that have come. `SUBSCRIBE`, `PSUBSCRIBE`.
///
/// It gets what is published from the moment it subscribes on, in the order in which it was published to each
/// channel. A channel that it names and that matches two of its patterns as well brings three messages, as in
/// Redis. Dropping it unsubscribes from everything.
///
/// A publisher never waits for a reader: messages wait in a bounded [`Backlog`](crate::Backlog), and when
/// that is full the oldest are dropped and counted by [`lagged`](Self::lagged).
///
/// Read with [`try_recv`](Self::try_recv), [`recv`](Self::recv) or a `for` loop from a thread, and with
/// [`recv_async`](Self::recv_async) or as a [`Stream`](futures_core::Stream) from a task, on any runtime.
/// Several threads and tasks can share one subscription; each message then goes to one of them.
///
/// ```
/// use larder::Store;
///
/// let store = Store::new();
/// let sub = store.subscribe(["news"]);
/// assert_eq!(store.publish("news", "hello")?, 1);
///
/// let message = sub.try_recv().unwrap();
/// assert_eq!(message.channel, "news");
/// assert_eq!(message.payload_str(), Some("hello"));
/// assert_eq!(sub.try_recv(), None);
/// # Ok::<(), larder::Error>(())
/// ```
///
/// A worker that reads until the store is gone:
///
/// ```
/// use larder::Store;
///
/// let store = Store::new();
/// let sub = store.psubscribe(["user:*"]);
/// let worker = std::thread::spawn(move || {
///     let mut seen = Vec::new();
///     for message in sub {
///         seen.push(message.channel);
///     }
///     seen
/// });
/// store.publish("user:1", "signed in")?;
/// store.publish("user:2", "signed out")?;
/// drop(store);
/// assert_eq!(worker.join().unwrap(), ["user:1", "user:2"]);
/// # Ok::<(), larder::Error>(())
/// ```
#[must_use = "dropping a subscription unsubscribes"]
pub struct Subscription {
    hub: Weak<Hub>,
    id: u64,
    inbox: Arc<Inbox>,
    clock: Clock,
    names: Mutex<Names>,
    /// The stream's place among the tasks that wait.
    slot: Slot,
}

impl Subscription {
    /// Listens to one more channel; false if it did already, or if the store is gone. `SUBSCRIBE`,
    /// O(1).
    ///
    /// ```
    /// # let store = larder::Store::new();
    /// let sub = store.subscribe(["news"]);
    /// assert!(sub.subscribe("sport"));
    /// assert!(!sub.subscribe("sport"));
    /// store.publish("sport", "1:0")?;
    /// assert_eq!(sub.try_recv().unwrap().payload, "1:0");
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "SUBSCRIBE")]
    pub fn subscribe(&self, channel: impl AsRef<[u8]>) -> bool {
        self.join(Kind::Channel, channel.as_ref())
    }

    /// Listens to a channel no more; false if it did not. `UNSUBSCRIBE`, O(n), its subscribers.
    ///
    /// Messages that had come before can still be read.
    ///
    /// ```
    /// # let store = larder::Store::new();
    /// let sub = store.subscribe(["news"]);
    /// store.publish("news", "one")?;
    /// assert!(sub.unsubscribe("news"));
    /// assert!(!sub.unsubscribe("news"));
    /// assert_eq!(store.publish("news", "two")?, 0);
    /// assert_eq!(sub.try_recv().unwrap().payload, "one");
    /// assert_eq!(sub.try_recv(), None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "UNSUBSCRIBE")]
    pub fn unsubscribe(&self, channel: impl AsRef<[u8]>) -> bool {
        self.part(Kind::Channel, channel.as_ref())
    }

    /// Listens to all channels that match one more glob-style pattern; false if it did already, or if
    /// the store is gone. `PSUBSCRIBE`, O(1), and each publish in the store then matches one pattern
    /// more.
    ///
    /// ```
    /// # let store = larder::Store::new();
    /// let sub = store.psubscribe(["user:*"]);
    /// sub.psubscribe("order:?");
    /// store.publish("order:7", "paid")?;
    /// let message = sub.try_recv().unwrap();
    /// assert_eq!(message.channel, "order:7");
    /// assert_eq!(message.pattern.unwrap(), "order:?");
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "PSUBSCRIBE")]
    pub fn psubscribe(&self, pattern: impl AsRef<[u8]>) -> bool {
        self.join(Kind::Pattern, pattern.as_ref())
    }

    /// Listens to a pattern no more; false if it did not. `PUNSUBSCRIBE`, O(n), its subscribers.
    ///
    /// Messages that had come before can still be read. It is the pattern that is named, not a channel:
    ///
    /// ```
    /// # let store = larder::Store::new();
    /// let sub = store.psubscribe(["user:*"]);
    /// assert!(!sub.punsubscribe("user:1"));
    /// assert!(sub.punsubscribe("user:*"));
    /// assert_eq!(store.publish("user:1", "signed in")?, 0);
    /// # Ok::<(), larder::Error>(())
    /// ```
    #[doc(alias = "PUNSUBSCRIBE")]
    pub fn punsubscribe(&self, pattern: impl AsRef<[u8]>) -> bool {
        self.part(Kind::Pattern, pattern.as_ref())
    }

    /// Listens to no channel any more, but still to its patterns. `UNSUBSCRIBE` without arguments,
    /// O(n), the subscribers of each.
    ///
    /// ```
    /// # let store = larder::Store::new();
    /// let sub = store.subscribe(["news", "sport"]);
    /// sub.psubscribe("user:*");
    /// sub.unsubscribe_all();
    /// assert!(sub.channels().is_empty());
    /// assert_eq!(store.publish("user:1", "signed in")?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn unsubscribe_all(&self) {
        self.part_all(Kind::Channel);
    }

    /// Listens to no pattern any more, but still to its channels. `PUNSUBSCRIBE` without arguments,
    /// O(n), the subscribers of each.
    ///
    /// ```
    /// # let store = larder::Store::new();
    /// let sub = store.psubscribe(["user:*", "order:*"]);
    /// sub.subscribe("news");
    /// sub.punsubscribe_all();
    /// assert!(sub.patterns().is_empty());
    /// assert_eq!(store.publish("news", "hello")?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn punsubscribe_all(&self) {
        self.part_all(Kind::Pattern);
    }

    /// The channels it listens to by name, in order. O(n).
    ///
    /// ```
    /// # let store = larder::Store::new();
    /// let sub = store.subscribe(["news", "sport"]);
    /// sub.unsubscribe("news");
    /// assert_eq!(sub.channels(), ["sport"]);
    /// ```
    pub fn channels(&self) -> Vec<Bytes> {
        self.names.lock().channels.iter().cloned().collect()
    }

    /// The patterns it listens to, in order. O(n).
    ///
    /// ```
    /// # let store = larder::Store::new();
    /// let sub = store.psubscribe(["user:*"]);
    /// assert_eq!(sub.patterns(), ["user:*"]);
    /// assert!(sub.channels().is_empty());
    /// ```
    pub fn patterns(&self) -> Vec<Bytes> {
        self.names.lock().patterns.iter().cloned().collect()
    }

    /// See `Inbox::poll_over`.
    #[cfg(any(feature = "server", all(feature = "redis-aio", feature = "testing")))]
    pub(crate) fn poll_over(&self, bytes: u64, context: &mut std::task::Context<'_>) -> std::task::Poll<()> {
        self.inbox.poll_over(bytes, context)
    }

    pub(super) fn new(hub: &Arc<Hub>, id: u64, inbox: Arc<Inbox>, clock: Clock) -> Self {
        Subscription {
            hub: Arc::downgrade(hub),
            id,
            inbox,
            clock,
            names: Mutex::default(),
            slot: Slot::default(),
        }
    }

    // In the four below the hub is upgraded before the names are locked, so that it is let go after them: the
    // last one to let it go closes it, and that runs wakers.

    /// Listens to one more name; false if it did already, or the store is gone.
    pub(crate) fn join(&self, kind: Kind, name: &[u8]) -> bool {
        let Some(hub) = self.hub.upgrade() else { return false };
        let mut names = self.names.lock();
        let name = Bytes::from(name);
        let new = !self.inbox.is_closed() && names.of(kind).insert(name.clone());
        if new {
            self.inbox.set_listens(true);
            hub.join(kind, &name, &self.inbox);
        }
        new
    }

    /// Listens to a name no more; false if it did not.
    pub(crate) fn part(&self, kind: Kind, name: &[u8]) -> bool {
        let hub = self.hub.upgrade();
        let mut names = self.names.lock();
        let known = names.of(kind).remove(name);
        self.inbox.set_listens(!names.is_empty());
        if let (true, Some(hub)) = (known, &hub) {
            hub.part(kind, name, &self.inbox);
        }
        known
    }

    /// Listens to no name of a kind any more.
    pub(crate) fn part_all(&self, kind: Kind) {
        let hub = self.hub.upgrade();
        let mut names = self.names.lock();
        let parted = std::mem::take(names.of(kind));
        self.inbox.set_listens(!names.is_empty());
        for name in parted {
            if let Some(hub) = &hub {
                hub.part(kind, &name, &self.inbox);
            }
        }
    }
}

/// What a session makes of one.
#[cfg(feature = "commands")]
impl Subscription {
    /// What it listens to of a kind, in no order.
    pub(crate) fn names(&self, kind: Kind) -> Vec<Bytes> {
        self.names.lock().of(kind).iter().cloned().collect()
    }

    /// To how many channels, patterns and shard channels it listens.
    pub(crate) fn counts(&self) -> [usize; 3] {
        let mut names = self.names.lock();
        KINDS.map(|kind| names.of(kind).len())
    }

    /// Puts in a message that comes from no channel; false if it takes none any more.
    pub(crate) fn post(&self, message: Message, wakes: &mut Wakes) -> bool {
        self.inbox.push(message, wakes)
    }

    /// Wakes who waits for a message, though there is none.
    #[cfg(feature = "commands")]
    pub(crate) fn nudge(&self, wakes: &mut Wakes) {
        self.inbox.nudge(wakes);
    }

    /// How many messages wait to be read, and their bytes.
    #[cfg(feature = "commands")]
    pub(crate) fn waiting(&self) -> (usize, u64) {
        self.inbox.waiting()
    }

    /// How many bytes may wait to be read at present.
    pub(crate) fn most(&self) -> u64 {
        self.inbox.most()
    }

    /// Nothing comes any more, and nothing is left to be read.
    pub(crate) fn end(&self, wakes: &mut Wakes) {
        KINDS.into_iter().for_each(|kind| self.part_all(kind));
        self.inbox.end(wakes);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        KINDS.into_iter().for_each(|kind| self.part_all(kind));
        if let Some(hub) = self.hub.upgrade() {
            hub.leave(self.id);
        }
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription")
            .field("channels", &self.channels())
            .field("patterns", &self.patterns())
            .field("buffered", &self.inbox.len())
            .field("lagged", &self.lagged())
            .field("closed", &self.is_closed())
            .finish()
    }
}

#[derive(Default)]
struct Names {
    channels: BTreeSet<Bytes>,
    patterns: BTreeSet<Bytes>,
    shards: BTreeSet<Bytes>,
}

impl Names {
    fn is_empty(&self) -> bool {
        self.channels.is_empty() && self.patterns.is_empty() && self.shards.is_empty()
    }

    fn of(&mut self, kind: Kind) -> &mut BTreeSet<Bytes> {
        match kind {
            Kind::Channel => &mut self.channels,
            Kind::Pattern => &mut self.patterns,
            Kind::Shard => &mut self.shards,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};
    use std::thread;
    use std::time::Duration;

    use futures_core::Stream;

    use super::super::{Backlog, Message};
    use super::*;
    use crate::wake::Wakes;

    fn store() -> (Arc<Hub>, Subscription) {
        let hub = Hub::new();
        let sub = Hub::subscriber(&hub, &Clock::System, Backlog::new());
        sub.subscribe("c");
        (hub, sub)
    }

    fn publish(hub: &Hub, payload: &str) -> usize {
        hub.publish(b"c", &Bytes::from(payload))
    }

    fn payload(message: Option<Message>) -> Option<String> {
        message?.payload_str().map(String::from)
    }

    /// The payloads that have come; the task then waits.
    fn drain(sub: &mut Subscription, context: &mut Context<'_>) -> Vec<String> {
        let mut seen = Vec::new();
        while let Poll::Ready(message) = Pin::new(&mut *sub).poll_next(context) {
            seen.push(payload(message).unwrap());
        }
        seen
    }

    /// A waker that counts, and that comes back into the hub whenever its code runs.
    #[derive(Default)]
    struct Alarm {
        rung: AtomicUsize,
        hub: Weak<Hub>,
    }

    impl Alarm {
        fn new(hub: &Arc<Hub>) -> Arc<Self> {
            Arc::new(Alarm { rung: AtomicUsize::new(0), hub: Arc::downgrade(hub) })
        }

        fn rung(&self) -> usize {
            self.rung.load(Ordering::Relaxed)
        }

        fn reenter(&self) {
            if let Some(hub) = self.hub.upgrade() {
                publish(&hub, "from the waker");
                Hub::subscriber(&hub, &Clock::System, Backlog::new()).psubscribe("*");
            }
        }
    }

    impl Wake for Alarm {
        fn wake(self: Arc<Self>) {
            self.rung.fetch_add(1, Ordering::Relaxed);
            self.reenter();
        }
    }

    impl Drop for Alarm {
        fn drop(&mut self) {
            self.reenter();
        }
    }

    #[test]
    fn a_task_is_woken_and_its_waker_may_come_back() {
        let (hub, mut sub) = store();
        let alarm = Alarm::new(&hub);
        let waker = Waker::from(Arc::clone(&alarm));
        let mut context = Context::from_waker(&waker);
        assert!(Pin::new(&mut sub).poll_next(&mut context).is_pending());
        publish(&hub, "one");
        assert_eq!(alarm.rung(), 1);
        assert_eq!(drain(&mut sub, &mut context), ["one", "from the waker"]);

        // Another waker takes the first one's place, whose last clone is dropped by that.
        drop((waker, alarm));
        let alarm = Alarm::new(&hub);
        let waker = Waker::from(Arc::clone(&alarm));
        let mut context = Context::from_waker(&waker);
        assert!(Pin::new(&mut sub).poll_next(&mut context).is_pending());
        assert_eq!(alarm.rung(), 1);
        // One came from the old waker's drop, one from the new one's wake.
        assert_eq!(drain(&mut sub, &mut context), ["from the waker"; 2]);

        drop(hub);
        assert_eq!(alarm.rung(), 2);
        assert_eq!(Pin::new(&mut sub).poll_next(&mut context), Poll::Ready(None));
    }

    #[test]
    fn a_dropped_future_loses_nothing() {
        let (hub, sub) = store();
        let alarms = [Arc::new(Alarm::default()), Arc::new(Alarm::default())];
        let wakers = alarms.clone().map(Waker::from);
        let mut futures = [sub.recv_async(), sub.recv_async()];
        for (future, waker) in futures.iter_mut().zip(&wakers) {
            assert!(Pin::new(future).poll(&mut Context::from_waker(waker)).is_pending());
        }
        let [given_up, mut kept] = futures;
        publish(&hub, "one");
        drop(given_up);
        assert_eq!(alarms[1].rung(), 1);
        let polled = Pin::new(&mut kept).poll(&mut Context::from_waker(&wakers[1]));
        assert_eq!(polled.map(payload), Poll::Ready(Some("one".to_string())));

        let mut given_up = sub.recv_async();
        assert!(Pin::new(&mut given_up).poll(&mut Context::from_waker(&wakers[1])).is_pending());
        drop((given_up, kept));
        publish(&hub, "two");
        assert_eq!(alarms[1].rung(), 1);
        assert_eq!(payload(sub.try_recv()).as_deref(), Some("two"));
    }

    #[test]
    fn enqueue_wakes_nobody_before_it_is_told_to() {
        let (hub, sub) = store();
        let alarm = Alarm::new(&hub);
        let waker = Waker::from(Arc::clone(&alarm));
        let mut future = sub.recv_async();
        assert!(Pin::new(&mut future).poll(&mut Context::from_waker(&waker)).is_pending());
        let mut wakes = Wakes::default();
        assert_eq!(hub.enqueue(b"c", &Bytes::from("one"), &mut wakes), 1);
        assert_eq!(hub.enqueue(b"none", &Bytes::from("one"), &mut wakes), 0);
        assert_eq!(alarm.rung(), 0);
        drop(wakes);
        assert_eq!(alarm.rung(), 1);
    }

    #[test]
    fn a_blocked_thread_gets_each_message_and_then_the_end() {
        let (hub, sub) = store();
        thread::scope(|scope| {
            let reader =
                scope.spawn(|| sub.iter().filter_map(|message| payload(Some(message))).collect::<Vec<_>>());
            (0..100).for_each(|at| assert_eq!(publish(&hub, &at.to_string()), 1));
            drop(hub);
            assert!(reader.join().unwrap().into_iter().eq((0..100).map(|at| at.to_string())));
        });
        assert!(sub.is_closed() && !sub.subscribe("d"));
    }

    #[test]
    fn the_end_reaches_a_reader_that_listens_to_nothing() {
        let hub = Hub::new();
        let sub = Hub::subscriber(&hub, &Clock::System, Backlog::new());
        thread::scope(|scope| {
            let reader = scope.spawn(|| sub.recv());
            drop(hub);
            assert_eq!(reader.join().unwrap(), None);
        });
    }

    #[test]
    fn threads_that_share_a_subscription_share_its_messages() {
        let (hub, sub) = store();
        let seen: usize = thread::scope(|scope| {
            let readers = [0; 3].map(|_| scope.spawn(|| sub.iter().count()));
            (0..1000).for_each(|_| assert_eq!(publish(&hub, "x"), 1));
            drop(hub);
            readers.map(|reader| reader.join().unwrap()).iter().sum()
        });
        assert_eq!(seen as u64 + sub.lagged(), 1000);
    }

    #[test]
    fn a_timeout_is_the_clocks() {
        let clock = crate::ManualClock::new();
        let hub = Hub::new();
        let sub = Hub::subscriber(&hub, &Clock::from(&clock), Backlog::new());
        sub.subscribe("c");
        assert_eq!(sub.recv_timeout(Duration::ZERO), None);
        publish(&hub, "one");
        assert_eq!(payload(sub.recv_timeout(Duration::ZERO)).as_deref(), Some("one"));
        thread::scope(|scope| {
            let reader = scope.spawn(|| sub.recv_timeout(Duration::from_secs(60)));
            while !reader.is_finished() {
                clock.advance(Duration::from_secs(1));
                thread::yield_now();
            }
            assert_eq!(reader.join().unwrap(), None);
            let reader = scope.spawn(|| sub.recv_timeout(Duration::MAX));
            publish(&hub, "two");
            assert_eq!(payload(reader.join().unwrap()).as_deref(), Some("two"));
        });
    }

    #[test]
    fn a_stalled_reader_holds_up_nobody() {
        let (hub, reads) = store();
        let stalled = Hub::subscriber(&hub, &Clock::System, Backlog::new().messages(4));
        stalled.subscribe("c");
        for at in 0..10_000 {
            assert_eq!(publish(&hub, &at.to_string()), 2);
            assert_eq!(payload(reads.try_recv()), Some(at.to_string()));
        }
        assert_eq!((stalled.lagged(), reads.lagged()), (9_996, 0));
        let left: Vec<_> = std::iter::from_fn(|| payload(stalled.try_recv())).collect();
        assert_eq!(left, ["9996", "9997", "9998", "9999"]);
    }
}
