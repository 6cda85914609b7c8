//! Keys of any type, in two databases.

use larder::{Bytes, CopyOptions, ExpireIf, Store, Type};

use super::chance::{Chance, KEYS, Key};
use super::client::Cmd;
use super::options::{any_expire_if, at, expire_if_name, ms};
use super::outcome::{Outcome, Shape, time};
use super::{Operation, Rule, contents, wire};

/// The database that the operations are for, and the one that keys come from and go to.
pub const HOME: u16 = 5;
pub const AWAY: u16 = 6;

type Pattern = Vec<u8>;

#[derive(Clone, Debug)]
pub enum Op {
    Contains(Key),
    ContainsMany(Vec<Key>),
    Touch(Vec<Key>),
    TypeOf(Key),
    RemoveMany(Vec<Key>),
    Rename(Key, Key),
    RenameIfAbsent(Key, Key),
    Copy {
        from: Key,
        to: Key,
        replace: bool,
        db: Option<u16>,
    },
    MoveToDb(Key, u16),
    Expire(Key, u64, ExpireIf),
    ExpireAt(Key, u64, ExpireIf),
    Ttl(Key),
    ExpiresAt(Key),
    Persist(Key),
    Len,
    Keys(Pattern),
    Scan(Option<Pattern>, Option<Type>),
    RandomKey,
    Clear,
    SwapDatabases(u16, u16),
    /// Lists, sets and numbers under many names, so that patterns find something.
    Insert(Vec<u8>),
}

impl Op {
    pub fn any(chance: &mut Chance) -> Self {
        let key = chance.key();
        let database = |chance: &mut Chance| chance.pick(&[HOME, AWAY, AWAY, AWAY, 16, 999]);
        match chance.below(34) {
            0 => Op::Contains(key),
            1 => Op::ContainsMany(chance.keys()),
            2 => Op::Touch(chance.keys()),
            3 => Op::TypeOf(key),
            4 => Op::RemoveMany(chance.keys()),
            5..=7 => Op::Rename(key, chance.key()),
            8 | 9 => Op::RenameIfAbsent(key, chance.key()),
            10..=12 => {
                let db = chance.maybe(database);
                Op::Copy { from: key, to: chance.key(), replace: chance.flag(), db }
            }
            13 | 14 => Op::MoveToDb(key, database(chance)),
            15..=17 => Op::Expire(key, chance.ttl(), any_expire_if(chance)),
            18..=20 => Op::ExpireAt(key, chance.time(), any_expire_if(chance)),
            21 => Op::Ttl(key),
            22 => Op::ExpiresAt(key),
            23 => Op::Persist(key),
            24 => Op::Len,
            25 | 26 => Op::Keys(pattern(chance)),
            27 => {
                let kinds = [Type::String, Type::List, Type::Set, Type::Hash, Type::SortedSet];
                Op::Scan(chance.maybe(pattern), chance.maybe(|chance| chance.pick(&kinds)))
            }
            28 => Op::RandomKey,
            29 if chance.one_in(4) => Op::Clear,
            30 if chance.flag() => Op::SwapDatabases(HOME, AWAY),
            30 => Op::SwapDatabases(database(chance), AWAY),
            _ => Op::Insert(name(chance)),
        }
    }
}

/// A name of few letters, some of which mean something in a pattern.
fn name(chance: &mut Chance) -> Vec<u8> {
    chance.many(1, 4, |chance| chance.pick(b"abc-[]\\^*?\xff"))
}

fn pattern(chance: &mut Chance) -> Pattern {
    if chance.one_in(6) {
        return chance.pick(&KEYS).to_vec();
    }
    chance.many(1, 6, |chance| chance.pick(b"aabbc**??[[]]-^\\\xff"))
}

