//! MULTI, EXEC and WATCH, by two clients in turn.

use larder::{Error, Protocol, Reply, Store};

use super::redis::Redis;
use super::{Words, again, answer, each_round, script, words};
use crate::differential::chance::Chance;

const ROUNDS: u64 = 40;

/// Which of the two, and what it says.
fn draw(chance: &mut Chance) -> (usize, Words) {
    let key = chance.pick(&["a", "b", "c"]);
    let words = match chance.below(18) {
        0 | 1 => words!["MULTI"],
        2 | 3 => words!["EXEC"],
        4 => words!["discard"],
        5 | 6 => words!["WATCH", key],
        7 => words!["UNWATCH"],
        8 => words!["SET", key, chance.number()],
        9 => words!["INCR", key],
        10 => words!["SET", key],
        11 => words!["NOSUCH"],
        16 => words!["EXEC", "now"],
        17 => words!["MULTI", "now"],
        12 => words!["GETDEL", key],
        13 => words!["SET", key, "x", "PX", "0"],
        14 => words!["MSET", key, "1", "d", "2"],
        _ => words!["GET", key],
    };
    (chance.below(2), words)
}

#[test]
fn a_session_that_watches_may_go_within_a_transaction_of_its_store() {
    let store = Store::new();
    let mut session = store.session();
    for _ in 0..3 {
        session.call(["WATCH", "a", "b", "a"]);
    }
    let Reply::Verbatim(_, line) = session.call(["CLIENT", "INFO"]) else { panic!("no text") };
    assert!(String::from_utf8_lossy(&line).contains(" watch=2 "), "{line:?}");
    let gone = store.transaction(["a", "b"], |tx| {
        tx.insert("a", 1)?;
        drop(session);
        Ok::<_, Error>(())
    });
    gone.unwrap();
    store.insert("b", 2).unwrap();
}

#[test]
fn transactions_are_byte_for_byte_those_of_redis() {
    each_round(ROUNDS, |server, seed| {
        let mut redis = [0, 1].map(|_| Redis::connect(server.port(), Protocol::Resp2));
        redis[0].ask(&words!["FLUSHALL"]);
        let store = Store::new();
        let mut sessions = [0, 1].map(|_| store.session().compat(redis[0].compat));
        let mut chance = Chance::new(seed);
        let mut said = Vec::new();
        for _ in 0..200 {
            let (who, words) = draw(&mut chance);
            let ours = answer(&mut sessions[who], &words).to_bytes(Protocol::Resp2);
            let theirs = redis[who].ask(&words);
            said.push([words!["client", who], words].concat());
            assert_eq!(
                ours.escape_ascii().to_string(),
                theirs.escape_ascii().to_string(),
                "{:?}, {}\n{}",
                redis[0].compat,
                again(seed),
                script(&said)
            );
        }
    });
}
