//! Loads that are made behind those who ask: which are under way, and who waits for them.
//!
//! An errand is no flight: its key is not led before the errand is begun. So a loader that needs a key whose errand
//! stands in the queue behind it loads that key itself, and nobody waits for something that waits for them.

use std::sync::Arc;

use hashbrown::HashMap;

use super::name::Name;
use crate::Result;
use crate::keyspace::Keyspace;
use crate::keyspace::watch::Watch;
use crate::load::{Follow, Outcome, Promise};
use crate::sync::Mutex;

/// See the [module](self).
#[derive(Default)]
pub(super) struct Behind {
    under_way: Mutex<HashMap<Name, Arc<Load>, ahash::RandomState>>,
}

/// What becomes of a key that is to be loaded.
pub(super) enum Claim {
    Ours(Errand),
    /// It is under way.
    Theirs(Follow),
    /// Too many are under way, or this one may bring what is older than what the caller has seen.
    Refused,
}

struct Load {
    promise: Promise,
    /// Marked by any write to the key since it was claimed.
    fence: Arc<Watch>,
    /// The removals' time then.
    began: u64,
}

/// A key to be loaded. Dropped without an outcome, it was abandoned.
pub(super) struct Errand {
    behind: Arc<Behind>,
    space: Arc<Keyspace>,
    db: u16,
    name: Name,
    load: Arc<Load>,
}

impl Behind {
    /// Errands at a time.
    pub(super) const MOST: usize = 256;

    /// Takes a key on, or finds who has.
    ///
    /// # Errors
    /// [`crate::Error::InTransaction`]
    pub(super) fn claim(self: &Arc<Self>, space: &Arc<Keyspace>, db: u16, name: &Name) -> Result<Claim> {
        let (key, began) = (space.key_ref(name), space.caches().tags.now());
        let join = |load: &Load| match load.began == began && !load.fence.is_fenced() {
            true => Claim::Theirs(load.promise.follow()),
            false => Claim::Refused,
        };
        if let Some(load) = self.under_way.lock().get(name) {
            return Ok(join(load));
        }
        let fence = space.watch(db, &[key])?;
        let load = Arc::new(Load { promise: Promise::new(space, db, key), fence: Arc::clone(&fence), began });
        let claim = {
            let mut under_way = self.under_way.lock();
            match under_way.get(name) {
                Some(load) => join(load),
                None if under_way.len() >= Self::MOST => Claim::Refused,
                None => {
                    under_way.insert(name.clone(), Arc::clone(&load));
                    let (behind, space) = (Arc::clone(self), Arc::clone(space));
                    return Ok(Claim::Ours(Errand { behind, space, db, name: name.clone(), load }));
                }
            }
        };
        space.unwatch(db, &[key], &fence);
        Ok(claim)
    }
}

impl Errand {
    pub(super) fn name(&self) -> &Name {
        &self.name
    }

    pub(super) fn follow(&self) -> Follow {
        self.load.promise.follow()
    }

    /// Tells those who wait how it has ended. Whoever asks from then on does not wait for it.
    pub(super) fn done(self, outcome: Outcome) {
        self.leave();
        self.load.promise.keep(outcome);
    }

    fn leave(&self) {
        let mut under_way = self.behind.under_way.lock();
        let is_it = under_way.get(&self.name).is_some_and(|load| Arc::ptr_eq(load, &self.load));
        let load = is_it.then(|| under_way.remove(&self.name));
        drop(under_way);
        drop(load);
    }
}

impl Drop for Errand {
    fn drop(&mut self) {
        self.leave();
        self.space.unwatch(self.db, &[self.space.key_ref(&self.name)], &self.load.fence);
    }
}
