//! ZADD, ZSCORE, ZPOPMIN and their kin.

mod combine;
mod range;

use smallvec::SmallVec;

use super::args::Args;
use super::call::{Answer, Call};
use super::pieces::Form;
use super::row::flag::{DENYOOM, FAST, MOVABLEKEYS, READONLY, WRITE};
use super::row::{Keys, Row, counted, row};
use crate::Bytes;
use crate::command::sorted_set::{self as sets, InsertIf, Popped};
use crate::reply::{ErrorReply, Reply};
use crate::value::list::End;
use crate::value::sorted_set::Scored;

/// Keys behind their number, which is the first word.
const COUNTED: Keys = Keys::Find { told: (0, 0, 0), find: |words| counted(words, 1) };
/// The same behind a destination.
const STORED: Keys = Keys::Find { told: (1, 1, 1), find: destination_and_counted };

pub(super) const ROWS: &[Row] = &[
    row("zadd", -4, WRITE | DENYOOM | FAST, Keys::ONE, |call| add(call, false)).since(1, 2),
    row("zcard", 2, READONLY | FAST, Keys::ONE, card).since(1, 2),
    row("zcount", 4, READONLY | FAST, Keys::ONE, range::count_by_score).since(2, 0),
    row("zdiff", -3, READONLY | MOVABLEKEYS, COUNTED, combine::diff).since(6, 2),
    row("zdiffstore", -4, WRITE | DENYOOM | MOVABLEKEYS, STORED, combine::diff_store).since(6, 2),
    row("zincrby", 4, WRITE | DENYOOM | FAST, Keys::ONE, |call| add(call, true)).since(1, 2),
    row("zinter", -3, READONLY | MOVABLEKEYS, COUNTED, combine::inter).since(6, 2),
    row("zintercard", -3, READONLY | MOVABLEKEYS, COUNTED, combine::inter_card).since(7, 0),
    row("zinterstore", -4, WRITE | DENYOOM | MOVABLEKEYS, STORED, combine::inter_store).since(2, 0),
    row("zlexcount", 4, READONLY | FAST, Keys::ONE, range::count_by_member).since(2, 8),
    row("zmpop", -4, WRITE | MOVABLEKEYS, COUNTED, pop_any).since(7, 0),
    row("zmscore", -3, READONLY | FAST, Keys::ONE, scores).since(6, 2),
    row("zpopmax", -2, WRITE | FAST, Keys::ONE, |call| pop(call, End::Back)).since(5, 0),
    row("zpopmin", -2, WRITE | FAST, Keys::ONE, |call| pop(call, End::Front)).since(5, 0),
    row("zrandmember", -2, READONLY, Keys::ONE, random).since(6, 2),
    row("zrange", -4, READONLY, Keys::ONE, range::range).since(1, 2),
    row("zrangebylex", -4, READONLY, Keys::ONE, range::by_member).since(2, 8),
    row("zrangebyscore", -4, READONLY, Keys::ONE, range::by_score),
    row("zrangestore", -5, WRITE | DENYOOM, Keys::range(1, 2, 1), range::store).since(6, 2),
    row("zrank", -3, READONLY | FAST, Keys::ONE, |call| rank(call, End::Front))
        .since(2, 0)
        .arity_before(7, 2, 3),
    row("zrem", -3, WRITE | FAST, Keys::ONE, remove).since(1, 2),
    row("zremrangebylex", 4, WRITE, Keys::ONE, range::remove_by_member).since(2, 8),
    row("zremrangebyrank", 4, WRITE, Keys::ONE, range::remove_by_rank).since(2, 0),
    row("zremrangebyscore", 4, WRITE, Keys::ONE, range::remove_by_score).since(1, 2),
    row("zrevrange", -4, READONLY, Keys::ONE, range::reversed).since(1, 2),
    row("zrevrangebylex", -4, READONLY, Keys::ONE, range::by_member_reversed).since(2, 8),
    row("zrevrangebyscore", -4, READONLY, Keys::ONE, range::by_score_reversed).since(2, 2),
    row("zrevrank", -3, READONLY | FAST, Keys::ONE, |call| rank(call, End::Back))
        .since(2, 0)
        .arity_before(7, 2, 3),
    row("zscore", 3, READONLY | FAST, Keys::ONE, score).since(1, 2),
    row("zunion", -3, READONLY | MOVABLEKEYS, COUNTED, combine::union).since(6, 2),
    row("zunionstore", -4, WRITE | DENYOOM | MOVABLEKEYS, STORED, combine::union_store).since(2, 0),
];

