//! Users whose rights change while they wait for a key, over sockets, as on each server.

use larder::{Protocol, Store};

use super::Words;
use super::redis::Redis;
use super::value::Value;
use crate::differential::server::Server;
use crate::support::until;

/// Commands that wait, and what ends their wait.
const WAITS: [(&str, &str); 7] = [
    ("BLPOP k l 0", "RPUSH l a"),
    ("BLMOVE l d LEFT RIGHT 0", "RPUSH l a"),
    ("BLMPOP 0 2 k l LEFT", "RPUSH l a"),
    ("BZPOPMIN z 0", "ZADD z 1 a"),
    ("XREAD BLOCK 0 STREAMS s $", "XADD s 1-1 f v"),
    ("XREADGROUP GROUP g c BLOCK 0 STREAMS g >", "XADD g 1-1 f v"),
    ("XREADGROUP GROUP g c BLOCK 0 STREAMS g >", "DEL g"),
];

/// What happens to the user meanwhile.
const CHANGES: [&str; 8] = [
    "ACL SETUSER u -@all",
    "ACL SETUSER u -@all +@all",
    "ACL SETUSER u resetkeys",
    "ACL SETUSER u resetkeys ~d",
    "ACL SETUSER u resetkeys ~[lzsg]",
    "ACL SETUSER u resetkeys ~[klzsgd]",
    "ACL SETUSER u off resetpass",
    "ACL DELUSER u",
];

pub(super) fn split(line: &str) -> Words {
    line.split(' ').map(|word| word.as_bytes().to_vec()).collect()
}

pub(super) fn ask(client: &mut Redis, line: &str) -> String {
    client.ask(&split(line)).escape_ascii().to_string()
}

/// A user who may do all for now.
fn user(port: u16, admin: &mut Redis, name: &str) -> Redis {
    assert_eq!(ask(admin, &format!("ACL SETUSER {name} reset on nopass +@all ~* &*")), "+OK\\r\\n");
    let mut user = Redis::connect(port, Protocol::Resp2);
    assert_eq!(ask(&mut user, &format!("AUTH {name} x")), "+OK\\r\\n");
    user
}

fn begin(admin: &mut Redis) {
    for line in ["FLUSHALL", "ACL LOG RESET", "CONFIG RESETSTAT", "XGROUP CREATE g g $ MKSTREAM"] {
        admin.ask(&split(line));
    }
}

pub(super) fn wait(client: &mut Redis, admin: &mut Redis, line: &str, count: usize) {
    client.send(&split(line));
    let blocked = format!("blocked_clients:{count}\\r");
    until("waiter", || ask(admin, "INFO clients").contains(&blocked));
}

pub(super) fn end(client: &mut Redis) -> String {
    client.next_or_end().map_or("closed".into(), |reply| reply.escape_ascii().to_string())
}

/// What is known afterwards: what the log has, what was counted, and which keys there are.
fn traces(admin: &mut Redis) -> Vec<String> {
    let Some(Value::Many(_, entries)) = Value::parse(&admin.ask(&split("ACL LOG"))) else { panic!("no log") };
    let mut traces: Vec<String> = Vec::new();
    for entry in entries {
        let Value::Many(_, facts) = entry else { panic!("{entry:?}") };
        traces.push(format!("{:?} {:?} {:?} {:?}", facts[3], facts[5], facts[7], facts[9]));
    }
    for section in ["commandstats", "errorstats"] {
        let told = ask(admin, &format!("INFO {section}"));
        let stats = |line: &&str| line.starts_with("cmdstat_") || line.starts_with("errorstat_");
        let asks = |line: &&str| line.starts_with("cmdstat_info") || line.starts_with("cmdstat_acl");
        let mut lines: Vec<_> = told.split("\\r\\n").filter(|line| stats(line) && !asks(line)).collect();
        lines.sort_unstable();
        // How long it takes is each machine's own.
        let timeless = |line: &str| {
            line.split(',').filter(|fact| !fact.starts_with("usec")).collect::<Vec<_>>().join(",")
        };
        traces.extend(lines.into_iter().map(timeless));
    }
    traces.extend(["DBSIZE", "LLEN l", "LLEN d"].map(|line| format!("{line}: {}", ask(admin, line))));
    let clients = ask(admin, "INFO clients");
    traces
        .extend(clients.split("\\r\\n").find(|line| line.starts_with("blocked_clients")).map(str::to_owned));
    traces
}

/// Has the same done on larder and on each server, and compares what is told of it.
pub(super) fn each_server(play: impl Fn(u16, &mut Redis) -> Vec<String>) {
    for server in Server::each() {
        let mut theirs = Redis::connect(server.port(), Protocol::Resp2);
        let (store, compat) = (Store::new(), theirs.compat);
        let larder = larder::Server::builder().compat(compat).start(&store).unwrap();
        let mut ours = Redis::connect(larder.port(), Protocol::Resp2);
        let told = play(larder.port(), &mut ours).into_iter().zip(play(server.port(), &mut theirs));
        told.for_each(|(ours, theirs)| assert_eq!(ours, theirs, "{:?}", compat));
    }
}

#[test]
fn who_waits_is_asked_for_its_rights_again() {
    each_server(|port, admin| {
        let mut told = Vec::new();
        for (line, come) in WAITS {
            for change in CHANGES {
                begin(admin);
                let mut waiter = user(port, admin, "u");
                wait(&mut waiter, admin, line, 1);
                let mut case = vec![format!("{line}; {change}; {come}")];
                case.extend([ask(admin, change), ask(admin, come), end(&mut waiter)]);
                let mut traces = traces(admin);
                // Redis 7.0 has counted what one waits with when it is disconnected.
                let name = format!("cmdstat_{}:", line.split(' ').next().unwrap().to_lowercase());
                traces.retain(|line| change != "ACL DELUSER u" || !line.starts_with(&name));
                told.push([case, traces].concat().join("\n"));
            }
        }
        told
    });
}

#[test]
fn what_one_may_not_have_any_more_the_next_gets() {
    each_server(|port, admin| {
        begin(admin);
        let [mut first, mut next] = ["u", "v"].map(|name| user(port, admin, name));
        wait(&mut first, admin, "BLPOP l 0", 1);
        wait(&mut next, admin, "BLMPOP 0 1 l LEFT", 2);
        ask(admin, "ACL SETUSER u -blpop");
        let pushed = ask(admin, "RPUSH l a b");
        let told = vec![pushed, end(&mut first), end(&mut next), ask(&mut first, "PING")];
        [told, traces(admin)].concat()
    });
}

#[test]
fn rights_are_looked_at_when_the_transaction_has_ended_that_brings_something() {
    each_server(|port, admin| {
        begin(admin);
        let mut waiter = user(port, admin, "u");
        wait(&mut waiter, admin, "BZPOPMAX z 0", 1);
        let lines = ["MULTI", "ZADD z 1 a", "ACL SETUSER u resetkeys", "EXEC"].map(|line| ask(admin, line));
        let told = vec![lines.join("\n"), end(&mut waiter), ask(&mut waiter, "PING")];
        [told, traces(admin)].concat()
    });
}

#[test]
fn who_waits_in_vain_is_not_asked() {
    each_server(|port, admin| {
        begin(admin);
        let mut waiter = user(port, admin, "u");
        wait(&mut waiter, admin, "BLPOP l 0.2", 1);
        ask(admin, "ACL SETUSER u -@all");
        // Nothing that it waits for.
        ask(admin, "SET l x");
        [vec![end(&mut waiter)], traces(admin)].concat()
    });
}
