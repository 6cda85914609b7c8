//! The gate before the locks: while a script holds all, other sessions' commands wait here, where they can be
//! told that it is busy, and not at a lock. So they do while a SHUTDOWN saves, for as long as that takes.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Weak;
use std::task::Waker;
#[cfg(any(feature = "redis-aio", feature = "server"))]
use std::task::{Context, Poll};
use std::thread::ThreadId;

use super::signals::Signals;
use crate::Bytes;
use crate::clock::{Alarm, Clock, NEVER};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Arc, Condvar, Mutex, Padded, thread};

/// Sessions are counted in so many places, so that those of different threads seldom meet.
const STRIPES: usize = 16;
/// How often a script looks whether those that were inside before it have left. It goes on without them then:
/// all that is lost is that one may come to wait at a lock.
const LOOKS: usize = 10_000;

/// See the [module](self).
pub(crate) struct Gate {
    /// Somebody has taken the turn.
    is_shut: AtomicBool,
    /// How many commands are inside.
    stripes: [Arc<Stripe>; STRIPES],
    state: Mutex<State>,
    opened: Condvar,
    pub(super) signals: Arc<Signals>,
    me: Weak<Gate>,
}

/// Counts the commands inside of some sessions.
pub(crate) type Stripe = Padded<AtomicUsize>;

#[derive(Default)]
struct State {
    turn: Option<Taken>,
    /// Those who wait as tasks, by their number.
    tasks: BTreeMap<u64, Waker>,
    #[cfg(any(feature = "redis-aio", feature = "server"))]
    next: u64,
    /// What is to be done when the turn ends.
    afterwards: Vec<Box<dyn FnOnce() + Send>>,
}

struct Taken {
    by: ThreadId,
    since: u64,
    runs: Option<Running>,
    /// No script runs: what goes on is the end, for which others wait as long as it takes.
    is_last: bool,
}

/// What runs.
#[derive(Clone)]
pub(crate) struct Running {
    pub is_function: bool,
    pub name: String,
    pub command: Vec<Bytes>,
    pub since: u64,
    /// Of whose client it is.
    #[cfg(feature = "server")]
    pub server: Option<Arc<Ending>>,
}

/// Whether a server ends whatever runs for its clients, now and from now on.
#[cfg(feature = "server")]
#[derive(Default)]
pub(crate) struct Ending(AtomicBool);

/// A command that has passed, until this is dropped.
pub(crate) struct Inside(Arc<Stripe>);

/// The turn of a session that may run scripts or ends its server, until this is dropped.
pub(crate) struct Turn(Arc<Gate>);

/// Why a command does not pass.
pub(crate) enum Shut {
    /// A script runs, and has not done so for long; or a SHUTDOWN saves.
    Wait(Held),
    /// A script has run for long: it is a function, or none.
    Busy { is_function: bool },
}

/// A command that has to wait until the gate opens, or the script is late, and then is to be tried again.
pub(crate) struct Held {
    gate: Arc<Gate>,
    pub(crate) deadline: u64,
    /// Its number among the tasks, once it is one of them.
    #[cfg(any(feature = "redis-aio", feature = "server"))]
    task: Option<u64>,
}

/// What comes of a wish to kill.
pub(crate) enum Kill {
    Done,
    NothingRuns,
    HasWritten,
    /// It is a function where a script was meant, or the other way round.
    Other,
}

impl Gate {
    pub(super) fn new() -> Arc<Gate> {
        Arc::new_cyclic(|me| Gate {
            is_shut: AtomicBool::new(false),
            stripes: std::array::from_fn(|_| Arc::new(Padded(AtomicUsize::new(0)))),
            state: Mutex::default(),
            opened: Condvar::new(),
            signals: Arc::default(),
            me: me.clone(),
        })
    }

    /// Where the commands of a session are counted.
    pub(crate) fn stripe(&self, session: u64) -> Arc<Stripe> {
        Arc::clone(&self.stripes[session as usize % STRIPES])
    }

    /// Lets a command pass, which is counted until what this gives is dropped. A script may run `threshold`
    /// milliseconds before it is late.
    ///
    /// # Errors
    /// [`Shut`], if somebody else's script runs.
    #[inline]
    pub(crate) fn enter(
        &self,
        stripe: Arc<Stripe>,
        clock: &Clock,
        threshold: impl FnOnce() -> u64,
    ) -> Result<Inside, Shut> {
        // First counted, then looked: who shuts the gate does it the other way round.
        stripe.0.fetch_add(1, Ordering::SeqCst);
        let inside = Inside(stripe);
        if self.is_shut.load(Ordering::SeqCst) {
            if let Some(shut) = self.shut(clock, threshold) {
                return Err(shut);
            }
        }
        Ok(inside)
    }

