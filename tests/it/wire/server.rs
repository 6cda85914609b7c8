//! SLOWLOG, LATENCY, ACL and what else a server says of itself.

use larder::{Compat, ManualClock, Protocol, Reply, Store};

use super::redis::Redis;
use super::{Words, answer, compare, compare_lines, words};
use crate::differential::chance::Chance;
use crate::differential::server::Server;

#[test]
fn servers_are_byte_for_byte_those_of_redis() {
    compare("servers", draw);
}

fn draw(chance: &mut Chance) -> Words {
    match chance.below(21) {
        0 => words![chance.pick(&["READONLY", "readwrite", "ASKING", "ROLE", "MODULE"])],
        1 => [words!["CLUSTER", cluster(chance)], some(chance)].concat(),
        2 => words!["CLUSTER"],
        3 => words![
            "REPLICAOF",
            chance.pick(&["NO", "no", "host"]),
            chance.pick(&["ONE", "one", "x", "70000"])
        ],
        4 => [words!["SLOWLOG", "GET"], chance.many(0, 1, number).concat_words()].concat(),
        5 => words!["SLOWLOG", chance.pick(&["LEN", "RESET", "len", "WHAT"])],
        6 => words!["SLOWLOG", chance.pick(&["GET", "get"]), number(chance), "7"],
        7 => words!["LATENCY", chance.pick(&["LATEST", "RESET", "HISTORY", "WHAT"])],
        8 => {
            words!["LATENCY", chance.pick(&["HISTORY", "GRAPH", "RESET"]), chance.pick(&["command", "what"])]
        }
        9 => words!["WAIT", chance.pick(&["0", "-1", "x"]), number(chance)],
        10 => words!["ACL", chance.pick(&["WHOAMI", "USERS", "LIST", "whoami", "CAT", "WHAT"])],
        11 => words!["ACL", "GETUSER", chance.pick(&["default", "Default", "ann"])],
        12 => [words!["ACL", "GENPASS"], chance.many(0, 2, number).concat_words()].concat(),
        13 => words!["ACL", chance.pick(&["CAT", "cat"]), chance.pick(&["what", ""])],
        14 => words!["MODULE", chance.pick(&["LIST", "WHAT"])],
        15 => words![chance.pick(&["LASTSAVE", "TIME"]), "x"],
        16 => words!["INFO", chance.pick(&["server", "what", "KEYSPACE", "all"])],
        17 => [words!["COMMAND", "GETKEYS"], getkeys(chance)].concat(),
        18 => words!["MEMORY", chance.pick(&["PURGE", "purge", "WHAT"])],
        19 => words!["memory", chance.pick(&["stats", "doctor", "purge", "malloc-stats"]), "x"],
        _ => words!["COMMAND", chance.pick(&["LIST", "WHAT"]), "FILTERBY", "MODULE", "x"],
    }
}

trait ConcatWords {
    fn concat_words(self) -> Words;
}

impl ConcatWords for Vec<String> {
    fn concat_words(self) -> Words {
        self.into_iter().map(String::into_bytes).collect()
    }
}

fn some(chance: &mut Chance) -> Words {
    chance.many(0, 2, |chance| chance.key().to_vec())
}

fn number(chance: &mut Chance) -> String {
    chance.pick(&["0", "1", "-1", "-2", "x", "5", "4096", "4097", "99999999999999999999"]).into()
}

fn cluster(chance: &mut Chance) -> &'static str {
    chance.pick(&["INFO", "KEYSLOT", "nodes", "SLOTS", "SHARDS", "MYID", "COUNTKEYSINSLOT", "WHAT"])
}

fn getkeys(chance: &mut Chance) -> Words {
    match chance.below(8) {
        0 => words!["GET", "a", "b"],
        1 => words!["mget", "a", "b", "a"],
        2 => words!["MSET", "a", "1", "b", "2"],
        3 => words!["WHAT", "a"],
        4 => words!["PING", "a"],
        5 => words!["CONFIG", "GET", "a"],
        6 => words!["CONFIG", "WHAT"],
        _ => words!["LCS", "a", "b", "LEN"],
    }
}

