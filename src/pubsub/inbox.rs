//! What one subscription has yet to read: a bounded ring that a publisher never waits for.

use std::collections::VecDeque;
use std::mem;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Message;
use crate::clock::{Alarm, Clock, NEVER};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{Arc, Condvar, Mutex};
use crate::wake::Wakes;

/// How much a subscription keeps for a reader that falls behind.
///
/// Once either bound is reached, each new message drops the oldest ones; [`Subscription::lagged`] counts
/// them. (Redis has `client-output-buffer-limit pubsub` for this, and disconnects the client.)
///
/// ```
/// use larder::{Backlog, Store};
///
/// let store = Store::new();
/// let sub = store.subscribe_with(["news"], Backlog::new().messages(2));
/// for payload in ["one", "two", "three"] {
///     store.publish("news", payload)?;
/// }
/// assert_eq!(sub.try_recv().unwrap().payload, "two");
/// assert_eq!(sub.lagged(), 1);
/// # Ok::<(), larder::Error>(())
/// ```
///
/// [`Subscription::lagged`]: crate::Subscription::lagged
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    messages: usize,
    bytes: usize,
}

impl Backlog {
    /// The default: 1,024 messages and 32 MB (33,554,432 bytes). O(1).
    pub const fn new() -> Self {
        Backlog { messages: 1024, bytes: 32 << 20 }
    }

    /// Keeps at most so many messages, and at least one. O(1).
    pub const fn messages(self, messages: usize) -> Self {
        Backlog { messages, ..self }
    }

    /// Keeps messages of at most so many bytes together: the lengths of their channels, patterns and
    /// payloads. O(1).
    ///
    /// The newest message is kept even where it alone is larger.
    ///
    /// ```
    /// use larder::{Backlog, Store};
    ///
    /// let store = Store::new();
    /// let pages = store.subscribe_with(["pages"], Backlog::new().bytes(100));
    /// store.publish("pages", "short")?;
    /// store.publish("pages", "x".repeat(1000))?;
    /// assert_eq!(pages.recv().unwrap().payload.len(), 1000);
    /// assert_eq!(pages.lagged(), 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub const fn bytes(self, bytes: usize) -> Self {
        Backlog { bytes, ..self }
    }
}

impl Default for Backlog {
    fn default() -> Self {
        Backlog::new()
    }
}

/// How many bytes may wait for those who must not miss a message, and whose inbox closes where it would else drop one:
/// for who listens to something, and for the others. It may be set at any time, and holds for what comes from then on.
#[cfg(feature = "commands")]
#[derive(Debug)]
pub(crate) struct Bounds {
    pub listener: AtomicU64,
    pub other: AtomicU64,
    /// How often an inbox was closed for that.
    pub closed: AtomicU64,
}

/// What becomes of the messages that a reader leaves lying.
#[derive(Debug, Clone)]
pub(crate) enum Keeps {
    /// The newest of them are kept.
    Newest(Backlog),
    /// All, or none any more.
    #[cfg(feature = "commands")]
    All(Arc<Bounds>),
}

impl From<Backlog> for Keeps {
    fn from(backlog: Backlog) -> Self {
        Keeps::Newest(backlog)
    }
}

impl Keeps {
    /// What a message takes beside its bytes, where that counts.
    fn each(&self) -> u64 {
        match self {
            Keeps::Newest(_) => 0,
            #[cfg(feature = "commands")]
            Keeps::All(_) => size_of::<Message>() as u64,
        }
    }
}

/// The ring between the publishers and the readers of one subscription.
///
/// A waiting reader is armed only while the ring is empty, and a push disarms them all: whoever finds the
/// ring empty again arms itself anew. So a burst costs one wake, and a reader that gives up owes nothing.
pub(super) struct Inbox {
    state: Mutex<State>,
    /// Shared with the clock, which wakes those whose deadline has come.
    arrived: Arc<Condvar>,
    keeps: Keeps,
    /// Whether it is somebody's who listens to a channel or a pattern.
    listens: AtomicBool,
    /// What the state says, set under its lock, for those who ask often.
    is_closed: AtomicBool,
    /// How often something has come to pass that those are woken for who wait.
    events: AtomicU64,
}

struct State {
    ring: VecDeque<Message>,
    /// What they count for, with so many for each beside its own.
    bytes: u64,
    each: u64,
    lagged: u64,
    closed: bool,
    /// Whether a thread may be waiting for `arrived`.
    parked: bool,
    tasks: Vec<(u64, Waker)>,
    next_slot: u64,
    /// Who is to be woken once more bytes than that wait, or a message was dropped.
    watcher: Option<(u64, Waker)>,
}

