//! Tests of the sorted set operations.

mod agreement;
mod model;

use std::time::Duration;

use larder::{Aggregate, Combine, Error, InsertIf, Inserted, KeyEvents, Store, Sweeping, Ttl, Type, Window};

use crate::support::manual_store;

fn board(store: &Store, members: &[(&str, f64)]) -> larder::Result<()> {
    store.sorted_set::<String>("board").insert_many(members.iter().copied())?;
    Ok(())
}

fn names(members: Vec<(String, f64)>) -> Vec<String> {
    members.into_iter().map(|(member, _)| member).collect()
}

#[test]
fn positions_at_the_edges() -> larder::Result<()> {
    let (_, store) = manual_store();
    let set = store.sorted_set::<String>("board");
    board(&store, &[("a", 1.0), ("b", 2.0), ("c", 3.0)])?;
    assert_eq!(names(set.range(i64::MIN, i64::MAX)?), ["a", "b", "c"]);
    assert_eq!(names(set.range_rev(i64::MIN, i64::MAX)?), ["c", "b", "a"]);
    assert_eq!(names(set.range_rev(-1, -1)?), ["a"]);
    assert_eq!(names(set.range_rev(1, 1)?), ["b"]);
    assert!(set.range(i64::MAX, i64::MIN)?.is_empty());
    assert!(set.range(3, 9)?.is_empty());
    assert!(set.range(i64::MIN, i64::MIN)?.is_empty());
    assert_eq!(set.range_rev_into("two", 0, 1)?, 2);
    assert_eq!(names(store.sorted_set::<String>("two").to_vec()?), ["b", "c"]);
    assert_eq!(set.remove_range(i64::MIN, i64::MIN)?, 0);
    assert_eq!(set.remove_range(i64::MIN, i64::MAX)?, 3);
    assert!(!store.contains("board")?);
    Ok(())
}

#[test]
fn nan_is_an_error_and_changes_nothing() -> larder::Result<()> {
    let (_, store) = manual_store();
    let set = store.sorted_set::<String>("board");
    assert!(matches!(set.insert("a", f64::NAN), Err(Error::NotAFloat)));
    assert!(matches!(set.insert_many([("a", 1.0), ("b", f64::NAN)]), Err(Error::NotAFloat)));
    assert!(matches!(set.incr_by("a", f64::NAN), Err(Error::NotAFloat)));
    assert!(!store.contains("board")?);
    set.insert("a", f64::INFINITY)?;
    let error = set.incr_by("a", f64::NEG_INFINITY).unwrap_err();
    assert_eq!(error.to_string(), "ERR resulting score is not a number (NaN)");
    assert!(matches!(set.incr_by_if("a", f64::NEG_INFINITY, InsertIf::Less), Err(Error::NanScore)));
    assert_eq!(set.incr_by_if("a", f64::NEG_INFINITY, InsertIf::Absent)?, None);
    assert_eq!(set.score("a")?, Some(f64::INFINITY));
    assert!(matches!(set.count_by_score(f64::NAN..), Err(Error::NanBound)));
    assert!(matches!(set.range_by_score(..f64::NAN), Err(Error::NanBound)));
    assert!(matches!(set.remove_by_score(f64::NAN..=1.0), Err(Error::NanBound)));
    let nan = Combine::new().weights([f64::NAN, 1.0]);
    assert!(matches!(set.union_with(["other"], &nan), Err(Error::NanWeight)));
    let few = Combine::new().weights([1.0]);
    assert!(matches!(set.union_into_with("out", ["other"], &few), Err(Error::Invalid(_))));
    assert!(!store.contains("out")?);
    Ok(())
}

#[test]
fn infinite_scores_are_combined_as_in_redis() -> larder::Result<()> {
    let (_, store) = manual_store();
    let (up, down) = (store.sorted_set::<String>("up"), store.sorted_set::<String>("down"));
    up.insert_many([("a", f64::INFINITY), ("b", 1.0)])?;
    down.insert("a", f64::NEG_INFINITY)?;
    assert_eq!(up.intersection(["down"])?, [("a".to_owned(), 0.0)]);
    assert_eq!(up.union(["down"])?, [("a".to_owned(), 0.0), ("b".to_owned(), 1.0)]);
    let nothing = Combine::new().weights([0.0]);
    assert_eq!(up.union_with([""; 0], &nothing)?, [("a".to_owned(), 0.0), ("b".to_owned(), 0.0)]);
    // The smaller set comes first, and only there does `inf * 0` count as 0 before it is added.
    down.insert("a", 5.0)?;
    let only_down = Combine::new().weights([0.0, 1.0]);
    assert_eq!(up.intersection_with(["down"], &only_down)?, [("a".to_owned(), 0.0)]);
    assert_eq!(up.intersection_with(["down"], &only_down.clone().aggregate(Aggregate::Max))?[0].1, 5.0);
    assert_eq!(up.union_with(["down"], &only_down)?[1], ("a".to_owned(), 5.0));
    Ok(())
}

