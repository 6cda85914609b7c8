//! ACL: users and their rules, what is refused to whom, and what is told of it.

use larder::{Compat, Protocol, Reply, Session, Store};

use super::redis::Redis;
use super::value::Value;
use super::{Words, again, answer, each_round, script, words};
use crate::differential::chance::Chance;
use crate::differential::server::Server;

const ROUNDS: u64 = 8;
const COMMANDS: usize = 120;

/// A server, and larder in its place, with connections to both.
struct Both {
    theirs: Vec<Redis>,
    ours: Vec<Session>,
    compat: Compat,
    said: Vec<Words>,
    /// What has drawn it, if it is a random run.
    seed: u64,
}

impl Both {
    fn new(server: &Server, clients: usize, protocol: Protocol) -> Both {
        let mut theirs: Vec<_> = (0..clients).map(|_| Redis::connect(server.port(), protocol)).collect();
        let compat = theirs[0].compat;
        for words in ["FLUSHALL", "ACL LOG RESET", "ACL DELUSER u v w"] {
            theirs[0].ask(&split(words));
        }
        let store = Store::builder().seed(7).build();
        let mut ours: Vec<_> = (0..clients).map(|_| store.session().compat(compat)).collect();
        if protocol == Protocol::Resp3 {
            ours.iter_mut().for_each(|session| drop(session.call(["HELLO", "3"])));
        }
        Both { theirs, ours, compat, said: Vec::new(), seed: 0 }
    }

    /// Has a client say the same to both, and compares what they answer.
    fn ask(&mut self, who: usize, words: &Words) {
        self.said.push([words!["client", who], words.clone()].concat());
        let reply = answer(&mut self.ours[who], words);
        let ours = self.ours[who].encode(&reply);
        let theirs = self.theirs[who].ask(words);
        let of = |bytes: &[u8]| Value::parse(bytes).map(|value| plain(value, words, self.compat));
        if ours != theirs && of(&ours) != of(&theirs) {
            panic!(
                "{:?}; {}\n{}larder gives \"{}\"\nthe server   \"{}\"",
                self.compat,
                again(self.seed),
                script(&self.said),
                ours.escape_ascii(),
                theirs.escape_ascii()
            );
        }
    }

    fn say(&mut self, who: usize, line: &str) {
        self.ask(who, &split(line));
    }
}

fn split(line: &str) -> Words {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

/// Without what is each server's own: in Redis 7.0 the order of single commands, which is that of a hash table, and in the
/// log times, what a client's buffers hold, and how much was refused before.
fn plain(value: Value, words: &Words, compat: Compat) -> Value {
    // They tell ids and modules.
    if words[0].eq_ignore_ascii_case(b"HELLO") && matches!(value, Value::Many(..)) {
        return Value::Many(b'%', Vec::new());
    }
    let is_log = words.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"LOG"));
    match value {
        Value::Many(kind, items) => {
            let mut before: Option<Vec<u8>> = None;
            let mut kept = Vec::new();
            for item in items {
                let name = before.take();
                before = match &item {
                    Value::One(_, text) => Some(text.clone()),
                    Value::Many(..) => None,
                };
                let varies: [&[u8]; 5] = [
                    b"age-seconds",
                    b"client-info",
                    b"timestamp-created",
                    b"timestamp-last-updated",
                    b"entry-id",
                ];
                let is_time = is_log && name.is_some_and(|name| varies.contains(&&name[..]));
                kept.push(if is_time { Value::One(b'_', Vec::new()) } else { plain(item, words, compat) });
            }
            Value::Many(kind, kept)
        }
        Value::One(kind @ b'$', text) if compat == Compat::Redis70 => {
            let mut words: Vec<_> = text.split(|byte| b" ()".contains(byte)).collect();
            words.sort();
            Value::One(kind, words.join(&b' '))
        }
        one => one,
    }
}

const CATEGORIES: [&str; 21] = [
    "keyspace",
    "read",
    "write",
    "set",
    "sortedset",
    "list",
    "hash",
    "string",
    "bitmap",
    "hyperloglog",
    "geo",
    "stream",
    "pubsub",
    "admin",
    "fast",
    "slow",
    "blocking",
    "dangerous",
    "connection",
    "transaction",
    "scripting",
];

const COMMANDS_NAMED: [&str; 22] = [
    "get",
    "set",
    "GET",
    "mget",
    "del",
    "config",
    "config|get",
    "CONFIG|set",
    "config|nope",
    "select",
    "debug",
    "acl",
    "acl|cat",
    "client",
    "client|id",
    "object|help",
    "eval",
    "subscribe",
    "sort",
    "nope",
    "xgroup",
    "ping",
];

