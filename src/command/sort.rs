//! SORT: the elements of a list, a set or a sorted set, by themselves or by what other keys hold.

use std::cmp::Ordering;
use std::ops::Range;

use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::{Deadline, Writer};
use crate::text::number::parse_f64;
use crate::value::hash::Hash;
use crate::value::list::{End, List};
use crate::value::{Kind, Value, ValueRef};
use crate::{Bytes, Error, Result};

/// How elements are sorted, and what is given for each.
pub(crate) struct Order<'o> {
    /// A pattern of keys whose values are compared in place of the elements. One without a star has nothing
    /// sorted at all.
    pub by: Option<&'o [u8]>,
    /// How many to pass over, and how many to give, all if that is negative.
    pub limit: Option<(i64, i64)>,
    /// Patterns of keys whose values are given in place of the elements; `#` is the element.
    pub get: Vec<&'o [u8]>,
    pub descending: bool,
    /// As bytes, not as numbers.
    pub alpha: bool,
    /// Reads a number; `None` for what is none.
    pub weight: fn(&[u8]) -> Option<f64>,
}

impl Order<'_> {
    /// By numbers from the least on, as `weight` reads them.
    pub(crate) fn by_numbers(weight: fn(&[u8]) -> Option<f64>) -> Self {
        Order { by: None, limit: None, get: Vec::new(), descending: false, alpha: false, weight }
    }

    /// Whether keys are read that only the elements tell.
    pub(crate) fn reads_others(&self) -> bool {
        let reads = |pattern: &&[u8]| **pattern != *b"#" && pattern.contains(&b'*');
        self.get.iter().chain(&self.by).any(reads)
    }

    fn sorts(&self) -> bool {
        self.by.is_none_or(|by| by.contains(&b'*'))
    }

    /// What is given of so many.
    fn range(&self, len: usize) -> Range<usize> {
        let (start, count) = self.limit.unwrap_or((0, -1));
        let start = usize::try_from(start.max(0)).unwrap_or(len).min(len);
        let count = usize::try_from(count).unwrap_or(len);
        start..start.saturating_add(count).min(len)
    }
}

/// SORT, SORT_RO: what is given for each element; `None` for what is not there. O(n log n)
///
/// # Errors
/// [`Error::WrongType`]; [`Error::Invalid`] if there is something to compare as a number that is none.
pub(crate) fn sort(view: &View<'_>, key: KeyRef<'_>, order: &Order<'_>) -> Result<Vec<Option<Bytes>>> {
    give(view, sorted(view, key, order, false)?, order)
}

/// SORT with STORE: how many elements the destination has now; without any there is no such key.
///
/// # Errors
/// [`Error::WrongType`]; [`Error::Invalid`] if there is something to compare as a number that is none.
pub(crate) fn store(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    destination: KeyRef<'_>,
    order: &Order<'_>,
) -> Result<usize> {
    let view = writer.view();
    let given = give(&view, sorted(&view, key, order, true)?, order)?;
    drop(view);
    if given.is_empty() {
        writer.discard(destination, KeyEvent::Del);
        return Ok(0);
    }
    let count = given.len();
    let mut list = List::default();
    given.into_iter().for_each(|element| list.push(End::Back, element.unwrap_or_default()));
    writer.set(destination, Value::List(list), Deadline::Clear, KeyEvent::SortStore)?;
    Ok(count)
}

/// The elements that are asked for, in their order.
fn sorted(view: &View<'_>, key: KeyRef<'_>, order: &Order<'_>, stores: bool) -> Result<Vec<Bytes>> {
    let Some(entry) = view.entry(key) else { return Ok(Vec::new()) };
    let ValueRef::Whole(value) = entry.value else { return Err(Error::WrongType) };
    let (len, is_in_order) = match value {
        Value::List(list) => (list.len(), true),
        Value::SortedSet(set) => (set.len(), true),
        Value::Set(set) => (set.len(), false),
        Value::String(_) | Value::Native(_) | Value::Hash(_) | Value::Stream(_) => {
            return Err(Error::WrongType);
        }
    };
    let range = order.range(len);
    if !order.sorts() {
        if is_in_order && order.descending {
            let mut elements = elements(value, len - range.end..len - range.start);
            elements.reverse();
            return Ok(elements);
        }
        // What is stored must not be in an order that nobody has asked for.
        if is_in_order || !stores {
            return Ok(elements(value, range));
        }
    }
    let by = order.by.filter(|_| order.sorts());
    let all = elements(value, 0..len);
    let mut sorted = if order.alpha || !order.sorts() {
        by_text(view, all, by, order.descending, stores)
    } else {
        by_number(view, all, by, order)?
    };
    sorted.truncate(range.end);
    Ok(sorted.split_off(range.start.min(sorted.len())))
}

