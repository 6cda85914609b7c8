//! Hashes; the deadlines of their fields where the server knows them.

use larder::{Bytes, ExpireIf, FieldExpiry, Hash, HashOptions, Store};

use super::chance::{Chance, Key};
use super::client::Cmd;
use super::contents::{self, FIELD_TTL};
use super::options::{Until, When, any_expire_if, at, expire_if_name, ms};
use super::outcome::{Outcome, Shape, time};
use super::{Operation, Rule, wire};

type Field = Vec<u8>;
type Value = Vec<u8>;

#[derive(Clone, Debug)]
pub enum Op {
    Insert(Key, Vec<(Field, Value)>),
    InsertIfAbsent(Key, Field, Value),
    Get(Key, Field),
    GetMany(Key, Vec<Field>),
    Contains(Key, Field),
    ValueLen(Key, Field),
    Len(Key),
    Remove(Key, Vec<Field>),
    IncrBy(Key, Field, i64),
    IncrByFloat(Key, Field, f64),
    RandomField(Key),
    RandomFields(Key, usize),
    RandomFieldsRepeated(Key, usize),
    RandomEntries(Key, usize),
    RandomEntriesRepeated(Key, usize),
    Keys(Key),
    Values(Key),
    Entries(Key),
    ExpireFields(Key, Vec<Field>, u64, ExpireIf),
    ExpireFieldsAt(Key, Vec<Field>, u64, ExpireIf),
    FieldTtls(Key, Vec<Field>),
    FieldsExpireAt(Key, Vec<Field>),
    PersistFields(Key, Vec<Field>),
    GetAndRemove(Key, Vec<Field>),
    GetAndExpire(Key, Vec<Field>, u64),
    GetAndExpireAt(Key, Vec<Field>, u64),
    GetAndPersist(Key, Vec<Field>),
    InsertWith(Key, Vec<(Field, Value)>, When, Until),
}

impl Op {
    pub fn any(chance: &mut Chance, version: (u32, u32)) -> Self {
        let key = chance.key();
        let pair = |chance: &mut Chance| (chance.member(), chance.value());
        let known = match version {
            (8.., _) => 42,
            version if version >= FIELD_TTL => 32,
            _ => 25,
        };
        match chance.below(known) {
            0..=5 => Op::Insert(key, chance.many(1, 4, pair)),
            6 => {
                let large =
                    |chance: &mut Chance| (chance.below(300).to_string().into_bytes(), chance.value());
                Op::Insert(key, chance.many(100, 200, large))
            }
            7 => Op::InsertIfAbsent(key, chance.member(), chance.value()),
            8 => Op::Get(key, chance.member()),
            9 => Op::GetMany(key, chance.members()),
            10 => Op::Contains(key, chance.member()),
            11 => Op::ValueLen(key, chance.member()),
            12 => Op::Len(key),
            13 | 14 => Op::Remove(key, chance.members()),
            15 => Op::IncrBy(key, chance.member(), chance.number()),
            16 => Op::IncrByFloat(key, chance.member(), chance.float()),
            17 => Op::RandomField(key),
            18 => Op::RandomFields(key, chance.count()),
            19 => Op::RandomFieldsRepeated(key, chance.count()),
            20 => Op::RandomEntries(key, chance.count()),
            21 => Op::RandomEntriesRepeated(key, chance.count()),
            22 => Op::Keys(key),
            23 => Op::Values(key),
            24 => Op::Entries(key),
            25 | 26 => Op::ExpireFields(key, chance.members(), chance.ttl(), any_expire_if(chance)),
            27 | 28 => Op::ExpireFieldsAt(key, chance.members(), chance.time(), any_expire_if(chance)),
            29 => Op::FieldTtls(key, chance.members()),
            30 => Op::FieldsExpireAt(key, chance.members()),
            31 => Op::PersistFields(key, chance.members()),
            32 | 33 => Op::GetAndRemove(key, chance.members()),
            34 | 35 => Op::GetAndExpire(key, chance.members(), chance.ttl()),
            36 => Op::GetAndExpireAt(key, chance.members(), chance.time()),
            37 => Op::GetAndPersist(key, chance.members()),
            _ => {
                let (when, until) = (When::any(chance), Until::any(chance));
                Op::InsertWith(key, chance.many(1, 4, pair), when, until)
            }
        }
    }
}

fn unordered(result: larder::Result<Vec<Bytes>>) -> Outcome {
    Outcome::from(result).shaped(Shape::Unordered)
}

