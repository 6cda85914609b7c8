//! The sweeper: gives back the memory of keys whose time has come.
//!
//! An expired key is never seen, swept or not; what the sweeper adds is that its memory comes back, and
//! that its `expired` event is told. It sleeps until the earliest deadline, and holds a shard's lock for a
//! bounded number of steps at a time.
//!
//! Two ways lead to what is due. Entries at the end of a table, where those stand that were added last,
//! go a run at a time, and nothing is moved. For others the wheel names a page, which is looked through
//! from its end, and the table's last entry moves into the place of each that goes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Weak};

use super::Keyspace;
use super::wheel::Due;
use super::writer::{Effects, Writer};
use crate::clock::{Alarm, Clock, NEVER};
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use crate::sync::{self, Condvar, Mutex, thread};
use crate::trace;

/// Steps for which one shard's lock is held at a time: 12 to 40 microseconds.
const STEPS: usize = 256;
/// The same where each key that expires is told of.
const STEPS_TOLD: usize = 64;
/// After a panic (of a waker, which is the caller's code) the sweep goes on so many milliseconds later.
const PAUSE: u64 = 100;

/// Who gives back the memory of expired keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Sweeping {
    /// A thread of the store's own: started with the first deadline, asleep while nothing is due,
    /// gone with the last handle.
    #[default]
    Background,
    /// Nobody: [`Store::sweep`](crate::Store::sweep) is called by hand. There is no thread at all.
    ByHand,
}

/// How exact a sweep is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Precision {
    /// To the tick of the wheel, so that a bounded number of steps is enough for each part.
    Tick,
    /// To the millisecond: all keys of the tick under way are looked at.
    Millisecond,
}

/// When to sweep next, and the thread that does.
pub(super) struct Sweeper {
    mode: Sweeping,
    /// The time at which the thread wakes, for those who set a deadline and would have it earlier.
    next: AtomicU64,
    /// The thread leaves what is due where it is: DEBUG SET-ACTIVE-EXPIRE.
    rests: AtomicBool,
    /// For how many nanoseconds it has been swept.
    #[cfg(feature = "commands")]
    nanos: AtomicU64,
    state: Mutex<State>,
    woken: Condvar,
}

struct State {
    next: u64,
    running: bool,
    stopped: bool,
}

impl Sweeper {
    pub(super) fn new(mode: Sweeping) -> Self {
        Sweeper {
            mode,
            next: AtomicU64::new(NEVER),
            rests: AtomicBool::new(false),
            #[cfg(feature = "commands")]
            nanos: AtomicU64::new(0),
            state: Mutex::new(State { next: NEVER, running: false, stopped: false }),
            woken: Condvar::new(),
        }
    }

    pub(super) fn mode(&self) -> Sweeping {
        self.mode
    }

    /// Has the thread awake at `deadline`; starts it with the first one.
    #[inline]
    pub(super) fn arm(self: &Arc<Self>, clock: &Clock, space: &Weak<Keyspace>, deadline: u64) {
        if deadline >= self.next.load(Ordering::Acquire) || self.mode == Sweeping::ByHand {
            return;
        }
        self.arm_or_start(deadline, || {
            let (sweeper, clock, space) = (Arc::clone(self), clock.clone(), Weak::clone(space));
            let thread = thread::Builder::new().name("larder-sweeper".into());
            thread.spawn(move || sweeper.run(&clock, &space)).is_ok()
        });
    }

    fn arm_or_start(&self, deadline: u64, start: impl FnOnce() -> bool) {
        let mut state = self.state.lock();
        if deadline >= state.next {
            return;
        }
        if !state.running {
            state.running = start();
            if !state.running {
                // Keys still expire on time; their memory waits for the next deadline that is set.
                return;
            }
        }
        self.wake_at(&mut state, deadline);
        self.woken.notify_all();
    }

    pub(super) fn stop(&self) {
        self.state.lock().stopped = true;
        self.woken.notify_all();
    }

