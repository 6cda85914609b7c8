//! Which keys of a table are due: a timing wheel of pages.
//!
//! A deadline stands in its record. What the wheel knows is a page of records, by the earliest deadline
//! among them or one before it: a page that is due is looked through, and those of its keys go whose time
//! has come. So a key pays for its deadline alone, and a page for its place in the wheel.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::iter;

use super::wheel::{Due, Timer, Timers, Wheel};
use crate::clock::NEVER;
use crate::records::PLACES;

/// See the [module](self). Pages are numbered from 0 without gaps.
#[derive(Clone, Default)]
pub(super) struct DuePages {
    wheel: Wheel,
    timers: Pages,
    /// The page that is being looked through, which the wheel does not know meanwhile.
    open: Option<Open>,
}

/// How far a page has been looked through.
#[derive(Clone, Copy)]
pub(super) struct Open {
    pub page: u32,
    /// How many of its places, from the first, are still to be looked at.
    pub left: u32,
    /// The earliest deadline of the others.
    pub earliest: u64,
}

#[derive(Clone, Default)]
struct Pages(Vec<Timer>);

/// What is due.
pub(super) enum Found {
    /// Something on this page, or nothing on it any more: the rest of it is to be looked through.
    Page(Open),
    /// Nothing.
    Nothing,
    /// The budget is used up; there may be more.
    BudgetSpent,
}

impl DuePages {
    /// Has a page looked through at a deadline, if it is one. O(1)
    #[inline]
    pub(super) fn note(&mut self, page: u32, deadline: u64) {
        if deadline != NEVER {
            self.schedule(page, deadline);
        }
    }

    fn schedule(&mut self, page: u32, deadline: u64) {
        let DuePages { wheel, timers, open } = self;
        if timers.0.len() <= page as usize {
            timers.0.resize(page as usize + 1, Timer::new());
        }
        match open {
            Some(open) if open.page == page => open.earliest = open.earliest.min(deadline),
            _ if deadline < timers.timer(page).deadline() => wheel.schedule(timers, page, deadline),
            _ => {}
        }
    }

    /// Forgets the pages from this one on. O(1) each.
    pub(super) fn truncate(&mut self, pages: u32) {
        let DuePages { wheel, timers, open } = self;
        while timers.0.len() > pages as usize {
            wheel.cancel(timers, timers.0.len() as u32 - 1);
            timers.0.pop();
        }
        if open.is_some_and(|open| open.page >= pages) {
            *open = None;
        }
        if timers.0.is_empty() {
            timers.0 = Vec::new();
        } else if timers.0.capacity() > 64 && timers.0.len() * 4 < timers.0.capacity() {
            timers.0.shrink_to(timers.0.len() * 2);
        }
    }

    /// A page to be looked through: [`left`](Self::left) tells how far that has come, and at the end it is
    /// to be [`close`](Self::close)d. It is one with a key that is
    /// due by `now`, if `exact` even though the tick of the wheel is not over. Each step towards it takes
    /// one from the budget.
    pub(super) fn open(&mut self, now: u64, exact: bool, budget: &mut usize) -> Found {
        let DuePages { wheel, timers, open } = self;
        if open.is_none() {
            let page = match wheel.pop_due(timers, now, budget) {
                Due::Entry(page) => Some(page),
                Due::BudgetSpent => return Found::BudgetSpent,
                Due::Nothing if exact => wheel.pop_overdue(timers, now).or_else(|| {
                    wheel.raise_overdue(timers, now);
                    wheel.pop_overdue(timers, now)
                }),
                Due::Nothing => None,
            };
            *open = page.map(|page| Open { page, left: PLACES, earliest: NEVER });
        }
        open.map_or(Found::Nothing, Found::Page)
    }

    /// How many places of the open page are still to be looked at, and the earliest deadline of the others.
    pub(super) fn left(&mut self, left: u32, earliest: u64) {
        if let Some(open) = &mut self.open {
            (open.left, open.earliest) = (left, earliest);
        }
    }

    /// Gives the open page back, whose earliest deadline is this one.
    pub(super) fn close(&mut self, earliest: u64) {
        if let Some(Open { page, .. }) = self.open.take() {
            self.wheel.schedule(&mut self.timers, page, earliest);
        }
    }

    /// The pages with a key that is due by `now` though the tick is not over; `None` if some page's time
    /// has come already. O(k) for k pages that are due within the same 16 ms.
    pub(super) fn overdue(&self, now: u64) -> Option<Vec<u32>> {
        (self.next_wake() > now).then(|| self.wheel.overdue(&self.timers, now))
    }

    /// The pages that have deadlines, by the time before which they have none. O(p) for p pages, and O(log p) for each that
    /// is taken
    pub(super) fn by_deadline(&mut self) -> impl Iterator<Item = (u64, u32)> + use<> {
        if let Some(Open { page, .. }) = self.open.take() {
            // It is looked through once more, from its start.
            self.wheel.schedule(&mut self.timers, page, 0);
        }
        self.pages()
    }

    /// The same, for those who look only: the page that is being looked through comes first.
    pub(super) fn pages(&self) -> impl Iterator<Item = (u64, u32)> + use<> {
        let timers = (0..).zip(&self.timers.0).map(|(page, timer)| (timer.deadline(), page));
        let open = self.open.map(|open| (0, open.page));
        let timed = timers.filter(|(deadline, _)| *deadline != NEVER).chain(open);
        let mut pages: BinaryHeap<_> = timed.map(Reverse).collect();
        iter::from_fn(move || pages.pop().map(|Reverse(page)| page))
    }

    /// Has a page looked through at its earliest deadline, which is this one. O(1)
    pub(super) fn put_off(&mut self, page: u32, deadline: u64) {
        self.wheel.schedule(&mut self.timers, page, deadline);
    }

    /// The earliest time at which a page may be due.
    pub(super) fn next_wake(&self) -> u64 {
        if self.open.is_some() { 0 } else { self.wheel.next_wake().unwrap_or(NEVER) }
    }

    /// The same, to the millisecond.
    pub(super) fn next_exact_wake(&self, now: u64) -> u64 {
        if self.open.is_some() { 0 } else { self.wheel.next_exact_wake(&self.timers, now).unwrap_or(NEVER) }
    }

    /// Heap memory, in bytes. O(1)
    pub(super) fn bytes(&self) -> usize {
        self.wheel.bytes() + self.timers.0.capacity() * size_of::<Timer>()
    }
}

impl Timers for Pages {
    fn timer(&self, at: u32) -> &Timer {
        // The wheel asks only for pages that were noted, and those that are forgotten are cancelled.
        &self.0[at as usize]
    }

    fn timer_mut(&mut self, at: u32) -> &mut Timer {
        // As for the one above.
        &mut self.0[at as usize]
    }
}