/// The numbers that Redis says for it.
fn codes(result: larder::Result<Vec<FieldExpiry>>) -> Outcome {
    let code = |result| match result {
        FieldExpiry::Missing => -2,
        FieldExpiry::ConditionNotMet => 0,
        FieldExpiry::Set => 1,
        FieldExpiry::Removed => 2,
        other => panic!("not a result of this test: {other:?}"),
    };
    result.map(|results| results.into_iter().map(code).collect::<Vec<i64>>()).into()
}

fn options(when: When, until: Until) -> HashOptions {
    let options = match when {
        When::Always => HashOptions::new(),
        When::Absent => HashOptions::new().if_absent(),
        When::Present => HashOptions::new().if_present(),
    };
    match until {
        Until::Removed => options,
        Until::Kept => options.keep_ttl(),
        Until::In(ttl) => options.expire_in(ms(ttl)),
        Until::At(time) => options.expire_at(at(time)),
    }
}

impl Operation for Op {
    fn typed(&self, store: &Store) -> Outcome {
        let owned = |key: &Key| -> Hash<'_, Field, Value> { store.hash(*key) };
        let bytes = |key: &Key| -> Hash<'_, Field, Bytes> { store.hash(*key) };
        let names = |key: &Key| -> Hash<'_, Bytes, Bytes> { store.hash(*key) };
        match self {
            Op::Insert(key, pairs) if pairs.len() == 1 => owned(key).insert(&pairs[0].0, &pairs[0].1).into(),
            Op::Insert(key, pairs) => {
                owned(key).insert_many(pairs.iter().map(|(field, value)| (field, value))).into()
            }
            Op::InsertIfAbsent(key, field, value) => owned(key).insert_if_absent(field, value).into(),
            Op::Get(key, field) => bytes(key).get(field).into(),
            Op::GetMany(key, fields) => bytes(key).get_many(fields).into(),
            Op::Contains(key, field) => owned(key).contains(field).into(),
            Op::ValueLen(key, field) => owned(key).value_len(field).into(),
            Op::Len(key) => owned(key).len().into(),
            Op::Remove(key, fields) => owned(key).remove_many(fields).into(),
            Op::IncrBy(key, field, by) => owned(key).incr_by(field, *by).into(),
            Op::IncrByFloat(key, field, by) => owned(key).incr_by_float(field, *by).into(),
            Op::RandomField(key) => names(key).random_field().into(),
            Op::RandomFields(key, count) => names(key).random_fields(*count).into(),
            Op::RandomFieldsRepeated(key, count) => names(key).random_fields_repeated(*count).into(),
            Op::RandomEntries(key, count) => names(key).random_many(*count).into(),
            Op::RandomEntriesRepeated(key, count) => names(key).random_repeated(*count).into(),
            Op::Keys(key) => unordered(names(key).keys()),
            Op::Values(key) => unordered(names(key).values()),
            Op::Entries(key) => match names(key).entries() {
                Ok(entries) => Outcome::Map(
                    entries.into_iter().map(|(field, value)| (field.into(), value.into())).collect(),
                ),
                Err(error) => Err::<(), _>(error).into(),
            },
            Op::ExpireFields(key, fields, ttl, condition) => {
                codes(owned(key).expire_fields_if(fields, ms(*ttl), *condition))
            }
            Op::ExpireFieldsAt(key, fields, time, condition) => {
                codes(owned(key).expire_fields_at_if(fields, at(*time), *condition))
            }
            Op::FieldTtls(key, fields) => {
                let ttls = owned(key).field_ttls(fields);
                ttls.map(|ttls| Outcome::List(ttls.into_iter().map(time).collect())).into()
            }
            Op::FieldsExpireAt(key, fields) => {
                let times = owned(key).field_expirations(fields);
                times.map(|times| Outcome::List(times.into_iter().map(contents::time).collect())).into()
            }
            Op::PersistFields(key, fields) => owned(key).persist_fields(fields).into(),
            Op::GetAndRemove(key, fields) => bytes(key).get_and_remove_many(fields).into(),
            Op::GetAndExpire(key, fields, ttl) => bytes(key).get_many_and_expire(fields, ms(*ttl)).into(),
            Op::GetAndExpireAt(key, fields, time) => {
                bytes(key).get_many_and_expire_at(fields, at(*time)).into()
            }
            Op::GetAndPersist(key, fields) => bytes(key).get_many_and_persist(fields).into(),
            Op::InsertWith(key, pairs, when, until) => {
                let pairs = pairs.iter().map(|(field, value)| (field, value));
                owned(key).insert_with(pairs, options(*when, *until)).into()
            }
        }
    }

