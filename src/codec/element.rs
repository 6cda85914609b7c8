//! What can be given where a collection of `T` takes an element.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Encode, IntoValue};
use crate::Bytes;

/// What can be given where a collection of `T` takes an element: to be added, or to be looked for.
///
/// | for a collection of | you give |
/// | --- | --- |
/// | any type | a reference: `&job` |
/// | numbers, `bool`, `char` | also the number: `1` |
/// | `String`, `Box<str>`, `Arc<str>` | also `"text"`, a `String`, a `Cow<str>` |
/// | `Vec<u8>`, [`Bytes`] | also `b"bytes"`, `[u8; N]`, `&[u8]`, a `Vec<u8>` |
/// | [`Bytes`] | also text |
///
/// ```
/// let store = larder::Store::new();
/// store.list::<i64>("numbers").extend_back([1, 2, 3])?;
/// store.set::<String>("tags").insert("rust")?;
/// store.hash::<String, u32>("cart").insert("apple", 3)?;
/// # Ok::<(), larder::Error>(())
/// ```
///
/// A type of yours that is copied anyway can be given by value too, and one that is text inside be
/// looked for by text:
///
/// ```
/// use larder::{Bytes, Decode, DecodeError, Element, Encode, IntoValue, Store};
///
/// struct Tag(String);
///
/// impl Encode for Tag {
///     fn encode(&self) -> larder::Result<Bytes> {
///         self.0.encode()
///     }
/// }
///
/// impl Decode for Tag {
///     fn decode(bytes: Bytes) -> Result<Self, DecodeError> {
///         String::decode(bytes).map(Tag)
///     }
/// }
///
/// impl IntoValue for Tag {
///     fn into_value(self) -> larder::Result<Bytes> {
///         self.0.into_value()
///     }
/// }
///
/// impl Element<Tag> for Tag {}
/// impl Element<Tag> for &str {}
///
/// let store = Store::new();
/// let tags = store.set::<Tag>("tags");
/// tags.insert(Tag("rust".to_owned()))?;
/// assert!(tags.contains("rust")?);
/// # Ok::<(), larder::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "a collection of `{T}` does not take a `{Self}`",
    label = "not what a collection of `{T}` takes",
    note = "any `{T}` can be given by reference: `&element`"
)]
pub trait Element<T>: IntoValue {}

impl<T: Encode> Element<T> for &T {}

macro_rules! by_value {
    ($($own:ty)*) => {$(
        impl Element<$own> for $own {}
    )*};
}

by_value!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize f32 f64 bool char);
by_value!(String Box<str> Arc<str> Vec<u8> Bytes);

impl<const N: usize> Element<[u8; N]> for [u8; N] {}

macro_rules! text {
    ($($text:ty)*) => {$(
        impl Element<$text> for &str {}
        impl Element<$text> for &&str {}
        impl Element<$text> for Cow<'_, str> {}
    )*};
}

text!(String Box<str> Arc<str> Bytes);

macro_rules! strings {
    ($($text:ty)*) => {$(
        impl Element<$text> for String {}
        impl Element<$text> for &String {}
    )*};
}

strings!(Box<str> Arc<str> Bytes);

macro_rules! bytes {
    ($($bytes:ty)*) => {$(
        impl Element<$bytes> for &[u8] {}
        impl<const N: usize> Element<$bytes> for [u8; N] {}
        impl<const N: usize> Element<$bytes> for &[u8; N] {}
    )*};
}

bytes!(Vec<u8> Bytes);

impl Element<Bytes> for Vec<u8> {}
impl Element<Bytes> for &Vec<u8> {}
