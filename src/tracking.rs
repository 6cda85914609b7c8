//! Who has read which keys into a cache of its own, and is told when they change: `CLIENT TRACKING`.
//!
//! A session is written down for a key before it reads it, and taken out by the first change to it, which sends it
//! an invalidation. Whoever writes does so under the lock of the key's shard, so one of the two sees the other: the
//! reader the new value, or the writer the reader. No invalidation is missed. Names are those of keys in any
//! database, as in Redis.
//!
//! The locks here are leaves: they are taken under a shard's, and nothing but inboxes is locked under them.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Bound;

use smallvec::SmallVec;

use crate::Bytes;
use crate::keyspace::Hasher;
use crate::pubsub::{Message, Origin, Subscription};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use crate::sync::{Arc, Mutex, RwLock, thread_local};
use crate::wake::Wakes;

/// Parts of the table, each with a lock of its own.
const PARTS: usize = 16;
/// Keys that are kept as long as nobody has said otherwise.
const MOST: usize = 1_000_000;

/// See the [module](self).
pub(crate) struct Tracking {
    /// How many trackers are on, and keys in the table: all that is looked at by writers as long as there is none.
    active: AtomicUsize,
    trackers: RwLock<Vec<Arc<Tracker>>>,
    table: [Mutex<Part>; PARTS],
    keys: AtomicUsize,
    most: AtomicUsize,
    hasher: Hasher,
}

/// In an order, so that what goes when there are too many is the same for a seed.
type Part = BTreeMap<Bytes, SmallVec<[Arc<Tracker>; 2]>>;

/// Where a session is told what it has not asked for.
pub(crate) struct Ear {
    pub id: u64,
    pub mail: Arc<Subscription>,
    /// 3 for RESP3; 2 for RESP2 while it listens to channels; else 0: a reply would be taken for another's.
    takes: AtomicU8,
}

/// A session that keeps a cache, or has kept one.
pub(crate) struct Tracker {
    ear: Arc<Ear>,
    is_on: AtomicBool,
    state: Mutex<State>,
}

/// How a session wants to be told.
#[derive(Clone, Default)]
pub(crate) struct Options {
    /// Of all keys with these prefixes, read or not.
    pub broadcast: bool,
    pub prefixes: Vec<Bytes>,
    /// Only of keys that it reads behind `CLIENT CACHING YES`.
    pub opt_in: bool,
    /// Of all keys but those that it reads behind `CLIENT CACHING NO`.
    pub opt_out: bool,
    /// Not of what it does itself.
    pub no_loop: bool,
    /// Another session is told.
    pub redirect: Option<Arc<Ear>>,
}

#[derive(Default)]
struct State {
    options: Options,
    is_broken: bool,
}

/// How many there are, for INFO.
pub(crate) struct Counts {
    pub clients: usize,
    pub keys: usize,
    pub items: usize,
    pub prefixes: usize,
}

thread_local! {
    /// Whose command this thread carries out; 0 for nobody's.
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

/// Says whose command the thread carries out, until it is dropped.
pub(crate) struct As(u64);

impl As {
    pub(crate) fn client(id: u64) -> Self {
        As(CURRENT.with(|current| current.replace(id)))
    }
}

impl Drop for As {
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.0));
    }
}

impl Ear {
    pub(crate) fn new(id: u64, mail: Subscription) -> Arc<Self> {
        Arc::new(Ear { id, mail: Arc::new(mail), takes: AtomicU8::new(0) })
    }

    /// See `takes`.
    pub(crate) fn set_takes(&self, takes: u8) {
        self.takes.store(takes, Ordering::Release);
    }
}

impl Tracking {
    /// Of nobody, with parts that are chosen as the store's shards are.
    pub(crate) fn new(hasher: Hasher) -> Self {
        Tracking {
            active: AtomicUsize::new(0),
            trackers: RwLock::default(),
            table: std::array::from_fn(|_| Mutex::default()),
            keys: AtomicUsize::new(0),
            most: AtomicUsize::new(MOST),
            hasher,
        }
    }

