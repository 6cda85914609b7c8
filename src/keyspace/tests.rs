//! The bytes that a store accounts for beside a walk that counts them anew, whatever was done to it.

use std::mem;
use std::time::Duration;

use proptest::prelude::*;

use super::{Keyspace, weigh};
use crate::{
    BitInt, BitUnit, Bytes, Checkpoint, End, Error, Eviction, ExpireIf, GroupStart, ManualClock, References,
    Result, Store, StreamTrim, Sweeping, Weighed,
};

/// What is done to a key: which operation, how large, how often.
#[derive(Debug, Clone)]
struct Step {
    what: u8,
    key: u8,
    other: u8,
    len: usize,
    count: usize,
}

fn step() -> impl Strategy<Value = Step> {
    // Few lengths, so that what is taken out often is what was put in.
    let len = prop_oneof![6 => prop::sample::select(vec![0_usize, 1, 12, 30, 130]), 1 => 150_usize..1_000];
    let count = prop_oneof![3 => 0_usize..4, 1 => 4_usize..60];
    (0_u8..77, any::<u8>(), any::<u8>(), len, count).prop_map(|(what, key, other, len, count)| Step {
        what,
        key,
        other,
        len,
        count,
    })
}

/// Names of all lengths: inline, on the heap, beside the records. Those of one family are most often given to
/// the operations of one type.
fn name(family: u8, key: u8) -> Vec<u8> {
    let key = if key > 240 { key % 20 } else { 4 * family + key % 4 };
    vec![b'a' + key; [1, 9, 40, 126, 127, 300][usize::from(key) % 6]]
}

fn family(Step { what, key, .. }: &Step) -> u8 {
    match what {
        0..3 | 8..16 | 19 => 0,
        20..31 => 1,
        31..39 => 2,
        39..48 => 3,
        48..56 => 4,
        62..74 => 5,
        _ => key / 4 % 6,
    }
}

fn element(len: usize, at: usize) -> String {
    format!("{at}:{}", "x".repeat(len))
}

/// What shared the store's insides for a while: each write to them copies a part first.
#[derive(Default)]
struct Clones(Vec<Box<dyn std::any::Any>>);

impl Clones {
    fn keep(&mut self, clone: impl std::any::Any) {
        self.0.push(Box::new(clone));
        if self.0.len() > 3 {
            self.0.remove(0);
        }
    }
}

