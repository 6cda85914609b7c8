//! Processes that are killed at any moment: what they have acknowledged is there afterwards.
//!
//! A body runs in a child, which is this binary once more, and says on its stdout what it has done. The parent counts
//! these lines, spins for a moment of chance, and kills it. `LARDER_KILLS` says how often; 50 times without it.

#[cfg(feature = "journal")]
mod journal;
mod saving;

use std::fmt::Display;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{env, hint};

/// What a child does until it is killed, with a folder that outlives it.
fn body(name: &str) -> fn(&Path) {
    match name {
        "saving" => saving::body,
        #[cfg(feature = "journal")]
        "journal" => journal::body,
        #[cfg(feature = "journal")]
        "journal, a while later" => journal::body_of_later,
        other => panic!("no body is called {other}"),
    }
}

const BODY: &str = "LARDER_KILLED_BODY";
const FOLDER: &str = "LARDER_KILLED_FOLDER";
/// In front of what a child says, to tell it from what the test harness does.
const MARK: &str = "done: ";

/// Not a test: where a child begins.
#[test]
#[ignore = "it is run in the processes that are killed"]
fn child() {
    let (Ok(name), Some(folder)) = (env::var(BODY), env::var_os(FOLDER)) else { return };
    body(&name)(Path::new(&folder));
    panic!("the body ends before it is killed");
}

/// Tells the parent, from within a body, what has been done and must be there whatever happens.
pub fn acknowledge(what: impl Display) {
    // Past the test harness, which would keep it. Who has no parent any more ends here.
    writeln!(io::stdout(), "{MARK}{what}").expect("the parent listens");
}

/// How often a test is to kill.
pub fn kills() -> usize {
    let told = env::var("LARDER_KILLS");
    told.map_or(50, |count| count.parse().expect("LARDER_KILLS is a number"))
}

/// A number below `bound`.
pub fn chance(bound: u64) -> u64 {
    RandomState::new().hash_one(0) % bound
}

/// Runs a body in a child, kills it up to 20 milliseconds after it has acknowledged so often, and gives all that it
/// has acknowledged.
#[track_caller]
pub fn kill(body: &str, folder: &Path, after: usize) -> Vec<String> {
    let mut child = Running(
        Command::new(env::current_exe().expect("this binary"))
            .args(["--exact", "kills::child", "--ignored", "--nocapture"])
            .envs([(BODY, body.as_ref()), (FOLDER, folder.as_os_str())])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts"),
    );
    let lines = BufReader::new(child.0.stdout.take().expect("a pipe")).lines();
    let mut said = lines.map_while(Result::ok).filter_map(|line| Some(line.strip_prefix(MARK)?.to_owned()));
    let mut acknowledged: Vec<_> = said.by_ref().take(after).collect();
    let (start, moment) = (Instant::now(), Duration::from_micros(chance(20_000)));
    while start.elapsed() < moment {
        hint::spin_loop();
    }
    child.0.kill().expect("it is ours");
    acknowledged.extend(said);
    let status = child.0.wait().expect("it is ours");
    assert_eq!(status.signal(), Some(9), "{body} ended before it was killed, after {acknowledged:?}");
    acknowledged
}

/// Ends with its test, also when that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
