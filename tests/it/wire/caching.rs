//! Client-side caching by a reader that believes what it was told, while others write.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use larder::{Reply, Session, Store};
use proptest::prelude::*;

use crate::support::manual_store;

/// A client with a cache: what it has read, until it is told otherwise.
struct Reader {
    session: Session,
    cache: HashMap<String, Reply>,
}

impl Reader {
    fn new(store: &Store, options: &[&str]) -> Self {
        let mut session = store.session();
        session.call(["HELLO", "3"]);
        assert_eq!(session.call([&["CLIENT", "TRACKING", "ON"], options].concat()), Reply::OK);
        Reader { session, cache: HashMap::new() }
    }

    fn hear(&mut self) {
        while let Some(message) = self.session.try_message() {
            let Reply::Push(parts) = message else { panic!("{message:?}") };
            assert_eq!(parts[0], Reply::Bulk("invalidate".into()));
            match &parts[1] {
                Reply::Nil => self.cache.clear(),
                Reply::Array(keys) => keys.iter().for_each(|key| {
                    let Reply::Bulk(key) = key else { panic!("{key:?}") };
                    self.cache.remove(key.as_str().unwrap());
                }),
                other => panic!("{other:?}"),
            }
        }
    }

    fn read(&mut self, key: &str) -> Reply {
        self.hear();
        if let Some(known) = self.cache.get(key) {
            return known.clone();
        }
        let reply = self.session.call(["GET", key]);
        self.cache.insert(key.into(), reply.clone());
        reply
    }
}

const KEYS: [&str; 4] = ["a", "b", "ab", "c"];

#[derive(Debug, Clone)]
enum Step {
    Read(usize),
    Set(usize, u8),
    SetFor(usize, u64),
    Remove(usize),
    /// By a transaction of the Rust API, which may be taken back.
    Both(usize, usize, bool),
    Rename(usize, usize),
    Flush,
    Swap,
    Advance(u64),
    /// By the reader itself.
    Own(usize, u8),
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..KEYS.len();
    prop_oneof![
        12 => key().prop_map(Step::Read),
        4 => (key(), any::<u8>()).prop_map(|(key, value)| Step::Set(key, value)),
        3 => (key(), 1..20_u64).prop_map(|(key, millis)| Step::SetFor(key, millis)),
        2 => key().prop_map(Step::Remove),
        2 => (key(), key(), any::<bool>()).prop_map(|(a, b, commits)| Step::Both(a, b, commits)),
        2 => (key(), key()).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => Just(Step::Flush),
        1 => Just(Step::Swap),
        3 => (1..10_u64).prop_map(Step::Advance),
        2 => (key(), any::<u8>()).prop_map(|(key, value)| Step::Own(key, value)),
    ]
}

proptest! {
    /// Whatever writes, by whatever door: what a reader still has in its cache is what is there.
    #[test]
    fn a_cache_is_never_stale(
        steps in prop::collection::vec(step(), 1..80),
        mode in 0..3_usize,
        most in prop_oneof![Just(0_u32), 1..4_u32],
    ) {
        let (clock, store) = manual_store();
        store.session().call(["CONFIG", "SET", "tracking-table-max-keys", &most.to_string()]);
        let modes: [&[&str]; 3] = [&[], &["BCAST"], &["BCAST", "PREFIX", "a", "PREFIX", "b", "PREFIX", "c"]];
        let mut reader = Reader::new(&store, modes[mode]);
        let mut writer = store.session();
        for step in steps {
            match step {
                Step::Read(key) => {
                    let there = store.get::<String>(KEYS[key]).unwrap();
                    let read = reader.read(KEYS[key]);
                    prop_assert_eq!(read, there.map_or(Reply::Nil, |there| Reply::Bulk(there.into())));
                }
                Step::Set(key, value) => store.insert(KEYS[key], value).unwrap(),
                Step::SetFor(key, millis) => {
                    writer.call(["SET", KEYS[key], "x", "PX", &millis.to_string()]);
                }
                Step::Remove(key) => { store.remove(KEYS[key]).unwrap(); }
                Step::Both(a, b, commits) => {
                    let done = store.transaction([KEYS[a], KEYS[b]], |tx| {
                        tx.insert(KEYS[a], "both")?;
                        tx.remove(KEYS[b])?;
                        if commits { Ok(()) } else { Err(larder::Error::Invalid("not so")) }
                    });
                    prop_assert_eq!(done.is_ok(), commits);
                }
                Step::Rename(from, to) => { writer.call(["RENAME", KEYS[from], KEYS[to]]); }
                Step::Flush => { writer.call(["FLUSHDB"]); }
                Step::Swap => { writer.call(["SWAPDB", "0", "1"]); }
                Step::Advance(millis) => {
                    clock.advance(Duration::from_millis(millis));
                    store.sweep().unwrap();
                }
                Step::Own(key, value) => {
                    reader.session.call(["SET", KEYS[key], &value.to_string()]);
                }
            }
        }
    }
}

#[test]
fn no_invalidation_is_missed_by_threads_that_race() {
    let store = Store::new();
    thread::scope(|scope| {
        let write = || (0..2_000).for_each(|value| store.insert("k", value).unwrap());
        let writers = [scope.spawn(write), scope.spawn(write)];
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let mut reader = Reader::new(&store, &[]);
                    (0..2_000).for_each(|_| drop(reader.read("k")));
                    reader
                })
            })
            .collect();
        let mut readers: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        store.insert("k", "last").unwrap();
        for reader in &mut readers {
            assert_eq!(reader.read("k"), Reply::Bulk("last".into()));
        }
    });
}

#[test]
fn who_was_to_be_told_instead_may_go() {
    let store = Store::new();
    let mut reader = store.session();
    let mut listener = store.session();
    reader.call(["HELLO", "3"]);
    let Reply::Integer(id) = listener.call(["CLIENT", "ID"]) else { panic!("no id") };
    listener.call(["SUBSCRIBE", "__redis__:invalidate"]);
    assert_eq!(reader.call(["CLIENT", "TRACKING", "ON", "REDIRECT", &id.to_string()]), Reply::OK);
    reader.call(["GET", "a"]);
    store.insert("a", 1).unwrap();
    let keys = Reply::Array(vec![Reply::Bulk("a".into())]);
    let [message, channel] = ["message", "__redis__:invalidate"].map(|word| Reply::Bulk(word.into()));
    assert_eq!(listener.try_message(), Some(Reply::Push(vec![message, channel, keys])));
    reader.call(["GET", "a"]);
    drop(listener);
    store.insert("a", 2).unwrap();
    let broken = vec![Reply::Bulk("tracking-redir-broken".into()), Reply::Integer(id)];
    assert_eq!(reader.try_message(), Some(Reply::Push(broken)));
    let Reply::Verbatim(_, line) = reader.call(["CLIENT", "INFO"]) else { panic!("no text") };
    let line = String::from_utf8_lossy(&line);
    assert!(line.contains(" flags=tR ") && line.contains(&format!(" redir={id} ")), "{line}");
}
