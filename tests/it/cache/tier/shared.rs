//! What one process has loaded, the others find; what one removes, goes from all.

use std::future::Future;
use std::time::Duration;

use larder::{Cache, Error, How, Load, LoadError, RedisTier, Store};

use super::super::{MINUTE, cache, fails, gives, text, unasked};
use super::proxy::Silent;
use super::{LONG, Process, Redis, calm};
use crate::support::until;

#[test]
fn what_one_process_has_loaded_the_others_find() {
    for redis in Redis::each() {
        let [one, two] = redis.processes();
        assert_eq!(one.get(7, gives("tea")), ("tea".into(), How::Loaded), "{}", redis.what);
        redis.heard_by(&[&one, &two]);
        assert_eq!(one.get(7, unasked).1, How::Hit, "of its own doing it is not told: {}", redis.what);
        assert_eq!(two.get(7, unasked), ("tea".into(), How::SecondLevel), "{}", redis.what);
        assert_eq!(two.get(7, unasked).1, How::Hit);
        assert_eq!((two.names.stats().second_level, two.names.stats().loads), (1, 0));
        // With its version and its tags.
        let load = || Ok::<_, String>(Load::value("map".to_owned()).version("v3").tag("drawings"));
        one.names.get_or_load(&8, load).unwrap();
        one.flush();
        two.get(8, unasked);
        two.names.remove_tag("drawings");
        let seen =
            two.names.ask(&8, |old| Ok::<_, String>(old.version().unwrap_or("none").to_owned())).unwrap();
        assert_eq!(seen.value.as_deref().map(String::as_str), Some("none"));
        two.flush();
        let stats = two.tier.stats();
        assert_eq!((stats.hits, stats.misses, stats.errors), (2, 1, 0), "{}", redis.what);
    }
}

#[test]
fn that_there_is_nothing_is_shared_too() {
    let redis = Redis::own();
    let absent = || Process::with(calm(redis.address), |cache| cache.absent_ttl(MINUTE));
    let (one, two) = (absent(), absent());
    assert_eq!(text(one.names.get_or_load(&7, || Ok::<_, String>(None::<String>))), None);
    one.flush();
    let answer = two.names.ask(&7, |_| unasked()).unwrap();
    assert_eq!((answer.value, answer.how), (None, How::SecondLevel));
    // Without a time for it there is nothing to be kept, and nothing is in the way of what comes.
    let three = redis.process();
    assert_eq!(text(three.names.get_or_load(&8, || Ok::<_, String>(None::<String>))), None);
    three.flush();
    assert_eq!(three.get(8, gives("new")), ("new".into(), How::Loaded));
    three.flush();
    redis.heard_by(&[&two]);
    assert_eq!(two.get(8, unasked), ("new".into(), How::SecondLevel));
}

type Change = fn(&Process, u64);

/// What makes a key outdated that has the tag `shop:products:` with its number.
pub(super) const CHANGES: [(&str, Change); 7] = [
    ("remove", |one, key| _ = one.names.remove(&key).unwrap()),
    ("insert", |one, key| one.names.insert(&key, "inserted".to_owned()).unwrap()),
    ("tag", |one, key| one.names.remove_tag(format!("shop:products:{key}"))),
    ("group", |one, _| one.names.remove_tag("shop:products:")),
    ("clear", |one, _| one.names.clear().unwrap()),
    ("writing", |one, key| one.names.writing(&[key]).unwrap().commit()),
    ("writing a tag", |one, key| one.store.writing().tag(format!("shop:products:{key}")).commit()),
];

#[test]
fn what_one_process_changes_goes_from_all() {
    for redis in Redis::each() {
        let [one, two] = redis.processes();
        for (what, change) in CHANGES {
            let load = || Ok::<_, String>(Load::value("old".to_owned()).tag("shop:products:7"));
            redis.heard_by(&[&one, &two]);
            one.names.get_or_load(&7, load).unwrap();
            one.flush();
            redis.heard_by(&[&two]);
            assert_eq!(two.get(7, unasked), ("old".into(), How::SecondLevel), "{what}, {}", redis.what);
            change(&one, 7);
            one.flush();
            two.until_it_has_not(7);
            let is_insert = what == "insert";
            let (now, how) = if is_insert { ("inserted", How::SecondLevel) } else { ("new", How::Loaded) };
            assert_eq!(two.get(7, gives("new")), (now.into(), how), "{what}, {}", redis.what);
            one.names.remove(&7).unwrap();
            one.flush();
            two.until_it_has_not(7);
        }
    }
}

