//! What is asked for: workloads that are drawn, the same in each run, and traces.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::process::Command;

use larder_benches::workload::{Random, Zipf};

use crate::Result;

/// Requests that are drawn, those of scans not counted.
const REQUESTS: usize = 1_000_000;
/// Keys that they are drawn from at a time.
const KEYS: u32 = 50_000;
/// How often there is a scan, and of how many keys.
const SCAN_EVERY: usize = 50_000;
const SCAN: u32 = 25_000;
/// After how many requests the popularity of keys changes: by one rank, and by more.
const DRIFT_EVERY: usize = 20;
const CHANGE_EVERY: usize = 100_000;
/// The most popular keys, of which half change.
const HOT: usize = 5_000;

/// Keys in the order in which they are asked for.
pub struct Requests {
    pub title: String,
    pub keys: Vec<u32>,
    /// Of how many keys a capacity is a share.
    pub among: usize,
}

pub fn drawn() -> Vec<Requests> {
    [
        ("Zipf 0.8", zipf(0.8)),
        ("Zipf 1.0", zipf(1.0)),
        ("Zipf 1.2", zipf(1.2)),
        ("Zipf 1.0 with scans", scans()),
        ("Loop", (0..KEYS).cycle().take(REQUESTS).collect()),
        ("Drift", drift()),
        ("Hot set", hot_set()),
        ("Shift", shift()),
    ]
    .map(|(title, keys)| Requests { title: title.to_owned(), keys, among: KEYS as usize })
    .into()
}

/// Reads a trace: a file of big-endian integers of 32 bits, packed by xz if its name says so.
pub fn trace(path: &Path) -> Result<Requests> {
    let is_packed = path.extension().is_some_and(|extension| extension == "xz");
    let bytes = if is_packed { unpacked(path) } else { fs::read(path).map_err(|error| error.to_string()) }
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let (keys, rest) = bytes.as_chunks::<4>();
    if keys.is_empty() || !rest.is_empty() {
        return Err(format!("{}: {} bytes are no trace of 4-byte keys", path.display(), bytes.len()));
    }
    let keys: Vec<u32> = keys.iter().map(|key| u32::from_be_bytes(*key)).collect();
    let among = keys.iter().collect::<HashSet<_>>().len();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let title = name.split('.').next().unwrap_or_default().to_owned();
    Ok(Requests { title, keys, among })
}

fn unpacked(path: &Path) -> Result<Vec<u8>> {
    let output = Command::new("xz").args(["--decompress", "--stdout", "--"]).arg(path).output();
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::NotFound => "the program `xz` is missing: install it, or unpack the file".to_owned(),
        _ => format!("xz: {error}"),
    })?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).trim().to_owned());
    }
    Ok(output.stdout)
}

fn zipf(exponent: f64) -> Vec<u32> {
    ranks(exponent).collect()
}

fn ranks(exponent: f64) -> impl Iterator<Item = u32> {
    let (zipf, mut random) = (Zipf::new(KEYS as usize, exponent), Random::new(7));
    (0..REQUESTS).map(move |_| zipf.draw(&mut random) as u32)
}

/// From time to time, keys one after the other that are never seen again.
fn scans() -> Vec<u32> {
    let mut next = KEYS;
    let mut keys = Vec::new();
    for (at, rank) in (1..).zip(ranks(1.0)) {
        keys.push(rank);
        if at % SCAN_EVERY == 0 {
            let scan: Range<u32> = next..next + SCAN;
            next = scan.end;
            keys.extend(scan);
        }
    }
    keys
}

/// Each key becomes more popular little by little, and then is the least popular of all.
fn drift() -> Vec<u32> {
    (0..).zip(ranks(1.0)).map(|(at, rank): (usize, u32)| (rank + (at / DRIFT_EVERY) as u32) % KEYS).collect()
}

/// From time to time, every other of the popular keys changes places with any that is not popular.
fn hot_set() -> Vec<u32> {
    let mut by_rank: Vec<u32> = (0..KEYS).collect();
    let mut random = Random::new(8);
    let mut keys = Vec::new();
    for (at, rank) in (1..).zip(ranks(1.0)) {
        keys.push(by_rank[rank as usize]);
        if at % CHANGE_EVERY == 0 {
            for hot in (0..HOT).step_by(2) {
                by_rank.swap(hot, HOT + random.number() as usize % (KEYS as usize - HOT));
            }
        }
    }
    keys
}

/// From time to time all keys are other ones.
fn shift() -> Vec<u32> {
    (0..).zip(ranks(1.0)).map(|(at, rank): (usize, u32)| rank + (at / CHANGE_EVERY) as u32 * KEYS).collect()
}
