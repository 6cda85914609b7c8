//! Waiting for an element: what BLPOP, BLMOVE, BZPOPMIN and their kin mean.
//!
//! Blocking is an attempt, queued on its keys, first come first served. Whoever changes one of the
//! keys serves the first in its queue whom it fits before the lock is let go, so nobody steals, and an
//! element that a waiter gets is never seen by anybody else. One kind of waiter serves threads and tasks.
//!
//! The exception is what needs a key in a shard that the one who changed its key does not hold (a move's destination, one of
//! several keys that was seen to hold another type): it is made right after, under both locks. In between, those who would
//! wait join the queue behind it, but who takes without waiting takes what is there.

// Some of it is reached by commands alone.
#![cfg_attr(not(feature = "commands"), allow(dead_code, unused_imports))]

mod attempt;

use std::collections::HashSet;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::stream::read::Reads;
use crate::clock::{Alarm, Clock, NEVER};
use crate::key::KeyRef;
use crate::keyspace::Keyspace;
use crate::keyspace::blocked::Place;
use crate::keyspace::shard::{Serve, Waiting};
use crate::keyspace::writer::Writer;
use crate::planted::{Bug, is_planted};
use crate::sync::{Condvar, Mutex, MutexGuard};
use crate::value::list::End;
use crate::{Bytes, Error, Result, Type};

pub(crate) use attempt::{Attempt, Patience, Served, try_each};

/// How an attempt began.
pub(crate) enum Start {
    /// It was served at once.
    Served(Served),
    /// There was nothing, and it is not to wait.
    Nothing,
    /// It waits.
    Waits(Ticket),
}

/// Which of the keys that hold something serves one who has waited for several.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The first that was named, as for one who does not wait.
    AsNamed,
    /// The first that was filled.
    AsFilled,
}

/// For whom an attempt is made.
pub(crate) struct Asker {
    pub db: u16,
    pub leaves_no_trace: bool,
    pub order: Order,
}

/// Asked when a waiter is to be served, since much may have happened since it began to wait.
pub(crate) trait Permit: Send + Sync {
    /// Whether it may still have what has come. Shards are locked: only leaves may be, for an instant.
    fn holds(&self) -> bool;
}

/// A place in the queues of some keys, given up when this is dropped. What was already served to it
/// by then goes back where it was taken.
pub(crate) struct Ticket {
    space: Arc<Keyspace>,
    waiter: Arc<Waiter>,
}

/// Somebody who waits.
pub(crate) struct Waiter {
    db: u16,
    keys: Vec<Bytes>,
    order: Order,
    attempt: Attempt,
    state: Mutex<State>,
    woken: Arc<Condvar>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    task: Option<Waker>,
    /// Without one it may have what comes in any case.
    permit: Option<Arc<dyn Permit>>,
    /// It is parked, and nothing has been served to it.
    place: Option<Place>,
    /// Those of its keys that were seen to hold another type than it waits for, and may still.
    mistyped: Vec<Bytes>,
}

/// Why one who waits is not served yet, or never.
enum Halt {
    /// It has to be known what this key holds.
    Needs(Bytes),
    Error(Error),
}

impl From<Error> for Halt {
    fn from(error: Error) -> Self {
        Halt::Error(error)
    }
}

#[derive(Default)]
enum Phase {
    #[default]
    Waiting,
    Served(Result<Served>),
    /// Somebody else had it wait no longer.
    Roused,
    Over,
}

