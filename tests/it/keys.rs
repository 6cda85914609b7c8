//! Keys, whatever they hold, and databases as a whole.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use larder::{
    Bytes, CopyOptions, Error, ExpireIf, ExpiresAt, KeyEvents, ManualClock, Result, Store, Sweeping, Ttl,
    Type,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::manual_store;

type Key = &'static str;

const KEYS: [Key; 4] = ["a", "b", "ab", "c*"];

#[derive(Debug, Clone, Copy)]
enum When {
    In(u64),
    At(u64),
}

#[derive(Debug, Clone)]
enum Op {
    Advance(u64),
    Insert(Key, u32),
    InsertEx(Key, u32, u64),
    Push(Key, u32),
    Contains(Vec<Key>),
    TypeOf(Key),
    Remove(Key),
    RemoveMany(Vec<Key>),
    Rename(Key, Key),
    RenameIfAbsent(Key, Key),
    Copy { from: Key, to: Key, db: Option<u16>, replaces: bool },
    MoveToDb(Key, u16),
    Expire(Key, When, ExpireIf),
    Ttl(Key),
    Persist(Key),
    Names(&'static str, Option<Type>),
    Random,
    Len,
    Clear,
    ClearAll,
    Swap(u16, u16),
    Sweep,
}

fn op() -> impl Strategy<Value = Op> {
    let key = || select(KEYS.to_vec());
    let keys = || vec(key(), 0..4);
    let value = || 0..9u32;
    let when = prop_oneof![(0..40u64).prop_map(When::In), (0..90u64).prop_map(When::At)];
    let condition = select(vec![
        ExpireIf::Always,
        ExpireIf::Forever,
        ExpireIf::Expiring,
        ExpireIf::Later,
        ExpireIf::Earlier,
    ]);
    let db = || 0..4u16;
    let patterns = vec!["*", "a*", "?", "[^a]*", "ab", "c\\*", "none"];
    let kinds = vec![None, Some(Type::String), Some(Type::List), Some(Type::Set)];
    prop_oneof![
        3 => (1..30u64).prop_map(Op::Advance),
        4 => (key(), value()).prop_map(|(k, v)| Op::Insert(k, v)),
        4 => (key(), value(), 1..40u64).prop_map(|(k, v, t)| Op::InsertEx(k, v, t)),
        3 => (key(), value()).prop_map(|(k, v)| Op::Push(k, v)),
        1 => keys().prop_map(Op::Contains),
        1 => key().prop_map(Op::TypeOf),
        1 => key().prop_map(Op::Remove),
        1 => keys().prop_map(Op::RemoveMany),
        3 => (key(), key()).prop_map(|(a, b)| Op::Rename(a, b)),
        2 => (key(), key()).prop_map(|(a, b)| Op::RenameIfAbsent(a, b)),
        4 => (key(), key(), prop::option::of(db()), any::<bool>())
            .prop_map(|(from, to, db, replaces)| Op::Copy { from, to, db, replaces }),
        3 => (key(), db()).prop_map(|(k, db)| Op::MoveToDb(k, db)),
        4 => (key(), when, condition).prop_map(|(k, w, c)| Op::Expire(k, w, c)),
        2 => key().prop_map(Op::Ttl),
        1 => key().prop_map(Op::Persist),
        2 => (select(patterns), select(kinds)).prop_map(|(p, k)| Op::Names(p, k)),
        1 => Just(Op::Random),
        3 => Just(Op::Len),
        1 => Just(Op::Clear),
        1 => Just(Op::ClearAll),
        2 => (db(), db()).prop_map(|(a, b)| Op::Swap(a, b)),
        1 => Just(Op::Sweep),
    ]
}

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Number(u32),
    List(Vec<u32>),
}

/// Three databases as plain maps; the operations run on the second.
#[derive(Default)]
struct Model {
    now: u64,
    dbs: [BTreeMap<Key, (Value, Option<u64>)>; 3],
}

const HOME: u16 = 1;

type Answer<T> = Result<T, &'static str>;

impl Model {
    fn home(&mut self) -> &mut BTreeMap<Key, (Value, Option<u64>)> {
        &mut self.dbs[usize::from(HOME)]
    }

    fn expire(&mut self) {
        let now = self.now;
        self.dbs.iter_mut().for_each(|db| db.retain(|_, (_, deadline)| deadline.is_none_or(|at| at > now)));
    }

