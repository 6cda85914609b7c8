//! XADD, XREADGROUP and their kin. Ids are given, as Redis's own come from its clock.

use larder::{Compat, ManualClock, Reply, Session, Store};
use std::time::Duration;

use super::{COMMANDS, Words, common, compare_runs, spoil, word, words};
use crate::differential::chance::Chance;

#[test]
fn the_commands_are_byte_for_byte_those_of_redis() {
    compare_runs("streams", |chance| {
        let mut time = 1 + chance.below(3);
        (0..COMMANDS)
            .map(|_| {
                time += chance.below(3);
                let words = if chance.one_in(30) { common(chance) } else { draw(chance, time) };
                spoil(chance, words)
            })
            .collect()
    });
}

/// Few of them, so that much comes together.
fn key(chance: &mut Chance) -> &'static [u8] {
    chance.pick(&[&b"a"[..], b"a", b"a", b"b", b""])
}

fn group(chance: &mut Chance) -> Vec<u8> {
    word(chance.pick(&["g", "g", "g", "h", ""]))
}

fn consumer(chance: &mut Chance) -> Vec<u8> {
    word(chance.pick(&["ann", "bob", "a consumer with a long name"]))
}

/// The id of an entry that is there, or may be.
fn id(chance: &mut Chance, time: usize) -> Vec<u8> {
    if chance.one_in(25) {
        return word(chance.pick(&[
            "",
            "x",
            "-",
            "+",
            "$",
            ">",
            "1-",
            "-1",
            "1--1",
            " 3",
            "+3",
            "007",
            "3-+1",
            "3-x",
            "3-*",
            "0-0",
            "0",
            "18446744073709551615",
            "18446744073709551615-18446744073709551615",
            "18446744073709551616",
            "9223372036854775808-1",
            "1-2-3",
        ]));
    }
    let ms = chance.below(time + 3);
    match chance.below(4) {
        0 => word(&ms),
        _ => word(&format!("{ms}-{}", chance.below(3))),
    }
}

fn bound(chance: &mut Chance, time: usize) -> Vec<u8> {
    match chance.below(6) {
        0 => word("-"),
        1 => word("+"),
        2 => [b"(".to_vec(), id(chance, time)].concat(),
        _ => id(chance, time),
    }
}

fn new_id(chance: &mut Chance, time: usize) -> Vec<u8> {
    match chance.below(10) {
        0 => id(chance, time),
        1..=4 => word(&format!("{time}-*")),
        5 => word(&time),
        _ => word(&format!("{time}-{}", chance.below(4))),
    }
}

fn count(chance: &mut Chance) -> Words {
    match chance.below(4) {
        0 => words!["COUNT", chance.pick(&["1", "2", "5", "0", "-1", "x"])],
        1 => words!["COUNT", chance.count()],
        _ => Words::new(),
    }
}

fn trim(chance: &mut Chance, time: usize) -> Words {
    let mut words = match chance.below(2) {
        0 => words!["MAXLEN"],
        _ => words!["MINID"],
    };
    words.extend(chance.maybe(|chance| word(chance.pick(&["~", "=", "~"]))));
    words.push(if words[0] == b"MAXLEN" { word(&(chance.below(12) as i64 - 1)) } else { id(chance, time) });
    if chance.one_in(5) {
        words.extend(words!["LIMIT", chance.pick(&["0", "1", "100", "-1", "x"])]);
    }
    if chance.one_in(30) {
        words.extend(words!["MAXLEN", 3]);
    }
    words
}

fn references(chance: &mut Chance) -> Vec<u8> {
    word(chance.pick(&["KEEPREF", "DELREF", "ACKED", "acked"]))
}

/// What XDELEX and XACKDEL take.
fn references_and_ids(chance: &mut Chance, time: usize) -> Words {
    let ids = chance.many(1, 3, |chance| id(chance, time));
    let count =
        if chance.one_in(20) { word(chance.pick(&["0", "-1", "x", "2", "9"])) } else { word(&ids.len()) };
    let ids = [words!["IDS", count], ids].concat();
    let policy = |chance: &mut Chance| -> Words { chance.maybe(references).into_iter().collect() };
    match chance.below(20) {
        0 => [policy(chance), ids, policy(chance)].concat(),
        1 => [policy(chance), ids.clone(), ids].concat(),
        2..=5 => [ids, policy(chance)].concat(),
        _ => [policy(chance), ids].concat(),
    }
}

fn fields(chance: &mut Chance) -> Words {
    match chance.below(4) {
        0 => chance.many(1, 3, |chance| [chance.member(), chance.value()]).concat(),
        1 => words!["f", chance.value()],
        _ => words!["f", chance.member(), "name", chance.member()],
    }
}

