//! What the author of a test gets beside the store itself.

mod diff;
mod dump;
mod show;

pub use diff::{Difference, assert_same};
pub use dump::{Dump, ToDump};