/// Tries an attempt on each of its keys in turn, which may be no use of them, and queues it on all of them if none has
/// anything, with the permit that is made for it then.
pub(crate) fn start(
    space: &Arc<Keyspace>,
    Asker { db, leaves_no_trace, order }: Asker,
    mut keys: Vec<Bytes>,
    attempt: Attempt,
    patience: Patience,
    permit: impl FnOnce() -> Option<Arc<dyn Permit>>,
) -> Result<Start> {
    // What is read from a stream stands in the place of its key.
    if keys.len() > 1 && !matches!(attempt, Attempt::Read(_)) {
        let mut seen = HashSet::new();
        keys.retain(|key| seen.insert(key.clone()));
    }
    let waiter =
        Arc::new(Waiter { db, keys, order, attempt, state: Mutex::default(), woken: Arc::default() });
    let names: Vec<KeyRef<'_>> =
        waiter.keys.iter().chain(waiter.attempt.destination()).map(|key| space.key_ref(key)).collect();
    let served = space.write(db, &names, |writer| {
        let writer = writer.leaving_no_trace(leaves_no_trace);
        if let Some(served) = try_each(writer, &waiter.keys, &waiter.attempt, patience)? {
            return Ok::<_, Error>(Some(served));
        }
        if patience == Patience::Waits {
            waiter.state.lock().permit = permit();
            for name in &waiter.keys {
                let queued: Arc<dyn Waiting> = Arc::<Waiter>::clone(&waiter);
                if let Some(shard) = writer.shard_mut(space.key_ref(name)) {
                    shard.waiters.add(db, name, queued);
                }
            }
        }
        Ok(None)
    })??;
    Ok(match (served, patience) {
        (Some(served), _) => Start::Served(served),
        (None, Patience::Leaves) => Start::Nothing,
        (None, Patience::Waits) => Start::Waits(Ticket { space: Arc::clone(space), waiter }),
    })
}

impl Ticket {
    /// That of one who waits for no key: only for its time.
    #[cfg(feature = "commands")]
    pub(crate) fn of_nobody(space: &Arc<Keyspace>) -> Self {
        let waiter = Arc::new(Waiter {
            db: 0,
            keys: Vec::new(),
            order: Order::AsNamed,
            attempt: Attempt::Pop(End::Front, 1),
            state: Mutex::default(),
            woken: Arc::default(),
        });
        Ticket { space: Arc::clone(space), waiter }
    }

    /// The store of the keys that it waits for.
    #[cfg(all(feature = "journal", any(feature = "redis-aio", feature = "server")))]
    pub(crate) fn space(&self) -> &Keyspace {
        &self.space
    }

    /// Parks the thread until it is served or the deadline has come. Who `is_gone` gets nothing: what was served to it goes back.
    pub(crate) fn wait(
        self,
        clock: &Clock,
        deadline: u64,
        is_gone: impl Fn() -> bool,
    ) -> Result<Option<Served>> {
        let alarm: Arc<dyn Alarm> = Arc::<Waiter>::clone(&self.waiter);
        clock.set_alarm(deadline, Arc::downgrade(&alarm));
        let mut state = self.waiter.state.lock();
        if state.is_first_wait(&self.space, deadline) {
            // Counted once its alarm is set: whoever moves the clock on then finds it.
            drop(state);
            self.space.blocked().tell();
            state = self.waiter.state.lock();
        }
        loop {
            if is_gone() {
                return Ok(None);
            }
            if let Some(end) = state.take() {
                drop(state);
                self.space.catch_up()?;
                return end;
            }
            if deadline != NEVER && clock.now() >= deadline {
                state.give_up();
                return Ok(None);
            }
            clock.wait(&self.waiter.woken, &mut state, deadline);
        }
    }

    /// Gives what it was served by now, for its time is over; nothing is served to it from then on.
    #[cfg(any(feature = "redis-aio", feature = "server"))]
    pub(crate) fn expire(&self) -> Result<Option<Served>> {
        let mut state = self.waiter.state.lock();
        let end = state.take();
        state.give_up();
        drop(state);
        end.map_or(Ok(None), |end| self.space.catch_up().and(end))
    }

    /// Gives what it was served, nothing if it was [roused](Rouse), or has the task woken when it is. The deadline is the
    /// caller's to look after.
    pub(crate) fn poll(&self, deadline: u64, context: &mut Context<'_>) -> Poll<Result<Option<Served>>> {
        // A waker's clone and drop are the executor's code: not under a lock.
        let waker = context.waker().clone();
        let mut state = self.waiter.state.lock();
        match state.take() {
            Some(end) => {
                drop(state);
                Poll::Ready(self.space.catch_up().and(end))
            }
            None => {
                let replaced = state.task.replace(waker);
                let is_first = state.is_first_wait(&self.space, deadline);
                drop(state);
                drop(replaced);
                if is_first {
                    self.space.blocked().tell();
                }
                Poll::Pending
            }
        }
    }
}

/// Has somebody who waits wait no longer.
#[cfg(feature = "commands")]
pub(crate) struct Rouse(std::sync::Weak<Waiter>);

