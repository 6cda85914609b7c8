//! Hashes: what HSET, HEXPIRE and their kin mean.

use std::iter;
use std::time::{SystemTime, UNIX_EPOCH};

use super::Draw;
use super::keys::ExpireIf;
use crate::clock::{NEVER, Time, millis};
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::{Absent, Deadline, Writer};
use crate::text::long_double::LongDouble;
use crate::text::number;
use crate::value::hash::{Before, Field, Hash};
use crate::value::{Value, ValueRef};
use crate::{Bytes, Error, Result};

/// When fields are set (HSETEX's FNX, FXX).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FieldsIf {
    #[default]
    Always,
    /// If the hash has none of them.
    Absent,
    /// If the hash has all of them.
    Present,
}

impl FieldsIf {
    /// The writer has purged the fields that are named here: those that the hash has are live.
    fn holds<'p>(self, hash: &Hash, mut pairs: impl Iterator<Item = Pair<'p>>) -> bool {
        let has = |(name, _): Pair<'_>| hash.get(name, 0).is_some();
        match self {
            FieldsIf::Always => true,
            FieldsIf::Absent => !pairs.any(has),
            FieldsIf::Present => pairs.all(has),
        }
    }
}

/// A field's name, and what it is to hold.
pub(crate) type Pair<'p> = (&'p Bytes, &'p Bytes);

/// What an attempt to give a field a deadline came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FieldExpiry {
    /// There is no such field.
    Missing,
    /// The field's old deadline does not meet the condition.
    ConditionNotMet,
    /// The field has the new deadline.
    Set,
    /// The new deadline has passed already, so the field was removed.
    Removed,
}

/// A value that was taken out, and the deadline that its field had.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub value: Bytes,
    deadline: u64,
}

/// The fields of a hash as they were at one instant: shared with the store until it writes to them.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub hash: Hash,
    pub now: u64,
}

/// HGET
pub(crate) fn get(view: &View<'_>, key: KeyRef<'_>, field: &[u8]) -> Result<Option<Bytes>> {
    Ok(look(view, key)?.and_then(|(hash, now)| hash.value(field, now)))
}

/// HMGET
pub(crate) fn get_many(view: &View<'_>, key: KeyRef<'_>, fields: &[Bytes]) -> Result<Vec<Option<Bytes>>> {
    let Some((hash, now)) = look(view, key)? else { return Ok(vec![None; fields.len()]) };
    Ok(fields.iter().map(|name| hash.value(name, now)).collect())
}

/// HEXISTS
pub(crate) fn contains(view: &View<'_>, key: KeyRef<'_>, field: &[u8]) -> Result<bool> {
    Ok(look(view, key)?.is_some_and(|(hash, now)| hash.get(field, now).is_some()))
}

/// HLEN
pub(crate) fn len(view: &View<'_>, key: KeyRef<'_>) -> Result<usize> {
    Ok(look(view, key)?.map_or(0, |(hash, now)| hash.len(now)))
}

/// HSTRLEN: the length of a field's value, 0 for one that is missing.
pub(crate) fn value_len(view: &View<'_>, key: KeyRef<'_>, field: &[u8]) -> Result<usize> {
    let found = look(view, key)?.and_then(|(hash, now)| hash.get(field, now));
    Ok(found.map_or(0, <[u8]>::len))
}

/// HGETALL, HKEYS, HVALS: all fields, in O(1); `None` if the key is missing.
pub(crate) fn snapshot(view: &View<'_>, key: KeyRef<'_>) -> Result<Option<Snapshot>> {
    let Some(entry) = view.entry(key) else { return Ok(None) };
    let ValueRef::Whole(Value::Hash(hash)) = entry.value else { return Err(Error::WrongType) };
    Ok(Some(Snapshot { hash: hash.clone(), now: time(view, hash) }))
}

/// HRANDFIELD
///
/// # Errors
/// [`Error::Invalid`] for more repeated fields than memory can hold, or are to be told.
pub(crate) fn random(view: &View<'_>, key: KeyRef<'_>, draw: Draw) -> Result<Vec<Field>> {
    let Some((hash, now)) = look(view, key)? else { return Ok(Vec::new()) };
    // Where fields have expired, the others are sought out first: the sweeper soon makes an end of it.
    let live: Option<Vec<u32>> = (hash.next_deadline() <= now)
        .then(|| (0..hash.positions()).filter(|at| hash.at(*at, now).is_some()).collect());
    let count = live.as_ref().map_or(hash.positions() as usize, Vec::len);
    let nth = |n: usize| {
        let position = live.as_ref().map_or(Some(n as u32), |live| live.get(n).copied());
        position.and_then(|position| hash.at(position, now))
    };
    Ok(draw.draw(view.space().rng(), count, nth, |field| field.name.len())?.into_vec())
}