#[test]
fn a_zero_keeps_its_sign_and_both_are_one_score() -> larder::Result<()> {
    let (_, store) = manual_store();
    let set = store.sorted_set::<String>("board");
    assert_eq!(set.insert_if("a", -0.0, InsertIf::Always)?, Inserted::Added);
    assert_eq!(set.insert_if("a", 0.0, InsertIf::Always)?, Inserted::Unchanged);
    assert_eq!(set.insert_if("a", 0.0, InsertIf::Greater)?, Inserted::Unchanged);
    assert!(set.score("a")?.is_some_and(|score| score.is_sign_negative()));
    assert_eq!((set.count_by_score(0.0..)?, set.count_by_score(..=-0.0)?), (1, 1));
    assert_eq!((set.rank("a")?, set.remove_by_score(0.0..=0.0)?), (Some(0), 1));
    Ok(())
}

#[test]
fn members_are_found_in_the_order_of_their_bytes() -> larder::Result<()> {
    let (_, store) = manual_store();
    let set = store.sorted_set::<Vec<u8>>("bytes");
    let members: Vec<Vec<u8>> = vec![vec![], vec![0], vec![0, 0], vec![127], vec![128], vec![255; 40]];
    set.insert_many(members.iter().map(|member| (member, 0.0)))?;
    let found = set.range_by_member_with(vec![0]..=vec![128], Window::new().reversed())?;
    let found: Vec<Vec<u8>> = found.into_iter().map(|(member, _)| member).collect();
    assert_eq!(found, [&members[4..5], &members[3..4], &members[2..3], &members[1..2]].concat());
    assert_eq!(set.count_by_member::<&str>(..)?, 6);
    assert_eq!(set.count_by_member("z".."a")?, 0);
    assert_eq!(set.range_by_member_into_with("tail", vec![128].., Window::new().skip(1))?, 1);
    assert_eq!(store.sorted_set::<Vec<u8>>("tail").first()?, Some((vec![255; 40], 0.0)));
    Ok(())
}

#[test]
fn whatever_the_scores_are_a_range_of_members_ends() -> larder::Result<()> {
    let (_, store) = manual_store();
    let set = store.sorted_set::<u32>("mixed");
    set.insert_many(
        (0..500).map(|n| (n * 7919 % 500, f64::from(n))).collect::<Vec<_>>().iter().map(|(m, s)| (m, *s)),
    )?;
    let len = set.range_by_member("2".."4")?.len();
    assert_eq!(set.count_by_member("2".."4")?, len);
    assert_eq!(set.remove_by_member("2".."4")?, len);
    assert_eq!(set.len()?, 500 - len);
    Ok(())
}

#[test]
fn popped_members_that_do_not_decode_are_put_back() -> larder::Result<()> {
    let (clock, store) = manual_store();
    board(&store, &[("1", 1.0), ("x", 2.0), ("3", 3.0)])?;
    store.expire("board", Duration::from_secs(10))?;
    let numbers = store.sorted_set::<u32>("board");
    assert!(matches!(numbers.pop_first_many(9), Err(Error::Decode(_))));
    assert!(matches!(numbers.pop_last_many(2), Err(Error::Decode(_))));
    assert!(matches!(store.pop_first_of::<u32>(["none", "board"], 2), Err(Error::Decode(_))));
    assert_eq!(names(store.sorted_set("board").to_vec()?), ["1", "x", "3"]);
    assert_eq!(store.ttl("board")?, Ttl::Left(Duration::from_secs(10)));
    assert_eq!(numbers.pop_first()?, Some((1, 1.0)));
    assert!(matches!(numbers.pop_first(), Err(Error::Decode(error)) if error.bytes == "x"));
    clock.advance(Duration::from_secs(10));
    assert_eq!(numbers.pop_first()?, None);
    Ok(())
}

#[test]
fn an_iterator_shows_one_instant_from_both_ends() -> larder::Result<()> {
    let (_, store) = manual_store();
    let set = store.sorted_set::<u32>("many");
    let members: Vec<u32> = (0..1000).collect();
    set.insert_many(members.iter().map(|n| (n, f64::from(*n))))?;
    let (forward, mut both) = (set.iter()?, set.iter()?);
    assert_eq!(set.remove_range(100, -1)?, 900);
    set.insert(5, 5000.0)?;
    assert_eq!(forward.len(), 1000);
    assert_eq!(
        forward.collect::<larder::Result<Vec<_>>>()?,
        members.iter().map(|n| (*n, f64::from(*n))).collect::<Vec<_>>()
    );
    for n in 0..400 {
        assert_eq!(both.next().transpose()?, Some((n, f64::from(n))));
        assert_eq!(both.next_back().transpose()?, Some((999 - n, f64::from(999 - n))));
    }
    assert_eq!(both.len(), 200);
    assert_eq!(both.clone().rev().count(), 200);
    assert_eq!(both.map(|item| item.map(|(n, _)| n)).collect::<larder::Result<Vec<_>>>()?, members[400..600]);
    Ok(())
}