impl Operation for Op {
    fn typed(&self, store: &Store) -> Outcome {
        match self {
            Op::Contains(key) => store.contains(*key).into(),
            Op::ContainsMany(keys) => {
                let count = |each: Vec<bool>| each.into_iter().filter(|there| *there).count();
                store.contains_many(keys.clone()).map(count).into()
            }
            Op::Touch(keys) => store.touch(keys.clone()).into(),
            Op::TypeOf(key) => {
                let name = |kind: Option<Type>| Bytes::from(kind.map_or("none", Type::as_str));
                store.type_of(*key).map(name).into()
            }
            Op::RemoveMany(keys) => store.remove_many(keys.clone()).into(),
            Op::Rename(from, to) => store.rename(*from, *to).into(),
            Op::RenameIfAbsent(from, to) => store.rename_if_absent(*from, *to).into(),
            Op::Copy { from, to, replace: false, db: None } => store.copy(*from, *to).into(),
            Op::Copy { from, to, replace, db } => {
                let options = if *replace { CopyOptions::new().replace() } else { CopyOptions::new() };
                let options = db.map_or(options, |db| options.to_db(db));
                store.copy_with(*from, *to, options).into()
            }
            Op::MoveToDb(key, db) => store.move_to_db(*key, *db).into(),
            Op::Expire(key, ttl, condition) => store.expire_if(*key, ms(*ttl), *condition).into(),
            Op::ExpireAt(key, time, condition) => store.expire_at_if(*key, at(*time), *condition).into(),
            Op::Ttl(key) => store.ttl(*key).map(time).into(),
            Op::ExpiresAt(key) => store.expires_at(*key).map(contents::time).into(),
            Op::Persist(key) => store.persist(*key).into(),
            Op::Len => store.len().into(),
            Op::Keys(pattern) => unordered(store.keys(pattern)),
            Op::Scan(pattern, kind) => {
                let mut scan = store.scan();
                if let Some(pattern) = pattern {
                    scan = scan.matching(&pattern[..]);
                }
                if let Some(kind) = kind {
                    scan = scan.of_type(*kind);
                }
                unordered(scan.collect())
            }
            Op::RandomKey => store.random_key().into(),
            Op::Clear => store.clear().into(),
            Op::SwapDatabases(a, b) => store.swap_databases(*a, *b).into(),
            Op::Insert(name) => store.insert(name, "1").into(),
        }
    }

    fn wire(&self) -> Cmd {
        match self {
            Op::Contains(key) => wire!("EXISTS", *key),
            Op::ContainsMany(keys) => wire!("EXISTS", keys),
            Op::Touch(keys) => wire!("TOUCH", keys),
            Op::TypeOf(key) => wire!("TYPE", *key),
            Op::RemoveMany(keys) => wire!("UNLINK", keys),
            Op::Rename(from, to) => wire!("RENAME", *from, *to),
            Op::RenameIfAbsent(from, to) => wire!("RENAMENX", *from, *to),
            Op::Copy { from, to, replace, db } => {
                let db = db.map(|db| ("DB", db));
                let mut command = wire!("COPY", *from, *to);
                if let Some((name, db)) = db {
                    command.arg(name).arg(db);
                }
                command.arg(replace.then_some("REPLACE")).take()
            }
            Op::MoveToDb(key, db) => wire!("MOVE", *key, *db),
            Op::Expire(key, ttl, condition) => wire!("PEXPIRE", *key, ttl, expire_if_name(*condition)),
            Op::ExpireAt(key, time, condition) => {
                wire!("PEXPIREAT", *key, time, expire_if_name(*condition))
            }
            Op::Ttl(key) => wire!("PTTL", *key),
            Op::ExpiresAt(key) => wire!("PEXPIRETIME", *key),
            Op::Persist(key) => wire!("PERSIST", *key),
            Op::Len => wire!("DBSIZE"),
            Op::Keys(pattern) => wire!("KEYS", pattern),
            Op::Scan(pattern, kind) => {
                let mut command = wire!("SCAN", 0, "COUNT", 10_000);
                if let Some(pattern) = pattern {
                    command.arg("MATCH").arg(pattern);
                }
                if let Some(kind) = kind {
                    command.arg("TYPE").arg(kind.as_str());
                }
                command
            }
            Op::RandomKey => wire!("RANDOMKEY"),
            Op::Clear => wire!("FLUSHDB"),
            Op::SwapDatabases(a, b) => wire!("SWAPDB", *a, *b),
            Op::Insert(name) => wire!("SET", name, "1"),
        }
    }

    fn shape(&self) -> Shape {
        match self {
            Op::Ttl(_) | Op::ExpiresAt(_) => Shape::Time,
            Op::Keys(_) => Shape::Unordered,
            Op::Scan(..) => Shape::Page,
            _ => Shape::Plain,
        }
    }

    fn rule(&self) -> Rule {
        match self {
            Op::RandomKey => Rule::Drawn { from: wire!("KEYS", "*"), shape: Shape::Plain, distinct: true },
            _ => Rule::Equal,
        }
    }
}

fn unordered(names: larder::Result<Vec<Bytes>>) -> Outcome {
    Outcome::from(names).shaped(Shape::Unordered)
}