/// Carries a step out on a database, or in a transaction.
fn run(db: &crate::Database, step: &Step, clones: &mut Clones) -> Result<()> {
    let Step { what, len, count, .. } = *step;
    let (key, other) = (name(family(step), step.key), name(family(step), step.other));
    let elements = || (0..count).map(|at| element(len, at));
    let ttl = Duration::from_millis(1 + 7 * count as u64);
    let list = db.list::<String>(&key[..]);
    let set = db.set::<String>(&key[..]);
    let hash = db.hash::<String, String>(&key[..]);
    let board = db.sorted_set::<String>(&key[..]);
    let stream = db.stream::<String, String>(&key[..]);
    let group = stream.group(element(len % 40, count % 3));
    let consumer = group.consumer(element(len % 40, count % 5));
    let all = || stream.range(.., usize::MAX).map(|all| all.into_iter().map(|entry| entry.id));
    match what {
        0 => db.insert(&key[..], element(len, 0)),
        1 => db.insert_ex(&key[..], element(len, 0), ttl),
        2 => db.insert_many(elements().map(|name| (name, "value"))),
        3 | 4 => db.remove(&key[..]).map(drop),
        5 => db.expire(&key[..], ttl).map(drop),
        6 => db.expire_if(&key[..], ttl, ExpireIf::Later).map(drop),
        7 => db.persist(&key[..]).map(drop),
        8 | 9 => db.string(&key[..]).append("y".repeat(len)).map(drop),
        10 => db.string(&key[..]).set_range(2 * len, "z".repeat(count)).map(drop),
        11 => db.bitmap(&key[..]).set(8 * len as u64, true).map(drop),
        12 => db.bitmap(&key[..]).fields().set(BitInt::unsigned(8).unwrap(), len as u64, 7).run().map(drop),
        13 => db.bitmap(&key[..]).count_in(0, -1, BitUnit::Byte).map(drop),
        14 => db.counter(&key[..]).incr_by(len as i64).map(drop),
        15 => db.counter(&key[..]).incr_by_float(0.5).map(drop),
        16 => db.rename(&key[..], &other[..]).map(drop),
        17 => db.copy(&key[..], &other[..]).map(drop),
        18 => db.move_to_db(&key[..], 1).map(drop),
        19 => db.get::<Bytes>(&key[..]).map(|bytes| clones.keep(bytes)),
        20 | 21 => list.extend_back(elements()).map(drop),
        22 => list.extend_front(elements()).map(drop),
        23 => list.pop_front_many(count).map(drop),
        24 => list.pop_back_many(count).map(drop),
        25 => list.set(count as i64, element(len, 0)),
        26 => list.insert_after(element(len, count), element(len, 1)).map(drop),
        27 => list.trim(count as i64, -1 - len as i64),
        28 => list.remove_all(element(len, 0)).map(drop),
        29 => list.move_to(&other[..], End::Front, End::Back).map(drop),
        30 => list.iter().map(|iter| clones.keep(iter)),
        31 | 32 => set.insert_many(elements()).map(drop),
        33 => db.set::<usize>(&key[..]).insert_many(len..len + count).map(drop),
        34 => set.remove_many(elements()).map(drop),
        35 => set.pop_many(count).map(drop),
        36 => set.move_to(&other[..], element(len, 0)).map(drop),
        37 => set.union_into(&other[..], [&key[..]]).map(drop),
        38 => set.iter().map(|iter| clones.keep(iter)),
        39 | 40 => hash.insert_many(elements().map(|field| (field.clone(), field))).map(drop),
        41 => hash.insert_ex(element(len, count), "value", ttl).map(drop),
        42 => hash.expire_fields(elements(), ttl).map(drop),
        43 => hash.persist_fields(elements()).map(drop),
        44 => hash.remove_many(elements()).map(drop),
        45 => hash.insert(element(3, count), "w".repeat(len)).map(drop),
        46 => hash.incr_by("number", 1 + len as i64).map(drop),
        47 => hash.iter().map(|iter| clones.keep(iter)),
        48 | 49 => board.insert_many(elements().map(|member| (member, len as f64))).map(drop),
        50 => board.incr_by(element(len, count), 1.5).map(drop),
        51 => board.remove_many(elements()).map(drop),
        52 => board.pop_first_many(count).map(drop),
        53 => board.remove_range(0, count as i64).map(drop),
        54 => board.range_into(&other[..], 0, -1).map(drop),
        55 => board.iter().map(|iter| clones.keep(iter)),
        62 | 63 => elements().try_for_each(|text| stream.add([("field", &text), ("other", &text)]).map(drop)),
        64 => stream.add([(element(len, count), "value")]).map(drop),
        65 => stream.remove_many(all()?.skip(count % 4).step_by(2).take(count)).map(drop),
        66 => stream.trim(StreamTrim::to_len(count as u64).references(References::Remove)).map(drop),
        67 => stream.trim(StreamTrim::to_len(len as u64).roughly()).map(drop),
        68 => group.create(GroupStart::First).map(drop),
        69 => consumer.read(count).map(drop),
        70 => group.ack(all()?.skip(count % 4).take(count)).map(drop),
        71 => consumer.claim(all()?.step_by(2).take(count), Duration::ZERO).map(drop),
        72 => consumer.remove().map(drop),
        73 if count > 2 => group.destroy().map(drop),
        73 => db.copy(&key[..], &other[..]).map(drop),
        _ => hash.insert_ex("field", "value", ttl).map(drop),
    }
}

