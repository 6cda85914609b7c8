//! SADD, SPOP, SINTER and their kin.

use super::lists::{count, counted};
use super::{Words, compare, spoil, word, words};
use crate::differential::chance::Chance;

#[test]
fn sets_are_byte_for_byte_those_of_redis() {
    compare("sets", |chance| {
        let words = draw(chance);
        spoil(chance, words)
    });
}

fn draw(chance: &mut Chance) -> Words {
    let (key, other) = (chance.key(), chance.key());
    match chance.below(24) {
        0..=5 => [words!["SADD", key], chance.members()].concat(),
        6 => [words!["SADD", key], chance.many(1, 9, |chance| word(&chance.number()))].concat(),
        7 | 8 => [words!["SREM", key], chance.members()].concat(),
        9 => words!["SCARD", key],
        10 => words!["SISMEMBER", key, chance.member()],
        11 => [words!["SMISMEMBER", key], chance.members()].concat(),
        12 => words!["SMEMBERS", key],
        13 => words!["SPOP", key],
        14 => words!["SPOP", key, count(chance)],
        15 => words!["SRANDMEMBER", key],
        16 => words!["SRANDMEMBER", key, drawn(chance)],
        17 => words!["SMOVE", key, other, chance.member()],
        18 | 19 => {
            let name = chance.pick(&["SINTER", "SUNION", "SDIFF"]);
            [words![name], chance.keys().iter().map(word).collect()].concat()
        }
        20 | 21 => {
            let name = chance.pick(&["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"]);
            [words![name, key], chance.keys().iter().map(word).collect()].concat()
        }
        _ => [words!["SINTERCARD"], counted(chance), limits(chance)].concat(),
    }
}

/// How many to draw: so many with repetition that Redis would not come to an end are left out.
fn drawn(chance: &mut Chance) -> Vec<u8> {
    match chance.below(8) {
        0 => words!["abc", "-9223372036854775808", i64::MAX, ""][chance.below(4)].clone(),
        _ => word(&(chance.below(19) as i64 - 9)),
    }
}

fn limits(chance: &mut Chance) -> Words {
    let limits = chance.many(0, 2, |chance| match chance.below(8) {
        0..=5 => words!["LIMIT", count(chance)],
        6 => words!["limit"],
        _ => words!["COUNT", 1],
    });
    limits.concat()
}
