//! What was handed over to the thread that talks to Redis, and what is remembered while there is none to talk to.
//!
//! - What is asked and written waits in a queue, first in, first out: so what a cache asks for is asked behind what it
//!   has removed before.
//! - While Redis is away nothing waits: what is asked is answered with nothing, what is written is dropped, and what is
//!   removed is remembered, to be removed before anything else is done there.
//!
//! The lock here is a leaf: it is taken under those of a store's shards.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Arc, Weak};

use hashbrown::HashSet;

use super::Options;
use super::keys::Keys;
use super::record::{self, Id};
use super::stats::Counters;
use super::worker::LONGEST;
use crate::Bytes;
use crate::cache::second::pending::Pending;
use crate::cache::second::{FirstLevel, Record, Removal};
use crate::clock::Clock;
use crate::rng::mix;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Condvar, Mutex};
use crate::{Error, Result};

/// What is to be done, in one piece. Names are those of [`Keys::of_cache`].
pub(super) enum Request {
    Read(Read),
    /// Puts this in the place that is known by its mark, or takes that away.
    Store {
        name: Bytes,
        mark: Bytes,
        value: Option<Value>,
    },
    Insert {
        name: Bytes,
        value: Value,
    },
    Remove(Removal),
}

/// Keys that are asked for; without an answer it gives nothing.
pub(super) struct Read {
    pub cache: Arc<str>,
    pub names: Vec<Bytes>,
    pub pending: Arc<Pending>,
}

/// A record on its way to Redis.
pub(super) struct Value {
    pub bytes: Vec<u8>,
    /// How long it was to be kept when it was handed over, in milliseconds, and when that was.
    life: u64,
    since: u64,
}

/// What the thread is to do next.
pub(super) enum Work {
    Connect,
    Batch(Vec<Request>),
    /// Nothing: to see whether the connections are.
    Beat,
    /// The connection for what others change has broken.
    Broken,
}

/// A cache, by its name.
type Attached = (Arc<str>, Weak<dyn FirstLevel>);

/// What a tier's threads and handles share.
pub(super) struct Shared {
    pub options: Options,
    pub counters: Counters,
    /// The last time on Redis's removals' line that was seen.
    pub removals: AtomicU64,
    /// What others know this process by.
    pub me: u64,
    serial: AtomicU64,
    /// The caches, by their names; those that are closed too, since what was removed from them may be remembered.
    caches: Mutex<Vec<Attached>>,
    state: Mutex<State>,
    /// Tells the thread.
    woken: Condvar,
    /// Tells those who wait until all is done.
    progress: Condvar,
}

#[derive(Default)]
struct State {
    mode: Mode,
    queue: VecDeque<Request>,
    /// Removed while Redis was away.
    kept: HashSet<Removal, ahash::RandomState>,
    /// How much was handed over, and of that, how much is done.
    handed: u64,
    done: u64,
    /// What is in the first level may be older than what others have changed.
    may_be_outdated: bool,
    is_broken: bool,
    is_stopped: bool,
    /// Nobody waits for the first connection for longer.
    waits_until: u64,
    /// No connection is tried before that.
    retry_at: u64,
    beat_at: u64,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Mode {
    /// It is not known yet whether Redis is there: what is handed over waits.
    #[default]
    Unknown,
    Up,
    Away,
}

impl Shared {
    /// Removals that are remembered while Redis is away.
    const KEPT: usize = if crate::TINY { 8 } else { 65_536 };

    pub(super) fn new(options: Options) -> Arc<Self> {
        // Of the process's own chance, so that no two are alike.
        let me = ahash::RandomState::new().hash_one(Clock::System.wall());
        let waits_until = Clock::System.now().saturating_add(options.timeout);
        Arc::new(Shared {
            options,
            counters: Counters::default(),
            removals: AtomicU64::new(0),
            me,
            serial: AtomicU64::new(0),
            caches: Mutex::default(),
            state: Mutex::new(State { waits_until, ..State::default() }),
            woken: Condvar::new(),
            progress: Condvar::new(),
        })
    }

    /// An id that nothing else has.
    pub(super) fn id(&self) -> Id {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        (u128::from(self.me) << 64 | u128::from(mix(serial))).to_le_bytes()
    }

