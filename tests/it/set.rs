//! Tests of the set operations.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;

use larder::{Database, Error, Store, Ttl};
use proptest::prelude::*;

use crate::support::manual_store;

/// The last one holds a string.
const KEYS: [&str; 4] = ["a", "b", "c", "text"];
const TEXT: usize = 3;

#[derive(Clone, Debug)]
enum Op {
    Insert(usize, u8),
    InsertAll(usize, Vec<u8>),
    Remove(usize, u8),
    RemoveAll(usize, Vec<u8>),
    Contains(usize, u8),
    ContainsMany(usize, Vec<u8>),
    Len(usize),
    Members(usize),
    Pop(usize),
    PopMany(usize, usize),
    Random(usize),
    RandomMany(usize, usize),
    RandomRepeated(usize, usize),
    Move(usize, usize, u8),
    Combine(How, Vec<usize>),
    CombineInto(How, usize, Vec<usize>),
    IntersectionLen(Vec<usize>, Option<usize>),
    Expire(usize, u64),
}

#[derive(Clone, Copy, Debug)]
enum How {
    Intersection,
    Union,
    Difference,
}

/// More members than are searched one by one.
const MEMBERS: u8 = 40;

fn op() -> impl Strategy<Value = Op> {
    let key = || prop_oneof![20 => 0..TEXT, 1 => Just(TEXT)];
    let member = || 0..MEMBERS;
    let members = || prop::collection::vec(0..MEMBERS, 0..30);
    let count = || prop_oneof![8 => 0usize..8, 4 => 0usize..40];
    let keys = || prop::collection::vec(key(), 1..4);
    let how = || prop::sample::select(vec![How::Intersection, How::Union, How::Difference]);
    prop_oneof![
        2 => (key(), member()).prop_map(|(key, member)| Op::Insert(key, member)),
        5 => (key(), members()).prop_map(|(key, members)| Op::InsertAll(key, members)),
        2 => (key(), member()).prop_map(|(key, member)| Op::Remove(key, member)),
        2 => (key(), members()).prop_map(|(key, members)| Op::RemoveAll(key, members)),
        1 => (key(), member()).prop_map(|(key, member)| Op::Contains(key, member)),
        1 => (key(), members()).prop_map(|(key, members)| Op::ContainsMany(key, members)),
        1 => key().prop_map(Op::Len),
        1 => key().prop_map(Op::Members),
        1 => key().prop_map(Op::Pop),
        1 => (key(), count()).prop_map(|(key, count)| Op::PopMany(key, count)),
        1 => key().prop_map(Op::Random),
        1 => (key(), count()).prop_map(|(key, count)| Op::RandomMany(key, count)),
        1 => (key(), count()).prop_map(|(key, count)| Op::RandomRepeated(key, count)),
        3 => (key(), key(), member()).prop_map(|(key, to, member)| Op::Move(key, to, member)),
        2 => (how(), keys()).prop_map(|(how, keys)| Op::Combine(how, keys)),
        2 => (how(), key(), keys()).prop_map(|(how, to, keys)| Op::CombineInto(how, to, keys)),
        1 => (keys(), prop::option::of(0usize..6)).prop_map(|(keys, limit)| Op::IntersectionLen(keys, limit)),
        1 => (key(), 0u64..40).prop_map(|(key, ttl)| Op::Expire(key, ttl)),
    ]
}

/// What is stored as the plain model has it, and chance as it turned out.
#[derive(Clone, Debug, Default)]
struct Model {
    sets: BTreeMap<usize, BTreeSet<u8>>,
    deadlines: BTreeMap<usize, u64>,
    /// Whether a store operation has replaced the string.
    text_gone: bool,
    now: u64,
}

type Fails<R> = Result<R, String>;

fn shown<R: Debug>(result: Result<R, impl ToString>) -> String {
    format!("{:?}", result.map_err(|error| error.to_string()))
}

fn sorted(result: larder::Result<Vec<u8>>) -> larder::Result<Vec<u8>> {
    result.map(|mut members| {
        members.sort_unstable();
        members
    })
}

impl Model {
    fn set(&mut self, key: usize) -> Fails<Option<&mut BTreeSet<u8>>> {
        if key == TEXT && !self.text_gone {
            return Err(Error::WrongType.to_string());
        }
        Ok(self.sets.get_mut(&key))
    }

    fn members(&mut self, key: usize) -> Fails<BTreeSet<u8>> {
        Ok(self.set(key)?.cloned().unwrap_or_default())
    }

