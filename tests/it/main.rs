//! The tests of the whole library through its public interface, in one binary.

mod differential;
mod hash;
mod keys;
mod list;
mod set;
mod sorted_set;
mod strings;
mod support;
