//! What a client that listens to channels may say, and is told.

use larder::{Protocol, Reply, Store};

use super::redis::Redis;
use super::{Words, again, answer, each_round, script, words};
use crate::differential::chance::Chance;

const ROUNDS: u64 = 13;

/// One channel and one pattern, so that nothing is told in an order of its own.
fn draw(chance: &mut Chance) -> Words {
    match chance.below(16) {
        0 | 1 => words!["SUBSCRIBE", "a", "a"],
        2 | 3 => words!["PSUBSCRIBE", "p*"],
        4 => words!["UNSUBSCRIBE"],
        5 => words!["PUNSUBSCRIBE", "p*", "nothing"],
        6 => words!["unsubscribe", "a"],
        7 => words!["PING"],
        8 => words!["PING", "text"],
        9 => words!["GET", "a"],
        10 => words!["GET"],
        11 => words!["PUBSUB", chance.pick(&["NUMPAT", "CHANNELS", "WHAT"])],
        12 => words!["SUBSCRIBE"],
        13 => words!["pubsub", chance.pick(&["SHARDCHANNELS", "shardnumsub"]), "a"],
        14 => words!["PUBSUB", chance.pick(&["channels", "SHARDCHANNELS", "NUMPAT"]), "a", "b"],
        _ => words![chance.pick(&["RESET", "MULTI", "EXEC", "PUNSUBSCRIBE"])],
    }
}

/// Replies beyond the first: within EXEC too, whose count does not tell of them.
fn more(reply: &Reply) -> usize {
    match reply {
        Reply::Several(replies) => replies.len() - 1,
        Reply::Array(replies) => replies.iter().map(more).sum(),
        _ => 0,
    }
}

#[test]
fn who_listens_is_told_what_redis_tells() {
    each_round(ROUNDS, |server, seed| {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        redis.ask(&words!["FLUSHALL"]);
        let mut session = Store::new().session().compat(redis.compat);
        let mut chance = Chance::new(seed);
        let mut said = Vec::new();
        for _ in 0..100 {
            let words = draw(&mut chance);
            let reply = answer(&mut session, &words);
            let mut theirs = redis.ask(&words);
            (0..more(&reply)).for_each(|_| theirs.extend(redis.next()));
            said.push(words);
            assert_eq!(
                session.encode(&reply).escape_ascii().to_string(),
                theirs.escape_ascii().to_string(),
                "{:?}, {}\n{}",
                redis.compat,
                again(seed),
                script(&said)
            );
        }
    });
}

#[test]
fn who_speaks_resp3_may_say_all() {
    let mut session = Store::new().session();
    session.call(["HELLO", "3"]);
    session.call(["SUBSCRIBE", "news"]);
    assert_eq!(session.call(["SET", "a", "1"]), Reply::OK);
    assert_eq!(session.call(["PUBLISH", "news", "hello"]), Reply::Integer(1));
    assert!(session.try_message().is_some());
}

#[test]
fn no_number_of_messages_is_too_many_but_their_bytes_may_be() {
    let store = Store::new();
    let set = |limit| store.session().call(["CONFIG", "SET", "client-output-buffer-limit", limit]);
    let mut listener = store.session();
    listener.call(["SUBSCRIBE", "news"]);
    assert_eq!(set("pubsub 0 0 0"), Reply::OK);
    (0..200_000).for_each(|n| assert_eq!(store.publish("news", n).unwrap(), 1));
    assert_eq!(std::iter::from_fn(|| listener.try_message()).count(), 200_000);

    // It holds for who was there before, from the next message on; each counts for more than its text.
    assert_eq!(set("pubsub 1mb 0 0"), Reply::OK);
    let taken = (0..200_000).take_while(|_| store.publish("news", "x").unwrap() == 1).count();
    assert!((5_000..20_000).contains(&taken), "{taken}");
    assert!(listener.is_over());
    assert_eq!(listener.try_message(), None);

    // Who listens no more is a client like any other.
    let mut listener = store.session();
    listener.call(["SUBSCRIBE", "news"]);
    listener.call(["UNSUBSCRIBE"]);
    listener.call(["MONITOR"]);
    (0..20_000).for_each(|_| _ = store.session().call(["PING"]));
    assert!(!listener.is_over());
}
