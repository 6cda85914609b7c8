//! Several stores in one process, and stores whose last handle goes while there is work.

use std::thread;
use std::time::Duration;

use larder::{Error, ManualClock, Result, Store};

const LONG: Duration = Duration::from_secs(60);

/// Two stores are two: a transaction of one holds up nothing of the other, which may be used in it.
#[test]
fn a_transaction_of_one_store_is_none_of_another() {
    let (first, second) = (Store::new(), Store::new());
    let moved: Result<i64> = first.transaction(["k"], |tx| {
        tx.counter("k").decr()?;
        assert_eq!(second.get::<i64>("k")?, None);
        second.transaction(["k"], |inner| {
            assert!(matches!(first.get::<i64>("k"), Err(Error::InTransaction)));
            assert!(matches!(second.get::<i64>("k"), Err(Error::InTransaction)));
            inner.counter("k").incr()
        })
    });
    assert_eq!(moved.unwrap(), 1);
    assert_eq!((first.counter("k").get().unwrap(), second.counter("k").get().unwrap()), (-1, 1));
    let lock = first.try_lock("lock", LONG).unwrap().unwrap();
    let given_up: Result<()> = second.transaction(["k"], |_| {
        drop(lock);
        Ok(())
    });
    given_up.unwrap();
    assert!(!first.contains("lock").unwrap());
}

/// A subscriber has no handle: it ends with the store. One that waits for an element has: it is served.
#[test]
fn the_last_handle_goes_while_others_wait() {
    for _ in 0..50 {
        let clock = ManualClock::new();
        let store = Store::builder().clock(&clock).build();
        let heard = store.subscribe(["news"]);
        let hears = thread::spawn(move || heard.into_iter().count());
        let (waiting, pushing) = (store.clone(), store.clone());
        let pops = thread::spawn(move || waiting.list::<i64>("jobs").pop_front_wait(None).unwrap());
        store.insert_ex("k", 1, Duration::from_millis(5)).unwrap();
        let time = thread::spawn(move || clock.advance(LONG));
        store.publish("news", "first").unwrap();
        drop(store);
        pushing.list::<i64>("jobs").push_back(7).unwrap();
        drop(pushing);
        assert_eq!(pops.join().unwrap(), Some(7));
        assert_eq!(hears.join().unwrap(), 1);
        time.join().unwrap();
    }
}

/// A server holds its store: clients that wait are sent away when it goes, whoever else has gone before.
#[cfg(feature = "server")]
#[test]
fn a_server_goes_while_clients_wait() {
    let store = Store::new();
    let server = store.serve().unwrap();
    let mut clients = [0; 3].map(|_| crate::server::Client::connect(server.addr()));
    clients.iter_mut().for_each(|client| _ = client.send("BLPOP jobs 0\r\n"));
    assert!(store.wait_for_blocked(3, LONG), "they do not wait");
    drop(store);
    drop(server);
    assert!(clients.iter_mut().all(|client| client.is_closed()));
}

#[cfg(feature = "journal")]
mod journals {
    use std::process::{Command, Stdio};

    use larder::SyncPolicy;

    use super::*;
    use crate::support::Folder;

    /// Whoever is last: when all handles are gone, the folder has all that was done, and is free.
    #[test]
    fn a_folder_is_free_when_the_last_handle_has_gone() {
        let folder = Folder::new();
        for round in 0..40_u64 {
            let policy = [SyncPolicy::Always, SyncPolicy::Never][round as usize % 2];
            let store = Store::builder().sync_policy(policy).open(folder.path()).unwrap();
            assert_eq!(store.hash::<u64, u64>("done").len().unwrap() as u64, round * 4);
            let threads = [0, 1, 2, 3].map(|thread| {
                let store = store.clone();
                thread::spawn(move || {
                    // For the sweeper, which may be at it when the handles go.
                    (0..50)
                        .for_each(|key| store.insert_ex(key, 1, Duration::from_millis(1 + key % 5)).unwrap());
                    store.hash::<u64, u64>("done").insert(round * 4 + thread, 1).unwrap();
                })
            });
            if round % 4 < 2 {
                store.rewrite_journal().unwrap();
            }
            drop(store);
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        }
    }

    #[test]
    fn a_fork_writes_to_no_folder_and_outlives_its_origin() {
        let folder = Folder::new();
        let store = Store::open(folder.path()).unwrap();
        store.insert("k", 1).unwrap();
        let fork = store.fork().unwrap();
        fork.insert("k", 2).unwrap();
        assert!(fork.journal_stats().is_none());
        drop(store);
        fork.insert("l", 3).unwrap();
        let store = Store::open(folder.path()).unwrap();
        assert_eq!((store.get::<i64>("k").unwrap(), store.len().unwrap()), (Some(1), 1));
        assert_eq!((fork.get::<i64>("k").unwrap(), fork.len().unwrap()), (Some(2), 2));
    }

    /// A program that was started meanwhile inherits no lock of the folder.
    #[cfg(unix)]
    #[test]
    fn a_child_that_runs_another_program_does_not_hold_the_folder() {
        let folder = Folder::new();
        let store = Store::open(folder.path()).unwrap();
        let child = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn();
        let mut child = child.unwrap();
        assert!(Store::open(folder.path()).is_err(), "one at a time");
        drop(store);
        let opened = Store::open(folder.path());
        child.kill().unwrap();
        child.wait().unwrap();
        opened.unwrap();
    }
}