/// Elements of a collection at these places.
fn elements(value: &Value, range: Range<usize>) -> Vec<Bytes> {
    match value {
        Value::List(list) => list.range(range).map(Bytes::from).collect(),
        Value::SortedSet(set) => set.scored(range).into_iter().map(|(_, member)| member).collect(),
        Value::Set(set) => set.iter().skip(range.start).take(range.len()).map(Bytes::from).collect(),
        Value::String(_) | Value::Native(_) | Value::Hash(_) | Value::Stream(_) => Vec::new(),
    }
}

fn by_number(
    view: &View<'_>,
    elements: Vec<Bytes>,
    by: Option<&[u8]>,
    order: &Order<'_>,
) -> Result<Vec<Bytes>> {
    const NO_NUMBER: Error = Error::Invalid("One or more scores can't be converted into double");
    let weight = |element: &Bytes| match by {
        None => (order.weight)(element).ok_or(NO_NUMBER),
        // What is missing counts as zero.
        Some(by) => {
            look_up(view, by, element).map_or(Ok(0.0), |found| (order.weight)(&found).ok_or(NO_NUMBER))
        }
    };
    let weighed = elements.into_iter().map(|element| Ok((weight(&element)?, element)));
    let mut weighed = weighed.collect::<Result<Vec<_>>>()?;
    weighed.sort_by(|(a, element), (b, other)| {
        let ordering = a.partial_cmp(b).unwrap_or(Ordering::Equal).then_with(|| element.cmp(other));
        if order.descending { ordering.reverse() } else { ordering }
    });
    Ok(weighed.into_iter().map(|(_, element)| element).collect())
}

fn by_text(
    view: &View<'_>,
    mut elements: Vec<Bytes>,
    by: Option<&[u8]>,
    descending: bool,
    stores: bool,
) -> Vec<Bytes> {
    let compare = |a: &[u8], b: &[u8]| {
        // What only is shown, Redis compares by the C library, for which a zero byte is the end.
        let order = if stores { a.cmp(b) } else { until_zero(a).cmp(until_zero(b)) };
        if descending { order.reverse() } else { order }
    };
    let Some(by) = by else {
        elements.sort_by(|a, b| compare(a, b));
        return elements;
    };
    let mut found: Vec<_> =
        elements.into_iter().map(|element| (look_up(view, by, &element), element)).collect();
    found.sort_by(|(a, _), (b, _)| match (a, b) {
        (Some(a), Some(b)) => compare(a, b),
        // What is missing comes first.
        (a, b) if descending => b.is_some().cmp(&a.is_some()),
        (a, b) => a.is_some().cmp(&b.is_some()),
    });
    found.into_iter().map(|(_, element)| element).collect()
}

fn give(view: &View<'_>, elements: Vec<Bytes>, order: &Order<'_>) -> Result<Vec<Option<Bytes>>> {
    if order.get.is_empty() {
        return Ok(elements.into_iter().map(Some).collect());
    }
    let of = |element: Bytes| order.get.iter().map(move |pattern| look_up(view, pattern, &element));
    Ok(elements.into_iter().flat_map(of).collect())
}

/// What stands under a pattern's key, with the element in place of the star: a string, or where the pattern
/// goes on with `->`, a field of a hash.
fn look_up(view: &View<'_>, pattern: &[u8], element: &Bytes) -> Option<Bytes> {
    if pattern == b"#" {
        return Some(element.clone());
    }
    let star = pattern.iter().position(|byte| *byte == b'*')?;
    let (head, tail) = (&pattern[..star], &pattern[star + 1..]);
    // An arrow with nothing behind it is part of the name.
    let arrow = tail.windows(2).position(|pair| pair == b"->").filter(|at| at + 2 < tail.len());
    let (tail, field) = match arrow {
        Some(at) => (&tail[..at], Some(&tail[at + 2..])),
        None => (tail, None),
    };
    let name = [head, element, tail].concat();
    let value = view.entry(view.space().key_ref(&name))?.value;
    match field {
        None => Bytes::of(value).map(|string| string.to_bytes()),
        Some(field) => Hash::of(value)?.value(field, view.now()),
    }
}

/// A number as C's `strtod` reads it: spaces before it do not matter, and nothing is zero.
pub(crate) fn weight(text: &[u8]) -> Option<f64> {
    let text = until_zero(text);
    if text.is_empty() {
        return Some(0.0);
    }
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_space(byte)).unwrap_or(text.len());
    parse_f64(text.get(start..)?)
}

pub(crate) fn until_zero(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}
