//! DEBUG: checksums of data sets as Redis has them, and what else tests of clients ask for.

use std::time::Duration;

use larder::{Compat, ManualClock, Protocol, Reply, ServerConfig, Session, Store};

use super::acl_waits::ask;
use super::redis::Redis;
use super::{Words, again, answer, each_round, words};
use crate::differential::chance::Chance;
use crate::differential::server::Server;
use crate::support::until;

/// A session that may debug, and what keeps it so.
fn session(store: &Store, compat: Compat) -> (Session, larder::Server) {
    let mut config = ServerConfig::new(compat);
    config.set("enable-debug-command", "yes").unwrap();
    let server = config.server().unwrap().start(store).unwrap();
    (store.session().compat(compat), server)
}

#[test]
fn what_tests_tune_is_taken_as_redis_takes_it() {
    let mut commands: Vec<Words> = ["0", "1k", "3gb", "4gb", "x"]
        .into_iter()
        .map(|bytes| words!["DEBUG", "QUICKLIST-PACKED-THRESHOLD", bytes])
        .collect();
    commands.extend(
        ["10", "never", "RESET", "x"].map(|time| words!["DEBUG", "replybuffer", "PEAK-RESET-TIME", time]),
    );
    commands.extend([
        words!["DEBUG", "QUICKLIST-PACKED-THRESHOLD", "1gb"],
        words!["DEBUG", "QUICKLIST-PACKED-THRESHOLD"],
        words!["DEBUG", "REPLYBUFFER", "RESIZING", "1"],
        words!["DEBUG", "REPLYBUFFER", "x", "y"],
        words!["DEBUG", "REPLYBUFFER", "RESIZING"],
        words!["DEBUG", "PAUSE-CRON", "0"],
        words!["DEBUG", "DICT-RESIZING", "1"],
        words!["DEBUG", "SET-DISABLE-DENY-SCRIPTS", "0"],
        words!["DEBUG", "LOG", "text"],
        words!["DEBUG", "LOG", "text", "x"],
    ]);
    each_round(1, |server, _| {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        let store = Store::new();
        let (mut session, _server) = session(&store, redis.compat);
        for words in &commands {
            let reply = answer(&mut session, words);
            let (ours, theirs) = (session.encode(&reply), redis.ask(words));
            assert_eq!(
                ours.escape_ascii().to_string(),
                theirs.escape_ascii().to_string(),
                "{:?}, {words:?}",
                redis.compat
            );
        }
    });
}

fn draw(chance: &mut Chance) -> Words {
    let key = chance.key();
    let member =
        |chance: &mut Chance| chance.pick(&["a", "b", "12", "-7", "long-long-long-member"]).to_owned();
    match chance.below(16) {
        0 => words!["SET", key, chance.value()],
        1 => words!["SET", key, "12345"],
        2 | 3 => words!["RPUSH", key, member(chance), member(chance)],
        4 => words!["LPOP", key],
        5 | 6 => words!["SADD", key, member(chance), member(chance)],
        7 | 8 => words!["HSET", key, member(chance), chance.value(), member(chance), "7"],
        9 | 10 => words!["ZADD", key, chance.pick(&["1", "0.1", "-3.5", "inf", "1e20", "7"]), member(chance)],
        11 => words!["EXPIRE", key, "1000"],
        12 => words!["DEL", key],
        13 | 14 => words![
            "XADD",
            key,
            format!("{}-{}", chance.below(9), chance.below(9)),
            "f",
            "v",
            member(chance),
            "7"
        ],
        _ => words!["MOVE", key, "1"],
    }
}

