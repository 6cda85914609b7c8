//! Names of keys, as callers give them.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

use crate::{Bytes, Error, Result};

/// The name of a key: any bytes, made from text, byte strings, numbers or a handle.
///
/// | from | the name | allocates |
/// | --- | --- | --- |
/// | `&str`, `&String`, `&[u8]`, [`&Bytes`](Bytes) and other borrows | what is borrowed | never |
/// | `String`, `Vec<u8>`, [`Bytes`], `Cow<str>`, `Arc<str>`, ... | the text, the bytes | over 23 bytes, but for `Bytes` |
/// | any integer | its decimal text, as in `user:7` | over 23 digits |
/// | a handle: `&list`, `&counter`, ... | the handle's key | never |
///
/// Names are equal, ordered and hashed by their bytes, and printed as text (bytes that are no UTF-8
/// as `\xff`).
///
/// ```
/// use larder::{Key, Store};
///
/// let store = Store::new();
/// store.insert("user:1", "ann")?;
/// store.insert(format!("user:{}", 2), "bob")?;
/// store.insert(3, "carol")?;
/// store.insert([0xff, 0x00], "any bytes")?;
/// assert_eq!(Key::from(3), "3");
///
/// let jobs = store.list::<String>("jobs");
/// jobs.push_back("resize")?;
/// assert!(store.remove(&jobs)?);
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Clone)]
pub struct Key<'a>(Name<'a>);

#[derive(Clone)]
enum Name<'a> {
    Borrowed(&'a [u8]),
    Owned(Bytes),
}

impl Key<'_> {
    /// The name as UTF-8 text, if it is. O(n)
    ///
    /// ```
    /// use larder::Key;
    ///
    /// assert_eq!(Key::from(7).as_str(), Some("7"));
    /// assert_eq!(Key::from(b"\xff").as_str(), None);
    /// ```
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self).ok()
    }

    /// The same name with no borrow: copies a name that was borrowed, O(n).
    ///
    /// ```
    /// use larder::Key;
    ///
    /// fn key_of(user: &str) -> Key<'static> {
    ///     Key::from(user.trim()).into_owned()
    /// }
    ///
    /// assert_eq!(key_of(" ann "), "ann");
    /// ```
    pub fn into_owned(self) -> Key<'static> {
        Key(Name::Owned(self.into_bytes()))
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        match self.0 {
            Name::Borrowed(bytes) => Bytes::from(bytes),
            Name::Owned(bytes) => bytes,
        }
    }
}

impl Deref for Key<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Name::Borrowed(bytes) => bytes,
            Name::Owned(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Key<'_> {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Borrow<[u8]> for Key<'_> {
    fn borrow(&self) -> &[u8] {
        self
    }
}

impl<B: AsRef<[u8]> + ?Sized> PartialEq<B> for Key<'_> {
    fn eq(&self, other: &B) -> bool {
        **self == *other.as_ref()
    }
}

impl Eq for Key<'_> {}

impl PartialOrd for Key<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Key<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

/// The name as text; bytes that are no UTF-8 are written as `\xff`.
impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.utf8_chunks() {
            write!(f, "{}{}", chunk.valid(), chunk.invalid().escape_ascii())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.escape_ascii())
    }
}

impl<'a> From<&'a str> for Key<'a> {
    #[inline]
    fn from(name: &'a str) -> Self {
        Key(Name::Borrowed(name.as_bytes()))
    }
}

impl<'a> From<&'a [u8]> for Key<'a> {
    #[inline]
    fn from(name: &'a [u8]) -> Self {
        Key(Name::Borrowed(name))
    }
}

macro_rules! borrowed {
    ($($name:ty)*) => {$(
        impl<'a> From<&'a $name> for Key<'a> {
            fn from(name: &'a $name) -> Self {
                (&**name).into()
            }
        }
    )*};
}

borrowed!(&str String Box<str> Arc<str> &[u8] Vec<u8> Bytes Key<'_>);

impl<'a, const N: usize> From<&'a [u8; N]> for Key<'a> {
    fn from(name: &'a [u8; N]) -> Self {
        Key(Name::Borrowed(name))
    }
}

