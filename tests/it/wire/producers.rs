//! Messages of streams that are added once, which no server here knows: what Redis's documentation and its own tests
//! say of them.

use std::time::Duration;

use larder::{AddedOnce, Clock, Compat, ManualClock, Reply, Retention, Session, Store, Stream, StreamId};

use crate::support::{manual_store, picture};

fn call(session: &mut Session, words: &str) -> Reply {
    session.call(words.split(' ').map(|word| if word == "''" { "" } else { word }))
}

fn told(session: &mut Session, words: &str) -> String {
    match call(session, words) {
        Reply::Error(error) => error.to_string(),
        Reply::Bulk(text) => String::from_utf8(text.to_vec()).unwrap(),
        Reply::Status(text) => text.into_owned(),
        other => format!("{other:?}"),
    }
}

/// What XINFO STREAM tells of producers: seconds, most messages; producers, messages; added, duplicates.
fn known(session: &mut Session, full: &str) -> [i64; 6] {
    let Reply::Map(pairs) = call(session, &format!("XINFO STREAM s{full}")) else { panic!("no map") };
    let names =
        ["idmp-duration", "idmp-maxsize", "pids-tracked", "iids-tracked", "iids-added", "iids-duplicates"];
    names.map(|name| {
        let pair = pairs.iter().find(|(key, _)| *key == Reply::Bulk(name.into()));
        let Some((_, Reply::Integer(number))) = pair else { panic!("no {name}") };
        *number
    })
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mut session = Store::new().session();
    let twice = "ERR IDMP/IDMPAUTO specified multiple times";
    let id = "ERR Invalid stream ID specified as stream command argument";
    let auto = "ERR IDMP/IDMPAUTO can be used only with auto-generated IDs";
    for (words, text) in [
        ("XADD s IDMP p * f v", id),
        ("XADD s IDMP p 1 1-1 f v", auto),
        ("XADD s IDMP p 1 7-* f v", auto),
        ("XADD s IDMPAUTO p 1-1 f v", auto),
        ("XADD s IDMP p 1 IDMP q 2 * f v", twice),
        ("XADD s IDMPAUTO p IDMP q 2 * f v", twice),
        ("XADD s IDMP p 1 IDMPAUTO q * f v", twice),
        ("XADD s IDMP '' 1 * f v", "ERR IDMP requires a non-empty producer ID"),
        ("XADD s IDMP p '' * f v", "ERR IDMP requires a non-empty idempotent ID"),
        ("XADD s IDMPAUTO '' * f v", "ERR IDMPAUTO requires a non-empty producer ID"),
        ("XADD s IDMP p 1 * f", "ERR wrong number of arguments for 'xadd' command"),
        ("XCFGSET s IDMP-DURATION 5", "ERR no such key"),
        ("XIDMPRECORD s p 1 1-1", "ERR no such key"),
    ] {
        assert_eq!(told(&mut session, words), text, "{words}");
    }
    call(&mut session, "XADD s 1-1 f v");
    let integer = "ERR value is not an integer or out of range";
    let seconds = "ERR IDMP-DURATION must be between 1 and 86400 seconds";
    let most = "ERR IDMP-MAXSIZE must be between 1 and 10000 entries";
    for (words, text) in [
        ("XCFGSET s", "ERR At least one parameter must be specified"),
        ("XCFGSET s IDMP-DURATION", "ERR syntax error"),
        ("XCFGSET s FOO 1", "ERR syntax error"),
        ("XCFGSET s IDMP-DURATION 007", integer),
        ("XCFGSET s IDMP-MAXSIZE IDMP-MAXSIZE IDMP-MAXSIZE", integer),
        ("XCFGSET s IDMP-DURATION 0", seconds),
        ("XCFGSET s IDMP-DURATION 86401", seconds),
        ("XCFGSET s IDMP-DURATION 5 IDMP-MAXSIZE -1", most),
        ("XCFGSET s IDMP-MAXSIZE 10001", most),
        ("XIDMPRECORD s p 1 2-2", "ERR The specified stream ID was deleted or doesn't exist"),
        ("XIDMPRECORD s '' 1 1-1", "ERR IDMP requires a non-empty producer ID"),
        ("XIDMPRECORD s p '' 1-1", "ERR IDMP requires a non-empty idempotent ID"),
    ] {
        assert_eq!(told(&mut session, words), text, "{words}");
    }
    assert_eq!(known(&mut session, ""), [100, 100, 0, 0, 0, 0]);
    call(&mut session, "SET text x");
    for words in ["XADD text IDMP p 1 * f v", "XCFGSET text IDMP-DURATION 5", "XIDMPRECORD text p 1 1-1"] {
        assert!(told(&mut session, words).starts_with("WRONGTYPE"), "{words}");
    }
}

