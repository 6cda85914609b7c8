//! What a key can hold: pure data structures that know no key, no clock, no lock and no reply.

pub(crate) mod bitfield;
pub(crate) mod bits;
mod chunk;
mod deadlines;
mod deque;
mod edge;
mod either;
mod entries;
pub(crate) mod geo;
pub(crate) mod hash;
pub(crate) mod hyperloglog;
pub(crate) mod index;
mod integers;
pub(crate) mod lcs;
pub(crate) mod list;
pub(crate) mod members;
pub(crate) mod native;
mod packed;
mod packed_scores;
mod packed_set;
pub(crate) mod ranked;
mod score;
pub(crate) mod set;
pub(crate) mod sorted_set;
pub(crate) mod stream;
mod strip;

use std::ops::Deref;
use std::sync::LazyLock;

use crate::Bytes;
use crate::clock::NEVER;
use crate::records::Text;

use hash::Hash;
use list::List;
use native::Held;
use set::Set;
use sorted_set::SortedSet;
use stream::Stream;

/// The type of a key's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Type {
    /// A string of bytes, a number among them.
    String,
    /// A deque of elements.
    List,
    /// Members without order, each once.
    Set,
    /// Fields with a value each.
    Hash,
    /// Members with a score each, in the order of the scores.
    SortedSet,
    /// Entries of fields and values, by id in the order in which they came, and groups of consumers.
    Stream,
}

impl Type {
    /// The type's name as Redis gives it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::List => "list",
            Type::Set => "set",
            Type::Hash => "hash",
            Type::SortedSet => "zset",
            Type::Stream => "stream",
        }
    }
}

/// The value of a key. Collections are shared by clones and copied, a bounded segment at a time,
/// when one of them is written: that is what makes undo and snapshots cheap.
#[derive(Clone)]
pub(crate) enum Value {
    String(Bytes),
    List(List),
    Set(Set),
    Hash(Hash),
    SortedSet(SortedSet),
    Stream(Stream),
    /// To others than its cache a string.
    Native(Held),
}

impl Value {
    pub(crate) fn kind(&self) -> Type {
        match self {
            Value::String(_) | Value::Native(_) => Type::String,
            Value::List(_) => Type::List,
            Value::Set(_) => Type::Set,
            Value::Hash(_) => Type::Hash,
            Value::SortedSet(_) => Type::SortedSet,
            Value::Stream(_) => Type::Stream,
        }
    }

    /// Bytes held outside the value itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Value::String(string) => string.heap_bytes(),
            Value::List(list) => list.bytes(),
            Value::Set(set) => set.bytes(),
            Value::Hash(hash) => hash.bytes(),
            Value::SortedSet(set) => set.bytes(),
            Value::Stream(stream) => stream.bytes(),
            Value::Native(native) => native.bytes(),
        }
    }

    /// The same, counted anew.
    #[cfg(test)]
    pub(crate) fn recount(&self) -> usize {
        match self {
            Value::String(string) => string.heap_bytes(),
            Value::List(list) => list.recount(),
            Value::Set(set) => set.recount(),
            Value::Hash(hash) => hash.recount(),
            Value::SortedSet(set) => set.recount(),
            Value::Stream(stream) => stream.recount(),
            Value::Native(native) => native.bytes(),
        }
    }

    /// It leaves its place in a table: see [`native::Native::retire`].
    #[inline]
    pub(crate) fn retire(&self) {
        if let Value::Native(native) = self {
            native.retire();
        }
    }

    /// When the next part of the value (a field of a hash) expires; never for all others.
    #[inline]
    pub(crate) fn next_deadline(&self) -> u64 {
        match self {
            Value::Hash(hash) => hash.next_deadline(),
            _ => NEVER,
        }
    }

    /// Whether every part of the value has expired by `now`, so that the key counts as missing.
    pub(crate) fn is_over(&self, now: u64) -> bool {
        match self {
            Value::Hash(hash) => hash.len(now) == 0,
            _ => false,
        }
    }
}

/// A value as it stands in the store.
#[derive(Clone, Copy)]
pub(crate) enum ValueRef<'v> {
    /// A string that is kept beside its key.
    Short(&'v [u8]),
    Whole(&'v Value),
}

impl ValueRef<'_> {
    pub(crate) fn kind(self) -> Type {
        match self {
            ValueRef::Short(_) => Type::String,
            ValueRef::Whole(value) => value.kind(),
        }
    }

    /// See [`Value::next_deadline`].
    #[inline]
    pub(crate) fn next_deadline(self) -> u64 {
        match self {
            ValueRef::Short(_) => NEVER,
            ValueRef::Whole(value) => value.next_deadline(),
        }
    }

    /// See [`Value::is_over`].
    pub(crate) fn is_over(self, now: u64) -> bool {
        match self {
            ValueRef::Short(_) => false,
            ValueRef::Whole(value) => value.is_over(now),
        }
    }

    /// Whether it is a cache's own.
    pub(crate) fn is_native(self) -> bool {
        matches!(self, ValueRef::Whole(Value::Native(_)))
    }

    /// The value, shared with the store if it is not short.
    pub(crate) fn to_value(self) -> Value {
        match self {
            ValueRef::Short(bytes) => Value::String(Bytes::from(bytes)),
            ValueRef::Whole(value) => value.clone(),
        }
    }
}

