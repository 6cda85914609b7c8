//! A database with random faults, random writers and invalidations, and readers that check every answer: it is the
//! current row, or one that is stale within its window and says so; and never older than a row whose writer had told the
//! cache before the question. `cargo run --release --bin cache_soak` in `benches` runs it for a minute.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use larder::{Answer, Cache, CacheStats, How, Load, LoadError, Store, Writing};

const KEYS: u64 = 12;
const TTL: Duration = Duration::from_millis(20);
const JITTER: f64 = 0.2;
const STALE: Duration = Duration::from_millis(200);

/// What was seen; see [`soak`].
#[derive(Debug, Default, Clone, Copy)]
pub struct Seen {
    pub asked: u64,
    pub hits: u64,
    pub stale: u64,
    pub loaded: u64,
    pub shared: u64,
    /// Errors that the database's faults come to.
    pub failed: u64,
    pub panicked: u64,
    /// Futures that were dropped before they had ended.
    pub dropped: u64,
    pub writes: u64,
    pub stats: CacheStats,
}

#[test]
fn every_answer_is_current_or_marked_stale() {
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    // Of a test that fails it is shown.
    println!("seed {seed}");
    let seen = soak(seed, Duration::from_secs(2));
    println!("{seen:?}");
    let each = [seen.hits, seen.stale, seen.loaded, seen.shared, seen.failed, seen.panicked, seen.writes];
    assert!(each.iter().all(|count| *count > 0), "{seen:?}");
    assert!(seen.stats.fenced > 0 && seen.stats.failed_loads > seen.panicked, "{seen:?}");
}

/// Reads and writes for so long; the seed decides on each thread's faults and choices, not on who is first.
///
/// # Panics
/// At the first answer that is wrong, and if a thread hangs for a minute.
pub fn soak(seed: u64, lasts: Duration) -> Seen {
    let store = Store::new();
    let cache = store
        .cache("rows")
        .ttl(TTL)
        .jitter(JITTER)
        .stale_for(STALE)
        .revalidate_for(Duration::from_millis(5))
        .refresh_after(0.8)
        .retry_after(Duration::from_millis(5))
        .absent_ttl(TTL)
        .wait_at_most(Duration::from_millis(40))
        .stale_after(Duration::from_millis(10))
        .breaker(20, Duration::from_millis(10))
        .build()
        .expect("its settings are sound");
    let database =
        Database { rows: std::array::from_fn(|_| Row::default()), is_down: AtomicBool::new(false) };
    let world = Arc::new(World { store, cache, database, ends: Instant::now() + lasts });

    let (done, ended) = channel();
    let parts: [fn(&World, &mut Random) -> Seen; 9] = [
        World::read,
        World::read,
        World::read,
        World::read,
        World::read_async,
        World::read_async,
        World::write,
        World::write,
        World::break_down,
    ];
    for (number, part) in parts.into_iter().enumerate() {
        let (world, done) = (Arc::clone(&world), done.clone());
        thread::spawn(move || {
            let mut random = Random(seed.wrapping_add(number as u64 * 0x1234_5678_9abc_def1));
            let seen = part(&world, &mut random);
            let _ = done.send(seen);
        });
    }
    drop(done);
    let mut all = Seen::default();
    for _ in parts {
        match ended.recv_timeout(lasts + Duration::from_secs(60)) {
            Ok(seen) => all.add(&seen),
            Err(RecvTimeoutError::Timeout) => panic!("a thread hangs; seed {seed}"),
            Err(RecvTimeoutError::Disconnected) => panic!("a thread has failed; seed {seed}"),
        }
    }
    world.check_the_end();
    Seen { stats: world.cache.stats(), ..all }
}

impl Seen {
    fn add(&mut self, other: &Seen) {
        let Seen { asked, hits, stale, loaded, shared, failed, panicked, dropped, writes, stats: _ } = other;
        let of_others = [asked, hits, stale, loaded, shared, failed, panicked, dropped, writes];
        let Seen { asked, hits, stale, loaded, shared, failed, panicked, dropped, writes, stats: _ } = self;
        let own = [asked, hits, stale, loaded, shared, failed, panicked, dropped, writes];
        own.into_iter().zip(of_others).for_each(|(own, other)| *own += other);
    }
}

