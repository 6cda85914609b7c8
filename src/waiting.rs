//! What async code waits for, without a thread of its own: deadlines, and commands that wait for a key.

use std::collections::BinaryHeap;
use std::future::poll_fn;
#[cfg(any(feature = "redis-aio", feature = "server"))]
use std::pin::pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::clock::{Alarm, Clock, NEVER};
#[cfg(any(feature = "redis-aio", feature = "server"))]
use crate::command::blocking::{Served, Ticket};

/// Waits until the command is served, or its time is over. Who `is_gone` gets nothing: what was served to it goes back once
/// the ticket is dropped. Works on any runtime.
#[cfg(any(feature = "redis-aio", feature = "server"))]
pub(crate) async fn wait(
    ticket: &Ticket,
    deadline: u64,
    clock: &Clock,
    is_gone: impl Fn() -> bool,
) -> crate::Result<Option<Served>> {
    let mut over = pin!(reach(clock, deadline));
    poll_fn(|context| {
        // First the alarm, then the look: who is counted as blocked is found by whoever moves the clock on.
        let over = over.as_mut().poll(context);
        if is_gone() {
            return Poll::Ready(Ok(None));
        }
        // What is got is waited for, until it is on the disk, before it is told.
        #[cfg(feature = "journal")]
        let (end, _) =
            crate::journal::deferred::deferring(ticket.space(), || look(ticket, over, deadline, context));
        #[cfg(not(feature = "journal"))]
        let end = look(ticket, over, deadline, context);
        end
    })
    .await
}

/// What a command that waits has got so far; nothing, and no more from then on, if its time is over.
#[cfg(any(feature = "redis-aio", feature = "server"))]
fn look(
    ticket: &Ticket,
    over: Poll<()>,
    deadline: u64,
    context: &mut Context<'_>,
) -> Poll<crate::Result<Option<Served>>> {
    match over {
        Poll::Ready(()) => Poll::Ready(ticket.expire()),
        Poll::Pending => ticket.poll(deadline, context),
    }
}

/// Waits until the script that a command is held up by has ended, or is late.
#[cfg(all(feature = "lua", any(feature = "redis-aio", feature = "server")))]
pub(crate) async fn hold(mut held: crate::script::Held, clock: &Clock) {
    let mut late = pin!(reach(clock, held.deadline));
    poll_fn(|context| match held.poll(context) {
        Poll::Pending => late.as_mut().poll(context),
        ready => ready,
    })
    .await;
}

/// Ends when a clock has reached the deadline. O(log n) with n who wait so.
pub(crate) async fn reach(clock: &Clock, deadline: u64) {
    if deadline == NEVER {
        std::future::pending::<()>().await;
    }
    let bell = Arc::new(Bell::default());
    let alarm: Arc<dyn Alarm> = Arc::<Bell>::clone(&bell);
    clock.set_alarm(deadline, Arc::downgrade(&alarm));
    let mut set = None;
    poll_fn(|context| {
        let rung = bell.poll(context, || clock.now() >= deadline);
        // A clock that goes by itself comes there by itself; one that is paused or resumed meanwhile rings.
        let at = clock.system_line(deadline).filter(|_| rung.is_pending());
        // One that is set and has not rung is enough.
        let Some(at) = at.filter(|at| set != Some(*at) || *at <= Clock::System.now()) else { return rung };
        set = Some(at);
        // With no thread to be had for the time, it is over at once.
        if TIMER.set(at, Arc::downgrade(&alarm)).is_err() { Poll::Ready(()) } else { rung }
    })
    .await;
}

/// Wakes a task when a clock comes to its deadline.
#[derive(Default)]
struct Bell(Mutex<Option<Waker>>);

