//! A hierarchical timing wheel: finds the entries whose deadline has passed.
//!
//! The wheel owns no timers. Each entry of a table carries a [`Timer`], and a slot of the wheel is
//! a doubly linked list through them, by position. So a timer is unlinked in O(1) when its entry
//! goes, and no stale record is ever left behind.
//!
//! Time is cut into ticks of 16 ms. A deadline is rounded up to a tick, so an entry is never given
//! back early and at most 15 ms late. A slot of level `l` spans 32^l ticks and a level has 64 slots,
//! which is two slots of the level above: a coarse slot can be spread over finer ones as soon as
//! the slot *before* it begins. Due entries therefore never wait behind a cascade, unless the
//! caller falls behind by the span of a whole slot.
//!
//! The scheme is Varghese and Lauck's, "Hashed and Hierarchical Timing Wheels" (1987).

/// The deadline of a timer that has none.
pub(crate) const NO_DEADLINE: u64 = u64::MAX;

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
        Timer { deadline: NO_DEADLINE, next: NIL, prev: NIL }
    }

    /// Milliseconds on the store's monotonic line, [`NO_DEADLINE`] where there is none.
    pub(crate) fn deadline(&self) -> u64 {
        self.deadline
    }
}

/// Where the wheel finds the timer of an entry.
///
/// Positions are below 2^31. The wheel asks only for positions that it was given and that were not
/// cancelled or moved away since.
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
#[derive(Debug)]
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
    /// A deadline in the past is due at once; [`NO_DEADLINE`] is a [`cancel`](Self::cancel).
    pub(crate) fn schedule(&mut self, timers: &mut impl Timers, at: u32, deadline: u64) {
        let Timer { deadline: before, prev, .. } = *timers.timer(at);
        if prev != NIL && deadline != NO_DEADLINE {
            let slot = self.slot_for(tick_of(before));
            // Wherever the entry stands holds this slot as a whole, unless it may be due already.
            if slot != DUE && slot == self.slot_for(tick_of(deadline)) {
                timers.timer_mut(at).deadline = deadline;
                return;
            }
        }
        self.cancel(timers, at);
        if deadline == NO_DEADLINE {
            return;
        }
        if self.heads.is_empty() {
            self.heads = vec![NIL; FAR + 1].into_boxed_slice();
        }
        timers.timer_mut(at).deadline = deadline;
        self.place(timers, at);
    }

    /// Takes the deadline from the entry at `at`, if it has one. O(1).
    ///
    /// To be called before an entry leaves the table.
    pub(crate) fn cancel(&mut self, timers: &mut impl Timers, at: u32) {
        let timer = timers.timer(at);
        if timer.prev != NIL {
            self.unlink(timers, at);
        } else if timer.deadline == NO_DEADLINE {
            return;
        }
        timers.timer_mut(at).deadline = NO_DEADLINE;
    }

    /// Follows an entry, timer included, that was moved from `from` to `to`. O(1).
    ///
    /// What stood at `to` must have been cancelled before. `from` is not looked at any more.
    pub(crate) fn moved(&mut self, timers: &mut impl Timers, from: u32, to: u32) {
        let Timer { next, prev, .. } = *timers.timer(to);
        if from == to || prev == NIL {
            return;
        }
        match slot_named(prev) {
            Some(slot) => self.set_head(slot, to),
            None => timers.timer_mut(prev).next = to,
        }
        if next != NIL {
            timers.timer_mut(next).prev = to;
        }
    }

    /// Finds an entry whose deadline is at or before `now`, and unlinks it; its deadline stays
    /// readable. The caller removes the entry or schedules it again, else it is never found again.
    ///
    /// Each entry looked at and each slot emptied takes 1 from `budget`; what is left undone is
    /// taken up by the next call, whatever was scheduled, cancelled or moved between. Due entries
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
        // Nothing is linked from `NO_DEADLINE` on, so the last tick begins just before it.
        Some(wake.saturating_mul(1 << TICK_BITS).min(NO_DEADLINE - 1))
    }

    /// How many timers have a deadline that is no later than `now`, which must be before
    /// [`next_wake`](Self::next_wake): those are due, and not given back before the tick is over. O(k)
    /// for k timers of that tick.
    pub(crate) fn overdue(&self, timers: &impl Timers, now: u64) -> usize {
        if self.len == 0 {
            return 0;
        }
        let mut at = self.head(open_slot(now));
        let mut count = 0;
        while at != NIL {
            let timer = timers.timer(at);
            count += usize::from(timer.deadline <= now);
            at = timer.next;
        }
        count
    }

    /// Brings the timers that [`overdue`](Self::overdue) counts to the front of their slot, where
    /// [`pop_overdue`](Self::pop_overdue) finds them. To be called when nothing is due. O(k) for k
    /// timers of that tick.
    pub(crate) fn raise_overdue(&mut self, timers: &mut impl Timers, now: u64) {
        let slot = open_slot(now);
        let mut at = self.head(slot);
        while at != NIL {
            let Timer { deadline, next, .. } = *timers.timer(at);
            if deadline <= now {
                self.unlink(timers, at);
                self.link(timers, at, slot);
            }
            at = next;
        }
    }

    /// Finds an entry whose deadline is at or before `now` though its tick is not over, and unlinks it,
    /// as [`pop_due`](Self::pop_due) does. O(1).
    pub(crate) fn pop_overdue(&mut self, timers: &mut impl Timers, now: u64) -> Option<u32> {
        let at = self.head(open_slot(now));
        if at == NIL || timers.timer(at).deadline > now {
            return None;
        }
        self.unlink(timers, at);
        Some(at)
    }

    /// When to look for overdue timers next, for a clock on which each millisecond counts: never after
    /// the first deadline. It lies in the past while work is left, as it may be if `now` has moved on
    /// since the last sweep. O(k) for k timers of the tick under way.
    pub(crate) fn next_exact_wake(&self, timers: &impl Timers, now: u64) -> Option<u64> {
        let wake = self.next_wake()?;
        if wake <= now {
            return Some(wake);
        }
        let mut first = NO_DEADLINE;
        let mut at = self.head(open_slot(now));
        while at != NIL {
            let timer = timers.timer(at);
            first = first.min(timer.deadline);
            at = timer.next;
        }
        // What lies in a later tick has been rounded up by less than a tick.
        let later = wake.saturating_sub((1 << TICK_BITS) - 1).max(now.saturating_add(1));
        Some(first.min(later))
    }

    /// The number of linked timers. O(1).
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
        let timer = timers.timer_mut(at);
        let (next, prev) = (timer.next, timer.prev);
        timer.next = NIL;
        timer.prev = NIL;
        match slot_named(prev) {
            Some(slot) => self.set_head(slot, next),
            None => timers.timer_mut(prev).next = next,
        }
        if next != NIL {
            timers.timer_mut(next).prev = prev;
        }
        self.len = self.len.saturating_sub(1);
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
    if now >= NO_DEADLINE - 1 { LAST_TICK } else { now >> TICK_BITS }
}

