//! ZADD, ZRANGE, ZUNION and their kin.

use larder::{Compat, Reply, Store};

use super::{Words, compare, spoil, word, words};
use crate::differential::chance::{Chance, Key};

/// Keys whose members all have one score, as ranges of members want it.
const EVEN: [Key; 2] = [b"even", b"even too"];

#[test]
fn sorted_sets_are_byte_for_byte_those_of_redis() {
    compare("sorted sets", draw);
}

#[test]
fn ranks_come_with_their_scores_since_7_2() {
    let store = Store::new();
    let mut session = store.session().compat(Compat::Redis72);
    session.call(["ZADD", "board", "0.1", "ann", "2", "bob"]);
    let rank = session.call(["ZREVRANK", "board", "ann", "withscore"]);
    assert_eq!(rank, Reply::Array(vec![Reply::Integer(1), Reply::Double(0.1)]));
    assert_eq!(session.encode(&rank), b"*2\r\n:1\r\n$3\r\n0.1\r\n");
    assert_eq!(session.call(["ZRANK", "board", "ann"]), Reply::Integer(0));
    assert_eq!(session.call(["ZRANK", "board", "cid", "WITHSCORE"]), Reply::NilArray);
    assert_eq!(session.call(["ZRANK", "board", "cid"]), Reply::Nil);
    assert_eq!(error(&session.call(["ZRANK", "board", "ann", "WITHSCORES"])), "ERR syntax error");
    const ARITY: &str = "ERR wrong number of arguments for 'zrank' command";
    assert_eq!(error(&session.call(["ZRANK", "board", "ann", "WITHSCORE", "x"])), ARITY);
    let mut older = store.session().compat(Compat::Redis70);
    older.call(["HELLO", "3"]);
    assert_eq!(error(&older.call(["ZRANK", "board", "ann", "WITHSCORE"])), ARITY);
    let score = older.call(["ZSCORE", "board", "ann"]);
    assert_eq!(older.encode(&score), b",0.10000000000000001\r\n");
}

fn error(reply: &Reply) -> String {
    match reply {
        Reply::Error(error) => error.to_string(),
        other => panic!("no error: {other:?}"),
    }
}

fn draw(chance: &mut Chance) -> Words {
    let words = right(chance);
    spoil(chance, words)
}

fn right(chance: &mut Chance) -> Words {
    let (key, other) = (chance.key(), chance.key());
    match chance.below(39) {
        0..=5 => [words!["ZADD", key], add_options(chance), entries(chance)].concat(),
        6 => {
            let entries = chance.many(70, 150, |chance| words![score(chance), chance.below(300)]);
            [words!["ZADD", key], entries.concat()].concat()
        }
        7 | 8 => {
            let entries = chance.many(1, 5, |chance| words!["0", chance.member()]);
            [words!["zadd", chance.pick(&EVEN)], entries.concat()].concat()
        }
        9 => words!["ZINCRBY", key, score(chance), chance.member()],
        10 => [words!["ZREM", key], members(chance)].concat(),
        11 => words!["ZCARD", key],
        12 => words!["ZSCORE", key, chance.member()],
        13 => [words!["ZMSCORE", key], members(chance)].concat(),
        14 => words![chance.pick(&["ZRANK", "zRevRank"]), key, chance.member()],
        15 => words!["ZCOUNT", key, score_end(chance), score_end(chance)],
        16 => words!["ZLEXCOUNT", chance.pick(&EVEN), member_end(chance), member_end(chance)],
        17 => [words!["ZRANGE", key, index(chance), index(chance)], range_options(chance, true)].concat(),
        18 => {
            let ends = words!["ZRANGE", key, score_end(chance), score_end(chance), "BYSCORE"];
            [ends, range_options(chance, true)].concat()
        }
        19 => {
            let ends = words!["ZRANGE", chance.pick(&EVEN), member_end(chance), member_end(chance), "bylex"];
            [ends, range_options(chance, true)].concat()
        }
        20 => {
            let ends = words!["ZRANGESTORE", key, other, score_end(chance), score_end(chance), "BYSCORE"];
            [ends, range_options(chance, false)].concat()
        }
        21 => {
            let ends = words!["ZRANGESTORE", key, other, index(chance), index(chance)];
            [ends, range_options(chance, false)].concat()
        }
        22 => {
            let ends = words!["ZREVRANGE", key, index(chance), index(chance)];
            [ends, range_options(chance, true)].concat()
        }
        23 | 24 => {
            let name = chance.pick(&["ZRANGEBYSCORE", "zrevrangebyscore"]);
            let ends = words![name, key, score_end(chance), score_end(chance)];
            [ends, range_options(chance, true)].concat()
        }
        25 => {
            let name = chance.pick(&["ZRANGEBYLEX", "ZREVRANGEBYLEX"]);
            let ends = words![name, chance.pick(&EVEN), member_end(chance), member_end(chance)];
            [ends, range_options(chance, true)].concat()
        }
        26 => words!["ZREMRANGEBYRANK", key, index(chance), index(chance)],
        27 => words!["ZREMRANGEBYSCORE", key, score_end(chance), score_end(chance)],
        28 => words!["ZREMRANGEBYLEX", chance.pick(&EVEN), member_end(chance), member_end(chance)],
        29 => words![chance.pick(&["ZPOPMIN", "ZPOPMAX"]), key],
        30 => words![chance.pick(&["ZPOPMIN", "ZPOPMAX"]), key, count(chance)],
        31 => [words!["ZMPOP"], keys(chance), pop_options(chance)].concat(),
        32 => [words!["ZRANDMEMBER", key], random_options(chance, "WITHSCORES")].concat(),
        33 | 34 => {
            let name = chance.pick(&["ZUNION", "ZINTER", "zdiff"]);
            [words![name], keys(chance), combine_options(chance)].concat()
        }
        35..=37 => {
            let name = chance.pick(&["ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"]);
            [words![name, key], keys(chance), combine_options(chance)].concat()
        }
        _ => {
            let limit = chance.many(0, 2, |chance| words!["LIMIT", count(chance)]);
            [words!["ZINTERCARD"], keys(chance), limit.concat()].concat()
        }
    }
}

