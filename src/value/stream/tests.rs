//! Streams beside maps of the standard library.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::sorted::Sorted;
use super::*;
use crate::Bytes;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// A group's last id, its consumers, and what is pending for whom.
type Grouped = (StreamId, BTreeMap<Vec<u8>, u64>, BTreeMap<StreamId, (Vec<u8>, u64)>);

/// What a stream should hold: its entries, and what is pending in each group by consumer.
#[derive(Clone, Debug, Default)]
struct Model {
    entries: BTreeMap<StreamId, Fields>,
    facts: Facts,
    groups: BTreeMap<Vec<u8>, Grouped>,
}

#[derive(Clone, Debug)]
enum Op {
    Add(u64, u64, Fields),
    Remove(u64, u64),
    Trim(Keep, bool, References),
    Range(u64, u64),
    AddGroup(u8, u64),
    RemoveGroup(u8),
    AddConsumer(u8, u8),
    RemoveConsumer(u8, u8),
    Assign(u8, u8, u64, u64),
    Acknowledge(u8, u64, u64),
    Clone,
    Restore(usize),
}

fn fields() -> impl Strategy<Value = Fields> {
    let usual = prop::collection::vec(any::<u8>(), 0..5)
        .prop_map(|value| vec![(b"name".to_vec(), value.clone()), (b"n".to_vec(), value)]);
    let text = || prop::collection::vec(0_u8..3, 0..4);
    let other = prop::collection::vec((text(), text()), 1..4);
    let long = (0_usize..300).prop_map(|len| vec![(b"name".to_vec(), vec![7; len])]);
    prop_oneof![6 => usual, 2 => other, 1 => long]
}

fn op() -> impl Strategy<Value = Op> {
    let (ms, seq) = (0_u64..40, 0_u64..3);
    let keep = prop_oneof![
        (0_u64..20).prop_map(Keep::Len),
        (ms.clone(), seq.clone()).prop_map(|(ms, seq)| Keep::From(StreamId::new(ms, seq)))
    ];
    let references = prop_oneof![3 => Just(References::Keep), 1 => Just(References::Remove), 1 => Just(References::Acknowledged)];
    prop_oneof![
        12 => (prop_oneof![9 => 0_u64..3, 1 => Just(1 << 40)], 0_u64..5, fields())
            .prop_map(|(ms, seq, fields)| Op::Add(ms, seq, fields)),
        4 => (ms.clone(), seq.clone()).prop_map(|(ms, seq)| Op::Remove(ms, seq)),
        2 => (keep, any::<bool>(), references).prop_map(|(keep, roughly, refs)| Op::Trim(keep, roughly, refs)),
        3 => (ms.clone(), 0_u64..40).prop_map(|(from, to)| Op::Range(from, to)),
        1 => (0_u8..3, 0_u64..10).prop_map(|(group, last)| Op::AddGroup(group, last)),
        1 => (0_u8..3).prop_map(Op::RemoveGroup),
        2 => (0_u8..3, 0_u8..4).prop_map(|(group, name)| Op::AddConsumer(group, name)),
        1 => (0_u8..3, 0_u8..4).prop_map(|(group, name)| Op::RemoveConsumer(group, name)),
        9 => (0_u8..3, 0_u8..4, ms.clone(), seq.clone())
            .prop_map(|(group, name, ms, seq)| Op::Assign(group, name, ms, seq)),
        4 => (0_u8..3, ms, seq).prop_map(|(group, ms, seq)| Op::Acknowledge(group, ms, seq)),
        1 => Just(Op::Clone),
        1 => (0_usize..3).prop_map(Op::Restore),
    ]
}

fn owned(entry: Entry<'_>) -> (StreamId, Fields) {
    (entry.id, entry.fields().map(|(name, value)| (name.to_vec(), value.to_vec())).collect())
}

fn named(number: u8) -> Vec<u8> {
    vec![b'a' + number; 1 + 20 * usize::from(number)]
}