    fn run(self: Arc<Self>, clock: &Clock, space: &Weak<Keyspace>) {
        let _running = Running(&self);
        let mut pause = 0;
        // The last handle may go at any time: while this sleeps, nothing keeps the store alive.
        while let Some(store) = space.upgrade() {
            // At the start this finds deadlines for which there was no thread.
            let found = store.next_wake().max(pause);
            drop(store);
            if !self.sleep(clock, found) {
                return;
            }
            let Some(store) = space.upgrade() else { return };
            if self.rests.load(Ordering::Acquire) {
                pause = clock.now().saturating_add(PAUSE);
                continue;
            }
            let sweep = AssertUnwindSafe(|| store.sweep_all(store.precision()));
            pause = if catch_unwind(sweep).is_ok() { 0 } else { clock.now().saturating_add(PAUSE) };
        }
    }

    /// Waits until `found`, or an earlier deadline that was set, has come; false once the store is gone.
    fn sleep(self: &Arc<Self>, clock: &Clock, found: u64) -> bool {
        let mut state = self.state.lock();
        let next = found.min(state.next);
        self.wake_at(&mut state, next);
        loop {
            let next = state.next;
            // Set before the clock is read: one that is moved in between rings it.
            let _alarm = clock.alarm(next, self);
            if state.stopped {
                return false;
            }
            if clock.now() >= next {
                break;
            }
            clock.wait(&self.woken, &mut state, next);
        }
        // The sweep that follows may be past the shard of a deadline that is set from now on: note each.
        self.wake_at(&mut state, NEVER);
        true
    }

    fn wake_at(&self, state: &mut State, next: u64) {
        state.next = next;
        self.next.store(next, Ordering::Release);
    }
}

/// The thread runs. However it ends, the next deadline that is set starts another.
struct Running<'s>(&'s Sweeper);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.running = false;
        self.0.wake_at(&mut state, NEVER);
    }
}

impl Alarm for Sweeper {
    fn ring(&self) {
        let _state = self.state.lock();
        self.woken.notify_all();
    }

    fn is_deadline(&self) -> bool {
        false
    }
}

impl Keyspace {
    /// Removes all that is due, to the millisecond; gives how many keys that were.
    pub(crate) fn sweep(&self) -> usize {
        self.sweep_all(Precision::Millisecond)
    }

    /// Whether the sweeper's thread removes what is due.
    #[cfg(feature = "commands")]
    pub(crate) fn set_active_expiry(&self, is_active: bool) {
        self.sweeper.rests.store(!is_active, Ordering::Release);
        if is_active && self.sweeper.mode() == Sweeping::Background {
            self.sweep();
        }
    }

    /// How exact the sweeper's thread is: a clock that is moved by hand shows each millisecond.
    fn precision(&self) -> Precision {
        match self.clock {
            Clock::System => Precision::Tick,
            Clock::Manual(_) => Precision::Millisecond,
        }
    }

    /// How long it has been swept in all, in milliseconds.
    #[cfg(feature = "commands")]
    pub(crate) fn swept_for(&self) -> u64 {
        self.sweeper.nanos.load(Ordering::Relaxed) / 1_000_000
    }

    /// Removes all that is due; gives how many keys that were.
    fn sweep_all(&self, precision: Precision) -> usize {
        #[cfg(feature = "commands")]
        let began = self.clock.nanos();
        let tables = (0..).zip(&self.shards).flat_map(|(shard, state)| {
            let databases: Vec<u16> = state.0.read().tables().map(|(db, _)| db).collect();
            databases.into_iter().map(move |db| (shard, db))
        });
        let removed = self.sweep_tables(tables.collect(), precision);
        #[cfg(feature = "commands")]
        self.sweeper.nanos.fetch_add(self.clock.nanos().saturating_sub(began), Ordering::Relaxed);
        trace::swept(removed);
        removed
    }

