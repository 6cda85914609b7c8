//! A server for as long as a command runs.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::Arc;

use crate::arguments::Settings;
use crate::log::{Log, Place};
use crate::serve::{Insisting, Signals, Started, announce, start};

/// What shells give where there is no such program, and where it cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;

/// Starts a server, and a command that finds it in the environment; gives the command's exit code.
pub fn run(settings: &Settings, command: &[OsString]) -> ExitCode {
    let Some((program, arguments)) = command.split_first() else { return ExitCode::FAILURE };
    // The output is the command's.
    let log = match Log::open(settings, Place::Nowhere) {
        Ok(log) => Arc::new(log),
        Err(why) => return say(&why, 1),
    };
    let Started { server, runtime, mut signals, pidfile: _kept, keys } = match start(settings, &log) {
        Ok(started) => started,
        Err(why) => {
            log.warning(&why);
            return say(&why, 1);
        }
    };
    announce(settings, &server, keys, &log);
    let ip = server.addr().ip();
    let host = if ip.is_unspecified() { "localhost".to_owned() } else { ip.to_string() };
    let spawned = Command::new(program)
        .args(arguments)
        .env("REDIS_URL", server.url())
        .env("REDIS_HOST", host)
        .env("REDIS_PORT", server.port().to_string())
        .spawn();
    let child = match spawned {
        Ok(child) => child,
        Err(error) => {
            let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUN };
            return say(&format!("larder-server: {}: {error}", program.to_string_lossy()), code);
        }
    };
    let ended = runtime.block_on(async {
        let ended = wait(child, &mut signals).await;
        // The first one may have been meant for the command.
        let _insisting = Insisting::new(2, &log);
        let saved = server.shut_down(larder::Shutdown::Default).await;
        if let Err(error) = saved {
            say(&format!("larder-server: the data is not saved: {error}"), 1);
        }
        ended
    });
    runtime.shutdown_background();
    match ended {
        Ok(status) => ExitCode::from(code(status)),
        Err(error) => say(&format!("larder-server: {error}"), 1),
    }
}

/// Waits for the command's end. A signal to end is the command's to follow, so it is passed on; Ctrl-C on a terminal has
/// reached it already.
async fn wait(mut child: Child, signals: &mut Signals) -> io::Result<ExitStatus> {
    let id = child.id();
    let mut ended = tokio::task::spawn_blocking(move || child.wait());
    loop {
        tokio::select! {
            ended = &mut ended => return ended.map_err(io::Error::other)?,
            name = signals.next() => {
                if name == "SIGINT" && io::stdin().is_terminal() {
                    continue;
                }
                let option = if name == "SIGINT" { "-INT" } else { "-TERM" };
                // Without unsafe code, a signal is sent by who can.
                let _ = Command::new("kill").args([option, &id.to_string()]).status();
            }
        }
    }
}

/// As shells have it: 128 and the signal's number for who was ended by one.
fn code(status: ExitStatus) -> u8 {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return u8::try_from(128 + signal).unwrap_or(u8::MAX);
    }
    status.code().map_or(1, |code| (code & 0xff) as u8)
}

fn say(why: &str, code: u8) -> ExitCode {
    let _ = io::stderr().write_all(format!("{why}\n").as_bytes());
    ExitCode::from(code)
}