    /// Takes the turn, and waits until those who are inside have left; nothing if this thread has it already, as
    /// what is called by a listener that is told of a script's effects.
    ///
    /// # Errors
    /// [`Shut`], if somebody else has it.
    pub(crate) fn begin(&self, clock: &Clock, threshold: impl Fn() -> u64) -> Result<Option<Turn>, Shut> {
        let Some(me) = self.me.upgrade() else { return Err(Shut::Busy { is_function: false }) };
        loop {
            let mut state = self.state.lock();
            if state.turn.as_ref().is_some_and(|turn| turn.by == thread::current().id()) {
                return Ok(None);
            }
            if state.turn.is_none() {
                let since = clock.now();
                state.turn = Some(Taken { by: thread::current().id(), since, runs: None, is_last: false });
                self.is_shut.store(true, Ordering::SeqCst);
                break;
            }
            drop(state);
            // It may have opened meanwhile.
            if let Some(shut) = self.shut(clock, &threshold) {
                return Err(shut);
            }
        }
        for _ in 0..LOOKS {
            if self.stripes.iter().all(|stripe| stripe.0.load(Ordering::SeqCst) == 0) {
                break;
            }
            thread::yield_now();
        }
        Ok(Some(Turn(me)))
    }

    /// Why a command of this thread does not pass; nothing if it does.
    pub(crate) fn shut(&self, clock: &Clock, threshold: impl FnOnce() -> u64) -> Option<Shut> {
        let state = self.state.lock();
        let taken = state.turn.as_ref()?;
        // What is called from within, by a listener that is told of its effects.
        if taken.by == thread::current().id() {
            return None;
        }
        let (since, is_function) = match &taken.runs {
            Some(runs) => (runs.since, runs.is_function),
            None => (taken.since, false),
        };
        let threshold = threshold();
        let deadline = if threshold == 0 || taken.is_last { NEVER } else { since.saturating_add(threshold) };
        if deadline <= clock.now() {
            return Some(Shut::Busy { is_function });
        }
        drop(state);
        Some(Shut::Wait(Held::new(self.me.upgrade()?, deadline)))
    }

    /// Notes what runs now.
    pub(super) fn note(&self, runs: Option<Running>) {
        let mut state = self.state.lock();
        #[cfg(feature = "server")]
        if runs.as_ref().and_then(|runs| runs.server.as_ref()).is_some_and(|server| server.has_come()) {
            self.signals.end();
        }
        if let Some(turn) = &mut state.turn {
            turn.runs = runs;
        }
    }

    /// What runs, if anything does.
    pub(crate) fn running(&self) -> Option<Running> {
        self.state.lock().turn.as_ref().and_then(|turn| turn.runs.clone())
    }

    /// Has what runs for a server's clients end in any case, as the server does, and what begins to.
    #[cfg(feature = "server")]
    pub(crate) fn end(&self, server: &Arc<Ending>) {
        let state = self.state.lock();
        // Under the lock: what is noted behind it finds this.
        server.0.store(true, Ordering::SeqCst);
        let runs = state.turn.as_ref().and_then(|turn| turn.runs.as_ref());
        let of = runs.and_then(|runs| runs.server.as_ref());
        if of.is_some_and(|of| Arc::ptr_eq(of, server)) {
            self.signals.end();
        }
    }

    /// Has what runs end, at the next look that it takes.
    pub(crate) fn kill(&self, is_function: bool) -> Kill {
        let state = self.state.lock();
        let Some(runs) = state.turn.as_ref().and_then(|turn| turn.runs.as_ref()) else {
            return Kill::NothingRuns;
        };
        if self.signals.has_written() {
            return Kill::HasWritten;
        }
        if runs.is_function != is_function {
            return Kill::Other;
        }
        if self.signals.kill() { Kill::Done } else { Kill::HasWritten }
    }

    /// Does something that takes locks: now, or when the script of another thread has ended. Nothing waits.
    pub(crate) fn when_open(&self, job: impl FnOnce() + Send + 'static) {
        // A script that begins now waits for the job, as for a command.
        let stripe = self.stripe(0);
        stripe.0.fetch_add(1, Ordering::SeqCst);
        let inside = Inside(stripe);
        let mut state = self.state.lock();
        match &state.turn {
            Some(turn) if turn.by != thread::current().id() => {
                drop(inside);
                state.afterwards.push(Box::new(job));
            }
            _ => {
                drop(state);
                job();
            }
        }
    }
}

