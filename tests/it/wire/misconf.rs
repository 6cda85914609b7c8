//! What a server that cannot save still does: to the other clients of one whose file cannot be written, as on each server.

use std::fs;
use std::path::Path;

use larder::{Protocol, SaveFile, Store};

use super::redis::Redis;
use super::words;
use crate::differential::server::Server;
use crate::support::{Folder, until};

/// What is there before.
const BEFORE: &[&str] = &[
    "0 SET k 1",
    "0 RPUSH l b a",
    "0 ACL SETUSER u on nopass +@all ~a* -incr",
    "1 MULTI",
    "1 SET q 1",
    "2 MULTI",
    "2 GET k",
];

const WHILE: &[&str] = &[
    // What was queued before.
    "1 EXEC",
    "2 EXEC",
    "1 SET a 1",
    "1 PING",
    "1 ping x",
    "1 DEL none",
    "1 GET k",
    "1 PUBLISH a b",
    "1 SPUBLISH a b",
    "1 PFCOUNT none",
    "1 SORT l ALPHA",
    "1 SORT_RO l ALPHA",
    "1 BITFIELD k GET u8 0",
    "1 BITFIELD_RO k GET u8 0",
    "1 GETEX k",
    "1 BLPOP none 0.01",
    "1 BLPOP l 0.01",
    "1 XREAD STREAMS s 0",
    "1 XREADGROUP GROUP g c STREAMS s >",
    "1 FLUSHALL",
    "1 EXPIRE k 100",
    "1 SWAPDB 0 1",
    "1 SELECT 1",
    "1 SELECT 0",
    "1 MOVE k 1",
    "1 COPY k k2",
    "1 TOUCH k",
    "1 DUMP none",
    "1 WATCH k",
    "1 UNWATCH",
    // What is wrong is told first.
    "1 SET k",
    "1 NOPE",
    "1 CONFIG SET timeout 0",
    "1 MULTI",
    "1 INCR a",
    "1 EXEC",
    "1 MULTI",
    "1 PING",
    "1 EXEC",
    "1 MULTI",
    "1 PUBLISH a b",
    "1 EXEC",
    "1 SUBSCRIBE c",
    "1 PING",
    "1 GET k",
    "1 UNSUBSCRIBE c",
    // So is what one may not do.
    "1 AUTH u x",
    "1 INCR a",
    "1 SET b 1",
    "1 SET a 1",
    "1 PING",
    "1 RESET",
];

#[cfg(feature = "lua")]
const SCRIPTS: &[&str] = &[
    "1 SCRIPT LOAD return(1)",
    "1 EVAL return(redis.call('SET','a','1')) 0",
    "1 EVAL return(redis.pcall('SET','a','1')) 0",
    "1 EVAL return(redis.call('GET','k')) 0",
    "1 EVAL return(redis.call('PING')) 0",
    "1 EVAL return(redis.call('PUBLISH','a','b')) 0",
    "1 EVAL return(redis.pcall('SET','a')) 0",
    "1 EVAL_RO return(redis.pcall('SET','a','1')) 0",
    "1 EVAL #!lua\nreturn(1) 0",
    "1 EVAL #!lua\tflags=no-writes\nreturn(1) 0",
    "1 EVAL_RO #!lua\nreturn(1) 0",
    "1 FCALL w 0",
    "1 FCALL r 0",
    "1 FCALL_RO w 0",
    "1 FCALL_RO r 0",
    "1 FUNCTION FLUSH",
    "1 FUNCTION STATS",
];

#[cfg(feature = "lua")]
const LIBRARY: &str = "#!lua name=f\nredis.register_function('w',function()return(1)end)\n\
                       redis.register_function{function_name='r',callback=function()return(2)end,flags={'no-writes'}}";

/// A server and its clients.
struct Party {
    clients: [Redis; 3],
    told: Vec<String>,
}

impl Party {
    fn connect(port: u16) -> Party {
        Party { clients: [(); 3].map(|()| Redis::connect(port, Protocol::Resp2)), told: Vec::new() }
    }

