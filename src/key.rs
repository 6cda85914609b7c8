//! Names of keys, as callers give them.

use std::fmt;
use std::ops::Deref;

use crate::{Bytes, Error, Result};

/// The name of a key: any bytes, made from text, byte strings or numbers without allocating.
///
/// Text and byte slices are borrowed, integers are written in decimal into the key itself, and
/// owned strings of up to 23 bytes are kept inline.
///
/// ```
/// use larder::{Key, Store};
///
/// let store = Store::new();
/// store.insert("user:1", "ann")?;
/// store.insert(format!("user:{}", 2), "bob")?;
/// store.insert(3, "carol")?;
/// store.insert(&[0xff, 0x00], "any bytes")?;
/// assert_eq!(&*Key::from(3), b"3");
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
    /// The same name with no borrow: copies a name of over 23 bytes that was borrowed.
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

impl<'a> From<&'a String> for Key<'a> {
    fn from(name: &'a String) -> Self {
        Key(Name::Borrowed(name.as_bytes()))
    }
}

impl<'a> From<&'a [u8]> for Key<'a> {
    fn from(name: &'a [u8]) -> Self {
        Key(Name::Borrowed(name))
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Key<'a> {
    fn from(name: &'a [u8; N]) -> Self {
        Key(Name::Borrowed(name))
    }
}

impl<'a> From<&'a Vec<u8>> for Key<'a> {
    fn from(name: &'a Vec<u8>) -> Self {
        Key(Name::Borrowed(name))
    }
}

impl<'a> From<&'a Bytes> for Key<'a> {
    fn from(name: &'a Bytes) -> Self {
        Key(Name::Borrowed(name))
    }
}

impl<'a> From<&'a Key<'_>> for Key<'a> {
    fn from(name: &'a Key<'_>) -> Self {
        Key(Name::Borrowed(name))
    }
}

impl From<String> for Key<'_> {
    fn from(name: String) -> Self {
        Key(Name::Owned(name.into()))
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

macro_rules! decimal_keys {
    ($($integer:ty)*) => {$(
        impl From<$integer> for Key<'_> {
            fn from(number: $integer) -> Self {
                Key(Name::Owned(crate::text::number::decimal(i128::from(number))))
            }
        }
    )*};
}

decimal_keys!(i32 u32 i64 u64);

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
