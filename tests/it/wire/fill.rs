//! Collections for families that only look at them.

use larder::{Error, Reply, Store};

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

/// What those commands do, by the typed API: for where the table does not have them.
pub fn run(store: &Store, words: &Words) -> Option<Reply> {
    let [name, key, rest @ ..] = &words[..] else { return None };
    let pairs = rest.chunks_exact(2).map(|pair| (&pair[0], &pair[1]));
    let number = |text: &Vec<u8>| std::str::from_utf8(text).unwrap().parse::<f64>().unwrap();
    let count = match &name[..] {
        b"RPUSH" => store.list::<Vec<u8>>(key).extend_back(rest),
        b"SADD" => store.set::<Vec<u8>>(key).insert_many(rest),
        b"HSET" => store.hash::<Vec<u8>, Vec<u8>>(key).insert_many(pairs),
        b"ZADD" => {
            let scored = pairs.map(|(score, member)| (member, number(score)));
            store.sorted_set::<Vec<u8>>(key).insert_many(scored)
        }
        _ => return None,
    };
    Some(count.map_or_else(|error: Error| error.into(), |count| Reply::Integer(count as i64)))
}
