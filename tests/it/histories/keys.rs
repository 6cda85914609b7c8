//! Single keys, by themselves each (what is so for each of them is so for all): strings, numbers, sets and lists, by the
//! typed handles and by clients of a server.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Debug;

use larder::{End, Store};

use super::checker::{Event, Object};
use super::{Reply, STEPS, THREADS, check, each_history, overlaps, record};
use crate::differential::chance::Chance;

const KEYS: [&str; 2] = ["k", "l"];

/// Operations on one key: drawn, done to a store, and as a client says them.
trait Family: Object<What: Send + Sync, Gave = Reply> + Default + Debug {
    fn draw(chance: &mut Chance) -> Self::What;
    fn run(store: &Store, key: &str, what: &Self::What) -> Reply;
    #[cfg(feature = "server")]
    fn words(key: &str, what: &Self::What) -> String;
}

/// A thread's way to the store.
enum Actor {
    Handle(Store),
    #[cfg(feature = "server")]
    Client(crate::server::Client),
}

impl Actor {
    fn run<F: Family>(&mut self, key: &str, what: &F::What) -> Reply {
        match self {
            Actor::Handle(store) => F::run(store, key, what),
            #[cfg(feature = "server")]
            Actor::Client(client) => clients::ask(client, &F::words(key, what)),
        }
    }
}

/// Has each history made by actors at a host, which is opened for it.
fn run<F: Family, H: Sync>(host: impl Fn(&Store) -> H, actor: impl Fn(&H) -> Actor + Sync) {
    let mut met = 0;
    each_history(|seed, chance| {
        let step = |chance: &mut Chance| (chance.pick(&KEYS), F::draw(chance));
        let steps: Vec<_> = (0..THREADS).map(|_| chance.many(STEPS, STEPS, step)).collect();
        let store = Store::builder().shards(2).build();
        let host = host(&store);
        let events = record(
            &steps,
            |_| actor(&host),
            |actor, ticks, (key, what)| {
                let (called, gave, returned) = ticks.note(|| actor.run::<F>(key, what));
                vec![(*key, Event { called, returned, what: what.clone(), gave })]
            },
        );
        for key in KEYS {
            let of_key = events.iter().filter(|(other, _)| *other == key).map(|(_, event)| event.clone());
            let history: Vec<Event<F>> = of_key.collect();
            met += overlaps(&history);
            check(seed, &F::default(), &history);
        }
    });
    assert!(met > 0, "no two operations were ever under way at the same time");
}

fn run_handles<F: Family>() {
    run::<F, _>(Store::clone, |store| Actor::Handle(store.clone()));
}

#[test]
fn strings_and_numbers_have_an_order() {
    run_handles::<Text>();
}

#[test]
fn sets_have_an_order() {
    run_handles::<Members>();
}

#[test]
fn lists_have_an_order() {
    run_handles::<Elements>();
}

#[cfg(feature = "server")]
mod clients {
    use super::*;
    use crate::server::Client;

    fn run_clients<F: Family>() {
        run::<F, _>(
            |store| store.serve().expect("a port"),
            |server| Actor::Client(Client::connect(server.addr())),
        );
    }

    pub(super) fn ask(client: &mut Client, words: &str) -> Reply {
        let first = client.ask(words);
        let (kind, rest) = first.split_at_checked(1).expect("a reply");
        let number = rest.parse::<i64>();
        match (kind, number) {
            ("+", _) => Reply::Done,
            (":", Ok(number)) => Reply::Number(number),
            ("$", Ok(-1)) => Reply::Value(None),
            ("$", Ok(_)) => Reply::Value(Some(client.line().parse().expect("all values are numbers"))),
            ("*", Ok(count)) => {
                let each = |_| {
                    client.line();
                    client.line().parse().expect("all values are numbers")
                };
                Reply::Values((0..count).map(each).collect())
            }
            _ => panic!("{words}: {first}"),
        }
    }

    #[test]
    fn strings_and_numbers_of_clients_have_an_order() {
        run_clients::<Text>();
    }

    #[test]
    fn sets_of_clients_have_an_order() {
        run_clients::<Members>();
    }

    #[test]
    fn lists_of_clients_have_an_order() {
        run_clients::<Elements>();
    }
}

/// A string that is a number, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Text(Option<i64>);

