//! Sets: the handle, and what it does with one set.

mod iter;
mod several;

use std::collections::HashSet;
use std::hash::Hash;
use std::marker::PhantomData;

use super::Database;
use super::handle::{Handle, decode_all, decode_option, decode_taken, public_handle, sought};
use crate::command::set::Popped;
use crate::command::{Draw, set};
use crate::{Bytes, Decode, Element, Encode, Key, Result};

pub use iter::SetIter;

/// A handle on a set of `T`: members without order, each once.
///
/// - **Members**: [`insert`](Self::insert), [`remove`](Self::remove), [`contains`](Self::contains),
///   their kin for several, [`move_to`](Self::move_to).
/// - **By chance**: [`pop`](Self::pop), [`random`](Self::random),
///   [`random_many`](Self::random_many), [`random_repeated`](Self::random_repeated).
/// - **All**: [`members`](Self::members), [`to_hash_set`](Self::to_hash_set), [`iter`](Self::iter),
///   [`len`](Self::len).
/// - **Several sets**: [`intersection`](Self::intersection), [`union`](Self::union),
///   [`difference`](Self::difference), and the same stored under another key.
///
/// A missing key is an empty set, and a key goes with its last member. Members are told apart by their
/// stored bytes.
///
/// ```
/// use larder::Store;
///
/// let store = Store::new();
/// let online = store.set::<u64>("online");
/// assert!(online.insert(7)?);
/// assert!(!online.insert(7)?);
/// assert!(online.contains(7)?);
/// assert_eq!(online.len()?, 1);
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Errors
/// Every method gives [`Error::WrongType`](crate::Error::WrongType) where a key holds another type. One
/// that takes members can give [`Error::TooLong`](crate::Error::TooLong) and
/// [`Error::Encode`](crate::Error::Encode); one that gives members,
/// [`Error::Decode`](crate::Error::Decode) for one that is no `T`.
pub struct Set<'a, T> {
    handle: Handle<'a>,
    member: PhantomData<fn() -> T>,
}

impl<'a, T> Set<'a, T> {
    fn of(handle: Handle<'a>) -> Self {
        Set { handle, member: PhantomData }
    }
}

impl Database {
    /// A handle on the set at `key`. Nothing is made until a member is inserted, and the key goes with
    /// the last one. What Redis calls `SET` is [`insert`](Self::insert). O(1)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let online = store.set::<u64>("online");
    /// online.insert(7)?;
    /// assert_eq!(online.members()?, [7]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn set<'a, T: Encode + Decode>(&'a self, key: impl Into<Key<'a>>) -> Set<'a, T> {
        Set::of(Handle::new(self, key.into()))
    }
}

