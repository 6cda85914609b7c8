//! Bugs on demand, to show that the tests which should find them do.
//!
//! The code asks for its bug in the place where somebody might make it; a test plants one for its thread and expects a check to
//! fail. Under the model, a bug is planted for a whole process, which the variable `LARDER_PLANTED` names it to: what a run leaves
//! behind that fails cannot be cleared away. In any other build nothing is asked, and there is nothing to plant.

/// A bug that somebody might make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// What was to be synced is said to be, and is not.
    SkippedSync,
    /// A file's name is not made durable before it is relied on.
    SkippedFolderSync,
    /// A file that is found is taken to be on the disk.
    TrustedNames,
    /// A record is acknowledged that was never written.
    DroppedRecord,
    /// What was taken back is written all the same.
    WrittenThoughTakenBack,
    /// A part of a value is not said to be changed.
    ForgottenPart,
    /// A record is taken for whole without a look at its checksum.
    UncheckedRecord,
    /// A record is put in place wherever it stands in its file.
    UncheckedPlace,
    /// Older files go before what takes their place is there.
    RemovedTooSoon,
    /// What was loaded is kept, whatever has become of its key meanwhile.
    IgnoredFence,
    /// Who waits is served, and not told.
    LostWakeUp,
    /// Room that others have filled is taken for room that could not be made.
    TakenForStuck,
}

#[cfg(not(test))]
#[inline(always)]
pub(crate) const fn is_planted(_: Bug) -> bool {
    false
}

#[cfg(test)]
pub(crate) use planting::is_planted;

#[cfg(all(test, feature = "journal", not(shuttle)))]
pub(crate) use planting::expect_caught;

#[cfg(all(test, shuttle))]
pub(crate) use planting::expect_caught_by;

#[cfg(all(test, not(shuttle)))]
mod planting {
    use std::cell::Cell;
    #[cfg(feature = "journal")]
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::Bug;

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    pub(crate) fn is_planted(bug: Bug) -> bool {
        PLANTED.with(Cell::get) == Some(bug)
    }

    /// Runs a check with a bug planted on this thread, and expects that it fails.
    #[cfg(feature = "journal")]
    #[track_caller]
    pub(crate) fn expect_caught(bug: Bug, check: impl FnOnce()) {
        struct Removed;
        impl Drop for Removed {
            fn drop(&mut self) {
                PLANTED.with(|planted| planted.set(None));
            }
        }
        let removed = Removed;
        PLANTED.with(|planted| planted.set(Some(bug)));
        let outcome = catch_unwind(AssertUnwindSafe(check));
        drop(removed);
        assert!(outcome.is_err(), "{bug:?} is planted, and nothing fails");
    }
}

#[cfg(all(test, shuttle))]
mod planting {
    use std::process::Command;
    use std::sync::LazyLock;

    use super::Bug;

    const VARIABLE: &str = "LARDER_PLANTED";

    pub(crate) fn is_planted(bug: Bug) -> bool {
        static PLANTED: LazyLock<Option<String>> = LazyLock::new(|| std::env::var(VARIABLE).ok());
        PLANTED.as_ref().is_some_and(|planted| *planted == format!("{bug:?}"))
    }

    /// Runs a test of this binary by its name in a process of its own, with a bug planted, and expects that it fails.
    #[track_caller]
    pub(crate) fn expect_caught_by(test: &str, bug: Bug) {
        let run = |planted: &str| {
            let mut binary = Command::new(std::env::current_exe().unwrap());
            binary.args(["--exact", test]).env(VARIABLE, planted).output().unwrap()
        };
        let output = run(&format!("{bug:?}"));
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(told.contains("running 1 test"), "{test}: {told}");
        assert!(!output.status.success(), "{bug:?} is planted, and {test} does not fail");
    }
}
