//! Random operations on strings, beside plain maps.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, UNIX_EPOCH};

use larder::{BitInt, BitOp, BitUnit, Bytes, Error, InsertOptions, Overflow, Result, Store, Ttl};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::manual_store;

type Key = &'static str;
type Text = Vec<u8>;

const WRONG_TYPE: &str = "WRONGTYPE Operation against a key holding the wrong kind of value";
const NOT_AN_INTEGER: &str = "ERR value is not an integer or out of range";
const OVERFLOW: &str = "ERR increment or decrement would overflow";

#[derive(Debug, Clone)]
enum When {
    Always,
    Absent,
    Present,
    Equal(Text),
    NotEqual(Text),
}

#[derive(Debug, Clone, Copy)]
enum Until {
    Removed,
    Kept,
    In(u64),
    At(u64),
}

#[derive(Debug, Clone)]
enum Op {
    Advance(u64),
    Push(Key),
    Insert(Key, Text),
    InsertEx(Key, Text, u64),
    InsertWith(Key, Text, When, Until),
    InsertIfAbsent(Key, Text),
    InsertIfAbsentEx(Key, Text, u64),
    InsertIfPresent(Key, Text),
    Swap(Key, Text),
    SwapWith(Key, Text, When, Until),
    InsertMany(Vec<(Key, Text)>),
    InsertManyIfAbsent(Vec<(Key, Text)>),
    InsertManyWith(Vec<(Key, Text)>, When, Until),
    Get(Key),
    GetWithTtl(Key),
    GetMany(Vec<Key>),
    GetAndRemove(Key),
    GetAndExpire(Key, u64),
    GetAndExpireAt(Key, u64),
    GetAndPersist(Key),
    RemoveIfEqual(Key, Text),
    IncrBy(Key, i64),
    DecrBy(Key, i64),
    CounterGet(Key),
    CounterSet(Key, i64),
    CounterSwap(Key, i64),
    CounterReset(Key),
    Append(Key, Text),
    Len(Key),
    Range(Key, i64, i64),
    SetRange(Key, usize, Text),
    Bit(Key, u64),
    SetBit(Key, u64, bool),
    Count(Key),
    First(Key, bool),
    Combine(BitOp, Vec<Key>, Key),
    Field(Key, u8, u64, i64),
}