/// HPTTL, HPEXPIRETIME: each field's deadline, [`NEVER`] if it has none, `None` if it is missing.
pub(crate) fn deadlines(view: &View<'_>, key: KeyRef<'_>, fields: &[Bytes]) -> Result<Vec<Option<u64>>> {
    let Some((hash, now)) = look(view, key)? else { return Ok(vec![None; fields.len()]) };
    Ok(fields.iter().map(|name| hash.deadline(name, now)).collect())
}

/// HSET, HSETNX, HSETEX: how many of the fields are new; `None` if the condition does not hold.
pub(crate) fn insert<'p>(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    pairs: impl Iterator<Item = Pair<'p>> + Clone,
    condition: FieldsIf,
    deadline: Deadline,
) -> Result<Option<usize>> {
    let timed: Vec<Bytes> = match deadline {
        Deadline::At(_) => pairs.clone().map(|(name, _)| name.clone()).collect(),
        Deadline::Clear | Deadline::Keep => Vec::new(),
    };
    let mut replaced = Vec::new();
    let names = pairs.clone().map(|(name, _)| &name[..]);
    let inserted = writer.update_parts(key, Absent::Create, names, |hash: &mut Hash| {
        if !condition.holds(hash, pairs.clone()) {
            return Ok((None, None));
        }
        let (mut event, mut new) = (None, 0);
        for (name, value) in pairs.clone() {
            event = Some(KeyEvent::HSet);
            let before = match deadline {
                Deadline::Clear => hash.insert(name, value),
                Deadline::Keep | Deadline::At(_) => hash.put(name, value),
            };
            match before {
                Before::Nothing => new += 1,
                Before::Short => {}
                Before::Long(old) => replaced.push(old),
            }
        }
        Ok((Some(new), event))
    })?;
    writer.note_names(key, pairs.map(|(name, _)| &name[..]));
    replaced.into_iter().for_each(|old| writer.discard_value(Value::String(old)));
    let inserted = inserted.flatten();
    if let (Some(_), Deadline::At(at)) = (inserted, deadline) {
        // To Valkey they had it and have expired.
        if at <= writer.now() && writer.space().told().is_valkey() {
            writer.told_too(key, KeyEvent::HExpire);
        }
        expire(writer, key, &timed, at, &[])?;
    }
    Ok(inserted)
}

/// HDEL, HGETDEL: what the fields held.
pub(crate) fn take(writer: &mut Writer<'_>, key: KeyRef<'_>, fields: &[Bytes]) -> Result<Vec<Option<Taken>>> {
    let taken =
        writer.update_parts(key, Absent::Skip, fields.iter().map(|name| &name[..]), |hash: &mut Hash| {
            let take = |name: &Bytes| {
                let deadline = hash.deadline(name, 0)?;
                hash.remove(name).map(|value| Taken { value, deadline })
            };
            let taken: Vec<_> = fields.iter().map(take).collect();
            let event = taken.iter().any(Option::is_some).then_some(KeyEvent::HDel);
            Ok((taken, event))
        })?;
    writer.note_names(key, fields.iter().map(|name| &name[..]));
    Ok(taken.unwrap_or_else(|| vec![None; fields.len()]))
}

/// Puts fields back that [`take`] took out, as far as they have not been set or run out since; a key
/// that went with them has its deadline again.
pub(crate) fn put_back(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    taken: Vec<(Bytes, Taken)>,
    key_deadline: Option<u64>,
) -> Result<()> {
    let now = writer.now();
    super::put_back(writer, key, key_deadline, |writer| {
        let names = taken.iter().map(|(name, _)| &name[..]);
        writer.update_parts(key, Absent::Create, names, |hash: &mut Hash| {
            let mut event = None;
            for (name, Taken { value, deadline }) in &taken {
                if *deadline > now && hash.get(name, 0).is_none() {
                    hash.put(name, value);
                    hash.set_deadline(name, *deadline);
                    event = Some(KeyEvent::HSet);
                }
            }
            Ok(((), event))
        })
    })
}

