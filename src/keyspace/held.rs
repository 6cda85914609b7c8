//! Which stores the current thread holds in a transaction: calling one of them would deadlock. And what
//! waits until it holds none: a `Drop` cannot be refused.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::sync::Arc;

use super::Keyspace;
use crate::sync::thread_local;
use crate::{Error, Result};

thread_local! {
    /// How many transactions the thread is in; the one thing that a plain call looks at.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    static HELD: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    /// In the order in which they were put off. Empty while the thread is in no transaction.
    static PUT_OFF: RefCell<VecDeque<Job>> = const { RefCell::new(VecDeque::new()) };
}

type Job = Box<dyn FnOnce()>;

/// The thread holds the store until this is dropped.
pub(super) struct Holding(usize);

impl Keyspace {
    /// Tells stores apart.
    pub(super) fn id(&self) -> usize {
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

    /// Runs what a `Drop` has to do under locks: now, or if this thread is inside a transaction of this
    /// store, at the end of that (of the outermost, if there are several).
    pub(crate) fn when_free(self: &Arc<Self>, job: impl FnOnce(&Arc<Keyspace>) + 'static) {
        if self.check_not_in_transaction().is_ok() {
            return job(self);
        }
        let space = Arc::clone(self);
        PUT_OFF.with(|jobs| jobs.borrow_mut().push_back(Box::new(move || job(&space))));
    }

    /// The same for what a client's task does: while another thread runs a script it is put off to the end of that, so that the
    /// task does not wait. It is what others do not see.
    pub(crate) fn when_open(self: &Arc<Self>, job: impl FnOnce(&Keyspace) + Send + 'static) {
        self.when_free(move |space| {
            #[cfg(feature = "lua")]
            {
                let of = Arc::clone(space);
                space.shared().scripts.gate.when_open(move || job(&of));
            }
            #[cfg(not(feature = "lua"))]
            job(space);
        });
    }
}

/// Runs the jobs that were put off when it is dropped, unless an outer transaction still holds
/// something.
pub(super) struct PutOff;

impl Drop for PutOff {
    fn drop(&mut self) {
        // One that panics leaves the rest to the drop of this, as the stack unwinds.
        struct Rest;
        impl Drop for Rest {
            fn drop(&mut self) {
                run_put_off();
            }
        }
        let _rest = Rest;
        run_put_off();
    }
}

fn run_put_off() {
    while DEPTH.with(Cell::get) == 0 {
        let Some(job) = PUT_OFF.with(|jobs| jobs.borrow_mut().pop_front()) else { return };
        job();
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
