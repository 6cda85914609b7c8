use super::super::{Version, crc64, dump, restore};
use super::*;
use crate::Compat;
use crate::clock::{Clock, ManualClock, Time};
use crate::value::{Value, ValueRef};
use proptest::prelude::*;

fn clock() -> Clock {
    ManualClock::new().into()
}

fn load(body: &[u8], compat: Compat) -> Option<Stream> {
    let covered = [body, &Version::of(compat).0.to_le_bytes()].concat();
    let payload = [&covered[..], &crc64::update(0, &covered).to_le_bytes()].concat();
    match restore(&payload, compat, Time::new(&clock(), None), 1 << 24) {
        Ok(Some(Value::Stream(stream))) => Some(stream),
        _ => None,
    }
}

fn body(stream: &Stream, compat: Compat) -> Vec<u8> {
    let value = Value::Stream(stream.clone());
    let mut dumped = dump(ValueRef::Whole(&value), compat, &clock(), 0).unwrap();
    dumped.truncate(dumped.len() - 10);
    dumped
}

/// All that a stream holds.
fn shown(stream: &Stream) -> String {
    let entries = stream.range(StreamId::MIN, StreamId::MAX);
    let entries: Vec<_> = entries.map(|entry| (entry.id, entry.fields().collect::<Vec<_>>())).collect();
    let of = |group: &Group| {
        let consumers: Vec<_> = group
            .consumers()
            .map(|(_, it)| (it.name.clone(), it.seen, it.active, it.pending.len()))
            .collect();
        let name = |number: u32| group.consumer(number).map(|consumer| consumer.name.clone());
        let pending: Vec<_> = group
            .pending()
            .from(StreamId::MIN)
            .map(|(id, it)| (id, it.consumer.and_then(name), it.time, it.count))
            .collect();
        format!("{:?} {:?} {:?} {consumers:?} {pending:?}", group.name(), group.last, group.read)
    };
    let groups: Vec<_> = stream.groups().map(of).collect();
    let producers = stream.producers().map(|known| {
        let all: Vec<_> = known.iter().map(|(name, all)| (name, all.collect::<Vec<_>>())).collect();
        format!("{:?} {all:?} {} {}", known.retention(), known.added, known.duplicates)
    });
    format!("{entries:?} {:?} {groups:?} {producers:?}", stream.facts())
}

fn stream() -> impl Strategy<Value = Stream> {
    let entry = (0u64..3, 0u64..3, 0usize..3, 0i64..3000);
    let parts = (prop::collection::vec(entry, 0..130), prop::collection::vec((0u8..3, 0usize..140), 0..20));
    (parts, 0u64..5).prop_map(|((entries, pending), gone)| {
        let mut stream = Stream::default();
        let mut id = StreamId::new(1_700_000_000_000, 3);
        let mut ids = Vec::new();
        for (ms, seq, names, value) in entries {
            id =
                if ms == 0 { StreamId::new(id.ms, id.seq + seq + 1) } else { StreamId::new(id.ms + ms, seq) };
            let value = value.to_string();
            let fields = [(&b"name"[..], value.as_bytes()), (b"12", b"x"), (b"", b"")];
            stream.push(id, &fields[..names + 1]);
            ids.push(id);
        }
        for removed in ids.iter().take(gone as usize) {
            stream.remove(*removed);
        }
        let mut group = Group::new(Bytes::from("group"), id, (gone > 2).then_some(gone));
        for (consumer, at) in pending {
            let (number, _) = group.find_or_add(&[b'a' + consumer], 7);
            group.set_times(number, 5, (at % 3 > 0).then_some(at as u64));
            if let Some(id) = ids.get(at).filter(|id| group.pending().get(**id).is_none()) {
                group.assign(*id, Pending { consumer: Some(number), time: 99, count: 2 });
            }
        }
        stream.add_group(group);
        stream
    })
}

