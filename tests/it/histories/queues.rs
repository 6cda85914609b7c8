//! Blocking pops: each element goes to one, in the order of the pushes, and to who has waited longest; a timeout takes none.
//!
//! A pop that blocks is two events: it arrives, and it leaves with what it was served. Both lie within the call, so who has come
//! before whom counts where it could be seen.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use larder::{Error, ManualClock, Store};

use super::checker::{Event, Object};
use super::{STEPS, THREADS, Ticks, check, each_history, overlaps, record};
use crate::differential::chance::Chance;

const NAMES: [&str; 2] = ["a", "b"];
const TIMEOUT: Duration = Duration::from_millis(5);
const LONG: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Queues {
    lists: [VecDeque<i64>; 2],
    /// Who waits, in the order of their coming, for which lists.
    waiting: Vec<(usize, Vec<usize>)>,
    /// What was handed to whom, who has not left with it yet.
    served: BTreeMap<usize, (usize, i64)>,
}

#[derive(Debug, Clone)]
enum What {
    Push(usize, i64),
    /// One to each list, in one step.
    PushBoth(i64, i64),
    Take(usize),
    Len(usize),
    /// Somebody comes who wants the first element of the first of these lists that has one.
    Arrive(usize, Vec<usize>),
    Leave(usize),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Gave {
    Done,
    Number(usize),
    Element(Option<(usize, i64)>),
}

impl Queues {
    fn pop(&mut self, list: usize) -> Option<(usize, i64)> {
        Some((list, self.lists[list].pop_front()?))
    }

    /// Serves those who wait for a list while it has elements: each from the first of its lists that has any.
    fn serve(&mut self, list: usize) {
        while !self.lists[list].is_empty() {
            let waits = |(_, lists): &(usize, Vec<usize>)| lists.contains(&list);
            let Some(at) = self.waiting.iter().position(waits) else { return };
            let (who, lists) = self.waiting.remove(at);
            let element = lists.into_iter().find_map(|list| self.pop(list));
            self.served.extend(element.map(|element| (who, element)));
        }
    }
}

impl Object for Queues {
    type What = What;
    type Gave = Gave;

