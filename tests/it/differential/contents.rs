//! All that is stored, on both sides.

use std::time::UNIX_EPOCH;

use larder::{Bytes, ExpiresAt, Store, Type};

use super::outcome::{Outcome, Shape};
use super::server::Redis;
use super::wire;

/// From which version on fields of hashes have deadlines.
pub const FIELD_TTL: (u32, u32) = (7, 4);

/// Compares the keys of the databases, their values and their deadlines; gives the first difference.
/// Leaves the first database selected.
pub fn compare(redis: &mut Redis, root: &Store, databases: &[u16], slack: i64) -> Result<(), String> {
    for database in databases.iter().rev() {
        let store = root.db(*database).unwrap();
        redis.ask(&wire!("SELECT", *database));
        let ours = Outcome::from(store.keys("*")).shaped(Shape::Unordered);
        let theirs = redis.ask(&wire!("KEYS", "*")).shaped(Shape::Unordered);
        if ours != theirs {
            return Err(format!("database {database}: larder has the keys {ours:?}\nRedis has {theirs:?}"));
        }
        for key in theirs.items().iter().map(Outcome::bytes) {
            let ours = typed(&store, &key, redis.version);
            let theirs = wire(redis, &key);
            if !ours.is(&theirs, slack) {
                let key = key.escape_ascii();
                return Err(format!(
                    "in \"{key}\" of database {database} larder has {ours:?}\nRedis has {theirs:?}"
                ));
            }
        }
    }
    Ok(())
}

/// The value of a key, its type, its deadline, and those of its fields.
fn typed(store: &Store, key: &[u8], version: (u32, u32)) -> Outcome {
    let kind = store.type_of(key).unwrap().unwrap();
    let mut fields = Outcome::Nil;
    let value = match kind {
        Type::String => store.get::<Bytes>(key).into(),
        Type::List => store.list::<Bytes>(key).to_vec().into(),
        Type::Set => Outcome::from(store.set::<Bytes>(key).members()).shaped(Shape::Unordered),
        Type::SortedSet => store.sorted_set::<Bytes>(key).to_vec().into(),
        Type::Hash => {
            let hash = store.hash::<Bytes, Bytes>(key);
            if version >= FIELD_TTL {
                let mut names = hash.keys().unwrap();
                names.sort();
                let times = hash.field_expirations(&names).unwrap();
                fields = Outcome::List(times.into_iter().map(time).collect());
            }
            let entries = hash.entries().unwrap();
            Outcome::Map(entries.into_iter().map(|(field, value)| (field.into(), value.into())).collect())
        }
        other => panic!("not a type of this test: {other:?}"),
    };
    let deadline = time(store.expires_at(key).unwrap());
    Outcome::List(vec![Outcome::Bytes(kind.as_str().into()), value, deadline, fields])
}

/// The same of Redis.
fn wire(redis: &mut Redis, key: &[u8]) -> Outcome {
    let kind = redis.ask(&wire!("TYPE", key));
    let deadline = redis.ask(&wire!("PEXPIRETIME", key)).shaped(Shape::Time);
    let mut fields = Outcome::Nil;
    let value = match &kind.bytes()[..] {
        b"string" => redis.ask(&wire!("GET", key)),
        b"list" => redis.ask(&wire!("LRANGE", key, 0, -1)),
        b"set" => redis.ask(&wire!("SMEMBERS", key)).shaped(Shape::Unordered),
        b"zset" => redis.ask(&wire!("ZRANGE", key, 0, -1, "WITHSCORES")).shaped(Shape::Scored),
        b"hash" => {
            let value = redis.ask(&wire!("HGETALL", key)).shaped(Shape::Fields);
            if redis.version >= FIELD_TTL {
                let Outcome::Map(entries) = &value else { panic!("no hash: {value:?}") };
                let names: Vec<_> = entries.keys().map(Outcome::bytes).collect();
                let times = wire!("HPEXPIRETIME", key, "FIELDS", names.len(), &names);
                fields = redis.ask(&times).shaped(Shape::Time);
            }
            value
        }
        other => panic!("not a type of this test: {}", other.escape_ascii()),
    };
    Outcome::List(vec![kind, value, deadline, fields])
}

/// When something expires, as Redis says it.
pub fn time(at: ExpiresAt) -> Outcome {
    match at {
        ExpiresAt::Missing => Outcome::Int(-2),
        ExpiresAt::Never => Outcome::Int(-1),
        ExpiresAt::At(time) => {
            Outcome::Time(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis() as i64)
        }
    }
}