    fn advance(&mut self, by: u64) {
        self.now += by;
        self.settle();
    }

    fn settle(&mut self) {
        let Model { sets, deadlines, now, .. } = self;
        sets.retain(|key, set| !set.is_empty() && deadlines.get(key).is_none_or(|at| *at > *now));
        deadlines.retain(|key, _| sets.contains_key(key));
    }

    fn insert(&mut self, key: usize, members: &[u8]) -> Fails<usize> {
        self.set(key)?;
        let set = self.sets.entry(key).or_default();
        Ok(members.iter().filter(|member| set.insert(**member)).count())
    }

    fn remove(&mut self, key: usize, members: &[u8]) -> Fails<usize> {
        let Some(set) = self.set(key)? else { return Ok(0) };
        Ok(members.iter().filter(|member| set.remove(member)).count())
    }

    fn move_to(&mut self, key: usize, to: usize, member: u8) -> Fails<bool> {
        let Some(set) = self.set(key)? else { return Ok(false) };
        let there = set.contains(&member);
        self.set(to)?;
        if there && key != to {
            self.remove(key, &[member])?;
            self.insert(to, &[member])?;
        }
        Ok(there)
    }

    fn combine(&mut self, how: How, keys: &[usize]) -> Fails<Vec<u8>> {
        let sets: Vec<BTreeSet<u8>> = keys.iter().map(|key| self.members(*key)).collect::<Fails<_>>()?;
        let combined = sets.into_iter().reduce(|left, right| match how {
            How::Intersection => &left & &right,
            How::Union => &left | &right,
            How::Difference => &left - &right,
        });
        Ok(combined.unwrap_or_default().into_iter().collect())
    }

    fn combine_into(&mut self, how: How, to: usize, keys: &[usize]) -> Fails<usize> {
        let combined = self.combine(how, keys)?;
        self.text_gone |= to == TEXT;
        self.deadlines.remove(&to);
        self.sets.insert(to, combined.iter().copied().collect());
        Ok(combined.len())
    }

    /// Checks what was drawn: members, each once, and as many as there can be.
    fn check_drawn(&mut self, key: usize, count: usize, drawn: &larder::Result<Vec<u8>>) {
        match (self.members(key), drawn) {
            (Ok(members), Ok(drawn)) => {
                assert_eq!(drawn.len(), count.min(members.len()));
                assert_eq!(drawn.iter().copied().collect::<BTreeSet<u8>>().len(), drawn.len());
                assert!(drawn.iter().all(|member| members.contains(member)));
            }
            (members, drawn) => assert_eq!(members.unwrap_err(), drawn.as_ref().unwrap_err().to_string()),
        }
    }

