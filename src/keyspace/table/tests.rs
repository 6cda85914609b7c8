//! The table beside a plain map.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::keyspace::wheel::Due;
use crate::sync::atomic::Ordering;
use crate::value::set::Set;

#[derive(Debug, Clone)]
enum Step {
    /// A string of that byte, so many times.
    Set(u8, (u8, usize), u64),
    Rewrite(u8, (u8, usize)),
    SetMember(u8, u8),
    Append(u8, usize),
    Remove(u8),
    /// Removes some keys and adds others, and takes it back.
    Undo(Vec<u8>),
    SetDeadline(u8, u64),
    Sweep(u64, bool, usize),
}

fn step() -> impl Strategy<Value = Step> {
    let deadline = || prop_oneof![2 => Just(NEVER), 3 => 0u64..200];
    let length = || prop_oneof![4 => 0usize..20, 4 => 0usize..3, 1 => SHORT - 1..SHORT + 2, 1 => Just(1_000)];
    let text = || (any::<u8>(), length());
    prop_oneof![
        4 => (0u8..40, text(), deadline()).prop_map(|(key, text, at)| Step::Set(key, text, at)),
        2 => (0u8..40, text()).prop_map(|(key, text)| Step::Rewrite(key, text)),
        2 => (0u8..40, any::<u8>()).prop_map(|(key, member)| Step::SetMember(key, member)),
        2 => (0u8..40, length()).prop_map(|(key, len)| Step::Append(key, len)),
        4 => (0u8..40).prop_map(Step::Remove),
        1 => prop::collection::vec(0u8..40, 1..10).prop_map(Step::Undo),
        3 => (0u8..40, deadline()).prop_map(|(key, at)| Step::SetDeadline(key, at)),
        2 => (0u64..30, any::<bool>(), 0usize..40).prop_map(|(by, exact, budget)| Step::Sweep(by, exact, budget)),
    ]
}

fn name(key: u8) -> Vec<u8> {
    vec![key; if key % 8 == 0 { 300 } else { 9 }]
}

fn hash(key: u8) -> u64 {
    u64::from(key % 7) << 13
}

fn string(byte: u8, len: usize) -> Value {
    Value::String(Bytes::from(vec![byte; len]))
}

/// What a key holds, in words.
fn told(value: &Value) -> String {
    match value {
        Value::String(bytes) => format!("{bytes:?}"),
        Value::Set(set) => format!("{:?}", set.iter().map(Bytes::from).collect::<BTreeSet<_>>()),
        _ => unreachable!("not in this test"),
    }
}

impl Table {
    /// [`bytes`](Table::bytes), counted anew.
    pub(in crate::keyspace) fn recount(&self) -> usize {
        let values = self.contents.aside.iter().map(Value::recount).sum::<usize>();
        let contents = self.contents.records.recount() + self.contents.aside.recount() + values;
        let recency = self.recency.as_ref().map_or(0, |recency| recency.bytes());
        let weights = self.weights.as_ref().map_or(0, |weights| weights.bytes());
        let uses = self.uses.as_ref().map_or(0, |uses| uses.bytes());
        contents + self.due.bytes() + self.parts.recount() + recency + weights + uses
    }
}

type Model = BTreeMap<u8, (Value, u64)>;

fn check(table: &Table, model: &Model) {
    let seen: BTreeMap<Vec<u8>, (String, u64)> = table
        .contents()
        .iter()
        .map(|entry| (entry.key.to_vec(), (told(&entry.value.to_value()), entry.deadline)))
        .collect();
    let expected = model.iter().map(|(key, (value, at))| (name(*key), (told(value), *at)));
    assert_eq!(seen, expected.collect());
    assert_eq!(table.len(), model.len());
    assert_eq!(table.expiring(), model.values().filter(|(_, at)| *at != NEVER).count());
    assert_eq!(table.bytes(), table.recount());
    let first = model.values().map(|(_, at)| *at).min().unwrap_or(NEVER);
    let rounded = if first == NEVER { NEVER } else { first.next_multiple_of(16) };
    assert!(table.next_wake() <= rounded, "{} is after {first}", table.next_wake());
}

fn run(steps: Vec<Step>) {
    let (mut table, mut model, mut now) = (Table::default(), Model::new(), 0);
    for step in steps {
        apply(&mut table, &mut model, &mut now, step);
        check(&table, &model);
    }
}

