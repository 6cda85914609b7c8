//! Taking the locks of an operation's shards: in the order of their indexes, or all of them at once.

use std::mem;

use smallvec::SmallVec;

use super::evicted::Evicted;
use super::shard::Shard;
use super::view::View;
use super::writer::{Effects, Writer};
use super::{Keyspace, Missed, Parts};
use crate::Result;
use crate::key::KeyRef;
use crate::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// So often all locks are asked for at once.
const ROUNDS: usize = 16;

impl Keyspace {
    /// The read lock of a key's shard.
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction)
    #[inline]
    pub(crate) fn reading(&self, key: KeyRef<'_>) -> Result<RwLockReadGuard<'_, Shard>> {
        self.check_not_in_transaction()?;
        Ok(self.shards[self.shard_of(key.hash) as usize].0.read())
    }

    /// Runs an operation that reads the given keys, under their shards' read locks.
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction)
    pub(crate) fn read<R>(&self, db: u16, keys: &[KeyRef<'_>], op: impl FnOnce(&View<'_>) -> R) -> Result<R> {
        self.check_not_in_transaction()?;
        let missed = Missed::default();
        let guards: Parts<RwLockReadGuard<'_, Shard>> =
            self.indexes(keys).into_iter().map(|at| (at, self.shards[at as usize].0.read())).collect();
        let shards = guards.iter().map(|(index, guard)| (*index, &**guard)).collect();
        Ok(op(&View::new(self, db, shards).telling(&missed)))
    }

    /// Runs an operation that may change one key, under its shard's write lock; then serves those who
    /// wait for it, lets the lock go, and does what had to wait for that.
    ///
    /// # Errors
    /// Those of the operation; [`Error::InTransaction`](crate::Error::InTransaction), and
    /// [`Error::Journal`](crate::Error::Journal) if nothing can be written down any more, or what was done was not.
    #[inline]
    pub(crate) fn write_one<R>(
        &self,
        db: u16,
        key: KeyRef<'_>,
        op: impl FnOnce(&mut Writer<'_>, KeyRef<'_>) -> Result<R>,
    ) -> Result<R> {
        self.check_may_write()?;
        let mut effects = Effects::new();
        let result = {
            let index = self.shard_of(key.hash);
            let shard = &self.shards[index as usize].0;
            let mut guard = shard.write();
            if guard.hands_over(db) {
                guard = ask_and_lock(shard, guard, db, key);
            }
            let mut writer = Writer::of_one(self, db, index, &mut guard, &mut effects);
            let result = op(&mut writer, key);
            writer.end();
            result
        };
        self.settle(&mut effects)?;
        result
    }

    /// The same for several keys, with whatever the operation gives.
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction)
    pub(crate) fn write<R>(
        &self,
        db: u16,
        keys: &[KeyRef<'_>],
        op: impl FnOnce(&mut Writer<'_>) -> R,
    ) -> Result<R> {
        self.check_may_write()?;
        let mut effects = Effects::new();
        let result = self.write_with(db, keys, &mut effects, op);
        self.settle(&mut effects)?;
        Ok(result)
    }

    /// Runs a task with all shards locked.
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction)
    pub(crate) fn write_all<R>(&self, op: impl FnOnce(&mut [RwLockWriteGuard<'_, Shard>]) -> R) -> Result<R> {
        self.check_may_write()?;
        Ok(op(&mut self.lock_all()))
    }

    /// Runs a task with all shards locked against writers.
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction)
    pub(crate) fn read_all<R>(&self, op: impl FnOnce(&[RwLockReadGuard<'_, Shard>]) -> R) -> Result<R> {
        self.check_not_in_transaction()?;
        Ok(op(&self.all_of(RwLock::read, RwLock::try_read)))
    }

    /// The write locks of all shards.
    pub(super) fn lock_all(&self) -> Vec<RwLockWriteGuard<'_, Shard>> {
        self.all_of(RwLock::write, RwLock::try_write)
    }

    /// The locks of all shards. Who waits for one holds no other meanwhile: a shard that is held for long holds up nobody who
    /// has nothing to do with it. Only if they never come to be free together are they taken one after the other.
    fn all_of<'s, G>(
        &'s self,
        wait_for: impl Fn(&'s RwLock<Shard>) -> G,
        try_for: impl Fn(&'s RwLock<Shard>) -> Option<G>,
    ) -> Vec<G> {
        let mut busy = 0;
        for _ in 0..ROUNDS {
            let mut guards = Vec::with_capacity(self.shards.len());
            let mut waited_for = Some(wait_for(&self.shards[busy].0));
            let taken = self.shards.iter().enumerate().try_for_each(|(index, shard)| {
                let guard = if index == busy { waited_for.take() } else { try_for(&shard.0) };
                guard.map(|guard| guards.push(guard)).ok_or(index)
            });
            match taken {
                Ok(()) => return guards,
                Err(index) => busy = index,
            }
        }
        self.shards.iter().map(|shard| wait_for(&shard.0)).collect()
    }

    /// The write locks of the keys' shards, once what a picture shares of the keys has been let go of, if that is soon.
    pub(super) fn lock(&self, db: u16, keys: &[KeyRef<'_>]) -> Parts<RwLockWriteGuard<'_, Shard>> {
        let indexes = self.indexes(keys);
        let lock = || indexes.iter().map(|at| (*at, self.shards[*at as usize].0.write())).collect();
        let mut guards: Parts<RwLockWriteGuard<'_, Shard>> = lock();
        if !guards.iter_mut().any(|(_, shard)| shard.hands_over(db)) {
            return guards;
        }
        let asked = keys.iter().filter_map(|key| {
            let at = guards.binary_search_by_key(&self.shard_of(key.hash), |(index, _)| *index);
            guards.get_mut(at.ok()?)?.1.ask(db, *key)
        });
        // The last is let go of last.
        let Some(asked) = asked.last() else { return guards };
        drop(guards);
        asked.wait();
        lock()
    }

    /// What had to wait until the locks were free: serving waiters for whom keys of other shards are
    /// needed, telling the sweeper of an earlier deadline, freeing memory, and at last waking tasks. A
    /// waker is user code: one that panics or blocks must not take the rest along.
    ///
    /// # Errors
    /// Those of the journal: what was done is there, and is not written down.
    #[inline]
    pub(super) fn settle(&self, effects: &mut Effects) -> Result<()> {
        // Most often nothing else had to.
        if effects.is_nothing() && !self.is_bounded() {
            self.sweeper.arm(&self.clock, &self.me, effects.wake_at);
            return Ok(());
        }
        self.settle_all(effects)
    }

    fn settle_all(&self, effects: &mut Effects) -> Result<()> {
        let (mut evicted, committed) = self.settle_effects(effects);
        if self.weighs() {
            self.weigh_and_make_room(effects, evicted);
            return committed;
        }
        self.make_room(&mut evicted);
        if !evicted.is_empty() {
            self.tell_evicted(&evicted);
        }
        committed
    }

    /// The same, in a store that is kept within its limit by the caller; gives what was evicted, to be told, and whether what
    /// was done is written down.
    #[inline]
    pub(super) fn settle_effects(&self, effects: &mut Effects) -> (Vec<Evicted>, Result<()>) {
        while let Some((db, name, other)) = effects.others.as_mut().and_then(|others| others.across.pop()) {
            let keys = [self.key_ref(&name), self.key_ref(&other)];
            self.write_with(db, &keys, effects, |writer| writer.look_again(&name));
        }
        self.sweeper.arm(&self.clock, &self.me, effects.wake_at);
        effects.garbage.clear();
        // Nobody is woken by what may still be lost.
        #[cfg(feature = "journal")]
        let committed = if effects.sealed > 0 { self.committed(effects.sealed) } else { Ok(()) };
        #[cfg(not(feature = "journal"))]
        let committed = Ok(());
        let evicted = match &mut effects.others {
            Some(others) => {
                #[cfg(feature = "commands")]
                if !others.touched.is_empty() {
                    self.tracking().broadcast(mem::take(&mut others.touched), &mut others.wakes);
                }
                others.wakes.run();
                mem::take(&mut others.evicted)
            }
            None => Vec::new(),
        };
        (evicted, committed)
    }

    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction); [`Error::Journal`](crate::Error::Journal) if nothing can be
    /// written down any more.
    #[inline]
    pub(super) fn check_may_write(&self) -> Result<()> {
        self.check_not_in_transaction()?;
        #[cfg(feature = "journal")]
        self.check_journal()?;
        Ok(())
    }

    /// Waits until what others have done is as safe as was asked for: by whoever has got something from them.
    ///
    /// # Errors
    /// [`Error::Journal`](crate::Error::Journal)
    pub(crate) fn catch_up(&self) -> Result<()> {
        #[cfg(feature = "journal")]
        if let Some(journal) = self.journal() {
            return journal.committed(journal.end());
        }
        Ok(())
    }

    /// Whether a journal is kept of all changes.
    #[inline]
    pub(crate) fn is_journaled(&self) -> bool {
        #[cfg(feature = "journal")]
        return self.journal().is_some();
        #[cfg(not(feature = "journal"))]
        false
    }

    fn write_with<R>(
        &self,
        db: u16,
        keys: &[KeyRef<'_>],
        effects: &mut Effects,
        op: impl FnOnce(&mut Writer<'_>) -> R,
    ) -> R {
        let mut guards = self.lock(db, keys);
        let shards = guards.iter_mut().map(|(index, guard)| (*index, &mut **guard)).collect();
        let mut writer = Writer::new(self, db, shards, effects);
        let result = op(&mut writer);
        writer.end();
        result
    }

    fn indexes(&self, keys: &[KeyRef<'_>]) -> SmallVec<[u32; 8]> {
        let mut indexes: SmallVec<[u32; 8]> = keys.iter().map(|key| self.shard_of(key.hash)).collect();
        indexes.sort_unstable();
        indexes.dedup();
        indexes
    }
}

/// The write lock of a shard, once what a picture shares of a key has been let go of, if that is soon.
#[cold]
#[inline(never)]
fn ask_and_lock<'s>(
    shard: &'s RwLock<Shard>,
    mut guard: RwLockWriteGuard<'s, Shard>,
    db: u16,
    key: KeyRef<'_>,
) -> RwLockWriteGuard<'s, Shard> {
    let Some(asked) = guard.ask(db, key) else { return guard };
    drop(guard);
    asked.wait();
    shard.write()
}
