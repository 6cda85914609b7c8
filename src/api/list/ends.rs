//! What a list does at its ends.

use super::List;
use crate::api::handle::{decode_option, decode_taken};
use crate::command::list::{self, Popped};
use crate::keyspace::writer::Absent;
use crate::value::list::End;
use crate::{Decode, Element, Encode, Result};

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
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::TooLong`](crate::Error::TooLong) for an element over the store's limit,
    /// [`Error::Encode`](crate::Error::Encode) for one that does not encode.
    #[doc(alias = "RPUSH")]
    pub fn push_back(&self, element: impl Element<T>) -> Result<usize> {
        self.push(End::Back, element, Absent::Create)
    }

    /// Adds an element at the front; gives the new length. `LPUSH`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.push_front("bob")?;
    /// names.push_front("ann")?;
    /// assert_eq!(names.to_vec()?, ["ann", "bob"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`push_back`](Self::push_back).
    #[doc(alias = "LPUSH")]
    pub fn push_front(&self, element: impl Element<T>) -> Result<usize> {
        self.push(End::Front, element, Absent::Create)
    }

    /// Adds elements at the back, in their order and in one step; gives the new length. `RPUSH`,
    /// O(elements).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// assert_eq!(names.extend_back(["ann", "bob"])?, 2);
    /// assert_eq!(names.extend_back(["cid"])?, 3);
    /// assert_eq!(names.to_vec()?, ["ann", "bob", "cid"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`push_back`](Self::push_back); then none was added.
    #[doc(alias = "RPUSH")]
    pub fn extend_back(&self, elements: impl IntoIterator<Item = impl Element<T>>) -> Result<usize> {
        self.extend(End::Back, elements, Absent::Create)
    }

    /// Adds elements at the front, one before the other and in one step, so that the last of them is
    /// the list's first; gives the new length. `LPUSH`, O(elements).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.extend_front(["ann", "bob"])?;
    /// assert_eq!(names.to_vec()?, ["bob", "ann"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`push_back`](Self::push_back); then none was added.
    #[doc(alias = "LPUSH")]
    pub fn extend_front(&self, elements: impl IntoIterator<Item = impl Element<T>>) -> Result<usize> {
        self.extend(End::Front, elements, Absent::Create)
    }

    /// Adds an element at the back of a list that is there; gives its new length, `None` if there is
    /// no such list. `RPUSHX`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// assert_eq!(names.push_back_if_present("ann")?, None);
    /// names.push_back("ann")?;
    /// assert_eq!(names.push_back_if_present("bob")?, Some(2));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`push_back`](Self::push_back).
    #[doc(alias = "RPUSHX")]
    pub fn push_back_if_present(&self, element: impl Element<T>) -> Result<Option<usize>> {
        Ok(Some(self.push(End::Back, element, Absent::Skip)?).filter(|len| *len > 0))
    }

    /// Adds an element at the front of a list that is there; gives its new length, `None` if there is
    /// no such list. `LPUSHX`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// assert_eq!(names.push_front_if_present("ann")?, None);
    /// names.push_back("bob")?;
    /// assert_eq!(names.push_front_if_present("ann")?, Some(2));
    /// assert_eq!(names.to_vec()?, ["ann", "bob"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`push_back`](Self::push_back).
    #[doc(alias = "LPUSHX")]
    pub fn push_front_if_present(&self, element: impl Element<T>) -> Result<Option<usize>> {
        Ok(Some(self.push(End::Front, element, Absent::Skip)?).filter(|len| *len > 0))
    }

    /// Adds elements at the back of a list that is there, as [`extend_back`](Self::extend_back) does;
    /// gives its new length, `None` if there is no such list. `RPUSHX`, O(elements).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// assert_eq!(names.extend_back_if_present(["bob", "cid"])?, None);
    /// names.push_back("ann")?;
    /// assert_eq!(names.extend_back_if_present(["bob", "cid"])?, Some(3));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`push_back`](Self::push_back); then none was added.
    #[doc(alias = "RPUSHX")]
    pub fn extend_back_if_present(
        &self,
        elements: impl IntoIterator<Item = impl Element<T>>,
    ) -> Result<Option<usize>> {
        Ok(Some(self.extend(End::Back, elements, Absent::Skip)?).filter(|len| *len > 0))
    }

    /// Adds elements at the front of a list that is there, as [`extend_front`](Self::extend_front)
    /// does; gives its new length, `None` if there is no such list. `LPUSHX`, O(elements).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.push_back("cid")?;
    /// assert_eq!(names.extend_front_if_present(["bob", "ann"])?, Some(3));
    /// assert_eq!(names.to_vec()?, ["ann", "bob", "cid"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`push_back`](Self::push_back); then none was added.
    #[doc(alias = "LPUSHX")]
    pub fn extend_front_if_present(
        &self,
        elements: impl IntoIterator<Item = impl Element<T>>,
    ) -> Result<Option<usize>> {
        Ok(Some(self.extend(End::Front, elements, Absent::Skip)?).filter(|len| *len > 0))
    }

    /// Takes the first element; `None` if there is none. `LPOP`, O(1).
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
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) with the element's bytes, which have been taken.
    #[doc(alias = "LPOP")]
    pub fn pop_front(&self) -> Result<Option<T>> {
        self.pop(End::Front)
    }

    /// Takes the last element; `None` if there is none. `RPOP`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.extend_back(["ann", "bob"])?;
    /// assert_eq!(names.pop_back()?.as_deref(), Some("bob"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`pop_front`](Self::pop_front).
    #[doc(alias = "RPOP")]
    pub fn pop_back(&self) -> Result<Option<T>> {
        self.pop(End::Back)
    }

    /// Takes at most `count` elements from the front, in the list's order and in one step. `LPOP` with
    /// a count, O(taken).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.extend_back(["ann", "bob", "cid"])?;
    /// assert_eq!(names.pop_front_many(2)?, ["ann", "bob"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) if one of the elements is no `T`: then all are put back
    /// at the front in their order (before what was pushed there in between), unless the key was given
    /// another type meanwhile.
    #[doc(alias = "LPOP")]
    pub fn pop_front_many(&self, count: usize) -> Result<Vec<T>> {
        self.pop_many(End::Front, count)
    }

    /// Takes at most `count` elements from the back, the last one first, in one step. `RPOP` with a
    /// count, O(taken).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.extend_back(["ann", "bob", "cid"])?;
    /// assert_eq!(names.pop_back_many(2)?, ["cid", "bob"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) if one of the elements is no `T`: then all are put back,
    /// as [`pop_front_many`](Self::pop_front_many) does.
    #[doc(alias = "RPOP")]
    pub fn pop_back_many(&self, count: usize) -> Result<Vec<T>> {
        self.pop_many(End::Back, count)
    }

    /// How many elements there are; 0 if the key is missing. `LLEN`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// assert_eq!(names.len()?, 0);
    /// names.extend_back(["ann", "bob"])?;
    /// assert_eq!(names.len()?, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "LLEN")]
    pub fn len(&self) -> Result<usize> {
        self.handle.read(list::len)
    }

    /// Whether there are no elements, and so no key. `LLEN`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// assert!(names.is_empty()?);
    /// names.push_back("ann")?;
    /// assert!(!names.is_empty()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    fn push(&self, end: End, element: impl Element<T>, absent: Absent) -> Result<usize> {
        let element = self.handle.encode(element)?;
        self.handle.write(|writer, key| list::push(writer, key, end, [element], absent))
    }

    fn extend(
        &self,
        end: End,
        elements: impl IntoIterator<Item = impl Element<T>>,
        absent: Absent,
    ) -> Result<usize> {
        let elements = self.handle.encode_all(elements)?;
        self.handle.write(|writer, key| list::push(writer, key, end, elements, absent))
    }

    fn pop(&self, end: End) -> Result<Option<T>> {
        let popped = self.handle.write(|writer, key| list::pop(writer, key, end, 1))?;
        decode_option(popped.and_then(|popped| popped.into_taken().pop()))
    }

    fn pop_many(&self, end: End, count: usize) -> Result<Vec<T>> {
        let (deadline, popped) = self.handle.write(|writer, key| {
            let deadline = writer.deadline(key);
            Ok((deadline, list::pop(writer, key, end, count)?))
        })?;
        let popped = popped.map(Popped::into_taken).unwrap_or_default();
        decode_taken(popped, |popped| {
            self.handle.write(|writer, key| list::put_back(writer, key, end, popped, deadline))
        })
    }
}
