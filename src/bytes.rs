//! The bytes of a key, an element or a value: small ones inline, large ones shared.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::string::FromUtf8Error;
use std::sync::Arc;

/// The longest byte string that is kept inline, without an allocation of its own.
pub(crate) const INLINE: usize = 23;

/// An immutable byte string that is cheap to clone: up to 23 bytes are kept inline, longer ones
/// are shared behind an [`Arc`].
///
/// It is what the store gives, so [`Database::get`](crate::Database::get) as `Bytes` allocates nothing for
/// up to 23 bytes, and copies none of a string of over 151 bytes: that is shared. What lies between is kept
/// beside its key, and copied.
///
/// ```
/// use larder::{Bytes, Store};
///
/// let store = Store::new();
/// store.insert("page", vec![b'x'; 100_000])?;
/// let page: Option<Bytes> = store.get("page")?; // shared with the store, not copied
/// assert_eq!(page.map(|bytes| bytes.len()), Some(100_000));
/// # Ok::<(), larder::Error>(())
/// ```
///
/// Bytes need not be text, so they are not printed as such: [`as_str`](Self::as_str) and
/// `String::try_from` tell whether they are. With serde they are a byte string.
#[derive(Clone)]
pub struct Bytes(Repr);

#[derive(Clone)]
enum Repr {
    Inline(Inline),
    Shared(Arc<[u8]>),
    /// A string that is being appended to or written into: room to grow, behind an `Arc` so that
    /// a reader's clone stays as it was.
    Buffer(Arc<Vec<u8>>),
}

/// A short string. The values that `len` never has tell the other variants apart, so that a clone
/// is a copy of three whole words, which the next reader's loads find in the processor's store
/// buffer; a tag beside it, written by itself, would have them wait for the cache.
#[derive(Clone, Copy)]
#[repr(C)]
struct Inline {
    data: [u8; INLINE],
    len: Len,
}

/// How many bytes of an [`Inline`] are in use.
#[rustfmt::skip]
#[derive(Clone, Copy)]
#[repr(u8)]
enum Len {
    L0, L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L11,
    L12, L13, L14, L15, L16, L17, L18, L19, L20, L21, L22, L23,
}

impl Len {
    #[rustfmt::skip]
    const ALL: [Len; INLINE + 1] = [
        Len::L0, Len::L1, Len::L2, Len::L3, Len::L4, Len::L5, Len::L6, Len::L7,
        Len::L8, Len::L9, Len::L10, Len::L11, Len::L12, Len::L13, Len::L14, Len::L15,
        Len::L16, Len::L17, Len::L18, Len::L19, Len::L20, Len::L21, Len::L22, Len::L23,
    ];
}

impl Bytes {
    /// An empty byte string. O(1)
    ///
    /// ```
    /// assert!(larder::Bytes::new().is_empty());
    /// ```
    pub const fn new() -> Self {
        Bytes(Repr::Inline(Inline { len: Len::L0, data: [0; INLINE] }))
    }

    /// The bytes as a slice, which they dereference to. O(1)
    ///
    /// ```
    /// let bytes = larder::Bytes::from("abc");
    /// assert_eq!(bytes.as_slice(), [97, 98, 99]);
    /// assert_eq!((bytes.len(), bytes.first()), (3, Some(&97)));
    /// ```
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            // No length is over `INLINE`.
            Repr::Inline(Inline { len, data }) => &data[..*len as usize],
            Repr::Shared(shared) => shared,
            Repr::Buffer(buffer) => buffer,
        }
    }

    /// The bytes as UTF-8 text, if they are. O(n)
    ///
    /// ```
    /// use larder::Bytes;
    ///
    /// assert_eq!(Bytes::from("hello").as_str(), Some("hello"));
    /// assert_eq!(Bytes::from(b"\xff").as_str(), None);
    /// ```
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(self.as_slice()).ok()
    }

    /// The same bytes, where they are if they are many: a long string is not copied.
    #[cfg(any(feature = "redis", feature = "server"))]
    pub(crate) fn from_buffer(buffer: Vec<u8>) -> Self {
        if buffer.len() <= INLINE { Bytes::from(&*buffer) } else { Bytes(Repr::Buffer(Arc::new(buffer))) }
    }

    /// Room to write in place: grows like a `Vec`, and is copied first where a reader shares it.
    pub(crate) fn make_mut(&mut self) -> &mut Vec<u8> {
        if !matches!(self.0, Repr::Buffer(_)) {
            self.0 = Repr::Buffer(Arc::new(self.as_slice().to_vec()));
        }
        match &mut self.0 {
            Repr::Buffer(buffer) => Arc::make_mut(buffer),
            _ => unreachable!("just made a buffer"),
        }
    }

    /// Bytes held outside this value, counted once however often it is shared.
    pub(crate) fn heap_bytes(&self) -> usize {
        const ARC: usize = 2 * size_of::<usize>();
        match &self.0 {
            Repr::Inline(_) => 0,
            Repr::Shared(shared) => ARC + shared.len(),
            Repr::Buffer(buffer) => ARC + size_of::<Vec<u8>>() + buffer.capacity(),
        }
    }

    /// How many share what is held outside.
    #[cfg(test)]
    pub(crate) fn holders(&self) -> usize {
        match &self.0 {
            Repr::Inline(_) => 1,
            Repr::Shared(shared) => Arc::strong_count(shared),
            Repr::Buffer(buffer) => Arc::strong_count(buffer),
        }
    }
}

