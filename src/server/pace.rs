//! How soon a thread that has nothing left to do looks for more.
//!
//! Requests of many clients come one shortly after the other. A thread that looks for more as soon as it is done finds one or
//! two, and what it takes to look, to answer and to wake the clients is spent on those; if it lets some microseconds pass
//! first, it finds a dozen, as a network card does that holds its interrupts back. Where a client waits for each
//! reply, those microseconds are lost instead. Which of both it is depends on clients that nobody here knows, so that it is
//! tried: a thread of which much is asked goes the one way and the other for some milliseconds each, and keeps to the better.

use std::cell::{Cell, RefCell};
use std::hint;
use std::mem;
use std::time::{Duration, Instant};

/// So long a thread waits that does: a quarter of that has brought most of it, and more no more.
const WAIT: Duration = Duration::from_micros(32);
/// So many answers are given between two looks at the time.
const ANSWERS: u32 = 64;
/// Who takes longer for as many has too little to do, or is kept from it by others: it does not wait.
const HURRY: Duration = Duration::from_millis(8);
/// Nor does who gives them to fewer clients than this: one to three that were made to wait, if only for a trial, may sleep
/// between their requests from then on.
const CLIENTS: u32 = 8;
/// So long a thread has had much to do before it tries: of a program that has just begun nothing can be told.
const WARM: Duration = Duration::from_millis(64);
/// So long one way is gone at the least, until it is known how fast it was.
const LEG: Duration = Duration::from_millis(2);
/// A trial has so many legs of each way at the most, in turns: one that was interrupted for a moment counts as little as any.
const PAIRS: u32 = 16;
/// Waiting pays if in so many pairs of them
const WON: u32 = 11;
/// it was faster by this: it takes the processor's time.
const BY: f64 = 1.01;
/// So long what a trial has come to is kept to.
const KEPT: Duration = Duration::from_secs(2);

thread_local! {
    /// How many answers have been given since the time was looked at, and a bit for each client that got one: two clients may
    /// have the same.
    static ANSWERED: Cell<(u32, u64)> = const { Cell::new((0, 0)) };
    static PACE: RefCell<Pace> = RefCell::default();
}

/// One more answer has been given, to the client of that id: to one request, or to as many as had arrived together. O(1)
#[inline]
pub(super) fn note_answered(client: u64) {
    let (answers, clients) = ANSWERED.get();
    let (answers, clients) = (answers + 1, clients | 1 << (client % 64));
    if answers < ANSWERS {
        ANSWERED.set((answers, clients));
    } else {
        ANSWERED.set((0, 0));
        PACE.with_borrow_mut(|pace| pace.note(Instant::now(), clients.count_ones()));
    }
}

/// Waits for a moment, if that pays: this thread is about to look for more.
pub(super) fn wait() {
    if PACE.with_borrow(Pace::waits) {
        let began = Instant::now();
        // It may have had nothing to do since it was said so.
        if PACE.with_borrow(|pace| pace.is_hurried(began)) {
            while began.elapsed() < WAIT {
                hint::spin_loop();
            }
        }
    }
}

/// What a thread knows of its pace.
#[derive(Default)]
struct Pace {
    /// When the time was last looked at, and since when the thread had had much to do, if it had then.
    looked: Option<Instant>,
    busy: Option<Instant>,
    trial: Option<Trial>,
    /// What the last trial came to, and when the next one is due.
    pays: bool,
    due: Option<Instant>,
}

/// Which of both ways is the faster.
struct Trial {
    /// When this leg began, how often the time was looked at since, and whether the thread waits.
    began: Instant,
    looks: u32,
    waits: bool,
    /// How fast the last leg without waiting was.
    plain: f64,
    /// In how many pairs of legs that with waiting was the faster, and in how many not.
    won: u32,
    lost: u32,
}

impl Pace {
    fn waits(&self) -> bool {
        self.busy.is_some() && self.trial.as_ref().map_or(self.pays, |trial| trial.waits)
    }

    /// Whether it is not long since the time was looked at.
    fn is_hurried(&self, now: Instant) -> bool {
        self.looked.is_some_and(|looked| now.saturating_duration_since(looked) < HURRY)
    }

