//! Which messages producers have added under ids of their own, so that none is added twice.
//!
//! What holds between any two calls: a producer's messages stand in the order of their entries, each id once; no
//! producer is without one; `oldest` has each producer once, under its first entry; `tracked` and `held` are what a
//! walk would add up to.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use super::StreamId;
use super::group::ARC;
use crate::Bytes;

/// How long a producer's messages are known, and how many of them.
///
/// ```
/// use larder::Retention;
///
/// let retention = Retention::new(300, 1_000).expect("within the bounds");
/// assert_eq!((retention.seconds(), retention.messages()), (300, 1_000));
/// assert_eq!(Retention::new(0, 100), None);
/// assert_eq!(Some(Retention::default()), Retention::new(100, 100));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    seconds: u32,
    messages: u32,
}

impl Retention {
    /// The seconds that there can be.
    pub(crate) const SECONDS: std::ops::RangeInclusive<u32> = 1..=86_400;
    /// The messages that there can be.
    pub(crate) const MESSAGES: std::ops::RangeInclusive<u32> = 1..=10_000;

    /// So many seconds (1 to 86,400), and of each producer the last so many messages (1 to 10,000); `None` for
    /// other numbers.
    pub fn new(seconds: u32, messages: u32) -> Option<Self> {
        let is_possible = Self::SECONDS.contains(&seconds) && Self::MESSAGES.contains(&messages);
        is_possible.then_some(Retention { seconds, messages })
    }

    /// How long a message is known, in seconds.
    pub const fn seconds(self) -> u32 {
        self.seconds
    }

    /// How many messages of each producer are known.
    pub const fn messages(self) -> u32 {
        self.messages
    }

    /// Whether an entry of that id is still known at that time, in milliseconds since 1970.
    fn covers(self, id: StreamId, now: u64) -> bool {
        id.ms.saturating_add(u64::from(self.seconds) * 1_000) > now
    }
}

/// 100 seconds, and 100 messages of each producer.
impl Default for Retention {
    fn default() -> Self {
        Retention { seconds: 100, messages: 100 }
    }
}

/// See the [module](self). A clone is O(producers), and shares their messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Producers {
    retention: Retention,
    /// How many messages were ever added, and how many were not, as they had been before.
    pub added: u64,
    pub duplicates: u64,
    all: BTreeMap<Bytes, Arc<Producer>>,
    oldest: BTreeSet<(StreamId, Bytes)>,
    tracked: usize,
    /// What the producers and their messages hold, in bytes.
    held: usize,
}

/// The messages of one, by their entries and by the ids that it gave them.
#[derive(Clone, Debug, Default)]
struct Producer {
    order: VecDeque<(StreamId, Bytes)>,
    ids: HashMap<Bytes, StreamId, ahash::RandomState>,
}

impl Producers {
    pub(crate) fn of(retention: Retention) -> Self {
        Producers { retention, ..Producers::default() }
    }

    pub(crate) fn retention(&self) -> Retention {
        self.retention
    }

    /// Forgets all messages, if that is another retention than before. O(messages)
    pub(crate) fn retain(&mut self, retention: Retention) {
        if retention != self.retention {
            let (added, duplicates) = (self.added, self.duplicates);
            *self = Producers { retention, added, duplicates, ..Producers::default() };
        }
    }

    /// The entry of a producer's message, if that is known at that time. O(log producers)
    pub(crate) fn get(&self, producer: &[u8], message: &[u8], now: u64) -> Option<StreamId> {
        let id = *self.all.get(producer)?.ids.get(message)?;
        self.retention.covers(id, now).then_some(id)
    }

    /// Notes a message of a file; false if it is known already. As [`insert`](Self::insert)
    pub(crate) fn restore(&mut self, producer: &[u8], message: &[u8], id: StreamId) -> bool {
        let is_known = self.all.get(producer).is_some_and(|own| own.ids.contains_key(message));
        if !is_known {
            self.insert(producer, message, id);
        }
        !is_known
    }

    /// Notes a message that is not known, and forgets the oldest of its producer if those are too many. O(log
    /// producers), if the entry is the producer's last.
    pub(crate) fn insert(&mut self, producer: &[u8], message: &[u8], id: StreamId) {
        let (name, mut messages) = match self.all.remove_entry(producer) {
            Some((name, messages)) => {
                self.unlink(&name, &messages);
                (name, messages)
            }
            None => {
                let name = Bytes::from(producer);
                self.held += bytes_of_producer(&name);
                (name, Arc::default())
            }
        };
        let own = Arc::make_mut(&mut messages);
        let message = Bytes::from(message);
        if own.ids.insert(message.clone(), id).is_some() {
            // One that is over, and has not been forgotten yet.
            own.order.retain(|(_, other)| *other != message);
            self.tracked -= 1;
            self.held -= bytes_of_message(&message);
        }
        self.tracked += 1;
        self.held += bytes_of_message(&message);
        own.order.insert(own.order.partition_point(|(other, _)| *other <= id), (id, message));
        if own.order.len() > self.retention.messages as usize {
            self.forget_first(own);
        }
        self.link(name, messages);
    }

