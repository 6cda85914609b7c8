//! Waiting for a moment of a store's clock, with the thread.

use crate::clock::{Alarm, Clock};
use crate::sync::{Arc, Condvar, Mutex};

/// What a store's threads wait at for moments of its clock.
#[derive(Default)]
pub(crate) struct Bell {
    lock: Mutex<()>,
    rings: Condvar,
}

impl Bell {
    /// Has all who wait look again.
    pub(crate) fn have_all_look(&self) {
        let _guard = self.lock.lock();
        self.rings.notify_all();
    }

    /// Waits until a clock has come to a moment, or `is_gone`: whoever makes it so rings behind that.
    pub(crate) fn wait(self: &Arc<Self>, clock: &Clock, moment: u64, is_gone: impl Fn() -> bool) {
        let _alarm = clock.alarm(moment, self);
        let mut guard = self.lock.lock();
        while clock.now() < moment && !is_gone() {
            clock.wait(&self.rings, &mut guard, moment);
        }
    }
}

/// A moment for which somebody is about to wait: a manual clock knows of it until this is dropped.
pub(crate) struct Awaited(#[expect(dead_code, reason = "kept for the clock")] Arc<dyn Alarm>);

impl Awaited {
    pub(crate) fn new(clock: &Clock, moment: u64) -> Self {
        let alarm: Arc<dyn Alarm> = Arc::new(Nobody);
        clock.set_alarm(moment, Arc::downgrade(&alarm));
        Awaited(alarm)
    }
}

/// Who waits sets an alarm of their own.
struct Nobody;

impl Alarm for Nobody {
    fn ring(&self) {}
}

impl Alarm for Bell {
    fn ring(&self) {
        self.have_all_look();
    }
}
