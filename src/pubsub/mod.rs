//! Publish and subscribe, as Redis has it: fire and forget, to whoever listens now.
//!
//! A [`Hub`] knows who listens to what; a [`Subscription`] reads from its own bounded inbox. Nothing here
//! knows keys, and a publisher waits for no reader.
//!
//! Locks are taken in this order: a subscription's names, a shard of channels, the patterns, an inbox. Each
//! is held for a bounded step and none while a waker or a condvar is notified: that is what [`Wakes`](crate::wake::Wakes) is for.

mod inbox;
mod message;
mod subscription;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::mem;

use ahash::RandomState;
use hashbrown::HashTable;
use smallvec::SmallVec;

pub use self::inbox::Backlog;
#[cfg(feature = "commands")]
pub(crate) use self::inbox::Bounds;
use self::inbox::Inbox;
pub(crate) use self::inbox::Keeps;
pub use self::message::Message;
pub(crate) use self::message::Origin;
pub use self::subscription::{IntoIter, Iter, Recv, Subscription};
use crate::Bytes;
use crate::clock::Clock;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, RwLock};
use crate::text::glob;
use crate::wake::Wakes;

/// Who listens to what, in one store.
///
/// All who listen to a channel get its messages in one order, also through patterns: a publisher holds the
/// channel's shard until its message lies in each inbox. Dropping the hub closes it.
pub(crate) struct Hub {
    /// Subscriptions to channels and to patterns together: a publisher's way out when nobody listens.
    listeners: AtomicUsize,
    /// Those to patterns alone, so that without any the lock on `patterns` is left alone.
    pattern_listeners: AtomicUsize,
    channels: [Mutex<Roster>; SHARDS],
    shard_channels: [Mutex<Roster>; SHARDS],
    patterns: RwLock<Roster>,
    members: Mutex<Members>,
    hasher: RandomState,
}

/// What a subscription names: a channel, a glob that channels match, or a channel of those that have names of
/// their own (`SSUBSCRIBE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Channel,
    Pattern,
    Shard,
}

const KINDS: [Kind; 3] = [Kind::Channel, Kind::Pattern, Kind::Shard];

const SHARDS: usize = 16;

/// The open inboxes, subscribed to something or not: closing the hub must reach them all.
#[derive(Default)]
struct Members {
    closed: bool,
    next_id: u64,
    inboxes: BTreeMap<u64, Arc<Inbox>>,
}