/// Up to 7.0 a pause without an end that can be counted is none.
#[test]
fn times_without_end_are_refused_since_7_2() {
    let lines = "WAIT 0 9223372036854775807; WAIT x 9223372036854775807; WAIT 0 9223370000000000000; WAIT 0 -1; \
        WAITAOF 0 0 9223372036854775807; WAITAOF 1 0 9223372036854775807; WAITAOF 2 0 9223372036854775807; \
        CLIENT PAUSE 9223372036854775807; CLIENT PAUSE 9223372036854775807 WRITE; CLIENT PAUSE 9223372036854775807 WHAT; \
        CLIENT PAUSE 9223372036854775808; CLIENT PAUSE -1; CLIENT PAUSE x; CLIENT PAUSE; SET a 1; CLIENT UNPAUSE; \
        XADD s 1-1 a b; XREAD BLOCK 9223372036854775807 STREAMS s 0; XREAD BLOCK -1 STREAMS s 0";
    compare_lines(' ', lines.split("; "));
}

#[test]
fn others_are_told_as_that_server_tells_them() {
    for server in Server::each() {
        let mut redis = Redis::connect(server.port(), Protocol::Resp3);
        let store = Store::new();
        let mut session = store.session().compat(redis.compat);
        session.call(["HELLO", "3"]);
        let mut both = |words: &Words| {
            let reply = answer(&mut session, words);
            (session.encode(&reply).to_vec(), redis.ask(words))
        };
        both(&words!["SET", "a", "1"]);
        for words in [
            words!["GETEX", "a", "PERSIST", "PERSIST"],
            words!["GETEX", "a", "PERSIST", "persist", "EX", "10"],
            words!["BITFIELD", "a", "GET", "u8", "4294967295"],
            words!["BITFIELD", "a", "GET", "u8", "4294967296"],
            words!["BITFIELD_RO", "a", "GET", "i64", "4294967290"],
            words!["SETRANGE", "a", "3", "x"],
            words!["COMMAND", "INFO", "GET"],
        ] {
            let (ours, theirs) = both(&words);
            assert_eq!(ours.escape_ascii().to_string(), theirs.escape_ascii().to_string(), "{words:?}");
        }
        let last = |reply: Vec<u8>| {
            String::from_utf8(reply).unwrap().lines().rfind(|line| !line.is_empty()).map(str::to_owned)
        };
        let (ours, theirs) = both(&words!["LOLWUT", "VERSION", "1", "2", "3"]);
        let (ours, theirs) = (last(ours).unwrap(), last(theirs).unwrap());
        let theirs = theirs.trim_start_matches("txt:");
        let name = |line: &str| line.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.').to_owned();
        assert_eq!(name(&ours), name(theirs));
    }
}

#[test]
fn the_time_is_that_of_the_clock() {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).build();
    let Reply::Array(parts) = store.session().call(["TIME"]) else { panic!("no array") };
    assert_eq!(parts, [Reply::Bulk("946684800".into()), Reply::Bulk("0".into())]);
    assert_eq!(store.session().call(["LASTSAVE"]), Reply::Integer(946_684_800));
}

#[test]
fn nothing_is_replicated() {
    let mut session = Store::new().session();
    let nobody = Reply::Array(vec![Reply::Integer(0), Reply::Integer(0)]);
    assert_eq!(session.call(["WAITAOF", "0", "1", "100"]), nobody);
    let Reply::Error(error) = session.call(["WAITAOF", "1", "0", "0"]) else { panic!("no error") };
    assert!(error.to_string().starts_with("ERR WAITAOF cannot be used when numlocal is set"));
    assert!(matches!(session.call(["REPLICAOF", "127.0.0.1", "6379"]), Reply::Error(_)));
}

#[test]
fn an_acl_tells_the_hash_of_the_password() {
    let store = Store::new();
    let mut session = store.session().compat(Compat::Redis70);
    session.call(["CONFIG", "SET", "requirepass", "abc"]);
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let line = format!("user default on #{hash} ~* &* +@all");
    assert_eq!(session.call(["ACL", "LIST"]), Reply::Array(vec![Reply::Bulk(line.into())]));
}