/// HGETEX: what the fields hold, which get a deadline, or with [`NEVER`] lose theirs.
pub(crate) fn get_and_expire(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    fields: &[Bytes],
    deadline: u64,
) -> Result<Vec<Option<Bytes>>> {
    let now = writer.now();
    let got =
        writer.update_parts(key, Absent::Skip, fields.iter().map(|name| &name[..]), |hash: &mut Hash| {
            let mut event = None;
            let get = |name: &Bytes| {
                let value = hash.value(name, 0)?;
                if deadline == NEVER {
                    let had = hash.set_deadline(name, NEVER);
                    event = event.or((had != Some(NEVER)).then_some(KeyEvent::HPersist));
                } else {
                    event = event.or(event_of(expire_one(hash, name, deadline, now, &[])));
                }
                Some(value)
            };
            let got: Vec<_> = fields.iter().map(get).collect();
            Ok((got, event))
        })?;
    if deadline <= now {
        writer.count_expired_parts(key, got.iter().flatten().flatten().count());
    }
    writer.note_names(key, fields.iter().map(|name| &name[..]));
    Ok(got.unwrap_or_else(|| vec![None; fields.len()]))
}

/// HIMPORT SET: these fields and no others, without deadlines, whatever the hash was before.
#[cfg(feature = "commands")]
pub(crate) fn replace(writer: &mut Writer<'_>, key: KeyRef<'_>, pairs: &[(Bytes, Bytes)]) -> Result<()> {
    writer.find::<Hash>(key)?;
    let mut hash = Hash::default();
    for (name, value) in pairs {
        hash.put(name, value);
    }
    writer.set(key, Value::Hash(hash), Deadline::Clear, KeyEvent::HSet)?;
    Ok(())
}

/// HPEXPIRE, HPEXPIREAT
pub(crate) fn expire(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    fields: &[Bytes],
    deadline: u64,
    conditions: &[ExpireIf],
) -> Result<Vec<FieldExpiry>> {
    let now = writer.now();
    let expired =
        writer.update_parts(key, Absent::Skip, fields.iter().map(|name| &name[..]), |hash: &mut Hash| {
            let expire = |name: &Bytes| expire_one(hash, name, deadline, now, conditions);
            let expired: Vec<FieldExpiry> = fields.iter().map(expire).collect();
            // Either all that meet the condition are removed, or none.
            let event = expired.iter().find_map(|expired| event_of(*expired));
            Ok((expired, event))
        })?;
    let removed = expired.iter().flatten().filter(|expired| **expired == FieldExpiry::Removed).count();
    writer.count_expired_parts(key, removed);
    writer.note_names(key, fields.iter().map(|name| &name[..]));
    Ok(expired.unwrap_or_else(|| vec![FieldExpiry::Missing; fields.len()]))
}

/// HPERSIST: each field's old deadline, [`NEVER`] if it had none, `None` if it is missing.
pub(crate) fn persist(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    fields: &[Bytes],
) -> Result<Vec<Option<u64>>> {
    let persisted =
        writer.update_parts(key, Absent::Skip, fields.iter().map(|name| &name[..]), |hash: &mut Hash| {
            let old: Vec<_> = fields.iter().map(|name| hash.set_deadline(name, NEVER)).collect();
            let event = old.iter().flatten().any(|old| *old != NEVER).then_some(KeyEvent::HPersist);
            Ok((old, event))
        })?;
    writer.note_names(key, fields.iter().map(|name| &name[..]));
    Ok(persisted.unwrap_or_else(|| vec![None; fields.len()]))
}

/// HINCRBY: the new value. The field keeps its deadline.
pub(crate) fn increase(writer: &mut Writer<'_>, key: KeyRef<'_>, field: Bytes, by: i64) -> Result<i64> {
    let increased = writer.update_parts(key, Absent::Create, iter::once(&field[..]), |hash: &mut Hash| {
        let old = hash.get(&field, 0).map_or(Some(0), number::parse_i64);
        let new = old.ok_or(Error::HashNotAnInteger)?.checked_add(by).ok_or(Error::Overflow)?;
        hash.put(&field, &number::decimal(new.into()));
        Ok((new, Some(KeyEvent::HIncrBy)))
    })?;
    writer.note_names(key, iter::once(&field[..]));
    Ok(increased.unwrap_or(by))
}

/// HINCRBYFLOAT: the new value, as it is stored. The field keeps its deadline.
pub(crate) fn increase_float(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    field: Bytes,
    by: &LongDouble,
) -> Result<Bytes> {
    let increased = writer.update_parts(key, Absent::Create, iter::once(&field[..]), |hash: &mut Hash| {
        let old = hash.get(&field, 0).unwrap_or(b"0");
        let old = LongDouble::parse(old).ok_or(Error::HashNotAFloat)?;
        let new = Bytes::from(old.checked_add(by).ok_or(Error::NanOrInfinity)?.to_human());
        hash.put(&field, &new);
        Ok((new, Some(KeyEvent::HIncrByFloat)))
    })?;
    writer.note_names(key, iter::once(&field[..]));
    Ok(increased.unwrap_or_default())
}

