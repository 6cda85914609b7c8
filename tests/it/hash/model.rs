//! Hashes against a plain map, in random steps.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, SystemTime};

use larder::{Error, ExpireIf, ExpiresAt, FieldExpiry, Hash, HashOptions, Ttl};
use proptest::prelude::*;

use crate::support::manual_store;

const NEVER: u64 = u64::MAX;

/// A field's name: there are few of them, one too long to be stored inline.
type Name = &'static str;

const NAMES: [Name; 5] = ["a", "b", "c", "", "a name that is longer than a short one"];
const VALUES: [&str; 7] = ["0", "7", "-3", "0.5", "x", "9223372036854775807", ""];
const CONDITIONS: [ExpireIf; 5] =
    [ExpireIf::Always, ExpireIf::Forever, ExpireIf::Expiring, ExpireIf::Later, ExpireIf::Earlier];

type Pairs = Vec<(Name, &'static str)>;

#[derive(Debug, Clone)]
enum Op {
    Insert(Name, &'static str),
    InsertAll(Pairs),
    InsertIfAbsent(Name, &'static str),
    InsertEx(Name, &'static str, u64),
    InsertWith(Pairs, Condition, Until, Option<u64>),
    Get(Name),
    GetMany(Vec<Name>),
    Contains(Name),
    ValueLen(Name),
    Len,
    IsEmpty,
    Remove(Name),
    RemoveAll(Vec<Name>),
    GetAndRemove(Name),
    GetAndRemoveAll(Vec<Name>),
    GetAndExpire(Name, u64),
    GetManyAndExpire(Vec<Name>, u64),
    GetManyAndExpireAt(Vec<Name>, u64),
    GetAndPersist(Name),
    GetManyAndPersist(Vec<Name>),
    IncrBy(Name, i64),
    /// In halves.
    IncrByFloat(Name, i8),
    Random,
    RandomFields(usize),
    RandomRepeated(usize),
    All,
    ExpireField(Name, u64),
    ExpireFields(Vec<Name>, u64, ExpireIf),
    ExpireFieldsAt(Vec<Name>, u64, ExpireIf),
    FieldTtl(Name),
    FieldExpiresAt(Name),
    PersistField(Name),
    PersistFields(Vec<Name>),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Condition {
    Always,
    Absent,
    Present,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Until {
    Removed,
    Kept,
    In(u64),
    At(u64),
}

#[derive(Debug, Clone)]
enum Step {
    Op(Op),
    Advance(u64),
    Sweep,
    Rollback(Vec<Op>),
}

fn name() -> impl Strategy<Value = Name> {
    prop::sample::select(NAMES.to_vec())
}

fn names() -> impl Strategy<Value = Vec<Name>> {
    prop::collection::vec(name(), 0..5)
}

fn pairs() -> impl Strategy<Value = Pairs> {
    prop::collection::vec((name(), value()), 0..5)
}

fn value() -> impl Strategy<Value = &'static str> {
    prop::sample::select(VALUES.to_vec())
}

fn ttl() -> impl Strategy<Value = u64> {
    0u64..8
}

fn time() -> impl Strategy<Value = u64> {
    0u64..60
}

fn condition() -> impl Strategy<Value = ExpireIf> {
    prop::sample::select(CONDITIONS.to_vec())
}

fn op() -> impl Strategy<Value = Op> {
    let until = prop_oneof![
        Just(Until::Removed),
        Just(Until::Kept),
        ttl().prop_map(Until::In),
        time().prop_map(Until::At)
    ];
    let when = prop::sample::select(vec![Condition::Always, Condition::Absent, Condition::Present]);
    let key_ttl = prop_oneof![4 => Just(None), 1 => (0u64..20).prop_map(Some)];
    let by = prop_oneof![-5i64..5, Just(i64::MAX), Just(i64::MIN)];
    let writes = prop_oneof![
        (name(), value()).prop_map(|(n, v)| Op::Insert(n, v)),
        pairs().prop_map(Op::InsertAll),
        (name(), value()).prop_map(|(n, v)| Op::InsertIfAbsent(n, v)),
        (name(), value(), ttl()).prop_map(|(n, v, t)| Op::InsertEx(n, v, t)),
        (pairs(), when, until, key_ttl).prop_map(|(p, c, u, k)| Op::InsertWith(p, c, u, k)),
        name().prop_map(Op::Remove),
        names().prop_map(Op::RemoveAll),
        name().prop_map(Op::GetAndRemove),
        names().prop_map(Op::GetAndRemoveAll),
        (name(), by).prop_map(|(n, by)| Op::IncrBy(n, by)),
        (name(), any::<i8>()).prop_map(|(n, by)| Op::IncrByFloat(n, by)),
    ];
    let expiry = prop_oneof![
        (name(), ttl()).prop_map(|(n, t)| Op::GetAndExpire(n, t)),
        (names(), ttl()).prop_map(|(n, t)| Op::GetManyAndExpire(n, t)),
        (names(), time()).prop_map(|(n, t)| Op::GetManyAndExpireAt(n, t)),
        name().prop_map(Op::GetAndPersist),
        names().prop_map(Op::GetManyAndPersist),
        (name(), ttl()).prop_map(|(n, t)| Op::ExpireField(n, t)),
        (names(), ttl(), condition()).prop_map(|(n, t, c)| Op::ExpireFields(n, t, c)),
        (names(), time(), condition()).prop_map(|(n, t, c)| Op::ExpireFieldsAt(n, t, c)),
        name().prop_map(Op::FieldTtl),
        name().prop_map(Op::FieldExpiresAt),
        name().prop_map(Op::PersistField),
        names().prop_map(Op::PersistFields),
    ];
    let reads = prop_oneof![
        name().prop_map(Op::Get),
        names().prop_map(Op::GetMany),
        name().prop_map(Op::Contains),
        name().prop_map(Op::ValueLen),
        Just(Op::Len),
        Just(Op::IsEmpty),
        Just(Op::Random),
        (0usize..8).prop_map(Op::RandomFields),
        (0usize..8).prop_map(Op::RandomRepeated),
        Just(Op::All),
    ];
    prop_oneof![3 => writes, 2 => expiry, 1 => reads]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => op().prop_map(Step::Op),
        4 => (1u64..4).prop_map(Step::Advance),
        1 => Just(Step::Sweep),
        1 => prop::collection::vec(op(), 1..6).prop_map(Step::Rollback),
    ]
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn options(epoch: SystemTime, when: Condition, until: Until, key_ttl: Option<u64>) -> HashOptions {
    let mut options = match when {
        Condition::Always => HashOptions::new(),
        Condition::Absent => HashOptions::new().if_absent(),
        Condition::Present => HashOptions::new().if_present(),
    };
    options = match until {
        Until::Removed => options,
        Until::Kept => options.keep_ttl(),
        Until::In(ttl) => options.expire_in(ms(ttl)),
        Until::At(time) => options.expire_at(epoch + ms(time)),
    };
    key_ttl.map_or(options, |ttl| options.expire_key_in(ms(ttl)))
}

/// What the operation gives, written out; for a random choice, what does not depend on chance.
fn apply(hash: &Hash<'_, String, String>, epoch: SystemTime, op: &Op) -> larder::Result<String> {
    let some = |names: &[Name]| names.to_vec();
    Ok(match op {
        Op::Insert(n, v) => format!("{}", hash.insert(*n, *v)?),
        Op::InsertAll(p) => format!("{}", hash.insert_many(p.iter().copied())?),
        Op::InsertIfAbsent(n, v) => format!("{}", hash.insert_if_absent(*n, *v)?),
        Op::InsertEx(n, v, t) => format!("{}", hash.insert_ex(*n, *v, ms(*t))?),
        Op::InsertWith(p, c, u, k) => {
            format!("{}", hash.insert_with(p.iter().copied(), options(epoch, *c, *u, *k))?)
        }
        Op::Get(n) => format!("{:?}", hash.get(*n)?),
        Op::GetMany(n) => format!("{:?}", hash.get_many(some(n))?),
        Op::Contains(n) => format!("{}", hash.contains(*n)?),
        Op::ValueLen(n) => format!("{}", hash.value_len(*n)?),
        Op::Len => format!("{}", hash.len()?),
        Op::IsEmpty => format!("{}", hash.is_empty()?),
        Op::Remove(n) => format!("{}", hash.remove(*n)?),
        Op::RemoveAll(n) => format!("{}", hash.remove_many(some(n))?),
        Op::GetAndRemove(n) => format!("{:?}", hash.get_and_remove(*n)?),
        Op::GetAndRemoveAll(n) => format!("{:?}", hash.get_and_remove_many(some(n))?),
        Op::GetAndExpire(n, t) => format!("{:?}", hash.get_and_expire(*n, ms(*t))?),
        Op::GetManyAndExpire(n, t) => format!("{:?}", hash.get_many_and_expire(some(n), ms(*t))?),
        Op::GetManyAndExpireAt(n, t) => {
            format!("{:?}", hash.get_many_and_expire_at(some(n), epoch + ms(*t))?)
        }
        Op::GetAndPersist(n) => format!("{:?}", hash.get_and_persist(*n)?),
        Op::GetManyAndPersist(n) => format!("{:?}", hash.get_many_and_persist(some(n))?),
        Op::IncrBy(n, by) => format!("{}", hash.incr_by(*n, *by)?),
        Op::IncrByFloat(n, by) => format!("{}", hash.incr_by_float(*n, f64::from(*by) / 2.0)?),
        Op::Random => {
            let all: BTreeSet<String> = hash.keys()?.into_iter().collect();
            let drawn = hash.random_field()?;
            assert_eq!(drawn.is_none(), all.is_empty());
            assert!(drawn.is_none_or(|field| all.contains(&field)));
            "a field".to_owned()
        }
        Op::RandomFields(count) => {
            let all = hash.to_map()?;
            let drawn = hash.random_fields(*count)?;
            assert!(drawn.iter().all(|field| all.contains_key(field)));
            assert_eq!(drawn.iter().collect::<BTreeSet<_>>().len(), drawn.len());
            let entries = hash.random_many(*count)?;
            assert!(entries.iter().all(|(field, value)| all.get(field) == Some(value)));
            assert_eq!(entries.iter().collect::<BTreeSet<_>>().len(), drawn.len());
            format!("{}", drawn.len())
        }
        Op::RandomRepeated(count) => {
            let all = hash.to_map()?;
            let drawn = hash.random_fields_repeated(*count)?;
            assert!(drawn.iter().all(|field| all.contains_key(field)));
            let entries = hash.random_repeated(*count)?;
            assert!(entries.iter().all(|(field, value)| all.get(field) == Some(value)));
            assert_eq!(entries.len(), drawn.len());
            format!("{}", drawn.len())
        }
        Op::All => {
            let entries = hash.entries()?;
            let iterated = hash.iter()?;
            assert!(iterated.size_hint().0 <= entries.len());
            assert!(iterated.size_hint().1 >= Some(entries.len()));
            assert_eq!(iterated.collect::<larder::Result<Vec<_>>>()?, entries);
            assert_eq!(hash.keys()?, entries.iter().map(|(field, _)| field.clone()).collect::<Vec<_>>());
            assert_eq!(hash.values()?, entries.iter().map(|(_, value)| value.clone()).collect::<Vec<_>>());
            assert_eq!(hash.to_map()?, entries.iter().cloned().collect::<HashMap<_, _>>());
            format!("{:?}", entries.into_iter().collect::<BTreeMap<_, _>>())
        }
        Op::ExpireField(n, t) => format!("{:?}", hash.expire_field(*n, ms(*t))?),
        Op::ExpireFields(n, t, c) => format!("{:?}", hash.expire_fields_if(some(n), ms(*t), *c)?),
        Op::ExpireFieldsAt(n, t, c) => {
            format!("{:?}", hash.expire_fields_at_if(some(n), epoch + ms(*t), *c)?)
        }
        Op::FieldTtl(n) => format!("{:?}", hash.field_ttl(*n)?),
        Op::FieldExpiresAt(n) => format!("{:?}", hash.field_expires_at(*n)?),
        Op::PersistField(n) => format!("{}", hash.persist_field(*n)?),
        Op::PersistFields(n) => format!("{:?}", hash.persist_fields(some(n))?),
    })
}

/// A map of fields to value and deadline.
#[derive(Clone, Default)]
struct Model {
    fields: BTreeMap<Name, (String, u64)>,
    deadline: Option<u64>,
    now: u64,
}

impl Model {
    fn purge(&mut self) {
        let now = self.now;
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.fields.clear();
        }
        self.fields.retain(|_, (_, deadline)| *deadline > now);
        if self.fields.is_empty() {
            self.deadline = None;
        }
    }

    fn get(&self, name: Name) -> Option<String> {
        self.fields.get(name).map(|(value, _)| value.clone())
    }

    fn set(&mut self, name: Name, value: &str, until: Until) -> bool {
        let old = self.fields.get(name).map(|(_, deadline)| *deadline);
        let deadline = match until {
            Until::Removed => NEVER,
            Until::Kept => old.unwrap_or(NEVER),
            Until::In(ttl) => self.now + ttl,
            Until::At(time) => time,
        };
        self.fields.insert(name, (value.to_owned(), deadline));
        old.is_none()
    }

    fn take(&mut self, name: Name) -> Option<String> {
        self.fields.remove(name).map(|(value, _)| value)
    }

    fn expire(&mut self, name: Name, deadline: u64, condition: ExpireIf) -> FieldExpiry {
        let now = self.now;
        let Some((_, old)) = self.fields.get_mut(name) else { return FieldExpiry::Missing };
        let meets = match condition {
            ExpireIf::Forever => *old == NEVER,
            ExpireIf::Expiring => *old != NEVER,
            ExpireIf::Later => *old != NEVER && deadline > *old,
            ExpireIf::Earlier => *old == NEVER || deadline < *old,
            _ => true,
        };
        if !meets {
            return FieldExpiry::ConditionNotMet;
        }
        *old = deadline;
        if deadline <= now {
            self.fields.remove(name);
            return FieldExpiry::Removed;
        }
        FieldExpiry::Set
    }

    fn get_and_expire(&mut self, name: Name, deadline: u64) -> Option<String> {
        let value = self.get(name)?;
        self.expire(name, deadline, ExpireIf::Always);
        Some(value)
    }

    fn persist(&mut self, name: Name) -> bool {
        let old = self.fields.get_mut(name).map(|(_, old)| std::mem::replace(old, NEVER));
        old.is_some_and(|old| old != NEVER)
    }

    fn apply(&mut self, epoch: SystemTime, op: &Op) -> Result<String, String> {
        let now = self.now;
        let reply = match op.clone() {
            Op::Insert(n, v) => format!("{}", self.set(n, v, Until::Removed)),
            Op::InsertAll(p) => {
                format!("{}", p.into_iter().filter(|(n, v)| self.set(n, v, Until::Removed)).count())
            }
            Op::InsertIfAbsent(n, v) => {
                format!("{}", !self.fields.contains_key(n) && self.set(n, v, Until::Removed))
            }
            Op::InsertEx(n, v, t) => format!("{}", self.set(n, v, Until::In(t))),
            Op::InsertWith(p, c, u, k) => {
                let holds = match c {
                    Condition::Always => true,
                    Condition::Absent => !p.iter().any(|(n, _)| self.fields.contains_key(n)),
                    Condition::Present => p.iter().all(|(n, _)| self.fields.contains_key(n)),
                };
                if holds {
                    for (n, v) in p {
                        self.set(n, v, u);
                    }
                    self.purge();
                    self.deadline = k.map(|ttl| now + ttl).or(self.deadline);
                }
                format!("{holds}")
            }
            Op::Get(n) => format!("{:?}", self.get(n)),
            Op::GetMany(n) => format!("{:?}", n.into_iter().map(|n| self.get(n)).collect::<Vec<_>>()),
            Op::Contains(n) => format!("{}", self.fields.contains_key(n)),
            Op::ValueLen(n) => format!("{}", self.get(n).map_or(0, |value| value.len())),
            Op::Len => format!("{}", self.fields.len()),
            Op::IsEmpty => format!("{}", self.fields.is_empty()),
            Op::Remove(n) => format!("{}", self.take(n).is_some()),
            Op::RemoveAll(n) => format!("{}", n.into_iter().filter_map(|n| self.take(n)).count()),
            Op::GetAndRemove(n) => format!("{:?}", self.take(n)),
            Op::GetAndRemoveAll(n) => {
                format!("{:?}", n.into_iter().map(|n| self.take(n)).collect::<Vec<_>>())
            }
            Op::GetAndExpire(n, t) => format!("{:?}", self.get_and_expire(n, now + t)),
            Op::GetManyAndExpire(n, t) => {
                format!("{:?}", n.into_iter().map(|n| self.get_and_expire(n, now + t)).collect::<Vec<_>>())
            }
            Op::GetManyAndExpireAt(n, t) => {
                format!("{:?}", n.into_iter().map(|n| self.get_and_expire(n, t)).collect::<Vec<_>>())
            }
            Op::GetAndPersist(n) => {
                self.persist(n);
                format!("{:?}", self.get(n))
            }
            Op::GetManyAndPersist(n) => {
                for name in &n {
                    self.persist(name);
                }
                format!("{:?}", n.into_iter().map(|n| self.get(n)).collect::<Vec<_>>())
            }
            Op::IncrBy(n, by) => {
                let old = self.get(n).map_or(Ok(0), |value| value.parse::<i64>());
                let old = old.map_err(|_| Error::HashNotAnInteger.to_string())?;
                let new = old.checked_add(by).ok_or(Error::Overflow.to_string())?;
                self.set(n, &new.to_string(), Until::Kept);
                format!("{new}")
            }
            Op::IncrByFloat(n, by) => {
                let old = self.get(n).map_or(Some(0), |value| halves(&value));
                let new = old.ok_or(Error::HashNotAFloat.to_string())? + i128::from(by);
                self.set(n, &from_halves(new), Until::Kept);
                format!("{}", new as f64 / 2.0)
            }
            Op::Random => "a field".to_owned(),
            Op::RandomFields(count) => format!("{}", count.min(self.fields.len())),
            Op::RandomRepeated(count) => format!("{}", if self.fields.is_empty() { 0 } else { count }),
            Op::All => {
                let entries = self.fields.iter().map(|(name, (value, _))| (*name, value.clone()));
                format!("{:?}", entries.collect::<BTreeMap<_, _>>())
            }
            Op::ExpireField(n, t) => format!("{:?}", self.expire(n, now + t, ExpireIf::Always)),
            Op::ExpireFields(n, t, c) => {
                format!("{:?}", n.into_iter().map(|n| self.expire(n, now + t, c)).collect::<Vec<_>>())
            }
            Op::ExpireFieldsAt(n, t, c) => {
                format!("{:?}", n.into_iter().map(|n| self.expire(n, t, c)).collect::<Vec<_>>())
            }
            Op::FieldTtl(n) => {
                let ttl = match self.fields.get(n) {
                    None => Ttl::Missing,
                    Some((_, NEVER)) => Ttl::Forever,
                    Some((_, deadline)) => Ttl::Left(ms(deadline - now)),
                };
                format!("{ttl:?}")
            }
            Op::FieldExpiresAt(n) => {
                let at = match self.fields.get(n) {
                    None => ExpiresAt::Missing,
                    Some((_, NEVER)) => ExpiresAt::Never,
                    Some((_, deadline)) => ExpiresAt::At(epoch + ms(*deadline)),
                };
                format!("{at:?}")
            }
            Op::PersistField(n) => format!("{}", self.persist(n)),
            Op::PersistFields(n) => {
                format!("{:?}", n.into_iter().map(|n| self.persist(n)).collect::<Vec<_>>())
            }
        };
        self.purge();
        Ok(reply)
    }
}

/// A number in halves, if the text is one.
fn halves(text: &str) -> Option<i128> {
    let (whole, half) = text.strip_suffix(".5").map_or((text, 0), |whole| (whole, 1));
    let size = whole.trim_start_matches('-').parse::<i128>().ok()? * 2 + half;
    Some(if text.starts_with('-') { -size } else { size })
}

fn from_halves(halves: i128) -> String {
    let size = halves.unsigned_abs();
    let sign = if halves < 0 { "-" } else { "" };
    format!("{sign}{}{}", size / 2, if size % 2 == 1 { ".5" } else { "" })
}

/// Sums of which the model, or a long double, does not hold every half.
fn is_beyond(model: &Model, op: &Op) -> bool {
    let Op::IncrByFloat(name, _) = op else { return false };
    model.get(name).and_then(|value| halves(&value)).is_some_and(|halves| halves.abs() > 1 << 60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn does_what_a_map_with_deadlines_does(steps in prop::collection::vec(step(), 1..60)) {
        let (clock, store) = manual_store();
        let epoch = clock.now();
        store.insert("text", "not a hash").unwrap();
        let (hash, text) = (store.hash::<String, String>("hash"), store.hash::<String, String>("text"));
        let mut model = Model::default();
        for step in &steps {
            match step {
                Step::Op(op) if is_beyond(&model, op) => {}
                Step::Op(op) => {
                    let expected = model.apply(epoch, op);
                    let got = apply(&hash, epoch, op).map_err(|error| error.to_string());
                    prop_assert_eq!(got, expected, "{:?}", op);
                    prop_assert!(matches!(apply(&text, epoch, op), Err(Error::WrongType)), "{:?}", op);
                }
                Step::Advance(by) => {
                    clock.advance(ms(*by));
                    model.now += by;
                    model.purge();
                }
                Step::Sweep => {
                    store.sweep().unwrap();
                }
                Step::Rollback(ops) => {
                    let undone: Result<(), Error> = store.transaction(["hash"], |tx| {
                        let hash = tx.hash("hash");
                        let mut model = model.clone();
                        for op in ops.iter().filter(|op| !matches!(op, Op::IncrByFloat(..))) {
                            let got = apply(&hash, epoch, op).map_err(|error| error.to_string());
                            assert_eq!(got, model.apply(epoch, op), "{op:?}");
                        }
                        Err(Error::Invalid("undo"))
                    });
                    prop_assert!(undone.is_err());
                }
            }
            let ttl = match (model.fields.is_empty(), model.deadline) {
                (true, _) => Ttl::Missing,
                (false, None) => Ttl::Forever,
                (false, Some(deadline)) => Ttl::Left(ms(deadline - model.now)),
            };
            prop_assert_eq!(store.ttl("hash").unwrap(), ttl, "{:?}", step);
        }
        for op in NAMES.map(Op::FieldTtl).into_iter().chain([Op::All, Op::Len]) {
            prop_assert_eq!(apply(&hash, epoch, &op).ok(), model.apply(epoch, &op).ok(), "{:?}", op);
        }
        // With the last deadline only fields without one are left, and the sweeper finds no more to do.
        clock.advance(ms(1000));
        model.now += 1000;
        model.purge();
        store.sweep().unwrap();
        prop_assert_eq!(store.sweep().unwrap(), 0);
        prop_assert_eq!(store.contains("hash").unwrap(), !model.fields.is_empty());
        prop_assert_eq!(hash.len().unwrap(), model.fields.len());
    }
}
