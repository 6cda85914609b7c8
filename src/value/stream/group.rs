//! A group of consumers, who share the entries of a stream among them.
//!
//! What holds between any two calls: `order` has each consumer's number once, by its name; `free` has each number
//! below the highest that no consumer has; each id in a
//! consumer's `pending` is in the group's, which says that it is theirs, and the other way round, but for those
//! that the group keeps for nobody.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::StreamId;
use super::sorted::Sorted;
use crate::Bytes;

/// The two counters that an `Arc` keeps beside the value.
pub(super) const ARC: usize = 2 * size_of::<usize>();

/// See the [module](self). A clone shares what is pending and the consumers.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    name: Bytes,
    /// The last entry that was given to a consumer.
    pub last: StreamId,
    /// How many entries were, if that is known.
    pub read: Option<u64>,
    pending: Sorted<Pending>,
    /// By number; nothing where a number is free.
    consumers: Vec<Option<Arc<Consumer>>>,
    free: Vec<u32>,
    order: BTreeMap<Bytes, u32>,
    /// What the consumers hold, in bytes.
    held: usize,
}

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pending {
    /// The number of whom it was delivered to.
    pub consumer: Option<u32>,
    /// When, in milliseconds since 1970.
    pub time: u64,
    /// How often.
    pub count: u64,
}

/// See the [module](self). Times are in milliseconds since 1970.
#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub name: Bytes,
    /// When it last asked for something.
    pub seen: u64,
    /// When it last got something.
    pub active: Option<u64>,
    pub pending: Sorted<()>,
}

impl Group {
    pub(crate) fn new(name: Bytes, last: StreamId, read: Option<u64>) -> Self {
        let pending = Sorted::default();
        let (consumers, free) = (Vec::new(), Vec::new());
        Group { name, last, read, pending, consumers, free, order: BTreeMap::new(), held: 0 }
    }

    pub(crate) fn name(&self) -> &Bytes {
        &self.name
    }

    /// What was delivered and not acknowledged.
    pub(crate) fn pending(&self) -> &Sorted<Pending> {
        &self.pending
    }

    /// The number of a consumer. O(log consumers)
    pub(crate) fn find(&self, name: &[u8]) -> Option<u32> {
        self.order.get(name).copied()
    }

    /// O(1)
    pub(crate) fn consumer(&self, number: u32) -> Option<&Consumer> {
        self.consumers.get(number as usize)?.as_deref()
    }

    /// How many consumers there are.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// The consumers with their numbers, in the order of their names.
    pub(crate) fn consumers(&self) -> impl Iterator<Item = (u32, &Consumer)> {
        self.order.values().filter_map(|number| Some((*number, self.consumer(*number)?)))
    }

    /// The number of a consumer, who is added if there is none of that name; and whether that was so.
    /// O(log consumers)
    pub(crate) fn find_or_add(&mut self, name: &[u8], now: u64) -> (u32, bool) {
        if let Some(number) = self.find(name) {
            return (number, false);
        }
        let name = Bytes::from(name);
        let consumer = Consumer { name: name.clone(), seen: now, active: None, pending: Sorted::default() };
        self.held += bytes_of(&consumer);
        // More consumers than a u32 counts do not fit into memory.
        let number = self.free.pop().unwrap_or(self.consumers.len() as u32);
        let consumer = Some(Arc::new(consumer));
        match self.consumers.get_mut(number as usize) {
            Some(place) => *place = consumer,
            None => self.consumers.push(consumer),
        }
        self.order.insert(name, number);
        (number, true)
    }

    /// Removes a consumer and forgets what is pending for it; gives how much that was.
    /// O(log consumers + its pending)
    pub(crate) fn remove(&mut self, name: &[u8]) -> Option<usize> {
        let number = self.order.remove(name)?;
        let consumer = self.consumers.get_mut(number as usize)?.take()?;
        self.free.push(number);
        self.held -= bytes_of(&consumer);
        for (id, ()) in consumer.pending.from(StreamId::MIN) {
            self.pending.remove(id);
        }
        Some(consumer.pending.len())
    }

    /// Notes when a consumer asked for something, and whether it got it. O(1)
    pub(crate) fn note(&mut self, number: u32, now: u64, is_active: bool) {
        self.change(number, |consumer| {
            consumer.seen = now;
            if is_active {
                consumer.active = Some(now);
            }
        });
    }

    /// Puts down when a consumer asked for and got something. O(1)
    pub(crate) fn set_times(&mut self, number: u32, seen: u64, active: Option<u64>) {
        self.change(number, |consumer| (consumer.seen, consumer.active) = (seen, active));
    }

    /// Makes an entry pending for a consumer, whoever it was for before. O(log n)
    pub(crate) fn assign(&mut self, id: StreamId, pending: Pending) {
        let before = self.pending.insert(id, pending).and_then(|before| before.consumer);
        if before != pending.consumer {
            if let Some(number) = before {
                self.change(number, |consumer| consumer.pending.remove(id));
            }
            if let Some(number) = pending.consumer {
                self.change(number, |consumer| consumer.pending.insert(id, ()));
            }
        }
    }

    /// Notes that an entry which is pending was delivered to the same consumer once more. O(log n)
    pub(crate) fn redeliver(&mut self, id: StreamId, time: u64) {
        self.pending
            .update(id, |pending| (pending.time, pending.count) = (time, pending.count.saturating_add(1)));
    }

    /// Forgets that an entry is pending; whether it was. O(log n)
    pub(crate) fn acknowledge(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(id) else { return false };
        if let Some(number) = pending.consumer {
            self.change(number, |consumer| consumer.pending.remove(id));
        }
        true
    }

    /// Heap memory, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        let tables = self.consumers.capacity() * size_of::<Option<Arc<Consumer>>>()
            + self.free.capacity() * size_of::<u32>()
            // A node of a tree is two thirds full.
            + self.order.len() * size_of::<(Bytes, u32)>() * 3 / 2;
        self.name.heap_bytes() + self.pending.bytes() + tables + self.held
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn check(&self) {
        self.pending.check();
        let consumers = || self.consumers.iter().flatten();
        assert_eq!(self.held, consumers().map(|consumer| bytes_of(consumer)).sum::<usize>());
        assert_eq!(self.order.len(), consumers().count());
        assert_eq!(self.free.len(), self.consumers.len() - self.order.len());
        assert!(self.order.iter().all(|(name, at)| self.consumer(*at).is_some_and(|of| of.name == *name)));
        for (number, consumer) in self.consumers() {
            consumer.pending.check();
            let of = |(id, ()): (StreamId, &())| {
                self.pending.get(id).expect("is pending").consumer == Some(number)
            };
            assert!(consumer.pending.from(StreamId::MIN).all(of));
        }
        let owned =
            self.pending.from(StreamId::MIN).filter(|(_, pending)| pending.consumer.is_some()).count();
        assert_eq!(owned, consumers().map(|consumer| consumer.pending.len()).sum::<usize>());
    }

    fn change<R>(&mut self, number: u32, change: impl FnOnce(&mut Consumer) -> R) {
        if let Some(Some(consumer)) = self.consumers.get_mut(number as usize) {
            self.held -= bytes_of(consumer);
            let consumer = Arc::make_mut(consumer);
            change(consumer);
            self.held += bytes_of(consumer);
        }
    }
}

fn bytes_of(consumer: &Consumer) -> usize {
    ARC + size_of::<Consumer>() + consumer.name.heap_bytes() + consumer.pending.bytes()
}
