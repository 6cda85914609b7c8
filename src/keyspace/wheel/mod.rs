//! A hierarchical timing wheel: finds the entries whose deadline has passed.
//!
//! The wheel owns no timers. Each entry (here: a page of a table) has a [`Timer`], and a slot of the wheel
//! is a doubly linked list through them, by position. So a timer is unlinked in O(1) when its entry
//! goes, and no stale record is ever left behind.
//!
//! Time is cut into ticks of 16 ms. A deadline is rounded up to a tick, so an entry is never given
//! back early and at most 15 ms late. A slot of level `l` spans 32^l ticks and a level has 64 slots,
//! which is two slots of the level above: a coarse slot can be spread over finer ones as soon as
//! the slot *before* it begins. Due entries therefore never wait behind a cascade, unless the
//! caller falls behind by the span of a whole slot.
//!
//! The scheme is Varghese and Lauck's, "Hashed and Hierarchical Timing Wheels" (1987).

mod exact;
#[cfg(test)]
mod tests;

use crate::clock::NEVER;

/// An entry's deadline, and its links in the wheel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timer {
    deadline: u64,
    next: u32,
    /// The entry before, or `SLOT | slot` for the first of a slot, or `NIL` while not linked.
    prev: u32,
}

impl Timer {
    /// A timer without a deadline, linked nowhere.
    pub(crate) const fn new() -> Self {
        Timer { deadline: NEVER, next: NIL, prev: NIL }
    }

    /// Milliseconds on the store's monotonic line, [`NEVER`] where there is none.
    pub(crate) fn deadline(&self) -> u64 {
        self.deadline
    }
}

/// Where the wheel finds the timer of an entry.
///
/// Positions are below 2^31. The wheel asks only for those that it was given and that were not
/// cancelled since.
pub(crate) trait Timers {
    /// The timer of the entry at `at`. O(1).
    fn timer(&self, at: u32) -> &Timer;
    /// The same, to be changed. O(1).
    fn timer_mut(&mut self, at: u32) -> &mut Timer;
}

/// What [`Wheel::pop_due`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The entry at this position has passed its deadline.
    Entry(u32),
    /// Nothing is due, and no work is left until [`Wheel::next_wake`].
    Nothing,
    /// The budget is used up; there may be more.
    BudgetSpent,
}

/// The timers of one table, in order of deadline as far as needed.
///
/// Invariants, with `index` the number of a slot counted from the beginning of time:
/// - an occupied slot of level `l` has `current >> shift(l) <= index <= (current >> shift(l)) + 63`,
///   so that the place in the level (`index % 64`) names it;
/// - a timer in a slot is due within the span of the slot;
/// - a timer in `FAR` is not due before the slot `far + 1` of the last level begins;
/// - a bit of `occupied` is set exactly where the list of a slot is not empty.
#[derive(Clone, Debug)]
pub(crate) struct Wheel {
    /// The tick at which time stands: a slot that ended before it is empty.
    current: u64,
    len: usize,
    occupied: [u64; LEVELS],
    /// The slot of the last level in which `FAR` is to be looked through.
    far: u64,
    /// First entry of each slot, of `DUE` and of `FAR`. Empty until the first timer is scheduled.
    heads: Box<[u32]>,
}

const LEVELS: usize = 7;
const SLOTS: u64 = 64;
/// A slot spans as much as 2^5 slots of the level below.
const SPREAD_BITS: usize = 5;
const TICK_BITS: u32 = 4;
/// The tick of the last deadlines, rounded up.
const LAST_TICK: u64 = 1 << (u64::BITS - TICK_BITS);

/// The list of what is to be looked at next, most of it due.
const DUE: usize = LEVELS * SLOTS as usize;
/// The list of what lies beyond the last level, which reaches 34 years ahead. A list of its own, so
/// that a leap of centuries looks through it once, and not at every turn of the wheel.
const FAR: usize = DUE + 1;
const NIL: u32 = u32::MAX;
/// Marks a `prev` that names a slot.
const SLOT: u32 = 1 << 31;

impl Default for Wheel {
    fn default() -> Self {
        Wheel::new(0)
    }
}

impl Wheel {
    /// An empty wheel whose time begins at `now`. Allocates nothing.
    pub(crate) fn new(now: u64) -> Self {
        Wheel { current: tick_reached(now), len: 0, occupied: [0; LEVELS], far: 0, heads: Box::default() }
    }

