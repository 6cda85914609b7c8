//! Sorted sets.

use std::ops::Bound;

use larder::{Aggregate, Bytes, Combine, InsertIf, SortedSet, Store, Window};

use super::chance::{Chance, Key};
use super::client::Cmd;
use super::outcome::{Outcome, Shape};
use super::{Operation, Rule, wire};

type Member = Vec<u8>;
type Scores = (Bound<f64>, Bound<f64>);
type Members = (Bound<Member>, Bound<Member>);

/// Keys whose members all have one score, as ranges of members want it.
const EVEN: [Key; 2] = [b"even", b"even too"];

#[derive(Clone, Copy, Debug)]
pub enum End {
    First,
    Last,
}

#[derive(Clone, Copy, Debug)]
pub struct Part {
    reversed: bool,
    limit: Option<(usize, usize)>,
}

#[derive(Clone, Debug)]
pub struct How {
    weights: Option<Vec<f64>>,
    aggregate: Aggregate,
}

#[derive(Clone, Debug)]
pub enum Select {
    Rank(i64, i64),
    Score(Scores),
    Member(Members),
}

#[derive(Clone, Debug)]
pub enum Op {
    Insert(Key, Vec<(Member, f64)>),
    InsertWith(Key, Vec<(Member, f64)>, InsertIf),
    Incr(Key, Member, f64),
    IncrWith(Key, Member, f64, InsertIf),
    Remove(Key, Vec<Member>),
    Score(Key, Member),
    Scores(Key, Vec<Member>),
    Rank(Key, Member, End),
    RankWithScore(Key, Member, End),
    Len(Key),
    Range(Key, Select, Part),
    RangeInto(Key, Key, Select, Part),
    Count(Key, Scores),
    CountMembers(Key, Members),
    RemoveRange(Key, Select),
    Pop(Key, End),
    PopMany(Key, End, usize),
    PopOf(Vec<Key>, End, usize),
    Random(Key),
    RandomMany(Key, usize),
    RandomRepeated(Key, usize),
    Union(Vec<Key>, How),
    Intersection(Vec<Key>, How),
    Difference(Vec<Key>),
    UnionInto(Key, Vec<Key>, How),
    IntersectionInto(Key, Vec<Key>, How),
    DifferenceInto(Key, Vec<Key>),
    IntersectionLen(Vec<Key>, Option<usize>),
}

impl Op {
    pub fn any(chance: &mut Chance, version: (u32, u32)) -> Self {
        let key = chance.key();
        let end = |chance: &mut Chance| chance.pick(&[End::First, End::Last]);
        match chance.below(42) {
            0..=5 => Op::Insert(key, chance.many(1, 5, |chance| (chance.member(), score(chance)))),
            6 => Op::Insert(key, chance.many(100, 200, |chance| (many_members(chance), score(chance)))),
            7 => Op::Insert(chance.pick(&EVEN), chance.many(1, 5, |chance| (chance.member(), 0.0))),
            8 | 9 => {
                let members = chance.many(1, 5, |chance| (chance.member(), score(chance)));
                Op::InsertWith(key, members, condition(chance))
            }
            10 => Op::Incr(key, chance.member(), score(chance)),
            11 => {
                let by = if chance.one_in(3) { 0.0 } else { score(chance) };
                Op::IncrWith(key, chance.member(), by, condition(chance))
            }
            12 => Op::Remove(key, chance.members()),
            13 => Op::Score(key, chance.member()),
            14 => Op::Scores(key, chance.members()),
            15 if version >= (7, 2) => Op::RankWithScore(key, chance.member(), end(chance)),
            15 | 16 => Op::Rank(key, chance.member(), end(chance)),
            17 => Op::Len(key),
            18..=20 => {
                let (key, select) = select(chance, key);
                Op::Range(key, select, part(chance))
            }
            21 | 22 => {
                let (key, select) = select(chance, key);
                Op::RangeInto(chance.key(), key, select, part(chance))
            }
            23 => Op::Count(key, scores(chance)),
            24 => Op::CountMembers(chance.pick(&EVEN), members(chance)),
            25 => {
                let (key, select) = select(chance, key);
                Op::RemoveRange(key, select)
            }
            26 => Op::Pop(key, end(chance)),
            27 => Op::PopMany(key, end(chance), chance.count()),
            28 => Op::PopOf(chance.keys(), end(chance), chance.count()),
            29 => Op::Random(key),
            30 => Op::RandomMany(key, chance.count()),
            31 => Op::RandomRepeated(key, chance.count()),
            32 | 33 => combined(chance, Op::Union),
            34 | 35 => combined(chance, Op::Intersection),
            36 => Op::Difference(chance.keys()),
            37 => combined(chance, |keys, how| Op::UnionInto(key, keys, how)),
            38 => combined(chance, |keys, how| Op::IntersectionInto(key, keys, how)),
            39 => Op::DifferenceInto(key, chance.keys()),
            40 => Op::IntersectionLen(chance.keys(), chance.maybe(|chance| 1 + chance.below(4))),
            _ => Op::Remove(chance.pick(&EVEN), chance.members()),
        }
    }
}