#[derive(Debug, Clone)]
enum OfText {
    Get,
    Insert(i64),
    InsertIfAbsent(i64),
    Swap(i64),
    Incr(i64),
    Take,
    Remove,
}

impl Object for Text {
    type What = OfText;
    type Gave = Reply;

    fn step(&mut self, what: &OfText, gave: &Reply) -> bool {
        let now = self.0;
        let (next, gives) = match what {
            OfText::Get => (now, Reply::Value(now)),
            OfText::Insert(value) => (Some(*value), Reply::Done),
            OfText::InsertIfAbsent(value) => (now.or(Some(*value)), Reply::Number(now.is_none().into())),
            OfText::Swap(value) => (Some(*value), Reply::Value(now)),
            OfText::Incr(by) => (Some(now.unwrap_or(0) + by), Reply::Number(now.unwrap_or(0) + by)),
            OfText::Take => (None, Reply::Value(now)),
            OfText::Remove => (None, Reply::Number(now.is_some().into())),
        };
        self.0 = next;
        gives == *gave
    }
}

impl Family for Text {
    fn draw(chance: &mut Chance) -> OfText {
        let value = chance.below(50) as i64;
        match chance.below(9) {
            0 | 1 => OfText::Get,
            2 => OfText::Insert(value),
            3 => OfText::InsertIfAbsent(value),
            4 => OfText::Swap(value),
            5 | 6 => OfText::Incr(value),
            7 => OfText::Take,
            _ => OfText::Remove,
        }
    }

    fn run(store: &Store, key: &str, what: &OfText) -> Reply {
        match *what {
            OfText::Get => store.get(key).map(Reply::Value),
            OfText::Insert(value) => store.insert(key, value).map(|()| Reply::Done),
            OfText::InsertIfAbsent(value) => store.insert_if_absent(key, value).map(flag),
            OfText::Swap(value) => store.swap(key, value).map(Reply::Value),
            OfText::Incr(by) => store.counter(key).incr_by(by).map(Reply::Number),
            OfText::Take => store.get_and_remove(key).map(Reply::Value),
            OfText::Remove => store.remove(key).map(flag),
        }
        .expect("all values are numbers")
    }

