//! The wheel beside a plain sorted set of deadlines.

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
        if deadline != NEVER {
            self.model.insert((deadline, self.table[at].id));
        }
    }

    fn cancel(&mut self, at: usize) {
        self.forget(at);
        self.wheel.cancel(&mut self.table, at as u32);
    }

    fn truncate(&mut self, at: usize) {
        (at..self.table.len()).for_each(|at| self.cancel(at));
        self.table.truncate(at);
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
            0 | 2 => self.cancel(at as usize),
            _ => self.schedule(at as usize, self.now.saturating_add(40)),
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
            let id = |at: u32| self.table[at as usize].id;
            let overdue: BTreeSet<u64> = wheel.overdue(&self.table, self.now).into_iter().map(id).collect();
            let expected = self.model.iter().filter(|(at, _)| *at <= self.now).map(|(_, id)| *id);
            assert_eq!(overdue, expected.collect());
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    Insert(When),
    Schedule(usize, When),
    Cancel(usize),
    Truncate(usize),
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
        3 => any::<usize>().prop_map(Op::Cancel),
        1 => (0usize..20).prop_map(Op::Truncate),
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
        Op::Truncate(less) => bench.truncate(len.saturating_sub(less)),
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