/// What is too long for it, and what a full one would not take.
#[test]
fn what_redis_has_not_goes_from_all_too() {
    for redis in Redis::each() {
        let [one, two] = redis.processes();
        let small = Process::with(calm(redis.address).max_value(1_000), |cache| cache);
        one.get(9, gives("old"));
        two.get(9, unasked);
        small.get(7, gives(&"x".repeat(2_000)));
        let mut con = redis.connection();
        let mut limit = |bytes: u64| {
            let mut config = redis::cmd("CONFIG");
            config.arg("SET").arg("maxmemory").arg(bytes).exec(&mut con).is_ok()
        };
        let is_full = limit(1);
        assert_eq!(two.get(8, gives("tea")).1, How::Loaded, "{}", redis.what);
        one.names.remove(&7).unwrap();
        one.names.remove(&8).unwrap();
        one.names.insert(&9, "new".to_owned()).unwrap();
        one.flush();
        limit(0);
        redis.heard_by(&[&two, &small]);
        assert_eq!(small.names.peek(&7).unwrap(), None, "{}", redis.what);
        assert_eq!(two.names.peek(&8).unwrap(), None, "{}", redis.what);
        let (now, how) = if is_full { ("loaded", How::Loaded) } else { ("new", How::SecondLevel) };
        assert_eq!(two.get(9, gives("loaded")), (now.into(), how), "{}", redis.what);
        assert_eq!(one.tier.stats().connects, 1, "it is not away for that: {}", redis.what);
    }
}

#[test]
fn an_unchanged_value_keeps_its_tags_in_redis() {
    let redis = Redis::own();
    let [one, two] = [(); 2].map(|()| Process::with(calm(redis.address), |cache| cache.stale_for(MINUTE)));
    let brief = Load::value("tea".to_owned()).ttl(Duration::from_millis(30)).tag("shop:teas").version("v1");
    one.names.get_or_load(&7, || Ok::<_, String>(brief)).unwrap();
    // Else its own mark may be in its way.
    one.flush();
    let mut con = redis.connection();
    let mut left = || redis::cmd("PTTL").arg("larder:v:names:7").query::<u64>(&mut con).unwrap();
    until("stale value", || left() < 60_000 && one.names.peek(&7).unwrap().is_none());
    let again = one.names.ask(&7, |old| {
        assert_eq!(old.version(), Some("v1"));
        Ok::<_, String>(Load::unchanged().ttl(60 * MINUTE))
    });
    assert_eq!(again.unwrap().how, How::Loaded);
    one.flush();
    for tag in ["shop:teas", "shop:"] {
        assert_eq!(two.get(7, || Ok("tea".to_owned())).0, "tea");
        one.names.remove_tag(tag);
        one.flush();
        if tag == "shop:teas" {
            two.until_it_has_not(7);
            assert_eq!(two.get(7, gives("tea")).1, How::Loaded);
        }
    }
}

#[test]
fn caches_whose_names_nest_share_nothing() {
    let redis = Redis::own();
    let process = |name: &str| {
        let tier = calm(redis.address).open();
        let cache: Cache<String, String> =
            Store::new().cache(name).ttl(60 * MINUTE).shared().second_level(&tier).build().unwrap();
        (tier, cache)
    };
    let (sessions, session) = process("session");
    let [(admins, admin), (_tier, other)] = [(); 2].map(|()| process("session:admin"));
    session.insert("admin:ann", "guest".to_owned()).unwrap();
    assert!(sessions.flush(LONG));
    assert_eq!(text(admin.get_or_load("ann", gives("root"))).as_deref(), Some("root"));
    assert!(admins.flush(LONG));
    // Each has its own there, and is told of what goes from it.
    assert_eq!(other.ask("ann", |_| unasked()).unwrap().how, How::SecondLevel);
    admin.remove("ann").unwrap();
    until("message", || other.peek("ann").unwrap().is_none());
    let (_tier, late) = process("session");
    assert_eq!(text(late.get_or_load("admin:ann", unasked)).as_deref(), Some("guest"));
}