#[cfg(feature = "server")]
impl Ending {
    fn has_come(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Turn {
    /// It is taken for the end, and not for a script.
    pub(crate) fn ending(self) -> Self {
        if let Some(turn) = &mut self.0.state.lock().turn {
            turn.is_last = true;
        }
        self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let (tasks, afterwards) = {
            let mut state = self.0.state.lock();
            state.turn = None;
            self.0.is_shut.store(false, Ordering::SeqCst);
            (std::mem::take(&mut state.tasks), std::mem::take(&mut state.afterwards))
        };
        self.0.opened.notify_all();
        // What panics takes none of the others along.
        let alone = |job: Box<dyn FnOnce() + '_>| _ = catch_unwind(AssertUnwindSafe(job));
        afterwards.into_iter().for_each(|job| alone(job));
        tasks.into_values().for_each(|task| alone(Box::new(|| task.wake())));
    }
}

impl Alarm for Gate {
    fn ring(&self) {
        let _state = self.state.lock();
        self.opened.notify_all();
    }
}

impl Held {
    fn new(gate: Arc<Gate>, deadline: u64) -> Self {
        Held {
            gate,
            deadline,
            #[cfg(any(feature = "redis-aio", feature = "server"))]
            task: None,
        }
    }

    /// Has the thread wait.
    pub(crate) fn wait(&self, clock: &Clock) {
        let _alarm = clock.alarm(self.deadline, &self.gate);
        let mut state = self.gate.state.lock();
        while state.turn.is_some() && (self.deadline == NEVER || clock.now() < self.deadline) {
            clock.wait(&self.gate.opened, &mut state, self.deadline);
        }
    }

    /// Ready once the gate is open; the deadline is the caller's to look at.
    #[cfg(any(feature = "redis-aio", feature = "server"))]
    pub(crate) fn poll(&mut self, context: &Context<'_>) -> Poll<()> {
        // Wakers are others' code: they are cloned before the lock, and go behind it.
        let mut waker = Some(context.waker().clone());
        let _before = {
            let mut state = self.gate.state.lock();
            if state.turn.is_none() {
                return Poll::Ready(());
            }
            let task = *self.task.get_or_insert_with(|| {
                state.next += 1;
                state.next
            });
            waker.take().and_then(|waker| state.tasks.insert(task, waker))
        };
        Poll::Pending
    }
}

#[cfg(any(feature = "redis-aio", feature = "server"))]
impl Drop for Held {
    fn drop(&mut self) {
        let _waker = self.task.and_then(|task| self.gate.state.lock().tasks.remove(&task));
    }
}

#[cfg(all(test, not(shuttle)))]
mod tests {
    use super::*;

    /// A gate that another thread has shut.
    fn shut(clock: &Clock) -> (Arc<Gate>, Turn) {
        let gate = Gate::new();
        let turn = std::thread::scope(|scope| {
            let begun = scope.spawn(|| gate.begin(clock, || 0).ok().flatten());
            begun.join().unwrap().unwrap()
        });
        (gate, turn)
    }

    fn held(gate: &Gate, clock: &Clock, threshold: u64) -> Held {
        match gate.enter(gate.stripe(0), clock, || threshold) {
            Err(Shut::Wait(held)) => held,
            _ => panic!("it is to wait"),
        }
    }

    #[test]
    fn a_job_that_panics_takes_no_other_along() {
        let (gate, turn) = shut(&Clock::System);
        let done = Arc::new(AtomicUsize::new(0));
        for number in 0..3 {
            let done = Arc::clone(&done);
            gate.when_open(move || {
                assert_ne!(number, 1, "as it is meant to");
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        drop(turn);
        assert_eq!(done.load(Ordering::Relaxed), 2);
        assert!(gate.state.lock().turn.is_none());
    }

    #[test]
    #[cfg(any(feature = "redis-aio", feature = "server"))]
    fn a_task_that_is_dropped_leaves_no_waker() {
        let (gate, turn) = shut(&Clock::System);
        let mut waiting = held(&gate, &Clock::System, 0);
        for _ in 0..2 {
            assert!(waiting.poll(&Context::from_waker(Waker::noop())).is_pending());
        }
        assert_eq!(gate.state.lock().tasks.len(), 1);
        drop(waiting);
        assert_eq!(gate.state.lock().tasks.len(), 0);
        drop(turn);
    }

    #[test]
    fn who_has_waited_leaves_no_deadline() {
        let manual = crate::ManualClock::new();
        let clock = Clock::Manual(manual);
        let (gate, turn) = shut(&clock);
        let held = held(&gate, &clock, 5_000);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| held.wait(&clock));
            while clock.next_alarm(clock.now()) == NEVER {
                std::thread::yield_now();
            }
            drop(turn);
            waits.join().unwrap();
        });
        assert_eq!(clock.next_alarm(clock.now()), NEVER);
    }
}
