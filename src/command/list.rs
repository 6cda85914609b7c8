//! Lists: what LPUSH and its kin mean.

use std::mem;

use super::{Gather, Taken};
use crate::event::KeyEvent;
use crate::key::KeyRef;
use crate::keyspace::view::View;
use crate::keyspace::writer::{Absent, Step, Writer};
use crate::records::Text;
use crate::value::index::{resolve_index, resolve_range};
use crate::value::list::{End, List};
use crate::{Bytes, Error, Result};

/// LPUSH, RPUSH (and with [`Absent::Skip`] LPUSHX, RPUSHX): the list's new length, 0 if there is none.
pub(crate) fn push(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    end: End,
    elements: impl IntoIterator<Item = Bytes>,
    absent: Absent,
) -> Result<usize> {
    // Whether or not there is a list: it grows.
    writer.admit(key, 0)?;
    let pushed = writer.update(key, absent, |list: &mut List| {
        let before = list.len();
        elements.into_iter().for_each(|element| list.push(end, element));
        Ok(((before, list.len()), (list.len() > before).then_some(pushed_at(end))))
    })?;
    let (before, len) = pushed.unwrap_or_default();
    writer.note(key, &Step::Pushed(end, len - before));
    Ok(len)
}

/// LPOP, RPOP: at most `count` elements; `None` if the key is missing.
pub(crate) fn pop(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    end: End,
    count: usize,
) -> Result<Option<Popped>> {
    let popped = writer.update(key, Absent::Skip, |list: &mut List| {
        let event = (count > 0).then_some(popped_at(end));
        if count > 1 && count >= list.len() {
            return Ok((Popped::All(mem::take(list), end), event));
        }
        Ok((Popped::Some((0..count).map_while(|_| list.pop(end)).collect()), event))
    })?;
    if let Some(Popped::Some(popped)) = &popped {
        writer.note(key, &Step::Popped(end, popped.len()));
    }
    Ok(popped)
}

/// What was popped from an end: elements, or all that there were.
pub(crate) enum Popped {
    Some(Taken),
    All(List, End),
}

impl Popped {
    /// The elements in the order in which they were popped. May be O(popped): not for those who hold a lock.
    pub(crate) fn into_taken(self) -> Taken {
        match self {
            Popped::Some(taken) => taken,
            Popped::All(list, End::Front) => list.iter().map(Bytes::from).collect(),
            Popped::All(list, End::Back) => list.iter().rev().map(Bytes::from).collect(),
        }
    }
}

