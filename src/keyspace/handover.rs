//! What writers hand over to whoever writes a picture of all keys to a file: the numbers of the pages that they are the first
//! to write to since it was taken.
//!
//! A page that the picture shares has to be copied before it is written to, and then both are held until the file has got
//! there. So a writer that knows its keys asks for their pages: they are written to the file next and let go of, and nothing
//! has to be copied. The writer waits for that without a lock, for a bounded time, and not for a file that hangs. Who has not
//! asked (what is swept out or evicted, `EXEC`, scripts) copies, and says so: the file comes to those pages next too.

use std::mem;
use std::time::{Duration, Instant};

use crate::clock::{has_come, in_real_time};
use crate::records::page_of;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Arc, Condvar, Mutex};

/// The longest that a writer waits.
const PATIENCE: Duration = Duration::from_micros(500);
/// A file that has not asked for more pages for so long hangs.
const HANGS: Duration = Duration::from_millis(250);

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Handover {
    state: Mutex<State>,
    got_on: Condvar,
    /// Nothing is to be handed over any more.
    is_over: AtomicBool,
}

#[derive(Default)]
struct State {
    /// The tables and pages that were handed over and not taken yet, in that order.
    pages: Vec<(u32, u32)>,
    /// How many were taken, and how many of those are let go of.
    taken: u64,
    done: u64,
    /// Writers who wait.
    waiting: usize,
    /// When the file is taken to hang; nothing before it has begun.
    hangs_at: Option<Instant>,
}

/// Of each page of a table, whether it was handed over or needs not be.
pub(crate) type Marks = Arc<[AtomicBool]>;

/// What a table knows of the handover that is under way, if one is. A clone knows of none.
#[derive(Default)]
pub(super) struct Touches(Mutex<Option<Box<Touching>>>);

struct Touching {
    handover: Arc<Handover>,
    /// The table's number there.
    table: u32,
    marks: Marks,
}

/// A page that was handed over and not written to.
pub(super) struct Asked {
    handover: Arc<Handover>,
    /// The how manieth it is.
    number: u64,
}

impl Handover {
    /// The pages that were handed over since it was called last, with their tables' numbers; those that it gave then are let go
    /// of. None if there are none.
    pub(crate) fn take(&self) -> Option<Vec<(u32, u32)>> {
        let mut state = self.state.lock();
        state.hangs_at = in_real_time(HANGS);
        state.done = state.taken;
        state.taken += state.pages.len() as u64;
        let pages = mem::take(&mut state.pages);
        if state.waiting > 0 {
            self.got_on.notify_all();
        }
        Some(pages).filter(|pages| !pages.is_empty())
    }

    /// Ends it: nobody waits any more.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        self.is_over.store(true, Ordering::Relaxed);
        *state = State { waiting: state.waiting, ..State::default() };
        self.got_on.notify_all();
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Adds a page; gives its number.
    fn add(&self, table: u32, page: u32) -> u64 {
        let mut state = self.state.lock();
        // Nobody would take it.
        if !self.is_over() {
            state.pages.push((table, page));
        }
        state.taken + state.pages.len() as u64
    }
}

impl Asked {
    /// Waits until the page is let go of, as long as it may take. No lock may be held.
    #[cold]
    pub(super) fn wait(self) {
        let Asked { handover, number } = self;
        let mut state = handover.state.lock();
        let Some(until) = in_real_time(PATIENCE) else { return };
        let is_done = |state: &State| state.done >= number || state.hangs_at.is_none_or(has_come);
        state.waiting += 1;
        while !is_done(&state) && !has_come(until) {
            handover.got_on.wait_until(&mut state, until);
            // The model has no time that would pass.
            if cfg!(shuttle) {
                break;
            }
        }
        state.waiting -= 1;
    }
}

impl Touches {
    /// From now on pages are handed over, in the place of what was under way before.
    pub(super) fn begin(&self, handover: &Arc<Handover>, table: u32, pages: usize) -> Marks {
        let marks: Marks = (0..pages).map(|_| AtomicBool::new(false)).collect();
        let handover = Arc::clone(handover);
        *self.0.lock() = Some(Box::new(Touching { handover, table, marks: Arc::clone(&marks) }));
        marks
    }

    /// Whether pages are handed over.
    #[inline]
    pub(super) fn is_on(&mut self) -> bool {
        self.0.get_mut().is_some()
    }

    /// Hands the page of a position over that was written to, if it is the first time. What it was has been copied by now.
    #[inline]
    pub(super) fn touched(&mut self, at: u32) {
        if self.is_on() {
            self.hand_over(at);
        }
    }

    #[cold]
    #[inline(never)]
    fn hand_over(&mut self, at: u32) {
        // It has been written to: nobody waits.
        self.ask(at);
    }

    /// Hands the page of a position over that is going to be written to, if it is the first time.
    pub(super) fn ask(&mut self, at: u32) -> Option<Asked> {
        let Touching { handover, table, marks } = self.0.get_mut().as_deref()?;
        let page = page_of(at);
        if handover.is_over() {
            *self.0.get_mut() = None;
            return None;
        }
        let mark = marks.get(page as usize).filter(|mark| !mark.load(Ordering::Relaxed))?;
        let is_first = !mark.swap(true, Ordering::Relaxed);
        is_first.then(|| Asked { handover: Arc::clone(handover), number: handover.add(*table, page) })
    }
}

impl Clone for Touches {
    fn clone(&self) -> Self {
        Touches::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::PLACES;

    #[test]
    fn each_page_is_handed_over_once_in_the_order_of_the_writes() {
        let (handover, mut touches) = (Arc::<Handover>::default(), Touches::default());
        let marks = touches.begin(&handover, 7, 4);
        marks[2].store(true, Ordering::Relaxed);
        for page in [3, 1, 3, 2, 1, 4] {
            touches.touched(page * PLACES);
        }
        let mut clone = touches.clone();
        clone.touched(0);
        assert_eq!(handover.take(), Some(vec![(7, 3), (7, 1)]));
        assert_eq!(handover.take(), None);
        handover.end();
        touches.touched(0);
        assert!(!touches.is_on() && handover.take().is_none());
    }

    #[cfg(not(shuttle))]
    #[test]
    fn who_asks_waits_for_a_file_that_gets_on_and_for_no_other() {
        let (handover, mut touches) = (Arc::<Handover>::default(), Touches::default());
        touches.begin(&handover, 7, 4);
        let mut ask = |page| touches.ask(page * PLACES).unwrap();
        // It has not begun.
        ask(0).wait();
        assert_eq!(handover.take(), Some(vec![(7, 0)]));
        let asked = ask(1);
        assert_eq!(asked.number, 2);
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| asked.wait());
            while handover.state.lock().done < 2 {
                handover.take();
            }
            waits.join().unwrap();
        });
        // Nobody takes it: it waits for as long as it may.
        ask(2).wait();
        handover.end();
        assert!(touches.ask(3 * PLACES).is_none());
        assert_eq!(handover.state.lock().waiting, 0);
    }
}
