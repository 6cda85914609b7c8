//! Values: packed while they are small, in tables, trees and chunks beyond that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;

use super::Draw;
use crate::Bytes;
use crate::clock::NEVER;
use crate::text::number::IntegerBuffer;
use crate::value::hash::{Before, Hash};
use crate::value::list::{End, List};
use crate::value::set::Set;
use crate::value::sorted_set::SortedSet;
use crate::value::stream::{Group, Keep, Pending, References, Stream, StreamId, Trim};

/// The longest collection: past each turn, and no further.
const MOST: usize = 400;

/// Any operations on a value do what they do to a collection of std's; what a clone holds stays as it was; and the bytes
/// that a value counts are those that a recount finds.
pub fn packed(data: &[u8]) {
    let mut draw = Draw(data);
    match draw.below(5) {
        0 => run::<Lists>(draw),
        1 => run::<Sets>(draw),
        2 => run::<Hashes>(draw),
        3 => run::<SortedSets>(draw),
        _ => run::<Streams>(draw),
    }
}

/// A value with what it should be.
trait Pair: Default + Clone {
    /// Changes both, and asks both about the change.
    fn step(&mut self, draw: &mut Draw<'_>);

    /// Compares all that they hold. O(n)
    fn check(&self);
}

fn run<P: Pair>(mut draw: Draw<'_>) {
    let mut pair = P::default();
    let mut clone = pair.clone();
    while let Some(choice) = draw.byte() {
        pair.step(&mut draw);
        match choice {
            0..=7 => {
                clone.check();
                clone = pair.clone();
            }
            8..=11 => std::mem::swap(&mut pair, &mut clone),
            12..=31 => pair.check(),
            _ => {}
        }
    }
    pair.check();
    clone.check();
}

#[derive(Clone, Default)]
struct Lists(List, VecDeque<Bytes>);

impl Pair for Lists {
    fn step(&mut self, draw: &mut Draw<'_>) {
        let Lists(list, model) = self;
        let end = if draw.is() { End::Front } else { End::Back };
        match draw.below(8) {
            0 | 1 => {
                let element = draw.element();
                let count = draw.count();
                for _ in 0..count.min(MOST.saturating_sub(model.len())) {
                    list.push(end, element.clone());
                    match end {
                        End::Front => model.push_front(element.clone()),
                        End::Back => model.push_back(element.clone()),
                    }
                }
            }
            2 => {
                for _ in 0..draw.below(20) {
                    assert_eq!(list.peek(end).map(Bytes::from).as_ref(), ends(model, end));
                    let popped = if end == End::Front { model.pop_front() } else { model.pop_back() };
                    assert_eq!(list.pop(end), popped);
                }
            }
            3 => {
                let (at, element) = (draw.below(model.len() + 2), draw.element());
                let is_set = model.get_mut(at).map(|place| *place = element.clone()).is_some();
                assert_eq!(list.set(at, element), is_set);
            }
            4 => {
                let (at, element) = (draw.below(model.len() + 1), draw.element());
                list.insert(at, element.clone());
                model.insert(at, element);
            }
            5 => {
                let (value, limit) = (draw.element(), draw.below(4));
                let mut matches: Vec<_> = (0..model.len()).filter(|at| model[*at] == value).collect();
                let found = if end == End::Front { matches.first() } else { matches.last() };
                assert_eq!(list.find(&value, end), found.copied());
                if end == End::Back {
                    matches.reverse();
                }
                matches.truncate(if limit == 0 { usize::MAX } else { limit });
                matches.sort_unstable_by(|one, other| other.cmp(one));
                matches.iter().for_each(|at| drop(model.remove(*at)));
                assert_eq!(list.remove_matching(&value, end, limit), matches.len());
            }
            6 => {
                let (start, len) = (draw.below(model.len() + 1), draw.below(MOST));
                let kept: VecDeque<_> = model.iter().skip(start).take(len).cloned().collect();
                assert_eq!(list.truncate_to(start..start + len), model.len() - kept.len());
                *model = kept;
            }
            _ => {
                let run = list.take_run(end);
                assert_eq!(run.is_empty(), model.is_empty());
                match end {
                    End::Front => assert!(model.drain(..run.len()).eq(run)),
                    End::Back => assert!(model.split_off(model.len() - run.len()).iter().eq(&run)),
                }
            }
        }
        assert_eq!(list.len(), model.len());
    }