impl<T: Encode + Decode> Set<'_, T> {
    /// Adds a member; true if it is new. `SADD`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let tags = store.set::<String>("tags");
    /// assert!(tags.insert("rust")?);
    /// assert!(!tags.insert("rust")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::TooLong`](crate::Error::TooLong) for a key or member over the store's limit;
    /// [`Error::Encode`](crate::Error::Encode) for one that its codec refuses.
    #[doc(alias = "SADD")]
    pub fn insert(&self, member: impl Element<T>) -> Result<bool> {
        let member = self.handle.encode(member)?;
        Ok(self.handle.write(|writer, key| set::insert(writer, key, [member]))? > 0)
    }

    /// Adds members in one step; gives how many are new. `SADD`, O(members).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let tags = store.set::<String>("tags");
    /// assert_eq!(tags.insert_many(["rust", "redis", "rust"])?, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`insert`](Self::insert); then no member is added.
    #[doc(alias = "SADD")]
    pub fn insert_many(&self, members: impl IntoIterator<Item = impl Element<T>>) -> Result<usize> {
        let members = self.handle.encode_all(members)?;
        self.handle.write(|writer, key| set::insert(writer, key, members))
    }

    /// Removes a member; true if it was there. The key goes with the last one. `SREM`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let tags = store.set::<String>("tags");
    /// tags.insert("rust")?;
    /// assert!(tags.remove("rust")?);
    /// assert!(!tags.remove("rust")?);
    /// assert!(!store.contains(&tags)?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Encode`](crate::Error::Encode) for a member that its codec refuses.
    #[doc(alias = "SREM")]
    pub fn remove(&self, member: impl Element<T>) -> Result<bool> {
        let member = member.into_value()?;
        Ok(self.handle.write(|writer, key| set::remove(writer, key, &[member]))? > 0)
    }

    /// Removes each of these members in one step; gives how many were there. `SREM`, O(members).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let tags = store.set::<String>("tags");
    /// tags.insert_many(["rust", "redis"])?;
    /// assert_eq!(tags.remove_many(["rust", "cobol"])?, 1);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`remove`](Self::remove).
    #[doc(alias = "SREM")]
    pub fn remove_many(&self, members: impl IntoIterator<Item = impl Element<T>>) -> Result<usize> {
        let members = sought(members)?;
        self.handle.write(|writer, key| set::remove(writer, key, &members))
    }

    /// Whether the set has a member. `SISMEMBER`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let tags = store.set::<String>("tags");
    /// tags.insert("rust")?;
    /// assert!(tags.contains("rust")?);
    /// assert!(!tags.contains("redis")?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`remove`](Self::remove).
    #[doc(alias = "SISMEMBER")]
    pub fn contains(&self, member: impl Element<T>) -> Result<bool> {
        let member = member.into_value()?;
        self.handle.read(|view, key| set::contains(view, key, &member))
    }

    /// For each of these, in their order, whether the set has it: as it is at one instant.
    /// `SMISMEMBER`, O(members).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let tags = store.set::<String>("tags");
    /// tags.insert("rust")?;
    /// assert_eq!(tags.contains_many(["redis", "rust"])?, [false, true]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`remove`](Self::remove).
    #[doc(alias = "SMISMEMBER")]
    pub fn contains_many(&self, members: impl IntoIterator<Item = impl Element<T>>) -> Result<Vec<bool>> {
        let members = sought(members)?;
        self.handle.read(|view, key| set::contains_many(view, key, &members))
    }

    /// How many members there are; 0 if the key is missing. `SCARD`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let tags = store.set::<String>("tags");
    /// assert_eq!(tags.len()?, 0);
    /// tags.insert_many(["rust", "redis"])?;
    /// assert_eq!(tags.len()?, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "SCARD")]
    pub fn len(&self) -> Result<usize> {
        self.handle.read(set::len)
    }

    /// Whether there are no members, and so no key. `SCARD`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let tags = store.set::<String>("tags");
    /// assert!(tags.is_empty()?);
    /// tags.insert("rust")?;
    /// assert!(!tags.is_empty()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type.
    #[doc(alias = "SCARD")]
    pub fn is_empty(&self) -> Result<bool> {
        Ok(self.len()? == 0)
    }

    /// All members, in no particular order. `SMEMBERS`, O(n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let tags = store.set::<String>("tags");
    /// tags.insert("rust")?;
    /// assert_eq!(tags.members()?, ["rust"]);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) if a member is no `T`.
    #[doc(alias = "SMEMBERS")]
    pub fn members(&self) -> Result<Vec<T>> {
        decode_all(self.handle.read(set::snapshot)?.iter().map(Bytes::from))
    }

    /// All members as a set of Rust's. `SMEMBERS`, O(n).
    ///
    /// ```
    /// use std::collections::HashSet;
    ///
    /// let store = larder::Store::new();
    /// let tags = store.set::<String>("tags");
    /// tags.insert_many(["rust", "redis"])?;
    /// assert_eq!(tags.to_hash_set()?, HashSet::from(["redis".into(), "rust".into()]));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`members`](Self::members).
    #[doc(alias = "SMEMBERS")]
    pub fn to_hash_set(&self) -> Result<HashSet<T>>
    where
        T: Eq + Hash,
    {
        Ok(self.members()?.into_iter().collect())
    }

    /// Iterates over the members as they are now, in no particular order: what is changed later is not
    /// seen, and no lock is held. `SSCAN`, O(1) to start and for each member; the first write while the
    /// iterator lives copies the set's index, O(n).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let numbers = store.set::<u32>("numbers");
    /// numbers.insert_many([1, 2, 3])?;
    /// for number in numbers.iter()? {
    ///     numbers.remove(number?)?;
    /// }
    /// assert!(numbers.is_empty()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type; an item is
    /// [`Error::Decode`](crate::Error::Decode) where the member is no `T`.
    #[doc(alias = "SSCAN")]
    #[doc(alias = "SMEMBERS")]
    pub fn iter(&self) -> Result<SetIter<T>> {
        Ok(SetIter::new(self.handle.read(set::snapshot)?))
    }

    /// Takes a random member. `SPOP`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let tickets = store.set::<u32>("tickets");
    /// tickets.insert(7)?;
    /// assert_eq!(tickets.pop()?, Some(7));
    /// assert_eq!(tickets.pop()?, None);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) with the member's bytes, which have been taken.
    #[doc(alias = "SPOP")]
    pub fn pop(&self) -> Result<Option<T>> {
        let popped = self.handle.write(|writer, key| set::pop(writer, key, 1))?;
        decode_option(popped.and_then(|popped| popped.into_taken().pop()))
    }

    /// Takes at most `count` random members in one step. `SPOP` with a count, O(taken).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let tickets = store.set::<u32>("tickets");
    /// tickets.insert_many([7, 8, 9])?;
    /// assert_eq!(tickets.pop_many(2)?.len(), 2);
    /// assert_eq!(tickets.pop_many(2)?.len(), 1);
    /// assert!(tickets.pop_many(2)?.is_empty());
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`](crate::Error::WrongType) if the key holds another type;
    /// [`Error::Decode`](crate::Error::Decode) if one of them is no `T`: then all are put back, unless
    /// the key was given another type meanwhile.
    #[doc(alias = "SPOP")]
    pub fn pop_many(&self, count: usize) -> Result<Vec<T>> {
        let (deadline, popped) = self.handle.write(|writer, key| {
            let deadline = writer.deadline(key);
            Ok((deadline, set::pop(writer, key, count)?))
        })?;
        let popped = popped.map(Popped::into_taken).unwrap_or_default();
        decode_taken(popped, |popped| {
            self.handle.write(|writer, key| set::put_back(writer, key, popped, deadline))
        })
    }

    /// A random member, which stays; `None` if the set is empty. `SRANDMEMBER`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let coin = store.set::<String>("coin");
    /// assert_eq!(coin.random()?, None);
    /// coin.insert_many(["heads", "tails"])?;
    /// assert!(coin.random()?.is_some());
    /// assert_eq!(coin.len()?, 2);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`members`](Self::members).
    #[doc(alias = "SRANDMEMBER")]
    pub fn random(&self) -> Result<Option<T>> {
        decode_option(self.handle.read(|view, key| set::random(view, key, Draw::Distinct(1)))?.pop())
    }

    /// At most `count` random members, each once, which stay; their order is not random. `SRANDMEMBER`
    /// with a positive count, O(given).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let numbers = store.set::<u32>("numbers");
    /// numbers.insert_many([1, 2, 3])?;
    /// assert_eq!(numbers.random_many(2)?.len(), 2);
    /// assert_eq!(numbers.random_many(5)?.len(), 3);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`members`](Self::members).
    #[doc(alias = "SRANDMEMBER")]
    pub fn random_many(&self, count: usize) -> Result<Vec<T>> {
        decode_all(self.handle.read(|view, key| set::random(view, key, Draw::Distinct(count)))?)
    }

    /// As many random members as asked for, each drawn from all, so that one can come up again; none if
    /// the set is empty. `SRANDMEMBER` with a negative count, O(count).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let coin = store.set::<String>("coin");
    /// coin.insert_many(["heads", "tails"])?;
    /// assert_eq!(coin.random_repeated(10)?.len(), 10);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`members`](Self::members); [`Error::Invalid`](crate::Error::Invalid) for more than memory
    /// can hold.
    #[doc(alias = "SRANDMEMBER")]
    pub fn random_repeated(&self, count: usize) -> Result<Vec<T>> {
        decode_all(self.handle.read(|view, key| set::random(view, key, Draw::repeated(count)))?)
    }
}

public_handle!(Set<'a, T>);