impl Default for Bytes {
    fn default() -> Self {
        Bytes::new()
    }
}

impl Deref for Bytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl Borrow<[u8]> for Bytes {
    fn borrow(&self) -> &[u8] {
        self.as_slice()
    }
}

impl From<&[u8]> for Bytes {
    #[inline]
    fn from(bytes: &[u8]) -> Self {
        if bytes.len() <= INLINE {
            Bytes(Repr::Inline(Inline { len: Len::ALL[bytes.len()], data: padded(bytes) }))
        } else {
            Bytes(Repr::Shared(Arc::from(bytes)))
        }
    }
}

/// At most 23 bytes, and zeros behind them: put together in registers, without a call.
#[inline]
fn padded(bytes: &[u8]) -> [u8; INLINE] {
    let [first, second, third] = words(bytes);
    let [a, b, c, d, e, f, g, h] = first.to_le_bytes();
    let [i, j, k, l, m, n, o, p] = second.to_le_bytes();
    let [q, r, s, t, u, v, w, _] = third.to_le_bytes();
    [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t, u, v, w]
}

/// At most 24 bytes as three words, with zeros behind them.
#[inline]
fn words(bytes: &[u8]) -> [u64; 3] {
    let len = bytes.len();
    // The last ones of all are read once more rather than one by one, without those that were read before.
    let without = |last: &[u8; 8], end: usize| {
        u64::from_le_bytes(*last).checked_shr(8 * (end - len) as u32).unwrap_or(0)
    };
    match (bytes.first_chunk(), bytes.get(8..).and_then(|rest| rest.first_chunk()), bytes.last_chunk()) {
        (Some(first), Some(second), Some(last)) => {
            [u64::from_le_bytes(*first), u64::from_le_bytes(*second), without(last, 24)]
        }
        (Some(first), None, Some(last)) => [u64::from_le_bytes(*first), without(last, 16), 0],
        _ => [few(bytes), 0, 0],
    }
}

/// At most seven bytes as a word, with zeros behind them.
#[inline]
fn few(bytes: &[u8]) -> u64 {
    match (bytes.first_chunk(), bytes.last_chunk(), bytes) {
        (Some(first), Some(last), _) => {
            let [first, last] = [*first, *last].map(u32::from_le_bytes).map(u64::from);
            first | last << (8 * (bytes.len() - 4))
        }
        (_, _, [a, b, c]) => u64::from_le_bytes([*a, *b, *c, 0, 0, 0, 0, 0]),
        (_, _, [a, b]) => u64::from_le_bytes([*a, *b, 0, 0, 0, 0, 0, 0]),
        (_, _, [a]) => u64::from(*a),
        _ => 0,
    }
}

impl<const N: usize> From<&[u8; N]> for Bytes {
    fn from(bytes: &[u8; N]) -> Self {
        Bytes::from(bytes.as_slice())
    }
}

impl<const N: usize> From<[u8; N]> for Bytes {
    fn from(bytes: [u8; N]) -> Self {
        Bytes::from(bytes.as_slice())
    }
}

impl From<&str> for Bytes {
    #[inline]
    fn from(text: &str) -> Self {
        Bytes::from(text.as_bytes())
    }
}

impl From<Vec<u8>> for Bytes {
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.len() <= INLINE { Bytes::from(bytes.as_slice()) } else { Bytes(Repr::Shared(bytes.into())) }
    }
}

impl From<String> for Bytes {
    fn from(text: String) -> Self {
        Bytes::from(text.into_bytes())
    }
}

impl From<Bytes> for Vec<u8> {
    fn from(bytes: Bytes) -> Self {
        match bytes.0 {
            Repr::Buffer(buffer) => Arc::unwrap_or_clone(buffer),
            _ => bytes.as_slice().to_vec(),
        }
    }
}

/// The text, if it is UTF-8.
impl TryFrom<Bytes> for String {
    type Error = FromUtf8Error;

    fn try_from(bytes: Bytes) -> Result<Self, FromUtf8Error> {
        String::from_utf8(bytes.into())
    }
}

