//! Sets.

use larder::{Bytes, Set, Store};

use super::chance::{Chance, Key};
use super::client::Cmd;
use super::outcome::{Outcome, Shape};
use super::{Operation, Rule, wire};

type Member = Vec<u8>;

#[derive(Clone, Copy, Debug)]
pub enum Combine {
    Intersection,
    Union,
    Difference,
}

#[derive(Clone, Debug)]
pub enum Op {
    Insert(Key, Vec<Member>),
    Remove(Key, Vec<Member>),
    Contains(Key, Member),
    ContainsMany(Key, Vec<Member>),
    Len(Key),
    Members(Key),
    Pop(Key),
    PopMany(Key, usize),
    Random(Key),
    RandomMany(Key, usize),
    RandomRepeated(Key, usize),
    Move(Key, Key, Member),
    Combine(Combine, Vec<Key>),
    CombineInto(Combine, Key, Vec<Key>),
    IntersectionLen(Vec<Key>, Option<usize>),
}

impl Op {
    pub fn any(chance: &mut Chance) -> Self {
        let key = chance.key();
        let combine =
            |chance: &mut Chance| chance.pick(&[Combine::Intersection, Combine::Union, Combine::Difference]);
        match chance.below(24) {
            0..=5 => Op::Insert(key, chance.members()),
            6 => Op::Insert(key, chance.many(100, 200, |chance| chance.below(300).to_string().into_bytes())),
            7 | 8 => Op::Remove(key, chance.members()),
            9 => Op::Contains(key, chance.member()),
            10 => Op::ContainsMany(key, chance.members()),
            11 => Op::Len(key),
            12 => Op::Members(key),
            13 => Op::Pop(key),
            14 => Op::PopMany(key, chance.count()),
            15 => Op::Random(key),
            16 => Op::RandomMany(key, chance.count()),
            17 => Op::RandomRepeated(key, chance.count()),
            18 | 19 => Op::Move(key, chance.key(), chance.member()),
            20 | 21 => Op::Combine(combine(chance), chance.keys()),
            22 => Op::CombineInto(combine(chance), key, chance.keys()),
            _ => Op::IntersectionLen(chance.keys(), chance.maybe(|chance| 1 + chance.below(4))),
        }
    }
}

fn members(result: larder::Result<Vec<Bytes>>) -> Outcome {
    Outcome::from(result).shaped(Shape::Unordered)
}

impl Operation for Op {
    fn typed(&self, store: &Store) -> Outcome {
        let owned = |key: &Key| -> Set<'_, Member> { store.set(*key) };
        let bytes = |key: &Key| -> Set<'_, Bytes> { store.set(*key) };
        match self {
            Op::Insert(key, added) if added.len() == 1 => owned(key).insert(&added[0]).into(),
            Op::Insert(key, added) => owned(key).insert_many(added).into(),
            Op::Remove(key, removed) if removed.len() == 1 => owned(key).remove(&removed[0]).into(),
            Op::Remove(key, removed) => owned(key).remove_many(removed).into(),
            Op::Contains(key, member) => owned(key).contains(member).into(),
            Op::ContainsMany(key, members) => owned(key).contains_many(members).into(),
            Op::Len(key) => bytes(key).len().into(),
            Op::Members(key) => members(bytes(key).members()),
            Op::Pop(key) => bytes(key).pop().into(),
            Op::PopMany(key, count) => bytes(key).pop_many(*count).into(),
            Op::Random(key) => bytes(key).random().into(),
            Op::RandomMany(key, count) => bytes(key).random_many(*count).into(),
            Op::RandomRepeated(key, count) => bytes(key).random_repeated(*count).into(),
            Op::Move(from, to, member) => owned(from).move_to(*to, member).into(),
            Op::Combine(combine, keys) => {
                let (first, others) = (bytes(&keys[0]), keys[1..].iter().copied());
                members(match combine {
                    Combine::Intersection => first.intersection(others),
                    Combine::Union => first.union(others),
                    Combine::Difference => first.difference(others),
                })
            }
            Op::CombineInto(combine, to, keys) => {
                let (first, others) = (bytes(&keys[0]), keys[1..].iter().copied());
                Outcome::from(match combine {
                    Combine::Intersection => first.intersection_into(*to, others),
                    Combine::Union => first.union_into(*to, others),
                    Combine::Difference => first.difference_into(*to, others),
                })
            }
            Op::IntersectionLen(keys, limit) => {
                bytes(&keys[0]).intersection_len(keys[1..].iter().copied(), *limit).into()
            }
        }
    }

    fn wire(&self) -> Cmd {
        match self {
            Op::Insert(key, added) => wire!("SADD", *key, added),
            Op::Remove(key, removed) => wire!("SREM", *key, removed),
            Op::Contains(key, member) => wire!("SISMEMBER", *key, member),
            Op::ContainsMany(key, members) => wire!("SMISMEMBER", *key, members),
            Op::Len(key) => wire!("SCARD", *key),
            Op::Members(key) => wire!("SMEMBERS", *key),
            Op::Pop(key) => wire!("SPOP", *key),
            Op::PopMany(key, count) => wire!("SPOP", *key, count),
            Op::Random(key) => wire!("SRANDMEMBER", *key),
            Op::RandomMany(key, count) => wire!("SRANDMEMBER", *key, count),
            Op::RandomRepeated(key, count) => wire!("SRANDMEMBER", *key, -(*count as i64)),
            Op::Move(from, to, member) => wire!("SMOVE", *from, *to, member),
            Op::Combine(Combine::Intersection, keys) => wire!("SINTER", keys),
            Op::Combine(Combine::Union, keys) => wire!("SUNION", keys),
            Op::Combine(Combine::Difference, keys) => wire!("SDIFF", keys),
            Op::CombineInto(Combine::Intersection, to, keys) => wire!("SINTERSTORE", *to, keys),
            Op::CombineInto(Combine::Union, to, keys) => wire!("SUNIONSTORE", *to, keys),
            Op::CombineInto(Combine::Difference, to, keys) => wire!("SDIFFSTORE", *to, keys),
            Op::IntersectionLen(keys, limit) => {
                wire!("SINTERCARD", keys.len(), keys, "LIMIT", limit.unwrap_or(0))
            }
        }
    }

    fn shape(&self) -> Shape {
        match self {
            Op::Members(..) | Op::Combine(..) => Shape::Unordered,
            Op::PopMany(..) => Shape::Elements,
            _ => Shape::Plain,
        }
    }

    fn rule(&self) -> Rule {
        let drawn = |key: &Key, distinct| Rule::Drawn {
            from: wire!("SMEMBERS", *key),
            shape: Shape::Plain,
            distinct,
        };
        match self {
            Op::Pop(key) | Op::PopMany(key, _) => Rule::Taken { set: key },
            Op::Random(key) | Op::RandomMany(key, _) => drawn(key, true),
            Op::RandomRepeated(key, _) => drawn(key, false),
            _ => Rule::Equal,
        }
    }
}
