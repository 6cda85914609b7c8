//! When each key was last used, and how often of late: what `OBJECT IDLETIME` and `OBJECT FREQ` tell.
//!
//! It is noted from the moment at which somebody first speaks to the store in commands, and takes five bytes a key then;
//! a store that is only used as a library has none of it. What is evicted is not decided by it, but by
//! [`recency`](super::recency).
//!
//! How often is Redis's count: one of eight bits that grows ever more seldom (Morris, "Counting large numbers of events in
//! small registers", 1978), and less by one for each period without a use.

#[cfg(feature = "commands")]
mod asked;

use super::Keyspace;
use super::column::Column;
use super::table::Table;
use super::view::UNREAD;
use crate::rng::Rng;
use crate::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};

/// What a new key begins with, so that it does not seem unused.
const FRESH: u8 = 5;
/// Milliseconds of a second, and seconds of a minute.
const SECOND: u64 = 1_000;
const MINUTE: u64 = 60;
/// The second at which a store's line begins: a key may have been last used before that.
const START: u64 = 1 << 31;

/// Whether a store notes uses, and how it counts them.
#[derive(Default)]
pub(super) struct Noting {
    is_on: AtomicBool,
    /// A [`Counting`], and a bit that says that there is one.
    counting: AtomicU64,
}

/// How uses are counted where the policy goes by their number: `lfu-log-factor`, and `lfu-decay-time` in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counting {
    pub factor: u32,
    pub decay: u32,
}

/// Those of a table's keys, by their positions.
pub(super) struct Uses {
    /// At which second, on the store's line from [`START`] on.
    last: Column<AtomicU32>,
    counts: Column<AtomicU8>,
    /// When the last key came: those whose time nobody says count as used then.
    came: u32,
}

impl Default for Uses {
    fn default() -> Self {
        Uses::of(0, 0)
    }
}

impl Clone for Uses {
    /// O(n)
    fn clone(&self) -> Self {
        let last = self.last.iter().map(|last| AtomicU32::new(last.load(Ordering::Relaxed)));
        let counts = self.counts.iter().map(|count| AtomicU8::new(count.load(Ordering::Relaxed)));
        Uses { last: last.collect(), counts: counts.collect(), came: self.came }
    }
}

fn second(now: u64) -> u32 {
    u32::try_from(START + now / SECOND).unwrap_or(u32::MAX)
}

impl Noting {
    pub(super) fn fork(&self) -> Self {
        Noting {
            is_on: AtomicBool::new(self.is_on.load(Ordering::Relaxed)),
            counting: AtomicU64::new(self.counting.load(Ordering::Relaxed)),
        }
    }

    fn counting(&self) -> Option<Counting> {
        const LOW: u64 = (1 << 31) - 1;
        let bits = self.counting.load(Ordering::Relaxed);
        let counting = Counting { factor: (bits & LOW) as u32, decay: (bits >> 31 & LOW) as u32 };
        (bits >> 62 != 0).then_some(counting)
    }
}

impl Uses {
    /// Of so many keys, which count as used now. O(n)
    pub(super) fn of(len: usize, now: u64) -> Self {
        let came = second(now);
        let last = (0..len).map(|_| AtomicU32::new(came)).collect();
        Uses { last, counts: (0..len).map(|_| AtomicU8::new(FRESH)).collect(), came }
    }

    /// A key was added at the end. O(1) amortised
    pub(super) fn push(&mut self) {
        self.last.push(AtomicU32::new(self.came));
        self.counts.push(AtomicU8::new(FRESH));
    }

    /// The key at a position was taken out, and the last one took its place. O(1) amortised
    pub(super) fn swap_removed(&mut self, at: u32) {
        self.last.swap_removed(at);
        self.counts.swap_removed(at);
    }

    /// A [`swap_removed`](Self::swap_removed) is taken back. O(1)
    pub(super) fn swap_inserted(&mut self, at: u32) {
        self.last.swap_inserted(at, AtomicU32::new(self.came));
        self.counts.swap_inserted(at, AtomicU8::new(FRESH));
    }

    /// Only the first so many keys are left. O(1) amortised for each that went
    pub(super) fn truncated(&mut self, len: usize) {
        self.last.truncated(len, drop);
        self.counts.truncated(len, drop);
    }

    /// The key that was added last came now. O(1)
    fn came(&mut self, at: u32, now: u64) {
        self.came = second(now);
        if let Some(last) = self.last.get_mut(at) {
            *last.get_mut() = self.came;
        }
    }

    /// The key at a position is used. O(1)
    fn touch(&self, at: u32, now: u64, counting: Option<Counting>, rng: &Rng) {
        let (Some(last), Some(count)) = (self.last.get(at), self.counts.get(at)) else { return };
        if let Some(counting) = counting {
            let before = counting.after(count.load(Ordering::Relaxed), last.load(Ordering::Relaxed), now);
            // A use that is lost to another at the same time is no loss.
            count.store(counting.more(before, rng), Ordering::Relaxed);
        }
        // Within a second, a key in constant use is written no more.
        if last.load(Ordering::Relaxed) != second(now) {
            last.store(second(now), Ordering::Relaxed);
        }
    }

    /// Has all have been used so much later. O(n)
    pub(super) fn postpone(&mut self, by: u64) {
        let by = u32::try_from(by / SECOND).unwrap_or(u32::MAX);
        self.last.iter_mut().map(AtomicU32::get_mut).for_each(|last| *last = last.saturating_add(by));
        self.came = self.came.saturating_add(by);
    }

    /// Heap memory, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        self.last.bytes() + self.counts.bytes()
    }
}

impl Counting {
    /// What is left of a count whose key was last used at that second.
    fn after(self, count: u8, last: u32, now: u64) -> u8 {
        let minute = |second: u32| u64::from(second) / MINUTE;
        let minutes = minute(second(now)).saturating_sub(minute(last));
        let periods = minutes.checked_div(self.decay.into()).unwrap_or(0);
        count.saturating_sub(u8::try_from(periods).unwrap_or(u8::MAX))
    }

    /// The count after one more use.
    fn more(self, count: u8, rng: &Rng) -> u8 {
        let ahead = u64::from(count.saturating_sub(FRESH)) * u64::from(self.factor) + 1;
        // One in so many.
        let grows = ahead == 1 || rng.below(usize::try_from(ahead).unwrap_or(usize::MAX)) == 0;
        count.saturating_add(u8::from(grows))
    }
}

impl Keyspace {
    /// The key at a position of a table is used: now, if that was read already. O(1)
    #[inline]
    pub(super) fn touch(&self, table: &Table, at: u32, now: u64) {
        table.touch(at);
        if let Some(uses) = table.uses() {
            self.note_use(uses, at, now);
        }
    }

    #[inline(never)]
    fn note_use(&self, uses: &Uses, at: u32, now: u64) {
        uses.touch(at, self.unless_read(now), self.uses.counting(), &self.rng);
    }

    /// A key has come to a table. O(1)
    #[inline]
    pub(super) fn came(&self, table: &mut Table, now: u64) {
        let at = table.len().saturating_sub(1) as u32;
        if let Some(uses) = table.uses_mut() {
            uses.came(at, self.unless_read(now));
        }
    }

    /// A coarse clock will do for whole seconds.
    fn unless_read(&self, now: u64) -> u64 {
        if now == UNREAD { self.clock().about_now() } else { now }
    }
}