/// What no older server has.
fn add_newest(stream: &mut Stream, messages: &[(u8, u16, u16)], nobodys: &[prop::sample::Index]) {
    if !messages.is_empty() {
        let producers = stream.producers_mut(Retention::new(7, 20).unwrap());
        (producers.added, producers.duplicates) = (1_000, u64::MAX);
        for (name, message, ms) in messages {
            let (name, message) = (vec![*name; usize::from(*name) * 9], message.to_string());
            if producers.get(&name, message.as_bytes(), 0).is_none() {
                producers.insert(&name, message.as_bytes(), StreamId::new((*ms).into(), 1));
            }
        }
    }
    stream.change_group(b"group", |group| {
        let ids: Vec<_> = group.pending().from(StreamId::MIN).map(|(id, _)| id).collect();
        for at in nobodys.iter().filter(|_| !ids.is_empty()) {
            group.assign(*at.get(&ids), Pending { consumer: None, time: 0, count: 3 });
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn comes_back_as_it_was(
        stream in stream(), at in any::<prop::sample::Index>(), to in any::<u8>(),
        compat in prop::sample::select(vec![Compat::Redis72, Compat::Redis82, Compat::Redis810, Compat::Valkey9]),
        messages in prop::collection::vec((0_u8..4, 0_u16..300, any::<u16>()), 0..60),
        nobodys in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let mut stream = stream;
        if compat == Compat::Redis810 {
            add_newest(&mut stream, &messages, &nobodys);
        }
        let mut body = body(&stream, compat);
        prop_assert_eq!(shown(&load(&body, compat).unwrap()), shown(&stream));
        for end in (0..body.len()).step_by(7) {
            prop_assert!(load(&body[..end], compat).is_none());
        }
        let at = at.index(body.len());
        body[at] = to;
        let _ = load(&body, compat);
    }
}

#[test]
fn names_that_are_shared_are_not_multiplied_without_end() {
    let mut packed = Builder::new();
    const ENTRIES: i64 = 20_000;
    [ENTRIES, 0, 1].into_iter().for_each(|number| packed.push_integer(number));
    packed.push(&[b'n'; 1 << 20]);
    packed.push_integer(0);
    for seq in 0..ENTRIES {
        [SAME, 0, seq, 7, 4].into_iter().for_each(|number| packed.push_integer(number));
    }
    assert!(load(&of_node(packed, ENTRIES as u64), Compat::Redis70).is_none());
}

/// A stream of one node.
fn of_node(packed: Builder, entries: u64) -> Vec<u8> {
    let mut body = vec![STREAM, 1];
    write_string(&mut body, &StreamId::new(1, 1).to_be_bytes()).unwrap();
    write_string(&mut body, &packed.finish()).unwrap();
    [entries, 1, entries, 0].into_iter().for_each(|number| write_length(&mut body, number).unwrap());
    body
}

/// As servers write with other settings than the usual ones: what stands once in the file does so here too, or nearly.
#[test]
fn long_names_that_are_shared_are_kept_few_times() {
    let mut packed = Builder::new();
    const ENTRIES: i64 = 1_000;
    [ENTRIES, 0, 1].into_iter().for_each(|number| packed.push_integer(number));
    packed.push(&[b'n'; 5_000]);
    packed.push_integer(0);
    for seq in 0..ENTRIES {
        [SAME, 0, seq, 7, 4].into_iter().for_each(|number| packed.push_integer(number));
    }
    let stream = load(&of_node(packed, ENTRIES as u64), Compat::Redis70).unwrap();
    assert_eq!(stream.len(), 1_000);
    let mut entries = stream.range(StreamId::MIN, StreamId::MAX);
    assert!(entries.all(|entry| entry.fields().all(|field| field == (&[b'n'; 5_000][..], &b"7"[..]))));
    assert!(stream.bytes() < 100_000 || crate::TINY, "{}", stream.bytes());
}

/// What is trimmed about goes by chunks, which are those of a stream that was filled here.
#[test]
fn a_stream_that_is_read_is_divided_as_one_that_was_filled() {
    let mut filled = Stream::default();
    for seq in 1..=1_000 {
        let more: &[(&[u8], &[u8])] =
            if seq % 70 < 10 { &[(b"a", b"i"), (b"c", b"x")] } else { &[(b"a", b"i")] };
        filled.push(StreamId::new(1, seq), more);
    }
    let read = load(&body(&filled, Compat::Redis70), Compat::Redis70).unwrap();
    assert_eq!((read.len(), read.chunks().len()), (filled.len(), filled.chunks().len()));
    assert!(read.bytes() <= filled.bytes());
}

#[test]
fn a_producer_has_no_message_twice() {
    let mut stream = Stream::default();
    let producers = stream.producers_mut(Retention::default());
    producers.insert(b"p", b"first", StreamId::new(1, 1));
    producers.insert(b"p", b"other", StreamId::new(2, 1));
    let mut body = body(&stream, Compat::Redis810);
    assert!(load(&body, Compat::Redis810).is_some());
    let at = body.windows(5).position(|part| part == b"other").unwrap();
    body[at..at + 5].copy_from_slice(b"first");
    assert!(load(&body, Compat::Redis810).is_none());
}

#[test]
fn what_is_pending_for_nobody_is_refused_by_name() {
    let mut stream = Stream::default();
    stream.push(StreamId::new(1, 1), &[(b"a", b"b")]);
    let mut group = Group::new(Bytes::from("group"), StreamId::new(1, 1), None);
    group.assign(StreamId::new(1, 1), Pending { consumer: None, time: 1, count: 1 });
    stream.add_group(group);
    let refused = dump(ValueRef::Whole(&Value::Stream(stream)), Compat::Redis82, &clock(), 0);
    assert_eq!(refused, Err("a stream with entries that are pending for nobody"));
}

#[test]
fn a_node_ends_where_those_of_redis_do() {
    let mut stream = Stream::default();
    (1..=201).for_each(|ms| stream.push(StreamId::new(ms, 1), &[(b"name", b"value")]));
    assert_eq!(body(&stream, Compat::Redis82)[..2], [STREAM_3, 3]);
}

#[test]
fn what_producers_have_added_is_refused_by_name() {
    let mut stream = Stream::default();
    stream.producers_mut(Retention::default()).insert(b"p", b"1", StreamId::new(1, 1));
    let value = Value::Stream(stream);
    let dumped = |compat| dump(ValueRef::Whole(&value), compat, &clock(), 0);
    for compat in [Compat::Redis70, Compat::Redis82, Compat::Valkey9] {
        assert_eq!(dumped(compat), Err("a stream with messages under ids of their producers"));
    }
    // By hand: no nodes; length, ids and counts of 0, and no groups; 100 seconds and messages, a producer with
    // a message of 1-1, and that none was counted.
    let body =
        [&[STREAM_5, 0][..], &[0; 9], &[0x40, 100, 0x40, 100, 1, 1, b'p', 1, 0xc0, 1, 1, 1, 0, 0]].concat();
    let written = dumped(Compat::Redis810).unwrap();
    assert_eq!(written[..written.len() - 10], body);
}
