//! Strings: values, counters, bytes in place, bits, and what two have in common.

use larder::{BitInt, BitOp, BitUnit, Bytes, InsertOptions, LcsMatches, Overflow, Store};

use super::chance::{Chance, Key};
use super::client::Cmd;
use super::options::{Until, When, at, ms};
use super::outcome::{Outcome, Shape};
use super::{Operation, wire};

type Value = Vec<u8>;
type Version = (u32, u32);

#[derive(Clone, Copy, Debug)]
pub enum Field {
    Get(BitInt, u64),
    Set(BitInt, u64, i64),
    Incr(BitInt, u64, i64),
    Overflow(Overflow),
}

#[derive(Clone, Copy, Debug)]
pub enum First {
    InAll,
    From(i64),
    In(i64, i64, BitUnit),
}

#[derive(Clone, Debug)]
pub enum Op {
    Get(Key),
    GetMany(Vec<Key>),
    Insert(Key, Value),
    InsertEx(Key, Value, u64),
    InsertWith(Key, Value, When, Until),
    Swap(Key, Value),
    SwapWith(Key, Value, When, Until),
    InsertMany(Vec<(Key, Value)>),
    InsertManyIfAbsent(Vec<(Key, Value)>),
    GetAndRemove(Key),
    GetAndExpire(Key, u64),
    GetAndExpireAt(Key, u64),
    GetAndPersist(Key),
    IncrBy(Key, i64),
    DecrBy(Key, i64),
    IncrByFloat(Key, f64),
    Append(Key, Value),
    Len(Key),
    Range(Key, i64, i64),
    SetRange(Key, usize, Value),
    GetBit(Key, u64),
    SetBit(Key, u64, bool),
    CountBits(Key, Option<(i64, i64, BitUnit)>),
    FirstBit(Key, bool, First),
    CombineBits(BitOp, Key, Vec<Key>),
    Fields(Key, Vec<Field>),
    Lcs(Key, Key),
    LcsLen(Key, Key),
    LcsMatches(Key, Key, usize),
}

impl Op {
    pub fn any(chance: &mut Chance, version: Version) -> Self {
        let key = chance.key();
        let pairs = |chance: &mut Chance| chance.many(1, 4, |chance| (chance.key(), chance.value()));
        match chance.below(42) {
            0 => Op::Get(key),
            1 => Op::GetMany(chance.keys()),
            2..=4 => Op::Insert(key, chance.value()),
            5 => Op::InsertEx(key, chance.value(), chance.ttl()),
            6 | 7 => Op::InsertWith(key, chance.value(), When::any(chance), Until::any(chance)),
            8 => Op::Swap(key, chance.value()),
            9 => Op::SwapWith(key, chance.value(), When::any(chance), Until::any(chance)),
            10 => Op::InsertMany(pairs(chance)),
            11 => Op::InsertManyIfAbsent(pairs(chance)),
            12 => Op::GetAndRemove(key),
            13 => Op::GetAndExpire(key, chance.ttl()),
            14 => Op::GetAndExpireAt(key, chance.time()),
            15 => Op::GetAndPersist(key),
            16 | 17 => Op::IncrBy(key, chance.number()),
            18 => Op::DecrBy(key, chance.number()),
            19..=21 => Op::IncrByFloat(key, chance.float()),
            22 => Op::Append(key, chance.value()),
            23 => Op::Len(key),
            24 | 25 => Op::Range(key, chance.index(), chance.index()),
            26 => {
                let offset = chance.pick(&[0, 1, 2, 5, 20, 100, 1 << 29, 1 << 40, i64::MAX as usize]);
                Op::SetRange(key, offset, chance.value())
            }
            27 => Op::GetBit(key, bit(chance)),
            28 | 29 => Op::SetBit(key, bit(chance), chance.flag()),
            30 => Op::CountBits(key, chance.maybe(|chance| (chance.index(), chance.index(), unit(chance)))),
            31 | 32 => {
                let first = match chance.below(3) {
                    0 => First::InAll,
                    1 => First::From(chance.index()),
                    _ => First::In(chance.index(), chance.index(), unit(chance)),
                };
                Op::FirstBit(key, chance.flag(), first)
            }
            33 | 34 => {
                let ops = [
                    BitOp::And,
                    BitOp::Or,
                    BitOp::Xor,
                    BitOp::Not,
                    BitOp::Diff,
                    BitOp::Diff1,
                    BitOp::AndOr,
                    BitOp::One,
                ];
                // The last four came with 8.2.
                let op = chance.pick(if version >= (8, 2) { &ops } else { &ops[..4] });
                let sources = if matches!(op, BitOp::Not) && chance.flag() { 1 } else { 4 };
                Op::CombineBits(op, key, chance.many(1, sources, Chance::key))
            }
            35..=38 => Op::Fields(key, chance.many(1, 4, field)),
            39 => Op::Lcs(key, chance.key()),
            40 => Op::LcsLen(key, chance.key()),
            _ => Op::LcsMatches(key, chance.key(), chance.below(4)),
        }
    }
}