/// LMPOP: at most `count` elements of the first list that is there, and which of the keys that is.
pub(crate) fn pop_any(
    writer: &mut Writer<'_>,
    keys: &[KeyRef<'_>],
    end: End,
    count: usize,
) -> Result<Option<(usize, Popped)>> {
    if count == 0 {
        return Err(Error::Invalid("count should be greater than 0"));
    }
    for (at, key) in keys.iter().enumerate() {
        if let Some(popped) = pop(writer, *key, end, count)? {
            return Ok(Some((at, popped)));
        }
    }
    Ok(None)
}

/// Takes a [`pop`] back: the elements stand at `end` again, in the order they had, and a key that went
/// with them has its deadline again.
pub(crate) fn put_back(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    end: End,
    popped: Taken,
    deadline: Option<u64>,
) -> Result<()> {
    super::put_back(writer, key, deadline, |writer| {
        push(writer, key, end, popped.into_iter().rev(), Absent::Create)
    })
}

/// LMOVE, RPOPLPUSH: the element that was moved; `None` if the source is missing. A list that is moved
/// to itself is turned.
pub(crate) fn move_(
    writer: &mut Writer<'_>,
    source: KeyRef<'_>,
    destination: KeyRef<'_>,
    from: End,
    to: End,
) -> Result<Option<Bytes>> {
    if writer.find::<List>(source)?.is_none() {
        return Ok(None);
    }
    // Room is made before anything is moved: it might be the source that goes for it.
    writer.admit(destination, 0)?;
    writer.admit_all();
    let Some(list) = writer.find::<List>(source)? else { return Ok(None) };
    let Some(element) = list.peek(from).map(Bytes::from) else { return Ok(None) };
    // Pushed before it is popped: an error leaves both lists as they were, and a list of one element
    // that is turned does not go and take its deadline along.
    push(writer, destination, to, [element], Absent::Create)?;
    let popped = pop(writer, source, from, 1)?;
    Ok(popped.and_then(|popped| popped.into_taken().pop()))
}

/// How several elements are moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg(feature = "commands")]
pub(crate) struct Several {
    /// So many at most.
    pub most: usize,
    /// Nothing is moved if there are fewer.
    pub least: usize,
    /// In the order in which they stand; else one after the other.
    pub in_order: bool,
}

/// LMOVEM: the elements as they stand in the destination now; `None` if there are too few.
#[cfg(feature = "commands")]
pub(crate) fn move_several(
    writer: &mut Writer<'_>,
    source: KeyRef<'_>,
    destination: KeyRef<'_>,
    [from, to]: [End; 2],
    several: Several,
) -> Result<Option<Vec<Bytes>>> {
    if writer.find::<List>(source)?.is_none_or(|list| list.len() < several.least.max(1)) {
        return Ok(None);
    }
    writer.admit(destination, 0)?;
    writer.admit_all();
    // The destination's type is an error before anything is moved.
    writer.find::<List>(destination)?;
    let Some(list) = writer.find::<List>(source)? else { return Ok(None) };
    let count = several.most.min(list.len());
    let range = if from == End::Front { 0..count } else { list.len() - count..list.len() };
    let mut moved: Vec<Bytes> = list.range(range).map(Bytes::from).collect();
    // In the order in which they are popped, and then as they come to stand when each is pushed by itself.
    if !several.in_order && from == End::Back {
        moved.reverse();
    }
    if !several.in_order && to == End::Front {
        moved.reverse();
    }
    if source.bytes == destination.bytes {
        writer.update(source, Absent::Skip, |list: &mut List| {
            (0..count).for_each(|_| drop(list.pop(from)));
            push_all(list, to, &moved);
            Ok(((), Some(popped_at(from))))
        })?;
        return Ok(Some(moved));
    }
    writer.update(destination, Absent::Create, |list: &mut List| {
        push_all(list, to, &moved);
        Ok(((), Some(pushed_at(to))))
    })?;
    pop(writer, source, from, count)?;
    Ok(Some(moved))
}

/// Has elements stand at an end, in this order.
#[cfg(feature = "commands")]
fn push_all(list: &mut List, end: End, elements: &[Bytes]) {
    match end {
        End::Front => elements.iter().rev().for_each(|element| list.push(end, element.clone())),
        End::Back => elements.iter().for_each(|element| list.push(end, element.clone())),
    }
}

/// LLEN
pub(crate) fn len(view: &View<'_>, key: KeyRef<'_>) -> Result<usize> {
    Ok(view.find::<List>(key)?.map_or(0, List::len))
}

/// LINDEX
pub(crate) fn get(view: &View<'_>, key: KeyRef<'_>, index: i64) -> Result<Option<Bytes>> {
    let list = view.find::<List>(key)?;
    Ok(list.and_then(|list| list.get(resolve_index(index, list.len())?)).map(Bytes::from))
}

/// LRANGE
pub(crate) fn range(
    view: &View<'_>,
    key: KeyRef<'_>,
    (start, stop): (i64, i64),
    into: &mut impl Gather,
) -> Result<()> {
    let list = view.find::<List>(key)?;
    let range = list.and_then(|list| Some((list, resolve_range(start, stop, list.len())?)));
    into.expect(range.as_ref().map_or(0, |(_, range)| range.len()));
    if let Some((list, range)) = range {
        list.range(range).for_each(|element| into.take(element));
    }
    Ok(())
}

/// The whole list at this instant, shared with the store. O(1).
pub(crate) fn snapshot(view: &View<'_>, key: KeyRef<'_>) -> Result<List> {
    Ok(view.find::<List>(key)?.cloned().unwrap_or_default())
}

/// LSET
pub(crate) fn set(writer: &mut Writer<'_>, key: KeyRef<'_>, index: i64, element: Bytes) -> Result<()> {
    writer.admit(key, element.heap_bytes())?;
    let set = writer.update(key, Absent::Skip, |list: &mut List| {
        let at = resolve_index(index, list.len()).ok_or(Error::IndexOutOfRange)?;
        list.set(at, element);
        Ok((at, Some(KeyEvent::LSet)))
    })?;
    let at = set.ok_or(Error::NoSuchKey)?;
    writer.note(key, &Step::Element(at));
    Ok(())
}

/// On which side of the pivot LINSERT puts an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Before,
    After,
}