    /// # Errors
    /// [`Error::CacheInUse`]
    pub(super) fn connect(&self, name: &Arc<str>, first: Weak<dyn FirstLevel>) -> Result<()> {
        let mut caches = self.caches.lock();
        match caches.iter_mut().find(|(other, _)| other == name) {
            Some((_, other)) if other.strong_count() > 0 => return Err(Error::CacheInUse(name.to_string())),
            Some((_, other)) => *other = first,
            None => caches.push((Arc::clone(name), first)),
        }
        Ok(())
    }

    pub(super) fn cache_names(&self) -> Vec<Arc<str>> {
        self.caches.lock().iter().map(|(name, _)| Arc::clone(name)).collect()
    }

    /// Has what others have changed go from the first levels. No lock may be held.
    pub(super) fn outdate(&self, removal: &Removal) {
        let its = |name: &str| match removal {
            Removal::Key(key) => Keys::in_cache(name, key).map(Removal::Key),
            Removal::Cache(cache) => (**cache == *name).then(|| removal.clone()),
            Removal::Tag(_) | Removal::EveryTag | Removal::Everything => Some(removal.clone()),
        };
        let caches: Vec<_> = {
            let caches = self.caches.lock();
            caches.iter().filter_map(|(name, cache)| Some((its(name)?, cache.upgrade()?))).collect()
        };
        caches.iter().for_each(|(removal, cache)| cache.outdated(removal));
    }

    /// Hands something over, to be done behind who does. Never waits. O(1)
    pub(super) fn push(&self, request: Request) {
        let refused = {
            let mut state = self.state.lock();
            state.handed += 1;
            if state.is_stopped || state.mode == Mode::Away {
                state.refuse([request], self)
            } else {
                let (len, limit) = (state.queue.len(), self.options.queue);
                match request {
                    Request::Read(_) | Request::Store { .. } if len >= limit => state.refuse([request], self),
                    // What is there now must go, even if the new value cannot come.
                    Request::Insert { name, .. } if len >= limit => {
                        Counters::add(&self.counters.dropped);
                        state.queue.push_back(Request::Remove(Removal::Key(name)));
                        Vec::new()
                    }
                    Request::Remove(_) if len >= limit.saturating_mul(4).max(Self::KEPT) => {
                        state.remove_everything(self);
                        Vec::new()
                    }
                    request => {
                        state.queue.push_back(request);
                        Vec::new()
                    }
                }
            }
        };
        self.woken.notify_all();
        answer_nothing(refused);
    }

    /// Waits until all that was handed over before is done; gives whether it is.
    pub(super) fn flush(&self, deadline: u64) -> bool {
        let mut state = self.state.lock();
        let handed = state.handed;
        while state.done < handed {
            if Clock::System.now() >= deadline {
                return false;
            }
            Clock::System.wait(&self.progress, &mut state, deadline);
        }
        true
    }

    /// What the thread does next, once there is something; none if there is nothing left to do.
    pub(super) fn next(&self, is_connected: bool) -> Option<Work> {
        let mut state = self.state.lock();
        loop {
            let until = match is_connected {
                true if state.is_broken => return Some(Work::Broken),
                true if !state.queue.is_empty() => return Some(Work::Batch(state.batch())),
                _ if state.is_stopped => return None,
                true => state.beat_at,
                false => state.retry_at,
            };
            let now = Clock::System.now();
            if now >= until {
                state.beat_at = now.saturating_add(self.options.pause);
                return Some(if is_connected { Work::Beat } else { Work::Connect });
            }
            Clock::System.wait(&self.woken, &mut state, until);
        }
    }

    /// What was taken from the queue is done.
    pub(super) fn done(&self) {
        let mut state = self.state.lock();
        state.done = state.handed - state.queue.len() as u64;
        self.progress.notify_all();
    }

    /// The connection for what others change has broken.
    pub(super) fn broken(&self) {
        self.state.lock().is_broken = true;
        self.woken.notify_all();
    }

    /// There are new connections: none has broken yet.
    pub(super) fn mended(&self) {
        self.state.lock().is_broken = false;
    }

    /// Redis is away, with this left undone.
    pub(super) fn lost(&self, batch: Vec<Request>) {
        let refused = {
            let mut state = self.state.lock();
            state.mode = Mode::Away;
            state.retry_at = Clock::System.now().saturating_add(self.options.pause);
            let queue = mem::take(&mut state.queue);
            state.refuse(batch.into_iter().chain(queue), self)
        };
        answer_nothing(refused);
    }