fn unit(chance: &mut Chance) -> BitUnit {
    chance.pick(&[BitUnit::Byte, BitUnit::Bit])
}

/// The offset of a bit: within a short string, or beyond any.
fn bit(chance: &mut Chance) -> u64 {
    if chance.one_in(8) {
        chance.pick(&[1 << 32, 1 << 40, i64::MAX as u64])
    } else {
        chance.below(180) as u64
    }
}

fn field(chance: &mut Chance) -> Field {
    let width = chance.pick(&[1, 2, 3, 5, 7, 8, 9, 15, 16, 31, 32, 33, 62, 63, 64]);
    let int = if chance.flag() { BitInt::signed(width) } else { BitInt::unsigned(width.min(63)) };
    let (int, offset) = (int.unwrap(), bit(chance));
    match chance.below(6) {
        0 | 1 => Field::Get(int, offset),
        2 => Field::Set(int, offset, chance.number()),
        3 | 4 => Field::Incr(int, offset, chance.number()),
        _ => Field::Overflow(chance.pick(&[Overflow::Wrap, Overflow::Sat, Overflow::Fail])),
    }
}

fn options(when: When, until: Until) -> InsertOptions {
    let options = match when {
        When::Always => InsertOptions::new(),
        When::Absent => InsertOptions::new().if_absent(),
        When::Present => InsertOptions::new().if_present(),
    };
    match until {
        Until::Removed => options,
        Until::Kept => options.keep_ttl(),
        Until::In(ttl) => options.expire_in(ms(ttl)),
        Until::At(time) => options.expire_at(at(time)),
    }
}

/// The same as Redis gives it.
fn matches(found: LcsMatches) -> Outcome {
    let list = found.list.into_iter().map(|found| {
        let ends = |range: std::ops::Range<usize>| Outcome::from((range.start, range.end - 1));
        Outcome::List(vec![ends(found.a.clone()), ends(found.b), found.a.len().into()])
    });
    let name = |name: &str| Outcome::Bytes(name.into());
    Outcome::List(vec![name("matches"), Outcome::List(list.collect()), name("len"), found.len.into()])
}