#[test]
fn chance_reaches_every_member_alike() -> larder::Result<()> {
    let (_, store) = manual_store();
    let set = store.sorted_set::<u32>("many");
    let members: Vec<u32> = (0..20).collect();
    set.insert_many(members.iter().map(|n| (n, f64::from(*n))))?;
    let mut drawn = [0; 20];
    for _ in 0..1000 {
        set.random_many(5)?.into_iter().for_each(|(n, _)| drawn[n as usize] += 1);
    }
    for (n, _) in set.random_repeated(5000)? {
        drawn[n as usize] += 1;
    }
    assert!(drawn.iter().all(|times| (400..600).contains(times)), "{drawn:?}");
    assert!(matches!(set.random_repeated(usize::MAX), Err(Error::Invalid(_))));
    assert_eq!(set.random_many(usize::MAX)?.len(), 20);
    Ok(())
}

#[test]
fn a_transaction_that_fails_gives_the_members_back() -> larder::Result<()> {
    let (_, store) = manual_store();
    board(&store, &[("a", 1.0), ("b", 2.0)])?;
    let failed: larder::Result<()> = store.transaction(["board", "out"], |tx| {
        let set = tx.sorted_set::<String>("board");
        set.incr_by("a", 9.0)?;
        set.union_into_with("out", [""; 0], &Combine::new())?;
        set.remove_range(0, -1)?;
        Err(Error::Invalid("no"))
    });
    assert!(failed.is_err());
    assert_eq!(store.sorted_set::<String>("board").to_vec()?, [("a".to_owned(), 1.0), ("b".to_owned(), 2.0)]);
    assert!(!store.contains("out")?);
    Ok(())
}

#[test]
fn each_change_is_announced_by_its_name() -> larder::Result<()> {
    let store = Store::builder().key_events(KeyEvents::On).sweeping(Sweeping::ByHand).build();
    let events = store.subscribe(["__keyspace@0__:board", "__keyspace@0__:out"]);
    let set = store.sorted_set::<String>("board");
    let check = |expected: &[&str]| {
        let got: Vec<String> = std::iter::from_fn(|| events.try_recv())
            .map(|message| message.payload_str().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(got, expected);
    };
    set.insert_many([("a", 1.0), ("b", 2.0), ("c", 3.0), ("d", 4.0), ("e", 5.0), ("f", 6.0)])?;
    check(&["zadd"]);
    set.insert("a", 1.0)?;
    set.insert_if("a", 0.0, InsertIf::Greater)?;
    set.insert_if("g", 0.0, InsertIf::Present)?;
    set.insert_many([("", 0.0); 0])?;
    set.incr_by("a", 0.0)?;
    set.remove("g")?;
    set.pop_first_many(0)?;
    set.remove_by_score(9.0..)?;
    check(&[]);
    set.incr_by("a", 0.5)?;
    set.incr_by_if("b", -0.5, InsertIf::Less)?;
    check(&["zincr", "zincr"]);
    set.range_into("out", 0, 1)?;
    set.union_into_with("out", ["none"], &Combine::new())?;
    set.intersection_into_with("out", ["board"], &Combine::new())?;
    set.difference_into("out", ["none"])?;
    set.difference_into("out", ["board"])?;
    set.difference_into("out", ["board"])?;
    check(&["zrangestore", "zunionstore", "zinterstore", "zdiffstore", "del"]);
    set.pop_first()?;
    set.pop_last()?;
    set.remove("c")?;
    set.remove_range(0, 0)?;
    set.remove_by_score(4.0..)?;
    check(&["zpopmin", "zpopmax", "zrem", "zremrangebyrank", "zremrangebyscore", "del"]);
    set.insert("a", 1.0)?;
    set.remove_by_member("a"..)?;
    check(&["zadd", "zremrangebylex", "del"]);
    Ok(())
}

#[test]
fn a_store_takes_the_place_of_any_type_and_its_deadline() -> larder::Result<()> {
    let (_, store) = manual_store();
    board(&store, &[("a", 1.0)])?;
    let set = store.sorted_set::<String>("board");
    store.insert_ex("out", "text", Duration::from_secs(9))?;
    assert!(matches!(set.union(["out"]), Err(Error::WrongType)));
    assert!(matches!(set.difference_into("board", ["out"]), Err(Error::WrongType)));
    assert_eq!(set.range_into("out", 0, -1)?, 1);
    assert_eq!((store.type_of("out")?, store.ttl("out")?), (Some(Type::SortedSet), Ttl::Forever));
    assert_eq!(set.range_by_score_into_with("board", 2.0.., Window::new())?, 0);
    assert!(!store.contains("board")?);
    Ok(())
}