#[test]
fn older_servers_have_none_of_it() {
    for compat in [Compat::Redis70, Compat::Redis82, Compat::Valkey9] {
        let mut session = Store::new().session().compat(compat);
        assert!(told(&mut session, "XADD s IDMP p 1 * f v").starts_with("ERR Invalid stream ID"));
        assert!(told(&mut session, "XCFGSET s IDMP-DURATION 5").starts_with("ERR unknown command"));
        assert!(told(&mut session, "XIDMPRECORD s p 1 1-1").starts_with("ERR unknown command"));
        call(&mut session, "XADD s * f v");
        assert!(!format!("{:?}", call(&mut session, "XINFO STREAM s")).contains("idmp"));
    }
}

#[test]
fn a_message_is_added_once_for_its_producer() {
    let mut session = Store::new().session();
    let mut add = |words: &str| told(&mut session, &format!("XADD s {words}"));
    assert_eq!(add("NOMKSTREAM IDMP p 1 * f v"), "Nil");
    let first = add("IDMP p 1 * amount 100");
    assert_eq!(add("IDMP p 1 * amount 200"), first);
    assert_eq!(add("MAXLEN 0 IDMP p 1 KEEPREF NOMKSTREAM * amount 200"), first);
    let other = add("IDMP q 1 * amount 100");
    // An id may look like anything.
    assert!(other > first && add("IDMP p * * f v") > other && add("IDMP p IDMP * f v") > other);
    let auto = add("IDMPAUTO r * a 1 b 2");
    assert_eq!(add("IDMPAUTO r MAXLEN ~ 100 * b 2 a 1"), auto);
    assert!(add("IDMPAUTO r * a 2 b 1") > auto && add("IDMPAUTO t * a 1 b 2") > auto);
    assert_eq!(call(&mut session, "XLEN s"), Reply::Integer(7));
    assert_eq!(known(&mut session, ""), [100, 100, 4, 7, 7, 3]);
    assert_eq!(known(&mut session, " FULL"), [100, 100, 4, 7, 7, 3]);
    let Reply::Array(entries) = call(&mut session, "XRANGE s - + COUNT 1") else { panic!("no entries") };
    assert!(format!("{entries:?}").contains("100"));
}

#[test]
fn a_duplicate_is_told_to_nobody_and_a_taken_back_message_may_come_again() {
    let (_clock, store) = manual_store();
    let mut session = store.session();
    call(&mut session, "XADD s IDMP p 1 * f v");
    let mut other = store.session();
    call(&mut session, "WATCH s");
    call(&mut other, "XADD s IDMP p 1 * f v");
    call(&mut session, "MULTI");
    call(&mut session, "XADD s IDMP p 1 * f v");
    assert!(matches!(call(&mut session, "EXEC"), Reply::Array(replies) if replies.len() == 1));
    let before = picture(&store);
    let stream = store.stream::<String, String>("s");
    let taken_back = store.transaction(["s"], |tx| {
        let stream = tx.stream::<String, String>("s");
        assert!(matches!(stream.add_once("p", "2", [("f", "v")])?, AddedOnce::Added(_)));
        stream.set_retention(Retention::new(1, 1).unwrap())?;
        Err::<(), _>(larder::Error::NoSuchKey)
    });
    assert!(taken_back.is_err());
    assert_eq!(picture(&store), before);
    assert_eq!(stream.producers().unwrap().messages, 1);
    assert!(matches!(stream.add_once("p", "2", [("f", "v")]).unwrap(), AddedOnce::Added(_)));
}

#[test]
fn messages_are_known_for_a_time_and_up_to_a_number() {
    let (clock, store) = manual_store();
    let mut session = store.session();
    let add = |session: &mut Session, words: &str| told(session, &format!("XADD s IDMP {words} * f v"));
    let first = add(&mut session, "p 1");
    assert_eq!(told(&mut session, "XCFGSET s IDMP-DURATION 100 IDMP-MAXSIZE 100"), "OK");
    assert_eq!(add(&mut session, "p 1"), first);
    // Another time or number: all is forgotten but what was counted.
    assert_eq!(told(&mut session, "XCFGSET s IDMP-MAXSIZE 3"), "OK");
    assert_eq!(known(&mut session, ""), [100, 3, 0, 0, 1, 1]);
    let ids: Vec<_> = (1..=4).map(|n| add(&mut session, &format!("p {n}"))).collect();
    assert!(!ids.contains(&first));
    assert_eq!(known(&mut session, ""), [100, 3, 1, 3, 5, 1]);
    for n in 2..=4 {
        assert_eq!(add(&mut session, &format!("p {n}")), ids[n - 1]);
    }
    assert_ne!(add(&mut session, "p 1"), ids[0]);
    assert_eq!(told(&mut session, "XCFGSET s IDMP-DURATION 2"), "OK");
    let (old, _) = (add(&mut session, "p a"), clock.advance(Duration::from_millis(1_500)));
    let new = add(&mut session, "q b");
    clock.advance(Duration::from_millis(499));
    assert_eq!(add(&mut session, "p a"), old);
    clock.advance(Duration::from_millis(1));
    assert_eq!(known(&mut session, "")[2..4], [1, 1]);
    assert_ne!(add(&mut session, "p a"), old);
    assert_eq!(add(&mut session, "q b"), new);
    assert_eq!(known(&mut session, "")[2..4], [2, 2]);
}

