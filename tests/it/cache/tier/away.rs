//! Redis goes, hangs, forgets all, and comes back.

use std::time::{Duration, Instant};

use larder::{How, Load, RedisTier};

use super::super::{gives, text, unasked};
use super::proxy::{Proxy, Silent};
use super::{LONG, Process, Redis, calm, client, hasty};
use crate::support::until;

#[test]
fn a_flushed_redis_empties_the_first_levels() {
    for redis in Redis::each() {
        let [one, two] = redis.processes();
        one.get(7, gives("tea"));
        two.get(7, unasked);
        redis::cmd("FLUSHALL").exec(&mut redis.connection()).unwrap();
        one.until_it_has_not(7);
        two.until_it_has_not(7);
        redis.heard_by(&[&one]);
        // The removals' clock has gone with it, and begins anew: with the second load at the latest.
        one.get(8, gives("map"));
        one.get(9, gives("list"));
        assert_eq!(two.get(9, unasked).1, How::SecondLevel, "{}", redis.what);
        let load = |value: &'static str| move || Ok::<_, String>(Load::value(value.to_owned()).tag("teas"));
        one.names.get_or_load(&7, load("first")).unwrap();
        one.names.remove_tag("teas");
        one.names.get_or_load(&7, load("green")).unwrap();
        one.flush();
        one.names.remove(&7).unwrap();
        one.flush();
        one.names.get_or_load(&7, load("black")).unwrap();
        one.flush();
        assert_eq!(two.get(7, unasked), ("black".into(), How::SecondLevel), "{}", redis.what);
    }
}

#[test]
fn connections_that_are_killed_are_made_anew_and_the_first_level_begins_anew() {
    for redis in Redis::each() {
        for kind in ["normal", "pubsub"] {
            let process =
                Process::with(calm(redis.address).retry_after(Duration::from_millis(20)), |cache| cache);
            let other = redis.process();
            process.get(7, gives("tea"));
            let mut con = redis.connection();
            redis::cmd("CLIENT")
                .arg("KILL")
                .arg("TYPE")
                .arg(kind)
                .arg("SKIPME")
                .arg("yes")
                .exec(&mut con)
                .unwrap();
            until("new connection", || process.tier.stats().connects > 1 && process.tier.stats().is_up);
            process.until_it_has_not(7);
            assert_eq!(process.get(7, unasked), ("tea".into(), How::SecondLevel), "{kind}, {}", redis.what);
            until("the other's", || other.tier.stats().is_up);
            other.names.remove(&7).unwrap();
            other.flush();
            process.until_it_has_not(7);
        }
    }
}

#[test]
fn while_redis_is_away_the_first_level_goes_on() {
    for redis in Redis::each() {
        let proxy = Proxy::to(redis.address);
        let process = Process::with(hasty(proxy.address), |cache| cache);
        let other = redis.process();
        until("connection", || process.tier.stats().is_up);
        process.get(1, gives("removed meanwhile"));
        process.names.get_or_load(&2, || Ok::<_, String>(Load::value("tagged".to_owned()).tag("t"))).unwrap();
        process.get(3, gives("kept"));
        process.get(4, gives("inserted over"));
        proxy.shut();
        until("loss", || !process.tier.stats().is_up);
        // What is there is served, what is not is loaded, and nobody waits.
        assert_eq!(text(process.names.get_or_load(&3, unasked)).as_deref(), Some("kept"));
        assert_eq!(text(process.names.get_or_load(&5, gives("alone"))).as_deref(), Some("alone"));
        assert!(process.tier.stats().unasked > 0);
        process.names.remove(&1).unwrap();
        process.names.remove_tag("t");
        process.names.insert(&4, "new".to_owned()).unwrap();
        assert!(!process.tier.flush(Duration::from_millis(1)), "{}", redis.what);
        assert_eq!(other.get(1, unasked), ("removed meanwhile".into(), How::SecondLevel), "it cannot know");
        proxy.open();
        // All that was removed is, before anything is read.
        process.flush();
        assert!(process.tier.stats().is_up);
        other.until_it_has_not(1);
        for key in [1, 2, 4] {
            assert_eq!(other.get(key, gives("loaded")).0, "loaded", "{key}, {}", redis.what);
        }
        assert_eq!(process.get(3, unasked), ("kept".into(), How::SecondLevel), "the first level began anew");
        assert_eq!(process.get(5, gives("again")).0, "again");
    }
}

#[test]
fn more_removals_than_can_be_remembered_are_one_of_everything() {
    let redis = Redis::own();
    let proxy = Proxy::to(redis.address);
    let process = Process::with(hasty(proxy.address), |cache| cache);
    until("connection", || process.tier.stats().is_up);
    process.get(7, gives("tea"));
    proxy.shut();
    until("loss", || !process.tier.stats().is_up);
    (0..70_000_u64).for_each(|key| _ = process.names.remove(&(key + 1_000)).unwrap());
    proxy.open();
    process.flush();
    let other = redis.process();
    assert_eq!(other.get(7, gives("new")), ("new".into(), How::Loaded));
}

#[test]
fn a_redis_that_never_answers_costs_its_timeout_once() {
    let server = Silent::new();
    let timeout = Duration::from_millis(300);
    let tier = RedisTier::builder(client(server.address)).timeout(timeout).retry_after(LONG);
    let process = Process::with(tier, |cache| cache);
    let begun = Instant::now();
    for key in 0..50 {
        assert_eq!(text(process.names.get_or_load(&key, gives("alone"))).as_deref(), Some("alone"));
    }
    // Once for the first of them, and room for a machine that has much to do; each would make fifteen seconds.
    assert!(begun.elapsed() < 20 * timeout, "{:?}", begun.elapsed());
    assert!(process.tier.stats().unasked >= 49);
    assert!(process.names.explain(&7).unwrap().is_second_level_away);
}

#[test]
fn a_redis_that_is_not_there_yet_is_found_when_it_is() {
    let redis = Redis::own();
    let proxy = Proxy::to(redis.address);
    proxy.shut();
    let process = Process::with(hasty(proxy.address), |cache| cache);
    assert_eq!(text(process.names.get_or_load(&7, gives("alone"))).as_deref(), Some("alone"));
    proxy.open();
    until("connection", || process.tier.stats().is_up);
    assert_eq!(process.get(8, gives("tea")).1, How::Loaded);
    assert_eq!(redis.process().get(8, unasked).1, How::SecondLevel);
}

#[test]
fn threads_end_with_the_last_handle_and_removals_are_sent_before() {
    for redis in Redis::each() {
        let mut con = redis.connection();
        let other = redis.process();
        other.get(7, gives("tea"));
        let clients = |con: &mut redis::Connection| -> usize {
            redis::cmd("CLIENT").arg("LIST").query::<String>(con).unwrap().lines().count()
        };
        let before = clients(&mut con);
        let process = redis.process();
        process.get(7, unasked);
        assert_eq!(clients(&mut con), before + 2);
        process.names.remove(&7).unwrap();
        drop(process);
        until("end", || clients(&mut con) == before);
        other.until_it_has_not(7);
    }
}
