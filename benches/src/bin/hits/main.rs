//! Hit ratios of bounded stores and caches, in tables of Markdown: `hits [TRACE..]`.
//!
//! A trace is a file of keys, each a big-endian integer of 32 bits; one whose name ends in `.xz` is
//! unpacked by the program of that name.
#![forbid(unsafe_code)]

mod caches;
mod cost;
mod requests;
mod simulations;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use caches::{CONTENDERS, Role};
use requests::Requests;

type Result<T> = std::result::Result<T, String>;

/// Capacities, in percent of the keys.
const CAPACITIES: [usize; 4] = [1, 5, 10, 25];
/// How far larder may be behind the bar's best, in points of a hundred.
const TOLERANCE: f64 = 0.5;

fn main() -> ExitCode {
    run().map_or_else(
        |error| {
            eprintln!("hits: {error}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    )
}

fn run() -> Result<()> {
    let mut workloads = requests::drawn();
    for path in env::args_os().skip(1) {
        workloads.push(requests::trace(Path::new(&path))?);
    }
    let mut missed = Vec::new();
    for requests in &workloads {
        println!("### {}\n{}", requests.title, head());
        for percent in CAPACITIES {
            let ratios = ratios(requests, percent);
            println!("{}", row(percent, ratios));
            missed.extend(shortfall(ratios).map(|by| format!("{}, {percent} %: {by}", requests.title)));
        }
        println!();
    }
    println!(
        "### Rows where larder is more than {TOLERANCE} points behind the best of LRU, moka and quick_cache"
    );
    missed.iter().for_each(|row| println!("- {row}"));
    println!("\n{} of {} rows.\n", missed.len(), workloads.len() * CAPACITIES.len());
    println!("### What it costs\n{}", cost::table());
    Ok(())
}

/// Of the contenders in their order, in percent.
type Ratios = [f64; CONTENDERS.len()];

fn ratios(requests: &Requests, percent: usize) -> Ratios {
    let capacity = (requests.among * percent / 100).max(1);
    std::array::from_fn(|at| {
        let mut cache = (CONTENDERS[at].with_room_for)(capacity);
        let hits = requests.keys.iter().filter(|key| cache.request(**key)).count();
        100.0 * hits as f64 / requests.keys.len() as f64
    })
}

fn head() -> String {
    let names = CONTENDERS.map(|contender| contender.name).join(" | ");
    format!("| capacity | {names} |\n|{}", " --- |".repeat(1 + CONTENDERS.len()))
}

/// With the best in bold, and what looks the same.
fn row(percent: usize, ratios: Ratios) -> String {
    let best = format!("{:.1}", ratios.into_iter().fold(0.0, f64::max));
    let cells = ratios.map(|ratio| format!("{ratio:.1}"));
    let cells = cells.map(|cell| if cell == best { format!("**{cell}**") } else { cell });
    format!("| {percent} % | {} |", cells.join(" | "))
}

/// By how much larder is too far behind, and behind whom.
fn shortfall(ratios: Ratios) -> Option<String> {
    let of = |role| CONTENDERS.iter().zip(ratios).filter(move |(contender, _)| contender.role == role);
    let (_, larder) = of(Role::Larder).next()?;
    let (best, ratio) = of(Role::Bar).max_by(|(_, a), (_, b)| a.total_cmp(b))?;
    let behind = ratio - larder;
    (behind > TOLERANCE).then(|| format!("{behind:.1} behind {}", best.name))
}
