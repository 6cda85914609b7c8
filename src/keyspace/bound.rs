//! The limit of a store, and what goes when it is reached.
//!
//! Each shard's weight is counted anew whenever its lock is let go after a change, so the sum is always
//! known. Who has brought the store over its limit evicts before the call returns: from the shards that
//! it holds as long as those have more than their share, then from others, one lock at a time.

use super::Keyspace;
use super::shard::Shard;
use super::writer::{Effects, Writer};
use crate::key::KeyRef;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::{Bytes, Error, Eviction, Result};

/// Keys evicted from a shard of others before its lock is let go.
const STEPS: usize = 32;
/// What a key takes beside its name and value, at the least.
const ENTRY: usize = 16;
/// Keys, and bytes, for which it is worth having one more shard.
const SHARD_KEYS: usize = 64;
const SHARD_BYTES: usize = 16 << 10;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit {
    Bytes(usize),
    Keys(usize),
}

/// See the [module](self).
pub(crate) struct Bound {
    limit: Limit,
    eviction: Eviction,
    /// The weight of all shards.
    used: AtomicUsize,
    /// Nothing was left to evict when it was last tried.
    is_stuck: AtomicBool,
    /// Where to look next for something to evict.
    hand: AtomicUsize,
}

impl Limit {
    /// How many shards are of use.
    pub(super) fn shards(self) -> usize {
        match self {
            Limit::Bytes(bytes) => bytes / SHARD_BYTES,
            Limit::Keys(keys) => keys / SHARD_KEYS,
        }
    }
}

impl Bound {
    pub(super) fn new(limit: Limit, eviction: Eviction) -> Self {
        let (used, hand) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Bound { limit, eviction, used, is_stuck: AtomicBool::new(false), hand }
    }

    /// Whether tables are to note which of their keys are in use.
    pub(super) fn looks_at_use(&self) -> bool {
        matches!(self.eviction, Eviction::AllKeys | Eviction::Expiring)
    }

    fn most(&self) -> usize {
        match self.limit {
            Limit::Bytes(most) | Limit::Keys(most) => most,
        }
    }

    /// Whether the limit would be passed with so much more.
    fn is_over(&self, need: usize) -> bool {
        self.used.load(Ordering::Relaxed).saturating_add(need) > self.most()
    }

    /// Notes what a shard weighs now. O(databases)
    fn weigh(&self, shard: &mut Shard) {
        let tables = shard.tables();
        let weight = match self.limit {
            Limit::Bytes(_) => tables.map(|(_, table)| table.bytes()).sum(),
            Limit::Keys(_) => tables.map(|(_, table)| table.len()).sum(),
        };
        let before = std::mem::replace(&mut shard.weight, weight);
        if weight != before {
            // What wraps around here comes back with the sum.
            self.used.fetch_add(weight.wrapping_sub(before), Ordering::Relaxed);
        }
    }
}

impl Keyspace {
    /// Counts a shard whose tables were exchanged. O(databases)
    pub(super) fn weigh(&self, shard: &mut Shard) {
        if let Some(bound) = &self.bound {
            bound.weigh(shard);
        }
    }

    /// Evicts keys until the store is within its limit, or nothing is left that may go. No lock is held.
    #[inline]
    pub(super) fn make_room(&self) {
        if let Some(bound) = self.bound.as_ref().filter(|bound| bound.is_over(0)) {
            self.evict(bound);
        }
    }

    #[cold]
    fn evict(&self, bound: &Bound) {
        let (shards, mut idle) = (self.shards.len(), 0);
        while bound.is_over(0) && idle < 2 * shards {
            let index = bound.hand.fetch_add(1, Ordering::Relaxed) % shards;
            // Those that have more than their share are asked first, then all.
            let share = if idle < shards { bound.most() / shards } else { 0 };
            let mut effects = Effects::new();
            let mut guard = self.shards[index].0.write();
            let evicted =
                Writer::of_one(self, 0, index as u32, &mut guard, &mut effects).evict(bound, 0, share, STEPS);
            drop(guard);
            self.settle_effects(&mut effects);
            idle = if evicted > 0 { 0 } else { idle + 1 };
        }
        bound.is_stuck.store(bound.is_over(0), Ordering::Relaxed);
    }
}

