//! The memory that larder pays for its hit ratio.

use std::fmt::Write;
use std::sync::mpsc;

use larder::{Store, Sweeping};
use larder_benches::workload::{Random, Zipf};

/// A table of Markdown: bytes for each key of a full store, at several sizes.
pub fn table() -> String {
    let mut table = String::from("| keys | bytes a key, for recency |\n| --- | --- |");
    for keys in [10_000, 30_000, 100_000, 300_000, 1_000_000] {
        // A String never refuses.
        _ = write!(table, "\n| {keys} | {:.1} |", for_each_key(keys));
    }
    table
}

/// What a bounded store takes more than one without a limit that has gone the same way: whatever the first
/// evicts is removed from the second.
fn for_each_key(keys: usize) -> f64 {
    let (sender, evicted) = mpsc::channel();
    let settings = || Store::builder().sweeping(Sweeping::ByHand).seed(7);
    let bounded = settings().max_keys(keys).eviction_listener(move |gone| _ = sender.send(gone.key.clone()));
    let (bounded, plain) = (bounded.build(), settings().build());
    let (zipf, mut random) = (Zipf::new(4 * keys, 1.0), Random::new(7));
    for _ in 0..8 * keys {
        let key = (zipf.draw(&mut random) as u32).to_be_bytes();
        if bounded.contains(key).expect("in no transaction") {
            continue;
        }
        for store in [&bounded, &plain] {
            store.insert(key, "twelve bytes").expect("room is made");
        }
        for gone in evicted.try_iter() {
            plain.remove(gone).expect("in no transaction");
        }
    }
    let (bounded, plain) = [bounded, plain].map(|store| store.stats().expect("in no transaction")).into();
    assert_eq!(bounded.entries, plain.entries, "both have gone the same way");
    bounded.bytes.saturating_sub(plain.bytes) as f64 / keys as f64
}
