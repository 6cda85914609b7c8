//! The servers that are compared with.

use std::io::{BufRead, BufReader, Write, stderr};
use std::net::{Ipv4Addr, TcpListener};
#[cfg(feature = "server")]
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread;

use super::client::{Cmd, Connection, cmd};
use super::outcome::Outcome;
use crate::support::Folder;

/// Who is compared with: the name, the variable that names the program, and where it is if none does.
type Oracle = (&'static str, &'static str, Option<&'static str>);

const REDIS: Oracle = ("Redis", "LARDER_REDIS_SERVER", Some("redis-server"));

/// What comes behind the Redis that stands in the `PATH`.
#[cfg(feature = "commands")]
const OTHERS: [Oracle; 2] =
    [("Redis 8.2", "LARDER_REDIS_82_SERVER", None), ("Valkey", "LARDER_VALKEY_SERVER", None)];

/// A child of this process on a free port of the loopback, which keeps nothing on disk and ends with
/// this value.
pub struct Server {
    child: Child,
    /// What began it.
    #[cfg_attr(
        not(all(feature = "redis-tier", feature = "server")),
        expect(dead_code, reason = "only nodes of a cluster begin anew")
    )]
    command: Command,
    port: u16,
    /// Its working directory, of its own: what one saves there another would load.
    #[cfg_attr(not(feature = "server"), expect(dead_code, reason = "it is removed with this"))]
    folder: Folder,
}

impl Server {
    /// The one server of all tests that run at the time; `None`, and a line on stderr that says so, if
    /// the machine has no Redis.
    pub fn shared() -> Option<Arc<Server>> {
        static SHARED: Mutex<Weak<Server>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let server = shared.upgrade().or_else(|| Server::start(REDIS).map(Arc::new))?;
        *shared = Arc::downgrade(&server);
        Some(server)
    }

    /// One of each kind, the test's own; a line says of which there is none.
    #[cfg(feature = "commands")]
    pub fn each() -> Vec<Server> {
        Server::each_with(&[])
    }

    /// The same with more arguments.
    #[cfg(feature = "commands")]
    pub fn each_with(arguments: &[&str]) -> Vec<Server> {
        let with = |command: &mut Command| {
            command.args(arguments);
        };
        let start = |oracle| Server::start_with(oracle, with);
        [REDIS].into_iter().chain(OTHERS).filter_map(start).collect()
    }

    /// The port of the loopback that it listens on.
    #[cfg(feature = "commands")]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it would save to.
    #[cfg(feature = "server")]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A node of a cluster that is still to be made: the test's own, on ports of its own.
    #[cfg(all(feature = "redis-tier", feature = "server"))]
    pub fn cluster_node() -> Option<Server> {
        Server::start_with(REDIS, |command| {
            // Long enough for a machine that has much to do: no node is given up on.
            command.args(["--cluster-enabled", "yes", "--cluster-node-timeout", "60000"]);
            command.args(["--cluster-port", &free_port().to_string()]);
        })
    }

    fn start(oracle: Oracle) -> Option<Server> {
        Server::start_with(oracle, |_| {})
    }

    fn start_with(oracle: Oracle, configure: impl Fn(&mut Command)) -> Option<Server> {
        let (_, variable, usual) = oracle;
        let named = std::env::var_os(variable);
        let Some(program) = named.clone().or(usual.map(Into::into)) else {
            say_that_it_is_skipped(oracle);
            return None;
        };
        // Somebody else may take the port before the server does; hardly three times in a row.
        for _ in 0..3 {
            let port = free_port();
            let folder = Folder::new();
            let mut command = Command::new(&program);
            command
                .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
                .args(["--appendonly", "no", "--daemonize", "no", "--enable-debug-command", "yes"])
                .current_dir(folder.path())
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::null());
            configure(&mut command);
            let child = match command.spawn() {
                Ok(child) => child,
                Err(error) if named.is_some() => panic!("{variable} is {program:?}: {error}"),
                Err(_) => {
                    say_that_it_is_skipped(oracle);
                    return None;
                }
            };
            let mut server = Server { child, command, port, folder };
            if server.is_ready() {
                return Some(server);
            }
        }
        panic!("{program:?} did not come up");
    }

    /// Ends it without a word, as a crash does.
    #[cfg(all(feature = "redis-tier", feature = "server"))]
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Begins it anew on the same ports and in the same folder.
    #[cfg(all(feature = "redis-tier", feature = "server"))]
    pub fn restart(&mut self) {
        self.child = self.command.spawn().unwrap();
        assert!(self.is_ready(), "it did not come up again");
    }

    /// Waits until it accepts connections; false if it ended instead. What it says from then on is read, so that it never
    /// waits for that.
    fn is_ready(&mut self) -> bool {
        let mut log = BufReader::new(self.child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let is_ready = log.any(|line| line.contains("Ready to accept connections"));
        thread::spawn(|| log.for_each(drop));
        is_ready
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
        // The first two fail only where it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A port of the loopback that nobody listens on.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Once for each; past the test harness, which shows nothing of what a passing test prints.
fn say_that_it_is_skipped((name, variable, usual): Oracle) {
    static SAID: Mutex<Vec<&str>> = Mutex::new(Vec::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.contains(&variable) {
        return;
    }
    said.push(variable);
    let missing = usual.map_or(String::new(), |usual| format!("{usual} is not in the PATH, and "));
    writeln!(stderr(), "\nskipped: the comparison with a real {name}; {missing}{variable} does not name one")
        .ok();
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