    /// Forgets what is over at that time. O(log producers) for each message of it.
    pub(crate) fn expire(&mut self, now: u64) {
        while let Some((first, _)) = self.oldest.first() {
            if self.retention.covers(*first, now) {
                return;
            }
            let Some((_, name)) = self.oldest.pop_first() else { return };
            let Some(mut messages) = self.all.remove(&name) else { return };
            let own = Arc::make_mut(&mut messages);
            while own.order.front().is_some_and(|(id, _)| !self.retention.covers(*id, now)) {
                self.forget_first(own);
            }
            self.link(name, messages);
        }
    }

    /// Whether anything is over at that time. O(1)
    pub(crate) fn has_expired(&self, now: u64) -> bool {
        self.oldest.first().is_some_and(|(first, _)| !self.retention.covers(*first, now))
    }

    /// How many producers have a message that is known at that time, and how many messages those are. O(producers *
    /// log messages)
    pub(crate) fn count(&self, now: u64) -> (usize, usize) {
        if !self.has_expired(now) {
            return (self.all.len(), self.tracked);
        }
        let live = |messages: &Arc<Producer>| {
            let order = &messages.order;
            order.len() - order.partition_point(|(id, _)| !self.retention.covers(*id, now))
        };
        let counts = self.all.values().map(live).filter(|count| *count > 0);
        counts.fold((0, 0), |(producers, messages), count| (producers + 1, messages + count))
    }

    /// Whether there ever was a message.
    #[cfg(feature = "commands")]
    pub(crate) fn has_counted(&self) -> bool {
        self.added > 0 || self.duplicates > 0
    }

    /// The producers in the order of their names, with their messages in the order of their entries.
    pub(crate) fn iter(
        &self,
    ) -> impl ExactSizeIterator<Item = (&Bytes, impl ExactSizeIterator<Item = &(StreamId, Bytes)>)> {
        self.all.iter().map(|(name, messages)| (name, messages.order.iter()))
    }

    /// Heap memory, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        ARC + size_of::<Producers>() + self.held
    }

    #[cfg(any(test, fuzzing))]
    pub(super) fn recount(&self) -> usize {
        let messages = self.all.values().flat_map(|messages| &messages.order);
        let held = messages.map(|(_, message)| bytes_of_message(message)).sum::<usize>()
            + self.all.keys().map(bytes_of_producer).sum::<usize>();
        assert_eq!(self.tracked, self.all.values().map(|messages| messages.order.len()).sum::<usize>());
        for (name, messages) in &self.all {
            assert!(messages.order.iter().is_sorted_by_key(|(id, _)| *id));
            assert!(messages.order.iter().all(|(id, message)| messages.ids.get(message) == Some(id)));
            assert_eq!(messages.order.len(), messages.ids.len());
            assert!(messages.order.len() <= self.retention.messages as usize);
            assert!(self.oldest.contains(&(messages.order[0].0, name.clone())));
        }
        assert_eq!(self.oldest.len(), self.all.len());
        self.bytes() - self.held + held
    }

    fn forget_first(&mut self, own: &mut Producer) {
        if let Some((_, message)) = own.order.pop_front() {
            own.ids.remove(&message);
            self.tracked -= 1;
            self.held -= bytes_of_message(&message);
        }
    }

    fn link(&mut self, name: Bytes, messages: Arc<Producer>) {
        match messages.order.front() {
            Some((first, _)) => {
                self.oldest.insert((*first, name.clone()));
                self.all.insert(name, messages);
            }
            None => self.held -= bytes_of_producer(&name),
        }
    }

    fn unlink(&mut self, name: &Bytes, messages: &Producer) {
        if let Some((first, _)) = messages.order.front() {
            self.oldest.remove(&(*first, name.clone()));
        }
    }
}

/// A message's place in both its producer's tables, with the room that a table of hashes keeps free.
fn bytes_of_message(message: &Bytes) -> usize {
    3 * (size_of::<StreamId>() + size_of::<Bytes>()) + message.heap_bytes()
}

/// The same for a producer.
fn bytes_of_producer(name: &Bytes) -> usize {
    let places = size_of::<(Bytes, Arc<Producer>)>() + size_of::<(StreamId, Bytes)>();
    ARC + size_of::<Producer>() + 2 * places + name.heap_bytes()
}