fn op() -> impl Strategy<Value = Op> {
    let key = || select(vec!["a", "b", "c"]);
    let keys = || vec(select(vec!["a", "b", "c"]), 0..4);
    let text = || {
        let texts = ["", "0", "7", "-3", "07", "9223372036854775807", "abc", "a longer text that is shared"];
        prop_oneof![select(texts.map(|text| text.as_bytes().to_vec()).to_vec()), vec(any::<u8>(), 0..30)]
    };
    let pairs = move || vec((key(), text()), 0..4);
    let number = || prop_oneof![-9..9i64, select(vec![i64::MIN, i64::MAX, i64::MIN + 1])];
    let ttl = || 1..40u64;
    let time = || 0..60u64;
    let end = || prop_oneof![-9..9i64, select(vec![i64::MIN, i64::MAX])];
    let when = move || {
        prop_oneof![
            Just(When::Always),
            Just(When::Absent),
            Just(When::Present),
            text().prop_map(When::Equal),
            text().prop_map(When::NotEqual),
        ]
    };
    let until = move || {
        prop_oneof![
            Just(Until::Removed),
            Just(Until::Kept),
            ttl().prop_map(Until::In),
            time().prop_map(Until::At)
        ]
    };
    let bit_op = || {
        select(vec![
            BitOp::And,
            BitOp::Or,
            BitOp::Xor,
            BitOp::Not,
            BitOp::Diff,
            BitOp::Diff1,
            BitOp::AndOr,
            BitOp::One,
        ])
    };
    let values = prop_oneof![
        2 => (1..30u64).prop_map(Op::Advance),
        1 => key().prop_map(Op::Push),
        2 => (key(), text()).prop_map(|(k, v)| Op::Insert(k, v)),
        2 => (key(), text(), ttl()).prop_map(|(k, v, t)| Op::InsertEx(k, v, t)),
        2 => (key(), text(), when(), until()).prop_map(|(k, v, w, u)| Op::InsertWith(k, v, w, u)),
        1 => (key(), text()).prop_map(|(k, v)| Op::InsertIfAbsent(k, v)),
        1 => (key(), text(), ttl()).prop_map(|(k, v, t)| Op::InsertIfAbsentEx(k, v, t)),
        1 => (key(), text()).prop_map(|(k, v)| Op::InsertIfPresent(k, v)),
        1 => (key(), text()).prop_map(|(k, v)| Op::Swap(k, v)),
        1 => (key(), text(), when(), until()).prop_map(|(k, v, w, u)| Op::SwapWith(k, v, w, u)),
        1 => pairs().prop_map(Op::InsertMany),
        1 => pairs().prop_map(Op::InsertManyIfAbsent),
        1 => (pairs(), when(), until()).prop_map(|(p, w, u)| Op::InsertManyWith(p, w, u)),
        1 => key().prop_map(Op::Get),
        1 => key().prop_map(Op::GetWithTtl),
        1 => keys().prop_map(Op::GetMany),
        1 => key().prop_map(Op::GetAndRemove),
        1 => (key(), ttl()).prop_map(|(k, t)| Op::GetAndExpire(k, t)),
        1 => (key(), time()).prop_map(|(k, t)| Op::GetAndExpireAt(k, t)),
        1 => key().prop_map(Op::GetAndPersist),
        1 => (key(), text()).prop_map(|(k, v)| Op::RemoveIfEqual(k, v)),
    ];
    let in_place = prop_oneof![
        3 => (key(), number()).prop_map(|(k, n)| Op::IncrBy(k, n)),
        1 => (key(), number()).prop_map(|(k, n)| Op::DecrBy(k, n)),
        1 => key().prop_map(Op::CounterGet),
        1 => (key(), number()).prop_map(|(k, n)| Op::CounterSet(k, n)),
        1 => (key(), number()).prop_map(|(k, n)| Op::CounterSwap(k, n)),
        1 => key().prop_map(Op::CounterReset),
        2 => (key(), text()).prop_map(|(k, v)| Op::Append(k, v)),
        1 => key().prop_map(Op::Len),
        2 => (key(), end(), end()).prop_map(|(k, a, b)| Op::Range(k, a, b)),
        2 => (key(), prop_oneof![0..40usize, Just(usize::MAX)], text())
            .prop_map(|(k, at, v)| Op::SetRange(k, at, v)),
        1 => (key(), 0..400u64).prop_map(|(k, at)| Op::Bit(k, at)),
        2 => (key(), prop_oneof![0..400u64, Just(u64::MAX)], any::<bool>())
            .prop_map(|(k, at, bit)| Op::SetBit(k, at, bit)),
        1 => key().prop_map(Op::Count),
        1 => (key(), any::<bool>()).prop_map(|(k, bit)| Op::First(k, bit)),
        2 => (bit_op(), keys(), key()).prop_map(|(op, from, to)| Op::Combine(op, from, to)),
        2 => (key(), 1..64u8, 0..200u64, any::<i64>()).prop_map(|(k, w, at, n)| Op::Field(k, w, at, n)),
    ];
    prop_oneof![values, in_place]
}

/// What the store should hold: plain maps. `None` is a list, which no operation here is for.
#[derive(Default)]
struct Model {
    now: u64,
    keys: BTreeMap<Key, (Option<Text>, Option<u64>)>,
}

type Answer<T> = Result<T, &'static str>;

impl Model {
    fn text(&self, key: Key) -> Answer<Option<Text>> {
        match self.keys.get(key) {
            None => Ok(None),
            Some((Some(text), _)) => Ok(Some(text.clone())),
            Some((None, _)) => Err(WRONG_TYPE),
        }
    }

    fn bytes(&self, key: Key) -> Answer<Text> {
        Ok(self.text(key)?.unwrap_or_default())
    }

