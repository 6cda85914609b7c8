//! What clients do to others that they choose: over sockets, as on each server.

use larder::{Compat, Protocol};

use super::acl_waits::{ask, each_server, end, split, wait};
use super::redis::Redis;
use super::value::Value;
use super::words;
use crate::differential::chance::Chance;

fn id(client: &mut Redis) -> String {
    ask(client, "CLIENT ID").trim_start_matches(':').trim_end_matches("\\r\\n").to_owned()
}

#[test]
fn who_does_not_wait_does_not_fail_later() {
    each_server(|port, admin| {
        ask(admin, "FLUSHALL");
        let mut client = Redis::connect(port, Protocol::Resp2);
        let order = |how: &str, client: &mut Redis| format!("CLIENT UNBLOCK {} {how}", id(client));
        let mut told = Vec::new();
        for line in [
            "BLPOP l 0.03",
            "BLMOVE l d LEFT RIGHT 0.03",
            "BZMPOP 0.03 1 z MIN",
            "XREAD BLOCK 30 STREAMS s $",
        ] {
            for how in ["ERROR", "TIMEOUT"] {
                let order = order(how, &mut client);
                told.extend([ask(admin, &order), ask(&mut client, line), ask(&mut client, line)]);
            }
        }
        // One of two orders is too late, and so is one behind what it has waited for.
        let fail = order("ERROR", &mut client);
        wait(&mut client, admin, "BLPOP l 0", 1);
        told.extend([
            ask(admin, &fail),
            ask(admin, &fail),
            end(&mut client),
            ask(&mut client, "BLPOP l 0.03"),
        ]);
        wait(&mut client, admin, "BLPOP l 0", 1);
        told.extend([ask(admin, "RPUSH l x"), ask(admin, &fail), end(&mut client)]);
        told.push(ask(&mut client, "BLPOP l 0.03"));
        wait(&mut client, admin, "BLPOP l 0", 1);
        let time_out = fail.replace("ERROR", "TIMEOUT");
        told.extend(["MULTI", &time_out, &fail, "EXEC"].map(|line| ask(admin, line)));
        told.extend([end(&mut client), ask(&mut client, "BLPOP l 0.03")]);
        told
    });
}

#[test]
fn reset_takes_back_what_a_client_has_said_of_itself() {
    each_server(|_, admin| {
        let lines = "CLIENT NO-EVICT ON;CLIENT NO-TOUCH ON;CLIENT CAPA redirect;CLIENT SETNAME me;CLIENT INFO;RESET;CLIENT INFO;\
                     CLIENT NO-TOUCH ON;CLIENT INFO;RESET;CLIENT INFO";
        let told = lines
            .split(';')
            .map(|line| ask(admin, line))
            .map(|told| facts(&told, &["name", "flags", "capa"]));
        told.collect()
    });
}

/// Some fields of a line about a client; what is none as it is.
fn facts(told: &str, names: &[&str]) -> String {
    if !told.contains(" flags=") {
        return told.to_owned();
    }
    let fields =
        told.split(' ').filter(|field| field.split_once('=').is_some_and(|(name, _)| names.contains(&name)));
    fields.collect::<Vec<_>>().join(" ")
}

/// Clients of all sorts, of whom the first two words of each are told, and their ids.
fn crowd(port: u16, admin: &mut Redis) -> (Vec<Redis>, Vec<String>) {
    const SAID: [&str; 8] = [
        "AUTH ann x;CLIENT SETNAME ann;SELECT 3;CLIENT SETINFO lib-name lib;CLIENT SETINFO lib-ver 1",
        "CLIENT SETNAME bob;SUBSCRIBE x",
        "CLIENT SETNAME cat;CLIENT NO-EVICT on;CLIENT NO-TOUCH on;CLIENT CAPA redirect",
        "SELECT 3",
        "CLIENT SETNAME multi;MULTI",
        "HELLO 3;CLIENT TRACKING ON BCAST",
        "CLIENT SETNAME lib;HELLO 3;PSUBSCRIBE y",
        "CLIENT SETNAME mon;MONITOR",
    ];
    ask(admin, "ACL SETUSER ann reset on nopass +@all ~* &*");
    let mut crowd: Vec<Redis> = Vec::new();
    let mut ids = vec![id(admin)];
    for said in SAID {
        let mut client = Redis::connect(port, Protocol::Resp2);
        ids.push(id(&mut client));
        said.split(';').for_each(|line| drop(ask(&mut client, line)));
        crowd.push(client);
    }
    let mut waiter = Redis::connect(port, Protocol::Resp2);
    ids.push(id(&mut waiter));
    wait(&mut waiter, admin, "BLPOP none 0", 1);
    crowd.push(waiter);
    (crowd, ids)
}

/// Those of a list by their places among the ids, in the order of these: that of the list is each server's own.
fn found(reply: &[u8], ids: &[String]) -> String {
    let Some(mut places) = listed(reply, ids) else { return reply.escape_ascii().to_string() };
    places.sort_unstable();
    format!("{places:?}")
}

fn listed(reply: &[u8], ids: &[String]) -> Option<Vec<Option<usize>>> {
    let Some(Value::One(b'$' | b'=', text)) = Value::parse(reply) else { return None };
    let text = String::from_utf8(text).unwrap();
    let id =
        |line: &str| line.split(' ').next().and_then(|field| field.strip_prefix("id=")).map(str::to_owned);
    let place = |id: String| ids.iter().position(|known| *known == id);
    Some(text.lines().filter_map(id).map(place).collect())
}