fn streams(chance: &mut Chance, mut id: impl FnMut(&mut Chance) -> Vec<u8>) -> Words {
    let keys = chance.many(1, 2, key);
    let ids: Words = keys.iter().map(|_| id(chance)).collect();
    [words!["STREAMS"], keys.iter().map(|key| key.to_vec()).collect(), ids].concat()
}

fn draw(chance: &mut Chance, time: usize) -> Words {
    let key = key(chance);
    match chance.below(37) {
        0..=7 => {
            let mut options = Words::new();
            if chance.one_in(8) {
                options.push(word("NOMKSTREAM"));
            }
            if chance.one_in(6) {
                options.extend(trim(chance, time));
            }
            if chance.one_in(20) {
                options.push(references(chance));
            }
            [words!["XADD", key], options, words![new_id(chance, time)], fields(chance)].concat()
        }
        8 => words!["XLEN", key],
        9 | 10 => {
            let name = chance.pick(&["XRANGE", "XREVRANGE"]);
            [words![name, key, bound(chance, time), bound(chance, time)], count(chance)].concat()
        }
        11 => [words!["XDEL", key], chance.many(1, 3, |chance| id(chance, time))].concat(),
        12 => [words!["XTRIM", key], trim(chance, time), chance.maybe(references).into_iter().collect()]
            .concat(),
        13 => {
            let mut words = words!["XSETID", key, id(chance, time)];
            if chance.one_in(3) {
                words.extend(words!["ENTRIESADDED", chance.below(30) as i64 - 1]);
            }
            if chance.one_in(3) {
                words.extend(words!["MAXDELETEDID", id(chance, time)]);
            }
            words
        }
        14..=16 => xgroup(chance, key, time),
        17 | 18 => {
            let options = count(chance);
            [words!["XREAD"], options, streams(chance, |chance| read_id(chance, time, b"$"))].concat()
        }
        19..=23 => {
            let mut words = words!["XREADGROUP", "GROUP", group(chance), consumer(chance)];
            words.extend(count(chance));
            if chance.one_in(6) {
                words.push(word("NOACK"));
            }
            [words, streams(chance, |chance| read_id(chance, time, b">"))].concat()
        }
        24 => [words!["XACK", key, group(chance)], chance.many(1, 4, |chance| id(chance, time))].concat(),
        25 | 26 => {
            let mut words = words!["XPENDING", key, group(chance)];
            if chance.flag() {
                if chance.one_in(3) {
                    words.extend(words!["IDLE", chance.pick(&["0", "50000", "-1", "x"])]);
                }
                words.extend(words![
                    bound(chance, time),
                    bound(chance, time),
                    chance.pick(&["10", "2", "0", "-1", "x"])
                ]);
                words.extend(chance.maybe(consumer));
            }
            words
        }
        27 | 28 => claim(chance, key, time),
        29 | 30 => {
            let idle = chance.pick(&["0", "0", "0", "50000", "-1", "x"]);
            let mut words =
                words!["XAUTOCLAIM", key, group(chance), consumer(chance), idle, bound(chance, time)];
            words.extend(count(chance));
            if chance.one_in(3) {
                words.push(word("JUSTID"));
            }
            words
        }
        31 => words!["XINFO", "GROUPS", key],
        32 => words!["XINFO", "CONSUMERS", key, group(chance)],
        33 | 34 => [words!["XDELEX", key], references_and_ids(chance, time)].concat(),
        35 => [words!["XACKDEL", key, group(chance)], references_and_ids(chance, time)].concat(),
        _ => {
            let mut words = words!["XINFO", "STREAM", key];
            if chance.flag() {
                words.push(word("FULL"));
                words.extend(count(chance));
            }
            words
        }
    }
}

fn read_id(chance: &mut Chance, time: usize, usual: &[u8]) -> Vec<u8> {
    match chance.below(16) {
        0 => word("+"),
        1..=4 => id(chance, time),
        _ => usual.to_vec(),
    }
}

fn xgroup(chance: &mut Chance, key: &[u8], time: usize) -> Words {
    let start = |chance: &mut Chance| if chance.one_in(3) { word("$") } else { id(chance, time) };
    let mut words = match chance.below(8) {
        0..=2 => words!["XGROUP", "CREATE", key, group(chance), start(chance)],
        3 => words!["XGROUP", "SETID", key, group(chance), start(chance)],
        4 if chance.one_in(3) => words!["XGROUP", "DESTROY", key, group(chance)],
        4 | 5 => words!["XGROUP", "CREATECONSUMER", key, group(chance), consumer(chance)],
        6 => words!["XGROUP", "DELCONSUMER", key, group(chance), consumer(chance)],
        _ => words!["XGROUP", "CREATE", key, group(chance), start(chance), "MKSTREAM"],
    };
    if words.len() > 4 && chance.one_in(5) {
        words.extend(words!["ENTRIESREAD", chance.below(20) as i64 - 2]);
    }
    words
}