    fn step(&mut self, what: &What, gave: &Gave) -> bool {
        let gives = match what {
            What::Push(list, element) => {
                self.lists[*list].push_back(*element);
                self.serve(*list);
                Gave::Done
            }
            What::PushBoth(first, second) => {
                self.lists[0].push_back(*first);
                self.lists[1].push_back(*second);
                self.serve(0);
                self.serve(1);
                Gave::Done
            }
            What::Take(list) => Gave::Element(self.pop(*list)),
            What::Len(list) => Gave::Number(self.lists[*list].len()),
            What::Arrive(who, lists) => {
                match lists.iter().find_map(|list| self.pop(*list)) {
                    Some(element) => drop(self.served.insert(*who, element)),
                    None => self.waiting.push((*who, lists.clone())),
                }
                Gave::Done
            }
            What::Leave(who) => {
                let served = self.served.remove(who);
                let is_here = |(other, _): &(usize, Vec<usize>)| other == who;
                match self.waiting.iter().position(is_here) {
                    Some(at) => drop(self.waiting.remove(at)),
                    None if served.is_none() => return false,
                    None => {}
                }
                Gave::Element(served)
            }
        };
        gives == *gave
    }
}

/// What a thread does: an operation, or it has time go on.
#[derive(Debug, Clone)]
enum Step {
    Do(What),
    Wait,
}

fn draw(chance: &mut Chance, next: &mut usize) -> Step {
    *next += 1;
    let (number, list) = (*next, chance.below(2));
    Step::Do(match chance.below(12) {
        0..=2 => What::Push(list, number as i64),
        3 => What::PushBoth(number as i64, -(number as i64)),
        4 => What::Take(list),
        5 => What::Len(list),
        6..=8 => What::Arrive(number, vec![list]),
        9 | 10 => What::Arrive(number, vec![list, 1 - list]),
        _ => return Step::Wait,
    })
}

fn run(store: &Store, what: &What) -> Result<Gave, Error> {
    let list = |list: usize| store.list::<i64>(NAMES[list]);
    Ok(match what {
        What::Push(to, element) => list(*to).push_back(*element).map(|_| Gave::Done)?,
        What::PushBoth(first, second) => {
            let pushed = store.transaction(NAMES, |tx| {
                tx.list::<i64>(NAMES[0]).push_back(*first)?;
                tx.list::<i64>(NAMES[1]).push_back(*second)
            });
            pushed.map(|_| Gave::Done)?
        }
        What::Take(from) => Gave::Element(list(*from).pop_front()?.map(|element| (*from, element))),
        What::Len(of) => Gave::Number(list(*of).len()?),
        What::Arrive(_, lists) => Gave::Element(pop(store, lists)?),
        What::Leave(_) => unreachable!("it is the end of a pop"),
    })
}

fn pop(store: &Store, lists: &[usize]) -> Result<Option<(usize, i64)>, Error> {
    let popped = store.pop_front_of_wait::<i64>(lists.iter().map(|list| NAMES[*list]), TIMEOUT)?;
    Ok(popped
        .map(|(key, element)| (NAMES.iter().position(|name| key == *name).expect("one of ours"), element)))
}

/// The events of one operation.
fn events(ticks: &Ticks, store: &Store, what: &What) -> Vec<Event<Queues>> {
    let (called, gave, returned) = ticks.note(|| run(store, what).unwrap());
    let event = |what, gave| Event { called, returned, what, gave };
    match what {
        What::Arrive(who, _) => vec![event(what.clone(), Gave::Done), event(What::Leave(*who), gave)],
        _ => vec![event(what.clone(), gave)],
    }
}

/// A thread that has not done all of its steps.
struct Busy<'b>(&'b AtomicUsize);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn blocking_pops_have_an_order() {
    let (mut met, mut served, mut timed_out) = (0, 0, 0);
    each_history(|seed, chance| {
        let mut next = 0;
        let steps: Vec<_> =
            (0..THREADS).map(|_| chance.many(STEPS, STEPS, |chance| draw(chance, &mut next))).collect();
        let clock = ManualClock::new();
        let store = Store::builder().clock(&clock).shards(4).build();
        let busy = AtomicUsize::new(THREADS);
        let history = thread::scope(|scope| {
            // When all who are left are blocked, their time is up.
            scope.spawn(|| {
                while busy.load(Ordering::SeqCst) > 0 {
                    if store.blocked() >= busy.load(Ordering::SeqCst) {
                        clock.advance(TIMEOUT);
                    }
                    thread::yield_now();
                }
            });
            record(
                &steps,
                |_| Busy(&busy),
                |_, ticks, step| match step {
                    Step::Do(what) => events(ticks, &store, what),
                    Step::Wait => {
                        clock.advance(TIMEOUT);
                        Vec::new()
                    }
                },
            )
        });
        let left = history.iter().filter(|event| matches!(event.what, What::Leave(_)));
        let with: Vec<_> = left.map(|event| event.gave != Gave::Element(None)).collect();
        served += with.iter().filter(|was_served| **was_served).count();
        timed_out += with.iter().filter(|was_served| !**was_served).count();
        met += overlaps(&history);
        check(seed, &Queues::default(), &history);
        assert_eq!(store.waiting().unwrap(), 0);
    });
    assert!(met > 0 && served > 0 && timed_out > 0, "{met} met, {served} served, {timed_out} timed out");
}