#[test]
fn a_stale_value_is_found_by_a_process_that_never_had_it() {
    let redis = Redis::own();
    let brief = Duration::from_millis(30);
    let stale = || Process::with(calm(redis.address), |cache| cache.ttl(brief).stale_for(MINUTE));
    let (one, two) = (stale(), stale());
    let load = || Ok::<_, String>(Load::value("tea".to_owned()).version("v1"));
    one.names.get_or_load(&7, load).unwrap();
    one.flush();
    let mut con = redis.connection();
    let mut left = || redis::cmd("PTTL").arg("larder:v:names:7").query::<u64>(&mut con).unwrap();
    until("stale value", || left() < 60_000 && one.names.peek(&7).unwrap().is_none());
    let answer = two.names.ask(&7, |old| {
        assert_eq!(old.version(), Some("v1"));
        fails()
    });
    let answer = answer.unwrap();
    assert_eq!((answer.value.as_deref().map(String::as_str), answer.how), (Some("tea"), How::Stale));
    // What is loaded anew takes its place.
    two.names.ask(&7, |_| Ok::<_, String>(Load::value("green tea".to_owned()).ttl(MINUTE))).unwrap();
    two.flush();
    assert_eq!(one.get(7, unasked), ("green tea".into(), How::SecondLevel));
}

#[test]
fn get_many_asks_redis_once_and_the_loader_for_the_rest() {
    for redis in Redis::each() {
        let [one, two] = redis.processes();
        one.get(1, gives("one"));
        one.names.get_or_load(&2, || Ok::<_, String>(Load::value("two".to_owned()).tag("t"))).unwrap();
        one.flush();
        let many = two.names.ask_many(&[1, 2, 3, 4], |missing| {
            assert_eq!(missing, [3, 4]);
            Ok::<_, String>([(3, "three".to_owned()), (4, "four".to_owned())])
        });
        let hows: Vec<_> = many.unwrap().iter().map(|answer| answer.how).collect();
        assert_eq!(hows, [How::SecondLevel, How::SecondLevel, How::Loaded, How::Loaded], "{}", redis.what);
        two.flush();
        let all = one.names.get_many(&[3, 4], |_: &[u64]| -> Result<Vec<(u64, String)>, String> { panic!() });
        assert_eq!(
            all.unwrap().iter().flatten().map(|text| text.as_str()).collect::<Vec<_>>(),
            ["three", "four"]
        );
    }
}