    /// [`ANSWERS`] more have been given, to so many clients. O(1)
    fn note(&mut self, now: Instant, clients: u32) {
        let goes_on = clients >= CLIENTS && self.is_hurried(now);
        self.looked = Some(now);
        if !goes_on {
            // It may be the waiting by which it is slow: what was found out is forgotten, and what was being tried is not tried
            // again at once.
            if self.trial.take().is_some() {
                self.due = Some(now + KEPT);
            } else if mem::take(&mut self.pays) {
                self.due = None;
            }
            self.busy = None;
            return;
        }
        let busy = *self.busy.get_or_insert(now);
        if let Some(trial) = &mut self.trial {
            if let Some(pays) = trial.note(now) {
                self.pays = pays;
                self.due = Some(now + KEPT);
                self.trial = None;
            }
        } else if now - busy >= WARM && self.due.is_none_or(|due| now >= due) {
            self.trial = Some(Trial { began: now, looks: 0, waits: false, plain: 0.0, won: 0, lost: 0 });
        }
    }
}

impl Trial {
    /// Whether waiting pays, once that is known.
    fn note(&mut self, now: Instant) -> Option<bool> {
        self.looks += 1;
        let took = now - self.began;
        if took < LEG {
            return None;
        }
        let speed = f64::from(self.looks) / took.as_secs_f64();
        if !self.waits {
            self.plain = speed;
        } else if speed > self.plain * BY {
            self.won += 1;
        } else {
            self.lost += 1;
        }
        (self.began, self.looks, self.waits) = (now, 0, !self.waits);
        if self.won == WON { Some(true) } else { (self.lost > PAIRS - WON).then_some(false) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thread that gives so many answers a second, by whether it waits and how many of them it has given.
    struct Thread {
        pace: Pace,
        now: Instant,
        clients: u32,
        answers: u32,
    }

    impl Thread {
        fn new() -> Self {
            Thread { pace: Pace::default(), now: Instant::now(), clients: 50, answers: 0 }
        }

        /// Works for so long; says for how much of it the thread waited.
        fn work(&mut self, time: Duration, speed: impl Fn(bool, u32) -> f64) -> f64 {
            let (began, mut waited) = (self.now, Duration::ZERO);
            while self.now - began < time {
                let waits = self.pace.waits();
                let took = Duration::from_secs_f64(f64::from(ANSWERS) / speed(waits, self.answers));
                self.answers += ANSWERS;
                self.now += took;
                waited += if waits { took } else { Duration::ZERO };
                self.pace.note(self.now, self.clients);
            }
            waited.as_secs_f64() / time.as_secs_f64()
        }
    }

    const TRIAL: Duration = Duration::from_millis(150);
    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn a_thread_waits_where_that_pays_and_tries_it_else() {
        for (gain, pays) in [(1.15, true), (1.03, true), (1.0, false), (0.7, false)] {
            let mut thread = Thread::new();
            thread.work(TRIAL, |waits, _| if waits { gain * 150e3 } else { 150e3 });
            let waited = thread.work(LONG, |waits, _| if waits { gain * 150e3 } else { 150e3 });
            let right = if pays { 0.97..=1.0 } else { 0.0..=0.03 };
            assert!(right.contains(&waited), "{gain} times as fast, it waits for {waited} of the time");
        }
    }

    #[test]
    fn what_paid_and_does_no_longer_is_given_up_within_two_seconds() {
        let mut thread = Thread::new();
        let before = thread.work(LONG, |waits, _| if waits { 180e3 } else { 150e3 });
        assert!(before > 0.9, "{before}");
        thread.work(Duration::from_secs(2) + 2 * TRIAL, |waits, _| if waits { 100e3 } else { 150e3 });
        let after = thread.work(LONG, |waits, _| if waits { 100e3 } else { 150e3 });
        assert!(after < 0.03, "{after}");
    }

    #[test]
    fn a_thread_that_has_time_does_not_wait() {
        let mut thread = Thread::new();
        assert_eq!(thread.work(LONG, |waits, _| if waits { 14e3 } else { 7e3 }), 0.0);
        thread.work(TRIAL, |waits, _| if waits { 180e3 } else { 150e3 });
        assert!(thread.pace.waits());
        thread.work(Duration::from_millis(5), |_, _| 7e3);
        assert!(!thread.pace.waits());
        // It begins anew, once it has something to do again.
        assert_eq!(thread.work(WARM, |waits, _| if waits { 180e3 } else { 150e3 }), 0.0);
        thread.work(TRIAL, |waits, _| if waits { 180e3 } else { 150e3 });
        assert!(thread.pace.waits());
    }

    #[test]
    fn what_was_found_out_is_of_no_use_when_nobody_asks_any_more() {
        let mut thread = Thread::new();
        thread.work(TRIAL, |waits, _| if waits { 180e3 } else { 150e3 });
        assert!(thread.pace.waits() && thread.pace.is_hurried(thread.now + HURRY / 2));
        assert!(!thread.pace.is_hurried(thread.now + HURRY));
    }

    #[test]
    fn waiting_that_makes_a_thread_slow_is_given_up() {
        // So slow that it is no hurry any more.
        let speed = |waits, _| if waits { 7e3 } else { 10e3 };
        let mut thread = Thread::new();
        let waited = thread.work(LONG, speed);
        assert!(waited < 0.03, "{waited}");
        thread.work(TRIAL, |waits, _| if waits { 180e3 } else { 150e3 });
        thread.pace.pays = true;
        let waited = thread.work(LONG, speed);
        assert!(waited < 0.03, "{waited}");
    }

    #[test]
    fn a_trial_that_is_broken_off_again_and_again_is_seldom_begun() {
        let mut thread = Thread::new();
        let mut waited = 0.0;
        for _ in 0..100 {
            waited += thread.work(Duration::from_millis(80), |waits, _| if waits { 130e3 } else { 150e3 });
            thread.now += HURRY;
        }
        assert!(waited < 1.0, "in {waited} of a hundred");
    }

    #[test]
    fn nothing_is_tried_of_a_program_that_has_just_begun() {
        let mut thread = Thread::new();
        assert_eq!(thread.work(WARM, |waits, _| if waits { 130e3 } else { 150e3 }), 0.0);
        thread.work(TRIAL, |waits, _| if waits { 180e3 } else { 150e3 });
        assert!(thread.pace.waits());
    }

    #[test]
    fn for_few_clients_nobody_waits() {
        let speed = |waits, _| if waits { 180e3 } else { 150e3 };
        let mut thread = Thread { clients: CLIENTS - 1, ..Thread::new() };
        assert_eq!(thread.work(LONG, speed), 0.0);
        thread.clients = CLIENTS;
        thread.work(TRIAL, speed);
        assert!(thread.pace.waits());
        thread.clients = CLIENTS - 1;
        thread.work(Duration::from_millis(1), speed);
        assert!(!thread.pace.waits());
    }

    #[test]
    fn clients_are_counted_once_between_two_looks() {
        let count = || ANSWERED.get().1.count_ones();
        for expected in [1, 2, 3, 3, 3] {
            note_answered(1_000 + u64::from(expected));
            assert_eq!(count(), expected);
        }
        (5..ANSWERS).for_each(|_| note_answered(u64::MAX));
        assert_eq!(ANSWERED.get(), (0, 0));
        note_answered(0);
        assert_eq!(ANSWERED.get(), (1, 1));
    }

    #[test]
    fn a_trial_bears_interruptions() {
        let interrupted = |gain: f64| {
            move |waits: bool, answers: u32| {
                let speed = if waits { gain * 150e3 } else { 150e3 };
                // Now and then, and only while it waits: four of its sixteen legs at the most.
                if waits && answers / 300 % 7 == 3 { 0.1 * speed } else { speed }
            }
        };
        for (gain, pays) in [(1.15, true), (0.9, false)] {
            let mut thread = Thread::new();
            thread.work(TRIAL, interrupted(gain));
            assert_eq!(thread.pace.waits(), pays, "{gain} times as fast");
        }
    }
}