    fn check(&self) {
        let Lists(list, model) = self;
        assert!(list.iter().map(Bytes::from).eq(model.iter().cloned()));
        assert!(list.iter().rev().map(Bytes::from).eq(model.iter().rev().cloned()));
        for at in (0..=model.len()).step_by(7) {
            assert_eq!(list.get(at).map(Bytes::from).as_ref(), model.get(at));
        }
        assert_eq!(list.bytes(), list.recount());
    }
}

fn ends(model: &VecDeque<Bytes>, end: End) -> Option<&Bytes> {
    if end == End::Front { model.front() } else { model.back() }
}

#[derive(Clone, Default)]
struct Sets {
    set: Set,
    model: BTreeSet<Bytes>,
    /// Another one, to combine it with.
    other: Set,
}

impl Pair for Sets {
    fn step(&mut self, draw: &mut Draw<'_>) {
        let Sets { set, model, other } = self;
        match draw.below(6) {
            0 | 1 if model.len() < MOST => {
                let member = draw.element();
                assert_eq!(set.insert(&member), model.insert(member));
            }
            2 if model.len() < MOST => {
                let start = draw.below(2000);
                for number in start..start + draw.count() {
                    let member = Bytes::from(number.to_string());
                    assert_eq!(set.insert(&member), model.insert(member));
                }
            }
            3 => {
                let member = draw.element();
                assert_eq!(set.contains(&member), model.contains(&member));
                assert_eq!(set.remove(&member), model.remove(&member));
            }
            4 => {
                for _ in 0..draw.below(20).min(model.len()) {
                    let at = draw.below(model.len());
                    let member = set.get_at(at);
                    assert_eq!(set.remove_at(at), member);
                    assert!(member.is_some_and(|member| model.remove(&member)));
                }
            }
            _ => {
                let text = |set: &Set| set.iter().map(Bytes::from).collect::<BTreeSet<_>>();
                let (left, right) = (text(set), text(other));
                assert!(left.union(&right).eq(&text(&Set::union(vec![set, other]))));
                let both: BTreeSet<_> = Set::intersection(vec![set, other]).map(Bytes::from).collect();
                assert!(left.intersection(&right).eq(&both));
                let rest: BTreeSet<_> = set.difference(vec![other]).into_iter().map(Bytes::from).collect();
                assert!(left.difference(&right).eq(&rest));
                *other = set.clone();
            }
        }
        assert_eq!(set.len(), model.len());
    }