/// The destination, and those that are counted behind it; none if these are not so many.
fn destination_and_counted(words: &[Bytes]) -> Vec<usize> {
    let mut keys = counted(words, 2);
    if !keys.is_empty() {
        keys.insert(0, 1);
    }
    keys
}

/// The options in front of what ZADD adds; Redis has ZINCRBY take them too, where no room is left for any.
#[derive(Default)]
struct AddOptions {
    absent: bool,
    present: bool,
    greater: bool,
    less: bool,
    changed: bool,
    increases: bool,
}

impl AddOptions {
    fn parse(args: &mut Args<'_>) -> Self {
        let mut options = AddOptions::default();
        loop {
            let option = if args.keyword("NX") {
                &mut options.absent
            } else if args.keyword("XX") {
                &mut options.present
            } else if args.keyword("CH") {
                &mut options.changed
            } else if args.keyword("INCR") {
                &mut options.increases
            } else if args.keyword("GT") {
                &mut options.greater
            } else if args.keyword("LT") {
                &mut options.less
            } else {
                return options;
            };
            *option = true;
        }
    }

    fn condition(&self) -> Result<InsertIf, ErrorReply> {
        Ok(match (self.absent, self.present, self.greater, self.less) {
            (true, true, ..) => {
                const BOTH: &str = "ERR XX and NX options at the same time are not compatible";
                return Err(ErrorReply::known(BOTH));
            }
            (true, _, true, _) | (true, _, _, true) | (_, _, true, true) => {
                const SEVERAL: &str = "ERR GT, LT, and/or NX options at the same time are not compatible";
                return Err(ErrorReply::known(SEVERAL));
            }
            (true, ..) => InsertIf::Absent,
            (_, true, true, _) => InsertIf::PresentGreater,
            (_, true, _, true) => InsertIf::PresentLess,
            (_, true, ..) => InsertIf::Present,
            (_, _, true, _) => InsertIf::Greater,
            (_, _, _, true) => InsertIf::Less,
            _ => InsertIf::Always,
        })
    }
}

fn add(call: &mut Call<'_>, increases: bool) -> Answer {
    let key = call.key()?;
    let options = AddOptions::parse(&mut call.args);
    let pairs = call.args.take_rest();
    if pairs.is_empty() || pairs.len() % 2 == 1 {
        return Err(ErrorReply::SYNTAX);
    }
    let condition = options.condition()?;
    let increases = increases || options.increases;
    if increases && pairs.len() > 2 {
        return Err(ErrorReply::known("ERR INCR option supports a single increment-element pair"));
    }
    let mut entries = SmallVec::<[_; 4]>::with_capacity(pairs.len() / 2);
    for pair in pairs.chunks_exact(2) {
        entries.push((pair[1].clone(), call.score(&pair[0])?));
    }
    if let (true, Some((member, by))) = (increases, entries.first()) {
        let new =
            call.write(key, |writer, key| sets::increase(writer, key, member.clone(), *by, condition))?;
        return Ok(new.map_or(Reply::Nil, Reply::Double));
    }
    let counts = call.write(key, |writer, key| sets::add(writer, key, &entries, condition))?;
    Ok(Reply::count(if options.changed { counts.added + counts.updated } else { counts.added }))
}

fn remove(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let members = call.args.take_rest();
    Ok(Reply::count(call.write(key, |writer, key| sets::remove(writer, key, members))?))
}

fn card(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    Ok(Reply::count(call.read(key, sets::len)?))
}

fn score(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let member = call.args.take_many(1)?;
    let scores = call.read(key, |view, key| sets::scores(view, key, member))?;
    Ok(scores.into_iter().next().flatten().map_or(Reply::Nil, Reply::Double))
}

fn scores(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let members = call.args.take_rest();
    let scores = call.read(key, |view, key| sets::scores(view, key, members))?;
    Ok(Reply::Array(scores.into_iter().map(|score| score.map_or(Reply::Nil, Reply::Double)).collect()))
}