#[test]
fn checksums_are_those_of_redis() {
    each_round(10, |server, seed| {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        redis.ask(&words!["FLUSHALL"]);
        let store = Store::new();
        let (mut session, _server) = session(&store, redis.compat);
        let mut chance = Chance::new(seed);
        for _ in 0..60 {
            let words = draw(&mut chance);
            answer(&mut session, &words);
            redis.ask(&words);
        }
        let mut check = |words: &Words| {
            let reply = answer(&mut session, words);
            let (ours, theirs) = (session.encode(&reply), redis.ask(words));
            let words = words.iter().map(|word| word.escape_ascii().to_string()).collect::<Vec<_>>();
            assert_eq!(
                ours.escape_ascii().to_string(),
                theirs.escape_ascii().to_string(),
                "{words:?}; {}",
                again(seed)
            );
        };
        let keys: Words = (0..40).map(|_| chance.key().to_vec()).collect();
        check(&[words!["DEBUG", "DIGEST-VALUE"], keys].concat());
        check(&words!["debug", "digest"]);
        for words in [
            words!["DEBUG", "RELOAD"],
            words!["DEBUG", "DIGEST"],
            words!["DEBUG"],
            words!["DEBUG", "WHAT"],
            words!["DEBUG", "SLEEP"],
            words!["DEBUG", "SLEEP", "x"],
            words!["DEBUG", "DIGEST", "x"],
            words!["DEBUG", "RELOAD", "x"],
            words!["DEBUG", "ERROR", "WHAT ever"],
            words!["DEBUG", "SET-ACTIVE-EXPIRE", "0"],
            words!["DEBUG", "SET-ACTIVE-EXPIRE", "1"],
            words!["DEBUG", "CHANGE-REPL-ID"],
            words!["DEBUG", "CHANGE-REPL-ID", "x"],
        ] {
            check(&words);
        }
    });
}

#[test]
fn it_has_to_be_allowed() {
    let store = Store::new();
    let Reply::Error(error) = store.session().call(["DEBUG", "SLEEP", "0"]) else { panic!("it is allowed") };
    assert!(
        error.to_string().starts_with("ERR DEBUG command not allowed. If the enable-debug-command option")
    );
    let (mut session, _server) = session(&store, Compat::default());
    assert_eq!(session.call(["DEBUG", "SLEEP", "0"]), Reply::OK);
}

/// What could do harm is refused before anything else is looked at: who asks, and whether it is queued. Scripts are told
/// that they may not call it at all. There are no modules to load where that is allowed.
#[test]
fn what_could_do_harm_is_refused_before_all_else() {
    const LINES: &str = "DEBUG SLEEP 0; DEBUG; debug help x; MODULE LOAD /none; MODULE LOAD /none a b; MODULE LOAD; MODULE LOADEX /none; \
        MODULE LOADEX /none CONFIG; MODULE LOADEX /none CONFIG a b ARGS c; MODULE UNLOAD x; MODULE UNLOAD; MODULE UNLOAD a b; \
        MODULE WHAT; MULTI; DEBUG SLEEP 0; EXEC; MULTI; MODULE LOAD /none; EXEC; MULTI; module unload x; EXEC; \
        EVAL return{redis.pcall('MODULE','LOAD','x')} 0; EVAL return{redis.pcall('DEBUG','SLEEP','0')} 0; \
        COMMAND INFO MODULE|LOAD MODULE|LOADEX MODULE|UNLOAD DEBUG; COMMAND GETKEYS MODULE LOAD x; \
        ACL SETUSER ann on nopass ~* +@all -debug -module; AUTH ann x; DEBUG SLEEP 0; MODULE LOAD x; MODULE UNLOAD x; AUTH default x; \
        ACL SETUSER ann +module|load; AUTH ann x; MODULE LOAD x; MODULE LOADEX x; AUTH default x; \
        CONFIG SET requirepass secret; RESET; DEBUG SLEEP 0; MODULE LOAD x; GET a; AUTH secret; CONFIG SET requirepass ; AUTH x";
    for allowed in ["no", "local", "yes"] {
        let arguments = ["--enable-debug-command", allowed, "--enable-module-command", allowed];
        for server in Server::each_with(&arguments) {
            let mut theirs = Redis::connect(server.port(), Protocol::Resp2);
            let mut config = larder::ServerConfig::new(theirs.compat);
            config.set("enable-debug-command", allowed).unwrap();
            config.set("enable-module-command", allowed).unwrap();
            let larder = config.server().unwrap().start(&config.store().build()).unwrap();
            let mut ours = Redis::connect(larder.port(), Protocol::Resp2);
            let scripts = cfg!(feature = "lua");
            for line in LINES.split("; ").filter(|line| scripts || !line.starts_with("EVAL")) {
                let (ours, theirs_said) = (ask(&mut ours, line), ask(&mut theirs, line));
                assert_eq!(ours, theirs_said, "{line}: {allowed}, {:?}", theirs.compat);
            }
        }
    }
}