/// A score whose sums have no rounding that would depend on the order of adding.
fn score(chance: &mut Chance) -> f64 {
    const RARE: [f64; 8] = [f64::INFINITY, f64::NEG_INFINITY, f64::NAN, -0.0, 1e17, 0.1, -1e300, 5e-324];
    if chance.one_in(12) { chance.pick(&RARE) } else { chance.below(17) as f64 / 2.0 - 4.0 }
}

fn many_members(chance: &mut Chance) -> Member {
    chance.below(300).to_string().into_bytes()
}

fn condition(chance: &mut Chance) -> InsertIf {
    chance.pick(&[
        InsertIf::Always,
        InsertIf::Absent,
        InsertIf::Present,
        InsertIf::Greater,
        InsertIf::Less,
        InsertIf::PresentGreater,
        InsertIf::PresentLess,
    ])
}

fn bound<T>(chance: &mut Chance, make: impl FnOnce(&mut Chance) -> T) -> Bound<T> {
    match chance.below(5) {
        0 => Bound::Unbounded,
        1 | 2 => Bound::Included(make(chance)),
        _ => Bound::Excluded(make(chance)),
    }
}

fn scores(chance: &mut Chance) -> Scores {
    (bound(chance, score), bound(chance, score))
}

fn members(chance: &mut Chance) -> Members {
    (bound(chance, Chance::member), bound(chance, Chance::member))
}

/// What to select, and from which key: ranges of members only where all have one score.
fn select(chance: &mut Chance, key: Key) -> (Key, Select) {
    match chance.below(3) {
        0 => (key, Select::Rank(chance.index(), chance.index())),
        1 => (key, Select::Score(scores(chance))),
        _ => (chance.pick(&EVEN), Select::Member(members(chance))),
    }
}

fn part(chance: &mut Chance) -> Part {
    Part { reversed: chance.flag(), limit: chance.maybe(|chance| (chance.below(5), chance.below(5))) }
}

fn combined<T>(chance: &mut Chance, make: impl FnOnce(Vec<Key>, How) -> T) -> T {
    let keys = chance.keys();
    let weights = chance.maybe(|chance| keys.iter().map(|_| score(chance)).collect());
    make(keys, How { weights, aggregate: chance.pick(&[Aggregate::Sum, Aggregate::Min, Aggregate::Max]) })
}

impl How {
    fn combine(&self) -> Combine {
        let combine = Combine::new().aggregate(self.aggregate);
        match &self.weights {
            Some(weights) => combine.weights(weights.iter().copied()),
            None => combine,
        }
    }

    fn wire(&self, mut command: Cmd) -> Cmd {
        if let Some(weights) = &self.weights {
            command.arg("WEIGHTS").arg(weights.iter().map(f64::to_string).collect::<Vec<_>>());
        }
        command.arg("AGGREGATE").arg(format!("{:?}", self.aggregate)).take()
    }
}

impl Part {
    fn window(self) -> Window {
        let window = if self.reversed { Window::new().reversed() } else { Window::new() };
        match self.limit {
            Some((skip, take)) => window.skip(skip).take(take),
            None => window,
        }
    }
}

