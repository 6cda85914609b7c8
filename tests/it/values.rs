//! What values and elements can be given as, and what they are stored as.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use larder::{Bytes, Decode, Encode, Encoded, Error, List, Record, Store};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Clone, Serialize, Deserialize)]
struct Job(u32);

impl Record for Job {}

/// The value comes back from `stored`.
#[track_caller]
fn check<T: Encode + Decode + PartialEq + Debug>(value: T, stored: impl AsRef<[u8]>) {
    assert_eq!(value.encode().unwrap(), stored.as_ref());
    assert_eq!(T::decode(stored.as_ref().into()).unwrap(), value);
}

/// No `T` is stored as these.
#[track_caller]
fn refused<T: Decode + Debug>(stored: &[&[u8]]) {
    for bytes in stored {
        let error = T::decode(Bytes::from(*bytes)).unwrap_err();
        assert_eq!(error.bytes, *bytes);
    }
}

proptest! {
    #[test]
    fn numbers_are_their_decimal_text(a: i8, b: i128, c: u128, d: usize, e: i64) {
        check(a, a.to_string());
        check(b, b.to_string());
        check(c, c.to_string());
        check(d, d.to_string());
        check(e, e.to_string());
    }

    #[test]
    fn text_and_bytes_are_themselves(text: String, bytes: [u8; 5], char: char) {
        check(text.clone(), &text);
        check(Box::<str>::from(&*text), &text);
        check(Arc::<str>::from(&*text), &text);
        check(bytes, bytes);
        check(bytes.to_vec(), bytes);
        check(char, char.to_string());
    }
}

#[test]
fn what_is_none_is_refused() {
    refused::<char>(&[b"", b"ab", b"\xff"]);
    refused::<[u8; 2]>(&[b"", b"a", b"abc"]);
    refused::<u128>(&[b"-1", b"340282366920938463463374607431768211456"]);
    refused::<Box<str>>(&[b"\xff"]);
    refused::<bool>(&[b"", b"2", b"true"]);
    check(true, "1");
    check(u128::MAX, "340282366920938463463374607431768211455");
}

#[test]
#[allow(clippy::needless_borrows_for_generic_args)]
fn elements_are_given_by_value_or_by_reference() {
    let store = Store::new();
    let text = "f".to_owned();

    let numbers = store.list::<i64>("numbers");
    numbers.push_back(1).unwrap();
    numbers.push_back(&2).unwrap();
    numbers.extend_back([3, 4]).unwrap();
    numbers.extend_back(&[5, 6]).unwrap();
    numbers.extend_back(7..=8).unwrap();
    numbers.push_back(numbers.len().unwrap() as i64 + 1).unwrap();
    assert_eq!(numbers.to_vec().unwrap(), (1..=9).collect::<Vec<_>>());
    store.list::<u8>("bytes").extend_back([1, 2]).unwrap();
    store.list::<f64>("floats").push_back(0.5).unwrap();

    let names = store.list::<String>("names");
    names.push_back("a").unwrap();
    names.push_back(String::from("b")).unwrap();
    names.push_back(Cow::from("c")).unwrap();
    names.extend_back(&["d"]).unwrap();
    names.extend_back(vec!["e".to_owned()]).unwrap();
    names.push_back(&text).unwrap();
    assert_eq!(names.to_vec().unwrap().concat(), "abcdef");

    let raw = store.list::<Vec<u8>>("raw");
    raw.push_back(b"a").unwrap();
    raw.push_back([1, 2]).unwrap();
    raw.push_back(vec![3]).unwrap();
    raw.push_back(&[4u8][..]).unwrap();
    assert_eq!(raw.to_vec().unwrap().concat(), b"a\x01\x02\x03\x04");

    let shared = store.list::<Bytes>("shared");
    shared.push_back("text").unwrap();
    shared.push_back(b"bytes").unwrap();
    shared.push_back(&text).unwrap();
    assert_eq!(shared.to_vec().unwrap(), ["text", "bytes", "f"]);

    let jobs = store.list::<Job>("jobs");
    jobs.push_back(&Job(1)).unwrap();
    jobs.extend_back(&[Job(2), Job(3)]).unwrap();
    assert_eq!(jobs.position(&Job(2)).unwrap(), Some(1));
    store.list::<Encoded<(u8, u8)>>("pairs").push_back(Encoded((1, 2))).unwrap();

    let cart = store.hash::<String, u32>("cart");
    cart.insert("apple", 1).unwrap();
    cart.insert_many([("pear", 2), ("plum", 3)]).unwrap();
    cart.insert_many(HashMap::from([("fig".to_owned(), 4)])).unwrap();
    cart.insert_many(&HashMap::from([("nut".to_owned(), 5)])).unwrap();
    assert_eq!(cart.get(&text).unwrap(), None);
    assert_eq!(cart.values().unwrap().iter().sum::<u32>(), 15);
    store.hash::<u64, Job>("by number").insert(7, &Job(1)).unwrap();

    let seen = store.set::<char>("seen");
    assert_eq!(seen.insert_many("abba".chars()).unwrap(), 2);
    let board = store.sorted_set::<u64>("board");
    board.insert_many([(1, 0.5), (2, 1.5)]).unwrap();
    assert_eq!(board.rank(2).unwrap(), Some(1));
}

