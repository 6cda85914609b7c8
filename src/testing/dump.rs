//! A whole store as text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::diff::Difference;
use super::show;
use super::stream::{self, Part};
use crate::clock::NEVER;
use crate::keyspace::State;
use crate::text::number::IntegerBuffer;
use crate::value::{Value, ValueRef};
use crate::{Bytes, Checkpoint, Result, Store, Type};

/// Elements of a collection that are shown, and how many more than that are shown too sooner than to be left out.
const SHOWN: usize = 100;
const SPARE: usize = 20;

/// All that a store held at one instant, as text that is the same for the same data: keys by database and name, with
/// type, time to live and value. Made by [`Store::dump`].
///
/// Strings stand between quotes, what is not printable as `\x..`; a record of a type of your own is told by its codec
/// and version. A string of more than 240 bytes is shown by its start, its length and a checksum; of a collection of
/// more than 120 elements the first 100 are shown, and a checksum of the others: texts are the same if the data is.
///
/// A time to live is told as it is at that instant: with a [`ManualClock`](crate::ManualClock) that is the same each time.
///
/// Data is told, and not what is counted beside it: how many entries a stream ever had and which is the last that was removed,
/// how many of them a group has read, and when anything was read or delivered. Nor are libraries of functions, which
/// `FUNCTION LIST` tells.
///
/// It is printed so by `{}` and `{:?}`, equal to its text, and to another dump if the [`Difference`] is empty.
///
/// ```
/// use std::time::Duration;
/// use larder::{ManualClock, Store};
///
/// let store = Store::builder().clock(ManualClock::new()).build();
/// store.insert_ex("session:42", "ann", Duration::from_secs(30))?;
/// store.list::<String>("jobs").extend_back(["resize", "send"])?;
/// store.hash::<String, u32>("cart").insert("apple", 3)?;
/// store.db(1)?.sorted_set::<String>("board").insert("ann", 20.0)?;
///
/// let text = r#"
/// db 0: 3 keys
/// "cart" hash, 1 field
///   "apple" = "3"
/// "jobs" list, 2 elements
///   0 "resize"
///   1 "send"
/// "session:42" string, 30s left = "ann"
/// db 1: 1 key
/// "board" sorted set, 1 member
///   20 "ann"
/// "#;
/// assert_eq!(store.dump()?, text.trim());
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Clone)]
pub struct Dump {
    pub(super) keys: BTreeMap<(u16, Bytes), Held>,
    /// Times to live are those of a clock that stands still.
    pub(super) is_still: bool,
}

/// What a key holds.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub content: Content,
    /// Milliseconds.
    pub ttl: Option<u64>,
}

#[derive(Clone, Debug)]
pub(super) enum Content {
    String(Bytes),
    List(Vec<Bytes>),
    Set(BTreeSet<Bytes>),
    /// With the time to live of each field.
    Hash(BTreeMap<Bytes, (Bytes, Option<u64>)>),
    /// In their order.
    SortedSet(Vec<(f64, Bytes)>),
    Stream(BTreeMap<Part, String>),
}

/// What can be dumped: a store as it is now, a checkpoint of one, and a dump itself.
pub trait ToDump {
    /// All that it holds. O(all data)
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction) from inside a transaction of the same store.
    fn to_dump(&self) -> Result<Dump>;
}

impl ToDump for Store {
    fn to_dump(&self) -> Result<Dump> {
        Ok(Dump::of(&self.space().state()?))
    }
}

impl ToDump for Checkpoint {
    fn to_dump(&self) -> Result<Dump> {
        Ok(Dump::of(&self.0))
    }
}

impl ToDump for Dump {
    fn to_dump(&self) -> Result<Dump> {
        Ok(self.clone())
    }
}

impl<T: ToDump + ?Sized> ToDump for &T {
    fn to_dump(&self) -> Result<Dump> {
        (**self).to_dump()
    }
}

