//! Whether who waits for a key may still have what comes.
//!
//! Redis has a command that waits carried out anew when its key is ready, so it is asked for its rights again; before 7.2
//! it was asked only once.

use std::sync::OnceLock;

use super::rules::Denied;
use super::users::Account;
use crate::Bytes;
use crate::command::blocking::Permit;
use crate::sync::Arc;
use crate::table::row::{Compat, Row};

/// The call of a command that waits, and its user.
pub(in crate::table) struct Claim {
    account: Arc<Account>,
    row: &'static Row,
    words: Arc<[Bytes]>,
    compat: Compat,
    db: u16,
    /// What its user has not been allowed any more. It is found under locks, and told without them.
    denied: OnceLock<Denied>,
}

impl Claim {
    /// None where nobody asks twice.
    pub(in crate::table) fn new(
        account: &Arc<Account>,
        row: &'static Row,
        words: &[Bytes],
        compat: Compat,
        db: u16,
    ) -> Option<Self> {
        let asks = compat != Compat::Redis70;
        asks.then(|| Claim {
            account: Arc::clone(account),
            row,
            words: words.into(),
            compat,
            db,
            denied: OnceLock::new(),
        })
    }

    pub(in crate::table) fn words(&self) -> &Arc<[Bytes]> {
        &self.words
    }

    pub(super) fn row(&self) -> &'static Row {
        self.row
    }

    pub(super) fn denied(&self) -> Option<Denied> {
        self.denied.get().copied()
    }
}

impl Permit for Claim {
    fn holds(&self) -> bool {
        if self.account.is_unrestricted() {
            return true;
        }
        match self.account.rules().check(self.row, &self.words, self.compat, self.db) {
            Ok(()) => true,
            // What it was first told stays.
            Err(denied) => {
                self.denied.get_or_init(|| denied);
                false
            }
        }
    }
}
