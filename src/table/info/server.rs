//! The server and its process.

use std::fs;

use super::{Counted, Lines, setting};
use crate::clock::Clock;
use crate::table::call::Call;
use crate::table::row::Compat;

pub(super) fn server(call: &Call<'_>, _: &Counted, lines: &mut Lines) {
    let (compat, shared, clock) = (call.compat(), call.shared(), call.space().clock());
    let is_valkey = compat == Compat::Valkey9;
    let uptime = clock.now().saturating_sub(shared.since) / 1_000;
    if is_valkey {
        lines.add("redis_version", "7.2.4");
        lines.add("server_name", compat.server());
        lines.add("valkey_version", compat.version());
        lines.add("valkey_release_stage", "ga");
    } else {
        lines.add("redis_version", compat.version());
    }
    lines.add("redis_git_sha1", "00000000");
    lines.add("redis_git_dirty", 0);
    lines.add("redis_build_id", "0000000000000000");
    lines.add(if is_valkey { "server_mode" } else { "redis_mode" }, "standalone");
    lines.add("os", format_args!("{} {}", std::env::consts::OS, std::env::consts::ARCH));
    lines.add("arch_bits", usize::BITS);
    lines.add("monotonic_clock", monotonic(clock));
    lines.add("multiplexing_api", if cfg!(target_os = "linux") { "epoll" } else { "kqueue" });
    if !is_valkey {
        lines.add("atomicvar_api", "c11-builtin");
    }
    lines.add("gcc_version", "0.0.0");
    lines.add("process_id", std::process::id());
    lines.add("process_supervised", setting(call, "supervised"));
    lines.add("run_id", &shared.run_id);
    lines.add("tcp_port", setting(call, "port"));
    lines.add("server_time_usec", clock.wall_micros());
    lines.add("uptime_in_seconds", uptime);
    lines.add("uptime_in_days", uptime / 86_400);
    lines.add("hz", setting(call, "hz"));
    lines.add("configured_hz", setting(call, "hz"));
    if is_valkey {
        lines.add("clients_hz", setting(call, "hz"));
    }
    lines.add("lru_clock", (clock.wall() / 1_000) & 0x00ff_ffff);
    lines.add("executable", std::env::current_exe().unwrap_or_default().display());
    lines.add("config_file", shared.settings.file().unwrap_or_default().display());
    lines.none(&["io_threads_active"]);
    if is_valkey {
        lines.add("availability_zone", setting(call, "availability-zone"));
    }
    if compat.has_since(7, 2) {
        listeners(call, lines);
    }
}

fn monotonic(clock: &Clock) -> &'static str {
    match clock {
        Clock::Manual(_) => "ManualClock",
        Clock::System if cfg!(unix) => "POSIX clock_gettime",
        Clock::System => "the system's",
    }
}

/// Where a server listens: each way has its number.
fn listeners(call: &Call<'_>, lines: &mut Lines) {
    let binds = setting(call, "bind").split_whitespace().map(|at| format!(",bind={at}")).collect::<String>();
    let open = |name: &str| Some(setting(call, name)).filter(|value| !value.is_empty() && value != "0");
    let tcp = |name, port| Some(format!("name={name}{binds},port={}", open(port)?));
    let ways = [
        tcp("tcp", "port"),
        open("unixsocket").map(|path| format!("name=unix,bind={path}")),
        tcp("tls", "tls-port"),
    ];
    for (at, way) in ways.into_iter().enumerate() {
        way.into_iter().for_each(|way| lines.add(&format!("listener{at}"), way));
    }
}

/// The certificates that a server with TLS has are not looked into, so nothing is said of them. As a client it has none.
pub(super) fn tls(call: &Call<'_>, _: &Counted, lines: &mut Lines) {
    let has_tls = setting(call, "tls-port") != "0";
    for (whose, is_known) in [("server", !has_tls), ("client", true), ("ca", !has_tls)] {
        if is_known {
            lines.add(&format!("tls_{whose}_cert_serial"), "none");
            lines.add(&format!("tls_{whose}_cert_expires_in_seconds"), 0);
        }
    }
}

/// Of the whole process, where the system tells it in a file, and of the thread that the process began with.
pub(super) fn cpu(call: &Call<'_>, _: &Counted, lines: &mut Lines) {
    let of_process = Times::read("/proc/self/stat");
    let of_thread = Times::read(&format!("/proc/self/task/{}/stat", std::process::id()));
    let mut tell = |name, seconds: f64| lines.add(name, format_args!("{seconds:.6}"));
    if let Some(Times { user, system, children_user, children_system }) = of_process {
        tell("used_cpu_sys", system);
        tell("used_cpu_user", user);
        tell("used_cpu_sys_children", children_system);
        tell("used_cpu_user_children", children_user);
    }
    if let Some(Times { user, system, .. }) = of_thread {
        tell("used_cpu_sys_main_thread", system);
        tell("used_cpu_user_main_thread", user);
        // It serves nobody.
        if call.compat() == Compat::Valkey9 {
            tell("used_active_time_main_thread", 0.0);
        }
    }
}

/// In seconds.
struct Times {
    user: f64,
    system: f64,
    children_user: f64,
    children_system: f64,
}

impl Times {
    fn read(file: &str) -> Option<Times> {
        let stat = fs::read_to_string(file).ok()?;
        // The program's name comes second, in brackets, and may have spaces in it.
        let (_, fields) = stat.rsplit_once(") ")?;
        // In hundredths of a second, to programs.
        let seconds = |at| Some(fields.split(' ').nth(at)?.parse::<u64>().ok()? as f64 / 100.0);
        Some(Times {
            user: seconds(11)?,
            system: seconds(12)?,
            children_user: seconds(13)?,
            children_system: seconds(14)?,
        })
    }
}