#[test]
fn a_client_sleeps_on_the_clock_of_the_store() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let (mut session, _server) = session(&store, Compat::default());
    let asleep = std::thread::spawn(move || session.call(["DEBUG", "SLEEP", "1000"]));
    // It may not sleep yet when the clock is moved first.
    until("end of the sleep", || {
        clock.advance(Duration::from_secs(1_000));
        asleep.is_finished()
    });
    assert_eq!(asleep.join().unwrap(), Reply::OK);
}

#[test]
fn expired_keys_stay_where_they_are_while_nobody_is_to_remove_them() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let (mut session, _server) = session(&store, Compat::default());
    assert_eq!(session.call(["DEBUG", "SET-ACTIVE-EXPIRE", "0"]), Reply::OK);
    store.insert_ex("a", 1, Duration::from_secs(1)).unwrap();
    for _ in 0..10 {
        clock.advance(Duration::from_secs(1));
        assert_eq!(store.stats().unwrap().entries, 1);
    }
    assert!(!store.contains("a").unwrap());
    assert_eq!(session.call(["DEBUG", "SET-ACTIVE-EXPIRE", "1"]), Reply::OK);
    assert_eq!(store.stats().unwrap().entries, 0);
}

#[test]
fn a_store_that_is_reloaded_holds_the_same() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let (mut session, _server) = session(&store, Compat::default());
    for n in 0..1_000 {
        session.call(["SET".into(), format!("key:{n}"), n.to_string(), "EX".into(), (n + 10).to_string()]);
    }
    store.db(3).unwrap().hash::<String, u32>("hash").insert("a", 1).unwrap();
    let before = session.call(["DEBUG", "DIGEST"]);
    assert_eq!(session.call(["DEBUG", "RELOAD"]), Reply::OK);
    assert_eq!(session.call(["DEBUG", "DIGEST"]), before);
    assert_eq!(session.call(["TTL", "key:7"]), Reply::Integer(17));
    assert_eq!(store.db(3).unwrap().len().unwrap(), 1);
}

#[test]
fn the_clock_is_moved() {
    let mut config = ServerConfig::new(Compat::default());
    config.set("enable-debug-command", "yes").unwrap();
    let store = config.store().build();
    let _server = config.server().unwrap().start(&store).unwrap();
    let mut session = store.session();
    let mut call = |command: &str| session.call(command.split(' '));
    assert_eq!(call("SET code 7 EX 3600"), Reply::OK);
    assert_eq!(call("SET day 1 EX 86400"), Reply::OK);
    assert_eq!(call("DEBUG CLOCK PAUSE"), Reply::OK);
    assert_eq!(call("PTTL day"), call("PTTL day"));
    assert_eq!(call("DEBUG CLOCK ADVANCE 3600000"), Reply::OK);
    assert_eq!((call("EXISTS code"), call("DBSIZE")), (Reply::Integer(0), Reply::Integer(1)));
    let Reply::Integer(left) = call("PTTL day") else { panic!("no time to live") };
    assert!((82_799_000..=82_800_000).contains(&left), "{left}");
    assert_eq!(call("DEBUG CLOCK NEXT"), Reply::Integer(left));
    assert_eq!(call("EXISTS day"), Reply::Integer(0));
    assert_eq!(call("DEBUG CLOCK RESUME"), Reply::OK);

    let waiting = std::thread::spawn({
        let mut other = store.session();
        move || other.call(["BLPOP", "queue", "3600"])
    });
    assert!(store.wait_for_blocked(1, Duration::from_secs(60)));
    assert_eq!(call("DEBUG CLOCK ADVANCE 3600000"), Reply::OK);
    assert_eq!(waiting.join().unwrap(), Reply::NilArray);

    for wrong in [
        "DEBUG CLOCK",
        "DEBUG CLOCK ADVANCE",
        "DEBUG CLOCK ADVANCE -1",
        "DEBUG CLOCK ADVANCE x",
        "DEBUG CLOCK BACK 3",
    ] {
        assert!(matches!(call(wrong), Reply::Error(_)), "{wrong}");
    }
}