/// A string as it stands in the store.
#[derive(Clone, Copy)]
pub(crate) enum StringRef<'v> {
    Short(&'v [u8]),
    Whole(&'v Bytes),
}

impl<'v> StringRef<'v> {
    #[inline]
    pub(crate) fn as_slice(self) -> &'v [u8] {
        match self {
            StringRef::Short(bytes) => bytes,
            StringRef::Whole(bytes) => bytes,
        }
    }

    /// The string, shared with the store if it is not short.
    #[inline]
    pub(crate) fn to_bytes(self) -> Bytes {
        match self {
            StringRef::Short(bytes) => Bytes::from(bytes),
            StringRef::Whole(bytes) => bytes.clone(),
        }
    }
}

impl<'v> From<StringRef<'v>> for Text<'v> {
    #[inline]
    fn from(string: StringRef<'v>) -> Self {
        match string {
            StringRef::Short(bytes) => Text::Slice(bytes),
            StringRef::Whole(bytes) => Text::Shared(bytes),
        }
    }
}

impl Deref for StringRef<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

/// A type that a key's value can have: what the operations of one family work on.
pub(crate) trait Kind: Default + Clone {
    /// Whether a key goes when its value has become empty: all but strings and streams.
    const GOES_WHEN_EMPTY: bool = true;

    /// Whether parts of it may expire by themselves.
    const HAS_PARTS: bool = false;

    /// How readers see it.
    type Ref<'v>;

    fn of(value: ValueRef<'_>) -> Option<Self::Ref<'_>>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn into_value(self) -> Value;
    fn is_empty(&self) -> bool;

    /// Whether nothing is left that has not expired by `now`.
    fn is_over(&self, _now: u64) -> bool {
        self.is_empty()
    }

    /// Removes the parts of these names that have expired by `now`, and `limit` others at most; gives how
    /// many those were.
    fn expire<'n>(&mut self, _now: u64, _named: impl Iterator<Item = &'n [u8]>, _limit: usize) -> usize {
        0
    }
}

impl Kind for Bytes {
    const GOES_WHEN_EMPTY: bool = false;

    type Ref<'v> = StringRef<'v>;

    #[inline]
    fn of(value: ValueRef<'_>) -> Option<StringRef<'_>> {
        match value {
            ValueRef::Short(bytes) => Some(StringRef::Short(bytes)),
            ValueRef::Whole(Value::String(bytes)) => Some(StringRef::Whole(bytes)),
            ValueRef::Whole(Value::Native(native)) => native.encoded().map(StringRef::Whole),
            ValueRef::Whole(_) => None,
        }
    }

    fn of_mut(value: &mut Value) -> Option<&mut Self> {
        if let Value::String(string) = value { Some(string) } else { None }
    }

    fn into_value(self) -> Value {
        Value::String(self)
    }

    fn is_empty(&self) -> bool {
        self.as_slice().is_empty()
    }
}

macro_rules! collection {
    ($kind:ident $($parts:item)*) => {
        impl Kind for $kind {
            type Ref<'v> = &'v $kind;

            fn of(value: ValueRef<'_>) -> Option<&Self> {
                if let ValueRef::Whole(Value::$kind(inner)) = value { Some(inner) } else { None }
            }

            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$kind(inner) = value { Some(inner) } else { None }
            }

            fn into_value(self) -> Value {
                Value::$kind(self)
            }

            fn is_empty(&self) -> bool {
                $kind::is_empty(self)
            }
            $($parts)*
        }
    };
}

collection!(List);
collection!(Set);
collection!(Hash
    const HAS_PARTS: bool = true;

    fn is_over(&self, now: u64) -> bool {
        self.len(now) == 0
    }

    fn expire<'n>(&mut self, now: u64, named: impl Iterator<Item = &'n [u8]>, limit: usize) -> usize {
        let named = named.filter(|name| self.remove_if_expired(name, now)).count();
        named + self.remove_expired(now, limit)
    }
);
collection!(SortedSet);
collection!(Stream
    const GOES_WHEN_EMPTY: bool = false;
);

/// The hash of a member or field inside a collection. The keys are the process's own, so that
/// nobody outside can choose names that collide; no order that a caller sees depends on them.
pub(crate) fn hash_of(name: &[u8]) -> u32 {
    static KEYS: LazyLock<ahash::RandomState> = LazyLock::new(ahash::RandomState::new);
    KEYS.hash_one(name) as u32
}