fn claim(chance: &mut Chance, key: &[u8], time: usize) -> Words {
    let idle = chance.pick(&["0", "0", "0", "50000", "-1", "x"]);
    let mut words = words!["XCLAIM", key, group(chance), consumer(chance), idle];
    words.extend(chance.many(1, 4, |chance| id(chance, time)));
    for _ in 0..chance.below(3) {
        words.extend(match chance.below(7) {
            0 => words!["FORCE"],
            1 => words!["JUSTID"],
            2 => words!["IDLE", chance.pick(&["100000", "0", "-5", "x"])],
            3 => words!["TIME", chance.pick(&["1000000000000", "-1", "9223372036854775807", "x"])],
            4 => words!["RETRYCOUNT", chance.pick(&["0", "7", "-1", "x"])],
            5 => words!["LASTID", id(chance, time)],
            _ => words!["FORCE"],
        });
    }
    words
}

/// Chunks as Redis has them: trimming `~` and what XINFO tells of the tree show them.
#[test]
fn whole_blocks_go_where_those_of_redis_do() {
    compare_runs("blocks of streams", |chance| {
        let mut time = 0;
        (0..COMMANDS * 4)
            .map(|_| match chance.below(60) {
                0 => words!["XTRIM", "a", "MAXLEN", "~", chance.below(500)],
                1 => words![
                    "XTRIM",
                    "a",
                    "MINID",
                    "~",
                    time - chance.below(time + 1),
                    "LIMIT",
                    chance.pick(&[0, 50, 150])
                ],
                2 => words!["XTRIM", "a", "MAXLEN", chance.below(500)],
                3 => words!["XINFO", "STREAM", "a"],
                4 => words!["XLEN", "a"],
                5 => words!["XDEL", "a", time - chance.below(time + 1)],
                _ => {
                    time += 1 + chance.pick(&[0, 0, 0, 0, 1, 300]);
                    words!["XADD", "a", time, "field", "value"]
                }
            })
            .collect()
    });
}

fn session(compat: Compat) -> (ManualClock, Store, Session) {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let session = store.session().compat(compat);
    (clock, store, session)
}

fn bulk(text: &str) -> Reply {
    Reply::Bulk(text.into())
}

fn array(replies: impl IntoIterator<Item = Reply>) -> Reply {
    Reply::Array(replies.into_iter().collect())
}

fn run(session: &mut Session, command: &str) -> Reply {
    session.call(command.split(' '))
}

#[test]
fn ids_and_idle_times_follow_the_clock() {
    let (clock, _store, mut session) = session(Compat::Redis810);
    assert_eq!(run(&mut session, "XADD a * f v"), bulk("946684800000-0"));
    assert_eq!(run(&mut session, "XADD a * f v"), bulk("946684800000-1"));
    clock.advance(Duration::from_millis(5));
    assert_eq!(run(&mut session, "XADD a * f v"), bulk("946684800005-0"));
    run(&mut session, "XGROUP CREATE a g 0");
    run(&mut session, "XREADGROUP GROUP g ann COUNT 1 STREAMS a >");
    clock.advance(Duration::from_millis(70));
    let pending = array([bulk("946684800000-0"), bulk("ann"), Reply::Integer(70), Reply::Integer(1)]);
    assert_eq!(run(&mut session, "XPENDING a g - + 10"), array([pending]));
    let Reply::Array(consumers) = run(&mut session, "XINFO CONSUMERS a g") else { panic!("no list") };
    let pair = |name: &str, number| (bulk(name), Reply::Integer(number));
    let told = vec![(bulk("name"), bulk("ann")), pair("pending", 1), pair("idle", 70), pair("inactive", 70)];
    assert_eq!(consumers, [Reply::Map(told)]);
}