#[cfg(feature = "commands")]
impl Ticket {
    pub(crate) fn rouse(&self) -> Rouse {
        Rouse(Arc::downgrade(&self.waiter))
    }
}

#[cfg(feature = "commands")]
impl Rouse {
    /// False if it does not wait any more. No lock may be held: it wakes a task.
    pub(crate) fn rouse(&self) -> bool {
        self.end(Phase::Roused)
    }

    /// The same, and it fails.
    pub(crate) fn fail(&self) -> bool {
        self.end(Phase::Served(Ok(Served::Unblocked)))
    }

    /// The same for one that waits for no key, and gets this.
    #[cfg(feature = "server")]
    pub(crate) fn serve(&self, served: Served) -> bool {
        self.end(Phase::Served(Ok(served)))
    }

    fn end(&self, phase: Phase) -> bool {
        let Some(waiter) = self.0.upgrade() else { return false };
        let mut state = waiter.state.lock();
        if !matches!(state.phase, Phase::Waiting) {
            return false;
        }
        state.phase = phase;
        state.place = None;
        let task = state.task.take();
        drop(state);
        waiter.woken.notify_all();
        if let Some(task) = task {
            task.wake();
        }
        true
    }
}

impl State {
    /// Counts it as blocked, if it waits and is not counted yet; true then.
    fn is_first_wait(&mut self, space: &Keyspace, deadline: u64) -> bool {
        let is_first = matches!(self.phase, Phase::Waiting) && self.place.is_none();
        if is_first {
            self.place = Some(space.blocked().take_place(deadline));
        }
        is_first
    }

    /// It waits no more.
    fn give_up(&mut self) {
        self.phase = Phase::Over;
        self.place = None;
    }