    fn check(&self) {
        let Sets { set, model, .. } = self;
        let mut buffer = IntegerBuffer::default();
        assert!(
            set.iter().map(|member| Bytes::from(member.read(&mut buffer))).collect::<BTreeSet<_>>() == *model
        );
        assert_eq!(set.get_at(model.len()), None);
        assert_eq!(set.bytes(), set.recount());
    }
}

#[derive(Clone, Default)]
struct Hashes {
    hash: Hash,
    /// Values with their deadlines.
    model: BTreeMap<Bytes, (Bytes, u64)>,
    now: u64,
}

impl Pair for Hashes {
    fn step(&mut self, draw: &mut Draw<'_>) {
        let Hashes { hash, model, now } = self;
        match draw.below(9) {
            0 | 1 if model.len() < MOST => {
                let (name, value) = (draw.element(), draw.element());
                let before = hash.insert(&name, &value);
                same_before(before, model.insert(name, (value, NEVER)));
            }
            2 if model.len() < MOST => {
                let (name, value) = (draw.element(), draw.element());
                let deadline = model.get(&name).map_or(NEVER, |(_, deadline)| *deadline);
                let before = hash.put(&name, &value);
                same_before(before, model.insert(name, (value, deadline)));
            }
            3 if model.len() < MOST => {
                let value = draw.element();
                for number in 0..draw.count() {
                    let name = Bytes::from(format!("field {number}"));
                    hash.insert(&name, &value);
                    model.insert(name, (value.clone(), NEVER));
                }
            }
            4 => {
                let name = draw.element();
                assert_eq!(hash.remove(&name), model.remove(&name).map(|(value, _)| value));
            }
            5 => {
                let name = draw.element();
                let deadline = if draw.is() { NEVER } else { *now + 1 + draw.below(300) as u64 };
                let old = model.get_mut(&name).map(|(_, place)| std::mem::replace(place, deadline));
                assert_eq!(hash.set_deadline(&name, deadline), old);
            }
            6 => {
                *now += draw.below(100) as u64;
                let limit = draw.below(10);
                let removed = hash.remove_expired(*now, limit);
                let due = model.values().filter(|(_, deadline)| deadline <= now).count();
                assert_eq!(removed, due.min(limit));
                // Which ones were taken is the hash's choice, the earliest first.
                let mut due: Vec<_> = model.iter().filter(|(_, (_, deadline))| deadline <= now).collect();
                due.sort_by_key(|(_, (_, deadline))| *deadline);
                let last = due.get(removed.wrapping_sub(1)).map(|(_, (_, deadline))| *deadline);
                let gone: Vec<Bytes> = model.keys().filter(|name| !has(hash, name)).cloned().collect();
                assert_eq!(gone.len(), removed);
                for name in gone {
                    let deadline = model.remove(&name).map(|(_, deadline)| deadline);
                    assert!(deadline <= last);
                }
            }
            7 => {
                let name = draw.element();
                let is_over = model.get(&name).is_some_and(|(_, deadline)| deadline <= now);
                assert_eq!(hash.remove_if_expired(&name, *now), is_over);
                if is_over {
                    model.remove(&name);
                }
            }
            _ => {
                let by = draw.below(50) as u64;
                hash.postpone(by);
                let deadlines = model.values_mut().map(|(_, deadline)| deadline);
                deadlines.filter(|deadline| **deadline != NEVER).for_each(|deadline| *deadline += by);
            }
        }
        let next = model.values().map(|(_, deadline)| *deadline).min().unwrap_or(NEVER);
        assert_eq!(hash.next_deadline(), next);
        assert_eq!(hash.is_empty(), model.is_empty());
    }

    fn check(&self) {
        let Hashes { hash, model, now } = self;
        let lives: BTreeMap<_, _> = model.iter().filter(|(_, (_, deadline))| deadline > now).collect();
        assert_eq!(hash.len(*now), lives.len());
        let seen: BTreeMap<Bytes, &[u8]> =
            hash.iter(*now).map(|(name, value)| (Bytes::from(name), value)).collect();
        assert!(
            seen.iter()
                .map(|(name, value)| (&**name, *value))
                .eq(lives.iter().map(|(name, (value, _))| (&***name, &**value)))
        );
        for (name, (value, deadline)) in lives {
            assert_eq!(hash.value(name, *now).as_ref(), Some(value));
            assert_eq!(hash.deadline(name, *now), Some(*deadline));
        }
        assert_eq!(hash.bytes(), hash.recount());
    }
}

fn has(hash: &Hash, name: &[u8]) -> bool {
    hash.get(name, 0).is_some()
}

fn same_before(before: Before, model: Option<(Bytes, u64)>) {
    match before {
        Before::Nothing => assert!(model.is_none()),
        Before::Short => assert!(model.is_some()),
        Before::Long(value) => assert!(model.is_some_and(|(old, _)| old == value)),
    }
}

#[derive(Clone, Default)]
struct SortedSets(SortedSet, BTreeMap<Bytes, f64>);

impl SortedSets {
    fn sorted(&self) -> Vec<(f64, &[u8])> {
        let mut all: Vec<_> = self.1.iter().map(|(member, score)| (*score, &**member)).collect();
        // The members are in order already, and 0 is -0.
        all.sort_by(|one, other| one.0.partial_cmp(&other.0).unwrap_or(std::cmp::Ordering::Equal));
        all
    }

