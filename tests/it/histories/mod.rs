//! Recorded histories of threads and clients at one store, each checked for an order in which one alone could have done all
//! of it (linearizability: Herlihy and Wing 1990).
//!
//! Histories are short and many: that finds more than a few long ones, and one that fails can be read.
//! `LARDER_HISTORIES` says how many of each kind; 300 without it. A failure prints the history and its seed; with that in
//! `LARDER_HISTORY` the same operations run again, a thousand times, as the threads meet differently each time.

mod accounts;
mod checker;
mod clocked;
mod keys;
mod queues;

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::{env, hint, thread};

use checker::{Event, Object, order};

use crate::differential::chance::Chance;

/// How many threads make a history, and how much each of them does.
const THREADS: usize = 4;
const STEPS: usize = 8;

/// What an operation gave, as a client could be told it too.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reply {
    Done,
    Number(i64),
    Value(Option<i64>),
    Values(Vec<i64>),
}

/// The seeds of the histories to make.
fn histories() -> Range<u64> {
    let number = |name: &str| -> Option<u64> {
        env::var(name).ok().map(|told| told.parse().unwrap_or_else(|_| panic!("{name} is a number")))
    };
    match number("LARDER_HISTORY") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LARDER_HISTORIES").unwrap_or(300),
    }
}

/// Runs a history for each seed, and again if it is but one.
fn each_history(mut run: impl FnMut(u64, &mut Chance)) {
    let seeds = histories();
    let times = if env::var_os("LARDER_HISTORY").is_some() { 1_000 } else { 1 };
    for seed in seeds {
        (0..times).for_each(|_| run(seed, &mut Chance::new(seed)));
    }
}

/// The moments of a history: no two are the same.
#[derive(Default)]
struct Ticks(AtomicU64);

impl Ticks {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }

    /// Does something, and notes when it was called and when it was over.
    fn note<T>(&self, act: impl FnOnce() -> T) -> (u64, T, u64) {
        let called = self.next();
        let given = act();
        (called, given, self.next())
    }
}

/// Has each thread do its steps, all at the same time, with an `actor` of its own.
fn record<A, S: Sync, E: Send>(
    steps: &[Vec<S>],
    actor: impl Fn(usize) -> A + Sync,
    act: impl Fn(&mut A, &Ticks, &S) -> Vec<E> + Sync,
) -> Vec<E> {
    let (ticks, start) = (Ticks::default(), Barrier::new(steps.len()));
    let (ticks, start, actor, act) = (&ticks, &start, &actor, &act);
    thread::scope(|scope| {
        let threads = steps.iter().enumerate().map(|(number, steps)| {
            scope.spawn(move || {
                let mut actor = actor(number);
                start.wait();
                let act = |(at, step)| {
                    // So that it is not always the same steps that meet.
                    (0..(number * 7 + at * 5) % 11 * 20).for_each(|_| hint::spin_loop());
                    act(&mut actor, ticks, step)
                };
                steps.iter().enumerate().flat_map(act).collect::<Vec<_>>()
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("it does not panic")).collect()
    })
}

/// Fails unless one alone could have done all of it.
#[track_caller]
fn check<O: Object + Debug>(seed: u64, begin: &O, history: &[Event<O>]) {
    assert!(order(begin, history).is_some(), "no order explains history {seed}: {}", told(history));
}

/// A history for people: a line an operation, in the order of the calls.
fn told<O: Object>(history: &[Event<O>]) -> String {
    let mut lines: Vec<_> = history.iter().collect();
    lines.sort_by_key(|event| event.called);
    let line = |event: &&Event<O>| {
        let Event { called, returned, what, gave } = event;
        format!("\n{called:4} to {returned:4}: {what:?} gave {gave:?}")
    };
    lines.iter().map(line).collect()
}

/// How many pairs of a history were under way at the same time: without any, there is nothing to check.
fn overlaps<O: Object>(history: &[Event<O>]) -> usize {
    let meet = |a: &Event<O>, b: &Event<O>| a.called < b.returned && b.called < a.returned;
    let pairs = history.iter().enumerate().flat_map(|(at, a)| history[..at].iter().map(move |b| (a, b)));
    pairs.filter(|(a, b)| meet(a, b)).count()
}