struct World {
    store: Store,
    cache: Cache<u64, u64>,
    database: Database,
    ends: Instant,
}

/// Rows that are nothing but how often they were written; each seventh state of a row is that there is none.
struct Database {
    rows: [Row; KEYS as usize],
    is_down: AtomicBool,
}

#[derive(Default)]
struct Row {
    version: AtomicU64,
    /// The last of which the cache was told: no answer to a later question is older.
    told: AtomicU64,
    writing: Mutex<()>,
}

fn exists(version: u64) -> bool {
    version % 7 != 6
}

impl Database {
    fn row(&self, key: u64) -> &Row {
        &self.rows[key as usize]
    }

    /// A query: it reads the row as it is, and then any of a database's troubles may come.
    fn find(&self, key: u64, random: &mut Random) -> Result<Load<u64>, String> {
        let version = self.row(key).version.load(Ordering::SeqCst);
        match random.below(100) {
            0..10 => thread::park_timeout(Duration::from_millis(random.below(4))),
            10..20 => return Err("the query failed".to_owned()),
            // No hook is called: nothing is printed.
            20..24 => resume_unwind(Box::new("the driver panicked")),
            24..27 => {
                thread::park_timeout(Duration::from_millis(random.below(60)));
                if random.below(2) == 0 {
                    return Err("the connection was lost".to_owned());
                }
            }
            _ => {}
        }
        if self.is_down.load(Ordering::SeqCst) {
            return Err("the database is down".to_owned());
        }
        Ok(loaded(key, version))
    }
}

fn loaded(key: u64, version: u64) -> Load<u64> {
    let load = if exists(version) { Load::value(version) } else { Load::absent() };
    load.tag(format!("row:{key}"))
}

impl World {
    fn goes_on(&self) -> bool {
        Instant::now() < self.ends
    }

    fn read(&self, random: &mut Random) -> Seen {
        let mut seen = Seen::default();
        while self.goes_on() {
            let key = random.below(KEYS);
            let least = self.database.row(key).told.load(Ordering::SeqCst);
            let mut faults = Random(random.next());
            let asked = catch_unwind(AssertUnwindSafe(|| {
                self.cache.ask(&key, |_| self.database.find(key, &mut faults))
            }));
            self.check(key, least, asked.ok(), &mut seen);
        }
        seen
    }

    /// The same by futures, of which some are dropped on the way.
    fn read_async(&self, random: &mut Random) -> Seen {
        let mut seen = Seen::default();
        while self.goes_on() {
            let key = random.below(KEYS);
            let least = self.database.row(key).told.load(Ordering::SeqCst);
            let mut faults = Random(random.next());
            let patience = if random.below(4) == 0 { random.below(3) } else { u64::MAX };
            let asked = catch_unwind(AssertUnwindSafe(|| {
                block_on(
                    patience,
                    self.cache.ask_async(&key, |_| async {
                        later().await;
                        let found = self.database.find(key, &mut faults);
                        later().await;
                        found
                    }),
                )
            }));
            match asked {
                Ok(None) => seen.dropped += 1,
                Ok(Some(answer)) => self.check(key, least, Some(answer), &mut seen),
                Err(_) => self.check(key, least, None, &mut seen),
            }
        }
        seen
    }