    fn wire(&self) -> Cmd {
        match self {
            Op::Insert(key, pairs) => wire!("HSET", *key, pairs),
            Op::InsertIfAbsent(key, field, value) => wire!("HSETNX", *key, field, value),
            Op::Get(key, field) => wire!("HGET", *key, field),
            Op::GetMany(key, fields) => wire!("HMGET", *key, fields),
            Op::Contains(key, field) => wire!("HEXISTS", *key, field),
            Op::ValueLen(key, field) => wire!("HSTRLEN", *key, field),
            Op::Len(key) => wire!("HLEN", *key),
            Op::Remove(key, fields) => wire!("HDEL", *key, fields),
            Op::IncrBy(key, field, by) => wire!("HINCRBY", *key, field, by),
            Op::IncrByFloat(key, field, by) => wire!("HINCRBYFLOAT", *key, field, by.to_string()),
            Op::RandomField(key) => wire!("HRANDFIELD", *key),
            Op::RandomFields(key, count) => wire!("HRANDFIELD", *key, count),
            Op::RandomFieldsRepeated(key, count) => wire!("HRANDFIELD", *key, -(*count as i64)),
            Op::RandomEntries(key, count) => wire!("HRANDFIELD", *key, count, "WITHVALUES"),
            Op::RandomEntriesRepeated(key, count) => {
                wire!("HRANDFIELD", *key, -(*count as i64), "WITHVALUES")
            }
            Op::Keys(key) => wire!("HKEYS", *key),
            Op::Values(key) => wire!("HVALS", *key),
            Op::Entries(key) => wire!("HGETALL", *key),
            Op::ExpireFields(key, fields, ttl, condition) => {
                wire!("HPEXPIRE", *key, ttl, expire_if_name(*condition), "FIELDS", fields.len(), fields)
            }
            Op::ExpireFieldsAt(key, fields, time, condition) => {
                wire!("HPEXPIREAT", *key, time, expire_if_name(*condition), "FIELDS", fields.len(), fields)
            }
            Op::FieldTtls(key, fields) => wire!("HPTTL", *key, "FIELDS", fields.len(), fields),
            Op::FieldsExpireAt(key, fields) => wire!("HPEXPIRETIME", *key, "FIELDS", fields.len(), fields),
            Op::PersistFields(key, fields) => wire!("HPERSIST", *key, "FIELDS", fields.len(), fields),
            Op::GetAndRemove(key, fields) => wire!("HGETDEL", *key, "FIELDS", fields.len(), fields),
            Op::GetAndExpire(key, fields, ttl) => {
                wire!("HGETEX", *key, "PX", ttl, "FIELDS", fields.len(), fields)
            }
            Op::GetAndExpireAt(key, fields, time) => {
                wire!("HGETEX", *key, "PXAT", time, "FIELDS", fields.len(), fields)
            }
            Op::GetAndPersist(key, fields) => {
                wire!("HGETEX", *key, "PERSIST", "FIELDS", fields.len(), fields)
            }
            Op::InsertWith(key, pairs, when, until) => {
                let mut command = wire!("HSETEX", *key);
                when.add_to(&mut command, "FNX", "FXX");
                until.add_to(&mut command);
                command.arg("FIELDS").arg(pairs.len()).arg(pairs).take()
            }
        }
    }

    fn shape(&self) -> Shape {
        match self {
            Op::IncrByFloat(..) => Shape::Float,
            Op::RandomFields(..) | Op::RandomFieldsRepeated(..) => Shape::Elements,
            Op::RandomEntries(..) | Op::RandomEntriesRepeated(..) => Shape::Entries,
            Op::Keys(..) | Op::Values(..) => Shape::Unordered,
            Op::Entries(..) => Shape::Fields,
            Op::FieldTtls(..) | Op::FieldsExpireAt(..) => Shape::Time,
            // -2 is a missing field, -1 one without a deadline.
            Op::PersistFields(..) => Shape::Yes,
            _ => Shape::Plain,
        }
    }

    fn rule(&self) -> Rule {
        let names =
            |key: &Key, distinct| Rule::Drawn { from: wire!("HKEYS", *key), shape: Shape::Plain, distinct };
        let entries = |key: &Key, distinct| Rule::Drawn {
            from: wire!("HGETALL", *key),
            shape: Shape::Entries,
            distinct,
        };
        match self {
            Op::RandomField(key) | Op::RandomFields(key, _) => names(key, true),
            Op::RandomFieldsRepeated(key, _) => names(key, false),
            Op::RandomEntries(key, _) => entries(key, true),
            Op::RandomEntriesRepeated(key, _) => entries(key, false),
            _ => Rule::Equal,
        }
    }
}
