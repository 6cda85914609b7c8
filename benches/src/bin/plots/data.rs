//! What criterion has left in its folder, as tables.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

/// What all others are compared with.
pub const LARDER: &str = "larder";
/// Peers in the order of columns and bars, with what they are called in a table. Any other comes last.
const PEERS: [(&str, &str); 11] = [
    (LARDER, LARDER),
    ("larder_ttl", "larder_ttl"),
    ("quick_cache", "quick_cache"),
    ("papaya", "papaya"),
    ("dashmap", "dashmap"),
    ("scc", "scc"),
    ("mutex_hashmap", "`Mutex<HashMap>`"),
    ("foyer", "foyer"),
    ("moka", "moka"),
    ("moka_ttl", "moka_ttl"),
    ("std", "std in a `Mutex`"),
];
/// Tables in their order. Any other comes last.
const TABLES: [&str; 5] = ["read", "write", "mixed_95_5", "get_or_load_hit", COLLECTIONS];
const COLLECTIONS: &str = "collections";

/// All that was measured under the first part of a benchmark's name.
pub struct Table {
    pub name: String,
    pub rows: Vec<Row>,
}

/// What stands between the first part of a benchmark's name and the last, which is the peer.
pub struct Row {
    pub name: String,
    /// In nanoseconds, by peer.
    pub medians: BTreeMap<String, f64>,
}

impl Table {
    /// Every peer that is in some row.
    pub fn peers(&self) -> Vec<String> {
        let all: BTreeSet<&String> = self.rows.iter().flat_map(|row| row.medians.keys()).collect();
        let mut peers: Vec<String> = all.into_iter().cloned().collect();
        peers.sort_by_key(|peer| place(peer));
        peers
    }

    /// The columns that name a row.
    pub fn heads(&self) -> [&'static str; 2] {
        if self.name == COLLECTIONS { ["operation", "elements"] } else { ["keys, value", "threads"] }
    }

    /// A row's name in its columns.
    pub fn cells(&self, row: &Row) -> Vec<String> {
        if self.name == COLLECTIONS {
            row.name.split('/').map(str::to_owned).collect()
        } else {
            row.name.split('/').map(|part| spaced(part.trim_end_matches('t'))).collect()
        }
    }
}

/// `10k_16B` as `10k, 16 B`.
fn spaced(part: &str) -> String {
    let Some((keys, value)) = part.split_once('_') else { return part.to_owned() };
    let (number, unit) = value.split_at(digits(value));
    format!("{keys}, {number} {unit}")
}

fn place(peer: &str) -> usize {
    PEERS.iter().position(|(name, _)| *name == peer).unwrap_or(PEERS.len())
}

pub fn label(peer: &str) -> String {
    PEERS.get(place(peer)).map_or(peer, |(_, label)| label).to_owned()
}

/// All tables in criterion's folder, from the last run of each benchmark.
pub fn read(criterion: &Path) -> Result<Vec<Table>, String> {
    let mut tables = BTreeMap::<_, BTreeMap<_, Row>>::new();
    for group in folders(criterion) {
        for bench in folders(&group) {
            let last = bench.join("new");
            let (Some(about), Some(figures)) =
                (json(&last.join("benchmark.json"))?, json(&last.join("estimates.json"))?)
            else {
                continue;
            };
            let name = about["full_id"].as_str().unwrap_or_default();
            let median = figures["median"]["point_estimate"].as_f64();
            let (Some((table, rest)), Some(median)) = (name.split_once('/'), median) else { continue };
            let Some((row, peer)) = rest.rsplit_once('/') else { continue };
            let at = TABLES.iter().position(|known| *known == table).unwrap_or(TABLES.len());
            let rows = tables.entry((at, table.to_owned())).or_default();
            let row = rows
                .entry(order(row))
                .or_insert_with(|| Row { name: row.to_owned(), medians: BTreeMap::new() });
            row.medians.insert(peer.to_owned(), median);
        }
    }
    let tables = tables.into_iter();
    Ok(tables.map(|((_, name), rows)| Table { name, rows: rows.into_values().collect() }).collect())
}

/// Rows stand in the order of the numbers in their names, `10k` before `1M` and `16B` before `1KB`.
fn order(row: &str) -> Vec<(u64, String)> {
    row.split(['/', '_'])
        .map(|part| {
            let (number, unit) = part.split_at(digits(part));
            let times = match unit.chars().next() {
                Some('k' | 'K') => 1_000,
                Some('M') => 1_000_000,
                _ => 1,
            };
            (number.parse::<u64>().unwrap_or(0) * times, unit.to_owned())
        })
        .collect()
}

/// How many digits stand first.
fn digits(text: &str) -> usize {
    text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len()
}

fn folders(of: &Path) -> Vec<std::path::PathBuf> {
    let Ok(entries) = fs::read_dir(of) else { return Vec::new() };
    entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect()
}

/// `None` where there is no such file.
fn json(file: &Path) -> Result<Option<Value>, String> {
    let Ok(text) = fs::read_to_string(file) else { return Ok(None) };
    serde_json::from_str(&text).map(Some).map_err(|error| format!("{}: {error}", file.display()))
}
