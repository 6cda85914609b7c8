//! The Redis that is compared with.

use std::io::{BufRead, BufReader, Read, Write, stderr};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

use super::client::{Cmd, Connection, cmd};
use super::outcome::Outcome;

/// Names the program if it is not the `redis-server` in the `PATH`.
const PROGRAM: &str = "LARDER_REDIS_SERVER";

/// A child of this process on a free port of the loopback, which keeps nothing on disk and ends with
/// this value.
pub struct Server {
    child: Child,
    port: u16,
    /// What it logs, little as that is; the pipe stays open for as long as the server writes.
    log: BufReader<ChildStdout>,
}

impl Server {
    /// The one server of all tests that run at the time; `None`, and a line on stderr that says so, if
    /// the machine has no Redis.
    pub fn shared() -> Option<Arc<Server>> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let server = shared.upgrade().or_else(|| Server::start().map(Arc::new));
        match &server {
            Some(server) => *shared = Arc::downgrade(server),
            None => say_that_it_is_skipped(),
        }
        server
    }

    /// One of the test's own; nothing, and a line that says so, where there is none.
    #[cfg(feature = "commands")]
    pub fn own() -> Option<Server> {
        let server = Server::start();
        if server.is_none() {
            say_that_it_is_skipped();
        }
        server
    }

    /// The port of the loopback that it listens on.
    #[cfg(feature = "commands")]
    pub fn port(&self) -> u16 {
        self.port
    }

    fn start() -> Option<Server> {
        let named = std::env::var_os(PROGRAM);
        let program = named.clone().unwrap_or_else(|| "redis-server".into());
        // Somebody else may take the port before the server does; hardly three times in a row.
        for _ in 0..3 {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = free.local_addr().unwrap().port();
            drop(free);
            let spawned = Command::new(&program)
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
                .args(["--appendonly", "no", "--daemonize", "no"])
                .current_dir(std::env::temp_dir())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null())
                .spawn();
            let mut child = match spawned {
                Ok(child) => child,
                Err(error) if named.is_some() => panic!("{PROGRAM} is {program:?}: {error}"),
                Err(_) => return None,
            };
            let log = BufReader::new(child.stdout.take().unwrap());
            let mut server = Server { child, port, log };
            if server.is_ready() {
                return Some(server);
            }
        }
        panic!("{program:?} did not come up");
    }

    /// Waits until it accepts connections; false if it ended instead.
    fn is_ready(&mut self) -> bool {
        let lines = self.log.by_ref().lines().map_while(Result::ok);
        lines.into_iter().any(|line| line.contains("Ready to accept connections"))
    }

    /// A connection of one family's own.
    pub fn connect(self: &Arc<Self>) -> Redis {
        let mut connection = Connection::open(self.port).unwrap();
        let info = connection.ask(cmd("INFO").arg("server")).unwrap().bytes();
        let version = std::str::from_utf8(&info)
            .unwrap()
            .lines()
            .find_map(|line| line.strip_prefix("redis_version:"))
            .unwrap();
        let mut numbers = version.split('.').map(|number| number.parse().unwrap());
        let version = (numbers.next().unwrap(), numbers.next().unwrap());
        Redis { connection, version, _server: Arc::clone(self) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only where it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Past the test harness, which shows nothing of what a passing test prints.
fn say_that_it_is_skipped() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let missing = "redis-server is not in the PATH, and LARDER_REDIS_SERVER does not name one";
        writeln!(stderr(), "\nskipped: the comparison with a real Redis; {missing}").ok();
    });
}

/// A connection to the server.
pub struct Redis {
    connection: Connection,
    /// Major and minor.
    pub version: (u32, u32),
    _server: Arc<Server>,
}

impl Redis {
    pub fn ask(&mut self, command: &Cmd) -> Outcome {
        self.connection.ask(command).unwrap_or_else(|error| panic!("no reply: {error}"))
    }
}
