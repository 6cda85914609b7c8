//! PING, SELECT, HELLO, AUTH, CLIENT and what else is between a client and its server.

use larder::{Bytes, Compat, Protocol, Reply, Session, Store};

use super::{Words, compare, words};
use crate::differential::chance::Chance;

#[test]
fn connections_are_byte_for_byte_those_of_redis() {
    compare("connections", draw);
}

/// What tells ids and addresses is not to be compared byte for byte within EXEC.
#[test]
fn transactions_of_connections_are_byte_for_byte_those_of_redis() {
    compare("transactions of connections", |chance| match chance.below(4) {
        0 => words![chance.pick(&["MULTI", "EXEC", "DISCARD"])],
        1 => words![chance.pick(&["EXEC", "RESET", "MULTI", "AUTH"])],
        _ => loop {
            let words = draw(chance);
            // Redis 8.2 forgets to answer what was no right password.
            let logs_in = words.len() == 3 && super::is_one_of(words.first(), &["AUTH"]);
            if !logs_in
                && !super::is_one_of(words.first(), &["HELLO"])
                && !super::is_one_of(words.get(1), &["LIST", "INFO"])
            {
                return words;
            }
        },
    });
}

fn draw(chance: &mut Chance) -> Words {
    match chance.below(24) {
        0 => [words!["PING"], some(chance)].concat(),
        1 => [words!["echo"], some(chance)].concat(),
        2..=5 => words!["SELECT", index(chance)],
        6 => [words!["AUTH"], some(chance)].concat(),
        7 => words!["AUTH", chance.pick(&["default", "DEFAULT", "ann"]), "secret"],
        8..=10 => {
            [words!["HELLO", chance.pick(&["2", "3", "3", "2", "1", "4", "x"])], options(chance)].concat()
        }
        11 => words!["HELLO"],
        12 => words!["RESET"],
        13 => words!["CLIENT", "SETNAME", name(chance)],
        14 | 15 => words!["CLIENT", "GETNAME"],
        16 => words!["client", "no-evict", chance.pick(&["on", "OFF", "maybe"])],
        17 => words!["CLIENT", chance.pick(&["GETREDIR", "TRACKINGINFO", "trackinginfo", "WHAT", "INFO"])],
        18 => [words!["CLIENT", "LIST"], filter(chance)].concat(),
        19 => words!["CLIENT", "REPLY", chance.pick(&["ON", "WHAT"])],
        20 => words!["CLIENT"],
        21 => words!["GET", chance.key()],
        22 => words!["CLIENT", "SETNAME"],
        _ => words!["SET", chance.key(), chance.value()],
    }
}

fn some(chance: &mut Chance) -> Words {
    chance.many(0, 3, name)
}

fn name(chance: &mut Chance) -> Vec<u8> {
    chance.pick(&["ann", "", "bob:7", "a b", "new\nline", "~!"]).as_bytes().to_vec()
}

fn index(chance: &mut Chance) -> String {
    if chance.one_in(3) {
        return chance.pick(&["-1", "16", "x", "", "3000000000", "99999999999999999999", "65536"]).into();
    }
    chance.below(3).to_string()
}

fn options(chance: &mut Chance) -> Words {
    let options = chance.many(0, 2, |chance| match chance.below(6) {
        0 | 1 => words!["SETNAME", name(chance)],
        2 => words!["auth", "default", "any"],
        3 => words!["AUTH", "ann", "any"],
        4 => words!["AUTH", "default"],
        _ => words!["SETNAME"],
    });
    options.concat()
}

fn filter(chance: &mut Chance) -> Words {
    match chance.below(6) {
        0 => words![],
        1 => words!["TYPE", chance.pick(&["normal", "what"])],
        2 => words!["TYPE"],
        3 => words!["ID"],
        4 => words!["ID", "1", "x"],
        _ => words!["what"],
    }
}

fn error(session: &mut Session, words: &[&str]) -> String {
    match session.call(words) {
        Reply::Error(error) => error.to_string(),
        other => panic!("{words:?} is no error but {other:?}"),
    }
}

fn text(reply: Reply) -> String {
    match reply {
        Reply::Verbatim(_, text) | Reply::Bulk(text) => String::from_utf8(text.to_vec()).unwrap(),
        other => panic!("{other:?} is no text"),
    }
}

