//! What can go wrong, in Redis's own words where Redis has them.

use std::fmt;

use crate::Bytes;

/// The result of an operation on a store.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong in an operation.
///
/// Nothing was changed when one of these comes back, but for [`Decode`](Error::Decode): what was taken out
/// by itself stays out, and comes in the error; each method says so.
///
/// The text is the one that Redis answers with, code included, where Redis has one; so a test that
/// compares messages, or a server that sends them on, needs no table of its own.
///
/// ```
/// use larder::{Error, Store};
///
/// let store = Store::new();
/// store.insert("name", "ann")?;
/// let error = store.list::<String>("name").len().unwrap_err();
/// assert!(matches!(error, Error::WrongType));
/// assert_eq!(error.to_string(), "WRONGTYPE Operation against a key holding the wrong kind of value");
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key holds a value of another type than the operation is for.
    ///
    /// `WRONGTYPE Operation against a key holding the wrong kind of value`
    #[error("WRONGTYPE Operation against a key holding the wrong kind of value")]
    WrongType,
    /// A value that should be a decimal integer is not, or does not fit in 64 bits.
    ///
    /// `ERR value is not an integer or out of range`
    #[error("ERR value is not an integer or out of range")]
    NotAnInteger,
    /// A value that should be a floating point number is not.
    ///
    /// `ERR value is not a valid float`
    #[error("ERR value is not a valid float")]
    NotAFloat,
    /// A hash field that should be a decimal integer is not.
    ///
    /// `ERR hash value is not an integer`
    #[error("ERR hash value is not an integer")]
    HashNotAnInteger,
    /// A hash field that should be a floating point number is not.
    ///
    /// `ERR hash value is not a float`
    #[error("ERR hash value is not a float")]
    HashNotAFloat,
    /// An addition would leave the range of `i64`.
    ///
    /// `ERR increment or decrement would overflow`
    #[error("ERR increment or decrement would overflow")]
    Overflow,
    /// An addition would give a NaN or an infinity.
    ///
    /// `ERR increment would produce NaN or Infinity`
    #[error("ERR increment would produce NaN or Infinity")]
    NanOrInfinity,
    /// The key holds a string that is no HyperLogLog.
    ///
    /// `WRONGTYPE Key is not a valid HyperLogLog string value.`
    #[error("WRONGTYPE Key is not a valid HyperLogLog string value.")]
    NotAHyperLogLog,
    /// The key holds a string that begins as a HyperLogLog does, and goes on as none can.
    ///
    /// `INVALIDOBJ Corrupted HLL object detected`
    #[error("INVALIDOBJ Corrupted HLL object detected")]
    CorruptedHyperLogLog,
    /// A longitude beyond 180 degrees, or a latitude beyond 85.05112878: there a position cannot be stored.
    ///
    /// `ERR invalid longitude,latitude pair ...,...`
    #[error("ERR invalid longitude,latitude pair {longitude:.6},{latitude:.6}")]
    InvalidPosition {
        /// In degrees.
        longitude: f64,
        /// In degrees.
        latitude: f64,
    },
    /// The member from which others are searched for is not there.
    ///
    /// `ERR could not decode requested zset member`
    #[error("ERR could not decode requested zset member")]
    NoSuchMember,
    /// The sum of two scores is not a number (`inf` and `-inf`).
    ///
    /// `ERR resulting score is not a number (NaN)`
    #[error("ERR resulting score is not a number (NaN)")]
    NanScore,
    /// A bound of a range of scores is NaN.
    ///
    /// `ERR min or max is not a float`
    #[error("ERR min or max is not a float")]
    NanBound,
    /// A weight with which scores are to be multiplied is NaN.
    ///
    /// `ERR weight value is not a float`
    #[error("ERR weight value is not a float")]
    NanWeight,
    /// The operation needs the key to exist.
    ///
    /// `ERR no such key`
    #[error("ERR no such key")]
    NoSuchKey,
    /// There is no element at that index.
    ///
    /// `ERR index out of range`
    #[error("ERR index out of range")]
    IndexOutOfRange,
    /// An offset into a string lies beyond what a string may hold.
    ///
    /// `ERR offset is out of range`
    #[error("ERR offset is out of range")]
    OffsetOutOfRange,
    /// A bit offset lies beyond what a string may hold (2^32 bits).
    ///
    /// `ERR bit offset is not an integer or out of range`
    #[error("ERR bit offset is not an integer or out of range")]
    BitOffset,
    /// A key, value or element is longer than the store's limit (512 MB unless set otherwise).
    ///
    /// `ERR string exceeds maximum allowed size (proto-max-bulk-len)`
    #[error("ERR string exceeds maximum allowed size (proto-max-bulk-len)")]
    TooLong,
    /// A time to live that is zero where that has no meaning, or that ends beyond the clock's range.
    ///
    /// `ERR invalid expire time in '...' command`
    #[error("ERR invalid expire time in '{0}' command")]
    InvalidExpire(&'static str),
    /// Source and destination are one and the same key.
    ///
    /// `ERR source and destination objects are the same`
    #[error("ERR source and destination objects are the same")]
    SameKey,
    /// The store has no database of that number.
    ///
    /// `ERR DB index is out of range`
    #[error("ERR DB index is out of range")]
    NoSuchDatabase,
    /// The longest common subsequence of two strings this long would need a table of over 512 MB.
    ///
    /// `ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len`
    #[error("ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len")]
    LcsTooLarge,
    /// A cache of this name is open already in the same database: clone that one, or drop it first.
    ///
    /// `ERR a cache named ... is open already`
    #[error("ERR a cache named {0:?} is open already")]
    CacheInUse(String),
    /// An option that does not go with the others, or has no meaning; the text says which.
    ///
    /// `ERR ...`
    #[error("ERR {0}")]
    Invalid(&'static str),
    /// A shard holds as many keys of one database as it can, 2^31: a store that is to hold more needs
    /// more shards ([`StoreBuilder::shards`](crate::StoreBuilder::shards)).
    #[error("ERR too many keys in one shard")]
    TooManyKeys,
    /// The store is full ([`StoreBuilder::max_bytes`](crate::StoreBuilder::max_bytes),
    /// [`max_keys`](crate::StoreBuilder::max_keys), [`max_weight`](crate::StoreBuilder::max_weight)), and nothing
    /// may be evicted; or what was to be stored is larger than the whole limit.
    ///
    /// `OOM command not allowed when used memory > 'maxmemory'.`
    #[error("OOM command not allowed when used memory > 'maxmemory'.")]
    OutOfMemory,
    /// A stream has no such group of consumers, or there is no stream.
    ///
    /// `NOGROUP No such key '...' or consumer group '...'`
    #[error(transparent)]
    NoGroup(Box<NoGroup>),
    /// A stream has a group of that name already.
    ///
    /// `BUSYGROUP Consumer Group name already exists`
    #[error("BUSYGROUP Consumer Group name already exists")]
    GroupExists,
    /// A transaction touched a key that it had not declared.
    ///
    /// `ERR key ... was not declared by this transaction`
    #[error("ERR key {0:?} was not declared by this transaction")]
    Undeclared(Bytes),
    /// The store itself was called from inside one of its transactions, where only the transaction's
    /// own handle may be used; or a handle of a transaction was kept and used after its end.
    ///
    /// `ERR the store was called from inside its own transaction: use the handle it was given`
    #[error("ERR the store was called from inside its own transaction: use the handle it was given")]
    InTransaction,
    /// A value does not decode as the type that was asked for; the error holds its bytes.
    ///
    /// `ERR value of ... bytes does not decode as ...: ...`
    #[error(transparent)]
    Decode(#[from] Box<DecodeError>),
    /// The folder that the store is kept in could not be opened, or nothing more can be written to it.
    #[cfg(feature = "journal")]
    #[error(transparent)]
    Journal(Box<crate::JournalError>),
    /// A value does not encode; the codec says why.
    ///
    /// `ERR value cannot be encoded: ...`
    #[error("ERR value cannot be encoded: {0}")]
    Encode(String),
    /// A [`LoadError`](crate::LoadError) that is no error of the loader or of the store: the load that was
    /// waited for failed, or loads wait for each other. The text says which.
    ///
    /// `ERR ...`
    #[error("ERR {0}")]
    Load(String),
    /// A snapshot could not be written or read.
    #[error(transparent)]
    Snapshot(#[from] Box<crate::SnapshotError>),
    /// An RDB file could not be read or written.
    #[cfg(feature = "commands")]
    #[error(transparent)]
    Rdb(#[from] Box<crate::RdbError>),
}

/// Bytes that do not decode as the type that was asked for. They are handed back, so that an
/// element which was already taken out of a list is not lost.
///
/// ```
/// use larder::{Error, Store};
///
/// let store = Store::new();
/// let jobs = store.list::<u32>("jobs");
/// store.list::<String>("jobs").push_back("seven")?;
/// let Err(Error::Decode(error)) = jobs.pop_front() else { panic!("it is no number") };
/// assert_eq!(error.bytes, "seven"); // taken from the list, and not lost
/// assert_eq!(error.expected, "u32");
/// # Ok::<(), larder::Error>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct DecodeError {
    /// What was asked for: the Rust type's name.
    pub expected: &'static str,
    /// Why the bytes are not that.
    pub reason: String,
    /// The bytes as they were stored.
    pub bytes: Bytes,
}

impl DecodeError {
    /// The error of bytes that are no `T`, and why: what an implementation of [`Decode`](crate::Decode)
    /// gives. O(length of the reason)
    ///
    /// ```
    /// use larder::{Bytes, DecodeError, Error};
    ///
    /// let error = DecodeError::new::<u32>(Bytes::from("seven"), "not digits");
    /// assert_eq!(Error::from(error).to_string(), "ERR value of 5 bytes does not decode as u32: not digits");
    /// ```
    pub fn new<T: ?Sized>(bytes: Bytes, reason: impl fmt::Display) -> Self {
        DecodeError { expected: std::any::type_name::<T>(), reason: reason.to_string(), bytes }
    }
}

/// There is no such group of consumers: see [`Error::NoGroup`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("NOGROUP No such key '{}' or consumer group '{}'", shown(.key), shown(.group))]
#[non_exhaustive]
pub struct NoGroup {
    /// The name of the stream's key.
    pub key: Bytes,
    /// The name of the group.
    pub group: Bytes,
}

impl NoGroup {
    pub(crate) fn new(key: &[u8], group: &[u8]) -> Self {
        NoGroup { key: Bytes::from(key), group: Bytes::from(group) }
    }
}

impl From<NoGroup> for Error {
    fn from(error: NoGroup) -> Self {
        Error::NoGroup(Box::new(error))
    }
}

fn shown(name: &Bytes) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(name)
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ERR value of {} bytes does not decode as {}: {}",
            self.bytes.len(),
            self.expected,
            self.reason
        )
    }
}

impl std::error::Error for DecodeError {}

impl From<DecodeError> for Error {
    fn from(error: DecodeError) -> Self {
        Error::Decode(Box::new(error))
    }
}
