//! What the author of a test gets: the feature `testing`.

mod clock;
mod diff;
mod dump;
mod fork;
mod seed;