    /// Removes all that is due in one database.
    pub(super) fn sweep_database(&self, db: u16) {
        let shards = (0..).zip(&self.shards).filter(|(_, shard)| shard.0.read().table(db).is_some());
        self.sweep_tables(shards.map(|(shard, _)| (shard, db)).collect(), Precision::Tick);
    }

    /// Removes all that is due in some tables, each named by its shard and database; gives how many keys
    /// that were. A shard is locked for a bounded number of steps at a time. Who waited for it has it
    /// then, and meanwhile it is the next one's turn: the sweep waits for nobody to wake.
    fn sweep_tables(&self, mut tables: Vec<(u32, u16)>, precision: Precision) -> usize {
        let steps = if self.tells_events() { STEPS_TOLD } else { STEPS };
        let mut removed = 0;
        while !tables.is_empty() {
            tables.retain(|&(index, db)| {
                let shard = &self.shards[index as usize].0;
                let mut free = Some(shard.write());
                while let Some(mut guard) = free {
                    let mut effects = Effects::new();
                    let swept = {
                        let mut writer = Writer::of_one(self, db, index, &mut guard, &mut effects);
                        let swept = writer.sweep(steps, precision);
                        writer.end();
                        swept
                    };
                    sync::unlock_fair(guard);
                    // What has expired is gone, whether or not that is written down.
                    effects.wait_for_nothing();
                    let _ = self.settle(&mut effects);
                    removed += swept.removed;
                    if swept.is_done {
                        return false;
                    }
                    free = shard.try_write();
                }
                true
            });
        }
        removed
    }

    /// Has the sweeper come for what is there already.
    pub(super) fn arm_sweeper(&self) {
        self.sweeper.arm(&self.clock, &self.me, self.next_wake());
    }

    /// The earliest time at which something may be due.
    fn next_wake(&self) -> u64 {
        let shards = self.shards.iter().map(|shard| {
            let guard = shard.0.read();
            let wakes = guard.tables().map(|(_, table)| match self.precision() {
                Precision::Tick => table.next_wake(),
                Precision::Millisecond => table.next_exact_wake(self.clock.now()),
            });
            wakes.min().unwrap_or(NEVER)
        });
        shards.min().unwrap_or(NEVER)
    }
}

/// What a bounded sweep of one table came to.
struct Swept {
    removed: usize,
    is_done: bool,
}

