//! Who is rung when a clock that is moved by hand comes to a moment.

use std::sync::{Arc, Weak};

use super::{Clock, NEVER};

/// Somebody who waits for a moment of a manual clock.
pub(crate) trait Alarm: Send + Sync {
    /// The moment has come: wake up and look at the clock. Takes the lock under which the waiter
    /// checks the time, so that a waiter about to sleep is not missed. It may come too soon: when the clock is set
    /// going, so that who waits for that clock waits for the system's.
    fn ring(&self);

    /// Whether something ends for somebody then, and it is not just a look at what is due.
    fn is_deadline(&self) -> bool {
        true
    }
}

/// See [`Clock::alarm`].
struct OfOneWait<A>(Arc<A>);

impl<A: Alarm> Alarm for OfOneWait<A> {
    fn ring(&self) {
        self.0.ring();
    }

    fn is_deadline(&self) -> bool {
        self.0.is_deadline()
    }
}

impl Clock {
    /// The next moment after this one for which an alarm of somebody's deadline is set; [`NEVER`] if there is none.
    pub(crate) fn next_alarm(&self, now: u64) -> u64 {
        let Clock::Manual(clock) = self else { return NEVER };
        let alarms = clock.0.alarms.lock();
        let ahead = alarms.iter().filter(|(at, _)| *at > now);
        // What they ring may be nobody else's by now, and go with them: when the lock is free.
        let ahead: Vec<_> = ahead.filter_map(|(at, alarm)| Some((*at, alarm.upgrade()?))).collect();
        drop(alarms);
        let due = ahead.iter().filter(|(_, alarm)| alarm.is_deadline());
        due.map(|(at, _)| *at).min().unwrap_or(NEVER)
    }

    /// Has somebody rung as [`set_alarm`](Self::set_alarm) does, for as long as what this gives is kept: for one wait of
    /// who stays for longer.
    #[must_use]
    pub(crate) fn alarm<A: Alarm + 'static>(&self, deadline: u64, whom: &Arc<A>) -> Option<Arc<dyn Alarm>> {
        if deadline == NEVER || matches!(self, Clock::System) {
            return None;
        }
        let alarm: Arc<dyn Alarm> = Arc::new(OfOneWait(Arc::clone(whom)));
        self.set_alarm(deadline, Arc::downgrade(&alarm));
        Some(alarm)
    }

    /// Has `alarm` rung once a manual clock has been moved to the deadline or beyond. The system's
    /// clock needs none: its waits end by themselves.
    pub(crate) fn set_alarm(&self, deadline: u64, alarm: Weak<dyn Alarm>) {
        if let Clock::Manual(clock) = self {
            if deadline != NEVER {
                let mut alarms = clock.0.alarms.lock();
                alarms.retain(|(_, set)| set.strong_count() > 0);
                if !alarms.iter().any(|(at, set)| *at == deadline && set.ptr_eq(&alarm)) {
                    alarms.push((deadline, alarm));
                }
            }
        }
    }
}
