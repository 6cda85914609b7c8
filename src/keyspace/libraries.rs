//! The code of function libraries, which the store keeps beside its keys for those who know what it means.

use super::Keyspace;
#[cfg(feature = "lua")]
use super::transaction::Transaction;
use crate::Bytes;
#[cfg(feature = "lua")]
use crate::Result;
#[cfg(feature = "journal")]
use crate::journal::Record;
use crate::sync::atomic::{AtomicU64, Ordering};
use crate::sync::{Arc, Mutex};

/// The code of all libraries. It is never changed, so that who knows it sees by its address whether it is still the same.
pub(crate) type Codes = Arc<[Bytes]>;

/// See the [module](self). The lock is a leaf, but for the journal's buffer.
pub(crate) struct Libraries {
    codes: Mutex<Codes>,
    /// How often they have changed.
    changes: AtomicU64,
}

impl Libraries {
    pub(super) fn of(codes: Codes) -> Self {
        Libraries { codes: Mutex::new(codes), changes: AtomicU64::new(0) }
    }

    pub(crate) fn codes(&self) -> Codes {
        Arc::clone(&self.codes.lock())
    }

    /// How often they have changed since the store was made.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Relaxed)
    }
}

impl Keyspace {
    pub(crate) fn libraries(&self) -> &Libraries {
        &self.libraries
    }

    /// Puts others in the place of all, as a file or a state has them. O(libraries)
    pub(crate) fn put_libraries(&self, codes: Codes) {
        let mut held = self.libraries.codes.lock();
        if *held != codes {
            *held = codes;
            self.keep_libraries(&held);
        }
    }

    /// The same as a state has them that the store goes back to, which is a change: whoever has them loaded loads them anew.
    pub(crate) fn put_back_libraries(&self, codes: &Codes) {
        let mut held = self.libraries.codes.lock();
        let are_others = *held != *codes;
        *held = codes.iter().cloned().collect();
        if are_others {
            self.keep_libraries(&held);
        }
        self.libraries.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// The same, if those that are there are still the known ones; gives the place to wait for, or none if they are not.
    #[cfg(feature = "lua")]
    pub(crate) fn change_libraries(&self, known: &Codes, codes: &Codes) -> Option<u64> {
        let mut held = self.libraries.codes.lock();
        if !Arc::ptr_eq(&held, known) {
            return None;
        }
        *held = Arc::clone(codes);
        Some(self.keep_libraries(&held))
    }

    /// Counts and writes down what there is now, as long as nobody can change it; gives the place behind it.
    fn keep_libraries(&self, codes: &Codes) -> u64 {
        self.libraries.changes.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "journal")]
        if let Some(journal) = self.journal() {
            let mut record = Record::default();
            record.libraries(codes);
            return journal.append(&record);
        }
        #[cfg(not(feature = "journal"))]
        let _ = codes;
        0
    }

    /// Waits until a change is as safe as was asked for. Within a transaction, its end does that.
    ///
    /// # Errors
    /// [`Error::Journal`](crate::Error::Journal)
    #[cfg(feature = "lua")]
    pub(crate) fn settle_libraries(&self, held: Option<&Transaction>, place: u64) -> Result<()> {
        #[cfg(feature = "journal")]
        return match held {
            Some(held) => held.write(0, &[], |writer| writer.wait_for(place)),
            None => self.committed(place),
        };
        #[cfg(not(feature = "journal"))]
        {
            let _ = (held, place);
            Ok(())
        }
    }

    /// # Errors
    /// [`Error::Journal`](crate::Error::Journal) once nothing more can be written down.
    #[cfg(feature = "lua")]
    pub(crate) fn check_libraries(&self) -> Result<()> {
        #[cfg(feature = "journal")]
        self.check_journal()?;
        Ok(())
    }
}