/// The values of the fields of a line of CLIENT LIST.
fn field(line: &str, name: &str) -> String {
    let fields = line.trim_end().split(' ').filter_map(|field| field.split_once('='));
    let found = fields.into_iter().find(|(field, _)| *field == name);
    found.unwrap_or_else(|| panic!("no {name} in {line}")).1.to_owned()
}

#[test]
fn a_client_sees_itself_and_the_others() {
    let store = Store::new();
    let mut ann = store.session();
    let mut bob = store.session().addresses("10.0.0.7:50000", "10.0.0.1:6379");
    assert_eq!(ann.call(["CLIENT", "ID"]), Reply::Integer(1));
    assert_eq!(bob.call(["CLIENT", "ID"]), Reply::Integer(2));
    bob.call(["CLIENT", "SETNAME", "bob"]);
    bob.call(["CLIENT", "SETINFO", "LIB-NAME", "redis-py"]);
    bob.call(["CLIENT", "SETINFO", "lib-ver", "5.0"]);
    bob.call(["SELECT", "3"]);
    bob.call(["MULTI"]);
    bob.call(["GET", "a"]);

    let all = text(ann.call(["CLIENT", "LIST"]));
    let [first, second] = all.lines().collect::<Vec<_>>()[..] else { panic!("not two: {all}") };
    let facts = ["id", "addr", "laddr", "name", "db", "multi", "flags", "cmd", "lib-name", "lib-ver", "resp"];
    let of_bob = facts.map(|name| field(second, name));
    let told = ["2", "10.0.0.7:50000", "10.0.0.1:6379", "bob", "3", "1", "x", "get", "redis-py", "5.0", "2"];
    assert_eq!(of_bob, told);
    assert_eq!(["id", "name", "cmd", "multi"].map(|name| field(first, name)), ["1", "", "client|list", "-1"]);

    assert_eq!(field(&text(ann.call(["CLIENT", "LIST", "ID", "2", "9"])), "name"), "bob");
    assert_eq!(text(ann.call(["CLIENT", "LIST", "TYPE", "pubsub"])), "");
    drop(bob);
    assert_eq!(text(ann.call(["CLIENT", "LIST"])).lines().count(), 1);
    assert_eq!(store.session().call(["CLIENT", "ID"]), Reply::Integer(3));
}

#[test]
fn a_client_that_says_so_leaves_no_trace_and_stays() {
    let mut session = Store::new().session();
    let flags = |session: &mut Session| field(&text(session.call(["CLIENT", "INFO"])), "flags");
    assert_eq!(session.call(["CLIENT", "NO-EVICT", "on"]), Reply::OK);
    assert_eq!(session.call(["CLIENT", "NO-TOUCH", "ON"]), Reply::OK);
    assert_eq!(flags(&mut session), "eT");
    assert_eq!(session.call(["CLIENT", "no-touch", "off"]), Reply::OK);
    assert_eq!(flags(&mut session), "e");
    assert_eq!(error(&mut session, &["CLIENT", "NO-TOUCH", "x"]), "ERR syntax error");
}

#[test]
fn a_clients_library_can_be_told_since_7_2() {
    let mut session = Store::new().session();
    let set = ["CLIENT", "SETINFO", "lib-name", "redis py"];
    let wrong = "ERR lib-name cannot contain spaces, newlines or special characters.";
    assert_eq!(error(&mut session, &set), wrong);
    assert_eq!(error(&mut session, &["CLIENT", "SETINFO", "os", "x"]), "ERR Unrecognized option 'os'");
    let mut old = Store::new().session().compat(Compat::Redis70);
    assert_eq!(error(&mut old, &set), "ERR unknown subcommand 'SETINFO'. Try CLIENT HELP.");
    assert!(!text(old.call(["CLIENT", "INFO"])).contains("lib-name"));
}