    /// Whether anybody is to be told of changes. Relaxed will do: who has read what a writer changes has let its
    /// shard's lock go before the writer took it.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.active.load(Ordering::Relaxed) != 0
    }

    /// How many keys are kept at the most; 0 for any number.
    pub(crate) fn set_most(&self, most: usize) {
        self.most.store(if most == 0 { usize::MAX } else { most }, Ordering::Relaxed);
    }

    /// The same as others keep.
    pub(crate) fn keep_as_many(&self, others: &Tracking) {
        self.most.store(others.most.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Turns a tracker on, or has it told in another way.
    pub(crate) fn start(&self, tracker: &Arc<Tracker>, options: Options) {
        *tracker.state.lock() = State { options, is_broken: false };
        let mut trackers = self.trackers.write();
        if !tracker.is_on.swap(true, Ordering::AcqRel) {
            trackers.push(Arc::clone(tracker));
            self.active.fetch_add(1, Ordering::AcqRel);
        }
    }

    pub(crate) fn stop(&self, tracker: &Arc<Tracker>) {
        let mut trackers = self.trackers.write();
        if tracker.is_on.swap(false, Ordering::AcqRel) {
            trackers.retain(|other| !Arc::ptr_eq(other, tracker));
            self.active.fetch_sub(1, Ordering::AcqRel);
        }
        drop(trackers);
        *tracker.state.lock() = State::default();
    }

    /// The same of a session that goes. With the last one all that was read is forgotten: then writers pay nothing.
    pub(crate) fn leave(&self, tracker: &Arc<Tracker>) {
        self.stop(tracker);
        // Nobody new reads anything meanwhile.
        let trackers = self.trackers.read();
        if trackers.is_empty() {
            self.forget_all();
        }
    }

    /// A session is about to read a key. To be said before it does.
    pub(crate) fn remember(&self, tracker: &Arc<Tracker>, key: &Bytes, wakes: &mut Wakes) {
        let mut part = self.part(key).lock();
        let readers = part.entry(key.clone()).or_insert_with(|| {
            self.count_keys(1, AtomicUsize::fetch_add);
            SmallVec::new()
        });
        if !readers.iter().any(|reader| Arc::ptr_eq(reader, tracker)) {
            // Those who have gone are not kept for as long as the key is not written.
            if readers.len() == readers.capacity() {
                readers.retain(|reader| reader.is_on());
            }
            readers.push(Arc::clone(tracker));
        }
        drop(part);
        while self.keys.load(Ordering::Relaxed) > self.most.load(Ordering::Relaxed) {
            if !self.forget_one(key, wakes) {
                break;
            }
        }
    }

    /// Whether the session is still to be told of a change to the key.
    pub(crate) fn remembers(&self, tracker: &Arc<Tracker>, key: &Bytes) -> bool {
        let part = self.part(key).lock();
        part.get(key).is_some_and(|readers| readers.iter().any(|reader| Arc::ptr_eq(reader, tracker)))
    }

    /// A key has changed; said under its shard's lock. Who wants to hear of it has read it.
    pub(crate) fn changed(&self, key: &Bytes, wakes: &mut Wakes) {
        if let Some(readers) = self.take(key) {
            let keys: Arc<[Bytes]> = Arc::new([key.clone()]);
            readers.iter().for_each(|reader| reader.invalidate(&keys, wakes));
        }
    }

    /// The keys that one operation has changed, to those who want to hear of all with a prefix.
    pub(crate) fn broadcast(&self, mut keys: Vec<Bytes>, wakes: &mut Wakes) {
        keys.sort_unstable();
        keys.dedup();
        for tracker in &*self.trackers.read() {
            let state = tracker.state.lock();
            if !state.options.broadcast || state.is_own() && tracker.is_current() {
                continue;
            }
            let mut broken = false;
            for prefix in &state.options.prefixes {
                let with: Arc<[Bytes]> = keys.iter().filter(|key| key.starts_with(prefix)).cloned().collect();
                if !with.is_empty() {
                    broken |= !tracker.send(&state, Some(with), wakes);
                }
            }
            tracker.note(state, broken);
        }
    }

    /// All keys may have changed. To be said afterwards: what is read meanwhile is still told.
    pub(crate) fn changed_all(&self, wakes: &mut Wakes) {
        self.forget_all();
        for tracker in &*self.trackers.read() {
            let state = tracker.state.lock();
            let broken = !tracker.send(&state, None, wakes);
            tracker.note(state, broken);
        }
    }

    /// O(keys)
    pub(crate) fn counts(&self) -> Counts {
        let items = |part: &Mutex<Part>| part.lock().values().map(SmallVec::len).sum::<usize>();
        let trackers = self.trackers.read();
        let prefixes = trackers.iter().flat_map(|tracker| tracker.state.lock().options.prefixes.clone());
        let prefixes: std::collections::BTreeSet<Bytes> = prefixes.collect();
        Counts {
            clients: trackers.len(),
            keys: self.keys.load(Ordering::Relaxed),
            items: self.table.iter().map(items).sum(),
            prefixes: prefixes.len(),
        }
    }

    /// Makes room by the loss of a key, other than that one if there is one: those who read it are told.
    fn forget_one(&self, spared: &Bytes, wakes: &mut Wakes) -> bool {
        // The next one behind it, in another part first: so those go that no order prefers.
        let begin = self.place(spared) + 1;
        for part in self.table.iter().cycle().skip(begin).take(PARTS) {
            let victim = {
                let part = part.lock();
                let behind = (Bound::Excluded(spared), Bound::Unbounded);
                let next = part.range::<Bytes, _>(behind).next().map(|(key, _)| key);
                next.or_else(|| part.keys().find(|key| *key != spared)).cloned()
            };
            if let Some(key) = victim {
                self.changed(&key, wakes);
                return true;
            }
        }
        false
    }

    fn take(&self, key: &Bytes) -> Option<SmallVec<[Arc<Tracker>; 2]>> {
        let mut part = self.part(key).lock();
        let readers = part.remove(key)?;
        self.count_keys(1, AtomicUsize::fetch_sub);
        Some(readers)
    }

    fn forget_all(&self) {
        for part in &self.table {
            let mut part = part.lock();
            let gone = std::mem::take(&mut *part);
            self.count_keys(gone.len(), AtomicUsize::fetch_sub);
        }
    }

    /// Counts keys that came or went, under the lock of their part.
    fn count_keys(&self, keys: usize, step: fn(&AtomicUsize, usize, Ordering) -> usize) {
        step(&self.keys, keys, Ordering::Relaxed);
        step(&self.active, keys, Ordering::Relaxed);
    }

    fn part(&self, key: &Bytes) -> &Mutex<Part> {
        // In range: a remainder of the length.
        &self.table[self.place(key)]
    }

    fn place(&self, key: &Bytes) -> usize {
        (self.hasher.hash(key) >> 32) as usize % PARTS
    }
}

impl Tracker {
    /// One that is off.
    pub(crate) fn new(ear: Arc<Ear>) -> Arc<Self> {
        Arc::new(Tracker { ear, is_on: AtomicBool::new(false), state: Mutex::default() })
    }

    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    pub(crate) fn options(&self) -> Options {
        self.state.lock().options.clone()
    }

    /// Who is to be told in its stead has gone.
    pub(crate) fn is_broken(&self) -> bool {
        self.state.lock().is_broken
    }

    /// Tells of one key, unless it was its own doing and it does not want to hear of that.
    pub(crate) fn invalidate(&self, keys: &Arc<[Bytes]>, wakes: &mut Wakes) {
        let state = self.state.lock();
        if !self.is_on() || state.options.broadcast || state.is_own() && self.is_current() {
            return;
        }
        let broken = !self.send(&state, Some(Arc::clone(keys)), wakes);
        self.note(state, broken);
    }

    fn is_current(&self) -> bool {
        CURRENT.with(Cell::get) == self.ear.id
    }

    fn note(&self, mut state: crate::sync::MutexGuard<'_, State>, broken: bool) {
        state.is_broken |= broken;
    }

    /// False if there is nobody any more to send it to.
    fn send(&self, state: &State, keys: Option<Arc<[Bytes]>>, wakes: &mut Wakes) -> bool {
        let Some(other) = &state.options.redirect else {
            self.ear.post(3, Origin::Invalidation(keys), wakes);
            return true;
        };
        if other.mail.is_closed() {
            self.ear.post(3, Origin::BrokenRedirect(other.id), wakes);
            return false;
        }
        other.post(2, Origin::Invalidation(keys), wakes);
        true
    }
}

impl State {
    /// Whether it does not want to hear of its own doing.
    fn is_own(&self) -> bool {
        self.options.no_loop
    }
}

impl Ear {
    fn post(&self, least: u8, origin: Origin, wakes: &mut Wakes) {
        if self.takes.load(Ordering::Acquire) >= least {
            self.mail.post(Message::unasked(origin, Bytes::new()), wakes);
        }
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;
    use crate::Store;

    fn tracker(store: &Store, id: u64) -> Arc<Tracker> {
        Tracker::new(Ear::new(id, store.subscribe(["none"])))
    }

    /// One that reads is a new client each time, and goes; the key stays as it is.
    #[test]
    fn those_who_have_gone_are_not_kept_for_a_key_that_nobody_writes() {
        let (store, key) = (Store::new(), Bytes::from("k"));
        let tracking = Tracking::new(Hasher::new(None));
        let stays = tracker(&store, 0);
        tracking.start(&stays, Options::default());
        tracking.remember(&stays, &key, &mut Wakes::default());
        for id in 1..10_000 {
            let leaves = tracker(&store, id);
            tracking.start(&leaves, Options::default());
            tracking.remember(&leaves, &key, &mut Wakes::default());
            tracking.leave(&leaves);
            assert!(tracking.counts().items <= 8);
        }
        assert!(tracking.remembers(&stays, &key));
    }
}