impl Operation for Op {
    fn typed(&self, store: &Store) -> Outcome {
        match self {
            Op::Get(key) => store.get::<Bytes>(*key).into(),
            Op::GetMany(keys) => store.get_many::<Bytes>(keys.clone()).into(),
            Op::Insert(key, value) => store.insert(*key, value).into(),
            Op::InsertEx(key, value, ttl) => store.insert_ex(*key, value, ms(*ttl)).into(),
            Op::InsertWith(key, value, when, until) => {
                store.insert_with(*key, value, options(*when, *until)).into()
            }
            Op::Swap(key, value) => store.swap::<Bytes>(*key, value).into(),
            Op::SwapWith(key, value, when, until) => {
                store.swap_with::<Bytes>(*key, value, options(*when, *until)).into()
            }
            Op::InsertMany(pairs) => store.insert_many(pairs.clone()).into(),
            Op::InsertManyIfAbsent(pairs) => store.insert_many_if_absent(pairs.clone()).into(),
            Op::GetAndRemove(key) => store.get_and_remove::<Bytes>(*key).into(),
            Op::GetAndExpire(key, ttl) => store.get_and_expire::<Bytes>(*key, ms(*ttl)).into(),
            Op::GetAndExpireAt(key, time) => store.get_and_expire_at::<Bytes>(*key, at(*time)).into(),
            Op::GetAndPersist(key) => store.get_and_persist::<Bytes>(*key).into(),
            Op::IncrBy(key, 1) => store.counter(*key).incr().into(),
            Op::IncrBy(key, by) => store.counter(*key).incr_by(*by).into(),
            Op::DecrBy(key, 1) => store.counter(*key).decr().into(),
            Op::DecrBy(key, by) => store.counter(*key).decr_by(*by).into(),
            Op::IncrByFloat(key, by) => store.counter(*key).incr_by_float(*by).into(),
            Op::Append(key, tail) => store.string(*key).append(tail).into(),
            Op::Len(key) => store.string(*key).len().into(),
            Op::Range(key, start, stop) => store.string(*key).range(*start, *stop).into(),
            Op::SetRange(key, offset, bytes) => store.string(*key).set_range(*offset, bytes).into(),
            Op::GetBit(key, offset) => store.bitmap(*key).get(*offset).into(),
            Op::SetBit(key, offset, bit) => store.bitmap(*key).set(*offset, *bit).into(),
            Op::CountBits(key, None) => store.bitmap(*key).count().into(),
            Op::CountBits(key, Some((start, stop, unit))) => {
                store.bitmap(*key).count_in(*start, *stop, *unit).into()
            }
            Op::FirstBit(key, bit, First::InAll) => store.bitmap(*key).first(*bit).into(),
            Op::FirstBit(key, bit, First::From(start)) => store.bitmap(*key).first_from(*bit, *start).into(),
            Op::FirstBit(key, bit, First::In(start, stop, unit)) => {
                store.bitmap(*key).first_in(*bit, *start, *stop, *unit).into()
            }
            Op::CombineBits(op, to, sources) => store.bit_op(*op, *to, sources.clone()).into(),
            Op::Fields(key, steps) => {
                let fields = steps.iter().fold(store.bitmap(*key).fields(), |fields, step| match *step {
                    Field::Get(int, offset) => fields.get(int, offset),
                    Field::Set(int, offset, value) => fields.set(int, offset, value),
                    Field::Incr(int, offset, by) => fields.incr(int, offset, by),
                    Field::Overflow(overflow) => fields.overflow(overflow),
                });
                fields.run().into()
            }
            Op::Lcs(a, b) => store.lcs(*a, *b).into(),
            Op::LcsLen(a, b) => store.lcs_len(*a, *b).into(),
            Op::LcsMatches(a, b, least) => store.lcs_matches(*a, *b, *least).map(matches).into(),
        }
    }