impl Select {
    /// The bounds and options of ZRANGE and ZRANGESTORE.
    fn wire(&self, part: Part, mut command: Cmd) -> Cmd {
        let (mut start, mut stop) = self.bounds();
        // Of a reversed range of values Redis wants the higher end first.
        if part.reversed && !matches!(self, Select::Rank(..)) {
            (start, stop) = (stop, start);
        }
        command.arg(start).arg(stop);
        match self {
            Select::Rank(..) => {}
            Select::Score(_) => drop(command.arg("BYSCORE")),
            Select::Member(_) => drop(command.arg("BYLEX")),
        }
        if part.reversed {
            command.arg("REV");
        }
        if let (Some((skip, take)), false) = (part.limit, matches!(self, Select::Rank(..))) {
            command.arg("LIMIT").arg(skip).arg(take);
        }
        command
    }

    fn bounds(&self) -> (Vec<u8>, Vec<u8>) {
        match self {
            Select::Rank(start, stop) => (start.to_string().into(), stop.to_string().into()),
            Select::Score(scores) => score_bounds(*scores),
            Select::Member(members) => member_bounds(members),
        }
    }
}

fn score_bounds((low, high): Scores) -> (Vec<u8>, Vec<u8>) {
    let text = |bound: Bound<f64>, unbounded: &str| match bound {
        Bound::Included(score) => score.to_string().into(),
        Bound::Excluded(score) => format!("({score}").into(),
        Bound::Unbounded => unbounded.into(),
    };
    (text(low, "-inf"), text(high, "+inf"))
}

fn member_bounds((low, high): &Members) -> (Vec<u8>, Vec<u8>) {
    let text = |bound: &Bound<Member>, unbounded: &str| match bound {
        Bound::Included(member) => [b"[", &member[..]].concat(),
        Bound::Excluded(member) => [b"(", &member[..]].concat(),
        Bound::Unbounded => unbounded.into(),
    };
    (text(low, "-"), text(high, "+"))
}

fn condition_names(condition: InsertIf) -> &'static [&'static str] {
    match condition {
        InsertIf::Absent => &["NX"],
        InsertIf::Present => &["XX"],
        InsertIf::Greater => &["GT"],
        InsertIf::Less => &["LT"],
        InsertIf::PresentGreater => &["XX", "GT"],
        InsertIf::PresentLess => &["XX", "LT"],
        _ => &[],
    }
}

/// Scores in front of their members, as ZADD wants them.
fn pairs(members: &[(Member, f64)]) -> Vec<(String, &[u8])> {
    members.iter().map(|(member, score)| (score.to_string(), &member[..])).collect()
}

fn flatten(members: larder::Result<Vec<(Bytes, f64)>>) -> Outcome {
    members.into()
}

