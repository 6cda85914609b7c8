//! A store, and what it should hold.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::Draw;
use crate::clock::ManualClock;
use crate::text::number::plain;
use crate::{Bytes, Database, Error, Result, Store, Sweeping, Ttl, Type, snapshot};

const KEYS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
/// How long a key or field lives at most, in milliseconds.
const LONGEST: usize = 2_000;
/// The longest collection.
const MOST: usize = 300;

/// Any operations on the keys of a store do what they do to maps of std's: one by one, in transactions that end well or
/// are taken back, and while time goes on. What is there at the end comes back from a snapshot.
pub fn model(data: &[u8]) {
    let clock = ManualClock::new();
    let open = || Store::builder().clock(&clock).seed(1).shards(2).sweeping(Sweeping::ByHand).build();
    let store = open();
    let mut model = Model::default();
    let mut draw = Draw(data);
    while let Some(choice) = draw.byte() {
        match choice {
            0..=31 => transaction(&store, &mut model, &mut draw),
            32..=63 => {
                let passed = 1 + draw.below(LONGEST / 4) as u64;
                clock.advance(Duration::from_millis(passed));
                model.advance(passed);
            }
            64..=79 => assert!(store.sweep().is_ok()),
            80..=95 => model.check(&store),
            _ => model.step(&store, &mut draw),
        }
    }
    model.check(&store);
    let again = open();
    let read = snapshot::to_bytes(store.space()).and_then(|file| snapshot::from_bytes(again.space(), &file));
    assert_eq!(read.ok().map(|progress| progress.entries), Some(model.keys.len() as u64));
    model.check(&again);
    assert!(store.clear_all().is_ok());
    assert_eq!(store.stats().ok().map(|stats| (stats.entries, stats.bytes)), Some((0, 0)));
}

/// Some operations as one, which in the end did nothing as often as not.
fn transaction(store: &Store, model: &mut Model, draw: &mut Draw<'_>) {
    let mut inside = model.clone();
    let (count, is_kept) = (draw.below(8), draw.is());
    let done = store.transaction(KEYS, |tx| {
        (0..count).for_each(|_| inside.step(tx, draw));
        if draw.is() {
            inside.check(tx);
        }
        if is_kept { Ok(()) } else { Err(Error::Invalid("to be taken back")) }
    });
    assert_eq!(done.is_ok(), is_kept);
    if is_kept {
        *model = inside;
    }
    model.check(store);
}

#[derive(Clone, Debug, PartialEq)]
enum Value {
    String(Bytes),
    List(VecDeque<Bytes>),
    Set(BTreeSet<Bytes>),
    Hash(Fields),
    SortedSet(Members),
}

/// How many milliseconds are left, if it ends.
type Left = Option<u64>;

#[derive(Clone, Debug, Default)]
struct Model {
    keys: BTreeMap<Name, (Value, Left)>,
}

impl Model {
    fn advance(&mut self, passed: u64) {
        let lives = |left: &mut Left| {
            *left = left.map(|left| left.saturating_sub(passed));
            *left != Some(0)
        };
        self.keys.retain(|_, (value, left)| {
            if let Value::Hash(fields) = value {
                fields.retain(|_, (_, left)| lives(left));
            }
            lives(left)
        });
        self.forget_empty();
    }

    fn forget_empty(&mut self) {
        self.keys.retain(|_, (value, _)| match value {
            Value::String(_) => true,
            Value::List(list) => !list.is_empty(),
            Value::Set(set) => !set.is_empty(),
            Value::Hash(fields) => !fields.is_empty(),
            Value::SortedSet(members) => !members.is_empty(),
        });
    }