#[test]
fn what_is_too_long_is_not_there_and_cannot_be_stored() {
    let store = Store::builder().value_limit(4).build();
    let long = "x".repeat(5);
    let (hash, set) = (store.hash::<String, String>("h"), store.set::<String>("s"));
    let (list, board) = (store.list::<String>("l"), store.sorted_set::<String>("z"));
    hash.insert("f", "v").unwrap();
    list.push_back("e").unwrap();

    assert!(!store.contains(&long).unwrap());
    assert_eq!(store.get::<String>(&long).unwrap(), None);
    assert!(!store.remove(&long).unwrap());
    assert_eq!(hash.get(&long).unwrap(), None);
    assert_eq!(hash.get_many([&long]).unwrap(), [None]);
    assert!(!hash.contains(&long).unwrap());
    assert_eq!(hash.value_len(&long).unwrap(), 0);
    assert!(!hash.remove(&long).unwrap());
    assert_eq!(hash.get_and_remove(&long).unwrap(), None);
    assert!(!hash.persist_field(&long).unwrap());
    assert!(!set.contains(&long).unwrap());
    assert_eq!(board.score(&long).unwrap(), None);
    assert_eq!(list.position(&long).unwrap(), None);
    assert_eq!(list.insert_before(&long, "e").unwrap(), None);

    for refused in [
        store.insert(&long, "v"),
        hash.insert(&long, "v").map(drop),
        hash.insert("f", &long).map(drop),
        hash.incr_by(&long, 1).map(drop),
        set.insert(&long).map(drop),
        board.insert(&long, 1.0).map(drop),
        list.push_back(&long).map(drop),
        list.insert_before("e", &long).map(drop),
    ] {
        assert!(matches!(refused, Err(Error::TooLong)), "{refused:?}");
    }
}

#[test]
fn a_handle_names_its_key() {
    let store = Store::new();
    let (from, to) = (store.counter("from"), store.counter("to"));
    from.set(5).unwrap();
    store.transaction([&from, &to], |tx| tx.counter(&to).incr_by(tx.counter(&from).reset()?)).unwrap();
    assert_eq!((from.get().unwrap(), to.get().unwrap()), (0, 5));

    let (list, hash) = (store.list::<u8>("list"), store.hash::<u8, u8>("hash"));
    list.push_back(1).unwrap();
    hash.insert(1, 2).unwrap();
    assert!(store.expire(&list, Duration::from_secs(5)).unwrap());
    assert_eq!(store.remove_many([list.key(), hash.key(), to.key()]).unwrap(), 3);
    assert_eq!(format!("{list:?} {:?}", list.key()), "List { key: \"list\", .. } \"list\"");
}

#[test]
fn an_owned_handle_keeps_the_store_and_its_database() {
    struct Jobs {
        queue: List<'static, String>,
    }
    let jobs = {
        let store = Store::new();
        Jobs { queue: store.db(3).unwrap().list(format!("jobs:{}", 1)).into_owned() }
    };
    let queue = jobs.queue.clone();
    std::thread::spawn(move || queue.push_back("resize").unwrap()).join().unwrap();
    assert_eq!(jobs.queue.pop_front().unwrap().as_deref(), Some("resize"));
}

#[test]
fn a_handle_that_outlives_its_transaction_is_refused() {
    let store = Store::new();
    let counter = store
        .transaction(["a"], |tx| {
            let counter = tx.counter("a").into_owned();
            counter.incr()?;
            Ok::<_, Error>(counter)
        })
        .unwrap();
    assert!(matches!(counter.incr(), Err(Error::InTransaction)));
    assert_eq!(store.counter("a").get().unwrap(), 1);
}