/// Threads that come one after the other, which is seen, are served in that order by threads that push at the same time.
#[test]
fn who_comes_first_is_served_first() {
    each_history(|seed, chance| {
        let mut next = 100;
        let mut push = |chance: &mut Chance| {
            next += 1;
            match chance.below(5) {
                0 => What::Take(chance.below(2)),
                1 => What::PushBoth(next, -next),
                _ => What::Push(chance.below(2), next),
            }
        };
        let steps: Vec<_> = (0..2).map(|_| chance.many(2, 3, &mut push)).collect();
        let lists =
            chance.many(THREADS, THREADS, |chance| chance.pick(&[vec![0], vec![1], vec![0, 1], vec![1, 0]]));
        check(seed, &Queues::default(), &served_in_turn(&lists, &steps));
    });
}

/// Has threads wait for these lists, one after the other, and then others do steps.
fn served_in_turn(lists: &[Vec<usize>], steps: &[Vec<What>]) -> Vec<Event<Queues>> {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).shards(4).build();
    let (store, ticks) = (&store, &Ticks::default());
    let mut history = Vec::new();
    thread::scope(|scope| {
        let arrive = |(who, lists): (usize, &Vec<usize>)| {
            let lists = lists.clone();
            let (called, what) = (ticks.next(), What::Arrive(who, lists.clone()));
            let waiting = scope.spawn(move || (pop(store, &lists).unwrap(), ticks.next()));
            assert!(store.wait_for_blocked(who + 1, LONG), "{who} does not wait");
            history.push(Event { called, returned: ticks.next(), what, gave: Gave::Done });
            waiting
        };
        let waiting: Vec<_> = lists.iter().enumerate().map(arrive).collect();
        let called = ticks.next();
        let act =
            |steps: &Vec<What>| steps.iter().flat_map(|what| events(ticks, store, what)).collect::<Vec<_>>();
        let pushers: Vec<_> = steps.iter().map(|steps| scope.spawn(move || act(steps))).collect();
        history.extend(pushers.into_iter().flat_map(|pusher| pusher.join().expect("it does not panic")));
        clock.advance(TIMEOUT);
        let leave = |(who, thread): (usize, thread::ScopedJoinHandle<'_, _>)| {
            let (popped, returned) = thread.join().expect("it does not panic");
            Event { called, returned, what: What::Leave(who), gave: Gave::Element(popped) }
        };
        history.extend(waiting.into_iter().enumerate().map(leave));
    });
    history
}

/// What the two tests above look for is found by the checker.
#[test]
fn a_wrong_service_is_refused() {
    let gave = |who: usize, element: Option<i64>| {
        (What::Leave(who), Gave::Element(element.map(|element| (0, element))))
    };
    let arrive = |who: usize| (What::Arrive(who, vec![0]), Gave::Done);
    let push = |element: i64| (What::Push(0, element), Gave::Done);
    let is_fine = |steps: &[(What, Gave)]| {
        // One behind the other.
        let event = |(at, (what, gave)): (usize, &(What, Gave))| {
            let (called, returned) = (2 * at as u64, 2 * at as u64 + 1);
            Event { called, returned, what: what.clone(), gave: gave.clone() }
        };
        let history: Vec<Event<Queues>> = steps.iter().enumerate().map(event).collect();
        super::order(&Queues::default(), &history).is_some()
    };
    assert!(is_fine(&[arrive(1), arrive(2), push(7), push(8), gave(2, Some(8)), gave(1, Some(7))]));
    assert!(
        !is_fine(&[arrive(1), arrive(2), push(7), push(8), gave(2, Some(7)), gave(1, Some(8))]),
        "overtaken"
    );
    assert!(!is_fine(&[arrive(1), arrive(2), push(7), gave(1, Some(7)), gave(2, Some(7))]), "served twice");
    assert!(!is_fine(&[arrive(1), push(7), gave(1, None)]), "a timeout takes an element along");
    assert!(
        !is_fine(&[arrive(1), push(7), (What::Take(0), Gave::Element(Some((0, 7)))), gave(1, None)]),
        "stolen"
    );
    assert!(
        !is_fine(&[arrive(1), push(7), (What::Len(0), Gave::Number(1)), gave(1, Some(7))]),
        "seen in passing"
    );
}