impl Hub {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Hub {
            listeners: AtomicUsize::new(0),
            pattern_listeners: AtomicUsize::new(0),
            channels: std::array::from_fn(|_| Mutex::default()),
            shard_channels: std::array::from_fn(|_| Mutex::default()),
            patterns: RwLock::default(),
            members: Mutex::default(),
            hasher: RandomState::new(),
        })
    }

    /// A subscription to nothing yet. O(log subscriptions).
    pub(crate) fn subscriber(hub: &Arc<Self>, clock: &Clock, keeps: impl Into<Keeps>) -> Subscription {
        let mut members = hub.members.lock();
        let inbox = Arc::new(Inbox::new(keeps.into(), members.closed));
        let id = members.next_id;
        members.next_id += 1; // 64 bits do not overflow one by one
        if !members.closed {
            members.inboxes.insert(id, Arc::clone(&inbox));
        }
        drop(members);
        Subscription::new(hub, id, inbox, clock.clone())
    }

    /// PUBLISH: puts a message into the inboxes of all who listen, and says how many times.
    ///
    /// O(R + P), R receivers and P patterns; one relaxed load where nobody listens at all.
    #[inline]
    pub(crate) fn publish(&self, channel: &[u8], payload: &Bytes) -> usize {
        if !self.has_listeners() {
            return 0;
        }
        let mut wakes = Wakes::default();
        let receivers = self.deliver(channel, payload, &mut wakes);
        wakes.wake();
        receivers
    }

    /// [`publish`](Self::publish) for a caller that holds locks: who is to be woken is left in `wakes`.
    #[inline]
    pub(crate) fn enqueue(&self, channel: &[u8], payload: &Bytes, wakes: &mut Wakes) -> usize {
        if !self.has_listeners() {
            return 0;
        }
        self.deliver(channel, payload, wakes)
    }

    /// SPUBLISH, as [`enqueue`](Self::enqueue).
    #[cfg(feature = "commands")]
    pub(crate) fn enqueue_to_shard(&self, channel: &[u8], payload: &Bytes, wakes: &mut Wakes) -> usize {
        let hash = self.hasher.hash_one(channel);
        let roster = self.roster(Kind::Shard, hash).lock();
        let topic = roster.find(hash, channel);
        topic.map_or(0, |topic| topic.send(&topic.name, payload, None, &Origin::Shard, wakes))
    }

    /// Whether anyone listens to anything, so that without there need be no message made. O(1).
    #[inline]
    pub(crate) fn has_listeners(&self) -> bool {
        // Relaxed will do: whoever publishes after a subscribe it knows of sees its count, and nobody else
        // is promised anything.
        self.listeners.load(Ordering::Relaxed) != 0
    }

    /// PUBSUB CHANNELS: the channels somebody listens to by name and that match, in order. O(n log n) for n channels.
    pub(crate) fn channels(&self, pattern: &[u8]) -> Vec<Bytes> {
        self.names(Kind::Channel, pattern)
    }

    /// The same of a kind of channel.
    pub(crate) fn names(&self, kind: Kind, pattern: &[u8]) -> Vec<Bytes> {
        let mut names = Vec::new();
        for shard in self.rosters(kind) {
            names.extend(shard.lock().topics.iter().map(|topic| topic.name.clone()));
        }
        names.retain(|name| glob::matches(pattern, name));
        names.sort_unstable();
        names
    }

    /// PUBSUB NUMSUB: how many listen to the channel by name. O(1).
    pub(crate) fn subscribers(&self, channel: &[u8]) -> usize {
        self.listeners_of(Kind::Channel, channel)
    }

    /// The same of a kind of channel.
    pub(crate) fn listeners_of(&self, kind: Kind, channel: &[u8]) -> usize {
        let hash = self.hasher.hash_one(channel);
        self.roster(kind, hash).lock().find(hash, channel).map_or(0, |topic| topic.inboxes.len())
    }

    /// PUBSUB NUMPAT: how many different patterns are listened to. O(1).
    pub(crate) fn patterns(&self) -> usize {
        self.patterns.read().topics.len()
    }

    /// Ends all subscriptions: their readers get what is buffered, then `None`. O(subscriptions).
    pub(crate) fn close(&self) {
        let mut members = self.members.lock();
        members.closed = true;
        let inboxes = mem::take(&mut members.inboxes);
        drop(members);

        let mut wakes = Wakes::default();
        for inbox in inboxes.values() {
            inbox.close(&mut wakes);
        }
        for kind in [Kind::Channel, Kind::Shard] {
            for roster in self.rosters(kind) {
                let left = mem::take(&mut *roster.lock());
                self.count(kind, left.listeners(), AtomicUsize::fetch_sub);
            }
        }
        let left = mem::take(&mut *self.patterns.write());
        self.count(Kind::Pattern, left.listeners(), AtomicUsize::fetch_sub);
        wakes.wake();
    }

    #[inline(never)]
    fn deliver(&self, channel: &[u8], payload: &Bytes, wakes: &mut Wakes) -> usize {
        let hash = self.hasher.hash_one(channel);
        let shard = self.roster(Kind::Channel, hash).lock();
        let mut receivers = 0;
        let mut name = None;
        if let Some(topic) = shard.find(hash, channel) {
            let name = name.insert(topic.name.clone());
            receivers += topic.send(name, payload, None, &Origin::Channel, wakes);
        }
        if self.pattern_listeners.load(Ordering::Relaxed) != 0 {
            let patterns = self.patterns.read();
            let matching = patterns.topics.iter().filter(|topic| glob::matches(&topic.name, channel));
            let mut matching: SmallVec<[&Topic; 8]> = matching.collect();
            // One who listens by several gets the messages in an order that does not hang on a hash.
            matching.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            for topic in matching {
                let name = name.get_or_insert_with(|| Bytes::from(channel));
                receivers += topic.send(name, payload, Some(&topic.name), &Origin::Channel, wakes);
            }
        }
        receivers
    }

    /// Lets the inbox listen; the caller knows that it does not yet.
    fn join(&self, kind: Kind, name: &Bytes, inbox: &Arc<Inbox>) {
        let hash = self.hasher.hash_one(name.as_slice());
        self.with_roster(kind, hash, |roster| roster.join(hash, name, inbox, &self.hasher));
        self.count(kind, 1, AtomicUsize::fetch_add);
    }

    /// Lets the inbox listen no more: nothing published after this reaches it by this name.
    fn part(&self, kind: Kind, name: &[u8], inbox: &Arc<Inbox>) {
        let hash = self.hasher.hash_one(name);
        if self.with_roster(kind, hash, |roster| roster.part(hash, name, inbox, &self.hasher)) {
            self.count(kind, 1, AtomicUsize::fetch_sub);
        }
    }

    /// Forgets a subscription that is being dropped.
    fn leave(&self, id: u64) {
        self.members.lock().inboxes.remove(&id);
    }

    fn with_roster<R>(&self, kind: Kind, hash: u64, body: impl FnOnce(&mut Roster) -> R) -> R {
        match kind {
            Kind::Channel | Kind::Shard => body(&mut self.roster(kind, hash).lock()),
            Kind::Pattern => body(&mut self.patterns.write()),
        }
    }

    fn count(&self, kind: Kind, by: usize, step: fn(&AtomicUsize, usize, Ordering) -> usize) {
        if kind != Kind::Shard {
            step(&self.listeners, by, Ordering::Relaxed);
        }
        if kind == Kind::Pattern {
            step(&self.pattern_listeners, by, Ordering::Relaxed);
        }
    }

    /// The channels of a kind, which has no globs.
    fn rosters(&self, kind: Kind) -> &[Mutex<Roster>; SHARDS] {
        if kind == Kind::Shard { &self.shard_channels } else { &self.channels }
    }

    /// The part of them that a channel is in, by bits of the hash that the tables inside make no use of.
    fn roster(&self, kind: Kind, hash: u64) -> &Mutex<Roster> {
        // In range: a remainder of the length.
        &self.rosters(kind)[(hash >> 32) as usize % SHARDS]
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.close();
    }
}