    /// Gives the entry at `at` a deadline, in place of the one it may have. O(1).
    ///
    /// A deadline in the past is due at once; [`NEVER`] is a [`cancel`](Self::cancel).
    pub(crate) fn schedule(&mut self, timers: &mut impl Timers, at: u32, deadline: u64) {
        let Timer { deadline: before, prev, .. } = *timers.timer(at);
        if prev != NIL && deadline != NEVER {
            let slot = self.slot_for(tick_of(before));
            // Wherever the entry stands holds this slot as a whole, unless it may be due already.
            if slot != DUE && slot == self.slot_for(tick_of(deadline)) {
                timers.timer_mut(at).deadline = deadline;
                return;
            }
        }
        self.cancel(timers, at);
        if deadline == NEVER {
            return;
        }
        if self.heads.is_empty() {
            self.heads = vec![NIL; FAR + 1].into_boxed_slice();
        }
        timers.timer_mut(at).deadline = deadline;
        self.place(timers, at);
    }

    /// Takes the deadline from the entry at `at`, if it has one. O(1).
    pub(crate) fn cancel(&mut self, timers: &mut impl Timers, at: u32) {
        let timer = timers.timer(at);
        if timer.prev != NIL {
            self.unlink(timers, at);
        } else if timer.deadline == NEVER {
            return;
        }
        timers.timer_mut(at).deadline = NEVER;
    }

    /// Finds an entry whose deadline is at or before `now`, and unlinks it; its deadline stays
    /// readable. The caller removes the entry or schedules it again, else it is never found again.
    ///
    /// Each entry looked at and each slot emptied takes 1 from `budget`; what is left undone is
    /// taken up by the next call, whatever was scheduled or cancelled between. Due entries
    /// come first, then the spreading of coarse slots that begin soon. A `now` before that of an
    /// earlier call finds nothing. An entry costs about one step for each level it passes.
    pub(crate) fn pop_due(&mut self, timers: &mut impl Timers, now: u64, budget: &mut usize) -> Due {
        let target = tick_reached(now);
        if target < self.current {
            return Due::Nothing;
        }
        loop {
            let ended = if self.head(DUE) == NIL { self.advance(target) } else { None };
            if let Some(list) = ended {
                if !spend(budget) {
                    return Due::BudgetSpent;
                }
                self.make_due(timers, list);
            }
            let list = if self.head(DUE) == NIL { self.slot_to_spread() } else { Some(DUE) };
            let Some(list) = list else { return Due::Nothing };
            while self.head(list) != NIL {
                if !spend(budget) {
                    return Due::BudgetSpent;
                }
                let at = self.head(list);
                self.unlink(timers, at);
                if tick_of(timers.timer(at).deadline) <= target {
                    return Due::Entry(at);
                }
                self.place(timers, at);
            }
        }
    }

