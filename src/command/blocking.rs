//! Waiting for an element: what BLPOP, BLMOVE, BZPOPMIN and their kin mean.
//!
//! Blocking is an attempt, queued on its keys, first come first served. Whoever changes one of the
//! keys serves the first in its queue whom it fits before the lock is let go, so nobody steals, and an
//! element that a waiter gets is never seen by anybody else. One kind of waiter serves threads and tasks.
//!
//! The exception is a move to a key in a shard that the one who changed its key does not hold: it is made
//! right after, under both locks. In between, those who would wait join the queue behind it, but who takes
//! without waiting takes what is there.

// Some of it is reached by commands alone.
#![cfg_attr(not(feature = "commands"), allow(dead_code, unused_imports))]

use std::collections::HashSet;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::stream::read::{Found, Gone, Reads};
use super::{list, sorted_set};
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

/// What a waiter wants from one of its keys.
pub(crate) enum Attempt {
    /// BLPOP, BRPOP, BLMPOP: so many elements of a list, at most.
    Pop(End, usize),
    /// BLMOVE: an element of a list, which goes on to another.
    Move { from: End, to: End, destination: Bytes },
    /// BLMOVEM: several elements of a list, which go on to another.
    #[cfg(feature = "commands")]
    MoveSeveral { ends: [End; 2], several: list::Several, destination: Bytes },
    /// BZPOPMIN, BZPOPMAX, BZMPOP: so many of the outermost members of a sorted set, at most.
    PopScored(End, usize),
    /// XREAD, XREADGROUP: what comes behind an id of each key, which is in the place of that id.
    Read(Box<Reads>),
}

/// What a waiter got.
pub(crate) enum Served {
    /// These elements of the list at this key, which had this deadline.
    Elements(Bytes, list::Popped, Option<u64>),
    /// This element, which is in the destination now.
    Moved(Bytes),
    /// These elements, which are in the destination now.
    #[cfg(feature = "commands")]
    MovedSeveral(Vec<Bytes>),
    /// These members, with their scores, of the sorted set at this key, which had this deadline.
    Scored(Bytes, sorted_set::Popped, Option<u64>),
    /// These entries.
    Entries(Found),
    /// Nothing, and nothing will come: the group has gone that was read for.
    Gone(Gone),
    /// Nothing: its [`Permit`] does not hold any more.
    Refused,
    /// Nothing: somebody else had it wait no longer, and fail.
    #[cfg(feature = "commands")]
    Unblocked,
    /// What another thread has to say.
    #[cfg(feature = "server")]
    Told(crate::reply::Reply),
}

impl Attempt {
    /// Tries it on a key; nothing if the key has nothing to give.
    pub(crate) fn run(&self, writer: &mut Writer<'_>, key: KeyRef<'_>) -> Result<Option<Served>> {
        match self {
            Attempt::Pop(end, count) => {
                let deadline = writer.deadline(key);
                let popped = list::pop(writer, key, *end, *count)?;
                Ok(popped.map(|popped| Served::Elements(Bytes::from(key.bytes), popped, deadline)))
            }
            Attempt::Move { from, to, destination } => {
                let destination = writer.space().key_ref(destination);
                Ok(list::move_(writer, key, destination, *from, *to)?.map(Served::Moved))
            }
            #[cfg(feature = "commands")]
            Attempt::MoveSeveral { ends, several, destination } => {
                let destination = writer.space().key_ref(destination);
                Ok(list::move_several(writer, key, destination, *ends, *several)?.map(Served::MovedSeveral))
            }
            Attempt::PopScored(end, count) => {
                let deadline = writer.deadline(key);
                let popped = sorted_set::pop(writer, key, *end, *count)?;
                Ok(popped.map(|popped| Served::Scored(Bytes::from(key.bytes), popped, deadline)))
            }
            Attempt::Read(reads) => Ok(reads.run(writer, &[Bytes::from(key.bytes)])?.map(Served::Entries)),
        }
    }

    /// The other key that it needs.
    pub(crate) fn destination(&self) -> Option<&Bytes> {
        match self {
            Attempt::Move { destination, .. } => Some(destination),
            #[cfg(feature = "commands")]
            Attempt::MoveSeveral { destination, .. } => Some(destination),
            Attempt::Pop(..) | Attempt::PopScored(..) | Attempt::Read(_) => None,
        }
    }

    fn kind(&self) -> Type {
        match self {
            Attempt::Pop(..) | Attempt::Move { .. } => Type::List,
            #[cfg(feature = "commands")]
            Attempt::MoveSeveral { .. } => Type::List,
            Attempt::PopScored(..) => Type::SortedSet,
            Attempt::Read(_) => Type::Stream,
        }
    }

    /// Whether it may leave what there is to others, since it is too little.
    fn is_choosy(&self) -> bool {
        #[cfg(feature = "commands")]
        if let Attempt::MoveSeveral { several, .. } = self {
            return several.least > 1;
        }
        false
    }

