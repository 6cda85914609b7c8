//! A plain model of the sorted sets: maps, sorted when they are asked for their order.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use larder::{Aggregate, Error, InsertIf};

/// Keys by number. Members of `FLAT` are all inserted with one score.
pub const KEYS: [&str; 6] = ["a", "b", "c", "flat", "plain", "text"];
pub const FLAT: usize = 3;
pub const PLAIN: usize = 4;
pub const TEXT: usize = 5;

/// More members than are searched one by one, some of which do not fit inline.
pub const MEMBERS: u8 = 24;

pub fn name(member: u8) -> String {
    let letter = char::from(b'a' + member);
    if member % 4 == 0 { format!("{letter} is a name that does not lie inline") } else { letter.to_string() }
}

pub type Scored = (String, f64);
pub type Bounds<T> = (Bound<T>, Bound<T>);

#[derive(Clone, Copy, Debug)]
pub enum Side {
    First,
    Last,
}

#[derive(Clone, Copy, Debug)]
pub enum How {
    Union,
    Intersection,
    Difference,
}

#[derive(Clone, Debug)]
pub enum Select {
    Rank(i64, i64),
    Score(Bounds<f64>),
    Member(Bounds<u8>),
}

#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub reversed: bool,
    pub skip: usize,
    pub take: Option<usize>,
}

#[derive(Clone, Debug)]
pub enum Value {
    Scored(BTreeMap<String, f64>),
    Plain(BTreeSet<String>),
    Text,
}

/// What is stored, in maps.
pub struct Model {
    pub values: BTreeMap<usize, Value>,
    pub deadlines: BTreeMap<usize, u64>,
    pub now: u64,
}

pub type Fails<R> = Result<R, Error>;

impl Model {
    pub fn get(&self, key: usize) -> Fails<BTreeMap<String, f64>> {
        match self.values.get(&key) {
            None => Ok(BTreeMap::new()),
            Some(Value::Scored(set)) => Ok(set.clone()),
            Some(_) => Err(Error::WrongType),
        }
    }

    /// As a source: plain sets too.
    pub fn source(&self, key: usize) -> Fails<BTreeMap<String, f64>> {
        match self.values.get(&key) {
            Some(Value::Plain(set)) => Ok(set.iter().map(|member| (member.clone(), 1.0)).collect()),
            _ => self.get(key),
        }
    }

    pub fn put(&mut self, key: usize, set: BTreeMap<String, f64>) {
        if set.is_empty() {
            self.values.remove(&key);
            self.deadlines.remove(&key);
        } else {
            self.values.insert(key, Value::Scored(set));
        }
    }

    pub fn store(&mut self, key: usize, members: Vec<Scored>) -> usize {
        let len = members.len();
        self.deadlines.remove(&key);
        self.put(key, members.into_iter().collect());
        len
    }

    pub fn insert(
        &mut self,
        key: usize,
        members: &[(u8, f64)],
        condition: InsertIf,
    ) -> Fails<(usize, usize)> {
        if members.iter().any(|(_, score)| score.is_nan()) {
            return Err(Error::NotAFloat);
        }
        let mut set = self.get(key)?;
        let (mut added, mut updated) = (0, 0);
        for (member, score) in members {
            let old = set.get(&name(*member)).copied();
            if !allows(condition, old, *score) || old == Some(*score) {
                continue;
            }
            set.insert(name(*member), *score);
            if old.is_none() { added += 1 } else { updated += 1 }
        }
        self.put(key, set);
        Ok((added, updated))
    }

    pub fn incr(&mut self, key: usize, member: u8, by: f64, condition: InsertIf) -> Fails<Option<f64>> {
        if by.is_nan() {
            return Err(Error::NotAFloat);
        }
        let mut set = self.get(key)?;
        let old = set.get(&name(member)).copied();
        let new = old.unwrap_or(0.0) + by;
        if new.is_nan() && condition != InsertIf::Absent {
            return Err(Error::NanScore);
        }
        if !allows(condition, old, new) {
            return Ok(None);
        }
        set.insert(name(member), new);
        self.put(key, set);
        Ok(Some(new))
    }

    pub fn remove(&mut self, key: usize, members: impl IntoIterator<Item = String>) -> Fails<usize> {
        let mut set = self.get(key)?;
        let removed = members.into_iter().filter(|member| set.remove(member).is_some()).count();
        self.put(key, set);
        Ok(removed)
    }