impl Bell {
    fn poll(&self, context: &Context<'_>, is_over: impl FnOnce() -> bool) -> Poll<()> {
        // First the waker, then the look at the clock: what comes in between wakes it.
        let waker = context.waker().clone();
        let replaced = unpoisoned(&self.0).replace(waker);
        drop(replaced);
        if is_over() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Alarm for Bell {
    fn ring(&self) {
        let waker = unpoisoned(&self.0).take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// One thread rings for the system's clock, whatever runtime the tasks are on; it starts with the first.
static TIMER: Timer = Timer { due: Mutex::new(Due::new()), earlier: Condvar::new() };

struct Timer {
    due: Mutex<Due>,
    /// Told when the earliest deadline has become an earlier one.
    earlier: Condvar,
}

struct Due {
    alarms: BinaryHeap<Set>,
    /// How many there may be before those that nobody waits for any more are thrown out.
    limit: usize,
    is_running: bool,
}

/// An alarm and its deadline; the earliest is the greatest.
struct Set(u64, Weak<dyn Alarm>);

impl Timer {
    /// # Errors
    /// The system's, if it has no thread for it.
    fn set(&'static self, deadline: u64, alarm: Weak<dyn Alarm>) -> std::io::Result<()> {
        let mut due = unpoisoned(&self.due);
        if !due.is_running {
            std::thread::Builder::new().name("larder-timer".into()).spawn(|| self.run())?;
            due.is_running = true;
        }
        if due.add(Set(deadline, alarm)) {
            self.earlier.notify_one();
        }
        Ok(())
    }

    fn run(&self) {
        let mut due = unpoisoned(&self.due);
        loop {
            let now = Clock::System.now();
            let rings = due.take(now);
            if !rings.is_empty() {
                drop(due);
                rings.iter().filter_map(Weak::upgrade).for_each(|alarm| ring(&*alarm));
                due = unpoisoned(&self.due);
                continue;
            }
            due = match due.alarms.peek() {
                Some(next) => {
                    let left = Duration::from_millis(next.0.saturating_sub(now));
                    self.earlier
                        .wait_timeout(due, left)
                        .map_or_else(|error| error.into_inner().0, |(due, _)| due)
                }
                None => self.earlier.wait(due).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

/// A waker is the executor's code: one that panics takes nothing along.
fn ring(alarm: &dyn Alarm) {
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| alarm.ring()));
}

impl Due {
    const fn new() -> Self {
        Due { alarms: BinaryHeap::new(), limit: 64, is_running: false }
    }

    /// Gives whether it is the earliest now. O(log n), amortised.
    fn add(&mut self, set: Set) -> bool {
        if self.alarms.len() >= self.limit {
            self.alarms.retain(|Set(_, alarm)| alarm.strong_count() > 0);
            self.limit = self.alarms.len().saturating_mul(2).max(64);
        }
        let is_earliest = self.alarms.peek().is_none_or(|next| set.0 < next.0);
        self.alarms.push(set);
        is_earliest
    }

    /// Takes those whose time has come.
    fn take(&mut self, now: u64) -> Vec<Weak<dyn Alarm>> {
        let mut rings = Vec::new();
        while self.alarms.peek().is_some_and(|next| next.0 <= now) {
            rings.extend(self.alarms.pop().map(|Set(_, alarm)| alarm));
        }
        rings
    }
}

impl Ord for Set {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        other.0.cmp(&self.0)
    }
}

impl PartialOrd for Set {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Set {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Set {}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::Future;

    use super::*;

    fn bell() -> (Arc<dyn Alarm>, Weak<dyn Alarm>) {
        let bell: Arc<dyn Alarm> = Arc::new(Bell::default());
        let weak = Arc::downgrade(&bell);
        (bell, weak)
    }

    #[test]
    fn alarms_ring_in_the_order_of_their_deadlines() {
        let mut due = Due::new();
        let (_kept, alarm) = bell();
        assert_eq!([30, 10, 20, 10].map(|at| due.add(Set(at, alarm.clone()))), [true, true, false, false]);
        assert_eq!([9, 10, 19, 25, 40].map(|now| due.take(now).len()), [0, 2, 0, 1, 1]);
    }

    /// Whoever waits for several things at once looks at each whenever one of them has it look.
    #[test]
    fn a_deadline_that_is_looked_at_often_has_one_alarm() {
        // Later than all that other tests wait for.
        let deadline = NEVER / 4;
        let count = || unpoisoned(&TIMER.due).alarms.iter().filter(|Set(at, _)| *at == deadline).count();
        let mut waits = std::pin::pin!(reach(&Clock::System, deadline));
        for _ in 0..100 {
            assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            assert_eq!(count(), 1);
        }
    }

    #[test]
    fn those_whom_nobody_waits_for_do_not_pile_up() {
        let mut due = Due::new();
        let (_kept, alarm) = bell();
        due.add(Set(1, alarm));
        for at in 2..10_000 {
            due.add(Set(at, bell().1));
            assert!(due.alarms.len() <= 64);
        }
        assert_eq!(due.take(1).iter().filter_map(Weak::upgrade).count(), 1);
    }
}
