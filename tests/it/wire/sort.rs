//! SORT and SORT_RO.

use larder::{Reply, Store};

use super::{Words, compare, fill, words};
use crate::differential::chance::Chance;

#[test]
fn what_is_sorted_is_byte_for_byte_that_of_redis() {
    compare("sorted elements", draw);
}

fn draw(chance: &mut Chance) -> Words {
    let key = chance.key();
    match chance.below(16) {
        // What is equal keeps its order in a list, unless a limit has only a part of it sorted.
        14 => words!["RPUSH", chance.pick(&LISTS), chance.member(), chance.number()],
        15 => {
            let by = chance.pick(&["w:*", "w:*->f"]);
            let key = chance.pick(&LISTS);
            let desc = if chance.flag() { words!["DESC"] } else { words![] };
            let store = if chance.flag() { words!["STORE", chance.pick(&LISTS)] } else { words![] };
            [words!["SORT", key, "BY", by, "ALPHA", "GET", "#"], desc, store].concat()
        }
        0..=2 => [words!["SORT", key], options(chance)].concat(),
        3 => [words!["sort_RO", key], options(chance)].concat(),
        4 | 5 => [words!["SORT", key], options(chance), words!["STORE", chance.key()]].concat(),
        6 => words!["SORT", key, "ALPHA"],
        // Weights: keys whose names end with a member.
        7 => words!["SET", [b"w:", &chance.member()[..]].concat(), weight(chance)],
        8 => words!["HSET", [b"w:", &chance.member()[..]].concat(), "f", weight(chance)],
        9 => [words!["RPUSH", key], chance.many(1, 8, |chance| chance.number().to_string().into_bytes())]
            .concat(),
        10 => [words!["SADD", key], chance.many(1, 8, |chance| chance.number().to_string().into_bytes())]
            .concat(),
        11 => words!["DEL", key],
        _ => {
            let mut words = fill::draw(chance);
            // The C library takes it for nothing, and the empty member of a set may come before it or behind.
            words.iter_mut().filter(|word| **word == b"\0").for_each(|word| *word = b"zero".to_vec());
            words
        }
    }
}

const LISTS: [&str; 2] = ["la", "lb"];

fn weight(chance: &mut Chance) -> Vec<u8> {
    let weight = if chance.one_in(6) { chance.value() } else { chance.number().to_string().into_bytes() };
    // Redis 7.0 takes the next numbers for wrong too once it has met one that is too large.
    if weight == b"1e400" { b"1e300".to_vec() } else { weight }
}

fn options(chance: &mut Chance) -> Words {
    let is_alpha = chance.flag();
    let options = chance.many(0, 3, |chance| match chance.below(13) {
        0 => words!["ASC"],
        1 => words!["desc"],
        2 | 3 if is_alpha => words!["ALPHA"],
        4 => words!["LIMIT", chance.index(), chance.index()],
        2 | 3 | 5 | 6 if !is_alpha => words!["BY", chance.pick(&["w:*", "w:*->f", "w:*->", "nosort*"])],
        7 => words!["GET", chance.pick(&["#", "w:*", "w:*->f", "w:*->g", "x"])],
        8 | 9 => words!["GET", chance.pick(&["#", "*"])],
        10 if chance.one_in(3) => words![chance.pick(&["LIMIT", "GET", "BY", "STORE", "x"])],
        _ => words![],
    });
    options.concat()
}

#[test]
fn without_an_order_a_list_and_a_sorted_set_keep_theirs() {
    compare("elements that are not sorted", |chance| {
        let key = chance.pick(&["l", "z"]);
        let desc = if chance.flag() { words!["DESC"] } else { words![] };
        let limit = if chance.flag() { words!["LIMIT", chance.index(), chance.index()] } else { words![] };
        match chance.below(4) {
            0 => words!["RPUSH", "l", chance.member()],
            1 => words!["ZADD", "z", chance.number(), chance.member()],
            2 => [words!["SORT", key, "BY", "nosort"], desc, limit, words!["STORE", "copy"]].concat(),
            _ => [words!["SORT_RO", key, "BY", "nosort"], desc, limit].concat(),
        }
    });
}

#[test]
fn others_are_read_within_a_transaction_too() {
    let store = Store::new();
    store.list::<u32>("jobs").extend_back([1, 2, 3]).unwrap();
    store.insert_many([("of:1", 30), ("of:2", 10), ("of:3", 20)]).unwrap();
    let mut session = store.session();
    let bulks = |items: &[&str]| Reply::Array(items.iter().map(|item| Reply::Bulk((*item).into())).collect());
    session.call(["MULTI"]);
    session.call(["SORT", "jobs", "BY", "of:*", "GET", "of:*", "GET", "#", "LIMIT", "0", "2"]);
    session.call(["SORT", "jobs", "BY", "of:*", "STORE", "sorted"]);
    session.call(["SORT", "sorted", "BY", "nosort"]);
    let replies = vec![bulks(&["10", "2", "20", "3"]), Reply::Integer(3), bulks(&["2", "3", "1"])];
    assert_eq!(session.call(["EXEC"]), Reply::Array(replies));
    assert_eq!(session.call(["SORT", "jobs", "BY", "of:*", "DESC"]), bulks(&["1", "3", "2"]));
    assert_eq!(session.call(["SORT", "jobs", "BY", "of:*", "STORE", "jobs"]), Reply::Integer(3));
    assert_eq!(session.call(["SORT", "jobs", "BY", "nosort"]), bulks(&["2", "3", "1"]));
}