/// The operations on all of a store, and the others in a transaction now and then. A fork takes the store's place.
fn run_on_store(
    store: &mut Store,
    marks: &mut Vec<Checkpoint>,
    clock: &ManualClock,
    step: &Step,
    clones: &mut Clones,
) -> Result<()> {
    match step.what {
        74 => {
            // Either of both goes on, and the other is written to once more.
            let mut other = store.fork()?;
            if step.count % 2 == 0 {
                mem::swap(store, &mut other);
            }
            run(&other, &Step { what: step.key % 56, ..step.clone() }, clones).ok();
            check(other.space(), step);
            clones.keep(other);
            Ok(())
        }
        75 => store.checkpoint().map(|mark| marks.push(mark)),
        76 => marks.get(step.len % marks.len().max(1)).map_or(Ok(()), |mark| store.roll_back(mark)),
        56 => store.swap_databases(0, 1),
        57 => {
            clock.advance(Duration::from_millis(step.len as u64));
            // Else those find it who come by.
            if step.count % 2 == 0 { store.sweep().map(drop) } else { Ok(()) }
        }
        58 => store.transaction((0..24).map(|key| name(key / 4, key)), |tx| {
            for what in (0..56).chain(62..74) {
                // What a transaction cannot do, and what finds another type, changes nothing.
                if what != 2 && usize::from(what) % 3 == step.count % 3 {
                    run(tx, &Step { what, ..step.clone() }, clones).ok();
                }
            }
            if step.count % 2 == 0 { Err(Error::NoSuchKey) } else { Ok(()) }
        }),
        59 if step.count > 50 => store.clear(),
        61 => store.watch([name(family(step), step.key)]).map(drop),
        60 => {
            // As a snapshot does.
            for shard in &store.space().shards {
                shard.0.read().tables().for_each(|(_, table)| clones.keep(table.contents().clone()));
            }
            Ok(())
        }
        _ => run(store, step, clones),
    }
}

fn check(space: &Keyspace, after: &Step) {
    let (mut total, mut weight) = (0, 0);
    for shard in &space.shards {
        let shard = shard.0.read();
        for (db, table) in shard.tables() {
            assert_eq!(table.bytes(), table.recount(), "database {db} after {after:?}");
            total += table.recount();
            if space.weighs() {
                assert!(weigh::recount(table, self::weight), "weights of {db} after {after:?}");
                weight += table.weight() as u64;
            }
        }
    }
    if let Some(bound) = space.bound() {
        let expected = if bound.weigher().is_some() { weight } else { total as u64 };
        assert_eq!(bound.used(), expected, "the store after {after:?}");
    }
}

/// Some weigh nothing, and some more than a small limit.
fn weight(key: &Weighed<'_>) -> u64 {
    if key.key.len() == 40 { 0 } else { (key.len + key.bytes / 16) as u64 }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_bytes_and_weights_accounted_for_are_those_that_a_walk_finds(
        steps in prop::collection::vec(step(), 1..160),
        limit in prop::option::of(prop::sample::select(vec![300_usize, 3_000, 20_000, 200_000])),
        is_weighed in any::<bool>(),
        policy in prop::sample::select(vec![Eviction::AllKeys, Eviction::SoonestDeadline, Eviction::Refuse]),
    ) {
        let clock = ManualClock::new();
        let builder = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).shards(2).seed(7);
        let mut marks = Vec::new();
        let mut store = match limit {
            Some(most) if is_weighed => builder.max_weight(most as u64, weight).eviction(policy).build(),
            Some(most) => builder.max_bytes(most).eviction(policy).build(),
            None => builder.build(),
        };
        let mut clones = Clones::default();
        for step in &steps {
            run_on_store(&mut store, &mut marks, &clock, step, &mut clones).ok();
            check(store.space(), step);
        }
        store.clear_all().unwrap();
        check(store.space(), &steps[0]);
    }
}
