//! The limit of a store, and what goes when it is reached.
//!
//! Each shard's weight is counted anew whenever its lock is let go after a change, so the sum is always
//! known. Who has brought the store over its limit evicts before the call returns: from the shards that
//! it holds as long as those have more than their share, then from others, one lock at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};

use smallvec::SmallVec;

use super::Keyspace;
use super::evicted::Evicted;
use super::shard::Shard;
use super::table::Table;
#[cfg(feature = "commands")]
use super::transaction::Transaction;
use super::weigh::{Weigher, pass_on};
use super::writer::{Effects, Writer};
use crate::clock::NEVER;
use crate::key::KeyRef;
use crate::planted::{Bug, is_planted};
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use crate::value::ValueRef;
use crate::{Bytes, Error, Eviction, Result};

/// Keys evicted from a shard of others before its lock is let go.
const STEPS: usize = 32;
/// So many keys are looked through one by one.
const FEW: usize = 8;
/// What a key takes beside its name and value, at the least.
const ENTRY: usize = 16;
/// The largest limit to a weight. A shard that weighs more counts for [`SHARD_MOST`], and 2^12 shards of that
/// have room in 64 bits.
const WEIGHT_MOST: u64 = 1 << 51;
const SHARD_MOST: u64 = (1 << 52) - 1;
/// Keys, and bytes, for which it is worth having one more shard.
const SHARD_KEYS: usize = 64;
const SHARD_BYTES: usize = 16 << 10;

/// What is limited.
#[derive(Debug, Clone)]
pub(crate) enum Limit {
    Bytes(usize),
    Keys(usize),
    Weight(u64, Weigher),
}

/// What is counted for a limit.
enum Measure {
    Bytes,
    Keys,
    Weight(Weigher),
}

/// See the [module](self).
pub(crate) struct Bound {
    measure: Measure,
    /// How much of it there may be.
    most: AtomicU64,
    eviction: AtomicU8,
    /// The weight of all shards.
    used: AtomicU64,
    /// Keys that have a deadline, where only those may go.
    timed: AtomicUsize,
    /// Nothing was left to evict when it was last tried.
    is_stuck: AtomicBool,
    /// Where to look next for something to evict.
    hand: AtomicUsize,
}

impl Limit {
    /// How many shards are of use.
    pub(super) fn shards(&self) -> usize {
        match self {
            Limit::Bytes(bytes) => bytes / SHARD_BYTES,
            Limit::Keys(keys) => keys / SHARD_KEYS,
            // As many keys as that, or fewer.
            Limit::Weight(weight, _) => usize::try_from(*weight).unwrap_or(usize::MAX) / SHARD_KEYS,
        }
    }
}

/// By their numbers.
const EVICTIONS: [Eviction; 4] =
    [Eviction::AllKeys, Eviction::Expiring, Eviction::SoonestDeadline, Eviction::Refuse];

impl Bound {
    pub(super) fn new(limit: Limit, eviction: Eviction) -> Self {
        let (measure, most) = match limit {
            Limit::Bytes(most) => (Measure::Bytes, most as u64),
            Limit::Keys(most) => (Measure::Keys, most as u64),
            Limit::Weight(most, weigher) => (Measure::Weight(weigher), most.min(WEIGHT_MOST)),
        };
        let [timed, hand] = [0; 2].map(AtomicUsize::new);
        Bound {
            measure,
            most: AtomicU64::new(most),
            eviction: AtomicU8::new(eviction as u8),
            used: AtomicU64::new(0),
            timed,
            is_stuck: AtomicBool::new(false),
            hand,
        }
    }

    /// The same limit of another store, which holds nothing yet.
    pub(super) fn fork(&self) -> Self {
        let most = self.most();
        let limit = match &self.measure {
            Measure::Bytes => Limit::Bytes(usize::try_from(most).unwrap_or(usize::MAX)),
            Measure::Keys => Limit::Keys(usize::try_from(most).unwrap_or(usize::MAX)),
            Measure::Weight(weigher) => Limit::Weight(most, weigher.clone()),
        };
        let fork = Bound::new(limit, self.eviction());
        fork.set_hand(self.hand());
        fork
    }

    fn eviction(&self) -> Eviction {
        let number = self.eviction.load(Ordering::Relaxed);
        EVICTIONS.get(usize::from(number)).copied().unwrap_or_default()
    }

    /// Where something to evict will be looked for next.
    pub(super) fn hand(&self) -> usize {
        self.hand.load(Ordering::Relaxed)
    }

    pub(super) fn set_hand(&self, hand: usize) {
        self.hand.store(hand, Ordering::Relaxed);
    }

    /// Whether tables are to note which of their keys are in use.
    pub(super) fn looks_at_use(&self) -> bool {
        matches!(self.eviction(), Eviction::AllKeys | Eviction::Expiring)
    }