impl Operation for Op {
    fn typed(&self, store: &Store) -> Outcome {
        let owned = |key: &Key| -> SortedSet<'_, Member> { store.sorted_set(*key) };
        let bytes = |key: &Key| -> SortedSet<'_, Bytes> { store.sorted_set(*key) };
        match self {
            Op::Insert(key, added) if added.len() == 1 => owned(key).insert(&added[0].0, added[0].1).into(),
            Op::Insert(key, added) => {
                owned(key).insert_many(added.iter().map(|(member, score)| (member, *score))).into()
            }
            Op::InsertWith(key, added, condition) => {
                let added = added.iter().map(|(member, score)| (member, *score));
                let counts = owned(key).insert_many_if(added, *condition);
                counts.map(|counts| counts.added + counts.updated).into()
            }
            Op::Incr(key, member, by) => owned(key).incr_by(member, *by).into(),
            Op::IncrWith(key, member, by, condition) => owned(key).incr_by_if(member, *by, *condition).into(),
            Op::Remove(key, removed) => owned(key).remove_many(removed).into(),
            Op::Score(key, member) => owned(key).score(member).into(),
            Op::Scores(key, members) => owned(key).scores(members).into(),
            Op::Rank(key, member, End::First) => owned(key).rank(member).into(),
            Op::Rank(key, member, End::Last) => owned(key).rank_rev(member).into(),
            Op::RankWithScore(key, member, End::First) => owned(key).rank_with_score(member).into(),
            Op::RankWithScore(key, member, End::Last) => owned(key).rank_rev_with_score(member).into(),
            Op::Len(key) => owned(key).len().into(),
            Op::Range(key, select, part) => flatten(match select {
                Select::Rank(start, stop) if part.reversed => bytes(key).range_rev(*start, *stop),
                Select::Rank(start, stop) => bytes(key).range(*start, *stop),
                Select::Score(scores) => bytes(key).range_by_score_with(*scores, part.window()),
                Select::Member(members) => {
                    let found = bytes(key).range_by_member_with(members.clone(), part.window());
                    // Redis gives these without their scores.
                    return found
                        .map(|found| found.into_iter().map(|(member, _)| member).collect::<Vec<_>>())
                        .into();
                }
            }),
            Op::RangeInto(to, key, select, part) => Outcome::from(match select {
                Select::Rank(start, stop) if part.reversed => bytes(key).range_rev_into(*to, *start, *stop),
                Select::Rank(start, stop) => bytes(key).range_into(*to, *start, *stop),
                Select::Score(scores) => bytes(key).range_by_score_into_with(*to, *scores, part.window()),
                Select::Member(members) => {
                    bytes(key).range_by_member_into_with(*to, members.clone(), part.window())
                }
            }),
            Op::Count(key, scores) => owned(key).count_by_score(*scores).into(),
            Op::CountMembers(key, members) => owned(key).count_by_member(members.clone()).into(),
            Op::RemoveRange(key, Select::Rank(start, stop)) => owned(key).remove_range(*start, *stop).into(),
            Op::RemoveRange(key, Select::Score(scores)) => owned(key).remove_by_score(*scores).into(),
            Op::RemoveRange(key, Select::Member(members)) => {
                owned(key).remove_by_member(members.clone()).into()
            }
            Op::Pop(key, end) => {
                let popped = match end {
                    End::First => bytes(key).pop_first(),
                    End::Last => bytes(key).pop_last(),
                };
                popped.map(|popped| popped.into_iter().collect::<Vec<_>>()).into()
            }
            Op::PopMany(key, End::First, count) => flatten(bytes(key).pop_first_many(*count)),
            Op::PopMany(key, End::Last, count) => flatten(bytes(key).pop_last_many(*count)),
            Op::PopOf(keys, End::First, count) => store.pop_first_of::<Bytes>(keys.clone(), *count).into(),
            Op::PopOf(keys, End::Last, count) => store.pop_last_of::<Bytes>(keys.clone(), *count).into(),
            Op::Random(key) => bytes(key).random().map(|drawn| drawn.map(|(member, _)| member)).into(),
            Op::RandomMany(key, count) => flatten(bytes(key).random_many(*count)),
            Op::RandomRepeated(key, count) => flatten(bytes(key).random_repeated(*count)),
            Op::Union(keys, how) => {
                flatten(bytes(&keys[0]).union_with(keys[1..].iter().copied(), &how.combine()))
            }
            Op::Intersection(keys, how) => {
                flatten(bytes(&keys[0]).intersection_with(keys[1..].iter().copied(), &how.combine()))
            }
            Op::Difference(keys) => flatten(bytes(&keys[0]).difference(keys[1..].iter().copied())),
            Op::UnionInto(to, keys, how) => {
                bytes(&keys[0]).union_into_with(*to, keys[1..].iter().copied(), &how.combine()).into()
            }
            Op::IntersectionInto(to, keys, how) => {
                bytes(&keys[0]).intersection_into_with(*to, keys[1..].iter().copied(), &how.combine()).into()
            }
            Op::DifferenceInto(to, keys) => {
                bytes(&keys[0]).difference_into(*to, keys[1..].iter().copied()).into()
            }
            Op::IntersectionLen(keys, limit) => {
                bytes(&keys[0]).intersection_len(keys[1..].iter().copied(), *limit).into()
            }
        }
    }

