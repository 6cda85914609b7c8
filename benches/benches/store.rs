//! Reads, writes and a 95/5 mix on Zipf keys, and hits of `get_or_load`: larder beside its peers.
//!
//! A benchmark's name is `group/keys_value/threads/peer`, such as `read/10k_16B/1t/larder`. The
//! time is that of one operation, as its thread sees it.

use std::cell::OnceCell;
use std::hint::black_box;
use std::time::Duration;

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use larder::Bytes;
use larder_benches::peers::{
    DashMap, Foyer, Larder, LarderTtl, Loads, Moka, MokaTtl, MutexMap, Papaya, Peer, QuickCache, Scc,
};
use larder_benches::workload::{self, Accesses};

type Group<'c> = BenchmarkGroup<'c, WallTime>;

/// What a peer is filled with, and who asks it for what.
struct Load {
    keys: Vec<String>,
    value: Vec<u8>,
    accesses: Vec<Accesses>,
}

impl Load {
    fn fill<P: Peer>(&self) -> P {
        let peer = P::with_room_for(self.keys.len());
        self.keys.iter().for_each(|key| peer.write(key, &self.value));
        peer
    }
}

/// Measures `step` on a peer that is filled first, unless the filter leaves it out.
fn measure<P: Peer>(group: &mut Group<'_>, load: &Load, step: impl Fn(&P, &str, bool) + Sync) {
    let peer = OnceCell::new();
    group.bench_function(P::NAME, |bencher| {
        let peer: &P = peer.get_or_init(|| load.fill());
        bencher.iter_custom(|iterations| {
            workload::run(&load.accesses, iterations, |key, writes| step(peer, key, writes))
        });
    });
}

fn read<P: Peer>(peer: &P, key: &str) {
    black_box(peer.read(key).expect("every key is there"));
}

fn reads<P: Peer>(group: &mut Group<'_>, load: &Load) {
    measure::<P>(group, load, |peer, key, _| read(peer, key));
}

fn writes<P: Peer>(group: &mut Group<'_>, load: &Load) {
    measure::<P>(group, load, |peer, key, _| peer.write(key, &load.value));
}

fn mixed<P: Peer>(group: &mut Group<'_>, load: &Load) {
    measure::<P>(
        group,
        load,
        |peer, key, writes| {
            if writes { peer.write(key, &load.value) } else { read(peer, key) }
        },
    );
}

fn hits<P: Loads>(group: &mut Group<'_>, load: &Load) {
    measure::<P>(group, load, |peer, key, _| {
        let miss = || -> Bytes { unreachable!("every key is there") };
        black_box(peer.read_or_load(key, miss));
    });
}

/// Runs `peers` for every number of keys, length of values and number of threads.
fn each_load(criterion: &mut Criterion, name: &str, mut peers: impl FnMut(&mut Group<'_>, &Load)) {
    let mut loads = vec![("10k_16B", 10_000, 16), ("10k_1KB", 10_000, 1024), ("1M_16B", 1_000_000, 16)];
    // Holds a gigabyte, and takes its time to be filled.
    if std::env::var_os("LARDER_BENCH_FULL").is_some() {
        loads.push(("1M_1KB", 1_000_000, 1024));
    }
    for (size, count, value) in loads {
        let keys = workload::keys(count);
        let mut load = Load { value: vec![b'v'; value], accesses: workload::accesses(&keys, 2), keys };
        for threads in [2, 1] {
            load.accesses.truncate(threads);
            let mut group = criterion.benchmark_group(format!("{name}/{size}/{threads}t"));
            group.throughput(Throughput::Elements(threads as u64));
            peers(&mut group, &load);
        }
    }
}

/// Runs a benchmark for larder and all peers.
macro_rules! beside_all {
    ($group:ident, $load:ident, $bench:ident) => {
        $bench::<Larder>($group, $load);
        $bench::<LarderTtl>($group, $load);
        $bench::<QuickCache>($group, $load);
        $bench::<Papaya>($group, $load);
        $bench::<DashMap>($group, $load);
        $bench::<Scc>($group, $load);
        $bench::<MutexMap>($group, $load);
        $bench::<Foyer>($group, $load);
        $bench::<Moka>($group, $load);
        $bench::<MokaTtl>($group, $load);
    };
}

fn store(criterion: &mut Criterion) {
    each_load(criterion, "read", |group, load| {
        beside_all!(group, load, reads);
    });
    each_load(criterion, "write", |group, load| {
        beside_all!(group, load, writes);
    });
    each_load(criterion, "mixed_95_5", |group, load| {
        beside_all!(group, load, mixed);
    });
    each_load(criterion, "get_or_load_hit", |group, load| {
        hits::<Larder>(group, load);
        hits::<LarderTtl>(group, load);
        hits::<QuickCache>(group, load);
        hits::<Moka>(group, load);
        hits::<MokaTtl>(group, load);
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(12)
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(500));
    targets = store
}
criterion_main!(benches);