/// A rule of ACL SETUSER, now and then one that is none.
fn rule(chance: &mut Chance) -> String {
    let sign = if chance.flag() { "+" } else { "-" };
    match chance.below(26) {
        0..=4 => format!("{sign}@{}", chance.pick(&CATEGORIES)),
        5..=9 => format!("{sign}{}", chance.pick(&COMMANDS_NAMED)),
        10 => format!(
            "+{}",
            chance.pick(&["select|0", "select|1", "SELECT|0", "get|", "config|get|x", "debug|x"])
        ),
        11 | 12 => format!("~{}", chance.pick(&["a*", "b", "*", "a?", "", "[ab]"])),
        13 | 14 => {
            format!("%{}~{}", chance.pick(&["R", "W", "rw", "WR", "", "RR"]), chance.pick(&["a*", "b*", "c"]))
        }
        15 => format!("&{}", chance.pick(&["a*", "ch", "*"])),
        16 => chance.pick(&["allkeys", "resetkeys", "allchannels", "resetchannels"]).into(),
        17 => chance.pick(&["+@all", "-@all", "allcommands", "NOCOMMANDS", "+@all"]).into(),
        18 => chance.pick(&["on", "off", "ON", "sanitize-payload", "skip-sanitize-payload"]).into(),
        19 => chance.pick(&["nopass", "resetpass", ">secret", ">other", "<secret", "<nope"]).into(),
        20 => chance
            .pick(&["#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b", "!abc", "#ABC"])
            .into(),
        21 => chance.pick(&["db=0", "db=1,0", "alldbs", "resetdbs", "db=x", "db=-1", "DB=2,2", "db="]).into(),
        22 => chance.pick(&["nope", "", "~a b", "+", "-@nope", "%", "%R", "clearselectors", "reset"]).into(),
        23 => "(".into(),
        _ => {
            let rules = chance.many(0, 3, |chance| {
                loop {
                    let rule = rule(chance);
                    if !rule.is_empty() && !rule.contains(['(', ' ']) {
                        return rule;
                    }
                }
            });
            format!("({})", rules.join(" "))
        }
    }
}

/// A command with keys or channels, as some users may call it.
fn command(chance: &mut Chance) -> String {
    let key = chance.pick(&["a", "ab", "b", "c", "zz"]);
    let other = chance.pick(&["a1", "b", "cc"]);
    match chance.below(36) {
        0 | 1 => format!("GET {key}"),
        2 | 3 => format!("SET {key} {other}"),
        4 => format!("SET {key} 1 GET"),
        5 => format!("MGET {key} {other}"),
        6 => format!("DEL {key} {other}"),
        7 => format!("EXISTS {key}"),
        8 => format!("COPY {key} {other}"),
        9 => format!("COPY {key} {other} DB 1"),
        10 => format!("RENAME {key} {other}"),
        11 => format!("SORT {key} BY nosort"),
        12 => format!("SORT {key} GET #"),
        13 => format!("SORT {key} BY x* STORE {other}"),
        14 => format!("LMPOP 2 {key} {other} LEFT"),
        15 => format!("ZUNIONSTORE {key} 1 {other}"),
        16 => format!("BITFIELD {key} GET u8 0"),
        17 => format!("BITFIELD {key} SET u8 0 1"),
        18 => format!("PUBLISH {key} x"),
        19 => format!("SPUBLISH {other} x"),
        20 => "CONFIG GET nope".into(),
        21 => "CONFIG NOPE".into(),
        22 => format!("SELECT {}", chance.pick(&["0", "0", "1", "x"])),
        23 => format!("OBJECT FREQ {key}"),
        24 => "PING".into(),
        25 => format!("XREAD STREAMS {key} {other} 0 0"),
        26 => format!("EVAL return(1) 1 {key}"),
        27 => format!("EVAL return(redis.pcall('get','{key}')) 0"),
        28 => format!("EVAL return(redis.call('set','{key}',1)) 0"),
        29 => format!("EVAL return(redis.acl_check_cmd('del','{key}')) 0"),
        30 => format!("GEORADIUS {key} 1 1 1 m STORE {other}"),
        31 => chance.pick(&["GET", "NOPE x", "ACL WHOAMI", "AUTH u secret", "DBSIZE", "FLUSHDB"]).into(),
        32 => format!("WATCH {key}"),
        33 => format!("SINTERSTORE {key} {other} {key}"),
        34 => format!("HELLO {}", chance.pick(&["2", "3"])),
        _ => format!("APPEND {key} x"),
    }
}

