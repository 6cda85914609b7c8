//! All keys of one instant, shared: to go on with in a store of its own, or to come back to.

use std::sync::Arc;

use super::libraries::Codes;
use super::lookups::Lookups;
use super::shard::Shard;
use super::table::Contents;
use super::{Beginning, Bound, Keyspace};
use crate::rng::Rng;
use crate::{Error, Result};

/// The keys of a store at one instant, with their deadlines, and what is pinned.
pub(crate) struct State {
    family: Arc<()>,
    /// The keys alone.
    shards: Vec<Shard>,
    /// Whether entries of caches may be among them.
    has_caches: bool,
    /// When that was, on the store's line.
    pub now: u64,
    /// Whether that clock stands still between two looks at it.
    #[cfg_attr(not(feature = "testing"), allow(dead_code))]
    pub is_still: bool,
    /// How its random numbers go on.
    rng: u64,
    /// Where it looks next for something to evict.
    hand: usize,
    libraries: Codes,
}

impl State {
    /// The contents of all tables, with their database.
    pub(crate) fn contents(&self) -> impl Iterator<Item = (u16, &Contents)> {
        let tables = self.shards.iter().flat_map(Shard::tables);
        tables.map(|(db, table)| (db, table.contents()))
    }
}

impl Keyspace {
    /// What is there at this instant. Writers wait while the pages are shared, and then copy those that they write
    /// to. O(pages), O(keys) in a store that notes which of its keys are in use or what they weigh
    ///
    /// # Errors
    /// [`Error::InTransaction`]
    pub(crate) fn state(&self) -> Result<State> {
        self.read_all(|shards| State {
            family: Arc::clone(&self.family),
            shards: shards.iter().map(|shard| shard.share()).collect(),
            has_caches: self.caches.has_any(),
            now: self.clock.now(),
            is_still: self.clock.is_still(),
            rng: self.rng.state(),
            hand: self.bound().map_or(0, Bound::hand),
            libraries: self.libraries().codes(),
        })
    }

    /// A store of its own with the same keys and settings. O(pages), as above
    ///
    /// # Errors
    /// [`Error::InTransaction`]
    pub(crate) fn fork(&self) -> Result<Arc<Keyspace>> {
        let State { family, shards, has_caches, rng, libraries, .. } = self.state()?;
        let fork = Keyspace::assemble(Beginning {
            shards,
            family,
            hasher: self.hasher.clone(),
            is_seeded: self.is_seeded,
            clock: self.clock.clone(),
            limits: self.limits(),
            longest_of_files: self.limits_of_files().value,
            takes_files: self.takes_files,
            bound: self.bound().map(Bound::fork),
            listener: self.listener.clone(),
            told: self.told(),
            rng: Rng::new(rng),
            lookups: Lookups::from_those_of(&self.lookups),
            uses: self.uses.fork(),
            sweeping: self.sweeper.mode(),
            libraries,
            #[cfg(feature = "commands")]
            shared: self.shared.fork(&self.clock),
        });
        fork.caches.note_any(has_caches);
        #[cfg(feature = "commands")]
        fork.tracking.keep_as_many(&self.tracking);
        fork.shards.iter().for_each(|shard| fork.weigh(&mut shard.0.write()));
        fork.arm_sweeper();
        Ok(fork)
    }

    /// Puts all keys back to what they were, with the time to live that they had then. Who watches one is told, who
    /// waits for one is served. O(pages), and O(keys) if time has passed and any has a deadline
    ///
    /// # Errors
    /// [`Error::Invalid`] for the state of a store that is no kin, [`Error::InTransaction`].
    pub(crate) fn roll_back(&self, state: &State) -> Result<()> {
        if !Arc::ptr_eq(&self.family, &state.family) {
            return Err(Error::Invalid(
                "the checkpoint is neither of this store nor of one that it was forked from",
            ));
        }
        self.check_not_in_transaction()?;
        self.caches.note_any(state.has_caches);
        let mut shards: Vec<Shard> = state.shards.iter().map(Shard::share).collect();
        let passed = self.clock.now().saturating_sub(state.now);
        let mut written = Vec::new();
        for (db, table) in shards.iter_mut().flat_map(Shard::tables_mut) {
            let names = table.postpone(passed, |name| self.key_ref(name).hash);
            written.extend(names.into_iter().map(|name| (db, name)));
            if let Some(uses) = table.uses_mut() {
                uses.postpone(passed);
            }
        }
        self.change(None, 0, |writer| {
            // Set back under the locks, so that nothing is drawn in between.
            self.rng.go_on_from(state.rng);
            if let Some(bound) = self.bound() {
                bound.set_hand(state.hand);
            }
            writer.exchange_keys(&mut shards);
            self.put_back_libraries(&state.libraries);
            for (db, name) in written.iter().filter(|_| self.weighs()) {
                writer.in_db(*db, |writer| writer.note_unchanged(self.key_ref(name)));
            }
        })?;
        self.changed_all(None)
        // What was there goes when the locks are free.
    }
}