    /// Puts back what was taken for a waiter who is no longer there, where it was taken.
    fn put_back(&self, writer: &mut Writer<'_>, served: Served) -> Result<()> {
        match (self, served) {
            (Attempt::Pop(end, _), Served::Elements(key, popped, deadline)) => {
                let key = writer.space().key_ref(&key);
                list::put_back(writer, key, *end, popped.into_taken(), deadline)
            }
            (Attempt::PopScored(..), Served::Scored(key, popped, deadline)) => {
                let key = writer.space().key_ref(&key);
                sorted_set::put_back(writer, key, popped.into_vec(), deadline)
            }
            // What was moved is where it was meant to go, and what was read is still there: for a group it is
            // pending.
            _ => Ok(()),
        }
    }
}

/// How an attempt began.
pub(crate) enum Start {
    /// It was served at once.
    Served(Served),
    /// There was nothing, and it is not to wait.
    Nothing,
    /// It waits.
    Waits(Ticket),
}

/// Whether an attempt that finds nothing waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    Waits,
    Leaves,
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

/// Tries an attempt on each key in turn. One who can wait leaves what others already wait for to them:
/// whoever is about to serve those serves the rest of the queue too.
///
/// # Errors
/// [`Error::Invalid`] if there is no key.
pub(crate) fn try_each(
    writer: &mut Writer<'_>,
    keys: &[Bytes],
    attempt: &Attempt,
    patience: Patience,
) -> Result<Option<Served>> {
    if keys.is_empty() {
        return Err(Error::Invalid("wrong number of arguments: there is no key to take from"));
    }
    // Who reads takes nothing away: those who wait already are left nothing.
    if let Attempt::Read(reads) = attempt {
        return Ok(reads.run(writer, keys)?.map(Served::Entries));
    }
    let (db, kind) = (writer.db(), attempt.kind());
    for name in keys {
        let key = writer.space().key_ref(name);
        if patience == Patience::Waits
            && writer.shard_mut(key).is_some_and(|shard| shard.waiters.want(db, name, kind))
            && writer.value(key).is_some_and(|value| value.kind() == kind)
        {
            continue;
        }
        if let Some(served) = attempt.run(writer, key)? {
            return Ok(Some(served));
        }
    }
    Ok(None)
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

    /// Parks the thread until it is served or the deadline has come.
    pub(crate) fn wait(self, clock: &Clock, deadline: u64) -> Result<Option<Served>> {
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
            if let Some(end) = state.take() {
                drop(state);
                self.space.catch_up()?;
                return end;
            }
            if deadline != NEVER && clock.now() >= deadline {
                state.phase = Phase::Over;
                state.place = None;
                return Ok(None);
            }
            clock.wait(&self.waiter.woken, &mut state, deadline);
        }
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
            state.phase = Phase::Over;
            state.place = None;
            (left, state.task.take())
        };
        let waiter = Arc::clone(&self.waiter);
        self.space.when_open(move |space| waiter.leave(space, left));
        // The executor's code: not under the guard, and after all that must not be missed.
        drop(task);
    }
}

impl Waiter {
    /// Tries the attempt on the key that has changed, and if that is the order on those that were named before it. One of those
    /// that is not held has nothing for it: whoever filled it serves those who wait for it.
    fn try_until(&self, writer: &mut Writer<'_>, changed: KeyRef<'_>) -> Result<Option<Served>> {
        let before = if self.order == Order::AsNamed { &self.keys[..] } else { &[] };
        for name in before.iter().take_while(|name| name.as_slice() != changed.bytes) {
            let key = writer.space().key_ref(name);
            if !writer.holds(key) || writer.value(key).is_none_or(|value| value.kind() != self.attempt.kind())
            {
                continue;
            }
            if let Some(served) = self.attempt.run(writer, key)? {
                return Ok(Some(served));
            }
        }
        self.attempt.run(writer, changed)
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
        let state = self.state.lock();
        if !matches!(state.phase, Phase::Waiting) {
            return Serve::Done;
        }
        let gone = match &self.attempt {
            Attempt::Read(reads) => reads.gone(writer, key),
            _ => None,
        };
        if gone.is_none() && writer.value(key).is_none_or(|value| value.kind() != self.attempt.kind()) {
            return Serve::Nothing;
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
            Attempt::Read(reads) => {
                reads.serve(writer, &self.keys, key).map(|found| found.map(Served::Entries))
            }
            _ => self.try_until(writer, key),
        };
        match served.transpose() {
            None => Serve::Nothing,
            Some(served) => self.wake(state, writer, served),
        }
    }
}

impl Alarm for Waiter {
    fn ring(&self) {
        let _state = self.state.lock();
        self.woken.notify_all();
    }
}