    /// There are connections, and what others change is heard from now on: what was loaded before may be outdated.
    pub(super) fn connected(&self) {
        let is_outdated = {
            let state = self.state.lock();
            // Whoever has waited for the first connection in vain has loaded without it.
            state.may_be_outdated || (state.mode == Mode::Unknown && Clock::System.now() >= state.waits_until)
        };
        if is_outdated {
            self.outdate(&Removal::Everything);
        }
    }

    /// What was removed while Redis was away, and is to be removed there before anything else is done; once there is
    /// nothing, none: Redis is back, from the same moment on.
    pub(super) fn kept(&self) -> Option<Vec<Removal>> {
        let mut state = self.state.lock();
        if state.kept.is_empty() {
            state.is_back(self);
            return None;
        }
        // Not all at once: each batch has its own time.
        let some: Vec<_> = state.kept.iter().take(State::KEYS).cloned().collect();
        some.iter().for_each(|removal| _ = state.kept.remove(removal));
        Some(some)
    }

    pub(super) fn is_away(&self) -> bool {
        self.state.lock().mode == Mode::Away
    }

    pub(super) fn is_up(&self) -> bool {
        self.state.lock().mode == Mode::Up
    }

    /// The last handle is gone: what stands in the queue is done if it can be, and then the threads end.
    pub(super) fn stop(&self) {
        let mut state = self.state.lock();
        state.is_stopped = true;
        self.woken.notify_all();
    }
}

/// What it takes to ask for a key, roughly: each of the commands has its name but one.
fn asked_bytes(name: &Bytes) -> usize {
    4 * (64 + name.len())
}

impl Read {
    /// Questions for all of these, of which none is more than goes in one batch.
    pub fn of(cache: &Arc<str>, names: Vec<Bytes>) -> Vec<Read> {
        let (mut reads, mut part, mut bytes) = (Vec::new(), Vec::new(), 0);
        let read = |names: Vec<Bytes>| Read {
            cache: Arc::clone(cache),
            pending: Arc::new(Pending::new(names.len())),
            names,
        };
        for name in names {
            bytes += asked_bytes(&name);
            if part.len() == State::KEYS || (bytes > State::BYTES && !part.is_empty()) {
                reads.push(read(mem::take(&mut part)));
                bytes = asked_bytes(&name);
            }
            part.push(name);
        }
        reads.push(read(part));
        reads
    }
}

impl Request {
    /// How many keys it is about, and how many bytes it carries.
    fn size(&self) -> (usize, usize) {
        match self {
            Request::Read(read) => (read.names.len(), read.names.iter().map(asked_bytes).sum()),
            Request::Store { value, .. } => (1, value.as_ref().map_or(0, |value| value.bytes.len())),
            Request::Insert { value, .. } => (1, value.bytes.len()),
            Request::Remove(_) => (1, 0),
        }
    }
}

impl State {
    /// Keys of one batch: so that replies come while they are of use.
    const KEYS: usize = 256;
    /// Bytes of one batch: they are sent before a reply is read, and a server may read no more before it could send its
    /// replies. So no more than sockets take by themselves; but for a value that is longer, which goes alone.
    const BYTES: usize = 128 << 10;

    /// Takes what is done next, in one go.
    fn batch(&mut self) -> Vec<Request> {
        let (mut batch, mut keys, mut bytes) = (Vec::new(), 0, 0);
        while let Some(request) = self.queue.pop_front() {
            let (its_keys, its_bytes) = request.size();
            keys += its_keys;
            bytes += its_bytes;
            if !batch.is_empty() && (keys > Self::KEYS || bytes > Self::BYTES) {
                self.queue.push_front(request);
                break;
            }
            batch.push(request);
        }
        batch
    }

    /// Has everything removed in the place of all that is to be removed and written.
    fn remove_everything(&mut self, shared: &Shared) {
        let is_read = |request: &Request| matches!(request, Request::Read(_));
        let (reads, others): (VecDeque<_>, VecDeque<_>) =
            mem::take(&mut self.queue).into_iter().partition(is_read);
        // None of them is a question.
        self.refuse(others, shared);
        self.kept.clear();
        // What is asked was asked behind some of what is removed. It stays, as who removes may hold locks, and who waits
        // for an answer is not to be woken under those.
        self.queue = reads;
        self.queue.push_front(Request::Remove(Removal::Everything));
    }

