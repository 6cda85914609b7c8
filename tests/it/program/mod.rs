//! The program `larder-server`: how it is started and ended, by people, harnesses and service managers.

mod ending;
mod flags;
mod harness;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

const PROGRAM: &str = env!("CARGO_BIN_EXE_larder-server");

/// Only what never comes meets it.
const LIMIT: Duration = Duration::from_secs(60);

/// A program that runs; it is killed with this value, if it has not ended.
struct Program {
    child: Child,
    lines: Receiver<String>,
    /// Of its first line, where it is ready.
    port: u16,
}

/// The program with arguments, in a folder, and with nothing of the environment of this test.
fn program(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    let ours = std::env::vars_os().map(|(name, _)| name);
    for name in ours.filter(|name| name.to_string_lossy().starts_with("LARDER_")) {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    command
}

impl Program {
    /// Starts a server on a free port, and waits until it is ready.
    fn start(folder: &Path, arguments: &[&str]) -> Program {
        Program::spawn(program(folder, &[&["--port", "0"], arguments].concat()))
    }

    fn spawn(mut command: Command) -> Program {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
        let (send, lines) = channel();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            let mut line = String::new();
            while output.read_line(&mut line).is_ok_and(|bytes| bytes > 0) {
                if send.send(line.trim_end().to_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        });
        let mut program = Program { child, lines, port: 0 };
        let first = program.line().expect("it ended at once");
        let url = first.strip_prefix("larder-server ready: redis://").unwrap_or_else(|| panic!("{first}"));
        program.port = url.rsplit(':').next().unwrap().parse().unwrap();
        program
    }

    /// The next line that it prints; none if there is no more.
    fn line(&self) -> Option<String> {
        match self.lines.recv_timeout(LIMIT) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("it prints nothing"),
        }
    }

    /// Waits for a line with that in it.
    #[track_caller]
    fn says(&self, what: &str) {
        let mut said = Vec::new();
        while let Some(line) = self.line() {
            if line.contains(what) {
                return;
            }
            said.push(line);
        }
        panic!("no {what:?} in {said:#?}");
    }

    fn client(&self) -> Client {
        Client::connect(self.port)
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end.
    fn ended(&mut self) -> ExitStatus {
        ended(&mut self.child)
    }
}

/// Waits for a child's end.
fn ended(child: &mut Child) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        assert!(start.elapsed() < LIMIT, "it does not end");
        thread::yield_now();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A client that asks in lines.
struct Client(BufReader<TcpStream>);

impl Client {
    fn connect(port: u16) -> Client {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Client(BufReader::new(stream))
    }

    /// The reply's text: a line's, a string's, or those of an array's elements, one behind the other.
    fn ask(&mut self, command: &str) -> String {
        self.send(command);
        self.reply()
    }

    /// Says something whose reply is not waited for.
    fn send(&mut self, command: &str) {
        self.0.get_mut().write_all(format!("{command}\r\n").as_bytes()).unwrap();
    }

    fn reply(&mut self) -> String {
        let mut line = String::new();
        // A connection that is closed with bytes unread is reset.
        let _ = self.0.read_line(&mut line);
        let line = line.trim_end();
        let number = || line[1..].parse::<i64>().unwrap();
        match line.as_bytes().first() {
            None => String::new(),
            Some(b'$') if number() < 0 => "nil".into(),
            Some(b'$') => {
                let mut bytes = vec![0; number() as usize + 2];
                self.0.read_exact(&mut bytes).unwrap();
                String::from_utf8(bytes).unwrap().trim_end_matches("\r\n").to_owned()
            }
            Some(b'*') => (0..number()).map(|_| self.reply()).collect::<Vec<_>>().join(" "),
            Some(_) => line[1..].to_owned(),
        }
    }

    fn config(&mut self, name: &str) -> String {
        let reply = self.ask(&format!("CONFIG GET {name}"));
        reply.strip_prefix(name).unwrap_or_else(|| panic!("{reply}")).trim_start().to_owned()
    }

    /// A field of INFO.
    fn info(&mut self, name: &str) -> String {
        let info = self.ask("INFO everything");
        let fact = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        fact.unwrap_or_else(|| panic!("no {name} in {info}")).to_owned()
    }
}
