//! A server that speaks Redis's protocol, wherever a harness or a service manager starts `redis-server`. All that it
//! does is in the library: this is its command line.

#![forbid(unsafe_code)]

mod arguments;
mod child;
mod log;
mod metrics;
mod serve;

use std::io::Write;
use std::process::ExitCode;

use arguments::{Asked, Fault};

fn main() -> ExitCode {
    match arguments::read() {
        Ok(Asked::Help) => print(arguments::HELP.trim_start()),
        Ok(Asked::Version(compat)) => print(&version(compat)),
        Ok(Asked::Serve(settings)) => serve::serve(&settings),
        Ok(Asked::Run(settings, command)) => child::run(&settings, &command),
        Err(fault) => fail(&fault),
    }
}

/// The line that harnesses read the version from.
fn version(compat: larder::Compat) -> String {
    let name = if compat == larder::Compat::Valkey9 { "Valkey" } else { "Redis" };
    let (version, own) = (compat.version(), env!("CARGO_PKG_VERSION"));
    format!(
        "{name} server v={version} sha=00000000:0 malloc=system bits={} build=larder-{own}\n",
        usize::BITS
    )
}

/// Prints to whoever still reads.
fn print(text: &str) -> ExitCode {
    let _ = std::io::stdout().write_all(text.as_bytes());
    ExitCode::SUCCESS
}

fn fail(fault: &Fault) -> ExitCode {
    let _ = std::io::stderr().write_all(format!("{fault}\n").as_bytes());
    ExitCode::FAILURE
}
