//! What is changed of a large value is written by itself.

use super::*;
use crate::{Bytes, Reply, Session};

/// Elements of each of the large values.
const MANY: usize = 5_000;
/// Bytes that a record takes at the most which says one part.
const FEW: u64 = 160;

#[rustfmt::skip]
const CHANGES: &[&str] = &[
    "APPEND text end", "SETRANGE text 9000 part", "SETBIT text 70000 1",
    "RPUSH list end", "LPUSH list start", "LPOP list", "RPOP list 2", "LSET list 2000 new", "LINSERT list BEFORE e2500 before", "LINSERT list AFTER e9 after",
    "LREM list 1 e3000", "LREM list -1 e3001", "LREM list 0 e3002", "LTRIM list 1 -2", "LMOVE list other LEFT RIGHT", "LMPOP 1 list RIGHT",
    "SADD set new", "SREM set e7", "SPOP set", "SMOVE set others e8",
    "HSET hash e3 new", "HDEL hash e4", "HINCRBY hash number 3", "HPEXPIRE hash 100000 FIELDS 1 e5", "HGETDEL hash FIELDS 1 e6",
    "ZADD zset 9 e3", "ZINCRBY zset 3 e4", "ZREM zset e5", "ZPOPMIN zset", "ZREMRANGEBYRANK zset 5 1000", "ZREMRANGEBYSCORE zset 2000 2500",
    "XADD stream * name value", "XTRIM stream MAXLEN 4000", "XDEL stream 4500-0", "XGROUP CREATE stream group 0", "XREADGROUP GROUP group ann COUNT 1 STREAMS stream >",
    "XACK stream group 1002-0", "XGROUP DELCONSUMER stream group ann", "XGROUP DESTROY stream group",
    "EXPIRE list 100000", "PERSIST list", "DEL set",
];

fn call(session: &mut Session, words: &[Bytes]) {
    let reply = session.call(words.iter().cloned());
    assert!(!matches!(reply, Reply::Error(_) | Reply::Nil), "{words:?}: {reply:?}");
}

fn fill(session: &mut Session) {
    let text = |text: String| Bytes::from(text.into_bytes());
    call(session, &["SET".into(), "text".into(), Bytes::from(vec![b'a'; 10 * MANY])]);
    for n in 0..MANY {
        let (number, element) = (text(n.to_string()), text(format!("e{n}")));
        call(session, &["RPUSH".into(), "list".into(), element.clone()]);
        call(session, &["SADD".into(), "set".into(), element.clone()]);
        call(session, &["HSET".into(), "hash".into(), element.clone(), number.clone()]);
        call(session, &["ZADD".into(), "zset".into(), number, element]);
        let id = text(format!("{}-0", n + 1));
        call(session, &["XADD".into(), "stream".into(), id, "name".into(), "value".into()]);
    }
}

#[test]
fn a_part_is_written_and_not_its_value() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    let store = open_as(builder(&clock), &disk, SyncPolicy::Never).expect("nothing fails");
    let mut session = store.session();
    fill(&mut session);
    let mut written = CHANGES.iter().map(|change| {
        let words: Vec<_> = change.split(' ').map(Bytes::from).collect();
        let before = stats(&store).journal_bytes;
        call(&mut session, &words);
        (change, stats(&store).journal_bytes - before)
    });
    let others: Vec<_> = written.by_ref().filter(|(_, bytes)| !(1..=FEW).contains(bytes)).collect();
    assert!(others.is_empty(), "{others:?}");
    drop(written);
    let held = store.dump().expect("in no transaction");
    drop((session, store));
    let difference = found(&disk, &clock).difference(&held);
    assert!(difference.is_empty(), "{difference}");
}