    fn wire(&self) -> Cmd {
        let first = |end: &End| matches!(end, End::First);
        let pop = |end| if first(end) { "ZPOPMIN" } else { "ZPOPMAX" };
        let rank = |end| if first(end) { "ZRANK" } else { "ZREVRANK" };
        match self {
            Op::Insert(key, added) => wire!("ZADD", *key, pairs(added)),
            Op::InsertWith(key, added, condition) => {
                wire!("ZADD", *key, condition_names(*condition), "CH", pairs(added))
            }
            Op::Incr(key, member, by) => wire!("ZINCRBY", *key, by.to_string(), member),
            Op::IncrWith(key, member, by, condition) => {
                wire!("ZADD", *key, condition_names(*condition), "INCR", by.to_string(), member)
            }
            Op::Remove(key, removed) => wire!("ZREM", *key, removed),
            Op::Score(key, member) => wire!("ZSCORE", *key, member),
            Op::Scores(key, members) => wire!("ZMSCORE", *key, members),
            Op::Rank(key, member, end) => wire!(rank(end), *key, member),
            Op::RankWithScore(key, member, end) => wire!(rank(end), *key, member, "WITHSCORE"),
            Op::Len(key) => wire!("ZCARD", *key),
            Op::Range(key, select @ Select::Member(_), part) => select.wire(*part, wire!("ZRANGE", *key)),
            Op::Range(key, select, part) => {
                select.wire(*part, wire!("ZRANGE", *key)).arg("WITHSCORES").take()
            }
            Op::RangeInto(to, key, select, part) => select.wire(*part, wire!("ZRANGESTORE", *to, *key)),
            Op::Count(key, scores) => {
                let (low, high) = score_bounds(*scores);
                wire!("ZCOUNT", *key, low, high)
            }
            Op::CountMembers(key, members) => {
                let (low, high) = member_bounds(members);
                wire!("ZLEXCOUNT", *key, low, high)
            }
            Op::RemoveRange(key, select) => {
                let (start, stop) = select.bounds();
                let name = match select {
                    Select::Rank(..) => "ZREMRANGEBYRANK",
                    Select::Score(_) => "ZREMRANGEBYSCORE",
                    Select::Member(_) => "ZREMRANGEBYLEX",
                };
                wire!(name, *key, start, stop)
            }
            Op::Pop(key, end) => wire!(pop(end), *key),
            Op::PopMany(key, end, count) => wire!(pop(end), *key, count),
            Op::PopOf(keys, end, count) => {
                wire!("ZMPOP", keys.len(), keys, if first(end) { "MIN" } else { "MAX" }, "COUNT", count)
            }
            Op::Random(key) => wire!("ZRANDMEMBER", *key),
            Op::RandomMany(key, count) => wire!("ZRANDMEMBER", *key, count, "WITHSCORES"),
            Op::RandomRepeated(key, count) => wire!("ZRANDMEMBER", *key, -(*count as i64), "WITHSCORES"),
            Op::Union(keys, how) => how.wire(wire!("ZUNION", keys.len(), keys)).arg("WITHSCORES").take(),
            Op::Intersection(keys, how) => {
                how.wire(wire!("ZINTER", keys.len(), keys)).arg("WITHSCORES").take()
            }
            Op::Difference(keys) => wire!("ZDIFF", keys.len(), keys, "WITHSCORES"),
            Op::UnionInto(to, keys, how) => how.wire(wire!("ZUNIONSTORE", *to, keys.len(), keys)),
            Op::IntersectionInto(to, keys, how) => how.wire(wire!("ZINTERSTORE", *to, keys.len(), keys)),
            Op::DifferenceInto(to, keys) => wire!("ZDIFFSTORE", *to, keys.len(), keys),
            Op::IntersectionLen(keys, limit) => {
                wire!("ZINTERCARD", keys.len(), keys, "LIMIT", limit.unwrap_or(0))
            }
        }
    }

    fn shape(&self) -> Shape {
        match self {
            Op::Incr(..) | Op::IncrWith(..) | Op::Score(..) | Op::Scores(..) => Shape::Float,
            Op::Range(_, Select::Member(_), _) => Shape::Plain,
            Op::RankWithScore(..) => Shape::Float,
            Op::Range(..) | Op::Pop(..) | Op::PopMany(..) | Op::RandomMany(..) | Op::RandomRepeated(..) => {
                Shape::Scored
            }
            Op::Union(..) | Op::Intersection(..) | Op::Difference(..) => Shape::Scored,
            Op::PopOf(..) => Shape::ScoredFrom,
            _ => Shape::Plain,
        }
    }

    fn rule(&self) -> Rule {
        let drawn = |key: &Key, distinct| {
            let from = wire!("ZRANGE", *key, 0, -1, "WITHSCORES");
            Rule::Drawn { from, shape: Shape::Scored, distinct }
        };
        match self {
            Op::Random(key) => {
                Rule::Drawn { from: wire!("ZRANGE", *key, 0, -1), shape: Shape::Plain, distinct: true }
            }
            Op::RandomMany(key, _) => drawn(key, true),
            Op::RandomRepeated(key, _) => drawn(key, false),
            _ => Rule::Equal,
        }
    }
}
