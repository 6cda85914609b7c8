//! Stores that were closed and opened again, and what is done to them then.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use super::*;
use crate::Error;
use crate::disk::simulated::Failure;

/// Opens what the disk holds, works with it, and expects to find the same when it is opened once more.
fn again(disk: &Simulated, clock: &ManualClock, work: impl FnOnce(&Store)) {
    let store = open_on(disk, clock).unwrap_or_else(|error| panic!("{error}\n{disk}"));
    work(&store);
    let held = store.dump().expect("in no transaction");
    drop(store);
    let difference = found(disk, clock).difference(&held);
    assert!(difference.is_empty(), "{difference}");
}

#[test]
fn what_expired_while_it_was_closed_is_no_part_of_what_comes_after() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    let hour = Duration::from_secs(3_600);
    again(&disk, &clock, |store| {
        store.set::<String>("members").insert("a").unwrap();
        store.expire("members", hour).unwrap();
        store.insert_ex("text", "a", hour).unwrap();
        store.list::<String>("list").push_back("a").unwrap();
    });
    clock.advance(hour);
    again(&disk, &clock, |store| {
        assert_eq!(store.len().unwrap(), 1);
        store.set::<String>("members").insert("b").unwrap();
        store.set::<String>("text").insert("b").unwrap();
    });
    again(&disk, &clock, |store| assert_eq!(store.len().unwrap(), 3));
}

#[test]
fn what_there_was_no_room_for_is_no_part_of_what_comes_after() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    again(&disk, &clock, |store| {
        for list in 0..10 {
            store.list::<String>(list).extend_back(["a", "b"]).unwrap();
        }
    });
    let store = open_as(builder(&clock).max_keys(3), &disk, SyncPolicy::Always).unwrap();
    for list in 0..10 {
        let before = store.list::<String>(list).to_vec().unwrap();
        store.list::<String>(list).push_back("c").unwrap();
        let expected = [before, vec!["c".to_owned()]].concat();
        assert_eq!(store.list::<String>(list).to_vec().unwrap(), expected);
    }
    let missing: Vec<_> = (0..10).filter(|list| !store.contains(*list).unwrap()).collect();
    let held: Vec<_> = store.scan().map(|key| key.unwrap()).collect();
    let lists = |store: &Store| -> Vec<Vec<String>> {
        held.iter().map(|key| store.list::<String>(key.clone()).to_vec().unwrap()).collect()
    };
    let before = lists(&store);
    drop(store);
    let store = open_on(&disk, &clock).unwrap();
    assert_eq!(lists(&store), before);
    assert!(missing.iter().all(|list| !store.contains(*list).unwrap()), "what was evicted stays gone");
}

#[test]
fn what_was_evicted_as_it_was_opened_is_gone_for_good() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    again(&disk, &clock, |store| (0..10).for_each(|key| store.insert(key, "value").unwrap()));
    let weigher = |_: &crate::Weighed<'_>| 1;
    for bounded in [builder(&clock).max_keys(3), builder(&clock).max_weight(3, weigher)] {
        let disk = disk.after_crash(0);
        let store = open_as(bounded, &disk, SyncPolicy::Always).unwrap();
        let gone: Vec<_> = (0..10).filter(|key| !store.contains(*key).unwrap()).collect();
        assert_eq!(gone.len(), 7);
        gone.iter().for_each(|key| assert!(!store.remove(*key).unwrap()));
        std::mem::forget(store);
        let held = open_on(&disk.after_crash(0), &clock).unwrap();
        assert!(gone.iter().all(|key| !held.contains(*key).unwrap()), "they were acknowledged to be gone");
    }
}

#[test]
fn an_entry_of_a_cache_is_not_kept_whatever_is_done_to_its_key() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    again(&disk, &clock, |store| {
        let names = store.cache::<u64, String>("names").shared().build().unwrap();
        names.insert(&7, "ann".to_owned()).unwrap();
        assert!(store.expire("names:7", Duration::from_secs(60)).unwrap());
        assert!(store.persist("names:7").unwrap());
        drop(names);
        store.remove("names:7").unwrap();
    });
}

#[test]
fn entries_of_caches_that_were_taken_over_are_in_no_file() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    again(&disk, &clock, |store| {
        store.insert("name", "ann").unwrap();
        let fork = store.fork().unwrap();
        let names = fork.cache::<u64, String>("names").build().unwrap();
        names.insert(&7, "ann".to_owned()).unwrap();
        store.roll_back(&fork.checkpoint().unwrap()).unwrap();
        store.rewrite_journal().unwrap();
    });
}