#[tokio::test]
async fn tasks_wait_for_redis_as_threads_do() {
    let redis = Redis::own();
    let [one, two] = redis.processes();
    let loaded = one.names.get_or_load_async(&7, || async { Ok::<_, String>("tea".to_owned()) }).await;
    assert_eq!(text(loaded).as_deref(), Some("tea"));
    one.flush();
    let answer = two.names.ask_async(&7, |_| async { unasked() }).await.unwrap();
    assert_eq!(answer.how, How::SecondLevel);
    let many = two.names.ask_many_async(&[7, 8], |missing| async move {
        assert_eq!(missing, [8]);
        Ok::<_, String>([(8, "new".to_owned())])
    });
    assert_eq!(many.await.unwrap().len(), 2);
    // A future that is dropped while it waits lets another ask.
    let server = Silent::new();
    let process = Process::on(server.address);
    {
        let mut asks = std::pin::pin!(process.names.get_or_load_async(&7, || async { gives("never")() }));
        let waker = std::task::Waker::noop();
        assert!(asks.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
    }
    let loading = process.names.explain(&7).unwrap();
    assert!(!loading.is_loading);
}

#[test]
fn bytes_of_others_count_as_missing_and_are_replaced() {
    for redis in Redis::each() {
        let [one, two] = redis.processes();
        let mut con = redis.connection();
        for (nth, bytes) in
            [&b"garbage"[..], b"LRDR", b"LRDR\x01\x00", &[0; 4000], &[b'x'; 3 << 20]].iter().enumerate()
        {
            let key = nth as u64;
            redis::cmd("SET").arg(format!("larder:v:names:{key}")).arg(*bytes).exec(&mut con).unwrap();
            redis.heard_by(&[&one]);
            assert_eq!(one.get(key, gives("mine")), ("mine".into(), How::Loaded), "{nth}, {}", redis.what);
            assert_eq!(two.get(key, unasked), ("mine".into(), How::SecondLevel), "{nth}, {}", redis.what);
        }
        // Nor is a value that another kind of thing keeps from being stored.
        redis::cmd("RPUSH").arg("larder:v:names:99").arg("x").exec(&mut con).unwrap();
        assert_eq!(one.get(99, gives("mine")), ("mine".into(), How::Loaded));
        assert_eq!(two.get(99, gives("mine")), ("mine".into(), How::Loaded));
        assert!(one.tier.stats().is_up && one.tier.stats().errors > 0);
    }
}

#[test]
fn a_value_that_does_not_decode_is_loaded_anew() {
    let redis = Redis::own();
    let one = redis.process();
    one.get(7, gives("tea"));
    let tier = calm(redis.address).open();
    let numbers: Cache<u64, u64> = Store::new().cache("names").shared().second_level(&tier).build().unwrap();
    assert_eq!(*numbers.get_or_load(&7, || Ok::<_, String>(1)).unwrap().unwrap(), 1);
    assert_eq!(numbers.stats().undecodable, 1);
}

#[test]
fn what_is_too_long_for_redis_stays_in_the_first_level() {
    let redis = Redis::own();
    let small = || Process::with(calm(redis.address).max_value(1_000), |cache| cache);
    let (one, two) = (small(), small());
    let long = "x".repeat(1_000);
    one.get(7, gives("short"));
    one.names.insert(&7, long.clone()).unwrap();
    assert_eq!(one.get(7, unasked).1, How::Hit);
    redis.heard_by(&[&two]);
    assert_eq!(two.get(7, gives(&long)).1, How::Loaded, "the short one has gone");
    assert_eq!((one.tier.stats().dropped, two.tier.stats().dropped), (1, 1));
}

/// Users who may not do all: without scripts values are put there in a transaction, and without tracking what is removed
/// is published.
#[test]
fn servers_without_scripts_or_tracking_do_too() {
    for redis in Redis::each() {
        for rights in [&["-client|tracking"][..], &["-client|tracking", "-eval"]] {
            let mut con = redis.connection();
            let mut user = redis::cmd("ACL");
            user.arg(&["SETUSER", "modest", "reset", "on", "nopass", "~*", "&*", "+@all"]).arg(rights);
            user.exec(&mut con).unwrap();
            let url = format!("redis://modest:x@{}", redis.address);
            let tier = || RedisTier::builder(redis::Client::open(url.as_str()).unwrap()).timeout(LONG);
            let process = || Process::with(tier(), |cache| cache);
            let (one, two) = (process(), process());
            one.get(1, gives("first"));
            two.get(1, unasked);
            let tagged = || Ok::<_, String>(Load::value("tea".to_owned()).tag("teas"));
            for remove in [
                |names: &Cache<u64, String>| _ = names.remove(&7).unwrap(),
                |names: &Cache<u64, String>| names.remove_tag("teas"),
            ] {
                assert_eq!(one.names.ask(&7, |_| tagged()).unwrap().how, How::Loaded);
                one.flush();
                assert_eq!(
                    two.get(7, unasked),
                    ("tea".into(), How::SecondLevel),
                    "{rights:?}, {}",
                    redis.what
                );
                remove(&one.names);
                two.until_it_has_not(7);
            }
            assert!(one.names.get_or_load(&8, fails).is_err());
            one.flush();
            assert_eq!(two.get(8, gives("map")).1, How::Loaded);
            assert_eq!(one.get(8, unasked).1, How::SecondLevel, "{rights:?}, {}", redis.what);
            redis::cmd("FLUSHALL").exec(&mut con).unwrap();
        }
    }
}

#[test]
#[cfg(feature = "redis")]
fn connections_of_any_kind_will_do() {
    let server = Store::new();
    let tier = || {
        let server = server.clone();
        RedisTier::builder_with(move || Ok(server.redis_connection())).prefix("shop/")
    };
    let (one, two) = (Process::with(tier(), |cache| cache), Process::with(tier(), |cache| cache));
    assert_eq!(one.get(7, gives("tea")).1, How::Loaded);
    assert_eq!(two.get(7, unasked).1, How::SecondLevel);
    one.names.remove(&7).unwrap();
    one.flush();
    assert!(!server.contains("shop/v:names:7").unwrap());
    assert_eq!(two.get(7, unasked).1, How::Hit, "nobody listens");
}

#[test]
fn a_cache_with_a_second_level_is_shared_and_the_only_one_of_its_name() {
    let redis = Redis::own();
    let tier = calm(redis.address).open();
    let store = Store::new();
    let silent = cache(&store).second_level(&tier).build();
    assert!(matches!(silent, Err(Error::Invalid(why)) if why.contains("second level")));
    let first = cache(&store).shared().second_level(&tier).build().unwrap();
    let second = || cache(&Store::new()).shared().second_level(&tier).build();
    assert!(matches!(second(), Err(Error::CacheInUse(_))));
    drop(first);
    assert!(second().is_ok());
}

#[test]
fn the_breaker_keeps_nobody_from_what_is_in_redis() {
    let redis = Redis::own();
    let one = redis.process();
    one.get(7, gives("tea"));
    let two = Process::with(calm(redis.address), |cache| cache.breaker(1, LONG));
    assert!(two.names.get_or_load(&8, fails).is_err());
    assert!(matches!(two.names.get_or_load(&8, unasked), Err(LoadError::Paused)));
    assert_eq!(two.get(7, unasked), ("tea".into(), How::SecondLevel));
}