#[test]
fn what_is_over_takes_no_memory_once_anything_is_added() {
    let (clock, store) = manual_store();
    let stream = store.stream::<String, u32>("s");
    stream.add_once("p", "0", [("n", 0)]).unwrap();
    let bytes = || store.stats().unwrap().bytes;
    let before = bytes();
    for n in 0..2_000 {
        let producer = format!("a producer with a rather long name {n}");
        stream.add_once(producer, "1", [("n", n)]).unwrap();
    }
    assert!(bytes() > before + 200_000);
    clock.advance(Duration::from_secs(100));
    stream.trim(larder::StreamTrim::to_len(0)).unwrap();
    let late = bytes();
    assert!(late > before + 200_000);
    // By a message with an id or without one, and by any other entry.
    type Add = fn(&Stream<'_, String, u32>) -> StreamId;
    let adds: [Add; 3] = [
        |stream| stream.add_once("q", "1", [("n", 1)]).unwrap().id(),
        |stream| stream.add([("n", 1)]).unwrap(),
        |stream| stream.add_distinct("q", [("n", 1)]).unwrap().id(),
    ];
    for add in adds {
        let fork = store.fork().unwrap();
        add(&fork.stream("s"));
        let left = fork.stats().unwrap().bytes;
        assert!(left < before + 20_000, "{left} and {before}");
    }
}

#[test]
fn an_entry_can_be_recorded_as_a_message() {
    let (_clock, store) = manual_store();
    let mut session = store.session();
    let id = told(&mut session, "XADD s * f v");
    let other = told(&mut session, "XADD s * f v");
    assert_eq!(told(&mut session, &format!("XIDMPRECORD s p 1 {id}")), "OK");
    assert_eq!(told(&mut session, &format!("XIDMPRECORD s p 1 {id}")), "OK");
    let text = "ERR The specified IDMP producer-id/idempotent-id pair maps to a different stream ID";
    assert_eq!(told(&mut session, &format!("XIDMPRECORD s p 1 {other}")), text);
    assert_eq!(told(&mut session, "XADD s IDMP p 1 * f v"), id);
    // What is over when it comes is known to nobody.
    call(&mut session, "XADD t 1-1 f v");
    assert_eq!(told(&mut session, "XIDMPRECORD t p 1 1-1"), "OK");
    assert_ne!(told(&mut session, "XADD t IDMP p 1 * f v"), "1-1");
}

#[test]
fn the_settings_hold_for_streams_that_have_heard_of_no_producer() {
    let mut session = Store::new().session();
    assert!(told(&mut session, "CONFIG SET stream-idmp-duration 0").contains("must be between"));
    assert_eq!(told(&mut session, "CONFIG SET stream-idmp-duration 7 stream-idmp-maxsize 2"), "OK");
    call(&mut session, "XADD s IDMP p 1 * f v");
    assert_eq!(known(&mut session, "")[..2], [7, 2]);
    assert_eq!(told(&mut session, "CONFIG SET stream-idmp-duration 9"), "OK");
    assert_eq!(known(&mut session, "")[..2], [7, 2]);
}

#[test]
fn they_survive_a_snapshot_a_file_of_redis_and_a_dump() {
    let clock = ManualClock::new();
    let open = || Store::builder().clock(Clock::from(clock.clone()));
    let store = open().build();
    let mut session = store.session();
    call(&mut session, "XADD s IDMP p 1 * f v");
    assert_eq!(told(&mut session, "XCFGSET s IDMP-DURATION 60 IDMP-MAXSIZE 50"), "OK");
    let ids: Vec<_> =
        ["p 1", "p 2", "q 1"].map(|of| told(&mut session, &format!("XADD s IDMP {of} * f v"))).into();
    call(&mut session, "XADD s IDMP q 1 * f v");
    let expected = known(&mut session, "");
    assert_eq!(expected, [60, 50, 2, 3, 4, 1]);
    let dir = std::env::temp_dir().join(format!("larder-producers-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    let (snapshot, rdb) = (dir.join("snapshot"), dir.join("dump.rdb"));
    store.save(&snapshot).unwrap();
    store.save_rdb(&rdb, Compat::Redis810).unwrap();
    let refused = store.save_rdb(dir.join("old.rdb"), Compat::Redis82).unwrap_err().to_string();
    assert!(refused.contains("a stream with messages under ids of their producers"), "{refused}");
    let Reply::Bulk(payload) = call(&mut session, "DUMP s") else { panic!("no payload") };
    let restored = open().build();
    assert_eq!(restored.session().call(["RESTORE".into(), "s".into(), "0".into(), payload]), Reply::OK);
    let from_file = open().load_rdb(&rdb).unwrap();
    for store in [open().load(&snapshot).unwrap(), restored, from_file] {
        let mut session = store.session();
        assert_eq!(known(&mut session, ""), expected);
        for (of, id) in ["p 1", "p 2", "q 1"].iter().zip(&ids) {
            assert_eq!(told(&mut session, &format!("XADD s IDMP {of} * f v")), *id);
        }
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
