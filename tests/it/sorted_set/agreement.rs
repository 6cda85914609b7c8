//! All operations beside a plain model of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::ops::Bound;
use std::time::Duration;

use larder::{Aggregate, Combine, Error, InsertIf, Inserted, ManualClock, Store, Window};
use proptest::prelude::*;

use super::model::{
    FLAT, Fails, How, KEYS, MEMBERS, Model, PLAIN, Part, Select, Side, TEXT, Value, in_order, name,
};
use crate::support::manual_store;

#[derive(Clone, Debug)]
enum Op {
    Insert(usize, u8, f64),
    InsertAll(usize, Vec<(u8, f64)>),
    InsertWith(usize, u8, f64, InsertIf),
    InsertAllWith(usize, Vec<(u8, f64)>, InsertIf),
    Incr(usize, u8, f64),
    IncrWith(usize, u8, f64, InsertIf),
    Remove(usize, u8),
    RemoveAll(usize, Vec<u8>),
    Look(usize, u8),
    Scores(usize, Vec<u8>),
    Whole(usize),
    Range(usize, Select, Part),
    RangeInto(usize, usize, Select, Part),
    RemoveRange(usize, Select),
    Pop(usize, Side),
    PopMany(usize, Side, usize),
    PopOf(Vec<usize>, Side, usize),
    Random(usize, usize),
    Combine(How, Vec<usize>, Option<Vec<f64>>, Aggregate),
    CombineInto(How, usize, Vec<usize>, Option<Vec<f64>>, Aggregate),
    IntersectionLen(Vec<usize>, Option<usize>),
    Plain(u8),
    Expire(usize, u64),
    Advance(u64),
}

fn score() -> impl Strategy<Value = f64> {
    let edges = vec![f64::NEG_INFINITY, -0.0, 0.5, f64::INFINITY, f64::NAN];
    prop_oneof![6 => (-3..4_i32).prop_map(f64::from), 1 => prop::sample::select(edges)]
}

fn bound<T: Debug>(value: impl Strategy<Value = T>) -> impl Strategy<Value = Bound<T>> {
    (0..5, value).prop_map(|(kind, value)| match kind {
        0 | 1 => Bound::Included(value),
        2 | 3 => Bound::Excluded(value),
        _ => Bound::Unbounded,
    })
}