#[test]
fn fields_that_run_out_before_a_record_is_written_are_gone() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    again(&disk, &clock, |store| {
        let done: Result<()> = store.transaction(["hash"], |tx| {
            tx.remove("hash")?;
            tx.hash::<String, u32>("hash").insert_ex("field", 1, Duration::from_millis(5))?;
            clock.advance(Duration::from_millis(5));
            Ok(())
        });
        done.unwrap();
        store.insert("more", 1).unwrap();
    });
}

#[test]
fn a_form_of_which_nobody_hears_is_written() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    for last in [&["PFCOUNT", "seen"][..], &["APPEND", "seen", "x"]] {
        again(&disk, &clock, |store| {
            let mut session = store.session();
            session.call(["DEL", "seen"]);
            session.call(["PFADD", "seen", "a", "b"]);
            session.call(["PFDEBUG", "TODENSE", "seen"]);
            session.call(last);
        });
    }
}

#[test]
fn a_stream_is_trimmed_to_its_greatest_id_or_to_nothing() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    let greatest = "18446744073709551615-18446744073709551615";
    again(&disk, &clock, |store| {
        let mut session = store.session();
        for stream in ["one", "none"] {
            session.call(["XADD", stream, "5-0", "name", "ann"]);
            session.call(["XADD", stream, greatest, "name", "bob"]);
        }
        session.call(["XTRIM", "one", "MAXLEN", "1"]);
        session.call(["XTRIM", "none", "MAXLEN", "0"]);
        assert_eq!(store.stream::<String, String>("one").len().unwrap(), 1);
    });
}

#[test]
fn a_rewrite_that_panics_is_over() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    let store = open_on(&disk, &clock).unwrap();
    let shared = &store.space().journal().expect("it has one").shared;
    let rewriting = shared.begin_rewrite();
    assert!(stats(&store).is_rewriting && shared.begin_only_rewrite().is_none());
    let panics = AssertUnwindSafe(|| {
        let _rewriting = rewriting;
        resume_unwind(Box::new("on purpose"));
    });
    assert!(catch_unwind(panics).is_err());
    let over = stats(&store);
    assert!(!over.is_rewriting && over.rewrite_error.is_some(), "{over:?}");
    store.rewrite_journal().unwrap();
    assert_eq!((stats(&store).rewrites, stats(&store).rewrite_error), (1, None));
}

#[test]
fn a_rewrite_that_fails_leaves_the_journal_as_long_as_it_is() {
    let mut failed = 0;
    for step in 0.. {
        let (disk, clock) = (Simulated::new(), ManualClock::new());
        let store = open_on(&disk, &clock).unwrap();
        store.insert("name", "ann").unwrap();
        let before = stats(&store).journal_bytes;
        disk.fail_at(disk.steps() + step, Failure::Enospc);
        let is_done = store.rewrite_journal().is_ok();
        if is_done {
            assert_eq!((stats(&store).journal_bytes, stats(&store).rewrites), (0, 1));
            break;
        }
        // Where its next file could not be made, that is the end.
        if store.space().check_journal().is_ok() && stats(&store).rewrites == 0 {
            assert_eq!(stats(&store).journal_bytes, before);
            store.rewrite_journal().unwrap();
            assert_eq!(stats(&store).journal_bytes, 0);
            failed += 1;
        }
    }
    assert!(failed > 2, "{failed}");
}

#[test]
fn it_does_not_begin_anew_within_a_transaction() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    again(&disk, &clock, |store| {
        let tried: Result<()> = store.transaction(["k"], |_| store.rewrite_journal());
        assert!(matches!(tried, Err(Error::InTransaction)), "{tried:?}");
    });
}

#[test]
fn a_journal_that_has_grown_begins_anew_by_itself() {
    let (disk, clock) = (Simulated::new(), ManualClock::new());
    let store = open_on(&disk, &clock).unwrap();
    let journal = store.space().journal().expect("it has one");
    journal.start(&Arc::downgrade(store.space())).unwrap();
    let value = "x".repeat(1 << 20);
    while stats(&store).rewrites == 0 {
        store.insert("large", &value).unwrap();
    }
    assert!(stats(&store).snapshot_bytes > 1 << 20);
}