/// A task's place among those that wait; its own, so that several futures can wait for one inbox.
#[derive(Default)]
pub(super) struct Slot(Option<u64>);

impl Inbox {
    pub(super) fn new(keeps: Keeps, closed: bool) -> Self {
        let state = State {
            ring: VecDeque::new(),
            bytes: 0,
            each: keeps.each(),
            lagged: 0,
            closed,
            parked: false,
            tasks: Vec::new(),
            next_slot: 0,
            watcher: None,
        };
        let is_closed = AtomicBool::new(closed);
        let listens = AtomicBool::new(false);
        Inbox {
            state: Mutex::new(state),
            arrived: Arc::new(Condvar::new()),
            keeps,
            listens,
            is_closed,
            events: AtomicU64::new(0),
        }
    }

    /// Adds a message, if need be in the place of the oldest; false once the inbox is closed. O(1) amortised.
    pub(super) fn push(&self, message: Message, wakes: &mut Wakes) -> bool {
        let mut state = self.state.lock();
        if state.closed {
            return false;
        }
        let size = state.size(&message);
        // An empty ring takes the message whatever the bounds are.
        match &self.keeps {
            Keeps::Newest(backlog) => {
                while state.is_full(*backlog, size) && state.pop().is_some() {
                    state.lagged = state.lagged.saturating_add(1);
                }
            }
            #[cfg(feature = "commands")]
            Keeps::All(bounds)
                if state.bytes.saturating_add(size) > self.most() && !state.ring.is_empty() =>
            {
                bounds.closed.fetch_add(1, Ordering::Relaxed);
                state.end();
                self.tell_closed(&mut state, wakes);
                return false;
            }
            #[cfg(feature = "commands")]
            Keeps::All(_) => {}
        }
        state.bytes = state.bytes.saturating_add(size);
        state.ring.push_back(message);
        self.disarm(&mut state, wakes);
        let (bytes, has_lost) = (state.bytes, state.lagged > 0);
        if let Some((_, waker)) = state.watcher.take_if(|(most, _)| has_lost || bytes > *most) {
            wakes.add_task(waker);
        }
        true
    }

    /// How many bytes may wait at present. O(1)
    #[cfg(feature = "commands")]
    pub(super) fn most(&self) -> u64 {
        match &self.keeps {
            Keeps::Newest(backlog) => backlog.bytes as u64,
            Keeps::All(bounds) if self.listens.load(Ordering::Relaxed) => {
                bounds.listener.load(Ordering::Relaxed)
            }
            Keeps::All(bounds) => bounds.other.load(Ordering::Relaxed),
        }
    }

    /// Notes whether it is somebody's who listens to a channel or a pattern.
    pub(super) fn set_listens(&self, listens: bool) {
        self.listens.store(listens, Ordering::Relaxed);
    }

    /// Wakes who waits for a message or for many, though there are none: to look at something else.
    #[cfg(feature = "commands")]
    pub(super) fn nudge(&self, wakes: &mut Wakes) {
        let mut state = self.state.lock();
        self.disarm(&mut state, wakes);
        state.disarm_watcher(wakes);
    }

    /// How many messages there are, and their bytes.
    #[cfg(feature = "commands")]
    pub(super) fn waiting(&self) -> (usize, u64) {
        let state = self.state.lock();
        (state.ring.len(), state.bytes)
    }

    /// The same as [`close`](Self::close), and what is buffered is gone.
    #[cfg(feature = "commands")]
    pub(super) fn end(&self, wakes: &mut Wakes) {
        let mut state = self.state.lock();
        state.end();
        self.tell_closed(&mut state, wakes);
    }

    /// Takes no more messages from now on; what is buffered can still be read.
    pub(super) fn close(&self, wakes: &mut Wakes) {
        let mut state = self.state.lock();
        state.closed = true;
        self.tell_closed(&mut state, wakes);
    }

    /// It has been closed, by who holds the state.
    fn tell_closed(&self, state: &mut State, wakes: &mut Wakes) {
        self.is_closed.store(true, Ordering::Release);
        self.disarm(state, wakes);
    }

    /// Hands all who wait to `wakes`: something has come to pass.
    fn disarm(&self, state: &mut State, wakes: &mut Wakes) {
        self.events.fetch_add(1, Ordering::Relaxed);
        state.disarm(&self.arrived, wakes);
    }

    /// How often something has come to pass that those are woken for who wait: as long as that is the same, who waits still
    /// does. O(1), without a lock
    #[cfg(feature = "server")]
    pub(super) fn events(&self) -> u64 {
        self.events.load(Ordering::Relaxed)
    }

