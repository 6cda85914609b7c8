//! One operation in a loop, for a profiler: `hot read|write|load [PEER [MILLIONS]]`.
//!
//! Prints the fastest of many short rounds, which on a shared machine is what the code costs.

use std::env;
use std::hint::black_box;
use std::time::{Duration, Instant};

use larder_benches::peers::{
    DashMap, Foyer, Larder, LarderTtl, Loads, Moka, MokaTtl, MutexMap, Papaya, Peer, QuickCache, Scc,
};
use larder_benches::workload;

/// Operations to a round.
const ROUND: usize = 10_000;
const KEYS: usize = 10_000;
const VALUE: &[u8] = b"a value of 16 by";

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    let word = |at: usize, default: &'static str| args.get(at).map_or(default, |word| word.as_str());
    let (operation, peer) = (word(0, "read"), word(1, Larder::NAME));
    let rounds = (word(2, "10").parse::<f64>().expect("millions of operations") * 1e6) as usize / ROUND;
    let time = match (operation, peer) {
        ("load", Larder::NAME) => load::<Larder>(rounds),
        ("load", LarderTtl::NAME) => load::<LarderTtl>(rounds),
        ("load", QuickCache::NAME) => load::<QuickCache>(rounds),
        ("load", Moka::NAME) => load::<Moka>(rounds),
        (operation, Larder::NAME) => read_or_write::<Larder>(operation, rounds),
        (operation, LarderTtl::NAME) => read_or_write::<LarderTtl>(operation, rounds),
        (operation, QuickCache::NAME) => read_or_write::<QuickCache>(operation, rounds),
        (operation, Papaya::NAME) => read_or_write::<Papaya>(operation, rounds),
        (operation, DashMap::NAME) => read_or_write::<DashMap>(operation, rounds),
        (operation, Scc::NAME) => read_or_write::<Scc>(operation, rounds),
        (operation, Foyer::NAME) => read_or_write::<Foyer>(operation, rounds),
        (operation, MutexMap::NAME) => read_or_write::<MutexMap>(operation, rounds),
        (operation, Moka::NAME) => read_or_write::<Moka>(operation, rounds),
        (operation, MokaTtl::NAME) => read_or_write::<MokaTtl>(operation, rounds),
        other => panic!("no such operation or peer: {other:?}"),
    };
    println!("{operation} {peer}: {:.1} ns", time.as_nanos() as f64 / ROUND as f64);
}

fn read_or_write<P: Peer>(operation: &str, rounds: usize) -> Duration {
    match operation {
        "read" => fastest::<P>(rounds, |peer, key| _ = black_box(peer.read(key))),
        "write" => fastest::<P>(rounds, |peer, key| peer.write(key, VALUE)),
        other => panic!("no such operation: {other}"),
    }
}

fn load<P: Loads>(rounds: usize) -> Duration {
    fastest::<P>(rounds, |peer, key| {
        black_box(peer.read_or_load(key, || unreachable!("every key is there")));
    })
}

fn fastest<P: Peer>(rounds: usize, step: impl Fn(&P, &str)) -> Duration {
    let keys = workload::keys(KEYS);
    let accesses = workload::accesses(&keys, 1).remove(0);
    let peer = P::with_room_for(keys.len());
    keys.iter().for_each(|key| peer.write(key, VALUE));
    (0..rounds).fold(Duration::MAX, |fastest, _| {
        let start = Instant::now();
        accesses.each(ROUND, |key, _| step(&peer, key));
        start.elapsed().min(fastest)
    })
}
