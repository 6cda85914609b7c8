//! Lists.

// In the order of the documentation.
mod ends;
mod inner;
mod iter;
mod several;

use std::marker::PhantomData;

use super::Database;
use super::handle::{Handle, public_handle};
use crate::{Decode, Encode, Key};

pub use iter::ListIter;

/// A handle on a list of `T`: a deque whose both ends are O(1).
///
/// - **Ends**: [`push_back`](Self::push_back), [`push_front`](Self::push_front),
///   [`pop_front`](Self::pop_front), [`pop_back`](Self::pop_back), their kin for several elements,
///   [`front`](Self::front), [`back`](Self::back).
/// - **By position**: [`get`](Self::get), [`set`](Self::set), [`range`](Self::range),
///   [`trim`](Self::trim).
/// - **By value**: [`position`](Self::position), [`insert_before`](Self::insert_before),
///   [`remove_first`](Self::remove_first).
/// - **All**: [`to_vec`](Self::to_vec), [`iter`](Self::iter), [`len`](Self::len).
/// - **Between lists**: [`move_to`](Self::move_to), [`Database::pop_front_of`].
///
/// Positions count from 0 at the front and from -1 at the back. A missing key is an empty list, and a
/// key goes with its last element. Elements are compared by their stored bytes.
///
/// ```
/// use larder::Store;
///
/// let store = Store::new();
/// let jobs = store.list::<String>("jobs");
/// jobs.push_back("resize")?;
/// jobs.push_back("upload")?;
/// assert_eq!(jobs.pop_front()?.as_deref(), Some("resize"));
/// assert_eq!(jobs.len()?, 1);
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Errors
/// Every method gives [`Error::WrongType`](crate::Error::WrongType) where the key holds another type.
/// One that takes elements can give [`Error::TooLong`](crate::Error::TooLong) and
/// [`Error::Encode`](crate::Error::Encode); one that gives elements,
/// [`Error::Decode`](crate::Error::Decode) for one that is no `T`.
pub struct List<'a, T> {
    pub(super) handle: Handle<'a>,
    element: PhantomData<fn() -> T>,
}

impl<'a, T> List<'a, T> {
    fn of(handle: Handle<'a>) -> Self {
        List { handle, element: PhantomData }
    }
}

impl Database {
    /// A handle on the list at `key`. O(1), and nothing is looked at or made: the key comes with the
    /// first element that is pushed, and goes with the last one.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let jobs = store.list::<String>("jobs");
    /// assert!(!store.contains("jobs")?);
    /// jobs.push_back("resize")?;
    /// assert!(store.contains("jobs")?);
    /// jobs.pop_front()?;
    /// assert!(!store.contains("jobs")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn list<'a, T: Encode + Decode>(&'a self, key: impl Into<Key<'a>>) -> List<'a, T> {
        List::of(Handle::new(self, key.into()))
    }
}

public_handle!(List<'a, T>);
