//! Commands that no server here has: what Redis's documentation says of them.

use std::thread;
use std::time::Duration;

use larder::{Compat, Reply, Session, Store};

use crate::support::{manual_store, until};

/// Of a command's words, apart by spaces.
fn call(session: &mut Session, words: &str) -> Reply {
    session.call(words.split(' '))
}

fn bulks(words: &[&str]) -> Reply {
    Reply::Array(words.iter().map(|word| Reply::Bulk((*word).into())).collect())
}

fn counted(value: i64, applied: i64) -> Reply {
    Reply::Array(vec![Reply::Integer(value), Reply::Integer(applied)])
}

fn error(reply: Reply) -> String {
    match reply {
        Reply::Error(error) => error.to_string(),
        other => panic!("no error: {other:?}"),
    }
}

#[test]
fn digests_are_told_and_compared() {
    let mut session = Store::new().session();
    let mut call = |words: &str| call(&mut session, words);
    assert_eq!(call("DIGEST key1"), Reply::Nil);
    call("SET key1 x");
    assert_eq!(call("SET key1 Hello_world"), Reply::OK);
    let Reply::Bulk(digest) = call("DIGEST key1") else { panic!("no digest") };
    let digest = String::from_utf8(digest.to_vec()).unwrap();
    assert_eq!(digest.len(), 16);
    let capitals = digest.to_ascii_uppercase();
    assert_eq!(call("SET key1 b IFDEQ 0000000000000000"), Reply::Nil);
    assert_eq!(call(&format!("SET key1 b IFDNE {digest} GET")), Reply::Bulk("Hello_world".into()));
    assert_eq!(call(&format!("DELEX key1 IFDNE {digest}")), Reply::Integer(0));
    assert_eq!(call(&format!("SET key1 b IFDEQ {capitals}")), Reply::OK);
    assert_eq!(call("DELEX key1 IFDEQ zzzzzzzzzzzzzzzz"), Reply::Integer(0));
    let wrong = call("DELEX key1 IFDEQ 123");
    assert!(error(wrong).ends_with("must be exactly 16 hexadecimal characters"));
    assert_eq!(call("DELEX key1 IFNE b"), Reply::Integer(0));
    assert_eq!(call("DELEX key1 IFEQ b"), Reply::Integer(1));
    assert_eq!(call("DELEX key1 IFEQ b"), Reply::Integer(0));
}

#[test]
fn the_documented_digest() {
    let mut session = Store::new().session();
    session.call(["SET", "key1", "Hello world"]);
    assert_eq!(session.call(["DIGEST", "key1"]), Reply::Bulk("b6acb9d84a38ff74".into()));
}

#[test]
fn sorted_sets_are_counted() {
    let mut session = Store::new().session();
    for words in ["ZADD a 1 x 2 y", "ZADD b 9 x inf z", "SADD c x"] {
        call(&mut session, words);
    }
    let scores = |reply| match reply {
        Reply::Pairs(pairs) => pairs,
        other => panic!("no scores: {other:?}"),
    };
    let pair = |member: &str, score| (Reply::Bulk(member.into()), Reply::Double(score));
    let counted = call(&mut session, "ZUNIONSTORE out 3 a b c AGGREGATE COUNT");
    assert_eq!(counted, Reply::Integer(3));
    let united = scores(call(&mut session, "ZRANGE out 0 -1 WITHSCORES"));
    assert_eq!(united, [pair("y", 1.0), pair("z", 1.0), pair("x", 3.0)]);
    let both = scores(call(&mut session, "ZINTER 2 a b WEIGHTS 2 0.5 AGGREGATE count WITHSCORES"));
    assert_eq!(both, [pair("x", 2.5)]);
    let mut older = Store::new().session().compat(Compat::Redis82);
    assert_eq!(error(call(&mut older, "ZUNION 1 a AGGREGATE COUNT")), "ERR syntax error");
}

