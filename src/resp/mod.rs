//! Redis's protocol: requests from bytes, and replies to bytes. No input, no output: whoever has a
//! connection hands the bytes over.

#[cfg(any(feature = "redis", feature = "server"))]
mod ahead;
#[cfg(any(feature = "redis", feature = "server"))]
mod arguments;
mod encode;
#[cfg(any(feature = "redis", feature = "server"))]
mod inline;
#[cfg(any(feature = "redis", feature = "server"))]
mod parse;
#[cfg(any(feature = "redis", feature = "server"))]
mod style;

#[cfg(any(feature = "lua", feature = "redis"))]
pub(crate) use encode::coordinate;
#[cfg(feature = "server")]
pub(crate) use encode::least_bytes;
pub(crate) use encode::{Dialect, begin_array, begin_map, begin_set, bulk as encode_bulk, double, encode};
#[cfg(feature = "server")]
pub(crate) use inline::split_words;
#[cfg(any(feature = "redis", feature = "server"))]
pub(crate) use parse::Requests;
#[cfg(feature = "server")]
pub(crate) use style::Style;

/// Which version of the protocol a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Protocol {
    /// RESP2: what a connection speaks until it says `HELLO 3`.
    #[default]
    Resp2,
    /// RESP3.
    Resp3,
}

impl Protocol {
    /// 2 or 3.
    pub(crate) fn number(self) -> u8 {
        match self {
            Protocol::Resp2 => 2,
            Protocol::Resp3 => 3,
        }
    }
}
