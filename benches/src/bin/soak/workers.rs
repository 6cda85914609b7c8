//! Threads that use the store without a pause, and those who listen.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use larder::Error;
use larder_benches::histogram::Histogram;
use larder_benches::workload::{Random, Zipf};

use super::Soak;

/// Names of strings, many more than there is room for, and of collections of each type.
const STRINGS: usize = 1_000_000;
const COLLECTIONS: u64 = 2_000;
/// A list or sorted set is cut back from this length on.
const LONG: usize = 200;
const ACCOUNTS: u64 = 100;
/// Operations between two looks at what others wait for.
const TURN: usize = 1024;

impl Soak {
    pub(super) fn work(&self, seed: u64) {
        let (zipf, mut random) = (Zipf::new(STRINGS, 0.99), Random::new(seed));
        while !self.is_done() {
            let mut waits = Histogram::default();
            for _ in 0..TURN {
                let at = zipf.draw(&mut random);
                let start = Instant::now();
                self.step(at, random.number()).expect("no operation fails");
                waits.record(start.elapsed());
            }
            self.waits.lock().expect("nothing panics under it").add(&waits);
        }
    }

    fn step(&self, at: usize, chance: u64) -> Result<(), Error> {
        let Soak { store, .. } = self;
        let (name, which) = (format!("string:{at:08}"), at as u64 % COLLECTIONS);
        match chance % 16 {
            0..4 => drop(store.get::<larder::Bytes>(&name)?),
            4..7 => store.insert(&name, &[b'v'; 400][..100 + at % 300])?,
            7..10 => store.insert_ex(&name, [b't'; 100], Duration::from_millis(50 + chance / 16 % 2_000))?,
            10 => drop(store.remove(&name)?),
            11 => {
                let hash = store.hash::<String, String>(format!("hash:{which}"));
                hash.insert(format!("field{}", chance / 16 % 100), name)?;
            }
            12 => {
                let list = store.list::<String>(format!("list:{which}"));
                if list.push_back(name)? > LONG {
                    list.pop_front_many(LONG / 2)?;
                }
            }
            13 => {
                let set = store.sorted_set::<String>(format!("scores:{which}"));
                set.insert(format!("member{}", chance / 16 % LONG as u64), at as f64)?;
            }
            14 => {
                let [from, to] = [chance / 16 % ACCOUNTS, which % ACCOUNTS].map(|at| format!("account:{at}"));
                store.transaction([&from, &to], |tx| {
                    tx.counter(&from).decr()?;
                    tx.counter(&to).incr().map(drop)
                })?;
            }
            _ => drop(store.publish(format!("channel:{}", which % 4), name)?),
        }
        Ok(())
    }

    /// Subscribes, hears some messages, goes, and comes back.
    pub(super) fn listen(&self, patterns: bool) {
        while !self.is_done() {
            let subscription = match patterns {
                true => self.store.psubscribe(["channel:*"]),
                false => self.store.subscribe(["channel:1", "channel:2"]),
            };
            let heard =
                (0..1000).map_while(|_| subscription.recv_timeout(Duration::from_millis(100))).count();
            self.messages.fetch_add(heard as u64, Ordering::Relaxed);
        }
    }
}
