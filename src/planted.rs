//! Bugs on demand, to show that the tests which should find them do.
//!
//! The code asks for its bug in the place where somebody might make it; a test plants one for its thread and expects a check to
//! fail. In any other build nothing is asked, and there is nothing to plant.

/// A bug that somebody might make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    /// What was to be synced is said to be, and is not.
    SkippedSync,
    /// A file's name is not made durable before it is relied on.
    SkippedFolderSync,
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
}

/// Whether this bug is planted.
#[cfg(not(all(test, not(shuttle))))]
#[inline(always)]
pub(crate) const fn is_planted(_: Bug) -> bool {
    false
}

#[cfg(all(test, not(shuttle)))]
pub(crate) use planting::*;

#[cfg(all(test, not(shuttle)))]
mod planting {
    use super::Bug;
    use std::cell::Cell;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    thread_local! {
        static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    pub(crate) fn is_planted(bug: Bug) -> bool {
        PLANTED.with(Cell::get) == Some(bug)
    }

    /// Runs a check with a bug planted on this thread, and expects that it fails.
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