    /// How the wait has ended, if it has: with nothing if it was roused.
    fn take(&mut self) -> Option<Result<Option<Served>>> {
        match std::mem::replace(&mut self.phase, Phase::Over) {
            Phase::Served(served) => Some(served.map(Some)),
            Phase::Roused => Some(Ok(None)),
            phase => {
                self.phase = phase;
                None
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let (left, task) = {
            let mut state = self.waiter.state.lock();
            let left = state.take();
            state.give_up();
            (left, state.task.take())
        };
        let waiter = Arc::clone(&self.waiter);
        self.space.when_open(move |space| waiter.leave(space, left));
        // The executor's code: not under the guard, and after all that must not be missed.
        drop(task);
    }
}

impl Waiter {
    /// Tries the attempt on the key that has changed, and if that is the order on those that were named before it.
    fn try_until(
        &self,
        mistyped: &mut Vec<Bytes>,
        writer: &mut Writer<'_>,
        changed: KeyRef<'_>,
    ) -> Result<Option<Served>, Halt> {
        let before = if self.order == Order::AsNamed { &self.keys[..] } else { &[] };
        for name in before.iter().take_while(|name| name.as_slice() != changed.bytes) {
            let key = writer.space().key_ref(name);
            if self.looks_right(mistyped, writer, name)? {
                if let Some(served) = self.attempt.run(writer, key)? {
                    return Ok(Some(served));
                }
            }
        }
        Ok(self.attempt.run(writer, changed)?)
    }

    /// The same of one who reads: before anything is, all of its keys are looked at.
    fn read(
        &self,
        reads: &Reads,
        mistyped: &mut Vec<Bytes>,
        writer: &mut Writer<'_>,
        changed: KeyRef<'_>,
    ) -> Result<Option<Served>, Halt> {
        if self.order == Order::AsNamed {
            for name in &self.keys {
                self.looks_right(mistyped, writer, name)?;
            }
        }
        Ok(reads.serve(writer, &self.keys, changed)?.map(Served::Entries))
    }

    /// Whether a key holds what is waited for. One whose shard is not held has nothing of it: whoever fills it serves those who
    /// wait for it. But if it was seen to hold another type it has to be known whether it still does: that is an error.
    fn looks_right(
        &self,
        mistyped: &mut Vec<Bytes>,
        writer: &mut Writer<'_>,
        name: &Bytes,
    ) -> Result<bool, Halt> {
        let key = writer.space().key_ref(name);
        let seen = mistyped.iter().position(|other| other == name);
        if !writer.holds(key) {
            return if seen.is_some() { Err(Halt::Needs(name.clone())) } else { Ok(false) };
        }
        match writer.value(key).map(|value| value.kind() == self.attempt.kind()) {
            Some(false) => Err(Error::WrongType.into()),
            held => {
                seen.map(|at| mistyped.swap_remove(at));
                Ok(held.is_some())
            }
        }
    }

    /// Hands over what was served.
    fn wake(
        &self,
        mut state: MutexGuard<'_, State>,
        writer: &mut Writer<'_>,
        served: Result<Served>,
    ) -> Serve {
        state.phase = Phase::Served(served);
        state.place = None;
        let task = state.task.take();
        drop(state);
        if !is_planted(Bug::LostWakeUp) {
            writer.wakes().add_thread(&self.woken);
        }
        if let Some(task) = task {
            writer.wakes().add_task(task);
        }
        Serve::Done
    }

    /// Gives up the places in the queues, and puts back what was served and not fetched.
    fn leave(self: &Arc<Self>, space: &Keyspace, left: Option<Result<Option<Served>>>) {
        let queued: Arc<dyn Waiting> = Arc::<Waiter>::clone(self);
        for name in &self.keys {
            let key = space.key_ref(name);
            // Fails only inside a transaction, and this waits for its end.
            let _ = space.write(self.db, &[key], |writer| {
                if let Some(shard) = writer.shard_mut(key) {
                    shard.waiters.remove(self.db, name, &queued);
                }
            });
        }
        if let Some(Ok(Some(served))) = left {
            let names: Vec<KeyRef<'_>> = self.keys.iter().map(|key| space.key_ref(key)).collect();
            // The key may hold another type by now: then there is nowhere to put it.
            let _ = space.write(self.db, &names, |writer| self.attempt.put_back(writer, served));
        }
    }
}

impl Waiting for Waiter {
    fn wants(&self, kind: Type) -> bool {
        // What is enough for one who is choosy, it has got already.
        kind == self.attempt.kind()
            && !self.attempt.is_choosy()
            && matches!(self.state.lock().phase, Phase::Waiting)
    }

    fn minds_absence(&self) -> bool {
        matches!(&self.attempt, Attempt::Read(reads) if reads.is_of_group())
    }

    fn serve(&self, writer: &mut Writer<'_>, key: KeyRef<'_>) -> Serve {
        let mut state = self.state.lock();
        // Who has not noticed yet that its time is over gets no more than who has.
        let is_over = |place: &Place| place.is_over(writer.space().clock());
        if !matches!(state.phase, Phase::Waiting) || state.place.as_ref().is_some_and(is_over) {
            return Serve::Done;
        }
        let gone = match &self.attempt {
            Attempt::Read(reads) => reads.gone(writer, key),
            _ => None,
        };
        if gone.is_none() {
            match writer.value(key).map(|value| value.kind() == self.attempt.kind()) {
                Some(true) => {}
                None => return Serve::Nothing,
                Some(false) => {
                    if self.keys.len() > 1 && !state.mistyped.iter().any(|name| *name == *key.bytes) {
                        state.mistyped.push(Bytes::from(key.bytes));
                    }
                    return Serve::Nothing;
                }
            }
        }
        if state.permit.as_ref().is_some_and(|permit| !permit.holds()) {
            return self.wake(state, writer, Ok(Served::Refused));
        }
        if let Some(gone) = gone {
            return self.wake(state, writer, Ok(Served::Gone(gone)));
        }
        if let Some(destination) = self.attempt.destination() {
            if !writer.holds(writer.space().key_ref(destination)) {
                return Serve::Needs(destination.clone());
            }
        }
        let served = match &self.attempt {
            Attempt::Read(reads) => self.read(reads, &mut state.mistyped, writer, key),
            _ => self.try_until(&mut state.mistyped, writer, key),
        };
        match served {
            Ok(None) => Serve::Nothing,
            Ok(Some(served)) => self.wake(state, writer, Ok(served)),
            Err(Halt::Needs(other)) => Serve::Needs(other),
            Err(Halt::Error(error)) => self.wake(state, writer, Err(error)),
        }
    }
}

impl Alarm for Waiter {
    fn ring(&self) {
        let _state = self.state.lock();
        self.woken.notify_all();
    }
}