impl Writer<'_> {
    /// Removes what is due in the one shard that this writer holds.
    fn sweep(&mut self, mut steps: usize, precision: Precision) -> Swept {
        let mut swept = Swept { removed: 0, is_done: false };
        swept.is_done =
            self.sweep_keys(&mut steps, precision, &mut swept) && self.sweep_parts(&mut steps, &mut swept);
        swept
    }

    /// Removes keys whose own deadline has come; false if the steps did not suffice.
    fn sweep_keys(&mut self, steps: &mut usize, precision: Precision, swept: &mut Swept) -> bool {
        let (now, exact) = (self.now(), precision == Precision::Millisecond);
        loop {
            // From the end as far as all is due there, so that nothing has to be moved; what stays at the
            // end then moves into the place of the next that goes.
            let last = self.expire_last(now, *steps);
            swept.removed += last;
            *steps -= last;
            match self.only_table().map_or(Due::Nothing, |table| table.next_due(now, exact, steps)) {
                Due::Entry(at) => {
                    self.expire_at(at);
                    swept.removed += 1;
                }
                Due::BudgetSpent => return false,
                Due::Nothing => return true,
            }
        }
    }

    /// Removes hash fields whose deadline has come; false if the steps did not suffice.
    fn sweep_parts(&mut self, steps: &mut usize, swept: &mut Swept) -> bool {
        let now = self.now();
        while let Some(due) = self.only_table().and_then(|table| table.due_parts(now)) {
            if *steps == 0 {
                return false;
            }
            let key = self.space().key_ref(&due.1);
            let before = self.only_table().map_or(0, |table| table.len());
            // The road to the key removes it if all its fields are over.
            let taken = self.expire(key, *steps);
            if let Some(table) = self.only_table().filter(|_| taken == 0) {
                swept.removed += before.saturating_sub(table.len());
                // Whatever the key holds, this is dealt with, and not found for ever.
                table.forget_due_parts(&due);
            }
            *steps = steps.saturating_sub(taken.max(1));
        }
        true
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Bytes, ManualClock, Store};

    const SHORT: Duration = Duration::from_millis(10);

    #[test]
    fn a_thread_that_does_not_start_is_tried_again() {
        let sweeper = Sweeper::new(Sweeping::Background);
        let seen = || {
            let State { next, running, .. } = *sweeper.state.lock();
            assert_eq!(sweeper.next.load(Ordering::Acquire), next);
            (next, running)
        };
        sweeper.arm_or_start(50, || false);
        assert_eq!(seen(), (NEVER, false));
        sweeper.arm_or_start(60, || true);
        assert_eq!(seen(), (60, true));
        sweeper.arm_or_start(70, || unreachable!("it runs"));
        assert_eq!(seen(), (60, true));
        sweeper.arm_or_start(40, || unreachable!("it runs"));
        assert_eq!(seen(), (40, true));
    }

    #[test]
    fn a_thread_that_has_ended_is_started_again() {
        let sweeper = Sweeper::new(Sweeping::Background);
        sweeper.arm_or_start(50, || true);
        drop(Running(&sweeper));
        let mut is_started = false;
        sweeper.arm_or_start(60, || {
            is_started = true;
            true
        });
        assert!(is_started);
        assert_eq!(sweeper.next.load(Ordering::Acquire), 60);
    }

    #[test]
    fn a_thread_that_starts_looks_for_what_was_set_before() {
        let clock = ManualClock::new();
        let store = Store::builder().clock(&clock).shards(2).build();
        let sweeper = &store.space().sweeper;
        // As if it had not started for this one.
        sweeper.state.lock().running = true;
        store.insert_ex("early", 1, SHORT).unwrap();
        let mut state = sweeper.state.lock();
        state.running = false;
        sweeper.wake_at(&mut state, NEVER);
        drop(state);
        store.insert_ex("late", 1, 1000 * SHORT).unwrap();
        clock.advance(SHORT);
        while store.stats().unwrap().expirations == 0 {
            thread::yield_now();
        }
        assert_eq!(store.stats().unwrap().entries, 1);
    }

    #[test]
    fn a_field_that_is_not_there_is_looked_for_once() {
        let clock = ManualClock::new();
        let store = Store::builder().clock(&clock).shards(1).sweeping(Sweeping::ByHand).build();
        store.insert("string", 1).unwrap();
        let hash = store.hash::<String, i32>("hash");
        hash.insert_ex("stays", 1, 9 * SHORT).unwrap();
        hash.insert_ex("goes", 1, 2 * SHORT).unwrap();
        for name in ["string", "hash", "missing"] {
            let mut shard = store.space().shards[0].0.write();
            shard.table_mut(0).list_parts(1, Bytes::from(name));
        }
        clock.advance(SHORT);
        assert_eq!(store.sweep().unwrap(), 0);
        assert_eq!(store.space().next_wake(), clock_at(2));
        clock.advance(SHORT);
        assert_eq!((store.sweep().unwrap(), hash.len().unwrap()), (0, 1));
        assert_eq!(store.space().next_wake(), clock_at(9));
        clock.advance(7 * SHORT);
        assert_eq!((store.sweep().unwrap(), store.stats().unwrap().entries), (1, 1));
        assert_eq!(store.space().next_wake(), NEVER);
    }

    fn clock_at(times: u64) -> u64 {
        times * SHORT.as_millis() as u64
    }
}
