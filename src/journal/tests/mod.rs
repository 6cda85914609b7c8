//! Journals against what they are journals of.

mod again;
mod commands;
mod crashes;
mod damage;
#[cfg(feature = "lua")]
mod libraries;
mod parts;
mod planted;
#[cfg(feature = "server")]
mod served;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::{JournalStats, SyncPolicy, open};
use crate::disk::Disk;
use crate::disk::simulated::Simulated;
use crate::testing::Dump;
use crate::{ManualClock, Result, Store, StoreBuilder, Sweeping};
use commands::Commands;

const FOLDER: &str = "/data";

/// How often a random test is run: `PROPTEST_CASES`, or so often.
pub(crate) fn cases(few: u32) -> u32 {
    std::env::var("PROPTEST_CASES").map_or(few, |cases| cases.parse().expect("PROPTEST_CASES is a number"))
}

fn builder(clock: &ManualClock) -> StoreBuilder {
    Store::builder().clock(clock).seed(7).sweeping(Sweeping::ByHand)
}

/// A store on that disk. Nothing is written by a thread: what is done is written when it is waited for.
fn open_as(builder: StoreBuilder, disk: &Simulated, policy: SyncPolicy) -> Result<Store> {
    let store = builder.build();
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    open(store.space(), disk, Path::new(FOLDER), policy, None).map(|()| store)
}

fn open_on(disk: &Simulated, clock: &ManualClock) -> Result<Store> {
    open_as(builder(clock), disk, SyncPolicy::Always)
}

fn stats(store: &Store) -> JournalStats {
    store.journal_stats().expect("it has a journal")
}

/// What the disk holds after a crash, as the store that is opened on it. The disk itself stays as it is.
#[track_caller]
fn found(disk: &Simulated, clock: &ManualClock) -> Dump {
    let store =
        open_on(&disk.after_crash(disk.steps()), clock).unwrap_or_else(|error| panic!("{error}\n{disk}"));
    store.dump().expect("in no transaction")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(48), ..ProptestConfig::default() })]

    /// Any commands of any family, by themselves and in transactions, with time going on, databases exchanged and the journal
    /// begun anew in between.
    #[test]
    fn a_journal_holds_the_store(seed in any::<u64>()) {
        a_session(seed);
    }
}

fn a_session(seed: u64) {
    {
        let (disk, clock) = (Simulated::new(), ManualClock::new());
        let store = open_on(&disk, &clock).expect("nothing fails");
        let mut commands = Commands::new(seed);
        let mut session = store.session();
        for round in 0..6 {
            for _ in 0..60 {
                commands.run_one(&mut session);
                if commands.one_in(10) {
                    clock.advance(Duration::from_millis(commands.below(1_500)));
                }
                if commands.one_in(40) {
                    store.sweep().expect("in no transaction");
                }
            }
            let held = store.dump().expect("in no transaction");
            let difference = found(&disk, &clock).difference(&held);
            assert!(difference.is_empty(), "round {}: {}\n{}", round, difference, commands.said());
            if commands.one_in(2) {
                store.rewrite_journal().expect("nothing fails");
                let difference = found(&disk, &clock).difference(&held);
                assert!(difference.is_empty(), "rewritten: {}\n{}", difference, commands.said());
            }
        }
        let held = store.dump().expect("in no transaction");
        drop((session, store));
        let difference = found(&disk, &clock).difference(&held);
        assert!(difference.is_empty(), "closed: {}\n{}", difference, commands.said());
    }
}