    #[cfg(feature = "server")]
    fn words(key: &str, what: &OfText) -> String {
        match what {
            OfText::Get => format!("GET {key}"),
            OfText::Insert(value) => format!("SET {key} {value}"),
            OfText::InsertIfAbsent(value) => format!("SETNX {key} {value}"),
            OfText::Swap(value) => format!("GETSET {key} {value}"),
            OfText::Incr(by) => format!("INCRBY {key} {by}"),
            OfText::Take => format!("GETDEL {key}"),
            OfText::Remove => format!("DEL {key}"),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Members(BTreeSet<i64>);

#[derive(Debug, Clone)]
enum OfMembers {
    Insert(i64),
    Remove(i64),
    Contains(i64),
    Pop,
    Len,
    All,
}

impl Object for Members {
    type What = OfMembers;
    type Gave = Reply;

    fn step(&mut self, what: &OfMembers, gave: &Reply) -> bool {
        let Members(set) = self;
        match (what, gave) {
            (OfMembers::Insert(member), gave) => flag(set.insert(*member)) == *gave,
            (OfMembers::Remove(member), gave) => flag(set.remove(member)) == *gave,
            (OfMembers::Contains(member), gave) => flag(set.contains(member)) == *gave,
            // Any of them.
            (OfMembers::Pop, Reply::Value(Some(member))) => set.remove(member),
            (OfMembers::Pop, gave) => set.is_empty() && *gave == Reply::Value(None),
            (OfMembers::Len, gave) => Reply::Number(set.len() as i64) == *gave,
            // In any order, each once.
            (OfMembers::All, Reply::Values(all)) => {
                all.len() == set.len() && all.iter().copied().collect::<BTreeSet<_>>() == *set
            }
            (OfMembers::All, _) => false,
        }
    }
}

impl Family for Members {
    fn draw(chance: &mut Chance) -> OfMembers {
        let member = chance.below(5) as i64;
        match chance.below(10) {
            0..=2 => OfMembers::Insert(member),
            3 | 4 => OfMembers::Remove(member),
            5 => OfMembers::Contains(member),
            6 | 7 => OfMembers::Pop,
            8 => OfMembers::Len,
            _ => OfMembers::All,
        }
    }

    fn run(store: &Store, key: &str, what: &OfMembers) -> Reply {
        let set = store.set::<i64>(key);
        match *what {
            OfMembers::Insert(member) => set.insert(member).map(flag),
            OfMembers::Remove(member) => set.remove(member).map(flag),
            OfMembers::Contains(member) => set.contains(member).map(flag),
            OfMembers::Pop => set.pop().map(Reply::Value),
            OfMembers::Len => set.len().map(|count| Reply::Number(count as i64)),
            OfMembers::All => set.members().map(Reply::Values),
        }
        .expect("it is a set")
    }

    #[cfg(feature = "server")]
    fn words(key: &str, what: &OfMembers) -> String {
        match what {
            OfMembers::Insert(member) => format!("SADD {key} {member}"),
            OfMembers::Remove(member) => format!("SREM {key} {member}"),
            OfMembers::Contains(member) => format!("SISMEMBER {key} {member}"),
            OfMembers::Pop => format!("SPOP {key}"),
            OfMembers::Len => format!("SCARD {key}"),
            OfMembers::All => format!("SMEMBERS {key}"),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
struct Elements(VecDeque<i64>);

#[derive(Debug, Clone)]
enum OfElements {
    PushFront(i64),
    PushBack(i64),
    PopFront,
    PopBack,
    Len,
    All,
    /// From the one end to the other.
    Turn,
}

impl Object for Elements {
    type What = OfElements;
    type Gave = Reply;

    fn step(&mut self, what: &OfElements, gave: &Reply) -> bool {
        let Elements(list) = self;
        let gives = match what {
            OfElements::PushFront(element) => {
                list.push_front(*element);
                Reply::Number(list.len() as i64)
            }
            OfElements::PushBack(element) => {
                list.push_back(*element);
                Reply::Number(list.len() as i64)
            }
            OfElements::PopFront => Reply::Value(list.pop_front()),
            OfElements::PopBack => Reply::Value(list.pop_back()),
            OfElements::Len => Reply::Number(list.len() as i64),
            OfElements::All => Reply::Values(list.iter().copied().collect()),
            OfElements::Turn => {
                let turned = list.pop_front();
                list.extend(turned);
                Reply::Value(turned)
            }
        };
        gives == *gave
    }
}

impl Family for Elements {
    fn draw(chance: &mut Chance) -> OfElements {
        let element = chance.below(1_000) as i64;
        match chance.below(12) {
            0..=2 => OfElements::PushFront(element),
            3..=5 => OfElements::PushBack(element),
            6 | 7 => OfElements::PopFront,
            8 => OfElements::PopBack,
            9 => OfElements::Len,
            10 => OfElements::Turn,
            _ => OfElements::All,
        }
    }

    fn run(store: &Store, key: &str, what: &OfElements) -> Reply {
        let list = store.list::<i64>(key);
        let number = |count: usize| Reply::Number(count as i64);
        match *what {
            OfElements::PushFront(element) => list.push_front(element).map(number),
            OfElements::PushBack(element) => list.push_back(element).map(number),
            OfElements::PopFront => list.pop_front().map(Reply::Value),
            OfElements::PopBack => list.pop_back().map(Reply::Value),
            OfElements::Len => list.len().map(number),
            OfElements::All => list.to_vec().map(Reply::Values),
            OfElements::Turn => list.move_to(key, End::Front, End::Back).map(Reply::Value),
        }
        .expect("it is a list")
    }

    #[cfg(feature = "server")]
    fn words(key: &str, what: &OfElements) -> String {
        match what {
            OfElements::PushFront(element) => format!("LPUSH {key} {element}"),
            OfElements::PushBack(element) => format!("RPUSH {key} {element}"),
            OfElements::PopFront => format!("LPOP {key}"),
            OfElements::PopBack => format!("RPOP {key}"),
            OfElements::Len => format!("LLEN {key}"),
            OfElements::All => format!("LRANGE {key} 0 -1"),
            OfElements::Turn => format!("LMOVE {key} {key} LEFT RIGHT"),
        }
    }
}

/// As a client is told it.
fn flag(is_so: bool) -> Reply {
    Reply::Number(is_so.into())
}
