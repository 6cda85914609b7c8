//! Why a load gave no value.

use std::convert::Infallible;
use std::sync::Arc;

use crate::{Bytes, Error};

/// Why [`Store::get_or_load`](crate::Store::get_or_load) gave no value.
///
/// Where the loader's error is larder's own, as of a loader that asks another store, `?` makes one
/// [`Error`] of both:
///
/// ```
/// use std::time::Duration;
/// use larder::{Error, Store};
///
/// fn find(near: &Store, far: &Store, id: u32) -> Result<Option<String>, Error> {
///     let key = format!("product:{id}");
///     Ok(near.get_or_find(&key, Duration::from_secs(60), || far.get(&key))?)
/// }
///
/// let (near, far) = (Store::new(), Store::new());
/// assert_eq!(find(&near, &far, 7)?, None);
/// far.list::<String>("product:8").push_back("a")?;
/// assert!(matches!(find(&near, &far, 8), Err(Error::WrongType)));
/// # Ok::<(), Error>(())
/// ```
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
    /// The load that this caller has waited for took longer than it was to wait: another caller's, or in a
    /// [`LoadingCache`](crate::LoadingCache) with [`wait_at_most`](crate::CacheBuilder::wait_at_most) its own,
    /// which goes on behind it.
    #[error("the load that was waited for took too long")]
    TimedOut,
    /// So many loads have failed in a row that none is tried for a while: see
    /// [`CacheBuilder::breaker`](crate::CacheBuilder::breaker).
    #[error("no load is tried for a while: too many have failed")]
    Paused,
    /// The store refused; see [`Error`].
    #[error(transparent)]
    Store(#[from] Error),
}

impl<E> LoadError<E> {
    /// The error of the caller's own loader.
    ///
    /// ```
    /// use std::time::Duration;
    /// use larder::{LoadError, Store};
    ///
    /// let store = Store::new();
    /// let parse = || "seven".parse::<i32>();
    /// let error = store.get_or_load("number", Duration::from_secs(60), parse).unwrap_err();
    /// let error = error.into_loader().expect("nobody else loads");
    /// assert_eq!(error.to_string(), "invalid digit found in string");
    /// ```
    ///
    /// # Errors
    /// This error itself, if it is another one.
    pub fn into_loader(self) -> Result<E, Self> {
        match self {
            LoadError::Loader(error) => Ok(error),
            other => Err(other),
        }
    }

    /// The loader's own error, or what `other` makes of any other: for a trait whose methods fail with a type of its own,
    /// which the loader gives already. O(1)
    ///
    /// ```
    /// use std::fmt;
    /// use std::sync::Arc;
    /// use larder::{Cache, Store};
    ///
    /// #[derive(Debug)]
    /// enum RepositoryError { Database(std::io::Error), Unavailable(String) }
    /// # impl fmt::Display for RepositoryError {
    /// #     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{self:?}") }
    /// # }
    ///
    /// fn query(id: u64) -> Result<Option<String>, RepositoryError> {
    ///     Err(RepositoryError::Database(std::io::Error::other("no such table")))
    /// }
    ///
    /// fn find(cache: &Cache<u64, String>, id: u64) -> Result<Option<Arc<String>>, RepositoryError> {
    ///     // Such as another's load that has failed, or a breaker that is open.
    ///     cache.get_or_load(&id, || query(id)).map_err(|error| {
    ///         error.flatten(|other| RepositoryError::Unavailable(other.to_string()))
    ///     })
    /// }
    ///
    /// let cache = Store::new().cache("products").build()?;
    /// assert!(matches!(find(&cache, 7), Err(RepositoryError::Database(_))));
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn flatten(self, other: impl FnOnce(LoadError<Infallible>) -> E) -> E {
        other(match self {
            LoadError::Loader(error) => return error,
            LoadError::Shared(why) => LoadError::Shared(why),
            LoadError::Cycle(keys) => LoadError::Cycle(keys),
            LoadError::TimedOut => LoadError::TimedOut,
            LoadError::Paused => LoadError::Paused,
            LoadError::Store(error) => LoadError::Store(error),
        })
    }
}

impl From<LoadError<Error>> for Error {
    fn from(error: LoadError<Error>) -> Self {
        match error {
            LoadError::Loader(error) | LoadError::Store(error) => error,
            LoadError::Shared(_) | LoadError::Cycle(_) | LoadError::TimedOut | LoadError::Paused => {
                Error::Load(error.to_string())
            }
        }
    }
}