    fn integer(&self, key: Key) -> Answer<i64> {
        let Some(text) = self.text(key)? else { return Ok(0) };
        let text = String::from_utf8(text).map_err(|_| NOT_AN_INTEGER)?;
        text.parse().ok().filter(|n: &i64| n.to_string() == text).ok_or(NOT_AN_INTEGER)
    }

    fn set(&mut self, key: Key, text: Text, until: Until) {
        let old = self.keys.remove(key).and_then(|(_, deadline)| deadline);
        let deadline = match until {
            Until::Removed => None,
            Until::Kept => old,
            Until::In(ttl) => Some(self.now + ttl),
            Until::At(at) => Some(at),
        };
        self.keys.insert(key, (Some(text), deadline));
        self.expire();
    }

    /// Changes a text and keeps its deadline.
    fn put(&mut self, key: Key, text: Text) {
        self.set(key, text, Until::Kept);
    }

    fn expire(&mut self) {
        let now = self.now;
        self.keys.retain(|_, (_, deadline)| deadline.is_none_or(|at| at > now));
    }

    fn holds(&self, key: Key, when: &When) -> Answer<bool> {
        Ok(match when {
            When::Always => true,
            When::Absent => !self.keys.contains_key(key),
            When::Present => self.keys.contains_key(key),
            When::Equal(text) => self.text(key)?.as_ref() == Some(text),
            When::NotEqual(text) => self.text(key)?.as_ref() != Some(text),
        })
    }

    fn set_if(&mut self, key: Key, text: Text, when: &When, until: Until) -> Answer<bool> {
        let holds = self.holds(key, when)?;
        if holds {
            self.set(key, text, until);
        }
        Ok(holds)
    }

    fn set_many(&mut self, pairs: Vec<(Key, Text)>, when: &When, until: Until) -> Answer<bool> {
        for (key, _) in &pairs {
            if !self.holds(key, when)? {
                return Ok(false);
            }
        }
        pairs.into_iter().for_each(|(key, text)| self.set(key, text, until));
        Ok(true)
    }

    fn get_and_expire(&mut self, key: Key, until: Until) -> Answer<Option<Text>> {
        let text = self.text(key)?;
        if let Some(text) = &text {
            self.set(key, text.clone(), until);
        }
        Ok(text)
    }

    fn incr(&mut self, key: Key, by: Option<i64>) -> Answer<i64> {
        let by = by.ok_or(OVERFLOW)?;
        let sum = self.integer(key)?.checked_add(by).ok_or(OVERFLOW)?;
        self.put(key, sum.to_string().into());
        Ok(sum)
    }

    fn bit_op(&mut self, op: BitOp, from: &[Key], to: Key) -> Answer<usize> {
        let few = match (op, from.len()) {
            (_, 0) => Some("ERR wrong number of arguments for 'bitop' command"),
            (BitOp::Not, 2..) => Some("ERR BITOP NOT must be called with a single source key."),
            (BitOp::Diff, 1) => Some("ERR BITOP DIFF must be called with at least two source keys."),
            (BitOp::Diff1, 1) => Some("ERR BITOP DIFF1 must be called with at least two source keys."),
            (BitOp::AndOr, 1) => Some("ERR BITOP ANDOR must be called with at least two source keys."),
            _ => None,
        };
        few.map_or(Ok(()), Err)?;
        let texts: Vec<Text> = from.iter().map(|key| self.bytes(key)).collect::<Answer<_>>()?;
        let len = texts.iter().map(Vec::len).max().unwrap_or(0);
        let result: Text = (0..len)
            .map(|at| {
                let all: Vec<u8> =
                    texts.iter().map(|text| text.get(at).copied().unwrap_or_default()).collect();
                let (x, y) = (all[0], all[1..].iter().fold(0, |acc, y| acc | y));
                let odd = all.iter().fold(0, |acc, y| acc ^ y);
                match op {
                    BitOp::And => all.iter().fold(0xff, |acc, y| acc & y),
                    BitOp::Or => x | y,
                    BitOp::Xor => odd,
                    BitOp::Not => !x,
                    BitOp::Diff => x & !y,
                    BitOp::Diff1 => !x & y,
                    BitOp::AndOr => x & y,
                    _ => (0..8).fold(0, |acc, bit| {
                        let ones = all.iter().filter(|byte| *byte >> bit & 1 == 1).count();
                        acc | u8::from(ones == 1) << bit
                    }),
                }
            })
            .collect();
        self.keys.remove(to);
        if len > 0 {
            self.set(to, result, Until::Removed);
        }
        Ok(len)
    }
}