impl Writer<'_> {
    /// Keeps a key from being evicted; whether it was not kept before.
    pub(crate) fn pin(&mut self, key: KeyRef<'_>) -> bool {
        let db = self.db();
        self.shard_mut(key).is_some_and(|shard| shard.pinned.insert((db, Bytes::from(key.bytes))))
    }

    /// Takes a [`pin`](Self::pin) back; whether there was one.
    pub(crate) fn unpin(&mut self, key: KeyRef<'_>) -> bool {
        let db = self.db();
        self.shard_mut(key).is_some_and(|shard| shard.pinned.remove(&(db, Bytes::from(key.bytes))))
    }

    /// Whether the store has room for so many bytes under a key; makes room first if that is what it takes.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    #[inline]
    pub(crate) fn admit(&mut self, key: KeyRef<'_>, bytes: usize) -> Result<()> {
        match &self.space().bound {
            Some(bound) if !self.is_admitted => self.admit_to(bound, &[(key, bytes)]),
            _ => Ok(()),
        }
    }

    /// The same for several keys of one operation, of which none is refused after this.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    pub(crate) fn admit_many(&mut self, keys: &[(KeyRef<'_>, usize)]) -> Result<()> {
        match &self.space().bound {
            Some(bound) if !self.is_admitted => self.admit_to(bound, keys)?,
            _ => {}
        }
        self.admit_all();
        Ok(())
    }

    fn admit_to(&mut self, bound: &Bound, keys: &[(KeyRef<'_>, usize)]) -> Result<()> {
        let (need, most) = match bound.limit {
            Limit::Bytes(most) => {
                let bytes = keys.iter().map(|(key, bytes)| bytes.saturating_add(key.bytes.len() + ENTRY));
                (bytes.fold(0, usize::saturating_add), most)
            }
            Limit::Keys(most) => (keys.iter().filter(|(key, _)| !self.has_place(*key)).count(), most),
        };
        self.keep_within(need);
        let refuses = bound.eviction == Eviction::Refuse || bound.is_stuck.load(Ordering::Relaxed);
        // What cannot fit at all does not have everything else evicted for it.
        if need > most || most == 0 || (refuses && need > 0 && bound.is_over(need)) {
            return Err(Error::OutOfMemory);
        }
        Ok(())
    }

    /// What this operation does from now on is not refused: it ends what it has begun, or moves what is there
    /// already.
    pub(crate) fn admit_all(&mut self) {
        self.is_admitted = true;
    }

    /// Counts what the shards that are held weigh, and evicts from those with more than their share if the
    /// store would be over its limit with so much more.
    #[inline]
    pub(super) fn keep_within(&mut self, need: usize) {
        let space = self.space();
        let Some(bound) = &space.bound else { return };
        for (_, shard) in self.parts_mut() {
            bound.weigh(shard);
        }
        // What a transaction evicted would come back if it were taken back.
        if bound.is_over(need) && !self.is_undoable() {
            self.evict(bound, need, bound.most() / space.shards.len(), usize::MAX);
        }
        if bound.is_stuck.load(Ordering::Relaxed) && !bound.is_over(0) {
            bound.is_stuck.store(false, Ordering::Relaxed);
        }
    }

    /// Evicts from shards that are held as long as the store would be over its limit with so much more, and they
    /// are over their share; gives how many keys went.
    fn evict(&mut self, bound: &Bound, need: usize, share: usize, most: usize) -> usize {
        let mut evicted = 0;
        for part in 0..self.parts_mut().len() {
            while evicted < most && bound.is_over(need) {
                let Some((_, shard)) = self.parts_mut().get_mut(part) else { break };
                if shard.weight <= share {
                    break;
                }
                let victim = victim(shard, bound);
                match victim {
                    Some((db, at)) => self.in_db(db, |writer| writer.evict_at(part, at)),
                    None => shard.forget_deadlines(),
                }
                if let Some((_, shard)) = self.parts_mut().get_mut(part) {
                    bound.weigh(shard);
                }
                if victim.is_none() {
                    break;
                }
                evicted += 1;
            }
        }
        evicted
    }
}

/// The key to evict from a shard: of the database with the most bytes that has one.
fn victim(shard: &mut Shard, bound: &Bound) -> Option<(u16, u32)> {
    let mut databases: Vec<(usize, u16)> =
        shard.tables().filter(|(_, table)| table.len() > 0).map(|(db, table)| (table.bytes(), db)).collect();
    databases.sort_unstable();
    databases.into_iter().rev().find_map(|(_, db)| {
        let (table, pinned) = shard.table_and_pinned(db)?;
        let may_go = |name: &[u8]| pinned.is_empty() || !pinned.contains(&(db, Bytes::from(name)));
        let at = match bound.eviction {
            Eviction::Refuse => None,
            Eviction::AllKeys => table.victim(false, may_go),
            Eviction::Expiring => table.victim(true, may_go),
            Eviction::SoonestDeadline => table.first_to_expire(may_go),
        };
        Some((db, at?))
    })
}
