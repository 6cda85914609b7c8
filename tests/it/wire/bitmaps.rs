//! SETBIT, BITOP, BITFIELD and their kin.

use larder::{Compat, Reply, Store};

use super::{Words, compare, spoil, word, words};
use crate::differential::chance::Chance;

#[test]
fn bitmaps_are_byte_for_byte_those_of_redis() {
    compare("bitmaps", draw);
}

#[test]
fn operations_of_8_2() {
    let mut session = Store::new().session();
    for (key, value) in [("x", "\u{7}"), ("y", "\u{3}"), ("z", "\u{11}\u{1}")] {
        session.call(["SET", key, value]);
    }
    for (op, len, result) in [("diff", 2, "\u{4}\0"), ("DIFF1", 2, "\u{10}\u{1}"), ("ANDOR", 2, "\u{3}\0")] {
        assert_eq!(session.call(["BITOP", op, "to", "x", "y", "z"]), Reply::Integer(len), "{op}");
        assert_eq!(session.call(["GET", "to"]), Reply::Bulk(result.into()), "{op}");
        let error = format!("ERR BITOP {} must be called with at least two source keys.", op.to_uppercase());
        let one = session.call(["BITOP", op, "to", "x"]);
        assert!(matches!(&one, Reply::Error(found) if found.to_string() == error), "{one:?}");
    }
    assert_eq!(session.call(["BITOP", "ONE", "to", "x", "y", "z"]), Reply::Integer(2));
    assert_eq!(session.call(["GET", "to"]), Reply::Bulk("\u{14}\u{1}".into()));
    let mut older = Store::new().session().compat(Compat::Redis72);
    let reply = older.call(["BITOP", "ONE", "to", "x"]);
    assert!(matches!(&reply, Reply::Error(error) if error.to_string() == "ERR syntax error"), "{reply:?}");
}

#[test]
fn words_are_looked_at_before_a_missing_key_since_7_2() {
    let store = Store::new();
    let mut sessions = [store.session().compat(Compat::Redis70), store.session().compat(Compat::Redis72)];
    for (words, older) in [
        (["BITCOUNT", "none", "0", "0", "x"].as_slice(), 0),
        (&["BITPOS", "none", "1", "0", "0", "x"], -1),
        (&["BITPOS", "none", "0", "x"], 0),
    ] {
        let [old, new] = sessions.each_mut().map(|session| session.call(words));
        assert_eq!(old, Reply::Integer(older), "{words:?}");
        assert!(matches!(new, Reply::Error(_)), "{words:?}");
    }
}

fn draw(chance: &mut Chance) -> Words {
    let words = right(chance);
    spoil(chance, words)
}

fn right(chance: &mut Chance) -> Words {
    let key = chance.key();
    match chance.below(16) {
        0 | 1 => words!["SET", key, chance.value()],
        2..=4 => words!["setBit", key, offset(chance), bit(chance)],
        5 => words!["GETBIT", key, offset(chance)],
        6 | 7 => [words!["BITCOUNT", key], range(chance)].concat(),
        8 | 9 => [words!["BITPOS", key, bit(chance)], range(chance)].concat(),
        10 | 11 => {
            let op = chance.pick(&["AND", "or", "XOR", "NOT", "NOT", "NAND"]);
            let most = if op == "NOT" { 1 } else { 4 };
            [words!["BITOP", op, key], chance.many(1, most, |chance| word(&chance.key()))].concat()
        }
        12..=14 => [words!["BITFIELD", key], chance.many(0, 5, step).concat()].concat(),
        _ => {
            let reads = chance.many(0, 3, |chance| words!["GET", int(chance), place(chance)]);
            let others = if chance.one_in(6) { step(chance) } else { words![] };
            [words!["bitfield_ro", key], reads.concat(), others].concat()
        }
    }
}

/// Near the start, or beyond what a string may hold: not in between, where it would only take memory.
fn offset(chance: &mut Chance) -> Vec<u8> {
    match chance.below(15) {
        0 => chance.value(),
        1 => chance.pick(&[word(&(1_u64 << 32)), word(&-1), word(&i64::MAX), word(&i64::MIN), word(&"#1")]),
        _ => word(&chance.below(300)),
    }
}

fn bit(chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(15) { chance.value() } else { word(&chance.below(2)) }
}

fn range(chance: &mut Chance) -> Words {
    let index = |chance: &mut Chance| match chance.below(25) {
        0 => chance.value(),
        1..=9 => word(&(chance.below(400) as i64 - 200)),
        _ => word(&chance.index()),
    };
    let (start, stop) = (index(chance), index(chance));
    match chance.below(8) {
        0 => words![],
        1 | 2 => words![start],
        3 | 4 => words![start, stop],
        _ => words![start, stop, chance.pick(&["BIT", "byte", "BYTE", "bit", "bits"])],
    }
}

fn step(chance: &mut Chance) -> Words {
    match chance.below(14) {
        0..=3 => words!["GET", int(chance), place(chance)],
        4..=6 => words!["set", int(chance), place(chance), number(chance)],
        7..=9 => words!["INCRBY", int(chance), place(chance), number(chance)],
        10..=12 => words!["OVERFLOW", chance.pick(&["wrap", "SAT", "FAIL", "SAT", "FAIL", "STOP"])],
        _ => words![chance.pick(&["GET", "SET", "x", "overflow"])],
    }
}

fn int(chance: &mut Chance) -> Vec<u8> {
    const INTS: [&str; 12] = ["i8", "u8", "i5", "u3", "i64", "u63", "u1", "i1", "i16", "u32", "u17", "i33"];
    const OTHERS: [&str; 8] = ["u64", "i65", "u0", "I8", "8", "", "u08", "i8\0x"];
    if chance.one_in(25) { word(&chance.pick(&OTHERS)) } else { word(&chance.pick(&INTS)) }
}

fn place(chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(3) { word(&format!("#{}", chance.below(12))) } else { offset(chance) }
}

fn number(chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(12) { chance.value() } else { word(&chance.number()) }
}
