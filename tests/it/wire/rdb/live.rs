//! Servers that take payloads and files from us and give us theirs.

use std::io::{BufRead, BufReader, Read, Write, stderr};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use larder::{Compat, Protocol};

use crate::wire::redis::Redis;
use crate::wire::{Words, words};

/// A kind of server: the variable that names the program, and the program if none does.
pub struct Kind {
    variable: &'static str,
    usual: Option<&'static str>,
}

pub const KINDS: [Kind; 3] = [
    Kind { variable: "LARDER_REDIS_SERVER", usual: Some("redis-server") },
    Kind { variable: "LARDER_REDIS_82_SERVER", usual: None },
    Kind { variable: "LARDER_VALKEY_SERVER", usual: None },
];

/// A child of this process that keeps its file in a folder, and ends with this value.
pub struct Live {
    child: Child,
    redis: Redis,
    pub compat: Compat,
    _log: BufReader<ChildStdout>,
}

impl Kind {
    /// A server of that kind over a folder; nothing, and a line that says so, where there is none.
    pub fn start(&self, folder: &Path) -> Option<Live> {
        let named = std::env::var_os(self.variable);
        let Some(program) = named.clone().or(self.usual.map(Into::into)) else {
            writeln!(
                stderr(),
                "\nskipped: payloads and files of a live server; {} is not set",
                self.variable
            )
            .ok();
            return None;
        };
        for _ in 0..3 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let spawned = Command::new(&program)
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--daemonize", "no"])
                .args(["--appendonly", "no", "--dbfilename", "dump.rdb", "--dir"])
                .arg(folder)
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn();
            let mut child = match spawned {
                Ok(child) => child,
                Err(error) if named.is_some() => panic!("{program:?}: {error}"),
                Err(_) => {
                    writeln!(stderr(), "\nskipped: payloads and files of a live server; no {program:?}").ok();
                    return None;
                }
            };
            let mut log = BufReader::new(child.stdout.take().unwrap());
            let mut lines = log.by_ref().lines().map_while(Result::ok);
            if lines.any(|line| line.contains("Ready to accept connections")) {
                let mut redis = Redis::connect(port, Protocol::Resp2);
                let info = redis.ask(&words!["INFO", "server"]);
                return Some(Live { compat: compat(&info), child, redis, _log: log });
            }
            child.wait().ok();
        }
        panic!("{program:?} did not come up");
    }
}

impl Live {
    pub fn ask(&mut self, words: &Words) -> Vec<u8> {
        self.redis.ask(words)
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn compat(info: &[u8]) -> Compat {
    let info = String::from_utf8_lossy(info);
    let version = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
    if version("valkey_version:").is_some() {
        return Compat::Valkey9;
    }
    match version("redis_version:").unwrap() {
        version if version.starts_with("7.0.") => Compat::Redis70,
        version if version.starts_with("7.2.") => Compat::Redis72,
        version if version.starts_with("8.10.") => Compat::Redis810,
        _ => Compat::Redis82,
    }
}
