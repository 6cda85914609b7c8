//! CLIENT PAUSE: commands of all clients wait, for a time or until they are let go on.

use std::collections::BTreeMap;
#[cfg(any(feature = "redis-aio", feature = "server"))]
use std::pin::Pin;
use std::task::Waker;
#[cfg(any(feature = "redis-aio", feature = "server"))]
use std::task::{Context, Poll};

use crate::clock::{Alarm, Clock};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Condvar, Mutex};

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Pause {
    /// Looked at with each command.
    is_on: AtomicBool,
    state: Mutex<State>,
    over: Arc<Condvar>,
}

#[derive(Default)]
struct State {
    /// On the store's clock.
    until: u64,
    /// Reads wait too.
    all: bool,
    /// Those who wait, each in a place of its own.
    tasks: BTreeMap<u64, Waker>,
    #[cfg(any(feature = "redis-aio", feature = "server"))]
    last_place: u64,
}

impl Pause {
    /// From now on commands wait. One that lasts longer, or holds more back, stays as it is.
    pub(super) fn start(&self, until: u64, all: bool) {
        let mut state = self.state.lock();
        let is_on = self.is_on.swap(true, Ordering::AcqRel);
        state.until = if is_on { state.until.max(until) } else { until };
        state.all = all || is_on && state.all;
    }

    /// All go on.
    pub(super) fn end(&self) {
        self.is_on.store(false, Ordering::Release);
        self.ring_all();
    }

    /// Whether there may be one. One load.
    #[inline]
    pub(super) fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Acquire)
    }

    /// Until when a command is to wait.
    pub(super) fn holds(&self, clock: &Clock, writes: bool) -> Option<u64> {
        let mut state = self.state.lock();
        if clock.now() >= state.until {
            self.is_on.store(false, Ordering::Release);
            let tasks = std::mem::take(&mut state.tasks);
            drop(state);
            tasks.into_values().for_each(Waker::wake);
            return None;
        }
        (self.is_on() && (state.all || writes)).then_some(state.until)
    }

    /// Until when it lasts, and whether reads wait too, if there is one.
    pub(super) fn told(&self, clock: &Clock) -> Option<(u64, bool)> {
        let state = self.state.lock();
        (self.is_on() && clock.now() < state.until).then_some((state.until, state.all))
    }

    /// Parks the thread until the time is over, the pause ends, or `is_gone`.
    pub(super) fn wait(self: &Arc<Self>, clock: &Clock, until: u64, is_gone: impl Fn() -> bool) {
        let _alarm = clock.alarm(until, self);
        let mut state = self.state.lock();
        while self.is_on.load(Ordering::Acquire) && clock.now() < until && !is_gone() {
            clock.wait(&self.over, &mut state, until);
        }
    }

    /// Ends with the pause; its time is the caller's to look at.
    #[cfg(any(feature = "redis-aio", feature = "server"))]
    pub(crate) fn over(&self) -> Over<'_> {
        Over { pause: self, place: None }
    }

    /// Has all who wait look again.
    pub(super) fn ring_all(&self) {
        let tasks = std::mem::take(&mut self.state.lock().tasks);
        self.over.notify_all();
        tasks.into_values().for_each(Waker::wake);
    }
}

/// See [`Pause::over`]. Its place goes with it.
#[cfg(any(feature = "redis-aio", feature = "server"))]
pub(crate) struct Over<'p> {
    pause: &'p Pause,
    place: Option<u64>,
}

#[cfg(any(feature = "redis-aio", feature = "server"))]
impl Future for Over<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let waker = context.waker().clone();
        let mut state = self.pause.state.lock();
        if !self.pause.is_on() {
            drop(state);
            return Poll::Ready(());
        }
        let place = self.place.unwrap_or_else(|| {
            state.last_place += 1; // 64 bits do not overflow one by one
            state.last_place
        });
        let replaced = state.tasks.insert(place, waker);
        drop(state);
        drop(replaced);
        self.place = Some(place);
        Poll::Pending
    }
}

#[cfg(any(feature = "redis-aio", feature = "server"))]
impl Drop for Over<'_> {
    fn drop(&mut self) {
        let waker = self.place.and_then(|place| self.pause.state.lock().tasks.remove(&place));
        drop(waker);
    }
}

impl Alarm for Pause {
    fn ring(&self) {
        let _state = self.state.lock();
        self.over.notify_all();
    }
}