    /// Says a line that begins with who says it.
    fn say(&mut self, line: &str) -> &str {
        let (who, line) = line.split_at(1);
        let client = &mut self.clients[who.parse::<usize>().unwrap()];
        // A tab is a space within a word.
        let words = line.trim().split(' ').map(|word| word.replace('\t', " ").into_bytes()).collect();
        let reply = client.ask(&words).escape_ascii().to_string();
        self.told.push(format!("{line} -> {reply}"));
        self.told.last().unwrap()
    }

    fn persistence(&mut self) -> Vec<String> {
        let told = self.clients[0].ask(&words!["INFO", "persistence"]).escape_ascii().to_string();
        told.split("\\r\\n").map(str::to_owned).collect()
    }

    fn save_in_background(&mut self) {
        self.say("0 BGSAVE");
        until("end", || self.persistence().iter().any(|line| line == "rdb_bgsave_in_progress:0"));
        let names = ["rdb_saves:", "rdb_last_bgsave_status:"];
        let mut lines = self.persistence();
        lines.retain(|line| names.iter().any(|name| line.starts_with(name)));
        self.told.push(lines.join(" "));
    }
}

/// All that is told on the way from a file that cannot be written to one that can.
fn play(port: u16, folder: &Path) -> Vec<String> {
    let mut party = Party::connect(port);
    for line in BEFORE {
        party.say(line);
    }
    #[cfg(feature = "lua")]
    {
        let loaded = party.clients[0].ask(&words!["FUNCTION", "LOAD", LIBRARY]);
        assert_eq!(loaded, b"$1\r\nf\r\n");
    }
    let save = words!["CONFIG", "SET", "save", "3600 1"];
    assert_eq!(party.clients[0].ask(&save), b"+OK\r\n");
    // A folder in the place of the file keeps root, too, from writing it.
    let file = folder.join("dump.rdb");
    fs::create_dir_all(file.join("full")).unwrap();
    // Why it fails, Redis does not tell.
    assert!(party.clients[0].ask(&words!["SAVE"]).starts_with(b"-ERR"));
    // Nobody else hears of that.
    party.say("1 DISCARD");
    party.say("1 SET k 2");
    party.say("1 MULTI");
    party.say("1 SET q 1");
    party.save_in_background();
    party.clients[0].ask(&words!["CONFIG", "RESETSTAT"]);
    for line in WHILE {
        party.say(line);
    }
    #[cfg(feature = "lua")]
    for line in SCRIPTS {
        party.say(line);
    }
    party.say("0 INFO errorstats");
    for line in
        ["CONFIG SET stop-writes-on-bgsave-error no", "SET a 1", "CONFIG SET stop-writes-on-bgsave-error yes"]
    {
        party.say(&format!("0 {line}"));
    }
    party.say("1 SET a 2");
    fs::remove_dir_all(&file).unwrap();
    party.save_in_background();
    party.say("1 SET a 3");
    party.say("1 PING");
    // One that a client waits for ends it as well.
    fs::remove_file(&file).unwrap();
    fs::create_dir_all(file.join("full")).unwrap();
    party.save_in_background();
    party.say("1 SET a 4");
    fs::remove_dir_all(&file).unwrap();
    party.say("1 SAVE");
    party.say("1 SET a 5");
    party.told
}

#[test]
fn what_cannot_be_saved_is_not_changed_as_in_redis() {
    for server in Server::each() {
        let compat = Redis::connect(server.port(), Protocol::Resp2).compat;
        let (folder, store) = (Folder::new(), Store::new());
        let file = SaveFile::Rdb(folder.join("dump.rdb"));
        let larder = larder::Server::builder().compat(compat).save_to(file).start(&store).unwrap();
        let ours = play(larder.port(), folder.path());
        for (ours, theirs) in ours.into_iter().zip(play(server.port(), server.folder())) {
            assert_eq!(ours, theirs, "{compat:?}");
        }
    }
}
