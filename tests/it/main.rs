//! The tests of the whole library through its public interface, in one binary.

mod accounting;
mod events;
mod expiry;
mod hash;
mod keys;
mod list;
mod recipes;
mod set;
mod snapshot;
mod sorted_set;
mod strings;
mod support;