/// Names and who listens to each; a name nobody listens to has no entry.
#[derive(Default)]
struct Roster {
    topics: HashTable<Topic>,
}

struct Topic {
    name: Bytes,
    inboxes: Vec<Arc<Inbox>>,
}

impl Roster {
    fn find(&self, hash: u64, name: &[u8]) -> Option<&Topic> {
        self.topics.find(hash, |topic| topic.name == name)
    }

    /// O(1).
    fn join(&mut self, hash: u64, name: &Bytes, inbox: &Arc<Inbox>, hasher: &RandomState) {
        self.topics
            .entry(hash, |topic| topic.name == *name, |topic| hasher.hash_one(topic.name.as_slice()))
            .or_insert_with(|| Topic { name: name.clone(), inboxes: Vec::new() })
            .into_mut()
            .inboxes
            .push(Arc::clone(inbox));
    }

    /// False if the inbox did not listen. O(listeners of that name).
    fn part(&mut self, hash: u64, name: &[u8], inbox: &Arc<Inbox>, hasher: &RandomState) -> bool {
        let Ok(mut entry) = self.topics.find_entry(hash, |topic| topic.name == name) else {
            return false;
        };
        let inboxes = &mut entry.get_mut().inboxes;
        // From the end: what came last is most often the first to go.
        let Some(at) = inboxes.iter().rposition(|other| Arc::ptr_eq(other, inbox)) else {
            return false;
        };
        inboxes.swap_remove(at);
        if inboxes.is_empty() {
            entry.remove();
            // A table that once held many names does not keep their room.
            if self.topics.len() < self.topics.capacity() / 8 {
                let room = self.topics.capacity() / 2;
                self.topics.shrink_to(room, |topic| hasher.hash_one(topic.name.as_slice()));
            }
        }
        true
    }

    fn listeners(&self) -> usize {
        self.topics.iter().map(|topic| topic.inboxes.len()).sum()
    }
}

impl Topic {
    fn send(
        &self,
        channel: &Bytes,
        payload: &Bytes,
        pattern: Option<&Bytes>,
        origin: &Origin,
        wakes: &mut Wakes,
    ) -> usize {
        let message = || Message {
            channel: channel.clone(),
            payload: payload.clone(),
            pattern: pattern.cloned(),
            origin: origin.clone(),
        };
        self.inboxes.iter().filter(|inbox| inbox.push(message(), wakes)).count()
    }
}