/// LINSERT: the new length; `Some(None)` if no element equals the pivot, `None` if the key is missing.
pub(crate) fn insert(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    side: Side,
    pivot: &[u8],
    element: Bytes,
) -> Result<Option<Option<usize>>> {
    writer.admit(key, element.heap_bytes())?;
    let inserted = writer.update(key, Absent::Skip, |list: &mut List| {
        let Some(pivot) = list.find(pivot, End::Front) else { return Ok((None, None)) };
        let at = pivot + usize::from(side == Side::After);
        list.insert(at, element);
        Ok((Some((at, list.len())), Some(KeyEvent::LInsert)))
    })?;
    if let Some(Some((at, _))) = inserted {
        writer.note(key, &Step::Inserted(at));
    }
    Ok(inserted.map(|inserted| inserted.map(|(_, len)| len)))
}

/// LREM: how many elements equal to `value` were removed, `limit` of them at most as seen from `from`;
/// all where there is no limit.
pub(crate) fn remove(
    writer: &mut Writer<'_>,
    key: KeyRef<'_>,
    value: &[u8],
    from: End,
    limit: Option<usize>,
) -> Result<usize> {
    let removed = writer.update(key, Absent::Skip, |list: &mut List| {
        let removed = match limit {
            Some(0) => 0,
            // A limit of 0 means none to the list.
            limit => list.remove_matching(value, from, limit.unwrap_or(0)),
        };
        Ok((removed, (removed > 0).then_some(KeyEvent::LRem)))
    })?;
    let count = removed.unwrap_or(0);
    if count > 0 {
        writer.note(key, &Step::Removed { value, from, count });
    }
    Ok(count)
}

/// LTRIM: how many elements were dropped. Announced even if there were none, as Redis does.
pub(crate) fn trim(writer: &mut Writer<'_>, key: KeyRef<'_>, start: i64, stop: i64) -> Result<usize> {
    let dropped = writer.update(key, Absent::Skip, |list: &mut List| {
        let kept = resolve_range(start, stop, list.len()).unwrap_or(0..0);
        let step = Step::Kept { from: kept.start, len: kept.len() };
        Ok(((list.truncate_to(kept), step), Some(KeyEvent::LTrim)))
    })?;
    let Some((dropped, step)) = dropped else { return Ok(0) };
    writer.note(key, &step);
    Ok(dropped)
}

/// Which of an element's positions [`List::positions`](crate::List::positions) gives: all of them,
/// unless it is told otherwise.
///
/// ```
/// use larder::{PositionOptions, Store};
///
/// let store = Store::new();
/// let names = store.list::<String>("names");
/// names.extend_back(["ann", "bob", "ann", "cid", "ann"])?;
/// assert_eq!(names.positions("ann", PositionOptions::new())?, [0, 2, 4]);
/// assert_eq!(names.positions("ann", PositionOptions::new().rank(2))?, [2, 4]);
/// assert_eq!(names.positions("ann", PositionOptions::new().rank(-1).count(2))?, [4, 2]);
/// assert_eq!(names.positions("ann", PositionOptions::new().max_len(3))?, [0, 2]);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct PositionOptions {
    rank: i64,
    count: usize,
    max_len: usize,
}

impl PositionOptions {
    /// All positions, from the front.
    pub const fn new() -> Self {
        PositionOptions { rank: 1, count: usize::MAX, max_len: usize::MAX }
    }

    /// Begins with the match of that number (`RANK`): 1 is the first, 2 the second; -1 the last, from
    /// where the search goes on towards the front. 0 is an error.
    pub const fn rank(mut self, rank: i64) -> Self {
        self.rank = rank;
        self
    }

    /// Gives at most that many positions (`COUNT`). Here 0 means none.
    pub const fn count(mut self, count: usize) -> Self {
        self.count = count;
        self
    }

    /// Looks at no more than that many elements (`MAXLEN`). Here 0 means none.
    pub const fn max_len(mut self, elements: usize) -> Self {
        self.max_len = elements;
        self
    }
}

