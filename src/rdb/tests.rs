//! Payloads: each encoding that there has been, what comes back, and what is refused.

use proptest::prelude::*;

use super::*;
use crate::Bytes;
use crate::clock::{Clock, ManualClock, NEVER, Time};
use crate::value::hash::Hash;
use crate::value::list::{End, List};
use crate::value::set::Set;
use crate::value::sorted_set::SortedSet;
use crate::value::{Value, ValueRef};

const LIMIT: usize = 1 << 20;

fn clock() -> Clock {
    ManualClock::new().into()
}

/// A payload of these bytes.
fn payload(body: &[u8], version: u16) -> Vec<u8> {
    let covered = [body, &version.to_le_bytes()].concat();
    let checksum = crc64::update(0, &covered).to_le_bytes();
    [covered, checksum.to_vec()].concat()
}

fn load(body: &[u8], compat: Compat) -> Result<Option<Value>, Refused> {
    let payload = payload(body, Version::of(compat).0);
    restore(&payload, compat, Time::new(&clock(), None), LIMIT)
}

/// What a value holds, in an order of its own where it has none.
fn shown(value: &Value) -> Vec<String> {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    let mut all: Vec<String> = match value {
        Value::String(string) => vec![text(string)],
        Value::List(list) => return list.iter().map(|element| text(&element)).collect(),
        Value::Set(set) => set.iter().map(|member| text(&Bytes::from(member))).collect(),
        Value::Hash(hash) => hash
            .iter(0)
            .map(|(name, value)| format!("{}={} {:?}", text(name), text(value), hash.deadline(name, 0)))
            .collect(),
        Value::SortedSet(set) => {
            return set.iter().map(|(score, member)| format!("{} {score:?}", text(member))).collect();
        }
        #[allow(unreachable_patterns, reason = "there may be other types")]
        _ => Vec::new(),
    };
    all.sort();
    all
}

/// A string as it stands in a payload.
fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    encode::write_string(&mut out, bytes).unwrap();
    out
}

fn packed(elements: &[&[u8]]) -> Vec<u8> {
    let mut builder = listpack::Builder::new();
    elements.iter().for_each(|element| builder.push(element));
    string(&builder.finish())
}

fn ziplist(elements: &[&[u8]]) -> Vec<u8> {
    let elements: Vec<Vec<u8>> = elements.iter().map(|element| element.to_vec()).collect();
    string(&super::ziplist::tests::written(&elements))
}

#[test]
fn every_encoding_of_a_value_is_read() {
    let strings =
        |elements: &[&[u8]]| elements.iter().flat_map(|element| string(element)).collect::<Vec<u8>>();
    let of = |kind: u8, parts: &[&[u8]]| [&[kind], parts.concat().as_slice()].concat();
    let (a, b): (&[u8], &[u8]) = (b"a", b"-300");
    let long = [b'x'; 9000];
    let list = ["a", "-300"].map(String::from);
    for body in [
        of(kind::LIST, &[&[2], &strings(&[a, b])]),
        of(kind::LIST_ZIPLIST, &[&ziplist(&[a, b])]),
        of(kind::LIST_QUICKLIST, &[&[2], &ziplist(&[a]), &ziplist(&[b])]),
        of(kind::LIST_QUICKLIST_2, &[&[2, 2], &packed(&[a]), &[1], &string(b)]),
    ] {
        assert_eq!(shown(&load(&body, Compat::Redis70).unwrap().unwrap()), list, "{}", body.escape_ascii());
    }
    let body = of(kind::LIST_QUICKLIST_2, &[&[1, 1], &string(&long)]);
    assert_eq!(shown(&load(&body, Compat::Redis72).unwrap().unwrap()), ["x".repeat(9000)]);
    for body in [
        of(kind::SET, &[&[2], &strings(&[b"7", b"-300"])]),
        of(kind::SET_INTSET, &[&string(&intset::write(&[-300, 7]))]),
        of(kind::SET_LISTPACK, &[&packed(&[b"7", b"-300"])]),
    ] {
        assert_eq!(shown(&load(&body, Compat::Redis72).unwrap().unwrap()), ["-300", "7"]);
    }
    let (half, infinite) = (0.5_f64.to_le_bytes(), f64::INFINITY.to_le_bytes());
    for body in [
        of(kind::ZSET, &[&[2, 1], b"a\x030.5", &[1], b"b\xfe"]),
        of(kind::ZSET_2, &[&[2, 1], b"b", &infinite, &[1], b"a", &half]),
        of(kind::ZSET_ZIPLIST, &[&ziplist(&[b"a", b"0.5", b"b", b"inf"])]),
        of(kind::ZSET_LISTPACK, &[&packed(&[b"a", b"0.5", b"b", b"inf"])]),
    ] {
        assert_eq!(shown(&load(&body, Compat::Redis70).unwrap().unwrap()), ["a 0.5", "b inf"]);
    }
    for body in [
        of(kind::HASH, &[&[2], &strings(&[b"a", b"1", b"b", b"2"])]),
        of(kind::HASH_ZIPMAP, &[&string(b"\x02\x01a\x01\x001\x01b\x01\x012.\xff")]),
        of(kind::HASH_ZIPLIST, &[&ziplist(&[b"a", b"1", b"b", b"2"])]),
        of(kind::HASH_LISTPACK, &[&packed(&[b"a", b"1", b"b", b"2"])]),
    ] {
        let fields = [format!("a=1 {:?}", Some(NEVER)), format!("b=2 {:?}", Some(NEVER))];
        assert_eq!(shown(&load(&body, Compat::Redis70).unwrap().unwrap()), fields);
    }
}