#[test]
fn the_systems_clock_is_moved_by_nobody() {
    let store = Store::new();
    let (mut session, _server) = session(&store, Compat::default());
    let Reply::Error(error) = session.call(["DEBUG", "CLOCK", "ADVANCE", "1"]) else { panic!("no error") };
    assert!(error.to_string().contains("the system's"), "{error}");
}

#[test]
fn a_state_is_come_back_to() {
    let store = Store::new();
    let (mut session, _server) = session(&store, Compat::default());
    let mut call = |command: &str| session.call(command.split(' '));
    assert!(
        matches!(call("DEBUG ROLLBACK"), Reply::Error(error) if error.to_string().contains("no checkpoint"))
    );
    call("SET kept 1");
    assert_eq!(call("DEBUG CHECKPOINT"), Reply::OK);
    for value in ["2", "3"] {
        call(&format!("SET kept {value}"));
        call("SADD more x");
        assert_eq!(call("DEBUG ROLLBACK"), Reply::OK);
        assert_eq!((call("GET kept"), call("DBSIZE")), (Reply::Bulk("1".into()), Reply::Integer(1)));
    }
    call("FLUSHALL");
    assert_eq!((call("DEBUG CHECKPOINT"), call("SET other 1")), (Reply::OK, Reply::OK));
    assert_eq!((call("DEBUG ROLLBACK"), call("DBSIZE")), (Reply::OK, Reply::Integer(0)));
    call("MULTI");
    call("DEBUG ROLLBACK");
    let Reply::Array(replies) = call("EXEC") else { panic!("no replies") };
    assert!(matches!(replies[0], Reply::Error(_)), "{replies:?}");
}

#[cfg(feature = "testing")]
mod faults {
    use super::*;

    fn error(reply: &Reply) -> String {
        let Reply::Error(error) = reply else { panic!("no error: {reply:?}") };
        error.to_string()
    }

    #[test]
    fn a_client_says_what_goes_wrong() {
        let store = Store::new();
        let (mut session, _server) = session(&store, Compat::default());
        let mut call = |command: &str| session.call(command.split(' '));
        assert_eq!(call("DEBUG FAULT ADD LOADING ON get,@list KEY user:* TIMES 2"), Reply::Integer(1));
        assert_eq!((call("GET page:1"), call("SET user:1 a")), (Reply::Nil, Reply::OK));
        assert!(error(&call("GET user:1")).starts_with("LOADING "));
        assert!(error(&call("LPUSH user:2 a")).starts_with("LOADING "));
        assert_eq!(call("GET user:1"), Reply::Bulk("a".into()));
        assert_eq!(call("DEBUG FAULT HITS 1"), Reply::Integer(2));

        assert_eq!(call("DEBUG FAULT ADD ERROR TRYAGAIN AFTER 1 EVERY 2"), Reply::Integer(2));
        let answers = ["GET user:1"; 5].map(|command| matches!(call(command), Reply::Error(_)));
        assert_eq!(answers, [false, false, true, false, true]);
        let Reply::Array(lines) = call("DEBUG FAULT LIST") else { panic!("no list") };
        let lines: Vec<_> = lines.iter().map(|line| format!("{line:?}")).collect();
        assert!(
            lines[0].contains("id=1 hits=2 LOADING") && lines[1].contains("id=2 hits=2 TRYAGAIN"),
            "{lines:?}"
        );
        assert_eq!(call("DEBUG FAULT DEL 2"), Reply::OK);
        assert_eq!(call("GET user:1"), Reply::Bulk("a".into()));
        assert_eq!(error(&call("DEBUG FAULT DEL 2")), "ERR there is no fault of that number");
        let never = call("DEBUG FAULT ADD BUSY EVERY 0");
        assert_eq!(error(&never), "ERR value is out of range, must be positive");

        // It strikes all but what takes it away.
        call("DEBUG FAULT ADD READONLY");
        assert!(error(&call("PING")).starts_with("READONLY "));
        assert_eq!(call("DEBUG FAULT CLEAR"), Reply::OK);
        assert_eq!(call("PING"), Reply::Status("PONG".into()));
        call("DEBUG FAULT ADD LOADING ON @slow,@admin,@dangerous");
        assert_eq!(call("DEBUG FAULT CLEAR"), Reply::OK);
        // Unless that is named.
        call("DEBUG FAULT ADD READONLY ON debug TIMES 1");
        assert!(error(&call("DEBUG FAULT CLEAR")).starts_with("READONLY "));
        assert_eq!(call("DEBUG FAULT CLEAR"), Reply::OK);
    }

