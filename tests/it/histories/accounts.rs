//! Transactions over several keys, and what is seen of all of them at once: one object.

use larder::{Error, Store};

use super::checker::{Event, Object};
use super::{Reply, STEPS, THREADS, check, each_history, overlaps, record};
use crate::differential::chance::Chance;

const NAMES: [&str; 4] = ["a", "b", "c", "d"];
const BALANCE: i64 = 10;

/// What is on each account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Accounts([i64; 4]);

#[derive(Debug, Clone)]
enum What {
    /// From one to another; nothing is moved if there is not so much.
    Transfer(usize, usize, i64),
    /// An amount that goes on top of what was read before the transaction.
    Raise(usize, i64),
    Look(usize),
    /// All of them: by one call, in a transaction, and in a fork.
    LookAtAll,
    LookWithin,
    LookAtFork,
}

impl Object for Accounts {
    type What = What;
    type Gave = Reply;

    fn step(&mut self, what: &What, gave: &Reply) -> bool {
        let Accounts(balances) = self;
        let gives = match *what {
            What::Transfer(from, to, amount) => {
                let is_there = balances[from] >= amount;
                if is_there {
                    balances[from] -= amount;
                    balances[to] += amount;
                }
                Reply::Number(is_there.into())
            }
            What::Raise(account, by) => {
                balances[account] += by;
                Reply::Number(balances[account])
            }
            What::Look(account) => Reply::Number(balances[account]),
            What::LookAtAll | What::LookWithin | What::LookAtFork => Reply::Values(balances.to_vec()),
        };
        gives == *gave
    }
}

fn draw(chance: &mut Chance) -> What {
    let from = chance.below(4);
    let to = (from + 1 + chance.below(3)) % 4;
    match chance.below(10) {
        0..=3 => What::Transfer(from, to, 1 + chance.below(8) as i64),
        4 => What::Raise(from, 1),
        5 | 6 => What::Look(from),
        7 => What::LookAtAll,
        8 => What::LookWithin,
        _ => What::LookAtFork,
    }
}

fn run(store: &Store, what: &What) -> Result<Reply, Error> {
    Ok(match *what {
        What::Transfer(from, to, amount) => {
            let (from, to) = (NAMES[from], NAMES[to]);
            let moved = store.transaction([from, to], |tx| {
                // So that one that fails has something to take back, which nobody may see.
                tx.counter(to).incr_by(amount)?;
                let left = tx.counter(from).decr_by(amount)?;
                if left < 0 { Err(Error::Invalid("not enough")) } else { Ok(()) }
            });
            Reply::Number(moved.is_ok().into())
        }
        What::Raise(account, by) => loop {
            let name = NAMES[account];
            let watched = store.watch([name])?;
            let raised = store.get::<i64>(name)?.unwrap_or(0) + by;
            if watched.transaction(|tx| tx.insert(name, raised))?.is_some() {
                break Reply::Number(raised);
            }
        },
        What::Look(account) => Reply::Number(store.counter(NAMES[account]).get()?),
        What::LookAtAll => values(store.get_many(NAMES)?),
        What::LookWithin => values(store.transaction(NAMES, |tx| tx.get_many(NAMES))?),
        What::LookAtFork => values(store.fork()?.get_many(NAMES)?),
    })
}

fn values(all: Vec<Option<i64>>) -> Reply {
    Reply::Values(all.into_iter().flatten().collect())
}

#[test]
fn transactions_have_an_order() {
    let mut met = 0;
    each_history(|seed, chance| {
        let steps: Vec<_> = (0..THREADS).map(|_| chance.many(STEPS, STEPS, draw)).collect();
        let store = Store::builder().shards(4).build();
        store.insert_many(NAMES.map(|name| (name, BALANCE))).unwrap();
        let history = record(
            &steps,
            |_| (),
            |(), ticks, what| {
                let (called, gave, returned) = ticks.note(|| run(&store, what).unwrap());
                vec![Event { called, returned, what: what.clone(), gave }]
            },
        );
        met += overlaps(&history);
        check(seed, &Accounts([BALANCE; 4]), &history);
    });
    assert!(met > 0, "no two transactions were ever under way at the same time");
}
