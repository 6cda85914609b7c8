//! The sweeper: gives back the memory of keys whose time has come.
//!
//! An expired key is never seen, swept or not; what the sweeper adds is that its memory comes back
//! within 100 milliseconds, and that its `expired` event is told. It sleeps until the earliest
//! deadline, and holds a shard's lock for a bounded number of steps at a time.

use std::sync::{Arc, Weak};

use super::Keyspace;
use super::shard::Shard;
use super::wheel::Due;
use super::writer::{Effects, Writer};
use crate::clock::{Alarm, Clock, NEVER};
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{self, Condvar, Mutex, Padded, RwLock, thread};
use crate::trace;
use crate::value::hash::Hash;

/// Steps for which one shard's lock is held at a time: some 100 microseconds.
const STEPS: usize = 512;

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
            state: Mutex::new(State { next: NEVER, running: false, stopped: false }),
            woken: Condvar::new(),
        }
    }

    /// Has the thread awake at `deadline`; starts it with the first one.
    pub(super) fn arm(self: &Arc<Self>, clock: &Clock, space: &Weak<Keyspace>, deadline: u64) {
        if deadline >= self.next.load(Ordering::Acquire) || self.mode == Sweeping::ByHand {
            return;
        }
        let mut state = self.state.lock();
        if deadline < state.next {
            self.wake_at(&mut state, deadline);
            if !state.running {
                let (sweeper, clock, space) = (Arc::clone(self), clock.clone(), Weak::clone(space));
                let spawned = thread::Builder::new()
                    .name("larder-sweeper".into())
                    .spawn(move || sweeper.run(&clock, &space));
                // Without a thread, keys still expire on time; only their memory waits for a call.
                state.running = spawned.is_ok();
            }
            self.woken.notify_all();
        }
    }

    pub(super) fn stop(&self) {
        self.state.lock().stopped = true;
        self.woken.notify_all();
    }

    fn run(self: Arc<Self>, clock: &Clock, space: &Weak<Keyspace>) {
        let alarm: Arc<dyn Alarm> = Arc::<Sweeper>::clone(&self);
        loop {
            let mut state = self.state.lock();
            loop {
                let next = state.next;
                // Set before the clock is read: one that is moved in between rings it.
                clock.set_alarm(next, Arc::downgrade(&alarm));
                if state.stopped {
                    return;
                }
                if clock.now() >= next {
                    break;
                }
                clock.wait(&self.woken, &mut state, next);
            }
            self.wake_at(&mut state, NEVER);
            drop(state);
            // The last handle may go at any time: between two sweeps nothing keeps the store alive.
            let Some(space) = space.upgrade() else { return };
            space.sweep_all(space.precision());
            let next = space.next_wake();
            let mut state = self.state.lock();
            let next = next.min(state.next);
            self.wake_at(&mut state, next);
        }
    }

    fn wake_at(&self, state: &mut State, next: u64) {
        state.next = next;
        self.next.store(next, Ordering::Release);
    }
}

impl Alarm for Sweeper {
    fn ring(&self) {
        let _state = self.state.lock();
        self.woken.notify_all();
    }
}

impl Keyspace {
    /// Removes all that is due, to the millisecond; gives how many keys that were.
    pub(crate) fn sweep(&self) -> usize {
        self.sweep_all(Precision::Millisecond)
    }

    /// How exact the sweeper's thread is: a clock that is moved by hand shows each millisecond.
    fn precision(&self) -> Precision {
        match self.clock {
            Clock::System => Precision::Tick,
            Clock::Manual(_) => Precision::Millisecond,
        }
    }

    /// Removes all that is due; gives how many keys that were. A shard is locked for a bounded number
    /// of steps at a time.
    fn sweep_all(&self, precision: Precision) -> usize {
        let mut removed = 0;
        for (index, shard) in (0..).zip(&self.shards) {
            let databases: Vec<u16> = shard.0.read().tables().map(|(db, _)| db).collect();
            removed +=
                databases.into_iter().map(|db| self.sweep_table(index, shard, db, precision)).sum::<usize>();
        }
        trace::swept(removed);
        removed
    }

    /// Removes all that is due in one database.
    pub(super) fn sweep_database(&self, db: u16) {
        for (index, shard) in (0..).zip(&self.shards) {
            if shard.0.read().table(db).is_some() {
                self.sweep_table(index, shard, db, Precision::Tick);
            }
        }
    }

    fn sweep_table(&self, index: u32, shard: &Padded<RwLock<Shard>>, db: u16, precision: Precision) -> usize {
        let mut removed = 0;
        loop {
            let mut effects = Effects::new();
            let mut guard = shard.0.write();
            let swept = Writer::of_one(self, db, index, &mut guard, &mut effects).sweep(STEPS, precision);
            // Else the sweep would have the lock again before one who waits for it has woken.
            sync::unlock_fair(guard);
            self.settle(&mut effects);
            removed += swept.removed;
            if swept.is_done {
                return removed;
            }
        }
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
        let now = self.now();
        let mut removed = 0;
        loop {
            match self.only_table().map_or(Due::Nothing, |table| table.pop_due(now, &mut steps)) {
                Due::Entry(at) => removed += usize::from(self.expire_at(at)),
                Due::BudgetSpent => return Swept { removed, is_done: false },
                Due::Nothing => break,
            }
        }
        if precision == Precision::Millisecond {
            if let Some(table) = self.only_table() {
                table.raise_overdue(now);
            }
            while let Some(at) = self.only_table().and_then(|table| table.pop_overdue(now)) {
                removed += usize::from(self.expire_at(at));
                steps = steps.saturating_sub(1);
                if steps == 0 {
                    return Swept { removed, is_done: false };
                }
            }
        }
        while let Some(name) = self.only_table().and_then(|table| table.due_parts(now)) {
            if steps == 0 {
                return Swept { removed, is_done: false };
            }
            let key = self.space().key_ref(&name);
            // The road to the key removes it if all its fields are over.
            let taken = match self.live(key) {
                Some(at) => self.expire_parts::<Hash>(key, at, steps),
                None => {
                    removed += 1;
                    1
                }
            };
            steps = steps.saturating_sub(taken.max(1));
        }
        Swept { removed, is_done: true }
    }
}
