//! What others may tell a script that runs, and learn of it.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use crate::table::Compat;

/// What has become of a run. One of them is all that there is, so that nothing is written once it was killed.
const RUNS: u8 = 0;
const HAS_WRITTEN: u8 = 1;
const IS_KILLED: u8 = 2;

/// See the [module](self).
#[derive(Default)]
pub(crate) struct Signals {
    fate: AtomicU8,
    /// It is a function, not a script.
    is_function: AtomicBool,
    /// When a library that loads has taken too long, on the system's line; 0 while none does.
    pub(super) overdue: AtomicU64,
}

impl Signals {
    /// A run begins: all that was said to another one counts no more.
    pub(super) fn begin(&self, is_function: bool) {
        self.is_function.store(is_function, Ordering::SeqCst);
        self.fate.store(RUNS, Ordering::SeqCst);
    }

    /// Has what runs end; false if it has written, and goes on.
    pub(super) fn kill(&self) -> bool {
        let kill = self.fate.compare_exchange(RUNS, IS_KILLED, Ordering::SeqCst, Ordering::SeqCst);
        kill != Err(HAS_WRITTEN)
    }

    /// The same, whatever it has written: its server ends.
    #[cfg(feature = "server")]
    pub(super) fn end(&self) {
        self.fate.store(IS_KILLED, Ordering::SeqCst);
    }

    pub(super) fn is_killed(&self) -> bool {
        self.fate.load(Ordering::SeqCst) == IS_KILLED
    }

    /// It has run a command that may write.
    pub(crate) fn has_written(&self) -> bool {
        self.fate.load(Ordering::SeqCst) == HAS_WRITTEN
    }

    /// Asked before a command that may write: false if the run was killed, and may not.
    pub(crate) fn write(&self) -> bool {
        let write = self.fate.compare_exchange(RUNS, HAS_WRITTEN, Ordering::SeqCst, Ordering::SeqCst);
        write != Err(IS_KILLED)
    }

    /// What the caller of one that was killed is told.
    pub(crate) fn killed(&self, compat: Compat) -> &'static str {
        // Redis knows of no difference.
        match (compat, self.is_function.load(Ordering::SeqCst)) {
            (Compat::Valkey9, true) => "ERR Script killed by user with FUNCTION KILL.",
            (Compat::Valkey9, false) => "ERR Script killed by user with SCRIPT KILL.",
            _ => "ERR Script killed by user with SCRIPT KILL...",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_killed_writes_nothing_and_what_has_written_is_not_killed() {
        let signals = Signals::default();
        signals.begin(false);
        assert!(signals.kill() && signals.is_killed());
        assert!(!signals.write() && !signals.has_written());
        // To say it again is no harm.
        assert!(signals.kill());
        signals.begin(false);
        assert!(signals.write() && signals.write() && signals.has_written());
        assert!(!signals.kill() && !signals.is_killed());
    }
}
