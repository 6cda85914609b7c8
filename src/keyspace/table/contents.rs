//! The entries themselves, and how each stands in its record.

use smallvec::SmallVec;

use crate::Bytes;
use crate::clock::NEVER;
use crate::records::slab::Slab;
use crate::records::{BODY, PLACES, Record, Records};
use crate::value::native::Held;
use crate::value::{Value, ValueRef};

/// A key with its value and deadline, as they stand in the table.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'t> {
    pub key: &'t [u8],
    pub value: ValueRef<'t>,
    /// Milliseconds on the store's monotonic line, [`NEVER`] where there is none.
    pub deadline: u64,
}

/// The entries of a table, shared by clones.
#[derive(Clone, Default)]
pub(crate) struct Contents {
    pub(super) records: Records,
    pub(super) aside: Slab<Value>,
    /// Until when the values of caches are shown, by their numbers, where that was [decided](Self::decide_natives) once.
    shown_until: Option<Box<[u64]>>,
}

/// A body begins with a byte that says what follows: a deadline (u64) if it has one, and then the number
/// of a value that stands aside (u32), or a string.
pub(super) type Body = SmallVec<[u8; 256]>;
pub(super) const TIMED: u8 = 1;
pub(super) const ASIDE: u8 = 2;
/// The longest string that stands in a record.
pub(super) const SHORT: usize = BODY - 1 - size_of::<u64>();

impl Entry<'_> {
    /// Whether the key counts as missing at the time that `now` gives: it is asked with the moment that
    /// matters, and not for an entry that has no deadline.
    #[inline]
    pub(crate) fn is_expired(&self, now: impl FnOnce(u64) -> u64) -> bool {
        let parts = match self.value {
            ValueRef::Short(_) => NEVER,
            ValueRef::Whole(value) => value.next_deadline(),
        };
        let first = self.deadline.min(parts);
        if first == NEVER {
            return false;
        }
        let now = now(first);
        self.deadline <= now || (parts <= now && self.value.is_over(now))
    }
}

impl Contents {
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The same entries, without the index that finds them by name.
    pub(super) fn picture(&self) -> Contents {
        let Contents { records, aside, .. } = self;
        Contents { records: records.without_index(), aside: aside.clone(), shown_until: None }
    }

    /// All entries, from the first position to the last.
    pub(crate) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.records.iter().filter_map(|record| self.entry(record))
    }

    pub(crate) fn pages(&self) -> usize {
        self.len().div_ceil(PLACES as usize)
    }

    /// The name of the key at a position, shared if it is long. O(1).
    pub(crate) fn name(&self, at: u32) -> Option<Bytes> {
        self.records.name(at)
    }

    /// Has all native values encoded. Runs the caller's code: no lock may be held. O(n)
    pub(crate) fn encode_natives(&self) {
        let values = self.iter().map(|entry| entry.value);
        values.for_each(|value| {
            if let ValueRef::Whole(Value::Native(native)) = value {
                native.encode();
            }
        });
    }

    /// The same, and decides until when each is shown: a tag that is removed later, or a value that goes stale, changes no more
    /// what is read here. O(n)
    pub(crate) fn decide_natives(&mut self) {
        self.encode_natives();
        let mut shown_until = Vec::new();
        for record in self.records.iter() {
            let number = parse(record.body).and_then(|(kind, _, rest)| number_of(kind, rest));
            let Some(number) = number else { continue };
            if let Some(Value::Native(native)) = self.aside.get(number) {
                let number = number as usize;
                shown_until.resize(shown_until.len().max(number + 1), 0);
                shown_until[number] = native.shown_until();
            }
        }
        self.shown_until = Some(shown_until.into());
    }

    #[inline]
    pub(super) fn entry<'t>(&'t self, record: Record<'t>) -> Option<Entry<'t>> {
        let (kind, deadline, rest) = parse(record.body)?;
        let Some(number) = number_of(kind, rest) else {
            return Some(Entry { key: record.name, value: ValueRef::Short(rest), deadline });
        };
        let value = self.aside.get(number)?;
        // What its cache keeps longer than it shows it to others.
        let deadline = match value {
            Value::Native(native) => deadline.min(self.shown_until(number, native)),
            _ => deadline,
        };
        Some(Entry { key: record.name, value: ValueRef::Whole(value), deadline })
    }

    fn shown_until(&self, number: u32, native: &Held) -> u64 {
        match &self.shown_until {
            Some(decided) => decided.get(number as usize).copied().unwrap_or(0),
            None => native.shown_until(),
        }
    }
}

/// The kind, the deadline and the rest of a body.
#[inline]
pub(super) fn parse(body: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (&kind, rest) = body.split_first()?;
    if kind & TIMED == 0 {
        return Some((kind, NEVER, rest));
    }
    let (deadline, rest) = rest.split_first_chunk()?;
    Some((kind, u64::from_le_bytes(*deadline), rest))
}

/// The number of the value that stands aside.
#[inline]
pub(super) fn number_of(kind: u8, rest: &[u8]) -> Option<u32> {
    if kind & ASIDE == 0 { None } else { rest.first_chunk().map(|number| u32::from_le_bytes(*number)) }
}

pub(super) fn body(kind: u8, deadline: u64, rest: &[u8]) -> Body {
    let mut body = Body::new();
    if deadline == NEVER {
        body.push(kind & !TIMED);
    } else {
        body.push(kind | TIMED);
        body.extend_from_slice(&deadline.to_le_bytes());
    }
    body.extend_from_slice(rest);
    body
}
