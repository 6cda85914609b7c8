//! Deadlines to the millisecond: what is due though its tick is not over.
//!
//! A slot is emptied when its tick ends, so all that is looked at here is the one slot of the tick
//! under way.

use super::{NIL, TICK_BITS, Timer, Timers, Wheel, slot_at, tick_reached};

impl Wheel {
    /// The entries with a deadline that is no later than `now`, which must be before
    /// [`next_wake`](Self::next_wake): those are due, and not given back before the tick is over. O(k)
    /// for k timers of that tick.
    pub(crate) fn overdue(&self, timers: &impl Timers, now: u64) -> Vec<u32> {
        let mut overdue = Vec::new();
        let mut at = if self.len == 0 { NIL } else { self.head(open_slot(now)) };
        while at != NIL {
            let timer = timers.timer(at);
            if timer.deadline <= now {
                overdue.push(at);
            }
            at = timer.next;
        }
        overdue
    }

    /// Brings the timers that [`overdue`](Self::overdue) counts to the front of their slot, where
    /// [`pop_overdue`](Self::pop_overdue) finds them. To be called when nothing is due. O(k) for k
    /// timers of that tick.
    pub(crate) fn raise_overdue(&mut self, timers: &mut impl Timers, now: u64) {
        let slot = open_slot(now);
        let mut at = self.head(slot);
        while at != NIL {
            let Timer { deadline, next, .. } = *timers.timer(at);
            if deadline <= now {
                self.unlink(timers, at);
                self.link(timers, at, slot);
            }
            at = next;
        }
    }

    /// Finds an entry whose deadline is at or before `now` though its tick is not over, and unlinks it,
    /// as [`pop_due`](Self::pop_due) does. O(1).
    pub(crate) fn pop_overdue(&mut self, timers: &mut impl Timers, now: u64) -> Option<u32> {
        let at = self.head(open_slot(now));
        if at == NIL || timers.timer(at).deadline > now {
            return None;
        }
        self.unlink(timers, at);
        Some(at)
    }

    /// When to look for overdue timers next, for a clock on which each millisecond counts: never after
    /// the first deadline. It lies in the past while work is left, as it may be if `now` has moved on
    /// since the last sweep. O(k) for k timers of the tick under way.
    pub(crate) fn next_exact_wake(&self, timers: &impl Timers, now: u64) -> Option<u64> {
        let wake = self.next_wake()?;
        if wake <= now {
            return Some(wake);
        }
        let mut first = None;
        let mut at = self.head(open_slot(now));
        while at != NIL {
            let Timer { deadline, next, .. } = *timers.timer(at);
            first = Some(first.map_or(deadline, |first: u64| first.min(deadline)));
            at = next;
        }
        // A deadline in a later tick is after all of those in this one, and has been rounded up by less
        // than a tick.
        let later = wake.saturating_sub((1 << TICK_BITS) - 1).max(now.saturating_add(1));
        Some(first.unwrap_or(later))
    }
}

/// The slot of the tick that has begun before `now` and ends after it. All timers of that tick are in
/// it once nothing is due: a coarse slot that reaches so far would have to be spread by then.
fn open_slot(now: u64) -> usize {
    slot_at(0, tick_reached(now) + 1)
}