    #[test]
    fn each_fault_and_condition_is_known() {
        let store = Store::new();
        let (mut session, _server) = session(&store, Compat::default());
        let mut call = |command: String| session.call(command.split(' '));
        let plain = [
            "LOADING",
            "READONLY",
            "BUSY",
            "OOM",
            "NOSCRIPT",
            "CLUSTER-DOWN",
            "MASTER-DOWN",
            "NO-AUTH",
            "CLOSE-BEFORE",
            "CLOSE-AFTER",
            "DROP-REPLY",
            "HANG",
            "REFUSE-CONNECTIONS",
            "ERROR text",
            "DELAY 1",
            "DELAY-REPLY 1",
            "TAKES 1",
            "HALF-REPLY 3",
        ];
        let conditions = [
            "",
            " ON get",
            " KEY a*",
            " CLIENT-ID 7",
            " CLIENT-NAME a*",
            " CLIENT-ADDR 127.*",
            " AFTER 1",
            " EVERY 2",
            " TIMES 3",
            " CHANCE 0.5",
            " on @write,config|set key a KEY b times 1 chance 1",
        ];
        for (what, condition) in plain.iter().flat_map(|what| conditions.map(|condition| (what, condition))) {
            let reply = call(format!("DEBUG FAULT ADD {what}{condition} CHANCE 0"));
            let is_of_commands = ["ON", "on", "KEY", "CLIENT"].iter().any(|word| condition.contains(word));
            match *what == "REFUSE-CONNECTIONS" && is_of_commands {
                true => assert!(error(&reply).contains("who connects"), "{reply:?}"),
                false => assert!(matches!(reply, Reply::Integer(_)), "{what}{condition}: {reply:?}"),
            }
        }
        assert_eq!(call("DEBUG FAULT CLEAR".into()), Reply::OK);
        for wrong in [
            "",
            " ADD",
            " ADD NOTHING",
            " ADD ERROR",
            " ADD DELAY",
            " ADD DELAY x",
            " ADD DELAY -1",
            " ADD LOADING ON",
            " ADD LOADING ON @nothing",
            " ADD LOADING ON ,",
            " ADD LOADING ON get ON set",
            " ADD LOADING WHEN x",
            " ADD LOADING CHANCE 2",
            " ADD LOADING CHANCE x",
            " ADD LOADING TIMES x",
            " DEL",
            " DEL x",
            " DEL 9999",
            " HITS 9999",
            " LIST x",
            " GO",
        ] {
            assert!(matches!(call(format!("DEBUG FAULT{wrong}")), Reply::Error(_)), "{wrong}");
        }
        assert_eq!(call("DEBUG FAULT LIST".into()), Reply::Array(Vec::new()));
    }

    #[test]
    fn a_connection_is_lost_behind_the_effect() {
        let store = Store::new();
        let (_session, server) = session(&store, Compat::default());
        let connect = || Redis::connect(server.port(), Protocol::Resp2);
        let (mut test, mut code) = (connect(), connect());
        assert_eq!(
            test.ask(&words!["DEBUG", "FAULT", "ADD", "CLOSE-AFTER", "ON", "INCR", "TIMES", "1"]),
            b":1\r\n"
        );
        code.send(&words!["INCR", "visits"]);
        assert_eq!(code.next_or_end(), None);
        assert_eq!(connect().ask(&words!["INCR", "visits"]), b":2\r\n");
        assert_eq!(test.ask(&words!["DEBUG", "FAULT", "HITS", "1"]), b":1\r\n");
    }

