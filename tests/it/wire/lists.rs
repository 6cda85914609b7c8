//! LPUSH, LRANGE, LMOVE and their kin.

use larder::{Compat, Reply, Store};

use super::{Words, compare, spoil, word, words};
use crate::differential::chance::Chance;

#[test]
fn lists_are_byte_for_byte_those_of_redis() {
    compare("lists", |chance| {
        let words = draw(chance);
        spoil(chance, words)
    });
}

fn draw(chance: &mut Chance) -> Words {
    let (key, other, end) = (chance.key(), chance.key(), chance.pick(&["L", "R"]));
    match chance.below(24) {
        0..=4 => [words![format!("{end}PUSH"), key], chance.members()].concat(),
        5 => [words![format!("{end}PUSHX"), key], chance.members()].concat(),
        6 => words![format!("{end}POP"), key],
        7 | 8 => words![format!("{end}POP"), key, count(chance)],
        9 => words!["LLEN", key],
        10 => words!["LINDEX", key, index(chance)],
        11 => words!["LRANGE", key, index(chance), index(chance)],
        12 => words!["LSET", key, index(chance), chance.member()],
        13 => words!["LINSERT", key, side(chance), chance.member(), chance.member()],
        14 | 15 => words!["LREM", key, number(chance), chance.member()],
        16 => words!["LTRIM", key, index(chance), index(chance)],
        17..=19 => [words!["LPOS", key, chance.member()], options(chance)].concat(),
        20 => words!["LMOVE", key, other, end_word(chance), end_word(chance)],
        21 => words!["RPOPLPUSH", key, other],
        _ => [words!["LMPOP"], counted(chance), words![end_word(chance)], multi(chance)].concat(),
    }
}

/// LEFT or RIGHT, or seldom what is neither.
pub(super) fn end_word(chance: &mut Chance) -> &'static str {
    chance.pick(&["LEFT", "RIGHT", "left", "rIgHt", "LEFT", "RIGHT", "LEFT", "RIGHT", "MIN"])
}

/// A count of keys and those keys; seldom they are not so many.
pub(super) fn counted(chance: &mut Chance) -> Words {
    let keys = chance.keys();
    let count = if chance.one_in(8) { count(chance) } else { word(&keys.len()) };
    [vec![count], keys.iter().map(word).collect()].concat()
}

/// The end of a command that takes several.
pub(super) fn multi(chance: &mut Chance) -> Words {
    match chance.below(8) {
        0..=3 => words![],
        4..=6 => words!["COUNT", count(chance)],
        _ => words!["count", 1, "COUNT", 2],
    }
}

/// How many, and what is no such number.
pub(super) fn count(chance: &mut Chance) -> Vec<u8> {
    match chance.below(8) {
        0 => chance.value(),
        1 => word(&chance.number()),
        _ => word(&chance.count()),
    }
}

fn number(chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(8) { chance.value() } else { word(&chance.number()) }
}

fn index(chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(8) { chance.value() } else { word(&chance.index()) }
}

fn side(chance: &mut Chance) -> &'static str {
    chance.pick(&["BEFORE", "AFTER", "before", "After", "BEFORE", "AFTER", "AT"])
}

fn options(chance: &mut Chance) -> Words {
    let options = chance.many(0, 3, |chance| match chance.below(12) {
        0..=3 => words!["RANK", number(chance)],
        4..=6 => words!["COUNT", count(chance)],
        7..=9 => words!["maxlen", count(chance)],
        10 => words!["RANK"],
        _ => words!["LIMIT", 1],
    });
    options.concat()
}

#[test]
fn newer_servers_refuse_the_number_without_an_opposite() {
    const BOUNDS: &str =
        "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807";
    let store = Store::new();
    let refuses = |compat, words: &[&str]| {
        store.session().call(["RPUSH", "k", "a", "b", "a"]);
        let reply = store.session().compat(compat).call(words);
        matches!(reply, Reply::Error(error) if error.to_string() == BOUNDS)
    };
    let least = i64::MIN.to_string();
    for (compat, rank, count) in
        [(Compat::Redis70, false, false), (Compat::Redis72, true, false), (Compat::Redis82, true, true)]
    {
        assert_eq!(refuses(compat, &["LPOS", "k", "a", "RANK", &least]), rank);
        assert_eq!(refuses(compat, &["LREM", "k", &least, "a"]), count);
    }
}
