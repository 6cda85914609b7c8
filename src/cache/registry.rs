//! The caches of a store: their names, and what removes entries of all of them.

use std::sync::{Arc, Weak};

use hashbrown::HashMap;

use super::second::{Removal, SecondLevel};
use super::tags::{Tag, Tags};
use crate::sync::Mutex;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::{Bytes, Error, Result};

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Registry {
    pub tags: Tags,
    open: Mutex<Vec<Open>>,
    /// What all entries of a cache have in common. It outlives the cache as long as there are any, for the next of that
    /// name.
    own: Mutex<Own>,
    has_any: AtomicBool,
    has_second: AtomicBool,
}

type Own = HashMap<(u16, Arc<str>), Arc<Tag>, ahash::RandomState>;

struct Open {
    db: u16,
    name: Arc<str>,
    cache: Weak<dyn Cleared>,
    second: Option<Weak<dyn SecondLevel>>,
}

/// A cache that keeps entries beside the store's tables.
pub(crate) trait Cleared: Send + Sync {
    /// Forgets all of them: most have left the tables.
    fn clear(&self);
}

impl Registry {
    /// Notes a cache by its name.
    ///
    /// # Errors
    /// [`Error::CacheInUse`]
    pub(super) fn open(
        &self,
        db: u16,
        name: &Arc<str>,
        cache: Weak<dyn Cleared>,
        second: Option<&Arc<dyn SecondLevel>>,
    ) -> Result<()> {
        let mut open = self.open.lock();
        open.retain(|other| other.cache.strong_count() > 0);
        if open.iter().any(|other| other.db == db && other.name == *name) {
            return Err(Error::CacheInUse(name.to_string()));
        }
        self.has_any.store(true, Ordering::Release);
        self.has_second.fetch_or(second.is_some(), Ordering::AcqRel);
        open.push(Open { db, name: Arc::clone(name), cache, second: second.map(Arc::downgrade) });
        Ok(())
    }

    /// Removes a tag, from the second levels first: what is read from them before that is fenced by its removal here.
    pub(crate) fn remove_tag(&self, name: &[u8]) {
        self.tell(|| Removal::Tag(Bytes::from(name)));
        self.tags.remove(name);
    }

    /// Removes all tags that there are.
    #[cfg(feature = "rusqlite")]
    pub(crate) fn remove_every_tag(&self) {
        self.tell(|| Removal::EveryTag);
        self.tags.remove_every();
    }

    /// Tells the second levels of all caches, each once.
    pub(super) fn tell(&self, removal: impl Fn() -> Removal) {
        if !self.has_second.load(Ordering::Acquire) {
            return;
        }
        let mut seconds: Vec<Arc<dyn SecondLevel>> = Vec::new();
        for second in self.open.lock().iter().filter_map(|open| open.second.as_ref()?.upgrade()) {
            if !seconds.iter().any(|other| other.id() == second.id()) {
                seconds.push(second);
            }
        }
        seconds.iter().for_each(|second| second.remove(removal()));
    }

    /// The tag of all entries of the cache of this name.
    pub(super) fn own_tag(&self, db: u16, name: &Arc<str>) -> Arc<Tag> {
        let mut own = self.own.lock();
        own.retain(|_, tag| Arc::strong_count(tag) > 1);
        Arc::clone(own.entry((db, Arc::clone(name))).or_insert_with(|| Arc::new(Tag::of_cache(name))))
    }

    /// Whether a key's name is one of that cache's, and not of another whose own name is longer.
    pub(super) fn is_owner(&self, db: u16, cache: &str, key: &[u8]) -> bool {
        let is_its =
            |name: &str| key.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.starts_with(b":"));
        let open = self.open.lock();
        let is_longer = |other: &Open| other.db == db && other.name.len() > cache.len();
        let mut others = open.iter().filter(|other| is_longer(other) && other.cache.strong_count() > 0);
        is_its(cache) && !others.any(|other| is_its(&other.name))
    }

    /// All keys of a database, or of several, have gone or changed at once: no cache goes by what it remembers.
    pub(crate) fn changed_all(&self) {
        self.tags.move_on();
    }

    /// Gives back what caches remember of that. No lock may be held: values are dropped.
    pub(crate) fn clear_all(&self) {
        let caches: Vec<_> = self.open.lock().iter().filter_map(|open| open.cache.upgrade()).collect();
        caches.into_iter().for_each(|cache| cache.clear());
    }

    /// Whether there has been any, here or in a store that keys were taken over from: there may be entries.
    pub(crate) fn has_any(&self) -> bool {
        self.has_any.load(Ordering::Acquire)
    }

    /// Keys are taken over from a store that has had some.
    pub(crate) fn note_any(&self, has_any: bool) {
        self.has_any.fetch_or(has_any, Ordering::AcqRel);
    }
}