#[test]
fn delex_takes_any_type_without_a_condition() {
    let mut session = Store::new().session();
    let mut call = |words: &str| call(&mut session, words);
    call("RPUSH list a");
    let no_string = "ERR Key should be of string type if conditions are specified";
    assert_eq!(error(call("DELEX list FOO a")), no_string);
    assert_eq!(error(call("DELEX list IFEQ")), "ERR wrong number of arguments for 'delex' command");
    assert_eq!(call("DELEX list"), Reply::Integer(1));
    call("SET key a");
    assert_eq!(error(call("DELEX key FOO a")), "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
    let mut old = Store::new().session().compat(Compat::Redis82);
    assert!(error(old.call(["DELEX", "key"])).starts_with("ERR unknown command"));
}

#[test]
fn increx_keeps_within_bounds() {
    let mut session = Store::new().session();
    let mut call = |words: &str| call(&mut session, words);
    assert_eq!(call("INCREX k"), counted(1, 1));
    assert_eq!(call("INCREX k BYINT -10 EX 100"), counted(-9, -10));
    assert_eq!(call("TTL k"), Reply::Integer(100));
    assert_eq!(call("INCREX k BYINT 19 EX 500 ENX"), counted(10, 19));
    assert_eq!(call("INCREX k BYINT 5 UBOUND 12 PERSIST"), counted(10, 0));
    assert_eq!(call("TTL k"), Reply::Integer(100));
    assert_eq!(call("INCREX k BYINT 5 UBOUND 12 SATURATE"), counted(12, 2));
    assert_eq!(call("INCREX k PERSIST"), counted(13, 1));
    assert_eq!(call("TTL k"), Reply::Integer(-1));
    assert_eq!(call("INCREX none UBOUND 0"), counted(0, 0));
    assert_eq!(call("EXISTS none"), Reply::Integer(0));
    assert_eq!(call("INCREX none LBOUND 5 SATURATE"), counted(5, 5));
    call("SET k 9223372036854775800");
    assert_eq!(call("INCREX k BYINT 100"), counted(9_223_372_036_854_775_800, 0));
    assert_eq!(call("INCREX k BYINT 100 SATURATE"), counted(i64::MAX, 7));
    let overflow = call("INCREX k BYINT -5 UBOUND -9223372036854775808 SATURATE");
    assert_eq!(error(overflow), "ERR applied increment would overflow");
    let double = |value, applied| Reply::Array(vec![Reply::Double(value), Reply::Double(applied)]);
    call("SET f 10");
    assert_eq!(call("INCREX f BYFLOAT 2.5 LBOUND 5.0 UBOUND 15.0"), double(12.5, 2.5));
    assert_eq!(call("INCREX f BYFLOAT 5.5 UBOUND 14.5"), double(12.5, 0.0));
    assert_eq!(call("INCREX f BYFLOAT -6.0 LBOUND 8.0 SATURATE"), double(8.0, -4.5));
    assert_eq!(call("GET f"), Reply::Bulk("8".into()));
    assert_eq!(call("INCREX f BYFLOAT 1.0 LBOUND inf UBOUND inf"), double(8.0, 0.0));
    let infinite = call("INCREX f BYFLOAT 1.0 LBOUND inf UBOUND inf SATURATE");
    assert_eq!(error(infinite), "ERR applied increment would be Infinity");
    assert_eq!(error(call("INCREX f ENX")), "ERR ENX flag requires an expiration");
    assert_eq!(error(call("INCREX k LBOUND 2 UBOUND 1")), "ERR LBOUND can't be greater than UBOUND");
    assert_eq!(error(call("INCREX k BYFLOAT 1 LBOUND inf")), "ERR LBOUND can't be greater than UBOUND");
    assert_eq!(error(call("INCREX k UBOUND 1.5")), "ERR UBOUND is not an integer or out of range");
    assert_eq!(error(call("INCREX k BYINT 1 BYFLOAT 2")), "ERR syntax error");
    assert_eq!(error(call("INCREX k EX 1 PERSIST")), "ERR syntax error");
    assert_eq!(error(call("INCREX k EX 0")), "ERR invalid expire time in 'increx' command");
}

#[test]
fn several_elements_are_moved_in_either_order() {
    let store = Store::new();
    let mut session = store.session();
    let mut call = |words: &str| call(&mut session, words);
    call("RPUSH a 1 2 3 4 5 6");
    assert_eq!(call("LMOVEM a b LEFT LEFT COUNT 2 OBO"), bulks(&["2", "1"]));
    assert_eq!(call("LMOVEM a b RIGHT RIGHT COUNT 2 OBO"), bulks(&["6", "5"]));
    assert_eq!(call("LRANGE b 0 -1"), bulks(&["2", "1", "6", "5"]));
    assert_eq!(call("LMOVEM b a RIGHT LEFT EXACTLY 2 BULK"), bulks(&["6", "5"]));
    assert_eq!(call("LRANGE a 0 -1"), bulks(&["6", "5", "3", "4"]));
    assert_eq!(call("LMOVEM a a LEFT LEFT EXACTLY 2 OBO"), bulks(&["5", "6"]));
    assert_eq!(call("LMOVEM a a LEFT LEFT EXACTLY 3 BULK"), bulks(&["5", "6", "3"]));
    assert_eq!(call("LMOVEM a a LEFT RIGHT COUNT 9 BULK"), bulks(&["5", "6", "3", "4"]));
    assert_eq!(call("LMOVEM a b LEFT LEFT EXACTLY 5 BULK"), Reply::NilArray);
    assert_eq!(call("LMOVEM a b LEFT RIGHT"), bulks(&["5"]));
    assert_eq!(call("LMOVEM none b LEFT RIGHT"), bulks(&[]));
    assert_eq!(call("LMOVEM none b LEFT RIGHT COUNT 2 BULK"), bulks(&[]));
    assert_eq!(call("LMOVEM none b LEFT RIGHT EXACTLY 2 BULK"), Reply::NilArray);
    assert!(error(call("LMOVEM a b LEFT RIGHT COUNT 0 BULK")).starts_with("ERR count"));
    assert_eq!(error(call("LMOVEM a b LEFT RIGHT COUNT 2")), "ERR syntax error");
    call("SET word x");
    assert!(error(call("LMOVEM a word LEFT RIGHT COUNT 2 BULK")).starts_with("WRONGTYPE"));
    assert_eq!(call("LRANGE a 0 -1"), bulks(&["6", "3", "4"]));
    assert_eq!(call("LMOVEM a b LEFT LEFT COUNT 9 BULK"), bulks(&["6", "3", "4"]));
    assert_eq!(call("EXISTS a"), Reply::Integer(0));
    assert_eq!(call("LRANGE b 0 -1"), bulks(&["6", "3", "4", "2", "1", "5"]));
}

#[test]
fn who_waits_for_several_leaves_fewer_to_others() {
    let (clock, store) = manual_store();
    thread::scope(|scope| {
        let waiter = scope.spawn(|| call(&mut store.session(), "BLMOVEM a b LEFT RIGHT 0 EXACTLY 3 BULK"));
        until("waiter", || store.waiting().unwrap() >= 1);
        let mut session = store.session();
        call(&mut session, "RPUSH a 1 2");
        assert_eq!(store.waiting().unwrap(), 1);
        assert_eq!(call(&mut session, "BLPOP a 0"), bulks(&["a", "1"]));
        call(&mut session, "LINSERT a BEFORE 2 0");
        assert_eq!(store.waiting().unwrap(), 1);
        call(&mut session, "RPUSH a 3 4");
        assert_eq!(waiter.join().unwrap(), bulks(&["0", "2", "3"]));
        assert_eq!(call(&mut session, "LRANGE a 0 -1"), bulks(&["4"]));
        assert_eq!(call(&mut session, "LRANGE b 0 -1"), bulks(&["0", "2", "3"]));
    });
    thread::scope(|scope| {
        let waiter = scope.spawn(|| call(&mut store.session(), "BLMOVEM none b LEFT RIGHT 1 COUNT 3 OBO"));
        until("waiter", || store.waiting().unwrap() >= 1);
        clock.advance(Duration::from_secs(1));
        assert_eq!(waiter.join().unwrap(), Reply::NilArray);
    });
    let mut session = store.session();
    assert_eq!(call(&mut session, "BLMOVEM a b LEFT RIGHT 0 COUNT 3 OBO"), bulks(&["4"]));
}

#[test]
fn members_of_several_sets_are_counted() {
    let mut session = Store::new().session();
    let mut call = |words: &str| call(&mut session, words);
    call("SADD key1 a b c");
    call("SADD key2 c d e");
    assert_eq!(call("SUNIONCARD 2 key1 key2"), Reply::Integer(5));
    assert_eq!(call("SUNIONCARD 2 key1 key2 LIMIT 3"), Reply::Integer(3));
    assert_eq!(call("SUNIONCARD 2 key1 none LIMIT 0 APPROX"), Reply::Integer(3));
    assert_eq!(call("SDIFFCARD 2 key1 key2"), Reply::Integer(2));
    assert_eq!(call("SDIFFCARD 2 key1 key2 LIMIT 1"), Reply::Integer(1));
    assert_eq!(error(call("SDIFFCARD 2 key1 key2 APPROX")), "ERR syntax error");
    call("SET word x");
    assert!(error(call("SUNIONCARD 2 key1 word")).starts_with("WRONGTYPE"));
}

#[test]
fn hashes_of_the_same_fields_are_imported() {
    let store = Store::new();
    let mut session = store.session();
    let mut ask = |words: &str| call(&mut session, words);
    assert_eq!(ask("HIMPORT PREPARE u name email age"), Reply::OK);
    assert_eq!(ask("HIMPORT PREPARE o id total"), Reply::OK);
    ask("HSET user:1 old 1");
    ask("EXPIRE user:1 100");
    assert_eq!(ask("HIMPORT SET user:1 u alice a@example.com 30"), Reply::OK);
    assert_eq!(ask("HLEN user:1"), Reply::Integer(3));
    assert_eq!(ask("HGET user:1 age"), Reply::Bulk("30".into()));
    assert_eq!(ask("TTL user:1"), Reply::Integer(-1));
    ask("SET word x");
    assert!(error(ask("HIMPORT SET word o 1 2")).starts_with("WRONGTYPE"));
    assert!(error(ask("HIMPORT SET user:2 u 1")).starts_with("ERR value count does not match"));
    assert_eq!(error(ask("HIMPORT PREPARE d a b a")), "ERR duplicate field name in fieldset");
    assert_eq!(error(ask("HIMPORT SET user:2 d 1 2 3")), "ERR no such fieldset");
    assert_eq!(ask("HIMPORT DISCARD o"), Reply::Integer(1));
    assert_eq!(ask("HIMPORT DISCARD o"), Reply::Integer(0));
    assert_eq!(ask("HIMPORT DISCARDALL"), Reply::Integer(1));
    ask("HIMPORT PREPARE u name");
    ask("RESET");
    assert_eq!(error(ask("HIMPORT SET user:2 u 1")), "ERR no such fieldset");
    assert_eq!(error(call(&mut store.session(), "HIMPORT SET user:2 u 1")), "ERR no such fieldset");
}

/// The ids that a read of streams has given, by stream.
fn ids(reply: Reply) -> Vec<(String, Vec<String>)> {
    let text = |reply: &Reply| match reply {
        Reply::Bulk(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
        other => panic!("no text: {other:?}"),
    };
    let parts = |reply: &Reply| match reply {
        Reply::Array(parts) => parts.clone(),
        Reply::NilArray => Vec::new(),
        other => panic!("no array: {other:?}"),
    };
    let streams = parts(&reply).into_iter().map(|stream| parts(&stream));
    streams
        .map(|stream| {
            (text(&stream[0]), parts(&stream[1]).iter().map(|entry| text(&parts(entry)[0])).collect())
        })
        .collect()
}

fn three_streams() -> Session {
    let mut session = Store::new().session();
    for stream in ["s1", "s2", "s3"] {
        for id in 1..=3 {
            call(&mut session, &format!("XADD {stream} {id}-0 field {}", "v".repeat(50)));
        }
        call(&mut session, &format!("XGROUP CREATE {stream} g 0"));
    }
    session
}

fn named(of: &[(&str, &[&str])]) -> Vec<(String, Vec<String>)> {
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    of.iter().map(|(name, ids)| ((*name).to_owned(), owned(ids))).collect()
}

#[test]
fn a_read_of_many_streams_gives_so_many_entries_in_all() {
    let mut session = three_streams();
    let mut read = |words: &str| ids(call(&mut session, words));
    let two_and_one = named(&[("s1", &["1-0", "2-0"]), ("s2", &["1-0"])]);
    assert_eq!(read("XREAD COUNT 2 MAXCOUNT 3 STREAMS s1 s2 s3 0 0 0"), two_and_one);
    assert_eq!(read("XREAD MAXCOUNT 1 STREAMS none s3 0 0"), named(&[("s3", &["1-0"])]));
    assert_eq!(read("XREAD MAXCOUNT 100 STREAMS s1 3"), named(&[]));
    // What is left out is still to be read by the group.
    let grouped = "XREADGROUP GROUP g ann COUNT 2 MAXCOUNT 3 STREAMS s1 s2 s3 > > >";
    assert_eq!(read(grouped), two_and_one);
    assert_eq!(read(grouped), named(&[("s1", &["3-0"]), ("s2", &["2-0", "3-0"])]));
    assert_eq!(
        read("XREADGROUP GROUP g ann MAXCOUNT 4 STREAMS s1 s2 0 0"),
        named(&[("s1", &["1-0", "2-0", "3-0"]), ("s2", &["1-0"])])
    );
    assert_eq!(
        read("XREADGROUP GROUP g bob MAXCOUNT 2 CLAIM 0 STREAMS s1 s3 > >"),
        named(&[("s1", &["1-0", "2-0"])])
    );
}

#[test]
fn a_read_of_many_streams_ends_where_its_reply_has_a_size() {
    let mut session = three_streams();
    let mut read = |words: &str| ids(call(&mut session, words));
    // However little it may be, there is one.
    assert_eq!(read("XREAD MAXSIZE 1 STREAMS s1 s2 0 0"), named(&[("s1", &["1-0"])]));
    // An entry takes some ninety bytes: the third goes beyond.
    let three = named(&[("s1", &["1-0", "2-0", "3-0"])]);
    assert_eq!(read("XREAD MAXSIZE 250 STREAMS s1 s2 0 0"), three);
    assert_eq!(read("XREADGROUP GROUP g ann MAXSIZE 250 STREAMS s1 s2 > >"), three);
    assert_eq!(read("XREAD MAXSIZE 1000000 STREAMS s1 s2 s3 0 0 0").len(), 3);
}

#[test]
fn limits_of_a_read_are_above_zero_and_go_together() {
    let mut session = three_streams();
    let mut fails = |words: &str| error(call(&mut session, words));
    for number in ["0", "-1", "x", "9223372036854775808"] {
        let words = |name: &str| format!("XREAD {name} {number} STREAMS s1 0");
        assert_eq!(fails(&words("MAXCOUNT")), "ERR MAXCOUNT must be a positive integer");
        assert_eq!(fails(&words("MAXSIZE")), "ERR MAXSIZE must be a positive integer");
    }
    let smaller = "ERR MAXCOUNT must be greater than or equal to COUNT";
    assert_eq!(fails("XREAD MAXCOUNT 2 COUNT 3 STREAMS s1 0"), smaller);
    let mut older = Store::new().session().compat(Compat::Redis82);
    assert_eq!(error(call(&mut older, "XREAD MAXCOUNT 2 STREAMS s1 0")), "ERR syntax error");
    let keys = call(&mut session, "COMMAND GETKEYS XREAD MAXCOUNT 2 MAXSIZE 7 STREAMS s1 s2 0 0");
    assert_eq!(keys, bulks(&["s1", "s2"]));
}