    /// Applies an operation to both.
    fn apply(&mut self, db: &Database, op: &Op) {
        let set = |key: &usize| db.set::<u8>(KEYS[*key]);
        let (got, expected) = match op {
            Op::Insert(key, member) => {
                (shown(set(key).insert(member)), shown(self.insert(*key, &[*member]).map(|new| new == 1)))
            }
            Op::InsertAll(key, members) => {
                (shown(set(key).insert_many(members)), shown(self.insert(*key, members)))
            }
            Op::Remove(key, member) => {
                (shown(set(key).remove(member)), shown(self.remove(*key, &[*member]).map(|gone| gone == 1)))
            }
            Op::RemoveAll(key, members) => {
                (shown(set(key).remove_many(members)), shown(self.remove(*key, members)))
            }
            Op::Contains(key, member) => {
                (shown(set(key).contains(member)), shown(self.members(*key).map(|set| set.contains(member))))
            }
            Op::ContainsMany(key, members) => {
                let expected = self.members(*key);
                let expected =
                    expected.map(|set| members.iter().map(|m| set.contains(m)).collect::<Vec<_>>());
                (shown(set(key).contains_many(members)), shown(expected))
            }
            Op::Len(key) => {
                let got = set(key).len().and_then(|len| Ok((len, set(key).is_empty()?)));
                (shown(got), shown(self.members(*key).map(|set| (set.len(), set.is_empty()))))
            }
            Op::Members(key) => {
                let got = sorted(set(key).members()).and_then(|members| {
                    let set: BTreeSet<u8> = set(key).to_hash_set()?.into_iter().collect();
                    Ok((members, set))
                });
                let expected = self.members(*key);
                (shown(got), shown(expected.map(|set| (set.iter().copied().collect::<Vec<u8>>(), set))))
            }
            Op::Pop(key) => return self.popped(*key, 1, &set(key).pop().map(Vec::from_iter)),
            Op::PopMany(key, count) => return self.popped(*key, *count, &set(key).pop_many(*count)),
            Op::Random(key) => return self.check_drawn(*key, 1, &set(key).random().map(Vec::from_iter)),
            Op::RandomMany(key, count) => {
                return self.check_drawn(*key, *count, &set(key).random_many(*count));
            }
            Op::RandomRepeated(key, count) => {
                let got = set(key).random_repeated(*count).map(|drawn| {
                    let len = drawn.len();
                    (len, drawn.into_iter().collect::<BTreeSet<u8>>())
                });
                let (members, drawn) = (self.members(*key), got.as_ref().map(|(_, drawn)| drawn.clone()));
                if let (Ok(members), Ok(drawn)) = (&members, drawn) {
                    assert!(drawn.is_subset(members));
                }
                let count = |set: BTreeSet<u8>| if set.is_empty() { 0 } else { *count };
                (shown(got.map(|(len, _)| len)), shown(members.map(count)))
            }
            Op::Move(key, to, member) => {
                (shown(set(key).move_to(KEYS[*to], member)), shown(self.move_to(*key, *to, *member)))
            }
            Op::Combine(how, keys) => {
                let (set, others) = (set(&keys[0]), keys[1..].iter().map(|key| KEYS[*key]));
                let got = match how {
                    How::Intersection => set.intersection(others),
                    How::Union => set.union(others),
                    How::Difference => set.difference(others),
                };
                (shown(sorted(got)), shown(self.combine(*how, keys)))
            }
            Op::CombineInto(how, to, keys) => {
                let (set, others) = (set(&keys[0]), keys[1..].iter().map(|key| KEYS[*key]));
                let got = match how {
                    How::Intersection => set.intersection_into(KEYS[*to], others),
                    How::Union => set.union_into(KEYS[*to], others),
                    How::Difference => set.difference_into(KEYS[*to], others),
                };
                (shown(got), shown(self.combine_into(*how, *to, keys)))
            }
            Op::IntersectionLen(keys, limit) => {
                let others = keys[1..].iter().map(|key| KEYS[*key]);
                let expected = self.combine(How::Intersection, keys);
                let expected = expected.map(|members| members.len().min(limit.unwrap_or(usize::MAX)));
                (shown(set(&keys[0]).intersection_len(others, *limit)), shown(expected))
            }
            Op::Expire(TEXT, _) => return,
            Op::Expire(key, ttl) => {
                let there = self.sets.contains_key(key);
                self.deadlines.insert(*key, self.now + ttl);
                (shown(db.expire(KEYS[*key], Duration::from_millis(*ttl))), shown(Ok::<_, Error>(there)))
            }
        };
        assert_eq!(got, expected, "{op:?}");
        self.settle();
    }

    fn popped(&mut self, key: usize, count: usize, popped: &larder::Result<Vec<u8>>) {
        self.check_drawn(key, count, popped);
        if let Ok(popped) = popped {
            self.remove(key, popped).unwrap();
        }
        self.settle();
    }

