//! larder's server and those of other programs, each a process of its own on a free port of the loopback. Linux only.

use std::io::{BufRead, BufReader, Read, Write, stdin};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};
use std::time::Duration;
use std::{env, fs, thread};

use larder::{Server, Store};

/// With this, a port and a path a program of the benches is larder's server.
const SERVE: &str = "--serve";
/// A tick of the processor time that the system counts.
const TICK: Duration = Duration::from_millis(10);

/// A server that runs until this is dropped.
pub struct Peer {
    pub name: String,
    pub port: u16,
    /// Its socket is there.
    folder: PathBuf,
    process: Child,
}

/// Comes first in a program that starts [`Peer`]s, as larder's is the same program once more: there it serves until
/// its standard input ends, and does not return.
pub fn serve_if_asked() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [word, port, socket] = &arguments[..] else { return };
    if word != SERVE {
        return;
    }
    let server = Server::builder().bind((Ipv4Addr::LOCALHOST, port.parse().expect("a port")));
    let server = server.unix_socket(socket).start(&Store::new()).expect("a free port");
    let _ = stdin().read(&mut [0]);
    drop(server);
    process::exit(0);
}

/// What a process has taken of the processors, and those that it has started and that have ended.
pub fn processor(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).expect("runs");
    // The name, in brackets, may hold anything; the times are the 12th to 15th behind it.
    let fields: Vec<&str> = stat.rsplit(')').next().expect("is there").split_whitespace().collect();
    let ticks: u32 = fields[11..15].iter().map(|ticks| ticks.parse::<u32>().expect("a number")).sum();
    TICK * ticks
}

impl Peer {
    /// larder's, and one of each program.
    pub fn all(programs: &[String]) -> Vec<Peer> {
        let others = programs.iter().map(|program| Peer::of_program(program));
        [Peer::larder()].into_iter().chain(others).collect()
    }

    fn larder() -> Peer {
        let program = env::current_exe().expect("has a path");
        Peer::start("larder", Command::new(program), |port, socket| vec![SERVE.into(), port, socket])
    }

    fn of_program(program: &str) -> Peer {
        let mut peer = Peer::start(program, Command::new(program), |port, socket| {
            let doors = ["--port", &port, "--bind", "127.0.0.1", "--unixsocket", &socket];
            let nothing_is_saved = ["--save", "", "--appendonly", "no"];
            doors.into_iter().chain(nothing_is_saved).map(str::to_owned).collect()
        });
        let mut info = peer.connect();
        info.write_all(b"INFO server\r\nQUIT\r\n").expect("reads");
        // Valkey says both, Redis's first.
        let names = [("redis_version:", "Redis"), ("valkey_version:", "Valkey")];
        let name = |line: String| {
            names.iter().find_map(|(fact, name)| Some(format!("{name} {}", line.strip_prefix(fact)?.trim())))
        };
        if let Some(name) = BufReader::new(info).lines().map_while(Result::ok).filter_map(name).last() {
            peer.name = name;
        }
        peer
    }

    /// Waits until it listens.
    fn start(
        name: &str,
        mut command: Command,
        arguments: impl FnOnce(String, String) -> Vec<String>,
    ) -> Peer {
        let port = free_port();
        let folder = env::temp_dir().join(format!("larder-benches-{port}"));
        fs::create_dir_all(&folder).expect("there is room");
        let socket = folder.join("socket").to_str().expect("is text").to_owned();
        command.args(arguments(port.to_string(), socket));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Peer { name: name.into(), port, folder, process }.ready()
    }

    fn ready(self) -> Peer {
        for _ in 0..200 {
            if TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok() {
                return self;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{} does not listen", self.name);
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// A connection that sends at once what is written.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).expect("listens");
        stream.set_nodelay(true).expect("is open");
        stream
    }

    /// What it has taken of the processors.
    pub fn processor(&self) -> Duration {
        processor(self.process.id())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

fn free_port() -> u16 {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    free.local_addr().expect("is bound").port()
}