    /// One operation on both, which must say the same.
    fn step(&mut self, db: &Database, draw: &mut Draw<'_>) {
        let key = KEYS[draw.below(KEYS.len())];
        match draw.below(10) {
            0 => self.key(db, key, draw),
            1 | 2 => self.string(db, key, draw),
            3 | 4 => self.list(db, key, draw),
            5 => self.set(db, key, draw),
            6 | 7 => self.hash(db, key, draw),
            _ => self.sorted_set(db, key, draw),
        }
        self.forget_empty();
    }

    fn key(&mut self, db: &Database, key: Name, draw: &mut Draw<'_>) {
        let other = KEYS[draw.below(KEYS.len())];
        let left = 1 + draw.below(LONGEST) as u64;
        match draw.below(6) {
            0 => same(db.remove(key), Some(self.keys.remove(key).is_some())),
            1 => {
                let moved = self.keys.remove(key);
                let expected = moved.map(|entry| drop(self.keys.insert(other, entry)));
                assert_eq!(db.rename(key, other).ok(), expected);
            }
            2 => {
                // A key is not copied onto itself.
                let entry =
                    self.keys.get(key).filter(|_| key != other && !self.keys.contains_key(other)).cloned();
                let copied = entry.map(|entry| self.keys.insert(other, entry)).is_some();
                assert_eq!(db.copy(key, other).unwrap_or(false), copied);
            }
            3 => {
                let place = self.keys.get_mut(key).map(|(_, place)| *place = Some(left));
                same(db.expire(key, Duration::from_millis(left)), Some(place.is_some()));
            }
            4 => {
                let old = self.keys.get_mut(key).and_then(|(_, place)| place.take());
                same(db.persist(key), Some(old.is_some()));
            }
            _ => same(db.contains(key), Some(self.keys.contains_key(key))),
        }
    }

    fn string(&mut self, db: &Database, key: Name, draw: &mut Draw<'_>) {
        match draw.below(5) {
            0 => {
                let value = draw.element();
                same(db.insert(key, &value), Some(()));
                self.keys.insert(key, (Value::String(value), None));
            }
            1 => {
                let (value, left) = (draw.element(), 1 + draw.below(LONGEST) as u64);
                same(db.insert_ex(key, &value, Duration::from_millis(left)), Some(()));
                self.keys.insert(key, (Value::String(value), Some(left)));
            }
            2 => {
                let (by, old) = (draw.below(1000) as i64 - 500, self.find::<Bytes>(key));
                // A missing key counts from 0; text is no number, and another type is none either.
                let number = old.map(|old| old.map_or(Some(0), |text| plain::parse_i64(text)));
                let sum = number.ok().flatten().and_then(|number| number.checked_add(by));
                same(db.counter(key).incr_by(by), sum);
                if let Some(sum) = sum {
                    let left = self.keys.get(key).and_then(|(_, left)| *left);
                    self.keys.insert(key, (Value::String(sum.to_string().into()), left));
                }
            }
            3 => {
                let more = draw.element();
                let changed = self.change(key, |string: &mut Bytes| {
                    *string = Bytes::from([&**string, &*more].concat());
                    string.len()
                });
                same(db.string(key).append(&more), changed);
            }
            _ => {
                let expected = self.find::<Bytes>(key).map(|found| found.cloned());
                same(db.get::<Bytes>(key), expected.ok());
            }
        }
    }

