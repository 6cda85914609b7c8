//! Tests of the list operations.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::time::Duration;

use larder::{Database, End, Error, ListIter, PositionOptions, Store, Ttl};
use proptest::prelude::*;

use crate::support::manual_store;

/// The last one holds a string.
const KEYS: [&str; 4] = ["a", "b", "c", "text"];
const TEXT: usize = 3;

#[derive(Clone, Debug)]
enum Op {
    Push(usize, End, u8),
    PushIfExists(usize, End, u8),
    Extend(usize, End, Vec<u8>),
    Pop(usize, End),
    PopMany(usize, End, usize),
    PopOf(Vec<usize>, End, usize),
    Move(usize, usize, End, End),
    Len(usize),
    Ends(usize),
    Get(usize, i64),
    Set(usize, i64, u8),
    Range(usize, i64, i64),
    Insert(usize, Side, u8, u8),
    Remove(usize, Option<End>, u8, usize),
    Trim(usize, i64, i64),
    Position(usize, u8),
    Positions(usize, u8, i64, usize, usize),
    Expire(usize, u64),
}

#[derive(Clone, Copy, Debug)]
enum Side {
    Before,
    After,
}

fn op() -> impl Strategy<Value = Op> {
    let key = || prop_oneof![20 => 0..TEXT, 1 => Just(TEXT)];
    let end = || prop_oneof![Just(End::Front), Just(End::Back)];
    let side = prop_oneof![Just(Side::Before), Just(Side::After)];
    let element = || 0u8..4;
    let index = || prop_oneof![20 => -9i64..9, 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let count = || prop_oneof![20 => 0usize..5, 1 => Just(usize::MAX)];
    prop_oneof![
        3 => (key(), end(), element()).prop_map(|(key, end, new)| Op::Push(key, end, new)),
        1 => (key(), end(), element()).prop_map(|(key, end, new)| Op::PushIfExists(key, end, new)),
        4 => (key(), end(), prop::collection::vec(element(), 0..5))
            .prop_map(|(key, end, new)| Op::Extend(key, end, new)),
        2 => (key(), end()).prop_map(|(key, end)| Op::Pop(key, end)),
        1 => (key(), end(), count()).prop_map(|(key, end, count)| Op::PopMany(key, end, count)),
        1 => (prop::collection::vec(key(), 0..4), end(), count())
            .prop_map(|(keys, end, count)| Op::PopOf(keys, end, count)),
        2 => (key(), key(), end(), end()).prop_map(|(key, to, from, into)| Op::Move(key, to, from, into)),
        1 => key().prop_map(Op::Len),
        1 => key().prop_map(Op::Ends),
        1 => (key(), index()).prop_map(|(key, at)| Op::Get(key, at)),
        1 => (key(), index(), element()).prop_map(|(key, at, new)| Op::Set(key, at, new)),
        1 => (key(), index(), index()).prop_map(|(key, start, stop)| Op::Range(key, start, stop)),
        2 => (key(), side, element(), element()).prop_map(|(key, side, at, new)| Op::Insert(key, side, at, new)),
        2 => (key(), prop::option::of(end()), element(), count())
            .prop_map(|(key, from, value, count)| Op::Remove(key, from, value, count)),
        1 => (key(), index(), index()).prop_map(|(key, start, stop)| Op::Trim(key, start, stop)),
        1 => (key(), element()).prop_map(|(key, value)| Op::Position(key, value)),
        1 => (key(), element(), -3i64..4, count(), count())
            .prop_map(|(key, value, rank, count, len)| Op::Positions(key, value, rank, count, len)),
        1 => (key(), 0u64..40).prop_map(|(key, ttl)| Op::Expire(key, ttl)),
    ]
}

/// What an operation gave, as text, so that results of all types compare alike.
fn shown<R: Debug>(result: Result<R, impl ToString>) -> String {
    format!("{:?}", result.map_err(|error| error.to_string()))
}

fn apply(db: &Database, op: &Op) -> String {
    let list = |key: &usize| db.list::<u8>(KEYS[*key]);
    let front = |end: &End| *end == End::Front;
    match op {
        Op::Push(key, end, new) if front(end) => shown(list(key).push_front(new)),
        Op::Push(key, _, new) => shown(list(key).push_back(new)),
        Op::PushIfExists(key, end, new) if front(end) => shown(list(key).push_front_if_present(new)),
        Op::PushIfExists(key, _, new) => shown(list(key).push_back_if_present(new)),
        Op::Extend(key, end, new) if front(end) => shown(list(key).extend_front(new)),
        Op::Extend(key, _, new) => shown(list(key).extend_back(new)),
        Op::Pop(key, end) if front(end) => shown(list(key).pop_front()),
        Op::Pop(key, _) => shown(list(key).pop_back()),
        Op::PopMany(key, end, count) if front(end) => shown(list(key).pop_front_many(*count)),
        Op::PopMany(key, _, count) => shown(list(key).pop_back_many(*count)),
        Op::PopOf(keys, end, count) => {
            let names = keys.iter().map(|key| KEYS[*key]);
            shown(match end {
                End::Front => db.pop_front_of::<u8>(names, *count),
                End::Back => db.pop_back_of::<u8>(names, *count),
            })
        }
        Op::Move(key, to, from, into) => shown(list(key).move_to(KEYS[*to], *from, *into)),
        Op::Len(key) => shown(list(key).len().and_then(|len| Ok((len, list(key).is_empty()?)))),
        Op::Ends(key) => shown(list(key).front().and_then(|front| Ok((front, list(key).back()?)))),
        Op::Get(key, at) => shown(list(key).get(*at)),
        Op::Set(key, at, new) => shown(list(key).set(*at, new)),
        Op::Range(key, start, stop) => shown(list(key).range(*start, *stop)),
        Op::Insert(key, Side::Before, at, new) => shown(list(key).insert_before(at, new)),
        Op::Insert(key, Side::After, at, new) => shown(list(key).insert_after(at, new)),
        Op::Remove(key, None, value, _) => shown(list(key).remove_all(value)),
        Op::Remove(key, Some(from), value, count) if front(from) => {
            shown(list(key).remove_first(value, *count))
        }
        Op::Remove(key, _, value, count) => shown(list(key).remove_last(value, *count)),
        Op::Trim(key, start, stop) => shown(list(key).trim(*start, *stop)),
        Op::Position(key, value) => shown(list(key).position(value)),
        Op::Positions(key, value, rank, count, len) => {
            let options = PositionOptions::new().rank(*rank).count(*count).max_len(*len);
            shown(list(key).positions(value, options))
        }
        Op::Expire(key, ttl) => shown(db.expire(KEYS[*key], Duration::from_millis(*ttl))),
    }
}

/// Lists as plain deques.
#[derive(Clone, Debug, Default)]
struct Model {
    lists: BTreeMap<usize, VecDeque<u8>>,
    deadlines: BTreeMap<usize, u64>,
    now: u64,
}

type Fails<R> = Result<R, String>;

impl Model {
    fn list(&mut self, key: usize) -> Fails<Option<&mut VecDeque<u8>>> {
        if key == TEXT { Err(Error::WrongType.to_string()) } else { Ok(self.lists.get_mut(&key)) }
    }

    fn elements(&mut self, key: usize) -> Fails<Vec<u8>> {
        Ok(self.list(key)?.map(|list| list.iter().copied().collect()).unwrap_or_default())
    }

    fn advance(&mut self, by: u64) {
        self.now += by;
        self.settle();
    }

    fn settle(&mut self) {
        let Model { lists, deadlines, now } = self;
        lists.retain(|key, list| !list.is_empty() && deadlines.get(key).is_none_or(|at| *at > *now));
        deadlines.retain(|key, _| lists.contains_key(key));
    }

    fn apply(&mut self, op: &Op) -> String {
        let result = self.result(op);
        self.settle();
        result
    }

    fn result(&mut self, op: &Op) -> String {
        match op.clone() {
            Op::Push(key, end, new) => shown(self.push(key, end, &[new])),
            Op::PushIfExists(key, end, new) => shown(
                self.list(key)
                    .map(|list| list.is_some())
                    .and_then(|there| there.then(|| self.push(key, end, &[new])).transpose()),
            ),
            Op::Extend(key, end, new) => shown(self.push(key, end, &new)),
            Op::Pop(key, end) => shown(self.pop(key, end, 1).map(|popped| popped.first().copied())),
            Op::PopMany(key, end, count) => shown(self.pop(key, end, count)),
            Op::PopOf(keys, end, count) => shown(self.pop_of(&keys, end, count)),
            Op::Move(key, to, from, into) => shown(self.move_to(key, to, from, into)),
            Op::Len(key) => shown(self.elements(key).map(|list| (list.len(), list.is_empty()))),
            Op::Ends(key) => {
                shown(self.elements(key).map(|list| (list.first().copied(), list.last().copied())))
            }
            Op::Get(key, at) => shown(self.elements(key).map(|list| Some(list[position(at, list.len())?]))),
            Op::Set(key, at, new) => shown(self.set(key, at, new)),
            Op::Range(key, start, stop) => {
                shown(self.elements(key).map(|list| list[between(start, stop, list.len())].to_vec()))
            }
            Op::Insert(key, side, at, new) => shown(self.list(key).map(|list| {
                let list = list?;
                let at = list.iter().position(|element| *element == at)?;
                list.insert(if matches!(side, Side::Before) { at } else { at + 1 }, new);
                Some(list.len())
            })),
            Op::Remove(key, from, value, count) => shown(self.remove(key, from, value, count)),
            Op::Trim(key, start, stop) => shown(self.list(key).map(|list| {
                if let Some(list) = list {
                    *list = list.range(between(start, stop, list.len())).copied().collect();
                }
            })),
            Op::Position(key, value) => {
                shown(self.elements(key).map(|list| list.iter().position(|element| *element == value)))
            }
            Op::Positions(key, value, rank, count, len) => {
                shown(self.positions(key, value, rank, count, len))
            }
            Op::Expire(TEXT, _) => shown(Ok::<_, Error>(true)),
            Op::Expire(key, ttl) => {
                let there = self.lists.contains_key(&key);
                self.deadlines.insert(key, self.now + ttl);
                shown(Ok::<_, Error>(there))
            }
        }
    }

    fn push(&mut self, key: usize, end: End, new: &[u8]) -> Fails<usize> {
        self.list(key)?;
        let list = self.lists.entry(key).or_default();
        for element in new {
            match end {
                End::Front => list.push_front(*element),
                End::Back => list.push_back(*element),
            }
        }
        Ok(list.len())
    }

    fn pop(&mut self, key: usize, end: End, count: usize) -> Fails<Vec<u8>> {
        let Some(list) = self.list(key)? else { return Ok(Vec::new()) };
        let mut pop = || if end == End::Front { list.pop_front() } else { list.pop_back() };
        Ok((0..count).map_while(|_| pop()).collect())
    }

    fn pop_of(&mut self, keys: &[usize], end: End, count: usize) -> Fails<Option<(larder::Bytes, Vec<u8>)>> {
        if count == 0 {
            return Err("ERR count should be greater than 0".to_owned());
        }
        for key in keys {
            let popped = self.pop(*key, end, count)?;
            if !popped.is_empty() {
                return Ok(Some((KEYS[*key].into(), popped)));
            }
        }
        Ok(None)
    }

    fn move_to(&mut self, key: usize, to: usize, from: End, into: End) -> Fails<Option<u8>> {
        if self.list(key)?.is_none() {
            return Ok(None);
        }
        self.list(to)?;
        let popped = self.pop(key, from, 1)?;
        self.push(to, into, &popped)?;
        Ok(popped.first().copied())
    }

    fn set(&mut self, key: usize, at: i64, new: u8) -> Fails<()> {
        let list = self.list(key)?.ok_or("ERR no such key")?;
        let at = position(at, list.len()).ok_or("ERR index out of range")?;
        list[at] = new;
        Ok(())
    }

    fn remove(&mut self, key: usize, from: Option<End>, value: u8, count: usize) -> Fails<usize> {
        let count = if from.is_none() { usize::MAX } else { count };
        let Some(list) = self.list(key)? else { return Ok(0) };
        let mut removed = 0;
        while removed < count {
            let at = match from {
                Some(End::Back) => list.iter().rposition(|element| *element == value),
                _ => list.iter().position(|element| *element == value),
            };
            let Some(at) = at else { break };
            list.remove(at);
            removed += 1;
        }
        Ok(removed)
    }

    fn positions(&mut self, key: usize, value: u8, rank: i64, count: usize, len: usize) -> Fails<Vec<usize>> {
        if rank == 0 {
            return Err(
                "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
                        or use negative to start from the end of the list"
                    .to_owned(),
            );
        }
        let mut all: Vec<(usize, u8)> = self.elements(key)?.into_iter().enumerate().collect();
        if rank < 0 {
            all.reverse();
        }
        all.truncate(len);
        all.retain(|(_, element)| *element == value);
        let skipped = all.into_iter().skip(rank.unsigned_abs() as usize - 1);
        Ok(skipped.take(count).map(|(at, _)| at).collect())
    }
}

fn position(at: i64, len: usize) -> Option<usize> {
    let at = i128::from(at) + if at < 0 { len as i128 } else { 0 };
    (0..len as i128).contains(&at).then_some(at as usize)
}

fn between(start: i64, stop: i64, len: usize) -> std::ops::Range<usize> {
    let place = |at: i64| i128::from(at) + if at < 0 { len as i128 } else { 0 };
    let (start, stop) = (place(start).max(0), place(stop).min(len as i128 - 1));
    if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
}

fn check_contents(store: &Store, model: &mut Model) {
    for (key, name) in KEYS.iter().enumerate().take(TEXT) {
        let list = store.list::<u8>(*name);
        let elements = model.elements(key).unwrap();
        assert_eq!(list.to_vec().unwrap(), elements);
        let ttl = match (elements.is_empty(), model.deadlines.get(&key)) {
            (true, _) => Ttl::Missing,
            (false, None) => Ttl::Forever,
            (false, Some(at)) => Ttl::Left(Duration::from_millis(at - model.now)),
        };
        assert_eq!(store.ttl(*name).unwrap(), ttl);
    }
}

/// Reads what is left alternately from both ends.
fn from_both_ends(mut iter: ListIter<u8>) -> Vec<u8> {
    let (mut front, mut back) = (Vec::new(), Vec::new());
    let len = iter.len();
    while let Some(element) = iter.next() {
        front.push(element.unwrap());
        back.extend(iter.next_back().map(Result::unwrap));
    }
    assert_eq!((iter.len(), front.len() + back.len()), (0, len));
    back.reverse();
    [front, back].concat()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn lists_do_what_deques_do(ops in prop::collection::vec((op(), 0u64..8), 1..80)) {
        let (clock, store) = manual_store();
        store.insert(KEYS[TEXT], "text").unwrap();
        let mut model = Model::default();
        let mut iters = Vec::new();
        for (step, (op, ms)) in ops.iter().enumerate() {
            let op = if matches!(op, Op::Expire(TEXT, _)) { &Op::Len(TEXT) } else { op };
            prop_assert_eq!(apply(&store, op), model.apply(op), "{:?}", op);
            if step % 16 == 0 {
                let key = step / 16 % TEXT;
                iters.push((store.list::<u8>(KEYS[key]).iter().unwrap(), model.elements(key).unwrap()));
            }
            clock.advance(Duration::from_millis(*ms));
            model.advance(*ms);
        }
        check_contents(&store, &mut model);
        for (iter, elements) in iters {
            prop_assert_eq!(iter.clone().collect::<Result<Vec<_>, _>>().unwrap(), elements.clone());
            prop_assert_eq!(from_both_ends(iter), elements);
        }
    }

    #[test]
    fn a_failed_transaction_leaves_lists_as_they_were(
        before in prop::collection::vec(op(), 1..30),
        within in prop::collection::vec(op(), 1..30),
    ) {
        let (_clock, store) = manual_store();
        store.insert(KEYS[TEXT], "text").unwrap();
        let mut model = Model::default();
        for op in before.iter().filter(|op| !matches!(op, Op::Expire(..))) {
            prop_assert_eq!(apply(&store, op), model.apply(op));
        }
        let mut inside = model.clone();
        let failed: Result<(), Error> = store.transaction(KEYS, |tx| {
            for op in within.iter().filter(|op| !matches!(op, Op::Expire(..))) {
                assert_eq!(apply(tx, op), inside.apply(op));
            }
            Err(Error::Invalid("enough"))
        });
        prop_assert!(failed.is_err());
        check_contents(&store, &mut model);
    }
}

#[test]
fn one_element_that_does_not_decode_comes_back_in_the_error() {
    let (_clock, store) = manual_store();
    store.list::<String>("a").extend_back(["1", "x"]).unwrap();
    let numbers = store.list::<u8>("a");
    match numbers.pop_back() {
        Err(Error::Decode(error)) => assert_eq!(error.bytes, "x"),
        other => panic!("{other:?}"),
    }
    assert_eq!(numbers.to_vec().unwrap(), [1]);
}

#[test]
fn many_elements_are_put_back_if_one_does_not_decode() {
    let (_clock, store) = manual_store();
    let words = store.list::<String>("a");
    words.extend_back(["1", "x", "3"]).unwrap();
    store.expire("a", Duration::from_millis(50)).unwrap();
    let numbers = store.list::<u8>("a");
    for count in [2, 3, usize::MAX] {
        assert!(matches!(numbers.pop_front_many(count), Err(Error::Decode(_))));
        assert!(matches!(numbers.pop_back_many(count), Err(Error::Decode(_))));
        assert!(matches!(store.pop_front_of::<u8>(["b", "a"], count), Err(Error::Decode(_))));
        assert!(matches!(store.pop_back_of::<u8>(["b", "a"], count), Err(Error::Decode(_))));
        assert_eq!(words.to_vec().unwrap(), ["1", "x", "3"]);
        assert_eq!(store.ttl("a").unwrap(), Ttl::Left(Duration::from_millis(50)));
    }
}

#[test]
fn an_iterator_gives_an_error_for_an_element_and_goes_on() {
    let (_clock, store) = manual_store();
    store.list::<String>("a").extend_back(["1", "x", "3"]).unwrap();
    let items: Vec<Option<u8>> = store.list::<u8>("a").iter().unwrap().map(Result::ok).collect();
    assert_eq!(items, [Some(1), None, Some(3)]);
}

#[test]
fn a_missing_source_is_no_matter_of_the_destination() {
    let (_clock, store) = manual_store();
    store.insert("text", "text").unwrap();
    let list = store.list::<u8>("a");
    assert_eq!(list.move_to("text", End::Front, End::Back).unwrap(), None);
    list.push_back(1).unwrap();
    assert!(matches!(list.move_to("text", End::Front, End::Back), Err(Error::WrongType)));
    assert_eq!(list.to_vec().unwrap(), [1]);
}

#[test]
fn nothing_changes_where_an_element_or_a_key_is_too_long() {
    let store = Store::builder().value_limit(4).build();
    let list = store.list::<String>("a");
    assert!(matches!(list.extend_back(["ok", "hello"]), Err(Error::TooLong)));
    assert_eq!(list.push_back("four").unwrap(), 1);
    assert!(matches!(list.move_to("long key", End::Front, End::Back), Err(Error::TooLong)));
    assert_eq!(list.position("longer than any").unwrap(), None);
    assert_eq!(list.to_vec().unwrap(), ["four"]);
}

#[test]
fn long_lists_keep_their_order() {
    let (_clock, store) = manual_store();
    let list = store.list::<u32>("a");
    let numbers: Vec<u32> = (0..1000).collect();
    list.extend_back(&numbers).unwrap();
    assert_eq!(list.range(500, 509).unwrap(), numbers[500..510]);
    assert_eq!(list.iter().unwrap().rev().map(Result::unwrap).take(3).collect::<Vec<_>>(), [999, 998, 997]);
    for _ in 0..300 {
        list.move_to("a", End::Front, End::Back).unwrap();
    }
    assert_eq!(list.get(0).unwrap(), Some(300));
    assert_eq!(list.position(299).unwrap(), Some(999));
    list.trim(-10, -1).unwrap();
    assert_eq!(list.to_vec().unwrap(), numbers[290..300]);
}