/// Applies the operation to both, and compares what comes out.
fn apply(op: Op, stream: &mut Stream, model: &mut Model, clones: &mut Vec<(Stream, Model)>) {
    match op {
        Op::Add(ms, seq, fields) => {
            let last = model.facts.last;
            let Some(next) = last.next() else { return };
            let id = if ms == 0 {
                StreamId::new(next.ms, next.seq + seq)
            } else {
                StreamId::new(last.ms + ms, seq)
            };
            let parts: Vec<_> = fields.iter().map(|(name, value)| (&name[..], &value[..])).collect();
            stream.push(id, &parts);
            model.facts.last = id;
            model.facts.added += 1;
            model.entries.insert(id, fields);
        }
        Op::Remove(ms, seq) => {
            let id = StreamId::new(ms, seq);
            let removed = model.entries.remove(&id).is_some();
            assert_eq!(stream.remove(id), removed);
            if removed {
                model.facts.max_deleted = model.facts.max_deleted.max(id);
            }
        }
        Op::Trim(keep, roughly, references) => trim(keep, roughly, references, stream, model),
        Op::Range(from, to) => {
            let (start, end) = (StreamId::new(from, 1), StreamId::new(from + to, 0));
            let expected: Vec<_> = match start <= end {
                true => model.entries.range(start..=end).map(|(id, fields)| (*id, fields.clone())).collect(),
                false => Vec::new(),
            };
            assert_eq!(stream.range(start, end).map(owned).collect::<Vec<_>>(), expected);
            let mut back: Vec<_> = stream.range_back(start, end).map(owned).collect();
            back.reverse();
            assert_eq!(back, expected);
        }
        Op::AddGroup(group, last) => {
            let (name, last) = (named(group), StreamId::new(last, 0));
            let is_new = !model.groups.contains_key(&name);
            assert_eq!(stream.add_group(Group::new(Bytes::from(&name[..]), last, None)), is_new);
            if is_new {
                model.groups.insert(name, (last, BTreeMap::new(), BTreeMap::new()));
            }
        }
        Op::RemoveGroup(group) => {
            let name = named(group);
            assert_eq!(stream.remove_group(&name), model.groups.remove(&name).is_some());
        }
        Op::AddConsumer(group, consumer) => {
            let name = named(consumer);
            let added = stream.change_group(&named(group), |group| group.find_or_add(&name, 5).1);
            let expected =
                model.groups.get_mut(&named(group)).map(|(_, all, _)| all.insert(name, 5).is_none());
            assert_eq!(added, expected);
        }
        Op::RemoveConsumer(group, consumer) => {
            let name = named(consumer);
            let removed = stream.change_group(&named(group), |group| group.remove(&name)).flatten();
            let expected = model.groups.get_mut(&named(group)).and_then(|(_, all, pending)| {
                all.remove(&name)?;
                let before = pending.len();
                pending.retain(|_, (of, _)| *of != name);
                Some(before - pending.len())
            });
            assert_eq!(removed, expected);
        }
        Op::Assign(group, consumer, ms, seq) => {
            let (id, name) = (StreamId::new(ms, seq), named(consumer));
            let Some((_, all, pending)) = model.groups.get_mut(&named(group)) else { return };
            if !all.contains_key(&name) {
                return;
            }
            pending.insert(id, (name.clone(), ms));
            stream.change_group(&named(group), |group| {
                let consumer = group.find(&name);
                group.assign(id, Pending { consumer, time: ms, count: 1 });
            });
        }
        Op::Acknowledge(group, ms, seq) => {
            let id = StreamId::new(ms, seq);
            let was = stream.change_group(&named(group), |group| group.acknowledge(id));
            let expected =
                model.groups.get_mut(&named(group)).map(|(_, _, pending)| pending.remove(&id).is_some());
            assert_eq!(was, expected);
        }
        Op::Clone => clones.push((stream.clone(), model.clone())),
        Op::Restore(which) => {
            if let Some(saved) = clones.get(which) {
                (*stream, *model) = saved.clone();
            }
        }
    }
}

fn trim(keep: Keep, roughly: bool, references: References, stream: &mut Stream, model: &mut Model) {
    let roughly = roughly.then_some(usize::MAX);
    let removed = stream.trim(Trim { keep, roughly, references });
    let too_many = match keep {
        Keep::Len(most) => model.entries.len().saturating_sub(most as usize),
        Keep::From(least) => model.entries.range(..least).count(),
    };
    let mut goes: Vec<_> = model.entries.keys().copied().take(too_many).collect();
    if references == References::Acknowledged {
        let is_done = |id: &StreamId| {
            model.groups.values().all(|(last, _, pending)| last >= id && !pending.contains_key(id))
        };
        goes.retain(is_done);
    }
    if roughly.is_some() {
        // Whole chunks: no more than that, and in order.
        assert!(removed <= goes.len() && goes.len() - removed < usize::from(chunk::MOST));
        goes.truncate(removed);
    }
    assert_eq!(removed, goes.len());
    for id in goes {
        model.entries.remove(&id);
        if references == References::Remove {
            model.groups.values_mut().for_each(|(_, _, pending)| drop(pending.remove(&id)));
        }
    }
}