    fn wire(&self) -> Cmd {
        match self {
            Op::Get(key) => wire!("GET", *key),
            Op::GetMany(keys) => wire!("MGET", keys),
            Op::Insert(key, value) => wire!("SET", *key, value),
            Op::InsertEx(key, value, ttl) => wire!("SET", *key, value, "PX", ttl),
            Op::InsertWith(key, value, when, until) => set(key, value, *when, *until),
            Op::Swap(key, value) => wire!("GETSET", *key, value),
            Op::SwapWith(key, value, when, until) => set(key, value, *when, *until).arg("GET").take(),
            Op::InsertMany(pairs) => wire!("MSET", pairs),
            Op::InsertManyIfAbsent(pairs) => wire!("MSETNX", pairs),
            Op::GetAndRemove(key) => wire!("GETDEL", *key),
            Op::GetAndExpire(key, ttl) => wire!("GETEX", *key, "PX", ttl),
            Op::GetAndExpireAt(key, time) => wire!("GETEX", *key, "PXAT", time),
            Op::GetAndPersist(key) => wire!("GETEX", *key, "PERSIST"),
            Op::IncrBy(key, 1) => wire!("INCR", *key),
            Op::IncrBy(key, by) => wire!("INCRBY", *key, by),
            Op::DecrBy(key, 1) => wire!("DECR", *key),
            Op::DecrBy(key, by) => wire!("DECRBY", *key, by),
            Op::IncrByFloat(key, by) => wire!("INCRBYFLOAT", *key, by.to_string()),
            Op::Append(key, tail) => wire!("APPEND", *key, tail),
            Op::Len(key) => wire!("STRLEN", *key),
            Op::Range(key, start, stop) => wire!("GETRANGE", *key, start, stop),
            Op::SetRange(key, offset, bytes) => wire!("SETRANGE", *key, offset, bytes),
            Op::GetBit(key, offset) => wire!("GETBIT", *key, offset),
            Op::SetBit(key, offset, bit) => wire!("SETBIT", *key, offset, i32::from(*bit)),
            Op::CountBits(key, None) => wire!("BITCOUNT", *key),
            Op::CountBits(key, Some((start, stop, unit))) => {
                wire!("BITCOUNT", *key, start, stop, unit_name(*unit))
            }
            Op::FirstBit(key, bit, First::InAll) => wire!("BITPOS", *key, i32::from(*bit)),
            Op::FirstBit(key, bit, First::From(start)) => wire!("BITPOS", *key, i32::from(*bit), start),
            Op::FirstBit(key, bit, First::In(start, stop, unit)) => {
                wire!("BITPOS", *key, i32::from(*bit), start, stop, unit_name(*unit))
            }
            Op::CombineBits(op, to, sources) => wire!("BITOP", format!("{op:?}"), *to, sources),
            Op::Fields(key, steps) => {
                let mut command = wire!("BITFIELD", *key);
                for step in steps {
                    match *step {
                        Field::Get(int, offset) => command.arg("GET").arg(int.to_string()).arg(offset),
                        Field::Set(int, offset, value) => {
                            command.arg("SET").arg(int.to_string()).arg(offset).arg(value)
                        }
                        Field::Incr(int, offset, by) => {
                            command.arg("INCRBY").arg(int.to_string()).arg(offset).arg(by)
                        }
                        Field::Overflow(overflow) => command.arg("OVERFLOW").arg(format!("{overflow:?}")),
                    };
                }
                command
            }
            Op::Lcs(a, b) => wire!("LCS", *a, *b),
            Op::LcsLen(a, b) => wire!("LCS", *a, *b, "LEN"),
            Op::LcsMatches(a, b, least) => wire!("LCS", *a, *b, "IDX", "MINMATCHLEN", least, "WITHMATCHLEN"),
        }
    }

    fn shape(&self) -> Shape {
        match self {
            Op::InsertWith(..) => Shape::Done,
            Op::IncrByFloat(..) => Shape::Float,
            Op::FirstBit(..) => Shape::AtLeast(0),
            _ => Shape::Plain,
        }
    }
}

fn set(key: Key, value: &[u8], when: When, until: Until) -> Cmd {
    let mut command = wire!("SET", key, value);
    when.add_to(&mut command, "NX", "XX");
    until.add_to(&mut command);
    command
}

fn unit_name(unit: BitUnit) -> &'static str {
    match unit {
        BitUnit::Byte => "BYTE",
        BitUnit::Bit => "BIT",
    }
}