    /// The oldest message, if there is one. O(1).
    pub(super) fn pop(&self) -> Option<Message> {
        self.state.lock().pop()
    }

    /// The oldest message, waited for; `None` once closed and empty, or when the time is over.
    pub(super) fn wait(self: &Arc<Self>, clock: &Clock, timeout: Option<Duration>) -> Option<Message> {
        let message = self.pop();
        if message.is_some() || timeout.is_some_and(|timeout| timeout.is_zero()) {
            return message;
        }
        // A deadline beyond the clock's range is none.
        let deadline = timeout.and_then(|timeout| {
            let millis = u64::try_from(timeout.as_nanos().div_ceil(1_000_000)).ok()?;
            clock.now().checked_add(millis)
        });
        let deadline = deadline.unwrap_or(NEVER);
        let _alarm = clock.alarm(deadline, self);
        let mut state = self.state.lock();
        loop {
            let message = state.pop();
            if message.is_some() || state.closed || (deadline != NEVER && clock.now() >= deadline) {
                return message;
            }
            state.parked = true;
            clock.wait(&self.arrived, &mut state, deadline);
        }
    }

    /// The oldest message, or else the task is woken when there is one; `None` once closed and empty.
    pub(super) fn poll(&self, slot: &mut Slot, context: &mut Context<'_>) -> Poll<Option<Message>> {
        // Cloning and dropping a waker is the executor's code: neither happens under the lock, which a
        // publisher may want while it holds others.
        let mut spare = None;
        loop {
            let mut state = self.state.lock();
            let message = state.pop();
            if message.is_some() || state.closed {
                return Poll::Ready(message);
            }
            if state.waits(slot, context.waker()) {
                return Poll::Pending;
            }
            let Some(waker) = spare.take() else {
                drop(state);
                spare = Some(context.waker().clone());
                continue;
            };
            let replaced = state.arm(slot, waker);
            drop(state);
            drop(replaced);
            return Poll::Pending;
        }
    }

    /// Whether more bytes than that wait to be read, or a message was dropped; or else the task is woken when it
    /// comes to that. One task at a time can ask. O(1).
    #[cfg(any(feature = "server", all(feature = "redis-aio", feature = "testing")))]
    pub(super) fn poll_over(&self, bytes: u64, context: &mut Context<'_>) -> Poll<()> {
        let waker = context.waker().clone();
        let mut state = self.state.lock();
        if state.closed || state.lagged > 0 || state.bytes > bytes {
            drop(state);
            return Poll::Ready(());
        }
        let replaced = state.watcher.replace((bytes, waker));
        drop(state);
        drop(replaced);
        Poll::Pending
    }

    /// Wakes this task no more. O(tasks that wait).
    pub(super) fn forget(&self, slot: &mut Slot) {
        if let Some(slot) = slot.0.take() {
            let mut state = self.state.lock();
            let at = state.tasks.iter().position(|(id, _)| *id == slot);
            let waker = at.map(|at| state.tasks.swap_remove(at));
            drop(state);
            drop(waker);
        }
    }

    /// How many messages were dropped unread. O(1).
    pub(super) fn lagged(&self) -> u64 {
        self.state.lock().lagged
    }

    /// How many messages wait to be read. O(1).
    pub(super) fn len(&self) -> usize {
        self.state.lock().ring.len()
    }

    /// O(1), without a lock.
    #[inline]
    pub(super) fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }
}

impl State {
    fn pop(&mut self) -> Option<Message> {
        let message = self.ring.pop_front()?;
        self.bytes = self.bytes.saturating_sub(self.size(&message));
        Some(message)
    }

    /// What a message counts for.
    fn size(&self, message: &Message) -> u64 {
        message.size().saturating_add(self.each)
    }

    fn is_full(&self, backlog: Backlog, more: u64) -> bool {
        self.ring.len() >= backlog.messages || self.bytes.saturating_add(more) > backlog.bytes as u64
    }

    #[cfg(feature = "commands")]
    fn end(&mut self) {
        self.closed = true;
        self.ring = VecDeque::new();
        self.bytes = 0;
    }

    /// Hands all who wait to `wakes`, to be woken once no lock is held.
    fn disarm(&mut self, arrived: &Arc<Condvar>, wakes: &mut Wakes) {
        if mem::take(&mut self.parked) {
            wakes.add_thread(arrived);
        }
        self.tasks.drain(..).for_each(|(_, waker)| wakes.add_task(waker));
        if self.closed {
            self.disarm_watcher(wakes);
        }
    }

    fn disarm_watcher(&mut self, wakes: &mut Wakes) {
        self.watcher.take().into_iter().for_each(|(_, waker)| wakes.add_task(waker));
    }