/// A score whose sums have no rounding that would depend on the order of adding; now and then none.
fn score(chance: &mut Chance) -> Vec<u8> {
    const RARE: [&str; 12] =
        ["inf", "-Infinity", "nan", "-0", "1e17", "0.1", "-1e300", "5e-324", "0x10", "1e400", " 1", "+.5"];
    match chance.below(40) {
        0 => chance.value(),
        1..=3 => word(&chance.pick(&RARE)),
        _ => word(&(chance.below(17) as f64 / 2.0 - 4.0)),
    }
}

fn add_options(chance: &mut Chance) -> Words {
    let options = chance.many(0, 4, |chance| chance.pick(&["NX", "xx", "GT", "lt", "CH", "Incr", "", ""]));
    options.into_iter().filter(|option| !option.is_empty()).map(|option| word(&option)).collect()
}

fn entries(chance: &mut Chance) -> Words {
    let most = chance.pick(&[1, 1, 5]);
    chance.many(1, most, |chance| words![score(chance), chance.member()]).concat()
}

fn members(chance: &mut Chance) -> Words {
    chance.members()
}

/// Mostly a number.
fn index(chance: &mut Chance) -> Vec<u8> {
    if chance.one_in(20) { chance.value() } else { word(&chance.index()) }
}

fn count(chance: &mut Chance) -> Vec<u8> {
    match chance.below(12) {
        0 => chance.value(),
        1 => word(&chance.number()),
        _ => word(&chance.count()),
    }
}

fn score_end(chance: &mut Chance) -> Vec<u8> {
    let score = match chance.below(8) {
        0 => word(&"-inf"),
        1 => word(&"+inf"),
        2 => chance.value(),
        _ => score(chance),
    };
    if chance.one_in(3) { [word(&"("), score].concat() } else { score }
}

fn member_end(chance: &mut Chance) -> Vec<u8> {
    match chance.below(12) {
        0 | 1 => word(&"-"),
        2 | 3 => word(&"+"),
        4 => chance.pick(&[b"-\0x".to_vec(), b"+x".to_vec(), Vec::new(), b"a".to_vec()]),
        5..=7 => [word(&"("), chance.member()].concat(),
        _ => [word(&"["), chance.member()].concat(),
    }
}

fn range_options(chance: &mut Chance, scores: bool) -> Words {
    let options = chance.many(0, 2, |chance| match chance.below(20) {
        0..=4 if scores => words!["WithScores"],
        0..=4 => words![],
        5..=8 => words!["LIMIT", chance.below(5), chance.below(6) as i64 - 1],
        9 => words!["limit", index(chance), index(chance)],
        10..=13 => words!["REV"],
        14 => words![chance.pick(&["BYSCORE", "BYLEX", "WITHSCORES", "LIMIT", "x"])],
        _ => words![],
    });
    options.concat()
}

/// A number of keys, mostly theirs, and the keys.
fn keys(chance: &mut Chance) -> Words {
    let keys: Words = chance.keys().iter().map(word).collect();
    let count = match chance.below(25) {
        0 => chance.pick(&[word(&"0"), word(&"-1"), word(&"x"), word(&"100")]),
        1 => word(&(keys.len() + 1)),
        _ => word(&keys.len()),
    };
    [vec![count], keys].concat()
}

fn pop_options(chance: &mut Chance) -> Words {
    let end = chance.pick(&["MIN", "max", "MAX", "MID"]);
    let options = chance.many(0, 2, |chance| match chance.below(8) {
        0 => words!["COUNT"],
        1 => words!["x"],
        2..=4 => words!["count", count(chance)],
        _ => words![],
    });
    [words![end], options.concat()].concat()
}

pub fn random_options(chance: &mut Chance, with: &str) -> Words {
    let number = match chance.below(14) {
        0 => chance.pick(&[word(&i64::MIN), word(&"x"), word(&i64::MAX)]),
        _ => word(&(chance.below(14) as i64 - 6)),
    };
    match chance.below(12) {
        0 | 1 => words![],
        2..=5 => words![number],
        6..=9 => words![number, with],
        10 => words![number, "x"],
        _ => words![number, with.to_lowercase(), "x"],
    }
}

fn combine_options(chance: &mut Chance) -> Words {
    let options = chance.many(0, 2, |chance| match chance.below(16) {
        0..=3 => [words!["WEIGHTS"], chance.many(1, 4, score)].concat(),
        4..=7 => words!["aggregate", chance.pick(&["SUM", "min", "MAX", "MAX", "AVG"])],
        8..=10 => words!["WITHSCORES"],
        11 => words![chance.pick(&["AGGREGATE", "WEIGHTS", "x", "LIMIT"])],
        _ => words![],
    });
    options.concat()
}