#[test]
fn fields_come_with_their_deadlines_in_each_form() {
    let of = |kind: u8, parts: &[&[u8]]| [&[kind], parts.concat().as_slice()].concat();
    let wall = clock().wall();
    let late = wall + 5_000;
    let length = |number: u64| {
        let mut out = Vec::new();
        encode::write_length(&mut out, number).unwrap();
        out
    };
    let none = (-1_i64).to_le_bytes();
    let text = late.to_string();
    let bytes = late.to_le_bytes();
    let past = (wall - 1).to_string();
    let triples = packed(&[b"o", b"3", past.as_bytes(), b"a", b"1", text.as_bytes(), b"b", b"2", b"0"]);
    let redis = [
        of(kind::HASH_22, &[&[2], &length(late), b"\x01a\x011", &[0], b"\x01b\x012"]),
        of(kind::HASH_LISTPACK_EX_OLD, &[&triples]),
        of(kind::HASH_METADATA, &[&bytes, &[2, 1], b"\x01a\x011", &[0], b"\x01b\x012"]),
        of(kind::HASH_LISTPACK_EX, &[&bytes, &triples]),
    ];
    let valkey = of(kind::HASH_22, &[&[2], b"\x01a\x011", &bytes, b"\x01b\x012", &none]);
    let all = redis.into_iter().map(|body| (body, Compat::Redis82)).chain([(valkey, Compat::Valkey9)]);
    for (body, compat) in all {
        let value = load(&body, compat).unwrap().unwrap();
        let at = clock().moment_of(late);
        let fields = [format!("a=1 {:?}", Some(at)), format!("b=2 {:?}", Some(NEVER))];
        assert_eq!(shown(&value), fields, "{}", body.escape_ascii());
    }
    let over = of(kind::HASH_22, &[&[1], b"\x01a\x011", &1_u64.to_le_bytes()]);
    assert!(load(&over, Compat::Valkey9).unwrap().is_none(), "nothing is left of it");
}

#[test]
fn what_a_server_does_not_take() {
    let string = b"\x00\x05hello";
    let footer = |version, compat| {
        !matches!(
            restore(&payload(string, version), compat, Time::new(&clock(), None), LIMIT),
            Err(Refused::Footer)
        )
    };
    assert_eq!(
        [0, 9, 10, 11, 80].map(|version| footer(version, Compat::Redis70)),
        [true, true, true, false, false]
    );
    let valkey = [0, 1, 11, 12, 15, 79, 80, 81].map(|version| footer(version, Compat::Valkey9));
    assert_eq!(valkey, [false, true, true, false, false, false, true, false]);
    let content = |body: &[u8], compat| matches!(load(body, compat), Err(Refused::Content));
    let listpack = [&[kind::SET_LISTPACK], packed(&[b"a"]).as_slice()].concat();
    assert!(content(&listpack, Compat::Redis70), "it came with 7.2");
    assert!(!content(&listpack, Compat::Redis72));
    for body in [
        &b""[..],
        b"\x02\x00",
        b"\x02\x02\x01a\x01a",
        b"\x03\x01\x01a\xfd",
        b"\x08\x01a",
        b"\x0f\x00",
        b"\x07\x00\x00",
    ] {
        assert!(content(body, Compat::Redis810), "{}", body.escape_ascii());
    }
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..12).prop_map(Bytes::from),
        4 => (0u32..64, any::<i64>()).prop_map(|(shift, number)| Bytes::from((number >> shift).to_string())),
        1 => (0u8..4, 1usize..9_000).prop_map(|(byte, count)| Bytes::from(vec![byte; count])),
        1 => prop::collection::vec(0u8..3, 20..200).prop_map(Bytes::from),
    ]
}

/// A value that can be shown.
#[derive(Clone)]
struct Made(Value);

