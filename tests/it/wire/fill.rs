//! Collections for families that only look at them.

use super::Words;
use crate::differential::chance::Chance;
use crate::wire::words;

/// Puts something into a key.
pub fn draw(chance: &mut Chance) -> Words {
    let key = chance.key();
    match chance.below(6) {
        0 => words!["SET", key, chance.value()],
        1 | 2 => [words!["RPUSH", key], chance.members()].concat(),
        3 => [words!["SADD", key], chance.members()].concat(),
        4 => words!["HSET", key, chance.member(), chance.value(), chance.member(), chance.value()],
        _ => words!["ZADD", key, chance.number(), chance.member(), chance.number(), chance.member()],
    }
}