impl Store {
    /// All databases at this instant, as text; see [`Dump`]. Writers wait no longer than for a
    /// [`fork`](Self::fork). O(all data)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("greeting", "hello")?;
    /// assert_eq!(store.dump()?.to_string(), "db 0: 1 key\n\"greeting\" string = \"hello\"");
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction) from inside a transaction of the same store.
    pub fn dump(&self) -> Result<Dump> {
        self.to_dump()
    }

    /// What became of this store on the way to another, key by key; see [`Difference`]. O(all data)
    ///
    /// ```
    /// let before = larder::Store::new();
    /// before.insert("greeting", "hello")?;
    /// let after = before.fork()?;
    /// assert!(before.difference(&after)?.is_empty());
    /// after.insert("greeting", "goodbye")?;
    /// assert_eq!(before.difference(&after)?.len(), 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::InTransaction`](crate::Error::InTransaction) from inside a transaction of one of both.
    pub fn difference(&self, to: &impl ToDump) -> Result<Difference> {
        Ok(self.to_dump()?.difference(&to.to_dump()?))
    }
}

impl Dump {
    /// What changed from this one to another.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let before = store.dump()?;
    /// store.insert("greeting", "hello")?;
    /// let change = before.difference(&store.dump()?);
    /// assert_eq!(change.added().collect::<Vec<_>>(), [(0, "greeting".into())]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn difference(&self, to: &Dump) -> Difference {
        Difference::between(self, to)
    }

    fn of(state: &State) -> Dump {
        state.contents().for_each(|(_, contents)| contents.encode_natives());
        let mut keys = BTreeMap::new();
        for (db, contents) in state.contents() {
            for entry in contents.iter().filter(|entry| !entry.is_expired(|_| state.now)) {
                let ttl = left(entry.deadline, state.now);
                let content = Content::of(entry.value, state.now);
                keys.insert((db, Bytes::from(entry.key)), Held { content, ttl });
            }
        }
        Dump { keys, is_still: state.is_still }
    }
}

/// The time from now to a deadline, if it is one.
fn left(deadline: u64, now: u64) -> Option<u64> {
    (deadline != NEVER).then(|| deadline.saturating_sub(now))
}

impl Content {
    fn of(value: ValueRef<'_>, now: u64) -> Content {
        let value = match value {
            ValueRef::Short(string) => return Content::String(Bytes::from(string)),
            ValueRef::Whole(value) => value,
        };
        match value {
            Value::String(string) => Content::String(string.clone()),
            Value::Native(native) => Content::String(native.encoded().cloned().unwrap_or_default()),
            Value::List(list) => Content::List(list.iter().map(|element| Bytes::from(&*element)).collect()),
            Value::Set(set) => {
                let mut buffer = IntegerBuffer::default();
                Content::Set(set.iter().map(|member| Bytes::from(member.read(&mut buffer))).collect())
            }
            Value::Hash(hash) => Content::Hash(
                hash.iter(now)
                    .map(|(name, value)| {
                        let deadline = hash.deadline(name, now).unwrap_or(NEVER);
                        (Bytes::from(name), (Bytes::from(value), left(deadline, now)))
                    })
                    .collect(),
            ),
            Value::SortedSet(set) => {
                Content::SortedSet(set.iter().map(|(score, member)| (score, Bytes::from(member))).collect())
            }
            Value::Stream(stream) => Content::Stream(stream::parts(stream)),
        }
    }

    pub fn kind(&self) -> Type {
        match self {
            Content::String(_) => Type::String,
            Content::List(_) => Type::List,
            Content::Set(_) => Type::Set,
            Content::Hash(_) => Type::Hash,
            Content::SortedSet(_) => Type::SortedSet,
            Content::Stream(_) => Type::Stream,
        }
    }