    fn list(&mut self, db: &Database, key: Name, draw: &mut Draw<'_>) {
        let list = db.list::<Bytes>(key);
        match draw.below(6) {
            0 | 1 => {
                let (element, is_front) = (draw.element(), draw.is());
                let elements = vec![element; draw.count()];
                let changed = self.change(key, |list: &mut VecDeque<Bytes>| {
                    if list.len() > MOST {
                        return None;
                    }
                    for element in &elements {
                        if is_front {
                            list.push_front(element.clone())
                        } else {
                            list.push_back(element.clone())
                        }
                    }
                    Some(list.len())
                });
                match changed {
                    Some(None) => {}
                    changed if is_front => same(list.extend_front(&elements), changed.flatten()),
                    changed => same(list.extend_back(&elements), changed.flatten()),
                }
            }
            2 => {
                let count = draw.count();
                let changed = self.change(key, |list: &mut VecDeque<Bytes>| {
                    list.drain(..count.min(list.len())).collect::<Vec<_>>()
                });
                same(list.pop_front_many(count), changed);
            }
            3 => {
                let (start, len) = (draw.below(MOST), draw.below(MOST) as i64);
                let changed = self.change(key, |list: &mut VecDeque<Bytes>| {
                    *list = list.iter().skip(start).take(len as usize).cloned().collect();
                });
                let stop = start as i64 + len - 1;
                // To -1 would be to the end.
                same(if stop < 0 { list.trim(1, 0) } else { list.trim(start as i64, stop) }, changed);
            }
            4 => {
                let value = draw.element();
                let changed = self.change(key, |list: &mut VecDeque<Bytes>| {
                    let before = list.len();
                    list.retain(|element| *element != value);
                    before - list.len()
                });
                same(list.remove_all(&value), changed);
            }
            _ => {
                let (at, element) = (draw.below(MOST), draw.element());
                let changed = self.change(key, |list: &mut VecDeque<Bytes>| {
                    list.get_mut(at).map(|place| *place = element.clone())
                });
                assert_eq!(list.set(at as i64, &element).ok(), changed.flatten());
            }
        }
    }

    fn set(&mut self, db: &Database, key: Name, draw: &mut Draw<'_>) {
        let set = db.set::<Bytes>(key);
        match draw.below(4) {
            0 => {
                let members: Vec<_> = (0..draw.count()).map(|_| draw.element()).collect();
                let changed = self.change(key, |set: &mut BTreeSet<Bytes>| {
                    members.iter().filter(|member| set.insert(Bytes::clone(member))).count()
                });
                same(set.insert_many(&members), changed);
            }
            1 => {
                let from = draw.below(MOST);
                let members: Vec<_> =
                    (from..MOST.min(from + draw.count())).map(|number| number.to_string()).collect();
                let changed = self.change(key, |set: &mut BTreeSet<Bytes>| {
                    members.iter().filter(|member| set.insert(Bytes::from(member.as_str()))).count()
                });
                // Nothing to insert is nothing to say of a type.
                if !members.is_empty() {
                    same(set.insert_many(members.iter().map(|member| Bytes::from(member.as_str()))), changed);
                }
            }
            2 => {
                let member = draw.element();
                let changed = self.change(key, |set: &mut BTreeSet<Bytes>| set.remove(&member));
                same(set.remove(&member), changed);
            }
            _ => {
                let (other, into) = (KEYS[draw.below(KEYS.len())], KEYS[draw.below(KEYS.len())]);
                let sets = [key, other].map(|key| self.find::<BTreeSet<Bytes>>(key).map(|set| set.cloned()));
                let [Ok(one), Ok(two)] = sets else {
                    return assert!(set.union_into(into, [other]).is_err());
                };
                let union = &one.unwrap_or_default() | &two.unwrap_or_default();
                same(set.union_into(into, [other]), Some(union.len()));
                self.keys.insert(into, (Value::Set(union), None));
            }
        }
    }

