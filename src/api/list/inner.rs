//! What lies between the ends of a list: by position, by value, and all of it.

use super::{List, ListIter};
use crate::api::handle::{decode_all, decode_option};
use crate::command::list::{self, PositionOptions, Side};
use crate::value::list::End;
use crate::{Decode, Element, Encode, Result};

impl<T: Encode + Decode> List<'_, T> {
    /// The first element, which stays; `None` if there is none. `LINDEX` 0, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.extend_back(["ann", "bob"])?;
    /// assert_eq!(names.front()?.as_deref(), Some("ann"));
    /// assert_eq!(names.len()?, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) for an element that is no `T`.
    #[doc(alias = "LINDEX")]
    pub fn front(&self) -> Result<Option<T>> {
        self.get(0)
    }

    /// The last element, which stays; `None` if there is none. `LINDEX` -1, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.extend_back(["ann", "bob"])?;
    /// assert_eq!(names.back()?.as_deref(), Some("bob"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`front`](Self::front).
    #[doc(alias = "LINDEX")]
    pub fn back(&self) -> Result<Option<T>> {
        self.get(-1)
    }

    /// The element at a position, which counts from the back if it is negative; `None` if there is
    /// none. `LINDEX`: O(1) at the ends and in lists that were only changed there, else O(n / 128).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.extend_back(["ann", "bob", "cid"])?;
    /// assert_eq!(names.get(-2)?.as_deref(), Some("bob"));
    /// assert_eq!(names.get(3)?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`front`](Self::front).
    #[doc(alias = "LINDEX")]
    pub fn get(&self, index: i64) -> Result<Option<T>> {
        decode_option(self.handle.read(|view, key| list::get(view, key, index))?)
    }

    /// Replaces the element at a position, which counts from the back if it is negative. `LSET`: O(1)
    /// at the ends and in lists that were only changed there, else O(n / 128).
    ///
    /// ```
    /// use larder::{Error, Store};
    ///
    /// let store = Store::new();
    /// let names = store.list::<String>("names");
    /// assert!(matches!(names.set(0, "ann"), Err(Error::NoSuchKey)));
    /// names.push_back("ann")?;
    /// names.set(-1, "bob")?;
    /// assert!(matches!(names.set(1, "cid"), Err(Error::IndexOutOfRange)));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::NoSuchKey`](crate::Error::NoSuchKey) if there is no list,
    /// [`Error::IndexOutOfRange`](crate::Error::IndexOutOfRange) if it has no such position;
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::TooLong`](crate::Error::TooLong) or [`Error::Encode`](crate::Error::Encode) for the
    /// element.
    #[doc(alias = "LSET")]
    pub fn set(&self, index: i64, element: impl Element<T>) -> Result<()> {
        let element = self.handle.encode(element)?;
        self.handle.write(|writer, key| list::set(writer, key, index, element))
    }

    /// The elements from `start` to `stop`, both included, cut to the list; negative ones count from
    /// the back. `LRANGE`, O(given), and O(n / 128) to start.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.extend_back(["ann", "bob", "cid"])?;
    /// assert_eq!(names.range(0, 1)?, ["ann", "bob"]);
    /// assert_eq!(names.range(-2, -1)?, ["bob", "cid"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) if one of the elements is no `T`.
    #[doc(alias = "LRANGE")]
    pub fn range(&self, start: i64, stop: i64) -> Result<Vec<T>> {
        let mut elements = Vec::new();
        self.handle.read(|view, key| list::range(view, key, (start, stop), &mut elements))?;
        decode_all(elements)
    }

    /// All elements, in their order; none if the key is missing. `LRANGE` 0 -1, O(n). For a long list,
    /// [`iter`](Self::iter) decodes one at a time.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// assert!(names.to_vec()?.is_empty());
    /// names.extend_back(["ann", "bob"])?;
    /// assert_eq!(names.to_vec()?, ["ann", "bob"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`range`](Self::range).
    #[doc(alias = "LRANGE")]
    pub fn to_vec(&self) -> Result<Vec<T>> {
        self.range(0, -1)
    }

    /// Iterates over the elements as they are now: what is changed later is not seen, and no lock is
    /// held. `LRANGE` 0 -1, O(n / 128) to start, O(1) an element.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let numbers = store.list::<u32>("numbers");
    /// numbers.extend_back([1, 2, 3])?;
    /// let iter = numbers.iter()?;
    /// numbers.pop_front()?;
    /// assert_eq!(iter.sum::<Result<u32, _>>()?, 6);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type. An item is
    /// [`Error::Decode`](crate::Error::Decode) where the element is no `T`.
    #[doc(alias = "LRANGE")]
    pub fn iter(&self) -> Result<ListIter<T>> {
        Ok(ListIter::new(self.handle.read(list::snapshot)?))
    }

    /// Adds an element before the first one equal to `pivot`; gives the new length, `None` if no
    /// element is equal or the key is missing. `LINSERT BEFORE`, O(n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.extend_back(["ann", "cid"])?;
    /// assert_eq!(names.insert_before("cid", "bob")?, Some(3));
    /// assert_eq!(names.insert_before("eve", "dan")?, None);
    /// assert_eq!(names.to_vec()?, ["ann", "bob", "cid"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::TooLong`](crate::Error::TooLong) for an element over the store's limit;
    /// [`Error::Encode`](crate::Error::Encode) if it or the pivot does not encode.
    #[doc(alias = "LINSERT")]
    pub fn insert_before(&self, pivot: impl Element<T>, element: impl Element<T>) -> Result<Option<usize>> {
        self.insert(Side::Before, pivot, element)
    }

    /// Adds an element after the first one equal to `pivot`; gives the new length, `None` if no element
    /// is equal or the key is missing. `LINSERT AFTER`, O(n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.extend_back(["ann", "cid", "ann"])?;
    /// assert_eq!(names.insert_after("ann", "bob")?, Some(4));
    /// assert_eq!(names.to_vec()?, ["ann", "bob", "cid", "ann"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert_before`](Self::insert_before).
    #[doc(alias = "LINSERT")]
    pub fn insert_after(&self, pivot: impl Element<T>, element: impl Element<T>) -> Result<Option<usize>> {
        self.insert(Side::After, pivot, element)
    }

    /// Removes the first `count` elements equal to `value`; gives how many there were. `LREM` with a
    /// positive count, O(n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.extend_back(["ann", "bob", "ann", "ann"])?;
    /// assert_eq!(names.remove_first("ann", 2)?, 2);
    /// assert_eq!(names.to_vec()?, ["bob", "ann"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) for a value that does not encode.
    #[doc(alias = "LREM")]
    pub fn remove_first(&self, value: impl Element<T>, count: usize) -> Result<usize> {
        self.remove(value, End::Front, Some(count))
    }

    /// Removes the last `count` elements equal to `value`; gives how many there were. `LREM` with a
    /// negative count, O(n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.extend_back(["ann", "bob", "ann", "ann"])?;
    /// assert_eq!(names.remove_last("ann", 2)?, 2);
    /// assert_eq!(names.to_vec()?, ["ann", "bob"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`remove_first`](Self::remove_first).
    #[doc(alias = "LREM")]
    pub fn remove_last(&self, value: impl Element<T>, count: usize) -> Result<usize> {
        self.remove(value, End::Back, Some(count))
    }

    /// Removes all elements equal to `value`; gives how many there were. `LREM` with a count of 0,
    /// O(n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.extend_back(["ann", "bob", "ann", "ann"])?;
    /// assert_eq!(names.remove_all("ann")?, 3);
    /// assert_eq!(names.to_vec()?, ["bob"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`remove_first`](Self::remove_first).
    #[doc(alias = "LREM")]
    pub fn remove_all(&self, value: impl Element<T>) -> Result<usize> {
        self.remove(value, End::Front, None)
    }

    /// Keeps the elements from `start` to `stop`, both included, and drops the others; negative ones
    /// count from the back. A range that holds none drops them all, and the key. `LTRIM`, O(dropped).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let recent = store.list::<u32>("recent");
    /// recent.extend_front([1, 2, 3, 4])?;
    /// recent.trim(0, 2)?; // the newest three
    /// assert_eq!(recent.to_vec()?, [4, 3, 2]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "LTRIM")]
    pub fn trim(&self, start: i64, stop: i64) -> Result<()> {
        self.handle.write(|writer, key| list::trim(writer, key, start, stop)).map(drop)
    }

    /// The position of the first element equal to `value`, from the front; `None` if there is none.
    /// `LPOS`, O(n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let names = store.list::<String>("names");
    /// names.extend_back(["ann", "bob", "bob"])?;
    /// assert_eq!(names.position("bob")?, Some(1));
    /// assert_eq!(names.position("cid")?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) for a value that does not encode.
    #[doc(alias = "LPOS")]
    pub fn position(&self, value: impl Element<T>) -> Result<Option<usize>> {
        Ok(self.positions(value, PositionOptions::new().count(1))?.pop())
    }

    /// The positions, from the front, of elements equal to `value`, in the order of the search: all,
    /// or those that the options name. `LPOS`, O(n).
    ///
    /// ```
    /// use larder::{PositionOptions, Store};
    ///
    /// let store = Store::new();
    /// let names = store.list::<String>("names");
    /// names.extend_back(["ann", "bob", "ann", "ann"])?;
    /// assert_eq!(names.positions("ann", PositionOptions::new())?, [0, 2, 3]);
    /// assert_eq!(names.positions("ann", PositionOptions::new().rank(-1).count(2))?, [3, 2]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Invalid`](crate::Error::Invalid) for a rank of 0;
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) for a value that does not encode.
    #[doc(alias = "LPOS")]
    pub fn positions(&self, value: impl Element<T>, options: PositionOptions) -> Result<Vec<usize>> {
        let value = value.into_value()?;
        self.handle.read(|view, key| list::positions(view, key, &value, options))
    }

    fn insert(&self, side: Side, pivot: impl Element<T>, element: impl Element<T>) -> Result<Option<usize>> {
        let (pivot, element) = (pivot.into_value()?, self.handle.encode(element)?);
        let len = self.handle.write(|writer, key| list::insert(writer, key, side, &pivot, element))?;
        Ok(len.flatten())
    }

    fn remove(&self, value: impl Element<T>, from: End, limit: Option<usize>) -> Result<usize> {
        let value = value.into_value()?;
        self.handle.write(|writer, key| list::remove(writer, key, &value, from, limit))
    }
}