fn options(when: &When, until: Until) -> InsertOptions {
    let options = match when {
        When::Always => InsertOptions::new(),
        When::Absent => InsertOptions::new().if_absent(),
        When::Present => InsertOptions::new().if_present(),
        When::Equal(text) => InsertOptions::new().if_equal(text),
        When::NotEqual(text) => InsertOptions::new().if_not_equal(text),
    };
    match until {
        Until::Removed => options,
        Until::Kept => options.keep_ttl(),
        Until::In(ttl) => options.expire_in(Duration::from_millis(ttl)),
        Until::At(at) => options.expire_at(wall(at)),
    }
}

/// The wall time at which the manual clock's line stands at `at`.
fn wall(at: u64) -> std::time::SystemTime {
    UNIX_EPOCH + Duration::from_secs(946_684_800) + Duration::from_millis(at)
}

fn same<T: PartialEq + Debug>(got: Result<T>, expected: Answer<T>) -> Result<(), TestCaseError> {
    prop_assert_eq!(got.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    Ok(())
}

#[allow(clippy::too_many_lines)] // one line to each operation
fn run(store: &Store, clock: &larder::ManualClock, model: &mut Model, op: Op) -> Result<(), TestCaseError> {
    let ms = Duration::from_millis;
    match op {
        Op::Advance(by) => {
            clock.advance(ms(by));
            model.now += by;
            model.expire();
            Ok(())
        }
        Op::Push(k) => {
            let pushed = store.list::<String>(k).push_back("x").is_ok();
            prop_assert_eq!(pushed, model.text(k) == Ok(None) || model.text(k).is_err());
            if pushed {
                let deadline = model.keys.get(k).and_then(|(_, deadline)| *deadline);
                model.keys.insert(k, (None, deadline));
            }
            Ok(())
        }
        Op::Insert(k, v) => {
            let got = store.insert(k, &v);
            model.set(k, v, Until::Removed);
            same(got, Ok(()))
        }
        Op::InsertEx(k, v, t) => {
            let got = store.insert_ex(k, &v, ms(t));
            model.set(k, v, Until::In(t));
            same(got, Ok(()))
        }
        Op::InsertWith(k, v, w, u) => {
            same(store.insert_with(k, &v, options(&w, u)), model.set_if(k, v, &w, u))
        }
        Op::InsertIfAbsent(k, v) => {
            same(store.insert_if_absent(k, &v), model.set_if(k, v, &When::Absent, Until::Removed))
        }
        Op::InsertIfAbsentEx(k, v, t) => {
            same(store.insert_if_absent_ex(k, &v, ms(t)), model.set_if(k, v, &When::Absent, Until::In(t)))
        }
        Op::InsertIfPresent(k, v) => {
            same(store.insert_if_present(k, &v), model.set_if(k, v, &When::Present, Until::Removed))
        }
        Op::Swap(k, v) => {
            let old = model.text(k);
            let set = old.is_ok();
            let got = store.swap::<Text>(k, &v);
            if set {
                model.set(k, v, Until::Removed);
            }
            same(got, old)
        }
        Op::SwapWith(k, v, w, u) => {
            let old = model.text(k);
            let got = store.swap_with::<Text>(k, &v, options(&w, u));
            same(got, old.and_then(|old| model.set_if(k, v, &w, u).map(|_| old)))
        }
        Op::InsertMany(pairs) => same(
            store.insert_many(pairs.clone()),
            model.set_many(pairs, &When::Always, Until::Removed).map(|_| ()),
        ),
        Op::InsertManyIfAbsent(pairs) => same(
            store.insert_many_if_absent(pairs.clone()),
            model.set_many(pairs, &When::Absent, Until::Removed),
        ),
        Op::InsertManyWith(pairs, w, u) => {
            same(store.insert_many_with(pairs.clone(), options(&w, u)), model.set_many(pairs, &w, u))
        }
        Op::Get(k) => {
            same(store.get_with(k, <[u8]>::len), model.text(k).map(|text| text.map(|text| text.len())))?;
            same(store.get::<Text>(k), model.text(k))
        }
        Op::GetWithTtl(k) => {
            let deadline = model.keys.get(k).and_then(|(_, deadline)| *deadline);
            let ttl = deadline.map_or(Ttl::Forever, |at| Ttl::Left(ms(at - model.now)));
            same(store.get_with_ttl::<Text>(k), model.text(k).map(|text| text.map(|text| (text, ttl))))
        }
        Op::GetMany(keys) => {
            let expected = keys.iter().map(|k| model.text(k).unwrap_or(None)).collect();
            same(store.get_many::<Text>(keys), Ok(expected))
        }
        Op::GetAndRemove(k) => {
            let old = model.text(k);
            if old.is_ok() {
                model.keys.remove(k);
            }
            same(store.get_and_remove::<Text>(k), old)
        }
        Op::GetAndExpire(k, t) => {
            same(store.get_and_expire::<Text>(k, ms(t)), model.get_and_expire(k, Until::In(t)))
        }
        Op::GetAndExpireAt(k, t) => {
            same(store.get_and_expire_at::<Text>(k, wall(t)), model.get_and_expire(k, Until::At(t)))
        }
        Op::GetAndPersist(k) => {
            same(store.get_and_persist::<Text>(k), model.get_and_expire(k, Until::Removed))
        }
        Op::RemoveIfEqual(k, v) => {
            let equal = model.holds(k, &When::Equal(v.clone()));
            if equal == Ok(true) {
                model.keys.remove(k);
            }
            same(store.remove_if_equal(k, &v), equal)
        }
        Op::IncrBy(k, 1) => same(store.counter(k).incr(), model.incr(k, Some(1))),
        Op::IncrBy(k, -1) => same(store.counter(k).decr(), model.incr(k, Some(-1))),
        Op::IncrBy(k, n) => same(store.counter(k).incr_by(n), model.incr(k, Some(n))),
        Op::DecrBy(k, n) => same(store.counter(k).decr_by(n), model.incr(k, n.checked_neg())),
        Op::CounterGet(k) => same(store.counter(k).get(), model.integer(k)),
        Op::CounterSet(k, n) => {
            model.set(k, n.to_string().into(), Until::Removed);
            same(store.counter(k).set(n), Ok(()))
        }
        Op::CounterSwap(k, n) => {
            let old = model.integer(k);
            if old.is_ok() {
                model.set(k, n.to_string().into(), Until::Removed);
            }
            same(store.counter(k).swap(n), old)
        }
        Op::CounterReset(k) => {
            let old = model.integer(k);
            if old.is_ok() {
                model.keys.remove(k);
            }
            same(store.counter(k).reset(), old)
        }
        Op::Append(k, v) => {
            let expected = model.bytes(k).map(|mut text| {
                text.extend(&v);
                model.put(k, text.clone());
                text.len()
            });
            same(store.string(k).append(v), expected)
        }
        Op::Len(k) => same(store.string(k).len(), model.bytes(k).map(|text| text.len())),
        Op::Range(k, start, stop) => {
            let expected = model.bytes(k).map(|text| {
                let len = text.len() as i128;
                let place = |end: i64| {
                    (i128::from(end) + if end < 0 { len } else { 0 }).clamp(0, len.max(1)) as usize
                };
                let (first, last) = (place(start), place(stop).min(text.len().saturating_sub(1)));
                let none = (start < 0 && stop < 0 && start > stop) || first > last || len == 0;
                if none { Bytes::new() } else { Bytes::from(&text[first..=last]) }
            });
            same(store.string(k).range(start, stop), expected)
        }
        Op::SetRange(k, at, v) => {
            let expected = model.bytes(k).and_then(|mut text| {
                if v.is_empty() {
                    return Ok(text.len());
                }
                if at == usize::MAX {
                    return Err("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
                }
                text.resize(text.len().max(at + v.len()), 0);
                text[at..at + v.len()].copy_from_slice(&v);
                model.put(k, text.clone());
                Ok(text.len())
            });
            let got = store.string(k).set_range(at, v);
            // Where both are wrong, either may be said.
            if at == usize::MAX && got.is_err() && expected.is_err() {
                return Ok(());
            }
            same(got, expected)
        }
        Op::Bit(k, at) => same(store.bitmap(k).get(at), model.bytes(k).map(|text| bit(&text, at))),
        Op::SetBit(k, u64::MAX, to) => {
            let got = store.bitmap(k).set(u64::MAX, to);
            prop_assert!(matches!(got, Err(Error::BitOffset)));
            Ok(())
        }
        Op::SetBit(k, at, to) => {
            let expected = model.bytes(k).map(|mut text| {
                let old = bit(&text, at);
                let byte = at as usize / 8;
                text.resize(text.len().max(byte + 1), 0);
                let mask = 0x80 >> (at % 8);
                text[byte] = if to { text[byte] | mask } else { text[byte] & !mask };
                model.put(k, text);
                old
            });
            same(store.bitmap(k).set(at, to), expected)
        }
        Op::Count(k) => {
            let ones =
                model.bytes(k).map(|text| text.iter().map(|byte| u64::from(byte.count_ones())).sum::<u64>());
            same(store.bitmap(k).count(), ones)?;
            same(store.bitmap(k).count_in(0, -1, BitUnit::Bit), ones)
        }
        Op::First(k, to) => {
            let expected = model.text(k).map(|text| {
                let Some(text) = text else { return (!to).then_some(0) };
                let bits = text.len() as u64 * 8;
                let behind = (!to && bits > 0).then_some(bits);
                (0..bits).find(|at| bit(&text, *at) == to).or(behind)
            });
            same(store.bitmap(k).first(to), expected)?;
            same(store.bitmap(k).first_from(to, 0), expected)
        }
        Op::Combine(op, from, to) => {
            let expected = model.bit_op(op, &from, to);
            same(store.bit_op(op, to, from), expected)
        }
        Op::Field(k, width, at, n) => {
            let int = BitInt::unsigned(width).unwrap();
            let expected = model.bytes(k).map(|mut text| {
                let bits = at..at + u64::from(width);
                let old = bits.clone().fold(0, |acc, at| acc << 1 | i64::from(bit(&text, at)));
                text.resize(text.len().max(bits.end.div_ceil(8) as usize), 0);
                let mask = ((1_u64 << width) - 1) as i64;
                let new = old.wrapping_add(n) & mask;
                for (n, at) in bits.rev().enumerate() {
                    let mask = 0x80 >> (at % 8);
                    let byte = &mut text[at as usize / 8];
                    *byte = if new >> n & 1 == 1 { *byte | mask } else { *byte & !mask };
                }
                model.put(k, text);
                vec![Some(old), Some(new), None, Some(new)]
            });
            let wide = BitInt::signed(1).unwrap();
            let steps = store.bitmap(k).fields().get(int, at).incr(int, at, n).overflow(Overflow::Fail);
            same(steps.incr(wide, at, 2).get(int, at).run(), expected)
        }
    }
}

fn bit(text: &[u8], at: u64) -> bool {
    text.get(at as usize / 8).is_some_and(|byte| byte << (at % 8) & 0x80 != 0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn strings_are_as_plain_maps_have_them(ops in vec(op(), 0..60)) {
        let (clock, store) = manual_store();
        let mut model = Model::default();
        for op in ops {
            let shown = format!("{op:?}");
            run(&store, &clock, &mut model, op).map_err(|error| TestCaseError::fail(format!("{shown}: {error}")))?;
        }
        for key in ["a", "b", "c"] {
            same(store.get::<Text>(key), model.text(key))?;
            let ttl = match model.keys.get(key) {
                None => Ttl::Missing,
                Some((_, None)) => Ttl::Forever,
                Some((_, Some(at))) => Ttl::Left(Duration::from_millis(at - model.now)),
            };
            prop_assert_eq!(store.ttl(key)?, ttl);
        }
    }
}
