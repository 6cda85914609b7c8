//! What makes two states of a store different, key by key.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::dump::{Content, Dump, Held, ToDump, field, scored};
use super::show;
use super::stream;
use crate::Bytes;

/// Lines that are shown of what changed in one key.
const SHOWN: usize = 60;
/// Times to live by a clock that runs are the same if they are this close, in milliseconds.
const CLOSE: u64 = 1_000;

/// What changed from one state to another, key by key, down to the elements of collections. Made by
/// [`Store::difference`](crate::Store::difference) and [`Dump::difference`].
///
/// Printed, it has a `-` before what only the first has, a `+` before what only the second has, and a `~` before a key
/// that both have. Elements of a list are told by their positions, once what both begin and end with is left out.
/// Times to live by the system's clock (or one that runs) count as the same if they are within a second of each other.
///
/// ```
/// use larder::Store;
///
/// let store = Store::new();
/// store.insert("greeting", "hello")?;
/// store.list::<String>("jobs").extend_back(["resize", "crop", "send"])?;
/// let before = store.checkpoint()?;
/// store.remove("greeting")?;
/// store.list::<String>("jobs").set(1, "scale")?;
/// store.counter("hits").incr()?;
///
/// let text = r#"
/// 3 keys differ:
/// - "greeting" string = "hello"
/// + "hits" string = "1"
/// ~ "jobs" list
///   - 1 "crop"
///   + 1 "scale"
/// "#;
/// let change = larder::testing::ToDump::to_dump(&before)?.difference(&store.dump()?);
/// assert_eq!(change.to_string(), text.trim());
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Clone)]
pub struct Difference(Vec<Change>);

#[derive(Clone)]
struct Change {
    db: u16,
    key: Bytes,
    what: What,
    /// What both are, or the one that there is.
    kind: String,
    lines: Vec<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Removed,
    Added,
    Changed,
}

/// Nothing, if two states (stores, checkpoints, dumps) hold the same; see [`Difference`].
///
/// ```
/// let store = larder::Store::new();
/// store.insert("greeting", "hello")?;
/// let before = store.checkpoint()?;
/// store.insert("greeting", "goodbye")?;
/// store.roll_back(&before)?;
/// larder::testing::assert_same(&before, &store);
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Panics
/// If they do not, with the difference from the first to the second; and inside a transaction of one of both.
#[track_caller]
pub fn assert_same(expected: &(impl ToDump + ?Sized), actual: &(impl ToDump + ?Sized)) {
    let difference = expected.to_dump().and_then(|expected| Ok(expected.difference(&actual.to_dump()?)));
    match difference {
        Ok(difference) if difference.is_empty() => {}
        Ok(difference) => panic!("the data is not the same (- expected, + actual): {difference}"),
        Err(error) => panic!("the data cannot be compared: {error}"),
    }
}

impl Difference {
    /// Whether both hold the same.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many keys differ.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The keys that only the second has, each with its database.
    ///
    /// ```
    /// # let store = larder::Store::new();
    /// let before = store.dump()?;
    /// store.insert("greeting", "hello")?;
    /// let change = before.difference(&store.dump()?);
    /// assert_eq!((change.added().count(), change.removed().count(), change.changed().count()), (1, 0, 0));
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn added(&self) -> impl Iterator<Item = (u16, Bytes)> {
        self.keys(What::Added)
    }

    /// The keys that only the first has.
    pub fn removed(&self) -> impl Iterator<Item = (u16, Bytes)> {
        self.keys(What::Removed)
    }

    /// The keys of which the type, the time to live or the value is another.
    pub fn changed(&self) -> impl Iterator<Item = (u16, Bytes)> {
        self.keys(What::Changed)
    }

    fn keys(&self, what: What) -> impl Iterator<Item = (u16, Bytes)> {
        let of = self.0.iter().filter(move |change| change.what == what);
        of.map(|change| (change.db, change.key.clone()))
    }

    pub(super) fn between(a: &Dump, b: &Dump) -> Difference {
        let slack = if a.is_still && b.is_still { 0 } else { CLOSE };
        let names: BTreeSet<_> = a.keys.keys().chain(b.keys.keys()).collect();
        let changes = names.into_iter().filter_map(|name| {
            let (what, kind, lines) = match (a.keys.get(name), b.keys.get(name)) {
                (Some(held), None) => alone(What::Removed, held),
                (None, Some(held)) => alone(What::Added, held),
                (Some(a), Some(b)) => both(a, b, slack)?,
                (None, None) => return None,
            };
            let (db, key) = name.clone();
            Some(Change { db, key, what, kind, lines })
        });
        Difference(changes.collect())
    }
}

fn alone(what: What, held: &Held) -> (What, String, Vec<String>) {
    let (kind, lines) = held.describe();
    (what, kind, lines)
}