    #[test]
    fn a_client_that_waits_for_a_delay_is_killed() {
        let store = Store::new();
        let (mut test, server) = session(&store, Compat::default());
        let mut code = Redis::connect(server.port(), Protocol::Resp2);
        code.ask(&words!["CLIENT", "SETNAME", "slow"]);
        test.call(["DEBUG", "FAULT", "ADD", "DELAY", "9223372036854775807", "ON", "GET"]);
        code.send(&words!["GET", "a"]);
        until("delay", || test.call(["DEBUG", "FAULT", "HITS", "1"]) == Reply::Integer(1));
        let id = code_id(&mut test);
        assert_eq!(test.call(["CLIENT", "KILL", "ID", &id]), Reply::Integer(1));
        assert_eq!(code.next_or_end(), None);
    }

    /// The number of the client that has a name.
    fn code_id(session: &mut Session) -> String {
        let Reply::Verbatim(_, list) = session.call(["CLIENT", "LIST"]) else { panic!("no list") };
        let list = String::from_utf8_lossy(&list).into_owned();
        let line = list.lines().find(|line| line.contains("name=slow")).unwrap();
        line.split([' ', '=']).nth(1).unwrap().to_owned()
    }

    #[test]
    fn nobody_without_the_permission_sets_one_up() {
        let store = Store::new();
        let _server = ServerConfig::new(Compat::default()).server().unwrap().start(&store).unwrap();
        let reply = store.session().call(["DEBUG", "FAULT", "ADD", "LOADING"]);
        assert!(error(&reply).starts_with("ERR DEBUG command not allowed."));
        assert_eq!(store.session().call(["PING"]), Reply::Status("PONG".into()));
    }
}

/// What is the same of both: not where a value lies nor what time it is, nor how far a large one was compressed.
fn told_of_both(reply: &[u8], is_large: bool) -> String {
    let own = |word: &str| {
        ["at:", "lru:", "lru_seconds_idle:"].iter().any(|own| word.starts_with(own))
            || is_large && word.starts_with("serializedlength:")
    };
    let words = reply.split(|byte| *byte == b' ').map(|word| word.escape_ascii().to_string());
    let told = words.map(|word| if own(&word) { word.split(':').next().unwrap().to_owned() } else { word });
    told.collect::<Vec<_>>().join(" ")
}

#[test]
fn objects_are_described_as_redis_describes_them() {
    each_round(1, |server, _| {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        let store = Store::new();
        let (mut session, _server) = session(&store, redis.compat);
        let mut is_large = false;
        let mut same = |words: &Words| {
            is_large |= words.len() > 100;
            is_large &= words[0] != b"DEL";
            let reply = answer(&mut session, words);
            let (ours, theirs) = (session.encode(&reply), redis.ask(words));
            let (ours, theirs) = (told_of_both(&ours, is_large), told_of_both(&theirs, is_large));
            let shown: Vec<_> = words.iter().take(4).map(|word| word.escape_ascii().to_string()).collect();
            assert_eq!(ours, theirs, "{:?}, {shown:?}", redis.compat);
        };
        let numbers = |count: u32| {
            (0..count).map(|n| n.wrapping_mul(2_654_435_761).to_string().into_bytes()).collect::<Words>()
        };
        for words in [
            words!["SET", "k", "1"],
            words!["SET", "k", "12345"],
            words!["SET", "k", "some text"],
            [words!["RPUSH", "k"], numbers(3)].concat(),
            [words!["RPUSH", "k"], numbers(700)].concat(),
            [words!["RPUSH", "k"], numbers(5_000)].concat(),
            words!["SADD", "k", "1", "2", "300"],
            words!["SADD", "k", "a", "b"],
            words!["HSET", "k", "a", "1", "b", "text"],
            words!["ZADD", "k", "1", "a", "2.5", "b"],
            words!["XADD", "k", "1-1", "f", "v"],
        ] {
            same(&words!["DEL", "k"]);
            same(&words);
            same(&words!["DEBUG", "OBJECT", "k"]);
            same(&words!["DEBUG", "object", "k", "FAST"]);
            same(&words!["DEBUG", "OBJECT", "k", "x"]);
        }
        for words in [
            words!["DEBUG", "OBJECT"],
            words!["DEBUG", "OBJECT", "none"],
            words!["DEBUG", "OBJECT", "k", "fast", "x"],
        ] {
            same(&words);
        }
    });
}