    /// Commits, and tells the cache then, or from before the first statement until after the commit.
    fn write(&self, random: &mut Random) -> Seen {
        let mut seen = Seen::default();
        while self.goes_on() {
            let key = random.below(KEYS);
            let row = self.database.row(key);
            let writing = row.writing.lock().unwrap();
            let way = random.below(130);
            let told = match way {
                100..115 => Some(self.cache.writing(&[key]).unwrap()),
                115.. => Some(self.store.writing().tag(format!("row:{key}"))),
                _ => None,
            };
            if told.is_some() {
                // The statements, while others read the row as it was.
                thread::park_timeout(Duration::from_micros(random.below(2000)));
            }
            let version = row.version.fetch_add(1, Ordering::SeqCst) + 1;
            match way {
                0..40 => drop(self.cache.remove(&key).unwrap()),
                40..60 => drop(self.store.remove(format!("rows:{key}")).unwrap()),
                60..80 => self.cache.remove_tag(format!("row:{key}")),
                80..83 => self.cache.clear().unwrap(),
                83..100 => self.cache.insert(&key, loaded(key, version)).unwrap(),
                _ => {}
            }
            // At times it is only dropped, as by an error behind the commit.
            told.into_iter().filter(|_| random.below(4) > 0).for_each(Writing::commit);
            row.told.store(version, Ordering::SeqCst);
            drop(writing);
            seen.writes += 1;
            if random.below(8) > 0 {
                thread::park_timeout(Duration::from_micros(random.below(2000)));
            }
        }
        seen
    }

    /// Now and then the whole database is away for a while: longer, at times, than stale values are served.
    fn break_down(&self, random: &mut Random) -> Seen {
        while self.goes_on() {
            for is_down in [false, true] {
                self.database.is_down.store(is_down, Ordering::SeqCst);
                thread::park_timeout(Duration::from_millis(10 + random.below(250)));
            }
        }
        self.database.is_down.store(false, Ordering::SeqCst);
        Seen::default()
    }

    fn check(
        &self,
        key: u64,
        least: u64,
        asked: Option<Result<Answer<u64>, LoadError<String>>>,
        seen: &mut Seen,
    ) {
        let most = self.database.row(key).version.load(Ordering::SeqCst);
        seen.asked += 1;
        let answer = match asked {
            None => return seen.panicked += 1,
            Some(Err(LoadError::Store(error))) => panic!("the store refused: {error}"),
            Some(Err(LoadError::Cycle(keys))) => panic!("nothing waits for itself: {keys:?}"),
            Some(Err(_)) => return seen.failed += 1,
            Some(Ok(answer)) => answer,
        };
        match answer.value {
            Some(version) => {
                assert!((least..=most).contains(&version), "{key}: {version}, not in {least}..={most}");
            }
            None => assert!((least..=most).any(|version| !exists(version)), "{key}: {least}..={most}"),
        }
        let (count, window) = match answer.how {
            How::Hit => (&mut seen.hits, Duration::ZERO..TTL),
            How::Shared => (&mut seen.shared, Duration::ZERO..TTL),
            How::Loaded => (&mut seen.loaded, Duration::ZERO..Duration::from_millis(1)),
            How::Stale => (&mut seen.stale, TTL.mul_f64(1.0 - JITTER)..TTL + STALE),
            other => panic!("not asked for: {other:?}"),
        };
        assert!(window.contains(&answer.age), "{:?} after {:?}", answer.how, answer.age);
        *count += 1;
    }

    /// When all is quiet, every answer is the current row.
    fn check_the_end(&self) {
        for key in 0..KEYS {
            let version = self.database.row(key).version.load(Ordering::SeqCst);
            let started = Instant::now();
            let found = loop {
                match self.cache.ask(&key, |_| Ok::<_, String>(loaded(key, version))) {
                    Ok(answer) => break answer,
                    // Until the breaker's pause is over.
                    Err(LoadError::Paused) => thread::yield_now(),
                    Err(error) => panic!("{error}"),
                }
                assert!(started.elapsed() < Duration::from_secs(20), "the breaker stays open");
            };
            assert_eq!(found.value.as_deref(), exists(version).then_some(&version), "{key}: left behind");
        }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// Lets others go first, once.
fn later() -> impl Future<Output = ()> {
    let mut was_polled = false;
    std::future::poll_fn(move |context| {
        if std::mem::replace(&mut was_polled, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
}

/// Polls a future, so often at the most; none if it is dropped then.
fn block_on<F: Future>(patience: u64, future: F) -> Option<F::Output> {
    struct Unparks(Thread);

    impl Wake for Unparks {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unparks(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    for _ in 0..patience {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return Some(output);
        }
        thread::park();
    }
    None
}
