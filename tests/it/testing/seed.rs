//! One seed, one run: on every machine, in every process.

use std::time::Duration;

use larder::{ManualClock, Reply, Session, Store, StoreBuilder, Sweeping};

/// Chance of the test's own.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn key(&mut self, kind: &str) -> String {
        format!("{kind}:{}", self.below(12))
    }
}

/// A command in which chance or an order has a part, or that gives them something to work on.
fn command(dice: &mut Dice) -> Vec<String> {
    let line = match dice.below(32) {
        0..=3 => format!("SET name:{} {}", dice.below(900), dice.below(100)),
        4 => format!("SET name:{} x PX {}", dice.below(900), 1 + dice.below(500)),
        5 => format!("DEL name:{}", dice.below(900)),
        6 => format!("GET name:{}", dice.below(900)),
        7 | 8 => format!("SADD {} {} {}", dice.key("set"), dice.below(300), dice.below(300)),
        9 => format!("SADD {} a{} b{}", dice.key("set"), dice.below(300), dice.below(300)),
        10 => format!("SPOP {}", dice.key("set")),
        11 => format!("SPOP {} {}", dice.key("set"), dice.below(30)),
        12 => format!("SRANDMEMBER {} {}", dice.key("set"), dice.below(20) as i64 - 10),
        13 => format!("SMEMBERS {}", dice.key("set")),
        14 => format!("SUNION {} {}", dice.key("set"), dice.key("set")),
        15 => format!("SDIFF {} {}", dice.key("set"), dice.key("set")),
        16 | 17 => format!("HSET {} f{} 1 {} 2", dice.key("hash"), dice.below(300), dice.below(300)),
        18 => format!("HRANDFIELD {} {} WITHVALUES", dice.key("hash"), dice.below(20) as i64 - 10),
        19 => format!("HGETALL {}", dice.key("hash")),
        20 => format!("HPEXPIRE {} {} FIELDS 1 f{}", dice.key("hash"), 1 + dice.below(300), dice.below(300)),
        21 | 22 => format!("ZADD {} {} m{}", dice.key("zset"), dice.below(9), dice.below(300)),
        23 => format!("ZRANDMEMBER {} {} WITHSCORES", dice.key("zset"), dice.below(20) as i64 - 10),
        24 => format!("ZUNION 2 {} {}", dice.key("zset"), dice.key("set")),
        25 => "RANDOMKEY".into(),
        26 => format!("SCAN 0 COUNT {}", 1 + dice.below(50)),
        27 => format!("SSCAN {} 0 COUNT 5", dice.key("set")),
        28 => format!("HSCAN {} 0 COUNT 5", dice.key("hash")),
        29 => "ACL GENPASS 64".into(),
        30 => "TIME".into(),
        _ => "DBSIZE".into(),
    };
    line.split(' ').map(str::to_owned).collect()
}

/// All replies to a long script, as bytes.
fn replies(builder: StoreBuilder, commands: usize) -> Vec<Vec<u8>> {
    let clock = ManualClock::new();
    let store = builder.clock(&clock).sweeping(Sweeping::ByHand).build();
    let mut session = store.session();
    let mut dice = Dice(1);
    let mut replies = Vec::new();
    let mut run = |session: &mut Session, words: &[String]| {
        let reply = session.call(words);
        replies.push(session.encode(&reply));
        reply
    };
    for _ in 0..commands {
        run(&mut session, &command(&mut dice));
        clock.advance(Duration::from_millis(dice.below(3)));
        if dice.below(200) == 0 {
            store.sweep().unwrap();
        }
    }
    // Where a scan has come to is told by a number that it is to go on from.
    let mut cursor = "0".to_owned();
    loop {
        let words = ["SCAN", &cursor, "COUNT", "40"].map(str::to_owned);
        let Reply::Array(parts) = run(&mut session, &words) else { panic!("no array") };
        let Some(Reply::Bulk(next)) = parts.first() else { panic!("no cursor") };
        cursor = next.as_str().unwrap().to_owned();
        if cursor == "0" {
            break;
        }
    }
    let Reply::Verbatim(_, info) = session.call(["INFO", "server"]) else { panic!("no text") };
    let run_id = info.as_str().unwrap().lines().find(|line| line.starts_with("run_id:")).unwrap();
    replies.push(run_id.as_bytes().to_vec());
    // Who listens by several patterns gets a message in one order.
    session.call(["PSUBSCRIBE", "n*", "ne*", "new*", "*s", "news"]);
    store.session().call(["PUBLISH", "news", "hello"]);
    while let Some(message) = session.try_message() {
        replies.push(session.encode(&message));
    }
    let all = session.call(["PUNSUBSCRIBE"]);
    replies.push(session.encode(&all));
    replies
}

