//! SCAN, HSCAN, SSCAN, ZSCAN.

use std::collections::BTreeSet;

use larder::{Bytes, Compat, Reply, Session, Store};

use super::{Words, compare, fill, word, words};
use crate::differential::chance::Chance;

#[test]
fn turns_are_byte_for_byte_those_of_redis() {
    compare("scans", draw);
}

fn draw(chance: &mut Chance) -> Words {
    let key = chance.key();
    match chance.below(10) {
        0 | 1 => [words!["SCAN", cursor(chance)], options(chance)].concat(),
        2 => [words!["hScan", key, cursor(chance)], options(chance)].concat(),
        3 => [words!["SSCAN", key, cursor(chance)], options(chance)].concat(),
        4 | 5 => [words!["ZSCAN", key, cursor(chance)], options(chance)].concat(),
        6 => words![chance.pick(&["SCAN", "HSCAN", "DEL"]), key],
        7 => words!["ZADD", key, chance.float(), chance.member()],
        _ => fill::draw(chance),
    }
}

/// Most often the start: how others go on is anybody's own.
fn cursor(chance: &mut Chance) -> Vec<u8> {
    const WRONG: [&str; 8] = ["x", " 0", "0 ", "-", "+", "18446744073709551616", "0x0", "1.5"];
    match chance.below(6) {
        0 => word(chance.pick(&WRONG)),
        1 => word(chance.pick(&["", "-0", "+0", "000"])),
        _ => word("0"),
    }
}

fn options(chance: &mut Chance) -> Words {
    // Enough for all in one turn.
    let options = chance.many(0, 2, |chance| match chance.below(8) {
        0 | 1 => words!["COUNT", chance.pick(&["100", "9223372036854775807"])],
        2 => words!["count", chance.pick(&["0", "-1", "x", "1.0", ""])],
        3 | 4 => words!["MATCH", chance.many(0, 3, |chance| chance.pick(b"ab*?[]-^\\\xff"))],
        5 => words!["TYPE", chance.pick(&["string", "LIST", "set", "hash", "zset", "stream", "x"])],
        6 => words![chance.pick(&["MATCH", "COUNT", "TYPE", "NOVALUES", "NOSCORES"])],
        _ => words!["COUNT", "1000"],
    });
    [words!["COUNT", "1000"], options.concat()].concat()
}

/// One turn: the cursor to go on with, and what was found.
fn turn(session: &mut Session, words: &[&str]) -> (u64, Vec<Bytes>) {
    let Reply::Array(parts) = session.call(words) else { panic!("{words:?}") };
    let [Reply::Bulk(cursor), Reply::Array(items)] = &parts[..] else { panic!("{parts:?}") };
    let bytes = |item: &Reply| match item {
        Reply::Bulk(bytes) => bytes.clone(),
        other => panic!("{other:?}"),
    };
    (std::str::from_utf8(cursor).unwrap().parse().unwrap(), items.iter().map(bytes).collect())
}

/// Walks over `all`, of which the first hundred stay while the others come and go, and sees those.
fn walk(store: &Store, words: &[&str], put: impl Fn(u32, bool) -> larder::Result<bool>) {
    let (stay, most) = (100, 1_000);
    let mut session = store.session();
    let mut chance = Chance::new(7);
    for number in 0..most {
        // Those that stay stand among the others.
        let number = number * 7 % most;
        put(number, true).unwrap();
    }
    let (mut cursor, mut seen, mut turns) = (0, BTreeSet::new(), 0);
    loop {
        let text = cursor.to_string();
        let words: Vec<&str> =
            words.iter().map(|word| if *word == "CURSOR" { &*text } else { *word }).collect();
        let (next, found) = turn(&mut session, &words);
        assert!(next < 1 << 53);
        seen.extend(found);
        turns += 1;
        if next == 0 {
            break;
        }
        cursor = next;
        for _ in 0..10 {
            let number = stay + chance.below((most - stay) as usize) as u32;
            put(number, chance.one_in(3)).unwrap();
        }
    }
    assert!(turns > 10, "{words:?} came in {turns}");
    (0..stay).for_each(|number| assert!(seen.contains(name(number).as_slice()), "{number} of {words:?}"));
}

fn name(number: u32) -> Vec<u8> {
    format!("name {number}").into_bytes()
}

#[test]
fn what_stays_is_met_whatever_comes_and_goes() {
    let store = Store::builder().seed(7).shards(8).build();
    walk(&store, &["SCAN", "CURSOR", "COUNT", "5", "TYPE", "string"], |number, is_there| {
        let name = name(number);
        if is_there { store.insert(name, number).map(|_| true) } else { store.remove(name) }
    });
    store.clear().unwrap();
    walk(&store, &["HSCAN", "h", "CURSOR"], |number, is_there| {
        let (name, hash) = (name(number), store.hash::<Vec<u8>, u32>("h"));
        if is_there { hash.insert(name, number) } else { hash.remove(name) }
    });
    walk(&store, &["SSCAN", "s", "CURSOR", "MATCH", "name *", "COUNT", "3"], |number, is_there| {
        let (name, set) = (name(number), store.set::<Vec<u8>>("s"));
        if is_there { set.insert(name) } else { set.remove(name) }
    });
    walk(&store, &["ZSCAN", "z", "CURSOR"], |number, is_there| {
        let (name, set) = (name(number), store.sorted_set::<Vec<u8>>("z"));
        if is_there { set.insert(name, f64::from(number) * 0.1) } else { set.remove(name) }
    });
}

#[test]
fn newer_options_come_with_their_versions() {
    let store = Store::new();
    store.hash::<String, u32>("h").insert("a", 1).unwrap();
    store.sorted_set::<String>("z").insert("a", 1.5).unwrap();
    let both = |parts: &[&str]| {
        let words = parts.iter().map(|word| Reply::Bulk((*word).into())).collect();
        Reply::Array(vec![Reply::Bulk("0".into()), Reply::Array(words)])
    };
    let error = |text: &str| Reply::Error(larder::ErrorReply::new(text.to_owned()));
    let mut session = store.session();
    assert_eq!(session.call(["HSCAN", "h", "0"]), both(&["a", "1"]));
    assert_eq!(session.call(["HSCAN", "h", "0", "novalues"]), both(&["a"]));
    let text = "ERR NOVALUES option can only be used in HSCAN";
    assert_eq!(session.call(["ZSCAN", "z", "0", "NOVALUES"]), error(text));
    assert_eq!(session.call(["ZSCAN", "z", "0", "NOSCORES"]), error("ERR syntax error"));
    let mut session = store.session().compat(Compat::Redis72);
    assert_eq!(session.call(["HSCAN", "h", "0", "NOVALUES"]), error("ERR syntax error"));
    let mut session = store.session().compat(Compat::Valkey9);
    assert_eq!(session.call(["ZSCAN", "z", "0", "NOSCORES"]), both(&["a"]));
    assert_eq!(session.call(["SCAN", "0", "TYPE", "zset"]), both(&["z"]));
    assert_eq!(session.call(["SCAN", "0", "TYPE", "x"]), error("ERR unknown type name 'x'"));
}
