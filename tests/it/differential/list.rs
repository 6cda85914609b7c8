//! Lists.

use larder::{Bytes, End, List, PositionOptions, Store};

use super::chance::{Chance, Key};
use super::client::Cmd;
use super::outcome::{Outcome, Shape};
use super::{Operation, wire};

type Element = Vec<u8>;

#[derive(Clone, Debug)]
pub enum Op {
    Push(Key, End, Vec<Element>),
    PushIfExists(Key, End, Element),
    Pop(Key, End),
    PopMany(Key, End, usize),
    PopOf(Vec<Key>, End, usize),
    Move(Key, Key, End, End),
    Len(Key),
    Get(Key, i64),
    Set(Key, i64, Element),
    Range(Key, i64, i64),
    Insert { key: Key, before: bool, pivot: Element, element: Element },
    Remove(Key, i64, Element),
    Trim(Key, i64, i64),
    Position(Key, Element),
    Positions { key: Key, element: Element, rank: i64, count: Option<usize>, max_len: Option<usize> },
}

impl Op {
    pub fn any(chance: &mut Chance) -> Self {
        let key = chance.key();
        let end = |chance: &mut Chance| chance.pick(&[End::Front, End::Back]);
        match chance.below(24) {
            0..=4 => Op::Push(key, end(chance), chance.members()),
            5 => Op::Push(key, end(chance), chance.many(1, 150, Chance::member)),
            6 => Op::PushIfExists(key, end(chance), chance.member()),
            7 => Op::Pop(key, end(chance)),
            8 => Op::PopMany(key, end(chance), chance.count()),
            9 => Op::PopOf(chance.keys(), end(chance), chance.count()),
            10 | 11 => Op::Move(key, chance.key(), end(chance), end(chance)),
            12 => Op::Len(key),
            13 | 14 => Op::Get(key, chance.index()),
            15 => Op::Set(key, position(chance), chance.member()),
            16 | 17 => Op::Range(key, chance.index(), chance.index()),
            18 | 19 => {
                let before = chance.flag();
                Op::Insert { key, before, pivot: chance.member(), element: chance.member() }
            }
            20 => Op::Remove(key, chance.pick(&[-200, -2, -1, 0, 1, 2, 200]), chance.member()),
            21 => Op::Trim(key, chance.index(), chance.index()),
            22 => Op::Position(key, chance.member()),
            _ => Op::Positions {
                key,
                element: chance.member(),
                rank: chance.below(9) as i64 - 4,
                count: chance.maybe(|chance| 1 + chance.below(4)),
                max_len: chance.maybe(|chance| 1 + chance.below(40)),
            },
        }
    }
}

/// What can be put in for the position of an element to replace. Of a longer number some servers (8.2 is
/// one) look at the low 32 bits only.
fn position(chance: &mut Chance) -> i64 {
    chance.index().clamp(-i64::from(i32::MAX), i64::from(i32::MAX))
}

fn list<'a>(store: &'a Store, key: &Key) -> List<'a, Element> {
    store.list(*key)
}

fn elements(result: larder::Result<Vec<Bytes>>) -> Outcome {
    result.into()
}