/// The last wall time at which a field may expire, in milliseconds: Redis keeps it in 46 bits.
pub(crate) const LAST_EXPIRY: u64 = (1 << 46) - 1;

/// The deadline of a field that lies `ttl` milliseconds ahead; one of zero has passed already.
///
/// # Errors
/// [`Error::InvalidExpire`] for one beyond what Redis can hold.
pub(crate) fn deadline_in(time: Time<'_>, ttl: u64, command: &'static str) -> Result<u64> {
    if ttl > LAST_EXPIRY.saturating_sub(time.wall()) {
        return Err(Error::InvalidExpire(command));
    }
    if ttl == 0 { Ok(0) } else { time.deadline_in(ttl, command) }
}

/// The deadline of a field at a wall time: 0, which has passed already, for one that lies behind.
///
/// # Errors
/// [`Error::InvalidExpire`] for one beyond what Redis can hold.
pub(crate) fn deadline_at(time: Time<'_>, wall: SystemTime, command: &'static str) -> Result<u64> {
    if wall.duration_since(UNIX_EPOCH).is_ok_and(|since| millis(since) > LAST_EXPIRY) {
        return Err(Error::InvalidExpire(command));
    }
    time.deadline_at(wall, command)
}

/// The hash at a key, and the time to look at it.
fn look<'v>(view: &View<'v>, key: KeyRef<'_>) -> Result<Option<(&'v Hash, u64)>> {
    Ok(view.find::<Hash>(key)?.map(|hash| (hash, time(view, hash))))
}

/// The time at which a hash is looked at: the clock is not read for one without deadlines.
fn time(view: &View<'_>, hash: &Hash) -> u64 {
    if hash.next_deadline() == NEVER { 0 } else { view.now() }
}

fn expire_one(hash: &mut Hash, name: &[u8], deadline: u64, now: u64, conditions: &[ExpireIf]) -> FieldExpiry {
    let Some(old) = hash.deadline(name, 0) else { return FieldExpiry::Missing };
    if !conditions.iter().all(|condition| condition.admits(old, deadline)) {
        return FieldExpiry::ConditionNotMet;
    }
    if deadline <= now {
        hash.remove(name);
        return FieldExpiry::Removed;
    }
    hash.set_deadline(name, deadline);
    FieldExpiry::Set
}