impl<'a> From<Cow<'a, str>> for Key<'a> {
    fn from(name: Cow<'a, str>) -> Self {
        match name {
            Cow::Borrowed(name) => name.into(),
            Cow::Owned(name) => name.into(),
        }
    }
}

impl<'a> From<&'a Cow<'_, str>> for Key<'a> {
    fn from(name: &'a Cow<'_, str>) -> Self {
        Key(Name::Borrowed(name.as_bytes()))
    }
}

impl<const N: usize> From<[u8; N]> for Key<'_> {
    fn from(name: [u8; N]) -> Self {
        Key(Name::Owned(name.as_slice().into()))
    }
}

impl From<String> for Key<'_> {
    fn from(name: String) -> Self {
        Key(Name::Owned(name.into()))
    }
}

impl From<Box<str>> for Key<'_> {
    fn from(name: Box<str>) -> Self {
        String::from(name).into()
    }
}

impl From<Arc<str>> for Key<'_> {
    fn from(name: Arc<str>) -> Self {
        Key(Name::Owned((*name).into()))
    }
}

impl From<Vec<u8>> for Key<'_> {
    fn from(name: Vec<u8>) -> Self {
        Key(Name::Owned(name.into()))
    }
}

impl From<Bytes> for Key<'_> {
    fn from(name: Bytes) -> Self {
        Key(Name::Owned(name))
    }
}

impl From<Key<'_>> for Bytes {
    fn from(name: Key<'_>) -> Self {
        name.into_bytes()
    }
}

macro_rules! decimal {
    ($($integer:ty)*) => {$(
        impl From<$integer> for Key<'_> {
            fn from(number: $integer) -> Self {
                Key(Name::Owned(crate::text::number::integer(number)))
            }
        }
    )*};
}

decimal!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize);

/// A key with its hash, as the layers below the API pass it on: hashed once an operation.
#[derive(Clone, Copy)]
pub(crate) struct KeyRef<'a> {
    pub bytes: &'a [u8],
    pub hash: u64,
}

impl KeyRef<'_> {
    /// Refuses a name that is over the limit for strings.
    pub(crate) fn check(&self, limit: usize) -> Result<()> {
        if self.bytes.len() > limit { Err(Error::TooLong) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use super::*;

    fn check<'a>(name: impl Into<Key<'a>>, bytes: &[u8]) {
        let name = name.into();
        assert_eq!(name, *bytes);
        assert_eq!(HashSet::from([name.clone()]).get(bytes), Some(&name));
        assert_eq!(BTreeSet::from([name.clone()]).get(bytes), Some(&name));
        assert_eq!(name.clone().into_owned(), name);
        assert_eq!(Bytes::from(name), *bytes);
    }

    #[test]
    #[allow(clippy::needless_borrows_for_generic_args)]
    fn a_name_is_made_from_text_bytes_and_numbers() {
        check("user:7", b"user:7");
        check(&"user:7", b"user:7");
        check(&String::from("user:7"), b"user:7");
        check(Cow::from("user:7"), b"user:7");
        check(&Cow::from("user:7"), b"user:7");
        check(Arc::<str>::from("user:7"), b"user:7");
        check(&Box::<str>::from("user:7"), b"user:7");
        check([0xff, 0], b"\xff\0");
        check(7, b"7");
        check(i8::MIN, b"-128");
        check(u128::MAX, u128::MAX.to_string().as_bytes());
        check(i128::MIN, i128::MIN.to_string().as_bytes());
    }

    #[test]
    fn what_is_no_text_is_printed_as_escapes() {
        assert_eq!(Key::from("caf\u{e9}").to_string(), "caf\u{e9}");
        assert_eq!(Key::from(b"a\xff\xfeb\xc3").to_string(), "a\\xff\\xfeb\\xc3");
        assert_eq!(format!("{:?}", Key::from("a\"b")), "\"a\\\"b\"");
    }
}