impl Operation for Op {
    fn typed(&self, store: &Store) -> Outcome {
        let bytes = |key: &Key| store.list::<Bytes>(*key);
        match self {
            Op::Push(key, End::Front, added) if added.len() == 1 => {
                list(store, key).push_front(&added[0]).into()
            }
            Op::Push(key, End::Back, added) if added.len() == 1 => {
                list(store, key).push_back(&added[0]).into()
            }
            Op::Push(key, End::Front, added) => list(store, key).extend_front(added).into(),
            Op::Push(key, End::Back, added) => list(store, key).extend_back(added).into(),
            Op::PushIfExists(key, End::Front, added) => list(store, key).push_front_if_present(added).into(),
            Op::PushIfExists(key, End::Back, added) => list(store, key).push_back_if_present(added).into(),
            Op::Pop(key, End::Front) => bytes(key).pop_front().into(),
            Op::Pop(key, End::Back) => bytes(key).pop_back().into(),
            Op::PopMany(key, End::Front, count) => elements(bytes(key).pop_front_many(*count)),
            Op::PopMany(key, End::Back, count) => elements(bytes(key).pop_back_many(*count)),
            Op::PopOf(keys, End::Front, count) => store.pop_front_of::<Bytes>(keys.clone(), *count).into(),
            Op::PopOf(keys, End::Back, count) => store.pop_back_of::<Bytes>(keys.clone(), *count).into(),
            Op::Move(from, to, out, into) => bytes(from).move_to(*to, *out, *into).into(),
            Op::Len(key) => bytes(key).len().into(),
            Op::Get(key, index) => bytes(key).get(*index).into(),
            Op::Set(key, index, element) => list(store, key).set(*index, element).into(),
            Op::Range(key, start, stop) => elements(bytes(key).range(*start, *stop)),
            Op::Insert { key, before: true, pivot, element } => {
                list(store, key).insert_before(pivot, element).into()
            }
            Op::Insert { key, before: false, pivot, element } => {
                list(store, key).insert_after(pivot, element).into()
            }
            Op::Remove(key, 0, element) => list(store, key).remove_all(element).into(),
            Op::Remove(key, count @ 1.., element) => {
                list(store, key).remove_first(element, count.unsigned_abs() as usize).into()
            }
            Op::Remove(key, count, element) => {
                list(store, key).remove_last(element, count.unsigned_abs() as usize).into()
            }
            Op::Trim(key, start, stop) => bytes(key).trim(*start, *stop).into(),
            Op::Position(key, element) => list(store, key).position(element).into(),
            Op::Positions { key, element, rank, count, max_len } => {
                let mut options = PositionOptions::new().rank(*rank);
                if let Some(count) = count {
                    options = options.count(*count);
                }
                if let Some(max_len) = max_len {
                    options = options.max_len(*max_len);
                }
                list(store, key).positions(element, options).into()
            }
        }
    }

    fn wire(&self) -> Cmd {
        let left = |end: &End| matches!(end, End::Front);
        let side = |end: &End| if left(end) { "LEFT" } else { "RIGHT" };
        match self {
            Op::Push(key, end, added) => wire!(if left(end) { "LPUSH" } else { "RPUSH" }, *key, added),
            Op::PushIfExists(key, end, added) => {
                wire!(if left(end) { "LPUSHX" } else { "RPUSHX" }, *key, added)
            }
            Op::Pop(key, end) => wire!(if left(end) { "LPOP" } else { "RPOP" }, *key),
            Op::PopMany(key, end, count) => wire!(if left(end) { "LPOP" } else { "RPOP" }, *key, count),
            Op::PopOf(keys, end, count) => wire!("LMPOP", keys.len(), keys, side(end), "COUNT", count),
            Op::Move(from, to, End::Back, End::Front) => wire!("RPOPLPUSH", *from, *to),
            Op::Move(from, to, out, into) => wire!("LMOVE", *from, *to, side(out), side(into)),
            Op::Len(key) => wire!("LLEN", *key),
            Op::Get(key, index) => wire!("LINDEX", *key, index),
            Op::Set(key, index, element) => wire!("LSET", *key, index, element),
            Op::Range(key, start, stop) => wire!("LRANGE", *key, start, stop),
            Op::Insert { key, before, pivot, element } => {
                wire!("LINSERT", *key, if *before { "BEFORE" } else { "AFTER" }, pivot, element)
            }
            Op::Remove(key, count, element) => wire!("LREM", *key, count, element),
            Op::Trim(key, start, stop) => wire!("LTRIM", *key, start, stop),
            Op::Position(key, element) => wire!("LPOS", *key, element),
            Op::Positions { key, element, rank, count, max_len } => {
                let (count, max_len) = (count.unwrap_or(0), max_len.unwrap_or(0));
                wire!("LPOS", *key, element, "RANK", rank, "COUNT", count, "MAXLEN", max_len)
            }
        }
    }

    fn shape(&self) -> Shape {
        match self {
            Op::PopMany(..) => Shape::Elements,
            // 0 is a missing list, -1 a missing pivot.
            Op::PushIfExists(..) | Op::Insert { .. } => Shape::AtLeast(1),
            _ => Shape::Plain,
        }
    }
}
