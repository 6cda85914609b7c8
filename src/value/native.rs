//! A value of the caller's own type, kept as it is: what a [`Cache`](crate::Cache) puts into its store.

use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::Bytes;

/// What the store knows of such a value.
///
/// Others than its cache see it as a string: the bytes that it is encoded to. To encode it is the caller's code, so it
/// is done with no lock held, before somebody looks: [`encode`](Native::encode).
pub(crate) trait Native: Send + Sync {
    /// What it counts for, in bytes.
    fn bytes(&self) -> usize;

    /// Until when others than its cache see it, on the store's line: 0 for what they never do, such as a mark that
    /// there is no such row.
    fn shown_until(&self) -> u64;

    /// Encodes it, unless that has been done. Runs the caller's code.
    fn encode(&self);

    /// What it was encoded to; none before that, and if it cannot be.
    fn encoded(&self) -> Option<&Bytes>;

    /// It has left its place in a table: whoever has found it by another way than the table asks that again.
    fn retire(&self);

    /// A copy of it is dropped, with no lock held: the last chance to be forgotten elsewhere if it was retired.
    fn dropped(&self);

    /// Whether it was used, since this was asked for the last time, by somebody who did not look into the table.
    fn take_use(&self) -> bool;

    /// Itself, for its cache.
    fn into_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// A [`Native`] as it stands in a table.
pub(crate) struct Held(Arc<dyn Native>);

impl Held {
    pub(crate) fn new(native: Arc<dyn Native>) -> Self {
        Held(native)
    }

    /// Whether it is this one.
    pub(crate) fn is<E>(&self, other: &Arc<E>) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.0), Arc::as_ptr(other))
    }

    /// Its cache's own entry, if it is one of this type.
    pub(crate) fn downcast<E: Any + Send + Sync>(&self) -> Option<Arc<E>> {
        Arc::clone(&self.0).into_any().downcast().ok()
    }
}

impl Deref for Held {
    type Target = dyn Native;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Clone for Held {
    fn clone(&self) -> Self {
        Held(Arc::clone(&self.0))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dropped();
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}
