//! Which stores the current thread holds in a transaction: calling one of them would deadlock.

use std::cell::{Cell, RefCell};

use super::Keyspace;
use crate::sync::thread_local;
use crate::{Error, Result};

thread_local! {
    /// How many transactions the thread is in; the one thing that a plain call looks at.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static HELD: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}

/// The thread holds the store until this is dropped.
pub(super) struct Holding(usize);

impl Keyspace {
    fn id(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    /// Marks the store as held by this thread.
    pub(super) fn hold(&self) -> Holding {
        DEPTH.with(|depth| depth.set(depth.get() + 1));
        HELD.with(|held| held.borrow_mut().push(self.id()));
        Holding(self.id())
    }

    /// # Errors
    /// [`Error::InTransaction`] if this thread is inside a transaction of this store.
    #[inline]
    pub(crate) fn check_not_in_transaction(&self) -> Result<()> {
        if DEPTH.with(Cell::get) != 0 && HELD.with(|held| held.borrow().contains(&self.id())) {
            return Err(Error::InTransaction);
        }
        Ok(())
    }
}

impl Drop for Holding {
    fn drop(&mut self) {
        DEPTH.with(|depth| depth.set(depth.get() - 1));
        HELD.with(|held| {
            let mut held = held.borrow_mut();
            if let Some(at) = held.iter().rposition(|id| *id == self.0) {
                held.remove(at);
            }
        });
    }
}
