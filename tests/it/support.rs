//! What the tests share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{env, fs, io, process, thread};

use larder::{ManualClock, Store, StreamEntry, Sweeping, Ttl, Type};

/// A store with a clock that stands still, no thread of its own, and fixed chance.
pub fn manual_store() -> (ManualClock, Store) {
    let clock = ManualClock::new();
    let store = Store::builder().clock(&clock).sweeping(Sweeping::ByHand).shards(4).seed(7).build();
    (clock, store)
}

/// Returns once something that other threads do has happened; a test that would wait for ever fails.
#[track_caller]
pub fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let start = Instant::now();
    while !happened() {
        assert!(start.elapsed() < Duration::from_secs(120), "still no {what}");
        thread::yield_now();
    }
}

/// Returns once a subscriber of this thread hears what is said. A place that speaks for the first time on a thread with
/// nobody to hear it is silent for all of them, until it is asked anew.
#[cfg(feature = "tracing")]
#[track_caller]
pub fn until_heard(mut says: impl FnMut() -> bool) {
    until("word of it", || {
        tracing::callsite::rebuild_interest_cache();
        says()
    });
}

/// What a key holds, in an order of its own where the store has none.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    String(Vec<u8>),
    List(Vec<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    Hash(BTreeMap<Vec<u8>, (Vec<u8>, Ttl)>),
    SortedSet(Vec<(Vec<u8>, f64)>),
    /// What `XINFO STREAM FULL` would tell, in words.
    Stream(Vec<StreamEntry<Vec<u8>, Vec<u8>>>, String),
}

/// All that can be seen of a store: each key of each database, what it holds and how long it lives.
pub type Picture = BTreeMap<(u16, Vec<u8>), (Content, Ttl)>;

pub fn picture(store: &Store) -> Picture {
    let databases = (0..).map_while(|index| store.db(index).ok());
    databases
        .flat_map(|db| {
            let keys = db.keys("*").unwrap();
            keys.into_iter()
                .map(|key| ((db.index(), key.to_vec()), (content(&db, &key), db.ttl(&key).unwrap())))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn content(db: &Store, key: &[u8]) -> Content {
    match db.type_of(key).unwrap().unwrap() {
        Type::String => Content::String(db.get(key).unwrap().unwrap()),
        Type::List => Content::List(db.list(key).to_vec().unwrap()),
        Type::Set => Content::Set(db.set(key).members().unwrap().into_iter().collect()),
        Type::Hash => {
            let hash = db.hash::<Vec<u8>, Vec<u8>>(key);
            let entries = hash.entries().unwrap().into_iter();
            Content::Hash(
                entries
                    .map(|(name, value)| (name.clone(), (value, hash.field_ttl(&name).unwrap())))
                    .collect(),
            )
        }
        Type::SortedSet => Content::SortedSet(db.sorted_set(key).to_vec().unwrap()),
        Type::Stream => {
            let stream = db.stream(key);
            let told = |name: &str| {
                let group = stream.group(name);
                group.info().unwrap().map(|info| (info, group.pending().unwrap(), group.consumers().unwrap()))
            };
            let told = format!("{:?} {:?} {:?}", stream.last_id().unwrap(), told("g"), told("h"));
            Content::Stream(stream.range(.., usize::MAX).unwrap(), told)
        }
        other => panic!("a type that the tests do not know: {other:?}"),
    }
}

/// A folder of a test's own, gone when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        Folder::within(&env::temp_dir()).unwrap()
    }

    /// One in memory, where the system has a place for that: for files that are synced by the ten thousand.
    #[cfg(feature = "journal")]
    pub fn in_memory() -> Self {
        let place = Path::new("/dev/shm");
        let made = place.is_dir().then(|| Folder::within(place).ok());
        made.flatten().unwrap_or_else(Folder::new)
    }

    fn within(place: &Path) -> io::Result<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = place.join(format!("larder-tests-{}-{count}", process::id()));
        fs::create_dir_all(&path)?;
        Ok(Folder(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// The names of the files and folders in it, in order.
    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}
