//! A key with a deadline, while threads move the clock and sweep: it is there until its time, to everybody, and never again.
//!
//! A time to live counts from the call, not from when the call has the key's lock: what gives one is two events, of which the
//! first looks at the clock.

use std::collections::BTreeMap;

use std::time::Duration;

use larder::{Error, ManualClock, Store, Sweeping, Ttl};

use super::checker::{Event, Object};
use super::{Reply, STEPS, THREADS, check, each_history, overlaps, record};
use crate::differential::chance::Chance;

/// A number, and the moment at which it is gone; the time, and who has seen which.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Clocked {
    value: Option<(i64, Option<u64>)>,
    now: u64,
    seen: BTreeMap<u64, u64>,
}

#[derive(Debug, Clone)]
enum What {
    Insert(i64),
    InsertEx(i64, u64),
    InsertIfAbsentEx(i64, u64),
    Incr,
    Get,
    /// -1 for ever, -2 missing.
    Ttl,
    Expire(u64),
    Persist,
    Contains,
    /// The caller of this number looks at the clock; and does what it has looked for.
    Look(u64),
    Then(u64, Box<What>),
    /// Time goes on.
    Advance(u64),
    /// The memory of what is gone is given back, which nobody sees.
    Sweep,
}

impl Object for Clocked {
    type What = What;
    type Gave = Reply;

    fn step(&mut self, what: &What, gave: &Reply) -> bool {
        let now = self.now;
        match what {
            What::Look(who) => return self.seen.insert(*who, now).is_none(),
            What::Then(who, what) => {
                let Some(seen) = self.seen.remove(who) else { return false };
                return self.step_since(seen, what, gave);
            }
            _ => {}
        }
        self.step_since(now, what, gave)
    }
}

impl Clocked {
    /// Does an operation whose time to live counts from a moment that has been.
    fn step_since(&mut self, then: u64, what: &What, gave: &Reply) -> bool {
        let now = self.now;
        let value = self.value.filter(|(_, end)| end.is_none_or(|end| end > now));
        let (next, gives) = match *what {
            What::Insert(new) => (Some((new, None)), Reply::Done),
            What::InsertEx(new, ttl) => (Some((new, Some(then + ttl))), Reply::Done),
            What::InsertIfAbsentEx(new, ttl) => {
                (value.or(Some((new, Some(then + ttl)))), Reply::Number(value.is_none().into()))
            }
            What::Incr => {
                let (old, end) = value.unwrap_or_default();
                (Some((old + 1, end)), Reply::Number(old + 1))
            }
            What::Get => (value, Reply::Value(value.map(|(value, _)| value))),
            What::Ttl => {
                let left = value.map(|(_, end)| end.map_or(-1, |end| (end - now) as i64));
                (value, Reply::Number(left.unwrap_or(-2)))
            }
            What::Expire(ttl) => {
                (value.map(|(value, _)| (value, Some(then + ttl))), Reply::Number(value.is_some().into()))
            }
            What::Persist => {
                let is_timed = value.is_some_and(|(_, end)| end.is_some());
                (value.map(|(value, _)| (value, None)), Reply::Number(is_timed.into()))
            }
            What::Contains => (value, Reply::Number(value.is_some().into())),
            What::Advance(by) => {
                self.now += by;
                (value, Reply::Done)
            }
            What::Sweep => (value, Reply::Done),
            What::Look(_) | What::Then(..) => unreachable!("they are no operations"),
        };
        self.value = next;
        gives == *gave
    }
}

fn draw(chance: &mut Chance) -> What {
    let (number, ttl) = (chance.below(100) as i64, 1 + chance.below(3) as u64);
    match chance.below(14) {
        0 => What::Insert(number),
        1 | 2 => What::InsertEx(number, ttl),
        3 => What::InsertIfAbsentEx(number, ttl),
        4 => What::Incr,
        5 | 6 => What::Get,
        7 => What::Ttl,
        8 => What::Expire(ttl),
        9 => What::Persist,
        10 => What::Contains,
        11 | 12 => What::Advance(1 + chance.below(2) as u64),
        _ => What::Sweep,
    }
}

fn run(clock: &ManualClock, store: &Store, what: &What) -> Result<Reply, Error> {
    const KEY: &str = "k";
    let flag = |is_so: bool| Reply::Number(is_so.into());
    Ok(match *what {
        What::Insert(value) => store.insert(KEY, value).map(|()| Reply::Done)?,
        What::InsertEx(value, ttl) => store.insert_ex(KEY, value, millis(ttl)).map(|()| Reply::Done)?,
        What::InsertIfAbsentEx(value, ttl) => flag(store.insert_if_absent_ex(KEY, value, millis(ttl))?),
        What::Incr => Reply::Number(store.counter(KEY).incr()?),
        What::Get => Reply::Value(store.get(KEY)?),
        What::Ttl => Reply::Number(match store.ttl(KEY)? {
            Ttl::Left(left) => left.as_millis() as i64,
            Ttl::Forever => -1,
            _ => -2,
        }),
        What::Expire(ttl) => flag(store.expire(KEY, millis(ttl))?),
        What::Persist => flag(store.persist(KEY)?),
        What::Contains => flag(store.contains(KEY)?),
        What::Advance(by) => {
            clock.advance(millis(by));
            Reply::Done
        }
        What::Sweep => store.sweep().map(|_| Reply::Done)?,
        What::Look(_) | What::Then(..) => unreachable!("they are no operations"),
    })
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn deadlines_have_an_order() {
    let mut met = 0;
    each_history(|seed, chance| {
        let steps: Vec<_> = (0..THREADS).map(|_| chance.many(STEPS, STEPS, draw)).collect();
        let clock = ManualClock::new();
        let store = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).shards(1).build();
        let history = record(
            &steps,
            |_| (),
            |(), ticks, what| {
                let (called, gave, returned) = ticks.note(|| run(&clock, &store, what).unwrap());
                let event = |what, gave| Event { called, returned, what, gave };
                match what {
                    What::InsertEx(..) | What::InsertIfAbsentEx(..) | What::Expire(_) => vec![
                        event(What::Look(called), Reply::Done),
                        event(What::Then(called, Box::new(what.clone())), gave),
                    ],
                    _ => vec![event(what.clone(), gave)],
                }
            },
        );
        met += overlaps(&history);
        check(seed, &Clocked::default(), &history);
    });
    assert!(met > 0, "no two operations were ever under way at the same time");
}
