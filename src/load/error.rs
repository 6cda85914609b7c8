//! Why a load gave no value.

use std::sync::Arc;

use crate::{Bytes, Error};

/// Why [`Store::get_or_load`](crate::Store::get_or_load) gave no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// The caller's own loader failed; its error by value.
    #[error("the loader failed: {0}")]
    Loader(E),
    /// Another caller's load, which this one waited for, failed; its error's text. Nothing is retried
    /// for those who waited, so that a dead database is not asked once for each of them.
    #[error("the load that was waited for failed: {0}")]
    Shared(Arc<str>),
    /// The load would wait for itself: a loader asked for a key whose load waits for this one. The
    /// keys, in the order in which they wait.
    #[error("loads wait for each other: {0:?}")]
    Cycle(Vec<Bytes>),
    /// The store refused; see [`Error`].
    #[error(transparent)]
    Store(#[from] Error),
}