#[test]
fn hello_tells_who_it_is() {
    let mut session = Store::new().session();
    let Reply::Map(facts) = session.call(["HELLO", "3", "SETNAME", "ann"]) else { panic!("no map") };
    let facts: Vec<_> = facts.into_iter().map(|(name, fact)| (text(name), fact)).collect();
    let names: Vec<_> = facts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["server", "version", "proto", "id", "mode", "role", "modules"]);
    assert_eq!(facts[0].1, Reply::Bulk(Bytes::from("redis")));
    assert_eq!((&facts[2].1, &facts[3].1), (&Reply::Integer(3), &Reply::Integer(1)));
    assert_eq!(session.protocol(), Protocol::Resp3);
    assert_eq!(text(session.call(["CLIENT", "GETNAME"])), "ann");
    assert_eq!(session.call(["RESET"]), Reply::Status("RESET".into()));
    assert_eq!((session.protocol(), session.call(["CLIENT", "GETNAME"])), (Protocol::Resp2, Reply::Nil));

    // From 7.2 on all options are looked at before any is done.
    error(&mut session, &["HELLO", "3", "SETNAME", "bob", "what"]);
    assert_eq!(session.call(["CLIENT", "GETNAME"]), Reply::Nil);

    let mut valkey = Store::new().session().compat(Compat::Valkey9);
    let Reply::Map(facts) = valkey.call(["HELLO"]) else { panic!("no map") };
    assert_eq!(facts[0].1, Reply::Bulk(Bytes::from("valkey")));
    assert_eq!(facts.len(), 7);
    valkey.call(["CONFIG", "SET", "availability-zone", "west"]);
    for hello in [&["HELLO"][..], &["HELLO", "3"]] {
        let Reply::Map(facts) = valkey.call(hello) else { panic!("no map") };
        let zone = (Reply::Bulk(Bytes::from("availability_zone")), Reply::Bulk(Bytes::from("west")));
        assert_eq!((facts.len(), facts.last()), (8, Some(&zone)));
    }
}

#[test]
fn a_password_is_wanted_of_those_who_come_after_it_was_set() {
    let store = Store::new();
    let mut early = store.session();
    assert_eq!(early.call(["CONFIG", "SET", "requirepass", "secret"]), Reply::OK);
    assert_eq!(early.call(["SET", "a", "1"]), Reply::OK);

    let mut late = store.session();
    let none = "NOAUTH Authentication required.";
    assert_eq!(error(&mut late, &["GET", "a"]), none);
    assert_eq!(error(&mut late, &["GOT", "a"]), "ERR unknown command 'GOT', with args beginning with: 'a' ");
    assert!(error(&mut late, &["HELLO", "3"]).starts_with("NOAUTH HELLO must be called with"));
    let wrong = "WRONGPASS invalid username-password pair or user is disabled.";
    assert_eq!(error(&mut late, &["AUTH", "wrong"]), wrong);
    assert_eq!(error(&mut late, &["AUTH", "ann", "secret"]), wrong);
    assert_eq!(error(&mut late, &["HELLO", "3", "AUTH", "default", "wrong"]), wrong);
    assert_eq!(late.call(["AUTH", "secret"]), Reply::OK);
    assert_eq!(text(late.call(["GET", "a"])), "1");
    assert_eq!(late.call(["RESET"]), Reply::Status("RESET".into()));
    assert_eq!(error(&mut late, &["GET", "a"]), none);
    assert!(matches!(late.call(["HELLO", "3", "AUTH", "default", "secret"]), Reply::Map(_)));
    assert_eq!(late.call(["CONFIG", "SET", "requirepass", ""]), Reply::OK);
    assert_eq!(text(store.session().call(["GET", "a"])), "1");
}

#[test]
fn replies_that_a_client_does_not_want() {
    let mut session = Store::new().session();
    let mut sent = |words: &[&str]| {
        session.call(words);
        session.sends_reply()
    };
    assert!(sent(&["PING"]));
    assert!(!sent(&["CLIENT", "REPLY", "SKIP"]));
    assert!(!sent(&["PING"]));
    assert!(sent(&["PING"]));
    assert!(!sent(&["CLIENT", "REPLY", "OFF"]));
    assert!(!sent(&["CLIENT", "REPLY", "SKIP"]));
    assert!(!sent(&["PING"]) && !sent(&["PING"]));
    assert!(sent(&["CLIENT", "REPLY", "ON"]));
}

#[test]
fn quit_closes_even_behind_a_multi() {
    let mut session = Store::new().session();
    session.call(["MULTI"]);
    assert!(!session.is_over());
    assert_eq!(session.call(["QUIT"]), Reply::OK);
    assert!(session.is_over());
}