fn select() -> impl Strategy<Value = Select> {
    let position = || prop_oneof![9 => -12..12_i64, 1 => prop::sample::select(vec![i64::MIN, i64::MAX])];
    prop_oneof![
        (position(), position()).prop_map(|(start, stop)| Select::Rank(start, stop)),
        (bound(score()), bound(score())).prop_map(Select::Score),
        (bound(0..MEMBERS), bound(0..MEMBERS)).prop_map(Select::Member),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    let key = || prop_oneof![12 => 0..FLAT, 5 => Just(FLAT), 1 => Just(PLAIN), 1 => Just(TEXT)];
    let source = || prop_oneof![12 => 0..FLAT, 2 => Just(FLAT), 3 => Just(PLAIN), 1 => Just(TEXT)];
    let member = || 0..MEMBERS;
    let members = || prop::collection::vec((member(), score()), 0..16);
    let count = || prop_oneof![8 => 0..6_usize, 1 => Just(usize::MAX)];
    let side = || prop::sample::select(vec![Side::First, Side::Last]);
    let condition = || {
        use InsertIf::*;
        prop::sample::select(vec![Always, Absent, Present, Greater, Less, PresentGreater, PresentLess])
    };
    let part = || {
        (any::<bool>(), prop_oneof![3 => Just(0), 1 => count()], prop::option::of(count()))
            .prop_map(|(reversed, skip, take)| Part { reversed, skip, take })
    };
    let how = || prop::sample::select(vec![How::Union, How::Intersection, How::Difference]);
    let weights = || prop::option::of(prop::collection::vec(score(), 3));
    let aggregate = || prop::sample::select(vec![Aggregate::Sum, Aggregate::Min, Aggregate::Max]);
    let sources = || prop::collection::vec(source(), 1..4);
    prop_oneof![
        3 => (key(), member(), score()).prop_map(|(key, member, score)| Op::Insert(key, member, score)),
        8 => (key(), members()).prop_map(|(key, members)| Op::InsertAll(key, members)),
        4 => (key(), member(), score(), condition()).prop_map(|(k, m, s, c)| Op::InsertWith(k, m, s, c)),
        2 => (key(), members(), condition()).prop_map(|(k, m, c)| Op::InsertAllWith(k, m, c)),
        2 => (key(), member(), score()).prop_map(|(key, member, by)| Op::Incr(key, member, by)),
        2 => (key(), member(), score(), condition()).prop_map(|(k, m, by, c)| Op::IncrWith(k, m, by, c)),
        2 => (key(), member()).prop_map(|(key, member)| Op::Remove(key, member)),
        1 => (key(), prop::collection::vec(member(), 0..6)).prop_map(|(k, m)| Op::RemoveAll(k, m)),
        3 => (key(), member()).prop_map(|(key, member)| Op::Look(key, member)),
        1 => (key(), prop::collection::vec(member(), 0..6)).prop_map(|(k, m)| Op::Scores(k, m)),
        2 => key().prop_map(Op::Whole),
        8 => (key(), select(), part()).prop_map(|(key, select, part)| Op::Range(key, select, part)),
        3 => (key(), key(), select(), part()).prop_map(|(to, k, s, p)| Op::RangeInto(to, k, s, p)),
        2 => (key(), select()).prop_map(|(key, select)| Op::RemoveRange(key, select)),
        1 => (key(), side()).prop_map(|(key, side)| Op::Pop(key, side)),
        1 => (key(), side(), count()).prop_map(|(key, side, count)| Op::PopMany(key, side, count)),
        1 => (sources(), side(), count()).prop_map(|(keys, side, count)| Op::PopOf(keys, side, count)),
        2 => (key(), 0..40_usize).prop_map(|(key, count)| Op::Random(key, count)),
        5 => (how(), sources(), weights(), aggregate()).prop_map(|(h, k, w, a)| Op::Combine(h, k, w, a)),
        3 => (how(), key(), sources(), weights(), aggregate())
            .prop_map(|(h, to, k, w, a)| Op::CombineInto(h, to, k, w, a)),
        1 => (sources(), prop::option::of(count())).prop_map(|(k, limit)| Op::IntersectionLen(k, limit)),
        2 => member().prop_map(Op::Plain),
        1 => (key(), 1..40_u64).prop_map(|(key, ttl)| Op::Expire(key, ttl)),
        1 => (0..20_u64).prop_map(Op::Advance),
    ]
}

#[track_caller]
fn same<R: PartialEq + Debug>(got: Fails<R>, expected: Fails<R>) {
    match (got, expected) {
        (Ok(got), Ok(expected)) => assert_eq!(got, expected),
        (got, expected) => {
            assert_eq!(got.map_err(|error| error.to_string()), expected.map_err(|error| error.to_string()))
        }
    }
}

/// The score that a member of this key gets.
fn flat(key: usize, score: f64) -> f64 {
    if key == FLAT && !score.is_nan() { 1.0 } else { score }
}

fn apply(store: &Store, clock: &ManualClock, model: &mut Model, op: Op) {
    let set = |key: usize| store.sorted_set::<String>(KEYS[key]);
    match op {
        Op::Insert(key, member, score) => {
            let score = flat(key, score);
            let expected = model.insert(key, &[(member, score)], InsertIf::Always);
            same(set(key).insert(name(member), score), expected.map(|(added, _)| added == 1));
        }
        Op::InsertAll(key, members) => {
            let members: Vec<_> = members.into_iter().map(|(m, score)| (m, flat(key, score))).collect();
            let expected = model.insert(key, &members, InsertIf::Always).map(|(added, _)| added);
            let members: Vec<_> = members.iter().map(|(member, score)| (name(*member), *score)).collect();
            same(set(key).insert_many(members.iter().map(|(m, score)| (m, *score))), expected);
        }
        Op::InsertWith(key, member, score, condition) => {
            let score = flat(key, score);
            let expected = model.insert(key, &[(member, score)], condition).map(|counts| match counts {
                (0, 0) => Inserted::Unchanged,
                (0, _) => Inserted::Updated,
                _ => Inserted::Added,
            });
            same(set(key).insert_if(name(member).as_str(), score, condition), expected);
        }
        Op::InsertAllWith(key, members, condition) => {
            let members: Vec<_> = members.into_iter().map(|(m, score)| (m, flat(key, score))).collect();
            let expected = model.insert(key, &members, condition);
            let members: Vec<_> = members.iter().map(|(member, score)| (name(*member), *score)).collect();
            let got = set(key).insert_many_if(members.iter().map(|(m, score)| (m, *score)), condition);
            same(got.map(|counts| (counts.added, counts.updated)), expected);
        }
        Op::Incr(key, member, by) => {
            let expected = model.incr(key, member, by, InsertIf::Always).map(|score| score.unwrap());
            same(set(key).incr_by(name(member), by), expected);
        }
        Op::IncrWith(key, member, by, condition) => {
            let expected = model.incr(key, member, by, condition);
            same(set(key).incr_by_if(name(member), by, condition), expected);
        }
        Op::Remove(key, member) => {
            same(set(key).remove(name(member)), model.remove(key, [name(member)]).map(|gone| gone == 1));
        }
        Op::RemoveAll(key, members) => {
            let members: Vec<String> = members.into_iter().map(name).collect();
            same(set(key).remove_many(&members), model.remove(key, members));
        }
        Op::Look(key, member) => {
            let (member, all) = (name(member), model.get(key).map(in_order));
            let at = all.map(|all| (all.iter().position(|(m, _)| *m == member), all));
            let find = |rev: bool| match &at {
                Ok((at, all)) => Ok(at.map(|at| (if rev { all.len() - 1 - at } else { at }, all[at].1))),
                Err(_) => Err(Error::WrongType),
            };
            let set = set(key);
            same(set.score(&member), find(false).map(|found| found.map(|(_, score)| score)));
            same(set.contains(&member), find(false).map(|found| found.is_some()));
            same(set.rank_with_score(&member), find(false));
            same(set.rank(&member), find(false).map(|found| found.map(|(rank, _)| rank)));
            same(set.rank_rev_with_score(&member), find(true));
            same(set.rank_rev(&member), find(true).map(|found| found.map(|(rank, _)| rank)));
        }
        Op::Scores(key, members) => {
            let members: Vec<String> = members.into_iter().map(name).collect();
            let expected =
                model.get(key).map(|set| members.iter().map(|m| set.get(m).copied()).collect::<Vec<_>>());
            same(set(key).scores(&members), expected);
        }
        Op::Whole(key) => check(store, model, key),
        Op::Range(key, select, part) => {
            if matches!(select, Select::Member(_)) && !model.is_flat(key) {
                return;
            }
            let expected = model.select(key, &select, part);
            let all = Part { reversed: false, skip: 0, take: None };
            let count = model.select(key, &select, all).map(|all| all.len());
            let set = set(key);
            match select {
                Select::Rank(start, stop) => {
                    let part = Part { skip: 0, take: None, ..part };
                    let expected = model.select(key, &select, part);
                    let got = if part.reversed { set.range_rev(start, stop) } else { set.range(start, stop) };
                    same(got, expected);
                }
                Select::Score(scores) => {
                    same(set.range_by_score(scores), model.select(key, &select, all));
                    same(set.range_by_score_with(scores, window(part)), expected);
                    same(set.count_by_score(scores), count);
                }
                Select::Member((from, to)) => {
                    let members = (from.map(name), to.map(name));
                    same(set.range_by_member(members.clone()), model.select(key, &select, all));
                    same(set.range_by_member_with(members.clone(), window(part)), expected);
                    same(set.count_by_member(members), count);
                }
            }
        }
        Op::RangeInto(to, key, select, part) => {
            if matches!(select, Select::Member(_)) && !model.is_flat(key) {
                return;
            }
            let set = set(key);
            let (got, part) = match &select {
                Select::Rank(start, stop) => {
                    let got = match part.reversed {
                        true => set.range_rev_into(KEYS[to], *start, *stop),
                        false => set.range_into(KEYS[to], *start, *stop),
                    };
                    (got, Part { skip: 0, take: None, ..part })
                }
                Select::Score(scores) => {
                    (set.range_by_score_into_with(KEYS[to], *scores, window(part)), part)
                }
                Select::Member((from, last)) => {
                    let members = (from.map(name), last.map(name));
                    (set.range_by_member_into_with(KEYS[to], members, window(part)), part)
                }
            };
            let expected = model.select(key, &select, part).map(|members| model.store(to, members));
            same(got, expected);
        }
        Op::RemoveRange(key, select) => {
            if matches!(select, Select::Member(_)) && !model.is_flat(key) {
                return;
            }
            let set = set(key);
            let gone = model.select(key, &select, Part { reversed: false, skip: 0, take: None });
            let expected = gone.and_then(|gone| model.remove(key, gone.into_iter().map(|(m, _)| m)));
            let got = match select {
                Select::Rank(start, stop) => set.remove_range(start, stop),
                Select::Score(scores) => set.remove_by_score(scores),
                Select::Member((from, to)) => set.remove_by_member((from.map(name), to.map(name))),
            };
            same(got, expected);
        }
        Op::Pop(key, side) => {
            let all = model.get(key).map(in_order);
            let first = all.as_ref().map(|all| all.first().cloned()).map_err(|_| Error::WrongType);
            let last = all.map(|all| all.last().cloned());
            same(set(key).first(), first);
            same(set(key).last(), last);
            let expected = model.pop(key, side, 1).map(|mut popped| popped.pop());
            same(
                match side {
                    Side::First => set(key).pop_first(),
                    Side::Last => set(key).pop_last(),
                },
                expected,
            );
        }
        Op::PopMany(key, side, count) => {
            let expected = model.pop(key, side, count);
            same(
                match side {
                    Side::First => set(key).pop_first_many(count),
                    Side::Last => set(key).pop_last_many(count),
                },
                expected,
            );
        }
        Op::PopOf(keys, side, count) => {
            let names = keys.iter().map(|key| KEYS[*key]);
            let got = match side {
                Side::First => store.pop_first_of::<String>(names, count),
                Side::Last => store.pop_last_of::<String>(names, count),
            };
            let mut expected = Ok(None);
            for key in keys {
                match model.pop(key, side, count) {
                    Ok(popped) if popped.is_empty() => continue,
                    popped => expected = popped.map(|popped| Some((KEYS[key].into(), popped))),
                }
                break;
            }
            if count == 0 {
                expected = Err(Error::Invalid("count should be greater than 0"));
            }
            same(got, expected);
        }
        Op::Random(key, count) => {
            let set = set(key);
            let all = match model.get(key) {
                Ok(all) => all,
                Err(error) => return same(set.random(), Err(error)),
            };
            let (one, many, repeated) =
                (set.random().unwrap(), set.random_many(count).unwrap(), set.random_repeated(count).unwrap());
            assert_eq!(one.is_some(), !all.is_empty());
            assert_eq!(many.len(), count.min(all.len()));
            assert_eq!(many.iter().map(|(member, _)| member).collect::<BTreeSet<_>>().len(), many.len());
            assert_eq!(repeated.len(), if all.is_empty() { 0 } else { count });
            let mut drawn = one.iter().chain(&many).chain(&repeated);
            assert!(drawn.all(|(member, score)| all.get(member) == Some(score)));
        }
        Op::Combine(how, keys, weights, aggregate) => {
            let weights = weights.map(|weights| weights[..keys.len()].to_vec());
            let expected = model.combine(how, &keys, weights.as_deref(), aggregate);
            let (set, others) = (set(keys[0]), keys[1..].iter().map(|key| KEYS[*key]));
            match (how, combine(&weights, aggregate)) {
                (How::Union, None) => same(set.union(others), expected),
                (How::Union, Some(how)) => same(set.union_with(others, &how), expected),
                (How::Intersection, None) => same(set.intersection(others), expected),
                (How::Intersection, Some(how)) => same(set.intersection_with(others, &how), expected),
                (How::Difference, _) => same(set.difference(others), expected),
            }
        }
        Op::CombineInto(how, to, keys, weights, aggregate) => {
            let weights = weights.map(|weights| weights[..keys.len()].to_vec());
            let expected = model.combine(how, &keys, weights.as_deref(), aggregate);
            let expected = expected.map(|members| model.store(to, members));
            let (set, others) = (set(keys[0]), keys[1..].iter().map(|key| KEYS[*key]));
            let options = combine(&weights, aggregate).unwrap_or_default();
            same(
                match how {
                    How::Union => set.union_into_with(KEYS[to], others, &options),
                    How::Intersection => set.intersection_into_with(KEYS[to], others, &options),
                    How::Difference => set.difference_into(KEYS[to], others),
                },
                expected,
            );
        }
        Op::IntersectionLen(keys, limit) => {
            let all = model.combine(How::Intersection, &keys, None, Aggregate::Sum);
            let expected = all.map(|all| all.len().min(limit.unwrap_or(usize::MAX)));
            let others = keys[1..].iter().map(|key| KEYS[*key]);
            same(set(keys[0]).intersection_len(others, limit), expected);
        }
        Op::Plain(member) => match model.values.entry(PLAIN).or_insert(Value::Plain(BTreeSet::new())) {
            Value::Plain(set) => {
                set.insert(name(member));
                store.set::<String>(KEYS[PLAIN]).insert(name(member)).unwrap();
            }
            _ => assert!(store.set::<String>(KEYS[PLAIN]).insert(name(member)).is_err()),
        },
        Op::Expire(key, ttl) => {
            let is_there = model.values.contains_key(&key);
            if is_there {
                model.deadlines.insert(key, model.now + ttl);
            }
            same(store.expire(KEYS[key], Duration::from_millis(ttl)), Ok(is_there));
        }
        Op::Advance(by) => {
            clock.advance(Duration::from_millis(by));
            model.advance(by);
        }
    }
}

fn window(part: Part) -> Window {
    let window = Window::new().skip(part.skip);
    let window = part.take.map_or(window, |take| window.take(take));
    if part.reversed { window.reversed() } else { window }
}

fn combine(weights: &Option<Vec<f64>>, aggregate: Aggregate) -> Option<Combine> {
    let combine = Combine::new().aggregate(aggregate);
    match weights {
        None if aggregate == Aggregate::Sum => None,
        None => Some(combine),
        Some(weights) => Some(combine.weights(weights.iter().copied())),
    }
}

/// Compares a whole key.
fn check(store: &Store, model: &Model, key: usize) {
    let set = store.sorted_set::<String>(KEYS[key]);
    assert_eq!(store.contains(KEYS[key]).unwrap(), model.values.contains_key(&key), "{}", KEYS[key]);
    same(set.to_vec(), model.get(key).map(in_order));
    same(set.iter().and_then(|all| all.collect()), model.get(key).map(in_order));
    same(set.len(), model.get(key).map(|set| set.len()));
    same(set.is_empty(), model.get(key).map(|set| set.is_empty()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn agrees_with_maps(ops in prop::collection::vec(op(), 0..120)) {
        let (clock, store) = manual_store();
        store.insert(KEYS[TEXT], "text").unwrap();
        let values = BTreeMap::from([(TEXT, Value::Text)]);
        let mut model = Model { values, deadlines: BTreeMap::new(), now: 0 };
        for op in ops {
            apply(&store, &clock, &mut model, op);
        }
        (0..KEYS.len()).for_each(|key| check(&store, &model, key));
    }
}