    /// What it is, as people say it.
    pub fn name(&self) -> &'static str {
        match self.kind() {
            Type::SortedSet => "sorted set",
            kind => kind.as_str(),
        }
    }

    /// A line for each element of a collection.
    fn lines(&self) -> Vec<String> {
        match self {
            Content::String(_) => Vec::new(),
            Content::List(list) => list
                .iter()
                .enumerate()
                .map(|(at, element)| format!("{at} {}", show::bytes(element)))
                .collect(),
            Content::Set(set) => set.iter().map(|member| show::bytes(member)).collect(),
            Content::Hash(hash) => hash.iter().map(|(name, field)| self::field(name, field)).collect(),
            Content::SortedSet(set) => set.iter().map(|(score, member)| scored(*score, member)).collect(),
            Content::Stream(parts) => parts.iter().map(|(part, said)| stream::line(part, said)).collect(),
        }
    }
}

/// A field of a hash, on a line.
pub(super) fn field(name: &[u8], (value, ttl): &(Bytes, Option<u64>)) -> String {
    let ttl = ttl.map(|ttl| format!(" ({})", show::ttl(Some(ttl)))).unwrap_or_default();
    format!("{} = {}{ttl}", show::bytes(name), show::bytes(value))
}

/// A member of a sorted set, on a line.
pub(super) fn scored(score: f64, member: &[u8]) -> String {
    format!("{score} {}", show::bytes(member))
}

impl Held {
    /// Its type and what belongs to it on the line of its key, and the lines below.
    pub fn describe(&self) -> (String, Vec<String>) {
        let size = match &self.content {
            Content::String(_) => String::new(),
            Content::List(list) => format!(", {}", show::count(list.len(), "element")),
            Content::Set(set) => format!(", {}", show::count(set.len(), "member")),
            Content::Hash(hash) => format!(", {}", show::count(hash.len(), "field")),
            Content::SortedSet(set) => format!(", {}", show::count(set.len(), "member")),
            Content::Stream(parts) => {
                let entries = parts.keys().filter(|part| matches!(part, Part::Entry(_))).count();
                format!(", {}", if entries == 1 { "1 entry".into() } else { format!("{entries} entries") })
            }
        };
        let ttl = self.ttl.map(|ttl| format!(", {}", show::ttl(Some(ttl)))).unwrap_or_default();
        let string = match &self.content {
            Content::String(string) => format!(" = {}", show::bytes(string)),
            _ => String::new(),
        };
        let mut lines = self.content.lines();
        if lines.len() > SHOWN + SPARE {
            let others = lines.split_off(SHOWN);
            let crc = crc32fast::hash(others.join("\n").as_bytes());
            lines.push(format!(".. and {} more (crc {crc:08x})", others.len()));
        }
        (format!("{}{size}{ttl}{string}", self.content.name()), lines)
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.keys.is_empty() {
            return f.write_str("no keys");
        }
        let mut last = None;
        for ((db, key), held) in &self.keys {
            if last != Some(*db) {
                let keys = self.keys.keys().filter(|(of, _)| of == db).count();
                let line = if last.is_some() { "\n" } else { "" };
                write!(f, "{line}db {db}: {}", show::count(keys, "key"))?;
                last = Some(*db);
            }
            let (what, lines) = held.describe();
            write!(f, "\n{} {what}", show::bytes(key))?;
            lines.iter().try_for_each(|line| write!(f, "\n  {line}"))?;
        }
        Ok(())
    }
}

/// The same text: what a failed assertion prints is to be read.
impl fmt::Debug for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Dump {
    fn eq(&self, other: &Dump) -> bool {
        self.difference(other).is_empty()
    }
}

impl PartialEq<str> for Dump {
    fn eq(&self, text: &str) -> bool {
        let shown = self.to_string();
        shown == text
    }
}

impl PartialEq<&str> for Dump {
    fn eq(&self, text: &&str) -> bool {
        self == *text
    }
}

impl PartialEq<String> for Dump {
    fn eq(&self, text: &String) -> bool {
        self == text.as_str()
    }
}