    fn rename(&mut self, from: Key, to: Key, replaces: bool) -> Answer<bool> {
        if !self.home().contains_key(from) {
            return Err("ERR no such key");
        }
        if from == to || (!replaces && self.home().contains_key(to)) {
            return Ok(replaces);
        }
        if let Some(entry) = self.home().remove(from) {
            self.home().insert(to, entry);
        }
        Ok(true)
    }

    fn copy(&mut self, from: Key, to: Key, db: u16, replaces: bool) -> Answer<bool> {
        if from == to && db == HOME {
            return Err("ERR source and destination objects are the same");
        }
        let Some(entry) = self.home().get(from).cloned() else { return Ok(false) };
        let there = &mut self.dbs[usize::from(db)];
        let copies = replaces || !there.contains_key(to);
        if copies {
            there.insert(to, entry);
        }
        Ok(copies)
    }
}

fn wall(at: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(946_684_800) + Duration::from_millis(at)
}

fn same<T: PartialEq + Debug>(got: Result<T>, expected: Answer<T>) -> Result<(), TestCaseError> {
    prop_assert_eq!(got.map_err(|error| error.to_string()), expected.map_err(str::to_owned));
    Ok(())
}

#[allow(clippy::too_many_lines)] // one line to each operation
fn run(store: &Store, clock: &ManualClock, model: &mut Model, op: Op) -> Result<(), TestCaseError> {
    let ms = Duration::from_millis;
    match op {
        Op::Advance(by) => {
            clock.advance(ms(by));
            model.now += by;
            model.expire();
            Ok(())
        }
        Op::Insert(k, v) => {
            model.home().insert(k, (Value::Number(v), None));
            same(store.insert(k, v), Ok(()))
        }
        Op::InsertEx(k, v, t) => {
            let deadline = Some(model.now + t);
            model.home().insert(k, (Value::Number(v), deadline));
            same(store.insert_ex(k, v, ms(t)), Ok(()))
        }
        Op::Push(k, v) => {
            let entry = model.home().entry(k).or_insert((Value::List(Vec::new()), None));
            let expected = match &mut entry.0 {
                Value::Number(_) => Err("WRONGTYPE Operation against a key holding the wrong kind of value"),
                Value::List(list) => {
                    list.push(v);
                    Ok(list.len())
                }
            };
            same(store.list::<u32>(k).push_back(v), expected)
        }
        Op::Contains(keys) => {
            let expected = keys.iter().filter(|k| model.home().contains_key(*k)).count();
            let each = store.contains_many(keys.clone());
            same(each.map(|each| each.into_iter().filter(|there| *there).count()), Ok(expected))?;
            same(store.touch(keys.clone()), Ok(expected))?;
            let first = keys.first().copied().unwrap_or("a");
            same(store.contains(first), Ok(model.home().contains_key(first)))
        }
        Op::TypeOf(k) => {
            let expected = model.home().get(k).map(|(value, _)| kind(value));
            same(store.type_of(k), Ok(expected))
        }
        Op::Remove(k) => same(store.remove(k), Ok(model.home().remove(k).is_some())),
        Op::RemoveMany(keys) => {
            let expected = keys.iter().filter(|k| model.home().remove(*k).is_some()).count();
            same(store.remove_many(keys), Ok(expected))
        }
        Op::Rename(a, b) => same(store.rename(a, b), model.rename(a, b, true).map(|_| ())),
        Op::RenameIfAbsent(a, b) => same(store.rename_if_absent(a, b), model.rename(a, b, false)),
        Op::Copy { from, to, db: None, replaces: false } => {
            same(store.copy(from, to), model.copy(from, to, HOME, false))
        }
        Op::Copy { from, to, db, replaces } => {
            let mut options = db.map_or(CopyOptions::new(), |db| CopyOptions::new().to_db(db));
            if replaces {
                options = options.replace();
            }
            let expected = match db {
                Some(3) => Err("ERR DB index is out of range"),
                db => model.copy(from, to, db.unwrap_or(HOME), replaces),
            };
            same(store.copy_with(from, to, options), expected)
        }
        Op::MoveToDb(k, db) => {
            let expected = match db {
                3 => Err("ERR DB index is out of range"),
                HOME => Err("ERR source and destination objects are the same"),
                db => {
                    let moves = model.copy(k, k, db, false);
                    if moves == Ok(true) {
                        model.home().remove(k);
                    }
                    moves
                }
            };
            same(store.move_to_db(k, db), expected)
        }
        Op::Expire(k, when, condition) => {
            let at = match when {
                When::In(ttl) => model.now + ttl,
                When::At(at) => at,
            };
            // A time that has passed is earlier than any.
            let new = if at <= model.now { 0 } else { at };
            let old = model.home().get(k).map(|(_, deadline)| deadline.unwrap_or(u64::MAX));
            let applies = old.is_some_and(|old| match condition {
                ExpireIf::Always => true,
                ExpireIf::Forever => old == u64::MAX,
                ExpireIf::Expiring => old != u64::MAX,
                ExpireIf::Later => new > old,
                _ => new < old,
            });
            if applies {
                model.home().entry(k).and_modify(|(_, deadline)| *deadline = Some(new));
                model.expire();
            }
            let got = match (when, condition) {
                (When::In(ttl), ExpireIf::Always) => store.expire(k, ms(ttl)),
                (When::In(ttl), condition) => store.expire_if(k, ms(ttl), condition),
                (When::At(at), ExpireIf::Always) => store.expire_at(k, wall(at)),
                (When::At(at), condition) => store.expire_at_if(k, wall(at), condition),
            };
            same(got, Ok(applies))
        }
        Op::Ttl(k) => {
            let now = model.now;
            let (ttl, at) = match model.home().get(k) {
                None => (Ttl::Missing, ExpiresAt::Missing),
                Some((_, None)) => (Ttl::Forever, ExpiresAt::Never),
                Some((_, Some(at))) => (Ttl::Left(ms(at - now)), ExpiresAt::At(wall(*at))),
            };
            same(store.ttl(k), Ok(ttl))?;
            same(store.expires_at(k), Ok(at))
        }
        Op::Persist(k) => {
            let had = model.home().get_mut(k).and_then(|(_, deadline)| deadline.take()).is_some();
            same(store.persist(k), Ok(had))
        }
        Op::Names(pattern, of) => {
            let meant = |name: &Key| match pattern {
                "*" => true,
                "a*" => name.starts_with('a'),
                "?" => name.len() == 1,
                "[^a]*" => !name.starts_with('a'),
                "c\\*" => *name == "c*",
                literal => *name == literal,
            };
            let names: Vec<Key> = model.home().keys().copied().filter(meant).collect();
            same(store.keys(pattern), Ok(names.iter().map(|name| Bytes::from(*name)).collect()))?;
            let scan = store.scan().matching(pattern);
            let scan = match of {
                None => scan,
                Some(of) => scan.of_type(of),
            };
            let mut found =
                scan.collect::<Result<Vec<_>>>().map_err(|e| TestCaseError::fail(e.to_string()))?;
            found.sort();
            let of_type =
                |name: &&Key| of.is_none_or(|of| kind(&model.dbs[usize::from(HOME)][**name].0) == of);
            let expected: Vec<Key> = names.iter().filter(of_type).copied().collect();
            prop_assert_eq!(found, expected.into_iter().map(Bytes::from).collect::<Vec<_>>());
            Ok(())
        }
        Op::Random => {
            let drawn = store.random_key().map_err(|e| TestCaseError::fail(e.to_string()))?;
            let drawn = drawn.map(|name| String::from_utf8_lossy(&name).into_owned());
            let home = model.home();
            prop_assert!(drawn.map_or(home.is_empty(), |name| home.contains_key(&*name)));
            Ok(())
        }
        Op::Len => {
            same(store.len(), Ok(model.home().len()))?;
            same(store.is_empty(), Ok(model.home().is_empty()))
        }
        Op::Clear => {
            model.home().clear();
            same(store.clear(), Ok(()))
        }
        Op::ClearAll => {
            model.dbs.iter_mut().for_each(BTreeMap::clear);
            same(store.clear_all(), Ok(()))
        }
        Op::Swap(a, b) if a.max(b) == 3 => {
            same(store.swap_databases(a, b), Err("ERR DB index is out of range"))
        }
        Op::Swap(a, b) => {
            model.dbs.swap(a.into(), b.into());
            same(store.swap_databases(a, b), Ok(()))
        }
        Op::Sweep => {
            prop_assert!(store.sweep().is_ok());
            Ok(())
        }
    }
}