fn rank(call: &mut Call<'_>, from: End) -> Answer {
    let (key, member) = (call.key()?, call.args.next()?);
    if call.args.len() > 1 {
        return Err(call.wrong_arity());
    }
    let with_score = call.args.keyword("WITHSCORE");
    if !call.args.is_empty() {
        return Err(ErrorReply::SYNTAX);
    }
    let found = call.read(key, |view, key| sets::rank(view, key, member, from))?;
    Ok(match found {
        Some((rank, score)) if with_score => Reply::Array(vec![Reply::count(rank), Reply::Double(score)]),
        Some((rank, _)) => Reply::count(rank),
        None if with_score => Reply::NilArray,
        None => Reply::Nil,
    })
}

/// ZPOPMIN, ZPOPMAX: one member and its score in one list, or as many as are asked for in pairs.
fn pop(call: &mut Call<'_>, end: End) -> Answer {
    let key = call.key()?;
    let count = call.args.take_many(call.args.len().min(1))?;
    if !call.args.is_empty() {
        return Err(ErrorReply::SYNTAX);
    }
    let pop = |count| {
        let popped = call.write(key, |writer, key| sets::pop(writer, key, end, count))?;
        Ok::<_, ErrorReply>(popped.map(Popped::into_vec))
    };
    if count.is_empty() {
        let popped = pop(1)?.unwrap_or_default();
        let flat = popped.into_iter().flat_map(|(score, member)| [Reply::Bulk(member), Reply::Double(score)]);
        return Ok(Reply::Array(flat.collect()));
    }
    let count = Args::new(count).integer().ok().and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(ErrorReply::OUT_OF_RANGE)?;
    Ok(match pop(count)? {
        Some(popped) => pairs(popped),
        None => Reply::Array(Vec::new()),
    })
}

/// ZMPOP: the key, and what was taken from it.
fn pop_any(call: &mut Call<'_>) -> Answer {
    let names = call.args.counted_keys("ERR numkeys should be greater than 0")?;
    let (end, count) = pop_options(&mut call.args)?;
    let keys = call.key_refs(names);
    let popped = call.write_all(&keys, |writer| sets::pop_any(writer, &keys, end, count))?;
    let Some((at, popped)) = popped else { return Ok(Reply::NilArray) };
    Ok(popped_from(names.get(at).cloned().unwrap_or_default(), popped.into_vec()))
}

/// MIN or MAX, and how many are wanted.
pub(super) fn pop_options(args: &mut Args<'_>) -> Result<(End, usize), ErrorReply> {
    let end = if args.keyword("MIN") {
        End::Front
    } else if args.keyword("MAX") {
        End::Back
    } else {
        return Err(ErrorReply::SYNTAX);
    };
    let mut count = None;
    while let Some(word) = args.take() {
        if count.is_some() || !super::args::is(word, "COUNT") || args.is_empty() {
            return Err(ErrorReply::SYNTAX);
        }
        let wanted = args.integer().ok().and_then(|count| usize::try_from(count).ok());
        let wanted = wanted.filter(|count| *count > 0);
        count = Some(wanted.ok_or(ErrorReply::known("ERR count should be greater than 0"))?);
    }
    Ok((end, count.unwrap_or(1)))
}

/// A key, and the members that were taken from it: each with its score in a list of two.
pub(super) fn popped_from(name: crate::Bytes, popped: Vec<Scored>) -> Reply {
    let members = popped
        .into_iter()
        .map(|(score, member)| Reply::Array(vec![Reply::Bulk(member), Reply::Double(score)]));
    Reply::Array(vec![Reply::Bulk(name), Reply::Array(members.collect())])
}

fn random(call: &mut Call<'_>) -> Answer {
    let key = call.key()?;
    let Some((count, with_scores)) = call.args.draw("WITHSCORES")? else {
        let drawn = call.read(key, |view, key| sets::random(view, key, crate::command::Draw::Distinct(1)))?;
        return Ok(Reply::bulk_or_nil(drawn.into_iter().next().map(|(_, member)| member)));
    };
    let draw = call.draw(count);
    let drawn = call.read(key, |view, key| sets::random(view, key, draw))?;
    members(call, drawn, with_scores)
}

/// Members, with their scores or without.
fn members(call: &mut Call<'_>, members: Vec<Scored>, with_scores: bool) -> Answer {
    if with_scores {
        return Ok(pairs(members));
    }
    call.strings(Form::Array, members.len(), members.into_iter().map(|(_, member)| Some(member)))
}

fn pairs(members: Vec<Scored>) -> Reply {
    Reply::Pairs(
        members.into_iter().map(|(score, member)| (Reply::Bulk(member), Reply::Double(score))).collect(),
    )
}