    fn insert(&mut self, member: Bytes, score: f64) {
        let SortedSets(set, model) = self;
        assert_eq!(set.insert(&member, score), !model.contains_key(&member));
        // -0 is no other score than 0.
        if model.get(&member) != Some(&score) {
            model.insert(member, score);
        }
    }
}

impl Pair for SortedSets {
    fn step(&mut self, draw: &mut Draw<'_>) {
        match draw.below(7) {
            0 | 1 if self.1.len() < MOST => {
                let (member, score) = (draw.element(), draw.score());
                self.insert(member, score);
            }
            2 if self.1.len() < MOST => {
                let (from, step) = (draw.below(300), draw.score());
                for number in from..from + draw.count() {
                    let score = Some(step * number as f64).filter(|score| !score.is_nan());
                    self.insert(Bytes::from(format!("m{number}")), score.unwrap_or(0.0));
                }
            }
            3 => {
                let member = draw.element();
                assert_eq!(self.0.score(&member), self.1.get(&member).copied());
                assert_eq!(self.0.remove(&member), self.1.remove(&member));
            }
            4 => {
                let (start, count) = (draw.below(self.1.len() + 1), draw.below(MOST));
                let gone: Vec<_> = self.sorted().into_iter().skip(start).take(count).collect();
                let gone: Vec<(f64, Bytes)> =
                    gone.into_iter().map(|(score, member)| (score, Bytes::from(member))).collect();
                let removed = self.0.remove_range(start..start + count);
                assert_eq!(removed.len(), gone.len());
                assert_eq!(removed.into_vec(), gone);
                self.1.retain(|member, _| gone.iter().all(|(_, other)| other != member));
            }
            5 => {
                let bounds = [draw.score(), draw.score()].map(|score| match draw.below(3) {
                    0 => Bound::Unbounded,
                    1 => Bound::Included(score),
                    _ => Bound::Excluded(score),
                });
                let bounds = (bounds[0], bounds[1]);
                let all = self.sorted();
                let within = |score: f64| {
                    (match bounds.0 {
                        Bound::Included(from) => score >= from,
                        Bound::Excluded(from) => score > from,
                        Bound::Unbounded => true,
                    }) && (match bounds.1 {
                        Bound::Included(to) => score <= to,
                        Bound::Excluded(to) => score < to,
                        Bound::Unbounded => true,
                    })
                };
                let ranks = self.0.ranks_by_score(bounds);
                let expected = all.iter().filter(|(score, _)| within(*score));
                assert!(self.0.range(ranks).eq(expected.copied()));
            }
            _ => {
                let all = self.sorted();
                let Some(at) = (!all.is_empty()).then(|| draw.below(all.len())) else { return };
                assert_eq!(self.0.rank(all[at].1), Some((at, all[at].0)));
            }
        }
        assert_eq!(self.0.len(), self.1.len());
    }

    fn check(&self) {
        let all = self.sorted();
        let bits = |(score, member): (f64, &[u8])| (score.to_bits(), Bytes::from(member));
        assert!(self.0.iter().map(bits).eq(all.iter().copied().map(bits)));
        let positions: BTreeSet<_> =
            (0..all.len()).filter_map(|at| self.0.at(at)).map(|(_, name)| name).collect();
        assert!(positions.iter().eq(self.1.keys()));
        assert_eq!(self.0.bytes(), self.0.recount());
    }
}

type Fields = Vec<(Bytes, Bytes)>;

#[derive(Clone, Default)]
struct Streams {
    stream: Stream,
    model: BTreeMap<StreamId, Fields>,
    last: StreamId,
    /// Of one group: who has what.
    pending: BTreeMap<StreamId, Bytes>,
}

const GROUP: &[u8] = b"group";

impl Streams {
    fn id(&self, draw: &mut Draw<'_>) -> StreamId {
        let at = draw.below(self.model.len() + 1);
        self.model.keys().nth(at).copied().unwrap_or(StreamId::new(draw.below(3000) as u64, 0))
    }

