//! Loads against invalidations: a reader loads a row while a writer commits a newer one and drops the key from the cache.
//! What is in the cache when both have ended, is it the row?

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::peers;

const ROUNDS: u64 = 2000;
/// A query has read the row when it begins, and this is its way back.
const QUERY: Duration = Duration::from_micros(200);

/// A cache by two operations.
trait Peer: Sync {
    fn get_or_load(&self, key: u64, load: &dyn Fn() -> u64) -> u64;
    fn invalidate(&self, key: u64);
}

impl Peer for larder::Cache<u64, u64> {
    fn get_or_load(&self, key: u64, load: &dyn Fn() -> u64) -> u64 {
        let loaded = larder::Cache::get_or_load(self, &key, || Ok::<_, String>(load()));
        *loaded.expect("it does not fail").expect("there is a row")
    }

    fn invalidate(&self, key: u64) {
        self.remove(&key).expect("no transaction is under way");
    }
}

impl Peer for moka::sync::Cache<u64, u64> {
    fn get_or_load(&self, key: u64, load: &dyn Fn() -> u64) -> u64 {
        self.try_get_with(key, || Ok::<_, String>(load())).expect("it does not fail")
    }

    fn invalidate(&self, key: u64) {
        moka::sync::Cache::invalidate(self, &key);
    }
}

impl Peer for quick_cache::sync::Cache<u64, u64> {
    fn get_or_load(&self, key: u64, load: &dyn Fn() -> u64) -> u64 {
        self.get_or_insert_with(&key, || Ok::<_, String>(load())).expect("it does not fail")
    }

    fn invalidate(&self, key: u64) {
        self.remove(&key);
    }
}

/// By two tasks on two threads, as the others by two threads.
struct MokaFuture(moka::future::Cache<u64, u64>, tokio::runtime::Runtime);

impl Peer for MokaFuture {
    fn get_or_load(&self, key: u64, load: &dyn Fn() -> u64) -> u64 {
        let loading = self.0.try_get_with(key, async { Ok::<_, String>(load()) });
        self.1.block_on(loading).expect("it does not fail")
    }

    fn invalidate(&self, key: u64) {
        self.1.block_on(self.0.invalidate(&key));
    }
}

pub fn main() {
    println!("\n#### Loads against invalidations: {ROUNDS} rounds\n");
    println!("| cache | a stale value left behind |\n| --- | --- |");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("it takes no thread");
    let peers: [(&str, Box<dyn Peer>); 4] = [
        ("larder", Box::new(peers::larder_for_long())),
        ("moka", Box::new(moka::sync::Cache::<u64, u64>::new(2 * ROUNDS))),
        ("moka::future", Box::new(MokaFuture(moka::future::Cache::new(2 * ROUNDS), runtime))),
        ("quick_cache", Box::new(quick_cache::sync::Cache::<u64, u64>::new(2 * ROUNDS as usize))),
    ];
    for (name, peer) in peers {
        println!("| {name} | {} |", left_behind(&*peer));
    }
}

/// In how many rounds it is not the row.
fn left_behind(cache: &dyn Peer) -> usize {
    let (row, both) = (AtomicU64::new(0), Barrier::new(2));
    thread::scope(|scope| {
        let (row, both) = (&row, &both);
        scope.spawn(move || {
            let mut state = 0x9e37_79b9_7f4a_7c15_u64;
            for key in 0..ROUNDS {
                both.wait();
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                thread::sleep(Duration::from_micros(state % 400));
                row.fetch_add(1, Ordering::SeqCst);
                cache.invalidate(key);
                both.wait();
            }
        });
        let query = || {
            let read = row.load(Ordering::SeqCst);
            thread::sleep(QUERY);
            read
        };
        let is_stale = |key| {
            both.wait();
            cache.get_or_load(key, &query);
            both.wait();
            cache.get_or_load(key, &|| row.load(Ordering::SeqCst)) != row.load(Ordering::SeqCst)
        };
        (0..ROUNDS).filter(|key| is_stale(*key)).count()
    })
}
