//! How Redis would keep what a key holds: OBJECT ENCODING tells it, and there are clients that ask.
//!
//! It is told from the contents, by the limits that are asked for. What a real server says depends on the past as
//! well: it never turns a large collection back into a small one.

use crate::Bytes;
use crate::clock::NEVER;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::text::number::{IntegerBuffer, parse_i64};
use crate::value::hash::Hash;
use crate::value::list::List;
use crate::value::set::{Member, Set};
use crate::value::sorted_set::SortedSet;
use crate::value::{Kind, StringRef, Value, ValueRef};

/// What is around the elements of a list that is one block, in bytes.
const AROUND: usize = 7;
/// The longest one whose elements are limited by their number.
const BLOCK: usize = 8 * 1024;
/// The longest string that is one allocation with its header.
const EMBEDDED: usize = 44;
/// From so many bytes on, a key's length takes two more.
const LONG_KEY: usize = 32;
/// Strings that are integers below it are objects that all share.
const SHARED: i64 = 10_000;

/// What a collection may hold at most to be a small one.
#[derive(Clone, Copy)]
pub(crate) struct Small {
    pub elements: usize,
    /// Bytes of each of them.
    pub longest: usize,
}

/// Up to where a server keeps collections in small forms.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub hash: Small,
    pub set: Small,
    pub sorted_set: Small,
    /// How many integers a set of nothing else keeps in order.
    pub integers: usize,
    /// How many elements or bytes a list has that is one block: `list-max-listpack-size`.
    pub list: i64,
}

impl Limits {
    /// Redis's own, unless configured.
    pub(crate) const DEFAULT: Limits = Limits {
        hash: Small { elements: 512, longest: 64 },
        set: Small { elements: 128, longest: 64 },
        sorted_set: Small { elements: 128, longest: 64 },
        integers: 512,
        list: -2,
    };
}

/// How a server keeps values.
#[derive(Clone, Copy)]
pub(crate) struct Manner {
    /// As that version of Redis does, but for what follows.
    pub version: (u8, u8),
    /// How many bytes a key and its string have at most if they stand in one allocation; `None` where a string
    /// has one with its own header.
    pub with_key: Option<usize>,
    /// What a hash is whose fields expire, if it is small.
    pub small_that_expires: &'static str,
    pub limits: Limits,
}

/// OBJECT ENCODING
pub(crate) fn encoding(view: &View<'_>, key: KeyRef<'_>, manner: Manner) -> Option<&'static str> {
    let Manner { version, with_key, small_that_expires, limits } = manner;
    let entry = view.quiet().glance(key)?;
    if let Some(string) = Bytes::of(entry.value) {
        let most = with_key.map_or(Some(EMBEDDED), |room| {
            let deadline = if entry.deadline == NEVER { 0 } else { size_of::<u64>() };
            room.checked_sub(key.bytes.len() + if key.bytes.len() < LONG_KEY { 0 } else { 2 } + deadline)
        });
        return Some(encoding_of_string(&string, most));
    }
    let ValueRef::Whole(value) = entry.value else { return None };
    let packs = version >= (7, 2);
    Some(match value {
        Value::List(list) if packs && is_one_block(list, limits.list) => "listpack",
        Value::Set(set) if is_of_integers(set, limits.integers) => "intset",
        Value::Set(set) if packs && is_small_set(set, limits.set) => "listpack",
        Value::Hash(hash) if is_small_hash(hash, view.now(), limits.hash) => {
            if hash.next_deadline() == NEVER { "listpack" } else { small_that_expires }
        }
        Value::SortedSet(set) if is_small_sorted_set(set, limits.sorted_set) => "listpack",
        Value::String(_) | Value::Native(_) => "raw",
        Value::List(_) => "quicklist",
        Value::Set(_) | Value::Hash(_) => "hashtable",
        Value::SortedSet(_) => "skiplist",
        Value::Stream(_) => "stream",
    })
}

/// OBJECT REFCOUNT
pub(crate) fn references(view: &View<'_>, key: KeyRef<'_>, manner: Manner) -> Option<i64> {
    let entry = view.quiet().glance(key)?;
    let number = Bytes::of(entry.value).and_then(|string| parse_i64(&string));
    // What stands with its key is nobody else's.
    let is_shared = manner.with_key.is_none() && number.is_some_and(|number| (0..SHARED).contains(&number));
    Some(if is_shared { i64::from(i32::MAX) } else { 1 })
}

/// MEMORY USAGE: bytes that go with the key.
pub(crate) fn bytes(view: &View<'_>, key: KeyRef<'_>) -> Option<usize> {
    /// A record's length, hash and deadline, and its place in the index.
    const RECORD: usize = 24;
    let entry = view.quiet().glance(key)?;
    let value = match entry.value {
        ValueRef::Short(bytes) => bytes.len(),
        ValueRef::Whole(value) => size_of::<Value>() + value.heap_bytes(),
    };
    Some(RECORD + key.bytes.len() + value)
}

/// Whether Redis hands a hash over in one turn of a walk.
pub(crate) fn is_small_hash(hash: &Hash, now: u64, small: Small) -> bool {
    let fits = |(name, value): (&[u8], &[u8])| name.len() <= small.longest && value.len() <= small.longest;
    hash.positions() as usize <= small.elements && hash.iter(now).all(fits)
}

pub(crate) fn is_small_set(set: &Set, small: Small) -> bool {
    let mut buffer = IntegerBuffer::default();
    set.len() <= small.elements && set.iter().all(|member| member.read(&mut buffer).len() <= small.longest)
}

pub(crate) fn is_of_integers(set: &Set, most: usize) -> bool {
    let is_integer = |member| match member {
        Member::Integer(_) => true,
        Member::Text(text) => parse_i64(text).is_some(),
    };
    set.len() <= most && set.iter().all(is_integer)
}

pub(crate) fn is_small_sorted_set(set: &SortedSet, small: Small) -> bool {
    set.len() <= small.elements && set.iter().all(|(_, member)| member.len() <= small.longest)
}

fn encoding_of_string(string: &StringRef<'_>, most: Option<usize>) -> &'static str {
    if parse_i64(string).is_some() {
        "int"
    } else if most.is_some_and(|most| string.len() <= most) {
        "embstr"
    } else {
        "raw"
    }
}

/// As for a list to which one element after the other was added at the back: when one comes, it counts without
/// what is around it. `limit` is their number, or 4 KB times a power of two.
fn is_one_block(list: &List, limit: i64) -> bool {
    let (elements, most) = match usize::try_from(limit) {
        Ok(elements) => (elements.clamp(1, i16::MAX as usize), BLOCK),
        Err(_) => (usize::MAX, 2048 << limit.unsigned_abs().min(5)),
    };
    let mut bytes = AROUND;
    list.len() <= elements
        && list.iter().all(|element| {
            let fits = bytes + element.len() <= most;
            bytes += bytes_in_block(&element);
            fits
        })
}

/// What an element takes in a block: itself with its length, and the length of that once more behind it.
fn bytes_in_block(element: &[u8]) -> usize {
    let forth = match (parse_i64(element), element.len()) {
        (Some(0..=127), _) => 1,
        (Some(-4096..=4095), _) => 2,
        (Some(-0x8000..=0x7fff), _) => 3,
        (Some(-0x80_0000..=0x7f_ffff), _) => 4,
        (Some(-0x8000_0000..=0x7fff_ffff), _) => 5,
        (Some(_), _) => 9,
        (None, len @ ..=63) => 1 + len,
        (None, len @ ..=4095) => 2 + len,
        (None, len) => 5 + len,
    };
    forth + if forth <= 127 { 1 } else { 2 }
}