    fn waits(&self, slot: &Slot, waker: &Waker) -> bool {
        self.tasks.iter().any(|(id, armed)| Some(*id) == slot.0 && armed.will_wake(waker))
    }

    /// Puts a waker in the slot, and returns the one it takes the place of.
    fn arm(&mut self, slot: &mut Slot, waker: Waker) -> Option<Waker> {
        let id = *slot.0.get_or_insert_with(|| {
            self.next_slot += 1; // 64 bits do not overflow one by one
            self.next_slot
        });
        match self.tasks.iter_mut().find(|(other, _)| *other == id) {
            Some((_, armed)) => Some(mem::replace(armed, waker)),
            None => {
                self.tasks.push((id, waker));
                None
            }
        }
    }
}

impl Alarm for Inbox {
    fn ring(&self) {
        let _state = self.state.lock();
        self.arrived.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Bytes;

    fn message(payload: &str) -> Message {
        Message {
            channel: Bytes::from("c"),
            payload: Bytes::from(payload),
            pattern: None,
            origin: crate::pubsub::Origin::Channel,
        }
    }

    fn push(inbox: &Inbox, payload: &str) {
        assert!(inbox.push(message(payload), &mut Wakes::default()));
    }

    #[test]
    fn the_newest_message_is_always_kept() {
        for backlog in [Backlog::new().messages(0), Backlog::new().bytes(0), Backlog::new().bytes(5)] {
            let inbox = Inbox::new(backlog.into(), false);
            push(&inbox, "first");
            push(&inbox, "second");
            assert_eq!(inbox.pop(), Some(message("second")));
            assert_eq!((inbox.pop(), inbox.lagged()), (None, 1));
        }
    }

    #[test]
    fn a_large_message_takes_the_place_of_as_many_as_it_needs() {
        let inbox = Inbox::new(Backlog::new().bytes(12).into(), false);
        ["111", "222", "333", "44444"].iter().for_each(|payload| push(&inbox, payload));
        assert_eq!((inbox.len(), inbox.lagged()), (2, 2));
        assert_eq!(inbox.pop(), Some(message("333")));
        push(&inbox, "55555");
        assert_eq!((inbox.len(), inbox.lagged()), (2, 2));
    }

    #[test]
    fn a_closed_inbox_takes_nothing_and_can_still_be_read() {
        let inbox = Inbox::new(Backlog::new().into(), false);
        push(&inbox, "last");
        inbox.close(&mut Wakes::default());
        assert!(!inbox.push(message("late"), &mut Wakes::default()));
        assert!(inbox.is_closed());
        assert_eq!(inbox.pop(), Some(message("last")));
        let polled = inbox.poll(&mut Slot::default(), &mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(None));
    }

    #[test]
    #[cfg(feature = "commands")]
    fn who_must_miss_nothing_is_told_no_more_once_it_is_full() {
        let each = "c1".len() as u64 + size_of::<Message>() as u64;
        let bounds = Bounds {
            listener: AtomicU64::new(2 * each),
            other: AtomicU64::new(3 * each),
            closed: AtomicU64::new(0),
        };
        let bounds = Arc::new(bounds);
        let inbox = Inbox::new(Keeps::All(Arc::clone(&bounds)), false);
        let takes = |payload| inbox.push(message(payload), &mut Wakes::default());
        // While it listens to nothing there may be another.
        assert!(takes("1") && takes("2") && takes("3"));
        assert_eq!((inbox.waiting(), inbox.pop()), ((3, 3 * each), Some(message("1"))));
        inbox.set_listens(true);
        bounds.listener.store(3 * each, Ordering::Relaxed);
        assert!(takes("4"));
        bounds.other.store(u64::MAX, Ordering::Relaxed);
        assert!(!takes("5"));
        assert!(inbox.is_closed());
        assert_eq!((inbox.pop(), inbox.waiting()), (None, (0, 0)));
        assert_eq!(bounds.closed.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_burst_collects_a_waiting_reader_once() {
        let inbox = Inbox::new(Backlog::new().into(), false);
        let mut context = Context::from_waker(Waker::noop());
        let (mut one, mut other) = (Slot::default(), Slot::default());
        for _ in 0..3 {
            assert!(inbox.poll(&mut one, &mut context).is_pending());
            assert!(inbox.poll(&mut other, &mut context).is_pending());
        }
        inbox.forget(&mut other);
        let mut wakes = Wakes::default();
        (0..5).for_each(|_| assert!(inbox.push(message("x"), &mut wakes)));
        assert_eq!(wakes.waiting(), (0, 1));
    }
}
