//! Who wants to know that a key has changed: optimistic transactions, and loads under way.

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
}

/// The watches on one shard's keys.
#[derive(Default)]
pub(crate) struct Watches(HashMap<(u16, Bytes), Vec<Arc<Watch>>, Common>);

impl Watches {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add(&mut self, db: u16, key: &[u8], watch: &Arc<Watch>) {
        self.0.entry((db, Bytes::from(key))).or_default().push(Arc::clone(watch));
    }

    pub(crate) fn remove(&mut self, db: u16, key: &[u8], watch: &Arc<Watch>) {
        let id = (db, Bytes::from(key));
        if let Some(watches) = self.0.get_mut(&id) {
            watches.retain(|other| !Arc::ptr_eq(other, watch));
            if watches.is_empty() {
                self.0.remove(&id);
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
        if !self.0.is_empty() {
            self.0.get(&(db, Bytes::from(key))).into_iter().flatten().for_each(|watch| watch.set(mark));
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
        for ((db, key), watches) in &self.0 {
            let Some(exists) = exists(*db, key) else { continue };
            let mark = if exists { WRITTEN } else { FENCED };
            watches.iter().for_each(|watch| watch.set(mark));
        }
    }
}
