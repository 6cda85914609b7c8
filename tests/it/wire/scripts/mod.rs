//! EVAL, SCRIPT, FUNCTION and FCALL.

mod bounds;
mod corpus;
mod functions;
mod kept;
mod kill;
mod libraries;
mod recipes;
mod time;
mod tracked;

use larder::{Compat, Protocol, Store};

use super::redis::Redis;
use super::{Words, answer, script, words};
use crate::differential::server::Server;

/// Runs the same commands here and on a real Redis, in both protocols, and shows all replies that differ.
fn compare_all(commands: &[Words]) {
    let servers = Server::each();
    let mut differences = Vec::new();
    let protocols = [Protocol::Resp2, Protocol::Resp3];
    for (server, protocol) in servers.iter().flat_map(|server| protocols.map(|protocol| (server, protocol))) {
        let mut redis = Redis::connect(server.port(), protocol);
        for words in [words!["FLUSHALL"], words!["SCRIPT", "FLUSH"], words!["FUNCTION", "FLUSH"]] {
            redis.ask(&words);
        }
        let store = Store::builder().seed(7).build();
        let mut session = store.session().compat(redis.compat);
        if protocol == Protocol::Resp3 {
            session.call(["HELLO", "3"]);
        }
        let compat = redis.compat;
        for words in commands.iter().filter(|words| !is_left_out(compat, words)) {
            let reply = answer(&mut session, words);
            let (ours, theirs) = (session.encode(&reply), redis.ask(words));
            if ours != theirs {
                let (ours, theirs) = (ours.escape_ascii(), theirs.escape_ascii());
                let command = script(std::slice::from_ref(words));
                differences.push(format!(
                    "{:?} {protocol:?} {command}  larder \"{ours}\"\n  Redis  \"{theirs}\"",
                    redis.compat
                ));
            }
        }
    }
    assert!(differences.is_empty(), "{} differ\n{}", differences.len(), differences.join("\n"));
}

/// What is not compared, and why.
fn is_left_out(compat: Compat, words: &Words) -> bool {
    let has = |part: &[u8]| words.iter().any(|word| word.windows(part.len()).any(|window| window == part));
    // Valkey 9.1 aborts when a library that is being loaded logs something.
    compat == Compat::Valkey9 && words[0] == b"FUNCTION" && has(b"redis.log(")
}

/// Scripts without keys and arguments.
fn compare_scripts<'s>(scripts: impl IntoIterator<Item = &'s str>) {
    let commands: Vec<Words> = scripts.into_iter().map(|script| words!["EVAL", script, "0"]).collect();
    compare_all(&commands);
}
