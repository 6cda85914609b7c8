//! What a command answers, before it is bytes on a wire.

use std::borrow::Cow;
use std::fmt;

use crate::resp::{Dialect, Protocol, encode};
use crate::{Bytes, Error};

/// What a command answers: the types of RESP3. How a client that speaks RESP2 sees those that it does not
/// know is the encoder's business.
///
/// ```
/// use larder::{Reply, Store};
///
/// let mut session = Store::new().session();
/// assert_eq!(session.call(["SET", "greeting", "hello"]), Reply::OK);
/// assert_eq!(session.call(["GET", "greeting"]), Reply::Bulk("hello".into()));
/// assert_eq!(session.call(["GET", "nothing"]), Reply::Nil);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
// For speed alone, and no part of the interface: where its kind hides in the last byte of what it holds, as compilers have it,
// each move is made of pieces that overlap, for which the processor waits.
#[repr(u64)]
pub enum Reply {
    /// A word such as `OK`.
    Status(Cow<'static, str>),
    /// An error, with its code.
    Error(ErrorReply),
    /// A whole number.
    Integer(i64),
    /// A byte string.
    Bulk(Bytes),
    /// Nothing, where a string would have been.
    Nil,
    /// Nothing, where an array would have been; RESP3 knows but one nothing.
    NilArray,
    /// Several replies in their order.
    Array(Vec<Reply>),
    /// Pairs of a name and a value; one list of both in RESP2.
    Map(Vec<(Reply, Reply)>),
    /// Pairs in their order, such as members with their scores: arrays of two in RESP3, one list of all in
    /// RESP2.
    Pairs(Vec<(Reply, Reply)>),
    /// Several replies in no order; an array in RESP2.
    Set(Vec<Reply>),
    /// A number that need not be whole; its text in RESP2.
    Double(f64),
    /// A longitude or a latitude: a [`Double`](Reply::Double), which servers other than Redis from 8 on write with up
    /// to 17 decimals and no exponent.
    Coordinate(f64),
    /// 1 or 0 in RESP2.
    Boolean(bool),
    /// The decimal digits of a whole number of any size; a byte string in RESP2.
    BigNumber(Bytes),
    /// A text for people, with its format (`txt` or `mkd`); a byte string in RESP2.
    Verbatim(&'static str, Bytes),
    /// What comes without having been asked for, such as a message of a channel; an array in RESP2.
    Push(Vec<Reply>),
    /// A reply with pairs that tell more of it, before it; the reply alone in RESP2.
    Attribute(Vec<(Reply, Reply)>, Box<Reply>),
    /// One after the other: what `SUBSCRIBE` gives, a reply for each channel.
    Several(Vec<Reply>),
}

/// An error as Redis words it: a code in capitals, and what went wrong.
///
/// ```
/// use larder::{Reply, Store};
///
/// let mut session = Store::new().session();
/// let Reply::Error(error) = session.call(["GET"]) else { panic!("a name is missing") };
/// assert_eq!(error.code(), "ERR");
/// assert_eq!(error.to_string(), "ERR wrong number of arguments for 'get' command");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReply(Cow<'static, [u8]>);

impl Reply {
    /// What most commands that change something answer.
    pub const OK: Reply = Reply::Status(Cow::Borrowed("OK"));

    /// The reply as bytes of a protocol, as the newest Redis writes them; as the server that a session stands
    /// for does, it is [`Session::encode`](crate::Session::encode). O(reply)
    ///
    /// ```
    /// use larder::{Protocol, Store};
    ///
    /// let mut session = Store::new().session();
    /// let reply = session.call(["GET", "nothing"]);
    /// assert_eq!(reply.to_bytes(Protocol::Resp2), b"$-1\r\n");
    /// assert_eq!(reply.to_bytes(Protocol::Resp3), b"_\r\n");
    /// ```
    pub fn to_bytes(&self, protocol: Protocol) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(self, Dialect { protocol, ..Dialect::default() }, &mut bytes);
        bytes
    }

    /// A count, as an integer.
    pub(crate) fn count(count: usize) -> Reply {
        Reply::Integer(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// 1 for yes, 0 for no.
    pub(crate) fn flag(flag: bool) -> Reply {
        Reply::Integer(flag.into())
    }

    /// A byte string, or nothing.
    pub(crate) fn bulk_or_nil(bytes: Option<Bytes>) -> Reply {
        bytes.map_or(Reply::Nil, Reply::Bulk)
    }

    /// An array of byte strings.
    pub(crate) fn bulks(bytes: impl IntoIterator<Item = Bytes>) -> Reply {
        Reply::Array(bytes.into_iter().map(Reply::Bulk).collect())
    }

    /// A byte string of a text.
    pub(crate) fn text(text: impl AsRef<[u8]>) -> Reply {
        Reply::Bulk(Bytes::from(text.as_ref()))
    }
}

impl ErrorReply {
    /// An error of this text, which begins with its code.
    pub fn new(text: impl Into<Cow<'static, str>>) -> Self {
        ErrorReply(match text.into() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        })
    }

    /// One that names what a client has sent, which need not be text.
    pub(crate) fn of_bytes(text: Vec<u8>) -> Self {
        ErrorReply(Cow::Owned(text))
    }

    /// A stream has no such group; `more` is what a command says beside that.
    pub(crate) fn no_group(key: &[u8], group: &[u8], more: &[u8]) -> Self {
        let text = [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'", more];
        ErrorReply::of_bytes(text.concat())
    }

    /// One whose text is known beforehand.
    pub(crate) const fn known(text: &'static str) -> Self {
        ErrorReply(Cow::Borrowed(text.as_bytes()))
    }

    /// The word that it begins with, such as `ERR` or `WRONGTYPE`; empty if that is no text. O(1)
    pub fn code(&self) -> &str {
        let code = self.0.split(|byte| *byte == b' ').next().unwrap_or_default();
        std::str::from_utf8(code).unwrap_or_default()
    }

    /// The whole text, code included. It is text unless it names what is none. O(1)
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl std::error::Error for ErrorReply {}

impl From<Error> for ErrorReply {
    fn from(error: Error) -> Self {
        match error {
            // Names need not be text.
            Error::NoGroup(error) => ErrorReply::no_group(&error.key, &error.group, b""),
            error => ErrorReply::new(error.to_string()),
        }
    }
}

impl From<Error> for Reply {
    fn from(error: Error) -> Self {
        Reply::Error(error.into())
    }
}

impl From<ErrorReply> for Reply {
    fn from(error: ErrorReply) -> Self {
        Reply::Error(error)
    }
}