    /// Does without Redis; gives those who wait, to be told when the lock is free.
    fn refuse(&mut self, requests: impl IntoIterator<Item = Request>, shared: &Shared) -> Vec<Read> {
        let mut reads = Vec::new();
        for request in requests {
            match request {
                Request::Read(read) => {
                    Counters::add(&shared.counters.unasked);
                    self.may_be_outdated = true;
                    reads.push(read);
                }
                Request::Store { .. } => Counters::add(&shared.counters.dropped),
                Request::Insert { name, .. } => {
                    Counters::add(&shared.counters.dropped);
                    self.keep(Removal::Key(name));
                }
                Request::Remove(removal) => self.keep(removal),
            }
        }
        reads
    }

    fn keep(&mut self, removal: Removal) {
        if self.kept.contains(&Removal::Everything) {
            return;
        }
        if self.kept.len() >= Shared::KEPT {
            self.kept.clear();
            self.kept.insert(Removal::Everything);
        } else {
            self.kept.insert(removal);
        }
    }

    fn is_back(&mut self, shared: &Shared) {
        self.mode = Mode::Up;
        // What comes next is read by this connection; what is there when it breaks may be outdated.
        self.may_be_outdated = true;
        self.beat_at = Clock::System.now().saturating_add(shared.options.pause);
        self.done = self.handed - self.queue.len() as u64;
        shared.progress.notify_all();
    }
}

/// No lock may be held: those who wait are woken.
fn answer_nothing(reads: Vec<Read>) {
    reads.into_iter().for_each(|read| read.pending.answer(Vec::new()));
}

impl Value {
    pub(super) fn new(record: &Record, id: Id) -> Self {
        Value { bytes: record::encode(record, id), life: record.life, since: Clock::System.now() }
    }

    /// How long it is to be kept from now on: what it has waited counts.
    pub(super) fn left(&self) -> u64 {
        self.life.min(LONGEST).saturating_sub(Clock::System.now().saturating_sub(self.since)).max(1)
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use redis::Client;

    use super::super::RedisTier;
    use super::*;

    /// Of a tier without threads.
    fn shared(queue: usize) -> Arc<Shared> {
        let client = Client::open("redis://127.0.0.1:1/").unwrap();
        Shared::new(RedisTier::builder(client).queue(queue).0)
    }

    fn ask(shared: &Shared, names: &[Bytes]) -> Vec<Arc<Pending>> {
        let reads = Read::of(&"names".into(), names.to_vec());
        let pending = reads.iter().map(|read| Arc::clone(&read.pending)).collect();
        reads.into_iter().for_each(|read| shared.push(Request::Read(read)));
        pending
    }

    #[test]
    fn a_question_for_many_keys_goes_in_several_batches() {
        let shared = shared(10_000);
        let short = (0..1_000).map(|n| format!("names:{n}"));
        let long = (0..6).map(|n| format!("names:{n}{}", "x".repeat(20_000)));
        let names: Vec<_> = short.chain(long).map(|name| Bytes::from(&*name)).collect();
        let pending = ask(&shared, &names);
        let mut asked = Vec::new();
        while let Some(Work::Batch(batch)) = shared.next(true) {
            let (keys, bytes) = batch
                .iter()
                .map(Request::size)
                .fold((0, 0), |(keys, bytes), size| (keys + size.0, bytes + size.1));
            assert!(keys <= State::KEYS && bytes <= State::BYTES, "{keys} keys, {bytes} bytes");
            for request in batch {
                let Request::Read(read) = request else { panic!("nothing else was handed over") };
                // Of some of them nothing is told.
                read.pending.answer(read.names.iter().skip(1).map(|_| Default::default()).collect());
                asked.extend(read.names);
            }
        }
        assert_eq!(asked, names);
        assert_eq!(pending.iter().map(|part| part.wait(0).len()).sum::<usize>(), names.len());
    }

    /// Who removes may hold locks: nobody is woken there.
    #[test]
    fn more_removals_than_can_wait_answer_nobody() {
        let (shared, most) = (shared(4), Shared::KEPT.max(4 * 4));
        ask(&shared, &[Bytes::from("names:7")]);
        for n in 0..most {
            shared.push(Request::Remove(Removal::Key(Bytes::from(&*format!("names:{n}")))));
        }
        let Some(Work::Batch(batch)) = shared.next(true) else { panic!("something is to be done") };
        let [Request::Remove(Removal::Everything), Request::Read(read), ..] = &*batch else {
            panic!("it is asked behind what is removed")
        };
        assert_eq!(read.names, [Bytes::from("names:7")]);
        assert_eq!(shared.counters.unasked.load(Ordering::Relaxed), 0);
    }
}