fn kind(value: &Value) -> Type {
    match value {
        Value::Number(_) => Type::String,
        Value::List(_) => Type::List,
    }
}

/// A store of three databases, of which the tests use the one in the middle.
fn three_databases() -> (ManualClock, Store) {
    let clock = ManualClock::new();
    let store =
        Store::builder().clock(&clock).sweeping(Sweeping::ByHand).shards(4).databases(3).seed(7).build();
    (clock, store.db(HOME).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn keys_are_as_plain_maps_have_them(ops in vec(op(), 0..60)) {
        let (clock, store) = three_databases();
        let mut model = Model::default();
        for op in ops {
            let shown = format!("{op:?}");
            run(&store, &clock, &mut model, op).map_err(|error| TestCaseError::fail(format!("{shown}: {error}")))?;
        }
        for (index, db) in (0..).zip(&model.dbs) {
            let store = store.db(index)?;
            prop_assert_eq!(store.len()?, db.len());
            for key in KEYS {
                let ttl = match db.get(key) {
                    None => Ttl::Missing,
                    Some((_, None)) => Ttl::Forever,
                    Some((_, Some(at))) => Ttl::Left(Duration::from_millis(at - model.now)),
                };
                prop_assert_eq!(store.ttl(key)?, ttl);
                match db.get(key) {
                    None => {}
                    Some((Value::Number(number), _)) => prop_assert_eq!(store.get::<u32>(key)?, Some(*number)),
                    Some((Value::List(list), _)) => {
                        prop_assert_eq!(&store.list::<u32>(key).to_vec()?, list);
                    }
                }
            }
        }
    }
}

#[test]
fn what_has_expired_is_not_counted_to_the_millisecond() {
    let (clock, store) = manual_store();
    for ttl in 1..=1_000_u64 {
        store.insert_ex(ttl, "x", Duration::from_millis(ttl)).unwrap();
    }
    for expired in 1..=1_000 {
        clock.advance(Duration::from_millis(1));
        assert_eq!(store.len().unwrap(), 1_000 - expired);
        assert_eq!(store.random_key().unwrap().is_none(), expired == 1_000);
    }
}

#[test]
fn a_random_key_is_any_of_those_alive() {
    let (clock, store) = manual_store();
    for key in 0..200 {
        store.insert_ex(key, "x", Duration::from_millis(10)).unwrap();
    }
    for key in ["a", "b", "c", "d"] {
        store.insert(key, "x").unwrap();
    }
    clock.advance(Duration::from_millis(10));
    let mut drawn = BTreeMap::<Bytes, usize>::new();
    for _ in 0..4_000 {
        *drawn.entry(store.random_key().unwrap().unwrap()).or_default() += 1;
    }
    assert_eq!(drawn.len(), 4);
    assert!(drawn.values().all(|count| (850..1_150).contains(count)), "{drawn:?}");
}

#[test]
fn a_scan_meets_every_key_that_stays() {
    let (_, store) = manual_store();
    for key in 0..2_000 {
        store.insert(key, "x").unwrap();
    }
    let mut seen = std::collections::BTreeSet::new();
    for (at, name) in (0..).zip(store.scan()) {
        seen.insert(name.unwrap());
        // Odd keys go and new ones come while the scan is on its way.
        store.remove(2 * at + 1).unwrap();
        store.insert(format!("new:{at}"), "x").unwrap();
    }
    for key in (0..2_000).step_by(2) {
        assert!(seen.contains(key.to_string().as_bytes()), "{key}");
    }
}

#[test]
fn changes_of_names_are_told() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).key_events(KeyEvents::On).seed(1).build();
    store.insert("a", 1).unwrap();
    let events = store.psubscribe(["__keyevent*"]);
    store.rename("a", "b").unwrap();
    store.rename("b", "b").unwrap();
    store.copy("b", "c").unwrap();
    store.move_to_db("c", 2).unwrap();
    store.expire_at("b", UNIX_EPOCH).unwrap();
    let told: Vec<String> = std::iter::from_fn(|| events.try_recv())
        .map(|event| format!("{} {}", event.channel_str().unwrap(), event.payload_str().unwrap()))
        .collect();
    let expected = [
        "__keyevent@0__:rename_from a",
        "__keyevent@0__:rename_to b",
        "__keyevent@0__:copy_to c",
        "__keyevent@0__:move_from c",
        "__keyevent@2__:move_to c",
        "__keyevent@0__:del b",
    ];
    assert_eq!(told, expected);
}

