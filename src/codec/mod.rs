//! How Rust values become the bytes that a store keeps, and come back.
//!
//! Scalars are stored as Redis stores them (text, raw bytes, decimal numbers), so that counters,
//! other clients and the Rust side agree. A user's own serde type goes through a codec: see
//! [`Record`](crate::Record).

mod element;
#[cfg(feature = "serde")]
mod record;
mod scalar;

#[cfg(all(feature = "serde", feature = "testing"))]
pub(crate) use record::parts as record_parts;
#[cfg(feature = "serde")]
pub use record::{Codec, Encoded, Record};
#[cfg(feature = "serde")]
pub(crate) use record::{read as read_record, write as write_record};

pub use element::Element;

use crate::{Bytes, Error, Result};

/// A value that can be stored.
///
/// | type | stored as | read by [`Decode`] |
/// | --- | --- | --- |
/// | `str`, `String`, `Box<str>`, `Arc<str>`, `Cow<str>` | the text | UTF-8 only; all but `str` and `Cow` |
/// | `char` | the text of one character | exactly one |
/// | `[u8]`, `Vec<u8>`, `[u8; N]`, [`Bytes`] | the bytes | any; exactly `N`; all but `[u8]` |
/// | `i8` to `i128`, `u8` to `u128`, `isize`, `usize` | decimal text: `-42` | what is in the type's range |
/// | `f64` | as Redis writes a double: `0.5`, `inf`, `nan` | what Redis reads as one |
/// | `f32` | the shortest decimal text of it | decimal text |
/// | `bool` | `1` or `0` | nothing else |
/// | a [`Record`](crate::Record), an [`Encoded`](crate::Encoded) | three bytes, then the codec's | of the same version |
///
/// Implement it for a type with a text or byte form of its own.
///
/// ```
/// use larder::{Bytes, Decode, DecodeError, Encode, Store};
///
/// #[derive(Debug, PartialEq)]
/// struct Celsius(i32);
///
/// impl Encode for Celsius {
///     fn encode(&self) -> larder::Result<Bytes> {
///         Ok(format!("{}C", self.0).into())
///     }
/// }
///
/// impl Decode for Celsius {
///     fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
///         let degrees = bytes.as_str().and_then(|text| text.strip_suffix('C')?.parse().ok());
///         degrees.map(Celsius).ok_or_else(|| DecodeError::new::<Self>(bytes, "not degrees"))
///     }
/// }
///
/// let store = Store::new();
/// store.insert("berlin", &Celsius(21))?;
/// assert_eq!(store.get("berlin")?, Some(Celsius(21)));
/// # Ok::<(), larder::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored yet",
    label = "neither text, bytes, a number, nor a `larder::Record`",
    note = "for a type of yours: `#[derive(serde::Serialize, serde::Deserialize)]` on it, and \
            `impl larder::Record for {Self} {{}}`",
    note = "for a type of others: store `larder::Encoded<{Self}>`, or implement `larder::Encode` and \
            `larder::Decode` for a type of yours around it"
)]
pub trait Encode {
    /// The bytes to store.
    ///
    /// # Errors
    /// [`Error::Encode`] with the codec's reason.
    fn encode(&self) -> Result<Bytes>;
}

/// A value that can be read back from a store; the other half of [`Encode`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a store yet",
    label = "neither text, bytes, a number, nor a `larder::Record`",
    note = "for a type of yours: `#[derive(serde::Serialize, serde::Deserialize)]` on it, and \
            `impl larder::Record for {Self} {{}}`",
    note = "what is read is owned: `String` and not `&str`, `Vec<u8>` and not `&[u8]`"
)]
pub trait Decode: Sized {
    /// The value that was stored as `bytes`.
    ///
    /// # Errors
    /// [`DecodeError`](crate::DecodeError) with the reason and the bytes.
    fn decode(bytes: Bytes) -> Result<Self, crate::DecodeError>;

    /// What a look-up came to, decoded. `Bytes` itself passes through here without being moved.
    #[doc(hidden)]
    #[inline]
    fn decode_found(found: Result<Option<Bytes>>) -> Result<Option<Self>> {
        match found? {
            Some(bytes) => Ok(Some(Self::decode(bytes)?)),
            None => Ok(None),
        }
    }
}

/// What [`Database::insert`](crate::Database::insert) and its kin take: a reference to anything
/// that is [`Encode`], or a scalar by value (a long `String`, `Vec<u8>` or [`Bytes`] is moved in).
///
/// ```
/// use larder::{IntoValue, Store};
///
/// fn log(store: &Store, line: impl IntoValue) -> larder::Result<()> {
///     store.insert("last line", line)
/// }
///
/// let store = Store::new();
/// log(&store, "text")?;
/// log(&store, 42)?;
/// log(&store, String::from("moved in"))?;
/// assert_eq!(store.get::<String>("last line")?.as_deref(), Some("moved in"));
/// # Ok::<(), larder::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored as a value",
    label = "neither text, bytes, a number, nor a reference to a `larder::Record`",
    note = "a value of a type of yours is given by reference: `&value`",
    note = "which needs `#[derive(serde::Serialize, serde::Deserialize)]` on the type, and an \
            `impl larder::Record` for it"
)]
pub trait IntoValue {
    /// The bytes to store.
    ///
    /// # Errors
    /// [`Error::Encode`] with the codec's reason.
    fn into_value(self) -> Result<Bytes>;
}

impl<T: Encode + ?Sized> IntoValue for &T {
    #[inline]
    fn into_value(self) -> Result<Bytes> {
        self.encode()
    }
}

/// Encodes `value`, and refuses what is over the store's limit.
#[inline]
pub(crate) fn encode<T: IntoValue>(value: T, limit: usize) -> Result<Bytes> {
    let bytes = value.into_value()?;
    if bytes.len() > limit { Err(Error::TooLong) } else { Ok(bytes) }
}