fn event_of(expired: FieldExpiry) -> Option<KeyEvent> {
    match expired {
        FieldExpiry::Set => Some(KeyEvent::HExpire),
        FieldExpiry::Removed => Some(KeyEvent::HOverdue),
        FieldExpiry::Missing | FieldExpiry::ConditionNotMet => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::pubsub::{Backlog, Hub};
    use crate::{KeyEvents, ManualClock, Store, Sweeping};
    use std::time::Duration;

    /// A store of one shard whose clock stands at 100.
    fn store() -> (ManualClock, Store) {
        let clock = ManualClock::new();
        clock.advance(Duration::from_millis(100));
        let builder = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).shards(1);
        (clock, builder.key_events(KeyEvents::On).build())
    }

    fn write<R>(store: &Store, op: impl FnOnce(&mut Writer<'_>, KeyRef<'_>) -> Result<R>) -> R {
        let key = store.key_ref(b"hash");
        store.write(&[key], |writer| op(writer, key)).unwrap()
    }

    fn set(store: &Store, names: &str, deadline: Deadline) {
        let pairs = names.chars().map(|name| (Bytes::from(name.to_string()), Bytes::from("1")));
        let pairs: Vec<_> = pairs.collect();
        write(store, |writer, key| {
            insert(writer, key, pairs.iter().map(|(name, value)| (name, value)), FieldsIf::Always, deadline)
        });
    }

    fn names(names: &str) -> Vec<Bytes> {
        names.chars().map(|name| Bytes::from(name.to_string())).collect()
    }

    #[test]
    fn events_are_those_of_redis() {
        let (clock, store) = store();
        let sub = Hub::subscriber(store.space().hub(), &Clock::from(&clock), Backlog::new());
        sub.subscribe("__keyspace@0__:hash");
        let events = || -> String {
            let events = std::iter::from_fn(|| sub.try_recv());
            events.map(|event| event.payload_str().unwrap_or_default().to_owned() + " ").collect()
        };
        set(&store, "", Deadline::Clear);
        assert_eq!(events(), "");
        set(&store, "ab", Deadline::Clear);
        assert_eq!(events(), "hset ");
        set(&store, "cd", Deadline::At(110));
        assert_eq!(events(), "hset hexpire ");
        set(&store, "e", Deadline::At(100));
        assert_eq!(events(), "hset hdel ");
        write(&store, |w, k| expire(w, k, &names("ax"), 120, &[ExpireIf::Forever]));
        assert_eq!(events(), "hexpire ");
        write(&store, |w, k| expire(w, k, &names("ax"), 130, &[ExpireIf::Forever]));
        assert_eq!(events(), "");
        write(&store, |w, k| persist(w, k, &names("ab")));
        assert_eq!(events(), "hpersist ");
        write(&store, |w, k| persist(w, k, &names("ab")));
        write(&store, |w, k| get_and_expire(w, k, &names("abx"), NEVER));
        assert_eq!(events(), "");
        write(&store, |w, k| get_and_expire(w, k, &names("xa"), 120));
        write(&store, |w, k| get_and_expire(w, k, &names("ba"), NEVER));
        assert_eq!(events(), "hexpire hpersist ");
        write(&store, |w, k| increase(w, k, "a".into(), 1));
        write(&store, |w, k| increase_float(w, k, "a".into(), &LongDouble::parse(b"1.5").unwrap()));
        assert_eq!(events(), "hincrby hincrbyfloat ");
        write(&store, |w, k| take(w, k, &names("axa")));
        write(&store, |w, k| take(w, k, &names("ax")));
        assert_eq!(events(), "hdel ");
        clock.advance(Duration::from_millis(10));
        write(&store, |w, k| increase(w, k, "b".into(), 1));
        assert_eq!(events(), "hexpired hincrby ");
        write(&store, |w, k| expire(w, k, &names("b"), 0, &[ExpireIf::Always]));
        assert_eq!(events(), "hdel del ");
        set(&store, "a", Deadline::At(0));
        assert_eq!(events(), "hset hdel del ");
        set(&store, "ab", Deadline::At(120));
        clock.advance(Duration::from_millis(10));
        store.sweep().unwrap();
        assert_eq!(events(), "hset hexpire hexpired del ");
    }

    #[test]
    fn another_type_expires_no_fields() {
        let (clock, store) = store();
        set(&store, "a", Deadline::Clear);
        set(&store, "b", Deadline::At(110));
        clock.advance(Duration::from_millis(10));
        let sub = Hub::subscriber(store.space().hub(), &Clock::from(&clock), Backlog::new());
        sub.subscribe("__keyspace@0__:hash");
        assert!(matches!(store.list::<String>("hash").push_back("x"), Err(Error::WrongType)));
        assert!(sub.try_recv().is_none());
    }

    /// The key that is due first in the one table, whatever the time.
    fn first_due(store: &Store) -> Option<Bytes> {
        write(store, |writer, key| {
            let table = writer.shard_mut(key).and_then(|shard| shard.table(0));
            Ok(table.and_then(|table| table.due_parts(NEVER)).map(|(_, key)| key))
        })
    }

    #[test]
    fn the_sweeper_follows_a_value_to_another_key() {
        let (clock, store) = store();
        set(&store, "a", Deadline::Clear);
        assert_eq!(first_due(&store), None);
        set(&store, "bc", Deadline::At(110));
        assert_eq!(first_due(&store), Some("hash".into()));

        let (from, to) = (store.key_ref(b"hash"), store.key_ref(b"other"));
        let moved = store.write(&[from, to], |writer| {
            let Some((value, _)) = writer.remove(from, KeyEvent::RenameFrom) else { return Ok(false) };
            writer.set(to, value, Deadline::Clear, KeyEvent::RenameTo).map(|()| true)
        });
        assert!(moved.unwrap());
        assert_eq!(first_due(&store), Some("other".into()));
        clock.advance(Duration::from_millis(10));
        assert_eq!(store.sweep().unwrap(), 0);
        assert_eq!(first_due(&store), None);
        let other = store.hash::<String, String>("other");
        assert_eq!(other.keys().unwrap(), ["a"]);

        other.insert_ex("a", "1", Duration::from_millis(10)).unwrap();
        store.insert("other", "no hash").unwrap();
        assert_eq!(first_due(&store), None);
        set(&store, "a", Deadline::At(120));
        clock.advance(Duration::from_millis(10));
        store.remove("other").unwrap();
        assert_eq!(store.sweep().unwrap(), 1);
        assert_eq!(first_due(&store), None);
        let bytes = write(&store, |writer, key| {
            let table = writer.shard_mut(key).and_then(|shard| shard.table(0));
            Ok(table.map_or(0, |table| table.contents().len()))
        });
        assert_eq!(bytes, 0);
    }
}
