//! Lists.

use std::borrow::Borrow;
use std::marker::PhantomData;

use super::Database;
use super::handle::{Handle, decode_option};
use crate::command::list;
use crate::keyspace::writer::Absent;
use crate::value::list::End;
use crate::{Decode, Encode, Key, Result};

/// A handle on a list of `T`: a deque whose both ends are O(1).
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
#[derive(Clone)]
pub struct List<'a, T> {
    handle: Handle<'a>,
    element: PhantomData<fn() -> T>,
}

impl Database {
    /// A handle on the list at `key`. Nothing is made until something is pushed, and the key goes
    /// with the last element.
    pub fn list<'a, T>(&'a self, key: impl Into<Key<'a>>) -> List<'a, T> {
        List { handle: Handle::new(self, key.into()), element: PhantomData }
    }
}

impl<T: Encode + Decode> List<'_, T> {
    /// Adds an element at the back; gives the new length. `RPUSH`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert_eq!(store.list::<String>("names").push_back("ann")?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType), [`Error::TooLong`](crate::Error::TooLong).
    #[doc(alias = "RPUSH")]
    pub fn push_back<Q>(&self, element: &Q) -> Result<usize>
    where
        T: Borrow<Q>,
        Q: Encode + ?Sized,
    {
        let element = self.handle.encode(element)?;
        self.handle.write(|writer, key| list::push(writer, key, End::Back, vec![element], Absent::Create))
    }

    /// Takes the first element. `LPOP`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.push_back("ann")?;
    /// assert_eq!(names.pop_front()?.as_deref(), Some("ann"));
    /// assert_eq!(names.pop_front()?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType); [`Error::Decode`](crate::Error::Decode) with the
    /// element's bytes, which have been taken.
    #[doc(alias = "LPOP")]
    pub fn pop_front(&self) -> Result<Option<T>> {
        let popped = self.handle.write(|writer, key| list::pop(writer, key, End::Front, 1))?;
        decode_option(popped.and_then(|mut popped| popped.pop()))
    }

    /// How many elements there are; 0 if the key is missing. `LLEN`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert_eq!(store.list::<String>("names").len()?, 0);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType)
    #[doc(alias = "LLEN")]
    pub fn len(&self) -> Result<usize> {
        self.handle.read(list::len)
    }
}
