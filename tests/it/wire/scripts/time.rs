//! Within a script and between the commands of EXEC time stands still.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use larder::{Compat, ManualClock, Reply, Session, Store};

use super::compare_scripts;

/// Waits until another thread has moved the store's clock, which INFO shows as it is.
const TICK: &str = "local function uptime() return redis.call('INFO', 'server'):match('uptime_in_seconds:(%d+)') end \
                    local function tick() local was = uptime() repeat until uptime() ~= was end ";

/// Runs a test with a session of that kind, while the clock goes on second by second.
fn while_time_goes_on(compat: Compat, test: impl FnOnce(&mut Session)) {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let mut session = store.session().compat(compat);
    // Nobody is to be told of a script that has run for long.
    session.call(["CONFIG", "SET", "busy-reply-threshold", "0"]);
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                clock.advance(Duration::from_secs(1));
                thread::yield_now();
            }
        });
        let _over = Over(&is_over);
        test(&mut session);
    });
}

/// Says so however the test ends.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn eval(session: &mut Session, script: &str) -> Vec<Reply> {
    match session.call(["EVAL", &format!("{TICK}{script}"), "0"]) {
        Reply::Array(items) => items,
        other => panic!("{script}: {other:?}"),
    }
}

#[test]
fn a_key_does_not_expire_between_two_commands_of_a_script() {
    while_time_goes_on(Compat::Redis82, |session| {
        let told = eval(
            session,
            "redis.call('SET', 'k', 'v', 'PX', 1) redis.call('HSET', 'h', 'f', 'v') \
             redis.call('HPEXPIRE', 'h', 1, 'FIELDS', 1, 'f') tick() \
             return {redis.call('GET', 'k'), redis.call('PTTL', 'k'), redis.call('DBSIZE'), \
             #redis.call('KEYS', '*'), #redis.call('SCAN', 0)[2], redis.call('HGET', 'h', 'f'), \
             redis.call('RANDOMKEY') and 1, redis.call('EXISTS', 'k')}",
        );
        let [one, two] = [1, 2].map(Reply::Integer);
        let value = Reply::Bulk("v".into());
        let expected = [value.clone(), one.clone(), two.clone(), two.clone(), two, value, one.clone(), one];
        assert_eq!(told, expected);
        // It has by the next.
        assert_eq!(session.call(["EVAL", &format!("{TICK}tick()"), "0"]), Reply::Nil);
        assert_eq!(session.call(["GET", "k"]), Reply::Nil);
        assert_eq!(session.call(["HGET", "h", "f"]), Reply::Nil);
    });
}

#[test]
fn a_deadline_and_an_id_are_counted_from_where_the_script_began() {
    while_time_goes_on(Compat::Redis82, |session| {
        let told = eval(
            session,
            "local now = redis.call('TIME') local id = redis.call('XADD', 's', '*', 'a', 'b') tick() \
             redis.call('SET', 'k', 'v', 'EX', 10) local ends = redis.call('EXPIRETIME', 'k') \
             redis.call('EXPIRE', 'k', 20) tick() \
             return {ends - now[1], redis.call('EXPIRETIME', 'k') - now[1], redis.call('TTL', 'k'), \
             redis.call('XADD', 's', '*', 'a', 'b') == id:gsub('0$', '1') and 1}",
        );
        assert_eq!(told, [10, 20, 20, 1].map(Reply::Integer));
    });
}

#[test]
fn one_time_is_told_within_a_script_but_by_redis_7_0() {
    let script =
        "local a = redis.call('TIME') tick() local b = redis.call('TIME') return {a[1] == b[1] and 1 or 0}";
    for (compat, stands_still) in [(Compat::Redis70, 0), (Compat::Redis72, 1), (Compat::Valkey9, 1)] {
        while_time_goes_on(compat, |session| {
            assert_eq!(eval(session, script), [Reply::Integer(stands_still)], "{compat:?}");
        });
    }
    // The same of real servers, whose clocks go on by themselves.
    compare_scripts([
        "local a = redis.call('TIME') for i = 1, 1e5 do end local b = redis.call('TIME') \
         return {a[1] == b[1] and a[2] == b[2] and 1 or 0}",
        "redis.call('SET', 'k', 'v', 'PX', 1) for i = 1, 1e6 do end return redis.call('GET', 'k')",
    ]);
}

#[test]
fn time_stands_still_between_the_commands_of_exec() {
    while_time_goes_on(Compat::Redis82, |session| {
        let tick = format!("{TICK}tick()");
        let (time, get, tick) = (vec!["TIME"], vec!["GET", "k"], vec!["EVAL", &tick, "0"]);
        session.call(["MULTI"]);
        for words in [vec!["SET", "k", "v", "PX", "1"], time.clone(), tick.clone(), time, get, tick] {
            assert_eq!(session.call(words), Reply::Status("QUEUED".into()));
        }
        session.call(["PTTL", "k"]);
        let Reply::Array(replies) = session.call(["EXEC"]) else { panic!("no array") };
        assert_eq!(replies[1], replies[3]);
        assert_eq!((&replies[4], &replies[6]), (&Reply::Bulk("v".into()), &Reply::Integer(1)));
        session.call(["EVAL", &format!("{TICK}tick()"), "0"]);
        assert_eq!(session.call(["GET", "k"]), Reply::Nil);
    });
}