    fn hash(&mut self, db: &Database, key: Name, draw: &mut Draw<'_>) {
        let hash = db.hash::<Bytes, Bytes>(key);
        match draw.below(6) {
            0 => {
                let (name, value) = (draw.element(), draw.element());
                let changed = self.change(key, |fields: &mut Fields| {
                    fields.insert(name.clone(), (value.clone(), None)).is_none()
                });
                same(hash.insert(&name, &value), changed);
            }
            1 => {
                let (name, value, left) = (draw.element(), draw.element(), 1 + draw.below(LONGEST) as u64);
                let changed = self.change(key, |fields: &mut Fields| {
                    fields.insert(name.clone(), (value.clone(), Some(left))).is_none()
                });
                same(hash.insert_ex(&name, &value, Duration::from_millis(left)), changed);
            }
            2 => {
                let value = draw.element();
                let names: Vec<_> =
                    (0..draw.count()).map(|number| Bytes::from(format!("f{number}"))).collect();
                let changed = self.change(key, |fields: &mut Fields| {
                    let new = |name: &Bytes| fields.insert(name.clone(), (value.clone(), None)).is_none();
                    names.iter().map(new).filter(|is_new| *is_new).count()
                });
                same(hash.insert_many(names.iter().map(|name| (name, &value))), changed);
            }
            3 => {
                let name = draw.element();
                let changed = self.change(key, |fields: &mut Fields| fields.remove(&name).is_some());
                same(hash.remove(&name), changed);
            }
            4 => {
                let name = draw.element();
                let changed = self.change(key, |fields: &mut Fields| {
                    fields.get_mut(&name).is_some_and(|(_, left)| left.take().is_some())
                });
                same(hash.persist_field(&name), changed);
            }
            _ => {
                let (name, by) = (draw.element(), draw.below(100) as i64);
                let old = self
                    .find::<Fields>(key)
                    .map(|fields| fields.and_then(|fields| fields.get(&name)).cloned());
                let sum = old.ok().and_then(|old| {
                    let (text, left) = old.unwrap_or((Bytes::from("0"), None));
                    Some((plain::parse_i64(&text)?.checked_add(by)?, left))
                });
                same(hash.incr_by(&name, by), sum.map(|(sum, _)| sum));
                if let Some((sum, left)) = sum {
                    self.change(key, |fields: &mut Fields| {
                        fields.insert(name, (sum.to_string().into(), left))
                    });
                }
            }
        }
    }

    fn sorted_set(&mut self, db: &Database, key: Name, draw: &mut Draw<'_>) {
        let set = db.sorted_set::<Bytes>(key);
        match draw.below(5) {
            0 => {
                let (member, score) = (draw.element(), draw.score());
                let changed = self.change(key, |members: &mut Members| insert(members, &member, score));
                same(set.insert(&member, score), changed);
            }
            1 => {
                let (count, step) = (draw.count(), draw.below(9) as f64);
                let scored: Vec<_> = (0..count)
                    .map(|number| (Bytes::from(format!("m{number}")), step * number as f64))
                    .collect();
                let changed = self.change(key, |members: &mut Members| {
                    scored.iter().filter(|(member, score)| insert(members, member, *score)).count()
                });
                same(set.insert_many(scored.iter().map(|(member, score)| (member, *score))), changed);
            }
            2 => {
                let member = draw.element();
                let changed = self.change(key, |members: &mut Members| members.remove(&member).is_some());
                same(set.remove(&member), changed);
            }
            3 => {
                let count = draw.count();
                let changed = self.change(key, |members: &mut Members| {
                    let mut first = sorted(members);
                    first.truncate(count);
                    members.retain(|member, _| first.iter().all(|(other, _)| other != member));
                    first
                });
                same(set.pop_first_many(count), changed);
            }
            _ => {
                let member = draw.element();
                let rank = self.find::<Members>(key).ok().map(|members| {
                    sorted(members.unwrap_or(&Members::new())).iter().position(|(other, _)| *other == member)
                });
                same(set.rank(&member), rank);
            }
        }
    }

    /// What a key holds, if it holds anything; an error if that is of another type.
    fn find<V: Kind>(&self, key: Name) -> Result<Option<&V>> {
        let Some((value, _)) = self.keys.get(key) else { return Ok(None) };
        V::of(value).map(Some).ok_or(Error::WrongType)
    }

    /// Changes what a key holds, which may be nothing yet; `None` if that is of another type.
    fn change<V: Kind, R>(&mut self, key: Name, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let (value, _) = self.keys.entry(key).or_insert_with(|| (V::default().into_value(), None));
        V::of_mut(value).map(change)
    }

