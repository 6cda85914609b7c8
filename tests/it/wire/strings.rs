//! GET, SET, INCR and their kin.

use super::{Words, compare, word, words};
use crate::differential::chance::Chance;

#[test]
fn strings_are_byte_for_byte_those_of_redis() {
    compare("strings", draw);
}

fn draw(chance: &mut Chance) -> Words {
    let (key, other) = (chance.key(), chance.key());
    match chance.below(27) {
        24 => words!["DELIFEQ", key, chance.value()],
        25 | 26 => {
            let pairs = chance.many(1, 3, |chance| words![chance.key(), chance.value()]);
            let count = if chance.one_in(8) {
                word(&chance.pick(&["0", "-1", "x", "5", "2147483648"]))
            } else {
                word(&pairs.len())
            };
            let options = chance.many(0, 2, |chance| match chance.below(4) {
                0 => words!["NX"],
                1 => words!["xx"],
                2 => words!["KEEPTTL"],
                _ => expiry(chance),
            });
            [words!["MSETEX", count], pairs.concat(), options.concat()].concat()
        }
        0 => words!["GET", key],
        1 => [words!["mGet"], chance.keys().iter().map(word).collect()].concat(),
        2..=5 => [words!["SET", key, chance.value()], options(chance)].concat(),
        6 => words!["SETEX", key, ttl(chance), chance.value()],
        7 => words!["PSETEX", key, ttl(chance), chance.value()],
        8 => words!["SETNX", key, chance.value()],
        9 => words!["GETSET", key, chance.value()],
        10 => words!["GETDEL", key],
        11 => [words!["GETEX", key], expiry(chance)].concat(),
        12 => words!["INCR", key],
        13 => words!["DECR", key],
        14 => words!["INCRBY", key, number(chance)],
        15 => words!["DECRBY", key, number(chance)],
        16 => words!["INCRBYFLOAT", key, number(chance)],
        17 => words!["APPEND", key, chance.value()],
        18 => words!["GETRANGE", key, chance.index(), chance.index()],
        19 => words!["SETRANGE", key, chance.below(12) as i64 - 1, chance.value()],
        20 => [words!["MSET", key, chance.value(), other], maybe_value(chance)].concat(),
        21 => [words!["MSETNX", key, chance.value(), other], maybe_value(chance)].concat(),
        22 => [words!["LCS", key, other], lcs(chance)].concat(),
        _ => words![chance.pick(&["GETT", "STRLEN", "SUBSTR"]), key, "\r\n"],
    }
}

/// Most often one; a command is wrong without it.
fn maybe_value(chance: &mut Chance) -> Words {
    if chance.one_in(8) { Words::new() } else { vec![chance.value()] }
}

/// What may be read as a number.
fn number(chance: &mut Chance) -> Vec<u8> {
    if chance.flag() { word(&chance.number()) } else { chance.value() }
}

/// Nothing that ends while the test runs.
fn ttl(chance: &mut Chance) -> Vec<u8> {
    const NONE: [&str; 7] = ["0", "-1", "", "abc", "1.5", "9223372036854775807", "9223372036854775808"];
    if chance.one_in(4) { word(&chance.pick(&NONE)) } else { word(&chance.ttl()) }
}

fn expiry(chance: &mut Chance) -> Words {
    match chance.below(7) {
        0 => words!["EX", ttl(chance)],
        1 => words!["PX", ttl(chance)],
        2 => words!["EXAT", chance.time() / 1_000],
        3 => words!["pxat", chance.time()],
        4 => words!["PERSIST"],
        5 => words!["PX"],
        _ => words![],
    }
}

fn options(chance: &mut Chance) -> Words {
    let options = chance.many(0, 3, |chance| match chance.below(8) {
        6 => words!["IFEQ", chance.value()],
        7 => words!["ifne"],
        0 => words!["NX"],
        1 => words!["xx"],
        2 => words!["GET"],
        3 => words!["KEEPTTL"],
        _ => expiry(chance),
    });
    options.concat()
}

fn lcs(chance: &mut Chance) -> Words {
    let options = chance.many(0, 2, |chance| match chance.below(4) {
        0 => words!["LEN"],
        1 => words!["IDX"],
        2 => words!["WITHMATCHLEN"],
        _ => words!["MINMATCHLEN", chance.number()],
    });
    options.concat()
}
