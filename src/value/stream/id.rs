//! What entries of a stream are named and ordered by.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The id of an entry of a [`Stream`](crate::Stream): milliseconds since 1970, and a number that tells
/// apart what came within one of them. Ids are ordered, and in a stream each is greater than the one before.
///
/// Its text is Redis's, `ms-seq`; where the number is left out it is 0.
///
/// ```
/// use larder::StreamId;
///
/// let id = StreamId::new(1_700_000_000_000, 7);
/// assert_eq!(id.to_string(), "1700000000000-7");
/// assert_eq!("1700000000000-7".parse(), Ok(id));
/// assert_eq!("5".parse(), Ok(StreamId::new(5, 0)));
/// assert!(StreamId::MIN < id && id < StreamId::MAX);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    /// Milliseconds since 1970, if the store made it.
    pub ms: u64,
    /// Which one of those within the same millisecond.
    pub seq: u64,
}

impl StreamId {
    /// `0-0`, which comes before all ids and is none of an entry: to read after it is to read from the start.
    pub const MIN: StreamId = StreamId::new(0, 0);

    /// The last id that there is: a stream that has it takes no more entries.
    pub const MAX: StreamId = StreamId::new(u64::MAX, u64::MAX);

    /// The id of these two numbers. O(1)
    ///
    /// ```
    /// assert_eq!(larder::StreamId::new(3, 1).to_string(), "3-1");
    /// ```
    pub const fn new(ms: u64, seq: u64) -> Self {
        StreamId { ms, seq }
    }

    /// The next id, if there is one. O(1)
    ///
    /// ```
    /// use larder::StreamId;
    ///
    /// assert_eq!(StreamId::new(3, u64::MAX).next(), Some(StreamId::new(4, 0)));
    /// assert_eq!(StreamId::MAX.next(), None);
    /// ```
    pub const fn next(self) -> Option<StreamId> {
        match (self.seq.checked_add(1), self.ms.checked_add(1)) {
            (Some(seq), _) => Some(StreamId::new(self.ms, seq)),
            (None, Some(ms)) => Some(StreamId::new(ms, 0)),
            (None, None) => None,
        }
    }

    /// The id before it, if there is one. O(1)
    ///
    /// ```
    /// use larder::StreamId;
    ///
    /// assert_eq!(StreamId::new(4, 0).previous(), Some(StreamId::new(3, u64::MAX)));
    /// assert_eq!(StreamId::MIN.previous(), None);
    /// ```
    pub const fn previous(self) -> Option<StreamId> {
        match (self.seq.checked_sub(1), self.ms.checked_sub(1)) {
            (Some(seq), _) => Some(StreamId::new(self.ms, seq)),
            (None, Some(ms)) => Some(StreamId::new(ms, u64::MAX)),
            (None, None) => None,
        }
    }

    /// Its sixteen bytes, in the order of the ids.
    #[cfg(feature = "commands")]
    pub(crate) fn to_be_bytes(self) -> [u8; 16] {
        (u128::from(self.ms) << 64 | u128::from(self.seq)).to_be_bytes()
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// An id from its text; see [`StreamId`].
///
/// # Errors
/// [`InvalidStreamId`] for any other text.
impl FromStr for StreamId {
    type Err = InvalidStreamId;

    fn from_str(text: &str) -> Result<Self, InvalidStreamId> {
        let (ms, seq) = text.split_once('-').unwrap_or((text, "0"));
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|_| is_number).ok_or(InvalidStreamId)
        };
        Ok(StreamId::new(number(ms)?, number(seq)?))
    }
}

/// A text is no [`StreamId`].
///
/// `ERR Invalid stream ID specified as stream command argument`
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("ERR Invalid stream ID specified as stream command argument")]
pub struct InvalidStreamId;

impl From<InvalidStreamId> for Error {
    fn from(_: InvalidStreamId) -> Self {
        Error::Invalid("Invalid stream ID specified as stream command argument")
    }
}