    /// The weight of all shards.
    #[cfg(all(test, not(shuttle)))]
    pub(super) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The caller's code that says what keys weigh, if it does.
    #[inline]
    pub(super) fn weigher(&self) -> Option<&Weigher> {
        if let Measure::Weight(weigher) = &self.measure { Some(weigher) } else { None }
    }

    /// Whether a single key is over the limit.
    pub(super) fn is_too_heavy(&self, weight: u64) -> bool {
        weight > self.most()
    }

    /// Whether the key at a position is one of those that may go.
    pub(super) fn may_evict(&self, shard: &Shard, db: u16, at: u32) -> bool {
        let Some(entry) = shard.table(db).and_then(|table| table.get(at)) else { return false };
        let is_of_policy = match self.eviction() {
            Eviction::Refuse => false,
            Eviction::AllKeys => true,
            Eviction::Expiring | Eviction::SoonestDeadline => entry.deadline != NEVER,
        };
        is_of_policy && !shard.pinned.contains(&(db, Bytes::from(entry.key)))
    }

    fn most(&self) -> u64 {
        self.most.load(Ordering::Relaxed)
    }

    /// Whether the limit would be passed with so much more.
    fn is_over(&self, need: u64) -> bool {
        self.used.load(Ordering::Relaxed).saturating_add(need) > self.most()
    }

    /// Whether there is anything to evict, as far as can be told without looking.
    fn has_victims(&self) -> bool {
        match self.eviction() {
            Eviction::Refuse => false,
            Eviction::AllKeys => true,
            Eviction::Expiring | Eviction::SoonestDeadline => self.timed.load(Ordering::Relaxed) > 0,
        }
    }

    /// Whether nothing can be evicted, as far as can be told without looking.
    fn refuses(&self) -> bool {
        !self.has_victims() || self.is_stuck.load(Ordering::Relaxed)
    }

    /// Notes what a shard weighs now. O(databases)
    pub(super) fn weigh(&self, shard: &mut Shard) {
        let tables = shard.tables().map(|(_, table)| table);
        let weight = match self.measure {
            Measure::Bytes => tables.map(Table::bytes).sum::<usize>() as u64,
            Measure::Keys => tables.map(Table::len).sum::<usize>() as u64,
            // Of 2^16 databases none sums up to more than 2^96.
            Measure::Weight(_) => tables.map(Table::weight).sum::<u128>().min(SHARD_MOST.into()) as u64,
        };
        let before = std::mem::replace(&mut shard.weight, weight);
        if weight != before {
            // What wraps around here comes back with the sum.
            self.used.fetch_add(weight.wrapping_sub(before), Ordering::Relaxed);
        }
        if matches!(self.eviction(), Eviction::Expiring | Eviction::SoonestDeadline) {
            let timed = shard.tables().map(|(_, table)| table.expiring()).sum();
            let before = std::mem::replace(&mut shard.timed, timed);
            self.timed.fetch_add(timed.wrapping_sub(before), Ordering::Relaxed);
        }
    }
}

impl Keyspace {
    /// The limit, if there is one.
    #[inline]
    pub(super) fn bound(&self) -> Option<&Bound> {
        self.bound.get()
    }

    /// Whether the store has a limit.
    pub(crate) fn is_bounded(&self) -> bool {
        self.bound().is_some()
    }

    /// The limit in bytes, if it is one of bytes.
    #[cfg(feature = "commands")]
    pub(crate) fn max_bytes(&self) -> Option<usize> {
        let bound = self.bound().filter(|bound| matches!(bound.measure, Measure::Bytes))?;
        usize::try_from(bound.most()).ok().filter(|most| *most < usize::MAX)
    }