fn check(stream: &Stream, model: &Model) {
    let all = stream.range(StreamId::MIN, StreamId::MAX).map(owned);
    assert!(all.eq(model.entries.iter().map(|(id, fields)| (*id, fields.clone()))));
    assert_eq!((stream.len(), stream.is_empty()), (model.entries.len(), model.entries.is_empty()));
    assert_eq!(stream.first(), model.entries.keys().next().copied());
    assert_eq!(stream.last(), model.entries.keys().next_back().copied());
    assert_eq!(stream.facts(), model.facts);
    assert_eq!(stream.bytes(), stream.recount());
    assert!(stream.groups().map(|group| group.name().to_vec()).eq(model.groups.keys().cloned()));
    for (group, (last, consumers, pending)) in stream.groups().zip(model.groups.values()) {
        assert_eq!(group.last, *last);
        assert!(group.consumers().map(|(_, consumer)| consumer.name.to_vec()).eq(consumers.keys().cloned()));
        let name = |number: Option<u32>| group.consumer(number.unwrap()).unwrap().name.to_vec();
        let all = group.pending().from(StreamId::MIN);
        let all: Vec<_> = all.map(|(id, pending)| (id, (name(pending.consumer), pending.time))).collect();
        assert!(all.into_iter().eq(pending.iter().map(|(id, pending)| (*id, pending.clone()))));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn behaves_as_maps_and_clones_stay_as_they_were(ops in prop::collection::vec(op(), 1..120)) {
        let (mut stream, mut model, mut clones) = (Stream::default(), Model::default(), Vec::new());
        for op in ops {
            apply(op, &mut stream, &mut model, &mut clones);
            check(&stream, &model);
        }
        for (stream, model) in &clones {
            check(stream, model);
        }
    }

    #[test]
    fn what_is_sorted_behaves_as_a_map(
        ops in prop::collection::vec((0_u8..6, 0_u64..60), 1..200),
    ) {
        let (mut sorted, mut model) = (Sorted::default(), BTreeMap::new());
        let mut clone = sorted.clone();
        for (op, number) in ops {
            let id = StreamId::new(number, 1);
            match op {
                0..=2 => prop_assert_eq!(sorted.insert(id, op), model.insert(id, op)),
                3 => prop_assert_eq!(sorted.remove(id), model.remove(&id)),
                4 => prop_assert!(sorted.from(id).map(|(id, thing)| (id, *thing))
                    .eq(model.range(id..).map(|(id, thing)| (*id, *thing)))),
                _ => clone = sorted.clone(),
            }
            sorted.check();
            prop_assert_eq!(sorted.get(id), model.get(&id));
            prop_assert_eq!(sorted.first(), model.keys().next().copied());
            prop_assert_eq!(sorted.last(), model.keys().next_back().copied());
        }
        clone.check();
    }
}

#[test]
fn a_write_beside_a_clone_copies_one_chunk() {
    let mut stream = Stream::default();
    for ms in 1..=40 {
        stream.push(StreamId::new(ms, 0), &[(b"field", b"value")]);
    }
    let mut copy = stream.clone();
    copy.remove(StreamId::new(20, 0));
    copy.push(StreamId::new(41, 0), &[(b"field", b"value")]);
    let pairs = stream.0.chunks.iter().zip(&copy.0.chunks);
    assert_eq!(pairs.filter(|(one, other)| !Arc::ptr_eq(one, other)).count(), 1);
}

#[test]
fn ids_are_read_and_written() {
    for text in ["0-0", "1-2", "18446744073709551615-18446744073709551615"] {
        assert_eq!(text.parse::<StreamId>().unwrap().to_string(), text);
    }
    for text in ["", "-", "+", "1-", "-1", "1--2", "+1", " 1", "1-2-3", "18446744073709551616", "1-*", "*"] {
        assert_eq!(text.parse::<StreamId>(), Err(InvalidStreamId), "{text}");
    }
}