fn apply(table: &mut Table, model: &mut Model, now: &mut u64, step: Step) {
    let find = |table: &Table, key: u8| table.find(hash(key), &name(key));
    match step {
        Step::Set(key, (byte, len), deadline) => {
            let value = string(byte, len);
            match find(table, key) {
                Some(at) => drop(table.replace(at, value.clone(), deadline)),
                None => table.insert(hash(key), &name(key), value.clone(), deadline).unwrap(),
            }
            model.insert(key, (value, deadline));
        }
        Step::Rewrite(key, (byte, len)) => {
            let Some(at) = find(table, key) else { return };
            let text = vec![byte; len];
            let old = table.rewrite(at, &text);
            let before = &mut model.get_mut(&key).unwrap().0;
            assert!(old.is_none_or(|old| told(&old) == told(before)));
            *before = Value::String(Bytes::from(text));
        }
        Step::SetMember(key, member) => {
            let mut set = Set::default();
            set.insert(&Bytes::from(&[member; 50]));
            let value = Value::Set(set);
            match find(table, key) {
                Some(at) => drop(table.update(at, |held| *held = value.clone())),
                None => table.insert(hash(key), &name(key), value.clone(), NEVER).unwrap(),
            }
            let deadline = model.get(&key).map_or(NEVER, |(_, deadline)| *deadline);
            model.insert(key, (value, deadline));
        }
        Step::Append(key, len) => {
            let append = |value: &mut Value| {
                if let Value::String(bytes) = value {
                    bytes.make_mut().extend(vec![key; len]);
                }
            };
            find(table, key).map(|at| table.update(at, append));
            if let Some((value, _)) = model.get_mut(&key) {
                append(value);
            }
        }
        Step::Remove(key) => {
            let taken = find(table, key).and_then(|at| table.take(at));
            let expected = model.remove(&key);
            assert_eq!(taken.map(|(v, at)| (told(&v), at)), expected.map(|(v, at)| (told(&v), at)));
        }
        Step::Undo(keys) => {
            let order: Vec<Vec<u8>> = table.contents().iter().map(|entry| entry.key.to_vec()).collect();
            let mut undo = Vec::new();
            for key in keys {
                match find(table, key) {
                    Some(at) => undo.push((key, table.take(at).map(|state| (at, state)))),
                    None => {
                        table.insert(hash(key), &name(key), string(key, 3), 77).unwrap();
                        undo.push((key, None));
                    }
                }
            }
            for (key, state) in undo.into_iter().rev() {
                match state {
                    Some((at, (value, deadline))) => {
                        table.put_back(at, hash(key), &name(key), 0);
                        table.replace(at, value, deadline);
                    }
                    None => drop(find(table, key).and_then(|at| table.take(at))),
                }
            }
            assert!(order.iter().eq(table.contents().iter().map(|entry| entry.key)));
        }
        Step::SetDeadline(key, deadline) => {
            if let Some(at) = find(table, key) {
                table.set_deadline(at, deadline);
                model.get_mut(&key).unwrap().1 = deadline;
            }
        }
        Step::Sweep(by, exact, mut budget) => {
            *now += by;
            let now = *now;
            table.pop_due(now, budget / 2, |key, _| assert!(model.remove(&key[0]).unwrap().1 <= now));
            loop {
                match table.next_due(now, exact, &mut budget) {
                    Due::Entry(at) => {
                        let key = table.get(at).unwrap().key[0];
                        assert!(model.remove(&key).unwrap().1 <= now);
                        table.remove(at);
                    }
                    Due::BudgetSpent => break,
                    Due::Nothing => {
                        let late = if exact { now } else { now.saturating_sub(15) };
                        assert!(model.values().all(|(_, at)| *at > late));
                        assert!(table.next_wake() > now);
                        let live = model.values().filter(|(_, at)| *at > now).count();
                        assert_eq!(table.count_live(now), Some(live));
                        break;
                    }
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn does_what_a_map_does(steps in prop::collection::vec(step(), 1..100)) {
        run(steps);
    }
}

/// Who reads a picture.
#[derive(Debug, Clone)]
enum Reading {
    /// What has been handed over.
    Handed,
    /// A page.
    Page(u32),
}

/// What stands at a position, in words.
type Said = (Vec<u8>, String, u64);

fn said(entry: Entry<'_>) -> Said {
    (entry.key.to_vec(), told(&entry.value.to_value()), entry.deadline)
}

proptest! {
    #[test]
    fn a_picture_is_read_as_it_was_and_what_is_written_to_is_handed_over(
        before in prop::collection::vec(step(), 1..60),
        turns in prop::collection::vec((
            prop::collection::vec(step(), 0..6),
            prop_oneof![Just(Reading::Handed), (0u32..12).prop_map(Reading::Page)],
        ), 0..20),
    ) {
        let (mut table, mut model, mut now) = (Table::default(), Model::new(), 0);
        before.into_iter().for_each(|step| apply(&mut table, &mut model, &mut now, step));
        let there: Vec<Said> = table.contents().iter().map(said).collect();
        let handover = Arc::default();
        let marks = table.hand_over(&handover, 3);
        let (picture, mut seen) = (table.picture(), Vec::new());
        let mut leaving = Leaving::of(picture, Arc::clone(&marks));
        let mut read = |leaving: &mut Leaving, page, is_asked| leaving.read(page, is_asked, |entry| {
            seen.push(said(entry));
            Ok::<(), ()>(())
        }).unwrap();
        for (steps, reading) in turns {
            for step in steps {
                apply(&mut table, &mut model, &mut now, step);
                check(&table, &model);
            }
            for (at, there) in (0..).zip(&there) {
                let is_same = table.get(at).is_some_and(|entry| said(entry) == *there);
                let is_handed_over = marks[page_of(at) as usize].load(Ordering::Relaxed);
                prop_assert!(is_same || is_handed_over, "{at} was written to");
            }
            match reading {
                Reading::Handed => for (number, page) in handover.take().unwrap_or_default() {
                    prop_assert_eq!(number, 3);
                    read(&mut leaving, page, true);
                },
                Reading::Page(page) => read(&mut leaving, page, false),
            }
        }
        (0..leaving.pages()).for_each(|page| read(&mut leaving, page, false));
        prop_assert!(leaving.holds_nothing());
        let mut there = there;
        there.sort_unstable();
        seen.sort_unstable();
        prop_assert_eq!(seen, there);
    }
}

#[test]
fn what_is_read_of_a_picture_goes_at_once_where_it_was_written_to() {
    let mut table = Table::default();
    for key in 0..40 {
        table.insert(hash(key), &name(key), string(key, 1_000), NEVER).unwrap();
    }
    let handover = Arc::default();
    let marks = table.hand_over(&handover, 0);
    let mut leaving = Leaving::of(table.picture(), marks);
    let held = |table: &Table, key| match table.get(key).map(|entry| entry.value.to_value()) {
        Some(Value::String(held)) => held,
        _ => unreachable!("a long string"),
    };
    let (first, last) = (held(&table, 0), held(&table, 39));
    // Asked for, and let go of: nothing is left to share.
    assert!(table.ask(hash(0), &name(0)).is_some() && table.ask(hash(1), &name(1)).is_none());
    assert_eq!(handover.take(), Some(vec![(0, 0)]));
    leaving.read(0, true, |_| Ok::<(), ()>(())).unwrap();
    assert_eq!((table.contents.records.holders(0), first.holders()), (1, 2));
    assert_eq!(table.contents.records.holders(39), 2);
    // Not asked for: the picture has what was there until it is read.
    table.replace(39, string(39, 2_000), NEVER).unwrap();
    assert_eq!((table.contents.records.holders(39), last.holders()), (1, 2));
    assert_eq!(handover.take(), Some(vec![(0, page_of(39))]));
    leaving.read(page_of(39), true, |_| Ok::<(), ()>(())).unwrap();
    assert_eq!(last.holders(), 1);
}

fn insert(table: &mut Table, positions: usize, name: &str) -> Result<()> {
    table.insert_below(positions, 0, name.as_bytes(), Value::String(Bytes::new()), 9)
}

#[test]
fn a_full_table_takes_no_key() {
    let mut table = Table::default();
    insert(&mut table, 2, "a").unwrap();
    insert(&mut table, 2, "b").unwrap();
    assert!(matches!(insert(&mut table, 2, "c"), Err(Error::TooManyKeys)));
    assert_eq!((table.len(), table.expiring(), table.find(0, b"c")), (2, 2, None));
    table.take(0).unwrap();
    insert(&mut table, 2, "c").unwrap();
    assert_eq!((table.len(), table.expiring()), (2, 2));
}
