//! Waiting for a moment of a store's clock, with the thread.

use crate::clock::{Alarm, Clock};
use crate::sync::{Arc, Condvar, Mutex};

/// Waits until a clock has come to a moment.
pub(crate) fn until(clock: &Clock, moment: u64) {
    let bell = Arc::new(Bell::default());
    let alarm: Arc<dyn Alarm> = Arc::<Bell>::clone(&bell);
    clock.set_alarm(moment, Arc::downgrade(&alarm));
    let mut guard = bell.lock.lock();
    while clock.now() < moment {
        clock.wait(&bell.rings, &mut guard, moment);
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

#[derive(Default)]
struct Bell {
    lock: Mutex<()>,
    rings: Condvar,
}

impl Alarm for Bell {
    fn ring(&self) {
        let _guard = self.lock.lock();
        self.rings.notify_all();
    }
}