/// FNV-1a
fn digest(replies: &[Vec<u8>]) -> u64 {
    let bytes = replies.iter().flat_map(|reply| reply.iter().chain([&0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

/// Each run of the tests is a process of its own, with hash keys of its own for what stands in no store: what does not
/// follow from the seed gives another digest there, or on another machine. If what a command replies has changed on
/// purpose, the new digest goes here.
#[cfg(not(tiny))]
const DIGESTS: [u64; 2] = [0x8215_10c0_adc1_1ab6, 0xb906_351c_d70c_3b5b];

fn bounded() -> StoreBuilder {
    Store::builder().seed(7).max_keys(400)
}

#[test]
fn two_stores_of_one_seed_say_the_same() {
    let first = replies(Store::builder().seed(7), 6_000);
    let second = replies(Store::builder().seed(7), 6_000);
    if let Some(at) = (0..first.len()).find(|at| first.get(*at) != second.get(*at)) {
        let text = |reply: Option<&Vec<u8>>| reply.map(|reply| String::from_utf8_lossy(reply).into_owned());
        panic!("reply {at}: {:?} and {:?}", text(first.get(at)), text(second.get(at)));
    }
    assert_eq!(first.len(), second.len());
    assert_ne!(first, replies(Store::builder().seed(8), 6_000));
    assert!(replies(bounded(), 6_000) == replies(bounded(), 6_000), "those with a limit differ");
}

#[cfg(not(tiny))]
#[test]
fn it_is_the_same_on_every_machine() {
    let found = [Store::builder().seed(7), bounded()].map(|builder| digest(&replies(builder, 6_000)));
    assert_eq!(found, DIGESTS, "{found:#x?}");
}

#[test]
fn what_is_not_seeded_differs() {
    assert_ne!(replies(Store::builder(), 300), replies(Store::builder(), 300));
}

#[test]
fn the_order_of_waiters_follows_from_what_was_done() {
    let run = || {
        let store = Store::builder().seed(7).shards(1).build();
        let names: Vec<String> = (0..20).map(|n| format!("list:{n}")).collect();
        for name in &names {
            store.db(1).unwrap().list::<String>(name).push_back(name).unwrap();
        }
        let mut pop = std::pin::pin!(store.pop_front_of_async::<String>(&names));
        let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
        assert!(pop.as_mut().poll(context).is_pending());
        store.swap_databases(0, 1).unwrap();
        match pop.as_mut().poll(context) {
            std::task::Poll::Ready(served) => format!("{:?}", served.unwrap()),
            std::task::Poll::Pending => panic!("it was not served"),
        }
    };
    let first = run();
    assert!((0..5).all(|_| run() == first));
}

/// Of whom a reader is told, as its cache has become too large to be kept in mind.
#[test]
fn what_is_tracked_no_longer_is_the_same() {
    let told = || {
        let store = Store::builder().clock(ManualClock::new()).seed(7).build();
        let mut session = store.session();
        session.call(["HELLO", "3"]);
        session.call(["CONFIG", "SET", "tracking-table-max-keys", "10"]);
        session.call(["CLIENT", "TRACKING", "ON"]);
        (0..100).for_each(|n| _ = session.call(["GET", &format!("key:{n}")]));
        std::iter::from_fn(|| session.try_message()).collect::<Vec<_>>()
    };
    let first = told();
    assert_eq!(first.len(), 90);
    for _ in 0..3 {
        assert_eq!(told(), first);
    }
}