/// What a message is called whose producer gives it no id: by its fields, in whatever order they stand. O(bytes)
///
/// It is Redis's, so that what it has written is known here: of each field and its value, one behind the other, the
/// hash (XXH3 of 128 bits), and the exclusive or of those.
#[cfg(feature = "commands")]
pub(crate) fn message_of(fields: &[(&[u8], &[u8])]) -> [u8; 16] {
    let pairs = fields.iter().map(|(name, value)| {
        let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
        hash.update(name);
        hash.update(value);
        hash.digest128()
    });
    let hash = pairs.fold(0, |sum, hash| sum ^ hash);
    let (high, low) = ((hash >> 64) as u64, hash as u64);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&low.to_le_bytes());
    bytes[8..].copy_from_slice(&high.to_le_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Debug)]
    enum Op {
        /// A message of a producer's, so long after the one before.
        Add(u8, u8, u64),
        /// One for an entry that has been there for so long.
        Record(u8, u8, u64),
        Wait(u64),
        Retain(u32, u32),
        Clone,
        Restore,
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            8 => (0_u8..4, 0_u8..12, 0_u64..400).prop_map(|(of, message, ms)| Op::Add(of, message, ms)),
            2 => (0_u8..4, 0_u8..12, 0_u64..3_000).prop_map(|(of, message, ms)| Op::Record(of, message, ms)),
            2 => (0_u64..2_500).prop_map(Op::Wait),
            1 => (1_u32..4, 1_u32..5).prop_map(|(seconds, messages)| Op::Retain(seconds, messages)),
            1 => Just(Op::Clone),
            1 => Just(Op::Restore),
        ]
    }

    /// Every message that may still be known, oldest first.
    #[derive(Clone, Debug, Default)]
    struct Model {
        retention: Retention,
        messages: Vec<(Vec<u8>, Vec<u8>, StreamId)>,
    }

    impl Model {
        fn live(&self, now: u64) -> impl Iterator<Item = &(Vec<u8>, Vec<u8>, StreamId)> {
            let seconds = u64::from(self.retention.seconds());
            self.messages.iter().filter(move |(_, _, id)| id.ms + seconds * 1_000 > now)
        }

        fn add(&mut self, of: &[u8], message: &[u8], id: StreamId, now: u64) {
            let live: Vec<_> = self.live(now).cloned().collect();
            self.messages = live;
            self.messages.push((of.into(), message.into(), id));
            self.messages.sort_by_key(|(_, _, id)| *id);
            let count = self.messages.iter().filter(|(other, _, _)| other == of).count();
            if count > self.retention.messages() as usize {
                let first = self.messages.iter().position(|(other, _, _)| other == of).unwrap();
                self.messages.remove(first);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn knows_what_a_list_of_all_messages_says(ops in prop::collection::vec(op(), 1..80)) {
            let (mut now, mut seq) = (100_000, 0);
            let retention = Retention::new(2, 3).unwrap();
            let mut pair = (Producers::of(retention), Model { retention, messages: Vec::new() });
            let mut saved = pair.clone();
            for op in ops {
                let (producers, model) = &mut pair;
                match op {
                    Op::Add(of, message, _) | Op::Record(of, message, _) => {
                        let ms = match op {
                            Op::Record(_, _, ago) => now - ago,
                            Op::Add(_, _, after) => { now += after; now }
                            _ => now,
                        };
                        seq += 1;
                        let id = StreamId::new(ms, seq);
                        let (of, message) = (vec![of; 1 + 40 * usize::from(of)], vec![message]);
                        let known = model.live(now).find(|it| it.0 == of && it.1 == message).map(|it| it.2);
                        prop_assert_eq!(producers.get(&of, &message, now), known);
                        if known.is_none() {
                            producers.expire(now);
                            producers.insert(&of, &message, id);
                            model.add(&of, &message, id, now);
                        }
                    }
                    Op::Wait(ms) => now += ms,
                    Op::Retain(seconds, messages) => {
                        let retention = Retention::new(seconds, messages).unwrap();
                        producers.retain(retention);
                        if retention != model.retention {
                            *model = Model { retention, messages: Vec::new() };
                        }
                    }
                    Op::Clone => saved = pair.clone(),
                    Op::Restore => pair = saved.clone(),
                }
                let (producers, model) = &pair;
                let mut names: Vec<_> = model.live(now).map(|it| &it.0).collect();
                names.sort();
                names.dedup();
                prop_assert_eq!(producers.count(now), (names.len(), model.live(now).count()));
                prop_assert_eq!(producers.bytes(), producers.recount());
            }
        }
    }

    #[cfg(feature = "commands")]
    #[test]
    fn a_message_without_an_id_is_called_by_its_fields_in_any_order() {
        let name = |fields: &[(&[u8], &[u8])]| message_of(fields);
        assert_eq!(name(&[(b"a", b"1"), (b"b", b"2")]), name(&[(b"b", b"2"), (b"a", b"1")]));
        assert_ne!(name(&[(b"a", b"1"), (b"b", b"2")]), name(&[(b"a", b"2"), (b"b", b"1")]));
        // The published hash of the empty input.
        assert_eq!(name(&[(b"", b"")]), 0x99aa_06d3_0147_98d8_6001_c324_468d_497f_u128.to_le_bytes());
    }
}