    /// Whether there is not even room for one key more, within a limit in bytes, and none can be made. O(1)
    #[cfg(feature = "commands")]
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.bound().is_some_and(|bound| {
            let least = ENTRY as u64;
            let is_one_of_bytes = matches!(bound.measure, Measure::Bytes);
            is_one_of_bytes && bound.is_over(least) && (bound.refuses() || bound.most() < least)
        })
    }

    /// What goes when the limit is reached, if there is one.
    #[cfg(feature = "commands")]
    pub(crate) fn eviction(&self) -> Option<Eviction> {
        self.bound().map(Bound::eviction)
    }

    /// Whether the limit is one of bytes, or there is none yet.
    #[cfg(feature = "commands")]
    pub(crate) fn may_limit_bytes(&self) -> bool {
        self.bound().is_none_or(|bound| matches!(bound.measure, Measure::Bytes))
    }

    /// Has the store hold so many bytes at most from now on, `usize::MAX` for as many as there are, and evict by this
    /// policy. A limit of another kind stays. O(shards), and once O(keys)
    ///
    /// # Errors
    /// Those of [`change`](Self::change).
    #[cfg(feature = "commands")]
    pub(crate) fn limit_bytes(
        &self,
        held: Option<&Transaction>,
        most: usize,
        eviction: Eviction,
    ) -> Result<()> {
        let bound = self.bound.get_or_init(|| Bound::new(Limit::Bytes(most), eviction));
        if matches!(bound.measure, Measure::Bytes) {
            bound.most.store(most as u64, Ordering::Relaxed);
        }
        bound.eviction.store(eviction as u8, Ordering::Relaxed);
        // Whoever takes a shard's lock after this knows of the limit, and what was done to it before is counted here.
        self.change(held, 0, |writer| {
            for (_, shard) in writer.parts_mut() {
                if bound.looks_at_use() {
                    shard.note_use();
                }
                bound.weigh(shard);
            }
        })
    }

    /// Counts a shard whose tables were exchanged. O(databases)
    pub(super) fn weigh(&self, shard: &mut Shard) {
        if let Some(bound) = self.bound() {
            bound.weigh(shard);
        }
    }

    /// Evicts keys until the store is within its limit, or nothing is left that may go. No lock is held.
    #[inline]
    pub(super) fn make_room(&self, evicted: &mut Vec<Evicted>) {
        if let Some(bound) = self.bound().filter(|bound| bound.is_over(0) && bound.has_victims()) {
            self.evict(bound, evicted);
        }
    }

    /// The same, after the keys that were changed have been weighed; tells what was evicted.
    #[cold]
    pub(super) fn weigh_and_make_room(&self, effects: &mut Effects, mut evicted: Vec<Evicted>) {
        let panic = self.bound().and_then(|bound| self.weigh_changed(bound, effects, &mut evicted));
        self.make_room(&mut evicted);
        let told = catch_unwind(AssertUnwindSafe(|| self.tell_evicted(&evicted)));
        pass_on(panic.or(told.err()));
    }

    #[cold]
    fn evict(&self, bound: &Bound, told: &mut Vec<Evicted>) {
        let (shards, mut idle) = (self.shards.len(), 0);
        while bound.is_over(0) && idle < 2 * shards {
            let index = bound.hand.fetch_add(1, Ordering::Relaxed) % shards;
            // Those that have more than their share are asked first, then all.
            let share = if idle < shards { bound.most() / shards as u64 } else { 0 };
            let mut effects = Effects::new();
            let mut guard = self.shards[index].0.write();
            let evicted = {
                let mut writer = Writer::of_one(self, 0, index as u32, &mut guard, &mut effects);
                let evicted = writer.evict(bound, 0, share, STEPS, &[]);
                writer.serve_waiters();
                writer.seal();
                evicted
            };
            drop(guard);
            // What comes back after a crash is evicted again.
            effects.wait_for_nothing();
            told.append(&mut self.settle_effects(&mut effects).0);
            idle = if evicted > 0 { 0 } else { idle + 1 };
        }
        // What others have added since the last look is theirs to make room for.
        let has_found_none = idle >= 2 * shards || is_planted(Bug::TakenForStuck);
        bound.is_stuck.store(has_found_none && bound.is_over(0), Ordering::Relaxed);
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
        match self.space().bound() {
            Some(bound) if !self.is_admitted => self.admit_to(bound, &[(key, bytes)]),
            _ => Ok(()),
        }
    }

    /// The same for several keys of one operation, of which none is refused after this.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    pub(crate) fn admit_many(&mut self, keys: &[(KeyRef<'_>, usize)]) -> Result<()> {
        match self.space().bound() {
            Some(bound) if !self.is_admitted => self.admit_to(bound, keys)?,
            _ => {}
        }
        self.admit_all();
        Ok(())
    }

    fn admit_to(&mut self, bound: &Bound, keys: &[(KeyRef<'_>, usize)]) -> Result<()> {
        let need: usize = match bound.measure {
            Measure::Bytes => keys.iter().fold(0, |sum: usize, (key, bytes)| {
                sum.saturating_add(match self.held_by(*key) {
                    Some(held) => bytes.saturating_sub(held),
                    None => bytes.saturating_add(key.bytes.len() + ENTRY),
                })
            }),
            Measure::Keys => {
                let new = keys.iter().filter(|(key, _)| self.held_by(*key).is_none());
                let mut names: SmallVec<[&[u8]; FEW]> = new.map(|(key, _)| key.bytes).collect();
                // One that is named twice is one key.
                names.sort_unstable();
                names.dedup();
                names.len()
            }
            // What it will weigh is not known before it is there.
            Measure::Weight(_) => 0,
        };
        let need = need as u64;
        let fits = match bound.measure {
            Measure::Bytes => need <= bound.most() - bound.most() / 8,
            Measure::Keys => need <= bound.most(),
            Measure::Weight(_) => true,
        };
        // What cannot fit does not have everything else evicted for it, and then goes itself.
        self.keep_within(if fits { need } else { 0 }, keys);
        let is_full = match bound.measure {
            // By how much a collection will grow is not known here: there has to be some room.
            Measure::Bytes => bound.is_over(need.max(1)),
            Measure::Keys => need > 0 && bound.is_over(need),
            Measure::Weight(_) => bound.is_over(1),
        };
        let is_refused = !fits || bound.most() == 0 || (bound.refuses() && is_full);
        if is_refused && !(self.is_whole() && matches!(bound.measure, Measure::Bytes)) {
            return Err(Error::OutOfMemory);
        }
        Ok(())
    }

    /// Whether it is [part of a whole](Effects::is_whole).
    fn is_whole(&mut self) -> bool {
        #[cfg(feature = "commands")]
        return self.effects_mut().is_whole;
        #[cfg(not(feature = "commands"))]
        false
    }

    /// What the value of a key holds on the heap, in bytes, if it has an entry.
    fn held_by(&mut self, key: KeyRef<'_>) -> Option<usize> {
        let db = self.db();
        let table = self.shard_mut(key)?.table(db)?;
        Some(match table.get(table.find(key.hash, key.bytes)?)?.value {
            ValueRef::Short(bytes) => bytes.len(),
            ValueRef::Whole(value) => value.heap_bytes(),
        })
    }

    /// What this operation does from now on is not refused: it ends what it has begun, or moves what is there
    /// already.
    pub(crate) fn admit_all(&mut self) {
        self.is_admitted = true;
    }

    /// Counts what the shards that are held weigh, and evicts from those with more than their share if the
    /// store would be over its limit with so much more. The few keys that this is for are spared.
    #[inline]
    pub(super) fn keep_within(&mut self, need: u64, keys: &[(KeyRef<'_>, usize)]) {
        let space = self.space();
        let Some(bound) = space.bound() else { return };
        for (_, shard) in self.parts_mut() {
            bound.weigh(shard);
        }
        // What a transaction evicted would come back if it were taken back.
        if bound.is_over(need) && bound.has_victims() && !self.is_undoable() {
            let spared = if keys.len() <= FEW { keys } else { &[] };
            self.evict(bound, need, bound.most() / space.shards.len() as u64, usize::MAX, spared);
        }
        if keys.is_empty() && bound.weigher().is_some() {
            self.look_at_noted();
        }
        if bound.is_stuck.load(Ordering::Relaxed) && !bound.is_over(0) {
            bound.is_stuck.store(false, Ordering::Relaxed);
        }
    }

    /// Evicts from shards that are held as long as the store would be over its limit with so much more, and they
    /// are over their share; gives how many keys went.
    fn evict(
        &mut self,
        bound: &Bound,
        need: u64,
        share: u64,
        most: usize,
        spared: &[(KeyRef<'_>, usize)],
    ) -> usize {
        let (mut evicted, home) = (0, self.db());
        let may_go = |db, name: &[u8]| db != home || spared.iter().all(|(key, _)| key.bytes != name);
        for part in 0..self.parts_mut().len() {
            while evicted < most && bound.is_over(need) {
                let Some((_, shard)) = self.parts_mut().get_mut(part) else { break };
                if shard.weight <= share {
                    break;
                }
                let victim = victim(shard, bound, may_go);
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

/// The key to evict from a shard, one that `may_go`: of the database with the most bytes that has one.
fn victim(shard: &mut Shard, bound: &Bound, may_go: impl Fn(u16, &[u8]) -> bool) -> Option<(u16, u32)> {
    let mut databases: Vec<(usize, u16)> =
        shard.tables().filter(|(_, table)| table.len() > 0).map(|(db, table)| (table.bytes(), db)).collect();
    databases.sort_unstable();
    databases.into_iter().rev().find_map(|(_, db)| {
        let (table, pinned) = shard.table_and_pinned(db)?;
        let is_pinned = |name: &[u8]| !pinned.is_empty() && pinned.contains(&(db, Bytes::from(name)));
        let may_go = |name: &[u8]| !is_pinned(name) && may_go(db, name);
        let at = match bound.eviction() {
            Eviction::Refuse => None,
            Eviction::AllKeys => table.victim(false, table.len().saturating_sub(pinned.len()), may_go),
            Eviction::Expiring => table.victim(true, table.expiring(), may_go),
            Eviction::SoonestDeadline => table.first_to_expire(may_go),
        };
        Some((db, at?))
    })
}
