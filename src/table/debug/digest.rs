//! Redis's checksum of a data set: the same for the same keys and values, in whatever order they came.
//!
//! Two ways to add to a checksum: `xor`, where the order does not matter (keys, members of a set), and `mix`, where it
//! does (the elements of a list).

use super::sha1::sha1;
use crate::Result;
use crate::clock::NEVER;
use crate::keyspace::Keyspace;
use crate::keyspace::table::{Contents, Entry};
use crate::keyspace::transaction::Transaction;
use crate::resp::double;
use crate::table::Compat;
use crate::text::number::IntegerBuffer;
use crate::value::hash::Hash;
use crate::value::stream::StreamId;
use crate::value::{Value, ValueRef};

#[derive(Clone, Copy, Default)]
struct Digest([u8; 20]);

impl Digest {
    fn xor(&mut self, bytes: &[u8]) {
        self.0.iter_mut().zip(sha1(bytes)).for_each(|(byte, other)| *byte ^= other);
    }

    fn mix(&mut self, bytes: &[u8]) {
        self.xor(bytes);
        self.0 = sha1(&self.0);
    }

    fn of(parts: [&[u8]; 2]) -> Digest {
        let mut digest = Digest::default();
        parts.into_iter().for_each(|part| digest.mix(part));
        digest
    }

    fn hex(self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The checksum of all databases, as they are at one instant. O(all data)
pub(super) fn of_all(space: &Keyspace, held: Option<&Transaction>, compat: Compat) -> Result<String> {
    let mut tables: Vec<(u16, Contents)> = Vec::new();
    space.look_at_all(held, |shard| {
        tables.extend(shard.tables().map(|(db, table)| (db, table.contents().clone())));
    })?;
    tables.sort_by_key(|(db, _)| *db);
    let now = space.time(held).now();
    let mut all = Digest::default();
    for shards in tables.chunk_by(|(one, _), (next, _)| one == next) {
        let entries = || shards.iter().flat_map(|(_, contents)| contents.iter());
        let mut living = entries().filter(|entry| !entry.is_expired(|_| now)).peekable();
        if let (Some((db, _)), Some(_)) = (shards.first(), living.peek()) {
            all.mix(&u32::from(*db).to_be_bytes());
        }
        for entry in living {
            let mut digest = Digest::default();
            digest.mix(entry.key);
            value(&mut digest, &entry, now, compat);
            all.xor(&digest.0);
        }
    }
    Ok(all.hex())
}

/// The checksum of what a key holds; that of nothing is 0. O(value)
pub(super) fn of_value(entry: Option<Entry<'_>>, now: u64, compat: Compat) -> String {
    let mut digest = Digest::default();
    if let Some(entry) = entry {
        value(&mut digest, &entry, now, compat);
    }
    digest.hex()
}

fn value(digest: &mut Digest, entry: &Entry<'_>, now: u64, compat: Compat) {
    let kind = |digest: &mut Digest, kind: u32| digest.mix(&kind.to_be_bytes());
    match entry.value {
        ValueRef::Short(text) => {
            kind(digest, 0);
            digest.mix(text);
        }
        ValueRef::Whole(Value::String(text)) => {
            kind(digest, 0);
            digest.mix(text);
        }
        ValueRef::Whole(Value::Native(native)) => {
            kind(digest, 0);
            digest.mix(native.encoded().map_or(&[], |bytes| bytes));
        }
        ValueRef::Whole(Value::List(list)) => {
            kind(digest, 1);
            list.iter().for_each(|element| digest.mix(&element));
        }
        ValueRef::Whole(Value::Set(set)) => {
            kind(digest, 2);
            set.iter().for_each(|member| digest.xor(member.read(&mut IntegerBuffer::default())));
        }
        ValueRef::Whole(Value::SortedSet(set)) => {
            kind(digest, 3);
            for (score, member) in set.iter() {
                digest.xor(&Digest::of([member, &double(score, compat)]).0);
            }
        }
        ValueRef::Whole(Value::Hash(hash)) => {
            kind(digest, 4);
            fields(digest, hash, now);
        }
        ValueRef::Whole(Value::Stream(stream)) => {
            kind(digest, 6);
            for entry in stream.range(StreamId::MIN, StreamId::MAX) {
                digest.mix(format!("{}.{}", entry.id.ms, entry.id.seq).as_bytes());
                for (name, value) in entry.fields() {
                    digest.mix(name);
                    digest.mix(value);
                }
            }
        }
    }
    if entry.deadline != NEVER {
        digest.xor(b"!!expire!!");
    }
}

fn fields(digest: &mut Digest, hash: &Hash, now: u64) {
    for (name, value) in hash.iter(now) {
        let mut field = Digest::of([name, value]);
        if hash.deadline(name, now).is_some_and(|deadline| deadline != NEVER) {
            field.xor(b"!!hexpire!!");
        }
        digest.xor(&field.0);
    }
}