#[test]
fn who_watches_is_told() {
    let (_, store) = manual_store();
    let other = store.db(1).unwrap();
    let watches = |store: &Store, change: &dyn Fn()| {
        let keys = ["a", "b", "x"].map(|key| store.watch([key]).unwrap());
        change();
        keys.map(|watch| watch.has_changed())
    };
    store.insert("a", 1).unwrap();
    assert_eq!(watches(&store, &|| store.rename("a", "b").unwrap()), [true, true, false]);
    assert_eq!(watches(&store, &|| assert!(store.copy("b", "a").unwrap())), [true, false, false]);
    assert_eq!(watches(&other, &|| assert!(store.move_to_db("a", 1).unwrap())), [true, false, false]);
    // Now `b` is in the one database and `a` in the other.
    assert_eq!(watches(&store, &|| store.swap_databases(0, 1).unwrap()), [true, true, false]);
    assert_eq!(watches(&store, &|| store.clear_all().unwrap()), [true, false, false]);
}

#[test]
fn who_waits_is_served_by_a_name_as_by_a_push() {
    let (clock, store) = manual_store();
    let jobs = store.list::<String>("jobs");
    let draft = store.list::<String>("draft");
    let pushes: [&dyn Fn(); 4] = [
        &|| store.rename("draft", "jobs").unwrap(),
        &|| assert!(store.copy("draft", "jobs").unwrap()),
        &|| {
            assert!(store.copy_with("draft", "jobs", CopyOptions::new().to_db(1)).unwrap());
            assert!(store.db(1).unwrap().move_to_db("jobs", 0).unwrap());
        },
        &|| {
            assert!(store.copy_with("draft", "jobs", CopyOptions::new().to_db(1)).unwrap());
            store.swap_databases(0, 1).unwrap();
        },
    ];
    for push in pushes {
        store.clear_all().unwrap();
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| jobs.pop_front_wait(Duration::from_secs(1)));
            while store.waiting().unwrap() == 0 {
                std::thread::yield_now();
            }
            draft.push_back("resize").unwrap();
            push();
            // Who was not served by now gives up.
            clock.advance(Duration::from_secs(1));
            assert_eq!(waiter.join().unwrap().unwrap().as_deref(), Some("resize"));
        });
        assert!(!store.contains("jobs").unwrap());
    }
}

