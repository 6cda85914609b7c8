//! Waiting for a moment of a store's clock, with the thread.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Alarm, Clock};

/// Waits until a clock has come to a moment.
pub(crate) fn until(clock: &Clock, moment: u64) {
    let bell = Arc::new(Bell::default());
    let alarm: Arc<dyn Alarm> = Arc::<Bell>::clone(&bell);
    clock.set_alarm(moment, Arc::downgrade(&alarm));
    let mut guard = bell.lock.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        let left = moment.saturating_sub(clock.now());
        if left == 0 {
            return;
        }
        guard = match clock {
            Clock::Manual(_) => bell.rings.wait(guard).unwrap_or_else(PoisonError::into_inner),
            Clock::System => {
                let waited = bell.rings.wait_timeout(guard, Duration::from_millis(left));
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
}

#[derive(Default)]
struct Bell {
    lock: Mutex<()>,
    rings: Condvar,
}

impl Alarm for Bell {
    fn ring(&self) {
        let _guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.rings.notify_all();
    }
}