impl Default for PositionOptions {
    fn default() -> Self {
        PositionOptions::new()
    }
}

/// There is no match of that number.
pub(crate) const RANK_ZERO: Error = Error::Invalid(
    "RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
     or use negative to start from the end of the list",
);

/// LPOS: the positions, from the front, of the elements equal to `value`, in the order of the search.
pub(crate) fn positions(
    view: &View<'_>,
    key: KeyRef<'_>,
    value: &[u8],
    options: PositionOptions,
) -> Result<Vec<usize>> {
    let PositionOptions { rank, count, max_len } = options;
    let Some(skipped) = rank.unsigned_abs().checked_sub(1) else { return Err(RANK_ZERO) };
    let Some(list) = view.find::<List>(key)? else { return Ok(Vec::new()) };
    let skipped = usize::try_from(skipped).unwrap_or(usize::MAX);
    let is_value = |element: Text<'_>| *element == *value;
    if rank > 0 {
        let passed = list.iter().take(max_len).enumerate();
        let found = passed.filter_map(|(passed, element)| is_value(element).then_some(passed));
        return Ok(found.skip(skipped).take(count).collect());
    }
    // No more elements are passed than there are.
    let last = list.len().saturating_sub(1);
    let passed = list.iter().rev().take(max_len).enumerate();
    let found = passed.filter_map(|(passed, element)| is_value(element).then_some(last - passed));
    Ok(found.skip(skipped).take(count).collect())
}

fn pushed_at(end: End) -> KeyEvent {
    match end {
        End::Front => KeyEvent::LPush,
        End::Back => KeyEvent::RPush,
    }
}

fn popped_at(end: End) -> KeyEvent {
    match end {
        End::Front => KeyEvent::LPop,
        End::Back => KeyEvent::RPop,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::pubsub::{Backlog, Hub, Subscription};
    use crate::{KeyEvents, Store};

    fn store() -> (Store, Subscription) {
        let store = Store::builder().key_events(KeyEvents::On).build();
        let events = Hub::subscriber(store.space().hub(), &Clock::System, Backlog::new());
        events.psubscribe("__keyspace@0__:*");
        (store, events)
    }

    /// The events that have come, each as `key event`.
    fn seen(events: &Subscription) -> Vec<String> {
        let messages = std::iter::from_fn(|| events.try_recv());
        let text = |bytes: &Bytes| bytes.as_str().unwrap_or_default().to_owned();
        messages.map(|m| format!("{} {}", &text(&m.channel)[15..], text(&m.payload))).collect()
    }

    #[test]
    fn each_change_is_announced_once_and_in_order() {
        let (store, events) = store();
        let (a, b) = (store.list::<String>("a"), store.list::<String>("b"));
        let check = |expected: &[&str]| assert_eq!(seen(&events), expected);
        a.extend_back(["1", "2", "3"]).unwrap();
        a.push_front("0").unwrap();
        check(&["a rpush", "a lpush"]);
        a.move_to("b", End::Front, End::Back).unwrap();
        check(&["b rpush", "a lpop"]);
        a.move_to("a", End::Back, End::Front).unwrap();
        check(&["a lpush", "a rpop"]);
        b.pop_back().unwrap();
        check(&["b rpop", "b del"]);
        a.insert_after("3", "4").unwrap();
        a.set(0, "5").unwrap();
        a.remove_all("5").unwrap();
        a.trim(0, -1).unwrap();
        check(&["a linsert", "a lset", "a lrem", "a ltrim"]);
        a.trim(1, 0).unwrap();
        check(&["a ltrim", "a del"]);
    }

    #[test]
    fn what_changes_nothing_is_not_announced() {
        let (store, events) = store();
        let list = store.list::<String>("a");
        list.push_back_if_present("1").unwrap();
        list.extend_back([] as [&str; 0]).unwrap();
        list.trim(1, 0).unwrap();
        list.push_back("1").unwrap();
        assert_eq!(seen(&events), ["a rpush"]);
        list.extend_back([] as [&str; 0]).unwrap();
        list.pop_front_many(0).unwrap();
        list.insert_before("2", "3").unwrap();
        list.set(1, "2").unwrap_err();
        list.remove_all("2").unwrap();
        list.remove_first("1", 0).unwrap();
        assert!(seen(&events).is_empty());
    }
}