    fn check_contents(&mut self, store: &Store) {
        for (key, name) in KEYS.iter().enumerate() {
            let Ok(members) = self.members(key) else {
                assert_eq!(store.get::<String>(*name).unwrap().as_deref(), Some("text"));
                continue;
            };
            let stored = sorted(store.set::<u8>(*name).members()).unwrap();
            assert_eq!(stored, members.iter().copied().collect::<Vec<u8>>());
            let ttl = match (members.is_empty(), self.deadlines.get(&key)) {
                (true, _) => Ttl::Missing,
                (false, None) => Ttl::Forever,
                (false, Some(at)) => Ttl::Left(Duration::from_millis(at - self.now)),
            };
            assert_eq!(store.ttl(*name).unwrap(), ttl);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn sets_do_what_sets_do(ops in prop::collection::vec((op(), 0u64..8), 1..80)) {
        let (clock, store) = manual_store();
        store.insert(KEYS[TEXT], "text").unwrap();
        let mut model = Model::default();
        let mut iters = Vec::new();
        for (step, (op, ms)) in ops.iter().enumerate() {
            model.apply(&store, op);
            if step % 16 == 0 {
                let key = step / 16 % TEXT;
                iters.push((store.set::<u8>(KEYS[key]).iter().unwrap(), model.members(key).unwrap()));
            }
            clock.advance(Duration::from_millis(*ms));
            model.advance(*ms);
        }
        model.check_contents(&store);
        for (iter, members) in iters {
            prop_assert_eq!(iter.len(), members.len());
            prop_assert_eq!(iter.collect::<Result<BTreeSet<u8>, _>>().unwrap(), members);
        }
    }

    #[test]
    fn a_failed_transaction_leaves_sets_as_they_were(
        before in prop::collection::vec(op(), 1..30),
        within in prop::collection::vec(op(), 1..30),
    ) {
        let (_clock, store) = manual_store();
        store.insert(KEYS[TEXT], "text").unwrap();
        let mut model = Model::default();
        before.iter().for_each(|op| model.apply(&store, op));
        let mut inside = model.clone();
        let failed: Result<(), Error> = store.transaction(KEYS, |tx| {
            within.iter().for_each(|op| inside.apply(tx, op));
            Err(Error::Invalid("enough"))
        });
        prop_assert!(failed.is_err());
        model.check_contents(&store);
    }
}

#[test]
fn each_member_is_as_likely_as_the_others() {
    const DRAWS: usize = 6_000;
    let (_clock, store) = manual_store();
    let set = store.set::<u8>("a");
    set.insert_many([0, 1, 2, 3, 4, 5]).unwrap();
    let check = |name: &str, drawn: Vec<u8>| {
        let mut counts = [0usize; 6];
        let share = drawn.len() / 6;
        drawn.into_iter().for_each(|member| counts[usize::from(member)] += 1);
        // Over six standard deviations of a share of 1000 draws.
        assert!(counts.iter().all(|count| count.abs_diff(share) < 200), "{name}: {counts:?}");
    };
    check("random", (0..DRAWS).filter_map(|_| set.random().unwrap()).collect());
    check("repeated", set.random_repeated(DRAWS).unwrap());
    for count in [1, 2, 5] {
        let many = (0..DRAWS / count).flat_map(|_| set.random_many(count).unwrap()).collect();
        check("many", many);
    }
    let pops = (0..DRAWS).filter_map(|_| {
        let popped = set.pop().unwrap();
        set.insert_many(popped.as_slice()).unwrap();
        popped
    });
    check("pop", pops.collect());
}

#[test]
fn a_count_beyond_all_memory_is_an_error_where_it_would_be_needed() {
    let (_clock, store) = manual_store();
    let set = store.set::<u8>("a");
    assert!(set.random_repeated(usize::MAX).unwrap().is_empty());
    set.insert_many([1, 2]).unwrap();
    assert!(matches!(set.random_repeated(usize::MAX), Err(Error::Invalid(_))));
    assert_eq!(set.random_many(usize::MAX).unwrap().len(), 2);
    assert_eq!(set.pop_many(usize::MAX).unwrap().len(), 2);
}

#[test]
fn members_that_do_not_decode_are_not_lost() {
    let (_clock, store) = manual_store();
    let words = store.set::<String>("a");
    words.insert_many(["1", "x", "3"]).unwrap();
    store.expire("a", Duration::from_millis(50)).unwrap();
    let numbers = store.set::<u8>("a");
    assert!(matches!(numbers.pop_many(3), Err(Error::Decode(_))));
    assert_eq!(words.len().unwrap(), 3);
    assert_eq!(store.ttl("a").unwrap(), Ttl::Left(Duration::from_millis(50)));
    let popped = (0..3).filter_map(|_| match numbers.pop() {
        Err(Error::Decode(error)) => Some(error.bytes),
        _ => None,
    });
    assert_eq!(popped.collect::<Vec<_>>(), ["x"]);
}

#[test]
fn nothing_is_lost_where_a_destination_is_refused() {
    let store = Store::builder().value_limit(4).build();
    let set = store.set::<String>("a");
    set.insert("one").unwrap();
    assert!(matches!(set.move_to("long key", "one"), Err(Error::TooLong)));
    assert!(matches!(set.union_into("long key", ["b"]), Err(Error::TooLong)));
    assert!(!set.contains("longer than any").unwrap());
    store.insert("text", "text").unwrap();
    assert!(!store.set::<String>("gone").move_to("text", "one").unwrap());
    assert!(matches!(set.move_to("text", "two"), Err(Error::WrongType)));
    assert!(matches!(set.intersection(["gone", "text"]), Err(Error::WrongType)));
    assert_eq!(set.members().unwrap(), ["one"]);
}
