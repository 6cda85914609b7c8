//! What any family may meet with: keys that go, expire, or hold another type.

use larder::{Bytes, Store};

use super::chance::{Chance, Key};
use super::client::Cmd;
use super::options::ms;
use super::outcome::{Outcome, Shape, time};
use super::{Operation, wire};

#[derive(Clone, Debug)]
pub enum Common {
    Remove(Key),
    Set(Key, Vec<u8>),
    Push(Key, Vec<u8>),
    Add(Key, Vec<Vec<u8>>),
    SetField(Key, Vec<u8>, Vec<u8>),
    AddScore(Key, Vec<u8>, i32),
    Expire(Key, u64),
    Ttl(Key),
}

impl Common {
    pub fn any(chance: &mut Chance) -> Self {
        let key = chance.key();
        match chance.below(10) {
            0 => Common::Set(key, chance.value()),
            1 => Common::Push(key, chance.member()),
            2 => Common::Add(key, chance.members()),
            3 => Common::SetField(key, chance.member(), chance.value()),
            4 => Common::AddScore(key, chance.member(), chance.below(9) as i32 - 4),
            5 | 6 => Common::Expire(key, chance.ttl()),
            7 => Common::Ttl(key),
            _ => Common::Remove(key),
        }
    }
}

impl Operation for Common {
    fn typed(&self, store: &Store) -> Outcome {
        match self {
            Common::Remove(key) => store.remove(*key).into(),
            Common::Set(key, value) => store.insert(*key, value).into(),
            Common::Push(key, element) => store.list::<Vec<u8>>(*key).push_back(element).into(),
            Common::Add(key, members) => store.set::<Vec<u8>>(*key).insert_many(members).into(),
            Common::SetField(key, field, value) => {
                store.hash::<Vec<u8>, Vec<u8>>(*key).insert(field, value).into()
            }
            Common::AddScore(key, member, score) => {
                store.sorted_set::<Bytes>(*key).insert(Bytes::from(&member[..]), f64::from(*score)).into()
            }
            Common::Expire(key, ttl) => store.expire(*key, ms(*ttl)).into(),
            Common::Ttl(key) => store.ttl(*key).map(time).into(),
        }
    }

    fn wire(&self) -> Cmd {
        match self {
            Common::Remove(key) => wire!("DEL", *key),
            Common::Set(key, value) => wire!("SET", *key, value),
            Common::Push(key, element) => wire!("RPUSH", *key, element),
            Common::Add(key, members) => wire!("SADD", *key, members),
            Common::SetField(key, field, value) => wire!("HSET", *key, field, value),
            Common::AddScore(key, member, score) => wire!("ZADD", *key, score, member),
            Common::Expire(key, ttl) => wire!("PEXPIRE", *key, ttl),
            Common::Ttl(key) => wire!("PTTL", *key),
        }
    }

    fn shape(&self) -> Shape {
        match self {
            Common::Ttl(_) => Shape::Time,
            _ => Shape::Plain,
        }
    }
}