#[test]
fn a_transaction_takes_names_and_databases_back() {
    let (_, store) = manual_store();
    store.insert("a", 1).unwrap();
    store.insert("b", 2).unwrap();
    store.db(1).unwrap().insert("b", 3).unwrap();
    let failed = store.transaction(["a", "b", "c"], |tx| {
        tx.rename("a", "c")?;
        assert!(tx.copy_with("c", "b", CopyOptions::new().to_db(1).replace())?);
        assert!(tx.move_to_db("c", 2)?);
        tx.rename("b", "a")?;
        Err::<(), _>(Error::Invalid("no"))
    });
    assert!(failed.is_err());
    assert_eq!(store.get_many::<u32>(["a", "b", "c"]).unwrap(), [Some(1), Some(2), None]);
    assert_eq!(store.db(1).unwrap().get::<u32>("b").unwrap(), Some(3));
    assert!(store.db(2).unwrap().is_empty().unwrap());

    let undeclared = store.transaction(["a"], |tx| tx.rename("a", "z"));
    assert!(matches!(undeclared, Err(Error::Undeclared(_))));
    let inside = store.transaction(["a"], |_| store.len().map(drop));
    assert!(matches!(inside, Err(Error::InTransaction)));
}

#[test]
fn a_copy_is_a_copy() {
    let (_, store) = manual_store();
    let (list, copy) = (store.list::<u32>("list"), store.list::<u32>("copy"));
    (0..1_000).for_each(|at| drop(list.push_back(at)));
    assert!(store.copy("list", "copy").unwrap());
    list.pop_front().unwrap();
    copy.push_back(7).unwrap();
    assert_eq!((list.len().unwrap(), copy.len().unwrap()), (999, 1_001));
    assert_eq!(list.to_vec().unwrap(), copy.range(1, 999).unwrap());
}

#[test]
fn times_out_of_range_are_refused() {
    let (_, store) = manual_store();
    store.insert("k", "v").unwrap();
    let error = store.expire("k", Duration::MAX).unwrap_err();
    assert_eq!(error.to_string(), "ERR invalid expire time in 'pexpire' command");
    let Some(far) = UNIX_EPOCH.checked_add(Duration::from_secs(i64::MAX as u64 / 2)) else { return };
    let error = store.expire_at("k", far).unwrap_err();
    assert_eq!(error.to_string(), "ERR invalid expire time in 'pexpireat' command");
    assert_eq!(store.ttl("k").unwrap(), Ttl::Forever);
}