/// One option with what follows it, mostly one that Valkey has too.
fn option(chance: &mut Chance, ids: &[String], port: u16) -> String {
    let own = format!("127.0.0.1:{port}");
    let id = |chance: &mut Chance| chance.pick(ids);
    let (one, other) = (id(chance), id(chance));
    let (name, values): (&str, Vec<&str>) = match chance.below(18) {
        0 => ("ID", vec!["0", &one, &other, "-1", "x", "99999"]),
        1 | 2 => ("TYPE", vec!["normal", "NORMAL", "pubsub", "replica", "master", "primary", "nobody"]),
        3 => ("USER", vec!["default", "ann", "nobody"]),
        4 => ("ADDR", vec!["1.2.3.4:5", "x"]),
        5 => ("LADDR", vec!["x", &own]),
        6 => ("SKIPME", vec!["yes", "NO", "maybe"]),
        7 => ("MAXAGE", vec!["1000", "0", "x", "-1", "9223372036854775807"]),
        8 => ("IDLE", vec!["1000", "0", "x", "-1", "9223372036854775807"]),
        9 => ("NAME", vec!["ann", "ANN", "bob", "multi"]),
        10 => ("LIB-NAME", vec!["lib", "x"]),
        11 => ("LIB-VER", vec!["1", "x"]),
        12 | 13 => ("FLAGS", vec!["N", "P", "eT", "Te", "b", "x", "t", "tB", "O", "S", "NP", "OS", "Z", "A"]),
        14 => ("DB", vec!["0", "3", "15", "16", "-1", "x", "3000000000"]),
        15 => ("CAPA", vec!["r", "rr", "x"]),
        16 => ("IP", vec!["127.0.0.1", "127.0.0.2", "x"]),
        _ => ("WHAT", vec!["x", ""]),
    };
    let not = if chance.one_in(3) { "NOT-" } else { "" };
    let more = if name == "ID" && chance.one_in(2) { format!(" {other}") } else { String::new() };
    let name = if chance.one_in(8) { name.to_lowercase() } else { name.to_owned() };
    format!("{not}{name} {}{more}", chance.pick(&values)).trim_end().to_owned()
}

#[test]
fn clients_are_chosen_as_on_each_server() {
    each_server(|port, admin| {
        let (_crowd, ids) = crowd(port, admin);
        let mut chance = Chance::new(11);
        let mut told = Vec::new();
        for _ in 0..600 {
            let options: Vec<_> = (0..1 + chance.below(3)).map(|_| option(&mut chance, &ids, port)).collect();
            let line = format!("CLIENT LIST {}", options.join(" "));
            let listed = found(&admin.ask(&split(&line)), &ids);
            // Nobody is killed: there is none of that id.
            let line = format!("CLIENT KILL {} ID 888888", options.join(" "));
            let has_id = options.iter().any(|option| option.to_lowercase().contains("id "));
            let killed = if has_id { String::new() } else { ask(admin, &line) };
            let shown: Vec<_> = options.iter().map(|option| named(option, &ids, port)).collect();
            told.push(format!("{shown:?}: {listed} {killed}"));
        }
        for empty in
            ["NAME", "NOT-NAME", "LIB-NAME", "NOT-LIB-NAME", "FLAGS", "NOT-FLAGS", "CAPA", "NOT-CAPA", "ADDR"]
        {
            told.push(format!("{empty}: {}", found(&admin.ask(&words!["CLIENT", "LIST", empty, ""]), &ids)));
        }
        // In the order in which they are named; Valkey has its own.
        let line = format!("CLIENT LIST ID {} {} {} 99999 {}", ids[5], ids[0], ids[9], ids[5]);
        let mut places = listed(&admin.ask(&split(&line)), &ids).unwrap();
        if admin.compat == Compat::Valkey9 {
            places.sort_unstable();
        }
        told.push(format!("{places:?}"));
        for zero in [&b"P\0Z"[..], b"Z\0y"] {
            told.push(found(&admin.ask(&words!["CLIENT", "LIST", "FLAGS", zero]), &ids));
        }
        told
    });
}

/// With places for ids and the port, which are each server's own.
fn named(option: &str, ids: &[String], port: u16) -> String {
    let name = |word: &str| match ids.iter().position(|id| id == word) {
        Some(place) if option.to_lowercase().contains("id ") => format!("<{place}>"),
        _ => word.replace(&port.to_string(), "port"),
    };
    option.split(' ').map(name).collect::<Vec<_>>().join(" ")
}

#[test]
fn who_is_chosen_is_killed_and_nobody_else() {
    each_server(|port, admin| {
        let (_crowd, ids) = crowd(port, admin);
        let mut told = Vec::new();
        for line in [
            format!("CLIENT KILL ID {} ID {}", ids[4], ids[9]),
            "CLIENT KILL USER ann".to_owned(),
            "CLIENT KILL NAME bob".into(),
            "CLIENT KILL TYPE pubsub SKIPME no".into(),
            "CLIENT KILL FLAGS Te".into(),
            format!("CLIENT KILL NOT-ID {} {} {} NOT-FLAGS O SKIPME yes", ids[4], ids[5], ids[6]),
            "CLIENT KILL MAXAGE 1000 NAME mon".into(),
            "CLIENT KILL NOT-NAME nobody DB 3".into(),
            "CLIENT KILL TYPE primary".into(),
            "CLIENT KILL TYPE normal".into(),
        ] {
            told.push(ask(admin, &line));
            told.push(found(&admin.ask(&split("CLIENT LIST")), &ids));
        }
        told
    });
}
