//! Strings that are changed in place, and compared.

use super::Database;
use super::handle::{Handle, public_handle};
use crate::command::string;
use crate::key::KeyRef;
use crate::value::lcs::{self, LcsMatches};
use crate::{Bytes, Error, Key, Result};

/// A handle on a string of bytes that is changed in place. A missing key counts as empty.
///
/// Changes keep the deadline that the key has. For the string's bits see
/// [`Bitmap`](crate::Bitmap).
///
/// ```
/// let store = larder::Store::new();
/// let log = store.string("log");
/// log.append("one\n")?;
/// log.append("two\n")?;
/// assert_eq!(log.range(-4, -1)?, "two\n");
/// # Ok::<(), larder::Error>(())
/// ```
///
/// # Errors
/// [`Error::WrongType`], and [`Error::TooLong`] where the string would grow over the store's limit.
pub struct Text<'a> {
    handle: Handle<'a>,
}

impl<'a> Text<'a> {
    fn of(handle: Handle<'a>) -> Self {
        Text { handle }
    }
}

impl Database {
    /// A handle on the string at `key`, to change it in place. Nothing is made until then. O(1)
    ///
    /// ```
    /// let store = larder::Store::new();
    /// assert_eq!(store.string("log").append("hello")?, 5);
    /// assert_eq!(store.get::<String>("log")?.as_deref(), Some("hello"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    pub fn string<'a>(&'a self, key: impl Into<Key<'a>>) -> Text<'a> {
        Text::of(Handle::new(self, key.into()))
    }

    /// The longest common subsequence of two strings at one instant: what is left of both if as few
    /// bytes as possible are left out. `LCS`, O(n * m / 64) for n and m bytes, with no lock held.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert_many([("a", "ohmytext"), ("b", "mynewtext")])?;
    /// assert_eq!(store.lcs("a", "b")?, "mytext");
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::LcsTooLarge`] where Redis's table for the two would be over 512 MB;
    /// [`Error::WrongType`] if a key holds another type.
    #[doc(alias = "LCS")]
    pub fn lcs<'a, 'b>(&self, a: impl Into<Key<'a>>, b: impl Into<Key<'b>>) -> Result<Bytes> {
        let [a, b] = self.two(a.into(), b.into())?;
        Ok(lcs::lcs(&a, &b)?.into())
    }

    /// The length of [`lcs`](Self::lcs) in bytes. `LCS` with `LEN`, O(n * m / 64), with less memory.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert_many([("a", "ohmytext"), ("b", "mynewtext")])?;
    /// assert_eq!(store.lcs_len("a", "b")?, 6);
    /// assert_eq!(store.lcs_len("a", "missing")?, 0);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`lcs`](Self::lcs).
    #[doc(alias = "LCS")]
    pub fn lcs_len<'a, 'b>(&self, a: impl Into<Key<'a>>, b: impl Into<Key<'b>>) -> Result<usize> {
        let [a, b] = self.two(a.into(), b.into())?;
        Ok(lcs::lcs_len(&a, &b)?)
    }

    /// Where the parts of [`lcs`](Self::lcs) of at least `min_len` bytes lie, from the end to the start.
    /// `LCS` with `IDX` and `MINMATCHLEN`, O(n * m / 64).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert_many([("a", "ohmytext"), ("b", "mynewtext")])?;
    /// let found = store.lcs_matches("a", "b", 3)?;
    /// assert_eq!(found.len, 6); // "my" and "text"
    /// assert_eq!(found.list.len(), 1); // "my" is too short
    /// assert_eq!((found.list[0].a.clone(), found.list[0].b.clone()), (4..8, 5..9));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`lcs`](Self::lcs).
    #[doc(alias = "LCS")]
    pub fn lcs_matches<'a, 'b>(
        &self,
        a: impl Into<Key<'a>>,
        b: impl Into<Key<'b>>,
        min_len: usize,
    ) -> Result<LcsMatches> {
        let [a, b] = self.two(a.into(), b.into())?;
        Ok(lcs::lcs_matches(&a, &b, min_len)?)
    }

    fn two(&self, a: Key<'_>, b: Key<'_>) -> Result<[Bytes; 2]> {
        let keys: [KeyRef<'_>; 2] = [self.key_ref(&a), self.key_ref(&b)];
        self.read(&keys, |view| string::get_two(view, keys))
    }
}

impl Text<'_> {
    /// Adds bytes at the end; gives the new length. `APPEND`, O(1) amortized for each byte added; the
    /// string is copied once if a reader still shares it.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let log = store.string("log");
    /// assert_eq!(log.append("one\n")?, 4);
    /// assert_eq!(log.append("two\n")?, 8);
    /// assert_eq!(store.get::<String>("log")?.as_deref(), Some("one\ntwo\n"));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooLong`] if the string would grow over the store's limit; [`Error::WrongType`] if the key
    /// holds another type.
    #[doc(alias = "APPEND")]
    pub fn append(&self, bytes: impl AsRef<[u8]>) -> Result<usize> {
        let limit = self.handle.db().space().limits().value;
        let bytes = bytes.as_ref();
        if bytes.len() > limit {
            return Err(Error::TooLong);
        }
        let bytes = Bytes::from(bytes);
        self.handle.write(|writer, key| string::append(writer, key, bytes))
    }

    /// The string's length in bytes; 0 if the key is missing. `STRLEN`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("word", "café")?;
    /// assert_eq!(store.string("word").len()?, 5); // bytes, not characters
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "STRLEN")]
    pub fn len(&self) -> Result<usize> {
        self.handle.read(string::len)
    }

    /// Whether there are no bytes, as of a missing key. `STRLEN`, O(1).
    ///
    /// ```
    /// let store = larder::Store::new();
    /// let log = store.string("log");
    /// assert!(log.is_empty()?);
    /// log.append("one\n")?;
    /// assert!(!log.is_empty()?);
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "STRLEN")]
    pub fn is_empty(&self) -> Result<bool> {
        self.len().map(|len| len == 0)
    }

    /// The bytes between two positions, both included; negative ones count from the end, -1 being the
    /// last byte. What lies outside the string is left out. `GETRANGE`, O(n) for n bytes given.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("greeting", "hello world")?;
    /// assert_eq!(store.string("greeting").range(0, 4)?, "hello");
    /// assert_eq!(store.string("greeting").range(-5, -1)?, "world");
    /// assert_eq!(store.string("greeting").range(6, 100)?, "world");
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::WrongType`] if the key holds another type.
    #[doc(alias = "GETRANGE")]
    #[doc(alias = "SUBSTR")]
    pub fn range(&self, start: i64, stop: i64) -> Result<Bytes> {
        self.handle.read(|view, key| string::range(view, key, start, stop))
    }

    /// Writes bytes over those from `offset` on; gives the new length. The string grows with zero
    /// bytes to reach the offset; no bytes to write change nothing. `SETRANGE`, O(n) for n bytes
    /// written and added; the string is copied once if a reader still shares it.
    ///
    /// ```
    /// let store = larder::Store::new();
    /// store.insert("greeting", "hello world")?;
    /// store.string("greeting").set_range(6, "there")?;
    /// assert_eq!(store.get::<String>("greeting")?.as_deref(), Some("hello there"));
    /// assert_eq!(store.string("padded").set_range(2, "x")?, 3);
    /// assert_eq!(store.get::<Vec<u8>>("padded")?, Some(b"\0\0x".to_vec()));
    /// # Ok::<(), larder::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::TooLong`] if the string would grow over the store's limit; [`Error::WrongType`] if the key
    /// holds another type.
    #[doc(alias = "SETRANGE")]
    pub fn set_range(&self, offset: usize, bytes: impl AsRef<[u8]>) -> Result<usize> {
        let bytes = bytes.as_ref();
        self.handle.write(|writer, key| string::set_range(writer, key, offset, bytes))
    }
}

public_handle!(Text<'a>);