    fn push(&mut self, fields: Fields, step: usize) {
        let id = match step {
            0 => StreamId::new(self.last.ms, self.last.seq + 1),
            _ => StreamId::new(self.last.ms + step as u64, 0),
        };
        let parts: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
        self.stream.push(id, &parts);
        self.last = id;
        self.model.insert(id, fields);
    }
}

impl Pair for Streams {
    fn step(&mut self, draw: &mut Draw<'_>) {
        match draw.below(9) {
            0 | 1 if self.model.len() < MOST => {
                let count = draw.below(5);
                let fields: Fields = (0..count).map(|_| (draw.element(), draw.element())).collect();
                let (times, step) = (draw.count(), draw.below(300));
                (0..times).for_each(|_| self.push(fields.clone(), step));
            }
            2 => {
                let id = self.id(draw);
                assert_eq!(self.stream.remove(id), self.model.remove(&id).is_some());
            }
            3 => {
                let (least, len) = (self.id(draw), draw.below(MOST));
                let keep = if draw.is() { Keep::Len(len as u64) } else { Keep::From(least) };
                let removed = self.stream.trim(Trim { keep, roughly: None, references: References::Keep });
                let gone: Vec<_> = match keep {
                    Keep::Len(_) => {
                        let excess = self.model.len().saturating_sub(len);
                        self.model.keys().take(excess).copied().collect()
                    }
                    Keep::From(least) => self.model.range(..least).map(|(id, _)| *id).collect(),
                };
                assert_eq!(removed, gone.len());
                gone.iter().for_each(|id| drop(self.model.remove(id)));
            }
            4 => {
                let (start, end) = (self.id(draw), self.id(draw));
                let (start, end) = (start.min(end), start.max(end));
                let expected = self.model.range(start..=end).map(|(id, _)| *id);
                assert!(self.stream.range(start, end).map(|entry| entry.id).eq(expected.clone()));
                assert!(self.stream.range_back(start, end).map(|entry| entry.id).eq(expected.rev()));
            }
            5 | 6 => {
                self.stream.add_group(Group::new(GROUP.into(), StreamId::MIN, None));
                let (id, name) = (self.id(draw), Bytes::from([b'a' + draw.below(3) as u8]));
                let changed = self.stream.change_group(GROUP, |group| {
                    let (number, _) = group.find_or_add(&name, 0);
                    group.assign(id, Pending { consumer: Some(number), time: 0, count: 1 });
                });
                assert!(changed.is_some());
                self.pending.insert(id, name);
            }
            7 => {
                let id = self.id(draw);
                let was = self.stream.change_group(GROUP, |group| group.acknowledge(id));
                assert_eq!(was.unwrap_or(false), self.pending.remove(&id).is_some());
            }
            _ => {
                let name = [b'a' + draw.below(3) as u8];
                let removed = self.stream.change_group(GROUP, |group| group.remove(&name)).flatten();
                let before = self.pending.len();
                self.pending.retain(|_, consumer| *consumer != name);
                assert_eq!(removed.unwrap_or(0), before - self.pending.len());
            }
        }
        assert_eq!(self.stream.len(), self.model.len());
    }

    fn check(&self) {
        let entries = self.stream.range(StreamId::MIN, StreamId::MAX).map(|entry| {
            let fields = entry.fields().map(|(name, value)| (Bytes::from(name), Bytes::from(value)));
            (entry.id, fields.collect::<Fields>())
        });
        assert!(entries.eq(self.model.iter().map(|(id, fields)| (*id, fields.clone()))));
        assert_eq!(self.stream.first(), self.model.keys().next().copied());
        assert_eq!(self.stream.last(), self.model.keys().next_back().copied());
        assert_eq!(self.stream.facts().last, self.last);
        if let Some(group) = self.stream.group(GROUP) {
            let pending = group.pending().from(StreamId::MIN).map(|(id, pending)| {
                let consumer = pending.consumer.and_then(|number| group.consumer(number));
                (id, consumer.map(|consumer| consumer.name.clone()))
            });
            assert!(pending.eq(self.pending.iter().map(|(id, name)| (*id, Some(name.clone())))));
        }
        assert_eq!(self.stream.bytes(), self.stream.recount());
    }
}