#[test]
fn users_are_byte_for_byte_those_of_redis() {
    each_round(ROUNDS, |server, seed| {
        let protocol = if seed % 2 == 0 { Protocol::Resp2 } else { Protocol::Resp3 };
        let mut both = Both::new(server, 2, protocol);
        both.seed = seed;
        let mut chance = Chance::new(seed);
        for _ in 0..COMMANDS {
            let user = chance.pick(&["u", "u", "v"]);
            match chance.below(20) {
                0..=4 => {
                    let rules = chance.many(0, 4, rule);
                    let words = [words!["ACL", "SETUSER", user], rules.iter().map(super::word).collect()];
                    both.ask(0, &words.concat());
                    both.say(0, &format!("ACL GETUSER {user}"));
                }
                5 | 6 => both.say(0, "ACL LIST"),
                7 => both.say(0, chance.pick(&["ACL USERS", "ACL LOG", "ACL LOG 2", "ACL DELUSER v w"])),
                8..=12 => both.say(0, &format!("ACL DRYRUN {user} {}", command(&mut chance))),
                13 => both.say(1, &format!("AUTH {user} {}", chance.pick(&["secret", "other"]))),
                // With rules that make something of what follows.
                14 => both.say(
                    0,
                    chance.pick(&[
                        "ACL SETUSER u on nopass +@all ~a* &a*",
                        "ACL SETUSER u reset on nopass +@all %R~a* %W~b* %RW~c* &a*",
                    ]),
                ),
                _ => {
                    let line = command(&mut chance);
                    // v may have been removed with its connection.
                    if !line.starts_with("HELLO") {
                        both.say(1, &line);
                    }
                }
            }
            if both.ours[1].is_over() {
                break;
            }
        }
    });
}

#[test]
fn rules_are_summed_up_as_each_server_does() {
    let rules = [
        "+@all -@dangerous",
        "+@keyspace -@slow +pfadd",
        "+@keyspace +@read +@write",
        "+@all -config +@dangerous",
        "+@all -@admin -@slow +config|get",
        "+get +getset -get +config|get +config -config|set",
        "+select|0 +SELECT|0 +select|1 +psync +replconf",
        "+@read -@read",
    ];
    let lines = rules.map(|rules| format!("0 ACL SETUSER u reset {rules}\n0 ACL GETUSER u\n"));
    play(&lines.concat());
}

/// Each category lets the same commands through, of those that both know.
#[test]
fn categories_allow_the_commands_that_they_allow_in_redis() {
    for server in Server::each() {
        let mut both = Both::new(&server, 1, Protocol::Resp2);
        let theirs = Value::parse(&both.theirs[0].ask(&split("COMMAND LIST"))).unwrap().texts();
        let Reply::Array(ours) = both.ours[0].call(["COMMAND", "LIST"]) else { panic!("no list") };
        let known = |name: &Vec<u8>| ours.contains(&Reply::Bulk(name[..].into()));
        // As many words as any of them takes, and more where that is no fault.
        let calls: Vec<Words> = theirs.into_iter().filter(known).map(|name| call(&mut both, &name)).collect();
        for category in CATEGORIES {
            for rules in [format!("+@{category}"), format!("+@all -@{category}")] {
                both.say(0, &format!("ACL SETUSER u reset &* ~* {rules}"));
                for words in &calls {
                    both.ask(0, &[words!["ACL", "DRYRUN", "u"], words.clone()].concat());
                    both.said.truncate(1);
                }
                both.said.clear();
            }
        }
    }
}

/// A call of a command with the least number of words that it takes.
fn call(both: &mut Both, name: &[u8]) -> Words {
    let mut words: Words = name.split(|byte| *byte == b'|').map(<[u8]>::to_vec).collect();
    let info = both.ours[0].call(["COMMAND", "INFO", std::str::from_utf8(name).unwrap()]);
    let Reply::Array(infos) = &info else { panic!("{info:?}") };
    let Reply::Array(facts) = &infos[0] else { panic!("{info:?}") };
    let Reply::Integer(arity) = facts[1] else { panic!("{info:?}") };
    words.resize(arity.unsigned_abs() as usize, b"1".to_vec());
    words
}

/// A script of what two clients say, the first of whom may do all.
fn play(lines: &str) {
    for server in Server::each() {
        let mut both = Both::new(&server, 2, Protocol::Resp3);
        for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (who, line) = line.split_at(1);
            both.say(who.parse().unwrap(), line.trim());
        }
    }
}