    /// Compares all that there is.
    fn check(&self, db: &Database) {
        for key in KEYS {
            let found = self.keys.get(key);
            same(db.type_of(key), Some(found.map(|(value, _)| value.kind())));
            let Some((value, left)) = found else { continue };
            same(db.ttl(key), Some(left.map_or(Ttl::Forever, |left| Ttl::Left(Duration::from_millis(left)))));
            match value {
                Value::String(string) => same(db.get::<Bytes>(key), Some(Some(string.clone()))),
                Value::List(list) => {
                    same(db.list::<Bytes>(key).to_vec(), Some(list.iter().cloned().collect()))
                }
                Value::Set(set) => {
                    let members = db.set::<Bytes>(key).members();
                    same(members.map(|members| members.into_iter().collect()), Some(set.clone()));
                }
                Value::Hash(fields) => {
                    let hash = db.hash::<Bytes, Bytes>(key);
                    same(hash.len(), Some(fields.len()));
                    let seen = hash.entries().map(|entries| entries.into_iter().collect::<BTreeMap<_, _>>());
                    let values = fields.iter().map(|(name, (value, _))| (name.clone(), value.clone()));
                    same(seen, Some(values.collect()));
                    let ends = fields.values().map(|(_, left)| {
                        left.map_or(Ttl::Forever, |left| Ttl::Left(Duration::from_millis(left)))
                    });
                    same(hash.field_ttls(fields.keys()), Some(ends.collect()));
                }
                Value::SortedSet(members) => same(db.sorted_set(key).to_vec(), Some(sorted(members))),
            }
        }
    }
}

/// Whether an operation gave what it should: this, or an error.
#[track_caller]
fn same<R: PartialEq + std::fmt::Debug>(got: Result<R>, expected: Option<R>) {
    match (got, expected) {
        (Ok(got), Some(expected)) => assert_eq!(got, expected),
        (Err(_), None) => {}
        (got, expected) => panic!("{got:?} and not {expected:?}"),
    }
}

type Name = &'static str;
type Fields = BTreeMap<Bytes, (Bytes, Left)>;
type Members = BTreeMap<Bytes, f64>;

/// Whether a member is new. -0 is no other score than 0.
fn insert(members: &mut Members, member: &Bytes, score: f64) -> bool {
    match members.get_mut(member) {
        Some(old) if *old == score => false,
        Some(old) => {
            *old = score;
            false
        }
        None => members.insert(member.clone(), score).is_none(),
    }
}

fn sorted(members: &Members) -> Vec<(Bytes, f64)> {
    let mut all: Vec<_> = members.iter().map(|(member, score)| (member.clone(), *score)).collect();
    // The members are in order already.
    all.sort_by(|one, other| one.1.partial_cmp(&other.1).unwrap_or(std::cmp::Ordering::Equal));
    all
}

impl Value {
    fn kind(&self) -> Type {
        match self {
            Value::String(_) => Type::String,
            Value::List(_) => Type::List,
            Value::Set(_) => Type::Set,
            Value::Hash(_) => Type::Hash,
            Value::SortedSet(_) => Type::SortedSet,
        }
    }
}

/// What a key of one type holds.
trait Kind: Default {
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn into_value(self) -> Value;
}

macro_rules! kind {
    ($type:ty, $variant:ident) => {
        impl Kind for $type {
            fn of(value: &Value) -> Option<&Self> {
                if let Value::$variant(held) = value { Some(held) } else { None }
            }

            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let Value::$variant(held) = value { Some(held) } else { None }
            }

            fn into_value(self) -> Value {
                Value::$variant(self)
            }
        }
    };
}

kind!(Bytes, String);
kind!(VecDeque<Bytes>, List);
kind!(BTreeSet<Bytes>, Set);
kind!(Fields, Hash);
kind!(Members, SortedSet);
