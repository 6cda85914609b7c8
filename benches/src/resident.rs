//! What the system says this process has in memory. Linux only.

use std::fs;

/// Bytes of memory that are in use.
pub fn now() -> u64 {
    status("VmRSS:")
}

/// The most there have been since [`forget_peak`], in bytes.
pub fn peak() -> u64 {
    status("VmHWM:")
}

/// Counts the peak anew.
pub fn forget_peak() {
    fs::write("/proc/self/clear_refs", "5").expect("a process may write to its own");
}

fn status(name: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("is Linux");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("says so");
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kilobytes * 1024
}
