//! What a cache keeps for a key: the value as it is, or that there is none, and what is known of it.

use std::any::Any;
use std::sync::{Arc, OnceLock, Weak};

use super::near::{Home, slot};
use super::tags::Stamp;
use crate::Bytes;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::value::native::Native;

/// See the [module](self).
pub(super) struct Entry<K, V> {
    /// The removals' time at which it was last found in its table.
    checked: AtomicU64,
    is_current: AtomicBool,
    was_used: AtomicBool,
    /// None for a key of which the loader has said that there is nothing.
    pub value: Option<Arc<V>>,
    pub key: K,
    /// What the loader has called this state of the value.
    pub version: Option<Arc<str>>,
    pub life: Life,
    pub stamp: Stamp,
    /// How its value is encoded, where others may see it.
    form: Option<Arc<Form<V>>>,
    encoded: OnceLock<Option<Bytes>>,
    /// What it counts for.
    bytes: usize,
    home: Weak<dyn Home>,
    /// By which it is found at home.
    hash: u64,
    /// Counts when it is not to be found there any more without a look at it.
    turns: Arc<AtomicU64>,
}

/// When a value was stored, and what it may be used for until when: moments of the store's line.
pub(super) struct Life {
    pub stored_at: u64,
    /// Until then it is given, and nothing else is to be decided.
    pub quiet_until: u64,
    /// From then on it is loaded anew while it is served.
    pub refresh_at: u64,
    /// From then on it may be, by chance.
    pub early_from: u64,
    /// When its time is over, however often it is used.
    pub ends: u64,
    pub fresh_until: AtomicU64,
    /// So long after that it may be served while nothing better can be had.
    pub kept_for: u64,
    /// Until when it stays in its table.
    pub deadline: AtomicU64,
    /// How long it took to load, in milliseconds.
    pub took: u64,
    /// What its loader has said of its time to live, in milliseconds; 0 if nothing.
    pub own_ttl: u64,
    /// After a load that has failed: the next is not tried before.
    pub retry_at: AtomicU64,
}

/// How the values of a cache are encoded and decoded. The caller's code, run with no lock held.
pub(super) struct Form<V> {
    pub encode: Box<Encode<V>>,
    pub decode: Box<Decode<V>>,
}

pub(super) type Encode<V> = dyn Fn(&V) -> crate::Result<Bytes> + Send + Sync;
pub(super) type Decode<V> = dyn Fn(Bytes) -> Result<V, crate::DecodeError> + Send + Sync;

/// What an entry is made of.
pub(super) struct Parts<K, V> {
    pub key: K,
    pub value: Option<Arc<V>>,
    pub version: Option<Arc<str>>,
    pub life: Life,
    pub stamp: Stamp,
    pub form: Option<Arc<Form<V>>>,
    pub bytes: usize,
    pub home: Weak<dyn Home>,
    pub hash: u64,
    pub turns: Arc<AtomicU64>,
}

impl<K, V> Entry<K, V> {
    pub(super) fn new(parts: Parts<K, V>) -> Arc<Self> {
        let Parts { key, value, version, life, stamp, form, bytes, home, hash, turns } = parts;
        Arc::new(Entry {
            bytes: size_of::<Self>() + slot::<K, V>() + size_of::<V>() + stamp.bytes() + bytes,
            checked: AtomicU64::new(stamp.began),
            key,
            value,
            version,
            life,
            stamp,
            form,
            encoded: OnceLock::new(),
            is_current: AtomicBool::new(true),
            was_used: AtomicBool::new(false),
            home,
            hash,
            turns,
        })
    }

    /// It was found in its table, after the removals' time was this.
    pub(super) fn found(&self, removals: u64) {
        self.checked.fetch_max(removals, Ordering::AcqRel);
    }

    pub(super) fn checked(&self) -> u64 {
        self.checked.load(Ordering::Acquire)
    }

    /// It is in use. One that is so all the time is written no more.
    pub(super) fn note_use(&self) {
        if !self.was_used.load(Ordering::Relaxed) {
            self.was_used.store(true, Ordering::Relaxed);
        }
    }

    pub(super) fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Acquire)
    }

    pub(super) fn is_fresh(&self, now: u64) -> bool {
        now < self.life.fresh_until.load(Ordering::Acquire)
    }

    /// Whether it may be served, if nothing better can be had.
    pub(super) fn is_kept(&self, now: u64) -> bool {
        now < self.life.fresh_until.load(Ordering::Acquire).saturating_add(self.life.kept_for)
    }

    /// Until when it stays in its table.
    pub(super) fn deadline(&self) -> u64 {
        self.life.deadline.load(Ordering::Acquire)
    }

    /// Whether it is of the cache that this leads to, and not of one of the same name that was closed.
    pub(super) fn is_at_home<H: Home + 'static>(&self, home: &Weak<H>) -> bool {
        std::ptr::addr_eq(self.home.as_ptr(), home.as_ptr())
    }

    /// It was not put into a table, or has left it.
    pub(super) fn never_stood(&self) {
        self.is_current.store(false, Ordering::Release);
    }

    /// By which it is found at home.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }
}

impl<K: Send + Sync + 'static, V: Send + Sync + 'static> Native for Entry<K, V> {
    fn bytes(&self) -> usize {
        self.bytes
    }

    fn shown_until(&self) -> u64 {
        let is_shown = self.value.is_some()
            && self.form.is_some()
            && !matches!(self.encoded.get(), Some(None))
            && self.stamp.is_valid();
        if is_shown { self.life.fresh_until.load(Ordering::Acquire) } else { 0 }
    }

    fn encode(&self) {
        if self.encoded.get().is_none() {
            if let (Some(form), Some(value)) = (&self.form, &self.value) {
                // If two do it at once, they come to the same.
                let _ = self.encoded.set((form.encode)(value).ok());
            }
        }
    }

    fn encoded(&self) -> Option<&Bytes> {
        self.encoded.get()?.as_ref()
    }

    fn retire(&self) {
        self.is_current.store(false, Ordering::Release);
        self.turns.fetch_add(1, Ordering::AcqRel);
    }

    fn dropped(&self) {
        if !self.is_current() {
            if let Some(home) = self.home.upgrade() {
                home.forget(self.hash, std::ptr::from_ref(self).cast());
            }
        }
    }

    fn take_use(&self) -> bool {
        let was_used = self.was_used.swap(false, Ordering::Relaxed);
        if was_used {
            self.turns.fetch_add(1, Ordering::AcqRel);
        }
        was_used
    }

    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