#[test]
fn what_is_refused_is_told_as_redis_tells_it() {
    play(
        "0 ACL SETUSER u on >pw +@all -config -debug ~a* %R~r* %W~w* &ch* (+incr ~i)
         1 AUTH u bad
         1 auth u bad
         1 AUTH u pw
         1 ACL WHOAMI
         1 SET x 1
         1 SET a1 1
         1 GET w
         1 GET r1
         1 SET w1 x
         1 SET w1 x GET
         1 SET r1 x
         1 APPEND r1 x
         1 LPUSH r1 x
         1 DEL r1
         1 COPY r1 w1
         1 COPY w1 r1
         1 EXISTS r1 w1
         1 CONFIG GET x
         1 INCR i
         1 PUBLISH x y
         1 PUBLISH ch y
         1 SUBSCRIBE x
         1 PSUBSCRIBE ch
         1 SPUBLISH zz a
         1 MULTI
         1 SET x 1
         1 SET a1 1
         1 EXEC
         1 COPY a1 x
         1 SORT a1 BY foo*
         1 SORT a1 GET foo*
         1 SORT_RO a1 GET #
         1 EVAL return(redis.pcall('set','x','x')) 0
         1 EVAL return(redis.call('publish','x','x')) 0
         1 EVAL return(redis.call('get','x')) 1 x
         1 EVAL return(redis.acl_check_cmd('set','x','1')) 0
         1 EVAL return(redis.acl_check_cmd('set','a','1')) 0
         1 EVAL return(redis.acl_check_cmd('config','get','1')) 0
         0 ACL LOG
         0 ACL LOG 100
         0 ACL LOG 2
         0 ACL LOG -1
         0 ACL LOG x
         0 CONFIG SET acllog-max-len 3
         1 GET x
         0 ACL LOG
         0 CONFIG SET acllog-max-len 128
         0 ACL LOG RESET
         0 ACL LOG
         0 CLIENT KILL USER nobody
         0 CLIENT KILL USER u ID 999999",
    );
}

#[test]
fn what_is_refused_is_counted_by_reasons() {
    for server in Server::each() {
        let mut both = Both::new(&server, 2, Protocol::Resp2);
        let lines = [
            "0 ACL SETUSER u on >pw +@all -config ~a* &ch*",
            "1 AUTH u bad",
            "1 AUTH nobody pw",
            "1 AUTH u pw",
            "1 CONFIG GET x",
            "1 GET x",
            "1 MGET a x y",
            "1 PUBLISH x y",
            "1 SUBSCRIBE x",
            "1 SORT a BY x*",
            "0 ACL DRYRUN u get x",
            "1 MULTI",
            "1 GET x",
            "1 DISCARD",
            "1 MULTI",
            "1 GET a",
            "0 ACL SETUSER u resetkeys ~b",
            "1 EXEC",
            #[cfg(feature = "lua")]
            "1 EVAL return(redis.pcall('get','x')) 0",
            #[cfg(feature = "lua")]
            "1 EVAL return(redis.acl_check_cmd('get','x')) 0",
            // None of these begins anew.
            "0 ACL LOG RESET",
            "0 CONFIG RESETSTAT",
            "0 CONFIG SET acllog-max-len 0",
            "1 GET x",
            "1 AUTH u bad",
        ];
        let databases = ["0 ACL SETUSER u db=0", "1 SELECT 3", "1 COPY b b DB 2"];
        let has_databases = both.compat == Compat::Valkey9;
        for line in lines.into_iter().chain(databases.into_iter().filter(|_| has_databases)) {
            let (who, line) = line.split_at(1);
            both.say(who.parse().unwrap(), line.trim());
            let [ours, theirs] = denials(&mut both);
            assert_eq!(ours, theirs, "{line} in {:?}", both.compat);
        }
    }
}

/// The counters in the order in which larder and the server tell them.
fn denials(both: &mut Both) -> [Vec<String>; 2] {
    let words = words!["INFO", "stats"];
    let reply = answer(&mut both.ours[0], &words);
    [both.ours[0].encode(&reply), both.theirs[0].ask(&words)].map(|reply| {
        let text = String::from_utf8_lossy(&reply);
        text.lines().filter(|line| line.starts_with("acl_")).map(str::to_owned).collect()
    })
}

#[test]
fn rights_that_change_count_at_exec() {
    play(
        "0 ACL SETUSER u on >pw +@all ~* &*
         1 AUTH u pw
         1 MULTI
         1 SET x 1
         1 GET x
         1 PUBLISH ch 1
         1 CONFIG GET nope
         0 ACL SETUSER u -get resetkeys ~y resetchannels -config
         1 EXEC
         0 ACL LOG
         1 MULTI
         0 ACL SETUSER u -exec
         1 PING
         1 EXEC
         1 EXEC
         1 DISCARD",
    );
}