impl std::fmt::Debug for Made {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(shown(&self.0)).finish()
    }
}

fn value() -> impl Strategy<Value = Made> {
    let some = || prop_oneof![1usize..8, Just(600)];
    prop_oneof![
        bytes().prop_map(|string| Made(Value::String(string))),
        (prop::collection::vec(bytes(), 1..40), some()).prop_map(|(elements, times)| {
            let mut list = List::default();
            let all = elements.iter().cycle().take(elements.len() * times.min(40));
            all.for_each(|element| list.push(End::Back, element.clone()));
            Made(Value::List(list))
        }),
        (prop::collection::vec(bytes(), 1..20), some(), any::<bool>()).prop_map(
            |(members, more, integers)| {
                let mut set = Set::default();
                for member in 0..more {
                    set.insert(&Bytes::from((member * 1000).to_string()));
                }
                for member in members.iter().filter(|_| !integers) {
                    set.insert(member);
                }
                Made(Value::Set(set))
            }
        ),
        (
            prop::collection::vec((bytes(), bytes(), prop::option::of(1u64..1 << 40)), 1..20),
            some(),
            any::<bool>()
        )
            .prop_map(|(fields, more, expire)| {
                let mut hash = Hash::default();
                for field in 0..more {
                    hash.insert(&Bytes::from(format!("field {field}")), &Bytes::from("x"));
                }
                for (name, value, deadline) in fields {
                    hash.insert(&name, &value);
                    if let (Some(deadline), true) = (deadline, expire) {
                        hash.set_deadline(&name, deadline);
                    }
                }
                Made(Value::Hash(hash))
            }),
        (prop::collection::vec((bytes(), any::<f64>(), -9i8..9), 1..20), some()).prop_map(
            |(members, more)| {
                let mut set = SortedSet::default();
                for it in 0..more {
                    set.insert(&Bytes::from(format!("member {it}")), it as f64);
                }
                for (member, score, whole) in members {
                    set.insert(&member, if score.is_nan() { whole.into() } else { score });
                }
                Made(Value::SortedSet(set))
            }
        ),
    ]
}

const ALL: [Compat; 5] =
    [Compat::Redis70, Compat::Redis72, Compat::Redis82, Compat::Redis810, Compat::Valkey9];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn comes_back_as_it_was_from_each_version(Made(value) in value(), compat in prop::sample::select(&ALL[..])) {
        let expires = matches!(&value, Value::Hash(hash) if hash.next_deadline() != NEVER);
        let dumped = dump(ValueRef::Whole(&value), compat, &clock(), 0);
        if expires && matches!(compat, Compat::Redis70 | Compat::Redis72) {
            prop_assert!(dumped.is_err());
        } else {
            let back = restore(&dumped.unwrap(), compat, Time::new(&clock(), None), LIMIT).unwrap().unwrap();
            prop_assert_eq!(shown(&back), shown(&value));
        }
    }

    #[test]
    fn changed_bytes_are_a_value_or_refused(
        Made(value) in value(), compat in prop::sample::select(&ALL[2..]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let dumped = dump(ValueRef::Whole(&value), compat, &clock(), 0).unwrap();
        let mut body = dumped[..dumped.len() - 10].to_vec();
        for (at, to) in changes {
            // Where lengths are is where it hurts.
            let at = at.index(body.len().min(60));
            body[at] = to;
        }
        let _ = load(&body, compat);
    }

    #[test]
    fn any_bytes_are_a_value_or_refused(kind in 0u8..36, body in prop::collection::vec(any::<u8>(), 0..80)) {
        let body = [&[kind], body.as_slice()].concat();
        for compat in [Compat::Redis810, Compat::Valkey9] {
            let _ = load(&body, compat);
        }
    }
}

#[test]
fn what_is_cut_off_anywhere_is_refused() {
    let mut set = SortedSet::default();
    let mut hash = Hash::default();
    let mut list = List::default();
    for number in 0..130 {
        let name = Bytes::from(format!("element {number}"));
        set.insert(&name, 0.5 * f64::from(number));
        hash.insert(&name, &name);
        list.push(End::Back, name);
    }
    hash.set_deadline(b"element 7", 9_000);
    for value in [Value::SortedSet(set), Value::Hash(hash), Value::List(list)] {
        for compat in [Compat::Redis82, Compat::Valkey9] {
            let dumped = dump(ValueRef::Whole(&value), compat, &clock(), 0).unwrap();
            let body = &dumped[..dumped.len() - 10];
            assert!(load(body, compat).is_ok());
            for end in (0..body.len().min(150)).chain((150..body.len()).step_by(13)) {
                assert!(load(&body[..end], compat).is_err(), "{end}");
            }
        }
    }
}
