//! The text rules of the commands: which glob matches, which bytes are a number, and how a number is written.
//!
//! Everything here is a pure function of bytes: no key, no clock, no reply. No input makes it panic, and what
//! it allocates is bounded by the length of the text, never by a number that the text claims.

mod big;
mod float;
pub(crate) mod glob;
pub(crate) mod long_double;
pub(crate) mod number;
mod shortest;
