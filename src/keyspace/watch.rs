//! Who wants to know that a key has changed: optimistic transactions, and loads under way. And which keys are being
//! written elsewhere, so that what is loaded meanwhile is not kept.

use std::sync::Arc;

use hashbrown::HashMap;

use super::hasher::Common;
use crate::Bytes;
use crate::event::KeyEvent;
use crate::sync::atomic::{AtomicU8, Ordering};

/// A mark that is set by the first change to any of the keys that it watches.
#[derive(Debug, Default)]
pub(crate) struct Watch(AtomicU8);

const LOST: u8 = 1;
const WRITTEN: u8 = 2;
const FENCED: u8 = 4;
const HELD: u8 = 8;

impl Watch {
    fn set(&self, mark: u8) {
        self.0.fetch_or(mark, Ordering::AcqRel);
    }

    /// Whether anything at all happened to the keys, expiry and eviction included (`WATCH`).
    pub(crate) fn is_changed(&self) -> bool {
        self.0.load(Ordering::Acquire) & (LOST | WRITTEN) != 0
    }

    /// Whether somebody wrote to the keys, or cleared the database that they would be in. Expiry and
    /// eviction are no writes (the fence of a load).
    pub(crate) fn is_fenced(&self) -> bool {
        self.0.load(Ordering::Acquire) & (WRITTEN | FENCED) != 0
    }

    /// Whether what is loaded may be kept: nobody has written to the keys, and nobody was about to when it began.
    pub(crate) fn may_keep(&self) -> bool {
        self.0.load(Ordering::Acquire) & (WRITTEN | FENCED | HELD) == 0
    }
}

/// The watches on one shard's keys.
#[derive(Default)]
pub(crate) struct Watches {
    watches: HashMap<(u16, Bytes), Vec<Arc<Watch>>, Common>,
    /// The keys whose source is being written, by so many.
    held: HashMap<(u16, Bytes), usize, Common>,
}

impl Watches {
    pub(crate) fn is_empty(&self) -> bool {
        self.watches.is_empty() && self.held.is_empty()
    }

    /// How many keys are watched.
    #[cfg(feature = "commands")]
    pub(crate) fn len(&self) -> usize {
        self.watches.len()
    }

    pub(crate) fn add(&mut self, db: u16, key: &[u8], watch: &Arc<Watch>) {
        let id = (db, Bytes::from(key));
        if self.held.contains_key(&id) {
            watch.set(HELD);
        }
        self.watches.entry(id).or_default().push(Arc::clone(watch));
    }

    /// What is loaded for a key from now on is not kept. Loads that have begun are fenced by who writes.
    pub(crate) fn hold(&mut self, db: u16, key: &[u8]) {
        *self.held.entry((db, Bytes::from(key))).or_default() += 1;
    }

    /// Ends one such time.
    pub(crate) fn let_go(&mut self, db: u16, key: &[u8]) {
        let id = (db, Bytes::from(key));
        if let Some(writers) = self.held.get_mut(&id) {
            *writers -= 1;
            if *writers == 0 {
                self.held.remove(&id);
            }
        }
    }

    pub(crate) fn remove(&mut self, db: u16, key: &[u8], watch: &Arc<Watch>) {
        let id = (db, Bytes::from(key));
        if let Some(watches) = self.watches.get_mut(&id) {
            watches.retain(|other| !Arc::ptr_eq(other, watch));
            if watches.is_empty() {
                self.watches.remove(&id);
            }
        }
    }

    /// Marks the watches on a key that has changed.
    pub(crate) fn mark(&self, db: u16, key: &[u8], event: KeyEvent) {
        self.set(db, key, if event.is_loss() { LOST } else { WRITTEN });
    }

    /// Fences the loads of a key that was to be removed and is missing.
    pub(crate) fn fence(&self, db: u16, key: &[u8]) {
        self.set(db, key, FENCED);
    }

    /// One branch when there are none in the shard.
    fn set(&self, db: u16, key: &[u8], mark: u8) {
        if !self.watches.is_empty() {
            self.watches.get(&(db, Bytes::from(key))).into_iter().flatten().for_each(|watch| watch.set(mark));
        }
    }

    /// Marks the watches on all keys of a database that is emptied or exchanged as a whole: as
    /// changed where `exists` says that there was something to change, and as fenced in any case,
    /// since what a load has read may be what this was meant to sweep out.
    pub(crate) fn mark_all(&self, db: u16, exists: impl Fn(&[u8]) -> bool) {
        self.mark_each(|of, key| (of == db).then(|| exists(key)));
    }

    /// Marks all watches on keys of which `exists` tells whether there was something to change; where it does
    /// not, nothing has happened.
    pub(crate) fn mark_each(&self, exists: impl Fn(u16, &[u8]) -> Option<bool>) {
        for ((db, key), watches) in &self.watches {
            let Some(exists) = exists(*db, key) else { continue };
            let mark = if exists { WRITTEN } else { FENCED };
            watches.iter().for_each(|watch| watch.set(mark));
        }
    }
}
