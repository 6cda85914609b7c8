//! A journal: with a sync for each call all that was acknowledged is there, and else what was there at one moment.

use std::path::Path;
use std::thread;
use std::time::Duration;

use larder::{Store, SyncPolicy};

use super::{acknowledge, chance, kill, kills};
use crate::support::Folder;

const WRITERS: usize = 3;
const ACCOUNTS: usize = 8;
const BALANCE: i64 = 100;

/// Several threads write, each into a list of its own and between accounts, while the journal begins anew again and again.
pub fn body(folder: &Path) {
    write(folder, SyncPolicy::Always);
}

/// The same, and nobody waits for the disk.
pub fn body_of_later(folder: &Path) {
    write(folder, SyncPolicy::Every(Duration::from_millis(2)));
}

fn write(folder: &Path, policy: SyncPolicy) {
    let store = Store::builder().sync_policy(policy).open(folder).unwrap();
    for account in 0..ACCOUNTS {
        store.insert_if_absent(format!("account:{account}"), BALANCE).unwrap();
    }
    for writer in 0..WRITERS {
        let store = store.clone();
        thread::spawn(move || {
            let list = store.list::<u64>(format!("written:{writer}"));
            for number in list.len().unwrap() as u64.. {
                move_money(&store, number as usize + writer);
                list.push_back(number).unwrap();
                acknowledge(format!("{writer} {number}"));
            }
        });
    }
    loop {
        store.rewrite_journal().unwrap();
    }
}

fn move_money(store: &Store, at: usize) {
    let [from, to] = [at % ACCOUNTS, at * 5 % ACCOUNTS].map(|account| format!("account:{account}"));
    let moved = store.transaction([&from, &to], |tx| {
        tx.counter(&from).decr_by(7)?;
        tx.counter(&to).incr_by(7)
    });
    moved.unwrap();
}

/// How many each writer has written; the balances add up.
fn written(folder: &Path) -> [u64; WRITERS] {
    let store = Store::open(folder).unwrap();
    let balance = |account| store.get::<i64>(format!("account:{account}")).unwrap();
    let balances: Vec<_> = (0..ACCOUNTS).filter_map(balance).collect();
    // It may be killed before all of them were made, and nothing is moved then.
    assert_eq!(balances.iter().sum::<i64>(), BALANCE * balances.len() as i64);
    std::array::from_fn(|writer| {
        let numbers = store.list::<u64>(format!("written:{writer}")).to_vec().unwrap();
        assert!(numbers.iter().copied().eq(0..numbers.len() as u64), "writer {writer}: {numbers:?}");
        numbers.len() as u64
    })
}

/// Up to what each writer has acknowledged.
fn acknowledged(said: &[String]) -> [u64; WRITERS] {
    let mut counts = [0; WRITERS];
    for line in said {
        let (writer, number) = line.split_once(' ').unwrap();
        let count = &mut counts[writer.parse::<usize>().unwrap()];
        *count = number.parse::<u64>().unwrap() + 1;
    }
    counts
}

#[test]
fn a_process_killed_while_it_writes_has_lost_nothing_that_it_acknowledged() {
    let folder = Folder::new();
    let mut before = [0; WRITERS];
    for number in 0..kills() {
        let said = kill("journal", folder.path(), chance(40) as usize);
        let (told, found) = (acknowledged(&said), written(folder.path()));
        for writer in 0..WRITERS {
            let at_least = told[writer].max(before[writer]);
            // One more may be there, of which nothing was said.
            let range = at_least..=at_least + 1;
            assert!(range.contains(&found[writer]), "kill {number}, writer {writer}: {found:?} of {told:?}");
        }
        before = found;
        let left_over = folder.names().into_iter().find(|name| name.ends_with(".saving"));
        assert_eq!(left_over, None, "kill {number}");
    }
}

#[test]
fn a_process_killed_while_nobody_waits_leaves_what_was_there_at_one_moment() {
    let folder = Folder::new();
    for _ in 0..kills().div_ceil(2) {
        kill("journal, a while later", folder.path(), chance(400) as usize);
        written(folder.path());
    }
}
