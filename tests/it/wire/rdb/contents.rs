//! What a server holds, asked by commands: the same questions to ours and to a live one.

use std::collections::BTreeMap;

use larder::Compat;

use crate::differential::chance::Chance;
use crate::wire::value::Value;
use crate::wire::{Words, word, words};

/// Answers a command in RESP2.
pub type Ask<'a> = &'a mut dyn FnMut(&Words) -> Vec<u8>;

/// The databases and keys, each with what it holds and how long it lives.
pub type Contents = BTreeMap<(u16, Vec<u8>), Vec<Value>>;

/// All that a server holds.
pub fn contents(compat: Compat, ask: Ask<'_>) -> Contents {
    let mut all = Contents::new();
    for db in 0..16 {
        ask(&words!["SELECT", u32::from(db)]);
        for key in parsed(ask, &words!["KEYS", "*"]).texts() {
            let of = content(compat, ask, &key);
            all.insert((db, key), of);
        }
    }
    ask(&words!["SELECT", 0]);
    all
}

/// What a key holds.
pub fn content(compat: Compat, ask: Ask<'_>, key: &[u8]) -> Vec<Value> {
    let Value::One(_, kind) = parsed(ask, &words!["TYPE", key]) else { panic!("no type") };
    let mut all = vec![parsed(ask, &words!["PEXPIRETIME", key])];
    all.push(match &*kind {
        b"string" => parsed(ask, &words!["GET", key]),
        b"list" => parsed(ask, &words!["LRANGE", key, 0, -1]),
        b"set" => parsed(ask, &words!["SMEMBERS", key]).sorted(),
        b"hash" => parsed(ask, &words!["HGETALL", key]).sorted_pairs(),
        b"zset" => parsed(ask, &words!["ZRANGE", key, 0, -1, "WITHSCORES"]).without_sign_of_zero(),
        other => panic!("{}", other.escape_ascii()),
    });
    if kind == b"hash" && has_field_deadlines(compat) {
        let mut names = parsed(ask, &words!["HKEYS", key]).texts();
        names.sort();
        let question = [words!["HPEXPIRETIME", key, "FIELDS", names.len()], names].concat();
        all.push(parsed(ask, &question));
    }
    all
}

pub fn has_field_deadlines(compat: Compat) -> bool {
    !matches!(compat, Compat::Redis70 | Compat::Redis72)
}

fn parsed(ask: Ask<'_>, words: &Words) -> Value {
    let reply = ask(words);
    Value::parse(&reply).unwrap_or_else(|| panic!("{}", reply.escape_ascii()))
}

/// Commands that put a value of any type and size into a key.
pub fn fill(chance: &mut Chance, key: &[u8], compat: Compat) -> Vec<Words> {
    let mut commands = vec![match chance.below(8) {
        0 | 1 => words!["SET", key, element(chance)],
        2 | 3 => [words!["RPUSH", key], elements(chance, element)].concat(),
        4 => [words!["SADD", key], elements(chance, |chance| word(&chance.number()))].concat(),
        5 => [words!["SADD", key], elements(chance, element)].concat(),
        6 => [words!["HSET", key], elements(chance, |chance| [name(chance), element(chance)]).concat()]
            .concat(),
        _ => {
            [words!["ZADD", key], elements(chance, |chance| [score(chance), name(chance)]).concat()].concat()
        }
    }];
    if commands[0][0] == b"HSET" && has_field_deadlines(compat) && chance.flag() {
        for field in commands[0][2..].chunks(2).map(|field| field[0].clone()).take(5).collect::<Vec<_>>() {
            let time = 4_102_444_800_000 + chance.below(1 << 30) as i64;
            commands.push(words!["HPEXPIREAT", key, time, "FIELDS", 1, field]);
        }
    }
    if chance.one_in(3) {
        commands.push(words!["PEXPIREAT", key, 4_102_444_800_000 + chance.below(1 << 40) as i64]);
    }
    commands
}

/// Few most often, now and then more than are kept packed.
fn elements<T>(chance: &mut Chance, make: impl Fn(&mut Chance) -> T) -> Vec<T> {
    let most = if chance.one_in(3) { 700 } else { 12 };
    chance.many(1, most, make)
}

fn element(chance: &mut Chance) -> Vec<u8> {
    match chance.below(40) {
        0 => b"0123456789".repeat(1 + chance.below(1_200)),
        1..=3 => b"ab".repeat(chance.below(60)),
        4..=9 => chance.many(0, 90, |chance| chance.below(256) as u8),
        10..=19 => word(&(chance.number() >> chance.below(64))),
        20..=29 => name(chance),
        _ => chance.value(),
    }
}

fn name(chance: &mut Chance) -> Vec<u8> {
    word(&format!("name {}", chance.below(2_000)))
}

fn score(chance: &mut Chance) -> Vec<u8> {
    match chance.below(6) {
        0 => word(&(0.1 * chance.below(1_000) as f64)),
        1 => word(chance.pick(&["inf", "-inf", "1e300", "-1.5e-7", "3.0000000000000004"])),
        _ => word(&(chance.number() >> chance.below(64))),
    }
}