impl<B: AsRef<[u8]> + ?Sized> PartialEq<B> for Bytes {
    fn eq(&self, other: &B) -> bool {
        self.as_slice() == other.as_ref()
    }
}

macro_rules! equal_to_bytes {
    ($($other:ty)*) => {$(
        impl PartialEq<Bytes> for $other {
            fn eq(&self, other: &Bytes) -> bool {
                other == self
            }
        }
    )*};
}

equal_to_bytes!(str &str String [u8] &[u8] Vec<u8>);

impl<const N: usize> PartialEq<Bytes> for [u8; N] {
    fn eq(&self, other: &Bytes) -> bool {
        other == self
    }
}

impl<const N: usize> PartialEq<Bytes> for &[u8; N] {
    fn eq(&self, other: &Bytes) -> bool {
        other == self
    }
}

impl Eq for Bytes {}

impl PartialOrd for Bytes {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bytes {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl Hash for Bytes {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

/// Written as a byte string literal: `b"caf\xc3\xa9"`.
impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.as_slice().escape_ascii())
    }
}

#[cfg(feature = "serde")]
mod serialized {
    use std::fmt;

    use serde::de::{self, SeqAccess, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Bytes;

    impl Serialize for Bytes {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_bytes(self)
        }
    }

    impl<'de> Deserialize<'de> for Bytes {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            deserializer.deserialize_byte_buf(Reader)
        }
    }

    /// Takes bytes, and what formats without bytes write for them.
    struct Reader;

    impl<'de> Visitor<'de> for Reader {
        type Value = Bytes;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("bytes")
        }

        fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes, E> {
            Ok(bytes.into())
        }

        fn visit_byte_buf<E: de::Error>(self, bytes: Vec<u8>) -> Result<Bytes, E> {
            Ok(bytes.into())
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
            Ok(text.into())
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes, A::Error> {
            let mut bytes = Vec::new();
            while let Some(byte) = seq.next_element::<u8>()? {
                bytes.push(byte);
            }
            Ok(bytes.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_to_text_and_bytes_from_both_sides() {
        let bytes = Bytes::from("abc");
        assert_eq!(bytes, "abc");
        assert_eq!("abc", bytes);
        assert_eq!(*"abc", bytes);
        assert_eq!("abc".to_owned(), bytes);
        assert_eq!(*b"abc", bytes);
        assert_eq!(b"abc", bytes);
        assert_eq!(b"abc"[..], bytes);
        assert_eq!(&b"abc"[..], bytes);
        assert_eq!(b"abc".to_vec(), bytes);
        assert_eq!(Bytes::from(*b"abc"), bytes);
        assert_eq!(String::try_from(bytes).as_deref(), Ok("abc"));
        assert!(String::try_from(Bytes::from(b"\xff")).is_err());
    }

    #[test]
    #[cfg(feature = "serde")]
    fn a_struct_of_bytes_can_be_a_record() {
        #[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
        struct Page {
            name: String,
            body: Bytes,
        }

        impl crate::Record for Page {}

        let store = crate::Store::new();
        for body in [Bytes::new(), Bytes::from(b"\xff\0"), Bytes::from(vec![7; 1000])] {
            let page = Page { name: "front".into(), body };
            store.insert("page", &page).unwrap();
            assert_eq!(store.get::<Page>("page").unwrap(), Some(page));
        }
    }

    #[test]
    #[cfg(feature = "json")]
    fn json_has_bytes_as_numbers_or_text() {
        let bytes = Bytes::from(b"a\xff");
        assert_eq!(serde_json::to_string(&bytes).unwrap(), "[97,255]");
        assert_eq!(serde_json::from_str::<Bytes>("[97,255]").unwrap(), bytes);
        assert_eq!(serde_json::from_str::<Bytes>("\"abc\"").unwrap(), "abc");
    }

    #[test]
    fn short_ones_are_copied_whole() {
        let all: Vec<u8> = (1..=INLINE as u8 + 1).collect();
        for len in 0..=all.len() {
            assert_eq!(Bytes::from(&all[..len]), all[..len]);
            let padding = padded(&all[..len.min(INLINE)]);
            assert!(padding.iter().skip(len).all(|byte| *byte == 0), "{padding:?}");
        }
    }

    #[test]
    fn takes_three_words() {
        assert_eq!(size_of::<Bytes>(), 24);
        assert_eq!(size_of::<Option<Bytes>>(), 24);
    }

    #[test]
    fn a_clone_does_not_see_later_writes() {
        for len in [0, 1, INLINE, INLINE + 1, 1000] {
            let mut bytes = Bytes::from(vec![7; len]);
            bytes.make_mut().push(8);
            let before = bytes.clone();
            bytes.make_mut().push(9);
            assert_eq!((before.len(), bytes.len()), (len + 1, len + 2));
            assert_eq!(Vec::from(bytes)[..len], vec![7; len]);
        }
    }
}