    /// When to call [`pop_due`](Self::pop_due) next, in milliseconds; `None` without timers.
    ///
    /// It is never after the first deadline rounded up to 16 ms. While work is left it lies in the
    /// past; after [`Due::Nothing`] it is after that call's `now`. O(levels).
    pub(crate) fn next_wake(&self) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        if self.head(DUE) != NIL {
            return Some(0);
        }
        let mut wake = if self.head(FAR) == NIL { LAST_TICK } else { self.far << shift(LEVELS - 1) };
        for level in 0..LEVELS {
            if let Some(index) = self.first_index(level) {
                // A coarse slot is spread while time is still in the slot before it.
                let begin = if level == 0 { index } else { index.saturating_sub(1) };
                wake = wake.min(begin << shift(level));
            }
        }
        // Nothing is linked from `NEVER` on, so the last tick begins just before it.
        Some(wake.saturating_mul(1 << TICK_BITS).min(NEVER - 1))
    }

    /// The number of linked timers. O(1).
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Heap bytes held by the wheel itself. O(1).
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.heads)
    }

    /// Links an entry into the slot of the finest level that reaches its deadline.
    fn place(&mut self, timers: &mut impl Timers, at: u32) {
        let tick = tick_of(timers.timer(at).deadline);
        let slot = self.slot_for(tick);
        if slot == FAR && self.head(FAR) == NIL {
            self.far = (self.current >> shift(LEVELS - 1)) + SLOTS - 1;
        }
        self.link(timers, at, slot);
    }

    fn slot_for(&self, tick: u64) -> usize {
        if tick <= self.current {
            return DUE;
        }
        for level in 0..LEVELS {
            let index = tick >> shift(level);
            if index - (self.current >> shift(level)) < SLOTS {
                return slot_at(level, index);
            }
        }
        FAR
    }

    /// Moves time on to `target`, but not past the end of an occupied slot: that slot, in which
    /// all is due by now, must be emptied first, and is returned; else `FAR`, if its time has come.
    fn advance(&mut self, target: u64) -> Option<usize> {
        let (mut end, mut list) = (target, None);
        for level in 0..LEVELS {
            if let Some(index) = self.first_index(level) {
                let last = ((index + 1) << shift(level)) - 1;
                if last <= end {
                    (end, list) = (last, Some(slot_at(level, index)));
                }
            }
        }
        self.current = end;
        let far_begun = self.head(FAR) != NIL && self.far <= end >> shift(LEVELS - 1);
        list.or(far_begun.then_some(FAR))
    }

    /// A coarse slot that has begun or begins next, and so fits into the level below, finest first.
    fn slot_to_spread(&self) -> Option<usize> {
        (1..LEVELS).find_map(|level| {
            let index = self.first_index(level)?;
            (index <= (self.current >> shift(level)) + 1).then(|| slot_at(level, index))
        })
    }

    /// The index of the first occupied slot of a level.
    fn first_index(&self, level: usize) -> Option<u64> {
        let base = self.current >> shift(level);
        // By the invariant all occupied slots lie within one turn from `base` on. `level` is one of
        // `LEVELS`, so the index is in range.
        let ahead = self.occupied[level].rotate_right((base % SLOTS) as u32);
        (ahead != 0).then(|| base + u64::from(ahead.trailing_zeros()))
    }

    /// Makes a whole list the list `DUE`, which is empty. O(1).
    fn make_due(&mut self, timers: &mut impl Timers, list: usize) {
        let at = self.head(list);
        if at != NIL {
            timers.timer_mut(at).prev = name_of(DUE);
        }
        self.set_head(DUE, at);
        self.set_head(list, NIL);
    }

    fn link(&mut self, timers: &mut impl Timers, at: u32, slot: usize) {
        debug_assert!(at < SLOT, "position out of range");
        let next = self.head(slot);
        if next != NIL {
            timers.timer_mut(next).prev = at;
        }
        let timer = timers.timer_mut(at);
        timer.next = next;
        timer.prev = name_of(slot);
        self.set_head(slot, at);
        self.len += 1;
    }

    fn unlink(&mut self, timers: &mut impl Timers, at: u32) {
        let Timer { next, prev, .. } = *timers.timer(at);
        if prev == NIL {
            return;
        }
        let timer = timers.timer_mut(at);
        timer.next = NIL;
        timer.prev = NIL;
        self.len = self.len.saturating_sub(1);
        match slot_named(prev) {
            Some(slot) => self.set_head(slot, next),
            None => timers.timer_mut(prev).next = next,
        }
        if next != NIL {
            timers.timer_mut(next).prev = prev;
        }
    }

    fn head(&self, slot: usize) -> u32 {
        self.heads.get(slot).copied().unwrap_or(NIL)
    }

    fn set_head(&mut self, slot: usize, at: u32) {
        if let Some(head) = self.heads.get_mut(slot) {
            *head = at;
        }
        if let Some(bits) = self.occupied.get_mut(slot / SLOTS as usize) {
            let bit = 1 << (slot % SLOTS as usize);
            if at == NIL { *bits &= !bit } else { *bits |= bit }
        }
    }
}

/// The first tick at which `deadline` has passed.
fn tick_of(deadline: u64) -> u64 {
    deadline.div_ceil(1 << TICK_BITS)
}

/// The last tick that has begun at `now`. The end of time completes the last one.
fn tick_reached(now: u64) -> u64 {
    if now >= NEVER - 1 { LAST_TICK } else { now >> TICK_BITS }
}

/// By how many bits a tick is shifted for its index in a level.
fn shift(level: usize) -> usize {
    level * SPREAD_BITS
}

fn slot_at(level: usize, index: u64) -> usize {
    level * SLOTS as usize + (index % SLOTS) as usize
}

/// What a `prev` says for the first entry of a slot.
fn name_of(slot: usize) -> u32 {
    SLOT | slot as u32
}

fn slot_named(prev: u32) -> Option<usize> {
    (prev & SLOT != 0).then_some((prev & !SLOT) as usize)
}

/// Takes 1 from the budget, if there is one.
fn spend(budget: &mut usize) -> bool {
    let some = *budget > 0;
    *budget -= usize::from(some);
    some
}