/// By Redis's documentation of 8.2.
#[test]
fn entries_go_with_their_references_or_wait_for_all_groups() {
    let (_clock, _store, mut session) = session(Compat::Redis82);
    let mut ask = |command: &str| run(&mut session, command);
    let codes = |codes: &[i64]| array(codes.iter().map(|code| Reply::Integer(*code)));
    for ms in 1..=6 {
        ask(&format!("XADD a {ms} f v"));
    }
    for group in ["g", "h"] {
        ask(&format!("XGROUP CREATE a {group} 0"));
        ask(&format!("XREADGROUP GROUP {group} ann COUNT 4 STREAMS a >"));
    }
    assert_eq!(ask("XDELEX a ACKED IDS 3 1 5 9"), codes(&[2, 2, 2]));
    assert_eq!(ask("XACKDEL a g ACKED IDS 2 1 1"), codes(&[2, -1]));
    assert_eq!(ask("XACKDEL a h ACKED IDS 1 1"), codes(&[1]));
    assert_eq!(ask("XDELEX a KEEPREF IDS 1 2"), codes(&[1]));
    assert_eq!(ask("XDELEX a DELREF IDS 2 2 3"), codes(&[-1, 1]));
    let left = array([array([bulk("ann"), bulk("1")])]);
    assert_eq!(ask("XPENDING a g"), array([Reply::Integer(1), bulk("4-0"), bulk("4-0"), left]));
    assert_eq!(ask("XTRIM a ACKED MAXLEN 0"), Reply::Integer(0));
    assert_eq!(ask("XTRIM a DELREF MAXLEN 2"), Reply::Integer(1));
    assert_eq!(ask("XACKDEL none g IDS 2 1 2"), codes(&[-1, -1]));
    assert_eq!(ask("XLEN a"), Reply::Integer(2));
}

/// By Redis's documentation of 8.4 and 8.8.
#[test]
fn what_is_pending_for_long_or_given_back_is_claimed_by_who_reads() {
    let (clock, _store, mut session) = session(Compat::Redis810);
    let mut ask = |command: &str| run(&mut session, command);
    for ms in 1..=3 {
        ask(&format!("XADD a {ms} f v"));
    }
    ask("XGROUP CREATE a g 0");
    ask("XREADGROUP GROUP g ann COUNT 1 STREAMS a >");
    clock.advance(Duration::from_millis(40));
    let fields = || array([bulk("f"), bulk("v")]);
    let old = array([bulk("1-0"), fields(), Reply::Integer(40), Reply::Integer(1)]);
    let new = array([bulk("2-0"), fields()]);
    let claimed = array([array([bulk("a"), array([old, new])])]);
    assert_eq!(ask("XREADGROUP GROUP g bob COUNT 2 CLAIM 40 STREAMS a >"), claimed);
    assert_eq!(ask("XNACK a g SILENT IDS 2 1 9"), Reply::Integer(1));
    let given_back = array([bulk("1-0"), bulk(""), Reply::Integer(-1), Reply::Integer(1)]);
    assert_eq!(ask("XPENDING a g - + 1"), array([given_back]));
    let claimed = ask("XCLAIM a g cid 1000000 1");
    assert_eq!(claimed, array([array([bulk("1-0"), fields()])]));
    assert_eq!(ask("XADD a + f v").clone(), ask("XADD a + f v"));
    let last = array([array([bulk("a"), array([array([bulk("3-0"), fields()])])])]);
    assert_eq!(ask("XREAD STREAMS a +"), last);
}

#[test]
fn what_came_later_is_unknown_to_who_came_before() {
    let (_clock, _store, mut session) = session(Compat::Redis72);
    for command in ["XDELEX a IDS 1 1", "XACKDEL a g IDS 1 1", "XNACK a g FAIL IDS 1 1", "XREAD STREAMS a +"]
    {
        assert!(matches!(run(&mut session, command), Reply::Error(_)), "{command}");
    }
}

/// More is pending than is looked at in one piece.
#[test]
fn much_that_is_pending_is_claimed_to_its_end() {
    let adds: Vec<String> = (1..=2500).map(|n| format!("XADD s {n}-1 n {n}")).collect();
    let lines = "XGROUP CREATE s g 0; XREADGROUP GROUP g c STREAMS s >; XDEL s 3-1 1023-1 1024-1 1025-1 2048-1 2049-1; \
        XAUTOCLAIM s g d 3600000 0 COUNT 100; XAUTOCLAIM s g d 3600000 1001-1 COUNT 100; XAUTOCLAIM s g d 3600000 0 COUNT 240; \
        XAUTOCLAIM s g d 3600000 0 COUNT 300; XAUTOCLAIM s g d 0 0 COUNT 1024 JUSTID; XAUTOCLAIM s g d 0 1-1 COUNT 1025 JUSTID; \
        XAUTOCLAIM s g d 0 5-0 COUNT 2048 JUSTID; XAUTOCLAIM s g d 0 0 COUNT 2493 JUSTID; XAUTOCLAIM s g e 0 0 COUNT 2494 JUSTID; \
        XPENDING s g; XAUTOCLAIM s g e 0 2500-1 COUNT 1; XAUTOCLAIM s g e 0 2501-1 COUNT 9999 JUSTID";
    super::compare_lines(' ', adds.iter().map(String::as_str).chain(lines.split("; ")));
}