/// What differs in a key that both have, if anything.
fn both(a: &Held, b: &Held, slack: u64) -> Option<(What, String, Vec<String>)> {
    let mut lines = Lines { slack, lines: Vec::new() };
    let kind = if a.content.kind() == b.content.kind() {
        if !lines.same_ttl(a.ttl, b.ttl) {
            lines.pair(Some(show::ttl(a.ttl)), Some(show::ttl(b.ttl)));
        }
        lines.contents(&a.content, &b.content);
        a.content.name().to_owned()
    } else {
        for (sign, held) in [('-', a), ('+', b)] {
            let (kind, below) = held.describe();
            lines.lines.push(format!("{sign} {kind}"));
            lines.lines.extend(below.into_iter().map(|line| format!("{sign}   {line}")));
        }
        "has another type".into()
    };
    (!lines.lines.is_empty()).then_some((What::Changed, kind, lines.lines))
}

/// What differs, a line for each.
struct Lines {
    slack: u64,
    lines: Vec<String>,
}

impl Lines {
    fn same_ttl(&self, a: Option<u64>, b: Option<u64>) -> bool {
        match (a, b) {
            (Some(a), Some(b)) => a.abs_diff(b) <= self.slack,
            _ => a == b,
        }
    }

    fn pair(&mut self, a: Option<String>, b: Option<String>) {
        self.lines.extend(a.map(|line| format!("- {line}")));
        self.lines.extend(b.map(|line| format!("+ {line}")));
    }

    /// Two contents of the same type.
    fn contents(&mut self, a: &Content, b: &Content) {
        match (a, b) {
            (Content::String(a), Content::String(b)) if a != b => {
                let (a, b) = show::from_first_difference(a, b);
                self.pair(Some(a), Some(b));
            }
            (Content::List(a), Content::List(b)) => self.lists(a, b),
            (Content::Set(a), Content::Set(b)) => {
                for member in a.symmetric_difference(b) {
                    let line = Some(show::bytes(member));
                    if a.contains(member) { self.pair(line, None) } else { self.pair(None, line) }
                }
            }
            (Content::Hash(a), Content::Hash(b)) => {
                for name in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                    let (a, b) = (a.get(name), b.get(name));
                    let is_same = matches!((a, b), (Some((a, left)), Some((b, other)))
                        if a == b && self.same_ttl(*left, *other));
                    if !is_same {
                        let line = |of: Option<&_>| of.map(|of| field(name, of));
                        self.pair(line(a), line(b));
                    }
                }
            }
            (Content::SortedSet(a), Content::SortedSet(b)) => {
                let by_member = |set: &[(f64, Bytes)]| -> BTreeMap<Bytes, f64> {
                    set.iter().map(|(score, member)| (member.clone(), *score)).collect()
                };
                let (a, b) = (by_member(a), by_member(b));
                for member in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                    let (a, b) = (a.get(member), b.get(member));
                    if a != b {
                        let line = |score: Option<&f64>| score.map(|score| scored(*score, member));
                        self.pair(line(a), line(b));
                    }
                }
            }
            (Content::Stream(a), Content::Stream(b)) => {
                for part in a.keys().chain(b.keys()).collect::<BTreeSet<_>>() {
                    let (a, b) = (a.get(part), b.get(part));
                    if a != b {
                        let line = |said: Option<&String>| said.map(|said| stream::line(part, said));
                        self.pair(line(a), line(b));
                    }
                }
            }
            _ => {}
        }
    }

    /// What both begin and end with is left out; in between, positions are compared.
    fn lists(&mut self, a: &[Bytes], b: &[Bytes]) {
        let same = |(a, b): &(&Bytes, &Bytes)| a == b;
        let front = a.iter().zip(b).take_while(same).count();
        let back = a[front..].iter().rev().zip(b[front..].iter().rev()).take_while(same).count();
        let line = |list: &[Bytes], at: usize| {
            let element = list[..list.len() - back].get(at);
            element.map(|element| format!("{at} {}", show::bytes(element)))
        };
        for at in front..a.len().max(b.len()) - back {
            let (a, b) = (line(a, at), line(b, at));
            if a != b {
                self.pair(a, b);
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len() {
            0 => return f.write_str("no difference"),
            1 => f.write_str("1 key differs:")?,
            count => write!(f, "{count} keys differ:")?,
        }
        for Change { db, key, what, kind, lines } in &self.0 {
            let (sign, indent) = match what {
                What::Removed => ("-", "-   "),
                What::Added => ("+", "+   "),
                What::Changed => ("~", "  "),
            };
            let db = if *db == 0 { String::new() } else { format!("db {db} ") };
            write!(f, "\n{sign} {db}{} {kind}", show::bytes(key))?;
            lines.iter().take(SHOWN).try_for_each(|line| write!(f, "\n{indent}{line}"))?;
            if lines.len() > SHOWN {
                write!(f, "\n{indent}.. and {}", show::count(lines.len() - SHOWN, "more line"))?;
            }
        }
        Ok(())
    }
}

/// The same text: what a failed assertion prints is to be read.
impl fmt::Debug for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