#[test]
fn there_is_a_reply_of_each_type() {
    const KINDS: [&str; 15] = [
        "string", "integer", "double", "bignum", "null", "array", "set", "map", "attrib", "push", "verbatim",
        "true", "false", "String", "what",
    ];
    for protocol in [Protocol::Resp2, Protocol::Resp3] {
        each_round(1, |server, _| {
            let mut redis = Redis::connect(server.port(), protocol);
            let store = Store::new();
            let (mut session, _server) = session(&store, redis.compat);
            if protocol == Protocol::Resp3 {
                session.call(["HELLO", "3"]);
            }
            let asked = KINDS.map(|kind| words!["DEBUG", "PROTOCOL", kind]);
            let wrong = [words!["DEBUG", "PROTOCOL"], words!["DEBUG", "PROTOCOL", "string", "x"]];
            for words in asked.into_iter().chain(wrong) {
                let reply = answer(&mut session, &words);
                let ours = session.encode(&reply);
                let mut theirs = redis.ask(&words);
                if protocol == Protocol::Resp3 && words.last().is_some_and(|kind| kind == b"push") {
                    theirs.extend(redis.next());
                }
                let (ours, theirs) = (ours.escape_ascii().to_string(), theirs.escape_ascii().to_string());
                assert_eq!(ours, theirs, "{:?}, {:?}", redis.compat, words.last());
            }
        });
    }
}

#[test]
fn keys_are_made_by_number_as_in_redis() {
    each_round(1, |server, _| {
        let mut redis = Redis::connect(server.port(), Protocol::Resp2);
        redis.ask(&words!["FLUSHALL"]);
        let store = Store::new();
        let (mut session, _server) = session(&store, redis.compat);
        let long = "l".repeat(200);
        for words in [
            words!["DEBUG", "POPULATE"],
            words!["DEBUG", "POPULATE", "x"],
            words!["DEBUG", "POPULATE", "-1"],
            words!["DEBUG", "POPULATE", "1.5"],
            words!["DEBUG", "POPULATE", "0"],
            words!["SET", "key:1", "mine"],
            words!["DEBUG", "POPULATE", "3"],
            words!["debug", "populate", "3", "a"],
            words!["DEBUG", "POPULATE", "3", "b", "5"],
            words!["DEBUG", "POPULATE", "12", "c", "12"],
            words!["DEBUG", "POPULATE", "3", "d", "0"],
            words!["DEBUG", "POPULATE", "3", "e", "-1"],
            words!["DEBUG", "POPULATE", "3", "e", "x"],
            words!["DEBUG", "POPULATE", "3", "e", "1", "x"],
            words!["DEBUG", "POPULATE", "5", "b", "20"],
            words!["DEBUG", "POPULATE", "3", b"f\0g".to_vec()],
            words!["DEBUG", "POPULATE", "3", long],
            words!["DBSIZE"],
            words!["DEBUG", "DIGEST"],
        ] {
            let reply = answer(&mut session, &words);
            let (ours, theirs) = (session.encode(&reply), redis.ask(&words));
            let shown: Vec<_> = words.iter().map(|word| word.escape_ascii().to_string()).collect();
            assert_eq!(
                ours.escape_ascii().to_string(),
                theirs.escape_ascii().to_string(),
                "{:?}, {shown:?}",
                redis.compat
            );
        }
        let longest = ["DEBUG", "POPULATE", "1", "g", "536870913"];
        assert!(matches!(session.call(longest), Reply::Error(_)), "it is longer than a value may be");
    });
}
