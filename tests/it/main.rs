//! The tests of the whole library through its public interface, in one binary.

mod blocking;
mod hash;
mod keys;
mod list;
mod load;
mod set;
mod sorted_set;
mod strings;
mod support;
mod transaction;