    pub fn select(&self, key: usize, select: &Select, part: Part) -> Fails<Vec<Scored>> {
        if let Select::Score((from, to)) = select {
            let is_nan = |bound: &Bound<f64>| matches!(bound, Bound::Included(bound) | Bound::Excluded(bound) if bound.is_nan());
            if is_nan(from) || is_nan(to) {
                return Err(Error::NanBound);
            }
        }
        let mut all = in_order(self.get(key)?);
        if part.reversed {
            all.reverse();
        }
        let len = all.len() as i128;
        let at = |position: i64| i128::from(position) + if position < 0 { len } else { 0 };
        let is_in = |(index, (member, score)): &(usize, Scored)| match select {
            Select::Rank(start, stop) => (at(*start)..=at(*stop)).contains(&(*index as i128)),
            Select::Score(bounds) => within(bounds, score),
            Select::Member((from, to)) => within(&(from.map(name), to.map(name)), member),
        };
        let selected = all.into_iter().enumerate().filter(is_in).map(|(_, scored)| scored);
        Ok(selected.skip(part.skip).take(part.take.unwrap_or(usize::MAX)).collect())
    }

    pub fn pop(&mut self, key: usize, side: Side, count: usize) -> Fails<Vec<Scored>> {
        let part = Part { reversed: matches!(side, Side::Last), skip: 0, take: Some(count) };
        let popped = self.select(key, &Select::Rank(0, -1), part)?;
        self.remove(key, popped.iter().map(|(member, _)| member.clone()))?;
        Ok(popped)
    }

    pub fn combine(
        &self,
        how: How,
        keys: &[usize],
        weights: Option<&[f64]>,
        aggregate: Aggregate,
    ) -> Fails<Vec<Scored>> {
        let sets = keys.iter().map(|key| self.source(*key)).collect::<Fails<Vec<_>>>()?;
        if let How::Difference = how {
            let (first, others) = sets.split_first().unwrap();
            let rest =
                first.clone().into_iter().filter(|(m, _)| others.iter().all(|set| !set.contains_key(m)));
            return Ok(in_order(rest.collect()));
        }
        let weight = |at: usize| weights.map_or(1.0, |weights| weights[at]);
        if (0..sets.len()).any(|at| weight(at).is_nan()) {
            return Err(Error::NanWeight);
        }
        let mut sets: Vec<_> = sets.into_iter().enumerate().map(|(at, set)| (set, weight(at))).collect();
        sets.sort_by_key(|(set, _)| set.len());
        let members: BTreeSet<String> = sets.iter().flat_map(|(set, _)| set.keys().cloned()).collect();
        let mut combined = BTreeMap::new();
        for member in members {
            let found: Vec<f64> =
                sets.iter().filter_map(|(set, weight)| Some(set.get(&member)? * weight)).collect();
            let is_union = matches!(how, How::Union);
            if !is_union && found.len() < sets.len() {
                continue;
            }
            let zero = |score: f64| if score.is_nan() { 0.0 } else { score };
            let mut score = zero(found[0]);
            for next in &found[1..] {
                let next = if is_union { zero(*next) } else { *next };
                score = match aggregate {
                    Aggregate::Min => score.min(next),
                    Aggregate::Max => score.max(next),
                    _ => zero(score + next),
                };
            }
            combined.insert(member, score);
        }
        Ok(in_order(combined))
    }

    pub fn advance(&mut self, by: u64) {
        self.now += by;
        let Model { values, deadlines, now } = self;
        values.retain(|key, _| deadlines.get(key).is_none_or(|at| *at > *now));
        deadlines.retain(|key, _| values.contains_key(key));
    }

    /// Whether a range of members means something: all scores are one.
    pub fn is_flat(&self, key: usize) -> bool {
        let Ok(set) = self.get(key) else { return true };
        set.values().all(|score| set.values().next() == Some(score))
    }
}

fn allows(condition: InsertIf, old: Option<f64>, new: f64) -> bool {
    match (condition, old) {
        (InsertIf::Always, _) | (InsertIf::Absent | InsertIf::Greater | InsertIf::Less, None) => true,
        (InsertIf::Absent, Some(_)) => false,
        (InsertIf::Present, old) => old.is_some(),
        (InsertIf::Greater | InsertIf::PresentGreater, Some(old)) => new > old,
        (InsertIf::Less | InsertIf::PresentLess, Some(old)) => new < old,
        _ => false,
    }
}

pub fn in_order(set: BTreeMap<String, f64>) -> Vec<Scored> {
    let mut all: Vec<Scored> = set.into_iter().collect();
    // The map is in the order of the members, and this keeps it for equal scores.
    all.sort_by(|a, b| a.1.partial_cmp(&b.1).unwrap());
    all
}

fn within<T: PartialOrd>((from, to): &Bounds<T>, value: &T) -> bool {
    let above = match from {
        Bound::Included(bound) => value >= bound,
        Bound::Excluded(bound) => value > bound,
        Bound::Unbounded => true,
    };
    let below = match to {
        Bound::Included(bound) => value <= bound,
        Bound::Excluded(bound) => value < bound,
        Bound::Unbounded => true,
    };
    above && below
}
