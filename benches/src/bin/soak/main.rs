//! All at once, at full speed: expiry, eviction, saving, a journal, subscribers and clients that come and go.
//!
//! `soak [MINUTES [FOLDER]]`: a minute by default, an hour is worth it before a release. The waits of each minute and memory
//! are printed, and drawn into `plots/soak.svg`. It fails at the first error that nothing was done for, and if memory has
//! grown. The store and its snapshots lie in the folder, or in that for temporary files. Linux only.

mod clients;
mod plot;
mod workers;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, path::PathBuf, process, thread};

use larder::{Server, Store, SyncPolicy};
use larder_benches::histogram::Histogram;
use larder_benches::resident;

/// The store's limit.
const MEMORY: usize = 64 << 20;
const SAMPLE: Duration = Duration::from_secs(1);
/// How much more memory the last third of the time may take than the second: what the allocator keeps.
const GROWTH: f64 = 1.1;

/// What all threads share.
struct Soak {
    store: Store,
    folder: PathBuf,
    done: AtomicBool,
    /// The waits of operations of the current minute.
    waits: Mutex<Histogram>,
    saves: AtomicU64,
    messages: AtomicU64,
    clients: AtomicU64,
}

/// One look at memory.
struct Sample {
    at: Duration,
    resident: u64,
    accounted: usize,
}

fn main() {
    let mut arguments = env::args().skip(1);
    let minutes: u64 = arguments.next().map_or(1, |number| number.parse().expect("a number of minutes"));
    let parent = arguments.next().map_or_else(env::temp_dir, PathBuf::from);
    let folder = parent.join(format!("larder-soak-{}", process::id()));
    fs::create_dir_all(&folder).expect("can be made");
    let builder = Store::builder().max_bytes(MEMORY).sync_policy(SyncPolicy::Every(Duration::from_secs(1)));
    let store = builder.open(folder.join("store")).expect("an empty folder");
    let server = store.serve().expect("a free port");
    let [saves, messages, clients] = [0; 3].map(AtomicU64::new);
    let (done, waits) = (AtomicBool::new(false), Mutex::default());
    let soak = Soak { store, folder, done, waits, saves, messages, clients };
    let (samples, minutes) = soak.run(minutes, &server);
    drop(server);
    soak.tell(&samples);
    fs::write("plots/soak.svg", plot::draw(&minutes, &samples)).expect("runs in the folder of the benches");
    check_memory(&samples);
    let Soak { store, folder, .. } = soak;
    drop(store);
    fs::remove_dir_all(folder).expect("was made");
}

impl Soak {
    /// Gives looks at memory, and the waits of each minute.
    fn run(&self, minutes: u64, server: &Server) -> (Vec<Sample>, Vec<Histogram>) {
        let (mut samples, mut all) = (Vec::new(), Vec::new());
        thread::scope(|scope| {
            let workers = (0..2).map(|seed| scope.spawn(move || self.work(seed)));
            let listeners = [false, true].map(|patterns| scope.spawn(move || self.listen(patterns)));
            let clients = (0..2).map(|seed| scope.spawn(move || self.come_and_go(server.port(), seed)));
            let threads: Vec<_> =
                workers.chain(listeners).chain(clients).chain([scope.spawn(|| self.save())]).collect();
            let start = Instant::now();
            println!(
                "| minute | calls | p50 | p99 | p99.9 | longest | memory |\n| --- | --- | --- | --- | --- | --- | --- |"
            );
            while all.len() < minutes as usize {
                thread::sleep(SAMPLE);
                // One that has met an error would leave the others to go on alone.
                let has_ended = threads.iter().any(|thread| thread.is_finished());
                let at = start.elapsed();
                let accounted = self.store.stats().expect("in no transaction").bytes;
                samples.push(Sample { at, resident: resident::now(), accounted });
                if at >= Duration::from_secs(60) * (all.len() as u32 + 1) {
                    let minute = std::mem::take(&mut *self.waits.lock().expect("nothing panics under it"));
                    plot::row(all.len() + 1, &minute, &samples);
                    all.push(minute);
                }
                if has_ended {
                    break;
                }
            }
            self.done.store(true, Ordering::Relaxed);
            threads.into_iter().for_each(|thread| thread.join().expect("no error"));
        });
        (samples, all)
    }

    /// Saves again and again beside the journal, and sees now and then that what was written is whole.
    fn save(&self) {
        let path = self.folder.join("snapshot");
        while !self.is_done() {
            self.store.save(&path).expect("there is room");
            if self.saves.fetch_add(1, Ordering::Relaxed).is_multiple_of(8) {
                Store::builder().max_bytes(MEMORY).load(&path).expect("is whole");
            }
            thread::sleep(Duration::from_millis(250));
        }
    }

    fn is_done(&self) -> bool {
        self.done.load(Ordering::Relaxed)
    }

    fn tell(&self, samples: &[Sample]) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let stats = self.store.stats().expect("in no transaction");
        let journal = self.store.journal_stats().expect("it has one");
        println!(
            "{} saves, {} messages heard, {} connections",
            count(&self.saves),
            count(&self.messages),
            count(&self.clients)
        );
        println!("{} keys expired, {} evicted, {} there", stats.expirations, stats.evictions, stats.entries);
        println!("{journal:?}");
        let most = samples.iter().map(|sample| sample.accounted).max().unwrap_or(0);
        println!("at most {:.1} MB as accounted, of {:.1}", most as f64 / 1e6, MEMORY as f64 / 1e6);
    }
}

/// The last third of the time is to take no more than the second; the first is left out, while all is filled.
fn check_memory(samples: &[Sample]) {
    let third = samples.len() / 3;
    let median = |part: &[Sample]| {
        let mut all: Vec<u64> = part.iter().map(|sample| sample.resident).collect();
        all.sort_unstable();
        all[all.len() / 2] as f64
    };
    let (before, after) = (median(&samples[third..2 * third]), median(&samples[2 * third..]));
    println!("memory: {:.1} MB in the second third, {:.1} MB in the last", before / 1e6, after / 1e6);
    assert!(after <= before * GROWTH, "memory grows");
}