/// Counters that say more than Redis's numbers hold with a sign.
#[test]
fn counters_go_round_as_in_redis() {
    let lines = "XADD s 1-1 a b; XSETID s 1-1 ENTRIESADDED 9223372036854775807; XGROUP CREATE s g 0; XADD s 2-1 a b; \
        XINFO STREAM s; XINFO GROUPS s; XREADGROUP GROUP g c COUNT 1 STREAMS s >; XINFO GROUPS s; \
        XCLAIM s g d 0 1-1 RETRYCOUNT 9223372036854775807; XPENDING s g - + 10; XCLAIM s g d 0 1-1; XPENDING s g - + 10; \
        XREADGROUP GROUP g d STREAMS s 0; XCLAIM s g d 0 1-1 RETRYCOUNT -5; XPENDING s g - + 10; XAUTOCLAIM s g c 0 0; \
        XPENDING s g - + 10; XGROUP SETID s g 1-1 ENTRIESREAD 9223372036854775807; XINFO GROUPS s; \
        XREADGROUP GROUP g c COUNT 1 STREAMS s >; XINFO GROUPS s; XADD s 3-1 a b; XINFO GROUPS s; XINFO STREAM s FULL; \
        XDEL s 2-1; XINFO GROUPS s; XREADGROUP GROUP g c STREAMS s >; XINFO GROUPS s; XTRIM s MAXLEN 0; XINFO GROUPS s; \
        XAUTOCLAIM s g c 0 0 COUNT 576460752303423487; XAUTOCLAIM s g c 0 0 COUNT 57646075230342348; \
        XAUTOCLAIM s g c 0 0 COUNT 576460752303423488; XAUTOCLAIM none g c 0 0 COUNT 576460752303423487; \
        XAUTOCLAIM s none c 0 0 COUNT 576460752303423487; XAUTOCLAIM s g c 0 0 COUNT 576460752303423487 WHAT";
    super::compare_lines(' ', lines.split("; "));
}

/// What chance seldom comes to, one command after the other.
#[test]
fn edges_are_byte_for_byte_those_of_redis() {
    let mut commands: Vec<String> = (1..=12).map(|n| format!("XADD a {n}-1 n {n}")).collect();
    let rest = "XRANGE a (1-1 (4-1; XRANGE a (12-1 +; XREVRANGE a (12-1 (9-1; XRANGE a (1 2; XRANGE a - + COUNT -1; \
        XINFO STREAM a FULL COUNT -1; XINFO STREAM a FULL COUNT 0; XINFO STREAM a FULL COUNT 2; \
        XADD b 1-1 n 1; XADD b 2-1 n 2; XADD b 3-1 n 3; XADD b 4-1 n 4; XDEL b 2-1; XGROUP CREATE b g 0; XINFO GROUPS b; \
        XREADGROUP GROUP g c STREAMS b >; XINFO GROUPS b; XDEL b 1-1; XINFO GROUPS b; XAUTOCLAIM b g d 0 0 COUNT 1; \
        XAUTOCLAIM b g d 0 0; XPENDING b g; XGROUP CREATE b h 3-1; XINFO GROUPS b; \
        XADD c 10-2 a b; XGROUP CREATE c g 3-0; XSETID c 29 MAXDELETEDID 8-2; XINFO GROUPS c";
    commands.extend(rest.split("; ").map(String::from));
    for server in super::Server::each() {
        for protocol in [larder::Protocol::Resp2, larder::Protocol::Resp3] {
            let mut redis = super::redis::Redis::connect(server.port(), protocol);
            redis.ask(&words!["FLUSHALL"]);
            let mut session = Store::new().session().compat(redis.compat);
            if protocol == larder::Protocol::Resp3 {
                session.call(["HELLO", "3"]);
            }
            for command in &commands {
                let words: Words = command.split(' ').map(|word| word.as_bytes().to_vec()).collect();
                let expected = redis.ask(&words);
                let reply = session.call(words.iter().map(|word| &word[..]));
                let got = session.encode(&reply).escape_ascii().to_string();
                assert_eq!(got, expected.escape_ascii().to_string(), "{command} as {:?}", redis.compat);
            }
        }
    }
}