/// The slot of the tick that has begun before `now` and ends after it. All timers of that tick are in
/// it once nothing is due: a coarse slot that reaches so far would have to be spread by then.
fn open_slot(now: u64) -> usize {
    slot_at(0, tick_reached(now) + 1)
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    struct Entry {
        id: u64,
        timer: Timer,
    }

    impl Timers for Vec<Entry> {
        fn timer(&self, at: u32) -> &Timer {
            &self[at as usize].timer
        }

        fn timer_mut(&mut self, at: u32) -> &mut Timer {
            &mut self[at as usize].timer
        }
    }

    /// A table with a wheel beside the plain model of it.
    struct Bench {
        now: u64,
        ids: u64,
        table: Vec<Entry>,
        wheel: Wheel,
        model: BTreeSet<(u64, u64)>,
    }

    impl Bench {
        fn new(now: u64) -> Self {
            Bench { now, ids: 0, table: Vec::new(), wheel: Wheel::new(now), model: BTreeSet::new() }
        }

        fn insert(&mut self, deadline: u64) {
            self.ids += 1;
            self.table.push(Entry { id: self.ids, timer: Timer::new() });
            self.schedule(self.table.len() - 1, deadline);
        }

        fn forget(&mut self, at: usize) {
            let entry = &self.table[at];
            self.model.remove(&(entry.timer.deadline(), entry.id));
        }

        fn schedule(&mut self, at: usize, deadline: u64) {
            self.forget(at);
            self.wheel.schedule(&mut self.table, at as u32, deadline);
            if deadline != NO_DEADLINE {
                self.model.insert((deadline, self.table[at].id));
            }
        }

        fn cancel(&mut self, at: usize) {
            self.forget(at);
            self.wheel.cancel(&mut self.table, at as u32);
        }

        fn remove(&mut self, at: usize) {
            self.cancel(at);
            self.table.swap_remove(at);
            let last = self.table.len();
            if at < last {
                self.wheel.moved(&mut self.table, last as u32, at as u32);
            }
        }

        /// Pops until nothing is due (true) or the budget is spent; some entries are kept.
        fn pop(&mut self, mut budget: usize) -> bool {
            loop {
                match self.wheel.pop_due(&mut self.table, self.now, &mut budget) {
                    Due::Entry(at) => self.popped(at),
                    Due::BudgetSpent => {
                        assert_eq!(budget, 0);
                        return false;
                    }
                    Due::Nothing => {
                        let late = self.model.first().map(|(deadline, _)| *deadline);
                        assert!(late.is_none_or(|at| at.saturating_add(15) > self.now), "{late:?} lost");
                        assert!(self.wheel.next_wake().is_none_or(|wake| wake > self.now), "busy loop");
                        return true;
                    }
                }
            }
        }

        /// Pops what is due to the millisecond, when nothing else is.
        fn pop_overdue(&mut self) {
            self.wheel.raise_overdue(&mut self.table, self.now);
            while let Some(at) = self.wheel.pop_overdue(&mut self.table, self.now) {
                self.popped(at);
            }
            let first = self.model.first().map(|(deadline, _)| *deadline);
            assert!(first.is_none_or(|first| first > self.now), "{first:?} is late");
            let wake = self.wheel.next_exact_wake(&self.table, self.now);
            assert!(wake.is_none_or(|wake| wake > self.now), "busy loop");
            assert!(wake <= first, "{wake:?} is after {first:?}");
        }

        fn popped(&mut self, at: u32) {
            let Entry { id, timer: Timer { deadline, .. } } = self.table[at as usize];
            assert!(deadline <= self.now, "{deadline} is early at {}", self.now);
            assert!(self.model.remove(&(deadline, id)), "not scheduled");
            match id % 3 {
                0 => self.cancel(at as usize),
                1 => self.schedule(at as usize, self.now.saturating_add(40)),
                _ => self.remove(at as usize),
            }
        }

        fn check(&self) {
            let wheel = &self.wheel;
            let mut seen = BTreeSet::new();
            for (slot, &head) in wheel.heads.iter().enumerate() {
                let occupied = wheel.occupied.get(slot / 64).map(|bits| bits >> (slot % 64) & 1 == 1);
                assert_eq!(occupied.unwrap_or(head != NIL), head != NIL);
                let (mut prev, mut at) = (name_of(slot), head);
                while at != NIL {
                    let Entry { id, timer } = &self.table[at as usize];
                    assert_eq!(timer.prev, prev);
                    assert!(seen.insert((timer.deadline, *id)));
                    (prev, at) = (at, timer.next);
                }
            }
            assert_eq!(seen, self.model);
            assert_eq!(wheel.len(), self.model.len());
            assert_eq!(self.table.iter().filter(|entry| entry.timer.prev != NIL).count(), seen.len());
            let first = self.model.first().map(|(at, _)| *at);
            let rounded = first.map(|at| at.checked_next_multiple_of(16).unwrap_or(u64::MAX - 1));
            let wake = wheel.next_wake();
            assert_eq!(wake.is_some(), rounded.is_some());
            assert!(wake <= rounded, "{wake:?} is after {rounded:?}");
            if wake > Some(self.now) {
                let overdue = self.model.iter().filter(|(at, _)| *at <= self.now).count();
                assert_eq!(wheel.overdue(&self.table, self.now), overdue);
            }
        }
    }

    #[derive(Clone, Debug)]
    enum Op {
        Insert(When),
        Schedule(usize, When),
        Cancel(usize),
        Remove(usize),
        Advance(u64),
        WakeUp,
        Pop(usize),
        Drain,
    }

    /// A deadline, in milliseconds from now.
    type When = i128;

    /// Spans of every size: small ones, years, round ones (where slots begin), and nearly all time.
    fn span() -> impl Strategy<Value = u64> {
        prop_oneof![
            9 => 0u64..70,
            9 => (0u32..64, any::<u64>()).prop_map(|(bits, x)| x >> bits >> 1),
            9 => (0u32..50, 0u64..3).prop_map(|(bits, less)| (1u64 << bits).saturating_sub(less)),
            1 => (0u64..4_000).prop_map(|left| u64::MAX - left),
        ]
    }

    fn when() -> impl Strategy<Value = When> {
        prop_oneof![9 => span().prop_map(When::from), 1 => span().prop_map(|ago| -When::from(ago))]
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            8 => when().prop_map(Op::Insert),
            2 => (any::<usize>(), when()).prop_map(|(at, when)| Op::Schedule(at, when)),
            1 => any::<usize>().prop_map(Op::Cancel),
            2 => any::<usize>().prop_map(Op::Remove),
            3 => (0u64..3_000).prop_map(Op::Advance),
            1 => span().prop_map(Op::Advance),
            3 => Just(Op::WakeUp),
            4 => (0usize..6).prop_map(Op::Pop),
            1 => Just(Op::Drain),
        ]
    }

    fn apply(bench: &mut Bench, op: Op) {
        let now = When::from(bench.now);
        let deadline = |when: When| (now + when).clamp(0, When::from(u64::MAX)) as u64;
        let len = bench.table.len();
        match op {
            Op::Insert(when) => bench.insert(deadline(when)),
            Op::Advance(by) => bench.now = bench.now.saturating_add(by),
            Op::WakeUp => bench.now = bench.wheel.next_wake().unwrap_or(0).max(bench.now),
            Op::Pop(budget) => _ = bench.pop(budget),
            // Enough for each entry to pass all levels and for each slot to be visited.
            Op::Drain => {
                assert!(bench.pop(2 * bench.wheel.len() * (LEVELS + 4) + DUE));
                bench.pop_overdue();
            }
            _ if len == 0 => {}
            Op::Schedule(at, when) => bench.schedule(at % len, deadline(when)),
            Op::Cancel(at) => bench.cancel(at % len),
            Op::Remove(at) => bench.remove(at % len),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn agrees_with_a_sorted_set(start in span(), ops in prop::collection::vec(op(), 1..200)) {
            let mut bench = Bench::new(start);
            for op in ops {
                apply(&mut bench, op);
                bench.check();
            }
            bench.now = u64::MAX;
            apply(&mut bench, Op::Drain);
            prop_assert_eq!(bench.wheel.len(), 0);
        }
    }

    #[test]
    fn holds_no_memory_before_the_first_deadline() {
        let mut bench = Bench::new(7);
        assert_eq!((bench.wheel.bytes(), bench.wheel.next_wake()), (0, None));
        assert!(bench.pop(0));
        bench.insert(8);
        assert_eq!(bench.wheel.bytes(), (LEVELS * 64 + 2) * 4);
        assert_eq!(size_of::<Timer>(), 16);
    }

    #[test]
    fn due_entries_do_not_wait_for_a_cascade() {
        let mut bench = Bench::new(0);
        (0..10_000).for_each(|_| bench.insert(60_000));
        bench.now = bench.wheel.next_wake().unwrap();
        assert_eq!(bench.now, 2 * 16_384, "a slot of level 2 before that of the crowd");
        assert!(!bench.pop(10));
        assert_eq!(bench.wheel.len(), 10_000);
        bench.insert(bench.now + 1);
        bench.now += 16;
        assert!(!bench.pop(10));
        assert_eq!(bench.wheel.len(), 10_000);
    }

    #[test]
    fn finds_nothing_while_the_clock_stands_back() {
        let mut bench = Bench::new(1_000);
        bench.insert(990);
        assert_eq!(bench.wheel.pop_due(&mut bench.table, 500, &mut 9), Due::Nothing);
        assert_eq!(bench.wheel.pop_due(&mut bench.table, 1_000, &mut 9), Due::Entry(0));
    }

    #[test]
    fn a_leap_costs_about_one_step_an_entry() {
        let mut bench = Bench::new(0);
        (0..1_000).for_each(|i| bench.insert(100_000_000 + i));
        (0..1_000).for_each(|i| bench.insert(i << 49));
        let mut budget = 2_600;
        for _ in 0..2_000 {
            assert!(matches!(bench.wheel.pop_due(&mut bench.table, 1 << 59, &mut budget), Due::Entry(_)));
        }
        assert_eq!(bench.wheel.pop_due(&mut bench.table, 1 << 59, &mut budget), Due::Nothing);
    }
}
