//! PFADD, PFCOUNT, PFMERGE.

use larder::{Compat, Reply, Store};

use super::{Words, compare_runs, spoil, word, words};
use crate::differential::chance::Chance;

#[test]
fn hyperloglogs_are_byte_for_byte_those_of_redis() {
    compare_runs("hyperloglogs", |chance| (0..super::COMMANDS).map(|_| draw(chance)).collect());
}

#[test]
fn the_size_of_the_sparse_form_is_what_config_says() {
    let mut session = Store::new().session();
    session.call(["CONFIG", "SET", "hll-sparse-max-bytes", "20"]);
    session.call(["PFADD", "log", "a"]);
    assert_eq!(session.call(["PFDEBUG", "ENCODING", "log"]), Reply::Status("dense".into()));
}

#[test]
fn who_counts_anew_disturbs_who_watches() {
    let store = Store::new();
    let (mut session, mut other) = (store.session(), store.session());
    session.call(["PFADD", "log", "a"]);
    let mut exec_after = |words: &[&str]| {
        session.call(["WATCH", "log"]);
        other.call(words);
        session.call(["MULTI"]);
        session.call(["EXEC"])
    };
    assert_eq!(exec_after(&["PFCOUNT", "log"]), Reply::NilArray);
    // It is known by now.
    assert_eq!(exec_after(&["PFCOUNT", "log"]), Reply::Array(Vec::new()));
    store.hyper_log_log::<String>("log").insert("b").unwrap();
    assert_eq!(exec_after(&["PFCOUNT", "log", "log2"]), Reply::Array(Vec::new()));
}

#[test]
fn simd_is_asked_for_since_8_0() {
    let store = Store::new();
    assert_eq!(store.session().call(["PFDEBUG", "SIMD", "OFF"]), Reply::Status("enabled".into()));
    let mut older = store.session().compat(Compat::Redis72);
    assert!(matches!(older.call(["PFDEBUG", "SIMD", "OFF"]), Reply::Error(_)));
}

fn draw(chance: &mut Chance) -> Words {
    let words = right(chance);
    spoil(chance, words)
}

fn right(chance: &mut Chance) -> Words {
    let key = chance.key();
    match chance.below(24) {
        0..=2 => [words!["PFADD", key], chance.many(0, 4, element)].concat(),
        3 => on_hostile(chance),
        4 | 5 => [words!["PFADD", key], chance.many(20, 120, element)].concat(),
        // Enough for the dense form.
        6 => [words!["PFADD", key], chance.many(400, 1_200, element)].concat(),
        7..=10 => words!["PFCOUNT", key],
        11 => words!["PFCOUNT", key, chance.key()],
        12 => [words!["pfcount", key], keys(chance)].concat(),
        13 | 14 => [words!["PFMERGE", key], keys(chance)].concat(),
        15..=17 => words!["GET", key],
        18 => words!["PFDEBUG", chance.pick(&["decode", "ENCODING", "todense", "GETREG", "x"]), key],
        19 => words![chance.pick(&["DEL", "GETDEL", "STRLEN"]), key],
        20 => words!["SET", HOSTILE, hostile(chance)],
        21 => on_hostile(chance),
        22 => words!["SETRANGE", key, 8, chance.pick(&["\u{1}", "\0\0\0\0\0\0\0\u{7f}"])],
        _ => super::fill::draw(chance),
    }
}

/// One of a few, or one of many.
fn element(chance: &mut Chance) -> Vec<u8> {
    match chance.below(10) {
        0 => chance.value(),
        1..=4 => word(&chance.below(50)),
        _ => word(&format!("an element of more than eight bytes {}", chance.below(1_000_000))),
    }
}

fn keys(chance: &mut Chance) -> Words {
    chance.many(0, 3, |chance| if chance.one_in(12) { word(&HOSTILE) } else { word(&chance.key()) })
}

/// What may be no HyperLogLog.
const HOSTILE: &str = "hostile";

fn on_hostile(chance: &mut Chance) -> Words {
    match chance.below(6) {
        0 | 1 => [words!["PFADD", HOSTILE], chance.many(1, 5, element)].concat(),
        2 => words!["PFCOUNT", HOSTILE],
        3 => words!["GET", HOSTILE],
        4 => words!["PFDEBUG", chance.pick(&["decode", "todense", "GETREG"]), HOSTILE],
        _ => [words!["PFMERGE", HOSTILE], keys(chance)].concat(),
    }
}

/// What begins as a HyperLogLog does: whole or not, of too many registers or of too few.
fn hostile(chance: &mut Chance) -> Vec<u8> {
    let form = chance.pick(&[0, 1, 1, 1, 1, 2]);
    let mut log = vec![b'H', b'Y', b'L', b'L', form, 0, 0, 0];
    log.extend(chance.pick(&[[0; 8], [0, 0, 0, 0, 0, 0, 0, 0x80], [7, 0, 0, 0, 0, 0, 1, 0]]));
    match form {
        0 => log.resize(12_304 - usize::from(chance.one_in(3)), chance.pick(&[0, 0x41, 0xff])),
        _ if chance.flag() => {
            // 16,384 registers in all, more or less.
            log.extend(chance.pick(&[[0x7f, 0xf7, 0x83], [0x7f, 0xf9, 0xff], [0x7f, 0xff, 0x00]]));
            log.extend(chance.pick(&[[0x83], [0x81], [0x00], [0xfd]]));
        }
        _ => log.extend([0x7f, 0xff]),
    }
    if chance.one_in(12) {
        log.truncate(chance.below(16));
    }
    log
}