#[test]
fn passwords_and_the_default_user_are_those_of_redis() {
    play(
        "0 CONFIG SET requirepass foo
         0 ACL LIST
         0 ACL SETUSER default >bar
         0 CONFIG GET requirepass
         1 RESET
         1 HELLO 3
         1 ACL WHOAMI
         1 AUTH nope
         1 AUTH foo
         1 AUTH bar
         1 AUTH default bar
         1 AUTH nobody bar
         1 HELLO 3 AUTH default foo SETNAME x
         1 ACL WHOAMI
         0 ACL SETUSER default nopass
         0 CONFIG GET requirepass
         0 CONFIG SET requirepass empty
         0 CONFIG SET acl-pubsub-default allchannels
         0 ACL SETUSER u
         0 ACL SETUSER v (+get) reset (+set)
         0 ACL LIST
         0 CONFIG SET acl-pubsub-default resetchannels
         0 ACL SETUSER u on
         0 ACL SETUSER u reset
         0 ACL LIST
         0 ACL DELUSER default
         0 ACL DELUSER v default
         0 ACL DELUSER v v nope
         0 ACL LOAD
         0 ACL SAVE
         0 ACL GETUSER nope
         0 ACL DRYRUN nope get x
         0 ACL DRYRUN u nope
         0 ACL DRYRUN u get
         0 ACL DRYRUN u acl
         0 ACL SETUSER
         0 ACL SETUSER u (~a ~b
         0 ACL NOPE
         0 ACL USERS x
         0 ACL CAT nope",
    );
}

/// Whether the server has closed a connection, and larder its session.
fn are_closed(both: &mut Both, who: usize) -> (bool, bool) {
    let reply =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| both.theirs[who].ask(&words!["PING"])));
    (reply.is_err(), both.ours[who].is_over())
}

#[test]
fn who_loses_its_channels_or_its_user_is_disconnected() {
    for server in Server::each() {
        for (last, gone) in [
            ("ACL SETUSER u resetchannels &ch*", false),
            ("ACL SETUSER u resetchannels &other", true),
            ("ACL SETUSER u off -@all", false),
            ("ACL DELUSER u", true),
            ("CLIENT KILL USER u", true),
        ] {
            let mut both = Both::new(&server, 2, Protocol::Resp3);
            both.say(0, "ACL SETUSER u on >pw +@all ~* &*");
            both.say(1, "AUTH u pw");
            both.say(1, "SUBSCRIBE ch1");
            both.say(0, last);
            assert_eq!(are_closed(&mut both, 1), (gone, gone), "{last} in {:?}", both.compat);
        }
    }
}

#[test]
fn who_removes_itself_gets_the_reply_still() {
    let store = Store::new();
    let mut session = store.session();
    session.call(["ACL", "SETUSER", "u", "on", "nopass", "+@all"]);
    assert_eq!(session.call(["AUTH", "u", "x"]), Reply::OK);
    assert_eq!(session.call(["ACL", "DELUSER", "u"]), Reply::Integer(1));
    assert!(session.is_over());
}

#[test]
fn the_log_counts_the_same_in_one_entry_for_a_minute_of_the_stores_clock() {
    let (clock, store) = crate::support::manual_store();
    let mut session = store.session();
    let bad = |session: &mut Session| session.call(["AUTH", "u", "bad"]);
    let counts = |session: &mut Session| match session.call(["ACL", "LOG"]) {
        Reply::Array(entries) => entries.iter().map(|entry| fact(entry, "count")).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    bad(&mut session);
    clock.advance(std::time::Duration::from_secs(59));
    bad(&mut session);
    assert_eq!(counts(&mut session), [Reply::Integer(2)]);
    clock.advance(std::time::Duration::from_secs(61));
    bad(&mut session);
    assert_eq!(counts(&mut session), [Reply::Integer(1), Reply::Integer(2)]);
}

fn fact(entry: &Reply, name: &str) -> Reply {
    let Reply::Map(facts) = entry else { panic!("{entry:?}") };
    facts.iter().find(|(known, _)| *known == Reply::Bulk(name.into())).unwrap().1.clone()
}

#[test]
fn a_fork_has_the_same_users() {
    let store = Store::new();
    store.session().call(["ACL", "SETUSER", "u", "on", ">pw", "+get", "~a"]);
    let mut session = store.fork().unwrap().session();
    assert_eq!(session.call(["AUTH", "u", "pw"]), Reply::OK);
    assert!(matches!(session.call(["SET", "a", "1"]), Reply::Error(_)));
}
